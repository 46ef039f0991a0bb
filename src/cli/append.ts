/**
 * `wal append`: each line of the input becomes an entry.
 *
 * @module
 */
import type { Readable } from "node:stream";
import { WalError } from "../errors.ts";
import type { FormatVersion } from "../format/file_header.ts";
import { describeState, readTag } from "../layer/tag.ts";
import { Wal } from "../wal.ts";
import { MAX_ENTRY_SIZE, maxEntrySizeOf, parseArguments, UsageError } from "./arguments.ts";
import { chunksOf, openInput } from "./input.ts";
import { LineSplitter } from "./lines.ts";
import { printLines } from "./output.ts";

/** How much of the input may be appended before a sync is waited for, in bytes. */
const MAX_UNSYNCED = 16 * 1024 * 1024;

/** Runs the command and returns the exit code. */
export async function append(args: string[]): Promise<number> {
  const { log: path, rest, values } = parseArguments(
    args,
    { ...MAX_ENTRY_SIZE, format: { type: "string", default: "2" } },
    1,
  );
  const maxEntrySize = maxEntrySizeOf(values);
  const format = formatOf(values.format);
  const input = await openInput(rest[0]);
  try {
    const log = await Wal.open(path, { maxEntrySize, format });
    const { path: real, state } = log;
    if (readTag(state) !== undefined) {
      await log.close();
      throw ofLayer(real, state);
    }
    await appendAndTell(log, input, maxEntrySize);
    return 0;
  } finally {
    input.destroy();
  }
}

/** The error of a log whose entries a line of text is none of. */
function ofLayer(path: string, state: Uint8Array): WalError {
  return new WalError(
    "ERR_WAL_FORMAT",
    `"${path}" is ${describeState(state)}, and a line would be no entry of it. Nothing was ` +
      "appended. Append to it by a program that opens it as what it is.",
  );
}

/**
 * Appends, closes the log, and tells what is in it now: after a failure one can continue from
 * there.
 */
async function appendAndTell(log: Wal, input: Readable, limit: number): Promise<void> {
  const before = log.lastIndex;
  try {
    await appendLines(log, input, limit);
  } finally {
    try {
      await log.close();
    } finally {
      await printLines([summary(before + 1, log.durableIndex)]);
    }
  }
}

/**
 * Appends each line of the input and makes it durable. One sync after the other runs beside the
 * reading, so that a line that comes alone is durable at once and many that come together share one.
 *
 * @param limit The largest entry that the log takes, in bytes.
 */
export async function appendLines(log: Wal, input: Readable, limit: number): Promise<void> {
  const splitter = new LineSplitter(limit);
  let unsynced = 0;
  let syncing: Promise<void> | undefined;

  async function syncAll(): Promise<void> {
    try {
      while (log.durableIndex < log.lastIndex) await log.sync();
      unsynced = 0;
    } catch (error) {
      // This ends the reading with the error, even if no more input comes.
      input.destroy(error as Error);
    }
  }

  try {
    for await (const chunk of chunksOf(input)) {
      for (const line of splitter.split(chunk)) log.append(line);
      unsynced += chunk.length;
      syncing ??= syncAll().finally(() => {
        syncing = undefined;
      });
      if (unsynced >= MAX_UNSYNCED) await syncing;
    }
    for (const line of splitter.end()) log.append(line);
  } finally {
    await syncing;
  }
  await log.sync();
}

function formatOf(given: string): FormatVersion {
  if (given === "1") return 1;
  if (given === "2") return 2;
  throw new UsageError(`--format must be 1 or 2, not "${given}".`);
}

function summary(first: number, last: number): string {
  const count = last - first + 1;
  if (count === 0) return "appended 0 entries";
  return count === 1
    ? `appended 1 entry: index ${first}`
    : `appended ${count} entries: index ${first} to ${last}`;
}
