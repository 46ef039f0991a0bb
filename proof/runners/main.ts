/**
 * Runs a sample project's tests of its log under Jest and Vitest, as a user of the published package
 * would: the package is JavaScript in `node_modules`, and the runners give each test file a realm of
 * its own.
 *
 * ```sh
 * npm run test:runners
 * ```
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { commandOn, ROOT } from "../../kit/runtime.ts";

const FOLDER = fileURLToPath(new URL(".", import.meta.url));
const PACKAGE = join(FOLDER, "node_modules/@durable/wal");
const { program: NODE } = commandOn("node", "");

/** How the sample's tests are run: the words of a command, and what it adds to Node's options. */
interface Run {
  readonly name: string;
  readonly args: readonly string[];
  readonly nodeOptions?: string;
}

const JEST = "node_modules/jest/bin/jest.js";
const VITEST = "node_modules/vitest/vitest.mjs";

const RUNS: readonly Run[] = [
  { name: "jest (CommonJS, by Babel)", args: [JEST] },
  {
    name: "jest (ES modules)",
    args: [JEST, "--config", "jest.esm.config.cjs"],
    nodeOptions: "--experimental-vm-modules",
  },
  { name: "vitest", args: [VITEST, "run"] },
  { name: "vitest --pool=vmThreads", args: [VITEST, "run", "--pool=vmThreads"] },
  { name: "vitest --pool=threads", args: [VITEST, "run", "--pool=threads"] },
];

/** How many tests the sample has, as a runner counts those that passed. */
const PASSED = /Tests\s*:?\s+(\d+) passed/;

process.exitCode = main();

function main(): number {
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  execute(npm, ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
  makePackage();
  const counts = RUNS.map((run) => runTests(run));
  return counts.every((count) => count !== undefined && count === counts[0]) ? 0 : 1;
}

/** Runs the sample's tests; how many passed, if all did. */
function runTests({ name, args, nodeOptions = "" }: Run): number | undefined {
  const env = { ...process.env, NODE_OPTIONS: nodeOptions, NO_COLOR: "1", CI: "1" };
  const { status, stdout, stderr } = spawnSync(NODE, args, {
    cwd: FOLDER,
    env,
    encoding: "utf8",
    timeout: 300_000,
  });
  const output = `${stdout}${stderr}`;
  const passed = Number(PASSED.exec(output)?.[1] ?? 0);
  const ok = status === 0 && passed > 0;
  console.log(`${ok ? "ok    " : "FAILED"} ${name}: ${passed} passed`);
  if (!ok) console.log(output);
  return ok ? passed : undefined;
}

/** Makes of the sources what a registry makes of them: JavaScript, and where each entry point is. */
function makePackage(): void {
  rmSync(PACKAGE, { recursive: true, force: true });
  mkdirSync(PACKAGE, { recursive: true });
  const config = {
    extends: join(ROOT, "tsconfig.json"),
    compilerOptions: {
      noEmit: false,
      allowImportingTsExtensions: false,
      rewriteRelativeImportExtensions: true,
      rootDir: ROOT,
      outDir: PACKAGE,
      typeRoots: [join(ROOT, "node_modules/@types")],
    },
    include: [join(ROOT, "mod.ts"), join(ROOT, "src")],
  };
  const path = join(PACKAGE, "tsconfig.json");
  writeFileSync(path, JSON.stringify(config));
  execute(NODE, [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", path]);
  const { name, version, exports } = JSON.parse(readFileSync(join(ROOT, "deno.json"), "utf8")) as {
    name: string;
    version: string;
    exports: Record<string, string>;
  };
  const entries = Object.entries(exports).map(([key, file]) => [key, file.replace(/ts$/, "js")]);
  const content = { name, version, type: "module", exports: Object.fromEntries(entries) };
  writeFileSync(join(PACKAGE, "package.json"), JSON.stringify(content));
}

/** Runs a program of the preparation, which must succeed. */
function execute(program: string, args: readonly string[]): void {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: FOLDER,
    encoding: "utf8",
    shell: program.endsWith(".cmd"),
  });
  if (status === 0) return;
  throw new Error(`${program} ${args.join(" ")} failed: ${error ?? `${stdout}${stderr}`}`);
}
