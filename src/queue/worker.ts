/**
 * The loop of `run`: as many jobs at a time as the consumer has places, each given to the handler, and
 * settled by what becomes of that.
 *
 * @module
 */
import { reasonOf, WalError } from "../errors.ts";
import type { Timer } from "../fs/clock.ts";
import { callAt, keepAlive, type QueueClock } from "./clock.ts";
import type { Stoppable } from "./core.ts";
import { type Job, type LeasedJob, shortened } from "./job.ts";

/**
 * What a consumer does with a message. It returns, or its promise resolves, when the message is done;
 * what it throws has the message delivered again.
 *
 * @example
 * ```ts
 * import type { Handler } from "@durable/wal/queue";
 *
 * const post: Handler<{ url: string }> = async (job, { signal }) => {
 *   const headers = { "idempotency-key": job.key };
 *   await fetch(job.value.url, { method: "POST", headers, signal });
 * };
 * ```
 */
export type Handler<T> = (
  job: Job<T>,
  context: { readonly signal: AbortSignal },
) => unknown;

/** What a worker gets its jobs from. */
export interface Source<T> {
  /** Up to so many jobs that are ready. */
  reserve(limit: number): LeasedJob<T>[];
  /** Calls a function when some may be. */
  listen(listener: () => void): void;
  unlisten(listener: () => void): void;
  /** Whether there will be no more. */
  readonly isEnded: boolean;
}

/** A loop that runs until it is stopped, or the queue fails. */
export class Worker<T> implements Stoppable {
  /** Resolves when it has stopped and no job is in its hands; rejects if the queue failed. */
  readonly done: Promise<void>;
  readonly #source: Source<T>;
  readonly #handler: Handler<T>;
  readonly #places: number;
  readonly #time: QueueClock;
  readonly #resolve: () => void;
  readonly #reject: (reason: unknown) => void;
  readonly #life: Timer;
  readonly #look: () => void = () => this.#lookSoon();
  #busy = 0;
  #isStopping = false;
  #willLook = false;
  #failure: { readonly error: unknown } | undefined;

  /** @param places How many jobs it has at a time. */
  constructor(source: Source<T>, handler: Handler<T>, places: number, time: QueueClock) {
    this.#source = source;
    this.#handler = handler;
    this.#places = places;
    this.#time = time;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    [this.done, this.#resolve, this.#reject] = [promise, resolve, reject];
    this.#life = keepAlive(time);
    source.listen(this.#look);
    this.#lookSoon();
  }

  /** Takes no more jobs. */
  stop(): void {
    this.#isStopping = true;
    this.#lookSoon();
  }

  /** Looks for jobs once what ends now has ended: those that come back together are taken together. */
  #lookSoon(): void {
    if (this.#willLook) return;
    this.#willLook = true;
    queueMicrotask(() => {
      this.#willLook = false;
      this.#fill();
    });
  }

  /** Fills the free places. */
  #fill(): void {
    if (this.#source.isEnded) this.#isStopping = true;
    const free = this.#places - this.#busy;
    if (!this.#isStopping && free > 0) {
      try {
        for (const job of this.#source.reserve(Math.min(free, MAX_AT_ONCE))) this.#begin(job);
      } catch (error) {
        this.#fail(error);
      }
    }
    if (this.#isStopping && this.#busy === 0) this.#finish();
  }

  #begin(job: LeasedJob<T>): void {
    this.#busy++;
    let [isOver, hasReturned] = [false, false];
    let late: Timer | undefined;
    const over = (): void => {
      if (isOver) return;
      isOver = true;
      late?.cancel();
      this.#busy--;
      this.#lookSoon();
    };
    // A handler that hangs gives its place back when its lease ends.
    job.whenLost(over);
    // One that hangs after it has settled its job gives it back at the same time.
    job.whenSettled((deadline) => {
      if (!hasReturned) late = callAt(this.#time, deadline, over);
    });
    const returned = (): void => {
      hasReturned = true;
    };
    this.#handle(job, returned).catch((error) => this.#fail(error)).finally(over);
  }

  /** Gives a job to the handler, and settles it unless the handler has. */
  async #handle(job: LeasedJob<T>, returned: () => void): Promise<void> {
    let failure: { readonly error: unknown } | undefined;
    try {
      await this.#handler(job, job);
    } catch (error) {
      failure = { error };
    }
    returned();
    if (!job.holds()) return;
    if (failure === undefined) return await job.ack();
    const reason = shortened(reasonOf(failure.error)) || "the handler threw";
    await job.retry({ reason });
  }

  /** The queue has failed, and not the handler. */
  #fail(error: unknown): void {
    // What came too late is delivered again.
    if (error instanceof WalError && error.code === "ERR_QUEUE_LEASE_LOST") return;
    this.#failure ??= { error };
    this.stop();
  }

  #finish(): void {
    this.#source.unlisten(this.#look);
    this.#life.cancel();
    if (this.#failure === undefined) this.#resolve();
    else this.#reject(this.#failure.error);
  }
}

/** The most jobs that are taken by one call. */
const MAX_AT_ONCE = 1024;
