/**
 * A list that is added to at one end and taken from at the other.
 *
 * @module
 */

/** Taken places are given back when they are the larger part, and at least so many. */
const MIN_TAKEN = 64;

/** The list. Each call takes constant time in the long run. */
export class Deque<T> {
  #items: (T | undefined)[] = [];
  #taken = 0;

  /** How many there are. */
  get size(): number {
    return this.#items.length - this.#taken;
  }

  /** The next that is taken. */
  get first(): T | undefined {
    return this.#items[this.#taken];
  }

  /** The one that is taken after all others. */
  get last(): T | undefined {
    return this.size === 0 ? undefined : this.#items.at(-1);
  }

  /** Adds one at the end. */
  push(item: T): void {
    this.#items.push(item);
  }

  /** Takes the first. */
  shift(): T | undefined {
    if (this.size === 0) return undefined;
    const first = this.#items[this.#taken];
    this.#items[this.#taken++] = undefined;
    if (this.#taken >= MIN_TAKEN && 2 * this.#taken >= this.#items.length) {
      this.#items = this.#items.slice(this.#taken);
      this.#taken = 0;
    }
    return first;
  }

  /** Puts some before the first, in their order. */
  putBack(items: readonly T[]): void {
    this.#items = [...items, ...this.#items.slice(this.#taken)];
    this.#taken = 0;
  }
}
