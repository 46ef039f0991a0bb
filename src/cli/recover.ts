/**
 * `wal recover`: every whole entry of a damaged log, and what is missing between them.
 *
 * The log is only read, and no lock is taken.
 *
 * @module
 */
import process from "node:process";
import { MAX_LENGTH } from "../format/frame.ts";
import type { FileHandle, FileSystem } from "../fs/file_system.ts";
import { directoryOf, nameOf } from "../fs/path.ts";
import { defaultFileSystem } from "../fs/runtime.ts";
import { locateLog } from "../opening/open.ts";
import type { Wal } from "../wal.ts";
import { MAX_ENTRY_SIZE, maxEntrySizeOf, parseArguments, UsageError } from "./arguments.ts";
import { isExact } from "./index_range.ts";
import { LineWriter, printLines, toStandardOutput, write } from "./output.ts";
import {
  MAX_LINE_ENTRY,
  missingInWords,
  missingLine,
  recoveredLine,
  stateLine,
} from "./recovered_lines.ts";
import type { Missing, RecoveredEntry } from "./recovered.ts";
import { RecoveredLog } from "./recovered_log.ts";
import { isNameOfLog } from "../files/names.ts";
import { openNew, TakenEntries } from "./taken_entries.ts";

/** The permissions of the file that is made, as of a log: it may hold secrets. */
const PERMISSIONS = 0o600;

/** Runs the command and returns the exit code: 1 if something is missing. */
export async function recover(args: string[]): Promise<number> {
  const { log: path, values } = parseArguments(args, {
    ...MAX_ENTRY_SIZE,
    output: { type: "string", short: "o" },
    into: { type: "string" },
    all: { type: "boolean", default: false },
    certain: { type: "boolean", default: false },
    "no-set-aside": { type: "boolean", default: false },
  });
  const { output, into, all, certain } = values;
  if (all && certain) throw new UsageError("Give either --all or --certain.");
  const maxEntrySize = maxEntrySizeOf(values);
  const fileSystem = await defaultFileSystem();
  const real = locateLog(fileSystem, path);
  for (const [option, file] of [["output", output], ["into", into]] as const) {
    if (file !== undefined) refuseOwnName(fileSystem, real, option, file);
  }
  const withSetAside = !values["no-set-aside"];
  const found = await RecoveredLog.create(fileSystem, real, maxEntrySize, withSetAside);
  const recovery = new Recovery(found, { all, certain });
  if (into === undefined) await recovery.toLines(fileSystem, output);
  else await recovery.toLog(fileSystem, into, output);
  return recovery.isMissingSomething ? 1 : 0;
}

/** What is read must not be written over, nor get a new neighbour. */
function refuseOwnName(fileSystem: FileSystem, log: string, option: string, file: string): void {
  if (file === "") throw new UsageError(`--${option} needs a path.`);
  const isNeighbour = fileSystem.realPath(directoryOf(file)) === directoryOf(log);
  if (isNeighbour && isNameOfLog(nameOf(log), nameOf(file))) {
    throw new UsageError(`--${option} must not be a file of the log itself, such as "${file}".`);
  }
}

/** Which entries are wanted. */
interface Choice {
  /** Those too that were dropped, or are of batches that are not whole. */
  readonly all: boolean;
  /** Only those that are surely the log's. */
  readonly certain: boolean;
}

/** One run, and what it found. */
class Recovery {
  readonly #found: RecoveredLog;
  readonly #choice: Choice;
  #entries = 0;
  #missing = 0;
  #foundBySearch = 0;
  #ofBrokenBatches = 0;

  constructor(found: RecoveredLog, choice: Choice) {
    this.#found = found;
    this.#choice = choice;
  }

  /** Whether something is missing. */
  get isMissingSomething(): boolean {
    return this.#missing > 0;
  }

  /** Writes lines of JSON to a new file, or to the standard output. */
  async toLines(fileSystem: FileSystem, path: string | undefined): Promise<void> {
    const file = path === undefined ? undefined : fileSystem.open(path, "create", PERMISSIONS);
    try {
      const lines = file === undefined ? new LineWriter(toStandardOutput) : linesTo(file);
      let isWanted = true;
      for (const item of this.#found.read()) {
        if (item.kind === "note") {
          await note(item.text);
          continue;
        }
        if (item.kind === "entry") isWanted = await this.#printEntry(lines, item);
        else if (item.kind === "state") isWanted = await lines.add(stateLine(item));
        else isWanted = await this.#printMissing(lines, item);
        if (!isWanted) return;
      }
      if (!await lines.flush()) return;
      await file?.sync();
    } finally {
      file?.close();
    }
    if (path !== undefined) {
      await fileSystem.syncDirectory(directoryOf(path));
      await printLines([...this.#summary(`recovered`)]);
    } else if (this.isMissingSomething) {
      await note(...this.#summary("recovered"));
    }
  }

  /** Appends the entries to a new log, and tells in words what is missing. */
  async toLog(fileSystem: FileSystem, into: string, path: string | undefined): Promise<void> {
    const words = new LineWriter(toStandardOutput);
    const moved: string[] = [];
    const file = path === undefined ? undefined : fileSystem.open(path, "create", PERMISSIONS);
    // Entries above the limit were in the log, and are to be in the new one.
    let log: Wal | undefined;
    try {
      const lines = file === undefined ? undefined : linesTo(file);
      log = await openNew(fileSystem, into, MAX_LENGTH);
      const taken = new TakenEntries(log, (line) => moved.push(line));
      for (const item of this.#found.read()) {
        if (item.kind === "note") {
          await note(item.text);
        } else if (item.kind === "state") {
          await log.setState(item.state);
          await lines?.add(stateLine(item));
        } else if (item.kind === "missing") {
          this.#missing++;
          await words.add(missingInWords(item));
          await lines?.add(missingLine(item));
        } else if (this.#isWanted(item)) {
          if (lines !== undefined) await this.#addEntry(lines, item);
          const { index, batch } = item;
          if (batch === "incomplete" && !this.#choice.all) continue;
          this.#count(item);
          await taken.take(isExact(index) ? index.from : undefined, item.read());
        }
        for (const line of moved.splice(0)) await words.add(line);
      }
      const summary = await taken.finish(`recovered into "${into}":`);
      for (const line of [...moved, summary, ...this.#remarks()]) await words.add(line);
      await lines?.flush();
      await file?.sync();
    } finally {
      file?.close();
      await log?.close();
      await words.flush();
    }
    if (path !== undefined) await fileSystem.syncDirectory(directoryOf(path));
  }

  async #printEntry(lines: LineWriter, entry: RecoveredEntry): Promise<boolean> {
    if (!this.#isWanted(entry)) return true;
    this.#count(entry);
    return await this.#addEntry(lines, entry);
  }

  async #addEntry(lines: LineWriter, entry: RecoveredEntry): Promise<boolean> {
    if (entry.length <= MAX_LINE_ENTRY) return await lines.add(recoveredLine(entry));
    const { path, offset, length, index } = entry;
    const what = `the entry is whole, and its ${length} bytes are too many for a line: --into ` +
      "takes it into a new log";
    const missing: Missing = {
      kind: "missing",
      path,
      offset,
      bytes: length,
      indexes: index,
      entries: 1,
      what,
    };
    return await this.#printMissing(lines, missing);
  }

  async #printMissing(lines: LineWriter, missing: Missing): Promise<boolean> {
    this.#missing++;
    return await lines.add(missingLine(missing));
  }

  #isWanted({ isDropped, isFoundBySearch, batch }: RecoveredEntry): boolean {
    const { all, certain } = this.#choice;
    if (isDropped === true) return all;
    return !certain || (!isDropped && !isFoundBySearch && batch !== "incomplete");
  }

  #count({ isFoundBySearch, batch }: RecoveredEntry): void {
    this.#entries++;
    if (isFoundBySearch) this.#foundBySearch++;
    if (batch === "incomplete") this.#ofBrokenBatches++;
  }

  #summary(verb: string): string[] {
    const entries = this.#entries === 1 ? "1 entry" : `${this.#entries} entries`;
    return [`${verb} ${entries}`, ...this.#remarks()];
  }

  #remarks(): string[] {
    const remarks: string[] = [];
    const { all } = this.#choice;
    if (this.#foundBySearch > 0) {
      remarks.push(
        `${this.#foundBySearch} of them were found by search: they may be bytes of a damaged ` +
          "entry that look like entries; --certain leaves them out",
      );
    }
    if (this.#ofBrokenBatches > 0) {
      remarks.push(
        `${this.#ofBrokenBatches} of them are of batches that are not whole` +
          (all ? "" : ": a log and import take them only with --all"),
      );
    }
    remarks.push(
      this.#missing === 0
        ? "nothing is missing"
        : `missing: ${this.#missing === 1 ? "1 place" : `${this.#missing} places`}`,
    );
    return remarks;
  }
}

/** Writes lines to a file, one after the other. */
function linesTo(file: FileHandle): LineWriter {
  let at = 0;
  return new LineWriter((batch) => {
    file.write(batch, at);
    at += batch.length;
    return true;
  });
}

/** Tells on the standard error output. */
async function note(...lines: string[]): Promise<void> {
  await write(process.stderr, lines.map((line) => `wal: ${line}\n`).join(""));
}
