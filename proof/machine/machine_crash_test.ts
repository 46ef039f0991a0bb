/**
 * A state machine and a durable map on a disk that may have any part of what no sync has covered: every
 * crash, and every failing call, in a short form.
 *
 * @module
 */
import { test } from "node:test";
import { assert } from "@std/assert";
import { exploreCrashes, exploreFaults } from "../../src/testing/testing.ts";
import { machineTrial, mapTrial, newMachineTally, useALittleOfIt, useMachine } from "./trials.ts";
import {
  newOutboxTally,
  outboxTrial,
  slowFile,
  useALittleOfAnOutbox,
  useOutbox,
} from "./outbox_trial.ts";

const TIMEOUT = { timeout: 120_000 };

for (const way of ["immutable", "mutating"] as const) {
  test(`every crash of a machine keeps every promise, ${way}`, TIMEOUT, async () => {
    const tally = newMachineTally();
    const trial = machineTrial(useMachine, way, tally);
    const { crashes, states } = await exploreCrashes(trial, { statesPerCrash: 3 });
    assert(crashes > 100, `${crashes} crashes`);
    assert(states > 200, `${states} states`);
    assert(tally.fromSnapshot > 50, `${tally.fromSnapshot} states from a snapshot`);
  });

  test(`every failing call of a machine keeps every promise, ${way}`, TIMEOUT, async () => {
    const trial = machineTrial(useALittleOfIt, way, newMachineTally());
    const { crashes } = await exploreFaults(trial, { statesPerCrash: 1 });
    assert(crashes > 100, `${crashes} crashes`);
  });
}

test(
  "every crash of a machine keeps every promise, with snapshots from another thread",
  TIMEOUT,
  async () => {
    const tally = newMachineTally();
    const trial = machineTrial(useMachine, "mutating", tally, {
      segmentSize: 512,
      isOffloaded: true,
    });
    const { states } = await exploreCrashes(trial, { statesPerCrash: 3 });
    assert(states > 200, `${states} states`);
    assert(tally.fromSnapshot > 50, `${tally.fromSnapshot} states from a snapshot`);
  },
);

test("every crash of a durable map keeps every promise", TIMEOUT, async () => {
  const tally = newMachineTally();
  const { states } = await exploreCrashes(mapTrial(tally), { statesPerCrash: 6 });
  assert(states > 200, `${states} states`);
  assert(tally.fromSnapshot > 50, `${tally.fromSnapshot} states from a snapshot`);
});

for (
  const [what, slow] of [
    ["logs of one speed", "none"],
    ["a queue that is slower than its machine", "mail.wal"],
  ] as const
) {
  test(`every crash of an outbox leaves each message once, with ${what}`, TIMEOUT, async () => {
    const tally = newOutboxTally();
    const options = { statesPerCrash: 2, observe: slowFile(slow) };
    const { states } = await exploreCrashes(outboxTrial(useOutbox, tally), options);
    assert(states > 100, `${states} states`);
    assert(tally.withPending > 20, `${tally.withPending} states with something to hand over`);
  });
}

test("every failing call of an outbox leaves each message once", TIMEOUT, async () => {
  const { crashes } = await exploreFaults(outboxTrial(useALittleOfAnOutbox, newOutboxTally()), {
    statesPerCrash: 1,
  });
  assert(crashes > 100, `${crashes} crashes`);
});
