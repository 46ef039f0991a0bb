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
  readonly resolve: (range: BatchRange) => void;
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

  /** Lets a call wait whose entries are in. */
  wait(firstIndex: number, lastIndex: number, key: string | undefined): Promise<BatchRange> {
    return new Promise((resolve, reject) =>
      this.#waiting.push({ firstIndex, lastIndex, key, resolve, reject })
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
    for (const { resolve, firstIndex, lastIndex } of this.#waiting) {
      resolve({ firstIndex, lastIndex });
    }
  }

  /** Refuses all calls. */
  reject(error: unknown): void {
    for (const { reject } of this.#waiting) reject(error);
  }
}
