/**
 * Makes a runtime's system calls: again when a signal interrupted one, and with what it throws
 * mapped to the one set of codes.
 *
 * @module
 */
import { FileSystemError, type FileSystemErrorCode, isFileSystemErrorCode } from "./file_system.ts";

/** Errors of Deno's own, which carry a name and no code. */
const BY_NAME: Readonly<Record<string, FileSystemErrorCode>> = {
  AlreadyExists: "EEXIST",
  BadResource: "EBADF",
  FilesystemLoop: "ELOOP",
  IsADirectory: "EISDIR",
  NotADirectory: "ENOTDIR",
  NotCapable: "EACCES",
  NotFound: "ENOENT",
  PermissionDenied: "EACCES",
};

/** Those to which Deno gives neither a name of its own nor a code: the system's words. */
const BY_MESSAGE: readonly (readonly [string, FileSystemErrorCode])[] = [
  ["File too large", "EFBIG"],
  ["Disk quota exceeded", "EDQUOT"],
  ["Disc quota exceeded", "EDQUOT"],
];

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
  if (!(error instanceof Error)) return false;
  return error.name === "Interrupted" || ("code" in error && error.code === "EINTR");
}

/** The runtime's error as a {@linkcode FileSystemError}. */
export function toFileSystemError(
  error: unknown,
  operation: string,
  path: string,
): FileSystemError {
  if (error instanceof FileSystemError) return error;
  return new FileSystemError(codeOf(error), operation, path, { cause: error });
}

function codeOf(error: unknown): FileSystemErrorCode {
  if (!(error instanceof Error)) return "EUNKNOWN";
  const code = "code" in error ? error.code : undefined;
  if (typeof code === "string" && isFileSystemErrorCode(code)) return code;
  const named = BY_NAME[error.name];
  if (named !== undefined) return named;
  const [, worded] = BY_MESSAGE.find(([words]) => error.message.startsWith(words)) ?? [];
  return worded ?? "EUNKNOWN";
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
  if (!(error instanceof FileSystemError) || error.code !== "EINVAL") throw error;
}
