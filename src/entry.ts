/**
 * What a reader of a log gets, and how it says of which range.
 *
 * @module
 */

/**
 * An entry and its index.
 *
 * @example
 * ```ts
 * import type { Entry } from "@durable/wal";
 *
 * const entry: Entry = { index: 1, data: new Uint8Array([1, 2, 3]) };
 * ```
 */
export interface Entry {
  /** The entry's index, from 1. */
  readonly index: number;
  /** The bytes that were appended; the caller's own copy. */
  readonly data: Uint8Array;
}

/**
 * A range of entries, both ends included.
 *
 * @example
 * ```ts
 * import type { EntryRange } from "@durable/wal";
 *
 * const all: EntryRange = {};
 * const some: EntryRange = { from: 10, to: 19 };
 * ```
 */
export interface EntryRange {
  /**
   * The index of the first entry.
   *
   * @default {the log's first}
   */
  from?: number;
  /**
   * The index of the last entry.
   *
   * @default {the log's last when the reading begins}
   */
  to?: number;
}
