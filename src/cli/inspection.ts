/**
 * What a log's files hold, and what recovery would decide of it and do. Nothing is changed, and no
 * lock is taken.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { FrameChecksum } from "../format/checksum.ts";
import type { FormatVersion } from "../format/file_header.ts";
import type { FileSystem } from "../fs/file_system.ts";
import { directoryOf } from "../fs/path.ts";
import { LogDirectory } from "../fs/log_directory.ts";
import { type Meta, MetaFile } from "../files/meta.ts";
import { decide, type RecoveryCase } from "../segment/decision.ts";
import type { SegmentScan } from "../segment/frame_walk.ts";
import { isUnfinished, scanSegment, type UnfinishedSegment } from "../segment/scan.ts";
import type { SegmentSource } from "../segment/source.ts";
import { type Beginning, commonId, findBreak, fromHead, readBeginning } from "./chain.ts";
import { type Frame, framesOf, sizeOf } from "./frames.ts";
import type { SegmentFile } from "../files/chain.ts";
import { metaPath, redoFile, segmentFiles } from "./log_files.ts";

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

/** What is told of a segment. */
export interface SegmentReport {
  readonly path: string;
  readonly version: number | null;
  readonly size: number;
  readonly entries: number;
  readonly firstIndex: number;
  readonly lastIndex: number;
  /** Whether its last frame is a Seal; a full segment of version 1 has none. */
  readonly sealed: boolean;
  /** `"head"`: below the head, and opening would remove it; `"unused"`: so would it, or make it anew. */
  readonly left: "head" | "unused" | null;
  readonly frames: Readonly<Record<string, Tally>>;
}

/** What the meta file tells. */
export interface MetaReport {
  readonly headIndex: number;
  /** The size of the application's state in bytes. */
  readonly stateSize: number;
}

/** What is told of a log; in this form with `--json`. */
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
  /** What the last segment's Durable frames vouch for. */
  readonly durable: { readonly offset: number; readonly index: number };
  /** What recovery would decide of the last segment. */
  readonly recovery: Outcome;
  /** Why opening would refuse for the sake of the segments before the last. */
  readonly broken: string | null;
}

/**
 * Decides as recovery would. A writer's append may be half in the file at this moment, so one that
 * is not clean and has changed is looked at again.
 */
export function examine(source: SegmentSource): Finding {
  for (let attempt = 1;; attempt++) {
    const found = scanSegment(source);
    const finding = isUnfinished(found) ? judgeUnfinished(found) : judge(source, found);
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

/** Inspects a log. */
export function inspectLog(
  fileSystem: FileSystem,
  path: string,
  checksum: FrameChecksum,
  maxEntrySize: number,
): Report {
  const files = segmentFiles(fileSystem, path);
  const meta = loadMeta(fileSystem, path, checksum);
  const redo = redoFile(fileSystem, path, checksum);
  // One that is something else is refused here as it is by open.
  if (redo.exists()) redo.load();
  const headIndex = meta?.headIndex ?? 1;
  const inUse = fromHead(files, headIndex);
  const segments: SegmentReport[] = files.slice(0, -inUse.length)
    .map((file) => reportFull(readBeginning(fileSystem, checksum, file), fileSystem, "head"));
  const unused: SegmentReport[] = [];
  for (;;) {
    const file = inUse.at(-1);
    if (file === undefined) throw new TypeError("A log has a segment");
    const last = inspectLast(fileSystem, file, checksum, maxEntrySize);
    const { finding } = last;
    // Opening removes a file that was never in use, and goes on with the one before.
    if (last.isUnused && inUse.length > 1) {
      unused.push(last.segment);
      inUse.pop();
      continue;
    }
    const chain = inUse.map((file) => readBeginning(fileSystem, checksum, file));
    const ids = chain.flatMap(({ frame }) => frame === undefined ? [] : [frame.logId]);
    if (meta !== undefined) ids.push(meta.logId);
    const broken = findBreak(chain, headIndex, commonId(ids));
    for (const beginning of chain.slice(0, -1)) {
      segments.push(reportFull(beginning, fileSystem, null));
    }
    segments.push(last.segment, ...unused);
    const { scan, vouched, recovery } = finding;
    const firstIndex = Math.max(headIndex, chain[0]?.firstIndex ?? 1);
    const lastIndex = Math.max(last.segment.lastIndex, firstIndex - 1);
    const logId = scan?.logId ?? meta?.logId;
    return {
      path,
      version: scan?.version ?? null,
      logId: logId === undefined ? null : Buffer.from(logId).toString("hex"),
      meta: meta === undefined ? null : { headIndex: meta.headIndex, stateSize: meta.state.length },
      size: segments.reduce((sum, { size }) => sum + size, 0),
      entries: lastIndex - firstIndex + 1,
      firstIndex,
      lastIndex,
      segments,
      frames: addUp(segments.map(({ frames }) => frames)),
      durable: {
        offset: vouched,
        index: file.firstIndex - 1 + (scan?.offsets.countBelow(vouched) ?? 0),
      },
      recovery,
      broken: broken?.what ?? null,
    };
  }
}

function loadMeta(
  fileSystem: FileSystem,
  path: string,
  checksum: FrameChecksum,
): Meta | undefined {
  const directory = new LogDirectory(fileSystem, directoryOf(path));
  const meta = new MetaFile(fileSystem, directory, metaPath(path), 0, checksum);
  meta.load("read");
  meta.close();
  return meta.current;
}

function inspectLast(
  fileSystem: FileSystem,
  { path, firstIndex }: SegmentFile,
  checksum: FrameChecksum,
  maxEntrySize: number,
): { finding: Finding; segment: SegmentReport; isUnused: boolean } {
  const file = fileSystem.open(path, "read");
  try {
    const finding = examine({ file, path, checksum, maxEntrySize });
    const { scan, recovery } = finding;
    const entries = scan?.offsets.count ?? 0;
    const isUnused = scan === undefined && recovery.action !== "refuse";
    const segment: SegmentReport = {
      path,
      version: scan?.version ?? null,
      size: recovery.offset + recovery.bytes,
      entries,
      firstIndex,
      lastIndex: firstIndex - 1 + entries,
      sealed: scan?.seal !== undefined,
      left: isUnused ? "unused" : null,
      frames: scan === undefined ? {} : tally(framesOf(file, scan)),
    };
    return { finding, segment, isUnused };
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
