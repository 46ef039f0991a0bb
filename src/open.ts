/**
 * From a path to an open segment: the lock, the making of a new log, and what recovery's decision
 * does to the file.
 *
 * What this returns is durable. An existing file is fsynced before it is scanned, so that nothing is
 * decided on bytes that the disk never had; whatever is changed is fsynced, and its directory too.
 *
 * @module
 */
import {
  CorruptionError,
  reasonOf,
  SyncFailedError,
  WalError,
  type WalErrorCode,
} from "./errors.ts";
import { createFrameChecksum } from "./format/checksum.ts";
import { LOG_ID_SIZE } from "./format/internal.ts";
import {
  type File,
  type FileSystem,
  FileSystemError,
  type FileSystemErrorCode,
  type Lock,
} from "./fs/file_system.ts";
import { directoryOf } from "./fs/path.ts";
import type { ResolvedOptions } from "./options.ts";
import {
  decide,
  type Decision,
  pieces,
  type RecoveryCase,
  requireLog,
  scanSegment,
  type SegmentScan,
  type SegmentSource,
  type UnfinishedSegment,
} from "./recovery.ts";
import { OffsetIndex } from "./offset_index.ts";
import { Segment, segmentBeginning } from "./segment.ts";

/**
 * What open found at the end of the log and did about it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type Recovery, Wal } from "@durable/wal";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 *
 * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
 * const recovery: Recovery = log.recovery;
 * assertEquals(recovery.case, "A");
 * assertEquals(recovery.created, true);
 * await log.close();
 * ```
 */
export interface Recovery {
  /**
   * The case of the decision table: A clean end, B unused preallocated space, C corruption (only
   * with `recovery: "salvage"`), D ambiguous, E torn last write.
   */
  readonly case: RecoveryCase;
  /** The file that was looked at. */
  readonly segment: string;
  /** Where in it the log ended, in bytes. */
  readonly offset: number;
  /** How many bytes behind that were cut off; 0 in a log opened with `readOnly`. */
  readonly bytesCut: number;
  /** The file that the bytes were set aside in before they were cut, if they were. */
  readonly setAside: string | undefined;
  /** How many entries the log has kept. */
  readonly entries: number;
  /** Whether the log was made, or made anew because its making had been interrupted. */
  readonly created: boolean;
}

/** An open log's parts. */
export interface OpenedLog {
  readonly segment: Segment;
  /** None if the log is only read. */
  readonly lock: Lock | undefined;
  readonly recovery: Recovery;
}

/** Opens the log at `path`, or makes it. */
export async function openLog(
  fileSystem: FileSystem,
  path: string,
  options: ResolvedOptions,
): Promise<OpenedLog> {
  return await new Opening(fileSystem, path, options).run();
}

class Opening {
  readonly #fileSystem: FileSystem;
  readonly #path: string;
  readonly #options: ResolvedOptions;

  constructor(fileSystem: FileSystem, path: string, options: ResolvedOptions) {
    this.#fileSystem = fileSystem;
    this.#path = path;
    this.#options = options;
  }

  async run(): Promise<OpenedLog> {
    let lock: Lock | undefined;
    try {
      const exists = this.#peek();
      if (this.#options.readOnly) {
        if (!exists) throw new FileSystemError("ENOENT", "Open", this.#path);
      } else {
        if (!exists) await this.#makeDirectories(directoryOf(this.#path));
        lock = await this.#fileSystem.lock(`${this.#path}.lock`, this.#options.mode);
      }
      return { ...await this.#openSegment(), lock };
    } catch (error) {
      lock?.release();
      throw error instanceof FileSystemError ? describe(error, this.#path) : error;
    }
  }

  /** Whether the file is there; one that is no log is refused before a lock file is made beside it. */
  #peek(): boolean {
    const file = this.#tryOpen("read");
    if (file === undefined) return false;
    try {
      requireLog({ file, path: this.#path });
    } finally {
      file.close();
    }
    return true;
  }

  #tryOpen(mode: "read" | "write"): File | undefined {
    try {
      return this.#fileSystem.open(this.#path, mode);
    } catch (error) {
      if (error instanceof FileSystemError && error.code === "ENOENT") return undefined;
      throw error;
    }
  }

  async #openSegment(): Promise<Omit<OpenedLog, "lock">> {
    const { readOnly, mode, maxEntrySize } = this.#options;
    const checksum = await createFrameChecksum();
    const existing = this.#tryOpen(readOnly ? "read" : "write");
    const file = existing ?? this.#fileSystem.open(this.#path, "create", mode);
    const source: SegmentSource = { file, path: this.#path, checksum, maxEntrySize };
    try {
      if (existing === undefined) return await this.#make(source);
      return readOnly ? this.#view(source) : await this.#recover(source);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Writes the beginning of an empty file and makes file and name durable. */
  async #make(source: SegmentSource): Promise<Omit<OpenedLog, "lock">> {
    const logId = crypto.getRandomValues(new Uint8Array(LOG_ID_SIZE));
    source.file.write(segmentBeginning(source.checksum, this.#options.format, logId, 1), 0);
    await this.#syncFile(source.file);
    await this.#fileSystem.syncDirectory(directoryOf(this.#path));
    const scan = scanSegment(source);
    if (isUnfinished(scan)) throw new FileSystemError("EIO", "Read back", this.#path);
    return {
      segment: new Segment(source, scan, 0),
      recovery: { ...this.#report({ case: "A", vouched: 0 }, scan), created: true },
    };
  }

  /** Makes a log anew in a file whose making was interrupted, or (salvage) whose beginning is gone. */
  async #makeAnew(
    source: SegmentSource,
    found: UnfinishedSegment,
  ): Promise<Omit<OpenedLog, "lock">> {
    const { holds, size } = found;
    const setAside = holds === "nothing" ? undefined : await this.#setAside(source, 1, 0, size);
    source.file.truncate(0);
    const { segment, recovery } = await this.#make(source);
    const verdict = holds === "frames" ? "C" : size === 0 ? "A" : "E";
    return {
      segment,
      recovery: { ...recovery, case: verdict, offset: 0, bytesCut: size, setAside },
    };
  }

  /** Opens for reading only: what follows X is the writer's business. */
  #view(source: SegmentSource): Omit<OpenedLog, "lock"> {
    const found = scanSegment(source);
    if (isUnfinished(found) && found.holds === "frames") throw this.#beginningDamaged(found);
    const scan = isUnfinished(found) ? emptyScan() : found;
    const decision = decide(source, scan);
    if (decision.case === "C" && this.#options.recovery === "default") {
      throw this.#corrupt(scan, decision);
    }
    const durable = scan.offsets.countBelow(scan.vouched);
    return { segment: new Segment(source, scan, durable), recovery: this.#report(decision, scan) };
  }

  /** Opens for writing: decides, and does what was decided. */
  async #recover(source: SegmentSource): Promise<Omit<OpenedLog, "lock">> {
    await this.#syncFile(source.file);
    const salvage = this.#options.recovery === "salvage";
    const found = scanSegment(source);
    if (isUnfinished(found)) {
      if (found.holds === "frames" && !salvage) throw this.#beginningDamaged(found);
      return await this.#makeAnew(source, found);
    }
    const decision = decide(source, found);
    if (decision.case === "C" && !salvage) throw this.#corrupt(found, decision);
    const { end, size } = found;
    let setAside: string | undefined;
    if (end < size) {
      if (decision.case === "C" || decision.case === "D") {
        setAside = await this.#setAside(source, found.firstIndex, end, size);
      }
      source.file.truncate(end);
      await this.#syncFile(source.file);
    }
    // Whoever made the file may have died before its name was durable.
    await this.#fileSystem.syncDirectory(directoryOf(this.#path));
    return {
      segment: new Segment(source, found, found.offsets.count),
      recovery: { ...this.#report(decision, found), bytesCut: size - end, setAside },
    };
  }

  /** Copies a stretch of the file into one of its own and makes that durable. */
  async #setAside(
    source: SegmentSource,
    segment: number,
    from: number,
    to: number,
  ): Promise<string> {
    const { path, file } = this.#createAside(segment, from);
    try {
      let at = 0;
      for (const piece of pieces(source.file, from, to)) {
        file.write(piece, at);
        at += piece.length;
      }
      await file.sync();
    } finally {
      file.close();
    }
    await this.#fileSystem.syncDirectory(directoryOf(path));
    return path;
  }

  /** A name that is not taken: the same place may have been cut before. */
  #createAside(segment: number, offset: number): { path: string; file: File } {
    const base = `${this.#path}.cut-${String(segment).padStart(20, "0")}-${offset}`;
    for (let copy = 1;; copy++) {
      const path = copy === 1 ? base : `${base}-${copy}`;
      try {
        return { path, file: this.#fileSystem.open(path, "create", this.#options.mode) };
      } catch (error) {
        if (!(error instanceof FileSystemError) || error.code !== "EEXIST") throw error;
      }
    }
  }

  /** Makes a directory and its parents, each durable in its own parent. */
  async #makeDirectories(path: string): Promise<void> {
    const permissions = this.#options.mode | ((this.#options.mode & 0o444) >> 2);
    const parent = directoryOf(path);
    try {
      this.#fileSystem.makeDirectory(path, permissions);
    } catch (error) {
      if (!(error instanceof FileSystemError)) throw error;
      if (error.code === "EEXIST") return;
      if (error.code !== "ENOENT" || parent === path) throw error;
      await this.#makeDirectories(parent);
      this.#fileSystem.makeDirectory(path, permissions);
    }
    await this.#fileSystem.syncDirectory(parent);
  }

  async #syncFile(file: File): Promise<void> {
    try {
      await file.sync();
    } catch (cause) {
      throw new SyncFailedError(this.#path, 0, "what the log holds", cause);
    }
  }

  #report(decision: Decision, scan: SegmentScan): Recovery {
    return {
      case: decision.case,
      segment: this.#path,
      offset: scan.end,
      bytesCut: 0,
      setAside: undefined,
      entries: scan.offsets.count,
      created: false,
    };
  }

  #beginningDamaged({ at }: UnfinishedSegment): CorruptionError {
    return new CorruptionError(
      `"${this.#path}" is damaged at offset ${at}: its ${
        at === 0 ? "header" : "Segment frame"
      } is not valid, but whole frames follow. Every entry from index 1 on is at risk. Nothing was ` +
        'changed. Restore the file from a copy, or open it with { recovery: "salvage" } to set all ' +
        "of it aside and begin anew.",
      { path: this.#path, offset: at, firstIndexAtRisk: 1 },
    );
  }

  #corrupt(scan: SegmentScan, decision: Decision): CorruptionError {
    const firstIndexAtRisk = scan.firstIndex + scan.offsets.count;
    return new CorruptionError(
      `"${this.#path}" is damaged at offset ${scan.end}: a later frame vouches that all bytes up to ` +
        `offset ${decision.vouched} were durable. Entries from index ${firstIndexAtRisk} on are at ` +
        "risk. Nothing was changed. Restore the file from a copy, or open it with " +
        '{ recovery: "salvage" } to set the bytes from there on aside and go on with what is before.',
      { path: this.#path, offset: scan.end, firstIndexAtRisk },
    );
  }
}

function isUnfinished(found: SegmentScan | UnfinishedSegment): found is UnfinishedSegment {
  return "holds" in found;
}

/** What a reader sees of a log that is being made. */
function emptyScan(): SegmentScan {
  return {
    version: 1,
    logId: undefined,
    firstIndex: 1,
    offsets: new OffsetIndex(),
    entriesEnd: 0,
    vouched: 0,
    end: 0,
    size: 0,
  };
}

/** The log's error for a failed call, with what to do next. */
function describe(error: FileSystemError, path: string): WalError {
  const [code, advice]: [WalErrorCode, string] = ADVICE[error.code] ??
    ["ERR_WAL_IO", "Mend the cause and open the log again."];
  return new WalError(code, `Cannot open the log "${path}": ${reasonOf(error)}. ${advice}`, {
    cause: error,
  });
}

const NO_PERMISSION: [WalErrorCode, string] = [
  "ERR_WAL_PERMISSION",
  "Allow this process to read and write the file and its directory (on Deno, --allow-read and " +
  "--allow-write too), or open it with { readOnly: true }.",
];

const NO_FILE: [WalErrorCode, string] = [
  "ERR_WAL_NOT_A_FILE",
  "Give the path of a file, or of one to be made.",
];

const ADVICE: Readonly<Partial<Record<FileSystemErrorCode, [WalErrorCode, string]>>> = {
  EACCES: NO_PERMISSION,
  EPERM: NO_PERMISSION,
  EROFS: NO_PERMISSION,
  EISDIR: NO_FILE,
  ENOTDIR: NO_FILE,
  EEXIST: NO_FILE,
  EINVAL: NO_FILE,
  ENOENT: ["ERR_WAL_NOT_FOUND", "Check the path; a log is made only when it is opened to write."],
};
