/**
 * What a run leaves, and the arithmetic on it.
 *
 * @module
 */
import type { Machine, Mount } from "./machine.ts";
import type { Workload } from "./workloads.ts";

/** One timed trial. */
export interface Sample {
  /** How many entries were appended, read, or found by an open. */
  readonly entries: number;
  readonly ms: number;
}

/** The samples of one entrant in one workload, by round. */
export interface Row {
  /** The entrant's id. */
  readonly entrant: string;
  readonly samples: readonly Sample[];
}

/** A workload's rows. */
export interface Measured {
  /** The workload's id. */
  readonly workload: string;
  readonly rows: readonly Row[];
}

/** What was measured on one file system. */
export interface Place {
  readonly mount: Mount | undefined;
  /** What it is called, where it is in an image that was made for the run. */
  readonly image?: string;
  readonly measured: readonly Measured[];
}

/** How long an appending trial lasts. */
export interface TrialLength {
  readonly ms: number;
  /**
   * In how many parts, with those of others between, where it syncs: how fast a disk syncs changes
   * from one second to the next.
   */
  readonly parts: number;
}

/** A run of the benchmark; the file that `--json` writes. */
export interface Run {
  readonly machine: Machine;
  /** Of each entrant that ran, by its id. */
  readonly versions: Readonly<Record<string, string>>;
  /** Entries of the log that is read. */
  readonly entries: number;
  readonly rounds: number;
  readonly trial: TrialLength;
  readonly places: readonly Place[];
}

/** An entrant's row in a few numbers, each a median over the rounds. */
export interface Summary {
  /** Entries a second. */
  readonly rate: number;
  readonly ms: number;
  readonly floorRate: number;
  readonly floorMs: number;
  /** To the floor of the same round; of rates or of times, as the workload's score says. */
  readonly ratio: number;
  readonly lowest: number;
  readonly highest: number;
}

/** Sums up a row against its floor's. */
export function summarize(workload: Workload, row: Row, floor: Row): Summary {
  const rates = row.samples.map(rateOf);
  const floorRates = floor.samples.map(rateOf);
  const ratios = rates.map((rate, round) => {
    const ratio = rate / (floorRates[round] ?? NaN);
    return workload.score === "rate" ? ratio : 1 / ratio;
  });
  return {
    rate: median(rates),
    ms: median(row.samples.map(({ ms }) => ms)),
    floorRate: median(floorRates),
    floorMs: median(floor.samples.map(({ ms }) => ms)),
    ratio: median(ratios),
    lowest: Math.min(...ratios),
    highest: Math.max(...ratios),
  };
}

/** Whether one ratio is better than another in a workload. */
export function isBetter(workload: Workload, ratio: number, than: number): boolean {
  return workload.score === "rate" ? ratio > than : ratio < than;
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const low = sorted[Math.floor((sorted.length - 1) / 2)] ?? NaN;
  const high = sorted[Math.ceil((sorted.length - 1) / 2)] ?? NaN;
  return (low + high) / 2;
}

function rateOf({ entries, ms }: Sample): number {
  return entries / (ms / 1000);
}
