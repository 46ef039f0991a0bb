/**
 * A log as an array: what its calls do to it, what an interrupted call may leave, and what is found
 * when it is opened again. A second opinion, that shares no code with the log nor with its oracle.
 *
 * @module
 */
import type { WalErrorCode } from "../../mod.ts";

/** Entries that are there together or not at all. */
export type Atom = readonly Uint8Array[];

/** A log. */
export interface Log {
  /** The index of the first entry, or of the next one if there is none. */
  readonly first: number;
  readonly atoms: readonly Atom[];
  readonly state: Uint8Array;
  /** The last index that a power cut leaves. */
  readonly durable: number;
}

/** A new log. */
export const EMPTY: Log = { first: 1, atoms: [], state: new Uint8Array(0), durable: 0 };

/** The entries, in order. */
export function entriesOf(log: Log): Uint8Array[] {
  return log.atoms.flat();
}

/** The index of the last entry; one below the first if there is none. */
export function lastOf(log: Log): number {
  return log.first + entriesOf(log).length - 1;
}

/** With more atoms at its end. */
export function appended(log: Log, atoms: readonly Atom[]): Log {
  return { ...log, atoms: [...log.atoms, ...atoms] };
}

/** With everything durable. */
export function synced(log: Log): Log {
  return { ...log, durable: lastOf(log) };
}

/** With another state. */
export function withState(log: Log, state: Uint8Array): Log {
  return { ...log, state };
}

/** Without the entries from an index on; what is left is durable. */
export function withoutTail(log: Log, index: number): Log {
  return synced({ ...log, atoms: onlyFirst(log.atoms, index - log.first) });
}

/** Without the entries below an index. */
export function withoutHead(log: Log, index: number): Log {
  let drop = index - log.first;
  const atoms = log.atoms.map((atom) => {
    const kept = atom.slice(drop);
    drop = Math.max(0, drop - atom.length);
    return kept;
  });
  const durable = Math.max(log.durable, index - 1);
  return { ...log, first: index, atoms: atoms.filter(({ length }) => length > 0), durable };
}

/** Without any entry, and the next one has an index. */
export function emptied(log: Log, next: number): Log {
  return { ...log, first: next, atoms: [], durable: next - 1 };
}

/** What may be left of unsynced atoms: some of them from the first on. */
export function survivors(log: Log): Log[] {
  return prefixes(log).filter((prefix) => lastOf(prefix) >= log.durable);
}

/** What a `truncateFromIndex` leaves that did not finish: a cut between the two states. */
export function partlyWithoutTail(log: Log, index: number): Log[] {
  const durable = Math.min(log.durable, index - 1);
  return [...prefixes(log).filter((prefix) => lastOf(prefix) >= index), withoutTail(log, index)]
    .map((left) => ({ ...left, durable }));
}

/** What a `reset` leaves that did not finish. */
export function partlyEmptied(log: Log, next: number): Log[] {
  const durable = log.first - 1;
  return [...prefixes(log).map((left) => ({ ...left, durable })), emptied(log, next)];
}

/** What appends leave that did not finish. */
export function partlyAppended(log: Log, atoms: readonly Atom[]): Log[] {
  return Array.from({ length: atoms.length + 1 }, (_, n) => appended(log, atoms.slice(0, n)));
}

function prefixes(log: Log): Log[] {
  return Array.from(
    { length: log.atoms.length + 1 },
    (_, n) => ({ ...log, atoms: log.atoms.slice(0, n) }),
  );
}

function onlyFirst(atoms: readonly Atom[], entries: number): Atom[] {
  let left = entries;
  const kept = atoms.map((atom) => {
    const part = atom.slice(0, left);
    left -= part.length;
    return part;
  });
  return kept.filter(({ length }) => length > 0);
}

/** What can be seen of a log; `entries` may end early where the rest cannot be read. */
export interface View {
  readonly first: number;
  readonly last: number;
  readonly durable: number;
  readonly entries: readonly Uint8Array[];
  readonly state: Uint8Array;
}

/** Whether what is seen is this log. */
export function shows(view: View, log: Log): boolean {
  const entries = entriesOf(log);
  return view.first === log.first && view.last === lastOf(log) &&
    view.entries.every((data, i) => isSame(data, entries[i])) && isSame(view.state, log.state);
}

/** Whether two arrays have the same bytes. */
export function isSame(some: Uint8Array, other: Uint8Array | undefined): boolean {
  return some.length === other?.length && some.every((byte, i) => byte === other[i]);
}

/** What the log was opened with, as far as its behaviour depends on it. */
export interface OpenedWith {
  readonly segmentSize: number;
  readonly maxEntrySize: number;
  readonly format: 1 | 2;
}

/** A handle: there is none, it works, a failure has ended it, or it was closed. */
export type Handle = "none" | "open" | "ended" | "closed";

/** A log, the handle that has it open, and what is not known of it. */
export class Model {
  handle: Handle = "none";
  options: OpenedWith = { segmentSize: 0, maxEntrySize: 0, format: 2 };
  /** What the handle shows. */
  log: Log = EMPTY;
  /** What the files may hold: the log, or what an interrupted call has left of it. */
  outcomes: readonly Log[] = [EMPTY];
  /** Whether what was not durable may be gone. */
  isShaken = false;
  /** Whether an open for writing has ever succeeded. */
  isMade = false;
  /** Whether a call has reported the failure that ended the handle. */
  isTold = true;
  /** Whether the close has reported it. */
  hasCloseFailed = false;
  /** The entries that the handle appended, and their bytes. */
  appends = 0;
  bytesAppended = 0;
  /** The largest entry that was ever given to the log. */
  largest = 0;
  /** Counts payloads, so that no two are alike. */
  payloads = 0;

  /** A payload that is unlike all others, if it is long enough. */
  payload(size: number): Uint8Array {
    this.largest = Math.max(this.largest, size);
    const bytes = new Uint8Array(size).fill(++this.payloads);
    new TextEncoder().encodeInto(`#${this.payloads} `, bytes);
    return bytes;
  }

  /** The errors of any call that writes. */
  writingErrors(): WalErrorCode[] {
    if (this.handle === "closed") return ["ERR_WAL_CLOSED"];
    return this.handle === "ended" ? ["ERR_WAL_SYNC_FAILED"] : [];
  }

  /** The errors of appending these together. */
  appendErrors(entries: Atom): WalErrorCode[] {
    const { maxEntrySize, segmentSize, format } = this.options;
    const errors = this.writingErrors();
    if (entries.some(({ length }) => length > maxEntrySize)) errors.push("ERR_WAL_ENTRY_TOO_LARGE");
    if (entries.length < 2) return errors;
    if (format === 1) errors.push("ERR_WAL_FORMAT");
    // A Batch frame of 22 bytes, and a Durable frame of 42 that may stand in front of it.
    const size = entries.reduce((size, { length }) => size + 9 + length, 22 + 42);
    if (size > segmentSize) errors.push("ERR_WAL_BATCH_TOO_LARGE");
    return errors;
  }

  /** The errors of a call for an index that has to be there. */
  indexErrors(index: number, isEndAllowed: boolean): WalErrorCode[] {
    const end = lastOf(this.log) + (isEndAllowed ? 1 : 0);
    const isThere = Number.isInteger(index) && index >= this.log.first && index <= end;
    return isThere ? [] : ["ERR_WAL_INDEX_OUT_OF_RANGE"];
  }

  /** A call has done what it should. */
  become(log: Log): void {
    this.log = log;
    this.outcomes = [log];
  }

  /** A failure has ended the handle; it shows one of the outcomes. */
  end(outcomes: readonly Log[], isTold: boolean): void {
    this.handle = "ended";
    this.isTold = isTold;
    this.outcomes = outcomes;
  }

  /** The process has died within a call, or between two. */
  die(outcomes: readonly Log[] = this.outcomes): void {
    this.handle = "none";
    this.outcomes = outcomes;
  }

  /** What is found when the files are opened. */
  findable(): Log[] {
    return this.isShaken ? this.outcomes.flatMap(survivors) : [...this.outcomes];
  }

  /** The log was opened, and shows this. */
  opened(view: View, options: OpenedWith): void {
    this.handle = "open";
    this.options = options;
    this.isTold = true;
    this.isMade = true;
    this.isShaken = false;
    this.appends = 0;
    this.bytesAppended = 0;
    const { first, state, entries } = view;
    this.become(synced({ first, state, durable: 0, atoms: entries.map((data) => [data]) }));
  }
}
