/**
 * Programs that use a log at random, the same for the same seed on every runtime.
 *
 * @module
 */
import type { WalOptions } from "../../mod.ts";
import { below, type Random, seededRandom } from "../../src/testing/random.ts";
import type { Session } from "./workload.ts";

/** A program, and the options of its log. */
export interface Program {
  readonly run: (session: Session) => Promise<void>;
  readonly options: WalOptions;
  /** How many turns of a promise each sync takes; none if it is not there. */
  readonly syncTakes?: () => number;
}

/** How many steps a program has. */
const STEPS = 40;

/** The program of a seed. Each fourth writes version 1. */
export function programOf(seed: number): Program {
  const random = seededRandom(seed);
  const format = seed % 4 === 0 ? 1 : 2;
  const segmentSize = [1024, 4096, 65_536][below(random, 3)] ?? 4096;
  const run = async (session: Session): Promise<void> => {
    for (let i = 0; i < STEPS; i++) await step(session, random, format);
    await session.close();
  };
  return { run, options: { format, segmentSize } };
}

async function step(session: Session, random: Random, format: 1 | 2): Promise<void> {
  const { log } = session;
  const sizes = (): number[] => Array.from({ length: 1 + below(random, 4) }, () => size(random));
  const isFull = log.lastIndex - log.firstIndex > 25;
  const choice = isFull ? 92 : below(random, 100);
  if (choice < 40) return await session.append(...sizes());
  if (choice < 52) return await session.appendAndSync(...sizes());
  if (choice < 60) return await session.sync();
  if (choice < 65) return await session.setState(size(random));
  if (choice < 68) return await session.reopen();
  if (choice < 70) return await session.read();
  if (choice < 76) {
    const index = log.lastIndex - below(random, 5);
    if (index >= log.firstIndex) await session.truncateFrom(index);
    return;
  }
  if (format === 1) return isFull ? await session.reset(1) : undefined;
  if (choice < 90) {
    const isDurable = random() < 0.5;
    return await session.appendBatch(isDurable, ...sizes(), 1);
  }
  if (choice < 97) {
    const count = log.lastIndex + 1 - log.firstIndex;
    return await session.truncateBefore(log.firstIndex + below(random, count + 1));
  }
  await session.reset(1 + below(random, 2 * log.lastIndex + 2));
}

/** How many of its steps a program that rolls has. */
const ROLLING_STEPS = 24;

/** The most turns that a sync takes beside a program that rolls; an append takes a few. */
const SLOWEST_SYNC = 60;

/** The program of a seed whose log rolls all the time, on a slow disk. */
export function rollingProgramOf(seed: number): Program {
  const random = seededRandom(seed);
  const segmentSize = [256, 400, 700, 1100][below(random, 4)] ?? 256;
  const syncMode = seed % 4 === 0 ? "blocking" : "async";
  const most = below(random, SLOWEST_SYNC);
  const run = async (session: Session): Promise<void> => {
    for (let i = 0; i < ROLLING_STEPS; i++) await rollingStep(session, random, segmentSize);
    await session.close();
  };
  return { run, options: { segmentSize, syncMode }, syncTakes: () => below(random, most + 1) };
}

async function rollingStep(session: Session, random: Random, segmentSize: number): Promise<void> {
  const { log } = session;
  const part = (of: number): number => below(random, Math.ceil(segmentSize / of));
  const sizes = (): number[] => Array.from({ length: 1 + below(random, 4) }, () => part(3));
  const count = log.lastIndex + 1 - log.firstIndex;
  const choice = count > 15 ? 84 : below(random, 100);
  if (choice < 45) return await session.append(...sizes());
  if (choice < 53) return await session.append(part(1), part(2), part(1));
  if (choice < 63) return await session.appendAndSync(...sizes());
  if (choice < 71) return await session.appendBatch(random() < 0.5, part(4), part(4), 1);
  if (choice < 75) return await session.sync();
  if (choice < 78) return await session.syncBlocking();
  if (choice < 82 && count > 0) {
    return await session.truncateFrom(log.lastIndex - below(random, Math.min(count, 5)));
  }
  if (choice < 90) return await session.truncateBefore(log.firstIndex + below(random, count + 1));
  if (choice < 93) return await session.idle();
  if (choice < 96) return await session.reopen();
  if (choice < 98) return await session.setState(part(4));
  await session.reset(1 + below(random, 2 * log.lastIndex + 2));
}

/** Mostly small; now and then over a sector's edge or two. */
function size(random: Random): number {
  const largest = [4, 60, 400, 1100][below(random, 4)] ?? 60;
  return below(random, largest);
}
