/**
 * Finds the batch that an entry of a full segment belongs to. A Seal does not say which entries are
 * batches, so the frames before the entry are read, back to the nearest one that is no entry: only
 * Data frames stand in a batch.
 *
 * @module
 */
import { BATCH_FRAME_SIZE } from "../format/batch_frame.ts";
import { FILE_HEADER_SIZE } from "../format/file_header.ts";
import { FRAME_HEADER_SIZE, frameLengthAt, TYPE_DATA, TYPE_INTERNAL } from "../format/frame.ts";
import { batchCountAt } from "../format/kinds.ts";
import type { PositionRange } from "./batches.ts";
import type { BatchesOf, EntryReader, EntrySource } from "./entry_reader.ts";

/** How much is read at first, in bytes, and then twice as much each time up to the last. */
const FIRST_STRETCH = 4 * 1024;
const MAX_STRETCH = 256 * 1024;

/** How long a run has to be to be remembered, in bytes. */
const REMEMBERED = 64 * 1024;

/** Entries with no other frame between them. */
interface Run {
  /** The position of the first, which comes after a frame that is no entry. */
  readonly from: number;
  /** Up to which position it is known to go. */
  to: number;
  /** The position after the batch that it begins with; `from` if it begins with none. */
  readonly batchEnd: number;
}

/** Frames that are no entries, between two entries. */
interface Between {
  /** How many there are. */
  readonly frames: number;
  /** How many entries after them are a batch; 0 if there is none. */
  readonly batch: number;
}

/** The batches of one full segment, as far as they were asked for. */
export class BatchSearch implements BatchesOf {
  readonly #source: EntrySource;
  readonly #reader: () => EntryReader;
  /** Long runs in order, so that a log without a sync or a batch is not read again and again. */
  readonly #runs: Run[] = [];

  constructor(source: EntrySource, reader: () => EntryReader) {
    this.#source = source;
    this.#reader = reader;
  }

  /**
   * The batch that has the entry at a position, be it the first or another.
   *
   * @throws {CorruptionError} If a frame that must be read for that fails its checksum.
   */
  around(position: number): PositionRange | undefined {
    const { from, batchEnd } = this.#runWith(position);
    return position < batchEnd ? { start: from, end: batchEnd } : undefined;
  }

  #runWith(position: number): Run {
    const before = this.#runs.findLastIndex(({ from }) => from <= position);
    const known = this.#runs[before];
    let to = position;
    for (let size = FIRST_STRETCH;; size = Math.min(2 * size, MAX_STRETCH)) {
      // Nothing but entries leads back to it.
      if (known !== undefined && to <= known.to) {
        known.to = Math.max(known.to, position);
        return known;
      }
      const from = this.#before(to, size);
      const found = this.#lastRun(from, to);
      if (found !== undefined) {
        const run: Run = { ...found, to: position };
        const { offsets } = this.#reader().entries;
        const length = offsets.at(position) - offsets.at(run.from);
        if (length >= REMEMBERED) this.#runs.splice(before + 1, 0, run);
        return run;
      }
      to = from;
    }
  }

  /** The first entry that begins at most so many bytes before another; the one before it at the least. */
  #before(to: number, size: number): number {
    const { offsets } = this.#reader().entries;
    if (to === 0) return 0;
    const limit = offsets.at(to) - size;
    let low = 0;
    let high = to - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (offsets.at(middle) >= limit) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The last run that begins after one entry and at the latest with another. */
  #lastRun(from: number, to: number): Omit<Run, "to"> | undefined {
    const { offsets } = this.#reader().entries;
    if (to === 0) {
      const { batch } = this.#between(FILE_HEADER_SIZE, offsets.at(0), 0);
      return { from: 0, batchEnd: batch };
    }
    const begin = offsets.at(from);
    if (offsets.at(to) - begin > this.#source.checksum.staging.length) {
      // A large entry, which there is just one of.
      const end = begin + FRAME_HEADER_SIZE + this.#reader().read(from).length;
      const { frames, batch } = this.#between(end, offsets.at(to), to);
      return frames === 0 ? undefined : { from: to, batchEnd: to + batch };
    }
    return this.#lastStaged(from, to);
  }

  /** The same of frames that fit the kernel's memory. */
  #lastStaged(from: number, to: number): Omit<Run, "to"> | undefined {
    const { file, checksum: { staging, offsets: starts }, checksum } = this.#source;
    const { offsets } = this.#reader().entries;
    const begin = offsets.at(from);
    const size = offsets.at(to) - begin;
    const n = file.read(staging, begin, size);
    const { count, stop } = checksum.scan(staging, n, n);
    let position = from;
    let run: Omit<Run, "to"> | undefined;
    for (let i = 0; i < count; i++) {
      const at = starts[i] as number;
      if (staging[at] === TYPE_DATA) {
        // The index and the frames must agree.
        if (position >= to || offsets.at(position) !== begin + at) break;
        position++;
      } else {
        const end = i + 1 < count ? starts[i + 1] as number : stop;
        const batch = batchCountAt(staging, at, end);
        run = { from: position, batchEnd: position + batch };
      }
    }
    if (stop < size || position < to) throw this.#reader().damaged(Math.min(position, to - 1));
    return run;
  }

  /** The frames from one offset to another, none of which is an entry. */
  #between(begin: number, end: number, position: number): Between {
    const { file, checksum } = this.#source;
    const buffer = new Uint8Array(BATCH_FRAME_SIZE);
    let frames = 0;
    let batch = 0;
    let at = begin;
    while (at < end) {
      const n = file.read(buffer, at, Math.min(buffer.length, end - at));
      const size = FRAME_HEADER_SIZE + frameLengthAt(buffer, 0);
      if (n < FRAME_HEADER_SIZE || buffer[0] !== TYPE_INTERNAL) break;
      const isBatchSized = size === buffer.length;
      if (isBatchSized && !checksum.check(buffer, 0, n, n)) break;
      batch = isBatchSized ? batchCountAt(buffer, 0, n) : 0;
      frames++;
      at += size;
    }
    if (at !== end) throw this.#reader().damaged(position);
    return { frames, batch };
  }
}
