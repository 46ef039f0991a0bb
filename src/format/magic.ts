/**
 * Whether a file beside the log is the log's own, by how it begins: only then may it be written over
 * or removed.
 *
 * @module
 */
import { writeUint32 } from "./integers.ts";

/** The magic number and the version that a file begins with. */
export function beginningWith(magic: number, version: number): Uint8Array {
  const bytes = new Uint8Array(8);
  writeUint32(bytes, 0, magic);
  writeUint32(bytes, 4, version);
  return bytes;
}

/**
 * Whether a file's head, which is written at once, or all of a shorter file, is one that begins so,
 * or what a crash may leave of it: a part of it, or zeros where the disk never had it.
 */
export function mayBegin(head: Uint8Array, beginning: Uint8Array): boolean {
  return head.subarray(0, beginning.length).every((byte, i) => byte === beginning[i]) ||
    head.every((byte) => byte === 0);
}
