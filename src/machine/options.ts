/**
 * The options of a state machine, and what they ask of their values.
 *
 * @module
 */
import { invalid, requireObject, requireOptions } from "../arguments.ts";
import {
  EVENT_OPTIONS,
  type EventOptions,
  type ResolvedEventOptions,
  resolveEventOptions,
} from "../events/options.ts";
import { json } from "../layer/codec.ts";
import { type LayerOptions, logOptions } from "../layer/options.ts";
import type { HasOutlet } from "../layer/outlet.ts";
import type { WalOptions } from "../options.ts";
import type { EventPlace } from "./held_state.ts";
import type { Offload } from "./offload.ts";
import { type Outlets, outletsOf } from "./outbox.ts";

/**
 * What a state machine is: the state without events, and what an event makes of a state.
 *
 * @example
 * ```ts
 * import type { MachineDefinition } from "@durable/wal/machine";
 *
 * const counter: MachineDefinition<number, { add: number }> = {
 *   initial: () => 0,
 *   apply: (count, { add }) => count + add,
 * };
 * ```
 */
export interface MachineDefinition<S, E, I = E>
  extends Partial<Omit<EventOptions<E, I>, "timestamps">> {
  /** Makes the state without any event. It may be called more than once. */
  initial: () => S;
  /**
   * What an event makes of a state: returns the next state and leaves the one it got as it was, or
   * changes the one it got and returns nothing. Synchronous, and the same whenever it is called: it
   * reads no clock, no random numbers and nothing outside of its arguments, since it runs again at
   * each open.
   *
   * What it throws refuses the event. Then nothing is written.
   */
  apply: (state: S, event: E, place: EventPlace) => S | void;
  /**
   * Whether `apply` never changes a state that it gets. Without it, that is found out: an `apply` that
   * returns the object that it got is taken for one that has changed it.
   *
   * @default {false: it is found out}
   */
  immutable?: boolean;
  /**
   * How many keys of calls are remembered: the last so many.
   *
   * @default {100000}
   */
  keys?: number;
  /** When snapshots are taken, and what is in them. */
  snapshot?: SnapshotOptions<S>;
}

/**
 * When snapshots of a state are taken, and what is in them.
 *
 * @example
 * ```ts
 * import type { SnapshotOptions } from "@durable/wal/machine";
 *
 * interface Bank {
 *   accounts: Record<string, number>;
 * }
 * const snapshot: SnapshotOptions<Bank> = {
 *   everyBytes: 16 * 1024 * 1024,
 *   version: 2,
 *   upgrade: { 1: (accounts: Record<string, number>) => ({ accounts }) },
 * };
 * ```
 */
export interface SnapshotOptions<S> {
  /**
   * After how many bytes of entries the next snapshot is taken; Infinity for none but those that
   * `snapshot()` takes.
   *
   * @default {67108864} (64 MiB)
   */
  everyBytes?: number;
  /**
   * The version of the state, from 1. Raise it when the state's shape changes.
   *
   * @default {1}
   */
  version?: number;
  /** From each version below `version` to the next one: a state that is loaded passes through them. */
  upgrade?: { readonly [version: number]: (state: never) => unknown };
  /**
   * Turns a state into bytes. Without it, JSON.
   *
   * With an `apply` that returns the next state, the pieces are taken one by one while events are
   * applied. With one that changes the state, all are taken at once.
   */
  save?: (state: S) => Iterable<Uint8Array>;
  /**
   * Turns the bytes into a state again. Each piece lies in memory that the next one uses again, and
   * pieces begin and end elsewhere than those that `save` gave.
   */
  load?: (pieces: Iterable<Uint8Array>) => S;
  /**
   * Whether the file is compressed with zstd where that saves a tenth.
   *
   * @default {true}
   */
  compress?: boolean;
  /**
   * Has each snapshot written by another thread, which rebuilds the state from the log: for a large
   * state that `apply` changes, or one of whose objects has very many keys. It passes the order on to
   * the thread, which calls `StateMachine.writeSnapshot`. While it has not settled, no other snapshot
   * is taken.
   *
   * @default {each is written by this thread}
   */
  offload?: Offload;
}

/**
 * How a state machine is opened: what it is, and the options of the log underneath.
 *
 * @example
 * ```ts
 * import type { MachineOptions } from "@durable/wal/machine";
 *
 * const options: MachineOptions<number, number> = {
 *   initial: () => 0,
 *   apply: (sum, amount) => sum + amount,
 *   segmentSize: 16 * 1024 * 1024,
 * };
 * ```
 */
export interface MachineOptions<S, E, I = E, Q = NoQueues>
  extends MachineDefinition<S, E, I>, Omit<LayerOptions, "readOnly"> {
  /**
   * The queues that `dispatch` may enqueue messages for, by the names that it calls them. Open them
   * before the machine, and close them after it. A replica hands nothing over.
   *
   * @default {none}
   */
  queues?: { readonly [Name in keyof Q]: HasOutlet<Q[Name]> };
}

/** A machine without queues. */
export type NoQueues = Record<never, never>;

/** What snapshots are, with the defaults. */
export interface ResolvedSnapshotOptions<S> {
  readonly everyBytes: number;
  readonly version: number;
  /** From each version to the next one, by the version. */
  readonly upgrades: readonly (((state: unknown) => unknown) | undefined)[];
  readonly save: ((state: S) => Iterable<Uint8Array>) | undefined;
  readonly load: ((pieces: Iterable<Uint8Array>) => S) | undefined;
  readonly compress: boolean;
  readonly offload: Offload | undefined;
}

/** What a state is, with the defaults. */
export interface ResolvedStateOptions<S, E> {
  readonly initial: () => S;
  readonly apply: (state: S, event: E, place: EventPlace) => S | void;
  readonly immutable: boolean;
  readonly snapshot: ResolvedSnapshotOptions<S>;
}

/** The options with their defaults. */
export interface ResolvedMachineOptions<S, E, I = E> extends ResolvedStateOptions<S, E> {
  readonly keys: number;
  readonly events: ResolvedEventOptions<E, I>;
  readonly outlets: Outlets;
  readonly log: WalOptions;
}

const EVENT: readonly string[] = EVENT_OPTIONS.filter((name) => name !== "timestamps");
const OWN: readonly string[] = [
  ...["initial", "apply", "immutable", "keys", "snapshot", "queues"],
  ...EVENT,
];
const SNAPSHOT: readonly (keyof SnapshotOptions<unknown>)[] = [
  "everyBytes",
  "version",
  "upgrade",
  "save",
  "load",
  "compress",
  "offload",
];

const DEFAULT_KEYS = 100_000;
const MAX_VERSION = 0xffffffff;

/** After how many bytes a snapshot is taken by default. */
export const EVERY_BYTES: number = 64 * 1024 * 1024;

/**
 * Fills in the defaults, and refuses what makes no sense.
 *
 * @throws {WalError} `ERR_WAL_INVALID_ARGUMENT`.
 */
export function resolveMachineOptions<S, E, I, Q>(
  options: MachineOptions<S, E, I, Q>,
): ResolvedMachineOptions<S, E, I> {
  const log = logOptions(options, OWN);
  if ("readOnly" in log) {
    throw invalid(
      "readOnly option",
      "left out: StateMachine.replica opens for reading",
      log.readOnly,
    );
  }
  const { initial, apply, immutable = false, keys = DEFAULT_KEYS } = options;
  if (typeof initial !== "function") throw invalid("initial", "a function", initial);
  if (typeof apply !== "function") throw invalid("apply", "a function", apply);
  if (typeof immutable !== "boolean") throw invalid("immutable", "true or false", immutable);
  if (!Number.isInteger(keys) || keys < 0) throw invalid("keys", "a whole number from 0", keys);
  const events = resolveEventOptions<E, I>({ ...eventOptionsOf(options), timestamps: true });
  const snapshot = resolveSnapshotOptions(options.snapshot ?? {});
  const outlets = outletsOf(options.queues ?? {}, log.maxEntrySize);
  return { initial, apply, immutable, keys, snapshot, events, outlets, log };
}

function eventOptionsOf<S, E, I>(options: MachineDefinition<S, E, I>): EventOptions<E, I> {
  const given = Object.entries(options)
    .filter(([name, value]) => EVENT.includes(name) && value !== undefined);
  return { codec: json<E>(), ...Object.fromEntries(given) };
}

/** The same for what snapshots are. */
export function resolveSnapshotOptions<S>(
  options: SnapshotOptions<S>,
): ResolvedSnapshotOptions<S> {
  requireOptions("snapshot", options, SNAPSHOT);
  const { everyBytes = EVERY_BYTES, version = 1, upgrade = {}, compress = true } = options;
  const { save, load, offload } = options;
  const isCount = Number.isInteger(everyBytes) || everyBytes === Infinity;
  if (!isCount || everyBytes < 1) {
    throw invalid("snapshot's everyBytes", "a whole number from 1, or Infinity", everyBytes);
  }
  if (!Number.isInteger(version) || version < 1 || version > MAX_VERSION) {
    throw invalid("snapshot's version", `a whole number from 1 to ${MAX_VERSION}`, version);
  }
  if (typeof compress !== "boolean") {
    throw invalid("snapshot's compress", "true or false", compress);
  }
  for (const [name, value] of Object.entries({ save, load, offload })) {
    if (value !== undefined && typeof value !== "function") {
      throw invalid(`snapshot's ${name}`, "a function", value);
    }
  }
  if ((save === undefined) !== (load === undefined)) {
    throw invalid("snapshot", "an object with both save and load, or neither", options);
  }
  const upgrades = upgradesOf(upgrade, version);
  return { everyBytes, version, upgrades, save, load, compress, offload };
}

/** The upgrades by their versions. A gap is an error only where a snapshot needs it. */
function upgradesOf(
  given: { readonly [version: number]: unknown },
  version: number,
): ResolvedSnapshotOptions<unknown>["upgrades"] {
  requireObject("snapshot's upgrade", given);
  const upgrades: (((state: unknown) => unknown) | undefined)[] = [];
  for (const [name, upgrade] of Object.entries(given)) {
    const from = Number(name);
    if (!Number.isInteger(from) || from < 1 || from >= version) {
      const wanted = `an object whose keys are versions below the version, ${version}`;
      throw invalid("snapshot's upgrade", wanted, name);
    }
    if (typeof upgrade !== "function") {
      throw invalid(`upgrade from version ${from}`, "a function", upgrade);
    }
    upgrades[from] = upgrade as (state: unknown) => unknown;
  }
  return upgrades;
}
