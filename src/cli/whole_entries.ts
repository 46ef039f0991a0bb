/**
 * The whole entries of one file of a log, damaged or not, and what is missing between them.
 *
 * The file is walked from its first byte to its last. An entry's index is counted from the file's
 * first, as long as it is known how many entries each damaged stretch held; a Seal tells it again
 * after any damage. Where it is not known, the walk continues with a range.
 *
 * What a search finds may be bytes of a damaged entry that look like frames. It is told as found by
 * search until a Durable frame stands in its place, or a Seal says that an entry begins there.
 *
 * @module
 */
import { batchExtent, BatchView } from "./batch_view.ts";
import type { BatchFrame } from "../format/batch_frame.ts";
import type { DurableFrame } from "../format/durable_frame.ts";
import { FILE_HEADER_SIZE, type FormatVersion } from "../format/file_header.ts";
import { FRAME_HEADER_SIZE, TYPE_DATA } from "../format/frame.ts";
import { type InternalFrame, readInternalPayload } from "../format/kinds.ts";
import { sameLog } from "../format/log_id.ts";
import { SEGMENT_FRAME_SIZE } from "../format/segment_frame.ts";
import { extentOf } from "./damage_extent.ts";
import {
  BEGINNING_SIZE,
  isSurelyDurable,
  mayBeBatch,
  whatSealed,
  whatSearched,
  whatWere,
} from "./damaged_frames.ts";
import { wrongWith } from "./frame_place.ts";
import type { FoundFrame, FoundSeal, FrameReader } from "./frame_reader.ts";
import { IndexBounds } from "./index_bounds.ts";
import { advanced, exactly, type IndexRange } from "./index_range.ts";
import { SealView } from "./seal_view.ts";
import { beginningOf } from "./walked_beginning.ts";
import type { Damage, FileToWalk, Found, WalkEnd } from "./walked_file.ts";

/** Walks a file. */
export function* walk(file: FileToWalk): Generator<Found, WalkEnd> {
  return yield* new Walk(file).run();
}

class Walk {
  readonly #file: FileToWalk;
  readonly #reader: FrameReader;
  readonly #base: number;
  #version: FormatVersion | undefined;
  #logId: Uint8Array | undefined;
  #index: IndexRange;
  readonly #seals: SealView;
  readonly #bounds: IndexBounds;
  #last: WalkEnd["last"];
  #isSealed = false;
  /** Whether nothing was damaged so far. */
  #isIntact = true;
  #isEmpty = true;
  #isFoundBySearch = false;
  readonly #batches = new BatchView();
  #paused = 0;
  #origin: WalkEnd["origin"];

  constructor(file: FileToWalk) {
    this.#file = file;
    this.#reader = file.reader;
    this.#base = file.base ?? 0;
    this.#logId = file.logId;
    this.#index = file.start;
    this.#seals = new SealView(file);
    this.#bounds = new IndexBounds(
      file,
      this.#seals,
      (frame, offset) => this.#isOwn(frame, offset),
    );
  }

  *run(): Generator<Found, WalkEnd> {
    const { size } = this.#reader;
    let offset = yield* this.#begin();
    while (offset < size) {
      yield* this.#pauseAt(offset);
      offset = yield* this.#step(offset);
    }
    yield* this.#pauseAt(size);
    yield* this.#pauseAt(Infinity);
    return {
      index: this.#index,
      isSealed: this.#isSealed,
      mayBeDropped: this.#seals.seal === undefined ? this.#batches.mayBeDropped : 0,
      isEmpty: this.#isEmpty,
      isIntact: this.#isIntact,
      last: this.#last,
      origin: this.#origin,
    };
  }

  /** Looks at the header; where the first frame should be. */
  *#begin(): Generator<Found, number> {
    if (this.#file.base !== 0) return 0;
    const { start, version, damage } = beginningOf(
      this.#file,
      (offset) => this.#bounds.isInPlace(offset),
      (offset) => this.#isUnused(offset),
    );
    this.#version = version;
    if (damage !== undefined) {
      const after = damage.isSure ? this.#index : this.#bounds.beyond(this.#index, 0, start);
      yield this.#damage(0, start, after, damage.what);
    }
    return start;
  }

  /** Takes in what is at `offset`; returns where to continue. */
  *#step(offset: number): Generator<Found, number> {
    const after = this.#batches.leave(offset);
    if (after !== undefined) {
      this.#index = after;
      this.#bounds.clear();
      this.#isFoundBySearch = false;
    }
    const { regained } = this.#seals;
    if (regained !== undefined && offset >= regained.offset) {
      this.#seals.regain(regained);
      this.#index = exactly(regained.index);
      this.#bounds.clear();
      this.#batches.forget();
      this.#isFoundBySearch = false;
    }
    const { size, isExhausted } = this.#reader;
    if (isExhausted && this.#seals.seal === undefined) {
      const what = "the search for whole entries was given up here: too much of the file looks " +
        "like frames and is none. A lower --max-entry-size lets it come farther";
      yield this.#damage(
        offset,
        size - offset,
        this.#bounds.beyond(this.#index, offset, size),
        what,
      );
      return size;
    }
    const frame = this.#frameAt(offset);
    if (frame === undefined) return yield* this.#passDamage(offset);
    const next = offset + FRAME_HEADER_SIZE + frame.length;
    this.#last = { end: next, checksum: frame.checksum };
    return frame.type === TYPE_DATA
      ? yield* this.#takeEntry(offset, frame, next)
      : yield* this.#takeInternal(offset, next);
  }

  #frameAt(offset: number): FoundFrame | undefined {
    const end = this.#seals.endFrom(offset, this.#batches.brokenEnd);
    const look = (): FoundFrame | undefined => this.#reader.frameAt(offset, end);
    let frame = look();
    if (frame !== undefined || this.#isUnused(offset)) return frame;
    if (this.#isIntact && this.#seals.mayBeForged) {
      // Bytes at the end of an entry may look like a Seal, which says other offsets.
      frame = this.#reader.frameAt(offset);
      if (frame !== undefined) this.#seals.drop();
      return frame;
    }
    this.#file.lookAgain(() => {
      this.#reader.forget();
      frame = look();
      return frame !== undefined;
    });
    return frame;
  }

  *#takeEntry(offset: number, { length }: FoundFrame, next: number): Generator<Found, number> {
    const { firstIndex } = this.#file;
    const isDropped = this.#isIntact && this.#index.from >= firstIndex + this.#seals.sealedCount;
    const seal = this.#seals.held;
    if (seal !== undefined) {
      const position = this.#seals.positionFrom(seal, offset);
      if (seal.offsets[position] === this.#base + offset) {
        this.#index = exactly(firstIndex + position);
      } else if (position < seal.offsets.length) {
        if (!this.#isIntact || !this.#seals.mayBeForged) return yield* this.#passDamage(offset);
        this.#seals.drop();
      }
    }
    if (this.#isSealed) return yield* this.#continueAfterSeal(offset);
    const isFirst = this.#file.base === 0 && offset === FILE_HEADER_SIZE;
    if (isFirst && (this.#version === 2 || this.#file.isVersion2)) {
      const isInPlace = this.#bounds.isInPlace(offset);
      const after = isInPlace ? this.#index : this.#bounds.beyond(this.#index, 0, offset);
      yield this.#damage(offset, 0, after, "an entry stands where the Segment frame should");
      this.#isFoundBySearch ||= !isInPlace;
      if (!isInPlace) this.#batches.hide();
    }
    const batch = this.#batches.takeEntry(this.#isFoundBySearch);
    const index = this.#index;
    this.#index = this.#bounds.afterEntry(index, offset, next, this.#isFoundBySearch);
    this.#isEmpty = false;
    yield {
      kind: "entry",
      offset,
      length,
      index: this.#bounds.beforeRegained(this.#withinBatch(index)),
      canBeNarrowed: this.#canBeNarrowed,
      mostAhead: this.#bounds.mostAhead(offset),
      isFoundBySearch: this.#isFoundBySearch,
      batch,
      isDropped,
    };
    return next;
  }

  *#takeInternal(
    offset: number,
    next: number,
  ): Generator<Found, number> {
    const bytes = this.#reader.bytes(offset, next - offset);
    const frame = readInternalPayload(bytes.subarray(FRAME_HEADER_SIZE));
    if (this.#file.base === undefined) return next;
    if (this.#isSealed && frame.kind !== "seal") return yield* this.#continueAfterSeal(offset);
    const wrong = this.#wrongWith(frame, offset);
    // What a search found may be a part of an entry, and then says nothing.
    if (this.#isFoundBySearch && (wrong !== undefined || frame.kind !== "durable")) {
      if (frame.kind === "seal" && next === this.#reader.size) this.#isSealed = true;
      return next;
    }
    if (wrong !== undefined) {
      const isCounted = frame.kind === "unknown" || this.#seals.seal !== undefined;
      const after = isCounted ? this.#index : this.#bounds.anywhere(next);
      yield this.#damage(offset, next - offset, after, wrong);
      return next;
    }
    this.#isFoundBySearch = false;
    // A Seal that counts less of a batch may stand after one that is skipped.
    this.#batches.close(!["seal", "skippable", "pending"].includes(frame.kind));
    switch (frame.kind) {
      case "segment":
        this.#logId ??= frame.logId;
        if (this.#version !== 1) break;
        yield this.#damage(0, FILE_HEADER_SIZE, this.#index, "the file header says version 1");
        break;
      case "durable":
        this.#logId ??= frame.logId;
        this.#origin ??= frame;
        break;
      case "batch":
        yield* this.#takeBatch(frame, offset, next);
        break;
      case "seal":
        this.#isSealed = true;
        if (this.#seals.seal !== undefined) {
          this.#index = exactly(this.#file.firstIndex + this.#seals.seal.offsets.length);
        }
        break;
    }
    return next;
  }

  /** What is wrong with an Internal frame in this place. */
  #wrongWith(frame: InternalFrame, offset: number): string | undefined {
    return wrongWith(frame, {
      at: this.#base + offset,
      isOwn: frame.kind === "durable" && this.#isOwn(frame, offset),
      lastSealed: this.#seals.seal?.offsets.at(-1),
      entries: this.#isIntact ? this.#index.from - this.#file.firstIndex : undefined,
    });
  }

  /** Whether a Durable frame is of this file and stands in its place. */
  #isOwn(frame: DurableFrame, offset: number): boolean {
    const at = this.#base + offset;
    const isOwn = (this.#logId === undefined || sameLog(frame.logId, this.#logId)) &&
      frame.ownOffset === at && frame.durableOffset <= at;
    return isOwn && (frame.segment === this.#file.firstIndex || this.#file.isGuess);
  }

  /** Whether what is known of the file's end may narrow an index here. */
  get #canBeNarrowed(): boolean {
    return !this.#batches.isBounded && this.#seals.regained === undefined;
  }

  /** Takes a Batch frame in: all of its entries are whole, or each is of a broken batch. */
  *#takeBatch(
    frame: BatchFrame,
    offset: number,
    next: number,
  ): Generator<Found, void> {
    const { count } = frame;
    const { at, left, isWhole } = batchExtent(this.#reader, frame, next);
    if (isWhole) return this.#batches.begin(count);
    const end = next + frame.bytes;
    // Where bytes were lost or inserted, the batch ends elsewhere.
    if (this.#bounds.isInPlace(end)) {
      this.#batches.beginBroken(end, advanced(this.#index, count, count));
    } else this.#batches.beginBroken(at, undefined);
    this.#isIntact = false;
    if (this.#seals.seal === undefined && (at >= this.#reader.size || this.#isUnused(at))) {
      // The walk ends there, and what is missing is nowhere else.
      const what = `${left} of the ${count} entries of a batch are missing`;
      yield this.#damage(offset, at - offset, this.#index, what);
    }
  }

  /** Continues after a Seal, which should be the last frame: what follows is unknown. */
  *#continueAfterSeal(offset: number): Generator<Found, number> {
    const what = "more follows a Seal, which ends a file: it may be none of the log's";
    yield this.#damage(offset, 0, this.#bounds.anywhere(offset), what);
    this.#isSealed = false;
    this.#isFoundBySearch = true;
    this.#batches.hide();
    return offset;
  }

  /** Reports the damage at `offset`; returns where to continue. */
  *#passDamage(offset: number): Generator<Found, number> {
    const { size } = this.#reader;
    if (this.#isUnused(offset)) return size;
    if (this.#isSealed) return yield* this.#continueAfterSeal(offset);
    const seal = this.#seals.held;
    if (seal !== undefined) return yield* this.#passToSealed(seal, offset);
    if (
      this.#version === 2 && this.#base + offset === FILE_HEADER_SIZE &&
      this.#bounds.isInPlace(BEGINNING_SIZE) && this.#reader.frameAt(BEGINNING_SIZE) !== undefined
    ) {
      const what = "the Segment frame fails its checksum";
      yield this.#damage(offset, SEGMENT_FRAME_SIZE, this.#index, what);
      return offset + SEGMENT_FRAME_SIZE;
    }
    const { brokenEnd = size } = this.#batches;
    if (brokenEnd < size && this.#reader.frameAt(brokenEnd) === undefined) {
      // Nothing shows that the batch ends there: its Batch frame may come from another place.
      this.#batches.forget();
      this.#batches.hide();
    }
    const end = this.#seals.endFrom(offset, this.#batches.brokenEnd);
    const isUnused = (at: number): boolean => this.#isUnused(at);
    const extent = extentOf({ reader: this.#reader, end, isUnused }, offset);
    const { frames, isProven, next } = extent;
    if (frames.length > 0 && !this.#isFoundBySearch) {
      const lost = frames.filter(({ type }) => type === TYPE_DATA).length;
      const what = whatWere(this.#reader, this.#base, extent);
      // Where bytes were lost, those around the gap may look like one changed byte.
      const isSure = isProven
        ? !this.#seals.isShifted || this.#bounds.isInPlace(next)
        : this.#bounds.isInPlace(next) &&
          frames.every((frame) => isSurelyDurable(this.#reader, this.#base, this.#logId, frame));
      const after = isSure
        ? advanced(this.#index, lost, lost)
        : this.#bounds.beyond(this.#index, offset, next);
      yield this.#damage(offset, next - offset, after, what);
      this.#isFoundBySearch = !isSure && !this.#bounds.isInPlace(next);
      if (this.#isFoundBySearch || frames.some(mayBeBatch)) this.#batches.hide();
      return next;
    }
    const isTail = next === size && this.#file.mayHaveUnusedSpace;
    const what = whatSearched(next - offset, this.#reader.isExhausted, isTail);
    const after = this.#bounds.beyond(this.#index, offset, next);
    yield this.#damage(offset, next - offset, after, what);
    this.#isFoundBySearch = true;
    this.#batches.hide();
    return next;
  }

  /** The same where a Seal tells where each entry begins. */
  *#passToSealed(seal: FoundSeal, offset: number): Generator<Found, number> {
    const damage = this.#seals.damageAt(seal, offset);
    if (damage.kind === "moved") {
      this.#index = damage.index;
      return yield* this.#passMoved(offset);
    }
    const { next, index, lost } = damage;
    if (index !== undefined) this.#index = index;
    const after = index === undefined || lost === 0 ? this.#index : advanced(index, lost, lost);
    yield this.#damage(offset, next - offset, after, whatSealed(offset, lost));
    if (damage.mayHideBatch) this.#batches.hide();
    // Of the entries that were dropped, no Seal tells.
    if (damage.isAfterLast) this.#isFoundBySearch = true;
    return next;
  }

  /** Reports the damage in front of entries that have moved; returns where they begin. */
  *#passMoved(offset: number): Generator<Found, number> {
    const { size } = this.#reader;
    // Its Batch frame tells an end that has moved too.
    this.#batches.forget();
    const limit = this.#seals.regained?.offset ?? size;
    const next = this.#reader.nextFrame(offset, limit) ?? limit;
    const what =
      `${next - offset} bytes are no whole frame, and what follows does not stand where ` +
      "the Seal has it: bytes were lost, or came in between";
    yield this.#damage(offset, next - offset, this.#bounds.beyond(this.#index, offset, next), what);
    this.#isFoundBySearch = true;
    this.#batches.hide();
    return next;
  }

  #damage(offset: number, bytes: number, after: IndexRange, what: string): Damage {
    const before = this.#index;
    this.#index = after;
    this.#isIntact = false;
    this.#isEmpty = false;
    this.#batches.takeDamage(
      after.to === Infinity ? Infinity : Math.max(0, after.to - before.to),
    );
    return {
      kind: "damage",
      offset,
      bytes,
      before: this.#withinBatch(before),
      after: this.#withinBatch(after),
      mayHideEntries: before.from !== after.from || before.to !== after.to,
      canBeNarrowed: this.#canBeNarrowed,
      mostAhead: this.#bounds.mostAhead(offset),
      what,
    };
  }

  /** A range that does not reach beyond the batch that is being walked. */
  #withinBatch(range: IndexRange): IndexRange {
    return this.#seals.seal === undefined ? this.#batches.within(range) : range;
  }

  *#pauseAt(offset: number): Generator<Found, void> {
    const { pauses } = this.#file;
    for (
      let at = pauses[this.#paused];
      at !== undefined && at <= offset;
      at = pauses[this.#paused]
    ) {
      const isHere = at === offset && !this.#isFoundBySearch;
      const index = isHere ? this.#withinBatch(this.#index) : this.#bounds.upTo(at);
      const canBeNarrowed = isHere && this.#canBeNarrowed;
      const mostAhead = this.#bounds.mostAhead(at);
      yield { kind: "pause", position: this.#paused++, index, canBeNarrowed, mostAhead };
    }
  }

  /** Whether nothing but space that was never used follows. */
  #isUnused(offset: number): boolean {
    return this.#file.mayHaveUnusedSpace && this.#reader.isZeroFrom(offset);
  }
}

/** Walks a file to its end for what is known there. */
export function endOf(file: FileToWalk): WalkEnd {
  const steps = walk(file);
  for (let step = steps.next();; step = steps.next()) {
    if (step.done) return step.value;
  }
}
