/**
 * Files on Deno.
 *
 * @example
 * ```ts ignore
 * import { Wal } from "@durable/wal";
 * import { DenoFileSystem } from "@durable/wal/deno";
 *
 * const log = await Wal.open("data/server.wal", { fileSystem: new DenoFileSystem() });
 * await log.close();
 * ```
 *
 * @module
 */
import { builtin } from "../builtins.ts";
import {
  type Directory,
  type FileHandle,
  type FileMapping,
  type FileSystem,
  FileSystemError,
  type Guard,
  type MapAccess,
  type OpenMode,
  type WriterLock,
} from "../file_system.ts";
import { DenoMemory } from "./deno_memory.ts";
import { guardOn, type LockOutcome, outcomeOf } from "../posix/flock.ts";
import { type LockAttempt, takeLock } from "../posix/lock_file.ts";
import {
  isAlive,
  isOnLocalDisk,
  type LockOwner,
  readPlace,
  readRecord,
  startInTicks,
} from "../posix/lock_record.ts";
import type { Mappings } from "../posix/memory_map.ts";
import { nameOf } from "../path.ts";
import { realPathBy, whatIsThere } from "../posix/real_path.ts";
import {
  attempt,
  attemptAsync,
  isInterrupted,
  requireProgress,
  toFileSystemError,
  tolerateUnsupported,
} from "../posix/system_call.ts";

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

const { resolve } = builtin<typeof import("node:path")>("node:path");

/** The part of an open file of Deno that is used. */
interface FsFile {
  seekSync(offset: number, whence: number): number;
  readSync(into: Uint8Array): number | null;
  writeSync(data: Uint8Array): number;
  statSync(): FileInfo & { size: number };
  truncateSync(size: number): void;
  syncData(): Promise<void>;
  syncDataSync(): void;
  sync(): Promise<void>;
  syncSync(): void;
  close(): void;
  /** Deno 2.7 has it, 2.0 has not. */
  tryLockSync?(exclusive: boolean): boolean;
}

interface FileInfo {
  dev: number;
  ino: number | null;
  isFile: boolean;
  isDirectory: boolean;
  mtime: Date | null;
}

interface FsEvent {
  kind: string;
  paths: string[];
}

interface FsWatcher extends AsyncIterable<FsEvent> {
  close(): void;
}

interface OpenOptions {
  read?: boolean;
  write?: boolean;
  create?: boolean;
  createNew?: boolean;
  mode?: number;
}

type Permission = { name: "sys"; kind: "hostname" } | { name: "read"; path: string };

/** The part of Deno that is used, so that the other runtimes' type checkers can read this file. */
interface DenoNamespace {
  readonly pid: number;
  readonly build: { os: string };
  readonly permissions: { querySync(permission: Permission): { state: string } };
  hostname(): string;
  watchFs(path: string, options: { recursive: boolean }): FsWatcher;
  openSync(path: string, options: OpenOptions): FsFile;
  statSync(path: string): FileInfo;
  realPathSync(path: string): string;
  readLinkSync(path: string): string;
  readDirSync(path: string): Iterable<{ name: string }>;
  removeSync(path: string): void;
  mkdirSync(path: string, options: { mode: number }): void;
}

/** SeekMode.Start, whose enumeration is the runtime's. */
const FROM_START = 0;

const OPTIONS: Readonly<Record<OpenMode, OpenOptions>> = {
  read: { read: true },
  write: { read: true, write: true },
  create: { read: true, write: true, createNew: true },
};

/**
 * The file system of Deno, by its native `Deno.FsFile`: a seek and a read or write take no longer
 * there than one positional call of its `node:fs`, and a failed write tells how far it came.
 *
 * Needs `--allow-read` and `--allow-write` for the log's directory, and to make that directory
 * `--allow-read` for the one above it. With `--allow-sys=hostname` the lock names the host.
 */
export class DenoFileSystem implements FileSystem {
  readonly #deno: DenoNamespace = (globalThis as unknown as { Deno: DenoNamespace }).Deno;
  readonly #memory = new DenoMemory();

  /** Opens a file. */
  open(path: string, mode: OpenMode, permissions = 0o666): FileHandle {
    return attempt("Open", path, () => {
      if (mode !== "create") this.#requireRegularFile(path);
      const options = { ...OPTIONS[mode], ...(mode === "create" ? { mode: permissions } : {}) };
      return new DenoFile(path, this.#deno.openSync(path, options), this.#memory, mode);
    });
  }

  /** The names in a directory. */
  list(directory: string): string[] {
    return attempt(
      "List",
      directory,
      () => Array.from(this.#deno.readDirSync(directory), (entry) => entry.name),
    );
  }

  /** Which file or directory a name leads to. */
  identify(path: string): string | undefined {
    const found = whatIsThere(() => attempt("Stat", path, () => this.#deno.statSync(path)));
    return found === undefined ? undefined : identityOf(found);
  }

  /** When a file was last written or cut. */
  modified(path: string): number | undefined {
    return attempt("Stat", path, () => this.#deno.statSync(path)).mtime?.getTime();
  }

  /** The one path of a file or directory, as far as this process has the right to read its parts. */
  realPath(path: string): string {
    const mayRead = (path: string): boolean => this.#isGranted({ name: "read", path });
    return realPathBy(
      {
        list: (directory) => mayRead(directory) ? this.list(directory) : [],
        identify: (path) => this.identify(path),
        // To ask for a permission that is not granted would stop the program with a prompt.
        resolve: (path) =>
          mayRead(path)
            ? attempt("Find", path, () => this.#deno.realPathSync(path))
            : resolve(path),
        readLink: (path) => {
          if (!mayRead(path)) throw new FileSystemError("EINVAL", "Read link", path);
          return attempt("Read link", path, () => this.#deno.readLinkSync(path));
        },
      },
      path,
    );
  }

  /** Removes a file. */
  remove(path: string): void {
    attempt("Remove", path, () => this.#deno.removeSync(path));
  }

  /** Makes one directory. */
  makeDirectory(path: string, permissions: number): void {
    attempt("Make directory", path, () => this.#deno.mkdirSync(path, { mode: permissions }));
  }

  /** Opens a directory to be synced. */
  openDirectory(path: string): Directory {
    // Windows journals names and has no such call.
    if (this.#deno.build.os === "windows") return UNSYNCABLE;
    return new DenoDirectory(
      path,
      attempt("Open", path, () => this.#deno.openSync(path, { read: true })),
    );
  }

  /** Makes the names in a directory durable. */
  async syncDirectory(path: string): Promise<void> {
    this.#requireRight(path);
    const directory = this.openDirectory(path);
    try {
      await directory.sync();
    } finally {
      directory.close();
    }
  }

  /** Reports changes in a directory. */
  watch(directory: string, onChange: (name?: string) => void): (() => void) | undefined {
    let watcher: FsWatcher;
    try {
      this.#requireRight(directory);
      watcher = this.#deno.watchFs(directory, { recursive: false });
    } catch {
      return undefined; // No more watches, or a file system without them.
    }
    const tell = async (): Promise<void> => {
      for await (const { kind, paths } of watcher) {
        // To open a file, as a look does, is an event too.
        if (kind === "access") continue;
        if (paths.length === 0) onChange();
        for (const path of paths) onChange(nameOf(path));
      }
    };
    // A watch that breaks leaves the follower to look now and then.
    tell().catch(() => {});
    return () => watcher.close();
  }

  /** Takes the lock, or throws `LockedError`. */
  async lock(path: string, permissions: number): Promise<WriterLock> {
    const { pid } = this.#deno;
    // To ask for a permission that is not granted would stop the program with a prompt.
    const host = this.#isGranted({ name: "sys", kind: "hostname" })
      ? this.#deno.hostname()
      : undefined;
    // Deno opens what is in /proc only to programs with all permissions.
    const place = this.#isGranted({ name: "read", path: "/proc" }) ? readPlace() : undefined;
    const owner: LockOwner = {
      pid,
      host,
      runtime: "deno",
      place,
      isAlive: (pid) => place === undefined ? undefined : isAlive(pid),
      startOf: (of) => place === undefined ? undefined : startInTicks(of),
      isOnLocalDisk,
    };
    return await takeLock(this, path, owner, () => this.#tryLock(path, permissions));
  }

  /** Takes the kernel's lock on a file, or throws `LockedError`. */
  guard(path: string): Guard {
    // There a lock keeps readers off too.
    if (this.#deno.build.os === "windows") return { release: (): void => {} };
    const raw = attempt("Open", path, () => {
      this.#requireRegularFile(path);
      return this.#deno.openSync(path, { read: true });
    });
    const file = new DenoFile(path, raw);
    try {
      return guardOn(file, path, tryLock(raw, path));
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /**
   * Refuses what this process has no right to. To try it would stop the program with a prompt, for a
   * directory that its user may never have heard of.
   */
  #requireRight(directory: string): void {
    if (this.#isGranted({ name: "read", path: directory })) return;
    throw new FileSystemError("EACCES", "Open", directory);
  }

  #isGranted(permission: Permission): boolean {
    return this.#deno.permissions.querySync(permission).state === "granted";
  }

  #tryLock(path: string, permissions: number): LockAttempt {
    const raw = attempt("Open", path, () => {
      if (this.identify(path) !== undefined) this.#requireRegularFile(path);
      const options = { read: true, write: true, create: true, mode: permissions };
      return this.#deno.openSync(path, options);
    });
    const file = new DenoFile(path, raw);
    try {
      // One of somebody else is not even locked.
      readRecord(file, path);
      return { file, outcome: tryLock(raw, path) };
    } catch (error) {
      file.close();
      throw error;
    }
  }

  #requireRegularFile(path: string): void {
    const found = this.#deno.statSync(path);
    if (found.isFile) return;
    throw new FileSystemError(found.isDirectory ? "EISDIR" : "EINVAL", "Open", path);
  }
}

/** Which file this is: its device, and its number there; a directory may get that of a file. */
function identityOf({ dev, ino, isDirectory }: FileInfo): string {
  return `${dev}:${ino}${isDirectory ? "/" : ""}`;
}

/** A directory where none can be synced. */
const UNSYNCABLE: Directory = {
  sync: () => Promise.resolve(),
  syncBlocking: () => {},
  close: () => {},
};

class DenoDirectory implements Directory {
  readonly #file: DenoFile;

  constructor(path: string, file: FsFile) {
    this.#file = new DenoFile(path, file);
  }

  async sync(): Promise<void> {
    try {
      await this.#file.sync();
    } catch (error) {
      tolerateUnsupported(error);
    }
  }

  syncBlocking(): void {
    try {
      this.#file.syncBlocking();
    } catch (error) {
      tolerateUnsupported(error);
    }
  }

  close(): void {
    this.#file.close();
  }
}

/** Tries the kernel's lock on an open file. */
function tryLock(file: FsFile, path: string): LockOutcome {
  if (file.tryLockSync === undefined) return "unavailable";
  for (;;) {
    try {
      return file.tryLockSync(true) ? "taken" : "held";
    } catch (error) {
      if (!isInterrupted(error)) return outcomeOf(error, path);
    }
  }
}

class DenoFile implements FileHandle {
  readonly #path: string;
  readonly #file: FsFile;
  #open = true;
  /** Where the file stands, so that it is moved only if need be; -1 if that is not known. */
  #position = 0;
  /** What was read to or written from last, and its first bytes: entries of one size make no garbage. */
  #buffer: Uint8Array = new Uint8Array(0);
  #start: Uint8Array = this.#buffer;
  readonly #memory: DenoMemory | undefined;
  /** None before the first mapping. */
  #mappings: Mappings | undefined;

  readonly #isWritable: boolean;

  constructor(path: string, file: FsFile, memory?: DenoMemory, mode: OpenMode = "read") {
    this.#path = path;
    this.#file = file;
    this.#memory = memory;
    this.#isWritable = mode !== "read";
  }

  read(into: Uint8Array, offset: number, length: number = into.length): number {
    let done = 0;
    while (done < length) {
      try {
        this.#moveTo(offset + done);
        const n = this.#file.readSync(this.#part(into, done, length));
        if (n === null) break;
        this.#position += n;
        done += n;
      } catch (error) {
        this.#position = -1;
        if (!isInterrupted(error)) throw toFileSystemError(error, "Read", this.#path);
      }
    }
    return done;
  }

  write(data: Uint8Array, offset: number, length: number = data.length): void {
    let done = 0;
    while (done < length) {
      try {
        this.#moveTo(offset + done);
        const n = requireProgress(this.#file.writeSync(this.#part(data, done, length)), this.#path);
        this.#position += n;
        done += n;
      } catch (error) {
        this.#position = -1;
        if (!isInterrupted(error)) throw toFileSystemError(error, "Write", this.#path);
      }
    }
  }

  #moveTo(offset: number): void {
    if (this.#position === offset) return;
    this.#file.seekSync(offset, FROM_START);
    this.#position = offset;
  }

  #part(buffer: Uint8Array, from: number, to: number): Uint8Array {
    if (from > 0) return buffer.subarray(from, to);
    if (to === buffer.length) return buffer;
    if (this.#buffer !== buffer || this.#start.length !== to) {
      this.#buffer = buffer;
      this.#start = buffer.subarray(0, to);
    }
    return this.#start;
  }

  size(): number {
    return attempt("Stat", this.#path, () => this.#file.statSync()).size;
  }

  identity(): string {
    return identityOf(attempt("Stat", this.#path, () => this.#file.statSync()));
  }

  map(offset: number, size: number, access: MapAccess): FileMapping | string {
    if (this.#memory === undefined) return "the file is not one of a log";
    // It is opened again to be mapped.
    if (access === "write" && !this.#isWritable) return "the file is only readable";
    this.#mappings ??= this.#memory.mappings();
    const stat = attempt("Stat", this.#path, () => this.#file.statSync());
    return this.#memory.map(this.#mappings, this.#path, stat, offset, size, access);
  }

  truncate(size: number): void {
    this.#mappings?.cutTo(size);
    attempt("Truncate", this.#path, () => this.#file.truncateSync(size));
  }

  syncData(): Promise<void> {
    return attemptAsync("Fdatasync", this.#path, () => this.#file.syncData());
  }

  sync(): Promise<void> {
    return attemptAsync("Fsync", this.#path, () => this.#file.sync());
  }

  syncDataBlocking(): void {
    attempt("Fdatasync", this.#path, () => this.#file.syncDataSync());
  }

  syncBlocking(): void {
    attempt("Fsync", this.#path, () => this.#file.syncSync());
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#mappings?.cutTo(0);
    try {
      this.#file.close();
    } catch {
      // Nothing that a sync has promised depends on it.
    }
  }
}
