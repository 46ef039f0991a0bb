/**
 * Trials: timed runs that take turns, so that whatever else the machine does meets all of them.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Sample } from "./results.ts";

/**
 * Does its work once and says how long it took. `share` is how much of it, up to 1: a trial is
 * warmed up with little.
 */
export type Trial = (share: number) => Sample | Promise<Sample>;

/** How much of its work a trial does before the rounds that count. */
const WARM_UP = 0.1;

/** Runs the trials in turn, round by round; gives the samples of each, in the order of the rounds. */
export async function interleave<Name extends string>(
  rounds: number,
  trials: Readonly<Record<Name, Trial>>,
): Promise<Record<Name, Sample[]>> {
  const names = Object.keys(trials) as Name[];
  const samples = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<
    Name,
    Sample[]
  >;
  for (const name of names) await trials[name](WARM_UP);
  for (let round = 0; round < rounds; round++) {
    for (const name of names) samples[name].push(await trials[name](1));
    // The other way round in the next, so that none always has the same one before it.
    names.reverse();
  }
  return samples;
}

/** Runs `work` and returns how many milliseconds it took. */
export function timed(work: () => void): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

/** Runs `body` with a new folder in `parent`, which is removed when it is done. */
export async function inFolder<T>(
  parent: string,
  body: (folder: string) => T | Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(parent, "trial-"));
  try {
    return await body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Fails a run that did not do its work, which would otherwise be the fastest of all. */
export function requireWork(what: string, done: number, wanted: number): void {
  if (done !== wanted) throw new Error(`${what}: ${done} instead of ${wanted}`);
}
