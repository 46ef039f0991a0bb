/**
 * Group commit: which caller waits for which sync.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { SyncFailedError, Wal, WalError } from "../../mod.ts";
import { GroupCommit } from "../../src/writer/commit.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { FaultyFileSystem } from "../../src/testing/faulty_file_system.ts";
import { bytes, text } from "../../kit/logs.ts";

/** A sync that ends when it is told to. */
function manual(): { syncs: PromiseWithResolvers<void>[]; commit: GroupCommit } {
  const syncs: PromiseWithResolvers<void>[] = [];
  const commit = new GroupCommit({
    append: () => 0,
    appendFrames: () => undefined,
    sync: () => {
      const sync = Promise.withResolvers<void>();
      syncs.push(sync);
      return sync.promise;
    },
  });
  return { syncs, commit };
}

/** Lets everything run that waits for nothing else: between two timers all else has its turn. */
async function turn(): Promise<void> {
  for (let i = 0; i < 2; i++) await new Promise((resolve) => setTimeout(resolve, 1));
}

test("callers of one turn share a sync", async () => {
  const { syncs, commit } = manual();
  const waiting = Promise.all([commit.join(), commit.join(), commit.join()]);
  await turn();
  assertEquals(syncs.length, 1);
  syncs[0]?.resolve();
  await waiting;
  await commit.idle();
  assertEquals(syncs.length, 1);
});

test("a caller that arrives while a sync runs waits for the next, which begins afterwards", async () => {
  const { syncs, commit } = manual();
  const first = commit.join();
  await turn();
  let answered = false;
  const late = commit.join().then(() => answered = true);
  await turn();
  assertEquals(syncs.length, 1, "never two at once");
  syncs[0]?.resolve();
  await first;
  await turn();
  assertEquals([syncs.length, answered], [2, false]);
  syncs[1]?.resolve();
  await late;
});

test("a failed sync rejects its group and not the next", async () => {
  const { syncs, commit } = manual();
  const first = assertRejects(() => commit.join());
  await turn();
  const second = commit.join();
  syncs[0]?.reject(new Error("the disk"));
  assertEquals((await first).message, "the disk");
  await turn();
  syncs[1]?.resolve();
  await second;
  await commit.idle();
});

test("64 callers at once need few syncs", { timeout: 60_000 }, async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const log = await Wal.open("a.wal", { fileSystem });
  const rounds = 20;
  await Promise.all(Array.from({ length: 64 }, async (_, caller) => {
    for (let round = 0; round < rounds; round++) {
      const index = await log.appendAndSync(bytes(`${caller} ${round}`));
      assert(log.durableIndex >= index);
    }
  }));
  assertEquals(log.lastIndex, 64 * rounds);
  assert(fileSystem.count("syncData") < 64 * rounds / 10, `${fileSystem.count("syncData")}`);
  assert(fileSystem.count("write") < 64 * rounds / 10, `${fileSystem.count("write")}`);
  assertEquals(log.stats().syncs, fileSystem.count("syncData"));
  await log.close();
});

test("a sync covers what was appended before it, not what came while it ran", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const log = await Wal.open("a.wal", { fileSystem });
  const gate = Promise.withResolvers<void>();
  fileSystem.delay("syncData", () => gate.promise);
  const first = log.appendAndSync(bytes("a"));
  await turn();
  log.append(bytes("b"));
  gate.resolve();
  await first;
  assertEquals([log.durableIndex, log.lastIndex], [1, 2]);
  await log.sync();
  assertEquals(log.durableIndex, 2);
  await log.close();
});

test("callers that wait for one sync are written together, before what is appended after them", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const log = await Wal.open("a.wal", { fileSystem });
  const data = bytes("1");
  const waiting = [log.appendAndSync(data)];
  data.set(bytes("2"));
  waiting.push(log.appendAndSync(data));
  waiting.push(log.appendAndSync(bytes("3")));
  const before = fileSystem.count("write");
  assertEquals(log.append(bytes("4")), 4);
  assertEquals(fileSystem.count("write"), before + 2);
  assertEquals(await Promise.all(waiting), [1, 2, 3]);
  assertEquals(log.readAll().map(text), ["1", "2", "3", "4"]);
  assertEquals([log.stats().appends, log.stats().bytesAppended], [4, 4]);
  await log.close();
});

test("a group that does not fit the segment continues in the next", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open("a.wal", { fileSystem, segmentSize: 512 });
  const entries = Array.from({ length: 40 }, (_, i) => bytes(`entry ${i}`.padEnd(i * 5, ".")));
  const indexes = await Promise.all(entries.map((entry) => log.appendAndSync(entry)));
  assertEquals(indexes, entries.map((_, i) => i + 1));
  assertEquals(log.readAll(), entries);
  assert(log.stats().segments > 5, `${log.stats().segments}`);
  await log.close();
});

test("a group around the end of a segment is written by few writes", async () => {
  const entries = Array.from({ length: 512 }, (_, i) => bytes(String(i).padStart(128, "-")));
  for (const before of [0, 1, 100, 255, 256, 400, 511]) {
    const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
    const log = await Wal.open("a.wal", { fileSystem, segmentSize: 137 * 512 + 120 });
    for (let i = 0; i < before; i++) log.append(bytes("before".padStart(128)));
    const { writes } = log.stats();
    await Promise.all(entries.map((entry) => log.appendAndSync(entry)));
    assertEquals(log.stats().segments, before === 0 ? 1 : 2);
    const made = log.stats().writes - writes;
    assert(made <= 24, `${made} writes for 512 entries after ${before}`);
    assertEquals([...log.readAll()].slice(before), entries);
    await log.close();
  }
});

test("an entry that is too large to be staged goes in between the others", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open("a.wal", { fileSystem });
  const entries = [10, 200_000, 20, 100_000, 100_000, 0].map((size) => new Uint8Array(size));
  assertEquals(await Promise.all(entries.map((entry) => log.appendAndSync(entry))), [
    ...[1, 2, 3, 4, 5, 6],
  ]);
  assertEquals(log.readAll().map(({ length }) => length), entries.map(({ length }) => length));
  await log.close();
});

test("a blocking sync is one fdatasync, and the event loop turns between two", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const log = await Wal.open("a.wal", { fileSystem, syncMode: "blocking" });
  let turns = 0;
  let isDone = false;
  // What is set in one turn is called in the next, and not before.
  const count = (): void => {
    turns++;
    if (!isDone) setImmediate(count);
  };
  count();
  const turnsOfSyncs = new Set<number>();
  const rounds = 50;
  for (let round = 1; round <= rounds; round++) {
    assertEquals(await log.appendAndSync(bytes("one")), round);
    turnsOfSyncs.add(turns);
  }
  isDone = true;
  assertEquals(fileSystem.count("syncDataBlocking"), rounds);
  assertEquals(fileSystem.count("syncData"), 0);
  assertEquals([log.durableIndex, log.stats().syncs], [rounds, rounds]);
  assertEquals(turnsOfSyncs.size, rounds, "each sync is in a turn of its own");
  await log.close();
});

test("a failed blocking sync ends the handle", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const log = await Wal.open("a.wal", { fileSystem, syncMode: "blocking" });
  await log.appendAndSync(bytes("one"));
  fileSystem.fail("syncDataBlocking", "EIO");
  await assertRejects(() => log.appendAndSync(bytes("two")), SyncFailedError);
  assertThrows(() => log.append(bytes("three")), SyncFailedError);
  assertEquals([log.durableIndex, fileSystem.count("syncDataBlocking")], [1, 2]);
  await log.close();
});

test("syncBlocking makes everything durable before it returns", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const log = await Wal.open("a.wal", { fileSystem });
  log.append(bytes("one"));
  const waiting = log.appendAndSync(bytes("two"));
  log.syncBlocking();
  assertEquals([log.durableIndex, fileSystem.count("syncDataBlocking")], [2, 1]);
  log.syncBlocking();
  assertEquals(await waiting, 2);
  assertEquals([fileSystem.count("syncDataBlocking"), fileSystem.count("syncData")], [1, 0]);
  const truncated = log.truncateFromIndex(2);
  assertEquals(assertThrows(() => log.syncBlocking(), WalError).code, "ERR_WAL_BUSY");
  await truncated;
  fileSystem.fail("syncDataBlocking", "EIO");
  log.append(bytes("three"));
  assertThrows(() => log.syncBlocking(), SyncFailedError);
  assertThrows(() => log.syncBlocking(), SyncFailedError);
  assertEquals(log.durableIndex, 1);
  await log.close();
  assertEquals(assertThrows(() => log.syncBlocking(), WalError).code, "ERR_WAL_CLOSED");
});

test("a sync that runs beside a blocking one counts no entry twice or too early", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const log = await Wal.open("a.wal", { fileSystem });
  const gate = Promise.withResolvers<void>();
  fileSystem.delay("syncData", () => gate.promise);
  const first = log.appendAndSync(bytes("a"));
  await turn();
  log.append(bytes("b"));
  log.syncBlocking();
  assertEquals(log.durableIndex, 2);
  log.append(bytes("c"));
  gate.resolve();
  await first;
  assertEquals([log.durableIndex, log.lastIndex], [2, 3]);
  await log.close();
});
