/**
 * `wal verify`: every frame of every segment, and where one is damaged.
 *
 * @module
 */
import type { FileSystem } from "../fs/file_system.ts";
import { defaultFileSystem } from "../fs/runtime.ts";
import { locateLog } from "../opening/open.ts";
import { MAX_ENTRY_SIZE, maxEntrySizeOf, parseArguments } from "./arguments.ts";
import type { SegmentFile } from "../files/beginning.ts";
import { printLines } from "./output.ts";
import { Progress } from "./progress.ts";
import type { Place } from "./checked_segment.ts";
import { type Totals, Verification } from "./verification.ts";

/** How much is read at a time to measure the files' speed, in bytes. */
const READ_SIZE = 1024 * 1024;

/** Runs the command and returns the exit code: 1 if there is damage. */
export async function verify(args: string[]): Promise<number> {
  const { log, values } = parseArguments(args, {
    ...MAX_ENTRY_SIZE,
    speed: { type: "boolean", default: false },
  });
  const fileSystem = await defaultFileSystem();
  const path = locateLog(fileSystem, log);
  let damaged = 0;
  let lines: string[] = [];
  const verification = await Verification.create(fileSystem, path, maxEntrySizeOf(values), {
    damage(place) {
      damaged++;
      lines.push(lineOf(place));
    },
    note(line) {
      lines.push(line);
    },
  });
  const { files, totals } = verification;
  const reading = values.speed ? readingTime(fileSystem, files) : undefined;
  const progress = new Progress(totalSize(fileSystem, files));

  /** Prints what was found so far. */
  async function flush(): Promise<void> {
    if (lines.length === 0) return;
    await progress.clear();
    const found = lines;
    lines = [];
    await printLines(found);
  }

  const start = performance.now();
  for (const bytes of verification.run()) {
    await flush();
    await progress.add(bytes);
  }
  const seconds = (performance.now() - start) / 1000;
  await flush();
  await progress.clear();
  await printLines([
    ...reading === undefined ? [] : [speedOf(totals, seconds, reading)],
    summaryOf(totals, seconds, damaged),
  ]);
  return damaged === 0 ? 0 : 1;
}

/** A place as a line. */
function lineOf({ path, offset, index, lastIndex, isAtLeast, what }: Place): string {
  const indexes = lastIndex === undefined ? `index ${index}` : `index ${index} to ${lastIndex}`;
  return `${path}: offset ${offset}, ${indexes}${isAtLeast ? " or later" : ""}: ${what}`;
}

function summaryOf(totals: Totals, seconds: number, damaged: number): string {
  const verdict = damaged === 0 ? "intact" : `damaged: ${counted(damaged, "place")}`;
  return `${verdict}: ${counted(totals.segments, "segment")}, ${
    totals.entries === 1 ? "1 entry" : `${totals.entries} entries`
  }, ${counted(totals.bytes, "byte")}, ${seconds.toFixed(2)} s, ${
    rate(totals.bytes, seconds)
  } MB/s`;
}

function speedOf({ bytes }: Totals, seconds: number, reading: number): string {
  return `reading alone: ${reading.toFixed(2)} s, ${rate(bytes, reading)} MB/s; verifying takes ` +
    `${(seconds / reading).toFixed(2)} times as long`;
}

function rate(bytes: number, seconds: number): string {
  return (bytes / 1e6 / Math.max(seconds, 1e-6)).toFixed(0);
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

function totalSize(fileSystem: FileSystem, files: readonly SegmentFile[]): number {
  let total = 0;
  for (const { path } of files) {
    const file = fileSystem.open(path, "read");
    total += file.size();
    file.close();
  }
  return total;
}

/**
 * How long it takes to read the files from their first bytes to their last, in seconds. The second
 * of two times counts, in which they come out of the page cache as they do for the check.
 */
function readingTime(fileSystem: FileSystem, files: readonly SegmentFile[]): number {
  const buffer = new Uint8Array(READ_SIZE);
  let start = 0;
  for (let time = 0; time < 2; time++) {
    start = performance.now();
    for (const { path } of files) {
      const file = fileSystem.open(path, "read");
      for (let offset = 0, n = 1; n > 0; offset += n) n = file.read(buffer, offset);
      file.close();
    }
  }
  return (performance.now() - start) / 1000;
}
