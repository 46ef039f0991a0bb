/**
 * A log that another process writes, seen again and again: what a follower in a reader reads.
 *
 * Looks are limited in rate, and what fails because the files change is tried again for a while.
 *
 * @module
 */
import { Account, REMEMBERED } from "./account.ts";
import type { Entry } from "../entry.ts";
import { clock, pause, type Timer } from "../fs/clock.ts";
import { type CorruptionError, reasonOf, WalError } from "../errors.ts";
import { type Followed, type FollowSource, Patience } from "./follow.ts";
import { type FileSystemError, isFileSystemError } from "../fs/file_system.ts";
import type { Reader } from "./reader.ts";
import type { IndexRange } from "../files/segment_list.ts";
import { mayBeStale, type View } from "./view.ts";

/** How often the files are looked at where nothing reports their changes, in milliseconds. */
const POLL_MS = 25;

/** The same where the file system reports most changes. */
const WATCHED_POLL_MS = 250;

/** How long it is from the end of a look to the next at the least, in milliseconds. */
const MIN_REST_MS = 2;

/** And as a multiple of the time that the look took, so that looks never take all of a processor. */
const REST = 10;

/**
 * How long a log that is missing or damaged is looked at again, in milliseconds: somebody may be
 * putting it back.
 */
const PATIENCE_MS = 1000;

/** Looks again and again at the files of a log. */
export class Tailer implements FollowSource {
  readonly #reader: Reader;
  readonly #account: Account;
  /** The view that the account was last compared with. */
  #view: View;
  #rewind: number | undefined;
  readonly #patience = new Patience();
  #isWatching = false;
  #isLeft = false;
  /** How many changes the last look has seen, and when the next may begin. */
  #seen = 0;
  #restUntil = 0;

  /** @param from The first entry that is to be given out; the caller has those before it. */
  constructor(reader: Reader, from: number) {
    this.#reader = reader;
    this.#view = reader.view;
    this.#account = new Account(this.#view);
    const { firstIndex, checksums } = this.#view.segments.last;
    for (let index = Math.max(firstIndex, from - REMEMBERED); index < from; index++) {
      if (checksums !== undefined) this.#account.note(index, checksums.at(index - firstIndex));
    }
  }

  isClosed(): boolean {
    return this.#reader.isClosed;
  }

  async look(): Promise<Followed> {
    if (!this.#isWatching) this.#reader.watch();
    this.#isWatching = true;
    if (this.#patience.isTried) await pause(Math.max(0, this.#restUntil - performance.now()));
    this.#seen = this.#reader.changes.count;
    const began = performance.now();
    await this.#lookPatiently();
    const now = performance.now();
    this.#restUntil = now + Math.min(WATCHED_POLL_MS, MIN_REST_MS + REST * (now - began));
    return this.#view;
  }

  /** Looks until it has seen the files at rest for as long as that takes. */
  async #lookPatiently(): Promise<void> {
    const patience = new Patience();
    for (let tries = 1; !this.#isLeft && !this.isClosed(); tries++) {
      try {
        if (this.#compare(await this.#reader.look())) return;
      } catch (error) {
        if (!(error instanceof WalError)) throw error;
        spend(patience, error);
      }
      await pause(Math.min(tries, POLL_MS));
    }
  }

  /** Finds out what was replaced of what was given out; false if the files change meanwhile. */
  #compare(view: View): boolean {
    if (view === this.#view) return true;
    const replaced = this.#account.firstReplaced(view);
    if (replaced === "unknown") return false;
    if (replaced !== undefined) {
      this.#rewind = Math.min(this.#rewind ?? replaced, replaced);
      this.#account.forgetFrom(replaced, view);
    }
    this.#view = view;
    return true;
  }

  atomAt(index: number): IndexRange | undefined {
    const view = this.#view;
    // Another follower, or a read of the handle, may have looked again.
    if (view !== this.#reader.view) return undefined;
    try {
      return view.segments.atomAt(index);
    } catch (error) {
      this.#doubt(error, view);
      return undefined;
    }
  }

  *readRange(from: number, to: number): Generator<Entry, void, undefined> {
    const view = this.#view;
    try {
      const cursor = view.segments.cursor(from, to, "copies");
      cursor.tellsBatches = true;
      // Another follower, or a read of the handle, may have looked again.
      while (view === this.#reader.view && cursor.advance()) {
        this.#patience.restore();
        this.#account.note(cursor.index, cursor.checksum);
        yield cursor.entry;
      }
    } catch (error) {
      this.#doubt(error, view);
    }
  }

  /** Has the files looked at again after a read that failed, for as long as that may pass. */
  #doubt(error: unknown, view: View): void {
    if (!mayBeStale(error)) throw error;
    spend(this.#patience, asWalError(error, view.path));
    view.doubt();
  }

  takeRewind(): number | undefined {
    const rewind = this.#rewind;
    this.#rewind = undefined;
    return rewind;
  }

  wait(wake: () => void): () => void {
    const { changes, isWatched } = this.#reader;
    const poll = (): Timer => clock.after(isWatched ? WATCHED_POLL_MS : POLL_MS, wake);
    const rest = this.#restUntil - performance.now();
    let isRested = rest <= 0;
    const stop = changes.wait(() => {
      if (isRested || this.isClosed()) wake();
    });
    // What came during the look is looked at too.
    const watch = (): Timer => changes.count === this.#seen ? poll() : clock.after(0, wake);
    let timer = isRested ? watch() : clock.after(rest, () => {
      isRested = true;
      timer = watch();
    });
    return () => {
      stop();
      timer.cancel();
    };
  }

  close(): void {
    this.#isLeft = true;
    if (this.#isWatching) this.#reader.unwatch();
  }
}

/** Only for want of something an error is waited out for long. */
function spend(patience: Patience, error: WalError): void {
  if (error.code === "ERR_WAL_IO") patience.spend(error);
  else patience.spend(error, PATIENCE_MS);
}

/** The log's error for a read that failed. */
function asWalError(error: CorruptionError | FileSystemError, path: string): WalError {
  if (!isFileSystemError(error)) return error;
  return new WalError(
    "ERR_WAL_IO",
    `Cannot read the log "${path}": ${reasonOf(error)}. Mend the cause and follow it again.`,
    { cause: error },
  );
}
