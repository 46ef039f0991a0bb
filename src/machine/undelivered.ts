/**
 * Which events of a machine's log have messages that are not known to be in their queues. It is a fold
 * of the entries, like the state, so the same entries always give the same.
 *
 * In a snapshot, after the keys, if there are any:
 *
 * ```text
 * queues u8 | for each: handed over up to index u64 | name: length u8, UTF-8
 * ```
 *
 * The events themselves stay in the log as long as they are needed.
 *
 * @module
 */
import { readUint64, writeUint64 } from "../format/integers.ts";
import type { Wal } from "../wal.ts";
import { type HandedOver, splitEntry } from "./entry_format.ts";
import { decodeMessages } from "./messages.ts";
import type { PieceReader } from "./piece_reader.ts";

/** What is to be handed over to one queue. */
export interface UndeliveredOfQueue {
  /** The name of the codec that the messages are of. */
  readonly codec: string;
  /** The indexes of the events, in their order. */
  readonly indexes: readonly number[];
}

type OwnUndelivered = { codec: string; handedOver: number; indexes: number[] };

const INDEX_SIZE = 8;

/** What is to be handed over. */
export class Undelivered {
  readonly #queues = new Map<string, OwnUndelivered>();

  /** What is to be handed over to each queue that has something to come. */
  get queues(): ReadonlyMap<string, UndeliveredOfQueue> {
    return this.#queues;
  }

  /** The first event that is needed; Infinity if none is. */
  get firstIndex(): number {
    let first = Infinity;
    for (const { indexes } of this.#queues.values()) first = Math.min(first, indexes[0] ?? first);
    return first;
  }

  /**
   * Takes an event with messages in.
   *
   * @throws {RangeError | TypeError} The bytes are no messages.
   */
  add(index: number, messages: Uint8Array): void {
    for (const { queue, codec } of decodeMessages(messages)) {
      const found = this.#queues.get(queue);
      if (found === undefined) {
        this.#queues.set(queue, { codec, handedOver: 0, indexes: [index] });
      } else this.#addTo(found, index, codec);
    }
  }

  #addTo(found: OwnUndelivered, index: number, codec: string): void {
    found.codec = codec;
    found.indexes.push(index);
  }

  /** Takes in that messages were handed over. */
  handedOver({ queue, index }: HandedOver): void {
    const found = this.#queues.get(queue);
    if (found === undefined) return;
    const left = found.indexes.findIndex((one) => one > index);
    if (left === -1) this.#queues.delete(queue);
    else found.indexes.splice(0, left);
  }

  /** Forgets all. */
  clear(): void {
    this.#queues.clear();
  }

  /** The bytes for a snapshot; none if nothing is to be handed over. */
  save(): Uint8Array {
    if (this.#queues.size === 0) return new Uint8Array();
    const parts = [...this.#queues].map(([name, { indexes }]) => ({
      name: new TextEncoder().encode(name),
      index: (indexes[0] ?? 1) - 1,
    }));
    const sizes = parts.map(({ name }) => INDEX_SIZE + 1 + name.length);
    const bytes = new Uint8Array(1 + sizes.reduce((all, size) => all + size, 0));
    bytes[0] = parts.length;
    let at = 1;
    for (const { name, index } of parts) {
      writeUint64(bytes, at, index);
      bytes[at + INDEX_SIZE] = name.length;
      bytes.set(name, at + INDEX_SIZE + 1);
      at += INDEX_SIZE + 1 + name.length;
    }
    return bytes;
  }

  /** Takes what {@linkcode save} has returned from a snapshot. The events are still to be found. */
  load(content: PieceReader): void {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    for (let left = content.take(1)[0] as number; left > 0; left--) {
      const handedOver = readUint64(content.take(INDEX_SIZE), 0);
      const name = decoder.decode(content.take(content.take(1)[0] as number));
      this.#queues.set(name, { codec: "", handedOver, indexes: [] });
    }
  }

  /** Finds the events of what was loaded, which come before the snapshot's end. */
  find(log: Wal, last: number): void {
    const first = Math.min(...[...this.#queues.values()].map(({ handedOver }) => handedOver + 1));
    const from = Math.max(first, log.firstIndex);
    const to = Math.min(last, log.lastIndex);
    if (from <= to) {
      log.replay(({ index, bytes, start, end }) => {
        const { messages } = splitEntry(bytes.subarray(start, end)) ?? {};
        if (messages !== undefined) this.#addKnown(index, messages);
      }, { from, to });
    }
    // Where damage was given up on purpose, they may be gone.
    for (const [name, { indexes }] of this.#queues) {
      if (indexes.length === 0) this.#queues.delete(name);
    }
  }

  /** Takes an event in, for the queues that had something to come at the snapshot. */
  #addKnown(index: number, messages: Uint8Array): void {
    for (const { queue, codec } of decodeMessages(messages)) {
      const found = this.#queues.get(queue);
      if (found !== undefined && index > found.handedOver) this.#addTo(found, index, codec);
    }
  }
}
