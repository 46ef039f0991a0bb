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
  isFrameType,
  TYPE_DATA,
} from "../format/frame.ts";
import { readUint32 } from "../format/integers.ts";
import { type InternalFrame, MAX_INTERNAL_SIZE, readInternalPayload } from "../format/kinds.ts";
import type { FileHandle } from "../fs/file_system.ts";

/** How much is read at a time, in bytes. */
const READ_SIZE = 64 * 1024;

/** A frame, by its header. */
export interface Frame {
  /** Where it begins, in bytes. */
  readonly offset: number;
  /** Bytes of its payload. */
  readonly length: number;
  /** The checksum that it states. */
  readonly checksum: number;
  /** What it is: an entry, or a frame of the log's own. */
  readonly content: { readonly kind: "data"; readonly index: number } | InternalFrame;
}

/** The size of a frame in bytes. */
export function sizeOf(frame: Frame): number {
  return FRAME_HEADER_SIZE + frame.length;
}

/** What is walked of a file: the frames up to `end`. */
export interface Stretch {
  readonly firstIndex: number;
  readonly end: number;
}

/** Walks the frames of a file; ends early where no frame can begin. */
export function* framesOf(
  file: FileHandle,
  { firstIndex, end }: Stretch,
): Generator<Frame, void, undefined> {
  let buffer = new Uint8Array(READ_SIZE);
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

  let index = firstIndex;
  for (let offset = FILE_HEADER_SIZE; offset < end;) {
    const at = fetch(offset, FRAME_HEADER_SIZE);
    // A writer may have cut the file meanwhile.
    if (limit - offset < FRAME_HEADER_SIZE || !isFrameType(buffer[at])) return;
    const length = frameLengthAt(buffer, at);
    const checksum = readUint32(buffer, at + CHECKSUM_AT);
    if (buffer[at] === TYPE_DATA) {
      yield { offset, length, checksum, content: { kind: "data", index: index++ } };
    } else {
      const size = FRAME_HEADER_SIZE + length;
      // A Seal may be large.
      if (size > buffer.length && length <= MAX_INTERNAL_SIZE) {
        buffer = new Uint8Array(size);
        limit = base;
      }
      const start = fetch(offset, size) + FRAME_HEADER_SIZE;
      const payload = buffer.subarray(start, Math.min(start + length, limit - base));
      yield { offset, length, checksum, content: readInternalPayload(payload) };
    }
    offset += FRAME_HEADER_SIZE + length;
  }
}
