/**
 * Keeps bytes that recovery is about to cut off, in a file of their own, which open never reads.
 *
 * @module
 */
import { type FileHandle, isFileSystemError } from "../fs/file_system.ts";
import type { LogDirectory } from "../fs/log_directory.ts";
import { copyStretch } from "../fs/stretch.ts";
import { cutPath } from "./names.ts";

/** Which bytes to keep, and where. */
export interface Stretch {
  /** The file that has them. */
  readonly file: FileHandle;
  /** The log's path, which the new file's name begins with. */
  readonly logPath: string;
  /** The first index of the file's segment. */
  readonly segment: number;
  /** Where the bytes begin, and after the last of them. */
  readonly from: number;
  readonly to: number;
  readonly permissions: number;
}

/**
 * Copies a stretch of a file into one of its own and makes that and its name durable.
 *
 * @returns The new file's path.
 */
export async function setAside(
  directory: LogDirectory,
  stretch: Stretch,
): Promise<string> {
  const { path, file } = create(directory, stretch);
  try {
    copyStretch(stretch.file, stretch.from, stretch.to, file, 0);
    await file.sync();
  } finally {
    file.close();
  }
  await directory.sync();
  return path;
}

/** Makes a file of a name that is not taken: the same place may have been cut before. */
function create(
  directory: LogDirectory,
  { logPath, segment, from, permissions }: Stretch,
): { path: string; file: FileHandle } {
  for (let copy = 1;; copy++) {
    const path = cutPath({ log: logPath, segment, offset: from, copy });
    try {
      return { path, file: directory.create(path, permissions) };
    } catch (error) {
      if (!isFileSystemError(error) || error.code !== "EEXIST") throw error;
    }
  }
}
