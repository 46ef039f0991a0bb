/**
 * What a reader of a log gets, and how it names a range.
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
 * const entry: Entry = { index: 1, data: new Uint8Array([1, 2, 3]), endsBatch: true };
 * ```
 */
export interface Entry {
  /** The entry's index, from 1. */
  readonly index: number;
  /**
   * The bytes that were appended; the caller's own copy. It may share its `ArrayBuffer` with other
   * entries, so use its `byteOffset`, and transfer a `slice()` of it.
   */
  readonly data: Uint8Array;
  /**
   * Whether the entry is the last of a batch, or was appended by itself. All entries after one that
   * ends its batch, up to the next one that does, are one atom.
   */
  readonly endsBatch: boolean;
}

/**
 * An entry that is being read in order, in memory that the log uses again for the next.
 *
 * @example
 * ```ts
 * import { type EntryView, Wal } from "@durable/wal";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 *
 * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
 * log.append(new Uint8Array([1, 2, 3]));
 * const firstByte = ({ bytes, start }: EntryView) => bytes[start];
 * log.replay((entry) => console.log(entry.index, firstByte(entry), entry.data));
 * await log.close();
 * ```
 */
export interface EntryView {
  /** The entry's index, from 1. */
  readonly index: number;
  /** The memory that the entry lies in, together with others. */
  readonly bytes: Uint8Array;
  /** Where in `bytes` the entry begins. */
  readonly start: number;
  /** Where in `bytes` it ends: after its last byte. */
  readonly end: number;
  /** The entry: a new view of `bytes` at each use. Copy it (`slice()`) to keep it. */
  readonly data: Uint8Array;
  /** Whether it is the last of a batch, or was appended by itself; found out at each use. */
  readonly endsBatch: boolean;
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
