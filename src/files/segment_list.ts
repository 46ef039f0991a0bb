/**
 * The ordered list of a log's segments, and its entries to read: which segment an index lies in.
 *
 * The full segments are opened when they are read, a bounded number at a time. The last one is open.
 *
 * @module
 */
import type { Entry } from "../entry.ts";
import type { FileSystem } from "../fs/file_system.ts";
import { mapWhole } from "../fs/mapped_file.ts";
import type { Offsets } from "../segment/entry_reader.ts";
import {
  OFFSETS_BUDGET,
  type OffsetsBudget,
  SealedSegment,
  type SealedSegmentInfo,
} from "../segment/sealed_segment.ts";
import type { SegmentSource } from "../segment/source.ts";
import { EntryCursor, type EntryMemory, type SegmentEntries } from "./entry_cursor.ts";

/** How many full segments are kept open for reading. */
const MAX_OPEN = 64;

/** What it takes to read the files of a log's segments. */
export interface ReadableFiles extends Pick<SegmentSource, "checksum" | "maxEntrySize"> {
  readonly fileSystem: FileSystem;
  /** Whether files are read from memory. Only their writer can know when one is cut. */
  readonly mapsReads: boolean;
}

/** A range of indexes, both ends included. */
export interface IndexRange {
  readonly firstIndex: number;
  readonly lastIndex: number;
}

/** A last segment, of the writer or of a reader. */
export interface LastSegment extends SegmentEntries {
  readonly path: string;
  /** The log's id, as this file states it. */
  readonly logId: Uint8Array | undefined;
  readonly offsets: Offsets;
  /** The bytes in use. */
  readonly end: number;
  /** The last index that is known to be durable, in it or before it. */
  readonly durableIndex: number;
  /** Gives the file back. */
  close(): void;
}

/**
 * One file of a log, and the entries that it holds.
 *
 * @example
 * ```ts
 * import type { SegmentInfo } from "@durable/wal";
 *
 * const segment: SegmentInfo = { path: "/data/a.wal", firstIndex: 1, lastIndex: 3, bytes: 150 };
 * ```
 */
export interface SegmentInfo {
  /** The file's path. */
  readonly path: string;
  /**
   * The index of the first entry in the file. In the log's first file it may be below
   * `Wal.firstIndex`: the entries before that were dropped, and their space comes back with the file.
   */
  readonly firstIndex: number;
  /** The index of its last entry; one below {@linkcode firstIndex} if it has none yet. */
  readonly lastIndex: number;
  /** The bytes in use: frames and headers. */
  readonly bytes: number;
}

/** A full segment without its Seal, which is open. */
export type UnsealedEntries = Pick<LastSegment, "path" | "firstIndex" | "reader" | "close">;

/** The segments of an open log, in order. */
export class SegmentList<Last extends LastSegment = LastSegment> {
  readonly #files: ReadableFiles;
  readonly #sealed: SealedSegmentInfo[];
  readonly #isUntouched: (() => boolean) | undefined;
  readonly #budget: OffsetsBudget = { bytes: OFFSETS_BUDGET };
  /** The full segments that are open, the least recently used first. */
  readonly #open = new Map<string, SealedSegment>();
  readonly #rebuilt = new Set<string>();
  /** The full segments whose Seals were found to hold. */
  readonly #checked = new WeakSet<SealedSegmentInfo>();
  #last: Last;
  /** A full segment whose Seal is not written yet. */
  #unsealed: UnsealedEntries | undefined;

  /**
   * @param isUntouched In a reader: whether no full segment has been cut up to now. Before the writer
   * cuts one, it removes those after it, so that holds for as long as the last file is there.
   */
  constructor(
    files: ReadableFiles,
    sealed: readonly SealedSegmentInfo[],
    last: Last,
    isUntouched?: () => boolean,
  ) {
    this.#files = files;
    this.#sealed = [...sealed];
    this.#last = last;
    this.#isUntouched = isUntouched;
  }

  /** The full segments. */
  get sealed(): readonly SealedSegmentInfo[] {
    return this.#sealed;
  }

  /** The last segment. */
  get last(): Last {
    return this.#last;
  }

  /** How many segments there are. */
  get count(): number {
    return this.#sealed.length + 1;
  }

  /** The first index that a segment has, dropped or not. */
  get firstIndex(): number {
    return (this.#sealed[0] ?? this.#last).firstIndex;
  }

  /** The index of the last entry. */
  get lastIndex(): number {
    return this.#last.firstIndex - 1 + this.#last.offsets.count;
  }

  /** The last index that is known to be durable. */
  get durableIndex(): number {
    return this.#last.durableIndex;
  }

  /** The size of all segments in bytes. */
  get byteLength(): number {
    return this.#sealed.reduce((sum, { size }) => sum + size, this.#last.end);
  }

  /** What files there are, the oldest first. */
  get infos(): SegmentInfo[] {
    const { path, firstIndex, end } = this.#last;
    const full = this.#sealed.map(({ path, firstIndex, count, size }) => {
      return { path, firstIndex, lastIndex: firstIndex + count - 1, bytes: size };
    });
    return [...full, { path, firstIndex, lastIndex: this.lastIndex, bytes: end }];
  }

  /** The files of full segments whose Seals failed their check and were made again by a scan. */
  get rebuiltSeals(): string[] {
    return [...this.#rebuilt];
  }

  /** Reads the entry at an index that exists. */
  read(index: number): Uint8Array {
    if (index >= this.#last.firstIndex) {
      return this.#last.reader.read(index - this.#last.firstIndex);
    }
    const info = this.locate(index);
    return this.#use(info).reader.read(index - info.firstIndex);
  }

  /** Reads the entries of a range in order; ends where they end. */
  *readRange(from: number, to: number): Generator<Entry> {
    const cursor = this.cursor(from, to, "copies");
    cursor.tellsBatches = true;
    while (cursor.advance()) yield cursor.entry;
  }

  /** The indexes of the batch that has the entry at an index, which exists; or of that entry alone. */
  atomAt(index: number): IndexRange {
    const segment = this.entriesAt(index);
    if (segment === undefined) throw new RangeError(`No segment has the index ${index}`);
    const { firstIndex, reader } = segment;
    const { start, end } = reader.atomOf(index - firstIndex);
    return { firstIndex: firstIndex + start, lastIndex: firstIndex + end - 1 };
  }

  /** The same, called for one entry after the other. */
  cursor(from: number, to: number, memory: EntryMemory): EntryCursor {
    return new EntryCursor((index) => this.entriesAt(index), from, to, memory);
  }

  /** The segment that an index lies in; `undefined` after the last. */
  entriesAt(index: number): SegmentEntries | undefined {
    if (index > this.lastIndex) return undefined;
    if (index >= this.#last.firstIndex) return this.#last;
    const info = this.locate(index);
    return { firstIndex: info.firstIndex, reader: this.#use(info).reader };
  }

  /** A segment takes the place of the last one, which is not closed by this. */
  replaceLast(segment: Last): void {
    this.#last = segment;
  }

  /** The last segment is full, and another comes after it; it is not closed by this. */
  endLast(info: SealedSegmentInfo, next: Last): void {
    this.#sealed.push(info);
    this.#last = next;
  }

  /** Reads a full segment, which is open, without its Seal; `undefined` for none any more. */
  readUnsealed(segment: UnsealedEntries | undefined): void {
    this.#unsealed = segment;
  }

  /** Closes a full segment, if it is open. */
  closeSealed({ path }: SealedSegmentInfo): void {
    this.#open.get(path)?.close();
    this.#open.delete(path);
  }

  /** Takes the oldest full segment, which is closed, off the list. */
  dropOldest(): void {
    this.#sealed.shift();
  }

  /** Closes all full segments, and takes them off the list. */
  dropSealed(): void {
    this.#closeAll();
    this.#sealed.length = 0;
  }

  /** Closes all segments; a full one, open again as `reopened`, becomes the last, and those after it go. */
  endWith(info: SealedSegmentInfo, reopened: Last): void {
    const kept = this.#sealed.indexOf(info);
    this.#last.close();
    this.#closeAll();
    this.#sealed.length = kept;
    this.#last = reopened;
  }

  /** Gives all files back. */
  close(): void {
    this.#unsealed?.close();
    this.#closeAll();
    this.#last.close();
  }

  #closeAll(): void {
    for (const segment of this.#open.values()) segment.close();
    this.#open.clear();
  }

  /** The full segment that an index lies in. */
  locate(index: number): SealedSegmentInfo {
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
  #use(info: SealedSegmentInfo): Pick<SegmentEntries, "reader"> {
    if (this.#unsealed?.path === info.path) return this.#unsealed;
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
    const { fileSystem, checksum, maxEntrySize, mapsReads } = this.#files;
    const opened = fileSystem.open(info.path, "read");
    const file = mapsReads ? mapWhole(opened, info.path, info.size) : opened;
    const source = { file, path: info.path, checksum, maxEntrySize };
    try {
      const isChecked = this.#checked.has(info);
      const segment = new SealedSegment(source, info, this.#budget, isChecked, this.#isUntouched);
      if (segment.rebuilt) this.#rebuilt.add(info.path);
      else if (segment.isSealed) this.#checked.add(info);
      return segment;
    } catch (error) {
      file.close();
      throw error;
    }
  }
}
