/**
 * The checksum seam: the log asks for frames to be sealed or for a chunk of frames to be scanned, not
 * for the CRC of some bytes, so that the kernel can take a whole chunk at once.
 *
 * What is staged in the kernel's memory is sealed and scanned there. Any other buffer is copied into
 * it, a piece at a time.
 *
 * @module
 */
import { CHECKSUM_AT, FRAME_HEADER_SIZE, frameLengthAt, isFrameType } from "./frame.ts";
import { readUint32, writeUint32 } from "./integers.ts";
import { type Kernel, kernel as processKernel } from "./kernel/kernel.ts";

/** Seals and checks frames. It keeps nothing between two calls, so all logs of a process share one. */
export interface FrameChecksum {
  /**
   * The kernel's own memory, to stage frames in or to read a chunk to. It is everybody's: what is
   * there may be gone after any other call of this interface, and after an `await` or a `yield`.
   */
  readonly staging: Uint8Array;
  /** Room for the offsets of all frames that can be staged at once. */
  readonly offsets: Uint32Array;
  /** Writes the checksums of the frames from `start` to `end`, of which all else is in the buffer. */
  seal(buffer: Uint8Array, start: number, end: number): void;
  /** Whether the whole frame at `offset` is in `buffer[..end)` and its checksum holds. */
  check(buffer: Uint8Array, offset: number, end: number, maxLength: number): boolean;
  /**
   * Walks the frames in `buffer[..end)` up to the first byte that begins no whole valid frame of at
   * most `maxLength` bytes of payload, and leaves in {@linkcode offsets} where each begins. The walk
   * also stops when they are full.
   */
  scan(buffer: Uint8Array, end: number, maxLength: number): ScanResult;
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
  /** The first byte after the last of them. */
  readonly stop: number;
}

/** Bytes of the header that the checksum covers: type and length. */
const COVERED = CHECKSUM_AT;

/** The checksum of a kernel. */
export function createFrameChecksum(kernel: Kernel): FrameChecksum {
  const { staging, offsets } = kernel;

  /** The CRC-32 of these bytes and of those before. */
  function goOn(checksum: number, bytes: Uint8Array): number {
    for (let at = 0; at < bytes.length; at += staging.length) {
      const piece = bytes.length <= staging.length
        ? bytes
        : bytes.subarray(at, at + staging.length);
      staging.set(piece);
      checksum = kernel.crc32(checksum, 0, piece.length);
    }
    return checksum;
  }

  function crc32Of(pieces: Iterable<Uint8Array>): number {
    let checksum = 0;
    for (const piece of pieces) checksum = goOn(checksum, piece);
    return checksum;
  }

  /** The checksum of the frame from `start` to `end` in a buffer of somebody's own. */
  function checksumOf(buffer: Uint8Array, start: number, end: number): number {
    const header = goOn(0, buffer.subarray(start, start + COVERED));
    return goOn(header, buffer.subarray(start + FRAME_HEADER_SIZE, end));
  }

  function check(buffer: Uint8Array, offset: number, end: number, maxLength: number): boolean {
    if (buffer === staging) return kernel.check(offset, end, maxLength);
    if (end - offset < FRAME_HEADER_SIZE || !isFrameType(buffer[offset])) return false;
    const length = frameLengthAt(buffer, offset);
    if (length > maxLength || length > end - offset - FRAME_HEADER_SIZE) return false;
    const checksum = checksumOf(buffer, offset, offset + FRAME_HEADER_SIZE + length);
    return checksum === readUint32(buffer, offset + CHECKSUM_AT);
  }

  return {
    staging,
    offsets,
    check,
    crc32Of,

    seal(buffer, start, end) {
      if (buffer === staging) return kernel.seal(start, end);
      for (let at = start; at < end;) {
        const next = at + FRAME_HEADER_SIZE + frameLengthAt(buffer, at);
        writeUint32(buffer, at + CHECKSUM_AT, checksumOf(buffer, at, next));
        at = next;
      }
    },

    scan(buffer, end, maxLength) {
      let count = 0;
      let stop = 0;
      if (buffer === staging) {
        count = kernel.scan(0, end, maxLength);
        const last = count > 0 ? offsets[count - 1] as number : 0;
        if (count > 0) stop = last + FRAME_HEADER_SIZE + frameLengthAt(staging, last);
      } else {
        while (count < offsets.length && check(buffer, stop, end, maxLength)) {
          offsets[count++] = stop;
          stop += FRAME_HEADER_SIZE + frameLengthAt(buffer, stop);
        }
      }
      return { count, stop };
    },

    crc32(bytes) {
      return goOn(0, bytes);
    },

    checkPieces(header, pieces) {
      let checksum = goOn(0, header.subarray(0, COVERED));
      for (const piece of pieces) checksum = goOn(checksum, piece);
      return checksum === readUint32(header, CHECKSUM_AT);
    },
  };
}

/** The one that the process uses. */
export const frameChecksum: FrameChecksum = createFrameChecksum(processKernel);
