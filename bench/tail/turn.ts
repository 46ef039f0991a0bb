/**
 * A turn of a subject: what its process is told, and what it answers. Both are one line of JSON.
 *
 * @module
 */

/** How many callers append at the same time. */
export const CALLERS = 512;

/** A turn to take. The store stays open from one to the next. */
export interface Task {
  readonly operation: "tail";
  readonly callers: number;
  readonly entries: number;
  readonly entrySize: number;
  readonly path: string;
}

/** Something that took longer than it should: a stall of the event loop, or an append. */
export interface Slow {
  readonly ms: number;
  /** Whether the log got another segment since the look before. */
  readonly isAtRoll: boolean;
  /** What the runtime's collector logged since the look before: from and to this byte of its log. */
  readonly from: number;
  readonly to: number;
}

/** What a turn answers. The peers in Go answer the first five fields; `bench/go` has their twin. */
export interface Turn {
  readonly entries: number;
  readonly ms: number;
  /** As `Histogram.pairs` gives them. */
  readonly latencies?: readonly number[];
  /** The longest of them, in milliseconds. */
  readonly longest?: number;
  /** The files that the log has at the end. */
  readonly segments?: number;
  /** The timers that were late by {@linkcode NOTED} or more. */
  readonly stalls?: readonly Slow[];
  /** The appends that took as long, where they are calls that nothing waits in. */
  readonly appends?: readonly Slow[];
  /** What the collector logged in this turn, as in {@linkcode Slow}. */
  readonly from?: number;
  readonly to?: number;
}

/** From how many milliseconds on something is told. */
export const NOTED = 1;

/** A line of a subject's process. */
export type Answer = { readonly ready: string } | { readonly error: string } | Turn;
