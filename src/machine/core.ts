/**
 * The machine without its face: a state, its log, and its snapshots. `StateMachine` and `DurableMap`
 * are made of it.
 *
 * A call encodes its events, applies them in memory, and joins the turn: the calls that are made
 * together. At its end all events of the turn are appended as one batch, then synced, then all its
 * calls are answered. So what `apply` refuses never reaches the log, and of a turn the log has all or nothing.
 *
 * @module
 */
import { invalid, isArray } from "../arguments.ts";
import { isEnd, WalError } from "../errors.ts";
import { isPromise } from "../fs/promise.ts";
import { defaultFileSystem } from "../fs/runtime.ts";
import { openTagged, withTag } from "../layer/tag.ts";
import type { BatchRange, Wal } from "../wal.ts";
import { contentOf } from "./content.ts";
import { busy, diverged, refused } from "./core_errors.ts";
import type { Call, CoreSetting } from "./core_setting.ts";
import { outboxLogOf } from "./delivery.ts";
import {
  encodeHandedOver,
  type EntryHead,
  type HandedOver,
  isKey,
  MAX_KEY_SIZE,
} from "./entry_format.ts";
import type { HeldState } from "./held_state.ts";
import { Keys } from "./keys.ts";
import type { MachineCoder } from "./machine_coder.ts";
import type { NamedSnapshot } from "./named_snapshots.ts";
import { OutboxRun } from "./outbox.ts";
import {
  type Folded,
  loadBeginning,
  type Rebuilt,
  replayEvents,
  requireEnd,
  requireNamed,
} from "./recovery.ts";
import { type Captured, snapshotNumbers, Snapshots } from "./snapshots.ts";
import { Limits, sizeOf, Turn } from "./turn.ts";
import { Undelivered } from "./undelivered.ts";

const PLAIN: Call = {};
const NOTHING: EntryHead = { key: undefined, messages: undefined };

/**
 * What an open of a machine found.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 * import { type MachineRecovery, StateMachine } from "@durable/wal/machine";
 *
 * const machine = await StateMachine.open("a.wal", {
 *   initial: () => 0,
 *   apply: (sum, amount: number) => sum + amount,
 *   fileSystem: new MemoryFileSystem(),
 * });
 * const { snapshotIndex, replayed, skipped }: MachineRecovery = machine.recovery;
 * assertEquals([snapshotIndex, replayed, skipped], [0, 0, []]);
 * await machine.close();
 * ```
 */
export interface MachineRecovery {
  /** The index of the snapshot that was loaded; 0 for none. */
  readonly snapshotIndex: number;
  /** How many events were applied after it. */
  readonly replayed: number;
  /** Why newer snapshots could not be used: the errors of their files. */
  readonly skipped: readonly WalError[];
}

/**
 * After how many turns of a promise a turn ends. Callers that were answered together and call again at
 * once, also from within a few functions, get into one turn; and the log, which waits for the end of
 * the event loop's turn before it syncs, syncs it with all others of that.
 */
const HOPS = 4;

/** The permissions of a file by default. */
export const DEFAULT_MODE = 0o600;

/** A machine that writes. */
export class MachineCore<E, I = E> {
  readonly recovery: MachineRecovery;
  readonly #log: Wal;
  readonly #setting: CoreSetting<E, I>;
  readonly #held: HeldState<E>;
  readonly #coder: MachineCoder<E, I>;
  readonly #keys: Keys;
  readonly #snapshots: Snapshots;
  readonly #limits: Limits;
  readonly #undelivered: Undelivered;
  readonly #outbox: OutboxRun;
  #index: number;
  #turn: Turn | undefined;
  /** The last turn that was appended and is not answered yet. */
  #syncing: Turn | undefined;
  /** Whether `apply` or `decode` runs. */
  #isApplying = false;
  /** Resolves when the turns that were appended are answered. */
  #answered: Promise<void> = Promise.resolve();
  /** What the log has refused a turn for, the last time. */
  #refusal: { readonly error: unknown } | undefined;
  /** What ended the machine. */
  #ending: { readonly error: unknown } | undefined;
  #isClosed = false;
  #bytesSinceSnapshot = 0;
  #snapshotting: Promise<unknown> = Promise.resolve();
  #isSnapshotDue = false;
  /** Why the last snapshot that was taken by itself failed. */
  snapshotError: unknown;

  private constructor(
    log: Wal,
    setting: CoreSetting<E, I>,
    { keys, undelivered }: Pick<Folded<E>, "keys" | "undelivered">,
    snapshots: Snapshots,
    index: number,
    recovery: MachineRecovery,
  ) {
    this.#log = log;
    this.#setting = setting;
    this.#held = setting.held;
    this.#coder = setting.coder;
    this.#keys = keys;
    this.#snapshots = snapshots;
    this.#limits = new Limits(log.path, setting.log);
    this.#undelivered = undelivered;
    const outboxLog = outboxLogOf(log, {
      ending: () => this.#ending,
      note: (handedOver) => this.#note(handedOver),
      sync: () => this.#orEnd(() => log.sync()),
    });
    this.#outbox = new OutboxRun(outboxLog, undelivered, setting.outlets);
    this.#index = index;
    this.recovery = recovery;
  }

  /** Opens the log and rebuilds the state. */
  static async open<E, I>(path: string, setting: CoreSetting<E, I>): Promise<MachineCore<E, I>> {
    const fileSystem = setting.log.fileSystem ?? await defaultFileSystem();
    const { log, own } = await openTagged(path, { ...setting.log, fileSystem }, setting.tag);
    try {
      const named = requireNamed(log, own);
      const keys = new Keys(setting.keys);
      const { held, coder } = setting;
      const undelivered = new Undelivered();
      const parts = { log, fileSystem, held, coder, keys, undelivered };
      const inState = named.map(({ number }) => number);
      const known = [...snapshotNumbers(fileSystem, log.path), ...inState];
      const beginning = await loadBeginning(parts, named);
      await requireEnd(log, beginning, setting.log);
      undelivered.find(log, beginning.index);
      const { index, events, bytes } = replayEvents(parts, beginning.index);
      const snapshots = snapshotsOf(parts, setting, beginning.usable, known);
      snapshots.removeOthers(named);
      const recovery = {
        snapshotIndex: beginning.index,
        replayed: events,
        skipped: beginning.skipped,
      };
      const core = new MachineCore(log, setting, parts, snapshots, index, recovery);
      core.#bytesSinceSnapshot = bytes;
      core.#outbox.look();
      return core;
    } catch (error) {
      await log.close();
      throw error;
    }
  }

  /** The log underneath. */
  get log(): Wal {
    return this.#log;
  }

  /** The index of the last event that the state has. */
  get index(): number {
    this.requireState();
    return this.#index;
  }

  /**
   * Refuses a look at a state that may have what the log has not.
   *
   * @throws What ended the machine.
   */
  requireState(): void {
    if (this.#ending !== undefined) throw this.#ending.error;
  }

  /**
   * Refuses a call that changes something.
   *
   * @throws What ended the machine; `WalError` `ERR_WAL_CLOSED`. `ERR_WAL_BUSY`: an event is being applied.
   */
  admit(): void {
    if (this.#isApplying) throw busy(this.#log.path);
    if (this.#isClosed) {
      throw new WalError("ERR_WAL_CLOSED", `The log "${this.#log.path}" is closed: open it again.`);
    }
    this.requireState();
  }

  /**
   * Applies one event and appends it with the turn.
   *
   * @returns Its index, once it is durable.
   */
  dispatch(event: I, call: Call = PLAIN): Promise<number> {
    if (call.key !== undefined) {
      return this.append([event], call).then(({ firstIndex }) => firstIndex);
    }
    try {
      this.admit();
      return this.#take([event], call).waitForIndex(this.#index);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Applies the events of one call and appends them with the turn.
   *
   * @returns Their indexes, once they are durable; of no events, one that is empty.
   */
  append(events: readonly I[], call: Call = PLAIN): Promise<BatchRange> {
    try {
      return this.#append(events, call);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Decides events by the state, and appends them as one atom.
   *
   * @param decide Returns the events. What it throws is thrown, and nothing was changed.
   */
  decide(decide: () => readonly I[], key?: string): Promise<BatchRange> {
    try {
      this.admit();
      const known = this.#known(key);
      if (known !== undefined) return known;
      const before = this.#refusal;
      const events: unknown = decide();
      // What it has dispatched may have flushed the events by which it decided.
      if (this.#refusal !== undefined && this.#refusal !== before) throw this.#refusal.error;
      if (!isArray(events)) {
        // What becomes of a promise is of no interest, and must not end the process.
        if (isPromise(events)) events.then(undefined, () => {});
        throw invalid("answer of a transaction", "an array of events, at once", events);
      }
      return this.#append(events as I[], { key, isDecided: true });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #append(events: readonly I[], call: Call): Promise<BatchRange> {
    const { key } = call;
    this.admit();
    const known = this.#known(key);
    if (known !== undefined) return known;
    const count = events.length;
    const nothing = { firstIndex: this.#index + 1, lastIndex: this.#index };
    if (count === 0) {
      // What the answer rests on may not be durable yet.
      const last = this.#turn ?? this.#syncing;
      return last?.wait(nothing.firstIndex, nothing.lastIndex, undefined) ??
        Promise.resolve(nothing);
    }
    const turn = this.#take(events, call);
    const [firstIndex, lastIndex] = [this.#index - count + 1, this.#index];
    const result = turn.wait(firstIndex, lastIndex, key);
    if (key !== undefined) this.#keys.add(key, { firstIndex, lastIndex }, result);
    return result;
  }

  /** Encodes events, applies them, and takes them into the turn. */
  #take(events: readonly I[], { key, enqueue, isDecided = false }: Call): Turn {
    const messages = enqueue === undefined ? undefined : this.#outbox.encode(enqueue);
    const time = this.#coder.now();
    const isPlain = key === undefined && messages === undefined;
    const entryKey = key === undefined ? undefined : { key, count: events.length };
    const first = isPlain ? NOTHING : { key: entryKey, messages };
    const entries: Uint8Array[] = [];
    for (const event of events) {
      entries.push(this.#coder.encode(event, time, entries.length === 0 ? first : NOTHING));
    }
    // What encodes may be a caller too.
    if (this.#isClosed) this.admit();
    const size = sizeOf(entries);
    this.#limits.require(entries, size);
    this.#makeRoom(size, isDecided);
    const mark = this.#held.mark();
    this.#apply(entries, time ?? 0, mark);
    const turn = this.#turn ??= this.#begin(mark, this.#index);
    for (const entry of entries) turn.push(entry);
    if (messages !== undefined) turn.messages.set(this.#index + 1, messages);
    this.#index += entries.length;
    return turn;
  }

  /** What the call with a key has answered, or will. */
  #known(key: string | undefined): Promise<BatchRange> | undefined {
    if (key === undefined) return undefined;
    if (!isKey(key)) {
      throw invalid("key", `well-formed text of 1 to ${MAX_KEY_SIZE} bytes of UTF-8`, key);
    }
    return this.#keys.find(key);
  }

  /** Applies events as a replay would: as they are read from their bytes. */
  #apply(entries: readonly Uint8Array[], time: number, mark: unknown): void {
    this.#isApplying = true;
    try {
      let index = this.#index;
      for (const entry of entries) {
        const event = this.#coder.readBack(++index, entry);
        this.#held.apply(event, { index, time });
      }
    } catch (cause) {
      if (!this.#held.takeBack(mark)) throw this.#end(diverged(this.#log.path, "an event", cause));
      if (cause instanceof WalError) throw cause;
      throw refused(this.#log.path, cause);
    } finally {
      this.#isApplying = false;
    }
  }

  /** Appends what the turn has so far, if an atom with more would be too large. */
  #makeRoom(bytes: number, isDecided: boolean): void {
    if (this.#turn === undefined) return;
    if (this.#limits.fitsTurn(this.#turn.bytes + bytes)) return;
    const refusal = this.#flush();
    this.admit();
    // The state by which the events were decided is gone.
    if (isDecided && refusal !== undefined) throw refusal.error;
  }

  #begin(mark: unknown, before: number): Turn {
    const turn = new Turn(mark, before);
    void this.#endTurn(turn);
    return turn;
  }

  async #endTurn(turn: Turn): Promise<void> {
    for (let hops = 0; hops < HOPS; hops++) await undefined;
    // It may have been appended before.
    if (this.#turn === turn) this.#flush();
  }

  /**
   * Appends the events of the turn so far, and answers its calls once they are durable.
   *
   * @returns What the calls were told, if the log has refused the events.
   */
  #flush(): { readonly error: unknown } | undefined {
    const turn = this.#turn;
    if (turn === undefined) return undefined;
    this.#turn = undefined;
    try {
      this.#log.appendBatch(turn.entries);
    } catch (cause) {
      const error = this.#takeBack(turn, cause);
      turn.reject(error);
      this.#refusal = { error };
      return this.#refusal;
    }
    this.#held.settle();
    for (const [index, messages] of turn.messages) this.#undelivered.add(index, messages);
    this.#bytesSinceSnapshot += turn.bytes;
    this.#syncing = turn;
    this.#answered = this.#answer(turn);
    return undefined;
  }

  /** Takes the turn back that the log has refused. Returns what its calls are to be told. */
  #takeBack(turn: Turn, cause: unknown): unknown {
    // After any other error of the log, the log is as before.
    if (isEnd(cause) || !(cause instanceof WalError)) return this.#end(cause);
    if (!this.#held.takeBack(turn.mark)) {
      return this.#end(diverged(this.#log.path, "the events of a turn", cause));
    }
    this.#index = turn.before;
    for (const [key] of turn.keys()) this.#keys.drop(key);
    return cause;
  }

  async #answer(turn: Turn): Promise<void> {
    try {
      await this.#log.sync();
    } catch (error) {
      turn.reject(this.#end(error));
      return;
    } finally {
      if (this.#syncing === turn) this.#syncing = undefined;
    }
    for (const [key, range] of turn.keys()) this.#keys.settle(key, range);
    turn.resolve();
    this.#outbox.look();
    if (this.#bytesSinceSnapshot >= this.#setting.everyBytes) this.#takeDueSnapshot();
  }

  /** Ends the machine: from now on only an open knows the state. Returns what its calls throw. */
  #end(error: unknown): unknown {
    this.#ending ??= { error };
    const turn = this.#turn;
    this.#turn = undefined;
    turn?.reject(this.#ending.error);
    this.#outbox.stop(this.#ending.error);
    return this.#ending.error;
  }

  /** The messages that are on their way, as the machine shows them. */
  get outbox(): Pick<OutboxRun, "pending" | "error"> {
    return this.#outbox;
  }

  /** Hands over the messages of all calls so far. */
  async drain(): Promise<void> {
    this.admit();
    this.#flush();
    await this.#answered;
    this.requireState();
    await this.#outbox.drain();
  }

  /** Appends that messages were handed over. */
  #note(handedOver: HandedOver): void {
    this.#flush();
    this.requireState();
    const entry = encodeHandedOver(handedOver);
    try {
      this.#log.append(entry);
    } catch (error) {
      throw isEnd(error) ? this.#end(error) : error;
    }
    this.#index++;
    this.#bytesSinceSnapshot += entry.length;
    this.#undelivered.handedOver(handedOver);
  }

  /** Has what ends the log end the machine. */
  async #orEnd<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw isEnd(error) ? this.#end(error) : error;
    }
  }

  #takeDueSnapshot(): void {
    if (this.#isSnapshotDue || this.#isClosed || this.#ending !== undefined) return;
    this.#isSnapshotDue = true;
    const done = (error: unknown): void => {
      this.snapshotError = error;
      this.#isSnapshotDue = false;
      // After a failure the next one is not tried at once.
      if (error !== undefined) this.#bytesSinceSnapshot = 0;
    };
    this.snapshot().then(() => done(undefined), done);
  }

  /** Takes a snapshot of the state as it is when its turn comes; returns its index. */
  snapshot(): Promise<number> {
    const run = this.#snapshotting.then(() => this.#takeSnapshot());
    this.#snapshotting = run.catch(() => {});
    return run;
  }

  async #takeSnapshot(): Promise<number> {
    this.admit();
    const newest = this.#snapshots.newest?.index ?? 0;
    if (newest === this.#index) return newest;
    const take = () => this.#snapshots.take(() => this.#capture(), () => this.admit());
    return (await this.#orEnd(take)).index;
  }

  /** The state as it is now, all of whose events are in the log. */
  #capture(): Captured {
    this.#flush();
    this.admit();
    this.#outbox.note();
    this.#bytesSinceSnapshot = 0;
    const [held, keys, undelivered] = [this.#held, this.#keys, this.#undelivered];
    const content = (): Iterable<Uint8Array> => contentOf({ held, keys, undelivered });
    return { index: this.#index, version: this.#held.version, content };
  }

  /** Makes everything durable, ends a snapshot that is being taken, and closes the log. */
  async close(): Promise<void> {
    if (this.#isApplying) throw busy(this.#log.path);
    if (!this.#isClosed && this.#ending === undefined) this.#flush();
    this.#isClosed = true;
    this.#snapshots.stopWaiting();
    await this.#answered;
    await this.#outbox.end();
    await this.#snapshotting;
    await this.#log.close();
  }
}

function snapshotsOf<E, I>(
  { log, fileSystem, undelivered }: Rebuilt<E>,
  { tag, compress, offload, log: { mode = DEFAULT_MODE } }: CoreSetting<E, I>,
  named: readonly NamedSnapshot[],
  known: readonly number[],
): Snapshots {
  const stateWith = (own: Uint8Array): Uint8Array => withTag(tag, own);
  const firstNeeded = (): number => undelivered.firstIndex;
  const setting = { log, fileSystem, mode, compress, offload, stateWith, firstNeeded };
  return new Snapshots(setting, named, known);
}
