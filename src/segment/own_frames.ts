/**
 * The log's own frames that stand between entries, put into a buffer. Their checksums are still to
 * come, with those of the entries.
 *
 * @module
 */
import { BATCH_SIZE, writeBatchFields } from "../format/batch_frame.ts";
import { DURABLE_SIZE, writeDurableFields } from "../format/durable_frame.ts";
import { FRAME_HEADER_SIZE } from "../format/frame.ts";
import { beginInternal } from "../format/kinds.ts";

/** Puts a Batch frame at an offset of the buffer. */
export function putBatchFrame(buffer: Uint8Array, at: number, count: number, bytes: number): void {
  beginInternal(buffer, at, "batch", BATCH_SIZE);
  writeBatchFields(buffer, at + FRAME_HEADER_SIZE, count, bytes);
}

/**
 * Puts a Durable frame at the start of the buffer.
 *
 * @param end Where in the file it is to be.
 * @param durableEnd Up to where it covers the file.
 */
export function putDurableFrame(
  buffer: Uint8Array,
  { logId, firstIndex }: { readonly logId: Uint8Array | undefined; readonly firstIndex: number },
  end: number,
  durableEnd: number,
): void {
  if (logId === undefined) throw new TypeError("A version 2 segment has a log id");
  beginInternal(buffer, 0, "durable", DURABLE_SIZE);
  writeDurableFields(buffer, FRAME_HEADER_SIZE, logId, firstIndex, end, durableEnd);
}
