/**
 * Where a log lies: from the path that it is opened with, the one path that all its names are taken
 * from. Links and the current directory may change later, and a second name of the log leads to the
 * same files and the same lock.
 *
 * @module
 */
import { WalError } from "../errors.ts";
import { type FileSystem, isFileSystemError } from "../fs/file_system.ts";
import { directoryOf, nameOf, pathIn } from "../fs/path.ts";
import { isPartBeside, logOfMeta, metaPath } from "./names.ts";

/**
 * The absolute real path of a log's first file, or of the one to be made.
 *
 * @throws {WalError} `ERR_WAL_FORMAT` if files of the log lie beside a link to its first file.
 */
export function logPathOf(fileSystem: FileSystem, path: string): string {
  const real = spelled(fileSystem, fileSystem.realPath(path));
  requireNothingBeside(fileSystem, path, real);
  return real;
}

/** The path in the directory's spelling, which a log tells by its meta file once the first is gone. */
function spelled(fileSystem: FileSystem, path: string): string {
  if (fileSystem.identify(path) !== undefined) return path;
  const meta = fileSystem.realPath(metaPath(path));
  return directoryOf(meta) === directoryOf(path) ? logOfMeta(meta) ?? path : path;
}

/**
 * Refuses a link with other files of a log beside it, as when the first file was moved and a link
 * left in its place: without the others the log would continue at a wrong index.
 */
function requireNothingBeside(fileSystem: FileSystem, path: string, real: string): void {
  const directory = fileSystem.realPath(directoryOf(path));
  const name = nameOf(path);
  // The same directory may spell the name in another way.
  if (directory === directoryOf(real) && name.toLowerCase() === nameOf(real).toLowerCase()) return;
  const part = namesIn(fileSystem, directory).find((file) => isPartBeside(name, file));
  if (part === undefined) return;
  throw new WalError(
    "ERR_WAL_FORMAT",
    `"${path}" is a link to "${real}", and "${pathIn(directory, part)}" lies beside the link. ` +
      "Nothing was changed. If it is a part of the log, move all files of the log there, beside the " +
      "file that the link leads to, under that file's name; if not, move it away.",
  );
}

/** The names in a directory; none if there is no such directory. */
function namesIn(fileSystem: FileSystem, directory: string): string[] {
  try {
    return fileSystem.list(directory);
  } catch (error) {
    if (isFileSystemError(error) && error.code === "ENOENT") return [];
    throw error;
  }
}
