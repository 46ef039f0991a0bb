/**
 * The results as text: plain for a terminal, or as Markdown.
 *
 * @module
 */
import type { Machine, Mount } from "./machine.ts";
import {
  type Measurement,
  median,
  OPEN_AND_SMALL_READS,
  type RuntimeResult,
  summarize,
} from "./results.ts";

/** A run of the benchmark. */
export interface Report {
  readonly machine: Machine;
  /** The file system of the files. */
  readonly mount: Mount | undefined;
  readonly entrySize: number;
  readonly entries: number;
  readonly rounds: number;
  readonly results: readonly RuntimeResult[];
}

/** What the open of a large log may take of the time of two small reads an entry. */
const OPEN_LIMIT = 0.25;

/** What counts as large: the open of a small log costs what the lock costs. */
const LARGE = 1_000_000;

const HEAD = ["workload", "runtime", "ours, entries/s", "floor, entries/s", "ratio", "min-max"];

/** How many of the columns are words; the others are numbers. */
const WORDS = 2;

/** The report as text. */
export function format(report: Report, markdown: boolean): string {
  const list = (lines: string[]): string[] => lines.map((line) => markdown ? `- ${line}` : line);
  return [
    list(describe(report)),
    layOut([HEAD, ...rows(report)], markdown),
    [
      "The ratio is of the log to its floor in the same round: at 1.00 it is as fast, above it faster.",
      "All are medians over the rounds, with the lowest and the highest ratio. The floors:",
    ],
    list(legend(report)),
    list([...openTimes(report), ...syncsPerEntry(report)]),
  ].map((part) => part.join("\n")).join("\n\n");
}

/** The conditions under which the numbers hold. */
function describe({ machine, mount, entrySize, entries, rounds, results }: Report): string[] {
  const { cpu, cores, memoryGiB, system } = machine;
  const lines = [
    `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}`,
    results.map(({ runtime, version }) => `${runtime} ${version}`).join(", "),
    `Entries of ${entrySize} bytes, a log of ${count(entries)} of them, rounds: ${rounds}`,
  ];
  if (mount === undefined) return lines;
  lines.push(`Files on ${mount.type} (${mount.device})`);
  if (mount.type === "tmpfs") {
    lines.push("There is no disk under tmpfs: the durable appends say nothing here.");
  }
  return lines;
}

function openTimes({ results, entries }: Report): string[] {
  return results.flatMap(({ runtime, measurements }) => {
    const found = measurements.find(({ workload }) => workload === OPEN_AND_SMALL_READS);
    if (found === undefined) return [];
    const ours = medianMs(found.ours);
    const floor = medianMs(found.floor);
    const part = 1 / summarize(found).ratio;
    const verdict = part < OPEN_LIMIT ? "below" : "NOT BELOW";
    const limit = entries < LARGE ? "" : `, ${verdict} ${OPEN_LIMIT}`;
    return [
      `Open of ${count(entries)} entries on ${runtime}: ${ours} ms, two small reads an entry: ` +
      `${floor} ms; open / two small reads = ${part.toFixed(3)}${limit}`,
    ];
  });
}

function medianMs(samples: Measurement["ours"]): string {
  return median(samples.map(({ ms }) => ms)).toFixed(0);
}

function syncsPerEntry({ results }: Report): string[] {
  return byWorkload(results).flatMap(([workload, found]) => {
    const parts = found.flatMap(({ runtime, measurement }) => {
      const each = measurement.ours.flatMap(({ syncs, entries }) =>
        syncs === undefined ? [] : [syncs / entries]
      );
      return each.length === 0 ? [] : [`${runtime} ${median(each).toFixed(3)}`];
    });
    return parts.length === 0
      ? []
      : [`Syncs an entry, ${workload}: ${parts.join(", ")} (floor: 1.000)`];
  });
}

function rows({ results }: Report): string[][] {
  return byWorkload(results).flatMap(([workload, found]) =>
    found.map(({ runtime, measurement }, i) => {
      const { ours, floor, ratio, lowest, highest } = summarize(measurement);
      return [
        i === 0 ? workload : "",
        runtime,
        count(ours),
        count(floor),
        times(ratio),
        `${times(lowest)}-${times(highest)}`,
      ];
    })
  );
}

function legend({ results }: Report): string[] {
  return byWorkload(results).flatMap(([workload, [first]]) =>
    first === undefined ? [] : [`${workload}: ${first.measurement.floorIs}`]
  );
}

interface OnRuntime {
  readonly runtime: string;
  readonly measurement: Measurement;
}

/** The measurements of all runtimes, workload by workload. */
function byWorkload(results: Report["results"]): [string, OnRuntime[]][] {
  const all = results.flatMap(({ runtime, measurements }) =>
    measurements.map((measurement) => ({ runtime, measurement }))
  );
  return [...Map.groupBy(all, ({ measurement }) => measurement.workload)];
}

/** Aligns cells in columns. */
function layOut(cells: readonly string[][], markdown: boolean): string[] {
  const widths = HEAD.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const lines = cells.map((row) => {
    const padded = row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return column < WORDS ? cell.padEnd(width) : cell.padStart(width);
    });
    return markdown ? `| ${padded.join(" | ")} |` : padded.join("  ").trimEnd();
  });
  const rules = widths.map((width, column) => {
    if (!markdown) return "-".repeat(width);
    return column < WORDS ? "-".repeat(width) : `${"-".repeat(width - 1)}:`;
  });
  lines.splice(1, 0, markdown ? `| ${rules.join(" | ")} |` : rules.join("  "));
  return lines;
}

/** A number with three digits that count. */
function count(value: number): string {
  return new Intl.NumberFormat("en", { maximumSignificantDigits: 3 }).format(value);
}

/** A ratio; one far below 1 needs a digit more. */
function times(ratio: number): string {
  return ratio.toFixed(ratio < 0.1 ? 3 : 2);
}
