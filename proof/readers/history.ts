/**
 * Which entry a log had under an index at which time, by what its writer has written down.
 *
 * @module
 */
import type { ActLine, Found } from "./lines.ts";

/** An entry under an index. The times of what is not over yet are `Infinity`. */
interface Span {
  readonly serial: number;
  /** When its append began, and when it was over. */
  readonly began: number;
  isThere: number;
  /** When what removes it began, and when that was over. */
  isGoing: number;
  ended: number;
}

/** A change that drops what is below an index, or from it on. */
interface Drop {
  readonly began: number;
  ended: number;
  readonly index: number;
}

/** What a writer did, through all its lives. */
export class History {
  /** How many acts there were of each kind. */
  readonly counts: Map<string, number> = new Map();
  readonly #spans = new Map<number, Span[]>();
  readonly #heads: Drop[] = [];
  readonly #tails: Drop[] = [];
  #first = 1;
  #last = 0;

  constructor(lines: readonly ActLine[]) {
    let begun: Extract<ActLine, { kind: "begin" }> | undefined;
    for (const line of lines) {
      if (line.kind === "begin") {
        begun = line;
        this.#begin(line);
      } else if (begun !== undefined) {
        this.#end(begun, line);
        begun = undefined;
      }
    }
  }

  /** The first index, and the serial numbers from there on, at the end. */
  get contents(): Found {
    const serials: number[] = [];
    for (let index = this.#first; index <= this.#last; index++) {
      serials.push(this.#spans.get(index)?.at(-1)?.serial ?? -1);
    }
    return { firstIndex: this.#first, serials };
  }

  /** Whether the log had the entry under the index at some moment. */
  hadOnce(index: number, serial: number, from: number, to: number): boolean {
    return this.#spans.get(index)?.some((span) =>
      span.serial === serial && span.began <= to && span.ended >= from
    ) ?? false;
  }

  /** Whether the log had an entry under the index all the time. */
  hadAlways(index: number, from: number, to: number): boolean {
    return this.#spans.get(index)?.some((span) => span.isThere < from && span.isGoing > to) ??
      false;
  }

  /**
   * Whether the head may have moved above the index that somebody wants next, which goes back to where
   * the tail was dropped.
   */
  wasOvertaken(next: number, from: number, to: number): boolean {
    const isMeanwhile = ({ began, ended }: Drop): boolean => began <= to && ended >= from;
    const tails = this.#tails.filter(isMeanwhile).map(({ index }) => index);
    const lowest = Math.min(next, ...tails);
    return this.#heads.some((drop) => isMeanwhile(drop) && drop.index > lowest);
  }

  /** Whether the tail may have been dropped from an index on, or from one below it. */
  wasDropped(index: number, to: number): boolean {
    return this.#tails.some((drop) => drop.index <= index && drop.began <= to);
  }

  #begin({ at: begin, act }: Extract<ActLine, { kind: "begin" }>): void {
    this.counts.set(act.do, (this.counts.get(act.do) ?? 0) + 1);
    if (act.do === "append") {
      act.serials.forEach((serial, i) => this.#add(act.index + i, serial, begin));
    } else if (act.do === "truncateFrom") {
      this.#tails.push({ began: begin, ended: Infinity, index: act.index });
      this.#drop(act.index, Infinity, begin);
    } else if (act.do === "truncateBefore") {
      this.#heads.push({ began: begin, ended: Infinity, index: act.index });
      this.#drop(0, act.index - 1, begin);
    } else if (act.do === "reset") {
      this.#heads.push({ began: begin, ended: Infinity, index: act.index });
      // Half-way, all entries are gone, and the head is where it was.
      this.#tails.push({ began: begin, ended: Infinity, index: Math.min(this.#first, act.index) });
      this.#drop(0, Infinity, begin);
    }
  }

  #end(
    { at: begin, act }: Extract<ActLine, { kind: "begin" }>,
    { at: end, found }: Extract<ActLine, { kind: "end" }>,
  ): void {
    // Also what a kill cut short is over when the next writer has opened the log.
    for (const drop of [this.#heads.at(-1), this.#tails.at(-1)]) {
      if (drop !== undefined) drop.ended = Math.min(drop.ended, end);
    }
    if (act.do === "append") {
      act.serials.forEach((_, i) => this.#confirm(act.index + i, end));
      if (this.#last < this.#first) this.#first = act.index;
      this.#last = act.index + act.serials.length - 1;
    } else if (act.do === "truncateFrom") {
      this.#dropped(act.index, Infinity, end);
      this.#last = act.index - 1;
    } else if (act.do === "truncateBefore") {
      this.#dropped(0, act.index - 1, end);
      this.#first = act.index;
    } else if (act.do === "reset") {
      this.#dropped(0, Infinity, end);
      [this.#first, this.#last] = [act.index, act.index - 1];
    } else if (found !== undefined) {
      this.#found(found, begin, end);
    }
  }

  /** What an open finds settles what was under way when the writer was killed. */
  #found({ firstIndex, serials }: Found, begin: number, end: number): void {
    this.#first = firstIndex;
    this.#last = firstIndex + serials.length - 1;
    for (const [index, spans] of this.#spans) {
      const top = spans.at(-1);
      if (top === undefined || top.ended !== Infinity) continue;
      if (serials[index - firstIndex] === top.serial) {
        top.isThere = Math.min(top.isThere, end);
        top.isGoing = Infinity;
      } else {
        top.isGoing = Math.min(top.isGoing, begin);
        top.ended = end;
      }
    }
  }

  #add(index: number, serial: number, began: number): void {
    const spans = this.#spans.get(index) ?? [];
    this.#spans.set(index, spans);
    const span = { serial, began, isThere: Infinity, isGoing: Infinity, ended: Infinity };
    spans.push(span);
  }

  #confirm(index: number, end: number): void {
    const top = this.#spans.get(index)?.at(-1);
    if (top !== undefined) top.isThere = end;
  }

  #drop(from: number, to: number, begin: number): void {
    for (const span of this.#open(from, to)) span.isGoing = begin;
  }

  #dropped(from: number, to: number, end: number): void {
    for (const span of this.#open(from, to)) span.ended = end;
  }

  /** The entries of a range that are there. */
  *#open(from: number, to: number): Generator<Span> {
    for (let index = Math.max(from, this.#first); index <= Math.min(to, this.#last); index++) {
      const top = this.#spans.get(index)?.at(-1);
      if (top?.ended === Infinity) yield top;
    }
  }
}
