/**
 * The entries that the log grows by: short ones, so that there are many to a byte.
 *
 * @module
 */

/** The longest one in bytes; the lengths go round from 0 to this. */
export const LONGEST = 8;

const ENTRIES = Array.from(
  { length: LONGEST + 1 },
  (_, length) => new Uint8Array(length).fill(length),
);

/** The entry at an index. */
export function entryAt(index: number): Uint8Array {
  return ENTRIES[index % ENTRIES.length] as Uint8Array;
}

/** The entries from an index on. */
export function entriesFrom(index: number, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => entryAt(index + i));
}
