/**
 * Tries the schedules of calls that overlap, one after the other, and judges every crash on the way.
 *
 * @module
 */
import { BrokenPromise } from "../../src/testing/testing.ts";
import { below, seededRandom } from "../../src/testing/random.ts";
import { type Run, run, type Scenario, type Schedule, type Start } from "./scenario.ts";
import { judge, type Moment } from "./session.ts";

/** Crashes long after the calls have ended are judged for one schedule in so many. */
const RARELY = 16;

/** How far to look. */
export interface Limits {
  /** How many schedules at random are tried for each scenario, beside those that are always. */
  readonly random: number;
  /** What they begin with. */
  readonly seed: number;
  /** The most states of the disk for each moment at which the machine dies. */
  readonly states: number;
}

/** What was looked at. */
export interface Tally {
  schedules: number;
  moments: number;
  states: number;
}

/** An empty tally. */
export function newTally(): Tally {
  return { schedules: 0, moments: 0, states: 0 };
}

/**
 * Holds the first of the calls at each call of the disk that can be held: the others are started
 * meanwhile, and either run to their end first, or are held themselves until the first has ended. Then
 * starts all at once, and then at random.
 *
 * @throws {BrokenPromise} At the first schedule that breaks a promise; the message tells it.
 */
export async function explore(
  scenario: Scenario,
  { random, seed, states }: Limits,
  tally: Tally,
): Promise<void> {
  /** The decisions up to which all moments were judged. */
  const known = new Set<string>();
  const attempt = async (schedule: Schedule): Promise<Run> => {
    const done = await run(scenario, schedule, tally.schedules % RARELY === 0);
    await judgeRun(scenario, done, { states }, tally, known);
    return done;
  };

  for (let at = 0, isHeld = true; isHeld; at++) {
    const { decisions, mostHeld } = await attempt(holdAt(at, "newest"));
    if (mostHeld > 1) await attempt(holdAt(at, "oldest"));
    isHeld = decisions.slice(at + 1).some(({ what }) => what.startsWith("start "));
  }
  const { mostHeld } = await attempt(atOnce("newest"));
  if (mostHeld > 1) await attempt(atOnce("oldest"));
  const draw = seededRandom(seed);
  for (let i = 0; i < random; i++) await attempt((options) => below(draw, options.length));
}

/**
 * Judges a run: what was wrong with it, and what each crash leaves.
 *
 * @param known The decisions up to which all moments were judged in other runs; it is added to.
 * @throws {BrokenPromise} If a promise was broken; the message tells the schedule.
 */
export async function judgeRun(
  scenario: Scenario,
  done: Run,
  { states }: Pick<Limits, "states">,
  tally: Tally,
  known: Set<string> = new Set(),
): Promise<void> {
  const key = (decisions: number): string =>
    done.decisions.slice(0, decisions).map(({ chosen }) => chosen).join();
  tally.schedules++;
  try {
    const [wrong] = done.wrongs;
    if (wrong !== undefined) throw new BrokenPromise(wrong);
    for (const moment of done.moments) {
      if (moment.phase === "overlap" && known.has(key(moment.decisions))) continue;
      await judgeMoment(scenario, moment, states, tally);
    }
  } catch (error) {
    if (!(error instanceof BrokenPromise)) throw error;
    throw new BrokenPromise(`${error.message}\n${describe(scenario, done)}`, { cause: error });
  }
  for (let i = 0; i <= done.decisions.length; i++) known.add(key(i));
}

/**
 * Lets one call of the disk fail while calls overlap, by a schedule at random.
 *
 * @throws {BrokenPromise} If a promise was broken.
 */
export async function exploreFault(
  starts: readonly Start[],
  names: readonly string[],
  { seed, states }: Limits,
  tally: Tally,
): Promise<void> {
  const draw = seededRandom(seed);
  const one = <T>(some: readonly T[]): T => some[below(draw, some.length)] as T;
  const scenario: Scenario = {
    start: one(starts),
    calls: Array.from({ length: 2 + below(draw, 2) }, () => one(names)),
    crash: {
      failedSync: one(["ext4", "xfs", "btrfs"] as const),
      errorTold: one(["descriptor", "file"] as const),
    },
  };
  const scheduleSeed = below(draw, 2 ** 30);
  const scheduled = async (scenario: Scenario): Promise<Run> => {
    const choose = seededRandom(scheduleSeed);
    return await run(scenario, (options) => below(choose, options.length));
  };
  const { failable } = await scheduled(scenario);
  if (failable === 0) return;
  const failing: Scenario = { ...scenario, failAt: below(draw, failable) };
  await judgeRun(failing, await scheduled(failing), { states }, tally);
}

/** Makes the decisions of a run again. */
export function again(chosen: readonly number[]): Schedule {
  const left = chosen.slice();
  return () => left.shift() ?? 0;
}

/**
 * Starts the first call and lets it continue so many times, as far as it can; then starts the
 * others, one after the other; then lets the newest or the oldest call of the disk continue first.
 */
function holdAt(at: number, which: "newest" | "oldest"): Schedule {
  let decisions = 0;
  return (options) => {
    const release = options.findIndex(({ kind }) => kind === "release");
    const start = options.findIndex(({ kind }) => kind === "start");
    if (decisions++ === 0) return start;
    if (start >= 0 && (decisions > at + 1 || release < 0)) return start;
    return which === "oldest" || start >= 0 ? release : options.length - 1;
  };
}

/** Starts all in one turn. */
function atOnce(which: "newest" | "oldest"): Schedule {
  return (options) => {
    const all = options.findIndex(({ kind }) => kind === "start all");
    const first = Math.max(0, options.findIndex(({ kind }) => kind === "release"));
    if (all >= 0) return all;
    return which === "oldest" ? first : options.length - 1;
  };
}

/** Judges what the death of the machine leaves at a moment, and that of the process. */
async function judgeMoment(
  { start, failAt }: Scenario,
  moment: Moment,
  limit: number,
  tally: Tally,
): Promise<void> {
  const hasFailed = failAt !== undefined;
  tally.moments++;
  for (const disk of moment.disk.crashStates({ limit })) {
    tally.states++;
    await judge(moment, disk, "power", start.options, hasFailed);
  }
  tally.states++;
  await judge(moment, moment.disk.fork(), "process", start.options, hasFailed);
}

/** A run in words, from which it can be made again. */
function describe({ start, calls, crash, failAt }: Scenario, { decisions }: Run): string {
  const chosen = decisions.map(({ chosen }) => chosen).join();
  const steps = decisions.map(({ what }) => `  ${what}`);
  const fault = failAt === undefined
    ? ""
    : `, call ${failAt} of the disk fails as on ${crash?.failedSync}, told once a ${crash?.errorTold}`;
  return [`On ${start.name}: ${calls.join(", ")}${fault}, by the schedule ${chosen}:`, ...steps]
    .join("\n");
}
