/**
 * The error of a promise that was not kept.
 *
 * @module
 */

/**
 * A promise was broken. The message says what was found and what was promised. If the machine died,
 * it also says after which crash and in which state of the disk; `cause` is then the error that
 * showed it.
 *
 * @example
 * ```ts
 * import { assertRejects } from "@std/assert";
 * import { BrokenPromise, exploreCrashes } from "@durable/wal/testing";
 *
 * const trial = {
 *   run: async () => {},
 *   check: () => Promise.reject(new Error("The file is gone")),
 * };
 * await assertRejects(() => exploreCrashes(trial), BrokenPromise);
 * ```
 */
export class BrokenPromise extends Error {
  /** The kind of error. */
  override name = "BrokenPromise";
}
