/**
 * The errors of snapshot files.
 *
 * @module
 */
import { reasonOf, WalError } from "../errors.ts";

/** What to do about a snapshot file that cannot be used. */
const ELSEWHERE = "Nothing was changed. Take another snapshot, or restore the file from a copy.";

/** The error for a file that is not whole. */
export function damaged(path: string, offset: number, what: string): WalError {
  return new WalError(
    "ERR_SNAPSHOT_DAMAGED",
    `"${path}" is damaged at offset ${offset}: ${what}. ${ELSEWHERE}`,
  );
}

/** The error for a file that is not there. */
export function missing(path: string, cause: unknown): WalError {
  return new WalError(
    "ERR_SNAPSHOT_MISSING",
    `There is no snapshot file "${path}". ${ELSEWHERE}`,
    { cause },
  );
}

/** The error for a snapshot of another log. */
export function ofAnotherLog(path: string, found: string, wanted: string): WalError {
  return new WalError(
    "ERR_SNAPSHOT_OTHER_LOG",
    `"${path}" is a snapshot of the log ${found}, and not of ${wanted}. ${ELSEWHERE}`,
  );
}

/** The error for a file that a later version of this library wrote. */
export function ofLaterVersion(path: string, what: string): WalError {
  return new WalError(
    "ERR_SNAPSHOT_VERSION",
    `"${path}" has ${what}: a later version wrote it. Nothing was changed. Use that version.`,
  );
}

/** The error for a compressed file in a runtime that has no zstd. */
export function noZstd(path: string, offset: number): WalError {
  return new WalError(
    "ERR_SNAPSHOT_ZSTD",
    `"${path}" has a piece at offset ${offset} that is compressed with zstd, which this runtime does ` +
      "not have: take Node from 22.15 on, Bun, or a current Deno. Nothing was changed. To write " +
      "snapshots that every runtime reads, use { compress: false }.",
  );
}

/** The error for a name that is in use. */
export function nameInUse(path: string, cause: unknown): WalError {
  return new WalError(
    "ERR_SNAPSHOT_EXISTS",
    `"${path}" exists already. Nothing was changed. A snapshot file is never written over: give ` +
      "another name.",
    { cause },
  );
}

/** The error for a file that could not be made durable; it is gone again. */
export function writeFailed(path: string, cause: unknown): WalError {
  return new WalError(
    "ERR_SNAPSHOT_WRITE_FAILED",
    `Cannot write the snapshot file "${path}": ${
      reasonOf(cause)
    }. What was written of it does not ` +
      "count, and was removed where that is possible. Make room or mend the cause, then write another.",
    { cause },
  );
}

/** The error for a file that the system could not read. */
export function readFailed(path: string, cause: unknown): WalError {
  return new WalError(
    "ERR_WAL_IO",
    `Cannot read the snapshot file "${path}": ${reasonOf(cause)}. Mend the cause and try again.`,
    { cause },
  );
}

/** The error for a call of a writer or a file that has ended. */
export function ended(path: string, what: string): WalError {
  return new WalError(
    "ERR_SNAPSHOT_ENDED",
    `The snapshot file "${path}" ${what}. Nothing was changed. Use another writer, or open the file ` +
      "again.",
  );
}
