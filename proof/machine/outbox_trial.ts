/**
 * A state machine under trial that hands messages over to a queue: after a crash, each message whose
 * dispatch was acknowledged is in the queue once, and no other but those of calls under way.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { type FileSystem, WalError } from "../../mod.ts";
import { clock } from "../../src/fs/clock.ts";
import type { Queue } from "../../src/queue/queue.ts";
import {
  BrokenPromise,
  type CrashFileSystem,
  digestOf,
  type Trial,
} from "../../src/testing/testing.ts";
import { onManualClock } from "../../kit/manual_clock.ts";
import { messagesOf, openMail, openSender, type Sender } from "../../kit/outbox.ts";

/** What was seen. */
export interface OutboxTally {
  states: number;
  /** States in which the machine had something to hand over. */
  withPending: number;
  /** The digest of all states. It tells two runs apart. */
  digest: string;
}

/** An empty tally. */
export function newOutboxTally(): OutboxTally {
  return { states: 0, withPending: 0, digest: "" };
}

/** What a program promises of a dispatch, by its number. */
export interface OutboxFact {
  readonly kind: "asked" | "acknowledged" | "refused";
  readonly n: number;
}

/** Both logs roll in the program. */
const SIZES = { segmentSize: 1024 };

/** What a program is given. */
class Session {
  readonly machine: Sender;
  readonly mail: Queue<string>;
  readonly #note: (fact: OutboxFact) => void;

  constructor(machine: Sender, mail: Queue<string>, note: (fact: OutboxFact) => void) {
    this.machine = machine;
    this.mail = mail;
    this.#note = note;
  }

  /** Dispatches an event with two messages, or none where its number is a multiple of 4. */
  async send(n: number): Promise<void> {
    this.#note({ kind: "asked", n });
    const enqueue = { mail: messagesFor(n) };
    try {
      await this.machine.dispatch({ n }, n % 3 === 0 ? { key: `k${n}`, enqueue } : { enqueue });
    } catch (error) {
      if (!hasEnded(this.machine)) this.#note({ kind: "refused", n });
      throw error;
    }
    this.#note({ kind: "acknowledged", n });
  }
}

/** The messages that belong to an event. */
function messagesFor(n: number): string[] {
  return n % 4 === 0 ? [] : [`${n}a`, `${n}b`];
}

function hasEnded(machine: Sender): boolean {
  try {
    return machine.state === undefined;
  } catch {
    return true;
  }
}

/** Opens both, lets a program use them, and closes both. */
async function withBoth(
  fileSystem: FileSystem,
  note: (fact: OutboxFact) => void,
  program: (session: Session) => Promise<void>,
): Promise<void> {
  const mail = await openMail(fileSystem, SIZES);
  try {
    const machine = await openSender(fileSystem, mail, SIZES);
    try {
      await program(new Session(machine, mail, note));
    } finally {
      await machine.close();
    }
  } finally {
    await mail.close();
  }
}

/** What a queue by itself refuses on a full disk; it rejects with all else. */
async function unlessFull(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof WalError && error.code === "ERR_WAL_WRITE_FAILED")) throw error;
  }
}

/** A program that uses both. */
export type OutboxProgram = (
  fileSystem: FileSystem,
  note: (fact: OutboxFact) => void,
) => Promise<void>;

/** Two lives: dispatches, snapshots before and after messages are handed over, and a compaction. */
export async function useOutbox(
  fileSystem: FileSystem,
  note: (fact: OutboxFact) => void,
): Promise<void> {
  await withBoth(fileSystem, note, async (session) => {
    await session.send(1);
    await session.machine.outbox.drain();
    // The first one loads what all need, which takes a while, so nothing runs beside it.
    await session.machine.snapshot();
    const calls: Promise<unknown>[] = [];
    for (const n of [2, 3, 4, 5]) {
      calls.push(session.send(n));
      if (n === 4) calls.push(session.machine.snapshot());
      await clock.endOfTurn();
    }
    await Promise.all(calls);
    await session.machine.outbox.drain();
    await session.machine.snapshot();
    await unlessFull(session.mail.compact());
    await session.send(6);
  });
  await withBoth(fileSystem, note, async (session) => {
    await session.send(7);
    await session.machine.snapshot();
    await session.send(8);
  });
}

/** A short life. */
export async function useALittleOfAnOutbox(
  fileSystem: FileSystem,
  note: (fact: OutboxFact) => void,
): Promise<void> {
  await withBoth(fileSystem, note, async (session) => {
    await Promise.all([session.send(1), session.send(2)]);
    await session.machine.snapshot();
  });
}

/** Lets the syncs of one file take some turns of the event loop longer, for `exploreCrashes`. */
export function slowFile(name: string): (call: string) => unknown {
  return (call) => call.includes(`sync "${name}"`) ? turnsOfTheLoop(SLOW) : undefined;
}

/** How many turns a slow sync takes: some calls of the program are made meanwhile. */
const SLOW = 3;

async function turnsOfTheLoop(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await clock.endOfTurn();
}

/** The trial. */
export function outboxTrial(program: OutboxProgram, tally: OutboxTally): Trial<OutboxFact> {
  return {
    run: (fileSystem, note) => onManualClock(() => program(fileSystem, note)),
    check: (disk, facts) =>
      onManualClock(async () => {
        tally.states++;
        tally.digest = digestOf(new TextEncoder().encode(tally.digest + disk.origin));
        const before = await checkOnce(disk, facts, tally);
        // Another death of the process, right after that: nothing comes twice.
        disk.kill();
        assertEquals(await checkOnce(disk, facts, tally), before);
      }),
  };
}

/** Opens both, has all handed over, and compares. Returns what the queue has. */
async function checkOnce(
  disk: CrashFileSystem,
  facts: readonly OutboxFact[],
  tally: OutboxTally,
): Promise<string[]> {
  const mail = await openMail(disk, SIZES);
  const machine = await openSender(disk, mail, SIZES);
  if (machine.outbox.pending > 0) tally.withPending++;
  await machine.outbox.drain();
  const found = messagesOf(mail);
  const { numbers } = machine.state;
  await machine.close();
  await mail.close();
  // A queue has the messages of the state's events, each once.
  const wanted = numbers.flatMap(messagesFor);
  if (found.toSorted().join() !== wanted.toSorted().join()) {
    throw new BrokenPromise(`The queue has ${found}, and the events have ${wanted}`);
  }
  for (const { kind, n } of facts) {
    if (kind === "acknowledged" && !numbers.includes(n)) {
      throw new BrokenPromise(`The event ${n} is gone, which was acknowledged`);
    }
    if (kind === "refused" && numbers.includes(n)) {
      throw new BrokenPromise(`The event ${n} is there, which was refused`);
    }
  }
  return found;
}
