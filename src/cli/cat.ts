/**
 * `wal cat`: the entries as lines.
 *
 * @module
 */
import process from "node:process";
import type { Entry, EntryRange } from "../entry.ts";
import { defaultFileSystem } from "../fs/runtime.ts";
import { locateLog } from "../opening/open.ts";
import { Wal } from "../wal.ts";
import { MAX_ENTRY_SIZE, maxEntrySizeOf, parseArguments, wholeNumber } from "./arguments.ts";
import { entryLine } from "./entry_lines.ts";
import { layerOf, type LayerView } from "./layer_view.ts";
import { LineWriter, printLines, toStandardOutput, write } from "./output.ts";
import { MAX_LINE_ENTRY, missingInWords, missingLine, recoveredLine } from "./recovered_lines.ts";
import { RecoveredLog } from "./recovered_log.ts";

/** Runs the command and returns the exit code: with `--skip-damaged` 1 if something is missing. */
export async function cat(args: string[]): Promise<number> {
  const { log: path, values } = parseArguments(args, {
    ...MAX_ENTRY_SIZE,
    from: { type: "string" },
    to: { type: "string" },
    json: { type: "boolean", default: false },
    raw: { type: "boolean", default: false },
    "skip-damaged": { type: "boolean", default: false },
  });
  const range: EntryRange = {};
  const from = wholeNumber("from", values.from);
  const to = wholeNumber("to", values.to);
  if (from !== undefined) range.from = from;
  if (to !== undefined) range.to = to;

  const maxEntrySize = maxEntrySizeOf(values);
  if (values["skip-damaged"]) return await catWhole(path, range, values.json, maxEntrySize);
  await using log = await Wal.open(path, { readOnly: true, maxEntrySize });
  const layer = values.raw ? undefined : layerOf(log.state);
  await printLines(linesOf(log.entries(range), values.json, layer));
  return 0;
}

function* linesOf(
  entries: Iterable<Entry>,
  json: boolean,
  layer: LayerView | undefined,
): Generator<Uint8Array | string> {
  for (const entry of entries) yield entryLine(entry, json, layer);
}

/** Writes what is whole of a log that may be damaged, and reports the rest. */
async function catWhole(
  path: string,
  { from = 1, to = Infinity }: EntryRange,
  json: boolean,
  maxEntrySize: number,
): Promise<number> {
  const fileSystem = await defaultFileSystem();
  const real = locateLog(fileSystem, path);
  const found = await RecoveredLog.create(fileSystem, real, maxEntrySize, false);
  const lines = new LineWriter(toStandardOutput);
  let missing = 0;

  async function tell(text: string): Promise<void> {
    await write(process.stderr, `wal: ${text}\n`);
  }

  for (const item of found.read()) {
    if (item.kind === "note") await tell(item.text);
    if (item.kind === "note" || item.kind === "state") continue;
    const indexes = item.kind === "entry" ? item.index : item.indexes;
    if (indexes !== undefined && (indexes.to < from || indexes.from > to)) continue;
    let isWanted = true;
    if (item.kind === "missing") {
      missing++;
      if (json) isWanted = await lines.add(missingLine(item));
      else await tell(missingInWords(item));
    } else if (item.isDropped === true || item.batch === "incomplete") {
      continue;
    } else if (!json) {
      isWanted = await lines.add(item.read());
    } else if (item.length <= MAX_LINE_ENTRY) {
      isWanted = await lines.add(recoveredLine(item));
    } else {
      missing++;
      await tell(`${item.path}: offset ${item.offset}: the entry is too long for a line of JSON`);
    }
    if (!isWanted) break;
  }
  await lines.flush();
  return missing === 0 ? 0 : 1;
}
