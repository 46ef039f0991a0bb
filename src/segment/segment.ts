/**
 * The segment that a log appends to: its writes, syncs, cuts and seal.
 *
 * {@linkcode Marks} keeps how far it is written, synced and told. A reader sees the segment as a
 * `WatchedSegment`.
 *
 * @module
 */
import { type Entries, EntryReader } from "./entry_reader.ts";
import { MovedError, SyncFailedError, writeFailed } from "../errors.ts";
import type { FrameChecksum } from "../format/checksum.ts";
import type { FormatVersion } from "../format/file_header.ts";
import { FRAME_HEADER_SIZE, frameLengthAt, TYPE_DATA, writeFrameHeader } from "../format/frame.ts";
import { BATCH_FRAME_SIZE } from "../format/batch_frame.ts";
import { DURABLE_FRAME_SIZE } from "../format/durable_frame.ts";
import { sealFrameSize } from "../format/seal_frame.ts";
import type { PreviousSegment } from "../format/segment_frame.ts";
import { type FileHandle, isNoSpace } from "../fs/file_system.ts";
import type { LogDirectory } from "../fs/log_directory.ts";
import { LastWrite } from "./last_write.ts";
import { MappedBeginning } from "./mapped_beginning.ts";
import { type Coverage, Marks } from "./marks.ts";
import { takeForWrite } from "./memory.ts";
import type { OffsetIndex } from "./offset_index.ts";
import { putBatchFrame, putDurableFrame } from "./own_frames.ts";
import type { Target } from "./target.ts";
import type { Batches } from "./batches.ts";
import type { SegmentScan } from "./frame_walk.ts";
import { LateSeal } from "./late_seal.ts";
import { SealPieces } from "./seal_pieces.ts";
import { SpaceAhead } from "./space_ahead.ts";
import type { SegmentCounters, SegmentSettings } from "./settings.ts";
import { SyncedFile } from "./synced_file.ts";
import type { WritableSource } from "./writable_source.ts";
import { lastChecksum } from "./last_checksum.ts";

/** A segment that is open to write. */
export class Segment implements Entries {
  /** The file's path. */
  readonly path: string;
  /** The version of the file's format. */
  readonly version: FormatVersion;
  /** The log's id; version 1 has none. */
  readonly logId: Uint8Array | undefined;
  /** The index of the first entry that the segment can hold. */
  readonly firstIndex: number;
  /** Where each entry begins. */
  readonly offsets: OffsetIndex;
  /** Which of the entries are batches. */
  readonly batches: Batches;
  /** Reads the entries. */
  readonly reader: EntryReader;

  readonly #file: FileHandle;
  readonly #syncs: SyncedFile;
  readonly #checksum: FrameChecksum;
  readonly #counters: SegmentCounters;
  #end: number;
  readonly #marks: Marks;
  readonly #space: SpaceAhead;
  #cuts = 0;
  /** Whether it is full: nothing is written any more, not even space ahead. */
  #isEnded = false;
  /** The segment before this one, for as long as a sync of it runs or has yet to be made. */
  #before: Segment | undefined;
  /** Whether that and this one's beginning are not known to be durable. */
  #isWaiting = false;
  readonly #lastWrite = new LastWrite();
  readonly #seal: SealPieces;
  /** The Seal, if the file has its place, and not all of it yet. */
  #lateSeal: LateSeal | undefined;
  readonly #directory: LogDirectory;

  /**
   * Takes over a file that was scanned, cut to the scan's end and synced.
   *
   * @param durableCount How many of the entries are known to be durable.
   */
  constructor(
    source: WritableSource,
    scan: SegmentScan,
    durableCount: number,
    { counters, directory, preallocate, mapsReads, mapsAppends }: SegmentSettings,
  ) {
    const { version } = scan;
    if (version === undefined) throw new TypeError("A segment that is written has a version");
    this.path = source.path;
    this.version = version;
    this.firstIndex = scan.firstIndex;
    this.logId = scan.logId;
    this.offsets = scan.offsets;
    this.batches = scan.batches;
    const file = mapsReads ? new MappedBeginning(source.file) : source.file;
    this.reader = new EntryReader({ ...source, file }, scan.firstIndex, this);
    this.#file = source.file;
    const failed = (doing: string, cause: unknown): Error => this.#syncFailed(doing, cause);
    this.#syncs = new SyncedFile(source, counters, failed);
    this.#checksum = source.checksum;
    this.#counters = counters;
    this.#directory = directory;
    this.#end = scan.end;
    this.#marks = new Marks(scan.offsets, scan, durableCount, version === 2);
    this.#seal = new SealPieces(this.path, this.offsets, source.checksum, version === 2);
    // Version 1 is what Go-WAL wrote, and its readers may not expect zeros.
    this.#space = new SpaceAhead(source.file, version === 2 ? preallocate : 0, mapsAppends);
  }

  /** The last index that is durable, in this segment or before it. */
  get durableIndex(): number {
    if (this.#isWaiting && this.#before !== undefined) return this.#before.durableIndex;
    return this.firstIndex - 1 + this.#marks.syncedCount;
  }

  /** The same of what every sync agrees on. */
  get settledIndex(): number {
    return this.#before?.settledIndex ?? this.firstIndex - 1 + this.#marks.settledCount;
  }

  /** The bytes in use. */
  get end(): number {
    return this.#end;
  }

  /** How often entries were dropped. */
  get cuts(): number {
    return this.#cuts;
  }

  /** How many bytes of entries were written since the last sync began to cover them. */
  get unsyncedBytes(): number {
    return this.#marks.unsyncedBytes;
  }

  /** Whether every entry is durable. */
  get isDurable(): boolean {
    return this.#marks.isSynced;
  }

  /** Whether a sync runs. */
  get isSyncing(): boolean {
    return this.#syncs.isPending;
  }

  /** Whether the file tells of every entry that is durable, as far as its version can. */
  get isAnnounced(): boolean {
    return this.#leadSize() === 0;
  }

  /**
   * Appends an entry: one write of one contiguous buffer into the page cache.
   *
   * @throws {WalError} `ERR_WAL_WRITE_FAILED` with the file as it was; `ERR_WAL_SYNC_FAILED` if the
   * file could not be brought back to that.
   */
  append(data: Uint8Array): void {
    const lead = this.#leadSize();
    const size = lead + FRAME_HEADER_SIZE + data.length;
    const buffer = this.#bufferFor(size, lead);
    writeFrameHeader(buffer, lead, TYPE_DATA, data.length);
    buffer.set(data, lead + FRAME_HEADER_SIZE);
    const start = this.#end + lead;
    this.#writeEntries(buffer, size, lead);
    this.offsets.push(start);
  }

  /**
   * Appends entries as one atom: one write too.
   *
   * @param bytes The size of their Data frames.
   * @throws {WalError} As {@linkcode append}.
   */
  appendBatch(entries: readonly Uint8Array[], bytes: number): void {
    const lead = this.#leadSize();
    const first = lead + BATCH_FRAME_SIZE;
    const buffer = this.#bufferFor(first + bytes, lead);
    putBatchFrame(buffer, lead, entries.length, bytes);
    let at = first;
    for (const data of entries) {
      writeFrameHeader(buffer, at, TYPE_DATA, data.length);
      buffer.set(data, at + FRAME_HEADER_SIZE);
      at += FRAME_HEADER_SIZE + data.length;
    }
    let offset = this.#end + first;
    this.#writeEntries(buffer, at, lead);
    this.batches.push(this.offsets.count, this.offsets.count + entries.length);
    for (const data of entries) {
      this.offsets.push(offset);
      offset += FRAME_HEADER_SIZE + data.length;
    }
  }

  /**
   * Appends the entries in some Data frames, each an atom of its own: one write all the same.
   *
   * @param frames The frames, one behind the other, without their checksums.
   * @throws {WalError} As {@linkcode append}.
   */
  appendFrames(frames: Uint8Array): void {
    const lead = this.#leadSize();
    const buffer = this.#bufferFor(lead + frames.length, lead);
    buffer.set(frames, lead);
    const start = this.#end + lead;
    this.#writeEntries(buffer, lead + frames.length, lead);
    for (let at = 0; at < frames.length; at += FRAME_HEADER_SIZE + frameLengthAt(frames, at)) {
      this.offsets.push(start + at);
    }
  }

  /** Seals and writes what is staged: a Durable frame of `lead` bytes, if any, and entries. */
  #writeEntries(buffer: Uint8Array, size: number, lead: number): void {
    this.#checksum.seal(buffer, 0, size);
    this.#write(buffer, size);
    this.#marks.wrote(this.#end);
    if (lead > 0) this.#marks.tell();
  }

  /**
   * Writes a Durable frame if the file does not yet tell of the last sync. It is not synced.
   *
   * @returns Whether it was written.
   * @throws As {@linkcode append}.
   */
  announce(): boolean {
    const size = this.#leadSize();
    if (size === 0) return false;
    const buffer = this.#bufferFor(size, size);
    this.#checksum.seal(buffer, 0, size);
    this.#write(buffer, size);
    this.#marks.tell();
    return true;
  }

  /**
   * Makes all entries durable that are there when the sync begins, which is when no other runs, and
   * extends the file for the next.
   *
   * @throws {SyncFailedError} If the outcome is unknown.
   */
  async sync(): Promise<void> {
    await this.#cover("the last entries", () => {
      const running = this.#file.syncData();
      // The disk is at work meanwhile.
      if (!this.#isEnded) this.#space.extend(this.#end, this.unsyncedBytes);
      return running;
    });
  }

  /** Makes a sync that covers what is written when it begins. */
  async #cover(doing: string, begin: (file: FileHandle) => Promise<void>): Promise<void> {
    let covered: Coverage = { count: 0, end: 0 };
    await this.#syncs.run(doing, (file) => {
      covered = this.#marks.begin();
      return begin(file);
    });
    this.requireInPlace();
    this.#marks.synced(covered);
  }

  /**
   * Resolves when no sync runs.
   *
   * @throws {SyncFailedError} If one has failed.
   */
  async settled(): Promise<void> {
    await this.#syncs.settled();
  }

  /** The same as {@linkcode sync} while the caller waits. */
  syncBlocking(): void {
    this.#coverBlocking("the last entries", (file) => {
      if (!this.#isEnded) this.#space.extend(this.#end, this.unsyncedBytes);
      file.syncDataBlocking();
    });
  }

  /** Makes a sync now that covers what is written. */
  #coverBlocking(doing: string, sync: (file: FileHandle) => void): void {
    this.#syncs.runBlocking(doing, sync);
    this.requireInPlace();
    this.#marks.syncedAtOnce(this.#syncs.isPending);
  }

  /**
   * Makes a full segment durable, all of it.
   *
   * @throws {SyncFailedError} If the outcome is unknown.
   */
  async syncFull(): Promise<void> {
    await this.#cover("the full segment", (file) => file.sync());
  }

  /** The same while the caller waits. */
  syncFullBlocking(): void {
    this.#coverBlocking("the full segment", (file) => file.syncBlocking());
  }

  /**
   * Makes the file durable, so that its name can be. No entry counts as durable by that.
   *
   * @throws {SyncFailedError} If the outcome is unknown.
   */
  async syncBeginning(): Promise<void> {
    await this.#syncs.runThroughSecond("a new segment");
    this.requireInPlace();
  }

  /** The same while the caller waits. */
  syncBeginningBlocking(): void {
    this.#syncs.runBlocking("a new segment", (file) => file.syncBlocking());
    this.requireInPlace();
  }

  /** Counts no entry as durable, and tells nothing, until the segment before this one is durable. */
  waitFor(before: Segment): void {
    this.#before = before;
    this.#isWaiting = true;
    this.#marks.hold();
  }

  /**
   * The segment before this one is durable, and so is this one's beginning.
   *
   * @param isSettled Whether no sync of them runs that has a verdict too.
   */
  begun(isSettled: boolean): void {
    this.#isWaiting = false;
    if (isSettled) this.#before = undefined;
    if (isSettled) this.#marks.release();
  }

  /**
   * Writes a Durable frame that covers the beginning, if none is in the file and a Pending frame is.
   * It goes before each sync that acknowledges an entry.
   *
   * @throws As {@linkcode append}.
   */
  announceBeginning(): void {
    if (this.#marks.isOwedFirst) this.announce();
  }

  /** Counts on the file's name to lead to it, where it is written. */
  keep(): void {
    this.#directory.keep(this.path, this.#file);
  }

  /**
   * Looks whether what was written is where a reopen will find it.
   *
   * @throws {MovedError} If not.
   */
  requireInPlace(): void {
    this.#directory.requireAfterSync(this.path);
    // What is missing may be what a sync could not write, whose verdict is still to come.
    if (this.#syncs.isPending || this.#syncs.hasFailed) return;
    if (!this.#lastWrite.isIn(this.#file, this.#end)) {
      throw new MovedError(this.path, 0, "was cut or overwritten");
    }
    this.#lastWrite.checked();
  }

  /**
   * Ends a segment of version 2, and waits for nothing. The file gets the last bytes of its Seal, and
   * so its size. {@linkcode writeSeal} writes the rest later. Nothing is appended afterwards, unless
   * {@linkcode unseal} is called.
   *
   * Until the next segment says that this one is durable, its own Durable frames are all that says so.
   * So the one that is owed comes first.
   *
   * @throws {WalError} As {@linkcode append}.
   */
  endBeforeSeal(): PreviousSegment {
    this.announce();
    const seal = this.#dueSeal(this.offsets.count);
    this.#endWith(() => {
      this.#space.trim(this.#end);
      seal.takePlace();
    });
    this.#lateSeal = seal;
    return { firstIndex: this.firstIndex, size: seal.end, checksum: seal.checksum };
  }

  /**
   * Ends a segment that was found without its Seal, or with a part of it. Nothing is written, and
   * {@linkcode writeSealPart} writes it all.
   */
  endUnsealed(): void {
    this.#lateSeal = this.#dueSeal(this.offsets.count);
    this.#isEnded = true;
  }

  /**
   * Writes the next part of the Seal after {@linkcode endBeforeSeal}, once all else of the file is
   * durable, and syncs it. So no other sync waits for all of the Seal. It has to be done before it is
   * called again.
   *
   * @returns Whether all of the Seal is written.
   * @throws {WalError} `ERR_WAL_WRITE_FAILED`: the part is yet to be written, there is no space for it.
   * @throws {SyncFailedError} If the outcome is unknown.
   */
  async writeSealPart(): Promise<boolean> {
    if (!this.#writeSealPart()) return true;
    await this.#syncs.run("a Seal", (file) => file.syncData());
    // A call that blocks may have written the rest meanwhile.
    if (!this.#syncs.isClosed) this.requireInPlace();
    return this.#lateSeal === undefined;
  }

  /** Writes all of it while the caller waits. */
  writeSealBlocking(): void {
    // A part may be written whose own sync runs.
    let isDue = this.#syncs.isPending || this.#writeSealPart();
    for (; isDue; isDue = this.#writeSealPart()) {
      this.#syncs.runBlocking("a Seal", (file) => file.syncDataBlocking());
    }
    this.requireInPlace();
  }

  /** Writes the next part of the Seal; false if it has none any more. */
  #writeSealPart(): boolean {
    const seal = this.#lateSeal;
    if (seal === undefined) return false;
    try {
      seal.writePart();
    } catch (cause) {
      if (!isNoSpace(cause)) throw this.#syncFailed("a Seal", cause);
      throw writeFailed(`write the Seal of "${this.path}" at offset ${this.#end}`, cause);
    }
    if (seal.isWritten) {
      this.#end = seal.end;
      this.#lateSeal = undefined;
    }
    return true;
  }

  /**
   * Ends the segment: writes its Seal (version 1 has none) and makes all of it durable, while the
   * caller waits. Nothing is appended afterwards, unless {@linkcode unseal} is called.
   *
   * @param count How many of the entries count; the others are dropped by this.
   * @throws {WalError} As {@linkcode append} and {@linkcode sync}.
   */
  seal(count: number = this.offsets.count): PreviousSegment {
    const checksum = this.version === 2
      ? this.#writeSeal(count)
      : lastChecksum(this.#file, this.path, this.offsets);
    this.#syncs.runBlocking("the full segment", (file) => {
      this.#space.trim(this.#end);
      file.syncBlocking();
    });
    this.requireInPlace();
    if (count < this.offsets.count) {
      this.offsets.cut(count);
      this.#seal.cut(count);
      this.#cuts++;
    }
    this.#marks.syncedAtOnce(this.#syncs.isPending);
    return { firstIndex: this.firstIndex, size: this.#end, checksum };
  }

  /** Writes the Seal, and returns its checksum. */
  #writeSeal(count: number): number {
    const seal = this.#dueSeal(count);
    this.#endWith(() => {
      while (!seal.isWritten) seal.writePart();
    });
    this.#end = seal.end;
    return seal.checksum;
  }

  /** Writes what ends the segment; if that fails, nothing of it is left behind. */
  #endWith(write: () => void): void {
    try {
      write();
    } catch (cause) {
      this.#cutBack();
      throw writeFailed(`append a Seal to "${this.path}" at offset ${this.#end}`, cause);
    }
    this.#isEnded = true;
  }

  /** The Seal, to be written at the end. */
  #dueSeal(count: number): LateSeal {
    return new LateSeal(this.#seal.frame(count), this.#end, (bytes, offset) => {
      this.#counters.writes++;
      this.#file.write(bytes, offset);
      this.#lastWrite.note(bytes, bytes.length, offset);
    });
  }

  /** Takes the Seal back, or its place, as when no next segment could be made. */
  unseal(): void {
    this.#isEnded = false;
    if (this.#lateSeal !== undefined) this.#lateSeal = undefined;
    else if (this.version === 2) this.#end -= sealFrameSize(this.offsets.count);
    this.#cutBack();
  }

  /** The part of the file from the entry at a position on. */
  tailFrom(position: number): Target {
    const lead = this.batches.isStart(position) ? BATCH_FRAME_SIZE : 0;
    const offset = this.offsets.at(position) - lead;
    return { file: this.#file, firstIndex: this.firstIndex, offset };
  }

  /** Whether a Durable frame may tell of more than what is before an offset. */
  mayTellBeyond(offset: number): boolean {
    return this.#marks.mayTellBeyond(offset);
  }

  /**
   * Drops the entries from a position on, and the Seal, and makes that durable. If a Durable frame
   * vouches for them, a redo file has to tell of it.
   *
   * @throws {SyncFailedError} If the outcome is unknown.
   */
  async cut(count: number): Promise<void> {
    if (count >= this.offsets.count) return;
    const { offset: end } = this.tailFrom(count);
    try {
      this.#file.truncate(end);
      this.#space.gone();
      this.#cuts++;
      this.#seal.cut(count);
      this.offsets.cut(count);
      this.batches.cut(count);
      this.#end = end;
      this.#marks.cutting(count, end);
    } catch (cause) {
      throw this.#syncFailed("the truncation", cause);
    }
    this.#lastWrite.forget();
    await this.#syncs.run("the truncation", (file) => file.sync());
    this.requireInPlace();
    this.#marks.cut(count);
  }

  /** Gives the file back, once no sync runs; and that of the segment before, if it is held for this one. */
  close(): void {
    if (this.#syncs.isClosed) return;
    this.#before?.close();
    this.#space.stop();
    this.reader.close();
    this.#syncs.close();
  }

  /** How large the Durable frame is that the next write begins with: 0 if none is owed. */
  #leadSize(): number {
    // After a sync that failed the file tells of nothing more.
    return this.#marks.isOwed && !this.#syncs.hasFailed ? DURABLE_FRAME_SIZE : 0;
  }

  /**
   * Where a write of some bytes is put together: in the kernel's memory, if it is large enough. A
   * Durable frame of `lead` bytes, if any, is in it.
   */
  #bufferFor(size: number, lead: number): Uint8Array {
    // A checksum takes the same memory, so this comes before anything is staged.
    if (this.offsets.count >= this.#seal.next) this.#seal.keepUp();
    const { staging } = this.#checksum;
    const buffer = size <= staging.length ? staging : takeForWrite(size, this.path);
    if (lead > 0) putDurableFrame(buffer, this, this.#end, this.#marks.settledEnd);
    return buffer;
  }

  /** Writes at the end, which moves on. A write that fails leaves nothing behind. */
  #write(buffer: Uint8Array, size: number): void {
    try {
      if (!this.#space.store(buffer, size, this.#end, this.unsyncedBytes)) {
        this.#counters.writes++;
        this.#file.write(buffer, this.#end, size);
      }
    } catch (cause) {
      this.#cutBack();
      throw writeFailed(`append ${size} bytes to "${this.path}" at offset ${this.#end}`, cause);
    }
    this.#lastWrite.note(buffer, size, this.#end);
    this.#end += size;
  }

  /**
   * Gives the space behind the end back, and takes no more.
   *
   * @throws {FileSystemError} If it could not be given back.
   */
  trim(): void {
    this.#space.stop();
    this.#space.trim(this.#end);
  }

  /**
   * Cuts off what a failed write left. The cut is synced before anything else is written there, or
   * a power cut could bring back bytes of the failed write behind later ones.
   */
  #cutBack(): void {
    this.#lastWrite.forget();
    this.#syncs.runBlocking("the cut back to the last whole entry after a failed write", (file) => {
      this.#file.truncate(this.#end);
      this.#space.gone();
      file.syncBlocking();
    });
  }

  #syncFailed(doing: string, cause: unknown): SyncFailedError {
    return new SyncFailedError(this.path, this.settledIndex, doing, cause);
  }
}
