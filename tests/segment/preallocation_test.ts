/**
 * Space ahead of the entries: durable appends go to space that is there already, and no caller sees
 * it.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { Wal } from "../../mod.ts";
import type { FileHandle, FileSystem } from "../../src/fs/file_system.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { FaultyFileSystem } from "../../src/testing/faulty_file_system.ts";
import { like } from "../../kit/like.ts";
import { bytes, readFile, text, withLog } from "../../kit/logs.ts";

const PATH = "a.wal";

/** The zeros that a file ends with. */
function zerosIn(fileSystem: FaultyFileSystem): number {
  const content = readFile(fileSystem, PATH);
  return content.length - 1 - content.findLastIndex((byte) => byte !== 0);
}

function faulty(): FaultyFileSystem {
  return new FaultyFileSystem(new MemoryFileSystem());
}

test("the file of durable appends grows in steps, and at most by as much as it holds", async () => {
  const fileSystem = faulty();
  const log = await Wal.open(PATH, { fileSystem });
  const sizes = new Set<number>();
  for (let i = 0; i < 10_000; i++) {
    await log.appendAndSync(new Uint8Array(100).fill(1));
    const { length } = readFile(fileSystem, PATH);
    sizes.add(length);
    assert(length <= 2 * log.byteLength + 4096, `${length} of ${log.byteLength}`);
    assert(log.byteLength >= 4096 || length === log.byteLength, "a small log takes no more");
  }
  const steps = [...sizes];
  const grown = steps.filter((size) => size > 8192);
  assert(grown.length < 20, `${grown}`);
  assert(grown.every((size) => size % 4096 === 0), `${grown}`);
  assertEquals(Math.max(...grown.map((size, i) => size - (grown[i - 1] ?? 0))), 256 * 1024);
  await log.close();
});

test("what is synced rarely, or in large pieces, or not at all, extends nothing", async () => {
  const fileSystem = faulty();
  const log = await Wal.open(PATH, { fileSystem });
  for (let i = 0; i < 1000; i++) log.append(bytes(`entry ${i}`));
  assertEquals(readFile(fileSystem, PATH).length, log.byteLength);
  await log.appendAndSync(new Uint8Array(64 * 1024).fill(1));
  assertEquals(readFile(fileSystem, PATH).length, log.byteLength);
  await log.close();
});

for (const options of [{ preallocate: 0 }, { format: 1 }] as const) {
  test(`nothing is extended with ${JSON.stringify(options)}`, async () => {
    const fileSystem = faulty();
    const log = await Wal.open(PATH, { fileSystem, ...options });
    for (let i = 0; i < 100; i++) {
      await log.appendAndSync(bytes(`entry ${i}`));
      assertEquals(readFile(fileSystem, PATH).length, log.byteLength);
    }
    await log.close();
  });
}

test("close gives the space back, and a roll does", async () => {
  const fileSystem = faulty();
  const segmentSize = 16_000;
  await withLog(PATH, { fileSystem, segmentSize }, async (log) => {
    for (let i = 0; log.stats().segments < 3; i++) await log.appendAndSync(bytes(`entry ${i}`));
    for (let i = 0; i < 100; i++) await log.appendAndSync(bytes(`entry ${i}`));
    const sizes = fileSystem.list(".").filter((name) => /^a\.wal(\.\d+)?$/.test(name)).sort()
      .map((name) => readFile(fileSystem, name).length);
    // Full segments are as long as their successors say, or they could not be read.
    assertEquals(log.readAll().length, log.lastIndex);
    assert(sizes.slice(0, -1).every((size) => size <= segmentSize + 4096), `${sizes}`);
    assert((sizes.at(-1) ?? 0) % 4096 === 0, `${sizes}`);
  });
  const last = fileSystem.list(".").filter((name) => /^a\.wal(\.\d+)?$/.test(name)).sort().at(-1);
  assert(readFile(fileSystem, last ?? "").at(-1) !== 0);
  await withLog(PATH, { fileSystem }, (log) => assertEquals(log.recovery.case, "A"));
});

test("after a kill the space is unused: open cuts it, a reader does not see it", async () => {
  const memory = new MemoryFileSystem();
  const killed = await Wal.open(PATH, { fileSystem: memory });
  for (let i = 0; i < 100; i++) await killed.appendAndSync(bytes(`entry ${i}`));
  assert(readFile(memory, PATH).length > killed.byteLength);
  const content = readFile(memory, PATH);
  const copy = new MemoryFileSystem();
  copy.open(PATH, "create").write(content, 0);
  await withLog(PATH, { fileSystem: copy, readOnly: true }, (log) => {
    assertEquals([log.recovery.case, log.lastIndex], ["B", 100]);
  });
  await withLog(PATH, { fileSystem: copy }, (log) => {
    assertEquals(log.recovery.case, "B");
    assertEquals(log.recovery.bytesCut, content.length - killed.byteLength);
    assertEquals(log.readAll().map(text), Array.from({ length: 100 }, (_, i) => `entry ${i}`));
    assertEquals(readFile(copy, PATH).length, log.byteLength);
  });
  await killed.close();
});

test("a full disk takes no entry back for space ahead", async () => {
  const fileSystem = faulty();
  const log = await Wal.open(PATH, { fileSystem });
  log.append(new Uint8Array(5000).fill(1));
  // The entry is written, and then there is no space for the zeros, but for a part of them.
  fileSystem.fail("write", "ENOSPC", { after: 1, leaves: 100 });
  await log.appendAndSync(bytes("one"));
  assertEquals(zerosIn(fileSystem), 100);
  for (let i = 0; i < 100; i++) await log.appendAndSync(bytes(`entry ${i}`));
  assertEquals(readFile(fileSystem, PATH).length, log.byteLength, "it is not tried again");
  await log.close();
  await withLog(PATH, { fileSystem }, (log) => {
    assertEquals([log.recovery.case, log.lastIndex], ["A", 102]);
  });
});

test("a write that fails in the space ahead leaves nothing, and the log can be used", async () => {
  const fileSystem = faulty();
  const log = await Wal.open(PATH, { fileSystem });
  await log.appendAndSync(new Uint8Array(5000).fill(1));
  fileSystem.fail("write", "EIO", { leaves: 20 });
  let failed = false;
  try {
    log.append(bytes("refused"));
  } catch {
    failed = true;
  }
  assert(failed);
  assertEquals(readFile(fileSystem, PATH).length, log.byteLength);
  for (let i = 0; i < 10; i++) await log.appendAndSync(bytes(`entry ${i}`));
  assert(zerosIn(fileSystem) > 100);
  await log.truncateFromIndex(5);
  assertEquals(readFile(fileSystem, PATH).length, log.byteLength);
  await log.appendAndSync(bytes("more"));
  await log.close();
  await withLog(PATH, { fileSystem }, (log) => {
    assertEquals([log.recovery.case, log.lastIndex], ["A", 5]);
  });
});

test("a follower in a reader sees entries come into the space", { timeout: 60_000 }, async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem });
  log.append(new Uint8Array(5000).fill(1));
  await log.appendAndSync(bytes("entry 0"));
  const reader = await Wal.open(PATH, { fileSystem, readOnly: true });
  const follower = reader.follow({ from: 2 });
  for (let i = 0; i < 50; i++) {
    const { value } = await follower.next();
    assertEquals(text(value?.data ?? new Uint8Array(0)), `entry ${i}`);
    await log.appendAndSync(bytes(`entry ${i + 1}`));
  }
  await follower.return(undefined);
  await reader.close();
  await log.close();
});

test("a reader that is opened while the writer continues sees no damage", async () => {
  const memory = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem: memory });
  const entries = Array.from({ length: 20 }, (_, i) => `entry ${i}`.padEnd(i === 0 ? 5000 : 0));
  const states: Uint8Array[] = [];
  for (const entry of entries) {
    await log.appendAndSync(bytes(entry));
    states.push(readFile(memory, PATH));
  }
  await log.close();
  const last = states.at(-1) ?? new Uint8Array(0);
  // The file is in one state up to a read, and in a later one from then on.
  for (let from = 2; from < states.length; from++) {
    for (let reads = 0; reads < 6; reads++) {
      const fileSystem = new MemoryFileSystem();
      fileSystem.open(PATH, "create").write(states[from - 1] ?? new Uint8Array(0), 0);
      const writer = fileSystem.open(PATH, "write");
      let left = reads;
      const live = like<FileSystem>(fileSystem, {
        open: (path, mode) => {
          const file = fileSystem.open(path, mode);
          return like<FileHandle>(file, {
            read: (into, offset, length) => {
              if (left-- === 0) writer.write(states[from + 2] ?? last, 0);
              return file.read(into, offset, length);
            },
          });
        },
      });
      await withLog(PATH, { fileSystem: live, readOnly: true }, (reader) => {
        assert(reader.lastIndex >= from, `${reader.lastIndex} of ${from}`);
        assertEquals(reader.readAll().map(text), entries.slice(0, reader.lastIndex));
      });
    }
  }
});
