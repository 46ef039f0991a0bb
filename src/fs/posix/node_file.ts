/**
 * Files by way of `node:fs`, which Bun and Node share; only their locks differ.
 *
 * @module
 */
import type { BigIntStats } from "node:fs";
import { builtin } from "../builtins.ts";
import {
  type Directory,
  type FileHandle,
  type FileMapping,
  FileSystemError,
  type MapAccess,
  type OpenMode,
} from "../file_system.ts";
import { Mappings, type MemoryMapper } from "./memory_map.ts";
import { realPathBy, whatIsThere } from "./real_path.ts";
import {
  attempt,
  attemptAsync,
  isInterrupted,
  requireProgress,
  toFileSystemError,
  tolerateUnsupported,
} from "./system_call.ts";

const fs = builtin<typeof import("node:fs")>("node:fs");

const FLAGS: Readonly<Record<OpenMode, string>> = { read: "r", write: "r+", create: "wx+" };

/**
 * How many bytes one call reads or writes at the most. Node's own calls take less than 2^31 bytes, and
 * so do the system's.
 */
const MAX_CALL = 1024 * 1024 * 1024;

/** An open file of `node:fs`. */
export class NodeFile implements FileHandle {
  readonly #path: string;
  readonly #maxCall: number;
  readonly #mapper: MemoryMapper | undefined;
  #descriptor: number;
  /** None before the first mapping. */
  #mappings: Mappings | undefined;

  constructor(
    path: string,
    descriptor: number,
    maxCall: number = MAX_CALL,
    mapper?: MemoryMapper,
  ) {
    this.#path = path;
    this.#descriptor = descriptor;
    this.#maxCall = maxCall;
    this.#mapper = mapper;
  }

  get descriptor(): number {
    return this.#descriptor;
  }

  read(into: Uint8Array, offset: number, length: number = into.length): number {
    let done = 0;
    while (done < length) {
      try {
        const size = Math.min(length - done, this.#maxCall);
        const n = fs.readSync(this.#descriptor, into, done, size, offset + done);
        if (n === 0) break;
        done += n;
      } catch (error) {
        if (!isInterrupted(error)) throw toFileSystemError(error, "Read", this.#path);
      }
    }
    return done;
  }

  write(data: Uint8Array, offset: number, length: number = data.length): void {
    let done = 0;
    while (done < length) {
      try {
        const size = Math.min(length - done, this.#maxCall);
        const n = fs.writeSync(this.#descriptor, data, done, size, offset + done);
        done += requireProgress(n, this.#path);
      } catch (error) {
        if (!isInterrupted(error)) throw toFileSystemError(error, "Write", this.#path);
      }
    }
  }

  size(): number {
    return attempt("Stat", this.#path, () => fs.fstatSync(this.#descriptor)).size;
  }

  identity(): string {
    return identityOf(
      attempt("Stat", this.#path, () => fs.fstatSync(this.#descriptor, { bigint: true })),
    );
  }

  map(offset: number, size: number, access: MapAccess): FileMapping | string {
    if (this.#mapper === undefined) return "the file is not one of a log";
    this.#mappings ??= new Mappings(this.#mapper);
    return this.#mappings.map(this.#descriptor, this.size(), offset, size, access);
  }

  truncate(size: number): void {
    this.#mappings?.cutTo(size);
    attempt("Truncate", this.#path, () => fs.ftruncateSync(this.#descriptor, size));
  }

  syncData(): Promise<void> {
    return finish("Fdatasync", this.#path, (done) => fs.fdatasync(this.#descriptor, done));
  }

  sync(): Promise<void> {
    return finish("Fsync", this.#path, (done) => fs.fsync(this.#descriptor, done));
  }

  syncDataBlocking(): void {
    attempt("Fdatasync", this.#path, () => fs.fdatasyncSync(this.#descriptor));
  }

  syncBlocking(): void {
    attempt("Fsync", this.#path, () => fs.fsyncSync(this.#descriptor));
  }

  close(): void {
    if (this.#descriptor < 0) return;
    this.#mappings?.cutTo(0);
    giveBack(this.#descriptor);
    this.#descriptor = -1;
  }
}

/** An open directory of `node:fs`. */
class NodeDirectory implements Directory {
  readonly #path: string;
  /** -1 once it is closed, and on Windows, which journals names and has no such call. */
  #descriptor: number;

  constructor(path: string) {
    this.#path = path;
    this.#descriptor = process.platform === "win32"
      ? -1
      : attempt("Open", path, () => fs.openSync(path, fs.constants.O_DIRECTORY));
  }

  async sync(): Promise<void> {
    if (this.#descriptor < 0) return;
    try {
      await finish("Fsync", this.#path, (done) => fs.fsync(this.#descriptor, done));
    } catch (error) {
      tolerateUnsupported(error);
    }
  }

  syncBlocking(): void {
    if (this.#descriptor < 0) return;
    try {
      attempt("Fsync", this.#path, () => fs.fsyncSync(this.#descriptor));
    } catch (error) {
      tolerateUnsupported(error);
    }
  }

  close(): void {
    if (this.#descriptor < 0) return;
    giveBack(this.#descriptor);
    this.#descriptor = -1;
  }
}

/** The parts of a file system that Bun and Node share. */
export const nodeFiles: {
  open(path: string, mode: OpenMode, permissions?: number, mapper?: MemoryMapper): NodeFile;
  list(directory: string): string[];
  identify(path: string): string | undefined;
  modified(path: string): number;
  realPath(path: string): string;
  remove(path: string): void;
  makeDirectory(path: string, permissions: number): void;
  openDirectory(path: string): Directory;
  syncDirectory(path: string): Promise<void>;
  watch(directory: string, onChange: (name?: string) => void): (() => void) | undefined;
  openLockFile(path: string, permissions: number): NodeFile;
} = {
  open(path, mode, permissions = 0o666, mapper) {
    return attempt("Open", path, () => {
      if (mode !== "create") requireRegularFile(path);
      return new NodeFile(path, fs.openSync(path, FLAGS[mode], permissions), MAX_CALL, mapper);
    });
  },

  list(directory) {
    return attempt("List", directory, () => fs.readdirSync(directory));
  },

  identify(path) {
    const found = whatIsThere(() =>
      attempt("Stat", path, () => fs.statSync(path, { bigint: true }))
    );
    return found === undefined ? undefined : identityOf(found);
  },

  modified(path) {
    return attempt("Stat", path, () => fs.statSync(path).mtimeMs);
  },

  realPath(path) {
    return realPathBy(
      {
        list: nodeFiles.list,
        identify: nodeFiles.identify,
        resolve: (path) => attempt("Find", path, () => fs.realpathSync.native(path)),
        readLink: (path) => attempt("Read link", path, () => fs.readlinkSync(path)),
      },
      path,
    );
  },

  remove(path) {
    attempt("Remove", path, () => fs.unlinkSync(path));
  },

  makeDirectory(path, permissions) {
    attempt("Make directory", path, () => fs.mkdirSync(path, permissions));
  },

  openDirectory(path) {
    return new NodeDirectory(path);
  },

  async syncDirectory(path) {
    const directory = new NodeDirectory(path);
    try {
      await directory.sync();
    } finally {
      directory.close();
    }
  },

  watch(directory, onChange) {
    try {
      const tell = (_: string, name: string | null): void => onChange(name ?? undefined);
      const watcher = fs.watch(directory, { persistent: false }, tell);
      // A watch that breaks leaves the follower to look now and then.
      watcher.on("error", () => watcher.close());
      return () => watcher.close();
    } catch {
      return undefined; // No more watches, or a file system without them.
    }
  },

  openLockFile(path, permissions) {
    const flags = fs.constants.O_RDWR | fs.constants.O_CREAT;
    return attempt("Open", path, () => {
      requireRegularFile(path, { throwIfNoEntry: false });
      return new NodeFile(path, fs.openSync(path, flags, permissions));
    });
  },
};

/** Which file this is: its device, and its number there; a directory may get that of a file. */
function identityOf(found: BigIntStats): string {
  return `${found.dev}:${found.ino}${found.isDirectory() ? "/" : ""}`;
}

/** Closes a descriptor, which is free then, whatever the call returns (close(2)). */
function giveBack(descriptor: number): void {
  try {
    fs.closeSync(descriptor);
  } catch {
    // Nothing that a sync has promised depends on it.
  }
}

/** Opening a pipe or a device could block or have effects, so only files are opened. */
function requireRegularFile(path: string, options?: { throwIfNoEntry: false }): void {
  const found = fs.statSync(path, options);
  if (found === undefined || found.isFile()) return;
  throw new FileSystemError(found.isDirectory() ? "EISDIR" : "EINVAL", "Open", path);
}

function finish(
  operation: string,
  path: string,
  call: (done: (error: Error | null) => void) => void,
): Promise<void> {
  return attemptAsync(operation, path, () =>
    new Promise((resolve, reject) => {
      call((error) => error ? reject(error) : resolve());
    }));
}
