/**
 * Whether the files of a log join: each segment vouches for the one before it, back to the head.
 *
 * @module
 */
import { CorruptionError, WalError } from "./errors.ts";
import type { FrameChecksum } from "./format/checksum.ts";
import { FILE_HEADER_SIZE, readFileHeader } from "./format/file_header.ts";
import { FRAME_HEADER_SIZE } from "./format/frame.ts";
import {
  NO_SEGMENT,
  type PreviousSegment,
  readInternalPayload,
  sameLog,
  SEGMENT_FRAME_SIZE,
  type SegmentFrame,
} from "./format/internal.ts";
import type { File, FileSystem } from "./fs/file_system.ts";
import { directoryOf, nameOf, pathIn } from "./fs/path.ts";
import type { SegmentScan } from "./recovery.ts";
import { type SealedSegmentInfo, segmentDamaged } from "./sealed_segment.ts";
import { firstIndexOf, segmentPath } from "./segments.ts";

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

/** The files of the log at `path`, by their names, in order. */
export function segmentFilesOf(fileSystem: FileSystem, path: string): SegmentFile[] {
  const name = nameOf(path);
  return fileSystem.list(directoryOf(path))
    .flatMap((file) => {
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

/** The error for a segment that the log's other files tell of and that is not there. */
export function segmentMissing(logPath: string, firstIndex: number): CorruptionError {
  const path = segmentPath(logPath, firstIndex);
  return new CorruptionError(
    `"${path}" is missing: the log's other files say that its entries from index ${firstIndex} ` +
      "on are there. Nothing was changed. Restore the file from a copy.",
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
