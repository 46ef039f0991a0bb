/**
 * The list of mutations is in step with the code and the tests, and what runs it tells a mutation that
 * is caught from one that is not.
 *
 * @module
 */
import { test } from "node:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Copy, mutated } from "./copy.ts";
import { type Mutation, MUTATIONS } from "./list.ts";
import { escapePattern, runTests } from "./run_tests.ts";
import { ROOT, RUNTIME } from "../../kit/runtime.ts";

function read(file: string): string {
  return readFileSync(join(ROOT, file), "utf8");
}

test("the text of every mutation is once in its file, and is changed", () => {
  for (const mutation of MUTATIONS) {
    const text = read(mutation.file);
    assert(mutated(text, mutation) !== text, mutation.name);
  }
  assert(MUTATIONS.length >= 20);
  assertEquals(new Set(MUTATIONS.map(({ name }) => name)).size, MUTATIONS.length);
});

test("a text that is not there, or more than once, is refused", () => {
  const [mutation] = MUTATIONS;
  assert(mutation !== undefined);
  for (const text of ["", `${mutation.find} and ${mutation.find}`]) {
    assertThrows(() => mutated(text, mutation));
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
  "a mutation is caught by its test, and the copy is then as before",
  { timeout: 120_000 },
  () => {
    const mutation = MUTATIONS.find(({ name }) => name === "a failed write is not cut back");
    assert(mutation !== undefined);
    const [file, name] = mutation.caughtBy;
    const harmless: Mutation = { ...mutation, replace: `${mutation.find} ` };
    const wrong: Mutation = { ...mutation, replace: "this.#cutBck();\nthrow writeFailed(" };
    const copy = new Copy();
    try {
      const { failed, passed, hung } = copy.with(
        mutation,
        () => runTests(copy.root, RUNTIME, file, [name]),
      );
      assertEquals({ failed, passed, hung }, { failed: [name], passed: [], hung: false });
      assertEquals(readFileSync(join(copy.root, mutation.file), "utf8"), read(mutation.file));
      const without = copy.with(harmless, () => runTests(copy.root, RUNTIME, file, [name]));
      assertEquals([without.failed, without.passed], [[], [name]]);
      assertEquals([...copy.findTypeErrors([mutation, wrong]).keys()], [wrong]);
    } finally {
      copy.remove();
    }
  },
);
