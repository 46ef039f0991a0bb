/**
 * Bytes by which a large entry is known at any place.
 *
 * @module
 */

/** How many bytes are filled by hand; the rest are copies, with their place in front of each. */
export const CHUNK: number = 1 << 20;

/** Fills an array whose size is a whole number of chunks, or any smaller. */
export function fill(bytes: Uint8Array, seed: number): Uint8Array {
  const chunk = Uint8Array.from({ length: CHUNK }, (_, i) => (i * 31 + (i >> 8) * 7 + seed) & 255);
  for (let at = 0; at < bytes.length; at += CHUNK) {
    bytes.set(chunk.subarray(0, bytes.length - at), at);
    if (at + 4 <= bytes.length) {
      new DataView(bytes.buffer, bytes.byteOffset).setUint32(at, at / CHUNK);
    }
  }
  return bytes;
}

/** Whether an array is as {@linkcode fill} leaves it: each chunk's place, and some of its bytes. */
export function isFilled(bytes: Uint8Array, seed: number): boolean {
  for (let at = 0; at < bytes.length; at += CHUNK) {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    if (at + 4 <= bytes.length && view.getUint32(at) !== at / CHUNK) return false;
    for (let i = 4; i < CHUNK && at + i < bytes.length; i += 997) {
      if (bytes[at + i] !== ((i * 31 + (i >> 8) * 7 + seed) & 255)) return false;
    }
  }
  return true;
}
