/**
 * The whole entries of one file of a log, damaged or not, and what is missing between them.
 *
 * The file is walked from its first byte to its last. An entry's index is counted from the file's
 * first, as long as it is known how many entries each damaged stretch held; a Seal tells it again
 * after any damage. Where it is not known, the walk goes on with a range.
 *
 * What a search finds may be bytes of a damaged entry that look like frames. It is told as found by
 * search until a Durable frame stands in its place, or a Seal says that an entry begins there.
 *
 * @module
 */
import { DurableFinder, tailOf } from "./anchors.ts";
import {
  FILE_HEADER_SIZE,
  type FormatVersion,
  readFileHeader,
  writeFileHeader,
} from "../format/file_header.ts";
import { FRAME_HEADER_SIZE, isFrameType, TYPE_DATA, TYPE_INTERNAL } from "../format/frame.ts";
import type { BatchFrame } from "../format/batch_frame.ts";
import { DURABLE_FRAME_SIZE, type DurableFrame } from "../format/durable_frame.ts";
import { type InternalFrame, kindOf, KINDS, readInternalPayload } from "../format/kinds.ts";
import { sameLog } from "../format/log_id.ts";
import { SEGMENT_FRAME_SIZE } from "../format/segment_frame.ts";
import { type DamagedFrame, type Extent, extentOf } from "./damage_extent.ts";
import type { FoundFrame, FoundSeal, FrameReader } from "./frame_reader.ts";
import { advanced, exactly, type IndexRange } from "./index_range.ts";

/** How long the header and the Segment frame are together, in bytes. */
const BEGINNING_SIZE = FILE_HEADER_SIZE + SEGMENT_FRAME_SIZE;

/** A file to walk. */
export interface FileToWalk {
  readonly reader: FrameReader;
  /** Where in its segment the file begins, in bytes; undefined if nobody knows. */
  readonly base: number | undefined;
  /** The index of the first entry that its segment can hold. */
  readonly firstIndex: number;
  /** Whether that is only a guess, and a Durable frame may say another. */
  readonly isGuess: boolean;
  /** Which index the first entry after the file's beginning may have. */
  readonly start: IndexRange;
  /** Whether it is known to be of version 2, whatever its header says. */
  readonly isVersion2: boolean;
  readonly logId: Uint8Array | undefined;
  /** What the next segment states of the file: its size and the checksum of its last frame. */
  readonly stated: { readonly size: number; readonly checksum: number } | undefined;
  /** Whether zeros at its end are space that was never used. */
  readonly mayHaveUnusedSpace: boolean;
  /** Looks again whether a frame that is not whole becomes so: a writer may be writing it. */
  readonly lookAgain: (look: () => boolean) => boolean;
  /** Where to stop for bytes that were set aside there. */
  readonly pauses: readonly number[];
}

/** Whether an entry is of a batch of which not all is there. */
export type BatchState = "whole" | "incomplete" | "unknown";

/** A whole entry. */
export interface WholeEntry {
  readonly kind: "entry";
  /** Where its frame begins. */
  readonly offset: number;
  /** Bytes of it. */
  readonly length: number;
  readonly index: IndexRange;
  /** Whether what is known of the file's end may narrow the index. */
  readonly canBeNarrowed: boolean;
  /** How many entries may follow up to where the highest index counts. */
  readonly mostAhead: number;
  readonly isFoundBySearch: boolean;
  readonly batch: BatchState;
  /** Whether a Seal does not count it: a truncation dropped it. */
  readonly isDropped: boolean;
}

/** Bytes that are no whole frame, or a frame where none like it may stand. */
export interface Damage {
  readonly kind: "damage";
  readonly offset: number;
  readonly bytes: number;
  /** The index of the next entry before it, and after it. */
  readonly before: IndexRange;
  readonly after: IndexRange;
  /** Whether an entry may have been in it. */
  readonly mayHideEntries: boolean;
  readonly canBeNarrowed: boolean;
  /** How many entries may follow up to where the highest index counts. */
  readonly mostAhead: number;
  readonly what: string;
}

/** The place at which bytes were set aside. */
export interface Pause {
  readonly kind: "pause";
  /** Which of the pauses it is. */
  readonly position: number;
  readonly index: IndexRange;
  readonly canBeNarrowed: boolean;
  /** How many entries may follow up to where the highest index counts. */
  readonly mostAhead: number;
}

/** What a walk finds, in order. */
export type Found = WholeEntry | Damage | Pause;

/** What is known at a file's end. */
export interface WalkEnd {
  /** Which index the next entry may have. */
  readonly index: IndexRange;
  readonly isSealed: boolean;
  /**
   * How many of the last entries a truncation may have dropped, if no Seal counts them: those of the
   * last batch, or what may be it.
   */
  readonly mayBeDropped: number;
  /** Whether it holds neither an entry nor damage. */
  readonly isEmpty: boolean;
  /** Whether nothing is damaged. */
  readonly isIntact: boolean;
  /** Where the last whole frame ends, and its checksum. */
  readonly last: { readonly end: number; readonly checksum: number } | undefined;
  /** What the first Durable frame in its place says of the file, if it was asked. */
  readonly origin: Pick<DurableFrame, "logId" | "segment"> | undefined;
}

/** Walks a file. */
export function* walk(file: FileToWalk): Generator<Found, WalkEnd> {
  return yield* new Walk(file).run();
}

/** A batch that is not whole: where it ends, and the index after it, if that is known. */
interface BrokenBatch {
  readonly end: number;
  readonly after: IndexRange | undefined;
}

/** A place from which on it is known again which entry stands where. */
interface Regained {
  readonly offset: number;
  readonly index: number;
  /** What holds from there on. */
  readonly seal: FoundSeal | undefined;
}

class Walk {
  readonly #file: FileToWalk;
  readonly #reader: FrameReader;
  readonly #base: number;
  #version: FormatVersion | undefined;
  #logId: Uint8Array | undefined;
  #index: IndexRange;
  readonly #durables: DurableFinder;
  /** The Seal, while its offsets hold. */
  #seal: FoundSeal | undefined;
  /** What the Seal says of the end, where it is not known how far its offsets hold before. */
  #regained: Regained | undefined;
  /** Whether it is known that bytes of the file were lost, or came in between. */
  #isShifted = false;
  /** How many entries the Seal has, if its offsets do not hold. */
  #sealedCount = Infinity;
  /** Up to where the highest index is known that an entry can have. */
  #boundedTo = 0;
  #last: WalkEnd["last"];
  #isSealed = false;
  /** Whether nothing was damaged so far. */
  #isIntact = true;
  #isEmpty = true;
  #isFoundBySearch = false;
  /** Whether damage may have hidden the Batch frame of the entries that follow. */
  #mayBeInBatch = false;
  #broken: BrokenBatch | undefined;
  /** How many entries of a batch that is whole are still to come. */
  #leftInBatch = 0;
  #mayBeDropped = 0;
  #paused = 0;
  #origin: WalkEnd["origin"];

  constructor(file: FileToWalk) {
    this.#file = file;
    this.#reader = file.reader;
    this.#base = file.base ?? 0;
    this.#logId = file.logId;
    this.#index = file.start;
    this.#durables = new DurableFinder(file.reader, (frame, offset) => this.#isOwn(frame, offset));
  }

  *run(): Generator<Found, WalkEnd> {
    const { size } = this.#reader;
    const seal = this.#findSeal();
    if (seal !== undefined) this.#believe(seal);
    this.#isShifted = this.#showsShift();
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
      mayBeDropped: this.#seal === undefined ? this.#mayBeDropped : 0,
      isEmpty: this.#isEmpty,
      isIntact: this.#isIntact,
      last: this.#last,
      origin: this.#origin,
    };
  }

  /** Looks at the header; where the first frame should be. */
  *#begin(): Generator<Found, number> {
    const { size } = this.#reader;
    if (this.#file.base !== 0) return 0;
    const header = readFileHeader(this.#reader.bytes(0, FILE_HEADER_SIZE));
    if (header.kind === "valid") {
      this.#version = header.version;
      return FILE_HEADER_SIZE;
    }
    if (header.kind === "unfinished" && this.#isUnused(FILE_HEADER_SIZE)) return size;
    if (this.#reader.frameAt(FILE_HEADER_SIZE) === undefined) {
      const isWhole = this.#file.isVersion2 && this.#isInPlace(BEGINNING_SIZE) &&
        this.#reader.frameAt(BEGINNING_SIZE) !== undefined;
      if (!isWhole) return 0;
      yield this.#damage(0, BEGINNING_SIZE, this.#index, "the file's beginning is not valid");
      return BEGINNING_SIZE;
    }
    const what = header.kind === "unknown version"
      ? `the file header says version ${header.version}`
      : "the file header is not valid";
    const isSure = this.#isInPlace(FILE_HEADER_SIZE) || this.#isNearlyHeader();
    const after = isSure ? this.#index : this.#beyond(0, FILE_HEADER_SIZE);
    yield this.#damage(0, FILE_HEADER_SIZE, after, what);
    return FILE_HEADER_SIZE;
  }

  /** Takes in what is at `offset`; where to go on. */
  *#step(offset: number): Generator<Found, number> {
    const broken = this.#broken;
    if (broken !== undefined && offset >= broken.end) {
      this.#broken = undefined;
      if (broken.after === undefined) {
        this.#mayBeInBatch = true;
      } else {
        this.#index = broken.after;
        this.#boundedTo = 0;
        this.#isFoundBySearch = false;
        if (offset === broken.end) this.#mayBeInBatch = false;
      }
    }
    if (this.#regained !== undefined && offset >= this.#regained.offset) {
      this.#regain(this.#regained);
    }
    const { size, isExhausted } = this.#reader;
    if (isExhausted && this.#seal === undefined) {
      const what = "the search for whole entries was given up here: too much of the file looks " +
        "like frames and is none. A lower --max-entry-size lets it come farther";
      yield this.#damage(offset, size - offset, this.#beyond(offset, size), what);
      return size;
    }
    const frame = this.#frameAt(offset);
    if (frame === undefined) return yield* this.#passDamage(offset);
    const next = offset + FRAME_HEADER_SIZE + frame.length;
    this.#last = { end: next, checksum: frame.checksum };
    return frame.type === TYPE_DATA
      ? yield* this.#takeEntry(offset, frame, next)
      : yield* this.#takeInternal(offset, frame, next);
  }

  /** No frame that begins at `offset` goes beyond this. */
  #endFrom(offset: number): number {
    const { size } = this.#reader;
    const seal = this.#seal;
    if (seal === undefined || this.#regained !== undefined) {
      return Math.min(this.#broken?.end ?? size, this.#regained?.offset ?? size, size);
    }
    const next = seal.offsets[this.#positionFrom(seal, offset + 1)];
    if (next !== undefined) return next - this.#base;
    return offset < seal.at ? seal.at : size;
  }

  #frameAt(offset: number): FoundFrame | undefined {
    const end = this.#endFrom(offset);
    const look = (): FoundFrame | undefined => this.#reader.frameAt(offset, end);
    let frame = look();
    if (frame !== undefined || this.#isUnused(offset)) return frame;
    const seal = this.#seal;
    if (seal !== undefined && this.#isIntact && !this.#isVouchedFor(seal)) {
      // Bytes at the end of an entry may look like a Seal, which says other offsets.
      frame = this.#reader.frameAt(offset);
      if (frame !== undefined) this.#seal = undefined;
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
    let isDropped = this.#isIntact && this.#index.from >= firstIndex + this.#sealedCount;
    const seal = this.#seal;
    if (seal !== undefined && this.#regained === undefined) {
      const position = this.#positionFrom(seal, offset);
      if (seal.offsets[position] === this.#base + offset) {
        this.#index = exactly(firstIndex + position);
      } else if (position === seal.offsets.length) {
        isDropped = true;
      } else if (this.#isIntact && !this.#isVouchedFor(seal)) {
        this.#seal = undefined;
      } else {
        return yield* this.#passDamage(offset);
      }
    }
    if (this.#isSealed) return yield* this.#goOnAfterSeal(offset);
    const isFirst = this.#file.base === 0 && offset === FILE_HEADER_SIZE;
    if (isFirst && (this.#version === 2 || this.#file.isVersion2)) {
      const isInPlace = this.#isInPlace(offset);
      const after = isInPlace ? this.#index : this.#beyond(0, offset);
      yield this.#damage(offset, 0, after, "an entry stands where the Segment frame should");
      this.#isFoundBySearch ||= !isInPlace;
      this.#mayBeInBatch ||= !isInPlace;
    }
    const batch = this.#broken !== undefined
      ? "incomplete"
      : this.#mayBeInBatch
      ? "unknown"
      : "whole";
    const index = this.#index;
    // What a search found may be no entry, and may stand where there were several.
    const least = this.#isFoundBySearch ? 0 : 1;
    const most = Math.max(least, Math.floor((next - offset) / FRAME_HEADER_SIZE));
    this.#index = advanced(
      index,
      least,
      offset < this.#boundedTo ? 0 : this.#isFoundBySearch ? most : 1,
    );
    this.#isEmpty = false;
    const isInBatch = this.#leftInBatch > 0 || batch !== "whole" || this.#isFoundBySearch;
    this.#mayBeDropped = isInBatch ? this.#mayBeDropped + 1 : 0;
    if (this.#leftInBatch > 0) this.#leftInBatch--;
    yield {
      kind: "entry",
      offset,
      length,
      index: this.#beforeRegained(this.#withinBatch(index)),
      canBeNarrowed: this.#canBeNarrowed,
      mostAhead: this.#mostAhead(offset),
      isFoundBySearch: this.#isFoundBySearch,
      batch,
      isDropped,
    };
    return next;
  }

  *#takeInternal(
    offset: number,
    found: FoundFrame,
    next: number,
  ): Generator<Found, number> {
    const frame = this.#decode(offset, found);
    if (this.#file.base === undefined) return next;
    if (this.#isSealed && frame.kind !== "seal") return yield* this.#goOnAfterSeal(offset);
    const wrong = this.#wrongWith(frame, offset, next);
    // What a search found may be a part of an entry, and then says nothing.
    if (this.#isFoundBySearch && (wrong !== undefined || frame.kind !== "durable")) {
      if (frame.kind === "seal" && next === this.#reader.size) this.#isSealed = true;
      return next;
    }
    if (wrong !== undefined) {
      if (frame.kind === "unknown" || this.#seal !== undefined) {
        yield this.#damage(offset, next - offset, this.#index, wrong);
      } else {
        yield this.#damage(offset, next - offset, this.#anywhere(next), wrong);
      }
      return next;
    }
    this.#mayBeInBatch = false;
    this.#isFoundBySearch = false;
    this.#broken = undefined;
    // A Seal that counts less of a batch may stand after one that is skipped.
    if (frame.kind !== "seal" && frame.kind !== "skippable") this.#mayBeDropped = 0;
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
        if (this.#seal !== undefined) {
          this.#index = exactly(this.#file.firstIndex + this.#seal.offsets.length);
        }
        break;
    }
    return next;
  }

  /** What is wrong with an Internal frame in this place. */
  #wrongWith(frame: InternalFrame, offset: number, next: number): string | undefined {
    const at = this.#base + offset;
    const isFirst = at === FILE_HEADER_SIZE;
    switch (frame.kind) {
      case "unknown":
        return `an Internal frame of the unknown kind ${frame.number}: a later version wrote it`;
      case "skippable":
        return isFirst ? "a skippable frame stands where the Segment frame should" : undefined;
      case "segment":
        return isFirst ? undefined : "a Segment frame stands within the file";
      case "batch":
        return frame.count > 0 ? undefined : "a Batch frame of no entries";
      case "durable": {
        return this.#isOwn(frame, offset)
          ? undefined
          : "a Durable frame that is not in its place: " +
            "what is around it may come from another place too";
      }
      case "seal": {
        const last = this.#seal?.offsets.at(-1);
        if (last !== undefined) return at > last ? undefined : "a Seal stands within the file";
        if (!this.#isIntact) return undefined;
        const entries = this.#index.from - this.#file.firstIndex;
        const isOwn = frame.count <= entries && next > offset;
        return isOwn ? undefined : `a Seal of ${frame.count} entries after ${entries}`;
      }
    }
  }

  /** Whether a Durable frame is of this file and stands in its place. */
  #isOwn(frame: DurableFrame, offset: number): boolean {
    const at = this.#base + offset;
    const isOwn = (this.#logId === undefined || sameLog(frame.logId, this.#logId)) &&
      frame.ownOffset === at && frame.durableOffset <= at;
    return isOwn && (frame.segment === this.#file.firstIndex || this.#file.isGuess);
  }

  /** Whether something shows that no bytes before `offset` were deleted or inserted. */
  #isInPlace(offset: number): boolean {
    if (this.#seal !== undefined && this.#regained === undefined) return true;
    return this.#durables.next(offset) !== undefined;
  }

  /** Whether all but one byte of a file header is there. */
  #isNearlyHeader(): boolean {
    const bytes = this.#reader.bytes(0, FILE_HEADER_SIZE);
    return ([1, 2] as const).some((version) => {
      const header = new Uint8Array(FILE_HEADER_SIZE);
      writeFileHeader(header, version);
      return header.filter((byte, i) => bytes[i] !== byte).length === 1;
    });
  }

  /** Whether what is known of the file's end may narrow an index here. */
  get #canBeNarrowed(): boolean {
    return this.#broken?.after === undefined && this.#regained === undefined;
  }

  /** Takes a Batch frame in: all of its entries are whole, or each is of a broken batch. */
  *#takeBatch(
    { count, bytes }: BatchFrame,
    offset: number,
    next: number,
  ): Generator<Found, void> {
    const end = next + bytes;
    let at = next;
    let left = count;
    for (; left > 0 && at < end; left--) {
      const frame = this.#reader.frameAt(at, Math.min(end, this.#reader.size));
      if (frame?.type !== TYPE_DATA) break;
      at += FRAME_HEADER_SIZE + frame.length;
    }
    if (left === 0 && at === end) {
      this.#leftInBatch = count;
      return;
    }
    // Where bytes were lost or inserted, the batch ends elsewhere.
    this.#broken = this.#isInPlace(end)
      ? { end, after: advanced(this.#index, count, count) }
      : { end: at, after: undefined };
    this.#isIntact = false;
    if (this.#seal === undefined && (at >= this.#reader.size || this.#isUnused(at))) {
      // The walk ends there, and what is missing is nowhere else.
      const what = `${left} of the ${count} entries of a batch are missing`;
      yield this.#damage(offset, at - offset, this.#index, what);
    }
  }

  /** Goes on after a Seal, which should be the last frame: nobody knows what follows. */
  *#goOnAfterSeal(offset: number): Generator<Found, number> {
    const what = "more follows a Seal, which ends a file: it may be none of the log's";
    yield this.#damage(offset, 0, this.#anywhere(offset), what);
    this.#isSealed = false;
    this.#isFoundBySearch = true;
    this.#mayBeInBatch = true;
    return offset;
  }

  /** Tells of the damage at `offset`; where to go on. */
  *#passDamage(offset: number): Generator<Found, number> {
    const { size } = this.#reader;
    if (this.#isUnused(offset)) return size;
    if (this.#isSealed) return yield* this.#goOnAfterSeal(offset);
    const seal = this.#seal;
    if (seal !== undefined && this.#regained === undefined) {
      return yield* this.#passToSealed(seal, offset);
    }
    if (
      this.#version === 2 && this.#base + offset === FILE_HEADER_SIZE &&
      this.#isInPlace(BEGINNING_SIZE) && this.#reader.frameAt(BEGINNING_SIZE) !== undefined
    ) {
      const what = "the Segment frame fails its checksum";
      yield this.#damage(offset, SEGMENT_FRAME_SIZE, this.#index, what);
      return offset + SEGMENT_FRAME_SIZE;
    }
    const broken = this.#broken;
    if (
      broken !== undefined && broken.end < size && this.#reader.frameAt(broken.end) === undefined
    ) {
      // Nothing shows that the batch ends there: its Batch frame may come from another place.
      this.#broken = undefined;
      this.#mayBeInBatch = true;
    }
    const end = this.#endFrom(offset);
    const isUnused = (at: number): boolean => this.#isUnused(at);
    const extent = extentOf({ reader: this.#reader, end, isUnused }, offset);
    const { frames, isProven, next } = extent;
    if (frames.length > 0 && !this.#isFoundBySearch) {
      const lost = frames.filter(({ type }) => type === TYPE_DATA).length;
      const what = this.#whatWere(extent);
      // Where bytes were lost, those around the gap may look like one changed byte.
      const isSure = isProven
        ? !this.#isShifted || this.#isInPlace(next)
        : this.#isInPlace(next) && frames.every((frame) => this.#isSurelyDurable(frame));
      const after = isSure ? advanced(this.#index, lost, lost) : this.#beyond(offset, next);
      yield this.#damage(offset, next - offset, after, what);
      this.#isFoundBySearch = !isSure && !this.#isInPlace(next);
      this.#mayBeInBatch ||= frames.some((frame) => this.#mayBeBatch(frame)) ||
        this.#isFoundBySearch;
      return next;
    }
    const isGivenUp = this.#reader.isExhausted;
    const what = `${next - offset} bytes are no whole frame` + (
      isGivenUp
        ? ", and the search after them was given up: too much looks like frames and is none. A " +
          "lower --max-entry-size lets it come farther"
        : next === size && this.#file.mayHaveUnusedSpace
        ? ", and none follows: a write that was interrupted, or damage"
        : ""
    );
    yield this.#damage(offset, next - offset, this.#beyond(offset, next), what);
    this.#isFoundBySearch = true;
    this.#mayBeInBatch = true;
    return next;
  }

  /** The same where a Seal tells where each entry begins. */
  *#passToSealed(seal: FoundSeal, offset: number): Generator<Found, number> {
    const { firstIndex } = this.#file;
    const from = this.#positionFrom(seal, offset);
    let to = from;
    for (; to < seal.offsets.length; to++) {
      const at = seal.offsets[to] as number - this.#base;
      if (at > offset && this.#reader.frameAt(at, this.#endFrom(at))?.type === TYPE_DATA) break;
    }
    const entry = seal.offsets[to];
    const place = entry === undefined ? seal.at : entry - this.#base;
    if (to > from && this.#hasMoved(seal, offset, place)) {
      // Where bytes were lost or inserted, and as many inserted or lost after that.
      this.#index = exactly(firstIndex + from);
      this.#regained = { offset: place, index: firstIndex + to, seal };
      return yield* this.#passMoved(offset);
    }
    let next = entry === undefined ? Math.max(seal.at, offset + 1) : entry - this.#base;
    if (offset >= seal.at) next = this.#reader.size;
    // A Batch frame may stand before that entry, and is to be seen.
    let isReached = false;
    let hidesBatch = false;
    for (let at = offset; at < next && !isReached;) {
      const frame = this.#reader.headerAt(at);
      if (frame === undefined || !isFrameType(frame.type) || frame.length === 0) break;
      hidesBatch ||= this.#mayBeBatch(frame);
      at += FRAME_HEADER_SIZE + frame.length;
      isReached = at === next || (at < next && this.#isInternal(at, next));
      if (isReached) next = at;
    }
    const lost = this.#positionFrom(seal, next) - from;
    if (from < seal.offsets.length) this.#index = exactly(firstIndex + from);
    const after = lost === 0 ? this.#index : exactly(firstIndex + from + lost);
    const what = offset === 0
      ? "the file's beginning is not valid"
      : lost === 0
      ? "a frame of the log's own fails its checksum"
      : lost === 1
      ? "the entry fails its checksum"
      : `${lost} entries fail their checksums`;
    yield this.#damage(offset, next - offset, after, what);
    this.#mayBeInBatch ||= hidesBatch || !isReached;
    // Of the entries that were dropped, no Seal tells.
    if (entry === undefined) this.#isFoundBySearch = true;
    return next;
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
    const position = this.#positionFrom(seal, offset + 1) - 1;
    const place = seal.offsets[position];
    if (place === undefined) return undefined;
    const header = this.#reader.headerAt(place - this.#base);
    if (header?.type !== TYPE_DATA) return undefined;
    const end = place - this.#base + FRAME_HEADER_SIZE + header.length;
    const next = seal.offsets[position + 1];
    const limit = next === undefined ? seal.at : next - this.#base;
    return end > offset && end <= limit ? end : undefined;
  }

  /** Tells of the damage in front of entries that have moved; where they begin. */
  *#passMoved(offset: number): Generator<Found, number> {
    const { size } = this.#reader;
    // Its Batch frame tells an end that has moved too.
    this.#broken = undefined;
    const limit = this.#regained?.offset ?? size;
    const next = this.#reader.nextFrame(offset, limit) ?? limit;
    const what =
      `${next - offset} bytes are no whole frame, and what follows does not stand where ` +
      "the Seal has it: bytes were lost, or came in between";
    yield this.#damage(offset, next - offset, this.#beyond(offset, next), what);
    this.#mayBeInBatch = this.#isFoundBySearch = true;
    return next;
  }

  /** Whether a whole Internal frame begins at `offset` and ends by `end`. */
  #isInternal(offset: number, end: number): boolean {
    const header = this.#reader.headerAt(offset);
    if (header?.type !== TYPE_INTERNAL) return false;
    return this.#reader.frameAt(offset, end) !== undefined;
  }

  /** What the damaged frames were, in words. */
  #whatWere({ frames }: Extent): string {
    const [only] = frames;
    if (only === undefined || frames.length > 1) {
      return `${frames.length} frames in a row fail their checksums`;
    }
    const size = FRAME_HEADER_SIZE + only.length;
    const name = only.type === TYPE_DATA ? "the entry" : this.#internalName(only.offset, size);
    return `${name} of ${size} bytes fails its checksum`;
  }

  /** What an Internal frame is whose checksum fails, as far as its place and size tell. */
  #internalName(offset: number, size: number): string {
    if (this.#base + offset === FILE_HEADER_SIZE) return "the Segment frame";
    const number = this.#reader.bytes(offset, FRAME_HEADER_SIZE + 1)[FRAME_HEADER_SIZE];
    const kind = kindOf(number);
    if (kind === KINDS.durable && size === DURABLE_FRAME_SIZE) return "a Durable frame";
    if (kind === KINDS.batch) return "a Batch frame";
    return kind === KINDS.seal ? "the Seal" : "a frame of the log's own";
  }

  /** Whether enough is left of a damaged frame to know it for the Durable frame of this place. */
  #isSurelyDurable({ type, length, offset }: DamagedFrame): boolean {
    if (type !== TYPE_INTERNAL || FRAME_HEADER_SIZE + length !== DURABLE_FRAME_SIZE) return false;
    const bytes = this.#reader.bytes(offset, DURABLE_FRAME_SIZE).slice(FRAME_HEADER_SIZE);
    const kind = readInternalPayload(bytes);
    return kind.kind === "durable" && this.#logId !== undefined &&
      (sameLog(kind.logId, this.#logId) || kind.ownOffset === this.#base + offset);
  }

  /** Whether a damaged frame may have been a Batch frame: those of other sizes were none. */
  #mayBeBatch({ type, length }: FoundFrame): boolean {
    return type === TYPE_INTERNAL && FRAME_HEADER_SIZE + length !== DURABLE_FRAME_SIZE &&
      FRAME_HEADER_SIZE + length !== SEGMENT_FRAME_SIZE;
  }

  #damage(offset: number, bytes: number, after: IndexRange, what: string): Damage {
    const before = this.#index;
    this.#index = after;
    this.#isIntact = false;
    this.#isEmpty = false;
    this.#leftInBatch = 0;
    this.#mayBeDropped += after.to === Infinity ? Infinity : Math.max(0, after.to - before.to);
    return {
      kind: "damage",
      offset,
      bytes,
      before: this.#withinBatch(before),
      after: this.#withinBatch(after),
      mayHideEntries: before.from !== after.from || before.to !== after.to,
      canBeNarrowed: this.#canBeNarrowed,
      mostAhead: this.#mostAhead(offset),
      what,
    };
  }

  /** A range that does not reach beyond the batch that is being walked. */
  #withinBatch(range: IndexRange): IndexRange {
    const after = this.#broken?.after;
    if (after === undefined || this.#seal !== undefined) return range;
    return { from: Math.min(range.from, after.to), to: Math.min(range.to, after.to) };
  }

  /** The range of an entry, which comes before the one at the place that is known again. */
  #beforeRegained({ from, to }: IndexRange): IndexRange {
    const most = (this.#regained?.index ?? Infinity) - 1;
    return { from: Math.min(from, most), to: Math.min(to, most) };
  }

  /** Which index may follow bytes of which nobody knows what they were. */
  #beyond(offset: number, next: number): IndexRange {
    const { from, to } = this.#index;
    const isEnd = next === this.#reader.size && this.#file.mayHaveUnusedSpace;
    return { from, to: isEnd ? Infinity : this.#most(to, offset, next) };
  }

  /** Which index an entry at `offset` may have if nothing before it can be trusted. */
  #anywhere(offset: number): IndexRange {
    const { firstIndex } = this.#file;
    return { from: firstIndex, to: this.#most(firstIndex, 0, offset) };
  }

  /**
   * The highest index that an entry may have from `next` on, if the one that could begin at `offset`
   * has at most `index`: bounded only up to a place that is known again.
   */
  #most(index: number, offset: number, next: number): number {
    const regained = this.#regained;
    if (regained !== undefined && next <= regained.offset) {
      this.#boundedTo = regained.offset;
      return regained.index;
    }
    const place = this.#durables.next(next);
    if (place === undefined) return Infinity;
    const isBounded = offset > 0 && offset < this.#boundedTo;
    this.#boundedTo = place;
    const from = offset === 0 ? -this.#base : offset;
    return isBounded ? index : index + Math.floor((place - from) / FRAME_HEADER_SIZE);
  }

  /** How many entries may be between `offset` and the place up to which the index is bounded. */
  #mostAhead(offset: number): number {
    return Math.max(0, Math.ceil((this.#boundedTo - offset) / FRAME_HEADER_SIZE));
  }

  *#pauseAt(offset: number): Generator<Found, void> {
    const { pauses } = this.#file;
    for (
      let at = pauses[this.#paused];
      at !== undefined && at <= offset;
      at = pauses[this.#paused]
    ) {
      const isHere = at === offset && !this.#isFoundBySearch;
      const { firstIndex } = this.#file;
      const most = Math.floor((this.#base + at) / FRAME_HEADER_SIZE);
      const anywhere = { from: firstIndex, to: firstIndex + most };
      const index = isHere ? this.#withinBatch(this.#index) : anywhere;
      const canBeNarrowed = isHere && this.#canBeNarrowed;
      const mostAhead = this.#mostAhead(at);
      yield { kind: "pause", position: this.#paused++, index, canBeNarrowed, mostAhead };
    }
  }

  /** Whether nothing but space that was never used follows. */
  #isUnused(offset: number): boolean {
    return this.#file.mayHaveUnusedSpace && this.#reader.isZeroFrom(offset);
  }

  /** The position of the first entry that the Seal has at `offset` or after it. */
  #positionFrom({ offsets }: FoundSeal, offset: number): number {
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
    return isCovered && !this.#isVouchedFor(seal) ? undefined : seal;
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
    if (this.#reader.frameAt(last, seal.at)?.type === TYPE_DATA) return false;
    const around = { reader: this.#reader, end: seal.at, isUnused: (): boolean => false };
    return !extentOf(around, last).isProven;
  }

  /** Goes on where it is known again which entry stands where. */
  #regain({ index, seal }: Regained): void {
    this.#regained = undefined;
    this.#seal = seal;
    this.#index = exactly(index);
    this.#boundedTo = 0;
    this.#broken = undefined;
    this.#isFoundBySearch = false;
    this.#sealedCount = Infinity;
  }

  #decode(offset: number, { length }: FoundFrame): InternalFrame {
    const bytes = this.#reader.bytes(offset, FRAME_HEADER_SIZE + length);
    return readInternalPayload(bytes.subarray(FRAME_HEADER_SIZE));
  }
}

/** Walks a file to its end for what is known there. */
export function endOf(file: FileToWalk): WalkEnd {
  const steps = walk(file);
  for (let step = steps.next();; step = steps.next()) {
    if (step.done) return step.value;
  }
}
