/**
 * `wal recover`, `wal import` and `wal cat --skip-damaged`, run as programs.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { spawnSync } from "../../kit/child.ts";
import { bytes, text, withLog } from "../../kit/logs.ts";
import { command, ROOT } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

const MAIN = join(ROOT, "src/cli/main.ts");
const options = { timeout: 120_000 };

/** What a log of 200 entries is in: two segments, of 186 and of 14 entries. */
const COUNT = 200;
const SECOND = 187;

interface Result {
  readonly status: number | null;
  readonly lines: string[];
  readonly stderr: string;
}

function runWith(input: string, ...args: string[]): Result {
  const { program, args: before } = command(MAIN, ...args);
  const { status, stdout, stderr } = spawnSync(program, before, { input, encoding: "utf8" });
  return { status, lines: stdout === "" ? [] : stdout.trimEnd().split("\n"), stderr };
}

function run(...args: string[]): Result {
  return runWith("", ...args);
}

/** A line of JSON, as far as the tests ask. */
interface Line {
  readonly index?: number | null;
  readonly text?: string;
  readonly setAside?: string;
  readonly missing?: {
    file: string;
    offset?: number;
    bytes?: number;
    fromIndex?: number;
    toIndex?: number;
    entries?: number;
    what: string;
  };
}

function parsed(lines: readonly string[]): Line[] {
  return lines.map((line) => JSON.parse(line));
}

/** The index of each entry. Each must hold what was written under its index. */
function indexesOf(lines: readonly Line[]): number[] {
  return lines.filter(({ missing }) => missing === undefined).map(({ index, text }) => {
    assertEquals(text, `entry ${index}`);
    return index as number;
  });
}

function missingIn(lines: readonly Line[]): NonNullable<Line["missing"]>[] {
  return lines.flatMap(({ missing }) => missing === undefined ? [] : [missing]);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/** A log of entries "entry 1" and so on, a Durable frame after each ten. */
async function make(path: string, count: number = COUNT): Promise<void> {
  await withLog(path, { segmentSize: 4096 }, async (log) => {
    for (let i = 1; i <= count; i++) {
      log.append(bytes(`entry ${i}`));
      if (i % 10 === 5) await log.sync();
    }
  });
}

async function entriesOf(path: string): Promise<string[]> {
  return await withLog(path, { readOnly: true }, (log) => log.readAll().map(text));
}

function segment(path: string, firstIndex: number): string {
  return `${path}.${String(firstIndex).padStart(20, "0")}`;
}

function change(path: string, at: number, ...values: number[]): void {
  const content = readFileSync(path);
  content.set(values, at);
  writeFileSync(path, content);
}

function flip(path: string, at: number): void {
  change(path, at, (readFileSync(path)[at] as number) ^ 1);
}

/** Where the first Durable frame of a file stands. */
function durableIn(path: string): number {
  return readFileSync(path).indexOf(Uint8Array.of(2, 0, 0, 0, 33));
}

/** Where the frame of an entry stands. */
function entryIn(path: string, index: number): number {
  return readFileSync(path).indexOf(`entry ${index}`) - 9;
}

function snapshot(folder: string): [string, string][] {
  return readdirSync(folder).sort()
    .map((name) => [name, readFileSync(join(folder, name)).toString("hex")]);
}

test(
  "a flipped byte of a Durable frame hides no entry",
  options,
  () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.wal");
      await make(path);
      const last = segment(path, SECOND);
      const at = durableIn(last);
      flip(last, at + 20);
      const before = snapshot(folder);

      const refused = run("cat", path);
      assertEquals(refused.status, 1);
      assertStringIncludes(refused.stderr, "`wal recover` gives out every entry that is whole");
      assertStringIncludes(refused.stderr, "run `wal repair`");

      const { status, lines, stderr } = run("recover", path);
      assertEquals(status, 1);
      assertEquals(stderr, "wal: recovered 200 entries\nwal: missing: 1 place\n");
      const found = parsed(lines);
      assertEquals(indexesOf(found), range(1, COUNT));
      const what = "a Durable frame of 42 bytes fails its checksum";
      assertEquals(missingIn(found), [{ file: last, offset: at, bytes: 42, entries: 0, what }]);
      assert(found.findIndex(({ missing }) => missing !== undefined) > SECOND);

      const shown = run("cat", path, "--skip-damaged");
      assertEquals(shown.lines, range(1, COUNT).map((i) => `entry ${i}`));
      assertStringIncludes(
        shown.stderr,
        `wal: missing: ${last}: offset ${at}, 42 bytes, no entry:`,
      );
      assertEquals(shown.status, 1);
      const some = run("cat", path, "--skip-damaged", "--json", "--from", "3", "--to", "5");
      assertEquals(indexesOf(parsed(some.lines)), [3, 4, 5]);
      assertEquals(snapshot(folder), before);
    }),
);

test(
  "a flipped bit of the magic number hides no entry",
  options,
  () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.wal");
      await make(path);
      flip(path, 0);
      const { status, lines } = run("recover", path);
      const found = parsed(lines);
      assertEquals(indexesOf(found), range(1, COUNT));
      const what = "the file header is not valid";
      assertEquals(missingIn(found), [{ file: path, offset: 0, bytes: 8, entries: 0, what }]);
      assertEquals(status, 1);
      const repair = run("repair", path);
      assertEquals(repair.status, 1);
      assertStringIncludes(repair.stderr, "`wal recover` gives out every entry that is whole");
      assertStringIncludes(repair.stderr, "--into NEW");
      // Of a log in one file, what opening says of it.
      rmSync(segment(path, SECOND));
      assertStringIncludes(run("cat", path).stderr, "`wal recover` gives out every entry");
      assertEquals(indexesOf(parsed(run("recover", path).lines)), range(1, SECOND - 1));
    }),
);

test(
  "a whole log gives what cat gives, and nothing is missing",
  options,
  () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.wal");
      await make(path);
      const cat = run("cat", "--json", path);
      assertEquals(run("recover", path), { ...cat, status: 0, stderr: "" });
      assertEquals(run("cat", "--skip-damaged", "--json", path), cat);
      const link = join(folder, "link.wal");
      symlinkSync(path, link);
      assertEquals(run("recover", link), { ...cat, status: 0, stderr: "" });
    }),
);

test(
  "what is recovered goes into a new log and into lines, and those into logs",
  options,
  () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.wal");
      await make(path);
      change(path, entryIn(path, 50), ...new Uint8Array(40));
      const [into, lines, again] = ["b.wal", "b.json", "c.wal"].map((name) => join(folder, name));
      assert(into !== undefined && lines !== undefined && again !== undefined);
      const before = snapshot(folder);
      const result = run("recover", path, "--into", into, "-o", lines);
      assertEquals(result.status, 1);
      assertEquals(result.lines, [
        `missing: ${path}: offset ${entryIn(path, 49) + 17}, 51 bytes, index 50 to 52: ` +
        "3 entries fail their checksums",
        "index 53 to 200 is now index 50 to 197",
        `recovered into "${into}": 197 entries: index 1 to 197`,
        "missing: 1 place",
      ]);
      const kept = [...range(1, 49), ...range(53, COUNT)];
      assertEquals(await entriesOf(into), kept.map((i) => `entry ${i}`));
      assertEquals(indexesOf(parsed(readFileSync(lines, "utf8").trimEnd().split("\n"))), kept);
      assertEquals(snapshot(folder).filter(([name]) => name.startsWith("a.wal")), before);

      const imported = run("import", again, lines);
      assertEquals(imported.status, 0);
      assertEquals(imported.lines, [
        "index 53 to 200 is now index 50 to 197",
        "imported 197 entries: index 1 to 197",
      ]);
      assertEquals(imported.stderr, "wal: line 50: index 50 to 52 is missing there\n");
      assertEquals(await entriesOf(again), await entriesOf(into));
      // Into one that has entries, those follow.
      const more = runWith(readFileSync(lines, "utf8"), "import", again);
      assertEquals(more.status, 0);
      assertEquals(more.lines.at(-1), "imported 197 entries: index 198 to 394");

      // Nothing that is there is written over.
      const after = snapshot(folder);
      assertStringIncludes(run("recover", path, "--into", into).stderr, "(EEXIST)");
      assertStringIncludes(run("recover", path, "-o", lines).stderr, "(EEXIST)");
      for (
        const [option, name] of [["--into", "a.wal.00000000000000000500"], ["-o", "a.wal.meta"]]
      ) {
        const refused = run("recover", path, option ?? "", join(folder, name ?? ""));
        assertEquals(refused.status, 2, name);
        assertStringIncludes(refused.stderr, "must not be a file of the log itself");
      }
      assertEquals(snapshot(folder), after);
    }),
);

test("a new log keeps the first index", options, () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    await make(path);
    rmSync(path);
    const into = join(folder, "of its own", "b.wal");
    const { status, lines } = run("recover", path, "--into", into);
    assertEquals(lines, [
      `missing: ${path}: index 1 to 186: the file is missing`,
      `recovered into "${into}": 14 entries: index 187 to 200`,
      "missing: 1 place",
    ]);
    assertEquals(status, 1);
    await withLog(into, {}, (log) => {
      assertEquals([log.firstIndex, log.lastIndex], [SECOND, COUNT]);
      assertEquals(text(log.getEntry(SECOND)), `entry ${SECOND}`);
    });
  }));

test(
  "one segment's file and one that was set aside are recovered alone",
  options,
  () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.wal");
      await make(path);
      const alone = join(folder, "alone");
      mkdirSync(alone);
      const last = segment(path, SECOND);
      const copy = segment(join(alone, "a.wal"), SECOND);
      writeFileSync(copy, readFileSync(last));
      const found = run("recover", copy);
      assertEquals(indexesOf(parsed(found.lines)), range(SECOND, COUNT));
      assertEquals(found.status, 0);
      assertStringIncludes(found.stderr, "only this file was read");

      flip(last, durableIn(last) + 20);
      assertEquals(run("repair", path).status, 0);
      const [cut = ""] = readdirSync(folder).filter((name) => name.includes(".cut-"));
      const first = (await entriesOf(path)).length + 1;
      // Beside its segment its indexes are known, and elsewhere within a range.
      const beside = parsed(run("recover", join(folder, cut)).lines);
      assertEquals(indexesOf(beside), range(first, COUNT));
      writeFileSync(join(alone, cut), readFileSync(join(folder, cut)));
      rmSync(copy);
      const elsewhere = parsed(run("recover", join(alone, cut)).lines);
      assertEquals(elsewhere.flatMap(({ text }) => text ?? []), range(first, COUNT).map(named));
      assert(elsewhere.every(({ index }) => index === null || index === undefined));

      // In the log they stand before what was appended in their place.
      await withLog(path, {}, (log) => log.append(bytes("appended since")));
      const all = parsed(run("recover", path).lines).filter(({ missing }) => missing === undefined);
      assertEquals(all.map(({ text }) => text), [
        ...range(1, COUNT).map(named),
        "appended since",
      ]);
      assertEquals(all.map(({ index }) => index), [...range(1, COUNT), first]);
      const setAside = all.filter((line) => line.setAside === join(folder, cut));
      assertEquals(indexesOf(setAside), range(first, COUNT));
      const without = parsed(run("recover", path, "--no-set-aside").lines);
      assertEquals(without.length, first);
    }),
);

function named(index: number): string {
  return `entry ${index}`;
}

test(
  "import says which line it does not take, and takes nothing of a file with one",
  options,
  () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.wal");
      const file = join(folder, "lines");
      const good = '{"index":7,"text":"seven"}\n\n{"index":8,"base64":"/wA="}\n';
      writeFileSync(file, `${good}no JSON\n{"index":10,"text":"ten"}\n`);
      const refused = run("import", path, file);
      assertStringIncludes(refused.stderr, `wal: Line 4 of ${file} is not taken: it is no JSON`);
      assertMatch(refused.stderr, /Nothing was taken\. \(ERR_WAL_INVALID_ARGUMENT\)\n$/);
      assertEquals(refused.status, 1);
      assertEquals(existsSync(path), false);
      const streamed = runWith(`${good}{"index":9}\n`, "import", path);
      assertEquals(streamed.lines, ["imported 2 entries: index 7 to 8"]);
      assertStringIncludes(
        streamed.stderr,
        "wal: Line 4 of the input is not taken: it has neither",
      );
      assertEquals(streamed.status, 1);
      await withLog(path, { readOnly: true }, (log) => {
        assertEquals([log.firstIndex, log.lastIndex], [7, 8]);
        assertEquals([...log.getEntry(8)], [255, 0]);
      });
      const limit = ["--max-entry-size", "5"];
      const large = runWith('{"text":"too large"}\n', "import", path, ...limit);
      assertStringIncludes(large.stderr, "Give --max-entry-size 9 or more.");
      const marked = runWith(
        '{"index":9,"text":"half","batch":"incomplete"}\n{"index":10,"text":"x","dropped":true}\n',
        "import",
        path,
      );
      assertEquals(marked.lines, [
        "imported 0 entries",
        "left out 2 lines of entries that were dropped, or are of batches that are not whole; " +
        "--all takes them too",
      ]);
    }),
);

test(
  "import takes nothing of a file that has more entries than there are indexes",
  options,
  () =>
    withFolder((folder) => {
      const path = join(folder, "a.wal");
      const file = join(folder, "lines");
      const last = Number.MAX_SAFE_INTEGER - 1;
      writeFileSync(file, `{"index":${last},"text":"last"}\n{"text":"one more"}\n`);
      const refused = run("import", path, file);
      assertMatch(refused.stderr, /Nothing was taken\. \(ERR_WAL_INDEX_OUT_OF_RANGE\)\n$/);
      assertEquals([refused.status, refused.lines], [1, []]);
      writeFileSync(file, `{"index":${last},"text":"last"}\n`);
      assertEquals(run("import", path, file).lines, [`imported 1 entry: index ${last}`]);
      assertEquals(run("import", path, file).status, 1);
    }),
);

test(
  "another version of a segment under another name is reported",
  options,
  () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.wal");
      await withLog(path, {}, (log) => log.append(bytes("entry 1")));
      const older = readFileSync(path);
      await withLog(path, {}, (log) => log.append(bytes("entry 2")));
      const copy = `${path}.00000000000000000009`;
      writeFileSync(copy, readFileSync(path));
      const same = run("recover", path);
      assertEquals([same.status, same.lines.length], [0, 2]);
      assertStringIncludes(same.stderr, `${copy}: a copy of the segment from index 1`);
      writeFileSync(copy, older);
      const differs = run("recover", path);
      assertEquals(differs.status, 1);
      const [told] = parsed(differs.lines).filter(({ missing }) => missing !== undefined);
      assertStringIncludes(JSON.stringify(told), "another version of the segment from index 1");
      assertEquals(run("recover", copy).lines.length, 1);
    }),
);

test(
  "a log that a writer has open is read, and the writer is reported",
  options,
  () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.wal");
      await withLog(path, {}, async (log) => {
        log.append(bytes("entry 1"));
        await log.sync();
        const { status, lines, stderr } = run("recover", path);
        assertEquals(indexesOf(parsed(lines)), [1]);
        assertMatch(
          stderr,
          /^wal: .*a\.wal\.lock: the process \d+.* has the log open to write, and/,
        );
        assertEquals(status, 0);
      });
      assertEquals(run("recover", path).stderr, "");
    }),
);

test(
  "the exit code is 2 for a mistake in the usage, and 1 where nothing is",
  options,
  () =>
    withFolder((folder) => {
      const path = join(folder, "a.wal");
      for (const args of [["recover", path, "--all", "--certain"], ["import"]]) {
        assertEquals(run(...args).status, 2, args.join(" "));
      }
      const none = run("recover", path);
      assertEquals([none.status, none.lines], [1, []]);
      assertStringIncludes(none.stderr, "(ENOENT)");
      writeFileSync(path, "Something else, and not a log.");
      const other = run("recover", path);
      assertStringIncludes(other.stderr, "is not a log, nor a part of one");
      assertEquals(other.status, 1);
    }),
);

test("errors are in the words of the command line", options, () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    await make(path, 20);
    const words = /\{ |maxEntrySize|readOnly|recovery|segmentSize/;
    const large = run("cat", path, "--max-entry-size", "4");
    assertStringIncludes(large.stderr, "Give --max-entry-size");
    const append = runWith("too large\n", "append", path, "--max-entry-size", "8");
    assertStringIncludes(append.stderr, "give a larger --max-entry-size");
    await withLog(path, {}, () => {
      const locked = runWith("x\n", "append", path);
      assertStringIncludes(locked.stderr, "or only read it, with `wal cat`");
      assert(!words.test(locked.stderr), locked.stderr);
    });
    flip(path, entryIn(path, 2) + 10);
    const corrupt = run("cat", path);
    assertStringIncludes(corrupt.stderr, "To continue with what is before them, run `wal repair`:");
    for (const { stderr } of [large, append, corrupt]) assert(!words.test(stderr), stderr);
    truncateSync(path, 40);
    assertEquals(run("cat", path, "--max-entry-size", "0").status, 2);
  }));
