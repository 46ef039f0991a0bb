/**
 * The last segment of a log that another process writes, as a reader sees it: what was found of it,
 * and what the writer has appended since.
 *
 * @module
 */
import { type FileHandle, isFileSystemError } from "../fs/file_system.ts";
import { type Entries, EntryReader } from "./entry_reader.ts";
import type { Batches } from "./batches.ts";
import type { SegmentScan } from "./frame_walk.ts";
import type { OffsetIndex } from "./offset_index.ts";
import { scanOn } from "./scan.ts";
import type { SegmentSource } from "./source.ts";

/** A segment that is open to be read while its writer appends to it. */
export class WatchedSegment implements Entries {
  /** The file's path. */
  readonly path: string;
  /** The index of the first entry that the segment can hold. */
  readonly firstIndex: number;
  /** Where each entry begins. */
  readonly offsets: OffsetIndex;
  /** Which of the entries are batches. */
  readonly batches: Batches;
  /** The checksum of each entry's frame, if the file was scanned. */
  readonly checksums: OffsetIndex | undefined;
  /** Entries that are dropped make the whole view stale. */
  readonly cuts: number = 0;
  /** Reads the entries. */
  readonly reader: EntryReader;
  readonly #source: SegmentSource;
  readonly #file: FileHandle;
  readonly #durableBefore: number | undefined;
  /** What was found up to now. */
  #found: SegmentScan;
  #identity: string | undefined;
  #closed = false;

  /**
   * Takes over a file that was scanned, whose scan remembers what it saw.
   *
   * @param durableBefore Up to which index the log is durable as long as no Durable frame is in this
   * segment; `undefined` if all before it is.
   */
  constructor(source: SegmentSource, found: SegmentScan, durableBefore?: number) {
    this.path = source.path;
    this.firstIndex = found.firstIndex;
    this.offsets = found.offsets;
    this.batches = found.batches;
    this.checksums = found.seen?.checksums;
    this.reader = new EntryReader(source, found.firstIndex, this);
    this.#source = source;
    this.#file = source.file;
    this.#found = found;
    this.#durableBefore = durableBefore;
  }

  /** The log's id, as the file states it. */
  get logId(): Uint8Array | undefined {
    return this.#found.logId;
  }

  /** The bytes in use. */
  get end(): number {
    return this.#found.end;
  }

  /** The last index that Durable frames report as durable. */
  get durableIndex(): number {
    const { vouched } = this.#found;
    if (vouched === 0 && this.#durableBefore !== undefined) return this.#durableBefore;
    return this.firstIndex - 1 + this.offsets.countBelow(vouched);
  }

  /** Which file this is. It is asked for once, since an open file stays what it is. */
  get identity(): string {
    this.#identity ??= this.#file.identity();
    return this.#identity;
  }

  /** Whether the writer has ended the segment, or may have begun the next without a sign of it here. */
  get mayBeFull(): boolean {
    const { seal, version, size, end } = this.#found;
    // What follows the last frame may be the place of a Seal.
    return seal !== undefined || version !== 2 || size > end;
  }

  /**
   * Takes in what the writer appended; false if the writer did more than that. Then it is not to be
   * called again.
   *
   * @throws {FileSystemError} If the file cannot be read.
   */
  refresh(): boolean {
    const { seen, end } = this.#found;
    const { count } = this.offsets;
    const size = this.#file.size();
    if (seen === undefined || size < end || (end === 0 && size > 0)) return false;
    if (size === end) return seen.isIn(this.#file);
    let found: SegmentScan;
    try {
      found = scanOn(this.#source, this.#found);
    } catch (error) {
      if (isFileSystemError(error) && error.code === "EBUSY") return false;
      throw error;
    }
    // A cut since the first look at the size left nothing to scan.
    if (found.size <= end && !seen.isIn(this.#file)) return false;
    this.#found = found;
    // A Seal may list fewer entries.
    return this.offsets.count >= count;
  }

  /** Shows no more than so many of the entries, as if the others had not been found. */
  showOnly(count: number): void {
    this.offsets.cut(count);
  }

  /** Gives the file back. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.reader.close();
    this.#file.close();
  }
}
