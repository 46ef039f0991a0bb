/**
 * A full segment that is damaged under a segment that was begun without a wait: with a Durable frame in
 * the later one it was durable, and damage is never silent; without, nothing later was acknowledged.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { CorruptionError, Wal, WalError } from "../../mod.ts";
import { readFile, text, turns, withLog, writeFile } from "../../kit/logs.ts";
import { BEGINNING_SIZE, concat, framesOf, SEAL } from "../../kit/frames.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";

const PATH = "a.wal";
const NEXT = `${PATH}.00000000000000000009`;
const OPTIONS = { segmentSize: 512 } as const;
const PENDING_END = 64;

function entry(index: number): Uint8Array {
  return new TextEncoder().encode(`entry ${index} `.padEnd(40, "."));
}

interface Pair {
  /** The files when the process was killed. */
  readonly full: Uint8Array;
  readonly next: Uint8Array;
  readonly last: number;
}

/** Two segments, of which nothing in the later was acknowledged, or all; the first has its Seal, or not. */
async function pairOf(isAcknowledged: boolean, isSealed: boolean): Promise<Pair> {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { ...OPTIONS, fileSystem });
  for (let index = 1; index <= 8; index++) log.append(entry(index));
  await log.sync();
  for (let index = 9; index <= 11; index++) log.append(entry(index));
  const files = {
    full: readFile(fileSystem, PATH).slice(),
    next: readFile(fileSystem, NEXT).slice(),
  };
  await log.sync();
  await turns();
  if (isAcknowledged) files.next = readFile(fileSystem, NEXT).slice();
  if (isSealed) files.full = readFile(fileSystem, PATH).slice();
  await log.close();
  return { ...files, last: 11 };
}

/** Where the entries and what covers them end: the Seal begins there. */
function sealAt(full: Uint8Array): number {
  return framesOf(full).findLast(({ payload }) => payload[0] !== SEAL)?.end ?? 0;
}

function* damages(full: Uint8Array): Generator<readonly [what: string, file: Uint8Array]> {
  for (let size = BEGINNING_SIZE; size < full.length; size++) {
    yield [`cut to ${size}`, full.slice(0, size)];
  }
  for (let at = BEGINNING_SIZE; at < full.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const file = full.slice();
      file[at] = (file[at] ?? 0) ^ 1 << bit;
      yield [`bit ${bit} of ${at}`, file];
    }
  }
  for (let at = BEGINNING_SIZE; at < full.length; at += 16) {
    yield [`zeros from ${at}`, full.slice().fill(0, at, at + 16)];
  }
  yield ["a longer one", new Uint8Array([...full, 0])];
}

/** Opens files; the log's entries as far as they can be read, and what was said. */
async function opened(
  full: Uint8Array,
  next: Uint8Array,
): Promise<{ words: string[]; setAside?: string; case?: string; error?: WalError }> {
  const fileSystem = new MemoryFileSystem();
  writeFile(fileSystem, PATH, full);
  writeFile(fileSystem, NEXT, next);
  let log: Wal | undefined;
  const words: string[] = [];
  try {
    log = await Wal.open(PATH, { ...OPTIONS, fileSystem });
    const { setAside, case: name } = log.recovery;
    for (const { data } of log.entries()) words.push(text(data).trim());
    if (setAside !== undefined) {
      assertEquals(readFile(fileSystem, setAside).length > 0, true);
      return { words, setAside, case: name };
    }
    return { words, case: name };
  } catch (error) {
    assert(error instanceof WalError, String(error));
    return { words, error };
  } finally {
    await log?.close();
  }
}

/** Whether a file begins with the same bytes, and is not longer. */
function isSame(file: Uint8Array, other: Uint8Array, size: number): boolean {
  return file.length >= size && file.length <= other.length &&
    file.subarray(0, size).every((byte, i) => byte === other[i]);
}

const wanted = (last: number): string[] =>
  Array.from({ length: last }, (_, i) => text(entry(i + 1)).trim());

test("a pair of which nothing was damaged is whole, acknowledged or not", async () => {
  for (const isAcknowledged of [false, true]) {
    for (const isSealed of [false, true]) {
      const { full, next, last } = await pairOf(isAcknowledged, isSealed);
      const { words, case: name, error } = await opened(full, next);
      assertEquals([error, name, words], [undefined, "A", wanted(last)]);
    }
  }
});

test("a full segment that is damaged under a pending one is judged as the last, and told", async () => {
  for (const isSealed of [false, true]) {
    const { full, next, last } = await pairOf(false, isSealed);
    let setAsides = 0;
    for (const [what, file] of damages(full)) {
      const { words, setAside, error } = await opened(file, next);
      if (error !== undefined) {
        // A Durable frame in the full one covers it.
        assert(error instanceof CorruptionError, `${what}: ${error}`);
        continue;
      }
      assertEquals(words, wanted(words.length), what);
      // The Seal is there twice: by the frames themselves.
      if (isSame(file, full, sealAt(full))) {
        assertEquals([words.length, setAside], [last, undefined], what);
        continue;
      }
      assert(words.length < last, what);
      assertStringIncludes(setAside ?? "", ".cut-00000000000000000009-0", what);
      setAsides++;
    }
    assert(setAsides > 100, `${setAsides}`);
  }
});

test("where both segments are cut, both files are named that have what was set aside", async () => {
  const { full, next } = await pairOf(false, true);
  // The Durable frame before the Seal is out of its place, and whole frames follow the damage.
  const vouched = framesOf(full).at(-2)?.offset ?? 0;
  const torn = concat(full.slice(0, vouched), Uint8Array.of(7), full.slice(vouched));
  const fileSystem = new MemoryFileSystem();
  writeFile(fileSystem, PATH, torn);
  writeFile(fileSystem, NEXT, next);
  await withLog(PATH, { ...OPTIONS, fileSystem }, (log) => {
    const { segment, setAside, setAsideFiles } = log.recovery;
    const ofNext = `${PATH}.cut-00000000000000000009-0`;
    const ofFull = `${PATH}.cut-00000000000000000001-${vouched}`;
    assertEquals([segment, setAside, setAsideFiles], [NEXT, ofNext, [ofNext, ofFull]]);
    assertEquals(readFile(fileSystem, ofNext), next);
    assertEquals(readFile(fileSystem, ofFull), torn.subarray(vouched));
    assertEquals(log.lastIndex, 8);
  });
});

test("a full segment that is damaged under one with a Durable frame is never silent", async () => {
  for (const isSealed of [false, true]) {
    const { full, next, last } = await pairOf(true, isSealed);
    for (const [what, file] of damages(full)) {
      const { words, error } = await opened(file, next);
      if (isSame(file, full, sealAt(full))) assertEquals(error, undefined, what);
      if (error === undefined) assertEquals(words, wanted(last), what);
      else assert(error instanceof CorruptionError, `${what}: ${error}`);
    }
  }
});

test("a pending segment whose beginning is lost is set aside, unless a Durable frame is in it", async () => {
  for (const isAcknowledged of [false, true]) {
    const { full, next } = await pairOf(isAcknowledged, true);
    const lost = next.slice().fill(0, 0, PENDING_END);
    const { words, setAside, case: name, error } = await opened(full, lost);
    if (isAcknowledged) {
      assertEquals(error?.code, "ERR_WAL_CORRUPT");
    } else {
      assertEquals([name, words], ["D", wanted(8)]);
      assertStringIncludes(setAside ?? "", ".cut-00000000000000000009-0");
    }
  }
});

test("a reader shows of a pair what an open would keep, and counts no more as durable", async () => {
  const { full, next, last } = await pairOf(false, true);
  const files = (full: Uint8Array): MemoryFileSystem => {
    const fileSystem = new MemoryFileSystem();
    writeFile(fileSystem, PATH, full);
    writeFile(fileSystem, NEXT, next);
    return fileSystem;
  };
  await withLog(PATH, { fileSystem: files(full), readOnly: true }, (log) => {
    assertEquals(log.lastIndex, last);
    // A Durable frame before the Seal says what was synced when the segment was full.
    assertEquals(log.durableIndex, 8);
  });
  await withLog(PATH, { fileSystem: files(full.slice(0, -3)), readOnly: true }, (log) => {
    assertEquals([log.lastIndex, log.recovery.case], [last, "A"]);
    assertEquals(log.readAll().map((data) => text(data).trim()), wanted(last));
  });
  const torn = full.slice(0, sealAt(full) - 3);
  await withLog(PATH, { fileSystem: files(torn), readOnly: true }, (log) => {
    assertEquals([log.lastIndex, log.recovery.case], [8, "D"]);
  });
});
