/**
 * From an event and its key to an entry of the log, and back.
 *
 * @module
 */
import { UnreadableEventError } from "../errors.ts";
import { EventCoder } from "../events/event_coder.ts";
import { headerSize, readTime, writeHeader } from "../events/format.ts";
import type { ResolvedEventOptions } from "../events/options.ts";
import type { Codec } from "../layer/codec.ts";
import {
  decodeHandedOver,
  type EntryHead,
  type HandedOver,
  joinEntry,
  splitEntry,
} from "./entry_format.ts";

/** An event, and what stands in front of it. */
export interface EventEntry<E> extends EntryHead {
  readonly kind: "event";
  readonly event: E;
  /** When it was dispatched, in milliseconds since 1970. */
  readonly time: number;
  /** The version that it was written in. */
  readonly version: number;
}

/** What an entry holds. */
export type MachineEntry<E> = EventEntry<E> | ({ readonly kind: "handed over" } & HandedOver);

/** Turns events into entries and back. */
export class MachineCoder<E, I = E> {
  readonly #events: EventCoder<E, I>;
  readonly #codec: Codec<E>;
  /** How many bytes stand in front of an event's own. */
  readonly #headerSize: number;
  /** The first byte of an event of this program's version, with a time if there are times. */
  readonly #firstByte: number;
  readonly #version: number;

  constructor(options: ResolvedEventOptions<E, I>) {
    this.#events = new EventCoder(options);
    this.#codec = options.codec;
    this.#headerSize = headerSize(options.now !== undefined);
    const header = new Uint8Array(this.#headerSize);
    writeHeader(header, options.version, options.now === undefined ? undefined : 0);
    this.#firstByte = header[0] as number;
    this.#version = options.version;
  }

  /** The time that events of this moment get, in milliseconds since 1970; `undefined` for none. */
  now(): number | undefined {
    return this.#events.now();
  }

  /**
   * The entry of an event, in memory of its own.
   *
   * @param time What {@linkcode now} has returned.
   * @throws {WalError} `ERR_EVENT_SCHEMA`, `ERR_EVENT_CODEC`.
   */
  encode(event: I, time: number | undefined, head: EntryHead): Uint8Array {
    return joinEntry(this.#events.encode(event, time), head);
  }

  /**
   * The event of an entry that {@linkcode encode} has made, as a replay will read it.
   *
   * @throws {UnreadableEventError} `ERR_EVENT_UNREADABLE`: the codec does not read what it wrote.
   */
  readBack(index: number, entry: Uint8Array): E {
    const at = (splitEntry(entry)?.eventAt ?? 0) + this.#headerSize;
    try {
      return this.#codec.decode(entry.subarray(at));
    } catch {
      // This says what is wrong.
      return this.#decodeEvent(index, entry).event;
    }
  }

  /**
   * What an entry holds.
   *
   * @param entry May be memory that is used again.
   * @throws {UnreadableEventError} `ERR_EVENT_UNREADABLE`.
   */
  decode(index: number, entry: Uint8Array): MachineEntry<E> {
    const handedOver = decodeHandedOver(entry);
    return handedOver === undefined
      ? this.#decodeEvent(index, entry)
      : { kind: "handed over", ...handedOver };
  }

  #decodeEvent(index: number, entry: Uint8Array): EventEntry<E> {
    const parts = splitEntry(entry);
    if (parts === undefined) {
      const message = `Entry ${index} is none of a state machine of this version: it has ` +
        `${entry.length} bytes, and no event where its first byte says. Use the version that wrote it.`;
      throw new UnreadableEventError(message, { index, version: undefined });
    }
    const bytes = parts.eventAt === 0 ? entry : entry.subarray(parts.eventAt);
    const { value, time = 0, version } = this.#events.decode(index, bytes);
    const { key, messages } = parts;
    return { kind: "event", event: value, time, version, key, messages };
  }

  /**
   * The same of an entry that lies among others: the fastest way for the events of most logs, which
   * are of this program's version and have nothing in front.
   *
   * @param bytes Memory that is used again.
   */
  decodeAt(index: number, bytes: Uint8Array, start: number, end: number): MachineEntry<E> {
    const at = start + this.#headerSize;
    if (bytes[start] !== this.#firstByte || at > end) {
      return this.decode(index, bytes.subarray(start, end));
    }
    const time = this.#headerSize === 1 ? 0 : readTime(bytes, start + 1);
    let event: E;
    try {
      event = this.#codec.decode(bytes.subarray(at, end));
    } catch {
      // This says what is wrong.
      return this.decode(index, bytes.subarray(start, end));
    }
    const version = this.#version;
    return { kind: "event", event, time, version, key: undefined, messages: undefined };
  }
}
