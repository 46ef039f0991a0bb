/**
 * The check of one segment: every frame, whether it may stand where it does, and where damage is.
 *
 * @module
 */
import { FILE_HEADER_SIZE, type FormatVersion, readFileHeader } from "../format/file_header.ts";
import { FRAME_HEADER_SIZE, TYPE_DATA, TYPE_INTERNAL } from "../format/frame.ts";
import type { BatchFrame } from "../format/batch_frame.ts";
import type { DurableFrame } from "../format/durable_frame.ts";
import { type InternalFrame, kindOf, KINDS, readInternalPayload } from "../format/kinds.ts";
import { sameLog } from "../format/log_id.ts";
import { PENDING_AT } from "../format/pending_frame.ts";
import { MAX_SEGMENT_ENTRIES } from "../format/seal_frame.ts";
import type { SegmentFrame } from "../format/segment_frame.ts";
import { type DueSeal, dueSealOf } from "./due_seal.ts";
import { headerDamage, nameOf } from "./damaged_frames.ts";
import type { CheckedSegment, Place, SegmentToCheck, Tail } from "./checked_segment.ts";
import { type FoundFrame, type FoundSeal, type FrameReader, sealOffsets } from "./frame_reader.ts";
import { durableOffsetAfter } from "./durable_offset.ts";

/** How often the caller gets to look at what was done, in bytes. */
const STEP = 4 * 1024 * 1024;

/** How many places of one file are listed; more do not help. */
const MAX_PLACES = 1000;

/** An offset that damage hides. */
const HIDDEN = 0xffffffff;

/**
 * Checks a segment from its first byte to its last, and continues after damage where it can.
 *
 * @returns What was found; yields, now and then, how many bytes were done since the last time.
 */
export function* checkSegment(segment: SegmentToCheck): Generator<number, CheckedSegment> {
  const check = new SegmentCheck(segment);
  return yield* check.run();
}

interface OpenBatch {
  readonly offset: number;
  readonly index: number;
  readonly frame: BatchFrame;
  /** Where its entries begin. */
  readonly start: number;
  left: number;
}

class SegmentCheck {
  readonly #segment: SegmentToCheck;
  readonly #reader: FrameReader;
  readonly #places: Place[] = [];
  #version: FormatVersion | undefined;
  #frame: SegmentFrame | undefined;
  #isPending = false;
  #index: number;
  #isAtLeast = false;
  #entries = 0;
  #lastChecksum: number | undefined = 0;
  #batch: OpenBatch | undefined;
  #isSealed = false;
  /** How many entries the last Seal counts. */
  #sealCount: number | undefined;
  /** Whether the Seal is damaged, which may count fewer entries than there are. */
  #hidesCount = false;
  /** Where each entry begins, to compare with the Seal. */
  #offsets = new Uint32Array(1024);
  #offsetCount = 0;
  /** The Seal as it is found from the end, looked for when damage is found. */
  #seal: FoundSeal | "none" | undefined;
  /** Of the last segment: the first offset that is not in order, and what follows it. */
  #end: { offset: number; index: number } | undefined;
  #framesAfterEnd = 0;
  /** Of a batch that the log would end before: how many of its entries are whole. */
  #tornBatchEntries: number | undefined;
  #durableOffset = 0;

  constructor(segment: SegmentToCheck) {
    this.#segment = segment;
    this.#reader = segment.reader;
    this.#index = segment.firstIndex;
  }

  *run(): Generator<number, CheckedSegment> {
    const { reader, firstIndex } = this.#segment;
    const { size } = reader;
    const header = readFileHeader(reader.bytes(0, FILE_HEADER_SIZE));
    if (header.kind === "valid") this.#version = header.version;
    const isBegun = this.#version === 1 || this.#hasSegmentFrame();
    if (!isBegun && reader.nextFrame(Math.min(size, FILE_HEADER_SIZE)) === undefined) {
      if (!reader.isExhausted) {
        yield size;
        return this.#result(true);
      }
    }
    if (header.kind !== "valid") this.#tell(0, firstIndex, headerDamage(header));

    let reported = 0;
    let offset = Math.min(size, FILE_HEADER_SIZE);
    while (offset < size) {
      const frame = reader.frameAt(offset);
      if (frame === undefined) offset = this.#passDamage(offset);
      else offset = this.#take(frame, offset);
      if (offset - reported >= STEP) {
        yield offset - reported;
        reported = offset;
      }
    }
    this.#finish();
    yield size - reported;
    return this.#result(false);
  }

  #hasSegmentFrame(): boolean {
    const frame = this.#reader.frameAt(FILE_HEADER_SIZE);
    return frame?.type === TYPE_INTERNAL &&
      this.#decode(frame, FILE_HEADER_SIZE).kind === "segment";
  }

  /** Takes a whole frame in; where the next one begins. */
  #take(frame: FoundFrame, offset: number): number {
    const next = offset + FRAME_HEADER_SIZE + frame.length;
    if (this.#end !== undefined) this.#framesAfterEnd++;
    const index = this.#index;
    const wrong = frame.type === TYPE_DATA
      ? this.#takeEntry(frame, offset)
      : this.#takeInternal(frame, offset);
    if (wrong !== undefined) this.#tell(offset, index, wrong);
    this.#lastChecksum = frame.checksum;
    return next;
  }

  /** Takes an entry in; what is wrong with it. */
  #takeEntry({ length }: FoundFrame, offset: number): string | undefined {
    const wrong = this.#takeExtent(offset, offset + FRAME_HEADER_SIZE + length);
    this.#entries++;
    if (wrong !== undefined) return wrong;
    const { maxEntrySize } = this.#segment;
    if (length > maxEntrySize) {
      const what = `the entry has ${length} bytes, above the limit of ${maxEntrySize}: opening ` +
        "would be refused without a higher one";
      this.#addPlace(offset, this.#index - 1, what);
    }
    return undefined;
  }

  /** Takes in that an entry is there, damaged or not; what is wrong with its place. */
  #takeExtent(offset: number, next: number): string | undefined {
    const isFirst = offset === FILE_HEADER_SIZE;
    this.#index++;
    this.#pushOffset(offset);
    if (this.#isSealed) return "an entry stands after the Seal";
    if (isFirst && this.#version === 2) return "an entry stands where the Segment frame should";
    const batch = this.#batch;
    if (batch === undefined || --batch.left > 0) return undefined;
    this.#batch = undefined;
    const { count, bytes } = batch.frame;
    const found = next - batch.start;
    if (found === bytes) return undefined;
    return `the batch of ${count} entries at offset ${batch.offset} has ${found} bytes, and its ` +
      `Batch frame says ${bytes}`;
  }

  /** Takes an Internal frame in; what is wrong with it. */
  #takeInternal(found: FoundFrame, offset: number): string | undefined {
    const frame = this.#decode(found, offset);
    const isFirst = offset === FILE_HEADER_SIZE;
    if (this.#version === 1) return "an Internal frame stands in a file of version 1";
    if (frame.kind === "unknown") {
      return `an Internal frame of the unknown kind ${frame.number}: a later version wrote it, ` +
        "or it is damaged";
    }
    if (this.#isSealed && frame.kind !== "seal") {
      return `a ${nameOf(frame)} frame stands after the Seal`;
    }
    if (isFirst !== (frame.kind === "segment")) {
      return isFirst
        ? `a ${nameOf(frame)} frame stands where the Segment frame should`
        : "a Segment frame stands within the file";
    }
    const batch = this.#batch;
    if (batch !== undefined) {
      this.#batch = undefined;
      const { count } = batch.frame;
      this.#endBefore(batch);
      if (frame.kind === "durable") this.#takeDurable(frame, offset);
      return `a ${nameOf(frame)} frame stands within the batch at offset ${batch.offset}, ` +
        `${batch.left} of whose ${count} entries are missing`;
    }
    switch (frame.kind) {
      case "segment":
        this.#frame = frame;
        return undefined;
      case "batch":
        if (frame.count === 0) return "a Batch frame of no entries";
        this.#batch = {
          offset,
          index: this.#index,
          frame,
          start: offset + FRAME_HEADER_SIZE + found.length,
          left: frame.count,
        };
        return undefined;
      case "durable":
        return this.#takeDurable(frame, offset);
      case "pending":
        this.#isPending ||= offset === PENDING_AT;
        return undefined;
      case "skippable":
        return undefined;
      case "seal":
        this.#isSealed = true;
        return this.#compareSeal(
          offset,
          this.#reader.bytes(offset, FRAME_HEADER_SIZE + found.length),
        );
    }
  }

  #takeDurable(frame: DurableFrame, offset: number): string | undefined {
    const own = this.#frame;
    if (own !== undefined && !sameLog(frame.logId, own.logId)) {
      return "a Durable frame of another log";
    }
    if (own !== undefined && frame.segment !== own.firstIndex) {
      return `a Durable frame of the segment from index ${frame.segment}`;
    }
    if (frame.ownOffset !== offset) {
      return `a Durable frame that says it stands at offset ${frame.ownOffset}`;
    }
    this.#durableOffset = Math.max(this.#durableOffset, frame.durableOffset);
    if (frame.durableOffset > offset) {
      return `a Durable frame that covers up to offset ${frame.durableOffset}, beyond its own`;
    }
    return undefined;
  }

  #compareSeal(offset: number, bytes: Uint8Array): string | undefined {
    if (this.#isAtLeast) return undefined;
    const stated = sealOffsets(bytes);
    const counted = this.#sealCount ?? this.#offsetCount;
    const dropped = counted - stated.length;
    if (stated.length === 0) return "a Seal of no entries";
    if (dropped < 0) {
      return `the Seal says ${stated.length} entries, and there are ${counted}`;
    }
    if (dropped === 0 && this.#sealCount !== undefined) {
      return "a Seal drops nothing after another";
    }
    // A truncation within a batch leaves the batch whole, and its Seal does not count the rest.
    this.#sealCount = stated.length;
    this.#index -= dropped;
    this.#entries -= dropped;
    const wrong = stated.findIndex((at, i) =>
      at !== this.#offsets[i] && this.#offsets[i] !== HIDDEN
    );
    if (wrong < 0) return undefined;
    const index = this.#segment.firstIndex + wrong;
    const what = `the Seal says that entry ${index} is at offset ${stated[wrong]}, and it is at ` +
      this.#offsets[wrong];
    // The log does not end before it: opening does not compare them.
    this.#addPlace(offset, index, what);
    return undefined;
  }

  /** Reports the damage at `offset`; returns where to continue. */
  #passDamage(offset: number): number {
    const reader = this.#reader;
    const first = this.#index;
    const frame = reader.damagedFrameAt(offset);
    this.#lastChecksum = undefined;
    const batch = this.#batch;
    if (batch !== undefined) this.#endBefore(batch);
    if (frame !== undefined && !this.#skipsEntries(frame, offset)) {
      const next = offset + FRAME_HEADER_SIZE + frame.length;
      const isEntry = frame.type === TYPE_DATA;
      this.#tell(
        offset,
        first,
        `${isEntry ? "the entry" : this.#internalName(offset, next)} ` +
          `of ${FRAME_HEADER_SIZE + frame.length} bytes fails its checksum`,
      );
      if (isEntry) this.#takeExtent(offset, next);
      else if (next === reader.size && this.#version !== 1) {
        this.#isSealed = true;
        this.#hidesCount = true;
      }
      return next;
    }
    this.#batch = undefined;
    const seal = this.#findSeal();
    const next = seal === undefined ? reader.nextFrame(offset + 1) : this.#nextSealed(seal, offset);
    const until = next ?? reader.size;
    const last = this.#index - 1;
    const reach = `${until - offset} bytes up to offset ${until} are no frames`;
    const given = reader.isExhausted ? "; the search after them was given up" : "";
    this.#tell(offset, first, reach + given, last > first ? last : undefined);
    if (seal === undefined) {
      // At least one entry is likely to be hidden, and nothing tells how many.
      this.#isAtLeast = true;
    }
    return until;
  }

  /** All of a batch or none of it: the log ends before one that is not whole. */
  #endBefore({ offset, index, frame, left }: OpenBatch): void {
    if (this.#end !== undefined) return;
    this.#end = { offset, index };
    this.#tornBatchEntries = frame.count - left;
  }

  /** Whether a damaged frame cannot reach as far as it says: the Seal has entries within it. */
  #skipsEntries(frame: FoundFrame, offset: number): boolean {
    const seal = this.#findSeal();
    if (seal === undefined) return false;
    const next = offset + FRAME_HEADER_SIZE + frame.length;
    const position = this.#index - this.#segment.firstIndex;
    const within = seal.offsets[position + (frame.type === TYPE_DATA ? 1 : 0)];
    return within !== undefined && within < next;
  }

  /** The next entry that the Seal lists and that is whole, or else the Seal itself. */
  #nextSealed({ at, offsets }: FoundSeal, from: number): number {
    for (let i = this.#index - this.#segment.firstIndex; i < offsets.length; i++) {
      const offset = offsets[i] as number;
      if (offset > from && this.#reader.frameAt(offset) !== undefined) return offset;
      this.#pushOffset(HIDDEN);
      this.#index++;
    }
    return at;
  }

  #findSeal(): FoundSeal | undefined {
    this.#seal ??= this.#reader.seal() ?? "none";
    return this.#seal === "none" ? undefined : this.#seal;
  }

  /** What an Internal frame is whose checksum fails, as far as its place tells. */
  #internalName(offset: number, next: number): string {
    if (offset === FILE_HEADER_SIZE) return "the Segment frame";
    const number = this.#reader.bytes(offset, FRAME_HEADER_SIZE + 1)[FRAME_HEADER_SIZE];
    const kind = kindOf(number);
    if (next === this.#reader.size && kind === KINDS.seal) return "the Seal";
    return kind?.place === "between" ? `a ${kind.name} frame` : "an Internal frame";
  }

  #pushOffset(offset: number): void {
    const count = this.#offsetCount;
    if (this.#version === 1 || count === MAX_SEGMENT_ENTRIES) return;
    if (count === this.#offsets.length) {
      const grown = new Uint32Array(2 * count);
      grown.set(this.#offsets);
      this.#offsets = grown;
    }
    this.#offsets[count] = offset;
    this.#offsetCount++;
  }

  /** Looks at the end of the file. */
  #finish(): void {
    const { size } = this.#reader;
    const batch = this.#batch;
    if (batch !== undefined && !this.#segment.isLast) {
      const { left, frame } = batch;
      const what = `${left} of the ${frame.count} entries of the batch are missing`;
      this.#tell(batch.offset, batch.index, what);
    }
    const wantsSeal = !this.#segment.isLast && this.#version !== 1;
    if (wantsSeal && !this.#isSealed) this.#tell(size, this.#index, "the Seal is missing");
  }

  #tell(offset: number, index: number, what: string, lastIndex?: number): void {
    this.#end ??= { offset, index };
    this.#addPlace(offset, index, what, lastIndex);
  }

  #addPlace(offset: number, index: number, what: string, lastIndex?: number): void {
    if (this.#places.length >= MAX_PLACES) return;
    const place = { path: this.#segment.path, offset, index, isAtLeast: this.#isAtLeast, what };
    this.#places.push(lastIndex === undefined ? place : { ...place, lastIndex });
  }

  #result(isUnused: boolean): CheckedSegment {
    const tail = this.#segment.isLast && !isUnused ? this.#judgeTail() : undefined;
    return {
      version: this.#version,
      frame: this.#frame,
      size: this.#reader.size,
      entries: this.#entries,
      nextIndex: this.#isAtLeast || this.#hidesCount ? undefined : this.#index,
      lastChecksum: this.#lastChecksum,
      isSealed: this.#isSealed,
      isPending: this.#isPending,
      isVouchedFor: this.#durableOffset > 0 || this.#isVouchedAfterEnd(),
      isUnused,
      places: this.#places,
      tail,
      dueSeal: isUnused ? undefined : this.#dueSeal(tail),
    };
  }

  /** The Seal of the entries before a tail, which may be a part of it. */
  #dueSeal(tail: Tail | undefined): DueSeal | undefined {
    const { firstIndex, isLast } = this.#segment;
    const isWhole = this.#isSealed && !this.#hidesCount;
    if (!isLast || tail?.kind === "durable" || this.#version !== 2 || isWhole) return undefined;
    const end = tail ?? { offset: this.#reader.size, index: this.#index };
    return dueSealOf(this.#reader, firstIndex, this.#offsets, end);
  }

  /** Whether a Durable frame is among the bytes that are not in order. */
  #isVouchedAfterEnd(): boolean {
    if (!this.#segment.isLast || this.#end === undefined) return false;
    return durableOffsetAfter(this.#reader, this.#frame, this.#end.offset) > 0;
  }

  /** What the bytes after the last one in order are, as recovery has to judge them too. */
  #judgeTail(): Tail | undefined {
    const { size } = this.#reader;
    const end = this.#end;
    const batch = this.#batch;
    // A damaged beginning is judged by itself.
    if (end !== undefined && end.offset <= FILE_HEADER_SIZE) return undefined;
    if (end === undefined) {
      if (batch === undefined) return undefined;
      const { offset, index, frame, left } = batch;
      const hasFrames = left < frame.count;
      const tail = { offset, index, bytes: size - offset, hasFrames };
      if (durableOffsetAfter(this.#reader, this.#frame, offset) <= offset) {
        return { kind: "torn batch", ...tail };
      }
      this.#addPlace(
        offset,
        index,
        `${left} of the ${frame.count} entries of the batch are missing`,
      );
      return { kind: "durable", ...tail };
    }
    const { offset, index } = end;
    const torn = this.#tornBatchEntries;
    const hasFrames = this.#framesAfterEnd > 0 || (torn ?? 0) > 0;
    const tail = { offset, index, bytes: size - offset, hasFrames };
    if (
      Math.max(this.#durableOffset, durableOffsetAfter(this.#reader, this.#frame, offset)) > offset
    ) {
      return { kind: "durable", ...tail };
    }
    if (this.#framesAfterEnd > 0) return { kind: "ambiguous", ...tail };
    if (torn !== undefined) return { kind: "torn batch", ...tail };
    return { kind: this.#reader.isZeroFrom(offset) ? "unused" : "torn", ...tail };
  }

  #decode({ length }: FoundFrame, offset: number): InternalFrame {
    const bytes = this.#reader.bytes(offset, FRAME_HEADER_SIZE + length);
    return readInternalPayload(bytes.subarray(FRAME_HEADER_SIZE));
  }
}
