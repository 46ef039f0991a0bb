/**
 * A named consumer of a queue.
 *
 * @module
 */
import { invalid, requireOptions } from "../arguments.ts";
import { requireCountFromOne, requireMilliseconds, signalOf } from "./arguments.ts";
import { draftOf, type QueueCore } from "./core.ts";
import { type Job, type JobContext, LeasedJob, NO_MORE_ATTEMPTS } from "./job.ts";
import { fittingReason, maxIds } from "./records.ts";
import { consumerRemoved, notDead } from "./refusals.ts";
import type { DeadTask, Task } from "./state.ts";
import type { Subscription } from "./subscription.ts";
import { type Handler, Worker } from "./worker.ts";

/**
 * How a consumer works. Every field has a default. Only `from` is kept on the disk.
 *
 * @example
 * ```ts
 * import type { ConsumerOptions } from "@durable/wal/queue";
 *
 * const options: ConsumerOptions = { visibility: 60_000, attempts: 10, concurrency: 8 };
 * ```
 */
export interface ConsumerOptions {
  /**
   * How long a job may take, in milliseconds: then its lease ends, and the message is delivered again.
   *
   * @default {30000}
   */
  visibility?: number;
  /**
   * How often a message is delivered before it becomes a dead letter; `Infinity` for always again.
   *
   * @default {5}
   */
  attempts?: number;
  /**
   * How long to wait after an attempt before the next, in milliseconds: a number, or a function of the
   * attempt's number, from 1.
   *
   * @default {a second, then twice as long each time, up to 5 minutes}
   */
  backoff?: number | ((attempt: number) => number);
  /**
   * How many jobs a call of `run` has at a time.
   *
   * @default {1}
   */
  concurrency?: number;
  /**
   * Where a consumer begins whose name is new: `"first"` gives it every message that some other
   * consumer has still to do, or all if it is the first consumer; `"now"` those that are enqueued from
   * then on. A name that is known continues where it was.
   *
   * @default {"first"}
   */
  from?: "first" | "now";
}

const CONSUMER_OPTIONS: readonly (keyof ConsumerOptions)[] = [
  "visibility",
  "attempts",
  "backoff",
  "concurrency",
  "from",
];

const FIRST_BACKOFF = 1000;
const LONGEST_BACKOFF = 5 * 60_000;

/** A second, then twice as long each time. */
function doubling(attempt: number): number {
  return Math.min(FIRST_BACKOFF * 2 ** (attempt - 1), LONGEST_BACKOFF);
}

/**
 * A message that a consumer does not get any more.
 *
 * @example
 * ```ts
 * import type { DeadLetter } from "@durable/wal/queue";
 *
 * const line = (letter: DeadLetter<unknown>): string => `${letter.index}: ${letter.reason}`;
 * ```
 */
export interface DeadLetter<T> {
  /** The index of the message. */
  readonly index: number;
  /** How often it was delivered. */
  readonly attempts: number;
  /** Why it was given up. */
  readonly reason: string;
  /** When it was given up, in milliseconds since 1970. */
  readonly time: number;
  /**
   * The value. Decoded when it is asked for, so it may throw what the codec throws.
   */
  readonly value: T;
}

/** The options with their defaults. */
type Settings = Required<Omit<ConsumerOptions, "from" | "backoff">> & {
  readonly backoff: (attempt: number) => number;
};

/** Fills in the defaults, and refuses what makes no sense. */
export function consumerSettings(options: ConsumerOptions): Settings & { from: "first" | "now" } {
  requireOptions("options", options, CONSUMER_OPTIONS);
  const { attempts = 5, concurrency = 1, from = "first", backoff = doubling } = options;
  const visibility = requireMilliseconds("visibility", options.visibility ?? 30_000, 1);
  requireCountFromOne("attempts", attempts);
  requireCountFromOne("concurrency", concurrency);
  if (from !== "first" && from !== "now") throw invalid("from", '"first" or "now"', from);
  if (typeof backoff === "function") return { visibility, attempts, concurrency, from, backoff };
  const wait = requireMilliseconds("backoff", backoff);
  return { visibility, attempts, concurrency, from, backoff: () => wait };
}

/**
 * A named consumer: each name gets every message, and all that work under one name share them. Made by
 * {@linkcode Queue.consumer}.
 *
 * A message is done for a consumer when an acknowledgement of it is durable. Until then it is delivered
 * again: when its lease ends, and after each reopening. So a handler may see a message more than once.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 * import { json, Queue } from "@durable/wal/queue";
 *
 * const fileSystem = new MemoryFileSystem();
 * const queue = await Queue.open<number>("numbers.wal", { codec: json(), fileSystem });
 * const adder = queue.consumer("adder", { concurrency: 2 });
 * await queue.enqueue([1, 2, 3]);
 *
 * let sum = 0;
 * const stop = new AbortController();
 * await adder.run((job) => {
 *   sum += job.value;
 *   if (sum === 6) stop.abort();
 * }, { signal: stop.signal });
 * assertEquals([sum, adder.lag], [6, 0]);
 * await queue.close();
 * ```
 */
export interface Consumer<T> {
  /** Its name. */
  readonly name: string;
  /** How many messages it has still to do, those included that are leased or wait for their time. */
  readonly lag: number;
  /** When the message was enqueued that waits the longest, in ms since 1970; `undefined` for none. */
  readonly oldest: number | undefined;
  /**
   * Takes messages that are ready, at once: those first that were to be delivered again, then those
   * that were never, in the order in which they were enqueued. Each must be settled before its lease
   * ends.
   *
   * Durability at return: in the page cache, that they were delivered: so an attempt counts even if it
   * kills the process.
   *
   * @param limit How many at the most. `Infinity` for all, as far as `maxEntrySize` has 8 bytes for
   * each.
   * @throws {WalError} `ERR_QUEUE_CLOSED`. `ERR_WAL_WRITE_FAILED`: the disk is full; the messages wait
   * as before. `ERR_WAL_INVALID_ARGUMENT`, and what reading an entry throws.
   * @throws {SyncFailedError} `ERR_WAL_SYNC_FAILED`: the queue has ended.
   *
   * @example
   * ```ts
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { Queue, text } from "@durable/wal/queue";
   *
   * const fileSystem = new MemoryFileSystem();
   * const queue = await Queue.open("mail.wal", { codec: text(), fileSystem });
   * const smtp = queue.consumer("smtp");
   * await queue.enqueue(["a", "b"]);
   * await Promise.all(smtp.reserve(10).map((job) => job.ack())); // one write, one sync
   * await queue.close();
   * ```
   */
  reserve(limit?: number): Job<T>[];
  /**
   * Resolves when there is a message to be reserved.
   *
   * @throws The signal's `reason`, once it is aborted.
   * @throws {WalError} `ERR_QUEUE_CLOSED`: also if the queue is closed meanwhile.
   *
   * @example
   * ```ts
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { Queue, text } from "@durable/wal/queue";
   *
   * const fileSystem = new MemoryFileSystem();
   * const queue = await Queue.open("mail.wal", { codec: text(), fileSystem });
   * const smtp = queue.consumer("smtp");
   * setTimeout(() => queue.enqueue(["a"]), 10);
   * await smtp.available();
   * for (const job of smtp.reserve()) await job.ack();
   * await queue.close();
   * ```
   */
  available(options?: { readonly signal?: AbortSignal }): Promise<void>;
  /**
   * Gives each message to a handler, up to `concurrency` at a time. A handler that returns has the
   * message acknowledged; one that throws has it tried again after the backoff, or made a dead letter
   * after the last attempt; one that has settled the job itself, neither. A handler that hangs loses
   * its message when the lease ends.
   *
   * It keeps the process alive. It resolves once the signal is aborted or the queue is closed, and the
   * handlers that run have ended or lost their leases. If a handler has closed the queue, it resolves
   * when that is done.
   *
   * @param handler What is done with each message.
   * @throws {WalError} What the queue failed with, once the other handlers have ended, such as
   * `ERR_WAL_WRITE_FAILED` of a full disk. Nothing is lost then: the messages are delivered again.
   * `ERR_QUEUE_CLOSED`. `ERR_WAL_INVALID_ARGUMENT`.
   * @throws {SyncFailedError} `ERR_WAL_SYNC_FAILED`: the queue has ended.
   */
  run(handler: Handler<T>, options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** The messages that it does not get any more, those first that were given up first. */
  dead(): Generator<DeadLetter<T>, void, undefined>;
  /**
   * Has a dead letter delivered again, with all its attempts before it.
   *
   * Durability at return: that it is so.
   *
   * @param index The index of the message.
   * @throws {WalError} `ERR_QUEUE_NOT_DEAD`: it is no dead letter of this consumer.
   * `ERR_QUEUE_CLOSED`, and as {@linkcode Job.ack}.
   */
  redrive(index: number): Promise<void>;
  /**
   * Gives up a dead letter for good.
   *
   * Durability at return: that it is so.
   *
   * @param index The index of the message.
   * @throws As {@linkcode redrive}.
   */
  discard(index: number): Promise<void>;
}

/** A consumer of an open queue. */
export class NamedConsumer<T> implements Consumer<T> {
  readonly name: string;
  readonly #core: QueueCore;
  readonly #subscription: Subscription;
  readonly #settings: Settings;
  readonly #context: JobContext<T>;

  constructor(
    name: string,
    settings: Settings,
    context: Omit<JobContext<T>, "attempts" | "backoff">,
  ) {
    this.name = name;
    this.#settings = settings;
    this.#core = context.core;
    this.#subscription = context.subscription;
    const { attempts, backoff } = settings;
    this.#context = { ...context, attempts, backoff: (attempt) => backoff(attempt) };
  }

  /** As {@linkcode Consumer.lag} says. */
  get lag(): number {
    return this.#subscription.state.tasks.size;
  }

  /** As {@linkcode Consumer.oldest} says. */
  get oldest(): number | undefined {
    // A message that was redriven is the last of the tasks, and may be the oldest.
    let oldest: Task["message"] | undefined;
    for (const { message } of this.#subscription.state.tasks.values()) {
      if (oldest === undefined || message.id < oldest.id) oldest = message;
    }
    return oldest?.time;
  }

  /** As {@linkcode Consumer.reserve} says. */
  reserve(limit: number = 1): LeasedJob<T>[] {
    requireCountFromOne("limit", limit);
    this.#core.requireOpen();
    this.#requireNotRemoved();
    const { tasks, spent } = this.#take(Math.min(limit, maxIds(this.#core.maxEntrySize)));
    try {
      for (let task = spent[0]; task !== undefined; task = spent[0]) {
        this.#buryNow(task);
        spent.shift();
      }
      const found = tasks.map(({ message }) => this.#core.read(message));
      const { number } = this.#subscription.state;
      const ids = tasks.map(({ message }) => message.id);
      if (ids.length > 0) {
        this.#core.append([draftOf({ kind: "delivered", consumer: number, ids })]);
      }
      return tasks.map((task, i) => {
        const lease = this.#subscription.lease(task, this.#settings.visibility);
        return new LeasedJob(this.#context, lease, found[i] as (typeof found)[number]);
      });
    } catch (error) {
      this.#subscription.putBack([...spent, ...tasks]);
      throw error;
    }
  }

  /** As {@linkcode Consumer.available} says. */
  async available(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const signal = signalOf(options);
    for (;;) {
      signal?.throwIfAborted();
      this.#core.requireOpen();
      this.#requireNotRemoved();
      if (this.#subscription.hasReady) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const wake = (): void => resolve();
      this.#subscription.listen(wake);
      signal?.addEventListener("abort", wake);
      await promise;
      signal?.removeEventListener("abort", wake);
      this.#subscription.unlisten(wake);
    }
  }

  /** As {@linkcode Consumer.run} says. */
  async run(handler: Handler<T>, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    if (typeof handler !== "function") throw invalid("handler", "a function", handler);
    const signal = signalOf(options);
    this.#core.requireOpen();
    this.#requireNotRemoved();
    if (signal?.aborted) return;
    const subscription = this.#subscription;
    const source = {
      reserve: (limit: number) => this.reserve(limit),
      listen: (listener: () => void) => subscription.listen(listener),
      unlisten: (listener: () => void) => subscription.unlisten(listener),
      get isEnded(): boolean {
        return subscription.isEnded;
      },
    };
    const { handlers, time } = this.#core;
    const handle: Handler<T> = (job, context) => handlers.run(() => handler(job, context));
    const worker = new Worker(source, handle, this.#settings.concurrency, time);
    const stop = (): void => worker.stop();
    signal?.addEventListener("abort", stop, { once: true });
    this.#core.workers.add(worker);
    try {
      await worker.done;
      await this.#core.closedByHandler();
    } finally {
      this.#core.workers.delete(worker);
      signal?.removeEventListener("abort", stop);
    }
  }

  /** As {@linkcode Consumer.dead} says. */
  *dead(): Generator<DeadLetter<T>, void, undefined> {
    const { dead } = this.#subscription.state;
    for (const task of [...dead.values()]) {
      if (dead.get(task.message.id) === task) yield this.#letterOf(task);
    }
  }

  /** As {@linkcode Consumer.redrive} says. */
  async redrive(index: number): Promise<void> {
    const { number } = this.#requireDead(index);
    await this.#core.submit([draftOf({ kind: "redriven", consumer: number, id: index })]);
  }

  /** As {@linkcode Consumer.discard} says. */
  async discard(index: number): Promise<void> {
    const { number } = this.#requireDead(index);
    await this.#core.submit([draftOf({ kind: "acked", consumer: number, ids: [index] })]);
  }

  /** What is ready, and what has no attempt left. */
  #take(limit: number): { tasks: Task[]; spent: Task[] } {
    const [tasks, spent]: [Task[], Task[]] = [[], []];
    while (tasks.length < limit) {
      const task = this.#subscription.take();
      if (task === undefined) break;
      (task.attempts < this.#settings.attempts ? tasks : spent).push(task);
    }
    return { tasks, spent };
  }

  /** Makes a dead letter of a message whose last attempt ended without a word. */
  #buryNow({ message }: Task): void {
    const consumer = this.#subscription.state.number;
    const time = this.#core.now();
    const reason = fittingReason(NO_MORE_ATTEMPTS, this.#core.maxEntrySize);
    this.#core.append([draftOf({ kind: "dead", consumer, id: message.id, time, reason })]);
  }

  #letterOf(task: DeadTask): DeadLetter<T> {
    const { message, attempts, reason, time } = task;
    const { core, codec } = this.#context;
    const { value } = core.read(message);
    return {
      index: message.id,
      attempts,
      reason,
      time,
      get value(): T {
        return codec.decode(value);
      },
    };
  }

  #requireDead(index: number): { number: number } {
    this.#core.requireOpen();
    this.#requireNotRemoved();
    const { dead, number } = this.#subscription.state;
    if (!dead.has(index)) throw notDead(this.#core.log.path, this.name, index);
    return { number };
  }

  #requireNotRemoved(): void {
    if (this.#subscription.isEnded) throw consumerRemoved(this.#core.log.path, this.name);
  }
}
