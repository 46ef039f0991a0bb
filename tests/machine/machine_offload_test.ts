/**
 * Snapshots that another thread writes from the log: what is in them, and what happens where the thread
 * fails, dies, answers wrongly or never.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { WalError } from "../../mod.ts";
import { clock } from "../../src/fs/clock.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { type Offload, type SnapshotOrder, StateMachine } from "../../src/machine/machine.ts";
import { SnapshotFile } from "../../src/snapshot/snapshot.ts";
import { mutating } from "../../kit/machines.ts";
import { withFolder } from "../../kit/temporary.ts";
import { counting } from "../support/counting.ts";

const PATH = "a.wal";
const TIMEOUT = { timeout: 120_000 };

function filesOf(fileSystem: MemoryFileSystem): string[] {
  return fileSystem.list(".").filter((name) => name.includes(".snapshot-")).sort();
}

/** A machine whose snapshots are written by a function. */
async function machineBy(fileSystem: MemoryFileSystem, offload: Offload) {
  const snapshot = { everyBytes: Infinity, compress: false, offload };
  return await StateMachine.open(PATH, mutating(fileSystem, { snapshot }));
}

/** What a thread does for an order. */
function writeBy(fileSystem: MemoryFileSystem): Offload {
  return (order) => StateMachine.writeSnapshot(order, mutating(fileSystem));
}

test("a snapshot from another thread has the state up to its index, and an open loads it", async () => {
  const fileSystem = new MemoryFileSystem();
  const orders: SnapshotOrder[] = [];
  const durable: number[] = [];
  const write = writeBy(fileSystem);
  let begun = Promise.withResolvers<void>();
  const machine = await machineBy(fileSystem, async (order, options) => {
    orders.push(order);
    // The thread reads what is written, and the log must not lose it.
    durable.push(machine.durableIndex);
    // What is dispatched meanwhile is not in it.
    await begun.promise;
    return await write(order, options);
  });
  for (let n = 0; n < 3; n++) {
    begun = Promise.withResolvers();
    await machine.transact(() => [{ n: 2 * n }, { n: 2 * n + 1 }]);
    // What is on its way to the log is in it.
    const last = machine.dispatch({ n: 50 + n });
    const snapshot = machine.snapshot();
    while (orders.length === n) await clock.endOfTurn();
    if (n < 2) await machine.dispatch({ n: 100 + n }, { key: `${n}` });
    begun.resolve();
    assertEquals([await snapshot, await last], [4 * n + 3, 4 * n + 3]);
  }
  await machine.dispatch({ n: 102 });
  assertEquals([orders.map(({ index }) => index), durable], [[3, 7, 11], [3, 7, 11]]);
  assertEquals(orders.every(({ log }) => log === machine.path), true);
  const { numbers, sum } = machine.state;
  await machine.close();
  assertEquals(filesOf(fileSystem).length, 2);
  const again = await StateMachine.open(PATH, mutating(fileSystem));
  assertEquals([again.recovery.snapshotIndex, again.recovery.replayed], [11, 1]);
  assertEquals([again.state.numbers, again.state.sum], [numbers, sum]);
  // The keys are in it too.
  assertEquals(await again.dispatch({ n: 0 }, { key: "1" }), 8);
  await again.close();
  assertEquals(await StateMachine.verify(PATH, mutating(fileSystem)), 11);
});

/** What may go wrong in a thread; where it writes something, `good` is what it should have. */
const FAILURES: readonly (readonly [
  what: string,
  fail: (order: SnapshotOrder, good: Offload, fileSystem: MemoryFileSystem) => unknown,
])[] = [
  ["rejects", () => Promise.reject(new RangeError("no thread"))],
  ["throws", () => {
    throw new RangeError("no thread");
  }],
  ["resolves without a file", () => Promise.resolve()],
  ["answers at once with nothing", () => undefined],
  [
    "writes another index",
    (order, good) => good({ ...order, index: order.index - 1 }, never()),
  ],
  [
    "has another version of the state",
    (order, _, fileSystem) =>
      StateMachine.writeSnapshot(order, {
        ...mutating(fileSystem),
        snapshot: { version: 2, compress: false },
      }),
  ],
  [
    "stops in the middle of the file",
    async ({ file }, _, fileSystem) => {
      const logId = "0".repeat(16);
      const writer = await SnapshotFile.create(file, { logId, fileSystem });
      await writer.write(new Uint8Array(100_000));
      throw new RangeError("no thread");
    },
  ],
];

function never(): { readonly signal: AbortSignal } {
  return { signal: new AbortController().signal };
}

for (const [what, fail] of FAILURES) {
  test(`where the thread ${what}, the snapshot fails with a code of its own and the machine continues`, async () => {
    const fileSystem = new MemoryFileSystem();
    const good = writeBy(fileSystem);
    let isGood = true;
    const machine = await machineBy(
      fileSystem,
      ((order, options) =>
        isGood ? good(order, options) : fail(order, good, fileSystem)) as Offload,
    );
    await machine.transact(() => [{ n: 1 }, { n: 2 }]);
    await machine.snapshot();
    await machine.transact(() => [{ n: 3 }, { n: 4 }]);
    isGood = false;
    const error = await assertRejects(() => machine.snapshot(), WalError);
    assertEquals(error.code, "ERR_SNAPSHOT_OFFLOAD");
    const isOurs = what === "rejects" || what === "throws";
    assertEquals(
      error.cause instanceof RangeError && error.message.includes("no thread"),
      isOurs || what.startsWith("stops"),
    );
    isGood = true;
    await machine.dispatch({ n: 5 });
    assertEquals(await machine.snapshot(), 5);
    const { numbers } = machine.state;
    assertEquals(numbers, [1, 2, 3, 4, 5]);
    await machine.close();
    await using again = await StateMachine.open(PATH, mutating(fileSystem));
    assertEquals([again.state.numbers, again.recovery.snapshotIndex], [numbers, 5]);
  });
}

test("the end of a machine waits for no thread, and tells it", async () => {
  const fileSystem = new MemoryFileSystem();
  const asked = Promise.withResolvers<AbortSignal>();
  const machine = await machineBy(fileSystem, (_, { signal }) => {
    asked.resolve(signal);
    return new Promise(() => {});
  });
  await machine.dispatch({ n: 1 });
  const snapshot = assertRejects(() => machine.snapshot(), WalError);
  const signal = await asked.promise;
  assertEquals(signal.aborted, false);
  const late = Promise.withResolvers<string>();
  const timer = setTimeout(() => late.resolve("it waits"), 10_000);
  assertEquals(await Promise.race([machine.close(), late.promise]), undefined);
  clearTimeout(timer);
  assertEquals([(await snapshot).code, signal.aborted], ["ERR_WAL_CLOSED", true]);
  await using again = await StateMachine.open(PATH, mutating(fileSystem));
  assertEquals(again.state.numbers, [1]);
});

test("a snapshot that is due is offloaded too, and its failure is told", async () => {
  const fileSystem = new MemoryFileSystem();
  let calls = 0;
  const offload: Offload = () => Promise.reject(new RangeError(`no thread ${++calls}`));
  const snapshot = { everyBytes: 100, offload };
  const machine = await StateMachine.open(PATH, mutating(fileSystem, { snapshot }));
  for (let n = 0; n < 20; n++) await machine.dispatch({ n });
  while (machine.snapshotError === undefined) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assertEquals((machine.snapshotError as WalError).code, "ERR_SNAPSHOT_OFFLOAD");
  assert(calls >= 1);
  await machine.close();
});

test("an order for events that the log does not have is refused, and leaves no file", async () => {
  const fileSystem = new MemoryFileSystem();
  const machine = await StateMachine.open(PATH, mutating(fileSystem));
  await machine.dispatch({ n: 1 });
  const file = `${machine.path}.snapshot-00000000000000000001`;
  const order = { log: machine.path, index: 2, file };
  const write = (order: SnapshotOrder) => StateMachine.writeSnapshot(order, mutating(fileSystem));
  assertEquals((await assertRejects(() => write(order), WalError)).code, "ERR_SNAPSHOT_OFFLOAD");
  assertEquals(filesOf(fileSystem), []);
  for (const wrong of [{ ...order, index: -1 }, { ...order, file: "" }, { ...order, more: 1 }]) {
    const { code } = await assertRejects(() => write(wrong as SnapshotOrder), WalError);
    assertEquals(code, "ERR_WAL_INVALID_ARGUMENT");
  }
  await machine.close();
});

test(
  "a real thread writes snapshots, fails, and dies, and the machine continues",
  TIMEOUT,
  async () => {
    await withFolder(async (folder) => {
      const path = join(folder, "words.wal");
      let fails: "throws" | "dies" | undefined;
      const newWorker = (): Worker =>
        new Worker(new URL("../support/snapshot_worker.ts", import.meta.url));
      let worker = newWorker();
      const offload: Offload = async (order) => {
        const answer = Promise.race([
          once(worker, "message").then(([message]) => message),
          once(worker, "exit").then(([code]) => ({ failed: `it ended with ${code}` })),
        ]);
        worker.postMessage({ ...order, fails });
        const { failed } = await answer as { failed?: string };
        if (failed !== undefined) throw new Error(failed);
      };
      const options = { ...counting, snapshot: { everyBytes: Infinity, offload } };
      const machine = await StateMachine.open(path, options);
      try {
        for (let i = 0; i < 5; i++) await machine.dispatch(`word ${i % 3}`);
        assertEquals(await machine.snapshot(), 5);
        for (fails of ["throws", "dies"] as const) {
          await machine.dispatch(fails);
          const { code, message } = await assertRejects(() => machine.snapshot(), WalError);
          assertEquals(code, "ERR_SNAPSHOT_OFFLOAD");
          assert(/no time|it ended with/.test(message), message);
        }
        fails = undefined;
        worker = newWorker();
        assertEquals(await machine.snapshot(), 7);
      } finally {
        await machine.close();
        await worker.terminate();
      }
      await using again = await StateMachine.open(path, counting);
      assertEquals([again.recovery.snapshotIndex, again.recovery.replayed], [7, 0]);
      assertEquals(again.state, { "word 0": 2, "word 1": 2, "word 2": 1, throws: 1, dies: 1 });
    });
  },
);
