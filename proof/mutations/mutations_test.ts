/**
 * The list of mutations is in step with the code and the tests, whatever is renamed, moved or laid
 * out again, and what runs it tells a mutation that is caught from one that is not.
 *
 * @module
 */
import { test } from "node:test";
import { mkdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { type Code, readCode, sourceOf, type Token, tokensOf } from "./code.ts";
import { Copy } from "./copy.ts";
import { type Mutation, MUTATIONS } from "./list.ts";
import { salvage, shortSessions } from "./omission_programs.ts";
import { leaveOut, type Verdicts, wrongIn } from "./omissions.ts";
import { namesIn, Places } from "./place.ts";
import { escapePattern, runTests } from "./run_tests.ts";
import { UNNOTICED } from "./unnoticed.ts";
import { ROOT, RUNTIME } from "../../kit/runtime.ts";

const CODE = readCode(ROOT);
const NAMES = namesIn(MUTATIONS);
const PLACES = new Places(CODE, NAMES);

function read(file: string): string {
  return readFileSync(join(ROOT, file), "utf8");
}

/** What a mutation changes, in tokens. */
function changeOf(
  code: Code,
  places: Places,
  mutation: Mutation,
): { from: number; find: string[]; replace: string[] } {
  const { file, start, end, replacement } = places.of(mutation);
  const { text = "", tokens = [] } = code.get(file) ?? {};
  return {
    from: tokens.findIndex((token) => token.start === start),
    find: textsOf(text.slice(start, end)),
    replace: textsOf(replacement),
  };
}

function textsOf(text: string): string[] {
  return tokensOf(text).map(({ text }) => text);
}

/** The text of a file with each token made again. */
function withTokens(file: string, change: (token: Token) => string): string {
  const { text = "", tokens = [] } = CODE.get(file) ?? {};
  let done = "";
  let end = 0;
  for (const token of tokens) {
    done += text.slice(end, token.start) + change(token);
    end = token.end;
  }
  return done + text.slice(end);
}

test("every mutation has one place, and changes it", () => {
  for (const mutation of MUTATIONS) {
    const { find, replace } = changeOf(CODE, PLACES, mutation);
    assert(find.join(" ") !== replace.join(" "), mutation.name);
  }
  assert(MUTATIONS.length >= 20);
  assertEquals(new Set(MUTATIONS.map(({ name }) => name)).size, MUTATIONS.length);
});

test("what a mutation replaces is once in its whole declaration, so that any member may be renamed", () => {
  for (const mutation of MUTATIONS) {
    const [, top = "", beside = ""] = /^(\w+)[^ ]*( beside \w+)?$/.exec(mutation.in) ?? [];
    assert(PLACES.of({ ...mutation, in: `${top}${beside}` }).file !== "", mutation.name);
  }
});

test("a place that is not there, or more than once, is refused", () => {
  const code: Code = new Map(["a", "b"].map((name) => {
    const file = `src/${name}.ts`;
    return [file, sourceOf(file, `const ${name} = 1; function same() { f(${name}); f(${name}); }`)];
  }));
  const places = new Places(code, new Set());
  const find = (where: string, find: string): string =>
    places.of({ name: "it", in: where, find, replace: "" }).file;
  assertEquals(find("same beside b", "f(b,\n ); f"), "src/b.ts");
  for (
    const [where, wanted, message] of [
      ["same", "f(b); f", "2 files declare same: mend the list"],
      ["none", "f", "0 files declare none: mend the list"],
      ["a", "2", "0 times in a: mend the list"],
      ["same beside a", "f(a)", "2 times in same beside a: mend the list"],
    ] as const
  ) {
    assertStringIncludes(assertThrows(() => find(where, wanted), Error).message, message);
  }
});

test("a line break and a comment change no place", () => {
  const newly = ({ text }: Token): string => /^[{(,;]$/.test(text) ? `${text} // (\n\n` : text;
  const code = new Map(
    [...CODE.keys()].map((file) => [file, sourceOf(file, withTokens(file, newly))] as const),
  );
  const places = new Places(code, NAMES);
  for (const mutation of MUTATIONS) {
    assertEquals(
      changeOf(code, places, mutation),
      changeOf(CODE, PLACES, mutation),
      mutation.name,
    );
  }
});

test("a private member or a local variable that is renamed leaves every place where it was", {
  timeout: 120_000,
}, () => {
  const renames = new Map<string, Mutation[]>();
  for (const mutation of MUTATIONS) {
    const { file } = PLACES.of(mutation);
    const names = tokensOf(mutation.find).filter(({ name }) =>
      name === "private" || name === "plain"
    ).map(({ text }) => text);
    // The private member that it is in.
    names.push(...mutation.in.match(/#\w+/) ?? []);
    for (const name of new Set(names)) {
      // Without its declaration a mutation is refused.
      if (name === mutation.in) continue;
      const key = `${file} ${name}`;
      renames.set(key, [...renames.get(key) ?? [], mutation]);
    }
  }
  assert(renames.size > 300);
  for (const [key, mutations] of renames) {
    const [file = "", name = ""] = key.split(" ");
    const rename = (token: string): string => token === name ? `${name}Again` : token;
    const text = withTokens(file, (token) => rename(token.text));
    const code = new Map(CODE).set(file, sourceOf(file, text));
    const places = new Places(code, NAMES);
    for (const mutation of mutations) {
      const { from, find, replace } = changeOf(CODE, PLACES, mutation);
      const wanted = { from, find: find.map(rename), replace: replace.map(rename) };
      assertEquals(changeOf(code, places, mutation), wanted, `${mutation.name}: ${name}`);
    }
  }
});

/** The names of a file's tests, each as a pattern: a template's parts may be anything. */
function testNames(file: string): RegExp[] {
  const literals = read(file).match(/"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g) ?? [];
  return literals.map((literal) => {
    const parts = literal.slice(1, -1).split(/\$\{[^}]*\}/);
    return new RegExp(`^${parts.map(escapePattern).join(".+")}$`);
  });
}

test("every test that a mutation names is in its file", () => {
  for (const { name, caughtBy: [file, test] } of MUTATIONS) {
    assert(testNames(file).some((pattern) => pattern.test(test)), `${name}: ${file}: ${test}`);
  }
});

test(
  "a mutation is caught by its test, and the copy is then as before, also where a file has moved",
  { timeout: 120_000 },
  () => {
    const mutation = MUTATIONS.find(({ name }) => name === "a failed write is not cut back");
    assert(mutation !== undefined);
    const [file, name] = mutation.caughtBy;
    const harmless: Mutation = { ...mutation, replace: `${mutation.find} ` };
    const wrong: Mutation = { ...mutation, replace: "this.#cutBck();\nthrow writeFailed(" };
    const copy = new Copy(MUTATIONS);
    try {
      const { failed, passed, hung } = copy.with(
        mutation,
        () => runTests(copy.root, RUNTIME, file, [name]),
      );
      assertEquals({ failed, passed, hung }, { failed: [name], passed: [], hung: false });
      const place = PLACES.of(mutation);
      assertEquals(readFileSync(join(copy.root, place.file), "utf8"), read(place.file));
      const without = copy.with(harmless, () => runTests(copy.root, RUNTIME, file, [name]));
      assertEquals([without.failed, without.passed], [[], [name]]);
      assertEquals([...copy.findTypeErrors([mutation, wrong]).keys()], [wrong]);

      mkdirSync(join(copy.root, "src/moved"));
      for (const file of CODE.keys()) {
        renameSync(join(copy.root, file), join(copy.root, movedTo(file)));
      }
      const places = new Places(readCode(copy.root), NAMES);
      for (const mutation of MUTATIONS) {
        const { file, ...place } = PLACES.of(mutation);
        assertEquals(places.of(mutation), { ...place, file: movedTo(file) }, mutation.name);
      }
    } finally {
      copy.remove();
    }
  },
);

function movedTo(file: string): string {
  return `src/moved/${file.replaceAll("/", "_")}`;
}

test("calls that are left out are noticed, except those that are listed", {
  timeout: 120_000,
}, async () => {
  const verdicts: Verdicts = new Map();
  for (const program of [await salvage(), ...shortSessions()]) {
    await leaveOut(program, verdicts, ({ tried, noticed }) => noticed > 0 || tried > 0);
  }
  const noticed = [...verdicts].filter(([, { noticed }]) => noticed > 0).map(([key]) => key);
  assertEquals(noticed.filter((key) => Object.hasOwn(UNNOTICED, key)), []);
  for (
    const key of [
      "append: sync segment, after write segment",
      "open: sync directory, after makeDirectory directory",
      "setState: sync directory, after sync meta",
      "truncateFrom: truncate segment, after write redo",
    ]
  ) {
    assert(noticed.includes(key), `${key} is noticed: ${noticed.join("; ")}`);
  }
});

test("a call that no test notices is reported, and one that is listed without need", () => {
  const verdicts: Verdicts = new Map([
    ["a", { tried: 2, noticed: 0, by: "" }],
    ["b", { tried: 2, noticed: 0, by: "" }],
    ["c", { tried: 1, noticed: 1, by: "a crash" }],
    ["d", { tried: 1, noticed: 1, by: "a crash" }],
  ]);
  assertEquals(wrongIn(verdicts, { a: "", c: "", e: "" }), [
    "SURVIVED  b (2 times)",
    "NOTICED, and listed as not so  c: a crash",
    "NOT MADE, and listed  e",
  ]);
});
