/**
 * Gives back what an open log holds.
 *
 * @module
 */
import { reasonOf, WalError } from "../errors.ts";
import { type FileSystemError, isFileSystemError, type WriterLock } from "../fs/file_system.ts";
import type { LogDirectory } from "../fs/log_directory.ts";
import type { Guards } from "./guards.ts";
import type { LogContents } from "./log_contents.ts";

/**
 * Gives the files and the lock back, each whatever becomes of the others.
 *
 * @returns The error of the first that could not be given back.
 */
export async function giveBackLog(
  { path, segments, meta }: LogContents,
  guards: Guards,
  directory: LogDirectory,
  lock: WriterLock | undefined,
): Promise<WalError | undefined> {
  let failure: FileSystemError | undefined;
  await guards.close();
  for (
    const close of [
      (): void => segments.close(),
      (): void => meta.close(),
      (): void => directory.close(),
      (): void => lock?.release(),
    ]
  ) {
    try {
      close();
    } catch (error) {
      if (!isFileSystemError(error)) throw error;
      failure ??= error;
    }
  }
  if (failure === undefined) return undefined;
  return new WalError(
    "ERR_WAL_IO",
    `The log "${path}" is closed, but a file could not be given back: ${reasonOf(failure)}. If ` +
      "that is the lock file, its record stays and no open takes the log before it is removed.",
    { cause: failure },
  );
}
