/**
 * The segment that a log appends to: its making, writes, syncs, cuts and seal.
 *
 * It keeps account of three ends: of the bytes written, of the entries that a sync has covered
 * (durable), and of those that a Durable frame in the file tells of (vouched).
 *
 * @module
 */
import { type Entries, EntryReader } from "./entry_reader.ts";
import { SyncFailedError, writeFailed } from "./errors.ts";
import type { FrameChecksum } from "./format/checksum.ts";
import { FILE_HEADER_SIZE, type FormatVersion, writeFileHeader } from "./format/file_header.ts";
import {
  CHECKSUM_AT,
  FRAME_HEADER_SIZE,
  readUint32,
  TYPE_DATA,
  TYPE_INTERNAL,
  writeFrameHeader,
} from "./format/frame.ts";
import {
  BATCH_FRAME_SIZE,
  DURABLE_FRAME_SIZE,
  NO_SEGMENT,
  type PreviousSegment,
  sealFrameSize,
  SEGMENT_FRAME_SIZE,
  writeBatchPayload,
  writeDurablePayload,
  writeSealPayload,
  writeSegmentPayload,
} from "./format/internal.ts";
import type { File } from "./fs/file_system.ts";
import type { OffsetIndex } from "./offset_index.ts";
import type { Target } from "./redo.ts";
import { type Batches, scanOn, type SegmentScan, type SegmentSource } from "./recovery.ts";

/** How many of its last bytes a reader remembers. */
const TAIL_SIZE = 64 * 1024;

/** How many calls segments have made of their files. */
export interface SegmentCounters {
  writes: number;
  syncs: number;
}

/** An open segment. */
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
  /** Reads the entries. */
  readonly reader: EntryReader;

  readonly #batches: Batches;
  readonly #source: SegmentSource;
  readonly #file: File;
  readonly #checksum: FrameChecksum;
  readonly #counters: SegmentCounters;
  #end: number;
  #entriesEnd: number;
  #durableCount: number;
  #durableEnd: number;
  #vouched: number;
  /** In a reader: the Seal that was found. */
  #seal: SegmentScan["seal"];
  /** In a reader: the last bytes. */
  #tail: Uint8Array = new Uint8Array(0);
  #cuts = 0;
  /** Syncs that run; the file is closed when there is none. */
  #running = 0;
  #closed = false;

  /**
   * Takes over a file that was scanned and, unless it is only read, cut to the scan's end and synced.
   *
   * @param durableCount How many of the entries are known to be durable.
   */
  constructor(
    source: SegmentSource,
    scan: SegmentScan,
    durableCount: number,
    counters: SegmentCounters,
  ) {
    this.path = source.path;
    this.version = scan.version;
    this.firstIndex = scan.firstIndex;
    this.logId = scan.logId;
    this.offsets = scan.offsets;
    this.#batches = scan.batches;
    this.reader = new EntryReader(source, scan.firstIndex, this);
    this.#source = source;
    this.#file = source.file;
    this.#checksum = source.checksum;
    this.#counters = counters;
    this.#end = scan.end;
    this.#entriesEnd = scan.entriesEnd;
    this.#durableCount = durableCount;
    this.#durableEnd = scan.entriesEnd;
    this.#vouched = scan.vouched;
    this.#seal = scan.seal;
  }

  /** How many entries a sync has covered. */
  get durableCount(): number {
    return this.#durableCount;
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
    return this.#entriesEnd - this.#durableEnd;
  }

  /** Whether every entry is durable. */
  get isDurable(): boolean {
    return this.#durableCount === this.offsets.count;
  }

  /** The bytes that an append of these entries would take, at the most. */
  static sizeOf(entries: readonly Uint8Array[]): number {
    const lead = DURABLE_FRAME_SIZE + (entries.length > 1 ? BATCH_FRAME_SIZE : 0);
    return entries.reduce((size, data) => size + FRAME_HEADER_SIZE + data.length, lead);
  }

  /**
   * Appends entries as one atom: one write of one contiguous buffer into the page cache.
   *
   * @throws {WalError} `ERR_WAL_WRITE_FAILED` with the file as it was; `ERR_WAL_SYNC_FAILED` if the
   * file could not be brought back to that.
   */
  append(entries: readonly Uint8Array[]): void {
    const durable = this.#owesDurableFrame();
    const buffer = this.#reserve(Segment.sizeOf(entries));
    let at = durable ? this.#stageDurableFrame(buffer) : 0;
    if (entries.length > 1) at = this.#stageBatchFrame(buffer, at, entries);
    const first = at;
    for (const data of entries) {
      writeFrameHeader(buffer, at, TYPE_DATA, data.length);
      buffer.set(data, at + FRAME_HEADER_SIZE);
      at += FRAME_HEADER_SIZE + data.length;
    }
    this.#checksum.seal(buffer, 0, at);
    this.#write(buffer, at);
    if (entries.length > 1) {
      this.#batches.starts.push(this.offsets.count);
      this.#batches.ends.push(this.offsets.count + entries.length);
    }
    let offset = this.#end + first;
    for (const data of entries) {
      this.offsets.push(offset);
      offset += FRAME_HEADER_SIZE + data.length;
    }
    this.#end += at;
    this.#entriesEnd = this.#end;
    if (durable) this.#vouched = this.#durableEnd;
  }

  /**
   * Writes a Durable frame if the file does not yet tell of the last sync. It is not synced.
   *
   * @returns Whether it was written.
   * @throws As {@linkcode append}.
   */
  vouch(): boolean {
    if (!this.#owesDurableFrame()) return false;
    const buffer = this.#reserve(DURABLE_FRAME_SIZE);
    const size = this.#stageDurableFrame(buffer);
    this.#checksum.seal(buffer, 0, size);
    this.#write(buffer, size);
    this.#end += size;
    this.#vouched = this.#durableEnd;
    return true;
  }

  /**
   * Makes all entries durable that are there when it is called.
   *
   * @throws {SyncFailedError} If the outcome is unknown.
   */
  async sync(): Promise<void> {
    const count = this.offsets.count;
    const end = this.#entriesEnd;
    this.#counters.syncs++;
    this.#running++;
    try {
      await this.#file.syncData();
    } catch (cause) {
      throw this.#syncFailed("the last entries", cause);
    } finally {
      this.#running--;
      if (this.#closed && this.#running === 0) this.#file.close();
    }
    this.#durableCount = Math.max(this.#durableCount, count);
    this.#durableEnd = Math.max(this.#durableEnd, end);
  }

  /** Where the batch ends that a position lies within, behind its first entry; undefined if none. */
  batchEndAround(position: number): number | undefined {
    const { starts, ends } = this.#batches;
    const last = starts.countBelow(position) - 1;
    const end = last < 0 ? 0 : ends.at(last);
    return end > position ? end : undefined;
  }

  /**
   * Ends the segment: writes its Seal (version 1 has none) and makes all of it durable, while the
   * caller waits. Nothing is appended afterwards, unless {@linkcode unseal} is called.
   *
   * @param count How many of the entries count; the others are dropped by this.
   * @throws {WalError} As {@linkcode append} and {@linkcode sync}.
   */
  seal(count: number = this.offsets.count): PreviousSegment {
    let checksum = 0;
    if (this.version === 2) {
      const size = sealFrameSize(count);
      const buffer = this.#reserve(size);
      writeFrameHeader(buffer, 0, TYPE_INTERNAL, size - FRAME_HEADER_SIZE);
      writeSealPayload(buffer, FRAME_HEADER_SIZE, this.offsets, count);
      this.#checksum.seal(buffer, 0, size);
      checksum = readUint32(buffer, CHECKSUM_AT);
      this.#write(buffer, size);
      this.#end += size;
    } else if (this.offsets.count > 0) {
      const header = new Uint8Array(FRAME_HEADER_SIZE);
      try {
        this.#file.read(header, this.offsets.at(this.offsets.count - 1));
      } catch (cause) {
        throw writeFailed(`end the segment "${this.path}"`, cause);
      }
      checksum = readUint32(header, CHECKSUM_AT);
    }
    this.#counters.syncs++;
    try {
      this.#file.syncBlocking();
    } catch (cause) {
      throw this.#syncFailed("the full segment", cause);
    }
    if (count < this.offsets.count) {
      this.offsets.cut(count);
      this.#cuts++;
    }
    this.#durableCount = this.offsets.count;
    this.#durableEnd = this.#entriesEnd;
    return { firstIndex: this.firstIndex, size: this.#end, checksum };
  }

  /** Takes the Seal back, as when no next segment could be made. */
  unseal(): void {
    if (this.version === 2) this.#end -= sealFrameSize(this.offsets.count);
    this.#cutBack();
  }

  /** The part of the file from the entry at a position on. */
  tailFrom(position: number): Target {
    const { starts } = this.#batches;
    const batch = starts.countBelow(position);
    const isBatchStart = batch < starts.count && starts.at(batch) === position;
    const offset = this.offsets.at(position) - (isBatchStart ? BATCH_FRAME_SIZE : 0);
    return { file: this.#file, firstIndex: this.firstIndex, offset };
  }

  /** Whether a Durable frame vouches for more than what is before an offset. */
  vouchesBeyond(offset: number): boolean {
    return this.#vouched > offset;
  }

  /**
   * Drops the entries from a position on, and the Seal, and makes that durable. If a Durable frame
   * vouches for them, a redo file has to tell of it.
   *
   * @throws {SyncFailedError} If the outcome is unknown.
   */
  async cut(count: number): Promise<void> {
    if (count >= this.offsets.count) return;
    const batches = this.#batches.starts.countBelow(count);
    const { offset: end } = this.tailFrom(count);
    try {
      this.#file.truncate(end);
      this.#cuts++;
      this.offsets.cut(count);
      this.#batches.starts.cut(batches);
      this.#batches.ends.cut(batches);
      this.#end = end;
      this.#entriesEnd = count === 0 ? 0 : end;
      this.#durableCount = Math.min(this.#durableCount, count);
      // The Durable frames that told of what is left may have been cut off too.
      this.#vouched = 0;
      this.#counters.syncs++;
      await this.#file.sync();
    } catch (cause) {
      throw this.#syncFailed("the truncation", cause);
    }
    this.#durableCount = count;
    this.#durableEnd = this.#entriesEnd;
  }

  /** In a reader: remembers the last bytes, by which a cut and what was written behind it is known. */
  rememberTail(): void {
    const size = Math.min(this.#end, TAIL_SIZE);
    this.#tail = new Uint8Array(size);
    this.#source.file.read(this.#tail, this.#end - size);
  }

  /** In a reader: takes in what the writer appended; false if the writer did more than that. */
  refresh(): boolean {
    const { file } = this.#source;
    const size = file.size();
    if (size < this.#end || (this.#end === 0 && size > 0) || !this.#tailIsThere()) return false;
    if (size === this.#end) return true;
    const { version, logId, firstIndex, offsets } = this;
    const scan = scanOn(this.#source, {
      version,
      logId,
      firstIndex,
      offsets,
      previous: NO_SEGMENT,
      batches: this.#batches,
      entriesEnd: this.#entriesEnd,
      vouched: this.#vouched,
      seal: this.#seal,
      end: this.#end,
      size: this.#end,
    });
    this.#end = scan.end;
    this.#entriesEnd = scan.entriesEnd;
    this.#vouched = scan.vouched;
    this.#seal = scan.seal;
    this.#durableCount = offsets.countBelow(scan.vouched);
    this.rememberTail();
    return true;
  }

  #tailIsThere(): boolean {
    const tail = new Uint8Array(this.#tail.length);
    const n = this.#source.file.read(tail, this.#end - tail.length);
    return n === tail.length && tail.every((byte, i) => byte === this.#tail[i]);
  }

  /** Gives the file back, once no sync runs. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#running === 0) this.#file.close();
  }

  #owesDurableFrame(): boolean {
    return this.version === 2 && this.#durableEnd > this.#vouched;
  }

  /** Stages a Durable frame at the buffer's start. Returns where the next one begins. */
  #stageDurableFrame(buffer: Uint8Array): number {
    if (this.logId === undefined) throw new TypeError("A version 2 segment has a log id");
    const length = DURABLE_FRAME_SIZE - FRAME_HEADER_SIZE;
    writeFrameHeader(buffer, 0, TYPE_INTERNAL, length);
    writeDurablePayload(
      buffer,
      FRAME_HEADER_SIZE,
      this.logId,
      this.firstIndex,
      this.#end,
      this.#durableEnd,
    );
    return DURABLE_FRAME_SIZE;
  }

  /** Stages the Batch frame of these entries. Returns where the first of them begins. */
  #stageBatchFrame(buffer: Uint8Array, at: number, entries: readonly Uint8Array[]): number {
    const bytes = entries.reduce((sum, data) => sum + FRAME_HEADER_SIZE + data.length, 0);
    writeFrameHeader(buffer, at, TYPE_INTERNAL, BATCH_FRAME_SIZE - FRAME_HEADER_SIZE);
    writeBatchPayload(buffer, at + FRAME_HEADER_SIZE, entries.length, bytes);
    return at + BATCH_FRAME_SIZE;
  }

  /** Writes at the end. A write that fails leaves nothing behind. */
  #write(buffer: Uint8Array, size: number): void {
    this.#counters.writes++;
    try {
      this.#file.write(buffer, this.#end, size);
    } catch (cause) {
      this.#cutBack();
      throw writeFailed(`append ${size} bytes to "${this.path}" at offset ${this.#end}`, cause);
    }
  }

  /**
   * Cuts off what a failed write left. The cut is synced before anything else is written there, or
   * a power cut could bring back bytes of the failed write behind later ones.
   */
  #cutBack(): void {
    try {
      this.#file.truncate(this.#end);
      this.#file.syncBlocking();
    } catch (cause) {
      throw this.#syncFailed("the cut back to the last whole entry after a failed write", cause);
    }
  }

  #syncFailed(doing: string, cause: unknown): SyncFailedError {
    const durableIndex = this.firstIndex - 1 + this.#durableCount;
    return new SyncFailedError(this.path, durableIndex, doing, cause);
  }

  /** Where to stage a write of some bytes: the kernel's memory, unless it is too large for that. */
  #reserve(size: number): Uint8Array {
    const { staging } = this.#checksum;
    return size <= staging.length ? staging : new Uint8Array(size);
  }
}

/** What a new segment is to say of itself. */
export interface SegmentBeginning {
  readonly version: FormatVersion;
  readonly logId: Uint8Array;
  readonly firstIndex: number;
  readonly previous: PreviousSegment;
}

/** The bytes that a new segment begins with. */
export function segmentBeginning(
  checksum: FrameChecksum,
  { version, logId, firstIndex, previous }: SegmentBeginning,
): Uint8Array {
  if (version === 1) {
    const header = new Uint8Array(FILE_HEADER_SIZE);
    writeFileHeader(header, version);
    return header;
  }
  const bytes = new Uint8Array(FILE_HEADER_SIZE + SEGMENT_FRAME_SIZE);
  writeFileHeader(bytes, version);
  const length = SEGMENT_FRAME_SIZE - FRAME_HEADER_SIZE;
  writeFrameHeader(bytes, FILE_HEADER_SIZE, TYPE_INTERNAL, length);
  writeSegmentPayload(bytes, FILE_HEADER_SIZE + FRAME_HEADER_SIZE, {
    kind: "segment",
    logId,
    firstIndex,
    previous,
  });
  checksum.seal(bytes, FILE_HEADER_SIZE, bytes.length);
  return bytes;
}
