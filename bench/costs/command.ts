/**
 * What the commands that measure costs share: their options, a worker on each runtime, the tables
 * and the file of results.
 *
 * @module
 */
import { spawn, spawnSync } from "node:child_process";
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
import { commandOn, type Edition, EDITIONS, RUNTIMES } from "../../kit/runtime.ts";
import {
  describeMachine,
  describeMount,
  type Machine,
  type Mount,
  mountOf,
  thisMachine,
} from "../machine.ts";
import type { CollectorSettings } from "./collector.ts";
import { plain, type Table } from "./text.ts";

/** An option that is a whole number. */
export interface NumberOption {
  readonly byDefault: number;
  readonly least: number;
  readonly about: string;
}

/** What was measured on one runtime. */
export interface RuntimeResult<Result> {
  readonly runtime: Edition;
  readonly version: string;
  readonly result: Result;
}

/** A run of a measurement, as its file of results holds it. */
export interface Run<Result> {
  readonly kind: string;
  readonly machine: Machine;
  /** The file system of the files. */
  readonly mount?: Mount;
  readonly options: Readonly<Record<string, number>>;
  readonly results: readonly RuntimeResult<Result>[];
}

/** Runs workers on one runtime, in an empty folder. */
export interface Bench {
  readonly runtime: Edition;
  readonly folder: string;
  /** Is aborted when the run is broken off. */
  readonly stop: AbortSignal;
  /** Runs a worker to its end, or until it kills itself where `isKilled` says so. */
  run(worker: URL, args: readonly string[], settings?: WorkerSettings): Promise<Output>;
}

/** How a worker is run. */
export interface WorkerSettings {
  readonly collector?: CollectorSettings;
  /** The worker is to die of SIGKILL. */
  readonly isKilled?: boolean;
}

/** What a worker printed. */
export interface Output {
  readonly stdout: string;
  readonly stderr: string;
}

/** A measurement that is a command. */
export interface Measurement<Result> {
  /** The name of the script in package.json is `bench:` and this. */
  readonly kind: string;
  readonly options: Readonly<Record<string, NumberOption>>;
  /** Where it is measured by default; the three runtimes where it does not say. */
  readonly runtimes?: readonly Edition[];
  /** Refuses what the folder's disk cannot hold. */
  readonly require?: (folder: string, options: Run<Result>["options"]) => void;
  readonly measure: (bench: Bench, options: Run<Result>["options"]) => Promise<Result>;
  readonly tables: (run: Run<Result>) => Table[];
}

/** What of a measurement the command line depends on. */
type Asked = Pick<Measurement<unknown>, "kind" | "options" | "runtimes">;

/** Arguments that make no sense. */
export class UsageError extends Error {}

/** A runtime that is not installed. */
class MissingError extends Error {}

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** What the arguments ask for. */
interface Arguments {
  readonly dir: string;
  readonly runtimes: readonly Edition[];
  readonly options: Readonly<Record<string, number>>;
  /** The open file for the results. */
  readonly json: number | undefined;
}

/** Runs a measurement as the command line says; gives the exit code. */
export async function runCommand<Result>(measurement: Measurement<Result>): Promise<number> {
  try {
    const found = readArguments(measurement);
    if (found !== undefined) return await run(measurement, found);
    console.log(usage(measurement));
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\n\n${usage(measurement)}`);
    return 2;
  }
}

/** The exit code is 0 if every runtime that is installed was measured. */
async function run<Result>(
  measurement: Measurement<Result>,
  { dir, runtimes, options, json }: Arguments,
): Promise<number> {
  measurement.require?.(dir, options);
  const machine = thisMachine();
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  for (const signal of SIGNALS) process.once(signal, onSignal);
  const folder = mkdtempSync(join(dir, `wal-${measurement.kind}-`));
  const results: RuntimeResult<Result>[] = [];
  let failed = false;
  try {
    for (const runtime of runtimes) {
      const files = join(folder, runtime);
      mkdirSync(files);
      try {
        const version = versionOf(runtime);
        console.error(`Running on ${runtime}...`);
        const bench = benchOn(runtime, files, stop.signal);
        results.push({ runtime, version, result: await measurement.measure(bench, options) });
      } catch (error) {
        if (stop.signal.aborted) return 130;
        if (!(error instanceof Error)) throw error;
        console.error(`${runtime} is not measured: ${error.message}`);
        failed ||= !(error instanceof MissingError);
      }
      rmSync(files, { recursive: true, force: true });
    }
    if (results.length === 0) return 1;
    const mount = mountOf(folder);
    const found: Run<Result> = {
      kind: measurement.kind,
      machine,
      ...(mount && { mount }),
      options,
      results,
    };
    console.log([conditions(found), ...measurement.tables(found).map(plain)].join("\n\n"));
    if (json !== undefined) {
      writeFileSync(json, `${JSON.stringify(found, undefined, 2)}\n`);
      closeSync(json);
    }
    return failed ? 1 : 0;
  } finally {
    // The files are large, so they go even when the run is broken off.
    rmSync(folder, { recursive: true, force: true });
    for (const signal of SIGNALS) process.off(signal, onSignal);
  }
}

/** What a run was made on, line by line. */
function conditions({ machine, mount, results }: Run<unknown>): string {
  const versions = results.map(({ runtime, version }) => `${runtime} ${version}`).join(", ");
  return [describeMachine(machine), versions, `Files on ${describeMount(mount)}.`].join("\n");
}

function versionOf(runtime: Edition): string {
  const { program } = commandOn(runtime, "");
  if (!existsSync(program)) {
    throw new MissingError(
      `there is no "${program}" (run npm ci${runtime === "node26" ? " --prefix kit/node26" : ""}).`,
    );
  }
  const { stdout } = spawnSync(program, ["--version"], { encoding: "utf8" });
  return stdout.match(/\d+\.\d+\.\d+/)?.[0] ?? "of unknown version";
}

/** Workers on a runtime, until a signal stops them. */
export function benchOn(
  runtime: Edition,
  folder: string,
  stop: AbortSignal = new AbortController().signal,
): Bench {
  return {
    runtime,
    folder,
    stop,
    run: async (file, args, { collector = { flags: [], env: {} }, isKilled = false } = {}) => {
      stop.throwIfAborted();
      const command = commandOn(runtime, fileURLToPath(file), ...args);
      // On Deno the first argument is the command that the flags belong to.
      command.args.splice(runtime === "deno" ? 1 : 0, 0, ...collector.flags);
      const worker = spawn(command.program, command.args, {
        env: { ...process.env, ...collector.env },
        stdio: ["ignore", "pipe", "pipe"],
      });
      const onStop = (): void => void worker.kill();
      stop.addEventListener("abort", onStop);
      const output = { stdout: "", stderr: "" };
      for (const name of ["stdout", "stderr"] as const) {
        worker[name].setEncoding("utf8").on("data", (text: string) => output[name] += text);
      }
      const [code, signal] = await once(worker, "close");
      stop.removeEventListener("abort", onStop);
      stop.throwIfAborted();
      if (isKilled ? signal !== "SIGKILL" : code !== 0) {
        throw new Error(`its worker ended with ${signal ?? code}: ${reasonIn(output.stderr)}`);
      }
      return output;
    },
  };
}

/** The line of an uncaught error that tells what it was. */
function reasonIn(stderr: string): string {
  const lines = stderr.trim().split("\n");
  return lines.find((line) => /\w*error\b.*: /i.test(line)) ?? lines.at(-1) ?? "";
}

function usage({ kind, options, runtimes = RUNTIMES }: Asked): string {
  const own = Object.entries(options).map(([name, { byDefault, about }]) =>
    [`--${name} N`, `${about}; default: ${byDefault}`] as const
  );
  const lines = [
    ["--dir DIR", "where the files are made; default: the system's folder for temporary files"],
    ["--runtime NAMES", `which runtimes, such as node26; default: ${runtimes.join(",")}`],
    ...own,
    ["--json FILE", "write the results to a file too"],
    ["--help", "print this"],
  ] as const;
  return [
    `Usage: npm run bench:${kind} -- [options]`,
    ...lines.map(([option, about]) => `  ${option.padEnd(18)}${about}`),
  ].join("\n");
}

/** The arguments, or `undefined` where only help is asked for. */
function readArguments({ options: own, runtimes = RUNTIMES }: Asked): Arguments | undefined {
  const text = { type: "string" } as const;
  const { values } = orUsageError(() =>
    parseArgs({
      options: {
        ...Object.fromEntries(Object.keys(own).map((name) => [name, text])),
        dir: { ...text, default: tmpdir() },
        runtime: { ...text, default: runtimes.join(",") },
        json: text,
        help: { type: "boolean", default: false },
      },
    })
  );
  const { help, dir, runtime, json } = values;
  if (help) return undefined;
  if (!statSync(dir, { throwIfNoEntry: false })?.isDirectory()) {
    throw new UsageError(`There is no folder "${dir}".`);
  }
  const given = values as Record<string, unknown>;
  const options = Object.entries(own).map(([name, option]) =>
    [name, toNumber(name, given[name] ?? option.byDefault, option.least)] as const
  );
  return {
    dir,
    runtimes: runtime.split(",").map(toRuntime),
    options: Object.fromEntries(options),
    // Opened now, so that a long run does not end in a file that cannot be written.
    json: json === undefined ? undefined : orUsageError(() => openSync(json, "w")),
  };
}

/** Runs a call whose failure is the fault of an argument. */
function orUsageError<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw error instanceof Error ? new UsageError(error.message) : error;
  }
}

function toRuntime(name: string): Edition {
  const found = EDITIONS.find((runtime) => runtime === name);
  if (found === undefined) {
    throw new UsageError(`"${name}" is no runtime: they are ${EDITIONS.join(", ")}.`);
  }
  return found;
}

function toNumber(name: string, given: unknown, least: number): number {
  const value = Number(given);
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new UsageError(`--${name} must be a whole number from ${least}, not "${given}".`);
}
