/**
 * Tails that are replaced: a truncation of what was acknowledged, and what open writes again, are done
 * or not done after any crash.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { SyncFailedError, Wal, WalError } from "../../mod.ts";
import { CrashFileSystem, exploreCrashes, FaultyFileSystem } from "../../src/testing/testing.ts";
import { bytes, text } from "../../kit/logs.ts";

const PATH = "a.wal";
const TIMEOUT = { timeout: 60_000 };

/** A log with entries "1" to `count`, each of 100 bytes and covered by the next Durable frame. */
async function acknowledged(
  fileSystem: CrashFileSystem,
  count: number,
  segmentSize: number,
): Promise<Wal> {
  const log = await Wal.open(PATH, { fileSystem, segmentSize });
  for (let i = 1; i <= count; i++) await log.appendAndSync(bytes(String(i).padEnd(100)));
  return log;
}

function numbers(log: Wal): number[] {
  return log.readAll().map((data) => Number(text(data)));
}

for (const segmentSize of [64 * 1024, 2048]) {
  for (const index of [1, 2, 20, 38]) {
    const name =
      `a truncation from ${index} of 40 acknowledged entries, segments of ${segmentSize}`;
    test(`${name}: any crash leaves a prefix of them`, TIMEOUT, async () => {
      const start = new CrashFileSystem();
      await (await acknowledged(start, 40, segmentSize)).close();
      const { states } = await exploreCrashes<"truncated">({
        async run(fileSystem, promise) {
          const log = await Wal.open(PATH, { fileSystem, segmentSize });
          await log.truncateFromIndex(index);
          promise("truncated");
          await log.appendAndSync(bytes("-1"));
          await log.close();
        },
        async check(fileSystem, promised) {
          const log = await Wal.open(PATH, { fileSystem, segmentSize });
          const found = numbers(log);
          await log.close();
          if (found.at(-1) === -1) found.pop();
          assertEquals(found, Array.from(found, (_, i) => i + 1));
          assert(found.length >= index - 1, `${found.length} entries are left`);
          if (promised.length > 0) assertEquals(found.length, index - 1);
          assertEquals(fileSystem.list(".").includes(`${PATH}.redo`), false);
        },
      }, { start, statesPerCrash: 200 });
      assert(states > 20, `${states} states`);
    });
  }
}

test("on a full disk a truncation of acknowledged entries changes nothing, and can be tried again", async () => {
  const memory = new CrashFileSystem();
  await (await acknowledged(memory, 5, 64 * 1024)).close();
  const fileSystem = new FaultyFileSystem(memory);
  const log = await Wal.open(PATH, { fileSystem });
  for (const operation of ["create", "write"] as const) {
    fileSystem.fail(operation, "ENOSPC", { name: `${PATH}.redo` });
    const error = await assertRejects(() => log.truncateFromIndex(2), WalError);
    assertEquals(error.code, "ERR_WAL_WRITE_FAILED");
    assertEquals(numbers(log), [1, 2, 3, 4, 5]);
    assertEquals(memory.list(".").sort(), [PATH]);
  }
  assertEquals(await log.appendAndSync(bytes("6")), 6);
  await log.truncateFromIndex(2);
  assertEquals(numbers(log), [1]);
  await log.close();
});

test("a redo file that may come back ends the handle, and the next open takes it back", async () => {
  const memory = new CrashFileSystem();
  await (await acknowledged(memory, 5, 64 * 1024)).close();
  const fileSystem = new FaultyFileSystem(memory);
  const log = await Wal.open(PATH, { fileSystem });
  fileSystem.fail("remove", "EIO", { name: `${PATH}.redo` });
  await assertRejects(() => log.truncateFromIndex(4), SyncFailedError);
  await log.close();
  const again = await Wal.open(PATH, { fileSystem });
  assertEquals(numbers(again), [1, 2, 3]);
  assertEquals(await again.appendAndSync(bytes("9")), 4);
  await again.close();
  assertEquals(memory.list("."), [PATH]);
});

for (const failedSync of ["ext4", "xfs"] as const) {
  test(`what open returns after a failed sync is on the disk, as on ${failedSync}`, async () => {
    const memory = new CrashFileSystem({ failedSync });
    const fileSystem = new FaultyFileSystem(memory);
    const log = await Wal.open(PATH, { fileSystem });
    await log.setState(bytes("old"));
    await log.appendAndSync(bytes("1"));
    fileSystem.fail("syncData", "EIO", { name: PATH });
    log.append(new Uint8Array(10_000).fill(50));
    await assertRejects(() => log.appendAndSync(bytes("3")), SyncFailedError);
    await log.close();

    const again = await Wal.open(PATH, { fileSystem });
    assertEquals(again.lastIndex, 3, "the page cache has them");
    fileSystem.fail("sync", "EIO", { name: `${PATH}.meta` });
    await assertRejects(() => again.setState(bytes("new")), SyncFailedError);
    await again.close();

    const last = await Wal.open(PATH, { fileSystem });
    const state = text(last.state);
    await last.setState(bytes("newest"));
    for (const disk of memory.crashStates()) {
      const found = await Wal.open(PATH, { fileSystem: disk });
      assertEquals(found.readAll().map((data) => data.length), [1, 10_000, 1], disk.origin);
      assertEquals(text(found.state), "newest", disk.origin);
      await found.close();
    }
    assertEquals(state, "new");
    await last.close();
  });
}
