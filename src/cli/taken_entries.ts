/**
 * Takes recovered entries into a log, and tells which index each of them has there.
 *
 * A log has no holes. Where entries are missing, what follows gets lower indexes.
 *
 * @module
 */
import type { SegmentFile } from "../files/beginning.ts";
import { segmentFilesOf } from "../files/chain.ts";
import { type FileSystem, FileSystemError, isFileSystemError } from "../fs/file_system.ts";
import { Wal } from "../wal.ts";

/** How much may be appended before a sync is waited for, in bytes. */
const MAX_UNSYNCED = 16 * 1024 * 1024;

/** Entries in a row whose indexes moved by the same. */
interface Run {
  /** Undefined if the old indexes are not known. */
  readonly from: number | undefined;
  readonly newFrom: number;
  count: number;
}

/** Appends entries to a log. */
export class TakenEntries {
  readonly #log: Wal;
  readonly #tell: (line: string) => void;
  #run: Run | undefined;
  #hasMoved = false;
  #unsynced = 0;
  #count = 0;
  #first = 0;

  /** @param tell Gets a line for each run of entries that have other indexes than before. */
  constructor(log: Wal, tell: (line: string) => void) {
    this.#log = log;
    this.#tell = tell;
  }

  /** How many entries were taken. */
  get count(): number {
    return this.#count;
  }

  /**
   * Appends an entry. A log that never had one begins with the first one's index.
   *
   * @param index The index that it had, if that is known.
   */
  async take(index: number | undefined, data: Uint8Array): Promise<void> {
    const log = this.#log;
    if (this.#count === 0 && index !== undefined && index > 1 && log.lastIndex === 0) {
      await log.reset(index);
    }
    const now = log.append(data);
    if (this.#count++ === 0) this.#first = now;
    this.#note(index, now);
    this.#unsynced += data.length + 1;
    if (this.#unsynced < MAX_UNSYNCED) return;
    this.#unsynced = 0;
    await log.sync();
  }

  /** Makes what was taken durable; a line that sums it up. */
  async finish(verb: string): Promise<string> {
    await this.#log.sync();
    this.#endRun();
    const last = this.#log.lastIndex;
    const what = this.#count === 0
      ? "0 entries"
      : this.#count === 1
      ? `1 entry: index ${last}`
      : `${this.#count} entries: index ${this.#first} to ${last}`;
    return `${verb} ${what}`;
  }

  #note(index: number | undefined, now: number): void {
    const run = this.#run;
    const isNext = run !== undefined && now === run.newFrom + run.count &&
      (run.from === undefined ? index === undefined : index === run.from + run.count);
    if (isNext) {
      run.count++;
      return;
    }
    this.#endRun();
    this.#run = { from: index, newFrom: now, count: 1 };
  }

  #endRun(): void {
    const run = this.#run;
    this.#run = undefined;
    if (run === undefined || (run.from === run.newFrom && !this.#hasMoved)) return;
    this.#hasMoved = true;
    const { from, newFrom, count } = run;
    const now = rangeOf(newFrom, count);
    if (from === newFrom) this.#tell(`index ${now} stays`);
    else if (from === undefined) this.#tell(`what had an unknown index is now index ${now}`);
    else this.#tell(`index ${rangeOf(from, count)} is now index ${now}`);
  }
}

function rangeOf(first: number, count: number): string {
  return count === 1 ? String(first) : `${first} to ${first + count - 1}`;
}

/**
 * Opens a log that is to be new: it is made, or has never had an entry.
 *
 * @throws {FileSystemError} `EEXIST` if it has an entry or a state.
 */
export async function openNew(
  fileSystem: FileSystem,
  path: string,
  maxEntrySize: number,
): Promise<Wal> {
  if (filesOf(fileSystem, path).length > 0) {
    const log = await Wal.open(path, { readOnly: true, maxEntrySize });
    const isNew = log.lastIndex === 0 && log.state.length === 0;
    await log.close();
    if (!isNew) throw new FileSystemError("EEXIST", "Make a new log", path);
  }
  return await Wal.open(path, { maxEntrySize });
}

/** A log's segments; none where its directory is not there yet. */
function filesOf(fileSystem: FileSystem, path: string): SegmentFile[] {
  try {
    return segmentFilesOf(fileSystem, path);
  } catch (error) {
    if (isFileSystemError(error) && error.code === "ENOENT") return [];
    throw error;
  }
}
