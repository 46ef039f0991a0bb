/**
 * Reads fields from a content that comes in pieces.
 *
 * @module
 */

/** Takes bytes from the front of pieces. */
export class PieceReader {
  readonly #pieces: Iterator<Uint8Array>;
  /** What is left of the piece that was taken last. */
  #left: Uint8Array = new Uint8Array();

  constructor(pieces: Iterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.iterator]();
  }

  /**
   * The next bytes, which may lie in memory that the next call uses again.
   *
   * @throws {RangeError} There are fewer.
   */
  take(size: number): Uint8Array {
    if (size <= this.#left.length) {
      const taken = this.#left.subarray(0, size);
      this.#left = this.#left.subarray(size);
      return taken;
    }
    const taken = new Uint8Array(size);
    for (let at = 0; at < size;) {
      const part = this.#left.subarray(0, size - at);
      taken.set(part, at);
      at += part.length;
      this.#left = this.#left.subarray(part.length);
      if (at < size && !this.#next()) {
        throw new RangeError(`The content ends ${size - at} bytes early`);
      }
    }
    return taken;
  }

  /** Whether all was taken. */
  get isAtEnd(): boolean {
    while (this.#left.length === 0) if (!this.#next()) return true;
    return false;
  }

  /** The pieces that are left. */
  *rest(): Generator<Uint8Array, void, undefined> {
    if (this.#left.length > 0) yield this.#left;
    while (this.#next()) yield this.#left;
    this.#left = new Uint8Array();
  }

  #next(): boolean {
    const { done, value } = this.#pieces.next();
    this.#left = done === true ? new Uint8Array() : value;
    return done !== true;
  }
}
