/**
 * Whether a log's name leaves room for the names of all its files: a log that could not roll, or not
 * set bytes aside, is refused before it takes an entry.
 *
 * What a name may have is asked of the file system, which knows: it differs from one to the next, and
 * so does the length of a path.
 *
 * @module
 */
import { WalError } from "../errors.ts";
import { type FileSystem, isFileSystemError } from "../fs/file_system.ts";
import { directoryOf, nameOf, pathIn } from "../fs/path.ts";
import { LONGEST_ENDING } from "./names.ts";

/**
 * Refuses a path beside which not all files of a log can be made.
 *
 * @throws {WalError} `ERR_WAL_INVALID_ARGUMENT`.
 */
export function requireRoom(fileSystem: FileSystem, path: string): void {
  const directory = directoryOf(path);
  const name = nameOf(path);
  if (hasRoom(fileSystem, directory, name)) return;
  // The longest that would do, by bisection.
  let most = 0;
  for (let tooMany = sizeOf(name); tooMany - most > 1;) {
    const size = most + Math.floor((tooMany - most) / 2);
    if (hasRoom(fileSystem, directory, "x".repeat(size))) most = size;
    else tooMany = size;
  }
  throw new WalError(
    "ERR_WAL_INVALID_ARGUMENT",
    `The name of the log "${path}" has ${sizeOf(name)} bytes. The log's other files have up to ` +
      `${LONGEST_ENDING.length} bytes more, and ` +
      (most === 0
        ? "in this directory, whose own path is that long, the system has no room for them. Choose " +
          "another directory."
        : `the system has room for them where the name has at most ${most} bytes in this ` +
          "directory. Choose a shorter name.") +
      " Nothing was made. To keep a log that is there already, rename it, with all files whose names " +
      "begin with its own; or only read it, with { readOnly: true }.",
  );
}

/** Whether the file system takes the longest name. */
function hasRoom(fileSystem: FileSystem, directory: string, name: string): boolean {
  try {
    fileSystem.identify(pathIn(directory, name + LONGEST_ENDING));
  } catch (error) {
    if (!isFileSystemError(error)) throw error;
    // Whatever else is wrong, the call that opens a file reports it.
    return error.code !== "ENAMETOOLONG";
  }
  return true;
}

function sizeOf(name: string): number {
  return new TextEncoder().encode(name).length;
}
