/**
 * The log as its user sees it.
 *
 * @module
 */
import { Account } from "./reader/account.ts";
import {
  invalid,
  isArray,
  isSignal,
  kindOf,
  noEntry,
  RANGE,
  requireOptions,
  requirePath,
} from "./arguments.ts";
import { copyOf, isBytes } from "./bytes.ts";
import { clock, pause, type Timer } from "./fs/clock.ts";
import { GroupCommit } from "./writer/commit.ts";
import { EntryCursor, type EntryMemory, type ShownEntries } from "./files/entry_cursor.ts";
import type { Entry, EntryRange, EntryView } from "./entry.ts";
import { type EndError, isEnd, MovedError, outcomeUnknown, reasonOf, WalError } from "./errors.ts";
import {
  Changes,
  Follower,
  type FollowOptions,
  type FollowSource,
  Patience,
} from "./reader/follow.ts";
import { runtimeFileSystem } from "./fs/runtime.ts";
import {
  type FileSystem,
  FileSystemError,
  isFileSystemError,
  type Lock,
} from "./fs/file_system.ts";
import type { Guards } from "./files/guards.ts";
import { locateLog, type OpenedLog, openLog, type Recovery } from "./opening/open.ts";
import { type ResolvedOptions, resolveOptions, type WalOptions } from "./options.ts";
import { FRAME_HEADER_SIZE } from "./format/frame.ts";
import { MAX_INDEX } from "./format/limits.ts";
import { MAX_STATE_SIZE } from "./format/meta_slot.ts";
import { type Call, Lifecycle } from "./writer/lifecycle.ts";
import type { MetaFile } from "./files/meta.ts";
import type { LogDirectory } from "./fs/log_directory.ts";
import { Reader } from "./reader/reader.ts";
import type { Segment, SegmentCounters } from "./segment/segment.ts";
import type { Segments } from "./files/segments.ts";
import { payloadsOf, StagedEntries, type StagedEntry } from "./writer/staged_entries.ts";
import { Tailer } from "./reader/tailer.ts";
import type { View } from "./reader/view.ts";

/**
 * How many bytes are appended without a sync before one is begun unasked, so that a roll, which waits
 * for the disk, never has much to wait for.
 */
const WRITE_BEHIND = 8 * 1024 * 1024;

const FOLLOW_OPTIONS: readonly (keyof FollowOptions)[] = ["from", "signal", "durable"];

/** How often a reader reads all anew because the writer replaces what it has read. */
const MAX_TRIES = 8;

/** When a follower tries again what it could not read, in milliseconds. */
const RETRY_MS = 25;

/** How long the log is idle after a sync before the file is told of it, in milliseconds, or half as long again. */
const IDLE_MS = 100;

/**
 * The indexes that a batch got.
 *
 * @example
 * ```ts
 * import type { BatchRange } from "@durable/wal";
 *
 * const range: BatchRange = { firstIndex: 1, lastIndex: 3 };
 * ```
 */
export interface BatchRange {
  /** The index of the batch's first entry. */
  readonly firstIndex: number;
  /** The index of its last. */
  readonly lastIndex: number;
}

/**
 * What a log has done since it was opened.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Wal, type WalStats } from "@durable/wal";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 *
 * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
 * log.append(new Uint8Array([1, 2, 3]));
 * const stats: WalStats = log.stats();
 * assertEquals(stats.appends, 1);
 * await log.close();
 * ```
 */
export interface WalStats {
  /** Entries appended. */
  readonly appends: number;
  /** Bytes of those entries, without their frames. */
  readonly bytesAppended: number;
  /** Calls that wrote to the file. */
  readonly writes: number;
  /** Calls that waited for the disk. */
  readonly syncs: number;
  /** The files that the log has now. */
  readonly segments: number;
  /** Full segments whose Seal failed its check and was made anew by a scan. */
  readonly rebuiltSeals: readonly string[];
  /**
   * What holds the writer's lock: the kernel, or only a checked record of the process where the
   * kernel's lock is out of reach; `undefined` for a log that is only read.
   */
  readonly lock: "kernel" | "record" | undefined;
}

/**
 * A write-ahead log: entries, numbered from 1, that are appended, made durable, and read back after
 * a crash.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Wal } from "@durable/wal";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 *
 * const text = new TextEncoder();
 * const log = await Wal.open("data/server.wal", { fileSystem: new MemoryFileSystem() });
 *
 * const index = await log.appendAndSync(text.encode("hello")); // survives a power cut
 * assertEquals(index, 1);
 * assertEquals(log.getEntry(1), text.encode("hello"));
 * for (const entry of log.entries({ from: 1 })) console.log(entry.index, entry.data);
 *
 * await log.close();
 * ```
 */
export class Wal {
  readonly #path: string;
  readonly #fileSystem: FileSystem;
  readonly #options: ResolvedOptions;
  readonly #directory: LogDirectory;
  /** In a reader these are those of its view. */
  #segments: Segments;
  #meta: MetaFile;
  /** In a reader: what it knows of the files. */
  readonly #reader: Reader | undefined;
  readonly #counters: SegmentCounters;
  readonly #lock: Lock | undefined;
  readonly #guards: Guards;
  readonly #commit: GroupCommit;
  readonly #recovery: Recovery;
  #appends = 0;
  #bytesAppended = 0;
  readonly #lifecycle: Lifecycle<EndError>;
  /** Wakes followers. */
  readonly #changes = new Changes();
  /** How far back each follower in this process has to go. */
  readonly #followers = new Set<{ rewind: number }>();
  /** Entries of callers that wait for a sync. */
  readonly #staged = new StagedEntries();
  #writeBehind: Promise<void> | undefined;
  #idleTimer: Timer | undefined;
  /** Whether there was no sync since the idle timer was set. */
  #isQuiet = false;

  private constructor(
    path: string,
    fileSystem: FileSystem,
    options: ResolvedOptions,
    opened: OpenedLog,
  ) {
    this.#path = path;
    this.#fileSystem = fileSystem;
    this.#options = options;
    this.#segments = opened.segments;
    this.#meta = opened.meta;
    this.#directory = opened.directory;
    this.#counters = opened.counters;
    this.#lock = opened.lock;
    this.#guards = opened.guards;
    this.#lifecycle = new Lifecycle(path, options.readOnly, () => this.#changes.notify());
    this.#guards.whenLost((error) => this.#ended(error));
    this.#recovery = opened.recovery;
    if (options.readOnly) {
      this.#reader = new Reader(fileSystem, path, options, opened, (view) => this.#show(view));
    } else {
      this.#tellWhenIdle();
    }
    this.#commit = new GroupCommit(() => this.#syncOnce());
  }

  /**
   * Opens the log at `path`, or makes it, with the directories that lead to it. A file that Go-WAL
   * wrote is opened like any other, and goes on as one.
   *
   * Durability at return: every entry that the log then has.
   *
   * @param path The path of the log's first file; of a URL, what `fileURLToPath` of `node:url` returns.
   * @param options See {@linkcode WalOptions}.
   * @throws {LockedError} `ERR_WAL_LOCKED`: another writer has the log open.
   * @throws {CorruptionError} `ERR_WAL_CORRUPT`: acknowledged data is damaged.
   * @throws {WalError} `ERR_WAL_FORMAT`: not a log, or one of a later version.
   * `ERR_WAL_ENTRY_TOO_LARGE`: it holds an entry above `maxEntrySize`. `ERR_WAL_PERMISSION`,
   * `ERR_WAL_NOT_A_FILE`, `ERR_WAL_NOT_FOUND` (only with `readOnly`) and `ERR_WAL_IO`: what the
   * system said. `ERR_WAL_INVALID_ARGUMENT`: a path or an option that makes no sense.
   *
   * @example
   * ```ts
   * import { Wal } from "@durable/wal";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem(), format: 1 });
   * await log.close();
   * ```
   */
  static async open(path: string, options: WalOptions = {}): Promise<Wal> {
    requirePath(path);
    const resolved = resolveOptions(options);
    const fileSystem = options.fileSystem ?? await runtimeFileSystem();
    const real = locateLog(fileSystem, path, !resolved.readOnly);
    return new Wal(real, fileSystem, resolved, await openLog(fileSystem, real, resolved));
  }

  /**
   * The path of the log's first file: absolute and without links, as it was when the log was opened.
   * All names of the log's files, and those in errors, are taken from it.
   */
  get path(): string {
    return this.#path;
  }

  /** The index of the first entry; one above {@linkcode lastIndex} if there is none. */
  get firstIndex(): number {
    return Math.max(this.#meta.current?.headIndex ?? 1, this.#segments.firstIndex);
  }

  /**
   * The index of the last entry; one below {@linkcode firstIndex} if there is none. An entry whose
   * {@linkcode appendAndSync} waits for its group has no index until it is written, and no call that
   * only looks shows it before.
   */
  get lastIndex(): number {
    // Between the two halves of a reset that failed, the head is beyond what is left.
    return Math.max(this.#segments.lastIndex, this.firstIndex - 1);
  }

  /** The last index that a finished sync covers. It never runs ahead of the disk. */
  get durableIndex(): number {
    return Math.max(this.#segments.durableIndex, this.firstIndex - 1);
  }

  /** The size of the log in bytes, frames and headers included. */
  get byteLength(): number {
    return this.#segments.byteLength;
  }

  /** What open found at the end of the log and did about it. */
  get recovery(): Recovery {
    return this.#recovery;
  }

  /** What the log has done since it was opened. */
  stats(): WalStats {
    return {
      appends: this.#appends,
      bytesAppended: this.#bytesAppended,
      ...this.#counters,
      segments: this.#segments.count,
      rebuiltSeals: this.#segments.rebuiltSeals,
      lock: this.#lock?.kind,
    };
  }

  /**
   * Appends an entry.
   *
   * Durability at return: the bytes are in the page cache, behind all that were appended before.
   * They survive the death of the process, and a power cut only after a sync.
   *
   * @param data The entry; it is copied before the call returns. May be empty.
   * @returns The entry's index.
   * @throws {WalError} `ERR_WAL_INVALID_ARGUMENT`: `data` is no `Uint8Array`, or was detached.
   * `ERR_WAL_ENTRY_TOO_LARGE`: it is above `maxEntrySize`. `ERR_WAL_WRITE_FAILED`: the system could
   * not write (a full disk); the log is as before and can be appended to again. `ERR_WAL_BUSY`: a
   * truncation has not resolved yet. `ERR_WAL_SYNC_FAILED`, `ERR_WAL_MOVED`: the handle has
   * ended. `ERR_WAL_READ_ONLY`, `ERR_WAL_CLOSED`.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Wal } from "@durable/wal";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
   * assertEquals(log.append(new Uint8Array([1])), 1);
   * assertEquals(log.append(new Uint8Array([2])), 2);
   * await log.sync(); // now both survive a power cut
   * await log.close();
   * ```
   */
  append(data: Uint8Array): number {
    this.#requireEntry(data);
    this.#begin("append");
    this.#append(data);
    return this.#segments.lastIndex;
  }

  /**
   * Appends entries as one atom, with one write: after any crash all of them are there or none.
   *
   * Durability at return: as {@linkcode append}.
   *
   * @param entries At least one entry; they are copied before the call returns.
   * @returns The indexes of the first and the last of them.
   * @throws {WalError} As {@linkcode append}, and `ERR_WAL_BATCH_TOO_LARGE`: they fit no segment.
   * Nothing was written. `ERR_WAL_FORMAT`: format 1 has no batches.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Wal } from "@durable/wal";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
   * const debit = new Uint8Array([1]);
   * const credit = new Uint8Array([2]);
   * assertEquals(log.appendBatch([debit, credit]), { firstIndex: 1, lastIndex: 2 });
   * await log.close();
   * ```
   */
  appendBatch(entries: readonly Uint8Array[]): BatchRange {
    const batch = this.#readBatch(entries);
    this.#begin("appendBatch");
    const [only] = batch;
    if (only !== undefined && batch.length === 1) this.#append(only);
    else this.#appendBatch(batch);
    return { firstIndex: this.lastIndex - batch.length + 1, lastIndex: this.lastIndex };
  }

  /** The entries of a batch, each read once: an array may answer otherwise the next time. */
  #readBatch(entries: readonly Uint8Array[]): Uint8Array[] {
    const batch: Uint8Array[] = [];
    if (isArray(entries)) {
      for (const data of entries) {
        this.#requireEntry(data);
        batch.push(data);
      }
    }
    if (batch.length === 0) throw invalid("batch", "an array of at least one Uint8Array", entries);
    // To read one may have detached another.
    for (const data of batch) this.#requireEntry(data);
    return batch;
  }

  /** Refuses a call that cannot be made now, and writes what was staged before it. */
  #begin(call: Call): void {
    this.#lifecycle.admit(call);
    if (this.#staged.isEmpty) return;
    this.#writeStaged();
    // What was written may have ended the handle.
    this.#lifecycle.requireNotEnded();
  }

  #append(data: Uint8Array): void {
    try {
      this.#segments.append(data);
    } catch (error) {
      throw this.#failed(error);
    }
    this.#appended(1, data.length);
  }

  #appendBatch(entries: readonly Uint8Array[]): void {
    try {
      this.#segments.appendBatch(entries);
    } catch (error) {
      throw this.#failed(error);
    }
    this.#appended(entries.length, entries.reduce((sum, data) => sum + data.length, 0));
  }

  /** Writes the entries that wait for a sync, with one write if it can be. */
  #writeStaged(): void {
    if (this.#staged.isEmpty) return;
    const group = this.#staged.take();
    const { frames, entries } = group;
    if (entries.length > 1 && this.#appendFrames(frames, entries)) return;
    // One by one, so that each that can be written is.
    const payloads = payloadsOf(frames);
    for (const entry of entries) {
      const { value: data } = payloads.next();
      try {
        this.#lifecycle.requireNotEnded();
        this.#append(data ?? new Uint8Array(0));
        entry.index = this.#segments.lastIndex;
      } catch (error) {
        entry.error = error;
      }
    }
  }

  /** Writes entries together; false if they do not fit, or it could not be done. */
  #appendFrames(frames: Uint8Array, entries: readonly StagedEntry[]): boolean {
    if (this.#lifecycle.hasEnded) return false;
    try {
      if (!this.#segments.appendFrames(frames, entries.length)) return false;
    } catch (error) {
      this.#failed(error);
      return false;
    }
    let index = this.#segments.lastIndex - entries.length;
    for (const entry of entries) entry.index = ++index;
    this.#appended(entries.length, frames.length - entries.length * FRAME_HEADER_SIZE);
    return true;
  }

  #appended(count: number, bytes: number): void {
    this.#appends += count;
    this.#bytesAppended += bytes;
    if (this.#segments.active.unsyncedBytes > WRITE_BEHIND) {
      this.#writeBehind ??= this.#syncBehind();
    }
    this.#changes.notify();
    if (this.#idleTimer === undefined) this.#waitForIdle();
  }

  /**
   * Makes every entry durable that was appended before the call.
   *
   * Durability at return: an fdatasync that began after those entries were written has succeeded.
   * Callers share one: who calls while one is running joins the next. The event loop goes on.
   *
   * @throws {SyncFailedError} `ERR_WAL_SYNC_FAILED`: the outcome is unknown and the handle has ended.
   * @throws {MovedError} `ERR_WAL_MOVED`: the files were moved, and the handle has ended.
   * @throws {WalError} `ERR_WAL_READ_ONLY`, `ERR_WAL_CLOSED`.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Wal } from "@durable/wal";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
   * log.append(new Uint8Array([1]));
   * assertEquals(log.durableIndex, 0);
   * await log.sync();
   * assertEquals(log.durableIndex, 1);
   * await log.close();
   * ```
   */
  async sync(): Promise<void> {
    this.#lifecycle.admit("sync");
    this.#writeStaged();
    // A truncation that runs syncs whatever it leaves.
    await this.#lifecycle.rewritten;
    this.#lifecycle.requireNotEnded();
    if (this.#segments.isSettled) this.#tellWhenIdle();
    else await this.#commit.join();
  }

  /**
   * The same while the caller waits, and the event loop with it, for one fdatasync: for scripts, and
   * programs that have nothing else to do. It spares the changes of thread that
   * {@linkcode sync} needs to keep the event loop going, which take a third of the time.
   *
   * Durability at return: every entry that was appended before the call.
   *
   * @throws {WalError} `ERR_WAL_BUSY`: a truncation or reset has not resolved yet.
   * `ERR_WAL_READ_ONLY`, `ERR_WAL_CLOSED`.
   * @throws {SyncFailedError} `ERR_WAL_SYNC_FAILED`: the outcome is unknown and the handle has ended.
   * @throws {MovedError} `ERR_WAL_MOVED`: the files were moved, and the handle has ended.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Wal } from "@durable/wal";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
   * const index = log.append(new Uint8Array([1]));
   * log.syncBlocking();
   * assertEquals(log.durableIndex, index);
   * await log.close();
   * ```
   */
  syncBlocking(): void {
    this.#begin("syncBlocking");
    const { active } = this.#segments;
    if (active.isDurable) this.#tellWhenIdle();
    else this.#syncAtOnce(active);
  }

  /**
   * Appends an entry and makes it durable; many at once share a sync.
   *
   * Durability at return: as {@linkcode sync}.
   *
   * @param data The entry; it is copied before the call returns, or, during a truncation, once that
   * has resolved. May be empty.
   * @returns The entry's index.
   * @throws As {@linkcode append} and {@linkcode sync}.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Wal } from "@durable/wal";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
   * const indexes = await Promise.all([1, 2, 3].map((n) => log.appendAndSync(new Uint8Array([n]))));
   * assertEquals(indexes, [1, 2, 3]);
   * assertEquals(log.durableIndex, 3);
   * await log.close();
   * ```
   */
  async appendAndSync(data: Uint8Array): Promise<number> {
    while (this.#lifecycle.rewritten !== undefined) await this.#lifecycle.rewritten;
    this.#requireEntry(data);
    this.#lifecycle.admit("appendAndSync");
    const entry = this.#stage(data);
    await this.#commit.join();
    if (entry.error !== undefined) throw entry.error;
    return entry.index;
  }

  /** Lets an entry be written right before the next sync. */
  #stage(data: Uint8Array): StagedEntry {
    if (!this.#staged.hasRoom(data)) this.#writeStaged();
    if (this.#staged.hasRoom(data)) return this.#staged.stage(data);
    this.#lifecycle.requireNotEnded();
    this.#append(data);
    return { index: this.#segments.lastIndex, error: undefined };
  }

  /**
   * Appends entries as one atom and makes them durable.
   *
   * Durability at return: as {@linkcode sync}.
   *
   * @param entries At least one entry; copied as in {@linkcode appendAndSync}.
   * @returns The indexes of the first and the last of them.
   * @throws As {@linkcode appendBatch} and {@linkcode sync}.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Wal } from "@durable/wal";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
   * const { lastIndex } = await log.appendBatchAndSync([new Uint8Array([1]), new Uint8Array([2])]);
   * assertEquals(log.durableIndex, lastIndex);
   * await log.close();
   * ```
   */
  async appendBatchAndSync(entries: readonly Uint8Array[]): Promise<BatchRange> {
    while (this.#lifecycle.rewritten !== undefined) await this.#lifecycle.rewritten;
    const range = this.appendBatch(entries);
    await this.#commit.join();
    return range;
  }

  /**
   * Reads one entry: one positional read, whatever the index.
   *
   * @param index The entry's index.
   * @returns The entry; the caller's own copy. It may share its `ArrayBuffer` with other entries, so
   * use its `byteOffset`, and transfer a `slice()` of it.
   * @throws {WalError} `ERR_WAL_INDEX_OUT_OF_RANGE`: no such entry. `ERR_WAL_CLOSED`. `ERR_WAL_IO`.
   * @throws {CorruptionError} `ERR_WAL_CORRUPT`: the entry fails its checksum.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Wal } from "@durable/wal";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
   * log.append(new Uint8Array([7]));
   * assertEquals(log.getEntry(1), new Uint8Array([7]));
   * await log.close();
   * ```
   */
  getEntry(index: number): Uint8Array {
    this.#lifecycle.admit("getEntry");
    this.#requireIndex(index);
    try {
      return this.#reader === undefined
        ? this.#segments.read(index)
        : this.#reader.read(() => this.#read(index));
    } catch (error) {
      throw this.#readFailed(error);
    }
  }

  /** In a reader: reads an entry of the view, which may have changed. */
  #read(index: number): Uint8Array {
    this.#requireIndex(index);
    return this.#segments.read(index);
  }

  /**
   * In a handle that only reads: shows the log as it is now, with what the writer has appended,
   * dropped and stored since it was opened or last refreshed. A handle that writes is up to date
   * always, and this does nothing there.
   *
   * A follower refreshes its handle too, and so does a read that finds an entry changed.
   *
   * Durability at return: nothing new; {@linkcode durableIndex} tells what the files say.
   *
   * @throws {WalError} `ERR_WAL_CLOSED`, and as {@linkcode Wal.open}: the handle shows what it did
   * before.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Wal } from "@durable/wal";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const fileSystem = new MemoryFileSystem();
   * const log = await Wal.open("a.wal", { fileSystem });
   * const reader = await Wal.open("a.wal", { fileSystem, readOnly: true });
   * log.append(new Uint8Array([1]));
   * assertEquals(reader.lastIndex, 0);
   * await reader.refresh();
   * assertEquals(reader.getEntry(1), new Uint8Array([1]));
   * await reader.close();
   * await log.close();
   * ```
   */
  async refresh(): Promise<void> {
    this.#lifecycle.admit("refresh");
    await this.#reader?.look();
    this.#lifecycle.admit("refresh");
  }

  /** Takes another view of the files for what the log has. */
  #show({ segments, meta }: View): void {
    this.#segments = segments;
    this.#meta = meta;
    this.#lifecycle.advanceEpoch();
  }

  /**
   * Reads all entries into memory; for a large log use {@linkcode entries}.
   *
   * @throws As {@linkcode entries}.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Wal } from "@durable/wal";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
   * log.append(new Uint8Array([1]));
   * log.append(new Uint8Array([2]));
   * assertEquals(log.readAll(), [new Uint8Array([1]), new Uint8Array([2])]);
   * await log.close();
   * ```
   */
  readAll(): Uint8Array[] {
    const { firstIndex } = this;
    for (let tries = 1;; tries++) {
      const entries: Uint8Array[] = [];
      const { cursor, to } = this.#cursor({}, "copies");
      // In a reader the writer may drop or replace entries meanwhile; all are to be of one moment.
      try {
        while (this.#advance(cursor, to)) entries.push(cursor.data);
        this.#requireFirst(firstIndex);
        return entries;
      } catch (error) {
        const isOvertaken = this.#reader !== undefined && error instanceof WalError &&
          error.code === "ERR_WAL_INDEX_OUT_OF_RANGE";
        if (!isOvertaken) throw error;
        this.#requireFirst(firstIndex);
        if (tries === MAX_TRIES) throw error;
      }
    }
  }

  /** Refuses to return entries without their indexes from another first index than the caller saw. */
  #requireFirst(firstIndex: number): void {
    if (firstIndex === this.firstIndex) return;
    throw new WalError(
      "ERR_WAL_INDEX_OUT_OF_RANGE",
      `The first index of "${this.#path}" was ${firstIndex} before the call and is ` +
        `${this.firstIndex} now: read again.`,
    );
  }

  /**
   * Reads entries in order, a large chunk of the file at a time, as the loop asks for them. Entries
   * that are appended meanwhile are not among them; if a truncation drops some, the loop ends there.
   *
   * @param range Which entries; by default all.
   * @throws {WalError} `ERR_WAL_INDEX_OUT_OF_RANGE`: `from` is below {@linkcode firstIndex} or more
   * than one above {@linkcode lastIndex}, or `to` is above {@linkcode lastIndex}. `ERR_WAL_CLOSED`.
   * `ERR_WAL_IO`. `ERR_WAL_INVALID_ARGUMENT`: the range is no object, or has another name in it.
   * @throws {CorruptionError} `ERR_WAL_CORRUPT`: an entry fails its checksum.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Wal } from "@durable/wal";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
   * for (const n of [1, 2, 3]) log.append(new Uint8Array([n]));
   * const indexes = Array.from(log.entries({ from: 2 }), (entry) => entry.index);
   * assertEquals(indexes, [2, 3]);
   * await log.close();
   * ```
   */
  entries(range: EntryRange = {}): Generator<Entry, void, undefined> {
    const { cursor, to } = this.#cursor(range, "copies");
    return this.#entries(cursor, to);
  }

  /**
   * Shows each entry to a function, in order: the fastest way to read many, since it takes neither
   * memory nor a copy for each. What is appended meanwhile is not read; if a truncation drops some, it
   * ends there.
   *
   * @param visit Is called with each entry. **The view and its bytes are the log's own and are used
   * again for the next**: copy what is to be kept (`entry.data.slice()`). A promise that it returns is
   * not waited for.
   * @param range Which entries; by default all.
   * @throws As {@linkcode entries}, and what `visit` throws, which ends the reading.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Wal } from "@durable/wal";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
   * for (const n of [1, 2, 3]) log.append(new Uint8Array([n]));
   * let sum = 0;
   * log.replay(({ index, bytes, start }) => sum += index * (bytes[start] ?? 0));
   * assertEquals(sum, 14);
   * await log.close();
   * ```
   */
  replay(visit: (entry: EntryView) => void, range: EntryRange = {}): void {
    if (typeof visit !== "function") throw invalid("visit", "a function", visit);
    const { cursor, to } = this.#cursor(range, "views");
    while (this.#advance(cursor, to)) visit(cursor);
  }

  /** Begins to read the entries of a range. */
  #cursor(range: EntryRange, memory: EntryMemory): { cursor: EntryCursor; to: number } {
    this.#lifecycle.admit("entries");
    requireOptions("range", range, RANGE);
    const { from = this.firstIndex, to = this.lastIndex } = range;
    if (from !== this.lastIndex + 1) this.#requireIndex(from);
    if (to !== from - 1) this.#requireIndex(to);
    const cursor = new EntryCursor((index) => this.#segments.entriesAt(index), from, to, memory);
    if (this.#reader !== undefined) cursor.account = new Account(this.#reader.view);
    return { cursor, to };
  }

  /** Goes to the next entry, if the log still has it. */
  #advance(cursor: EntryCursor, to: number): boolean {
    try {
      if (cursor.account !== undefined) return this.#advanceIn(cursor, to);
      if (cursor.epoch !== this.#lifecycle.epoch) this.#requireNext(cursor, to);
      return cursor.advance();
    } catch (error) {
      throw this.#readFailed(error);
    }
  }

  /** The same in a reader, where the writer may have changed what is read. */
  #advanceIn(cursor: EntryCursor, to: number): boolean {
    const { account } = cursor;
    const isRead = cursor.epoch === this.#lifecycle.epoch && cursor.hasMore;
    const isThere = isRead ? cursor.advance() : this.#reader?.read(() => {
      if (cursor.epoch !== this.#lifecycle.epoch) this.#requireNext(cursor, to);
      return cursor.advance();
    }) === true;
    if (isThere) account?.note(cursor.index, cursor.checksum);
    return isThere;
  }

  /**
   * Yields entries as they come, those that are there first; waits for more until the loop is left,
   * the signal is aborted or the log is closed. Works beside the writer and in a reader
   * (`readOnly`), also of another process, across rolls. Entries that replace what a truncation
   * dropped from the tail are yielded anew, from the truncation's index on.
   *
   * It keeps the process alive while a call of `next` waits. `return` ends it at once, also such a
   * call, and so does an abort, with the signal's `reason`.
   *
   * @param options From where, until when, and whether to wait for the disk.
   * @throws {WalError} `ERR_WAL_INDEX_OUT_OF_RANGE`: `from` is no index of the log or right behind
   * it, or a head truncation has overtaken the loop; the message names the new first index.
   * `ERR_WAL_CLOSED`: the log was closed before the call. `ERR_WAL_INVALID_ARGUMENT`: an option with
   * an unknown name or a value of the wrong kind. `ERR_WAL_IO`: what could not be read for ten
   * seconds. In a reader `ERR_WAL_NOT_FOUND`: the log was not there for a second.
   * @throws {CorruptionError} `ERR_WAL_CORRUPT`: an entry fails its checksum, in a reader for a second.
   * @throws {SyncFailedError} `ERR_WAL_SYNC_FAILED`: the handle has ended.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Wal } from "@durable/wal";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
   * setTimeout(() => log.appendAndSync(new Uint8Array([7])), 10);
   * for await (const { index, data } of log.follow()) {
   *   assertEquals([index, ...data], [1, 7]);
   *   break;
   * }
   * await log.close();
   * ```
   */
  follow(options: FollowOptions = {}): AsyncGenerator<Entry, void, undefined> {
    this.#lifecycle.admit("follow");
    requireOptions("options", options, FOLLOW_OPTIONS);
    const { from, signal, durable } = options;
    if (signal !== undefined && !isSignal(signal)) {
      throw invalid("signal", "an AbortSignal", signal);
    }
    if (durable !== undefined && typeof durable !== "boolean") {
      throw invalid("durable", "true or false", durable);
    }
    if (from !== undefined && from !== this.lastIndex + 1) this.#requireIndex(from);
    const source = this.#reader === undefined
      ? this.#followOwn()
      : new Tailer(this.#reader, from ?? this.firstIndex);
    return new Follower(source, options);
  }

  /** What a follower in the writer's process reads: this log, which tells of its changes. */
  #followOwn(): FollowSource {
    const follower = { rewind: Infinity };
    const patience = new Patience();
    this.#followers.add(follower);
    return {
      isClosed: () => this.#lifecycle.kind === "closed",
      look: () => patience.isTried ? pause(RETRY_MS).then(() => this) : this,
      readRange: (from, to) => this.#readRange(from, to, patience),
      takeRewind: () => {
        const { rewind } = follower;
        follower.rewind = Infinity;
        return rewind === Infinity ? undefined : rewind;
      },
      wait: (wake) => {
        this.#lifecycle.requireNotEnded();
        return this.#changes.wait(wake);
      },
      close: () => void this.#followers.delete(follower),
    };
  }

  /** The entries of a range, for a follower that waits out what may pass. */
  *#readRange(
    from: number,
    to: number,
    patience: Patience,
  ): Generator<Uint8Array, void, undefined> {
    try {
      for (const data of this.#segments.readRange(from, to)) {
        patience.restore();
        yield data;
      }
    } catch (error) {
      if (!isFileSystemError(error)) throw error;
      patience.spend(this.#ioFailed("read", error));
    }
  }

  /** Refuses to go on in a log that was closed, or whose head was truncated beyond the next entry. */
  #requireNext(cursor: EntryCursor, to: number): void {
    this.#lifecycle.admit("entries");
    const next = cursor.index + 1;
    if (next <= to && next < this.firstIndex) throw this.#droppedBefore(next);
    if (cursor.account !== undefined) this.#requireSame(cursor.account);
    cursor.epoch = this.#lifecycle.epoch;
  }

  /** The error of a loop whose next entry was dropped from the head. */
  #droppedBefore(next: number): WalError {
    return new WalError(
      "ERR_WAL_INDEX_OUT_OF_RANGE",
      `Entry ${next} of the log "${this.#path}" was dropped before it was read: read again from ` +
        `${this.firstIndex} on.`,
    );
  }

  /** In a reader: refuses to go on in a log that is no longer the one that was read up to here. */
  #requireSame(account: ShownEntries): void {
    if (this.#reader === undefined || !(account instanceof Account)) return;
    const replaced = account.firstReplaced(this.#reader.view);
    if (replaced === undefined) return;
    if (replaced === "unknown") throw new FileSystemError("EBUSY", "Read", this.#path);
    throw new WalError(
      "ERR_WAL_INDEX_OUT_OF_RANGE",
      `The entries of "${this.#path}" from ${replaced} on were dropped after they were read, and may ` +
        "be others now: read again from there.",
    );
  }

  *#entries(cursor: EntryCursor, to: number): Generator<Entry, void, undefined> {
    while (this.#advance(cursor, to)) yield { index: cursor.index, data: cursor.data };
  }

  /**
   * Drops the entry at `index` and all behind it, as a Raft follower does whose log conflicts.
   *
   * Durability at return: the entries are gone and never come back; all that are left are durable.
   *
   * @param index The first entry to drop.
   * @throws {WalError} `ERR_WAL_INDEX_OUT_OF_RANGE`: no such entry. `ERR_WAL_BUSY`: another
   * truncation has not resolved yet. `ERR_WAL_WRITE_FAILED`: the log is as before (a full disk).
   * `ERR_WAL_READ_ONLY`, `ERR_WAL_CLOSED`.
   * @throws {SyncFailedError} `ERR_WAL_SYNC_FAILED`: the log is cut somewhere between the two
   * states, and the handle has ended.
   * @throws {MovedError} `ERR_WAL_MOVED`: the files were moved, and the handle has ended.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Wal } from "@durable/wal";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
   * for (const n of [1, 2, 3]) log.append(new Uint8Array([n]));
   * await log.truncateFromIndex(2);
   * assertEquals(log.lastIndex, 1);
   * assertEquals(log.append(new Uint8Array([9])), 2);
   * await log.close();
   * ```
   */
  async truncateFromIndex(index: number): Promise<void> {
    this.#lifecycle.admit("truncateFromIndex");
    this.#requireIndex(index);
    this.#writeStaged();
    await this.#rewrite(async () => {
      this.#requireIndex(index);
      await this.#segments.cutFrom(index);
      this.#rewindFollowers(index);
    });
  }

  /**
   * Drops all entries below an index, as a Raft node does whose snapshot has them. Space comes back a
   * segment at a time; dropping everything leaves one small segment.
   *
   * Durability at return: the entries are gone and never come back.
   *
   * @param index The new first index; one above {@linkcode lastIndex} drops everything.
   * @throws {WalError} `ERR_WAL_INDEX_OUT_OF_RANGE`: below {@linkcode firstIndex}, or more than one
   * above {@linkcode lastIndex}. `ERR_WAL_FORMAT`: with `format: 1`. `ERR_WAL_READ_ONLY`, `ERR_WAL_CLOSED`.
   * `ERR_WAL_IO` (a file could not be removed), `ERR_WAL_WRITE_FAILED`: {@linkcode firstIndex} says whether the entries are gone; if
   * so, the next call or open gives the space back.
   * @throws {SyncFailedError} `ERR_WAL_SYNC_FAILED`: the outcome is unknown and the handle has ended.
   * @throws {MovedError} `ERR_WAL_MOVED`: the files were moved, and the handle has ended.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Wal } from "@durable/wal";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
   * for (const n of [1, 2, 3]) log.append(new Uint8Array([n]));
   * await log.truncateBeforeIndex(3);
   * assertEquals([log.firstIndex, log.lastIndex], [3, 3]);
   * await log.close();
   * ```
   */
  async truncateBeforeIndex(index: number): Promise<void> {
    this.#lifecycle.admit("truncateBeforeIndex");
    this.#writeStaged();
    await this.#lifecycle.inTurn(() =>
      this.#change(async () => {
        // Only here: a reset that runs shows what is neither the log before nor the one after.
        if (index !== this.lastIndex + 1) this.#requireIndex(index);
        if (index === this.firstIndex) return;
        this.#requireFormat2("drop the head of");
        await this.#updateMeta(index, this.state);
        await this.#segments.dropBefore(index);
      })
    );
  }

  /**
   * Drops every entry; the next one gets the index `nextIndex`, as in a Raft node that has installed
   * a snapshot. The state stays.
   *
   * Durability at return: the entries are gone and never come back.
   *
   * @param nextIndex The index of the next entry, from 1 to 2^53 - 2.
   * @throws {WalError} `ERR_WAL_INDEX_OUT_OF_RANGE`: not one of these. `ERR_WAL_FORMAT`:
   * with `format: 1` a log begins with 1. `ERR_WAL_BUSY`: another truncation or reset has not
   * resolved yet. `ERR_WAL_WRITE_FAILED`: nothing was begun. `ERR_WAL_READ_ONLY`, `ERR_WAL_CLOSED`.
   * @throws {SyncFailedError} `ERR_WAL_SYNC_FAILED`: the outcome is unknown and the handle has ended.
   * @throws {MovedError} `ERR_WAL_MOVED`: the files were moved, and the handle has ended.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Wal } from "@durable/wal";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
   * log.append(new Uint8Array([1]));
   * await log.reset(100);
   * assertEquals(log.append(new Uint8Array([2])), 100);
   * await log.close();
   * ```
   */
  async reset(nextIndex: number): Promise<void> {
    this.#lifecycle.admit("reset");
    if (!Number.isSafeInteger(nextIndex) || nextIndex < 1 || nextIndex > MAX_INDEX) {
      throw new WalError(
        "ERR_WAL_INDEX_OUT_OF_RANGE",
        `A log cannot begin with the index ${kindOf(nextIndex)}: give a whole number from 1 to ` +
          `${MAX_INDEX}.`,
      );
    }
    if (nextIndex !== 1) this.#requireFormat2("reset");
    await this.#rewrite(async () => {
      await this.#reset(nextIndex);
      this.#rewindFollowers(nextIndex);
    });
  }

  async #reset(nextIndex: number): Promise<void> {
    // Of what would be refused half-way, nothing is begun.
    this.#meta.requireSequence();
    let isBegun = false;
    try {
      // What is below the head is still in its segment, and must not come back when the head moves
      // down again.
      if (nextIndex <= this.lastIndex || nextIndex < this.firstIndex) {
        await this.#segments.cutFrom(this.#segments.firstIndex);
        isBegun = true;
      }
      const isForward = nextIndex >= this.firstIndex;
      if (isForward) await this.#updateMeta(nextIndex, this.state);
      isBegun = true;
      await this.#segments.moveTo(nextIndex);
      if (!isForward) await this.#updateMeta(nextIndex, this.state);
    } catch (cause) {
      // What could not be begun has left the log as it was.
      if (!isBegun) throw cause;
      // Half of a reset is no state to go on from; a reopen finishes what it finds.
      throw outcomeUnknown(this.#path, this.durableIndex, "the reset", cause);
    }
  }

  /** The application's state: what {@linkcode setState} stored last; a copy, empty if never. */
  get state(): Uint8Array {
    return this.#meta.current?.state.slice() ?? new Uint8Array(0);
  }

  /**
   * Stores a small state of the application's, such as a Raft node's term and vote. It survives
   * every truncation and reset, and the loss of either of its two copies.
   *
   * Durability at return: both copies. After a crash before that it is the old state or the new.
   *
   * @param bytes The state, at most 32 KiB; it is copied before the call returns.
   * @throws {WalError} `ERR_WAL_INVALID_ARGUMENT`: no `Uint8Array`. `ERR_WAL_STATE_TOO_LARGE`.
   * `ERR_WAL_WRITE_FAILED`: it could not be written and is the old one still.
   * `ERR_WAL_READ_ONLY`, `ERR_WAL_CLOSED`.
   * @throws {SyncFailedError} `ERR_WAL_SYNC_FAILED`: the outcome is unknown and the handle has ended.
   * @throws {MovedError} `ERR_WAL_MOVED`: the files were moved, and the handle has ended.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Wal } from "@durable/wal";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
   * await log.setState(new TextEncoder().encode("term 7, vote for b"));
   * assertEquals(new TextDecoder().decode(log.state), "term 7, vote for b");
   * await log.close();
   * ```
   */
  async setState(bytes: Uint8Array): Promise<void> {
    this.#lifecycle.admit("setState");
    if (!isBytes(bytes)) throw invalid("state", "a Uint8Array", bytes);
    if (bytes.length > MAX_STATE_SIZE) {
      throw new WalError(
        "ERR_WAL_STATE_TOO_LARGE",
        `Cannot store a state of ${bytes.length} bytes in "${this.#path}": the limit is ` +
          `${MAX_STATE_SIZE}. Append what is large as an entry and store its index.`,
      );
    }
    const state = copyOf(bytes);
    await this.#lifecycle.inTurn(() =>
      this.#change(() => this.#updateMeta(this.firstIndex, state))
    );
  }

  async #updateMeta(headIndex: number, state: Uint8Array): Promise<void> {
    const { logId } = this.#segments;
    try {
      await this.#meta.update({ logId, headIndex, state }, this.durableIndex);
    } finally {
      this.#lifecycle.advanceEpoch();
    }
  }

  #rewindFollowers(index: number): void {
    for (const follower of this.#followers) follower.rewind = Math.min(follower.rewind, index);
  }

  /** Makes a change of the log's ends or state, whose turn it is. */
  async #change(work: () => Promise<void>): Promise<void> {
    try {
      this.#look();
      await work();
    } catch (error) {
      if (isFileSystemError(error)) throw this.#ioFailed("change", error);
      throw this.#failed(error);
    }
  }

  /** Makes a change during which nothing may be appended, since it reuses offsets or indexes. */
  async #rewrite(work: () => Promise<void>): Promise<void> {
    try {
      await this.#lifecycle.alone(() =>
        this.#change(async () => {
          // A sync that runs would count entries as durable that are about to go.
          await this.#commit.idle();
          await this.#writeBehind;
          await this.#segments.settled();
          await work();
        })
      );
    } finally {
      this.#tellWhenIdle();
    }
  }

  /**
   * Closes the log and gives the lock back. A second call does nothing more.
   *
   * Durability at return: every entry.
   *
   * @throws {SyncFailedError} `ERR_WAL_SYNC_FAILED`: the last entries could not be made durable, and
   * no call has said so yet. The log is closed all the same.
   * @throws {MovedError} `ERR_WAL_MOVED`: the same, because the files were moved.
   *
   * @example
   * ```ts
   * import { Wal } from "@durable/wal";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
   * await log.close();
   * await log.close(); // harmless
   * ```
   */
  close(): Promise<void> {
    this.#idleTimer?.cancel();
    this.#reader?.end();
    return this.#lifecycle.close(() => this.#close());
  }

  /**
   * Closes the log at the end of a block that holds it with `await using`.
   *
   * @example
   * ```ts
   * import { Wal } from "@durable/wal";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * {
   *   await using log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
   *   log.append(new Uint8Array([1]));
   * } // here the entry is durable and the lock is free
   * ```
   */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    let failure: WalError | undefined;
    try {
      await this.#commit.idle();
      await this.#writeBehind;
      this.#idleTimer?.cancel();
      if (!this.#options.readOnly && !this.#lifecycle.hasEnded) await this.#finish();
    } finally {
      failure = await this.#giveBack();
    }
    // What the log owes of its entries goes before what became of its files.
    this.#lifecycle.requireTold();
    if (failure !== undefined) throw failure;
  }

  /** Gives the files and the lock back, each whatever becomes of the others. */
  async #giveBack(): Promise<WalError | undefined> {
    let failure: FileSystemError | undefined;
    await this.#guards.close();
    for (
      const giveBack of [
        (): void => this.#segments.close(),
        (): void => this.#meta.close(),
        (): void => this.#directory.close(),
        (): void => this.#lock?.release(),
      ]
    ) {
      try {
        giveBack();
      } catch (error) {
        if (!isFileSystemError(error)) throw error;
        failure ??= error;
      }
    }
    if (failure === undefined) return undefined;
    return new WalError(
      "ERR_WAL_IO",
      `The log "${this.#path}" is closed, but a file could not be given ` +
        `back: ${
          reasonOf(failure)
        }. If that is the lock file, its record stays and no open takes ` +
        "the log before it is removed.",
      { cause: failure },
    );
  }

  /** Makes everything durable, and the file tell so. */
  async #finish(): Promise<void> {
    try {
      const { active } = this.#segments;
      this.#trim(active);
      await this.#segments.sync();
      if (this.#vouch()) await active.sync();
      this.#look(true);
    } catch (error) {
      this.#ended(error);
    }
  }

  /** Gives the space back that was taken ahead of the entries. */
  #trim(active: Segment): void {
    try {
      active.trim();
    } catch (error) {
      // What stays is unused space to the next open.
      if (!isFileSystemError(error)) throw error;
    }
  }

  /** One sync for all who wait; a promise if it is not done at once. */
  #syncOnce(): Promise<void> | void {
    this.#writeStaged();
    this.#lifecycle.requireNotEnded();
    const { active, isSettled, isSyncing } = this.#segments;
    if (isSettled) return;
    // What runs is waited for, and nobody need block meanwhile.
    if (this.#options.syncMode === "async" || isSyncing) return this.#syncBeside();
    this.#syncAtOnce(active);
  }

  #syncAtOnce(active: Segment): void {
    try {
      active.syncBlocking();
    } catch (error) {
      throw this.#failed(error);
    }
    this.#synced();
  }

  async #syncBeside(): Promise<void> {
    try {
      await this.#segments.sync();
    } catch (error) {
      throw this.#failed(error);
    }
    this.#synced();
  }

  /** What follows a sync. */
  #synced(): void {
    this.#changes.notify();
    this.#isQuiet = false;
    if (this.#idleTimer === undefined) this.#waitForIdle();
  }

  /** Lets the file tell of what is durable, if it does not, once the log is idle. */
  #tellWhenIdle(): void {
    if (this.#idleTimer === undefined && !this.#segments.active.isTold) this.#waitForIdle();
  }

  /** A sync that nobody waits for; it never rejects. */
  async #syncBehind(): Promise<void> {
    try {
      await this.#segments.active.sync();
      this.#synced();
    } catch (error) {
      this.#ended(error);
    } finally {
      this.#writeBehind = undefined;
    }
  }

  /**
   * Does what is due once there was no sync for a moment. One timer waits for that, as
   * long as need be, since to set one anew takes longer than the rest of a sync's bookkeeping.
   */
  #waitForIdle(): void {
    if (this.#lifecycle.kind === "closed") return;
    this.#idleTimer = clock.after(IDLE_MS / 2, () => {
      this.#idleTimer = undefined;
      if (this.#lifecycle.hasEnded) return;
      const wasQuiet = this.#isQuiet;
      this.#isQuiet = true;
      if (!wasQuiet) this.#waitForIdle();
      else this.#whenIdle();
    });
  }

  /** Looks whether the files are in place, and lets them tell of the last sync. */
  #whenIdle(): void {
    try {
      this.#look();
    } catch (error) {
      this.#ended(error);
      return;
    }
    if (this.#lifecycle.kind !== "rewriting") this.#vouch();
  }

  /** Looks whether the files are where a reopen will find them, and as long as they should be. */
  #look(isLast: boolean = false): void {
    this.#segments.look(isLast);
    this.#meta.look();
  }

  /** Writes a Durable frame if one is due; whether it did. */
  #vouch(): boolean {
    try {
      return this.#segments.active.vouch();
    } catch (error) {
      // On a full disk the entries are as durable as before; the next write tells of them.
      if (!(error instanceof WalError) || error.code !== "ERR_WAL_WRITE_FAILED") this.#ended(error);
      return false;
    }
  }

  /** The error of a call, which may have ended the handle. */
  #failed(error: unknown): unknown {
    if (!isEnd(error)) return error;
    this.#ended(error);
    return this.#lifecycle.tell();
  }

  /** Ends the handle. What is no such error is a defect of ours and goes on as it is. */
  #ended(error: unknown): void {
    if (!isEnd(error)) throw error;
    this.#idleTimer?.cancel();
    this.#lifecycle.end(this.#withIndex(error));
  }

  /** What knows of files only does not know which entries are durable. */
  #withIndex(error: EndError): EndError {
    if (!(error instanceof MovedError)) return error;
    return new MovedError(error.path, this.durableIndex, error.what);
  }

  /** The error of a read, with what the system says of it in the log's form. */
  #readFailed(error: unknown): unknown {
    return isFileSystemError(error) ? this.#ioFailed("read", error) : error;
  }

  #ioFailed(doing: string, cause: FileSystemError): WalError {
    return new WalError(
      "ERR_WAL_IO",
      `Cannot ${doing} the log "${this.#path}": ${reasonOf(cause)}. Mend the cause and try again.`,
      { cause },
    );
  }

  #requireFormat2(doing: string): void {
    if (this.#options.format === 2) return;
    throw new WalError(
      "ERR_WAL_FORMAT",
      `Cannot ${doing} "${this.#path}": a log of format 1 is one file that begins with index 1. Open ` +
        "it without { format: 1 }.",
    );
  }

  #requireEntry(data: Uint8Array): void {
    if (!isBytes(data)) {
      throw invalid("entry", "a Uint8Array (for text, new TextEncoder().encode(text))", data);
    }
    const limit = this.#options.maxEntrySize;
    if (data.length <= limit) return;
    throw new WalError(
      "ERR_WAL_ENTRY_TOO_LARGE",
      `Cannot append ${data.length} bytes to "${this.#path}": the limit is ${limit}. Nothing was ` +
        "written. Split the entry, or open the log with a larger maxEntrySize.",
    );
  }

  #requireIndex(index: number): void {
    const { firstIndex } = this;
    if (Number.isSafeInteger(index) && index >= firstIndex && index <= this.#segments.lastIndex) {
      return;
    }
    const has = this.lastIndex < this.firstIndex
      ? "has no entries"
      : `has the entries ${this.firstIndex} to ${this.lastIndex}`;
    throw noEntry(index, this.#path, `${has}, numbered from 1`);
  }
}
