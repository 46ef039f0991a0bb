/**
 * Makes a log grow to a size, by batches and at last one entry at a time, syncs it, and dies of
 * SIGKILL before it can close it.
 *
 * @module
 */
import { writeSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { Wal } from "../../mod.ts";
import { median } from "../results.ts";
import { requireWork, timed } from "../costs/work.ts";
import { entriesFrom, entryAt } from "./entries.ts";

/** Entries of a batch. */
const BATCH = 1000;

/** After how many batches the event loop has a turn, as in a server. */
const TURN = 20;

/** How many entries are appended one at a time, unless the log has less than twice as many. */
const SINGLE = 100_000;

/** In how many parts these are timed. */
const PARTS = 20;

/** What the growth took. */
export interface Fill {
  /** Nanoseconds an entry of `append`. */
  readonly append: number;
  /** Nanoseconds an entry of `appendBatch`. */
  readonly batch: number;
  /** Nanoseconds of the longest `appendBatch`, as of one that fills a segment. */
  readonly longestBatch: number;
  /** The size of the log in bytes. */
  readonly bytes: number;
  readonly segments: number;
}

const { values } = parseArgs({
  options: {
    log: { type: "string", default: "a.wal" },
    scratch: { type: "string", default: "scratch.wal" },
    to: { type: "string", default: "10000" },
  },
});
const to = Number(values.to);

const scratch = await Wal.open(values.scratch);
appendSingly(scratch, SINGLE / 2);
await scratch.close();

const log = await Wal.open(values.log);
const single = Math.min(SINGLE, (to - log.lastIndex) / 2);
const batches = await appendBatches(log, to - single);
await log.sync();
const append = appendSingly(log, single);
await log.sync();
requireWork("Durable", log.durableIndex, to);
const fill: Fill = {
  append,
  ...batches,
  bytes: log.byteLength,
  segments: log.stats().segments,
};
writeSync(1, JSON.stringify(fill));
process.kill(process.pid, "SIGKILL");

async function appendBatches(
  log: Wal,
  last: number,
): Promise<Pick<Fill, "batch" | "longestBatch">> {
  const first = log.lastIndex + 1;
  let total = 0;
  let longest = 0;
  for (let turn = 1; log.lastIndex < last; turn++) {
    const entries = entriesFrom(log.lastIndex + 1, Math.min(BATCH, last - log.lastIndex));
    const ms = timed(() => log.appendBatch(entries));
    total += ms;
    longest = Math.max(longest, ms);
    if (turn % TURN === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return { batch: total * 1e6 / (last - first + 1), longestBatch: longest * 1e6 };
}

/** The median over the parts of the nanoseconds an entry. */
function appendSingly(log: Wal, count: number): number {
  const part = Math.ceil(count / PARTS);
  const parts: number[] = [];
  for (const last = log.lastIndex + count; log.lastIndex < last;) {
    const first = log.lastIndex + 1;
    const end = Math.min(first + part, last + 1);
    const ms = timed(() => {
      for (let index = first; index < end; index++) log.append(entryAt(index));
    });
    parts.push(ms * 1e6 / (end - first));
  }
  return median(parts);
}
