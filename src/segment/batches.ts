/**
 * Which of a segment's entries are batches: ranges of positions that are one atom each, in ascending
 * order.
 *
 * @module
 */
import { OffsetIndex } from "./offset_index.ts";

/** A range of positions of entries in a segment. */
export interface PositionRange {
  readonly start: number;
  /** After the last. */
  readonly end: number;
}

/** The batches of one segment. */
export class Batches {
  /** The position of the first entry of each. */
  readonly #starts = new OffsetIndex();
  /** The position after the last entry of each. */
  readonly #ends = new OffsetIndex();

  /** How many there are. */
  get count(): number {
    return this.#starts.count;
  }

  /** The position of the first entry of a batch. */
  startAt(number: number): number {
    return this.#starts.at(number);
  }

  /** Adds the next batch. */
  push(start: number, end: number): void {
    this.#starts.push(start);
    this.#ends.push(end);
  }

  /** Where the batch ends that has both the entry at a position and one before it; 0 if none has. */
  endAround(position: number): number {
    const last = this.#starts.countBelow(position) - 1;
    const end = last < 0 ? 0 : this.#ends.at(last);
    return end > position ? end : 0;
  }

  /** The batch that has the entry at a position, be it the first or another. */
  around(position: number): PositionRange | undefined {
    const batch = this.#starts.countBelow(position + 1) - 1;
    if (batch < 0 || this.#ends.at(batch) <= position) return undefined;
    return { start: this.#starts.at(batch), end: this.#ends.at(batch) };
  }

  /** Whether a batch begins with the entry at a position. */
  isStart(position: number): boolean {
    const batch = this.#starts.countBelow(position);
    return batch < this.#starts.count && this.#starts.at(batch) === position;
  }

  /** Keeps the batches that begin before a position. */
  cut(position: number): void {
    const kept = this.#starts.countBelow(position);
    this.#starts.cut(kept);
    this.#ends.cut(kept);
  }
}
