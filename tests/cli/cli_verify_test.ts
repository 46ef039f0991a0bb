/**
 * `wal verify`, run as a program and, for many bits, in this process.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  copyFileSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Wal, type WalOptions } from "../../mod.ts";
import type { Place } from "../../src/cli/checked_segment.ts";
import { Verification } from "../../src/cli/verification.ts";
import { frameChecksum } from "../../src/format/checksum.ts";
import { MAX_INTERNAL_SIZE } from "../../src/format/kinds.ts";
import { defaultFileSystem } from "../../src/fs/runtime.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { spawnSync } from "../../kit/child.ts";
import { concat, framesOf as wholeFramesOf } from "../../kit/frames.ts";
import { bytes, KNOWN_V1, random, readFile, turns, withLog, writeFile } from "../../kit/logs.ts";
import { command, ROOT } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

const MAIN = join(ROOT, "src/cli/main.ts");
const LIMIT = 10 * 1024 * 1024;
const options = { timeout: 60_000 };

/** Runs the command; its lines without the summary, and that. */
function verify(path: string, ...more: string[]): {
  status: number | null;
  lines: string[];
  summary: string;
} {
  const { program, args } = command(MAIN, "verify", path, ...more);
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  assertEquals(stderr, "");
  const lines = stdout.trimEnd().split("\n");
  return { status, lines: lines.slice(0, -1), summary: lines.at(-1) ?? "" };
}

/** Requires a log to be intact; the lines that are worth saying nevertheless. */
function intact(path: string): string[] {
  const { status, lines, summary } = verify(path);
  assertEquals({ status, lines }, { status: 0, lines });
  assertMatch(summary, /^intact: /);
  return lines;
}

interface Verdict {
  readonly places: Place[];
  readonly notes: string[];
}

/** Checks a log in this process. */
async function check(
  path: string,
  fileSystem = undefined as MemoryFileSystem | undefined,
): Promise<Verdict> {
  const places: Place[] = [];
  const notes: string[] = [];
  const verification = await Verification.create(
    fileSystem ?? await defaultFileSystem(),
    path,
    LIMIT,
    { damage: (place) => places.push(place), note: (line) => notes.push(line) },
  );
  for (const _ of verification.run());
  return { places, notes };
}

/** The files of a log's segments in order. */
function segmentsOf(folder: string): string[] {
  return readdirSync(folder).filter((name) => /^a\.wal(\.\d{20})?$/.test(name)).sort()
    .map((name) => join(folder, name));
}

/** Entries of many sizes, batches and syncs, in several segments. */
async function fill(path: string, options: WalOptions, entries = 400, seed = 1): Promise<void> {
  const next = random(seed);
  const entry = (): Uint8Array => {
    const size = next() < 0.1 ? Math.floor(next() * 5000) : Math.floor(next() * 300);
    // Frames within entries must not be taken for the log's own.
    return next() < 0.1 ? KNOWN_V1.slice() : Uint8Array.from({ length: size }, () => next() * 256);
  };
  await withLog(path, options, async (log) => {
    while (log.lastIndex < entries) {
      if (next() < 0.1) log.appendBatch(Array.from({ length: 2 + next() * 5 }, entry));
      else log.append(entry());
      if (next() < 0.1) await log.sync();
    }
  });
}

/** Where a flipped bit is to be found. */
interface Spot {
  readonly offset: number;
  readonly index: number;
}

/** The frames of a segment: a walk of headers, which are whole. */
function framesOf(file: Uint8Array, firstIndex: number): (Spot & { end: number })[] {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const frames = [{ offset: 0, index: firstIndex, end: 8 }];
  let index = firstIndex;
  for (let offset = 8; offset < file.length;) {
    const end = offset + 9 + view.getUint32(offset + 1);
    frames.push({ offset, index, end });
    if (file[offset] === 1) index++;
    offset = end;
  }
  assertEquals(frames.at(-1)?.end, file.length);
  return frames;
}

function indexOf(path: string): number {
  return Number(/\.(\d{20})$/.exec(path)?.[1] ?? 1);
}

const CASES: readonly { what: string; size: number; make: (path: string) => Promise<void> }[] = [
  {
    what: "several segments with batches",
    size: 300,
    make: (path) => fill(path, { segmentSize: 40_000 }, 1500),
  },
  {
    what: "an adopted version 1 file that rolled",
    size: 300,
    make: async (path) => {
      await fill1(path);
      await fill(path, { segmentSize: 20_000 }, 500);
    },
  },
];

/** A version 1 log. */
async function fill1(path: string): Promise<void> {
  await withLog(path, { format: 1 }, (log) => {
    for (let i = 0; i < 200; i++) log.append(new Uint8Array(i % 60).fill(i));
  });
}

for (const { what, size, make } of CASES) {
  test(`a flipped bit is found anywhere: ${what}`, options, () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.wal");
      await make(path);
      intact(path);
      const memory = new MemoryFileSystem();
      const files = segmentsOf(folder).map((path) => ({ path, bytes: readFileSync(path) }));
      assert(files.length > 3);
      memory.makeDirectory("log");
      const inMemory = (path: string): string => join("log", path.slice(folder.length + 1));
      for (const { path, bytes } of files) writeFile(memory, inMemory(path), bytes);
      const total = files.reduce((sum, { bytes }) => sum + bytes.length, 0);
      const next = random(7);
      for (let i = 0; i < size; i++) {
        let at = Math.floor(next() * total);
        const file = files.find(({ bytes }) => {
          if (at < bytes.length) return true;
          at -= bytes.length;
          return false;
        });
        assert(file !== undefined);
        // Every now and then a header, since those are rare.
        const frames = framesOf(file.bytes, indexOf(file.path));
        if (i % 3 === 0) {
          const frame = frames[Math.floor(next() * frames.length)];
          at = Math.min(file.bytes.length - 1, (frame?.offset ?? 0) + Math.floor(next() * 9));
        }
        const damaged = Uint8Array.from(file.bytes);
        const bit = Math.floor(next() * 8);
        damaged[at] = (damaged[at] ?? 0) ^ (1 << bit);
        writeFile(memory, inMemory(file.path), damaged);
        const { places, notes } = await check("log/a.wal", memory);
        writeFile(memory, inMemory(file.path), file.bytes);

        const hit = frames.find(({ offset, end }) => at >= offset && at < end);
        const about = `bit ${bit} of byte ${at} of ${file.path}: ${
          JSON.stringify(places)
        } ${notes}`;
        const isLastFrame = file === files.at(-1) && hit === frames.at(-1);
        if (isLastFrame) {
          assertEquals(places, [], about);
          const spot = `offset ${hit?.offset}, index ${hit?.index}: a torn last write`;
          assertStringIncludes(notes.join("\n"), spot, about);
          continue;
        }
        const { path, offset, index, isAtLeast } = places[0] ?? {};
        assertEquals({ path, offset, index, isAtLeast }, {
          path: inMemory(file.path),
          offset: hit?.offset,
          index: hit?.index,
          isAtLeast: false,
        }, about);
        assertEquals(places.length, 1, about);
      }
    }));
}

test(
  "the program names file, offset and index, and continues",
  options,
  () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.wal");
      await fill(path, { segmentSize: 40_000 }, 800);
      const segments = segmentsOf(folder);
      const expected: string[] = [];
      for (const segment of segments.slice(0, 3)) {
        const file = readFileSync(segment);
        const frames = framesOf(file, indexOf(segment)).filter(({ offset }) => file[offset] === 1);
        for (const i of [3, 30]) {
          const frame = frames[i];
          assert(frame !== undefined);
          file[frame.end - 1] = 255 - (file[frame.end - 1] ?? 0);
          const what = frame.end - frame.offset;
          expected.push(
            `${segment}: offset ${frame.offset}, index ${frame.index}: the entry of ${what} bytes ` +
              "fails its checksum",
          );
        }
        writeFileSync(segment, file);
      }
      const { status, lines, summary } = verify(path);
      assertEquals(lines, expected);
      assertEquals(status, 1);
      assertMatch(
        summary,
        /^damaged: 6 places: \d+ segments, \d+ entries, \d+ bytes, [\d.]+ s, \d+ MB\/s$/,
      );
    }),
);

test("damage does not hide the indexes after it", options, () =>
  withFolder(async (folder) => {
    // No Seal tells where the entries are.
    const path = join(folder, "a.wal");
    await fill(path, {}, 300);
    const file = readFileSync(path);
    const entries = framesOf(file, 1).filter(({ offset, end }) =>
      file[offset] === 1 && end - offset > 100
    );
    const damage = [[20, 0], [60, 1], [61, 4], [100, 3], [150, 6]] as const;
    const expected = damage.map(([i, byte]) => {
      const { offset = 0, index = 0, end = 0 } = entries[i] ?? {};
      file[offset + byte] = (file[offset + byte] ?? 0) ^ 16;
      return `${path}: offset ${offset}, index ${index}: the entry of ${
        end - offset
      } bytes fails ` +
        "its checksum";
    });
    writeFileSync(path, file);
    const { status, lines } = verify(path);
    assertEquals(lines, expected);
    assertEquals(status, 1);
  }));

test(
  "a destroyed stretch is reported with the entries in it",
  options,
  () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.wal");
      await fill(path, { segmentSize: 40_000 }, 500);
      const [segment = ""] = segmentsOf(folder);
      const file = readFileSync(segment);
      const frames = framesOf(file, 1).slice(1);
      const first = frames.find(({ offset }) => offset > 10_000);
      assert(first !== undefined);
      file.fill(0, first.offset, first.offset + 4096);
      writeFileSync(segment, file);
      const data = frames.filter(({ offset }) => readFileSync(segment)[offset] !== undefined);
      const after = data.find(({ offset }) => offset >= first.offset + 4096);
      const { status, lines } = verify(path);
      assertEquals(status, 1);
      assertEquals(lines.length, 1);
      assertStringIncludes(lines[0] ?? "", `offset ${first.offset}, index ${first.index} to `);
      const last = Number(/index \d+ to (\d+):/.exec(lines[0] ?? "")?.[1]);
      assert(after !== undefined && last >= after.index - 1 && last <= after.index + 1);
    }),
);

test("intact logs of all kinds", options, async () => {
  const kinds: readonly [string, (path: string) => Promise<void>][] = [
    ["empty", (path) => withLog(path, {}, () => {})],
    ["version 1", fill1],
    ["known", (path) => Promise.resolve(writeFileSync(path, KNOWN_V1))],
    ["one segment", (path) => fill(path, {}, 50)],
    ["many segments", (path) => fill(path, { segmentSize: 30_000 }, 300)],
    ["head truncated", async (path) => {
      await fill(path, { segmentSize: 30_000 }, 400);
      await withLog(path, {}, (log) => log.truncateBeforeIndex(120));
    }],
    ["all dropped", async (path) => {
      await fill(path, { segmentSize: 30_000 }, 100);
      await withLog(path, {}, (log) => log.truncateBeforeIndex(log.lastIndex + 1));
    }],
    ["tail truncated, and on", async (path) => {
      await withLog(path, { segmentSize: 2000 }, async (log) => {
        for (let i = 0; i < 200; i++) log.append(bytes(`entry ${i}`));
        await log.truncateFromIndex(40);
        for (let i = 0; i < 100; i++) await log.appendAndSync(bytes(`again ${i}`));
      });
    }],
    ["truncated within a batch, and on", async (path) => {
      await withLog(path, {}, async (log) => {
        log.append(bytes("one"));
        await log.appendBatchAndSync(["two", "three", "four"].map(bytes));
        await log.truncateFromIndex(3);
        await log.appendAndSync(bytes("again"));
      });
    }],
    ["truncated within a batch again and again", async (path) => {
      await withLog(path, {}, async (log) => {
        log.append(bytes("one"));
        await log.appendBatchAndSync(["two", "three", "four", "five", "six"].map(bytes));
        for (const index of [6, 5, 3]) await log.truncateFromIndex(index);
        await log.appendAndSync(bytes("again"));
      });
    }],
    ["truncated to a batch, and on", async (path) => {
      await withLog(path, {}, async (log) => {
        log.append(bytes("one"));
        await log.appendBatchAndSync(["two", "three", "four"].map(bytes));
        await log.truncateFromIndex(2);
        await log.appendAndSync(bytes("again"));
      });
    }],
    ["reset up", async (path) => {
      await fill(path, { segmentSize: 30_000 }, 100);
      await withLog(path, {}, async (log) => {
        await log.reset(1000);
        log.append(bytes("thousand"));
      });
    }],
    ["reset down", async (path) => {
      await fill(path, { segmentSize: 30_000 }, 100);
      await withLog(path, {}, async (log) => {
        await log.reset(1);
        log.append(bytes("one"));
      });
    }],
    ["state", async (path) => {
      await fill(path, {}, 10);
      await withLog(path, {}, (log) => log.setState(bytes("term 1")));
    }],
  ];
  await withFolder(async (folder) => {
    for (const [what, make] of kinds) {
      const path = join(folder, `${what}.wal`);
      await make(path);
      const { places, notes } = await check(path);
      assertEquals({ what, places, notes }, { what, places: [], notes: [] });
    }
  });
});

test("a log that a writer has open", options, () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    await withLog(path, { segmentSize: 3000 }, async (log) => {
      for (let i = 0; i < 200; i++) {
        log.append(bytes(`entry ${i}`));
        if (i % 7 === 0) await log.sync();
      }
      assertEquals(intact(path), []);
    });
  }));

test("a torn end is reported and is no damage", options, () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    await withLog(path, {}, async (log) => {
      await log.appendAndSync(bytes("one"));
    });
    const size = readFileSync(path).length;
    writeFileSync(path, new Uint8Array(100), { flag: "a" });
    assertEquals(intact(path), [
      `${path}: offset ${size}, index 2: unused preallocated space; opening would cut 100 bytes`,
    ]);
    truncateSync(path, size);
    writeFileSync(path, bytes("\x01\0\0\0\x05abcdhel"), { flag: "a" });
    assertEquals(intact(path), [
      `${path}: offset ${size}, index 2: a torn last write; opening would cut 12 bytes`,
    ]);
    truncateSync(path, size);
    await withLog(path, {}, (log) => void log.appendBatch(["a", "b", "c"].map(bytes)));
    const batch = readFileSync(path).indexOf(bytes("\x02\0\0\0\x0d"), size);
    // After the first of its entries, and within the second.
    for (const more of [10, 15]) {
      truncateSync(path, batch + 22 + more);
      const count = 22 + more;
      assertEquals(intact(path), [
        `${path}: offset ${batch}, index 2: a torn last batch; opening would set ${count} bytes ` +
        'aside in a ".cut-" file, then cut them',
      ]);
    }
    await withLog(path, {}, (log) => assertEquals([log.lastIndex, log.recovery.case], [1, "D"]));
    assertEquals(intact(path), []);
  }));

test("bytes that look like rot count as damage", options, () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    await fill1(path);
    const file = readFileSync(path);
    const frame = framesOf(file, 1)[50];
    assert(frame !== undefined);
    file[frame.end - 1] = 99;
    writeFileSync(path, file);
    const { status, lines } = verify(path);
    assertEquals(status, 1);
    assertEquals(lines.length, 1);
    assertStringIncludes(lines[0] ?? "", `offset ${frame.offset}, index ${frame.index}: a torn wr`);
  }));

/** Ways to break a log of at least six segments, and what must be told. */
const BREAKS: readonly {
  what: string;
  break: (segments: string[], foreign: string[]) => void;
  expected: (segments: string[]) => [path: string | undefined, offset: string, what: string][];
}[] = [
  {
    what: "a missing segment",
    break: ([, , c = ""]) => rmSync(c),
    expected: ([, , c]) => [[c, "0", "it is missing"]],
  },
  {
    what: "a missing first segment",
    break: ([a = ""]) => rmSync(a),
    expected: ([a]) => [[a, "0", "it is missing"]],
  },
  {
    what: "swapped segments",
    break: ([, b = "", c = ""]) => {
      renameSync(b, `${b}.tmp`);
      renameSync(c, b);
      renameSync(`${b}.tmp`, c);
    },
    expected: ([, b, c]) => [
      [b, "8", "it is the segment from index"],
      [c, "8", "it is the segment from index"],
    ],
  },
  {
    what: "a foreign segment",
    break: ([, b = ""], foreign) => copyFileSync(foreign[1] ?? "", b),
    expected: ([, b]) => [[b, "8", "it belongs to another log"]],
  },
  {
    what: "a foreign last segment",
    break: (segments, foreign) => copyFileSync(foreign.at(-1) ?? "", segments.at(-1) ?? ""),
    expected: (segments) => [[segments.at(-1), "8", "it belongs to another log"]],
  },
  {
    what: "a missing last segment",
    break: (segments) => rmSync(segments.at(-1) ?? ""),
    expected: (segments) => [[segments.at(-2), "\\d+", "the next file is missing"]],
  },
  {
    what: "a shortened segment",
    break: ([, b = ""]) => truncateSync(b, 701),
    expected: ([, b]) => [
      [b, "\\d+", "no frames"],
      [b, "701", "the Seal is missing"],
      [b, "701", "it has 701 bytes, and the segment after it says"],
    ],
  },
];

for (const { what, break: damage, expected } of BREAKS) {
  test(`verify names ${what}`, options, () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.wal");
      const make = (path: string): Promise<void> =>
        withLog(path, { segmentSize: 1000 }, (log) => {
          for (let i = 0; i < 300; i++) log.append(bytes(`entry ${i}`));
        });
      const other = join(folder, "other");
      await make(path);
      await make(join(other, "a.wal"));
      const segments = segmentsOf(folder);
      damage(segments, segmentsOf(other));
      const { status, lines } = verify(path);
      assertEquals(status, what === "a missing last segment" ? 0 : 1);
      const wanted = expected(segments);
      for (const [path, offset, what] of wanted) {
        const found = lines.filter((line) =>
          line.startsWith(`${path}: offset `) &&
          new RegExp(`: offset ${offset}, index`).test(line) &&
          line.includes(what)
        );
        assertEquals(found.length, 1, lines.join("\n"));
      }
      assertEquals(lines.length, wanted.length, lines.join("\n"));
    }));
}

test("verify checks both slots of the meta file", options, () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    await withLog(path, {}, async (log) => {
      log.append(bytes("one"));
      await log.setState(bytes("state"));
    });
    const meta = readFileSync(`${path}.meta`);
    for (const [at, offset] of [[20, 0], [65_536 + 40, 65_536]] as const) {
      const damaged = Uint8Array.from(meta);
      damaged[at] = 255 - (damaged[at] ?? 0);
      writeFileSync(`${path}.meta`, damaged);
      const { status, lines } = verify(path);
      assertEquals(status, 1);
      assertStringIncludes(
        lines.join("\n"),
        `${path}.meta: offset ${offset}, index 1: the slot is`,
      );
      assertEquals(lines.length, 1);
    }
    writeFileSync(`${path}.meta`, meta);
    assertEquals(intact(path), []);
  }));

test(
  "a foreign file under the name of a log's own is reported as open reports it",
  options,
  () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.wal");
      await withLog(path, {}, (log) => void log.append(bytes("one")));
      for (const kind of ["redo", "meta"]) {
        const other = `${path}.${kind}`;
        writeFileSync(other, "a note of somebody's");
        const { status, lines } = verify(path);
        assertEquals(status, 1);
        assertStringIncludes(
          lines.join("\n"),
          `${other}: offset 0, index 1: it has the name of the`,
        );
        assertEquals(lines.length, 1);
        const { program, args } = command(MAIN, "inspect", path);
        const inspected = spawnSync(program, args, { encoding: "utf8" });
        assertEquals(inspected.status, 1);
        assertStringIncludes(inspected.stderr, "ERR_WAL_FORMAT");
        // What a crash leaves of one is the log's own.
        writeFileSync(other, new Uint8Array(4));
        assertStringIncludes(intact(path).join("\n"), "its making was interrupted");
        rmSync(other);
      }
    }),
);

test("frames in the wrong place are reported", options, async () => {
  const memory = new MemoryFileSystem();
  await withLog("a.wal", { fileSystem: memory }, async (log) => {
    for (const entry of ["one", "two", "three"]) await log.appendAndSync(bytes(entry));
  });
  const file = readFile(memory, "a.wal");
  const checksum = frameChecksum;
  const frames = framesOf(file, 1);
  const durable = frames.find(({ offset }) =>
    offset > 8 && file[offset] === 2 && offset !== 8 &&
    file[offset + 9] === 3
  );
  assert(durable !== undefined);
  const tampered: readonly [string, (copy: Uint8Array) => void][] = [
    ["stands at offset", (copy) => copy[durable.offset + 9 + 24] = 1],
    [
      "of another log",
      (copy) => copy[durable.offset + 10] = 255 - (copy[durable.offset + 10] ?? 0),
    ],
    ["of the segment from index", (copy) => copy[durable.offset + 9 + 16] = 9],
    ["covers up to offset", (copy) => copy[durable.offset + 9 + 29] = 1],
    ["unknown kind 77", (copy) => copy[durable.offset + 9] = 77],
  ];
  for (const [what, tamper] of tampered) {
    const copy = Uint8Array.from(file);
    tamper(copy);
    checksum.seal(copy, durable.offset, durable.offset + 1);
    assert(checksum.check(copy, durable.offset, copy.length, MAX_INTERNAL_SIZE));
    writeFile(memory, "a.wal", copy);
    const { places } = await check("a.wal", memory);
    assertEquals(places.length, 1, what);
    assertEquals(places[0]?.offset, durable.offset);
    assertStringIncludes(places[0]?.what ?? "", what);
  }
});

test("verify compares itself with reading", options, () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    await fill(path, { segmentSize: 40_000 }, 500);
    const { status, lines } = verify(path, "--speed");
    assertEquals(status, 0);
    assertMatch(lines.join(), /^reading alone: [\d.]+ s, \d+ MB\/s; verifying takes [\d.]+ times/);
  }));

test(
  "an entry larger than the buffer, and one above the limit",
  options,
  () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.wal");
      const large = 9 * 1024 * 1024;
      await withLog(path, { segmentSize: 2 ** 20 }, (log) => {
        for (const size of [10, large, 20]) log.append(new Uint8Array(size).fill(1));
      });
      assertEquals(intact(path), []);
      const { status, lines } = verify(path, "--max-entry-size", "100");
      assertEquals(status, 1);
      assertMatch(lines.join(), /index 2: the entry has 9437184 bytes, above the limit of 100/);
      const segment = segmentsOf(folder)[1] ?? "";
      const file = readFileSync(segment);
      file[file.length >> 1] = 7;
      writeFileSync(segment, file);
      const found = verify(path).lines;
      assertMatch(
        found.join(),
        /offset 64, index 2: the entry of 9437193 bytes fails its checksum/,
      );
      assertEquals(found.length, 1);
    }),
);

test("verify of what is no log, and of nothing", options, () =>
  withFolder((folder) => {
    const other = join(folder, "other");
    writeFileSync(other, "not a log at all");
    for (const [path, code] of [[other, "ERR_WAL_FORMAT"], [join(folder, "none"), "ENOENT"]]) {
      const { program, args } = command(MAIN, "verify", path ?? "");
      const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
      assertEquals({ status, stdout }, { status: 1, stdout: "" });
      assertMatch(stderr, new RegExp(`^wal: [^\\n]+\\(${code}\\)\\n$`));
    }
  }));

test("what open makes of a log, verify has foretold", options, async () => {
  const memory = new MemoryFileSystem();
  await fillMemory(memory);
  const whole = readFile(memory, "a.wal");
  const next = random(3);
  for (let i = 0; i < 60; i++) {
    const cut = whole.slice(0, Math.floor(next() * whole.length));
    if (next() < 0.5 && cut.length > 60) {
      cut.fill(next() * 256, 54 + Math.floor(next() * (cut.length - 54)));
    }
    writeFile(memory, "a.wal", cut);
    const { places, notes } = await check("a.wal", memory);
    let verdict: string;
    try {
      const log = await Wal.open("a.wal", { fileSystem: memory });
      verdict = log.recovery.case;
      const { bytesCut } = log.recovery;
      await log.close();
      if (bytesCut > 0) {
        assertMatch(`${notes} ${places[0]?.what}`, new RegExp(`\\b${bytesCut} byte`));
      }
    } catch {
      verdict = "C";
    }
    const text = `${notes} ${JSON.stringify(places)}`;
    const about = `${verdict} at ${cut.length}: ${text}`;
    if (verdict === "A") assertEquals({ places, text: about }, { places: [], text: about });
    if (verdict === "C") assert(places.length > 0, about);
    if (verdict === "B") assertStringIncludes(text, "unused", about);
    if (verdict === "E") assertMatch(text, /torn|never in use/, about);
    if (verdict === "D") assertMatch(text, /torn/, about);
  }
});

async function fillMemory(fileSystem: MemoryFileSystem): Promise<void> {
  await withLog("a.wal", { fileSystem }, async (log) => {
    for (let i = 0; i < 30; i++) {
      log.append(bytes(`entry ${i}`));
      if (i % 5 === 0) log.appendBatch([bytes("a"), bytes("bc"), bytes("")]);
      if (i % 11 === 0) await log.sync();
    }
  });
}

test("verify judges a segment under a pending one as opening does", options, async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open("a.wal", { fileSystem, segmentSize: 256 });
  log.append(new Uint8Array(150));
  log.append(new Uint8Array(100));
  const unsealed = readFile(fileSystem, "a.wal").slice();
  const next = readFile(fileSystem, "a.wal.00000000000000000002").slice();
  await turns();
  const full = readFile(fileSystem, "a.wal").slice();
  await log.close();
  const checked = async (full: Uint8Array): Promise<Verdict> => {
    const fileSystem = new MemoryFileSystem();
    writeFile(fileSystem, "a.wal", full);
    writeFile(fileSystem, "a.wal.00000000000000000002", next);
    return await check("a.wal", fileSystem);
  };
  assertEquals(await checked(full), { places: [], notes: [] });
  for (const file of [unsealed, full.slice(0, -4), full.slice(0, 213)]) {
    assertEquals(await checked(file), {
      places: [],
      notes: [
        "a.wal: offset 213, index 2: its Seal was not written yet, or not all of it; opening would " +
        "write it",
      ],
    });
  }
  const { places, notes } = await checked(full.slice(0, 210));
  assertEquals(places, []);
  assertMatch(notes.join(), /a torn last write; opening would cut/);
  assertMatch(notes.join(), /none of its 1 entries was acknowledged.*set it aside and remove it/);
});

/** What a crash, or a disk that rots, may leave of the two segments of a roll. */
const OF_FULL: Readonly<Record<string, (file: Uint8Array) => Uint8Array>> = {
  "whole": (file) => file,
  "without its last bytes": (file) => file.slice(0, -4),
  "without its Seal": (file) => file.slice(0, wholeFramesOf(file).at(-1)?.offset),
  "zeros for its Seal": (file) => file.slice().fill(0, wholeFramesOf(file).at(-1)?.offset),
  "a byte more": (file) => concat(file, Uint8Array.of(1)),
  "one entry rotten": (file) => file.slice().fill(7, 70, 80),
  "without its beginning": (file) => file.slice().fill(0, 0, 54),
};
const OF_NEXT: Readonly<Record<string, (file: Uint8Array) => Uint8Array>> = {
  "whole": (file) => file,
  "zeros for its header": (file) => file.slice().fill(0, 0, 8),
  "zeros for its beginning": (file) => file.slice().fill(0, 0, 64),
  "rot in its Segment frame": (file) => file.slice().fill(7, 30, 32),
  "rot in it and in the length of its first entry": (file) => {
    const rotten = file.slice().fill(7, 30, 32);
    // The entry seems to reach into the Durable frame after it.
    rotten[68] = 130;
    return rotten;
  },
  "no log": (file) => file.slice().fill(7, 0, 8),
  "a part of its beginning": (file) => file.slice(0, 40),
  "its beginning alone": (file) => file.slice(0, 64),
};

for (
  const [isAcknowledged, isSealed] of [[false, false], [false, true], [true, false], [true, true]]
) {
  const title = `a torn roll${isSealed ? "" : " before its Seal"}, its end ` +
    `${isAcknowledged ? "" : "not "}acknowledged`;
  test(`what open makes of ${title}, verify has foretold`, options, async () => {
    const memory = new MemoryFileSystem();
    const log = await Wal.open("a.wal", { fileSystem: memory, segmentSize: 300 });
    for (const size of [40, 50, 60]) log.append(new Uint8Array(size).fill(3));
    log.append(new Uint8Array(100).fill(4));
    if (isAcknowledged) await log.sync();
    const next = log.lastIndex === 4 ? "a.wal.00000000000000000004" : "none";
    const rest = readFile(memory, next).slice();
    let full = readFile(memory, "a.wal").slice();
    await turns();
    if (isSealed) full = readFile(memory, "a.wal").slice();
    await log.close();
    const outcomes = new Set<string>();
    let asides = 0;
    for (const [ofFull, tear] of Object.entries(OF_FULL)) {
      for (const [ofNext, tearNext] of Object.entries(OF_NEXT)) {
        const fileSystem = new MemoryFileSystem();
        writeFile(fileSystem, "a.wal", tear(full));
        writeFile(fileSystem, next, tearNext(rest));
        const { places, notes } = await check("a.wal", fileSystem);
        const about = `N ${ofFull}, N+1 ${ofNext}: ${JSON.stringify(places)} ${notes.join("; ")}`;
        const opened = await Wal.open("a.wal", { fileSystem }).catch(() => undefined);
        const recovery = opened?.recovery;
        await opened?.close();
        const outcome = opened === undefined ? "refused" : `${recovery?.case}`;
        outcomes.add(outcome);
        const isAside = notes.some((note) =>
          note.startsWith(next) && note.endsWith("opening would set it aside and remove it")
        );
        const isNextAside = recovery?.setAsideFiles.some((path) =>
          path.startsWith(`a.wal.cut-`) &&
          path.includes("-00000000000000000004")
        ) === true;
        assertEquals(isAside, isNextAside, about);
        if (isNextAside) asides++;
        if (opened === undefined) assert(places.length > 0, about);
        // The entries of a full segment are checked when they are read.
        if (outcome === "A" && !isAcknowledged) assertEquals(places, [], about);
        // Where N is whole or only torn, nothing is damaged.
        const isRotten = ofFull === "one entry rotten" || ofFull === "without its beginning";
        if (isNextAside && !isRotten) assertEquals(places, [], about);
      }
    }
    assert(outcomes.has("refused") && outcomes.has("A"), [...outcomes].join());
    assertEquals(asides > 10, !isAcknowledged, `${asides} times`);
  });
}
