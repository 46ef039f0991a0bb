/**
 * A clock for a queue that moves only when it is told to.
 *
 * @module
 */
import type { QueueClock } from "../src/queue/queue.ts";
import { ManualClock } from "./manual_clock.ts";

/** The clock. It begins on a day of 2023. */
export class ManualQueueClock implements QueueClock {
  readonly #timers = new ManualClock();
  #wall = 1_700_000_000_000;
  #elapsed = 0;

  /** The wall clock. */
  now(): number {
    return this.#wall;
  }

  /** The clock that never goes back. */
  elapsed(): number {
    return this.#elapsed;
  }

  /** Sets a timer. */
  after(milliseconds: number, call: () => void): { cancel(): void } {
    return this.#timers.after(milliseconds, call);
  }

  /** Lets so many milliseconds pass, with the timers that are due at their end. */
  async pass(milliseconds: number): Promise<void> {
    this.#wall += milliseconds;
    this.#elapsed += milliseconds;
    await this.#timers.pass(milliseconds);
  }

  /** Puts the wall clock on or back. */
  setWall(now: number): void {
    this.#wall = now;
  }
}
