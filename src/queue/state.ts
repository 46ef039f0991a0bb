/**
 * What a queue's log says, as far as it still matters: the fold of its records. It knows no clock, no
 * leases and no files, and the same records always give the same state.
 *
 * A record about a message, or of a consumer, that is not there any more changes nothing.
 *
 * @module
 */
import { Deque } from "./deque.ts";
import { KeyMemory } from "./keys.ts";
import type { CopyRecord, MessageRecord, QueueRecord } from "./records.ts";

/** A message that some consumer has still to do, or holds as dead. Its value is in the log. */
export interface Message {
  /** The index at which it was enqueued. */
  readonly id: number;
  /** The index at which it lies now. */
  readonly at: number;
  /** The bytes of its entry. */
  readonly size: number;
  /** When it was enqueued, in milliseconds of the wall clock. */
  readonly time: number;
  /** When it may first be delivered, likewise; 0 for at once. */
  readonly due: number;
  /** The delay by which `due` came about. */
  readonly delay: number;
  /** How many consumers have still to do it. */
  readonly pending: number;
  /** How many hold it as dead. */
  readonly dead: number;
}

/** The same, for the fold alone. */
type OwnMessage = { -readonly [Field in keyof Message]: Message[Field] };

/** A message that a consumer has still to do. */
export interface Task {
  readonly message: Message;
  /** How often it was delivered. */
  readonly attempts: number;
  /** When it may be delivered next, in milliseconds of the wall clock; 0 for at once. */
  readonly due: number;
  /** The delay by which `due` came about. */
  readonly delay: number;
}

type OwnTask = { -readonly [Field in keyof Task]: Task[Field] };

/** A message that a consumer does not get any more. */
export interface DeadTask {
  readonly message: Message;
  readonly attempts: number;
  /** When it was given up, in milliseconds of the wall clock. */
  readonly time: number;
  readonly reason: string;
}

/** What a consumer has to do. */
export class ConsumerState {
  /** The number that stands for its name in records. */
  readonly number: number;
  readonly name: string;
  /** What it has to do, by the messages' ids. */
  readonly tasks: Map<number, Task> = new Map();
  /** What it has given up, likewise. */
  readonly dead: Map<number, DeadTask> = new Map();

  constructor(number: number, name: string) {
    this.number = number;
    this.name = name;
  }
}

/** Stands for the consumers to come where there is none: what is enqueued waits for the first. */
const NO_CONSUMER = 0;

/** What the log keeps around each entry. */
const FRAME_SIZE = 9;

/** How many places of messages that are done are kept at the least. */
const FEW_PLACES = 1024;

/** The state of a queue. */
export class QueueState {
  readonly #messages = new Map<number, OwnMessage>();
  readonly #consumers = new Map<number, ConsumerState>();
  readonly #keys: KeyMemory;
  /** Messages that lie where they were enqueued, in the order of the log, and some that are done. */
  #unmoved = new Deque<Message>();
  /** Where copies of messages lie, in the same order, and where some lay that are done. */
  #moved = new Deque<{ readonly message: Message; readonly at: number }>();
  #lastNumber = NO_CONSUMER;
  #liveBytes = 0;
  #pendingBytes = 0;

  /** @param keys How many keys are remembered. */
  constructor(keys: number) {
    this.#keys = new KeyMemory(keys);
    this.addConsumer(NO_CONSUMER, "");
  }

  /** The messages that matter, in the order in which they were enqueued. */
  get messages(): ReadonlyMap<number, Message> {
    return this.#messages;
  }

  /** The consumers by their numbers; one without a name where there is none. */
  get consumers(): ReadonlyMap<number, ConsumerState> {
    return this.#consumers;
  }

  /** The keys that are remembered. */
  get keys(): Pick<KeyMemory, "get" | "size" | "characters" | typeof Symbol.iterator> {
    return this.#keys;
  }

  /** The highest number that a consumer has had. */
  get lastNumber(): number {
    return this.#lastNumber;
  }

  /** The bytes, in the log, of all messages that matter. */
  get liveBytes(): number {
    return this.#liveBytes;
  }

  /** The bytes of those that a consumer has still to do. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** The lowest index at which a message lies; `undefined` if there is none. */
  get firstAt(): number | undefined {
    while (this.#unmoved.size > 0 && !liesAt(this.#unmoved.first, this.#unmoved.first?.id)) {
      this.#unmoved.shift();
    }
    while (this.#moved.size > 0 && !liesAt(this.#moved.first?.message, this.#moved.first?.at)) {
      this.#moved.shift();
    }
    const [unmoved, moved] = [this.#unmoved.first?.at, this.#moved.first?.at];
    return unmoved === undefined || moved === undefined
      ? unmoved ?? moved
      : Math.min(unmoved, moved);
  }

  /** The consumer of a name. */
  consumerOf(name: string): ConsumerState | undefined {
    for (const consumer of this.#consumers.values()) {
      if (consumer.number > 0 && consumer.name === name) return consumer;
    }
    return undefined;
  }

  /**
   * Takes a record in.
   *
   * @param index The index of its entry.
   * @param size The bytes of its entry.
   */
  apply(index: number, record: QueueRecord, size: number): void {
    switch (record.kind) {
      case "message":
        return this.#enqueue(index, record, size);
      case "copy":
        return this.#move(index, record, size);
      case "consumer":
        return this.#join(record.number, record.name, record.from);
      case "checkpoint":
        return;
    }
    const consumer = this.#consumers.get(record.consumer);
    if (consumer === undefined) return;
    switch (record.kind) {
      case "delivered":
        return this.#deliver(consumer, record.ids);
      case "acked":
        for (const id of record.ids) this.#finish(consumer, id);
        return;
      case "retried": {
        const task = consumer.tasks.get(record.id) as OwnTask | undefined;
        if (task !== undefined) [task.due, task.delay] = [record.due, record.delay];
        return;
      }
      case "dead":
        return this.#bury(consumer, record.id, record.time, record.reason);
      case "redriven": {
        const dead = consumer.dead.get(record.id);
        if (dead === undefined) return;
        this.addTask(consumer, { message: dead.message, attempts: 0, due: 0, delay: 0 });
        this.#finish(consumer, record.id, consumer.dead);
        return;
      }
      case "removed":
        return this.#leave(consumer);
    }
  }

  /** Adds messages that no consumer has yet, as a checkpoint has them; tasks of each must follow. */
  addMessages(messages: readonly Omit<Message, "pending" | "dead">[]): void {
    for (const message of messages) this.#addMessage(message);
    this.#renewPlaces();
  }

  /** Gives no consumer a number up to this one any more. */
  useNumbersTo(number: number): void {
    this.#lastNumber = Math.max(this.#lastNumber, number);
  }

  /** Adds a consumer that has nothing to do. */
  addConsumer(number: number, name: string): ConsumerState {
    const consumer = new ConsumerState(number, name);
    this.#consumers.set(number, consumer);
    this.useNumbersTo(number);
    return consumer;
  }

  /** Removes the one without a name. */
  dropNoConsumer(): void {
    const none = this.#consumers.get(NO_CONSUMER);
    if (none === undefined) return;
    for (const id of none.tasks.keys()) this.#finish(none, id);
    this.#consumers.delete(NO_CONSUMER);
  }

  /** Gives a consumer something to do. */
  addTask(consumer: ConsumerState, task: Task): void {
    const message = task.message as OwnMessage;
    if (message.pending++ === 0) this.#pendingBytes += message.size;
    consumer.tasks.set(message.id, task);
  }

  /** Lets a consumer hold a message as dead. */
  addDead(consumer: ConsumerState, dead: DeadTask): void {
    (dead.message as OwnMessage).dead++;
    consumer.dead.set(dead.message.id, dead);
  }

  /** Remembers a key. */
  addKey(key: string, id: number): void {
    this.#keys.add(key, id);
  }

  #addMessage(message: Omit<Message, "pending" | "dead">): Message {
    const { id, at, size, time, due, delay } = message;
    const added: OwnMessage = { id, at, size, time, due, delay, pending: 0, dead: 0 };
    this.#messages.set(id, added);
    this.#liveBytes += size + FRAME_SIZE;
    return added;
  }

  #enqueue(index: number, { time, due, delay, key }: MessageRecord, size: number): void {
    const message = this.#addMessage({ id: index, at: index, size, time, due, delay });
    this.#unmoved.push(message);
    for (const consumer of this.#consumers.values()) {
      this.addTask(consumer, { message, attempts: 0, due, delay });
    }
    if (key !== undefined) this.addKey(key, index);
  }

  #move(index: number, { id }: CopyRecord, size: number): void {
    const message = this.#messages.get(id);
    if (message === undefined) return;
    this.#liveBytes += size - message.size;
    if (message.pending > 0) this.#pendingBytes += size - message.size;
    [message.at, message.size] = [index, size];
    this.#moved.push({ message, at: index });
  }

  #join(number: number, name: string, from: "first" | "now"): void {
    if (this.#consumers.has(number)) return;
    const consumer = this.addConsumer(number, name);
    if (from === "first") {
      for (const message of this.#messages.values()) {
        const { pending, due, delay } = message;
        if (pending > 0) this.addTask(consumer, { message, attempts: 0, due, delay });
      }
    }
    this.dropNoConsumer();
  }

  #deliver(consumer: ConsumerState, ids: readonly number[]): void {
    for (const id of ids) {
      const task = consumer.tasks.get(id) as OwnTask | undefined;
      if (task !== undefined) task.attempts++;
    }
  }

  #bury(consumer: ConsumerState, id: number, time: number, reason: string): void {
    const task = consumer.tasks.get(id);
    if (task === undefined) return;
    const { message, attempts } = task;
    this.addDead(consumer, { message, attempts, time, reason });
    this.#finish(consumer, id, consumer.tasks);
  }

  #leave(consumer: ConsumerState): void {
    for (const id of [...consumer.tasks.keys(), ...consumer.dead.keys()]) {
      this.#finish(consumer, id);
    }
    this.#consumers.delete(consumer.number);
    if (this.#consumers.size === 0) this.addConsumer(NO_CONSUMER, "");
  }

  /** A consumer needs a message no more: as a task, as a dead one, or as what it has of it. */
  #finish(
    consumer: ConsumerState,
    id: number,
    from: Map<number, Task> | Map<number, DeadTask> = consumer.tasks.has(id)
      ? consumer.tasks
      : consumer.dead,
  ): void {
    const message = from.get(id)?.message as OwnMessage | undefined;
    if (message === undefined) return;
    from.delete(id);
    if (from === consumer.dead) message.dead--;
    else if (--message.pending === 0) this.#pendingBytes -= message.size;
    if (message.pending + message.dead > 0) return;
    this.#messages.delete(id);
    this.#liveBytes -= message.size + FRAME_SIZE;
    const places = this.#unmoved.size + this.#moved.size;
    if (places > 2 * this.#messages.size + FEW_PLACES) this.#renewPlaces();
  }

  /** Notes where the messages lie that matter, and forgets all others. */
  #renewPlaces(): void {
    this.#unmoved = new Deque();
    this.#moved = new Deque();
    const moved: { message: Message; at: number }[] = [];
    for (const message of this.#messages.values()) {
      if (message.at === message.id) this.#unmoved.push(message);
      else moved.push({ message, at: message.at });
    }
    for (const place of moved.sort((a, b) => a.at - b.at)) this.#moved.push(place);
  }
}

/** Whether a message matters, and lies at an index. */
function liesAt(message: Message | undefined, at: number | undefined): boolean {
  return message !== undefined && message.at === at && message.pending + message.dead > 0;
}
