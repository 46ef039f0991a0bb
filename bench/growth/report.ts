/**
 * What a log of each size costs, as a table and as charts.
 *
 * @module
 */
import { EDITIONS } from "../../kit/runtime.ts";
import type { Run } from "../costs/command.ts";
import { duration, shortCount, size, type Table, whole } from "../costs/text.ts";
import type { Axis, LineChart, Series } from "../plot.ts";
import { median } from "../results.ts";
import type { Fill } from "./fill.ts";
import type { Opening } from "./open.ts";

/** What a log of one size costs. */
export interface Stage {
  readonly entries: number;
  readonly fill: Fill;
  /** Opens of the log as a killed process left it that had synced. */
  readonly killed: readonly Opening[];
  /** Opens of the log as it was closed. */
  readonly closed: readonly Opening[];
}

/** What was measured on one runtime. */
export interface GrowthResult {
  /** Opens of an empty log, above which the memory counts. */
  readonly empty: readonly Opening[];
  readonly stages: readonly Stage[];
}

/** The costs on each runtime: of calls, and of an open with the memory that it takes. */
export function tables({ options, results }: Run<GrowthResult>): Table[] {
  return [{
    caption: `Calls, on entries of 0 to 8 bytes; medians of ${options["rounds"]}.`,
    words: 1,
    head: [
      "runtime, entries",
      "file size",
      "segments",
      "append",
      "in a batch",
      "longest batch",
      "getEntry",
    ],
    rows: results.flatMap(({ runtime, result: { stages } }) =>
      stages.map(({ entries, fill, closed }) => [
        `${runtime}, ${whole(entries)}`,
        size(fill.bytes),
        whole(fill.segments),
        duration(fill.append),
        duration(fill.batch),
        duration(fill.longestBatch),
        duration(middle(closed, "getEntry")),
      ])
    ),
  }, {
    caption: "Opens of the same logs, and the memory of the process.",
    words: 1,
    head: ["runtime, entries", "open, closed", "open, killed", "heap", "resident", "after reads"],
    rows: results.flatMap(({ runtime, result: { empty, stages } }) => [
      [
        `${runtime}, 0`,
        duration(middle(empty, "open")),
        "",
        size(middle(empty, "heap")),
        `+0 of ${size(middle(empty, "resident"))}`,
        "",
      ],
      ...stages.map(({ entries, killed, closed }) => [
        `${runtime}, ${whole(entries)}`,
        duration(middle(closed, "open")),
        duration(middle(killed, "open")),
        size(middle(closed, "heap")),
        `+${size(aboveEmpty("resident", closed, empty))}`,
        `+${size(aboveEmpty("residentAfterReads", closed, empty))}`,
      ]),
    ]),
  }];
}

/** The charts by the names of their files. */
export function charts({ results }: Run<GrowthResult>): Record<string, LineChart> {
  const sizes = results[0]?.result.stages.map(({ entries }) => entries) ?? [];
  const x: Axis = { scale: "log", show: shortCount, ticks: sizes };
  const xLabel = "entries in the log";
  const lines = (
    value: (stage: Stage, result: GrowthResult) => number,
    what = "",
    isDashed = false,
  ): Series[] =>
    results.map(({ runtime, result }) => ({
      name: `${runtime}${what}`,
      colour: EDITIONS.indexOf(runtime),
      isDashed,
      points: result.stages.map((stage) => [stage.entries, value(stage, result)] as const),
    }));
  return {
    append: {
      title: "Append",
      subtitle: "Time an entry, into the page cache. Flat: the length of the log does not matter.",
      x,
      xLabel,
      y: { scale: "linear", show: duration },
      series: lines(({ fill }) => fill.append),
    },
    get_entry: {
      title: "Read an entry at random",
      subtitle: "Time of a getEntry, the files in the page cache.",
      x,
      xLabel,
      y: { scale: "linear", show: duration },
      series: lines(({ closed }) => middle(closed, "getEntry")),
    },
    open: {
      title: "Open",
      subtitle: "After a close (solid) and after kill -9 (dotted): only the last segment is read.",
      x,
      xLabel,
      y: { scale: "log", show: duration },
      series: [
        ...lines(({ closed }) => middle(closed, "open")),
        ...lines(({ killed }) => middle(killed, "open"), ", killed", true),
      ],
    },
    memory: {
      title: "Memory of an open log",
      subtitle: "Above a process with an empty log, after reads all over it and a collection.",
      x,
      xLabel,
      // In MiB, so that the marks are round.
      y: { scale: "linear", show: (mebibytes) => size(mebibytes * 2 ** 20) },
      series: lines(({ closed }, { empty }) =>
        aboveEmpty("residentAfterReads", closed, empty) / 2 ** 20
      ),
    },
  };
}

/** The median of a figure. */
function middle(openings: readonly Opening[], figure: keyof Opening): number {
  return median(openings.map((opening) => opening[figure] ?? NaN));
}

function aboveEmpty(
  figure: "resident" | "residentAfterReads",
  openings: readonly Opening[],
  empty: readonly Opening[],
): number {
  return Math.max(0, middle(openings, figure) - middle(empty, figure));
}
