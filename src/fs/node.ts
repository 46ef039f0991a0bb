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
import { spawnSync } from "node:child_process";
import { constants, openSync } from "node:fs";
import { hostname } from "node:os";
import process from "node:process";
import {
  type File,
  type FileSystem,
  FileSystemError,
  type Lock,
  type OpenMode,
} from "./file_system.ts";
import { type LockAttempt, type LockOwner, startInTicks, takeLock } from "./lock_file.ts";
import { NodeFile, nodeFiles } from "./node_file.ts";
import { toFileSystemError } from "./system_call.ts";

/** open(2) flags that take the lock with the file, which `node:fs` passes on but does not name. */
const EXCLUSIVE_OPEN: Readonly<Partial<Record<NodeJS.Platform, number>>> = {
  darwin: 0x20 | constants.O_NONBLOCK, // O_EXLOCK, an flock(2) lock: open(2) of macOS
  freebsd: 0x20 | constants.O_NONBLOCK,
  win32: 0x10000000, // UV_FS_O_EXLOCK, no sharing: the documentation of libuv's uv_fs_open
};

/**
 * The file system of Node, by `node:fs`.
 *
 * Node has no flock(2); on Linux a run of the `flock` program takes it on our descriptor, where it
 * stays when the program has ended. Without that program the lock is a checked record of the
 * process (`stats().lock` is `"record"`).
 */
export class NodeFileSystem implements FileSystem {
  /** Opens a file. */
  open(path: string, mode: OpenMode, permissions?: number): File {
    return nodeFiles.open(path, mode, permissions);
  }

  /** The names in a directory. */
  list(directory: string): string[] {
    return nodeFiles.list(directory);
  }

  /** Removes a file. */
  remove(path: string): void {
    nodeFiles.remove(path);
  }

  /** Makes one directory. */
  makeDirectory(path: string, permissions: number): void {
    nodeFiles.makeDirectory(path, permissions);
  }

  /** Makes the names in a directory durable. */
  syncDirectory(path: string): Promise<void> {
    return nodeFiles.syncDirectory(path);
  }

  /** Takes the lock, or throws `LockedError`. */
  async lock(path: string, permissions: number): Promise<Lock> {
    return await takeLock(this, path, lockOwner("node"), () => tryLock(path, permissions));
  }
}

function tryLock(path: string, permissions: number): LockAttempt {
  const exclusive = EXCLUSIVE_OPEN[process.platform];
  if (exclusive !== undefined) return tryExclusiveOpen(path, permissions, exclusive);
  const file = nodeFiles.openLockFile(path, permissions);
  return { file, outcome: flockByProgram(file.descriptor) };
}

/**
 * Takes flock(2) on a descriptor by the `flock` program of util-linux or busybox: the lock belongs
 * to the open file, which the program inherits, so it outlives the program.
 */
export function flockByProgram(descriptor: number): LockAttempt["outcome"] {
  const { status } = spawnSync("flock", ["-xn", "3"], {
    stdio: ["ignore", "ignore", "ignore", descriptor],
  });
  if (status === 0) return "taken";
  return status === 1 ? "held" : "unavailable";
}

/** This process, as an owner of locks. */
export function lockOwner(runtime: "bun" | "node"): LockOwner {
  return { pid: process.pid, host: hostname(), runtime, isAlive, startOf: startInTicks };
}

/** Whether a process of this host runs: signal 0 asks without harm (kill(2)). */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
}

function tryExclusiveOpen(path: string, permissions: number, exclusive: number): LockAttempt {
  const flags = constants.O_RDWR | constants.O_CREAT;
  try {
    return {
      file: new NodeFile(path, openSync(path, flags | exclusive, permissions)),
      outcome: "taken",
    };
  } catch (error) {
    const failure = toFileSystemError(error, "Open", path);
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code !== "EAGAIN" && failure.code !== "EBUSY") throw failure;
    return { file: unreadable(path), outcome: "held" };
  }
}

/** Stands for the lock file of a holder that shares it with nobody. */
function unreadable(path: string): File {
  try {
    return nodeFiles.open(path, "read");
  } catch (error) {
    if (!(error instanceof FileSystemError)) throw error;
    const refuse = (): never => {
      throw error;
    };
    return {
      read: refuse,
      write: refuse,
      size: refuse,
      truncate: refuse,
      syncData: refuse,
      sync: refuse,
      syncBlocking: refuse,
      close: (): void => {},
    };
  }
}
