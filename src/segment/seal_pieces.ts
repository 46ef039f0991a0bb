/**
 * The Seal of a segment that is written, made in pieces while the segment fills: a segment may have a
 * million entries, and the append that finds it full does not wait until four megabytes are put
 * together and checksummed.
 *
 * @module
 */
import type { FrameChecksum } from "../format/checksum.ts";
import { CHECKSUM_AT, FRAME_HEADER_SIZE } from "../format/frame.ts";
import { writeUint32 } from "../format/integers.ts";
import { joinChecksums, shiftBy } from "../format/joined_checksum.ts";
import { beginInternal } from "../format/kinds.ts";
import {
  SEAL_OFFSETS_AT,
  SEAL_TRAILER_SIZE,
  sealFrameSize,
  sealSize,
  writeSealCount,
  writeSealOffsets,
  writeSealTrailer,
} from "../format/seal_frame.ts";
import { takeForWrite } from "./memory.ts";
import type { OffsetIndex } from "./offset_index.ts";

/** How many offsets a piece has. */
const PIECE_ENTRIES = 16_384;

const PIECE_SIZE: number = 4 * PIECE_ENTRIES;

const PIECE_SHIFT: number = shiftBy(PIECE_SIZE);

/** Some of the offsets, as they stand in the frame. */
interface Piece {
  readonly bytes: Uint8Array;
  readonly checksum: number;
}

/** A Seal's whole frame, to be written. */
export interface SealToWrite {
  /** Its bytes, in order. */
  readonly parts: readonly Uint8Array[];
  /** The checksum in its header. */
  readonly checksum: number;
}

/** Makes the Seal of one segment. */
export class SealPieces {
  readonly #path: string;
  readonly #offsets: OffsetIndex;
  readonly #checksum: FrameChecksum;
  readonly #pieces: Piece[] = [];
  #next: number;

  /** @param isNeeded Whether the segment ends with a Seal: one of version 1 does not. */
  constructor(path: string, offsets: OffsetIndex, checksum: FrameChecksum, isNeeded: boolean) {
    this.#path = path;
    this.#next = isNeeded ? PIECE_ENTRIES : Infinity;
    this.#offsets = offsets;
    this.#checksum = checksum;
  }

  /** How many entries there are when the next piece is full. */
  get next(): number {
    return this.#next;
  }

  /**
   * Makes the pieces that are full.
   *
   * @throws {WalError} `ERR_WAL_WRITE_FAILED` by `ENOMEM`.
   */
  keepUp(): void {
    while (this.#next <= this.#offsets.count) {
      const bytes = takeForWrite(PIECE_SIZE, this.#path);
      writeSealOffsets(bytes, 0, this.#offsets, this.#next - PIECE_ENTRIES, this.#next);
      this.#pieces.push({ bytes, checksum: this.#checksum.crc32(bytes) });
      this.#next += PIECE_ENTRIES;
    }
  }

  /** The entries from a position on are dropped. */
  cut(count: number): void {
    this.#pieces.length = Math.min(this.#pieces.length, Math.floor(count / PIECE_ENTRIES));
    this.#next = Math.min(this.#next, (this.#pieces.length + 1) * PIECE_ENTRIES);
  }

  /**
   * The frame for the first `count` entries.
   *
   * @throws {WalError} `ERR_WAL_WRITE_FAILED` by `ENOMEM`.
   */
  frame(count: number): SealToWrite {
    this.keepUp();
    const full = this.#pieces.slice(0, Math.floor(count / PIECE_ENTRIES));
    const done = full.length * PIECE_ENTRIES;
    const head = new Uint8Array(SEAL_OFFSETS_AT);
    beginInternal(head, 0, "seal", sealSize(count));
    writeSealCount(head, FRAME_HEADER_SIZE, count);
    const rest = takeForWrite(4 * (count - done) + SEAL_TRAILER_SIZE, this.#path);
    writeSealOffsets(rest, 0, this.#offsets, done, count);
    writeSealTrailer(rest, rest.length - SEAL_TRAILER_SIZE, sealFrameSize(count));
    const covered = [head.subarray(0, CHECKSUM_AT), head.subarray(FRAME_HEADER_SIZE)];
    let checksum = this.#checksum.crc32Of(covered);
    for (const piece of full) checksum = joinChecksums(checksum, piece.checksum, PIECE_SHIFT);
    checksum = joinChecksums(checksum, this.#checksum.crc32(rest), shiftBy(rest.length));
    writeUint32(head, CHECKSUM_AT, checksum);
    return { parts: inFewParts(head, full.map(({ bytes }) => bytes), rest), checksum };
  }
}

/** Joins what is small, so that a small Seal is one write. */
function inFewParts(
  head: Uint8Array,
  full: readonly Uint8Array[],
  rest: Uint8Array,
): readonly Uint8Array[] {
  if (full.length > 0) return [head, ...full, rest];
  const whole = new Uint8Array(head.length + rest.length);
  whole.set(head);
  whole.set(rest, head.length);
  return [whole];
}
