/**
 * What the programs write that have no power or a failing disk, and what they find.
 *
 * @module
 */
import type { WalContents } from "../../src/testing/testing.ts";
import { random } from "../../kit/logs.ts";

/** What a log holds, and the last index that it tells. */
export interface Contents extends WalContents {
  readonly lastIndex: number;
}

/** The bytes of a change's entry, or of its state; no two are the same but short ones. */
export function contentOf(seed: number, id: number, position: number, size: number): Uint8Array {
  const draw = random(seed ^ Math.imul(id, 0x9e3779b1) ^ Math.imul(position + 1, 0x85ebca6b));
  const words = Uint32Array.from({ length: Math.ceil(size / 4) }, () => draw() * 2 ** 32);
  return new Uint8Array(words.buffer, 0, size);
}
