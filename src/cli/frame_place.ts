/**
 * Whether a whole Internal frame may stand where it does.
 *
 * @module
 */
import { FILE_HEADER_SIZE } from "../format/file_header.ts";
import type { InternalFrame } from "../format/kinds.ts";

/** What is known of the place of an Internal frame. */
export interface FramePlace {
  /** Where in its segment it stands, in bytes. */
  readonly at: number;
  /** Whether a Durable frame stands in its own place. */
  readonly isOwn: boolean;
  /** Where the last entry stands that the file's Seal has; undefined without a Seal. */
  readonly lastSealed: number | undefined;
  /** How many entries are before it; undefined after damage. */
  readonly entries: number | undefined;
}

/** What is wrong with an Internal frame in its place. */
export function wrongWith(frame: InternalFrame, place: FramePlace): string | undefined {
  const { at, isOwn, lastSealed, entries } = place;
  const isFirst = at === FILE_HEADER_SIZE;
  switch (frame.kind) {
    case "unknown":
      return `an Internal frame of the unknown kind ${frame.number}: a later version wrote it`;
    case "skippable":
      return isFirst ? "a skippable frame stands where the Segment frame should" : undefined;
    case "pending":
      return isFirst ? "a Pending frame stands where the Segment frame should" : undefined;
    case "segment":
      return isFirst ? undefined : "a Segment frame stands within the file";
    case "batch":
      return frame.count > 0 ? undefined : "a Batch frame of no entries";
    case "durable":
      return isOwn ? undefined : "a Durable frame that is not in its place: " +
        "what is around it may come from another place too";
    case "seal":
      if (lastSealed !== undefined) {
        return at > lastSealed ? undefined : "a Seal stands within the file";
      }
      if (entries === undefined || frame.count <= entries) return undefined;
      return `a Seal of ${frame.count} entries after ${entries}`;
  }
}
