/**
 * The log's files as bytes, which the floors read without the library.
 *
 * @module
 */
import { closeSync, openSync, readdirSync, readSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** Bytes of the header of a segment. */
export const FILE_HEADER = 8;

/** Bytes of the header of a frame: type, length, checksum. */
export const FRAME_HEADER = 9;

/** Where in a frame the length stands. */
export const LENGTH_AT = 1;

/** The type of the frames that are entries. */
export const DATA = 1;

/** Bytes of an entry. */
export const ENTRY_SIZE = 128;

/** Bytes of an entry in its frame. */
export const FRAME_SIZE: number = FRAME_HEADER + ENTRY_SIZE;

/** An entry to append. */
export function someEntry(): Uint8Array {
  return Uint8Array.from({ length: ENTRY_SIZE }, (_, i) => i);
}

/** The segments of the log at `path`, in order. */
export function segmentsOf(path: string): string[] {
  const name = basename(path);
  return readdirSync(dirname(path))
    .filter((file) => file.startsWith(name) && /^(\.\d{20})?$/.test(file.slice(name.length)))
    .sort()
    .map((file) => join(dirname(path), file));
}

/** Files that are open until the end of the block that holds them with `using`. */
export interface OpenFiles extends Disposable {
  readonly descriptors: readonly number[];
}

/** Opens files to be read. */
export function openFiles(paths: readonly string[]): OpenFiles {
  const descriptors = paths.map((path) => openSync(path, "r"));
  return { descriptors, [Symbol.dispose]: () => descriptors.forEach((file) => closeSync(file)) };
}

/** Where the frame of each entry begins. */
export interface Places {
  /** Its file. */
  readonly files: number[];
  /** Its offset there. */
  readonly offsets: number[];
}

/** Finds the frames of all entries. */
export function locateEntries(files: readonly number[]): Places {
  const places: Places = { files: [], offsets: [] };
  const header = new Uint8Array(FRAME_HEADER);
  const fields = new DataView(header.buffer);
  for (const file of files) {
    let at = FILE_HEADER;
    while (readSync(file, header, 0, FRAME_HEADER, at) === FRAME_HEADER) {
      if (header[0] === DATA) {
        places.files.push(file);
        places.offsets.push(at);
      }
      at += FRAME_HEADER + fields.getUint32(LENGTH_AT);
    }
  }
  return places;
}

/** Reads all bytes in chunks of 1 MiB; returns how many there were. */
export function readSequentially(paths: readonly string[]): number {
  const chunk = new Uint8Array(1024 * 1024);
  using files = openFiles(paths);
  let bytes = 0;
  for (const file of files.descriptors) {
    let n: number;
    while ((n = readSync(file, chunk, 0, chunk.length, null)) > 0) bytes += n;
  }
  return bytes;
}
