/**
 * The files of a log, found by their names.
 *
 * @module
 */
import type { SegmentFile } from "../files/beginning.ts";
import { segmentFilesOf } from "../files/chain.ts";
import type { FrameChecksum } from "../format/checksum.ts";
import { type FileSystem, FileSystemError, isFileSystemError } from "../fs/file_system.ts";
import { directoryOf } from "../fs/path.ts";
import { LogDirectory } from "../fs/log_directory.ts";
import { RedoFile } from "../files/redo.ts";

/**
 * The segments' files in order.
 *
 * @throws {FileSystemError} `ENOENT` if there is none.
 */
export function segmentFiles(fileSystem: FileSystem, path: string): SegmentFile[] {
  const files = segmentFilesOf(fileSystem, path);
  if (files.length === 0) throw new FileSystemError("ENOENT", "Open", path);
  return files;
}

/** A log's redo file, to be read. */
export function redoFile(fileSystem: FileSystem, path: string, checksum: FrameChecksum): RedoFile {
  const directory = new LogDirectory(fileSystem, directoryOf(path));
  return new RedoFile(fileSystem, directory, path, 0, checksum);
}

/** Reads the start of a file, at most `size` bytes; `undefined` if there is no such file. */
export function readStart(
  fileSystem: FileSystem,
  path: string,
  size: number,
): Uint8Array | undefined {
  try {
    const file = fileSystem.open(path, "read");
    try {
      const bytes = new Uint8Array(Math.min(size, file.size()));
      return bytes.subarray(0, file.read(bytes, 0));
    } finally {
      file.close();
    }
  } catch (error) {
    if (isFileSystemError(error) && error.code === "ENOENT") return undefined;
    throw error;
  }
}
