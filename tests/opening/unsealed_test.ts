/**
 * A full segment that is found without its Seal, or with a part of it: open takes it as whole and the
 * open log writes the Seal, also where that has to wait for space on the disk. Where nothing can be
 * missing, nothing is taken for it.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { SyncFailedError, Wal, WalError } from "../../mod.ts";
import { BEGINNING_SIZE, framesOf, INTERNAL, SEAL } from "../../kit/frames.ts";
import { bytes, readFile, text, turns, withLog, writeFile } from "../../kit/logs.ts";
import { onManualClock } from "../../kit/manual_clock.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { FaultyFileSystem } from "../../src/testing/testing.ts";
import { counted } from "../support/counted_files.ts";

const PATH = "a.wal";
const NEXT = `${PATH}.00000000000000000009`;
const OPTIONS = { segmentSize: 512, preallocate: 0 } as const;
/** What of a Seal is written last, in bytes. */
const SEAL_HEAD = 14;

function entry(index: number): Uint8Array {
  return bytes(`entry ${index} `.padEnd(40, "."));
}

function words(log: Wal): string[] {
  return log.readAll().map((data) => text(data).trim());
}

function wanted(to: number): string[] {
  return Array.from({ length: to }, (_, i) => text(entry(i + 1)).trim());
}

/** Where the Seal of a file begins. */
function sealAt(file: Uint8Array): number {
  const last = framesOf(file).at(-1);
  assert(last?.type === INTERNAL && last.payload[0] === SEAL, "it has a Seal");
  return last.offset;
}

/** A log of two segments, all of it acknowledged, whose first has its Seal. */
async function sealedLog(): Promise<MemoryFileSystem> {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { ...OPTIONS, fileSystem });
  for (let index = 1; index <= 9; index++) log.append(entry(index));
  await log.sync();
  await log.close();
  sealAt(readFile(fileSystem, PATH));
  return fileSystem;
}

/** What the crash may leave of the Seal, by name. */
const LEFT: readonly [string, (file: Uint8Array, seal: number) => Uint8Array][] = [
  ["nothing", (file, seal) => file.slice(0, seal)],
  ["a part of its place", (file, seal) => file.slice(0, seal).fill(0, seal, seal + 7)],
  ["its place", (file, seal) => file.slice().fill(0, seal, -8)],
  ["all but its first bytes", (file, seal) => file.slice().fill(0, seal, seal + SEAL_HEAD)],
];

async function without(left: (typeof LEFT)[number][1]): Promise<MemoryFileSystem> {
  const fileSystem = await sealedLog();
  const file = readFile(fileSystem, PATH);
  writeFile(fileSystem, PATH, left(file, sealAt(file)));
  return fileSystem;
}

test("open takes a segment that lacks its Seal as whole, and the log writes the Seal", async () => {
  const whole = readFile(await sealedLog(), PATH);
  for (const [what, left] of LEFT) {
    const fileSystem = await without(left);
    await withLog(PATH, { ...OPTIONS, fileSystem }, (log) => {
      assertEquals(words(log), wanted(9), what);
      assertEquals(log.getEntry(8), entry(8));
      assertEquals([log.recovery.case, log.recovery.bytesCut], ["A", 0]);
      assertEquals(log.stats().rebuiltSeals, []);
    });
    assertEquals(readFile(fileSystem, PATH).length, whole.length, what);
    sealAt(readFile(fileSystem, PATH));
  }
});

test("a log whose Seal has no space on the disk opens, and gets it when there is some", async () => {
  for (const [what, left] of LEFT) {
    await onManualClock(async (time) => {
      const disk = await without(left);
      const fileSystem = new FaultyFileSystem(disk);
      // A redo file has none either.
      fileSystem.fail("write", "ENOSPC", { name: "a.wal.redo", times: 100 });
      fileSystem.fail("write", "ENOSPC", { name: PATH, times: 3, after: 1 });
      const log = await Wal.open(PATH, { ...OPTIONS, fileSystem });
      await turns();
      assertEquals(words(log), wanted(9), what);
      log.append(entry(10));
      await log.sync();
      for (let i = 0; i < 5; i++) {
        await time.pass(500);
        log.append(entry(11 + i));
        await log.sync();
        await turns();
      }
      sealAt(readFile(disk, PATH));
      assertEquals(words(log), wanted(15), what);
      await log.close();
    });
  }
});

test("a roll after such an open waits for the Seal, and says so if there is no space", async () => {
  const [, [, left]] = LEFT as [unknown, (typeof LEFT)[number]];
  const disk = await without(left);
  const fileSystem = new FaultyFileSystem(disk);
  const log = await Wal.open(PATH, { ...OPTIONS, fileSystem });
  fileSystem.fail("write", "ENOSPC", { name: PATH, times: 100 });
  let last = 9;
  const error = assertThrows(() => {
    for (;;) last = log.append(entry(last + 1));
  }, WalError);
  assertEquals(error.code, "ERR_WAL_WRITE_FAILED");
  assertEquals(log.stats().segments, 2);
  await log.sync();
  await log.close();
  await withLog(PATH, { ...OPTIONS, fileSystem: disk }, (again) => {
    assertEquals(words(again), wanted(last));
  });
});

test("a write of the Seal that fails for another reason than space ends the handle", async () => {
  const disk = await without(LEFT[0]?.[1] as (typeof LEFT)[number][1]);
  const fileSystem = new FaultyFileSystem(disk);
  const log = await Wal.open(PATH, { ...OPTIONS, fileSystem });
  fileSystem.fail("write", "EIO", { name: PATH });
  await turns();
  const error = await assertRejects(() => log.sync(), SyncFailedError);
  assert(error.message.includes("a Seal"), error.message);
  await log.close();
  await withLog(PATH, { ...OPTIONS, fileSystem: disk }, (again) => {
    assertEquals(words(again), wanted(9));
  });
});

test("an empty last segment after one of version 1 is kept, and that is left as it is", async () => {
  const fileSystem = new MemoryFileSystem();
  const old = await Wal.open(PATH, { format: 1, fileSystem });
  for (let index = 1; index <= 8; index++) old.append(entry(index));
  await old.sync();
  await old.close();
  const log = await Wal.open(PATH, { ...OPTIONS, fileSystem });
  await log.appendBatchAndSync([entry(9), entry(10)]);
  await log.close();
  // The writer has died before it wrote the batch. The file was begun durably: it has no Pending frame.
  writeFile(fileSystem, NEXT, readFile(fileSystem, NEXT).slice(0, BEGINNING_SIZE));
  const files = [PATH, NEXT].map((name) => readFile(fileSystem, name));
  await withLog(PATH, { ...OPTIONS, fileSystem, readOnly: true }, (reader) => {
    assertEquals(words(reader), wanted(8));
  });
  await withLog(PATH, { ...OPTIONS, fileSystem }, (again) => {
    assertEquals([words(again), again.recovery.setAsideFiles], [wanted(8), []]);
  });
  assertEquals([PATH, NEXT].map((name) => readFile(fileSystem, name)), files);
});

test("no file stays open of a segment that is durable, and not as the next one states", async () => {
  const disk = await sealedLog();
  const file = readFile(disk, PATH).slice();
  const seal = sealAt(file);
  // The Seal's first bytes are damaged, and so is an entry: it is no Seal that is to be written.
  file.fill(0, seal, seal + SEAL_HEAD);
  file[200] = (file[200] ?? 0) ^ 1;
  writeFile(disk, PATH, file);
  const { fileSystem, count } = counted(disk);
  const log = await Wal.open(PATH, { ...OPTIONS, fileSystem });
  const isOpen = count();
  await log.close();
  assertEquals(count(), 0);
  const whole = counted(await sealedLog());
  const other = await Wal.open(PATH, { ...OPTIONS, fileSystem: whole.fileSystem });
  assertEquals(isOpen, whole.count());
  await other.close();
  assertEquals(readFile(disk, PATH), file);
});

test("a Seal of which only what follows its first bytes is damaged is not written again", async () => {
  const disk = await sealedLog();
  const file = readFile(disk, PATH).slice();
  const at = sealAt(file) + SEAL_HEAD + 2;
  file[at] = (file[at] ?? 0) ^ 1;
  writeFile(disk, PATH, file);
  await withLog(PATH, { ...OPTIONS, fileSystem: disk }, (log) => {
    assertEquals(words(log), wanted(9));
    assertEquals(log.stats().rebuiltSeals, [PATH]);
  });
  assertEquals(readFile(disk, PATH), file);
});
