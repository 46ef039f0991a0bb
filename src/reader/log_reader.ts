/**
 * The reading side of an open log: one entry, a range of entries in order, entries as they come.
 *
 * In a handle that writes, the log is what its writer has made of it. In one that only reads, another
 * process changes the files meanwhile, and {@linkcode Reader} knows of that.
 *
 * @module
 */
import type { Entry, EntryRange, EntryView } from "../entry.ts";
import { type EndError, ioFailed, WalError } from "../errors.ts";
import { EntryCursor, type EntryMemory, type ShownEntries } from "../files/entry_cursor.ts";
import { LogContents } from "../files/log_contents.ts";
import type { IndexRange } from "../files/segment_list.ts";
import { pause } from "../fs/clock.ts";
import { type FileSystem, FileSystemError, isFileSystemError } from "../fs/file_system.ts";
import type { OpenedLog } from "../opening/open.ts";
import type { ResolvedOptions } from "../options.ts";
import type { Lifecycle } from "../writer/lifecycle.ts";
import { Account } from "./account.ts";
import { droppedUndurable, DurableWaiters, watchDurable } from "./durable.ts";
import {
  BATCHES,
  Changes,
  ENTRIES,
  Follower,
  type FollowOptions,
  type FollowSource,
  Patience,
} from "./follow.ts";
import { Reader } from "./reader.ts";
import { Tailer } from "./tailer.ts";

/** How often a reader reads all again because the writer replaces what it has read. */
const MAX_TRIES = 8;

/** When a follower tries again what it could not read, in milliseconds. */
const RETRY_MS = 25;

/** Reads a log. */
export class LogReader {
  readonly #path: string;
  readonly #lifecycle: Lifecycle<EndError>;
  /** In a handle that only reads: what it knows of the files. */
  readonly #files: Reader | undefined;
  /** In a handle that only reads it is that of the files' last view. */
  #log: LogContents;
  /** Wakes followers beside the writer. */
  readonly #changes = new Changes();
  /** How far back each of them has to go. */
  readonly #followers = new Set<{ rewind: number }>();
  /** The calls of {@linkcode durable} beside the writer. */
  readonly #waiters = new DurableWaiters();

  constructor(
    fileSystem: FileSystem,
    path: string,
    options: ResolvedOptions,
    opened: OpenedLog,
    lifecycle: Lifecycle<EndError>,
  ) {
    this.#path = path;
    this.#lifecycle = lifecycle;
    if (opened.kind === "writable") {
      this.#log = new LogContents(path, opened.segments.list, opened.meta);
      return;
    }
    this.#log = new LogContents(path, opened.segments, opened.meta);
    this.#files = new Reader(fileSystem, path, options, opened, ({ segments, meta }) => {
      this.#log = new LogContents(path, segments, meta);
      lifecycle.advanceEpoch();
    });
  }

  /** What the log has. */
  get log(): LogContents {
    return this.#log;
  }

  /** Wakes the followers beside the writer: something was appended, is durable, or was dropped. */
  changed(): void {
    if (!this.#waiters.isEmpty) this.#settleWaiters();
    this.#changes.notify();
  }

  /** Has the followers beside the writer read again from an index on. */
  dropped(from: number): void {
    for (const follower of this.#followers) follower.rewind = Math.min(follower.rewind, from);
    this.#waiters.reject(from, Infinity, (index) => droppedUndurable(this.#log, index));
  }

  /** The handle is closed, and what it could make durable is. */
  closed(): void {
    this.#settleWaiters();
    const error = this.#lifecycle.refusal("ERR_WAL_CLOSED", "durable");
    this.#waiters.reject(1, Infinity, () => error);
  }

  /** Answers the calls that wait for a durable entry, as far as it is known what becomes of theirs. */
  #settleWaiters(): void {
    const log = this.#log;
    this.#waiters.reject(1, log.firstIndex - 1, (index) => droppedUndurable(log, index));
    this.#waiters.resolve(log.durableIndex);
    if (this.#waiters.isEmpty || !this.#lifecycle.hasEnded) return;
    const error = this.#lifecycle.tell();
    this.#waiters.reject(1, Infinity, () => error);
  }

  /**
   * Resolves once an entry is durable; forces no sync.
   *
   * @throws {WalError} `ERR_WAL_INDEX_OUT_OF_RANGE`, `ERR_WAL_CLOSED`, and what ended the handle.
   */
  async durable(index: number): Promise<void> {
    this.#log.requireIndex(index);
    if (index <= this.#log.durableIndex) return;
    if (this.#files !== undefined) {
      const source = new Tailer(this.#files, index + 1);
      return await watchDurable(source, index, () => this.#lifecycle.admit("durable"));
    }
    this.#lifecycle.requireNotEnded();
    await this.#waiters.wait(index);
  }

  /** Looks at the files again, where another process writes them. */
  async refresh(): Promise<void> {
    await this.#files?.look();
  }

  /** Ends the followers of files that another process writes. */
  end(): void {
    this.#files?.end();
  }

  /**
   * Reads one entry.
   *
   * @throws {WalError} `ERR_WAL_INDEX_OUT_OF_RANGE`, `ERR_WAL_IO`, `ERR_WAL_CORRUPT`.
   */
  read(index: number): Uint8Array {
    this.#log.requireIndex(index);
    try {
      return this.#files === undefined
        ? this.#log.segments.read(index)
        : this.#readChanging(index, this.#files);
    } catch (error) {
      throw this.#readFailed(error);
    }
  }

  /** Reads an entry of files that the writer may change meanwhile, and with them the last view. */
  #readChanging(index: number, files: Reader): Uint8Array {
    return files.read(() => {
      this.#log.requireIndex(index);
      return this.#log.segments.read(index);
    });
  }

  /** Reads all entries, of one moment. */
  readAll(): Uint8Array[] {
    const { firstIndex } = this.#log;
    for (let tries = 1;; tries++) {
      const entries: Uint8Array[] = [];
      const loop = this.#loop({}, "copies");
      const view = this.#files?.view;
      // In a reader the writer may drop or replace entries meanwhile; all are to be of one moment.
      try {
        while (this.#advance(loop)) entries.push(loop.cursor.data);
        this.#requireFirst(firstIndex);
        // In another view, the last index of this one may be in the middle of a batch.
        if (view === this.#files?.view || tries === MAX_TRIES) return entries;
      } catch (error) {
        const isOvertaken = this.#files !== undefined && error instanceof WalError &&
          error.code === "ERR_WAL_INDEX_OUT_OF_RANGE";
        if (!isOvertaken) throw error;
        this.#requireFirst(firstIndex);
        if (tries === MAX_TRIES) throw error;
      }
    }
  }

  /** Refuses to return entries without their indexes from another first index than the caller saw. */
  #requireFirst(firstIndex: number): void {
    if (firstIndex === this.#log.firstIndex) return;
    throw new WalError(
      "ERR_WAL_INDEX_OUT_OF_RANGE",
      `The first index of "${this.#path}" was ${firstIndex} before the call and is ` +
        `${this.#log.firstIndex} now: read again.`,
    );
  }

  /** Yields the entries of a range. */
  entries(range: EntryRange): Generator<Entry, void, undefined> {
    return this.#entries(this.#loop(range, "copies"));
  }

  *#entries(loop: Loop): Generator<Entry, void, undefined> {
    const { cursor } = loop;
    cursor.tellsBatches = true;
    while (this.#advance(loop)) yield cursor.entry;
  }

  /** Shows the entries of a range, in memory that is used again for the next. */
  replay(visit: (entry: EntryView) => void, range: EntryRange): void {
    const loop = this.#loop(range, "views");
    // Where the files may change meanwhile, this is the time to find out.
    loop.cursor.tellsBatches = this.#files !== undefined;
    while (this.#advance(loop)) visit(loop.cursor);
  }

  /** Begins to read the entries of a range. */
  #loop(
    { from = this.#log.firstIndex, to = this.#log.lastIndex }: EntryRange,
    memory: EntryMemory,
  ): Loop {
    if (from !== this.#log.lastIndex + 1) this.#log.requireIndex(from);
    if (to !== from - 1) this.#log.requireIndex(to);
    const cursor = new EntryCursor(
      (index) => this.#log.segments.entriesAt(index),
      from,
      to,
      memory,
    );
    if (this.#files !== undefined) cursor.account = new Account(this.#files.view);
    return { cursor, to };
  }

  /** Moves a loop to its next entry, if the log still has it. */
  #advance(loop: Loop): boolean {
    const { cursor } = loop;
    try {
      if (cursor.account !== undefined) return this.#advanceIn(loop);
      if (cursor.epoch !== this.#lifecycle.epoch) this.#requireNext(loop);
      return cursor.advance();
    } catch (error) {
      throw this.#readFailed(error);
    }
  }

  /** The same where the writer may have changed what is read. */
  #advanceIn(loop: Loop): boolean {
    const { cursor } = loop;
    const { account } = cursor;
    const isRead = cursor.epoch === this.#lifecycle.epoch && cursor.hasMore;
    const isThere = isRead ? cursor.advance() : this.#files?.read(() => {
      if (cursor.epoch !== this.#lifecycle.epoch) this.#requireNext(loop);
      return cursor.advance();
    }) === true;
    if (isThere) account?.note(cursor.index, cursor.checksum);
    return isThere;
  }

  /** Refuses to continue in a log that was closed, or whose head was truncated beyond the next entry. */
  #requireNext({ cursor, to }: Loop): void {
    this.#lifecycle.admit("entries");
    const next = cursor.index + 1;
    if (next <= to && next < this.#log.firstIndex) throw this.#droppedBefore(next);
    if (cursor.account !== undefined) this.#requireSame(cursor.account);
    cursor.epoch = this.#lifecycle.epoch;
  }

  /** The error of a loop whose next entry was dropped from the head. */
  #droppedBefore(next: number): WalError {
    return new WalError(
      "ERR_WAL_INDEX_OUT_OF_RANGE",
      `Entry ${next} of the log "${this.#path}" was dropped before it was read: read again from ` +
        `${this.#log.firstIndex} on.`,
    );
  }

  /** Refuses to continue in a log that is no longer the one that was read up to here. */
  #requireSame(account: ShownEntries): void {
    if (this.#files === undefined || !(account instanceof Account)) return;
    const replaced = account.firstReplaced(this.#files.view);
    if (replaced === undefined) return;
    if (replaced === "unknown") throw new FileSystemError("EBUSY", "Read", this.#path);
    throw new WalError(
      "ERR_WAL_INDEX_OUT_OF_RANGE",
      `The entries of "${this.#path}" from ${replaced} on were dropped after they were read, and may ` +
        "be others now: read again from there.",
    );
  }

  /** Yields entries as they come. */
  follow(options: FollowOptions): AsyncGenerator<Entry, void, undefined> {
    return new Follower(this.#followed(options), options, ENTRIES);
  }

  /** Yields batches, and entries that are none, as they come. */
  followBatches(options: FollowOptions): AsyncGenerator<readonly Entry[], void, undefined> {
    return new Follower(this.#followed(options), options, BATCHES);
  }

  #followed({ from }: FollowOptions): FollowSource {
    if (from !== undefined && from !== this.#log.lastIndex + 1) this.#log.requireIndex(from);
    return this.#files === undefined
      ? this.#followOwn()
      : new Tailer(this.#files, from ?? this.#log.firstIndex);
  }

  /** What a follower beside the writer reads: this log, which wakes it. */
  #followOwn(): FollowSource {
    const follower = { rewind: Infinity };
    const patience = new Patience();
    this.#followers.add(follower);
    return {
      isClosed: () => this.#lifecycle.kind === "closed",
      look: () => patience.isTried ? pause(RETRY_MS).then(() => this.#log) : this.#log,
      readRange: (from, to) => this.#readRange(from, to, patience),
      atomAt: (index) => this.#atomAt(index, patience),
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
  ): Generator<Entry, void, undefined> {
    try {
      for (const entry of this.#log.segments.readRange(from, to)) {
        patience.restore();
        yield entry;
      }
    } catch (error) {
      if (!isFileSystemError(error)) throw error;
      patience.spend(ioFailed("read", this.#path, error));
    }
  }

  #atomAt(index: number, patience: Patience): IndexRange | undefined {
    try {
      return this.#log.segments.atomAt(index);
    } catch (error) {
      if (!isFileSystemError(error)) throw error;
      patience.spend(ioFailed("read", this.#path, error));
      return undefined;
    }
  }

  /** The error of a read, with what the system says of it in the log's form. */
  #readFailed(error: unknown): unknown {
    return isFileSystemError(error) ? ioFailed("read", this.#path, error) : error;
  }
}

/** A loop over entries, and the last that it is to show. */
interface Loop {
  readonly cursor: EntryCursor;
  readonly to: number;
}
