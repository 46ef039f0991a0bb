/**
 * The only seam between the log and a runtime: {@linkcode FileSystem} and {@linkcode FileHandle}.
 *
 * A call is synchronous where it takes microseconds (the page cache), and a promise where the disk
 * is waited for. Every implementation loops on short writes, retries interrupted calls (`EINTR`),
 * and throws nothing but {@linkcode FileSystemError}, or what {@linkcode FileSystem.lock} and
 * {@linkcode FileSystem.guard} say.
 *
 * @module
 */

/** What went wrong in a file system, in the names of POSIX and Linux; `EUNKNOWN` for anything else. */
export type FileSystemErrorCode =
  | "EACCES"
  | "EAGAIN"
  | "EBADF"
  | "EBUSY"
  | "EDQUOT"
  | "EEXIST"
  | "EFBIG"
  | "EHOSTDOWN"
  | "EINVAL"
  | "EIO"
  | "EISDIR"
  | "ELOOP"
  | "EMFILE"
  | "ENAMETOOLONG"
  | "ENFILE"
  | "ENODEV"
  | "ENOENT"
  | "ENOKEY"
  | "ENOLCK"
  | "ENOMEM"
  | "ENOSPC"
  | "ENOSYS"
  | "ENOTCONN"
  | "ENOTDIR"
  | "ENOTEMPTY"
  | "ENOTSUP"
  | "ENXIO"
  | "EOVERFLOW"
  | "EPERM"
  | "EROFS"
  | "ESTALE"
  | "ETIMEDOUT"
  | "ETXTBSY"
  | "EUCLEAN"
  | "EUNKNOWN";

const MEANING: Readonly<Record<FileSystemErrorCode, string>> = {
  EACCES: "permission denied",
  EAGAIN: "it is not possible at the moment",
  EBADF: "the file is closed",
  EBUSY: "the file is in use",
  EDQUOT: "the disk quota is used up",
  EEXIST: "it exists already",
  EFBIG: "the file would be too large",
  EHOSTDOWN: "the file server is down",
  EINVAL: "not possible on this kind of file",
  EIO: "the device failed",
  EISDIR: "it is a directory",
  ELOOP: "too many symbolic links",
  EMFILE: "too many open files",
  ENAMETOOLONG: "the name is too long",
  ENFILE: "too many open files in the whole system",
  ENODEV: "there is no such device any more",
  ENOENT: "no such file or directory",
  ENOKEY: "the directory is encrypted and locked",
  ENOLCK: "the file system has no locks to give",
  ENOMEM: "no memory is left",
  ENOSPC: "no space is left on the device",
  ENOSYS: "the system does not have this call",
  ENOTCONN: "the program that serves the file system has ended",
  ENOTDIR: "a part of the path is not a directory",
  ENOTEMPTY: "the directory is not empty",
  ENOTSUP: "the file system does not have this call",
  ENXIO: "the device is gone",
  EOVERFLOW: "the file is too large for this system",
  EPERM: "the operation is not permitted",
  EROFS: "the file system is read-only",
  ESTALE: "the file server no longer has the file",
  ETIMEDOUT: "the file server does not answer",
  ETXTBSY: "the file is being run",
  EUCLEAN: "the file system is damaged",
  EUNKNOWN: "the system call failed",
};

/** Whether a string is one of the codes. */
export function isFileSystemErrorCode(code: string): code is FileSystemErrorCode {
  return Object.hasOwn(MEANING, code);
}

/**
 * A system call failed.
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 * import { FileSystemError } from "@durable/wal";
 *
 * const error = assertThrows(() => new MemoryFileSystem().open("none", "read"), FileSystemError);
 * assertEquals(error.code, "ENOENT");
 * ```
 */
export class FileSystemError extends Error {
  /** What went wrong. */
  readonly code: FileSystemErrorCode;
  /** The file or directory. */
  readonly path: string;

  /**
   * Describes a failed call.
   *
   * @param code What went wrong.
   * @param operation The call, such as "write".
   * @param path The file or directory.
   * @param options The runtime's own error, if there is one.
   */
  constructor(code: FileSystemErrorCode, operation: string, path: string, options?: ErrorOptions) {
    super(`${operation} "${path}": ${MEANING[code]} (${code})`, options);
    this.name = "FileSystemError";
    this.code = code;
    this.path = path;
  }
}

/**
 * Whether an error is of a file system: one with a code of its own. It may be of another copy of this
 * library, or of another realm, so its class is not asked for.
 */
export function isFileSystemError(error: unknown): error is FileSystemError {
  const code = memberOf(error, "code");
  return typeof code === "string" && isFileSystemErrorCode(code);
}

const NO_SPACE: ReadonlySet<FileSystemErrorCode> = new Set(["ENOSPC", "EDQUOT", "EFBIG"] as const);

/** Whether an error is of a write for which there is no space, and one may come. */
export function isNoSpace(error: unknown): boolean {
  return isFileSystemError(error) && NO_SPACE.has(error.code);
}

/** A member of what was thrown, which may be no object at all. */
export function memberOf(error: unknown, name: "code" | "errno" | "message" | "name"): unknown {
  return typeof error === "object" && error !== null && name in error
    ? (error as Record<string, unknown>)[name]
    : undefined;
}

/**
 * How a file is opened: `"read"` and `"write"` (which may read too) want it to exist, `"create"`
 * wants it not to and then is like `"write"`.
 */
export type OpenMode = "read" | "write" | "create";

/** What a mapping is made for: to be read only, or to be stored into as well. */
export type MapAccess = "read" | "write";

/** Where a mapping may begin in a file: at a multiple of so many bytes, the largest page that there is. */
export const MAP_ALIGNMENT: number = 64 * 1024;

/**
 * A part of a file as memory: what is stored there is in the page cache, as if it had been written.
 *
 * To touch the memory of a file that was cut ends the process. So no one gets a view of it: bytes are
 * copied out and in. Its owner gives it back before the file is cut. Offsets are those in the file.
 */
export interface FileMapping {
  /** How many bytes it has; 0 once it was given back. */
  readonly size: number;
  /**
   * Copies up to `length` bytes from `offset` on into the first ones of `into`.
   *
   * @returns How many of them are in the mapping.
   */
  read(into: Uint8Array, offset: number, length: number): number;
  /**
   * Stores the first `length` bytes of `data` at `offset`, where all of them are in the mapping.
   *
   * @returns Whether they are; if not, nothing is stored.
   */
  store(data: Uint8Array, offset: number, length: number): boolean;
  /** Gives the memory back. A second call does nothing. */
  unmap(): void;
}

/** One open file. Offsets and sizes are in bytes. */
export interface FileHandle {
  /**
   * Reads into the first `length` bytes of `into` (default: all of it), from `offset` in the file,
   * until they are full or the file ends.
   *
   * @returns How many bytes were read.
   */
  read(into: Uint8Array, offset: number, length?: number): number;
  /**
   * Writes the first `length` bytes of `data` (default: all of it) at `offset` in the file, or
   * throws; how much was written then is not known.
   */
  write(data: Uint8Array, offset: number, length?: number): void;
  /** The file's size in bytes. */
  size(): number;
  /** Which file this is, as {@linkcode FileSystem.identify} tells it of a name that leads here. */
  identity(): string;
  /** Cuts the file to `size` bytes. */
  truncate(size: number): void;
  /**
   * Maps the part of the file from `offset`, a multiple of {@linkcode MAP_ALIGNMENT}, on. All of it has
   * to be in the file, and for `"write"` to have been written. A mapping that reaches beyond the end
   * of a {@linkcode truncate} of this handle is given back by it, and every mapping by
   * {@linkcode close}.
   *
   * It is called only where the user has asked for mapped files. A handle without it maps none.
   *
   * @returns Why the file cannot be mapped, in words, where it cannot.
   */
  map?(offset: number, size: number, access: MapAccess): FileMapping | string;
  /** Makes the data, and what is needed to read it back, durable: fdatasync, off the event loop. */
  syncData(): Promise<void>;
  /** Makes data and metadata durable: fsync, off the event loop. */
  sync(): Promise<void>;
  /** {@linkcode syncData} while the caller waits, and with it the event loop. */
  syncDataBlocking(): void;
  /** {@linkcode sync} while the caller waits; for a roll, and rare failures, between two appends. */
  syncBlocking(): void;
  /**
   * Gives the file back. A second call does nothing. It never throws: only a sync makes bytes
   * durable, and a later error takes none of them back.
   */
  close(): void;
}

/** One open directory, whose names can be made durable. */
export interface Directory {
  /** Makes the names in it durable: fsync, where the platform has it, off the event loop. */
  sync(): Promise<void>;
  /** The same while the caller waits; for a roll, between two appends. */
  syncBlocking(): void;
  /** Gives it back, as {@linkcode FileHandle.close} does. */
  close(): void;
}

/** A lock that is held. */
export interface WriterLock {
  /**
   * What holds it: the kernel (`"kernel"`), or only a checked record of the process in the lock
   * file (`"record"`), where neither the runtime nor a `flock` program gives access to the kernel's.
   */
  readonly kind: "kernel" | "record";
  /**
   * Whether the lock file's name still leads to the file that is locked. If not, another process may
   * have the lock too.
   */
  isHeld(): boolean;
  /** Gives the lock back. A second call does nothing. */
  release(): void;
}

/** What keeps other writers off a file, whatever name leads them to it. */
export interface Guard {
  /** Lets others have the file. A second call does nothing. */
  release(): void;
}

/** What the log needs of a runtime's files. Paths are the runtime's own. */
export interface FileSystem {
  /** Opens a file; `permissions` (as for chmod) count when it is created. */
  open(path: string, mode: OpenMode, permissions?: number): FileHandle;
  /** The names in a directory, in no order. */
  list(directory: string): string[];
  /**
   * Which file or directory a name leads to, links followed: the same text for as long as it is the
   * same one, by whatever name, and another for any other that exists beside it.
   *
   * @returns `undefined` where the name leads to nothing.
   */
  identify(path: string): string | undefined;
  /**
   * When a file was last written or cut, or a directory last got, lost or renamed a file, in
   * milliseconds since 1970, as precisely as the system tells. `Wal.retain` tells the age of segments by
   * it, and a writer whether the names of its files may lead elsewhere. A file system without it has no
   * such times.
   *
   * @returns `undefined` where the platform cannot tell.
   */
  modified?(path: string): number | undefined;
  /**
   * The one path of a file or directory: absolute, without links, its last name as its directory
   * spells it. Of one that is not there, the path that it would be made at, also where a link leads
   * there.
   */
  realPath(path: string): string;
  /** Removes a file. */
  remove(path: string): void;
  /** Makes one directory, whose parent exists. */
  makeDirectory(path: string, permissions: number): void;
  /**
   * Opens a directory to be synced. The log holds it open: the system reports an error to
   * descriptors that were open when it came.
   */
  openDirectory(path: string): Directory;
  /**
   * Opens a directory, makes the names in it durable and gives it back. Asks the user for no right:
   * without it, it fails with `EACCES`.
   */
  syncDirectory(path: string): Promise<void>;
  /**
   * Calls `onChange` when something in a directory may have changed, with the name of what has, or
   * without one where that is not known, until the returned function is called. Some changes may go
   * untold. Without it, a follower looks now and then.
   *
   * @returns `undefined` where the platform cannot tell, or has no more watches. It never throws.
   */
  watch?(directory: string, onChange: (name?: string) => void): (() => void) | undefined;
  /**
   * Takes the exclusive lock that the file at `path`, made if need be, stands for. The lock dies
   * with its holder.
   *
   * @throws `LockedError` where another holds it, in this process or in any other; `WalError`
   * (`ERR_WAL_FORMAT`) where the file has the content of something else.
   */
  lock(path: string, permissions: number): Promise<WriterLock>;
  /**
   * Takes the kernel's exclusive lock on a file that exists, by whatever name: a guard on one of
   * its names excludes one on another. It dies with its holder. Where the kernel's lock is out of
   * reach, the guard keeps no process off.
   *
   * @returns A promise where the runtime has to ask another program.
   * @throws `LockedError` where another holds it, in this process or in any other.
   */
  guard(path: string): Guard | Promise<Guard>;
}
