/**
 * One file of a log: its making, appends, reads, syncs and cuts.
 *
 * It keeps account of three ends: of the bytes written, of the entries that a sync has covered
 * (durable), and of those that a Durable frame in the file tells of (vouched).
 *
 * @module
 */
import { CorruptionError, reasonOf, SyncFailedError, WalError } from "./errors.ts";
import type { FrameChecksum } from "./format/checksum.ts";
import { FILE_HEADER_SIZE, type FormatVersion, writeFileHeader } from "./format/file_header.ts";
import { FRAME_HEADER_SIZE, TYPE_DATA, TYPE_INTERNAL, writeFrameHeader } from "./format/frame.ts";
import { frameLengthAt } from "./format/frame.ts";
import {
  DURABLE_FRAME_SIZE,
  SEGMENT_FRAME_SIZE,
  writeDurablePayload,
  writeSegmentPayload,
} from "./format/internal.ts";
import type { File } from "./fs/file_system.ts";
import type { OffsetIndex } from "./offset_index.ts";
import type { SegmentScan, SegmentSource } from "./recovery.ts";

/** How much a sequential read takes at a time, in bytes. */
const READ_SIZE = 1024 * 1024;

/** What the staging buffer begins with; it grows to the largest frame. */
const FIRST_BUFFER_SIZE = 4096;

/** How many calls a segment has made of its file. */
export interface SegmentCounters {
  writes: number;
  syncs: number;
}

/** An open segment. */
export class Segment {
  /** The file's path. */
  readonly path: string;
  /** The version of the file's format. */
  readonly version: FormatVersion;
  /** The index of the first entry that the segment can hold. */
  readonly firstIndex: number;
  /** How often the file was written and synced. */
  readonly counters: SegmentCounters = { writes: 0, syncs: 0 };

  readonly #file: File;
  readonly #checksum: FrameChecksum;
  readonly #logId: Uint8Array | undefined;
  readonly #offsets: OffsetIndex;
  /** One frame, staged to be written or read to be checked; holds nothing between two calls. */
  #buffer: Uint8Array = new Uint8Array(FIRST_BUFFER_SIZE);
  #end: number;
  #entriesEnd: number;
  #durableCount: number;
  #durableEnd: number;
  #vouched: number;
  /** How often the segment was cut, so that a reader sees that what it read ahead is stale. */
  #cuts = 0;

  /**
   * Takes over a file that was scanned and, unless it is only read, cut to the scan's end and synced.
   *
   * @param durableCount How many of the entries are known to be durable.
   */
  constructor(source: SegmentSource, scan: SegmentScan, durableCount: number) {
    this.path = source.path;
    this.version = scan.version;
    this.firstIndex = scan.firstIndex;
    this.#file = source.file;
    this.#checksum = source.checksum;
    this.#logId = scan.logId;
    this.#offsets = scan.offsets;
    this.#end = scan.end;
    this.#entriesEnd = scan.entriesEnd;
    this.#durableCount = durableCount;
    this.#durableEnd = scan.entriesEnd;
    this.#vouched = scan.vouched;
  }

  /** How many entries there are. */
  get count(): number {
    return this.#offsets.count;
  }

  /** How many of them a sync has covered. */
  get durableCount(): number {
    return this.#durableCount;
  }

  /** The bytes in use. */
  get byteLength(): number {
    return this.#end;
  }

  /** Whether every entry is durable. */
  get isDurable(): boolean {
    return this.#durableCount === this.#offsets.count;
  }

  /**
   * Appends one entry: one write of one contiguous buffer into the page cache.
   *
   * @throws {WalError} `ERR_WAL_WRITE_FAILED` with the file as it was; `ERR_WAL_SYNC_FAILED` if the
   * file could not be brought back to that.
   */
  append(data: Uint8Array): void {
    const lead = this.#owesDurableFrame() ? DURABLE_FRAME_SIZE : 0;
    const size = lead + FRAME_HEADER_SIZE + data.length;
    const buffer = this.#reserve(size);
    if (lead > 0) this.#stageDurableFrame(buffer);
    writeFrameHeader(buffer, lead, TYPE_DATA, data.length);
    buffer.set(data, lead + FRAME_HEADER_SIZE);
    this.#checksum.seal(buffer, lead);
    this.#write(buffer, size);
    this.#offsets.push(this.#end + lead);
    this.#end += size;
    this.#entriesEnd = this.#end;
    if (lead > 0) this.#vouched = this.#durableEnd;
  }

  /**
   * Writes a Durable frame if the file does not yet tell of the last sync. It is not synced.
   *
   * @throws As {@linkcode append}.
   */
  vouch(): void {
    if (!this.#owesDurableFrame()) return;
    const buffer = this.#reserve(DURABLE_FRAME_SIZE);
    this.#stageDurableFrame(buffer);
    this.#write(buffer, DURABLE_FRAME_SIZE);
    this.#end += DURABLE_FRAME_SIZE;
    this.#vouched = this.#durableEnd;
  }

  /**
   * Makes all entries durable that are there when it is called.
   *
   * @throws {SyncFailedError} If the outcome is unknown.
   */
  async sync(): Promise<void> {
    const count = this.#offsets.count;
    const end = this.#entriesEnd;
    this.counters.syncs++;
    try {
      await this.#file.syncData();
    } catch (cause) {
      throw this.#syncFailed("the last entries", cause);
    }
    this.#durableCount = count;
    this.#durableEnd = end;
  }

  /**
   * Reads the entry at a position from 0, with one positional read.
   *
   * @throws {CorruptionError} If its checksum does not hold.
   */
  read(position: number): Uint8Array {
    const start = this.#offsets.at(position);
    const size = this.#endOf(position) - start;
    const buffer = this.#reserve(size);
    const n = this.#file.read(buffer, start, size);
    return this.#entryIn(buffer, 0, n, position);
  }

  /**
   * Reads the entries from one position to another, both included, a large chunk at a time. Entries
   * that are dropped meanwhile end it.
   */
  *readRange(from: number, to: number): Generator<Uint8Array> {
    let buffer = new Uint8Array(0);
    let base = 0;
    let limit = 0;
    let cuts = -1;
    for (let position = from; position <= to && position < this.#offsets.count; position++) {
      const start = this.#offsets.at(position);
      const end = this.#endOf(position);
      if (end > limit || cuts !== this.#cuts) {
        const wanted = Math.min(
          this.#endOf(Math.min(to, this.#offsets.count - 1)) - start,
          READ_SIZE,
        );
        const size = Math.max(wanted, end - start);
        if (size > buffer.length) buffer = new Uint8Array(size);
        base = start;
        limit = start + this.#file.read(buffer, start, size);
        cuts = this.#cuts;
      }
      yield this.#entryIn(buffer, start - base, Math.min(end, limit) - base, position);
    }
  }

  /**
   * Drops the entries from a position on and makes that durable.
   *
   * @throws {SyncFailedError} If the outcome is unknown.
   */
  async cut(count: number): Promise<void> {
    if (count >= this.#offsets.count) return;
    const end = this.#offsets.at(count);
    try {
      this.#file.truncate(end);
      this.#cuts++;
      this.#offsets.cut(count);
      this.#end = end;
      this.#entriesEnd = count === 0 ? 0 : end;
      this.#durableCount = Math.min(this.#durableCount, count);
      // The Durable frames that told of what is left may have been cut off too.
      this.#vouched = 0;
      this.counters.syncs++;
      await this.#file.sync();
    } catch (cause) {
      throw this.#syncFailed("the truncation", cause);
    }
    this.#durableCount = count;
    this.#durableEnd = this.#entriesEnd;
  }

  /** Gives the file back. */
  close(): void {
    this.#file.close();
  }

  #owesDurableFrame(): boolean {
    return this.version === 2 && this.#durableEnd > this.#vouched;
  }

  /** Stages a Durable frame at the buffer's start. */
  #stageDurableFrame(buffer: Uint8Array): void {
    if (this.#logId === undefined) throw new TypeError("A version 2 segment has a log id");
    const length = DURABLE_FRAME_SIZE - FRAME_HEADER_SIZE;
    writeFrameHeader(buffer, 0, TYPE_INTERNAL, length);
    writeDurablePayload(
      buffer,
      FRAME_HEADER_SIZE,
      this.#logId,
      this.firstIndex,
      this.#end,
      this.#durableEnd,
    );
    this.#checksum.seal(buffer, 0);
  }

  /** Writes at the end. A write that fails leaves nothing behind. */
  #write(buffer: Uint8Array, size: number): void {
    this.counters.writes++;
    try {
      this.#file.write(buffer, this.#end, size);
    } catch (cause) {
      this.#cutBack();
      throw new WalError(
        "ERR_WAL_WRITE_FAILED",
        `Cannot append ${size} bytes to "${this.path}" at offset ${this.#end}: ` +
          `${reasonOf(cause)}. The file was cut back to that offset and the log is as before: ` +
          "make room or mend the cause, then append again.",
        { cause },
      );
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

  #reserve(size: number): Uint8Array {
    if (size > this.#buffer.length) {
      this.#buffer = new Uint8Array(Math.max(size, this.#buffer.length * 2));
    }
    return this.#buffer;
  }

  /** Where the entry's frame ends at the latest: a Durable frame may stand behind it. */
  #endOf(position: number): number {
    return position + 1 < this.#offsets.count ? this.#offsets.at(position + 1) : this.#end;
  }

  /** A copy of the payload of the Data frame at `at`, if it holds. */
  #entryIn(buffer: Uint8Array, at: number, end: number, position: number): Uint8Array {
    // The index bounds the length, so no further limit is needed.
    if (buffer[at] !== TYPE_DATA || !this.#checksum.check(buffer, at, end, end)) {
      throw this.#damaged(position);
    }
    const start = at + FRAME_HEADER_SIZE;
    return buffer.slice(start, start + frameLengthAt(buffer, at));
  }

  #damaged(position: number): CorruptionError {
    const index = this.firstIndex + position;
    const offset = this.#offsets.at(position);
    return new CorruptionError(
      `Entry ${index} in "${this.path}" at offset ${offset} fails its checksum: the disk returns ` +
        "other bytes than were written. Other entries can still be read. Restore the file from a " +
        "copy.",
      { path: this.path, offset, firstIndexAtRisk: index },
    );
  }
}

/** The bytes that a new segment begins with. */
export function segmentBeginning(
  checksum: FrameChecksum,
  version: FormatVersion,
  logId: Uint8Array,
  firstIndex: number,
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
    previous: { firstIndex: 0, size: 0, checksum: 0 },
  });
  checksum.seal(bytes, FILE_HEADER_SIZE);
  return bytes;
}
