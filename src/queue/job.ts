/**
 * A message that was delivered, until its consumer says what came of it.
 *
 * @module
 */
import { requireOptions } from "../arguments.ts";
import type { Codec } from "../layer/codec.ts";
import { requireMilliseconds, requireText, valuesOf } from "./arguments.ts";
import { draftOf, type QueueCore } from "./core.ts";
import { MAX_UINT48 } from "./fields.ts";
import type { Producer } from "./producer.ts";
import { fittingReason, type MessageHeader } from "./records.ts";
import { leaseLost } from "./refusals.ts";
import type { Lease, Subscription } from "./subscription.ts";
import type { Draft } from "./turn_commit.ts";

/**
 * What is enqueued when a job is acknowledged.
 *
 * @example
 * ```ts
 * import type { AckOptions } from "@durable/wal/queue";
 *
 * const next: AckOptions<string> = { enqueue: ["the next step"] };
 * ```
 */
export interface AckOptions<T> {
  /**
   * Messages that are enqueued in the same atom as the acknowledgement. They do not wait for room.
   *
   * @default {none}
   */
  enqueue?: readonly T[];
}

/**
 * How a job is tried again.
 *
 * @example
 * ```ts
 * import type { RetryOptions } from "@durable/wal/queue";
 *
 * const later: RetryOptions = { delay: 60_000, reason: "the server is busy" };
 * ```
 */
export interface RetryOptions {
  /**
   * How long the message waits before it is delivered again, in milliseconds.
   *
   * @default {what the consumer's backoff says}
   */
  delay?: number;
  /** Why, for the dead letter if this was the last attempt. */
  reason?: string;
}

/** What a job needs of its consumer. */
export interface JobContext<T> {
  readonly core: QueueCore;
  readonly subscription: Subscription;
  readonly codec: Codec<T>;
  readonly producer: Producer<T>;
  /** How often a message is delivered. */
  readonly attempts: number;
  /** How long to wait after an attempt, in milliseconds. */
  backoff(attempt: number): number;
}

const ACK_OPTIONS: readonly (keyof AckOptions<unknown>)[] = ["enqueue"];
const RETRY_OPTIONS: readonly (keyof RetryOptions)[] = ["delay", "reason"];

/** The longest reason that is kept, in characters. */
const MAX_REASON = 1000;

/**
 * A message that a consumer has got, and a lease on it. Settle it once: by `ack`, `retry` or `bury`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 * import { json, Queue } from "@durable/wal/queue";
 *
 * const fileSystem = new MemoryFileSystem();
 * const queue = await Queue.open<string>("mail.wal", { codec: json(), fileSystem });
 * const consumer = queue.consumer("smtp");
 * await queue.enqueue(["hello"]);
 * const [job] = consumer.reserve();
 * assertEquals([job?.index, job?.value, job?.attempt], [2, "hello", 1]);
 * await job?.ack();
 * await queue.close();
 * ```
 */
export interface Job<T> {
  /** The index of the message, which names it. It never changes. */
  readonly index: number;
  /** Which delivery to this consumer this is, from 1. */
  readonly attempt: number;
  /** When the message was enqueued, in milliseconds since 1970. */
  readonly time: number;
  /** The value. It is decoded when it is first asked for, and then throws what the codec throws. */
  readonly value: T;
  /**
   * A name of the message that is the same at each delivery: its key, or one of the log and the index.
   * Give it to what must not do a thing twice.
   */
  readonly key: string;
  /** Is aborted when the lease ends before the job was settled, with that error as its reason. */
  readonly signal: AbortSignal;
  /**
   * The message is done, for this consumer. With `enqueue`, messages that follow from it are written
   * in the same atom: after any crash there are all of them and the acknowledgement, or neither.
   *
   * Durability at return: all of it. Those that are called together share a write and a sync.
   *
   * @throws {WalError} `ERR_QUEUE_LEASE_LOST`: the lease has ended, or the job was settled; nothing was
   * changed. `ERR_WAL_WRITE_FAILED`: the disk is full; the job is held as before, and may be settled
   * again. `ERR_EVENT_CODEC`: a message cannot be encoded, likewise. `ERR_WAL_ENTRY_TOO_LARGE`,
   * likewise. `ERR_WAL_INVALID_ARGUMENT`.
   * @throws {SyncFailedError} `ERR_WAL_SYNC_FAILED`: the outcome is unknown, and the queue has ended.
   */
  ack(options?: AckOptions<T>): Promise<void>;
  /**
   * The message is to be delivered again, after a delay. If this was the last attempt, it becomes a
   * dead letter.
   *
   * Durability at return: that it is so.
   *
   * @throws As {@linkcode ack}.
   */
  retry(options?: RetryOptions): Promise<void>;
  /**
   * The message is not delivered again to this consumer. It is kept as a dead letter.
   *
   * Durability at return: that it is so.
   *
   * @param reason Why; of a long one the beginning is kept.
   * @throws As {@linkcode ack}.
   */
  bury(reason: string): Promise<void>;
  /**
   * Lets the lease last longer.
   *
   * @param milliseconds Until when, from now.
   * @throws {WalError} `ERR_QUEUE_LEASE_LOST`: it has ended. `ERR_WAL_INVALID_ARGUMENT`.
   */
  extend(milliseconds: number): void;
}

/** A message, and the lease on it. */
export class LeasedJob<T> implements Job<T> {
  readonly index: number;
  readonly attempt: number;
  readonly time: number;
  readonly #context: JobContext<T>;
  readonly #lease: Lease;
  readonly #header: MessageHeader;
  readonly #bytes: Uint8Array;
  #value: { readonly value: T } | undefined;
  #controller: AbortController | undefined;

  /** @param message What the message's entry has. */
  constructor(
    context: JobContext<T>,
    lease: Lease,
    message: { readonly header: MessageHeader; readonly value: Uint8Array },
  ) {
    this.#context = context;
    this.#lease = lease;
    this.#header = message.header;
    this.#bytes = message.value;
    this.index = lease.task.message.id;
    this.attempt = lease.task.attempts;
    this.time = message.header.time;
  }

  /** As {@linkcode Job.value} says. */
  get value(): T {
    this.#value ??= { value: this.#context.codec.decode(this.#bytes) };
    return this.#value.value;
  }

  /** As {@linkcode Job.key} says. */
  get key(): string {
    return this.#header.key ?? `${this.#context.core.log.id}/${this.index}`;
  }

  /** As {@linkcode Job.signal} says. */
  get signal(): AbortSignal {
    if (this.#controller !== undefined) return this.#controller.signal;
    const controller = new AbortController();
    this.#controller = controller;
    this.whenLost(() => controller.abort(this.#lost()));
    return controller.signal;
  }

  /** Calls back once, if the lease ends before the job was settled. */
  whenLost(listener: () => void): void {
    this.#lease.whenOver((end) => {
      if (end !== "settled") listener();
    });
  }

  /** Calls back once the job is settled, with the moment at which its lease would have ended. */
  whenSettled(listener: (deadline: number) => void): void {
    this.#lease.whenOver((end) => {
      if (end === "settled") listener(this.#lease.deadline);
    });
  }

  /** Whether the lease holds, and nothing has come of the job yet; ends a lease that is late. */
  holds(): boolean {
    return this.#context.subscription.holds(this.#lease);
  }

  /** As {@linkcode Job.ack} says. */
  async ack(options: AckOptions<T> = {}): Promise<void> {
    requireOptions("options", options, ACK_OPTIONS);
    const next = valuesOf(options.enqueue ?? [], 0);
    const { consumer, id } = this.#names();
    await this.#settle(() => [
      draftOf({ kind: "acked", consumer, ids: [id] }),
      ...this.#context.producer.drafts(next),
    ]);
  }

  /** As {@linkcode Job.retry} says. */
  async retry(options: RetryOptions = {}): Promise<void> {
    requireOptions("options", options, RETRY_OPTIONS);
    const { reason } = options;
    if (reason !== undefined) requireText("reason", reason);
    const { attempts, core } = this.#context;
    if (this.attempt >= attempts) return await this.bury(reason ?? NO_MORE_ATTEMPTS);
    const { consumer, id } = this.#names();
    const given = options.delay ?? this.#context.backoff(this.attempt);
    const delay = requireMilliseconds("delay", given);
    const due = delay === 0 ? 0 : Math.min(core.now() + delay, MAX_UINT48);
    await this.#settle(() => [draftOf({ kind: "retried", consumer, id, due, delay })]);
  }

  /** As {@linkcode Job.bury} says. */
  async bury(reason: string): Promise<void> {
    requireText("reason", reason);
    const { consumer, id } = this.#names();
    const { core } = this.#context;
    const time = core.now();
    const fitting = fittingReason(shortened(reason), core.maxEntrySize);
    await this.#settle(() => [draftOf({ kind: "dead", consumer, id, time, reason: fitting })]);
  }

  /** As {@linkcode Job.extend} says. */
  extend(milliseconds: number): void {
    const wanted = requireMilliseconds("extension", milliseconds, 1);
    if (!this.holds()) throw this.#lost();
    this.#context.subscription.extend(this.#lease, wanted);
  }

  /** Writes what came of the job. */
  async #settle(make: () => readonly Draft[]): Promise<void> {
    if (!this.holds()) throw this.#lost();
    const drafts = make();
    this.#lease.isSettling = true;
    try {
      await this.#context.core.submit(drafts);
    } catch (error) {
      this.#context.subscription.keep(this.#lease);
      throw error;
    }
  }

  #names(): { consumer: number; id: number } {
    return { consumer: this.#context.subscription.state.number, id: this.index };
  }

  #lost(): Error {
    return leaseLost(this.#context.core.log.path, this.index, this.#lease.end);
  }
}

/** Why a message is dead of which nothing else is known. */
export const NO_MORE_ATTEMPTS = "no attempt is left";

/** The beginning of a reason, in whole characters. */
export function shortened(reason: string): string {
  return reason.slice(0, MAX_REASON).toWellFormed();
}
