/**
 * The frames of a segment, one after the other, by their headers.
 *
 * @module
 */
import { FILE_HEADER_SIZE } from "../format/file_header.ts";
import {
  CHECKSUM_AT,
  FRAME_HEADER_SIZE,
  frameLengthAt,
  readUint32,
  TYPE_DATA,
} from "../format/frame.ts";
import { type InternalFrame, readInternalPayload } from "../format/internal.ts";
import type { File } from "../fs/file_system.ts";
import type { SegmentScan } from "../recovery.ts";

/** How much is read at a time, in bytes. */
const READ_SIZE = 64 * 1024;

/** A frame that a scan found whole. */
export interface Frame {
  /** Where it begins, in bytes. */
  readonly offset: number;
  /** Bytes of its payload. */
  readonly length: number;
  /** The checksum that it states, and that held. */
  readonly checksum: number;
  /** What it is: an entry, or a frame of the log's own. */
  readonly content: { readonly kind: "data"; readonly index: number } | InternalFrame;
}

/** The size of a frame in bytes. */
export function sizeOf(frame: Frame): number {
  return FRAME_HEADER_SIZE + frame.length;
}

/** Walks the frames of a file that was scanned, up to the scan's end. */
export function* framesOf(file: File, scan: SegmentScan): Generator<Frame, void, undefined> {
  const buffer = new Uint8Array(READ_SIZE);
  let base = 0;
  let limit = 0;

  /** Where in the buffer the bytes at `offset` are; as many of `size` as there are and fit. */
  function fetch(offset: number, size: number): number {
    if (offset < base || offset + size > limit) {
      base = offset;
      limit = offset + file.read(buffer, offset);
    }
    return offset - base;
  }

  let index = scan.firstIndex;
  for (let offset = FILE_HEADER_SIZE; offset < scan.end;) {
    const at = fetch(offset, FRAME_HEADER_SIZE);
    // A writer may have cut the file meanwhile.
    if (limit - offset < FRAME_HEADER_SIZE) return;
    const length = frameLengthAt(buffer, at);
    const checksum = readUint32(buffer, at + CHECKSUM_AT);
    if (buffer[at] === TYPE_DATA) {
      yield { offset, length, checksum, content: { kind: "data", index: index++ } };
    } else {
      const start = fetch(offset, FRAME_HEADER_SIZE + length) + FRAME_HEADER_SIZE;
      const payload = buffer.subarray(start, Math.min(start + length, limit - base));
      yield { offset, length, checksum, content: readInternalPayload(payload) };
    }
    offset += FRAME_HEADER_SIZE + length;
  }
}
