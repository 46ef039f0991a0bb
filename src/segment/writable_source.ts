/**
 * A segment's file to write, through two descriptors: a sync that blocks has its own.
 *
 * @module
 */
import { MovedError } from "../errors.ts";
import type { FileHandle, FileSystem } from "../fs/file_system.ts";
import type { SegmentSource } from "./source.ts";

/** A segment's file that is written. */
export interface WritableSource extends SegmentSource {
  /** A second descriptor of the file, opened together with the first, for syncs that block. */
  readonly second: FileHandle;
}

/**
 * Opens a segment's file to write, with both of its descriptors.
 *
 * @throws {FileSystemError} If it cannot be opened.
 */
export function openTwice(
  fileSystem: FileSystem,
  path: string,
): { file: FileHandle; second: FileHandle } {
  const file = fileSystem.open(path, "write");
  try {
    return { file, second: openAgain(fileSystem, path, file) };
  } catch (error) {
    file.close();
    throw error;
  }
}

/**
 * Opens a segment's file once more.
 *
 * @throws {FileSystemError} If it cannot be opened.
 * @throws {MovedError} If the path leads to another file meanwhile.
 */
export function openAgain(fileSystem: FileSystem, path: string, file: FileHandle): FileHandle {
  const second = fileSystem.open(path, "write");
  try {
    if (second.identity() === file.identity()) return second;
    throw new MovedError(path, 0, "was replaced");
  } catch (error) {
    second.close();
    throw error;
  }
}
