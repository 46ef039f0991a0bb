/**
 * From a path to an open log: the lock, then findings, a plan and its steps.
 *
 * What this returns is durable. The last segment is fsynced before it is scanned, so that nothing
 * is decided on bytes that the disk never had; what no Durable frame covers is written again and
 * fsynced; whatever is changed is fsynced, and its directory too.
 *
 * @module
 */
import { CorruptionError, WalError } from "../errors.ts";
import type { SegmentFile } from "../files/beginning.ts";
import { requireOwnPath, segmentFilesOf } from "../files/chain.ts";
import { requireRoom } from "../files/log_name.ts";
import { lockPath } from "../files/names.ts";
import { logPathOf } from "../files/log_path.ts";
import type { Guards } from "../files/guards.ts";
import type { MetaFile } from "../files/meta.ts";
import type { SegmentList } from "../files/segment_list.ts";
import type { Segments } from "../files/segments.ts";
import { pause } from "../fs/clock.ts";
import { type FileSystem, isFileSystemError, type WriterLock } from "../fs/file_system.ts";
import type { LogDirectory } from "../fs/log_directory.ts";
import { directoryOf, nameOf } from "../fs/path.ts";
import type { ResolvedOptions } from "../options.ts";
import { decide, type RecoveryCase } from "../segment/decision.ts";
import type { SegmentCounters } from "../segment/settings.ts";
import type { WatchedSegment } from "../segment/watched_segment.ts";
import { openTwice, type WritableSource } from "../segment/writable_source.ts";
import { describe } from "./advice.ts";
import { makeDirectories } from "./directories.ts";
import {
  type Findings,
  headIndexOf,
  type Judge,
  lookAtMeta,
  lookAtRedo,
  type MetaFinding,
  SegmentLook,
} from "./findings.ts";
import { memoryMapOf } from "./memory_map.ts";
import { type OpenPlan, planOpening, planReplacement } from "./plan.ts";
import { Setting } from "./setting.ts";
import { closeBoth, finishReplacement, Steps, syncSegment } from "./steps.ts";
import { view } from "./view.ts";
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
  /** How many bytes after that were cut off; 0 in a log opened with `readOnly`. */
  readonly bytesCut: number;
  /** The file that the bytes were set aside in before they were cut, if they were. */
  readonly setAside: string | undefined;
  /**
   * All files in which this open has set bytes aside, those of the newest segment first: besides
   * {@linkcode setAside} those of other segments that were cut or removed. Empty if there are none.
   */
  readonly setAsideFiles: readonly string[];
  /** How many entries the log has kept. */
  readonly entries: number;
  /** Whether the log was made, or made again because its making was interrupted. */
  readonly created: boolean;
}

/** What a log has however it is opened. */
interface OpenedParts {
  readonly meta: MetaFile;
  readonly counters: SegmentCounters;
  readonly directory: LogDirectory;
  readonly guards: Guards;
  readonly recovery: Recovery;
  /** What the files are mapped for, or why they are not. */
  readonly memoryMap: string;
}

/** The parts of a log that is open to write. */
export interface WritableLog extends OpenedParts {
  readonly kind: "writable";
  readonly segments: Segments;
  readonly lock: WriterLock;
}

/** The parts of a log that is open to read only. */
export interface ReadOnlyLog extends OpenedParts {
  readonly kind: "read-only";
  readonly segments: SegmentList<WatchedSegment>;
  readonly lock: undefined;
}

/** An open log's parts. */
export type OpenedLog = WritableLog | ReadOnlyLog;

/** How often files are looked for again that vanish while an open looks at them. */
const GUARD_TRIES = 20;

/** How often a reader looks again at files that a writer changes meanwhile. */
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
export function openLog(
  fileSystem: FileSystem,
  path: string,
  options: ResolvedOptions,
): Promise<OpenedLog> {
  return options.readOnly
    ? openToRead(fileSystem, path, options)
    : openToWrite(fileSystem, path, options);
}

async function openToWrite(
  fileSystem: FileSystem,
  path: string,
  options: ResolvedOptions,
): Promise<WritableLog> {
  let lock: WriterLock | undefined;
  const setting = new Setting(fileSystem, path, options);
  try {
    await prepare(setting);
    lock = await fileSystem.lock(lockPath(path), options.mode);
    acceptLock(lock, options.lock, path);
    setting.directory.keepLock(lockPath(path), lock);
    return { ...await recover(setting), lock };
  } catch (error) {
    setting.directory.close();
    await setting.guards.close();
    releaseAnyhow(lock);
    // To free the space of dropped entries may take a new segment.
    const isFull = error instanceof WalError && error.code === "ERR_WAL_WRITE_FAILED";
    const cause = isFull ? error.cause : error;
    throw isFileSystemError(cause) ? describe(cause, path) : error;
  }
}

/** Gives the lock back of an open that has failed already. */
function releaseAnyhow(lock: WriterLock | undefined): void {
  try {
    lock?.release();
  } catch (error) {
    if (!isFileSystemError(error)) throw error;
  }
}

/** Makes the directory, and refuses a file that is no log before a lock file is made beside it. */
async function prepare({ fileSystem, path, checksum, options }: Setting): Promise<void> {
  requireRoom(fileSystem, path);
  try {
    requireOwnPath(fileSystem, checksum, path);
  } catch (error) {
    if (!isFileSystemError(error) || error.code !== "ENOENT") throw error;
    await makeDirectories(fileSystem, directoryOf(path), options.mode);
    // In a directory that was not there, a name cannot be tried.
    requireRoom(fileSystem, path);
  }
}

type Opened = Omit<WritableLog, "lock">;

/** Opens for writing: looks, plans, and does the plan's steps. */
async function recover(setting: Setting): Promise<Opened> {
  setting.directory.hold();
  await guardFiles(setting);
  await finishInterrupted(setting);
  const meta = setting.meta();
  let opened: Opened | undefined;
  try {
    const found = lookAtMeta(setting.metaPath, meta, () => meta.load("write"));
    opened = await recoverSegments(setting, meta, found);
    // The files may have been moved meanwhile.
    opened.segments.look();
    return opened;
  } catch (error) {
    opened?.segments.close();
    meta.close();
    throw error;
  }
}

/** Finishes the replacement of a tail that a crash interrupted, or takes it back. */
async function finishInterrupted(setting: Setting): Promise<void> {
  const plan = planReplacement(lookAtRedo(setting, setting.redo));
  if (plan?.kind === "refuse") throw plan.error;
  if (plan !== undefined) await finishReplacement(setting, plan.steps);
}

async function recoverSegments(
  setting: Setting,
  meta: MetaFile,
  found: MetaFinding,
): Promise<Opened> {
  const look = lookDurably(setting);
  try {
    const findings = await findingsOf(look, found);
    const plan = planOpening(findings, setting.options);
    if (plan.kind === "refuse") throw plan.error;
    await guardPlanned(setting, plan);
    // What could make this refuse the log has been looked at. From here on it changes files.
    const steps = new Steps(setting, plan, meta, look);
    const segments = await steps.run();
    const { segment } = plan.report;
    const parts = partsOf(setting, segments.list, meta, {
      ...reportOf(plan),
      bytesCut: plan.report.bytesCut,
      setAside: steps.copyOf(segment),
      setAsideFiles: steps.copies,
      created: plan.report.created,
    });
    return { kind: "writable", segments, ...parts };
  } catch (error) {
    look.close();
    throw error;
  }
}

/** Looks at the segments to write them. */
function lookDurably(setting: Setting): SegmentLook<WritableSource> {
  const open = ({ path }: SegmentFile): WritableSource => {
    const both = openTwice(setting.fileSystem, path);
    try {
      setting.directory.keep(path, both.file);
    } catch (error) {
      closeBoth(both);
      throw error;
    }
    return { ...setting.source(both.file, path), second: both.second };
  };
  const judge: Judge = (source, scan) => ({ scan, decision: decide(source, scan) });
  return new SegmentLook<WritableSource>(setting, { open, close: closeBoth }, judge);
}

/** Takes the findings; nothing is read of a segment's end before it is durable. */
async function findingsOf(
  look: SegmentLook<WritableSource>,
  meta: MetaFinding,
): Promise<Findings> {
  for (const source of look.ends(headIndexOf(meta))) await syncSegment(source);
  return look.findings(meta);
}

/** Keeps other writers off the files that the plan keeps. */
async function guardPlanned(
  { directory, guards }: Setting,
  { sealed, last }: OpenPlan,
): Promise<void> {
  for (const { path } of sealed) directory.keepClosed(path);
  if (last !== undefined) await guards.take((sealed[0] ?? last).path, last.path);
}

/** Keeps other writers off the files that are there. */
async function guardFiles(setting: Setting): Promise<void> {
  for (let tries = 1;; tries++) {
    const files = oldestAndLast(setting);
    try {
      await setting.guards.take(...files);
    } catch (error) {
      const isGone = isFileSystemError(error) && error.code === "ENOENT";
      if (!isGone || tries >= GUARD_TRIES) throw error;
      continue;
    }
    // Another writer, without our lock, may have continued in other files meanwhile.
    if (oldestAndLast(setting).join("\0") === files.join("\0")) return;
  }
}

function oldestAndLast({ fileSystem, path }: Setting): string[] {
  const files = segmentFilesOf(fileSystem, path).map(({ path }) => path);
  return [...new Set([...files.slice(0, 1), ...files.slice(-1)])];
}

/** Opens a log for reading, which {@linkcode locateLog} has found. */
export async function openToRead(
  fileSystem: FileSystem,
  path: string,
  options: ResolvedOptions,
): Promise<ReadOnlyLog> {
  try {
    return await viewPatiently(fileSystem, path, options);
  } catch (error) {
    throw isFileSystemError(error) ? describe(error, path) : error;
  }
}

/** Opens for reading, and looks again for a moment while the writer changes the files. */
async function viewPatiently(
  fileSystem: FileSystem,
  path: string,
  options: ResolvedOptions,
): Promise<ReadOnlyLog> {
  for (let tries = 1;; tries++) {
    try {
      return viewOnce(fileSystem, path, options);
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
): ReadOnlyLog {
  const wait = new Int32Array(new SharedArrayBuffer(4));
  for (let tries = 1;; tries++) {
    try {
      return viewOnce(fileSystem, path, options);
    } catch (error) {
      if (!mayPass(error, fileSystem, path, tries)) throw error;
      Atomics.wait(wait, 0, 0, tries);
    }
  }
}

/**
 * Opens for reading, with one look at the files.
 *
 * @throws {FileSystemError} And what {@linkcode openLog} throws.
 */
export function viewOnce(
  fileSystem: FileSystem,
  path: string,
  options: ResolvedOptions,
): ReadOnlyLog {
  const setting = new Setting(fileSystem, path, options);
  const { segments, meta, plan } = view(setting);
  const parts = partsOf(setting, segments, meta, reportOf(plan));
  return { kind: "read-only", segments, ...parts, lock: undefined };
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

/** What a reader reports, which has changed nothing. */
function reportOf({ report }: OpenPlan): Omit<Recovery, "entries"> {
  const { case: verdict, segment, offset } = report;
  const nothing = { bytesCut: 0, setAside: undefined, setAsideFiles: [], created: false };
  return { case: verdict, segment, offset, ...nothing };
}

function partsOf(
  { fileSystem, options, counters, directory, guards }: Setting,
  segments: SegmentList,
  meta: MetaFile,
  report: Omit<Recovery, "entries">,
): OpenedParts {
  const head = Math.max(segments.firstIndex, meta.current?.headIndex ?? 1);
  const entries = Math.max(0, segments.lastIndex + 1 - head);
  const memoryMap = memoryMapOf(fileSystem, segments.last.path, options);
  return { meta, counters, directory, guards, recovery: { ...report, entries }, memoryMap };
}
