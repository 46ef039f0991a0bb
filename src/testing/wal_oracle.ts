/**
 * What a log may hold after a crash, by what it was asked and what it has acknowledged: the promises,
 * stated once, and nothing about how they are kept.
 *
 * After any crash the log's entries are a prefix of what was appended. The prefix contains everything
 * that was acknowledged as durable; after the death of the process alone, everything that was
 * acknowledged. Of a batch it has all entries or none. No entry that a finished truncation dropped is
 * back; one that was under way is done, or not, or done in part from the end. The state is the last
 * that was acknowledged, or one that was being stored.
 *
 * @module
 */
import { invalid, requireObject } from "../arguments.ts";
import type { Wal } from "../wal.ts";
import { BrokenPromise } from "./broken_promise.ts";
import { digestOf } from "./digest.ts";

/**
 * Something that a log is asked to do. Entries and states are given as digests
 * ({@linkcode digestOf}).
 *
 * @example
 * ```ts
 * import { digestOf, type WalOperation } from "@durable/wal/testing";
 *
 * const entries = [new Uint8Array([1]), new Uint8Array([2])].map(digestOf);
 * const batch: WalOperation = { kind: "append", entries, durable: true };
 * ```
 */
export type WalOperation =
  /** One entry, or a batch. `durable` tells whether the acknowledgement is of a sync too. */
  | { readonly kind: "append"; readonly entries: readonly string[]; readonly durable: boolean }
  /** A sync, or a close and an open. */
  | { readonly kind: "sync" }
  | { readonly kind: "truncateFrom"; readonly index: number }
  | { readonly kind: "truncateBefore"; readonly index: number }
  | { readonly kind: "reset"; readonly index: number }
  | { readonly kind: "setState"; readonly state: string };

/**
 * What a log was found to hold, as digests.
 *
 * @example
 * ```ts
 * import { digestOf, type WalContents } from "@durable/wal/testing";
 *
 * const empty: WalContents = { firstIndex: 1, entries: [], state: digestOf(new Uint8Array()) };
 * ```
 */
export interface WalContents {
  /** The index of the first entry, or of the next one if there is none. */
  readonly firstIndex: number;
  /** The entries. */
  readonly entries: readonly string[];
  /** The application's state. */
  readonly state: string;
}

/**
 * Reads all of a log.
 *
 * @throws As `Wal.entries`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Wal } from "@durable/wal";
 * import { contentsOf, CrashFileSystem } from "@durable/wal/testing";
 *
 * const log = await Wal.open("a.wal", { fileSystem: new CrashFileSystem() });
 * log.append(new Uint8Array([1]));
 * assertEquals(contentsOf(log).entries.length, 1);
 * await log.close();
 * ```
 */
export function contentsOf(log: Wal): WalContents {
  requireObject("log", log);
  if (typeof log.entries !== "function") throw invalid("log", "an open log", log);
  const entries = Array.from(log.entries(), ({ data }) => digestOf(data));
  return { firstIndex: log.firstIndex, entries, state: digestOf(log.state) };
}

/** A log as it may be. */
interface Model {
  readonly firstIndex: number;
  readonly entries: readonly string[];
  /** For each entry, whether an atom ends with it. */
  readonly ends: readonly boolean[];
  /** The last index that was acknowledged as durable. */
  readonly durable: number;
  /** Whether an append did not happen, and so none that was started later. */
  readonly isOver: boolean;
}

/** An operation whose effect is not settled, since it or one before it was not acknowledged. */
interface Started {
  readonly operation: WalOperation;
  /** The last index that was acknowledged when it was started. */
  readonly lastIndex: number;
  isAcknowledged: boolean;
}

/**
 * Follows a log through its operations, and judges what is found after a crash.
 *
 * Several may be under way at once, and be acknowledged in any order. The log does them in the
 * order in which they were started, so an acknowledgement of one covers the appends before it.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { BrokenPromise, digestOf, WalOracle } from "@durable/wal/testing";
 *
 * const oracle = new WalOracle();
 * const entry = digestOf(new Uint8Array([1]));
 * oracle.start(1, { kind: "append", entries: [entry], durable: true });
 * oracle.acknowledge(1);
 *
 * const nothing = { firstIndex: 1, entries: [], state: digestOf(new Uint8Array()) };
 * assertThrows(() => oracle.judge(nothing, "power"), BrokenPromise);
 * ```
 */
export class WalOracle {
  #log: Model = { firstIndex: 1, entries: [], ends: [], durable: 0, isOver: false };
  #state: string = digestOf(new Uint8Array(0));
  /** In the order in which they were started; all before them is settled. */
  readonly #started = new Map<number, Started>();

  /** An operation is about to be started; `id` is its own. */
  start(id: number, operation: WalOperation): void {
    if (this.#started.has(id)) throw new TypeError(`Operation ${id} was started already`);
    const lastIndex = lastIndexOf(this.#acknowledged());
    this.#started.set(id, { operation, lastIndex, isAcknowledged: false });
  }

  /**
   * An operation was acknowledged. One that failed with an unknown outcome is never acknowledged.
   *
   * @param range The first and last index that the log then tells, if they are to be checked; they
   * are if nothing else is under way.
   * @throws {BrokenPromise} If they are not what they should be.
   */
  acknowledge(id: number, range?: { firstIndex: number; lastIndex: number }): void {
    const started = this.#find(id);
    started.isAcknowledged = true;
    for (const [id, first] of this.#started) {
      if (!first.isAcknowledged) return;
      this.#log = acknowledged(this.#log, first);
      this.#state = statesAfter([this.#state], first).at(-1) ?? this.#state;
      this.#started.delete(id);
    }
    if (range === undefined) return;
    const { firstIndex } = this.#log;
    if (range.firstIndex !== firstIndex || range.lastIndex !== lastIndexOf(this.#log)) {
      throw new BrokenPromise(
        `After ${show(started.operation)} the log has ${range.firstIndex} to ` +
          `${range.lastIndex}, not ${rangeOf(this.#log)}`,
      );
    }
  }

  /** An operation was refused: it said that it has done nothing. */
  refuse(id: number): void {
    this.#find(id);
    this.#started.delete(id);
  }

  /**
   * Judges what a log holds that was opened after a crash, and continues from there.
   *
   * @param found What it holds.
   * @param crash What died: the process alone, or the machine with its power.
   * @throws {BrokenPromise} If no outcome of what was under way explains it.
   */
  judge(found: WalContents, crash: "process" | "power"): void {
    const started = [...this.#started.values()];
    const logs = started.reduce(logsAfter, [this.#log]);
    const left = crash === "process" ? logs : logs.flatMap((log) => cuts(log, log.durable));
    if (!left.some((log) => isSame(log, found))) {
      throw new BrokenPromise(`${this.#difference(found)}. ${underWay(started)}`);
    }
    const states = started.reduce(statesAfter, [this.#state]);
    if (!states.includes(found.state)) {
      throw new BrokenPromise(
        `The state is ${found.state}, not ${states.join(" or ")}. ${underWay(started)}`,
      );
    }
    const { firstIndex, entries, state } = found;
    const durable = firstIndex + entries.length - 1;
    this.#log = { firstIndex, entries, ends: entries.map(() => true), durable, isOver: false };
    this.#state = state;
    this.#started.clear();
  }

  /** The log with all that was acknowledged, and nothing else. */
  #acknowledged(): Model {
    return [...this.#started.values()].filter(({ isAcknowledged }) => isAcknowledged)
      .reduce(acknowledged, this.#log);
  }

  #find(id: number): Started {
    const started = this.#started.get(id);
    if (started === undefined || started.isAcknowledged) {
      throw new TypeError(`Operation ${id} is not under way`);
    }
    return started;
  }

  /** Where what was found parts from what was acknowledged. */
  #difference({ firstIndex, entries }: WalContents): string {
    const log = this.#acknowledged();
    const entryAt = (i: number): string | undefined => log.entries[firstIndex + i - log.firstIndex];
    const at = entries.findIndex((entry, i) => entry !== entryAt(i));
    const difference = at < 0
      ? "the entries that both have are equal"
      : `entry ${firstIndex + at} is ${entries[at]}, acknowledged was ${entryAt(at) ?? "none"}`;
    return `The log has ${firstIndex} to ${firstIndex + entries.length - 1}, acknowledged was ` +
      `${rangeOf(log)}, durable to ${log.durable}; ${difference}`;
  }
}

/** What logs may be after one more operation. */
function logsAfter(logs: readonly Model[], started: Started): Model[] {
  const { operation, isAcknowledged } = started;
  if (!isAcknowledged) return logs.flatMap((log) => outcomes(log, operation));
  return logs.filter(({ isOver }) => !isOver || operation.kind !== "append")
    .map((log) => acknowledged(log, started));
}

/** What the state may be after one more operation; its full effect is the last. */
function statesAfter(
  states: readonly string[],
  { operation, isAcknowledged }: Started,
): readonly string[] {
  if (operation.kind !== "setState") return states;
  return isAcknowledged ? [operation.state] : [...states, operation.state];
}

/** A log after an operation that was acknowledged. */
function acknowledged(log: Model, { operation, lastIndex }: Started): Model {
  const done = fullEffect(log, operation);
  return { ...done, durable: durableAfter(done, operation, lastIndex) };
}

/** A log after an operation. */
function fullEffect(log: Model, operation: WalOperation): Model {
  const { firstIndex, entries, ends } = log;
  switch (operation.kind) {
    case "append":
      return {
        ...log,
        entries: [...entries, ...operation.entries],
        ends: [...ends, ...operation.entries.map((_, i) => i + 1 === operation.entries.length)],
      };
    case "truncateFrom":
      return cut(log, operation.index - 1);
    case "truncateBefore": {
      const dropped = operation.index - firstIndex;
      return {
        ...log,
        firstIndex: operation.index,
        entries: entries.slice(dropped),
        ends: ends.slice(dropped),
        durable: Math.max(log.durable, operation.index - 1),
      };
    }
    case "reset":
      return {
        ...log,
        firstIndex: operation.index,
        entries: [],
        ends: [],
        durable: operation.index - 1,
      };
    case "sync":
    case "setState":
      return log;
  }
}

/** The last durable index once an operation is acknowledged. */
function durableAfter(done: Model, operation: WalOperation, lastIndexBefore: number): number {
  switch (operation.kind) {
    case "append":
      return operation.durable ? lastIndexOf(done) : done.durable;
    case "sync":
      return Math.max(done.durable, Math.min(lastIndexBefore, lastIndexOf(done)));
    case "truncateFrom":
      return lastIndexOf(done);
    default:
      return done.durable;
  }
}

/** What an operation may leave of a log when it is cut short; its full effect is among them. */
function outcomes(log: Model, operation: WalOperation): Model[] {
  const full = fullEffect(log, operation);
  switch (operation.kind) {
    case "append":
      return log.isOver ? [log] : [{ ...log, isOver: true }, full];
    case "truncateFrom": {
      // What it is to drop is no longer promised.
      const durable = Math.min(log.durable, operation.index - 1);
      return [...cuts(log, operation.index - 1), full].map((log) => ({ ...log, durable }));
    }
    case "reset": {
      const durable = log.firstIndex - 1;
      return [...cuts(log, durable).map((log) => ({ ...log, durable })), full];
    }
    default:
      return [log, full];
  }
}

/** A log cut after each of its atoms, down to an index that stays. */
function cuts(log: Model, lowest: number): Model[] {
  const lasts = [log.firstIndex - 1, ...log.entries.map((_, i) => log.firstIndex + i)];
  return lasts
    .filter((last) => last >= lowest && (log.ends[last - log.firstIndex] ?? true))
    .map((last) => cut(log, last));
}

/** A log that ends with an index. */
function cut(log: Model, lastIndex: number): Model {
  const count = lastIndex + 1 - log.firstIndex;
  const ends = log.ends.slice(0, count);
  if (count > 0) ends[count - 1] = true;
  return {
    ...log,
    entries: log.entries.slice(0, count),
    ends,
    durable: Math.min(log.durable, lastIndex),
  };
}

function lastIndexOf({ firstIndex, entries }: Model): number {
  return firstIndex + entries.length - 1;
}

function rangeOf(log: Model): string {
  return `${log.firstIndex} to ${lastIndexOf(log)}`;
}

function isSame(log: Model, found: WalContents): boolean {
  return log.firstIndex === found.firstIndex && log.entries.length === found.entries.length &&
    log.entries.every((entry, i) => entry === found.entries[i]);
}

function underWay(started: readonly Started[]): string {
  const pending = started.filter(({ isAcknowledged }) => !isAcknowledged);
  return pending.length === 0
    ? "Nothing was under way"
    : `Under way: ${pending.map(({ operation }) => show(operation)).join(", ")}`;
}

function show(operation: WalOperation): string {
  return JSON.stringify(operation);
}
