/**
 * A full segment whose Seal is still to be written, after the roll to the next one is durable.
 *
 * Its entries count as durable without: they can be told from the next segment's words. It is read by
 * the offsets that its writer has in memory.
 *
 * @module
 */
import { isWriteFailed } from "../errors.ts";
import type { Segment } from "../segment/segment.ts";

/** A full segment that is being sealed. There is one at a time. */
export class UnsealedSegment {
  readonly #full: Segment;
  readonly #whenSealed: () => void;
  #running: Promise<void> | undefined;
  #isOver = false;

  /** @param whenSealed Is called once, when the file is closed. */
  constructor(full: Segment, whenSealed: () => void) {
    this.#full = full;
    this.#whenSealed = whenSealed;
  }

  /** The segment's file. */
  get path(): string {
    return this.#full.path;
  }

  /**
   * Writes the next part of the Seal, and makes it durable; all callers share that.
   *
   * @throws {WalError} `ERR_WAL_WRITE_FAILED`: it is yet to be sealed.
   * @throws {SyncFailedError} If the outcome is unknown.
   * @throws {MovedError} If the file is no longer in its place.
   */
  async sealOn(): Promise<void> {
    if (!this.#isOver) await (this.#running ??= this.#sealOn());
  }

  async #sealOn(): Promise<void> {
    try {
      if (await this.#full.writeSealPart()) this.close();
    } finally {
      this.#running = undefined;
    }
  }

  /**
   * Seals it while the caller waits. If a sync of it runs, the call that began that has its verdict.
   *
   * @throws As {@linkcode sealOn}.
   */
  sealBlocking(): void {
    this.#full.writeSealBlocking();
    this.close();
  }

  /**
   * Seals it no further: it is about to be removed.
   *
   * @throws {SyncFailedError} If a sync that runs has failed.
   */
  async giveUp(): Promise<void> {
    try {
      await this.#running;
    } catch (error) {
      // The call that began it is told, and the file needs no Seal any more.
      if (!isWriteFailed(error)) throw error;
    }
    this.close();
  }

  /** Gives the file back, sealed or not. */
  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#full.close();
    this.#whenSealed();
  }
}
