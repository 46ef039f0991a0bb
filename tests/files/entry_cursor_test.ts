/**
 * Entries in order: the frames that were read ahead are shown as far as the index says the same.
 *
 * @module
 */
import { test } from "node:test";
import { Batches } from "../../src/segment/batches.ts";
import { assertEquals } from "@std/assert";
import { EntryCursor } from "../../src/files/entry_cursor.ts";
import { frameChecksum } from "../../src/format/checksum.ts";
import { FRAME_HEADER_SIZE, TYPE_DATA, writeFrameHeader } from "../../src/format/frame.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { EntryReader } from "../../src/segment/entry_reader.ts";
import { OffsetIndex } from "../../src/segment/offset_index.ts";

const PATH = "a.wal";
const SIZE = FRAME_HEADER_SIZE + 1;

/** The first bytes of the entries in a file of frames, of which an index knows only some. */
function shown(frames: number, known: readonly number[]): number[] {
  const bytes = new Uint8Array(frames * SIZE);
  const offsets = new OffsetIndex();
  for (let i = 0; i < frames; i++) {
    writeFrameHeader(bytes, i * SIZE, TYPE_DATA, 1);
    bytes[i * SIZE + FRAME_HEADER_SIZE] = i;
  }
  frameChecksum.seal(bytes, 0, bytes.length);
  const file = new MemoryFileSystem().open(PATH, "create");
  file.write(bytes, 0);
  for (const i of known) offsets.push(i * SIZE);
  const entries = { offsets, batches: new Batches(), end: bytes.length, cuts: 0 };
  const reader = new EntryReader({ file, path: PATH, checksum: frameChecksum }, 1, entries);
  const cursor = new EntryCursor(() => ({ reader, firstIndex: 1 }), 1, known.length, "views");
  const found: number[] = [];
  while (cursor.advance()) found.push(cursor.data[0] ?? -1);
  return found;
}

test("entries are shown where the index says that they begin", () => {
  assertEquals(shown(5, [0, 1, 2, 3, 4]), [0, 1, 2, 3, 4]);
  assertEquals(shown(5, [0, 1, 3, 4]), [0, 1, 3, 4]);
  assertEquals(shown(5, [2, 4]), [2, 4]);
});
