/**
 * How a follower ends, what keeps it going, and what it costs while nothing happens.
 *
 * @module
 */
import { test } from "node:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  type Entry,
  type FileHandle,
  type FileSystem,
  type FollowOptions,
  Wal,
  WalError,
} from "../../mod.ts";
import { pause } from "../../src/fs/clock.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { FaultyFileSystem } from "../../src/testing/faulty_file_system.ts";
import { spawn } from "../../kit/child.ts";
import { like } from "../../kit/like.ts";
import { bytes, readFile, text, writeFile } from "../../kit/logs.ts";
import { commandOn, ROOT, RUNTIMES } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

const PATH = "a.wal";
const KINDS = ["writer", "reader"] as const;

/** A log, and a handle of it to be followed: the writer's own or a reader's. */
async function openBoth(
  kind: typeof KINDS[number],
  fileSystem: FileSystem = new MemoryFileSystem(),
  options = {},
): Promise<{ log: Wal; followed: Wal; close(): Promise<void> }> {
  const log = await Wal.open(PATH, { ...options, fileSystem });
  const followed = kind === "writer"
    ? log
    : await Wal.open(PATH, { ...options, fileSystem, readOnly: true });
  return {
    log,
    followed,
    close: async () => {
      await followed.close();
      await log.close();
    },
  };
}

/** A file system that tells how many watches there are. */
function watched(under: FileSystem): { fileSystem: FileSystem; count: () => number } {
  let count = 0;
  const fileSystem = like<FileSystem>(under, {
    watch: () => {
      count++;
      return () => void count--;
    },
  });
  return { fileSystem, count: () => count };
}

/** The next entry as "index text". */
async function lineOf(entries: AsyncIterator<Entry, void>): Promise<string> {
  const { value } = await entries.next();
  return value === undefined ? "ended" : `${value.index} ${text(value.data)}`;
}

const DONE: IteratorResult<Entry, void> = { done: true, value: undefined };

for (const kind of KINDS) {
  test(`a ${kind}'s follower that is given back ends at once, also where it waits`, async () => {
    const { fileSystem, count } = watched(new MemoryFileSystem());
    const { log, followed, close } = await openBoth(kind, fileSystem);
    await followed.follow().return(undefined);
    assertEquals(count(), 0, "before its first call");
    const entries = followed.follow();
    const waiting = [entries.next(), entries.next()];
    await pause(5);
    assertEquals(count(), kind === "writer" ? 0 : 1);
    assertEquals(await entries.return(undefined), DONE);
    assertEquals(await Promise.all(waiting), [DONE, DONE]);
    assertEquals(await entries.next(), DONE);
    assertEquals(count(), 0);
    const other = followed.follow();
    const last = other.next();
    const thrown = new Error("thrown");
    assertEquals(await assertRejects(() => other.throw(thrown), Error), thrown);
    assertEquals(await last, DONE);
    const disposed = followed.follow();
    const never = disposed.next();
    await disposed[Symbol.asyncDispose]();
    assertEquals(await never, DONE);
    assertEquals(count(), 0);
    await log.appendAndSync(bytes("a"));
    await close();
  });

  test(`a ${kind}'s follower gives the calls that wait an entry each, in order`, async () => {
    const { log, followed, close } = await openBoth(kind);
    const entries = followed.follow({ durable: false });
    const lines = [1, 2, 3, 4].map(() => lineOf(entries));
    log.append(bytes("a"));
    await pause(30);
    log.appendBatch([bytes("b"), bytes("c")]);
    assertEquals(await Promise.all(lines.slice(0, 3)), ["1 a", "2 b", "3 c"]);
    await close();
    assertEquals(await lines[3], "ended", "with the log");
  });

  test(`a stream of a ${kind}'s follower can be cancelled while it waits`, async () => {
    const { log, followed, close } = await openBoth(kind);
    await log.appendAndSync(bytes("a"));
    if (kind === "reader") await pause(200);
    const entries = followed.follow();
    const stream = new ReadableStream<Entry>({
      pull: async (controller) => {
        const { done, value } = await entries.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: async () => void await entries.return(undefined),
    }, { highWaterMark: 0 });
    const reader = stream.getReader();
    assertEquals((await reader.read()).value?.index, 1);
    const waiting = reader.read();
    await reader.cancel();
    assertEquals((await waiting).done, true);
    await close();
  });

  test(`an abort of a ${kind}'s follower keeps its reason`, async () => {
    const { fileSystem, count } = watched(new MemoryFileSystem());
    const { log, followed, close } = await openBoth(kind, fileSystem);
    await log.appendBatchAndSync([bytes("a"), bytes("b")]);
    if (kind === "reader") await pause(200);
    const reason = new Error("enough");
    const follow = (controller: AbortController): AsyncGenerator<Entry, void, undefined> =>
      followed.follow({ signal: controller.signal });

    const waiting = new AbortController();
    const entries = follow(waiting);
    assertEquals([await lineOf(entries), await lineOf(entries)], ["1 a", "2 b"]);
    const calls = [entries.next(), entries.next()];
    waiting.abort(reason);
    assertEquals(await assertRejects(() => calls[0] as Promise<unknown>, Error), reason);
    assertEquals([await calls[1], await entries.next()], [DONE, DONE], "it is thrown once");

    const between = new AbortController();
    const seen: number[] = [];
    const error = await assertRejects(async () => {
      for await (const { index } of follow(between)) {
        seen.push(index);
        between.abort(reason);
      }
    }, Error);
    assertEquals([error, seen], [reason, [1]]);
    assertEquals(count(), 0);

    const before = new AbortController();
    before.abort(reason);
    const late = follow(before);
    assertEquals(await assertRejects(() => late.next(), Error), reason);
    assertEquals(await late.next(), DONE);

    const unsaid = new AbortController();
    unsaid.abort();
    assertEquals((await assertRejects(() => follow(unsaid).next(), Error)).name, "AbortError");
    await close();
  });

  test(`a ${kind}'s follower outlives a moment without descriptors`, {
    timeout: 30_000,
  }, async () => {
    const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
    const { log, followed, close } = await openBoth(kind, fileSystem, { segmentSize: 400 });
    const expected: string[] = [];
    const append = (last: number): void => {
      while (log.lastIndex < last) {
        const line = "x".repeat(40);
        log.append(bytes(line));
        expected.push(`${log.lastIndex} ${line}`);
      }
    };
    append(30);
    const entries = followed.follow({ durable: false });
    assertEquals(await lineOf(entries), expected[0]);
    append(60);
    fileSystem.fail("open", "EMFILE", { times: 10 });
    for (let i = 1; i < 60; i++) assertEquals(await lineOf(entries), expected[i]);
    await entries.return(undefined);
    await close();
  });
}

for (const runtime of RUNTIMES) {
  for (const kind of KINDS) {
    test(`on ${runtime}, a ${kind}'s follower keeps the process alive while it waits`, {
      timeout: 60_000,
    }, () =>
      withFolder(async (folder) => {
        const path = join(folder, PATH);
        await (await Wal.open(path)).close();
        const run = async (how: string, wait?: number): Promise<[string, number | null]> => {
          const file = join(ROOT, "tests/support/follow_alone.ts");
          const { program, args } = commandOn(runtime, file, path, `${kind} ${how}`);
          const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
          let output = "";
          child.stdout?.on("data", (data) => {
            output += String(data);
            if (wait !== undefined) setTimeout(() => child.kill("SIGKILL"), wait);
          });
          const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
          return [output.replace(/\s+/g, " ").trim(), code];
        };
        assertEquals(await run("waits", 700), ["waiting", null], "until it is killed");
        assertEquals(await run("left"), ["ended", 0], "given back before its first call");
        assertEquals(await run("unused"), ["ended", 0], "never called");
        assertEquals(await run("leaves"), ["true ended", 0], "given back where it waits");
      }));
  }
}

test("a reader's follower ends with the log's directory, by an error of the log", {
  timeout: 30_000,
}, () =>
  withFolder(async (folder) => {
    const path = join(folder, "logs", PATH);
    const log = await Wal.open(path);
    await log.appendAndSync(bytes("a"));
    await log.close();
    const reader = await Wal.open(path, { readOnly: true });
    const entries = reader.follow();
    assertEquals(await lineOf(entries), "1 a");
    const waiting = entries.next();
    await pause(20);
    rmSync(join(folder, "logs"), { recursive: true });
    const error = await assertRejects(() => waiting, WalError);
    assertEquals(error.code, "ERR_WAL_NOT_FOUND");
    assertStringIncludes(error.message, PATH);
    const unseen = await assertRejects(() => reader.refresh(), WalError);
    assertEquals(unseen.code, "ERR_WAL_NOT_FOUND");
    assertEquals(reader.lastIndex, 1, "the handle shows what it did");
    await reader.close();
  }));

test("a reader's follower continues where the log comes back before long", {
  timeout: 30_000,
}, async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem });
  await log.appendAndSync(bytes("a"));
  await log.close();
  const reader = await Wal.open(PATH, { fileSystem, readOnly: true });
  const entries = reader.follow();
  assertEquals(await lineOf(entries), "1 a");
  const waiting = lineOf(entries);
  const content = readFile(fileSystem, PATH);
  fileSystem.remove(PATH);
  await pause(200);
  writeFile(fileSystem, PATH, content);
  const again = await Wal.open(PATH, { fileSystem });
  await again.appendAndSync(bytes("b"));
  assertEquals(await waiting, "2 b");
  await entries.return(undefined);
  await reader.close();
  await again.close();
});

test("a reader's follower continues in a copy that takes a file's place", {
  timeout: 30_000,
}, async () => {
  for (const segmentSize of [1 << 20, 300]) {
    const fileSystem = new MemoryFileSystem();
    const options = { fileSystem, segmentSize };
    const log = await Wal.open(PATH, options);
    for (let i = 1; i <= 20; i++) await log.appendAndSync(bytes(`${"x".repeat(30)}`));
    await log.close();
    const reader = await Wal.open(PATH, { ...options, readOnly: true });
    const entries = reader.follow();
    for (let i = 1; i <= 20; i++) assertEquals(await lineOf(entries), `${i} ${"x".repeat(30)}`);
    const waiting = lineOf(entries);
    for (const name of fileSystem.list(".").filter((name) => !name.endsWith(".lock"))) {
      const content = readFile(fileSystem, name);
      fileSystem.remove(name);
      writeFile(fileSystem, name, content);
    }
    const again = await Wal.open(PATH, options);
    await again.appendAndSync(bytes("after"));
    assertEquals(await waiting, "21 after");
    await entries.return(undefined);
    await reader.close();
    await again.close();
  }
});

test("files beside the log cost a follower nothing, and its own not a look each", async () => {
  const memory = new MemoryFileSystem();
  let tell: (name?: string) => void = () => {};
  let looks = 0;
  const fileSystem = like<FileSystem>(memory, {
    watch: (_, onChange) => {
      tell = onChange;
      return () => {};
    },
    identify: (path) => {
      looks++;
      return memory.identify(path);
    },
    // More than a call can have arguments.
    list: (directory) => [
      ...memory.list(directory),
      ...Array.from({ length: 130_000 }, (_, i) => `neighbour ${i}`),
    ],
  });
  const log = await Wal.open(PATH, { fileSystem: memory });
  await log.appendAndSync(bytes("a"));
  await log.close();
  const reader = await Wal.open(PATH, { fileSystem, readOnly: true });
  const entries = reader.follow();
  assertEquals(await lineOf(entries), "1 a");
  const waiting = entries.next();
  await pause(100);
  const count = async (names: (string | undefined)[]): Promise<number> => {
    looks = 0;
    for (let i = 0; i < 50; i++) {
      for (let j = 0; j < 20; j++) for (const name of names) tell(name);
      await pause(1);
    }
    return looks;
  };
  const others = await count(["b.wal", "b", "a.walnut", "a", "xa.wal"]);
  const own = await count([PATH, `${PATH}.meta`, `${PATH}.00000000000000000002`, undefined]);
  await entries.return(undefined);
  assertEquals(await waiting, DONE);
  await reader.close();
  // Now and then it looks unasked, by two or three of these calls.
  assert(others <= 40, `${others} for 5000 changes of others`);
  assert(own >= 2 && own <= 400, `${own} for 4000 changes`);
});

/** A disk that syncs only when it is let to, and what a reader has read of the log's first file. */
function heldDisk(): {
  slow: FileSystem;
  counted: FileSystem;
  release: () => void;
  read: () => number;
} {
  const memory = new MemoryFileSystem();
  const held: (() => void)[] = [];
  let read = 0;
  const sync = (): Promise<void> => new Promise((resolve) => held.push(resolve));
  const slow = like<FileSystem>(memory, {
    open: (path, mode) => like<FileHandle>(memory.open(path, mode), { sync, syncData: sync }),
  });
  const counted = like<FileSystem>(memory, {
    open: (path, mode) => {
      const file = memory.open(path, mode);
      return like<FileHandle>(file, {
        read: (...call) => {
          const count = file.read(...call);
          if (path === PATH) read += count;
          return count;
        },
      });
    },
  });
  const release = (): void => held.splice(0).forEach((resolve) => resolve());
  return { slow, counted, release, read: () => read };
}

/** Waits for something while the disk syncs. */
async function syncing<T>(work: Promise<T>, release: () => void): Promise<T> {
  let isDone = false;
  const done = work.finally(() => isDone = true);
  while (!isDone) {
    release();
    await pause(1);
  }
  return await done;
}

for (const way of ["a refresh", "a durable follower", "a follower"] as const) {
  test(`while a roll is pending, ${way} scans the full segment once`, {
    timeout: 60_000,
  }, async () => {
    const { slow, counted, release, read } = heldDisk();
    const options = { fileSystem: slow, segmentSize: 256 * 1024 };
    const log = await syncing(Wal.open(PATH, options), release);
    const reader = await Wal.open(PATH, { fileSystem: counted, readOnly: true });
    const stop = new AbortController();
    const { signal } = stop;
    let seen = 0;
    const following = way === "a refresh" ? undefined : assertRejects(async () => {
      const entries = reader.follow({ durable: way === "a durable follower", signal });
      for await (const { index } of entries) seen = index;
    });
    const look = async (): Promise<void> => {
      if (way === "a refresh") await reader.refresh();
      while (reader.lastIndex < log.lastIndex) await pause(1);
    };

    const isRolled = (): boolean => counted.list(".").some((name) => /\.\d{20}$/.test(name));
    while (!isRolled()) {
      log.append(new Uint8Array(1000));
      if (log.lastIndex % 32 === 0 && !isRolled()) await look();
    }
    const before = read();
    for (let looks = 0; looks < 12; looks++) {
      await look();
      log.append(new Uint8Array(10));
    }
    const times = (read() - before) / options.segmentSize;

    await syncing(log.close(), release);
    if (following !== undefined) { while (seen < log.lastIndex) await pause(1); }
    stop.abort();
    await following;
    await reader.close();
    // A follower reads what it has given out once more, to compare it, and where the Seal would be. Then
    // it looks back for the batch that it may continue in.
    assert(times > 0.9 && times < (way === "a refresh" ? 2.2 : 4), `${times} times`);
  });
}

test("several followers of one handle, and the handle itself, see the same log", {
  timeout: 60_000,
}, async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem, segmentSize: 500 });
  const reader = await Wal.open(PATH, { fileSystem, readOnly: true });
  const options: FollowOptions[] = [{}, { durable: false }, {}, { durable: false }];
  const logs = await Promise.all(options.map(async (option) => {
    const seen = new Map<number, string>();
    const entries = reader.follow(option);
    const done = (async () => {
      for await (const { index, data } of entries) {
        seen.set(index, text(data));
        for (const later of [...seen.keys()].filter((other) => other > index)) seen.delete(later);
        assertEquals(reader.getEntry(index).length > 0, true);
        if (text(data).startsWith("last")) break;
      }
    })();
    return await Promise.resolve({ seen, done });
  }));
  const expected = new Map<number, string>();
  for (let round = 0; round < 12; round++) {
    for (let i = 0; i < 5; i++) {
      const line = `${round} ${i}`.padEnd(33, ".");
      expected.set(await log.appendAndSync(bytes(line)), line);
    }
    await pause(round % 3 === 0 ? 20 : 1);
    const from = log.lastIndex - (round % 4 === 3 ? 20 : 2);
    if (from > log.firstIndex) {
      await log.truncateFromIndex(from);
      for (const index of [...expected.keys()].filter((index) => index >= from)) {
        expected.delete(index);
      }
    }
  }
  expected.set(await log.appendAndSync(bytes("last")), "last");
  for (const { seen, done } of logs) {
    await done;
    assertEquals([...seen].sort(([a], [b]) => a - b), [...expected]);
  }
  await reader.close();
  await log.close();
});

test("a reader sees what its followers have seen, and what a refresh finds", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem, segmentSize: 300 });
  const reader = await Wal.open(PATH, { fileSystem, readOnly: true });
  const append = async (last: number): Promise<void> => {
    while (log.lastIndex < last) await log.appendAndSync(bytes(`entry ${log.lastIndex + 1}`));
  };
  await append(3);
  const entries = reader.follow({ durable: false });
  for (let i = 1; i <= 3; i++) assertEquals(await lineOf(entries), `${i} entry ${i}`);
  assertEquals([reader.lastIndex, text(reader.getEntry(3))], [3, "entry 3"]);
  const next = reader.follow({ from: 4, durable: false });
  const waiting = lineOf(next);
  await append(4);
  assertEquals(await waiting, "4 entry 4");
  await entries.return(undefined);
  await next.return(undefined);

  await append(40);
  await log.truncateBeforeIndex(20);
  await log.setState(bytes("state"));
  assertEquals(reader.lastIndex, 4, "not before it looks");
  await reader.refresh();
  assertEquals([reader.firstIndex, reader.lastIndex], [20, 40]);
  assertEquals([reader.readAll().length, text(reader.state)], [21, "state"]);
  await log.setState(bytes("other"));
  await log.truncateFromIndex(30);
  await reader.refresh();
  assertEquals([reader.lastIndex, text(reader.state)], [29, "other"]);
  await log.reset(7);
  await append(8);
  await reader.refresh();
  assertEquals([reader.firstIndex, reader.lastIndex, text(reader.getEntry(8))], [7, 8, "entry 8"]);

  await log.refresh();
  assertEquals(log.lastIndex, 8, "a writer's handle is as it was");
  await reader.close();
  await log.close();
  for (const closed of [reader, log]) {
    const error = await assertRejects(() => closed.refresh(), WalError);
    assertInstanceOf(error, WalError);
    assertEquals(error.code, "ERR_WAL_CLOSED");
  }
});
