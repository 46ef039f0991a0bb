/**
 * The way of messages into a queue: encoded, let in while there is room, and written once for a key.
 *
 * @module
 */
import { requireOptions } from "../arguments.ts";
import type { Codec } from "../layer/codec.ts";
import { Encoder } from "../layer/encoder.ts";
import { KeptMemory } from "../layer/kept_memory.ts";
import type { Outlet } from "../layer/outlet.ts";
import { requireMilliseconds, requireSignal, requireText, valuesOf } from "./arguments.ts";
import type { QueueCore } from "./core.ts";
import { FieldWriter, MAX_UINT48 } from "./fields.ts";
import { COPY_GROWTH, decodeMessage, encodeHeader, type MessageRecord } from "./records.ts";
import { batchTooLarge, messageTooLarge } from "./refusals.ts";
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

/** What a segment has beside each entry of a batch, and beside all of them, at the most, in bytes. */
const BESIDE_ENTRY = 13;
const BESIDE_BATCH = 256;

const MAX_BATCH = 1_048_576;

/** Encodes a value after some bytes that the caller fills. The memory may be used again. */
type Encode<V> = (space: number, value: V) => Uint8Array;

/** Enqueues values. */
export class Producer<T> {
  readonly #core: QueueCore;
  readonly #codec: Codec<T>;
  readonly #encode: Encode<T>;
  readonly #memory = new KeptMemory();
  /** The calls with keys that are being written. */
  readonly #underWay = new Map<string, Promise<number>>();

  constructor(core: QueueCore, codec: Codec<T>) {
    this.#core = core;
    this.#codec = codec;
    const encoder = new Encoder(codec);
    this.#encode = (space, value) => encoder.encode(space, value);
  }

  /** The records of messages; the key is the first one's. */
  drafts(values: readonly T[], delay: number = 0, key?: string): Draft[] {
    return this.#drafts(values, this.#encode, delay, key);
  }

  #drafts<V>(
    values: readonly V[],
    encode: Encode<V>,
    delay: number,
    key: string | undefined,
  ): Draft[] {
    const time = this.#core.now();
    const due = delay === 0 ? 0 : Math.min(time + delay, MAX_UINT48);
    const other: MessageRecord = { kind: "message", time, due, delay, key: undefined };
    const first: MessageRecord = key === undefined ? other : { ...other, key };
    const [header, firstHeader] = [encodeHeader(other), encodeHeader(first)];
    // One memory for all: an array of its own for each takes longer than to encode it.
    const entries = new FieldWriter(values.length * FIRST_SIZE);
    const ends = values.map((value, i) => {
      const before = i === 0 ? firstHeader : header;
      const entry = encode(before.length, value);
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
    return await this.#submit(this.drafts(valuesOf(values, 1), delay, key), key, signal);
  }

  /** What a state machine's outbox hands messages over to. */
  outlet(keys: number): Outlet<T> {
    return {
      codec: this.#codec.name,
      keys,
      encode: (messages, keySize) => this.#encodeApart(messages, keySize),
      enqueue: async (messages, { key, signal }) => {
        this.#core.requireOpen();
        const copy: Encode<Uint8Array> = (space, bytes) => this.#memory.copy(space, bytes);
        return await this.#submit(this.#drafts(messages, copy, 0, key), key, signal);
      },
    };
  }

  /** The bytes of values, each in memory of its own, if {@linkcode enqueue} could take them. */
  #encodeApart(values: readonly T[], keySize: number): Uint8Array[] {
    this.#core.requireOpen();
    const drafts = this.#drafts(valuesOf(values, 1), this.#encode, 0, "k".repeat(keySize));
    const { segmentSize, log: { path } } = this.#core;
    const size = drafts.reduce((all, { bytes }) => all + bytes.length + BESIDE_ENTRY, 0);
    const fits = size + BESIDE_BATCH <= segmentSize && drafts.length <= MAX_BATCH;
    if (drafts.length > 1 && !fits) throw batchTooLarge(path, drafts.length, size);
    return drafts.map(({ bytes }) => decodeMessage(bytes)?.value.slice() ?? new Uint8Array());
  }

  /** Writes messages once there is room, unless their key is known; the index of the first. */
  async #submit(
    drafts: readonly Draft[],
    key: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<number> {
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
