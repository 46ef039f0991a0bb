/**
 * The latencies as a table and as charts.
 *
 * @module
 */
import { EDITIONS } from "../../kit/runtime.ts";
import type { Run } from "../costs/command.ts";
import { count, duration, shortCount, type Table } from "../costs/text.ts";
import type { Axis, LineChart, Series } from "../plot.ts";
import type { Spread } from "./latencies.ts";

/** Durable appends by so many callers at once. */
export interface Level {
  /** The name of the options that the log was opened with. */
  readonly way: string;
  readonly callers: number;
  readonly latency: Spread;
  readonly perSecond: number;
  readonly syncsPerEntry: number;
  /** The longest time that the event loop was kept from a timer, in nanoseconds. */
  readonly longestStall: number;
}

/** What was measured on one runtime. */
export interface LatencyResult {
  /** A write and a sync, one after the other. */
  readonly floor: Spread;
  readonly levels: readonly Level[];
}

/** The latencies on each runtime, then the rates. */
export function tables({ options, results }: Run<LatencyResult>): Table[] {
  const rowsOf = (
    ofFloor: (floor: Spread) => string[],
    ofLevel: (level: Level) => string[],
  ): string[][] =>
    results.flatMap(({ runtime, result: { floor, levels } }) => {
      const hasWays = new Set(levels.map(({ way }) => way)).size > 1;
      return [
        [`${runtime}, floor`, ...ofFloor(floor)],
        ...levels.map((level) => [
          `${runtime}, ${level.callers}${hasWays ? `, ${level.way}` : ""}`,
          ...ofLevel(level),
        ]),
      ];
    });
  return [{
    caption: "Durable appends of 128 bytes; each caller waits for its append before the next. " +
      `${(options["ms"] ?? NaN) / 1000} s a row.`,
    words: 1,
    head: ["runtime, callers", "p50", "p99", "p99.9", "max"],
    rows: rowsOf(percentiles, ({ latency }) => percentiles(latency)),
  }, {
    caption: "The same appends: how many, and how long the event loop stood still.",
    words: 1,
    head: ["runtime, callers", "appends/s", "syncs an append", "longest stall"],
    rows: rowsOf(
      (floor) => [count(1e9 / floor.mean), "1", ""],
      (level) => [
        count(level.perSecond),
        count(level.syncsPerEntry),
        duration(level.longestStall),
      ],
    ),
  }];
}

/** The charts by the names of their files, for the way that is the default. */
export function charts({ results }: Run<LatencyResult>): Record<string, LineChart> {
  const levelsOf = ({ levels }: LatencyResult): Level[] =>
    levels.filter(({ way }) => way === levels[0]?.way);
  const callers = results[0] === undefined
    ? []
    : levelsOf(results[0].result).map((level) => level.callers);
  const x: Axis = { scale: "log", show: String, ticks: callers };
  const xLabel = "callers at once";
  const lines = (
    what: string,
    value: (level: Level) => number,
    isDashed = false,
  ): Series[] =>
    results.map(({ runtime, result }) => ({
      name: `${runtime}${what}`,
      colour: EDITIONS.indexOf(runtime),
      isDashed,
      points: levelsOf(result).map((level) => [level.callers, value(level)] as const),
    }));
  return {
    latency: {
      title: "Latency of a durable append",
      subtitle: "Of 100 appends, 50 are faster than the dotted line and 99 than the solid one.",
      x,
      xLabel,
      y: { scale: "log", show: duration },
      series: [
        ...lines(", p99", ({ latency }) => latency.p99),
        ...lines(", p50", ({ latency }) => latency.p50, true),
      ],
    },
    throughput: {
      title: "Durable appends a second",
      subtitle: "Callers share syncs. Dotted: a write and a sync for each entry, one at a time.",
      x,
      xLabel,
      y: { scale: "log", show: shortCount },
      series: [
        ...lines("", ({ perSecond }) => perSecond),
        ...results.map(({ runtime, result }): Series => ({
          name: `${runtime}, floor`,
          colour: EDITIONS.indexOf(runtime),
          isDashed: true,
          points: callers.map((callers) => [callers, 1e9 / result.floor.mean] as const),
        })),
      ],
    },
  };
}

function percentiles({ count, p50, p99, p999, max }: Spread): string[] {
  // Of few durations the highest would be called their 99.9th percentile.
  return [p50, p99, count < 2000 ? NaN : p999, max].map((ns) => isNaN(ns) ? "-" : duration(ns));
}
