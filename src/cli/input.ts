/**
 * The input of a command: a file, or the standard input.
 *
 * @module
 */
import { once } from "node:events";
import { createReadStream, ReadStream } from "node:fs";
import process from "node:process";
import type { Readable } from "node:stream";
import { WalError } from "../errors.ts";
import { toFileSystemError } from "../fs/posix/system_call.ts";

/** How much of a file is read at a time, in bytes. */
const READ_SIZE = 256 * 1024;

/** The chunks of the input, and its own failures told apart from those of the log. */
export async function* chunksOf(input: Readable): AsyncGenerator<Uint8Array> {
  try {
    yield* input;
  } catch (error) {
    throw error instanceof WalError ? error : toFileSystemError(error, "Read", nameOf(input));
  }
}

/**
 * The file to read, or the standard input. A file that cannot be opened is reported before that.
 */
export async function openInput(path: string | undefined): Promise<Readable> {
  if (path === undefined) return process.stdin;
  const stream = createReadStream(path, { highWaterMark: READ_SIZE });
  try {
    await once(stream, "open");
  } catch (error) {
    throw toFileSystemError(error, "Open", path);
  }
  return stream;
}

function nameOf(input: Readable): string {
  return input instanceof ReadStream ? String(input.path) : "standard input";
}
