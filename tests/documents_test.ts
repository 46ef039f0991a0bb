/**
 * The documents say what the code does: error codes, options, calls, known bytes, and links that
 * lead somewhere.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { Wal } from "../mod.ts";
import { MemoryFileSystem } from "../src/fs/memory.ts";
import { ROOT } from "./support/runtime.ts";

/** Every document of the project. */
const DOCUMENTS = [".", "docs", "examples", "bench"].flatMap((folder) =>
  readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => folder === "." ? name : `${folder}/${name}`)
);

function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8").replaceAll("\r\n", "\n");
}

/** The first group of every match. */
function all(text: string, pattern: RegExp): string[] {
  return Array.from(text.matchAll(pattern), (match) => match[1] as string);
}

/** What stands between a heading and the next one that is not below it. */
function section(path: string, heading: string): string {
  const text = read(path);
  const start = text.indexOf(`\n${heading}\n`);
  assert(start >= 0, `${path} has no "${heading}"`);
  const body = text.slice(start + heading.length + 2);
  const level = heading.indexOf(" ");
  const end = body.search(new RegExp(`^#{1,${level}} `, "m"));
  return end < 0 ? body : body.slice(0, end);
}

/** The rows of the first table in a text, without its head; cells are trimmed. */
function rows(text: string): string[][] {
  const lines = text.split("\n");
  const start = lines.findIndex((line) => line.startsWith("|"));
  const table = lines.slice(start + 2);
  const end = table.findIndex((line) => !line.startsWith("|"));
  return table.slice(0, end < 0 ? undefined : end)
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
}

/** The hexadecimal bytes of the first code block in a text, without the comments behind `#`. */
function bytesOf(text: string): Uint8Array {
  const block = text.match(/```text\n([^`]*)```/)?.[1] ?? "";
  const digits = block.split("\n").map((line) => line.replace(/#.*/, "")).join("")
    .replaceAll(" ", "");
  assert(/^([0-9a-f]{2})+$/.test(digits), `Not hexadecimal: ${digits}`);
  return Uint8Array.from(all(digits, /(..)/g), (byte) => Number.parseInt(byte, 16));
}

/** What a file holds. */
function contentOf(fileSystem: MemoryFileSystem, path: string): Uint8Array {
  const file = fileSystem.open(path, "read");
  const bytes = new Uint8Array(file.size());
  file.read(bytes, 0);
  file.close();
  return bytes;
}

/** A file system with one file. */
function fileSystemWith(path: string, bytes: Uint8Array): MemoryFileSystem {
  const fileSystem = new MemoryFileSystem();
  const file = fileSystem.open(path, "create");
  file.write(bytes, 0);
  file.close();
  return fileSystem;
}

const text = (words: string): Uint8Array => new TextEncoder().encode(words);

test("docs/errors.md has a section for each error code, in order", () => {
  const union = read("src/errors.ts").match(/export type WalErrorCode =([^;]*);/)?.[1] ?? "";
  const codes = all(union, /"(ERR_WAL_\w+)"/g);
  assert(codes.length > 0);
  assertEquals(all(read("docs/errors.md"), /^## (ERR_WAL_\w+)$/gm), codes.toSorted());
});

test("each section of an error code says when, in what state, and what next", () => {
  for (const code of all(read("docs/errors.md"), /^## (ERR_WAL_\w+)$/gm)) {
    const body = section("docs/errors.md", `## ${code}`);
    for (const part of ["- When", "- State: ", "- Next: "]) {
      assertStringIncludes(body, part, `${code} has no "${part}"`);
    }
  }
});

test("the documents name no error code that does not exist", () => {
  const codes = all(read("src/errors.ts"), /"(ERR_WAL_\w+)"/g);
  for (const path of DOCUMENTS) {
    const unknown = all(read(path), /(ERR_WAL_\w+)/g).filter((code) => !codes.includes(code));
    assertEquals(unknown, [], path);
  }
});

test("docs/errors.md has every code of FileSystemError with its meaning", () => {
  const meanings = read("src/fs/file_system.ts").match(/const MEANING[^=]*= \{([^}]*)\}/)?.[1] ??
    "";
  const inSource = Array.from(
    meanings.matchAll(/^ {2}(\w+): "(.*)",$/gm),
    ([, code, meaning]) => [`\`${code}\``, meaning],
  );
  assert(inSource.length > 0);
  const documented = rows(section("docs/errors.md", "## Causes: FileSystemError"));
  assertEquals(documented.map(([code, meaning]) => [code, meaning]), inSource);
});

test("README.md has every option with its default", () => {
  const options = read("src/options.ts").match(/export interface WalOptions \{([^]*?)\n\}/)?.[1];
  const inSource = Array.from(
    (options ?? "").matchAll(/@default \{(.*?)\}[^/]*\*\/\n {2}(\w+)\?:/g),
    ([, byDefault, name]) => [`\`${name}\``, byDefault as string] as const,
  );
  assertEquals(inSource.length, all(options ?? "", /^ {2}(\w+)\?:/gm).length);
  assert(inSource.length > 0);

  const documented = rows(section("README.md", "## Options"));
  assertEquals(documented.map(([name]) => name), inSource.map(([name]) => name));
  for (const [i, [name, byDefault]] of inSource.entries()) {
    const shown = documented[i]?.[1]?.replaceAll("`", "").replace(/ \(.*\)$/, "");
    assertEquals(shown, byDefault, name);
  }
});

test("the documents name no call of a log that does not exist", () => {
  for (const path of DOCUMENTS) {
    const calls = all(read(path), /\blog\.([a-zA-Z]+)/g);
    assertEquals(calls.filter((name) => !(name in Wal.prototype)), [], path);
  }
});

test("README.md names every call of a log", () => {
  const named = new Set(all(read("README.md"), /\blog\.([a-zA-Z]+)/g));
  const left = new Set(["constructor", "path", "firstIndex", "byteLength"]);
  const calls = Object.getOwnPropertyNames(Wal.prototype).filter((name) => !left.has(name));
  assertEquals(calls.filter((name) => !named.has(name)), []);
});

test("every relative link leads to a file and a heading that exist", () => {
  for (const path of DOCUMENTS) {
    for (const link of all(read(path), /\]\(([^)\s]+)\)/g)) {
      if (/^https:/.test(link)) continue;
      const [file = "", anchor] = link.split("#");
      const target = file === "" ? path : join(dirname(path), file).replaceAll("\\", "/");
      assert(existsSync(join(ROOT, target)), `${path}: ${link} leads nowhere`);
      if (anchor === undefined) continue;
      const anchors = all(read(target), /^#+ (.*)$/gm).map(anchorOf);
      assert(anchors.includes(anchor), `${path}: ${link} has no such heading`);
    }
  }
});

/** The anchor that a heading gets where the documents are shown. */
function anchorOf(heading: string): string {
  return heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "").replaceAll(" ", "-");
}

test("the known bytes of version 1 are what the library writes", async () => {
  const known = bytesOf(section("docs/format.md", "### Version 1"));
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open("a.wal", { fileSystem, format: 1 });
  for (const words of ["hello", "", "transaction_data"]) log.append(text(words));
  await log.close();
  assertEquals(contentOf(fileSystem, "a.wal"), known);
});

test("the known bytes of version 1 are read", async () => {
  const known = bytesOf(section("docs/format.md", "### Version 1"));
  const fileSystem = fileSystemWith("a.wal", known);
  const log = await Wal.open("a.wal", { fileSystem });
  assertEquals(log.readAll(), [text("hello"), text(""), text("transaction_data")]);
  assertEquals(log.recovery.case, "A");
  await log.close();
  assertEquals(contentOf(fileSystem, "a.wal"), known);
});

test("the known bytes of version 2 are read", async () => {
  const known = bytesOf(section("docs/format.md", "### Version 2"));
  const fileSystem = fileSystemWith("a.wal", known);
  const log = await Wal.open("a.wal", { fileSystem });
  assertEquals(log.readAll(), [text("hello")]);
  assertEquals(log.recovery.case, "A");
  await log.close();
  assertEquals(contentOf(fileSystem, "a.wal"), known);
});

test("the known bytes of version 2 are what the library writes behind their beginning", async () => {
  const known = bytesOf(section("docs/format.md", "### Version 2"));
  const beginning = 8 + 9 + 37; // The header and the Segment frame, which holds the log's random id.
  const fileSystem = fileSystemWith("a.wal", known.slice(0, beginning));
  const log = await Wal.open("a.wal", { fileSystem });
  log.append(text("hello"));
  await log.close();
  assertEquals(contentOf(fileSystem, "a.wal"), known);
});

test("the known bytes of version 2 begin as a log that the library makes, but for its id", async () => {
  const known = bytesOf(section("docs/format.md", "### Version 2"));
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open("a.wal", { fileSystem });
  await log.close();
  const made = contentOf(fileSystem, "a.wal");
  for (const [from, to] of [[8 + 5, 8 + 9], [18, 26]] as const) { // The checksum and the id.
    made.set(known.subarray(from, to), from);
  }
  assertEquals(made, known.slice(0, made.length));
});
