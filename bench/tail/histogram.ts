/**
 * The latencies of many appends as counts, so that to note one allocates nothing. A bucket is about
 * one percent wide. `bench/go/tail.go` has the same.
 *
 * @module
 */

/** Buckets for each doubling of the latency. */
const PER_OCTAVE = 64;

/** Doublings below a millisecond; the shortest latency is a nanosecond. */
const BELOW = 20;

/** Doublings in all, up to four hours. */
const OCTAVES = 44;

/** Counts of latencies. */
export class Histogram {
  readonly #counts = new Uint32Array(PER_OCTAVE * OCTAVES);
  #longest = 0;

  /** Notes a latency in milliseconds. */
  add(ms: number): void {
    const bucket = Math.floor((Math.log2(Math.max(ms, 1e-9)) + BELOW) * PER_OCTAVE);
    (this.#counts[Math.max(0, bucket)] as number)++;
    if (ms > this.#longest) this.#longest = ms;
  }

  /** Adds what {@linkcode pairs} of another gave, and its longest in milliseconds. */
  merge(pairs: readonly number[], longest: number): void {
    for (let i = 0; i < pairs.length; i += 2) {
      (this.#counts[pairs[i] as number] as number) += pairs[i + 1] as number;
    }
    this.#longest = Math.max(this.#longest, longest);
  }

  /** Each bucket that is not empty, followed by its count. */
  pairs(): number[] {
    return Array.from(this.#counts, (count, bucket) => count > 0 ? [bucket, count] : []).flat();
  }

  /** The longest latency in milliseconds, exactly. */
  get longest(): number {
    return this.#longest;
  }

  /** How many there are. */
  get count(): number {
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  /** The latency in milliseconds that this part of them is not above: the end of its bucket. */
  quantile(part: number): number {
    let left = Math.ceil(this.count * part);
    for (const [bucket, count] of this.#counts.entries()) {
      left -= count;
      if (left <= 0) return Math.min(this.#longest, 2 ** ((bucket + 1) / PER_OCTAVE - BELOW));
    }
    return NaN;
  }
}
