/**
 * A group commit for stores that have none: one batch is in flight, and a caller that comes
 * meanwhile is in the next.
 *
 * @module
 */

/** Lets callers that append at the same time share a sync. */
export class Batcher {
  readonly #commit: (entries: readonly Uint8Array[]) => void | Promise<void>;
  #waiting: Uint8Array[] = [];
  #next: Promise<void> | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(commit: (entries: readonly Uint8Array[]) => void | Promise<void>) {
    this.#commit = commit;
  }

  /** Appends an entry; resolves when it is durable. */
  appendAndSync(entry: Uint8Array): Promise<void> {
    this.#waiting.push(entry);
    this.#next ??= this.#running = this.#running.then(() => this.#flush());
    return this.#next;
  }

  #flush(): void | Promise<void> {
    const entries = this.#waiting;
    this.#waiting = [];
    this.#next = undefined;
    return this.#commit(entries);
  }
}
