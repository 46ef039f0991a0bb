/**
 * Reads the entries of one segment: one at a time, by one positional read, or a chunk of them, which
 * the kernel checks at once.
 *
 * @module
 */
import { allocate } from "../fs/allocate.ts";
import type { PositionRange } from "./batches.ts";
import { CopyPool } from "./copy_pool.ts";
import { CorruptionError, RESTORE } from "../errors.ts";
import type { FrameChecksum } from "../format/checksum.ts";
import {
  CHECKSUM_AT,
  FRAME_HEADER_SIZE,
  frameLengthAt,
  TYPE_DATA,
  writeFrameHeader,
} from "../format/frame.ts";
import { readUint32 } from "../format/integers.ts";
import type { FileHandle } from "../fs/file_system.ts";
import type { OffsetIndex } from "./offset_index.ts";
import type { SegmentSource } from "./source.ts";

/** Where the entries of a segment begin. */
export interface Offsets {
  readonly count: number;
  /** The offset of the entry at a position from 0. */
  at(position: number): number;
  /**
   * How many of the entries from a position on begin where a list says.
   *
   * @param starts Where each begins, from `base` on: the first `count` of these.
   */
  countMatching(position: number, starts: Uint32Array, count: number, base: number): number;
}

/** The entries of a segment, as far as they go now. */
export interface Entries {
  readonly offsets: Offsets;
  /** Where the last one's frame ends at the latest, in bytes. */
  readonly end: number;
  /** Changes when entries are dropped, so that what was read ahead is known to be stale. */
  readonly cuts: number;
  /** In a reader: the checksum of each one's frame as it was found, if the file was scanned. */
  readonly checksums?: OffsetIndex | undefined;
  /** Which of them are batches. */
  readonly batches: BatchesOf;
  /** In a reader: whether the writer has left alone what was read from the file up to now. */
  isUntouched?: (() => boolean) | undefined;
}

/** The batches of a segment: known from a scan, or looked for. */
export interface BatchesOf {
  /** The batch that has the entry at a position, be it the first or another. */
  around(position: number): PositionRange | undefined;
}

/** Frames in the kernel's memory that hold, one after the other from its start. */
export interface Frames {
  /** Where each begins: the first `count` of these, until the kernel is used again. */
  readonly starts: Uint32Array;
  readonly count: number;
  /** After the last. */
  readonly stop: number;
}

/** What it takes to read entries. */
export interface EntrySource extends Pick<SegmentSource, "path" | "checksum"> {
  readonly file: Pick<FileHandle, "read">;
}

/** Reads and checks entries. */
export class EntryReader {
  /** Where they are. */
  readonly entries: Entries;
  readonly #file: EntrySource["file"];
  readonly #path: string;
  readonly #checksum: FrameChecksum;
  readonly #firstIndex: number;
  readonly #copies = new CopyPool();
  #closed = false;

  constructor(source: EntrySource, firstIndex: number, entries: Entries) {
    this.entries = entries;
    this.#file = source.file;
    this.#path = source.path;
    this.#checksum = source.checksum;
    this.#firstIndex = firstIndex;
  }

  /** Whether the file was given back, so that a read in order has to look for the entries again. */
  get isClosed(): boolean {
    return this.#closed;
  }

  /** Notes that the file is given back. */
  close(): void {
    this.#closed = true;
  }

  /**
   * Reads the entry at a position from 0, with one positional read.
   *
   * @returns The caller's own copy.
   * @throws {CorruptionError} If its checksum does not hold, or in a reader is not what it was.
   */
  read(position: number): Uint8Array {
    const start = this.entries.offsets.at(position);
    const size = this.endOf(position) - start;
    const { staging } = this.#checksum;
    const isStaged = size <= staging.length;
    const buffer = isStaged ? staging : allocate(size, this.#path);
    const n = size < FRAME_HEADER_SIZE ? 0 : this.#file.read(buffer, start, size);
    // The index bounds the length, so no further limit is needed.
    if (buffer[0] !== TYPE_DATA || !this.#checksum.check(buffer, 0, n, n)) {
      throw this.damaged(position);
    }
    const { checksums } = this.entries;
    if (checksums !== undefined && checksums.at(position) !== readUint32(buffer, CHECKSUM_AT)) {
      throw this.damaged(position);
    }
    this.#requireUntouched(position);
    const end = FRAME_HEADER_SIZE + frameLengthAt(buffer, 0);
    return isStaged
      ? this.#copies.copy(buffer, FRAME_HEADER_SIZE, end)
      : buffer.subarray(FRAME_HEADER_SIZE, end);
  }

  /**
   * Reads a stretch of frames that begins with the entry at a position into the kernel's memory, and
   * checks them. It ends with a whole frame, at the latest with the one at the position `last`.
   *
   * @param size About how much to read, in bytes.
   * @returns The frames that hold; `undefined` if not even the first fits the memory.
   * @throws {CorruptionError} If the first one's checksum does not hold.
   */
  stageChunk(position: number, last: number, size: number): Frames | undefined {
    const { staging, offsets: starts } = this.#checksum;
    const start = this.entries.offsets.at(position);
    const first = this.endOf(position) - start;
    if (first > staging.length) return undefined;
    const wanted = Math.min(this.endOf(last) - start, size);
    const n = this.#file.read(staging, start, Math.max(wanted, first, 0));
    const { count, stop } = this.#checksum.scan(staging, n, n);
    if (count === 0 || staging[0] !== TYPE_DATA) throw this.damaged(position);
    this.#requireUntouched(position);
    return { starts, count, stop };
  }

  /** To be called after a read: before it the answer would be of too early a moment. */
  #requireUntouched(position: number): void {
    if (this.entries.isUntouched?.() === false) throw this.damaged(position);
  }

  /** The checksum of the frame that has an entry. */
  checksumOf(data: Uint8Array): number {
    const header = new Uint8Array(FRAME_HEADER_SIZE);
    writeFrameHeader(header, 0, TYPE_DATA, data.length);
    return this.#checksum.crc32Of([header.subarray(0, CHECKSUM_AT), data]);
  }

  /** The positions of the batch that has the entry at a position; of a lone entry those of itself. */
  atomOf(position: number): PositionRange {
    const { batches, offsets } = this.entries;
    const { start, end } = batches.around(position) ?? { start: position, end: position + 1 };
    this.#requireUntouched(position);
    // A Seal may list less than the whole of the last batch.
    return { start, end: Math.min(end, offsets.count) };
  }

  /** The kernel's memory. */
  get staging(): Uint8Array {
    return this.#checksum.staging;
  }

  /** The error for an entry that is not what was written. */
  damaged(position: number): CorruptionError {
    const index = this.#firstIndex + position;
    const offset = this.entries.offsets.at(position);
    return new CorruptionError(
      `Entry ${index} in "${this.#path}" at offset ${offset} fails its checksum: the disk returns ` +
        `other bytes than were written. Other entries can still be read. ${RESTORE}`,
      { path: this.#path, offset, firstIndexAtRisk: index },
    );
  }

  /** Where the entry's frame ends at the latest: an Internal frame may stand after it. */
  endOf(position: number): number {
    const { offsets, end } = this.entries;
    // The offsets of a Seal are only as good as its writer: no entry reaches beyond the file.
    return position + 1 < offsets.count ? Math.min(offsets.at(position + 1), end) : end;
  }
}
