/**
 * `wal import`: takes lines of JSON, as `cat --json` and `recover` write them, into a log.
 *
 * @module
 */
import process from "node:process";
import type { Readable } from "node:stream";
import { WalError } from "../errors.ts";
import { MAX_INDEX } from "../format/limits.ts";
import { Wal } from "../wal.ts";
import { MAX_ENTRY_SIZE, maxEntrySizeOf, parseArguments } from "./arguments.ts";
import { chunksOf, openInput } from "./input.ts";
import { LineSplitter } from "./lines.ts";
import { LineWriter, toStandardOutput, write } from "./output.ts";
import { longestLine, type ParsedLine, parseLine } from "./recovered_lines.ts";
import { TakenEntries } from "./taken_entries.ts";

/** Runs the command and returns the exit code. */
export async function importLines(args: string[]): Promise<number> {
  const { log: path, rest, values } = parseArguments(
    args,
    { ...MAX_ENTRY_SIZE, all: { type: "boolean", default: false } },
    1,
  );
  const maxEntrySize = maxEntrySizeOf(values);
  const [file] = rest;
  // What can be read twice is checked before anything is taken.
  const wanted = file === undefined ? undefined : await check(file, maxEntrySize, values.all);
  const input = await openInput(file);
  try {
    const log = await Wal.open(path, { maxEntrySize });
    if (wanted !== undefined) await requireRoomFor(log, path, wanted);
    await take(log, input, maxEntrySize, values.all);
    return 0;
  } finally {
    input.destroy();
  }
}

/** A line that was taken apart, and its number. */
interface NumberedLine {
  readonly number: number;
  readonly line: Exclude<ParsedLine, { kind: "bad" }>;
}

/** The entries that lines hold, and are to be taken. */
interface WantedEntries {
  readonly count: number;
  /** The index of the first, as its line tells it. */
  readonly first: number | undefined;
}

async function check(path: string, maxEntrySize: number, all: boolean): Promise<WantedEntries> {
  const input = await openInput(path);
  try {
    let count = 0;
    let first: number | undefined;
    for await (const { line } of linesOf(input, path, maxEntrySize)) {
      if (line.kind !== "entry" || isLeftOut(line, all)) continue;
      if (count++ === 0) first = line.index;
    }
    return { count, first };
  } catch (error) {
    if (!(error instanceof WalError)) throw error;
    throw new WalError(error.code, `${error.message} Nothing was taken.`);
  } finally {
    input.destroy();
  }
}

/** Whether a line's entry is taken only with `--all`. */
function isLeftOut(
  { isDropped, isOfBrokenBatch }: Extract<ParsedLine, { kind: "entry" }>,
  all: boolean,
): boolean {
  return (isDropped || isOfBrokenBatch) && !all;
}

/** Closes the log and fails if it has not as many indexes left. */
async function requireRoomFor(
  log: Wal,
  path: string,
  { count, first = 1 }: WantedEntries,
): Promise<void> {
  // A log that never had an entry begins with the index of the first one.
  const last = log.lastIndex === 0 ? first - 1 : log.lastIndex;
  if (count <= MAX_INDEX - last) return;
  await log.close();
  throw new WalError(
    "ERR_WAL_INDEX_OUT_OF_RANGE",
    `Cannot import ${count} entries into "${path}" after index ${last}: no index is larger ` +
      `than ${MAX_INDEX}. Nothing was taken.`,
  );
}

/** The lines of the input, each checked. */
async function* linesOf(
  input: Readable,
  name: string,
  maxEntrySize: number,
): AsyncGenerator<NumberedLine, void, undefined> {
  const limit = longestLine(maxEntrySize);
  const splitter = new LineSplitter(limit);
  let number = 0;

  function* parsed(lines: Iterable<Uint8Array>): Generator<NumberedLine> {
    for (const bytes of lines) {
      number++;
      if (bytes.length === 0) continue;
      const line: ParsedLine = bytes.length > limit
        ? { kind: "bad", why: "it is too long for an entry of --max-entry-size" }
        : parseLine(bytes);
      if (line.kind === "bad") {
        throw new WalError(
          "ERR_WAL_INVALID_ARGUMENT",
          `Line ${number} of ${name} is not taken: ${line.why}.`,
        );
      }
      if (line.kind === "entry" && line.data.length > maxEntrySize) {
        throw new WalError(
          "ERR_WAL_ENTRY_TOO_LARGE",
          `Line ${number} of ${name} is not taken: its entry has ${line.data.length} bytes, above ` +
            `the limit of ${maxEntrySize}. Give --max-entry-size ${line.data.length} or more.`,
        );
      }
      yield { number, line };
    }
  }

  for await (const chunk of chunksOf(input)) yield* parsed(splitter.split(chunk));
  yield* parsed(splitter.end());
}

/**
 * Takes all lines in, closes the log, and tells what it took: after a failure one can continue
 * there.
 */
async function take(log: Wal, input: Readable, maxEntrySize: number, all: boolean): Promise<void> {
  const words = new LineWriter(toStandardOutput);
  const moved: string[] = [];
  const taken = new TakenEntries(log, (line) => moved.push(line));
  let leftOut = 0;
  let summary = "";
  try {
    try {
      for await (const { number, line } of linesOf(input, "the input", maxEntrySize)) {
        if (line.kind === "missing") {
          await write(process.stderr, `wal: line ${number}: ${line.text}\n`);
        } else if (line.kind === "state") {
          await log.setState(line.state);
        } else if (isLeftOut(line, all)) {
          leftOut++;
        } else {
          await taken.take(line.index, line.data);
        }
        for (const line of moved.splice(0)) await words.add(line);
      }
    } finally {
      summary = await taken.finish("imported");
    }
  } finally {
    await log.close();
    for (const line of [...moved, summary].filter((line) => line !== "")) await words.add(line);
    if (leftOut > 0) {
      await words.add(
        `left out ${leftOut === 1 ? "1 line" : `${leftOut} lines`} of entries that were dropped, ` +
          "or are of batches that are not whole; --all takes them too",
      );
    }
    await words.flush();
  }
}
