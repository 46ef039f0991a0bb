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

/** Mostly small; now and then over a sector's edge or two. */
function size(random: Random): number {
  const largest = [4, 60, 400, 1100][below(random, 4)] ?? 60;
  return below(random, largest);
}
