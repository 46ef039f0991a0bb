/**
 * The log as its user sees it, good input and bad.
 *
 * @module
 */
import { test } from "node:test";
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
  fail,
} from "@std/assert";
import { existsSync } from "@std/fs";
import { LockedError, Wal, WalError, type WalErrorCode } from "../mod.ts";
import { MemoryFileSystem } from "../src/fs/adapters/memory.ts";
import { FaultyFileSystem } from "../src/testing/faulty_file_system.ts";
import { spawnSync } from "../kit/child.ts";
import { bytes, readFile, text, withLog, writeFile } from "../kit/logs.ts";
import { command, RUNTIME } from "../kit/runtime.ts";
import { withFolder } from "../kit/temporary.ts";

const PATH = "a.wal";

function openInMemory(): Promise<Wal> {
  return Wal.open(PATH, { fileSystem: new MemoryFileSystem() });
}

function assertCode(call: () => unknown, code: WalErrorCode): WalError {
  const error = assertThrows(call, WalError);
  assertEquals(error.code, code);
  return error;
}

async function assertRejectsWith(
  call: () => Promise<unknown>,
  code: WalErrorCode,
): Promise<WalError> {
  const error = await assertRejects(call, WalError);
  assertEquals(error.code, code);
  return error;
}

test("entries come back by index, in a list, and in a range", async () => {
  const log = await openInMemory();
  assertEquals([log.firstIndex, log.lastIndex, log.durableIndex], [1, 0, 0]);
  assertEquals(log.readAll(), []);
  const all = ["one", "", "three", "four"].map(bytes);
  for (const [i, data] of all.entries()) assertEquals(log.append(data), i + 1);
  for (const [i, data] of all.entries()) assertEquals(log.getEntry(i + 1), data);
  assertEquals(log.readAll(), all);
  assertEquals([...log.entries({ from: 2, to: 3 })], [
    { index: 2, data: all[1] as Uint8Array, endsBatch: true },
    { index: 3, data: all[2] as Uint8Array, endsBatch: true },
  ]);
  assertEquals([...log.entries({ from: 4 })].length, 1);
  assertEquals([...log.entries({ to: 2 })].length, 2);
  assertEquals([...log.entries({ from: 5 })], [], "right after the end is an empty range");
  assertEquals([...log.entries({ from: 3, to: 2 })], []);
  await log.close();
});

test("an append copies the caller's bytes, and reads give copies", async () => {
  const log = await openInMemory();
  const data = bytes("before");
  log.append(data);
  data.fill(0);
  assertEquals(text(log.getEntry(1)), "before");
  log.getEntry(1).fill(0);
  const [entry] = log.entries();
  entry?.data.fill(0);
  assertEquals(text(log.getEntry(1)), "before");
  await log.close();
});

test("replay shows each entry, of any size, in any range", async () => {
  const log = await openInMemory();
  const sizes = [0, 1, 3, 100, 70_000, 0, 300_000, 1_048_567, 1_048_568, 3_000_000, 5];
  for (const [i, size] of sizes.entries()) log.append(new Uint8Array(size).fill(i + 1));
  for (let from = 1; from <= sizes.length; from++) {
    const to = Math.min(sizes.length, from + 3);
    const seen: number[] = [];
    log.replay((entry) => {
      assertEquals(entry.end - entry.start, sizes[entry.index - 1]);
      assert(entry.data.every((byte) => byte === entry.index));
      assertEquals(entry.data.length, entry.end - entry.start);
      if (entry.data.length > 0) assertEquals(entry.bytes[entry.end - 1], entry.index);
      seen.push(entry.index);
    }, { from, to });
    assertEquals(seen, Array.from({ length: to - from + 1 }, (_, i) => from + i));
  }
  log.replay(() => fail("there is none"), { from: 4, to: 3 });
  await log.close();
});

test("within replay the log can be read and written, and what throws ends it", async () => {
  const log = await openInMemory();
  for (let i = 1; i <= 100; i++) log.append(bytes(`entry ${i}`));
  let visits = 0;
  log.replay((entry) => {
    assertEquals(text(log.getEntry(101 - entry.index)), `entry ${101 - entry.index}`);
    log.append(bytes("more"));
    let inner = 0;
    log.replay(({ data }) => assertEquals(text(data), `entry ${++inner}`), { to: 5 });
    assertEquals(text(entry.data), `entry ${entry.index}`);
    visits++;
  });
  assertEquals([visits, log.lastIndex], [100, 200]);
  const stop = new Error("enough");
  assertEquals(
    assertThrows(() =>
      log.replay(() => {
        throw stop;
      })
    ),
    stop,
  );
  assertThrows(() => log.replay(undefined as never), WalError);
  await log.close();
});

for (const way of ["entries", "replay"] as const) {
  test(`a log that is closed in the middle of ${way} is read no further`, async () => {
    const log = await openInMemory();
    for (const word of ["a", "b", "c"]) log.append(bytes(word));
    let seen = 0;
    const visit = (): void => {
      seen++;
      void log.close();
    };
    const error = assertThrows(() => {
      if (way === "replay") log.replay(visit);
      else for (const _ of log.entries()) visit();
    }, WalError);
    assertEquals([error.code, seen], ["ERR_WAL_CLOSED", 1]);
    await log.close();
  });
}

test("small entries share memory, each in a part of its own", async () => {
  const log = await openInMemory();
  for (let i = 0; i < 300; i++) log.append(bytes(`entry ${i}`));
  const kept = [log.readAll(), Array.from({ length: 300 }, (_, i) => log.getEntry(i + 1))];
  for (const entries of kept) {
    for (const [i, data] of entries.entries()) {
      assertEquals(text(data), `entry ${i}`);
      data.fill(0);
    }
  }
  assertEquals(text(log.getEntry(7)), "entry 6");
  await log.close();
});

test("subclasses and views of Uint8Array are entries", async () => {
  const log = await openInMemory();
  const whole = bytes("0123456789");
  log.append(whole.subarray(3, 6));
  log.append(new (class extends Uint8Array {})([1, 2]));
  log.append(new Uint8Array(new SharedArrayBuffer(3)));
  assertEquals(log.readAll().map((data) => [...data]), [[51, 52, 53], [1, 2], [0, 0, 0]]);
  await log.close();
});

test("a loop sees the entries that were there when it began", async () => {
  const log = await openInMemory();
  for (const word of ["a", "b", "c"]) log.append(bytes(word));
  const seen: string[] = [];
  for (const { data } of log.entries()) {
    seen.push(text(data));
    if (seen.length < 10) log.append(bytes("later"));
  }
  assertEquals(seen, ["a", "b", "c"]);
  await log.close();
});

for (const format of [1, 2] as const) {
  test(`a loop sees what replaced the entries that a truncation dropped (version ${format})`, async () => {
    const log = await Wal.open(PATH, { fileSystem: new MemoryFileSystem(), format });
    for (const word of ["a", "b", "c", "d"]) log.append(bytes(word));
    const entries = log.entries();
    assertEquals(text((entries.next().value as { data: Uint8Array }).data), "a");
    await log.truncateFromIndex(3);
    log.append(bytes("C"));
    assertEquals(Array.from(entries, ({ index, data }) => `${index}${text(data)}`), ["2b", "3C"]);
    await log.close();
  });
}

test("a sync that runs when a truncation is called does not count what that drops", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const log = await Wal.open(PATH, { fileSystem });
  for (const word of ["a", "b", "c"]) log.append(bytes(word));
  const gate = Promise.withResolvers<void>();
  fileSystem.delay("syncData", () => gate.promise);
  const synced = log.sync();
  while (fileSystem.count("syncData") === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  const truncated = log.truncateFromIndex(2);
  setTimeout(gate.resolve, 10);
  await Promise.all([synced, truncated]);
  assertEquals([log.lastIndex, log.durableIndex], [1, 1]);
  log.append(bytes("B"));
  assertEquals([log.lastIndex, log.durableIndex], [2, 1]);
  await log.close();
});

test("durableIndex follows the syncs, and never runs ahead", async () => {
  const log = await openInMemory();
  log.append(bytes("a"));
  const syncing = log.sync();
  log.append(bytes("b"));
  assertEquals(log.durableIndex, 0);
  await syncing;
  assert(log.durableIndex >= 1);
  log.append(bytes("c"));
  assert(log.durableIndex < 3);
  await log.appendAndSync(bytes("d"));
  assertEquals(log.durableIndex, 4);
  await log.close();
});

test("a truncation drops the tail for good", async () => {
  const fileSystem = new MemoryFileSystem();
  await withLog(PATH, { fileSystem }, async (log) => {
    for (const word of ["a", "b", "c", "d"]) await log.appendAndSync(bytes(word));
    await log.truncateFromIndex(3);
    assertEquals([log.lastIndex, log.durableIndex], [2, 2]);
    assertCode(() => log.getEntry(3), "ERR_WAL_INDEX_OUT_OF_RANGE");
    assertEquals(log.append(bytes("C")), 3);
    assertEquals(log.durableIndex, 2);
    await log.truncateFromIndex(1);
    assertEquals([log.firstIndex, log.lastIndex, log.durableIndex], [1, 0, 0]);
    assertEquals(await log.appendAndSync(bytes("A")), 1);
  });
  await withLog(PATH, { fileSystem }, (log) => {
    assertEquals(log.recovery.case, "A");
    assertEquals(log.readAll().map(text), ["A"]);
  });
});

test("during a truncation append refuses, and appendAndSync and sync wait", async () => {
  const log = await openInMemory();
  for (const word of ["a", "b", "c"]) log.append(bytes(word));
  const truncating = log.truncateFromIndex(2);
  assertCode(() => log.append(bytes("x")), "ERR_WAL_BUSY");
  await assertRejectsWith(() => log.truncateFromIndex(1), "ERR_WAL_BUSY");
  const appended = [log.appendAndSync(bytes("B")), log.appendAndSync(bytes("C"))];
  const synced = log.sync();
  await truncating;
  assertEquals(await Promise.all(appended), [2, 3]);
  await synced;
  assertEquals(log.readAll().map(text), ["a", "B", "C"]);
  assertEquals(log.durableIndex, 3);
  await log.close();
});

test("indexes that name no entry are refused", async () => {
  const log = await openInMemory();
  const nonsense = [0, -1, 1.5, NaN, Infinity, 2 ** 53, "1", null, undefined, 1n] as number[];
  for (const index of [...nonsense, 1]) {
    assertCode(() => log.getEntry(index), "ERR_WAL_INDEX_OUT_OF_RANGE");
    await assertRejectsWith(() => log.truncateFromIndex(index), "ERR_WAL_INDEX_OUT_OF_RANGE");
  }
  log.append(bytes("a"));
  for (const index of [...nonsense, 2]) {
    const error = assertCode(() => log.getEntry(index), "ERR_WAL_INDEX_OUT_OF_RANGE");
    assertStringIncludes(error.message, "1 to 1");
    await assertRejectsWith(() => log.truncateFromIndex(index), "ERR_WAL_INDEX_OUT_OF_RANGE");
  }
  for (const range of [{ from: 0 }, { from: 3 }, { to: 2 }, { from: 1.5 }, { from: 2, to: 0 }]) {
    assertCode(() => log.entries(range), "ERR_WAL_INDEX_OUT_OF_RANGE");
  }
  assertEquals(log.lastIndex, 1);
  await log.close();
});

test("data that is no Uint8Array is refused, and nothing is written", async () => {
  const log = await openInMemory();
  const size = log.byteLength;
  const wrong = [null, undefined, "text", 5, {}, [1, 2], new ArrayBuffer(3), new Uint16Array(3)];
  for (const data of wrong as unknown as Uint8Array[]) {
    assertCode(() => log.append(data), "ERR_WAL_INVALID_ARGUMENT");
    await assertRejectsWith(() => log.appendAndSync(data), "ERR_WAL_INVALID_ARGUMENT");
  }
  assertEquals([log.lastIndex, log.byteLength], [0, size]);
  await log.close();
});

test("an entry over the limit is refused, and nothing is written", async () => {
  const fileSystem = new MemoryFileSystem();
  await withLog(PATH, { fileSystem, maxEntrySize: 10 }, async (log) => {
    const before = readFile(fileSystem, PATH);
    const error = assertCode(() => log.append(new Uint8Array(11)), "ERR_WAL_ENTRY_TOO_LARGE");
    assertStringIncludes(error.message, "the limit is 10");
    await assertRejectsWith(() => log.appendAndSync(new Uint8Array(11)), "ERR_WAL_ENTRY_TOO_LARGE");
    assertEquals(readFile(fileSystem, PATH), before);
    assertEquals(log.append(new Uint8Array(10)), 1);
  });
  await withLog("b.wal", { fileSystem }, (log) => {
    const limit = 10 * 1024 * 1024;
    assertCode(() => log.append(new Uint8Array(limit + 1)), "ERR_WAL_ENTRY_TOO_LARGE");
    assertEquals(log.append(new Uint8Array(limit)), 1);
    assertEquals(log.getEntry(1).length, limit);
  });
});

test("options and paths that make no sense are refused, and nothing is made", async () => {
  const fileSystem = new MemoryFileSystem();
  const wrong: object[] = [
    { maxEntrySize: 0 },
    { maxEntrySize: 2 ** 32 },
    { maxEntrySize: 1.5 },
    { format: 3 },
    { recovery: "hope" },
    { readOnly: 1 },
    { mode: 0o1000 },
    { maxEntrysize: 5 },
  ];
  for (const options of wrong) {
    await assertRejectsWith(
      () => Wal.open(PATH, { fileSystem, ...options }),
      "ERR_WAL_INVALID_ARGUMENT",
    );
  }
  for (const path of ["", "a\0b", null, 5, new URL("file:///a")] as string[]) {
    await assertRejectsWith(() => Wal.open(path, { fileSystem }), "ERR_WAL_INVALID_ARGUMENT");
  }
  await assertRejectsWith(
    () => Wal.open(PATH, null as unknown as Record<string, never>),
    "ERR_WAL_INVALID_ARGUMENT",
  );
  assertEquals(fileSystem.list("."), []);
});

test("a closed log refuses everything but another close", async () => {
  const log = await openInMemory();
  log.append(bytes("a"));
  const entries = log.entries();
  const closing = log.close();
  assertCode(() => log.append(bytes("b")), "ERR_WAL_CLOSED");
  await closing;
  await log.close();
  assertCode(() => log.append(bytes("b")), "ERR_WAL_CLOSED");
  assertCode(() => log.getEntry(1), "ERR_WAL_CLOSED");
  assertCode(() => log.readAll(), "ERR_WAL_CLOSED");
  assertCode(() => log.entries(), "ERR_WAL_CLOSED");
  assertCode(() => entries.next(), "ERR_WAL_CLOSED");
  await assertRejectsWith(() => log.sync(), "ERR_WAL_CLOSED");
  await assertRejectsWith(() => log.appendAndSync(bytes("b")), "ERR_WAL_CLOSED");
  await assertRejectsWith(() => log.truncateFromIndex(1), "ERR_WAL_CLOSED");
});

test("close makes everything durable and answers the calls that wait", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const log = await Wal.open(PATH, { fileSystem });
  const waiting = [log.appendAndSync(bytes("a")), log.appendAndSync(bytes("b"))];
  log.append(bytes("c"));
  await log.close();
  assertEquals(await Promise.all(waiting), [1, 2]);
  const last = fileSystem.calls.findLastIndex((call) => call === `write ${PATH}`);
  assert(fileSystem.calls.slice(last).includes(`syncData ${PATH}`), "the last write is synced");
  await withLog(PATH, { fileSystem, readOnly: true }, (log) => assertEquals(log.durableIndex, 3));
});

test("open and close again and again do not make a log grow", async () => {
  const fileSystem = new MemoryFileSystem();
  await withLog(PATH, { fileSystem }, (log) => log.append(bytes("a")));
  const size = readFile(fileSystem, PATH).length;
  for (let round = 0; round < 3; round++) await withLog(PATH, { fileSystem }, () => {});
  assertEquals(readFile(fileSystem, PATH).length, size);
});

test("await using closes the log", async () => {
  const fileSystem = new MemoryFileSystem();
  {
    await using log = await Wal.open(PATH, { fileSystem });
    log.append(bytes("a"));
    await assertRejects(() => Wal.open(PATH, { fileSystem }), LockedError);
  }
  await withLog(PATH, { fileSystem }, (log) => assertEquals(log.lastIndex, 1));
});

test("an idle log tells readers of its last sync", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem });
  await log.appendAndSync(bytes("a"));
  const durableForOthers = (): Promise<number> =>
    withLog(PATH, { fileSystem, readOnly: true }, (reader) => reader.durableIndex);
  assertEquals(await durableForOthers(), 0);
  const size = log.byteLength;
  for (let wait = 0; wait < 100 && log.byteLength === size; wait++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assertEquals(await durableForOthers(), 1);
  await log.close();
});

test("a reader works beside the writer and changes nothing", async () => {
  const fileSystem = new MemoryFileSystem();
  const writer = await Wal.open(PATH, { fileSystem });
  writer.append(bytes("a"));
  const reader = await Wal.open(PATH, { fileSystem, readOnly: true });
  assertEquals(reader.readAll().map(text), ["a"]);
  assertCode(() => reader.append(bytes("b")), "ERR_WAL_READ_ONLY");
  await assertRejectsWith(() => reader.sync(), "ERR_WAL_READ_ONLY");
  await assertRejectsWith(() => reader.truncateFromIndex(1), "ERR_WAL_READ_ONLY");
  assertEquals(reader.stats().lock, undefined);
  const before = readFile(fileSystem, PATH);
  await reader.close();
  assertEquals(readFile(fileSystem, PATH), before);
  await writer.close();
});

test("rot after the open is found by the read, and other entries can be read", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem });
  for (const word of ["one", "two", "three"]) log.append(bytes(word));
  const content = readFile(fileSystem, PATH);
  const at = content.length - 12 - 12 + 2; // In the payload of "two", or its header.
  content[at] = (content[at] as number) ^ 1;
  writeFile(fileSystem, PATH, content);
  const error = assertCode(() => log.getEntry(2), "ERR_WAL_CORRUPT");
  assertStringIncludes(error.message, "Entry 2");
  assertCode(() => log.readAll(), "ERR_WAL_CORRUPT");
  assertEquals(text(log.getEntry(1)), "one");
  assertEquals(text(log.getEntry(3)), "three");
  await log.close();
});

test("stats count what was done", async () => {
  const log = await openInMemory();
  log.append(bytes("abc"));
  log.append(bytes("de"));
  await log.sync();
  await log.sync();
  const { appends, bytesAppended, writes, syncs, lock } = log.stats();
  assertEquals([appends, bytesAppended, writes, syncs, lock], [2, 5, 2, 1, "kernel"]);
  await log.close();
});

test("missing directories are made, each durable in its parent", () =>
  withFolder(async (folder) => {
    const path = join(folder, "a", "b", "c", "server.wal");
    await withLog(path, {}, (log) => log.append(bytes("x")));
    assert(existsSync(path));
    if (process.platform !== "win32") {
      assertEquals(statSync(path).mode & 0o777, 0o600, "a log may hold secrets");
      assertEquals(statSync(join(folder, "a")).mode & 0o777, 0o700);
    }
    await withLog(path, {}, (log) => assertEquals(log.lastIndex, 1));
  }));

test("a directory, and a path through a file, are refused", () =>
  withFolder(async (folder) => {
    await assertRejectsWith(() => Wal.open(folder), "ERR_WAL_NOT_A_FILE");
    writeFileSync(join(folder, "file"), "x");
    await assertRejectsWith(
      () => Wal.open(join(folder, "file", "below.wal")),
      "ERR_WAL_NOT_A_FILE",
    );
    mkdirSync(join(folder, "a.wal"));
    await assertRejectsWith(() => Wal.open(join(folder, "a.wal")), "ERR_WAL_NOT_A_FILE");
    assertEquals(readFileSync(join(folder, "file"), "utf8"), "x");
  }));

test("a missing log cannot be opened for reading, and is not made", () =>
  withFolder(async (folder) => {
    const path = join(folder, "none", "a.wal");
    await assertRejectsWith(() => Wal.open(path, { readOnly: true }), "ERR_WAL_NOT_FOUND");
    assert(!existsSync(join(folder, "none")));
  }));

test(
  "a file without permission is refused with the reason",
  { timeout: 60_000 },
  () =>
    withFolder((folder) => {
      if (process.platform === "win32") return; // Windows has no permissions of this kind.
      const path = join(folder, "a.wal");
      writeFileSync(path, "");
      chmodSync(path, 0);
      const { program, args } = command(join(import.meta.dirname ?? "", "support/open.ts"), path);
      // Root may read everything, unless it gives the capability up.
      const dropped = process.getuid?.() === 0
        ? ["setpriv", "--bounding-set=-dac_override,-dac_read_search", program, ...args]
        : [program, ...args];
      const { stdout, stderr } = spawnSync(dropped[0] as string, dropped.slice(1), {
        encoding: "utf8",
      });
      assertStringIncludes(stdout, "ERR_WAL_PERMISSION", stderr);
      assertStringIncludes(stdout, path);
    }),
);

test("on Deno, a permission that is not granted is an error that says which flag", {
  timeout: 60_000,
}, () =>
  withFolder((folder) => {
    const { program, args } = command(
      join(import.meta.dirname ?? "", "support/open.ts"),
      join(folder, "a.wal"),
    );
    const limited = RUNTIME === "deno"
      ? args.map((arg) => arg === "--allow-all" ? "--allow-env" : arg)
      : args;
    const { stdout } = spawnSync(program, limited, {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    assertStringIncludes(stdout, RUNTIME === "deno" ? "--allow-read" : "opened");
  }));
