/**
 * A state machine and a durable map under trial: what they show after a crash must be what was
 * acknowledged, or more of what was asked for, in order and with every call whole.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { type FileSystem, Wal } from "../../mod.ts";
import { DurableMap, type DurableMapOptions } from "../../src/map/map.ts";
import {
  type MachineOptions,
  type SnapshotOrder,
  StateMachine,
} from "../../src/machine/machine.ts";
import {
  BrokenPromise,
  type CrashFileSystem,
  digestOf,
  type Trial,
} from "../../src/testing/testing.ts";
import {
  foldOf,
  immutable,
  type MoreOptions,
  mutating,
  type Numbered,
} from "../../kit/machines.ts";
import { onManualClock } from "../../kit/manual_clock.ts";
import { clock } from "../../src/fs/clock.ts";
import { readTag } from "../../src/layer/tag.ts";
import { decodeNamed, snapshotPath } from "../../src/machine/named_snapshots.ts";

const PATH = "data/a.wal";

/** What was seen. */
export interface MachineTally {
  states: number;
  /** States that were rebuilt from a snapshot, and from an older one than the newest. */
  fromSnapshot: number;
  /** The digest of all states. It tells two runs apart. */
  digest: string;
}

/** An empty tally. */
export function newMachineTally(): MachineTally {
  return { states: 0, fromSnapshot: 0, digest: "" };
}

/** What a program promises. */
export type Fact =
  /** A call began: the numbers of its events. */
  | { readonly kind: "asked"; readonly numbers: readonly number[] }
  /** Its events are durable. */
  | { readonly kind: "acknowledged"; readonly last: number }
  /** It was refused, and nothing of it may be found. */
  | { readonly kind: "refused"; readonly numbers: readonly number[] };

/** The kinds of machines. */
export type Way = "immutable" | "mutating";

/** A machine of either kind, as a program uses it. */
type Machine = StateMachine<{ readonly numbers: readonly number[]; sum: number }, Numbered>;

/** What a program is given. */
export class Session {
  readonly machine: Machine;
  readonly #note: (fact: Fact) => void;
  #next = 1;

  constructor(machine: Machine, note: (fact: Fact) => void) {
    this.machine = machine;
    this.#note = note;
  }

  /** Dispatches one event. */
  dispatch(key?: string): Promise<void> {
    const n = this.#next++;
    const options = key === undefined ? {} : { key };
    return this.#call([n], () => this.machine.dispatch({ n }, options));
  }

  /** Makes one atom of events. */
  transact(count: number): Promise<void> {
    const numbers = Array.from({ length: count }, () => this.#next++);
    return this.#call(numbers, () => this.machine.transact(() => numbers.map((n) => ({ n }))));
  }

  async #call(numbers: readonly number[], call: () => Promise<unknown>): Promise<void> {
    this.#note({ kind: "asked", numbers });
    try {
      await call();
    } catch (error) {
      // What the machine has not ended over was taken back.
      if (!this.isEnded()) this.#note({ kind: "refused", numbers });
      throw error;
    }
    this.#note({ kind: "acknowledged", last: numbers.at(-1) ?? 0 });
  }

  /** Whether an error has ended the machine. */
  isEnded(): boolean {
    try {
      return this.machine.state === undefined;
    } catch {
      return true;
    }
  }

  /** Takes a snapshot. */
  async snapshot(): Promise<void> {
    await this.machine.snapshot();
  }
}

/** A program that uses a machine. */
export type Program = (session: Session) => Promise<void>;

/** Dispatches, atoms, snapshots beside dispatches, and rolls. */
export async function useMachine(session: Session): Promise<void> {
  await session.dispatch();
  await session.transact(2);
  await session.snapshot();
  await Promise.all([session.dispatch("a"), session.transact(3), session.dispatch()]);
  await Promise.all([session.snapshot(), session.dispatch(), session.dispatch()]);
  await session.dispatch();
  await session.snapshot();
  await Promise.all([session.transact(2), session.snapshot()]);
  await session.dispatch();
}

/** The same, shorter. */
export async function useALittleOfIt(session: Session): Promise<void> {
  await session.transact(2);
  await Promise.all([session.snapshot(), session.dispatch()]);
  await session.snapshot();
  await session.dispatch();
}

/** What a trial may choose of its machine. */
export interface MachineChoices extends MoreOptions {
  /** Whether snapshots are written from the log, as by another thread. */
  isOffloaded?: boolean;
}

async function open(
  way: Way,
  fileSystem: FileSystem,
  { isOffloaded = false, ...more }: MachineChoices,
): Promise<Machine> {
  if (isOffloaded) {
    const definition = way === "immutable" ? immutable(fileSystem) : mutating(fileSystem);
    const offload = (order: SnapshotOrder): Promise<unknown> =>
      StateMachine.writeSnapshot(order, definition as MachineOptions<unknown, Numbered>);
    more.snapshot = { everyBytes: Infinity, compress: false, offload };
  }
  return (way === "immutable"
    ? await StateMachine.open(PATH, immutable(fileSystem, more))
    : await StateMachine.open(PATH, mutating(fileSystem, more))) as Machine;
}

/** The trial of a machine that a program uses. */
export function machineTrial(
  program: Program,
  way: Way,
  tally: MachineTally,
  more: MachineChoices = { segmentSize: 512 },
): Trial<Fact> {
  return {
    run: (fileSystem, note) =>
      onManualClock(async () => {
        const machine = await open(way, fileSystem, more);
        const session = new Session(machine, note);
        try {
          await program(session);
        } finally {
          await machine.close();
        }
      }),
    check: (disk, facts) =>
      onManualClock(async () => {
        tally.states++;
        tally.digest = digestOf(new TextEncoder().encode(tally.digest + disk.origin));
        const machine = await open(way, disk, more);
        const numbers = machine.state.numbers.slice();
        if (machine.recovery.snapshotIndex > 0) tally.fromSnapshot++;
        requireFacts(numbers, facts);
        assertEquals(machine.state.sum, foldOf(numbers).sum);
        assertEquals(machine.index, numbers.length);
        assertEquals(machine.recovery.skipped, []);
        await machine.close();
        await requireOlderStandsIn(disk.fork(), way, more, numbers);
        if (tally.states % RARELY === 0) await requireUse(disk.fork(), way, more, numbers);
      }),
  };
}

/** For one state in so many it is tried whether the machine can be used. */
const RARELY = 4;

/** The machine can be used, and keeps what it has shown. */
async function requireUse(
  disk: CrashFileSystem,
  way: Way,
  more: MachineChoices,
  numbers: readonly number[],
): Promise<void> {
  const machine = await open(way, disk, more);
  await machine.dispatch({ n: 1000 });
  await machine.snapshot();
  await machine.close();
  const again = await open(way, disk, more);
  assertEquals(again.state.numbers, [...numbers, 1000]);
  await again.close();
  requireNoFilesLeft(disk);
}

/** Where the newest snapshot is lost, the one before it, or all events, give the same state. */
async function requireOlderStandsIn(
  disk: CrashFileSystem,
  way: Way,
  more: MachineChoices,
  numbers: readonly number[],
): Promise<void> {
  const newest = await newestOf(disk);
  if (newest === undefined) return;
  disk.remove(newest);
  const machine = await open(way, disk, more);
  assertEquals(machine.recovery.skipped.map(({ code }) => code), ["ERR_SNAPSHOT_MISSING"]);
  assertEquals(machine.state.numbers, numbers);
  await machine.close();
}

/** The path of the newest snapshot that a log's state names. */
async function newestOf(fileSystem: FileSystem): Promise<string | undefined> {
  const log = await Wal.open(PATH, { fileSystem, readOnly: true });
  const [newest] = decodeNamed(readTag(log.state)?.own ?? new Uint8Array()) ?? [];
  await log.close();
  return newest === undefined ? undefined : snapshotPath(PATH, newest.number);
}

/** The state has what was acknowledged, nothing that was not asked for, and each call whole. */
function requireFacts(numbers: readonly number[], facts: readonly Fact[]): void {
  const refused = new Set(facts.flatMap((fact) => fact.kind === "refused" ? fact.numbers : []));
  const asked = facts.flatMap((fact) => fact.kind === "asked" ? [fact.numbers] : [])
    .filter(([first]) => !refused.has(first ?? 0));
  const wanted = asked.flat();
  if (JSON.stringify(numbers) !== JSON.stringify(wanted.slice(0, numbers.length))) {
    throw new BrokenPromise(`The state has ${numbers}, and ${wanted} was asked for`);
  }
  for (const fact of facts) {
    if (fact.kind === "acknowledged" && !numbers.includes(fact.last)) {
      throw new BrokenPromise(`The state lacks ${fact.last}, which was acknowledged`);
    }
  }
  for (const call of asked) {
    const found = call.filter((n) => numbers.includes(n)).length;
    if (found > 0 && found < call.length) {
      throw new BrokenPromise(`Of the call ${call} a part is there`);
    }
  }
}

/** After a snapshot at most two files are left. */
function requireNoFilesLeft(disk: CrashFileSystem): void {
  const files = disk.list("data").filter((name) => name.includes(".snapshot-"));
  assert(files.length >= 1 && files.length <= 2, files.join());
}

/**
 * Lets the syncs of some files take longer than those of others, for `exploreCrashes`.
 *
 * @param isSlow Whether a sync is slow, by its call in words.
 */
export function slowSyncs(isSlow: (call: string) => boolean): (call: string) => unknown {
  return (call) => /^f(data)?sync /.test(call) && isSlow(call) ? turns(SLOW) : undefined;
}

/** How many turns of a promise a slow sync takes: longer than all that a program does meanwhile. */
const SLOW = 300;

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await undefined;
}

/** What a map's program promises: the map, as the calls of `Map` would have it after so many. */
export interface MapFact {
  readonly kind: "asked" | "acknowledged";
  /** Which call it is, from 1. */
  readonly call: number;
}

/** The calls of a map, each a change or an atom of changes. */
type MapCall = (map: Pick<Map<string, number>, "set" | "delete" | "clear">) => void;

const CALLS: readonly MapCall[] = [
  (map) => map.set("a", 1),
  (map) => void [map.set("b", 2), map.set("c", 3)],
  (map) => map.delete("a"),
  (map) => map.set("b", 4),
  (map) => map.set("a", 5),
  (map) => void [map.delete("b"), map.set("d", 6), map.set("c", 7)],
  (map) => map.clear(),
  (map) => map.set("e", 8),
  (map) => void [map.set("f", 9), map.set("e", 10)],
];

/** Before which calls a snapshot begins, that runs beside them. */
const SNAPSHOT_BEFORE: readonly number[] = [2, 4, 7];

/**
 * Runs a program in which each turn of the event loop continues one wait for its end only: in which order
 * those of one turn continue differs between runtimes.
 */
async function inSingleTurns<T>(program: () => Promise<T>): Promise<T> {
  const { endOfTurn } = clock;
  const waiting: (() => void)[] = [];
  const run = async (): Promise<void> => {
    while (waiting.length > 0) {
      await endOfTurn.call(clock);
      waiting.shift()?.();
    }
  };
  clock.endOfTurn = () =>
    new Promise((resolve) => {
      if (waiting.push(resolve) === 1) void run();
    });
  try {
    return await program();
  } finally {
    clock.endOfTurn = endOfTurn;
  }
}

/** A file system that tells when a snapshot's file is made. */
class Noticing {
  readonly all: FileSystem;
  #made: () => void = () => {};

  constructor(fileSystem: FileSystem) {
    const open: FileSystem["open"] = (path, mode, permissions) => {
      const file = fileSystem.open(path, mode, permissions);
      if (mode === "create" && path.includes(".snapshot-")) this.#made();
      return file;
    };
    this.all = new Proxy(fileSystem, {
      get(target, name) {
        if (name === "open") return open;
        const member: unknown = Reflect.get(target, name);
        return typeof member === "function" ? member.bind(target) as unknown : member;
      },
    });
  }

  /** Resolves once the next one is made. */
  nextSnapshot(): Promise<void> {
    return new Promise((resolve) => this.#made = resolve);
  }
}

/** The trial of a map. */
export function mapTrial(
  tally: MachineTally,
  options: DurableMapOptions<number> = { segmentSize: 512 },
): Trial<MapFact> {
  const openMap = (fileSystem: FileSystem): Promise<DurableMap<string, number>> =>
    DurableMap.open(PATH, {
      everyBytes: Infinity,
      compress: false,
      preallocate: 0,
      ...options,
      fileSystem,
    });
  return {
    run: (fileSystem, note) =>
      onManualClock(() =>
        inSingleTurns(async () => {
          const files = new Noticing(fileSystem);
          const map = await openMap(files.all);
          let snapshot: Promise<void> | undefined;
          try {
            for (const [i, call] of CALLS.entries()) {
              if (SNAPSHOT_BEFORE.includes(i)) {
                const begun = files.nextSnapshot();
                snapshot = map.snapshot();
                // It is awaited later, and a call before that may throw.
                const failed = snapshot.catch(() => {});
                // How long it takes to make a hasher differs between runtimes.
                await Promise.race([begun, failed]);
              }
              note({ kind: "asked", call: i + 1 });
              const made = map.batch(call as never);
              await made;
              note({ kind: "acknowledged", call: i + 1 });
              if (i % 2 === 0) await snapshot;
            }
            await snapshot;
          } finally {
            await snapshot?.catch(() => {});
            await map.close();
          }
        })
      ),
    check: (disk, facts) =>
      onManualClock(async () => {
        tally.states++;
        tally.digest = digestOf(new TextEncoder().encode(tally.digest + disk.origin));
        const map = await openMap(disk);
        if (map.recovery.snapshotIndex > 0) tally.fromSnapshot++;
        requireMapAfter([...map], facts);
        const found = [...map];
        await map.close();
        if (tally.states % RARELY > 0) return;
        const left = disk.fork();
        const used = await openMap(left);
        await used.set("more", 1);
        await used.snapshot();
        await used.close();
        const again = await openMap(left);
        assertEquals([...again], [...found, ["more", 1]]);
        await again.close();
      }),
  };
}

/** The map is as after all calls that were acknowledged, or one more. */
function requireMapAfter(found: [string, number][], facts: readonly MapFact[]): void {
  const least = facts.filter(({ kind }) => kind === "acknowledged").length;
  const most = facts.filter(({ kind }) => kind === "asked").length;
  for (let count = least; count <= most; count++) {
    const map = new Map<string, number>();
    for (const call of CALLS.slice(0, count)) call(map);
    if (JSON.stringify([...map]) === JSON.stringify(found)) return;
  }
  throw new BrokenPromise(
    `The map has ${JSON.stringify(found)} after ${least} to ${most} calls`,
  );
}
