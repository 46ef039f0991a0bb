/**
 * Every public call with every wrong kind of argument: a typed error that tells the kind and never the
 * contents, and a log that is as before.
 *
 * @module
 */
import { test } from "node:test";
import { runInNewContext } from "node:vm";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { type EntryRange, type FollowOptions, Wal, WalError, type WalErrorCode } from "../mod.ts";
import { MemoryFileSystem } from "../src/fs/adapters/memory.ts";
import { RaftStorage } from "../src/raft/raft.ts";
import {
  CrashFileSystem,
  exploreCrashes,
  exploreFaults,
  FaultyFileSystem,
} from "../src/testing/testing.ts";
import { bytes, text, withLog } from "../kit/logs.ts";

/** What no message may show. */
const SECRET = "s3cret";

function detached(): Uint8Array {
  const buffer = new ArrayBuffer(6);
  const array = new Uint8Array(buffer);
  structuredClone(buffer, { transfer: [buffer] });
  return array;
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

function thrower(): never {
  throw new RangeError(`told ${SECRET}`);
}

/** A new value of each kind for each call. */
const VALUES: Readonly<Record<string, () => unknown>> = {
  undefined: () => undefined,
  null: () => null,
  true: () => true,
  "0": () => 0,
  "-0": () => -0,
  "1": () => 1,
  "6": () => 6,
  "-1": () => -1,
  "1.5": () => 1.5,
  NaN: () => NaN,
  Infinity: () => Infinity,
  "2 ** 53": () => 2 ** 53,
  bigint: () => 1n,
  symbol: () => Symbol(SECRET),
  "empty string": () => "",
  "digit string": () => "1",
  "secret string": () => SECRET,
  function: () => () => SECRET,
  "empty array": () => [],
  "array of numbers": () => [1, 2],
  "array of strings": () => [SECRET],
  "sparse array": () => Array(3),
  "huge sparse array": () => Array(2 ** 32 - 1),
  object: () => ({}),
  "secret object": () => ({ secret: SECRET }),
  "no prototype": () => Object.create(null),
  "throwing words": () => ({ toString: thrower, valueOf: thrower, [Symbol.toPrimitive]: thrower }),
  "lying words": () => ({ toString: () => SECRET, valueOf: () => 1, [Symbol.toStringTag]: SECRET }),
  "secret class": () => new (Object.defineProperty(class {}, "name", { value: `${SECRET} !` }))(),
  "revoked proxy": revoked,
  date: () => new Date(),
  map: () => new Map([[SECRET, SECRET]]),
  error: () => new Error(SECRET),
  url: () => new URL(`file:///${SECRET}`),
  promise: () => Promise.resolve(SECRET),
  signal: () => new AbortController().signal,
  buffer: () => bytes(SECRET).buffer,
  bytes: () => bytes("fine"),
  "other typed array": () => new Uint16Array(3),
  "data view": () => new DataView(new ArrayBuffer(3)),
  detached,
  "proxy of bytes": () => new Proxy(bytes(SECRET), {}),
  "another realm's object": () => runInNewContext("({ secret: 1 })"),
};

type Code = WalErrorCode;
const ARGUMENT: Code = "ERR_WAL_INVALID_ARGUMENT";
const INDEX: Code = "ERR_WAL_INDEX_OUT_OF_RANGE";
const PATH: Code = "ERR_WAL_NOT_A_FILE";

/** A call with one argument to be wrong: which values it takes, and the codes of its refusals. */
interface Call {
  readonly make: (log: Wal, storage: RaftStorage, value: never) => unknown;
  readonly accepts: readonly string[];
  readonly codes?: readonly Code[];
}

const OPTIONAL = ["undefined", "object", "no prototype"];

const CALLS: Readonly<Record<string, Call>> = {
  append: { make: (log, _, data) => log.append(data), accepts: ["bytes"] },
  appendAndSync: { make: (log, _, data) => log.appendAndSync(data), accepts: ["bytes"] },
  appendBatch: { make: (log, _, batch) => log.appendBatch(batch), accepts: [] },
  appendBatchAndSync: { make: (log, _, batch) => log.appendBatchAndSync(batch), accepts: [] },
  "a batch's entry": {
    make: (log, _, data) => log.appendBatch([bytes("a"), data]),
    accepts: ["bytes"],
  },
  setState: { make: (log, _, state) => log.setState(state), accepts: ["bytes"] },
  getEntry: { make: (log, _, index) => log.getEntry(index), accepts: ["1"], codes: [INDEX] },
  truncateFromIndex: {
    make: (log, _, index) => log.truncateFromIndex(index),
    accepts: ["1"],
    codes: [INDEX],
  },
  truncateBeforeIndex: {
    make: (log, _, index) => log.truncateBeforeIndex(index),
    accepts: ["1", "6"],
    codes: [INDEX],
  },
  reset: { make: (log, _, index) => log.reset(index), accepts: ["1", "6"], codes: [INDEX] },
  entries: { make: (log, _, range) => log.entries(range), accepts: OPTIONAL },
  "entries' from": {
    make: (log, _, from) => log.entries({ from }),
    accepts: ["undefined", "1", "6"],
    codes: [INDEX],
  },
  "entries' to": {
    make: (log, _, to) => log.entries({ to }),
    accepts: ["undefined", "1", "0", "-0"],
    codes: [INDEX],
  },
  "replay's visitor": { make: (log, _, visit) => log.replay(visit), accepts: ["function"] },
  "replay's range": { make: (log, _, range) => log.replay(() => {}, range), accepts: OPTIONAL },
  follow: { make: (log, _, options) => log.follow(options), accepts: OPTIONAL },
  "follow's from": {
    make: (log, _, from) => log.follow({ from }),
    accepts: ["undefined", "1", "6"],
    codes: [INDEX],
  },
  "follow's signal": {
    make: (log, _, signal) => log.follow({ signal }),
    accepts: ["undefined", "signal"],
  },
  "follow's durable": {
    make: (log, _, durable) => log.follow({ durable }),
    accepts: ["undefined", "true"],
  },
  "the path": {
    make: (_log, _storage, path) => Wal.open(path, { fileSystem: new MemoryFileSystem() }),
    accepts: ["digit string", "secret string"],
    codes: [ARGUMENT, PATH],
  },
  "the options": {
    make: (_log, _storage, options) => Wal.open("/dev/null/none", options),
    accepts: OPTIONAL,
  },
  ...optionCalls(),
  "RaftStorage's path": {
    make: (_log, _storage, path) => RaftStorage.open(path, { fileSystem: new MemoryFileSystem() }),
    accepts: ["digit string", "secret string"],
    codes: [ARGUMENT, PATH],
  },
  "RaftStorage's options": {
    make: (_log, _storage, options) => RaftStorage.open("/dev/null/none", options),
    accepts: OPTIONAL,
  },
  term: {
    make: (_, storage, index) => storage.term(index),
    accepts: ["0", "-0", "1"],
    codes: [INDEX],
  },
  entry: { make: (_, storage, index) => storage.entry(index), accepts: ["1"], codes: [INDEX] },
  "RaftStorage's entries": {
    make: (_, storage, range) => storage.entries(range),
    accepts: OPTIONAL,
  },
  "RaftStorage's entries' from": {
    make: (_, storage, from) => storage.entries({ from }),
    accepts: ["undefined", "1", "6"],
    codes: [INDEX],
  },
  "RaftStorage's append": { make: (_, storage, batch) => storage.append(batch), accepts: [] },
  "an entry of Raft's": { make: (_, storage, entry) => storage.append([entry]), accepts: [] },
  "an entry's term": {
    make: (_, storage, term) => storage.append([{ term, data: bytes("a") }]),
    accepts: ["1", "6"],
  },
  "an entry's data": {
    make: (_, storage, data) => storage.append([{ term: 1, data }]),
    accepts: ["bytes"],
  },
  prevIndex: {
    make: (_, storage, index) => storage.appendFromLeader(index, 1, []),
    accepts: ["0", "-0", "1", "6"],
  },
  prevTerm: {
    make: (_, storage, term) => storage.appendFromLeader(5, term, []),
    accepts: ["0", "-0", "1", "6"],
  },
  "a leader's entries": {
    make: (_, storage, batch) => storage.appendFromLeader(5, 1, batch),
    accepts: ["empty array"],
  },
  hardState: { make: (_, storage, state) => storage.setHardState(state), accepts: [] },
  "a hard state's term": {
    make: (_, storage, term) => storage.setHardState({ term, votedFor: null }),
    accepts: ["0", "-0", "1", "6"],
  },
  votedFor: {
    make: (_, storage, votedFor) => storage.setHardState({ term: 9, votedFor }),
    accepts: ["null", "empty string", "digit string", "secret string"],
  },
  compact: {
    make: (_, storage, index) => storage.compact(index),
    accepts: ["0", "-0", "1"],
    codes: [INDEX],
  },
  installSnapshot: { make: (_, storage, mark) => storage.installSnapshot(mark), accepts: [] },
  "a snapshot's index": {
    make: (_, storage, index) => storage.installSnapshot({ index, term: 1 }),
    accepts: ["1", "6"],
  },
  "a snapshot's term": {
    make: (_, storage, term) => storage.installSnapshot({ index: 9, term }),
    accepts: ["1", "6"],
  },
};

/** A call for each option of a log. */
function optionCalls(): Record<string, Call> {
  const accepts: Readonly<Record<string, readonly string[]>> = {
    maxEntrySize: ["1", "6"],
    segmentSize: [],
    format: ["1"],
    recovery: [],
    readOnly: ["true"],
    syncMode: [],
    preallocate: ["0", "-0", "1", "6"],
    mode: ["0", "-0", "1", "6"],
    fileSystem: [],
  };
  return Object.fromEntries(
    Object.entries(accepts).map(([name, values]) => [
      `the option ${name}`,
      {
        make: (_log, _storage, value) => Wal.open("/dev/null/none", { [name]: value }),
        accepts: ["undefined", ...values],
      } satisfies Call,
    ]),
  );
}

/** What is no entry's, and helps where it is wrong. */
const SHOWN = /path|recovery|syncMode/;

/** What a call throws or rejects with. */
async function failureOf(call: () => unknown): Promise<unknown> {
  try {
    await call();
    return undefined;
  } catch (error) {
    return error;
  }
}

for (const [name, { make, accepts, codes = [ARGUMENT] }] of Object.entries(CALLS)) {
  test(`${name}: every wrong kind is refused by its kind, and nothing is done`, async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await Wal.open("a.wal", { fileSystem });
    for (const word of ["a", "b", "c", "d", "e"]) log.append(bytes(word));
    await log.setState(bytes("state"));
    const storage = await RaftStorage.open("raft.wal", { fileSystem });
    const data = bytes("x");
    await storage.append([1, 2, 3, 4, 5].map(() => ({ term: 1, data })));
    const size = log.byteLength;
    let refusals = 0;
    for (const [kind, value] of Object.entries(VALUES)) {
      if (accepts.includes(kind)) continue;
      refusals++;
      const error = await failureOf(() => make(log, storage, value() as never));
      assert(error instanceof WalError, `${kind}: ${error}`);
      assert(codes.includes(error.code), `${kind}: ${error.code} ${error.message}`);
      assert(!error.message.includes(SECRET) || SHOWN.test(name), error.message);
      assertEquals(error.cause, undefined);
    }
    assert(refusals >= Object.keys(VALUES).length - 6);
    assertEquals([log.lastIndex, log.firstIndex, log.byteLength], [5, 1, size]);
    assertEquals(text(log.state), "state");
    assertEquals([storage.firstIndex, storage.lastIndex], [1, 5]);
    assertEquals(storage.hardState, { term: 0, votedFor: null });
    await log.close();
    await storage.close();
  });
}

test("an unknown option is named, with those that there are", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open("a.wal", { fileSystem });
  const storage = await RaftStorage.open("raft.wal", { fileSystem });
  const calls: [() => unknown, string][] = [
    [() => log.entries({ form: 1 } as EntryRange), "from, to"],
    [() => log.replay(() => {}, { form: 1 } as EntryRange), "from, to"],
    [() => log.follow({ form: 1 } as FollowOptions), "from, signal, durable"],
    [() => storage.entries({ form: 1 } as EntryRange), "from, to"],
    [() => Wal.open("b.wal", { form: 1 } as object), "maxEntrySize"],
    [() => RaftStorage.open("b.wal", { form: 1 } as object), "maxEntrySize"],
  ];
  for (const [call, known] of calls) {
    const error = await failureOf(call);
    assert(error instanceof WalError);
    assertEquals(error.code, ARGUMENT);
    assertStringIncludes(error.message, '"form"');
    assertStringIncludes(error.message, known);
  }
  const raft = await failureOf(() => RaftStorage.open("b.wal", { format: 1 } as object));
  assertStringIncludes((raft as WalError).message, '"format"');
  assertEquals(fileSystem.list(".").includes("b.wal"), false);
  await log.close();
  await storage.close();
});

test("options of a class, of another realm, frozen, or with undefined values are taken", async () => {
  class Range {
    from = 2;
    get to(): number {
      return 2;
    }
  }
  const fileSystem = new MemoryFileSystem();
  await withLog("a.wal", { fileSystem }, (log) => {
    for (const word of ["a", "b", "c"]) log.append(bytes(word));
    const ranges: EntryRange[] = [
      new Range(),
      runInNewContext("({ from: 2, to: 2 })"),
      Object.freeze({ from: 2, to: 2 }),
      Object.assign(Object.create(null), { from: 2, to: 2 }),
      Object.create({ from: 2, to: 2 }),
    ];
    for (const range of ranges) {
      assertEquals([...log.entries(range)].map(({ index }) => index), [2]);
    }
    const all = { from: undefined, to: undefined } as unknown as EntryRange;
    assertEquals([...log.entries(all)].length, 3);
  });
});

test("a signal of another realm ends a follower, with its reason", async () => {
  await withLog("a.wal", { fileSystem: new MemoryFileSystem() }, async (log) => {
    const listeners = new Set<() => void>();
    const signal = {
      aborted: false,
      reason: "enough",
      addEventListener: (_: string, listener: () => void) => void listeners.add(listener),
      removeEventListener: (_: string, listener: () => void) => void listeners.delete(listener),
    };
    const follower = log.follow({ signal: signal as unknown as AbortSignal });
    const next = follower.next();
    await new Promise((resolve) => setTimeout(resolve, 5));
    signal.aborted = true;
    for (const listener of listeners) listener();
    assertEquals(await next.catch((reason: unknown) => reason), "enough");
  });
});

test("an index of the wrong kind is reported as such, with the indexes of the log", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open("a.wal", { fileSystem });
  for (const word of ["a", "b", "c"]) log.append(bytes(word));
  const told = (index: unknown): string =>
    assertThrows(() => log.getEntry(index as number), WalError).message;
  assertStringIncludes(told("1"), "must be a number, not a string of 1 character");
  assertStringIncludes(told(1n), "must be a number, not a bigint");
  assertStringIncludes(told(undefined), "must be a number, not undefined");
  assertStringIncludes(told(1.5), "must be a whole number, not 1.5");
  assertStringIncludes(told(NaN), "must be a whole number, not NaN");
  assertStringIncludes(told(4), "There is no entry 4");
  assertStringIncludes(told(-0), "There is no entry 0");
  for (const index of ["1", 1.5, 4]) assertStringIncludes(told(index), "the entries 1 to 3");
  await log.close();
});

test("the error for a URL, and for a path that is one, says what to give instead", async () => {
  const fileSystem = new MemoryFileSystem();
  const foreignUrl = runInNewContext("({ href: 'file:///a.wal', protocol: 'file:' })");
  for (const path of [new URL("file:///a.wal"), foreignUrl, "file:///a.wal", "FILE:a.wal"]) {
    const open = (): Promise<Wal> => Wal.open(path as string, { fileSystem });
    const error = await assertRejects(open, WalError);
    assertEquals(error.code, ARGUMENT);
    assertStringIncludes(error.message, "fileURLToPath");
  }
  await withLog("./file:a.wal", { fileSystem }, (log) => assertEquals(log.append(bytes("a")), 1));
});

test("paths of directories, and such as no file has, are refused before anything is made", async () => {
  const fileSystem = new MemoryFileSystem();
  for (const path of [".", "..", "/", "a/", "a/.", "a/..", "a//", "./", "../"]) {
    for (const readOnly of [false, true]) {
      const open = (): Promise<Wal> => Wal.open(path, { fileSystem, readOnly });
      assertEquals((await assertRejects(open, WalError)).code, "ERR_WAL_NOT_A_FILE", path);
    }
  }
  for (const path of ["a\0b", "\ud800.wal", "a\udc00"]) {
    const error = await assertRejects(() => Wal.open(path, { fileSystem }), WalError);
    assertEquals(error.code, ARGUMENT);
  }
  assertEquals(fileSystem.list("."), []);
});

test("a batch is read once: what changes while it is read changes nothing", async () => {
  await withLog("a.wal", { fileSystem: new MemoryFileSystem() }, (log) => {
    let reads = 0;
    const first = (): Uint8Array => ++reads === 1 ? bytes("first") : (thrower as never);
    const getter = Object.defineProperty([bytes("x"), bytes("y")], 0, { get: first });
    assertEquals(log.appendBatch(getter), { firstIndex: 1, lastIndex: 2 });
    const proxy = new Proxy([bytes("z")], {
      get(target, key, receiver) {
        if (key === "0" && ++reads > 2) target.push(bytes("grown"));
        return Reflect.get(target, key, receiver);
      },
    });
    assertEquals(log.appendBatch(proxy), { firstIndex: 3, lastIndex: 3 });
    assertEquals(log.readAll().map(text), ["first", "y", "z"]);
    const failing = Object.defineProperty([bytes("x")], 0, { get: thrower });
    assertThrows(() => log.appendBatch(failing), RangeError);
    const given = bytes("detached when the next is read");
    const detaching = Object.defineProperty([given, bytes("x")], 1, {
      get: () => {
        structuredClone(given, { transfer: [given.buffer as ArrayBuffer] });
        return bytes("y");
      },
    });
    assertEquals(assertThrows(() => log.appendBatch(detaching), WalError).code, ARGUMENT);
    // To look at all of its holes would take minutes.
    const holes = new Array<Uint8Array>(2 ** 32 - 1);
    assertEquals(assertThrows(() => log.appendBatch(holes), WalError).code, ARGUMENT);
    assertEquals(log.lastIndex, 3);
  });
});

test("bytes that lie about their length are refused", async () => {
  class Liar extends Uint8Array {
    override get length(): number {
      return 100;
    }
  }
  const own = Object.defineProperty(bytes("abc"), "length", { value: 100 });
  await withLog("a.wal", { fileSystem: new MemoryFileSystem() }, async (log) => {
    for (const data of [new Liar(3), own]) {
      assertEquals(assertThrows(() => log.append(data), WalError).code, ARGUMENT);
      assertEquals((await assertRejects(() => log.setState(data), WalError)).code, ARGUMENT);
    }
    assertEquals(log.lastIndex, 0);
  });
});

test("a Raft batch is taken when it is given: the caller may change it at once", async () => {
  const fileSystem = new MemoryFileSystem();
  const storage = await RaftStorage.open("raft.wal", { fileSystem });
  const data = bytes("one");
  const entries = [{ term: 1, data }, { term: 1, data }];
  const appended = storage.append(entries);
  const sent = storage.appendFromLeader(2, 1, entries);
  data.fill(0);
  for (const entry of entries) Object.assign(entry, { term: NaN, data: "s" });
  entries.length = 1;
  assertEquals(await appended, { firstIndex: 1, lastIndex: 2 });
  assertEquals(await sent, { matches: true, lastIndex: 4, droppedFrom: undefined });
  const found = Array.from(storage.entries(), ({ term, data }) => [term, text(data)]);
  assertEquals(found, Array(4).fill([1, "one"]));
  await storage.close();
});

test("the testing kit refuses unknown options, and values of the wrong kind", async () => {
  const disk = new CrashFileSystem();
  const faulty = new FaultyFileSystem(disk);
  const trial = { run: async () => {}, check: async () => {} };
  const wrong = (value: unknown): never => value as never;
  const calls: Readonly<Record<string, () => unknown>> = {
    "a misspelt option of a disk": () => new CrashFileSystem(wrong({ failedsync: "xfs" })),
    "another file system": () => new CrashFileSystem(wrong({ failedSync: "zfs" })),
    "another way to tell": () => new CrashFileSystem(wrong({ errorTold: "neither" })),
    "no options": () => new CrashFileSystem(wrong(null)),
    "a misspelt limit": () => disk.crashStates(wrong({ limits: 3 })),
    "a limit in words": () => disk.crashStates(wrong({ limit: "3" })),
    "no seed": () => disk.crashStates(wrong({ seed: NaN })),
    "a misspelt number of faults": () => faulty.fail("write", "EIO", wrong({ time: 2 })),
    "a number of faults in words": () => faulty.fail("write", "EIO", wrong({ times: "2" })),
    "a negative number": () => faulty.fail("write", "EIO", { after: -1 }),
    "a name that is none": () => faulty.fail("write", "EIO", wrong({ name: 5 })),
    "another operation": () => faulty.fail(wrong("wirte"), "EIO"),
    "another code": () => faulty.fail("write", wrong("EOI")),
    "a lie of another operation": () => faulty.lie(wrong("fsync")),
    "a misspelt option of a lie": () => faulty.lie("sync", wrong({ time: 2 })),
    "a misspelt option of a scramble": () => faulty.scramble(wrong({ time: 2 })),
    "a misspelt option of crashes": () => exploreCrashes(trial, wrong({ states: 3 })),
    "a misspelt option of faults": () => exploreFaults(trial, wrong({ states: 3 })),
    "a start that is no disk": () => exploreCrashes(trial, wrong({ start: {} })),
    "an observer that is no function": () => exploreCrashes(trial, wrong({ observe: "all" })),
    "no trial": () => exploreCrashes(wrong(undefined)),
    "a trial without a check": () => exploreFaults(wrong({ run: trial.run })),
  };
  for (const [what, call] of Object.entries(calls)) {
    const error = await failureOf(call);
    assert(error instanceof WalError, `${what}: ${error}`);
    assertEquals(error.code, ARGUMENT, what);
  }
  assertEquals(faulty.calls, []);
  assertEquals([...disk.crashStates({ limit: Infinity })].length, 1);
});
