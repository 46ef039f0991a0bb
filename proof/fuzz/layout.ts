/**
 * The bytes of a log's files taken apart and put together, by the description of the format alone:
 * nothing of this is shared with the code that is fuzzed.
 *
 * @module
 */
import { crc32 } from "node:zlib";

/** A log's files by their names. */
export type FileSet = Map<string, Uint8Array>;

/** The name of the log that the files are of. */
export const LOG = "a.wal";

/** The name of its meta file. */
export const META = "a.wal.meta";

/** The name of its redo file. */
export const REDO = "a.wal.redo";

/** "REDO" in ASCII. */
export const REDO_MAGIC = 0x5245444f;

/** Bytes of a redo file before the new tail. */
export const REDO_HEADER = 44;

/** Bytes of a file's header, and of a frame's. */
export const FILE_HEADER = 8;
export const FRAME_HEADER = 9;

/** The types of frames. */
export const DATA = 1;
export const INTERNAL = 2;

/** The kinds of Internal frames. */
export const SEGMENT = 1;
export const BATCH = 2;
export const DURABLE = 3;
export const SEAL = 4;

/** A reader that does not know a kind from this one on skips its frame. */
export const FIRST_SKIPPABLE = 128;

/** "SEAL" in ASCII. */
export const SEAL_MAGIC = 0x5345414c;

/** Where the meta file's slots begin. */
export const SLOTS: readonly number[] = [0, 65_536];

/** Bytes of a slot before its state. */
export const SLOT_HEADER = 36;

/** A segment's file: its header, its frames by their lengths, right or wrong, and what is left. */
export interface Layout {
  head: Uint8Array;
  frames: Uint8Array[];
  rest: Uint8Array;
}

/** Takes a copy of a segment's file apart. */
export function takeApart(bytes: Uint8Array): Layout {
  const copy = bytes.slice();
  const frames = framesIn(copy);
  const size = frames.reduce((size, frame) => size + frame.length, FILE_HEADER);
  return { head: copy.subarray(0, FILE_HEADER), frames, rest: copy.subarray(size) };
}

/** The frames of a segment's file by their lengths, right or wrong, where they are. */
export function framesIn(bytes: Uint8Array, from: number = FILE_HEADER): Uint8Array[] {
  const frames: Uint8Array[] = [];
  let at = from;
  while (bytes.length - at >= FRAME_HEADER && (bytes[at] === DATA || bytes[at] === INTERNAL)) {
    const end = at + FRAME_HEADER + readU32(bytes, at + 1);
    if (end > bytes.length) break;
    frames.push(bytes.subarray(at, end));
    at = end;
  }
  return frames;
}

/** Puts it together. */
export function putTogether({ head, frames, rest }: Layout): Uint8Array {
  return concat([head, ...frames, rest]);
}

/** Joins pieces. */
export function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** Makes a frame, with the right length and checksum. */
export function frameOf(type: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER + payload.length);
  frame[0] = type;
  writeU32(frame, 1, payload.length);
  frame.set(payload, FRAME_HEADER);
  repairFrame(frame);
  return frame;
}

/** Whether `bytes[at..end)` is a frame whose checksum holds. */
export function holds(bytes: Uint8Array, at: number, end: number): boolean {
  return readU32(bytes, at + 5) === checksumOf(bytes, at, end);
}

/** Writes a frame's checksum. */
export function repairFrame(frame: Uint8Array): void {
  writeU32(frame, 5, checksumOf(frame, 0, frame.length));
}

function checksumOf(bytes: Uint8Array, at: number, end: number): number {
  const header = crc32(bytes.subarray(at, at + 5));
  return crc32(bytes.subarray(at + FRAME_HEADER, end), header);
}

/** The kind of an Internal frame; undefined for a Data frame and one without a payload. */
export function kindOf(frame: Uint8Array): number | undefined {
  return frame[0] === INTERNAL ? frame[FRAME_HEADER] : undefined;
}

/** Writes the checksums of a meta file's slots, where their lengths allow. */
export function repairSlots(meta: Uint8Array): void {
  for (const at of SLOTS) repairSlot(meta, at);
}

/** Writes the checksum of the slot at an offset, where its length allows. */
export function repairSlot(bytes: Uint8Array, at: number): void {
  if (at + SLOT_HEADER > bytes.length) return;
  const end = at + SLOT_HEADER + readU32(bytes, at + 32);
  if (end + 4 <= bytes.length) writeU32(bytes, end, crc32(bytes.subarray(at, end)));
}

/** Whether a redo file has the mark of one that is in use. */
export function isMarked(redo: Uint8Array): boolean {
  const length = redo.length - REDO_HEADER - 5;
  return length >= 0 && readU64(redo, 36) === BigInt(length);
}

/** Where a redo file's checksum stands, whatever length the file says. */
export function checksumAt(redo: Uint8Array): number {
  return redo.length - (isMarked(redo) ? 5 : 4);
}

/** The new tail that a redo file holds, where it stands. */
export function tailIn(redo: Uint8Array): Uint8Array {
  return redo.subarray(REDO_HEADER, Math.max(REDO_HEADER, checksumAt(redo)));
}

/** Writes a redo file's checksum. */
export function repairRedo(redo: Uint8Array): void {
  const end = checksumAt(redo);
  if (end >= REDO_HEADER) writeU32(redo, end, crc32(redo.subarray(0, end)));
}

/** The name of the file whose tail a redo file is about; undefined if it can be none. */
export function targetOf(redo: Uint8Array): string | undefined {
  const index = readU64(redo, 8);
  if (index === 0n) return META;
  return index < 2n ** 53n ? nameFor(index) : undefined;
}

/** Lets a segment's first frame say of the file before it what that is. */
export function link(frame: Uint8Array | undefined, before: Uint8Array, firstIndex: number): void {
  if (frame === undefined || kindOf(frame) !== SEGMENT || frame.length < FRAME_HEADER + 37) return;
  const last = framesIn(before).at(-1);
  writeU64(frame, FRAME_HEADER + 17, BigInt(firstIndex));
  writeU64(frame, FRAME_HEADER + 25, BigInt(before.length));
  writeU32(frame, FRAME_HEADER + 33, last === undefined ? 0 : readU32(last, 5));
}

/** The index in a segment's name; undefined if the name is none of a segment. */
export function indexIn(name: string): number | undefined {
  if (name === LOG) return 1;
  const digits = name.startsWith(`${LOG}.`) ? name.slice(LOG.length + 1) : "";
  return /^\d{20}$/.test(digits) ? Number(digits) : undefined;
}

/** The name of the segment that begins with an index. */
export function nameFor(index: bigint): string {
  return index === 1n ? LOG : `${LOG}.${String(index).padStart(20, "0")}`;
}

/** The names of the segments in order. */
export function segmentNames(files: FileSet): string[] {
  return [...files.keys()]
    .filter((name) => indexIn(name) !== undefined)
    .sort((a, b) => (indexIn(a) ?? 0) - (indexIn(b) ?? 0));
}

export function readU32(bytes: Uint8Array, at: number): number {
  const byte = (i: number): number => bytes[at + i] as number;
  return ((byte(0) << 24) | (byte(1) << 16) | (byte(2) << 8) | byte(3)) >>> 0;
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  for (let i = 0; i < 4; i++) bytes[at + i] = value >>> (24 - 8 * i);
}

export function readU64(bytes: Uint8Array, at: number): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(at);
}

export function writeU64(bytes: Uint8Array, at: number, value: bigint): void {
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    .setBigUint64(at, BigInt.asUintN(64, value));
}
