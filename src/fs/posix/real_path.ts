/**
 * The one path of a file, whatever name leads to it, for the adapters of real files: absolute,
 * without links, and in the spelling that its directory has.
 *
 * @module
 */
import { builtin } from "../builtins.ts";
import {
  type FileSystem,
  FileSystemError,
  type FileSystemErrorCode,
  isFileSystemError,
} from "../file_system.ts";

const { basename, dirname, isAbsolute, join, sep } = builtin<typeof import("node:path")>(
  "node:path",
);

/** How many links lead from one to the next at the most: what Linux allows (path_resolution(7)). */
const MAX_LINKS = 40;

/** What a runtime tells about names. */
export interface Names extends Pick<FileSystem, "list" | "identify"> {
  /** The real path of what is there, as realpath(3) gives it. */
  resolve(path: string): string;
  /** Where a symbolic link leads. */
  readLink(path: string): string;
}

/** The real path of a file that is there, or of one that would be made there. */
export function realPathBy(names: Names, path: string): string {
  const found = unless(["ENOENT"], () => names.resolve(path));
  return found === undefined ? placeOf(names, path, MAX_LINKS) : spelled(names, found);
}

/** What a call tells about the file that a name leads to, if it leads to any. */
export function whatIsThere<T>(call: () => T): T | undefined {
  return unless(["ENOENT", "ENOTDIR", "ELOOP"], call);
}

/** What a call tells, but for some errors. */
function unless<T>(codes: readonly FileSystemErrorCode[], call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (isFileSystemError(error) && codes.includes(error.code)) return undefined;
    throw error;
  }
}

/** Where a file would be made: what exists of its path is resolved, and a link that leads nowhere. */
function placeOf(names: Names, path: string, links: number): string {
  const directory = dirname(path);
  if (directory === path) return path;
  // Such a name can be a directory's only.
  if (path.endsWith("/") || path.endsWith(sep)) throw new FileSystemError("EISDIR", "Find", path);
  const parent = unless(["ENOENT"], () => names.resolve(directory)) ??
    placeOf(names, directory, links);
  const place = join(parent, basename(path));
  const target = unless(["ENOENT", "EINVAL"], () => names.readLink(place));
  if (target === undefined) return place;
  if (links === 0) throw new FileSystemError("ELOOP", "Find", path);
  const next = isAbsolute(target) ? target : `${parent}${sep}${target}`;
  return unless(["ENOENT"], () => names.resolve(next)) ?? placeOf(names, next, links - 1);
}

/** A path with its last name as the directory has it, where another letter case leads there too. */
function spelled(names: Names, path: string): string {
  const directory = dirname(path);
  const name = basename(path);
  // A directory that may be passed through need not be one that may be listed.
  const others = unless(["EACCES", "EPERM"], () => names.list(directory)) ?? [name];
  if (name === "" || others.includes(name)) return path;
  const identity = names.identify(path);
  const leadsThere = (other: string): boolean =>
    names.identify(join(directory, other)) === identity;
  const alike = others.filter((other) => folded(other) === folded(name));
  return join(directory, alike.find(leadsThere) ?? others.find(leadsThere) ?? name);
}

function folded(name: string): string {
  return name.normalize("NFC").toLowerCase();
}
