/**
 * What state machines and durable maps cost beside the log itself with the same JSON: dispatches of
 * many callers, opening, and dispatches while a snapshot is taken; durable maps beside SQLite and LMDB,
 * where `npm ci --prefix bench` has installed them; and how long a snapshot of a large state holds up
 * the event loop. The sides take turns in one process; a ratio is the median of pairs.
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
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { commandOn, EDITIONS, RUNTIMES } from "../../kit/runtime.ts";
import { Wal } from "../../mod.ts";
import { StateMachine } from "../../src/machine/machine.ts";
import { measureMaps } from "./maps.ts";
import { measureStalls } from "./stalls.ts";
import { type Moved, movedOf, quantile, type Setting } from "./states.ts";

const USAGE = `Usage: machines [--runtime ${
  EDITIONS.join("|")
}] [--callers N] [--pairs N] [--records N] [--dir DIR]`;

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
  await measureMaps(setting);
  await measureStalls(setting);
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
