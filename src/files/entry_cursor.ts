/**
 * Reads a log's entries in order: a chunk of frames at a time, from one segment to the next.
 *
 * What was dropped or moved since the last entry is noticed at the next, so the log may be changed
 * while it is read.
 *
 * @module
 */
import type { Entry, EntryView } from "../entry.ts";
import type { EntryReader, Frames } from "../segment/entry_reader.ts";
import type { OffsetIndex } from "../segment/offset_index.ts";
import { CHECKSUM_AT, FRAME_HEADER_SIZE, frameLengthAt, TYPE_DATA } from "../format/frame.ts";
import { readUint32 } from "../format/integers.ts";
import { batchCountAt } from "../format/kinds.ts";

/** How much is read at a time, in bytes: at first, and then twice as much each time up to the last. */
const FIRST_READ = 16 * 1024;
const MAX_READ = 256 * 1024;

/** A segment with some of a log's entries. */
export interface SegmentEntries {
  readonly reader: EntryReader;
  readonly firstIndex: number;
}

/**
 * Whether what was read is kept for the caller (`"copies"`: the entries of a chunk share memory, and
 * one that is kept keeps its chunk), or overwritten by what is read next (`"views"`).
 */
export type EntryMemory = "copies" | "views";

/** Notes the entries that a loop has shown; only readers need one. */
export interface ShownEntries {
  note(index: number, checksum: number): void;
}

/** Goes through entries in order; shows the last one that it came to. */
export class EntryCursor implements EntryView {
  readonly #locate: (index: number) => SegmentEntries | undefined;
  readonly #memory: EntryMemory;
  readonly #to: number;
  #reader: EntryReader | undefined;
  /** The first index of the segment that is read. */
  #segmentStart = 0;
  #cuts = 0;
  /** Frames that were read and checked. */
  #chunk: Uint8Array = new Uint8Array(0);
  /** Where the frames of the entries in the chunk begin and end, and how many entries were shown. */
  #starts: Uint32Array = new Uint32Array(0);
  #ends: Uint32Array = this.#starts;
  #used = 0;
  #found = 0;
  /** The chunk's first entry, where its frame is in the file, and how many bytes of frames follow. */
  #first = 0;
  #offset = 0;
  #size = 0;
  /** How many entries of the chunk were looked at for what {@linkcode endsBatch} needs. */
  #looked = 0;
  /** After the last batch that begins at the last one of these or before it, if that is known. */
  #batchEnd: number | undefined;
  #readSize = FIRST_READ;
  index: number;
  bytes: Uint8Array = this.#chunk;
  start = 0;
  end = 0;
  /** For the log to note in which of its states it found that the next entry can be read. */
  epoch = -1;
  /** In a reader: for the log to note what it has shown. */
  account: ShownEntries | undefined;
  /** Whether to find out with each chunk what {@linkcode endsBatch} needs, and fail then, if ever. */
  tellsBatches = false;

  /**
   * @param locate The segment that has an index; `undefined` if the log has no such entry now.
   * @param to The last index that is wanted.
   */
  constructor(
    locate: (index: number) => SegmentEntries | undefined,
    from: number,
    to: number,
    memory: EntryMemory,
  ) {
    this.#locate = locate;
    this.#to = to;
    this.#memory = memory;
    this.index = from - 1;
  }

  get data(): Uint8Array {
    const { buffer, byteOffset } = this.bytes;
    return new Uint8Array(buffer, byteOffset + this.start, this.end - this.start);
  }

  /** The entry, to be given to the caller. */
  get entry(): Entry {
    return { index: this.index, data: this.data, endsBatch: this.endsBatch };
  }

  /** The checksum of the entry's frame. */
  get checksum(): number {
    const { bytes, start } = this;
    if (start > 0) return readUint32(bytes, start - FRAME_HEADER_SIZE + CHECKSUM_AT);
    return this.#reader?.checksumOf(bytes) ?? 0;
  }

  get endsBatch(): boolean {
    this.#lookUpTo(this.#used);
    this.#batchEnd ??= this.#findBatchEnd();
    return this.index + 1 >= this.#batchEnd || this.#isLastOfSegment;
  }

  /** Looks for the batches that begin with the first entries of the chunk. */
  #lookUpTo(count: number): void {
    for (; this.#looked < count; this.#looked++) {
      const start = this.#starts[this.#looked] as number;
      const before = this.#looked === 0 ? start : this.#ends[this.#looked - 1] as number;
      if (before < start) this.#takeOthers(before, start, this.#first + this.#looked);
    }
  }

  /** Takes in the frames that stand between two entries, of which the next has an index. */
  #takeOthers(from: number, to: number, next: number): void {
    let count = 0;
    for (let at = from; at < to;) {
      const end = at + FRAME_HEADER_SIZE + frameLengthAt(this.#chunk, at);
      count = batchCountAt(this.#chunk, at, end);
      at = end;
    }
    this.#batchEnd = next + count;
  }

  /** A Seal may list less than the whole of the last batch. */
  get #isLastOfSegment(): boolean {
    return this.index + 1 - this.#segmentStart >= (this.#reader?.entries.offsets.count ?? 0);
  }

  /** After the last entry of the atom that has the chunk's first entry. */
  #findBatchEnd(): number {
    const start = this.#segmentStart;
    // Its file may have been given back for others.
    const isClosed = this.#reader?.isClosed === true;
    const reader = isClosed ? this.#locate(this.#first)?.reader : this.#reader;
    return start + (reader?.atomOf(this.#first - start).end ?? 0);
  }

  /** Whether the next entry was read already, and is not known to have been dropped. */
  get hasMore(): boolean {
    return this.#used < this.#found && this.#reader?.isClosed === false &&
      this.#reader.entries.cuts === this.#cuts;
  }

  /**
   * Goes to the next entry.
   *
   * @returns Whether there is one.
   * @throws {CorruptionError} If its checksum does not hold, or in a reader is not what it was. The
   * next call tries it again.
   */
  advance(): boolean {
    if (!this.hasMore) return this.index < this.#to && this.#load();
    const used = this.#used++;
    this.index++;
    this.start = (this.#starts[used] as number) + FRAME_HEADER_SIZE;
    this.end = this.#ends[used] as number;
    return true;
  }

  /** Reads the chunk that the next entry begins, and shows that. */
  #load(): boolean {
    const segment = this.#locate(this.index + 1);
    this.#beginChunk(segment);
    if (segment === undefined) return false;
    const { reader, firstIndex } = segment;
    const { offsets } = reader.entries;
    const position = this.index + 1 - firstIndex;
    const last = Math.min(this.#to - firstIndex, offsets.count - 1);
    const frames = reader.stageChunk(position, last, this.#readSize);
    if (frames === undefined) return this.#loadOne(reader, position);
    this.#keep(reader.staging, frames.stop);
    const found = this.#findEntries(reader, position, last, frames);
    if (this.tellsBatches) this.#batchEnd ??= this.#findBatchEnd();
    this.#found = found;
    this.#offset = offsets.at(position);
    this.#size = frames.stop;
    this.#readSize = Math.min(2 * this.#readSize, MAX_READ);
    return this.advance();
  }

  /** Reads the next entry, which is too large for a chunk, and shows it. */
  #loadOne(reader: EntryReader, position: number): boolean {
    const bytes = reader.read(position);
    if (this.tellsBatches) this.#batchEnd ??= this.#findBatchEnd();
    this.#offset = reader.entries.offsets.at(position);
    this.#size = FRAME_HEADER_SIZE + bytes.length;
    this.bytes = bytes;
    this.start = 0;
    this.end = bytes.length;
    this.index++;
    return true;
  }

  /** Forgets the chunk; what is known of its batches stays, if the next one follows it in the file. */
  #beginChunk(segment: SegmentEntries | undefined): void {
    if (!this.#joins(segment)) this.#batchEnd = undefined;
    this.#used = 0;
    this.#found = 0;
    this.#looked = 0;
    this.#first = this.index + 1;
    this.#reader = segment?.reader;
    this.#segmentStart = segment?.firstIndex ?? 0;
    this.#cuts = segment?.reader.entries.cuts ?? 0;
  }

  /** Whether all frames from the chunk to the next entry are in it, and its batches are known. */
  #joins(segment: SegmentEntries | undefined): boolean {
    const next = this.index + 1;
    if (this.#batchEnd === undefined || segment === undefined) return false;
    const { reader, firstIndex } = segment;
    const isSame = reader === this.#reader && reader.entries.cuts === this.#cuts;
    if (!isSame || next <= this.#first || this.#used < this.#found) return false;
    const to = reader.entries.offsets.at(next - firstIndex) - this.#offset;
    if (to > this.#size) return false;
    this.#lookUpTo(this.#found);
    const from = this.#found === 0 ? this.#size : this.#ends[this.#found - 1] as number;
    if (from < to) this.#takeOthers(from, to, next);
    return true;
  }

  /** Copies the staged frames: the next call overwrites them. */
  #keep(staging: Uint8Array, size: number): void {
    if (this.#memory === "copies") this.#chunk = staging.slice(0, size);
    else {
      if (this.#chunk.length < size) this.#chunk = new Uint8Array(Math.max(size, this.#readSize));
      this.#chunk.set(staging.subarray(0, size));
    }
    this.bytes = this.#chunk;
  }

  /** Notes where in the chunk, which begins with the entry at a position, the entries are. */
  #findEntries(reader: EntryReader, position: number, last: number, frames: Frames): number {
    const { offsets, checksums } = reader.entries;
    const base = offsets.at(position);
    let found = this.#findData(frames, last + 1 - position);
    // The index and the frames must agree; an index is only as good as its writer.
    found = offsets.countMatching(position, this.#starts, found, base);
    if (checksums !== undefined) found = this.#countUnchanged(checksums, position, found);
    // All before the last end where the index says that the next one begins, at the latest.
    const end = base + (this.#ends[found - 1] ?? 0);
    if (found > 0 && reader.endOf(position + found - 1) < end) found--;
    if (found === 0) throw reader.damaged(position);
    return found;
  }

  /**
   * Notes where the first Data frames begin and end. Internal frames stand between them, and after the
   * last entry some that were dropped.
   *
   * @returns How many it found: `wanted` at the most.
   */
  #findData({ starts, count, stop }: Frames, wanted: number): number {
    if (this.#starts.length < count) {
      this.#starts = new Uint32Array(count);
      this.#ends = new Uint32Array(count);
    }
    const chunk = this.#chunk;
    const begins = this.#starts;
    const ends = this.#ends;
    let found = 0;
    for (let i = 0; i < count && found < wanted; i++) {
      const at = starts[i] as number;
      if (chunk[at] !== TYPE_DATA) continue;
      begins[found] = at;
      ends[found++] = i + 1 < count ? starts[i + 1] as number : stop;
    }
    return found;
  }

  /** How many of the found entries, from the first on, are those that a reader has seen before. */
  #countUnchanged(checksums: OffsetIndex, position: number, found: number): number {
    for (let i = 0; i < found; i++) {
      const checksum = readUint32(this.#chunk, (this.#starts[i] as number) + CHECKSUM_AT);
      if (checksums.at(position + i) !== checksum) return i;
    }
    return found;
  }
}
