/**
 * Joins the frames of a chunk so that one CRC over all of its bytes checks every one of them: the
 * calls into WebAssembly then cost per chunk, not per frame.
 *
 * A frame's checksum covers its header's first five bytes and its payload, between which it stands
 * itself. The four bytes of that gap are free to choose, and four bytes are just enough to bring the
 * CRC's 32-bit register from any value to any other. They are chosen to take it from where the frame
 * before must have left it (the complement of that frame's stored checksum) to where this frame's
 * five bytes alone would have brought it from the start value. The register then goes on through
 * payload, next header and next gap, and if every frame holds, the CRC of the whole is the stored
 * checksum of the last.
 *
 * If one frame does not hold, the register is wrong behind it. Each further byte maps registers one
 * to one and the gaps are computed from what is stored, so it stays wrong to the end: a lone damaged
 * frame is found exactly as surely as by its own checksum. Two in one chunk can hide each other with
 * a chance of one in 2^32; an entry is checked by itself once more when it is read.
 *
 * The arithmetic: with F the effect of four zero bytes and Z that of five on the register, s the
 * register after the five bytes from the start value, and c the checksum before, the gap is
 * s ^ F^-1(s) ^ Z(c), because CRC is linear: what a register differs by at the start passes through
 * the bytes as through zeros. The table-driven steps are those of "A Painless Guide to CRC Error
 * Detection Algorithms" (R. Williams, 1993); running them backwards follows "Reversing CRC: Theory
 * and Practice" (M. Stigge and others, HU Berlin, 2006).
 *
 * @module
 */
import { CHECKSUM_AT, FRAME_HEADER_SIZE, readUint32, writeUint32 } from "./frame.ts";

/** The generator polynomial of CRC-32 (IEEE 802.3), lowest bit first. */
const POLYNOMIAL = 0xedb88320;

/** Fills gaps, and puts the checksums that stood there back. Holds tables, and no state. */
export interface ChecksumChain {
  /**
   * Fills the gaps of frames that follow each other from `offsets[0]` on.
   *
   * @param stored Receives the checksums that stood in the gaps.
   */
  fill(buffer: Uint8Array, offsets: Uint32Array, count: number, stored: Uint32Array): void;
  /** Puts the checksums back. */
  restore(buffer: Uint8Array, offsets: Uint32Array, count: number, stored: Uint32Array): void;
}

/** Makes the tables. */
export function createChecksumChain(): ChecksumChain {
  const step = new Uint32Array(256).map((_, byte) => {
    for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? (byte >>> 1) ^ POLYNOMIAL : byte >>> 1;
    return byte;
  });
  // The highest byte of a step's table entry tells which entry it was.
  const stepBack = new Uint8Array(256);
  step.forEach((value, byte) => stepBack[value >>> 24] = byte);

  const forward = (register: number, byte: number): number =>
    (step[(register ^ byte) & 0xff] as number) ^ (register >>> 8);
  const backward = (register: number): number => {
    const byte = stepBack[register >>> 24] as number;
    return ((register ^ (step[byte] as number)) << 8) | byte;
  };

  // Z, five zero bytes, for each of the register's four bytes.
  const [z0, z1, z2, z3] = [0, 8, 16, 24].map((shift) =>
    new Uint32Array(256).map((_, byte) => {
      let register = byte << shift;
      for (let i = 0; i < CHECKSUM_AT; i++) register = forward(register, 0);
      return register;
    })
  ) as [Uint32Array, Uint32Array, Uint32Array, Uint32Array];
  const zeros = (register: number): number =>
    (z0[register & 0xff] as number) ^ (z1[(register >>> 8) & 0xff] as number) ^
    (z2[(register >>> 16) & 0xff] as number) ^ (z3[register >>> 24] as number);

  /** s ^ F^-1(s) of the frame at `offset`. */
  function gapOf(buffer: Uint8Array, offset: number): number {
    let register = 0xffffffff;
    for (let i = 0; i < CHECKSUM_AT; i++) {
      register = forward(register, buffer[offset + i] as number);
    }
    return register ^ backward(backward(backward(backward(register))));
  }

  return {
    fill(buffer, offsets, count, stored) {
      // Neighbours are often of one type and length, and then have this in common.
      let gap = 0;
      let gapOfType = -1;
      let gapOfLength = -1;
      let before = 0;
      for (let i = 0; i < count; i++) {
        const offset = offsets[i] as number;
        const type = buffer[offset] as number;
        const length = readUint32(buffer, offset + 1);
        if (type !== gapOfType || length !== gapOfLength) {
          gap = gapOf(buffer, offset);
          gapOfType = type;
          gapOfLength = length;
        }
        const checksum = readUint32(buffer, offset + CHECKSUM_AT);
        // The register takes the lowest byte first.
        const bytes = gap ^ zeros(before);
        buffer[offset + CHECKSUM_AT] = bytes;
        buffer[offset + CHECKSUM_AT + 1] = bytes >>> 8;
        buffer[offset + CHECKSUM_AT + 2] = bytes >>> 16;
        buffer[offset + FRAME_HEADER_SIZE - 1] = bytes >>> 24;
        stored[i] = checksum;
        before = checksum;
      }
    },

    restore(buffer, offsets, count, stored) {
      for (let i = 0; i < count; i++) {
        writeUint32(buffer, (offsets[i] as number) + CHECKSUM_AT, stored[i] as number);
      }
    },
  };
}
