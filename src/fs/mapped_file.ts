/**
 * A file that is read from memory: it owns the mapping, and gives it back when it is closed.
 *
 * @module
 */
import {
  type FileHandle,
  type FileMapping,
  FileSystemError,
  type MapAccess,
} from "./file_system.ts";

/** Why a handle has no mappings. */
const NO_MAPPINGS = "this file system maps no files";

/** Maps a part of a file, or says why not. */
export function mapFile(
  file: FileHandle,
  offset: number,
  size: number,
  access: MapAccess,
): FileMapping | string {
  return file.map?.(offset, size, access) ?? NO_MAPPINGS;
}

/** An open file whose bytes are in memory; it is read, and nothing else is done to it. */
export class MappedFile implements FileHandle {
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #mapping: FileMapping;
  #isOpen = true;

  /** Takes over a file, and the mapping of all of it. */
  constructor(file: FileHandle, path: string, mapping: FileMapping) {
    this.#file = file;
    this.#path = path;
    this.#mapping = mapping;
  }

  read(into: Uint8Array, offset: number, length: number = into.length): number {
    if (!this.#isOpen) throw new FileSystemError("EBADF", "Read", this.#path);
    return this.#mapping.read(into, offset, length);
  }

  write(): void {
    throw this.#refused("Write");
  }

  size(): number {
    return this.#file.size();
  }

  identity(): string {
    return this.#file.identity();
  }

  truncate(): void {
    throw this.#refused("Truncate");
  }

  syncData(): Promise<void> {
    return this.#file.syncData();
  }

  sync(): Promise<void> {
    return this.#file.sync();
  }

  syncDataBlocking(): void {
    this.#file.syncDataBlocking();
  }

  syncBlocking(): void {
    this.#file.syncBlocking();
  }

  close(): void {
    this.#isOpen = false;
    this.#mapping.unmap();
    this.#file.close();
  }

  #refused(operation: string): FileSystemError {
    return new FileSystemError("EBADF", operation, this.#path);
  }
}

/**
 * An open file to read: mapped, if that is possible.
 *
 * @param size Its size, as the log knows it. A file that is shorter is not mapped.
 * @throws {FileSystemError} If it cannot be looked at; then it is closed.
 */
export function mapWhole(file: FileHandle, path: string, size: number): FileHandle {
  try {
    const mapping = mapFile(file, 0, size, "read");
    return typeof mapping === "string" ? file : new MappedFile(file, path, mapping);
  } catch (error) {
    file.close();
    throw error;
  }
}
