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
import { contentsOf, digestOf, type WalContents, type WalOperation } from "../../src/testing.ts";
import { random } from "../../tests/support/logs.ts";
import { contentOf, type Line } from "./lines.ts";

const STDOUT = 1;
const MAX_ENTRIES = 300;

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
let contents = operations;
tell({ found: checkedContents() });
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
    const data = content(anySize());
    await perform(appendOf([data], false), () => log.append(data));
  } else if (choice < 0.6) {
    const data = content(anySize());
    await perform(appendOf([data], true), () => log.appendAndSync(data));
  } else if (choice < 0.8) {
    const batch = batchSizes().map(content);
    await perform(appendOf(batch, false), () => log.appendBatch(batch));
  } else if (choice < 0.88) {
    const batch = batchSizes().map(content);
    await perform(appendOf(batch, true), () => log.appendBatchAndSync(batch));
  } else {
    const group = Array.from({ length: between(2, 10) }, () => content(anySize()));
    await Promise.all(
      group.map((data) => perform(appendOf([data], true), () => log.appendAndSync(data))),
    );
  }
}

function appendOf(entries: readonly Uint8Array[], durable: boolean): WalOperation {
  return { kind: "append", entries: entries.map(digestOf), durable };
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
  const state = content(draw() < 0.1 ? 32 * 1024 : between(0, 100));
  const operation = { kind: "setState", state: digestOf(state) } as const;
  const done = perform(operation, () => log.setState(state));
  await appendMeanwhile(done);
}

/** To the next index, below it or above it. */
async function reset(): Promise<void> {
  const index = Math.max(1, log.lastIndex + between(-400, 50));
  await perform({ kind: "reset", index }, () => log.reset(index));
}

async function reopen(): Promise<void> {
  await perform({ kind: "sync" }, async () => {
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
async function perform(operation: WalOperation, call: () => unknown): Promise<void> {
  const id = ++operations;
  const before = log.stats().segments;
  tell({ start: id, operation });
  const outcome = call();
  // A roll is over when an append's call returns.
  const rolls = operation.kind === "append" ? Math.max(0, log.stats().segments - before) : 0;
  await outcome;
  tell({ done: id, firstIndex: log.firstIndex, lastIndex: log.lastIndex, rolls });
}

/** Bytes of a size, as no other operation has them. */
function content(size: number): Uint8Array {
  return contentOf(seed, ++contents, size);
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

/** What the log holds, once its own words about it are found to be true. */
function checkedContents(): WalContents {
  const { firstIndex, lastIndex, durableIndex } = log;
  const indexes = Array.from(log.entries(), ({ index }) => index);
  if (indexes.some((index, i) => index !== firstIndex + i)) throw new Error("Indexes with a gap");
  if (lastIndex !== firstIndex + indexes.length - 1) throw new Error(`Not all up to ${lastIndex}`);
  if (durableIndex !== lastIndex) throw new Error(`Opened with only ${durableIndex} durable`);
  if (log.stats().rebuiltSeals.length > 0) throw new Error("A Seal was not valid");
  const found = contentsOf(log);
  if (lastIndex >= firstIndex) {
    const index = between(firstIndex, lastIndex);
    if (digestOf(log.getEntry(index)) !== found.entries[index - firstIndex]) {
      throw new Error(`Entry ${index} reads differently`);
    }
  }
  return found;
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
