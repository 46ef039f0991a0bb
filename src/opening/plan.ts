/**
 * What to do about the findings of an open: a list of steps, or one refusal. The second decision
 * table; `docs/format.md` has it in words.
 *
 * Nothing here reads or changes a file. Everything that may refuse the log is judged before the first
 * step is listed, so that a log that is refused is not changed.
 *
 * @module
 */
import type { WalError } from "../errors.ts";
import type { SegmentFile } from "../files/beginning.ts";
import {
  joinSegments,
  refuseForeign,
  refuseIndexes,
  refuseLast,
  segmentMissing,
  type Stated,
} from "../files/chain.ts";
import { segmentPath } from "../files/names.ts";
import { FILE_HEADER_SIZE, type FormatVersion } from "../format/file_header.ts";
import { sameLog } from "../format/log_id.ts";
import { NO_SEGMENT, type PreviousSegment, SEGMENT_FRAME_SIZE } from "../format/segment_frame.ts";
import { directoryOf } from "../fs/path.ts";
import { type SealedSegmentInfo, segmentDamaged } from "../segment/sealed_segment.ts";
import {
  type EndFinding,
  endsAsStated,
  type Findings,
  headIndexOf,
  type InterruptedReplacement,
  type RedoFinding,
  type ScannedEnd,
} from "./findings.ts";
import { isAbandoned, mustKeep, type PlannedReport, reportOf } from "./report.ts";
import { beginningDamaged, beginningLost, endDamaged } from "./refusals.ts";

/** The id of no log. */
const NO_LOG: Uint8Array = new Uint8Array(0);

/** How many bytes without an entry in them are held in memory to be written again. */
const MAX_LOOSE = 64 * 1024;

/** What is written again of a file, and how. */
interface Securing {
  readonly path: string;
  readonly firstIndex: number;
  readonly way: "in place" | "from memory" | "with a redo file";
  readonly from: number;
  readonly end: number;
  readonly size: number;
}

/** One thing that an open does, to files that it names. Offsets and sizes are in bytes. */
export type Step =
  /** Removes later segments, newest first; then cuts a file and gives it its new tail. */
  | {
    readonly kind: "finish replacement";
    readonly path: string;
    readonly offset: number;
    readonly length: number;
    readonly removes: readonly string[];
  }
  /** Gives both slots of the meta file what the redo file has for them. */
  | { readonly kind: "finish meta replacement"; readonly path: string; readonly length: number }
  | { readonly kind: "remove redo file"; readonly path: string }
  /** Makes the first segment of a new log. */
  | { readonly kind: "make log"; readonly path: string }
  /** Copies a part of a segment into a `.cut-` file. */
  | {
    readonly kind: "set aside";
    readonly path: string;
    readonly segment: number;
    readonly from: number;
    readonly to: number;
  }
  /** Removes a segment that was never in use or never acknowledged, or that is below the head. */
  | {
    readonly kind: "remove";
    readonly path: string;
    readonly why: "never in use" | "never acknowledged" | "below the head";
  }
  /** Empties a file and begins a segment in it. */
  | {
    readonly kind: "begin again";
    readonly path: string;
    readonly firstIndex: number;
    readonly version: FormatVersion;
  }
  /**
   * Cuts the last segment to `end`, and writes again what no Durable frame covers: the bytes from
   * `from` on. It does so over itself, or (no entry is in them) from memory after a cut, or with a
   * redo file.
   */
  | Securing & { readonly kind: "secure end" }
  /**
   * Does the same to the segment before the last, which may not have been durable and is whole. If its
   * Seal is missing, the open log writes it.
   */
  | Securing & { readonly kind: "secure full segment"; readonly lacksSeal: boolean }
  /** Writes both slots of the meta file again. */
  | { readonly kind: "secure meta"; readonly path: string }
  /** Makes all names in the directory durable. */
  | { readonly kind: "sync directory"; readonly path: string }
  /** Makes the segment after the last, which has its Seal. */
  | {
    readonly kind: "begin next";
    readonly path: string;
    readonly next: string;
    readonly previous: PreviousSegment;
  }
  /** Seals the last segment, and makes the next. */
  | { readonly kind: "roll"; readonly path: string; readonly next: string }
  /** Removes segments all of whose entries are below the head, oldest first. */
  | { readonly kind: "drop"; readonly paths: readonly string[]; readonly headIndex: number }
  /** Makes an empty segment that begins with the head index, and removes all others. */
  | {
    readonly kind: "begin at head";
    readonly path: string;
    readonly firstIndex: number;
    readonly removes: readonly string[];
  };

/** Why an open refuses a log: the rows of the table that end in a refusal. */
export type Reason =
  | "foreign redo file"
  | "foreign segment after a truncation"
  | "no log at the path"
  | "meta file not readable"
  | "all segments missing"
  | "last segment not readable"
  | "last segment misplaced"
  | "index too large"
  | "acknowledged data damaged"
  | "beginning damaged"
  | "beginning lost"
  | "chain broken"
  | "meta file of another log"
  | "foreign segment below the head";

/** A refusal; nothing is changed. */
export interface Refusal {
  readonly kind: "refuse";
  readonly reason: Reason;
  readonly error: WalError;
}

/** Steps after which everything is looked at again. */
export interface ReplacementPlan {
  readonly kind: "look again";
  readonly steps: readonly Step[];
}

/** The steps of an open, in order, and what they lead to. */
export interface OpenPlan {
  readonly kind: "open";
  readonly steps: readonly Step[];
  readonly report: PlannedReport;
  /** The log's id, if a file tells it. */
  readonly logId: Uint8Array | undefined;
  readonly headIndex: number;
  /** The full segments, in order. */
  readonly sealed: readonly SealedSegmentInfo[];
  /** The last segment that was in use, or the only file; `undefined` if there is no file. */
  readonly last: SegmentFile | undefined;
}

/** What an open does about the segments. */
export type Plan = OpenPlan | Refusal;

/** The options that a plan depends on. */
export interface PlanOptions {
  readonly recovery: "default" | "salvage";
  /** The version of new segments. */
  readonly format: FormatVersion;
  /** A reader removes nothing: it shows a log beside a file that an open would have to remove. */
  readonly readOnly: boolean;
}

/** What to do about the redo file, before anything else; nothing if there is none. */
export function planReplacement(redo: RedoFinding): ReplacementPlan | Refusal | undefined {
  switch (redo.kind) {
    case "none":
      return undefined;
    case "refused":
      return refuse("foreign redo file", redo.error);
    case "void":
      return { kind: "look again", steps: [{ kind: "remove redo file", path: redo.path }] };
    case "replacement": {
      for (const file of droppedAfter(redo.record, redo.after)) {
        const error = refuseForeign(file, redo.logId);
        if (error !== undefined) return refuse("foreign segment after a truncation", error);
      }
      const steps: Step[] = [];
      const { tail, target, isMeta, record, path } = redo;
      if (tail !== "untouched") {
        const { offset, length } = record;
        const removes = removedBy(redo);
        steps.push(
          isMeta
            ? { kind: "finish meta replacement", path: target, length }
            : { kind: "finish replacement", path: target, offset, length, removes },
        );
      }
      steps.push({ kind: "remove redo file", path });
      return { kind: "look again", steps };
    }
  }
}

/**
 * The segments that a replacement removes, newest first. A truncation drops all that come after. What
 * open writes again of a segment drops none: whatever comes after it then is judged next.
 */
export function removedBy({ record, after }: InterruptedReplacement): string[] {
  return droppedAfter(record, after).map(({ path }) => path).toReversed();
}

function droppedAfter(
  { length }: InterruptedReplacement["record"],
  after: InterruptedReplacement["after"],
): InterruptedReplacement["after"] {
  return length === 0 ? after : [];
}

/**
 * The findings as a plan takes them. If the segment before the last was not known to be durable, and
 * does not end as the last says, nothing in the last was ever acknowledged: the one before it is judged
 * in its place.
 */
export function inPlace(findings: Findings): Findings {
  const { ends, under, before } = findings;
  const [last] = ends;
  if (last?.kind !== "scanned" || under?.kind !== "scanned") return findings;
  // What is no such segment of this log breaks the chain.
  const isOwn = under.version === 2 && under.statedIndex === under.firstIndex &&
    sameLog(under.logId ?? NO_LOG, last.logId ?? NO_LOG);
  if (!isOwn || endsAsStated(under, last)) return findings;
  return { ...findings, ends: [last, under], under: undefined, before: before.slice(0, -1) };
}

/** What to do about the segments and the meta file, once there is no redo file. */
export function planOpening(found: Findings, options: PlanOptions): Plan {
  const findings = inPlace(found);
  const { path, ownPath, meta, ends, under, before } = findings;
  if (ownPath !== undefined && !(options.readOnly && isFirstBelowHead(findings))) {
    return refuse("no log at the path", ownPath);
  }
  if (meta.kind === "refused") return refuse("meta file not readable", meta.error);
  const headIndex = headOf(findings);
  if (ends.length === 0) {
    return meta.kind === "valid"
      ? refuse("all segments missing", segmentMissing(path, headIndex))
      : planFirst(path, options);
  }
  const refusal = refuseEnds(findings, options);
  if (refusal !== undefined) return refusal;

  const last = ends.at(-1) as EndFinding;
  const joined = joinSegments(path, asSealed(before, under, last), statedBy(last), headIndex);
  if (joined.kind === "broken") return refuse("chain broken", joined.error);
  const ownId = last.kind === "scanned" ? last.logId : undefined;
  const logId = ownId ?? (meta.kind === "valid" ? meta.logId : undefined);
  if (logId !== undefined && meta.kind === "valid" && !sameLog(logId, meta.logId)) {
    const error = segmentDamaged(meta.path, 0, 1, "it belongs to another log");
    return refuse("meta file of another log", error);
  }
  for (const file of options.readOnly ? [] : joined.leftovers) {
    const error = refuseForeign(file, logId);
    if (error !== undefined) return refuse("foreign segment below the head", error);
  }
  const unused = ends.slice(0, -1);
  return {
    kind: "open",
    steps: [
      ...unused.flatMap(stepsOfUnused),
      ...stepsUnder(under, last),
      ...stepsOfLast(last, options),
      ...(meta.kind === "none" ? [] : [{ kind: "secure meta", path: meta.path } as const]),
      ...joined.leftovers.map(({ path }): Step => ({
        kind: "remove",
        path,
        why: "below the head",
      })),
      { kind: "sync directory", path: directoryOf(path) },
      ...stepsAfterwards(findings, last, joined.sealed, options),
    ],
    report: reportOf(ends),
    logId,
    headIndex,
    sealed: joined.sealed,
    last: { path: last.path, firstIndex: last.firstIndex },
  };
}

function refuse(reason: Reason, error: WalError): Refusal {
  return { kind: "refuse", reason, error };
}

function headOf({ meta }: Findings): number {
  return headIndexOf(meta);
}

/** Whether all entries of the log's first file are below the head: a later file has that. */
function isFirstBelowHead(findings: Findings): boolean {
  const { before, ends } = findings;
  const headIndex = headOf(findings);
  return [...before, ...ends.slice(-1)]
    .some(({ firstIndex }) => firstIndex > 1 && firstIndex <= headIndex);
}

/** A log without a file yet. */
function planFirst(path: string, { format }: PlanOptions): OpenPlan {
  return {
    kind: "open",
    steps: [{ kind: "make log", path }],
    report: {
      case: "A",
      segment: path,
      offset: FILE_HEADER_SIZE + (format === 1 ? 0 : SEGMENT_FRAME_SIZE),
      bytesCut: 0,
      isSetAside: false,
      created: true,
    },
    logId: undefined,
    headIndex: 1,
    sealed: [],
    last: undefined,
  };
}

/** Why the segments that were scanned are refused, the newest first. */
function refuseEnds(findings: Findings, { recovery }: PlanOptions): Refusal | undefined {
  const { ends, under, before, meta } = findings;
  const isDefault = recovery === "default";
  const metaId = meta.kind === "valid" ? meta.logId : undefined;
  for (const [i, end] of ends.entries()) {
    if (end.kind === "refused") return refuse("last segment not readable", end.error);
    if (end.kind === "scanned") {
      const misplaced = refuseLast(end, statedBy(end), before, metaId);
      if (misplaced !== undefined) return refuse("last segment misplaced", misplaced);
      const error = refuseIndexes(end);
      if (error !== undefined) return refuse("index too large", error);
      if (end.decision.case === "C" && isDefault) {
        return refuse("acknowledged data damaged", endDamaged(end));
      }
      continue;
    }
    if (end.holds === "frames" && !end.mayBePending && isDefault) {
      return refuse("beginning damaged", beginningDamaged(end));
    }
    // A head index after the file's first tells that it had entries: its making is long past.
    const isOnly = i === ends.length - 1;
    if (isOnly && headOf(findings) > end.firstIndex && isDefault) {
      return refuse("beginning lost", beginningLost(end, headOf(findings)));
    }
  }
  if (under?.kind === "refused") return refuse("last segment not readable", under.error);
  return undefined;
}

/** What the last segment says; one that has no valid beginning says nothing. */
function statedBy(end: EndFinding): Stated {
  if (end.kind === "scanned") {
    return { firstIndex: end.statedIndex, logId: end.logId, previous: end.previous };
  }
  return { firstIndex: end.firstIndex, logId: undefined, previous: NO_SEGMENT };
}

/**
 * Removes a segment that was never in use, since the crash came while it was made; or one that was
 * begun without a wait and never acknowledged.
 */
function stepsOfUnused(end: EndFinding): Step[] {
  const { path, firstIndex } = end;
  if (end.kind !== "scanned") {
    return [...stepsAside(end), {
      kind: "remove",
      path,
      why: isAbandoned(end) ? "never acknowledged" : "never in use",
    }];
  }
  const aside = { kind: "set aside", path, segment: firstIndex, from: 0, to: end.size } as const;
  const removal = { kind: "remove", path, why: "never acknowledged" } as const;
  return isAbandoned(end) ? [aside, removal] : [removal];
}

/** The segments before the last as they are once the last of them has its Seal. */
function asSealed(
  before: Findings["before"],
  under: EndFinding | undefined,
  last: EndFinding,
): Findings["before"] {
  const full = before.at(-1);
  const isUnsealed = under !== undefined && last.kind === "scanned" && endsAsStated(under, last);
  if (full === undefined || last.kind !== "scanned" || !isUnsealed) return before;
  return [...before.slice(0, -1), { ...full, size: last.previous.size }];
}

/** Makes the segment before the last durable, if it may not be and yet is whole. */
function stepsUnder(under: EndFinding | undefined, last: EndFinding): Step[] {
  if (under === undefined || last.kind !== "scanned" || !endsAsStated(under, last)) return [];
  const lacksSeal = under.dueSeal !== undefined;
  // Also without an entry in it, what is cut off is a part of what the last one states.
  const way = "with a redo file";
  return [{ ...secureEnd(under), kind: "secure full segment", way, lacksSeal }];
}

/** Does what the decision table says of the last segment's end, or begins the only file again. */
function stepsOfLast(last: EndFinding, { format }: PlanOptions): Step[] {
  const aside = stepsAside(last);
  if (last.kind === "scanned") return [...aside, secureEnd(last)];
  const { path, firstIndex } = last;
  // A segment of version 1 cannot say where it begins.
  const version = firstIndex === 1 ? format : 2;
  return [...aside, { kind: "begin again", path, firstIndex, version }];
}

/** Keeps what a segment has after its end, if it may be more than a torn write. */
function stepsAside(end: EndFinding): Step[] {
  if (end.kind === "refused" || !mustKeep(end)) return [];
  const { path, size } = end;
  const from = end.kind === "scanned" ? end.end : 0;
  return [{ kind: "set aside", path, segment: end.firstIndex, from, to: size }];
}

function secureEnd(last: ScannedEnd): Extract<Step, { readonly kind: "secure end" }> {
  const { path, version, end, size, entriesEnd, seal } = last;
  const vouched = Math.min(last.vouched, end);
  const isLoose = vouched > 0 && entriesEnd <= vouched && seal === undefined &&
    end - vouched <= MAX_LOOSE;
  const at = { kind: "secure end", path, firstIndex: last.firstIndex, end, size } as const;
  // Nothing covers any of a version 1 file, and it may be large.
  if (version === 1) return { ...at, way: "in place", from: 0 };
  return { ...at, way: isLoose ? "from memory" : "with a redo file", from: vouched };
}

/** Finishes a roll, a reset or a truncation from the head that a crash interrupted. */
function stepsAfterwards(
  findings: Findings,
  last: EndFinding,
  sealed: readonly SealedSegmentInfo[],
  { format }: PlanOptions,
): Step[] {
  const { path } = findings;
  const headIndex = headOf(findings);
  const { firstIndex } = last;
  const entries = last.kind === "scanned" ? last.entries : 0;
  const seal = last.kind === "scanned" ? last.seal : undefined;
  const nextIndex = firstIndex + entries;
  const next = segmentPath(path, nextIndex);
  const full = sealed.map(({ path }) => path);
  const steps: Step[] = [];
  if (seal !== undefined && last.kind === "scanned") {
    const previous = { firstIndex, size: last.end, checksum: seal.checksum };
    steps.push({ kind: "begin next", path: last.path, next, previous });
  }
  if (headIndex > nextIndex) {
    const begun = segmentPath(path, headIndex);
    const removes = [...full, last.path, ...(seal === undefined ? [] : [next])];
    return [...steps, { kind: "begin at head", path: begun, firstIndex: headIndex, removes }];
  }
  if (headIndex < nextIndex || entries === 0) return steps;
  // All entries are below the head. A log of version 1 alone has no file to continue in.
  const mayContinue = seal !== undefined || format !== 1;
  if (seal === undefined && mayContinue) steps.push({ kind: "roll", path: last.path, next });
  const paths = mayContinue ? [...full, last.path] : full;
  return paths.length === 0 ? steps : [...steps, { kind: "drop", paths, headIndex }];
}
