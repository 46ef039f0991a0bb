/**
 * What a log costs that has grown for years: the time to open it and the memory to use it, against a
 * log that has only its last segment and against an empty one, on each runtime.
 *
 * `npm run bench:long`; options: `--entries N` (default 10 million), `--dir DIR`, `--rounds N`.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { commandOn, RUNTIMES } from "../tests/support/runtime.ts";
import { segmentsOf } from "./log_files.ts";
import { Wal } from "../mod.ts";

/** Bytes of an entry. */
const ENTRY_SIZE = 100;

/** How many entries are read at random. */
const READS = 200_000;

/** What one process measured. */
interface Sample {
  readonly openMs: number;
  readonly afterOpen: number;
  readonly afterReads: number;
  readonly readUs: number;
}

const { values } = parseArgs({
  options: {
    entries: { type: "string", default: "10000000" },
    dir: { type: "string" },
    rounds: { type: "string", default: "5" },
    worker: { type: "string" },
  },
});

if (values.worker === undefined) await main();
else console.log(JSON.stringify(await measure(values.worker)));

/** In a process of its own: opens a log and reads from all over it. */
async function measure(path: string): Promise<Sample> {
  const start = performance.now();
  const log = await Wal.open(path);
  const openMs = performance.now() - start;
  const afterOpen = process.memoryUsage().rss;
  const count = log.lastIndex - log.firstIndex + 1;
  const readsStart = performance.now();
  for (let i = 0; count > 0 && i < READS; i++) {
    log.getEntry(log.firstIndex + Math.floor(Math.random() * count));
  }
  const readUs = (performance.now() - readsStart) * 1000 / READS;
  // What the reads gave out is the caller's; a collection shows what the log keeps.
  (globalThis as { Bun?: { gc(force: boolean): void } }).Bun?.gc(true);
  (globalThis as { gc?: () => void }).gc?.();
  const afterReads = process.memoryUsage().rss;
  await log.close();
  return { openMs, afterOpen, afterReads, readUs };
}

async function main(): Promise<void> {
  const entries = Number(values.entries);
  const folder = mkdtempSync(join(values.dir ?? tmpdir(), "wal-long-"));
  try {
    const whole = join(folder, "whole", "a.wal");
    const worst = await write(whole, entries);
    const last = join(folder, "last", "a.wal");
    await keepLastSegment(whole, last);
    const empty = join(folder, "empty", "a.wal");
    await (await Wal.open(empty)).close();
    console.log(
      `${entries.toLocaleString("en")} entries of ${ENTRY_SIZE} bytes in ` +
        `${segmentsOf(whole).length} segments; the slowest append, at a roll, took ` +
        `${worst.toFixed(0)} ms\n`,
    );
    console.log("runtime  open    last segment only  ratio  memory above an empty log's");
    for (const runtime of RUNTIMES) {
      const run = (path: string): Sample => {
        const file = fileURLToPath(import.meta.url);
        const { program, args } = commandOn(runtime, file, "--worker", path);
        const { stdout, stderr, status } = spawnSync(program, args, { encoding: "utf8" });
        if (status !== 0) throw new Error(stderr);
        return JSON.parse(stdout);
      };
      const samples = Array.from({ length: Number(values.rounds) }, () => ({
        whole: run(whole),
        last: run(last),
        empty: run(empty),
      }));
      const wholeMs = median(samples.map(({ whole }) => whole.openMs));
      const lastMs = median(samples.map(({ last }) => last.openMs));
      const above = (field: "afterOpen" | "afterReads"): string => {
        const bytes = median(samples.map(({ whole, empty }) => whole[field] - empty[field]));
        return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
      };
      console.log(
        [
          runtime.padEnd(7),
          `${wholeMs.toFixed(0)} ms`.padEnd(6),
          `${lastMs.toFixed(0)} ms`.padEnd(17),
          (wholeMs / lastMs).toFixed(2).padEnd(5),
          `${above("afterOpen")} after open, ${above("afterReads")} after ` +
          `${READS.toLocaleString("en")} random reads (` +
          `${median(samples.map(({ whole }) => whole.readUs)).toFixed(1)} µs each)`,
        ].join("  "),
      );
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Writes a log; the slowest append in milliseconds. */
async function write(path: string, entries: number): Promise<number> {
  const log = await Wal.open(path);
  const data = new Uint8Array(ENTRY_SIZE);
  let worst = 0;
  for (let i = 0; i < entries; i++) {
    const start = performance.now();
    log.append(data);
    worst = Math.max(worst, performance.now() - start);
    // As in a server, other work has its turn.
    if (i % 1000 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
  }
  await log.close();
  return worst;
}

/** A copy of a log with the entries of its last segment only. */
async function keepLastSegment(from: string, to: string): Promise<void> {
  mkdirSync(dirname(to), { recursive: true });
  for (const file of readdirSync(dirname(from))) {
    copyFileSync(join(dirname(from), file), join(dirname(to), file));
  }
  const first = basename(segmentsOf(from).at(-1) ?? "").slice(basename(from).length + 1);
  const log = await Wal.open(to);
  if (first !== "") await log.truncateBeforeIndex(Number(first));
  await log.close();
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}
