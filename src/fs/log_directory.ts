/**
 * The directory that a log's files lie in: its syncs, and whether its names still lead to the files
 * that the writer has open.
 *
 * The writer holds it open, so that every other sync reports an error of one, and so that no later
 * directory is taken for it.
 *
 * @module
 */
import { MovedError, reasonOf } from "../errors.ts";
import {
  type Directory,
  type FileHandle,
  type FileSystem,
  isFileSystemError,
  type WriterLock,
} from "./file_system.ts";
import { Syncs } from "./syncs.ts";

/** How long a directory has not changed, in milliseconds, if its times tell each change from now on. */
const SETTLED = 100;

/** A directory, its syncs and its names. */
export class LogDirectory {
  /** The directory's path. */
  readonly path: string;
  readonly #fileSystem: FileSystem;
  readonly #syncs = new Syncs();
  #first: Directory | undefined;
  /** For syncs that block. */
  #second: Directory | undefined;
  /** Which directory it is, once it is held. */
  #identity: string | undefined;
  /** The names of open files, and the file that each has to lead to. */
  readonly #open = new Map<string, string>();
  /** The same of files that are not open. */
  readonly #closed = new Map<string, string>();
  #lock: { readonly path: string; readonly lock: WriterLock } | undefined;
  /** When it was changed last, and the names that were looked at since. */
  #seen: { readonly modified: number; readonly paths: Set<string> } | undefined;

  /** Names a directory; a reader does no more. */
  constructor(fileSystem: FileSystem, path: string) {
    this.#fileSystem = fileSystem;
    this.path = path;
  }

  /**
   * Opens it, to be synced and looked at from now on.
   *
   * @throws {FileSystemError} If it cannot be opened.
   */
  hold(): void {
    this.#identity = this.#fileSystem.identify(this.path);
    this.#first = this.#fileSystem.openDirectory(this.path);
    this.#second = this.#fileSystem.openDirectory(this.path);
    // Else what was opened may be another than what was looked at.
    this.#requireSelf();
  }

  /** Counts on a name to lead to an open file. */
  keep(path: string, file: FileHandle): void {
    this.#closed.delete(path);
    this.#open.set(path, file.identity());
  }

  /** Counts on the name of a file that is not open, or no longer, to lead to that file. */
  keepClosed(path: string): void {
    const identity = this.#open.get(path) ?? this.#fileSystem.identify(path);
    this.#open.delete(path);
    if (identity !== undefined) this.#closed.set(path, identity);
  }

  /** Counts on a lock to be held. */
  keepLock(path: string, lock: WriterLock): void {
    this.#lock = { path, lock };
  }

  /**
   * Looks whether its path leads to it, the names of open files to those, and the lock is held.
   *
   * @throws {MovedError} If not.
   */
  look(): void {
    this.#requireSelf();
    for (const [path, identity] of this.#open) this.#require(path, identity);
    if (this.#lock === undefined) return;
    const { path, lock } = this.#lock;
    if (this.#told(path, () => lock.isHeld(), true)) return;
    throw new MovedError(path, 0, "was removed, renamed or replaced");
  }

  /**
   * Looks whether one name leads to its file.
   *
   * @throws {MovedError} If it does not.
   */
  require(path: string): void {
    const identity = this.#open.get(path) ?? this.#closed.get(path);
    if (identity !== undefined) this.#require(path, identity);
  }

  /**
   * The same after a sync, where it has to take little time. A name leads where it led as long as the
   * directory has not changed. So the file itself is not asked: since Linux 6.13 a file whose times
   * were asked for gets new ones by the next write, and the next sync has those to write too.
   *
   * @throws {MovedError} If it does not.
   */
  requireAfterSync(path: string): void {
    this.#requireSelf();
    const modified = this.#modified();
    const isSame = modified !== undefined && this.#seen?.modified === modified;
    if (isSame && this.#seen?.paths.has(path) === true) return;
    this.require(path);
    // A change right after this one might have the same time.
    if (modified === undefined || Date.now() - modified < SETTLED) this.#seen = undefined;
    else if (isSame) this.#seen?.paths.add(path);
    else this.#seen = { modified, paths: new Set([path]) };
  }

  /** When the directory was changed last; `undefined` if that cannot be told. */
  #modified(): number | undefined {
    try {
      return this.#fileSystem.modified?.(this.path);
    } catch (error) {
      if (isFileSystemError(error)) return undefined;
      throw error;
    }
  }

  /**
   * Makes a file in it.
   *
   * @param isKept Whether to count on its name from now on, as {@linkcode keep} does.
   * @throws {FileSystemError} If it could not be made.
   * @throws {MovedError} If the directory's path leads elsewhere; then nothing is left there.
   */
  create(path: string, permissions: number, isKept: boolean = false): FileHandle {
    this.#requireSelf();
    let file: FileHandle | undefined;
    try {
      file = this.#fileSystem.open(path, "create", permissions);
      if (this.#identity !== undefined) this.#require(path, file.identity());
      this.#requireSelf();
      if (isKept) this.keep(path, file);
      return file;
    } catch (error) {
      // It may have gone after it was looked at.
      if (file === undefined) this.#requireSelf();
      else this.#takeBack(path, file);
      throw error;
    }
  }

  /**
   * Removes a file from it.
   *
   * @throws {FileSystemError} If it could not be removed.
   * @throws {MovedError} If the path leads to another file, or the directory's elsewhere.
   */
  remove(path: string): void {
    this.#requireSelf();
    this.require(path);
    this.#fileSystem.remove(path);
    this.#open.delete(path);
    this.#closed.delete(path);
  }

  /**
   * Makes the names in it durable.
   *
   * @throws {FileSystemError} If the outcome is unknown; then every later sync fails too.
   */
  async sync(): Promise<void> {
    await this.#syncs.run(() => held(this.#first).sync());
  }

  /** The same while the caller waits. */
  syncBlocking(): void {
    this.#syncs.runBlocking(() => held(this.#second).syncBlocking());
  }

  /** Gives it back. No sync may run. */
  close(): void {
    this.#first?.close();
    this.#second?.close();
    this.#first = this.#second = undefined;
  }

  #requireSelf(): void {
    if (this.#identity !== undefined) this.#require(this.path, this.#identity);
  }

  #require(path: string, identity: string): void {
    const found = this.#identify(path, identity);
    if (found === identity) return;
    // That tells more than what has become of a name in it.
    if (path !== this.path) this.#requireSelf();
    const what = found === undefined ? "was removed or renamed" : "was replaced";
    throw new MovedError(path, 0, what);
  }

  /** Where a name leads to now; to where it should where that cannot be told. */
  #identify(path: string, identity: string): string | undefined {
    return this.#told(path, () => this.#fileSystem.identify(path), identity);
  }

  /** What a look at a name tells; what is expected where this process may not look any more. */
  #told<T>(path: string, look: () => T, expected: T): T {
    try {
      return look();
    } catch (error) {
      // A process that has given up rights since can still use the files that are open.
      if (!isFileSystemError(error)) throw error;
      if (error.code === "EACCES" || error.code === "EPERM") return expected;
      throw new MovedError(path, 0, `cannot be looked at (${reasonOf(error)})`);
    }
  }

  /** Removes a file that was made where it does not belong. */
  #takeBack(path: string, file: FileHandle): void {
    try {
      if (this.#fileSystem.identify(path) === file.identity()) this.#fileSystem.remove(path);
    } catch (error) {
      // What has become of the directory is what is told.
      if (!isFileSystemError(error)) throw error;
    } finally {
      file.close();
    }
  }
}

function held(directory: Directory | undefined): Directory {
  if (directory === undefined) throw new TypeError("Only a writer syncs its directory");
  return directory;
}
