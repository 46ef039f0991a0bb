/**
 * Group commit: callers that want durability share the syncs.
 *
 * At most one sync runs. A caller that arrives while one is running joins the next, which begins
 * after the bytes of all who wait for it were written; so each is vouched for by a sync that began
 * after its own write.
 *
 * @module
 */
import { clock } from "../fs/clock.ts";

/** A sync that has not begun, and those who wait for it. */
interface Group {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** Decides who waits for which sync. */
export class GroupCommit {
  readonly #syncOnce: () => Promise<void> | void;
  #next: Group | undefined;
  #loop: Promise<void> | undefined;

  /** @param syncOnce One sync of all that is written when it is called; it may be done at once. */
  constructor(syncOnce: () => Promise<void> | void) {
    this.#syncOnce = syncOnce;
  }

  /** Resolves after a sync that begins after this call has succeeded; rejects if it fails. */
  join(): Promise<void> {
    this.#next ??= newGroup();
    this.#loop ??= this.#run();
    return this.#next.promise;
  }

  /** Resolves, never rejects, when no sync is running or wanted. */
  async idle(): Promise<void> {
    while (this.#loop !== undefined) await this.#loop;
  }

  /** Syncs for as long as somebody waits. */
  async #run(): Promise<void> {
    // Callers of the same turn of the event loop get into one group: also those who were just
    // answered and come back at once.
    for (await clock.endOfTurn(); this.#next !== undefined; await clock.endOfTurn()) {
      const group = this.#next;
      this.#next = undefined;
      try {
        const running = this.#syncOnce();
        if (running !== undefined) await running;
        group.resolve();
      } catch (error) {
        group.reject(error);
      }
    }
    this.#loop = undefined;
  }
}

function newGroup(): Group {
  return Promise.withResolvers<void>();
}
