/**
 * From a log and its snapshots to the state: the newest snapshot that the log's state names, else the
 * one before it, else all events, if the log still begins with the first; then the events after it.
 *
 * @module
 */
import type { EntryView } from "../entry.ts";
import { reasonOf, ReplayError, UnreadableEventError, WalError } from "../errors.ts";
import type { FileSystem } from "../fs/file_system.ts";
import type { WalOptions } from "../options.ts";
import type { Wal } from "../wal.ts";
import { loadContent } from "./content.ts";
import type { HeldState } from "./held_state.ts";
import type { Keys } from "./keys.ts";
import type { EventEntry, MachineCoder } from "./machine_coder.ts";
import { decodeNamed, type NamedSnapshot, snapshotPath } from "./named_snapshots.ts";
import { openNamed } from "./snapshots.ts";
import type { Undelivered } from "./undelivered.ts";

/** The codes of a snapshot that is lost, for which another one may stand in. */
const LOST: ReadonlySet<string> = new Set([
  "ERR_SNAPSHOT_DAMAGED",
  "ERR_SNAPSHOT_MISSING",
  "ERR_SNAPSHOT_OTHER_LOG",
]);

/** What entries are folded into. */
export interface Folded<E> {
  readonly held: HeldState<E>;
  readonly keys: Keys;
  readonly undelivered: Undelivered;
  readonly coder: Pick<MachineCoder<E>, "decodeAt">;
}

/** What a machine is rebuilt from, and into. */
export interface Rebuilt<E> extends Folded<E> {
  readonly log: Wal;
  readonly fileSystem: FileSystem;
}

/** Where a rebuilding begins. */
export interface Beginning {
  /** The snapshots that can be used, the newest first. */
  readonly usable: readonly NamedSnapshot[];
  /** Why the newer ones could not be used. */
  readonly skipped: readonly WalError[];
  /** The index that the state has. */
  readonly index: number;
}

/**
 * Loads the state to begin with.
 *
 * @param named Those that the log's state names, the newest first.
 * @throws {WalError} `ERR_MACHINE_NO_SNAPSHOT`: none can be used, and the first events are gone.
 */
export async function loadBeginning<E>(
  parts: Rebuilt<E>,
  named: readonly NamedSnapshot[],
): Promise<Beginning> {
  const { log, held, keys, undelivered } = parts;
  const skipped: WalError[] = [];
  for (const [i, one] of named.entries()) {
    const hasOther = named.length > i + 1 || log.firstIndex === 1;
    const lost = await load(parts, one, hasOther);
    if (lost === undefined) {
      requireNoGap(log, one.index, skipped);
      return { usable: named.slice(i), skipped, index: one.index };
    }
    skipped.push(lost);
  }
  requireNoGap(log, 0, skipped);
  held.reset();
  keys.clear();
  undelivered.clear();
  return { usable: [], skipped, index: 0 };
}

/**
 * Loads a snapshot; returns the error if it is lost. One that the system cannot read may be whole: the
 * user decides.
 *
 * @param hasOther Whether something can stand in for it.
 * @throws {WalError} `ERR_WAL_IO`: the system cannot read it.
 */
async function load<E>(
  { log, fileSystem, held, keys, undelivered }: Rebuilt<E>,
  named: NamedSnapshot,
  hasOther: boolean,
): Promise<WalError | undefined> {
  try {
    const file = await openNamed(log, fileSystem, named);
    try {
      loadContent(file.pieces(), file.version, { held, keys, undelivered });
    } catch (error) {
      // What could not be read may be damaged further on: then that is what is wrong.
      for (const _ of file.pieces());
      throw error;
    } finally {
      file.close();
    }
    return undefined;
  } catch (error) {
    if (!(error instanceof WalError)) throw error;
    if (LOST.has(error.code)) return error;
    if (error.code !== "ERR_WAL_IO") throw error;
    throw unreadable(snapshotPath(log.path, named.number), hasOther, error);
  }
}

function unreadable(path: string, hasOther: boolean, { cause }: WalError): WalError {
  const next = hasOther
    ? "move it away: then the snapshot before it stands in, or all events"
    : "restore it from a copy: nothing can stand in for it";
  return new WalError(
    "ERR_WAL_IO",
    `Cannot read the snapshot "${path}": ${
      reasonOf(cause)
    }. Nothing was changed. Mend the cause and ` +
      `open the log again. If the file is lost for good, ${next}.`,
    { cause },
  );
}

/** Refuses a log without the events after an index. */
function requireNoGap(log: Wal, index: number, skipped: readonly WalError[]): void {
  if (log.firstIndex <= index + 1) return;
  const what = index === 0
    ? "no snapshot that can be used"
    : `a snapshot up to entry ${index} only`;
  const why = skipped.length === 0 ? "" : `: ${skipped.map(reasonOf).join(" ")}`;
  const [cause] = skipped;
  throw new WalError(
    "ERR_MACHINE_NO_SNAPSHOT",
    `The state of "${log.path}" cannot be rebuilt: there is ${what}, and the log begins with entry ` +
      `${log.firstIndex}${why}. Nothing was changed. Restore the snapshot files from a copy.`,
    cause === undefined ? undefined : { cause },
  );
}

/**
 * Applies the events after an index.
 *
 * @returns The index that the state has now, how many events and how many bytes of entries there were.
 * @throws {ReplayError} `ERR_MACHINE_REPLAY`.
 */
export function replayEvents<E>(
  parts: Rebuilt<E>,
  after: number,
): { index: number; events: number; bytes: number } {
  const { log, held } = parts;
  const index = Math.max(after, log.lastIndex);
  let [events, bytes] = [0, 0];
  if (index === after) return { index, events, bytes };
  log.replay((entry) => {
    if (applyEntry(parts, entry)) events++;
    held.settle();
    bytes += entry.end - entry.start;
  }, { from: after + 1 });
  return { index, events, bytes };
}

/** Takes an entry of the log in, and applies its event; false if it has none. */
export function applyEntry<E>(
  { held, keys, undelivered, coder }: Folded<E>,
  { index, bytes, start, end }: Pick<EntryView, "index" | "bytes" | "start" | "end">,
): boolean {
  let entry: EventEntry<E> | undefined;
  try {
    const decoded = coder.decodeAt(index, bytes, start, end);
    if (decoded.kind === "handed over") {
      undelivered.handedOver(decoded);
      return false;
    }
    entry = decoded;
    held.apply(entry.event, { index, time: entry.time });
    if (entry.messages !== undefined) undelivered.add(index, entry.messages);
  } catch (cause) {
    const version = cause instanceof UnreadableEventError ? cause.version : entry?.version;
    throw new ReplayError(index, version, cause);
  }
  if (entry.key === undefined) return true;
  const { key, count } = entry.key;
  keys.add(key, { firstIndex: index, lastIndex: index + count - 1 });
  keys.forget();
  return true;
}

/** The snapshots that the log's state names. */
export function requireNamed(log: Wal, own: Uint8Array): NamedSnapshot[] {
  const named = decodeNamed(own);
  if (named !== undefined) return named;
  throw new WalError(
    "ERR_WAL_FORMAT",
    `The state of "${log.path}" does not name snapshots as this version does. Nothing was changed. ` +
      "Open it with the version of this package that wrote it.",
  );
}

/**
 * Refuses a log that ends before its snapshot does; where damage was given up on purpose, it continues
 * after the snapshot.
 */
export async function requireEnd(
  log: Wal,
  { index }: Beginning,
  { recovery }: WalOptions,
): Promise<void> {
  if (log.lastIndex >= index) return;
  if (recovery === "salvage") return await log.reset(index + 1);
  throw new WalError(
    "ERR_MACHINE_NO_SNAPSHOT",
    `"${log.path}" ends with entry ${log.lastIndex}, and its newest snapshot has the entries up to ` +
      `${index}: entries that were durable are gone. Nothing was changed. Restore the log's files from ` +
      'a copy; without one, open it with { recovery: "salvage" }, which continues after the snapshot.',
  );
}
