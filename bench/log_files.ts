/**
 * The log's files, for programs that look at them without the library.
 *
 * @module
 */
import { readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** Bytes of the header of a frame: type, length, checksum. */
export const FRAME_HEADER = 9;

/** The segments of the log at `path`, in order. */
export function segmentsOf(path: string): string[] {
  const name = basename(path);
  return readdirSync(dirname(path))
    .filter((file) => file.startsWith(name) && /^(\.\d{20})?$/.test(file.slice(name.length)))
    .sort()
    .map((file) => join(dirname(path), file));
}
