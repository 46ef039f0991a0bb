/**
 * The head of the redo file: whose tail is being replaced, and what it was.
 *
 * ```text
 * magic u32 | version u32 | firstIndex u64 | offset u64 | oldLength u64 | oldChecksum u32 |
 * length u64 | the new tail | CRC-32 u32 over all before it
 * ```
 *
 * @module
 */
import { readUint32, readUint64, writeUint32, writeUint64 } from "./integers.ts";
import { isFirstIndex } from "./limits.ts";
import { beginningWith } from "./magic.ts";

/** "REDO" in ASCII. */
const MAGIC = 0x5245444f;
const VERSION = 1;

/** What the file begins with. */
export const REDO_BEGINNING: Uint8Array = beginningWith(MAGIC, VERSION);

/** The size of the head in bytes. */
export const REDO_HEAD_SIZE = 44;

/** What stands in the first index's place for the meta file. */
export const META_FILE = 0;

/** The fields of the head. */
export interface RedoRecord {
  /** The first index of the segment, or {@linkcode META_FILE}. */
  readonly firstIndex: number;
  /** Where the tail begins in it. */
  readonly offset: number;
  /** How long the tail was before. */
  readonly oldLength: number;
  /** CRC-32 of what it was. */
  readonly oldChecksum: number;
  /** How long it is to be. */
  readonly length: number;
}

/** Whether the numbers of a head are ones that a file can have. */
export function isPossible({ firstIndex, offset, oldLength }: RedoRecord): boolean {
  return (firstIndex === META_FILE || isFirstIndex(firstIndex)) &&
    Number.isSafeInteger(offset + oldLength);
}

/** A head as bytes. */
export function encodeRedoRecord(record: RedoRecord): Uint8Array {
  const bytes = new Uint8Array(REDO_HEAD_SIZE);
  writeUint32(bytes, 0, MAGIC);
  writeUint32(bytes, 4, VERSION);
  writeUint64(bytes, 8, record.firstIndex);
  writeUint64(bytes, 16, record.offset);
  writeUint64(bytes, 24, record.oldLength);
  writeUint32(bytes, 32, record.oldChecksum);
  writeUint64(bytes, 36, record.length);
  return bytes;
}

/** The head that these bytes are; undefined if they are none. */
export function decodeRedoRecord(bytes: Uint8Array): RedoRecord | undefined {
  if (bytes.length < REDO_HEAD_SIZE || readUint32(bytes, 0) !== MAGIC) return undefined;
  if (readUint32(bytes, 4) !== VERSION) return undefined;
  return {
    firstIndex: readUint64(bytes, 8),
    offset: readUint64(bytes, 16),
    oldLength: readUint64(bytes, 24),
    oldChecksum: readUint32(bytes, 32),
    length: readUint64(bytes, 36),
  };
}
