/**
 * Writing to the standard output, no faster than it is read.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import process from "node:process";
import type { Writable } from "node:stream";
import { memberOf } from "../fs/file_system.ts";
import { toFileSystemError } from "../fs/posix/system_call.ts";

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
 * Writes each line and its end to the standard output, many at a time. Ends quietly when the output
 * has no reader any more, as with `| head`.
 *
 * @returns Whether somebody still reads.
 * @throws {FileSystemError} If the output fails, as on a full disk.
 */
export async function printLines(lines: Iterable<Uint8Array | string>): Promise<boolean> {
  const output = new LineWriter(toStandardOutput);
  try {
    for (const line of lines) if (!await output.add(line)) return false;
  } catch (error) {
    // What came before a failure is whole.
    await output.flush();
    throw error;
  }
  return await output.flush();
}

/** Gathers lines and writes many of them at a time. */
export class LineWriter {
  readonly #write: (batch: Uint8Array) => boolean | Promise<boolean>;
  #parts: Uint8Array[] = [];
  #size = 0;

  /** @param write Writes some lines; false if no more are wanted. */
  constructor(write: (batch: Uint8Array) => boolean | Promise<boolean>) {
    this.#write = write;
  }

  /** Takes a line, and its memory until it is written; false if no more are wanted. */
  async add(line: Uint8Array | string): Promise<boolean> {
    const bytes = typeof line === "string" ? Buffer.from(line) : line;
    this.#parts.push(bytes, NEWLINE);
    this.#size += bytes.length + NEWLINE.length;
    return this.#size < BATCH_SIZE || await this.flush();
  }

  /** Writes what was gathered; false if no more is wanted. */
  async flush(): Promise<boolean> {
    const batch = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#size = 0;
    return batch.length === 0 || await this.#write(batch);
  }
}

/** Writes lines to the standard output; false if it has no reader any more. */
export async function toStandardOutput(batch: Uint8Array): Promise<boolean> {
  try {
    await write(process.stdout, batch);
    return true;
  } catch (error) {
    if (isBrokenPipe(error)) return false;
    throw toFileSystemError(error, "Write", "standard output");
  }
}

function isBrokenPipe(error: unknown): boolean {
  return memberOf(error, "code") === "EPIPE";
}
