/**
 * What only looks at a log changes nothing, and an index that it has shown stays.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type FileSystemErrorCode, SyncFailedError, Wal, WalError } from "../../mod.ts";
import { CrashFileSystem, FaultyFileSystem } from "../../src/testing/testing.ts";
import { bytes, text, withLog } from "../../kit/logs.ts";

const PATH = "a.wal";

/** The entry that is written. */
const WRITTEN = bytes("written");

/** What looks, and what it shows of a log of one entry while another waits. */
const LOOKS: Readonly<Record<string, (log: Wal) => unknown>> = {
  firstIndex: (log) => log.firstIndex,
  lastIndex: (log) => log.lastIndex,
  durableIndex: (log) => log.durableIndex,
  byteLength: (log) => log.byteLength,
  state: (log) => log.state,
  recovery: (log) => log.recovery,
  stats: (log) => log.stats(),
  getEntry: (log) => log.getEntry(1),
  "getEntry of an entry that is not written": (log) =>
    assertThrows(() => log.getEntry(2), WalError).code,
  entries: (log) => [...log.entries()],
  readAll: (log) => log.readAll(),
  replay: (log) => {
    const found: number[] = [];
    log.replay(({ index }) => void found.push(index));
    return found;
  },
  follow: async (log) => {
    const follower = log.follow({ durable: false });
    const first = await follower.next();
    await follower.return();
    return first;
  },
};

/** The calls so far that change a file or wait for the disk. */
function changes(fileSystem: FaultyFileSystem): string[] {
  return fileSystem.calls.filter((call) => !/^(open|read) /.test(call));
}

for (const [name, look] of Object.entries(LOOKS)) {
  test(`${name} changes no file while an entry waits, not even where it needs a new segment`, async () => {
    const fileSystem = new FaultyFileSystem(new CrashFileSystem());
    const log = await Wal.open(PATH, { fileSystem, segmentSize: 400 });
    await log.appendAndSync(WRITTEN);
    const shown = await look(log);
    const waiting = log.appendAndSync(new Uint8Array(300));
    const before = changes(fileSystem);
    const again = look(log);
    assertEquals(changes(fileSystem), before);
    assertEquals(await again, shown);
    assertEquals(await waiting, 2);
    assertEquals([log.lastIndex, log.stats().segments, log.stats().appends], [2, 2, 2]);
    await log.close();
  });
}

/** The calls that change the log; each comes after what waits, and what it did shows that. */
const CHANGES: Readonly<Record<string, (log: Wal) => unknown>> = {
  append: (log) => assertEquals(log.append(WRITTEN), 3),
  appendBatch: (log) => assertEquals(log.appendBatch([WRITTEN]).firstIndex, 3),
  syncBlocking: (log) => log.syncBlocking(),
  sync: (log) => log.sync(),
  truncateFromIndex: async (log) => {
    await log.truncateFromIndex(1);
    assertEquals([log.firstIndex, log.lastIndex], [1, 0]);
  },
  truncateBeforeIndex: async (log) => {
    await log.truncateBeforeIndex(2);
    assertEquals([log.firstIndex, log.lastIndex], [2, 2]);
  },
  reset: async (log) => {
    await log.reset(9);
    assertEquals([log.firstIndex, log.lastIndex], [9, 8]);
  },
};

for (const [name, change] of Object.entries(CHANGES)) {
  test(`${name} comes after an entry that waits`, async () => {
    const fileSystem = new CrashFileSystem();
    const log = await Wal.open(PATH, { fileSystem });
    log.append(WRITTEN);
    const waiting = log.appendAndSync(WRITTEN);
    const done = change(log);
    // Only a reset, which looks at no entry, may leave that to the sync that it waits for.
    if (name !== "reset") assert(log.stats().appends >= 2);
    await done;
    assertEquals(await waiting, 2);
    await log.close();
  });
}

test("a group that cannot be written takes back no index that was shown", async () => {
  const fileSystem = new FaultyFileSystem(new CrashFileSystem());
  const log = await Wal.open(PATH, { fileSystem });
  await log.appendAndSync(bytes("one"));
  const waiting = ["two", "three"].map((data) => log.appendAndSync(bytes(data)));
  const refused = waiting.map((entry) => assertRejects(() => entry, WalError));
  assertEquals(log.lastIndex, 1);
  // Together, and then each by itself.
  fileSystem.fail("write", "ENOSPC", { times: 3 });
  for (const { code } of await Promise.all(refused)) assertEquals(code, "ERR_WAL_WRITE_FAILED");
  assertEquals([log.lastIndex, log.durableIndex, log.stats().appends], [1, 1, 1]);
  assertEquals(await log.appendAndSync(bytes("four")), 2);
  assertEquals(log.readAll().map(text), ["one", "four"]);
  await log.close();
});

test("a group that ends the handle takes back no index that was shown", async () => {
  const disk = new CrashFileSystem();
  const fileSystem = new FaultyFileSystem(disk);
  const log = await Wal.open(PATH, { fileSystem });
  assertEquals(log.append(bytes("one")), 1);
  const waiting = assertRejects(() => log.appendAndSync(bytes("two")), SyncFailedError);
  assertEquals(log.lastIndex, 1);
  fileSystem.fail("write", "EIO", { leaves: 5 });
  fileSystem.fail("truncate", "EIO");
  await waiting;
  assertEquals([log.lastIndex, log.durableIndex], [1, 0]);
  assertEquals(text(log.getEntry(1)), "one");
  await log.close();
  await withLog(PATH, { fileSystem: disk }, (log) => assertEquals(log.lastIndex, 1));
});

test("every index that was shown stays, and leads to the same entry, whatever write fails", async () => {
  const codes: readonly FileSystemErrorCode[] = ["ENOSPC", "EIO"];
  let shown = 0;
  for (let after = 0; after < 12; after++) {
    for (const code of codes) {
      const fileSystem = new FaultyFileSystem(new CrashFileSystem());
      const log = await Wal.open(PATH, { fileSystem, segmentSize: 512 });
      const entries: string[] = [];
      const look = (): void => {
        const now = log.readAll().map(text);
        assertEquals(now.length, log.lastIndex);
        assertEquals(now.slice(0, entries.length), entries);
        entries.push(...now.slice(entries.length));
      };
      fileSystem.fail("write", code, { after, times: 2 });
      let isDone = false;
      const callers = Array.from({ length: 8 }, async (_, caller) => {
        for (let n = 0; n < 4; n++) {
          const call = log.appendAndSync(bytes(`${caller} ${n}`.padEnd(10 + caller * 9, ".")));
          look();
          await call.catch(() => {});
          look();
        }
      });
      const all = Promise.all(callers).finally(() => isDone = true);
      while (!isDone) {
        await new Promise((resolve) => setTimeout(resolve, 0));
        look();
      }
      await all;
      shown += entries.length;
      await log.close().catch(() => {});
    }
  }
  assert(shown > 500, `${shown} entries were seen`);
});
