/**
 * A handle that only reads, beside a writer that changes what it has seen.
 *
 * @module
 */
import { test } from "node:test";
import { assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { Wal, WalError } from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { DURABLE_FRAME_SIZE } from "../../src/format/durable_frame.ts";
import { FRAME_HEADER_SIZE } from "../../src/format/frame.ts";
import { FaultyFileSystem } from "../../src/testing/faulty_file_system.ts";
import { bytes, text } from "../../kit/logs.ts";
import { RecordedWriter, ReplayedWriter } from "../support/recorded_writer.ts";

const PATH = "a.wal";

/** An entry whose frame is as long as a Durable frame, so that all frames lie on one grid. */
function entry(word: string, index: number): Uint8Array {
  return bytes(`${word} ${index} `.padEnd(DURABLE_FRAME_SIZE - FRAME_HEADER_SIZE, "."));
}

function wordOf(data: Uint8Array): string {
  return text(data).replace(/ \.*$/, "");
}

/** Every way in which a handle shows an entry. */
const READS: Readonly<Record<string, (log: Wal, index: number) => Uint8Array | undefined>> = {
  getEntry: (log, index) => log.getEntry(index),
  readAll: (log, index) => log.readAll()[index - log.firstIndex],
  entries: (log, index) => log.entries({ from: index, to: index }).next().value?.data,
  replay: (log, index) => {
    let found: Uint8Array | undefined;
    log.replay(({ data }) => void (found = data.slice()), { from: index, to: index });
    return found;
  },
};

function append(log: Wal, word: string, last: number): void {
  while (log.lastIndex < last) log.append(entry(word, log.lastIndex + 1));
}

for (const [name, read] of Object.entries(READS)) {
  for (const segmentSize of [1 << 20, 400]) {
    const where = segmentSize === 400 ? "a full segment" : "the last file";
    test(`${name} shows no entry under another's index once ${where} was cut`, async () => {
      const fileSystem = new MemoryFileSystem();
      const log = await Wal.open(PATH, { fileSystem, segmentSize });
      append(log, "old", 12);
      await log.sync();
      const reader = await Wal.open(PATH, { fileSystem, readOnly: true });
      assertEquals(wordOf(read(reader, 6) ?? entry("none", 0)), "old 6");
      await log.truncateFromIndex(5);
      append(log, "new", 12);
      assertEquals(wordOf(read(reader, 6) ?? entry("none", 0)), "new 6");
      assertEquals(wordOf(read(reader, 4) ?? entry("none", 0)), "old 4");
      await log.truncateFromIndex(6);
      if (name === "getEntry") {
        const error = assertThrows(() => read(reader, 6), WalError);
        assertEquals(error.code, "ERR_WAL_INDEX_OUT_OF_RANGE");
      } else {
        assertEquals(read(reader, 6), undefined, "a loop ends where the log does");
      }
      assertEquals(reader.readAll().map(wordOf), ["old 1", "old 2", "old 3", "old 4", "new 5"]);
      await reader.close();
      await log.close();
    });
  }
}

test("a refresh that fails leaves the handle as it was", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem });
  append(log, "old", 8);
  const faulty = new FaultyFileSystem(fileSystem);
  const reader = await Wal.open(PATH, { fileSystem: faulty, readOnly: true });
  append(log, "more", 12);
  await log.truncateBeforeIndex(5);
  faulty.fail("open", "EMFILE", { times: Infinity });
  const error = await assertRejects(() => reader.refresh(), WalError);
  assertEquals(error.code, "ERR_WAL_IO");
  assertEquals([reader.firstIndex, reader.lastIndex], [1, 8]);
  assertEquals(wordOf(reader.getEntry(8)), "old 8");
  await reader.close();
  await log.close();
});

/** What a log and its state are after each step of a writer that uses, closes and opens it. */
async function recordStates(): Promise<{ writer: RecordedWriter; from: number }> {
  const writer = new RecordedWriter(PATH, { segmentSize: 400 });
  let log = await writer.open();
  append(log, "old", 20);
  await log.truncateBeforeIndex(14);
  await log.setState(bytes("state"));
  await log.sync();
  const from = writer.changes.length;
  for (const how of ["closed", "killed", "killed", "closed"]) {
    if (how === "closed") await log.close();
    log = await writer.open();
    append(log, how, log.lastIndex + 1);
  }
  await log.close();
  return { writer, from };
}

test("a reader sees the first index and the state at every step of a writer's open", async () => {
  const { writer, from } = await recordStates();
  const files = new ReplayedWriter(writer);
  while (files.done < from) files.step();
  const options = { fileSystem: files.memory, readOnly: true };
  const open = await Wal.open(PATH, options);
  for (; !files.isAtEnd; files.step()) {
    const names = files.memory.list(".");
    const isReplacing = names.includes(`${PATH}.redo`);
    for (const how of ["opened", "refreshed"]) {
      const shown = await settle(async () => {
        if (how === "refreshed") await open.refresh();
        const log = how === "refreshed" ? open : await Wal.open(PATH, options);
        return [log.firstIndex, text(log.state), wordOf(log.getEntry(14))];
      });
      // The end of the last file may be cut off for a moment, and its bytes in the redo file.
      if (isReplacing && shown === "ERR_WAL_IO") continue;
      assertEquals(shown, [14, "state", "old 14"], `${how} after ${files.done} changes`);
    }
  }
  await open.refresh();
  assertEquals([open.firstIndex, open.lastIndex], [14, 24]);
  await open.close();
});

/** What a call returns, or the code of the error of the log that it throws. */
async function settle<T>(call: () => Promise<T>): Promise<T | string> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof WalError) return error.code;
    throw error;
  }
}

for (const segmentSize of [1 << 20, 400]) {
  const where = segmentSize === 400 ? "full segments" : "the last file";
  test(`a loop over a reader tells that ${where} were cut twice, by an error of the log's`, async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await Wal.open(PATH, { fileSystem, segmentSize });
    append(log, "old", 24);
    await log.sync();
    const reader = await Wal.open(PATH, { fileSystem, readOnly: true });
    const entries = reader.entries();
    for (let index = 1; index <= 6; index++) entries.next();
    await log.truncateFromIndex(5);
    append(log, "new", 24);
    await reader.refresh();
    // What the handle was refreshed to is changed once more before the loop continues.
    await log.truncateFromIndex(4);
    append(log, "newer", 24);
    const error = assertThrows(() => [...entries], WalError);
    assertEquals(error.code, "ERR_WAL_INDEX_OUT_OF_RANGE");
    assertMatch(error.message, /from 4 on were dropped/);
    await reader.close();
    await log.close();
  });
}

test("readAll says so where the head was dropped while it read", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem, segmentSize: 400 });
  append(log, "old", 40);
  await log.sync();
  const reader = await Wal.open(PATH, { fileSystem, readOnly: true });
  await log.truncateBeforeIndex(30);
  const error = assertThrows(() => reader.readAll(), WalError);
  assertEquals(error.code, "ERR_WAL_INDEX_OUT_OF_RANGE");
  assertMatch(error.message, /first index of .* was 1 before the call and is 30 now: read again/);
  assertEquals(reader.readAll().map(wordOf)[0], "old 30");
  await reader.close();
  await log.close();
});

test("a loop over a reader says from where to read again once the head was dropped", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem, segmentSize: 400 });
  append(log, "old", 40);
  await log.sync();
  for (const last of [40, 45]) {
    const reader = await Wal.open(PATH, { fileSystem, readOnly: true });
    const first = reader.firstIndex;
    const entries = reader.entries();
    entries.next();
    await log.truncateBeforeIndex(last + 1);
    append(log, "more", last + 5);
    await reader.refresh();
    const error = assertThrows(() => [...entries], WalError);
    assertEquals(error.code, "ERR_WAL_INDEX_OUT_OF_RANGE");
    assertMatch(error.message, new RegExp(`from ${last + 1} on`), `after ${first}`);
    await reader.close();
  }
  await log.close();
});
