/**
 * Waiting for new entries: beside the writer, which reports each change, and in a reader, which
 * looks again at files that another process changes.
 *
 * @module
 */
import { clock } from "../fs/clock.ts";
import type { Entry } from "../entry.ts";
import type { IndexRange } from "../files/segment_list.ts";
import { WalError } from "../errors.ts";
import { isPromise } from "../fs/promise.ts";

/**
 * What a follower wants.
 *
 * @example
 * ```ts
 * import type { FollowOptions } from "@durable/wal";
 *
 * const options: FollowOptions = { from: 10, signal: AbortSignal.timeout(1000) };
 * ```
 */
export interface FollowOptions {
  /**
   * The index of the first entry.
   *
   * @default {the log's first}
   */
  from?: number;
  /**
   * Ends the loop when it is aborted, at once: the loop throws the signal's `reason`, as `fetch` and
   * `events.on` do. To end it without an error, leave the loop, or call `return()` on what `follow`
   * returned.
   */
  signal?: AbortSignal;
  /**
   * Waits with each entry until it is durable. In a reader that is when a Durable frame says so:
   * with the writer's next write after its sync, a moment after it if there is none, or at its close.
   *
   * @default {true}
   */
  durable?: boolean;
}

/**
 * What a follower of batches wants.
 *
 * @example
 * ```ts
 * import type { FollowBatchesOptions } from "@durable/wal";
 *
 * const options: FollowBatchesOptions = { from: 10, batches: true };
 * ```
 */
export interface FollowBatchesOptions extends FollowOptions {
  /** Yields arrays: the entries of one batch, or one entry that was appended by itself. */
  batches: true;
}

/** A log as a follower sees it. */
export interface Followed {
  readonly path: string;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly durableIndex: number;
}

/** Where the entries come from, and how a change of theirs becomes known. */
export interface FollowSource {
  /** Whether the log was closed. */
  isClosed(): boolean;
  /** The log as it is now. */
  look(): Followed | Promise<Followed>;
  /** The entries of a range of it. */
  readRange(from: number, to: number): Iterator<Entry, void>;
  /**
   * The indexes of the batch that has an entry, or of that entry alone; `undefined` if it could not be
   * read and the log is to be looked at again.
   */
  atomAt(index: number): IndexRange | undefined;
  /**
   * The lowest index that was dropped from the tail since the last call, and may be there again;
   * `undefined` if none was.
   */
  takeRewind(): number | undefined;
  /**
   * Calls `wake` once something may have changed since the last look, until the returned function is
   * called. Throws if nothing will any more.
   */
  wait(wake: () => void): () => void;
  /** Gives back what it holds. */
  close(): void;
}

/** What a follower yields. */
export interface Yielded<T> {
  /** Whether it begins with a whole atom, and waits until all of it is there. */
  readonly isAtomic: boolean;
  /** Takes one from the entries; `undefined` if they end before. */
  take(entries: Iterator<Entry, void>): T | undefined;
  /** The index of its last entry. */
  lastIndexOf(value: T): number;
}

/** One entry each time. */
export const ENTRIES: Yielded<Entry> = {
  isAtomic: false,
  take: (entries) => {
    const result = entries.next();
    return result.done === true ? undefined : result.value;
  },
  lastIndexOf: ({ index }) => index,
};

/** One atom each time. */
export const BATCHES: Yielded<readonly Entry[]> = {
  isAtomic: true,
  take: (entries) => {
    const batch: Entry[] = [];
    for (let result = entries.next(); !result.done; result = entries.next()) {
      batch.push(result.value);
      if (result.value.endsBatch) return batch;
    }
    return undefined;
  },
  lastIndexOf: (batch) => batch.at(-1)?.index ?? 0,
};

/** A call of `next` that waits. */
interface Waiting<T> {
  resolve(result: IteratorResult<T, void>): void;
  reject(error: unknown): void;
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

/** When a timer fires that is there to keep the process alive meanwhile: in some 25 days. */
export const FOR_EVER: number = 2 ** 31 - 1;

/**
 * Yields entries as they come. What a truncation dropped and the writer wrote again is yielded again.
 *
 * It is no generator, whose `return` waits for a `next` that waits for an entry.
 */
export class Follower<T> implements AsyncGenerator<T, void, undefined> {
  readonly #source: FollowSource;
  readonly #signal: AbortSignal | undefined;
  readonly #durable: boolean;
  readonly #yielded: Yielded<T>;
  readonly #waiting: Waiting<T>[] = [];
  readonly #onAbort = (): void => this.#fail(this.#signal?.reason);
  #next: number | undefined;
  /** The log as it was looked at last, and what is left of the entries that were there. */
  #log: Followed | undefined;
  #entries: Iterator<Entry, void> | undefined;
  #isBusy = false;
  #isEnded = false;
  /** What ended it and no call has thrown yet. */
  #failure: { readonly error: unknown } | undefined;
  /** Ends the wait for a change. */
  #wake: (() => void) | undefined;

  constructor(
    source: FollowSource,
    { from, signal, durable = true }: FollowOptions,
    yielded: Yielded<T>,
  ) {
    this.#source = source;
    this.#yielded = yielded;
    this.#next = from;
    this.#signal = signal;
    this.#durable = durable;
    if (signal?.aborted) this.#onAbort();
    else signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /**
   * The next entry; calls that wait get one each, in order.
   *
   * @throws {WalError} `ERR_WAL_INDEX_OUT_OF_RANGE`: a head truncation has overtaken it.
   */
  next(): Promise<IteratorResult<T, void>> {
    if (this.#isEnded) {
      const failure = this.#failure;
      this.#failure = undefined;
      return failure === undefined ? Promise.resolve(DONE) : Promise.reject(failure.error);
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      if (!this.#isBusy) this.#run();
    });
  }

  /** Ends it at once, also a `next` that waits, and gives back what it holds. */
  return(): Promise<IteratorResult<T, void>> {
    this.#end();
    return Promise.resolve(DONE);
  }

  /** The same; the promise rejects with the error. */
  throw(error: unknown): Promise<IteratorResult<T, void>> {
    this.#end();
    return Promise.reject(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** Gives an entry to each call that waits, as far as there are any; never throws. */
  #run(): void {
    try {
      while (this.#waiting.length > 0 && !this.#isEnded) {
        if (this.#source.isClosed()) return this.#end();
        const value = this.#take();
        if (value !== undefined) {
          this.#waiting.shift()?.resolve({ done: false, value });
          continue;
        }
        const log = this.#source.look();
        // Beside the writer there is nothing to wait for.
        const found = isPromise(log) ? log.then((log) => this.#find(log)) : this.#find(log);
        if (found !== undefined) return this.#continueAfter(found);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #continueAfter(found: Promise<void>): void {
    this.#isBusy = true;
    found.then(() => {
      this.#isBusy = false;
      this.#run();
    }, (error) => this.#fail(error));
  }

  /** The next of the entries that were there at the last look, as far as they still are. */
  #take(): T | undefined {
    const rewind = this.#source.takeRewind();
    // The caller may have taken its time: what was read ahead may be gone.
    if (rewind !== undefined) {
      this.#next = Math.min(this.#next ?? rewind, rewind);
      this.#entries = undefined;
    }
    const index = this.#next;
    if (this.#entries === undefined || index === undefined) return undefined;
    const isDropped = this.#log !== undefined && index < this.#log.firstIndex;
    const value = isDropped ? undefined : this.#yielded.take(this.#entries);
    if (value === undefined) this.#entries = undefined;
    else this.#next = this.#yielded.lastIndexOf(value) + 1;
    return value;
  }

  /** Finds entries; a promise of a change if there are none. */
  #find(log: Followed): Promise<void> | undefined {
    if (this.#isEnded || this.#source.isClosed()) return;
    this.#log = log;
    const rewind = this.#source.takeRewind();
    let next = Math.min(this.#next ?? log.firstIndex, rewind ?? Infinity);
    // What was dropped before anything of it was given out is awaited again.
    next = Math.min(next, log.lastIndex + 1);
    if (next < log.firstIndex) throw overtaken(log, next);
    this.#next = next;
    const limit = this.#durable ? log.durableIndex : log.lastIndex;
    if (next > limit) return this.#change();
    if (this.#yielded.isAtomic) {
      const atom = this.#source.atomAt(next);
      if (atom === undefined) return;
      // A truncation may have left in a batch what was none before.
      this.#next = next = Math.max(atom.firstIndex, log.firstIndex);
      if (atom.lastIndex > limit) return this.#change();
    }
    this.#entries = this.#source.readRange(next, limit);
  }

  #change(): Promise<void> {
    const changed = new Promise<void>((resolve) => this.#wake = resolve);
    const cancel = this.#source.wait(() => this.#wake?.());
    const isAlive = clock.after(FOR_EVER, () => {});
    return changed.finally(() => {
      isAlive.cancel();
      cancel();
    });
  }

  /** Ends it with an error, for the first call that waits or the next one. */
  #fail(error: unknown): void {
    if (this.#isEnded) return;
    const first = this.#waiting.shift();
    if (first === undefined) this.#failure = { error };
    else first.reject(error);
    this.#end();
  }

  #end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#entries = undefined;
    this.#source.close();
    this.#wake?.();
    for (const { resolve } of this.#waiting.splice(0)) resolve(DONE);
  }
}

function overtaken(log: Followed, next: number): WalError {
  return new WalError(
    "ERR_WAL_INDEX_OUT_OF_RANGE",
    `Entry ${next} of the log "${log.path}" was dropped before it was read: the first index is now ` +
      `${log.firstIndex}. Take what is missing from a snapshot, and follow from there.`,
  );
}

/** How long a read that fails for want of something, such as a descriptor, is tried, in milliseconds. */
const PATIENCE_MS = 10_000;

/** Lets what fails be tried again for a while. */
export class Patience {
  #since: number | undefined;

  /** Whether the last try failed. */
  get isTried(): boolean {
    return this.#since !== undefined;
  }

  /** Notes a try that did not fail. */
  restore(): void {
    this.#since = undefined;
  }

  /** Notes one that failed; throws the error if that has lasted too long. */
  spend(error: WalError, milliseconds: number = PATIENCE_MS): void {
    const now = performance.now();
    this.#since ??= now;
    if (now - this.#since > milliseconds) throw error;
  }
}

/** Wakes all that wait at each change. */
export class Changes {
  readonly #waiting = new Set<() => void>();
  /** How many there were. */
  count = 0;

  /** Wakes all. */
  notify(): void {
    this.count++;
    // Most logs have no follower, and an append makes no garbage for one that is not there.
    if (this.#waiting.size === 0) return;
    for (const wake of this.#waiting) wake();
  }

  /** Calls `wake` at each change, until the returned function is called. */
  wait(wake: () => void): () => void {
    this.#waiting.add(wake);
    return () => void this.#waiting.delete(wake);
  }
}
