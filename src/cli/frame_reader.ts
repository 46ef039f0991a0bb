/**
 * The second opinion on frames: reads them from a file and checks each with CRC-32 by itself.
 *
 * It takes the layout of a frame and of a Seal from `format`, as the log does. It uses neither the
 * kernel nor the scan, so that a defect there does not hide here. Memory is bounded by its buffer,
 * whatever the file says.
 *
 * @module
 */
import type { IHasher } from "hash-wasm";
import {
  CHECKSUM_AT,
  FRAME_HEADER_SIZE,
  frameLengthAt,
  isFrameType,
  TYPE_INTERNAL,
} from "../format/frame.ts";
import { readUint32, writeUint32 } from "../format/integers.ts";
import { MAX_INTERNAL_SIZE } from "../format/kinds.ts";
import { readSealTrailer, SEAL_OFFSETS_AT, SEAL_TRAILER_SIZE } from "../format/seal_frame.ts";
import type { FileHandle } from "../fs/file_system.ts";

/** How much is read at a time, so that it is checked while the processor's cache still has it. */
const READ_SIZE = 1024 * 1024;

/** Every frame of the log's own fits the buffer whole; a larger entry is checked in pieces. */
export const BUFFER_SIZE: number = 8 * 1024 * 1024;

/** How many bytes may be checksummed to find out how far damage goes, so that time is bounded. */
const SEARCH_BUDGET = 1024 * 1024 * 1024;

/** Bytes of the header that the checksum covers: type and length. */
const COVERED = 5;

/** A frame whose checksum holds, or whose extent is known although it does not. */
export interface FoundFrame {
  readonly type: number;
  /** Bytes of its payload. */
  readonly length: number;
  /** The checksum that it states. */
  readonly checksum: number;
}

/** A Seal, found from the end of the file. */
export interface FoundSeal {
  /** Where it begins. */
  readonly at: number;
  readonly offsets: Uint32Array;
}

/**
 * The buffer that one reader after the other uses.
 *
 * @param largest How many bytes the largest of their files has, so that it need be no larger.
 */
export function createFrameBuffer(largest: number = BUFFER_SIZE): Uint8Array {
  return new Uint8Array(Math.min(BUFFER_SIZE, Math.max(largest, FRAME_HEADER_SIZE)));
}

/** Reads one file's frames. */
export class FrameReader {
  /** The file's size in bytes when the reading began. */
  readonly size: number;
  readonly #file: Pick<FileHandle, "read" | "size">;
  readonly #crc: IHasher;
  readonly #buffer: Uint8Array;
  readonly #longest: number;
  #base = 0;
  #limit = 0;
  #budget = SEARCH_BUDGET;

  /** @param maxEntrySize What the search for frames takes for the longest payload. */
  constructor(
    file: Pick<FileHandle, "read" | "size">,
    crc: IHasher,
    buffer: Uint8Array,
    maxEntrySize: number,
  ) {
    this.size = file.size();
    this.#file = file;
    this.#crc = crc;
    this.#buffer = buffer;
    this.#longest = Math.max(maxEntrySize, MAX_INTERNAL_SIZE);
  }

  /** Whether the search has given up for the amount of damage. */
  get isExhausted(): boolean {
    return this.#budget < 0;
  }

  /** The bytes from `offset` on, at most as many as the buffer has room for. */
  bytes(offset: number, size: number): Uint8Array {
    const at = this.#fetch(offset, size);
    return this.#buffer.subarray(at, Math.min(at + size, this.#limit - this.#base));
  }

  /** Forgets what was read: a writer may have changed the file. */
  forget(): void {
    this.#limit = this.#base;
  }

  /** The frame at `offset` that ends before `end`, if it is whole and its checksum holds. */
  frameAt(offset: number, end: number = this.size): FoundFrame | undefined {
    const frame = this.headerAt(offset);
    if (frame === undefined || !isFrameType(frame.type)) return undefined;
    if (offset + FRAME_HEADER_SIZE + frame.length > end) return undefined;
    if (this.#holds(offset, frame)) return frame;
    // What is no frame may be looked at again and again, and a whole one only once.
    this.#spend(frame.length);
    return undefined;
  }

  /** Whether the checksum that the frame at `offset` states is that of this type and length. */
  wouldHold(offset: number, frame: FoundFrame): boolean {
    return this.#spend(frame.length) && this.#holds(offset, frame);
  }

  /** CRC-32 of the frame at `offset`, by its own type and length; undefined if it is not there. */
  checksumAt(offset: number, frame: FoundFrame): number | undefined {
    return this.#spend(frame.length) ? this.#checksumOf(offset, frame) : undefined;
  }

  /**
   * The extent of the frame at `offset`, whose checksum does not hold: with one bit of its header
   * turned it does, or else what it states of its length leads to another frame, or to the end.
   */
  damagedFrameAt(offset: number): FoundFrame | undefined {
    const frame = this.headerAt(offset);
    if (frame === undefined) return undefined;
    for (let bit = 0; bit < 8 * COVERED; bit++) {
      const turned = turn(frame, bit);
      if (!isFrameType(turned.type) || turned.length > this.#longest) continue;
      if (offset + FRAME_HEADER_SIZE + turned.length > this.size) continue;
      if (this.#spend(turned.length) && this.#holds(offset, turned)) return turned;
    }
    const next = offset + FRAME_HEADER_SIZE + frame.length;
    if (!isFrameType(frame.type) || next > this.size) return undefined;
    if (next === this.size || this.frameAt(next) !== undefined) return frame;
    return undefined;
  }

  /** The first offset from `from` on at which a whole frame begins that ends before `end`. */
  nextFrame(from: number, end: number = this.size): number | undefined {
    for (let offset = from; offset + FRAME_HEADER_SIZE <= end; offset++) {
      const at = this.#fetch(offset, FRAME_HEADER_SIZE);
      const last = this.#limit - this.#base - FRAME_HEADER_SIZE;
      if (at > last) return undefined;
      let found = at;
      while (found <= last && !isFrameType(this.#buffer[found])) found++;
      offset += found - at;
      if (found > last) {
        offset--;
        continue;
      }
      const length = frameLengthAt(this.#buffer, found);
      if (length > this.#longest || offset + FRAME_HEADER_SIZE + length > end) continue;
      if (!this.#spend(length)) return undefined;
      const frame = this.headerAt(offset);
      if (frame !== undefined && this.#holds(offset, frame)) return offset;
    }
    return undefined;
  }

  /** Whether all bytes from `from` on are zero. */
  isZeroFrom(from: number): boolean {
    for (let offset = from; offset < this.size;) {
      const bytes = this.bytes(offset, Math.min(READ_SIZE, this.size - offset));
      if (bytes.length === 0 || !bytes.every((byte) => byte === 0)) return bytes.length === 0;
      offset += bytes.length;
    }
    return true;
  }

  /** The Seal that the file ends with, if it is whole. */
  seal(): FoundSeal | undefined {
    const start = this.size - SEAL_TRAILER_SIZE;
    if (start < 0) return undefined;
    const size = readSealTrailer(this.bytes(start, SEAL_TRAILER_SIZE));
    if (size === undefined || size > this.size) return undefined;
    const at = this.size - size;
    const frame = this.frameAt(at);
    if (frame?.type !== TYPE_INTERNAL || FRAME_HEADER_SIZE + frame.length !== size) {
      return undefined;
    }
    return { at, offsets: sealOffsets(this.bytes(at, size)) };
  }

  /** What the header at `offset` says, whole frame or not; undefined where the file ends. */
  headerAt(offset: number): FoundFrame | undefined {
    const at = this.#fetch(offset, FRAME_HEADER_SIZE);
    if (this.#limit - offset < FRAME_HEADER_SIZE) return undefined;
    return {
      type: this.#buffer[at] as number,
      length: frameLengthAt(this.#buffer, at),
      checksum: readUint32(this.#buffer, at + CHECKSUM_AT),
    };
  }

  /** Whether the checksum of the frame at `offset` holds with this type and length. */
  #holds(offset: number, frame: FoundFrame): boolean {
    return this.#checksumOf(offset, frame) === frame.checksum;
  }

  /** CRC-32 of a frame in memory, whose own checksum is not looked at. */
  checksumOfFrame(frame: Uint8Array): number {
    const crc = this.#crc.init();
    crc.update(frame.subarray(0, CHECKSUM_AT));
    crc.update(frame.subarray(FRAME_HEADER_SIZE));
    return parseInt(crc.digest("hex"), 16);
  }

  /** CRC-32 of the frame at `offset` with this type and length; undefined if the file ends before. */
  #checksumOf(offset: number, { type, length }: FoundFrame): number | undefined {
    const size = FRAME_HEADER_SIZE + length;
    const crc = this.#crc.init();
    if (size > this.#buffer.length) {
      const header = new Uint8Array(COVERED);
      header[0] = type;
      writeUint32(header, 1, length);
      crc.update(header);
      for (let done = FRAME_HEADER_SIZE; done < size;) {
        const piece = this.bytes(offset + done, Math.min(READ_SIZE, size - done));
        if (piece.length === 0) return undefined;
        crc.update(piece);
        done += piece.length;
      }
    } else {
      const at = this.#fetch(offset, size);
      if (this.#limit - offset < size) return undefined;
      // Type and length stand in front of the payload for a moment, so that one call takes both.
      const buffer = this.#buffer;
      const kept = buffer[at + 4] as number;
      const stated = readUint32(buffer, at + CHECKSUM_AT);
      buffer[at + 4] = type;
      writeUint32(buffer, at + CHECKSUM_AT, length);
      crc.update(buffer.subarray(at + 4, at + size));
      buffer[at + 4] = kept;
      writeUint32(buffer, at + CHECKSUM_AT, stated);
    }
    return parseInt(crc.digest("hex"), 16);
  }

  /** Where in the buffer the bytes at `offset` are; as many of `size` as there are and fit. */
  #fetch(offset: number, size: number): number {
    if (offset < this.#base || offset + size > this.#limit) {
      const wanted = Math.min(this.#buffer.length, Math.max(READ_SIZE, size), this.size - offset);
      this.#base = offset;
      this.#limit = offset + this.#file.read(this.#buffer, offset, Math.max(0, wanted));
    }
    return offset - this.#base;
  }

  #spend(length: number): boolean {
    this.#budget -= FRAME_HEADER_SIZE + length;
    return this.#budget >= 0;
  }
}

/** The offsets that a whole Seal's frame states. */
export function sealOffsets(frame: Uint8Array): Uint32Array {
  const count = (frame.length - SEAL_OFFSETS_AT - SEAL_TRAILER_SIZE) / 4;
  return Uint32Array.from({ length: count }, (_, i) => readUint32(frame, SEAL_OFFSETS_AT + 4 * i));
}

/** A frame with one bit of its type or length turned. */
function turn(frame: FoundFrame, bit: number): FoundFrame {
  if (bit < 8) return { ...frame, type: frame.type ^ (1 << bit) };
  return { ...frame, length: (frame.length ^ (1 << (bit - 8))) >>> 0 };
}
