/**
 * Waiting until an entry is durable, without a sync being forced: beside the writer, whose syncs say
 * so, and in a reader, which finds it in the files.
 *
 * @module
 */
import { WalError } from "../errors.ts";
import { clock } from "../fs/clock.ts";
import { type Followed, type FollowSource, FOR_EVER } from "./follow.ts";

/** A call that waits. */
interface Waiter {
  readonly index: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** The calls that wait beside the writer. */
export class DurableWaiters {
  /** In the order of their indexes. */
  readonly #waiting: Waiter[] = [];

  /** Whether there are none. */
  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Resolves once the entry is durable; rejects with what {@linkcode reject} is told. */
  wait(index: number): Promise<void> {
    return new Promise((resolve, reject) => {
      // Most come in order.
      const at = this.#waiting.findLastIndex((waiter) => waiter.index <= index) + 1;
      this.#waiting.splice(at, 0, { index, resolve, reject });
    });
  }

  /** The entries up to an index are durable. */
  resolve(upTo: number): void {
    for (const { resolve } of this.#take(1, upTo)) resolve();
  }

  /** The entries from an index up to another will never be. */
  reject(from: number, upTo: number, error: (index: number) => unknown): void {
    for (const { index, reject } of this.#take(from, upTo)) reject(error(index));
  }

  /** Takes those off the list that wait for an index from one up to another. */
  #take(from: number, upTo: number): readonly Waiter[] {
    const begin = this.#countBelow(from);
    const end = this.#countBelow(upTo + 1);
    return begin < end ? this.#waiting.splice(begin, end - begin) : [];
  }

  /** How many wait for less than an index. */
  #countBelow(index: number): number {
    const waiting = this.#waiting;
    let count = 0;
    while (count < waiting.length && (waiting[count] as Waiter).index < index) count++;
    return count;
  }
}

/**
 * Resolves once the files of a log that another process writes say that an entry is durable.
 *
 * @param source The files. They are given back by this.
 * @param requireOpen Throws once the handle is closed.
 */
export async function watchDurable(
  source: FollowSource,
  index: number,
  requireOpen: () => void,
): Promise<void> {
  try {
    for (;; await change(source)) {
      requireOpen();
      const log = await source.look();
      requireOpen();
      const rewind = source.takeRewind() ?? Infinity;
      if (index < log.firstIndex || index >= Math.min(rewind, log.lastIndex + 1)) {
        throw droppedUndurable(log, index);
      }
      if (index <= log.durableIndex) return;
    }
  } finally {
    source.close();
  }
}

/** Resolves once something may have changed, and keeps the process alive meanwhile. */
async function change(source: FollowSource): Promise<void> {
  const isAlive = clock.after(FOR_EVER, () => {});
  let cancel = (): void => {};
  try {
    await new Promise<void>((resolve) => cancel = source.wait(resolve));
  } finally {
    cancel();
    isAlive.cancel();
  }
}

/** The error of a wait for an entry that was dropped meanwhile. */
export function droppedUndurable({ path }: Pick<Followed, "path">, index: number): WalError {
  return new WalError(
    "ERR_WAL_INDEX_OUT_OF_RANGE",
    `Entry ${index} of the log "${path}" was dropped before it was known to be durable: a ` +
      "truncation or a reset has taken it. Wait for an entry that the log has.",
  );
}
