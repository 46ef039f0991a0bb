/**
 * What an open reports of the end that it found, and what of the bytes that it gives up may be more
 * than a torn write.
 *
 * @module
 */
import type { RecoveryCase } from "../segment/decision.ts";
import type { EndFinding } from "./findings.ts";

/** What an open reports of the end that it found; see `Recovery`. */
export interface PlannedReport {
  readonly case: RecoveryCase;
  readonly segment: string;
  readonly offset: number;
  readonly bytesCut: number;
  readonly isSetAside: boolean;
  readonly created: boolean;
}

/** What an open finds, by the segments that were scanned, the newest first. */
export function reportOf(ends: readonly EndFinding[]): PlannedReport {
  const last = reportOfEnd(ends.at(-1) as EndFinding);
  const unused = ends.at(-2);
  if (unused === undefined || last.created) return last;
  // One of two is reported: the one that may have held entries.
  const removed = reportOfUnused(unused);
  if (removed.case === "D" && last.case !== "C") return removed;
  if (removed.case === "C") return { ...removed, created: false };
  const isClean = last.case === "A" || last.case === "B";
  return isClean ? { ...removed, case: "E", created: false } : last;
}

/** The report of a file after the last; D where it held entries of which none was acknowledged. */
function reportOfUnused(end: EndFinding): PlannedReport {
  if (end.kind === "refused" || !isAbandoned(end)) {
    const report = reportOfEnd(end);
    return end.kind === "scanned"
      ? { ...report, case: "E", offset: 0, bytesCut: end.size, isSetAside: false }
      : report;
  }
  const { path: segment, size: bytesCut } = end;
  return { case: "D", segment, offset: 0, bytesCut, isSetAside: true, created: false };
}

function reportOfEnd(end: EndFinding): PlannedReport {
  const { path: segment } = end;
  if (end.kind === "scanned") {
    return {
      case: end.decision.case,
      segment,
      offset: end.end,
      bytesCut: end.size - end.end,
      isSetAside: mustKeep(end),
      created: false,
    };
  }
  if (end.kind === "refused") {
    const none = { offset: 0, bytesCut: 0, isSetAside: false, created: false };
    return { case: "C", segment, ...none };
  }
  const { holds, size } = end;
  return {
    case: holds === "frames" ? "C" : size === 0 ? "A" : "E",
    segment,
    offset: 0,
    bytesCut: size,
    isSetAside: mustKeep(end),
    created: true,
  };
}

/** Whether a file after the last holds entries, or may, of which none was acknowledged. */
export function isAbandoned(end: EndFinding): boolean {
  if (end.kind === "unfinished") return end.mayBePending;
  return end.kind === "scanned" && (end.entries > 0 || mustKeep(end));
}

/** Whether the bytes that are cut off may be more than a torn write. */
export function mustKeep(end: Exclude<EndFinding, { kind: "refused" }>): boolean {
  if (end.kind === "unfinished") return end.holds !== "nothing";
  const { decision, version } = end;
  if (decision.case === "C" || decision.case === "D") return true;
  // Nothing in version 1 tells a torn last entry from one that was durable and has rotted since.
  return decision.case === "E" && version === 1;
}
