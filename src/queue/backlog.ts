/**
 * Back pressure: how many bytes may wait to be done, and the calls that wait for room.
 *
 * @module
 */
import { Deque } from "./deque.ts";

/** A call that waits. */
interface Waiter {
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
  isGone: boolean;
}

/** Lets calls in while there is room, in their order. */
export class Backlog {
  readonly #limit: number;
  readonly #pending: () => number;
  readonly #waiters = new Deque<Waiter>();
  /** Bytes that were let in and are not in the log yet. */
  #underWay = 0;

  /**
   * @param limit How many bytes may wait.
   * @param pending How many do, in the log.
   */
  constructor(limit: number, pending: () => number) {
    this.#limit = limit;
    this.#pending = pending;
  }

  /**
   * Lets so many bytes in, which count from then on until {@linkcode leave}. What is larger than the
   * limit is let in alone.
   *
   * @returns Where there is no room yet, a promise that resolves when there is, or rejects with the
   * signal's reason, or that of {@linkcode end}.
   */
  enter(bytes: number, signal: AbortSignal | undefined): Promise<void> | undefined {
    signal?.throwIfAborted();
    if (this.#waiters.size > 0 || !this.#hasRoom(bytes)) return this.#wait(bytes, signal);
    this.#underWay += bytes;
    return undefined;
  }

  async #wait(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { bytes, resolve, reject, isGone: false };
    this.#waiters.push(waiter);
    const abort = (): void => {
      waiter.isGone = true;
      reject(signal?.reason);
      this.look();
    };
    signal?.addEventListener("abort", abort, { once: true });
    await promise.finally(() => signal?.removeEventListener("abort", abort));
  }

  /** Counts bytes no more that were let in: they are in the log, or will not be. */
  leave(bytes: number): void {
    this.#underWay -= bytes;
  }

  /** Lets in what there is room for now. */
  look(): void {
    for (let first = this.#waiters.first; first !== undefined; first = this.#waiters.first) {
      if (!first.isGone) {
        if (!this.#hasRoom(first.bytes)) return;
        this.#underWay += first.bytes;
        first.resolve();
      }
      this.#waiters.shift();
    }
  }

  /** Lets in nothing more. */
  end(reason: unknown): void {
    for (let first = this.#waiters.shift(); first !== undefined; first = this.#waiters.shift()) {
      first.reject(reason);
    }
  }

  #hasRoom(bytes: number): boolean {
    const used = this.#pending() + this.#underWay;
    return used === 0 || used + bytes <= this.#limit;
  }
}
