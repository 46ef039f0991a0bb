/**
 * Which entries a reader has given out, by the checksums of their frames: a truncation leaves no mark
 * that a reader could find, so what was given out is compared with what is there now.
 *
 * @module
 */
import { mayBeStale, type View } from "./view.ts";

/** How many of the entries that were given out last are remembered. */
export const REMEMBERED: number = 64 * 1024;

/** The entries that one loop has given out last. */
export class Account {
  #checksums = new Uint32Array(16);
  #from = 1;
  #to = 0;

  /** Remembers an entry. */
  note(index: number, checksum: number): void {
    if (index !== this.#to + 1) this.#from = index;
    this.#to = index;
    const size = this.#checksums.length;
    if (index - this.#from >= size) {
      if (size < REMEMBERED) this.#grow();
      else this.#from = index - REMEMBERED + 1;
    }
    this.#checksums[index % this.#checksums.length] = checksum;
  }

  #grow(): void {
    const old = this.#checksums;
    this.#checksums = new Uint32Array(2 * old.length);
    for (let index = this.#from; index < this.#to; index++) {
      this.#checksums[index % this.#checksums.length] = old[index % old.length] as number;
    }
  }

  /** Forgets what was given out from an index on. */
  forgetFrom(index: number): void {
    this.#to = Math.min(this.#to, index - 1);
  }

  /**
   * Finds the first of the remembered entries that is no longer what it was.
   *
   * @returns Its index; `undefined` if there is none, as far as they can be read; `"unknown"` if the
   * writer changes the files.
   */
  firstReplaced(view: View): number | "unknown" | undefined {
    const from = Math.max(this.#from, view.firstIndex);
    if (from > this.#to) return undefined;
    let index = from;
    const cursor = view.segments.cursor(from, Math.min(this.#to, view.lastIndex), "views");
    try {
      while (cursor.advance()) {
        if (cursor.checksum !== this.#checksums[index % this.#checksums.length]) break;
        index++;
      }
    } catch (error) {
      if (!mayBeStale(error)) throw error;
      // What cannot be read in files at rest is damaged, and no sign of a truncation.
      return view.refresh() ? undefined : "unknown";
    }
    return index <= this.#to ? index : undefined;
  }
}
