/**
 * Big-endian integers, as all numbers in the files are.
 *
 * @module
 */

/** Reads a big-endian uint32 that lies within the buffer. */
export function readUint32(buffer: Uint8Array, offset: number): number {
  return ((byteAt(buffer, offset) << 24) | (byteAt(buffer, offset + 1) << 16) |
    (byteAt(buffer, offset + 2) << 8) | byteAt(buffer, offset + 3)) >>> 0;
}

/** Writes a big-endian uint32. */
export function writeUint32(buffer: Uint8Array, offset: number, value: number): void {
  buffer[offset] = value >>> 24;
  buffer[offset + 1] = value >>> 16;
  buffer[offset + 2] = value >>> 8;
  buffer[offset + 3] = value;
}

/** Writes a number as a big-endian uint64. */
export function writeUint64(buffer: Uint8Array, at: number, value: number): void {
  writeUint32(buffer, at, Math.floor(value / 2 ** 32));
  writeUint32(buffer, at + 4, value >>> 0);
}

/** Reads a uint64 as a number; one beyond 2^53 loses its low bits, and is beyond any file. */
export function readUint64(buffer: Uint8Array, at: number): number {
  return readUint32(buffer, at) * 2 ** 32 + readUint32(buffer, at + 4);
}

function byteAt(buffer: Uint8Array, offset: number): number {
  return buffer[offset] as number;
}
