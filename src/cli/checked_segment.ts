/**
 * A segment to check, and what the check finds.
 *
 * @module
 */
import type { FormatVersion } from "../format/file_header.ts";
import type { SegmentFrame } from "../format/segment_frame.ts";
import type { DueSeal } from "./due_seal.ts";
import type { FrameReader } from "./frame_reader.ts";

/** A place in a file, and what is wrong with it. */
export interface Place {
  readonly path: string;
  /** In bytes. */
  readonly offset: number;
  /** The index of the entry at risk: the one that is there, or the next. */
  readonly index: number;
  /** The last index at risk, where that is another and known. */
  readonly lastIndex?: number;
  /** Whether damage before it hides how many entries there are, so that the index may be higher. */
  readonly isAtLeast: boolean;
  readonly what: string;
}

/** What follows the last byte in order of the last segment. */
export interface Tail {
  /** `"durable"` is damage: a Durable frame says that it was durable. */
  readonly kind: "unused" | "torn" | "torn batch" | "ambiguous" | "durable";
  /** Where it begins. */
  readonly offset: number;
  readonly index: number;
  readonly bytes: number;
  /** Whether a whole frame is among the bytes, so that opening would keep a copy of them. */
  readonly hasFrames: boolean;
}

/** What a segment was found to be. */
export interface CheckedSegment {
  /** `undefined` if no valid header says it. */
  readonly version: FormatVersion | undefined;
  /** What a valid Segment frame says. */
  readonly frame: SegmentFrame | undefined;
  /** The file's size in bytes. */
  readonly size: number;
  /** Its whole entries. */
  readonly entries: number;
  /** After its last entry, damaged or not; `undefined` if damage hides how many there are. */
  readonly nextIndex: number | undefined;
  /** The checksum that the last frame states; `undefined` if that frame is damaged. */
  readonly lastChecksum: number | undefined;
  /** Whether its last frame is a Seal. */
  readonly isSealed: boolean;
  /** Whether a Pending frame says that the segment before was not known to be durable. */
  readonly isPending: boolean;
  /** Whether a Durable frame of its own is anywhere in it. */
  readonly isVouchedFor: boolean;
  /** Whether the file was never in use: it has neither a valid beginning nor a frame. */
  readonly isUnused: boolean;
  readonly places: readonly Place[];
  /** Only of the last segment. */
  readonly tail: Tail | undefined;
  /** Of the last segment, if it has no whole Seal: the one that belongs after its whole entries. */
  readonly dueSeal: DueSeal | undefined;
}

/** The places of a segment that are damage; those of a torn end are not. */
export function placesOf({ places, tail }: CheckedSegment): readonly Place[] {
  if (tail === undefined || tail.kind === "durable") return places;
  return places.filter(({ offset }) => offset < tail.offset);
}

/** A segment to check. */
export interface SegmentToCheck {
  readonly path: string;
  /** By its name. */
  readonly firstIndex: number;
  readonly reader: FrameReader;
  readonly isLast: boolean;
  /** A larger entry is reported. */
  readonly maxEntrySize: number;
}
