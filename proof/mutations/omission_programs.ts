/**
 * The programs whose calls are left out one at a time: together they make every call that the log
 * makes at its file system.
 *
 * @module
 */
import { Wal, type WalOptions } from "../../mod.ts";
import { readFile } from "../../kit/logs.ts";
import { RaftStorage } from "../../src/raft/raft.ts";
import { programOf } from "../crash/program.ts";
import { newTally, trialOf } from "../crash/trial.ts";
import {
  type Event,
  PATH,
  payload,
  type Session,
  truncateAgainAndAgain,
  useALittle,
  useEverythingAtOnce,
  useSpaceAhead,
} from "../crash/workload.ts";
import {
  BrokenPromise,
  contentsOf,
  CrashFileSystem,
  FaultyFileSystem,
  type Trial,
} from "../../src/testing/testing.ts";
import type { Omitted } from "./omissions.ts";

/** All of them. */
export async function allPrograms(): Promise<Omitted[]> {
  return [await salvage(), raft(), ...await openings(), ...sessions()];
}

/** The programs that a session drives, the short ones first: most calls are noticed there. */
function sessions(): Omitted[] {
  return [
    ...shortSessions(),
    of("space ahead", useSpaceAhead, { segmentSize: 16_384, preallocate: 8192 }),
    of("space ahead, blocking", useSpaceAhead, { segmentSize: 16_384, syncMode: "blocking" }),
    of("everything", useEverythingAtOnce, { segmentSize: 4096 }),
    ...[4, 2].map(randomProgram),
  ];
}

/** A random program, which is another whenever it is run again. */
function randomProgram(seed: number): Omitted {
  return {
    name: `random program ${seed}`,
    trial: (step) => {
      const { run, options } = programOf(seed);
      return of("", run, options).trial(step);
    },
  };
}

/** Those that take a few seconds. */
export function shortSessions(): Omitted[] {
  return [
    of("a little", useALittle, { segmentSize: 1024 }),
    of("truncations", truncateAgainAndAgain, {}),
  ];
}

function of(
  name: string,
  program: (session: Session) => Promise<void>,
  options: WalOptions,
): Omitted {
  const trial = (step: (name: string) => void): Trial<unknown> => {
    const { run, check } = trialOf((session) => program(told(session, step)), options, newTally());
    return {
      run: (fileSystem, note) =>
        run(fileSystem, (event) => {
          // Nothing fails in these programs: the log itself has noticed.
          if (event.kind === "reopened") throw new BrokenPromise("A call of the log has failed");
          note(event);
        }),
      check: (disk, events) => check(disk, events as readonly Event[]),
    };
  };
  return { name, trial };
}

/** What a session's method does, where its name does not say so. */
const STEPS: Readonly<Record<string, string>> = {
  appendAndSync: "append",
  appendBatch: "append",
  sync: "append",
  reopen: "close",
};

/** A session that reports each of its steps. */
function told(session: Session, step: (name: string) => void): Session {
  return new Proxy(session, {
    get: (session, name) => {
      const member = Reflect.get(session, name, session);
      if (typeof member !== "function") return member;
      return async (...args: unknown[]) => {
        step(STEPS[String(name)] ?? String(name));
        await Reflect.apply(member, session, args);
        // What is staged is written now, and not in the next step.
        void session.log.lastIndex;
      };
    },
  });
}

/** Openings of what a process that died, or a machine, has left of a program's log. */
async function openings(): Promise<Omitted[]> {
  const four = programOf(4);
  return [
    ...await openingsAfter("a little", useALittle, { segmentSize: 1024 }),
    ...await openingsAfter("version 1", four.run, four.options),
  ];
}

/** One opening for each sequence of calls that there is. */
async function openingsAfter(
  name: string,
  program: (session: Session) => Promise<void>,
  options: WalOptions,
): Promise<Omitted[]> {
  const found = new Map<string, Omitted>();
  for (const { disk, events } of await momentsOf(program, options)) {
    for (const start of [disk, ...disk.crashStates({ limit: 4 })]) {
      const recorder = new FaultyFileSystem(start.fork());
      await (await Wal.open(PATH, { ...options, fileSystem: recorder })).close();
      const calls = recorder.calls.filter((call) => !/^(list|open|read) /.test(call)).join();
      if (found.has(calls)) continue;
      const trial = (): Trial<unknown> => openingOf(events, options);
      found.set(calls, { name: `opening ${found.size + 1} after ${name}`, trial, start });
    }
  }
  return [...found.values()];
}

/** An opening shows what the crash may have left, and what it showed stays so. */
function openingOf(events: readonly Event[], options: WalOptions): Trial<unknown> {
  const before = trialOf(() => Promise.resolve(), options, newTally());
  return {
    run: async (fileSystem, note) => {
      const log = await Wal.open(PATH, { ...options, fileSystem });
      note(contentsOf(log));
      await log.close();
    },
    check: async (disk, [shown]) => {
      await before.check(disk.fork(), events);
      if (shown === undefined) return;
      const log = await Wal.open(PATH, { ...options, fileSystem: disk });
      const contents = contentsOf(log);
      await log.close();
      if (JSON.stringify(contents) === JSON.stringify(shown)) return;
      throw new BrokenPromise("The log does not have what an opening has shown of it");
    },
  };
}

/** The moments at which a program's process may die, each with its page cache. */
async function momentsOf(
  program: (session: Session) => Promise<void>,
  options: WalOptions,
): Promise<{ disk: CrashFileSystem; events: readonly Event[] }[]> {
  const disk = new CrashFileSystem();
  const events: Event[] = [];
  const moments: { disk: CrashFileSystem; events: readonly Event[] }[] = [];
  disk.observe(() => moments.push({ disk: disk.fork(), events: events.slice() }));
  await trialOf(program, options, newTally()).run(disk, (event) => events.push(event));
  return moments;
}

/** A log whose damage is set aside, before it is cut off. */
export async function salvage(): Promise<Omitted> {
  const start = new CrashFileSystem();
  const made = await Wal.open(PATH, { fileSystem: start });
  for (const size of [40, 300, 50]) await made.appendAndSync(payload(size, size));
  await made.close();
  const file = start.open(PATH, "write");
  const size = file.size();
  file.write(Uint8Array.of(0xa5), 160);
  await file.sync();
  start.kill();
  const options: WalOptions = { recovery: "salvage" };
  const wholeSize = (disk: CrashFileSystem): number =>
    disk.list("data").filter((name) => /^a\.wal$|cut-/.test(name))
      .map((name) => disk.open(`data/${name}`, "read").size())
      .reduce((sum, size) => sum + size, 0);
  const trial = (): Trial<unknown> => ({
    run: async (fileSystem, note) => {
      const log = await Wal.open(PATH, { ...options, fileSystem });
      note(contentsOf(log));
      await log.close();
    },
    check: async (disk, [shown]) => {
      if (wholeSize(disk) < size) throw new BrokenPromise("Bytes are cut that are not set aside");
      const log = await Wal.open(PATH, { ...options, fileSystem: disk });
      const contents = contentsOf(log);
      await log.close();
      const isKept = disk.list("data").filter((name) => name.includes("cut-")).some((name) =>
        readFile(disk, `data/${name}`).includes(0xa5)
      );
      if (!isKept) throw new BrokenPromise("What was damaged is nowhere");
      if (shown === undefined || JSON.stringify(contents) === JSON.stringify(shown)) return;
      throw new BrokenPromise("The log does not have what an opening has shown of it");
    },
  });
  return { name: "a damaged log", trial, start };
}

/** What a Raft node may answer for. */
type Fact =
  | { readonly kind: "hard"; readonly term: number }
  | { readonly kind: "has"; readonly index: number; readonly term: number }
  /** A conflicting leader's entries take the place of those from here on. */
  | { readonly kind: "mayGo"; readonly index: number };

/** A Raft node. */
export function raft(): Omitted {
  const options = { segmentSize: 1024 };
  const data = payload(1, 300);
  const trial = (step: (name: string) => void): Trial<unknown> => ({
    run: async (fileSystem, note: (fact: Fact) => void) => {
      const node = await RaftStorage.open(PATH, { ...options, fileSystem });
      for (let term = 1; term <= 3; term++) {
        step("setState");
        await node.setHardState({ term, votedFor: "a" });
        note({ kind: "hard", term });
        step("append");
        const { lastIndex } = await node.append([{ term, data }, { term, data }]);
        for (const index of [lastIndex - 1, lastIndex]) note({ kind: "has", index, term });
      }
      step("truncateFrom");
      note({ kind: "mayGo", index: 4 });
      await node.appendFromLeader(3, 2, [{ term: 4, data }]);
      note({ kind: "has", index: 4, term: 4 });
      step("truncateBefore");
      await node.compact(3);
      step("close");
      await node.close();
    },
    check: async (disk, facts) => {
      const node = await RaftStorage.open(PATH, { ...options, fileSystem: disk });
      try {
        requireFacts(node, facts as readonly Fact[]);
      } finally {
        await node.close();
      }
    },
  });
  return { name: "a Raft node", trial };
}

function requireFacts(node: RaftStorage, facts: readonly Fact[]): void {
  const terms = new Map<number, number>();
  for (const fact of facts) {
    if (fact.kind === "hard" && node.hardState.term < fact.term) {
      throw new BrokenPromise(`The term ${fact.term} is forgotten`);
    }
    if (fact.kind === "has") terms.set(fact.index, fact.term);
    if (fact.kind !== "mayGo") continue;
    for (const index of [...terms.keys()]) if (index >= fact.index) terms.delete(index);
  }
  for (const [index, term] of terms) {
    if (index > node.snapshot.index && node.term(index) !== term) {
      throw new BrokenPromise(`The entry ${index} of term ${term} is gone`);
    }
  }
}
