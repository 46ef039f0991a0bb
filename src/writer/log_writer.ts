/**
 * The writing side of an open log: what is appended, made durable, dropped and stored, and how a
 * handle ends.
 *
 * Arguments were checked, and {@linkcode Lifecycle.admit} has admitted each call.
 *
 * @module
 */
import {
  type EndError,
  ioFailed,
  isEnd,
  isWriteFailed,
  MovedError,
  outcomeUnknown,
  WalError,
} from "../errors.ts";
import type { Guards } from "../files/guards.ts";
import { giveBackLog } from "../files/give_back_log.ts";
import type { LogContents } from "../files/log_contents.ts";
import type { Retained } from "../files/retention.ts";
import type { Segments } from "../files/segments.ts";
import type { FormatVersion } from "../format/file_header.ts";
import { FRAME_HEADER_SIZE } from "../format/frame.ts";
import { clock } from "../fs/clock.ts";
import { isFileSystemError, type WriterLock } from "../fs/file_system.ts";
import type { LogDirectory } from "../fs/log_directory.ts";
import type { ResolvedOptions } from "../options.ts";
import { sizeOfFrames } from "../segment/write_size.ts";
import { Announcer } from "./announce.ts";
import { GroupCommit } from "./commit.ts";
import type { Lifecycle } from "./lifecycle.ts";

/**
 * How many bytes are appended without a sync before one is begun unasked, so that a roll has little
 * left to make durable, and is done before the next one.
 */
const WRITE_BEHIND = 8 * 1024 * 1024;

/** What a writer has of an open log. */
export interface WrittenLog {
  readonly contents: LogContents;
  readonly segments: Segments;
  readonly directory: LogDirectory;
  readonly lock: WriterLock | undefined;
  readonly guards: Guards;
}

/** What a writer tells. */
export interface Listener {
  /** Something was appended, became durable or was dropped. */
  changed(): void;
  /** The entries from an index on were dropped. */
  dropped(from: number): void;
  /** The handle is closed: nothing more becomes durable. */
  closed(): void;
}

/** Writes a log. */
export class LogWriter {
  readonly #log: LogContents;
  readonly #segments: Segments;
  readonly #directory: LogDirectory;
  readonly #lock: WriterLock | undefined;
  readonly #guards: Guards;
  readonly #isBlocking: boolean;
  readonly #format: FormatVersion;
  readonly #lifecycle: Lifecycle<EndError>;
  readonly #listener: Listener;
  readonly #commit: GroupCommit;
  readonly #announcer: Announcer;
  /** A sync that no caller asked for; it never rejects. */
  #writeBehind: Promise<void> | undefined;
  /** Makes rolls durable; it never rejects. */
  #finishing: Promise<void> | undefined;
  #appends = 0;
  #bytesAppended = 0;

  constructor(
    { contents, segments, directory, lock, guards }: WrittenLog,
    { syncMode, format }: Pick<ResolvedOptions, "syncMode" | "format">,
    lifecycle: Lifecycle<EndError>,
    listener: Listener,
  ) {
    this.#log = contents;
    this.#segments = segments;
    this.#directory = directory;
    this.#lock = lock;
    this.#guards = guards;
    this.#format = format;
    this.#isBlocking = syncMode === "blocking";
    this.#lifecycle = lifecycle;
    this.#listener = listener;
    this.#commit = new GroupCommit({
      append: (data) => {
        lifecycle.requireNotEnded();
        return this.#append(data);
      },
      appendFrames: (frames, count, bytes) => this.#appendFrames(frames, count, bytes),
      sync: () => this.#syncOnce(),
    });
    this.#announcer = new Announcer(segments, {
      get isOver(): boolean {
        return lifecycle.hasEnded || lifecycle.kind === "closed";
      },
      get mayWrite(): boolean {
        return lifecycle.kind !== "rewriting";
      },
      rest: () => {
        this.#look();
        if (segments.isRolling) this.#rolled();
        guards.catchUp();
      },
      failed: (error) => this.#end(error),
    });
    guards.whenLost((error) => this.#end(error));
    segments.whenRolled(() => this.#rolled());
    if (segments.isRolling) this.#rolled();
    this.#announcer.whenIdle();
  }

  /** Entries appended. */
  get appends(): number {
    return this.#appends;
  }

  /** Bytes of those entries. */
  get bytesAppended(): number {
    return this.#bytesAppended;
  }

  /** Appends an entry, after those that wait for a sync, and returns its index. */
  append(data: Uint8Array): number {
    this.#flush();
    return this.#append(data);
  }

  /** Appends entries as one atom, likewise, and returns the index of the last. */
  appendBatch(entries: readonly Uint8Array[]): number {
    this.#flush();
    const [only] = entries;
    if (only !== undefined && entries.length === 1) return this.#append(only);
    const bytes = sizeOfFrames(entries);
    try {
      this.#segments.appendBatch(entries, bytes);
    } catch (error) {
      throw this.#failed(error);
    }
    return this.#appended(entries.length, bytes - entries.length * FRAME_HEADER_SIZE);
  }

  /** Appends an entry and makes it durable, with a group. */
  appendAndSync(data: Uint8Array): Promise<number> {
    return this.#commit.append(data);
  }

  /** Resolves after a sync of all that was appended before, with a group. */
  commit(): Promise<void> {
    return this.#commit.join();
  }

  /** Makes durable all that was appended before. */
  async sync(): Promise<void> {
    this.#commit.flush();
    // A truncation that runs syncs whatever it leaves.
    await this.#lifecycle.rewritten;
    this.#lifecycle.requireNotEnded();
    if (this.#segments.isSettled) this.#announcer.whenIdle();
    else await this.#commit.join();
  }

  /** The same while the caller waits. */
  syncBlocking(): void {
    this.#flush();
    if (this.#segments.isDurable) this.#announcer.whenIdle();
    else this.#syncAtOnce();
  }

  /** Drops the entries from an index on. */
  async truncateFromIndex(index: number): Promise<void> {
    this.#commit.flush();
    await this.#rewrite(async () => {
      this.#log.requireIndex(index);
      await this.#segments.cutFrom(index);
      this.#listener.dropped(index);
    });
  }

  /** Drops the entries below an index, and stores a state with that, if one is given. */
  async truncateBeforeIndex(index: number, newState?: Uint8Array): Promise<void> {
    this.#commit.flush();
    await this.#lifecycle.inTurn(() =>
      this.#change(async () => {
        const { firstIndex, lastIndex } = this.#log;
        // Only here: a reset that runs shows what is neither the log before nor the one after.
        if (index !== lastIndex + 1) this.#log.requireIndex(index);
        if (index !== firstIndex) await this.#dropBefore(index, newState);
        else if (newState !== undefined) await this.#updateMeta(index, newState);
      })
    );
  }

  /** Drops the entries that a plan says, which is made when the turn has come. */
  async retain(plan: () => Retained): Promise<Retained> {
    this.#commit.flush();
    return await this.#lifecycle.inTurn(() =>
      this.#change(async () => {
        const retained = plan();
        if (retained.bytes > 0) await this.#dropBefore(retained.firstIndex);
        return { ...retained, firstIndex: this.#log.firstIndex };
      })
    );
  }

  async #dropBefore(index: number, newState?: Uint8Array): Promise<void> {
    this.#requireFormat2("drop the head of");
    const { firstIndex, state } = this.#log;
    // Segments whose removal failed may be left of a head that was dropped before.
    if (index > firstIndex) await this.#updateMeta(index, newState ?? state);
    await this.#segments.dropBefore(index);
  }

  /** Drops every entry; the next gets an index. */
  async reset(nextIndex: number): Promise<void> {
    if (nextIndex !== 1) this.#requireFormat2("reset");
    await this.#rewrite(async () => {
      await this.#reset(nextIndex);
      this.#listener.dropped(nextIndex);
    });
  }

  async #reset(nextIndex: number): Promise<void> {
    const { meta, path } = this.#log;
    // Of what would be refused half-way, nothing is begun.
    meta.requireSequence();
    let isBegun = false;
    try {
      // The entries below the head are still in their segment, and must not come back when the head
      // moves down again.
      if (nextIndex <= this.#log.lastIndex || nextIndex < this.#log.firstIndex) {
        await this.#segments.cutFrom(this.#segments.list.firstIndex);
        isBegun = true;
      }
      const isForward = nextIndex >= this.#log.firstIndex;
      if (isForward) await this.#updateMeta(nextIndex, this.#log.state);
      isBegun = true;
      await this.#segments.moveTo(nextIndex);
      if (!isForward) await this.#updateMeta(nextIndex, this.#log.state);
    } catch (cause) {
      // What could not be begun has left the log as it was.
      if (!isBegun) throw cause;
      // Half of a reset is no state to continue from; a reopen finishes what it finds.
      throw outcomeUnknown(path, this.#log.durableIndex, "the reset", cause);
    }
  }

  /** Stores the application's state. */
  async setState(state: Uint8Array): Promise<void> {
    await this.#lifecycle.inTurn(() =>
      this.#change(() => this.#updateMeta(this.#log.firstIndex, state))
    );
  }

  async #updateMeta(headIndex: number, state: Uint8Array): Promise<void> {
    const { logId } = this.#segments;
    const { meta, durableIndex } = this.#log;
    try {
      await meta.update({ logId, headIndex, state }, durableIndex);
    } finally {
      this.#lifecycle.advanceEpoch();
    }
  }

  /** Makes everything durable, and gives the files and the lock back. */
  close(): Promise<void> {
    this.#announcer.stop();
    return this.#lifecycle.close(() => this.#close());
  }

  async #close(): Promise<void> {
    let failure: WalError | undefined;
    try {
      await this.#settled();
      if (!this.#lifecycle.hasEnded) await this.#finish();
    } finally {
      this.#listener.closed();
      failure = await giveBackLog(this.#log, this.#guards, this.#directory, this.#lock);
    }
    // What the log owes of its entries goes before what became of its files.
    this.#lifecycle.requireTold();
    if (failure !== undefined) throw failure;
  }

  /** Makes everything durable, and the file say so. */
  async #finish(): Promise<void> {
    try {
      this.#trim();
      await this.#segments.sync();
      if (this.#announcer.now()) await this.#segments.syncLast();
      this.#look(true);
    } catch (error) {
      this.#end(error);
    }
  }

  /** Gives the space back that was taken ahead of the entries. */
  #trim(): void {
    try {
      this.#segments.trim();
    } catch (error) {
      // What stays is unused space to the next open.
      if (!isFileSystemError(error)) throw error;
    }
  }

  /** Writes the entries that wait for a sync, so that what comes now is after them. */
  #flush(): void {
    // What was written may have ended the handle.
    if (this.#commit.flush()) this.#lifecycle.requireNotEnded();
  }

  #append(data: Uint8Array): number {
    try {
      this.#segments.append(data);
    } catch (error) {
      throw this.#failed(error);
    }
    return this.#appended(1, data.length);
  }

  /** Appends a group; undefined if it does not fit as a whole, or could not be written so. */
  #appendFrames(frames: Uint8Array, count: number, bytes: number): number | undefined {
    if (this.#lifecycle.hasEnded) return undefined;
    try {
      if (!this.#segments.appendFrames(frames, count)) return undefined;
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
    return this.#appended(count, bytes);
  }

  /** What follows an append; the index of the last entry. */
  #appended(count: number, bytes: number): number {
    this.#appends += count;
    this.#bytesAppended += bytes;
    if (this.#segments.unsyncedBytes > WRITE_BEHIND) this.#writeBehind ??= this.#syncBehind();
    this.#listener.changed();
    this.#announcer.written();
    return this.#segments.lastIndex;
  }

  /** One sync for all that wait; a promise if it is not done at once. */
  #syncOnce(): Promise<void> | void {
    this.#lifecycle.requireNotEnded();
    const { isSettled, isSyncing } = this.#segments;
    if (isSettled) return;
    // What runs is awaited, and no thread need block meanwhile.
    if (!this.#isBlocking || isSyncing) return this.#syncBeside();
    this.#syncAtOnce();
  }

  #syncAtOnce(): void {
    try {
      this.#segments.syncBlocking();
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

  async #syncBehind(): Promise<void> {
    try {
      await this.#segments.syncLast();
      this.#synced();
    } catch (error) {
      this.#end(error);
    } finally {
      this.#writeBehind = undefined;
    }
  }

  #rolled(): void {
    this.#finishing ??= this.#finishRoll();
  }

  /** Makes rolls durable that no caller asked for, and seals the full segments. */
  async #finishRoll(): Promise<void> {
    // To begin the syncs takes time too, and the append that rolls does not wait for that either.
    await clock.endOfTurn();
    try {
      while (this.#segments.isRolling && !this.#lifecycle.hasEnded) {
        if (this.#segments.isPending) {
          await this.#segments.finishRoll();
          this.#synced();
        } else await this.#segments.sealOn();
      }
    } catch (error) {
      // Without space the Seal waits for the next idle moment, or the next roll.
      if (!isWriteFailed(error)) this.#end(error);
    } finally {
      this.#finishing = undefined;
    }
  }

  /** What follows a sync. */
  #synced(): void {
    this.#listener.changed();
    this.#announcer.synced();
  }

  /** Resolves when no sync runs that was begun here. */
  async #settled(): Promise<void> {
    await this.#commit.idle();
    await this.#writeBehind;
    await this.#finishing;
  }

  /** Makes a change of the log's ends or state, whose turn it is. */
  async #change<T>(change: () => Promise<T>): Promise<T> {
    try {
      this.#look();
      return await change();
    } catch (error) {
      if (isFileSystemError(error)) throw ioFailed("change", this.#log.path, error);
      throw this.#failed(error);
    }
  }

  /** Makes a change during which nothing may be appended, since it reuses offsets or indexes. */
  async #rewrite(change: () => Promise<void>): Promise<void> {
    try {
      await this.#lifecycle.alone(() =>
        this.#change(async () => {
          // A sync that runs would count entries as durable that are about to go.
          await this.#settled();
          await this.#segments.settled();
          await change();
        })
      );
    } finally {
      this.#announcer.whenIdle();
    }
  }

  /** Looks whether the files are where a reopen will find them, and as long as they should be. */
  #look(isLast: boolean = false): void {
    this.#segments.look(isLast);
    this.#log.meta.look();
  }

  #requireFormat2(doing: string): void {
    if (this.#format === 2) return;
    throw new WalError(
      "ERR_WAL_FORMAT",
      `Cannot ${doing} "${this.#log.path}": a log of format 1 is one file that begins with index 1. ` +
        "Open it without { format: 1 }.",
    );
  }

  /** The error of a call, which may have ended the handle. */
  #failed(error: unknown): unknown {
    if (!isEnd(error)) return error;
    this.#end(error);
    return this.#lifecycle.tell();
  }

  /** Ends the handle. Any other error is a defect of ours, and is thrown as it is. */
  #end(error: unknown): void {
    if (!isEnd(error)) throw error;
    this.#announcer.stop();
    this.#lifecycle.end(this.#withIndex(error));
  }

  /** What knows of files only does not know which entries are durable. */
  #withIndex(error: EndError): EndError {
    if (!(error instanceof MovedError)) return error;
    return new MovedError(error.path, this.#log.durableIndex, error.what);
  }
}
