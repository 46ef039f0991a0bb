/**
 * What the benchmark measures, and the arithmetic on it.
 *
 * @module
 */
import type { Runtime } from "../tests/support/runtime.ts";

/** One timed run. */
export interface Sample {
  /** How many entries were appended or read. */
  readonly entries: number;
  /** How long that took, in milliseconds. */
  readonly ms: number;
  /** How many syncs the log took for it, where that is of interest. */
  readonly syncs?: number;
}

/** A workload of the log's against its floor; the samples at one place are of one round. */
export interface Measurement {
  readonly workload: string;
  /** What the runtime did by itself for the floor. */
  readonly floorIs: string;
  readonly ours: readonly Sample[];
  readonly floor: readonly Sample[];
}

/** The workload for whose time the report has a limit. */
export const OPEN_AND_SMALL_READS = "open (two small reads)";

/** All that was measured on one runtime. */
export interface RuntimeResult {
  readonly runtime: Runtime;
  readonly version: string;
  readonly measurements: readonly Measurement[];
}

/** A measurement in a few numbers, each a median over the rounds. */
export interface Summary {
  /** Entries a second. */
  readonly ours: number;
  /** Entries a second. */
  readonly floor: number;
  /** `ours` to `floor` within one round: above 1 is faster than the floor. */
  readonly ratio: number;
  /** The lowest ratio of any round. */
  readonly lowest: number;
  /** The highest ratio of any round. */
  readonly highest: number;
}

/** Sums a measurement up. */
export function summarize({ ours, floor }: Measurement): Summary {
  const ourRates = ours.map(entriesPerSecond);
  const floorRates = floor.map(entriesPerSecond);
  const ratios = ourRates.map((rate, round) => rate / (floorRates[round] ?? NaN));
  return {
    ours: median(ourRates),
    floor: median(floorRates),
    ratio: median(ratios),
    lowest: Math.min(...ratios),
    highest: Math.max(...ratios),
  };
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const low = sorted[Math.floor((sorted.length - 1) / 2)] ?? NaN;
  const high = sorted[Math.ceil((sorted.length - 1) / 2)] ?? NaN;
  return (low + high) / 2;
}

function entriesPerSecond({ entries, ms }: Sample): number {
  return entries / (ms / 1000);
}
