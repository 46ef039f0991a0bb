/**
 * Many durations in a few numbers.
 *
 * @module
 */

/** The spread of a set of durations, in nanoseconds. */
export interface Spread {
  /** How many durations there were. */
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Sums durations up that are given in milliseconds. */
export function spread(milliseconds: readonly number[]): Spread {
  const sorted = Float64Array.from(milliseconds).sort();
  const at = (part: number): number =>
    (sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? NaN) * 1e6;
  const mean = sorted.reduce((sum, ms) => sum + ms, 0) / sorted.length * 1e6;
  return { count: sorted.length, mean, p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1) };
}
