/**
 * The kernel's lock on an open file, flock(2), as the adapters of real files share it: how the C
 * library takes it, what its errors mean, and the guard of a file that is made of it.
 *
 * @module
 */
import { builtin } from "../builtins.ts";
import { LockedError } from "../../errors.ts";
import type { FileHandle, FileSystemErrorCode, Guard } from "../file_system.ts";
import { toFileSystemError } from "./system_call.ts";

/** Whether the kernel's lock is ours now, another's, or out of reach. */
export type LockOutcome = "taken" | "held" | "unavailable";

/** A way to take flock(2) on a descriptor, now or never. */
export type Flock = (descriptor: number, path: string) => LockOutcome | Promise<LockOutcome>;

/** The calls of the C library that take it. */
export interface FlockCalls {
  /** flock(2); not 0 if it failed. */
  flock(descriptor: number, operation: number): number;
  /** Of the call before. */
  errno(): number;
}

const { constants } = builtin<typeof import("node:os")>("node:os");

/** Where the C library may be, and its function that tells where errno is: glibc, musl, macOS. */
export const FLOCK_LIBRARIES: readonly (readonly [library: string, errnoLocation: string])[] = [
  ["libc.so.6", "__errno_location"],
  ["libc.so", "__errno_location"],
  ["libSystem.B.dylib", "__error"],
];

/** LOCK_EX | LOCK_NB of flock(2). */
const EXCLUSIVE_NOW = 2 | 4;

/** Takes flock(2) by the C library. */
export function flockBy({ flock, errno }: FlockCalls): Flock {
  return (descriptor, path) => {
    for (;;) {
      if (flock(descriptor, EXCLUSIVE_NOW) === 0) return "taken";
      const number = errno();
      const error = Object.assign(new Error(`flock(2) ended with errno ${number}`), {
        errno: number,
      });
      if (number !== constants.errno.EINTR) return outcomeOf(error, path);
    }
  };
}

/** The file system or the kernel has no such locks; `EBADF` is NFS, of a file that is only read. */
const NONE_HERE: ReadonlySet<FileSystemErrorCode> = new Set<FileSystemErrorCode>([
  "EBADF",
  "ENOLCK",
  "ENOSYS",
  "ENOTSUP",
]);

/**
 * What an error of flock(2) means.
 *
 * @throws {FileSystemError} If it is a failure, and tells nothing of the lock.
 */
export function outcomeOf(error: unknown, path: string): LockOutcome {
  const failure = toFileSystemError(error, "Lock", path);
  if (failure.code === "EAGAIN") return "held";
  if (NONE_HERE.has(failure.code)) return "unavailable";
  throw failure;
}

/** A guard made of the lock on an open file, which goes with it. */
export function guardOn(file: FileHandle, path: string, outcome: LockOutcome): Guard {
  if (outcome === "taken") return { release: (): void => file.close() };
  file.close();
  if (outcome === "unavailable") return { release: (): void => {} };
  throw new LockedError(
    path,
    { pid: undefined, host: undefined, runtime: undefined },
    `The log is open for writing elsewhere: another writer has locked its file "${path}". That ` +
      "writer may have opened it by another name, or its lock file was removed or replaced. Close " +
      "the log there first (on Linux, lsof or /proc/locks tell where), or open with " +
      "{ readOnly: true }.",
  );
}
