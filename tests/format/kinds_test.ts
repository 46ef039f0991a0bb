/**
 * The kinds of Internal frames: what is read of each, and that a frame of a kind from 128 on is skipped
 * wherever a log is read, and kept wherever bytes are.
 *
 * @module
 */
import { test } from "node:test";
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Wal, WalError } from "../../mod.ts";
import {
  batchPayload,
  BEGINNING_SIZE,
  concat,
  DATA,
  durablePayload,
  frame,
  INTERNAL,
  sealPayload,
  segmentPayload,
} from "../../kit/frames.ts";
import {
  type Kind,
  KINDS,
  type KnownFrame,
  MAX_INTERNAL_SIZE,
  readInternalPayload,
} from "../../src/format/kinds.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { bytes, readFile, text, withLog, writeFile } from "../../kit/logs.ts";

const PATH = "a.wal";
const NO_SEGMENT = { firstIndex: 0, size: 0, checksum: 0 };

const data = (content: string): Uint8Array => frame(DATA, bytes(content));
const internal = (payload: Uint8Array): Uint8Array => frame(INTERNAL, payload);
const header = (version: number): Uint8Array =>
  concat(bytes("WAL!"), Uint8Array.of(0, 0, 0, version));

/** A frame of a kind, with some bytes. */
function ofKind(number: number, content: Uint8Array = bytes("of a later version")): Uint8Array {
  return internal(concat(Uint8Array.of(number), content));
}

const SKIPPED = ofKind(129);
const BEGINNING = concat(header(2), internal(segmentPayload(1, NO_SEGMENT)));

/** A file of so many bytes, and more after it. */
function after(content: Uint8Array, ...frames: Uint8Array[]): MemoryFileSystem {
  const fileSystem = new MemoryFileSystem();
  writeFile(fileSystem, PATH, concat(content, ...frames));
  return fileSystem;
}

/** The entries, read in all ways, which must agree. */
function entriesOf(log: Wal): string[] {
  const all = log.readAll().map(text);
  assertEquals(all.map((_, i) => text(log.getEntry(log.firstIndex + i))), all);
  assertEquals(Array.from(log.entries(), ({ data }) => text(data)), all);
  const replayed: string[] = [];
  log.replay(({ data }) => void replayed.push(text(data)));
  assertEquals(replayed, all);
  return all;
}

test("each kind has a number, a name and a size of its own", () => {
  const kinds = Object.values<Kind<KnownFrame>>({ ...KINDS });
  const different = (values: readonly unknown[]): number => new Set(values).size;
  assertEquals(different(kinds.map(({ number }) => number)), kinds.length);
  assertEquals(different(kinds.map(({ name }) => name)), kinds.length);
  for (const [name, kind] of Object.entries<Kind<KnownFrame>>({ ...KINDS })) {
    assertEquals(kind.name.toLowerCase(), name);
  }
});

test("a payload is read as its kind only if it has the size of the kind", () => {
  const payloads = [
    segmentPayload(3, { firstIndex: 1, size: 135, checksum: 7 }),
    batchPayload(2, 30),
    durablePayload(1, 99, 68),
    sealPayload([54, 63]),
  ];
  const kinds = Object.keys(KINDS);
  assertEquals(kinds, ["segment", "batch", "durable", "seal", "pending"]);
  for (const [i, payload] of payloads.entries()) {
    assertEquals<string>(readInternalPayload(payload).kind, kinds[i] as string);
    for (const other of [payload.subarray(0, -1), concat(payload, new Uint8Array(1))]) {
      assertEquals(readInternalPayload(other), { kind: "unknown", number: payload[0] as number });
    }
  }
  assertEquals(readInternalPayload(new Uint8Array(0)), { kind: "unknown", number: -1 });
  for (const number of [0, 5, 127]) {
    assertEquals(readInternalPayload(Uint8Array.of(number)), { kind: "unknown", number });
  }
  assertEquals(readInternalPayload(Uint8Array.of(128)), { kind: "pending" });
  const longer = readInternalPayload(Uint8Array.of(128, 0));
  assertEquals(longer, { kind: "skippable", number: 128 }, "a later version may add fields");
  for (const number of [129, 255]) {
    assertEquals(readInternalPayload(Uint8Array.of(number)), { kind: "skippable", number });
  }
  const longest = new Uint8Array(MAX_INTERNAL_SIZE + 1).fill(200, 0, 1);
  assertEquals(readInternalPayload(longest.subarray(0, -1)).kind, "skippable");
  assertEquals(readInternalPayload(longest).kind, "unknown");
});

test("frames of kinds from 128 on are skipped between entries and batches, and are kept", async () => {
  const batch = concat(data("b1"), data("b2"));
  const content = concat(
    BEGINNING,
    SKIPPED,
    data("one"),
    SKIPPED,
    ofKind(255, new Uint8Array(0)),
    internal(batchPayload(2, batch.length)),
    batch,
    ofKind(200, new Uint8Array(300_000)),
    data("two"),
    SKIPPED,
  );
  const fileSystem = after(content);
  await withLog(PATH, { fileSystem, readOnly: true }, (log) => {
    assertEquals([log.recovery.case, entriesOf(log)], ["A", ["one", "b1", "b2", "two"]]);
  });
  await withLog(PATH, { fileSystem }, async (log) => {
    assertEquals([log.recovery.case, entriesOf(log)], ["A", ["one", "b1", "b2", "two"]]);
    assertEquals(readFile(fileSystem, PATH), content);
    await log.appendAndSync(bytes("three"));
  });
  await withLog(PATH, { fileSystem }, (log) => {
    assertEquals([log.recovery.case, entriesOf(log)], ["A", ["one", "b1", "b2", "two", "three"]]);
  });
  assertEquals(readFile(fileSystem, PATH).slice(0, content.length), content);
});

test("a kind below 128 that is unknown is an error, wherever it stands", async () => {
  for (const number of [0, 5, 127]) {
    const content = concat(BEGINNING, data("one"), ofKind(number), data("two"));
    const fileSystem = after(content);
    for (const readOnly of [false, true]) {
      const error = await assertRejects(() => Wal.open(PATH, { fileSystem, readOnly }), WalError);
      assertEquals(error.code, "ERR_WAL_FORMAT");
      assertStringIncludes(error.message, `kind ${number} `);
    }
    assertEquals(readFile(fileSystem, PATH), content);
  }
});

const PAIR = concat(data("a"), data("b"));
const FILE = concat(BEGINNING, data("one"));

/** Where no frame of any kind may stand that is skipped. */
const NOT_SKIPPED: readonly (readonly [where: string, file: Uint8Array, tail: Uint8Array])[] = [
  [
    "within a batch",
    FILE,
    concat(
      internal(batchPayload(2, PAIR.length + SKIPPED.length)),
      data("a"),
      SKIPPED,
      data("b"),
    ),
  ],
  [
    "before the entries of a batch",
    FILE,
    concat(internal(batchPayload(2, PAIR.length + SKIPPED.length)), SKIPPED, PAIR),
  ],
  ["after a Seal", concat(FILE, internal(sealPayload([BEGINNING_SIZE]))), SKIPPED],
  ["in a file of version 1", concat(header(1), data("one")), SKIPPED],
];

for (const [where, file, tail] of NOT_SKIPPED) {
  test(`a frame of a kind from 128 on is no part of the log ${where}`, async () => {
    await withLog(PATH, { fileSystem: after(file, tail) }, (log) => {
      assertEquals(entriesOf(log), ["one"]);
      assertEquals([log.recovery.offset, log.recovery.bytesCut], [file.length, tail.length]);
    });
  });
}

test("a file that begins with a frame of a kind from 128 on has a damaged beginning", async () => {
  const fileSystem = after(header(2), SKIPPED, internal(segmentPayload(1, NO_SEGMENT)));
  const error = await assertRejects(() => Wal.open(PATH, { fileSystem }), WalError);
  assertEquals(error.code, "ERR_WAL_CORRUPT");
});

test("a frame of a kind from 128 on that is cut short is a torn write", async () => {
  for (let size = 1; size < SKIPPED.length; size++) {
    await withLog(PATH, { fileSystem: after(FILE, SKIPPED.subarray(0, size)) }, (log) => {
      assertEquals(entriesOf(log), ["one"]);
      assertEquals([log.recovery.case, log.recovery.bytesCut], ["E", size]);
    });
  }
  const torn = new Uint8Array(12).fill(0xff);
  await withLog(PATH, { fileSystem: after(FILE, torn, SKIPPED) }, (log) => {
    assertEquals([log.recovery.case, entriesOf(log)], ["D", ["one"]]);
  });
});

test("a frame of a kind from 128 on covers nothing", async () => {
  // It has the fields of a Durable frame that covers the damage before it.
  const torn = new Uint8Array(12).fill(0xff);
  const at = FILE.length + torn.length;
  const alike = durablePayload(1, at, at);
  alike[0] = 128;
  await withLog(PATH, { fileSystem: after(FILE, torn, internal(alike)) }, (log) => {
    assertEquals(log.recovery.case, "D");
  });
  const whole = durablePayload(1, FILE.length, FILE.length);
  whole[0] = 128;
  const fileSystem = after(FILE, internal(whole));
  await withLog(PATH, { fileSystem, readOnly: true }, (log) => {
    assertEquals([log.durableIndex, log.lastIndex], [0, 1]);
  });
});

/** A full segment with skipped frames, and the one after it. */
function twoSegments(): MemoryFileSystem {
  const before = concat(BEGINNING, data("one"), SKIPPED);
  const between = concat(before, data("two"), SKIPPED);
  const offsets = [BEGINNING.length, before.length];
  const seal = internal(sealPayload(offsets));
  const checksum = new DataView(seal.buffer, seal.byteOffset).getUint32(5);
  const size = between.length + seal.length;
  const fileSystem = after(between, seal);
  writeFile(
    fileSystem,
    `${PATH}.00000000000000000003`,
    concat(
      header(2),
      internal(segmentPayload(3, { firstIndex: 1, size, checksum })),
      SKIPPED,
      data("three"),
    ),
  );
  return fileSystem;
}

test("a full segment with skipped frames is read by its Seal, and by a scan without one", async () => {
  const fileSystem = twoSegments();
  await withLog(PATH, { fileSystem }, (log) => {
    assertEquals([log.recovery.case, entriesOf(log)], ["A", ["one", "two", "three"]]);
  });
  const damaged = readFile(fileSystem, PATH);
  damaged[damaged.length - 12] = (damaged[damaged.length - 12] as number) ^ 1;
  writeFile(fileSystem, PATH, damaged);
  await withLog(PATH, { fileSystem }, (log) => {
    assertEquals(entriesOf(log), ["one", "two", "three"]);
  });
});

test("a truncation keeps the skipped frames before the first entry that it drops", async () => {
  const kept = concat(BEGINNING, data("one"), SKIPPED);
  const fileSystem = after(kept, data("two"), SKIPPED, data("three"), SKIPPED);
  await withLog(PATH, { fileSystem }, async (log) => {
    await log.truncateFromIndex(2);
    await log.appendAndSync(bytes("other"));
    assertEquals(entriesOf(log), ["one", "other"]);
  });
  const left = readFile(fileSystem, PATH);
  assertEquals(left.slice(0, kept.length), kept);
  assertEquals(text(left).split("of a later version").length - 1, 1);
  await withLog(PATH, { fileSystem }, (log) => assertEquals(entriesOf(log), ["one", "other"]));
});

test("a truncation within a batch keeps the skipped frames after it", async () => {
  const content = concat(
    FILE,
    internal(batchPayload(2, PAIR.length)),
    PAIR,
    SKIPPED,
  );
  const fileSystem = after(content);
  await withLog(PATH, { fileSystem }, (log) => log.truncateFromIndex(3));
  assertEquals(readFile(fileSystem, PATH).slice(0, content.length), content);
  await withLog(PATH, { fileSystem }, (log) => assertEquals(entriesOf(log), ["one", "a"]));
});

test("a reader that is open skips a frame of a kind from 128 on that a writer appends", async () => {
  const fileSystem = after(FILE);
  await withLog(PATH, { fileSystem, readOnly: true }, async (log) => {
    writeFile(fileSystem, PATH, concat(FILE, SKIPPED));
    log.refresh();
    assertEquals(entriesOf(log), ["one"]);
    writeFile(fileSystem, PATH, concat(FILE, SKIPPED, data("two"), SKIPPED));
    const seen: string[] = [];
    for await (const { data } of log.follow({ from: 1, durable: false })) {
      seen.push(text(data));
      if (seen.length === 2) break;
    }
    assertEquals(seen, ["one", "two"]);
    assertEquals(entriesOf(log), ["one", "two"]);
  });
});
