/**
 * Writes `docs/performance.md`, with its charts and raw results, from what `--json` has written.
 *
 * `npm run bench:report -- RESULTS.json...`; the first file is shown first.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { ROOT } from "../kit/runtime.ts";
import { barsOf } from "./bars.ts";
import {
  type Entrant,
  entrantsOn,
  goalOf,
  type Host,
  isOurs,
  nameOfOurs,
  noteOf,
  type Promises,
} from "./contestants.ts";
import { describeMount, type Mount } from "./machine.ts";
import {
  amount,
  describe,
  exceptionsOf,
  firstOf,
  HOSTS,
  layOut,
  LESS,
  type Line,
  type Table,
  tablesOf,
  times,
} from "./report.ts";
import { isBetter, type Place, type Run } from "./results.ts";
import { BATCH, MANY, READS, type Workload } from "./workloads.ts";

const DOCUMENT = `${ROOT}docs/performance.md`;
const FOLDER = `${ROOT}docs/performance`;

/** A run, and the name of the file that has it. */
interface Source {
  readonly name: string;
  readonly text: string;
  readonly run: Run;
}

process.exitCode = main();

function main(): number {
  const paths = parseArgs({ allowPositionals: true }).positionals;
  if (paths.length === 0) {
    console.error("Usage: npm run bench:report -- RESULTS.json...");
    return 2;
  }
  let sources: Source[];
  try {
    sources = paths.map(read);
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    return 1;
  }
  // Charts of workloads that are no more would stay otherwise.
  mkdirSync(FOLDER, { recursive: true });
  for (const name of readdirSync(FOLDER)) {
    if (/\.(svg|json)$/.test(name)) rmSync(`${FOLDER}/${name}`);
  }
  for (const { name, text } of sources) writeFileSync(`${FOLDER}/${name}`, text);
  writeFileSync(DOCUMENT, documentOf(sources));
  const { status, stderr } = spawnSync(
    `${ROOT}node_modules/.bin/deno`,
    ["fmt", "--quiet", "--config", `${ROOT}deno.offline.json`, DOCUMENT],
    { encoding: "utf8", cwd: ROOT },
  );
  if (status !== 0) console.error(`Not formatted: deno fmt failed (${stderr}).`);
  return status === 0 ? 0 : 1;
}

function read(path: string): Source {
  const text = readFileSync(path, "utf8");
  try {
    const run = JSON.parse(text) as Run;
    if (Array.isArray(run.places)) return { name: basename(path), text, run };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new Error(`"${path}" has no results of the benchmark: make them with --json.`);
}

function documentOf(sources: readonly Source[]): string {
  const first = sources[0]?.run.places[0];
  const tables = first === undefined ? [] : tablesOf(first);
  return [
    "# Performance",
    "What the log costs, beside what one would use in its place. Every number is a ratio to a " +
    "**floor**: the bare system calls that the same runtime makes for the same bytes, measured in " +
    "the same round. At 1 a log adds nothing to them. How fast a disk or a machine is cancels out, " +
    "so that ratios can be compared where rates cannot. For `open` the ratio is of times, and less is " +
    "better; everywhere else it is of rates, and more is better.",
    `A row with ${LESS} promises less than the log does there; ` +
    "[what each promises](#what-each-promises) says what. First is the best ratio among " +
    "those that promise the same.",
    "## At a glance",
    ...glance(tables),
    ...sources.flatMap((source, i) => sectionOf(source, i)),
    "## What each promises",
    promises(),
    "Where a row promises less than the log does, and so is not compared for the first place:",
    bullets(exceptionsOf(tables)),
    "Also to be known:",
    bullets(notesOf(tables)),
    ...method(sources),
  ].join("\n\n");
}

function glance(tables: readonly Table[]): string[] {
  const hosts = HOSTS.filter((host) =>
    tables.some(({ lines }) => lines.some((line) => isOursOn(host, line)))
  );
  const head = ["workload", "goal", ...hosts];
  const rows = tables.map(({ workload, lines }) => {
    const on = (host: Host): string => {
      const ratios = lines
        .filter((line) => isOursOn(host, line))
        .map(({ entrant, summary: { ratio } }) => {
          const goal = goalOf(entrant.kind, workload);
          const isReached = goal === undefined || !isBetter(workload, goal, ratio);
          return isReached ? times(ratio) : `_${times(ratio)}_`;
        });
      return ratios.join("; ");
    };
    return [
      `\`${workload.id}\``,
      [...goalsOf(lines, workload)]
        .map((goal) => `${workload.score === "rate" ? "≥" : "≤"} ${goal}`).join("; "),
      ...hosts.map(on),
    ];
  });
  return [
    layOut([head, ...rows], true, head.length),
    "The columns of the runtimes are `@durable/wal`. Where a second ratio follows, that is with " +
    'blocking syncs (`batch`, `durable`, `shared`) or with `memoryMap: "on"` (`append`, `read`, ' +
    "`replay`); a second goal is that of the second ratio. A ratio that misses its goal is _slanted_.",
    "What each workload does, the first on equal promises, and what is ahead of it:",
    bullets(tables.map((table) => {
      const { id, title } = table.workload;
      const { first, above } = firstOf(table);
      const ahead = [...new Set(above.map(({ label }) => `${label} ${LESS}`))].join(", ");
      return [
        `\`${id}\`: ${title}.`,
        ...(first === undefined ? [] : [`First: ${named(first)}.`]),
        ...(ahead === "" ? [] : [`Ahead: ${ahead}.`]),
      ].join(" ");
    })),
  ];
}

function isOursOn(host: Host, { entrant }: Line): boolean {
  return entrant.host === host && isOurs(entrant.kind);
}

/** The goals of our rows of a workload, each once. */
function goalsOf(lines: readonly Line[], workload: Workload): Set<number> {
  const ours = lines.filter(({ entrant }) => isOurs(entrant.kind));
  const goals = ours.map(({ entrant }) => goalOf(entrant.kind, workload));
  return new Set(goals.filter((goal) => goal !== undefined));
}

function named({ label, entrant, summary }: Line): string {
  return `${label} on ${entrant.host}: ${times(summary.ratio)}`;
}

function sectionOf({ name, run }: Source, index: number): string[] {
  const { cpu, cores } = run.machine;
  return [
    `## ${cpu}, ${cores} cores${index === 0 ? "" : ` (${index + 1})`}`,
    bullets([...describe(run), `Raw results: [${name}](performance/${name})`]),
    ...run.places.flatMap((place, i) => [
      `### On ${nameOf(place.mount)}`,
      `The files are on ${describeMount(place.mount)}.`,
      ...tablesOf(place).flatMap((table) => workloadOf(table, prefixOf(index, i, place))),
    ]),
  ];
}

/** A file system as a heading names it. */
function nameOf(mount: Mount | undefined): string {
  return describeMount(mount).replace(/ \(.*/, "");
}

/** What tells apart the charts of further runs and places. */
function prefixOf(run: number, index: number, { image = "journalled" }: Place): string {
  return `${run === 0 ? "" : `run${run + 1}-`}${index === 0 ? "" : `${image}-`}`;
}

function workloadOf(table: Table, prefix: string): string[] {
  const { workload, lines } = table;
  const chart = `${prefix}${workload.id.toLowerCase()}.svg`;
  writeFileSync(`${FOLDER}/${chart}`, barsOf(table));
  const { first, above } = firstOf(table);
  const rows = lines.map(({ entrant, label, less, summary }) => [
    entrant.host,
    less === undefined ? label : `${label} ${LESS}`,
    amount(workload, summary.rate, summary.ms),
    amount(workload, summary.floorRate, summary.floorMs),
    times(summary.ratio),
    `${times(summary.lowest)}-${times(summary.highest)}`,
  ]);
  const ahead = above.length === 0
    ? ""
    : ` Ahead of it, with less promised: ${
      above.map((line) => `${named(line)} (${line.less})`).join("; ")
    }.`;
  return [
    `#### ${workload.title} (${workload.id})`,
    `Entries of ${workload.entrySize} bytes. Floor: ${workload.floor.what}.`,
    `![Ratios to the floor](performance/${chart})`,
    ...(first === undefined ? [] : [`First on equal promises: ${named(first)}.${ahead}`]),
    layOut([["runtime", "contestant", "median", "floor", "ratio", "min-max"], ...rows], true, 2),
  ];
}

function promises(): string {
  const kinds = new Map<string, Promises>();
  for (const { kind } of everyone()) {
    kinds.set(isOurs(kind) ? nameOfOurs(kind) : kind.name, kind.promises);
  }
  return Array.from(kinds, ([name, { checksum, unsynced, durable, meanwhile }]) =>
    [
      `- **${name}**`,
      `  - Checksum: ${checksum}.`,
      `  - An append without a sync leaves it in: ${unsynced}.`,
      `  - Durable append: ${durable}.`,
      `  - Event loop meanwhile: ${meanwhile}.`,
    ].join("\n")).join("\n");
}

function everyone(): Entrant[] {
  return HOSTS.flatMap((host) => entrantsOn(host, true));
}

function notesOf(tables: readonly Table[]): string[] {
  const all = tables.flatMap(({ workload, lines }) =>
    lines.flatMap(({ entrant, label }) => {
      const note = noteOf(entrant.kind, workload);
      return note === undefined ? [] : [{ id: workload.id, text: `${label}: ${note}` }];
    })
  );
  const byText = Map.groupBy(all, ({ text }) => text);
  return [
    ...Array.from(byText, ([text, found]) => `${text} (${found.map(({ id }) => id).join(", ")})`),
    ...absences(),
    "“+ batcher”: a contestant without group commit gets one from the benchmark. One batch is in " +
    "flight; appends that come meanwhile are in the next.",
  ];
}

/** Which contestants take no part in what, and why. */
function absences(): string[] {
  const all = everyone().flatMap(({ kind }) =>
    Object.entries(kind.absent ?? {}).map(([id, why]) => `${kind.name} is not in ${id}: ${why}`)
  );
  return [...new Set(all)];
}

function method(sources: readonly Source[]): string[] {
  const run = sources[0]?.run;
  return [
    "## Method",
    "Each contestant is a process of its own, so that none meets another's compiled code or memory. " +
    "It is started for one workload, warmed up, and gets its trials a line at a time. The main " +
    "program lets the contestants take turns, round by round and every other time in reverse, and " +
    "compares each with the floor of its own runtime (Go's own, in bare system calls, for the peers " +
    "in Go) of the same round. Shown are the medians over the rounds, and the lowest and the highest " +
    "ratio. A trial counts what it has done, and fails where that is not what it was given.",
    bullets([
      "`append`, `batch`, `durable`, `shared`: a trial that appends runs for " +
      `${run?.trial.ms} ms, in all but \`append\` in ${run?.trial.parts} parts with those of the ` +
      "others between. In `append` the event loop has a turn " +
      `after each ${
        BATCH.toLocaleString("en")
      } entries, so that what a contestant does after its ` +
      "call has returned is part of the result. What a trial leaves is removed before the next.",
      `\`shared\`: ${MANY} callers each append an entry, wait until it is durable, and append the next.`,
      `\`open\`: a process writes ${
        run?.entries.toLocaleString("en")
      } entries, syncs, is idle for 300 ms ` +
      "and is killed with SIGKILL. Each trial opens a copy of what that left, synced and in the page " +
      "cache. The time is that of the open in a process that runs already, until it can tell the " +
      "last index. `open-unsynced` is killed right after its last append.",
      "`read` and `replay`: the same log, open already. " +
      `\`read\` takes ${READS.toLocaleString("en")} entries at ` +
      "random, one by one. Of each entry that is read the length and the first byte are summed, so " +
      "that no contestant can skip handing it out.",
      "SQLite is in WAL mode with synchronous = FULL where it is to be durable and NORMAL where it " +
      "is not. No contestant is run in a mode that its documentation advises against, but for etcd's " +
      "log in `append`, which has no other.",
    ]),
    "## Limits",
    bullets([
      "One machine, entries of two sizes that are all alike, logs that the page cache holds.",
      "A floor is not the fastest possible: a contestant that writes into space that was allocated " +
      "beforehand syncs less than a file that grows, and is above 1 in `durable`. A contestant that serves reads " +
      "from memory or a mapping makes no system call for them, and can be above 1 in `read`.",
      "On a virtual machine a sync may end in the host's cache. That changes rates more than ratios.",
      "The durable rows on an ext4 without a journal are cheaper than on most servers; where they " +
      "were measured on one with a journal too, they have their own section.",
    ]),
    "## Repeat it",
    "```sh\nnpm install && npm run bench          # the log and the floors, on the three runtimes\n" +
    "npm run bench:peers -- --json all.json # the peers too; those in Go if there is a go\n" +
    "npm run bench:report -- all.json       # writes this page\n```",
    "`npm run bench -- --help` tells the options: which runtimes, workloads, how many rounds, which " +
    "disk; `--images journalled,xfs` adds what writes on an ext4 with a journal and on an XFS.",
    "",
  ];
}

function bullets(lines: readonly string[]): string {
  return lines.map((line) => `- ${line}`).join("\n");
}
