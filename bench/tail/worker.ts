/**
 * The process of one subject: takes turns from its standard input, a line each, and answers each with
 * a line. The runtime's collector logs to one of the two outputs; the answers go to the other.
 *
 * @module
 */
import { closeSync, fdatasyncSync, fstatSync, openSync, writeSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Wal, type WalOptions } from "../../mod.ts";
import { Batcher } from "../contestants/batcher.ts";
import type { Contestant } from "../contestants/contestant.ts";
import { FRAME_SIZE, requireWork, someEntry } from "../costs/work.ts";
import { LoopClock } from "../latency/loop_clock.ts";
import { Histogram } from "./histogram.ts";
import { type Answer, NOTED, type Task, type Turn } from "./turn.ts";
import { Watch } from "./watch.ts";

/** After how many appends the event loop has a turn where nothing is awaited, as in a server. */
const LOOP_TURN = 1000;

/** After how many appends the log is asked for its segments, which is too dear for each. */
const LOOK = 64;

/** A store that is open. */
interface Opened {
  readonly version: string;
  /** Resolves when the entry is durable; returns nothing where it is not made durable. */
  append(entry: Uint8Array): void | Promise<unknown>;
  segments(): number;
  lastIndex(): number | Promise<number>;
  /** Makes durable what is not, so that no other subject pays for it. */
  settle?(): void | Promise<void>;
  close(): void | Promise<void>;
}

const { values } = parseArgs({
  options: {
    subject: { type: "string", default: "ours" },
    path: { type: "string", default: "" },
    log: { type: "string", default: "1" },
    segment: { type: "string", default: "" },
  },
});
const log = Number(values.log);
const entry = someEntry();
await serve();
process.exit(0);

function answer(line: Answer): void {
  writeSync(log === 1 ? 2 : 1, `${JSON.stringify(line)}\n`);
}

async function serve(): Promise<void> {
  const opened = await open(values.subject, values.path);
  const isAlone = values.subject.endsWith(", alone");
  answer({ ready: opened.version });
  for await (const line of createInterface({ input: process.stdin })) {
    const task = JSON.parse(line) as Task;
    try {
      const before = await opened.lastIndex();
      const turn = await (isAlone ? alone(opened, task) : together(opened, task));
      requireWork("Appended", await opened.lastIndex() - before, task.entries);
      answer(turn);
    } catch (error) {
      answer({ error: String(error) });
    }
  }
  await opened.close();
}

function open(subject: string, path: string): Opened | Promise<Opened> {
  const segmentSize = values.segment === "" ? {} : { segmentSize: Number(values.segment) };
  switch (subject) {
    case "ours":
    case "ours, alone":
      return ours(path, subject === "ours, alone", segmentSize);
    case "ours, blocking":
      return ours(path, false, { ...segmentSize, syncMode: "blocking" });
    case "bare":
      return import("../contestants/floor.ts").then(({ groups }) => batched(groups, path, false));
    case "bare, blocking":
      return import("../contestants/floor.ts").then(({ contestant }) =>
        batched(contestant, path, true)
      );
    case "bare, alone":
      return bare(path);
    default:
      return import("../contestants/sqlite.ts").then(({ sqlite }) =>
        batched(sqlite(subject), path, true)
      );
  }
}

async function ours(path: string, isAlone: boolean, options: WalOptions): Promise<Opened> {
  const opened = await Wal.open(path, options);
  return {
    version: "",
    append: isAlone ? (data) => void opened.append(data) : (data) => opened.appendAndSync(data),
    segments: () => opened.stats().segments,
    lastIndex: () => isAlone ? opened.lastIndex : opened.durableIndex,
    settle: () => opened.sync(),
    close: () => opened.close(),
  };
}

/** Group commit over a store that has none: the smallest there is. */
async function batched(
  contestant: Contestant,
  path: string,
  isBlocking: boolean,
): Promise<Opened> {
  const store = await contestant.open(path, {
    callers: 1,
    entrySize: entry.length,
    isDurable: true,
    oneSegment: false,
  });
  const commit = (entries: readonly Uint8Array[]): void | Promise<void> =>
    store.appendBatchAndSync?.(entries);
  // Where a commit waits in the call, callers and commits would take turns for ever as microtasks, and
  // the whole turn would be one stall: so the event loop has its turn before each.
  const batcher = new Batcher(
    isBlocking ? (entries) => setImmediate().then(() => commit(entries)) : commit,
  );
  return {
    version: contestant.version,
    append: (data) => batcher.appendAndSync(data),
    segments: () => 1,
    lastIndex: () => store.lastIndex(),
    close: () => store.close(),
  };
}

/** The same bytes, each frame written by a call of its own. */
function bare(path: string): Opened {
  const frame = new Uint8Array(FRAME_SIZE);
  const file = openSync(path, "w");
  let count = 0;
  return {
    version: "",
    append: () => void writeSync(file, frame, 0, FRAME_SIZE, FRAME_SIZE * count++),
    segments: () => 1,
    lastIndex: () => count,
    settle: () => fdatasyncSync(file),
    close: () => closeSync(file),
  };
}

/** Callers append together; each waits for its entry to be durable before the next. */
async function together(opened: Opened, task: Task): Promise<Turn> {
  const histogram = new Histogram();
  let left = task.entries;
  const call = async (): Promise<void> => {
    for (let before = performance.now(); left-- > 0;) {
      await opened.append(entry);
      const after = performance.now();
      histogram.add(after - before);
      before = after;
    }
  };
  return await timed(
    opened,
    histogram,
    () => Promise.all(Array.from({ length: task.callers }, call)),
  );
}

/** Entries are appended one by one, and nothing waits for the disk. */
async function alone(opened: Opened, task: Task): Promise<Turn> {
  const histogram = new Histogram();
  const watch = new Watch(() => opened.segments(), log);
  const turn = await timed(opened, histogram, async () => {
    for (let done = 1; done <= task.entries; done++) {
      const before = performance.now();
      void opened.append(entry);
      const ms = performance.now() - before;
      histogram.add(ms);
      if (ms >= NOTED || done % LOOK === 0) watch.look(ms);
      if (done % LOOP_TURN === 0) {
        await setImmediate();
        // What was collected in the loop's turn is none of the next append's.
        watch.look(0);
      }
    }
  });
  return { ...turn, appends: watch.slow };
}

async function timed(
  opened: Opened,
  histogram: Histogram,
  work: () => Promise<unknown>,
): Promise<Turn> {
  const from = fstatSync(log).size;
  const watch = new Watch(() => opened.segments(), log);
  const clock = new LoopClock((late) => watch.look(late));
  const start = performance.now();
  await work();
  const ms = performance.now() - start;
  // A stall at the very end shows in the timer that is still due.
  await sleep(2);
  clock.stop();
  const to = fstatSync(log).size;
  const segments = opened.segments();
  await opened.settle?.();
  return {
    entries: histogram.count,
    ms,
    latencies: histogram.pairs(),
    longest: histogram.longest,
    segments,
    stalls: watch.slow,
    from,
    to,
  };
}
