/**
 * The documents say what the code does: error codes, options, calls, commands, sizes, known bytes,
 * and links that lead somewhere.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";
import { Wal } from "../mod.ts";
import { EventLog, json } from "../src/events/events.ts";
import { type Kind, KINDS, type KnownFrame, MAX_INTERNAL_SIZE } from "../src/format/kinds.ts";
import { MAX_SEGMENT_ENTRIES, sealFrameSize } from "../src/format/seal_frame.ts";
import { SEGMENT_FRAME_SIZE } from "../src/format/segment_frame.ts";
import { MAX_SLOT_SIZE, MAX_STATE_SIZE, SLOT_OFFSETS } from "../src/format/meta_slot.ts";
import { MemoryFileSystem } from "../src/fs/adapters/memory.ts";
import { OFFSETS_BUDGET } from "../src/segment/sealed_segment.ts";
import { segmentPath } from "../src/files/names.ts";
import { type Rule, RULES } from "../src/writer/lifecycle.ts";
import { turns } from "../kit/logs.ts";
import { ROOT } from "../kit/runtime.ts";

/** Every document of the project. */
const DOCUMENTS = [
  ...readdirSync(ROOT),
  ...["docs", "examples", "bench", "src"].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => !name.includes("node_modules"))
      .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
  ),
].filter((name) => name.endsWith(".md"));

/** Every file of code but this one, which lists the words. Comments, messages and titles are prose. */
const CODE = ["src", "tests", "proof", "kit", "bench", "examples", "scripts"]
  .flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
  )
  .filter((path) => path.endsWith(".ts") && !path.includes("node_modules"))
  .filter((path) => path !== "tests/documents_test.ts");

/** Words in whose place there is a plainer one. */
const HARDER =
  /\b(anew|go(?:es|ing|ne)? on|went on|tell(?:s|ing)? of|told of|whoever|whom|nobody|anybody|behind)\b/gi;

/** The same in code, where what acts is a program: "a reader that", "the caller". */
const HARDER_IN_CODE = new RegExp(`${HARDER.source}|\\bwho\\b`, "i");

/** Not the name of a variable. */
const VOUCHES = /\bvouch(?:es|ing|ed (?:for|up))?\b/i;

/** Files of code that have such words today. The list may only shrink: what has none has to go. */
const HARDER_FILES: readonly string[] = [
  "segment.ts",
  "segments.ts",
];

/** The codes of errors, in the source and in the headings of their document. */
const CODES_IN_SOURCE = /"(ERR_[A-Z]+_\w+)"/g;
const SECTIONS_OF_CODES = /^## (ERR_[A-Z]+_\w+)$/gm;

/** How many characters a line of a table may have, so that a screen shows it whole. */
const SCREEN = 100;

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

/** The cells of the first table in a text, without its head. */
function rows(text: string): string[][] {
  const lines = text.split("\n");
  const start = lines.findIndex((line) => line.startsWith("|"));
  const table = lines.slice(start + 2);
  const end = table.findIndex((line) => !line.startsWith("|"));
  return table.slice(0, end < 0 ? undefined : end)
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
}

/** The items of the lists in a text, each in one line. */
function items(text: string): string[] {
  return all(text, /^- (.*(?:\n {2}.*)*)/gm).map((item) => item.replace(/\s+/g, " "));
}

/** The hexadecimal bytes of the first code block in a text, without the comments after `#`. */
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
  addFile(fileSystem, path, bytes);
  return fileSystem;
}

/** Makes a file that holds these bytes from an offset on. */
function addFile(fileSystem: MemoryFileSystem, path: string, bytes: Uint8Array, offset = 0): void {
  const file = fileSystem.open(path, "create");
  file.write(bytes, offset);
  file.close();
}

/** The size of the header and the Segment frame, in which a log has its random id. */
const BEGINNING = 8 + SEGMENT_FRAME_SIZE;

const text = (words: string): Uint8Array => new TextEncoder().encode(words);

test("docs/errors.md has a section for each error code, in order", () => {
  const union = read("src/errors.ts").match(/export type WalErrorCode =([^;]*);/)?.[1] ?? "";
  const codes = all(union, CODES_IN_SOURCE);
  assert(codes.length > 0);
  assertEquals(all(read("docs/errors.md"), SECTIONS_OF_CODES), codes.toSorted());
});

test("docs/errors.md says of every call what becomes of it in each state", () => {
  const body = section("docs/errors.md", "## Which call is allowed when");
  const [head, ...documented] = all(body, /^(\|.*\|)$/gm)
    .map((row) => row.split("|").slice(1, -1).map((cell) => cell.trim().replaceAll("`", "")))
    .filter(([first]) => !first?.startsWith("---"));
  const states = ["open", "rewriting", "ended", "closed", "reading"] as const;
  assertEquals(head, ["call", ...states]);
  const inWords = (rule: Rule): string =>
    rule.replace("ERR_WAL_", "").replace("_", " ").toLowerCase();
  const inSource = Object.entries(RULES)
    .map(([call, rules]) => [call, ...states.map((state) => inWords(rules[state]))]);
  assertEquals(documented, inSource);
});

test("each section of an error code says when, in what state, and what next", () => {
  for (const code of all(read("docs/errors.md"), SECTIONS_OF_CODES)) {
    const body = section("docs/errors.md", `## ${code}`);
    for (const part of ["- When", "- State: ", "- Next: "]) {
      assertStringIncludes(body, part, `${code} has no "${part}"`);
    }
  }
});

test("docs/errors.md names, of each code, the calls whose description names it", () => {
  const everywhere = [
    "ERR_WAL_CLOSED",
    "ERR_WAL_READ_ONLY",
    "ERR_WAL_SYNC_FAILED",
    "ERR_WAL_MOVED",
  ];
  const described = /\/\*\*((?:(?!\*\/)[^])*)\*\/\n {2}(?:static )?(?:async )?(\w+)\(/g;
  const missing: string[] = [];
  for (const [, text = "", call] of read("src/wal.ts").matchAll(described)) {
    for (const code of new Set(all(text, /(ERR_WAL_\w+)/g))) {
      if (everywhere.includes(code)) continue;
      const body = section("docs/errors.md", `## ${code}`);
      const names = new RegExp(`\`(Wal\\.)?${call?.replace("AndSync", "")}\`|any call|an argument`);
      if (!names.test(body)) missing.push(`${code}: ${call}`);
    }
  }
  assertEquals(missing, []);
});

test("the documents name no error code that does not exist", () => {
  const codes = all(read("src/errors.ts"), CODES_IN_SOURCE);
  for (const path of DOCUMENTS) {
    const unknown = all(read(path), /(ERR_(?:WAL|EVENT|MACHINE|QUEUE|SNAPSHOT)_\w+)/g).filter((
      code,
    ) => !codes.includes(code));
    assertEquals(unknown, [], path);
  }
});

test("docs/errors.md has every code of FileSystemError with its meaning", () => {
  const meanings = read("src/fs/file_system.ts").match(/const MEANING[^=]*= \{([^}]*)\}/)?.[1] ??
    "";
  const inSource = Array.from(
    meanings.matchAll(/^ {2}(\w+): "(.*)",$/gm),
    ([, code, meaning]) => `\`${code}\`: ${meaning}. Next: `,
  );
  assert(inSource.length > 0);
  const documented = items(section("docs/errors.md", "## Causes: FileSystemError"));
  assertEquals(documented.map((item) => item.replace(/(?<=\. Next: ).+$/, "")), inSource);
});

test("docs/options.md has every option with its default", () => {
  const options = read("src/options.ts").match(/export interface WalOptions \{([^]*?)\n\}/)?.[1];
  const inSource = Array.from(
    (options ?? "").matchAll(/@default \{(.*?)\}[^/]*\*\/\n {2}(\w+)\?:/g),
    ([, byDefault, name]) => [name as string, byDefault as string] as const,
  );
  assertEquals(inSource.length, all(options ?? "", /^ {2}(\w+)\?:/gm).length);
  assert(inSource.length > 0);

  assertEquals(all(read("docs/options.md"), /^## `(\w+)`$/gm), inSource.map(([name]) => name));
  for (const [name, byDefault] of inSource) {
    const body = section("docs/options.md", `## \`${name}\``);
    const shown = body.match(/^\nDefault: (.*)\.\n\n/)?.[1];
    assertEquals(shown?.replaceAll("`", "").replace(/ \(.*\)$/, ""), byDefault, name);
  }
});

test("the documents name no call of a log that does not exist", () => {
  for (const path of DOCUMENTS) {
    const calls = all(read(path), /\blog\.([a-zA-Z]+)/g);
    assertEquals(calls.filter((name) => !(name in Wal.prototype)), [], path);
  }
});

test("docs/cli.md has every command of the command-line tool, and no other", () => {
  const commands = read("src/cli/main.ts").match(/const COMMANDS[^;]*? = new Map\(\[([^;]*)\]\);/)
    ?.[1];
  const inSource = all(commands ?? "", /\["(\w+)", \w+\]/g);
  assert(inSource.length > 0);
  const documented = items(section("docs/cli.md", "## Commands"));
  const names = documented.map((item) => item.match(/^`(\w+) [^`]*LOG/)?.[1]);
  assertEquals(names.toSorted(), inSource.toSorted());
});

test("README.md names each entry point of the package", () => {
  const { name, exports } = JSON.parse(read("deno.json")) as {
    name: string;
    exports: Record<string, string>;
  };
  const paths = Object.keys(exports).map((path) => `${name}${path.slice(1)}`);
  assertEquals(paths.filter((path) => !read("README.md").includes(path)), []);
});

test("docs/format.md has the kinds of Internal frames, with their sizes", () => {
  const kinds = Object.values<Kind<KnownFrame>>({ ...KINDS });
  const table = rows(section("docs/format.md", "## Internal frames"))
    .map(([number, name]) => [Number(number), name]);
  assertEquals(kinds.map(({ number, name }) => [number, name]), table);
  for (const { number, name, size } of kinds) {
    const heading = `### ${name}, kind ${number}`;
    const said = section("docs/format.md", heading).match(/Payload:\s(\d+)\sbyte/)?.[1];
    const least = typeof size === "number" ? size : size(new Uint8Array(5));
    assertEquals(Number(said), least, heading);
  }
  const frame = section("docs/format.md", "## Frame").replace(/\s+/g, " ");
  assertStringIncludes(frame, `${grouped(MAX_INTERNAL_SIZE)} bytes of the largest Seal`);
});

test("the documents have the limits of segments, batches and the state", () => {
  const entries = grouped(MAX_SEGMENT_ENTRIES);
  assertStringIncludes(section("docs/format.md", "### Seal, kind 4"), `at most ${entries}`);
  assertStringIncludes(section("docs/errors.md", "## ERR_WAL_BATCH_TOO_LARGE"), entries);
  const meta = section("docs/format.md", "## The meta file");
  assertStringIncludes(meta.replace(/\s+/g, " "), `offsets 0 and ${grouped(SLOT_OFFSETS[1])}`);
  assertStringIncludes(meta, `at most ${grouped(MAX_STATE_SIZE)}`);
  assertStringIncludes(meta, `${MAX_SLOT_SIZE - MAX_STATE_SIZE} bytes, and the state`);
  const state = `${MAX_STATE_SIZE / 1024} KiB`;
  assertStringIncludes(section("docs/errors.md", "## ERR_WAL_STATE_TOO_LARGE"), state);
  assertStringIncludes(section("README.md", "## Which call when"), state);
  assertStringIncludes(section("docs/guide.md", "## Batches, followers, truncation"), state);
  const limits = read("docs/limits.md").replace(/\s+/g, " ");
  assertStringIncludes(limits, `up to ${OFFSETS_BUDGET / 1024 / 1024} MiB of offsets`);
});

/** A number as the documents write it. */
function grouped(number: number): string {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ",");
}

test("README.md names every call of a log", () => {
  const named = new Set(all(section("README.md", "## Which call when"), /\blog\.([a-zA-Z]+)/g));
  const left = new Set(["constructor", "path", "firstIndex", "byteLength"]);
  const calls = Object.getOwnPropertyNames(Wal.prototype).filter((name) => !left.has(name));
  assertEquals(calls.filter((name) => !named.has(name)), []);
});

test("README.md promises something of every call, but of those that only tell", () => {
  const promised = items(section("README.md", "## Promises"))
    .flatMap((item) => all(item.replace(/: .*/, ""), /`log\.(\w+)`/g));
  const only = ["firstIndex", "lastIndex", "byteLength", "path", "recovery", "state", "id"];
  const calls = Object.getOwnPropertyNames(Wal.prototype)
    .filter((name) => !["constructor", "stats", "segments", "refresh", ...only].includes(name));
  assertEquals(promised.toSorted(), calls.toSorted());
});

test("README.md's reasons to refuse are codes that docs/errors.md has from `Wal.open`", () => {
  const codes = items(section("README.md", "## When open refuses"))
    .flatMap((item) => all(item.replace(/: .*/, ""), /`(ERR_WAL_\w+)`/g));
  assert(codes.length > 0);
  for (const code of codes) {
    assertStringIncludes(section("docs/errors.md", `## ${code}`), "`Wal.open`", code);
  }
});

test("no table of a document is wider than a screen", () => {
  const wide = DOCUMENTS.flatMap((path) =>
    read(path).split("\n")
      .map((line, i) => ({ line, place: `${path}:${i + 1}` }))
      .filter(({ line }) => /^\s*\|/.test(line) && Array.from(line).length > SCREEN)
      .map(({ place }) => place)
  );
  assertEquals(wide, []);
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

test("the documents keep to plain words", () => {
  for (const path of DOCUMENTS) {
    assertEquals(all(read(path), HARDER), [], path);
    const isItsDefinition = path === "docs/format.md";
    if (!isItsDefinition) assertEquals(all(read(path), /\b(vouch\w*)/gi), [], path);
  }
});

test("comments, messages and test titles keep to plain words", () => {
  const found = CODE.filter((path) => {
    const prose = read(path).replace(/\n *(?:\*|\/\/) /g, " ");
    const isItsDefinition = path === "src/format/durable_frame.ts";
    return HARDER_IN_CODE.test(prose) || (!isItsDefinition && VOUCHES.test(prose));
  });
  assertEquals(found.map((path) => basename(path)).toSorted(), HARDER_FILES.toSorted());
});

test("every file of the project that a document names is there", () => {
  for (const path of DOCUMENTS) {
    const names = all(
      read(path),
      /`((?:src|tests|proof|bench|kit|examples|scripts|kernel)\/[^`\s]*)`/g,
    );
    assertEquals(names.filter((name) => !existsSync(join(ROOT, name))), [], path);
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

test("the known bytes of the tag and of events are what a log of events has", async () => {
  const fileSystem = new MemoryFileSystem();
  const now = (): number => Date.UTC(2026, 0, 1);
  for (const timestamps of [true, false]) {
    const options = { codec: json<{ id: number }>(), now, timestamps, fileSystem };
    await using events = await EventLog.open("a.wal", options);
    await events.append({ id: 7 });
  }
  await using log = await Wal.open("a.wal", { fileSystem, readOnly: true });
  assertEquals(log.state, bytesOf(section("docs/layers.md", "## The tag")));
  const written = log.readAll().flatMap((data) => [...data]);
  assertEquals(Uint8Array.from(written), bytesOf(section("docs/layers.md", "## Events")));
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

test("the known bytes of version 2 are what the library writes after their beginning", async () => {
  const known = bytesOf(section("docs/format.md", "### Version 2"));
  const fileSystem = fileSystemWith("a.wal", known.slice(0, BEGINNING));
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

test("the known bytes of a frame to be skipped are read, and kept", async () => {
  const known = bytesOf(section("docs/format.md", "### A frame to be skipped"));
  const fileSystem = fileSystemWith("a.wal", known);
  const log = await Wal.open("a.wal", { fileSystem });
  assertEquals(log.readAll(), [text("hello"), text("world")]);
  assertEquals(log.recovery.case, "A");
  await log.close();
  assertEquals(contentOf(fileSystem, "a.wal").slice(0, known.length), known);
});

test("the known bytes of a full segment and its successor are what the library writes", async () => {
  const full = bytesOf(section("docs/format.md", "### A full segment"));
  const next = bytesOf(section("docs/format.md", "### Its successor"));
  const fileSystem = fileSystemWith("a.wal", full.slice(0, BEGINNING));
  const log = await Wal.open("a.wal", { fileSystem, segmentSize: 256 });
  log.appendBatch([text("debit"), text("credit")]);
  log.append(new Uint8Array(200));
  assertEquals(contentOf(fileSystem, segmentPath("a.wal", 3)).slice(0, next.length), next);
  await turns();
  assertEquals(contentOf(fileSystem, "a.wal"), full);
  await log.sync();
  const durable = bytesOf(section("docs/format.md", "### The Durable frame of its beginning"));
  const written = contentOf(fileSystem, segmentPath("a.wal", 3));
  assertEquals(written.slice(next.length + 209, next.length + 209 + durable.length), durable);
  await log.close();
});

test("the known bytes of a full segment and its successor are read", async () => {
  const full = bytesOf(section("docs/format.md", "### A full segment"));
  const fileSystem = fileSystemWith("a.wal", full);
  const next = bytesOf(section("docs/format.md", "### Its successor"));
  addFile(fileSystem, segmentPath("a.wal", 3), next);
  const log = await Wal.open("a.wal", { fileSystem, segmentSize: 256 });
  assertEquals(log.readAll(), [text("debit"), text("credit")]);
  const { segments, rebuiltSeals } = log.stats();
  assertEquals({ segments, rebuiltSeals }, { segments: 2, rebuiltSeals: [] });
  await log.close();
  assertEquals(contentOf(fileSystem, "a.wal"), full);
});

test("of the known bytes of a batch, cut short by one, nothing is read", async () => {
  const full = bytesOf(section("docs/format.md", "### A full segment"));
  const seal = full.length - sealFrameSize(2);
  for (const [size, entries] of [[seal, 2], [seal - 1, 0]] as const) {
    const fileSystem = fileSystemWith("a.wal", full.slice(0, size));
    const log = await Wal.open("a.wal", { fileSystem });
    assertEquals(log.lastIndex, entries);
    await log.close();
  }
});

test("the known bytes of a meta slot are what the library writes, twice", async () => {
  const slot = bytesOf(section("docs/format.md", "### A meta slot"));
  const beginning = bytesOf(section("docs/format.md", "### Version 2")).slice(0, BEGINNING);
  const fileSystem = fileSystemWith("a.wal", beginning);
  const log = await Wal.open("a.wal", { fileSystem });
  await log.setState(text("vote"));
  await log.close();
  const wanted = new Uint8Array(SLOT_OFFSETS[1] + slot.length);
  for (const offset of SLOT_OFFSETS) wanted.set(slot, offset);
  assertEquals(contentOf(fileSystem, "a.wal.meta"), wanted);
});

test("the known bytes of a meta slot are read from either place", async () => {
  const slot = bytesOf(section("docs/format.md", "### A meta slot"));
  const beginning = bytesOf(section("docs/format.md", "### Version 2")).slice(0, BEGINNING);
  for (const offset of SLOT_OFFSETS) {
    const fileSystem = fileSystemWith("a.wal", beginning);
    addFile(fileSystem, "a.wal.meta", slot, offset);
    const log = await Wal.open("a.wal", { fileSystem });
    assertEquals(log.state, text("vote"));
    assertEquals(log.firstIndex, 1);
    await log.close();
  }
});
