/**
 * Explores what crashes may leave of a log, on each runtime: the machine dies before each call that
 * changes something, and every state in which the disk may then be is opened and judged. The runtimes
 * must see the same states.
 *
 * ```sh
 * npm run crash   # 100,000 states, and as many with a roll that is pending
 * npm run crash -- --states 1000000 --runtime node
 * npm run crash -- --faults   # each call fails in turn too, in the manner of each file system
 * ```
 *
 * A broken promise prints the program, the crash and the state of the disk, and the exit code is 1.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  BrokenPromise,
  exploreCrashes,
  exploreFaults,
  type FailedSync,
} from "../../src/testing/testing.ts";
import { commandOn, RUNTIMES } from "../../kit/runtime.ts";
import { type Program, programOf, rollingProgramOf } from "./program.ts";
import { ROLL_STATES } from "./rolls.ts";
import { newTally, rollsIn, type Tally, trialOf } from "./trial.ts";
import { useEverything, useEverythingAtOnce } from "./workload.ts";

const USAGE = `Usage: crash [--runtime ${RUNTIMES.join("|")}] [--states N] [--faults]`;

/** Where there are more states after one crash, a draw of so many. */
const STATES_PER_CRASH = 512;

const FAILED_SYNCS: readonly FailedSync[] = ["ext4", "xfs", "btrfs"];

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      runtime: { type: "string", multiple: true, default: [...RUNTIMES] },
      states: { type: "string", default: "100000" },
      faults: { type: "boolean", default: false },
      here: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const states = Number(values.states);
  const runtimes = RUNTIMES.filter((runtime) => values.runtime.includes(runtime));
  const isWrong = runtimes.length < new Set(values.runtime).size || !(states >= 1);
  if (isWrong || values.help) {
    console.log(USAGE);
    return isWrong ? 2 : 0;
  }
  if (values.here) return await explore(states, values.faults);
  const digests = new Set<string>();
  for (const runtime of runtimes) {
    const args = ["--here", "--states", values.states, ...(values.faults ? ["--faults"] : [])];
    const { program, args: all } = commandOn(runtime, fileURLToPath(import.meta.url), ...args);
    const { stdout, status } = spawnSync(program, all, {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    });
    for (const line of stdout.trimEnd().split("\n")) console.log(`${runtime}: ${line}`);
    if (status !== 0) return 1;
    digests.add(stdout.match(/digest \S+/g)?.join(" ") ?? "");
  }
  if (digests.size === 1) return 0;
  console.error("The runtimes did not see the same states");
  return 1;
}

/** Explores on this runtime. */
async function explore(states: number, withFaults: boolean): Promise<number> {
  const tally = newTally();
  const start = performance.now();
  try {
    const everything = { run: useEverything, options: { segmentSize: 4096 } };
    await crash("a program that does everything", everything, tally);
    for (let seed = 1; tally.states < states; seed++) {
      await crash(`the random program ${seed}`, programOf(seed), tally);
    }
    tell("crashes", tally, start);
    await exploreRolls(states);
    if (withFaults) {
      for (const failedSync of FAILED_SYNCS) {
        const start = performance.now();
        const tally = newTally();
        const trial = trialOf(useEverythingAtOnce, { segmentSize: 4096 }, tally);
        await exploreFaults(trial, { failedSync, statesPerCrash: 4 });
        tell(`faults, ${failedSync}`, tally, start);
      }
    }
  } catch (error) {
    if (!(error instanceof BrokenPromise)) throw error;
    console.log(`BROKEN PROMISE: ${error.message}`);
    return 1;
  }
  return 0;
}

/** Explores programs that roll, until so many states with a pending roll were seen. */
async function exploreRolls(states: number): Promise<void> {
  const tally = newTally();
  const start = performance.now();
  for (let seed = 1; rollsIn(tally) < states; seed++) {
    await crash(`the rolling program ${seed}`, rollingProgramOf(seed), tally);
  }
  tell("rolls", tally, start);
}

async function crash(name: string, program: Program, tally: Tally): Promise<void> {
  const { run, options, syncTakes } = program;
  const trial = trialOf(run, options, tally, syncTakes);
  const observe = (call: string): unknown => trial.observe(call);
  try {
    await exploreCrashes(trial, { statesPerCrash: STATES_PER_CRASH, observe });
  } catch (error) {
    if (!(error instanceof BrokenPromise)) throw error;
    throw new BrokenPromise(`${name}: ${error.message}`, { cause: error });
  }
}

function tell(what: string, tally: Tally, start: number): void {
  const { states, recoveries, cases, digest } = tally;
  const rolls = ROLL_STATES.map((state) => `${state}: ${tally.rolls[state] ?? 0}`).join("; ");
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const found = Object.entries(cases).sort().map(([name, count]) => `${name} ${count}`).join(", ");
  console.log(
    `${what}: ${states} states of the disk (recovery found ${found}) and ${recoveries} in the ` +
      `middle of a recovery, every promise kept, digest ${digest}, ${seconds} s\n` +
      `  ${rollsIn(tally)} of the states with a pending roll: ${rolls}`,
  );
}
