/**
 * Appends that are stored into mapped space: they are where written ones would be, whatever happens
 * between them, and no memory is touched of a file that was cut.
 *
 * @module
 */
import { test } from "node:test";
import { join } from "node:path";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { type FileHandle, Wal, WalError, type WalOptions } from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { mapFile } from "../../src/fs/mapped_file.ts";
import { FaultyFileSystem } from "../../src/testing/faulty_file_system.ts";
import { spawnSync } from "../../kit/child.ts";
import { like } from "../../kit/like.ts";
import { readFile, turns } from "../../kit/logs.ts";
import { command, ROOT } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

const PATH = "a.wal";
const ON = { memoryMap: "on" } as const;

/** After so many bytes without a sync, the next are stored. */
const UNSYNCED = 40_000;

function entry(index: number, size = 100): Uint8Array {
  return new Uint8Array(size).fill(index);
}

function faulty(): FaultyFileSystem {
  return new FaultyFileSystem(new MemoryFileSystem());
}

/** How many stores were made in the log's first file. */
function stores(fileSystem: FaultyFileSystem): number {
  return fileSystem.calls.filter((call) => call === `store ${PATH}`).length;
}

/** An open log whose next appends are stored. */
async function unsynced(fileSystem: FaultyFileSystem, options: WalOptions = {}): Promise<Wal> {
  const log = await Wal.open(PATH, { fileSystem, ...ON, ...options });
  log.append(entry(1, UNSYNCED));
  return log;
}

test("what is not synced is stored, and is what was appended, also after close", async () => {
  const fileSystem = faulty();
  const log = await unsynced(fileSystem);
  assertEquals(log.stats().memoryMap, "on");
  const { writes } = log.stats();
  for (let i = 2; i <= 1000; i++) assertEquals(log.append(entry(i)), i);
  assertEquals(stores(fileSystem), 999);
  assertEquals(log.stats().writes, writes, "a store is no call");
  assertEquals(log.getEntry(500), entry(500));
  const wanted = [entry(1, UNSYNCED), ...Array.from({ length: 999 }, (_, i) => entry(i + 2))];
  assertEquals(log.readAll(), wanted);
  const reader = await Wal.open(PATH, { fileSystem, readOnly: true });
  assertEquals(reader.readAll(), wanted, "another handle reads them");
  await reader.close();
  await log.close();
  assertEquals(readFile(fileSystem, PATH).length, log.byteLength, "the rest of the space is cut");
  const again = await Wal.open(PATH, { fileSystem });
  assertEquals(again.readAll(), wanted);
  await again.close();
});

test("what is synced in small groups, and large entries, are written", async () => {
  const fileSystem = faulty();
  const log = await Wal.open(PATH, { fileSystem, ...ON });
  for (let i = 1; i <= 1000; i++) {
    log.append(entry(i));
    if (i % 200 === 0) log.syncBlocking();
  }
  assertEquals(stores(fileSystem), 0);
  for (let i = 0; i < 20; i++) log.append(entry(i, 4000));
  assertEquals(stores(fileSystem), 0);
  log.append(entry(1));
  assertEquals(stores(fileSystem), 1);
  log.syncBlocking();
  log.append(entry(2));
  assertEquals(stores(fileSystem), 1, "written again after the sync");
  assertEquals(log.getEntry(log.lastIndex), entry(2));
  await log.close();
});

test("writes and stores in turn leave one log", async () => {
  const fileSystem = faulty();
  const log = await unsynced(fileSystem, { preallocate: 8192 });
  const wanted = [entry(1, UNSYNCED)];
  for (let i = 2; i <= 500; i++) {
    const data = entry(i, i % 7 === 0 ? 3000 + i : i);
    wanted.push(data);
    if (i % 11 === 0) await log.appendBatch([data, data]) && wanted.push(data);
    else log.append(data);
    if (i % 150 === 0) await log.sync();
  }
  assert(stores(fileSystem) > 100, `${stores(fileSystem)} stores`);
  assertEquals(log.readAll(), wanted);
  await log.close();
  const again = await Wal.open(PATH, { fileSystem });
  assertEquals(again.readAll(), wanted);
  await again.close();
});

test("cuts, rolls, a reset and close leave no memory of what was cut", async () => {
  const fileSystem = new MemoryFileSystem();
  let mapped = 0;
  const open = fileSystem.open.bind(fileSystem);
  fileSystem.open = (path, mode): FileHandle => {
    const file = open(path, mode);
    return like(file, {
      map: (offset, size, access) => {
        const mapping = mapFile(file, offset, size, access);
        if (typeof mapping === "string") return mapping;
        mapped++;
        let isMapped = true;
        return like(mapping, {
          unmap: () => {
            if (isMapped) mapped--;
            isMapped = false;
            mapping.unmap();
          },
        });
      },
    });
  };
  const log = await Wal.open(PATH, { fileSystem, ...ON, segmentSize: 100_000 });
  assertEquals(mapped, 0);
  log.append(entry(1, UNSYNCED));
  for (let i = 2; i <= 100; i++) log.append(entry(i));
  assertEquals(mapped, 1);
  await log.truncateFromIndex(50);
  assertEquals(mapped, 0, "after a cut");
  log.append(entry(50, UNSYNCED));
  for (let i = 51; i <= 100; i++) log.append(entry(i));
  assertEquals(mapped, 1);
  while (log.stats().segments === 1) log.append(entry(7));
  assertEquals(mapped, 0, "after a roll");
  await turns();
  assertEquals(log.getEntry(49), entry(49));
  assertEquals(log.getEntry(99), entry(99));
  await log.reset(10);
  log.append(entry(10, UNSYNCED));
  log.append(entry(11));
  assertEquals(mapped, 1);
  assertEquals(log.getEntry(11), entry(11));
  await log.close();
  assertEquals(mapped, 0, "after close");
});

test("a write that fails is cut back, and the next stores go to new space", async () => {
  const fileSystem = faulty();
  const log = await unsynced(fileSystem);
  for (let i = 2; i <= 10; i++) log.append(entry(i));
  fileSystem.fail("write", "ENOSPC", { leaves: 1000 });
  const error = assertThrows(() => log.append(entry(11, 3000)), WalError);
  assertEquals(error.code, "ERR_WAL_WRITE_FAILED");
  for (let i = 11; i <= 400; i++) log.append(entry(i));
  assert(stores(fileSystem) > 300);
  assertEquals(log.readAll().slice(1), Array.from({ length: 399 }, (_, i) => entry(i + 2)));
  await log.close();
});

test("without space for zeros, entries are written as long as they fit", async () => {
  const fileSystem = faulty();
  const log = await unsynced(fileSystem);
  fileSystem.fail("write", "ENOSPC", { leaves: 70 });
  for (let i = 2; i <= 400; i++) log.append(entry(i));
  assertEquals(stores(fileSystem), 0);
  assertEquals(log.readAll().slice(1), Array.from({ length: 399 }, (_, i) => entry(i + 2)));
  await log.close();
  const again = await Wal.open(PATH, { fileSystem });
  assertEquals(again.lastIndex, 400);
  await again.close();
});

test("a store that the process died in is a torn write like any other", async () => {
  for (let leaves = 0; leaves <= 110; leaves++) {
    const under = new MemoryFileSystem();
    const fileSystem = new FaultyFileSystem(under);
    const log = await unsynced(fileSystem);
    for (let i = 2; i <= 20; i++) log.append(entry(i));
    fileSystem.stopAfter(0, leaves);
    assertThrows(() => log.append(entry(21)));
    await log.close().catch(() => {});
    const disk = new MemoryFileSystem();
    const copy = disk.open(PATH, "create");
    copy.write(readFile(under, PATH), 0);
    copy.close();
    const again = await Wal.open(PATH, { fileSystem: disk });
    const isWhole = leaves >= 109;
    assertEquals(again.lastIndex, isWhole ? 21 : 20, `${leaves} bytes`);
    assertEquals(again.getEntry(20), entry(20));
    await again.close();
  }
});

for (
  const [options, wanted] of [
    [{ preallocate: 0 }, "reads; on is not available: preallocate is 0"],
    [{ format: 1 }, "reads; on is not available: format 1 has no space ahead"],
  ] as const
) {
  test(`with ${JSON.stringify(options)} nothing is stored, and it is said`, async () => {
    const fileSystem = faulty();
    const log = await unsynced(fileSystem, options);
    for (let i = 2; i <= 100; i++) log.append(entry(i));
    assertEquals([log.stats().memoryMap, stores(fileSystem)], [wanted, 0]);
    await log.close();
  });
}

test("on a file system that may only be read from memory, entries are written", async () => {
  const fileSystem = faulty();
  const open = fileSystem.open.bind(fileSystem);
  fileSystem.open = (path, mode): FileHandle => {
    const file = open(path, mode);
    return like(file, {
      map: (offset, size, access) =>
        access === "write" ? "not on Btrfs" : mapFile(file, offset, size, access),
    });
  };
  const log = await unsynced(fileSystem);
  for (let i = 2; i <= 400; i++) log.append(entry(i));
  assertEquals(log.stats().memoryMap, "reads; on is not available: not on Btrfs");
  assertEquals(stores(fileSystem), 0);
  assertEquals(log.readAll().length, 400);
  await log.close();
});

test("kill -9 in the middle of stores loses no entry whose append has returned", {
  timeout: 120_000,
}, () =>
  withFolder((folder) => {
    const { program, args } = command(
      join(ROOT, "tests/support/kill_storing.ts"),
      join(folder, PATH),
      "10",
    );
    const { status, stdout, stderr } = spawnSync(program, args, {
      encoding: "utf8",
      timeout: 120_000,
    });
    assertEquals(status, 0, stderr);
    const { kills, lost } = JSON.parse(stdout) as Record<string, unknown>;
    assertEquals([kills, lost], [10, 0]);
  }));
