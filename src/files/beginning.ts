/**
 * How a file with a segment's name begins: its header and its Segment frame.
 *
 * @module
 */
import type { FrameChecksum } from "../format/checksum.ts";
import {
  FILE_HEADER_SIZE,
  type FileHeader,
  type FormatVersion,
  readFileHeader,
} from "../format/file_header.ts";
import { FRAME_HEADER_SIZE, TYPE_INTERNAL } from "../format/frame.ts";
import { readInternalPayload } from "../format/kinds.ts";
import { PENDING_END } from "../format/pending_frame.ts";
import { SEGMENT_FRAME_SIZE, type SegmentFrame } from "../format/segment_frame.ts";
import type { FileHandle, FileSystem } from "../fs/file_system.ts";
import { pieces } from "../fs/stretch.ts";

/** A segment's file, by its name. */
export interface SegmentFile {
  readonly path: string;
  /** The index of its first entry. */
  readonly firstIndex: number;
}

/** What a file with a segment's name begins with. */
export interface Beginning extends SegmentFile {
  /** The file's size in bytes. */
  readonly size: number;
  readonly header: FileHeader["kind"];
  /** The format's version; `undefined` if the header is not valid. */
  readonly version: FormatVersion | undefined;
  /** The Segment frame after the header's place; `undefined` if there is none that is valid. */
  readonly frame: SegmentFrame | undefined;
  /** Whether there is nothing but zeros or a part of a segment's beginning in it. */
  readonly isUnused: boolean;
}

/**
 * Reads how a file begins.
 *
 * @throws {FileSystemError} If it cannot be read.
 */
export function readBeginning(
  fileSystem: Pick<FileSystem, "open">,
  checksum: FrameChecksum,
  { path, firstIndex }: SegmentFile,
): Beginning {
  const file = fileSystem.open(path, "read");
  try {
    const bytes = new Uint8Array(FILE_HEADER_SIZE + SEGMENT_FRAME_SIZE);
    const n = file.read(bytes, 0);
    const header = readFileHeader(bytes.subarray(0, n));
    const version = header.kind === "valid" ? header.version : undefined;
    const frame = segmentFrameIn(bytes, n, checksum);
    const size = file.size();
    const isShort = (header.kind === "unfinished" || (version === 2 && frame === undefined)) &&
      size <= PENDING_END;
    const isUnused = isShort || (header.kind === "unfinished" && isZero(file, size));
    return { path, firstIndex, size, header: header.kind, version, frame, isUnused };
  } finally {
    file.close();
  }
}

/** What a segment of version 2 says of itself; `undefined` if it does not begin as one. */
export function ownFrameOf({ version, frame }: Beginning): SegmentFrame | undefined {
  return version === 2 ? frame : undefined;
}

function segmentFrameIn(
  bytes: Uint8Array,
  n: number,
  checksum: FrameChecksum,
): SegmentFrame | undefined {
  // The first entry of a version 1 file may hold anything.
  if (n < bytes.length || bytes[FILE_HEADER_SIZE] !== TYPE_INTERNAL) return undefined;
  if (!checksum.check(bytes, FILE_HEADER_SIZE, n, SEGMENT_FRAME_SIZE)) return undefined;
  const frame = readInternalPayload(bytes.subarray(FILE_HEADER_SIZE + FRAME_HEADER_SIZE));
  return frame.kind === "segment" ? frame : undefined;
}

function isZero(file: FileHandle, size: number): boolean {
  for (const piece of pieces(file, 0, size)) if (piece.some((byte) => byte !== 0)) return false;
  return true;
}
