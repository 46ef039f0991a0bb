/**
 * Copies for callers to keep: small ones are parts of one larger piece of memory, because in most
 * engines a piece of its own costs more time than the system call that read the bytes. On Bun it is
 * the other way: its engine makes a small array faster than a view of another's memory.
 *
 * @module
 */
import { isOnBun } from "../fs/runtime.ts";

/** How much memory is taken at a time, in bytes: what a kept small copy keeps with it at the most. */
const POOL_SIZE = 16 * 1024;

/** The largest copy that shares memory with others. */
const MAX_SHARED = isOnBun() ? 0 : 2 * 1024;

/** Makes copies. */
export class CopyPool {
  #pool: ArrayBuffer = new ArrayBuffer(0);
  #used = 0;
  /** What was copied last, and its part: entries of one size make less garbage. */
  #bytes: Uint8Array = new Uint8Array(0);
  #start = 0;
  #part: Uint8Array = this.#bytes;

  /** A copy of the bytes from `start` to `end`. */
  copy(bytes: Uint8Array, start: number, end: number): Uint8Array {
    const size = end - start;
    if (size > MAX_SHARED) return bytes.slice(start, end);
    if (size > this.#pool.byteLength - this.#used) {
      this.#pool = new ArrayBuffer(POOL_SIZE);
      this.#used = 0;
    }
    const copy = new Uint8Array(this.#pool, this.#used, size);
    if (this.#bytes !== bytes || this.#start !== start || this.#part.length !== size) {
      this.#bytes = bytes;
      this.#start = start;
      this.#part = bytes.subarray(start, end);
    }
    copy.set(this.#part);
    // The next one begins at a multiple of eight, where any other typed array may.
    this.#used += (size + 7) & ~7;
    return copy;
  }
}
