/**
 * How far a long command has come: a bar where a person watches, else a line now and then.
 *
 * @module
 */
import process from "node:process";
import { write } from "./output.ts";

/** How often a bar is drawn, in milliseconds. */
const BAR_MS = 100;

/** How often a line is written where there is no terminal, in milliseconds. */
const LINE_MS = 10_000;

const BAR_WIDTH = 30;

/** The bytes done of a total, told on the standard error output. */
export class Progress {
  readonly #total: number;
  readonly #isTerminal = process.stderr.isTTY === true;
  readonly #start = performance.now();
  #reported = performance.now();
  #done = 0;
  #isDrawn = false;

  constructor(total: number) {
    this.#total = total;
  }

  /** Counts bytes, and reports them if it is time. */
  async add(bytes: number): Promise<void> {
    this.#done += bytes;
    const now = performance.now();
    if (now - this.#reported < (this.#isTerminal ? BAR_MS : LINE_MS)) return;
    this.#reported = now;
    const share = this.#total === 0 ? 1 : Math.min(1, this.#done / this.#total);
    const text = `${Math.floor(100 * share)}% of ${mebibytes(this.#total)} MiB, ${
      Math.round(this.#done / 1000 / (now - this.#start))
    } MB/s`;
    if (this.#isTerminal) {
      const full = Math.round(BAR_WIDTH * share);
      const bar = "#".repeat(full).padEnd(BAR_WIDTH);
      await write(process.stderr, `\r[${bar}] ${text} `);
      this.#isDrawn = true;
    } else {
      await write(process.stderr, `${text}\n`);
    }
  }

  /** Takes the bar away. */
  async clear(): Promise<void> {
    if (!this.#isDrawn) return;
    await write(process.stderr, "\r\x1b[K");
    this.#isDrawn = false;
  }
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
