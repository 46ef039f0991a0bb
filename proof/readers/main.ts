/**
 * Readers and followers beside a writer that appends, rolls, truncates, resets, opens its log again and
 * is killed: each runtime's writer beside each runtime's readers.
 *
 * ```sh
 * npm run readers
 * npm run readers -- --seconds 60 --writer bun --reader node --seed 7
 * ```
 *
 * What is wrong is printed with the seed and the folder, which is kept, and the exit code is 1.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { type Runtime, RUNTIMES } from "../../kit/runtime.ts";
import { runPair } from "./pair.ts";

/** How much of what is wrong is printed. */
const MAX_PRINTED = 10;

const USAGE = `Usage: readers [--seconds N] [--seed N] [--writer ${RUNTIMES.join("|")}]... ` +
  `[--reader ${RUNTIMES.join("|")}]...`;

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      // Of all pairs together.
      seconds: { type: "string", default: "600" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      writer: { type: "string", multiple: true, default: [...RUNTIMES] },
      reader: { type: "string", multiple: true, default: [...RUNTIMES] },
      help: { type: "boolean", default: false },
    },
  });
  const writers = RUNTIMES.filter((runtime) => values.writer.includes(runtime));
  const readers = RUNTIMES.filter((runtime) => values.reader.includes(runtime));
  const [seconds, seed] = [Number(values.seconds), Number(values.seed)];
  const isWrong = writers.length < new Set(values.writer).size ||
    readers.length < new Set(values.reader).size || !(seconds > 0) || !Number.isSafeInteger(seed);
  if (isWrong || values.help) {
    console.log(USAGE);
    return isWrong ? 2 : 0;
  }
  const each = seconds / (writers.length * readers.length);
  let wrong = 0;
  for (const writer of writers) {
    for (const reader of readers) wrong += await run(writer, reader, each, seed);
  }
  console.log(`${seconds} s, seed ${seed}: ${wrong === 0 ? "all is right" : `${wrong} wrong`}`);
  return wrong === 0 ? 0 : 1;
}

/** Runs a pair; how much was wrong. */
async function run(
  writer: Runtime,
  reader: Runtime,
  seconds: number,
  seed: number,
): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), `wal-readers-${writer}-${reader}-`));
  const verdict = await runPair({ writer, reader, seed, seconds, folder });
  const { acts, kills, read, followed, rightErrors, wrongEntries, wrongErrors } = verdict;
  const did = [...acts].map(([act, count]) => `${act} ${count}`).join(", ");
  console.log(
    `${writer} writes, ${reader} reads: ${read} entries read, ${followed} followed, ` +
      `${rightErrors} right errors; ${wrongEntries.length} wrong entries, ` +
      `${wrongErrors.length} wrong errors (${did}, killed ${kills})`,
  );
  for (const what of [wrongEntries, wrongErrors]) {
    for (const line of what.slice(0, MAX_PRINTED)) console.error(`  ${line}`);
  }
  const wrong = wrongEntries.length + wrongErrors.length;
  if (wrong === 0) rmSync(folder, { recursive: true, force: true });
  else console.error(`  Kept in "${folder}".`);
  return wrong;
}
