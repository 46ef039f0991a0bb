/**
 * Overlaps every public call of a log with every other, at every call of the disk that either waits
 * for, and judges every crash on the way, on each runtime.
 *
 * ```sh
 * npm run overlap
 * npm run overlap -- --runtime node --random 20 --triples 500 --seed 7
 * npm run overlap -- --start "many segments" --call close --call sync --schedule 0,0,0,0
 * ```
 *
 * A broken promise prints the calls and the schedule, by which the run can be made again, and the exit
 * code is 1.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { BrokenPromise } from "../../src/testing/testing.ts";
import { below, seededRandom } from "../../src/testing/random.ts";
import { commandOn, RUNTIMES } from "../../kit/runtime.ts";
import { CALL_NAMES } from "./calls.ts";
import {
  again,
  explore,
  exploreFault,
  judgeRun,
  type Limits,
  newTally,
  type Tally,
} from "./explore.ts";
import { run, type Scenario } from "./scenario.ts";
import { STARTS } from "./starts.ts";

const USAGE = `Usage: overlap [--runtime ${RUNTIMES.join("|")}]... [--seed N] [--states N]
               [--random N] [--triples N] [--faults N] [--start NAME]... [--call NAME]... [--schedule N,N,...]

  --states N    the most states of the disk for each crash; default: 8
  --random N    schedules at random for each pair, beside those that are always tried; default: 4
  --triples N   so many threes of calls at random, by schedules at random; default: 500
  --faults N    so many runs in which a call of the disk fails; default: 2000
  --start NAME  only on these logs: ${STARTS.map(({ name }) => name).join(", ")}
  --call NAME   only these calls, in this order: ${CALL_NAMES.join("; ")}
  --schedule    only this schedule of them`;

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      runtime: { type: "string", multiple: true, default: [...RUNTIMES] },
      seed: { type: "string", default: "1" },
      states: { type: "string", default: "8" },
      random: { type: "string", default: "4" },
      triples: { type: "string", default: "500" },
      faults: { type: "string", default: "2000" },
      start: { type: "string", multiple: true, default: STARTS.map(({ name }) => name) },
      call: { type: "string", multiple: true, default: [] },
      schedule: { type: "string" },
      here: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const [seed, states, random, triples, faults] = [
    values.seed,
    values.states,
    values.random,
    values.triples,
    values.faults,
  ].map(Number) as [number, number, number, number, number];
  const runtimes = RUNTIMES.filter((runtime) => values.runtime.includes(runtime));
  const starts = STARTS.filter(({ name }) => values.start.includes(name));
  const isWrong = runtimes.length < new Set(values.runtime).size ||
    starts.length < new Set(values.start).size ||
    values.call.some((name) => !CALL_NAMES.includes(name)) ||
    ![seed, states, random, triples, faults].every(Number.isSafeInteger) || states < 1;
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
  const limits: Limits = { random, seed, states };
  const tally = newTally();
  let broken = 0;
  const attempt = async (body: () => Promise<unknown>): Promise<void> => {
    try {
      await body();
    } catch (error) {
      if (!(error instanceof BrokenPromise)) throw error;
      broken++;
      console.log(`BROKEN ${error.message}\n`);
    }
  };
  if (values.schedule !== undefined) {
    const schedule = values.schedule.split(",").map(Number);
    for (const start of starts) {
      const scenario: Scenario = { start, calls: values.call };
      await attempt(async () => {
        await judgeRun(scenario, await run(scenario, again(schedule)), limits, tally);
      });
    }
  } else if (values.call.length > 0) {
    for (const start of starts) {
      await attempt(() => explore({ start, calls: values.call }, limits, tally));
    }
  } else {
    for (const start of starts) {
      for (const first of CALL_NAMES) {
        for (const second of CALL_NAMES) {
          await attempt(() => explore({ start, calls: [first, second] }, limits, tally));
        }
        tell(`${start.name}, ${first}`, tally);
      }
    }
    const draw = seededRandom(seed);
    const one = <T>(some: readonly T[]): T => some[below(draw, some.length)] as T;
    for (let i = 0; i < triples; i++) {
      const calls = [one(CALL_NAMES), one(CALL_NAMES), one(CALL_NAMES)];
      const scenario: Scenario = { start: one(starts), calls };
      const schedule = (options: readonly unknown[]): number => below(draw, options.length);
      await attempt(async () => {
        await judgeRun(scenario, await run(scenario, schedule), limits, tally);
      });
    }
    tell("three calls each", tally);
    for (let i = 0; i < faults; i++) {
      await attempt(() => exploreFault(starts, CALL_NAMES, { ...limits, seed: seed + i }, tally));
    }
  }
  tell(broken === 0 ? "No promise was broken" : `${broken} promises were broken`, tally);
  return broken === 0 ? 0 : 1;
}

function tell(what: string, { schedules, moments, states }: Tally): void {
  console.log(`${what}: ${schedules} schedules, ${moments} crashes, ${states} states so far`);
}
