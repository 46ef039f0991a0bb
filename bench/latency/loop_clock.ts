/**
 * How long the event loop is kept from its timers: the drift of a timer of a millisecond, since the
 * runtimes' own monitors do not agree on what they measure.
 *
 * @module
 */

/** The shortest period that a timer has everywhere. */
const PERIOD = 1;

/** A timer that is set again each time it has run. */
export class LoopClock {
  readonly #delays: number[] = [];
  readonly #onTick: ((late: number) => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Begins to measure; `onTick` is told each time how late the timer was, in milliseconds. */
  constructor(onTick?: (late: number) => void) {
    this.#onTick = onTick;
    this.#set();
  }

  /** Ends it; how late the timer was each time, in milliseconds. */
  stop(): readonly number[] {
    clearTimeout(this.#timer);
    return this.#delays;
  }

  #set(): void {
    const wanted = performance.now() + PERIOD;
    this.#timer = setTimeout(() => {
      const late = Math.max(0, performance.now() - wanted);
      this.#delays.push(late);
      this.#onTick?.(late);
      this.#set();
    }, PERIOD);
  }
}
