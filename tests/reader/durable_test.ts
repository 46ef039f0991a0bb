/**
 * A wait for an entry to be durable that forces no sync.
 *
 * @module
 */
import { test } from "node:test";
import { assertEquals, assertRejects } from "@std/assert";
import { SyncFailedError, Wal, WalError } from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { FaultyFileSystem } from "../../src/testing/faulty_file_system.ts";
import { bytes } from "../../kit/logs.ts";

const PATH = "a.wal";

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** What has become of a promise, as a word or a code. */
function watch(promise: Promise<void>): { is: string } {
  const seen = { is: "waits" };
  promise.then(() => seen.is = "durable", (error: WalError) => seen.is = error.code);
  return seen;
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return (await assertRejects(() => promise, WalError)).code;
}

test("durable forces no sync, and resolves with the sync that covers the entry", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const log = await Wal.open(PATH, { fileSystem });
  for (const word of ["a", "b", "c"]) log.append(bytes(word));
  const gate = Promise.withResolvers<void>();
  fileSystem.delay("syncData", () => gate.promise);
  const waits = [watch(log.durable(2)), watch(log.durable(3)), watch(log.durable(1))];
  await pause(20);
  assertEquals([waits.map(({ is }) => is), log.stats().syncs], [["waits", "waits", "waits"], 0]);
  const synced = log.sync();
  await pause(1);
  log.append(bytes("d"));
  waits.push(watch(log.durable(4)));
  gate.resolve();
  await synced;
  await pause(0);
  assertEquals(waits.map(({ is }) => is), ["durable", "durable", "durable", "waits"]);
  await log.durable(1);
  log.syncBlocking();
  await pause(0);
  assertEquals(waits[3]?.is, "durable");
  await log.close();
});

test("durable refuses what is no entry, and what a truncation drops meanwhile", async () => {
  const log = await Wal.open(PATH, { fileSystem: new MemoryFileSystem() });
  for (const wrong of [0, 1, -1, 1.5, NaN, "1" as unknown as number]) {
    assertEquals(await codeOf(log.durable(wrong)), "ERR_WAL_INDEX_OUT_OF_RANGE");
  }
  for (const word of ["a", "b", "c", "d"]) log.append(bytes(word));
  const dropped = [watch(log.durable(3)), watch(log.durable(4))];
  const kept = watch(log.durable(2));
  await log.truncateFromIndex(3);
  await pause(0);
  assertEquals(dropped.map(({ is }) => is), Array(2).fill("ERR_WAL_INDEX_OUT_OF_RANGE"));
  assertEquals(kept.is, "durable", "a truncation makes durable what it leaves");
  log.append(bytes("e"));
  log.append(bytes("f"));
  const head = [watch(log.durable(3)), watch(log.durable(4))];
  await log.truncateBeforeIndex(4);
  await pause(0);
  assertEquals(head.map(({ is }) => is), ["ERR_WAL_INDEX_OUT_OF_RANGE", "waits"]);
  await log.reset(9);
  await pause(0);
  assertEquals(head[1]?.is, "ERR_WAL_INDEX_OUT_OF_RANGE");
  assertEquals(await codeOf(log.durable(3)), "ERR_WAL_INDEX_OUT_OF_RANGE");
  await log.close();
});

test("durable waits across a roll for the syncs that make it durable", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const log = await Wal.open(PATH, { fileSystem, segmentSize: 256 });
  const gate = Promise.withResolvers<void>();
  fileSystem.delay("syncDirectory", () => gate.promise);
  const first = log.append(new Uint8Array(150));
  const next = log.append(new Uint8Array(150));
  assertEquals(log.segments().length, 2);
  const waits = [watch(log.durable(first)), watch(log.durable(next))];
  await pause(20);
  assertEquals(waits[1]?.is, "waits");
  gate.resolve();
  await log.sync();
  await pause(0);
  assertEquals(waits.map(({ is }) => is), ["durable", "durable"]);
  await log.close();
});

test("durable rejects with what ended the handle, and resolves for what was durable before", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const log = await Wal.open(PATH, { fileSystem });
  await log.appendAndSync(bytes("a"));
  log.append(bytes("b"));
  const waiting = assertRejects(() => log.durable(2), SyncFailedError);
  fileSystem.fail("syncData", "EIO");
  await assertRejects(() => log.sync(), SyncFailedError);
  await waiting;
  await log.durable(1);
  await assertRejects(() => log.durable(2), SyncFailedError);
  await log.close();
  assertEquals(await codeOf(log.durable(1)), "ERR_WAL_CLOSED");
});

test("close makes durable what is waited for; a reader's close ends the wait", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem });
  log.append(bytes("a"));
  const reader = await Wal.open(PATH, { fileSystem, readOnly: true });
  const waiting = watch(log.durable(1));
  const away = watch(reader.durable(1));
  await pause(60);
  await reader.close();
  await pause(60);
  assertEquals(away.is, "ERR_WAL_CLOSED");
  await log.close();
  await pause(0);
  assertEquals(waiting.is, "durable");
});

test("a failed close rejects the waits with what failed", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const log = await Wal.open(PATH, { fileSystem });
  log.append(bytes("a"));
  const waiting = watch(log.durable(1));
  fileSystem.fail("syncData", "EIO");
  await log.close();
  await pause(0);
  assertEquals(waiting.is, "ERR_WAL_SYNC_FAILED");
});

test("in a reader durable waits for the frame that says so, and sees a truncation", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem });
  for (const word of ["a", "b", "c"]) log.append(bytes(word));
  const reader = await Wal.open(PATH, { fileSystem, readOnly: true });
  assertEquals(await codeOf(reader.durable(4)), "ERR_WAL_INDEX_OUT_OF_RANGE");
  const dropped = watch(reader.durable(3));
  await pause(60);
  await log.truncateFromIndex(3);
  log.append(bytes("C"));
  await pause(300);
  const kept = watch(reader.durable(1));
  await log.appendAndSync(bytes("d"));
  for (let wait = 0; kept.is === "waits" && wait < 400; wait++) await pause(5);
  await reader.close();
  await log.close();
  assertEquals([dropped.is, kept.is], ["ERR_WAL_INDEX_OUT_OF_RANGE", "durable"]);
});

test("an append costs the same with many waits, which are answered in order", async () => {
  const log = await Wal.open(PATH, { fileSystem: new MemoryFileSystem() });
  const order: number[] = [];
  const waits: Promise<unknown>[] = [];
  for (let i = 0; i < 1000; i++) {
    const index = log.append(bytes("x"));
    if (index % 2 === 0) waits.unshift(log.durable(index / 2).then(() => order.push(index / 2)));
    waits.push(log.durable(index).then(() => order.push(index)));
  }
  await log.sync();
  await Promise.all(waits);
  assertEquals(order, order.toSorted((a, b) => a - b));
  await log.close();
});
