/**
 * The terms of a log's entries, as runs of equal ones: a log has millions of entries and few terms.
 *
 * @module
 */

/** Entries of one term that follow each other, up to the next run. */
interface Run {
  readonly firstIndex: number;
  readonly term: number;
}

/** The terms of the entries from the first to the last. They never go down. */
export class Terms {
  #runs: Run[] = [];

  /**
   * Finds the terms of a log by bisection. Since terms never go down, a stretch whose two ends have
   * the same term has no other, so this takes about `2 × runs × log2(entries)` reads and not one an
   * entry.
   *
   * @param termAt Reads an entry's term.
   * @param onDescent Makes the error for an entry whose term is below that of one before it.
   */
  static find(
    firstIndex: number,
    lastIndex: number,
    termAt: (index: number) => number,
    onDescent: (index: number) => Error,
  ): Terms {
    const terms = new Terms();
    if (firstIndex > lastIndex) return terms;
    const split = (low: number, lowTerm: number, high: number, highTerm: number): void => {
      if (lowTerm > highTerm) throw onDescent(high);
      if (lowTerm === highTerm) return;
      if (high - low === 1) return terms.add(high, highTerm);
      const middle = low + Math.floor((high - low) / 2);
      const term = termAt(middle);
      split(low, lowTerm, middle, term);
      split(middle, term, high, highTerm);
    };
    const first = termAt(firstIndex);
    terms.add(firstIndex, first);
    split(firstIndex, first, lastIndex, termAt(lastIndex));
    return terms;
  }

  /** Adds the entry after the last. */
  add(index: number, term: number): void {
    if (this.#runs.at(-1)?.term !== term) this.#runs.push({ firstIndex: index, term });
  }

  /** The run that an entry lies in, which must be there. */
  runOf(index: number): Run {
    let low = 0;
    let high = this.#runs.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#runs[middle]?.firstIndex ?? Infinity) <= index) low = middle;
      else high = middle - 1;
    }
    const run = this.#runs[low];
    if (run === undefined || run.firstIndex > index) {
      throw new RangeError(`No run of terms has the index ${index}`);
    }
    return run;
  }

  /** Drops the entries from an index on. */
  cutFrom(index: number): void {
    while ((this.#runs.at(-1)?.firstIndex ?? -1) >= index) this.#runs.pop();
  }

  /** Drops the entries below an index, the last of which are `lastIndex`. */
  dropBefore(index: number, lastIndex: number): void {
    if (index > lastIndex) {
      this.#runs = [];
      return;
    }
    const { term } = this.runOf(index);
    this.#runs = this.#runs.filter(({ firstIndex }) => firstIndex > index);
    this.#runs.unshift({ firstIndex: index, term });
  }
}
