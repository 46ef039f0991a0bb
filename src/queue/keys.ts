/**
 * The keys that a queue remembers: the last so many under which messages were enqueued.
 *
 * @module
 */
import { Deque } from "./deque.ts";

/** Keys, and the first message of each. */
export class KeyMemory {
  readonly #limit: number;
  readonly #ids = new Map<string, number>();
  readonly #order = new Deque<string>();
  #characters = 0;

  /** @param limit How many keys are remembered. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many characters the keys have. */
  get characters(): number {
    return this.#characters;
  }

  /** How many there are. */
  get size(): number {
    return this.#ids.size;
  }

  /** The first message that was enqueued under a key, if that is remembered. */
  get(key: string): number | undefined {
    return this.#ids.get(key);
  }

  /** Remembers a key, and forgets the oldest if there are too many. A known one stays as it is. */
  add(key: string, id: number): void {
    if (this.#limit === 0 || this.#ids.has(key)) return;
    this.#ids.set(key, id);
    this.#order.push(key);
    this.#characters += key.length;
    if (this.#ids.size <= this.#limit) return;
    const oldest = this.#order.shift();
    if (oldest === undefined) return;
    this.#ids.delete(oldest);
    this.#characters -= oldest.length;
  }

  /** All, the oldest first. */
  [Symbol.iterator](): MapIterator<[string, number]> {
    return this.#ids[Symbol.iterator]();
  }
}
