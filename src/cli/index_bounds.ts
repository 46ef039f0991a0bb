/**
 * How high an index can be after damage: bytes that stand where they were written bound the number of
 * entries before them.
 *
 * @module
 */
import { DurableFinder } from "./anchors.ts";
import type { DurableFrame } from "../format/durable_frame.ts";
import { FRAME_HEADER_SIZE } from "../format/frame.ts";
import { advanced, type IndexRange } from "./index_range.ts";
import type { SealView } from "./seal_view.ts";
import type { FileToWalk } from "./walked_file.ts";

/** The bounds of the indexes in a file, as far as a walk has come. */
export class IndexBounds {
  readonly #file: FileToWalk;
  readonly #seals: SealView;
  readonly #durables: DurableFinder;
  /** Up to where the highest index is known that an entry can have. */
  #boundedTo = 0;

  /** @param isOwn Whether a Durable frame stands in its place at an offset. */
  constructor(
    file: FileToWalk,
    seals: SealView,
    isOwn: (frame: DurableFrame, offset: number) => boolean,
  ) {
    this.#file = file;
    this.#seals = seals;
    this.#durables = new DurableFinder(file.reader, isOwn);
  }

  /** Forgets the bound: the index is known again. */
  clear(): void {
    this.#boundedTo = 0;
  }

  /** Which index may follow an entry. */
  afterEntry(
    index: IndexRange,
    offset: number,
    next: number,
    isFoundBySearch: boolean,
  ): IndexRange {
    // What a search found may be no entry, and may stand where there were several.
    const least = isFoundBySearch ? 0 : 1;
    const most = Math.max(least, Math.floor((next - offset) / FRAME_HEADER_SIZE));
    return advanced(index, least, offset < this.#boundedTo ? 0 : isFoundBySearch ? most : 1);
  }

  /** Whether something shows that no bytes before `offset` were deleted or inserted. */
  isInPlace(offset: number): boolean {
    return this.#seals.held !== undefined || this.#durables.next(offset) !== undefined;
  }

  /** Which index may follow unknown bytes. */
  beyond({ from, to }: IndexRange, offset: number, next: number): IndexRange {
    const isEnd = next === this.#file.reader.size && this.#file.mayHaveUnusedSpace;
    return { from, to: isEnd ? Infinity : this.#most(to, offset, next) };
  }

  /** Which index an entry at `offset` may have if nothing before it can be trusted. */
  anywhere(offset: number): IndexRange {
    const { firstIndex } = this.#file;
    return { from: firstIndex, to: this.#most(firstIndex, 0, offset) };
  }

  /** Which index an entry at `offset` may have, as far as the bytes before it tell. */
  upTo(offset: number): IndexRange {
    const { firstIndex, base = 0 } = this.#file;
    return { from: firstIndex, to: firstIndex + Math.floor((base + offset) / FRAME_HEADER_SIZE) };
  }

  /** How many entries may be between `offset` and the place up to which the index is bounded. */
  mostAhead(offset: number): number {
    return Math.max(0, Math.ceil((this.#boundedTo - offset) / FRAME_HEADER_SIZE));
  }

  /** The range of an entry, which comes before the one at the place that is known again. */
  beforeRegained({ from, to }: IndexRange): IndexRange {
    const most = (this.#seals.regained?.index ?? Infinity) - 1;
    // Before the first entry of all there is none: what stands there came in.
    if (most < 1) return { from, to: Infinity };
    return { from: Math.min(from, most), to: Math.min(to, most) };
  }

  /**
   * The highest index that an entry may have from `next` on, if the one that could begin at `offset`
   * has at most `index`: bounded only up to a place that is known again.
   */
  #most(index: number, offset: number, next: number): number {
    const { regained } = this.#seals;
    if (regained !== undefined && next <= regained.offset) {
      this.#boundedTo = regained.offset;
      return regained.index;
    }
    const place = this.#durables.next(next);
    if (place === undefined) return Infinity;
    const isBounded = offset > 0 && offset < this.#boundedTo;
    this.#boundedTo = place;
    const from = offset === 0 ? -(this.#file.base ?? 0) : offset;
    return isBounded ? index : index + Math.floor((place - from) / FRAME_HEADER_SIZE);
  }
}
