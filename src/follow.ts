/**
 * Waiting for new entries: beside the writer, which tells of each change, and in a reader, which
 * looks again at files that another process changes.
 *
 * @module
 */
import { clock, type Timer } from "./clock.ts";
import type { Entry } from "./entry.ts";
import { WalError } from "./errors.ts";

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
  /** Ends the loop when it is aborted. */
  signal?: AbortSignal;
  /**
   * Waits with each entry until it is durable. In a reader that is when a Durable frame tells of it:
   * with the writer's next write after its sync, a moment after it if there is none, or at its close.
   *
   * @default {true}
   */
  durable?: boolean;
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
  readRange(from: number, to: number): Iterable<Uint8Array>;
  /**
   * The lowest index that was dropped from the tail since the last call, and may be there anew;
   * `undefined` if none was.
   */
  takeRewind(): number | undefined;
  /** Keeps account of what was given out. */
  gave?(index: number, data: Uint8Array): void;
  /** Resolves at the next change, or some time later, or when the signal is aborted. */
  changed(signal: AbortSignal | undefined): Promise<void>;
  /** Gives back what it holds. */
  close(): void;
}

/**
 * Yields entries as they come. What a truncation dropped and the writer wrote anew is yielded anew.
 *
 * @throws {WalError} `ERR_WAL_INDEX_OUT_OF_RANGE`: a head truncation has overtaken the follower.
 */
export async function* follow(
  source: FollowSource,
  options: FollowOptions,
): AsyncGenerator<Entry, void, undefined> {
  const { signal, durable = true } = options;
  let next = options.from;
  try {
    while (!signal?.aborted && !source.isClosed()) {
      const log = await source.look();
      next ??= log.firstIndex;
      next = Math.min(next, source.takeRewind() ?? next);
      if (next < log.firstIndex) throw overtaken(log, next);
      const limit = durable ? log.durableIndex : log.lastIndex;
      if (next > limit) {
        await source.changed(signal);
        continue;
      }
      for (const data of source.readRange(next, limit)) {
        source.gave?.(next, data);
        yield { index: next, data };
        next++;
        if (signal?.aborted || source.isClosed()) return;
        // The loop's body may have taken its time: what was read ahead may be gone.
        const rewind = source.takeRewind();
        next = Math.min(next, rewind ?? next);
        if (rewind !== undefined || next < log.firstIndex) break;
      }
    }
  } finally {
    source.close();
  }
}

function overtaken(log: Followed, next: number): WalError {
  return new WalError(
    "ERR_WAL_INDEX_OUT_OF_RANGE",
    `Entry ${next} of the log "${log.path}" was dropped before it was read: the first index is now ` +
      `${log.firstIndex}. Take what is missing from a snapshot, and follow from there.`,
  );
}

/** Tells those who wait of each change; one wakes at once for a change that came before it waited. */
export class Changes {
  readonly #waiting = new Set<() => void>();

  /** Wakes all. */
  notify(): void {
    // Most logs have no follower, and an append makes no garbage for those who are not there.
    if (this.#waiting.size === 0) return;
    for (const wake of this.#waiting) wake();
  }

  /** Resolves at the next change, or when the signal is aborted, or after so many milliseconds. */
  async next(signal: AbortSignal | undefined, milliseconds?: number): Promise<void> {
    let timer: Timer | undefined;
    let wake = (): void => {};
    await new Promise<void>((resolve) => {
      wake = resolve;
      this.#waiting.add(wake);
      signal?.addEventListener("abort", wake, { once: true });
      if (signal?.aborted) wake();
      if (milliseconds !== undefined) timer = clock.after(milliseconds, wake);
    });
    timer?.cancel();
    this.#waiting.delete(wake);
    signal?.removeEventListener("abort", wake);
  }
}
