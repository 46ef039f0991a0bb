/**
 * The calls of one turn of the event loop: their events are one batch of the log, and they are answered
 * together.
 *
 * @module
 */
import type { BatchRange } from "../wal.ts";

/** Bytes of a frame beside its entry, and of an offset in a Seal. */
const BESIDE_ENTRY = 9 + 4;

/** A call that waits. */
interface Waiting {
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly key: string | undefined;
  /** Whether it is answered with an index, and not with a range. */
  readonly isSingle: boolean;
  readonly resolve: (answer: never) => void;
  readonly reject: (error: unknown) => void;
}

/** How many bytes entries take in a segment. */
export function sizeOf(entries: readonly Uint8Array[]): number {
  let size = 0;
  for (const { length } of entries) size += length + BESIDE_ENTRY;
  return size;
}

/** The calls of one turn. */
export class Turn {
  /** To where the state goes back if the log refuses them. */
  readonly mark: unknown;
  /** The index before the first of their events. */
  readonly before: number;
  readonly entries: Uint8Array[] = [];
  /** What the entries take in a segment, in bytes. */
  bytes = 0;
  readonly #waiting: Waiting[] = [];

  constructor(mark: unknown, before: number) {
    this.mark = mark;
    this.before = before;
  }

  /** Takes an entry in. */
  push(entry: Uint8Array): void {
    this.entries.push(entry);
    this.bytes += entry.length + BESIDE_ENTRY;
  }

  /** Lets a call wait whose entries are in: it is answered with their range. */
  wait(firstIndex: number, lastIndex: number, key: string | undefined): Promise<BatchRange> {
    return new Promise<BatchRange>((resolve, reject) =>
      this.#waiting.push({ firstIndex, lastIndex, key, isSingle: false, resolve, reject })
    );
  }

  /** Lets a call wait whose one entry is in: it is answered with its index. */
  waitForIndex(index: number): Promise<number> {
    return new Promise<number>((resolve, reject) =>
      this.#waiting.push({
        firstIndex: index,
        lastIndex: index,
        key: undefined,
        isSingle: true,
        resolve,
        reject,
      })
    );
  }

  /** The calls that gave a key: it, and what they have appended. */
  *keys(): Generator<readonly [string, BatchRange]> {
    for (const { key, firstIndex, lastIndex } of this.#waiting) {
      if (key !== undefined) yield [key, { firstIndex, lastIndex }];
    }
  }

  /** Answers all calls: their events are durable. */
  resolve(): void {
    for (const { resolve, isSingle, firstIndex, lastIndex } of this.#waiting) {
      resolve((isSingle ? firstIndex : { firstIndex, lastIndex }) as never);
    }
  }

  /** Refuses all calls. */
  reject(error: unknown): void {
    for (const { reject } of this.#waiting) reject(error);
  }
}
