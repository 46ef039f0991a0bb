/**
 * How Node reaches the kernel's lock, parts of which Bun uses too.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { constants, openSync } from "node:fs";
import { hostname } from "node:os";
import process from "node:process";
import { type File, isFileSystemError, memberOf } from "./file_system.ts";
import { type LockAttempt, type LockOwner, startInTicks } from "./lock_file.ts";
import { NodeFile, nodeFiles } from "./node_file.ts";
import { toFileSystemError } from "./system_call.ts";

/** open(2) flags that take the lock with the file, which `node:fs` passes on but does not name. */
const EXCLUSIVE_OPEN: Readonly<Partial<Record<NodeJS.Platform, number>>> = {
  darwin: 0x20 | constants.O_NONBLOCK, // O_EXLOCK, an flock(2) lock: open(2) of macOS
  freebsd: 0x20 | constants.O_NONBLOCK,
  win32: 0x10000000, // UV_FS_O_EXLOCK, no sharing: the documentation of libuv's uv_fs_open
};

/** Opens the lock file and tries the kernel's lock in the platform's way. */
export function tryLock(path: string, permissions: number): LockAttempt {
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
    return memberOf(error, "code") !== "ESRCH";
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
    if (failure.code !== "EAGAIN" && failure.code !== "EBUSY") throw failure;
    return { file: unreadable(path), outcome: "held" };
  }
}

/** Stands for the lock file of a holder that shares it with nobody. */
function unreadable(path: string): File {
  try {
    return nodeFiles.open(path, "read");
  } catch (error) {
    if (!isFileSystemError(error)) throw error;
    const refuse = (): never => {
      throw error;
    };
    return {
      read: refuse,
      write: refuse,
      size: refuse,
      identity: refuse,
      truncate: refuse,
      syncData: refuse,
      syncDataBlocking: refuse,
      sync: refuse,
      syncBlocking: refuse,
      close: (): void => {},
    };
  }
}
