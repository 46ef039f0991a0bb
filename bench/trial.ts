/**
 * One trial: what a contestant's process is told to do, and how it is timed.
 *
 * @module
 */
import { setImmediate } from "node:timers/promises";
import { below, seededRandom } from "../src/testing/random.ts";
import { Batcher } from "./contestants/batcher.ts";
import { type Contestant, someEntry, type Store, touch } from "./contestants/contestant.ts";
import type { Sample } from "./results.ts";
import { BATCH, type Work, type Written } from "./workloads.ts";

/** A trial, as one line of JSON. */
export interface Trial extends Work, Written {
  /** Where the store is, or is made. */
  readonly path: string;
  readonly entrySize: number;
  /**
   * How long an appending trial lasts, in milliseconds. The speed of a disk is not known before.
   */
  readonly ms: number;
  /** How many entries a store has, or gets, where it is read. */
  readonly entries: number;
  /** How many of them are read at random. */
  readonly reads: number;
}

/** What a contestant's process answers, as one line of JSON. */
export type Answer =
  | { readonly ready: string; readonly hasGroupCommit: boolean }
  | { readonly missing: string }
  | Sample
  | { readonly error: string };

/** Runs the trials of one contestant; keeps the store open that is read again and again. */
export class Runner {
  readonly #contestant: Contestant;
  #open: { readonly path: string; readonly store: Store } | undefined;

  constructor(contestant: Contestant) {
    this.#contestant = contestant;
  }

  /** Runs a trial. */
  async run(trial: Trial): Promise<Sample> {
    switch (trial.operation) {
      case "fill":
        return await this.#fill(trial);
      case "open":
        return await this.#timeOpen(trial);
      case "get":
      case "replay":
        return await this.#read(trial);
      default:
        return await this.#append(trial);
    }
  }

  async #openStore(trial: Trial, isDurable: boolean): Promise<Store> {
    const { path, callers, entrySize, oneSegment } = trial;
    return await this.#contestant.open(path, { callers, entrySize, isDurable, oneSegment });
  }

  async #append(trial: Trial): Promise<Sample> {
    const store = await this.#openStore(trial, trial.operation.endsWith("Sync"));
    const step = stepOf(trial, store, this.#contestant.hasGroupCommit);
    let entries = 0;
    const start = performance.now();
    const end = start + trial.ms;
    const caller = async (): Promise<void> => {
      while (performance.now() < end) {
        const done = step.run();
        if (done !== undefined) await done;
        entries += step.entries;
      }
    };
    await Promise.all(Array.from({ length: trial.callers }, caller));
    const ms = performance.now() - start;
    requireWork("Appended", await store.lastIndex(), entries);
    await store.close();
    return { entries, ms };
  }

  /** Writes the store whose writer is then killed, so it is not closed here. */
  async #fill(trial: Trial): Promise<Sample> {
    const { entries, entrySize, isSynced } = trial;
    const store = await this.#openStore(trial, isSynced);
    const entry = someEntry(entrySize);
    const start = performance.now();
    for (let done = 0; done < entries;) {
      const count = Math.min(BATCH, entries - done);
      if (store.append !== undefined && (store.sync !== undefined || !isSynced)) {
        await store.append(entry, count);
        await setImmediate();
      } else {
        await store.appendBatchAndSync?.(new Array<Uint8Array>(count).fill(entry));
      }
      done += count;
    }
    if (isSynced) await store.sync?.();
    const ms = performance.now() - start;
    requireWork("Filled with", await store.lastIndex(), entries);
    return { entries, ms };
  }

  async #timeOpen(trial: Trial): Promise<Sample> {
    const start = performance.now();
    const store = await this.#openStore(trial, true);
    // What opens lazily has to have done it by now.
    const entries = await store.lastIndex();
    const ms = performance.now() - start;
    await store.close();
    requireWork("Opened with", entries, trial.entries);
    return { entries, ms };
  }

  async #read(trial: Trial): Promise<Sample> {
    const { operation, path, entrySize } = trial;
    if (this.#open?.path !== path) {
      await this.close();
      this.#open = { path, store: await this.#openStore(trial, true) };
    }
    const { store } = this.#open;
    const indexes = operation === "get"
      ? randomIndexes(trial.reads, trial.entries)
      : new Uint32Array(trial.entries);
    const start = performance.now();
    const sum = operation === "get" ? await store.get?.(indexes) : await store.replay?.();
    const ms = performance.now() - start;
    requireWork("Read", sum, indexes.length * touch(someEntry(entrySize)));
    return { entries: indexes.length, ms };
  }

  /** Closes what is open. */
  async close(): Promise<void> {
    await this.#open?.store.close();
    this.#open = undefined;
  }
}

/** What is done between two looks at the clock. */
interface Step {
  readonly entries: number;
  run(): void | Promise<void>;
}

function stepOf(trial: Trial, store: Store, hasGroupCommit: boolean): Step {
  const entry = someEntry(trial.entrySize);
  const entries = new Array<Uint8Array>(trial.batch).fill(entry);
  const { operation, callers } = trial;
  if (operation === "append" && store.append !== undefined) {
    const run = async (): Promise<void> => {
      await store.append?.(entry, BATCH);
      // As in a server, other work has its turn.
      await setImmediate();
    };
    return { entries: BATCH, run };
  }
  if (operation === "appendBatch" && store.appendBatch !== undefined) {
    const run = async (): Promise<void> => {
      await store.appendBatch?.(entries);
      await setImmediate();
    };
    return { entries: trial.batch, run };
  }
  if (operation === "appendBatchAndSync" && store.appendBatchAndSync !== undefined) {
    return { entries: trial.batch, run: () => store.appendBatchAndSync?.(entries) };
  }
  if (operation === "appendAndSync" && store.appendAndSync !== undefined) {
    if (callers === 1 || hasGroupCommit) {
      return { entries: 1, run: () => store.appendAndSync?.(entry) };
    }
    const batcher = new Batcher((some) => store.appendBatchAndSync?.(some));
    return { entries: 1, run: () => batcher.appendAndSync(entry) };
  }
  throw new Error(`It has no ${operation}.`);
}

/** Indexes from 1 to `entries`, the same ones in every process. */
function randomIndexes(count: number, entries: number): Uint32Array {
  const random = seededRandom(1);
  return Uint32Array.from({ length: count }, () => 1 + below(random, entries));
}

/** Fails a trial that did not do its work, which would otherwise be the fastest of all. */
function requireWork(what: string, done: number | undefined, wanted: number): void {
  if (done !== wanted) throw new Error(`${what} ${done} instead of ${wanted}.`);
}
