/**
 * `npm run try`: the test files that a word names, on one runtime.
 *
 * @module
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { test } from "node:test";
import { spawnSync } from "../kit/child.ts";
import { command, ROOT, RUNTIME } from "../kit/runtime.ts";

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function tryTests(...args: string[]): Outcome {
  const { program, args: all } = command(`${ROOT}scripts/try.ts`, ...args);
  return spawnSync(program, all, { encoding: "utf8", cwd: ROOT });
}

test("npm run try runs the test files whose name has the word, and no other", () => {
  const { status, stdout, stderr } = tryTests("tests/bytes_", "--on", RUNTIME);
  assertEquals(status, 0, `${stdout}${stderr}`);
  assertStringIncludes(stdout, `On ${RUNTIME}: tests/bytes_test.ts\n`);
});

test("npm run try gives what follows -- to the runner", () => {
  const filter = { node: "--test-name-pattern", bun: "-t", deno: "--filter" }[RUNTIME];
  const { status, stdout, stderr } = tryTests(
    "tests/bytes_",
    "--on",
    RUNTIME,
    "--",
    filter,
    "a Buffer",
  );
  assertEquals(status, 0, stderr);
  assertEquals(/a string is refused.*(ok|pass|✔)/.test(stdout), false, stdout);
});

test("npm run try says plainly if no test file matches", () => {
  const { status, stderr } = tryTests("no_such_thing");
  assertEquals([status, stderr], [2, 'No test file has "no_such_thing" in its name.\n']);
});

for (
  const [args, said] of [
    [[], "The WORD is missing."],
    [["bytes", "entry"], 'One WORD, not also "entry".'],
    [["bytes", "--on", "perl"], 'No runtime is called "perl".'],
  ] as const
) {
  test(`npm run try ${args.join(" ")}: a mistake in the usage`, () => {
    const { status, stderr } = tryTests(...args);
    assertEquals(status, 2);
    assertStringIncludes(stderr, said);
    assertStringIncludes(stderr, "Usage: npm run try");
  });
}
