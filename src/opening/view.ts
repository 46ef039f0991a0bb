/**
 * Opens a log for reading: what the plan of an open for writing would keep is shown, and no step of
 * it is done. The writer may be making, rolling or dropping segments at this moment.
 *
 * @module
 */
import type { WalError } from "../errors.ts";
import type { SegmentFile } from "../files/beginning.ts";
import { requireOwnPath } from "../files/chain.ts";
import type { MetaFile } from "../files/meta.ts";
import { SegmentList } from "../files/segment_list.ts";
import { FileSystemError, isFileSystemError } from "../fs/file_system.ts";
import { decide } from "../segment/decision.ts";
import { nothingFound } from "../segment/frame_walk.ts";
import { scanOn } from "../segment/scan.ts";
import type { SegmentSource } from "../segment/source.ts";
import { WatchedSegment } from "../segment/watched_segment.ts";
import {
  type Findings,
  headIndexOf,
  type Judge,
  lookAtMeta,
  lookAtRedo,
  type MetaFinding,
  SegmentLook,
  type Sight,
} from "./findings.ts";
import { type OpenPlan, planOpening } from "./plan.ts";
import type { Setting } from "./setting.ts";

/** How often a reader judges an end again that the writer has moved on meanwhile. */
const JUDGE_TRIES = 20;

/** What is shown of a log. */
export interface Shown {
  readonly segments: SegmentList<WatchedSegment>;
  readonly meta: MetaFile;
  readonly plan: OpenPlan;
}

/**
 * Looks at a log once.
 *
 * @throws {WalError} What an open for writing would refuse the log with.
 * @throws {FileSystemError} `EBUSY` if the writer has changed the files meanwhile, or a file is in
 * the middle of a replacement; `ENOENT` if there is no log.
 */
export function view(setting: Setting): Shown {
  requireNoReplacement(setting);
  const meta = setting.meta();
  try {
    const found = lookAtMeta(setting.metaPath, meta, () => meta.view(setting.redo));
    return showSegments(setting, meta, found);
  } catch (error) {
    meta.close();
    throw error;
  }
}

/** Looks at the segments of a log without changing them: what is found, and the files. */
export function lookAtSegments(
  sight: Sight,
  meta: MetaFinding,
  source: (path: string) => SegmentSource,
  ownPath: WalError | undefined,
): { readonly look: SegmentLook<SegmentSource>; readonly findings: Findings } {
  const look = new SegmentLook(sight, {
    open: ({ path }) => source(path),
    close: ({ file }) => file.close(),
  }, judgeLive);
  try {
    for (const _ of look.ends(headIndexOf(meta))) { /* It is scanned next. */ }
    return { look, findings: look.findings(meta, ownPath) };
  } catch (error) {
    look.close();
    throw error;
  }
}

function showSegments(setting: Setting, meta: MetaFile, found: MetaFinding): Shown {
  const { fileSystem, path, checksum, options } = setting;
  const identities = new Map<string, string>();
  const { look, findings } = lookAtSegments(setting, found, (path) => {
    const file = fileSystem.open(path, "read");
    try {
      identities.set(path, file.identity());
    } catch (error) {
      file.close();
      throw error;
    }
    return { ...setting.source(file, path), remembers: true };
  }, ownPathError(setting));
  try {
    const plan = planOpening(findings, options);
    if (plan.kind === "refuse") throw plan.error;
    const { last, sealed, headIndex } = plan;
    if (last === undefined) throw new FileSystemError("ENOENT", "Open", path);
    const { source, scan = nothingFound(last.firstIndex) } = look.fileOf(last.path);
    const identity = identities.get(last.path);
    // Before the writer cuts a full segment, it removes the files after it.
    const isUntouched = (): boolean => fileSystem.identify(last.path) === identity;
    const isStale = headIndex > scan.firstIndex + scan.offsets.count;
    const shown = isStale ? nothingFound(headIndex) : scan;
    const active = new WatchedSegment(source, shown, durableBefore(findings, last, look));
    const { maxEntrySize } = options;
    // The writer may cut a full file at any time, and to touch what is gone would end this process.
    const files = { fileSystem, checksum, maxEntrySize, mapsReads: false };
    const segments = new SegmentList(files, isStale ? [] : sealed, active, isUntouched);
    // What was found one after the other must have been there at one time.
    requireNoReplacement(setting);
    const isWhole = active.identity === identity && isUntouched() &&
      (shown.end === 0 || active.refresh()) && meta.isSame();
    if (!isWhole) throw new FileSystemError("EBUSY", "Read", last.path);
    look.close(last.path);
    return { segments, meta, plan };
  } catch (error) {
    look.close();
    throw error;
  }
}

/**
 * Up to which index the log is durable before the last segment, if that says that the one before it
 * was not known to be.
 */
function durableBefore(
  { under }: Findings,
  last: SegmentFile,
  look: SegmentLook<SegmentSource>,
): number | undefined {
  if (under?.kind !== "scanned" || under.path === last.path) return undefined;
  const { offsets } = look.fileOf(under.path).scan ?? nothingFound(under.firstIndex);
  return under.firstIndex - 1 + offsets.countBelow(under.vouched);
}

/**
 * Refuses to show a file in the middle of a replacement, which holds neither what it did nor what it
 * is to. The writer may be done with it soon.
 */
function requireNoReplacement(setting: Setting): void {
  const redo = lookAtRedo(setting, setting.redo);
  if (redo.kind === "refused") throw redo.error;
  // What the meta file is to hold is read from the redo file.
  if (redo.kind !== "replacement" || redo.isMeta) return;
  // With its old tail, whatever the mark says, or the new one, it can be shown.
  if (redo.tail === "neither") throw new FileSystemError("EBUSY", "Read", redo.target);
}

/** Why the file at the log's own path is refused; one that is not there is not. */
export function ownPathError({ fileSystem, checksum, path }: Sight): WalError | undefined {
  try {
    requireOwnPath(fileSystem, checksum, path);
    return undefined;
  } catch (error) {
    if (!isFileSystemError(error)) return error as WalError;
    if (error.code !== "ENOENT") throw error;
    return undefined;
  }
}

/**
 * Judges the end of a file that its writer may be writing to, in space that was there before. Bytes
 * that began no whole frame at the scan may be a frame by the time that the bytes after them are
 * looked at.
 */
const judgeLive: Judge = (source, scan) => {
  for (let tries = 1;; tries++) {
    const decision = decide(source, scan);
    if (decision.case === "A" || decision.case === "B") return { scan, decision };
    const now = scanOn(source, scan);
    if (now.end === scan.end) return { scan, decision };
    // The writer is faster than we are: where it was is the end so far.
    if (tries >= JUDGE_TRIES) return { scan: now, decision: { case: "A", vouched: now.vouched } };
    scan = now;
  }
};
