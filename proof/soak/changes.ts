/**
 * Random changes of a log, each reported before it starts and when it is acknowledged.
 *
 * @module
 */
import { writeSync } from "node:fs";
import { type Wal, WalError } from "../../mod.ts";
import { digestOf, type WalOperation } from "../../src/testing/testing.ts";
import { random } from "../../kit/logs.ts";
import { contentOf, type Line } from "./lines.ts";

const STDOUT = 1;
const MAX_ENTRIES = 300;

/** Changes one log after the other, without end. */
export class RandomChanges {
  /** The log that is changed. */
  log: Wal;
  /** A random number from 0 to below 1. */
  readonly draw: () => number;
  readonly #seed: number;
  readonly #segmentSize: number;
  #operations: number;
  #contents: number;

  /**
   * @param seed The run's.
   * @param life Which of the run's processes this is; no two write the same entries.
   */
  constructor(log: Wal, seed: number, life: number, segmentSize: number) {
    this.log = log;
    this.#seed = seed;
    this.#segmentSize = segmentSize;
    this.draw = drawOf(seed, life);
    this.#operations = life * 1_000_000;
    this.#contents = this.#operations;
  }

  /** Makes one change, or a few at the same time. */
  async change(): Promise<void> {
    const count = this.log.lastIndex - this.log.firstIndex + 1;
    const isLong = count > MAX_ENTRIES;
    const choice = this.draw();
    if (isLong ? choice < 0.4 : choice < 0.03) return await this.#truncateBefore();
    if (count > 0 && (isLong ? choice < 0.9 : choice < 0.08)) return await this.#truncateFrom();
    if (choice > 0.995) return await this.#reset();
    if (choice > 0.93) return await this.#setState();
    await this.#append();
  }

  async #append(): Promise<void> {
    const { log } = this;
    const choice = this.draw();
    if (choice < 0.5) {
      const data = this.#content(this.#anySize());
      await this.perform(appendOf([data], false), () => log.append(data));
    } else if (choice < 0.6) {
      const data = this.#content(this.#anySize());
      await this.perform(appendOf([data], true), () => log.appendAndSync(data));
    } else if (choice < 0.8) {
      const batch = this.#batchSizes().map((size) => this.#content(size));
      await this.perform(appendOf(batch, false), () => log.appendBatch(batch));
    } else if (choice < 0.88) {
      const batch = this.#batchSizes().map((size) => this.#content(size));
      await this.perform(appendOf(batch, true), () => log.appendBatchAndSync(batch));
    } else {
      const sizes = Array.from({ length: this.between(2, 10) }, () => this.#anySize());
      await Promise.all(sizes.map((size) => {
        const data = this.#content(size);
        return this.perform(appendOf([data], true), () => log.appendAndSync(data));
      }));
    }
  }

  /** Mostly at the end, sometimes anywhere. */
  async #truncateFrom(): Promise<void> {
    const { firstIndex, lastIndex } = this.log;
    const from = this.draw() < 0.6 ? Math.max(firstIndex, lastIndex - 20) : firstIndex;
    const index = this.between(from, lastIndex);
    await this.perform({ kind: "truncateFrom", index }, () => this.log.truncateFromIndex(index));
  }

  async #truncateBefore(): Promise<void> {
    const { firstIndex, lastIndex } = this.log;
    const index = this.draw() < 0.1 ? lastIndex + 1 : this.between(firstIndex, lastIndex + 1);
    const operation = { kind: "truncateBefore", index } as const;
    const done = this.perform(operation, () => this.log.truncateBeforeIndex(index));
    await this.#appendMeanwhile(done);
  }

  async #setState(): Promise<void> {
    const state = this.#content(this.draw() < 0.1 ? 32 * 1024 : this.between(0, 100));
    const operation = { kind: "setState", state: digestOf(state) } as const;
    const done = this.perform(operation, () => this.log.setState(state));
    await this.#appendMeanwhile(done);
  }

  /** To the next index, below it or above it. */
  async #reset(): Promise<void> {
    const index = Math.max(1, this.log.lastIndex + this.between(-400, 50));
    await this.perform({ kind: "reset", index }, () => this.log.reset(index));
  }

  /** Half of the time, appends while something else runs. */
  async #appendMeanwhile(running: Promise<void>): Promise<void> {
    // It is awaited later, and may fail before.
    running.catch(() => {});
    for (let more = this.between(-4, 4); more > 0; more--) await this.#append();
    await running;
  }

  /** Runs an operation between its two lines. */
  async perform(operation: WalOperation, call: () => unknown): Promise<void> {
    const id = ++this.#operations;
    const before = this.log.stats().segments;
    tell({ kind: "start", id, operation } satisfies Line);
    let rolls = 0;
    try {
      const outcome = call();
      // A roll is over when an append's call returns.
      if (operation.kind === "append") rolls = Math.max(0, this.log.stats().segments - before);
      await outcome;
    } catch (error) {
      const isRefused = error instanceof WalError && error.code === "ERR_WAL_WRITE_FAILED";
      if (isRefused) tell({ kind: "refused", id } satisfies Line);
      throw error;
    }
    const { firstIndex, lastIndex } = this.log;
    tell({ kind: "done", id, firstIndex, lastIndex, rolls } satisfies Line);
  }

  /** A whole number from `from` up to `to`, both included. */
  between(from: number, to: number): number {
    return from + Math.floor(this.draw() * (to - from + 1));
  }

  /** Bytes of a size, as no other operation has them. */
  #content(size: number): Uint8Array {
    return contentOf(this.#seed, ++this.#contents, size);
  }

  /** Some empty, most small, a few larger than a segment. */
  #anySize(): number {
    const choice = this.draw();
    if (choice < 0.05) return 0;
    if (choice < 0.9) return this.between(1, 300);
    return this.between(1, choice < 0.99 ? 2000 : 20_000);
  }

  /** Of a batch that fits a segment. */
  #batchSizes(): number[] {
    const length = this.between(1, 8);
    return Array.from({ length }, () => this.between(0, this.#segmentSize / 10));
  }
}

/** The random numbers of one process of a run. */
export function drawOf(seed: number, life: number): () => number {
  return random(seed + Math.imul(life, 7919));
}

function appendOf(entries: readonly Uint8Array[], durable: boolean): WalOperation {
  return { kind: "append", entries: entries.map(digestOf), durable };
}

/** Writes a line before anything else happens: what is told later may never be told. */
export function tell(line: object): void {
  const bytes = new TextEncoder().encode(`${JSON.stringify(line)}\n`);
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(STDOUT, bytes, at);
    } catch (error) {
      // The pipe is full until the parent reads.
      if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) throw error;
    }
  }
}
