/**
 * The log under trial: what it holds after a crash must be what the oracle allows, whatever happens
 * next must hold too, and a crash during the recovery must change nothing.
 *
 * @module
 */
import { Wal, type WalOptions } from "../../mod.ts";
import {
  BrokenPromise,
  contentsOf,
  type CrashFileSystem,
  digestOf,
  exploreCrashes,
  type Trial,
  type WalContents,
  WalOracle,
} from "../../src/testing/testing.ts";
import { onManualClock } from "../../kit/manual_clock.ts";
import { type RollState, rollStateOf, RollWatch } from "./rolls.ts";
import { type Event, PATH, payload, Session } from "./workload.ts";

/** How often the rarer checks are made: for one state in so many. */
const RARELY = 64;

/** What was seen. */
export interface Tally {
  /** States of the disk. */
  states: number;
  /** By the case of the decision table that was found. */
  readonly cases: Record<string, number>;
  /** Those with a pending roll, by what the disk had of it. */
  readonly rolls: Partial<Record<RollState, number>>;
  /** States in the middle of a recovery. */
  recoveries: number;
  /** The digest of all states. It tells two runs apart. */
  digest: string;
}

/** An empty tally. */
export function newTally(): Tally {
  return { states: 0, cases: {}, rolls: {}, recoveries: 0, digest: "" };
}

/** How many states had a pending roll. */
export function rollsIn({ rolls }: Tally): number {
  return Object.values(rolls).reduce((sum, count) => sum + count, 0);
}

/** The trial of a log, and what sees the calls of its program. */
export interface LogTrial extends Trial<Event> {
  observe(call: string): unknown;
}

/**
 * The trial of a log that a program uses.
 *
 * @param syncTakes How many turns of a promise each sync takes.
 */
export function trialOf(
  program: (session: Session) => Promise<void>,
  options: WalOptions,
  tally: Tally,
  syncTakes: () => number = () => 0,
): LogTrial {
  let watch: RollWatch | undefined;

  const open = (fileSystem: CrashFileSystem): Promise<Wal> =>
    Wal.open(PATH, { ...options, fileSystem });

  /** Whether the log holds the same whatever else happens. */
  async function checkOn(disk: CrashFileSystem, wanted: WalContents): Promise<void> {
    // A power cut right after the opening: what open returned is durable.
    const log = await open(disk);
    for (const left of disk.crashStates({ limit: 32 })) {
      const again = await open(left);
      requireSame(contentsOf(again), wanted, `after an opening and a crash (${left.origin})`);
      await again.close();
    }
    // The log can be used.
    const data = payload(9999, 100);
    const index = await log.appendAndSync(data);
    await log.close();
    const again = await open(disk);
    const entries = [...wanted.entries, digestOf(data)];
    requireSame(contentsOf(again), { ...wanted, entries }, "after one more append");
    if (digestOf(again.getEntry(index)) !== digestOf(data)) {
      throw new BrokenPromise(`Entry ${index} is not what was appended`);
    }
    await again.close();
  }

  return {
    // Else a machine that is slow for a moment makes the log idle, and another program of this one.
    run: (fileSystem, note) => {
      watch = new RollWatch((next) => note({ kind: "rolled", next }));
      return onManualClock(async (time) =>
        await program(await Session.open(fileSystem, options, note, time))
      );
    },

    observe(call) {
      watch?.see(call);
      const turns = syncTakes();
      return turns === 0 ? undefined : pass(turns);
    },

    check: (disk, events) => onManualClock(() => check(disk, events)),
  };

  async function check(disk: CrashFileSystem, events: readonly Event[]): Promise<void> {
    const oracle = judgeOf(events);
    tally.states++;
    tally.digest = digestOf(new TextEncoder().encode(tally.digest + disk.origin));
    countRoll(disk, events, tally);
    const isRare = tally.states % RARELY === 0;
    const found = isRare ? disk.fork() : disk;
    const log = await open(found);
    const contents = contentsOf(log);
    oracle.judge(contents, "power");
    const verdict = log.recovery.case;
    tally.cases[verdict] = (tally.cases[verdict] ?? 0) + 1;
    await log.close();
    if (!isRare) return;
    await checkOn(disk.fork(), contents);
    const recovery = await exploreCrashes({
      run: async (fileSystem) => await (await Wal.open(PATH, { ...options, fileSystem })).close(),
      check: async (disk) => {
        const log = await open(disk);
        requireSame(contentsOf(log), contents, "after a crash during the recovery");
        await log.close();
      },
    }, { start: disk, statesPerCrash: 8 });
    tally.recoveries += recovery.states;
  }
}

async function pass(turns: number): Promise<void> {
  for (let i = 0; i < turns; i++) await undefined;
}

function countRoll(disk: CrashFileSystem, events: readonly Event[], { rolls }: Tally): void {
  const last = events.findLast((event) => event.kind === "rolled");
  if (last?.next === undefined) return;
  const state = rollStateOf(disk, last.next);
  if (state !== undefined) rolls[state] = (rolls[state] ?? 0) + 1;
}

/** The oracle, as far as the events go. */
function judgeOf(events: readonly Event[]): WalOracle {
  const oracle = new WalOracle();
  for (const event of events) {
    if (event.kind === "started") oracle.start(event.id, event.operation);
    else if (event.kind === "acknowledged") oracle.acknowledge(event.id);
    else if (event.kind === "refused") oracle.refuse(event.id);
    else if (event.kind === "reopened") oracle.judge(event.contents, "power");
  }
  return oracle;
}

function requireSame(found: WalContents, wanted: WalContents, when: string): void {
  if (JSON.stringify(found) === JSON.stringify(wanted)) return;
  throw new BrokenPromise(
    `The log has ${JSON.stringify(found)} ${when}, and had ${JSON.stringify(wanted)}`,
  );
}
