/**
 * From an event to an entry of the log and back: schema, codec, version and time.
 *
 * @module
 */
import { invalid } from "../arguments.ts";
import { UnreadableEventError } from "../errors.ts";
import { isPromise } from "../fs/promise.ts";
import { Encoder } from "../layer/encoder.ts";
import { validate } from "../layer/schema.ts";
import { headerSize, MAX_TIME, readHeader, writeHeader } from "./format.ts";
import type { ResolvedEventOptions } from "./options.ts";

/**
 * An event of the log.
 *
 * @example
 * ```ts
 * import type { EventEntry } from "@durable/wal/events";
 *
 * const entry: EventEntry<string> = { index: 1, version: 1, time: 1767225600000, value: "paid" };
 * ```
 */
export interface EventEntry<T> {
  /** The event's index, from 1. */
  readonly index: number;
  /** The version that it was written in; `value` is of the log's version all the same. */
  readonly version: number;
  /** When it was appended, in milliseconds since 1970; `undefined` if that was not written. */
  readonly time: number | undefined;
  /** The event. */
  readonly value: T;
}

/** Turns events into entries and back. */
export class EventCoder<T, I = T> {
  readonly #options: ResolvedEventOptions<T, I>;
  readonly #encoder: Encoder<T>;
  readonly #headerSize: number;

  constructor(options: ResolvedEventOptions<T, I>) {
    this.#options = options;
    this.#encoder = new Encoder(options.codec);
    this.#headerSize = headerSize(options.now !== undefined);
  }

  /**
   * The time that events of this moment get, in milliseconds since 1970; `undefined` for none.
   *
   * @throws {WalError} `ERR_WAL_INVALID_ARGUMENT`: the clock that was given returned no time.
   */
  now(): number | undefined {
    const { now } = this.#options;
    if (now === undefined) return undefined;
    const time = Math.floor(now());
    if (time >= 0 && time <= MAX_TIME) return time;
    throw invalid("clock's time (now)", `milliseconds from 0 to ${MAX_TIME}`, time);
  }

  /**
   * The entry of an event.
   *
   * @param time What {@linkcode now} has returned.
   * @returns Memory that the next call uses again: append it, or copy it, at once.
   * @throws {SchemaError} `ERR_EVENT_SCHEMA`.
   * @throws {WalError} `ERR_EVENT_SCHEMA`, `ERR_EVENT_CODEC`.
   */
  encode(value: I, time: number | undefined): Uint8Array {
    const { schema, version } = this.#options;
    // Without a schema, what is appended is what is read.
    const event = schema === undefined ? value as unknown as T : validate(schema, value);
    const entry = this.#encoder.encode(this.#headerSize, event);
    writeHeader(entry, version, time);
    return entry;
  }

  /**
   * The event of an entry, in this program's version.
   *
   * @param entry May be memory that is used again.
   * @throws {UnreadableEventError} `ERR_EVENT_UNREADABLE`.
   */
  decode(index: number, entry: Uint8Array): EventEntry<T> {
    const header = readHeader(entry);
    const version = header?.version;
    if (header === undefined || version === undefined || version === 0) {
      const message =
        `Entry ${index} does not begin as an event does: it has ${entry.length} bytes, ` +
        "and no version. It was not written by this layer.";
      throw new UnreadableEventError(message, { index, version: version || undefined });
    }
    this.#requireKnown(index, version);
    let value: unknown;
    try {
      value = this.#options.codec.decode(entry.subarray(header.size));
    } catch (cause) {
      const { name } = this.#options.codec;
      const message =
        `The codec "${name}" cannot decode entry ${index}, of version ${version}. The ` +
        "entry is whole, so compare the codec with the one that wrote it.";
      throw new UnreadableEventError(message, { index, version }, { cause });
    }
    if (version < this.#options.version) value = this.#upcast(index, version, value);
    return { index, version, time: header.time, value: value as T };
  }

  #requireKnown(index: number, version: number): void {
    const { version: newest, oldestVersion: oldest } = this.#options;
    if (version >= oldest && version <= newest) return;
    const known = oldest === newest ? `version ${newest}` : `the versions ${oldest} to ${newest}`;
    const next = version > newest
      ? "A later program wrote it: open the log with that one."
      : "Open the log with a lower oldestVersion, and the upcasts from there.";
    throw new UnreadableEventError(
      `Entry ${index} is of version ${version}, and this program knows ${known}. ${next}`,
      { index, version },
    );
  }

  /** A value of an older version, in this program's. */
  #upcast(index: number, version: number, value: unknown): unknown {
    const { version: newest, upcasts } = this.#options;
    let current = value;
    for (let from = version; from < newest; from++) {
      try {
        current = upcasts[from]?.(current);
      } catch (cause) {
        throw this.#upcastFailed(index, version, from, "threw an error, which is the cause", cause);
      }
      if (isPromise(current)) {
        current.then(undefined, () => {});
        throw this.#upcastFailed(index, version, from, "returned a promise");
      }
    }
    return current;
  }

  #upcastFailed(
    index: number,
    version: number,
    from: number,
    what: string,
    cause?: unknown,
  ): UnreadableEventError {
    return new UnreadableEventError(
      `Entry ${index}, of version ${version}, cannot be read: the upcast from version ${from} to ` +
        `${from + 1} ${what}. Mend the upcast and read again.`,
      { index, version },
      cause === undefined ? undefined : { cause },
    );
  }
}
