/**
 * What an open log's files are mapped for, as `stats().memoryMap` tells it.
 *
 * @module
 */
import { reasonOf } from "../errors.ts";
import {
  type FileHandle,
  type FileSystem,
  isFileSystemError,
  type MapAccess,
} from "../fs/file_system.ts";
import { mapFile } from "../fs/mapped_file.ts";
import type { ResolvedOptions } from "../options.ts";

/** Why a handle that only reads maps nothing. */
const IN_A_READER = "not available: the writer may cut a file that a reader has mapped";

/**
 * What the files of a log are mapped for: what the option asks for, or why not. Where it asks for
 * nothing, nothing is tried.
 *
 * @param path A file of the log's.
 */
export function memoryMapOf(
  fileSystem: FileSystem,
  path: string,
  { memoryMap, readOnly, preallocate, format }: ResolvedOptions,
): string {
  if (memoryMap === "off") return memoryMap;
  if (readOnly) return IN_A_READER;
  const refused = refusalOf(fileSystem, path, "read");
  if (refused !== undefined) return `not available: ${refused}`;
  if (memoryMap === "reads") return memoryMap;
  const refusedOn = preallocate === 0
    ? "preallocate is 0"
    : format === 1
    ? "format 1 has no space ahead"
    : refusalOf(fileSystem, path, "write");
  return refusedOn === undefined ? memoryMap : `reads; on is not available: ${refusedOn}`;
}

/** Why a file cannot be mapped; undefined if it can. */
function refusalOf(fileSystem: FileSystem, path: string, access: MapAccess): string | undefined {
  let file: FileHandle | undefined;
  try {
    file = fileSystem.open(path, access);
    const mapping = mapFile(file, 0, 1, access);
    if (typeof mapping === "string") return mapping;
    mapping.unmap();
    return undefined;
  } catch (error) {
    if (!isFileSystemError(error)) throw error;
    return reasonOf(error);
  } finally {
    file?.close();
  }
}
