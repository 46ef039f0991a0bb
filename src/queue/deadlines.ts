/**
 * What waits for moments, the earliest first: a binary heap.
 *
 * @module
 */

/** Something that waits, and until when. */
export interface Waiting<T> {
  readonly at: number;
  readonly item: T;
  /** Those of one moment keep the order in which they came. */
  readonly order: number;
}

/** The heap. */
export class Deadlines<T> {
  readonly #heap: Waiting<T>[] = [];
  #order = 0;

  /** How many wait. */
  get size(): number {
    return this.#heap.length;
  }

  /** What waits for the earliest moment. */
  get first(): Waiting<T> | undefined {
    return this.#heap[0];
  }

  /** Lets something wait. */
  add(at: number, item: T): void {
    const heap = this.#heap;
    let place = heap.push({ at, item, order: this.#order++ }) - 1;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!this.#swapIfEarlier(place, parent)) break;
      place = parent;
    }
  }

  /** Takes what waits for the earliest moment. */
  take(): T | undefined {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop();
    if (first === undefined || last === undefined || last === first) return first?.item;
    heap[0] = last;
    for (let place = 0;;) {
      const [left, right] = [2 * place + 1, 2 * place + 2];
      const child = right < heap.length && this.#isEarlier(right, left) ? right : left;
      if (child >= heap.length || !this.#swapIfEarlier(child, place)) return first.item;
      place = child;
    }
  }

  #swapIfEarlier(below: number, above: number): boolean {
    if (!this.#isEarlier(below, above)) return false;
    const heap = this.#heap;
    [heap[below], heap[above]] = [heap[above] as Waiting<T>, heap[below] as Waiting<T>];
    return true;
  }

  #isEarlier(one: number, other: number): boolean {
    const [a, b] = [this.#heap[one] as Waiting<T>, this.#heap[other] as Waiting<T>];
    return a.at < b.at || (a.at === b.at && a.order < b.order);
  }
}
