/**
 * What a reader takes in of a segment that another handle writes, and what it leaves to a new look.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals } from "@std/assert";
import {
  batchPayload,
  concat,
  DATA,
  durablePayload,
  frame,
  INTERNAL,
  LOG_ID,
} from "../../kit/frames.ts";
import { bytes, writeFile } from "../../kit/logs.ts";
import { frameChecksum as checksum } from "../../src/format/checksum.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { nothingFound } from "../../src/segment/frame_walk.ts";
import { isUnfinished, scanSegment } from "../../src/segment/scan.ts";
import { segmentBeginning } from "../../src/segment/beginning.ts";
import { WatchedSegment } from "../../src/segment/watched_segment.ts";
import { NO_SEGMENT } from "../../src/format/segment_frame.ts";

const PATH = "a.wal";
const BEGINNING = segmentBeginning(checksum, {
  version: 2,
  logId: LOG_ID,
  firstIndex: 1,
  previous: NO_SEGMENT,
});
const ONE = frame(DATA, bytes("one"));
const TWO = frame(DATA, bytes("two"));
const PAIR = concat(ONE, TWO);

/** A segment with one entry, as a reader sees it, and how its writer writes to it. */
function watch(): { watched: WatchedSegment; write: (...frames: Uint8Array[]) => void } {
  const fileSystem = new MemoryFileSystem();
  writeFile(fileSystem, PATH, concat(BEGINNING, ONE));
  const file = fileSystem.open(PATH, "read");
  const source = { file, path: PATH, checksum, maxEntrySize: 1000, remembers: true };
  const scan = scanSegment(source);
  assert(!isUnfinished(scan));
  const writer = fileSystem.open(PATH, "write");
  const write = (...frames: Uint8Array[]): void => {
    const content = concat(BEGINNING, ...frames);
    writer.write(content, 0);
    writer.truncate(content.length);
  };
  return { watched: new WatchedSegment(source, scan), write };
}

test("what was appended is taken in, with what a Durable frame reports as durable", () => {
  const { watched, write } = watch();
  assertEquals([watched.offsets.count, watched.durableIndex], [1, 0]);
  assert(watched.refresh());
  const at = BEGINNING.length + ONE.length;
  const durable = frame(INTERNAL, durablePayload(1, at, at));
  write(ONE, durable, TWO);
  assert(watched.refresh());
  assertEquals([watched.offsets.count, watched.durableIndex], [2, 1]);
  assertEquals(watched.checksums?.count, 2);
  assertEquals(watched.reader.read(1), bytes("two"));
  assertEquals(watched.end, at + durable.length + TWO.length);
});

test("a batch that is not whole yet is taken in once it is", () => {
  const { watched, write } = watch();
  const batch = frame(INTERNAL, batchPayload(2, PAIR.length));
  write(ONE, batch, ONE);
  assert(watched.refresh());
  assertEquals(watched.offsets.count, 1);
  write(ONE, batch, PAIR);
  assert(watched.refresh());
  assertEquals(watched.offsets.count, 3);
});

test("a cut, or other bytes in the place of those that were found, is no append", () => {
  for (const frames of [[], [TWO], [TWO, ONE]]) {
    const { watched, write } = watch();
    write(...frames);
    assertEquals(watched.refresh(), false);
  }
});

test("no more entries are shown than are asked for, nor as durable", () => {
  const { watched, write } = watch();
  const at = BEGINNING.length + PAIR.length;
  write(PAIR, frame(INTERNAL, durablePayload(1, at, at)));
  assert(watched.refresh());
  assertEquals(watched.durableIndex, 2);
  watched.showOnly(1);
  assertEquals([watched.offsets.count, watched.durableIndex], [1, 1]);
});

test("of a file without a beginning nothing is taken in: it has to be looked at again", () => {
  const fileSystem = new MemoryFileSystem();
  writeFile(fileSystem, PATH, new Uint8Array(0));
  const file = fileSystem.open(PATH, "read");
  const source = { file, path: PATH, checksum, maxEntrySize: 1000, remembers: true };
  const watched = new WatchedSegment(source, nothingFound(7));
  assertEquals([watched.firstIndex, watched.mayBeFull, watched.refresh()], [7, true, false]);
  watched.close();
  watched.close();
  assert(watched.reader.isClosed);
});
