/**
 * The bytes that a new segment begins with.
 *
 * @module
 */
import type { FrameChecksum } from "../format/checksum.ts";
import { FILE_HEADER_SIZE, type FormatVersion, writeFileHeader } from "../format/file_header.ts";
import { FRAME_HEADER_SIZE } from "../format/frame.ts";
import { beginInternal } from "../format/kinds.ts";
import { PENDING_AT, PENDING_END, PENDING_SIZE } from "../format/pending_frame.ts";
import { type PreviousSegment, SEGMENT_SIZE, writeSegmentFields } from "../format/segment_frame.ts";

/** What a new segment is to say of itself. */
export interface SegmentBeginning {
  readonly version: FormatVersion;
  readonly logId: Uint8Array;
  readonly firstIndex: number;
  readonly previous: PreviousSegment;
  /** Whether the segment before is not known to be durable yet. */
  readonly isPending?: boolean;
}

/** The bytes that a new segment begins with. */
export function segmentBeginning(
  checksum: FrameChecksum,
  { version, logId, firstIndex, previous, isPending = false }: SegmentBeginning,
): Uint8Array {
  if (version === 1) {
    const header = new Uint8Array(FILE_HEADER_SIZE);
    writeFileHeader(header, version);
    return header;
  }
  const bytes = new Uint8Array(isPending ? PENDING_END : PENDING_AT);
  writeFileHeader(bytes, version);
  beginInternal(bytes, FILE_HEADER_SIZE, "segment", SEGMENT_SIZE);
  writeSegmentFields(bytes, FILE_HEADER_SIZE + FRAME_HEADER_SIZE, { logId, firstIndex, previous });
  if (isPending) beginInternal(bytes, PENDING_AT, "pending", PENDING_SIZE);
  checksum.seal(bytes, FILE_HEADER_SIZE, bytes.length);
  return bytes;
}
