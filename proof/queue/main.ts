/**
 * Whether a queue keeps its promises: every crash and every fault of a program that does everything,
 * random programs against a model, and a process that is killed again and again, on each runtime.
 *
 * ```sh
 * npm run queue
 * npm run queue -- --runtime node --states 40 --programs 2000 --kills 500 --seed 7
 * ```
 *
 * A broken promise is printed with the seed, and the exit code is 1.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { exploreCrashes, exploreFaults } from "../../src/testing/testing.ts";
import { runRandomProgram } from "../../kit/queue_model.ts";
import { commandOn, RUNTIME, RUNTIMES } from "../../kit/runtime.ts";
import { soak } from "./soak.ts";
import { queueTrial } from "./trial.ts";

const USAGE = `Usage: queue [--runtime ${RUNTIMES.join("|")}]... [--seed N] [--states N]
             [--programs N] [--kills N]

  --states N    the most states of the disk for each crash; default: 40
  --programs N  so many random programs; default: 1000
  --kills N     so many kills of a process; default: 500`;

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      runtime: { type: "string", multiple: true, default: [...RUNTIMES] },
      seed: { type: "string", default: "1" },
      states: { type: "string", default: "40" },
      programs: { type: "string", default: "1000" },
      kills: { type: "string", default: "500" },
      here: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const runtimes = RUNTIMES.filter((runtime) => values.runtime.includes(runtime));
  const numbers = [values.seed, values.states, values.programs, values.kills].map(Number);
  const isWrong = runtimes.length < new Set(values.runtime).size ||
    !numbers.every(Number.isSafeInteger) || Number(values.states) < 1;
  if (isWrong || values.help) {
    console.log(USAGE);
    return isWrong ? 2 : 0;
  }
  if (!values.here) {
    const file = fileURLToPath(import.meta.url);
    const failed = runtimes.filter((runtime) => {
      console.log(`On ${runtime}:`);
      const { program, args } = commandOn(runtime, file, ...process.argv.slice(2), "--here");
      return spawnSync(program, args, { stdio: "inherit" }).status !== 0;
    });
    return failed.length === 0 ? 0 : 1;
  }
  const [seed = 1, states = 40, programs = 0, kills = 0] = numbers;
  await explore(states, seed);
  await programsFrom(seed, programs);
  await kill(kills, seed);
  return 0;
}

async function explore(statesPerCrash: number, seed: number): Promise<void> {
  const options = { statesPerCrash, seed };
  for (const segmentSize of [512, 4096]) {
    const crashes = await exploreCrashes(queueTrial({ rounds: 8, segmentSize }), options);
    console.log(`segments of ${segmentSize}: ${crashes.crashes} crashes, ${crashes.states} states`);
  }
  const few = { statesPerCrash: Math.ceil(statesPerCrash / 20), seed };
  const faults = await exploreFaults(queueTrial({ rounds: 3, segmentSize: 1024 }), few);
  console.log(`faults: ${faults.crashes} crashes, ${faults.states} states`);
}

async function programsFrom(seed: number, count: number): Promise<void> {
  let steps = 0;
  for (let i = 0; i < count; i++) {
    const tally = await runRandomProgram(seed + i, 150);
    steps += Object.values(tally).reduce((all, one) => all + one, 0);
  }
  console.log(`${count} random programs, ${steps} steps`);
}

async function kill(kills: number, seed: number): Promise<void> {
  if (kills === 0) return;
  const folder = mkdtempSync(join(tmpdir(), `queue-soak-${RUNTIME}-`));
  const summary = await soak({ runtime: RUNTIME, kills, seed, folder });
  rmSync(folder, { recursive: true, force: true });
  console.log(`${summary.kills} kills, ${summary.operations} operations`);
}
