/**
 * A follower whose entries are turned into something else.
 *
 * @module
 */

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * Yields what a function makes of what another generator yields.
 *
 * It is no generator itself, whose `return` would wait for a `next` that waits for an entry.
 */
export class Decoded<E, V> implements AsyncGenerator<V, void, undefined> {
  readonly #under: AsyncGenerator<E, void, undefined>;
  readonly #decode: (entry: E) => V;
  #hasFailed = false;

  constructor(under: AsyncGenerator<E, void, undefined>, decode: (entry: E) => V) {
    this.#under = under;
    this.#decode = decode;
  }

  /** The next one. What the function throws ends it. */
  async next(): Promise<IteratorResult<V, void>> {
    const result = await this.#under.next();
    // Nothing is given out after what could not be decoded.
    if (result.done || this.#hasFailed) return DONE;
    try {
      return { done: false, value: this.#decode(result.value) };
    } catch (error) {
      this.#hasFailed = true;
      await this.#under.return();
      throw error;
    }
  }

  /** Ends it at once, also a `next` that waits. */
  async return(): Promise<IteratorResult<V, void>> {
    await this.#under.return();
    return DONE;
  }

  /** The same; the promise rejects with the error. */
  async throw(error: unknown): Promise<IteratorResult<V, void>> {
    await this.#under.return();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}
