/**
 * `wal cat`: the entries as lines.
 *
 * @module
 */
import type { Entry, EntryRange } from "../entry.ts";
import { Wal } from "../wal.ts";
import { MAX_ENTRY_SIZE, maxEntrySizeOf, parseArguments, wholeNumber } from "./arguments.ts";
import { entryLine } from "./entry_lines.ts";
import { printLines } from "./output.ts";

/** Runs the command and returns the exit code. */
export async function cat(args: string[]): Promise<number> {
  const { log: path, values } = parseArguments(args, {
    ...MAX_ENTRY_SIZE,
    from: { type: "string" },
    to: { type: "string" },
    json: { type: "boolean", default: false },
  });
  const range: EntryRange = {};
  const from = wholeNumber("from", values.from);
  const to = wholeNumber("to", values.to);
  if (from !== undefined) range.from = from;
  if (to !== undefined) range.to = to;

  const maxEntrySize = maxEntrySizeOf(values);
  await using log = await Wal.open(path, { readOnly: true, maxEntrySize });
  await printLines(linesOf(log.entries(range), values.json));
  return 0;
}

function* linesOf(entries: Iterable<Entry>, json: boolean): Generator<Uint8Array | string> {
  for (const entry of entries) yield entryLine(entry, json);
}
