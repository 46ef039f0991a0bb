/**
 * The Pending frame: right after the Segment frame of a file, it says that the segment before was not
 * known to be durable when the file was begun. So the two may have to be judged together.
 *
 * ```text
 * kind u8
 * ```
 *
 * Anywhere else it means nothing. A reader that does not know it skips it, and expects the segment
 * before to be durable: it refuses where this library sets aside.
 *
 * @module
 */
import { FILE_HEADER_SIZE } from "./file_header.ts";
import { FRAME_HEADER_SIZE } from "./frame.ts";
import { SEGMENT_FRAME_SIZE } from "./segment_frame.ts";

/** A Pending frame, which has no fields. */
export interface PendingFrame {
  readonly kind: "pending";
}

/** The size of the payload in bytes. */
export const PENDING_SIZE = 1;

/** The size of the whole frame in bytes. */
export const PENDING_FRAME_SIZE: number = FRAME_HEADER_SIZE + PENDING_SIZE;

/** Where it stands in a file. */
export const PENDING_AT: number = FILE_HEADER_SIZE + SEGMENT_FRAME_SIZE;

/** Where a beginning ends that has one. */
export const PENDING_END: number = PENDING_AT + PENDING_FRAME_SIZE;

/** Reads a payload of the right kind and size. */
export function readPendingFields(): PendingFrame {
  return { kind: "pending" };
}
