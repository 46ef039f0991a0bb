/**
 * The format as docs/format.md states it, without the library's code: makes frames, finds them, and
 * tells whether some files are, byte for byte, a log that a writer could have left.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";

/** The path of every log here. */
export const PATH = "a.wal";

/** The name of the file with the head index and the state. */
export const META: string = `${PATH}.meta`;

/** The id that every log here is given, so that two runs have the same bytes. */
export const LOG_ID: Uint8Array = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

/** Files by name. */
export type Files = ReadonlyMap<string, Uint8Array>;

export const FILE_HEADER_SIZE = 8;
export const FRAME_HEADER_SIZE = 9;
export const DATA = 1;
export const INTERNAL = 2;
export const SEGMENT = 1;
export const BATCH = 2;
export const DURABLE = 3;
export const SEAL = 4;
export const PENDING = 128;

/** A frame of this kind or a higher one is skipped by a reader that does not know the kind. */
export const FIRST_SKIPPABLE = 128;

/** The header and the Segment frame of a version 2 file. */
export const BEGINNING_SIZE = 54;

/** The same and a Pending frame: how a segment begins that was begun without a wait. */
export const PENDING_BEGINNING_SIZE: number = BEGINNING_SIZE + FRAME_HEADER_SIZE + 1;

/** Where the meta file's slots begin. */
export const SLOTS: readonly [number, number] = [0, 65_536];

const DURABLE_PAYLOAD_SIZE = 33;
const SEAL_MAGIC = 0x5345414c;
/** What is written of a Seal last, and what first, in bytes. */
const SEAL_HEAD = 14;
const SEAL_TAIL = 8;
const SLOT_MAGIC = 0x4d455441;
const SLOT_STATE_AT = 36;

/** A whole frame with a valid checksum. */
export interface Frame {
  readonly offset: number;
  /** After its last byte. */
  readonly end: number;
  readonly type: number;
  readonly payload: Uint8Array;
}

/** Some bytes, one after the other. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Whether two stretches of bytes are the same. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** Big-endian fields: `[bytes, value]` each. */
function fields(...parts: readonly (readonly [1 | 4 | 8, number] | Uint8Array)[]): Uint8Array {
  return concat(...parts.map((part) => {
    if (part instanceof Uint8Array) return part;
    const [size, value] = part;
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
    return bytes.subarray(8 - size);
  }));
}

function u32(bytes: Uint8Array, at: number): number {
  return view(bytes).getUint32(at);
}

function u64(bytes: Uint8Array, at: number): number {
  return Number(view(bytes).getBigUint64(at));
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** A frame with a right checksum. */
export function frame(type: number, payload: Uint8Array): Uint8Array {
  const start = fields([1, type], [4, payload.length]);
  return concat(start, fields([4, crc32(concat(start, payload))]), payload);
}

/** The payload of a Segment frame. */
export function segmentPayload(
  firstIndex: number,
  previous: { firstIndex: number; size: number; checksum: number },
): Uint8Array {
  const { size, checksum } = previous;
  return fields([1, SEGMENT], LOG_ID, [8, firstIndex], [8, previous.firstIndex], [8, size], [
    4,
    checksum,
  ]);
}

/** The payload of a Batch frame. */
export function batchPayload(count: number, bytes: number): Uint8Array {
  return fields([1, BATCH], [4, count], [8, bytes]);
}

/** The payload of a Durable frame. */
export function durablePayload(
  segment: number,
  ownOffset: number,
  durableOffset: number,
  logId: Uint8Array = LOG_ID,
): Uint8Array {
  return fields([1, DURABLE], logId, [8, segment], [8, ownOffset], [8, durableOffset]);
}

/**
 * The offset up to which a Durable frame in its place covers the file; undefined for any other
 * frame.
 */
export function durableOffset({ offset, type, payload }: Frame, segment: number):
  | number
  | undefined {
  const isDurable = type === INTERNAL && payload[0] === DURABLE &&
    payload.length === DURABLE_PAYLOAD_SIZE &&
    sameBytes(payload.subarray(1, 9), LOG_ID) && u64(payload, 9) === segment &&
    u64(payload, 17) === offset;
  return isDurable ? u64(payload, 25) : undefined;
}

/** Whether a Durable frame, of any log, is anywhere in a file, after torn bytes too. */
export function holdsDurableFrame(bytes: Uint8Array): boolean {
  const size = FRAME_HEADER_SIZE + DURABLE_PAYLOAD_SIZE;
  for (let at = 0; at + size <= bytes.length; at++) {
    if (bytes[at] !== INTERNAL || bytes[at + FRAME_HEADER_SIZE] !== DURABLE) continue;
    if (framesOf(bytes.subarray(0, at + size), at)[0]?.end === at + size) return true;
  }
  return false;
}

/** The payload of a Seal. */
export function sealPayload(offsets: readonly number[]): Uint8Array {
  const size = 22 + 4 * offsets.length;
  const list = offsets.map((offset): [4, number] => [4, offset]);
  return fields([1, SEAL], [4, offsets.length], ...list, [4, size], [4, SEAL_MAGIC]);
}

/** The first index that a segment's name tells; undefined if it is no segment's. */
export function firstIndexOf(name: string): number | undefined {
  if (name === PATH) return 1;
  return /^a\.wal\.\d{20}$/.test(name) ? Number(name.slice(-20)) : undefined;
}

/** The names of the segments, in order. */
export function segmentsOf(files: Files): string[] {
  return [...files.keys()].filter((name) => firstIndexOf(name) !== undefined).sort();
}

/** The frames from an offset up to the first byte that begins none. */
export function framesOf(bytes: Uint8Array, from: number = FILE_HEADER_SIZE): Frame[] {
  const frames: Frame[] = [];
  for (let offset = from; offset + FRAME_HEADER_SIZE <= bytes.length;) {
    const type = bytes[offset] as number;
    const end = offset + FRAME_HEADER_SIZE + u32(bytes, offset + 1);
    if ((type !== DATA && type !== INTERNAL) || end > bytes.length) break;
    const payload = bytes.subarray(offset + FRAME_HEADER_SIZE, end);
    if (u32(bytes, offset + 5) !== crc32(concat(bytes.subarray(offset, offset + 5), payload))) {
      break;
    }
    frames.push({ offset, end, type, payload });
    offset = end;
  }
  return frames;
}

/** Gives the log's id, in every frame and slot that has it, the value that all logs here have. */
export function withFixedId(name: string, bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  if (name === META) {
    for (const slot of SLOTS) {
      const end = slot + SLOT_STATE_AT + u32(copy, slot + 32);
      copy.set(LOG_ID, slot + 8);
      copy.set(fields([4, crc32(copy.subarray(slot, end))]), end);
    }
    return copy;
  }
  for (const { offset, type, payload } of framesOf(copy)) {
    if (type !== INTERNAL || (payload[0] !== SEGMENT && payload[0] !== DURABLE)) continue;
    copy.set(frame(type, concat(payload.subarray(0, 1), LOG_ID, payload.subarray(9))), offset);
  }
  return copy;
}

/** What a segment says, if all of it is as a writer leaves it. */
interface Segment {
  readonly firstIndex: number;
  readonly entries: number;
  readonly size: number;
  readonly lastChecksum: number;
  readonly isSealed: boolean;
  readonly previous: { firstIndex: number; size: number; checksum: number };
}

/** What the last segment holds after its whole frames and batches: the start of a torn write. */
export function tornTailOf(files: Files): Uint8Array {
  const bytes = files.get(segmentsOf(files).at(-1) ?? "") ?? new Uint8Array(0);
  let end = FILE_HEADER_SIZE;
  let left = 0;
  for (const frame of framesOf(bytes)) {
    const { type, payload } = frame;
    if (type === INTERNAL && payload[0] === BATCH) left = u32(payload, 1) + 1;
    if (left > 0) left--;
    if (left === 0) end = frame.end;
  }
  return bytes.slice(end);
}

/** A full segment whose Seal is not written yet, or not all of it. */
export interface Unsealed {
  /** All that stands before the Seal. */
  readonly entries: Uint8Array;
  /** The same and the Seal. */
  readonly sealed: Uint8Array;
}

/** A file as a segment without a whole Seal: what follows its frames is a part of the Seal, or zeros. */
export function unsealedOf(bytes: Uint8Array): Unsealed | undefined {
  const frames = framesOf(bytes);
  const entries = bytes.subarray(0, frames.at(-1)?.end ?? 0);
  const offsets = frames.filter(({ type }) => type === DATA).map(({ offset }) => offset);
  if (offsets.length === 0 || frames.some(({ payload }) => payload[0] === SEAL)) return undefined;
  const seal = frame(INTERNAL, sealPayload(offsets));
  const sealed = concat(entries, seal);
  const found = bytes.subarray(entries.length);
  const isIn = (from: number, to: number, isZero: boolean): boolean =>
    found.subarray(from, to).every((byte, i) => byte === (isZero ? 0 : seal[from + i]));
  // Its last bytes come first, and its first bytes last.
  const isPart = found.length === 0 || (found.length === seal.length && isIn(0, SEAL_HEAD, true) &&
    [true, false].some((isZero) => isIn(SEAL_HEAD, seal.length - SEAL_TAIL, isZero)) &&
    isIn(seal.length - SEAL_TAIL, seal.length, false));
  return isPart ? { entries, sealed } : undefined;
}

/** Files as they are once the segment before the last has its Seal, if it may lack that. */
export function withLateSeal(files: Files): Files {
  const [full, next] = segmentsOf(files).slice(-2);
  const [begin, mark] = framesOf(files.get(next ?? "") ?? new Uint8Array(0));
  // The writer may have died in the write of the beginning.
  const isShort = (files.get(next ?? "")?.length ?? 0) < PENDING_BEGINNING_SIZE;
  const isPending = isShort || mark?.type === INTERNAL && mark.payload[0] === PENDING;
  if (full === undefined || begin === undefined || !isPending) return files;
  const sealed = unsealedOf(files.get(full) as Uint8Array)?.sealed;
  if (sealed === undefined || sealed.length !== u64(begin.payload, 25)) return files;
  return new Map(files).set(full, sealed);
}

/**
 * Whether files are a log that a writer could have left: every byte belongs to a frame that may
 * stand where it does, the segments join, and nothing mentions more. A program that has only these
 * files cannot know that they were different once.
 *
 * @param tornTail What may stand after all frames.
 */
export function isWholeLog(found: Files, tornTail: Uint8Array = new Uint8Array(0)): boolean {
  const files = withLateSeal(found);
  const names = segmentsOf(files);
  const headIndex = headIndexOf(files.get(META));
  if (headIndex === "damaged") return false;
  if (names.length === 0) return headIndex === undefined;
  const [last = ""] = names.slice(-1);
  // The last file may still be in the making.
  if (isBeingMade(files.get(last) as Uint8Array)) names.pop();
  if (names.length === 0) return firstIndexOf(last) === (headIndex ?? 1);
  const segments = names.map((name) => {
    const bytes = files.get(name) as Uint8Array;
    const end = bytes.length - (name === last ? tornTail.length : 0);
    const isTorn = name === last && sameBytes(bytes.subarray(Math.max(0, end)), tornTail);
    const whole = isTorn ? bytes.subarray(0, end) : bytes;
    // The roll was begun, and the next file is not there yet.
    const isEnd = name === names.at(-1);
    return readSegment(name, isEnd ? unsealedOf(whole)?.entries ?? whole : whole);
  });
  for (let i = segments.length - 1; i >= 0; i--) {
    const segment = segments[i];
    if (segment === undefined) return false;
    if (segment.firstIndex <= (headIndex ?? 1)) return true;
    const before = segments[i - 1];
    const { firstIndex, size, checksum } = segment.previous;
    const joins = before !== undefined && before.firstIndex === firstIndex &&
      before.size === size && before.lastChecksum === checksum &&
      firstIndex + before.entries === segment.firstIndex;
    if (!joins) return false;
  }
  return false;
}

function isBeingMade(bytes: Uint8Array): boolean {
  if (bytes.length >= BEGINNING_SIZE) return false;
  const header = concat(new TextEncoder().encode("WAL!"), Uint8Array.of(0, 0, 0, 2));
  return bytes.subarray(0, FILE_HEADER_SIZE).every((byte, i) => byte === header[i]);
}

function readSegment(name: string, bytes: Uint8Array): Segment | undefined {
  const firstIndex = firstIndexOf(name) as number;
  const version = u32(bytes, 4);
  const frames = framesOf(bytes);
  const last = frames.at(-1);
  if (u32(bytes, 0) !== 0x57414c21 || (last?.end ?? FILE_HEADER_SIZE) !== bytes.length) {
    return undefined;
  }
  const offsets: number[] = [];
  const ofLast = last === undefined ? 0 : u32(bytes, last.offset + 5);
  if (version === 1) {
    if (firstIndex !== 1 || frames.some(({ type }) => type !== DATA)) return undefined;
    const previous = { firstIndex: 0, size: 0, checksum: 0 };
    const { length: entries } = frames;
    const size = bytes.length;
    return { firstIndex, entries, size, lastChecksum: ofLast, isSealed: false, previous };
  }
  const [first] = frames;
  if (version !== 2 || first?.type !== INTERNAL || first.payload[0] !== SEGMENT) return undefined;
  const own = first.payload;
  if (!sameBytes(own.subarray(1, 9), LOG_ID) || u64(own, 9) !== firstIndex) return undefined;
  let isSealed = false;
  let left = 0;
  let batchEnd = 0;
  for (const found of frames.slice(1)) {
    const { offset, end, type, payload } = found;
    if (isSealed) return undefined;
    if (type === DATA) {
      offsets.push(offset);
      if (left > 0 && --left === 0 && end !== batchEnd) return undefined;
    } else if (left > 0) {
      return undefined;
    } else if (payload[0] === BATCH && payload.length === 13) {
      left = u32(payload, 1);
      batchEnd = end + u64(payload, 5);
      if (left === 0) return undefined;
    } else if (payload[0] === SEAL) {
      if (!sameBytes(payload, sealPayload(offsets))) return undefined;
      isSealed = true;
    } else if (payload.length === 0 || (payload[0] as number) < FIRST_SKIPPABLE) {
      const vouched = durableOffset(found, firstIndex);
      if (vouched === undefined || vouched > offset) return undefined;
    }
  }
  if (left > 0) return undefined;
  const previous = { firstIndex: u64(own, 17), size: u64(own, 25), checksum: u32(own, 33) };
  const { length: entries } = offsets;
  return { firstIndex, entries, size: bytes.length, lastChecksum: ofLast, isSealed, previous };
}

/** What the meta file says; nothing if it is not there or was being made. */
export function headIndexOf(meta: Uint8Array | undefined): number | "damaged" | undefined {
  if (meta === undefined) return undefined;
  const slots = SLOTS.flatMap((at) => {
    if (meta.length < at + SLOT_STATE_AT + 4 || u32(meta, at) !== SLOT_MAGIC) return [];
    const end = at + SLOT_STATE_AT + u32(meta, at + 32);
    if (end + 4 > meta.length || u32(meta, end) !== crc32(meta.subarray(at, end))) return [];
    return [{ sequence: u64(meta, at + 16), headIndex: u64(meta, at + 24) }];
  });
  const [newest] = slots.sort((a, b) => b.sequence - a.sequence);
  if (newest !== undefined) return newest.headIndex;
  return meta.length <= SLOTS[1] ? undefined : "damaged";
}
