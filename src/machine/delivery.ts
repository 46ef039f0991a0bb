/**
 * The way of a machine's messages into one queue.
 *
 * A few hundred calls are handed over at a time, in their order, so that the queue makes them durable
 * together. Only when it has is that noted in the machine's log, and no more are handed over than the
 * queue remembers keys for before the note is durable.
 *
 * @module
 */
import { WalError } from "../errors.ts";
import { readHeader } from "../events/format.ts";
import { clock, type Timer } from "../fs/clock.ts";
import type { Outlet } from "../layer/outlet.ts";
import type { Wal } from "../wal.ts";
import { type HandedOver, splitEntry } from "./entry_format.ts";
import { decodeMessages } from "./messages.ts";
import type { Undelivered } from "./undelivered.ts";

/** The machine's log, as an outbox uses it. */
export interface OutboxLog {
  readonly path: string;
  readonly id: string;
  readonly durableIndex: number;
  /** What has ended the machine. */
  readonly ending: { readonly error: unknown } | undefined;
  getEntry(index: number): Uint8Array;
  /** Appends that messages were handed over, and takes it in. */
  note(handedOver: HandedOver): void;
  sync(): Promise<void>;
}

/** The log of a machine, with what the machine does to it. */
export function outboxLogOf(
  log: Wal,
  { ending, ...calls }: Pick<OutboxLog, "note" | "sync"> & { ending(): OutboxLog["ending"] },
): OutboxLog {
  return {
    ...calls,
    path: log.path,
    id: log.id,
    getEntry: (index) => log.getEntry(index),
    get durableIndex(): number {
      return log.durableIndex;
    },
    get ending(): OutboxLog["ending"] {
      return ending();
    },
  };
}

/** How many calls are handed over at the most before that is noted. */
const MOST_AHEAD = 256;

/** After how many bytes of entries those before are handed over first. */
const MOST_BYTES = 1024 * 1024;

/** The least number of keys that a queue has to remember, so that those of the calls are among them. */
export const LEAST_KEYS: number = 4 * MOST_AHEAD;

/** The most bytes of a key: the log's id, the event's index and its time. */
export const KEY_SIZE = 72;

/** After how many milliseconds it is noted what was handed over, and tried again what was not. */
const WAIT = 1000;

/** Hands messages over to one queue. */
export class Delivery {
  /** Why messages could not be handed over; `undefined` if they could. */
  error: unknown;
  readonly #name: string;
  readonly #outlet: Outlet<unknown>;
  readonly #log: OutboxLog;
  readonly #undelivered: Undelivered;
  /** How many of the calls that are not noted are in the queue: the first ones. */
  #ahead = 0;
  #running: Promise<void> | undefined;
  /** Ends the wait for room. */
  #wait: AbortController | undefined;
  #timer: Timer | undefined;
  #isEnding = false;

  constructor(name: string, outlet: Outlet<unknown>, log: OutboxLog, undelivered: Undelivered) {
    this.#name = name;
    this.#outlet = outlet;
    this.#log = log;
    this.#undelivered = undelivered;
  }

  /** How many calls have messages that are not in the queue yet. */
  get pending(): number {
    return this.#indexes.length - this.#ahead;
  }

  get #indexes(): readonly number[] {
    return this.#undelivered.queues.get(this.#name)?.indexes ?? [];
  }

  /** Hands over what has become durable, unless it is waited with. */
  look(): void {
    if (this.pending > 0 && this.error === undefined) void this.#run();
  }

  /** Hands over all that is durable now. */
  async drain(): Promise<void> {
    const last = this.#indexes.findLast((index) => index <= this.#log.durableIndex);
    while (last !== undefined && this.#isPending(last)) {
      await this.#run();
      if (this.#log.ending !== undefined) throw this.#log.ending.error;
      if (this.error !== undefined) throw this.error;
    }
  }

  #isPending(index: number): boolean {
    return this.#indexes.indexOf(index, this.#ahead) >= 0;
  }

  /** Notes what was handed over, without a sync. */
  note(): void {
    const index = this.#indexes[this.#ahead - 1];
    if (index === undefined) return;
    this.#log.note({ queue: this.#name, index });
    this.#ahead = 0;
  }

  /** Hands over what the queue takes without a wait for room, and notes that. It never rejects. */
  async end(): Promise<void> {
    this.#isEnding = true;
    this.#timer?.cancel();
    this.#wait?.abort(this.#noRoom());
    await this.#running;
    await this.#run();
    this.#tryToNote();
  }

  /** Hands nothing more over: the machine has ended. */
  stop(error: unknown): void {
    this.#timer?.cancel();
    this.#wait?.abort(error);
  }

  #run(): Promise<void> {
    this.#running ??= this.#handAllOver();
    return this.#running;
  }

  /** Hands over what is durable, until the queue refuses some. It never rejects. */
  async #handAllOver(): Promise<void> {
    try {
      for (let isMore = true; isMore;) {
        if (this.#ahead >= MOST_AHEAD) await this.#noteAndSync();
        isMore = await this.#handSomeOver();
      }
      this.error = undefined;
    } catch (error) {
      this.error = error;
    } finally {
      this.#running = undefined;
    }
    this.#lookLater();
  }

  /** Hands over the next calls; false if there are none. Throws why the queue has refused one. */
  async #handSomeOver(): Promise<boolean> {
    const wait = new AbortController();
    this.#wait = wait;
    const calls = [...this.#due()].map((entry) => this.#enqueue(entry, wait.signal));
    if (this.#isEnding) wait.abort(this.#noRoom());
    const outcomes = await Promise.allSettled(calls);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") throw outcome.reason;
      this.#ahead++;
    }
    return calls.length > 0;
  }

  /** The calls that are handed over next, with their entries. */
  *#due(): Generator<{ readonly index: number; readonly entry: Uint8Array }> {
    if (this.#log.ending !== undefined) return;
    const { durableIndex } = this.#log;
    let bytes = 0;
    for (const index of this.#indexes.slice(this.#ahead, MOST_AHEAD)) {
      if (index > durableIndex || bytes > MOST_BYTES) return;
      const entry = this.#log.getEntry(index);
      bytes += entry.length;
      yield { index, entry };
    }
  }

  async #enqueue(
    { index, entry }: { readonly index: number; readonly entry: Uint8Array },
    signal: AbortSignal,
  ): Promise<void> {
    const { messages = new Uint8Array([0]), eventAt = 0 } = splitEntry(entry) ?? {};
    const { time = 0 } = readHeader(entry.subarray(eventAt)) ?? {};
    const own = decodeMessages(messages).find(({ queue }) => queue === this.#name);
    if (own === undefined) return;
    // An index may come again with another event, in a log that was put back. Its time differs.
    const key = `${this.#log.id}/${index}/${time}`;
    await this.#outlet.enqueue(own.messages, { key, signal });
  }

  async #noteAndSync(): Promise<void> {
    if (this.#ahead === 0) return;
    this.note();
    await this.#log.sync();
  }

  #tryToNote(): void {
    try {
      if (this.#log.ending === undefined) this.note();
    } catch (error) {
      this.error ??= error;
    }
  }

  /** Notes soon what was handed over, and tries again what a full disk has refused. */
  #lookLater(): void {
    const isRefused = this.error instanceof WalError && this.error.code === "ERR_WAL_WRITE_FAILED";
    if (this.#isEnding || this.#timer !== undefined || this.#log.ending !== undefined) return;
    if (this.#ahead === 0 && !isRefused) return;
    this.#timer = clock.after(WAIT, () => {
      this.#timer = undefined;
      if (!this.#isEnding) void this.#lookAgain();
    });
  }

  async #lookAgain(): Promise<void> {
    try {
      if (this.#log.ending === undefined) await this.#noteAndSync();
    } catch (error) {
      this.error = error;
    }
    await this.#run();
  }

  #noRoom(): WalError {
    return new WalError(
      "ERR_MACHINE_OUTBOX",
      `"${this.#log.path}" was closed while the queue ${
        JSON.stringify(this.#name)
      } had no room for ` +
        "its messages. They are in the machine's log, and are handed over once it is open again.",
    );
  }
}
