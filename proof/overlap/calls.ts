/**
 * Every public call of a log, each with what it promises, to be started while others run.
 *
 * @module
 */
import { setTimeout as wait } from "node:timers/promises";
import { LockedError, Wal, WalError } from "../../mod.ts";
import { BrokenPromise, contentsOf, digestOf } from "../../src/testing/testing.ts";
import { PATH, type Session } from "./session.ts";

/** A call. */
export interface Call {
  readonly name: string;
  /** Starts it. What it returns resolves when the call has ended, and never rejects. */
  start(session: Session): Promise<void> | void;
}

/** In how long an idle log has told its file of the last sync, and a little more, in milliseconds. */
const IDLE_MS = 170;

/** An entry that fits where others do, and one that needs a segment of its own. */
const SMALL = 60;
const LARGE = 900;

function appendOf(name: string, size: number): Call {
  return {
    name,
    start(session) {
      const data = session.payload(size);
      const operation = { kind: "append", entries: [digestOf(data)], durable: false } as const;
      session.doAtOnce(operation, () => session.log.append(data));
    },
  };
}

function appendAndSyncOf(name: string, size: number): Call {
  return {
    name,
    async start(session) {
      const data = session.payload(size);
      const operation = { kind: "append", entries: [digestOf(data)], durable: true } as const;
      await session.do(operation, async () => {
        const index = await session.log.appendAndSync(data);
        session.claim(name, index);
      });
    },
  };
}

/** The log's indexes where the calls start, by which they name entries. */
export interface Range {
  readonly firstIndex: number;
  readonly lastIndex: number;
}

/** The calls, on a log with these entries. */
export function callsOn({ firstIndex, lastIndex }: Range): readonly Call[] {
  const truncateFrom = (name: string, index: number): Call => ({
    name,
    async start(session) {
      await session.do({ kind: "truncateFrom", index }, () => session.log.truncateFromIndex(index));
    },
  });
  const truncateBefore = (name: string, index: number): Call => ({
    name,
    async start(session) {
      await session.do(
        { kind: "truncateBefore", index },
        () => session.log.truncateBeforeIndex(index),
      );
    },
  });
  const reset = (name: string, index: number): Call => ({
    name,
    async start(session) {
      await session.do({ kind: "reset", index }, () => session.log.reset(index));
    },
  });
  const middle = firstIndex + Math.floor((lastIndex - firstIndex) / 2);
  return [
    appendOf("append", SMALL),
    appendOf("append over a roll", LARGE),
    {
      name: "appendBatch",
      start(session) {
        const batch = [session.payload(SMALL), session.payload(SMALL)];
        const operation = { kind: "append", entries: batch.map(digestOf), durable: false } as const;
        session.doAtOnce(operation, () => session.log.appendBatch(batch));
      },
    },
    appendAndSyncOf("appendAndSync", SMALL),
    appendAndSyncOf("appendAndSync over a roll", LARGE),
    {
      name: "appendBatchAndSync",
      async start(session) {
        const batch = [session.payload(SMALL), session.payload(SMALL)];
        const operation = { kind: "append", entries: batch.map(digestOf), durable: true } as const;
        await session.do(operation, () => session.log.appendBatchAndSync(batch));
      },
    },
    {
      name: "sync",
      async start(session) {
        await session.do({ kind: "sync" }, () => session.log.sync());
      },
    },
    {
      name: "syncBlocking",
      start(session) {
        session.doAtOnce({ kind: "sync" }, () => session.log.syncBlocking());
      },
    },
    truncateFrom("truncateFromIndex of the last entry", lastIndex),
    truncateFrom("truncateFromIndex of the last two", lastIndex - 1),
    truncateFrom("truncateFromIndex over segments", middle),
    truncateFrom("truncateFromIndex of all", firstIndex),
    truncateBefore("truncateBeforeIndex", middle),
    truncateBefore("truncateBeforeIndex of all", lastIndex + 1),
    reset("reset forward", lastIndex + 50),
    reset("reset to 1", 1),
    {
      name: "setState",
      async start(session) {
        const state = session.payload(40);
        const operation = { kind: "setState", state: digestOf(state) } as const;
        await session.do(operation, () => session.log.setState(state));
      },
    },
    {
      name: "close",
      start: (session) => session.close(),
    },
    {
      name: "getEntry, readAll, replay, entries, stats",
      start: (session) => session.look("a reading", () => session.read(session.log)),
    },
    {
      name: "entries, held in the middle",
      start: (session) => session.look("a loop over entries", () => readSlowly(session)),
    },
    {
      name: "follow",
      start: (session) => session.look("a loop over follow", () => follow(session)),
    },
    {
      name: "Wal.open",
      start: (session) => session.look("a second open", () => openAgain(session)),
    },
    {
      name: "Wal.open with readOnly",
      start: (session) => session.look("a reader", () => openToRead(session)),
    },
    {
      name: "idle",
      async start(session) {
        await session.held.hold("the log is idle");
        session.held.clocks++;
        await wait(IDLE_MS);
        session.held.clocks--;
      },
    },
  ];
}

/** The names of the calls. */
export const CALL_NAMES: readonly string[] = callsOn({ firstIndex: 1, lastIndex: 1 })
  .map(({ name }) => name);

/** A loop whose body waits after its first entry. What it yields must be there. */
async function readSlowly(session: Session): Promise<void> {
  const { log, held } = session;
  let isFirst = true;
  for (const { index, data } of log.entries()) {
    let there = "nothing";
    try {
      there = digestOf(log.getEntry(index));
    } catch (error) {
      if (!(error instanceof WalError)) throw error;
      there = error.code;
    }
    if (there !== digestOf(data)) {
      throw new BrokenPromise(`A loop over entries yields as ${index} what is not there: ${there}`);
    }
    if (isFirst) await held.hold("the loop continues");
    isFirst = false;
  }
}

/** Follows until it is told to leave, and claims what it sees. */
async function follow(session: Session): Promise<void> {
  const { held } = session;
  const loop = session.log.follow();
  void held.hold("the follower leaves").then(() => loop.return());
  let isFirst = true;
  for await (const { index } of loop) {
    session.claim("follow", index);
    if (isFirst) await held.hold("the follower continues");
    isFirst = false;
  }
}

/** Another writer: it is refused for as long as the first has not closed the log. */
async function openAgain(session: Session): Promise<void> {
  const fileSystem = session.fileSystemFor("another writer", true);
  let log: Wal;
  try {
    log = await Wal.open(PATH, { ...session.options, fileSystem });
  } catch (error) {
    if (error instanceof LockedError) return;
    throw error;
  }
  session.read(log);
  session.log = log;
  session.isClosed = false;
}

/** A reader in another process, which reads what is there. */
async function openToRead(session: Session): Promise<void> {
  const since = session.events.length;
  const fileSystem = session.fileSystemFor("a reader", false);
  const log = await Wal.open(PATH, { ...session.options, fileSystem, readOnly: true });
  session.explain(contentsOf(log), since);
  // Below its head it has nothing to claim.
  if (log.durableIndex >= log.firstIndex) session.claim("a reader", log.durableIndex);
  await log.close();
}
