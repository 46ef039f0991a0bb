/**
 * Does one thing many times and prints what the heap has grown by; the collector logs the rest.
 *
 * @module
 */
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { Wal } from "../../mod.ts";
import { RUNTIME } from "../../kit/runtime.ts";
import { beginSection, collect, endSection } from "../costs/collector.ts";
import { FRAME_SIZE, requireWork, someEntry } from "../costs/work.ts";
import { type Growth, RESULT, type Subject } from "./subjects.ts";

/** After how many calls the event loop has a turn, as in a server. */
const TURN = 10_000;

/** How often each thing is done before it counts, so that it is compiled. */
const WARM_UP = 50_000;

/** Something that is done once for each entry; `count` says how often it was done. */
interface Work {
  once(): void;
  count(): number;
  close(): void | Promise<void>;
}

const SUBJECTS: Readonly<Record<Subject, (folder: string) => Work | Promise<Work>>> = {
  writeSync(folder) {
    const frame = new Uint8Array(FRAME_SIZE);
    const file = openSync(join(folder, "raw"), "w");
    let count = 0;
    return {
      once: () => void writeSync(file, frame, 0, FRAME_SIZE, FRAME_SIZE * count++),
      count: () => count,
      close: () => closeSync(file),
    };
  },

  async append(folder) {
    const entry = someEntry();
    const log = await openIn(folder);
    return {
      once: () => void log.append(entry),
      count: () => log.lastIndex,
      close: () => log.close(),
    };
  },

  async entries(folder) {
    const log = await openIn(folder);
    let entries = log.entries();
    let count = 0;
    return {
      once: () => {
        let next = entries.next();
        if (next.done) {
          entries = log.entries();
          next = entries.next();
        }
        if (!next.done) count++;
      },
      count: () => count,
      close: () => log.close(),
    };
  },

  async getEntry(folder) {
    const log = await openIn(folder);
    const { lastIndex } = log;
    let count = 0;
    return {
      once: () => void log.getEntry(1 + count++ % lastIndex),
      count: () => count,
      close: () => log.close(),
    };
  },
};

const { values } = parseArgs({
  options: {
    subject: { type: "string", default: "append" },
    folder: { type: "string", default: "." },
    entries: { type: "string", default: "100000" },
  },
});
const work = await SUBJECTS[values.subject as Subject](values.folder);
const entries = Number(values.entries);
await repeat(WARM_UP);
collect();
const before = memory();
beginSection();
await repeat(entries);
endSection();
const after = memory();
requireWork(values.subject, work.count(), WARM_UP + entries);
const growth: Growth = {
  heap: after.heap - before.heap,
  outside: after.outside - before.outside,
};
console.log(`${RESULT}${JSON.stringify(growth)}`);
await work.close();

function memory(): Growth {
  const { heapUsed, external } = process.memoryUsage();
  // Bun counts the buffers into the heap too.
  return { heap: RUNTIME === "bun" ? heapUsed - external : heapUsed, outside: external };
}

async function repeat(times: number): Promise<void> {
  for (let done = 0; done < times; done += TURN) {
    for (let i = Math.min(TURN, times - done); i > 0; i--) work.once();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function openIn(folder: string): Promise<Wal> {
  const path = join(folder, "log");
  mkdirSync(path, { recursive: true });
  return Wal.open(join(path, "a.wal"));
}
