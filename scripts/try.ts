/**
 * Runs the test files whose name contains a word, on one runtime.
 *
 * ```sh
 * npm run try -- wal_test
 * npm run try -- wal_test --watch --on bun
 * npm run try -- reader/ -- --test-name-pattern "a reader"   # what follows goes to the runner
 * ```
 *
 * The name is the path from the project's folder, so that a folder is a word too. The exit code is
 * the runner's; 2 if no file matches, or the call is wrong.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { ROOT } from "../kit/runtime.ts";
import { testFiles } from "../kit/test_files.ts";

const USAGE = `Usage: npm run try -- WORD [--watch] [--on node|bun|deno] [-- RUNNER'S OPTIONS]

  WORD      a part of the path of the test files, such as wal_test or tests/reader/
  --watch   run them again after each change
  --on NAME the runtime; default: node`;

/** How each runtime runs test files. */
const RUNNERS: Readonly<Record<string, (isWatched: boolean) => string[]>> = {
  node: (isWatched) => ["--test", ...(isWatched ? ["--watch"] : [])],
  bun: (isWatched) => ["test", "--timeout", "120000", ...(isWatched ? ["--watch"] : [])],
  deno: (isWatched) => [
    "test",
    "--allow-all",
    "--quiet",
    "--config",
    "deno.offline.json",
    ...(isWatched ? ["--watch"] : []),
  ],
};

/** What was asked for. */
interface Wish {
  readonly word: string;
  readonly runtime: string;
  readonly isWatched: boolean;
  /** Options for the runner. */
  readonly more: readonly string[];
}

process.exitCode = await main();

async function main(): Promise<number> {
  const wish = readWish(process.argv.slice(2));
  if (typeof wish === "string") {
    console.error(`${wish}\n\n${USAGE}`);
    return 2;
  }
  const files = testFiles().filter((name) => name.includes(wish.word));
  if (files.length === 0) {
    console.error(`No test file has "${wish.word}" in its name.`);
    return 2;
  }
  console.log(`On ${wish.runtime}: ${files.join(", ")}`);
  return await run(wish, files);
}

/** Reads the arguments; what is wrong with them, if something is. */
function readWish(args: readonly string[]): Wish | string {
  const end = args.indexOf("--");
  const own = end < 0 ? args : args.slice(0, end);
  const more = end < 0 ? [] : args.slice(end + 1);
  try {
    const { values, positionals } = parseArgs({
      args: [...own],
      allowPositionals: true,
      options: {
        watch: { type: "boolean", default: false },
        on: { type: "string", default: "node" },
      },
    });
    const [word, ...others] = positionals;
    if (word === undefined || word === "") return "The WORD is missing.";
    if (others.length > 0) return `One WORD, not also "${others.join(" ")}".`;
    if (!Object.hasOwn(RUNNERS, values.on)) return `No runtime is called "${values.on}".`;
    return { word, runtime: values.on, isWatched: values.watch, more };
  } catch (error) {
    return (error as Error).message;
  }
}

function run({ runtime, isWatched, more }: Wish, files: readonly string[]): Promise<number> {
  const args = [
    ...(RUNNERS[runtime]?.(isWatched) ?? []),
    ...more,
    ...files.map((file) => `./${file}`),
  ];
  const isOnWindows = process.platform === "win32";
  const installed = `${ROOT}node_modules/.bin/${runtime}${isOnWindows ? ".cmd" : ""}`;
  // A runner that is itself run by a runner would report to that one.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const runner = spawn(existsSync(installed) ? installed : runtime, args, {
    cwd: ROOT,
    env,
    stdio: "inherit",
    shell: isOnWindows,
  });
  return new Promise((resolve) => {
    runner.once("error", (error) => {
      console.error(`"${runtime}" could not be started: ${error.message}`);
      resolve(1);
    });
    runner.once("exit", (code) => resolve(code ?? 1));
  });
}
