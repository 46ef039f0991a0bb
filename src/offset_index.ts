/**
 * Where each entry of a segment begins: eight bytes an entry, in one growing array.
 *
 * @module
 */

/** A growing list of byte offsets in ascending order. */
export class OffsetIndex {
  #offsets = new Float64Array(64);
  #count = 0;

  /** How many offsets there are. */
  get count(): number {
    return this.#count;
  }

  /** Adds the offset of the next entry. */
  push(offset: number): void {
    if (this.#count === this.#offsets.length) {
      const grown = new Float64Array(this.#count * 2);
      grown.set(this.#offsets);
      this.#offsets = grown;
    }
    this.#offsets[this.#count++] = offset;
  }

  /** The offset at a position from 0, which must exist. */
  at(position: number): number {
    if (position < 0 || position >= this.#count) throw new RangeError(`No offset ${position}`);
    return this.#offsets[position] as number;
  }

  /** Keeps the first `count` offsets. */
  cut(count: number): void {
    this.#count = Math.min(count, this.#count);
  }

  /** How many offsets lie below `limit`. */
  countBelow(limit: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.at(middle) < limit) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
