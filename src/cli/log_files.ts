/**
 * The files of a log, found by their names.
 *
 * @module
 */
import { type FileSystem, FileSystemError } from "../fs/file_system.ts";
import { directoryOf, nameOf } from "../fs/path.ts";
import { firstIndexOf, segmentPath } from "../segments.ts";

/** A segment's file, by its name. */
export interface SegmentFile {
  readonly path: string;
  /** The index of its first entry. */
  readonly firstIndex: number;
}

/**
 * The segments' files in order.
 *
 * @throws {FileSystemError} `ENOENT` if there is none.
 */
export function segmentFiles(fileSystem: FileSystem, path: string): SegmentFile[] {
  const name = nameOf(path);
  const files = fileSystem.list(directoryOf(path)).flatMap((file) => {
    const firstIndex = firstIndexOf(name, file);
    return firstIndex === undefined ? [] : [{ firstIndex, path: segmentPath(path, firstIndex) }];
  });
  if (files.length === 0) throw new FileSystemError("ENOENT", "Open", path);
  return files.sort((a, b) => a.firstIndex - b.firstIndex);
}

/** The path of a log's meta file. */
export function metaPath(path: string): string {
  return `${path}.meta`;
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
    if (error instanceof FileSystemError && error.code === "ENOENT") return undefined;
    throw error;
  }
}
