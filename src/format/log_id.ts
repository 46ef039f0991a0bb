/**
 * A log's id: random bytes by which its files are known for its own.
 *
 * @module
 */

/** The size of an id in bytes. */
export const LOG_ID_SIZE = 8;

/** An id as text: lower-case hexadecimal. */
export function hexOf(id: Uint8Array): string {
  return Array.from(id, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Whether two log ids are the same. */
export function sameLog(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
