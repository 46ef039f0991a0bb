/**
 * What open does with a log that a crash or a rotten disk left, by the decision table.
 *
 * @module
 */
import { test } from "node:test";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { CorruptionError, Wal, WalError, type WalOptions } from "../../mod.ts";
import { frameChecksum } from "../../src/format/checksum.ts";
import { TYPE_DATA, TYPE_INTERNAL, writeFrameHeader } from "../../src/format/frame.ts";
import { DURABLE_FRAME_SIZE } from "../../src/format/durable_frame.ts";
import { SEGMENT_FRAME_SIZE } from "../../src/format/segment_frame.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { scanSegment } from "../../src/segment/scan.ts";
import {
  bytes,
  KNOWN_ENTRIES,
  KNOWN_V1,
  readFile,
  text,
  withLog,
  writeFile,
} from "../../kit/logs.ts";

const PATH = "a.wal";

const checksum = frameChecksum;

/** Where the first entry of a version 2 log begins. */
const FIRST_ENTRY = 8 + SEGMENT_FRAME_SIZE;

/** A file's bytes after some entries of 3 bytes, each synced if `synced`, and without a close. */
async function killedLog(
  entries: number,
  synced: boolean,
  options: WalOptions = {},
): Promise<Uint8Array> {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { preallocate: 0, ...options, fileSystem });
  for (let i = 1; i <= entries; i++) {
    log.append(bytes(`e0${i}`));
    if (synced) await log.sync();
  }
  const content = readFile(fileSystem, PATH);
  await log.close();
  return content;
}

/** A file system with only this file. */
function fileWith(content: Uint8Array): MemoryFileSystem {
  const fileSystem = new MemoryFileSystem();
  writeFile(fileSystem, PATH, content);
  return fileSystem;
}

function flipped(content: Uint8Array, at: number): Uint8Array {
  const copy = content.slice();
  copy[at] = (copy[at] as number) ^ 0x10;
  return copy;
}

function asText(entries: Iterable<Uint8Array>): string[] {
  return Array.from(entries, text);
}

test("version 1: the known bytes are written", async () => {
  const fileSystem = new MemoryFileSystem();
  await withLog(PATH, { fileSystem, format: 1 }, (log) => {
    for (const entry of KNOWN_ENTRIES) log.append(entry);
  });
  assertEquals(readFile(fileSystem, PATH), KNOWN_V1);
});

test("version 1: the known bytes open, grow, and stay version 1", async () => {
  const fileSystem = fileWith(KNOWN_V1);
  for (let round = 1; round <= 3; round++) {
    await withLog(PATH, { fileSystem }, async (log) => {
      assertEquals(log.recovery.case, "A");
      assertEquals(log.lastIndex, 2 + round);
      assertEquals(log.readAll().slice(0, 3), KNOWN_ENTRIES);
      assertEquals(await log.appendAndSync(bytes("more")), 3 + round);
      await log.sync();
    });
  }
  const content = readFile(fileSystem, PATH);
  assertEquals(content.subarray(0, KNOWN_V1.length), KNOWN_V1);
  assertEquals(content.length, KNOWN_V1.length + 3 * (9 + 4), "Data frames only");
});

test("version 1: a cut at any byte recovers the whole entries before it", async () => {
  const ends = [22, 31, 56];
  for (let cut = 0; cut <= KNOWN_V1.length; cut++) {
    const fileSystem = fileWith(KNOWN_V1.subarray(0, cut));
    const whole = ends.filter((end) => end <= cut).length;
    await withLog(PATH, { fileSystem, format: 1 }, (log) => {
      assertEquals(log.readAll(), KNOWN_ENTRIES.slice(0, whole), `cut at ${cut}`);
      const { case: verdict, bytesCut, created } = log.recovery;
      assertEquals(created, cut < 8);
      const clean = cut === 0 || cut === 8 || ends.includes(cut);
      assertEquals(verdict, clean ? "A" : "E", `cut at ${cut}`);
      assertEquals(
        bytesCut,
        clean ? 0 : cut - (whole > 0 ? ends[whole - 1] as number : cut < 8 ? 0 : 8),
      );
      assertEquals(log.append(bytes("next")), whole + 1);
    });
    await withLog(PATH, { fileSystem }, (log) => {
      assertEquals(log.recovery.case, "A");
      assertEquals(asText(log.readAll()).at(-1), "next");
    });
  }
});

test("version 2: a cut at any byte recovers the whole entries before it", async () => {
  const content = await killedLog(4, true);
  const complete: number[] = [];
  for (let cut = 0; cut <= content.length; cut++) {
    const fileSystem = fileWith(content.subarray(0, cut));
    await withLog(PATH, { fileSystem }, async (log) => {
      assertEquals(log.recovery.created, cut < FIRST_ENTRY);
      assertEquals(asText(log.readAll()), ["e01", "e02", "e03", "e04"].slice(0, log.lastIndex));
      complete.push(log.lastIndex);
      assertEquals(log.durableIndex, log.lastIndex);
      await log.appendAndSync(bytes("next"));
    });
    await withLog(PATH, { fileSystem }, (log) => assertEquals(log.recovery.case, "A"));
  }
  assertEquals(
    complete,
    complete.toSorted((a, b) => a - b),
    "a longer file never has fewer entries",
  );
  assertEquals(complete.at(-1), 4);
});

test("case A: a clean end is left alone", async () => {
  const content = await killedLog(3, false);
  const fileSystem = fileWith(content);
  const log = await Wal.open(PATH, { fileSystem, preallocate: 0 });
  assertEquals(log.recovery, {
    case: "A",
    segment: PATH,
    offset: content.length,
    bytesCut: 0,
    setAside: undefined,
    setAsideFiles: [],
    entries: 3,
    created: false,
  });
  assertEquals(readFile(fileSystem, PATH), content);
  await log.close();
});

test("case B: zeros after the end are cut", async () => {
  for (const zeros of [1, 8, 9, 4096, 3 * 1024 * 1024]) {
    const content = await killedLog(3, true);
    const fileSystem = fileWith(new Uint8Array([...content, ...new Uint8Array(zeros)]));
    await withLog(PATH, { fileSystem }, (log) => {
      const { case: verdict, offset, bytesCut, setAside } = log.recovery;
      assertEquals([verdict, offset, bytesCut, setAside], ["B", content.length, zeros, undefined]);
      assertEquals(readFile(fileSystem, PATH), content);
      assertEquals(asText(log.readAll()), ["e01", "e02", "e03"]);
    });
  }
});

test("case C: damage to what a later Durable frame covers is refused", async () => {
  const content = await killedLog(3, true);
  // Two entries lie in front of the last Durable frame; the third is after it.
  const acknowledged = content.length - 12 - DURABLE_FRAME_SIZE;
  for (let at = FIRST_ENTRY; at < acknowledged; at++) {
    const damaged = flipped(content, at);
    const fileSystem = fileWith(damaged);
    const error = await assertRejects(() => Wal.open(PATH, { fileSystem }), CorruptionError);
    assertEquals(error.code, "ERR_WAL_CORRUPT");
    assertEquals(error.path, PATH);
    assert(error.offset <= at && error.firstIndexAtRisk <= 2);
    assertMatch(error.message, /a\.wal.*offset \d+.*Nothing was changed.*salvage/s);
    assertEquals(readFile(fileSystem, PATH), damaged);
    assertEquals(fileSystem.list("."), [PATH]);
  }
});

test("case C: after a clean close, damage to any entry is refused", async () => {
  const fileSystem = new MemoryFileSystem();
  await withLog(PATH, { fileSystem }, (log) => {
    for (let i = 0; i < 3; i++) log.append(bytes("never synced by hand"));
  });
  const content = readFile(fileSystem, PATH);
  for (let at = FIRST_ENTRY; at < content.length - DURABLE_FRAME_SIZE; at++) {
    const damaged = fileWith(flipped(content, at));
    await assertRejects(() => Wal.open(PATH, { fileSystem: damaged }), CorruptionError);
  }
});

test("case C: salvage sets the bytes aside and continues with what is before", async () => {
  const content = await killedLog(3, true);
  const second = FIRST_ENTRY + 12 + DURABLE_FRAME_SIZE;
  const damaged = flipped(content, second + 10);
  const fileSystem = fileWith(damaged);
  await withLog(PATH, { fileSystem, recovery: "salvage" }, async (log) => {
    const aside = `${PATH}.cut-00000000000000000001-${second}`;
    assertEquals(log.recovery, {
      case: "C",
      segment: PATH,
      offset: second,
      bytesCut: content.length - second,
      setAside: aside,
      setAsideFiles: [aside],
      entries: 1,
      created: false,
    });
    assertEquals(readFile(fileSystem, aside), damaged.subarray(second));
    assertEquals(asText(log.readAll()), ["e01"]);
    assertEquals(await log.appendAndSync(bytes("new")), 2);
  });
  await withLog(PATH, { fileSystem }, (log) => assertEquals(asText(log.readAll()), ["e01", "new"]));
});

test("case C: a Durable frame of another log, or out of its place, is no evidence", async () => {
  const content = await killedLog(2, true);
  const other = await killedLog(2, true);
  const durable = FIRST_ENTRY + 12;
  const frame = (of: Uint8Array): Uint8Array => of.subarray(durable, durable + DURABLE_FRAME_SIZE);
  const damaged = flipped(content, FIRST_ENTRY + 11);
  const verdict = async (content: Uint8Array): Promise<string> =>
    await withLog(PATH, { fileSystem: fileWith(content) }, (log) => log.recovery.case);

  // In its place: evidence.
  await assertRejects(() => verdict(damaged), CorruptionError);
  // The same frame of a log with another id.
  assertEquals(
    await verdict(new Uint8Array([...damaged.subarray(0, durable), ...frame(other)])),
    "D",
  );
  // The same frame one byte further on.
  assertEquals(
    await verdict(new Uint8Array([...damaged.subarray(0, durable), 0, ...frame(content)])),
    "D",
  );
});

test("a Durable frame out of its place is no frame of the log", async () => {
  const content = await killedLog(2, true);
  const durable = FIRST_ENTRY + 12;
  const copy = content.subarray(durable, durable + DURABLE_FRAME_SIZE);
  const fileSystem = fileWith(new Uint8Array([...content, ...copy]));
  await withLog(PATH, { fileSystem }, (log) => {
    const { case: verdict, offset, bytesCut } = log.recovery;
    assertEquals([verdict, offset, bytesCut], ["E", content.length, DURABLE_FRAME_SIZE]);
  });
});

test("case C: what is appended after a truncation is covered like anything else", async () => {
  const fileSystem = new MemoryFileSystem();
  await withLog(PATH, { fileSystem }, async (log) => {
    for (const word of ["e01", "e02", "e03", "e04"]) await log.appendAndSync(bytes(word));
    await log.truncateFromIndex(2);
    await log.appendAndSync(bytes("new"));
  });
  const content = readFile(fileSystem, PATH);
  const at = content.length - DURABLE_FRAME_SIZE - 1;
  assertEquals(text(content.subarray(at - 2, at + 1)), "new");
  await assertRejects(
    () => Wal.open(PATH, { fileSystem: fileWith(flipped(content, at)) }),
    CorruptionError,
  );
});

test("case D: whole frames without evidence are set aside, once per damage", async () => {
  const content = await killedLog(5, false);
  const damaged = flipped(content, FIRST_ENTRY + 12 + 10);
  const fileSystem = fileWith(damaged);
  const at = FIRST_ENTRY + 12;
  const aside = `${PATH}.cut-00000000000000000001-${at}`;
  await withLog(PATH, { fileSystem }, (log) => {
    const { case: verdict, setAside, bytesCut, offset } = log.recovery;
    assertEquals([verdict, setAside, bytesCut, offset], ["D", aside, content.length - at, at]);
    assertEquals(asText(log.readAll()), ["e01"]);
  });
  assertEquals(readFile(fileSystem, aside), damaged.subarray(at));
  // The same place again does not overwrite what was set aside before.
  writeFile(fileSystem, PATH, damaged);
  await withLog(PATH, { fileSystem }, (log) => assertEquals(log.recovery.setAside, `${aside}-2`));
  assertEquals(readFile(fileSystem, aside), damaged.subarray(at));
});

test("case D: in version 1, damage in front of whole entries keeps the bytes", async () => {
  const damaged = flipped(KNOWN_V1, 20);
  const fileSystem = fileWith(damaged);
  await withLog(PATH, { fileSystem }, (log) => {
    assertEquals([log.recovery.case, log.lastIndex], ["D", 0]);
    assertEquals(readFile(fileSystem, log.recovery.setAside ?? ""), damaged.subarray(8));
  });
});

test("case E: a torn last write is cut", async () => {
  const content = await killedLog(3, true);
  for (let lost = 1; lost < 12; lost++) {
    const fileSystem = fileWith(content.subarray(0, content.length - lost));
    await withLog(PATH, { fileSystem }, (log) => {
      assertEquals([log.recovery.case, log.recovery.bytesCut], ["E", 12 - lost]);
      assertEquals(log.recovery.setAside, undefined);
      assertEquals(asText(log.readAll()), ["e01", "e02"]);
    });
  }
  const fileSystem = fileWith(flipped(content, content.length - 1));
  await withLog(PATH, { fileSystem }, (log) => assertEquals(log.recovery.case, "E"));
});

test("a file that is not a log is refused and left alone", async () => {
  const contents = ["hello, world", "WAL", "WAL?\0\0\0\x01", "#!/bin/sh\n", "WAL!\0\0\0\x03", "x"];
  for (const content of contents.map(bytes)) {
    if (text(content) === "WAL") continue;
    const fileSystem = fileWith(content);
    for (const options of [{}, { readOnly: true }, { recovery: "salvage" as const }]) {
      const error = await assertRejects(() => Wal.open(PATH, { fileSystem, ...options }), WalError);
      assertEquals(error.code, "ERR_WAL_FORMAT");
      assertStringIncludes(error.message, PATH);
      assertEquals(readFile(fileSystem, PATH), content);
      assertEquals(fileSystem.list("."), [PATH], "no lock file is left beside it");
    }
  }
});

test("a log whose making was interrupted is made again", async () => {
  const content = await killedLog(0, false);
  const zeros = (size: number): Uint8Array => new Uint8Array(size);
  const starts = Array.from(content, (_, cut) => content.subarray(0, cut));
  for (const start of [...starts, zeros(1), zeros(8), zeros(FIRST_ENTRY), zeros(5000)]) {
    const fileSystem = fileWith(start);
    await withLog(PATH, { fileSystem }, async (log) => {
      const { created, bytesCut, setAside } = log.recovery;
      assertEquals([created, bytesCut, setAside], [true, start.length, undefined]);
      assertEquals(await log.appendAndSync(bytes("first")), 1);
    });
    await withLog(PATH, { fileSystem }, (log) => assertEquals(asText(log.readAll()), ["first"]));
  }
});

test("bytes that no interrupted making leaves are set aside before a log is made again", async () => {
  const header = (await killedLog(0, false)).subarray(0, 8);
  const foreign = new Uint8Array([...header, ...bytes("x".repeat(200))]);
  for (const content of [foreign, new Uint8Array([...new Uint8Array(8), ...bytes("something")])]) {
    const fileSystem = fileWith(content);
    await withLog(PATH, { fileSystem }, (log) => {
      assertEquals(log.recovery.created, true);
      assertEquals(readFile(fileSystem, log.recovery.setAside ?? ""), content);
    });
  }
});

test("damage to the header or the Segment frame in front of entries is refused", async () => {
  const content = await killedLog(2, false);
  for (let at = 8; at < FIRST_ENTRY; at++) {
    const damaged = flipped(content, at);
    const fileSystem = fileWith(damaged);
    const error = await assertRejects(() => Wal.open(PATH, { fileSystem }), CorruptionError);
    assertEquals(error.firstIndexAtRisk, 1);
    await assertRejects(() => Wal.open(PATH, { fileSystem, readOnly: true }), CorruptionError);
    assertEquals(readFile(fileSystem, PATH), damaged);
  }
  const zeroed = content.slice().fill(0, 0, 8);
  await assertRejects(() => Wal.open(PATH, { fileSystem: fileWith(zeroed) }), CorruptionError);
  const fileSystem = fileWith(flipped(content, 20));
  await withLog(PATH, { fileSystem, recovery: "salvage" }, (log) => {
    assertEquals([log.recovery.case, log.recovery.created, log.lastIndex], ["C", true, 0]);
    assertEquals(readFile(fileSystem, log.recovery.setAside ?? ""), flipped(content, 20));
  });
});

test("an Internal frame of an unknown kind is an error that names the kind", async () => {
  const content = await killedLog(1, false);
  const frame = new Uint8Array(9 + 3);
  writeFrameHeader(frame, 0, TYPE_INTERNAL, 3);
  frame[9] = 77;
  checksum.seal(frame, 0, frame.length);
  const fileSystem = fileWith(new Uint8Array([...content, ...frame]));
  const error = await assertRejects(() => Wal.open(PATH, { fileSystem }), WalError);
  assertEquals(error.code, "ERR_WAL_FORMAT");
  assertStringIncludes(error.message, "kind 77");
});

test("a length of 4 GiB takes no memory and no time", async () => {
  for (const type of [TYPE_DATA, TYPE_INTERNAL]) {
    for (const length of [0xffffffff, 0x7fffffff, 11 * 1024 * 1024]) {
      const content = await killedLog(2, false);
      const frame = new Uint8Array(40);
      writeFrameHeader(frame, 0, type, length);
      const fileSystem = fileWith(new Uint8Array([...content, ...frame]));
      await withLog(PATH, { fileSystem }, (log) => {
        assertEquals([log.recovery.case, log.recovery.bytesCut, log.lastIndex], ["E", 40, 2]);
      });
    }
  }
});

test("a whole entry above the limit is not taken for a torn write", async () => {
  const fileSystem = new MemoryFileSystem();
  await withLog(PATH, { fileSystem }, (log) => {
    log.append(bytes("small"));
    log.append(new Uint8Array(100_000));
    log.append(bytes("small"));
  });
  const content = readFile(fileSystem, PATH);
  for (const maxEntrySize of [20, 99_999]) {
    const error = await assertRejects(() => Wal.open(PATH, { fileSystem, maxEntrySize }), WalError);
    assertEquals(error.code, "ERR_WAL_ENTRY_TOO_LARGE");
    assertStringIncludes(error.message, "maxEntrySize: 100000");
    assertEquals(readFile(fileSystem, PATH), content);
  }
  await withLog(
    PATH,
    { fileSystem, maxEntrySize: 100_000 },
    (log) => assertEquals(log.lastIndex, 3),
  );
});

test("a limit below the size of the log's own frames is no trouble", async () => {
  const fileSystem = new MemoryFileSystem();
  for (let round = 0; round < 3; round++) {
    await withLog(PATH, { fileSystem, maxEntrySize: 1 }, async (log) => {
      assertEquals(log.lastIndex, round);
      await log.appendAndSync(bytes("x"));
    });
  }
});

test(
  "entries across many chunks, and larger than one, are all found",
  { timeout: 60_000 },
  async () => {
    const fileSystem = new MemoryFileSystem();
    const sizes = [0, 1, 1024 * 1024 - 60, 3, 2_500_000, 1024 * 1024, 17, 300_000, 900_000];
    const entry = (i: number): Uint8Array => new Uint8Array(sizes[i] as number).fill(i + 1);
    await withLog(PATH, { fileSystem }, (log) => {
      for (const i of sizes.keys()) log.append(entry(i));
    });
    await withLog(PATH, { fileSystem }, (log) => {
      assertEquals([log.recovery.case, log.lastIndex], ["A", sizes.length]);
      for (const [i, data] of log.readAll().entries()) {
        assertEquals(data.length, sizes[i]);
        assert(data.every((byte) => byte === i + 1));
      }
    });
  },
);

test(
  "hostile bytes after the end are judged in bounded time, and kept",
  { timeout: 60_000 },
  async () => {
    const content = await killedLog(1, false);
    // Every second byte begins a frame of 64 KiB, none of them valid.
    const tail = new Uint8Array(4 * 1024 * 1024).map((_, i) => i % 2 === 0 ? 1 : 0);
    const fileSystem = fileWith(new Uint8Array([...content, ...tail]));
    await withLog(PATH, { fileSystem }, (log) => {
      assertEquals(log.recovery.case, "D");
      assertEquals(log.recovery.bytesCut, tail.length);
      assert(log.recovery.setAside !== undefined);
    });
  },
);

test("a reader cuts nothing and treats a torn tail as the end so far", async () => {
  const content = await killedLog(3, true);
  for (
    const damaged of [content.subarray(0, content.length - 5), content, content.subarray(0, 20)]
  ) {
    const fileSystem = fileWith(damaged);
    await withLog(PATH, { fileSystem, readOnly: true }, (log) => {
      const whole = damaged.length < FIRST_ENTRY ? 0 : damaged.length < content.length ? 2 : 3;
      assertEquals(log.lastIndex, whole);
      assertEquals(log.readAll().length, whole);
      assertEquals(log.durableIndex, Math.min(whole, 2), "as far as a Durable frame tells");
      assertEquals(log.recovery.bytesCut, 0);
    });
    assertEquals(readFile(fileSystem, PATH), damaged);
    assertEquals(fileSystem.list("."), [PATH]);
  }
});

test("a file that is cut while it is scanned ends where it is cut", () => {
  const fileSystem = fileWith(KNOWN_V1);
  const file = fileSystem.open(PATH, "write");
  for (const cut of [53, 31, 10]) {
    file.truncate(cut);
    const stale = { ...file, size: () => KNOWN_V1.length, read: file.read.bind(file) };
    const scan = scanSegment({ file: stale, path: PATH, checksum, maxEntrySize: 1000 });
    assert(scan.kind === "scanned");
    assertEquals(scan.offsets.count, [22, 31].filter((end) => end <= cut).length);
  }
  file.close();
});
