/**
 * Opens a log, reads from all over it, and prints what that took in time and memory.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { Wal } from "../../mod.ts";
import { RUNTIME } from "../../kit/runtime.ts";
import { collect } from "../costs/collector.ts";
import { requireWork, timed } from "../costs/work.ts";
import { entryAt } from "./entries.ts";

/** What opening and reading took. */
export interface Opening {
  /** Nanoseconds of the open. */
  readonly open: number;
  /** Nanoseconds of a `getEntry` at random; none of an empty log. */
  readonly getEntry?: number;
  /** Bytes that the process has in memory after a collection, with the log open. */
  readonly resident: number;
  /** Bytes on the heap and in buffers that the open added, after a collection. */
  readonly heap: number;
  /** The same two after the reads. */
  readonly residentAfterReads: number;
  readonly heapAfterReads: number;
}

/** How many entries are read for the measurement, and before it. */
const READS = 200_000;
const WARM_UP = 20_000;

const { values } = parseArgs({
  options: { log: { type: "string", default: "a.wal" }, entries: { type: "string", default: "0" } },
});

const before = memory();
const start = performance.now();
await using log = await Wal.open(values.log);
const open = (performance.now() - start) * 1e6;
requireWork("Opened", log.lastIndex, Number(values.entries));
const opened = memory();
const getEntry = log.lastIndex === 0 ? undefined : readAtRandom();
const read = memory();
const opening: Opening = {
  open,
  ...(getEntry !== undefined && { getEntry }),
  resident: opened.resident,
  heap: opened.heap - before.heap,
  residentAfterReads: read.resident,
  heapAfterReads: read.heap - before.heap,
};
console.log(JSON.stringify(opening));

function memory(): { resident: number; heap: number } {
  collect();
  const { rss, heapUsed, external } = process.memoryUsage();
  return { resident: rss, heap: RUNTIME === "bun" ? heapUsed : heapUsed + external };
}

/** Nanoseconds a read. */
function readAtRandom(): number {
  const { lastIndex } = log;
  let wrong = 0;
  const read = (count: number): void => {
    for (let i = 0; i < count; i++) {
      const index = 1 + Math.floor(Math.random() * lastIndex);
      if (log.getEntry(index).length !== entryAt(index).length) wrong++;
    }
  };
  read(WARM_UP);
  const ms = timed(() => read(READS));
  requireWork("Wrong entries", wrong, 0);
  return ms * 1e6 / READS;
}
