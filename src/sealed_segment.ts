/**
 * A full segment: read only, its offsets from its Seal, page by page.
 *
 * The Seal is checked when it is first used; one that fails, and a full segment of version 1, which
 * has none, is scanned instead.
 *
 * @module
 */
import { EntryReader, type Offsets } from "./entry_reader.ts";
import { CorruptionError } from "./errors.ts";
import { FRAME_HEADER_SIZE, readUint32 } from "./format/frame.ts";
import {
  readSealTrailer,
  SEAL_OFFSETS_AT,
  SEAL_TRAILER_SIZE,
  sealFrameSize,
} from "./format/internal.ts";
import type { File } from "./fs/file_system.ts";
import type { OffsetIndex } from "./offset_index.ts";
import { pieces, scanSegment, type SegmentSource } from "./recovery.ts";

/** How many offsets a page of a Seal has. */
const PAGE_LENGTH = 1024;

/** How many pages are kept for all segments of a log together: 8 MiB. */
const MAX_PAGES = 2048;

/** Pages of Seals, the least recently used of which give way. */
export class OffsetPages {
  readonly #pages = new Map<string, Uint32Array>();

  /** The page of this key, loaded if need be. */
  get(key: string, load: () => Uint32Array): Uint32Array {
    let page = this.#pages.get(key);
    if (page === undefined) {
      page = load();
      if (this.#pages.size >= MAX_PAGES) {
        const [oldest] = this.#pages.keys();
        if (oldest !== undefined) this.#pages.delete(oldest);
      }
    } else {
      this.#pages.delete(key);
    }
    this.#pages.set(key, page);
    return page;
  }

  /** Forgets all pages. */
  clear(): void {
    this.#pages.clear();
  }
}

/** What the log knows of a full segment without reading it. */
export interface SealedSegmentInfo {
  readonly path: string;
  readonly firstIndex: number;
  /** How many entries it has: its successor begins behind them. */
  readonly count: number;
  /** The file's size in bytes. */
  readonly size: number;
  /** The checksum of its last frame, as its successor states it. */
  readonly checksum: number;
}

/** A full segment that is open for reading. */
export class SealedSegment {
  /** Reads its entries. */
  readonly reader: EntryReader;
  /** Where each entry begins. */
  readonly offsets: Offsets;
  /** Whether the Seal failed its check and the segment was scanned instead. */
  readonly rebuilt: boolean;
  readonly #file: File;

  /**
   * Opens it for use.
   *
   * @throws {CorruptionError} If it does not hold the entries that it should.
   */
  constructor(source: SegmentSource, info: SealedSegmentInfo, pages: OffsetPages) {
    this.#file = source.file;
    const seal = findSeal(source, info);
    this.rebuilt = seal.kind === "damaged";
    if (seal.kind === "found") {
      this.offsets = new SealOffsets(source.file, info, seal.at, pages);
    } else {
      this.offsets = scanOffsets(source, info);
    }
    const end = seal.kind === "found" ? seal.at : info.size;
    this.reader = new EntryReader(source, info.firstIndex, { offsets: this.offsets, end, cuts: 0 });
  }

  /** Gives the file back. */
  close(): void {
    this.#file.close();
  }
}

/** The offsets of a Seal that was checked. */
class SealOffsets implements Offsets {
  readonly count: number;
  readonly #file: File;
  readonly #pages: OffsetPages;
  readonly #path: string;
  readonly #at: number;
  #page: Uint32Array = new Uint32Array(0);
  #number = -1;

  constructor(file: File, info: SealedSegmentInfo, sealAt: number, pages: OffsetPages) {
    this.count = info.count;
    this.#file = file;
    this.#path = info.path;
    this.#pages = pages;
    this.#at = sealAt + SEAL_OFFSETS_AT;
  }

  at(position: number): number {
    const number = Math.floor(position / PAGE_LENGTH);
    if (number !== this.#number) {
      this.#page = this.#pages.get(`${number} ${this.#path}`, () => this.#load(number));
      this.#number = number;
    }
    const offset = this.#page[position % PAGE_LENGTH];
    if (offset === undefined) throw new RangeError(`No offset ${position}`);
    return offset;
  }

  #load(number: number): Uint32Array {
    const first = number * PAGE_LENGTH;
    const bytes = new Uint8Array(4 * Math.min(PAGE_LENGTH, this.count - first));
    this.#file.read(bytes, this.#at + 4 * first);
    return Uint32Array.from({ length: bytes.length / 4 }, (_, i) => readUint32(bytes, 4 * i));
  }
}

type FoundSeal = { kind: "found"; at: number } | { kind: "damaged" } | { kind: "none" };

/** Finds the Seal from the end of the file and checks it. */
function findSeal({ file, checksum }: SegmentSource, info: SealedSegmentInfo): FoundSeal {
  const version = new Uint8Array(8);
  file.read(version, 0);
  if (version[7] === 1) return { kind: "none" };
  const trailer = new Uint8Array(SEAL_TRAILER_SIZE);
  file.read(trailer, info.size - SEAL_TRAILER_SIZE);
  const size = readSealTrailer(trailer);
  if (size !== sealFrameSize(info.count)) return { kind: "damaged" };
  const at = info.size - size;
  const header = new Uint8Array(FRAME_HEADER_SIZE);
  file.read(header, at);
  const isVouchedFor = readUint32(header, 5) === info.checksum;
  const payload = pieces(file, at + FRAME_HEADER_SIZE, info.size);
  if (!isVouchedFor || !checksum.checkPieces(header, payload)) return { kind: "damaged" };
  return { kind: "found", at };
}

/** The offsets as a scan of the whole segment finds them. */
function scanOffsets(source: SegmentSource, info: SealedSegmentInfo): OffsetIndex {
  const scan = scanSegment(source);
  if ("offsets" in scan && scan.offsets.count >= info.count) return scan.offsets;
  const found = "offsets" in scan ? scan.offsets.count : 0;
  const offset = "offsets" in scan ? scan.end : 0;
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
      "are at risk. Nothing was changed. Restore the file from a copy.",
    { path, offset, firstIndexAtRisk },
  );
}
