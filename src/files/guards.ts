/**
 * The kernel's lock on the log's files themselves, beside the one on its lock file: on the oldest,
 * and on the one that is written. So there is one writer of these bytes also where the files have
 * other names, or where somebody has removed or replaced the lock file.
 *
 * The oldest is what stays: every writer that finds the same files tries it first, and whatever the
 * log rolls to meanwhile, or cuts, it finds it held.
 *
 * @module
 */
import { clock, pause } from "../fs/clock.ts";
import type { LockedError } from "../errors.ts";
import { type FileSystem, type Guard, isFileSystemError, memberOf } from "../fs/file_system.ts";
import { isPromise } from "../fs/promise.ts";

/** How often open tries a file that is held, and how long it waits in between, in milliseconds. */
const TRIES = 12;
const PAUSE_MS = 25;

/**
 * How long a log that is never idle rolls before another program is asked for the lock of the file
 * that is written, in milliseconds. The start of a program stops the event loop for 3 to 10.
 */
const MAX_DELAY_MS = 10_000;

/** The guards of an open log. */
export class Guards {
  readonly #fileSystem: FileSystem;
  readonly #held = new Map<string, Guard>();
  /** The files that are to be guarded, in the order in which to take them. */
  #wanted: readonly string[] = [];
  /** A change that waits for another program; it never rejects. */
  #running: Promise<void> | undefined;
  /** Whether another program is asked for each guard. */
  #asksProgram = false;
  /** When it was asked last, on the clock of `performance`. */
  #askedAt = 0;
  #lost: LockedError | undefined;
  #onLost: (error: LockedError) => void = () => {};

  constructor(fileSystem: FileSystem) {
    this.#fileSystem = fileSystem;
  }

  /** Calls `onLost` once another writer is found to have a file that was to be guarded. */
  whenLost(onLost: (error: LockedError) => void): void {
    this.#onLost = onLost;
    if (this.#lost !== undefined) onLost(this.#lost);
  }

  /**
   * Guards files, in this order, and no others, before an open uses them.
   *
   * @throws {LockedError} If another writer has one of them.
   * @throws {FileSystemError} If that could not be found out.
   */
  async take(...paths: string[]): Promise<void> {
    this.#wanted = paths;
    this.#releaseOthers();
    for (const path of paths) {
      if (!this.#held.has(path)) this.#held.set(path, await this.#guardPatiently(path));
    }
  }

  /**
   * Guards files, in this order, and no others, while the log is in use. What cannot be guarded for
   * lack of a descriptor, say, is so at the next move: the others are guarded.
   *
   * @returns A promise, which never rejects, where another program has to be waited for.
   */
  move(...paths: string[]): Promise<void> | void {
    this.#wanted = paths;
    this.#askedAt = performance.now();
    this.#running ??= this.#step(new Set());
    return this.#running;
  }

  /**
   * The same, which no append waits for. Where another program has to be started, that is left to
   * {@linkcode catchUp}, for a while.
   */
  moveSoon(...paths: string[]): void {
    this.#wanted = paths;
    if (!this.#asksProgram) void this.move(...paths);
    // One that runs finds what is wanted by then.
    else if (this.#running === undefined && performance.now() - this.#askedAt >= MAX_DELAY_MS) {
      this.#askedAt = performance.now();
      void clock.endOfTurn().then(() => this.catchUp());
    }
  }

  /** Guards what was left until the log is idle. */
  catchUp(): void {
    if (this.#wanted.some((path) => !this.#held.has(path))) void this.move(...this.#wanted);
  }

  /**
   * Makes sure that no other writer was found, before files are removed.
   *
   * @throws {LockedError} If one was.
   */
  requireOurs(): void {
    if (this.#lost !== undefined) throw this.#lost;
  }

  /** Guards what is to be guarded and was not tried. */
  #step(tried: Set<string>): Promise<void> | undefined {
    for (;;) {
      const path = this.#wanted.find((path) => !this.#held.has(path) && !tried.has(path));
      if (path === undefined) break;
      tried.add(path);
      try {
        const guard = this.#fileSystem.guard(path);
        if (isPromise(guard)) return this.#finish(path, guard, tried);
        this.#held.set(path, guard);
      } catch (error) {
        this.#failed(error);
      }
    }
    this.#running = undefined;
    this.#releaseOthers();
    return undefined;
  }

  async #finish(path: string, guard: Promise<Guard>, tried: Set<string>): Promise<void> {
    try {
      this.#held.set(path, await guard);
    } catch (error) {
      this.#failed(error);
    }
    await this.#step(tried);
  }

  #failed(error: unknown): void {
    if (isLocked(error)) {
      this.#lost ??= error;
      this.#onLost(this.#lost);
    } else if (!isFileSystemError(error) && memberOf(error, "code") !== "ERR_WAL_IO") {
      throw error;
    }
  }

  #releaseOthers(): void {
    for (const [path, guard] of this.#held) {
      if (this.#wanted.includes(path)) continue;
      this.#held.delete(path);
      guard.release();
    }
  }

  /** The program that took a lock for a process may outlive that by a moment, and the lock with it. */
  async #guardPatiently(path: string): Promise<Guard> {
    for (let tries = 1;; tries++) {
      try {
        const guard = this.#fileSystem.guard(path);
        this.#asksProgram = isPromise(guard);
        this.#askedAt = performance.now();
        return await guard;
      } catch (error) {
        if (!isLocked(error) || tries >= TRIES) throw error;
        await pause(PAUSE_MS);
      }
    }
  }

  /** Gives all files back. */
  async close(): Promise<void> {
    await this.move();
  }
}

/** Whether this is the error of a file that another has locked, also from another copy of this library. */
function isLocked(error: unknown): error is LockedError {
  return memberOf(error, "code") === "ERR_WAL_LOCKED";
}
