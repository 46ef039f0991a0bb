/**
 * The time that a queue goes by: the wall clock for what is recorded, a clock that never goes back
 * for leases, and a timer.
 *
 * @module
 */
import { clock, type Timer } from "../fs/clock.ts";

/**
 * The time that a queue goes by. A test gives one of its own, and need not sleep.
 *
 * @example
 * ```ts
 * import type { QueueClock } from "@durable/wal/queue";
 *
 * const still: QueueClock = {
 *   now: () => 1_700_000_000_000,
 *   elapsed: () => 0,
 *   after: () => ({ cancel() {} }),
 * };
 * ```
 */
export interface QueueClock {
  /** The wall clock, in milliseconds since 1970. */
  now(): number;
  /** Milliseconds since any moment, by a clock that never goes back. */
  elapsed(): number;
  /** Calls back after so many milliseconds, unless it is cancelled before. */
  after(milliseconds: number, call: () => void): { cancel(): void };
}

/** The longest that a timer of a runtime takes. */
const LONGEST = 2 ** 31 - 1;

/** The runtime's clocks. */
export const RUNTIME_CLOCK: QueueClock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  // By way of the object, whose members tests replace.
  after: (milliseconds, call) => clock.after(milliseconds, call),
};

/** A timer for a moment of {@linkcode QueueClock.elapsed}. It may ring too early. */
export function ring(time: QueueClock, at: number, call: () => void): Timer {
  const left = Math.ceil(at - time.elapsed());
  return time.after(Math.min(Math.max(left, 1), LONGEST), call);
}

/** Calls back once a moment of {@linkcode QueueClock.elapsed} has come, and not before. */
export function callAt(time: QueueClock, at: number, call: () => void): Timer {
  let timer = ring(time, at, look);
  function look(): void {
    if (time.elapsed() >= at) call();
    else timer = ring(time, at, look);
  }
  return { cancel: () => timer.cancel() };
}

/** Keeps the process alive until it is cancelled. */
export function keepAlive(time: QueueClock): Timer {
  let timer = time.after(LONGEST, again);
  function again(): void {
    timer = time.after(LONGEST, again);
  }
  return { cancel: () => timer.cancel() };
}
