/**
 * The tail as tables.
 *
 * @module
 */
import type { Run } from "../costs/command.ts";
import { count, duration, type Table } from "../costs/text.ts";
import { type Figures, LONG_APPEND, LONG_STALL } from "./figures.ts";
import type { Row } from "./measure.ts";
import { CALLERS, NOTED } from "./turn.ts";

/** The latencies, the stalls, the appends that wait for nothing, and the collector's pauses. */
export function tables({ options, results }: Run<readonly Row[]>): Table[] {
  const rowsOf = (
    kind: Row["subject"]["kind"] | undefined,
    cells: (figures: Figures, subject: Row["subject"]) => string[],
  ): string[][] =>
    results.flatMap(({ runtime, result }) =>
      result.filter(({ subject }) => kind === undefined || subject.kind === kind)
        .map(({ subject, figures }) => [
          runtime,
          kind === undefined && subject.kind === "alone"
            ? `${subject.label}, no sync`
            : subject.label,
          ...cells(figures, subject),
        ])
        .filter((row) => row.slice(2).some((cell) => cell !== "-"))
    );
  const head = ["beside", "by"];
  const medians = `Medians of ${options["rounds"]} rounds of at least ${options["rolls"]} rolls.`;
  const versions = new Set(results.flatMap(({ result }) => result.map(({ version }) => version)));
  versions.delete("");
  return [{
    caption:
      `Durable appends of 128 bytes by ${CALLERS} callers; each waits for its append before ` +
      `the next. ${medians} Others: ${[...versions].sort().join(", ")}.`,
    words: 2,
    head: [...head, "appends/s", "p50", "p99", "p99.9", "max", "p99.9/p50"],
    rows: rowsOf("durable", ({ perSecond, p50, p99, p999, max, spread }) => [
      number(perSecond),
      ...[p50, p99, p999, max].map(time),
      number(spread),
    ]),
  }, {
    caption:
      `The event loop's stalls above ${LONG_STALL} ms in the same appends. Each is counted ` +
      "once: as the collector's if it would not be above that without the collector's pauses in " +
      "it, otherwise as a roll's if it was at one, otherwise as another's.",
    words: 2,
    head: [...head, "rolls", "stalls", "collector", "at rolls", "others", "besides, a roll"],
    rows: rowsOf("durable", (figures, { isOurs = false }) => {
      const { stalls, stallsCollected, stallsAtRolls, stallsElsewhere, rolls } = figures;
      if (Number.isNaN(stalls)) return [];
      return [
        isOurs ? number(rolls) : "-",
        ...[stalls, stallsCollected, stallsAtRolls, stallsElsewhere].map(number),
        isOurs ? number((stallsAtRolls + stallsElsewhere) / rolls) : "-",
      ];
    }),
  }, {
    caption: "The longest stall of the same; how far it is above that of the bare calls of the " +
      "same round; and the longest that is left where the collector's pauses are taken out of each.",
    words: 2,
    head: [...head, "longest stall", "above bare calls", "without the collector"],
    rows: rowsOf(
      "durable",
      (
        { longestStall, aboveFloor, longestUncollected },
      ) => [longest(longestStall), time(aboveFloor), longest(longestUncollected)],
    ),
  }, {
    caption: `Appends without a sync, as many: the longest, and how many took more than ` +
      `${LONG_APPEND} ms; those that would not without the collector's pauses are counted again by ` +
      "themselves.",
    words: 2,
    head: [
      ...head,
      ...[
        "p50",
        "at a roll",
        `> ${LONG_APPEND} ms`,
        "elsewhere",
        `> ${LONG_APPEND} ms`,
        "collector",
      ],
    ],
    rows: rowsOf("alone", (figures, { isOurs = false }) => [
      time(figures.p50),
      isOurs ? longest(figures.longestAtRoll) : "-",
      isOurs ? number(figures.slowAtRolls) : "-",
      longest(figures.longestElsewhere),
      number(figures.slowElsewhere),
      number(figures.slowCollected),
    ]),
  }, {
    caption: "How often and for how long the runtime's collector stopped the program in all that.",
    words: 2,
    head: [...head, "pauses", "in all", "longest"],
    rows: rowsOf(undefined, ({ pauses, paused, longestPause }) => [
      number(pauses),
      time(paused),
      time(longestPause),
    ]),
  }];
}

function number(value: number): string {
  return Number.isNaN(value) ? "-" : count(value);
}

function time(ms: number): string {
  return Number.isNaN(ms) ? "-" : duration(ms * 1e6);
}

/** The longest of what is only noted from a length on. */
function longest(ms: number): string {
  return ms === 0 ? `< ${NOTED} ms` : time(ms);
}
