/**
 * A file system that records its calls and goes wrong on demand, around any other.
 *
 * @module
 */
import {
  invalid,
  invalidChoice,
  requireChoice,
  requireCount,
  requireOptions,
} from "../arguments.ts";
import {
  type Directory,
  type FileHandle,
  type FileMapping,
  type FileSystem,
  FileSystemError,
  type FileSystemErrorCode,
  type Guard,
  isFileSystemErrorCode,
  type OpenMode,
  type WriterLock,
} from "../fs/file_system.ts";
import { mapFile } from "../fs/mapped_file.ts";
import { nameOf } from "../fs/path.ts";
import { type Failing, failingOf } from "./crash_file_system.ts";

/**
 * The calls that are recorded and can go wrong. `"open"` finds a file and `"create"` makes one;
 * `"syncDirectory"` is every sync of a directory.
 *
 * @example
 * ```ts
 * import type { FileOperation } from "@durable/wal/testing";
 *
 * const operations: FileOperation[] = ["write", "syncData"];
 * ```
 */
export type FileOperation =
  | "open"
  | "create"
  | "read"
  | "write"
  | "truncate"
  | "syncData"
  | "syncDataBlocking"
  | "sync"
  | "syncBlocking"
  | "syncDirectory"
  | "makeDirectory"
  | "list"
  | "remove";

/**
 * Which calls of an operation go wrong.
 *
 * @example
 * ```ts
 * import type { FaultOptions } from "@durable/wal/testing";
 *
 * const third: FaultOptions = { after: 2 };
 * const everyLaterOneOfTheLog: FaultOptions = { name: "a.wal", times: Infinity };
 * ```
 */
export interface FaultOptions {
  /** Only calls for the file or directory of this name, without its directory. Default: any. */
  name?: string;
  /** How many such calls go well first. Default: 0. */
  after?: number;
  /** How many go wrong then. Default: 1. */
  times?: number;
}

const FAULT_OPTIONS: readonly (keyof FaultOptions)[] = ["name", "after", "times"];

const OPERATIONS: readonly FileOperation[] = [
  "open",
  "create",
  "read",
  "write",
  "truncate",
  "syncData",
  "syncDataBlocking",
  "sync",
  "syncBlocking",
  "syncDirectory",
  "makeDirectory",
  "list",
  "remove",
];

/** What goes wrong. */
type Effect =
  /** `isMade` unless the process has died before it could make the call. */
  | {
    readonly kind: "fail";
    readonly code: FileSystemErrorCode;
    readonly leaves: number;
    readonly isMade: boolean;
    readonly tells: "itself" | "others";
  }
  | { readonly kind: "lie" }
  | { readonly kind: "scramble" };

/** The calls that a disk takes its time for, off the event loop. */
type DelayedOperation = "syncData" | "sync" | "syncDirectory";

const DELAYED: readonly DelayedOperation[] = ["syncData", "sync", "syncDirectory"];

interface Delay {
  readonly operation: DelayedOperation;
  readonly name: string | undefined;
  readonly wait: () => Promise<unknown>;
}

interface Fault {
  readonly operation: FileOperation;
  readonly name: string | undefined;
  readonly effect: Effect;
  after: number;
  times: number;
}

/** The operations that change something: a process that dies at one of them leaves it undone. */
const READING: ReadonlySet<FileOperation> = new Set<FileOperation>(["open", "read", "list"]);

/**
 * Records every call, and lets chosen ones fail.
 *
 * @example A log whose second fdatasync fails
 * ```ts
 * import { assertEquals, assertRejects } from "@std/assert";
 * import { SyncFailedError, Wal } from "@durable/wal";
 * import { CrashFileSystem, FaultyFileSystem } from "@durable/wal/testing";
 *
 * const fileSystem = new FaultyFileSystem(new CrashFileSystem());
 * fileSystem.fail("syncData", "EIO", { after: 1 });
 *
 * const log = await Wal.open("a.wal", { fileSystem });
 * await log.appendAndSync(new Uint8Array([1]));
 * await assertRejects(() => log.appendAndSync(new Uint8Array([2])), SyncFailedError);
 * assertEquals(log.durableIndex, 1);
 * await log.close();
 * ```
 */
export class FaultyFileSystem implements FileSystem {
  /** Every call so far, as `"operation name"`. */
  readonly calls: string[] = [];
  readonly #under: FileSystem;
  readonly #faults: Fault[] = [];
  readonly #counts = new Map<FileOperation, number>();
  readonly #delays: Delay[] = [];
  /** How many more calls that change something go well before the process dies. */
  #callsLeft = Infinity;
  #lastLeaves = 0;

  /** Stands around another file system, which does the work. */
  constructor(under: FileSystem) {
    this.#under = under;
  }

  /**
   * Fails calls. A sync that fails around a `CrashFileSystem` does to the file what that is set to, when
   * it begins.
   *
   * @param leaves Of a write that fails: how many of its bytes are written all the same. Default: 0.
   * @param tells For a sync off the event loop around a `CrashFileSystem`, which tells an error
   * once: whether the sync that fails takes the error, or lets one take it that overlaps it, and
   * succeeds itself. In both cases those that overlap it end before it. Default: `"itself"`.
   */
  fail(
    operation: FileOperation,
    code: FileSystemErrorCode,
    options: FaultOptions & { leaves?: number; tells?: "itself" | "others" } = {},
  ): void {
    requireOptions("options", options, [...FAULT_OPTIONS, "leaves", "tells"]);
    const { leaves = 0, tells = "itself" } = options;
    requireCount("leaves", leaves);
    requireChoice("tells", tells, ["itself", "others"]);
    if (typeof code !== "string" || !isFileSystemErrorCode(code)) {
      throw invalidChoice("code", "one of a FileSystemError's", code);
    }
    this.#add(operation, { kind: "fail", code, leaves, isMade: true, tells }, options);
  }

  /** Lets calls report success without doing anything, as a disk does that ignores flushes. */
  lie(
    operation: Exclude<FileOperation, "open" | "create" | "read" | "list">,
    options: FaultOptions = {},
  ): void {
    requireOptions("options", options, FAULT_OPTIONS);
    this.#add(operation, { kind: "lie" }, options);
  }

  /** Lets writes write other bytes than they were given. */
  scramble(options: FaultOptions = {}): void {
    requireOptions("options", options, FAULT_OPTIONS);
    this.#add("write", { kind: "scramble" }, options);
  }

  /**
   * Lets all later calls wait before they do their work, or fail: a slow disk. Of several that fit a
   * call, the last one counts.
   *
   * @param wait Is called with each of them; the call waits for what it returns.
   * @param options `name`: only calls for the file or directory of this name. Default: any.
   */
  delay(
    operation: "syncData" | "sync" | "syncDirectory",
    wait: () => Promise<unknown>,
    options: Pick<FaultOptions, "name"> = {},
  ): void {
    requireChoice("operation", operation ?? "", DELAYED);
    if (typeof wait !== "function") throw invalid("wait", "a function", wait);
    requireOptions("options", options, ["name"]);
    const { name } = options;
    requireName(name);
    this.#delays.push({ operation, name, wait });
  }

  /**
   * Lets the process die: after some more calls that change something or sync, one more is not made,
   * and no later one of any {@linkcode FileOperation}.
   *
   * @param leaves If that call is a write: how many of its bytes are written. Default: 0.
   */
  stopAfter(calls: number, leaves: number = 0): void {
    this.#callsLeft = calls;
    this.#lastLeaves = leaves;
  }

  /** Whether the process has died. */
  get stopped(): boolean {
    return this.#callsLeft < 0;
  }

  /** The number of calls of an operation so far. */
  count(operation: FileOperation): number {
    return this.#counts.get(operation) ?? 0;
  }

  #add(
    operation: FileOperation,
    effect: Effect,
    { name, after = 0, times = 1 }: FaultOptions,
  ): void {
    requireChoice("operation", operation, OPERATIONS);
    requireName(name);
    requireCount("after", after);
    requireCount("times", times);
    this.#faults.push({ operation, name, effect, after, times });
  }

  /** Records a call; what goes wrong with it, if anything. */
  #record(operation: FileOperation, path: string): Effect | undefined {
    const name = nameOf(path);
    this.calls.push(`${operation} ${name}`);
    this.#counts.set(operation, this.count(operation) + 1);
    if (this.stopped || (!READING.has(operation) && --this.#callsLeft < 0)) {
      const leaves = this.#lastLeaves;
      this.#lastLeaves = 0;
      return { kind: "fail", code: "EIO", leaves, isMade: false, tells: "itself" };
    }
    const faults = this.#faults.filter((fault) =>
      fault.operation === operation && fault.times > 0 && (fault.name ?? name) === name
    );
    const due = faults.find(({ after }) => after === 0);
    if (due !== undefined) due.times--;
    else for (const fault of faults) fault.after--;
    return due?.effect;
  }

  /** Makes a call that nothing is left of if it fails. */
  #make<T>(operation: FileOperation, path: string, call: () => T): T | undefined {
    const effect = this.#record(operation, path);
    if (effect?.kind === "fail") throw new FileSystemError(effect.code, operation, path);
    return effect?.kind === "lie" ? undefined : call();
  }

  /** A store, in which the process may die, and which cannot fail in another way. */
  #store(
    path: string,
    mapping: FileMapping,
    data: Uint8Array,
    offset: number,
    length: number,
  ): boolean {
    this.calls.push(`store ${nameOf(path)}`);
    if (!this.stopped && --this.#callsLeft >= 0) return mapping.store(data, offset, length);
    mapping.store(data, offset, Math.min(this.#lastLeaves, length));
    this.#lastLeaves = 0;
    throw new FileSystemError("EIO", "store", path);
  }

  #delayOf(operation: DelayedOperation, path: string): Delay | undefined {
    const own = nameOf(path);
    return this.#delays.findLast((delay) =>
      delay.operation === operation && (delay.name ?? own) === own
    );
  }

  /** A sync off the event loop. */
  async #syncLater(
    operation: DelayedOperation,
    path: string,
    under: FileHandle | Directory,
    call: () => Promise<void>,
  ): Promise<void> {
    const effect = this.#record(operation, path);
    const failing = effect?.kind === "fail" && effect.isMade ? failSync(under) : undefined;
    const tells = effect?.kind === "fail" ? effect.tells : undefined;
    if (tells === "itself") failing?.reportError();
    await this.#delayOf(operation, path)?.wait();
    if (effect?.kind === "lie") return;
    // Syncs that overlap end before it.
    if (failing !== undefined) await othersEnd();
    const isReported = tells === "itself" || failing?.reportError() !== false;
    if (effect?.kind !== "fail" || !isReported) return await call();
    throw new FileSystemError(effect.code, operation, path);
  }

  /** A sync while the caller waits. */
  #syncAtOnce(
    operation: "syncDataBlocking" | "syncBlocking" | "syncDirectory",
    path: string,
    under: FileHandle | Directory,
    call: () => void,
  ): void {
    const effect = this.#record(operation, path);
    if (effect?.kind === "lie") return;
    if (effect?.kind !== "fail") return call();
    if (effect.isMade) failSync(under)?.reportError();
    throw new FileSystemError(effect.code, operation, path);
  }

  /** Opens a file. */
  open(path: string, mode: OpenMode, permissions?: number): FileHandle {
    const operation = mode === "create" ? "create" : "open";
    const effect = this.#record(operation, path);
    if (effect?.kind === "fail") throw new FileSystemError(effect.code, operation, path);
    const file = this.#under.open(path, mode, permissions);
    return {
      read: (into, offset, length) =>
        this.#make("read", path, () => file.read(into, offset, length)) ?? 0,
      write: (data, offset, length = data.length) => {
        const effect = this.#record("write", path);
        switch (effect?.kind) {
          case undefined:
            return file.write(data, offset, length);
          case "scramble":
            return file.write(data.slice(0, length).map((byte) => byte ^ 0xa5), offset);
          case "fail":
            file.write(data, offset, Math.min(effect.leaves, length));
            throw new FileSystemError(effect.code, "write", path);
        }
      },
      map: (offset, size, access) => {
        const mapping = mapFile(file, offset, size, access);
        if (typeof mapping === "string") return mapping;
        return {
          get size(): number {
            return mapping.size;
          },
          read: (into, at, length) => mapping.read(into, at, length),
          store: (data, at, length) =>
            at >= offset && at + length <= offset + mapping.size &&
            this.#store(path, mapping, data, at, length),
          unmap: () => mapping.unmap(),
        };
      },
      size: () => file.size(),
      identity: () => file.identity(),
      truncate: (size) => void this.#make("truncate", path, () => file.truncate(size)),
      syncData: () => this.#syncLater("syncData", path, file, () => file.syncData()),
      sync: () => this.#syncLater("sync", path, file, () => file.sync()),
      syncDataBlocking: () =>
        this.#syncAtOnce("syncDataBlocking", path, file, () => file.syncDataBlocking()),
      syncBlocking: () => this.#syncAtOnce("syncBlocking", path, file, () => file.syncBlocking()),
      close: () => file.close(),
    };
  }

  /** The names in a directory. */
  list(directory: string): string[] {
    return this.#make("list", directory, () => this.#under.list(directory)) ?? [];
  }

  /** Which file or directory a name leads to. */
  identify(path: string): string | undefined {
    return this.#under.identify(path);
  }

  /** When a file was last written or cut, if the file system below can tell. */
  modified(path: string): number | undefined {
    return this.#under.modified?.(path);
  }

  /** The one path of a file or directory. */
  realPath(path: string): string {
    return this.#under.realPath(path);
  }

  /** Removes a file. */
  remove(path: string): void {
    this.#make("remove", path, () => this.#under.remove(path));
  }

  /** Makes a directory. */
  makeDirectory(path: string, permissions: number): void {
    this.#make("makeDirectory", path, () => this.#under.makeDirectory(path, permissions));
  }

  /** Opens a directory to be synced. */
  openDirectory(path: string): Directory {
    const directory = this.#under.openDirectory(path);
    return {
      sync: () => this.#syncLater("syncDirectory", path, directory, () => directory.sync()),
      syncBlocking: () =>
        this.#syncAtOnce("syncDirectory", path, directory, () => directory.syncBlocking()),
      close: () => directory.close(),
    };
  }

  /** Makes the names in a directory durable. */
  async syncDirectory(path: string): Promise<void> {
    const directory = this.openDirectory(path);
    await directory.sync().finally(() => directory.close());
  }

  /** Takes a lock. */
  lock(path: string, permissions: number): Promise<WriterLock> {
    return this.#under.lock(path, permissions);
  }

  /** Takes the lock on a file itself. */
  guard(path: string): Guard | Promise<Guard> {
    return this.#under.guard(path);
  }
}

/** Refuses what is no name of a file; `undefined` is for any. */
function requireName(name: unknown): void {
  if (name !== undefined && typeof name !== "string") throw invalid("name", "a string", name);
}

/** Resolves after what has nothing more to wait for. */
async function othersEnd(): Promise<void> {
  for (let turns = 0; turns < 8; turns++) await Promise.resolve();
}

/** Lets a sync fail, where the file system below knows what that does. */
function failSync(under: FileHandle | Directory): Failing | undefined {
  const failing = failingOf(under);
  failing?.failSync();
  return failing;
}
