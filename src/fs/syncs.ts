/**
 * The syncs of one file or directory: one at a time, and a failure is one for all.
 *
 * Linux reports an error of writeback once to each open file description ("Handling errors during
 * writeback", https://docs.kernel.org/filesystems/vfs.html). Of two syncs of one descriptor that
 * overlap, one takes the error. The other finds clean pages and succeeds, although the disk does not
 * have them. So:
 *
 * - A sync begins after the one before it has ended.
 * - After a failure every later sync fails too.
 * - A sync that blocks cannot wait for one that runs. It is made through a second descriptor, which
 *   was opened together with the first, and so gets the error by itself.
 *
 * @module
 */

/** Keeps the syncs of one file apart. */
export class Syncs {
  #running: Promise<void> | undefined;
  #failure: { readonly cause: unknown } | undefined;

  /** Whether a sync runs, so that its verdict is not known yet. */
  get isPending(): boolean {
    return this.#running !== undefined;
  }

  /** Whether a sync has failed. */
  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /**
   * Makes a sync after the one that runs.
   *
   * @param begin Begins it; is called at once if none runs.
   * @throws What it rejects with; after an earlier failure, the same as that.
   */
  async run(begin: () => Promise<void>): Promise<void> {
    while (this.#running !== undefined) await this.#running;
    this.#requireNoFailure();
    let end = (): void => {};
    this.#running = new Promise((resolve) => end = resolve);
    try {
      await begin();
    } catch (cause) {
      this.#failure ??= { cause };
    } finally {
      this.#running = undefined;
      end();
    }
    this.#requireNoFailure();
  }

  /**
   * Makes a sync now, beside the one that runs, if any.
   *
   * @param sync Makes it, through a descriptor of its own.
   * @throws As {@linkcode run}.
   */
  runBlocking(sync: () => void): void {
    this.#requireNoFailure();
    try {
      sync();
    } catch (cause) {
      this.#failure ??= { cause };
      throw cause;
    }
  }

  /** Resolves when no sync runs; rejects if one has failed. */
  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
    this.#requireNoFailure();
  }

  #requireNoFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.cause;
  }
}
