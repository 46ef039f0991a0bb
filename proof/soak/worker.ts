/**
 * The process that is killed: opens a log, tells what it found, and changes the log at random until
 * the end. It says so before each operation and when it is acknowledged.
 *
 * Arguments: the log's path, the run's seed, and the number of this worker within the run.
 *
 * @module
 */
import { writeSync } from "node:fs";
import process from "node:process";
import { Wal } from "../../mod.ts";
import { random } from "../../tests/support/logs.ts";
import { contentOf, type Contents, digestOf, type Line, type Operation } from "./operations.ts";

const STDOUT = 1;
const MAX_ENTRIES = 300;

type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;

const [path = "", seedText, lifeText] = process.argv.slice(2);
const seed = Number(seedText);
const life = Number(lifeText);
const draw = random(seed + Math.imul(life, 7919));

/** A whole number from `from` up to `to`, both included. */
function between(from: number, to: number): number {
  return from + Math.floor(draw() * (to - from + 1));
}

const segmentSize = 2048 << between(0, 3);
let log = await Wal.open(path, { segmentSize });
let operations = life * 1_000_000;
tell({ found: contentsOf(log) });
for (;;) await change();

async function change(): Promise<void> {
  const count = log.lastIndex - log.firstIndex + 1;
  const isLong = count > MAX_ENTRIES;
  const choice = draw();
  if (isLong ? choice < 0.4 : choice < 0.03) return await truncateBefore();
  if (count > 0 && (isLong ? choice < 0.9 : choice < 0.08)) return await truncateFrom();
  if (choice > 0.995) return await reset();
  if (choice > 0.99) return await reopen();
  if (choice > 0.93) return await setState();
  await append();
}

async function append(): Promise<void> {
  const choice = draw();
  if (choice < 0.5) {
    const sizes: [number] = [anySize()];
    await perform({ kind: "append", sizes }, ([data]) => log.append(data as Uint8Array));
  } else if (choice < 0.6) {
    const sizes: [number] = [anySize()];
    await perform({ kind: "append", sizes }, ([data]) => log.appendAndSync(data as Uint8Array));
  } else if (choice < 0.8) {
    await perform({ kind: "batch", sizes: batchSizes() }, (batch) => log.appendBatch(batch));
  } else if (choice < 0.88) {
    await perform({ kind: "batch", sizes: batchSizes() }, (batch) => log.appendBatchAndSync(batch));
  } else {
    const sizes = Array.from({ length: between(2, 10) }, anySize);
    await perform(
      { kind: "group", sizes },
      (group) => Promise.all(group.map((data) => log.appendAndSync(data))),
    );
  }
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
    log = await Wal.open(path, { segmentSize });
  });
}

/** Half of the time, appends while something else runs. */
async function appendMeanwhile(running: Promise<void>): Promise<void> {
  for (let more = between(-4, 4); more > 0; more--) await append();
  await running;
}

/** Runs an operation between its two lines. */
async function perform(
  plan: WithoutId<Operation>,
  call: (entries: Uint8Array[], id: number) => unknown,
): Promise<void> {
  const id = ++operations;
  const sizes = "sizes" in plan ? plan.sizes : [];
  const entries = sizes.map((size, position) => contentOf(seed, id, position, size));
  const before = log.stats().segments;
  tell({ start: { ...plan, id } as Operation });
  await call(entries, id);
  const rolls = sizes.length > 0 ? Math.max(0, log.stats().segments - before) : 0;
  tell({ done: id, firstIndex: log.firstIndex, lastIndex: log.lastIndex, rolls });
}

/** Some empty, most small, a few larger than a segment. */
function anySize(): number {
  const choice = draw();
  if (choice < 0.05) return 0;
  if (choice < 0.9) return between(1, 300);
  return between(1, choice < 0.99 ? 2000 : 20_000);
}

/** Of a batch that fits a segment. */
function batchSizes(): number[] {
  return Array.from({ length: between(1, 8) }, () => between(0, segmentSize / 10));
}

function contentsOf(log: Wal): Contents {
  const entries: string[] = [];
  for (const { index, data } of log.entries()) {
    if (index !== log.firstIndex + entries.length) throw new Error(`Entry ${index} is out of line`);
    entries.push(digestOf(data));
  }
  const { firstIndex, lastIndex, durableIndex } = log;
  if (durableIndex !== lastIndex) throw new Error(`Opened with only ${durableIndex} durable`);
  if (log.stats().rebuiltSeals.length > 0) throw new Error("A Seal was not valid");
  if (lastIndex >= firstIndex) {
    const index = between(firstIndex, lastIndex);
    if (digestOf(log.getEntry(index)) !== entries[index - firstIndex]) {
      throw new Error(`Entry ${index} reads differently`);
    }
  }
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
