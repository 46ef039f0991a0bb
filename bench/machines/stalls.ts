/**
 * For how long a snapshot of a large state holds up the event loop, in each way in which a state is
 * saved: the longest stall while callers make calls, without a snapshot and beside one.
 *
 * A stall has what other programs of the machine take of the processor. So the thread's own time in it
 * is told too, and on Node how much of that the garbage collector reports; what it marks bit by bit it
 * does not report.
 *
 * @module
 */
import { once } from "node:events";
import { join } from "node:path";
import { PerformanceObserver } from "node:perf_hooks";
import process from "node:process";
import { setImmediate } from "node:timers";
import { Worker } from "node:worker_threads";
import { RUNTIME } from "../../kit/runtime.ts";
import { type MachineOptions, StateMachine } from "../../src/machine/machine.ts";
import { DurableMap } from "../../src/map/map.ts";
import { bookOf, type Moved, movedOf, quantile, recordOf, type Setting } from "./states.ts";

/** A machine or a map with a large state. */
interface Large {
  call(moved: Moved): Promise<unknown>;
  snapshot(): Promise<unknown>;
  close(): Promise<void>;
}

const EVERY_BYTES = { everyBytes: Infinity } as const;

/** The states, each with how it is saved. */
const STATES: readonly (readonly [what: string, open: (setting: Setting) => Promise<Large>])[] = [
  ["arrays of 1000, apply returns new ones", openGroups],
  ["one array, apply returns a new state", (setting) => openOne(setting, arrayOf)],
  ["one Map with a save, apply returns a new state", openJsMap],
  ["one object, apply returns a new state", (setting) => openOne(setting, objectOf)],
  ["a DurableMap", openMap],
  ["one object, apply changes it, saved by a thread", openByThread],
];

/** Measures them all, one after the other. */
export async function measureStalls(setting: Setting): Promise<void> {
  const { callers, records } = setting;
  for (const [what, open] of STATES) {
    const large = await open(setting);
    await beside(`${records} records: ${what}`, large, callers);
    await large.close();
  }
}

function machineOf<S>(machine: StateMachine<S, Moved>): Large {
  return {
    call: (moved) => machine.dispatch(moved),
    snapshot: () => machine.snapshot(),
    close: () => machine.close(),
  };
}

async function openGroups({ folder, records }: Setting): Promise<Large> {
  const group = 1000;
  type State = readonly (readonly Moved[])[];
  return machineOf(
    await StateMachine.open(join(folder, "groups.wal"), {
      initial: (): State =>
        Array.from(
          { length: Math.ceil(records / group) },
          (_, at) => Array.from({ length: group }, (_, i) => recordOf(at * group + i)),
        ),
      apply(state: State, moved: Moved): State {
        const at = moved.id % state.length;
        return state.with(at, (state[at] ?? []).with(moved.id % group, moved));
      },
      snapshot: EVERY_BYTES,
    }),
  );
}

/** A large part that stays, in a state that is replaced. */
interface Counted<T> {
  readonly count: number;
  readonly all: T;
}

function counting<T>(all: () => T): MachineOptions<Counted<T>, Moved> {
  return {
    initial: () => ({ count: 0, all: all() }),
    apply: (state) => ({ ...state, count: state.count + 1 }),
    snapshot: EVERY_BYTES,
  };
}

function arrayOf(records: number): unknown {
  return Array.from({ length: records }, (_, id) => recordOf(id));
}

function objectOf(records: number): unknown {
  return bookOf(records).initial().records;
}

async function openOne(
  { folder, records }: Setting,
  all: (records: number) => unknown,
): Promise<Large> {
  const path = join(folder, `${all.name}.wal`);
  return machineOf(await StateMachine.open(path, counting(() => all(records))));
}

async function openJsMap({ folder, records }: Setting): Promise<Large> {
  const encoder = new TextEncoder();
  const options = counting(() =>
    new Map(Array.from({ length: records }, (_, id) => [`key-${id}`, recordOf(id)]))
  );
  return machineOf(
    await StateMachine.open(join(folder, "js-map.wal"), {
      ...options,
      snapshot: {
        ...EVERY_BYTES,
        *save({ all }) {
          for (const item of all) yield encoder.encode(`${JSON.stringify(item)}\n`);
        },
        load: () => options.initial(),
      },
    }),
  );
}

async function openMap({ folder, records }: Setting): Promise<Large> {
  const path = join(folder, "map.wal");
  const map = await DurableMap.open<number, Moved>(path, EVERY_BYTES);
  for (let id = 0; id < records; id += 1000) {
    await map.batch((batch) => {
      for (let i = 0; i < 1000; i++) batch.set(id + i, recordOf(id + i));
    });
  }
  return {
    call: (moved) => map.set(moved.id * 7 % records, moved),
    snapshot: () => map.snapshot(),
    close: () => map.close(),
  };
}

async function openByThread({ folder, records }: Setting): Promise<Large> {
  const worker = new Worker(new URL("thread.ts", import.meta.url), { workerData: records });
  const machine = machineOf(
    await StateMachine.open(join(folder, "thread.wal"), {
      ...bookOf(records),
      snapshot: {
        ...EVERY_BYTES,
        offload: async (order) => {
          worker.postMessage(order);
          await once(worker, "message");
        },
      },
    }),
  );
  return {
    ...machine,
    close: async () => {
      await machine.close();
      await worker.terminate();
    },
  };
}

/** What was seen of a time, in milliseconds. */
interface Observed {
  readonly latencies: readonly number[];
  /** The longest stall: how long it was, the thread's own time in it, and the collector's. */
  readonly stall: { readonly length: number; readonly own: number; readonly collector: number };
  /** The most memory, in bytes. */
  readonly memory: number;
}

/** Prints the latencies of calls and the longest stalls, without a snapshot and beside one. */
async function beside(what: string, large: Large, callers: number): Promise<void> {
  await observed(large, callers, pause(1000));
  const without = await observed(large, callers, pause(3000));
  const start = performance.now();
  const during = await observed(large, callers, large.snapshot());
  const seconds = (performance.now() - start) / 1000;
  const more = (during.memory - without.memory) / 1e6;
  const [before, after] = [without, during].map(({ latencies }) => quantile(latencies, 0.99)) as [
    number,
    number,
  ];
  console.log(
    `  ${what}:\n    a snapshot takes ${seconds.toFixed(1)} s and ${
      more.toFixed(0)
    } MB of memory; ` +
      `p99 ${before.toFixed(2)} ms without, ${after.toFixed(2)} ms beside it, ratio ` +
      `${(after / before).toFixed(2)};\n    longest stall ${inWords(without)} without, ` +
      `${inWords(during)} beside it`,
  );
}

function inWords({ stall: { length, own, collector } }: Observed): string {
  const parts = [
    ...(HAS_OWN_TIME ? [`${own.toFixed(1)} its own`] : []),
    ...(RUNTIME === "node" ? [`${collector.toFixed(1)} the collector's`] : []),
  ];
  return `${length.toFixed(1)} ms${parts.length === 0 ? "" : ` (${parts.join(", ")})`}`;
}

/** What a thread has used of the processor; not each version of each runtime tells. */
interface Times {
  threadCpuUsage?(): { readonly user: number; readonly system: number };
}

const times: Times = process;
const HAS_OWN_TIME = times.threadCpuUsage !== undefined;

function ownTime(): number {
  const { user, system } = times.threadCpuUsage?.() ?? { user: 0, system: 0 };
  return (user + system) / 1000;
}

/** What callers saw until a promise has resolved. */
async function observed(
  { call }: Large,
  callers: number,
  until: Promise<unknown>,
): Promise<Observed> {
  const latencies: number[] = [];
  const pauses: { readonly start: number; readonly end: number }[] = [];
  const observer = RUNTIME === "node"
    ? new PerformanceObserver((list) => {
      for (const { startTime, duration } of list.getEntries()) {
        pauses.push({ start: startTime, end: startTime + duration });
      }
    })
    : undefined;
  observer?.observe({ entryTypes: ["gc"] });
  let isOver = false;
  let longest = { start: 0, end: 0, own: 0 };
  let memory = 0;
  const over = until.then(() => isOver = true);
  const one = async (caller: number): Promise<void> => {
    for (let i = 0; !isOver; i++) {
      const start = performance.now();
      await call(movedOf(caller * 100_003 + i));
      latencies.push(performance.now() - start);
    }
  };
  const watch = async (): Promise<void> => {
    let [start, before] = [performance.now(), ownTime()];
    for (let turn = 0; !isOver; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      const [end, own] = [performance.now(), ownTime()];
      if (end - start > longest.end - longest.start) longest = { start, end, own: own - before };
      if (turn % 100 === 0) memory = Math.max(memory, process.memoryUsage().rss);
      [start, before] = [performance.now(), own];
    }
  };
  await Promise.all([over, watch(), ...Array.from({ length: callers }, (_, i) => one(i))]);
  // The last pauses are reported a moment later.
  await pause(100);
  observer?.disconnect();
  const { start, end, own } = longest;
  const collector = pauses.reduce(
    (sum, pause) => sum + Math.max(0, Math.min(end, pause.end) - Math.max(start, pause.start)),
    0,
  );
  return { latencies, stall: { length: end - start, own, collector }, memory };
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
