/**
 * Raft over the log: three nodes replicate commands while machines die, power goes, and messages are
 * lost, repeated and overtaken. After each step the safety properties of Raft are checked, against
 * what the nodes read from their disks.
 *
 * ```sh
 * node examples/raft/main.ts                        # 200 schedules, from a random seed
 * node examples/raft/main.ts --seed 7 --schedules 1 --trace
 * ```
 *
 * Each schedule has a seed of its own, the first one's and up. It exits with 1 if a property does not
 * hold, and prints the seed with which that schedule can be run again.
 *
 * @module
 */
import type { FileSystem } from "@durable/wal";
import { MemoryFileSystem } from "@durable/wal/memory";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { runSchedule, type Summary } from "./simulation.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(Math.floor(Math.random() * 1_000_000)) },
    schedules: { type: "string", default: "200" },
    steps: { type: "string", default: "500" },
    /** Keeps the files in memory; otherwise they are in a temporary folder. */
    memory: { type: "boolean", default: false },
    /** Prints each step. */
    trace: { type: "boolean", default: false },
  },
});
const [seed, schedules, steps] = [values.seed, values.schedules, values.steps].map(Number) as [
  number,
  number,
  number,
];

/** The file system of the runtime that runs this. */
async function runtimeFiles(): Promise<FileSystem> {
  if ("Deno" in globalThis) return new (await import("@durable/wal/deno")).DenoFileSystem();
  if ("Bun" in globalThis) return new (await import("@durable/wal/bun")).BunFileSystem();
  return new (await import("@durable/wal/node")).NodeFileSystem();
}

async function run(scheduleSeed: number): Promise<Summary> {
  const say = values.trace ? { say: (line: string): void => console.log(line) } : {};
  if (values.memory) {
    const fileSystem = new MemoryFileSystem();
    return await runSchedule({ seed: scheduleSeed, steps, fileSystem, folder: ".", ...say });
  }
  const folder = mkdtempSync(join(tmpdir(), "wal-raft-"));
  try {
    const fileSystem = await runtimeFiles();
    return await runSchedule({ seed: scheduleSeed, steps, fileSystem, folder, ...say });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const started = performance.now();
const summaries: Summary[] = [];
let failed = false;
while (!failed && summaries.length < schedules) {
  const next = seed + summaries.length;
  try {
    summaries.push(await run(next));
  } catch (error) {
    failed = true;
    console.error(error);
    console.error(`\nThe schedule of seed ${next} failed. To run it again, step by step:`);
    console.error(`  --seed ${next} --schedules 1 --steps ${steps} --trace`);
  }
}
process.exitCode = failed ? 1 : 0;

/** The sum of one of the counts. */
function total(count: keyof Summary): string {
  return summaries.reduce((sum, summary) => sum + summary[count], 0).toLocaleString("en-US");
}

const seconds = ((performance.now() - started) / 1000).toFixed(1);
console.log(
  `${summaries.length} schedules from seed ${seed} in ${seconds} s${
    failed ? "" : ", and in each every property held"
  }`,
);
console.log(`  ${total("leaders")} leaders, ${total("committed")} entries committed`);
console.log(`  ${total("dropped")} followers' tails overwritten by a leader`);
console.log(`  ${total("compacted")} logs compacted, ${total("installed")} snapshots installed`);
console.log(
  `  ${total("kills")} machines killed: ${
    total("killsAtWork")
  } in the middle of a write or sync, ` +
    `${total("powerCuts")} with a power cut`,
);
