/**
 * The Seal: the last frame of a full segment, with the offset of each of its entries. It is found from
 * the file's last bytes.
 *
 * ```text
 * kind u8 | count u32 | offsets u32 each | length of the whole frame u32 | magic u32
 * ```
 *
 * @module
 */
import { FRAME_HEADER_SIZE } from "./frame.ts";
import { readUint32, writeUint32 } from "./integers.ts";

/** A Seal's fields. */
export interface SealFrame {
  readonly kind: "seal";
  /** How many entries the segment has. */
  readonly count: number;
}

/** "SEAL" in ASCII, the last four bytes of a sealed segment. */
const SEAL_MAGIC = 0x5345414c;

/** The most entries that a segment may have, so that its Seal stays within a few MiB. */
export const MAX_SEGMENT_ENTRIES: number = 1024 * 1024;

/** Where in the payload the offsets begin. */
const OFFSETS_AT = 1 + 4;

/** Where in the whole frame the offsets begin. */
export const SEAL_OFFSETS_AT: number = FRAME_HEADER_SIZE + OFFSETS_AT;

/** What follows a Seal's offsets: its own frame's length and the magic number. */
export const SEAL_TRAILER_SIZE = 8;

/** The size of the payload for so many entries, in bytes. */
export function sealSize(count: number): number {
  return OFFSETS_AT + 4 * count + SEAL_TRAILER_SIZE;
}

/** The size of the whole frame for so many entries, in bytes. */
export function sealFrameSize(count: number): number {
  return FRAME_HEADER_SIZE + sealSize(count);
}

/** The size that a payload of at least five bytes has by its own count. */
export function statedSealSize(payload: Uint8Array): number {
  return sealSize(readUint32(payload, 1));
}

/** Writes the count into the payload at `at`. */
export function writeSealCount(buffer: Uint8Array, at: number, count: number): void {
  writeUint32(buffer, at + 1, count);
}

/** Writes where each entry from position `from` to `to` begins. */
export function writeSealOffsets(
  buffer: Uint8Array,
  at: number,
  offsets: { at(position: number): number },
  from: number,
  to: number,
): void {
  for (let i = from; i < to; i++) writeUint32(buffer, at + 4 * (i - from), offsets.at(i));
}

/** Writes what follows the offsets. */
export function writeSealTrailer(buffer: Uint8Array, at: number, frameSize: number): void {
  writeUint32(buffer, at, frameSize);
  writeUint32(buffer, at + 4, SEAL_MAGIC);
}

/** Reads a payload of the right kind and size; `undefined` if it does not end as a Seal does. */
export function readSealFields(payload: Uint8Array): SealFrame | undefined {
  const size = readSealTrailer(payload.subarray(payload.length - SEAL_TRAILER_SIZE));
  if (size !== FRAME_HEADER_SIZE + payload.length) return undefined;
  return { kind: "seal", count: readUint32(payload, 1) };
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
