/**
 * The Segment frame: the first frame of every version 2 file. It says what file of what log this is,
 * and what the segment before it was.
 *
 * ```text
 * kind u8 | log id 8 | first index u64 | previous: first index u64, size u64, checksum u32
 * ```
 *
 * @module
 */
import { FRAME_HEADER_SIZE } from "./frame.ts";
import { readUint32, readUint64, writeUint32, writeUint64 } from "./integers.ts";
import { LOG_ID_SIZE } from "./log_id.ts";

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

/** What a segment states of the one before it. */
export interface PreviousSegment {
  readonly firstIndex: number;
  /** Its size in bytes. */
  readonly size: number;
  /** The checksum of its last frame. */
  readonly checksum: number;
}

/** What a log's first segment says of the one before it. */
export const NO_SEGMENT: PreviousSegment = { firstIndex: 0, size: 0, checksum: 0 };

/** The size of the payload in bytes. */
export const SEGMENT_SIZE: number = 1 + LOG_ID_SIZE + 8 + 8 + 8 + 4;

/** The size of the whole frame in bytes. */
export const SEGMENT_FRAME_SIZE: number = FRAME_HEADER_SIZE + SEGMENT_SIZE;

/** Writes the fields into the payload at `at`. */
export function writeSegmentFields(
  buffer: Uint8Array,
  at: number,
  { logId, firstIndex, previous }: Omit<SegmentFrame, "kind">,
): void {
  buffer.set(logId, at + 1);
  writeUint64(buffer, at + 9, firstIndex);
  writeUint64(buffer, at + 17, previous.firstIndex);
  writeUint64(buffer, at + 25, previous.size);
  writeUint32(buffer, at + 33, previous.checksum);
}

/** Reads a payload of the right kind and size. */
export function readSegmentFields(payload: Uint8Array): SegmentFrame {
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
