/**
 * The calls of one turn of the event loop: their events are one batch of the log, and they are answered
 * together.
 *
 * @module
 */
import { WalError } from "../errors.ts";
import type { WalOptions } from "../options.ts";
import type { BatchRange } from "../wal.ts";

/** Bytes of a frame beside its entry, and of an offset in a Seal. */
const BESIDE_ENTRY = 9 + 4;

/** What a segment has beside the entries of a batch, at the most, in bytes. */
const BESIDE_BATCH = 256;

const MAX_BATCH = 1_048_576;
const DEFAULT_SEGMENT_SIZE = 64 * 1024 * 1024;
const DEFAULT_ENTRY_SIZE = 10 * 1024 * 1024;

/** The most bytes of a turn: beyond, what is there is appended before the turn ends. */
const TURN_BYTES = 1024 * 1024;

/** What fits an entry, an atom and a turn. */
export class Limits {
  readonly #path: string;
  readonly #maxEntrySize: number;
  readonly #segmentSize: number;

  /** @param path The log's, for errors. */
  constructor(
    path: string,
    { maxEntrySize = DEFAULT_ENTRY_SIZE, segmentSize = DEFAULT_SEGMENT_SIZE }: WalOptions,
  ) {
    this.#path = path;
    this.#maxEntrySize = maxEntrySize;
    this.#segmentSize = segmentSize;
  }

  /** Whether so many bytes fit a turn. */
  fitsTurn(bytes: number): boolean {
    return bytes <= Math.min(TURN_BYTES, this.#segmentSize - BESIDE_BATCH);
  }

  /** Refuses entries of one call that the log would refuse. */
  require(entries: readonly Uint8Array[], size: number): void {
    const maxEntrySize = this.#maxEntrySize;
    const segmentSize = this.#segmentSize;
    let largest = 0;
    for (const { length } of entries) largest = Math.max(largest, length);
    if (largest > maxEntrySize) {
      throw new WalError(
        "ERR_WAL_ENTRY_TOO_LARGE",
        `Cannot append an event of ${largest} bytes to "${this.#path}": the limit is ` +
          `${maxEntrySize}. Nothing was written. Open the log with a larger maxEntrySize.`,
      );
    }
    if (entries.length === 1) return;
    if (size + BESIDE_BATCH <= segmentSize && entries.length <= MAX_BATCH) return;
    throw new WalError(
      "ERR_WAL_BATCH_TOO_LARGE",
      `Cannot append ${entries.length} events of ${size} bytes as one atom to "${this.#path}": ` +
        `they fit no segment of ${segmentSize} bytes. Nothing was written. Append fewer at a time, ` +
        "or open the log with a larger segmentSize.",
    );
  }
}

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
  /** The messages that are in some of them, by their indexes. */
  readonly messages: Map<number, Uint8Array> = new Map();
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
