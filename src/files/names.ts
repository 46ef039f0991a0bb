/**
 * The names of a log's files: what is added to the log's path, and what a name says.
 *
 * @module
 */
import { isFirstIndex, MAX_INDEX } from "../format/limits.ts";
import { isNameOfLock } from "../fs/lock_names.ts";

const META = ".meta";
const REDO = ".redo";
const LOCK = ".lock";
const CUT = ".cut-";

/** Digits of an index in a file's name, so that names sort as the indexes do. */
const INDEX_DIGITS = 20;

const MAX_UINT64 = 2n ** 64n - 1n;

/** The file with the first index and the application's state. */
export function metaPath(path: string): string {
  return path + META;
}

/** The log's path that a meta file's path begins with; `undefined` if it is none of a meta file. */
export function logOfMeta(path: string): string | undefined {
  return path.endsWith(META) ? path.slice(0, -META.length) : undefined;
}

/** The file with a tail that is being replaced. */
export function redoPath(path: string): string {
  return path + REDO;
}

/** The file with the writer's lock. */
export function lockPath(path: string): string {
  return path + LOCK;
}

/** The file of the segment that begins with an index. */
export function segmentPath(path: string, firstIndex: number): string {
  return firstIndex === 1 ? path : `${path}.${digitsOf(firstIndex)}`;
}

/** The first index that a file's name tells, for the log's file named `name`; undefined if none. */
export function firstIndexOf(name: string, file: string): number | undefined {
  if (file === name) return 1;
  const index = numberOf(name, file);
  return index !== undefined && index > 1 && isFirstIndex(Number(index))
    ? Number(index)
    : undefined;
}

/** Whether a file has the name of a segment that begins where no index is. */
export function isBeyondEnd(name: string, file: string): boolean {
  const index = numberOf(name, file);
  return index !== undefined && index > MAX_INDEX && !isFirstIndex(Number(index));
}

/** The u64 that a file's name ends in as a segment's does; undefined if it does not. */
function numberOf(name: string, file: string): bigint | undefined {
  const digits = file.slice(name.length + 1);
  if (!file.startsWith(`${name}.`) || !/^\d{20}$/.test(digits)) return undefined;
  const index = BigInt(digits);
  return index <= MAX_UINT64 ? index : undefined;
}

/** Whether a name is one of a file that only a log in use has: not its first segment, nor its lock. */
export function isPartBeside(name: string, file: string): boolean {
  return file === metaPath(name) || file === redoPath(name) || (firstIndexOf(name, file) ?? 1) > 1;
}

/** Bytes that were set aside, by the name of the file that keeps them. */
export interface CutName {
  /** The log's path. */
  readonly log: string;
  /** The first index of the segment that had them. */
  readonly segment: number;
  /** Where in it they began, in bytes. */
  readonly offset: number;
  /** Counts those of one place, from 1. */
  readonly copy: number;
}

/** The file for bytes that are set aside. */
export function cutPath({ log, segment, offset, copy }: CutName): string {
  const base = `${log}${CUT}${digitsOf(segment)}-${offset}`;
  return copy === 1 ? base : `${base}-${copy}`;
}

/** What a path says of bytes that were set aside; undefined if it says nothing. */
export function readCutPath(path: string): CutName | undefined {
  const match = /^(.*)\.cut-(\d{20})-(\d+)(?:-(\d+))?$/s.exec(path);
  if (match === null) return undefined;
  const [, log = "", segment, offset, copy = "1"] = match;
  const name = { log, segment: Number(segment), offset: Number(offset), copy: Number(copy) };
  const isValid = [name.segment, name.offset, name.copy].every(Number.isSafeInteger);
  return isValid && name.segment > 0 ? name : undefined;
}

/** Whether a name is one that a log, or what is kept beside it, has or may get. */
export function isNameOfLog(log: string, name: string): boolean {
  if (name === log || isNameOfLock(lockPath(log), name)) return true;
  if (!name.startsWith(`${log}.`)) return false;
  const rest = name.slice(log.length + 1);
  return /^(\d{20}|meta|redo|cut-\d{20}-\d+(-\d+)?)$/.test(rest);
}

/** The longest that a log adds to its name: the 999th copy of bytes that were set aside. */
export const LONGEST_ENDING: string = cutPath({
  log: "",
  segment: Number.MAX_SAFE_INTEGER,
  offset: Number.MAX_SAFE_INTEGER,
  copy: 999,
});

function digitsOf(index: number): string {
  return String(index).padStart(INDEX_DIGITS, "0");
}
