/**
 * What a scan says of a file, and that it says nothing that no byte of the file says.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  batchPayload,
  BEGINNING_SIZE,
  concat,
  DATA,
  durablePayload,
  frame,
  INTERNAL,
  LOG_ID,
  sealPayload,
  segmentPayload,
} from "../../kit/frames.ts";
import { bytes, writeFile } from "../../kit/logs.ts";
import { FileSystemError } from "../../src/fs/file_system.ts";
import { frameChecksum as checksum } from "../../src/format/checksum.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { nothingFound, type SegmentScan } from "../../src/segment/frame_walk.ts";
import { isUnfinished, scanOn, scanSegment } from "../../src/segment/scan.ts";
import type { SegmentSource } from "../../src/segment/source.ts";

const PATH = "a.wal";
const HEADER = concat(bytes("WAL!"), Uint8Array.of(0, 0, 0, 2));
const PREVIOUS = { firstIndex: 3, size: 500, checksum: 77 };
const BEGINNING = concat(HEADER, frame(INTERNAL, segmentPayload(9, PREVIOUS)));
const ENTRY = frame(DATA, bytes("entry"));
const PAIR = concat(frame(DATA, bytes("a")), frame(DATA, bytes("b")));
const BATCH = concat(frame(INTERNAL, batchPayload(2, PAIR.length)), PAIR);

function sourceOf(fileSystem: MemoryFileSystem, remembers = false): SegmentSource {
  return {
    file: fileSystem.open(PATH, "read"),
    path: PATH,
    checksum,
    maxEntrySize: 1000,
    remembers,
  };
}

function scanOf(content: Uint8Array): SegmentScan {
  const fileSystem = new MemoryFileSystem();
  writeFile(fileSystem, PATH, content);
  const scan = scanSegment(sourceOf(fileSystem));
  assert(!isUnfinished(scan));
  return scan;
}

function listOf({ count, at }: { count: number; at(i: number): number }): number[] {
  return Array.from({ length: count }, (_, i) => at(i));
}

/** All of a scan that can be compared. */
function factsOf(scan: SegmentScan): unknown {
  const { offsets, batches, seen: _, ...facts } = scan;
  return {
    ...facts,
    offsets: listOf({ count: offsets.count, at: (i) => offsets.at(i) }),
    batches: listOf({ count: batches.count, at: (i) => batches.startAt(i) }),
  };
}

test("a segment that is not read is known by its name only", () => {
  const scan = nothingFound(9);
  assertEquals([scan.version, scan.logId, scan.seal], [undefined, undefined, undefined]);
  assertEquals([scan.firstIndex, scan.offsets.count, scan.vouched], [9, 0, 0]);
  assertEquals([scan.end, scan.size], [0, 0]);
});

test("a scan tells what the frames say", () => {
  const at = BEGINNING_SIZE + ENTRY.length;
  const durable = frame(INTERNAL, durablePayload(9, at, at));
  const content = concat(BEGINNING, ENTRY, durable, BATCH, Uint8Array.of(0, 0));
  const scan = scanOf(content);
  const first = at + durable.length + 22;
  assertEquals(factsOf(scan), {
    kind: "scanned",
    version: 2,
    logId: LOG_ID,
    firstIndex: 9,
    previous: PREVIOUS,
    isPending: false,
    offsets: [BEGINNING_SIZE, first, first + 10],
    entriesEnd: content.length - 2,
    vouched: at,
    seal: undefined,
    batches: [1],
    end: content.length - 2,
    size: content.length,
  });
});

test("a scan in steps says what one scan says", () => {
  const offsets = [BEGINNING_SIZE, BEGINNING_SIZE + ENTRY.length + 22].flatMap((at, i) =>
    i === 0 ? [at] : [at, at + 10]
  );
  const content = concat(BEGINNING, ENTRY, BATCH, frame(INTERNAL, sealPayload(offsets)));
  const whole = scanOf(content);
  assertEquals(whole.seal?.count, 3);
  for (let size = BEGINNING_SIZE; size < content.length; size++) {
    const fileSystem = new MemoryFileSystem();
    writeFile(fileSystem, PATH, content.subarray(0, size));
    const first = scanSegment(sourceOf(fileSystem, true));
    assert(!isUnfinished(first));
    writeFile(fileSystem, PATH, content);
    const again = scanOn(sourceOf(fileSystem, true), first);
    assertEquals(factsOf(again), factsOf(whole), `${size} bytes first`);
  }
});

test("a reader's scan refuses to join what the writer has replaced", () => {
  const fileSystem = new MemoryFileSystem();
  writeFile(fileSystem, PATH, concat(BEGINNING, ENTRY));
  const first = scanSegment(sourceOf(fileSystem, true));
  assert(!isUnfinished(first));
  writeFile(fileSystem, PATH, concat(BEGINNING, frame(DATA, bytes("other")), ENTRY));
  const error = assertThrows(() => scanOn(sourceOf(fileSystem, true), first), FileSystemError);
  assertEquals(error.code, "EBUSY");
});

test("a file without a beginning is reported as unfinished, with what it holds", () => {
  const cases: [Uint8Array, number, string][] = [
    [HEADER.subarray(0, 5), 0, "nothing"],
    [new Uint8Array(100), 0, "nothing"],
    [BEGINNING.subarray(0, 40), 8, "nothing"],
    [concat(HEADER, bytes("x".repeat(200))), 8, "other bytes"],
    [concat(HEADER, ENTRY), 8, "frames"],
  ];
  for (const [content, at, holds] of cases) {
    const fileSystem = new MemoryFileSystem();
    writeFile(fileSystem, PATH, content);
    const found = scanSegment(sourceOf(fileSystem));
    assert(isUnfinished(found));
    assertEquals([found.at, found.holds, found.size], [at, holds, content.length]);
  }
});
