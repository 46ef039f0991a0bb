/**
 * The house is as `ARCHITECTURE.md` draws it: imports run downwards, no file goes in a circle, files
 * and functions are short, and tests, proof and bench do not import each other.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { test } from "node:test";
import ts from "typescript-parser";
import { ROOT } from "../kit/runtime.ts";

/** The most lines of a file, and of a function, without blank lines and documentation comments. */
const FILE_LINES = 400;
const FUNCTION_LINES = 60;

/**
 * Files that are longer today, by their names, so that one may be moved. The list may only shrink: what
 * is no longer too long has to go.
 */
const LONG_FILES: readonly string[] = [
  "crash_file_system.ts",
];

/** Functions that are longer today, as `LONG_FILES`. */
const LONG_FUNCTIONS: readonly string[] = [
  "checksum.ts: createFrameChecksum",
];

/** Folders that may import `kit` and `src`, and not each other. */
const APART: readonly string[] = ["tests", "proof", "bench"];

/** A file of the project. */
interface Source {
  readonly path: string;
  readonly text: string;
  /** The files that it imports, also where it imports only types. */
  readonly imports: readonly string[];
}

function sourcesIn(folder: string): Source[] {
  return readdirSync(`${ROOT}${folder}`, { recursive: true, encoding: "utf8" })
    .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
    .filter((path) => path.endsWith(".ts") && !path.includes("node_modules"))
    .sort()
    .map((path) => {
      const text = readFileSync(`${ROOT}${path}`, "utf8").replaceAll("\r\n", "\n");
      const imports = ts.preProcessFile(text, true, true).importedFiles
        .filter(({ fileName }) => fileName.startsWith("."))
        .map(({ fileName }) => posix.join(posix.dirname(path), fileName));
      return { path, text, imports };
    });
}

const SOURCES = sourcesIn("src");
const IMPORTS = SOURCES.flatMap(({ path, imports }) => imports.map((to) => ({ path, to })));

/** The room of a file: a folder of `src`, or the file itself. */
function roomOf(path: string): string {
  return path.split("/")[1] ?? "";
}

/** The names in the boxes of a drawing, floor by floor from above. */
function floorsOf(drawing: string): string[][] {
  return drawing.split("\n")
    .map((line) => Array.from(line.matchAll(/│ ([a-z.]+) (?=│)/g), ([, name]) => name as string))
    .filter((floor) => floor.length > 0);
}

const [PICTURE = [], WORDS = []] = Array.from(
  readFileSync(`${ROOT}ARCHITECTURE.md`, "utf8").replaceAll("\r\n", "\n")
    .matchAll(/^```text\n([^`]*)^```$/gm),
  ([, drawing = ""]) => floorsOf(drawing),
);
const SHARED = WORDS.flat();

test("the picture has every room once", () => {
  const drawn = [...PICTURE.flat(), ...SHARED];
  assertEquals(drawn.toSorted(), [...new Set(SOURCES.map(({ path }) => roomOf(path)))].sort());
});

test("every import runs downwards in the picture, or to a shared word", () => {
  const floorOf = (path: string): number =>
    PICTURE.findIndex((floor) => floor.includes(roomOf(path)));
  const wrong = IMPORTS
    .filter(({ path, to }) => !SHARED.includes(roomOf(path)) && !SHARED.includes(roomOf(to)))
    .filter(({ path, to }) => roomOf(path) !== roomOf(to) && floorOf(path) >= floorOf(to));
  assertEquals(wrong, []);
});

test("the shared words import each other, the format, and files of fs that reach only fs", () => {
  const imports = new Map(SOURCES.map((source) => [source.path, source.imports]));
  const reachesOnlyFs = (path: string): boolean =>
    roomOf(path) === "fs" && (imports.get(path) ?? []).every(reachesOnlyFs);
  const wrong = IMPORTS
    .filter(({ path }) => SHARED.includes(roomOf(path)))
    .filter(({ to }) => !SHARED.includes(roomOf(to)) && roomOf(to) !== "format")
    .filter(({ to }) => !reachesOnlyFs(to));
  assertEquals(wrong, []);
});

test("nothing in src imports what is outside of it", () => {
  assertEquals(IMPORTS.filter(({ to }) => !to.startsWith("src/")), []);
});

test("no file imports itself by way of others", () => {
  const imports = new Map(SOURCES.map((source) => [source.path, source.imports]));
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]): string[] => {
    if (way.includes(path)) return [...way.slice(way.indexOf(path)), path];
    if (done.has(path)) return [];
    for (const to of imports.get(path) ?? []) {
      const circle = visit(to, [...way, path]);
      if (circle.length > 0) return circle;
    }
    done.add(path);
    return [];
  };
  assertEquals(SOURCES.flatMap(({ path }) => visit(path, [])), []);
});

/** How many lines a text has, without blank ones and documentation comments. */
function linesOf(text: string): number {
  return text.replace(/\/\*\*[^]*?\*\//g, "").split("\n")
    .filter((line) => line.trim() !== "").length;
}

/** Every function of a file with a name, by its place, and how many lines it has. */
function functionsOf({ path, text }: Source): { name: string; lines: number }[] {
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.Latest);
  const functions: { name: string; lines: number }[] = [];
  const visit = (node: ts.Node, within: string): void => {
    const name = (node as Partial<ts.FunctionLikeDeclaration>).name;
    const own = name === undefined ? within : name.getText(tree);
    if (ts.isFunctionLike(node) && (node as Partial<ts.FunctionLikeDeclaration>).body) {
      const lines = linesOf(text.slice(node.getStart(tree), node.end));
      functions.push({ name: `${posix.basename(path)}: ${own}`, lines });
    }
    ts.forEachChild(node, (child) => visit(child, own));
  };
  visit(tree, "");
  return functions;
}

test("no file of src is too long, but for those that are known", () => {
  const long = SOURCES.filter(({ text }) => linesOf(text) > FILE_LINES);
  assertEquals(long.map(({ path }) => posix.basename(path)).sort(), LONG_FILES);
});

test("no function of src is too long, but for those that are known", () => {
  const functions = SOURCES.flatMap(functionsOf);
  assert(functions.length > SOURCES.length);
  const long = functions.filter(({ lines }) => lines > FUNCTION_LINES);
  assertEquals(long.map(({ name }) => name).sort(), LONG_FUNCTIONS);
});

test("tests, proof and bench do not import each other", () => {
  const all = [...APART, "kit"].flatMap(sourcesIn);
  const wrong = all.flatMap(({ path, imports }) =>
    imports
      .filter((to) =>
        APART.some((name) => to.startsWith(`${name}/`) && !path.startsWith(`${name}/`))
      )
      .map((to) => ({ path, to }))
  );
  assertEquals(wrong, []);
});
