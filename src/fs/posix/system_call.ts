/**
 * Makes a runtime's system calls: again when a signal interrupted one, and with what it throws
 * mapped to the one set of codes.
 *
 * @module
 */
import {
  FileSystemError,
  type FileSystemErrorCode,
  isFileSystemError,
  memberOf,
} from "../file_system.ts";

/** Names of the runtimes' own, and other names of POSIX. */
const BY_NAME: Readonly<Record<string, FileSystemErrorCode>> = {
  AlreadyExists: "EEXIST",
  BadResource: "EBADF",
  EINTEGRITY: "EUCLEAN",
  EOPNOTSUPP: "ENOTSUP",
  ERR_ACCESS_DENIED: "EACCES", // Node's permission model
  EWOULDBLOCK: "EAGAIN",
  FilesystemLoop: "ELOOP",
  IsADirectory: "EISDIR",
  NotADirectory: "ENOTDIR",
  NotCapable: "EACCES",
  NotFound: "ENOENT",
  PermissionDenied: "EACCES",
};

/** The system's numbers, the same on every system. */
const BY_NUMBER: Readonly<Record<number, FileSystemErrorCode>> = {
  1: "EPERM",
  2: "ENOENT",
  5: "EIO",
  6: "ENXIO",
  9: "EBADF",
  12: "ENOMEM",
  13: "EACCES",
  16: "EBUSY",
  17: "EEXIST",
  19: "ENODEV",
  20: "ENOTDIR",
  21: "EISDIR",
  22: "EINVAL",
  23: "ENFILE",
  24: "EMFILE",
  26: "ETXTBSY",
  27: "EFBIG",
  28: "ENOSPC",
  30: "EROFS",
};

/** Those of Linux: asm-generic/errno.h. */
const LINUX: Readonly<Record<number, FileSystemErrorCode>> = {
  11: "EAGAIN",
  36: "ENAMETOOLONG",
  37: "ENOLCK",
  38: "ENOSYS",
  39: "ENOTEMPTY",
  40: "ELOOP",
  75: "EOVERFLOW",
  95: "ENOTSUP",
  107: "ENOTCONN",
  110: "ETIMEDOUT",
  112: "EHOSTDOWN",
  116: "ESTALE",
  117: "EUCLEAN",
  122: "EDQUOT",
  126: "ENOKEY",
};

/** Those of macOS and FreeBSD: sys/errno.h. */
const BSD: Readonly<Record<number, FileSystemErrorCode>> = {
  35: "EAGAIN",
  45: "ENOTSUP",
  57: "ENOTCONN",
  60: "ETIMEDOUT",
  62: "ELOOP",
  63: "ENAMETOOLONG",
  64: "EHOSTDOWN",
  66: "ENOTEMPTY",
  69: "EDQUOT",
  70: "ESTALE",
  77: "ENOLCK",
  78: "ENOSYS",
  84: "EOVERFLOW",
};

/** The further numbers of each platform; Windows has none of its own. */
const BY_PLATFORM: Readonly<Record<string, Readonly<Record<number, FileSystemErrorCode>>>> = {
  android: LINUX,
  darwin: { ...BSD, 102: "ENOTSUP" },
  freebsd: { ...BSD, 97: "EUCLEAN" },
  linux: LINUX,
};

/** Node, Bun and Deno have it. */
const PLATFORM = (globalThis as { process?: { platform?: string } }).process?.platform ?? "";

/** Makes a call that returns at once. */
export function attempt<T>(operation: string, path: string, call: () => T): T {
  for (;;) {
    try {
      return call();
    } catch (error) {
      if (!isInterrupted(error)) throw toFileSystemError(error, operation, path);
    }
  }
}

/** Makes a call that waits for the disk. */
export async function attemptAsync<T>(
  operation: string,
  path: string,
  call: () => Promise<T>,
): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!isInterrupted(error)) throw toFileSystemError(error, operation, path);
    }
  }
}

/** Whether a call was interrupted by a signal and is to be made again. */
export function isInterrupted(error: unknown): boolean {
  return memberOf(error, "name") === "Interrupted" || memberOf(error, "code") === "EINTR";
}

/** The runtime's error as a {@linkcode FileSystemError}. */
export function toFileSystemError(
  error: unknown,
  operation: string,
  path: string,
): FileSystemError {
  if (error instanceof FileSystemError) return error;
  return new FileSystemError(codeOf(error, PLATFORM), operation, path, { cause: error });
}

/**
 * The code of what a runtime threw: by its own code or name, or else by the system's number. Node has
 * no name for some numbers, and Deno tells most of them in its message only.
 */
export function codeOf(error: unknown, platform: string): FileSystemErrorCode {
  if (isFileSystemError(error)) return error.code;
  for (const name of [memberOf(error, "code"), memberOf(error, "name")]) {
    if (typeof name === "string" && Object.hasOwn(BY_NAME, name)) {
      return BY_NAME[name] ?? "EUNKNOWN";
    }
  }
  const number = numberOf(error);
  const others = BY_PLATFORM[platform];
  // Windows counts its own errors, and Node those of C.
  if (number === undefined || others === undefined) return "EUNKNOWN";
  return BY_NUMBER[number] ?? others[number] ?? "EUNKNOWN";
}

/** The system's number for an error. Node and Bun have it negative. */
function numberOf(error: unknown): number | undefined {
  const number = memberOf(error, "errno");
  if (typeof number === "number") return Math.abs(number);
  const told = /^[^('"]*\(os error (\d+)\)/.exec(String(memberOf(error, "message")))?.[1];
  return told === undefined ? undefined : Number(told);
}

/** Refuses a write that took nothing, which would otherwise be made again for ever. */
export function requireProgress(written: number, path: string): number {
  if (written > 0) return written;
  throw new FileSystemError("EIO", "Write", path);
}

/**
 * Lets a sync of a directory pass on a file system that has none: docs/durability.md says what that
 * loses.
 */
export function tolerateUnsupported(error: unknown): void {
  if (!isFileSystemError(error) || error.code !== "EINVAL") throw error;
}
