/**
 * What a log has: its segments, and the meta file with its first index and the state.
 *
 * @module
 */
import { noEntry } from "../arguments.ts";
import type { WalError } from "../errors.ts";
import { hexOf } from "../format/log_id.ts";
import type { MetaFile } from "./meta.ts";
import type { SegmentList } from "./segment_list.ts";

/** The contents of an open log. */
export class LogContents {
  /** The path of the log's first file. */
  readonly path: string;
  readonly segments: SegmentList;
  readonly meta: MetaFile;

  constructor(path: string, segments: SegmentList, meta: MetaFile) {
    this.path = path;
    this.segments = segments;
    this.meta = meta;
  }

  /** The log's id, as its files state it; empty if none does. */
  get id(): string {
    const id = this.segments.last.logId ?? this.meta.current?.logId;
    return id === undefined ? "" : hexOf(id);
  }

  /** The index of the first entry; one above the last if there is none. */
  get firstIndex(): number {
    return Math.max(this.meta.current?.headIndex ?? 1, this.segments.firstIndex);
  }

  /** The index of the last entry; one below the first if there is none. */
  get lastIndex(): number {
    // Between the two halves of a reset that failed, the head is beyond what is left.
    return Math.max(this.segments.lastIndex, this.firstIndex - 1);
  }

  /** The last index that a finished sync covers. */
  get durableIndex(): number {
    return Math.max(this.segments.durableIndex, this.firstIndex - 1);
  }

  /** The application's state: a copy, empty if there is none. */
  get state(): Uint8Array {
    return this.meta.current?.state.slice() ?? new Uint8Array(0);
  }

  /**
   * Refuses an index that no entry has.
   *
   * @throws {WalError} `ERR_WAL_INDEX_OUT_OF_RANGE`.
   */
  requireIndex(index: number): void {
    const isThere = Number.isSafeInteger(index) && index >= this.firstIndex &&
      index <= this.segments.lastIndex;
    if (!isThere) throw this.#noEntry(index);
  }

  #noEntry(index: number): WalError {
    const { firstIndex, lastIndex } = this;
    const has = lastIndex < firstIndex
      ? "has no entries"
      : `has the entries ${firstIndex} to ${lastIndex}`;
    return noEntry(index, this.path, `${has}, numbered from 1`);
  }
}
