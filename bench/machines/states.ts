/**
 * What the machines of this benchmark hold, also in the thread that writes the snapshots of one.
 *
 * @module
 */
import type { MachineOptions } from "../../src/machine/machine.ts";

/** What is measured. */
export interface Setting {
  readonly folder: string;
  readonly callers: number;
  readonly pairs: number;
  readonly records: number;
}

/** Money that an account gets or gives: about 60 bytes of JSON. */
export interface Moved {
  readonly id: number;
  readonly account: string;
  readonly amount: number;
}

/** One of them. */
export function movedOf(id: number): Moved {
  return { id, account: `account-${id % 1000}`, amount: id % 977 / 8 };
}

/** A record of about 256 bytes of JSON. */
export function recordOf(id: number): Moved & { readonly note: string } {
  return { ...movedOf(id), note: `note ${id} `.padEnd(180, "abcdefghij") };
}

/** Many records by their keys, in one object that is changed in place. */
export interface Book {
  readonly records: Record<string, Moved>;
}

/** A machine whose state only another thread can save without holding up the event loop. */
export function bookOf(records: number): MachineOptions<Book, Moved> {
  return {
    initial: () => {
      const all = Array.from({ length: records }, (_, id) => [`key-${id}`, recordOf(id)] as const);
      return { records: Object.fromEntries(all) };
    },
    apply: (book, moved) => void (book.records[`key-${moved.id % records}`] = moved),
  };
}

/** The value below which a part of the values is. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] as number;
}
