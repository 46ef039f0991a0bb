/**
 * A log as it was when its files were looked at: what a handle reads that does not write.
 *
 * The writer continues meanwhile. What it appends is taken in; whatever else it does makes the view
 * stale. A read of a stale view returns what the log had when it was looked at, or fails.
 *
 * @module
 */
import { CorruptionError } from "../errors.ts";
import { type FileSystem, type FileSystemError, isFileSystemError } from "../fs/file_system.ts";
import type { MetaFile } from "../files/meta.ts";
import type { ReadOnlyLog } from "../opening/open.ts";
import { segmentPath } from "../files/names.ts";
import type { SegmentList } from "../files/segment_list.ts";
import type { WatchedSegment } from "../segment/watched_segment.ts";

/** A log's files, and what was found in them. */
export class View {
  readonly path: string;
  readonly segments: SegmentList<WatchedSegment>;
  readonly meta: MetaFile;
  readonly #fileSystem: FileSystem;
  readonly #identity: string;
  #isStale = false;

  constructor(fileSystem: FileSystem, path: string, { segments, meta }: ReadOnlyLog) {
    this.#fileSystem = fileSystem;
    this.path = path;
    this.segments = segments;
    this.meta = meta;
    this.#identity = segments.last.identity;
  }

  get firstIndex(): number {
    return Math.max(this.meta.current?.headIndex ?? 1, this.segments.firstIndex);
  }

  get lastIndex(): number {
    return this.segments.lastIndex;
  }

  get durableIndex(): number {
    return this.segments.durableIndex;
  }

  /**
   * Takes in what was appended.
   *
   * @returns Whether no more has happened than that. If it has, this is false from then on, and the
   * view shows what it did.
   */
  refresh(): boolean {
    if (this.#isStale) return false;
    const { last } = this.segments;
    const { count } = last.offsets;
    this.#isStale = true;
    try {
      this.#isStale = !this.#takeIn();
    } catch (error) {
      if (!mayBeStale(error)) throw error;
    }
    if (this.#isStale) last.showOnly(count);
    return !this.#isStale;
  }

  #takeIn(): boolean {
    const { last } = this.segments;
    if (this.#fileSystem.identify(last.path) !== this.#identity) return false;
    // The first index is the last to be read, so that it is none of the time before these entries.
    if (!last.refresh() || !this.meta.refresh()) return false;
    if (!last.mayBeFull) return true;
    const next = segmentPath(this.path, this.lastIndex + 1);
    return next === last.path || this.#fileSystem.identify(next) === undefined;
  }

  /** Has the files looked at again, since a read of them failed. */
  doubt(): void {
    this.#isStale = true;
  }

  /** Gives the files back. */
  close(): void {
    this.#isStale = true;
    this.segments.close();
    this.meta.close();
  }
}

/** Whether an error of a read may come of what the writer did meanwhile. */
export function mayBeStale(error: unknown): error is CorruptionError | FileSystemError {
  return error instanceof CorruptionError || isFileSystemError(error);
}
