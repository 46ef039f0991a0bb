/**
 * Whether the files of a log join: each segment states the size and checksum of the one before it,
 * back to the head.
 *
 * Everything here judges what was read of the files before. An error that is returned, and not
 * thrown, says why the log is refused.
 *
 * @module
 */
import { CorruptionError, RESTORE, WalError } from "../errors.ts";
import type { FrameChecksum } from "../format/checksum.ts";
import { FILE_HEADER_SIZE } from "../format/file_header.ts";
import { sameLog } from "../format/log_id.ts";
import { NO_SEGMENT, type PreviousSegment } from "../format/segment_frame.ts";
import { MAX_INDEX } from "../format/limits.ts";
import type { FileSystem } from "../fs/file_system.ts";
import { directoryOf, nameOf, pathIn } from "../fs/path.ts";
import { requireLog } from "../segment/scan.ts";
import { type SealedSegmentInfo, segmentDamaged } from "../segment/sealed_segment.ts";
import { type Beginning, ownFrameOf, readBeginning, type SegmentFile } from "./beginning.ts";
import { firstIndexOf, isBeyondEnd, segmentPath } from "./names.ts";

/** What a segment says of itself and of the log. */
export interface Stated {
  readonly firstIndex: number;
  /** The log's id; version 1 has none. */
  readonly logId: Uint8Array | undefined;
  /** What it says of the segment before it. */
  readonly previous: PreviousSegment;
}

/** What a log's files are once they are joined. */
export interface JoinedSegments {
  readonly kind: "joined";
  /** The full segments, in order. */
  readonly sealed: readonly SealedSegmentInfo[];
  /** Files before the head, which should have been removed. */
  readonly leftovers: readonly Beginning[];
}

/** Why a log's files do not join. */
export interface BrokenChain {
  readonly kind: "broken";
  readonly error: WalError;
}

/**
 * The files of the log at `path`, by their names, in order.
 *
 * @throws {WalError} `ERR_WAL_FORMAT` if one is named by an index that no entry can have.
 */
export function segmentFilesOf(fileSystem: Pick<FileSystem, "list">, path: string): SegmentFile[] {
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
 * Joins the segments before the last, from the newest on, back to the one with the head.
 *
 * @param path The log's.
 * @param before All files of the log before the last, in order.
 * @param last What the last of them says.
 * @returns The segments, or the error that names the first that is missing or is not what it should
 * be.
 */
export function joinSegments(
  path: string,
  before: readonly Beginning[],
  last: Stated,
  headIndex: number,
): JoinedSegments | BrokenChain {
  const sealed: SealedSegmentInfo[] = [];
  const rest = [...before];
  let next: Pick<Stated, "firstIndex" | "previous"> = last;
  while (next.firstIndex > headIndex) {
    const { previous } = next;
    const file = rest.pop();
    if (file !== undefined && file.firstIndex > previous.firstIndex) {
      const error = refuseForeign(file, last.logId);
      if (error !== undefined) return { kind: "broken", error };
    }
    if (file === undefined || file.firstIndex !== previous.firstIndex) {
      const missing = previous.firstIndex === 0 ? headIndex : previous.firstIndex;
      return { kind: "broken", error: segmentMissing(path, missing) };
    }
    const error = refuseFull(file, previous.size, last.logId);
    if (error !== undefined) return { kind: "broken", error };
    sealed.unshift({
      path: file.path,
      firstIndex: file.firstIndex,
      count: next.firstIndex - file.firstIndex,
      size: previous.size,
      checksum: previous.checksum,
    });
    next = {
      firstIndex: file.firstIndex,
      previous: ownFrameOf(file)?.previous ?? NO_SEGMENT,
    };
  }
  return { kind: "joined", sealed, leftovers: rest };
}

/** Why a full segment is not what its successor says. */
function refuseFull(
  file: Beginning,
  wantedSize: number,
  logId: Uint8Array | undefined,
): WalError | undefined {
  const { path, firstIndex, size, version } = file;
  if (size !== wantedSize) {
    const what = `it has ${size} bytes, and the segment after it says ${wantedSize}`;
    return segmentDamaged(path, Math.min(size, wantedSize), firstIndex, what);
  }
  if (version === 1 && firstIndex === 1) return undefined;
  const frame = ownFrameOf(file);
  if (frame === undefined) {
    return segmentDamaged(path, 0, firstIndex, "its beginning is not valid");
  }
  return refuseSegment(file, frame, logId);
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

/** Why a segment is refused that has more entries than there are indexes. */
export function refuseIndexes(
  { path, firstIndex, entries }: SegmentFile & { readonly entries: number },
): WalError | undefined {
  return firstIndex - 1 + entries > MAX_INDEX ? beyondEnd(path) : undefined;
}

/** Why a segment is refused whose name and Segment frame, or log and the log's id, do not agree. */
function refuseSegment(
  { path, firstIndex }: SegmentFile,
  found: Pick<Stated, "firstIndex" | "logId">,
  logId: Uint8Array | undefined,
): WalError | undefined {
  if (found.firstIndex !== firstIndex) {
    const what = `it is the segment from index ${found.firstIndex}, not from ${firstIndex}`;
    return segmentDamaged(path, FILE_HEADER_SIZE, firstIndex, what);
  }
  if (logId !== undefined && found.logId !== undefined && !sameLog(found.logId, logId)) {
    return segmentDamaged(path, FILE_HEADER_SIZE, firstIndex, "it belongs to another log");
  }
  return undefined;
}

/**
 * Refuses a log's own path, if a file is there that is no log, or the file of a later segment.
 *
 * @throws {WalError} `ERR_WAL_FORMAT`.
 * @throws {FileSystemError} If it cannot be read; `ENOENT` if it is not there.
 */
export function requireOwnPath(
  fileSystem: Pick<FileSystem, "open">,
  checksum: FrameChecksum,
  path: string,
): void {
  const file = fileSystem.open(path, "read");
  try {
    requireLog({ file, path });
  } finally {
    file.close();
  }
  const [, name] = /^(.+)\.\d{20}$/.exec(nameOf(path)) ?? [];
  if (name === undefined) return;
  const beginning = readBeginning(fileSystem, checksum, { path, firstIndex: 1 });
  const { firstIndex = 1 } = beginning.frame ?? {};
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
 * Why the last of the log's files is refused whose name and beginning do not agree: as another log,
 * if no other file of the log has its id, else as one of the log's own in the wrong place.
 *
 * @param others The log's other files.
 * @param logId The log's id, if that is known from elsewhere.
 */
export function refuseLast(
  segment: SegmentFile,
  found: Pick<Stated, "firstIndex" | "logId">,
  others: readonly Beginning[],
  logId: Uint8Array | undefined,
): WalError | undefined {
  if (found.firstIndex === segment.firstIndex) return undefined;
  const isOwn = (id: Uint8Array | undefined): boolean =>
    id !== undefined && found.logId !== undefined && sameLog(id, found.logId);
  if (isOwn(logId) || others.some((other) => isOwn(ownFrameOf(other)?.logId))) {
    return refuseSegment(segment, found, undefined);
  }
  return foreign(segment.path, `it is the segment from index ${found.firstIndex} of another log`);
}

/**
 * Why a file with a segment's name must not be removed: it is not the log's. What a crash leaves of
 * one of its own in the making is.
 */
export function refuseForeign(
  file: Beginning,
  logId: Uint8Array | undefined,
): WalError | undefined {
  const { path, firstIndex, version, isUnused } = file;
  if (isUnused || (version === 1 && firstIndex === 1)) return undefined;
  const frame = ownFrameOf(file);
  if (frame === undefined) return foreign(path, "it does not begin as a segment");
  if (frame.firstIndex !== firstIndex) {
    return foreign(path, `it begins with index ${frame.firstIndex}`);
  }
  if (logId !== undefined && !sameLog(frame.logId, logId)) {
    return foreign(path, "it is of another log");
  }
  return undefined;
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

/** The error for a segment that is not there, although the log's other files mention it. */
export function segmentMissing(logPath: string, firstIndex: number): CorruptionError {
  const path = segmentPath(logPath, firstIndex);
  return new CorruptionError(
    `"${path}" is missing: the log's other files say that its entries from index ${firstIndex} ` +
      `on are there. ${RESTORE}`,
    { path, offset: 0, firstIndexAtRisk: firstIndex },
  );
}
