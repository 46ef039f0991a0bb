/**
 * The walk over a segment's frames, one after the other, up to X, the first byte that begins no frame
 * that may stand there.
 *
 * @module
 */
import { WalError } from "../errors.ts";
import type { BatchFrame } from "../format/batch_frame.ts";
import { type DurableFrame, isInPlace } from "../format/durable_frame.ts";
import { FILE_HEADER_SIZE, type FormatVersion } from "../format/file_header.ts";
import {
  CHECKSUM_AT,
  FRAME_HEADER_SIZE,
  frameLengthAt,
  isFrameType,
  TYPE_DATA,
} from "../format/frame.ts";
import { readUint32 } from "../format/integers.ts";
import { type InternalFrame, KINDS, readInternalPayload } from "../format/kinds.ts";
import { PENDING_AT } from "../format/pending_frame.ts";
import { SEAL_OFFSETS_AT, type SealFrame } from "../format/seal_frame.ts";
import { NO_SEGMENT, type PreviousSegment, type SegmentFrame } from "../format/segment_frame.ts";
import { allocate } from "../fs/allocate.ts";
import { FileSystemError } from "../fs/file_system.ts";
import { pieces } from "../fs/stretch.ts";
import { Batches } from "./batches.ts";
import { OffsetIndex } from "./offset_index.ts";
import { Seen } from "./seen.ts";
import { limitOf, type SegmentSource } from "./source.ts";

/**
 * How much a walk reads at a time: little at first, since a reader often finds nothing new, and then
 * as much as stays in a processor's cache while the kernel goes over it.
 */
const FIRST_READ = 64 * 1024;
const MAX_READ = 256 * 1024;

/** What a segment holds up to X. */
export interface SegmentScan {
  readonly kind: "scanned";
  /** `undefined` if no byte of the file says it yet. */
  readonly version: FormatVersion | undefined;
  /** The log's id; version 1 has none. */
  readonly logId: Uint8Array | undefined;
  readonly firstIndex: number;
  /** Where each entry begins. */
  readonly offsets: OffsetIndex;
  /** After the last entry, in bytes; 0 if there is none. */
  readonly entriesEnd: number;
  /** The highest offset up to which a Durable frame covers the file. */
  readonly vouched: number;
  /** What the Segment frame says of the segment before; zeros if there is none. */
  readonly previous: PreviousSegment;
  /** Whether a Pending frame says that the segment before was not known to be durable. */
  readonly isPending: boolean;
  /** The Seal that the segment ends with, if it does: how many entries count, and its checksum. */
  readonly seal: { readonly count: number; readonly checksum: number } | undefined;
  /** Which of the entries are batches. */
  readonly batches: Batches;
  /** In a reader: by what it knows later whether all this is still there. */
  readonly seen: Seen | undefined;
  /** X, the first byte that begins no valid frame. */
  readonly end: number;
  /** The file's size in bytes. */
  readonly size: number;
}

/** What a walk begins with after a file's header. */
export function noFrames(version: FormatVersion, remembers: boolean = false): SegmentScan {
  const seen = remembers ? new Seen(FILE_HEADER_SIZE) : undefined;
  return { ...nothingFound(1), version, seen, end: FILE_HEADER_SIZE, size: FILE_HEADER_SIZE };
}

/**
 * What is known of a segment by its name only, as of a file that is still being made: none of its bytes
 * says anything yet.
 */
export function nothingFound(firstIndex: number): SegmentScan {
  return {
    kind: "scanned",
    version: undefined,
    logId: undefined,
    firstIndex,
    previous: NO_SEGMENT,
    isPending: false,
    offsets: new OffsetIndex(),
    entriesEnd: 0,
    vouched: 0,
    seal: undefined,
    batches: new Batches(),
    seen: undefined,
    end: 0,
    size: 0,
  };
}

/**
 * Walks the frames after what an earlier walk found, whose index of offsets it extends.
 *
 * @param size The file's size in bytes.
 */
export function walkFrames(source: SegmentSource, earlier: SegmentScan, size: number): SegmentScan {
  return new FrameWalk(source, earlier, size).run();
}

/** A batch whose Data frames are being taken in. */
interface OpenBatch {
  /** Where its Batch frame begins. */
  readonly start: number;
  /** Where the last of its Data frames has to end. */
  readonly end: number;
  /** How many of them are still to come. */
  left: number;
  /** How many entries were before it, and where the last of them ended. */
  readonly entries: number;
  readonly entriesEnd: number;
  /** In a reader: the last bytes before it. */
  before: Uint8Array | undefined;
}

/** An Internal frame, and where it stands. */
interface PlacedFrame<Frame = InternalFrame> {
  readonly frame: Frame;
  readonly payload: Uint8Array;
  /** Where it begins and ends in the file. */
  readonly offset: number;
  readonly next: number;
  readonly checksum: number;
}

class FrameWalk {
  readonly #source: SegmentSource;
  readonly #earlier: SegmentScan;
  readonly #version: FormatVersion | undefined;
  readonly #offsets: OffsetIndex;
  readonly #seen: Seen | undefined;
  readonly #size: number;
  /** The longest payload that a frame may have. */
  readonly #limit: number;
  /** Where in the buffer the frames begin that the kernel found. */
  readonly #found: Uint32Array;
  /** The kernel's memory; only a frame that is larger than that needs memory of its own. */
  #buffer: Uint8Array;
  #readSize = FIRST_READ;
  #logId: Uint8Array | undefined;
  #firstIndex: number;
  #previous: PreviousSegment;
  #isPending: boolean;
  #entriesEnd: number;
  #vouched: number;
  #seal: SegmentScan["seal"];
  #batch: OpenBatch | undefined;
  /** After the last frame that was taken in. */
  #end: number;

  constructor(source: SegmentSource, earlier: SegmentScan, size: number) {
    this.#source = source;
    this.#earlier = earlier;
    this.#version = earlier.version;
    this.#offsets = earlier.offsets;
    this.#seen = earlier.seen;
    this.#size = size;
    this.#limit = limitOf(source);
    this.#found = source.checksum.offsets;
    this.#buffer = source.checksum.staging;
    this.#logId = earlier.logId;
    this.#firstIndex = earlier.firstIndex;
    this.#previous = earlier.previous;
    this.#isPending = earlier.isPending;
    this.#entriesEnd = earlier.entriesEnd;
    this.#vouched = earlier.vouched;
    this.#seal = earlier.seal;
    this.#end = earlier.end;
  }

  run(): SegmentScan {
    let isMore = true;
    while (isMore && this.#end < this.#size) isMore = this.#takeChunk();
    this.#dropOpenBatch();
    this.#dropUncounted();
    return {
      ...this.#earlier,
      logId: this.#logId,
      firstIndex: this.#firstIndex,
      previous: this.#previous,
      isPending: this.#isPending,
      entriesEnd: this.#entriesEnd,
      vouched: this.#vouched,
      seal: this.#seal,
      end: this.#end,
      size: this.#size,
    };
  }

  /** Reads a chunk and takes its frames in; false if X is in it. */
  #takeChunk(): boolean {
    const { file, path, checksum } = this.#source;
    const buffer = this.#buffer;
    const room = buffer === checksum.staging ? this.#readSize : buffer.length;
    const asked = Math.min(room, this.#size - this.#end);
    const n = file.read(buffer, this.#end, asked);
    // What was cut and written again before this read does not join what was read before it.
    if (this.#seen?.isIn(file) === false) throw new FileSystemError("EBUSY", "Read", path);
    this.#readSize = MAX_READ;
    const { count, stop } = checksum.scan(buffer, n, this.#limit);
    const taken = this.#takeFrames(count, stop);
    this.#end += taken;
    this.#seen?.takeBytes(buffer, taken);
    if (this.#batch !== undefined) this.#batch.before ??= this.#seen?.tailUpTo(this.#batch.start);
    // Fewer bytes than asked for: the file has been cut since its size was read.
    if (taken < stop || n < asked) return false;
    return stop === n || this.#canReadMore(stop, n);
  }

  /**
   * Whether the chunk, which holds bytes after the last whole frame from `stop` to `n`, ends within a
   * frame, so that the next chunk must begin there and hold all of it. Otherwise they begin at X.
   */
  #canReadMore(stop: number, n: number): boolean {
    const { path, maxEntrySize } = this.#source;
    const needed = wantedSize(this.#buffer, stop, n);
    if (needed === undefined || needed > this.#size - this.#end) return false;
    if (needed > FRAME_HEADER_SIZE + this.#limit) {
      if (holdsLargeFrame(this.#source, this.#end, needed)) {
        throw tooLarge(path, this.#end, needed - FRAME_HEADER_SIZE, maxEntrySize);
      }
      return false;
    }
    if (needed <= n - stop) return false;
    this.#readSize = Math.max(this.#readSize, needed);
    if (needed > this.#buffer.length) this.#buffer = allocate(needed, path);
    return true;
  }

  /**
   * Takes the `count` found frames in, up to the first that may not stand where it does.
   *
   * @returns Where in the buffer the last that was taken ends.
   */
  #takeFrames(count: number, stop: number): number {
    const found = this.#found;
    for (let i = 0; i < count;) {
      const at = found[i] as number;
      if (this.#buffer[at] === TYPE_DATA) {
        // Nothing is written after a Seal but another, when a truncation drops yet more.
        if (this.#seal !== undefined) return at;
        if (this.#version === 2 && this.#end + at === FILE_HEADER_SIZE) return at;
        const to = this.#takeEntries(i, count, stop);
        if (to === undefined) return at;
        i = to;
      } else {
        const next = i + 1 < count ? found[i + 1] as number : stop;
        if (!this.#takeInternal(at, next)) return at;
        i++;
      }
    }
    return stop;
  }

  /**
   * Takes a run of Data frames in, from the `from`-th of `count` found frames on.
   *
   * @returns Which frame comes after the run; `undefined` if a batch ends elsewhere than it says.
   */
  #takeEntries(from: number, count: number, stop: number): number | undefined {
    const found = this.#found;
    const buffer = this.#buffer;
    const batch = this.#batch;
    const last = batch === undefined ? count : Math.min(count, from + batch.left);
    let to = from;
    while (to < last && buffer[found[to] as number] === TYPE_DATA) to++;
    this.#requireWithinLimit(from, to);
    this.#offsets.pushAll(found, from, to, this.#end);
    this.#seen?.takeEntries(buffer, found, from, to);
    this.#entriesEnd = this.#end + (to < count ? found[to] as number : stop);
    if (batch === undefined) return to;
    batch.left -= to - from;
    if (batch.left > 0) return to;
    if (batch.end !== this.#entriesEnd) return undefined;
    this.#earlier.batches.push(batch.entries, this.#offsets.count);
    this.#batch = undefined;
    return to;
  }

  /** The kernel lets an entry pass that is as large as a Seal may be. */
  #requireWithinLimit(from: number, to: number): void {
    const { path, maxEntrySize } = this.#source;
    if (this.#limit === maxEntrySize) return;
    for (let i = from; i < to; i++) {
      const at = this.#found[i] as number;
      const length = frameLengthAt(this.#buffer, at);
      if (length > maxEntrySize) throw tooLarge(path, this.#end + at, length, maxEntrySize);
    }
  }

  /** Takes the Internal frame in from `at` to `next` in the buffer; false if it may not stand there. */
  #takeInternal(at: number, next: number): boolean {
    // Only Data frames stand in a batch.
    if (this.#version === 1 || this.#batch !== undefined) return false;
    const payload = this.#buffer.subarray(at + FRAME_HEADER_SIZE, next);
    const frame = readInternalPayload(payload);
    const checksum = readUint32(this.#buffer, at + CHECKSUM_AT);
    const offset = this.#end + at;
    if (frame.kind === "unknown") throw unknownKind(this.#source.path, frame.number, offset);
    if (!this.#mayStand(frame, offset)) return false;
    const placed = { payload, offset, next: this.#end + next, checksum };
    switch (frame.kind) {
      case "segment":
        return this.#takeSegment(frame);
      case "batch":
        return this.#takeBatch({ frame, ...placed });
      case "durable":
        return this.#takeDurable(frame, offset);
      case "seal":
        return this.#takeSeal({ frame, ...placed });
      case "pending":
        // Elsewhere it means nothing.
        this.#isPending ||= offset === PENDING_AT;
        return true;
      case "skippable":
        return true;
    }
  }

  /** Whether the table of kinds lets a frame stand at an offset. */
  #mayStand({ kind }: Exclude<InternalFrame, { kind: "unknown" }>, offset: number): boolean {
    const place = kind === "skippable" ? "between" : KINDS[kind].place;
    const isFirst = offset === FILE_HEADER_SIZE;
    if (isFirst || place === "first") return isFirst && place === "first";
    return place === "last" || this.#seal === undefined;
  }

  #takeSegment({ logId, firstIndex, previous }: SegmentFrame): boolean {
    this.#logId = logId;
    this.#firstIndex = firstIndex;
    this.#previous = previous;
    return true;
  }

  #takeBatch({ frame: { count, bytes }, offset, next }: PlacedFrame<BatchFrame>): boolean {
    this.#batch = {
      start: offset,
      end: next + bytes,
      left: count,
      entries: this.#offsets.count,
      entriesEnd: this.#entriesEnd,
      before: undefined,
    };
    return count > 0;
  }

  /** One that is not of this file, or not in its place, got here by damage. */
  #takeDurable(frame: DurableFrame, offset: number): boolean {
    if (this.#logId === undefined) return false;
    if (!isInPlace(frame, this.#logId, this.#firstIndex, offset)) return false;
    this.#vouched = Math.max(this.#vouched, frame.durableOffset);
    return true;
  }

  /**
   * Takes a Seal in if it is of the entries before it: of all, or, where a truncation within the last
   * batch dropped some, of the others. It must know where each begins.
   */
  #takeSeal({ frame: { count }, payload, checksum }: PlacedFrame<SealFrame>): boolean {
    const offsets = this.#offsets;
    // None is written of no entries: it would be its own successor.
    const isAll = this.#seal === undefined && count > 0 && count === offsets.count;
    const isWithinBatch = this.#earlier.batches.endAround(count) >= offsets.count &&
      count < (this.#seal?.count ?? offsets.count);
    if (!isAll && !isWithinBatch) return false;
    for (let i = 0; i < count; i++) {
      const stated = readUint32(payload, SEAL_OFFSETS_AT - FRAME_HEADER_SIZE + 4 * i);
      if (stated !== offsets.at(i)) return false;
    }
    this.#seal = { count, checksum };
    return true;
  }

  /** All of a batch or none of it: the segment ends before one that is not whole. */
  #dropOpenBatch(): void {
    const batch = this.#batch;
    if (batch === undefined) return;
    this.#end = batch.start;
    this.#offsets.cut(batch.entries);
    if (batch.before !== undefined) this.#seen?.cut(this.#end, batch.before, batch.entries);
    this.#entriesEnd = batch.entriesEnd;
  }

  /** Drops the entries that the Seal does not count. */
  #dropUncounted(): void {
    if (this.#seal === undefined) return;
    this.#offsets.cut(this.#seal.count);
    this.#seen?.checksums.cut(this.#seal.count);
  }
}

/**
 * The size of the frame that would begin at `at`, or of its header where that is cut short;
 * `undefined` where none can begin.
 */
function wantedSize(buffer: Uint8Array, at: number, end: number): number | undefined {
  if (!isFrameType(buffer[at])) return undefined;
  if (end - at < FRAME_HEADER_SIZE) return FRAME_HEADER_SIZE;
  return FRAME_HEADER_SIZE + frameLengthAt(buffer, at);
}

/**
 * Whether a whole frame above the limit stands at `offset`, checked piece by piece. An entry that
 * was written under a higher limit must not be taken for a torn write and cut.
 */
function holdsLargeFrame(source: SegmentSource, offset: number, size: number): boolean {
  const header = new Uint8Array(FRAME_HEADER_SIZE);
  source.file.read(header, offset);
  if (header[0] !== TYPE_DATA) return false;
  const payload = pieces(source.file, offset + FRAME_HEADER_SIZE, offset + size);
  return source.checksum.checkPieces(header, payload);
}

function tooLarge(path: string, offset: number, length: number, limit: number): WalError {
  return new WalError(
    "ERR_WAL_ENTRY_TOO_LARGE",
    `"${path}" holds a whole entry of ${length} bytes at offset ${offset}, above the limit of ` +
      `${limit}. Open it with { maxEntrySize: ${length} } or more. The file was not changed.`,
  );
}

function unknownKind(path: string, number: number, offset: number): WalError {
  return new WalError(
    "ERR_WAL_FORMAT",
    `"${path}" has an Internal frame of the unknown kind ${number} at offset ${offset}. ` +
      "A later version of this library wrote it: use that. The file was not changed.",
  );
}
