/**
 * The Batch frame: it makes one atom of the Data frames after it. Recovery keeps all of them or none.
 *
 * ```text
 * kind u8 | count u32 | bytes u64
 * ```
 *
 * @module
 */
import { FRAME_HEADER_SIZE } from "./frame.ts";
import { readUint32, readUint64, writeUint32, writeUint64 } from "./integers.ts";

/** A Batch frame's fields. */
export interface BatchFrame {
  readonly kind: "batch";
  /** How many Data frames after it are one atom. */
  readonly count: number;
  /** How long they are together, in bytes. */
  readonly bytes: number;
}

/** The size of the payload in bytes. */
export const BATCH_SIZE: number = 1 + 4 + 8;

/** The size of the whole frame in bytes. */
export const BATCH_FRAME_SIZE: number = FRAME_HEADER_SIZE + BATCH_SIZE;

/** Where in the payload the count stands. */
export const BATCH_COUNT_AT = 1;

/** Writes the fields into the payload at `at`. */
export function writeBatchFields(
  buffer: Uint8Array,
  at: number,
  count: number,
  bytes: number,
): void {
  writeUint32(buffer, at + BATCH_COUNT_AT, count);
  writeUint64(buffer, at + 5, bytes);
}

/** Reads a payload of the right kind and size. */
export function readBatchFields(payload: Uint8Array): BatchFrame {
  return {
    kind: "batch",
    count: readUint32(payload, BATCH_COUNT_AT),
    bytes: readUint64(payload, 5),
  };
}
