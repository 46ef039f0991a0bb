/**
 * Commands that do the same to a log and to its model, with a disk that fails and a process and a
 * machine that die, and compare everything that can be seen after each.
 *
 * @module
 */
import fc from "fast-check";
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  type FileSystem,
  FileSystemError,
  type FileSystemErrorCode,
  Wal,
  WalError,
  type WalErrorCode,
} from "../../mod.ts";
import { syncDirectory, turns } from "../../kit/logs.ts";
import { clock } from "../../src/fs/clock.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import {
  CrashFileSystem,
  type FailedSync,
  FaultyFileSystem,
  type FileOperation,
} from "../../src/testing/testing.ts";
import {
  appended,
  type Atom,
  emptied,
  entriesOf,
  isSame,
  lastOf,
  type Log,
  Model,
  type OpenedWith,
  partlyAppended,
  partlyEmptied,
  partlyWithoutTail,
  shows,
  synced,
  type View,
  withoutHead,
  withoutTail,
  withState,
} from "./model.ts";

const PATH = "data/a.wal";

/** A file that takes the faults of reads that no command has met. */
const SCRATCH = "scratch";

/** Where the files are: in a memory that cannot die, or in one whose failed syncs are as on a file system. */
export type DiskKind = "memory" | FailedSync;

/** The timer of an idle log goes off when a command says so; shorter ones are the real ones. */
class ManualTimers {
  readonly #after = clock.after;
  readonly #waiting = new Set<() => void>();

  constructor() {
    clock.after = (milliseconds, call) => {
      if (milliseconds < 50) return this.#after(milliseconds, call);
      this.#waiting.add(call);
      return { cancel: () => this.#waiting.delete(call) };
    };
  }

  /** All go off, and those that they set. */
  fire(): void {
    for (const call of this.#waiting) {
      this.#waiting.delete(call);
      call();
    }
  }

  /** Gives the real ones back. */
  restore(): void {
    clock.after = this.#after;
  }
}

/** A fault that is yet to come. */
export interface Fault {
  readonly operation: FileOperation;
  readonly code: FileSystemErrorCode;
  readonly leaves: number;
  readonly after: number;
  readonly times: number;
}

/** What went wrong underneath during a call. */
interface Fired {
  /** A write or the making of a file failed: that can be taken back. */
  readonly writes: boolean;
  /** A sync, a truncation or a removal failed. */
  readonly syncs: boolean;
  /** A read, or the opening of a file that is there, failed. */
  readonly reads: boolean;
}

/** The real log, its files and its process. */
export class Rig {
  readonly failedSync: FailedSync | undefined;
  disk: MemoryFileSystem | CrashFileSystem;
  faulty: FaultyFileSystem;
  log: Wal | undefined;
  readonly timers: ManualTimers = new ManualTimers();
  readonly #armed = new Map<FileOperation, Fault & { count: number; seen: number }>();

  constructor(kind: DiskKind) {
    this.failedSync = kind === "memory" ? undefined : kind;
    this.disk = kind === "memory"
      ? new MemoryFileSystem()
      : new CrashFileSystem({ failedSync: kind });
    this.disk.open(SCRATCH, "create").close();
    syncDirectory(this.disk, ".");
    this.faulty = new FaultyFileSystem(this.disk);
  }

  /** Lets a call fail that is yet to come, if no other is going to of the same operation. */
  arm(fault: Fault): void {
    if (this.#pending(fault.operation) > 0) return;
    const { operation, code, ...options } = fault;
    this.faulty.fail(operation, code, options);
    this.#armed.set(operation, { ...fault, count: this.faulty.count(operation), seen: 0 });
  }

  /** What went wrong since the last time it was asked. Later reads go well, so that one can look. */
  takeFired(): Fired {
    const has = (...operations: FileOperation[]): boolean =>
      operations.filter((operation) => this.#takeFired(operation)).length > 0;
    const fired = {
      writes: has("write", "create"),
      syncs: has("truncate", "remove", "syncData", "sync", "syncBlocking", "syncDirectory"),
      reads: has("open", "read"),
    };
    this.#useUp("open", "read");
    return fired;
  }

  #takeFired(operation: FileOperation): boolean {
    const armed = this.#armed.get(operation);
    if (armed === undefined) return false;
    const fired = this.#fired(operation);
    const isNew = fired > armed.seen;
    armed.seen = fired;
    return isNew;
  }

  #fired(operation: FileOperation): number {
    const { count, after, times } = this.#armed.get(operation) ?? { count: 0, after: 0, times: 0 };
    return Math.min(times, Math.max(0, this.faulty.count(operation) - count - after));
  }

  #pending(operation: FileOperation): number {
    return (this.#armed.get(operation)?.times ?? 0) - this.#fired(operation);
  }

  /** Meets the faults of reads that no call has met. */
  #useUp(...operations: ("open" | "read")[]): void {
    for (const operation of operations) {
      while (!this.faulty.stopped && this.#pending(operation) > 0) {
        try {
          const file = this.faulty.open(SCRATCH, "read");
          file.read(new Uint8Array(1), 0);
          file.close();
        } catch (error) {
          assertInstanceOf(error, FileSystemError);
        }
      }
      this.#takeFired(operation);
    }
  }

  /** The process dies, and with `pick` the machine, of whose disk that state is left. */
  async die(pick?: number): Promise<void> {
    let next = this.disk;
    if (this.disk instanceof CrashFileSystem) {
      if (pick !== undefined) {
        const states = [...this.disk.crashStates({ limit: 24, seed: pick + 1 })];
        next = states[pick % states.length] ?? this.disk;
      }
      this.disk.kill();
    }
    // What a dead process does reaches no disk. In a memory that cannot die it gives the lock back.
    this.faulty.stopAfter(0);
    await Promise.allSettled([this.log?.close()]);
    this.log = undefined;
    this.disk = next;
    this.faulty = new FaultyFileSystem(next);
    this.#armed.clear();
  }

  /** Ends the run. */
  async end(): Promise<void> {
    await this.die();
    this.timers.restore();
  }
}

/** What came of a call. */
type Result =
  | { readonly kind: "returned"; readonly value: unknown }
  | { readonly kind: "threw"; readonly error: unknown };

async function settle(call: () => unknown): Promise<Result> {
  try {
    return { kind: "returned", value: await call() };
  } catch (error) {
    return { kind: "threw", error };
  }
}

function requireCode(error: unknown, codes: readonly WalErrorCode[]): WalErrorCode {
  if (!(error instanceof WalError)) throw new TypeError(`no WalError: ${error}`, { cause: error });
  if (!codes.includes(error.code)) {
    throw new TypeError(`${error.code} instead of ${codes.join(" or ") || "success"}`, {
      cause: error,
    });
  }
  return error.code;
}

/** All that can be seen of a log, each entry in two ways. */
export function look(log: Wal, isCut: boolean): View {
  const { firstIndex: first, lastIndex: last, durableIndex: durable, state } = log;
  assert(first >= 1 && last >= first - 1, `firstIndex ${first}, lastIndex ${last}`);
  const to = isCut ? Math.min(durable, last) : last;
  const entries = Array.from(log.entries({ from: first, to }), ({ index, data }, i) => {
    assertEquals(index, first + i, "the indexes are in order");
    return data;
  });
  assertEquals(entries.length, to + 1 - first, "as many entries as the indexes say");
  for (const [i, data] of entries.entries()) {
    assert(isSame(log.getEntry(first + i), data), `getEntry(${first + i}) is as entries()`);
  }
  return { first, last, durable, entries, state };
}

function inWords({ first, last, entries, state, durable }: View): string {
  const words = entries.map((data) => new TextDecoder().decode(data.subarray(0, 6)).trim());
  return `${first} to ${last} [${
    words.join(", ")
  }], durable to ${durable}, state of ${state.length} bytes`;
}

function viewOf(log: Log): View {
  const { first, state, durable } = log;
  return { first, last: lastOf(log), entries: entriesOf(log), state, durable };
}

function findShown(view: View, candidates: readonly Log[]): Log {
  const found = candidates.filter((log) => shows(view, log));
  const [best] = found.toSorted((a, b) => b.durable - a.durable);
  if (best !== undefined) return best;
  const expected = candidates.map((log) => inWords(viewOf(log)));
  throw new TypeError(`The log shows ${inWords(view)}; expected was ${expected.join("; or ")}`);
}

/** Compares all that can be seen of the log with the model. */
function compare(m: Model, rig: Rig, mayBeDurable: readonly number[] = []): void {
  if (rig.log === undefined || (m.handle !== "open" && m.handle !== "ended")) return;
  const view = look(rig.log, m.handle === "ended" && rig.failedSync === "btrfs");
  const shown = findShown(view, [m.log]);
  assert(
    [shown.durable, ...mayBeDurable].includes(view.durable),
    `durableIndex is ${view.durable}, not ${[shown.durable, ...mayBeDurable].join(" or ")}`,
  );
  m.log = { ...m.log, durable: view.durable };
  if (m.handle === "open") m.outcomes = [m.log];
  const { appends, bytesAppended } = rig.log.stats();
  assertEquals({ appends, bytesAppended }, { appends: m.appends, bytesAppended: m.bytesAppended });
}

/** The handle has ended: what it shows is one of the outcomes, and what it says is durable, is. */
function compareEnded(m: Model, rig: Rig): void {
  assert(rig.log !== undefined);
  const view = look(rig.log, rig.failedSync === "btrfs");
  const shown = findShown(view, m.outcomes);
  assert(
    view.durable >= shown.durable && view.durable <= view.last,
    `durableIndex is ${view.durable}, not from ${shown.durable} to ${view.last}`,
  );
  // A call that failed after it had appended has appended.
  count(m, entriesOf(shown).slice(entriesOf(m.log).length));
  m.log = { ...shown, durable: view.durable };
  // What it was to drop may be gone all the same.
  const durable = Math.min(view.durable, ...m.outcomes.map(lastOf));
  m.outcomes = m.outcomes.map((log) => ({ ...log, durable: Math.max(log.durable, durable) }));
  m.isShaken ||= rig.failedSync === "btrfs";
}

/** A call, and everything that may come of it. */
interface Call {
  readonly run: (log: Wal) => unknown;
  /** The errors of which it must have one, if there are any: it is a wrong call. */
  readonly errors: readonly WalErrorCode[];
  /** What it does; checks what it returned. */
  readonly done: (value: unknown) => Log;
  /** What it leaves if it does not finish. */
  readonly partly: () => readonly Log[];
  /** What it leaves if it fails without ending the handle. */
  readonly refused?: () => readonly Log[];
  /** How it may fail over what went wrong underneath. */
  readonly failures: (fired: Fired) => readonly WalErrorCode[];
  /** Up to where it may have made entries durable on the way, besides what it is to do. */
  readonly mayBeDurable?: readonly number[];
}

async function perform(m: Model, rig: Rig, call: Call): Promise<void> {
  const { log } = rig;
  assert(log !== undefined);
  const result = await settle(() => call.run(log));
  await turns();
  if (rig.faulty.stopped) {
    await rig.die();
    return m.die(call.errors.length > 0 ? undefined : call.partly());
  }
  const fired = rig.takeFired();
  const hasFired = fired.writes || fired.syncs || fired.reads;
  if (call.errors.length > 0) {
    assert(result.kind === "threw", `success instead of ${call.errors.join(" or ")}`);
    if (requireCode(result.error, call.errors) === "ERR_WAL_SYNC_FAILED") m.isTold = true;
    // Whether the names still lead to the files is looked at first.
    assert(!fired.writes && !fired.syncs, "a wrong call changes no file");
  } else if (hasFired) {
    await fail(m, rig, call, result, fired);
  } else {
    if (result.kind === "threw") requireCode(result.error, []);
    else m.become(call.done(result.value));
  }
  compare(m, rig, call.mayBeDurable);
}

async function fail(
  m: Model,
  rig: Rig,
  call: Call,
  result: Result,
  fired: Fired,
): Promise<void> {
  const codes = call.failures(fired);
  if (result.kind === "returned") {
    const mayBeSeal = fired.writes && (rig.log?.stats().segments ?? 0) > 1;
    if (mayBeSeal || (fired.syncs && codes.includes("ERR_WAL_SYNC_FAILED"))) {
      m.become(call.done(result.value));
      return await endedAfterwards(m, rig, fired);
    }
    // What could not be read may have been read elsewhere.
    const mayPass = codes.length === 0 || !(fired.writes || fired.syncs);
    assert(mayPass, "success, although a call underneath has failed");
    return m.become(call.done(result.value));
  }
  if (requireCode(result.error, codes) === "ERR_WAL_SYNC_FAILED") {
    m.end(call.partly(), true);
    return compareEnded(m, rig);
  }
  assert(rig.log !== undefined);
  const view = look(rig.log, false);
  m.become(findShown(view, call.refused?.() ?? [m.log]));
}

/**
 * A sync of a roll or of its Seal has failed, after the call: the next call says so. A write of the Seal
 * that has failed is tried again where there was no space.
 */
async function endedAfterwards(m: Model, rig: Rig, { syncs }: Fired): Promise<void> {
  const next = await settle(() => rig.log?.sync());
  if (next.kind === "returned") {
    assert(!syncs, "success, although a sync underneath has failed");
    return m.become(synced(m.log));
  }
  requireCode(next.error, ["ERR_WAL_SYNC_FAILED"]);
  m.end([m.log], true);
  compareEnded(m, rig);
}

/** How an append fails: it ends the handle only if what it wrote could not be taken back. */
function appendFailures({ writes, reads, syncs }: Fired): WalErrorCode[] {
  if (syncs) return ["ERR_WAL_SYNC_FAILED"];
  return writes || reads ? ["ERR_WAL_WRITE_FAILED"] : [];
}

/** The same for what drops entries: it may have failed before anything was done. */
function cutFailures({ syncs }: Fired): WalErrorCode[] {
  return syncs ? ["ERR_WAL_SYNC_FAILED"] : ["ERR_WAL_WRITE_FAILED", "ERR_WAL_SYNC_FAILED"];
}

/** The same for a change of the meta file, of which either copy may have failed. */
function metaFailures({ writes, reads, syncs }: Fired): WalErrorCode[] {
  if (syncs) return ["ERR_WAL_SYNC_FAILED"];
  if (reads && !writes) return ["ERR_WAL_IO"];
  return ["ERR_WAL_WRITE_FAILED", "ERR_WAL_SYNC_FAILED"];
}

export type Command = fc.AsyncCommand<Model, Rig>;

function command(
  name: string,
  run: (m: Model, rig: Rig) => Promise<void>,
  check: (m: Readonly<Model>) => boolean = ({ handle }) => handle !== "none",
): Command {
  return {
    check,
    run: async (m, rig) => {
      try {
        await run(m, rig);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new Error(`${name}: ${reason}`, { cause: error });
      }
    },
    toString: () => name,
  };
}

/** The death of the process within a command: after how many calls, and what the last one leaves. */
export interface Death {
  readonly after: number;
  readonly leaves: number;
}

/** The same command, with a process that dies in it, or in a later one. */
function dying(command: Command, death: Death | undefined): Command {
  if (death === undefined) return command;
  const { after, leaves } = death;
  return {
    check: (m) => command.check(m),
    run: async (m, rig) => {
      rig.faulty.stopAfter(after, leaves);
      await command.run(m, rig);
    },
    toString: () => `${command}, dying after ${after} calls, which leaves ${leaves}`,
  };
}

/** An index: a part of the way through the log and a few more, or one that never is. */
export interface Where {
  readonly eighths: number;
  readonly by: number;
  readonly odd: number | undefined;
}

function indexAt(log: Log, { eighths, by, odd }: Where): number {
  return odd ?? log.first + Math.floor(entriesOf(log).length * eighths / 8) + by;
}

function show({ eighths, by, odd }: Where): string {
  return odd === undefined ? `${eighths}/8${by < 0 ? by : `+${by}`}` : String(odd);
}

function append(sizes: readonly number[], isBatch: boolean, isDurable: boolean): Command {
  const name = `${isBatch ? "appendBatch" : "append"}${isDurable ? "AndSync" : ""}(${sizes})`;
  return command(name, async (m, rig) => {
    const before = m.log;
    const atom = sizes.map((size) => m.payload(size));
    const [single = new Uint8Array(0)] = atom;
    const next = lastOf(before) + 1;
    const indexes = { firstIndex: next, lastIndex: next + atom.length - 1 };
    await perform(m, rig, {
      errors: m.appendErrors(atom),
      run: (log) => {
        if (isBatch) return isDurable ? log.appendBatchAndSync(atom) : log.appendBatch(atom);
        return isDurable ? log.appendAndSync(single) : log.append(single);
      },
      done: (value) => {
        assertEquals(value, isBatch ? indexes : next);
        count(m, atom);
        const done = appended(before, [atom]);
        return isDurable ? synced(done) : done;
      },
      partly: () => partlyAppended(before, [atom]),
      failures: (fired) => {
        // An empty file of version 1 is made again for a batch; there is no way back from that.
        const isMadeAgain = isBatch && entriesOf(before).length === 0 && !fired.syncs;
        return isMadeAgain
          ? [...appendFailures(fired), "ERR_WAL_SYNC_FAILED"]
          : appendFailures(fired);
      },
      // A new segment begins when all before is durable.
      mayBeDurable: [lastOf(before)],
    });
  });
}

/** Some of these, in their order: all choices. */
function selectionsOf(atoms: readonly Atom[]): Atom[][] {
  return atoms.reduce<Atom[][]>(
    (some, atom) => some.flatMap((chosen) => [chosen, [...chosen, atom]]),
    [[]],
  );
}

/** What was appended counts. */
function count(m: Model, atom: Atom): void {
  m.appends += atom.length;
  m.bytesAppended += atom.reduce((sum, { length }) => sum + length, 0);
}

function appendTogether(sizes: readonly number[]): Command {
  return command(`appendAndSync(${sizes.join(") + (")})`, async (m, rig) => {
    const { log } = rig;
    assert(log !== undefined);
    const before = m.log;
    const calls = sizes.map((size) => {
      const data = m.payload(size);
      const errors = m.appendErrors([data]);
      return { data, errors, result: settle(() => log.appendAndSync(data)) };
    });
    const results = await Promise.all(calls.map(({ result }) => result));
    await turns();
    const isRefused = (i: number): boolean => {
      const result = results[i];
      return result?.kind === "threw" && result.error instanceof WalError &&
        result.error.code === "ERR_WAL_WRITE_FAILED";
    };
    const there = calls.filter(({ errors }, i) => errors.length === 0 && !isRefused(i));
    const atoms = there.map(({ data }) => [data]);
    // One that was refused may report what ended the handle, as those that were written.
    const partly = selectionsOf(atoms).flatMap((some) => partlyAppended(before, some));
    if (rig.faulty.stopped) {
      await rig.die();
      return m.die(m.handle === "open" ? partly : undefined);
    }
    const fired = rig.takeFired();
    let index = lastOf(before);
    let hasEnded = false;
    for (const [i, call] of calls.entries()) {
      const { errors } = call;
      const result = results[i];
      assert(result !== undefined);
      const isThere = there.includes(call);
      if (isThere) index++;
      if (errors.length > 0) {
        assert(result.kind === "threw" && !isThere, `success instead of ${errors.join(" or ")}`);
        if (requireCode(result.error, errors) === "ERR_WAL_SYNC_FAILED") m.isTold = true;
      } else if (result.kind === "threw") {
        const codes = fired.syncs ? ["ERR_WAL_SYNC_FAILED" as const] : [];
        const refused = (fired.writes || fired.reads) && !isThere;
        const code = requireCode(
          result.error,
          refused ? [...codes, "ERR_WAL_WRITE_FAILED"] : codes,
        );
        hasEnded ||= code === "ERR_WAL_SYNC_FAILED";
      } else {
        assert(isThere);
        assertEquals(result.value, index, "the index that was returned");
        assert(!hasEnded, "success after what ended the handle");
      }
    }
    if (m.handle === "open" && hasEnded) {
      m.end(fired.writes || fired.reads ? partly : partlyAppended(before, atoms), true);
      compareEnded(m, rig);
    } else if (m.handle === "open") {
      for (const { data } of there) count(m, [data]);
      const done = appended(before, atoms);
      m.become(there.length > 0 ? synced(done) : done);
      if (fired.syncs || fired.writes) await endedAfterwards(m, rig, fired);
      if (m.handle !== "open") return;
    }
    compare(m, rig, [lastOf(before)]);
  });
}

function sync(): Command {
  return command("sync()", async (m, rig) => {
    const { log } = m;
    await perform(m, rig, {
      errors: m.writingErrors(),
      run: (log) => log.sync(),
      done: () => synced(log),
      partly: () => [log],
      failures: ({ syncs }) => syncs ? ["ERR_WAL_SYNC_FAILED"] : [],
    });
  });
}

function truncateFrom(where: Where): Command {
  return command(`truncateFromIndex(${show(where)})`, async (m, rig) => {
    const { log } = m;
    const index = indexAt(log, where);
    await perform(m, rig, {
      errors: [...m.writingErrors(), ...m.indexErrors(index, false)],
      run: (log) => log.truncateFromIndex(index),
      done: () => withoutTail(log, index),
      partly: () => partlyWithoutTail(log, index),
      failures: cutFailures,
    });
  });
}

function truncateBefore(where: Where): Command {
  return command(`truncateBeforeIndex(${show(where)})`, async (m, rig) => {
    const { log } = m;
    const index = indexAt(log, where);
    const errors = [...m.writingErrors(), ...m.indexErrors(index, true)];
    if (m.options.format === 1 && index !== log.first) errors.push("ERR_WAL_FORMAT");
    const isAll = index === lastOf(log) + 1;
    await perform(m, rig, {
      errors,
      run: (log) => log.truncateBeforeIndex(index),
      done: () => withoutHead(log, index),
      partly: () => [log, withoutHead(log, index)],
      refused: () => [log, withoutHead(log, index)],
      failures: (fired) =>
        fired.syncs ? ["ERR_WAL_SYNC_FAILED", "ERR_WAL_IO"] : [
          ...metaFailures(fired),
          ...(fired.reads ? ["ERR_WAL_WRITE_FAILED" as const] : []),
        ],
      mayBeDurable: isAll ? [lastOf(log)] : [],
    });
  });
}

function reset(where: Where, far: number): Command {
  return command(`reset(${show(where)}+${far})`, async (m, rig) => {
    const { log } = m;
    const index = where.odd ?? indexAt(log, where) + far;
    const errors = m.writingErrors();
    if (!Number.isSafeInteger(index) || index < 1) errors.push("ERR_WAL_INDEX_OUT_OF_RANGE");
    if (m.options.format === 1 && index !== 1) errors.push("ERR_WAL_FORMAT");
    await perform(m, rig, {
      errors,
      run: (log) => log.reset(index),
      done: () => emptied(log, index),
      partly: () => partlyEmptied(log, index),
      failures: cutFailures,
    });
  });
}

function setState(size: number): Command {
  return command(`setState(${size})`, async (m, rig) => {
    const { log } = m;
    const { largest } = m;
    const state = m.payload(size);
    m.largest = largest;
    const errors = m.writingErrors();
    if (size > 32_768) errors.push("ERR_WAL_STATE_TOO_LARGE");
    await perform(m, rig, {
      errors,
      run: (log) => log.setState(state),
      done: () => withState(log, state),
      partly: () => [log, withState(log, state)],
      failures: metaFailures,
    });
  });
}

function idle(): Command {
  return command("idle", async (m, rig) => {
    rig.timers.fire();
    if (rig.faulty.stopped) {
      await rig.die();
      return m.die();
    }
    // On a full disk nothing is reported and nothing is lost. What cannot be taken back ends the
    // handle.
    if (rig.takeFired().syncs) {
      m.end([m.log], false);
      compareEnded(m, rig);
    }
    compare(m, rig);
  });
}

async function doClose(m: Model, rig: Rig): Promise<void> {
  const { log } = rig;
  assert(log !== undefined);
  const result = await settle(() => log.close());
  if (rig.faulty.stopped) {
    await rig.die();
    return m.die();
  }
  const fired = rig.takeFired();
  if (m.handle === "closed") {
    assertEquals(result.kind === "threw", m.hasCloseFailed, "a second close ends as the first one");
    return;
  }
  const mustTell = (m.handle === "ended" && !m.isTold) || fired.syncs;
  if (result.kind === "threw") requireCode(result.error, mustTell ? ["ERR_WAL_SYNC_FAILED"] : []);
  else assert(!mustTell, "close() does not report the failure");
  if (result.kind === "threw" && m.handle === "open") m.isShaken ||= rig.failedSync === "btrfs";
  if (result.kind === "returned" && m.handle === "open") m.become(synced(m.log));
  m.handle = "closed";
  m.hasCloseFailed = result.kind === "threw";
}

function close(): Command {
  return command("close()", doClose);
}

async function doOpen(m: Model, rig: Rig, options: OpenedWith): Promise<void> {
  const isHeld = m.handle === "open" || m.handle === "ended";
  const fileSystem: FileSystem = rig.faulty;
  const result = await settle(() => Wal.open(PATH, { ...options, fileSystem }));
  if (rig.faulty.stopped) {
    if (result.kind === "returned") rig.log = result.value as Wal;
    await rig.die();
    return m.die();
  }
  const fired = rig.takeFired();
  const hasFired = fired.writes || fired.syncs || fired.reads;
  if (result.kind === "returned") {
    const log = result.value as Wal;
    if (isHeld) {
      await log.close();
      throw new TypeError("The log was opened twice");
    }
    rig.log = log;
    // On a full disk a log can be opened all the same.
    assert(!fired.syncs && !fired.reads, "success, although a call underneath has failed");
    const view = look(log, false);
    findShown(view, m.findable());
    assertEquals(view.durable, view.last, "open makes all that it returns durable");
    assertEquals(log.recovery.entries, view.entries.length);
    m.opened(view, options);
    // A Seal that a full segment lacks is written after that.
    await turns();
    if (rig.faulty.stopped) {
      await rig.die();
      return m.die();
    }
    const late = rig.takeFired();
    if (late.writes || late.syncs) await endedAfterwards(m, rig, late);
    if (m.handle !== "open") return;
    return compare(m, rig);
  }
  const codes: WalErrorCode[] = [];
  if (hasFired) codes.push("ERR_WAL_IO", "ERR_WAL_SYNC_FAILED");
  if (isHeld && !fired.reads) codes.splice(0, codes.length, "ERR_WAL_LOCKED");
  else if (isHeld) codes.push("ERR_WAL_LOCKED");
  else if (m.largest > options.maxEntrySize) codes.push("ERR_WAL_ENTRY_TOO_LARGE");
  requireCode(result.error, codes);
  // A recovery that failed may have synced, or not.
  if (!isHeld && fired.syncs) m.isShaken ||= rig.failedSync === "btrfs";
  compare(m, rig);
}

function showOptions({ segmentSize, maxEntrySize, format }: OpenedWith): string {
  return `segmentSize ${segmentSize}, maxEntrySize ${maxEntrySize}, format ${format}`;
}

function open(options: OpenedWith): Command {
  return command(`open(${showOptions(options)})`, (m, rig) => doOpen(m, rig, options), () => true);
}

type How = "close" | "kill" | "power";

function restart(
  how: How,
  pick: number,
  options: OpenedWith,
  faults: readonly Fault[],
  stop: number | undefined,
): Command {
  const name = {
    close: "close and open",
    kill: "kill and open",
    power: `power cut ${pick} and open`,
  }[how];
  const more = [
    ...faults.map(showFault),
    ...(stop === undefined ? [] : [`dying after ${stop} calls`]),
  ];
  return command(
    `${name}(${[showOptions(options), ...more].join("; ")})`,
    async (m, rig) => {
      if (how === "close" && m.handle !== "none") await doClose(m, rig);
      if (how !== "close") {
        await rig.die(how === "power" ? pick : undefined);
        if (how === "power" && rig.failedSync !== undefined) m.isShaken = true;
        m.die();
      }
      for (const fault of faults) rig.arm(fault);
      if (stop !== undefined) rig.faulty.stopAfter(stop);
      await doOpen(m, rig, options);
    },
    () => true,
  );
}

function showFault({ operation, code, after, times, leaves }: Fault): string {
  const left = operation === "write" ? `, leaves ${leaves}` : "";
  return `fail ${operation} ${code} after ${after} times ${times}${left}`;
}

function fault(fault: Fault): Command {
  return command(showFault(fault), async (_, rig) => await rig.arm(fault), () => true);
}

/** Reads a range in every way, and calls for indexes that are not there. */
function read(from: Where, to: Where): Command {
  return command(`read(${show(from)} to ${show(to)})`, async (m, rig) => {
    const { log } = rig;
    assert(log !== undefined);
    if (m.handle === "ended" && rig.failedSync === "btrfs") return;
    const a = indexAt(m.log, from);
    const b = indexAt(m.log, to);
    const closed: WalErrorCode[] = m.handle === "closed" ? ["ERR_WAL_CLOSED"] : [];
    const wanted = entriesOf(m.log)
      .map((data, i) => ({ index: m.log.first + i, data }))
      .filter(({ index }) => index >= a && index <= b);
    const cases = [
      {
        run: () => [{ index: a, data: log.getEntry(a) }],
        wanted: () => [{ index: a, data: entriesOf(m.log)[a - m.log.first] }],
        errors: [...closed, ...m.indexErrors(a, false)],
      },
      {
        run: () =>
          Array.from(log.entries({ from: a, to: b }), ({ index, data }) => ({ index, data })),
        wanted: () => wanted,
        errors: [
          ...closed,
          ...m.indexErrors(a, true),
          ...(b === a - 1 ? [] : m.indexErrors(b, false)),
        ],
      },
      {
        run: () => log.readAll().map((data, i) => ({ index: log.firstIndex + i, data })),
        wanted: () => entriesOf(m.log).map((data, i) => ({ index: m.log.first + i, data })),
        errors: closed,
      },
    ];
    for (const { run, wanted, errors } of cases) {
      const result = await settle(run);
      const { reads } = rig.takeFired();
      if (result.kind === "threw") {
        requireCode(result.error, reads ? [...errors, "ERR_WAL_IO"] : errors);
      } else {
        assertEquals(errors, [], "success, although the call is wrong");
        assertEquals(result.value, wanted());
      }
    }
    compare(m, rig);
  });
}

/** Follows from an index on, and sees all that is there and no more. */
function follow(from: Where, isDurable: boolean): Command {
  const name = `follow(${show(from)}, durable: ${isDurable})`;
  return command(name, async (m, rig) => {
    const { log } = rig;
    assert(log !== undefined);
    if (m.handle === "ended" && rig.failedSync === "btrfs") return;
    rig.takeFired();
    const index = indexAt(m.log, from);
    const errors = m.handle === "closed" ? ["ERR_WAL_CLOSED" as const] : m.indexErrors(index, true);
    const controller = new AbortController();
    const { signal } = controller;
    const called = await settle(() => [log.follow({ from: index, durable: isDurable, signal })]);
    if (called.kind === "threw") return void requireCode(called.error, errors);
    assertEquals(errors, [], "success, although the call is wrong");
    const [entries] = called.value as [ReturnType<Wal["follow"]>];
    const limit = isDurable ? m.log.durable : lastOf(m.log);
    for (let next = index; next <= limit; next++) {
      const data = entriesOf(m.log)[next - m.log.first];
      const { value } = await entries.next();
      assertEquals<unknown>([value?.index, value?.data], [next, data]);
    }
    const reason = new Error("enough");
    const more = settle(() => entries.next());
    controller.abort(reason);
    const end = await more;
    if (m.handle === "ended") {
      m.isTold = true;
      assert(end.kind === "threw", "a follower of an ended handle is told");
      requireCode(end.error, ["ERR_WAL_SYNC_FAILED"]);
    } else {
      assert(end.kind === "threw" && end.error === reason, "no more than is there");
      assertEquals((await entries.next()).done, true);
    }
    compare(m, rig);
  });
}

/** How often a reader looks at the files of a log without a writer: a few times. */
const MANY_LOOKS = 1000;

/** Files that a reader may look at, but not for ever. */
class PatientFileSystem extends FaultyFileSystem {
  #looks = 0;

  override list(directory: string): string[] {
    if (++this.#looks > MANY_LOOKS) throw new TypeError("The reader looks at the files for ever");
    return super.list(directory);
  }
}

/** Another process reads, and tries to write. */
function readOnly(isDurable: boolean): Command {
  return command(`read only(durable: ${isDurable})`, async (m, rig) => {
    rig.takeFired();
    const names = rig.disk.list(".").includes("data") ? rig.disk.list("data") : [];
    const fileSystem = new PatientFileSystem(rig.disk);
    const opened = await settle(() => Wal.open(PATH, { fileSystem, readOnly: true }));
    if (opened.kind === "threw") {
      const codes: WalErrorCode[] = m.isMade ? [] : ["ERR_WAL_NOT_FOUND"];
      // A writer died while it replaced a file's tail, and only a writer can finish that.
      if (names.includes("a.wal.redo")) codes.push("ERR_WAL_IO");
      return void requireCode(opened.error, codes);
    }
    const reader = opened.value as Wal;
    try {
      const view = look(reader, false);
      findShown(view, m.handle === "open" ? [m.log] : m.findable());
      assert(view.durable <= view.last, "durableIndex is in the log");
      if (m.outcomes.length === 1 && !m.isShaken) {
        assert(view.durable <= Math.max(m.log.durable, lastOf(m.log)), "not ahead of the disk");
      }
      if (m.handle === "open") {
        assert(view.durable <= m.log.durable, `a reader's durableIndex is ${view.durable}`);
      }
      const data = new Uint8Array(1);
      const calls = [
        () => reader.append(data),
        () => reader.appendBatch([data]),
        () => reader.appendAndSync(data),
        () => reader.appendBatchAndSync([data]),
        () => reader.sync(),
        () => reader.truncateFromIndex(view.last),
        () => reader.truncateBeforeIndex(view.first),
        () => reader.retain({ bytes: 0 }),
        () => reader.reset(1),
        () => reader.setState(data),
      ];
      for (const call of calls) {
        const result = await settle(call);
        assert(result.kind === "threw", "a reader writes");
        requireCode(result.error, ["ERR_WAL_READ_ONLY"]);
      }
      const limit = isDurable ? view.durable : view.last;
      let next = view.first;
      const entries = reader.follow({ durable: isDurable });
      while (next <= limit) {
        const { value } = await entries.next();
        assertEquals<unknown>([value?.index, value?.data], [next, view.entries[next - view.first]]);
        next++;
      }
      await entries.return();
    } finally {
      await reader.close();
    }
    compare(m, rig);
  }, () => true);
}

/** Calls that make no sense, whatever the log holds. */
const WRONG: Readonly<Record<string, (log: Wal, fileSystem: FileSystem) => unknown>> = {
  "append(null)": (log) => log.append(null as unknown as Uint8Array),
  'append("text")': (log) => log.append("text" as unknown as Uint8Array),
  "appendAndSync([1])": (log) => log.appendAndSync([1] as unknown as Uint8Array),
  "appendBatch([])": (log) => log.appendBatch([]),
  "appendBatch(bytes)": (log) => log.appendBatch(new Uint8Array(1) as unknown as Uint8Array[]),
  "appendBatchAndSync([bytes, null])": (log) =>
    log.appendBatchAndSync([new Uint8Array(1), null as unknown as Uint8Array]),
  'setState("text")': (log) => log.setState("text" as unknown as Uint8Array),
  'open("")': (_, fileSystem) => Wal.open("", { fileSystem }),
  "open({ segmentSize: 255 })": (_, fileSystem) => Wal.open(PATH, { fileSystem, segmentSize: 255 }),
  "open({ maxEntrySize: 0 })": (_, fileSystem) => Wal.open(PATH, { fileSystem, maxEntrySize: 0 }),
  "open({ format: 3 })": (_, fileSystem) => Wal.open(PATH, { fileSystem, format: 3 as 2 }),
  "open({ sync: true })": (_, fileSystem) => Wal.open(PATH, { fileSystem, sync: true } as object),
};

function wrong(name: string): Command {
  return command(name, async (m, rig) => {
    const call = WRONG[name];
    assert(call !== undefined);
    const { log } = m;
    const errors: WalErrorCode[] = ["ERR_WAL_INVALID_ARGUMENT"];
    if (!name.startsWith("open")) errors.push(...m.writingErrors());
    await perform(m, rig, {
      errors,
      run: (log) => call(log, rig.faulty),
      done: () => log,
      partly: () => [log],
      failures: () => [],
    });
  });
}

const entrySize = fc.oneof(
  { arbitrary: fc.nat(12), weight: 3 },
  { arbitrary: fc.nat(300), weight: 4 },
  { arbitrary: fc.nat(1600), weight: 1 },
);

const where: fc.Arbitrary<Where> = fc.record({
  eighths: fc.nat(8),
  by: fc.oneof({ arbitrary: fc.constant(0), weight: 5 }, fc.integer({ min: -1, max: 1 })),
  odd: fc.oneof(
    { arbitrary: fc.constant(undefined), weight: 15 },
    fc.constantFrom(0, -1, 1.5, NaN, Infinity, 2 ** 53),
  ),
});

const options: fc.Arbitrary<OpenedWith> = fc.record({
  segmentSize: fc.oneof(
    fc.constantFrom(512, 65_536),
    fc.integer({ min: 512, max: 2048 }),
    fc.integer({ min: 512, max: 65_536 }),
  ),
  maxEntrySize: fc.oneof({ arbitrary: fc.constant(65_536), weight: 6 }, fc.constantFrom(40, 1000)),
  format: fc.oneof({ arbitrary: fc.constant(2 as const), weight: 4 }, fc.constant(1 as const)),
});

const FAULTS: readonly Pick<Fault, "operation" | "code">[] = [
  { operation: "write", code: "ENOSPC" },
  { operation: "write", code: "ENOSPC" },
  { operation: "write", code: "EIO" },
  { operation: "create", code: "ENOSPC" },
  { operation: "truncate", code: "EIO" },
  { operation: "remove", code: "EIO" },
  { operation: "syncData", code: "EIO" },
  { operation: "sync", code: "EIO" },
  { operation: "syncDataBlocking", code: "EIO" },
  { operation: "syncBlocking", code: "EIO" },
  { operation: "syncDirectory", code: "EIO" },
  { operation: "open", code: "EMFILE" },
  { operation: "read", code: "EIO" },
];

const leaves = fc.oneof(fc.constantFrom(0, 9, Infinity), fc.nat(120));

const death: fc.Arbitrary<Death | undefined> = fc.oneof(
  { arbitrary: fc.constant(undefined), weight: 5 },
  fc.record({ after: fc.oneof(fc.constant(0), fc.nat(9)), leaves }),
);

const aFault: fc.Arbitrary<Fault> = fc
  .record({
    kind: fc.constantFrom(...FAULTS),
    leaves,
    after: fc.oneof({ arbitrary: fc.constant(0), weight: 2 }, fc.nat(4)),
    times: fc.integer({ min: 1, max: 3 }),
  })
  .map(({ kind, ...fault }) => ({ ...kind, ...fault }));

const aRestart = fc
  .record({
    how: fc.constantFrom<How>("close", "kill", "power", "power"),
    pick: fc.nat(1000),
    options,
    faults: fc.oneof({ arbitrary: fc.constant([]), weight: 4 }, fc.array(aFault, { maxLength: 2 })),
    stop: fc.oneof({ arbitrary: fc.constant(undefined), weight: 5 }, fc.nat(10)),
  })
  .map(({ how, pick, options, faults, stop }) => restart(how, pick, options, faults, stop));

/** Lists of commands. The first opens the log. */
export function commandLists(length: number): fc.Arbitrary<Iterable<Command>> {
  const sizes = (least: number): fc.Arbitrary<number[]> =>
    fc.array(entrySize, { minLength: least, maxLength: 4 });
  const mortal = (commands: fc.Arbitrary<Command>): fc.Arbitrary<Command> =>
    fc.tuple(commands, death).map(([command, death]) => dying(command, death));
  const weighted: [number, fc.Arbitrary<Command>][] = [
    [8, mortal(entrySize.map((size) => append([size], false, false)))],
    [
      4,
      mortal(
        fc.record({ sizes: sizes(1), isDurable: fc.boolean() })
          .map(({ sizes, isDurable }) => append(sizes, true, isDurable)),
      ),
    ],
    [4, mortal(sizes(1).map(appendTogether))],
    [2, mortal(fc.constant(sync()))],
    [3, mortal(where.map(truncateFrom))],
    [3, mortal(where.map(truncateBefore))],
    [
      2,
      mortal(
        fc.record({
          where,
          far: fc.oneof(fc.constant(0), fc.nat(50), fc.integer({ min: -9, max: -1 })),
        })
          .map(({ where, far }) => reset(where, far)),
      ),
    ],
    [
      2,
      mortal(
        fc.oneof({ arbitrary: fc.nat(100), weight: 5 }, fc.constantFrom(5000, 32_769)).map(
          setState,
        ),
      ),
    ],
    [1, fc.constant(idle())],
    [1, fc.constant(close())],
    [1, options.map(open)],
    [3, aRestart],
    [3, aFault.map(fault)],
    [1, fc.record({ from: where, to: where }).map(({ from, to }) => read(from, to))],
    [
      1,
      fc.record({ where, isDurable: fc.boolean() })
        .map(({ where, isDurable }) => follow(where, isDurable)),
    ],
    [1, fc.boolean().map(readOnly)],
    [1, fc.constantFrom(...Object.keys(WRONG)).map(wrong)],
  ];
  // Arbitraries of commands are drawn from evenly, so that a heavier one is there more than once.
  const drawn = weighted.flatMap(([weight, arbitrary]) =>
    Array.from({ length: weight }, () => arbitrary)
  );
  return fc.commands(drawn, { maxCommands: length, size: "max" });
}

/** Runs commands on a new log, and ends with a crash. */
export async function runCommands(
  kind: DiskKind,
  first: OpenedWith,
  commands: Iterable<Command>,
): Promise<void> {
  const rig = new Rig(kind);
  try {
    await fc.asyncModelRun(() => ({ model: new Model(), real: rig }), [
      open(first),
      ...commands,
      restart("power", 1, { ...first, maxEntrySize: 65_536 }, [], undefined),
    ]);
  } finally {
    await rig.end();
  }
}

export { options as openedWith };
