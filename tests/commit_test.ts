/**
 * Group commit: who waits for which sync.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Wal } from "../mod.ts";
import { GroupCommit } from "../src/commit.ts";
import { MemoryFileSystem } from "../src/fs/memory.ts";
import { FaultyFileSystem } from "../src/testing/faulty_file_system.ts";
import { bytes } from "./support/logs.ts";

/** A sync that ends when it is told to. */
function manual(): { syncs: PromiseWithResolvers<void>[]; commit: GroupCommit } {
  const syncs: PromiseWithResolvers<void>[] = [];
  const commit = new GroupCommit(() => {
    const sync = Promise.withResolvers<void>();
    syncs.push(sync);
    return sync.promise;
  });
  return { syncs, commit };
}

/** Lets everything go on that waits for nothing else. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
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

test("who arrives while a sync runs waits for the next, which begins afterwards", async () => {
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
  assertEquals(fileSystem.count("write"), 1 + 64 * rounds, "one write an append");
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
