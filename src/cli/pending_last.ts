/**
 * The last segment of a log that is checked, where it may have been begun before the segment before it
 * was durable: whether that ends as it says, and whether a crash may have taken what it said.
 *
 * @module
 */
import { FILE_HEADER_SIZE, readFileHeader } from "../format/file_header.ts";
import { PENDING_END } from "../format/pending_frame.ts";
import type { SegmentFile } from "../files/beginning.ts";
import type { CheckedSegment } from "./checked_segment.ts";
import type { DueSeal } from "./due_seal.ts";
import { durableOffsetAfter } from "./durable_offset.ts";
import type { FrameReader } from "./frame_reader.ts";

/** A segment that was checked. */
export interface Checked {
  readonly file: SegmentFile;
  readonly segment: CheckedSegment;
  /** Whether it has lost its beginning, as a crash may take it, and no Durable frame is in it. */
  readonly isBeginningLost: boolean;
}

/**
 * Whether a file has no beginning and yet frames, of which none is a Durable frame of the log.
 *
 * @param logId The log's; `undefined` if no file tells it.
 */
export function isBeginningLost(
  reader: FrameReader,
  { isUnused, version, frame }: CheckedSegment,
  firstIndex: number,
  logId: Uint8Array | undefined,
): boolean {
  if (isUnused || logId === undefined) return false;
  const header = readFileHeader(reader.bytes(0, FILE_HEADER_SIZE));
  const isLost = header.kind === "unfinished" || (version === 2 && frame === undefined);
  return isLost && durableOffsetAfter(reader, { logId, firstIndex }, 0) === 0;
}

/** Whether a segment says that the one before it was not known to be durable. */
export function isMarkedPending({ segment }: Checked, before: SegmentFile | undefined): boolean {
  const { version, isPending, frame, size } = segment;
  // The writer may have died in the write of the beginning.
  return version === 2 && (isPending || size < PENDING_END) &&
    frame?.previous.firstIndex === before?.firstIndex;
}

/** Whether a Durable frame in a segment says that the one before it was durable, but for its Seal. */
export function provesDurable({ segment, isBeginningLost }: Checked): boolean {
  return segment.isVouchedFor && !isBeginningLost;
}

/** Whether a segment ends as the one after it says, but for its Seal at the most. */
export function endsAsNextSays(
  { size, lastChecksum, nextIndex, isSealed, tail, places, dueSeal }: CheckedSegment,
  last: Checked,
): boolean {
  const { file, segment: { frame }, isBeginningLost } = last;
  if (isBeginningLost || frame === undefined) return false;
  const { previous } = frame;
  if (dueSeal !== undefined) {
    // One that was written is damaged.
    if (dueSeal.isBegun && provesDurable(last)) return false;
    return dueSeal.index === file.firstIndex && size <= previous.size &&
      dueSeal.size === previous.size && dueSeal.checksum === previous.checksum;
  }
  return isSealed && tail === undefined && places.length === 0 && nextIndex === file.firstIndex &&
    size === previous.size && lastChecksum === previous.checksum;
}

/** A segment that ends as the one after it says, as it is once its Seal is written. */
export function sealed(checked: Checked): Checked {
  const { segment } = checked;
  const { dueSeal } = segment;
  if (dueSeal === undefined) return checked;
  const { size, checksum, index } = dueSeal;
  return {
    ...checked,
    segment: {
      ...segment,
      size,
      nextIndex: index,
      lastChecksum: checksum,
      isSealed: true,
      places: [],
      tail: undefined,
      dueSeal: undefined,
    },
  };
}

/** What verify says of a segment that lacks nothing but its Seal. */
export function describeUnsealed({ path }: SegmentFile, { offset, index }: DueSeal): string {
  return `${path}: offset ${offset}, index ${index}: its Seal was not written yet, or not all of ` +
    "it; opening would write it";
}

/** What verify says where a last segment is to be given up: nothing in it was acknowledged. */
export function describePending(
  { file: { path, firstIndex }, segment, isBeginningLost }: Checked,
  before: Checked,
): string {
  const { entries, tail } = segment;
  const when = `begun before ${before.file.path} was durable`;
  const found = isBeginningLost
    ? `it has no valid beginning, and no Durable frame: ${when}`
    : `${when}, which does not end as this one says`;
  const isKept = entries > 0 || isBeginningLost || tail?.hasFrames === true;
  const does = isKept ? "set it aside and remove it" : "remove it";
  const isRefused = before.segment.tail?.kind === "durable";
  return `${path}: offset 0, index ${firstIndex}: ${found}; none of its ${entries} entries was ` +
    `acknowledged${isRefused ? "" : `, and opening would ${does}`}`;
}
