/**
 * A state that survives: {@linkcode StateMachine} keeps what events have made of it, with snapshots,
 * so that an open reads the newest one and the events after it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 * import { StateMachine } from "@durable/wal/machine";
 *
 * type Accounts = Readonly<Record<string, number>>;
 * interface Moved {
 *   account: string;
 *   amount: number;
 * }
 *
 * // Leave fileSystem out to keep the log on disk.
 * const options = {
 *   initial: (): Accounts => ({}),
 *   apply: (accounts: Accounts, { account, amount }: Moved): Accounts => {
 *     const balance = (accounts[account] ?? 0) + amount;
 *     if (balance < 0) throw new Error(`${account} has not that much`);
 *     return { ...accounts, [account]: balance };
 *   },
 *   fileSystem: new MemoryFileSystem(),
 * };
 * const bank = await StateMachine.open("bank.wal", options);
 * await bank.dispatch({ account: "ada", amount: 10 }); // survives a power cut
 * await bank.transact(() => [{ account: "ada", amount: -4 }, { account: "bob", amount: 4 }]);
 * assertEquals(bank.state, { ada: 6, bob: 4 });
 * await bank.close();
 * ```
 *
 * @module
 */
import { invalid, requireOptions } from "../arguments.ts";
import type { FileSystem } from "../fs/file_system.ts";
import { defaultFileSystem } from "../fs/runtime.ts";
import { openTagged, type Tag, type TaggedLog } from "../layer/tag.ts";
import type { WalOptions } from "../options.ts";
import type { SnapshotSummary } from "../snapshot/snapshot.ts";
import type { BatchRange } from "../wal.ts";
import { DEFAULT_MODE, MachineCore, type MachineRecovery } from "./core.ts";
import { Keys } from "./keys.ts";
import { MachineCoder } from "./machine_coder.ts";
import {
  type MachineOptions,
  type NoQueues,
  type ResolvedMachineOptions,
  resolveMachineOptions,
} from "./options.ts";
import type { SnapshotOrder } from "./offload.ts";
import { requireOrder, writeOrdered } from "./ordered_snapshot.ts";
import { PlainState } from "./plain_state.ts";
import { Replica } from "./replica.ts";
import { Undelivered } from "./undelivered.ts";
import { verifyEvents } from "./verification.ts";

export { ReplayError, SchemaError, type SchemaIssue, UnreadableEventError } from "../errors.ts";
export type { EventOptions, Upcast } from "../events/options.ts";
export { bytes, type Codec, json, text } from "../layer/codec.ts";
export type { LayerOptions } from "../layer/options.ts";
export type { HasOutlet, Outlet } from "../layer/outlet.ts";
export type { SchemaResult, StandardSchema } from "../layer/schema.ts";
export type { MachineRecovery } from "./core.ts";
export type { EventPlace } from "./held_state.ts";
export type { MachineDefinition, MachineOptions, NoQueues, SnapshotOptions } from "./options.ts";
export type { Offload, SnapshotOrder } from "./offload.ts";
export { Replica } from "./replica.ts";
export type { SnapshotSummary } from "../snapshot/snapshot.ts";

/** The version of the bytes of a machine's entries and state. */
const FORMAT = 1;

/**
 * What a transaction asks for.
 *
 * @example
 * ```ts
 * import type { TransactOptions } from "@durable/wal/machine";
 *
 * const options: TransactOptions = { key: "order-17" };
 * ```
 */
export interface TransactOptions {
  /**
   * Names the call, so that it may be repeated: a call with the key of one that was made does nothing,
   * and is answered as that one was. A call that was refused, or that decided nothing, was not made: the
   * key is free, and a repeat decides by the state as it is then.
   */
  key?: string;
}

/**
 * What a dispatch asks for.
 *
 * @example
 * ```ts
 * import type { DispatchOptions } from "@durable/wal/machine";
 *
 * const options: DispatchOptions<{ mail: string }> = { key: "order-17", enqueue: { mail: ["Thanks"] } };
 * ```
 */
export interface DispatchOptions<Q = NoQueues> extends TransactOptions {
  /**
   * Messages that belong to the event, by the names of the queues that they are for. They are written
   * with it, and handed over to the queues once it is durable. If the call does nothing because of its
   * key, neither do they.
   *
   * @default {none}
   */
  enqueue?: { readonly [Name in keyof Q]?: readonly Q[Name][] };
}

const TRANSACT_OPTIONS: readonly (keyof TransactOptions)[] = ["key"];
const DISPATCH_OPTIONS: readonly (keyof DispatchOptions)[] = [...TRANSACT_OPTIONS, "enqueue"];

/**
 * The messages of a machine that are on their way to their queues.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 * import { type Outbox, StateMachine } from "@durable/wal/machine";
 * import { Queue, text } from "@durable/wal/queue";
 *
 * const fileSystem = new MemoryFileSystem();
 * await using mail = await Queue.open("mail.wal", { codec: text(), fileSystem });
 * await using orders = await StateMachine.open("orders.wal", {
 *   initial: () => 0,
 *   apply: (count: number, _: string) => count + 1,
 *   queues: { mail },
 *   fileSystem,
 * });
 * await orders.dispatch("tea", { enqueue: { mail: ["A tea for you"] } });
 * const outbox: Outbox = orders.outbox;
 * await outbox.drain();
 * assertEquals([outbox.pending, outbox.error], [0, undefined]);
 * ```
 */
export interface Outbox {
  /** How many dispatches have messages that are not in their queue yet; a sum over the queues. */
  readonly pending: number;
  /**
   * Why the messages could not be handed over that were tried last: what the queue's `enqueue` threw.
   * `undefined` if they could. What a full disk refuses is tried again each second; anything else at
   * {@linkcode drain}, at the end, and at the next open.
   */
  readonly error: unknown;
  /**
   * Waits until the messages of all dispatches so far are in their queues.
   *
   * Durability at return: the messages, in the queues.
   *
   * @throws What a queue's `enqueue` throws, such as `WalError` `ERR_QUEUE_CLOSED`. The messages stay
   * in the machine's log. `ERR_WAL_CLOSED`, and what has ended the machine.
   */
  drain(): Promise<void>;
}

/**
 * A state, and the log of the events that made it.
 *
 * - What a call has resolved to is in every later state, whatever crash comes.
 * - After an open the state is what `apply` makes of a prefix of the events, in the order of the calls,
 *   and of the events of one call all or none.
 * - What `apply` refuses is never written.
 *
 * `state` shows an event as soon as its call was made; `index` and `durableIndex` say how far it is
 * ahead of the disk. The events of calls that are made together are one batch: if the disk is full,
 * all these calls reject and the state goes back, if `apply` returns a new state. If it changes the
 * state that it gets, the machine ends, and an open rebuilds the state.
 *
 * @example Validation that refuses, and a key that makes a repeat harmless
 * ```ts
 * import { assertEquals, assertRejects } from "@std/assert";
 * import { WalError } from "@durable/wal";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 * import { StateMachine } from "@durable/wal/machine";
 *
 * const stock = await StateMachine.open("stock.wal", {
 *   initial: () => 0,
 *   apply(left: number, change: number) {
 *     if (left + change < 0) throw new RangeError("Sold out");
 *     return left + change;
 *   },
 *   fileSystem: new MemoryFileSystem(),
 * });
 * await stock.dispatch(5, { key: "delivery-1" });
 * await stock.dispatch(5, { key: "delivery-1" }); // a retry: nothing happens
 * const error = await assertRejects(() => stock.dispatch(-6), WalError);
 * assertEquals([stock.state, error.code], [5, "ERR_MACHINE_REFUSED"]);
 * await stock.close();
 * ```
 */
export class StateMachine<S, E, I = E, Q = NoQueues> {
  /** The messages that are on their way to their queues. */
  readonly outbox: Outbox;
  readonly #core: MachineCore<E, I>;
  readonly #held: PlainState<S, E>;

  private constructor(core: MachineCore<E, I>, held: PlainState<S, E>) {
    this.#core = core;
    this.#held = held;
    this.outbox = {
      get pending(): number {
        return core.outbox.pending;
      },
      get error(): unknown {
        return core.outbox.error;
      },
      drain: () => core.drain(),
    };
  }

  /**
   * Opens the machine at `path`, or makes it: loads the newest snapshot that is whole, and applies the
   * events after it.
   *
   * Durability at return: every event that the state then has.
   *
   * @param path The path of the log's first file.
   * @param options See {@linkcode MachineOptions}.
   * @throws As `Wal.open`, and `WalError` `ERR_WAL_FORMAT`: what is there is no state machine's log, or
   * one of another codec. `ERR_MACHINE_REPLAY`: an event cannot be applied any more.
   * `ERR_MACHINE_NO_SNAPSHOT`: no snapshot can be used and the first events are gone.
   * `ERR_MACHINE_STATE`: `load` or an upgrade threw. `ERR_SNAPSHOT_VERSION`: a later program wrote the
   * newest snapshot. `ERR_SNAPSHOT_ZSTD`. `ERR_MACHINE_OUTBOX`: there are messages for a queue that is
   * not among `queues`, or has another codec.
   *
   * @example
   * ```ts
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { StateMachine } from "@durable/wal/machine";
   *
   * const machine = await StateMachine.open("words.wal", {
   *   initial: (): readonly string[] => [],
   *   apply: (words, word: string) => [...words, word],
   *   snapshot: { everyBytes: 1024 * 1024 },
   *   fileSystem: new MemoryFileSystem(),
   * });
   * await machine.close();
   * ```
   */
  static async open<S, E, I = E, Q = NoQueues>(
    path: string,
    options: MachineOptions<S, E, I, Q>,
  ): Promise<StateMachine<S, E, I, Q>> {
    const resolved = resolveMachineOptions(options);
    const held = new PlainState(resolved);
    const core = await MachineCore.open<E, I>(path, {
      tag: tagOf(resolved),
      held,
      coder: new MachineCoder(resolved.events),
      keys: resolved.keys,
      everyBytes: resolved.snapshot.everyBytes,
      compress: resolved.snapshot.compress,
      offload: resolved.snapshot.offload,
      outlets: resolved.outlets,
      log: resolved.log,
    });
    return new StateMachine(core, held);
  }

  /**
   * Opens the state for reading, beside the machine that writes it, in this process or another. It
   * takes no lock, writes nothing, and follows the log.
   *
   * Durability at return: every event that the replica ever shows is durable.
   *
   * @param path The path of the log's first file.
   * @param options As those of the machine.
   * @throws As {@linkcode open}, and `ERR_WAL_NOT_FOUND`: there is no such machine yet.
   *
   * @example
   * ```ts
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { StateMachine } from "@durable/wal/machine";
   *
   * const options = {
   *   initial: () => 0,
   *   apply: (sum: number, amount: number) => sum + amount,
   *   fileSystem: new MemoryFileSystem(),
   * };
   * await using machine = await StateMachine.open("a.wal", options);
   * await using replica = await StateMachine.replica("a.wal", options);
   * console.log(machine.state, replica.state);
   * ```
   */
  static async replica<S, E, I = E>(
    path: string,
    options: MachineOptions<S, E, I>,
  ): Promise<Replica<S, E, I>> {
    const resolved = resolveMachineOptions(options);
    const { log, fileSystem } = await openToRead(path, resolved);
    try {
      const held = new PlainState(resolved);
      const coder = new MachineCoder(resolved.events);
      return await Replica.start({ log, fileSystem, held, coder });
    } catch (error) {
      await log.close();
      throw error;
    }
  }

  /**
   * Applies the events between the last two snapshots again, and compares what comes of them with the
   * newest one: whether `apply` gives the same whenever it runs. It takes no lock and changes nothing,
   * so it may run beside the machine, in a worker or another process. It takes the time of an open and
   * of a snapshot.
   *
   * Two states are the same if they are saved as the same bytes.
   *
   * @param path The path of the log's first file.
   * @param options As those of the machine.
   * @returns The index up to which the events were compared; 0 if there is nothing to compare with: no
   * snapshot, or one of an older version of the state.
   * @throws As {@linkcode replica}, and `WalError` `ERR_MACHINE_DIVERGED`: the states differ.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { StateMachine } from "@durable/wal/machine";
   *
   * const options = {
   *   initial: () => 0,
   *   apply: (sum: number, amount: number) => sum + amount,
   *   fileSystem: new MemoryFileSystem(),
   * };
   * await using machine = await StateMachine.open("a.wal", options);
   * await machine.dispatch(1);
   * await machine.snapshot();
   * assertEquals(await StateMachine.verify("a.wal", options), 1);
   * ```
   */
  static async verify<S, E, I = E>(
    path: string,
    options: MachineOptions<S, E, I>,
  ): Promise<number> {
    const resolved = resolveMachineOptions(options);
    const { log, own, fileSystem } = await openToRead(path, resolved);
    try {
      const held = new PlainState(resolved);
      const coder = new MachineCoder(resolved.events);
      const keys = new Keys(resolved.keys);
      const undelivered = new Undelivered();
      return await verifyEvents({ log, fileSystem, held, coder, keys, undelivered }, own);
    } finally {
      await log.close();
    }
  }

  /**
   * Writes a snapshot that a machine in another thread has ordered by its `offload`: reads the newest
   * snapshot and the events up to the order's index, and writes the file. It takes no lock and changes
   * nothing else. Call it in the thread.
   *
   * Durability at return: the file. It counts once the machine has named it.
   *
   * @param order What `offload` got.
   * @param options As those of the machine.
   * @returns What the file says of its content.
   * @throws As {@linkcode replica}, and `WalError` `ERR_SNAPSHOT_OFFLOAD`: the log does not have these
   * events. `ERR_SNAPSHOT_EXISTS`, `ERR_SNAPSHOT_WRITE_FAILED`, `ERR_MACHINE_STATE`.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { type SnapshotOrder, StateMachine } from "@durable/wal/machine";
   *
   * const definition = {
   *   initial: () => ({ sum: 0 }),
   *   apply: (state: { sum: number }, amount: number) => void (state.sum += amount),
   *   fileSystem: new MemoryFileSystem(), // left out where there is another thread
   * };
   * // In a real program: post the order to a worker, which makes this call and answers.
   * const offload = (order: SnapshotOrder) => StateMachine.writeSnapshot(order, definition);
   * await using machine = await StateMachine.open("a.wal", { ...definition, snapshot: { offload } });
   * await machine.dispatch(5);
   * assertEquals(await machine.snapshot(), 1);
   * ```
   */
  static async writeSnapshot<S, E, I = E>(
    order: SnapshotOrder,
    options: MachineOptions<S, E, I>,
  ): Promise<SnapshotSummary> {
    requireOrder(order);
    const resolved = resolveMachineOptions(options);
    const { log, own, fileSystem } = await openToRead(order.log, resolved);
    try {
      const held = new PlainState(resolved);
      const coder = new MachineCoder(resolved.events);
      const keys = new Keys(resolved.keys);
      const parts = { log, fileSystem, held, coder, keys, undelivered: new Undelivered() };
      const { snapshot: { compress }, log: { mode = DEFAULT_MODE } } = resolved;
      return await writeOrdered(parts, own, order, { compress, mode });
    } finally {
      await log.close();
    }
  }

  /** The path of the log's first file, absolute and without links. */
  get path(): string {
    return this.#core.log.path;
  }

  /**
   * The state, with every event that was dispatched and not refused. Do not change it.
   *
   * @throws What ended the machine: then the state may have what the log has not.
   */
  get state(): S {
    this.#core.requireState();
    return this.#held.state;
  }

  /**
   * The index of the last event that {@linkcode state} has.
   *
   * @throws As {@linkcode state}.
   */
  get index(): number {
    return this.#core.index;
  }

  /** The index of the last event that is known to be durable. */
  get durableIndex(): number {
    return this.#core.log.durableIndex;
  }

  /** The size of the log in bytes, without the snapshots. */
  get byteLength(): number {
    return this.#core.log.byteLength;
  }

  /** What open found, and what it rebuilt the state from. */
  get recovery(): MachineRecovery {
    return this.#core.recovery;
  }

  /**
   * Why the last snapshot failed that was taken by itself; `undefined` if it did not. It is tried again
   * after as many bytes as are between two.
   */
  get snapshotError(): unknown {
    return this.#core.snapshotError;
  }

  /**
   * Applies an event and makes it durable; many at once share a write and a sync.
   *
   * Durability at return: the event, and all that were dispatched before it.
   *
   * @param event The event. It is encoded before the call returns, and `apply` gets what its bytes say.
   * @param options The call's key, and messages for queues.
   * @returns The event's index; with a key that was given before, that of the first event of that call.
   * @throws `WalError` `ERR_MACHINE_REFUSED`: `apply` threw, which is the cause. `ERR_MACHINE_ASYNC`: it
   * returned a promise. `ERR_EVENT_SCHEMA`, `ERR_EVENT_CODEC`, `ERR_EVENT_UNREADABLE`: the event has no
   * form. `ERR_WAL_ENTRY_TOO_LARGE`, `ERR_WAL_WRITE_FAILED` (a full disk). After all of these the state
   * and the log are as before, if `apply` returns a new state. `ERR_MACHINE_DIVERGED`: it changes the
   * one that it gets, and the machine has ended. `ERR_WAL_SYNC_FAILED`, `ERR_WAL_MOVED`: the machine has
   * ended. `ERR_WAL_CLOSED`. `ERR_WAL_BUSY`: `apply` or `decode` made the call. What a queue's `enqueue`
   * refuses messages for, such as `ERR_QUEUE_CLOSED`: nothing was written.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { StateMachine } from "@durable/wal/machine";
   *
   * await using machine = await StateMachine.open("a.wal", {
   *   initial: () => 0,
   *   apply: (sum, amount: number) => sum + amount,
   *   fileSystem: new MemoryFileSystem(),
   * });
   * const indexes = await Promise.all([machine.dispatch(1), machine.dispatch(2)]);
   * assertEquals([indexes, machine.state], [[1, 2], 3]);
   * ```
   */
  dispatch(event: I, options?: DispatchOptions<Q>): Promise<number> {
    if (options === undefined) return this.#core.dispatch(event);
    try {
      requireOptions("options", options, DISPATCH_OPTIONS);
    } catch (error) {
      return Promise.reject(error);
    }
    const { key, enqueue } = options;
    return this.#core.dispatch(event, { key, enqueue });
  }

  /**
   * Decides by the state, and makes what was decided durable as one atom: after any crash all of its
   * events are there or none.
   *
   * Durability at return: the events, and all that were dispatched before them.
   *
   * @param decide Gets the state and returns events, at once; none is allowed. It must not change the
   * state. What it throws rejects the call, and nothing has happened.
   * @param options The call's key. With the key of a call that was made, `decide` is not called.
   * @returns The indexes of the events; of none, a range that ends before it begins.
   * @throws As {@linkcode dispatch}, and `ERR_WAL_BATCH_TOO_LARGE`: the events fit no segment.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { StateMachine } from "@durable/wal/machine";
   *
   * await using machine = await StateMachine.open("a.wal", {
   *   initial: () => 10,
   *   apply: (sum, amount: number) => sum + amount,
   *   fileSystem: new MemoryFileSystem(),
   * });
   * const halve = (sum: number) => (sum % 2 === 0 ? [-sum / 2] : []);
   * assertEquals(await machine.transact(halve), { firstIndex: 1, lastIndex: 1 });
   * assertEquals(machine.state, 5);
   * ```
   */
  async transact(
    decide: (state: S) => readonly I[],
    options: TransactOptions = {},
  ): Promise<BatchRange> {
    if (typeof decide !== "function") throw invalid("decide", "a function", decide);
    requireOptions("options", options, TRANSACT_OPTIONS);
    return await this.#core.decide(() => decide(this.#held.state), options.key);
  }

  /**
   * Takes a snapshot of the state as it is when the call's turn comes, and drops the events that no
   * snapshot needs any more. Calls of {@linkcode dispatch} are answered meanwhile.
   *
   * Durability at return: the snapshot, and its name in the log's state.
   *
   * @returns The index of the last event that is in the newest snapshot.
   * @throws `WalError` `ERR_SNAPSHOT_WRITE_FAILED`, `ERR_WAL_WRITE_FAILED`: a full disk; the machine
   * continues with the snapshots that it had. `ERR_MACHINE_STATE`: `save` threw. `ERR_WAL_SYNC_FAILED`,
   * `ERR_WAL_MOVED`: the machine has ended. `ERR_WAL_CLOSED`: the machine was closed meanwhile.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { StateMachine } from "@durable/wal/machine";
   *
   * await using machine = await StateMachine.open("a.wal", {
   *   initial: () => 0,
   *   apply: (sum, amount: number) => sum + amount,
   *   fileSystem: new MemoryFileSystem(),
   * });
   * await machine.dispatch(1);
   * assertEquals(await machine.snapshot(), 1);
   * ```
   */
  snapshot(): Promise<number> {
    return this.#core.snapshot();
  }

  /**
   * Closes the machine. Calls that wait are answered first, and their messages handed over to the queues
   * that have room for them; the others stay in the log until the next open. A snapshot that is being
   * taken is given up. A second call does nothing more.
   *
   * Durability at return: every event that was not refused.
   *
   * @throws As `close` of the log. `ERR_WAL_BUSY`: `apply` or `decode` made the call.
   */
  close(): Promise<void> {
    return this.#core.close();
  }

  /** Closes the machine at the end of a block that holds it with `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Opens a machine's log beside its writer. */
async function openToRead<S, E, I>(
  path: string,
  resolved: ResolvedMachineOptions<S, E, I>,
): Promise<TaggedLog & { readonly fileSystem: FileSystem }> {
  const fileSystem = resolved.log.fileSystem ?? await defaultFileSystem();
  const options: WalOptions = { ...resolved.log, fileSystem, readOnly: true };
  return { ...await openTagged(path, options, tagOf(resolved)), fileSystem };
}

/** What a machine's log is marked with. */
function tagOf<S, E, I>({ events: { codec } }: ResolvedMachineOptions<S, E, I>): Tag {
  return { kind: "machine", codec: codec.name, format: FORMAT };
}
