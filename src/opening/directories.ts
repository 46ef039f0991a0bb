/**
 * Makes the directory of a new log, durably.
 *
 * @module
 */
import { type FileSystem, isFileSystemError } from "../fs/file_system.ts";
import { directoryOf } from "../fs/path.ts";

/**
 * Makes a directory and its parents, each durable in its own parent. Those that are there are made
 * durable too: the process that made them may have died before it did so.
 */
export async function makeDirectories(
  fileSystem: FileSystem,
  path: string,
  mode: number,
): Promise<void> {
  if (fileSystem.identify(path) !== undefined) return await syncParentIfAllowed(fileSystem, path);
  const permissions = mode | ((mode & 0o444) >> 2);
  const parent = directoryOf(path);
  try {
    // A name that cannot be made durable is not made: the next open would take it for one that is.
    await fileSystem.syncDirectory(parent);
    await syncParentIfAllowed(fileSystem, parent);
  } catch (error) {
    if (!isFileSystemError(error) || error.code !== "ENOENT" || parent === path) throw error;
    await makeDirectories(fileSystem, parent, mode);
  }
  try {
    fileSystem.makeDirectory(path, permissions);
  } catch (error) {
    // Another process was faster.
    if (!isFileSystemError(error) || error.code !== "EEXIST") throw error;
  }
  await fileSystem.syncDirectory(parent);
}

/** Makes a directory's name durable, if this process has the right to. */
async function syncParentIfAllowed(fileSystem: FileSystem, directory: string): Promise<void> {
  const parent = directoryOf(directory);
  if (parent === directory) return;
  try {
    await fileSystem.syncDirectory(parent);
  } catch (error) {
    const isDenied = isFileSystemError(error) &&
      (error.code === "EACCES" || error.code === "EPERM");
    if (!isDenied) throw error;
  }
}
