/**
 * The files in which recovery and repair set bytes aside, found by their names.
 *
 * @module
 */
import type { FileSystem } from "../fs/file_system.ts";
import { directoryOf, nameOf } from "../fs/path.ts";

/** A file of bytes that were set aside. */
export interface SetAsideFile {
  readonly path: string;
  /** The first index of the segment that had them. */
  readonly segment: number;
  /** Where in it they began, in bytes. */
  readonly offset: number;
  /** Counts those of one place, from 1. */
  readonly copy: number;
}

/** What a path says of bytes that were set aside, and of which log; undefined if it says nothing. */
export function setAsideFile(path: string): (SetAsideFile & { log: string }) | undefined {
  const match = /^(.*)\.cut-(\d{20})-(\d+)(?:-(\d+))?$/s.exec(path);
  if (match === null) return undefined;
  const [, log = "", segment, offset, copy = "1"] = match;
  const file = { path, log, segment: Number(segment), offset: Number(offset), copy: Number(copy) };
  const isValid = [file.segment, file.offset, file.copy].every(Number.isSafeInteger);
  return isValid && file.segment > 0 && nameOf(log) !== "" ? file : undefined;
}

/** The files of a log that have bytes that were set aside, in the order of their places. */
export function setAsideFiles(fileSystem: FileSystem, log: string): SetAsideFile[] {
  const name = nameOf(log);
  return fileSystem.list(directoryOf(log))
    .filter((file) => file.startsWith(`${name}.cut-`))
    .map((file) => setAsideFile(`${log}${file.slice(name.length)}`))
    .filter((file) => file !== undefined && file.log === log)
    .map((file) => file as SetAsideFile)
    .sort((a, b) => a.segment - b.segment || a.offset - b.offset || a.copy - b.copy);
}

/** Whether a name is one that a log, or what is kept beside it, has or may get. */
export function isNameOfLog(log: string, name: string): boolean {
  if (name === log) return true;
  if (!name.startsWith(`${log}.`)) return false;
  const rest = name.slice(log.length + 1);
  return /^(\d{20}|meta|redo|lock|lock\.claim|cut-\d{20}-\d+(-\d+)?)$/.test(rest);
}
