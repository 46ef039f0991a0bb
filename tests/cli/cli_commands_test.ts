/**
 * `wal tail`, `truncate`, `repair`, and `inspect` of several segments, run as programs.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { once } from "node:events";
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { Wal } from "../../mod.ts";
import { spawn, spawnSync } from "../../kit/child.ts";
import { bytes, text, withLog } from "../../kit/logs.ts";
import { command, ROOT } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

const MAIN = join(ROOT, "src/cli/main.ts");
const options = { timeout: 60_000 };

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { program, args: before } = command(MAIN, ...args);
  const { status, stdout, stderr } = spawnSync(program, before, { encoding: "utf8" });
  return { status, stdout, stderr };
}

/** The lines of a run in which all goes well. */
function linesOf(...args: string[]): string[] {
  const { status, stdout, stderr } = run(...args);
  assertEquals({ status, stderr }, { status: 0, stderr: "" }, stdout);
  return stdout === "" ? [] : stdout.trimEnd().split("\n");
}

/** A log of entries "entry 1" and so on in small segments. */
async function make(path: string, count: number): Promise<void> {
  await withLog(path, { segmentSize: 1000 }, (log) => {
    for (let i = 1; i <= count; i++) log.append(bytes(`entry ${i}`));
  });
}

async function entriesOf(path: string): Promise<string[]> {
  return await withLog(path, { readOnly: true }, (log) => log.readAll().map(text));
}

function expectedEntries(first: number, last: number): string[] {
  return Array.from({ length: last - first + 1 }, (_, i) => `entry ${first + i}`);
}

function snapshot(folder: string): [string, string][] {
  return readdirSync(folder).sort()
    .map((name) => [name, readFileSync(join(folder, name)).toString("hex")]);
}

function segmentsOf(folder: string): string[] {
  return readdirSync(folder).filter((name) => /^a\.wal(\.\d{20})?$/.test(name)).sort()
    .map((name) => join(folder, name));
}

function indexOf(path = ""): number {
  return Number(/\.(\d{20})$/.exec(path)?.[1] ?? 1);
}

test("tail writes the last entries", options, () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    await make(path, 200);
    assertEquals(linesOf("tail", path), expectedEntries(191, 200));
    assertEquals(linesOf("tail", path, "-n", "120"), expectedEntries(81, 200));
    assertEquals(linesOf("tail", path, "-n", "1000").length, 200);
    assertEquals(linesOf("tail", path, "-n", "0"), []);
    assertEquals(linesOf("tail", "-n2", "--json", path), [
      '{"index":199,"text":"entry 199"}',
      '{"index":200,"text":"entry 200"}',
    ]);
    assertEquals(run("tail", path, "-n", "x").status, 2);
  }));

test("tail follows a writer until it is told to end", options, () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    await make(path, 5);
    const log = await Wal.open(path, { segmentSize: 1000 });
    try {
      for (const [signal, ...more] of [["SIGTERM"], ["SIGINT", "--no-durable"]] as const) {
        const { program, args } = command(MAIN, "tail", path, "-n", "2", "-f", ...more);
        const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
        let output = "";
        let errors = "";
        child.stdout.on("data", (chunk) => output += chunk);
        child.stderr.on("data", (chunk) => errors += chunk);
        const ended = once(child, "close");
        const first = log.lastIndex + 1;
        const expected = expectedEntries(first - 2, first + 149);
        while (output.split("\n").length < 3) await wait(10);
        // Over several segments.
        for (let i = 0; i < 150; i++) {
          log.append(bytes(`entry ${first + i}`));
          if (i % 50 === 0) await wait(20);
        }
        if (more.length === 0) await log.sync();
        while (output.split("\n").length <= expected.length) await wait(10);
        // Not by child.kill, after which Deno tells no exit code.
        process.kill(child.pid ?? 0, signal);
        assertEquals((await ended)[0], 0, errors);
        assertEquals(output.trimEnd().split("\n"), expected);
        assertEquals(errors, "");
        // What was appended undurably is not among the last durable ones.
        await log.sync();
        await wait(200);
      }
    } finally {
      await log.close();
    }
  }));

test("truncate drops from the tail", options, () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    await make(path, 200);
    const before = snapshot(folder);
    assertEquals(linesOf("truncate", path, "--from", "80", "--dry-run"), [
      "would drop 121 entries: index 80 to 200",
    ]);
    assertEquals(snapshot(folder), before);
    assertEquals(linesOf("truncate", path, "--from", "80"), [
      "dropped 121 entries: index 80 to 200",
      "the log has 79 entries: index 1 to 79",
    ]);
    assertEquals(await entriesOf(path), expectedEntries(1, 79));
    assertEquals(linesOf("verify", path).length, 1);
  }));

test("truncate drops from the head", options, () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    await make(path, 200);
    const before = snapshot(folder);
    assertEquals(linesOf("truncate", path, "--before", "150", "--dry-run"), [
      "would drop 149 entries: index 1 to 149",
    ]);
    assertEquals(snapshot(folder), before);
    assertEquals(linesOf("truncate", path, "--before", "150"), [
      "dropped 149 entries: index 1 to 149",
      "the log has 51 entries: index 150 to 200",
    ]);
    assertEquals(await entriesOf(path), expectedEntries(150, 200));
    assertEquals(linesOf("truncate", path, "--before", "150")[0], "dropped no entries");
    assertEquals(linesOf("truncate", path, "--before", "201"), [
      "dropped 51 entries: index 150 to 200",
      "the log has no entries",
    ]);
    assertEquals(linesOf("verify", path).length, 1);
  }));

test(
  "truncate refuses what makes no sense, and changes nothing",
  options,
  () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.wal");
      await make(path, 10);
      const before = snapshot(folder);
      for (const args of [["--from", "11"], ["--from", "0"], ["--before", "12"]]) {
        const { status, stderr } = run("truncate", path, ...args);
        assertEquals(status, 1);
        assertStringIncludes(stderr, "(ERR_WAL_INDEX_OUT_OF_RANGE)\n");
      }
      for (const args of [[], ["--from", "1", "--before", "2"]]) {
        assertEquals(run("truncate", path, ...args).status, 2);
      }
      assertEquals(snapshot(folder), before);
      const missing = run("truncate", join(folder, "none"), "--from", "1");
      assertStringIncludes(missing.stderr, "(ERR_WAL_NOT_FOUND)\n");
      assertEquals(existsSync(join(folder, "none")), false);
    }),
);

test("repair salvages a damaged last segment", options, () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    await withLog(path, {}, async (log) => {
      for (const entry of ["one", "two", "three"]) await log.appendAndSync(bytes(entry));
    });
    const file = readFileSync(path);
    const at = file.indexOf("two");
    file[at] = 0;
    writeFileSync(path, file);
    const before = snapshot(folder);
    const bytesCut = file.length - (at - 9);
    assertEquals(linesOf("repair", path, "--dry-run"), [
      `${path}: case C at offset ${
        at - 9
      }: corruption of acknowledged data; would set ${bytesCut} ` +
      'bytes aside in a ".cut-" file, then cut them',
    ]);
    assertEquals(snapshot(folder), before);
    const copy = `${path}.cut-${"1".padStart(20, "0")}-${at - 9}`;
    assertEquals(linesOf("repair", path), [
      `${path}: case C at offset ${at - 9}: ${bytesCut} bytes cut, set aside in ${copy}`,
      "the log has 1 entry: index 1",
    ]);
    assertEquals(readFileSync(copy).toString("hex"), file.subarray(at - 9).toString("hex"));
    assertEquals(await entriesOf(path), ["one"]);
    assertEquals(linesOf("repair", path)[0]?.endsWith(": nothing to cut"), true);
  }));

/** Ways to break the chain of a log's segments, and the first position that cannot be kept. */
const BREAKS: readonly {
  what: string;
  damage: (segments: string[], foreign: string[]) => void;
  unkept: number;
}[] = [
  { what: "a missing segment", damage: ([, , c = ""]) => rmSync(c), unkept: 3 },
  { what: "a shortened segment", damage: ([, b = ""]) => truncateSync(b, 700), unkept: 2 },
  {
    what: "a foreign segment",
    damage: ([, , c = ""], foreign) => copyFileSync(foreign[2] ?? "", c),
    unkept: 2,
  },
  {
    what: "a foreign last segment",
    damage: (segments, foreign) => copyFileSync(foreign.at(-1) ?? "", segments.at(-1) ?? ""),
    unkept: -1,
  },
  {
    what: "a damaged beginning",
    damage: ([, , c = ""]) => {
      const file = readFileSync(c);
      file[20] = 255 - (file[20] ?? 0);
      writeFileSync(c, file);
    },
    unkept: 2,
  },
];

for (const { what, damage, unkept } of BREAKS) {
  test(`repair sets aside what follows ${what}`, options, () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.wal");
      const other = join(folder, "other");
      await make(path, 400);
      await make(join(other, "a.wal"), 400);
      const all = segmentsOf(folder);
      assert(all.length > 5);
      damage(all, segmentsOf(other));
      const rest = all.slice(unkept).filter((segment) => existsSync(segment));
      const contents = rest.map((segment) => readFileSync(segment).toString("hex"));
      rmSync(other, { recursive: true });

      const before = snapshot(folder);
      const inspected = run("inspect", path);
      assertEquals(inspected.status, 1, inspected.stdout);
      assertStringIncludes(inspected.stdout, "opening   would refuse: ");
      const dry = linesOf("repair", path, "--dry-run");
      for (const segment of rest) assert(dry.includes(`${segment}: would be set aside whole`));
      assertEquals(snapshot(folder), before);

      const lines = linesOf("repair", path);
      for (const [i, segment] of rest.entries()) {
        const copy = `${path}.cut-${String(indexOf(segment)).padStart(20, "0")}-0`;
        assert(lines.includes(`${segment}: set aside in ${copy}`), lines.join("\n"));
        assertEquals(readFileSync(copy).toString("hex"), contents[i]);
        // In place of the first, the log may continue in a new one.
        assert(i === 0 || !existsSync(segment));
      }
      const entries = await entriesOf(path);
      assertEquals(entries, expectedEntries(1, entries.length));
      const kept = all.at(unkept) ?? "";
      if (what === "a missing segment") assertEquals(entries.length, indexOf(all[2]) - 1);
      else if (what === "a shortened segment") assert(entries.length >= indexOf(all[1]) - 1 + 30);
      else assertEquals(entries.length, indexOf(kept) - 1);
      assertEquals(linesOf("verify", path).length, 1);
      await withLog(path, {}, (log) => assertEquals(log.append(bytes("x")), entries.length + 1));
    }));
}

test(
  "repair gives up where nothing can be kept, and waits for no writer",
  options,
  () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.wal");
      await make(path, 200);
      await withLog(path, {}, () => {
        assertStringIncludes(run("repair", path).stderr, "(ERR_WAL_LOCKED)\n");
      });
      rmSync(path);
      rmSync(`${path}.lock`);
      const before = snapshot(folder);
      for (const more of [["--dry-run"], []]) {
        const { status, stderr } = run("repair", path, ...more);
        assertEquals(status, 1);
        assertMatch(stderr, /^wal: Cannot repair .* \(ERR_WAL_CORRUPT\)\n$/);
      }
      rmSync(`${path}.lock`);
      assertEquals(snapshot(folder), before);
      assertStringIncludes(run("repair", join(folder, "none")).stderr, "(ENOENT)\n");
    }),
);

test("inspect describes segments and the meta file", options, () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    await withLog(path, { segmentSize: 1000 }, async (log) => {
      for (let i = 0; i < 60; i++) log.append(bytes(`entry ${i}`));
      log.appendBatch([bytes("a"), bytes("b")]);
      await log.truncateBeforeIndex(10);
      await log.setState(bytes("term 7"));
    });
    const report = JSON.parse(linesOf("inspect", path, "--json")[0] ?? "");
    const segments = segmentsOf(folder);
    assertEquals(segments.length, 2);
    const [first = "", second = ""] = segments;
    const roll = indexOf(second);
    assertEquals(report.meta, { headIndex: 10, stateSize: 6, layer: null });
    assertEquals([report.firstIndex, report.lastIndex, report.entries], [10, 62, 53]);
    const shown = report.segments.map(({ frames: _, ...segment }: { frames: unknown }) => segment);
    const size = (path: string): number => readFileSync(path).length;
    assertEquals(shown, [
      {
        path: first,
        version: 2,
        size: size(first),
        entries: roll - 1,
        firstIndex: 1,
        lastIndex: roll - 1,
        sealed: true,
        left: null,
      },
      {
        path: second,
        version: 2,
        size: size(second),
        entries: 62 - roll + 1,
        firstIndex: roll,
        lastIndex: 62,
        sealed: false,
        left: null,
      },
    ]);
    assertEquals(report.size, size(first) + size(second));
    assertEquals(report.frames.seal.count, 1);
    assertEquals(report.frames.batch, { count: 1, bytes: 22 });
    assertEquals(report.frames.segment.count, 2);
    assertEquals(report.frames.data.count, 62);
    assertEquals([report.recovery.case, report.broken], ["A", null]);
    const lines = linesOf("inspect", path, "--frames");
    assert(lines.includes("meta      head 10, state of 6 bytes"));
    assert(lines.includes(
      `segments  ${first}, version 2, index 1 to ${roll - 1}, ${size(first)} bytes, sealed`,
    ));
    assertEquals(
      lines.filter((line) => / Seal /.test(line) && !line.startsWith("frames")).length,
      1,
    );
    assertMatch(lines.join("\n"), / Batch +13 +- {2}[0-9a-f]{8} {2}the next 2 entries/);
  }));
