/**
 * The results as text: plain for a terminal, or as Markdown.
 *
 * @module
 */
import {
  type Entrant,
  entrantsOn,
  goalOf,
  type Host,
  isFloor,
  isOurs,
  labelOf,
  lessOf,
} from "./contestants.ts";
import { describeMachine, describeMount } from "./machine.ts";
import {
  isBetter,
  type Measured,
  type Place,
  type Run,
  summarize,
  type Summary,
} from "./results.ts";
import { type Workload, WORKLOADS } from "./workloads.ts";

/** The hosts in the order in which they are shown. */
export const HOSTS: readonly Host[] = ["node", "node26", "bun", "deno", "go"];

/** What marks a row that promises less than the log does. */
export const LESS = "†";

/** An entrant's row of a workload. */
export interface Line {
  readonly entrant: Entrant;
  readonly label: string;
  /** What it promises less than the log does. */
  readonly less: string | undefined;
  readonly summary: Summary;
}

/** A workload's rows, host by host. */
export interface Table {
  readonly workload: Workload;
  /** The floors' medians, by host. */
  readonly floors: ReadonlyMap<Host, Summary>;
  readonly lines: readonly Line[];
}

/** The tables of what was measured in one place. */
export function tablesOf(place: Place): Table[] {
  return place.measured.flatMap((measured) => {
    const workload = WORKLOADS.find(({ id }) => id === measured.workload);
    return workload === undefined ? [] : [tableOf(workload, measured)];
  }).filter(({ lines }) => lines.length > 0);
}

function tableOf(workload: Workload, measured: Measured): Table {
  const rows = new Map(measured.rows.map((row) => [row.entrant, row]));
  const floors = new Map<Host, Summary>();
  const lines: Line[] = [];
  for (const host of HOSTS) {
    const entrants = entrantsOn(host, true);
    const floor = rows.get(entrants.find(({ kind }) => isFloor(kind))?.id ?? "");
    if (floor === undefined) continue;
    floors.set(host, summarize(workload, floor, floor));
    for (const entrant of entrants) {
      const row = rows.get(entrant.id);
      if (row === undefined || isFloor(entrant.kind)) continue;
      const { kind } = entrant;
      const [label, less] = [labelOf(kind, workload), lessOf(kind, workload)];
      lines.push({ entrant, label, less, summary: summarize(workload, row, floor) });
    }
  }
  return { workload, floors, lines };
}

/** The best of those that promise what the log does, and those that are better but promise less. */
export function firstOf({ workload, lines }: Table): { first: Line | undefined; above: Line[] } {
  const best = (from: readonly Line[]): Line | undefined =>
    from.reduce<Line | undefined>(
      (a, b) => a && !isBetter(workload, b.summary.ratio, a.summary.ratio) ? a : b,
      undefined,
    );
  const first = best(lines.filter(({ less }) => less === undefined));
  const above = first === undefined
    ? []
    : lines.filter(({ less, summary }) =>
      less !== undefined && isBetter(workload, summary.ratio, first.summary.ratio)
    );
  return { first, above };
}

/** The report as text. */
export function format(run: Run, markdown: boolean): string {
  const list = (lines: string[]): string =>
    lines.map((line) => markdown ? `- ${line}` : line).join("\n");
  const parts = [list(describe(run))];
  for (const place of run.places) {
    const tables = tablesOf(place);
    parts.push(
      `Files on ${describeMount(place.mount)}`,
      layOut([HEAD, ...tables.flatMap(cellsOf)], markdown),
      list(
        tables.map(({ workload }) =>
          `${workload.id}: ${workload.title}; floor: ${workload.floor.what}`
        ),
      ),
    );
    const exceptions = exceptionsOf(tables);
    if (exceptions.length > 0) parts.push(`${LESS} promises less:`, list(exceptions));
  }
  parts.push(
    "The ratio is to the floor of the same runtime in the same round: of rates, where more is better; " +
      "for open of times,\nwhere less is better. All are medians over the rounds, with the lowest and the " +
      "highest ratio.",
  );
  return parts.join("\n\n");
}

/** The conditions under which the numbers hold. */
export function describe({ machine, versions, entries, rounds }: Run): string[] {
  return [
    describeMachine(machine),
    ...HOSTS.flatMap((host) => {
      const [floor, ...others] = entrantsOn(host, true).flatMap(({ id }) => versions[id] ?? []);
      if (floor === undefined) return [];
      return [others.length === 0 ? floor : `${floor}: ${[...new Set(others)].join(", ")}`];
    }),
    `A log of ${entries.toLocaleString("en")} entries where it is read; rounds: ${rounds}`,
  ];
}

/** What each marked row promises less. */
export function exceptionsOf(tables: readonly Table[]): string[] {
  const all = tables.flatMap(({ workload, lines }) =>
    lines.flatMap(({ label, less }) => less === undefined ? [] : [{ id: workload.id, label, less }])
  );
  const byLabel = Map.groupBy(all, ({ label, less }) => `${label}: ${less}`);
  return [...byLabel].map(([text, found]) =>
    `${text} (${[...new Set(found.map(({ id }) => id))].join(", ")})`
  );
}

const HEAD = [
  "workload",
  "runtime",
  "contestant",
  "ours or theirs",
  "floor",
  "ratio",
  "min-max",
  "goal",
];

/** How many of the columns are words; the others are numbers. */
const WORDS = 3;

function cellsOf({ workload, lines }: Table): string[][] {
  return lines.map(({ entrant, label, less, summary }, i) => [
    i === 0 ? workload.id : "",
    i > 0 && lines[i - 1]?.entrant.host === entrant.host ? "" : entrant.host,
    less === undefined ? label : `${label} ${LESS}`,
    amount(workload, summary.rate, summary.ms),
    amount(workload, summary.floorRate, summary.floorMs),
    times(summary.ratio),
    `${times(summary.lowest)}-${times(summary.highest)}`,
    isOurs(entrant.kind) ? judged(workload, goalOf(entrant.kind, workload), summary.ratio) : "",
  ]);
}

/** What is shown of a row: a rate, or a time where that is the score. */
export function amount(workload: Workload, rate: number, ms: number): string {
  return workload.score === "rate" ? `${count(rate)}/s` : `${count(ms)} ms`;
}

function judged(workload: Workload, goal: number | undefined, ratio: number): string {
  if (goal === undefined) return "";
  const isReached = ratio === goal || isBetter(workload, ratio, goal);
  return `${goal} ${isReached ? "reached" : "MISSED"}`;
}

/** Aligns cells in columns. */
export function layOut(
  cells: readonly (readonly string[])[],
  markdown: boolean,
  words: number = WORDS,
): string {
  const columns = cells[0] ?? [];
  const widths = columns.map((_, column) =>
    Math.max(...cells.map((row) => row[column]?.length ?? 0))
  );
  const lines = cells.map((row) => {
    const padded = row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return column < words ? cell.padEnd(width) : cell.padStart(width);
    });
    return markdown ? `| ${padded.join(" | ")} |` : padded.join("  ").trimEnd();
  });
  const rules = widths.map((width, column) => {
    if (!markdown) return "-".repeat(width);
    return column < words ? "-".repeat(width) : `${"-".repeat(width - 1)}:`;
  });
  lines.splice(1, 0, markdown ? `| ${rules.join(" | ")} |` : rules.join("  "));
  return lines.join("\n");
}

/** A number with three digits that count. */
export function count(value: number): string {
  return new Intl.NumberFormat("en", { maximumSignificantDigits: 3 }).format(value);
}

/** A ratio; one far below 1 needs a digit more. */
export function times(ratio: number): string {
  return ratio.toFixed(ratio < 0.1 ? 3 : ratio < 20 ? 2 : 0);
}
