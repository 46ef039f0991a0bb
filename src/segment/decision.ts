/**
 * What to do about a segment's end: the decision table. Nothing here changes a file.
 *
 * X is the first byte that begins no valid frame. {@linkcode decide} judges what follows it:
 *
 * | case | what follows X | verdict |
 * | --- | --- | --- |
 * | A | nothing | clean end |
 * | B | zeros only | unused preallocated space |
 * | C | a Durable frame of this log, in its place, that covers bytes beyond X | corruption |
 * | D | some valid frame, but none like that | torn, or rot in the last unsynced group: ambiguous |
 * | E | no valid frame | torn last write |
 *
 * @module
 */
import type { SegmentScan } from "./frame_walk.ts";
import { findVouchedOffset, hasFrame, isZero } from "./search.ts";
import type { SegmentSource } from "./source.ts";

/** The cases of the decision table. */
export type RecoveryCase = "A" | "B" | "C" | "D" | "E";

/** What follows X. */
export interface Decision {
  readonly case: RecoveryCase;
  /** The highest offset up to which a Durable frame covers the file: in case C it is beyond X. */
  readonly vouched: number;
}

/** Judges what follows X by the decision table. Exactly one case holds. */
export function decide(source: SegmentSource, scan: SegmentScan): Decision {
  const { end, size, vouched } = scan;

  // Case A: nothing follows. Every byte is accounted for.
  if (end === size) return { case: "A", vouched };

  // Case B: zeros only. No frame begins with a zero, so none was ever written here: this is space
  // that was allocated ahead of the writes, by us or by the file system when a crash came between
  // a file's growth and its data.
  if (isZero(source, end, size)) return { case: "B", vouched };

  // Case C: a Durable frame beyond X covers bytes beyond X. An fdatasync had covered the bytes at
  // X, so they were whole once and an interrupted write cannot be what broke them.
  const evidence = Math.max(vouched, findVouchedOffset(source, scan));
  if (evidence > end) return { case: "C", vouched: evidence };

  // Case D: a whole frame follows, but nothing covers X. Either the disk persisted the last
  // unsynced writes out of order, which is no loss, or a bit rotted in them after a sync whose
  // Durable frame was not yet written. The two cannot be told apart, so the bytes are worth
  // keeping.
  if (hasFrame(source, end + 1, size)) return { case: "D", vouched: evidence };

  // Case E: no whole frame follows. This is how a write looks that a crash interrupted.
  return { case: "E", vouched: evidence };
}
