/**
 * Where each entry of a segment begins: four bytes an entry, in pages, so that no entry waits for a
 * large copy; eight once a file of version 1, which never ends, has grown beyond 4 GiB.
 *
 * @module
 */

type Page = Uint32Array | Float64Array;

/** Entries of a page. */
const PAGE_BITS = 14;
const PAGE_SIZE: number = 1 << PAGE_BITS;

/** Entries of the first page to begin with: most indexes are small. */
const FIRST_SIZE = 64;

const MAX_UINT32 = 0xffff_ffff;

/** A growing list of byte offsets in ascending order. */
export class OffsetIndex {
  readonly #pages: Page[] = [];
  /** The page that the next offset goes to, and how much room there is before it must change. */
  #page: Page = new Uint32Array(0);
  #count = 0;

  /** How many offsets there are. */
  get count(): number {
    return this.#count;
  }

  /** Adds the offset of the next entry. */
  push(offset: number): void {
    const at = this.#count & (PAGE_SIZE - 1);
    if (at === 0 || at >= this.#page.length || offset > MAX_UINT32) this.#turnTo(at, offset);
    this.#page[at] = offset;
    this.#count++;
  }

  /** Adds numbers of a list, from one position up to another, each plus `base`. */
  pushAll(numbers: Uint32Array, from: number, to: number, base: number): void {
    for (let next = from; next < to;) {
      // The first finds the page, and the others follow as far as that goes.
      this.push(base + (numbers[next++] as number));
      const at = this.#count & (PAGE_SIZE - 1);
      const room = at === 0 ? 0 : this.#page.length - at;
      const end = Math.min(to, next + room);
      if (base + (numbers[end - 1] as number) > MAX_UINT32) continue;
      const page = this.#page;
      for (let i = next; i < end; i++) page[at + i - next] = base + (numbers[i] as number);
      this.#count += end - next;
      next = end;
    }
  }

  /** Finds or makes the page for the next offset, with room at a position. */
  #turnTo(at: number, offset: number): void {
    const number = this.#count >>> PAGE_BITS;
    const old = this.#pages[number];
    const isWide = offset > MAX_UINT32 || old instanceof Float64Array;
    const isFit = old !== undefined && at < old.length && isWide === old instanceof Float64Array;
    if (isFit) {
      this.#page = old;
      return;
    }
    const size = number > 0
      ? PAGE_SIZE
      : Math.max(FIRST_SIZE, at < PAGE_SIZE / 2 ? 2 * at : PAGE_SIZE);
    const page = isWide ? new Float64Array(size) : new Uint32Array(size);
    if (old !== undefined) page.set(old.subarray(0, at));
    this.#pages[number] = page;
    this.#page = page;
  }

  /** The offset at a position from 0, which must exist. */
  at(position: number): number {
    if (position < 0 || position >= this.#count) throw new RangeError(`No offset ${position}`);
    return (this.#pages[position >>> PAGE_BITS] as Page)[position & (PAGE_SIZE - 1)] as number;
  }

  /** How many of the offsets from a position on are those of a list, each plus `base`. */
  countMatching(position: number, numbers: Uint32Array, count: number, base: number): number {
    for (let i = 0; i < count; i++) {
      if (this.at(position + i) !== base + (numbers[i] as number)) return i;
    }
    return count;
  }

  /** Keeps the first `count` offsets. */
  cut(count: number): void {
    if (count >= this.#count) return;
    this.#count = count;
    this.#page = this.#pages[count >>> PAGE_BITS] ?? this.#page;
  }

  /** How many offsets lie below `limit`. */
  countBelow(limit: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.at(middle) < limit) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
