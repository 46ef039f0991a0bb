/**
 * A Seal made in pieces against one that is written down in one go.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Wal, WalError } from "../../mod.ts";
import { frameChecksum } from "../../src/format/checksum.ts";
import { DURABLE_FRAME_SIZE } from "../../src/format/durable_frame.ts";
import { FRAME_HEADER_SIZE } from "../../src/format/frame.ts";
import { writeUint32 } from "../../src/format/integers.ts";
import { OffsetIndex } from "../../src/segment/offset_index.ts";
import { CrashFileSystem } from "../../src/testing/crash_file_system.ts";
import { FaultyFileSystem } from "../../src/testing/faulty_file_system.ts";
import { turns } from "../../kit/logs.ts";
import { SealPieces, type SealToWrite } from "../../src/segment/seal_pieces.ts";

/** The bytes of a Seal, field by field as `docs/format.md` has them. */
function plainSeal(offsets: readonly number[]): Uint8Array {
  const payload = 13 + 4 * offsets.length;
  const frame = new Uint8Array(FRAME_HEADER_SIZE + payload);
  frame[0] = 2;
  writeUint32(frame, 1, payload);
  frame[9] = 4;
  writeUint32(frame, 10, offsets.length);
  offsets.forEach((offset, i) => writeUint32(frame, 14 + 4 * i, offset));
  writeUint32(frame, frame.length - 8, frame.length);
  writeUint32(frame, frame.length - 4, 0x5345_414c);
  frameChecksum.seal(frame, 0, frame.length);
  return frame;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** Its bytes, in order. */
function partsOf({ head, body }: SealToWrite): readonly Uint8Array[] {
  return [head, ...body];
}

test("a Seal in pieces has the bytes of one in one piece, for every way to get there", () => {
  for (const count of [1, 2, 4095, 4096, 4097, 16_384, 40_000, 65_536, 81_920, 90_000]) {
    for (const isKeptUp of [true, false]) {
      const all = Array.from({ length: count }, (_, i) => 54 + 137 * i);
      const offsets = new OffsetIndex();
      const seal = new SealPieces("a.wal", offsets, frameChecksum, true);
      for (const offset of all) {
        offsets.push(offset);
        if (isKeptUp && offsets.count >= seal.next) seal.keepUp();
      }
      for (const counted of new Set([count, count - 1, Math.ceil(count / 2), 4096, 65_536])) {
        if (counted < 1 || counted > count) continue;
        const parts = partsOf(seal.frame(counted));
        assertEquals(joined(parts), plainSeal(all.slice(0, counted)), `${counted} of ${count}`);
      }
    }
  }
});

test("a Seal in pieces forgets the entries that were dropped", () => {
  const offsets = new OffsetIndex();
  const seal = new SealPieces("a.wal", offsets, frameChecksum, true);
  for (let i = 0; i < 100_000; i++) offsets.push(54 + 137 * i);
  seal.keepUp();
  for (const kept of [90_000, 81_920, 65_536, 60_000, 32_768, 20_000, 4096, 4095, 0]) {
    offsets.cut(kept);
    seal.cut(kept);
    const all = Array.from({ length: kept }, (_, i) => 54 + 137 * i);
    for (let i = kept; i < 95_000; i++) all.push(60 + 138 * i);
    for (const offset of all.slice(kept)) offsets.push(offset);
    assertEquals(joined(partsOf(seal.frame(95_000))), plainSeal(all), `${kept} kept`);
  }
});

/** A log of batches whose next append finds the segment full, with a Seal of several pieces. */
const ENTRIES = 90_000;
/** The last batch fits with a Durable frame before it, and no entry after it. */
const SEGMENT_SIZE = 54 + (ENTRIES / 1000) * 22 + ENTRIES * 10 + 42;

async function fullLog(fileSystem: FaultyFileSystem): Promise<Wal> {
  const log = await Wal.open("a.wal", {
    fileSystem,
    segmentSize: SEGMENT_SIZE,
    preallocate: 0,
  });
  for (let i = 0; i < ENTRIES; i += 1000) {
    log.appendBatch(Array.from({ length: 1000 }, (_, j) => Uint8Array.of((i + j) % 251)));
  }
  await log.sync();
  return log;
}

/** What a process finds that begins after the first has died: all of the entries. */
async function requireWhole(disk: CrashFileSystem, ...entries: number[]): Promise<void> {
  const fileSystem: CrashFileSystem = disk.fork();
  fileSystem.kill();
  const log = await Wal.open("a.wal", { fileSystem, segmentSize: SEGMENT_SIZE });
  let index = 0;
  log.replay(({ bytes, start }) => assertEquals(bytes[start], index++ % 251));
  assert(entries.includes(index), `${index} entries`);
  await log.close();
}

test("a roll without space for a Seal leaves the log as it was", async () => {
  for (const leaves of [0, 3, 8]) {
    const under = new CrashFileSystem();
    const fileSystem = new FaultyFileSystem(under);
    const log = await fullLog(fileSystem);
    const size = log.byteLength + DURABLE_FRAME_SIZE;
    fileSystem.fail("write", "ENOSPC", { after: 1, leaves });
    assertThrows(() => log.append(Uint8Array.of(ENTRIES % 251)), WalError);
    assertEquals([log.lastIndex, log.byteLength], [ENTRIES, size]);
    assertEquals(under.open("a.wal", "read").size(), size);
    log.append(Uint8Array.of(ENTRIES % 251));
    assertEquals(log.stats().segments, 2);
    await requireWhole(under, ENTRIES + 1);
    await log.close();
  }
});

test("a process that dies within a Seal of several pieces leaves every entry", async () => {
  for (let calls = 0; calls < 30; calls++) {
    const under = new CrashFileSystem();
    const fileSystem = new FaultyFileSystem(under);
    const log = await fullLog(fileSystem);
    fileSystem.stopAfter(calls, 1000);
    let wanted = [ENTRIES + 1];
    try {
      log.append(Uint8Array.of(ENTRIES % 251));
    } catch {
      // It has died in the roll: before the write of the entry, or in it.
      wanted = [ENTRIES, ENTRIES + 1];
    }
    await turns();
    await requireWhole(under, ...wanted);
  }
});

test("a Seal made after a truncation is that of the entries that are there", async () => {
  const disk = new CrashFileSystem();
  const log = await fullLog(new FaultyFileSystem(disk));
  await log.truncateFromIndex(70_001);
  for (let i = 70_000; i < 95_000; i++) log.append(Uint8Array.of(i % 251));
  assertEquals(log.stats().segments, 2);
  await turns();
  // The Seal says of each where it begins: a wrong one is not believed, and is rebuilt.
  await requireWhole(disk, log.lastIndex);
  assertEquals(log.getEntry(80_000), Uint8Array.of(79_999 % 251));
  assertEquals(log.stats().rebuiltSeals, []);
  await log.close();
});
