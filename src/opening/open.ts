/**
 * From a path to an open log: the lock, the making of a new log, what recovery's decision does to
 * the last segment, and whether the segments before it join.
 *
 * What this returns is durable. The last segment is fsynced before it is scanned, so that nothing is
 * decided on bytes that the disk never had; what no Durable frame vouches for is written again and
 * fsynced; whatever is changed is fsynced, and its directory too.
 *
 * @module
 */
import { pause } from "../fs/clock.ts";
import {
  CorruptionError,
  outcomeUnknown,
  reasonOf,
  RESTORE,
  WalError,
  type WalErrorCode,
} from "../errors.ts";
import {
  type JoinedSegments,
  joinSegments,
  logIdOf,
  requireFirst,
  requireIndexes,
  requireLast,
  requireOwn,
  type SegmentFile,
  segmentFilesOf,
  segmentMissing,
} from "../files/chain.ts";
import { type FrameChecksum, frameChecksum } from "../format/checksum.ts";
import { META_FILE } from "../format/redo_record.ts";
import { LOG_ID_SIZE, sameLog } from "../format/log_id.ts";
import { NO_SEGMENT } from "../format/segment_frame.ts";
import {
  type File,
  type FileSystem,
  FileSystemError,
  type FileSystemErrorCode,
  isFileSystemError,
  type Lock,
  memberOf,
} from "../fs/file_system.ts";
import { directoryOf, nameOf } from "../fs/path.ts";
import { Guards } from "../files/guards.ts";
import { LogDirectory } from "../fs/log_directory.ts";
import { requireRoom } from "../files/log_name.ts";
import { logPathOf } from "../files/log_path.ts";
import { MetaFile } from "../files/meta.ts";
import type { ResolvedOptions } from "../options.ts";
import { pieces } from "../fs/stretch.ts";
import { decide, type Decision, type RecoveryCase } from "../segment/decision.ts";
import { noFrames, type SegmentScan } from "../segment/frame_walk.ts";
import {
  isUnfinished,
  requireLog,
  scanOn,
  scanSegment,
  type UnfinishedSegment,
} from "../segment/scan.ts";
import type { SegmentSource } from "../segment/source.ts";
import { segmentDamaged } from "../segment/sealed_segment.ts";
import { type InterruptedRedo, RedoFile } from "../files/redo.ts";
import { setAside } from "../files/quarantine.ts";
import {
  openTwice,
  Segment,
  type SegmentCounters,
  type WritableSource,
} from "../segment/segment.ts";
import { beginSegment, createSegment, type SegmentContext, Segments } from "../files/segments.ts";
import { acceptLock } from "./weak_lock.ts";

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
  /** The file that was looked at: the log's last segment. */
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
  readonly segments: Segments;
  readonly meta: MetaFile;
  readonly counters: SegmentCounters;
  readonly directory: LogDirectory;
  /** None if the log is only read. */
  readonly lock: Lock | undefined;
  readonly guards: Guards;
  readonly recovery: Recovery;
}

/** How many bytes without an entry in them are held in memory to be written again. */
const MAX_LOOSE = 64 * 1024;

/** How often files are looked for again that vanish under the eyes of an open. */
const GUARD_TRIES = 20;

/** How often a reader looks again at files that a writer changes under its eyes. */
const READER_TRIES = 20;

/**
 * The one path of the log that a path leads to; all its names are taken from it.
 *
 * @param isWritten Whether it is to be opened to write, so that there must be room for its names.
 */
export function locateLog(fileSystem: FileSystem, path: string, isWritten = false): string {
  try {
    return logPathOf(fileSystem, path);
  } catch (error) {
    const isTooLong = isFileSystemError(error) && error.code === "ENAMETOOLONG";
    if (isTooLong && isWritten) requireRoom(fileSystem, path);
    throw isFileSystemError(error) ? describe(error, path) : error;
  }
}

/** Opens the log at `path`, which {@linkcode locateLog} has found, or makes it. */
export async function openLog(
  fileSystem: FileSystem,
  path: string,
  options: ResolvedOptions,
): Promise<OpenedLog> {
  const checksum = frameChecksum;
  let lock: Lock | undefined;
  const opening = new Opening(fileSystem, path, options, checksum);
  try {
    if (options.readOnly) return await viewPatiently(fileSystem, path, options, checksum);
    await opening.prepare();
    lock = await fileSystem.lock(`${path}.lock`, options.mode);
    acceptLock(lock, options.lock, path);
    opening.directory.keepLock(`${path}.lock`, lock);
    return { ...await opening.recover(), lock };
  } catch (error) {
    opening.directory.close();
    await opening.guards.close();
    releaseAnyhow(lock);
    // To free the space of dropped entries may take a new segment.
    const isFull = error instanceof WalError && error.code === "ERR_WAL_WRITE_FAILED";
    const cause = isFull ? error.cause : error;
    throw isFileSystemError(cause) ? describe(cause, path) : error;
  }
}

/** Gives the lock of an open that failed back, which has an error to tell of already. */
function releaseAnyhow(lock: Lock | undefined): void {
  try {
    lock?.release();
  } catch (error) {
    if (!isFileSystemError(error)) throw error;
  }
}

/** Opens for reading; the writer may be making, rolling or dropping segments at this moment. */
async function viewPatiently(
  fileSystem: FileSystem,
  path: string,
  options: ResolvedOptions,
  checksum: FrameChecksum,
): Promise<OpenedLog> {
  for (let tries = 1;; tries++) {
    try {
      return { ...new Opening(fileSystem, path, options, checksum).view(), lock: undefined };
    } catch (error) {
      if (!mayPass(error, fileSystem, path, tries)) throw error;
      await pause(tries);
    }
  }
}

/**
 * Opens for reading while the caller waits, also for the few milliseconds in which a writer in
 * another process replaces what the log ends with.
 *
 * @throws {FileSystemError} And what {@linkcode openLog} throws.
 */
export function viewBlocking(
  fileSystem: FileSystem,
  path: string,
  options: ResolvedOptions,
): OpenedLog {
  const wait = new Int32Array(new SharedArrayBuffer(4));
  for (let tries = 1;; tries++) {
    try {
      return { ...new Opening(fileSystem, path, options, frameChecksum).view(), lock: undefined };
    } catch (error) {
      if (!mayPass(error, fileSystem, path, tries)) throw error;
      Atomics.wait(wait, 0, 0, tries);
    }
  }
}

/** Whether a reader that met an error looks again: the writer may be at work on the files. */
function mayPass(error: unknown, fileSystem: FileSystem, path: string, tries: number): boolean {
  const isPassing = error instanceof CorruptionError || isFileSystemError(error);
  return isPassing && tries < READER_TRIES && hasLog(fileSystem, path);
}

/** Whether the writer's lock or a sibling is there, so that a missing file may be on its way. */
function hasLog(fileSystem: FileSystem, path: string): boolean {
  try {
    return fileSystem.list(directoryOf(path)).some((name) => name.startsWith(`${nameOf(path)}.`));
  } catch (error) {
    if (isFileSystemError(error)) return false;
    throw error;
  }
}

/** The last segment, once it is known. */
interface Active {
  readonly source: WritableSource;
  readonly scan: SegmentScan;
}

type Opened = Omit<OpenedLog, "lock">;

/** A segment without a valid beginning, with nothing or only others like it behind it. */
interface UnusedSegment extends SegmentFile {
  readonly source: WritableSource;
  readonly found: UnfinishedSegment;
}

/** The segment that the log ends in, and what was decided about its end; or its only file. */
type FoundSegment =
  | (SegmentFile & {
    readonly source: WritableSource;
    readonly found: SegmentScan;
    readonly decision: Decision;
  })
  | UnusedSegment;

class Opening {
  /** The directory of the log's files, held open once it is there. */
  readonly directory: LogDirectory;
  /** Keeps other writers off the log's files, once this is to write. */
  readonly guards: Guards;
  readonly #fileSystem: FileSystem;
  readonly #path: string;
  readonly #options: ResolvedOptions;
  readonly #checksum: FrameChecksum;
  readonly #counters: SegmentCounters = { writes: 0, syncs: 0 };
  readonly #redo: RedoFile;

  constructor(
    fileSystem: FileSystem,
    path: string,
    options: ResolvedOptions,
    checksum: FrameChecksum,
  ) {
    this.#fileSystem = fileSystem;
    this.#path = path;
    this.#options = options;
    this.#checksum = checksum;
    this.directory = new LogDirectory(fileSystem, directoryOf(path));
    this.#redo = new RedoFile(fileSystem, this.directory, path, options.mode, checksum);
    this.guards = new Guards(fileSystem);
  }

  /** Makes the directory, and refuses a file that is no log before a lock file is made beside it. */
  async prepare(): Promise<void> {
    requireRoom(this.#fileSystem, this.#path);
    let file: File;
    try {
      file = this.#fileSystem.open(this.#path, "read");
    } catch (error) {
      if (!isFileSystemError(error) || error.code !== "ENOENT") throw error;
      await this.#makeDirectories(directoryOf(this.#path));
      // In a directory that was not there, a name cannot be tried.
      return requireRoom(this.#fileSystem, this.#path);
    }
    try {
      requireLog({ file, path: this.#path });
      requireFirst(file, this.#path, this.#checksum);
    } finally {
      file.close();
    }
  }

  /** Opens for reading only: what follows the last whole frame is the writer's business. */
  view(): Opened {
    this.#requireNoReplacement();
    const meta = this.#meta();
    try {
      meta.view(this.#redo);
      return this.#viewWith(meta);
    } catch (error) {
      meta.close();
      throw error;
    }
  }

  #viewWith(meta: MetaFile): Opened {
    const files = segmentFilesOf(this.#fileSystem, this.#path);
    const headIndex = meta.current?.headIndex ?? 1;
    for (;;) {
      const last = files.at(-1);
      if (last === undefined) throw new FileSystemError("ENOENT", "Open", this.#path);
      const file = this.#fileSystem.open(last.path, "read");
      const source = { ...this.#source(file, last.path), remembers: true };
      try {
        if (last.path === this.#path) requireFirst(source.file, this.#path, this.#checksum);
        const identity = file.identity();
        // Before the writer cuts a full segment, it removes the files after it.
        const isUntouched = (): boolean => this.#fileSystem.identify(last.path) === identity;
        const found = scanSegment(source);
        if (isUnfinished(found) && found.holds === "frames") throw beginningDamaged(source, found);
        if (isUnfinished(found) && files.length > 1) {
          source.file.close();
          files.pop();
          continue;
        }
        const { scan, decision } = judgeLive(
          source,
          isUnfinished(found) ? emptyScan(last.firstIndex) : found,
        );
        if (decision.case === "C" && this.#options.recovery === "default") {
          throw corrupt(source.path, scan, decision);
        }
        this.#requireLast(last, scan, files, meta);
        const { sealed } = this.#join(files, scan, headIndex);
        const durable = scan.offsets.countBelow(scan.vouched);
        const isStale = headIndex > scan.firstIndex + scan.offsets.count;
        const shown = isStale ? emptyScan(headIndex) : scan;
        const context = { ...this.#context(scan.logId), isUntouched };
        const active = new Segment(source, shown, isStale ? 0 : durable, context);
        const segments = new Segments(context, isStale ? [] : sealed, active);
        // What was found one after the other must have been there at one time.
        this.#requireNoReplacement();
        const isWhole = active.identity === identity && isUntouched() &&
          (shown.end === 0 || active.refresh()) && meta.isSame();
        if (!isWhole) throw new FileSystemError("EBUSY", "Read", last.path);
        return this.#opened(segments, meta, this.#report(source.path, decision, scan));
      } catch (error) {
        source.file.close();
        throw error;
      }
    }
  }

  /** Opens for writing: decides, does what was decided, and finishes what a crash left half done. */
  async recover(): Promise<Opened> {
    this.directory.hold();
    await this.#guardFiles();
    if (this.#redo.exists()) await this.#finishReplacement();
    const meta = this.#loadMeta("write");
    let opened: Opened | undefined;
    try {
      opened = await this.#recoverWith(meta);
      // The files may have been moved meanwhile.
      opened.segments.look();
      return opened;
    } catch (error) {
      opened?.segments.close();
      meta.close();
      throw error;
    }
  }

  async #recoverWith(meta: MetaFile): Promise<Opened> {
    const files = segmentFilesOf(this.#fileSystem, this.#path);
    if (files.length === 0) return await this.#makeFirst(meta);
    const headIndex = meta.current?.headIndex ?? 1;
    const { last, unused } = await this.#findLast(files, meta);
    let segments: Segments | undefined;
    try {
      const found = "decision" in last ? last.found : emptyScan(last.firstIndex);
      const { sealed, leftovers } = this.#join(files, found, headIndex);
      const logId = found.logId ?? meta.current?.logId;
      if (
        logId !== undefined && meta.current !== undefined && !sameLog(logId, meta.current.logId)
      ) {
        throw segmentDamaged(`${this.#path}.meta`, 0, 1, "it belongs to another log");
      }
      for (const file of leftovers) requireOwn(this.#fileSystem, this.#checksum, file, logId);
      for (const { path } of sealed) this.directory.keepClosed(path);
      await this.guards.take((sealed[0] ?? last).path, last.path);
      // What could make this refuse the log has been looked at. From here on it changes files.
      let removed: Recovery | undefined;
      for (const segment of unused) removed = await this.#removeUnused(segment);
      const { active, report } = "decision" in last
        ? await this.#recoverEnd(last.source, last.found, last.decision)
        : await this.#makeAnew(last.source, last.found, last.firstIndex, logId ?? randomLogId());
      const { source, scan } = active;
      const context = this.#context(scan.logId ?? logId);
      segments = new Segments(
        context,
        sealed,
        new Segment(source, scan, scan.offsets.count, context),
      );
      await meta.secure(this.#redo);
      for (const { path } of leftovers) this.directory.remove(path);
      // Whoever made the last file may have died before its name was durable.
      await this.directory.sync();
      // A Seal without a next segment is a roll that a crash interrupted.
      if (scan.seal !== undefined) {
        segments.goOnBehind({ ...scan, size: scan.end, checksum: scan.seal.checksum });
      }
      if (headIndex > segments.lastIndex + 1) await segments.moveTo(headIndex);
      else await segments.dropBefore(headIndex);
      return this.#opened(segments, meta, "decision" in last ? removed ?? report : report);
    } catch (error) {
      segments?.close();
      for (const { source } of [last, ...unused]) closeBoth(source);
      throw error;
    }
  }

  #opened(segments: Segments, meta: MetaFile, report: Recovery): Opened {
    const head = Math.max(segments.firstIndex, meta.current?.headIndex ?? 1);
    const entries = Math.max(0, segments.lastIndex + 1 - head);
    return {
      segments,
      meta,
      counters: this.#counters,
      directory: this.directory,
      guards: this.guards,
      recovery: { ...report, entries },
    };
  }

  /** Keeps other writers off the files that are there. */
  async #guardFiles(): Promise<void> {
    for (let tries = 1;; tries++) {
      const files = this.#oldestAndLast();
      try {
        await this.guards.take(...files);
      } catch (error) {
        const isGone = isFileSystemError(error) && error.code === "ENOENT";
        if (!isGone || tries >= GUARD_TRIES) throw error;
        continue;
      }
      // Another writer, without our lock, may have gone on in other files meanwhile.
      if (this.#oldestAndLast().join("\0") === files.join("\0")) return;
    }
  }

  #oldestAndLast(): string[] {
    const files = segmentFilesOf(this.#fileSystem, this.#path).map(({ path }) => path);
    return [...new Set([...files.slice(0, 1), ...files.slice(-1)])];
  }

  async #makeFirst(meta: MetaFile): Promise<Opened> {
    if (meta.current !== undefined) throw segmentMissing(this.#path, meta.current.headIndex);
    const context = this.#context(undefined);
    const active = createSegment(context, 1, NO_SEGMENT);
    try {
      await this.guards.take(active.path);
    } catch (error) {
      active.close();
      throw error;
    }
    const scan = emptyScan(1);
    const report = this.#report(active.path, { case: "A", vouched: 0 }, scan);
    const recovery = { ...report, offset: active.end, created: true };
    return this.#opened(new Segments(context, [], active), meta, recovery);
  }

  /**
   * Finds the last segment that was in use, decides about it, and takes those behind it, which never
   * were, out of the files. Nothing is changed.
   */
  async #findLast(
    files: SegmentFile[],
    meta: MetaFile,
  ): Promise<{ last: FoundSegment; unused: UnusedSegment[] }> {
    const headIndex = meta.current?.headIndex ?? 1;
    const isDefault = this.#options.recovery === "default";
    const unused: UnusedSegment[] = [];
    const opened: WritableSource[] = [];
    try {
      for (;;) {
        const file = files.at(-1);
        if (file === undefined) throw segmentMissing(this.#path, 1);
        const { file: first, second } = openTwice(this.#fileSystem, file.path);
        const source = { ...this.#source(first, file.path), second };
        opened.push(source);
        this.directory.keep(file.path, first);
        await this.#syncFile(source);
        const found = scanSegment(source);
        if (!isUnfinished(found)) {
          this.#requireLast(file, found, files, meta);
          const decision = decide(source, found);
          if (decision.case === "C" && isDefault) throw corrupt(source.path, found, decision);
          return { last: { ...file, source, found, decision }, unused };
        }
        if (found.holds === "frames" && isDefault) throw beginningDamaged(source, found);
        // A head index behind the file's first tells that it had entries: its making is long past.
        const isPast = files.length === 1 && headIndex > file.firstIndex;
        if (isPast && isDefault) throw beginningDamaged(source, found);
        if (files.length === 1) return { last: { ...file, source, found }, unused };
        unused.push({ ...file, source, found });
        files.pop();
      }
    } catch (error) {
      for (const source of opened) closeBoth(source);
      throw error;
    }
  }

  /** Refuses a last segment that is not what its name says. */
  #requireLast(
    file: SegmentFile,
    found: SegmentScan,
    files: readonly SegmentFile[],
    { current }: MetaFile,
  ): void {
    const others = files.filter(({ firstIndex }) => firstIndex !== file.firstIndex);
    requireLast(this.#fileSystem, this.#checksum, file, found, others, current?.logId);
    requireIndexes(file.path, found);
  }

  /** Removes a segment that was never in use: the crash came while it was made. */
  async #removeUnused({ path, firstIndex, source, found }: UnusedSegment): Promise<Recovery> {
    const setAside = found.holds === "nothing"
      ? undefined
      : await this.#setAside(source, firstIndex, 0, found.size);
    closeBoth(source);
    this.directory.remove(path);
    await this.directory.sync();
    const report = this.#report(path, { case: "E", vouched: 0 }, emptyScan(firstIndex));
    return { ...report, bytesCut: found.size, setAside };
  }

  /** Does what the decision table says of the bytes behind the last whole frame. */
  async #recoverEnd(
    source: WritableSource,
    found: SegmentScan,
    decision: Decision,
  ): Promise<{ active: Active; report: Recovery }> {
    const { end, size } = found;
    const setAside = mustKeep(decision, found)
      ? await this.#setAside(source, found.firstIndex, end, size)
      : undefined;
    await this.#secureTail(source, found);
    const report = {
      ...this.#report(source.path, decision, found),
      bytesCut: size - end,
      setAside,
    };
    return { active: { source, scan: found }, report };
  }

  /**
   * Cuts the file to its end, and makes durable what no Durable frame vouches for. After a sync that failed, the page cache may
   * hold it as clean, though the disk never had it: a further sync would succeed and do nothing ("Can
   * Applications Recover from fsync Failures?", A. Rebello and others, USENIX ATC 2020). So it is
   * written again. ext4 goes on losing what is written to blocks that it could not write at first,
   * until they are given up, so the file is cut first, and a redo file has the bytes meanwhile.
   */
  async #secureTail(source: SegmentSource, scan: SegmentScan): Promise<void> {
    const { file, path } = source;
    const { firstIndex, end, entriesEnd } = scan;
    const vouched = Math.min(scan.vouched, end);
    const isLoose = vouched > 0 && entriesEnd <= vouched && scan.seal === undefined &&
      end - vouched <= MAX_LOOSE;
    try {
      if (scan.version === 1) {
        // Nothing vouches for any of it, and it may be large.
        if (end < scan.size) file.truncate(end);
        writeAll(file, 0, pieces(file, 0, end));
      } else if (isLoose) {
        // No entry is in it: if a crash takes it, nothing is lost.
        const tail = new Uint8Array(end - vouched);
        file.read(tail, vouched);
        if (vouched < scan.size) file.truncate(vouched);
        if (tail.length > 0) file.write(tail, vouched);
      } else {
        const target = { file, firstIndex, offset: vouched };
        if (await this.#redo.tryBegin(target, pieces(file, vouched, end), end - vouched)) {
          await this.#redo.finish(target, end - vouched);
          await this.#redo.end();
        } else {
          if (end < scan.size) file.truncate(end);
          writeAll(file, vouched, pieces(file, vouched, end));
        }
      }
    } catch (cause) {
      throw outcomeUnknown(path, 0, "what the log holds", cause);
    }
    await this.#syncFile(source);
  }

  /** Goes on with the replacement of a tail that a crash interrupted, or takes it back. */
  async #finishReplacement(): Promise<void> {
    const replacement = this.#loadReplacement();
    if (replacement !== undefined) {
      const { path, record } = replacement;
      if (record.firstIndex === META_FILE) await this.#meta().restore(this.#redo, record);
      else await this.#replaceTail(path, record);
    }
    await this.#redo.end();
  }

  /** The replacement that was interrupted, and the path of the file; none if that is not there. */
  #loadReplacement(): { path: string; record: InterruptedRedo } | undefined {
    const record = this.#redo.load();
    if (record === undefined) return undefined;
    const { firstIndex } = record;
    const files = segmentFilesOf(this.#fileSystem, this.#path);
    const path = firstIndex === META_FILE
      ? `${this.#path}.meta`
      : files.find((segment) => segment.firstIndex === firstIndex)?.path;
    // The redo file is durable together with all names, so without the other it was not yet in use.
    const names = this.#fileSystem.list(directoryOf(this.#path));
    return path !== undefined && names.includes(nameOf(path)) ? { path, record } : undefined;
  }

  /**
   * Refuses to show a file in the middle of a replacement, which holds neither what it did nor what
   * it is to. The writer may be done with it soon.
   */
  #requireNoReplacement(): void {
    const replacement = this.#redo.exists() ? this.#loadReplacement() : undefined;
    // What the meta file is to hold is read from the redo file.
    if (replacement === undefined || replacement.record.firstIndex === META_FILE) return;
    const { path, record } = replacement;
    const file = this.#fileSystem.open(path, "read");
    try {
      // With its old tail, whatever the mark says, or the new one, it can be shown.
      const isOld = this.#redo.isUntouched(file, { ...record, isInUse: false });
      if (isOld || this.#redo.isFinished(file, record)) return;
    } finally {
      file.close();
    }
    throw new FileSystemError("EBUSY", "Read", path);
  }

  async #replaceTail(path: string, record: InterruptedRedo): Promise<void> {
    const { firstIndex, offset } = record;
    const behind = segmentFilesOf(this.#fileSystem, this.#path)
      .filter((segment) => segment.firstIndex > firstIndex);
    const logId = logIdOf(this.#fileSystem, this.#checksum, { path, firstIndex });
    for (const segment of behind) requireOwn(this.#fileSystem, this.#checksum, segment, logId);
    const file = this.#fileSystem.open(path, "write");
    try {
      if (this.#redo.isUntouched(file, record)) return;
      // A truncation drops the segments behind first, newest first.
      // Whoever removed one may have died before that was durable.
      await this.directory.sync();
      for (const segment of behind.toReversed()) {
        this.directory.remove(segment.path);
        await this.directory.sync();
      }
      this.#redo.goOn(record);
      await this.#redo.finish({ file, firstIndex, offset }, record.length);
    } catch (cause) {
      throw outcomeUnknown(path, 0, "the truncation that was interrupted", cause);
    } finally {
      file.close();
    }
  }

  /** Makes a log anew in a file whose making was interrupted, or (salvage) whose beginning is gone. */
  async #makeAnew(
    source: WritableSource,
    { holds, size }: UnfinishedSegment,
    firstIndex: number,
    logId: Uint8Array,
  ): Promise<{ active: Active; report: Recovery }> {
    const setAside = holds === "nothing"
      ? undefined
      : await this.#setAside(source, firstIndex, 0, size);
    source.file.truncate(0);
    // A segment of version 1 cannot say where it begins.
    const version = firstIndex === 1 ? this.#options.format : 2;
    beginSegment(source, { version, logId, firstIndex, previous: NO_SEGMENT });
    await this.#syncFile(source);
    const scan = scanSegment(source);
    if (isUnfinished(scan)) throw new FileSystemError("EIO", "Read back", source.path);
    const verdict = holds === "frames" ? "C" : size === 0 ? "A" : "E";
    const report = this.#report(source.path, { case: verdict, vouched: 0 }, scan);
    return {
      active: { source, scan },
      report: { ...report, offset: 0, bytesCut: size, setAside, created: true },
    };
  }

  #join(files: readonly SegmentFile[], last: SegmentScan, headIndex: number): JoinedSegments {
    return joinSegments(this.#fileSystem, this.#checksum, this.#path, files, last, headIndex);
  }

  #setAside({ file }: SegmentSource, segment: number, from: number, to: number): Promise<string> {
    const { mode: permissions } = this.#options;
    const stretch = { file, logPath: this.#path, segment, from, to, permissions };
    return setAside(this.directory, stretch);
  }

  #meta(): MetaFile {
    const path = `${this.#path}.meta`;
    const { mode } = this.#options;
    return new MetaFile(this.#fileSystem, this.directory, path, mode, this.#checksum);
  }

  #loadMeta(mode: "read" | "write"): MetaFile {
    const meta = this.#meta();
    meta.load(mode);
    return meta;
  }

  #source(file: File, path: string): SegmentSource {
    return { file, path, checksum: this.#checksum, maxEntrySize: this.#options.maxEntrySize };
  }

  #context(logId: Uint8Array | undefined): SegmentContext {
    const { maxEntrySize, segmentSize, format, preallocate, mode } = this.#options;
    return {
      fileSystem: this.#fileSystem,
      directory: this.directory,
      path: this.#path,
      checksum: this.#checksum,
      maxEntrySize,
      segmentSize,
      format,
      permissions: mode,
      logId: logId ?? randomLogId(),
      counters: this.#counters,
      preallocate,
      redo: this.#redo,
      guards: this.guards,
    };
  }

  /**
   * Makes a directory and its parents, each durable in its own parent; also those that are there, as
   * far as whoever made them may have died before.
   */
  async #makeDirectories(path: string): Promise<void> {
    if (this.#fileSystem.identify(path) !== undefined) return await this.#syncParentIfAllowed(path);
    const permissions = this.#options.mode | ((this.#options.mode & 0o444) >> 2);
    const parent = directoryOf(path);
    try {
      // A name that cannot be made durable is not made: the next open would take it for one that is.
      await this.#fileSystem.syncDirectory(parent);
      await this.#syncParentIfAllowed(parent);
    } catch (error) {
      if (!isFileSystemError(error) || error.code !== "ENOENT" || parent === path) throw error;
      await this.#makeDirectories(parent);
    }
    try {
      this.#fileSystem.makeDirectory(path, permissions);
    } catch (error) {
      // Another process was faster.
      if (!isFileSystemError(error) || error.code !== "EEXIST") throw error;
    }
    await this.#fileSystem.syncDirectory(parent);
  }

  /** Makes a directory's name durable, if this process has the right to. */
  async #syncParentIfAllowed(directory: string): Promise<void> {
    const parent = directoryOf(directory);
    if (parent === directory) return;
    try {
      await this.#fileSystem.syncDirectory(parent);
    } catch (error) {
      const isDenied = isFileSystemError(error) &&
        (error.code === "EACCES" || error.code === "EPERM");
      if (!isDenied) throw error;
    }
  }

  async #syncFile({ file, path }: SegmentSource): Promise<void> {
    try {
      await file.sync();
    } catch (cause) {
      throw outcomeUnknown(path, 0, "what the log holds", cause);
    }
  }

  #report(segment: string, decision: Decision, scan: SegmentScan): Recovery {
    return {
      case: decision.case,
      segment,
      offset: scan.end,
      bytesCut: 0,
      setAside: undefined,
      entries: scan.offsets.count,
      created: false,
    };
  }
}

function closeBoth({ file, second }: WritableSource): void {
  file.close();
  second.close();
}

/** Writes pieces one behind the other. */
function writeAll(file: File, offset: number, pieces: Iterable<Uint8Array>): void {
  for (const piece of pieces) {
    file.write(piece, offset);
    offset += piece.length;
  }
}

/**
 * Judges the end of a file that its writer may be writing to, in space that was there before: what
 * began no whole frame when it was scanned may be one by the time that what follows it is looked at.
 */
function judgeLive(
  source: SegmentSource,
  scan: SegmentScan,
): { scan: SegmentScan; decision: Decision } {
  for (let tries = 1;; tries++) {
    const decision = decide(source, scan);
    if (decision.case === "A" || decision.case === "B") return { scan, decision };
    const now = scanOn(source, scan);
    if (now.end === scan.end) return { scan, decision };
    // The writer is faster than we are: where it was is the end so far.
    if (tries >= READER_TRIES) return { scan: now, decision: { case: "A", vouched: now.vouched } };
    scan = now;
  }
}

/** Whether the bytes that are cut off may be more than a torn write. */
function mustKeep(decision: Decision, { version }: SegmentScan): boolean {
  if (decision.case === "C" || decision.case === "D") return true;
  // Nothing in version 1 tells a torn last entry from one that was durable and has rotted since.
  return decision.case === "E" && version === 1;
}

function randomLogId(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(LOG_ID_SIZE));
}

/** What a reader sees of a log that is being made. */
function emptyScan(firstIndex: number): SegmentScan {
  return { ...noFrames(1), firstIndex, end: 0, size: 0 };
}

function beginningDamaged({ path }: SegmentSource, { at }: UnfinishedSegment): CorruptionError {
  return new CorruptionError(
    `"${path}" is damaged at offset ${at}: its ${at === 0 ? "header" : "Segment frame"} is not ` +
      `valid, but whole frames follow. Every entry in it is at risk. ${RESTORE} To go on without ` +
      'them, open the log with { recovery: "salvage" }: all of the file is set aside.',
    { path, offset: at, firstIndexAtRisk: 1 },
  );
}

function corrupt(path: string, scan: SegmentScan, decision: Decision): CorruptionError {
  const firstIndexAtRisk = scan.firstIndex + scan.offsets.count;
  return new CorruptionError(
    `"${path}" is damaged at offset ${scan.end}: a later frame vouches that all bytes up to ` +
      `offset ${decision.vouched} were durable. Entries from index ${firstIndexAtRisk} on are at ` +
      `risk. ${RESTORE} To go on with what is before them, open the log with ` +
      '{ recovery: "salvage" }: the bytes from there on are set aside.',
    { path, offset: scan.end, firstIndexAtRisk },
  );
}

/** The log's error for a failed call, with what to do next. */
function describe(error: FileSystemError, path: string): WalError {
  const isNodes = memberOf(error.cause, "code") === "ERR_ACCESS_DENIED";
  const [code, advice]: [WalErrorCode, string] = isNodes ? NO_SYNC : ADVICE[error.code] ??
    ["ERR_WAL_IO", "Mend the cause and open the log again."];
  return new WalError(code, `Cannot open the log "${path}": ${reasonOf(error)}. ${advice}`, {
    cause: error,
  });
}

const NO_PERMISSION: [WalErrorCode, string] = [
  "ERR_WAL_PERMISSION",
  "Allow this process to read and write the file and its directory, and to read the directory above " +
  "one that is to be made (on Deno, by --allow-read and --allow-write too), or open it with " +
  "{ readOnly: true }.",
];

const NO_SYNC: [WalErrorCode, string] = [
  "ERR_WAL_PERMISSION",
  "Node's permission model (--permission) refuses fsync, whatever is granted, so nothing could be " +
  "made durable: run Node without it to write. To read, open with { readOnly: true } and grant " +
  "--allow-fs-read for the log's directory.",
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
  EBUSY: [
    "ERR_WAL_IO",
    "It is being opened to write or truncated, or that was interrupted: open it again, or to write.",
  ],
  ENAMETOOLONG: ["ERR_WAL_INVALID_ARGUMENT", "Choose a shorter one, or another directory."],
  ENOENT: ["ERR_WAL_NOT_FOUND", "Check the path; a log is made only when it is opened to write."],
};
