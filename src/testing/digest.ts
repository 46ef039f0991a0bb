/**
 * What tells contents apart, short and the same on every runtime.
 *
 * @module
 */
import { invalid } from "../arguments.ts";
import { isBytes } from "../bytes.ts";

/** The size, and two sums of 32 bits over the bytes. Not made to withstand an adversary. */
export function digestOf(bytes: Uint8Array): string {
  if (!isBytes(bytes)) throw invalid("bytes", "a Uint8Array", bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const words = bytes.length >> 2;
  let one = 0x811c9dc5;
  let other = 0x9747b28c;
  const add = (word: number): void => {
    one = Math.imul(one ^ word, 0x01000193) ^ (one >>> 15);
    other = Math.imul(other ^ word, 0x85ebca6b) ^ (other >>> 13);
  };
  for (let i = 0; i < words; i++) add(view.getUint32(4 * i));
  for (let i = 4 * words; i < bytes.length; i++) add(bytes[i] as number);
  return `${bytes.length}:${(one >>> 0).toString(16)}${(other >>> 0).toString(16)}`;
}
