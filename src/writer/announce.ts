/**
 * Announces in the file what is durable: when a Durable frame is owed, and when it is written.
 *
 * A Durable frame says up to where a sync has covered the entries before it; recovery and readers
 * rest on it. One is owed after everything that made entries durable. It is written
 *
 * - in front of the next write, which takes no call more,
 * - once the log was idle for a moment, so that a reader in another process need not wait longer,
 * - at the close.
 *
 * @module
 */
import { WalError } from "../errors.ts";
import { clock, type Timer } from "../fs/clock.ts";

/** How long the log is idle before it announces, in milliseconds, or half as long again. */
const IDLE_MS = 100;

/** What is announced, and where. */
export interface Announced {
  /** Whether the file says of everything that is durable that it is, as far as its version can. */
  readonly isAnnounced: boolean;
  /**
   * Writes a Durable frame if one is owed. It is not synced.
   *
   * @returns Whether it was written.
   */
  announce(): boolean;
}

/** What the log does beside it. */
export interface Idle {
  /** Whether the log is still written, and nothing is being dropped from it. */
  readonly mayWrite: boolean;
  /** Whether no more is to be done. */
  readonly isOver: boolean;
  /** Does what was left until the log is idle, such as a look whether the files are in place. */
  rest(): void;
  /** Gets the error. */
  failed(error: unknown): void;
}

/** Announces what is durable in a log's last file. */
export class Announcer {
  readonly #announced: Announced;
  readonly #idle: Idle;
  #timer: Timer | undefined;
  /** Whether there was no sync since the timer was set. */
  #isQuiet = false;

  constructor(announced: Announced, idle: Idle) {
    this.#announced = announced;
    this.#idle = idle;
  }

  /** Something was written: the files are looked at once the log is idle. */
  written(): void {
    if (this.#timer === undefined) this.#wait();
  }

  /** A sync has ended: what it covered is announced once the log is idle. */
  synced(): void {
    this.#isQuiet = false;
    if (this.#timer === undefined) this.#wait();
  }

  /** Announces once the log is idle, if that is owed. */
  whenIdle(): void {
    if (this.#timer === undefined && !this.#announced.isAnnounced) this.#wait();
  }

  /** Announces now, if that is owed; whether it did. */
  now(): boolean {
    try {
      return this.#announced.announce();
    } catch (error) {
      // On a full disk the entries are as durable as before; the next write announces them.
      const isFull = error instanceof WalError && error.code === "ERR_WAL_WRITE_FAILED";
      if (!isFull) this.#idle.failed(error);
      return false;
    }
  }

  /** Waits no more. */
  stop(): void {
    this.#timer?.cancel();
  }

  /**
   * Waits until there was no sync for a moment. One timer does, as long as need be, since to set
   * another one takes longer than the rest of a sync's bookkeeping.
   */
  #wait(): void {
    if (this.#idle.isOver) return;
    this.#timer = clock.after(IDLE_MS / 2, () => {
      this.#timer = undefined;
      if (this.#idle.isOver) return;
      const wasQuiet = this.#isQuiet;
      this.#isQuiet = true;
      if (wasQuiet) this.#rest();
      else this.#wait();
    });
  }

  #rest(): void {
    try {
      this.#idle.rest();
    } catch (error) {
      this.#idle.failed(error);
      return;
    }
    if (this.#idle.mayWrite) this.now();
  }
}
