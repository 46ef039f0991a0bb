/**
 * Everything that must hold of the project, in one run: types, lint, format, docs, the publish dry
 * run, and the same test files on Deno, Bun and Node.
 *
 * `npm test` runs it; `npm test -- NAME` runs only the steps whose name contains NAME, and
 * `npm test -- node26` the test files on Node 26, which are no part of the run. A runtime that
 * crashes is no failure of the project: see `scripts/steps.ts`.
 *
 * @module
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import process from "node:process";
import { testFiles } from "../kit/test_files.ts";
import { type Count, type Outcome, runSteps, type Step } from "./steps.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const OFFLINE = ["--config", "deno.offline.json"];

/** How many steps run at a time: a step keeps one processor busy for most of its time. */
const STEPS_AT_ONCE = 2;

/**
 * In how many steps the test files run on each runtime, so that steps end at about the same time. One
 * process of Bun for very many files becomes slow: of its heap, each file leaves something there.
 */
const PARTS = 9;

/** A program that npm installed; its own name where it is not, so that the shell's path is tried. */
function tool(name: string, folder: string = "node_modules"): string {
  const installed = `${ROOT}${folder}/.bin/${name}${process.platform === "win32" ? ".cmd" : ""}`;
  return existsSync(installed) ? installed : name;
}

function filesBelow(folder: string, suffix: string): string[] {
  return readdirSync(`${ROOT}${folder}`, { recursive: true, encoding: "utf8" })
    .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
    .filter((name) => name.endsWith(suffix) && !name.includes("node_modules"))
    .sort();
}

const entryPoints = Object.values(
  (JSON.parse(readFileSync(`${ROOT}deno.json`, "utf8")) as { exports: Record<string, string> })
    .exports,
);
const sources = [...filesBelow("src", ".ts"), "mod.ts"];
const tests = testFiles();
const documents = [
  ...["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"],
  ...filesBelow("docs", ".md"),
  ...filesBelow("src", ".md"),
];
const programs = ["examples", "bench", "proof", "kit", "scripts"]
  .flatMap((folder) => filesBelow(folder, ".ts"))
  .filter((name) => !tests.includes(name));

/** Sums what a runner prints of its count; it is an error if it prints none. */
function counted(passed: RegExp, failed: RegExp): (output: string) => Count {
  const sum = (output: string, pattern: RegExp): number => {
    const found = [...output.matchAll(pattern)];
    if (found.length === 0) throw new Error(`The runner's output has no ${pattern}`);
    return found.reduce((total, match) => total + Number(match[1]), 0);
  };
  return (output) => ({ passed: sum(output, passed), failed: sum(output, failed) });
}

/** The test files on one runtime, in several steps. */
function testsOn(
  runtime: string,
  args: readonly string[],
  count: Step["count"],
  program: string = tool(runtime),
): Step[] {
  return Array.from({ length: PARTS }, (_, part) => ({
    name: `tests on ${runtime}, part ${part + 1} of ${PARTS}`,
    program,
    // Bun takes a path for a part of a name without the dot.
    args: [...args, ...tests.filter((_, place) => place % PARTS === part).map((to) => `./${to}`)],
    ...(count === undefined ? {} : { count }),
  }));
}

/** The sum of what steps counted, of those that came so far. */
function total(outcomes: readonly Outcome[]): Count {
  const counts = outcomes.flatMap(({ count }) => count ?? []);
  return {
    passed: counts.reduce((sum, { passed }) => sum + passed, 0),
    failed: counts.reduce((sum, { failed }) => sum + failed, 0),
  };
}

const denoCount = counted(/\| (\d+) passed/g, /\| (\d+) failed/g);
const nodeCount = counted(/^# pass (\d+)$/gm, /^# fail (\d+)$/gm);
const NODE_TEST = ["--test", "--test-reporter=tap"];

const steps: readonly Step[] = [
  { name: "types (tsc)", program: tool("tsc"), args: [] },
  {
    name: "types (deno check)",
    program: tool("deno"),
    args: ["check", "--quiet", ...OFFLINE, ...sources, ...tests, ...programs],
  },
  { name: "lint", program: tool("deno"), args: ["lint", "--quiet", ...OFFLINE] },
  { name: "format", program: tool("deno"), args: ["fmt", "--check", "--quiet", ...OFFLINE] },
  {
    name: "documentation",
    program: tool("deno"),
    args: ["doc", "--quiet", "--lint", ...entryPoints],
  },
  {
    name: "examples in documents",
    program: tool("deno"),
    args: ["test", "--doc", "--allow-all", "--quiet", ...OFFLINE, ...documents, ...sources],
    count: denoCount,
  },
  {
    name: "publish dry run",
    program: tool("deno"),
    args: ["publish", "--dry-run", "--allow-dirty", "--quiet"],
  },
  { name: "test runners", program: tool("node"), args: ["proof/runners/main.ts"] },
  ...testsOn("node", NODE_TEST, nodeCount),
  ...testsOn("deno", ["test", "--allow-all", "--quiet", ...OFFLINE], denoCount),
  ...testsOn(
    "bun",
    ["test", "--timeout", "120000"],
    counted(/^ *(\d+) pass$/gm, /^ *(\d+) fail$/gm),
  ),
];

/** Steps that run only where their name is asked for, with what `npm ci --prefix kit/node26` installs. */
const askedSteps: readonly Step[] = testsOn(
  "node26",
  NODE_TEST,
  nodeCount,
  tool("node", "kit/node26/node_modules"),
);

const wanted = process.argv[2] ?? "";
const chosen = [
  ...steps.filter((step) => step.name.includes(wanted)),
  ...(wanted.includes("node26") ? askedSteps.filter((step) => step.name.includes(wanted)) : []),
];
const { outcomes, crashes, isStable } = await runSteps(
  chosen,
  ROOT,
  (line) => console.log(line),
  STEPS_AT_ONCE,
);

const failed = outcomes.filter(({ ok }) => !ok);
console.log();
for (const crash of crashes) console.log(`A runtime crashed: ${crash}`);
if (crashes.length > 0) console.log(`runtime crashed: ${crashes.length}`);
const counts = ["deno", "bun", "node", "node26"].flatMap((runtime) => {
  const parts = outcomes.filter(({ step }) => step.name.startsWith(`tests on ${runtime},`));
  return parts.length === 0 ? [] : [{ runtime, ...total(parts) }];
});
for (const { runtime, passed, failed } of counts) {
  console.log(`${runtime}: ${passed} passed, ${failed} failed`);
}
if (failed.length === 0 && new Set(counts.map(({ passed }) => passed)).size > 1) {
  console.log("FAILED the runtimes did not run the same number of tests");
  process.exitCode = 1;
}
if (!isStable) {
  console.log("FAILED more than one runtime crashed");
  process.exitCode = 1;
}
if (failed.length > 0 || chosen.length === 0) {
  console.log(
    chosen.length === 0
      ? `No step is called "${wanted}"`
      : `FAILED ${failed.map(({ step }) => step.name).join(", ")}`,
  );
  process.exitCode = 1;
}
