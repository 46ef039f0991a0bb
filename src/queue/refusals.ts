/**
 * The errors of a queue.
 *
 * @module
 */
import { WalError } from "../errors.ts";
import type { LeaseEnd } from "./subscription.ts";

/** The queue is closed, or being closed. */
export function queueClosed(path: string): WalError {
  return new WalError("ERR_QUEUE_CLOSED", `The queue "${path}" is closed: open it again.`);
}

/** The consumer was removed. */
export function consumerRemoved(path: string, name: string): WalError {
  return new WalError(
    "ERR_QUEUE_CLOSED",
    `The consumer ${JSON.stringify(name)} of the queue "${path}" was removed: make it again by ` +
      "consumer().",
  );
}

/** How a lease ended, in words. */
const ENDS: Readonly<Record<LeaseEnd, string>> = {
  settled: "it was settled before",
  expired: "it took longer than its visibility, and is delivered again",
  closed: "the queue was closed, and it is delivered again once that is open",
  removed: "its consumer was removed",
};

/** A job's lease is over, or what came of it is on its way. */
export function leaseLost(path: string, index: number, end: LeaseEnd | undefined): WalError {
  const why = end === undefined ? "what came of it is on its way to the disk" : ENDS[end];
  return new WalError(
    "ERR_QUEUE_LEASE_LOST",
    `Message ${index} of the queue "${path}" is not this job's any more: ${why}. Nothing was ` +
      "changed by this call. Settle a job once, and extend() its lease before it ends.",
  );
}

/** There is no such dead letter. */
export function notDead(path: string, name: string, index: number): WalError {
  return new WalError(
    "ERR_QUEUE_NOT_DEAD",
    `Message ${index} of the queue "${path}" is not a dead letter of the consumer ` +
      `${JSON.stringify(name)}: take an index from its dead().`,
  );
}

/** A message is larger than one that a compaction can copy. */
export function messageTooLarge(path: string, size: number, limit: number): WalError {
  return new WalError(
    "ERR_WAL_ENTRY_TOO_LARGE",
    `Cannot enqueue a message of ${size} bytes to "${path}": the limit is ${limit}, which is 8 below ` +
      "maxEntrySize. Nothing was written. Split the message, or open the queue with a larger " +
      "maxEntrySize.",
  );
}

/** Messages that are to be one atom fit no segment. */
export function batchTooLarge(path: string, count: number, size: number): WalError {
  return new WalError(
    "ERR_WAL_BATCH_TOO_LARGE",
    `Cannot enqueue ${count} messages of ${size} bytes as one atom to "${path}": they fit no segment. ` +
      "Nothing was written. Enqueue fewer at a time, or open the queue with a larger segmentSize.",
  );
}

/** A message cannot be copied, since the log was opened with a smaller limit than before. */
export function cannotCopy(path: string, index: number, size: number): WalError {
  return new WalError(
    "ERR_WAL_ENTRY_TOO_LARGE",
    `Cannot copy message ${index} of the queue "${path}": its copy has ${size} bytes, more than ` +
      "maxEntrySize. It stays where it is, with the space after it, until it is done. All else was " +
      "compacted. Open the queue with a larger maxEntrySize.",
  );
}

/** The log has something that no queue wrote, or lacks what one wrote. */
export function unreadable(path: string, what: string): WalError {
  return new WalError(
    "ERR_QUEUE_UNREADABLE",
    `The queue "${path}" cannot be read: ${what}. Nothing was changed. Open it with the version of ` +
      "this package that wrote it, or a later one; if entries were lost, restore the log from a copy.",
  );
}
