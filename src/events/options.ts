/**
 * The options of a log of events, and what they ask of their values.
 *
 * @module
 */
import { invalid, requireObject } from "../arguments.ts";
import { type Codec, requireCodec } from "../layer/codec.ts";
import { type LayerOptions, logOptions } from "../layer/options.ts";
import { requireSchema, type StandardSchema } from "../layer/schema.ts";
import type { WalOptions } from "../options.ts";
import { MAX_VERSION } from "./format.ts";

/**
 * From a version to the next one: turns a value of its version into one of the version after it. It
 * is synchronous, and may change the value that it gets and return it.
 *
 * @example
 * ```ts
 * import type { Upcast } from "@durable/wal/events";
 *
 * const addCurrency: Upcast = (order: { total: number }) => ({ ...order, currency: "EUR" });
 * ```
 */
export type Upcast = (value: never) => unknown;

/**
 * How events become entries of the log and events again. A layer that lies on events has these too.
 *
 * @example
 * ```ts
 * import { type EventOptions, json } from "@durable/wal/events";
 *
 * const options: EventOptions<{ total: number; currency: string }> = {
 *   codec: json(),
 *   version: 2,
 *   upcast: { 1: (order: { total: number }) => ({ ...order, currency: "EUR" }) },
 * };
 * ```
 */
export interface EventOptions<T, I = T> {
  /** How an event becomes bytes: `json()`, `text()`, `bytes()`, or an object of your own. */
  codec: Codec<T>;
  /**
   * Checks each event before it is appended; what is written is its output. Of any library that
   * follows Standard Schema, such as zod, valibot or arktype, and without asynchronous steps.
   *
   * @default {none: every event that the codec has a form for}
   */
  schema?: StandardSchema<I, T>;
  /**
   * The version of the events that are appended, from 1 to 127. Raise it when their shape changes.
   *
   * @default {1}
   */
  version?: number;
  /**
   * From each version below `version` to the next one: what is read of an older version passes
   * through all of them. A gap is refused.
   *
   * @default {none}
   */
  upcast?: { readonly [version: number]: Upcast };
  /**
   * The oldest version that is still in the log. Upcasts from versions below it may be left out.
   *
   * @default {1}
   */
  oldestVersion?: number;
  /**
   * Writes with each event when it was appended, in six bytes.
   *
   * @default {true}
   */
  timestamps?: boolean;
  /**
   * The clock of the timestamps: milliseconds since 1970.
   *
   * @default {Date.now}
   */
  now?: () => number;
}

/**
 * How a log of events is opened: how events become entries, and the options of the log underneath.
 *
 * @example
 * ```ts
 * import { EventLog, type EventLogOptions, json } from "@durable/wal/events";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 *
 * const options: EventLogOptions<{ amount: number }> = {
 *   codec: json(),
 *   segmentSize: 16 * 1024 * 1024,
 *   fileSystem: new MemoryFileSystem(),
 * };
 * const log = await EventLog.open("a.wal", options);
 * await log.close();
 * ```
 */
export interface EventLogOptions<T, I = T> extends EventOptions<T, I>, LayerOptions {}

/**
 * The same with a schema, by which the types of the events are known: those of `json()` need not be
 * said again.
 *
 * @example
 * ```ts
 * import { type CheckedEventLogOptions, json, type StandardSchema } from "@durable/wal/events";
 *
 * const optionsFor = <T>(schema: StandardSchema<T>): CheckedEventLogOptions<T> => ({
 *   codec: json(),
 *   schema,
 * });
 * console.log(optionsFor.length);
 * ```
 */
export interface CheckedEventLogOptions<T, I = T>
  extends Omit<EventLogOptions<NoInfer<T>, NoInfer<I>>, "codec" | "schema"> {
  /** How an event becomes bytes. */
  codec: Codec<NoInfer<T>> | Codec<unknown>;
  /** Checks each event before it is appended; what is written is its output. */
  schema: StandardSchema<I, T>;
}

/** The options with their defaults. */
export interface ResolvedEventOptions<T, I> {
  readonly codec: Codec<T>;
  readonly schema: StandardSchema<I, T> | undefined;
  readonly version: number;
  readonly oldestVersion: number;
  /** From each version to the next one, by the version; those without are `undefined`. */
  readonly upcasts: readonly (((value: unknown) => unknown) | undefined)[];
  /** The clock; `undefined` to write no time. */
  readonly now: (() => number) | undefined;
}

/** The names of the options by which events become entries. */
export const EVENT_OPTIONS: readonly (keyof EventOptions<unknown>)[] = [
  "codec",
  "schema",
  "version",
  "upcast",
  "oldestVersion",
  "timestamps",
  "now",
];

/** Takes the options of a log of events apart: those of the log underneath are apart. */
export function resolveEventLogOptions<T, I>(
  options: EventLogOptions<T, I>,
): { events: ResolvedEventOptions<T, I>; log: WalOptions } {
  const log = logOptions(options, EVENT_OPTIONS);
  return { events: resolveEventOptions(options), log };
}

/**
 * Fills in the defaults, and refuses what makes no sense.
 *
 * @throws {WalError} `ERR_WAL_INVALID_ARGUMENT`.
 */
export function resolveEventOptions<T, I>(
  options: EventOptions<T, I>,
): ResolvedEventOptions<T, I> {
  requireObject("options", options);
  const { codec, schema, version = 1, oldestVersion = 1, timestamps = true } = options;
  const { upcast = {}, now = Date.now } = options;
  requireCodec(codec);
  if (schema !== undefined) requireSchema(schema);
  if (!isVersion(version, MAX_VERSION)) {
    throw invalid("version", `a whole number from 1 to ${MAX_VERSION}`, version);
  }
  if (!isVersion(oldestVersion, version)) {
    throw invalid(
      "oldestVersion",
      `a whole number from 1 to the version, ${version}`,
      oldestVersion,
    );
  }
  if (typeof timestamps !== "boolean") throw invalid("timestamps", "true or false", timestamps);
  if (typeof now !== "function") throw invalid("clock (now)", "a function", now);
  return {
    codec,
    schema,
    version,
    oldestVersion,
    upcasts: upcastsOf(upcast, oldestVersion, version),
    now: timestamps ? now : undefined,
  };
}

function isVersion(value: unknown, most: number): boolean {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= most;
}

/** The upcasts by their versions, without a gap. */
function upcastsOf(
  given: { readonly [version: number]: unknown },
  oldestVersion: number,
  version: number,
): ResolvedEventOptions<unknown, unknown>["upcasts"] {
  requireObject("upcast", given);
  for (const name of Object.keys(given)) {
    if (String(Number(name)) === name && isVersion(Number(name), version - 1)) continue;
    const wanted = `an object whose keys are versions below the version, ${version}`;
    throw invalid("upcast", wanted, name);
  }
  const upcasts: (((value: unknown) => unknown) | undefined)[] = [];
  for (let from = 1; from < version; from++) {
    const upcast = given[from];
    const isLeftOut = upcast === undefined && from < oldestVersion;
    if (!isLeftOut && typeof upcast !== "function") {
      const what = `upcast from version ${from} to ${from + 1}`;
      throw invalid(what, "a function, since events of that version may be in the log", upcast);
    }
    upcasts[from] = upcast as ((value: unknown) => unknown) | undefined;
  }
  return upcasts;
}
