/**
 * The process that is killed: it appends the lines of a text to a log, each durably, and
 * acknowledges it on stdout.
 *
 * Each line of its output is an acknowledgement: `INDEX BYTES`, where entries up to INDEX, which are
 * the log's first BYTES, are durable. The first one, of index 0, tells that the log is open.
 *
 * Usage: writer.ts TEXT LOG
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { Wal } from "@durable/wal";
import { largest, linesOf } from "./lines.ts";

/** How many lines wait for the disk at any moment. They share its syncs. */
const IN_FLIGHT = 16;

const [textPath = "", logPath = ""] = process.argv.slice(2);
const lines = linesOf(readFileSync(textPath));
const log = await Wal.open(logPath, { maxEntrySize: largest(lines) });
const remaining = lines.values();

function acknowledge(index: number, bytes: number): void {
  process.stdout.write(`${index} ${bytes}\n`);
}

/** One of those in flight: takes the next line once its last one is durable. */
async function appendRemaining(): Promise<void> {
  for (const line of remaining) {
    const index = log.append(line);
    const bytes = log.byteLength;
    await log.sync();
    acknowledge(index, bytes);
  }
}

acknowledge(log.lastIndex, log.byteLength);
await Promise.all(Array.from({ length: IN_FLIGHT }, appendRemaining));
await log.close();
acknowledge(log.lastIndex, log.byteLength);
