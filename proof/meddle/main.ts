/**
 * The soak test of what others do to a log's files: on each runtime, while a process writes a log,
 * another one renames, copies, links, removes and restores its directory and files, hundreds of times
 * at random moments.
 *
 * ```sh
 * npm run meddle
 * npm run meddle -- --runtime bun --acts 2000 --seed 7
 * ```
 *
 * A broken promise prints the seed and the folder, which is kept, and the exit code is 1.
 *
 * @module
 */
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { BrokenPromise } from "../../src/testing/testing.ts";
import { type Runtime, RUNTIMES } from "../../kit/runtime.ts";
import { meddle, type Summary } from "./meddle.ts";

/** How often a line is printed. */
const TELL_EVERY_MS = 15_000;

const USAGE = `Usage: meddle [--runtime ${RUNTIMES.join("|")}] [--acts N] [--seed N]`;

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      runtime: { type: "string", multiple: true, default: [...RUNTIMES] },
      acts: { type: "string", default: "500" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      help: { type: "boolean", default: false },
    },
  });
  const runtimes = RUNTIMES.filter((runtime) => values.runtime.includes(runtime));
  const acts = Number(values.acts);
  const seed = Number(values.seed);
  const isWrong = runtimes.length < new Set(values.runtime).size ||
    !Number.isSafeInteger(acts) || acts < 1 || !Number.isSafeInteger(seed);
  if (isWrong || values.help) {
    console.log(USAGE);
    return isWrong ? 2 : 0;
  }
  for (const runtime of runtimes) {
    if (!await run(runtime, acts, seed)) return 1;
  }
  return 0;
}

/** Soaks one runtime; whether all promises were kept. */
async function run(runtime: Runtime, acts: number, seed: number): Promise<boolean> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), `wal-meddle-${runtime}-`)));
  const start = Date.now();
  let toldAt = start;
  const onAct = (summary: Summary): void => {
    if (Date.now() - toldAt < TELL_EVERY_MS) return;
    toldAt = Date.now();
    console.log(`${runtime}: ${show(summary)} so far`);
  };
  try {
    const summary = await meddle({ runtime, acts, seed, folder, onAct });
    const seconds = ((Date.now() - start) / 1000).toFixed(1);
    console.log(`${runtime}: ${show(summary)}, ${seconds} s, seed ${seed}: every promise kept`);
  } catch (error) {
    if (!(error instanceof BrokenPromise)) throw error;
    console.error(`${runtime}: BROKEN PROMISE with seed ${seed}: ${error.message}`);
    console.error(
      `Kept in "${folder}": the log's folder, and lines.txt with what the writer said.`,
    );
    return false;
  }
  rmSync(folder, { recursive: true, force: true });
  return true;
}

function show({ acts, operations, told, refused }: Summary): string {
  const count = [...acts.values()].reduce((sum, times) => sum + times, 0);
  return `${count} acts of ${acts.size} kinds, ${operations} operations, the writer reported ${told}, ` +
    `${refused} second writers refused`;
}
