/**
 * The files that a damaged log is made of: its segments, and bytes that were set aside.
 *
 * @module
 */
import type { SegmentFile } from "../files/beginning.ts";
import type { SegmentFrame } from "../format/segment_frame.ts";
import { type Readable, spliced } from "./readable_file.ts";
import type { SetAsideFile } from "./set_aside_files.ts";

/** A segment's file, or one that was set aside whole, and how it begins. */
export interface Part extends SegmentFile {
  readonly base: number | undefined;
  readonly frame: SegmentFrame | undefined;
  /** Whether it is known to be of version 2, whatever its header says. */
  readonly isVersion2: boolean;
  readonly isSetAside: boolean;
}

/** Bytes that stand within a segment, but in a file of their own. */
export interface Insertion extends SetAsideFile {
  /** Where in the file they begin, and how many they are; undefined for all. */
  readonly within: { readonly offset: number; readonly length: number } | undefined;
}

/** Segments that were set aside one with the other, or bytes of one. */
export interface Chain {
  /** Before which segment it stands. */
  readonly from: number;
  readonly parts: Part[];
  readonly cut: Insertion | undefined;
}

/** A part of whose beginning nothing is known. */
export function unreadablePart(file: SegmentFile, isSetAside = false): Part {
  return { ...file, base: 0, frame: undefined, isVersion2: false, isSetAside };
}

const EMPTY: Readable = { size: () => 0, read: () => 0 };

/** A stretch of a file, as far as the file reaches. */
export function stretchOf(
  file: Readable,
  { offset, length }: NonNullable<Insertion["within"]>,
): Readable {
  const there = Math.max(0, Math.min(length, file.size() - offset));
  return spliced(EMPTY, 0, file, offset, there);
}
