/**
 * What is looked for among bytes that are in no order: zeros only, a whole frame anywhere, or a
 * Durable frame that covers what is before it.
 *
 * @module
 */
import { DURABLE_FRAME_SIZE, DURABLE_FRAME_START, isInPlace } from "../format/durable_frame.ts";
import { FRAME_HEADER_SIZE, frameLengthAt, isFrameType, TYPE_INTERNAL } from "../format/frame.ts";
import { readInternalPayload } from "../format/kinds.ts";
import { pieces, windows } from "../fs/stretch.ts";
import { limitOf, type SegmentSource } from "./source.ts";

/** How many bytes the search for any valid frame may checksum, so that its time is bounded. */
const SEARCH_BUDGET = 256 * 1024 * 1024;

/** Whose Durable frames count, and after which offset they are looked for. */
export interface SearchedFile {
  /** Version 1 has none, and no Durable frames. */
  readonly logId: Uint8Array | undefined;
  readonly firstIndex: number;
  readonly end: number;
  /** The file's size in bytes. */
  readonly size: number;
}

/** Whether all bytes from `from` up to `to` are zero. */
export function isZero(source: SegmentSource, from: number, to: number): boolean {
  for (const bytes of pieces(source.file, from, to)) {
    if (!bytes.every((byte) => byte === 0)) return false;
  }
  return true;
}

/**
 * The highest offset up to which a Durable frame after the end covers the file. It takes time
 * linear in the bytes: such a frame has one length, so only few places need a checksum, and each a
 * short one.
 */
export function findVouchedOffset(source: SegmentSource, searched: SearchedFile): number {
  const { logId, firstIndex, end, size } = searched;
  if (logId === undefined) return 0;
  const limit = limitOf(source);
  let vouched = 0;
  for (
    const { bytes, base, usable } of windows(source.file, end + 1, size, DURABLE_FRAME_SIZE - 1)
  ) {
    for (
      let at = bytes.indexOf(TYPE_INTERNAL);
      at >= 0 && at < usable;
      at = bytes.indexOf(TYPE_INTERNAL, at + 1)
    ) {
      if (!startsDurableFrame(bytes, at)) continue;
      if (!source.checksum.check(bytes, at, bytes.length, limit)) continue;
      const payload = bytes.subarray(at + FRAME_HEADER_SIZE, at + DURABLE_FRAME_SIZE);
      const frame = readInternalPayload(payload);
      if (frame.kind !== "durable" || !isInPlace(frame, logId, firstIndex, base + at)) continue;
      vouched = Math.max(vouched, frame.durableOffset);
    }
  }
  return vouched;
}

function startsDurableFrame(bytes: Uint8Array, at: number): boolean {
  return DURABLE_FRAME_START.every((byte, i) => bytes[at + i] === byte);
}

/**
 * Whether a whole valid frame begins at `from` or later. When hostile bytes use the budget up, the
 * answer is yes: it is the one that keeps the bytes.
 */
export function hasFrame(source: SegmentSource, from: number, size: number): boolean {
  const { file, checksum } = source;
  const limit = limitOf(source);
  let budget = SEARCH_BUDGET;
  for (const { bytes, base, usable } of windows(file, from, size, FRAME_HEADER_SIZE - 1)) {
    for (let at = 0; at < usable; at++) {
      if (!isFrameType(bytes[at]) || bytes.length - at < FRAME_HEADER_SIZE) continue;
      const length = frameLengthAt(bytes, at);
      const end = at + FRAME_HEADER_SIZE + length;
      if (length > limit || base + end > size) continue;
      budget -= FRAME_HEADER_SIZE + length;
      if (budget < 0) return true;
      if (end <= bytes.length) {
        if (checksum.check(bytes, at, end, limit)) return true;
      } else {
        const header = bytes.subarray(at, at + FRAME_HEADER_SIZE);
        const payload = pieces(file, base + at + FRAME_HEADER_SIZE, base + end);
        if (checksum.checkPieces(header, payload)) return true;
      }
    }
  }
  return false;
}
