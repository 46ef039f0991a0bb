/**
 * The command-line tool, run as a program.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { CorruptionError, SyncFailedError, Wal } from "../../mod.ts";
import { appendLines } from "../../src/cli/append.ts";
import { LineSplitter } from "../../src/cli/lines.ts";
import { DURABLE_FRAME_SIZE } from "../../src/format/durable_frame.ts";
import { SEGMENT_FRAME_SIZE } from "../../src/format/segment_frame.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { FaultyFileSystem } from "../../src/testing/faulty_file_system.ts";
import { spawn, spawnSync } from "../../kit/child.ts";
import { bytes, fromHex, KNOWN_ENTRIES, KNOWN_V1, text, withLog } from "../../kit/logs.ts";
import { command, ROOT } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

const MAIN = join(ROOT, "src/cli/main.ts");
const options = { timeout: 60_000 };

/** Where the first frame after the Segment frame stands. */
const FIRST_ENTRY = 8 + SEGMENT_FRAME_SIZE;

interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly raw: Uint8Array;
  readonly stderr: string;
}

/** Runs the tool with some input. */
function runWith(input: Uint8Array | string, ...args: string[]): Result {
  const { program, args: before } = command(MAIN, ...args);
  const { status, stdout, stderr } = spawnSync(program, before, { input, maxBuffer: 2 ** 26 });
  return { status, stdout: stdout.toString(), raw: stdout, stderr: stderr.toString() };
}

/** Runs the tool. */
function run(...args: string[]): Result {
  return runWith("", ...args);
}

/** The output of a run in which all goes well. */
function outputOf({ status, stdout, stderr }: Result): string {
  assertEquals(stderr, "");
  assertEquals(status, 0);
  return stdout;
}

/** The error of a run that ends with this exit code: one line. */
function errorOf({ status, stdout, stderr }: Result, expected = 1): string {
  assertEquals(stdout, "");
  assertMatch(stderr, /^wal: [^\n]+\n$/);
  assertEquals(status, expected);
  return stderr;
}

/** What is asked of an inspection; the rest is for people. */
interface Report {
  version: number | null;
  logId: string | null;
  size: number;
  entries: number;
  firstIndex: number;
  lastIndex: number;
  frames: Record<string, { count: number; bytes: number }>;
  durable: { offset: number; index: number };
  recovery: { case: string; offset: number; bytes: number; action: string };
}

function inspect(path: string): { status: number | null; report: Report } {
  const { status, stdout, stderr } = run("inspect", path, "--json");
  assertEquals(stderr, "");
  return { status, report: JSON.parse(stdout) };
}

async function entriesOf(path: string): Promise<string[]> {
  return await withLog(path, { readOnly: true }, (log) => log.readAll().map(text));
}

/** Every file in a folder, with its bytes. */
function snapshot(folder: string): [string, string][] {
  return readdirSync(folder).sort().map((
    name,
  ) => [name, readFileSync(join(folder, name)).toString("hex")]);
}

test("append takes lines from the input", options, () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    const first = runWith("one\n\ntwo\r\n three \nlast", "append", path);
    assertEquals(outputOf(first), "appended 5 entries: index 1 to 5\n");
    const second = runWith("six\n", "append", path);
    assertEquals(outputOf(second), "appended 1 entry: index 6\n");
    assertEquals(await entriesOf(path), ["one", "", "two\r", " three ", "last", "six"]);
  }));

test("append takes lines from a file, as bytes", options, () =>
  withFolder(async (folder) => {
    const path = join(folder, "sub/a.wal");
    const file = join(folder, "lines");
    const lines = [
      new Uint8Array([0xff, 0x00, 0x0d]),
      Uint8Array.from({ length: 700_000 }, (_, i) => i % 256).filter((byte) => byte !== 10),
      new Uint8Array([0xef, 0xbb, 0xbf]),
    ];
    writeFileSync(file, Buffer.concat(lines.flatMap((line) => [line, Buffer.from("\n")])));
    assertEquals(
      outputOf(run("append", path, file, "--format", "1")),
      "appended 3 entries: index 1 to 3\n",
    );
    await withLog(path, {}, (log) => {
      assertEquals(log.readAll(), lines);
      assertEquals(log.recovery.case, "A");
    });
    assertEquals(readFileSync(path)[7], 1);
    assertEquals(run("cat", path).raw.toString(), readFileSync(file).toString());
  }));

test("append of nothing makes an empty log", options, () =>
  withFolder((folder) => {
    const path = join(folder, "a.wal");
    assertEquals(outputOf(run("append", path)), "appended 0 entries\n");
    assertEquals(outputOf(run("cat", path)), "");
    const { size, entries, lastIndex } = inspect(path).report;
    assertEquals({ size, entries, lastIndex }, { size: FIRST_ENTRY, entries: 0, lastIndex: 0 });
  }));

test(
  "append tells what it did before a line was too large",
  options,
  () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.wal");
      const result = runWith(
        `short\n${"long".repeat(10)}\nshort\n`,
        ...["append", path, "--max-entry-size", "39"],
      );
      assertEquals(result.stdout, "appended 1 entry: index 1\n");
      assertMatch(result.stderr, /^wal: Cannot append 40 bytes .* \(ERR_WAL_ENTRY_TOO_LARGE\)\n$/);
      assertEquals(result.status, 1);
      assertEquals(await entriesOf(path), ["short"]);
    }),
);

test(
  "append refuses what it cannot read, and then makes no log",
  options,
  () =>
    withFolder((folder) => {
      const path = join(folder, "a.wal");
      const missing = join(folder, "missing");
      assertEquals(
        errorOf(run("append", path, missing)),
        `wal: Open "${missing}": no such file or directory (ENOENT)\n`,
      );
      assertEquals(existsSync(path), false);
      const { status, stderr } = run("append", path, folder);
      assertStringIncludes(stderr, "(EISDIR)\n");
      assertEquals(status, 1);
    }),
);

test("append does not pass another writer", options, () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    await withLog(path, {}, () => {
      assertStringIncludes(errorOf(runWith("x\n", "append", path)), "(ERR_WAL_LOCKED)");
    });
    assertEquals(await entriesOf(path), []);
  }));

test("lines are durable before the input ends", options, async () => {
  const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
  const input = new PassThrough();
  const done = appendLines(log, input, 100);
  for (const [chunk, expected] of [["no end yet", 0], ["\n", 1], ["b\nc\nd", 3]] as const) {
    input.write(chunk);
    for (let i = 0; i < 200 && log.durableIndex < expected; i++) await wait(5);
    assertEquals(log.durableIndex, expected);
  }
  input.end();
  await done;
  assertEquals(log.readAll().map(text), ["no end yet", "b", "c", "d"]);
  assertEquals(log.durableIndex, 4);
  await log.close();
});

test("a line that comes during a sync gets one of its own", options, async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const log = await Wal.open("a.wal", { fileSystem });
  const gate = Promise.withResolvers<void>();
  fileSystem.delay("syncData", () => gate.promise);
  const input = new PassThrough();
  const done = appendLines(log, input, 100);
  input.write("one\n");
  while (fileSystem.count("syncData") === 0) await wait(1);
  input.write("two\n");
  while (log.lastIndex < 2) await wait(1);
  gate.resolve();
  for (let i = 0; i < 200 && log.durableIndex < 2; i++) await wait(5);
  assertEquals(log.durableIndex, 2);
  input.end();
  await done;
  await log.close();
});

test("append does not run far ahead of the disk", options, async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const log = await Wal.open("a.wal", { fileSystem });
  const gate = Promise.withResolvers<void>();
  fileSystem.delay("syncData", () => gate.promise);
  const chunk = new Uint8Array(2 ** 20).fill(97);
  chunk[chunk.length - 1] = 10;
  const done = appendLines(log, Readable.from(Array.from({ length: 40 }, () => chunk)), 2 ** 20);
  while (log.lastIndex < 16) await wait(1);
  await wait(100);
  assertEquals(log.lastIndex, 16);
  gate.resolve();
  await done;
  assertEquals(log.durableIndex, 40);
  await log.close();
});

test("a failed sync ends append, even if no more input comes", options, async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const log = await Wal.open("a.wal", { fileSystem });
  fileSystem.fail("syncData", "EIO");
  const input = new PassThrough();
  input.write("one\n");
  await assertRejects(() => appendLines(log, input, 100), SyncFailedError);
  await log.close();
});

test("lines are the same however the input is cut into chunks", () => {
  const input = bytes("\none\n\n\ntwo three\nfour\r\n\nfive");
  const expected = ["", "one", "", "", "two three", "four\r", "", "five"];
  for (let a = 0; a <= input.length; a++) {
    for (let b = a; b <= input.length; b++) {
      const splitter = new LineSplitter(100);
      const lines: string[] = [];
      for (const chunk of [input.subarray(0, a), input.subarray(a, b), input.subarray(b)]) {
        for (const line of splitter.split(chunk)) lines.push(text(line));
      }
      for (const line of splitter.end()) lines.push(text(line));
      assertEquals(lines, expected, `cut at ${a} and ${b}`);
    }
  }
});

test("a line above the limit is not gathered any further", () => {
  const splitter = new LineSplitter(10);
  assertEquals([...splitter.split(bytes("1234567890"))], []);
  assertEquals([...splitter.split(bytes("1"))].map(text), ["12345678901"]);
  assertEquals([...splitter.split(bytes("2\n3"))].map(text), ["2"]);
});

test("cat writes ranges, and JSON", options, () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    const entries = [bytes("größer \u{1F512}"), bytes(""), fromHex("fffe0a"), fromHex("efbbbf22")];
    await withLog(path, {}, (log) => entries.forEach((entry) => log.append(entry)));

    const lines = entries.flatMap((entry) => [entry, bytes("\n")]);
    assertEquals(new Uint8Array(run("cat", path).raw), new Uint8Array(Buffer.concat(lines)));
    const middle = run("cat", path, "--from", "2", "--to", "3").raw;
    assertEquals(new Uint8Array(middle), fromHex("0afffe0a0a"));
    assertEquals(run("cat", "--from=4", path).raw.length, 5);
    assertEquals(outputOf(run("cat", path, "--from", "5")), "");

    const json = outputOf(run("cat", path, "--json")).trimEnd().split("\n");
    assertEquals(json[0], '{"index":1,"text":"größer \u{1F512}"}');
    assertEquals(json.map((line) => JSON.parse(line)), [
      { index: 1, text: "größer \u{1F512}" },
      { index: 2, text: "" },
      { index: 3, base64: "//4K" },
      { index: 4, text: '\ufeff"' },
    ]);
    for (const range of [["--from", "0"], ["--from", "6"], ["--to", "5"]]) {
      const error = errorOf(run("cat", path, ...range));
      assertStringIncludes(error, "(ERR_WAL_INDEX_OUT_OF_RANGE)\n");
    }
  }));

test(
  "cat refuses a log whose acknowledged data is damaged",
  options,
  () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.wal");
      await withLog(path, {}, async (log) => {
        for (const entry of ["one", "two", "three"]) await log.appendAndSync(bytes(entry));
      });
      const file = readFileSync(path);
      file[file.indexOf("three")] = 0;
      writeFileSync(path, file);
      assertStringIncludes(errorOf(run("cat", path)), "(ERR_WAL_CORRUPT)\n");
    }),
);

test(
  "cat waits for its reader, and ends quietly when that has seen enough",
  options,
  () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.wal");
      const size = 100_000;
      await withLog(path, {}, (log) => {
        for (let i = 0; i < 100; i++) log.append(new Uint8Array(size).fill(97));
      });
      const { program, args } = command(MAIN, "cat", path);
      const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
      let stderr = "";
      child.stderr.on("data", (chunk) => stderr += chunk);
      const ended = once(child, "exit");
      // A program that writes ten megabytes without a reader is still there after a while.
      assertEquals(await Promise.race([ended, wait(1500, "waits")]), "waits");
      for await (const chunk of child.stdout) {
        assertEquals(chunk[0], 97);
        break; // closes the pipe
      }
      assertEquals((await ended)[0], 0);
      assertEquals(stderr, "");
    }),
);

test("the errors of a log are one line each", options, () =>
  withFolder((folder) => {
    const missing = join(folder, "missing.wal");
    assertStringIncludes(errorOf(run("cat", missing)), "(ERR_WAL_NOT_FOUND)\n");
    assertEquals(
      errorOf(run("inspect", missing)),
      `wal: Open "${missing}": no such file or directory (ENOENT)\n`,
    );
    assertStringIncludes(errorOf(run("append", folder)), "(ERR_WAL_NOT_A_FILE)\n");

    const other = join(folder, "other");
    writeFileSync(other, "not a log at all");
    const before = snapshot(folder);
    for (const name of ["append", "cat", "inspect"]) {
      const error = errorOf(run(name, other));
      assertStringIncludes(error, "is not a log");
      assertStringIncludes(error, "(ERR_WAL_FORMAT)\n");
    }
    assertEquals(snapshot(folder), before);
  }));

test("a mistake in the usage is reported with the usage", options, () =>
  withFolder((folder) => {
    const path = join(folder, "a.wal");
    const mistakes: [string[], string][] = [
      [[], "The COMMAND is missing."],
      [["list", path], 'Unknown command "list".'],
      [["cat"], "The path of the LOG is missing."],
      [["append", ""], "The path of the LOG is missing."],
      [["append", path, "a", "b"], 'Unexpected argument "b".'],
      [["cat", path, "more"], 'Unexpected argument "more".'],
      [["cat", path, "--frames"], "Unknown option '--frames'."],
      [["cat", path, "--from", "1.5"], '--from must be a whole number, not "1.5".'],
      [["append", path, "--format", "3"], '--format must be 1 or 2, not "3".'],
    ];
    for (const [args, message] of mistakes) {
      const { status, stdout, stderr } = run(...args);
      assertEquals(stderr.split("\n\n")[0], `wal: ${message}`);
      assertStringIncludes(stderr, "\nUsage: wal COMMAND LOG");
      assertEquals(stdout, "");
      assertEquals(status, 2);
    }
    assertEquals(readdirSync(folder), []);
  }));

test("help and version", options, () => {
  const help = outputOf(run("--help"));
  assertMatch(help, /^Usage: wal COMMAND LOG/);
  assertEquals(outputOf(run("cat", "--help")), help);
  const { version } = JSON.parse(readFileSync(join(ROOT, "deno.json"), "utf8"));
  assertEquals(outputOf(run("--version")), `${version}\n`);
});

test("the program does not run when another one imports it", options, () =>
  withFolder((folder) => {
    const importer = join(folder, "importer.ts");
    const url = pathToFileURL(MAIN).href;
    writeFileSync(importer, `import { main } from "${url}";\nconsole.log(typeof main);\n`);
    const { program, args } = command(importer, "--help");
    const { status, stdout } = spawnSync(program, args, { encoding: "utf8" });
    assertEquals(stdout, "function\n");
    assertEquals(status, 0);
  }));

test("inspect tells what a log holds", options, () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    await withLog(path, {}, async (log) => {
      await log.appendAndSync(bytes("hello"));
      log.append(bytes(""));
    });
    const size = FIRST_ENTRY + 14 + 2 * DURABLE_FRAME_SIZE + 9;
    const { status, report } = inspect(path);
    assertEquals(status, 0);
    assertMatch(report.logId ?? "", /^[0-9a-f]{16}$/);
    assertEquals(report.logId, readFileSync(path).subarray(18, 26).toString("hex"));
    const { version, entries, firstIndex, lastIndex, frames, durable, recovery } = report;
    assertEquals(report.size, size);
    assertEquals({ version, entries, firstIndex, lastIndex }, {
      version: 2,
      entries: 2,
      firstIndex: 1,
      lastIndex: 2,
    });
    assertEquals(frames, {
      data: { count: 2, bytes: 23 },
      segment: { count: 1, bytes: SEGMENT_FRAME_SIZE },
      batch: { count: 0, bytes: 0 },
      durable: { count: 2, bytes: 2 * DURABLE_FRAME_SIZE },
      seal: { count: 0, bytes: 0 },
    });
    assertEquals(durable, { offset: size - DURABLE_FRAME_SIZE, index: 2 });
    assertEquals({ ...recovery, verdict: "" }, {
      case: "A",
      verdict: "",
      offset: size,
      bytes: 0,
      action: "none",
    });
    assertEquals(outputOf(run("inspect", path)).split("\n"), [
      `log       ${path}`,
      "format    version 2",
      `log id    ${report.logId}`,
      `size      ${size} bytes`,
      "entries   2 (index 1 to 2)",
      `segments  ${path}, version 2, index 1 to 2, ${size} bytes, not sealed`,
      "frames    Data 2 (23 bytes), Segment 1 (46 bytes), Batch 0 (0 bytes), Durable 2 (84 bytes), " +
      "Seal 0 (0 bytes)",
      `durable   covered by a Durable frame up to offset ${size - DURABLE_FRAME_SIZE}, index 2`,
      `recovery  case A at offset ${size}: clean end`,
      "opening   would cut nothing",
      "",
    ]);
  }));

test("inspect lists the frames of a version 1 log", options, () =>
  withFolder((folder) => {
    const path = join(folder, "a.wal");
    writeFileSync(path, KNOWN_V1);
    assertEquals(
      outputOf(run("cat", path)),
      KNOWN_ENTRIES.map((entry) => `${text(entry)}\n`).join(""),
    );
    assertEquals(outputOf(run("inspect", path, "--frames")).split("\n"), [
      `log       ${path}`,
      "format    version 1",
      "log id    none",
      "size      56 bytes",
      "entries   3 (index 1 to 3)",
      `segments  ${path}, version 1, index 1 to 3, 56 bytes, not sealed`,
      "frames    Data 3 (48 bytes), Segment 0 (0 bytes), Batch 0 (0 bytes), Durable 0 (0 bytes), " +
      "Seal 0 (0 bytes)",
      "durable   no Durable frame covers anything",
      "recovery  case A at offset 56: clean end",
      "opening   would cut nothing",
      "",
      "      offset  type          length       index  checksum",
      "           8  Data               5           1  acb7c360",
      "          22  Data               0           2  fb42dead",
      "          31  Data              16           3  6a8459ff",
      "",
    ]);
    assertEquals(readFileSync(path).toString("hex"), Buffer.from(KNOWN_V1).toString("hex"));
  }));

test("the listed frames leave no byte out", options, () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    // Small ones, so that every kind of frame gets to lie across the ends of what is read at once.
    const sizes = Array.from({ length: 20_000 }, (_, i) => i % 3000 === 7 ? 150_000 : i % 21);
    await withLog(path, {}, async (log) => {
      for (const [i, size] of sizes.entries()) {
        log.append(new Uint8Array(size).fill(i));
        if (i % 10 === 0) await log.sync();
      }
    });
    const lines = outputOf(run("inspect", path, "--frames", "--json")).trimEnd().split("\n");
    const [report, ...frames] = lines.map((line) => JSON.parse(line));
    let offset = 8;
    const counts = { data: 0, segment: 0, durable: 0 };
    for (const frame of frames) {
      assertEquals(frame.offset, offset);
      counts[frame.type as keyof typeof counts]++;
      if (frame.type === "data") {
        assertEquals(frame.index, counts.data);
        assertEquals(frame.length, sizes[frame.index - 1]);
      }
      if (frame.type === "durable") assert(frame.durableOffset <= offset);
      offset += 9 + frame.length;
    }
    assertEquals(offset, report.size);
    assertEquals(counts.data, sizes.length);
    for (const [type, count] of Object.entries(counts)) {
      assertEquals(report.frames[type].count, count);
    }
  }));

/** A log of three entries, each synced, that was closed. */
async function threeEntries(path: string): Promise<number> {
  await withLog(path, {}, async (log) => {
    for (const entry of ["one", "two", "three"]) await log.appendAndSync(bytes(entry));
  });
  return readFileSync(path).length;
}

/** Ways to damage the log of {@linkcode threeEntries}, and what inspect says of each. */
const DAMAGE: readonly {
  readonly what: string;
  readonly damage: (path: string, size: number) => void;
  readonly expected: { case: string; action: string; entries: number };
}[] = [
  {
    what: "a torn Durable frame",
    damage: (path, size) => truncateSync(path, size - 2),
    expected: { case: "E", action: "cut", entries: 3 },
  },
  {
    what: "a torn entry",
    damage: (path, size) => truncateSync(path, size - DURABLE_FRAME_SIZE - 1),
    expected: { case: "E", action: "cut", entries: 2 },
  },
  {
    what: "zeros after the end",
    damage: (path, size) => truncateSync(path, size + 5000),
    expected: { case: "B", action: "cut", entries: 3 },
  },
  {
    what: "a frame out of its place",
    damage: (path) => writeFileSync(path, Buffer.concat([KNOWN_V1, bytes("?"), KNOWN_V1])),
    expected: { case: "D", action: "set aside", entries: 3 },
  },
  {
    what: "a rotten entry that was acknowledged",
    damage: (path) => {
      const file = readFileSync(path);
      file[file.indexOf("two")] = 0;
      writeFileSync(path, file);
    },
    expected: { case: "C", action: "refuse", entries: 1 },
  },
  {
    what: "a rotten Segment frame",
    damage: (path) => {
      const file = readFileSync(path);
      file[20] = 255 - Number(file[20]);
      writeFileSync(path, file);
    },
    expected: { case: "C", action: "refuse", entries: 0 },
  },
  {
    what: "an empty file",
    damage: (path) => truncateSync(path, 0),
    expected: { case: "A", action: "none", entries: 0 },
  },
  {
    what: "half a header",
    damage: (path) => truncateSync(path, 5),
    expected: { case: "E", action: "cut", entries: 0 },
  },
  {
    what: "no Segment frame, but other bytes",
    damage: (path) =>
      writeFileSync(path, Buffer.concat([bytes("WAL!\0\0\0\x02"), bytes("?".repeat(500))])),
    expected: { case: "E", action: "set aside", entries: 0 },
  },
];

for (const { what, damage, expected } of DAMAGE) {
  test(`inspect foretells what open does: ${what}`, options, () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.wal");
      damage(path, await threeEntries(path));
      const before = snapshot(folder);

      const { status, report } = inspect(path);
      const { recovery } = report;
      const { case: verdict, action } = recovery;
      assertEquals({ case: verdict, action, entries: report.entries }, expected);
      assertEquals(report.size, readFileSync(path).length);
      const human = run("inspect", path, "--frames");
      assertStringIncludes(
        human.stdout,
        `recovery  case ${verdict} at offset ${recovery.offset}: `,
      );
      assertEquals(human.status, status);
      assertEquals(snapshot(folder), before);

      if (action === "refuse") {
        assertEquals(status, 1);
        const error = await assertRejects(() => Wal.open(path), CorruptionError);
        assertEquals(error.offset, recovery.offset);
        assertEquals(error.firstIndexAtRisk, report.lastIndex + 1);
        assertStringIncludes(human.stdout, `index ${error.firstIndexAtRisk} on\n`);
        assert(recovery.offset < report.durable.offset || expected.entries === 0);
        return;
      }
      assertEquals(status, 0);
      await withLog(path, {}, (log) => {
        const { case: decided, offset, bytesCut, setAside, entries } = log.recovery;
        assertEquals({ decided, offset, bytesCut, entries }, {
          decided: verdict,
          offset: recovery.offset,
          bytesCut: recovery.bytes,
          entries: report.entries,
        });
        assertEquals(setAside !== undefined, action === "set aside");
      });
    }));
}

test(
  "inspect and cat work beside a writer, and leave no trace",
  options,
  () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.wal");
      await withLog(path, {}, async (log) => {
        await log.appendAndSync(bytes("durable"));
        log.append(bytes("not yet durable"));
        const before = snapshot(folder);
        const { status, report } = inspect(path);
        assertEquals(status, 0);
        assertEquals(report.entries, 2);
        assertEquals(report.durable, { offset: FIRST_ENTRY + 9 + 7, index: 1 });
        assertEquals(outputOf(run("cat", path)), "durable\nnot yet durable\n");
        assertEquals(snapshot(folder), before);
      });
    }),
);

test(
  "inspect beside a busy writer sees whole entries",
  options,
  () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.wal");
      await withLog(path, {}, async (log) => {
        const entry = new Uint8Array(5000).fill(1);
        log.append(entry);
        const { program, args } = command(MAIN, "inspect", path, "--json");
        const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
        let output = "";
        for (const stream of [child.stdout, child.stderr]) {
          stream.on("data", (chunk) => output += chunk);
        }
        let running = true;
        const ended = once(child, "close").finally(() => running = false);
        while (running) {
          for (let i = 0; i < 20; i++) log.append(entry);
          await log.sync();
          await wait(1);
        }
        assertEquals((await ended)[0], 0, output);
        const { entries, frames, recovery }: Report = JSON.parse(output);
        // The end may be in the middle of a write.
        assert(recovery.action === "none" || recovery.action === "cut", output);
        assert(entries > 0 && entries <= log.lastIndex);
        assertEquals(frames["data"], { count: entries, bytes: entries * 5009 });
      });
    }),
);
