/**
 * The segments of a log that is written: an append, the roll to the next one, syncs, and what is
 * dropped from either end.
 *
 * The last segment is the one that is appended to. {@linkcode SegmentList} knows the others.
 *
 * @module
 */
import { isEnd, isWriteFailed, outcomeUnknown, WalError, writeFailed } from "../errors.ts";
import { MAX_INDEX } from "../format/limits.ts";
import { MAX_SEGMENT_ENTRIES } from "../format/seal_frame.ts";
import { NO_SEGMENT, type PreviousSegment } from "../format/segment_frame.ts";
import { isFileSystemError } from "../fs/file_system.ts";
import type { SealedSegmentInfo } from "../segment/sealed_segment.ts";
import type { Segment } from "../segment/segment.ts";
import { sizeOfBatch, sizeOfEntry, sizeOfStaged } from "../segment/write_size.ts";
import { PendingRoll } from "./pending_roll.ts";
import {
  beginAgain,
  beginNextSegment,
  createSegment,
  reopenSegment,
  requireSize,
  type SegmentContext,
} from "./segment_files.ts";
import { UnsealedSegment } from "./unsealed_segment.ts";
import { SegmentList } from "./segment_list.ts";

/** How many full segments are looked at each time: a log may have very many. */
const LOOKED_AT = 16;

/** The segments of a log that is written. */
export class Segments {
  /** The segments in order, and their entries to read. */
  readonly list: SegmentList<Segment>;
  readonly #context: SegmentContext;
  /** The segment that is appended to: the last of the list, at hand for every append. */
  #active: Segment;
  /** The roll that is not durable yet, if there is one. */
  #pending: PendingRoll | undefined;
  /** The full segment that has yet to be sealed, if there is one. */
  #unsealed: UnsealedSegment | undefined;
  /** Begins to make it so. */
  #onRoll: () => void = () => {};
  /** What was full or rolled while a sync of it ran, or has failed. */
  readonly #unsettled = new Set<Pick<Segment | PendingRoll, "settled">>();
  /** How many of the full segments, the oldest, are being dropped. */
  #leaving = 0;
  /** The full segment whose turn to be looked at is next. */
  #turn = 0;

  constructor(context: SegmentContext, sealed: readonly SealedSegmentInfo[], active: Segment) {
    this.#context = context;
    this.list = new SegmentList(context, sealed, active);
    this.#active = active;
  }

  /** The log's id. */
  get logId(): Uint8Array {
    return this.#context.logId;
  }

  /** The index of the last entry. */
  get lastIndex(): number {
    return this.#active.firstIndex - 1 + this.#active.offsets.count;
  }

  /** Calls `onRoll` after each roll that is to be made durable. */
  whenRolled(onRoll: () => void): void {
    this.#onRoll = onRoll;
  }

  /** Whether every entry is durable, and no sync has yet to say so. */
  get isSettled(): boolean {
    return this.isDurable && !this.isSyncing;
  }

  /** Whether a sync runs, or has failed, that is not yet told. */
  get isSyncing(): boolean {
    return this.#active.isSyncing || this.#unsettled.size > 0 || this.#pending?.isSyncing === true;
  }

  /** Whether every entry is durable. */
  get isDurable(): boolean {
    return this.#active.isDurable && this.#pending === undefined;
  }

  /** Whether a roll is not durable yet. */
  get isPending(): boolean {
    return this.#pending !== undefined;
  }

  /** Whether a roll is not durable yet, or the full segment not sealed. */
  get isRolling(): boolean {
    return this.isPending || this.#unsealed !== undefined;
  }

  /** How many bytes of entries were written since the last sync began to cover them. */
  get unsyncedBytes(): number {
    return this.#active.unsyncedBytes;
  }

  /** Whether the last file says of everything that is durable that it is, as far as it can. */
  get isAnnounced(): boolean {
    return this.#active.isAnnounced;
  }

  /**
   * Appends an entry, to the next segment if it does not fit this one.
   *
   * @throws {WalError} As `Segment.append`.
   */
  append(data: Uint8Array): void {
    this.#requireIndexes(1);
    if (!this.#fits(1, sizeOfEntry(data))) this.roll();
    this.#active.append(data);
  }

  /**
   * Appends entries as one atom, to the next segment if they do not fit this one.
   *
   * @param bytes The size of their Data frames.
   * @throws {WalError} As `Segment.append`, and `ERR_WAL_BATCH_TOO_LARGE` for a batch that fits no
   * segment.
   */
  appendBatch(entries: readonly Uint8Array[], bytes: number): void {
    const size = sizeOfBatch(bytes);
    this.#requireFit(entries, size);
    this.#requireIndexes(entries.length);
    const { version, offsets } = this.#active;
    // Version 1 has no frame that makes an atom.
    if (version === 1 && offsets.count === 0) this.#beginAgain();
    else if (version === 1 || (offsets.count > 0 && !this.#fits(entries.length, size))) this.roll();
    this.#active.appendBatch(entries, bytes);
  }

  /**
   * Appends the entries in some Data frames, if they fit this segment.
   *
   * @param frames The frames, one behind the other, without their checksums.
   * @returns Whether they did.
   * @throws {WalError} As `Segment.append`.
   */
  appendFrames(frames: Uint8Array, count: number): boolean {
    if (count > this.#indexesLeft || !this.#fits(count, sizeOfStaged(frames))) return false;
    this.#active.appendFrames(frames);
    return true;
  }

  /**
   * Makes all entries durable that are there when it is called, and waits for the verdict of every
   * sync that runs.
   *
   * @throws {SyncFailedError} If the outcome is unknown.
   */
  async sync(): Promise<void> {
    if (this.#pending !== undefined) await this.finishRoll();
    const active = this.#active.isDurable ? this.#active.settled() : this.#syncActive();
    await Promise.all([active, this.#earlierSettled()]);
  }

  /** Syncs the last file, after a Durable frame that its recovery may need. */
  #syncActive(): Promise<void> {
    this.#announceBeginning();
    return this.#active.sync();
  }

  /**
   * Has the last file say that the one before it is durable, before an entry is acknowledged. On a full
   * disk it does not, and the next write does: the entries are as durable without.
   */
  #announceBeginning(): void {
    try {
      this.#active.announceBeginning();
    } catch (error) {
      if (!isWriteFailed(error)) throw error;
    }
  }

  /**
   * Makes a roll durable that is pending, and those that come meanwhile.
   *
   * @throws {SyncFailedError} If the outcome is unknown.
   */
  async finishRoll(): Promise<void> {
    for (let roll = this.#pending; roll !== undefined; roll = this.#pending) {
      await roll.finish();
      if (this.#pending === roll) this.#pending = undefined;
    }
  }

  /**
   * Does the next step of sealing the full segment, if one has yet to be sealed.
   *
   * @throws {WalError} `ERR_WAL_WRITE_FAILED`: it is yet to be sealed.
   * @throws {SyncFailedError} If the outcome is unknown.
   */
  async sealOn(): Promise<void> {
    await this.#unsealed?.sealOn();
  }

  /** The same as {@linkcode finishRoll} while the caller waits. */
  #finishRollBlocking(): void {
    const roll = this.#pending;
    if (roll === undefined) return;
    if (!roll.isFinished) {
      roll.finishBlocking();
      if (roll.isSyncing) this.#unsettled.add(roll);
    }
    this.#pending = undefined;
  }

  /**
   * The same while the caller waits.
   *
   * @throws {SyncFailedError} If the outcome is unknown.
   */
  syncBlocking(): void {
    this.#finishRollBlocking();
    if (this.#active.isDurable) return;
    this.#announceBeginning();
    this.#active.syncBlocking();
  }

  /**
   * Syncs the last file, for no caller that waits for an entry.
   *
   * @throws {SyncFailedError} If the outcome is unknown.
   */
  async syncLast(): Promise<void> {
    if (this.#pending !== undefined) await this.finishRoll();
    await this.#syncActive();
  }

  /**
   * Writes a Durable frame if one is owed. It is not synced.
   *
   * @returns Whether it was written.
   * @throws {WalError} As `Segment.append`.
   */
  announce(): boolean {
    return this.#active.announce();
  }

  /**
   * Gives the space after the end back, and takes no more.
   *
   * @throws {FileSystemError} If it could not be given back.
   */
  trim(): void {
    this.#active.trim();
  }

  /**
   * Resolves when no sync runs, no roll is pending, and each full segment is sealed.
   *
   * @throws {WalError} `ERR_WAL_WRITE_FAILED`: one is yet to be sealed.
   * @throws {SyncFailedError} If one has failed.
   */
  async settled(): Promise<void> {
    if (this.#pending !== undefined) await this.finishRoll();
    while (this.#unsealed !== undefined) await this.sealOn();
    await Promise.all([this.#active.settled(), this.#earlierSettled()]);
  }

  async #earlierSettled(): Promise<void> {
    for (const earlier of this.#unsettled) {
      await earlier.settled();
      this.#unsettled.delete(earlier);
    }
  }

  /**
   * Looks whether the files are where a reopen will find them. Of very many full segments, some have
   * their turn each time.
   *
   * @param isLast Whether to look at all of them, and at their sizes.
   * @throws {MovedError} If one is not.
   */
  look(isLast: boolean = false): void {
    const { directory } = this.#context;
    directory.look();
    this.#active.requireInPlace();
    const count = isLast ? this.list.sealed.length : Math.min(this.list.sealed.length, LOOKED_AT);
    for (let i = 0; i < count; i++) {
      const info = this.list.sealed[this.#turn++ % this.list.sealed.length];
      if (info === undefined) continue;
      directory.require(info.path);
      // One that was found without its Seal may not have its size yet.
      if (isLast && info.path !== this.#unsealed?.path) requireSize(this.#context.fileSystem, info);
    }
  }

  /**
   * Ends the segment and makes the next, and waits for the disk only if the roll before is not durable
   * yet. This one is to be made so by {@linkcode finishRoll}.
   */
  roll(): void {
    // The Pending frame is of version 2, and so is the Seal that is told from a torn one.
    if (this.#active.version === 1) return this.rollDurably();
    const mustWait = this.#pending?.isFinished === false || this.#unsealed !== undefined;
    if (mustWait) this.#context.counters.rollWaits++;
    this.#finishRollBlocking();
    this.#unsealed?.sealBlocking();
    const full = this.#active;
    this.look();
    const end = full.endBeforeSeal();
    const next = this.#beginNext(full, end, (context, firstIndex, previous) => {
      return beginNextSegment(context, firstIndex, previous, full.settledIndex);
    });
    const { directory } = this.#context;
    this.#pending = new PendingRoll(full, next, directory);
    this.#continueIn(next, end);
    this.holdUnsealed(full);
    directory.keepClosed(full.path);
    this.#onRoll();
  }

  /** Holds a full segment until it is sealed. */
  holdUnsealed(full: Segment): void {
    this.list.readUnsealed(full);
    this.#unsealed = new UnsealedSegment(full, () => {
      this.list.readUnsealed(undefined);
      this.#unsealed = undefined;
    });
  }

  /** The same, and makes all of it durable while the caller waits. */
  rollDurably(): void {
    this.#unsealed?.sealBlocking();
    const full = this.#active;
    this.look();
    const end = full.seal();
    this.#continueDurably(this.#beginNext(full, end, createSegment), end);
  }

  /** Makes the segment after a full one, which is as it was if that fails. */
  #beginNext(full: Segment, end: PreviousSegment, make: typeof createSegment): Segment {
    try {
      return make(this.#context, this.lastIndex + 1, end);
    } catch (error) {
      if (isEnd(error)) throw error;
      full.unseal();
      throw writeFailed(`make the segment after "${full.path}"`, error);
    }
  }

  /**
   * Makes the segment after the last, which has ended and is durable.
   *
   * @throws {FileSystemError} If it could not be made.
   * @throws {SyncFailedError} If the outcome is unknown.
   */
  beginNext({ size, checksum }: PreviousSegment): void {
    this.#unsealed?.sealBlocking();
    const end = { firstIndex: this.#active.firstIndex, size, checksum };
    this.#continueDurably(createSegment(this.#context, this.lastIndex + 1, end), end);
  }

  #continueDurably(next: Segment, end: PreviousSegment): void {
    const full = this.#active;
    this.#context.directory.keepClosed(full.path);
    if (full.isSyncing) this.#unsettled.add(full);
    this.#continueIn(next, end);
    full.close();
  }

  /** Appends to another segment from now on. */
  #continueIn(next: Segment, { size, checksum }: PreviousSegment): void {
    const { path, firstIndex, offsets } = this.#active;
    this.#active = next;
    this.list.endLast({ path, firstIndex, count: offsets.count, size, checksum }, next);
    // The oldest file is guarded meanwhile.
    this.#context.guards.moveSoon(this.#oldest, next.path);
  }

  /** Makes the last segment, an empty one of version 1, one of version 2. */
  #beginAgain(): void {
    this.#replaceActive(beginAgain(this.#context, this.#active));
  }

  #replaceActive(segment: Segment): void {
    this.list.replaceLast(segment);
    this.#active = segment;
  }

  /** Guards the last file and the oldest that stays. */
  #guard(): Promise<void> | void {
    return this.#context.guards.move(this.#oldest, this.#active.path);
  }

  /** The path of the oldest file that stays. */
  get #oldest(): string {
    return (this.list.sealed[this.#leaving] ?? this.#active).path;
  }

  /**
   * Removes the segments all of whose entries are below an index, oldest first. If that is all, the
   * log goes on in a new, small one.
   */
  async dropBefore(index: number): Promise<void> {
    await this.#giveUpBelow(index);
    const isAll = index > this.lastIndex && this.#active.offsets.count > 0;
    if (isAll && this.#mayRoll) this.roll();
    await this.#giveUpBelow(index);
    const { directory, path } = this.#context;
    const starts = [...this.list.sealed.slice(1), this.#active];
    const kept = starts.findIndex(({ firstIndex }) => firstIndex > index);
    const dropped = kept < 0 ? [...this.list.sealed] : this.list.sealed.slice(0, kept);
    if (dropped.length === 0) return;
    this.#leaving = dropped.length;
    try {
      await this.#guard();
      this.#context.guards.requireOurs();
      for (const first of dropped) {
        this.list.closeSealed(first);
        directory.remove(first.path);
        this.list.dropOldest();
        this.#leaving--;
      }
    } finally {
      this.#leaving = 0;
    }
    try {
      await directory.sync();
    } catch (cause) {
      throw outcomeUnknown(path, this.list.durableIndex, "the removal of dropped segments", cause);
    }
  }

  /**
   * Gives up the full segment that has yet to be sealed, if it is to be dropped: it must be durable no
   * more, nothing may be at work on it, and a full disk may have no space for its Seal until it is gone.
   */
  async #giveUpBelow(index: number): Promise<void> {
    while (this.#pending !== undefined) await this.finishRoll();
    if (this.#active.firstIndex <= index) await this.#unsealed?.giveUp();
  }

  /**
   * Drops the entries from an index on, newest first, so that a crash leaves no gap, and makes that
   * durable.
   *
   * @throws {WalError} `ERR_WAL_WRITE_FAILED`: the log is as it was.
   * @throws {SyncFailedError} If the outcome is unknown.
   */
  async cutFrom(index: number): Promise<void> {
    const info = index < this.#active.firstIndex ? this.list.locate(index) : undefined;
    const last = info === undefined ? this.#active : this.#reopenToCut(info, index);
    try {
      const oldest = this.list.sealed[0] ?? last;
      await this.#context.guards.move(oldest.path, last.path, this.#active.path);
      this.#context.guards.requireOurs();
    } catch (error) {
      if (info !== undefined) last.close();
      throw isFileSystemError(error) ? cutFailed(index, last.path, error) : error;
    }
    const position = index - last.firstIndex;
    const batchEnd = last.batches.endAround(position) || undefined;
    const count = batchEnd ?? position;
    const mustRedo = count < last.offsets.count &&
      last.mayTellBeyond(last.tailFrom(count).offset);
    if (mustRedo) {
      try {
        await this.#context.redo.begin(last.tailFrom(count), [], 0);
      } catch (error) {
        if (info !== undefined) last.close();
        if (isEnd(error)) throw error;
        throw cutFailed(index, last.path, error);
      }
    }
    if (info !== undefined) await this.#dropSegmentsBehind(info, last);
    void this.#guard();
    await last.cut(count);
    if (mustRedo) await this.#context.redo.end();
    if (batchEnd === undefined) return;
    // A batch that is cut would be none. It stays whole, and a Seal in front of whose count some of
    // its entries are drops the others, at once and for good.
    try {
      this.beginNext(this.#active.seal(position));
    } catch (error) {
      const cause = error instanceof WalError && !isEnd(error) ? error.cause : error;
      throw outcomeUnknown(this.#active.path, this.list.durableIndex, "the truncation", cause);
    }
  }

  /** Opens a full segment to be the last again; nothing is changed if that fails. */
  #reopenToCut(info: SealedSegmentInfo, index: number): Segment {
    let segment: Segment | undefined;
    try {
      segment = reopenSegment(this.#context, info);
      segment.keep();
      return segment;
    } catch (error) {
      segment?.close();
      throw isFileSystemError(error) ? cutFailed(index, info.path, error) : error;
    }
  }

  /** Removes all segments behind a full one, newest first, each for good; it is appended to again. */
  async #dropSegmentsBehind(info: SealedSegmentInfo, reopened: Segment): Promise<void> {
    const { directory } = this.#context;
    const { sealed } = this.list;
    const after = sealed.slice(sealed.indexOf(info) + 1);
    const dropped = [...after, this.#active].map(({ path }) => path);
    this.list.endWith(info, reopened);
    this.#active = reopened;
    for (const segment of dropped.toReversed()) {
      try {
        directory.remove(segment);
        await directory.sync();
      } catch (cause) {
        throw outcomeUnknown(segment, this.list.durableIndex, "the truncation", cause);
      }
    }
  }

  /**
   * Replaces all segments, whose entries are dropped, by an empty one that begins with an index.
   *
   * @throws {SyncFailedError} If the outcome is unknown.
   */
  async moveTo(index: number): Promise<void> {
    const { directory, path } = this.#context;
    const old = this.#active;
    const dropped = this.list.sealed.map(({ path }) => path);
    try {
      if (old.firstIndex !== index) {
        this.#replaceActive(createSegment(this.#context, index, NO_SEGMENT));
        old.close();
        dropped.push(old.path);
      }
      await this.#context.guards.move(this.#active.path);
      this.#context.guards.requireOurs();
      this.list.dropSealed();
      for (const segment of dropped) directory.remove(segment);
      await directory.sync();
    } catch (cause) {
      throw outcomeUnknown(path, index - 1, `the log's new beginning at ${index}`, cause);
    }
  }

  /** Gives all files back. */
  close(): void {
    this.list.close();
  }

  get #mayRoll(): boolean {
    return this.#context.format !== 1;
  }

  /** Whether a write of some entries goes to this segment, and not to the next. */
  #fits(entries: number, size: number): boolean {
    const { offsets, end } = this.#active;
    // A large entry has a segment of its own.
    if (!this.#mayRoll || (offsets.count === 0 && entries === 1)) return true;
    return end + size <= this.#context.segmentSize &&
      offsets.count + entries <= MAX_SEGMENT_ENTRIES;
  }

  /** How many more entries there are indexes for. */
  get #indexesLeft(): number {
    return MAX_INDEX - this.lastIndex;
  }

  #requireIndexes(count: number): void {
    if (count <= this.#indexesLeft) return;
    throw new WalError(
      "ERR_WAL_INDEX_OUT_OF_RANGE",
      `Cannot append ${
        count === 1 ? "an entry" : `${count} entries`
      } to "${this.#context.path}": ` +
        `its last index is ${this.lastIndex}, and the largest that there is ${MAX_INDEX}. Nothing ` +
        "was written. Go on in a new log, or reset this one to a lower index.",
    );
  }

  #requireFit(entries: readonly Uint8Array[], size: number): void {
    const { format, segmentSize, path } = this.#context;
    if (format === 1) {
      throw new WalError(
        "ERR_WAL_FORMAT",
        `Cannot append a batch to "${path}": format 1 has no atomic batches. Nothing was written. ` +
          "Append the entries one by one, or open the log without { format: 1 }.",
      );
    }
    if (size <= segmentSize && entries.length <= MAX_SEGMENT_ENTRIES) return;
    throw new WalError(
      "ERR_WAL_BATCH_TOO_LARGE",
      `Cannot append a batch of ${entries.length} entries, ${size} bytes, to "${path}": a segment ` +
        `holds ${segmentSize} bytes and ${MAX_SEGMENT_ENTRIES} entries. Nothing was written. Split ` +
        "the batch, or open the log with a larger segmentSize.",
    );
  }
}

/** The error of a truncation that was not begun. */
function cutFailed(index: number, path: string, cause: unknown): WalError {
  return writeFailed(`drop the entries from ${index} on in "${path}"`, cause);
}
