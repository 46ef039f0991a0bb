/**
 * `wal import`: takes lines of JSON, as `cat --json` and `recover` write them, into a log.
 *
 * @module
 */
import process from "node:process";
import type { Readable } from "node:stream";
import { WalError } from "../errors.ts";
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
  if (file !== undefined) await check(file, maxEntrySize);
  const input = await openInput(file);
  try {
    const log = await Wal.open(path, { maxEntrySize });
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

async function check(path: string, maxEntrySize: number): Promise<void> {
  const input = await openInput(path);
  try {
    const lines = linesOf(input, path, maxEntrySize);
    for (let next = await lines.next(); !next.done;) next = await lines.next();
  } catch (error) {
    if (!(error instanceof WalError)) throw error;
    throw new WalError(error.code, `${error.message} Nothing was taken.`);
  } finally {
    input.destroy();
  }
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

/** Takes all lines in, closes the log, and tells what it took: after a failure one can go on there. */
async function take(log: Wal, input: Readable, maxEntrySize: number, all: boolean): Promise<void> {
  const words = new LineWriter(toStandardOutput);
  const told: string[] = [];
  const taken = new TakenEntries(log, (line) => told.push(line));
  let leftOut = 0;
  let summary = "";
  try {
    try {
      for await (const { number, line } of linesOf(input, "the input", maxEntrySize)) {
        if (line.kind === "missing") {
          await write(process.stderr, `wal: line ${number}: ${line.text}\n`);
        } else if (line.kind === "state") {
          await log.setState(line.state);
        } else if ((line.isDropped || line.isOfBrokenBatch) && !all) {
          leftOut++;
        } else {
          await taken.take(line.index, line.data);
        }
        for (const moved of told.splice(0)) await words.add(moved);
      }
    } finally {
      summary = await taken.finish("imported");
    }
  } finally {
    await log.close();
    for (const line of [...told, summary].filter((line) => line !== "")) await words.add(line);
    if (leftOut > 0) {
      await words.add(
        `left out ${leftOut === 1 ? "1 line" : `${leftOut} lines`} of entries that were dropped, ` +
          "or are of batches that are not whole; --all takes them too",
      );
    }
    await words.flush();
  }
}
