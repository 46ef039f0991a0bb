/**
 * The writer whose power is cut: opens a log, tells what it found, and changes the log at random
 * until the end. It says so before each change and when it is acknowledged.
 *
 * Arguments: the log's path, the run's seed, the number of this writer within the run, and its way:
 * "honest", "lying" for a file system that reports syncs that it does not make, or "mapped" for files
 * that are mapped. The last one appends more at a time without a sync, because only then it stores.
 *
 * @module
 */
import { writeSync } from "node:fs";
import process from "node:process";
import { type FileSystem, Wal, type WalOptions } from "../../mod.ts";
import { defaultFileSystem } from "../../src/fs/runtime.ts";
import { random } from "../../kit/logs.ts";
import { digestOf, FaultyFileSystem } from "../../src/testing/testing.ts";
import { contentOf, type Contents } from "./contents.ts";
import { type Change, isAppend, type Line } from "./power_cut_lines.ts";

const STDOUT = 1;

type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;

const [path = "", seedText, lifeText, way] = process.argv.slice(2);
const isMapped = way === "mapped";
const seed = Number(seedText);
const life = Number(lifeText);
const draw = random(seed + Math.imul(life, 7919));
const segmentSize = isMapped ? 65_536 << between(0, 4) : 2048 << between(0, 6);
const maxEntries = isMapped ? 3000 : 300;
const options: WalOptions = way === "lying"
  ? { segmentSize, fileSystem: lying(await defaultFileSystem()) }
  : { segmentSize, memoryMap: isMapped ? "on" : "off" };
let changes = life * 1_000_000;
let log: Wal;

try {
  log = await Wal.open(path, options);
  const { memoryMap } = log.stats();
  if (isMapped && memoryMap !== "on") throw new Error(`The files are not mapped: ${memoryMap}`);
  tell({ kind: "found", contents: contentsOf(log) });
  for (;;) await change();
} catch (error) {
  // A power cut stops the writer before it sees any of it.
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  tell({ kind: "failed", message });
}

/** A whole number from `from` up to `to`, both included. */
function between(from: number, to: number): number {
  return from + Math.floor(draw() * (to - from + 1));
}

async function change(): Promise<void> {
  const count = log.lastIndex - log.firstIndex + 1;
  const isLong = count > maxEntries;
  const choice = draw();
  if (isLong ? choice < 0.4 : choice < 0.03) return await truncateBefore();
  if (count > 0 && (isLong ? choice < 0.9 : choice < 0.12)) return await truncateFrom();
  if (choice > 0.99) return await reset();
  if (choice > 0.98) return await reopen();
  if (choice > 0.93) return await setState();
  if (choice > 0.9) return await perform({ kind: "sync" }, () => log.sync());
  await append();
}

async function append(): Promise<void> {
  if (isMapped && draw() < 0.2) return await appendMany();
  const choice = draw();
  if (choice < 0.45) {
    const sizes: [number] = [anySize()];
    const plan = { kind: "append", sizes, isSynced: false } as const;
    await perform(plan, ([data]) => log.append(data as Uint8Array));
  } else if (choice < 0.6) {
    const sizes: [number] = [anySize()];
    const plan = { kind: "append", sizes, isSynced: true } as const;
    await perform(plan, ([data]) => log.appendAndSync(data as Uint8Array));
  } else if (choice < 0.75) {
    const plan = { kind: "batch", sizes: batchSizes(), isSynced: false } as const;
    await perform(plan, (batch) => log.appendBatch(batch));
  } else if (choice < 0.88) {
    const plan = { kind: "batch", sizes: batchSizes(), isSynced: true } as const;
    await perform(plan, (batch) => log.appendBatchAndSync(batch));
  } else {
    const sizes = Array.from({ length: between(2, 10) }, anySize);
    await perform({ kind: "group", sizes, isSynced: true }, (group) => {
      const calls = group.map(async (data) => {
        tell({ kind: "synced", index: await log.appendAndSync(data) });
      });
      return Promise.all(calls);
    });
  }
}

/** So many small entries that the last of them are stored, and not written. */
async function appendMany(): Promise<void> {
  const { writes } = log.stats();
  const count = between(100, 500);
  for (let i = 0; i < count; i++) {
    const plan = { kind: "append", sizes: [between(1, 400)], isSynced: false } as const;
    await perform(plan, ([data]) => log.append(data as Uint8Array));
  }
  tell({ kind: "stored", count: Math.max(0, count - (log.stats().writes - writes)) });
}

/** Mostly at the end, sometimes anywhere. */
async function truncateFrom(): Promise<void> {
  const { firstIndex, lastIndex } = log;
  const from = draw() < 0.6 ? Math.max(firstIndex, lastIndex - 20) : firstIndex;
  const index = between(from, lastIndex);
  await perform({ kind: "truncateFrom", index }, () => log.truncateFromIndex(index));
}

async function truncateBefore(): Promise<void> {
  const { firstIndex, lastIndex } = log;
  const index = draw() < 0.1 ? lastIndex + 1 : between(firstIndex, lastIndex + 1);
  const done = perform({ kind: "truncateBefore", index }, () => log.truncateBeforeIndex(index));
  await appendMeanwhile(done);
}

async function setState(): Promise<void> {
  const size = draw() < 0.1 ? 32 * 1024 : between(0, 100);
  const done = perform(
    { kind: "setState", size },
    (_, id) => log.setState(contentOf(seed, id, 0, size)),
  );
  await appendMeanwhile(done);
}

/** To the next index, below it or above it. */
async function reset(): Promise<void> {
  const index = Math.max(1, log.lastIndex + between(-400, 50));
  await perform({ kind: "reset", index }, () => log.reset(index));
}

async function reopen(): Promise<void> {
  await perform({ kind: "reopen" }, async () => {
    await log.close();
    log = await Wal.open(path, options);
  });
}

/** Half of the time, appends while something else runs. */
async function appendMeanwhile(running: Promise<void>): Promise<void> {
  // If an append fails first, that is what is told.
  running.catch(() => {});
  for (let more = between(-4, 4); more > 0; more--) await append();
  await running;
}

/** Makes a change between its two lines. */
async function perform(
  plan: WithoutId<Change>,
  call: (entries: Uint8Array[], id: number) => unknown,
): Promise<void> {
  const id = ++changes;
  const sizes = isAppend(plan) ? plan.sizes : [];
  const entries = sizes.map((size, position) => contentOf(seed, id, position, size));
  tell({ kind: "start", change: { ...plan, id } as Change });
  await call(entries, id);
  const { firstIndex, lastIndex, durableIndex } = log;
  tell({ kind: "done", id, firstIndex, lastIndex, durableIndex });
}

/** Some empty, most small, a few of several pages. */
function anySize(): number {
  const choice = draw();
  if (choice < 0.05) return 0;
  if (choice < 0.8) return between(1, 300);
  return between(1, choice < 0.97 ? 5000 : 40_000);
}

/** Of a batch that fits a segment. */
function batchSizes(): number[] {
  return Array.from({ length: between(1, 8) }, () => between(0, Math.min(3000, segmentSize / 10)));
}

function contentsOf(log: Wal): Contents {
  const entries: string[] = [];
  for (const { index, data } of log.entries()) {
    if (index !== log.firstIndex + entries.length) throw new Error(`Entry ${index} is out of line`);
    entries.push(digestOf(data));
  }
  const { firstIndex, lastIndex, durableIndex } = log;
  if (durableIndex !== lastIndex) throw new Error(`Opened with only ${durableIndex} durable`);
  return { firstIndex, lastIndex, entries, state: digestOf(log.state) };
}

/** Writes a line before anything else happens: what is told later may never be told. */
function tell(line: Line): void {
  const bytes = new TextEncoder().encode(`${JSON.stringify(line)}\n`);
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(STDOUT, bytes, at);
    } catch (error) {
      // The pipe is full until the parent reads.
      if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) throw error;
    }
  }
}

/** A disk that is set to ignore flushes: it reports syncs of files that it does not make. */
function lying(under: FileSystem): FileSystem {
  const fileSystem = new FaultyFileSystem(under);
  for (const operation of ["syncData", "sync", "syncBlocking"] as const) {
    fileSystem.lie(operation, { times: Infinity });
  }
  return fileSystem;
}
