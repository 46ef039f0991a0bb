/**
 * A snapshot that another thread writes from the log: what it is asked for.
 *
 * The machine that writes the log only waits for the file. So a state of any shape holds up its event
 * loop no longer than a dispatch does; the price is a second state in memory.
 *
 * @module
 */
import { reasonOf, WalError } from "../errors.ts";

/**
 * Which snapshot is wanted. It can be sent to another thread as it is.
 *
 * @example
 * ```ts
 * import type { SnapshotOrder } from "@durable/wal/machine";
 *
 * const order: SnapshotOrder = { log: "/data/bank.wal", index: 17, file: "/data/snapshot" };
 * ```
 */
export interface SnapshotOrder {
  /** The path of the log's first file. */
  readonly log: string;
  /** The index of the last event that is to be in it. */
  readonly index: number;
  /** The path of the file to write. */
  readonly file: string;
}

/**
 * Has a snapshot written by another thread.
 *
 * @param order What {@linkcode StateMachine.writeSnapshot} is to be called with there.
 * @param options The signal is aborted when the machine is closed, and waits no more.
 * @returns Resolves once that call has, and rejects if it has failed.
 *
 * @example
 * ```ts
 * import type { Offload } from "@durable/wal/machine";
 *
 * const refuse: Offload = ({ index }) => Promise.reject(new Error(`No thread for ${index}`));
 * ```
 */
export type Offload = (
  order: SnapshotOrder,
  options: { readonly signal: AbortSignal },
) => PromiseLike<unknown>;

/** The error for a snapshot that another thread did not write. */
export function offloadFailed(path: string, why: unknown): WalError {
  const reason = typeof why === "string" ? why : reasonOf(why);
  return new WalError(
    "ERR_SNAPSHOT_OFFLOAD",
    `The snapshot "${path}" was not written by its thread: ${reason}. The log and its snapshots are ` +
      "as before, and the machine continues. Mend the cause, then take another.",
    typeof why === "string" ? undefined : { cause: why },
  );
}
