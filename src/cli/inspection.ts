/**
 * What a log's file holds, and what recovery would decide of it and do. Nothing is changed, and no
 * lock is taken.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { FormatVersion } from "../format/file_header.ts";
import {
  decide,
  type RecoveryCase,
  scanSegment,
  type SegmentScan,
  type SegmentSource,
  type UnfinishedSegment,
} from "../recovery.ts";
import { type Frame, framesOf, sizeOf } from "./frames.ts";

/** How often a file is looked at that a writer changes meanwhile. */
const ATTEMPTS = 3;

/** What each case means. */
const VERDICT: Readonly<Record<RecoveryCase, string>> = {
  A: "clean end",
  B: "unused preallocated space",
  C: "corruption of acknowledged data",
  D: "ambiguous: a torn write, or rot in the last unsynced group",
  E: "torn last write",
};

/** What opening the log would do with the bytes behind its end. */
export type Action = "none" | "cut" | "set aside" | "refuse";

/** What recovery would decide. */
export interface Outcome {
  readonly case: RecoveryCase;
  readonly verdict: string;
  /** Where the log ends, in bytes. */
  readonly offset: number;
  /** How many bytes follow. */
  readonly bytes: number;
  readonly action: Action;
}

/** What a file was found to be. */
export interface Finding {
  /** None if the file has no valid beginning. */
  readonly scan: SegmentScan | undefined;
  /** The highest offset that a Durable frame anywhere in the file vouches for. */
  readonly vouched: number;
  readonly recovery: Outcome;
}

/** How many frames of one kind there are, and their size together. */
export interface Tally {
  count: number;
  bytes: number;
}

/** What is told of a log; in this form with `--json`. */
export interface Report {
  readonly path: string;
  readonly version: FormatVersion | null;
  readonly logId: string | null;
  readonly size: number;
  readonly entries: number;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly frames: Readonly<Record<string, Tally>>;
  readonly durable: { readonly offset: number; readonly index: number };
  readonly recovery: Outcome;
}

/**
 * Decides as recovery would. A writer's append may be half in the file at this moment, so one that
 * is not clean and has changed is looked at again.
 */
export function examine(source: SegmentSource): Finding {
  for (let attempt = 1;; attempt++) {
    const found = scanSegment(source);
    const finding = "holds" in found ? judgeUnfinished(found) : judge(source, found);
    if (finding.recovery.case === "A" || attempt === ATTEMPTS) return finding;
    if (source.file.size() === found.size) return finding;
  }
}

function judge(source: SegmentSource, scan: SegmentScan): Finding {
  const decision = decide(source, scan);
  const recovery: Outcome = {
    case: decision.case,
    verdict: VERDICT[decision.case],
    offset: scan.end,
    bytes: scan.size - scan.end,
    action: ACTION[decision.case],
  };
  return { scan, vouched: Math.max(scan.vouched, decision.vouched), recovery };
}

const ACTION: Readonly<Record<RecoveryCase, Action>> = {
  A: "none",
  B: "cut",
  C: "refuse",
  D: "set aside",
  E: "cut",
};

/** A file without a valid beginning is made anew, unless it was in use. */
function judgeUnfinished({ holds, at, size }: UnfinishedSegment): Finding {
  const outcome = (
    name: RecoveryCase,
    verdict: string,
    offset: number,
    action: Action,
  ): Finding => ({
    scan: undefined,
    vouched: 0,
    recovery: { case: name, verdict, offset, bytes: size - offset, action },
  });
  if (holds === "frames") {
    return outcome("C", "corruption: the beginning is damaged, but frames follow", at, "refuse");
  }
  if (size === 0) return outcome("A", "never in use: the file is empty", 0, "none");
  const verdict = "never in use: its making was interrupted";
  return outcome("E", verdict, 0, holds === "nothing" ? "cut" : "set aside");
}

export function reportOf(source: SegmentSource, { scan, vouched, recovery }: Finding): Report {
  const firstIndex = scan?.firstIndex ?? 1;
  const entries = scan?.offsets.count ?? 0;
  return {
    path: source.path,
    version: scan?.version ?? null,
    logId: scan?.logId === undefined ? null : Buffer.from(scan.logId).toString("hex"),
    size: recovery.offset + recovery.bytes,
    entries,
    firstIndex,
    lastIndex: firstIndex - 1 + entries,
    frames: scan === undefined ? {} : tally(framesOf(source.file, scan)),
    durable: {
      offset: vouched,
      index: firstIndex - 1 + (scan?.offsets.countBelow(vouched) ?? 0),
    },
    recovery,
  };
}

/** Counts frames by kind. */
function tally(frames: Iterable<Frame>): Record<string, Tally> {
  const tallies: Record<string, Tally> = {};
  for (const name of ["data", "segment", "durable"]) tallies[name] = { count: 0, bytes: 0 };
  for (const frame of frames) {
    const kind = tallies[frame.content.kind] ??= { count: 0, bytes: 0 };
    kind.count++;
    kind.bytes += sizeOf(frame);
  }
  return tallies;
}
