/**
 * Runs tests of a copy of the project on a runtime, and tells which of them failed.
 *
 * @module
 */
import process from "node:process";
import { spawnSync } from "../../kit/child.ts";
import { ROOT, type Runtime } from "../../kit/runtime.ts";

/** How long the tests of one run may take, in milliseconds: more is an endless loop. */
const LIMIT_MS = 100_000;

/** What became of the tests of one file. */
export interface TestRun {
  readonly passed: readonly string[];
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
  /** Whether the run did not come to its end. */
  readonly hung: boolean;
  /** All that was printed. */
  readonly output: string;
}

/** How each runtime runs a file's tests, those whose names match a pattern. */
const ARGS: Readonly<Record<Runtime, (file: string, pattern: string) => string[]>> = {
  node: (file, pattern) => [
    "--test",
    "--test-isolation=none",
    "--test-reporter=tap",
    `--test-name-pattern=${pattern}`,
    file,
  ],
  bun: (file, pattern) => ["test", "--timeout", "120000", "-t", pattern, `./${file}`],
  deno: (file, pattern) => [
    "test",
    "--allow-all",
    "--no-check",
    "--quiet",
    "--reporter=tap",
    "--config",
    "deno.offline.json",
    "--filter",
    `/${pattern.replaceAll("/", "\\/")}/`,
    file,
  ],
};

/** Runs tests of one file: those of these names, or all. */
export function runTests(
  root: string,
  runtime: Runtime,
  file: string,
  names?: readonly string[],
): TestRun {
  const pattern = names === undefined ? "." : `^(?:${names.map(escapePattern).join("|")})$`;
  // Of a test that runs this: Node would take its own tests for a part of that one.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { error, signal, stdout, stderr } = spawnSync(
    `${ROOT}node_modules/.bin/${runtime}`,
    ARGS[runtime](file, pattern),
    {
      cwd: root,
      encoding: "utf8",
      env: { ...env, NO_COLOR: "1" },
      killSignal: "SIGKILL",
      maxBuffer: 1 << 28,
      timeout: LIMIT_MS,
    },
  );
  const hung = signal === "SIGKILL";
  if (error !== undefined && !hung) throw error;
  const output = `${stdout}${stderr}`;
  return { ...testsIn(runtime, output), hung, output };
}

/** The tests that a run's output names. */
function testsIn(runtime: Runtime, output: string): Omit<TestRun, "hung" | "output"> {
  const passed: string[] = [];
  const failed: string[] = [];
  const skipped: string[] = [];
  const line = runtime === "bun"
    ? /^\((pass|fail|skip)\) (.*?)(?: \[[\d.]+ ?m?s\])?()$/gm
    : /^(ok|not ok) \d+ - (.*?)( # SKIP.*)?$/gm;
  for (const [, verdict, name = "", skip] of output.matchAll(line)) {
    if (skip || verdict === "skip") skipped.push(name);
    else (verdict === "ok" || verdict === "pass" ? passed : failed).push(name);
  }
  return { passed, failed, skipped };
}

/** A pattern that matches this text alone. */
export function escapePattern(name: string): string {
  return name.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
