/**
 * What a log may hold after a kill, by what was acknowledged and what was under way: the promises,
 * and nothing about how they are kept.
 *
 * @module
 */
import { contentOf, type Contents, digestOf, type Operation } from "./operations.ts";

/** A log's entries as digests. */
interface Log {
  readonly firstIndex: number;
  readonly entries: readonly string[];
}

/** A promise that was broken. */
export class Violation extends Error {
  override name = "Violation";
}

/** Follows a log through its operations. */
export class Oracle {
  readonly #seed: number;
  #log: Log = { firstIndex: 1, entries: [] };
  #state: string = digestOf(new Uint8Array(0));
  /** What was started and not acknowledged, in order. */
  readonly #pending = new Map<number, Operation>();

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** An operation is about to be started. */
  start(operation: Operation): void {
    this.#pending.set(operation.id, operation);
  }

  /**
   * An operation is acknowledged.
   *
   * @throws {Violation} If the log then begins or ends elsewhere than it should.
   */
  acknowledge(id: number, firstIndex: number, lastIndex: number): void {
    const operation = this.#pending.get(id);
    if (operation === undefined) throw new Violation(`Operation ${id} was never started`);
    this.#pending.delete(id);
    this.#log = this.#outcomes(this.#log, operation).at(-1) ?? this.#log;
    this.#state = this.#states(operation).at(-1) ?? this.#state;
    if (this.#pending.size > 0) return;
    const wanted = rangeOf(this.#log);
    if (firstIndex !== wanted.firstIndex || lastIndex !== wanted.lastIndex) {
      throw new Violation(
        `After ${show(operation)} the log has ${firstIndex} to ${lastIndex}, not ` +
          `${wanted.firstIndex} to ${wanted.lastIndex}`,
      );
    }
  }

  /**
   * Judges what a reopened log holds, and goes on from there.
   *
   * @throws {Violation} If no outcome of what was under way explains it.
   */
  judge(found: Contents): void {
    const pending = [...this.#pending.values()];
    const logs = pending.reduce(
      (logs, operation) => logs.flatMap((log) => this.#outcomes(log, operation)),
      [this.#log],
    );
    if (!logs.some((log) => isSame(log, found))) {
      throw new Violation(`${this.#difference(found)}. ${describe(pending)}`);
    }
    const states = [this.#state, ...pending.flatMap((operation) => this.#states(operation))];
    if (!states.includes(found.state)) {
      throw new Violation(
        `The state is ${found.state}, not ${states.join(" or ")}. ${describe(pending)}`,
      );
    }
    this.#log = found;
    this.#state = found.state;
    this.#pending.clear();
  }

  /** What an operation may leave of a log when it is cut short; the last is its full effect. */
  #outcomes(log: Log, operation: Operation): Log[] {
    const { firstIndex, entries } = log;
    const prefixes = (shortest: number): Log[] =>
      Array.from({ length: entries.length - shortest + 1 }, (_, cut) => ({
        firstIndex,
        entries: entries.slice(0, entries.length - cut),
      }));
    switch (operation.kind) {
      case "append":
      case "batch":
        return [log, { firstIndex, entries: [...entries, ...this.#appended(operation)] }];
      case "group": {
        const appended = this.#appended(operation);
        return Array.from({ length: appended.length + 1 }, (_, count) => ({
          firstIndex,
          entries: [...entries, ...appended.slice(0, count)],
        }));
      }
      case "truncateFrom":
        return prefixes(operation.index - firstIndex);
      case "truncateBefore":
        return Array.from({ length: operation.index - firstIndex + 1 }, (_, cut) => ({
          firstIndex: firstIndex + cut,
          entries: entries.slice(cut),
        }));
      case "reset":
        return [...prefixes(0), { firstIndex: operation.index, entries: [] }];
      case "setState":
      case "reopen":
        return [log];
    }
  }

  #states(operation: Operation): string[] {
    if (operation.kind !== "setState") return [];
    return [digestOf(contentOf(this.#seed, operation.id, 0, operation.size))];
  }

  #appended({ id, sizes }: { id: number; sizes: readonly number[] }): string[] {
    return sizes.map((size, position) => digestOf(contentOf(this.#seed, id, position, size)));
  }

  /** Where what was found parts from what was acknowledged. */
  #difference(found: Contents): string {
    const wanted = rangeOf(this.#log);
    const index = Array.from(found.entries, (_, i) => found.firstIndex + i).find(
      (index) => found.entries[index - found.firstIndex] !== this.#entry(index),
    );
    const difference = index === undefined
      ? "the entries that both have are equal"
      : `entry ${index} is ${found.entries[index - found.firstIndex]}, acknowledged was ` +
        `${this.#entry(index) ?? "none"}`;
    return `The log has ${found.firstIndex} to ${found.lastIndex} (${found.entries.length} ` +
      `entries), acknowledged was ${wanted.firstIndex} to ${wanted.lastIndex}; ${difference}`;
  }

  #entry(index: number): string | undefined {
    return this.#log.entries[index - this.#log.firstIndex];
  }
}

function rangeOf({ firstIndex, entries }: Log): { firstIndex: number; lastIndex: number } {
  return { firstIndex, lastIndex: firstIndex + entries.length - 1 };
}

function isSame(log: Log, found: Contents): boolean {
  return log.firstIndex === found.firstIndex && rangeOf(log).lastIndex === found.lastIndex &&
    log.entries.length === found.entries.length &&
    log.entries.every((entry, i) => entry === found.entries[i]);
}

function describe(pending: readonly Operation[]): string {
  return pending.length === 0
    ? "Nothing was under way"
    : `Under way: ${pending.map(show).join(", ")}`;
}

function show(operation: Operation): string {
  return JSON.stringify(operation);
}
