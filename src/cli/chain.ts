/**
 * Where the chain of a log's segments breaks: a file that is missing, is another log's or another
 * segment's, or is not what the one behind it says.
 *
 * @module
 */
import type { FrameChecksum } from "../format/checksum.ts";
import { FILE_HEADER_SIZE, readFileHeader } from "../format/file_header.ts";
import { FRAME_HEADER_SIZE, TYPE_INTERNAL } from "../format/frame.ts";
import { readInternalPayload } from "../format/kinds.ts";
import { sameLog } from "../format/log_id.ts";
import { SEGMENT_FRAME_SIZE, type SegmentFrame } from "../format/segment_frame.ts";
import type { FileSystem } from "../fs/file_system.ts";
import type { SegmentFile } from "../files/chain.ts";

/** How a segment begins. */
export interface Beginning extends SegmentFile {
  /** The file's size in bytes. */
  readonly size: number;
  /** The format's version; `undefined` if the header is not valid. */
  readonly version: number | undefined;
  /** What its Segment frame says; `undefined` if it has none that is valid. */
  readonly frame: SegmentFrame | undefined;
}

/** Reads how a segment begins. */
export function readBeginning(
  fileSystem: FileSystem,
  checksum: FrameChecksum,
  segment: SegmentFile,
): Beginning {
  const file = fileSystem.open(segment.path, "read");
  try {
    const bytes = new Uint8Array(FILE_HEADER_SIZE + SEGMENT_FRAME_SIZE);
    const n = file.read(bytes, 0);
    const header = readFileHeader(bytes.subarray(0, n));
    // The first entry of a version 1 file may hold anything.
    const isWhole = bytes[FILE_HEADER_SIZE] === TYPE_INTERNAL &&
      checksum.check(bytes, FILE_HEADER_SIZE, n, SEGMENT_FRAME_SIZE);
    const payload = bytes.subarray(FILE_HEADER_SIZE + FRAME_HEADER_SIZE);
    const frame = isWhole ? readInternalPayload(payload) : undefined;
    return {
      ...segment,
      size: file.size(),
      version: header.kind === "valid" ? header.version : undefined,
      frame: frame?.kind === "segment" ? frame : undefined,
    };
  } finally {
    file.close();
  }
}

/** The log's id: what most of its files say, and of those that are even the last. */
export function commonId(ids: readonly Uint8Array[]): Uint8Array | undefined {
  let common: Uint8Array | undefined;
  let most = 0;
  for (const id of ids) {
    const count = ids.filter((other) => sameLog(other, id)).length;
    if (count < most) continue;
    common = id;
    most = count;
  }
  return common;
}

/** The segments without those below the head, which opening would remove. */
export function fromHead<T extends SegmentFile>(files: readonly T[], headIndex: number): T[] {
  const head = files.findLastIndex(({ firstIndex }) => firstIndex <= headIndex);
  return files.slice(Math.max(0, head));
}

/** A place at which the chain breaks. */
export interface Break {
  /** The position of the first segment that cannot be kept. */
  readonly position: number;
  readonly what: string;
}

/** The first place at which the chain breaks; the segments begin with the one of the head. */
export function findBreak(
  chain: readonly Beginning[],
  headIndex: number,
  logId: Uint8Array | undefined,
): Break | undefined {
  for (const [position, segment] of chain.entries()) {
    const what = whatIsWrong(chain[position - 1], segment, headIndex, logId) ??
      (position < chain.length - 1 ? beginningDamage(segment) : undefined);
    if (what !== undefined) return { position, what: `${segment.path}: ${what}` };
  }
  return undefined;
}

function whatIsWrong(
  before: Beginning | undefined,
  { firstIndex, frame }: Beginning,
  headIndex: number,
  logId: Uint8Array | undefined,
): string | undefined {
  if (frame !== undefined && frame.firstIndex !== firstIndex) {
    return `it is the segment from index ${frame.firstIndex}, not from ${firstIndex}`;
  }
  if (frame !== undefined && logId !== undefined && !sameLog(frame.logId, logId)) {
    return "it belongs to another log";
  }
  if (firstIndex <= headIndex) return undefined;
  if (before === undefined) return "the segment before it is missing";
  if (frame === undefined) return undefined;
  if (frame.previous.firstIndex !== before.firstIndex) return "the segment before it is missing";
  if (frame.previous.size === before.size) return undefined;
  return `it says that the segment before it has ${frame.previous.size} bytes, and that has ` +
    before.size;
}

/** What is wrong with the beginning of a segment that is not the last, which recovery would mend. */
function beginningDamage({ version, firstIndex, frame }: Beginning): string | undefined {
  if (version === undefined) return "its header is not valid";
  if (version === 1) return firstIndex === 1 ? undefined : "it is of version 1 and not the first";
  return frame === undefined ? "its Segment frame is not valid" : undefined;
}
