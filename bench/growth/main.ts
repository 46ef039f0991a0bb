/**
 * How the costs of a log grow with its length, on each runtime: an append, a read at random, an
 * open, and the memory of the open log, at 10 thousand entries, ten times as many, and so on.
 *
 * `npm run bench:growth -- --help` tells the options; `--max 100000000` goes up to 100 million.
 *
 * @module
 */
import { copyFileSync, mkdirSync, readdirSync, rmSync, statfsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { collectable } from "../costs/collector.ts";
import { type Bench, runCommand, UsageError } from "../costs/command.ts";
import { size, whole } from "../costs/text.ts";
import { segmentsOf } from "../log_files.ts";
import type { Fill } from "./fill.ts";
import type { Opening } from "./open.ts";
import { type GrowthResult, type Stage, tables } from "./report.ts";

/** Entries of the shortest log. */
const SHORTEST = 10_000;

/** How many times as many the next one has. */
const STEP = 10;

/** Bytes on disk an entry, offsets in Seals included, with room to spare. */
const BYTES_PER_ENTRY = 30;

/** Beside the log there are copies of its last segment. */
const BYTES_BESIDE = 512 * 2 ** 20;

process.exitCode = await runCommand({
  kind: "growth",
  options: {
    max: { byDefault: 10_000_000, least: SHORTEST, about: "entries of the longest log" },
    rounds: { byDefault: 3, least: 1, about: "opens of each log, of which the medians are shown" },
  },
  tables,
  require(folder, { max = NaN }): void {
    const { bavail, bsize } = statfsSync(folder);
    const wanted = max * BYTES_PER_ENTRY + BYTES_BESIDE;
    if (bavail * bsize >= wanted) return;
    throw new UsageError(
      `A log of ${whole(max)} entries may need ${size(wanted)}, and "${folder}" has ` +
        `${size(bavail * bsize)}: lower --max, or choose another folder with --dir.`,
    );
  },
  async measure(bench: Bench, { max = NaN, rounds = NaN }): Promise<GrowthResult> {
    const path = join(bench.folder, "log", "a.wal");
    mkdirSync(dirname(path));
    const openEach = async (entries: number, before?: () => void): Promise<Opening[]> => {
      const openings: Opening[] = [];
      for (let round = 0; round < rounds; round++) {
        before?.();
        openings.push(await open(bench, path, entries));
      }
      return openings;
    };
    await open(bench, path, 0);
    const empty = await openEach(0);
    const stages: Stage[] = [];
    for (let entries = SHORTEST; entries <= max; entries *= STEP) {
      const fill = await grow(bench, path, entries);
      const restore = keepLastSegment(path);
      const killed = await openEach(entries, restore);
      const closed = await openEach(entries);
      stages.push({ entries, fill, killed, closed });
    }
    return { empty, stages };
  },
});

/** Makes the log grow, and leaves it as a killed process does. */
async function grow({ run, folder }: Bench, path: string, to: number): Promise<Fill> {
  const scratch = join(folder, "scratch", "a.wal");
  rmSync(dirname(scratch), { recursive: true, force: true });
  const args = ["--log", path, "--scratch", scratch, "--to", `${to}`];
  const { stdout } = await run(new URL("fill.ts", import.meta.url), args, { isKilled: true });
  return JSON.parse(stdout) as Fill;
}

async function open({ run, runtime }: Bench, path: string, entries: number): Promise<Opening> {
  const args = ["--log", path, "--entries", `${entries}`];
  const { stdout } = await run(new URL("open.ts", import.meta.url), args, {
    collector: collectable(runtime, false),
  });
  return JSON.parse(stdout) as Opening;
}

/**
 * Keeps a copy of the only segment that an open and a close change; returns what puts the log back
 * into the state that it was in.
 */
function keepLastSegment(path: string): () => void {
  const folder = dirname(path);
  const files = new Set(readdirSync(folder));
  const last = segmentsOf(path).at(-1) ?? path;
  const copy = join(folder, "..", basename(last));
  copyFileSync(last, copy);
  return () => {
    for (const file of readdirSync(folder)) {
      if (!files.has(file)) rmSync(join(folder, file));
    }
    copyFileSync(copy, last);
  };
}
