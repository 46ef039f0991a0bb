/**
 * Files on Node.
 *
 * @example
 * ```ts ignore
 * import { Wal } from "@durable/wal";
 * import { NodeFileSystem } from "@durable/wal/node";
 *
 * const log = await Wal.open("data/server.wal", { fileSystem: new NodeFileSystem() });
 * await log.close();
 * ```
 *
 * @module
 */
import { builtin } from "../builtins.ts";
import type {
  Directory,
  FileHandle,
  FileSystem,
  Guard,
  OpenMode,
  WriterLock,
} from "../file_system.ts";
import { memberOf } from "../file_system.ts";
import type { Flock } from "../posix/flock.ts";
import { takeLock } from "../posix/lock_file.ts";
import { MemoryMapper } from "../posix/memory_map.ts";
import { findFlockQuietly, findMemoryCalls } from "../posix/node_ffi.ts";
import { nodeFiles } from "../posix/node_file.ts";
import { flockByProgram, guardOnNode, lockOwner, tryLockOnNode } from "../posix/node_lock.ts";
import { toFileSystemError } from "../posix/system_call.ts";

export type {
  Directory,
  FileHandle,
  FileMapping,
  FileSystem,
  Guard,
  MapAccess,
  OpenMode,
  WriterLock,
} from "../file_system.ts";

const { fsyncSync } = builtin<typeof import("node:fs")>("node:fs");

/**
 * The file system of Node, by `node:fs`.
 *
 * Node has no flock(2); on Linux a run of the `flock` program takes it on our descriptor, where it
 * stays when the program has ended. Without that program the lock is a checked record of the
 * process (`stats().lock` is `"record"`). Where `node:ffi` can be loaded without a warning, flock(2)
 * is called by it, and no program runs.
 */
export class NodeFileSystem implements FileSystem {
  /** Takes flock(2) without a program, once there was a way to it. */
  #flock: Flock | undefined;
  readonly #mapper = new MemoryMapper(findMemoryCalls);

  /** Opens a file. */
  open(path: string, mode: OpenMode, permissions?: number): FileHandle {
    return nodeFiles.open(path, mode, permissions, this.#mapper);
  }

  /** The names in a directory. */
  list(directory: string): string[] {
    return nodeFiles.list(directory);
  }

  /** Which file or directory a name leads to. */
  identify(path: string): string | undefined {
    return nodeFiles.identify(path);
  }

  /** When a file was last written or cut. */
  modified(path: string): number {
    return nodeFiles.modified(path);
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

  /** Reports changes in a directory. */
  watch(directory: string, onChange: (name?: string) => void): (() => void) | undefined {
    return nodeFiles.watch(directory, onChange);
  }

  /** Takes the lock, or throws `LockedError`. */
  async lock(path: string, permissions: number): Promise<WriterLock> {
    requireSyncs(path);
    const flock = this.#findFlock();
    return await takeLock(
      this,
      path,
      lockOwner("node"),
      () => tryLockOnNode(flock, path, permissions),
    );
  }

  /** Takes the kernel's lock on a file, or throws `LockedError`. */
  guard(path: string): Guard | Promise<Guard> {
    return guardOnNode(this.#findFlock(), path);
  }

  #findFlock(): Flock {
    this.#flock ??= findFlockQuietly();
    return this.#flock ?? flockByProgram;
  }
}

/**
 * Refuses to begin what could never be made durable: Node's permission model refuses fsync,
 * whatever it grants. It does so before it looks at the descriptor, which here is one that no file
 * has.
 */
function requireSyncs(path: string): void {
  try {
    fsyncSync(2 ** 31 - 1);
  } catch (error) {
    if (memberOf(error, "code") === "ERR_ACCESS_DENIED") {
      throw toFileSystemError(error, "Fsync", path);
    }
  }
}
