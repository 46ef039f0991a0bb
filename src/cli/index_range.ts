/**
 * Which indexes an entry may have: one, if nothing before it is in doubt.
 *
 * @module
 */

/** From the lowest to the highest that it may be; the highest may be infinite. */
export interface IndexRange {
  readonly from: number;
  readonly to: number;
}

/** A range of one. */
export function exactly(index: number): IndexRange {
  return { from: index, to: index };
}

/** Whether it is one. */
export function isExact({ from, to }: IndexRange): boolean {
  return from === to;
}

/** The range after some more entries, of which not all need be there. */
export function advanced({ from, to }: IndexRange, least: number, most: number): IndexRange {
  return { from: from + least, to: to + most };
}

/**
 * What is left of a range once more is known of the index that follows the last entry.
 *
 * @param end The range that counting alone comes to there.
 * @param next What it is, as far as that is known.
 * @param widest What it is if the two contradict each other.
 */
export function boundedBy(
  range: IndexRange,
  end: IndexRange,
  next: IndexRange,
  widest: IndexRange,
): IndexRange {
  // So many entries follow, at the least and at the most.
  const least = Math.max(0, end.from - range.from);
  const most = range.to === Infinity ? Infinity : end.to - range.to;
  const from = Math.max(range.from, next.from - most);
  const to = Math.min(range.to, next.to - least);
  return from <= to ? { from, to } : widest;
}
