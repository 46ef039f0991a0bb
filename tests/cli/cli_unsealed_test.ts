/**
 * What the command line says and does about a full segment whose Seal was not written when the writer
 * died: nothing is lost, and nothing is set aside.
 *
 * @module
 */
import { test } from "node:test";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Wal } from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { spawnSync } from "../../kit/child.ts";
import { framesOf, SEAL } from "../../kit/frames.ts";
import { readFile } from "../../kit/logs.ts";
import { command, ROOT } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

const MAIN = join(ROOT, "src/cli/main.ts");
const options = { timeout: 120_000 };
const FULL = "a.wal";
const NEXT = `${FULL}.00000000000000000009`;
const LAST = 9;

interface Sealed {
  readonly full: Uint8Array;
  readonly next: Uint8Array;
  /** Where the Seal of the first segment begins. */
  readonly seal: number;
}

/** A log of two segments; all of its entries were acknowledged. */
async function sealed(): Promise<Sealed> {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(FULL, { segmentSize: 512, preallocate: 0, fileSystem });
  for (let index = 1; index <= LAST; index++) {
    log.append(new TextEncoder().encode(`entry ${index} `.padEnd(40, ".")));
  }
  await log.sync();
  await log.close();
  const full = readFile(fileSystem, FULL).slice();
  const last = framesOf(full).at(-1);
  assert(last?.payload[0] === SEAL, "it is sealed");
  return { full, next: readFile(fileSystem, NEXT).slice(), seal: last.offset };
}

/** Writes a log to a folder of its own, and gives what runs the command line on it. */
function written(folder: string, full: Uint8Array, next: Uint8Array): {
  path: string;
  run: (name: string, ...args: string[]) => { status: number | null; text: string };
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

/** What may be left of the Seal, by name. */
const LEFT: readonly [string, (of: Sealed) => Uint8Array][] = [
  ["short", ({ full, seal }) => full.slice(0, seal)],
  ["holed", ({ full, seal }) => full.slice().fill(0, seal, -8)],
  ["headless", ({ full, seal }) => full.slice().fill(0, seal, seal + 14)],
];

test(
  "a log without its last Seal: each command reads all of it, and repair keeps it",
  options,
  async () => {
    const log = await sealed();
    await withFolder(async (folder) => {
      for (const [what, left] of LEFT) {
        const { path, run } = written(join(folder, what), left(log), log.next);
        const files = readdirSync(join(folder, what));
        const verified = run("verify");
        assertEquals(verified.status, 0, verified.text);
        assertStringIncludes(verified.text, "its Seal was not written yet");
        const recovered = run("recover", "--into", join(folder, `${what}.new`));
        assertEquals(recovered.status, 0, recovered.text);
        assertStringIncludes(recovered.text, "its Seal was not written yet");
        assertStringIncludes(recovered.text, "nothing is missing");
        const foretold = run("repair", "--dry-run");
        assert(!foretold.text.includes("set aside"), foretold.text);
        assertEquals(readdirSync(join(folder, what)), files, what);
        const repaired = run("repair");
        assertEquals(repaired.status, 0, repaired.text);
        assertStringIncludes(repaired.text, `the log has ${LAST} entries`);
        assert(!repaired.text.includes("set aside"), repaired.text);
        await using opened = await Wal.open(path, { readOnly: true });
        assertEquals([opened.lastIndex, opened.stats().rebuiltSeals], [LAST, []]);
      }
    });
  },
);

test("a Seal with its first bytes that fails its checksum is damage to all", options, async () => {
  const { full, next, seal } = await sealed();
  await withFolder(async (folder) => {
    const damaged = full.slice();
    damaged[seal + 20] = (damaged[seal + 20] ?? 0) ^ 1;
    const { path, run } = written(join(folder, "damaged"), damaged, next);
    for (const [name, ...args] of [["verify"], ["recover", "--into", join(folder, "new")]]) {
      const { status, text } = run(name as string, ...args);
      assertEquals(status, 1, text);
      assertStringIncludes(text, "the Seal of 54 bytes fails its checksum");
    }
    await using log = await Wal.open(path);
    assertEquals([log.readAll().length, log.stats().rebuiltSeals], [LAST, [path]]);
  });
});
