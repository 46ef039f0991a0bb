/**
 * What the worker tells the parent, and bytes that both can compute.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { random } from "../../tests/support/logs.ts";

/** A change of the log. `id` is unique among all workers of a run. */
export type Operation =
  /** One `append`, or one `appendAndSync`. */
  | { readonly id: number; readonly kind: "append"; readonly sizes: readonly [number] }
  /** One `appendBatch`, or one `appendBatchAndSync`. */
  | { readonly id: number; readonly kind: "batch"; readonly sizes: readonly number[] }
  /** Several calls of `appendAndSync` at once. */
  | { readonly id: number; readonly kind: "group"; readonly sizes: readonly number[] }
  | { readonly id: number; readonly kind: "truncateFrom"; readonly index: number }
  | { readonly id: number; readonly kind: "truncateBefore"; readonly index: number }
  | { readonly id: number; readonly kind: "reset"; readonly index: number }
  | { readonly id: number; readonly kind: "setState"; readonly size: number }
  /** A clean close, and an open. */
  | { readonly id: number; readonly kind: "reopen" };

/** What a log holds, each entry and the state as a digest. */
export interface Contents {
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly entries: readonly string[];
  readonly state: string;
}

/** A line of the worker's output. */
export type Line =
  /** What it found in the log that it opened. */
  | { readonly found: Contents }
  /** It is about to start an operation. */
  | { readonly start: Operation }
  /** The operation is acknowledged; where the log then begins and ends, and the files it has more. */
  | {
    readonly done: number;
    readonly firstIndex: number;
    readonly lastIndex: number;
    readonly rolls: number;
  };

/** The bytes of an operation's entry, or of its state; no two are the same but short ones. */
export function contentOf(seed: number, id: number, position: number, size: number): Uint8Array {
  const draw = random(seed ^ Math.imul(id, 0x9e3779b1) ^ Math.imul(position + 1, 0x85ebca6b));
  const words = Uint32Array.from({ length: Math.ceil(size / 4) }, () => draw() * 2 ** 32);
  return new Uint8Array(words.buffer, 0, size);
}

/** What tells two contents apart. */
export function digestOf(bytes: Uint8Array): string {
  return `${bytes.length}:${createHash("sha256").update(bytes).digest("hex").slice(0, 16)}`;
}
