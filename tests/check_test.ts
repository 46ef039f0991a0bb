/**
 * What `npm test` does where a runtime crashes: programs that die by a signal stand for runtimes.
 *
 * @module
 */
import { test } from "node:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { assertEquals, assertStringIncludes } from "@std/assert";
import { CRASHES_VARIABLE, crashesInTap } from "../kit/crashes.ts";
import { type Count, runSteps, type Step, type Summary } from "../scripts/steps.ts";
import { spawnSync } from "../kit/child.ts";
import { command, ROOT } from "../kit/runtime.ts";
import { testFiles } from "../kit/test_files.ts";
import { withFolder } from "../kit/temporary.ts";

/** What a program does at each of its runs: a line of shell. */
type Runs = readonly [string, ...string[]];

/** A program that does something else at each run; it says first which run this is. */
function step(name: string, ...runs: Runs): Step {
  const cases = runs.map((run, i) => `${i + 1}) ${run} ;;`).join("\n");
  const script = `echo run >> ${name}; case $(wc -l < ${name} | tr -d ' ') in\n${cases}\nesac`;
  return { name, program: "sh", args: ["-c", script], count: countOf };
}

/** How often a step was run. */
function runsOf(folder: string, name: string): number {
  return readFileSync(join(folder, name), "utf8").trimEnd().split("\n").length;
}

function countOf(output: string): Count {
  const [, passed, failed] = /(\d+) passed, (\d+) failed/.exec(output) ?? [];
  if (passed === undefined) throw new Error("The output tells no count");
  return { passed: Number(passed), failed: Number(failed) };
}

const GOOD = "echo 3 passed, 0 failed";
const NOTE = 'echo "SIGSEGV of a program" >> "$RUNTIME_CRASHES"';

/** Runs steps, and what was told. */
async function check(
  steps: readonly Step[],
  judge: (summary: Summary, told: string, folder: string) => void,
  atOnce?: number,
): Promise<void> {
  await withFolder(async (folder) => {
    const lines: string[] = [];
    const summary = await runSteps(steps, folder, (line) => lines.push(line), atOnce);
    judge(summary, lines.join("\n"), folder);
  });
}

for (const signal of ["SEGV", "BUS", "ILL"]) {
  test(`a step whose runtime dies of SIG${signal} is run once more, and the output says so`, () =>
    check(
      [step("once", `kill -${signal} $$`, GOOD), step("next", GOOD)],
      (summary, told, folder) => {
        assertEquals(summary.outcomes.map(({ ok }) => ok), [true, true]);
        assertEquals(summary.outcomes[0]?.count, { passed: 3, failed: 0 });
        assertEquals([runsOf(folder, "once"), runsOf(folder, "next")], [2, 1]);
        assertEquals(summary.crashes, [`SIG${signal} of sh once`]);
        assertEquals(summary.isStable, true);
        assertStringIncludes(told, `A runtime crashed, so "once" is run once more: SIG${signal}`);
      },
    ));
}

for (
  const failure of [
    "exit 1",
    "exit 139",
    "kill -KILL $$",
    "kill -ABRT $$",
    "kill -TERM $$",
    "echo 2 passed, 1 failed; exit 1",
  ]
) {
  test(`a step that fails by "${failure}" is not run again`, () =>
    check([step("fails", failure, GOOD)], (summary, _, folder) => {
      assertEquals(summary.outcomes.map(({ ok }) => ok), [false]);
      assertEquals(runsOf(folder, "fails"), 1);
      assertEquals([summary.crashes, summary.isStable], [[], true]);
    }));
}

test("a step whose runtime dies twice fails, and is not run a third time", () =>
  check([step("twice", "kill -SEGV $$", "kill -BUS $$", GOOD)], (summary, _, folder) => {
    assertEquals(summary.outcomes.map(({ ok }) => ok), [false]);
    assertEquals(runsOf(folder, "twice"), 2);
    assertEquals(summary.crashes, ["SIGSEGV of sh twice", "SIGBUS of sh twice"]);
    assertEquals(summary.isStable, false);
  }));

test("a second death in a run fails it, and nothing is run again for it", () =>
  check(
    [step("one", "kill -SEGV $$", GOOD), step("other", "kill -SEGV $$", GOOD), step("last", GOOD)],
    (summary, _, folder) => {
      assertEquals(summary.outcomes.map(({ ok }) => ok), [true, false, true]);
      assertEquals([runsOf(folder, "one"), runsOf(folder, "other")], [2, 1]);
      assertEquals([summary.crashes.length, summary.isStable], [2, false]);
    },
  ));

test("steps run as many at a time as was asked for, and are reported in their order", () => {
  const wait = (own: string, other: string): string =>
    `touch ${own}.here; while [ ! -e ${other}.here ]; do sleep 0.01; done; ${GOOD}`;
  return check(
    [step("one", wait("one", "two")), step("two", wait("two", "one")), step("three", "exit 1")],
    (summary) => {
      assertEquals(summary.outcomes.map(({ step }) => step.name), ["one", "two", "three"]);
      assertEquals(summary.outcomes.map(({ ok }) => ok), [true, true, false]);
    },
    2,
  );
});

test("a crash among steps that run at a time has the crashed one run again alone", () =>
  check(
    [step("one", "sleep 0.2; kill -SEGV $$", GOOD), step("other", `sleep 0.4; ${GOOD}`)],
    (summary, _, folder) => {
      assertEquals(summary.outcomes.map(({ ok }) => ok), [true, true]);
      assertEquals([runsOf(folder, "one"), runsOf(folder, "other")], [2, 1]);
    },
    2,
  ));

test("a step that fails after its runtime had crashed has failed", () =>
  check([step("both", "kill -SEGV $$", "exit 1", GOOD)], (summary, _, folder) => {
    assertEquals(summary.outcomes.map(({ ok }) => ok), [false]);
    assertEquals(runsOf(folder, "both"), 2);
    assertEquals([summary.crashes.length, summary.isStable], [1, true]);
  }));

test("a test that fails because its program's runtime crashed is run once more", () =>
  check(
    [step("child", `${NOTE}; echo 2 passed, 1 failed; exit 1`, GOOD)],
    (summary, _, folder) => {
      assertEquals(summary.outcomes.map(({ ok }) => ok), [true]);
      assertEquals(runsOf(folder, "child"), 2);
      assertEquals([summary.crashes, summary.isStable], [["SIGSEGV of a program"], true]);
    },
  ));

test("where more tests fail than programs crashed, nothing is run again", () =>
  check(
    [step("child", `${NOTE}; echo 1 passed, 2 failed; exit 1`, GOOD)],
    (summary, _, folder) => {
      assertEquals(summary.outcomes.map(({ ok }) => ok), [false]);
      assertEquals(runsOf(folder, "child"), 1);
      assertEquals(summary.crashes.length, 1);
    },
  ));

test("a program's crash that no test failed over counts", () =>
  check(
    [step("child", `${NOTE}; ${GOOD}`), step("more", `${NOTE}; ${GOOD}`)],
    (summary, _, folder) => {
      assertEquals(summary.outcomes.map(({ ok }) => ok), [true, true]);
      assertEquals([runsOf(folder, "child"), runsOf(folder, "more")], [1, 1]);
      assertEquals([summary.crashes.length, summary.isStable], [2, false]);
    },
  ));

test("a test file's process that Node's test runner saw crash is known by its output", () => {
  const tap = [
    "not ok 1 - a_test.ts",
    "  ---",
    "  failureType: 'testCodeFailure'",
    "  exitCode: ~",
    "  signal: 'SIGSEGV'",
    "  error: 'test failed'",
    "  ...",
    "not ok 2 - b_test.ts",
    "  ---",
    "  signal: 'SIGKILL'",
    "  ...",
  ];
  assertEquals(crashesInTap(tap.join("\n")), ["SIGSEGV"]);
  assertEquals(crashesInTap("a text that says signal: 'SIGSEGV'\n"), []);
});

test("a program that a test starts is noted when its runtime crashes, and only then", () =>
  withFolder((folder) => {
    const file = join(folder, "crashes");
    const { program, args } = command(join(ROOT, "tests/support/crashing.ts"));
    const { status, stderr } = spawnSync(program, args, {
      encoding: "utf8",
      env: { ...process.env, [CRASHES_VARIABLE]: file },
    });
    assertEquals(status, 0, stderr);
    const line = "SIGSEGV of sh -c kill -SEGV $$";
    assertEquals(readFileSync(file, "utf8"), `${line}\n${line}\n`);
    assertEquals(stderr, `A runtime crashed: ${line}\nA runtime crashed: ${line}\n`);
  }));

test("every test file starts its programs where a runtime's crash is noted", () => {
  const others = testFiles().filter((name) =>
    readFileSync(join(ROOT, name), "utf8").includes('from "node:child_process"')
  );
  // This file names the module too, in the line above.
  assertEquals(others, ["tests/check_test.ts"]);
});
