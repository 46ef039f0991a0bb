/**
 * A machine's state in a handle that only reads, in this process or another: it follows the log.
 *
 * @module
 */
import { invalid, isSignal, requireOptions } from "../arguments.ts";
import { WalError } from "../errors.ts";
import type { FileSystem } from "../fs/file_system.ts";
import type { Wal } from "../wal.ts";
import { readTag } from "../layer/tag.ts";
import { Keys } from "./keys.ts";
import type { MachineCoder } from "./machine_coder.ts";
import type { PlainState } from "./plain_state.ts";
import { applyEntry, type Folded, loadBeginning, requireNamed } from "./recovery.ts";
import { Undelivered } from "./undelivered.ts";

/** How often the beginning is looked for again when the writer removes it meanwhile. */
const TRIES = 8;

/** What a replica is made of. */
export interface ReplicaSetting<S, E, I> {
  readonly log: Wal;
  readonly fileSystem: FileSystem;
  readonly held: PlainState<S, E>;
  readonly coder: MachineCoder<E, I>;
}

/** A caller that waits for an index. */
interface Waiting {
  readonly index: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The state of a machine that another handle writes, a moment late. Each step is a whole batch of the
 * log, so what was decided together is seen together. It has only events that are durable.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 * import { type Replica, StateMachine } from "@durable/wal/machine";
 *
 * const options = {
 *   initial: () => 0,
 *   apply: (sum: number, amount: number) => sum + amount,
 *   fileSystem: new MemoryFileSystem(),
 * };
 * const machine = await StateMachine.open("a.wal", options);
 * const replica: Replica<number, number> = await StateMachine.replica("a.wal", options);
 * const index = await machine.dispatch(5);
 * await replica.reached(index);
 * assertEquals(replica.state, 5);
 * await replica.close();
 * await machine.close();
 * ```
 */
export class Replica<S, E, I = E> {
  readonly #log: Wal;
  readonly #fileSystem: FileSystem;
  readonly #held: PlainState<S, E>;
  readonly #coder: MachineCoder<E, I>;
  readonly #keys = new Keys(0);
  /** It hands nothing over, but the entries say what is to be. */
  readonly #undelivered = new Undelivered();
  readonly #stop = new AbortController();
  #index = 0;
  #waiting: Waiting[] = [];
  #failure: { readonly error: unknown } | undefined;
  #following: Promise<void> = Promise.resolve();

  private constructor({ log, fileSystem, held, coder }: ReplicaSetting<S, E, I>) {
    this.#log = log;
    this.#fileSystem = fileSystem;
    this.#held = held;
    this.#coder = coder;
  }

  /**
   * Loads the newest snapshot and begins to follow; use `StateMachine.replica`.
   *
   * @ignore
   */
  static async start<S, E, I>(setting: ReplicaSetting<S, E, I>): Promise<Replica<S, E, I>> {
    const replica = new Replica(setting);
    await replica.#begin();
    replica.#following = replica.#run();
    return replica;
  }

  /** The path of the log's first file. */
  get path(): string {
    return this.#log.path;
  }

  /**
   * The state now. Do not change it.
   *
   * @throws What ended the replica: an event that cannot be applied, or a log that cannot be read.
   */
  get state(): S {
    if (this.#failure !== undefined) throw this.#failure.error;
    return this.#held.state;
  }

  /** The index of the last event that the state has. */
  get index(): number {
    return this.#index;
  }

  /**
   * Waits until the state has an event.
   *
   * @param index The event's index, such as `dispatch` has returned it to the writer.
   * @param options The signal ends the wait.
   * @throws What ended the replica; `WalError` `ERR_WAL_CLOSED`; the signal's reason.
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
   * await replica.reached(await machine.dispatch(1), { signal: AbortSignal.timeout(5000) });
   * ```
   */
  reached(index: number, options: { signal?: AbortSignal } = {}): Promise<void> {
    try {
      if (!Number.isSafeInteger(index)) throw invalid("index", "a whole number", index);
      requireOptions("options", options, ["signal"]);
      const { signal } = options;
      if (signal !== undefined && !isSignal(signal)) {
        throw invalid("signal", "an AbortSignal", signal);
      }
      signal?.throwIfAborted();
      if (this.#failure !== undefined) throw this.#failure.error;
      if (this.#index >= index) return Promise.resolve();
      if (this.#stop.signal.aborted) throw this.#closed();
      return this.#wait(index, signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #wait(index: number, signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting: Waiting = { index, resolve, reject };
    this.#waiting.push(waiting);
    const onAbort = (): void => {
      this.#waiting = this.#waiting.filter((one) => one !== waiting);
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    const done = (): void => signal?.removeEventListener("abort", onAbort);
    promise.then(done, done);
    return promise;
  }

  /** Ends the replica and gives its files back. The last state can still be read. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#following;
    this.#tell(this.#closed());
    await this.#log.close();
  }

  /** Closes it at the end of a block that holds it with `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Loads the newest snapshot that the log's state names now. */
  async #begin(): Promise<void> {
    for (let tries = 1;; tries++) {
      await this.#log.refresh();
      const own = readTag(this.#log.state)?.own ?? new Uint8Array();
      try {
        const named = requireNamed(this.#log, own);
        const parts = { ...this.#folded(), log: this.#log, fileSystem: this.#fileSystem };
        const { index } = await loadBeginning(parts, named);
        this.#index = index;
        return;
      } catch (error) {
        // The writer may have named others meanwhile, and removed those.
        const isGone = error instanceof WalError && error.code === "ERR_MACHINE_NO_SNAPSHOT";
        if (!isGone || tries === TRIES) throw error;
      }
    }
  }

  #folded(): Folded<E> {
    return {
      held: this.#held,
      keys: this.#keys,
      undelivered: this.#undelivered,
      coder: this.#coder,
    };
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const folded = this.#folded();
    while (!signal.aborted) {
      try {
        const from = this.#index + 1;
        for await (const batch of this.#log.follow({ from, batches: true, signal })) {
          for (const { index, data } of batch) {
            const entry = { index, bytes: data, start: 0, end: data.length };
            applyEntry(folded, entry);
          }
          this.#index = batch.at(-1)?.index ?? this.#index;
          this.#wake();
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!await this.#beginAgain(error)) return;
      }
    }
  }

  /** After a head truncation has overtaken it: begins with a newer snapshot; false if it has ended. */
  async #beginAgain(error: unknown): Promise<boolean> {
    try {
      const isOvertaken = error instanceof WalError && error.code === "ERR_WAL_INDEX_OUT_OF_RANGE";
      if (!isOvertaken) throw error;
      const before = this.#index;
      await this.#begin();
      if (this.#index < before) throw error;
      this.#wake();
      return true;
    } catch (error) {
      this.#failure = { error };
      this.#tell(error);
      return false;
    }
  }

  #wake(): void {
    const ready = this.#waiting.filter(({ index }) => index <= this.#index);
    if (ready.length === 0) return;
    this.#waiting = this.#waiting.filter(({ index }) => index > this.#index);
    for (const { resolve } of ready) resolve();
  }

  #closed(): WalError {
    return new WalError("ERR_WAL_CLOSED", `The replica of "${this.path}" is closed.`);
  }

  #tell(error: unknown): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}
