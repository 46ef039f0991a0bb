/**
 * How many bytes an append takes, at the most: a Durable frame may come before the entries.
 *
 * @module
 */
import { BATCH_FRAME_SIZE } from "../format/batch_frame.ts";
import { DURABLE_FRAME_SIZE } from "../format/durable_frame.ts";
import { FRAME_HEADER_SIZE } from "../format/frame.ts";

/** The bytes that an append of an entry takes, at the most. */
export function sizeOfEntry(data: Uint8Array): number {
  return DURABLE_FRAME_SIZE + FRAME_HEADER_SIZE + data.length;
}

/** The same of a batch whose Data frames have so many bytes. */
export function sizeOfBatch(frames: number): number {
  return DURABLE_FRAME_SIZE + BATCH_FRAME_SIZE + frames;
}

/** The same of Data frames that are staged. */
export function sizeOfStaged(frames: Uint8Array): number {
  return DURABLE_FRAME_SIZE + frames.length;
}

/** The size of the Data frames of some entries. */
export function sizeOfFrames(entries: readonly Uint8Array[]): number {
  let size = 0;
  for (const data of entries) size += FRAME_HEADER_SIZE + data.length;
  return size;
}
