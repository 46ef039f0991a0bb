/**
 * Files on Bun.
 *
 * @example
 * ```ts ignore
 * import { Wal } from "@durable/wal";
 * import { BunFileSystem } from "@durable/wal/bun";
 *
 * const log = await Wal.open("data/server.wal", { fileSystem: new BunFileSystem() });
 * await log.close();
 * ```
 *
 * @module
 */
import type { Directory, File, FileSystem, Lock, OpenMode } from "./file_system.ts";
import { type LockAttempt, takeLock } from "./lock_file.ts";
import { nodeFiles } from "./node_file.ts";
import { flockByProgram, lockOwner } from "./node_lock.ts";

export type { Directory, File, FileSystem, Lock, OpenMode } from "./file_system.ts";

/** The part of `bun:ffi` that is used. */
interface ForeignFunctions {
  dlopen(
    library: string,
    symbols: { flock: { args: ["i32", "i32"]; returns: "i32" } },
  ): { symbols: { flock(descriptor: number, operation: number): number } };
}

/** Where the C library may be: glibc, musl, macOS. */
const LIBRARIES = ["libc.so.6", "libc.so", "libSystem.B.dylib"];

/** LOCK_EX | LOCK_NB of flock(2). */
const EXCLUSIVE_NOW = 2 | 4;

/** The file system of Bun: `node:fs` for the files, flock(2) by `bun:ffi` for the lock. */
export class BunFileSystem implements FileSystem {
  /** Opens a file. */
  open(path: string, mode: OpenMode, permissions?: number): File {
    return nodeFiles.open(path, mode, permissions);
  }

  /** The names in a directory. */
  list(directory: string): string[] {
    return nodeFiles.list(directory);
  }

  /** Which file or directory a name leads to. */
  identify(path: string): string | undefined {
    return nodeFiles.identify(path);
  }

  /** The one path of a file or directory. */
  realPath(path: string): string {
    return nodeFiles.realPath(path);
  }

  /** Removes a file. */
  remove(path: string): void {
    nodeFiles.remove(path);
  }

  /** Makes one directory. */
  makeDirectory(path: string, permissions: number): void {
    nodeFiles.makeDirectory(path, permissions);
  }

  /** Opens a directory to be synced. */
  openDirectory(path: string): Directory {
    return nodeFiles.openDirectory(path);
  }

  /** Makes the names in a directory durable. */
  syncDirectory(path: string): Promise<void> {
    return nodeFiles.syncDirectory(path);
  }

  /** The same while the caller waits. */
  syncDirectoryBlocking(path: string): void {
    nodeFiles.syncDirectoryBlocking(path);
  }

  /** Tells of changes in a directory. */
  watch(directory: string, onChange: (name?: string) => void): (() => void) | undefined {
    return nodeFiles.watch(directory, onChange);
  }

  /** Takes the lock, or throws `LockedError`. */
  async lock(path: string, permissions: number): Promise<Lock> {
    const flock = await findFlock();
    const attempt = (): LockAttempt => {
      const file = nodeFiles.openLockFile(path, permissions);
      if (flock === undefined) return { file, outcome: flockByProgram(file.descriptor) };
      return { file, outcome: flock(file.descriptor, EXCLUSIVE_NOW) === 0 ? "taken" : "held" };
    };
    return takeLock(this, path, lockOwner("bun"), attempt);
  }
}

async function findFlock(): Promise<
  ((descriptor: number, operation: number) => number) | undefined
> {
  // A literal specifier would be resolved, and refused, by tools of the other runtimes.
  const name = "bun:ffi";
  const { dlopen } = await import(name) as ForeignFunctions;
  for (const library of LIBRARIES) {
    try {
      return dlopen(library, { flock: { args: ["i32", "i32"], returns: "i32" } }).symbols.flock;
    } catch {
      // Not under this name: the next one, and without any the flock program.
    }
  }
  return undefined;
}
