/**
 * Reads the entries of one segment, one at a time or in order.
 *
 * @module
 */
import { CorruptionError } from "./errors.ts";
import type { FrameChecksum } from "./format/checksum.ts";
import { FRAME_HEADER_SIZE, frameLengthAt, TYPE_DATA } from "./format/frame.ts";
import type { File } from "./fs/file_system.ts";
import type { SegmentSource } from "./recovery.ts";

/** How much a sequential read takes at a time, in bytes. */
const READ_SIZE = 256 * 1024;

/** Where the entries of a segment begin. */
export interface Offsets {
  readonly count: number;
  /** The offset of the entry at a position from 0. */
  at(position: number): number;
}

/** The entries of a segment, as far as they go now. */
export interface Entries {
  readonly offsets: Offsets;
  /** Where the last one's frame ends at the latest, in bytes. */
  readonly end: number;
  /** Changes when entries are dropped, so that what was read ahead is known to be stale. */
  readonly cuts: number;
}

/** Reads and checks entries. */
export class EntryReader {
  readonly #file: File;
  readonly #path: string;
  readonly #checksum: FrameChecksum;
  readonly #firstIndex: number;
  readonly #entries: Entries;

  constructor(source: SegmentSource, firstIndex: number, entries: Entries) {
    this.#file = source.file;
    this.#path = source.path;
    this.#checksum = source.checksum;
    this.#firstIndex = firstIndex;
    this.#entries = entries;
  }

  /**
   * Reads the entry at a position from 0, with one positional read.
   *
   * @throws {CorruptionError} If its checksum does not hold.
   */
  read(position: number): Uint8Array {
    const start = this.#entries.offsets.at(position);
    const size = this.#endOf(position) - start;
    if (size < FRAME_HEADER_SIZE) throw this.#damaged(position);
    const { staging } = this.#checksum;
    const buffer = size <= staging.length ? staging : new Uint8Array(size);
    return this.#entryIn(buffer, 0, this.#file.read(buffer, start, size), position);
  }

  /**
   * Reads the entries from one position to another, both included, a large chunk at a time. If
   * entries are dropped meanwhile, it goes on with those that are there then, or ends.
   */
  *readRange(from: number, to: number): Generator<Uint8Array> {
    const entries = this.#entries;
    let buffer = new Uint8Array(0);
    let base = 0;
    let limit = 0;
    let cuts = -1;
    for (let position = from; position <= to && position < entries.offsets.count; position++) {
      const start = entries.offsets.at(position);
      const end = this.#endOf(position);
      if (end - start < FRAME_HEADER_SIZE) throw this.#damaged(position);
      if (end > limit || cuts !== entries.cuts) {
        const last = Math.min(to, entries.offsets.count - 1);
        const size = Math.max(Math.min(this.#endOf(last) - start, READ_SIZE), end - start);
        if (size > buffer.length) buffer = new Uint8Array(size);
        base = start;
        limit = start + this.#file.read(buffer, start, size);
        cuts = entries.cuts;
      }
      yield this.#entryIn(buffer, start - base, Math.min(end, limit) - base, position);
    }
  }

  /** Where the entry's frame ends at the latest: an Internal frame may stand behind it. */
  #endOf(position: number): number {
    const { offsets, end } = this.#entries;
    // The offsets of a Seal are only as good as who wrote it: no entry reaches beyond the file.
    return position + 1 < offsets.count ? Math.min(offsets.at(position + 1), end) : end;
  }

  /** A copy of the payload of the Data frame at `at`, if it holds. */
  #entryIn(buffer: Uint8Array, at: number, end: number, position: number): Uint8Array {
    // The index bounds the length, so no further limit is needed.
    if (buffer[at] !== TYPE_DATA || !this.#checksum.check(buffer, at, end, Math.max(0, end))) {
      throw this.#damaged(position);
    }
    const start = at + FRAME_HEADER_SIZE;
    return buffer.slice(start, start + frameLengthAt(buffer, at));
  }

  #damaged(position: number): CorruptionError {
    const index = this.#firstIndex + position;
    const offset = this.#entries.offsets.at(position);
    return new CorruptionError(
      `Entry ${index} in "${this.#path}" at offset ${offset} fails its checksum: the disk returns ` +
        "other bytes than were written. Other entries can still be read. Restore the file from a " +
        "copy.",
      { path: this.#path, offset, firstIndexAtRisk: index },
    );
  }
}
