/**
 * The checksum seam: the log asks for a frame to be sealed or for a chunk of frames to be scanned,
 * not for the CRC of some bytes, so that whatever does it can take a whole chunk at once.
 *
 * CRC-32 is hash-wasm's, computed in WebAssembly.
 *
 * @module
 */
import { createCRC32 } from "hash-wasm";
import { createChecksumChain } from "./checksum_chain.ts";
import {
  CHECKSUM_AT,
  FRAME_HEADER_SIZE,
  frameLengthAt,
  isFrameType,
  readUint32,
  writeUint32,
} from "./frame.ts";

/** Seals and checks frames. It keeps nothing between two calls, so all logs of a process share one. */
export interface FrameChecksum {
  /** Writes the checksum of the frame at `offset`, whose header and payload are in the buffer. */
  seal(buffer: Uint8Array, offset: number): void;
  /** Whether the whole frame at `offset` is in `buffer[..end)` and its checksum holds. */
  check(buffer: Uint8Array, offset: number, end: number, maxLength: number): boolean;
  /**
   * Walks the frames in `buffer[start..end)` up to the first byte that begins no whole valid frame
   * of at most `maxLength` bytes of payload.
   *
   * @param offsets Receives where each frame begins; the walk also stops when it is full.
   */
  scan(
    buffer: Uint8Array,
    start: number,
    end: number,
    maxLength: number,
    offsets: Uint32Array,
  ): ScanResult;
  /** Whether the checksum of a frame holds whose payload comes in pieces. */
  checkPieces(header: Uint8Array, pieces: Iterable<Uint8Array>): boolean;
  /** CRC-32 of bytes that are no frame. */
  crc32(bytes: Uint8Array): number;
  /** The same of bytes that come in pieces. */
  crc32Of(pieces: Iterable<Uint8Array>): number;
}

/** How far a scan came. */
export interface ScanResult {
  /** How many frames it found. */
  readonly count: number;
  /** The first byte behind the last of them. */
  readonly stop: number;
}

/** Bytes of the header that the checksum covers: type and length. */
const COVERED = CHECKSUM_AT;

/** How far they are moved to stand right in front of the payload, on the checksum's place. */
const MOVED = FRAME_HEADER_SIZE - COVERED;

/** The checksum of hash-wasm. */
export function frameChecksum(): Promise<FrameChecksum> {
  return shared;
}

/**
 * One for the process: each WebAssembly instance reserves gigabytes of address space, and a few ten
 * thousand that wait for a garbage collection use all of it up.
 */
const shared: Promise<FrameChecksum> = make();
// Whoever awaits it is told of a failure; an import of this module must not end the program.
shared.catch(() => undefined);

async function make(): Promise<FrameChecksum> {
  const crc32 = await createCRC32();
  const chain = createChecksumChain();
  let stored = new Uint32Array(0);

  /** The checksum of the frame at `offset`; the buffer is as before when it returns. */
  function checksumOf(buffer: Uint8Array, offset: number, end: number): number {
    // One call on contiguous bytes costs half of two, so the covered header bytes are moved over
    // the checksum's place for a moment, to meet the payload.
    const stored = readUint32(buffer, offset + CHECKSUM_AT);
    const first = buffer[offset + MOVED] as number;
    buffer.copyWithin(offset + MOVED, offset, offset + COVERED);
    const checksum = finish(crc32.init().update(buffer.subarray(offset + MOVED, end)));
    buffer[offset + MOVED] = first;
    writeUint32(buffer, offset + CHECKSUM_AT, stored);
    return checksum;
  }

  function check(buffer: Uint8Array, offset: number, end: number, maxLength: number): boolean {
    if (end - offset < FRAME_HEADER_SIZE || !isFrameType(buffer[offset])) return false;
    const length = frameLengthAt(buffer, offset);
    if (length > maxLength || length > end - offset - FRAME_HEADER_SIZE) return false;
    const checksum = checksumOf(buffer, offset, offset + FRAME_HEADER_SIZE + length);
    return checksum === readUint32(buffer, offset + CHECKSUM_AT);
  }

  /** Whether the checksums of all frames of a walk hold. */
  function holdTogether(buffer: Uint8Array, offsets: Uint32Array, walk: ScanResult): boolean {
    const { count, stop } = walk;
    if (count === 0) return true;
    if (stored.length < count) stored = new Uint32Array(offsets.length);
    chain.fill(buffer, offsets, count, stored);
    const checksum = finish(crc32.init().update(buffer.subarray(offsets[0], stop)));
    chain.restore(buffer, offsets, count, stored);
    return checksum === stored[count - 1];
  }

  return {
    check,

    seal(buffer, offset) {
      const end = offset + FRAME_HEADER_SIZE + frameLengthAt(buffer, offset);
      writeUint32(buffer, offset + CHECKSUM_AT, checksumOf(buffer, offset, end));
    },

    scan(buffer, start, end, maxLength, offsets) {
      // All frames at once first: that most chunks are whole makes it worth the second walk over
      // one that is not.
      const walk = walkHeaders(buffer, start, end, maxLength, offsets);
      if (holdTogether(buffer, offsets, walk)) return walk;
      let count = 0;
      let stop = start;
      while (count < walk.count && check(buffer, stop, end, maxLength)) {
        count++;
        stop += FRAME_HEADER_SIZE + frameLengthAt(buffer, stop);
      }
      return { count, stop };
    },

    crc32(bytes) {
      return finish(crc32.init().update(bytes));
    },

    crc32Of(pieces) {
      crc32.init();
      for (const piece of pieces) crc32.update(piece);
      return finish(crc32);
    },

    checkPieces(header, pieces) {
      crc32.init().update(header.subarray(0, COVERED));
      for (const piece of pieces) crc32.update(piece);
      return finish(crc32) === readUint32(header, CHECKSUM_AT);
    },
  };
}

/** Finds frames by their lengths alone, up to the first byte that cannot begin a whole one. */
function walkHeaders(
  buffer: Uint8Array,
  start: number,
  end: number,
  maxLength: number,
  offsets: Uint32Array,
): ScanResult {
  let count = 0;
  let stop = start;
  while (count < offsets.length && end - stop >= FRAME_HEADER_SIZE && isFrameType(buffer[stop])) {
    const length = frameLengthAt(buffer, stop);
    if (length > maxLength || length > end - stop - FRAME_HEADER_SIZE) break;
    offsets[count++] = stop;
    stop += FRAME_HEADER_SIZE + length;
  }
  return { count, stop };
}

/** The digest as a number, from its hexadecimal form: a short string costs less than an array. */
function finish(crc32: { digest(form: "hex"): string }): number {
  const digits = crc32.digest("hex");
  let value = 0;
  for (let i = 0; i < 8; i++) {
    const code = digits.charCodeAt(i);
    value = (value << 4) | (code < 58 ? code - 48 : code - 87);
  }
  return value >>> 0;
}
