/**
 * Counts what came of every damage.
 *
 * @module
 */
import { type Damage, damagesOf, type Kind } from "./damages.ts";
import { FORBIDDEN, judge, type Outcome, OUTCOMES } from "./judge.ts";
import type { Log } from "./logs.ts";

/** How often each outcome came. */
export type Counts = Record<Outcome, number>;

/** All counts, in three views. */
export interface Score {
  /** By class of damage, over all logs. */
  readonly byKind: Map<string, Counts>;
  /** By log, over all damages. */
  readonly byLog: Map<string, Counts>;
  /** The reference logs, by log and class, for those classes that are compared. */
  readonly reference: Map<string, Counts>;
}

/** An outcome that must not be. */
export interface Finding {
  readonly log: string;
  readonly damage: Damage;
  readonly outcome: Outcome;
  readonly why: string;
}

/** The logs that other libraries were measured with too. */
export const REFERENCE = "reference, ";

/** The classes that the reference logs are compared by. */
export const COMPARED: readonly Kind[] = ["one bit flipped", "cut short, at every length"];

/** Nothing counted yet. */
export function newScore(): Score {
  return { byKind: new Map(), byLog: new Map(), reference: new Map() };
}

/** No count of any outcome. */
export function noCounts(): Counts {
  return Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0])) as Counts;
}

/** The sum of some counts. */
export function totalOf(counts: Iterable<Counts>): Counts {
  const total = noCounts();
  for (const some of counts) {
    for (const outcome of OUTCOMES) total[outcome] += some[outcome];
  }
  return total;
}

/** How many cases counts stand for. */
export function casesIn(counts: Counts): number {
  return OUTCOMES.reduce((sum, outcome) => sum + counts[outcome], 0);
}

/** Damages a log in every way, and counts. */
export async function scoreLog(
  log: Log,
  score: Score,
  onFinding: (finding: Finding) => void,
  isWanted: (damage: Damage) => boolean = () => true,
): Promise<void> {
  for (const damage of damagesOf(log)) {
    if (!isWanted(damage)) continue;
    const { outcome, why } = await judge(log, damage);
    count(score.byKind, damage.kind, outcome);
    count(score.byLog, log.name, outcome);
    if (log.name.startsWith(REFERENCE) && COMPARED.includes(damage.kind)) {
      count(score.reference, `${log.name}: ${damage.kind}`, outcome);
    }
    if (FORBIDDEN.includes(outcome)) onFinding({ log: log.name, damage, outcome, why: why() });
  }
}

function count(view: Map<string, Counts>, row: string, outcome: Outcome): void {
  const counts = view.get(row) ?? noCounts();
  counts[outcome]++;
  view.set(row, counts);
}
