/**
 * The log as its user sees it.
 *
 * @module
 */
import {
  invalid,
  isArray,
  isSignal,
  kindOf,
  RANGE,
  requireOptions,
  requirePath,
} from "./arguments.ts";
import { copyOf, isBytes } from "./bytes.ts";
import type { Entry, EntryRange, EntryView } from "./entry.ts";
import { type EndError, WalError } from "./errors.ts";
import { giveBackLog } from "./files/give_back_log.ts";
import {
  appendTimes,
  planRetention,
  requireRetention,
  type Retained,
  type RetainOptions,
} from "./files/retention.ts";
import type { SegmentInfo } from "./files/segment_list.ts";
import { MAX_INDEX } from "./format/limits.ts";
import { MAX_STATE_SIZE } from "./format/meta_slot.ts";
import type { FileSystem } from "./fs/file_system.ts";
import { defaultFileSystem } from "./fs/runtime.ts";
import { locateLog, type OpenedLog, openLog, type Recovery } from "./opening/open.ts";
import { type ResolvedOptions, resolveOptions, type WalOptions } from "./options.ts";
import type { FollowBatchesOptions, FollowOptions } from "./reader/follow.ts";
import { LogReader } from "./reader/log_reader.ts";
import { type Call, Lifecycle } from "./writer/lifecycle.ts";
import { LogWriter } from "./writer/log_writer.ts";

const FOLLOW_OPTIONS: readonly (keyof FollowBatchesOptions)[] = [
  "from",
  "signal",
  "durable",
  "batches",
];

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
 * What a truncation of the head stores besides.
 *
 * @example
 * ```ts
 * import type { TruncateOptions } from "@durable/wal";
 *
 * const options: TruncateOptions = { state: new TextEncoder().encode("snapshot up to 3") };
 * ```
 */
export interface TruncateOptions {
  /**
   * The application's new state, at most 32 KiB.
   *
   * @default {the state as it is}
   */
  state?: Uint8Array;
}

const TRUNCATE_OPTIONS: readonly (keyof TruncateOptions)[] = ["state"];

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
  /** Calls that wrote to the file; what is stored into mapped space takes none. */
  readonly writes: number;
  /** Calls that waited for the disk. */
  readonly syncs: number;
  /**
   * Appends that waited for the disk because a segment was full and the roll before was not durable
   * yet.
   */
  readonly rollWaits: number;
  /** The files that the log has now. */
  readonly segments: number;
  /** Full segments whose Seal failed its check and was made again by a scan. */
  readonly rebuiltSeals: readonly string[];
  /**
   * What holds the writer's lock: the kernel, or only a checked record of the process where the
   * kernel's lock is out of reach; `undefined` for a log that is only read.
   */
  readonly lock: "kernel" | "record" | undefined;
  /**
   * What files are mapped for, as the option of this name asks: `"off"`, `"reads"`, `"on"`, or why
   * they cannot be, as `"not available: no FFI in Node 24.0.0"` or
   * `"reads; on is not available: not on Btrfs"`.
   */
  readonly memoryMap: string;
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
  readonly #opened: OpenedLog;
  readonly #lifecycle: Lifecycle<EndError>;
  readonly #reader: LogReader;
  /** None in a handle that only reads. */
  readonly #writer: LogWriter | undefined;

  private constructor(
    path: string,
    fileSystem: FileSystem,
    options: ResolvedOptions,
    opened: OpenedLog,
  ) {
    this.#path = path;
    this.#fileSystem = fileSystem;
    this.#options = options;
    this.#opened = opened;
    this.#lifecycle = new Lifecycle(path, options.readOnly, () => this.#reader.changed());
    this.#reader = new LogReader(fileSystem, path, options, opened, this.#lifecycle);
    if (opened.kind === "read-only") return;
    const written = { ...opened, contents: this.#reader.log };
    this.#writer = new LogWriter(written, options, this.#lifecycle, this.#reader);
  }

  /**
   * Opens the log at `path`, or makes it, with the directories that lead to it. A file that Go-WAL
   * wrote is opened like any other, and stays in Go-WAL's format until it is full.
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
    const fileSystem = options.fileSystem ?? await defaultFileSystem();
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

  /**
   * The log's own random id, 16 hexadecimal digits, by which what is kept beside a log can name it. It
   * never changes. Empty while no file has one: that of a log of format 1 until it has a second file or
   * a `.meta` file, and in a reader that of a log which is being made.
   */
  get id(): string {
    return this.#reader.log.id;
  }

  /** The index of the first entry; one above {@linkcode lastIndex} if there is none. */
  get firstIndex(): number {
    return this.#reader.log.firstIndex;
  }

  /**
   * The index of the last entry; one below {@linkcode firstIndex} if there is none. An entry whose
   * {@linkcode appendAndSync} waits for its group has no index until it is written, and no call that
   * only looks shows it before.
   */
  get lastIndex(): number {
    return this.#reader.log.lastIndex;
  }

  /** The last index that a finished sync covers. It never runs ahead of the disk. */
  get durableIndex(): number {
    return this.#reader.log.durableIndex;
  }

  /** The size of the log in bytes, frames and headers included. */
  get byteLength(): number {
    return this.#reader.log.segments.byteLength;
  }

  /**
   * The files that the log's entries lie in, oldest first, each with its entries and its size. There is
   * one at the least. In a reader they are those of the log that it shows.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Wal } from "@durable/wal";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem(), segmentSize: 560 });
   * for (const n of [1, 2, 3]) log.append(new Uint8Array(200).fill(n));
   * const indexes = log.segments().map(({ firstIndex, lastIndex }) => [firstIndex, lastIndex]);
   * assertEquals(indexes, [[1, 2], [3, 3]]);
   * await log.close();
   * ```
   */
  segments(): readonly SegmentInfo[] {
    return this.#reader.log.segments.infos;
  }

  /** What open found at the end of the log and did about it. */
  get recovery(): Recovery {
    return this.#opened.recovery;
  }

  /** What the log has done since it was opened. */
  stats(): WalStats {
    const { count, rebuiltSeals } = this.#reader.log.segments;
    return {
      appends: this.#writer?.appends ?? 0,
      bytesAppended: this.#writer?.bytesAppended ?? 0,
      ...this.#opened.counters,
      segments: count,
      rebuiltSeals,
      lock: this.#opened.lock?.kind,
      memoryMap: this.#opened.memoryMap,
    };
  }

  /**
   * Appends an entry.
   *
   * Durability at return: the bytes are in the page cache, after all that were appended before.
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
    return this.#admit("append").append(data);
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
    return rangeOf(batch, this.#admit("appendBatch").appendBatch(batch));
  }

  /** The entries of a batch, each read once: an array may answer otherwise the next time. */
  #readBatch(entries: readonly Uint8Array[]): Uint8Array[] {
    const batch: Uint8Array[] = [];
    if (isArray(entries)) {
      for (const data of entries) {
        batch.push(data);
        // The check below refuses it; an array may have billions of holes.
        if (typeof data !== "object") break;
      }
    }
    if (batch.length === 0) throw invalid("batch", "an array of at least one Uint8Array", entries);
    // Checked once all are read: to read one may detach another.
    for (const data of batch) this.#requireEntry(data);
    return batch;
  }

  /**
   * Makes every entry durable that was appended before the call.
   *
   * Durability at return: an fdatasync that began after those entries were written has succeeded.
   * Callers share one: a call during a running sync joins the next. The event loop does not wait.
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
    await this.#admit("sync").sync();
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
    this.#admit("syncBlocking").syncBlocking();
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
    return await this.#admit("appendAndSync").appendAndSync(data);
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
    const batch = this.#readBatch(entries);
    const writer = this.#admit("appendBatchAndSync");
    const range = rangeOf(batch, writer.appendBatch(batch));
    await writer.commit();
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
    return this.#reader.read(index);
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
    await this.#reader.refresh();
    this.#lifecycle.admit("refresh");
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
    this.#lifecycle.admit("readAll");
    return this.#reader.readAll();
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
    this.#lifecycle.admit("entries");
    requireOptions("range", range, RANGE);
    return this.#reader.entries(range);
  }

  /**
   * Shows each entry to a function, in order: the fastest way to read many, since it takes neither
   * memory nor a copy for each. Entries that are appended meanwhile are not read; if a truncation
   * drops some, it ends there.
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
    this.#lifecycle.admit("replay");
    requireOptions("range", range, RANGE);
    this.#reader.replay(visit, range);
  }

  /**
   * Yields atoms as they come: an array of the entries of a batch, or of one that was appended by itself.
   * All else is as without `batches`.
   * So the caller never sees a part of a batch, in a reader neither, and with `durable: false` neither.
   *
   * Where `from` is within a batch, the first array begins with the first entry of that batch. So it is
   * after a truncation, if the entries before the index are now in a batch with those after it. A batch
   * that a truncation has cut is yielded as far as the log has it.
   *
   * @param options From where, until when, and whether to wait for the disk; `batches: true`.
   * @throws As without `batches`.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Wal } from "@durable/wal";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
   * await log.appendBatchAndSync([new Uint8Array([1]), new Uint8Array([2])]);
   * for await (const batch of log.follow({ batches: true })) {
   *   assertEquals(batch.map(({ index }) => index), [1, 2]);
   *   break;
   * }
   * await log.close();
   * ```
   */
  follow(options: FollowBatchesOptions): AsyncGenerator<readonly Entry[], void, undefined>;
  /**
   * Yields entries as they come, those that are there first; waits for more until the loop is left,
   * the signal is aborted or the log is closed. Works beside the writer and in a reader
   * (`readOnly`), also of another process, across rolls. Entries that replace what a truncation
   * dropped from the tail are yielded again, from the truncation's index on.
   *
   * It keeps the process alive while a call of `next` waits. `return` ends it at once, also such a
   * call, and so does an abort, with the signal's `reason`.
   *
   * @param options From where, until when, and whether to wait for the disk.
   * @throws {WalError} `ERR_WAL_INDEX_OUT_OF_RANGE`: `from` is no index of the log or right after
   * it, or a head truncation has overtaken the loop; the message names the new first index.
   * `ERR_WAL_CLOSED`: the log was closed before the call. `ERR_WAL_INVALID_ARGUMENT`: an option
   * with an unknown name or a value of the wrong kind. `ERR_WAL_IO`: what could not be read for ten
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
  follow(options?: FollowOptions): AsyncGenerator<Entry, void, undefined>;
  follow(
    options: FollowOptions & { batches?: boolean } = {},
  ): AsyncGenerator<Entry | readonly Entry[], void, undefined> {
    this.#lifecycle.admit("follow");
    requireOptions("options", options, FOLLOW_OPTIONS);
    const { signal, durable, batches } = options;
    if (signal !== undefined && !isSignal(signal)) {
      throw invalid("signal", "an AbortSignal", signal);
    }
    if (durable !== undefined && typeof durable !== "boolean") {
      throw invalid("durable", "true or false", durable);
    }
    if (batches !== undefined && typeof batches !== "boolean") {
      throw invalid("batches", "true or false", batches);
    }
    return batches === true ? this.#reader.followBatches(options) : this.#reader.follow(options);
  }

  /**
   * Waits until an entry is durable by what others do: `sync`, `appendAndSync`, a roll, `close`. It
   * forces no sync, so it waits for as long as there is no sync. In a reader it looks at the files, as
   * {@linkcode follow} does, and an entry is durable there when a Durable frame says so.
   *
   * Durability at return: the entry at `index`, and all before it.
   *
   * @param index An entry that the log has.
   * @throws {WalError} `ERR_WAL_INDEX_OUT_OF_RANGE`: no such entry, or a truncation has dropped it
   * before it was durable. `ERR_WAL_CLOSED`: the log was closed, and the entry is not durable.
   * In a reader also as {@linkcode refresh}.
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
   * const durable = log.durable(index);
   * await log.appendAndSync(new Uint8Array([2])); // one sync for both
   * await durable;
   * assertEquals(log.durableIndex, 2);
   * await log.close();
   * ```
   */
  async durable(index: number): Promise<void> {
    this.#lifecycle.admit("durable");
    await this.#reader.durable(index);
  }

  /**
   * Drops the entry at `index` and all after it, as a Raft follower does whose log conflicts.
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
    const writer = this.#admit("truncateFromIndex");
    this.#reader.log.requireIndex(index);
    await writer.truncateFromIndex(index);
  }

  /**
   * Drops all entries below an index, as a Raft node does whose snapshot has them. Space comes back a
   * segment at a time; dropping everything leaves one small segment.
   *
   * Durability at return: the entries are gone and never come back; the state, if one was given.
   *
   * @param index The new first index; one above {@linkcode lastIndex} drops everything.
   * @param options `state`: what {@linkcode setState} would store, in the same change: after any crash
   * the first index and the state are both the old ones or both the new. It is stored also where
   * `index` is the first index already. Copied before the call returns.
   * @throws {WalError} `ERR_WAL_INDEX_OUT_OF_RANGE`: below {@linkcode firstIndex}, or more than one
   * above {@linkcode lastIndex}. `ERR_WAL_FORMAT`: with `format: 1`. `ERR_WAL_READ_ONLY`, `ERR_WAL_CLOSED`.
   * `ERR_WAL_INVALID_ARGUMENT`, `ERR_WAL_STATE_TOO_LARGE`: of the state, as {@linkcode setState}.
   * `ERR_WAL_IO` (a file could not be removed), `ERR_WAL_WRITE_FAILED`: {@linkcode firstIndex} says whether the entries are gone; if
   * so, the state is stored, and the next call or open gives the space back.
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
   * await log.truncateBeforeIndex(4, { state: new TextEncoder().encode("snapshot up to 3") });
   * await log.close();
   * ```
   */
  async truncateBeforeIndex(index: number, options: TruncateOptions = {}): Promise<void> {
    const writer = this.#admit("truncateBeforeIndex");
    requireOptions("options", options, TRUNCATE_OPTIONS);
    const { state } = options;
    const copy = state === undefined ? undefined : this.#copyOfState(state);
    await writer.truncateBeforeIndex(index, copy);
  }

  /**
   * Drops whole segments from the head, oldest first, while the log is larger than `bytes` or the
   * newest entry of the segment is older than `age`. Never drops an entry that something named in
   * `keep` still needs, and never the last segment.
   *
   * The age of a segment rests on the time of its file's last change, which is that of the roll after
   * it, or on `timeOf`. A copy of the log whose files have new times is kept for longer, a clock that was
   * set forward makes it shorter.
   *
   * Durability at return: the entries are gone and never come back.
   *
   * @param options How much is kept, and what still needs entries.
   * @returns The new first index, the bytes that were given back, and the holder that held back more.
   * @throws {WalError} `ERR_WAL_INVALID_ARGUMENT`: an option that makes no sense, or an `age` where the
   * file system has no times of files. Else as {@linkcode truncateBeforeIndex}.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Wal } from "@durable/wal";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem(), segmentSize: 560 });
   * for (let n = 1; n <= 9; n++) log.append(new Uint8Array(200).fill(n)); // two in a segment
   * const { firstIndex, heldBy } = await log.retain({ bytes: 1000, keep: { replica: 4 } });
   * assertEquals([firstIndex, heldBy], [3, "replica"]);
   * await log.close();
   * ```
   */
  async retain(options: RetainOptions): Promise<Retained> {
    const writer = this.#admit("retain");
    requireRetention(options);
    const timeOf = appendTimes(this.#fileSystem, options);
    const segments = this.#reader.log.segments;
    return await writer.retain(() => planRetention(segments.infos, options, Date.now(), timeOf));
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
    const writer = this.#admit("reset");
    if (!Number.isSafeInteger(nextIndex) || nextIndex < 1 || nextIndex > MAX_INDEX) {
      throw new WalError(
        "ERR_WAL_INDEX_OUT_OF_RANGE",
        `A log cannot begin with the index ${kindOf(nextIndex)}: give a whole number from 1 to ` +
          `${MAX_INDEX}.`,
      );
    }
    await writer.reset(nextIndex);
  }

  /** The application's state: what {@linkcode setState} stored last; a copy, empty if never. */
  get state(): Uint8Array {
    return this.#reader.log.state;
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
    const writer = this.#admit("setState");
    await writer.setState(this.#copyOfState(bytes));
  }

  #copyOfState(bytes: Uint8Array): Uint8Array {
    if (!isBytes(bytes)) throw invalid("state", "a Uint8Array", bytes);
    if (bytes.length <= MAX_STATE_SIZE) return copyOf(bytes);
    throw new WalError(
      "ERR_WAL_STATE_TOO_LARGE",
      `Cannot store a state of ${bytes.length} bytes in "${this.#path}": the limit is ` +
        `${MAX_STATE_SIZE}. Append what is large as an entry and store its index.`,
    );
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
    this.#reader.end();
    return this.#writer?.close() ?? this.#lifecycle.close(() => this.#closeFiles());
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

  /** Gives the files of a handle back that only reads. */
  async #closeFiles(): Promise<void> {
    const { guards, directory, lock } = this.#opened;
    const failure = await giveBackLog(this.#reader.log, guards, directory, lock);
    if (failure !== undefined) throw failure;
  }

  /** Admits a call that writes. */
  #admit(call: Call): LogWriter {
    this.#lifecycle.admit(call);
    if (this.#writer === undefined) {
      throw new TypeError(`A handle that only reads has admitted ${call}`);
    }
    return this.#writer;
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
}

/** The indexes of a batch, whose last entry has this one. */
function rangeOf(batch: readonly Uint8Array[], lastIndex: number): BatchRange {
  return { firstIndex: lastIndex - batch.length + 1, lastIndex };
}
