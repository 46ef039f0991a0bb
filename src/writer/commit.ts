/**
 * Group commit: callers that want durability share the syncs, and the write before each.
 *
 * At most one sync runs. A caller that arrives while one is running joins the next, which begins
 * after the bytes of all that wait for it were written; so each is acknowledged by a sync that began
 * after its own write. The entries of a group are staged, and written together right before its sync.
 *
 * @module
 */
import { FRAME_HEADER_SIZE } from "../format/frame.ts";
import { clock } from "../fs/clock.ts";
import { endOfFrames, StagedEntries, type StagedEntry } from "./staged_entries.ts";

/** A sync that has not begun, and those that wait for it. */
interface Group {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** What writes the groups, and syncs. */
export interface Committed {
  /**
   * Appends an entry, and returns its index.
   *
   * @throws If it cannot be appended.
   */
  append(data: Uint8Array): number;
  /**
   * Appends the entries in some Data frames with one write.
   *
   * @param frames The frames, one after the other, without their checksums.
   * @param bytes The bytes of the entries alone.
   * @returns The index of the last; `undefined` if they have to be appended with more writes.
   */
  appendFrames(frames: Uint8Array, count: number, bytes: number): number | undefined;
  /** Makes durable all that is written when it is called; it may be done at once. */
  sync(): Promise<void> | void;
}

/** Decides which caller waits for which sync. */
export class GroupCommit {
  readonly #log: Committed;
  readonly #staged = new StagedEntries();
  #next: Group | undefined;
  #loop: Promise<void> | undefined;

  /** @param log What writes the groups, and syncs. */
  constructor(log: Committed) {
    this.#log = log;
  }

  /**
   * Appends an entry with the next group.
   *
   * @returns Its index, once a sync that covers it has succeeded.
   * @throws Why it could not be appended, or the sync failed.
   */
  async append(data: Uint8Array): Promise<number> {
    const entry = this.#stage(data);
    await this.join();
    if (entry.error !== undefined) throw entry.error;
    return entry.index;
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

  /** Writes the entries that are staged, before something else is; whether there were any. */
  flush(): boolean {
    if (this.#staged.isEmpty) return false;
    this.#appendStaged();
    return true;
  }

  /** Writes the entries that are staged, with one write if it can be. */
  #appendStaged(): void {
    const { frames, entries } = this.#staged.take();
    this.#appendGroup(frames, entries);
  }

  /**
   * Writes entries with one write, or each half by itself: of those around the end of a segment, or
   * where a disk is full, each that can be written is, with few writes.
   */
  #appendGroup(frames: Uint8Array, entries: readonly StagedEntry[]): void {
    const [first] = entries;
    if (first === undefined) return;
    const count = entries.length;
    if (count === 1) {
      this.#appendOne(frames.subarray(FRAME_HEADER_SIZE), first);
      return;
    }
    const bytes = frames.length - count * FRAME_HEADER_SIZE;
    const last = this.#log.appendFrames(frames, count, bytes);
    if (last !== undefined) {
      let index = last - count;
      for (const entry of entries) entry.index = ++index;
      return;
    }
    const half = count >>> 1;
    const at = endOfFrames(frames, half);
    this.#appendGroup(frames.subarray(0, at), entries.slice(0, half));
    this.#appendGroup(frames.subarray(at), entries.slice(half));
  }

  #appendOne(data: Uint8Array, entry: StagedEntry): void {
    try {
      entry.index = this.#log.append(data);
    } catch (error) {
      entry.error = error;
    }
  }

  /** Lets an entry be written right before the next sync. */
  #stage(data: Uint8Array): StagedEntry {
    if (!this.#staged.hasRoom(data)) this.flush();
    if (this.#staged.hasRoom(data)) return this.#staged.stage(data);
    return { index: this.#log.append(data), error: undefined };
  }

  /** Syncs for as long as somebody waits. */
  async #run(): Promise<void> {
    // Callers of the same turn of the event loop get into one group: also those that were just
    // answered and come back at once.
    for (await clock.endOfTurn(); this.#next !== undefined; await clock.endOfTurn()) {
      const group = this.#next;
      this.#next = undefined;
      try {
        this.flush();
        const running = this.#log.sync();
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
