/**
 * Which keys calls have given, and what these calls appended: a repeat is answered with that.
 *
 * Only the last so many are remembered. They are a part of each snapshot, in the order in which they
 * came:
 *
 * ```text
 * count u32 | for each: first index u64 | entries u32 | length u16 | key, UTF-8
 * ```
 *
 * @module
 */
import { readUint32, readUint64, writeUint32, writeUint64 } from "../format/integers.ts";
import type { BatchRange } from "../wal.ts";
import type { PieceReader } from "./piece_reader.ts";

/** A key that is remembered. */
interface Remembered extends BatchRange {
  /** What the call answers that gave it, as long as that is not known. */
  readonly result: Promise<BatchRange> | undefined;
}

const HEAD_SIZE = 4;
const FIELDS_SIZE = 8 + 4 + 2;

/** How many keys are encoded at a time. */
const AT_A_TIME = 1000;

/** The keys of one machine. */
export class Keys {
  readonly #limit: number;
  #known = new Map<string, Remembered>();
  /** How many snapshots are taking the keys. */
  #saves = 0;

  /** @param limit How many are remembered. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** What the call with a key answers, if it is remembered. */
  find(key: string): Promise<BatchRange> | undefined {
    const found = this.#known.get(key);
    if (found === undefined) return undefined;
    const { firstIndex, lastIndex, result } = found;
    return result ?? Promise.resolve({ firstIndex, lastIndex });
  }

  /** Remembers a key. */
  add(key: string, { firstIndex, lastIndex }: BatchRange, result?: Promise<BatchRange>): void {
    this.#known.set(key, { firstIndex, lastIndex, result });
  }

  /** Forgets a key whose call has failed. */
  drop(key: string): void {
    this.#known.delete(key);
  }

  /** Takes a call's answer for known, and forgets the oldest keys beyond the limit. */
  settle(key: string, range: BatchRange): void {
    // Its place among the keys stays.
    if (this.#known.has(key)) this.add(key, range);
    this.forget();
  }

  /** Forgets the oldest keys beyond the limit. */
  forget(): void {
    const { size } = this.#known;
    if (size <= this.#limit || this.#saves > 0) return;
    let left = size - this.#limit;
    for (const key of this.#known.keys()) {
      if (left-- === 0) return;
      this.#known.delete(key);
    }
  }

  /** Forgets all keys. */
  clear(): void {
    this.#known = new Map();
  }

  /**
   * The bytes of the keys within the limit, as they are at the first piece, encoded as the loop asks for
   * them. Until the last piece was taken, no key is forgotten.
   */
  *save(): Generator<Uint8Array, void, undefined> {
    // Beyond the limit there are those whose calls are not answered yet.
    const first = Math.max(0, this.#known.size - this.#limit);
    const last = this.#known.size;
    this.#saves++;
    try {
      const head = new Uint8Array(HEAD_SIZE);
      writeUint32(head, 0, last - first);
      yield head;
      let some: [string, BatchRange][] = [];
      let at = 0;
      for (const entry of this.#known) {
        if (at === last) break;
        if (at++ < first) continue;
        some.push(entry);
        if (some.length < AT_A_TIME) continue;
        yield encode(some);
        some = [];
      }
      if (some.length > 0) yield encode(some);
    } finally {
      this.#saves--;
      this.forget();
    }
  }

  /** Takes the keys of a snapshot in. */
  load(content: PieceReader): void {
    this.clear();
    const count = readUint32(content.take(HEAD_SIZE), 0);
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    for (let i = 0; i < count; i++) {
      const fields = content.take(FIELDS_SIZE);
      const firstIndex = readUint64(fields, 0);
      const lastIndex = firstIndex + readUint32(fields, 8) - 1;
      const length = ((fields[12] as number) << 8) | (fields[13] as number);
      this.add(decoder.decode(content.take(length)), { firstIndex, lastIndex });
    }
    this.forget();
  }
}

function encode(keys: readonly (readonly [string, BatchRange])[]): Uint8Array {
  const encoder = new TextEncoder();
  const encoded = keys.map(([key, range]) => ({ text: encoder.encode(key), range }));
  const size = encoded.reduce((sum, { text }) => sum + FIELDS_SIZE + text.length, 0);
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const { text, range: { firstIndex, lastIndex } } of encoded) {
    writeUint64(bytes, at, firstIndex);
    writeUint32(bytes, at + 8, lastIndex - firstIndex + 1);
    bytes[at + 12] = text.length >>> 8;
    bytes[at + 13] = text.length;
    bytes.set(text, at + FIELDS_SIZE);
    at += FIELDS_SIZE + text.length;
  }
  return bytes;
}
