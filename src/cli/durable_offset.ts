/**
 * What the Durable frames of a file report as durable, for a check that does not trust the order of
 * its frames.
 *
 * @module
 */
import { DURABLE_FRAME_START } from "../format/durable_frame.ts";
import { FRAME_HEADER_SIZE, TYPE_INTERNAL } from "../format/frame.ts";
import { readInternalPayload } from "../format/kinds.ts";
import { sameLog } from "../format/log_id.ts";
import type { SegmentFrame } from "../format/segment_frame.ts";
import type { FrameReader } from "./frame_reader.ts";

/** How much is searched at a time for Durable frames. */
const SEARCH_WINDOW = 64 * 1024;

/**
 * The highest offset up to which the Durable frames that begin after `from` report the file as durable.
 * Recovery looks at every byte there, and so at those, too, that lie within another frame.
 *
 * @param own What the file's Segment frame says; without it none is the file's own.
 */
export function durableOffsetAfter(
  reader: FrameReader,
  own: Pick<SegmentFrame, "logId" | "firstIndex"> | undefined,
  from: number,
): number {
  let highest = 0;
  for (let offset = from + 1; own !== undefined && offset < reader.size; offset++) {
    const bytes = reader.bytes(offset, Math.min(SEARCH_WINDOW, reader.size - offset));
    // A writer has cut the file meanwhile.
    if (bytes.length === 0) break;
    const at = bytes.indexOf(TYPE_INTERNAL);
    offset += at < 0 ? bytes.length - 1 : at;
    if (at < 0 || DURABLE_FRAME_START.some((byte, i) => byte !== bytes[at + i])) continue;
    const found = reader.frameAt(offset);
    if (found === undefined) continue;
    const payload = reader.bytes(offset, FRAME_HEADER_SIZE + found.length);
    const frame = readInternalPayload(payload.subarray(FRAME_HEADER_SIZE));
    if (frame.kind !== "durable" || !sameLog(frame.logId, own.logId)) continue;
    if (frame.segment !== own.firstIndex || frame.ownOffset !== offset) continue;
    highest = Math.max(highest, frame.durableOffset);
  }
  return highest;
}
