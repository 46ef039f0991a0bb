/**
 * What is believed of a file's frames: a whole frame with a valid checksum counts only where it can
 * stand, for what it can say, and up to the limit.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { CorruptionError, MovedError, Wal, WalError } from "../../mod.ts";
import {
  batchPayload,
  BEGINNING_SIZE,
  concat,
  DATA,
  durablePayload,
  frame,
  framesOf,
  INTERNAL,
  sealPayload,
  segmentPayload,
} from "../../kit/frames.ts";
import { frameChecksum } from "../../src/format/checksum.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { bytes, readFile, text, withLog, writeFile } from "../../kit/logs.ts";

const PATH = "a.wal";
const OTHER_LOG = new Uint8Array(8).fill(0xee);
const NO_SEGMENT = { firstIndex: 0, size: 0, checksum: 0 };

const data = (content: string): Uint8Array => frame(DATA, bytes(content));
const internal = (payload: Uint8Array): Uint8Array => frame(INTERNAL, payload);

/** A file of two entries. */
const BEGINNING = concat(
  bytes("WAL!"),
  Uint8Array.of(0, 0, 0, 2),
  internal(segmentPayload(1, NO_SEGMENT)),
);
const ENTRIES = ["one", "two"];
const OFFSETS = [BEGINNING.length, BEGINNING.length + data("one").length];
const FILE = concat(BEGINNING, ...ENTRIES.map(data));
const X = FILE.length;

function fileWith(content: Uint8Array): MemoryFileSystem {
  const fileSystem = new MemoryFileSystem();
  writeFile(fileSystem, PATH, content);
  return fileSystem;
}

/** Two entries, as they stand in a batch. */
const PAIR = concat(data("a"), data("b"));

/** What is no part of the log though its frames are whole. */
const NOT_TAKEN: readonly (readonly [what: string, tail: Uint8Array])[] = [
  ["a Seal of fewer entries than there are", internal(sealPayload(OFFSETS.slice(0, 1)))],
  ["a Seal of more entries than there are", internal(sealPayload([...OFFSETS, X]))],
  ["a Seal that places an entry elsewhere", internal(sealPayload([OFFSETS[0] ?? 0, X - 1]))],
  ["a Durable frame of another log", internal(durablePayload(1, X, X, OTHER_LOG))],
  ["a Durable frame of another segment", internal(durablePayload(2, X, X))],
  ["a Durable frame of another place", internal(durablePayload(1, X + 1, X))],
  [
    "a Durable frame that covers bytes after itself",
    internal(durablePayload(1, X, X + 1)),
  ],
  ["a batch that is longer than it says", concat(internal(batchPayload(2, 19)), PAIR)],
  ["a batch that is shorter than it says", concat(internal(batchPayload(2, 21)), PAIR)],
  [
    "a batch with a Durable frame in it",
    concat(
      internal(batchPayload(2, PAIR.length + 42)),
      data("a"),
      internal(durablePayload(1, X + 22 + 10, X)),
      data("b"),
    ),
  ],
  [
    "a batch in a batch",
    concat(internal(batchPayload(2, 22 + PAIR.length)), internal(batchPayload(2, 20)), PAIR),
  ],
  ["a batch of nothing", concat(internal(batchPayload(0, 0)), PAIR)],
];

for (const [what, tail] of NOT_TAKEN) {
  test(`${what} is no part of the log`, async () => {
    const fileSystem = fileWith(concat(FILE, tail));
    await withLog(PATH, { fileSystem }, (log) => {
      assertEquals(log.readAll().map(text), ENTRIES);
      assertEquals([log.recovery.offset, log.recovery.bytesCut], [X, tail.length]);
    });
  });
}

/** What stands after damage and is no evidence of it. */
const NO_EVIDENCE: readonly (readonly [what: string, payload: (at: number) => Uint8Array])[] = [
  ["of another log", (at) => durablePayload(1, at, at, OTHER_LOG)],
  ["of another segment", (at) => durablePayload(2, at, at)],
  ["of another place", (at) => durablePayload(1, at + 1, at)],
  ["that covers bytes after itself", (at) => durablePayload(1, at, at + 1)],
  ["that covers the bytes up to the damage", (at) => durablePayload(1, at, X)],
];

for (const [what, payload] of NO_EVIDENCE) {
  test(`a Durable frame ${what} makes no damage of a torn write`, async () => {
    const torn = new Uint8Array(12).fill(0xff);
    const fileSystem = fileWith(concat(FILE, torn, internal(payload(X + torn.length))));
    await withLog(PATH, { fileSystem }, (log) => {
      assertEquals([log.recovery.case, log.readAll().map(text)], ["D", ENTRIES]);
    });
  });
}

test("an entry after a Seal is no part of the log", async () => {
  const seal = internal(sealPayload(OFFSETS));
  const fileSystem = fileWith(concat(FILE, seal, data("three")));
  await withLog(PATH, { fileSystem }, (log) => {
    assertEquals(log.readAll().map(text), ENTRIES);
    assertEquals(log.recovery.offset, X + seal.length);
  });
});

test("what is appended after an interrupted roll is there, however much room was left", async () => {
  const fileSystem = fileWith(concat(FILE, internal(sealPayload(OFFSETS))));
  await withLog(PATH, { fileSystem }, (log) => assertEquals(log.append(bytes("three")), 3));
  await withLog(PATH, { fileSystem }, (log) => {
    assertEquals(log.readAll().map(text), [...ENTRIES, "three"]);
  });
});

test("a log whose last file does not join is refused before its torn end is cut", async () => {
  const fileSystem = new MemoryFileSystem();
  await withLog(PATH, { fileSystem, segmentSize: 256 }, (log) => {
    for (let i = 0; i < 9; i++) log.append(new Uint8Array(60));
  });
  const last = fileSystem.list(".").filter((name) => /\d{20}$/.test(name)).sort().at(-1) ?? "";
  fileSystem.remove(PATH);
  const torn = concat(readFile(fileSystem, last), Uint8Array.of(1, 2, 3));
  writeFile(fileSystem, last, torn);
  const error = await assertRejects(() => Wal.open(PATH, { fileSystem }), CorruptionError);
  assertEquals(error.path, PATH);
  assertEquals(readFile(fileSystem, last), torn);
});

test("a file that lost its beginning below the head was in use, and is refused", async () => {
  for (const size of [0, 8, 30]) {
    const fileSystem = new MemoryFileSystem();
    await withLog(PATH, { fileSystem }, async (log) => {
      for (const word of ["one", "two", "three"]) log.append(bytes(word));
      await log.truncateBeforeIndex(3);
    });
    const rest = readFile(fileSystem, PATH).slice(0, size);
    writeFile(fileSystem, PATH, rest);
    await assertRejects(() => Wal.open(PATH, { fileSystem }), CorruptionError);
    assertEquals(readFile(fileSystem, PATH), rest);
  }
});

test("a frame of the log's own in an entry's place is never returned as the entry", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem });
  const durable = internal(durablePayload(1, BEGINNING_SIZE, BEGINNING_SIZE));
  log.append(new Uint8Array(durable.length - 9));
  const file = fileSystem.open(PATH, "write");
  file.write(durable, BEGINNING_SIZE);
  file.close();
  assertThrows(() => log.getEntry(1), CorruptionError);
  assertThrows(() => log.readAll(), CorruptionError);
  await assertRejects(() => log.close(), MovedError);
});

test("a full segment whose size changes while the log is open is refused at its first use", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem, segmentSize: 256 });
  for (const word of ["one", "two", "three"]) log.append(bytes(word.repeat(40)));
  assert(log.stats().segments > 2);
  writeFile(fileSystem, PATH, concat(readFile(fileSystem, PATH), Uint8Array.of(0)));
  const error = assertThrows(() => log.getEntry(1), CorruptionError);
  assertEquals(error.path, PATH);
  assertEquals(text(log.getEntry(3)), "three".repeat(40));
  await assertRejects(() => log.close(), MovedError);
});

/** A log of three full segments and what follows, whose entries have these sizes, two in each. */
async function segmentedLog(sizes: readonly number[] = [70, 40]): Promise<MemoryFileSystem> {
  const fileSystem = new MemoryFileSystem();
  await withLog(PATH, { fileSystem, segmentSize: 256 }, (log) => {
    for (let i = 0; i < 7; i++) log.append(new Uint8Array(sizes[i % 2] ?? 0).fill(i));
    assertEquals(log.stats().segments, 4);
  });
  return fileSystem;
}

/** With a byte of a file changed. */
function rot(fileSystem: MemoryFileSystem, path: string, at: number): void {
  const content = readFile(fileSystem, path);
  content[at] = (content[at] ?? 0) ^ 0x20;
  writeFile(fileSystem, path, content);
}

test("a full segment in place of another of its size and count is reported", async () => {
  const fileSystem = await segmentedLog();
  // Of a log with the entries the other way round.
  const other = framesOf(readFile(await segmentedLog([40, 70]), PATH));
  const own = readFile(fileSystem, PATH);
  const swapped = concat(
    own.subarray(0, BEGINNING_SIZE),
    ...other.slice(1).map(({ type, payload }) => frame(type, payload)),
  );
  assertEquals(swapped.length, own.length);
  writeFile(fileSystem, PATH, swapped);
  await withLog(PATH, { fileSystem }, (log) => {
    assertEquals(log.getEntry(1).length, 40, "its frames are whole");
    assertEquals(log.stats().rebuiltSeals, [PATH]);
  });
});

test("a full segment that lost its Seal and an entry is refused, from the first that is lost", async () => {
  const fileSystem = await segmentedLog();
  const [, first, second, seal] = framesOf(readFile(fileSystem, PATH));
  rot(fileSystem, PATH, (second?.offset ?? 0) + 20);
  rot(fileSystem, PATH, (seal?.offset ?? 0) + 20);
  assert(first !== undefined);
  await withLog(PATH, { fileSystem }, (log) => {
    for (const index of [1, 2]) {
      const error = assertThrows(() => log.getEntry(index), CorruptionError);
      assertEquals([error.path, error.offset, error.firstIndexAtRisk], [PATH, first.end, 2]);
    }
    assertEquals(log.getEntry(3), new Uint8Array(70).fill(2));
  });
});

test("a damaged full segment is refused after a truncation, and nothing is changed", async () => {
  const fileSystem = await segmentedLog();
  rot(fileSystem, PATH, BEGINNING_SIZE + 20);
  const files = (): Map<string, Uint8Array> =>
    new Map(fileSystem.list(".").map((name) => [name, readFile(fileSystem, name)]));
  await withLog(PATH, { fileSystem, segmentSize: 256 }, async (log) => {
    const before = files();
    await assertRejects(() => log.truncateFromIndex(2), CorruptionError);
    assertEquals(files(), before);
    assertEquals(log.lastIndex, 7);
  });
});

// Limits.

test("a scan stops at a frame above its limit", () => {
  const frames = concat(data("four"), data("more than four"));
  frameChecksum.staging.set(frames);
  for (const buffer of [frameChecksum.staging, frames]) {
    assertEquals(frameChecksum.scan(buffer, frames.length, 4), { count: 1, stop: 13 });
    assertEquals(frameChecksum.scan(buffer, frames.length, 14), {
      count: 2,
      stop: frames.length,
    });
  }
});

test("a whole entry above every limit of this process is not taken for a torn write", async () => {
  const fileSystem = new MemoryFileSystem();
  await withLog(PATH, { fileSystem, maxEntrySize: 1 << 24 }, (log) => {
    log.append(bytes("small"));
    log.append(new Uint8Array(9_000_000));
  });
  const { length } = readFile(fileSystem, PATH);
  const error = await assertRejects(
    () => Wal.open(PATH, { fileSystem, maxEntrySize: 1000 }),
    WalError,
  );
  assertEquals(error.code, "ERR_WAL_ENTRY_TOO_LARGE");
  assertEquals(readFile(fileSystem, PATH).length, length);
});

test(
  "no length in a file makes open take more memory than the limit",
  { timeout: 60_000 },
  async () => {
    const room = new Uint8Array(30_000_000);
    for (const length of [0xffff_ffff, 0x7fff_ffff, 25_000_000, 31_000_000]) {
      const start = new Uint8Array(9);
      start[0] = DATA;
      new DataView(start.buffer).setUint32(1, length);
      const fileSystem = fileWith(concat(FILE, start, room));
      const largest = await largestArrayOf(async () => {
        const log = await Wal.open(PATH, { fileSystem, maxEntrySize: 1000, readOnly: true });
        assertEquals(log.lastIndex, 2);
        await log.close();
      });
      // The limit of the log's own frames, which is above that of the entries here.
      assert(largest < 5_000_000, `${largest} bytes for a length of ${length}`);
    }
  },
);

/** The most bytes that one array was made with while something ran. */
async function largestArrayOf(run: () => Promise<void>): Promise<number> {
  const original = globalThis.Uint8Array;
  let largest = 0;
  globalThis.Uint8Array = new Proxy(original, {
    construct(target, args: unknown[], newTarget) {
      if (typeof args[0] === "number") largest = Math.max(largest, args[0]);
      return Reflect.construct(
        target,
        args,
        newTarget === globalThis.Uint8Array ? target : newTarget,
      );
    },
  });
  try {
    await run();
  } finally {
    globalThis.Uint8Array = original;
  }
  return largest;
}
