/**
 * Waiting for new entries, beside the writer and in a reader.
 *
 * @module
 */
import { test } from "node:test";
import { join } from "node:path";
import { createInterface } from "node:readline";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { type Entry, type FollowOptions, Wal, WalError } from "../../mod.ts";
import { clock } from "../../src/fs/clock.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { FaultyFileSystem } from "../../src/testing/faulty_file_system.ts";
import { type ChildProcess, spawn } from "../../kit/child.ts";
import { bytes, readFile, text, writeFile } from "../../kit/logs.ts";
import { commandOn, ROOT, type Runtime, RUNTIMES } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

const PATH = "a.wal";

/** Collects what a follower yields, as "index text". */
class Collector {
  readonly seen: string[] = [];
  readonly done: Promise<unknown>;
  readonly #entries: ReturnType<Wal["follow"]>;

  constructor(log: Wal, options: FollowOptions = {}) {
    this.#entries = log.follow(options);
    this.done = this.#run(this.#entries);
  }

  async #run(entries: AsyncIterable<Entry>): Promise<unknown> {
    try {
      for await (const { index, data } of entries) this.seen.push(`${index} ${text(data)}`);
      return "ended";
    } catch (error) {
      return error;
    }
  }

  /** Waits until so many entries have come. */
  async count(count: number): Promise<string[]> {
    for (let wait = 0; this.seen.length < count && wait < 1000; wait++) await pause(5);
    return this.seen;
  }

  async stop(): Promise<unknown> {
    await this.#entries.return();
    return await this.done;
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

test("a follower gets what is there and what comes, once it is durable", async () => {
  const log = await Wal.open(PATH, { fileSystem: new MemoryFileSystem() });
  await log.appendAndSync(bytes("a"));
  const all = new Collector(log);
  const late = new Collector(log, { from: 2 });
  const eager = new Collector(log, { durable: false });
  log.append(bytes("b"));
  assertEquals(await eager.count(2), ["1 a", "2 b"]);
  assertEquals([all.seen, late.seen], [["1 a"], []]);
  await log.sync();
  await log.appendBatchAndSync([bytes("c"), bytes("d")]);
  assertEquals(await all.count(4), ["1 a", "2 b", "3 c", "4 d"]);
  assertEquals(await late.count(3), ["2 b", "3 c", "4 d"]);
  assertEquals(await all.stop(), "ended", "ends cleanly where it is left");
  await log.close();
  assertEquals([await late.done, await eager.done], ["ended", "ended"], "ends cleanly on close");
});

test("a follower beside the writer does not poll", async () => {
  const log = await Wal.open(PATH, { fileSystem: new MemoryFileSystem() });
  const { after } = clock;
  const follower = new Collector(log);
  await pause(1);
  let started = 0;
  clock.after = (...args) => {
    started++;
    return after(...args);
  };
  try {
    // Where all tests run in one process, another's log may still be about to rest.
    for (let tries = 0; tries < 10; tries++) {
      started = 0;
      await pause(150);
      if (started === 0) break;
    }
    assertEquals(started, 0);
  } finally {
    clock.after = after;
  }
  await follower.stop();
  await log.close();
});

test("a follower crosses rolls and sees what replaces a truncated tail", async () => {
  const log = await Wal.open(PATH, { fileSystem: new MemoryFileSystem(), segmentSize: 300 });
  const follower = new Collector(log);
  const expected: string[] = [];
  for (let i = 1; i <= 30; i++) {
    await log.appendAndSync(bytes(`old ${i} ${"x".repeat(40)}`));
    expected.push(`${i} old ${i} ${"x".repeat(40)}`);
  }
  assertEquals(await follower.count(30), expected);
  assert(log.stats().segments > 3);
  await log.truncateFromIndex(12);
  for (let i = 12; i <= 40; i++) {
    await log.appendAndSync(bytes(`new ${i}`));
    expected.push(`${i} new ${i}`);
  }
  assertEquals(await follower.count(expected.length), expected);
  await log.reset(100);
  await log.appendAndSync(bytes("after"));
  const error = await follower.done;
  assertInstanceOf(error, WalError);
  assertEquals(error.code, "ERR_WAL_INDEX_OUT_OF_RANGE");
  await log.close();
});

test("a follower that a head truncation overtakes gets the new first index", async () => {
  const log = await Wal.open(PATH, { fileSystem: new MemoryFileSystem(), segmentSize: 300 });
  for (let i = 1; i <= 30; i++) log.append(bytes(`${i} ${"x".repeat(40)}`));
  await log.sync();
  const follower = log.follow();
  assertEquals((await follower.next()).value?.index, 1);
  await log.truncateBeforeIndex(20);
  const error = await assertRejects(() => follower.next(), WalError);
  assertEquals(error.code, "ERR_WAL_INDEX_OUT_OF_RANGE");
  assertStringIncludes(error.message, "20");
  await log.close();
});

test("a follower cannot begin where there is nothing", async () => {
  const log = await Wal.open(PATH, { fileSystem: new MemoryFileSystem() });
  for (const from of [0, 2, -1, 1.5, NaN]) {
    let code = "";
    try {
      log.follow({ from });
    } catch (error) {
      code = (error as WalError).code;
    }
    assertEquals(code, "ERR_WAL_INDEX_OUT_OF_RANGE");
  }
  await log.close();
});

test("a follower of a handle that ended gets the error", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const log = await Wal.open(PATH, { fileSystem });
  await log.appendAndSync(bytes("a"));
  const follower = new Collector(log);
  await follower.count(1);
  fileSystem.fail("syncData", "EIO");
  await assertRejects(() => log.appendAndSync(bytes("b")));
  assertEquals((await follower.done as WalError).code, "ERR_WAL_SYNC_FAILED");
  assertEquals(follower.seen, ["1 a"]);
  await log.close();
});

test("a reader follows a writer: durable entries, rolls, a replaced tail", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem, segmentSize: 400 });
  const reader = await Wal.open(PATH, { fileSystem, readOnly: true });
  const follower = new Collector(reader);
  const eager = new Collector(reader, { durable: false });
  const expected: string[] = [];
  for (let i = 1; i <= 30; i++) {
    await log.appendAndSync(bytes(`old ${i} ${"x".repeat(i)}`));
    expected.push(`${i} old ${i} ${"x".repeat(i)}`);
    if (i % 7 === 0) await pause(30);
  }
  log.append(bytes("not synced"));
  assertEquals(await follower.count(30), expected);
  assertEquals((await eager.count(31))[30], "31 not synced");
  await log.truncateFromIndex(17);
  for (let i = 17; i <= 40; i++) {
    await log.appendAndSync(bytes(`new ${i}`));
    expected.push(`${i} new ${i}`);
  }
  assertEquals(await follower.count(expected.length), expected);
  await log.truncateBeforeIndex(35);
  await log.appendAndSync(bytes("last"));
  await log.close();
  assertEquals((await follower.count(expected.length + 1)).at(-1), "41 last");
  assertEquals(await follower.stop(), "ended");
  await reader.close();
  assertEquals(await eager.done, "ended");
});

/** What makes "a" and "b" durable, which a killed writer left with a "c", and appends none after them. */
const UNTOLD: Readonly<Record<string, (log: Wal, disk: FaultyFileSystem) => unknown>> = {
  "an open": () => {},
  "a truncation": (log) => log.truncateFromIndex(3),
  "a truncation of what was announced": async (log) => {
    await pause(250);
    await log.truncateFromIndex(3);
  },
  "a sync that no caller asked for": async (log) => {
    await pause(250);
    await log.truncateFromIndex(1);
    for (const word of ["a", "b"]) log.append(bytes(word));
    for (let i = 0; i < 9; i++) log.append(new Uint8Array(2 ** 20));
    while (log.durableIndex < 2) await pause(1);
  },
  "a sync that has nothing to do": async (log, disk) => {
    disk.fail("write", "ENOSPC");
    const { length } = disk.calls;
    await pause(250);
    assert(disk.calls.slice(length).includes(`write ${PATH}`), "the file could not be told");
    await log.sync();
  },
};

for (const [name, work] of Object.entries(UNTOLD)) {
  test(`a reader learns what ${name} made durable`, { timeout: 30_000 }, async () => {
    const killed = new MemoryFileSystem();
    const options = { segmentSize: 2 ** 26 };
    const first = await Wal.open(PATH, { ...options, fileSystem: killed });
    for (const word of ["a", "b", "c"]) first.append(bytes(word));
    const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
    writeFile(fileSystem, PATH, readFile(killed, PATH));
    await first.close();
    const log = await Wal.open(PATH, { ...options, fileSystem });
    await work(log, fileSystem);
    const reader = await Wal.open(PATH, { ...options, fileSystem, readOnly: true });
    const follower = new Collector(reader);
    const seen = [...await follower.count(2)].slice(0, 2);
    await follower.stop();
    await reader.close();
    await log.close();
    assertEquals(seen, ["1 a", "2 b"]);
  });
}

test("a reader is not misled by a new last file with the name of a removed one", {
  timeout: 30_000,
}, async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem, segmentSize: 426 });
  const entry = (word: string, i: number): string => `${word} ${i} ${"x".repeat(40)}`;
  for (let i = 1; log.stats().segments < 3; i++) log.append(bytes(entry("old", i)));
  log.append(bytes(entry("old", log.lastIndex + 1)));
  const count = log.lastIndex;
  const reader = await Wal.open(PATH, { fileSystem, readOnly: true });
  const follower = new Collector(reader, { durable: false });
  const old = Array.from({ length: count }, (_, i) => `${i + 1} ${entry("old", i + 1)}`);
  await follower.count(count);
  const names = fileSystem.list(".").sort();
  // Before the reader looks again, the last two files are cut and removed, and made again.
  const from = count - 3;
  await log.truncateFromIndex(from);
  for (let i = from; i <= count; i++) log.append(bytes(entry("new", i)));
  const replaced = Array.from(
    { length: count - from + 1 },
    (_, i) => `${from + i} ${entry("new", from + i)}`,
  );
  const isSame = fileSystem.list(".").sort().every((name, i) => name === names[i]);
  const seen = [...await follower.count(count + replaced.length)];
  await follower.stop();
  await reader.close();
  await log.close();
  assert(isSame, "the files have the names of those before");
  assertEquals(seen, [...old, ...replaced]);
});

test("a reader's follower that is overtaken gets a typed error", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem, segmentSize: 300 });
  for (let i = 1; i <= 30; i++) await log.appendAndSync(bytes(`${i} ${"x".repeat(40)}`));
  const reader = await Wal.open(PATH, { fileSystem, readOnly: true });
  const entries = reader.follow();
  assertEquals((await entries.next()).value?.index, 1);
  await log.truncateBeforeIndex(25);
  let error: unknown;
  try {
    for (let i = 0; i < 30; i++) await entries.next();
  } catch (caught) {
    error = caught;
  }
  assertInstanceOf(error, WalError);
  assertEquals(error.code, "ERR_WAL_INDEX_OUT_OF_RANGE");
  assertStringIncludes(error.message, "25");
  await reader.close();
  await log.close();
});

/** A process that follows a log and prints each entry as a line. */
function startFollower(runtime: Runtime, path: string): { process: ChildProcess; lines: string[] } {
  const { program, args } = commandOn(runtime, join(ROOT, "tests/support/follow.ts"), path);
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  const lines: string[] = [];
  assert(child.stdout !== null);
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
  return { process: child, lines };
}

for (const writer of RUNTIMES) {
  test(
    `readers on all runtimes follow a writer on ${writer}`,
    { timeout: 120_000 },
    () =>
      withFolder(async (folder) => {
        const path = join(folder, "a.wal");
        await (await Wal.open(path)).close();
        const readers = RUNTIMES.map((runtime) => startFollower(runtime, path));
        for (let wait = 0; readers.some(({ lines }) => lines.length === 0) && wait < 2000; wait++) {
          await pause(10);
        }
        const { program, args } = commandOn(writer, join(ROOT, "tests/support/feed.ts"), path);
        const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
        const expected = ["following"];
        assert(child.stdout !== null);
        for await (const line of createInterface({ input: child.stdout })) expected.push(line);
        assert(expected.length > 100);
        for (let wait = 0; wait < 1000; wait++) {
          if (readers.every(({ lines }) => lines.length >= expected.length)) break;
          await pause(10);
        }
        await pause(100);
        for (const reader of readers) {
          reader.process.kill("SIGKILL");
          assertEquals(reader.lines, expected);
        }
      }),
  );
}
