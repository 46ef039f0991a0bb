/**
 * Bytes into lines, as the bytes come.
 *
 * @module
 */
import { Buffer } from "node:buffer";

const NEWLINE = 0x0a;

/**
 * Splits chunks of bytes at each newline, which belongs to no line. Memory is bounded by a chunk and
 * the longest line.
 */
export class LineSplitter {
  readonly #limit: number;
  /** The beginning of a line whose end has not come. */
  #parts: Uint8Array[] = [];
  #size = 0;

  /** @param limit A longer line is given out in parts, each still above the limit but the last. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The lines that end in a chunk. They share its memory. */
  *split(chunk: Uint8Array): Generator<Uint8Array, void, undefined> {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      yield this.#complete(chunk.subarray(start, end));
      start = end + 1;
    }
    if (start === chunk.length) return;
    this.#parts.push(chunk.subarray(start));
    this.#size += chunk.length - start;
    if (this.#size > this.#limit) yield* this.end();
  }

  /** The last line, if the input did not end with a newline. */
  *end(): Generator<Uint8Array, void, undefined> {
    if (this.#size > 0) yield this.#complete(new Uint8Array(0));
  }

  #complete(last: Uint8Array): Uint8Array {
    if (this.#size === 0) return last;
    const line = Buffer.concat([...this.#parts, last]);
    this.#parts = [];
    this.#size = 0;
    return line;
  }
}
