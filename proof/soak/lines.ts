/**
 * What the worker tells the parent, and the bytes that it writes.
 *
 * @module
 */
import type { WalContents, WalOperation } from "../../src/testing/testing.ts";
import { random } from "../../kit/logs.ts";

/** A line of the worker's output. */
export type Line =
  /** What it found in the log that it opened. */
  | { readonly kind: "found"; readonly contents: WalContents }
  /** It is about to start an operation, whose id is unique among all workers of a run. */
  | { readonly kind: "start"; readonly id: number; readonly operation: WalOperation }
  /** The operation has done nothing, because something could not be written. */
  | { readonly kind: "refused"; readonly id: number }
  /** The operation is acknowledged; where the log then begins and ends, and the files it has more. */
  | {
    readonly kind: "done";
    readonly id: number;
    readonly firstIndex: number;
    readonly lastIndex: number;
    readonly rolls: number;
  };

/** Bytes that a number and the run's seed repeat; no two are the same but short ones. */
export function contentOf(seed: number, number: number, size: number): Uint8Array {
  const draw = random(seed ^ Math.imul(number, 0x9e3779b1));
  const words = Uint32Array.from({ length: Math.ceil(size / 4) }, () => draw() * 2 ** 32);
  return new Uint8Array(words.buffer, 0, size);
}
