/**
 * `wal truncate`: drops entries from the log's tail or head.
 *
 * @module
 */
import { WalError } from "../errors.ts";
import { Wal } from "../wal.ts";
import {
  MAX_ENTRY_SIZE,
  maxEntrySizeOf,
  parseArguments,
  UsageError,
  wholeNumber,
} from "./arguments.ts";
import { printLines } from "./output.ts";

/** Runs the command and returns the exit code. */
export async function truncate(args: string[]): Promise<number> {
  const { log: path, values } = parseArguments(args, {
    ...MAX_ENTRY_SIZE,
    from: { type: "string" },
    before: { type: "string" },
    "dry-run": { type: "boolean", default: false },
  });
  const from = wholeNumber("from", values.from);
  const before = wholeNumber("before", values.before);
  if ((from === undefined) === (before === undefined)) {
    throw new UsageError("Give either --from or --before.");
  }
  const maxEntrySize = maxEntrySizeOf(values);

  // A log that is not there must not be made, nor one be changed that has no such entry.
  const plan = await planOf(path, maxEntrySize, from, before);
  if (values["dry-run"]) {
    await printLines([`would drop ${rangeOf(plan.first, plan.last)}`]);
    return 0;
  }
  await using log = await Wal.open(path, { maxEntrySize });
  const { first, last } = dropped(log, from, before);
  if (from !== undefined) await log.truncateFromIndex(from);
  if (before !== undefined) await log.truncateBeforeIndex(before);
  await printLines([
    `dropped ${rangeOf(first, last)}`,
    `the log has ${rangeOf(log.firstIndex, log.lastIndex)}`,
  ]);
  return 0;
}

interface Range {
  readonly first: number;
  readonly last: number;
}

async function planOf(
  path: string,
  maxEntrySize: number,
  from: number | undefined,
  before: number | undefined,
): Promise<Range> {
  await using log = await Wal.open(path, { readOnly: true, maxEntrySize });
  return dropped(log, from, before);
}

/** The entries that are to be dropped. */
function dropped(log: Wal, from: number | undefined, before: number | undefined): Range {
  const { firstIndex, lastIndex } = log;
  const limit = from === undefined ? lastIndex + 1 : lastIndex;
  const index = from ?? before ?? 0;
  if (index < firstIndex || index > limit) {
    throw new WalError(
      "ERR_WAL_INDEX_OUT_OF_RANGE",
      `Cannot truncate "${log.path}" at index ${index}: it has ${
        rangeOf(firstIndex, lastIndex)
      }. ` +
        "Nothing was changed.",
    );
  }
  return from === undefined
    ? { first: firstIndex, last: index - 1 }
    : { first: index, last: lastIndex };
}

/** A range of entries in words. */
export function rangeOf(first: number, last: number): string {
  const count = last - first + 1;
  if (count <= 0) return "no entries";
  return count === 1 ? `1 entry: index ${first}` : `${count} entries: index ${first} to ${last}`;
}
