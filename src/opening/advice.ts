/**
 * The log's own errors for calls that failed while a log was opened, with what to do next.
 *
 * @module
 */
import { reasonOf, WalError, type WalErrorCode } from "../errors.ts";
import { isNameOfLog } from "../files/names.ts";
import { type FileSystemError, type FileSystemErrorCode, memberOf } from "../fs/file_system.ts";
import { nameOf } from "../fs/path.ts";

/** The log's error for a failed call, with what to do next. */
export function describe(error: FileSystemError, path: string): WalError {
  const isNodes = memberOf(error.cause, "code") === "ERR_ACCESS_DENIED";
  const isBeside = error.path !== path && isNameOfLog(nameOf(path), nameOf(error.path));
  const [code, advice]: [WalErrorCode, string] = isNodes
    ? NO_SYNC
    : isBeside && NO_FILES.has(error.code)
    ? NOT_OURS
    : ADVICE[error.code] ?? ["ERR_WAL_IO", "Mend the cause and open the log again."];
  return new WalError(code, `Cannot open the log "${path}": ${reasonOf(error)}. ${advice}`, {
    cause: error,
  });
}

const NO_PERMISSION: [WalErrorCode, string] = [
  "ERR_WAL_PERMISSION",
  "Allow this process to read and write the file and its directory, and to read the directory above " +
  "one that is to be made (on Deno, by --allow-read and --allow-write too), or open it with " +
  "{ readOnly: true }.",
];

const NO_SYNC: [WalErrorCode, string] = [
  "ERR_WAL_PERMISSION",
  "Node's permission model (--permission) refuses fsync, whatever is granted, so nothing could be " +
  "made durable: run Node without it to write. To read, open with { readOnly: true } and grant " +
  "--allow-fs-read for the log's directory.",
];

const NO_FILE: [WalErrorCode, string] = [
  "ERR_WAL_NOT_A_FILE",
  "Give the path of a file, or of one to be made.",
];

/** What a name of the log's own leads to if these come of it is no file. */
const NO_FILES: ReadonlySet<FileSystemErrorCode> = new Set<FileSystemErrorCode>([
  "EISDIR",
  "ENOTDIR",
  "EEXIST",
  "EINVAL",
  "ELOOP",
]);

const NOT_OURS: [WalErrorCode, string] = [
  "ERR_WAL_FORMAT",
  "That name is for a file of the log, and it is none. It was not changed: move it away, and open " +
  "the log again.",
];

const ADVICE: Readonly<Partial<Record<FileSystemErrorCode, [WalErrorCode, string]>>> = {
  EACCES: NO_PERMISSION,
  EPERM: NO_PERMISSION,
  EROFS: NO_PERMISSION,
  EISDIR: NO_FILE,
  ENOTDIR: NO_FILE,
  EEXIST: NO_FILE,
  EINVAL: NO_FILE,
  EBUSY: [
    "ERR_WAL_IO",
    "It is being opened to write or truncated, or that was interrupted: open it again, or to write.",
  ],
  ENAMETOOLONG: ["ERR_WAL_INVALID_ARGUMENT", "Choose a shorter one, or another directory."],
  ENOENT: ["ERR_WAL_NOT_FOUND", "Check the path; a log is made only when it is opened to write."],
};
