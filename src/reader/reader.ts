/**
 * What a handle that only reads, and all its followers, know of a log that another process writes:
 * one view, which is refreshed or replaced.
 *
 * @module
 */
import { Changes } from "./follow.ts";
import { type FileSystem, isFileSystemError } from "../fs/file_system.ts";
import { directoryOf, nameOf } from "../fs/path.ts";
import { openToRead, type ReadOnlyLog, viewBlocking } from "../opening/open.ts";
import type { ResolvedOptions } from "../options.ts";
import { mayBeStale, View } from "./view.ts";

/** How often a read begins again because the writer changed the files under it. */
const MAX_TRIES = 12;

/** How often a read of files that the writer leaves alone may fail before it is believed. */
const MAX_AT_REST = 3;

/** The reading side of a log. */
export class Reader {
  /** Reports changes in the files, as far as the file system does, and the handle's end. */
  readonly changes: Changes = new Changes();
  readonly #fileSystem: FileSystem;
  readonly #path: string;
  readonly #options: ResolvedOptions;
  readonly #onView: (view: View) => void;
  #view: View;
  #looking: Promise<boolean> | undefined;
  #closed = false;
  /** How many followers wait for changes, and how the watch ends. */
  #watchers = 0;
  #stopWatching: (() => void) | undefined;

  /**
   * @param opened What was found when the handle was opened.
   * @param onView Is called with each view that takes the place of another.
   */
  constructor(
    fileSystem: FileSystem,
    path: string,
    options: ResolvedOptions,
    opened: ReadOnlyLog,
    onView: (view: View) => void,
  ) {
    this.#fileSystem = fileSystem;
    this.#path = path;
    this.#options = options;
    this.#onView = onView;
    this.#view = new View(fileSystem, path, opened);
  }

  /** The log as it was looked at last. */
  get view(): View {
    return this.#view;
  }

  /** Whether the handle was closed. */
  get isClosed(): boolean {
    return this.#closed;
  }

  /** Looks at the files again, at once if the writer only appended, else for as long as need be. */
  async look(): Promise<View> {
    while (!this.#closed && !this.#view.refresh()) {
      // A look that runs began earlier, and may have seen less.
      if (this.#looking !== undefined) await this.#looking.catch(() => {});
      else if (await this.#lookAlone()) break;
    }
    return this.#view;
  }

  async #lookAlone(): Promise<boolean> {
    this.#looking = this.#lookAgain();
    try {
      return await this.#looking;
    } finally {
      this.#looking = undefined;
    }
  }

  /** Whether what was found is shown: a read may have looked since, and seen more. */
  async #lookAgain(): Promise<boolean> {
    const before = this.#view;
    const opened = await openToRead(this.#fileSystem, this.#path, this.#options);
    if (before === this.#view) this.#show(opened);
    else close(opened);
    return before !== this.#view;
  }

  /**
   * Reads, and looks at the files again where the writer has changed what is read.
   *
   * @param read Is called again with the log as it is then.
   * @throws What `read` throws of a log that the writer leaves alone.
   */
  read<T>(read: () => T): T {
    let isNew = false;
    let atRest = 0;
    for (let tries = 1;; tries++) {
      try {
        return read();
      } catch (error) {
        if (tries === MAX_TRIES || !mayBeStale(error) || isOutOfReach(error)) throw error;
        // A writer that opens the log cuts off its end and writes the same again. What fails thrice in
        // files that are as they were is damaged.
        const isAtRest = isNew && this.#view.refresh();
        if (isAtRest && ++atRest === MAX_AT_REST) throw error;
        if (isAtRest) continue;
      }
      this.#show(viewBlocking(this.#fileSystem, this.#path, this.#options));
      isNew = true;
    }
  }

  #show(opened: ReadOnlyLog): void {
    if (this.#closed) return close(opened);
    this.#view.close();
    this.#view = new View(this.#fileSystem, this.#path, opened);
    this.#onView(this.#view);
  }

  /** Begins to report changes; as often as it is called, {@linkcode unwatch} is to be. */
  watch(): void {
    if (++this.#watchers > 1 || this.#closed) return;
    const name = nameOf(this.#path);
    this.#stopWatching = this.#fileSystem.watch?.(directoryOf(this.#path), (changed) => {
      // Others may be busy in the same directory.
      const isOurs = changed === undefined || changed === name || changed.startsWith(`${name}.`);
      if (isOurs) this.changes.notify();
    });
  }

  /** Whether changes are reported, most of them at least. */
  get isWatched(): boolean {
    return this.#stopWatching !== undefined;
  }

  /** Ends what {@linkcode watch} began. */
  unwatch(): void {
    if (--this.#watchers > 0) return;
    this.#stopWatching?.();
    this.#stopWatching = undefined;
  }

  /** Ends all followers. */
  end(): void {
    this.#closed = true;
    this.#stopWatching?.();
    this.#stopWatching = undefined;
    this.changes.notify();
  }
}

function close({ segments, meta }: ReadOnlyLog): void {
  segments.close();
  meta.close();
}

/** Whether a file could not be read for a reason that is not the writer's. */
function isOutOfReach(error: unknown): boolean {
  return isFileSystemError(error) && error.code !== "ENOENT" && error.code !== "EBUSY";
}
