/**
 * What the log does when the disk fails: the promises about failed writes and failed syncs.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { type FileSystem, FileSystemError, SyncFailedError, Wal, WalError } from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { CrashFileSystem } from "../../src/testing/crash_file_system.ts";
import { FaultyFileSystem, type FileOperation } from "../../src/testing/faulty_file_system.ts";
import { like } from "../../kit/like.ts";
import { bytes, readFile, text, withLog } from "../../kit/logs.ts";

const PATH = "a.wal";

/** What can fail while a log is opened. */
const FAILING: readonly FileOperation[] = [
  "open",
  "create",
  "read",
  "write",
  "truncate",
  "syncData",
  "sync",
  "syncBlocking",
  "syncDirectory",
  "remove",
];

function faulty(): FaultyFileSystem {
  return new FaultyFileSystem(new MemoryFileSystem());
}

function assertSyncFailed(error: unknown): void {
  assertInstanceOf(error, SyncFailedError);
  assertEquals(error.code, "ERR_WAL_SYNC_FAILED");
}

test("a failed write leaves no partial bytes, and the log can be used", async () => {
  const fileSystem = faulty();
  const log = await Wal.open(PATH, { fileSystem, preallocate: 0 });
  await log.appendAndSync(bytes("first"));
  for (const leaves of [0, 1, 9, 30, 50, 55, 10_000]) {
    const before = readFile(fileSystem, PATH);
    const last = log.lastIndex;
    fileSystem.fail("write", "ENOSPC", { leaves });
    const error = assertThrows(() => log.append(bytes("refused")), WalError);
    assertEquals(error.code, "ERR_WAL_WRITE_FAILED");
    assertInstanceOf(error.cause, FileSystemError);
    assertEquals((error.cause as FileSystemError).code, "ENOSPC");
    assertEquals(readFile(fileSystem, PATH), before, "no partial frame stays");
    assertEquals(log.lastIndex, last, "the index is not used up");
    assertEquals(log.append(bytes("there is space again")), last + 1);
    await log.sync();
  }
  await log.close();
  await withLog(PATH, { fileSystem }, (log) => {
    assertEquals(log.recovery.case, "A");
    assertEquals(log.readAll().map(text), ["first", ...Array(7).fill("there is space again")]);
  });
});

test("a failed appendAndSync rejects alone; others in its group do not", async () => {
  const fileSystem = faulty();
  const log = await Wal.open(PATH, { fileSystem });
  // The group, then "b" and "c" together, then "b".
  fileSystem.fail("write", "ENOSPC");
  fileSystem.fail("write", "ENOSPC", { after: 1 });
  fileSystem.fail("write", "ENOSPC", { after: 1 });
  const results = await Promise.allSettled(
    ["a", "b", "c"].map((word) => log.appendAndSync(bytes(word))),
  );
  assertEquals(results.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled"]);
  assertEquals(log.readAll().map(text), ["a", "c"]);
  await log.close();
});

test("what a failed write left is cut off durably before anything else is written", async () => {
  const fileSystem = faulty();
  const log = await Wal.open(PATH, { fileSystem });
  fileSystem.fail("write", "EIO", { leaves: 5 });
  const from = fileSystem.calls.length;
  assertThrows(() => log.append(bytes("refused")), WalError);
  log.append(bytes("next"));
  assertEquals(fileSystem.calls.slice(from), [
    `write ${PATH}`,
    `truncate ${PATH}`,
    `syncBlocking ${PATH}`,
    `write ${PATH}`,
  ]);
  await log.close();
});

for (const operation of ["truncate", "syncBlocking"] as const) {
  test(`a failed cut-back (${operation}) ends the handle`, async () => {
    const fileSystem = faulty();
    const log = await Wal.open(PATH, { fileSystem });
    await log.appendAndSync(bytes("kept"));
    fileSystem.fail("write", "ENOSPC", { leaves: 50 });
    fileSystem.fail(operation, "EIO");
    assertSyncFailed(assertThrows(() => log.append(bytes("refused"))));
    assertSyncFailed(assertThrows(() => log.append(bytes("later"))));
    assertSyncFailed(await assertRejects(() => log.sync()));
    assertSyncFailed(await assertRejects(() => log.truncateFromIndex(1)));
    assertEquals(text(log.getEntry(1)), "kept", "reads still work");
    await log.close();
    await withLog(PATH, { fileSystem }, (log) => assertEquals(log.readAll().map(text), ["kept"]));
  });
}

test("a failed sync rejects every waiting and later call and ends the handle", async () => {
  const fileSystem = faulty();
  const log = await Wal.open(PATH, { fileSystem });
  await log.appendAndSync(bytes("durable"));
  fileSystem.fail("syncData", "EIO");
  let open = (): void => {};
  const synced = new Promise<void>((resolve) => open = resolve);
  fileSystem.delay("syncData", () => synced);
  const first = log.appendAndSync(bytes("in the group that fails"));
  await new Promise((resolve) => setTimeout(resolve, 5));
  const waiting = [first, log.appendAndSync(bytes("in the next")), log.sync()];
  const settled = Promise.allSettled(waiting);
  open();
  for (const result of await settled) {
    assertEquals(result.status, "rejected");
    assertSyncFailed((result as PromiseRejectedResult).reason);
  }
  assertEquals(fileSystem.count("syncData"), 2, "a failed sync is never tried again");
  const error = assertThrows(() => log.append(bytes("later")), SyncFailedError);
  assertEquals(error.durableIndex, 1);
  assertInstanceOf(error.cause, FileSystemError);
  assertSyncFailed(await assertRejects(() => log.sync()));
  assertSyncFailed(await assertRejects(() => log.appendAndSync(bytes("later"))));
  assertSyncFailed(await assertRejects(() => log.truncateFromIndex(1)));
  assertEquals(log.durableIndex, 1);
  assertEquals(log.readAll().length, 3, "reads still work");
  await log.close();
  assertEquals(fileSystem.count("syncData"), 2);
  await withLog(PATH, { fileSystem }, (log) => assertEquals(log.append(bytes("x")), log.lastIndex));
});

test("a failed sync at close is reported by close, and the lock is free all the same", async () => {
  const fileSystem = faulty();
  const log = await Wal.open(PATH, { fileSystem });
  log.append(bytes("a"));
  fileSystem.fail("syncData", "EIO");
  assertSyncFailed(await assertRejects(() => log.close()));
  await withLog(PATH, { fileSystem }, () => {});
});

test("a failed truncation ends the handle", async () => {
  for (const operation of ["truncate", "sync"] as const) {
    const fileSystem = faulty();
    const log = await Wal.open(PATH, { fileSystem });
    await log.appendAndSync(bytes("a"));
    await log.appendAndSync(bytes("b"));
    fileSystem.fail(operation, "EIO");
    assertSyncFailed(await assertRejects(() => log.truncateFromIndex(2)));
    assertSyncFailed(assertThrows(() => log.append(bytes("c"))));
    assertEquals(text(log.getEntry(1)), "a");
    await log.close();
    await withLog(PATH, { fileSystem }, (log) => assert(log.lastIndex >= 1));
  }
});

test("a full disk does not fail a close whose entries are durable", async () => {
  const fileSystem = faulty();
  const log = await Wal.open(PATH, { fileSystem });
  await log.appendAndSync(bytes("a"));
  fileSystem.fail("write", "ENOSPC", { leaves: 7 });
  await log.close();
  await withLog(PATH, { fileSystem }, (log) => {
    assertEquals([log.recovery.case, log.lastIndex], ["A", 1]);
  });
});

test("an open that fails halfway gives back what it took", async () => {
  const cases = [
    ["create", "EMFILE", "ERR_WAL_IO"],
    ["create", "EROFS", "ERR_WAL_PERMISSION"],
    ["write", "ENOSPC", "ERR_WAL_IO"],
    ["syncBlocking", "EIO", "ERR_WAL_SYNC_FAILED"],
    ["syncDirectory", "EIO", "ERR_WAL_SYNC_FAILED"],
  ] as const;
  for (const [operation, code, expected] of cases) {
    const fileSystem = faulty();
    fileSystem.fail(operation, code);
    const error = await assertRejects(() => Wal.open(PATH, { fileSystem }), WalError);
    assertEquals(error.code, expected, operation);
    assertInstanceOf(error.cause, FileSystemError);
    await withLog(PATH, { fileSystem }, (log) => assertEquals(log.append(bytes("a")), 1));
  }
});

test("a failed read of an entry says so and is no end", async () => {
  const fileSystem = faulty();
  const log = await Wal.open(PATH, { fileSystem });
  log.append(bytes("a"));
  fileSystem.fail("read", "EIO", { times: 2 });
  for (const read of [() => log.getEntry(1), () => log.readAll()]) {
    assertEquals(assertThrows(read, WalError).code, "ERR_WAL_IO");
  }
  assertEquals(text(log.getEntry(1)), "a");
  await log.close();
});

test("making a log: created, written, fsynced, directory fsynced, in this order", async () => {
  const fileSystem = faulty();
  const log = await Wal.open("x/y/a.wal", { fileSystem });
  assertEquals(fileSystem.calls.filter((call) => !/^(list|read) /.test(call)), [
    "open a.wal",
    "syncDirectory .",
    "makeDirectory x",
    "syncDirectory .",
    "makeDirectory y",
    "syncDirectory x",
    "open a.wal.meta",
    "create a.wal",
    "open a.wal",
    "write a.wal",
    "syncBlocking a.wal",
    "syncDirectory y",
  ]);
  await log.close();
});

test("reopening after a crash: fsync before the first frame is read, then cut, write again, fsync", async () => {
  const memory = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem: memory });
  await log.appendAndSync(bytes("whole"));
  await log.close();
  const file = memory.open(PATH, "write");
  file.write(bytes("\x01torn"), file.size());
  file.close();
  const fileSystem = new FaultyFileSystem(memory);
  const again = await Wal.open(PATH, { fileSystem });
  const order = fileSystem.calls
    .filter((call) => call !== `read ${PATH}` && !call.startsWith("list "));
  assertEquals(order, [
    `open ${PATH}`,
    `open ${PATH}.meta`,
    `open ${PATH}`,
    `open ${PATH}`,
    `sync ${PATH}`,
    `truncate ${PATH}`,
    `write ${PATH}`,
    `sync ${PATH}`,
    "syncDirectory .",
  ]);
  const opened = fileSystem.calls.lastIndexOf(`open ${PATH}`);
  assertEquals(fileSystem.calls[opened + 1], `sync ${PATH}`, "nothing is read before the fsync");
  await again.close();
});

test("what is set aside is durable before it is cut off", async () => {
  const memory = new MemoryFileSystem();
  await withLog(PATH, { fileSystem: memory, format: 1 }, (log) => {
    for (const word of ["a", "b", "c"]) log.append(bytes(word));
  });
  const file = memory.open(PATH, "write");
  file.write(bytes("X"), 17); // The first entry's payload; whole frames follow.
  file.close();
  const fileSystem = new FaultyFileSystem(memory);
  await withLog(PATH, { fileSystem }, (log) => {
    assertEquals(log.recovery.case, "D");
    const aside = `${PATH}.cut-00000000000000000001-8`;
    const changes = fileSystem.calls.filter((call) => !/^(list|open|read) /.test(call));
    assertEquals(changes, [
      `sync ${PATH}`,
      `create ${aside}`,
      `write ${aside}`,
      `sync ${aside}`,
      "syncDirectory .",
      `truncate ${PATH}`,
      `write ${PATH}`,
      `sync ${PATH}`,
      "syncDirectory .",
    ]);
  });
});

/** Counts the files and directories of a disk that are open. */
function counting(disk: FileSystem): { fileSystem: FileSystem; open: string[] } {
  const open: string[] = [];
  const opened = <T extends { close(): void }>(path: string, under: T): T => {
    open.push(path);
    let isOpen = true;
    const close = (): void => {
      if (isOpen) open.splice(open.indexOf(path), 1);
      isOpen = false;
      under.close();
    };
    return like<T>(under, { close } as Partial<T>);
  };
  const fileSystem = like<FileSystem>(disk, {
    open: (path, mode, permissions) => opened(path, disk.open(path, mode, permissions)),
    openDirectory: (path) => opened(path, disk.openDirectory(path)),
  });
  return { fileSystem, open };
}

test(
  "an open that fails, at any of its calls, leaves no file open",
  { timeout: 120_000 },
  async () => {
    const options = { segmentSize: 1024 };
    const disk = new CrashFileSystem();
    const disks: CrashFileSystem[] = [];
    let calls = 0;
    disk.observe(() => {
      if (++calls % 5 === 0) disks.push(disk.fork());
    });
    const log = await Wal.open(PATH, { fileSystem: disk, ...options });
    for (let i = 0; i < 5; i++) {
      await log.appendAndSync(new Uint8Array(400));
      log.append(bytes("more"));
    }
    await log.setState(bytes("a state"));
    await log.truncateBeforeIndex(4);
    await log.truncateFromIndex(7);
    await log.truncateBeforeIndex(7);
    let failed = 0;
    for (const found of disks) {
      for (const operation of FAILING) {
        for (let after = 0;; after++) {
          const { fileSystem: counted, open } = counting(found.fork());
          const fileSystem = new FaultyFileSystem(counted);
          fileSystem.fail(operation, "EIO", { after });
          const opened = await Wal.open(PATH, { fileSystem, ...options }).catch(
            (error: unknown) => {
              assertInstanceOf(error, WalError);
              failed++;
              return undefined;
            },
          );
          await opened?.close().catch(assertSyncFailed);
          assertEquals(open, [], `after ${operation} ${after} failed`);
          if (fileSystem.count(operation) <= after) break;
        }
      }
    }
    assert(disks.length > 10 && failed > 100, `${failed} failures of ${disks.length} disks`);
  },
);

test("a sync that waits for its turn is refused once something else has ended the handle", async () => {
  const fileSystem = faulty();
  const log = await Wal.open(PATH, { fileSystem });
  log.append(bytes("in the group that runs"));
  let open = (): void => {};
  const held = new Promise<void>((resolve) => open = resolve);
  fileSystem.delay("syncData", () => held);
  const running = log.sync();
  while (fileSystem.count("syncData") === 0) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  log.append(bytes("in the next"));
  const waiting = assertRejects(() => log.sync(), SyncFailedError);
  fileSystem.fail("sync", "EIO", { name: `${PATH}.meta` });
  assertSyncFailed(await assertRejects(() => log.setState(bytes("state"))));
  open();
  await running;
  await waiting;
  assertEquals(fileSystem.count("syncData"), 1);
  await log.close();
});

const AFTER_STAGED: Readonly<Record<string, (log: Wal) => unknown>> = {
  append: (log) => log.append(bytes("late")),
  appendBatch: (log) => log.appendBatch([bytes("late"), bytes("later")]),
  syncBlocking: (log) => log.syncBlocking(),
  "appendAndSync of an entry that is not staged": (log) =>
    log.appendAndSync(new Uint8Array(2 * 1024 * 1024)),
};

for (const [name, call] of Object.entries(AFTER_STAGED)) {
  test(`${name} changes nothing once the entries written before it have ended the handle`, async () => {
    const disk = new CrashFileSystem();
    const fileSystem = new FaultyFileSystem(disk);
    const log = await Wal.open(PATH, { fileSystem, segmentSize: 400 });
    await log.appendAndSync(new Uint8Array(100));
    fileSystem.fail("write", "EIO", { name: `${PATH}.00000000000000000002` });
    fileSystem.fail("remove", "EIO", { name: `${PATH}.00000000000000000002` });
    // It is written at the next call, and does not fit.
    const waiting = log.appendAndSync(new Uint8Array(250));
    const refused = assertRejects(() => waiting, SyncFailedError);
    const late = await assertRejects(async () => await call(log), SyncFailedError);
    assertEquals(late.durableIndex, 1);
    await refused;
    assertEquals(log.lastIndex, 1);
    await log.close();
    await withLog(PATH, { fileSystem: disk }, (log) => assertEquals(log.getEntry(1).length, 100));
  });
}
