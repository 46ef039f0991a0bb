/**
 * Reads the file of a segment that grows: its beginning from memory, and what was appended since from
 * the file.
 *
 * The beginning is mapped again when the file has grown by a quarter. So a log that is read while it
 * is written maps a file few times, and most reads take no system call.
 *
 * @module
 */
import type { FileHandle, FileMapping } from "../fs/file_system.ts";
import { mapFile } from "../fs/mapped_file.ts";

/** A file that is smaller is not mapped, in bytes. */
const MIN_SIZE = 64 * 1024;

/** Reads a file that its owner appends to, and cuts through the same handle only. */
export class MappedBeginning {
  readonly #file: FileHandle;
  /** A cut of the file through its handle gives it back, and so does closing it. */
  #mapping: FileMapping | undefined;
  /** At which size the file is mapped again. */
  #next = MIN_SIZE;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Reads as {@linkcode FileHandle.read} does. */
  read(into: Uint8Array, offset: number, length: number = into.length): number {
    const end = offset + length;
    if (end >= this.#next) this.#map();
    if (this.#mapping?.read(into, offset, length) === length) return length;
    // It was cut since.
    if (this.#mapping?.size === 0) this.#next = MIN_SIZE;
    return this.#file.read(into, offset, length);
  }

  #map(): void {
    this.#mapping?.unmap();
    const size = this.#file.size();
    const mapping = mapFile(this.#file, 0, size, "read");
    this.#mapping = typeof mapping === "string" ? undefined : mapping;
    this.#next = typeof mapping === "string" ? Infinity : Math.ceil(1.25 * size);
  }
}
