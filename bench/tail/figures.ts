/**
 * What a subject's turns say in numbers. A stall is counted once, for its first cause of these: the
 * collector, a roll, anything else.
 *
 * @module
 */
import type { Edition } from "../../kit/runtime.ts";
import { pausesIn } from "../costs/collector.ts";
import { median } from "../results.ts";
import { Histogram } from "./histogram.ts";
import type { Slow, Turn } from "./turn.ts";

/** A stall of the event loop that is longer counts, in milliseconds. */
export const LONG_STALL = 4;

/** An append that waits for nothing and takes longer counts, in milliseconds. */
export const LONG_APPEND = 2;

const NAMES = [
  "perSecond",
  "rolls",
  // Latencies, and how many times as long as p50 p99.9 is.
  "p50",
  "p99",
  "p999",
  "max",
  "spread",
  // Stalls above LONG_STALL; those that without the collector's pauses in them would not be above it;
  // of the others those at a roll, and the rest.
  "stalls",
  "stallsCollected",
  "stallsAtRolls",
  "stallsElsewhere",
  "longestStall",
  // The longest, of each stall what is left without the collector's pauses in it.
  "longestUncollected",
  // How far the longest stall is above that of the bare calls.
  "aboveFloor",
  // Appends above LONG_APPEND; the collector's are counted in both, and by themselves.
  "slowAtRolls",
  "slowElsewhere",
  "slowCollected",
  "longestAtRoll",
  "longestElsewhere",
  "pauses",
  "paused",
  "longestPause",
] as const;

/** The numbers by their names: durations in milliseconds, `NaN` for what was not measured. */
export type Figures = Readonly<Record<(typeof NAMES)[number], number>>;

/** Something slow, and for how much of it the collector stopped the program. */
export interface Told extends Slow {
  readonly paused: number;
}

/** The figures of a round; `segmentsBefore` are the log's files after the warm-up. */
export function figuresOf(
  turns: readonly Turn[],
  segmentsBefore: number,
  edition: Edition,
  log: string,
): Figures {
  const histogram = new Histogram();
  for (const { latencies = [], longest = 0 } of turns) histogram.merge(latencies, longest);
  const tell = (slow: readonly Slow[]): Told[] =>
    slow.map((each) => ({
      ...each,
      paused: sum(pausesIn(edition, log.slice(each.from, each.to))),
    }));
  const hasStalls = turns.every(({ stalls }) => stalls !== undefined);
  const hasAppends = turns.every(({ appends }) => appends !== undefined);
  const pauses = turns.flatMap(({ from, to }) => pausesIn(edition, log.slice(from ?? 0, to ?? 0)));
  return {
    perSecond: histogram.count / sum(turns.map(({ ms }) => ms)) * 1000,
    rolls: (turns.at(-1)?.segments ?? NaN) - segmentsBefore,
    p50: histogram.quantile(0.5),
    p99: histogram.quantile(0.99),
    p999: histogram.quantile(0.999),
    max: histogram.longest,
    spread: histogram.quantile(0.999) / histogram.quantile(0.5),
    ...orNaN(hasStalls, stallsIn(tell(turns.flatMap(({ stalls = [] }) => stalls)))),
    aboveFloor: NaN,
    ...orNaN(hasAppends, appendsIn(tell(turns.flatMap(({ appends = [] }) => appends)))),
    ...orNaN(hasStalls, {
      pauses: pauses.length,
      paused: sum(pauses),
      longestPause: Math.max(0, ...pauses),
    }),
  };
}

/** The stalls, counted by cause. */
export function stallsIn(
  stalls: readonly Told[],
): Pick<
  Figures,
  | "stalls"
  | "stallsCollected"
  | "stallsAtRolls"
  | "stallsElsewhere"
  | "longestStall"
  | "longestUncollected"
> {
  const long = stalls.filter(({ ms }) => ms > LONG_STALL);
  const left = long.filter(({ ms, paused }) => ms - paused > LONG_STALL);
  const atRolls = left.filter(({ isAtRoll }) => isAtRoll);
  return {
    stalls: long.length,
    stallsCollected: long.length - left.length,
    stallsAtRolls: atRolls.length,
    stallsElsewhere: left.length - atRolls.length,
    longestStall: Math.max(0, ...stalls.map(({ ms }) => ms)),
    longestUncollected: Math.max(0, ...stalls.map(({ ms, paused }) => ms - paused)),
  };
}

/** The appends, at a roll and elsewhere. */
export function appendsIn(
  appends: readonly Told[],
): Pick<
  Figures,
  "slowAtRolls" | "slowElsewhere" | "slowCollected" | "longestAtRoll" | "longestElsewhere"
> {
  const [atRolls, elsewhere] = [true, false].map((wanted) =>
    appends.filter(({ isAtRoll }) => isAtRoll === wanted)
  ) as [Told[], Told[]];
  const slow = (some: readonly Told[]): Told[] => some.filter(({ ms }) => ms > LONG_APPEND);
  return {
    slowAtRolls: slow(atRolls).length,
    slowElsewhere: slow(elsewhere).length,
    slowCollected: slow(appends).filter(({ ms, paused }) => ms - paused <= LONG_APPEND).length,
    longestAtRoll: Math.max(0, ...atRolls.map(({ ms }) => ms)),
    longestElsewhere: Math.max(0, ...elsewhere.map(({ ms }) => ms)),
  };
}

/** Of each figure the median over the rounds. */
export function medians(rounds: readonly Figures[]): Figures {
  const entries = NAMES.map((name) => [name, median(rounds.map((figures) => figures[name]))]);
  return Object.fromEntries(entries) as Figures;
}

function orNaN<Part extends object>(isMeasured: boolean, part: Part): Part {
  if (isMeasured) return part;
  return Object.fromEntries(Object.keys(part).map((name) => [name, NaN])) as Part;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
