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
import { CHECKSUM_AT, FRAME_HEADER_SIZE, TYPE_DATA } from "../format/frame.ts";
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
  /** The index of the chunk's first entry, and where in the file the frames end that were looked at. */
  #first = 0;
  #chunkEnd = 0;
  /** After the last entry of the batch that is open where the chunk begins, if that is known. */
  #openEnd: number | undefined;
  /** The other frames in the chunk: how many entries are before each, and how many with its batch. */
  #others: Uint32Array = this.#starts;
  #batchEnds: Uint32Array = this.#starts;
  #otherCount = 0;
  /** How many of them are before the entry that was asked about last. */
  #passed = 0;
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
    const used = Math.max(0, this.#used - 1);
    while (this.#passed < this.#otherCount && (this.#others[this.#passed] as number) <= used) {
      this.#passed++;
    }
    const end = this.#passed === 0
      ? this.#openEnd ??= this.#findOpenEnd()
      : this.#first + (this.#batchEnds[this.#passed - 1] as number);
    return this.index + 1 >= end || this.#isLastOfSegment;
  }

  /** A Seal may list less than the whole of the last batch. */
  get #isLastOfSegment(): boolean {
    return this.index + 1 - this.#segmentStart >= (this.#reader?.entries.offsets.count ?? 0);
  }

  /** After the last entry of the atom that has the chunk's first entry. */
  #findOpenEnd(): number {
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
    this.#requireBatches();
    this.#found = found;
    this.#readSize = Math.min(2 * this.#readSize, MAX_READ);
    return this.advance();
  }

  /** Reads the next entry, which is too large for a chunk, and shows it. */
  #loadOne(reader: EntryReader, position: number): boolean {
    const bytes = reader.read(position);
    this.#requireBatches();
    this.#chunkEnd = reader.entries.offsets.at(position) + FRAME_HEADER_SIZE + bytes.length;
    this.bytes = bytes;
    this.start = 0;
    this.end = bytes.length;
    this.index++;
    return true;
  }

  /** Forgets the chunk; what is known of its last batch stays if the next one joins it. */
  #beginChunk(segment: SegmentEntries | undefined): void {
    const next = this.index + 1;
    const entries = segment?.reader.entries;
    const isJoined = entries !== undefined && segment?.reader === this.#reader &&
      entries.cuts === this.#cuts && next > this.#first && this.#used === this.#found &&
      entries.offsets.at(next - this.#segmentStart) === this.#chunkEnd;
    if (!isJoined) this.#openEnd = undefined;
    else if (this.#otherCount > 0) {
      this.#openEnd = this.#first + (this.#batchEnds[this.#otherCount - 1] as number);
    }
    this.#used = 0;
    this.#found = 0;
    this.#otherCount = 0;
    this.#passed = 0;
    this.#first = next;
    this.#reader = segment?.reader;
    this.#segmentStart = segment?.firstIndex ?? 0;
    this.#cuts = entries?.cuts ?? 0;
  }

  /** Finds out whether a batch is open where the chunk begins, if that is wanted. */
  #requireBatches(): void {
    const isKnown = this.#otherCount > 0 && this.#others[0] === 0;
    if (this.tellsBatches && !isKnown) this.#openEnd ??= this.#findOpenEnd();
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
    const all = this.#findData(frames, last + 1 - position);
    let found = all;
    // The index and the frames must agree; an index is only as good as its writer.
    found = offsets.countMatching(position, this.#starts, found, base);
    if (checksums !== undefined) found = this.#countUnchanged(checksums, position, found);
    // All before the last end where the index says that the next one begins, at the latest.
    const end = base + (this.#ends[found - 1] ?? 0);
    if (found > 0 && reader.endOf(position + found - 1) < end) found--;
    if (found === 0) throw reader.damaged(position);
    // Of what is read again the other frames do not count.
    this.#chunkEnd = found === all ? this.#chunkEnd + base : -1;
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
    let end = 0;
    for (let i = 0; i < count; i++) {
      const at = starts[i] as number;
      end = i + 1 < count ? starts[i + 1] as number : stop;
      if (chunk[at] !== TYPE_DATA) this.#noteOther(found, batchCountAt(chunk, at, end));
      else if (found < wanted) {
        begins[found] = at;
        ends[found++] = end;
      } else {
        end = at;
        break;
      }
    }
    this.#chunkEnd = end;
    return found;
  }

  /** Notes a frame that is no entry, after the first entries of the chunk. */
  #noteOther(before: number, batch: number): void {
    if (this.#others.length < this.#starts.length) {
      this.#others = new Uint32Array(this.#starts.length);
      this.#batchEnds = new Uint32Array(this.#starts.length);
    }
    this.#others[this.#otherCount] = before;
    this.#batchEnds[this.#otherCount++] = before + batch;
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
