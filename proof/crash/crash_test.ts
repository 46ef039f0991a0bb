/**
 * The log on a disk that may have any part of what no sync has covered: every crash of programs that
 * do everything, and every failing call of one that does a little of it.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { programOf, rollingProgramOf } from "./program.ts";
import { RUNTIME } from "../../kit/runtime.ts";
import { ROLL_STATES } from "./rolls.ts";
import { newTally, rollsIn, trialOf } from "./trial.ts";
import {
  type Event,
  truncateAgainAndAgain,
  useALittle,
  useEverything,
  useMappedSpace,
  useRolls,
  useSpaceAhead,
} from "./workload.ts";
import {
  BrokenPromise,
  exploreCrashes,
  exploreFaults,
  FaultyFileSystem,
  type Trial,
} from "../../src/testing/testing.ts";

const TIMEOUT = { timeout: 120_000 };

test("every crash of a program that does everything keeps every promise", TIMEOUT, async () => {
  const tally = newTally();
  const trial = trialOf(useEverything, { segmentSize: 4096 }, tally);
  const { crashes, states } = await exploreCrashes(trial, { statesPerCrash: 48 });
  assert(crashes > 150, `${crashes} crashes`);
  assertEquals(tally.states, states);
  assert(states > 1500, `${states} states`);
  assertEquals(Object.keys(tally.cases).sort(), ["A", "B", "D", "E"]);
  assert(tally.recoveries > 500, `${tally.recoveries} states in the middle of a recovery`);
});

for (const seed of [3, 4]) {
  const { run, options } = programOf(seed);
  test(`every crash of random program ${seed}, format ${options.format}`, TIMEOUT, async () => {
    await exploreCrashes(trialOf(run, options, newTally()), { statesPerCrash: 24 });
  });
}

test("every crash of one truncation after the other keeps every promise", TIMEOUT, async () => {
  const trial = trialOf(truncateAgainAndAgain, {}, newTally());
  const { crashes } = await exploreCrashes(trial, { statesPerCrash: 64 });
  assert(crashes > 20, `${crashes} crashes`);
});

for (const syncMode of ["async", "blocking"] as const) {
  test(`every crash in space ahead keeps every promise, ${syncMode} syncs`, TIMEOUT, async () => {
    const options = { segmentSize: 16_384, preallocate: 8192, syncMode } as const;
    const tally = newTally();
    const trial = trialOf(useSpaceAhead, options, tally);
    const { crashes, states } = await exploreCrashes(trial, { statesPerCrash: 32 });
    assert(crashes > 40, `${crashes} crashes`);
    assert(states > 500, `${states} states`);
    assert(tally.cases["B"] !== undefined, "zeros are found after the end");
  });
}

test("every crash around rolls that are on their way keeps every promise", TIMEOUT, async () => {
  const tally = newTally();
  const trial = trialOf(useRolls, { segmentSize: 1024 }, tally);
  const { states } = await exploreCrashes(trial, { statesPerCrash: 48 });
  assert(states > 1000, `${states} states`);
  assert(tally.cases["D"] !== undefined, "entries that were never acknowledged are set aside");
});

test("every crash around rolls on a slow disk keeps every promise", TIMEOUT, async () => {
  const tally = newTally();
  const { run, options, syncTakes } = rollingProgramOf(2);
  const trial = trialOf(run, options, tally, syncTakes);
  const observe = (call: string): unknown => trial.observe(call);
  await exploreCrashes(trial, { statesPerCrash: 12, observe });
  assert(rollsIn(tally) > 500, `${rollsIn(tally)} states with a pending roll`);
  for (const state of ROLL_STATES) assert(tally.rolls[state] !== undefined, state);
});

test("every crash among stores into mapped space keeps every promise", TIMEOUT, async () => {
  const options = { segmentSize: 100_000, memoryMap: "on" } as const;
  const tally = newTally();
  const trial = trialOf(useMappedSpace, options, tally);
  const { crashes, states } = await exploreCrashes(trial, { statesPerCrash: 32 });
  assert(crashes > 60, `${crashes} crashes`);
  assert(states > 1000, `${states} states`);
});

test("every failing call among stores keeps every promise", TIMEOUT, async () => {
  const options = { segmentSize: 100_000, memoryMap: "on" } as const;
  const trial = trialOf(useMappedSpace, options, newTally());
  const { crashes } = await exploreFaults(trial, { failedSync: "ext4", statesPerCrash: 1 });
  assert(crashes > 100, `${crashes} crashes`);
});

test("every failing call in space ahead keeps every promise", TIMEOUT, async () => {
  const trial = trialOf(useSpaceAhead, { segmentSize: 16_384, preallocate: 8192 }, newTally());
  const { crashes } = await exploreFaults(trial, { failedSync: "ext4", statesPerCrash: 1 });
  assert(crashes > 500, `${crashes} crashes`);
});

/** What a failed sync leaves, by the file system: here each runtime has one, and `--faults` all. */
const FAILED_SYNC = { node: "ext4", bun: "xfs", deno: "btrfs" } as const;

test(
  `every failing call keeps every promise, a failed sync as on ${FAILED_SYNC[RUNTIME]}`,
  TIMEOUT,
  async () => {
    const trial = trialOf(useALittle, { segmentSize: 1024 }, newTally());
    const { crashes, states } = await exploreFaults(trial, {
      failedSync: FAILED_SYNC[RUNTIME],
      statesPerCrash: 2,
    });
    assert(crashes > 1500, `${crashes} crashes`);
    assert(states > 2000, `${states} states`);
  },
);

const SYNCS = ["syncData", "syncDataBlocking", "sync", "syncBlocking", "syncDirectory"] as const;
for (const operation of SYNCS) {
  test(`a disk whose ${operation} lies is caught`, TIMEOUT, async () => {
    const syncMode = operation === "syncDataBlocking" ? "blocking" : "async";
    const honest = trialOf(useEverything, { segmentSize: 4096, syncMode }, newTally());
    const lied: Trial<Event> = {
      ...honest,
      run: (fileSystem, promise) => {
        const lying = new FaultyFileSystem(fileSystem);
        lying.lie(operation, { times: Infinity });
        return honest.run(lying, promise);
      },
    };
    await assertRejects(() => exploreCrashes(lied, { statesPerCrash: 16 }), BrokenPromise);
  });
}
