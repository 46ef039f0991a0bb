/**
 * Memory for large frames: what the runtime cannot give is an error of the system's like any other.
 *
 * @module
 */
import { FileSystemError } from "./file_system.ts";

/**
 * An array of zeros.
 *
 * @param path The file that it is for.
 * @throws {FileSystemError} `ENOMEM`.
 */
export function allocate(size: number, path: string): Uint8Array {
  try {
    return new Uint8Array(size);
  } catch (cause) {
    throw new FileSystemError("ENOMEM", `Take ${size} bytes for`, path, { cause });
  }
}
