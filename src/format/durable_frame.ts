/**
 * The Durable frame: it says that a finished fdatasync had covered its file up to an offset. We say
 * that it covers, or vouches for, the bytes up to there. So damage to acknowledged data can be told
 * from a write that never finished.
 *
 * ```text
 * kind u8 | log id 8 | first index u64 | own offset u64 | durable offset u64
 * ```
 *
 * It states whose it is and where it stands, so that a copy of one inside an entry, or in another
 * file, does not count.
 *
 * @module
 */
import { FRAME_HEADER_SIZE, TYPE_INTERNAL } from "./frame.ts";
import { readUint64, writeUint64 } from "./integers.ts";
import { LOG_ID_SIZE, sameLog } from "./log_id.ts";

/** A Durable frame's fields; offsets are in bytes from the start of the file. */
export interface DurableFrame {
  readonly kind: "durable";
  readonly logId: Uint8Array;
  /** The segment's first index. */
  readonly segment: number;
  /** Where this frame stands. */
  readonly ownOffset: number;
  /** What a finished fdatasync had covered. */
  readonly durableOffset: number;
}

/** The size of the payload in bytes. */
export const DURABLE_SIZE: number = 1 + LOG_ID_SIZE + 8 + 8 + 8;

/** The size of the whole frame in bytes. */
export const DURABLE_FRAME_SIZE: number = FRAME_HEADER_SIZE + DURABLE_SIZE;

/** The first bytes of every Durable frame, up to its length. */
export const DURABLE_FRAME_START: Uint8Array = new Uint8Array([
  TYPE_INTERNAL,
  0,
  0,
  0,
  DURABLE_SIZE,
]);

/** Writes the fields one by one into the payload at `at`, since one goes in front of many writes. */
export function writeDurableFields(
  buffer: Uint8Array,
  at: number,
  logId: Uint8Array,
  segment: number,
  ownOffset: number,
  durableOffset: number,
): void {
  buffer.set(logId, at + 1);
  writeUint64(buffer, at + 9, segment);
  writeUint64(buffer, at + 17, ownOffset);
  writeUint64(buffer, at + 25, durableOffset);
}

/** Reads a payload of the right kind and size. */
export function readDurableFields(payload: Uint8Array): DurableFrame {
  return {
    kind: "durable",
    logId: payload.slice(1, 1 + LOG_ID_SIZE),
    segment: readUint64(payload, 9),
    ownOffset: readUint64(payload, 17),
    durableOffset: readUint64(payload, 25),
  };
}

/**
 * Whether a Durable frame counts where it was found: it is of that log and segment, stands where it says,
 * and vouches for nothing after itself.
 */
export function isInPlace(
  frame: DurableFrame,
  logId: Uint8Array,
  firstIndex: number,
  offset: number,
): boolean {
  return sameLog(frame.logId, logId) && frame.segment === firstIndex &&
    frame.ownOffset === offset && frame.durableOffset <= offset;
}
