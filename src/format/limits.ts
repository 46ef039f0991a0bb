/**
 * How far the log counts. Its numbers are u64 in the files and JavaScript's numbers in memory, which
 * are exact up to 2^53 - 1; the log stops while each of them, and each plus one, still is.
 *
 * @module
 */

/** The largest index of an entry: 2^53 - 2. The index after it is exact too. */
export const MAX_INDEX: number = Number.MAX_SAFE_INTEGER - 1;

/** The largest number of updates that the meta file counts: 2^53 - 2. */
export const MAX_SEQUENCE: number = Number.MAX_SAFE_INTEGER - 1;

/**
 * Whether a segment or a log can begin with an index. An empty one may begin after the largest index,
 * and then takes no entry.
 */
export function isFirstIndex(index: number): boolean {
  return Number.isSafeInteger(index) && index >= 1 && index <= MAX_INDEX + 1;
}
