/**
 * A full segment: read only, its offsets from its Seal, page by page.
 *
 * The Seal is checked when it is first used; one that fails, and a full segment of version 1, which
 * has none, is scanned instead.
 *
 * @module
 */
import { BatchSearch } from "./batch_search.ts";
import { EntryReader, type Offsets } from "./entry_reader.ts";
import { CorruptionError, RESTORE } from "../errors.ts";
import { FILE_HEADER_SIZE, type FileHeader, readFileHeader } from "../format/file_header.ts";
import { CHECKSUM_AT, FRAME_HEADER_SIZE } from "../format/frame.ts";
import { readUint32 } from "../format/integers.ts";
import {
  readSealTrailer,
  SEAL_OFFSETS_AT,
  SEAL_TRAILER_SIZE,
  sealFrameSize,
} from "../format/seal_frame.ts";
import type { FileHandle } from "../fs/file_system.ts";
import { pieces } from "../fs/stretch.ts";
import type { SegmentScan } from "./frame_walk.ts";
import { scanSegment, type UnfinishedSegment } from "./scan.ts";
import type { SegmentSource } from "./source.ts";

/** How many offsets are read from a Seal at the most where it is not held in memory. */
const WINDOW = 1024;

/** The same for a read that does not begin where the last one ended. */
const FIRST_WINDOW = 8;

/** How many bytes of offsets the full segments of a log hold in memory together. */
export const OFFSETS_BUDGET: number = 8 * 1024 * 1024;

/** What is left of the budget. */
export interface OffsetsBudget {
  bytes: number;
}

/** What the log knows of a full segment without reading it. */
export interface SealedSegmentInfo {
  readonly path: string;
  readonly firstIndex: number;
  /** How many entries it has: its successor begins after them. */
  readonly count: number;
  /** The file's size in bytes. */
  readonly size: number;
  /** The checksum of its last frame, as its successor states it. */
  readonly checksum: number;
}

/** A full segment that is open for reading. */
export class SealedSegment {
  readonly #budget: OffsetsBudget;
  /** What it took of the budget. */
  #taken = 0;
  /** Reads its entries. */
  readonly reader: EntryReader;
  /** Where each entry begins. */
  readonly offsets: Offsets;
  /** Whether its Seal holds, if it is to have one. */
  readonly isSealed: boolean;
  /** Whether the Seal failed its check and the segment was scanned instead. */
  readonly rebuilt: boolean;
  readonly #file: FileHandle;

  /**
   * Opens it for use. As long as the budget lasts its offsets are held in memory; then each read of
   * an entry reads its offset from the Seal first.
   *
   * @param isChecked Whether the Seal has been checked before: that takes a read of all of it.
   * @param isUntouched In a reader: whether the writer has left alone what was read up to now.
   * @throws {CorruptionError} If it does not hold the entries that it should.
   */
  constructor(
    source: SegmentSource,
    info: SealedSegmentInfo,
    budget: OffsetsBudget,
    isChecked: boolean = false,
    isUntouched?: () => boolean,
  ) {
    this.#file = source.file;
    this.#budget = budget;
    const size = source.file.size();
    const seal = findSeal(source, info, isChecked);
    // Where another process writes, the Seal of the last full segment may be on its way.
    const isWatched = isUntouched !== undefined;
    const mayBeUnsealed = isWatched && (seal.kind === "missing" || seal.kind === "damaged") &&
      size < info.size && size >= info.size - sealFrameSize(info.count);
    if (size !== info.size && !mayBeUnsealed) {
      const what = `it has ${size} bytes, and the segment after it says ${info.size}`;
      throw segmentDamaged(info.path, Math.min(size, info.size), info.firstIndex, what);
    }
    let scan: SegmentScan | undefined;
    this.isSealed = seal.kind === "found" || seal.kind === "none";
    this.rebuilt = !this.isSealed && (seal.kind === "damaged" || !isWatched);
    if (seal.kind === "found") {
      // One that is opened again had to go for others, and would have to again.
      const window = isChecked ? Math.min(info.count, WINDOW) : this.#windowFor(info.count);
      this.offsets = new SealOffsets(source.file, info.count, seal.at, window);
    } else {
      scan = scanAll(source, info, size);
      this.offsets = scan.offsets;
    }
    const end = seal.kind === "found" ? seal.at : size;
    const { offsets } = this;
    const batches = scan?.batches ?? new BatchSearch(source, () => this.reader);
    const entries = { offsets, end, cuts: 0, batches, isUntouched };
    this.reader = new EntryReader(source, info.firstIndex, entries);
  }

  /** Gives the file back. */
  close(): void {
    this.reader.close();
    this.#file.close();
    this.#budget.bytes += this.#taken;
    this.#taken = 0;
  }

  #windowFor(count: number): number {
    const size = 4 * count;
    if (size > this.#budget.bytes) return WINDOW;
    this.#budget.bytes -= size;
    this.#taken = size;
    return count;
  }
}

/** The offsets of a Seal that was checked. All of them are in memory, or only a window of them. */
class SealOffsets implements Offsets {
  readonly count: number;
  readonly #file: FileHandle;
  readonly #at: number;
  readonly #window: Uint32Array;
  /** The same memory. */
  readonly #bytes: Uint8Array;
  /** Which positions the window has. */
  #from = 0;
  #to = 0;

  constructor(file: FileHandle, count: number, sealAt: number, window: number) {
    this.count = count;
    this.#file = file;
    this.#at = sealAt + SEAL_OFFSETS_AT;
    this.#window = new Uint32Array(window);
    this.#bytes = new Uint8Array(this.#window.buffer);
    if (window === count) this.#load(0, count);
  }

  at(position: number): number {
    if (position < this.#from || position >= this.#to) this.#moveTo(position);
    return this.#window[position - this.#from] as number;
  }

  countMatching(position: number, starts: Uint32Array, count: number, base: number): number {
    const window = this.#window;
    for (let i = 0; i < count;) {
      // The first moves the window, and the others follow as far as that goes.
      if (this.at(position + i) !== base + (starts[i] as number)) return i;
      const end = Math.min(count, this.#to - position);
      const shift = position - this.#from;
      for (i++; i < end; i++) {
        if (window[shift + i] !== base + (starts[i] as number)) return i;
      }
    }
    return count;
  }

  #moveTo(position: number): void {
    if (position < 0 || position >= this.count) throw new RangeError(`No offset ${position}`);
    const goesOn = position === this.#to;
    const wanted = goesOn ? this.#window.length : FIRST_WINDOW;
    this.#load(position, Math.min(wanted, this.count - position));
  }

  #load(position: number, count: number): void {
    this.#file.read(this.#bytes, this.#at + 4 * position, 4 * count);
    // From the file's order of bytes to this machine's.
    for (let i = 0; i < count; i++) this.#window[i] = readUint32(this.#bytes, 4 * i);
    this.#from = position;
    this.#to = position + count;
  }
}

/** What was found of a Seal: none of its first bytes where it is missing, which are written last. */
type FoundSeal = { kind: "found"; at: number } | { kind: "damaged" | "missing" | "none" };

/** Finds the Seal from the end of the file and checks it, if it was not. */
function findSeal(
  { file, checksum }: SegmentSource,
  info: SealedSegmentInfo,
  isChecked: boolean,
): FoundSeal {
  const head = new Uint8Array(FILE_HEADER_SIZE);
  file.read(head, 0);
  if (hasNoSeal(readFileHeader(head))) return { kind: "none" };
  const size = sealFrameSize(info.count);
  const at = info.size - size;
  if (at < 0) return { kind: "damaged" };
  const header = new Uint8Array(FRAME_HEADER_SIZE);
  file.read(header, at);
  if (header.every((byte) => byte === 0)) return { kind: "missing" };
  const trailer = new Uint8Array(SEAL_TRAILER_SIZE);
  file.read(trailer, info.size - SEAL_TRAILER_SIZE);
  if (readSealTrailer(trailer) !== size) return { kind: "damaged" };
  const isVouchedFor = readUint32(header, CHECKSUM_AT) === info.checksum;
  if (isVouchedFor && isChecked) return { kind: "found", at };
  const payload = pieces(file, at + FRAME_HEADER_SIZE, info.size);
  if (!isVouchedFor || !checksum.checkPieces(header, payload)) return { kind: "damaged" };
  return { kind: "found", at };
}

/** A file whose header is damaged is looked at for its Seal all the same. */
function hasNoSeal(header: FileHeader): boolean {
  return header.kind === "valid" && header.version === 1;
}

/** Scans a full segment, which may hold larger entries than may be written now. */
export function scanFull(source: SegmentSource, size: number): SegmentScan | UnfinishedSegment {
  return scanSegment({ ...source, maxEntrySize: Math.max(source.maxEntrySize, size) });
}

/** What a scan of the whole segment finds. */
function scanAll(source: SegmentSource, info: SealedSegmentInfo, size: number): SegmentScan {
  const scan = scanFull(source, info.size);
  // To a reader a Seal may look damaged because a truncation is at work on the file.
  if (scan.size !== size || source.file.size() !== size) {
    throw segmentDamaged(info.path, info.size, info.firstIndex, "it changes while it is read");
  }
  if (scan.kind === "scanned" && scan.offsets.count >= info.count) {
    // The others were dropped by a truncation within a batch.
    scan.offsets.cut(info.count);
    return scan;
  }
  const found = scan.kind === "scanned" ? scan.offsets.count : 0;
  const offset = scan.kind === "scanned" ? scan.end : 0;
  throw segmentDamaged(
    info.path,
    offset,
    info.firstIndex + found,
    `it has ${found} whole entries of ${info.count}`,
  );
}

/** The error for a segment that is not what the rest of the log says of it. */
export function segmentDamaged(
  path: string,
  offset: number,
  firstIndexAtRisk: number,
  what: string,
): CorruptionError {
  return new CorruptionError(
    `"${path}" is damaged at offset ${offset}: ${what}. Entries from index ${firstIndexAtRisk} on ` +
      `are at risk. ${RESTORE}`,
    { path, offset, firstIndexAtRisk },
  );
}
