/**
 * Group commit for what comes in atoms: those that are called together are one batch, and all of a turn
 * of the event loop share a sync, as the log's own calls do.
 *
 * An atom whose batch is refused, as on a full disk, is tried with half of the others, and in the end
 * alone: so a small one finds the room that a large one did not. The log says of each atom whether it
 * has all of it or nothing.
 *
 * @module
 */
import { WalError } from "../errors.ts";
import type { AckedRecord, QueueRecord } from "./records.ts";

/** A record, and its entry's bytes. */
export interface Draft {
  readonly record: QueueRecord;
  readonly bytes: Uint8Array;
}

/** Records that are written together or not at all. */
interface Atom {
  readonly drafts: readonly Draft[];
  readonly resolve: (firstIndex: number) => void;
  readonly reject: (reason: unknown) => void;
}

/** What writes the batches, and syncs. */
export interface TurnLog {
  /**
   * Appends records as one atom, and takes them in.
   *
   * @returns The index of the first.
   */
  append(drafts: readonly Draft[]): number;
  /** One record that says what some do. */
  merged(records: readonly AckedRecord[]): Draft;
  /** Makes durable all that was appended. */
  sync(): Promise<void>;
  /** Called after each sync. */
  synced(): void;
  /** Called with what has, perhaps, ended the log. */
  failed(error: unknown): void;
}

/** Decides which atoms are one batch, and which sync each waits for. */
export class TurnCommit {
  readonly #log: TurnLog;
  #next: Atom[] = [];

  constructor(log: TurnLog) {
    this.#log = log;
  }

  /**
   * Appends records as one atom, with the others that are called together, and syncs.
   *
   * @returns The index of the first, once it is durable.
   * @throws Why they could not be appended, or the sync failed.
   */
  submit(drafts: readonly Draft[]): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    if (this.#next.push({ drafts, resolve, reject }) === 1) {
      queueMicrotask(() => this.#flush());
    }
    return promise;
  }

  #flush(): void {
    const atoms = this.#next;
    this.#next = [];
    const firsts = new Map<Atom, number>();
    this.#append(atoms, firsts);
    if (firsts.size > 0) void this.#sync(firsts);
  }

  /** Makes batches durable; it never rejects. */
  async #sync(firsts: ReadonlyMap<Atom, number>): Promise<void> {
    try {
      await this.#log.sync();
      for (const [atom, first] of firsts) atom.resolve(first);
      this.#log.synced();
    } catch (error) {
      for (const atom of firsts.keys()) atom.reject(error);
      this.#log.failed(error);
    }
  }

  /** Appends atoms with one batch, or each half of them by itself. Notes the first index of each. */
  #append(atoms: readonly Atom[], firsts: Map<Atom, number>): void {
    const [only] = atoms;
    if (only === undefined) return;
    const { drafts, places } = this.#batchOf(atoms);
    try {
      const first = this.#log.append(drafts);
      for (const [atom, place] of places) firsts.set(atom, first + place);
    } catch (error) {
      if (isRefusal(error) && atoms.length === 1) return only.reject(error);
      if (!isRefusal(error)) {
        for (const atom of atoms) atom.reject(error);
        return this.#log.failed(error);
      }
      const half = atoms.length >>> 1;
      this.#append(atoms.slice(0, half), firsts);
      this.#append(atoms.slice(half), firsts);
    }
  }

  /** The records of atoms, and where in them each atom begins. Lone acks of one consumer are one. */
  #batchOf(atoms: readonly Atom[]): { drafts: Draft[]; places: Map<Atom, number> } {
    const drafts: Draft[] = [];
    const places = new Map<Atom, number>();
    for (let i = 0; i < atoms.length;) {
      const acks = acksFrom(atoms, i);
      const count = Math.max(1, acks.length);
      for (const atom of atoms.slice(i, i + count)) places.set(atom, drafts.length);
      if (acks.length > 1) drafts.push(this.#log.merged(acks));
      else for (const draft of atoms[i]?.drafts ?? []) drafts.push(draft);
      i += count;
    }
    return { drafts, places };
  }
}

/** The acks of one consumer with which the atoms from one on begin, of those that are nothing else. */
function acksFrom(atoms: readonly Atom[], start: number): AckedRecord[] {
  const acks: AckedRecord[] = [];
  for (let i = start; i < atoms.length; i++) {
    const [draft, second] = atoms[i]?.drafts ?? [];
    if (draft?.record.kind !== "acked" || second !== undefined) break;
    if (acks[0] !== undefined && acks[0].consumer !== draft.record.consumer) break;
    acks.push(draft.record);
  }
  return acks;
}

/** Whether the log says that it is as before and can be written to again. */
function isRefusal(error: unknown): boolean {
  return error instanceof WalError &&
    (error.code === "ERR_WAL_WRITE_FAILED" || error.code === "ERR_WAL_BATCH_TOO_LARGE" ||
      error.code === "ERR_WAL_ENTRY_TOO_LARGE");
}
