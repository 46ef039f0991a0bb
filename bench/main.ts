/**
 * The benchmark: the log's workloads on each runtime, each as a ratio to what the same runtime does
 * by itself with the same bytes.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { commandOn, type Runtime, RUNTIMES } from "../tests/support/runtime.ts";
import { ENTRY_SIZE } from "./log_files.ts";
import { mountOf, thisMachine } from "./machine.ts";
import { format, type Report } from "./report.ts";
import type { RuntimeResult } from "./results.ts";

const USAGE = `Usage: npm run bench -- [options]
  --dir DIR           where the files are made; default: the system's folder for temporary files
  --runtime NAMES     which runtimes, such as deno,bun,node; default: all
  --entries N         entries of the large log; default: 1000000
  --rounds N          rounds, of which the medians are shown; default: 3
  --markdown          print Markdown
  --json FILE         write the raw results to a file too
  --help              print this`;

const ARGUMENTS = {
  options: {
    dir: { type: "string", default: tmpdir() },
    runtime: { type: "string", default: RUNTIMES.join(",") },
    entries: { type: "string", default: "1000000" },
    rounds: { type: "string", default: "3" },
    markdown: { type: "boolean", default: false },
    json: { type: "string" },
    help: { type: "boolean", default: false },
  },
} as const;

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** What the arguments ask for. */
interface Options {
  readonly dir: string;
  readonly runtimes: readonly Runtime[];
  readonly entries: number;
  readonly rounds: number;
  readonly markdown: boolean;
  /** The open file for the raw results. */
  readonly json: number | undefined;
}

/** Arguments that make no sense. */
class UsageError extends Error {}

/** A runtime that is not installed. */
class MissingError extends Error {}

process.exitCode = await main();

async function main(): Promise<number> {
  try {
    const options = readOptions();
    if (options !== undefined) return await run(options);
    console.log(USAGE);
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\n\n${USAGE}`);
    return 2;
  }
}

/** Runs the benchmark; the exit code is 0 if every runtime that is installed was measured. */
async function run(options: Options): Promise<number> {
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  for (const signal of SIGNALS) process.once(signal, onSignal);
  const folder = mkdtempSync(join(options.dir, "wal-bench-"));
  try {
    const { results, failed } = await measureAll(options, folder, stop.signal);
    if (stop.signal.aborted) return 130;
    if (results.length > 0) write(options, folder, results);
    return failed || results.length === 0 ? 1 : 0;
  } finally {
    // The files are large, so they go even when the run is broken off.
    rmSync(folder, { recursive: true, force: true });
    for (const signal of SIGNALS) process.off(signal, onSignal);
  }
}

/** Measures one runtime after the other. */
async function measureAll(
  options: Options,
  folder: string,
  stop: AbortSignal,
): Promise<{ results: RuntimeResult[]; failed: boolean }> {
  const results: RuntimeResult[] = [];
  let failed = false;
  for (const runtime of options.runtimes) {
    if (stop.aborted) break;
    console.error(`Running on ${runtime}...`);
    const files = join(folder, runtime);
    mkdirSync(files);
    try {
      results.push(await measure(runtime, files, options, stop));
    } catch (error) {
      if (stop.aborted) break;
      if (!(error instanceof Error)) throw error;
      console.error(error.message);
      failed ||= !(error instanceof MissingError);
    }
    rmSync(files, { recursive: true, force: true });
  }
  return { results, failed };
}

/** Runs the worker on a runtime. */
async function measure(
  runtime: Runtime,
  folder: string,
  { entries, rounds }: Options,
  stop: AbortSignal,
): Promise<RuntimeResult> {
  const { program, args } = commandOn(
    runtime,
    fileURLToPath(new URL("worker.ts", import.meta.url)),
    ...["--folder", folder, "--entries", `${entries}`, "--rounds", `${rounds}`],
  );
  if (!existsSync(program)) {
    throw new MissingError(`${runtime} is not measured: there is no "${program}" (run npm ci).`);
  }
  const worker = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  const onStop = (): void => void worker.kill();
  stop.addEventListener("abort", onStop);
  let output = "";
  worker.stdout.setEncoding("utf8").on("data", (text: string) => output += text);
  const [code] = await once(worker, "close");
  stop.removeEventListener("abort", onStop);
  if (code !== 0) throw new Error(`${runtime} is not measured: its worker ended with ${code}.`);
  return JSON.parse(output);
}

/** Prints the report and writes the raw results. */
function write(options: Options, folder: string, results: readonly RuntimeResult[]): void {
  const { entries, rounds, markdown, json } = options;
  const report: Report = {
    machine: thisMachine(),
    mount: mountOf(folder),
    entrySize: ENTRY_SIZE,
    entries,
    rounds,
    results,
  };
  console.log(format(report, markdown));
  if (json === undefined) return;
  writeFileSync(json, `${JSON.stringify(report, undefined, 2)}\n`);
  closeSync(json);
}

/** The options, or `undefined` where only help is asked for. */
function readOptions(): Options | undefined {
  const { help, dir, runtime, entries, rounds, markdown, json } = parse();
  if (help) return undefined;
  if (!statSync(dir, { throwIfNoEntry: false })?.isDirectory()) {
    throw new UsageError(`There is no folder "${dir}".`);
  }
  return {
    dir,
    runtimes: runtime.split(",").map(toRuntime),
    entries: toCount("entries", entries),
    rounds: toCount("rounds", rounds),
    markdown,
    // Opened now, so that a long run does not end in a file that cannot be written.
    json: json === undefined ? undefined : orUsageError(() => openSync(json, "w")),
  };
}

function parse(): ReturnType<typeof parseArgs<typeof ARGUMENTS>>["values"] {
  return orUsageError(() => parseArgs(ARGUMENTS)).values;
}

/** Runs a call whose failure is the fault of an argument. */
function orUsageError<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw error instanceof Error ? new UsageError(error.message) : error;
  }
}

function toRuntime(name: string): Runtime {
  const found = RUNTIMES.find((runtime) => runtime === name);
  if (found === undefined) {
    throw new UsageError(`"${name}" is no runtime: they are ${RUNTIMES.join(", ")}.`);
  }
  return found;
}

function toCount(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new UsageError(`--${name} must be a whole number from 1, not "${text}".`);
}
