/**
 * The life of a handle: every public call in every state, and the steps from one state to the next.
 *
 * @module
 */
import { test } from "node:test";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { MovedError, SyncFailedError, Wal, WalError } from "../../mod.ts";
import {
  type Call,
  Lifecycle,
  type Rule,
  RULES,
  type StateKind,
} from "../../src/writer/lifecycle.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { FaultyFileSystem } from "../../src/testing/testing.ts";
import { bytes } from "../../kit/logs.ts";

const PATH = "a.wal";

/** A right call of each kind, for a log of the entries 1 and 2. */
const CALLS: Readonly<Record<Call, (log: Wal) => unknown>> = {
  append: (log) => log.append(bytes("x")),
  appendBatch: (log) => log.appendBatch([bytes("x"), bytes("y")]),
  appendAndSync: (log) => log.appendAndSync(bytes("x")),
  appendBatchAndSync: (log) => log.appendBatchAndSync([bytes("x"), bytes("y")]),
  sync: (log) => log.sync(),
  syncBlocking: (log) => log.syncBlocking(),
  truncateFromIndex: (log) => log.truncateFromIndex(1),
  truncateBeforeIndex: (log) => log.truncateBeforeIndex(1),
  retain: (log) => log.retain({ bytes: 1 }),
  reset: (log) => log.reset(1),
  setState: (log) => log.setState(bytes("state")),
  getEntry: (log) => log.getEntry(1),
  entries: (log) => [...log.entries()],
  readAll: (log) => log.readAll(),
  replay: (log) => log.replay(() => {}),
  follow: (log) => log.follow().return(),
  durable: (log) => log.durable(1),
  refresh: (log) => log.refresh(),
};

/** What is allowed in every state. */
const ALWAYS: Readonly<Record<string, (log: Wal) => unknown>> = {
  path: (log) => log.path,
  id: (log) => log.id,
  segments: (log) => log.segments(),
  firstIndex: (log) => log.firstIndex,
  lastIndex: (log) => log.lastIndex,
  durableIndex: (log) => log.durableIndex,
  byteLength: (log) => log.byteLength,
  recovery: (log) => log.recovery,
  state: (log) => log.state,
  stats: (log) => log.stats(),
};

/** A handle in a state. */
interface Handle {
  readonly log: Wal;
  readonly fileSystem: FaultyFileSystem;
  /** What ended it. */
  readonly failure?: unknown;
  /** Releases what holds it in the state. */
  readonly release: () => void;
}

/** Handles in each state, some in more than one way. */
const STATES: readonly (readonly [StateKind, way: string, make: () => Promise<Handle>])[] = [
  ["open", "opened", opened],
  ["rewriting", "a truncation of the tail runs", () => held((log) => log.truncateFromIndex(2))],
  ["rewriting", "a reset runs", () => held((log) => log.reset(1))],
  ["ended", "a sync has failed", ended],
  ["ended", "a truncation runs, and its file was removed", endedWhileHeld],
  ["closed", "close has resolved", async () => {
    const handle = await opened();
    await handle.log.close();
    return handle;
  }],
  ["closed", "close was called during a truncation", () =>
    held((log) => {
      const truncated = log.truncateFromIndex(2);
      void log.close();
      return truncated;
    })],
  ["closed", "a handle that had ended was closed", async () => {
    const handle = await ended();
    await handle.log.close();
    return handle;
  }],
  ["reading", "opened to read", async () => {
    const { log, fileSystem, release } = await opened();
    await log.close();
    return { log: await Wal.open(PATH, { fileSystem, readOnly: true }), fileSystem, release };
  }],
];

async function opened(): Promise<Handle> {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const log = await Wal.open(PATH, { fileSystem });
  for (const data of ["one", "two"]) await log.appendAndSync(bytes(data));
  return { log, fileSystem, release: () => {} };
}

/** A handle during a call that cannot continue before it is released. */
async function held(call: (log: Wal) => Promise<void>): Promise<Handle> {
  const { log, fileSystem } = await opened();
  const gate = Promise.withResolvers<void>();
  fileSystem.delay("sync", () => gate.promise);
  void call(log).catch(() => {});
  await turn();
  return { log, fileSystem, release: gate.resolve };
}

async function ended(): Promise<Handle> {
  const handle = await opened();
  handle.fileSystem.fail("syncData", "EIO");
  const failure = await assertRejects(
    () => handle.log.appendAndSync(bytes("lost")),
    SyncFailedError,
  );
  return { ...handle, failure };
}

/** A handle that finds its file gone while a truncation runs: it looks when it is idle. */
async function endedWhileHeld(): Promise<Handle> {
  const handle = await held((log) => log.truncateFromIndex(2));
  handle.fileSystem.remove(PATH);
  await new Promise((resolve) => setTimeout(resolve, 250));
  return { ...handle, failure: await assertRejects(() => handle.log.sync(), MovedError) };
}

/** Lets all run that waits for nothing else. */
async function turn(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** What came of a call so far. */
interface Outcome {
  settled: boolean;
  error?: unknown;
}

function make(call: () => unknown): Outcome {
  const outcome: Outcome = { settled: false };
  const fail = (error: unknown): void => void Object.assign(outcome, { settled: true, error });
  try {
    const value = call();
    if (value instanceof Promise) value.then(() => outcome.settled = true, fail);
    else outcome.settled = true;
  } catch (error) {
    fail(error);
  }
  return outcome;
}

/** Requires what a rule says of a call in a state. */
async function requireRule(rule: Rule, kind: StateKind, handle: Handle, call: Call): Promise<void> {
  const { log, fileSystem, failure, release } = handle;
  const changes = (): string[] => fileSystem.calls.filter((call) => !/^(open|read) /.test(call));
  const before = changes();
  const outcome = make(() => CALLS[call](log));
  await turn();
  if (kind === "rewriting" && (rule === "in turn" || rule === "waits")) {
    assertEquals(outcome, { settled: false });
    release();
  }
  for (let i = 0; i < 50 && !outcome.settled; i++) await turn();
  if (rule === "made" || rule === "in turn" || rule === "waits") {
    assertEquals(outcome, { settled: true });
    return;
  }
  if (rule === "its error") assertEquals(outcome.error, failure);
  else assertEquals(outcome.error instanceof WalError && outcome.error.code, rule);
  assertEquals(changes(), before, "a call that is refused changes no file");
}

for (const call of Object.keys(RULES) as Call[]) {
  for (const [kind, way, make] of STATES) {
    test(`${call} does what the table says in the state ${kind}: ${way}`, async () => {
      const handle = await make();
      await requireRule(RULES[call][kind], kind, handle, call);
      handle.release();
      await handle.log.close().catch(() => {});
    });
  }
}

for (const [kind, way, make] of STATES) {
  test(`getters and close are allowed when ${way} (${kind})`, async () => {
    const { log, release } = await make();
    for (const look of Object.values(ALWAYS)) look(log);
    const closed = log.close();
    assertEquals(log.close(), closed);
    assertEquals(assertThrows(() => log.getEntry(1), WalError).code, "ERR_WAL_CLOSED");
    for (const look of Object.values(ALWAYS)) look(log);
    release();
    await closed;
  });
}

test("the table has every public call, and every state was tried", () => {
  const known = [...Object.keys(RULES), ...Object.keys(ALWAYS), "constructor", "close"];
  assertEquals(Object.getOwnPropertyNames(Wal.prototype).toSorted(), known.toSorted());
  const tried = new Set(STATES.map(([kind]) => kind));
  for (const rules of Object.values(RULES)) {
    assertEquals(new Set(Object.keys(rules)), tried);
    assertEquals(rules.open === "made" || rules.open === "in turn", true);
  }
});

/** What may happen to a handle, and the state that follows. */
type Step = "rewrite" | "over" | "fail" | "close";

const NEXT: Readonly<Record<StateKind, Readonly<Record<Step, StateKind>>>> = {
  open: { rewrite: "rewriting", over: "open", fail: "ended", close: "closed" },
  rewriting: { rewrite: "rewriting", over: "open", fail: "ended", close: "closed" },
  ended: { rewrite: "ended", over: "ended", fail: "ended", close: "closed" },
  closed: { rewrite: "closed", over: "closed", fail: "closed", close: "closed" },
  reading: { rewrite: "reading", over: "reading", fail: "ended", close: "closed" },
};

test("every sequence of steps leads through the states as drawn, and the first error stays", async () => {
  const steps: readonly Step[] = ["rewrite", "over", "fail", "close"];
  const sequences = (length: number): Step[][] =>
    length === 0
      ? [[]]
      : sequences(length - 1).flatMap((some) => steps.map((step) => [...some, step]));
  for (const isReading of [false, true]) {
    for (const sequence of sequences(5)) {
      const lifecycle = new Lifecycle<Error>(PATH, isReading);
      let expected: StateKind = isReading ? "reading" : "open";
      let first: Error | undefined;
      let over: (() => void) | undefined;
      for (const step of sequence) {
        // A change is admitted first.
        const isAdmitted = step !== "rewrite" || expected === "open";
        if (step === "rewrite" && isAdmitted) {
          const gate = Promise.withResolvers<void>();
          over = gate.resolve;
          void lifecycle.alone(() => gate.promise).catch(() => {});
        } else if (step === "over") {
          over?.();
          await lifecycle.rewritten;
        } else if (step === "fail") {
          const error = new Error(`${sequence}`);
          first ??= error;
          assertEquals(lifecycle.end(error), first);
        } else if (step === "close") {
          void lifecycle.close(() => Promise.resolve());
        }
        expected = NEXT[expected][step];
        assertEquals(lifecycle.kind, expected, `${sequence}`);
        assertEquals(lifecycle.hasEnded, first !== undefined);
      }
      over?.();
    }
  }
});

test("an error that ended the handle is reported at the close, unless a call has reported it", () => {
  for (const isClosed of [false, true]) {
    const lifecycle = new Lifecycle<Error>(PATH, false);
    if (isClosed) void lifecycle.close(() => Promise.resolve());
    lifecycle.requireTold();
    lifecycle.end(new Error("the disk"));
    assertEquals(assertThrows(() => lifecycle.requireTold()).message, "the disk");
    lifecycle.requireTold();
    assertEquals(assertThrows(() => lifecycle.requireNotEnded()).message, "the disk");
  }
});

test("turns are taken in the order of the calls, whatever they come to", async () => {
  const lifecycle = new Lifecycle(PATH, false);
  const order: number[] = [];
  const turns = [3, 0, 1].map((pause, i) =>
    lifecycle.inTurn(async () => {
      await new Promise((resolve) => setTimeout(resolve, pause));
      order.push(i);
      if (i === 1) throw new Error("the second");
      return i;
    })
  );
  assertEquals((await Promise.allSettled(turns)).map(({ status }) => status), [
    ...["fulfilled", "rejected", "fulfilled"],
  ]);
  assertEquals(order, [0, 1, 2]);
});

test("what ended the handle refuses the turns that were given before", async () => {
  const lifecycle = new Lifecycle<Error>(PATH, false);
  const first = lifecycle.inTurn(() => Promise.resolve(lifecycle.end(new Error("the first"))));
  let isMade = false;
  const second = lifecycle.inTurn(() => Promise.resolve(isMade = true));
  await first;
  assertStringIncludes((await assertRejects(() => second)).message, "the first");
  assert(!isMade);
});
