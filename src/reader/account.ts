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
  /** The log's first index when it was looked at last. */
  #first: number;

  /** @param view The log as the loop begins in it. */
  constructor(view: View) {
    this.#first = view.firstIndex;
  }

  /** Remembers an entry. */
  note(index: number, checksum: number): void {
    // What is read a second time is remembered as it is now, with those before it.
    if (index > this.#to + 1 || index < this.#from) this.#from = index;
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

  /** Forgets what was given out from an index on, since it is no longer in the log. */
  forgetFrom(index: number, view: View): void {
    this.#from = Math.min(this.#from, index);
    this.#to = Math.min(this.#to, index - 1);
    this.#first = view.firstIndex;
  }

  /**
   * Finds the first of the remembered entries that is no longer what it was.
   *
   * @returns Its index; `undefined` if there is none, as far as they can be read; `"unknown"` if the
   * writer changes the files.
   */
  firstReplaced(view: View): number | "unknown" | undefined {
    const { firstIndex } = view;
    // Only a reset goes back.
    if (firstIndex < this.#first) return firstIndex;
    const from = Math.max(this.#from, firstIndex);
    if (from > this.#to) return this.#noteFirst(view);
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
      return view.refresh() ? this.#noteFirst(view) : "unknown";
    }
    return index <= this.#to ? index : this.#noteFirst(view);
  }

  #noteFirst(view: View): undefined {
    this.#first = view.firstIndex;
  }
}
