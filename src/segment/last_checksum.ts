/**
 * What a full segment of version 1 ends with: its last entry, since it has no Seal.
 *
 * @module
 */
import { writeFailed } from "../errors.ts";
import { CHECKSUM_AT, FRAME_HEADER_SIZE } from "../format/frame.ts";
import { readUint32 } from "../format/integers.ts";
import type { FileHandle } from "../fs/file_system.ts";
import type { OffsetIndex } from "./offset_index.ts";

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
