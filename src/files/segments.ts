/**
 * The ordered list of a log's segments: which one an index lies in, the roll to the next, and what
 * is dropped from either end.
 *
 * The last segment is the one that is appended to. The full ones before it are opened when they are
 * read, a bounded number at a time.
 *
 * @module
 */
import { EntryCursor, type EntryMemory, type SegmentEntries } from "./entry_cursor.ts";
import { isEnd, MovedError, outcomeUnknown, WalError, writeFailed } from "../errors.ts";
import type { FormatVersion } from "../format/file_header.ts";
import { MAX_SEGMENT_ENTRIES } from "../format/seal_frame.ts";
import { NO_SEGMENT, type PreviousSegment } from "../format/segment_frame.ts";
import { MAX_INDEX } from "../format/limits.ts";
import {
  type FileHandle,
  type FileSystem,
  FileSystemError,
  isFileSystemError,
} from "../fs/file_system.ts";
import type { Guards } from "./guards.ts";
import type { LogDirectory } from "../fs/log_directory.ts";
import { segmentPath } from "./names.ts";
import type { RedoFile } from "./redo.ts";
import { isUnfinished, scanSegment } from "../segment/scan.ts";
import type { SegmentSource } from "../segment/source.ts";
import {
  OFFSETS_BUDGET,
  type OffsetsBudget,
  scanFull,
  SealedSegment,
  type SealedSegmentInfo,
  segmentDamaged,
} from "../segment/sealed_segment.ts";
import {
  openAgain,
  openTwice,
  Segment,
  segmentBeginning,
  type SegmentSettings,
  type WritableSource,
} from "../segment/segment.ts";

/** How many full segments are kept open for reading. */
const MAX_OPEN = 64;

/** How many full segments are looked at each time: a log may have very many. */
const LOOKED_AT = 64;

/** What all segments of a log have in common. */
export interface SegmentContext extends SegmentSettings {
  readonly fileSystem: FileSystem;
  readonly directory: LogDirectory;
  /** The log's path. */
  readonly path: string;
  readonly checksum: SegmentSource["checksum"];
  readonly maxEntrySize: number;
  /** When a segment is full, in bytes. */
  readonly segmentSize: number;
  /** The version of new segments; 1 never rolls. */
  readonly format: FormatVersion;
  readonly permissions: number;
  readonly logId: Uint8Array;
  readonly redo: RedoFile;
  /**
   * In a reader: whether no full segment has been cut up to now. Before the writer cuts one, it
   * removes those after it, so that holds for as long as the last file is there.
   */
  readonly isUntouched?: () => boolean;
  /** Keeps other writers off the oldest file and the last. */
  readonly guards: Guards;
}

/** The segments of an open log. */
export class Segments {
  readonly #context: SegmentContext;
  readonly #sealed: SealedSegmentInfo[];
  readonly #budget: OffsetsBudget = { bytes: OFFSETS_BUDGET };
  /** The full segments that are open, the least recently used first. */
  readonly #open = new Map<string, SealedSegment>();
  readonly #rebuilt = new Set<string>();
  /** The full segments whose Seals were found to hold. */
  readonly #checked = new WeakSet<SealedSegmentInfo>();
  /** Full segments on which a sync runs that was begun before they were full, or has failed. */
  readonly #unsettled = new Set<Segment>();
  /** How many of the full segments, the oldest, are being dropped. */
  #leaving = 0;
  #active: Segment;
  /** The full segment whose turn to be looked at is next. */
  #turn = 0;

  constructor(context: SegmentContext, sealed: readonly SealedSegmentInfo[], active: Segment) {
    this.#context = context;
    this.#sealed = [...sealed];
    this.#active = active;
  }

  /** The segment that is appended to. */
  get active(): Segment {
    return this.#active;
  }

  /** The log's id. */
  get logId(): Uint8Array {
    return this.#context.logId;
  }

  /** How many segments there are. */
  get count(): number {
    return this.#sealed.length + 1;
  }

  /** The first index that a segment has, dropped or not. */
  get firstIndex(): number {
    return (this.#sealed[0] ?? this.#active).firstIndex;
  }

  /** The index of the last entry. */
  get lastIndex(): number {
    return this.#active.firstIndex - 1 + this.#active.offsets.count;
  }

  /** The last index that is known to be durable: full segments are. */
  get durableIndex(): number {
    return this.#active.firstIndex - 1 + this.#active.durableCount;
  }

  /** Whether every entry is durable, and no sync has yet to say so. */
  get isSettled(): boolean {
    return this.#active.isDurable && !this.isSyncing;
  }

  /** Whether a sync runs, or has failed, that is not yet told. */
  get isSyncing(): boolean {
    return this.#active.isSyncing || this.#unsettled.size > 0;
  }

  /** Whether every entry is durable. */
  get isDurable(): boolean {
    return this.#active.isDurable;
  }

  /** How many bytes of entries were written since the last sync began to cover them. */
  get unsyncedBytes(): number {
    return this.#active.unsyncedBytes;
  }

  /** Whether the last file says of everything that is durable that it is, as far as it can. */
  get isAnnounced(): boolean {
    return this.#active.isAnnounced;
  }

  /** The size of all segments in bytes. */
  get byteLength(): number {
    return this.#sealed.reduce((sum, { size }) => sum + size, this.#active.end);
  }

  /** The files of full segments whose Seals failed their check and were made anew by a scan. */
  get rebuiltSeals(): string[] {
    return [...this.#rebuilt];
  }

  /**
   * Appends an entry, to the next segment if it does not fit this one.
   *
   * @throws {WalError} As `Segment.append`.
   */
  append(data: Uint8Array): void {
    this.#requireIndexes(1);
    if (!this.#fits(1, Segment.sizeOf(data))) this.roll();
    this.#active.append(data);
  }

  /**
   * Appends entries as one atom, to the next segment if they do not fit this one.
   *
   * @throws {WalError} As `Segment.append`, and `ERR_WAL_BATCH_TOO_LARGE` for a batch that fits no
   * segment.
   */
  appendBatch(entries: readonly Uint8Array[]): void {
    const size = Segment.sizeOfBatch(entries);
    this.#requireFit(entries, size);
    this.#requireIndexes(entries.length);
    const { version, offsets } = this.#active;
    if (version === 1 && offsets.count === 0) this.#beginAnew();
    // Version 1 has no frame that makes an atom.
    else if (version === 1 || (offsets.count > 0 && !this.#fits(entries.length, size))) this.roll();
    this.#active.appendBatch(entries);
  }

  /**
   * Appends the entries in some Data frames, if they fit this segment.
   *
   * @param frames The frames, one behind the other, without their checksums.
   * @returns Whether they did.
   * @throws {WalError} As `Segment.append`.
   */
  appendFrames(frames: Uint8Array, count: number): boolean {
    if (count > this.#indexesLeft || !this.#fits(count, Segment.sizeOfStaged(frames))) return false;
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
    const active = this.#active.isDurable ? this.#active.settled() : this.#active.sync();
    await Promise.all([active, this.#earlierSettled()]);
  }

  /**
   * The same while the caller waits.
   *
   * @throws {SyncFailedError} If the outcome is unknown.
   */
  syncBlocking(): void {
    this.#active.syncBlocking();
  }

  /**
   * Syncs the last file, for no caller that waits for an entry.
   *
   * @throws {SyncFailedError} If the outcome is unknown.
   */
  syncLast(): Promise<void> {
    return this.#active.sync();
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
   * Resolves when no sync runs.
   *
   * @throws {SyncFailedError} If one has failed.
   */
  async settled(): Promise<void> {
    await Promise.all([this.#active.settled(), this.#earlierSettled()]);
  }

  async #earlierSettled(): Promise<void> {
    for (const segment of this.#unsettled) {
      await segment.settled();
      this.#unsettled.delete(segment);
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
    const count = isLast ? this.#sealed.length : Math.min(this.#sealed.length, LOOKED_AT);
    for (let i = 0; i < count; i++) {
      const info = this.#sealed[this.#turn++ % this.#sealed.length];
      if (info === undefined) continue;
      directory.require(info.path);
      if (isLast) this.#requireSize(info);
    }
  }

  /** A file that is not open may have gone, and its number to one that was made in its place. */
  #requireSize({ path, size }: SealedSegmentInfo): void {
    let found: number;
    try {
      found = sizeOf(this.#context.fileSystem, path);
    } catch (error) {
      // It leads to a file, and that is all that can be told.
      if (isFileSystemError(error)) return;
      throw error;
    }
    if (found !== size) throw new MovedError(path, 0, "was cut or replaced");
  }

  /** Ends the segment and makes the next, while the caller waits. */
  roll(): void {
    const full = this.#active;
    this.look();
    const end = full.seal();
    try {
      this.goOnBehind(end);
    } catch (error) {
      if (isEnd(error)) throw error;
      full.unseal();
      throw writeFailed(`make the segment after "${full.path}"`, error);
    }
  }

  /**
   * Makes the segment behind the last, which has ended.
   *
   * @throws {FileSystemError} If it could not be made.
   * @throws {SyncFailedError} If the outcome is unknown.
   */
  goOnBehind({ size, checksum }: PreviousSegment): void {
    const { path, firstIndex, offsets } = this.#active;
    const end = { firstIndex, size, checksum };
    const next = createSegment(this.#context, this.lastIndex + 1, end);
    this.#sealed.push({ path, firstIndex, count: offsets.count, size, checksum });
    this.#context.directory.keepClosed(path);
    if (this.#active.isSyncing) this.#unsettled.add(this.#active);
    const full = this.#active;
    this.#active = next;
    full.close();
    // The oldest file is guarded meanwhile.
    this.#context.guards.moveSoon(this.#oldest, next.path);
  }

  /** Guards the last file and the oldest that stays. */
  #guard(): Promise<void> | void {
    return this.#context.guards.move(this.#oldest, this.#active.path);
  }

  /** The path of the oldest file that stays. */
  get #oldest(): string {
    return (this.#sealed[this.#leaving] ?? this.#active).path;
  }

  /** Makes an empty segment of version 1, which has no frame that makes an atom, one of version 2. */
  #beginAnew(): void {
    const { logId } = this.#context;
    const { path, firstIndex } = this.#active;
    const source = this.#openToWrite(path);
    try {
      source.file.truncate(0);
      beginSegment(source, { version: 2, logId, firstIndex, previous: NO_SEGMENT });
      source.file.syncBlocking();
      const scan = scanSegment(source);
      if (isUnfinished(scan)) throw new FileSystemError("EIO", "Read back", path);
      this.#active.close();
      this.#active = new Segment(source, scan, 0, this.#context);
    } catch (cause) {
      source.file.close();
      source.second.close();
      throw outcomeUnknown(path, firstIndex - 1, "the new beginning of an empty log", cause);
    }
  }

  #openToWrite(path: string): WritableSource {
    try {
      return this.#writable(path);
    } catch (cause) {
      throw writeFailed(`begin "${path}" anew`, cause);
    }
  }

  /** Reads the entry at an index that exists. */
  read(index: number): Uint8Array {
    if (index >= this.#active.firstIndex) {
      return this.#active.reader.read(index - this.#active.firstIndex);
    }
    const info = this.#locate(index);
    return this.#use(info).reader.read(index - info.firstIndex);
  }

  /** Reads the entries of a range in order; ends where they end. */
  *readRange(from: number, to: number): Generator<Uint8Array> {
    const cursor = this.cursor(from, to, "copies");
    while (cursor.advance()) yield cursor.data;
  }

  /** The same, called for one entry after the other. */
  cursor(from: number, to: number, memory: EntryMemory): EntryCursor {
    return new EntryCursor((index) => this.entriesAt(index), from, to, memory);
  }

  /** The segment that an index lies in; `undefined` behind the last. */
  entriesAt(index: number): SegmentEntries | undefined {
    if (index > this.lastIndex) return undefined;
    if (index >= this.#active.firstIndex) return this.#active;
    const info = this.#locate(index);
    return { firstIndex: info.firstIndex, reader: this.#use(info).reader };
  }

  /**
   * Removes the segments all of whose entries are below an index, oldest first. If that is all, the
   * log goes on in a new, small one.
   */
  async dropBefore(index: number): Promise<void> {
    const isAll = index > this.lastIndex && this.#active.offsets.count > 0;
    if (isAll && this.#mayRoll) this.roll();
    const { directory, path } = this.#context;
    const starts = [...this.#sealed.slice(1), this.#active];
    const kept = starts.findIndex(({ firstIndex }) => firstIndex > index);
    const dropped = kept < 0 ? [...this.#sealed] : this.#sealed.slice(0, kept);
    if (dropped.length === 0) return;
    this.#leaving = dropped.length;
    try {
      await this.#guard();
      this.#context.guards.requireOurs();
      for (const first of dropped) {
        this.#forget(first);
        directory.remove(first.path);
        this.#sealed.shift();
        this.#leaving--;
      }
    } finally {
      this.#leaving = 0;
    }
    try {
      await directory.sync();
    } catch (cause) {
      throw outcomeUnknown(path, this.durableIndex, "the removal of dropped segments", cause);
    }
  }

  /**
   * Drops the entries from an index on, newest first, so that a crash leaves no gap, and makes that
   * durable.
   *
   * @throws {WalError} `ERR_WAL_WRITE_FAILED`: the log is as it was.
   * @throws {SyncFailedError} If the outcome is unknown.
   */
  async cutFrom(index: number): Promise<void> {
    const info = index < this.#active.firstIndex ? this.#locate(index) : undefined;
    const last = info === undefined ? this.#active : this.#reopenToCut(info, index);
    try {
      const oldest = this.#sealed[0] ?? last;
      await this.#context.guards.move(oldest.path, last.path, this.#active.path);
      this.#context.guards.requireOurs();
    } catch (error) {
      if (info !== undefined) last.close();
      throw isFileSystemError(error) ? cutFailed(index, last.path, error) : error;
    }
    const position = index - last.firstIndex;
    const batchEnd = last.batchEndAround(position);
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
      this.goOnBehind(this.#active.seal(position));
    } catch (error) {
      const cause = error instanceof WalError && !isEnd(error) ? error.cause : error;
      throw outcomeUnknown(this.#active.path, this.durableIndex, "the truncation", cause);
    }
  }

  /** Opens a full segment to be the last again; nothing is changed if that fails. */
  #reopenToCut(info: SealedSegmentInfo, index: number): Segment {
    let segment: Segment | undefined;
    try {
      segment = this.#reopen(info);
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
    const kept = this.#sealed.indexOf(info);
    const dropped = [...this.#sealed.slice(kept + 1), this.#active].map(({ path }) => path);
    this.#active.close();
    this.#closeAll();
    this.#sealed.length = kept;
    this.#active = reopened;
    for (const segment of dropped.toReversed()) {
      try {
        directory.remove(segment);
        await directory.sync();
      } catch (cause) {
        throw outcomeUnknown(segment, this.durableIndex, "the truncation", cause);
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
    const dropped = this.#sealed.map(({ path }) => path);
    try {
      if (old.firstIndex !== index) {
        this.#active = createSegment(this.#context, index, NO_SEGMENT);
        old.close();
        dropped.push(old.path);
      }
      await this.#context.guards.move(this.#active.path);
      this.#context.guards.requireOurs();
      this.#closeAll();
      this.#sealed.length = 0;
      for (const segment of dropped) directory.remove(segment);
      await directory.sync();
    } catch (cause) {
      throw outcomeUnknown(path, index - 1, `the log's new beginning at ${index}`, cause);
    }
  }

  /** Gives all files back. */
  close(): void {
    this.#closeAll();
    this.#active.close();
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

  /** The full segment that an index lies in. */
  #locate(index: number): SealedSegmentInfo {
    let low = 0;
    let high = this.#sealed.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#sealed[middle]?.firstIndex ?? Infinity) <= index) low = middle;
      else high = middle - 1;
    }
    const info = this.#sealed[low];
    if (info === undefined) throw new RangeError(`No segment has the index ${index}`);
    return info;
  }

  /** Opens a full segment, or finds it open. */
  #use(info: SealedSegmentInfo): SealedSegment {
    let segment = this.#open.get(info.path);
    // Which was used last matters only where one has to go.
    if (segment !== undefined && this.#open.size < MAX_OPEN) return segment;
    if (segment === undefined) {
      segment = this.#openSealed(info);
      if (this.#open.size >= MAX_OPEN) {
        const [oldest] = this.#open;
        if (oldest !== undefined) {
          oldest[1].close();
          this.#open.delete(oldest[0]);
        }
      }
    } else {
      this.#open.delete(info.path);
    }
    this.#open.set(info.path, segment);
    return segment;
  }

  #openSealed(info: SealedSegmentInfo): SealedSegment {
    const source = this.#source(this.#context.fileSystem.open(info.path, "read"), info.path);
    try {
      const isChecked = this.#checked.has(info);
      const { isUntouched } = this.#context;
      const segment = new SealedSegment(source, info, this.#budget, isChecked, isUntouched);
      if (segment.rebuilt) this.#rebuilt.add(info.path);
      else this.#checked.add(info);
      return segment;
    } catch (error) {
      source.file.close();
      throw error;
    }
  }

  /** Opens a full segment to be appended to again. */
  #reopen(info: SealedSegmentInfo): Segment {
    this.#context.directory.require(info.path);
    const source = this.#writable(info.path);
    try {
      const scan = scanFull(source, info.size);
      if (isUnfinished(scan) || scan.offsets.count !== info.count) {
        const found = isUnfinished(scan) ? 0 : scan.offsets.count;
        const offset = isUnfinished(scan) ? 0 : scan.end;
        const what = `it has ${found} whole entries of ${info.count}`;
        throw segmentDamaged(info.path, offset, info.firstIndex + found, what);
      }
      // Behind it all is dropped next, so it has to be the one that is meant.
      this.#context.directory.require(info.path);
      return new Segment(source, scan, scan.offsets.count, this.#context);
    } catch (error) {
      source.file.close();
      source.second.close();
      throw error;
    }
  }

  #writable(path: string): WritableSource {
    const { file, second } = openTwice(this.#context.fileSystem, path);
    return { ...this.#source(file, path), second };
  }

  #source(file: FileHandle, path: string): SegmentSource {
    const { checksum, maxEntrySize } = this.#context;
    return { file, path, checksum, maxEntrySize };
  }

  #forget(info: SealedSegmentInfo): void {
    this.#open.get(info.path)?.close();
    this.#open.delete(info.path);
  }

  #closeAll(): void {
    for (const segment of this.#open.values()) segment.close();
    this.#open.clear();
  }
}

/** The error of a truncation that was not begun. */
function cutFailed(index: number, path: string, cause: unknown): WalError {
  return writeFailed(`drop the entries from ${index} on in "${path}"`, cause);
}

function sizeOf(fileSystem: FileSystem, path: string): number {
  const file = fileSystem.open(path, "read");
  try {
    return file.size();
  } finally {
    file.close();
  }
}

/**
 * Makes a segment and makes it and its name durable, while the caller waits.
 *
 * @throws {FileSystemError} If it could not be made; then there is no file.
 * @throws {SyncFailedError} If the outcome is unknown.
 */
export function createSegment(
  context: SegmentContext,
  firstIndex: number,
  previous: PreviousSegment,
): Segment {
  const { fileSystem, directory, checksum, logId, maxEntrySize, permissions } = context;
  // A segment of version 1 cannot say where it begins.
  const version = firstIndex === 1 ? context.format : 2;
  const path = segmentPath(context.path, firstIndex);
  const file = directory.create(path, permissions, true);
  let second: FileHandle | undefined;
  try {
    second = openAgain(fileSystem, path, file);
    const source = { file, second, path, checksum, maxEntrySize };
    beginSegment(source, { version, logId, firstIndex, previous });
    try {
      file.syncBlocking();
      directory.syncBlocking();
    } catch (cause) {
      throw outcomeUnknown(path, firstIndex - 1, "a new segment", cause);
    }
    // Meanwhile the directory may have gone.
    directory.require(path);
    const scan = scanSegment(source);
    if (isUnfinished(scan)) throw new FileSystemError("EIO", "Read back", path);
    return new Segment(source, scan, 0, context);
  } catch (error) {
    file.close();
    second?.close();
    if (isEnd(error)) throw error;
    try {
      // A file that came back after a crash would stand behind entries that are yet to be appended.
      directory.remove(path);
      directory.syncBlocking();
    } catch (cause) {
      const doing = "the removal of a segment that could not be made";
      throw outcomeUnknown(path, firstIndex - 1, doing, cause);
    }
    throw error;
  }
}

/** Writes the beginning of an empty file. */
export function beginSegment(
  source: SegmentSource,
  beginning: Parameters<typeof segmentBeginning>[1],
): void {
  source.file.write(segmentBeginning(source.checksum, beginning), 0);
}
