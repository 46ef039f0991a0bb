/**
 * An open queue, without its values: the log and what its records say, the consumers' subscriptions, and
 * the turns in which records are written.
 *
 * A record is taken in as soon as it is appended, in the order of the log, so that the state is always
 * the fold of the log. What is delivered is durable.
 *
 * @module
 */
import { type EndError, isEnd } from "../errors.ts";
import { type Tag, withTag } from "../layer/tag.ts";
import type { Wal } from "../wal.ts";
import { Backlog } from "./backlog.ts";
import type { QueueClock } from "./clock.ts";
import { Handlers } from "./handlers.ts";
import { type CheckpointPlace, type Compacted, Compaction, encodePlace } from "./compaction.ts";
import {
  type AckedRecord,
  decodeMessage,
  decodeRecord,
  encodeCopy,
  encodeRecord,
  type MessageHeader,
  type PlainRecord,
} from "./records.ts";
import { consumerRemoved, queueClosed, unreadable } from "./refusals.ts";
import type { ConsumerState, Message, QueueState } from "./state.ts";
import { Subscription } from "./subscription.ts";
import { type Draft, TurnCommit, type TurnLog } from "./turn_commit.ts";

/** How a queue is kept. */
export interface CoreSettings {
  readonly tag: Tag;
  readonly time: QueueClock;
  /** How many bytes may wait to be done before `enqueue` waits. */
  readonly maxBytes: number;
  readonly maxEntrySize: number;
  readonly segmentSize: number;
}

/** What runs until it is asked to stop. */
export interface Stoppable {
  stop(): void;
  /** Resolves or rejects when it has stopped. */
  readonly done: Promise<void>;
}

/** An open queue. */
export class QueueCore implements TurnLog, Compacted {
  readonly log: Wal;
  readonly state: QueueState;
  readonly time: QueueClock;
  readonly maxEntrySize: number;
  readonly segmentSize: number;
  readonly backlog: Backlog;
  /** What is to be stopped before the queue is closed. */
  readonly workers: Set<Stoppable> = new Set();
  readonly handlers: Handlers = new Handlers();
  readonly #tag: Tag;
  readonly #subscriptions = new Map<number, Subscription>();
  readonly #commit: TurnCommit;
  readonly #compaction: Compaction;
  #closing: Promise<void> | undefined;
  #isClosedByHandler = false;
  /** What has ended the log. */
  #end: EndError | undefined;

  constructor(log: Wal, state: QueueState, settings: CoreSettings) {
    this.log = log;
    this.state = state;
    this.time = settings.time;
    this.maxEntrySize = settings.maxEntrySize;
    this.segmentSize = settings.segmentSize;
    this.#tag = settings.tag;
    this.backlog = new Backlog(settings.maxBytes, () => state.pendingBytes);
    this.#commit = new TurnCommit(this);
    this.#compaction = new Compaction(this);
    for (const consumer of state.consumers.values()) this.#subscribe(consumer);
  }

  /**
   * Refuses a call once the queue is closed, being closed, or has ended.
   *
   * @throws What has ended it.
   */
  requireOpen(): void {
    if (this.#closing !== undefined) throw queueClosed(this.log.path);
    if (this.#end !== undefined) throw this.#end;
  }

  /** The wall clock in whole milliseconds, as records have it. */
  now(): number {
    return Math.max(0, Math.floor(this.time.now()));
  }

  /** What a consumer has to do. */
  subscription(number: number, name: string): Subscription {
    const subscription = this.#subscriptions.get(number);
    if (subscription === undefined) throw consumerRemoved(this.log.path, name);
    return subscription;
  }

  /**
   * Appends records as one atom, with those of the same turn, and makes them durable.
   *
   * @returns The index of the first.
   */
  submit(drafts: readonly Draft[]): Promise<number> {
    return this.#commit.submit(drafts);
  }

  /** Appends records as one atom, into the page cache, and takes them in. */
  append(drafts: readonly Draft[]): number {
    const firstIndex = this.#appendBatch(drafts);
    drafts.forEach((draft, i) => this.#take(firstIndex + i, draft));
    this.backlog.look();
    return firstIndex;
  }

  /** One record of what some say that one consumer has done. */
  merged(records: readonly AckedRecord[]): Draft {
    const consumer = records[0]?.consumer ?? 0;
    return draftOf({ kind: "acked", consumer, ids: records.flatMap(({ ids }) => ids) });
  }

  /** Makes durable all that was appended. */
  async sync(): Promise<void> {
    await this.#orFail(() => this.log.sync());
  }

  /** What is durable can be delivered, and what is done need not be kept. */
  synced(): void {
    for (const subscription of this.#subscriptions.values()) subscription.wakeIfReady();
    this.#compaction.look();
  }

  /** What has ended the log ends what waits for it. */
  failed(error: unknown): void {
    if (!isEnd(error) || this.#end !== undefined) return;
    this.#end = error;
    this.backlog.end(error);
    for (const subscription of this.#subscriptions.values()) subscription.wake();
  }

  /** A message's entry. */
  entryOf(message: Message): Uint8Array {
    return this.log.getEntry(message.at);
  }

  /** What stands before a message's value, and the value's bytes. */
  read(message: Message): { readonly header: MessageHeader; readonly value: Uint8Array } {
    const found = decodeMessage(this.entryOf(message));
    if (found === undefined) throw unreadable(this.log.path, `entry ${message.at} is no message`);
    return found;
  }

  /** A copy of a message, to be appended. */
  copyOf(message: Message): Draft {
    const bytes = encodeCopy(message.id, this.entryOf(message));
    const record = decodeRecord(bytes);
    if (record === undefined) throw unreadable(this.log.path, `entry ${message.at} is no message`);
    return { record, bytes };
  }

  /** The log's own state, which names a checkpoint. */
  ownState(place: CheckpointPlace): Uint8Array {
    return withTag(this.#tag, encodePlace(place));
  }

  /** Gives back what space there is to give back. */
  async compact(): Promise<void> {
    await this.#orFail(() => this.#compaction.run());
  }

  /**
   * Closes the queue when what is in hand is done; a second call waits for the first. A handler's call
   * does not wait, since it would wait for that handler.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    if (!this.handlers.isInside) return this.#closing;
    this.#isClosedByHandler = true;
    return Promise.resolve();
  }

  /** Resolves, or rejects, when a close has ended that a handler began. */
  async closedByHandler(): Promise<void> {
    if (this.#isClosedByHandler) await this.close();
  }

  async #close(): Promise<void> {
    this.backlog.end(queueClosed(this.log.path));
    try {
      for (const worker of this.workers) worker.stop();
      // What was called before is appended meanwhile, and the log's close makes it durable.
      await Promise.allSettled([...this.workers].map(({ done }) => done));
      await this.#compaction.end();
    } finally {
      for (const subscription of this.#subscriptions.values()) subscription.end("closed");
      await this.log.close();
    }
  }

  #appendBatch(drafts: readonly Draft[]): number {
    try {
      return this.log.appendBatch(drafts.map(({ bytes }) => bytes)).firstIndex;
    } catch (error) {
      this.failed(error);
      throw error;
    }
  }

  /** Has what ends the log end the queue, whichever call meets it. */
  async #orFail(call: () => Promise<void>): Promise<void> {
    try {
      await call();
    } catch (error) {
      this.failed(error);
      throw error;
    }
  }

  #subscribe(consumer: ConsumerState): void {
    if (consumer.number === 0) return;
    const isDurable = (index: number): boolean => index <= this.log.durableIndex;
    const subscription = new Subscription(consumer, this.time, isDurable);
    this.#subscriptions.set(consumer.number, subscription);
  }

  /** Takes a record in that was appended. */
  #take(index: number, { record, bytes }: Draft): void {
    // Of two calls of one turn, the second finds that the first has done it.
    const isRevived = record.kind === "redriven" &&
      this.state.consumers.get(record.consumer)?.dead.has(record.id) === true;
    this.state.apply(index, record, bytes.length);
    switch (record.kind) {
      case "message":
        for (const subscription of this.#subscriptions.values()) offer(subscription, index);
        return;
      case "consumer": {
        const consumer = this.state.consumers.get(record.number);
        if (consumer !== undefined) this.#subscribe(consumer);
        return;
      }
      case "copy":
      case "checkpoint":
      case "delivered":
        return;
    }
    const subscription = this.#subscriptions.get(record.consumer);
    if (subscription === undefined) return;
    switch (record.kind) {
      case "acked":
        for (const id of record.ids) subscription.settle(id);
        return;
      case "dead":
        subscription.settle(record.id);
        return;
      case "retried":
        subscription.settle(record.id);
        offer(subscription, record.id);
        return subscription.wakeIfReady();
      case "redriven":
        if (isRevived) offer(subscription, record.id);
        return subscription.wakeIfReady();
      case "removed":
        this.#subscriptions.delete(record.consumer);
        return subscription.end("removed");
    }
  }
}

/** A record that is to be appended. */
export function draftOf(record: PlainRecord): Draft {
  return { record, bytes: encodeRecord(record) };
}

/** Has a subscription take up what it has to do about a message. */
function offer(subscription: Subscription, id: number): void {
  const task = subscription.state.tasks.get(id);
  if (task !== undefined) subscription.offer(task);
}
