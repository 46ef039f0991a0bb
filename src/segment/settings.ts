/**
 * What all segments of a log share: how they are written, and the count of their calls.
 *
 * @module
 */
import type { LogDirectory } from "../fs/log_directory.ts";

/** How many calls segments have made of their files. */
export interface SegmentCounters {
  writes: number;
  syncs: number;
  /** How many appends waited for the roll before theirs. */
  rollWaits: number;
}

/** What all segments of a log are told. */
export interface SegmentSettings {
  readonly counters: SegmentCounters;
  /** Where the files lie. */
  readonly directory: LogDirectory;
  /** How far to extend the file ahead of its entries at the most, in bytes. */
  readonly preallocate: number;
  /** Whether entries are read from memory. */
  readonly mapsReads: boolean;
  /** Whether entries that are not synced soon are stored into mapped space. */
  readonly mapsAppends: boolean;
}
