/**
 * Memory for what is written to a segment.
 *
 * @module
 */
import { writeFailed } from "../errors.ts";
import { allocate } from "../fs/allocate.ts";

/**
 * An array of zeros for a write.
 *
 * @throws {WalError} `ERR_WAL_WRITE_FAILED` by `ENOMEM`: nothing was written.
 */
export function takeForWrite(size: number, path: string): Uint8Array {
  try {
    return allocate(size, path);
  } catch (cause) {
    throw writeFailed(`append ${size} bytes to "${path}"`, cause);
  }
}
