/**
 * The main entry and the files in memory can be bundled for a browser, and work where there is none of
 * the runtimes' modules.
 *
 * @module
 */
import { test } from "node:test";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { assert, assertEquals } from "@std/assert";
import { spawnSync } from "../kit/child.ts";
import { commandOn, ROOT } from "../kit/runtime.ts";
import { withFolder } from "../kit/temporary.ts";

/** What a page does with the log. */
const PAGE = `
  import { Wal } from ${JSON.stringify(join(ROOT, "mod.ts"))};
  import { MemoryFileSystem } from ${JSON.stringify(join(ROOT, "src/fs/adapters/memory.ts"))};

  globalThis.done = (async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await Wal.open("data/a.wal", { fileSystem, segmentSize: 4096 });
    for (let i = 1; i <= 200; i++) await log.appendAndSync(new TextEncoder().encode("entry " + i));
    await log.close();
    const again = await Wal.open("data/a.wal", { fileSystem });
    const last = new TextDecoder().decode(again.getEntry(again.lastIndex));
    const { segments } = again.stats();
    await again.close();
    const refused = await Wal.open("data/a.wal").catch((error) => error.code);
    return [last, segments > 1, refused];
  })();
`;

/** Runs a script where only what each browser has is there. */
const BROWSER = `
  import { readFileSync } from "node:fs";
  import { createContext, runInContext } from "node:vm";

  const web = { TextDecoder, TextEncoder, MessageChannel, atob, crypto, performance };
  const context = createContext({ ...web, setTimeout, clearTimeout });
  runInContext(readFileSync(process.argv[1], "utf8"), context);
  console.log(JSON.stringify(await context.done));
`;

/** The files that a bundler follows from one on, also where they are imported later. */
function filesFrom(start: string): Map<string, string> {
  const found = new Map<string, string>();
  const left = [join(ROOT, start)];
  for (let file = left.pop(); file !== undefined; file = left.pop()) {
    if (found.has(file)) continue;
    const text = readFileSync(file, "utf8").replaceAll(/^ *(\/\*\*|\*).*$/gm, "");
    found.set(file, text);
    for (const [, path = ""] of text.matchAll(/(?:from|import\() ?"(\.[^"]+)"/g)) {
      left.push(join(dirname(file), path));
    }
  }
  return found;
}

test("no file that a bundler sees from the main entry on imports a runtime's module", () => {
  const files = filesFrom("mod.ts");
  assert(files.has(join(ROOT, "src/fs/adapters/deno.ts")), [...files.keys()].join(" "));
  const importing = [...files].filter(([, text]) => {
    const code = text.replaceAll(/typeof import\(\s*"[^"]+",?\s*\)/g, "");
    return /^(?:import|export) (?!type )[^;]*?"(?:node|bun|npm|jsr):[^"]*"/m.test(code) ||
      /import\(\s*"(?:node|bun|npm|jsr):/.test(code);
  });
  assertEquals(importing.map(([file]) => file), []);
});

test("bundled for a browser, a log in memory works, and one on a disk is refused", () =>
  withFolder((folder) => {
    const page = join(folder, "page.ts");
    const bundle = join(folder, "page.js");
    writeFileSync(page, PAGE);
    const { program } = commandOn("bun", "");
    const options = ["--target=browser", "--format=iife", `--outfile=${bundle}`];
    const built = spawnSync(program, ["build", page, ...options], { encoding: "utf8" });
    assertEquals(built.status, 0, built.stderr);
    const { program: node } = commandOn("node", "");
    const args = ["--input-type=module", "--eval", BROWSER, bundle];
    const { stdout, stderr } = spawnSync(node, args, { encoding: "utf8" });
    assertEquals(stderr, "");
    assertEquals(JSON.parse(stdout), ["entry 200", true, "ERR_WAL_RUNTIME"]);
  }));
