/**
 * The way of messages into a queue: encoded, let in while there is room, and written once for a key.
 *
 * @module
 */
import { requireOptions } from "../arguments.ts";
import type { Codec } from "../layer/codec.ts";
import { Encoder } from "../layer/encoder.ts";
import { requireMilliseconds, requireSignal, requireText, valuesOf } from "./arguments.ts";
import type { QueueCore } from "./core.ts";
import { FieldWriter, MAX_UINT48 } from "./fields.ts";
import { COPY_GROWTH, encodeHeader, type MessageRecord } from "./records.ts";
import { messageTooLarge } from "./refusals.ts";
import type { Draft } from "./turn_commit.ts";

/**
 * How messages are enqueued.
 *
 * @example
 * ```ts
 * import type { EnqueueOptions } from "@durable/wal/queue";
 *
 * const inAMinute: EnqueueOptions = { delay: 60_000, key: "order-17" };
 * ```
 */
export interface EnqueueOptions {
  /**
   * How long the messages wait before they are delivered, in milliseconds.
   *
   * @default {0}
   */
  delay?: number;
  /**
   * A name for this call. If the queue remembers it, the call writes nothing, and resolves to what the
   * first call with the key did. How many keys are remembered is an option of the queue.
   */
  key?: string;
  /** Ends the wait for room, with the signal's `reason`. What is being written is written. */
  signal?: AbortSignal;
}

const ENQUEUE_OPTIONS: readonly (keyof EnqueueOptions)[] = ["delay", "key", "signal"];

/** How many bytes are taken for a message at first. */
const FIRST_SIZE = 128;

/** Enqueues values. */
export class Producer<T> {
  readonly #core: QueueCore;
  readonly #encoder: Encoder<T>;
  /** The calls with keys that are being written. */
  readonly #underWay = new Map<string, Promise<number>>();

  constructor(core: QueueCore, codec: Codec<T>) {
    this.#core = core;
    this.#encoder = new Encoder(codec);
  }

  /** The records of messages; the key is the first one's. */
  drafts(values: readonly T[], delay: number = 0, key?: string): Draft[] {
    const time = this.#core.now();
    const due = delay === 0 ? 0 : Math.min(time + delay, MAX_UINT48);
    const other: MessageRecord = { kind: "message", time, due, delay, key: undefined };
    const first: MessageRecord = key === undefined ? other : { ...other, key };
    const [header, firstHeader] = [encodeHeader(other), encodeHeader(first)];
    // One memory for all: an array of its own for each takes longer than to encode it.
    const entries = new FieldWriter(values.length * FIRST_SIZE);
    const ends = values.map((value, i) => {
      const before = i === 0 ? firstHeader : header;
      const entry = this.#encoder.encode(before.length, value);
      this.#requireCopyable(entry.length);
      entry.set(before);
      entries.bytes(entry);
      return entries.size;
    });
    const memory = entries.done();
    return ends.map((end, i) => ({
      record: i === 0 ? first : other,
      bytes: memory.subarray(i === 0 ? 0 : ends[i - 1], end),
    }));
  }

  /** Enqueues messages as one atom; the index of the first. */
  async enqueue(values: readonly T[], options: EnqueueOptions): Promise<number> {
    requireOptions("options", options, ENQUEUE_OPTIONS);
    requireSignal(options);
    const { key, signal } = options;
    const delay = requireMilliseconds("delay", options.delay ?? 0);
    if (key !== undefined) requireText("key", key);
    this.#core.requireOpen();
    const drafts = this.drafts(valuesOf(values, 1), delay, key);
    const known = this.#known(key);
    if (known !== undefined) return await known;
    const { backlog } = this.#core;
    const size = drafts.reduce((all, { bytes }) => all + bytes.length, 0);
    const room = backlog.enter(size, signal);
    if (room !== undefined) await room;
    try {
      // Another call may have written the key meanwhile.
      return await (this.#known(key) ?? this.#write(drafts, key));
    } finally {
      backlog.leave(size);
      backlog.look();
    }
  }

  /** Refuses a message that could not be copied, which would hold the head of the log. */
  #requireCopyable(size: number): void {
    const limit = this.#core.maxEntrySize - COPY_GROWTH;
    if (size > limit) throw messageTooLarge(this.#core.log.path, size, limit);
  }

  async #write(drafts: readonly Draft[], key: string | undefined): Promise<number> {
    this.#core.requireOpen();
    const written = this.#core.submit(drafts);
    if (key === undefined) return await written;
    this.#underWay.set(key, written);
    return await written.finally(() => this.#underWay.delete(key));
  }

  /** The index under which a key is known, once that is durable; `undefined` if it is not known. */
  #known(key: string | undefined): Promise<number> | undefined {
    if (key === undefined) return undefined;
    const underWay = this.#underWay.get(key);
    if (underWay !== undefined) return underWay;
    const index = this.#core.state.keys.get(key);
    return index === undefined ? undefined : this.#durable(index);
  }

  async #durable(index: number): Promise<number> {
    if (index > this.#core.log.durableIndex) await this.#core.sync();
    return index;
  }
}
