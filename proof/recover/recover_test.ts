/**
 * What is whole of a damaged log, in this process: random damage, and the cases that are rare.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { test } from "node:test";
import { Wal, type WalOptions } from "../../mod.ts";
import { tryOnce } from "./trial.ts";
import {
  concat,
  DATA,
  durablePayload,
  frame,
  FRAME_HEADER_SIZE,
  INTERNAL,
  sealPayload,
  segmentPayload,
} from "../../kit/frames.ts";
import { PatientFile } from "../../src/cli/readable_file.ts";
import {
  longestLine,
  missingInWords,
  missingLine,
  parseLine,
  recoveredLine,
} from "../../src/cli/recovered_lines.ts";
import type { Missing, RecoveredEntry } from "../../src/cli/recovered.ts";
import { RecoveredLog } from "../../src/cli/recovered_log.ts";
import { setAsideFile } from "../../src/cli/set_aside_files.ts";
import { isNameOfLog } from "../../src/files/names.ts";
import { TakenEntries } from "../../src/cli/taken_entries.ts";
import { encodeRedoRecord } from "../../src/format/redo_record.ts";
import { frameChecksum } from "../../src/format/checksum.ts";
import { writeUint32 } from "../../src/format/integers.ts";
import { type FileHandle, type FileSystem, FileSystemError } from "../../src/fs/file_system.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { bytes, readFile, text, withLog, writeFile } from "../../kit/logs.ts";

const PATH = "a.wal";
const META = `${PATH}.meta`;
const LIMIT = 10 * 1024 * 1024;

/** Where the first frame after the Segment frame stands. */
const FIRST_ENTRY = 54;
/** An Internal frame's payload that is skipped. */
const PADDING: Uint8Array = new Uint8Array([255]);

type Entry = RecoveredEntry & { readonly data: Uint8Array };

interface Found {
  readonly entries: Entry[];
  readonly missing: Missing[];
  readonly notes: string[];
  readonly state: Uint8Array | undefined;
}

/** All that is recovered of a log. */
async function recover(fileSystem: FileSystem, path = PATH): Promise<Found> {
  const found = { entries: [], missing: [], notes: [], state: undefined } as {
    -readonly [K in keyof Found]: Found[K];
  };
  for (const item of (await RecoveredLog.create(fileSystem, path, LIMIT, true)).read()) {
    if (item.kind === "entry") {
      const data = item.read();
      found.entries.push({ ...item, data, read: () => data });
    } else if (item.kind === "missing") found.missing.push(item);
    else if (item.kind === "note") found.notes.push(item.text);
    else found.state = item.state;
  }
  return found;
}

/** The entries' indexes, or the ranges that they are in, with what they hold. */
function shown(entries: readonly Entry[]): string[] {
  return entries.filter(({ isDropped }) => isDropped !== true).map(({ index, data }) => {
    const { from, to } = index;
    const range = from === to ? `${from}` : `${from}-${to === Infinity ? "" : to}`;
    return `${range} ${text(data)}`;
  });
}

function named(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => `${from + i} entry ${from + i}`);
}

/** Makes a log of entries "entry 1" and so on, synced at the end. */
async function make(
  count: number,
  options: WalOptions = {},
  more: (log: Wal) => unknown = () => {},
): Promise<MemoryFileSystem> {
  const fileSystem = new MemoryFileSystem();
  await withLog(PATH, { fileSystem, preallocate: 0, ...options }, async (log) => {
    for (let i = 1; i <= count; i++) log.append(bytes(`entry ${i}`));
    await more(log);
  });
  return fileSystem;
}

function spoil(fileSystem: MemoryFileSystem, path: string, at: number, ...values: number[]): void {
  const content = readFile(fileSystem, path);
  content.set(values, at);
  writeFile(fileSystem, path, content);
}

function segmentsOf(fileSystem: FileSystem): string[] {
  return fileSystem.list(".").filter((name) => /^a\.wal(\.\d{20})?$/.test(name)).sort();
}

/** Where an entry's frame stands. */
function placeOf(fileSystem: MemoryFileSystem, path: string, entry: string): number {
  return new TextDecoder("latin1").decode(readFile(fileSystem, path)).indexOf(entry) - 9;
}

test("every entry that damage has not touched is given, and none under a wrong index", async () => {
  let [entries, exact, faults] = [0, 0, [] as string[]];
  // The last ones put a log within an entry where a damaged beginning is guessed by it.
  for (const seed of [...Array.from({ length: 600 }, (_, i) => i + 1), 602_696, 701_046]) {
    const trial = await tryOnce(seed);
    entries += trial.entries;
    exact += trial.exact;
    faults = [...faults, ...trial.faults.map((fault) => `${trial.what}: ${fault}`)];
  }
  assertEquals(faults, []);
  assert(exact > entries / 2, `${exact} of ${entries} with their index`);
});

test("what a search finds is marked, until a Durable frame stands in its place", async () => {
  const inner = concat(bytes("x"), frame(DATA, bytes("inner 1")), frame(DATA, bytes("inner 2")));
  const fileSystem = await make(1, {}, async (log) => {
    log.append(inner);
    log.append(bytes("entry 3"));
    await log.sync();
    log.append(bytes("entry 4"));
  });
  const at = FIRST_ENTRY + 9 + "entry 1".length;
  const whole = await recover(fileSystem);
  assertEquals(whole.entries.length, 4);

  // One byte of the entry that holds them: it is known where it ends.
  spoil(fileSystem, PATH, at + 9, 0);
  const found = await recover(fileSystem);
  assertEquals(shown(found.entries), ["1 entry 1", "3 entry 3", "4 entry 4"]);
  assertEquals(found.missing.map(({ indexes, entries }) => [indexes, entries]), [
    [{ from: 2, to: 2 }, 1],
  ]);

  // All of its header: it may have ended anywhere.
  spoil(fileSystem, PATH, at, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  const searched = await recover(fileSystem);
  assertEquals(
    searched.entries.map(({ data, isFoundBySearch }) => [text(data), isFoundBySearch]),
    [["entry 1", false], ["inner 1", true], ["inner 2", true], ["entry 3", true], [
      "entry 4",
      false,
    ]],
  );
  for (const [i, { index }] of searched.entries.entries()) {
    assertEquals(index.from === index.to, i === 0);
  }
  assert(searched.entries.every(({ index }) => index.from <= 4));
  const lines = searched.entries.map((entry) => JSON.parse(recoveredLine(entry)));
  assertEquals(lines[1].index, null);
  assertEquals(lines[1].found, "by search");
  assertEquals(Object.keys(lines[0]), ["index", "text"]);
});

test("a header that leads to a whole frame by chance makes no index certain", async () => {
  const fileSystem = await make(6, {}, (log) => log.sync());
  const at = placeOf(fileSystem, PATH, "entry 2");
  const size = 9 + "entry 2".length;
  // It says that it is as long as three, and nothing of the three is whole.
  const noise = Array.from({ length: 3 * size - 5 }, (_, i) => (i * 7 + 3) % 251);
  spoil(fileSystem, PATH, at + 4, 3 * size - 9, ...noise);
  const { entries } = await recover(fileSystem);
  assertEquals(entries.map(({ data }) => text(data)), ["entry 1", "entry 5", "entry 6"]);
  const [, fifth] = entries;
  assert(fifth !== undefined && fifth.index.from <= 5 && fifth.index.to >= 5);
  // A frame of the same size that is known for what it is leaves no doubt.
  const durable = await make(6, {}, async (log) => {
    await log.sync();
    log.append(bytes("entry 7"));
  });
  const frames = placeOf(durable, PATH, "entry 6") + size;
  spoil(durable, PATH, frames + 30, 9, 9, 9, 9, 9, 9);
  assertEquals(shown((await recover(durable)).entries), named(1, 7));
});

test("entries of a batch that is not whole are marked, and those after it are counted", async () => {
  const batch = [2, 3, 4].map((i) => bytes(`entry ${i}`));
  const fileSystem = await make(1, {}, async (log) => {
    log.appendBatch(batch);
    log.append(bytes("entry 5"));
    await log.sync();
  });
  const whole = await recover(fileSystem);
  assertEquals(whole.entries.map((entry) => entry.batch), Array(5).fill("whole"));
  const second = placeOf(fileSystem, PATH, "entry 3");
  // Nothing of its entry is left, and its end is known all the same.
  spoil(fileSystem, PATH, second, ...new Uint8Array(16));
  const found = await recover(fileSystem);
  assertEquals(
    found.entries.map(({ data, batch }) => [text(data), batch]),
    [["entry 1", "whole"], ["entry 2", "incomplete"], ["entry 4", "incomplete"], [
      "entry 5",
      "whole",
    ]],
  );
  assertEquals(shown(found.entries).at(-1), "5 entry 5");
  assertEquals(found.missing.length, 1);

  // Without its Batch frame it is unknown which entries it had.
  const hidden = await make(1, {}, (log) => log.appendBatch(batch));
  spoil(hidden, PATH, FIRST_ENTRY + 16 + 12, 9, 9);
  const states = (await recover(hidden)).entries.map((entry) => entry.batch);
  assertEquals(states, ["whole", "unknown", "unknown", "unknown"]);
});

test("a Seal gives the indexes after any damage, and counts what a truncation dropped", async () => {
  const fileSystem = await make(6, { segmentSize: 256 }, async (log) => {
    const batch = Array.from({ length: 5 }, (_, i) => bytes(`batch ${i}`));
    log.appendBatch(batch);
    await log.truncateFromIndex(9);
    log.append(bytes("entry 9"));
  });
  const whole = await recover(fileSystem);
  assertEquals(whole.missing, []);
  assertEquals(shown(whole.entries), [
    ...named(1, 6),
    "7 batch 0",
    "8 batch 1",
    "9 entry 9",
  ]);
  assertEquals(whole.entries.filter(({ isDropped }) => isDropped === true).length, 3);

  const place = placeOf(fileSystem, PATH, "entry 2");
  spoil(fileSystem, PATH, place, ...new Uint8Array(20));
  const found = await recover(fileSystem);
  assertEquals(shown(found.entries), [
    "1 entry 1",
    ...named(4, 6),
    "7 batch 0",
    "8 batch 1",
    "9 entry 9",
  ]);
  assertEquals(found.missing.map(({ entries }) => entries), [2]);
  // The next segment's first index is not needed for that.
  fileSystem.remove(segmentsOf(fileSystem).at(-1) ?? "");
  assertEquals(shown((await recover(fileSystem)).entries).slice(-2), ["7 batch 0", "8 batch 1"]);
});

test("entries that were moved along with the end of a full segment are found by search", async () => {
  const whole = await make(60, { segmentSize: 400 });
  const [, second = "", third = ""] = segmentsOf(whole);
  const from = Number(second.slice(-20));
  const to = Number(third.slice(-20)) - 1;
  const content = readFile(whole, second);
  const last = placeOf(whole, second, `entry ${to}`);
  const middle = placeOf(whole, second, `entry ${from + 4}`);
  for (const at of [FIRST_ENTRY + 3, middle + 2, last, last + 2]) {
    // Bytes that were lost, and bytes that came in between, as by a program that mends line ends.
    for (const [lost, more] of [[1, 0], [5, 0], [0, 1], [0, 11], [0, 120]] as const) {
      const fileSystem = new MemoryFileSystem();
      for (const name of segmentsOf(whole)) writeFile(fileSystem, name, readFile(whole, name));
      const moved = concat(
        content.slice(0, at),
        new Uint8Array(more).fill(10),
        content.slice(at + lost),
      );
      writeFile(fileSystem, second, moved);
      // Also by itself, and without what the next segment says of it.
      const alone = new MemoryFileSystem();
      writeFile(alone, second, moved);
      const expected = Array.from({ length: to - from + 1 }, (_, i) => from + i)
        .filter((index) => {
          const place = placeOf(whole, second, `entry ${index}`);
          const size = 9 + `entry ${index}`.length;
          return place + size <= at || place >= at + lost;
        });
      for (
        const [found, isAll] of [
          [await recover(fileSystem), true],
          [await recover(alone, second), false],
        ] as const
      ) {
        const what = `-${lost} +${more} at ${at}, ${isAll ? "the log" : "the segment"}`;
        const entries = found.entries.filter(({ isDropped }) => isDropped !== true);
        const given = entries.map(({ data }) => Number(text(data).slice(6)));
        assertEquals(given.filter((index) => from <= index && index <= to), expected, what);
        assert(found.missing.length > 0, what);
        for (const { index, data } of entries) {
          const own = Number(text(data).slice(6));
          assert(index.from <= own && own <= index.to, `${what}: ${own} is told as ${index.from}`);
        }
      }
    }
  }
});

test("after bytes were deleted no number of bytes bounds the index", async () => {
  const cut = async (isSynced: boolean): Promise<Found> => {
    const fileSystem = await make(9, {}, async (log) => {
      if (isSynced) await log.sync();
    });
    const content = readFile(fileSystem, PATH);
    const [from, to] = ["entry 2", "entry 8"].map((entry) => placeOf(fileSystem, PATH, entry));
    writeFile(fileSystem, PATH, concat(content.slice(0, from), content.slice((to ?? 0) - 3)));
    return await recover(fileSystem);
  };
  for (const isSynced of [false, true]) {
    const { entries, missing } = await cut(isSynced);
    assertEquals(shown(entries), ["1 entry 1", "2- entry 8", "2- entry 9"]);
    assertEquals(missing[0]?.indexes, { from: 2, to: Infinity });
  }
  // A Durable frame that stands in its place shows that nothing was deleted.
  const whole = await make(9, {}, (log) => log.sync());
  spoil(whole, PATH, placeOf(whole, PATH, "entry 2"), ...new Uint8Array(32));
  const bounded = await recover(whole);
  assert(bounded.entries.every(({ index }) => index.to < 20));
});

test("frames in an entry that come to stand where a Seal has another are taken for neither", async () => {
  const nested = (): Uint8Array =>
    concat(...[1, 2, 3, 4].map((i) => frame(DATA, bytes(`inner ${i}`))));
  const fileSystem = await make(2, { segmentSize: 400 }, (log) => {
    log.append(nested());
    for (const i of [4, 5, 6, 7]) log.append(bytes(`entry ${i}`));
    log.append(new Uint8Array(300));
  });
  const content = readFile(fileSystem, PATH);
  const outer = placeOf(fileSystem, PATH, "inner 1") - 9;
  for (const [name, at] of [["entry 4", outer + 9 + 2 * 16], ["entry 5", outer + 9]] as const) {
    // So many bytes in front of the outer one that a nested frame stands where the Seal has it.
    const more = new Uint8Array(placeOf(fileSystem, PATH, name) - at).fill(10);
    const moved = new MemoryFileSystem();
    for (const file of segmentsOf(fileSystem)) writeFile(moved, file, readFile(fileSystem, file));
    writeFile(moved, PATH, concat(content.slice(0, outer - 3), more, content.slice(outer - 3)));
    const { entries } = await recover(moved);
    assertEquals(shown(entries.filter(({ length }) => length === 7)), [
      "1 entry 1",
      ...named(4, 7),
    ], name);
    const own = entries.find(({ length }) => length === nested().length);
    assert(own !== undefined && own.index.from <= 3 && 3 <= own.index.to, name);
  }
});

test("all of a version 1 file is given where bytes have come in between", async () => {
  const fileSystem = await make(12, { format: 1 });
  await withLog(PATH, { fileSystem, segmentSize: 256 }, (log) => {
    for (let i = 13; i <= 30; i++) log.append(bytes(`entry ${i}`));
  });
  const content = readFile(fileSystem, PATH);
  const at = placeOf(fileSystem, PATH, "entry 5") + 4;
  writeFile(fileSystem, PATH, concat(content.slice(0, at), bytes("\n\n\n"), content.slice(at)));
  const { entries } = await recover(fileSystem);
  const given = entries.map(({ data }) => Number(text(data).slice(6)));
  assertEquals(given, Array.from({ length: 30 }, (_, i) => i + 1).filter((i) => i !== 5));
  for (const [i, { index }] of entries.entries()) {
    const own = given[i] ?? 0;
    assert(index.from <= own && own <= index.to, `${own} is given as ${index.from}-${index.to}`);
  }
});

test("deleted bytes that look like one changed byte make no index certain", async () => {
  const inner = frame(DATA, bytes("inner"));
  const without = (content: Uint8Array, from: number, to: number): Uint8Array =>
    concat(content.slice(0, from), content.slice(to));
  const check = ({ entries, missing }: Found, damaged: number, name: string): void => {
    const found = entries.find(({ data }) => text(data) === "inner");
    assertEquals(found?.isFoundBySearch, true, name);
    for (const { data, index } of entries) {
      const own = Number(/^entry (\d+)$/.exec(text(data))?.[1] ?? NaN);
      if (Number.isNaN(own)) continue;
      assert(index.from <= own && own <= index.to, `${name}: ${own}: ${index.from}-${index.to}`);
    }
    const [gap] = missing;
    assert(gap?.indexes !== undefined, name);
    assert(gap.indexes.from <= damaged && gap.indexes.to >= damaged, name);
  };

  // With another length, the checksum of the first frame within holds. Where more is gone than the
  // last entry has bytes, the Seal has that one after itself.
  for (const before of ["x", "x".repeat(20)]) {
    const sealed = await make(3, { segmentSize: 400 }, (log) => {
      log.append(concat(bytes(before), frame(DATA, bytes("y")), inner));
      for (let i = 5; i <= 30; i++) log.append(bytes(`entry ${i}`));
    });
    const [first = ""] = segmentsOf(sealed);
    const fourth = placeOf(sealed, first, "entry 3") + 16;
    const from = fourth + 5;
    const changed = without(readFile(sealed, first), from, fourth + 9 + before.length + 5);
    writeFile(sealed, first, changed);
    check(await recover(sealed), 4, `the size, ${before}`);
    const alone = new MemoryFileSystem();
    writeFile(alone, first, changed);
    check(await recover(alone), 4, `the Seal, ${before}`);
  }

  // The last byte of an entry is another, and a frame follows that was within the next one.
  const old = await make(4, { format: 1 }, (log) => log.append(concat(bytes("x"), inner)));
  await withLog(PATH, { fileSystem: old, segmentSize: 256 }, (log) => {
    for (let i = 6; i <= 30; i++) log.append(bytes(`entry ${i}`));
  });
  const end = placeOf(old, PATH, "entry 4") + 16;
  writeFile(old, PATH, without(readFile(old, PATH), end - 1, end + 9));
  check(await recover(old), 5, "version 1");
});

test("one changed byte leaves every other index certain, in a full segment by itself too", async () => {
  const fileSystem = await make(30, { segmentSize: 400 });
  const [first = "", second = ""] = segmentsOf(fileSystem);
  const last = Number(second.slice(-20)) - 1;
  const content = readFile(fileSystem, first);
  const from = placeOf(fileSystem, first, "entry 2");
  const to = placeOf(fileSystem, first, `entry ${last}`) + 9 + `entry ${last}`.length;
  for (let at = from; at < to; at++) {
    const alone = new MemoryFileSystem();
    writeFile(alone, first, content);
    spoil(alone, first, at, (content[at] as number) ^ 0x55);
    const { entries, missing } = await recover(alone);
    const [gap] = missing;
    const damaged = gap?.indexes?.from ?? 0;
    assertEquals([gap?.indexes?.to, gap?.entries], [damaged, 1], `byte ${at}`);
    const others = [...named(1, damaged - 1), ...named(damaged + 1, last)];
    assertEquals(shown(entries), others, `byte ${at}`);
  }
});

test("frames in a damaged entry of a full segment are not taken for moved ones", async () => {
  const fileSystem = await make(3, { segmentSize: 400 }, (log) => {
    log.append(concat(frame(DATA, bytes("inner 1")), frame(DATA, bytes("inner 2"))));
    log.append(new Uint8Array(300));
  });
  const [first = ""] = segmentsOf(fileSystem);
  // The checksum of the outer one.
  const at = placeOf(fileSystem, first, "entry 3") + 16;
  spoil(fileSystem, first, at + 5, 1, 2, 3, 4);
  const { entries, missing } = await recover(fileSystem);
  assertEquals(shown(entries.slice(0, -1)), named(1, 3));
  assertEquals(missing.map(({ entries }) => entries), [1]);
});

test("a Durable frame out of its place proves nothing", async () => {
  const fileSystem = await make(2, {}, (log) => {
    log.append(new Uint8Array(42 + 16));
    log.append(bytes("entry 4"));
  });
  const content = readFile(fileSystem, PATH);
  const third = placeOf(fileSystem, PATH, "entry 2") + 16;
  const forged = (place: number): Uint8Array => {
    const payload = durablePayload(1, place, place, content.slice(18, 26));
    return concat(frame(INTERNAL, payload), frame(DATA, bytes("inner 3")));
  };
  // What stood in front of them is gone: they may be a part of it, if not for their place.
  for (const [place, isMarked] of [[third + 9, false], [third + 8, true]] as const) {
    spoil(fileSystem, PATH, third, ...new Uint8Array(9), ...forged(place));
    const { entries } = await recover(fileSystem);
    const inner = entries.find(({ data }) => text(data) === "inner 3");
    assertEquals(inner?.isFoundBySearch, isMarked);
  }
  // In order, it tells that bytes come from another place, and no index is sure any more.
  const whole = forged(third + 1);
  spoil(fileSystem, PATH, third, ...whole, ...frame(DATA, new Uint8Array(0)));
  const { entries, missing } = await recover(fileSystem);
  assertStringIncludes(missing[0]?.what ?? "", "a Durable frame that is not in its place");
  assertEquals(entries.slice(0, 2).map(({ index }) => index.to), [1, 2]);
  assert(entries.slice(2).every(({ index }) => index.from < index.to));
});

test("what looks like a Seal at the end of an entry is none", async () => {
  const first = bytes("entry 1");
  const frames = [frame(DATA, bytes("a")), frame(INTERNAL, PADDING), frame(DATA, bytes("b"))];
  const inner = concat(...frames);
  /** An entry at `offset` that holds frames, and a Seal that says so. */
  const forged = (offset: number): Uint8Array => {
    const at = offset + FRAME_HEADER_SIZE;
    const last = at + inner.length - (frames[2]?.length ?? 0);
    return concat(inner, frame(INTERNAL, sealPayload([at, last])));
  };
  const second = FIRST_ENTRY + FRAME_HEADER_SIZE + first.length;
  for (const data of [[forged(FIRST_ENTRY)], [first, forged(second)]]) {
    const fileSystem = new MemoryFileSystem();
    const log = await Wal.open(PATH, { fileSystem, preallocate: 0 });
    for (const each of data) log.append(each);
    const before = readFile(fileSystem, PATH);
    await log.close();
    writeFile(fileSystem, PATH, before);
    const { entries, missing } = await recover(fileSystem);
    assertEquals(entries.map(({ index }) => index.from), data.map((_, i) => i + 1));
    assertEquals(missing, []);
  }
});

test("a file that is missing bounds what is, and the next one gives the index again", async () => {
  const fileSystem = await make(60, { segmentSize: 400 });
  const files = segmentsOf(fileSystem);
  const [, second = "", third = ""] = files;
  const [from, to] = [second, third].map((name) => Number(name.slice(-20)));
  assert(from !== undefined && to !== undefined);
  fileSystem.remove(second);
  const found = await recover(fileSystem);
  assertEquals(shown(found.entries), [...named(1, from - 1), ...named(to, 60)]);
  assertEquals(found.missing.map(({ path, indexes, entries }) => [path, indexes, entries]), [
    [second, { from, to: to - 1 }, to - from],
  ]);
  assertEquals(
    missingInWords(found.missing[0] as Missing),
    `missing: ${second}: index ${from} to ${to - 1}: the file is missing`,
  );

  // One that vanishes between the listing and its turn.
  const gone = await make(60, { segmentSize: 400 });
  const open = gone.open.bind(gone);
  let opened = 0;
  gone.open = (path, mode) => {
    if (path === third && opened++ > 0) throw new FileSystemError("ENOENT", "Open", path);
    return open(path, mode);
  };
  const vanished = await recover(gone);
  assertStringIncludes(vanished.missing[0]?.what ?? "", "vanished");
  assertEquals(vanished.missing[0]?.indexes?.from, to);
  assertEquals(shown(vanished.entries).length + (vanished.missing[0]?.entries ?? 0), 60);

  // One that may not be read.
  gone.open = (path, mode) => {
    if (path === third) throw new FileSystemError("EACCES", "Open", path);
    return open(path, mode);
  };
  const denied = await recover(gone);
  assertStringIncludes(denied.missing[0]?.what ?? "", "permission denied");
  assertEquals(shown(denied.entries).length, shown(vanished.entries).length);
});

test("files under each other's names are put in order, and another log's are left out", async () => {
  const fileSystem = await make(60, { segmentSize: 400 });
  const [first = "", second = "", third = ""] = segmentsOf(fileSystem);
  const [one, other] = [second, third].map((name) => readFile(fileSystem, name));
  writeFile(fileSystem, second, other as Uint8Array);
  writeFile(fileSystem, third, one as Uint8Array);
  const swapped = await recover(fileSystem);
  assertEquals(shown(swapped.entries), named(1, 60));
  assertEquals(swapped.notes.length, 2);

  writeFile(fileSystem, third, other as Uint8Array);
  writeFile(fileSystem, second, readFile(fileSystem, first));
  const copied = await recover(fileSystem);
  const from = Number(second.slice(-20));
  const to = Number(third.slice(-20));
  assertEquals(shown(copied.entries), [...named(1, from - 1), ...named(to, 60)]);
  assertStringIncludes(copied.notes.join(), "a copy of the segment from index 1");
  spoil(fileSystem, second, placeOf(fileSystem, second, "entry 2") + 9, 0);
  const differs = await recover(fileSystem);
  assertEquals(shown(differs.entries), shown(copied.entries));
  assertStringIncludes(
    differs.missing[0]?.what ?? "",
    "another version of the segment from index 1",
  );

  const foreign = await make(60, { segmentSize: 400 });
  writeFile(fileSystem, second, readFile(foreign, second));
  const mixed = await recover(fileSystem);
  assertEquals(shown(mixed.entries), [...named(1, from - 1), ...named(to, 60)]);
  assertStringIncludes(mixed.missing.map(({ what }) => what).join(), "belongs to another log");
});

test("what is below the first index stays dropped, unless it is unknown", async () => {
  const fileSystem = await make(20, {}, async (log) => {
    await log.truncateBeforeIndex(8);
    await log.setState(bytes("state"));
  });
  const found = await recover(fileSystem);
  assertEquals(shown(found.entries), named(8, 20));
  assertEquals(found.missing, []);
  assertEquals(found.state, bytes("state"));
  // Damage of what was dropped is no loss.
  spoil(fileSystem, PATH, placeOf(fileSystem, PATH, "entry 3") + 9, 0);
  assertEquals((await recover(fileSystem)).missing, []);
  for (const slot of [0, 65_536]) spoil(fileSystem, META, slot, 0);
  const unknown = await recover(fileSystem);
  assertEquals(shown(unknown.entries), [...named(1, 2), ...named(4, 20)]);
  assertStringIncludes(unknown.missing[0]?.what ?? "", "entries that were dropped from the head");
  assertEquals(unknown.missing[0]?.path, META);
});

test("a version 1 log is recovered, and what its next file says of it", async () => {
  const fileSystem = await make(12, { format: 1 });
  await withLog(PATH, { fileSystem, segmentSize: 256 }, (log) => {
    for (let i = 13; i <= 30; i++) log.append(bytes(`entry ${i}`));
  });
  const [, second = ""] = segmentsOf(fileSystem);
  assertEquals(shown((await recover(fileSystem)).entries), named(1, 30));
  // Nothing of entry 5 is left: only the count of the file tells how many are gone.
  spoil(fileSystem, PATH, placeOf(fileSystem, PATH, "entry 5"), ...new Uint8Array(16));
  const found = await recover(fileSystem);
  assert(found.entries.some(({ isFoundBySearch }) => isFoundBySearch));
  for (const { index, data } of found.entries) {
    const own = Number(text(data).slice(6));
    assert(index.from <= own && own <= index.to, `${own} is given as ${index.from}-${index.to}`);
  }
  const from = Number(second.slice(-20));
  assertEquals(shown(found.entries).slice(-(31 - from)), named(from, 30));
});

test("a version 1 file under another segment's name is the first one all the same", async () => {
  const fileSystem = await make(12, { format: 1 });
  await withLog(PATH, { fileSystem, segmentSize: 256 }, (log) => {
    for (let i = 13; i <= 30; i++) log.append(bytes(`entry ${i}`));
  });
  const [first = "", second = ""] = segmentsOf(fileSystem);
  const [one, other] = [first, second].map((name) => readFile(fileSystem, name));
  writeFile(fileSystem, first, other as Uint8Array);
  writeFile(fileSystem, second, one as Uint8Array);
  const swapped = await recover(fileSystem);
  assertEquals(shown(swapped.entries), named(1, 30));
  assertEquals(swapped.notes.length, 2);

  writeFile(fileSystem, first, one as Uint8Array);
  const copied = await recover(fileSystem);
  const from = Number(second.slice(-20));
  assertEquals(shown(copied.entries).slice(0, from - 1), named(1, from - 1));
  assertStringIncludes(copied.notes.join(), "a copy of the segment from index 1");
});

test("the end of a file is as opening makes it while it is being replaced", async () => {
  const fileSystem = await make(8);
  const content = readFile(fileSystem, PATH);
  const offset = placeOf(fileSystem, PATH, "entry 5");
  const tail = frame(DATA, bytes("entry 5 again"));
  const record = { firstIndex: 1, offset, oldLength: 1, oldChecksum: 0, length: tail.length };
  const body = concat(encodeRedoRecord(record), tail);
  const checksum = new Uint8Array(4);
  writeUint32(checksum, 0, frameChecksum.crc32(body));
  writeFile(fileSystem, `${PATH}.redo`, concat(body, checksum, Uint8Array.of(1)));
  writeFile(fileSystem, PATH, content.slice(0, offset));
  const found = await recover(fileSystem);
  assertEquals(shown(found.entries), [...named(1, 4), "5 entry 5 again"]);
  assertStringIncludes(found.notes.join(), "as opening would make it");

  // One that is not whole may have the only copy of the tail.
  checksum[0] = (checksum[0] as number) ^ 1;
  writeFile(fileSystem, `${PATH}.redo`, concat(body, checksum, Uint8Array.of(1)));
  const spoilt = await recover(fileSystem);
  assertEquals(shown(spoilt.entries), [...named(1, 4), "5 entry 5 again"]);
  assertEquals(spoilt.entries.at(-1)?.isSetAside, true);
  // And where the file has it, it is not given twice.
  writeFile(fileSystem, PATH, concat(content.slice(0, offset), tail));
  const done = await recover(fileSystem);
  assertEquals(shown(done.entries), [...named(1, 4), "5 entry 5 again"]);
  assertEquals(done.entries.at(-1)?.isSetAside, false);
});

test("segments that were set aside whole stand where they were", async () => {
  const fileSystem = await make(60, { segmentSize: 400 });
  const files = segmentsOf(fileSystem);
  const from = Number(files[1]?.slice(-20));
  for (const name of files.slice(1)) {
    writeFile(fileSystem, `${PATH}.cut-${name.slice(-20)}-0`, readFile(fileSystem, name));
  }
  // A crash came before the removal: each is there twice, and given once.
  assertEquals(shown((await recover(fileSystem)).entries), named(1, 60));
  for (const name of files.slice(1)) fileSystem.remove(name);
  await withLog(PATH, { fileSystem, segmentSize: 400 }, (log) => {
    for (let i = 0; i < 30; i++) log.append(bytes("since"));
  });
  const found = await recover(fileSystem);
  assertEquals(shown(found.entries), [
    ...named(1, 60),
    ...Array.from({ length: 30 }, (_, i) => `${from + i} since`),
  ]);
  assertEquals(found.missing, []);
  assertEquals(found.entries.filter(({ isSetAside }) => isSetAside).length, 61 - from);
});

test("what a device cannot read is passed over", async () => {
  const content = new Uint8Array(20_000).fill(7);
  const fileSystem = new MemoryFileSystem();
  writeFile(fileSystem, PATH, content);
  const bad = { from: 5000, to: 5001 };
  const open = fileSystem.open.bind(fileSystem);
  fileSystem.open = (path, mode): FileHandle => {
    const file = open(path, mode);
    const read = file.read.bind(file);
    file.read = (into, offset, length = into.length) => {
      if (offset < bad.to && offset + length > bad.from) {
        throw new FileSystemError("EIO", "Read", path);
      }
      return read(into, offset, length);
    };
    return file;
  };
  const file = new PatientFile(fileSystem, PATH);
  const into = new Uint8Array(30_000);
  assertEquals(file.read(into, 0), content.length);
  assertEquals([...new Set(into.subarray(4096, 8192))], [255]);
  assertEquals([...new Set([...into.subarray(0, 4096), ...into.subarray(8192, 20_000)])], [7]);
  file.close();

  const log = await make(1000);
  fileSystem.remove(PATH);
  writeFile(fileSystem, PATH, readFile(log, PATH));
  const found = await recover(fileSystem);
  assert(found.entries.length > 700 && found.entries.length < 1000);
  assertEquals(shown(found.entries).slice(0, 100), named(1, 100));
  assertStringIncludes(found.missing[0]?.what ?? "", "the device cannot read");
});

test("hostile bytes end the search, and that is told", { timeout: 120_000 }, async () => {
  const fileSystem = await make(3);
  const size = 16 * 1024 * 1024;
  const hostile = new Uint8Array(size);
  // Each fifth byte begins what looks like an entry of eight MiB.
  for (let at = 0; at + 4 < size; at += 5) hostile.set([1, 0, 0x80, 0, 0], at);
  writeFile(fileSystem, PATH, concat(readFile(fileSystem, PATH), hostile));
  const found = await recover(fileSystem);
  assertEquals(shown(found.entries), named(1, 3));
  assertStringIncludes(found.missing.at(-1)?.what ?? "", "was given up");
});

test("an entry above the limit of a search is given where it stands in order", async () => {
  const fileSystem = new MemoryFileSystem();
  const large = new Uint8Array(LIMIT + 1).fill(65);
  await withLog(PATH, { fileSystem, maxEntrySize: 2 * LIMIT }, (log) => {
    log.append(large);
    log.append(bytes("entry 2"));
  });
  const { entries, missing } = await recover(fileSystem);
  assertEquals(entries.map(({ length, index }) => [length, index.from]), [
    [large.length, 1],
    ["entry 2".length, 2],
  ]);
  assertEquals(missing, []);
  assert(entries[0]?.data.every((byte) => byte === 65));
});

test("a file cut short, one of zeros, and one with the end of a file alone", async () => {
  const fileSystem = await make(20);
  const content = readFile(fileSystem, PATH);
  writeFile(fileSystem, PATH, content.slice(0, placeOf(fileSystem, PATH, "entry 9") + 12));
  const cut = await recover(fileSystem);
  assertEquals(shown(cut.entries), named(1, 8));
  assertEquals(cut.missing.map(({ indexes }) => indexes), [{ from: 9, to: Infinity }]);
  assertEquals(JSON.parse(missingLine(cut.missing[0] as Missing)).missing.fromIndex, 9);
  writeFile(fileSystem, PATH, new Uint8Array(5000));
  const zeros = await recover(fileSystem);
  assertEquals([zeros.entries, zeros.missing], [[], []]);
  writeFile(fileSystem, PATH, content.slice(FIRST_ENTRY));
  const end = await recover(fileSystem);
  assertEquals(end.entries.map(({ data }) => text(data)).length, 20);
  assert(end.entries.every(({ index }) => index.to === Infinity));
});

test("a file of a log's segment under another name begins with its own index", async () => {
  const fileSystem = await make(60, { segmentSize: 400 });
  const [, second = ""] = segmentsOf(fileSystem);
  const other = new MemoryFileSystem();
  writeFile(other, "copy", readFile(fileSystem, second));
  const from = Number(second.slice(-20));
  const found = await recover(other, "copy");
  assertEquals(found.entries[0]?.index, { from, to: from });
  assertEquals(text(found.entries[0]?.data ?? bytes("")), `entry ${from}`);
});

test("a first entry of version 1 that looks like a Segment frame is an entry", async () => {
  const none = { firstIndex: 0, size: 0, checksum: 0 };
  const fileSystem = await make(0, { format: 1 }, (log) => {
    log.append(segmentPayload(77, none));
    log.append(bytes("entry 2"));
  });
  const { entries, missing } = await recover(fileSystem);
  assertEquals(entries.map(({ index }) => index.from), [1, 2]);
  assertEquals(missing, []);
});

test("entries are lines and back, and lines in a log, with their indexes", async () => {
  const contents = [
    bytes(""),
    bytes('"\n\u0000é'),
    Uint8Array.of(0xef, 0xbb, 0xbf, 65),
    Uint8Array.from({ length: 256 }, (_, i) => i),
    Uint8Array.of(0xed, 0xa0, 0x80),
  ];
  const fileSystem = await make(0, {}, (log) => contents.forEach((data) => log.append(data)));
  const { entries } = await recover(fileSystem);
  const into = new MemoryFileSystem();
  const told: string[] = [];
  await withLog(PATH, { fileSystem: into }, async (log) => {
    const taken = new TakenEntries(log, (line) => told.push(line));
    for (const entry of entries) {
      const line = parseLine(bytes(recoveredLine(entry)));
      assert(line.kind === "entry");
      await taken.take((line.index ?? 0) + 40, line.data);
    }
    await taken.take(undefined, bytes("unknown"));
    await taken.take(60, bytes("after a gap"));
    assertEquals(await taken.finish("took"), "took 7 entries: index 41 to 47");
    assertEquals(log.readAll().slice(0, 5), contents);
    assertEquals(log.durableIndex, 47);
  });
  assertEquals(told, [
    "what had an unknown index is now index 46",
    "index 60 is now index 47",
  ]);
});

test("a line that says something else is reported", () => {
  for (
    const [line, why] of [
      ["[1]", "it is no JSON object"],
      ['{"index":9,"text":"a","base64":"YQ=="}', 'it has neither valid "text"'],
      ['{"index":9,"base64":"?"}', 'it has neither valid "text" nor valid "base64"'],
      ['{"index":9,"base64":"YR=="}', 'it has neither valid "text" nor valid "base64"'],
      ['{"index":9,"text":"\\ud800"}', 'it has neither valid "text"'],
      ['{"index":0,"text":"a"}', 'its "index" is no whole number from 1'],
      ['{"index":9,"text":"a","other":1}', 'it has "other", which means nothing here'],
      ['{"missing":1}', 'its "missing" is no object'],
      ['{"state":{}}', 'its "state" has neither'],
    ] as const
  ) {
    const parsed = parseLine(bytes(line));
    assert(parsed.kind === "bad", line);
    assertStringIncludes(parsed.why, why);
  }
  assertEquals(parseLine(Uint8Array.of(0xff)).kind, "bad");
  assert(longestLine(10) > 60);
  assert(Number.isSafeInteger(longestLine(2 ** 32 - 1)));
});

test("the names of a log's files, and of what was set aside, are known", () => {
  const file = setAsideFile("data/a.wal.cut-00000000000000000187-216-3");
  assertEquals([file?.log, file?.segment, file?.offset, file?.copy], ["data/a.wal", 187, 216, 3]);
  assertEquals(setAsideFile("a.wal.cut-187-216"), undefined);
  const own = ["a.wal", "a.wal.meta", "a.wal.lock", "a.wal.redo", "a.wal.00000000000000000002"];
  for (const name of own) assert(isNameOfLog("a.wal", name), name);
  assert(isNameOfLog("a.wal", "a.wal.cut-00000000000000000187-216-3"));
  for (const name of ["a.wal.json", "b.wal", "a.wal2"]) assert(!isNameOfLog("a.wal", name), name);
});

test("nothing is recovered of what is not there, or is no log", async () => {
  const fileSystem = new MemoryFileSystem();
  const found = await RecoveredLog.create(fileSystem, PATH, LIMIT, true);
  const error = assertThrows(() => [...found.read()], FileSystemError);
  assertEquals(error.code, "ENOENT");
  writeFile(fileSystem, PATH, bytes("Something else, and not a log"));
  const other = assertThrows(() => [...found.read()], Error);
  assertStringIncludes(other.message, "is not a log");
});
