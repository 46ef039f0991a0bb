/**
 * A clock for the log that moves only when it is told to: what a program does then depends on no time
 * that the machine takes for it.
 *
 * @module
 */
import { clock, type Timer } from "../src/fs/clock.ts";

/** A call that is to come. */
interface Due {
  readonly at: number;
  readonly call: () => void;
}

/** The clock. */
export class ManualClock {
  readonly #due = new Set<Due>();
  #now = 0;

  /** Sets a timer, as the log's own clock does. */
  after(milliseconds: number, call: () => void): Timer {
    const due = { at: this.#now + milliseconds, call };
    this.#due.add(due);
    return { cancel: () => void this.#due.delete(due) };
  }

  /** Lets so many milliseconds pass, with the calls that are due meanwhile, in their order. */
  async pass(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds;
    for (;;) {
      // What the last call began may set a timer of its own.
      await clock.endOfTurn();
      const [next] = [...this.#due].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#due.delete(next);
      this.#now = next.at;
      next.call();
    }
    this.#now = end;
  }
}

/** Runs a program whose log has a clock that moves only when it is told to. */
export async function onManualClock<T>(program: (time: ManualClock) => Promise<T>): Promise<T> {
  const { after } = clock;
  const time = new ManualClock();
  clock.after = (milliseconds, call) => time.after(milliseconds, call);
  try {
    return await program(time);
  } finally {
    clock.after = after;
  }
}
