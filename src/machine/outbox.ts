/**
 * The outbox of a machine: messages that are written with an event, as one entry, and handed over to
 * their queues once that is durable.
 *
 * Each queue has a delivery of its own, so that one that is full or closed holds no other up. A call's
 * messages are enqueued under a key that says where the event lies, so to enqueue them again, as after
 * a crash, does nothing as long as the queue remembers the key. How far a delivery has come is noted in
 * the machine's log, so that this is seldom asked of the queue.
 *
 * @module
 */
import { invalid, requireObject } from "../arguments.ts";
import { WalError } from "../errors.ts";
import type { Outlet } from "../layer/outlet.ts";
import { Delivery, KEY_SIZE, LEAST_KEYS, type OutboxLog } from "./delivery.ts";
import { encodeHandedOver } from "./entry_format.ts";
import { encodeMessages, isQueueName, MAX_QUEUES, type QueueMessages } from "./messages.ts";
import type { Undelivered } from "./undelivered.ts";

/** Messages for queues, by the queues' names, as a call gives them. */
export type Enqueue = Readonly<Record<string, readonly unknown[] | undefined>>;

/** Queues by their names. */
export type Outlets = ReadonlyMap<string, Outlet<unknown>>;

/** Hands messages over. */
export class OutboxRun {
  readonly #outlets: Outlets;
  readonly #deliveries: readonly Delivery[];
  #end: Promise<unknown> | undefined;

  /**
   * Makes the outbox of a machine that is being opened.
   *
   * @throws {WalError} `ERR_MACHINE_OUTBOX`: something is to be handed over to a queue that is not
   * there, or that has another codec.
   */
  constructor(log: OutboxLog, undelivered: Undelivered, outlets: Outlets) {
    for (const [name, { codec, indexes: [first = 0] }] of undelivered.queues) {
      const outlet = outlets.get(name);
      if (outlet?.codec === codec) continue;
      const why = outlet === undefined
        ? "it was opened without that queue"
        : `they are of the codec ${JSON.stringify(codec)}, and that queue has the codec ` +
          JSON.stringify(outlet.codec);
      throw new WalError(
        "ERR_MACHINE_OUTBOX",
        `"${log.path}" has messages for the queue ${
          JSON.stringify(name)
        }, from the event ${first} on, ` +
          `and cannot hand them over: ${why}. Nothing was changed. Open it with the queue that they ` +
          "are for.",
      );
    }
    this.#outlets = outlets;
    this.#deliveries = [...outlets].map(([name, outlet]) =>
      new Delivery(name, outlet, log, undelivered)
    );
  }

  /** How many calls have messages that are not in their queue yet; of several queues, the sum. */
  get pending(): number {
    return this.#deliveries.reduce((all, { pending }) => all + pending, 0);
  }

  /** Why messages could not be handed over; `undefined` if they could. */
  get error(): unknown {
    return this.#deliveries.find(({ error }) => error !== undefined)?.error;
  }

  /**
   * The bytes of the messages of a call; `undefined` if there are none.
   *
   * @throws {WalError} What the queues refuse of them. `ERR_WAL_INVALID_ARGUMENT`.
   */
  encode(enqueue: Enqueue): Uint8Array | undefined {
    requireObject("enqueue", enqueue);
    const all: QueueMessages[] = [];
    for (const [queue, values] of Object.entries(enqueue)) {
      const outlet = this.#outlets.get(queue);
      if (outlet === undefined) {
        throw invalid("enqueue", `messages for ${this.#names()}`, enqueue);
      }
      if (values === undefined || (Array.isArray(values) && values.length === 0)) continue;
      const messages = outlet.encode(values, KEY_SIZE);
      all.push({ queue, codec: outlet.codec, messages });
    }
    return all.length === 0 ? undefined : encodeMessages(all);
  }

  #names(): string {
    const names = [...this.#outlets.keys()].map((name) => JSON.stringify(name));
    if (names.length === 0) return "no queue, since the machine was opened without any";
    return `the queues that the machine was opened with, ${names.join(", ")}`;
  }

  /** Hands over what has become durable. */
  look(): void {
    for (const delivery of this.#deliveries) delivery.look();
  }

  /** Hands over all that is durable now, and rejects with what a queue refuses it for. */
  async drain(): Promise<void> {
    await Promise.all(this.#deliveries.map((delivery) => delivery.drain()));
  }

  /** Notes what was handed over, without a sync. */
  note(): void {
    for (const delivery of this.#deliveries) delivery.note();
  }

  /** Hands over what the queues take without a wait for room, and notes that. It never rejects. */
  async end(): Promise<void> {
    this.#end ??= Promise.all(this.#deliveries.map((delivery) => delivery.end()));
    await this.#end;
  }

  /** Hands nothing more over: the machine has ended. */
  stop(error: unknown): void {
    for (const delivery of this.#deliveries) delivery.stop(error);
  }
}

/**
 * The queues of an option.
 *
 * @param maxEntrySize The largest entry of the machine's log, if that is not the default.
 * @throws {WalError} `ERR_WAL_INVALID_ARGUMENT`.
 */
export function outletsOf(queues: unknown, maxEntrySize: number = Infinity): Outlets {
  requireObject("queues", queues);
  const all = Object.entries(queues);
  if (all.length > MAX_QUEUES) throw invalid("queues", `at most ${MAX_QUEUES} queues`, queues);
  const outlets = all.map(([name, queue]): [string, Outlet<unknown>] => {
    if (!isQueueName(name)) {
      throw invalid("name of a queue", "well-formed text of 1 to 255 bytes of UTF-8", name);
    }
    const noteSize = encodeHandedOver({ queue: name, index: 0 }).length;
    if (maxEntrySize < noteSize) {
      throw invalid("maxEntrySize", `at least ${noteSize} with the queue's name`, maxEntrySize);
    }
    return [name, outletOf(`queue ${JSON.stringify(name)}`, queue)];
  });
  // One key would be the same for both.
  if (new Set(outlets.map(([, outlet]) => outlet)).size < outlets.length) {
    throw invalid("queues", "queues that differ from each other", queues);
  }
  return new Map(outlets);
}

function outletOf(what: string, queue: unknown): Outlet<unknown> {
  requireObject(what, queue);
  const { outlet }: { outlet?: unknown } = queue;
  if (!isOutlet(outlet)) throw invalid(what, "a Queue", queue);
  if (outlet.keys >= LEAST_KEYS) return outlet;
  throw invalid(what, `one that remembers at least ${LEAST_KEYS} keys, by its option keys`, queue);
}

function isOutlet(value: unknown): value is Outlet<unknown> {
  if (typeof value !== "object" || value === null) return false;
  const { codec, keys, encode, enqueue } = value as Partial<Outlet<unknown>>;
  return typeof codec === "string" && typeof keys === "number" &&
    typeof encode === "function" && typeof enqueue === "function";
}
