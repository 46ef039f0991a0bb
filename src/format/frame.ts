/**
 * The frame: every byte of a segment after the file header belongs to one.
 *
 * ```text
 *  0      1            5            9
 * +------+------------+------------+----------------+
 * | type | length     | checksum   | payload        |
 * | u8   | u32 be     | u32 be     | length bytes   |
 * +------+------------+------------+----------------+
 *   CRC-32 (IEEE) over bytes 0 to 4 and the payload
 * ```
 *
 * The checksum covers the length too, so that a frame with a damaged length is no frame. No type is
 * 0, so that a run of zeros, as a crash or a preallocation leaves it, is no frame either.
 *
 * @module
 */

import { readUint32, writeUint32 } from "./integers.ts";

/** Bytes before the payload. */
export const FRAME_HEADER_SIZE = 9;

/** An entry of the log. */
export const TYPE_DATA = 1;

/** A frame of the log's own; see kinds.ts. */
export const TYPE_INTERNAL = 2;

/** Where in a frame the length stands. */
const LENGTH_AT = 1;

/** Where in a frame the checksum stands. */
export const CHECKSUM_AT = 5;

/** The largest length that the field can hold. */
export const MAX_LENGTH = 0xffffffff;

/** Writes type and length; the checksum is the seal's to write. */
export function writeFrameHeader(
  buffer: Uint8Array,
  offset: number,
  type: number,
  length: number,
): void {
  buffer[offset] = type;
  writeUint32(buffer, offset + LENGTH_AT, length);
}

/** Whether a frame may begin with this byte. */
export function isFrameType(byte: number | undefined): boolean {
  return byte === TYPE_DATA || byte === TYPE_INTERNAL;
}

/** The length field of the frame at `offset`: to be believed only after it is checked. */
export function frameLengthAt(buffer: Uint8Array, offset: number): number {
  return readUint32(buffer, offset + LENGTH_AT);
}
