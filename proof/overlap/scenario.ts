/**
 * One run of a few calls that overlap: which is started, and which held call of the disk continues,
 * is decided one step after the other by a schedule.
 *
 * @module
 */
import { setTimeout as wait } from "node:timers/promises";
import type { WalOptions } from "../../mod.ts";
import type { CrashOptions } from "../../src/testing/testing.ts";
import { Afterwards } from "./afterwards.ts";
import { type Call, callsOn, type Range } from "./calls.ts";
import { HeldDisk } from "./held_disk.ts";
import { type Moment, Session, settle } from "./session.ts";

/** A log as the calls find it. */
export interface Start {
  readonly name: string;
  readonly options: WalOptions;
  /** Fills the log. */
  fill(session: Session): Promise<void>;
}

/** What can be done next. */
export interface Option {
  readonly kind: "start" | "start all" | "release";
  readonly what: string;
}

/** Decides which of some options is taken, by its place among them. */
export type Schedule = (options: readonly Option[]) => number;

/** A decision that was made. */
export interface Decision {
  readonly chosen: number;
  /** What was done, in words. */
  readonly what: string;
}

/** What came of a run. */
export interface Run {
  /** How many calls of the disk could have failed. */
  readonly failable: number;
  /** How many calls of the disk were held at the same time. */
  readonly mostHeld: number;
  readonly decisions: readonly Decision[];
  readonly moments: readonly Moment[];
  /** Everything that was wrong but for what a crash shows. */
  readonly wrongs: readonly string[];
}

/** How long nothing may happen while a call has not ended, in milliseconds. */
const PATIENCE_MS = 3000;

/** Which calls are to overlap, on which log. */
export interface Scenario {
  readonly start: Start;
  readonly crash?: CrashOptions;
  /** Which of the calls of the disk that can fail does, counted from 0. */
  readonly failAt?: number;
  /** The names of the calls, in the order in which they are started. */
  readonly calls: readonly string[];
}

/**
 * Runs the calls by a schedule.
 *
 * @param isJudgedLater Whether to note moments long after the calls have ended too.
 */
export async function run(
  { start, crash, failAt, calls }: Scenario,
  schedule: Schedule,
  isJudgedLater: boolean = false,
): Promise<Run> {
  const held = new HeldDisk(crash);
  held.failAt = failAt;
  const session = await Session.open(held, start.options, failAt !== undefined);
  await start.fill(session);
  const range: Range = { firstIndex: session.log.firstIndex, lastIndex: session.log.lastIndex };
  const known = callsOn(range);
  const waiting = calls.map((name) => {
    const call = known.find((call) => call.name === name);
    if (call === undefined) throw new TypeError(`There is no call "${name}"`);
    return call;
  });
  const decisions: Decision[] = [];
  const moments: Moment[] = [];
  let phase: Moment["phase"] = "overlap";
  let noted = "";
  const note = (when: string): void => {
    const now = `${held.version} ${session.events.length}`;
    if (now === noted || (phase === "later" && !isJudgedLater)) return;
    noted = now;
    const events = session.events.slice();
    moments.push({ disk: held.disk.fork(), events, when, phase, decisions: decisions.length });
  };
  const afterwards = new Afterwards(session, range);
  held.onCall = (call) => note(`${phase === "overlap" ? "" : "afterwards, "}before ${call}`);
  held.isHolding = true;
  let running = 0;
  let claimed = 0;
  let mostHeld = 0;
  const begin = (call: Call): void => {
    running++;
    const ended = call.start(session);
    if (ended === undefined) running--;
    else ended.finally(() => running--);
  };
  for (;;) {
    await settle(held);
    const { durableIndex } = session.log;
    if (durableIndex !== claimed) session.claim("durableIndex", durableIndex);
    claimed = durableIndex;
    note("while nothing happens");
    const options: (Option & { take: () => void })[] = [];
    const next = waiting[0];
    if (next !== undefined) {
      const take = (): void => begin(waiting.shift() ?? next);
      options.push({ kind: "start", what: `start ${next.name}`, take });
    }
    if (decisions.length === 0 && waiting.length > 1) {
      const take = (): void => waiting.splice(0).forEach(begin);
      options.push({ kind: "start all", what: `start ${calls.join(" and ")} at once`, take });
    }
    mostHeld = Math.max(mostHeld, held.held.length);
    for (const call of held.held) {
      options.push({ kind: "release", what: call.what, take: () => call.release() });
    }
    if (options.length === 0) {
      if (running === 0) break;
      if (await isQuiet(held)) {
        session.wrongs.push(`${running} calls do not end, though the disk holds nothing`);
        break;
      }
      continue;
    }
    const chosen = schedule(options);
    const option = options[chosen];
    if (option === undefined) throw new TypeError(`There is no option ${chosen}`);
    decisions.push({ chosen, what: option.what });
    option.take();
  }
  held.releaseAll();
  phase = "after";
  if (session.wrongs.length > 0) {
    // What is left open would keep the process from its end.
    await Promise.race([session.log.close().catch(() => {}), settle(held)]);
  } else if (failAt !== undefined) {
    await afterwards.recover();
    note("at the end");
  } else {
    await afterwards.begin();
    phase = "later";
    await afterwards.continueLog();
  }
  const { failable } = held;
  const wrongs = [...session.wrongs, ...held.wrongs];
  return { decisions, failable, mostHeld, wrongs, moments: moments.map(withRefusals(session)) };
}

/** Whether nothing happens for a long time. */
async function isQuiet(held: HeldDisk): Promise<boolean> {
  const seen = held.activity;
  for (let waited = 0; waited < PATIENCE_MS; waited += 5) {
    await wait(5);
    if (held.activity !== seen) return false;
  }
  return true;
}

/** A call that tells in the end that it has done nothing has done nothing at any moment before. */
function withRefusals({ events }: Session): (moment: Moment) => Moment {
  const refused = events.filter(({ kind }) => kind === "refused");
  return (moment) => {
    const started = moment.events.flatMap((event) => event.kind === "started" ? [event.id] : []);
    const later = refused.filter((event) =>
      event.kind === "refused" && started.includes(event.id) && !moment.events.includes(event)
    );
    return { ...moment, events: [...moment.events, ...later] };
  };
}
