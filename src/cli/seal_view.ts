/**
 * What a file's Seal tells a walk: where each entry begins, from which place on, and what damage
 * before that hides.
 *
 * A Seal is only believed where the file shows that its offsets hold. Bytes at the end of an entry may
 * look like one, and after bytes were lost its offsets hold at the end of the file at most.
 *
 * @module
 */
import { tailOf } from "./anchors.ts";
import { FRAME_HEADER_SIZE, isFrameType, TYPE_DATA, TYPE_INTERNAL } from "../format/frame.ts";
import { extentOf } from "./damage_extent.ts";
import { BEGINNING_SIZE, mayBeBatch } from "./damaged_frames.ts";
import type { FoundSeal, FrameReader } from "./frame_reader.ts";
import { exactly, type IndexRange } from "./index_range.ts";
import type { FileToWalk } from "./walked_file.ts";

/** A place from which on it is known again which entry stands where. */
interface Regained {
  readonly offset: number;
  readonly index: number;
  /** What holds from there on. */
  readonly seal: FoundSeal | undefined;
}

/** Damage before a place that the Seal tells. */
export interface SealedDamage {
  readonly kind: "damage";
  /** The next place: the next frame that the log has there. */
  readonly next: number;
  /** The index of the first entry that is damaged; undefined after the last one. */
  readonly index: IndexRange | undefined;
  /** How many entries are. */
  readonly lost: number;
  /** Whether a Batch frame may be among what is damaged. */
  readonly mayHideBatch: boolean;
  /** Whether no entry of the Seal's follows: it tells nothing of those that were dropped. */
  readonly isAfterLast: boolean;
}

/** Whole entries none of which stands where the Seal has one. */
export interface MovedEntries {
  readonly kind: "moved";
  /** The index of the first entry that should be there. */
  readonly index: IndexRange;
}

/** What a file's Seal tells, as far as a walk has come. */
export class SealView {
  readonly #file: FileToWalk;
  readonly #reader: FrameReader;
  readonly #base: number;
  #seal: FoundSeal | undefined;
  #regained: Regained | undefined;
  #sealedCount = Infinity;
  /** Whether it is known that bytes of the file were lost, or came in between. */
  readonly isShifted: boolean;

  constructor(file: FileToWalk) {
    this.#file = file;
    this.#reader = file.reader;
    this.#base = file.base ?? 0;
    const seal = this.#findSeal();
    if (seal !== undefined) this.#believe(seal);
    this.isShifted = this.#showsShift();
  }

  /** The Seal, if its offsets hold: everywhere, or from the place on where all is known again. */
  get seal(): FoundSeal | undefined {
    return this.#seal;
  }

  /** The Seal, if its offsets hold where the walk is. */
  get held(): FoundSeal | undefined {
    return this.#regained === undefined ? this.#seal : undefined;
  }

  /** What the Seal says of the end, where it is not known how far its offsets hold before. */
  get regained(): Regained | undefined {
    return this.#regained;
  }

  /** How many entries the Seal has, if its offsets do not hold. */
  get sealedCount(): number {
    return this.#sealedCount;
  }

  /** Whether nothing but the Seal itself says that it is one. */
  get mayBeForged(): boolean {
    return this.#seal !== undefined && !this.#isVouchedFor(this.#seal);
  }

  /** Believes the Seal no more. */
  drop(): void {
    this.#seal = undefined;
  }

  /** Takes in that the walk has come to the place where all is known again. */
  regain({ seal }: Regained): void {
    this.#regained = undefined;
    this.#seal = seal;
    this.#sealedCount = Infinity;
  }

  /** No frame that begins at `offset` goes beyond this; a batch that is not whole ends at `batchEnd`. */
  endFrom(offset: number, batchEnd: number | undefined): number {
    const { size } = this.#reader;
    const seal = this.held;
    if (seal === undefined) return Math.min(batchEnd ?? size, this.#regained?.offset ?? size, size);
    const next = seal.offsets[this.positionFrom(seal, offset + 1)];
    if (next !== undefined) return next - this.#base;
    return offset < seal.at ? seal.at : size;
  }

  /** The position of the first entry that the Seal has at `offset` or after it. */
  positionFrom({ offsets }: FoundSeal, offset: number): number {
    const wanted = this.#base + offset;
    let low = 0;
    let high = offsets.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (offsets[middle] as number < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** How far the damage at `offset` reaches, where the Seal tells where each entry begins. */
  damageAt(seal: FoundSeal, offset: number): SealedDamage | MovedEntries {
    const { firstIndex } = this.#file;
    const from = this.positionFrom(seal, offset);
    let to = from;
    for (; to < seal.offsets.length; to++) {
      const at = seal.offsets[to] as number - this.#base;
      const end = this.endFrom(at, undefined);
      if (at > offset && this.#reader.frameAt(at, end)?.type === TYPE_DATA) break;
    }
    const entry = seal.offsets[to];
    const place = entry === undefined ? seal.at : entry - this.#base;
    if (to > from && this.#hasMoved(seal, offset, place)) {
      // Where bytes were lost or inserted, and as many inserted or lost after that.
      this.#regained = { offset: place, index: firstIndex + to, seal };
      return { kind: "moved", index: exactly(firstIndex + from) };
    }
    let limit = entry === undefined ? Math.max(seal.at, offset + 1) : entry - this.#base;
    if (offset >= seal.at) limit = this.#reader.size;
    const { next, mayHideBatch } = this.#chainTo(limit, offset);
    return {
      kind: "damage",
      next,
      index: from < seal.offsets.length ? exactly(firstIndex + from) : undefined,
      lost: this.positionFrom(seal, next) - from,
      mayHideBatch,
      isAfterLast: entry === undefined,
    };
  }

  /** Where the headers lead from `offset` on: to an Internal frame before `limit`, or there. */
  #chainTo(limit: number, offset: number): { next: number; mayHideBatch: boolean } {
    // A Batch frame may stand before that entry, and is to be seen.
    let next = limit;
    let isReached = false;
    let hidesBatch = false;
    for (let at = offset; at < next && !isReached;) {
      const frame = this.#reader.headerAt(at);
      if (frame === undefined || !isFrameType(frame.type) || frame.length === 0) break;
      hidesBatch ||= mayBeBatch(frame);
      at += FRAME_HEADER_SIZE + frame.length;
      isReached = at === next || (at < next && this.#isInternal(at, next));
      if (isReached) next = at;
    }
    return { next, mayHideBatch: hidesBatch || !isReached };
  }

  /** Whether whole entries stand from `offset` on to `place`, none of them where the Seal has one. */
  #hasMoved(seal: FoundSeal, offset: number, place: number): boolean {
    for (let at = offset;;) {
      const found = this.#reader.nextFrame(at, place);
      if (found === undefined) return false;
      const around = this.#entryAround(seal, found) ?? 0;
      const frame = this.#reader.headerAt(found);
      const end = found + FRAME_HEADER_SIZE + (frame?.length ?? 0);
      if (around === 0 && this.#isAfterLast(seal, found)) return false;
      // What goes beyond the entry that should be there is no part of it.
      if (end > around && frame?.type === TYPE_DATA) return true;
      at = Math.max(around, end);
    }
  }

  /** Whether the last entry that the Seal has ends by `offset`: what follows was dropped. */
  #isAfterLast({ offsets }: FoundSeal, offset: number): boolean {
    const last = (offsets.at(-1) ?? Infinity) - this.#base;
    const header = this.#reader.headerAt(last);
    return header?.type === TYPE_DATA && last + FRAME_HEADER_SIZE + header.length <= offset;
  }

  /** Where the entry ends that the Seal has around `offset`, if its header says that it is there. */
  #entryAround(seal: FoundSeal, offset: number): number | undefined {
    const position = this.positionFrom(seal, offset + 1) - 1;
    const place = seal.offsets[position];
    if (place === undefined) return undefined;
    const header = this.#reader.headerAt(place - this.#base);
    if (header?.type !== TYPE_DATA) return undefined;
    const end = place - this.#base + FRAME_HEADER_SIZE + header.length;
    const next = seal.offsets[position + 1];
    const limit = next === undefined ? seal.at : next - this.#base;
    return end > offset && end <= limit ? end : undefined;
  }

  /** Whether a whole Internal frame begins at `offset` and ends by `end`. */
  #isInternal(offset: number, end: number): boolean {
    const header = this.#reader.headerAt(offset);
    if (header?.type !== TYPE_INTERNAL) return false;
    return this.#reader.frameAt(offset, end) !== undefined;
  }

  /** The Seal that the file ends with, if what it says can be. */
  #findSeal(): FoundSeal | undefined {
    const { base } = this.#file;
    const seal = base === undefined ? undefined : this.#reader.seal();
    if (seal === undefined) return undefined;
    const { offsets, at } = seal;
    const isAscending = offsets.every((offset, i) =>
      i === 0 || offset > (offsets[i - 1] as number)
    );
    const [first] = offsets;
    const last = offsets.at(-1);
    if (first === undefined || last === undefined || !isAscending) return undefined;
    // Where bytes were deleted, its offsets may lie after it.
    const isInside = first >= BEGINNING_SIZE &&
      (last - this.#base < at || this.#isVouchedFor(seal));
    if (!isInside) return undefined;
    // The last entry of a file may itself end with what looks like a Seal.
    const isCovered = this.#reader.frameAt(last - this.#base) !== undefined &&
      this.#reader.frameAt(last - this.#base, at) === undefined;
    return isCovered ? undefined : seal;
  }

  /** Whether the next segment states this Seal's checksum. */
  #isVouchedFor({ at }: FoundSeal): boolean {
    const { stated } = this.#file;
    return stated !== undefined && this.#reader.headerAt(at)?.checksum === stated.checksum;
  }

  /** Finds out where the Seal's offsets hold: everywhere, at the end only, or nowhere. */
  #believe(seal: FoundSeal): void {
    const { stated, firstIndex } = this.#file;
    const isStated = stated !== undefined && this.#isVouchedFor(seal);
    const shift = isStated ? this.#base + this.#reader.size - stated.size : 0;
    const isInPlace = isStated ? shift === 0 : tailOf(this.#reader, seal, -this.#base).isProof;
    if (isInPlace) {
      this.#seal = seal;
      return;
    }
    this.#sealedCount = seal.offsets.length;
    if (!isStated) return;
    const { position, offset } = tailOf(this.#reader, seal, shift - this.#base);
    const offsets = seal.offsets.map((stated) => Math.max(0, stated + shift));
    this.#regained = { offset, index: firstIndex + position, seal: { at: seal.at, offsets } };
  }

  /** Whether the next segment states another size, or the Seal has its last entry elsewhere. */
  #showsShift(): boolean {
    const { stated, base } = this.#file;
    if (stated !== undefined) return this.#base + this.#reader.size !== stated.size;
    if (base === undefined || this.#seal !== undefined) return false;
    const seal = this.#reader.seal();
    if (seal === undefined) return false;
    const last = (seal.offsets.at(-1) ?? 0) - this.#base;
    if (last >= seal.at) return true;
    // The end of a segment that was set aside may begin after its last entry.
    if (last < 0) return false;
    if (this.#reader.frameAt(last, seal.at)?.type === TYPE_DATA) return false;
    const around = { reader: this.#reader, end: seal.at, isUnused: (): boolean => false };
    return !extentOf(around, last).isProven;
  }
}
