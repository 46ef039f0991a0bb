/**
 * A log of events: what each call does, and the typed error of each bad input.
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
import { z } from "zod";
import { fromHex, toHex, withLog } from "../../kit/logs.ts";
import { type FileSystem, Wal, WalError, type WalErrorCode } from "../../mod.ts";
import {
  type Codec,
  EventLog,
  type EventLogOptions,
  json,
  SchemaError,
  text,
  UnreadableEventError,
  type Upcast,
} from "../../src/events/events.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { FaultyFileSystem } from "../../src/testing/testing.ts";

const PATH = "a.wal";

type TextOptions = Partial<EventLogOptions<string>>;

function open(fileSystem: FileSystem, options: TextOptions = {}): Promise<EventLog<string>> {
  return EventLog.open(PATH, { codec: text(), timestamps: false, fileSystem, ...options });
}

function openJson(
  fileSystem: FileSystem,
  options: Partial<EventLogOptions<unknown>> = {},
): Promise<EventLog<unknown>> {
  return EventLog.open(PATH, { codec: json(), timestamps: false, fileSystem, ...options });
}

/** The values of events. */
function valuesOf<T>(entries: Iterable<{ value: T }>): T[] {
  return Array.from(entries, ({ value }) => value);
}

async function rejects(code: WalErrorCode, call: () => Promise<unknown>): Promise<WalError> {
  const error = await assertRejects(call, WalError);
  assertEquals(error.code, code, error.message);
  return error;
}

function throws(code: WalErrorCode, call: () => unknown): WalError {
  const error = assertThrows(call, WalError);
  assertEquals(error.code, code, error.message);
  return error;
}

/** The entries of the log underneath, as hexadecimal digits. */
async function entriesOf(fileSystem: FileSystem): Promise<string[]> {
  let entries: string[] = [];
  await withLog(PATH, { fileSystem }, (log) => {
    entries = log.readAll().map(toHex);
  });
  return entries;
}

/** Makes a log of text whose entries have these bytes. */
async function withEntries(entries: readonly string[]): Promise<MemoryFileSystem> {
  const fileSystem = new MemoryFileSystem();
  await (await open(fileSystem)).close();
  await withLog(PATH, { fileSystem }, async (log) => {
    for (const entry of entries) await log.appendAndSync(fromHex(entry));
  });
  return fileSystem;
}

test("an entry is the version, the time and the codec's bytes", async () => {
  const fileSystem = new MemoryFileSystem();
  const times = [0, 1, 2 ** 40 + 7.9, 2 ** 48 - 1];
  const log = await open(fileSystem, { timestamps: true, now: () => times.shift() ?? NaN });
  for (const value of ["a", "", "b", "c"]) await log.append(value);
  assertEquals(Array.from(log.entries(), ({ time }) => time), [0, 1, 2 ** 40 + 7, 2 ** 48 - 1]);
  await log.close();
  const newer = await open(fileSystem, { version: 127, oldestVersion: 127 });
  await newer.append("d");
  await newer.close();
  assertEquals(await entriesOf(fileSystem), [
    "8100000000000061",
    "81000000000001",
    "8101000000000762",
    "81ffffffffffff63",
    "7f64",
  ]);
});

test("an event is appended, read by its index, in order and in reverse, and after a reopening", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await open(fileSystem);
  assertEquals([log.firstIndex, log.lastIndex, log.durableIndex], [1, 0, 0]);
  assertEquals([...log.entries()], []);
  assertEquals([...log.entries({ reverse: true })], []);
  assertEquals(await log.append("a"), 1);
  assertEquals(await log.appendAll(["b", "c"]), { firstIndex: 2, lastIndex: 3 });
  assertEquals([log.firstIndex, log.lastIndex, log.durableIndex], [1, 3, 3]);
  const check = (log: EventLog<string>): void => {
    assertEquals(log.get(2), { index: 2, version: 1, time: undefined, value: "b" });
    assertEquals(valuesOf(log.entries()), ["a", "b", "c"]);
    assertEquals(Array.from(log.entries({ reverse: true }), ({ index }) => index), [3, 2, 1]);
    assertEquals(valuesOf(log.entries({ from: 2, to: 2 })), ["b"]);
    assertEquals(valuesOf(log.entries({ from: 2, reverse: true })), ["c", "b"]);
    assertEquals(valuesOf(log.entries({ to: 2, reverse: true })), ["b", "a"]);
    for (const reverse of [false, true]) {
      assertEquals(valuesOf(log.entries({ from: 4, reverse })), []);
      throws("ERR_WAL_INDEX_OUT_OF_RANGE", () => log.entries({ from: 0, reverse }));
      throws("ERR_WAL_INDEX_OUT_OF_RANGE", () => log.entries({ to: 4, reverse }));
      throws("ERR_WAL_INDEX_OUT_OF_RANGE", () => log.entries({ from: 5, reverse }));
    }
    throws("ERR_WAL_INDEX_OUT_OF_RANGE", () => log.get(4));
  };
  check(log);
  await log.close();
  await using again = await open(fileSystem);
  check(again);
  assertEquals(again.recovery.created, false);
  assertEquals(again.path, PATH);
  assert(again.byteLength > 0);
});

test("events that are appended together share a sync, and keep the order of the calls", async () => {
  const faulty = new FaultyFileSystem(new MemoryFileSystem());
  await using log = await open(faulty);
  const before = faulty.count("syncData");
  const indexes = await Promise.all(["a", "b", "c"].map((value) => log.append(value)));
  assertEquals(indexes, [1, 2, 3]);
  assertEquals(faulty.count("syncData") - before, 1);
  const mixed = await Promise.all([
    log.append("d"),
    log.appendAll(["e", "f"]),
    log.append("g", { expect: 6 }),
    log.append("h"),
  ]);
  assertEquals(mixed, [4, { firstIndex: 5, lastIndex: 6 }, 7, 8]);
  assertEquals(faulty.count("syncData") - before, 2);
  assertEquals(valuesOf(log.entries()).join(""), "abcdefgh");
});

test("an event that is appended is durable, and so are those before it", async () => {
  await using log = await open(new MemoryFileSystem());
  const first = log.append("a");
  assertEquals(log.durableIndex, 0);
  const third = log.appendAll(["b", "c"], { expect: 1 });
  assertEquals(log.durableIndex, 0);
  await third;
  assertEquals(log.durableIndex, 3);
  await first;
  const fourth = log.append("d", { expect: 3 });
  assertEquals(log.durableIndex, 3);
  await fourth;
  assertEquals(log.durableIndex, 4);
  log.append("e").catch(() => {});
  await log.sync();
  assertEquals(log.durableIndex, 5);
});

test("a value that is changed after the call is written as it was", async () => {
  await using log = await openJson(new MemoryFileSystem());
  const value = { n: 1 };
  const batch = [value];
  const pending = [log.append(value), log.appendAll(batch)];
  value.n = 2;
  batch.push(value);
  await Promise.all(pending);
  assertEquals(valuesOf(log.entries()), [{ n: 1 }, { n: 1 }]);
});

test("a codec that returns its own memory, or decodes without a copy, loses nothing", async () => {
  const memory = new Uint8Array(1);
  const codec: Codec<number> = {
    name: "byte",
    encode: (value) => memory.fill(value),
    decode: ([value = 0]) => value,
  };
  const fileSystem = new MemoryFileSystem();
  await using log = await EventLog.open(PATH, { codec, fileSystem });
  await Promise.all([log.append(1), log.appendAll([2, 3, 4]), log.append(5, { expect: 4 })]);
  assertEquals(valuesOf(log.entries()), [1, 2, 3, 4, 5]);
  assertEquals(valuesOf(log.entries({ reverse: true })), [5, 4, 3, 2, 1]);
});

test("an event that the codec has no form for is refused alone, and nothing is written", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await openJson(fileSystem);
  const [good, ...bad] = await Promise.allSettled([
    log.append("good"),
    log.append(undefined),
    log.append(1n),
    log.appendAll(["fine", () => {}]),
    log.append(undefined, { expect: 1 }),
  ]);
  assertEquals(good.status, "fulfilled");
  for (const one of bad) {
    assertEquals(((one as PromiseRejectedResult).reason as WalError).code, "ERR_EVENT_CODEC");
  }
  await log.close();
  assertEquals((await entriesOf(fileSystem)).length, 1);
});

test("what does not pass the schema is refused, and what passes is written as the schema returns it", async () => {
  const schema = z.object({ n: z.string().transform(Number) });
  const fileSystem = new MemoryFileSystem();
  await using log = await EventLog.open(PATH, { codec: json(), schema, fileSystem });
  assertEquals(await log.append({ n: "7" }), 1);
  assertEquals(log.get(1).value.n + 1, 8);
  const wrong = { n: 7 } as unknown as { n: string };
  const error = await assertRejects(() => log.append(wrong), SchemaError);
  assertEquals(error.issues.length, 1);
  await rejects("ERR_EVENT_SCHEMA", () => log.appendAll([{ n: "8" }, wrong]));
  await rejects("ERR_EVENT_SCHEMA", () => log.append(wrong, { expect: 1 }));
  assertEquals(log.lastIndex, 1);
});

test("an expected index admits one of several callers of the same moment", async () => {
  await using log = await open(new MemoryFileSystem());
  const outcomes = await Promise.allSettled([
    log.append("a", { expect: 0 }),
    log.append("b", { expect: 0 }),
    log.appendAll(["c"], { expect: 0 }),
    log.appendAll(["d", "e"], { expect: 1 }),
    log.append("f"),
    log.append("g", { expect: 3 }),
    log.append("h", { expect: 4 }),
    log.append("i", { expect: 9 }),
  ]);
  const said = outcomes.map((one) =>
    one.status === "fulfilled" ? "done" : (one.reason as WalError).code
  );
  const conflict = "ERR_EVENT_CONFLICT";
  assertEquals(said, ["done", conflict, conflict, "done", "done", conflict, "done", conflict]);
  assertEquals(valuesOf(log.entries()).join(""), "adefh");
  assertEquals(log.durableIndex, 5);
});

test("an expected index counts an event of the same moment only if it was written", async () => {
  const faulty = new FaultyFileSystem(new MemoryFileSystem());
  await using log = await open(faulty);
  await log.append("a");
  faulty.fail("write", "ENOSPC");
  // The first is refused by the disk, so the second does follow the one that its caller has seen.
  const [refused, second, third] = await Promise.allSettled([
    log.append("b"),
    log.append("c", { expect: 1 }),
    log.append("d", { expect: 1 }),
  ]);
  assertEquals(refused.status === "rejected" && refused.reason.code, "ERR_WAL_WRITE_FAILED");
  assertEquals(second, { status: "fulfilled", value: 2 });
  assertEquals(third.status === "rejected" && third.reason.code, "ERR_EVENT_CONFLICT");
  assertEquals(valuesOf(log.entries()), ["a", "c"]);
});

test("an append that does not fit is refused, also with an expected index, and the next is accepted", async () => {
  const faulty = new FaultyFileSystem(new MemoryFileSystem());
  await using log = await open(faulty, { segmentSize: 256, maxEntrySize: 100 });
  for (const expect of [undefined, 0]) {
    const options = expect === undefined ? {} : { expect };
    faulty.fail("write", "ENOSPC");
    await rejects("ERR_WAL_WRITE_FAILED", () => log.append("x", options));
    faulty.fail("write", "ENOSPC");
    await rejects("ERR_WAL_WRITE_FAILED", () => log.appendAll(["x", "y"], options));
    await rejects("ERR_WAL_ENTRY_TOO_LARGE", () => log.append("x".repeat(100), options));
    await rejects(
      "ERR_WAL_BATCH_TOO_LARGE",
      () => log.appendAll(Array(4).fill("x".repeat(90)), options),
    );
  }
  assertEquals(log.lastIndex, 0);
  assertEquals(await log.append("x".repeat(99), { expect: 0 }), 1);
});

test("a sync that fails rejects all that wait, and ends the log", async () => {
  for (const expect of [undefined, 1]) {
    const faulty = new FaultyFileSystem(new MemoryFileSystem());
    const log = await open(faulty);
    await log.append("a");
    faulty.fail("syncData", "EIO");
    const outcomes = await Promise.allSettled([
      log.append("b", expect === undefined ? {} : { expect }),
      log.append("c"),
      log.append("d", { expect: 3 }),
      log.append("e", { expect: 3 }),
    ]);
    const codes = outcomes.map((one) => (one as PromiseRejectedResult).reason.code as string);
    const failed = "ERR_WAL_SYNC_FAILED";
    assertEquals(codes, [failed, failed, failed, failed]);
    await rejects("ERR_WAL_SYNC_FAILED", () => log.append("f", { expect: 4 }));
    assertEquals(log.get(1).value, "a");
    await log.close();
  }
});

test("arguments that make no sense are refused, and nothing is written", async () => {
  await using log = await open(new MemoryFileSystem());
  const wrong = "ERR_WAL_INVALID_ARGUMENT";
  for (const expect of [-1, 0.5, NaN, "0", null, 2 ** 53]) {
    await rejects(wrong, () => log.append("x", { expect: expect as number }));
    await rejects(wrong, () => log.appendAll(["x"], { expect: expect as number }));
  }
  for (const options of [null, 0, "expect", { expected: 0 }]) {
    await rejects(wrong, () => log.append("x", options as unknown as { expect: number }));
  }
  for (const values of [[], undefined, "text", new Set(["a"]), { length: 1 }]) {
    await rejects(wrong, () => log.appendAll(values as unknown as string[]));
  }
  await rejects("ERR_EVENT_CODEC", () => log.appendAll(new Array<string>(2)));
  for (const range of [null, { form: 1 }, { reverse: 1 }, { reverse: "yes" }]) {
    throws(wrong, () => log.entries(range as unknown as { from: number }));
  }
  throws(wrong, () => log.follow({ durable: 1 as unknown as boolean }));
  assertEquals(log.lastIndex, 0);
});

test("options that make no sense are refused, and no log is made", async () => {
  const fileSystem = new MemoryFileSystem();
  const upcast: Upcast = (value) => value;
  const wrong: object[] = [
    { codec: undefined },
    { codec: "json" },
    { schema: {} },
    { version: 0 },
    { version: 128 },
    { version: 1.5 },
    { version: "2" },
    { oldestVersion: 2 },
    { version: 2, upcast: null },
    { version: 2, upcast: { 1: "x" } },
    { version: 2, upcast: { 1: upcast, 2: upcast } },
    { version: 2, upcast: { 0: upcast, 1: upcast } },
    { version: 2, upcast: { 1: upcast, "01": upcast } },
    { version: 2, upcast: { 1: upcast, all: upcast } },
    { upcast: { 1: upcast } },
    { timestamps: 1 },
    { now: 1 },
    { format: 2 },
    { versoin: 2 },
    { segmentSize: -1 },
  ];
  for (const options of wrong) {
    await rejects("ERR_WAL_INVALID_ARGUMENT", () => open(fileSystem, options as TextOptions));
  }
  for (const options of [undefined, null, text(), "text"]) {
    const all = options as unknown as EventLogOptions<string>;
    await rejects("ERR_WAL_INVALID_ARGUMENT", () => EventLog.open(PATH, all));
  }
  assertEquals(fileSystem.list("."), []);
});

test("a gap in the upcasts is refused when the log is opened, and names the version", async () => {
  const upcast: Upcast = (value) => value;
  for (
    const [version, upcasts, missing] of [
      [2, {}, "1 to 2"],
      [3, { 1: upcast }, "2 to 3"],
      [3, { 2: upcast }, "1 to 2"],
      [4, { 1: upcast, 3: upcast }, "2 to 3"],
    ] as const
  ) {
    const options = { version, upcast: upcasts };
    const error = await rejects(
      "ERR_WAL_INVALID_ARGUMENT",
      () => open(new MemoryFileSystem(), options),
    );
    assertStringIncludes(error.message, missing);
  }
  const options = { version: 4, oldestVersion: 3, upcast: { 3: upcast } };
  await (await open(new MemoryFileSystem(), options)).close();
});

test("an event of an older version passes through each upcast, in order", async () => {
  const fileSystem = await withEntries(["0161", "0261", "0361"]);
  const upcast = {
    1: (value: string) => `${value}, 2`,
    2: (value: string) => `${value}, 3`,
  };
  await using log = await open(fileSystem, { version: 3, upcast });
  await log.append("b");
  const said = Array.from(log.entries(), ({ version, value }) => `${version}: ${value}`);
  assertEquals(said, ["1: a, 2, 3", "2: a, 3", "3: a", "3: b"]);
});

test("an unknown version is an error that names index and version, and is never skipped", async () => {
  const fileSystem = await withEntries(["0161", "0361", "0261"]);
  await using log = await open(fileSystem, {
    version: 2,
    oldestVersion: 2,
    upcast: {},
  });
  const unreadable = (call: () => unknown, index: number, version: number): void => {
    const error = assertThrows(call, UnreadableEventError);
    assertEquals(
      [error.code, error.index, error.version],
      ["ERR_EVENT_UNREADABLE", index, version],
    );
    assertStringIncludes(error.message, `Entry ${index} is of version ${version}`);
  };
  unreadable(() => log.get(1), 1, 1);
  unreadable(() => log.get(2), 2, 3);
  unreadable(() => [...log.entries()], 1, 1);
  unreadable(() => [...log.entries({ from: 2 })], 2, 3);
  const seen: number[] = [];
  unreadable(
    () => {
      for (const { index } of log.entries({ reverse: true })) seen.push(index);
    },
    2,
    3,
  );
  assertEquals(seen, [3]);
  const following = log.follow({ from: 2 });
  await assertRejects(() => following.next(), UnreadableEventError);
  assertEquals(await following.next(), { done: true, value: undefined });
});

test("bytes that are no event, or that the codec refuses, are an error that names the entry", async () => {
  const fileSystem = await withEntries(["", "00", "8000000000000061", "8100000000", "01ff"]);
  await using log = await open(fileSystem);
  const versions = [1, 2, 3, 4, 5].map((index) => {
    const error = assertThrows(() => log.get(index), UnreadableEventError);
    assertEquals([error.code, error.index], ["ERR_EVENT_UNREADABLE", index]);
    assertStringIncludes(error.message.toLowerCase(), `entry ${index}`);
    return error.version;
  });
  assertEquals(versions, [undefined, undefined, undefined, undefined, 1]);
  assert(assertThrows(() => log.get(5), UnreadableEventError).cause instanceof TypeError);
});

test("an upcast that throws or returns a promise is an error that names the entry", async () => {
  const fileSystem = await withEntries(["0161"]);
  const fail = (): never => {
    throw new Error("cause");
  };
  for (const upcast of [fail, () => Promise.resolve("a"), () => Promise.reject(new Error("b"))]) {
    await using log = await open(fileSystem, { version: 2, upcast: { 1: upcast } });
    const error = assertThrows(() => log.get(1), UnreadableEventError);
    assertEquals([error.index, error.version], [1, 1]);
    assertStringIncludes(error.message, "the upcast from version 1 to 2");
    assertEquals(
      (error.cause as Error | undefined)?.message,
      upcast === fail ? "cause" : undefined,
    );
    assertEquals(await log.append("x"), log.lastIndex);
  }
});

test("a clock that returns no time refuses the append, and one that goes back does not", async () => {
  const times: unknown[] = [5, 3, -1, NaN, 2 ** 48, "x", undefined];
  await using log = await open(new MemoryFileSystem(), {
    timestamps: true,
    now: () => times.shift() as number,
  });
  await log.append("a");
  await log.append("b");
  assertEquals(Array.from(log.entries(), ({ time }) => time), [5, 3]);
  while (times.length > 0) await rejects("ERR_WAL_INVALID_ARGUMENT", () => log.append("c"));
  assertEquals(log.lastIndex, 2);
});

test("a follower gets each event as it becomes durable, in a reader too", async () => {
  const fileSystem = new MemoryFileSystem();
  await using log = await open(fileSystem);
  await using reader = await open(fileSystem, { readOnly: true });
  const followers = [log.follow(), reader.follow({ durable: false })];
  for (const value of ["a", "b"]) {
    const next = followers.map((follower) => follower.next());
    await log.append(value);
    for (const result of await Promise.all(next)) assertEquals(result.value?.value, value);
  }
  // `return` ends a call that waits, too.
  const waiting = followers.map((follower) => follower.next());
  for (const follower of followers) await follower.return();
  for (const result of await Promise.all(waiting)) assertEquals(result.done, true);
  const failed = log.follow();
  assertEquals((await assertRejects(() => failed.throw(new Error("mine")), Error)).message, "mine");
  await using disposed = log.follow();
  assertEquals(disposed[Symbol.asyncIterator](), disposed);
  const reason = new Error("stop");
  const aborted = log.follow({ signal: AbortSignal.abort(reason) });
  assertEquals(await aborted.next().catch((error) => error), reason);
});

test("a follower of batches gets what was appended as one atom as one array", async () => {
  const fileSystem = new MemoryFileSystem();
  await using log = await open(fileSystem);
  await log.append("a");
  await log.appendAll(["b", "c"]);
  await using reader = await open(fileSystem, { readOnly: true });
  for (const handle of [log, reader]) {
    const found: string[][] = [];
    for await (const events of handle.follow({ batches: true, durable: false })) {
      found.push(valuesOf(events));
      if (events.at(-1)?.index === 3) break;
    }
    assertEquals(found, [["a"], ["b", "c"]]);
  }
  throws("ERR_WAL_INVALID_ARGUMENT", () => log.follow({ batches: 1 as unknown as true }));
  throws("ERR_WAL_INVALID_ARGUMENT", () => log.follow(null as unknown as { batches: true }));
});

/** Files whose last changes are long ago, or when a test says. */
class Dated extends MemoryFileSystem {
  readonly changed = new Map<string, number>();

  override modified(path: string): number {
    return this.changed.get(path) ?? 0;
  }
}

test("events are kept by the log's size, and by their own times", async () => {
  const day = 24 * 60 * 60 * 1000;
  let time = Date.now() - 10 * day;
  await using log = await open(new Dated(), {
    segmentSize: 256,
    timestamps: true,
    now: () => time,
  });
  for (let i = 0; i < 10; i++, time += day) await log.append(`${i}`.padEnd(150));
  assertEquals((await log.retain({ age: 5.5 * day })).firstIndex, 6);
  const kept = await log.retain({ age: 2 * day, keep: { replica: 7 } });
  assertEquals([kept.firstIndex, kept.heldBy], [7, "replica"]);
  assertEquals((await log.retain({ bytes: 0 })).firstIndex, 10);
  assertEquals(log.get(10).value.trim(), "9");
  const wrong = { age: 1, timeOf: () => 0 };
  await rejects("ERR_WAL_INVALID_ARGUMENT", () => log.retain(wrong));
  await rejects("ERR_WAL_INVALID_ARGUMENT", () => log.retain({}));
});

test("events that a wrong clock has made old are kept for as long as their file is new", async () => {
  const day = 24 * 60 * 60 * 1000;
  const fileSystem = new Dated();
  // A machine without a battery begins in 1970.
  const log = await open(fileSystem, { segmentSize: 256, timestamps: true, now: () => 5000 });
  for (let i = 0; i < 10; i++) await log.append(`${i}`.padEnd(150));
  await log.close();
  const reader = await Wal.open("a.wal", { fileSystem, readOnly: true });
  const segments = reader.segments();
  await reader.close();
  for (const { path, lastIndex } of segments) {
    if (lastIndex > 3) fileSystem.changed.set(path, Date.now());
  }
  await using again = await open(fileSystem, { segmentSize: 256, timestamps: true });
  assertEquals((await again.retain({ age: day })).firstIndex, 4);
});

test("of calls of a follower that wait together, none gets an event after one that cannot be read", async () => {
  const fileSystem = await withEntries(["0161", "0261", "0161"]);
  await using log = await open(fileSystem);
  const following = log.follow();
  const results = await Promise.allSettled([1, 2, 3].map(() => following.next()));
  const said = results.map((result) =>
    result.status === "rejected" ? "rejected" : result.value.value?.value
  );
  assertEquals(said, ["a", "rejected", undefined]);
});

test("a handle that only reads shows the log as it is, and appends nothing", async () => {
  const fileSystem = new MemoryFileSystem();
  await using log = await open(fileSystem);
  await using reader = await open(fileSystem, { readOnly: true });
  await log.append("a");
  assertEquals(reader.lastIndex, 0);
  await reader.refresh();
  assertEquals(valuesOf(reader.entries({ reverse: true })), ["a"]);
  await rejects("ERR_WAL_READ_ONLY", () => reader.append("b"));
  await rejects("ERR_WAL_READ_ONLY", () => reader.append("b", { expect: 1 }));
  await rejects("ERR_WAL_READ_ONLY", () => reader.appendAll(["b"]));
  await rejects("ERR_WAL_READ_ONLY", () => reader.truncateBefore(1));
});

test("a log that was closed does nothing more", async () => {
  const log = await open(new MemoryFileSystem());
  const last = log.append("a");
  const closed = log.close();
  await rejects("ERR_WAL_CLOSED", () => log.append("b"));
  await rejects("ERR_WAL_CLOSED", () => log.append("b", { expect: 1 }));
  await closed;
  assertEquals(await last, 1);
  await log.close();
  throws("ERR_WAL_CLOSED", () => log.get(1));
  throws("ERR_WAL_CLOSED", () => log.entries({ reverse: true }));
});

test("events are dropped below an index, and a loop that they overtake says so", async () => {
  await using log = await open(new MemoryFileSystem(), { segmentSize: 256 });
  for (let i = 1; i <= 100; i++) await log.append(`event ${i}`);
  const forwards = log.entries();
  const backwards = log.entries({ reverse: true });
  forwards.next();
  assertEquals(backwards.next().value?.value, "event 100");
  await log.truncateBefore(51);
  assertEquals([log.firstIndex, log.lastIndex], [51, 100]);
  throws("ERR_WAL_INDEX_OUT_OF_RANGE", () => [...forwards]);
  const seen: number[] = [];
  throws("ERR_WAL_INDEX_OUT_OF_RANGE", () => {
    for (const { index } of backwards) seen.push(index);
  });
  // What is still there was given out first.
  assertEquals([seen[0], seen.at(-1), seen.length], [99, 51, 49]);
  throws("ERR_WAL_INDEX_OUT_OF_RANGE", () => log.get(50));
  await log.truncateBefore(101);
  assertEquals(await log.append("next", { expect: 100 }), 101);
});

test("what is read in reverse is what is read in order, whatever the sizes", async () => {
  await using log = await open(new MemoryFileSystem(), { segmentSize: 4 * 1024 * 1024 });
  const sizes = [
    ...Array<number>(3000).fill(3),
    ...Array<number>(40).fill(300_000),
    0,
    ...Array<number>(500).fill(2000),
    2_000_000,
    ...Array<number>(10_000).fill(1),
  ];
  for (let at = 0; at < sizes.length; at += 1000) {
    const some = sizes.slice(at, at + 1000);
    await Promise.all(some.map((size, i) => log.append(`${at + i}`.padEnd(size, "."))));
  }
  const forwards = Array.from(log.entries(), ({ index, value }) => `${index} ${value}`);
  const backwards = Array.from(
    log.entries({ reverse: true }),
    ({ index, value }) => `${index} ${value}`,
  );
  assertEquals(forwards.length, sizes.length);
  // Without a comparison of strings in a report of megabytes.
  assert(forwards.toReversed().every((said, at) => said === backwards[at]));
  assertEquals(backwards.length, forwards.length);
});
