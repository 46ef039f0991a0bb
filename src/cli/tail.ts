/**
 * `wal tail`: the last entries as lines, and with `-f` those that come.
 *
 * @module
 */
import process from "node:process";
import type { Entry } from "../entry.ts";
import { Wal } from "../wal.ts";
import { MAX_ENTRY_SIZE, maxEntrySizeOf, parseArguments, wholeNumber } from "./arguments.ts";
import { entryLine } from "./entry_lines.ts";
import { layerOf } from "./layer_view.ts";
import { printLines } from "./output.ts";

/** Makes a line of an entry. */
type ToLine = (entry: Entry) => Uint8Array | string;

/** How many entries are shown by default. */
const DEFAULT_COUNT = 10;

/** Runs the command and returns the exit code. */
export async function tail(args: string[]): Promise<number> {
  const { log: path, values } = parseArguments(args, {
    ...MAX_ENTRY_SIZE,
    lines: { type: "string", short: "n" },
    follow: { type: "boolean", short: "f", default: false },
    "no-durable": { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    raw: { type: "boolean", default: false },
  });
  const count = wholeNumber("lines", values.lines) ?? DEFAULT_COUNT;
  const maxEntrySize = maxEntrySizeOf(values);
  await using log = await Wal.open(path, { readOnly: true, maxEntrySize });
  const layer = values.raw ? undefined : layerOf(log.state);
  const toLine = (entry: Entry): Uint8Array | string => entryLine(entry, values.json, layer);
  if (values.follow) {
    await follow(log, count, !values["no-durable"], toLine);
  } else {
    const from = Math.max(log.firstIndex, log.lastIndex - count + 1);
    await printLines(linesOf(log.entries({ from }), toLine));
  }
  return 0;
}

/**
 * Writes entries as they come, until the process is told to end or the output has no reader any
 * more.
 */
async function follow(
  log: Wal,
  count: number,
  durable: boolean,
  toLine: ToLine,
): Promise<void> {
  const last = durable ? log.durableIndex : log.lastIndex;
  const from = Math.max(log.firstIndex, last - count + 1);
  const entries = log.follow({ from, durable });
  const end = (): void => void entries.return();
  process.once("SIGINT", end);
  process.once("SIGTERM", end);
  try {
    for await (const entry of entries) {
      if (!await printLines([toLine(entry)])) return;
    }
  } finally {
    process.off("SIGINT", end);
    process.off("SIGTERM", end);
  }
}

function* linesOf(entries: Iterable<Entry>, toLine: ToLine): Generator<Uint8Array | string> {
  for (const entry of entries) yield toLine(entry);
}
