/**
 * What a Raft node has to keep, over the log: entries with terms, the current term and the vote, and
 * the mark of the snapshot. The words are those of "In Search of an Understandable Consensus
 * Algorithm" (Ongaro and Ousterhout, 2014), its figure 2 above all.
 *
 * Elections, timers, messages and the snapshot's bytes are the node's own.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 * import { RaftStorage } from "@durable/wal/raft";
 *
 * // Leave fileSystem out to keep the log on disk.
 * const fileSystem = new MemoryFileSystem();
 * await using storage = await RaftStorage.open("node-a/raft.wal", { fileSystem });
 *
 * // As a candidate: the vote is durable before another node is asked for its own.
 * await storage.setHardState({ term: 1, votedFor: "a" });
 * // As a leader: the command is durable before the leader counts itself as one that has it.
 * const command = new TextEncoder().encode("x = 1");
 * const { lastIndex } = await storage.append([{ term: 1, data: command }]);
 * assertEquals(storage.entry(lastIndex), { index: 1, term: 1, data: command });
 * ```
 *
 * @module
 */
import { invalid, isArray, noEntry, RANGE, requireObject, requireOptions } from "../arguments.ts";
import { isBytes } from "../bytes.ts";
import { WalError, writeFailed } from "../errors.ts";
import { Lifecycle } from "../writer/lifecycle.ts";
import { MAX_INDEX } from "../format/limits.ts";
import type { Recovery } from "../opening/open.ts";
import type { WalOptions } from "../options.ts";
import { decodeEntry, decodeState, encodeEntry, encodeState, isTerm } from "./format.ts";
import type { RaftState } from "./format.ts";
import { Terms } from "./terms.ts";
import type { EntryRange } from "../entry.ts";
import { type BatchRange, Wal } from "../wal.ts";

/**
 * The options of the log underneath. Its format and its being written are not open to choice.
 *
 * `maxEntrySize` counts a command and the 8 bytes of its term. `recovery: "salvage"` gives up
 * entries that this node has acknowledged: a node that is opened so must not vote or answer before
 * the leader has brought its log up to date again.
 *
 * @example
 * ```ts
 * import type { RaftStorageOptions } from "@durable/wal/raft";
 *
 * const options: RaftStorageOptions = { segmentSize: 16 * 1024 * 1024 };
 * ```
 */
export type RaftStorageOptions = Omit<WalOptions, "format" | "readOnly">;

/**
 * An entry that has no index yet.
 *
 * @example
 * ```ts
 * import type { NewRaftEntry } from "@durable/wal/raft";
 *
 * const entry: NewRaftEntry = { term: 1, data: new Uint8Array([1, 2, 3]) };
 * ```
 */
export interface NewRaftEntry {
  /** The term of the leader that received the command, from 1. */
  readonly term: number;
  /** The command; may be empty. */
  readonly data: Uint8Array;
}

/**
 * An entry of the log.
 *
 * @example
 * ```ts
 * import type { RaftEntry } from "@durable/wal/raft";
 *
 * const entry: RaftEntry = { index: 1, term: 1, data: new Uint8Array([1, 2, 3]) };
 * ```
 */
export interface RaftEntry extends NewRaftEntry {
  /** The entry's index, from 1. */
  readonly index: number;
}

/**
 * What a node must remember of elections before it answers a message.
 *
 * @example
 * ```ts
 * import type { HardState } from "@durable/wal/raft";
 *
 * const state: HardState = { term: 7, votedFor: "b" };
 * ```
 */
export interface HardState {
  /** The latest term that the node has seen; 0 at first. */
  readonly term: number;
  /** The candidate that got its vote in that term; `null` if none did. */
  readonly votedFor: string | null;
}

/**
 * The last entry that a snapshot has.
 *
 * @example
 * ```ts
 * import type { SnapshotMark } from "@durable/wal/raft";
 *
 * const none: SnapshotMark = { index: 0, term: 0 };
 * ```
 */
export interface SnapshotMark {
  /** The entry's index; 0 if there is no snapshot. */
  readonly index: number;
  /** The entry's term; 0 if there is no snapshot. */
  readonly term: number;
}

/**
 * What came of a leader's entries.
 *
 * @example
 * ```ts
 * import type { AppendOutcome } from "@durable/wal/raft";
 *
 * const appended: AppendOutcome = { matches: true, lastIndex: 9, droppedFrom: undefined };
 * const refused: AppendOutcome = { matches: false, conflict: { index: 4, term: 2 } };
 * ```
 */
export type AppendOutcome =
  | {
    /** The log has the leader's previous entry, and now its entries, durably. */
    readonly matches: true;
    /** The last index up to which the log is now known to be the leader's. */
    readonly lastIndex: number;
    /** The first of the entries that had to go, if any: what was proposed there is lost. */
    readonly droppedFrom: number | undefined;
  }
  | {
    /** The log has not the leader's previous entry; nothing was changed. */
    readonly matches: false;
    /** Where the leader should try next. */
    readonly conflict: {
      /**
       * The first index that the log has of the conflicting term, or the one after its last entry
       * if it is too short.
       */
      readonly index: number;
      /** The term that the log has there instead; `undefined` if it is too short. */
      readonly term: number | undefined;
    };
  };

/**
 * The storage of a Raft node.
 *
 * What a promise of this class resolves to is durable. Changes take effect in the order in which they
 * are called, and appends that are called together share a sync; reads show a change once it is
 * written, and the term, vote and snapshot once they are durable.
 *
 * Term, vote and snapshot mark are one record, replaced as a whole. A change of the log's beginning
 * takes two steps, the mark first and then the log; a crash between them leaves a log that begins at
 * or below the mark, and the next open does the second step:
 *
 * - The log has the mark's entry, with its term: everything up to it is dropped.
 * - It has another entry there, or none: everything is dropped, and the log continues after the
 *   mark.
 *
 * That is the choice which {@linkcode installSnapshot} makes, so no note of what was under way is
 * needed. The other order could leave a log that begins after an entry of an unknown term.
 *
 * Memory holds one number pair a term in the log. Open finds them by bisection, with about
 * `2 × terms × log2(entries)` reads, not with a pass over the log.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 * import { RaftStorage } from "@durable/wal/raft";
 *
 * const fileSystem = new MemoryFileSystem();
 * const storage = await RaftStorage.open("raft.wal", { fileSystem });
 * const data = new Uint8Array([1]);
 * await storage.append([{ term: 1, data }, { term: 1, data }, { term: 2, data }]);
 * assertEquals([storage.firstIndex, storage.lastIndex, storage.lastTerm], [1, 3, 2]);
 * await storage.compact(2); // the node's own snapshot has the entries 1 and 2
 * assertEquals(storage.snapshot, { index: 2, term: 1 });
 * assertEquals(storage.firstIndex, 3);
 * await storage.close();
 * ```
 */
export class RaftStorage {
  readonly #wal: Wal;
  #state: RaftState;
  /** The terms of the entries from {@linkcode firstIndex} to {@linkcode lastIndex}. */
  #terms: Terms = new Terms();
  /** The log's own goes through intermediate values while it is changed. */
  #lastIndex: number;
  /** Changes take turns; one that left the log half changed ends the storage. */
  readonly #lifecycle: Lifecycle;

  private constructor(wal: Wal, state: RaftState) {
    this.#wal = wal;
    this.#state = state;
    this.#lastIndex = wal.lastIndex;
    this.#lifecycle = new Lifecycle(wal.path, false);
  }

  /**
   * Opens the storage at `path`, or makes it, and finishes what a crash left half done.
   *
   * Durability at return: all that the storage then has.
   *
   * @param path The path of the log's first file.
   * @param options See {@linkcode RaftStorageOptions}.
   * @throws As `Wal.open`, and `WalError` `ERR_WAL_FORMAT`: what is there was not written by this
   * class.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { RaftStorage } from "@durable/wal/raft";
   *
   * const fileSystem = new MemoryFileSystem();
   * await using storage = await RaftStorage.open("raft.wal", { fileSystem });
   * assertEquals(storage.lastIndex, 0);
   * assertEquals(storage.hardState, { term: 0, votedFor: null });
   * ```
   */
  static async open(path: string, options: RaftStorageOptions = {}): Promise<RaftStorage> {
    requireObject("options", options);
    for (const name of ["format", "readOnly"]) {
      if (name in options) {
        throw new WalError(
          "ERR_WAL_INVALID_ARGUMENT",
          `The option "${name}" is not open to choice: a Raft node writes a log of format 2. To ` +
            "look at one that is in use, open it with Wal and { readOnly: true }.",
        );
      }
    }
    const wal = await Wal.open(path, options);
    try {
      const state = decodeState(wal.state);
      if (state === undefined) throw foreign(path, "its state is not a term, a vote and a mark");
      const storage = new RaftStorage(wal, state);
      await storage.#finish();
      return storage;
    } catch (error) {
      await wal.close();
      throw error;
    }
  }

  /** The path of the log's first file, absolute and without links. */
  get path(): string {
    return this.#wal.path;
  }

  /**
   * The log's own id, in hexadecimal digits: a snapshot that is written with `SnapshotFile` of
   * `@durable/wal/snapshot` states it.
   */
  get id(): string {
    return this.#wal.id;
  }

  /** What open found at the end of the log and did about it. */
  get recovery(): Recovery {
    return this.#wal.recovery;
  }

  /** The size of the log in bytes, by which a node may decide when to take a snapshot. */
  get byteLength(): number {
    return this.#wal.byteLength;
  }

  /** The index of the first entry: the one after the snapshot's. */
  get firstIndex(): number {
    return this.#state.snapshot.index + 1;
  }

  /** The index of the last entry; the snapshot's if there is none. */
  get lastIndex(): number {
    return this.#lastIndex;
  }

  /** The term of the last entry; the snapshot's if there is none. */
  get lastTerm(): number {
    return this.term(this.#lastIndex);
  }

  /** The last entry that was dropped from the log's beginning, because a snapshot has it. */
  get snapshot(): SnapshotMark {
    return this.#state.snapshot;
  }

  /** The term and the vote, as they are durable. */
  get hardState(): HardState {
    const { term, votedFor } = this.#state;
    return { term, votedFor };
  }

  /**
   * The term of an entry, or of the last one that the snapshot has. It needs no read.
   *
   * @param index From the snapshot's index to {@linkcode lastIndex}.
   * @throws {WalError} `ERR_WAL_INDEX_OUT_OF_RANGE`: it is not among them.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { RaftStorage } from "@durable/wal/raft";
   *
   * const fileSystem = new MemoryFileSystem();
   * await using storage = await RaftStorage.open("raft.wal", { fileSystem });
   * assertEquals(storage.term(0), 0); // in front of the first entry
   * await storage.append([{ term: 4, data: new Uint8Array() }]);
   * assertEquals(storage.term(1), 4);
   * ```
   */
  term(index: number): number {
    const { snapshot } = this.#state;
    if (index === snapshot.index) return snapshot.term;
    this.#requireIndex(index);
    return this.#terms.runOf(index).term;
  }

  /**
   * Reads one entry.
   *
   * @param index The entry's index.
   * @throws {WalError} `ERR_WAL_INDEX_OUT_OF_RANGE`: no such entry, or the snapshot has it.
   * `ERR_WAL_CLOSED`. `ERR_WAL_IO`.
   * @throws `CorruptionError` `ERR_WAL_CORRUPT`: the entry fails its checksum.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { RaftStorage } from "@durable/wal/raft";
   *
   * const fileSystem = new MemoryFileSystem();
   * await using storage = await RaftStorage.open("raft.wal", { fileSystem });
   * await storage.append([{ term: 1, data: new Uint8Array([7]) }]);
   * assertEquals(storage.entry(1), { index: 1, term: 1, data: new Uint8Array([7]) });
   * ```
   */
  entry(index: number): RaftEntry {
    this.#requireIndex(index);
    return this.#decoded(index, this.#wal.getEntry(index));
  }

  /**
   * Reads entries in order, as the loop asks for them. Entries that are appended meanwhile are not
   * among them.
   *
   * @param range Which entries; by default all.
   * @throws As {@linkcode entry}; `from` may be one above {@linkcode lastIndex}, which gives none.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { RaftStorage } from "@durable/wal/raft";
   *
   * const fileSystem = new MemoryFileSystem();
   * await using storage = await RaftStorage.open("raft.wal", { fileSystem });
   * const data = new Uint8Array();
   * await storage.append([{ term: 1, data }, { term: 1, data }, { term: 3, data }]);
   * assertEquals(Array.from(storage.entries({ from: 2 }), (entry) => entry.term), [1, 3]);
   * ```
   */
  entries(range: EntryRange = {}): Generator<RaftEntry, void, undefined> {
    requireOptions("range", range, RANGE);
    const { from = this.firstIndex, to = this.#lastIndex } = range;
    if (from !== this.#lastIndex + 1) this.#requireIndex(from);
    if (to !== from - 1) this.#requireIndex(to);
    return this.#entries(from, to);
  }

  *#entries(from: number, to: number): Generator<RaftEntry, void, undefined> {
    if (from > to) return;
    for (const { index, data } of this.#wal.entries({ from, to })) yield this.#decoded(index, data);
  }

  /**
   * Appends entries, as a leader does with the commands that it receives, in one batch.
   *
   * Durability at return: the entries, as one atom.
   *
   * @param entries At least one; their terms must not go down. They are copied before the call
   * returns.
   * @returns The indexes of the first and the last of them.
   * @throws `WalError` `ERR_WAL_INVALID_ARGUMENT`: no entries, or a term that goes down.
   * `ERR_WAL_ENTRY_TOO_LARGE`, `ERR_WAL_BATCH_TOO_LARGE`, `ERR_WAL_WRITE_FAILED`: nothing was
   * written. `ERR_WAL_SYNC_FAILED`: the storage has ended and must be opened again.
   * `ERR_WAL_CLOSED`.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { RaftStorage } from "@durable/wal/raft";
   *
   * const fileSystem = new MemoryFileSystem();
   * await using storage = await RaftStorage.open("raft.wal", { fileSystem });
   * const data = new Uint8Array();
   * const range = await storage.append([{ term: 1, data }, { term: 1, data }]);
   * assertEquals(range, { firstIndex: 1, lastIndex: 2 });
   * ```
   */
  async append(entries: readonly NewRaftEntry[]): Promise<BatchRange> {
    const batch = readEntries(entries);
    if (batch.length === 0) throw invalid("batch", "an array of at least one entry", entries);
    // Calls that are made together get their turn together, and so share the sync.
    await this.#lifecycle.idle;
    this.#lifecycle.requireNotEnded();
    requireAscent(this.lastTerm, batch);
    const range = this.#append(batch);
    await this.#wal.sync();
    return range;
  }

  /**
   * Takes a leader's entries, as a follower does: steps 2 to 4 of AppendEntries in figure 2.
   *
   * Entries that the log has already are skipped, so that a message which comes late or twice drops
   * nothing. At the first that differs, it and all after it are dropped, and the leader's appended.
   * Committed entries cannot differ; those that the snapshot has are skipped.
   *
   * After a crash the log has the old entries, or is cut at the conflict, or has the leader's too.
   * Dropped entries are not committed, and the leader sends missing ones again.
   *
   * Durability at return: all entries up to the outcome's `lastIndex`.
   *
   * @param prevIndex The index of the entry in front of these.
   * @param prevTerm The term of that entry.
   * @param entries The entries after it; none, in a heartbeat. They are copied before the call
   * returns.
   * @returns Whether the log has the previous entry, and if not, where to try next.
   * @throws `WalError` `ERR_WAL_INVALID_ARGUMENT`: a term goes down, or an entry contradicts the
   * snapshot; then something that was committed is not, and nothing was changed.
   * `ERR_WAL_ENTRY_TOO_LARGE`, `ERR_WAL_BATCH_TOO_LARGE`, `ERR_WAL_WRITE_FAILED`: none of them was
   * written, though entries in conflict may be gone. `ERR_WAL_SYNC_FAILED`: the storage has ended
   * and must be opened again. `ERR_WAL_CLOSED`.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { RaftStorage } from "@durable/wal/raft";
   *
   * const fileSystem = new MemoryFileSystem();
   * await using storage = await RaftStorage.open("raft.wal", { fileSystem });
   * const data = new Uint8Array();
   * await storage.append([{ term: 1, data }, { term: 1, data }, { term: 1, data }]);
   *
   * assertEquals(await storage.appendFromLeader(2, 1, [{ term: 2, data }]), {
   *   matches: true,
   *   lastIndex: 3,
   *   droppedFrom: 3,
   * });
   * assertEquals(await storage.appendFromLeader(9, 2, []), {
   *   matches: false,
   *   conflict: { index: 4, term: undefined },
   * });
   * ```
   */
  async appendFromLeader(
    prevIndex: number,
    prevTerm: number,
    entries: readonly NewRaftEntry[],
  ): Promise<AppendOutcome> {
    if (!Number.isSafeInteger(prevIndex) || prevIndex < 0 || prevIndex > MAX_INDEX) {
      throw invalid("prevIndex", `a whole number from 0 to ${MAX_INDEX}`, prevIndex);
    }
    if (prevTerm !== 0 && !isTerm(prevTerm)) {
      throw invalid("prevTerm", "a whole number from 0", prevTerm);
    }
    const batch = readEntries(entries);
    // Those in conflict must not go for entries that have no index.
    if (batch.length > MAX_INDEX - prevIndex) {
      throw invalid("prevIndex", `${MAX_INDEX - batch.length} or lower`, prevIndex);
    }
    requireAscent(prevTerm, batch);
    const { outcome, synced } = await this.#lifecycle.inTurn(async () => ({
      outcome: await this.#resolve(prevIndex, prevTerm, batch),
      // Entries that were there already may still be on their way to the disk.
      synced: this.#wal.sync(),
    }));
    await synced;
    return outcome;
  }

  async #resolve(
    prevIndex: number,
    prevTerm: number,
    entries: readonly EncodedEntry[],
  ): Promise<AppendOutcome> {
    const { snapshot } = this.#state;
    const conflict = this.#conflictAt(prevIndex, prevTerm);
    if (conflict !== undefined) return { matches: false, conflict };
    const lastIndex = prevIndex + entries.length;
    const covering = entries[snapshot.index - prevIndex - 1];
    if (covering !== undefined && covering.term !== snapshot.term) {
      throw contradicts(this.path, snapshot, covering.term);
    }
    const skipped = entries.findIndex(({ term }, i) => {
      const index = prevIndex + 1 + i;
      return index > this.#lastIndex || (index > snapshot.index && this.term(index) !== term);
    });
    if (skipped === -1) return { matches: true, lastIndex, droppedFrom: undefined };
    const index = prevIndex + 1 + skipped;
    const droppedFrom = index <= this.#lastIndex ? index : undefined;
    if (droppedFrom !== undefined) await this.#cutFrom(droppedFrom);
    this.#append(entries.slice(skipped));
    return { matches: true, lastIndex, droppedFrom };
  }

  /** Where the leader's log differs at this entry; undefined if it does not, as far as is known. */
  #conflictAt(
    index: number,
    term: number,
  ): { index: number; term: number | undefined } | undefined {
    const { snapshot } = this.#state;
    if (index > this.#lastIndex) return { index: this.#lastIndex + 1, term: undefined };
    // What the snapshot has is committed, so every leader has it too.
    if (index < snapshot.index) return undefined;
    if (this.term(index) === term) return undefined;
    if (index === snapshot.index) throw contradicts(this.path, snapshot, term);
    const run = this.#terms.runOf(index);
    return { index: run.firstIndex, term: run.term };
  }

  /**
   * Stores the term and the vote. A node does this before it answers a request for its vote, asks for
   * votes itself, or answers in a new term.
   *
   * Durability at return: both. After a crash before that they are the old ones or the new ones.
   *
   * @param hardState The term must not go down, and within a term a vote must not change: either
   * could elect two leaders.
   * @throws `WalError` `ERR_WAL_INVALID_ARGUMENT`: it does. `ERR_WAL_STATE_TOO_LARGE`: the name is
   * longer than nearly 32 KiB. `ERR_WAL_CLOSED`.
   * @throws `SyncFailedError` `ERR_WAL_SYNC_FAILED`: the outcome is unknown; the storage has ended
   * and must be opened again.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { RaftStorage } from "@durable/wal/raft";
   *
   * const fileSystem = new MemoryFileSystem();
   * await using storage = await RaftStorage.open("raft.wal", { fileSystem });
   * await storage.setHardState({ term: 3, votedFor: null }); // a message of term 3 came
   * await storage.setHardState({ term: 3, votedFor: "b" }); // and b asked for the vote
   * assertEquals(storage.hardState, { term: 3, votedFor: "b" });
   * ```
   */
  async setHardState(hardState: HardState): Promise<void> {
    requireObject("hard state", hardState);
    const { term, votedFor } = hardState;
    if (term !== 0 && !isTerm(term)) throw invalid("term", "a whole number from 0", term);
    if (votedFor !== null && (typeof votedFor !== "string" || !votedFor.isWellFormed())) {
      throw invalid("votedFor", "null or a string of whole characters", votedFor);
    }
    await this.#lifecycle.inTurn(async () => {
      const now = this.#state;
      if (term < now.term) throw invalid("term", `${now.term} or higher`, term);
      if (term === now.term) {
        if (votedFor === now.votedFor) return;
        if (now.votedFor !== null) {
          const wanted = `"${now.votedFor}", which has the vote of term ${term}`;
          throw invalid("votedFor", wanted, votedFor);
        }
      }
      await this.#setState({ ...now, term, votedFor });
    });
  }

  /**
   * Drops all entries up to an index, which the node's own snapshot has. The snapshot must be durable
   * before this is called. A crash leaves the log as it was, or compacted once it is opened.
   *
   * Durability at return: the entries are gone, and the index and term of the last one are known as
   * {@linkcode snapshot}.
   *
   * @param index The last entry that the snapshot has, which must be committed and applied.
   * @throws `WalError` `ERR_WAL_INDEX_OUT_OF_RANGE`: no such entry. `ERR_WAL_CLOSED`.
   * @throws `SyncFailedError` `ERR_WAL_SYNC_FAILED`: the outcome is unknown; the storage has ended
   * and must be opened again.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { RaftStorage } from "@durable/wal/raft";
   *
   * const fileSystem = new MemoryFileSystem();
   * await using storage = await RaftStorage.open("raft.wal", { fileSystem });
   * const data = new Uint8Array();
   * await storage.append([{ term: 1, data }, { term: 2, data }, { term: 2, data }]);
   * await storage.compact(2);
   * assertEquals(storage.snapshot, { index: 2, term: 2 });
   * assertEquals([storage.firstIndex, storage.lastIndex], [3, 3]);
   * ```
   */
  async compact(index: number): Promise<void> {
    await this.#lifecycle.inTurn(async () => {
      if (index === this.#state.snapshot.index) return;
      this.#requireIndex(index);
      await this.#dropThrough({ index, term: this.term(index) });
    });
  }

  /**
   * Makes the log one that follows a leader's snapshot: steps 6 and 7 of InstallSnapshot in figure
   * 13. If the log has the snapshot's last entry, with its term, the entries after it are kept;
   * otherwise all of the log is dropped. A snapshot that is older than the log's own changes
   * nothing.
   *
   * The snapshot must be durable before this is called, as a file of `SnapshotFile` is once its
   * `finish` has resolved. A crash leaves the log as it was, or with the
   * snapshot installed once it is opened.
   *
   * Durability at return: the change.
   *
   * @param snapshot The last entry that the snapshot has.
   * @returns Whether the log agrees with the snapshot. If it does not, the state machine must begin
   * again with the snapshot.
   * @throws `WalError` `ERR_WAL_INVALID_ARGUMENT`: no such mark, or one that contradicts the log's
   * own. `ERR_WAL_CLOSED`.
   * @throws `SyncFailedError` `ERR_WAL_SYNC_FAILED`: the outcome is unknown; the storage has ended
   * and must be opened again.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { RaftStorage } from "@durable/wal/raft";
   *
   * const fileSystem = new MemoryFileSystem();
   * await using storage = await RaftStorage.open("raft.wal", { fileSystem });
   * await storage.append([{ term: 1, data: new Uint8Array() }]);
   * assertEquals(await storage.installSnapshot({ index: 100, term: 3 }), false);
   * assertEquals([storage.firstIndex, storage.lastIndex, storage.lastTerm], [101, 100, 3]);
   * ```
   */
  async installSnapshot(snapshot: SnapshotMark): Promise<boolean> {
    requireObject("snapshot", snapshot);
    const { index, term } = snapshot;
    // The log continues after it.
    if (!Number.isSafeInteger(index) || index < 1 || index >= MAX_INDEX) {
      throw invalid("snapshot's index", `a whole number from 1 to ${MAX_INDEX - 1}`, index);
    }
    if (!isTerm(term)) throw invalid("snapshot's term", "a whole number from 1", term);
    return await this.#lifecycle.inTurn(async () => {
      const now = this.#state.snapshot;
      if (index === now.index && term !== now.term) throw contradicts(this.path, now, term);
      if (index <= now.index) return true;
      if (term < now.term) throw invalid("snapshot's term", `${now.term} or higher`, term);
      if (index <= this.#lastIndex && this.term(index) === term) {
        await this.#dropThrough({ index, term });
        return true;
      }
      await this.#replace({ index, term });
      return false;
    });
  }

  /**
   * Waits for the changes that were called before, until they are durable.
   *
   * @throws `SyncFailedError` `ERR_WAL_SYNC_FAILED`: the outcome is unknown; the storage has ended
   * and must be opened again.
   * @throws `WalError` `ERR_WAL_CLOSED`.
   *
   * @example
   * ```ts
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { RaftStorage } from "@durable/wal/raft";
   *
   * const fileSystem = new MemoryFileSystem();
   * await using storage = await RaftStorage.open("raft.wal", { fileSystem });
   * const appended = storage.append([{ term: 1, data: new Uint8Array() }]);
   * await storage.sync(); // the entry is durable
   * await appended;
   * ```
   */
  async sync(): Promise<void> {
    await this.#lifecycle.idle;
    this.#lifecycle.requireNotEnded();
    await this.#wal.sync();
  }

  /**
   * Closes the storage, after the changes that were called before, and gives the lock back. A second
   * call does nothing more.
   *
   * @throws `SyncFailedError` `ERR_WAL_SYNC_FAILED`: the last entries could not be made durable, and
   * no call has said so yet. The storage is closed all the same.
   *
   * @example
   * ```ts
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { RaftStorage } from "@durable/wal/raft";
   *
   * const fileSystem = new MemoryFileSystem();
   * const storage = await RaftStorage.open("raft.wal", { fileSystem });
   * await storage.close();
   * ```
   */
  close(): Promise<void> {
    return this.#lifecycle.close(() => this.#wal.close());
  }

  /**
   * Closes the storage at the end of a block that holds it with `await using`.
   *
   * @example
   * ```ts
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { RaftStorage } from "@durable/wal/raft";
   *
   * {
   *   const fileSystem = new MemoryFileSystem();
   *   await using storage = await RaftStorage.open("raft.wal", { fileSystem });
   *   await storage.setHardState({ term: 1, votedFor: null });
   * } // here the lock is free
   * ```
   */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Does the second step of a change that a crash interrupted after the first, and finds the terms. */
  async #finish(): Promise<void> {
    const wal = this.#wal;
    const { snapshot } = this.#state;
    const first = snapshot.index + 1;
    if (wal.firstIndex < first) {
      const agrees = wal.lastIndex >= snapshot.index &&
        this.#decoded(snapshot.index, wal.getEntry(snapshot.index)).term === snapshot.term;
      if (agrees) await wal.truncateBeforeIndex(first);
      else await wal.reset(first);
    }
    if (wal.firstIndex !== first) {
      throw foreign(this.path, `it begins with entry ${wal.firstIndex}, and the mark is before it`);
    }
    this.#lastIndex = wal.lastIndex;
    this.#terms = Terms.find(
      first,
      wal.lastIndex,
      (index) => this.#decoded(index, wal.getEntry(index)).term,
      (index) => foreign(this.path, `the term of entry ${index} is below that of one before it`),
    );
  }

  #append(entries: readonly EncodedEntry[]): BatchRange {
    const range = this.#wal.appendBatch(entries.map(({ bytes }) => bytes));
    entries.forEach(({ term }, i) => this.#terms.add(range.firstIndex + i, term));
    this.#lastIndex = range.lastIndex;
    return range;
  }

  async #cutFrom(index: number): Promise<void> {
    this.#terms.cutFrom(index);
    this.#lastIndex = index - 1;
    await this.#change(() => this.#wal.truncateFromIndex(index));
  }

  /** Drops the entries up to one that the log has. */
  async #dropThrough(snapshot: SnapshotMark): Promise<void> {
    await this.#setState({ ...this.#state, snapshot });
    this.#terms.dropBefore(snapshot.index + 1, this.#lastIndex);
    await this.#change(() => this.#wal.truncateBeforeIndex(snapshot.index + 1));
  }

  /** Drops all entries; the log continues after one that it has not. */
  async #replace(snapshot: SnapshotMark): Promise<void> {
    await this.#setState({ ...this.#state, snapshot });
    this.#terms = new Terms();
    this.#lastIndex = snapshot.index;
    await this.#change(() => this.#wal.reset(snapshot.index + 1));
  }

  async #setState(state: RaftState): Promise<void> {
    await this.#wal.setState(encodeState(state));
    this.#state = state;
  }

  /** Runs a change of the log that must not be left half done. */
  async #change(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      throw this.#lifecycle.end(error);
    }
  }

  #decoded(index: number, bytes: Uint8Array): RaftEntry {
    const entry = decodeEntry(bytes);
    if (entry === undefined) throw foreign(this.path, `entry ${index} does not begin with a term`);
    return { index, ...entry };
  }

  #requireIndex(index: number): void {
    const { firstIndex, lastIndex } = this;
    if (Number.isSafeInteger(index) && index >= firstIndex && index <= lastIndex) return;
    const has = lastIndex < firstIndex
      ? "has no entries"
      : `has the entries ${firstIndex} to ${lastIndex}`;
    throw noEntry(index, this.path, `${has}, and its snapshot those up to ${firstIndex - 1}`);
  }
}

/** An entry that was taken from the caller, as its bytes in the log. */
interface EncodedEntry {
  readonly term: number;
  readonly bytes: Uint8Array;
}

/** Copies the entries of a batch, each read once. */
function readEntries(entries: readonly NewRaftEntry[]): EncodedEntry[] {
  if (!isArray(entries)) throw invalid("batch", "an array of entries", entries);
  const batch: EncodedEntry[] = [];
  for (const entry of entries) {
    requireObject("entry", entry);
    const { term, data } = entry;
    if (!isTerm(term)) throw invalid("entry's term", "a whole number from 1", term);
    if (!isBytes(data)) throw invalid("entry's data", "a Uint8Array", data);
    batch.push({ term, bytes: encoded(term, data) });
  }
  return batch;
}

/** An entry as its bytes in the log, if there is memory for them. */
function encoded(term: number, data: Uint8Array): Uint8Array {
  try {
    return encodeEntry(term, data);
  } catch (cause) {
    throw writeFailed(`copy an entry of ${data.length} bytes`, cause);
  }
}

function requireAscent(before: number, entries: readonly EncodedEntry[]): void {
  for (const { term } of entries) {
    if (term < before) throw invalid("entry's term", `${before} or higher`, term);
    before = term;
  }
}

/** The error for a log that another program wrote. */
function foreign(path: string, what: string): WalError {
  return new WalError(
    "ERR_WAL_FORMAT",
    `"${path}" is not the log of a Raft node: ${what}. Nothing was changed. Give the path of ` +
      "another, or of one to be made.",
  );
}

/** The error for what cannot be if what the snapshot has was committed. */
function contradicts(path: string, { index, term }: SnapshotMark, other: number): WalError {
  return new WalError(
    "ERR_WAL_INVALID_ARGUMENT",
    `The snapshot of "${path}" ends with entry ${index} of term ${term}, which must be committed, ` +
      `and the entry that was given for it is of term ${other}. Nothing was changed. Look for an ` +
      "entry that was applied before it was committed, or a vote that was given twice.",
  );
}
