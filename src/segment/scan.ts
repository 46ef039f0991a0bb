/**
 * What a segment holds, from its start to X, the first byte that begins no valid frame. Nothing here
 * changes a file.
 *
 * The disk is not trusted: a length is believed only if it is within the limit and the bytes exist,
 * so what this takes of memory is bounded by `maxEntrySize` and the file, whatever the file says.
 *
 * @module
 */
import { WalError } from "../errors.ts";
import {
  FILE_HEADER_SIZE,
  type FileHeader,
  type FormatVersion,
  readFileHeader,
} from "../format/file_header.ts";
import { PENDING_END } from "../format/pending_frame.ts";
import { noFrames, type SegmentScan, walkFrames } from "./frame_walk.ts";
import { hasFrame, isZero } from "./search.ts";
import type { SegmentSource } from "./source.ts";

/** A file without a valid header or Segment frame. */
export interface UnfinishedSegment {
  readonly kind: "unfinished";
  /** Where the first of the two that is missing should be. */
  readonly at: number;
  /**
   * What the file holds from there on. Nothing but zeros or a part of an interrupted write: it was
   * never in use. Other bytes without a frame among them. Or whole frames: it was in use, and its
   * beginning is damaged.
   */
  readonly holds: "nothing" | "other bytes" | "frames";
  readonly size: number;
}

/** Whether a file was found without a valid beginning. */
export function isUnfinished(
  found: SegmentScan | UnfinishedSegment,
): found is UnfinishedSegment {
  return found.kind === "unfinished";
}

/**
 * Reads a segment from its start to X.
 *
 * @throws {WalError} `ERR_WAL_FORMAT` if the file is no log of a version that this reads;
 * `ERR_WAL_ENTRY_TOO_LARGE` if it holds a whole entry above the limit.
 */
export function scanSegment(source: SegmentSource): SegmentScan | UnfinishedSegment {
  const size = source.file.size();
  const version = requireLog(source);
  if (version === undefined) return judgeBeginning(source, 0, size);
  const scan = walkFrames(source, noFrames(version, source.remembers), size);
  if (version === 2 && scan.logId === undefined) {
    return judgeBeginning(source, FILE_HEADER_SIZE, size);
  }
  return scan;
}

/**
 * Continues after what an earlier scan found, whose index of offsets it extends.
 *
 * @returns The scan of the whole segment.
 * @throws {FileSystemError} `EBUSY` in a reader: the writer has cut the file meanwhile.
 */
export function scanOn(source: SegmentSource, earlier: SegmentScan): SegmentScan {
  return walkFrames(source, earlier, source.file.size());
}

/** The version of a log's file; `undefined` if its making was interrupted before the header. */
export function requireLog({ file, path }: Pick<SegmentSource, "file" | "path">):
  | FormatVersion
  | undefined {
  const head = new Uint8Array(FILE_HEADER_SIZE);
  const header: FileHeader = readFileHeader(head.subarray(0, file.read(head, 0)));
  switch (header.kind) {
    case "valid":
      return header.version;
    case "unfinished":
      return undefined;
    case "unknown version":
      throw new WalError(
        "ERR_WAL_FORMAT",
        `"${path}" is a log of format version ${header.version}; this library reads 1 and 2. ` +
          "Use a later version of it. The file was not changed.",
      );
    case "not a log":
      throw new WalError(
        "ERR_WAL_FORMAT",
        `"${path}" is not a log: it does not begin with "WAL!" (offset 0). Check the path. If it ` +
          "is a damaged log, `wal recover` gives out every entry that is whole. The file was not " +
          "changed.",
      );
  }
}

/** Judges a file without a valid header (`at` is 0) or Segment frame (`at` is after the header). */
function judgeBeginning(source: SegmentSource, at: number, size: number): UnfinishedSegment {
  if (hasFrame(source, at, size)) return { kind: "unfinished", at, holds: "frames", size };
  // The beginning is written at once and is shorter than a disk's sector.
  const written = size <= PENDING_END && at > 0;
  const nothing = written || isZero(source, Math.max(at, FILE_HEADER_SIZE), size);
  return { kind: "unfinished", at, holds: nothing ? "nothing" : "other bytes", size };
}
