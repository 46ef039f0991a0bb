/**
 * What a file goes through between two syncs, in the smallest parts that a disk may have and the
 * next may lack: a write's data, one sector of it at a time; its growing the file; a truncation.
 *
 * @module
 */

import { digestOf } from "./digest.ts";

/** The bytes that a disk writes whole or not at all. */
export const SECTOR_SIZE = 512;

/** The bytes that a file system gives to a file at a time, and takes back. */
export const BLOCK_SIZE = 4096;

/** A part of what was done to a file. Offsets and sizes are in bytes. */
export type Change =
  /** Bytes within one sector. Where the file does not reach that far, they are not seen. */
  | { readonly kind: "data"; readonly offset: number; readonly data: Uint8Array }
  /** The file became at least this large; zeros stand where there are no data. */
  | { readonly kind: "grow"; readonly size: number }
  /** The file was given this size; what was after it is gone. */
  | { readonly kind: "truncate"; readonly size: number };

/** The changes that a write of `data` at `offset` makes to a file of `size` bytes. */
export function changesOf(data: Uint8Array, offset: number, size: number): Change[] {
  const end = offset + data.length;
  const changes: Change[] = end > size ? [{ kind: "grow", size: end }] : [];
  for (let at = offset; at < end;) {
    const next = Math.min(end, (Math.floor(at / SECTOR_SIZE) + 1) * SECTOR_SIZE);
    changes.push({ kind: "data", offset: at, data: data.slice(at - offset, next - offset) });
    at = next;
  }
  return changes;
}

/**
 * The changes that a truncation to `size` makes to a file of `oldSize` bytes. Zeros overwrite the
 * rest of the block, as a write of its own. The new size is another change.
 */
export function changesOfTruncation(size: number, oldSize: number): Change[] {
  const end = Math.min(oldSize, Math.ceil(size / BLOCK_SIZE) * BLOCK_SIZE);
  const zeros = changesOf(new Uint8Array(Math.max(0, end - size)), size, oldSize);
  return [...zeros, { kind: "truncate", size }];
}

/** What a content is kept in, so that a copy has to copy only what then changes. */
const PAGE_SIZE = 4096;

/** A stretch of a content. Only its owner may change it. */
interface Page {
  readonly bytes: Uint8Array;
  readonly owner: symbol;
  /** Once it was asked for, until the next change. */
  digest: string | undefined;
}

/**
 * A file's bytes. Reads see the first `size`. What is after them was written by a change that did
 * not make the file larger. A copy shares its pages until either is changed.
 */
export class Content {
  /** Where there is none, all is zero. */
  #pages: (Page | undefined)[] = [];
  #size = 0;
  /** What marks the pages that no copy shares. */
  #owner: symbol = Symbol();

  /** How many bytes are seen. */
  get size(): number {
    return this.#size;
  }

  /** The same content, to go its own way. */
  copy(): Content {
    const copy = new Content();
    copy.#pages = this.#pages.slice();
    copy.#size = this.#size;
    this.#owner = Symbol();
    return copy;
  }

  /** Reads what is seen from `offset` on, at most `length` bytes. Returns how many there were. */
  read(into: Uint8Array, offset: number, length: number): number {
    const end = Math.min(this.#size, offset + length);
    for (let at = offset; at < end;) {
      const next = Math.min(end, pageEnd(at));
      const page = this.#pages[Math.floor(at / PAGE_SIZE)];
      if (page === undefined) into.fill(0, at - offset, next - offset);
      else into.set(page.bytes.subarray(at % PAGE_SIZE, at % PAGE_SIZE + next - at), at - offset);
      at = next;
    }
    return Math.max(0, end - offset);
  }

  /** Writes bytes and lets the file grow to hold them. */
  write(data: Uint8Array, offset: number): void {
    this.#put(data, offset);
    this.#size = Math.max(this.#size, offset + data.length);
  }

  /** Does what a change did. */
  apply(change: Change): void {
    switch (change.kind) {
      case "data":
        return this.#put(change.data, change.offset);
      case "grow":
        this.#size = Math.max(this.#size, change.size);
        return;
      case "truncate":
        this.#pages.length = Math.min(this.#pages.length, Math.ceil(change.size / PAGE_SIZE));
        if (this.#pages[Math.floor(change.size / PAGE_SIZE)] !== undefined) {
          this.#page(change.size).fill(0, change.size % PAGE_SIZE);
        }
        this.#size = change.size;
    }
  }

  /** What tells it apart from others, if nothing is after its end. */
  digest(): string {
    const digests = Array.from({ length: Math.ceil(this.#size / PAGE_SIZE) }, (_, i) => {
      const page = this.#pages[i];
      if (page === undefined) return "";
      page.digest ??= page.bytes.some((byte) => byte !== 0) ? digestOf(page.bytes) : "";
      return page.digest;
    });
    return `${this.#size}:${digests.join()}`;
  }

  #put(data: Uint8Array, offset: number): void {
    const end = offset + data.length;
    for (let at = offset; at < end;) {
      const next = Math.min(end, pageEnd(at));
      this.#page(at).set(data.subarray(at - offset, next - offset), at % PAGE_SIZE);
      at = next;
    }
  }

  /** The page that an offset lies in, to be changed. */
  #page(offset: number): Uint8Array {
    const number = Math.floor(offset / PAGE_SIZE);
    const found = this.#pages[number];
    if (found?.owner === this.#owner) {
      found.digest = undefined;
      return found.bytes;
    }
    const bytes = found?.bytes.slice() ?? new Uint8Array(PAGE_SIZE);
    this.#pages[number] = { bytes, owner: this.#owner, digest: undefined };
    return bytes;
  }
}

/** Where the page ends that an offset lies in. */
function pageEnd(offset: number): number {
  return (Math.floor(offset / PAGE_SIZE) + 1) * PAGE_SIZE;
}
