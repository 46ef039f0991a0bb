/**
 * What state machines and durable maps cost beside the log itself with the same JSON: dispatches of
 * many callers, opening, and dispatches while a snapshot is taken; and how long a snapshot of a large
 * state holds up the event loop. Both sides take turns in one process; a ratio is the median of pairs.
 *
 * ```sh
 * npm run bench:machines
 * npm run bench:machines -- --runtime node --callers 64 --records 1000000 --dir /var/tmp
 * ```
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setImmediate } from "node:timers";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { commandOn, EDITIONS, RUNTIMES } from "../kit/runtime.ts";
import { Wal } from "../mod.ts";
import { DurableMap } from "../src/map/map.ts";
import { StateMachine } from "../src/machine/machine.ts";

const USAGE = `Usage: machines [--runtime ${
  EDITIONS.join("|")
}] [--callers N] [--pairs N] [--records N] [--dir DIR]`;

/** Money that an account gets or gives: about 60 bytes of JSON. */
interface Moved {
  readonly id: number;
  readonly account: string;
  readonly amount: number;
}

/** What is measured. */
interface Setting {
  readonly folder: string;
  readonly callers: number;
  readonly pairs: number;
  readonly records: number;
}

const ROUNDS_PER_CALLER = 60;
const ENTRIES = 200_000;

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      runtime: { type: "string", multiple: true, default: [...RUNTIMES] },
      callers: { type: "string", default: "64" },
      pairs: { type: "string", default: "15" },
      records: { type: "string", default: "1000000" },
      dir: { type: "string", default: tmpdir() },
      here: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const [callers, pairs, records] = [values.callers, values.pairs, values.records].map(Number) as [
    number,
    number,
    number,
  ];
  const runtimes = EDITIONS.filter((edition) => values.runtime.includes(edition));
  const isWrong = runtimes.length < new Set(values.runtime).size ||
    !(callers >= 1 && pairs >= 1 && records >= 1);
  if (isWrong || values.help) {
    console.log(USAGE);
    return isWrong ? 2 : 0;
  }
  if (values.here) {
    const folder = mkdtempSync(join(values.dir, "bench-machines-"));
    try {
      await measure({ folder, callers, pairs, records });
    } finally {
      rmSync(folder, { recursive: true });
    }
    return 0;
  }
  for (const runtime of runtimes) {
    console.log(`${runtime}:`);
    const given = ["callers", "pairs", "records", "dir"] as const;
    const args = given.flatMap((name) => [`--${name}`, values[name]]);
    const { program, args: all } = commandOn(
      runtime,
      fileURLToPath(import.meta.url),
      "--here",
      ...args,
    );
    if (spawnSync(program, all, { stdio: "inherit" }).status !== 0) return 1;
  }
  return 0;
}

async function measure(setting: Setting): Promise<void> {
  await measureDispatch(setting);
  await measureOpen(setting);
  await measureImmutable(setting);
  await measureMap(setting);
}

function movedOf(id: number): Moved {
  return { id, account: `account-${id % 1000}`, amount: id % 977 / 8 };
}

/** A machine that adds the amounts up. */
function openSum(path: string): Promise<StateMachine<number, Moved>> {
  return StateMachine.open(path, {
    initial: () => 0,
    apply: (sum: number, { amount }: Moved) => sum + amount,
    snapshot: { everyBytes: Infinity },
  });
}

async function measureDispatch({ folder, callers, pairs }: Setting): Promise<void> {
  const log = await Wal.open(join(folder, "bare.wal"));
  const machine = await openSum(join(folder, "sum.wal"));
  const text = new TextEncoder();
  const bare = (moved: Moved): Promise<number> =>
    log.appendAndSync(text.encode(JSON.stringify(moved)));
  const layered = (moved: Moved): Promise<number> => machine.dispatch(moved);
  const run = (call: (moved: Moved) => Promise<number>) => (): Promise<number> =>
    callAll(call, callers);
  await compare("dispatch, beside appendAndSync of JSON", pairs, run(bare), run(layered));
  await log.close();
  await machine.close();
}

/** Callers that each make one call after the other; how many calls there were. */
async function callAll(
  call: (moved: Moved) => Promise<unknown>,
  callers: number,
  rounds: number = ROUNDS_PER_CALLER,
): Promise<number> {
  const one = async (caller: number): Promise<void> => {
    for (let i = 0; i < rounds; i++) await call(movedOf(caller * 1000 + i));
  };
  await Promise.all(Array.from({ length: callers }, (_, caller) => one(caller)));
  return callers * rounds;
}

async function measureOpen({ folder, pairs }: Setting): Promise<void> {
  const [bare, sum] = [join(folder, "open-bare.wal"), join(folder, "open-sum.wal")];
  const log = await Wal.open(bare);
  const text = new TextEncoder();
  for (let id = 0; id < ENTRIES; id++) log.append(text.encode(JSON.stringify(movedOf(id))));
  await log.close();
  const machine = await openSum(sum);
  for (let id = 0; id < ENTRIES; id += 1000) {
    await machine.transact(() => Array.from({ length: 1000 }, (_, i) => movedOf(id + i)));
  }
  await machine.close();
  const decoder = new TextDecoder();
  await compare("open, beside a loop over JSON", Math.ceil(pairs / 3), async () => {
    const log = await Wal.open(bare);
    let total = 0;
    for (const { data } of log.entries()) {
      total += (JSON.parse(decoder.decode(data)) as Moved).amount;
    }
    await log.close();
    return ENTRIES + 0 * total;
  }, async () => {
    const machine = await openSum(sum);
    await machine.close();
    return ENTRIES;
  });
}

/** A large state whose `apply` returns a new one: records in groups, of which one is copied. */
async function measureImmutable({ folder, records, callers }: Setting): Promise<void> {
  const group = 1000;
  type State = readonly (readonly Moved[])[];
  const machine = await StateMachine.open(join(folder, "large.wal"), {
    initial: (): State =>
      Array.from(
        { length: Math.ceil(records / group) },
        (_, at) => Array.from({ length: group }, (_, i) => recordOf(at * group + i)),
      ),
    apply(state: State, moved: Moved): State {
      const at = moved.id % state.length;
      return state.with(at, (state[at] ?? []).with(moved.id % group, moved));
    },
    snapshot: { everyBytes: Infinity },
  });
  const call = (moved: Moved): Promise<unknown> => machine.dispatch(moved);
  await beside(`machine of ${records} records`, call, () => machine.snapshot(), callers);
  await machine.close();
}

/** A record of about 256 bytes of JSON. */
function recordOf(id: number): Moved & { readonly note: string } {
  return { ...movedOf(id), note: `note ${id} `.padEnd(180, "abcdefghij") };
}

async function measureMap({ folder, records, callers }: Setting): Promise<void> {
  const map = await DurableMap.open<number, Moved>(join(folder, "map.wal"), {
    everyBytes: Infinity,
  });
  for (let id = 0; id < records; id += 1000) {
    await map.batch((batch) => {
      for (let i = 0; i < 1000; i++) batch.set(id + i, recordOf(id + i));
    });
  }
  const call = (moved: Moved): Promise<unknown> => map.set(moved.id * 7 % records, moved);
  await beside(`map of ${records} records`, call, () => map.snapshot(), callers);
  await map.close();
}

/** The latencies of calls, without a snapshot and beside one, and the event loop's longest stalls. */
async function beside(
  what: string,
  call: (moved: Moved) => Promise<unknown>,
  snapshot: () => Promise<unknown>,
  callers: number,
): Promise<void> {
  await callAll(call, callers);
  const without = await observed(call, callers, pause(3000));
  const memory = process.memoryUsage().rss;
  const start = performance.now();
  const during = await observed(call, callers, snapshot());
  const seconds = (performance.now() - start) / 1000;
  const more = (process.memoryUsage().rss - memory) / 1e6;
  const p99 = [without, during].map(({ latencies }) => quantile(latencies, 0.99)) as [
    number,
    number,
  ];
  console.log(
    `  ${what}: a snapshot takes ${seconds.toFixed(1)} s and ${
      more.toFixed(0)
    } MB of memory; p99 ` +
      `${p99[0].toFixed(2)} ms without, ${p99[1].toFixed(2)} ms beside it, ratio ` +
      `${(p99[1] / p99[0]).toFixed(2)}; longest stall ${without.stall.toFixed(1)} ms without, ` +
      `${during.stall.toFixed(1)} ms beside it`,
  );
}

/** What callers saw until a promise has resolved, in milliseconds. */
async function observed(
  call: (moved: Moved) => Promise<unknown>,
  callers: number,
  until: Promise<unknown>,
): Promise<{ latencies: number[]; stall: number }> {
  const latencies: number[] = [];
  let isOver = false;
  let stall = 0;
  const over = until.then(() => isOver = true);
  const one = async (caller: number): Promise<void> => {
    for (let i = 0; !isOver; i++) {
      const start = performance.now();
      await call(movedOf(caller * 100_003 + i));
      latencies.push(performance.now() - start);
    }
  };
  const watch = async (): Promise<void> => {
    for (let last = performance.now(); !isOver;) {
      await new Promise((resolve) => setImmediate(resolve));
      const now = performance.now();
      stall = Math.max(stall, now - last);
      last = now;
    }
  };
  await Promise.all([over, watch(), ...Array.from({ length: callers }, (_, i) => one(i))]);
  return { latencies, stall };
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Runs two ways in turns, and prints the rates of both and the median of the pairs' ratios. */
async function compare(
  what: string,
  pairs: number,
  first: () => Promise<number>,
  second: () => Promise<number>,
): Promise<void> {
  const rate = async (run: () => Promise<number>): Promise<number> => {
    const start = performance.now();
    const count = await run();
    return count / (performance.now() - start) * 1000;
  };
  for (const run of [first, second]) await rate(run);
  const rates: [number, number][] = [];
  for (let pair = 0; pair < pairs; pair++) {
    // Which of them is first takes turns too.
    if (pair % 2 === 0) {
      const before = await rate(first);
      rates.push([before, await rate(second)]);
    } else {
      const after = await rate(second);
      rates.push([await rate(first), after]);
    }
  }
  const shown = [0, 1].map((side) => quantile(rates.map((pair) => pair[side] as number), 0.5));
  const ratio = quantile(rates.map(([before, after]) => after / before), 0.5);
  console.log(
    `  ${what}: ${Math.round(shown[0] as number)}/s bare, ${Math.round(shown[1] as number)}/s, ` +
      `ratio ${ratio.toFixed(3)}`,
  );
}

function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] as number;
}
