/**
 * A log of many segments: rolls, batches, truncation of either end, reset, and what a crash at any
 * step of these or damage between the segments leads to.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { CorruptionError, SyncFailedError, Wal, WalError, type WalOptions } from "../../mod.ts";
import { readInternalPayload } from "../../src/format/kinds.ts";
import { sealFrameSize } from "../../src/format/seal_frame.ts";
import type { SegmentFrame } from "../../src/format/segment_frame.ts";
import { type FileHandle, FileSystemError, type OpenMode } from "../../src/fs/file_system.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { FaultyFileSystem, type FileOperation } from "../../src/testing/faulty_file_system.ts";
import {
  bytes,
  KNOWN_ENTRIES,
  KNOWN_V1,
  readFile,
  text,
  toHex,
  turns,
  withLog,
  writeFile,
} from "../../kit/logs.ts";

const PATH = "a.wal";
const SEGMENT_SIZE = 256;

/** More than a reader reads at once, so that the next entry is a read of the file. */
const READ_AT_ONCE = 1024 * 1024;

/** What a version 2 file begins with: its header and its Segment frame. */
const BEGINNING_SIZE = 54;

function path(firstIndex: number): string {
  return firstIndex === 1 ? PATH : `${PATH}.${String(firstIndex).padStart(20, "0")}`;
}

/** The log's segments' files in order. */
function segmentFiles(fileSystem: MemoryFileSystem): string[] {
  return fileSystem.list(".").filter((name) => /^a\.wal(\.\d{20})?$/.test(name)).sort();
}

/** All files but the lock, as hexadecimal text. */
function snapshot(fileSystem: MemoryFileSystem): Record<string, string> {
  const names = fileSystem.list(".").filter((name) => !name.endsWith(".lock")).sort();
  return Object.fromEntries(names.map((name) => [name, toHex(readFile(fileSystem, name))]));
}

/** An entry that tells its index and in which round it was appended. */
function entry(index: number, round = "a"): Uint8Array {
  return bytes(`${round}${String(index).padStart(4, "0")}`);
}

/** Appends entries up to an index: single ones, and batches of three at every fifth. */
function fill(log: Wal, to: number, round = "a"): void {
  while (log.lastIndex < to) {
    const next = log.lastIndex + 1;
    if (next % 5 === 2 && next + 2 <= to) {
      log.appendBatch([next, next + 1, next + 2].map((index) => entry(index, round)));
    } else {
      log.append(entry(next, round));
    }
  }
}

/** Opens a log of `to` entries, with a sync in its middle and one at its end. */
async function openFilled(to: number, options: WalOptions): Promise<Wal> {
  const log = await Wal.open(PATH, { segmentSize: SEGMENT_SIZE, ...options });
  fill(log, Math.floor(to / 2));
  await log.sync();
  fill(log, to);
  await log.sync();
  return log;
}

async function filledMemory(to: number): Promise<MemoryFileSystem> {
  const fileSystem = new MemoryFileSystem();
  await (await openFilled(to, { fileSystem })).close();
  return fileSystem;
}

/** The entries as text, by both ways of reading, checked to be where they say they are. */
function contents(log: Wal): string[] {
  const all = Array.from(log.entries(), ({ index, data }) => {
    const word = text(data);
    assert(text(log.getEntry(index)) === word, `entry ${index} reads in two ways`);
    assert(Number(word.slice(1)) === index, `${word} is out of place at ${index}`);
    return word;
  });
  assertEquals(all.length, log.lastIndex - log.firstIndex + 1);
  return all;
}

function words(from: number, to: number, round = "a"): string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => text(entry(from + i, round)));
}

/** The Segment frame that a file begins with. */
function segmentFrame(file: Uint8Array): SegmentFrame {
  const frame = readInternalPayload(file.slice(17, BEGINNING_SIZE));
  assert(frame.kind === "segment");
  return frame;
}

/** The checksum of the frame that a file ends with, which is a Seal of so many entries. */
function sealChecksum(file: Uint8Array, count: number): number {
  const at = file.length - sealFrameSize(count);
  const seal = file.subarray(at);
  assertEquals([seal[0], seal[9]], [2, 4], "a Seal");
  return new DataView(file.buffer, at).getUint32(5);
}

/** That the log can be used: it takes entries, and has them when it is opened again. */
async function assertGoesOn(fileSystem: MemoryFileSystem): Promise<void> {
  const options = { fileSystem, segmentSize: SEGMENT_SIZE };
  let wanted: unknown[] = [];
  await withLog(PATH, options, async (log) => {
    const before = contents(log);
    const next = log.lastIndex + 1;
    fill(log, next + 13, "z");
    await log.sync();
    wanted = [log.firstIndex, ...before, ...words(next, next + 13, "z")];
  });
  await withLog(PATH, options, (log) => {
    assertEquals([log.firstIndex, ...contents(log)], wanted);
    assertEquals(log.recovery.case, "A");
  });
}

// Rolling.

test("a full segment is sealed and the log continues in the next file", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await openFilled(60, { fileSystem });
  const files = segmentFiles(fileSystem);
  assert(files.length > 4);
  assertEquals(log.stats().segments, files.length);
  assertEquals(contents(log), words(1, 60));
  await log.close();

  const firstIndexes = files.map((name) => name === PATH ? 1 : Number(name.slice(PATH.length + 1)));
  const logId = segmentFrame(readFile(fileSystem, PATH)).logId;
  for (const [i, name] of files.entries()) {
    const file = readFile(fileSystem, name);
    assert(file.length <= SEGMENT_SIZE + sealFrameSize(60), `${name}: ${file.length} bytes`);
    const frame = segmentFrame(file);
    assertEquals([frame.firstIndex, toHex(frame.logId)], [firstIndexes[i] ?? 0, toHex(logId)]);
    if (i === 0) {
      assertEquals(frame.previous, { firstIndex: 0, size: 0, checksum: 0 });
      continue;
    }
    const before = readFile(fileSystem, files[i - 1] ?? "");
    const firstIndex = firstIndexes[i - 1] ?? 0;
    assertEquals(frame.previous, {
      firstIndex,
      size: before.length,
      checksum: sealChecksum(before, frame.firstIndex - firstIndex),
    });
  }
  const size = files.reduce((sum, name) => sum + readFile(fileSystem, name).length, 0);
  for (const readOnly of [false, true]) {
    await withLog(PATH, { fileSystem, readOnly, segmentSize: SEGMENT_SIZE }, (log) => {
      assertEquals(contents(log), words(1, 60));
      assertEquals([log.firstIndex, log.lastIndex, log.durableIndex], [1, 60, 60]);
      assertEquals(log.byteLength, size);
      assertEquals(log.recovery.entries, 60);
    });
  }
});

test("an entry larger than a segment has one of its own", async () => {
  const fileSystem = new MemoryFileSystem();
  const large = bytes("x".repeat(1000));
  const sizes = [10, 1000, 10, 1000, 1000, 10];
  await withLog(PATH, { fileSystem, segmentSize: SEGMENT_SIZE }, (log) => {
    for (const size of sizes) log.append(large.subarray(0, size));
    assertEquals(segmentFiles(fileSystem), [1, 2, 3, 4, 5, 6].map(path));
  });
  await withLog(PATH, { fileSystem }, (log) => {
    assertEquals(log.readAll().map((data) => data.length), sizes);
  });
});

test("a batch that does not fit what is left of a segment rolls first, and stays in one", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem, segmentSize: SEGMENT_SIZE });
  log.append(entry(1));
  const batch = Array.from({ length: 10 }, (_, i) => entry(2 + i));
  assertEquals(log.appendBatch(batch), { firstIndex: 2, lastIndex: 11 });
  assertEquals(segmentFiles(fileSystem), [path(1), path(2)]);
  assertEquals(contents(log), words(1, 11));
  await log.close();
});

test("a batch that fits no segment is refused, and nothing is written", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await openFilled(3, { fileSystem });
  const before = snapshot(fileSystem);
  const error = assertThrows(
    () => log.appendBatch([new Uint8Array(100), new Uint8Array(100)]),
    WalError,
  );
  assertEquals(error.code, "ERR_WAL_BATCH_TOO_LARGE");
  const rejected = await assertRejects(
    () => log.appendBatchAndSync(Array.from({ length: 20 }, () => new Uint8Array(5))),
    WalError,
  );
  assertEquals(rejected.code, "ERR_WAL_BATCH_TOO_LARGE");
  assertEquals([snapshot(fileSystem), log.lastIndex], [before, 3]);
  assertEquals(log.append(entry(4)), 4);
  await log.close();
});

test("a file that ends anywhere within a batch has none of it", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem, preallocate: 0 });
  log.append(entry(1));
  await log.sync();
  const before = log.byteLength;
  log.appendBatch([2, 3, 4, 5].map((index) => entry(index)));
  const whole = readFile(fileSystem, PATH);
  await log.close();
  for (let size = before; size <= whole.length; size++) {
    const copy = new MemoryFileSystem();
    writeFile(copy, PATH, whole.slice(0, size));
    await withLog(PATH, { fileSystem: copy }, (log) => {
      assertEquals(contents(log), words(1, size === whole.length ? 5 : 1), `cut at ${size}`);
    });
    await assertGoesOn(copy);
  }
});

// Version 1.

test("a version 1 file is adopted as the first segment and rolls into version 2", async () => {
  const fileSystem = new MemoryFileSystem();
  writeFile(fileSystem, PATH, KNOWN_V1);
  const wanted = KNOWN_ENTRIES.map(text);
  const options = { fileSystem, segmentSize: SEGMENT_SIZE };
  for (let round = 0; round < 3; round++) {
    await withLog(PATH, options, (log) => {
      for (let i = 0; i < 15; i++) {
        log.append(bytes(`round ${round}, ${i}`));
        wanted.push(`round ${round}, ${i}`);
      }
      assertEquals(log.readAll().map(text), wanted);
    });
  }
  const first = readFile(fileSystem, PATH);
  assertEquals(toHex(first.subarray(0, KNOWN_V1.length)), toHex(KNOWN_V1));
  const [, second = ""] = segmentFiles(fileSystem);
  const { firstIndex, previous } = segmentFrame(readFile(fileSystem, second));
  assertEquals([previous.firstIndex, previous.size], [1, first.length]);
  await withLog(PATH, options, async (log) => {
    assertEquals(log.readAll().map(text), wanted);
    assertEquals(log.stats().rebuiltSeals, [], "it has no Seal that could rot");
    await log.truncateFromIndex(firstIndex - 1);
    assertEquals(log.readAll().map(text), wanted.slice(0, firstIndex - 2));
  });
  await withLog(PATH, options, (log) => assertEquals(log.lastIndex, firstIndex - 2));
});

test("a batch goes to the segment after a version 1 file, however few entries that has", async () => {
  for (const count of [0, 1, 3]) {
    const fileSystem = new MemoryFileSystem();
    writeFile(fileSystem, PATH, KNOWN_V1);
    await withLog(PATH, { fileSystem }, async (log) => {
      if (count < 3) await log.truncateFromIndex(count + 1);
      assertEquals(log.appendBatch([bytes("x"), bytes("y")]), {
        firstIndex: count + 1,
        lastIndex: count + 2,
      });
    });
    await withLog(PATH, { fileSystem }, (log) => {
      assertEquals(log.readAll().map(text), [...KNOWN_ENTRIES.map(text).slice(0, count), "x", "y"]);
    });
  }
});

test("format 1 never rolls and has no batches", async () => {
  const fileSystem = new MemoryFileSystem();
  await withLog(PATH, { fileSystem, format: 1, segmentSize: SEGMENT_SIZE }, async (log) => {
    for (let index = 1; index <= 100; index++) log.append(entry(index));
    const error = assertThrows(() => log.appendBatch([entry(1), entry(2)]), WalError);
    assertEquals(error.code, "ERR_WAL_FORMAT");
    const refused = await assertRejects(() => log.truncateBeforeIndex(50), WalError);
    assertEquals(refused.code, "ERR_WAL_FORMAT");
    assertEquals([log.firstIndex, ...contents(log)], [1, ...words(1, 100)]);
  });
  assertEquals(segmentFiles(fileSystem), [PATH]);
  assertEquals(readFile(fileSystem, PATH).length, 8 + 100 * (9 + 5));
});

test("an interrupted reset of a format 1 log leaves it one that format 1 can read", async () => {
  for (let step = 0, done = false; !done; step++) {
    const memory = new MemoryFileSystem();
    const fileSystem = new FaultyFileSystem(memory);
    const log = await Wal.open(PATH, { fileSystem, format: 1 });
    for (let index = 1; index <= 5; index++) log.append(entry(index));
    fileSystem.stopAfter(step);
    const [result] = await Promise.allSettled([log.reset(1)]);
    await Promise.allSettled([log.close()]);
    done = result.status === "fulfilled";
    await withLog(PATH, { fileSystem: memory, format: 1 }, (log) => void contents(log));
    assertEquals(segmentFiles(memory), [PATH], `stopped at step ${step}`);
  }
});

// Truncation of the tail.

test("a log can be cut at any index, and appended to again", { timeout: 60_000 }, async () => {
  const made = await filledMemory(43);
  const files = snapshot(made);
  for (let index = 1; index <= 43; index++) {
    const fileSystem = restored(files);
    await withLog(PATH, { fileSystem, segmentSize: SEGMENT_SIZE }, async (log) => {
      await log.truncateFromIndex(index);
      assertEquals(contents(log), words(1, index - 1));
      assertEquals(log.durableIndex, index - 1);
    });
    await withLog(PATH, { fileSystem, segmentSize: SEGMENT_SIZE }, (log) => {
      assertEquals(contents(log), words(1, index - 1), `cut at ${index}, opened again`);
    });
    await assertGoesOn(fileSystem);
  }
});

test("what is appended after a cut within a batch is there after a reopen", async () => {
  for (const index of [1, 2, 3, 4]) {
    for (const synced of [false, true]) {
      const fileSystem = new MemoryFileSystem();
      await withLog(PATH, { fileSystem }, async (log) => {
        log.append(entry(1));
        log.appendBatch([entry(2), entry(3), entry(4)]);
        if (synced) await log.sync();
        log.append(entry(5));
        await log.truncateFromIndex(index);
        for (let next = index; next < index + 4; next++) await log.appendAndSync(entry(next, "b"));
      });
      await withLog(PATH, { fileSystem }, (log) => {
        const wanted = [...words(1, index - 1), ...words(index, index + 3, "b")];
        assertEquals(contents(log), wanted, `cut at ${index}`);
        assertEquals(log.recovery.case, "A");
      });
    }
  }
});

test(
  "a log can be cut again and again, within the same batch too",
  { timeout: 60_000 },
  async () => {
    const files = snapshot(await filledMemory(30));
    for (let first = 2; first <= 30; first++) {
      for (let second = 1; second < first; second++) {
        for (const reopened of [false, true]) {
          const fileSystem = restored(files);
          const options = { fileSystem, segmentSize: SEGMENT_SIZE };
          let log = await Wal.open(PATH, options);
          await log.truncateFromIndex(first);
          if (reopened) {
            await log.close();
            log = await Wal.open(PATH, options);
          }
          await log.truncateFromIndex(second);
          fill(log, second + 4, "b");
          const wanted = [...words(1, second - 1), ...words(second, second + 4, "b")];
          assertEquals(contents(log), wanted, `cut at ${first}, then at ${second}`);
          await log.close();
          await withLog(PATH, options, (log) => assertEquals(contents(log), wanted));
        }
      }
    }
  },
);

/** A file system with the files of a snapshot. */
function restored(files: Record<string, string>): MemoryFileSystem {
  const fileSystem = new MemoryFileSystem();
  for (const [name, hex] of Object.entries(files)) {
    const content = Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
    writeFile(fileSystem, name, content);
  }
  return fileSystem;
}

/** A change that a crash may interrupt, and what it may leave. */
interface Change {
  readonly name: string;
  readonly run: (log: Wal) => Promise<void> | void;
  /** First and last index of what may be left, besides the log as it was (11 to 43). */
  readonly allows: (first: number, last: number) => boolean;
  /** First and last index once it is done. */
  readonly done: readonly [number, number];
  /** How many bytes a write may have written when the crash comes. */
  readonly leaves: readonly number[];
}

/** What is written over other bytes lies within one sector of the disk: it is there whole or not. */
const WHOLE = [0];
const TORN = [0, 20];

const CHANGES: readonly Change[] = [
  ...[12, 13, 15, 22, 23, 24, 30, 37, 38, 43].map((index): Change => ({
    name: `truncateFromIndex(${index})`,
    run: (log) => log.truncateFromIndex(index),
    allows: (first, last) => first === 11 && last >= index - 1 && last <= 43,
    done: [11, index - 1],
    leaves: WHOLE,
  })),
  {
    name: "truncateFromIndex(11)",
    run: (log) => log.truncateFromIndex(11),
    allows: (first, last) => first === 11 && last >= 10 && last <= 43,
    done: [11, 10],
    leaves: WHOLE,
  },
  ...[12, 25, 43, 44].map((index): Change => ({
    name: `truncateBeforeIndex(${index})`,
    run: (log) => log.truncateBeforeIndex(index),
    allows: (first, last) => (first === 11 || first === index) && last === 43,
    done: [index, 43],
    leaves: TORN,
  })),
  ...[1, 5, 11, 25, 44, 100].map((index): Change => ({
    name: `reset(${index})`,
    run: (log) => log.reset(index),
    allows: (first, last) =>
      (first === 11 && last >= 10 && last <= 43) || (first === index && last === index - 1),
    done: [index, index - 1],
    leaves: TORN,
  })),
  {
    name: "a roll",
    run: (log) => fill(log, 60),
    allows: (first, last) => first === 11 && last >= 43 && last <= 60,
    done: [11, 60],
    leaves: TORN,
  },
];

for (const change of CHANGES) {
  test(
    `a crash at any step of ${change.name} leaves a whole log`,
    { timeout: 60_000 },
    async () => {
      const made = new MemoryFileSystem();
      const log = await openFilled(43, { fileSystem: made });
      await log.truncateBeforeIndex(11);
      await log.close();
      const files = snapshot(made);
      for (const leaves of change.leaves) {
        for (let step = 0;; step++) {
          const memory = restored(files);
          const fileSystem = new FaultyFileSystem(memory);
          const log = await Wal.open(PATH, { fileSystem, segmentSize: SEGMENT_SIZE });
          fileSystem.stopAfter(step, leaves);
          const run = async (): Promise<void> => await change.run(log);
          const [result] = await Promise.allSettled([run()]);
          const finished = !fileSystem.stopped;
          await Promise.allSettled([log.close()]);
          const where = `stopped at step ${step}, ${leaves} bytes`;
          await withLog(PATH, { fileSystem: memory, segmentSize: SEGMENT_SIZE }, (log) => {
            const { firstIndex, lastIndex } = log;
            assertEquals(contents(log), words(firstIndex, lastIndex), where);
            assert(change.allows(firstIndex, lastIndex), `${where}: ${firstIndex} to ${lastIndex}`);
            if (finished) assertEquals([firstIndex, lastIndex], [...change.done]);
          });
          await assertGoesOn(memory);
          if (!finished) continue;
          assertEquals(result.status, "fulfilled");
          assert(step > 0);
          break;
        }
      }
    },
  );
}

// Truncation of the head.

test("the head can be cut at any index; the files below it go", { timeout: 60_000 }, async () => {
  const made = await filledMemory(43);
  const files = snapshot(made);
  const firstIndexes = segmentFiles(made).map((name) => name === PATH ? 1 : Number(name.slice(6)));
  for (let index = 1; index <= 44; index++) {
    const fileSystem = restored(files);
    await withLog(PATH, { fileSystem, segmentSize: SEGMENT_SIZE }, async (log) => {
      await log.truncateBeforeIndex(index);
      assertEquals([log.firstIndex, ...contents(log)], [index, ...words(index, 43)]);
      if (index > 1) {
        const error = assertThrows(() => log.getEntry(index - 1), WalError);
        assertEquals(error.code, "ERR_WAL_INDEX_OUT_OF_RANGE");
      }
      const kept = firstIndexes.filter((_, i) => (firstIndexes[i + 1] ?? Infinity) > index);
      assertEquals(segmentFiles(fileSystem), (index === 44 ? [44] : kept).map(path));
    });
    await withLog(PATH, { fileSystem, segmentSize: SEGMENT_SIZE }, (log) => {
      assertEquals([log.firstIndex, ...contents(log)], [index, ...words(index, 43)]);
      assertEquals([log.lastIndex, log.durableIndex], [43, 43]);
    });
    await assertGoesOn(fileSystem);
  }
});

test("dropping everything leaves one small segment, and the next index", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem, segmentSize: 1024 * 1024 });
  for (let i = 0; i < 3000; i++) log.append(new Uint8Array(1000));
  await log.truncateBeforeIndex(3001);
  assertEquals(segmentFiles(fileSystem), [path(3001)]);
  const size = readFile(fileSystem, path(3001)).length;
  assert(size < 4096, `${size} bytes`);
  assertEquals([log.firstIndex, log.lastIndex, log.byteLength], [3001, 3000, size]);
  await log.close();
  await withLog(PATH, { fileSystem }, async (log) => {
    assertEquals([log.firstIndex, log.lastIndex], [3001, 3000]);
    assertEquals(await log.appendAndSync(bytes("next")), 3001);
  });
  await withLog(PATH, { fileSystem }, (log) => assertEquals(text(log.getEntry(3001)), "next"));
});

test("a head truncation whose removal fails is finished by a reopen", async () => {
  const memory = await filledMemory(43);
  const fileSystem = new FaultyFileSystem(memory);
  const log = await Wal.open(PATH, { fileSystem, segmentSize: SEGMENT_SIZE });
  fileSystem.fail("remove", "EIO");
  const error = await assertRejects(() => log.truncateBeforeIndex(30), WalError);
  assertEquals(error.code, "ERR_WAL_IO");
  assertEquals([log.firstIndex, ...contents(log)], [30, ...words(30, 43)]);
  await log.close();
  await withLog(PATH, { fileSystem: memory, segmentSize: SEGMENT_SIZE }, (log) => {
    assertEquals([log.firstIndex, ...contents(log)], [30, ...words(30, 43)]);
    assert(!segmentFiles(memory).includes(PATH));
  });
});

test("what a failed removal left does not come back after a reset to below it", async () => {
  for (const nextIndex of [1, 2, 5]) {
    const memory = await filledMemory(43);
    const fileSystem = new FaultyFileSystem(memory);
    const log = await Wal.open(PATH, { fileSystem, segmentSize: SEGMENT_SIZE });
    fileSystem.fail("remove", "EIO", { times: 2 });
    await Promise.allSettled([log.truncateBeforeIndex(40)]);
    await Promise.allSettled([log.truncateBeforeIndex(41)]);
    const [reset] = await Promise.allSettled([log.reset(nextIndex)]);
    if (reset.status === "fulfilled") await log.appendAndSync(entry(nextIndex, "b"));
    await log.close();
    await withLog(PATH, { fileSystem: memory, segmentSize: SEGMENT_SIZE }, (log) => {
      if (reset.status === "rejected") return assertEquals(log.firstIndex, log.lastIndex + 1);
      assertEquals(contents(log), words(nextIndex, nextIndex, "b"));
    });
    await assertGoesOn(memory);
  }
});

test("a reset goes to any index, and its entries are alone there", async () => {
  const files = snapshot(await filledMemory(43));
  for (const nextIndex of [1, 2, 12, 30, 43, 44, 45, 1000, Number.MAX_SAFE_INTEGER - 100]) {
    const fileSystem = restored(files);
    await withLog(PATH, { fileSystem, segmentSize: SEGMENT_SIZE }, async (log) => {
      await log.truncateBeforeIndex(20);
      await log.reset(nextIndex);
      assertEquals([log.firstIndex, log.lastIndex], [nextIndex, nextIndex - 1]);
      assertEquals(segmentFiles(fileSystem).length, 1);
      assertEquals(log.append(bytes("x")), nextIndex);
    });
    await withLog(PATH, { fileSystem, segmentSize: SEGMENT_SIZE }, (log) => {
      assertEquals([log.firstIndex, ...log.readAll().map(text)], [nextIndex, "x"]);
    });
  }
});

// Damage.

/** Three neighbouring segments in the middle of a log, of equal sizes: no batches in it. */
async function uniformLog(): Promise<{ files: Record<string, string>; middle: string[] }> {
  const fileSystem = new MemoryFileSystem();
  await withLog(PATH, { fileSystem, segmentSize: SEGMENT_SIZE }, (log) => {
    while (log.lastIndex < 60) log.append(entry(log.lastIndex + 1));
  });
  const middle = segmentFiles(fileSystem).slice(1, 4);
  return { files: snapshot(fileSystem), middle };
}

async function assertCorrupt(
  files: Record<string, string>,
  damaged: string,
  options: WalOptions = {},
): Promise<void> {
  const fileSystem = restored(files);
  const before = snapshot(fileSystem);
  const error = await assertRejects(() => Wal.open(PATH, { fileSystem, ...options }));
  assertInstanceOf(error, CorruptionError);
  assertEquals([error.code, error.path], ["ERR_WAL_CORRUPT", damaged]);
  assert(error.message.includes(damaged));
  assertEquals(snapshot(fileSystem), before, "nothing was changed");
}

test("a middle segment that is missing is named", async () => {
  const { files, middle } = await uniformLog();
  for (const name of [PATH, ...middle]) {
    const { [name]: _, ...rest } = files;
    await assertCorrupt(rest, name);
  }
  const { [PATH]: _, ...rest } = files;
  // A reader looks again for a while, since a writer may be at work.
  await assertCorrupt(rest, PATH, { readOnly: true });
});

test("a middle segment that is shorter or longer is named", async () => {
  const { files, middle } = await uniformLog();
  for (const name of [PATH, ...middle]) {
    const hex = files[name] ?? "";
    for (const damaged of [hex.slice(0, -2), hex.slice(0, 16), "", `${hex}00`, hex + hex]) {
      await assertCorrupt({ ...files, [name]: damaged }, name);
    }
  }
});

test("segments that changed places are named", async () => {
  const { files, middle: [a = "", b = "", c = ""] } = await uniformLog();
  assertEquals(files[a]?.length, files[b]?.length);
  await assertCorrupt({ ...files, [a]: files[b] ?? "", [b]: files[a] ?? "" }, b);
  await assertCorrupt({ ...files, [c]: files[b] ?? "" }, c);
});

test("another log's segment is named", async () => {
  const { files, middle } = await uniformLog();
  const other = await uniformLog();
  for (const name of [PATH, ...middle]) {
    await assertCorrupt({ ...files, [name]: other.files[name] ?? "" }, name);
  }
});

test("a middle segment whose beginning rots is named", { timeout: 60_000 }, async () => {
  const { files, middle: [, name = ""] } = await uniformLog();
  for (let at = 8; at < BEGINNING_SIZE; at++) {
    const hex = files[name] ?? "";
    const byte = (parseInt(hex.slice(2 * at, 2 * at + 2), 16) ^ 16).toString(16).padStart(2, "0");
    const damaged = hex.slice(0, 2 * at) + byte + hex.slice(2 * at + 2);
    await assertCorrupt({ ...files, [name]: damaged }, name);
  }
});

test("an entry that rots in a middle segment fails alone", async () => {
  const { files, middle: [name = ""] } = await uniformLog();
  const fileSystem = restored(files);
  const damaged = readFile(fileSystem, name);
  damaged[BEGINNING_SIZE + 10] = 0;
  writeFile(fileSystem, name, damaged);
  const index = Number(name.slice(PATH.length + 1));
  await withLog(PATH, { fileSystem }, (log) => {
    const error = assertThrows(() => log.getEntry(index), CorruptionError);
    assertEquals([error.path, error.firstIndexAtRisk], [name, index]);
    for (let other = 1; other <= 60; other++) {
      if (other !== index) assertEquals(log.getEntry(other), entry(other));
    }
  });
});

test("a Seal that rots anywhere is rebuilt and reported", { timeout: 60_000 }, async () => {
  const { files, middle: [name = "", next = ""] } = await uniformLog();
  const firstIndex = Number(name.slice(PATH.length + 1));
  const count = Number(next.slice(PATH.length + 1)) - firstIndex;
  const size = (files[name] ?? "").length / 2;
  for (let at = size - sealFrameSize(count); at < size; at++) {
    const fileSystem = restored(files);
    const damaged = readFile(fileSystem, name);
    damaged[at] = (damaged[at] ?? 0) ^ 8;
    writeFile(fileSystem, name, damaged);
    for (const readOnly of [true, false]) {
      await withLog(PATH, { fileSystem, readOnly }, async (log) => {
        assertEquals(log.stats().rebuiltSeals, [], "Seals are checked at first use");
        assertEquals(contents(log), words(1, 60));
        assertEquals(log.stats().rebuiltSeals, [name]);
        if (readOnly) return;
        await log.truncateFromIndex(firstIndex + 2);
        assertEquals(contents(log), words(1, firstIndex + 1));
      });
    }
    await assertGoesOn(fileSystem);
  }
});

for (const broken of ["its Segment frame", "its header"]) {
  test(`salvage of a log's only file, ${broken} damaged, keeps head and state`, async () => {
    const fileSystem = new MemoryFileSystem();
    await withLog(PATH, { fileSystem }, async (log) => {
      await log.setState(bytes("term 7"));
      for (const word of ["one", "two"]) log.append(bytes(word));
    });
    const damaged = readFile(fileSystem, PATH);
    if (broken === "its header") damaged.fill(0, 0, 8);
    else damaged[30] = 0xff;
    writeFile(fileSystem, PATH, damaged);
    const error = await assertRejects(() => Wal.open(PATH, { fileSystem }), CorruptionError);
    assertEquals(error.path, PATH);
    await withLog(PATH, { fileSystem, recovery: "salvage" }, (log) => {
      assertEquals([text(log.state), log.recovery.case, log.lastIndex], ["term 7", "C", 0]);
      assertEquals(readFile(fileSystem, log.recovery.setAside ?? ""), damaged);
    });
    await withLog(PATH, { fileSystem }, (log) => assertEquals(text(log.state), "term 7"));
  });
}

test("a log whose only segment is empty and rots in its beginning continues at its index", async () => {
  for (const at of [9, 20, 30, 40, 50]) {
    const fileSystem = await filledMemory(43);
    await withLog(PATH, { fileSystem }, (log) => log.truncateBeforeIndex(44));
    const damaged = readFile(fileSystem, path(44)).slice(0, BEGINNING_SIZE);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    writeFile(fileSystem, path(44), damaged);
    await withLog(PATH, { fileSystem }, (log) => {
      assertEquals([log.firstIndex, log.lastIndex], [44, 43]);
      assertEquals(log.append(entry(44)), 44);
    });
    await withLog(PATH, { fileSystem }, (log) => assertEquals(contents(log), words(44, 44)));
  }
});

// Interrupted and failed rolls.

test("a roll that a crash interrupted is taken back or finished", async () => {
  const fileSystem = await filledMemory(43);
  const names = segmentFiles(fileSystem);
  const last = names.at(-1) ?? "";
  const files = snapshot(fileSystem);
  const lastIndex = Number(last.slice(PATH.length + 1)) - 1;
  const whole = files[last] ?? "";
  const halves: [string, string | undefined][] = [
    ["no file", undefined],
    ["an empty file", ""],
    ["a half header", whole.slice(0, 8)],
    ["a header", whole.slice(0, 16)],
    ["half a Segment frame", whole.slice(0, 50)],
    ["all but a byte of its beginning", whole.slice(0, 2 * BEGINNING_SIZE - 2)],
    ["eight zeros", "00".repeat(8)],
    ["zeros", "00".repeat(BEGINNING_SIZE)],
    ["a block of zeros", "00".repeat(4096)],
    ["a header and zeros", whole.slice(0, 16) + "00".repeat(4088)],
    ["its beginning", whole.slice(0, 2 * BEGINNING_SIZE)],
    ["its beginning and zeros", whole.slice(0, 2 * BEGINNING_SIZE) + "00".repeat(4000)],
  ];
  for (const [what, content] of halves) {
    const { [last]: _, ...rest } = files;
    const fileSystem = restored(content === undefined ? rest : { ...rest, [last]: content });
    await withLog(PATH, { fileSystem, readOnly: true }, (log) => {
      assertEquals(contents(log), words(1, lastIndex), `${what}, to a reader`);
    });
    await withLog(PATH, { fileSystem, segmentSize: SEGMENT_SIZE }, (log) => {
      assertEquals(contents(log), words(1, lastIndex), what);
    });
    await assertGoesOn(fileSystem);
  }
});

/** A log whose next append rolls. */
async function fullLog(fileSystem: FaultyFileSystem): Promise<{ log: Wal; last: number }> {
  const log = await Wal.open(PATH, { fileSystem, segmentSize: SEGMENT_SIZE });
  while (log.byteLength + 42 + 14 <= SEGMENT_SIZE) log.append(entry(log.lastIndex + 1));
  return { log, last: log.lastIndex };
}

test("the order of calls in a roll", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const { log, last } = await fullLog(fileSystem);
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => open = resolve);
  fileSystem.delay("syncDirectory", () => gate);
  const from = fileSystem.calls.length;
  log.append(entry(last + 1));
  const next = path(last + 1);
  const since = (from: number): string[] =>
    fileSystem.calls.slice(from).filter((call) => !call.startsWith("read "));
  // The syncs begin after the turn of the event loop.
  const rolled = [
    `write ${PATH}`,
    `create ${next}`,
    `open ${next}`,
    `write ${next}`,
    `write ${next}`,
  ];
  assertEquals(since(from), rolled);
  await turns();
  const syncs = [`sync ${PATH}`, `sync ${next}`, "syncDirectory ."];
  assertEquals(since(from), [...rolled, ...syncs]);
  open();
  await turns();
  const seal = [`write ${PATH}`, `syncData ${PATH}`, `write ${PATH}`, `syncData ${PATH}`];
  assertEquals(since(from), [...rolled, ...syncs, ...seal], "the Seal's first bytes go last");
  const before = fileSystem.calls.length;
  await log.sync();
  assertEquals(since(before), [`write ${next}`, `syncData ${next}`], "a Durable frame goes first");
  await log.close();
});

for (const operation of ["sync", "syncDirectory"] as const) {
  for (const call of ["sync", "appendAndSync", "close"] as const) {
    test(`${call} after a roll waits for its ${operation} before the next file is synced`, async () => {
      const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
      const { log, last } = await fullLog(fileSystem);
      let open = (): void => {};
      const gate = new Promise<void>((resolve) => open = resolve);
      fileSystem.delay(operation, () => gate);
      log.append(entry(last + 1));
      const syncs = fileSystem.count("syncData");
      let isOver = false;
      const made = call === "appendAndSync" ? log.appendAndSync(entry(last + 2)) : log[call]();
      const done = Promise.resolve<unknown>(made).then(() => isOver = true);
      await new Promise((resolve) => setTimeout(resolve, 5));
      assertEquals([isOver, fileSystem.count("syncData") - syncs], [false, 0]);
      if (call !== "close") assert(log.durableIndex <= last);
      open();
      await done;
      if (call !== "close") await log.close();
    });
  }
}

test("an append that rolls again before the roll is durable waits, and is counted", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const { log, last } = await fullLog(fileSystem);
  fill(log, last + 30);
  assert(log.stats().rollWaits > 0);
  assertEquals(contents(log), words(1, last + 30));
  await log.sync();
  assertEquals(log.durableIndex, last + 30);
  await log.close();
});

const FAILED_STEPS: readonly (readonly [FileOperation, number, string])[] = [
  ["write", 0, "the Seal"],
  ["create", 0, "the next file"],
  ["write", 1, "the next file's beginning"],
  ["write", 2, "the entry"],
];

for (const [operation, after, what] of FAILED_STEPS) {
  for (const leaves of operation === "write" ? [0, 1, 30, 1_000_000] : [0]) {
    test(`no space for ${what} (${leaves} bytes written): the log is as before and usable`, async () => {
      const memory = new MemoryFileSystem();
      const fileSystem = new FaultyFileSystem(memory);
      const { log, last } = await fullLog(fileSystem);
      for (let round = 0; round < 2; round++) {
        fileSystem.fail(operation, "ENOSPC", { after: round === 0 ? after : 0, leaves });
        const error = assertThrows(() => log.append(entry(last + 1, "x")), WalError);
        assertEquals(error.code, "ERR_WAL_WRITE_FAILED");
        assertInstanceOf(error.cause, FileSystemError);
        assertEquals([log.lastIndex, ...contents(log)], [last, ...words(1, last)]);
        if (after > 0 && operation === "write") break;
      }
      assertEquals(log.append(entry(last + 1)), last + 1, "there is space again");
      await log.sync();
      fill(log, last + 30);
      assertEquals(contents(log), words(1, last + 30));
      await log.close();
      await withLog(PATH, { fileSystem: memory, segmentSize: SEGMENT_SIZE }, (log) => {
        assertEquals(contents(log), words(1, last + 30));
      });
    });
  }
}

test("a full disk during a roll, and a close instead of space: the log is as before", async () => {
  for (const [operation, after] of FAILED_STEPS) {
    const memory = new MemoryFileSystem();
    const fileSystem = new FaultyFileSystem(memory);
    const { log, last } = await fullLog(fileSystem);
    fileSystem.fail(operation, "ENOSPC", { after, leaves: 20 });
    assertThrows(() => log.append(entry(last + 1, "x")), WalError);
    await log.close();
    await withLog(PATH, { fileSystem: memory, segmentSize: SEGMENT_SIZE }, (log) => {
      assertEquals(contents(log), words(1, last));
    });
    await assertGoesOn(memory);
  }
});

for (
  const [operation, after, what] of [
    ["syncBlocking", 0, "the full segment"],
    ["syncBlocking", 1, "the next file"],
    ["syncDirectory", 0, "the next file's name"],
  ] as const
) {
  for (const isBlocking of [false, true]) {
    const when = isBlocking ? "while the caller waits" : "that no caller waits for";
    test(`a failed sync of ${what} in a roll, ${when}, ends the handle`, async () => {
      const memory = new MemoryFileSystem();
      const fileSystem = new FaultyFileSystem(memory);
      const { log, last } = await fullLog(fileSystem);
      const { durableIndex } = log;
      const isDirectory = operation === "syncDirectory";
      fileSystem.fail(isDirectory || isBlocking ? operation : "sync", "EIO", { after });
      log.append(entry(last + 1));
      if (isBlocking) {
        const error = assertThrows(() => log.syncBlocking(), SyncFailedError);
        assert(error.durableIndex >= durableIndex && error.durableIndex <= last);
      } else {
        const error = await assertRejects(() => log.sync(), SyncFailedError);
        assert(error.durableIndex >= durableIndex && error.durableIndex <= last);
      }
      assertThrows(() => log.append(entry(last + 2)), SyncFailedError);
      // The full segment may be durable, and the next is not.
      assert(log.durableIndex >= durableIndex && log.durableIndex <= last);
      assertEquals(contents(log), words(1, last + 1), "reads still work");
      await log.close();
      await withLog(PATH, { fileSystem: memory, segmentSize: SEGMENT_SIZE }, (log) => {
        assertEquals(contents(log), words(1, last + 1));
      });
      await assertGoesOn(memory);
    });
  }
}

test("a next file that could not be made nor removed does not lead to a log that does not open", async () => {
  const memory = new MemoryFileSystem();
  const fileSystem = new FaultyFileSystem(memory);
  const { log, last } = await fullLog(fileSystem);
  fileSystem.fail("write", "EIO", { after: 1, leaves: 1_000_000 });
  fileSystem.fail("remove", "EIO");
  assertThrows(() => log.append(entry(last + 1, "x")), WalError);
  const more = await Promise.allSettled([log.appendAndSync(entry(last + 1))]);
  await Promise.allSettled([log.close()]);
  await withLog(PATH, { fileSystem: memory, segmentSize: SEGMENT_SIZE }, (log) => {
    const kept = more[0].status === "fulfilled" ? last + 1 : last;
    assertEquals(contents(log), words(1, kept));
  });
  await assertGoesOn(memory);
});

// What is held.

/** Counts the files that are open. */
class CountingFileSystem extends MemoryFileSystem {
  open_ = 0;
  most = 0;

  override open(path: string, mode: OpenMode): FileHandle {
    const file = super.open(path, mode);
    this.most = Math.max(this.most, ++this.open_);
    const close = file.close.bind(file);
    let isOpen = true;
    file.close = (): void => {
      if (isOpen) this.open_--;
      isOpen = false;
      close();
    };
    return file;
  }
}

test("however many segments are read, few files are open, and none after the close", async () => {
  const fileSystem = new CountingFileSystem();
  const log = await openFilled(1500, { fileSystem });
  assert(log.stats().segments > 150);
  assertEquals(contents(log), words(1, 1500));
  for (let index = 1500; index >= 1; index -= 7) assertEquals(log.getEntry(index), entry(index));
  assert(fileSystem.most <= 70, `${fileSystem.most} files were open`);
  await log.truncateBeforeIndex(100);
  await log.truncateFromIndex(300);
  await log.setState(bytes("x"));
  assertEquals(contents(log), words(100, 299));
  await log.reset(5);
  fill(log, 100);
  assertEquals(contents(log), words(5, 100));
  await log.close();
  assertEquals(fileSystem.open_, 0);
  await withLog(PATH, { fileSystem, readOnly: true }, (log) => {
    assertEquals(contents(log), words(5, 100));
  });
  assertEquals(fileSystem.open_, 0);
});

test("many readers at once continue though each closes the files of the others", async () => {
  const log = await openFilled(1500, { fileSystem: new MemoryFileSystem() });
  const readers = Array.from({ length: 150 }, (_, i) => ({
    from: 1 + i * 10,
    seen: [] as string[],
    entries: log.entries({ from: 1 + i * 10 }),
  }));
  for (let turn = 0; turn < 30; turn++) {
    for (const { entries, seen } of readers) {
      const { value } = entries.next();
      if (value !== undefined) seen.push(text(value.data));
    }
  }
  for (const { from, seen } of readers) assertEquals(seen, words(from, Math.min(1500, from + 29)));
  await log.close();
});

test("a reader whose file was closed and opened again by others continues", async () => {
  const fileSystem = new MemoryFileSystem();
  const large = (index: number): Uint8Array => {
    const data = new Uint8Array(READ_AT_ONCE);
    data.set(entry(index));
    return data;
  };
  await withLog(PATH, { fileSystem, segmentSize: 5 * READ_AT_ONCE }, (log) => {
    for (let index = 1; index <= 4; index++) log.append(large(index));
  });
  const log = await Wal.open(PATH, { fileSystem, segmentSize: SEGMENT_SIZE });
  fill(log, 1500);
  const entries = log.entries();
  const seen: string[] = [];
  for (let index = 1; index <= 8; index++) {
    const { value } = entries.next();
    seen.push(text(value?.data.subarray(0, 5) ?? bytes("none")));
    for (let other = 1500; other > 4; other -= 5) log.getEntry(other);
    log.getEntry(index);
  }
  assertEquals(seen, words(1, 8));
  await log.close();
});

test("a reader that a truncation overtakes ends, or continues with what is there", async () => {
  const log = await openFilled(100, { fileSystem: new MemoryFileSystem() });
  const entries = log.entries();
  for (let index = 1; index <= 20; index++) entries.next();
  await log.truncateFromIndex(31);
  fill(log, 60, "b");
  const rest = Array.from(entries, ({ data }) => text(data));
  const fresh = [...words(21, 30), ...words(31, 60, "b")];
  assertEquals(rest, fresh.slice(0, rest.length));
  await log.close();
});
