/**
 * A segment's file to read, and what is needed for it.
 *
 * @module
 */
import type { FrameChecksum } from "../format/checksum.ts";
import { MAX_INTERNAL_SIZE } from "../format/kinds.ts";
import type { FileHandle } from "../fs/file_system.ts";

/** A file to judge, and what is needed for it. */
export interface SegmentSource {
  readonly file: FileHandle;
  readonly path: string;
  readonly checksum: FrameChecksum;
  readonly maxEntrySize: number;
  /** In a reader: a scan remembers what it saw, and fails if the writer takes that back meanwhile. */
  readonly remembers?: boolean;
}

/** The longest payload that a frame may have. */
export function limitOf({ maxEntrySize }: Pick<SegmentSource, "maxEntrySize">): number {
  return Math.max(maxEntrySize, MAX_INTERNAL_SIZE);
}
