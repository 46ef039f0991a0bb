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
import type { SegmentScan } from "./frame_walk.ts";
import type { SegmentSource } from "./source.ts";

/** How many offsets a piece has. */
const PIECE_ENTRIES = 4096;

const PIECE_SIZE: number = 4 * PIECE_ENTRIES;

const PIECE_SHIFT: number = shiftBy(PIECE_SIZE);

/** How many pieces are in memory, and written, together: each byte of one alone takes twice as long. */
const BLOCK_PIECES = 16;

/** A Seal's whole frame, to be written. */
export interface SealToWrite {
  /** Its first bytes: its header, its kind and its count. */
  readonly head: Uint8Array;
  /** All that follows, in order. */
  readonly body: readonly Uint8Array[];
  /** The checksum in its header. */
  readonly checksum: number;
}

/** Makes the Seal of one segment. */
export class SealPieces {
  readonly #path: string;
  readonly #offsets: OffsetIndex;
  readonly #checksum: FrameChecksum;
  /** The pieces, as they stand in the frame; each block but the last is full. */
  readonly #blocks: Uint8Array[] = [];
  /** The checksum of each piece. */
  readonly #checksums: number[] = [];
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
      const at = PIECE_SIZE * (this.#checksums.length % BLOCK_PIECES);
      const block = this.#lastBlock(at === 0);
      writeSealOffsets(block, at, this.#offsets, this.#next - PIECE_ENTRIES, this.#next);
      this.#checksums.push(this.#checksum.crc32(block.subarray(at, at + PIECE_SIZE)));
      this.#next += PIECE_ENTRIES;
    }
  }

  /** The block that the next piece belongs to. */
  #lastBlock(isNew: boolean): Uint8Array {
    const last = this.#blocks.at(-1);
    if (last !== undefined && !isNew) return last;
    const block = takeForWrite(BLOCK_PIECES * PIECE_SIZE, this.#path);
    this.#blocks.push(block);
    return block;
  }

  /** The entries from a position on are dropped. */
  cut(count: number): void {
    const pieces = Math.min(this.#checksums.length, Math.floor(count / PIECE_ENTRIES));
    this.#checksums.length = pieces;
    this.#blocks.length = Math.ceil(pieces / BLOCK_PIECES);
    this.#next = Math.min(this.#next, (pieces + 1) * PIECE_ENTRIES);
  }

  /**
   * The frame for the first `count` entries.
   *
   * @throws {WalError} `ERR_WAL_WRITE_FAILED` by `ENOMEM`.
   */
  frame(count: number): SealToWrite {
    this.keepUp();
    const full = this.#checksums.slice(0, Math.floor(count / PIECE_ENTRIES));
    const done = full.length * PIECE_ENTRIES;
    const head = sealHead(count, 0);
    const rest = takeForWrite(4 * (count - done) + SEAL_TRAILER_SIZE, this.#path);
    writeSealOffsets(rest, 0, this.#offsets, done, count);
    writeSealTrailer(rest, rest.length - SEAL_TRAILER_SIZE, sealFrameSize(count));
    const covered = [head.subarray(0, CHECKSUM_AT), head.subarray(FRAME_HEADER_SIZE)];
    let checksum = this.#checksum.crc32Of(covered);
    for (const piece of full) checksum = joinChecksums(checksum, piece, PIECE_SHIFT);
    checksum = joinChecksums(checksum, this.#checksum.crc32(rest), shiftBy(rest.length));
    writeUint32(head, CHECKSUM_AT, checksum);
    return { head, body: [...this.#firstPieces(full.length), rest], checksum };
  }

  /** The first pieces, in few parts. */
  #firstPieces(count: number): Uint8Array[] {
    const parts = this.#blocks.slice(0, Math.ceil(count / BLOCK_PIECES));
    const last = parts.pop();
    if (last !== undefined) {
      parts.push(last.subarray(0, PIECE_SIZE * (count - BLOCK_PIECES * parts.length)));
    }
    return parts;
  }
}

/** What stands before the offsets in a Seal's frame. It is written last. */
export function sealHead(count: number, checksum: number): Uint8Array {
  const head = new Uint8Array(SEAL_OFFSETS_AT);
  beginInternal(head, 0, "seal", sealSize(count));
  writeSealCount(head, FRAME_HEADER_SIZE, count);
  writeUint32(head, CHECKSUM_AT, checksum);
  return head;
}

/** The Seal of a segment that was scanned. */
export function sealOf(
  { path, checksum }: Pick<SegmentSource, "path" | "checksum">,
  { offsets }: Pick<SegmentScan, "offsets">,
): SealToWrite {
  return new SealPieces(path, offsets, checksum, true).frame(offsets.count);
}
