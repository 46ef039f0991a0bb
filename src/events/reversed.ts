/**
 * Reading backwards: a stretch of entries at a time is read forwards and given out in reverse.
 *
 * @module
 */
import type { Entry } from "../entry.ts";

/** The bytes of a stretch that are aimed at, and the most that are kept of one. */
const STRETCH_BYTES = 256 * 1024;
const MAX_STRETCH_BYTES = 4 * STRETCH_BYTES;

/** How many entries the first stretch has: few, since a loop may end after some. */
const FIRST_STRETCH = 32;
const MAX_STRETCH = 8192;

/** What is read: a log, or a part of one. */
interface Readable {
  readonly firstIndex: number;
  entries(range: { from: number; to: number }): Iterable<Entry>;
}

/**
 * Yields the entries of a range from the last to the first. Memory holds one stretch: some hundred
 * kilobytes, or one entry that is larger.
 *
 * @throws What reading the entries throws; `ERR_WAL_INDEX_OUT_OF_RANGE` for those that were dropped
 * meanwhile.
 */
export function* reversed(
  log: Readable,
  from: number,
  to: number,
): Generator<Entry, void, undefined> {
  let count = FIRST_STRETCH;
  for (let last = to; last >= from;) {
    // What was dropped meanwhile is refused, once those that are left were given out.
    const first = Math.max(from, last - count + 1, Math.min(last, log.firstIndex));
    const { entries, bytes } = lastEntries(log, first, last);
    for (let at = entries.length - 1; at >= 0; at--) yield entries[at] as Entry;
    last -= entries.length;
    const fitting = Math.ceil(STRETCH_BYTES * entries.length / Math.max(1, bytes));
    count = Math.max(1, Math.min(MAX_STRETCH, fitting, 4 * count));
  }
}

/** The entries of a range, or the last of them if all are too many bytes to keep. */
function lastEntries(
  log: Readable,
  first: number,
  last: number,
): { entries: Entry[]; bytes: number } {
  const entries: Entry[] = [];
  let bytes = 0;
  for (const entry of log.entries({ from: first, to: last })) {
    entries.push(entry);
    bytes += entry.data.length;
    while (bytes > MAX_STRETCH_BYTES && entries.length > 1) {
      bytes -= entries.shift()?.data.length ?? 0;
    }
  }
  return { entries, bytes };
}
