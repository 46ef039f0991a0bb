/**
 * The benchmark: the log's workloads on each runtime, and with `--peers` those of others, each as a
 * ratio to what the same runtime does by itself with the same bytes.
 *
 * @module
 */
import {
  closeSync,
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
import { parseArgs } from "node:util";
import { EDITIONS, RUNTIMES } from "../kit/runtime.ts";
import { type Entrant, entrantsOn, type Host } from "./contestants.ts";
import { type Image, IMAGES, MountError, mountImages } from "./images.ts";
import { mountOf, thisMachine } from "./machine.ts";
import { LENGTH, Measurement, type Setting } from "./measure.ts";
import { buildGoProgram, installPackages } from "./peers.ts";
import { format } from "./report.ts";
import type { Place, Run } from "./results.ts";
import { familyOf, type Workload, WORKLOADS } from "./workloads.ts";

const USAGE = `Usage: npm run bench -- [options]
       npm run bench:peers -- [options]
  --dir DIR           where the files are made; default: the system's folder for temporary files
  --runtime NAMES     which runtimes, such as node26; default: deno,bun,node, and go with --peers
  --workloads NAMES   which workloads, such as append,open-one; default: all
  --entries N         entries of the log that is read; default: 1000000
  --rounds N          rounds, of which the medians are shown; default: 5
  --peers             measure the peers too; installs and builds them
  --images NAMES      measure what writes again, on file systems in image files: journalled and
                      unjournalled (an ext4), xfs; needs root
  --markdown          print Markdown
  --json FILE         write the raw results to a file too
  --help              print this`;

const ARGUMENTS = {
  options: {
    dir: { type: "string", default: tmpdir() },
    runtime: { type: "string" },
    workloads: { type: "string" },
    entries: { type: "string", default: "1000000" },
    rounds: { type: "string", default: "5" },
    peers: { type: "boolean", default: false },
    images: { type: "string" },
    markdown: { type: "boolean", default: false },
    json: { type: "string" },
    help: { type: "boolean", default: false },
  },
} as const;

/** The families that write; what is read is in the page cache on any file system. */
const WRITING = ["append", "batch", "durable", "shared"];

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** What the arguments ask for. */
interface Options {
  readonly dir: string;
  readonly hosts: readonly Host[];
  readonly workloads: readonly Workload[];
  readonly entries: number;
  readonly rounds: number;
  readonly peers: boolean;
  readonly images: readonly Image[];
  readonly markdown: boolean;
  /** The open file for the raw results. */
  readonly json: number | undefined;
}

/** Arguments that make no sense. */
class UsageError extends Error {}

process.exitCode = await main();

async function main(): Promise<number> {
  try {
    const options = readOptions();
    if (options !== undefined) return await run(options);
    console.log(USAGE);
    return 0;
  } catch (error) {
    if (error instanceof MountError) {
      console.error(error.message);
      return 1;
    }
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\n\n${USAGE}`);
    return 2;
  }
}

/** Runs the benchmark; the exit code is 0 if all installed contestants did all of their work. */
async function run(options: Options): Promise<number> {
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  for (const signal of SIGNALS) process.on(signal, onSignal);
  const folder = mkdtempSync(join(options.dir, "wal-bench-"));
  try {
    const { run, failures } = await measureAll(options, folder, stop.signal);
    if (stop.signal.aborted) return 130;
    console.log(format(run, options.markdown));
    if (options.json !== undefined) {
      // A row a line.
      writeFileSync(options.json, `${JSON.stringify(run).replace(/\{"entrant"/g, "\n$&")}\n`);
      closeSync(options.json);
    }
    if (failures.length === 0) return 0;
    console.error(`\nNot measured:\n${failures.join("\n")}`);
    return 1;
  } finally {
    // The files are large, so they go even when the run is broken off.
    rmSync(folder, { recursive: true, force: true });
    for (const signal of SIGNALS) process.off(signal, onSignal);
  }
}

async function measureAll(
  options: Options,
  folder: string,
  stop: AbortSignal,
): Promise<{ run: Run; failures: string[] }> {
  const { entries, rounds } = options;
  // Before anything long is run, since it may fail.
  using images = mountImages(folder, options.images);
  const { entrants, goProgram } = prepare(options, folder);
  const machine = thisMachine();
  const setting = { entrants, entries, rounds, goProgram, stop };
  const first = await measurePlace({ ...setting, folder }, options.workloads);
  const { versions, failures } = first.measurement;
  const places = [first.place];
  const workloads = options.workloads.filter(({ id }) => WRITING.includes(familyOf(id)));
  for (const { image, folder } of images.mounted) {
    if (stop.aborted) break;
    console.error(`On ${image}:`);
    const { place, measurement } = await measurePlace({ ...setting, folder }, workloads);
    places.push({ ...place, image });
    Object.assign(versions, measurement.versions);
    failures.push(...measurement.failures);
  }
  const run = { machine, versions, entries, rounds, trial: LENGTH, places };
  return { run, failures };
}

/** Makes the contestants ready. */
function prepare(
  { hosts, peers }: Options,
  folder: string,
): { entrants: Entrant[]; goProgram: string | undefined } {
  let withPackages = false;
  let goProgram: string | undefined;
  if (peers) {
    const problem = installPackages();
    if (problem !== undefined) console.error(problem);
    withPackages = problem === undefined;
    const built = hosts.includes("go") ? buildGoProgram(folder) : undefined;
    if (built !== undefined && "problem" in built) console.error(built.problem);
    else goProgram = built?.program;
  }
  const present = hosts.filter((host) => host !== "go" || goProgram !== undefined);
  const entrants = present.flatMap((host) => entrantsOn(host, host === "go" || withPackages));
  return { entrants, goProgram };
}

/** Measures workloads on the file system of a folder. */
async function measurePlace(
  setting: Setting,
  workloads: readonly Workload[],
): Promise<{ place: Place; measurement: Measurement }> {
  const files = join(setting.folder, "files");
  mkdirSync(files);
  const mount = mountOf(files);
  const measurement = new Measurement({ ...setting, folder: files });
  const measured: Place["measured"][number][] = [];
  for (const workload of workloads) {
    if (setting.stop.aborted) break;
    console.error(`${workload.id}: ${workload.title}`);
    measured.push(await measurement.measure(workload));
  }
  rmSync(files, { recursive: true, force: true });
  return { place: { mount, measured }, measurement };
}

/** The options, or `undefined` where only help is asked for. */
function readOptions(): Options | undefined {
  const { help, dir, runtime, workloads, entries, rounds, images, json, ...flags } = parse();
  if (help) return undefined;
  if (!statSync(dir, { throwIfNoEntry: false })?.isDirectory()) {
    throw new UsageError(`There is no folder "${dir}".`);
  }
  const wanted = images?.split(",").map((name) => toOne(name, IMAGES, "image")) ?? [];
  if (wanted.length > 0 && process.getuid?.() !== 0) {
    throw new UsageError("--images mounts file systems, for which it has to be run by root.");
  }
  const byDefault: readonly Host[] = flags.peers ? [...RUNTIMES, "go"] : RUNTIMES;
  const known: readonly Host[] = flags.peers ? [...EDITIONS, "go"] : EDITIONS;
  return {
    dir,
    hosts: runtime?.split(",").map((name) => toOne(name, known, "runtime")) ?? byDefault,
    workloads: workloads === undefined ? WORKLOADS : workloads.split(",").flatMap(toWorkloads),
    entries: toCount("entries", entries),
    rounds: toCount("rounds", rounds),
    images: [...new Set(wanted)],
    ...flags,
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

/** One of the names that are known. */
function toOne<T extends string>(name: string, known: readonly T[], what: string): T {
  const found = known.find((one) => one === name);
  if (found === undefined) {
    throw new UsageError(`"${name}" is no ${what}: they are ${known.join(", ")}.`);
  }
  return found;
}

/** The workload of an id, or all of a family. */
function toWorkloads(name: string): readonly Workload[] {
  const found = WORKLOADS.filter(({ id }) => id === name || familyOf(id) === name);
  if (found.length > 0) return found;
  const ids = WORKLOADS.map(({ id }) => id).join(", ");
  throw new UsageError(`"${name}" is no workload: they are ${ids}.`);
}

function toCount(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new UsageError(`--${name} must be a whole number from 1, not "${text}".`);
}
