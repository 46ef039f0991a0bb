/**
 * What a full segment ends with: its Seal or, in version 1, its last entry.
 *
 * @module
 */
import { writeFailed } from "../errors.ts";
import type { FrameChecksum } from "../format/checksum.ts";
import { CHECKSUM_AT, FRAME_HEADER_SIZE } from "../format/frame.ts";
import { readUint32 } from "../format/integers.ts";
import { beginInternal } from "../format/kinds.ts";
import { sealFrameSize, sealSize, writeSealFields } from "../format/seal_frame.ts";
import type { FileHandle } from "../fs/file_system.ts";
import type { OffsetIndex } from "./offset_index.ts";

/** Puts the Seal of the first `count` entries at the start of a buffer; its checksum. */
export function putSeal(
  buffer: Uint8Array,
  offsets: OffsetIndex,
  count: number,
  checksum: FrameChecksum,
): number {
  beginInternal(buffer, 0, "seal", sealSize(count));
  writeSealFields(buffer, FRAME_HEADER_SIZE, offsets, count);
  checksum.seal(buffer, 0, sealFrameSize(count));
  return readUint32(buffer, CHECKSUM_AT);
}

/**
 * The checksum of the last entry's frame; 0 if there is none.
 *
 * @throws {WalError} `ERR_WAL_WRITE_FAILED` if it cannot be read.
 */
export function lastChecksum(file: FileHandle, path: string, offsets: OffsetIndex): number {
  if (offsets.count === 0) return 0;
  const header = new Uint8Array(FRAME_HEADER_SIZE);
  try {
    file.read(header, offsets.at(offsets.count - 1));
  } catch (cause) {
    throw writeFailed(`end the segment "${path}"`, cause);
  }
  return readUint32(header, CHECKSUM_AT);
}
