/**
 * The errors of an open that refuses a damaged last segment.
 *
 * @module
 */
import { CorruptionError, RESTORE } from "../errors.ts";
import type { SegmentFile } from "../files/beginning.ts";
import type { UnfinishedSegment } from "../segment/scan.ts";
import type { ScannedEnd } from "./findings.ts";

/** Of a segment without a valid beginning that holds whole frames. */
export function beginningDamaged(
  { path, firstIndex, at }: SegmentFile & UnfinishedSegment,
): CorruptionError {
  return new CorruptionError(
    `"${path}" is damaged at offset ${at}: its ${nameOfBeginning(at)} is not ` +
      `valid, but whole frames follow. Every entry in it is at risk. ${RESTORE} To continue ` +
      'without them, open the log with { recovery: "salvage" }: all of the file is set aside.',
    { path, offset: at, firstIndexAtRisk: firstIndex },
  );
}

/** Of a log's only file without a valid beginning, if the meta file tells that it was in use. */
export function beginningLost(
  { path, firstIndex, at, holds }: SegmentFile & UnfinishedSegment,
  headIndex: number,
): CorruptionError {
  const kept = holds === "nothing" ? "" : ", and all of the file is set aside";
  return new CorruptionError(
    `"${path}" is damaged at offset ${at}: its ${nameOfBeginning(at)} is not valid, and the head ` +
      `index ${headIndex} in the meta file says that it had entries. Every entry in it is at risk. ` +
      `${RESTORE} To continue without them, open the log with { recovery: "salvage" }: it begins ` +
      `again with index ${headIndex}${kept}.`,
    { path, offset: at, firstIndexAtRisk: firstIndex },
  );
}

function nameOfBeginning(at: number): string {
  return at === 0 ? "header" : "Segment frame";
}

/** Of damage to what a Durable frame covers. */
export function endDamaged(
  { path, statedIndex, entries, end, decision }: ScannedEnd,
): CorruptionError {
  const firstIndexAtRisk = statedIndex + entries;
  return new CorruptionError(
    `"${path}" is damaged at offset ${end}: a later frame states that all bytes up to ` +
      `offset ${decision.vouched} were durable. Entries from index ${firstIndexAtRisk} on are at ` +
      `risk. ${RESTORE} To continue with what is before them, open the log with ` +
      '{ recovery: "salvage" }: the bytes from there on are set aside.',
    { path, offset: end, firstIndexAtRisk },
  );
}
