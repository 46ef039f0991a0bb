/**
 * A slot of the meta file: which entries were dropped from the log's head, and the application's
 * state.
 *
 * ```text
 * magic u32 | version u32 | logId 8 | sequence u64 | headIndex u64 | length u32 | state | CRC-32 u32
 * ```
 *
 * The file has two slots with the same content, and an update writes one after the other, so that
 * one torn or rotten slot is always survived. The newest that is valid counts.
 *
 * @module
 */
import { readUint32, readUint64, writeUint32, writeUint64 } from "./integers.ts";
import { LOG_ID_SIZE } from "./log_id.ts";
import { isFirstIndex, MAX_SEQUENCE } from "./limits.ts";
import { beginningWith } from "./magic.ts";

/** Where the two slots begin, in bytes. */
export const SLOT_OFFSETS: readonly [number, number] = [0, 65_536];

/** The largest state in bytes. */
export const MAX_STATE_SIZE: number = 32 * 1024;

/** "META" in ASCII. */
const MAGIC = 0x4d455441;
const VERSION = 1;

/** What the file begins with. */
export const META_BEGINNING: Uint8Array = beginningWith(MAGIC, VERSION);
const STATE_AT = 4 + 4 + LOG_ID_SIZE + 8 + 8 + 4;

/** The smallest slot in bytes, without a state. */
export const MIN_SLOT_SIZE: number = STATE_AT + 4;

/** The largest slot in bytes. */
export const MAX_SLOT_SIZE: number = STATE_AT + MAX_STATE_SIZE + 4;

/** A slot's fields. */
export interface MetaSlot {
  readonly logId: Uint8Array;
  /** Counts the updates. */
  readonly sequence: number;
  /** Entries below it are dropped. */
  readonly headIndex: number;
  /** The application's bytes. */
  readonly state: Uint8Array;
}

/** A slot as bytes; `crc32` is of all bytes that it is given. */
export function encodeMetaSlot(slot: MetaSlot, crc32: (bytes: Uint8Array) => number): Uint8Array {
  const bytes = new Uint8Array(STATE_AT + slot.state.length + 4);
  writeUint32(bytes, 0, MAGIC);
  writeUint32(bytes, 4, VERSION);
  bytes.set(slot.logId, 8);
  writeUint64(bytes, 16, slot.sequence);
  writeUint64(bytes, 24, slot.headIndex);
  writeUint32(bytes, 32, slot.state.length);
  bytes.set(slot.state, STATE_AT);
  writeUint32(bytes, bytes.length - 4, crc32(bytes.subarray(0, bytes.length - 4)));
  return bytes;
}

/** The slot at the start of these bytes, which may be more or fewer; undefined if it is not valid. */
export function decodeMetaSlot(
  bytes: Uint8Array,
  crc32: (bytes: Uint8Array) => number,
): MetaSlot | undefined {
  if (bytes.length < STATE_AT || readUint32(bytes, 0) !== MAGIC) return undefined;
  const end = STATE_AT + readUint32(bytes, 32);
  if (readUint32(bytes, 4) !== VERSION || end > STATE_AT + MAX_STATE_SIZE) return undefined;
  if (end + 4 > bytes.length || readUint32(bytes, end) !== crc32(bytes.subarray(0, end))) {
    return undefined;
  }
  const sequence = readUint64(bytes, 16);
  const headIndex = readUint64(bytes, 24);
  // No update writes others.
  if (sequence < 1 || sequence > MAX_SEQUENCE || !isFirstIndex(headIndex)) return undefined;
  const logId = bytes.slice(8, 8 + LOG_ID_SIZE);
  return { logId, sequence, headIndex, state: bytes.slice(STATE_AT, end) };
}
