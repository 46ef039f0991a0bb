/**
 * A roll that is not durable yet: a full segment without its Seal, the one that was begun after it
 * without a wait, and the directory with its name.
 *
 * Until all three are durable, no entry of the new segment counts as durable, and no Durable frame is
 * written in it. Recovery rests on that: without such a frame, nothing in it was acknowledged.
 *
 * @module
 */
import { outcomeUnknown } from "../errors.ts";
import type { LogDirectory } from "../fs/log_directory.ts";
import type { Segment } from "../segment/segment.ts";

/** A roll that is to be made durable. There is one at a time. */
export class PendingRoll {
  readonly #full: Segment;
  readonly #next: Segment;
  readonly #directory: LogDirectory;
  /** The syncs that were begun and are awaited. */
  #running: Promise<void> | undefined;
  #isFinished = false;

  /** Holds the new segment back. */
  constructor(full: Segment, next: Segment, directory: LogDirectory) {
    this.#full = full;
    this.#next = next;
    this.#directory = directory;
    next.waitFor(full);
  }

  /** Whether all of it is durable. */
  get isFinished(): boolean {
    return this.#isFinished;
  }

  /** Whether a sync runs whose verdict is not known. */
  get isSyncing(): boolean {
    return this.#running !== undefined || this.#full.isSyncing;
  }

  /**
   * Makes it durable; all callers share the syncs.
   *
   * @throws {SyncFailedError} If the outcome is unknown.
   * @throws {MovedError} If a file is no longer in its place.
   */
  async finish(): Promise<void> {
    if (!this.#isFinished) this.#running ??= this.#finish();
    await this.#running;
  }

  async #finish(): Promise<void> {
    // The verdict of each is awaited, whatever the others say.
    const verdicts = await Promise.allSettled([
      this.#full.syncFull(),
      this.#next.syncBeginning(),
      this.#syncDirectory(),
    ]);
    for (const verdict of verdicts) if (verdict.status === "rejected") throw verdict.reason;
    this.#running = undefined;
    this.#end(true);
  }

  async #syncDirectory(): Promise<void> {
    try {
      await this.#directory.sync();
    } catch (cause) {
      throw this.#failed(cause);
    }
  }

  /**
   * Makes it durable while the caller waits, beside the syncs that run.
   *
   * @throws As {@linkcode finish}.
   */
  finishBlocking(): void {
    this.#full.syncFullBlocking();
    this.#next.syncBeginningBlocking();
    try {
      this.#directory.syncBlocking();
    } catch (cause) {
      throw this.#failed(cause);
    }
    const isSyncing = this.isSyncing;
    this.#end(!isSyncing);
    // If one fails, the call that began it throws.
    if (isSyncing) this.settled().catch(() => {});
  }

  /**
   * Resolves when no sync of it runs.
   *
   * @throws As {@linkcode finish}, if one has failed.
   */
  async settled(): Promise<void> {
    await this.#running;
    await this.#full.settled();
    if (this.#isFinished) this.#next.begun(true);
  }

  #end(isSettled: boolean): void {
    this.#next.begun(isSettled);
    this.#isFinished = true;
  }

  #failed(cause: unknown): Error {
    return outcomeUnknown(this.#next.path, this.#full.settledIndex, "a new segment", cause);
  }
}
