/**
 * The payloads of Internal frames: a kind byte, then big-endian fields. They have no index.
 *
 * - A Segment frame begins every segment of version 2 and says what file of what log it is, and
 *   vouches for the segment before it.
 * - A Batch frame makes one atom of the Data frames behind it: recovery keeps all or none.
 * - A Durable frame says that a finished fdatasync had covered its file up to an offset; it is what
 *   tells damage to acknowledged data from a write that never finished. It states its own offset
 *   and the log's random id, so that a copy of one inside an entry does not count.
 * - A Seal ends a full segment and holds the offset of each of its entries.
 *
 * @module
 */
import { FRAME_HEADER_SIZE, readUint32, TYPE_INTERNAL, writeUint32 } from "./frame.ts";

const KIND_SEGMENT = 1;
const KIND_BATCH = 2;
const KIND_DURABLE = 3;
const KIND_SEAL = 4;

/** "SEAL" in ASCII, the last four bytes of a sealed segment. */
const SEAL_MAGIC = 0x5345414c;

/** The most entries that a segment may have, so that its Seal stays within a few MiB. */
export const MAX_SEGMENT_ENTRIES: number = 1024 * 1024;

/** Bytes of a log's id. */
export const LOG_ID_SIZE = 8;

/** A Segment frame's fields. */
export interface SegmentFrame {
  readonly kind: "segment";
  /** The log's own random id. */
  readonly logId: Uint8Array;
  /** The index of the first entry that the segment can hold. */
  readonly firstIndex: number;
  /** The segment before this one, or zeros for a log's first. */
  readonly previous: PreviousSegment;
}

/** How a segment vouches for the one before it. */
export interface PreviousSegment {
  readonly firstIndex: number;
  /** Its size in bytes. */
  readonly size: number;
  /** The checksum of its last frame. */
  readonly checksum: number;
}

/** What a log's first segment says of the one before it. */
export const NO_SEGMENT: PreviousSegment = { firstIndex: 0, size: 0, checksum: 0 };

/** A Durable frame's fields; offsets are in bytes from the start of the file. */
export interface DurableFrame {
  readonly kind: "durable";
  readonly logId: Uint8Array;
  /** The segment's first index. */
  readonly segment: number;
  /** Where this frame stands. */
  readonly ownOffset: number;
  /** What a finished fdatasync had covered. */
  readonly durableOffset: number;
}

/** A Batch frame's fields. */
export interface BatchFrame {
  readonly kind: "batch";
  /** How many Data frames behind it are one atom. */
  readonly count: number;
  /** How long they are together, in bytes. */
  readonly bytes: number;
}

/** A Seal's fields. */
export interface SealFrame {
  readonly kind: "seal";
  /** How many entries the segment has. */
  readonly count: number;
}

/** The payload of an Internal frame, decoded. */
export type InternalFrame =
  | SegmentFrame
  | BatchFrame
  | DurableFrame
  | SealFrame
  /** A kind of a later version, or a known kind with a body of the wrong size. */
  | { readonly kind: "unknown"; readonly number: number };

const SEGMENT_SIZE = 1 + LOG_ID_SIZE + 8 + 8 + 8 + 4;
const BATCH_SIZE = 1 + 4 + 8;
const DURABLE_SIZE = 1 + LOG_ID_SIZE + 8 + 8 + 8;

/** Where in a Seal's frame the offsets begin. */
export const SEAL_OFFSETS_AT: number = FRAME_HEADER_SIZE + 1 + 4;

/** What follows a Seal's offsets: its own frame's length and the magic number. */
export const SEAL_TRAILER_SIZE = 8;

/** The size of a whole Batch frame in bytes. */
export const BATCH_FRAME_SIZE: number = FRAME_HEADER_SIZE + BATCH_SIZE;

/** The size of the Seal's whole frame of so many entries, in bytes. */
export function sealFrameSize(count: number): number {
  return SEAL_OFFSETS_AT + 4 * count + SEAL_TRAILER_SIZE;
}

/** The size of a whole Segment frame in bytes. */
export const SEGMENT_FRAME_SIZE: number = FRAME_HEADER_SIZE + SEGMENT_SIZE;

/** The size of a whole Durable frame in bytes. */
export const DURABLE_FRAME_SIZE: number = FRAME_HEADER_SIZE + DURABLE_SIZE;

/** The longest payload of an Internal frame, which may be above the limit of the entries. */
export const MAX_INTERNAL_SIZE: number = sealFrameSize(MAX_SEGMENT_ENTRIES) - FRAME_HEADER_SIZE;

/** The first bytes of every Durable frame, up to its length. */
export const DURABLE_FRAME_START: Uint8Array = new Uint8Array([
  TYPE_INTERNAL,
  0,
  0,
  0,
  DURABLE_SIZE,
]);

/** Writes the payload of a Segment frame. */
export function writeSegmentPayload(buffer: Uint8Array, at: number, frame: SegmentFrame): void {
  buffer[at] = KIND_SEGMENT;
  buffer.set(frame.logId, at + 1);
  writeUint64(buffer, at + 9, frame.firstIndex);
  writeUint64(buffer, at + 17, frame.previous.firstIndex);
  writeUint64(buffer, at + 25, frame.previous.size);
  writeUint32(buffer, at + 33, frame.previous.checksum);
}

/** Writes the payload of a Durable frame, field by field, since one goes in front of many writes. */
export function writeDurablePayload(
  buffer: Uint8Array,
  at: number,
  logId: Uint8Array,
  segment: number,
  ownOffset: number,
  durableOffset: number,
): void {
  buffer[at] = KIND_DURABLE;
  buffer.set(logId, at + 1);
  writeUint64(buffer, at + 9, segment);
  writeUint64(buffer, at + 17, ownOffset);
  writeUint64(buffer, at + 25, durableOffset);
}

/** Writes the payload of a Batch frame. */
export function writeBatchPayload(
  buffer: Uint8Array,
  at: number,
  count: number,
  bytes: number,
): void {
  buffer[at] = KIND_BATCH;
  writeUint32(buffer, at + 1, count);
  writeUint64(buffer, at + 5, bytes);
}

/** Writes the payload of a Seal for the first `count` of the entries at `offsets`. */
export function writeSealPayload(
  buffer: Uint8Array,
  at: number,
  offsets: { at(position: number): number },
  count: number,
): void {
  buffer[at] = KIND_SEAL;
  writeUint32(buffer, at + 1, count);
  for (let i = 0; i < count; i++) writeUint32(buffer, at + 5 + 4 * i, offsets.at(i));
  writeUint32(buffer, at + 5 + 4 * count, sealFrameSize(count));
  writeUint32(buffer, at + 9 + 4 * count, SEAL_MAGIC);
}

/** How long the Seal's frame is that a file with these last bytes ends with; undefined if none. */
export function readSealTrailer(trailer: Uint8Array): number | undefined {
  if (trailer.length !== SEAL_TRAILER_SIZE || readUint32(trailer, 4) !== SEAL_MAGIC) {
    return undefined;
  }
  const size = readUint32(trailer, 0);
  const count = (size - sealFrameSize(0)) / 4;
  return Number.isInteger(count) && count >= 0 && count <= MAX_SEGMENT_ENTRIES ? size : undefined;
}

/** Decodes the payload of an Internal frame whose checksum held. */
export function readInternalPayload(payload: Uint8Array): InternalFrame {
  const kind = payload[0];
  if (kind === KIND_SEGMENT && payload.length === SEGMENT_SIZE) {
    return {
      kind: "segment",
      logId: payload.slice(1, 1 + LOG_ID_SIZE),
      firstIndex: readUint64(payload, 9),
      previous: {
        firstIndex: readUint64(payload, 17),
        size: readUint64(payload, 25),
        checksum: readUint32(payload, 33),
      },
    };
  }
  if (kind === KIND_DURABLE && payload.length === DURABLE_SIZE) {
    return {
      kind: "durable",
      logId: payload.slice(1, 1 + LOG_ID_SIZE),
      segment: readUint64(payload, 9),
      ownOffset: readUint64(payload, 17),
      durableOffset: readUint64(payload, 25),
    };
  }
  if (kind === KIND_BATCH && payload.length === BATCH_SIZE) {
    return { kind: "batch", count: readUint32(payload, 1), bytes: readUint64(payload, 5) };
  }
  if (kind === KIND_SEAL && payload.length >= 5) {
    const count = readUint32(payload, 1);
    const trailer = payload.subarray(payload.length - SEAL_TRAILER_SIZE);
    const size = FRAME_HEADER_SIZE + payload.length;
    if (size === sealFrameSize(count) && readSealTrailer(trailer) === size) {
      return { kind: "seal", count };
    }
  }
  return { kind: "unknown", number: kind ?? -1 };
}

/** Whether two log ids are the same. */
export function sameLog(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Writes a number as a big-endian uint64. */
export function writeUint64(buffer: Uint8Array, at: number, value: number): void {
  writeUint32(buffer, at, Math.floor(value / 2 ** 32));
  writeUint32(buffer, at + 4, value >>> 0);
}

/** Reads a uint64 as a number; one beyond 2^53 loses its low bits, and is beyond any file. */
export function readUint64(buffer: Uint8Array, at: number): number {
  return readUint32(buffer, at) * 2 ** 32 + readUint32(buffer, at + 4);
}
