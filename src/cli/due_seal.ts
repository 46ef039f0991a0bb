/**
 * The Seal that a checked segment without one would have.
 *
 * @module
 */
import { CHECKSUM_AT, FRAME_HEADER_SIZE } from "../format/frame.ts";
import { writeUint32 } from "../format/integers.ts";
import { beginInternal } from "../format/kinds.ts";
import {
  SEAL_OFFSETS_AT,
  SEAL_TRAILER_SIZE,
  sealFrameSize,
  sealSize,
  writeSealCount,
  writeSealOffsets,
  writeSealTrailer,
} from "../format/seal_frame.ts";
import type { FrameReader } from "./frame_reader.ts";

/** The Seal that a segment without one would have after its whole entries. */
export interface DueSeal {
  /** Where it would begin. */
  readonly offset: number;
  /** The index after the last entry before it. */
  readonly index: number;
  /** The size that the file would have with it, in bytes. */
  readonly size: number;
  readonly checksum: number;
  /** Whether the file has its first bytes, which are written last. */
  readonly isBegun: boolean;
}

/**
 * Makes the Seal of a segment's entries; `undefined` if it has none.
 *
 * @param offsets Where each entry begins.
 * @param end Where the Seal would begin, and the index after the last entry before it.
 */
export function dueSealOf(
  reader: FrameReader,
  firstIndex: number,
  offsets: Uint32Array,
  { offset, index }: Pick<DueSeal, "offset" | "index">,
): DueSeal | undefined {
  const count = index - firstIndex;
  if (count === 0) return undefined;
  const frame = new Uint8Array(sealFrameSize(count));
  beginInternal(frame, 0, "seal", sealSize(count));
  writeSealCount(frame, FRAME_HEADER_SIZE, count);
  const places = { at: (position: number): number => offsets[position] as number };
  writeSealOffsets(frame, SEAL_OFFSETS_AT, places, 0, count);
  writeSealTrailer(frame, frame.length - SEAL_TRAILER_SIZE, frame.length);
  const checksum = reader.checksumOfFrame(frame);
  writeUint32(frame, CHECKSUM_AT, checksum);
  const begun = reader.bytes(offset, SEAL_OFFSETS_AT);
  const isBegun = begun.length === SEAL_OFFSETS_AT && begun.every((byte, i) => byte === frame[i]);
  return { offset, index, size: offset + frame.length, checksum, isBegun };
}
