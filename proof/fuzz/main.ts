/**
 * The fuzzer: everything that reads a log is given files that no writer would leave, with their
 * checksums made right again, and must neither hang, nor take memory, nor fail without a typed
 * error, nor return what was not written, nor change what it refuses. It runs until it is stopped.
 *
 * ```sh
 * npm run fuzz
 * npm run fuzz -- --executions 1000000 --seed 7
 * npm run fuzz -- --seconds 60 --only open --only raft --findings /tmp/findings
 * npm run fuzz -- --replay proof/fuzz/cases/seal-of-no-entries.json
 * ```
 *
 * Each kind of finding is written once as a case, which `--replay` runs; the exit code is then 1. A
 * case that was fixed belongs into `proof/fuzz/cases/`, which the tests replay.
 *
 * @module
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { formatCase, parseCase } from "./case.ts";
import { Finding } from "./finding.ts";
import { type Found, fuzz, makeTargets, replay, type Summary } from "./fuzz.ts";
import { Watchdog } from "./watchdog.ts";

/** How often a line is printed. */
const TELL_EVERY_MS = 10_000;

const USAGE = "Usage: fuzz [--executions N] [--seconds N] [--seed N] [--only NAME]... " +
  "[--findings FOLDER] [--replay FILE]";

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      executions: { type: "string", default: "Infinity" },
      seconds: { type: "string", default: "Infinity" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      only: { type: "string", multiple: true },
      findings: { type: "string", default: join(tmpdir(), "wal-fuzz") },
      replay: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const executions = Number(values.executions);
  const seconds = Number(values.seconds);
  const seed = Number(values.seed);
  const names = (await makeTargets()).map(({ name }) => name);
  const isWrong = !(executions > 0) || !(seconds > 0) || !Number.isSafeInteger(seed) ||
    !(values.only ?? []).every((name) => names.includes(name));
  if (isWrong || values.help) {
    console.log(`${USAGE}\nNames: ${names.join(", ")}`);
    return isWrong ? 2 : 0;
  }
  if (values.replay !== undefined) return await replayFile(values.replay);
  return await run({ executions, seconds, seed, only: values.only, folder: values.findings });
}

/** Runs one case. */
async function replayFile(path: string): Promise<number> {
  try {
    console.log(await replay(await makeTargets(), parseCase(readFileSync(path, "utf8"))));
    return 0;
  } catch (error) {
    if (!(error instanceof Finding)) throw error;
    console.error(error);
    return 1;
  }
}

/** Fuzzes until it is enough. */
async function run({ executions, seconds, seed, only, folder }: {
  executions: number;
  seconds: number;
  seed: number;
  only: readonly string[] | undefined;
  folder: string;
}): Promise<number> {
  mkdirSync(folder, { recursive: true });
  const watchdog = new Watchdog(folder);
  const start = performance.now();
  let stopped = false;
  let toldAt = start;
  process.once("SIGINT", () => stopped = true);
  console.log(`seed ${seed}`);
  const summary = await fuzz({
    seed,
    executions,
    only,
    get until(): number {
      return stopped ? 0 : start + seconds * 1000;
    },
    onExecution: (input) => watchdog.note(input),
    onFinding: (found) => tellFinding(found, folder),
    onRound: (summary) => {
      if (performance.now() - toldAt < TELL_EVERY_MS) return;
      toldAt = performance.now();
      console.log(`${show(summary, start)} so far`);
    },
  });
  await watchdog.stop();
  const each = Object.entries(summary.perTarget).map(([name, count]) => `${name} ${count}`);
  console.log(`${show(summary, start)}, seed ${seed} (${each.join(", ")})`);
  return summary.findings === 0 ? 0 : 1;
}

function tellFinding({ gist, error, input }: Found, folder: string): void {
  const hash = [...gist].reduce((sum, c) => (Math.imul(sum, 31) + c.charCodeAt(0)) >>> 0, 7);
  const path = join(folder, `${input.target}-${hash.toString(16).padStart(8, "0")}.json`);
  writeFileSync(path, formatCase(input, error.message));
  console.error(`FINDING ${input.target}: ${error.message}\n  "${path}"`);
}

function show({ executions, outcomes, findings }: Summary, start: number): string {
  const seconds = (performance.now() - start) / 1000;
  return `${executions} executions, ${(executions / seconds).toFixed(0)} a second, ` +
    `${outcomes} outcomes, ${findings} findings`;
}
