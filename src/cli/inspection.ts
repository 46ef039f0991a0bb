/**
 * What a log's files hold, and what recovery would decide of it and do. Nothing is changed, and no
 * lock is taken.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Beginning } from "../files/beginning.ts";
import type { Meta } from "../files/meta.ts";
import type { FrameChecksum } from "../format/checksum.ts";
import type { FormatVersion } from "../format/file_header.ts";
import { type FileSystem, FileSystemError } from "../fs/file_system.ts";
import type { Tag } from "../layer/tag.ts";
import type { EndFinding, Findings } from "../opening/findings.ts";
import type { Reason, Step } from "../opening/plan.ts";
import { isAbandoned, reportOf } from "../opening/report.ts";
import type { RecoveryCase } from "../segment/decision.ts";
import { fromHead } from "./chain.ts";
import { foresee, type Foreseen } from "./foreseen.ts";
import { ForeseenFiles } from "./foreseen_files.ts";
import { type Frame, framesOf, sizeOf } from "./frames.ts";
import { layerOf } from "./layer_view.ts";

/** What each case means. */
const VERDICT: Readonly<Record<RecoveryCase, string>> = {
  A: "clean end",
  B: "unused preallocated space",
  C: "corruption of acknowledged data",
  D: "ambiguous: a torn write, or rot in the last unsynced group",
  E: "torn last write",
};

/** What case D means of a segment that was begun without a wait, and is given up. */
const UNACKNOWLEDGED: Readonly<Record<EndFinding["kind"], string>> = {
  scanned: "begun without a wait after a segment that is not whole, and never acknowledged",
  unfinished: "begun without a wait, its beginning is lost, and it was never acknowledged",
  refused: "begun without a wait, and never acknowledged",
};

/** The refusals of a log of which there is more to tell. */
const SHOWN: ReadonlySet<Reason> = new Set<Reason>([
  "no log at the path",
  "last segment misplaced",
  "acknowledged data damaged",
  "beginning damaged",
  "beginning lost",
  "chain broken",
  "meta file of another log",
  "foreign segment below the head",
]);

/** What opening the log would do with the bytes after its end. */
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

/** What opening the log would do: the plan of it. */
export type Opening =
  | {
    readonly kind: "open";
    /** The file that its report would be about. */
    readonly segment: string;
    readonly steps: readonly Step[];
  }
  | {
    readonly kind: "refuse";
    readonly reason: Reason;
    readonly code: string;
    readonly message: string;
  };

/** How many frames of one kind there are, and their size together. */
export interface Tally {
  count: number;
  bytes: number;
}

/** What is said about a segment. */
export interface SegmentReport {
  readonly path: string;
  readonly version: number | null;
  readonly size: number;
  readonly entries: number;
  readonly firstIndex: number;
  readonly lastIndex: number;
  /** Whether its last frame is a Seal; a full segment of version 1 has none. */
  readonly sealed: boolean;
  /**
   * `"head"`: below the head, and opening would remove it; `"unused"`: so would it, or begin it again;
   * `"unacknowledged"`: it would set it aside and remove it.
   */
  readonly left: "head" | "unused" | "unacknowledged" | null;
  readonly frames: Readonly<Record<string, Tally>>;
}

/** What the meta file tells. */
export interface MetaReport {
  readonly headIndex: number;
  /** The size of the application's state in bytes. */
  readonly stateSize: number;
  /** The layer whose tag the state begins with, and what it has beside the log. */
  readonly layer: LayerReport | null;
}

/** What the state of a layer's log tells; a layer adds fields of its own. */
export interface LayerReport extends Tag {
  /** The same in words, a line each. */
  readonly words: readonly string[];
}

/** What is said about a log; in this form with `--json`. */
export interface Report {
  readonly path: string;
  /** The last segment's. */
  readonly version: FormatVersion | null;
  readonly logId: string | null;
  readonly meta: MetaReport | null;
  /** The size of all segments in bytes. */
  readonly size: number;
  readonly entries: number;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly segments: readonly SegmentReport[];
  readonly frames: Readonly<Record<string, Tally>>;
  /** What the last segment's Durable frames cover. */
  readonly durable: { readonly offset: number; readonly index: number };
  /** What recovery would decide and report. */
  readonly recovery: Outcome;
  /** Why opening would be refused, if not for the sake of the last segment's end. */
  readonly broken: string | null;
  readonly opening: Opening;
}

/**
 * Inspects a log.
 *
 * @throws {WalError} What opening would be refused with, if there is nothing else to tell.
 * @throws {FileSystemError} `ENOENT` if there is no log.
 */
export function inspectLog(
  fileSystem: FileSystem,
  path: string,
  checksum: FrameChecksum,
  maxEntrySize: number,
): Report {
  const wanted = { checksum, maxEntrySize, recovery: "default" } as const;
  const foreseen = foresee(new ForeseenFiles(fileSystem), path, wanted);
  const { plan, findings, files, meta } = foreseen;
  const last = lastOf(foreseen);
  const isShown = plan.kind === "open" || SHOWN.has(plan.reason);
  if (!isShown || (last?.kind === "refused" && plan.kind === "refuse")) throw plan.error;
  if (last === undefined) throw new FileSystemError("ENOENT", "Open", path);
  const headIndex = meta?.headIndex ?? 1;
  const inUse = fromHead([...findings.before, last], headIndex);
  const segments = [
    ...findings.before.map((file) =>
      reportFull(file, files, inUse.some(({ path }) => path === file.path) ? null : "head")
    ),
    ...findings.ends.toReversed().map((end) => reportEnd(end, foreseen)),
  ];
  const lastSegment = segments.find(({ path }) => path === last.path);
  const firstIndex = Math.max(headIndex, inUse[0]?.firstIndex ?? 1);
  const lastIndex = Math.max(lastSegment?.lastIndex ?? 0, firstIndex - 1);
  const scan = foreseen.scanOf(last.path);
  const logId = scan?.logId ?? meta?.logId;
  const vouched = last.kind === "scanned" ? Math.max(last.vouched, last.decision.vouched) : 0;
  const recovery = foreseenOutcome(foreseen);
  const isBroken = plan.kind === "refuse" && recovery.action !== "refuse";
  return {
    path,
    version: scan?.version ?? null,
    logId: logId === undefined ? null : Buffer.from(logId).toString("hex"),
    meta: meta === undefined ? null : metaReport(meta),
    size: segments.reduce((sum, { size }) => sum + size, 0),
    entries: lastIndex - firstIndex + 1,
    firstIndex,
    lastIndex,
    segments,
    frames: addUp(segments.map(({ frames }) => frames)),
    durable: {
      offset: vouched,
      index: last.firstIndex - 1 + (scan?.offsets.countBelow(vouched) ?? 0),
    },
    recovery,
    broken: isBroken ? plan.error.message : null,
    opening: openingOf(foreseen),
  };
}

function metaReport({ headIndex, state }: Meta): MetaReport {
  const layer = layerOf(state);
  return {
    headIndex,
    stateSize: state.length,
    layer: layer === undefined
      ? null
      : { ...layer.tag, ...layer.fields, words: [layer.what, ...layer.lines] },
  };
}

/** The segment that the log ends in, or the one for whose beginning it is refused. */
function lastOf({ plan, findings }: Foreseen): EndFinding | undefined {
  const isDamaged = plan.kind === "refuse" && plan.reason === "beginning damaged";
  const damaged = findings.ends.find((end) => end.kind === "unfinished" && end.holds === "frames");
  return isDamaged ? damaged : findings.ends.at(-1);
}

/** What opening would do, in full. */
export function openingOf({ plan, first }: Foreseen): Opening {
  if (plan.kind === "open") {
    return { kind: "open", segment: plan.report.segment, steps: [...first, ...plan.steps] };
  }
  const { reason, error: { code, message } } = plan;
  return { kind: "refuse", reason, code, message };
}

/** What opening would report, or why it would be refused for the sake of the last segment. */
export function foreseenOutcome(foreseen: Foreseen): Outcome {
  const { plan, findings } = foreseen;
  const last = lastOf(foreseen);
  if (plan.kind === "refuse" && last !== undefined) {
    if (plan.reason === "acknowledged data damaged" && last.kind === "scanned") {
      return refused(VERDICT.C, last.end, last.size);
    }
    if (plan.reason === "beginning damaged" && last.kind === "unfinished") {
      const verdict = "corruption: the beginning is damaged, but frames follow";
      return refused(verdict, last.at, last.size);
    }
    if (plan.reason === "beginning lost" && last.kind === "unfinished") {
      const verdict = "corruption: there is no beginning, but the head says that it had entries";
      return refused(verdict, last.at, last.size);
    }
  }
  const report = plan.kind === "open" ? plan.report : reportOf(findings.ends);
  const { case: name, segment, offset, bytesCut, isSetAside } = report;
  const end = findings.ends.find(({ path }) => path === segment);
  const verdict = name === "D" && end !== undefined && isGivenUp(end, findings)
    ? UNACKNOWLEDGED[end.kind]
    : verdictOf(name, end);
  const action = isSetAside ? "set aside" : bytesCut > 0 ? "cut" : "none";
  return { case: name, verdict, offset, bytes: bytesCut, action };
}

function refused(verdict: string, offset: number, size: number): Outcome {
  return { case: "C", verdict, offset, bytes: size - offset, action: "refuse" };
}

function verdictOf(name: RecoveryCase, end: EndFinding | undefined): string {
  if (end?.kind !== "unfinished") return VERDICT[name];
  if (name === "C") return "corruption: the beginning is damaged, but frames follow";
  return end.size === 0
    ? "never in use: the file is empty"
    : "never in use: its making was interrupted";
}

/** Whether a segment after the last holds entries of which none was acknowledged. */
function isGivenUp(end: EndFinding, { ends }: Findings): boolean {
  return end !== ends.at(-1) && isAbandoned(end);
}

/** Reports on a segment that was scanned. */
function reportEnd(end: EndFinding, { plan, findings, files, scanOf }: Foreseen): SegmentReport {
  const { path, firstIndex } = end;
  const scan = scanOf(path);
  const entries = scan?.offsets.count ?? 0;
  const file = files.open(path, "read");
  try {
    const isUnused = end.kind === "unfinished" &&
      !(plan.kind === "refuse" && (end.holds === "frames" || plan.reason === "beginning lost"));
    return {
      path,
      version: scan?.version ?? null,
      size: end.kind === "refused" ? file.size() : end.size,
      entries,
      firstIndex,
      lastIndex: firstIndex - 1 + entries,
      sealed: scan?.seal !== undefined,
      left: plan.kind === "open" && isGivenUp(end, findings)
        ? "unacknowledged"
        : isUnused
        ? "unused"
        : null,
      frames: scan === undefined ? {} : tally(framesOf(file, scan)),
    };
  } finally {
    file.close();
  }
}

/** Reports on a full segment by the headers of its frames. */
function reportFull(
  { path, firstIndex, version, size }: Beginning,
  fileSystem: FileSystem,
  left: SegmentReport["left"],
): SegmentReport {
  const file = fileSystem.open(path, "read");
  try {
    // A Seal may count fewer entries than there are: a truncation dropped the others.
    let counted: number | undefined;
    const frames = tally(
      framesOf(file, { firstIndex, end: size }),
      ({ content }) => counted = content.kind === "seal" ? content.count : undefined,
    );
    const entries = counted ?? frames["data"]?.count ?? 0;
    const sealed = counted !== undefined;
    const lastIndex = firstIndex - 1 + entries;
    const known = version ?? null;
    return { path, version: known, size, entries, firstIndex, lastIndex, sealed, left, frames };
  } finally {
    file.close();
  }
}

/** Counts frames by kind. */
function tally(
  frames: Iterable<Frame>,
  look: (frame: Frame) => void = () => {},
): Record<string, Tally> {
  const tallies = emptyTallies();
  for (const frame of frames) {
    look(frame);
    const kind = tallies[frame.content.kind] ??= { count: 0, bytes: 0 };
    kind.count++;
    kind.bytes += sizeOf(frame);
  }
  return tallies;
}

function addUp(parts: readonly Readonly<Record<string, Tally>>[]): Record<string, Tally> {
  const sum = emptyTallies();
  for (const [kind, { count, bytes }] of parts.flatMap((part) => Object.entries(part))) {
    const total = sum[kind] ??= { count: 0, bytes: 0 };
    total.count += count;
    total.bytes += bytes;
  }
  return sum;
}

function emptyTallies(): Record<string, Tally> {
  const kinds = ["data", "segment", "batch", "durable", "seal"];
  return Object.fromEntries(kinds.map((kind) => [kind, { count: 0, bytes: 0 }]));
}
