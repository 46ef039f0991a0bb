/**
 * The files in which recovery and repair set bytes aside, found by their names.
 *
 * @module
 */
import { type CutName, readCutPath } from "../files/names.ts";
import type { FileSystem } from "../fs/file_system.ts";
import { directoryOf, nameOf } from "../fs/path.ts";

/** A file of bytes that were set aside. */
export interface SetAsideFile extends Omit<CutName, "log"> {
  readonly path: string;
}

/** What a path says of bytes that were set aside, and of which log; undefined if it says nothing. */
export function setAsideFile(path: string): (SetAsideFile & CutName) | undefined {
  const name = readCutPath(path);
  return name === undefined || nameOf(name.log) === "" ? undefined : { path, ...name };
}

/** The files of a log that have bytes that were set aside, in the order of their places. */
export function setAsideFiles(fileSystem: FileSystem, log: string): SetAsideFile[] {
  const name = nameOf(log);
  return fileSystem.list(directoryOf(log))
    .filter((file) => file.startsWith(name))
    .map((file) => setAsideFile(`${log}${file.slice(name.length)}`))
    .filter((file) => file !== undefined && file.log === log)
    .map((file) => file as SetAsideFile)
    .sort((a, b) => a.segment - b.segment || a.offset - b.offset || a.copy - b.copy);
}
