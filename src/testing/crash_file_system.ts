/**
 * A file system in memory whose machine can die, and which tells everything that its disk may then
 * hold.
 *
 * The model is that of "All File Systems Are Not Created Equal" (T. S. Pillai and others, OSDI 2014)
 * and of "Can Applications Recover from fsync Failures?" (A. Rebello and others, USENIX ATC 2020):
 *
 * - Every later read sees a write at once. A write outlives the death of the process.
 * - The disk surely has a file's data and size once a sync of that file has succeeded, and a name
 *   once a sync of its directory has. Each without the other: a name may outlive its file's data, and
 *   data their name.
 * - Of what no sync has covered, the disk may have any part, in any order: of a write any sectors of
 *   512 bytes, and its growing the file or not.
 * - A sync that fails may leave the page cache saying what the disk does not have, and no later sync
 *   brings it there ({@linkcode FailedSync}).
 * - An error is reported once: by each descriptor that was open when it came, or by one of them
 *   only ({@linkcode ErrorTold}). Of two syncs that overlap, the other succeeds.
 *
 * @module
 */
import { requireChoice, requireCount, requireOptions } from "../arguments.ts";
import { LockedError } from "../errors.ts";
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
} from "../fs/file_system.ts";
import { BLOCK_SIZE, type Change, changesOf, changesOfTruncation, Content } from "./changes.ts";
import { seededRandom } from "./random.ts";
import { type Subset, subsets } from "./subsets.ts";

/**
 * What a failed sync does to the file's changes since the last good one. In all three the page cache
 * counts as clean afterwards, so a later sync succeeds and writes none of their data. Bytes that are
 * written again are new changes, which a sync makes durable.
 *
 * - `"ext4"`: the cache still shows them, and the disk may have any of them. The file's size is in
 *   the journal and durable with the next good sync, so zeros may stand where data should be.
 *   Blocks that the file had not reached before stay so: what is written to them again is lost too,
 *   until a truncation gives them up.
 * - `"xfs"`: the same, but the next good sync does not bring the size to the disk either.
 * - `"btrfs"`: the disk has none of them, and the cache shows again what the disk has.
 *
 * @example
 * ```ts
 * import { CrashFileSystem, type FailedSync } from "@durable/wal/testing";
 *
 * const failedSync: FailedSync = "xfs";
 * const fileSystem = new CrashFileSystem({ failedSync });
 * ```
 */
export type FailedSync = "ext4" | "xfs" | "btrfs";

/**
 * Which sync reports an error. A sync that reports none finds nothing to write, and succeeds.
 *
 * - `"descriptor"`: once to each descriptor that was open when it came, and to the first that is
 *   opened later if none was told before. So Linux does since 4.13 ("Handling errors during
 *   writeback", https://docs.kernel.org/filesystems/vfs.html).
 * - `"file"`: once, whatever descriptors the file has. So Linux did before, and of other systems
 *   nothing else is known.
 *
 * @example
 * ```ts
 * import { CrashFileSystem, type ErrorTold } from "@durable/wal/testing";
 *
 * const errorTold: ErrorTold = "file";
 * const fileSystem = new CrashFileSystem({ errorTold });
 * ```
 */
export type ErrorTold = "descriptor" | "file";

/**
 * How a {@linkcode CrashFileSystem} behaves.
 *
 * @example
 * ```ts
 * import type { CrashOptions } from "@durable/wal/testing";
 *
 * const options: CrashOptions = { failedSync: "btrfs" };
 * ```
 */
export interface CrashOptions {
  /** What a failed sync does. Default: `"ext4"`. */
  failedSync?: FailedSync;
  /** Which sync reports its error. Default: `"descriptor"`. */
  errorTold?: ErrorTold;
}

/**
 * How many states of the disk to look at, and which.
 *
 * @example
 * ```ts
 * import type { CrashStatesOptions } from "@durable/wal/testing";
 *
 * const options: CrashStatesOptions = { limit: 64, seed: 7 };
 * ```
 */
export interface CrashStatesOptions {
  /**
   * The most states to give. Where all combinations of changes are no more than this, every one of
   * them is tried; else so many of them, drawn by the seed. Default: 1,024.
   */
  limit?: number;
  /** What the draw begins with. Default: 1. */
  seed?: number;
}

/** A change that the disk may or may not have. */
interface Pending {
  readonly kind: "content";
  readonly change: Change;
  /**
   * `"dirty"`: the next sync makes it durable. `"lost"`: a sync has failed over it, and none will.
   * `"durable"`: a sync has covered it, but something that is lost came before.
   */
  state: "dirty" | "lost" | "durable";
}

/** The errors of a file or directory, counted, and how many of them were reported to some sync. */
interface Errors {
  count: number;
  reported: number;
}

/** A file, whatever its names. */
interface FileNode {
  readonly kind: "file";
  readonly errors: Errors;
  /** What a read sees. */
  cached: Content;
  /** What the disk surely has, without what is pending. */
  readonly durable: Content;
  pending: Pending[];
  /** Blocks that a failed sync left without data on the disk, so that later writes are lost too. */
  readonly unwritten: Set<number>;
}

interface NameChange {
  readonly kind: "name";
  readonly name: string;
  /** What the name stands for now; undefined if it was removed. */
  readonly node: Node | undefined;
}

interface DirectoryNode {
  readonly kind: "directory";
  readonly errors: Errors;
  readonly cached: Map<string, Node>;
  readonly durable: Map<string, Node>;
  pending: NameChange[];
}

type Node = FileNode | DirectoryNode;

/** Sees each call before it is made; what it returns is how long a sync takes. */
type Observer = (call: string) => unknown;

/** What a process holds; it dies with it. */
interface Process {
  isAlive: boolean;
  readonly locks: Set<string>;
}

/**
 * A file system in memory that enumerates what a crash may leave of it.
 *
 * @example What a crash leaves of two writes, of which one was synced
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { CrashFileSystem } from "@durable/wal/testing";
 *
 * const fileSystem = new CrashFileSystem();
 * const file = fileSystem.open("a", "create");
 * await fileSystem.syncDirectory(".");
 * file.write(new Uint8Array([1]), 0);
 * await file.syncData();
 * file.write(new Uint8Array([2]), 1);
 *
 * const left = new Set<string>();
 * for (const disk of fileSystem.crashStates()) {
 *   const found = disk.open("a", "read");
 *   const bytes = new Uint8Array(found.size());
 *   found.read(bytes, 0);
 *   left.add(bytes.join());
 * }
 * // Nothing of the second write, all of it, or the file's new size without its data.
 * assertEquals([...left].sort(), ["1", "1,0", "1,2"]);
 * ```
 */
export class CrashFileSystem implements FileSystem {
  readonly #failedSync: FailedSync;
  readonly #errorTold: ErrorTold;
  #root: DirectoryNode = newDirectory();
  #process: Process = { isAlive: true, locks: new Set() };
  #observer: Observer | undefined;
  #origin: () => string = () => "as it was made";
  /** What each file and directory is known by, once it was asked for. */
  readonly #identities = new WeakMap<Node, string>();
  #identified = 0;

  /** Makes an empty one. */
  constructor(options: CrashOptions = {}) {
    requireOptions("options", options, ["failedSync", "errorTold"]);
    const { failedSync = "ext4", errorTold = "descriptor" } = options;
    requireChoice("failedSync", failedSync, ["ext4", "xfs", "btrfs"]);
    requireChoice("errorTold", errorTold, ["descriptor", "file"]);
    this.#failedSync = failedSync;
    this.#errorTold = errorTold;
  }

  /** Which of the pending changes the disk has, in words, if this is a state that a crash left. */
  get origin(): string {
    return this.#origin();
  }

  /**
   * Calls `observer` before each call that changes something or syncs, with the call in words; a
   * crash at this moment is a crash without it. There is one observer.
   *
   * Where it returns a promise, and the call is a sync that does not block, the sync takes effect when
   * that has resolved: a slow disk. What is written meanwhile the sync does not cover.
   */
  observe(observer: ((call: string) => unknown) | undefined): void {
    this.#observer = observer;
  }

  /** The process dies: its files and locks are gone, and what it wrote stays in the page cache. */
  kill(): void {
    this.#process.isAlive = false;
    this.#process = { isAlive: true, locks: new Set() };
  }

  /** The same, as it is now, for a process of its own. */
  fork(): CrashFileSystem {
    return this.#with((nodes) => copyDirectory(this.#root, nodes), this.#origin);
  }

  /**
   * What the disk may hold if the machine dies now: file systems to open files from, each without a
   * process and with everything in it durable. No two of them are the same. This one stays in use.
   */
  crashStates(options: CrashStatesOptions = {}): Generator<CrashFileSystem> {
    requireOptions("options", options, ["limit", "seed"]);
    const { limit = 1024, seed = 1 } = options;
    requireCount("limit", limit);
    requireCount("seed", seed);
    return this.#statesOf(copyDirectory(this.#root, new Map()), limit, seed);
  }

  *#statesOf(root: DirectoryNode, limit: number, seed: number): Generator<CrashFileSystem> {
    const choices = openChoices(root);
    const crash = new Crash(root);
    const seen = new Set<string>();
    let tries = 0;
    for (const subset of subsets(choices.length, limit, seededRandom(seed))) {
      const { survivor, digest } = crash.leave(new Set(choices.filter((_, i) => subset[i])));
      if (!seen.has(digest)) {
        seen.add(digest);
        yield this.#with(() => survivor, () => crash.describe(choices, subset));
      }
      if (seen.size >= limit || ++tries > 4 * limit) return;
    }
  }

  /** Opens a file. */
  open(path: string, mode: OpenMode): FileHandle {
    const [directory, name] = this.#locate(path, "Open");
    const found = name === "" ? directory : directory.cached.get(name);
    if (mode === "create") {
      if (found !== undefined) throw new FileSystemError("EEXIST", "Open", path);
      this.#observer?.(`create "${path}"`);
      const node = newFile(new Content(), new Content());
      rename(directory, name, node);
      return this.#fileOf(node, path, true);
    }
    if (found === undefined) throw new FileSystemError("ENOENT", "Open", path);
    if (found.kind === "directory") throw new FileSystemError("EISDIR", "Open", path);
    return this.#fileOf(found, path, mode === "write");
  }

  /** The names in a directory. */
  list(directory: string): string[] {
    return [...this.#directory(directory, "List").cached.keys()];
  }

  /** Which file or directory a name leads to. */
  identify(path: string): string | undefined {
    let node: Node | undefined = this.#root;
    for (const part of partsOf(path)) {
      node = node?.kind === "directory" ? node.cached.get(part) : undefined;
    }
    return node === undefined ? undefined : this.#identityOf(node);
  }

  #identityOf(node: Node): string {
    const identity = this.#identities.get(node) ?? String(++this.#identified);
    this.#identities.set(node, identity);
    return identity;
  }

  /** The path without what leads nowhere else, such as `"./"`; there are no links. */
  realPath(path: string): string {
    return partsOf(path).join("/") || ".";
  }

  /** Removes a file. Its bytes stay where it is open, and on the disk until its directory is synced. */
  remove(path: string): void {
    const [directory, name] = this.#locate(path, "Remove");
    const node = directory.cached.get(name);
    if (node?.kind !== "file") {
      throw new FileSystemError(node === undefined ? "ENOENT" : "EISDIR", "Remove", path);
    }
    this.#observer?.(`remove "${path}"`);
    rename(directory, name, undefined);
  }

  /** Makes one directory. */
  makeDirectory(path: string): void {
    const [directory, name] = this.#locate(path, "Make directory");
    if (name === "" || directory.cached.has(name)) {
      throw new FileSystemError("EEXIST", "Make directory", path);
    }
    this.#observer?.(`make directory "${path}"`);
    rename(directory, name, newDirectory());
  }

  /** Opens a directory to be synced. */
  openDirectory(path: string): Directory {
    const node = this.#directory(path, "Open");
    const observer: Observer = (call) => this.#observer?.(call);
    return new CrashDirectory(node, path, this.#process, this.#errorTold, observer);
  }

  /** Makes the names in a directory durable. */
  async syncDirectory(path: string): Promise<void> {
    await this.openDirectory(path).sync();
  }

  /** Takes the lock, which dies with the process, or throws `LockedError`. */
  async lock(path: string): Promise<WriterLock> {
    await Promise.resolve();
    return { kind: "kernel", ...this.#hold(partsOf(path).join("/"), path) };
  }

  /** Takes the lock on a file itself, which dies with the process, or throws `LockedError`. */
  guard(path: string): Guard {
    const identity = this.identify(path);
    if (identity === undefined) throw new FileSystemError("ENOENT", "Open", path);
    // No name of a file begins so.
    return this.#hold(`/${identity}`, path);
  }

  #hold(name: string, path: string): Omit<WriterLock, "kind"> {
    const process = this.#process;
    const { locks } = process;
    if (locks.has(name)) {
      throw new LockedError(path, { pid: undefined, host: undefined, runtime: "memory" });
    }
    locks.add(name);
    let isHeld = true;
    const release = (): void => {
      if (isHeld) locks.delete(name);
      isHeld = false;
    };
    return { isHeld: () => isHeld && process.isAlive, release };
  }

  #with(root: (nodes: Map<Node, Node>) => DirectoryNode, origin: () => string): CrashFileSystem {
    const other = new CrashFileSystem({
      failedSync: this.#failedSync,
      errorTold: this.#errorTold,
    });
    other.#root = root(new Map());
    other.#origin = origin;
    return other;
  }

  #fileOf(node: FileNode, path: string, isWritable: boolean): FileHandle {
    const observer: Observer = (call) => this.#observer?.(call);
    const rules = { failedSync: this.#failedSync, errorTold: this.#errorTold };
    const identity = this.#identityOf(node);
    return new CrashFile(node, path, isWritable, this.#process, rules, observer, identity);
  }

  /** The directory that a path lies in, and its name there; the name is empty for the root. */
  #locate(path: string, operation: string): [DirectoryNode, string] {
    const parts = partsOf(path);
    const name = parts.pop() ?? "";
    return [this.#directory(parts.join("/"), operation, path), name];
  }

  #directory(path: string, operation: string, asked: string = path): DirectoryNode {
    let node: Node | undefined = this.#root;
    for (const part of partsOf(path)) {
      if (node?.kind === "directory") node = node.cached.get(part);
    }
    if (node?.kind === "directory") return node;
    throw new FileSystemError(node === undefined ? "ENOENT" : "ENOTDIR", operation, asked);
  }
}

/** The changes that no later sync brings to the disk once one has failed over them. */
const LOST: Readonly<Record<FailedSync, readonly Change["kind"][]>> = {
  ext4: ["data"],
  xfs: ["data", "grow"],
  btrfs: ["data", "grow", "truncate"],
};

/** A file or directory that knows what a failed sync does to it. A directory keeps its names for the next. */
export interface Failing {
  /** Does what a sync that fails would. It is one error, to be reported by the rules. */
  failSync(): void;
  /** Whether this descriptor has an error that it has not reported; then it counts as reported. */
  reportError(): boolean;
}

/** What a file or directory knows of a failed sync; `undefined` if it is of another file system. */
export function failingOf(opened: FileHandle | Directory): Failing | undefined {
  return opened instanceof CrashFile || opened instanceof CrashDirectory ? opened : undefined;
}

/** The errors that one descriptor has reported. */
class ReportedErrors {
  readonly #errors: Errors;
  readonly #errorTold: ErrorTold;
  #seen: number;

  constructor(errors: Errors, errorTold: ErrorTold) {
    this.#errors = errors;
    this.#errorTold = errorTold;
    this.#seen = errors.reported;
  }

  /** Whether there is an error to report now; it is not reported again. */
  report(): boolean {
    const { count, reported } = this.#errors;
    const isNew = count > (this.#errorTold === "file" ? reported : this.#seen);
    this.#seen = this.#errors.reported = count;
    return isNew;
  }
}

class CrashDirectory implements Directory, Failing {
  readonly #node: DirectoryNode;
  readonly #path: string;
  readonly #process: Process;
  readonly #observer: Observer;
  readonly #reported: ReportedErrors;
  #isOpen = true;

  constructor(
    node: DirectoryNode,
    path: string,
    process: Process,
    errorTold: ErrorTold,
    observer: Observer,
  ) {
    this.#node = node;
    this.#path = path;
    this.#process = process;
    this.#observer = observer;
    this.#reported = new ReportedErrors(node.errors, errorTold);
  }

  async sync(): Promise<void> {
    const { pending } = this.#opened();
    const work = this.#observer(`fsync directory "${this.#path}"`);
    const covered = pending.slice();
    // What is made or removed while the disk works is not covered.
    await work;
    this.#end(covered);
  }

  syncBlocking(): void {
    const { pending } = this.#opened();
    this.#observer(`fsync directory "${this.#path}"`);
    this.#end(pending);
  }

  #end(covered: readonly NameChange[]): void {
    if (this.#reported.report()) throw new FileSystemError("EIO", "Fsync", this.#path);
    makeNamesDurable(this.#opened(), covered);
  }

  failSync(): void {
    this.#opened().errors.count++;
  }

  reportError(): boolean {
    return this.#reported.report();
  }

  close(): void {
    this.#isOpen = false;
  }

  #opened(): DirectoryNode {
    if (!this.#process.isAlive) throw new FileSystemError("EIO", "Fsync", this.#path);
    if (!this.#isOpen) throw new FileSystemError("EBADF", "Fsync", this.#path);
    return this.#node;
  }
}

class CrashFile implements FileHandle, Failing {
  readonly #node: FileNode;
  readonly #path: string;
  readonly #isWritable: boolean;
  readonly #process: Process;
  readonly #failedSync: FailedSync;
  readonly #observer: Observer;
  readonly #identity: string;
  readonly #reported: ReportedErrors;
  readonly #mappings = new Set<CrashMapping>();
  #isOpen = true;

  constructor(
    node: FileNode,
    path: string,
    isWritable: boolean,
    process: Process,
    { failedSync, errorTold }: Required<CrashOptions>,
    observer: Observer,
    identity: string,
  ) {
    this.#node = node;
    this.#path = path;
    this.#isWritable = isWritable;
    this.#process = process;
    this.#failedSync = failedSync;
    this.#observer = observer;
    this.#identity = identity;
    this.#reported = new ReportedErrors(node.errors, errorTold);
  }

  read(into: Uint8Array, offset: number, length: number = into.length): number {
    return this.#opened("Read").cached.read(into, offset, length);
  }

  write(data: Uint8Array, offset: number, length: number = data.length): void {
    if (!this.#isWritable) throw this.#error("EBADF", "Write");
    this.#put("write", data, offset, length);
  }

  /** A write, or a store: the disk has any sectors of either. */
  #put(how: "write" | "store", data: Uint8Array, offset: number, length: number): void {
    const node = this.#opened("Write");
    if (length === 0) return;
    this.#observer(`${how} ${length} bytes at ${offset} of "${this.#path}"`);
    const written = data.subarray(0, length);
    // Where growth was lost, a write makes the file as large as it reaches once more.
    const size = node.pending.some(({ state }) => state === "lost") ? 0 : node.cached.size;
    for (const change of changesOf(written, offset, size)) {
      const isLost = change.kind === "data" && node.unwritten.has(blockOf(change.offset));
      node.pending.push({ kind: "content", change, state: isLost ? "lost" : "dirty" });
    }
    node.cached.write(written, offset);
  }

  size(): number {
    return this.#opened("Stat").cached.size;
  }

  identity(): string {
    this.#opened("Stat");
    return this.#identity;
  }

  map(offset: number, size: number, access: MapAccess): FileMapping | string {
    const { cached } = this.#opened("Map");
    if (access === "write" && !this.#isWritable) return "the file is only readable";
    if (offset % MAP_ALIGNMENT !== 0 || size <= 0 || offset + size > cached.size) {
      return `the part of ${size} bytes at ${offset} is not in a file of ${cached.size} bytes`;
    }
    const parts = {
      offset,
      size,
      read: (into: Uint8Array, at: number, length: number) => this.read(into, at, length),
      store: (data: Uint8Array, at: number, length: number) => this.#put("store", data, at, length),
      fileSize: () => this.size(),
    };
    return new CrashMapping(parts, this.#mappings);
  }

  #unmapBeyond(size: number): void {
    for (const mapping of this.#mappings) if (mapping.end > size) mapping.unmap();
  }

  truncate(size: number): void {
    const node = this.#opened("Truncate");
    if (!this.#isWritable) throw this.#error("EINVAL", "Truncate");
    this.#unmapBeyond(size);
    this.#observer(`truncate "${this.#path}" to ${size} bytes`);
    for (const change of changesOfTruncation(size, node.cached.size)) {
      node.pending.push({ kind: "content", change, state: "dirty" });
      node.cached.apply(change);
    }
    for (const block of node.unwritten) {
      if (block * BLOCK_SIZE >= size) node.unwritten.delete(block);
    }
  }

  syncData(): Promise<void> {
    return this.#sync("fdatasync");
  }

  sync(): Promise<void> {
    return this.#sync("fsync");
  }

  async #sync(call: string): Promise<void> {
    const { pending } = this.#opened("Fsync");
    const work = this.#observer(`${call} "${this.#path}"`);
    const covered = pending.filter(({ state }) => state === "dirty");
    // What is written while the disk works is not covered.
    await work;
    this.#endSync(covered);
  }

  syncDataBlocking(): void {
    this.#syncAtOnce("fdatasync");
  }

  syncBlocking(): void {
    this.#syncAtOnce("fsync");
  }

  #syncAtOnce(call: string): void {
    const node = this.#opened("Fsync");
    this.#observer(`${call} "${this.#path}"`);
    this.#endSync(node.pending);
  }

  #endSync(covered: readonly Pending[]): void {
    const node = this.#opened("Fsync");
    // What a sync has failed over meanwhile counts as clean to all others.
    if (this.#reported.report()) throw this.#error("EIO", "Fsync");
    makeDurable(node, covered);
  }

  failSync(): void {
    const node = this.#opened("Fsync");
    const kinds = LOST[this.#failedSync];
    node.errors.count++;
    for (const pending of node.pending) {
      const { change } = pending;
      if (pending.state !== "dirty" || !kinds.includes(change.kind)) continue;
      pending.state = "lost";
      if (this.#failedSync !== "ext4" || change.kind !== "data") continue;
      const block = blockOf(change.offset);
      if (block * BLOCK_SIZE >= node.durable.size) node.unwritten.add(block);
    }
    if (this.#failedSync !== "btrfs") return;
    node.pending = node.pending.filter(({ state }) => state !== "lost");
    node.cached = imageOf(node, new Set());
  }

  reportError(): boolean {
    return this.#reported.report();
  }

  close(): void {
    this.#isOpen = false;
    this.#unmapBeyond(0);
  }

  #opened(operation: string): FileNode {
    if (!this.#process.isAlive) throw this.#error("EIO", operation);
    if (!this.#isOpen) throw this.#error("EBADF", operation);
    return this.#node;
  }

  #error(code: FileSystemErrorCode, operation: string): FileSystemError {
    return new FileSystemError(code, operation, this.#path);
  }
}

/** What a mapping can do to the file that it shows. */
interface MappedPart {
  readonly offset: number;
  readonly size: number;
  readonly read: (into: Uint8Array, offset: number, length: number) => number;
  readonly store: (data: Uint8Array, offset: number, length: number) => void;
  readonly fileSize: () => number;
}

/** A mapping: what is stored in it reaches the disk as what is written does, in any order. */
class CrashMapping implements FileMapping {
  readonly #part: MappedPart;
  readonly #all: Set<CrashMapping>;
  /** Where in the file it ends. */
  readonly end: number;

  constructor(part: MappedPart, all: Set<CrashMapping>) {
    this.#part = part;
    this.#all = all;
    this.end = part.offset + part.size;
    all.add(this);
  }

  get size(): number {
    return this.#all.has(this) ? this.#part.size : 0;
  }

  read(into: Uint8Array, offset: number, length: number): number {
    const last = Math.min(offset + length, this.#part.offset + this.size);
    if (offset < this.#part.offset || last <= offset) return 0;
    this.#requireWhole();
    return this.#part.read(into, offset, last - offset);
  }

  store(data: Uint8Array, offset: number, length: number): boolean {
    const { offset: from } = this.#part;
    if (offset < from || offset + length > from + this.size) return false;
    this.#requireWhole();
    this.#part.store(data, offset, length);
    return true;
  }

  unmap(): void {
    this.#all.delete(this);
  }

  #requireWhole(): void {
    // That of a disk would end the process here.
    if (this.end > this.#part.fileSize()) throw new TypeError("The file of a mapping was cut");
  }
}

function blockOf(offset: number): number {
  return Math.floor(offset / BLOCK_SIZE);
}

function newFile(cached: Content, durable: Content): FileNode {
  return {
    kind: "file",
    errors: { count: 0, reported: 0 },
    cached,
    durable,
    pending: [],
    unwritten: new Set(),
  };
}

function newDirectory(): DirectoryNode {
  return {
    kind: "directory",
    errors: { count: 0, reported: 0 },
    cached: new Map(),
    durable: new Map(),
    pending: [],
  };
}

function rename(directory: DirectoryNode, name: string, node: Node | undefined): void {
  if (node === undefined) directory.cached.delete(name);
  else directory.cached.set(name, node);
  directory.pending.push({ kind: "name", name, node });
}

/** A sync of a directory has covered some changes. */
function makeNamesDurable(directory: DirectoryNode, covered: readonly NameChange[]): void {
  for (const change of directory.pending) {
    if (!covered.includes(change)) continue;
    if (change.node === undefined) directory.durable.delete(change.name);
    else directory.durable.set(change.name, change.node);
  }
  directory.pending = directory.pending.filter((change) => !covered.includes(change));
}

/** A sync of a file has covered some changes. */
function makeDurable(node: FileNode, covered: readonly Pending[]): void {
  for (const pending of covered) if (pending.state === "dirty") pending.state = "durable";
  let settled = 0;
  while (node.pending[settled]?.state === "durable") settled++;
  for (const { change } of node.pending.splice(0, settled)) node.durable.apply(change);
}

/** What the disk has of a file with some of the changes that are pending. */
function imageOf(node: FileNode, chosen: ReadonlySet<unknown>): Content {
  const image = node.durable.copy();
  for (const pending of node.pending) {
    if (pending.state === "durable" || chosen.has(pending)) image.apply(pending.change);
  }
  return image;
}

/** A change that a crash decides on. */
type Choice = Pending | NameChange;

/** All that a crash decides on in a directory and below. */
function openChoices(directory: DirectoryNode): Choice[] {
  const below = new Set([
    ...directory.durable.values(),
    ...directory.pending.flatMap(({ node }) => node === undefined ? [] : [node]),
  ]);
  const ofNodes = [...below].flatMap((node): Choice[] =>
    node.kind === "directory"
      ? openChoices(node)
      : node.pending.filter(({ state }) => state !== "durable")
  );
  return [...directory.pending, ...ofNodes];
}

/** A crash of the machine, and what it may leave. */
class Crash {
  readonly #root: DirectoryNode;
  /** What may be left of each file, by which of its changes the disk has. */
  readonly #images = new Map<FileNode, Map<string, { content: Content; digest: string }>>();

  constructor(root: DirectoryNode) {
    this.#root = root;
  }

  /** What is left with some of the choices; equal digests are equal survivors. */
  leave(chosen: ReadonlySet<Choice>): { survivor: DirectoryNode; digest: string } {
    return this.#directory(this.#root, chosen, new Map());
  }

  #directory(
    directory: DirectoryNode,
    chosen: ReadonlySet<Choice>,
    nodes: Map<FileNode, FileNode>,
  ): { survivor: DirectoryNode; digest: string } {
    const names = new Map(directory.durable);
    for (const change of directory.pending) {
      if (!chosen.has(change)) continue;
      if (change.node === undefined) names.delete(change.name);
      else names.set(change.name, change.node);
    }
    const survivor = newDirectory();
    const digests: string[] = [];
    for (const [name, node] of names) {
      if (node.kind === "directory") {
        const below = this.#directory(node, chosen, nodes);
        survivor.cached.set(name, below.survivor);
        digests.push(`${name}/{${below.digest}}`);
      } else {
        const { content, digest } = this.#image(node, chosen);
        const left = nodes.get(node) ?? newFile(content.copy(), content.copy());
        nodes.set(node, left);
        survivor.cached.set(name, left);
        digests.push(`${name}=${digest}`);
      }
    }
    for (const [name, node] of survivor.cached) survivor.durable.set(name, node);
    return { survivor, digest: digests.sort().join() };
  }

  #image(node: FileNode, chosen: ReadonlySet<Choice>): { content: Content; digest: string } {
    const images = this.#images.get(node) ??
      new Map<string, { content: Content; digest: string }>();
    this.#images.set(node, images);
    const key = node.pending.map((pending) => chosen.has(pending) ? "1" : "0").join("");
    const known = images.get(key);
    if (known !== undefined) return known;
    const content = imageOf(node, chosen);
    // What was written after the end that the disk has is gone for good.
    content.apply({ kind: "truncate", size: content.size });
    const image = { content, digest: content.digest() };
    images.set(key, image);
    return image;
  }

  /** In words, which of the choices the disk has. */
  describe(choices: readonly Choice[], subset: Subset): string {
    if (choices.length === 0) return "nothing was pending";
    const names = namesOf(this.#root);
    const list = (isKept: boolean): string => {
      const shown = choices.filter((_, i) => subset[i] === isKept)
        .map((choice) => show(choice, names.get(choice) ?? ""));
      return shown.length <= MOST_SHOWN ? shown.join(", ") : `${shown.length} changes`;
    };
    const lost = subset.filter((isKept) => !isKept).length;
    if (lost === 0) return "all that was pending is on the disk";
    if (lost === subset.length) return "nothing that was pending is on the disk";
    return lost <= subset.length / 2 ? `without ${list(false)}` : `with ${list(true)} only`;
  }
}

/** How many changes are listed in words. */
const MOST_SHOWN = 6;

/** A choice in words. */
function show(choice: Choice, path: string): string {
  if (choice.kind === "name") {
    return `the ${choice.node === undefined ? "removal of" : "name"} "${choice.name}"`;
  }
  const { change } = choice;
  if (change.kind === "grow") return `"${path}" growing to ${change.size} bytes`;
  if (change.kind === "truncate") return `the truncation of "${path}" to ${change.size} bytes`;
  return `bytes ${change.offset} to ${change.offset + change.data.length} of "${path}"`;
}

function copyDirectory(directory: DirectoryNode, nodes: Map<Node, Node>): DirectoryNode {
  const copy = (node: Node): Node => {
    let copied = nodes.get(node);
    if (copied === undefined) {
      copied = node.kind === "directory" ? copyDirectory(node, nodes) : {
        kind: "file",
        errors: { ...node.errors },
        cached: node.cached.copy(),
        durable: node.durable.copy(),
        pending: node.pending.map((pending) => ({ ...pending })),
        unwritten: new Set(node.unwritten),
      };
      nodes.set(node, copied);
    }
    return copied;
  };
  const copyAll = (names: Map<string, Node>): Map<string, Node> =>
    new Map(Array.from(names, ([name, node]) => [name, copy(node)]));
  return {
    kind: "directory",
    errors: { ...directory.errors },
    cached: copyAll(directory.cached),
    durable: copyAll(directory.durable),
    pending: directory.pending.map((change) => ({
      ...change,
      node: change.node && copy(change.node),
    })),
  };
}

/** The path of the file that each choice is about. */
function namesOf(directory: DirectoryNode): Map<Choice, string> {
  const names = new Map<Choice, string>();
  const add = (directory: DirectoryNode, path: string): void => {
    const entries = [
      ...directory.durable,
      ...directory.pending.flatMap(({ name, node }): [string, Node][] =>
        node ? [[name, node]] : []
      ),
    ];
    for (const [name, node] of entries) {
      if (node.kind === "directory") add(node, `${path}${name}/`);
      else for (const pending of node.pending) names.set(pending, `${path}${name}`);
    }
  };
  add(directory, "");
  return names;
}

/** A path's names; none for the root and the current directory, which are the same here. */
function partsOf(path: string): string[] {
  return path.split(/[/\\]/).filter((name) => name !== "" && name !== ".");
}
