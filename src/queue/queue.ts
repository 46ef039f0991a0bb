/**
 * A durable queue on one log: messages of any type, and named consumers that acknowledge them.
 *
 * What `enqueue` resolved is delivered to each consumer until that has acknowledged it, through any
 * crash: at least once. The bytes and the promises are in `docs/layers.md`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 * import { json, Queue } from "@durable/wal/queue";
 *
 * // Leave fileSystem out to keep the queue on disk.
 * const fileSystem = new MemoryFileSystem();
 * const queue = await Queue.open<{ to: string }>("mail.wal", { codec: json(), fileSystem });
 * await queue.enqueue([{ to: "ada@example.com" }], { key: "order-17" });
 *
 * const smtp = queue.consumer("smtp", { visibility: 30_000, attempts: 5 });
 * for (const job of smtp.reserve()) {
 *   assertEquals(job.value, { to: "ada@example.com" });
 *   await job.ack();
 * }
 * await queue.close();
 * ```
 *
 * @module
 */
import { invalid, requireObject } from "../arguments.ts";
import { WalError } from "../errors.ts";
import { type Codec, requireCodec } from "../layer/codec.ts";
import { type LayerOptions, logOptions } from "../layer/options.ts";
import type { Outlet } from "../layer/outlet.ts";
import { openTagged, type Tag } from "../layer/tag.ts";
import type { Recovery } from "../opening/open.ts";
import { requireText } from "./arguments.ts";
import { type QueueClock, RUNTIME_CLOCK } from "./clock.ts";
import {
  type Consumer,
  type ConsumerOptions,
  consumerSettings,
  NamedConsumer,
} from "./consumer.ts";
import { draftOf, QueueCore } from "./core.ts";
import { loadState } from "./load.ts";
import { type EnqueueOptions, Producer } from "./producer.ts";
import { LEAST_ENTRY_SIZE } from "./records.ts";

export { bytes, type Codec, json, text } from "../layer/codec.ts";
export type { LayerOptions } from "../layer/options.ts";
export type { Outlet } from "../layer/outlet.ts";
export type { QueueClock } from "./clock.ts";
export type { Consumer, ConsumerOptions, DeadLetter } from "./consumer.ts";
export type { AckOptions, Job, RetryOptions } from "./job.ts";
export type { EnqueueOptions } from "./producer.ts";
export type { Handler } from "./worker.ts";

/**
 * How a queue is opened: its own options, and those of the log underneath.
 *
 * @example
 * ```ts
 * import { json, type QueueOptions } from "@durable/wal/queue";
 *
 * const options: QueueOptions<string> = { codec: json(), maxBytes: 64 * 1024 * 1024 };
 * ```
 */
export interface QueueOptions<T> extends Omit<LayerOptions, "readOnly"> {
  /** How messages become bytes. A queue that exists has to be opened with the codec that it has. */
  codec: Codec<T>;
  /**
   * How many bytes of messages may wait to be done before `enqueue` waits. Dead letters do not count.
   *
   * @default {Infinity}
   */
  maxBytes?: number;
  /**
   * How many keys of `enqueue` are remembered, the last ones. They lie in memory, and in the log's
   * checkpoints.
   *
   * @default {65536}
   */
  keys?: number;
  /**
   * The time that the queue goes by.
   *
   * @default {the runtime's}
   */
  clock?: QueueClock;
}

const OWN_OPTIONS: readonly string[] = ["codec", "maxBytes", "keys", "clock"];

/** The version of the records. */
const FORMAT = 1;

const DEFAULT_KEYS = 65_536;
const DEFAULT_MAX_ENTRY_SIZE = 10 * 1024 * 1024;
const DEFAULT_SEGMENT_SIZE = 64 * 1024 * 1024;

/**
 * A durable queue.
 *
 * One process has it open at a time. Each consumer is a name that gets every message; a message that
 * all have done is dropped. Memory holds some 200 bytes for each message and consumer that has it to
 * do; the values stay on the disk.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 * import { Queue, text } from "@durable/wal/queue";
 *
 * const fileSystem = new MemoryFileSystem();
 * const queue = await Queue.open("steps.wal", { codec: text(), fileSystem });
 * const worker = queue.consumer("worker");
 * await queue.enqueue(["step 1"]);
 * for (const job of worker.reserve()) await job.ack({ enqueue: ["step 2"] }); // one atom
 * await queue.close();
 *
 * const again = await Queue.open("steps.wal", { codec: text(), fileSystem });
 * assertEquals(again.consumer("worker").reserve(9).map((job) => job.value), ["step 2"]);
 * await again.close();
 * ```
 */
export class Queue<T> {
  /** What a state machine that is opened with this queue hands its messages over to. */
  readonly outlet: Outlet<T>;
  readonly #core: QueueCore;
  readonly #codec: Codec<T>;
  readonly #producer: Producer<T>;

  private constructor(core: QueueCore, codec: Codec<T>, keys: number) {
    this.#core = core;
    this.#codec = codec;
    this.#producer = new Producer(core, codec);
    this.outlet = this.#producer.outlet(keys);
  }

  /**
   * Opens the queue at `path`, or makes it. What was leased is ready again.
   *
   * Durability at return: all that the queue then has.
   *
   * @param path The path of the log's first file.
   * @param options See {@linkcode QueueOptions}.
   * @throws {WalError} As `Wal.open`. `ERR_WAL_FORMAT`: the log is another layer's, or a queue with
   * another codec. `ERR_QUEUE_UNREADABLE`: it has what no queue wrote, or lacks what one wrote.
   *
   * @example
   * ```ts
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { json, Queue } from "@durable/wal/queue";
   *
   * const fileSystem = new MemoryFileSystem();
   * await using queue = await Queue.open<number>("a.wal", { codec: json(), fileSystem });
   * console.log(queue.path);
   * ```
   */
  static async open<T>(path: string, options: QueueOptions<T>): Promise<Queue<T>> {
    requireObject("options", options);
    if ("readOnly" in options) {
      throw new WalError(
        "ERR_WAL_INVALID_ARGUMENT",
        'The option "readOnly" is not open to choice: a queue writes what it delivers. To look at ' +
          "one that is in use, open it with Wal and { readOnly: true }.",
      );
    }
    const walOptions = logOptions(options, OWN_OPTIONS);
    const { codec, maxBytes = Infinity, keys = DEFAULT_KEYS, clock = RUNTIME_CLOCK } = options;
    requireCodec(codec);
    requireWhole("maxBytes", maxBytes, Infinity);
    requireWhole("keys", keys, 2 ** 24);
    requireClock(clock);
    requireEntrySize(options.maxEntrySize);
    const tag: Tag = { kind: "queue", codec: codec.name, format: FORMAT };
    const { log, own } = await openTagged(path, walOptions, tag);
    try {
      const { maxEntrySize = DEFAULT_MAX_ENTRY_SIZE, segmentSize = DEFAULT_SEGMENT_SIZE } = options;
      const settings = { tag, time: clock, maxBytes, maxEntrySize, segmentSize };
      return new Queue(new QueueCore(log, loadState(log, own, keys), settings), codec, keys);
    } catch (error) {
      await log.close();
      throw error;
    }
  }

  /** The path of the log's first file. */
  get path(): string {
    return this.#core.log.path;
  }

  /** What open found at the end of the log and did about it. */
  get recovery(): Recovery {
    return this.#core.log.recovery;
  }

  /** The names of the consumers, in the order in which they came. */
  get consumers(): string[] {
    const all = [...this.#core.state.consumers.values()];
    return all.filter(({ number }) => number > 0).map(({ name }) => name);
  }

  /** The bytes of the messages that some consumer has still to do. */
  get pendingBytes(): number {
    return this.#core.state.pendingBytes;
  }

  /** The size of the log in bytes. */
  get byteLength(): number {
    return this.#core.log.byteLength;
  }

  /**
   * Enqueues messages as one atom: after any crash all of them are there or none. Those that
   * are called together share a write and a sync. It waits while `maxBytes` wait to be done.
   *
   * Durability at return: all of them.
   *
   * @param messages At least one; they are encoded before the call returns.
   * @param options A delay, a key, a signal.
   * @returns The index of the first; those of the others follow it. With a key that the queue
   * remembers, the index of the first call with it.
   * @throws {WalError} `ERR_EVENT_CODEC`: a message cannot be encoded. `ERR_WAL_WRITE_FAILED`: the disk
   * is full. `ERR_WAL_ENTRY_TOO_LARGE`: an entry is above `maxEntrySize` less 8 bytes, which a
   * copy of it needs. `ERR_WAL_BATCH_TOO_LARGE`. `ERR_QUEUE_CLOSED`. `ERR_WAL_INVALID_ARGUMENT`. In all these cases nothing was enqueued.
   * @throws {SyncFailedError} `ERR_WAL_SYNC_FAILED`: the outcome is unknown, and the queue has ended.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { json, Queue } from "@durable/wal/queue";
   *
   * const fileSystem = new MemoryFileSystem();
   * await using queue = await Queue.open<number>("a.wal", { codec: json(), fileSystem });
   * assertEquals(await queue.enqueue([7, 8], { key: "first" }), 1);
   * assertEquals(await queue.enqueue([7, 8], { key: "first" }), 1); // written once
   * ```
   */
  enqueue(messages: readonly T[], options: EnqueueOptions = {}): Promise<number> {
    return this.#producer.enqueue(messages, options);
  }

  /**
   * The consumer of a name. One that is new begins where `from` says, and from then on no message is
   * dropped before it has done it, until it is removed.
   *
   * Durability at return: a new name is in the page cache, before all messages that are enqueued later.
   *
   * @param name At least one character.
   * @param options See {@linkcode ConsumerOptions}.
   * @throws {WalError} `ERR_QUEUE_CLOSED`, `ERR_WAL_WRITE_FAILED`, `ERR_WAL_INVALID_ARGUMENT`.
   * @throws {SyncFailedError} `ERR_WAL_SYNC_FAILED`: the queue has ended.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { json, Queue } from "@durable/wal/queue";
   *
   * const fileSystem = new MemoryFileSystem();
   * await using queue = await Queue.open<number>("a.wal", { codec: json(), fileSystem });
   * await queue.enqueue([1]);
   * assertEquals(queue.consumer("all").lag, 1);
   * assertEquals(queue.consumer("new", { from: "now" }).lag, 0);
   * ```
   */
  consumer(name: string, options: ConsumerOptions = {}): Consumer<T> {
    requireText("name", name);
    const settings = consumerSettings(options);
    const core = this.#core;
    core.requireOpen();
    const { state } = core;
    const number = state.consumerOf(name)?.number ?? state.lastNumber + 1;
    if (!state.consumers.has(number)) {
      core.append([draftOf({ kind: "consumer", number, from: settings.from, name })]);
    }
    const subscription = core.subscription(number, name);
    return new NamedConsumer(name, settings, {
      core,
      subscription,
      codec: this.#codec,
      producer: this.#producer,
    });
  }

  /**
   * Removes a consumer, with its dead letters. Messages that only it had still to do are dropped.
   *
   * Durability at return: that it is so.
   *
   * @returns Whether there was one.
   * @throws {WalError} As {@linkcode Queue.consumer}.
   */
  async removeConsumer(name: string): Promise<boolean> {
    requireText("name", name);
    this.#core.requireOpen();
    const consumer = this.#core.state.consumerOf(name);
    if (consumer === undefined) return false;
    await this.#core.submit([draftOf({ kind: "removed", consumer: consumer.number })]);
    return true;
  }

  /**
   * Gives back the space of all messages that are done. The queue does this by itself when it is worth
   * its cost: when the log is more than four times as large as what is still needed.
   *
   * Durability at return: all that was enqueued and settled before.
   *
   * @throws {WalError} `ERR_WAL_WRITE_FAILED`, `ERR_WAL_IO`: nothing is lost. `ERR_QUEUE_CLOSED`.
   * `ERR_WAL_ENTRY_TOO_LARGE`: a message was enqueued under a larger `maxEntrySize` and cannot be
   * copied. It stays where it is, and all else is compacted.
   * @throws {SyncFailedError} `ERR_WAL_SYNC_FAILED`: the queue has ended.
   */
  async compact(): Promise<void> {
    this.#core.requireOpen();
    await this.#core.compact();
  }

  /**
   * Closes the queue: takes no more calls, waits for what is being written and for the handlers of
   * `run`, at the most until their leases end, or would have ended if the job is settled, and gives the
   * lock back. A job that is not settled then is delivered again once the queue is open. A second call
   * waits for the first.
   *
   * A handler may call it. There it resolves at once, and the queue is closed when the handlers have
   * ended: `run` waits for that, and so does a call outside of them.
   *
   * Durability at return: everything.
   *
   * @throws {SyncFailedError} `ERR_WAL_SYNC_FAILED`: the last records could not be made durable, and no
   * call has said so yet. The queue is closed all the same.
   */
  close(): Promise<void> {
    return this.#core.close();
  }

  /** Closes the queue at the end of a block that holds it with `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function requireWhole(name: string, value: unknown, most: number): void {
  const isWhole = typeof value === "number" && value >= 0 && value <= most &&
    (Number.isInteger(value) || value === Infinity);
  if (!isWhole) throw invalid(name, `a whole number from 0 to ${most}`, value);
}

/** Refuses a limit under which some record cannot be written; the log refuses what is no limit. */
function requireEntrySize(value: unknown): void {
  if (typeof value !== "number" || !(value < LEAST_ENTRY_SIZE)) return;
  throw invalid("maxEntrySize", `a number from ${LEAST_ENTRY_SIZE}`, value);
}

function requireClock(clock: unknown): void {
  requireObject("clock", clock);
  for (const name of ["now", "elapsed", "after"] as const) {
    if (typeof (clock as Partial<QueueClock>)[name] === "function") continue;
    throw invalid("clock", `one with a ${name} method`, clock);
  }
}
