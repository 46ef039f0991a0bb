/**
 * Writing to the standard output, no faster than it is read.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import process from "node:process";
import type { Writable } from "node:stream";
import { memberOf } from "../fs/file_system.ts";
import { toFileSystemError } from "../fs/system_call.ts";

/** How many bytes of lines are gathered before they are written. */
const BATCH_SIZE = 64 * 1024;

const NEWLINE: Uint8Array = Buffer.from("\n");

/**
 * Writes to a stream.
 *
 * @returns A promise that resolves once the stream can take more, and rejects if it failed.
 */
export function write(stream: Writable, data: Uint8Array | string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.once("error", reject);
    stream.write(data, (error) => {
      // After a failure the stream also emits it as an event, which must find its listener.
      if (error) return reject(error);
      stream.off("error", reject);
      resolve();
    });
  });
}

/**
 * Writes each line and its end to the standard output, many at a time. Ends quietly when nobody
 * reads any more, as with `| head`.
 *
 * @returns Whether somebody still reads.
 * @throws {FileSystemError} If the output fails, as on a full disk.
 */
export async function printLines(lines: Iterable<Uint8Array | string>): Promise<boolean> {
  let parts: Uint8Array[] = [];
  let size = 0;

  /** Writes what was gathered; false if nobody reads any more. */
  async function flush(): Promise<boolean> {
    const batch = Buffer.concat(parts);
    parts = [];
    size = 0;
    try {
      if (batch.length > 0) await write(process.stdout, batch);
      return true;
    } catch (error) {
      if (isBrokenPipe(error)) return false;
      throw toFileSystemError(error, "Write", "standard output");
    }
  }

  try {
    for (const line of lines) {
      const bytes = typeof line === "string" ? Buffer.from(line) : line;
      parts.push(bytes, NEWLINE);
      size += bytes.length + NEWLINE.length;
      if (size >= BATCH_SIZE && !await flush()) return false;
    }
  } catch (error) {
    // What came before a failure is whole.
    await flush();
    throw error;
  }
  return await flush();
}

function isBrokenPipe(error: unknown): boolean {
  return memberOf(error, "code") === "EPIPE";
}
