/**
 * The files of segments that are written: a new one is made, a full one is opened again, an empty one
 * begins with another version.
 *
 * @module
 */
import { isEnd, MovedError, outcomeUnknown, writeFailed } from "../errors.ts";
import type { FormatVersion } from "../format/file_header.ts";
import { NO_SEGMENT, type PreviousSegment } from "../format/segment_frame.ts";
import {
  type FileHandle,
  type FileSystem,
  FileSystemError,
  isFileSystemError,
} from "../fs/file_system.ts";
import type { LogDirectory } from "../fs/log_directory.ts";
import { type SegmentBeginning, segmentBeginning } from "../segment/beginning.ts";
import { isUnfinished, scanSegment } from "../segment/scan.ts";
import { scanFull, type SealedSegmentInfo, segmentDamaged } from "../segment/sealed_segment.ts";
import { Segment } from "../segment/segment.ts";
import type { SegmentSettings } from "../segment/settings.ts";
import type { SegmentSource } from "../segment/source.ts";
import { openAgain, openTwice, type WritableSource } from "../segment/writable_source.ts";
import type { Guards } from "./guards.ts";
import { segmentPath } from "./names.ts";
import type { RedoFile } from "./redo.ts";

/** What all segments of a log have in common. */
export interface SegmentContext extends SegmentSettings {
  readonly fileSystem: FileSystem;
  readonly directory: LogDirectory;
  /** The log's path. */
  readonly path: string;
  readonly checksum: SegmentSource["checksum"];
  readonly maxEntrySize: number;
  /** When a segment is full, in bytes. */
  readonly segmentSize: number;
  /** The version of new segments; 1 never rolls. */
  readonly format: FormatVersion;
  readonly permissions: number;
  readonly logId: Uint8Array;
  readonly redo: RedoFile;
  /** Keeps other writers off the oldest file and the last. */
  readonly guards: Guards;
}

/**
 * Makes a segment and makes it and its name durable, while the caller waits.
 *
 * @throws {FileSystemError} If it could not be made; then there is no file.
 * @throws {SyncFailedError} If the outcome is unknown.
 */
export function createSegment(
  context: SegmentContext,
  firstIndex: number,
  previous: PreviousSegment,
): Segment {
  return makeSegment(context, { firstIndex, previous, isPending: false }, firstIndex - 1);
}

/**
 * Makes a segment after one that may not be durable, and waits for nothing.
 *
 * @param durableIndex The last durable entry, for an error.
 * @throws {FileSystemError} If it could not be made; then there is no file.
 * @throws {SyncFailedError} If there may be one.
 */
export function beginNextSegment(
  context: SegmentContext,
  firstIndex: number,
  previous: PreviousSegment,
  durableIndex: number,
): Segment {
  return makeSegment(context, { firstIndex, previous, isPending: true }, durableIndex);
}

function makeSegment(
  context: SegmentContext,
  beginning: Omit<SegmentBeginning, "version" | "logId">,
  durableIndex: number,
): Segment {
  const { fileSystem, directory, checksum, logId, maxEntrySize, permissions } = context;
  const { firstIndex, isPending } = beginning;
  // A segment of version 1 cannot say where it begins.
  const version = firstIndex === 1 ? context.format : 2;
  const path = segmentPath(context.path, firstIndex);
  const file = directory.create(path, permissions, true);
  let second: FileHandle | undefined;
  try {
    second = openAgain(fileSystem, path, file);
    const source = { file, second, path, checksum, maxEntrySize };
    beginSegment(source, { version, logId, ...beginning });
    if (!isPending) syncNewSegment(source, directory, firstIndex);
    // Meanwhile the directory may have gone.
    directory.require(path);
    const scan = scanSegment(source);
    if (isUnfinished(scan)) throw new FileSystemError("EIO", "Read back", path);
    return new Segment(source, scan, 0, context);
  } catch (error) {
    file.close();
    second?.close();
    if (isEnd(error)) throw error;
    try {
      // A file that came back after a crash would stand after entries that are yet to be appended.
      directory.remove(path);
      directory.syncBlocking();
    } catch (cause) {
      const doing = "the removal of a segment that could not be made";
      throw outcomeUnknown(path, durableIndex, doing, cause);
    }
    throw error;
  }
}

function syncNewSegment(
  { file, path }: WritableSource,
  directory: LogDirectory,
  firstIndex: number,
): void {
  try {
    file.syncBlocking();
    directory.syncBlocking();
  } catch (cause) {
    throw outcomeUnknown(path, firstIndex - 1, "a new segment", cause);
  }
}

/** Writes the beginning of an empty file. */
export function beginSegment(source: SegmentSource, beginning: SegmentBeginning): void {
  source.file.write(segmentBeginning(source.checksum, beginning), 0);
}

/**
 * Makes an empty segment of version 1, which has no frame that makes an atom, one of version 2.
 *
 * @param empty The segment, whose file is closed by this.
 * @throws {WalError} `ERR_WAL_WRITE_FAILED`: nothing was changed.
 * @throws {SyncFailedError} If the outcome is unknown.
 */
export function beginAgain(context: SegmentContext, empty: Segment): Segment {
  const { logId } = context;
  const { path, firstIndex } = empty;
  const source = openToBegin(context, path);
  try {
    source.file.truncate(0);
    beginSegment(source, { version: 2, logId, firstIndex, previous: NO_SEGMENT });
    source.file.syncBlocking();
    const scan = scanSegment(source);
    if (isUnfinished(scan)) throw new FileSystemError("EIO", "Read back", path);
    empty.close();
    return new Segment(source, scan, 0, context);
  } catch (cause) {
    source.file.close();
    source.second.close();
    throw outcomeUnknown(path, firstIndex - 1, "the new beginning of an empty log", cause);
  }
}

function openToBegin(context: SegmentContext, path: string): WritableSource {
  try {
    return writable(context, path);
  } catch (cause) {
    throw writeFailed(`begin "${path}" again`, cause);
  }
}

/**
 * Opens a full segment to be appended to again.
 *
 * @throws {CorruptionError} If it does not hold the entries that it should.
 * @throws {FileSystemError} If it cannot be opened or read.
 * @throws {MovedError} If it is no longer where it was.
 */
export function reopenSegment(context: SegmentContext, info: SealedSegmentInfo): Segment {
  const { directory } = context;
  directory.require(info.path);
  const source = writable(context, info.path);
  try {
    const scan = scanFull(source, info.size);
    if (isUnfinished(scan) || scan.offsets.count !== info.count) {
      const found = isUnfinished(scan) ? 0 : scan.offsets.count;
      const offset = isUnfinished(scan) ? 0 : scan.end;
      const what = `it has ${found} whole entries of ${info.count}`;
      throw segmentDamaged(info.path, offset, info.firstIndex + found, what);
    }
    // All that comes after it is dropped next, so it has to be the one that is meant.
    directory.require(info.path);
    return new Segment(source, scan, scan.offsets.count, context);
  } catch (error) {
    source.file.close();
    source.second.close();
    throw error;
  }
}

function writable(context: SegmentContext, path: string): WritableSource {
  const { fileSystem, checksum, maxEntrySize } = context;
  return { ...openTwice(fileSystem, path), path, checksum, maxEntrySize };
}

/**
 * Looks whether a full segment has its size. A file that is not open may have gone, and its number to
 * one that was made in its place.
 *
 * @throws {MovedError} If it has another.
 */
export function requireSize(
  fileSystem: FileSystem,
  { path, size }: Pick<SealedSegmentInfo, "path" | "size">,
): void {
  let found: number;
  try {
    found = sizeOf(fileSystem, path);
  } catch (error) {
    // It leads to a file, and that is all that can be told.
    if (isFileSystemError(error)) return;
    throw error;
  }
  if (found !== size) throw new MovedError(path, 0, "was cut or replaced");
}

function sizeOf(fileSystem: FileSystem, path: string): number {
  const file = fileSystem.open(path, "read");
  try {
    return file.size();
  } finally {
    file.close();
  }
}
