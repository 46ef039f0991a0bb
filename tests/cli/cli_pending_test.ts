/**
 * What the command line says and does about a full segment that is torn under one that was begun
 * without a wait, and of which nothing was acknowledged.
 *
 * @module
 */
import { test } from "node:test";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert, assertEquals } from "@std/assert";
import { Wal } from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { spawnSync } from "../../kit/child.ts";
import { PENDING_BEGINNING_SIZE } from "../../kit/frames.ts";
import { readFile } from "../../kit/logs.ts";
import { command, ROOT } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

const MAIN = join(ROOT, "src/cli/main.ts");
const options = { timeout: 120_000 };

const FULL = "a.wal";
/** It has the entries 8 to 11. */
const NEXT = `${FULL}.00000000000000000008`;
const FULL_SIZE = 489;
const NEXT_SIZE = 260;
const LAST = 11;

function entry(index: number): string {
  return `entry ${index} `.padEnd(40, ".");
}

interface Pair {
  readonly full: Uint8Array;
  readonly next: Uint8Array;
}

/** A pair as it was when the writer was killed: entries 1 to 5 were acknowledged. */
async function pair(): Promise<Pair> {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(FULL, { segmentSize: 512, fileSystem });
  for (let index = 1; index <= LAST; index++) {
    log.append(new TextEncoder().encode(entry(index)));
    if (index === 5) await log.sync();
  }
  const [full, next] = [FULL, NEXT].map((name) => readFile(fileSystem, name).slice());
  await log.close();
  assert(full?.length === FULL_SIZE && next?.length === NEXT_SIZE, "the files are as expected");
  return { full, next };
}

/** Without the Seal and a part of entry 7. */
function cut({ full, next }: Pair): Pair {
  return { full: full.slice(0, -60), next };
}

/** With zeros for the Durable frame before entry 6, so that whole frames follow. */
function holed({ full, next }: Pair): Pair {
  return { full: full.slice().fill(0, 299, 341), next };
}

function withoutBeginning({ full, next }: Pair): Pair {
  return { full, next: next.slice().fill(0, 0, PENDING_BEGINNING_SIZE) };
}

/** Writes a pair to a folder of its own, and gives what runs the command line on it. */
function written(folder: string, { full, next }: Pair): {
  path: string;
  run: (command: string, ...args: string[]) => { status: number | null; text: string };
} {
  const path = join(folder, FULL);
  mkdirSync(folder);
  writeFileSync(path, full);
  writeFileSync(join(folder, NEXT), next);
  const run = (name: string, ...args: string[]): { status: number | null; text: string } => {
    const { program, args: all } = command(MAIN, name, path, ...args);
    const { status, stdout, stderr } = spawnSync(program, all, { encoding: "utf8" });
    return { status, text: (stdout + stderr).replaceAll(`${folder}/`, "") };
  };
  return { path, run };
}

/** The indexes of entries, and the ranges that are missing, in lines of JSON. */
function recovered(text: string): { indexes: (number | null)[]; missing: string[] } {
  const lines = text.split("\n").filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
  return {
    indexes: lines.filter(({ missing }) => missing === undefined).map(({ index }) => index),
    missing: lines.flatMap(({ missing }) =>
      missing === undefined ? [] : [`${missing.fromIndex}-${missing.toIndex ?? ""}`]
    ),
  };
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

const SET_ASIDE = `would set ${NEXT_SIZE} bytes aside in a ".cut-" file, then cut them`;
const REMOVES = `would remove ${NEXT}: never acknowledged`;

/** What the lines of a report begin with, and all that follows up to the next such line. */
function part(text: string, name: string): string[] {
  const lines = text.trimEnd().split("\n");
  const from = lines.findIndex((line) => line.startsWith(name));
  const to = lines.findIndex((line, i) => i > from && !line.startsWith(" "));
  return lines.slice(from, to < 0 ? undefined : to).map((line) => line.slice(10));
}

test("inspect says what would be set aside, removed and cut of a torn roll", options, async () => {
  await withFolder(async (folder) => {
    const whole = await pair();
    const after = "begun without a wait after a segment that is not whole, and never acknowledged";
    const cases = [
      ["cut", cut(whole), after, [SET_ASIDE, REMOVES, `would cut 39 bytes off ${FULL}`]],
      ["holed", holed(whole), after, [
        SET_ASIDE,
        REMOVES,
        `would set 190 bytes of ${FULL} aside in a ".cut-" file`,
        `would cut 190 bytes off ${FULL}`,
      ]],
      [
        "lost",
        withoutBeginning(whole),
        "begun without a wait, its beginning is lost, and it was never acknowledged",
        // The place of its Seal.
        [SET_ASIDE, REMOVES, `would cut 50 bytes off ${FULL}`],
      ],
    ] as const;
    for (const [name, pair, verdict, opening] of cases) {
      const { run } = written(join(folder, name), pair);
      const { status, text } = run("inspect");
      assertEquals(status, 0, text);
      assertEquals(part(text, "recovery"), [`case D at offset 0: ${verdict}`], name);
      assertEquals(part(text, "opening"), [...opening], name);
      const [, ofNext = ""] = part(text, "segments");
      assert(ofNext.endsWith("not sealed, never acknowledged: opening would remove it"), ofNext);
      assertEquals(readdirSync(join(folder, name)).toSorted(), [FULL, NEXT], "nothing is changed");
    }
  });
});

test("inspect lists the frames of the torn segment up to its end", options, async () => {
  await withFolder(async (folder) => {
    const { run } = written(join(folder, "cut"), cut(await pair()));
    const { text } = run("inspect", "--frames", "--json");
    const frames = text.trimEnd().split("\n").slice(1).map((line) => JSON.parse(line));
    assertEquals(frames.filter(({ index }) => index !== null && index !== undefined).length, 6);
    assertEquals(new Set(frames.map(({ segment }) => segment)).size, 1);
  });
});

test(
  "repair keeps what was acknowledged, and recover has the rest from what it set aside",
  options,
  async () => {
    await withFolder(async (folder) => {
      const whole = await pair();
      const cases = [
        ["cut", cut(whole), 6, range(8, LAST)],
        ["holed", holed(whole), 5, [null, null, ...range(8, LAST)]],
        ["lost", withoutBeginning(whole), 7, [null, null, null, null]],
      ] as const;
      for (const [name, pair, last, rest] of cases) {
        const { run, path } = written(join(folder, name), pair);
        assertEquals(recovered(run("recover").text).indexes.length, last + rest.length, name);
        const dry = run("repair", "--dry-run");
        assertEquals([dry.status, dry.text.includes("would")], [0, true], dry.text);
        const { status, text } = run("repair");
        assertEquals(status, 0, text);
        assert(text.includes(`the log has ${last} entries: index 1 to ${last}`), text);
        const copy = `${FULL}.cut-00000000000000000008-0`;
        assert(text.includes(`set aside in ${copy}`), text);
        assertEquals(readFileSync(join(folder, name, copy)), Buffer.from(pair.next));
        assertEquals(run("verify").status, 0, name);

        const found = recovered(run("recover").text);
        assertEquals(found.indexes, [...range(1, last), ...rest], name);
        const into = `${path}.new`;
        run("recover", "--into", into);
        const { program, args } = command(MAIN, "cat", into);
        const { stdout } = spawnSync(program, args, { encoding: "utf8" });
        const wanted = range(1, LAST).filter((index) => name !== "cut" || index !== 7);
        assertEquals(stdout.trimEnd().split("\n"), wanted.map(entry), name);
      }
    });
  },
);

test(
  "recover says before a repair and after it that the torn entry is missing",
  options,
  async () => {
    await withFolder(async (folder) => {
      const { run } = written(join(folder, "cut"), cut(await pair()));
      const before = run("recover");
      assertEquals([before.status, recovered(before.text).missing], [1, ["7-", "7-7"]]);
      run("repair");
      const after = run("recover");
      assertEquals([after.status, recovered(after.text).missing], [1, ["7-7"]]);
    });
  },
);

test("import takes what recover found of a torn roll, and says what moved", options, async () => {
  await withFolder(async (folder) => {
    const { run, path } = written(join(folder, "cut"), cut(await pair()));
    const lines = `${path}.json`;
    run("recover", "-o", lines);
    const { program, args } = command(MAIN, "import", `${path}.new`, lines);
    const { status, stdout } = spawnSync(program, args, { encoding: "utf8" });
    assertEquals(status, 0);
    assert(stdout.includes("index 8 to 11 is now index 7 to 10"), stdout);
    assert(stdout.includes("imported 10 entries: index 1 to 10"), stdout);
  });
});
