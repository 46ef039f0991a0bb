/**
 * A log that another process writes, seen again and again: what {@linkcode follow} reads in a reader.
 *
 * Mostly the last file has grown, and only what is new is scanned. When it was cut, rolled or removed,
 * the log is looked at anew; and since a cut leaves no mark, what was given out is compared with what
 * is there now, to find from where on it was replaced.
 *
 * @module
 */
import { pause } from "./clock.ts";
import type { Changes, Followed, FollowSource } from "./follow.ts";
import { CorruptionError } from "./errors.ts";
import { type FileSystem, isFileSystemError } from "./fs/file_system.ts";
import { directoryOf, nameOf } from "./fs/path.ts";
import type { MetaFile } from "./meta.ts";
import { openLog } from "./open.ts";
import type { ResolvedOptions } from "./options.ts";
import type { Segment } from "./segment.ts";
import { firstIndexOf, type Segments } from "./segments.ts";

/** How often the files are looked at where nothing tells of their changes, in milliseconds. */
const POLL_MS = 25;

/** The same where the file system tells of most changes. */
const WATCHED_POLL_MS = 250;

/** How many of the entries that were given out last are remembered, by their checksums. */
const REMEMBERED = 64 * 1024;

/** How often files that change while they are looked at are looked at again at once. */
const MAX_TRIES = 8;

/** How often in a row files may change under a read before what it says is believed. */
const MAX_FAILURES = 20;

/** Looks again and again at the files of a log. */
export class Tailer implements FollowSource {
  readonly isClosed: () => boolean;
  readonly #fileSystem: FileSystem;
  readonly #path: string;
  readonly #options: ResolvedOptions;
  readonly #changes: Changes;
  readonly #given = new Uint32Array(REMEMBERED);
  readonly #stopWatching: (() => void) | undefined;
  #givenFrom = 1;
  #givenTo = 0;
  #view: View | undefined;
  #failures = 0;
  #rewind: number | undefined;

  /**
   * @param changes Is told of changes by the files, and by who closes the reader.
   * @param isClosed Whether the reader was closed.
   */
  constructor(
    fileSystem: FileSystem,
    path: string,
    options: ResolvedOptions,
    changes: Changes,
    isClosed: () => boolean,
  ) {
    this.#fileSystem = fileSystem;
    this.#path = path;
    this.#options = options;
    this.#changes = changes;
    this.isClosed = isClosed;
    this.#stopWatching = fileSystem.watch?.(directoryOf(path), () => changes.notify());
  }

  async look(): Promise<Followed> {
    if (this.#view?.refresh() === true) return this.#view;
    for (let tries = 1;; tries++) {
      const { segments, meta } = await openLog(this.#fileSystem, this.#path, this.#options);
      this.#view?.close();
      this.#view = new View(
        this.#fileSystem,
        this.#path,
        segments,
        meta,
        (error) => this.#failed(error),
      );
      if (this.#compare(this.#view) && this.#view.refresh()) return this.#view;
      // The writer is at work on the files still; or it died over them, and they stay like this.
      if (tries >= MAX_TRIES) return this.#view;
      await pause(tries);
    }
  }

  readRange(from: number, to: number): Iterable<Uint8Array> {
    return this.#view?.readRange(from, to) ?? [];
  }

  takeRewind(): number | undefined {
    const rewind = this.#rewind;
    this.#rewind = undefined;
    return rewind;
  }

  gave(index: number, data: Uint8Array): void {
    this.#failures = 0;
    if (index !== this.#givenTo + 1) this.#givenFrom = index;
    this.#givenTo = index;
    this.#givenFrom = Math.max(this.#givenFrom, index - REMEMBERED + 1);
    this.#given[index % REMEMBERED] = this.#view?.checksumOf(data) ?? 0;
  }

  async changed(signal: AbortSignal | undefined): Promise<void> {
    const watched = this.#stopWatching !== undefined;
    await this.#changes.next(signal, watched ? WATCHED_POLL_MS : POLL_MS);
  }

  close(): void {
    this.#stopWatching?.();
    this.#view?.close();
  }

  /** A read failed: the writer may have changed the files under it, so they are looked at anew. */
  #failed(error: unknown): void {
    const mayPass = error instanceof CorruptionError || isFileSystemError(error);
    if (!mayPass || ++this.#failures > MAX_FAILURES) throw error;
  }

  /**
   * Finds the first of the remembered entries that is no longer what it was.
   *
   * @returns Whether the files stayed as they are meanwhile.
   */
  #compare(view: View): boolean {
    const from = Math.max(this.#givenFrom, view.firstIndex);
    if (from > this.#givenTo) return true;
    let index = from;
    for (const data of view.readRange(from, Math.min(this.#givenTo, view.lastIndex))) {
      if (view.checksumOf(data) !== this.#given[index % REMEMBERED]) break;
      index++;
    }
    if (view.isStale) return false;
    if (index <= this.#givenTo) {
      this.#rewind = index;
      this.#givenTo = index - 1;
    }
    return true;
  }
}

/** The log as it was when it was looked at last. */
class View implements Followed {
  readonly path: string;
  readonly #fileSystem: FileSystem;
  readonly #segments: Segments;
  readonly #meta: MetaFile;
  readonly #onFailure: (error: unknown) => void;
  /** Whether the writer changed the files under a read. */
  isStale = false;

  constructor(
    fileSystem: FileSystem,
    path: string,
    segments: Segments,
    meta: MetaFile,
    onFailure: (error: unknown) => void,
  ) {
    this.#fileSystem = fileSystem;
    this.path = path;
    this.#segments = segments;
    this.#meta = meta;
    this.#onFailure = onFailure;
    segments.active.rememberTail();
  }

  get firstIndex(): number {
    return Math.max(this.#meta.current?.headIndex ?? 1, this.#segments.firstIndex);
  }

  get lastIndex(): number {
    return this.#segments.lastIndex;
  }

  get durableIndex(): number {
    return this.#segments.durableIndex;
  }

  *readRange(from: number, to: number): Generator<Uint8Array> {
    try {
      const cursor = this.#segments.cursor(from, to, "copies");
      let chunk: Uint8Array | undefined;
      while (cursor.advance()) {
        // A truncation removes the last file before it cuts another, so as long as that is there, what
        // was read is not yet what it leaves.
        if (cursor.bytes !== chunk && !isThere(this.#segments.active, this.#fileSystem)) {
          this.isStale = true;
          return;
        }
        chunk = cursor.bytes;
        yield cursor.data;
      }
    } catch (error) {
      this.#onFailure(error);
      this.isStale = true;
    }
  }

  /** A checksum by which entries are told apart. */
  checksumOf(data: Uint8Array): number {
    return this.#segments.checksumOf(data);
  }

  /** Takes in what was appended; false if more has happened than that. */
  refresh(): boolean {
    if (this.isStale) return false;
    const { active } = this.#segments;
    const name = nameOf(this.path);
    const names = this.#fileSystem.list(directoryOf(this.path));
    const last = Math.max(...names.map((file) => firstIndexOf(name, file) ?? 0));
    if (last !== active.firstIndex || !names.includes(nameOf(active.path))) return false;
    if (!isThere(active, this.#fileSystem)) return false;
    const before = this.#meta.current?.headIndex;
    this.#meta.load("read");
    return this.#meta.current?.headIndex === before && active.refresh();
  }

  close(): void {
    this.#segments.close();
    this.#meta.close();
  }
}

/** Whether a segment's file is the one of its name still. */
function isThere(active: Segment, fileSystem: FileSystem): boolean {
  try {
    return active.isAtPath(fileSystem);
  } catch (error) {
    // It was removed since the names were listed.
    if (isFileSystemError(error)) return false;
    throw error;
  }
}
