/**
 * Whether the files of a log join: each segment vouches for the one before it, back to the head.
 *
 * @module
 */
import { CorruptionError, RESTORE, WalError } from "../errors.ts";
import type { FrameChecksum } from "../format/checksum.ts";
import { FILE_HEADER_SIZE, type FormatVersion, readFileHeader } from "../format/file_header.ts";
import { FRAME_HEADER_SIZE } from "../format/frame.ts";
import { readInternalPayload } from "../format/kinds.ts";
import { sameLog } from "../format/log_id.ts";
import {
  NO_SEGMENT,
  type PreviousSegment,
  SEGMENT_FRAME_SIZE,
  type SegmentFrame,
} from "../format/segment_frame.ts";
import { MAX_INDEX } from "../format/limits.ts";
import type { File, FileSystem } from "../fs/file_system.ts";
import { directoryOf, nameOf, pathIn } from "../fs/path.ts";
import { pieces } from "../fs/stretch.ts";
import type { SegmentScan } from "../segment/frame_walk.ts";
import { type SealedSegmentInfo, segmentDamaged } from "../segment/sealed_segment.ts";
import { firstIndexOf, isBeyondEnd, segmentPath } from "./segments.ts";

/** A segment's file, by its name. */
export interface SegmentFile {
  readonly path: string;
  /** The index of its first entry. */
  readonly firstIndex: number;
}

/** What a log's files are once they are joined. */
export interface JoinedSegments {
  /** The full segments, in order. */
  readonly sealed: SealedSegmentInfo[];
  /** Files before the head, which should have been removed. */
  readonly leftovers: SegmentFile[];
}

/**
 * The files of the log at `path`, by their names, in order.
 *
 * @throws {WalError} `ERR_WAL_FORMAT` if one is named by an index that no entry can have.
 */
export function segmentFilesOf(fileSystem: FileSystem, path: string): SegmentFile[] {
  const name = nameOf(path);
  return fileSystem.list(directoryOf(path))
    .flatMap((file) => {
      if (isBeyondEnd(name, file)) throw beyondEnd(pathIn(directoryOf(path), file));
      const firstIndex = firstIndexOf(name, file);
      return firstIndex === undefined ? [] : [{ firstIndex, path: segmentPath(path, firstIndex) }];
    })
    .sort((a, b) => a.firstIndex - b.firstIndex);
}

/**
 * Joins the segments before the last, from the newest on.
 *
 * @param files All files of the log, in order.
 * @param last What the last of them holds.
 * @throws {CorruptionError} Naming the first that is missing or is not what it should be.
 */
export function joinSegments(
  fileSystem: FileSystem,
  checksum: FrameChecksum,
  path: string,
  files: readonly SegmentFile[],
  last: SegmentScan,
  headIndex: number,
): JoinedSegments {
  const sealed: SealedSegmentInfo[] = [];
  const before = files.slice(0, -1);
  let next: { firstIndex: number; previous: PreviousSegment } = last;
  while (next.firstIndex > headIndex) {
    const { previous } = next;
    const file = before.pop();
    if (file !== undefined && file.firstIndex > previous.firstIndex) {
      requireOwn(fileSystem, checksum, file, last.logId);
    }
    if (file === undefined || file.firstIndex !== previous.firstIndex) {
      throw segmentMissing(path, previous.firstIndex === 0 ? headIndex : previous.firstIndex);
    }
    const own = readBeginning(fileSystem, checksum, file, previous.size, last.logId);
    sealed.unshift({
      ...file,
      count: next.firstIndex - file.firstIndex,
      size: previous.size,
      checksum: previous.checksum,
    });
    next = { firstIndex: file.firstIndex, previous: own };
  }
  return { sealed, leftovers: before };
}

/** The error for a segment with an index that no entry can have. */
function beyondEnd(path: string): WalError {
  return new WalError(
    "ERR_WAL_FORMAT",
    `"${path}" is no segment that this library can use: its entries would go beyond the index ` +
      `${MAX_INDEX}, the largest that there is. Nothing was changed. Move the file away if it is ` +
      "not the log's.",
  );
}

/**
 * Refuses a segment with more entries than there are indexes.
 *
 * @throws {WalError} `ERR_WAL_FORMAT`.
 */
export function requireIndexes(path: string, { firstIndex, offsets }: SegmentScan): void {
  if (firstIndex - 1 + offsets.count > MAX_INDEX) throw beyondEnd(path);
}

/** Refuses a segment whose name and Segment frame, or whose log and the log's id, do not agree. */
export function requireSegment(
  { path, firstIndex }: SegmentFile,
  found: Pick<SegmentScan, "firstIndex" | "logId">,
  logId: Uint8Array | undefined,
): void {
  if (found.firstIndex !== firstIndex) {
    const what = `it is the segment from index ${found.firstIndex}, not from ${firstIndex}`;
    throw segmentDamaged(path, FILE_HEADER_SIZE, firstIndex, what);
  }
  if (logId !== undefined && found.logId !== undefined && !sameLog(found.logId, logId)) {
    throw segmentDamaged(path, FILE_HEADER_SIZE, firstIndex, "it belongs to another log");
  }
}

/** Refuses the file of a later segment as that of a log. */
export function requireFirst(file: File, path: string, checksum: FrameChecksum): void {
  const [, name] = /^(.+)\.\d{20}$/.exec(nameOf(path)) ?? [];
  if (name === undefined) return;
  const { firstIndex = 1 } = readSegmentFrame(file, checksum) ?? {};
  // A log may be named like a segment, but begins with index 1.
  if (segmentPath(name, firstIndex) !== nameOf(path)) return;
  throw new WalError(
    "ERR_WAL_FORMAT",
    `"${path}" is the segment from index ${firstIndex} of a log. Nothing was changed. Open the log ` +
      `by the path of its first file, "${
        pathIn(directoryOf(path), name)
      }", whether that is there or not.`,
  );
}

/**
 * Refuses the last of the log's files whose name and beginning do not agree: another log, if no other
 * file of the log has its id, else one of the log's own in the wrong place.
 *
 * @param others The log's other files.
 * @param logId The log's id, if that is known from elsewhere.
 * @throws {WalError} `ERR_WAL_FORMAT`, or {@linkcode CorruptionError}.
 */
export function requireLast(
  fileSystem: FileSystem,
  checksum: FrameChecksum,
  segment: SegmentFile,
  found: SegmentScan,
  others: readonly SegmentFile[],
  logId: Uint8Array | undefined,
): void {
  if (found.firstIndex === segment.firstIndex) return;
  const isOwn = (id: Uint8Array | undefined): boolean =>
    id !== undefined && found.logId !== undefined && sameLog(id, found.logId);
  if (isOwn(logId) || others.some((other) => isOwn(logIdOf(fileSystem, checksum, other)))) {
    return requireSegment(segment, found, undefined);
  }
  throw foreign(segment.path, `it is the segment from index ${found.firstIndex} of another log`);
}

/**
 * Refuses a file with a segment's name that is not the log's, before it is removed: what a crash
 * leaves of one of its own in the making is.
 *
 * @throws {WalError} `ERR_WAL_FORMAT`.
 */
export function requireOwn(
  fileSystem: FileSystem,
  checksum: FrameChecksum,
  segment: SegmentFile,
  logId: Uint8Array | undefined,
): void {
  const { version, frame, isUnused } = beginningOf(fileSystem, checksum, segment);
  if (isUnused) return;
  if (version === 1 && segment.firstIndex === 1) return;
  if (frame === undefined) throw foreign(segment.path, "it does not begin as a segment");
  if (frame.firstIndex !== segment.firstIndex) {
    throw foreign(segment.path, `it begins with index ${frame.firstIndex}`);
  }
  if (logId !== undefined && !sameLog(frame.logId, logId)) {
    throw foreign(segment.path, "it is of another log");
  }
}

/** The id that a segment's file tells of its log; version 1 tells none. */
export function logIdOf(
  fileSystem: FileSystem,
  checksum: FrameChecksum,
  segment: SegmentFile,
): Uint8Array | undefined {
  return beginningOf(fileSystem, checksum, segment).frame?.logId;
}

/** The error for a file with a segment's name that is not the log's. */
function foreign(path: string, what: string): WalError {
  return new WalError(
    "ERR_WAL_FORMAT",
    `"${path}" has the name of a segment of this log and is none: ${what}. The file was not ` +
      "changed. A log is opened by the name of its first file. If this is something else beside " +
      "the log, move it away.",
  );
}

/** What a file with a segment's name begins with. */
interface Beginning {
  readonly version: FormatVersion | undefined;
  readonly frame: SegmentFrame | undefined;
  /** Whether there is nothing but zeros or a part of a segment's beginning in it. */
  readonly isUnused: boolean;
}

function beginningOf(
  fileSystem: FileSystem,
  checksum: FrameChecksum,
  { path }: SegmentFile,
): Beginning {
  const file = fileSystem.open(path, "read");
  try {
    const head = new Uint8Array(FILE_HEADER_SIZE);
    const header = readFileHeader(head.subarray(0, file.read(head, 0)));
    const version = header.kind === "valid" ? header.version : undefined;
    const frame = version === 2 ? readSegmentFrame(file, checksum) : undefined;
    const size = file.size();
    const isShort = (header.kind === "unfinished" || version === 2) && frame === undefined &&
      size <= FILE_HEADER_SIZE + SEGMENT_FRAME_SIZE;
    return { version, frame, isUnused: isShort || isZero(file, size) };
  } finally {
    file.close();
  }
}

function isZero(file: File, size: number): boolean {
  for (const piece of pieces(file, 0, size)) if (piece.some((byte) => byte !== 0)) return false;
  return true;
}

/** The error for a segment that the log's other files tell of and that is not there. */
export function segmentMissing(logPath: string, firstIndex: number): CorruptionError {
  const path = segmentPath(logPath, firstIndex);
  return new CorruptionError(
    `"${path}" is missing: the log's other files say that its entries from index ${firstIndex} ` +
      `on are there. ${RESTORE}`,
    { path, offset: 0, firstIndexAtRisk: firstIndex },
  );
}

/** Checks that a full segment is what its successor says; what it says of the one before it. */
function readBeginning(
  fileSystem: FileSystem,
  checksum: FrameChecksum,
  segment: SegmentFile,
  wantedSize: number,
  logId: Uint8Array | undefined,
): PreviousSegment {
  const { path, firstIndex } = segment;
  const file = fileSystem.open(path, "read");
  try {
    const size = file.size();
    if (size !== wantedSize) {
      const what = `it has ${size} bytes, and the segment behind it says ${wantedSize}`;
      throw segmentDamaged(path, Math.min(size, wantedSize), firstIndex, what);
    }
    const head = new Uint8Array(FILE_HEADER_SIZE);
    const header = readFileHeader(head.subarray(0, file.read(head, 0)));
    const version = header.kind === "valid" ? header.version : undefined;
    if (version === 1 && firstIndex === 1) return NO_SEGMENT;
    const frame = version === 2 ? readSegmentFrame(file, checksum) : undefined;
    if (frame === undefined) {
      throw segmentDamaged(path, 0, firstIndex, "its beginning is not valid");
    }
    requireSegment(segment, frame, logId);
    return frame.previous;
  } finally {
    file.close();
  }
}

/** The Segment frame behind the header of a version 2 file; undefined if it is not valid. */
function readSegmentFrame(file: File, checksum: FrameChecksum): SegmentFrame | undefined {
  const bytes = new Uint8Array(SEGMENT_FRAME_SIZE);
  const n = file.read(bytes, FILE_HEADER_SIZE);
  if (!checksum.check(bytes, 0, n, bytes.length)) return undefined;
  const frame = readInternalPayload(bytes.subarray(FRAME_HEADER_SIZE));
  return frame.kind === "segment" ? frame : undefined;
}
