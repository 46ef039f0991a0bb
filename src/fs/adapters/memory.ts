/**
 * Files in memory, for tests and for logs that need not outlive their process.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Wal } from "@durable/wal";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 *
 * const fileSystem = new MemoryFileSystem();
 * const log = await Wal.open("a.wal", { fileSystem });
 * log.append(new Uint8Array([1, 2, 3]));
 * await log.close();
 *
 * const again = await Wal.open("a.wal", { fileSystem });
 * assertEquals(again.getEntry(1), new Uint8Array([1, 2, 3]));
 * await again.close();
 * ```
 *
 * @module
 */
import { LockedError } from "../../errors.ts";
import {
  type Directory,
  type FileHandle,
  type FileMapping,
  type FileSystem,
  FileSystemError,
  type FileSystemErrorCode,
  type Guard,
  MAP_ALIGNMENT,
  type MapAccess,
  type OpenMode,
  type WriterLock,
} from "../file_system.ts";

export type {
  Directory,
  FileHandle,
  FileMapping,
  FileSystem,
  Guard,
  MapAccess,
  OpenMode,
  WriterLock,
} from "../file_system.ts";

/** A file's bytes: the first `size` of `bytes`, which grows ahead of them. */
interface Content {
  bytes: Uint8Array;
  size: number;
  /** When its last change was synced; the clock is not asked at each write, which takes as long. */
  modified: number;
  /** Whether it was changed since. */
  isChanged: boolean;
  readonly identity: string;
}

/** A file system whose files are arrays; what is written is at once as durable as it gets. */
export class MemoryFileSystem implements FileSystem {
  readonly #files = new Map<string, Content>();
  /** The directories, and what each is known by. */
  readonly #directories = new Map<string, string>([["", "0"]]);
  #made = 0;
  readonly #locks = new Set<string>();

  /** Opens a file. */
  open(path: string, mode: OpenMode): FileHandle {
    const name = normalize(path);
    const fail = (code: FileSystemErrorCode): never => {
      throw new FileSystemError(code, "Open", path);
    };
    let content = this.#files.get(name);
    if (mode === "create") {
      if (content !== undefined || this.#directories.has(name)) fail("EEXIST");
      this.#requireDirectory(parentOf(name), "Open", path);
      const identity = this.#nextIdentity();
      content = { bytes: new Uint8Array(64), size: 0, modified: 0, isChanged: true, identity };
      this.#files.set(name, content);
    } else if (content === undefined) {
      if (this.#directories.has(name)) fail("EISDIR");
      this.#requireDirectory(parentOf(name), "Open", path);
      return fail("ENOENT");
    }
    return new MemoryFile(path, content, mode !== "read");
  }

  /** The names in a directory. */
  list(directory: string): string[] {
    const name = normalize(directory);
    this.#requireDirectory(name, "List", directory);
    return [...this.#files.keys(), ...this.#directories.keys()]
      .filter((path) => path !== "" && parentOf(path) === name)
      .map((path) => path.slice(path.lastIndexOf("/") + 1));
  }

  /** Which file or directory a name leads to. */
  identify(path: string): string | undefined {
    const name = normalize(path);
    return this.#files.get(name)?.identity ?? this.#directories.get(name);
  }

  /** When a file was last written or cut. */
  modified(path: string): number {
    const content = this.#files.get(normalize(path));
    if (content === undefined) throw new FileSystemError("ENOENT", "Stat", path);
    return timeOf(content);
  }

  /** The path without what leads nowhere else, such as `"../"`; there are no links. */
  realPath(path: string): string {
    return normalize(path) || ".";
  }

  /** Removes a file. */
  remove(path: string): void {
    const name = normalize(path);
    if (this.#files.delete(name)) return;
    const code = this.#directories.has(name) ? "EISDIR" : "ENOENT";
    throw new FileSystemError(code, "Remove", path);
  }

  /** Makes one directory. */
  makeDirectory(path: string): void {
    const name = normalize(path);
    if (this.#directories.has(name) || this.#files.has(name)) {
      throw new FileSystemError("EEXIST", "Make directory", path);
    }
    this.#requireDirectory(parentOf(name), "Make directory", path);
    this.#directories.set(name, this.#nextIdentity());
  }

  /** Opens a directory. */
  openDirectory(path: string): Directory {
    this.#requireDirectory(normalize(path), "Open", path);
    return { sync: () => Promise.resolve(), syncBlocking: () => {}, close: () => {} };
  }

  /** Finds the directory; there is nothing to wait for. */
  syncDirectory(path: string): Promise<void> {
    return settle(() => this.#requireDirectory(normalize(path), "Fsync", path));
  }

  /** Takes the lock, or throws `LockedError`. */
  lock(path: string): Promise<WriterLock> {
    return settle(() => ({ kind: "kernel", ...this.#hold(normalize(path), path) }));
  }

  /** Takes the lock on a file itself, or throws `LockedError`. */
  guard(path: string): Guard {
    const identity = this.#files.get(normalize(path))?.identity;
    if (identity === undefined) throw new FileSystemError("ENOENT", "Open", path);
    // No name of a file begins so.
    return this.#hold(`/${identity}`, path);
  }

  #hold(name: string, path: string): Omit<WriterLock, "kind"> {
    if (this.#locks.has(name)) {
      throw new LockedError(path, { pid: undefined, host: undefined, runtime: "memory" });
    }
    this.#locks.add(name);
    let held = true;
    return {
      isHeld: () => held,
      release: (): void => {
        if (held) this.#locks.delete(name);
        held = false;
      },
    };
  }

  #nextIdentity(): string {
    return String(++this.#made);
  }

  #requireDirectory(name: string, operation: string, path: string): void {
    if (this.#directories.has(name)) return;
    const code = this.#files.has(name) ? "ENOTDIR" : "ENOENT";
    throw new FileSystemError(code, operation, path);
  }
}

class MemoryFile implements FileHandle {
  readonly #path: string;
  readonly #content: Content;
  readonly #writable: boolean;
  readonly #mappings = new Set<MemoryMapping>();
  #open = true;

  constructor(path: string, content: Content, writable: boolean) {
    this.#path = path;
    this.#content = content;
    this.#writable = writable;
  }

  read(into: Uint8Array, offset: number, length: number = into.length): number {
    const { bytes, size } = this.#opened("Read");
    const end = Math.min(size, offset + length);
    if (end <= offset) return 0;
    into.set(bytes.subarray(offset, end));
    return end - offset;
  }

  write(data: Uint8Array, offset: number, length: number = data.length): void {
    const content = this.#opened("Write");
    if (!this.#writable) throw new FileSystemError("EBADF", "Write", this.#path);
    const end = offset + length;
    reserve(content, end);
    content.bytes.set(data.subarray(0, length), offset);
    content.size = Math.max(content.size, end);
    content.isChanged = true;
  }

  size(): number {
    return this.#opened("Stat").size;
  }

  identity(): string {
    return this.#opened("Stat").identity;
  }

  map(offset: number, size: number, access: MapAccess): FileMapping | string {
    const content = this.#opened("Map");
    if (access === "write" && !this.#writable) return "the file is only readable";
    if (offset % MAP_ALIGNMENT !== 0 || size <= 0 || offset + size > content.size) {
      return `the part of ${size} bytes at ${offset} is not in a file of ${content.size} bytes`;
    }
    return new MemoryMapping(content, offset, size, this.#mappings);
  }

  truncate(size: number): void {
    const content = this.#opened("Truncate");
    if (!this.#writable) throw new FileSystemError("EINVAL", "Truncate", this.#path);
    unmapBeyond(this.#mappings, size);
    reserve(content, size);
    if (size < content.size) content.bytes.fill(0, size, content.size);
    content.size = size;
    content.isChanged = true;
  }

  syncData(): Promise<void> {
    return settle(() => void timeOf(this.#opened("Fdatasync")));
  }

  sync(): Promise<void> {
    return settle(() => void timeOf(this.#opened("Fsync")));
  }

  syncDataBlocking(): void {
    timeOf(this.#opened("Fdatasync"));
  }

  syncBlocking(): void {
    timeOf(this.#opened("Fsync"));
  }

  close(): void {
    this.#open = false;
    timeOf(this.#content);
    unmapBeyond(this.#mappings, 0);
  }

  #opened(operation: string): Content {
    if (!this.#open) throw new FileSystemError("EBADF", operation, this.#path);
    return this.#content;
  }
}

/** A mapping of a file in memory. */
class MemoryMapping implements FileMapping {
  readonly #content: Content;
  readonly #offset: number;
  readonly #all: Set<MemoryMapping>;
  /** Where in the file it ends. */
  readonly end: number;

  constructor(content: Content, offset: number, size: number, all: Set<MemoryMapping>) {
    this.#content = content;
    this.#offset = offset;
    this.#all = all;
    this.end = offset + size;
    all.add(this);
  }

  get size(): number {
    return this.#all.has(this) ? this.end - this.#offset : 0;
  }

  read(into: Uint8Array, offset: number, length: number): number {
    const end = Math.min(offset + length, this.#offset + this.size);
    if (offset < this.#offset || end <= offset) return 0;
    into.set(this.#touched().subarray(offset, end));
    return end - offset;
  }

  store(data: Uint8Array, offset: number, length: number): boolean {
    if (offset < this.#offset || offset + length > this.#offset + this.size) return false;
    this.#touched().set(data.subarray(0, length), offset);
    return true;
  }

  unmap(): void {
    this.#all.delete(this);
  }

  #touched(): Uint8Array {
    const { bytes, size } = this.#content;
    // That of a disk would end the process here.
    if (this.end > size) throw new TypeError("The file of a mapping was cut");
    return bytes;
  }
}

function unmapBeyond(mappings: Set<MemoryMapping>, size: number): void {
  for (const mapping of mappings) if (mapping.end > size) mapping.unmap();
}

function reserve(content: Content, size: number): void {
  if (size <= content.bytes.length) return;
  const bytes = new Uint8Array(Math.max(size, content.bytes.length * 2));
  bytes.set(content.bytes.subarray(0, content.size));
  content.bytes = bytes;
}

/** When a file was last changed, or a later time. */
function timeOf(content: Content): number {
  if (content.isChanged) content.modified = Date.now();
  content.isChanged = false;
  return content.modified;
}

/** A promise of what a call returns or throws. */
function settle<T>(call: () => T): Promise<T> {
  return new Promise((resolve) => resolve(call()));
}

/** A path as its names joined by "/"; the root and the current directory are both "". */
function normalize(path: string): string {
  return path.split(/[/\\]/).filter((name) => name !== "" && name !== ".").join("/");
}

function parentOf(name: string): string {
  return name.includes("/") ? name.slice(0, name.lastIndexOf("/")) : "";
}
