/**
 * A log of typed events: values of a codec and a schema, with versions and timestamps.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { EventLog, json } from "@durable/wal/events";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 *
 * interface Order {
 *   id: number;
 *   total: number;
 * }
 *
 * // Leave fileSystem out to keep the log on disk.
 * const fileSystem = new MemoryFileSystem();
 * await using orders = await EventLog.open("orders.wal", { codec: json<Order>(), fileSystem });
 * await orders.append({ id: 1, total: 9.5 }); // survives a power cut
 * for (const { index, value } of orders.entries()) assertEquals([index, value.total], [1, 9.5]);
 * ```
 *
 * @module
 */
import { invalid, isArray, requireOptions } from "../arguments.ts";
import { copyOf } from "../bytes.ts";
import type { Entry, EntryRange } from "../entry.ts";
import { WalError } from "../errors.ts";
import type { Retained, RetainOptions } from "../files/retention.ts";
import type { SegmentInfo } from "../files/segment_list.ts";
import type { FileSystem } from "../fs/file_system.ts";
import { defaultFileSystem } from "../fs/runtime.ts";
import { openTagged, type Tag } from "../layer/tag.ts";
import type { Recovery } from "../opening/open.ts";
import type { FollowBatchesOptions, FollowOptions } from "../reader/follow.ts";
import type { BatchRange, Wal } from "../wal.ts";
import { Decoded } from "./decoded.ts";
import { EventCoder, type EventEntry } from "./event_coder.ts";
import { readHeader } from "./format.ts";
import {
  type CheckedEventLogOptions,
  type EventLogOptions,
  resolveEventLogOptions,
} from "./options.ts";
import { reversed } from "./reversed.ts";

export { SchemaError, type SchemaIssue, UnreadableEventError } from "../errors.ts";
export { bytes, type Codec, json, text } from "../layer/codec.ts";
export type { LayerOptions } from "../layer/options.ts";
export type { SchemaResult, StandardSchema } from "../layer/schema.ts";
export type { EventEntry } from "./event_coder.ts";
export type { CheckedEventLogOptions, EventLogOptions, EventOptions, Upcast } from "./options.ts";

/**
 * What an append asks for.
 *
 * @example
 * ```ts
 * import type { EventAppendOptions } from "@durable/wal/events";
 *
 * const options: EventAppendOptions = { expect: 41 };
 * ```
 */
export interface EventAppendOptions {
  /**
   * The last index that the caller has seen. If the log has another one, nothing is appended.
   *
   * @default {none: append whatever the log has}
   */
  expect?: number;
}

/**
 * A range of events, both ends included, and the order in which they are read.
 *
 * @example
 * ```ts
 * import type { EventRange } from "@durable/wal/events";
 *
 * const latestFirst: EventRange = { from: 10, reverse: true };
 * ```
 */
export interface EventRange extends EntryRange {
  /**
   * Reads from the last to the first.
   *
   * @default {false}
   */
  reverse?: boolean;
}

/**
 * How much of a log of events is kept. An event is as old as the later of two times says: its own, and
 * that of the last change of its segment's file.
 *
 * @example
 * ```ts
 * import type { EventRetainOptions } from "@durable/wal/events";
 *
 * const options: EventRetainOptions = { age: 7 * 24 * 60 * 60 * 1000, keep: { replica: 90 } };
 * ```
 */
export type EventRetainOptions = Omit<RetainOptions, "timeOf">;

const RETAIN_OPTIONS: readonly (keyof EventRetainOptions)[] = ["bytes", "age", "keep"];
const APPEND_OPTIONS: readonly (keyof EventAppendOptions)[] = ["expect"];
const RANGE: readonly (keyof EventRange)[] = ["from", "to", "reverse"];

/** The version of the bytes in front of an event. */
const FORMAT = 1;

/**
 * A log of events.
 *
 * An event is encoded before the call returns, so it may be changed after the call. Events of calls
 * that are made together share a sync, and keep the order of the calls. Each call is for itself: if
 * the disk is full, one may be refused and a later one be accepted. Events that only make sense
 * together belong into {@linkcode appendAll}; one that rests on others, after these were awaited or
 * with `expect`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { EventLog, json } from "@durable/wal/events";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 *
 * const fileSystem = new MemoryFileSystem();
 * await using accounts = await EventLog.open("accounts.wal", {
 *   codec: json<{ account: string; amount: number }>(),
 *   fileSystem,
 * });
 * await accounts.appendAll([ // one atom: both, or none
 *   { account: "a", amount: -5 },
 *   { account: "b", amount: 5 },
 * ]);
 * const [latest] = accounts.entries({ reverse: true });
 * assertEquals(latest?.value, { account: "b", amount: 5 });
 * ```
 */
export class EventLog<T, I = T> {
  readonly #log: Wal;
  readonly #coder: EventCoder<T, I>;
  readonly #fileSystem: Pick<FileSystem, "modified">;

  private constructor(
    log: Wal,
    coder: EventCoder<T, I>,
    fileSystem: Pick<FileSystem, "modified">,
  ) {
    this.#log = log;
    this.#coder = coder;
    this.#fileSystem = fileSystem;
  }

  /**
   * Opens the log of events at `path`, or makes it.
   *
   * Durability at return: every event that the log then has.
   *
   * @param path The path of the log's first file.
   * @param options See {@linkcode EventLogOptions}.
   * @throws As `Wal.open`, and `WalError` `ERR_WAL_FORMAT`: what is there is no log of events, or one
   * of another codec. `ERR_WAL_INVALID_ARGUMENT`: also a version without an upcast.
   * `ERR_WAL_NOT_FOUND`: with `readOnly`, also a log that its writer has not opened yet.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { EventLog, json } from "@durable/wal/events";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const fileSystem = new MemoryFileSystem();
   * const first = await EventLog.open("a.wal", { codec: json<{ name: string }>(), fileSystem });
   * await first.append({ name: "Ada Lovelace" });
   * await first.close();
   *
   * await using log = await EventLog.open("a.wal", {
   *   codec: json<{ names: string[] }>(),
   *   version: 2,
   *   upcast: { 1: ({ name }: { name: string }) => ({ names: name.split(" ") }) },
   *   fileSystem,
   * });
   * assertEquals(log.get(1).value, { names: ["Ada", "Lovelace"] });
   * ```
   */
  static open<T>(
    path: string,
    options: EventLogOptions<T> & { schema?: undefined },
  ): Promise<EventLog<T>>;
  /** With a schema, by which the types of the events are known. */
  static open<T, I = T>(
    path: string,
    options: CheckedEventLogOptions<T, I>,
  ): Promise<EventLog<T, I>>;
  /** With options of which it is not known whether they have a schema. */
  static open<T, I = T>(path: string, options: EventLogOptions<T, I>): Promise<EventLog<T, I>>;
  static async open<T, I>(
    path: string,
    options: EventLogOptions<T, I>,
  ): Promise<EventLog<T, I>> {
    const { events, log: logOptions } = resolveEventLogOptions(options);
    const tag: Tag = { kind: "events", codec: events.codec.name, format: FORMAT };
    const fileSystem = logOptions.fileSystem ?? await defaultFileSystem();
    const { log } = await openTagged(path, { ...logOptions, fileSystem }, tag);
    return new EventLog(log, new EventCoder(events), fileSystem);
  }

  /** The path of the log's first file, absolute and without links. */
  get path(): string {
    return this.#log.path;
  }

  /** What open found at the end of the log and did about it. */
  get recovery(): Recovery {
    return this.#log.recovery;
  }

  /** The size of the log in bytes. */
  get byteLength(): number {
    return this.#log.byteLength;
  }

  /** The index of the first event; one above {@linkcode lastIndex} if there is none. */
  get firstIndex(): number {
    return this.#log.firstIndex;
  }

  /**
   * The index of the last event that was written; one below {@linkcode firstIndex} if there is none.
   */
  get lastIndex(): number {
    return this.#log.lastIndex;
  }

  /** The last index that is known to be durable. */
  get durableIndex(): number {
    return this.#log.durableIndex;
  }

  /**
   * Appends an event; many at once share a sync.
   *
   * Durability at return: the event, and all that were appended before.
   *
   * @param value The event; it may be changed after the call.
   * @param options See {@linkcode EventAppendOptions}.
   * @returns The event's index.
   * @throws {SchemaError} `ERR_EVENT_SCHEMA`: the event does not pass the schema. Nothing was written.
   * @throws {WalError} `ERR_EVENT_SCHEMA`: the schema threw, or is asynchronous. `ERR_EVENT_CODEC`: the
   * codec has no form for the event. `ERR_EVENT_CONFLICT`: the last index is not the expected one.
   * Nothing was written. And as `appendAndSync` of `Wal`.
   *
   * @example
   * ```ts
   * import { assertEquals, assertRejects } from "@std/assert";
   * import { EventLog, text } from "@durable/wal/events";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const fileSystem = new MemoryFileSystem();
   * await using log = await EventLog.open("a.wal", { codec: text(), fileSystem });
   * const seen = log.lastIndex;
   * assertEquals(await log.append("sold to Ada", { expect: seen }), 1);
   * await assertRejects(() => log.append("sold to Bob", { expect: seen }));
   * ```
   */
  append(value: I, options?: EventAppendOptions): Promise<number> {
    // Not an async function: this promise is the log's own.
    try {
      const expected = expectedIn(options);
      const entry = this.#coder.encode(value, this.#coder.now());
      if (expected === undefined) return this.#log.appendAndSync(entry);
      return this.#appendAfter(expected, () => this.#log.append(entry));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Appends events as one atom: after any crash all of them are there or none.
   *
   * Durability at return: the events, and all that were appended before.
   *
   * @param values At least one event; they may be changed after the call.
   * @param options See {@linkcode EventAppendOptions}.
   * @returns The indexes of the first and the last of them.
   * @throws As {@linkcode append}, and {@linkcode WalError} `ERR_WAL_BATCH_TOO_LARGE`: they fit no
   * segment. Nothing was written.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { EventLog, text } from "@durable/wal/events";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const fileSystem = new MemoryFileSystem();
   * await using log = await EventLog.open("a.wal", { codec: text(), fileSystem });
   * assertEquals(await log.appendAll(["debit", "credit"]), { firstIndex: 1, lastIndex: 2 });
   * ```
   */
  async appendAll(values: readonly I[], options?: EventAppendOptions): Promise<BatchRange> {
    const expected = expectedIn(options);
    if (!isArray(values) || values.length === 0) {
      throw invalid("events", "an array of at least one event", values);
    }
    const time = this.#coder.now();
    const entries: Uint8Array[] = [];
    for (const value of values) entries.push(copyOf(this.#coder.encode(value, time)));
    if (expected === undefined) return await this.#log.appendBatchAndSync(entries);
    return await this.#appendAfter(expected, () => this.#log.appendBatch(entries));
  }

  /** Writes before it returns, and waits for the disk, if the last index is the one that is expected. */
  async #appendAfter<R>(expected: number, write: () => R): Promise<R> {
    // It writes what waits for a shared sync before it returns, so the last index is that of the
    // event that the next one follows.
    const synced = this.#log.sync();
    const { lastIndex, path } = this.#log;
    if (lastIndex === expected) {
      // If that sync fails, so does the one below.
      synced.catch(() => {});
      const written = write();
      await this.#log.sync();
      return written;
    }
    await synced;
    throw new WalError(
      "ERR_EVENT_CONFLICT",
      `The last event of "${path}" is ${lastIndex}, and ${expected} was expected. Nothing was ` +
        "written. Read what was appended, decide again, and append with the new last index.",
    );
  }

  /**
   * Reads one event.
   *
   * @param index The event's index.
   * @throws {WalError} `ERR_WAL_INDEX_OUT_OF_RANGE`: no such event. `ERR_WAL_CLOSED`. `ERR_WAL_IO`.
   * @throws {UnreadableEventError} `ERR_EVENT_UNREADABLE`: the entry is whole, and its version is
   * unknown, or the codec or an upcast threw.
   * @throws `CorruptionError` `ERR_WAL_CORRUPT`: the entry fails its checksum.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { EventLog, text } from "@durable/wal/events";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const fileSystem = new MemoryFileSystem();
   * const now = () => 1767225600000;
   * await using log = await EventLog.open("a.wal", { codec: text(), now, fileSystem });
   * await log.append("paid");
   * assertEquals(log.get(1), { index: 1, version: 1, time: 1767225600000, value: "paid" });
   * ```
   */
  get(index: number): EventEntry<T> {
    return this.#coder.decode(index, this.#log.getEntry(index));
  }

  /**
   * Reads events in order, or in reverse, as the loop asks for them. Events that are appended
   * meanwhile are not among them.
   *
   * @param range Which events, and in which order; by default all, from the first.
   * @throws As {@linkcode get}; `from` may be one above {@linkcode lastIndex}, which gives none. An
   * event that was dropped before it was read is `ERR_WAL_INDEX_OUT_OF_RANGE`.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { EventLog, text } from "@durable/wal/events";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const fileSystem = new MemoryFileSystem();
   * await using log = await EventLog.open("a.wal", { codec: text(), fileSystem });
   * await log.appendAll(["a", "b", "c"]);
   * assertEquals(Array.from(log.entries({ from: 2 }), ({ value }) => value), ["b", "c"]);
   * const reverse = log.entries({ from: 2, reverse: true });
   * assertEquals(Array.from(reverse, ({ value }) => value), ["c", "b"]);
   * ```
   */
  entries(range: EventRange = {}): Generator<EventEntry<T>, void, undefined> {
    requireOptions("range", range, RANGE);
    const { reverse = false, ...forwards } = range;
    if (typeof reverse !== "boolean") throw invalid("reverse", "true or false", reverse);
    // Also for a reverse loop: it refuses a wrong range at once.
    const entries = this.#log.entries(forwards);
    const { from = this.firstIndex, to = this.lastIndex } = forwards;
    return this.#decoded(reverse ? reversed(this.#log, from, to) : entries);
  }

  *#decoded(
    entries: Iterable<{ readonly index: number; readonly data: Uint8Array }>,
  ): Generator<EventEntry<T>, void, undefined> {
    for (const { index, data } of entries) yield this.#coder.decode(index, data);
  }

  /**
   * Yields events as they come, those that are there first; waits for more until the loop is left,
   * the signal is aborted or the log is closed. Works beside the writer and in a reader
   * (`readOnly`), also of another process.
   *
   * @param options From where, until when, and whether to wait for the disk.
   * @throws As `follow` of `Wal`, and {@linkcode UnreadableEventError} `ERR_EVENT_UNREADABLE`, which
   * ends the loop.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { EventLog, text } from "@durable/wal/events";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const fileSystem = new MemoryFileSystem();
   * await using log = await EventLog.open("a.wal", { codec: text(), fileSystem });
   * setTimeout(() => log.append("paid"), 10);
   * for await (const { value } of log.follow()) {
   *   assertEquals(value, "paid");
   *   break;
   * }
   * ```
   */
  follow(options?: FollowOptions): AsyncGenerator<EventEntry<T>, void, undefined>;
  /**
   * Yields atoms as they come: an array of the events of one `appendAll`, or of one `append`. So the
   * caller never sees half of what belongs together. All else is as without `batches`.
   *
   * @param options From where, until when, and whether to wait for the disk; `batches: true`.
   * @throws As without `batches`.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { EventLog, text } from "@durable/wal/events";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const fileSystem = new MemoryFileSystem();
   * await using log = await EventLog.open("a.wal", { codec: text(), fileSystem });
   * await log.appendAll(["debit", "credit"]);
   * for await (const events of log.follow({ batches: true })) {
   *   assertEquals(events.map(({ value }) => value), ["debit", "credit"]);
   *   break;
   * }
   * ```
   */
  follow(
    options: FollowBatchesOptions,
  ): AsyncGenerator<readonly EventEntry<T>[], void, undefined>;
  follow(
    options: FollowOptions & { batches?: boolean } = {},
  ): AsyncGenerator<EventEntry<T> | readonly EventEntry<T>[], void, undefined> {
    const decode = ({ index, data }: Entry): EventEntry<T> => this.#coder.decode(index, data);
    return isOfBatches(options)
      ? new Decoded(this.#log.follow(options), (batch) => batch.map(decode))
      : new Decoded(this.#log.follow(options), decode);
  }

  /**
   * Drops all events below an index, which a snapshot has. Space comes back a segment at a time.
   *
   * Durability at return: the events are gone and never come back.
   *
   * @param index The new first index; one above {@linkcode lastIndex} drops everything.
   * @throws As `truncateBeforeIndex` of `Wal`.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { EventLog, text } from "@durable/wal/events";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const fileSystem = new MemoryFileSystem();
   * await using log = await EventLog.open("a.wal", { codec: text(), fileSystem });
   * await log.appendAll(["a", "b", "c"]);
   * await log.truncateBefore(3);
   * assertEquals([log.firstIndex, log.lastIndex], [3, 3]);
   * ```
   */
  truncateBefore(index: number): Promise<void> {
    return this.#log.truncateBeforeIndex(index);
  }

  /**
   * Drops whole segments from the head, oldest first, while the log is larger than `bytes` or the
   * newest event of the segment is older than `age`. Never drops an event that something named in
   * `keep` still needs, and never the last segment.
   *
   * An event is as old as the later of two times says: its own, and that of the last change of its
   * segment's file. So a clock that was wrong for a while, as at the start of a machine without a
   * battery, makes nothing go that is new; a copy whose files have new times is kept for longer.
   *
   * Durability at return: the events are gone and never come back.
   *
   * @param options How much is kept, and what still needs events.
   * @returns The new first index, the bytes that were given back, and the holder that held back more.
   * @throws As `retain` of `Wal`.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { EventLog, text } from "@durable/wal/events";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const fileSystem = new MemoryFileSystem();
   * const options = { codec: text(), segmentSize: 256, fileSystem };
   * await using log = await EventLog.open("a.wal", options);
   * await log.append("old".padEnd(200));
   * await log.append("new".padEnd(200));
   * const day = 24 * 60 * 60 * 1000;
   * assertEquals((await log.retain({ age: day })).firstIndex, 1);
   * assertEquals((await log.retain({ bytes: 500 })).firstIndex, 2);
   * ```
   */
  async retain(options: EventRetainOptions): Promise<Retained> {
    requireOptions("options", options, RETAIN_OPTIONS);
    const timeOf = ({ lastIndex, path }: SegmentInfo): number | undefined => {
      const time = readHeader(this.#log.getEntry(lastIndex))?.time;
      const changed = this.#fileSystem.modified?.(path);
      return time === undefined || changed === undefined ? time : Math.max(time, changed);
    };
    return await this.#log.retain({ ...options, timeOf });
  }

  /**
   * Waits until every event is durable that was appended before the call.
   *
   * Durability at return: these events.
   *
   * @throws As `sync` of `Wal`.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { EventLog, text } from "@durable/wal/events";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const fileSystem = new MemoryFileSystem();
   * await using log = await EventLog.open("a.wal", { codec: text(), fileSystem });
   * const index = log.append("paid");
   * await log.sync();
   * assertEquals(log.durableIndex, await index);
   * ```
   */
  sync(): Promise<void> {
    return this.#log.sync();
  }

  /**
   * In a handle that only reads: shows the log as it is now. A follower does so by itself.
   *
   * Durability at return: nothing new.
   *
   * @throws As `refresh` of `Wal`.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { EventLog, text } from "@durable/wal/events";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const fileSystem = new MemoryFileSystem();
   * await using log = await EventLog.open("a.wal", { codec: text(), fileSystem });
   * await using reader = await EventLog.open("a.wal", {
   *   codec: text(),
   *   readOnly: true,
   *   fileSystem,
   * });
   * await log.append("paid");
   * await reader.refresh();
   * assertEquals(reader.get(1).value, "paid");
   * ```
   */
  refresh(): Promise<void> {
    return this.#log.refresh();
  }

  /**
   * Closes the log and gives the lock back. A second call does nothing more.
   *
   * Durability at return: every event.
   *
   * @throws As `close` of `Wal`.
   *
   * @example
   * ```ts
   * import { EventLog, text } from "@durable/wal/events";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * const fileSystem = new MemoryFileSystem();
   * const log = await EventLog.open("a.wal", { codec: text(), fileSystem });
   * await log.close();
   * ```
   */
  close(): Promise<void> {
    return this.#log.close();
  }

  /**
   * Closes the log at the end of a block that holds it with `await using`.
   *
   * @example
   * ```ts
   * import { EventLog, text } from "@durable/wal/events";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   *
   * {
   *   const fileSystem = new MemoryFileSystem();
   *   await using log = await EventLog.open("a.wal", { codec: text(), fileSystem });
   *   await log.append("paid");
   * } // here the lock is free
   * ```
   */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Whether a follower is to yield batches; what else it is, the log checks. */
function isOfBatches(
  options: FollowOptions & { batches?: boolean },
): options is FollowBatchesOptions {
  return options?.batches === true;
}

/** The index that an append expects to follow; `undefined` for any. */
function expectedIn(options: EventAppendOptions | undefined): number | undefined {
  if (options === undefined) return undefined;
  requireOptions("options", options, APPEND_OPTIONS);
  const { expect } = options;
  if (expect === undefined || (Number.isSafeInteger(expect) && expect >= 0)) return expect;
  throw invalid("expect", "the last index that was seen, a whole number from 0", expect);
}
