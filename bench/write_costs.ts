/**
 * Writes docs/costs.md and its charts from the files of results of the measurements of cost.
 *
 * ```sh
 * npm run bench:growth -- --json growth.json
 * npm run bench:latency -- --json latency.json
 * npm run bench:allocation -- --json allocation.json
 * npm run bench:costs -- growth.json latency.json allocation.json
 * ```
 *
 * @module
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { ROOT } from "../kit/runtime.ts";
import { tables as allocationTables } from "./allocation/report.ts";
import type { Cost } from "./allocation/subjects.ts";
import type { Run } from "./costs/command.ts";
import { item, markdown, paragraph, type Table, whole } from "./costs/text.ts";
import {
  charts as growthCharts,
  type GrowthResult,
  tables as growthTables,
} from "./growth/report.ts";
import {
  charts as latencyCharts,
  type LatencyResult,
  tables as latencyTables,
} from "./latency/report.ts";
import { describeMachine } from "./machine.ts";
import { type LineChart, lineChart } from "./plot.ts";

const USAGE = "Usage: npm run bench:costs -- GROWTH.json LATENCY.json ALLOCATION.json [--out DIR]";

/** The results of all three measurements. */
interface Runs {
  readonly growth: Run<GrowthResult>;
  readonly latency: Run<LatencyResult>;
  readonly allocation: Run<readonly Cost[]>;
}

/** A file of results that cannot be used. */
class InputError extends Error {}

process.exitCode = main();

function main(): number {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { out: { type: "string", default: join(ROOT, "docs") } },
    });
    write(readRuns(positionals), values.out);
    return 0;
  } catch (error) {
    const isUsage = error instanceof InputError || error instanceof TypeError;
    if (!isUsage) throw error;
    console.error(`${error.message}\n\n${USAGE}`);
    return 2;
  }
}

function readRuns(paths: readonly string[]): Runs {
  const runs = new Map(paths.map((path) => {
    const run = readRun(path);
    return [run.kind, run];
  }));
  const named = <Result>(kind: keyof Runs): Run<Result> => {
    const run = runs.get(kind);
    if (run !== undefined) return run as Run<Result>;
    throw new InputError(`No results of bench:${kind}: make them with --json FILE and name FILE.`);
  };
  return { growth: named("growth"), latency: named("latency"), allocation: named("allocation") };
}

function readRun(path: string): Run<unknown> {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Run<unknown>;
  } catch (error) {
    throw new InputError(`Cannot read results from "${path}": ${(error as Error).message}`);
  }
}

function write(runs: Runs, docs: string): void {
  const charts = { ...growthCharts(runs.growth), ...latencyCharts(runs.latency) };
  mkdirSync(join(docs, "costs"), { recursive: true });
  for (const [name, chart] of Object.entries(charts)) {
    writeFileSync(join(docs, "costs", `${name}.svg`), lineChart(chart));
  }
  writeFileSync(join(docs, "costs.md"), documentOf(runs, charts));
}

/** The document, formatted as `deno fmt` formats it. */
function documentOf(runs: Runs, charts: Readonly<Record<string, LineChart>>): string {
  const image = (name: string): string => {
    const { title = "", subtitle = "" } = charts[name] ?? {};
    return `![${title}. ${subtitle}](costs/${name}.svg)`;
  };
  const blocks = [
    "# Costs",
    paragraph(
      "How long each call takes and how much memory it needs: as the log grows, as more callers " +
        "append at once, and what is left for the collector of garbage. All of it is measured on " +
        "each runtime by programs in `bench/`, and this file is written by one.",
    ),
    "## As the log grows",
    paragraph(
      "A log of short entries (0 to 8 bytes, so that there are many) is made ten times as long " +
        "step by step. An append and a read know the place of an entry without a search. An open " +
        "reads the last segment, which has at most 64 MiB and 1,048,576 entries: up to there the " +
        "time grows with the log, beyond it no more. In memory are 4 bytes for each entry of the " +
        "last segment, and up to 8 MiB of offsets of the others.",
    ),
    ...["append", "get_entry", "open", "memory"].map(image),
    ...growthTables(runs.growth).map(shown),
    [
      item(
        "append: the median of parts of the last 100,000 entries (of half the log where it is " +
          "shorter), after as many in another log to warm up. In a batch: `appendBatch` of 1000. " +
          "The longest batch is one that filled a segment and waited for the disk.",
      ),
      item(
        "open, killed: as a writer left the log that had synced it and died of SIGKILL. Open, " +
          "closed: after a close. Each in a new process, so with nothing compiled yet; the line of " +
          "0 entries is what an open costs by itself. How full the last segment happens to be " +
          "decides over the rest.",
      ),
      item(
        "heap: what the open added on the heap and in buffers. Resident: memory of the process " +
          "above that of one with an empty log; after reads all over the log in the last column. " +
          "All after a collection.",
      ),
    ].join("\n"),
    "## Durable appends",
    paragraph(
      "Callers that wait for the disk share syncs: with more of them each waits a little longer, " +
        "and many times as many entries become durable. While a sync runs, the event " +
        "loop runs too; the longest stall says for how long it did not. Those of 10 ms and more " +
        "are rolls: the append that fills a segment waits for the disk itself.",
    ),
    ...["latency", "throughput"].map(image),
    ...latencyTables(runs.latency).map(shown),
    [
      item(
        "floor: `writeSync` of a ready frame and `fdatasyncSync`, one after the other, with " +
          "nothing else to do; a quarter of its time before each row.",
      ),
      item("p99.9: not shown where there were fewer than 2000 appends."),
      item(
        "stall: how late a timer of a millisecond was at most, while all callers were busy. The " +
          "operating system's own delays are part of it.",
      ),
    ].join("\n"),
    paragraph(
      "What a roll costs callers is measured by itself: `npm run bench:tail` lets 512 callers " +
        "append across 20 rolls, in turns with the same groups by bare calls, and with SQLite, " +
        "etcd's wal and raft-wal. It counts each stall of the event loop above 4 ms once: as the " +
        "collector's, as a roll's, or as another's.",
    ),
    "## Allocation",
    paragraph(
      "What a call allocates, and how often the collector ran for it; `writeSync` of a ready frame " +
        "is what the runtime itself allocates for a call.",
    ),
    ...allocationTables(runs.allocation).map(shown),
    [
      item(
        "bytes allocated: on the collector's heap, from its own log. The bytes of a `Uint8Array` " +
          "of more than 64 are outside of it on Deno and Node.",
      ),
      item(
        "heap, buffers: how much more there is after the calls and a collection than before. In " +
          "the buffers are the offsets of entries, 4 bytes for each.",
      ),
      item(
        "target, for an append: the heap is less than 1 MiB larger, and there are at most a tenth " +
          "more collections than with `writeSync`.",
      ),
    ].join("\n"),
    "## Conditions",
    conditions(runs).map(item).join("\n"),
    paragraph(
      "All files are in the page cache when they are read. Other machines, and the same one on " +
        "another day, have other figures; the shape of the lines is what should hold.",
    ),
    "## Repeat it",
    [
      "```sh",
      "npm run bench:growth -- --json growth.json         # --max 100000000 for 100 million entries",
      "npm run bench:latency -- --json latency.json       # --dir DIR chooses the disk",
      "npm run bench:allocation -- --json allocation.json",
      "npm run bench:costs -- growth.json latency.json allocation.json",
      "npm run bench:tail                                 # 5 rounds of 20 rolls: an hour or two",
      "```",
    ].join("\n"),
  ];
  return `${blocks.join("\n\n")}\n`;
}

function shown(table: Table): string {
  return markdown(table);
}

/** On what the figures were measured, each line once. */
function conditions(runs: Runs): string[] {
  const lines = Object.values(runs).flatMap(
    ({ machine, mount, results }: Run<unknown>) => [
      describeMachine(machine),
      results.map(({ runtime, version }) => `${runtime} ${version}`).join(", "),
      ...(mount === undefined ? [] : [`Files on ${mount.type} (${mount.device})`]),
      ...(mount?.type === "tmpfs" ? ["There is no disk under tmpfs: syncs cost nothing here"] : []),
    ],
  );
  const { growth, latency, allocation } = runs;
  return [
    ...new Set(lines),
    `Logs of up to ${whole(growth.options["max"] ?? NaN)} entries, ${growth.options["rounds"]} ` +
    `opens each; ${(latency.options["ms"] ?? NaN) / 1000} s of durable appends a row; ` +
    `${whole(allocation.options["entries"] ?? NaN)} calls`,
  ];
}
