/**
 * A program that does everything with a queue, every crash and every fault of it. The long form is
 * `npm run queue`.
 *
 * @module
 */
import { test } from "node:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { BrokenPromise, exploreCrashes, exploreFaults } from "../../src/testing/testing.ts";
import { RUNTIME } from "../../kit/runtime.ts";
import { Judge } from "./judge.ts";
import { soak } from "./soak.ts";
import { queueTrial, shortTrial } from "./trial.ts";

test("every crash of a program that does everything with a queue keeps every promise", {
  timeout: 120_000,
}, async () => {
  const trial = queueTrial({ rounds: 3, segmentSize: 1024 });
  const found = await exploreCrashes(trial, { statesPerCrash: 5 });
  assert(found.states > 300, `${found.states} states`);
});

test("every fault of a program that acknowledges and compacts a queue keeps every promise", {
  timeout: 120_000,
}, async () => {
  const found = await exploreFaults(shortTrial(), { statesPerCrash: 1 });
  assert(found.states > 300, `${found.states} states`);
});

test("a queue that is killed keeps every promise", { timeout: 120_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "queue-soak-"));
  try {
    const { kills, operations } = await soak({ runtime: RUNTIME, kills: 4, seed: 5, folder });
    assertEquals(kills, 4);
    assert(operations > 20, `${operations} operations`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("the judge takes each outcome of what was under way, and no other", async () => {
  const judge = (): Judge => {
    const judge = new Judge();
    judge.note({ kind: "start", id: 1, operation: { kind: "join", consumer: "a" } });
    judge.note({ kind: "done", id: 1 });
    judge.note({ kind: "start", id: 2, operation: { kind: "enqueue", values: ["1", "2"] } });
    judge.note({ kind: "done", id: 2 });
    const operation = { kind: "ack", consumer: "a", value: "1", next: ["3"] } as const;
    judge.note({ kind: "start", id: 3, operation });
    return judge;
  };
  const held = (...pending: string[]) => ({ consumers: [{ name: "a", pending, dead: [] }] });
  judge().judge(held("1", "2"));
  judge().judge(held("2", "3"));
  for (const wrong of [["2"], ["1", "2", "3"], ["1"], []]) {
    await assertRejects(
      () => Promise.resolve().then(() => judge().judge(held(...wrong))),
      BrokenPromise,
    );
  }
});
