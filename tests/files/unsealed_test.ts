/**
 * A full segment whose Seal is written after the next segment is in use: its entries count, are read
 * and survive without it, and it is written as soon as it can be.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { FileSystemError, SyncFailedError, Wal, WalError } from "../../mod.ts";
import { writeFailed } from "../../src/errors.ts";
import { UnsealedSegment } from "../../src/files/unsealed_segment.ts";
import type { Segment } from "../../src/segment/segment.ts";
import { FRAME_HEADER_SIZE, framesOf, INTERNAL, SEAL } from "../../kit/frames.ts";
import { bytes, readFile, text, turns, withLog } from "../../kit/logs.ts";
import { onManualClock } from "../../kit/manual_clock.ts";
import { CrashFileSystem, FaultyFileSystem } from "../../src/testing/testing.ts";
import { counted } from "../support/counted_files.ts";

const PATH = "a.wal";
const OPTIONS = { segmentSize: 512, preallocate: 0 } as const;

function entry(index: number): Uint8Array {
  return bytes(`entry ${index} `.padEnd(40, "."));
}

function words(log: Wal): string[] {
  return log.readAll().map((data) => text(data).trim());
}

function wanted(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => text(entry(from + i)).trim());
}

interface Rolled {
  readonly disk: CrashFileSystem;
  readonly fileSystem: FaultyFileSystem;
  readonly log: Wal;
  /** The last index, which is in the second segment. */
  readonly last: number;
}

/** A log that has rolled once. `prepare` is called right before the roll. */
async function rolled(prepare: (fileSystem: FaultyFileSystem) => void): Promise<Rolled> {
  const disk = new CrashFileSystem();
  const fileSystem = new FaultyFileSystem(disk);
  const log = await Wal.open(PATH, { ...OPTIONS, fileSystem });
  for (let index = 1; index <= 8; index++) log.append(entry(index));
  await log.sync();
  prepare(fileSystem);
  const last = log.append(entry(9));
  assertEquals(log.stats().segments, 2);
  return { disk, fileSystem, log, last };
}

/** Whether the first segment ends with its Seal. */
function isSealed({ fileSystem }: Rolled): boolean {
  const file = readFile(fileSystem, PATH);
  const last = framesOf(file).at(-1);
  return last?.payload[0] === SEAL && last.end === file.length;
}

/** Leaves no space for the Seal once the roll is durable: neither for its body nor for its head. */
const NO_SPACE: readonly number[] = [0, 1];

/** Has the writes to the full segment fail after the roll, for as long as told. */
function fillDisk(fileSystem: FaultyFileSystem, after: number, times: number): void {
  // In the roll a Durable frame is written to it, and the Seal's last bytes.
  fileSystem.fail("write", "ENOSPC", { name: PATH, after: 2 + after, times, leaves: 5 });
}

test("an entry is acknowledged in the next segment while the Seal is not durable yet", async () => {
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => open = resolve);
  const it = await rolled((fileSystem) => {
    let syncs = 0;
    // The entry's own is the first or the second; the others are the Seal's.
    fileSystem.delay("syncData", () => syncs++ < 2 ? Promise.resolve() : gate);
  });
  await it.log.sync();
  assertEquals([it.log.durableIndex, isSealed(it)], [it.last, false]);
  assertEquals(words(it.log), wanted(1, 9));
  assertEquals(it.log.getEntry(3), entry(3));
  assertEquals(it.log.stats().rebuiltSeals, []);
  open();
  await turns();
  assert(isSealed(it));
  assertEquals(words(it.log), wanted(1, 9));
  await it.log.close();
});

test("a disk that is full when the Seal is due: it is written when the log is idle", async () => {
  for (const after of NO_SPACE) {
    await onManualClock(async (time) => {
      const it = await rolled((fileSystem) => fillDisk(fileSystem, after, 1));
      await turns();
      assertEquals(isSealed(it), false);
      assertEquals(words(it.log), wanted(1, 9));
      await time.pass(500);
      await turns();
      assert(isSealed(it), `${after}`);
      await it.log.close();
    });
  }
});

test("a disk that stays full: the next roll says so, and what there is can be read", async () => {
  for (const after of NO_SPACE) {
    const it = await rolled((fileSystem) => fillDisk(fileSystem, after, 3));
    await turns();
    let last = it.last;
    const error = assertThrows(() => {
      for (;;) last = it.log.append(entry(last + 1));
    }, WalError);
    assertEquals(error.code, "ERR_WAL_WRITE_FAILED");
    assertEquals(words(it.log), wanted(1, last));
    await it.log.sync();
    assertEquals(it.log.durableIndex, last);
    await it.log.close();
    await withLog(PATH, { ...OPTIONS, fileSystem: it.disk }, (log) => {
      assertEquals(words(log), wanted(1, last));
      assertEquals(log.stats().rebuiltSeals, []);
    });
    assert(isSealed(it), "open writes it");
  }
});

test("a log that is closed before there is space is sealed when it is opened", async () => {
  for (const after of NO_SPACE) {
    const it = await rolled((fileSystem) => fillDisk(fileSystem, after, 100));
    await turns();
    await it.log.close();
    await withLog(PATH, { ...OPTIONS, fileSystem: it.disk }, (log) => {
      assertEquals(words(log), wanted(1, 9));
      assertEquals([log.recovery.case, log.recovery.setAside], ["A", undefined]);
    });
    assert(isSealed(it));
  }
});

test("the first bytes of a Seal are on the disk only if the others are", async () => {
  const disk = new CrashFileSystem();
  const fileSystem = new FaultyFileSystem(disk);
  // Of so many entries the Seal is longer than a sector.
  const log = await Wal.open(PATH, { segmentSize: 6000, preallocate: 0, fileSystem });
  let states = 0;
  fileSystem.delay("syncData", () => {
    for (const left of disk.crashStates({ limit: 64, seed: states + 1 })) {
      states++;
      const file = readFile(left, PATH);
      // Where no whole frame follows: also no Seal whose checksum holds.
      const at = framesOf(file).at(-1)?.end ?? 0;
      const isBegun = file[at] === INTERNAL && file[at + FRAME_HEADER_SIZE] === SEAL;
      assert(!isBegun, `the Seal at ${at} has its first bytes, and not all of the others`);
    }
    return Promise.resolve();
  });
  while (log.stats().segments < 2) log.append(new Uint8Array(8));
  await turns();
  await log.close();
  assert(states > 20);
});

test("a handle that has ended writes no Seal", async () => {
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => open = resolve);
  const it = await rolled((fileSystem) => fileSystem.delay("syncDirectory", () => gate));
  it.fileSystem.fail("syncData", "EIO", { name: "a.wal.00000000000000000009" });
  const group = assertRejects(() => it.log.sync(), SyncFailedError);
  open();
  await group;
  const writes = it.fileSystem.calls.filter((call) => call === `write ${PATH}`).length;
  await turns();
  assertEquals(it.fileSystem.calls.filter((call) => call === `write ${PATH}`).length, writes);
  assertEquals(isSealed(it), false);
  await it.log.close();
});

test("a failed sync of the Seal ends the handle, and loses nothing that was acknowledged", async () => {
  for (const after of [1, 2]) {
    const it = await rolled((fileSystem) => fileSystem.fail("syncData", "EIO", { after }));
    await it.log.sync();
    assertEquals(it.log.durableIndex, 9);
    await turns();
    await assertRejects(() => it.log.sync(), SyncFailedError);
    await it.log.close();
    it.disk.kill();
    await withLog(PATH, { ...OPTIONS, fileSystem: it.disk }, (log) => {
      assertEquals(words(log), wanted(1, 9));
    });
  }
});

test("while a segment has no Seal, its head and its tail can be dropped", async () => {
  const drops: readonly [string, (log: Wal) => Promise<void>, number, number][] = [
    ["all but the last entry", (log) => log.truncateBeforeIndex(9), 9, 9],
    ["some of its entries", (log) => log.truncateBeforeIndex(4), 4, 9],
    ["the next segment", (log) => log.truncateFromIndex(9), 1, 8],
    ["a part of its own tail", (log) => log.truncateFromIndex(5), 1, 4],
    ["all", (log) => log.reset(1), 1, 0],
  ];
  for (const [what, drop, first, last] of drops) {
    for (const isPending of [false, true]) {
      const it = await rolled(() => {});
      // Otherwise the roll has just been begun.
      if (!isPending) await it.log.sync();
      await drop(it.log);
      assertEquals([it.log.firstIndex, ...words(it.log)], [first, ...wanted(first, last)], what);
      await it.log.close();
      await withLog(PATH, { ...OPTIONS, fileSystem: it.disk }, (log) => {
        assertEquals([log.firstIndex, ...words(log)], [first, ...wanted(first, last)], what);
      });
    }
  }
});

test("a full disk does not keep the segments from being dropped that would free it", async () => {
  for (const index of [9, 10]) {
    for (const isTried of [true, false]) {
      const it = await rolled((fileSystem) => fillDisk(fileSystem, 0, 100));
      // Otherwise the Seal is tried while the head is dropped.
      if (isTried) await turns();
      await it.log.truncateBeforeIndex(index);
      assertEquals([it.log.firstIndex, it.log.stats().segments], [index, 1]);
      it.log.append(entry(10));
      await it.log.close();
      await withLog(PATH, { ...OPTIONS, fileSystem: it.disk }, (log) => {
        assertEquals([log.firstIndex, log.lastIndex], [index, 10]);
      });
    }
  }
});

test("a full segment that is sealed while a sync of it runs is closed when that ends", async () => {
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => open = resolve);
  const faulty = new FaultyFileSystem(new CrashFileSystem());
  const { fileSystem, count } = counted(faulty);
  const log = await Wal.open(PATH, { ...OPTIONS, fileSystem });
  const before = count();
  faulty.delay("syncData", () => gate, { name: PATH });
  while (log.stats().segments < 2) log.append(entry(log.lastIndex + 1));
  await log.sync();
  await turns();
  // Both descriptors of the first segment are held, besides those of the second.
  assertEquals(count(), before + 2);
  while (log.stats().segments < 3) log.append(entry(log.lastIndex + 1));
  await log.sync();
  await turns();
  // A sync of the first still runs, and the second waits for that.
  assertEquals(count(), before + 4);
  open();
  await turns();
  assertEquals(count(), before);
  await log.close();
  assertEquals(count(), 0);
});

test("without space for a Seal, a truncation of the tail and a reset change nothing", async () => {
  const it = await rolled((fileSystem) => fillDisk(fileSystem, 0, 100));
  await turns();
  for (const drop of [() => it.log.truncateFromIndex(9), () => it.log.reset(1)]) {
    const error = await assertRejects(drop, WalError);
    assertEquals(error.code, "ERR_WAL_WRITE_FAILED");
    assertEquals(words(it.log), wanted(1, 9));
  }
  await it.log.appendAndSync(entry(10));
  await it.log.close();
  await withLog(PATH, { ...OPTIONS, fileSystem: it.disk }, (log) => {
    assertEquals(words(log), wanted(1, 10));
  });
});

test("a Seal that fails for want of space meanwhile keeps no segment from being given up", async () => {
  const failed = writeFailed("write a Seal", new FileSystemError("ENOSPC", "write", PATH));
  let isClosed = false;
  const full = {
    writeSealPart: () => Promise.reject(failed),
    close: () => isClosed = true,
  };
  const unsealed = new UnsealedSegment(full as unknown as Segment, () => {});
  const sealing = assertRejects(() => unsealed.sealOn(), WalError);
  await unsealed.giveUp();
  await sealing;
  assert(isClosed);
});

test("a call that blocks has the Seal's body synced before its first bytes are written", async () => {
  // The sync of the body is on its way while the next roll writes the rest.
  const never = new Promise<void>(() => {});
  const it = await rolled((fileSystem) =>
    fileSystem.delay("syncData", () => never, { name: PATH })
  );
  await it.log.sync();
  await turns();
  const body = it.fileSystem.calls.lastIndexOf(`write ${PATH}`);
  assertEquals(isSealed(it), false);
  while (it.log.stats().segments < 3) it.log.append(entry(it.log.lastIndex + 1));
  const calls = it.fileSystem.calls.slice(body + 1);
  const head = calls.indexOf(`write ${PATH}`);
  assert(isSealed(it) && head > 0);
  assert(calls.slice(0, head).includes(`syncDataBlocking ${PATH}`), calls.join());
});

test("a call that blocks writes the rest of the Seal, and no sync twice", async () => {
  const it = await rolled(() => {});
  it.log.syncBlocking();
  assertEquals([it.log.durableIndex, isSealed(it)], [9, false]);
  for (let index = 10; index <= 18; index++) it.log.append(entry(index));
  assertEquals(it.log.stats().segments, 3);
  assert(isSealed(it), "a roll waits for the Seal of the one before");
  assertEquals(it.log.stats().rollWaits, 1);
  await it.log.close();
});

test("a reader beside the writer reads a segment without a Seal, and does not call it rebuilt", async () => {
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => open = resolve);
  const it = await rolled((fileSystem) => fileSystem.delay("syncDirectory", () => gate));
  await withLog(PATH, { ...OPTIONS, fileSystem: it.disk, readOnly: true }, async (reader) => {
    assertEquals(words(reader), wanted(1, 9));
    assertEquals(reader.durableIndex, 8);
    assertEquals(reader.stats().rebuiltSeals, []);
    open();
    await it.log.sync();
    await turns();
    await reader.refresh();
    assertEquals(words(reader), wanted(1, 9));
  });
  await it.log.close();
});
