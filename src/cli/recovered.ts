/**
 * What is found in a damaged log: entries, what is missing, the state, and what is worth saying.
 *
 * @module
 */
import { type IndexRange, isExact } from "./index_range.ts";
import type { BatchState } from "./walked_file.ts";

/** An entry that is whole. */
export interface RecoveredEntry {
  readonly kind: "entry";
  readonly path: string;
  /** Where in the file its frame begins, in bytes. */
  readonly offset: number;
  /** Bytes of it. */
  readonly length: number;
  readonly index: IndexRange;
  /** Whether it may be bytes of a damaged entry that look like an entry. */
  readonly isFoundBySearch: boolean;
  /** Whether it is of a batch of which not all is there. */
  readonly batch: BatchState;
  /** Whether a truncation has dropped it; that may depend on an index that is not known. */
  readonly isDropped: boolean | "unknown";
  /** Whether recovery or repair has cut it off. */
  readonly isSetAside: boolean;
  /** Reads it; only until the next one is asked for. */
  read(): Uint8Array;
}

/** What is not there, or not whole. */
export interface Missing {
  readonly kind: "missing";
  readonly path: string;
  /** Where in the file; undefined if all of it is meant. */
  readonly offset: number | undefined;
  readonly bytes: number | undefined;
  /** The first and the last index that may be missing; undefined if no entry is. */
  readonly indexes: IndexRange | undefined;
  /** How many entries; undefined if that is not known. */
  readonly entries: number | undefined;
  readonly what: string;
}

/** What is worth saying. */
export interface Note {
  readonly kind: "note";
  readonly text: string;
}

/** The application's state. */
export interface RecoveredState {
  readonly kind: "state";
  readonly state: Uint8Array;
}

/** What is found, in order. */
export type Recovered = RecoveredEntry | Missing | Note | RecoveredState;

/** What is not there. */
export function missing(
  path: string,
  offset: number | undefined,
  bytes: number | undefined,
  indexes: IndexRange | undefined,
  known: IndexRange | undefined,
  what: string,
  from: number | undefined = known?.from,
): Missing {
  const isNone = indexes === undefined || indexes.to < indexes.from;
  const isCounted = !isNone && known !== undefined && isExact(known) && from !== undefined;
  return {
    kind: "missing",
    path,
    offset,
    bytes,
    indexes: isNone ? undefined : indexes,
    entries: isNone ? 0 : isCounted ? indexes.to + 1 - indexes.from : undefined,
    what,
  };
}

/** Marks an entry that the next segment has in place of the one that is here. */
export function belowLimit(entry: RecoveredEntry, limit: number): RecoveredEntry {
  const { from, to } = entry.index;
  if (to < limit) return entry;
  if (from >= limit) return { ...entry, isDropped: true };
  return { ...entry, index: { from, to: limit - 1 }, isDropped: entry.isDropped || "unknown" };
}

/** Marks what is below the log's first index, and leaves out what is missing there. */
export function* belowHeadMarked(
  item: RecoveredEntry | Missing,
  headIndex: number,
): Generator<Recovered> {
  if (item.kind === "entry") {
    const { from, to } = item.index;
    if (to < headIndex) yield { ...item, isDropped: true };
    else yield from < headIndex && !item.isDropped ? { ...item, isDropped: "unknown" } : item;
    return;
  }
  const { indexes } = item;
  if (indexes === undefined || indexes.from >= headIndex) return yield item;
  if (indexes.to < headIndex) return;
  const entries = item.entries === undefined ? undefined : indexes.to + 1 - headIndex;
  yield { ...item, indexes: { from: headIndex, to: indexes.to }, entries };
}
