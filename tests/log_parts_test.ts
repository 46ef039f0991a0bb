/**
 * What a log says of its parts: its id, its files, the file system underneath; and a head and a state
 * that change together.
 *
 * @module
 */
import { test } from "node:test";
import { join } from "node:path";
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { defaultFileSystem, type TruncateOptions, Wal, WalError } from "../mod.ts";
import { MemoryFileSystem } from "../src/fs/adapters/memory.ts";
import { exploreCrashes, exploreFaults } from "../src/testing/testing.ts";
import { FaultyFileSystem } from "../src/testing/faulty_file_system.ts";
import { bytes, KNOWN_V1, text, writeFile } from "../kit/logs.ts";
import { withFolder } from "../kit/temporary.ts";

const PATH = "a.wal";

test("a log's id stays, in every handle, whatever becomes of its files", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem, segmentSize: 256 });
  const { id } = log;
  assertMatch(id, /^[0-9a-f]{16}$/);
  const reader = await Wal.open(PATH, { fileSystem, readOnly: true });
  assertEquals(reader.id, id);
  for (let i = 0; i < 9; i++) log.append(new Uint8Array(100));
  await log.truncateBeforeIndex(8);
  await log.truncateFromIndex(9);
  await log.reset(50);
  await reader.refresh();
  assertEquals([log.id, reader.id], [id, id]);
  await reader.close();
  await log.close();
  assertEquals(log.id, id, "a getter of a closed handle");
  const again = await Wal.open(PATH, { fileSystem });
  assertEquals(again.id, id);
  await again.close();
  const other = await Wal.open("b.wal", { fileSystem });
  assert(other.id !== id);
  await other.close();
});

test("a log of version 1 has an id once a file of it has one", async () => {
  const fileSystem = new MemoryFileSystem();
  writeFile(fileSystem, PATH, KNOWN_V1);
  const log = await Wal.open(PATH, { fileSystem });
  assertEquals(log.id, "");
  await log.setState(bytes("state"));
  const { id } = log;
  assertMatch(id, /^[0-9a-f]{16}$/);
  await log.close();
  const again = await Wal.open(PATH, { fileSystem, readOnly: true });
  assertEquals(again.id, id);
  await again.close();
});

test("segments are the files with their entries and sizes, across rolls and truncations", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem, segmentSize: 560 });
  const shown = (of: Wal): string[] =>
    of.segments().map(({ firstIndex, lastIndex }) => `${firstIndex}-${lastIndex}`);
  assertEquals(shown(log), ["1-0"]);
  for (let i = 0; i < 5; i++) log.append(new Uint8Array(200));
  assertEquals(shown(log), ["1-2", "3-4", "5-5"]);
  await log.sync();
  const reader = await Wal.open(PATH, { fileSystem, readOnly: true });
  assertEquals(shown(reader), ["1-2", "3-4", "5-5"]);
  const sizes = log.segments().map(({ bytes }) => bytes);
  assertEquals(sizes.reduce((sum, size) => sum + size, 0), log.byteLength);
  for (const { path, bytes } of log.segments().slice(0, -1)) {
    const file = fileSystem.open(path, "read");
    assertEquals(file.size(), bytes);
    file.close();
  }
  await log.truncateBeforeIndex(4);
  assertEquals([log.firstIndex, shown(log)], [4, ["3-4", "5-5"]], "3 is dropped, its space is not");
  assertEquals(shown(reader), ["1-2", "3-4", "5-5"]);
  await reader.refresh();
  assertEquals(shown(reader), ["3-4", "5-5"]);
  await log.truncateFromIndex(4);
  assertEquals(shown(log), ["3-3"]);
  await log.reset(20);
  assertEquals(shown(log), ["20-19"]);
  await reader.close();
  await log.close();
});

test("a head truncation stores a state with the same update of the meta file", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const log = await Wal.open(PATH, { fileSystem });
  for (const word of ["a", "b", "c"]) log.append(bytes(word));
  await log.setState(bytes("old"));
  const updates = (): number =>
    fileSystem.calls.filter((call) => call === "write a.wal.meta").length;
  const before = updates();
  await log.truncateBeforeIndex(3, { state: bytes("up to 2") });
  assertEquals([log.firstIndex, text(log.state), updates() - before], [3, "up to 2", 2]);
  await log.truncateBeforeIndex(3, { state: bytes("again") });
  assertEquals([log.firstIndex, text(log.state), updates() - before], [3, "again", 4]);
  await log.truncateBeforeIndex(3);
  assertEquals(updates() - before, 4, "nothing to store");
  await log.truncateBeforeIndex(4, { state: new Uint8Array(0) });
  assertEquals([log.firstIndex, log.state.length], [4, 0]);
  await log.truncateBeforeIndex(4, {});
  await log.close();
  const again = await Wal.open(PATH, { fileSystem });
  assertEquals([again.firstIndex, again.state.length], [4, 0]);
  await again.close();
});

test("a state that is none, too large or with a wrong index changes nothing", async () => {
  const log = await Wal.open(PATH, { fileSystem: new MemoryFileSystem() });
  for (const word of ["a", "b"]) log.append(bytes(word));
  const refused = async (index: number, options: unknown): Promise<string> => {
    const call = (): Promise<void> => log.truncateBeforeIndex(index, options as TruncateOptions);
    return (await assertRejects(call, WalError)).code;
  };
  assertEquals(await refused(2, { state: "text" }), "ERR_WAL_INVALID_ARGUMENT");
  assertEquals(await refused(2, { state: null }), "ERR_WAL_INVALID_ARGUMENT");
  assertEquals(await refused(2, { states: bytes("x") }), "ERR_WAL_INVALID_ARGUMENT");
  assertEquals(await refused(2, { state: new Uint8Array(32769) }), "ERR_WAL_STATE_TOO_LARGE");
  assertEquals(await refused(9, { state: bytes("x") }), "ERR_WAL_INDEX_OUT_OF_RANGE");
  assertEquals([log.firstIndex, log.state.length], [1, 0]);
  await log.close();
});

/** A program whose head and state are to change together, and what a crash may leave. */
const HEAD_AND_STATE = {
  run: async (
    fileSystem: import("../mod.ts").FileSystem,
    promise: (index: number) => void,
  ): Promise<void> => {
    const log = await Wal.open(PATH, { fileSystem, segmentSize: 256 });
    for (let index = 1; index <= 5; index++) {
      await log.appendAndSync(new Uint8Array(70).fill(index));
      if (index % 2 === 0) continue;
      await log.truncateBeforeIndex(index, { state: bytes(`${index}`) });
      promise(index);
    }
    await log.close();
  },
  check: async (
    fileSystem: import("../mod.ts").FileSystem,
    promised: readonly number[],
  ): Promise<void> => {
    const log = await Wal.open(PATH, { fileSystem, segmentSize: 256 });
    const state = Number(text(log.state) || 1);
    assertEquals(log.firstIndex, state, "the head and the state are of one change");
    assert(state >= (promised.at(-1) ?? 1), `the promised head ${promised.at(-1)} is gone`);
    await log.close();
  },
};

test("after any crash or fault, head and state are both the old ones or both the new", async () => {
  const crashes = await exploreCrashes<number>(HEAD_AND_STATE, { statesPerCrash: 4 });
  const faults = await exploreFaults<number>(HEAD_AND_STATE, { statesPerCrash: 1 });
  assert(crashes.states > 100 && faults.states > 500, `${crashes.states}, ${faults.states}`);
});

test("the default file system is the one that a log is kept on", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    const log = await Wal.open(path);
    const fileSystem = await defaultFileSystem();
    assertEquals(fileSystem.identify(path), fileSystem.identify(log.segments()[0]?.path ?? ""));
    await log.close();
  });
});

test("a delay is for one file, if it names one, and the last one counts", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const log = await Wal.open(PATH, { fileSystem });
  const other = await Wal.open("b.wal", { fileSystem });
  const gate = Promise.withResolvers<void>();
  fileSystem.delay("syncData", () => gate.promise, { name: "b.wal" });
  await log.appendAndSync(bytes("a"));
  let isDone = false;
  const slow = other.appendAndSync(bytes("a")).then(() => isDone = true);
  await log.appendAndSync(bytes("b"));
  assertEquals(isDone, false);
  gate.resolve();
  await slow;
  let waits = 0;
  fileSystem.delay("syncData", () => Promise.resolve(waits++));
  await other.appendAndSync(bytes("b"));
  assertEquals(waits, 1);
  await log.close();
  await other.close();
});
