/**
 * What a log may hold after a power cut, by what was acknowledged and what was under way: the
 * promises, and nothing about how they are kept.
 *
 * Unlike the death of a process, a power cut may take entries that were appended and not synced: of
 * those any number from the end, of a batch all or none.
 *
 * @module
 */
import { BrokenPromise, digestOf } from "../../src/testing/testing.ts";
import { contentOf, type Contents } from "./contents.ts";
import { type Change, isAppend, type Range } from "./power_cut_lines.ts";

/** A promise that was broken by a power cut. */
export class PowerCutViolation extends BrokenPromise {
  override name = "PowerCutViolation";
  /** How many entries are gone that were acknowledged as durable. */
  readonly lost: number;

  constructor(message: string, lost: number) {
    super(message);
    this.lost = lost;
  }
}

interface ModelEntry {
  readonly digest: string;
  /** Entries of one change with the same number are one atom. */
  readonly atom: string;
}

/** Follows a log through its changes and power cuts. */
export class PowerCutOracle {
  readonly #seed: number;
  #firstIndex = 1;
  /** From the first index on, acknowledged or not. */
  #entries: readonly ModelEntry[] = [];
  #durableIndex = 0;
  #state: string = digestOf(new Uint8Array(0));
  /** What was started and not acknowledged, in order. */
  readonly #pending = new Map<number, Change>();
  #acknowledged = 0;
  #gone = 0;

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** How many entries were acknowledged as durable, in all. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** How many entries are gone that were appended and never acknowledged as durable. */
  get gone(): number {
    return this.#gone;
  }

  get #lastIndex(): number {
    return this.#firstIndex + this.#entries.length - 1;
  }

  /** A change is about to be started. */
  start(change: Change): void {
    this.#pending.set(change.id, change);
    if (isAppend(change)) {
      const appended = change.sizes.map((size, position) => ({
        digest: digestOf(contentOf(this.#seed, change.id, position, size)),
        atom: change.kind === "batch" ? `${change.id}` : `${change.id}.${position}`,
      }));
      this.#entries = [...this.#entries, ...appended];
    }
  }

  /** The entry at an index, and all before it, are acknowledged as durable. */
  synced(index: number): void {
    if (index > this.#lastIndex) {
      throw new PowerCutViolation(`Entry ${index} of ${this.#lastIndex} was told to be durable`, 0);
    }
    this.#acknowledged += Math.max(0, index - this.#durableIndex);
    this.#durableIndex = Math.max(this.#durableIndex, index);
  }

  /**
   * A change is acknowledged.
   *
   * @throws {PowerCutViolation} If the log then begins or ends elsewhere than it should, or less of it
   * is durable.
   */
  acknowledge(id: number, range: Range): void {
    const change = this.#pending.get(id);
    if (change === undefined) throw new PowerCutViolation(`Change ${id} was never started`, 0);
    this.#pending.delete(id);
    if (change.kind === "truncateFrom") this.#cut(change.index);
    if (change.kind === "truncateBefore") this.#moveHead(change.index);
    if (change.kind === "reset") this.#reset(change.index);
    if (change.kind === "setState") this.#state = this.#stateOf(change);
    // What is told to be durable is a promise too; a roll makes the entries before it durable.
    this.synced(range.durableIndex);
    const isAllDurable = change.kind === "sync" || change.kind === "reopen" ||
      change.kind === "truncateFrom" || (isAppend(change) && change.isSynced);
    const isHeadMoving = this.#find("truncateBefore") !== undefined;
    if (
      (range.firstIndex !== this.#firstIndex && !isHeadMoving) ||
      // An append that was begun beside another change may not have been made yet.
      (range.lastIndex !== this.#lastIndex && this.#pending.size === 0) ||
      (isAllDurable && range.durableIndex !== this.#lastIndex)
    ) {
      throw new PowerCutViolation(
        `After ${show(change)} the log has ${show(range)}, not ${this.#firstIndex} to ` +
          `${this.#lastIndex}${isAllDurable ? ", all durable" : ""}`,
        0,
      );
    }
  }

  /**
   * Judges what the log holds that was opened after a power cut, and continues from there.
   *
   * @throws {PowerCutViolation} If what was acknowledged and what was under way do not explain it.
   */
  judge(found: Contents): void {
    const reset = this.#find("reset");
    const isAfterReset = reset !== undefined && found.firstIndex === reset.index &&
      found.entries.length === 0 && found.lastIndex === reset.index - 1;
    if (isAfterReset) this.#reset(reset.index);
    else this.#judgeEntries(found);
    const setState = this.#find("setState");
    const states = [this.#state, ...(setState === undefined ? [] : [this.#stateOf(setState)])];
    if (!states.includes(found.state)) {
      throw this.#violation(`The state is ${found.state}, not ${states.join(" or ")}`, 0);
    }
    this.#state = found.state;
    this.#pending.clear();
    // What open returns is durable.
    this.synced(found.lastIndex);
  }

  #judgeEntries(found: Contents): void {
    const truncateFrom = this.#find("truncateFrom");
    const truncateBefore = this.#find("truncateBefore");
    // What is being dropped may be gone, and what is dropped is the newest first.
    const floor = this.#find("reset") !== undefined
      ? 0
      : Math.min(this.#durableIndex, (truncateFrom?.index ?? Infinity) - 1);
    const heads = [this.#firstIndex, truncateBefore?.index ?? this.#firstIndex];
    const lost = this.#countLost(found, Math.max(...heads), floor);
    if (lost > 0) {
      const wanted = `${Math.max(...heads)} to ${floor}`;
      throw this.#violation(`Of the durable entries ${wanted}, ${lost} are lost`, lost, found);
    }
    if (!heads.includes(found.firstIndex)) {
      throw this.#violation(`The log does not begin with ${heads.join(" or ")}`, 0, found);
    }
    if (found.lastIndex !== found.firstIndex + found.entries.length - 1) {
      throw this.#violation("The number of entries is not what the indexes say", 0, found);
    }
    if (found.lastIndex > this.#lastIndex) {
      throw this.#violation(`The log should end at ${this.#lastIndex} or before`, 0, found);
    }
    for (let index = found.firstIndex; index <= found.lastIndex; index++) {
      if (found.entries[index - found.firstIndex] !== this.#entry(index)?.digest) {
        throw this.#violation(`Entry ${index} is not what was appended`, 0, found);
      }
    }
    const next = this.#entry(found.lastIndex + 1);
    const isWhole = next === undefined || next.atom !== this.#entry(found.lastIndex)?.atom ||
      found.entries.length === 0 || found.lastIndex === (truncateFrom?.index ?? 0) - 1;
    if (!isWhole) {
      throw this.#violation(`A batch is cut short after ${found.lastIndex}`, 0, found);
    }
    if (truncateFrom === undefined) this.#gone += this.#lastIndex - found.lastIndex;
    this.#moveHead(found.firstIndex);
    this.#cut(found.lastIndex + 1);
  }

  #countLost(found: Contents, from: number, to: number): number {
    let lost = 0;
    for (let index = from; index <= to; index++) {
      if (found.entries[index - found.firstIndex] !== this.#entry(index)?.digest) lost++;
    }
    return lost;
  }

  #cut(index: number): void {
    this.#entries = this.#entries.slice(0, index - this.#firstIndex);
    this.#durableIndex = Math.min(this.#durableIndex, index - 1);
  }

  #moveHead(index: number): void {
    this.#entries = this.#entries.slice(index - this.#firstIndex);
    this.#firstIndex = index;
    this.#durableIndex = Math.max(this.#durableIndex, index - 1);
  }

  #reset(index: number): void {
    this.#entries = [];
    this.#firstIndex = index;
    this.#durableIndex = index - 1;
  }

  #stateOf({ id, size }: Change & { kind: "setState" }): string {
    return digestOf(contentOf(this.#seed, id, 0, size));
  }

  #entry(index: number): ModelEntry | undefined {
    return this.#entries[index - this.#firstIndex];
  }

  #find<K extends Change["kind"]>(kind: K): (Change & { kind: K }) | undefined {
    for (const change of this.#pending.values()) {
      if (change.kind === kind) return change as Change & { kind: K };
    }
    return undefined;
  }

  #violation(message: string, lost: number, found?: Contents): PowerCutViolation {
    const has = found === undefined
      ? ""
      : `; the log has ${found.firstIndex} to ${found.lastIndex}`;
    const pending = [...this.#pending.values()].map(show).join(", ") || "nothing";
    return new PowerCutViolation(
      `${message}${has}. Written was ${this.#firstIndex} to ${this.#lastIndex}, durable up to ` +
        `${this.#durableIndex}. Under way: ${pending}`,
      lost,
    );
  }
}

function show(value: Change | Range): string {
  return JSON.stringify(value);
}
