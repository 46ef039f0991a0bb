/**
 * Judges what readers have seen of a log by what its writer did.
 *
 * An entry is right if it was under its index at some moment between the opening of the handle and the
 * end of the call; an error, if it says that an index is not there which was not there at some moment.
 *
 * @module
 */
import { History } from "./history.ts";
import type { ActLine, Asked, SeenLine, Thrown } from "./lines.ts";

/** How long what a follower gives out may have been read before, in milliseconds. */
const READ_AHEAD_MS = 5000;

/** What was found. */
export interface Verdict {
  /** What the writer did, by kind. */
  readonly acts: ReadonlyMap<string, number>;
  /** Entries that were read, and those that followers have seen. */
  readonly read: number;
  readonly followed: number;
  /** Errors that are right, such as an index that was dropped. */
  readonly rightErrors: number;
  readonly wrongEntries: readonly string[];
  readonly wrongErrors: readonly string[];
}

/** A follower, as far as it has come. */
interface Follower {
  readonly by: string;
  readonly opened: number;
  readonly began: number;
  /** What it has given last for each index. */
  readonly given: Map<number, number>;
  next: number | undefined;
  /** When it had the last entry. */
  at: number;
}

/** Judges all lines. */
export function judge(acts: readonly ActLine[], seen: readonly SeenLine[]): Verdict {
  const judgement = new Judgement(new History(acts));
  for (const line of seen) judgement.take(line);
  return judgement.verdict();
}

class Judgement {
  readonly #history: History;
  readonly #followers = new Map<number, Follower>();
  readonly #wrongEntries: string[] = [];
  readonly #wrongErrors: string[] = [];
  #read = 0;
  #followed = 0;
  #rightErrors = 0;

  constructor(history: History) {
    this.#history = history;
  }

  verdict(): Verdict {
    return {
      acts: this.#history.counts,
      read: this.#read,
      followed: this.#followed,
      rightErrors: this.#rightErrors,
      wrongEntries: this.#wrongEntries,
      wrongErrors: this.#wrongErrors,
    };
  }

  take(line: SeenLine): void {
    if (line.see === "entries") return this.#entries(line);
    if (line.see === "error") return this.#error(line);
    if (line.see === "follow") {
      const { id, by, opened, at } = line;
      this.#followers.set(id, { by, opened, began: at, given: new Map(), next: undefined, at });
      return;
    }
    const follower = this.#followers.get(line.id);
    if (follower === undefined) throw new TypeError(`There is no follower ${line.id}`);
    if (line.see === "next") return this.#next(follower, line.at, line.index, line.serial);
    if (line.see === "failed") return this.#failed(follower, line.at, line.next, line.error);
    if (line.isLate) {
      this.#wrongEntries.push(`${follower.by}: the last entry did not come, next ${follower.next}`);
    } else this.#compare(follower);
  }

  #entries({ by, asked, first, last, serials }: SeenLine & { see: "entries" }): void {
    this.#read += serials.length;
    for (const [i, serial] of serials.entries()) {
      const index = first + i;
      if (serial !== null && this.#history.hadOnce(index, serial, asked.opened, asked.to)) continue;
      this.#wrongEntries.push(
        `${by}: ${index} is ${serial ?? "none that was written"}${at(asked)}`,
      );
    }
    for (let index = first + serials.length; index <= last; index++) {
      if (!this.#history.hadAlways(index, asked.opened, asked.to)) continue;
      this.#wrongEntries.push(`${by}: ${index} is missing, without an error${at(asked)}`);
    }
  }

  #error({ by, asked, index, error }: SeenLine & { see: "error" }): void {
    const isRight = index !== undefined && error.code === "ERR_WAL_INDEX_OUT_OF_RANGE" &&
      !this.#history.hadAlways(index, asked.opened, asked.to);
    if (isRight) this.#rightErrors++;
    else this.#wrongErrors.push(`${by}, ${index ?? "open"}: ${show(error)}${at(asked)}`);
  }

  #next(follower: Follower, time: number, index: number, serial: number | null): void {
    this.#followed++;
    const { by, began, given, next } = follower;
    const wrong = (what: string): void => {
      this.#wrongEntries.push(`${by}: ${index} is ${serial ?? "none that was written"}, ${what}`);
    };
    const from = Math.max(began, time - READ_AHEAD_MS);
    if (serial === null || !this.#history.hadOnce(index, serial, from, time)) {
      wrong(`which it was not at ${time}, follower since ${began}`);
    } else if (next !== undefined && index > next) {
      wrong(`after ${next - 1}, at ${time}`);
    } else if (given.get(index) === serial) {
      wrong(`given twice, at ${time}`);
    } else if (next !== undefined && index < next && !this.#history.wasDropped(index, time)) {
      wrong(`after ${next - 1}, although nothing was dropped, at ${time}`);
    }
    if (serial !== null) given.set(index, serial);
    follower.next = index + 1;
    follower.at = time;
  }

  #failed(follower: Follower, time: number, next: number | undefined, error: Thrown): void {
    const isRight = error.code === "ERR_WAL_INDEX_OUT_OF_RANGE" &&
      (next === undefined || this.#wasGone(follower, next, time));
    if (isRight) this.#rightErrors++;
    else this.#wrongErrors.push(`${follower.by}, next ${next}: ${show(error)}, at ${time}`);
  }

  /** Whether there was a moment at which a follower could not continue with an entry. */
  #wasGone({ opened, began, given }: Follower, next: number, time: number): boolean {
    // It goes back also to what was dropped before it began, since the handle had been there.
    if (this.#history.wasOvertaken(next, opened, time)) return true;
    // One that has given nothing was refused: it wants an entry, or the one after the last.
    return given.size === 0 && !this.#history.hadAlways(next, began, time) &&
      !this.#history.hadAlways(next - 1, began, time);
  }

  /** What a follower has given in the end is what is there. */
  #compare({ by, given }: Follower): void {
    const { firstIndex, serials } = this.#history.contents;
    const from = Math.max(firstIndex, Math.min(...given.keys()));
    for (const [i, serial] of serials.entries()) {
      const index = firstIndex + i;
      if (index < from || given.get(index) === serial) continue;
      const was = given.get(index) ?? "nothing";
      this.#wrongEntries.push(`${by}: in the end it has given ${was} for ${index}, not ${serial}`);
      return;
    }
  }
}

function show({ code, message }: Thrown): string {
  return `${code ?? "no error of the log's"}: ${message}`;
}

function at({ opened, from, to }: Asked): string {
  return `, opened ${opened}, asked ${from} to ${to}`;
}
