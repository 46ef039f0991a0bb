/**
 * What a log of events costs beside the log itself with the same JSON: appends of many callers, and
 * reading. Both sides take turns in one process, and the ratio is the median of pairs.
 *
 * ```sh
 * npm run bench:events
 * npm run bench:events -- --runtime node --callers 64 --dir /var/tmp
 * ```
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { commandOn, type Edition, EDITIONS, RUNTIMES } from "../kit/runtime.ts";
import { Wal } from "../mod.ts";
import { EventLog, json } from "../src/events/events.ts";

const USAGE = `Usage: events [--runtime ${
  EDITIONS.join("|")
}] [--callers N] [--pairs N] [--dir DIR]`;

/** An event as an application may have it: 130 bytes of JSON. */
interface Order {
  readonly id: number;
  readonly customer: string;
  readonly items: readonly { readonly name: string; readonly count: number }[];
  readonly total: number;
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
      dir: { type: "string", default: tmpdir() },
      here: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const [callers, pairs] = [Number(values.callers), Number(values.pairs)];
  const runtimes = EDITIONS.filter((edition) => values.runtime.includes(edition));
  const isWrong = runtimes.length < new Set(values.runtime).size || !(callers >= 1 && pairs >= 1);
  if (isWrong || values.help) {
    console.log(USAGE);
    return isWrong ? 2 : 0;
  }
  if (values.here) {
    await measure(values.dir, callers, pairs);
    return 0;
  }
  for (const runtime of runtimes) {
    console.log(`${runtime}:`);
    const status = runOn(runtime, [
      "--here",
      "--dir",
      values.dir,
      "--callers",
      values.callers,
      "--pairs",
      values.pairs,
    ]);
    if (status !== 0) return 1;
  }
  return 0;
}

function runOn(runtime: Edition, args: readonly string[]): number | null {
  const { program, args: all } = commandOn(runtime, fileURLToPath(import.meta.url), ...args);
  return spawnSync(program, all, { stdio: "inherit" }).status;
}

function orderOf(id: number): Order {
  const items = [{ name: "tea", count: 1 + id % 7 }, { name: "größere Tasse", count: 2 }];
  return { id, customer: `customer-${id % 1000}`, items, total: id % 977 / 8 };
}

/** Measures on this runtime, in a new folder. */
async function measure(dir: string, callers: number, pairs: number): Promise<void> {
  const folder = mkdtempSync(join(dir, "bench-events-"));
  try {
    const log = await Wal.open(join(folder, "bare.wal"));
    const events = await EventLog.open(join(folder, "events.wal"), { codec: json<Order>() });
    const text = new TextEncoder();
    const bare = (order: Order): Promise<number> =>
      log.appendAndSync(text.encode(JSON.stringify(order)));
    const layered = (order: Order): Promise<number> => events.append(order);
    await compare(
      "append",
      pairs,
      () => appendAll(bare, callers),
      () => appendAll(layered, callers),
    );
    const at = (append: (order: Order) => Promise<number>, last: number): Promise<void> =>
      fill(append, ENTRIES - last);
    await at(bare, log.lastIndex);
    await at(layered, events.lastIndex);
    const decoder = new TextDecoder();
    const from = 1;
    await compare("read", Math.ceil(pairs / 3), () => {
      let sum = 0;
      for (const { data } of log.entries({ from })) {
        sum += (JSON.parse(decoder.decode(data)) as Order).total;
      }
      return log.lastIndex + 0 * sum;
    }, () => {
      let sum = 0;
      for (const { value } of events.entries({ from })) sum += value.total;
      return events.lastIndex + 0 * sum;
    });
    await compare("read in reverse, beside reading in order", Math.ceil(pairs / 3), () => {
      let sum = 0;
      for (const { value } of events.entries()) sum += value.total;
      return events.lastIndex + 0 * sum;
    }, () => {
      let sum = 0;
      for (const { value } of events.entries({ reverse: true })) sum += value.total;
      return events.lastIndex + 0 * sum;
    });
    await log.close();
    await events.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Callers that each append one event after the other; how many there were. */
async function appendAll(
  append: (order: Order) => Promise<number>,
  callers: number,
): Promise<number> {
  const call = async (caller: number): Promise<void> => {
    for (let i = 0; i < ROUNDS_PER_CALLER; i++) await append(orderOf(caller * 1000 + i));
  };
  await Promise.all(Array.from({ length: callers }, (_, caller) => call(caller)));
  return callers * ROUNDS_PER_CALLER;
}

/** Appends so many events, many at a time. */
async function fill(append: (order: Order) => Promise<number>, count: number): Promise<void> {
  for (let done = 0; done < count; done += 1000) {
    const some = Array.from({ length: Math.min(1000, count - done) }, (_, i) => orderOf(done + i));
    await Promise.all(some.map(append));
  }
}

/** Runs two ways in turns, and prints the rates of both and the median of the pairs' ratios. */
async function compare(
  what: string,
  pairs: number,
  first: () => number | Promise<number>,
  second: () => number | Promise<number>,
): Promise<void> {
  const rate = async (run: () => number | Promise<number>): Promise<number> => {
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
  const shown = [0, 1].map((side) => Math.round(median(rates.map((pair) => pair[side] as number))));
  const ratio = median(rates.map(([before, after]) => after / before));
  console.log(`  ${what}: ${shown[0]}/s bare, ${shown[1]}/s events, ratio ${ratio.toFixed(3)}`);
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >>> 1] as number;
}
