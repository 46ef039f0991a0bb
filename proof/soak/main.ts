/**
 * The soak test: on each runtime a process that writes a log is killed (SIGKILL) hundreds of times
 * at random moments, and each time the log is checked against what had been acknowledged.
 *
 * ```sh
 * npm run soak
 * npm run soak -- --runtime bun --kills 2000 --seed 7
 * ```
 *
 * A broken promise prints the seed and the folder, which is kept, and the exit code is 1.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { BrokenPromise } from "../../src/testing/testing.ts";
import { type Runtime, RUNTIMES } from "../../kit/runtime.ts";
import { soak, type Summary } from "./soak.ts";

/** How often a line is printed. */
const TELL_EVERY_MS = 15_000;

const USAGE = `Usage: soak [--runtime ${RUNTIMES.join("|")}] [--kills N] [--seed N]`;

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      runtime: { type: "string", multiple: true, default: [...RUNTIMES] },
      kills: { type: "string", default: "500" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      help: { type: "boolean", default: false },
    },
  });
  const runtimes = RUNTIMES.filter((runtime) => values.runtime.includes(runtime));
  const kills = Number(values.kills);
  const seed = Number(values.seed);
  const isWrong = runtimes.length < new Set(values.runtime).size ||
    !Number.isSafeInteger(kills) || kills < 1 || !Number.isSafeInteger(seed);
  if (isWrong || values.help) {
    console.log(USAGE);
    return isWrong ? 2 : 0;
  }
  for (const runtime of runtimes) {
    if (!await run(runtime, kills, seed)) return 1;
  }
  return 0;
}

/** Soaks one runtime; whether all promises were kept. */
async function run(runtime: Runtime, kills: number, seed: number): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), `wal-soak-${runtime}-`));
  const start = Date.now();
  let toldAt = start;
  const onKill = (summary: Summary): void => {
    if (Date.now() - toldAt < TELL_EVERY_MS) return;
    toldAt = Date.now();
    console.log(`${runtime}: ${show(summary)} so far`);
  };
  try {
    const summary = await soak({ runtime, kills, seed, folder, onKill });
    const seconds = ((Date.now() - start) / 1000).toFixed(1);
    console.log(`${runtime}: ${show(summary)}, ${seconds} s, seed ${seed}: every promise kept`);
  } catch (error) {
    if (!(error instanceof BrokenPromise)) throw error;
    console.error(`${runtime}: BROKEN PROMISE with seed ${seed}: ${error.message}`);
    console.error(
      `Kept in "${folder}": before/ as the worker found the log, log/ as it left it, lines.txt ` +
        "with what it said.",
    );
    return false;
  }
  rmSync(folder, { recursive: true, force: true });
  return true;
}

function show({ kills, operations, rolls, killsWhileOpening }: Summary): string {
  return `${kills} kills (${killsWhileOpening} while opening), ${operations} operations, ` +
    `${rolls} rolls`;
}
