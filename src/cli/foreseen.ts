/**
 * What opening a log for writing would do: its plan, made of the files as they are, without a lock
 * and without a change.
 *
 * @module
 */
import { type Meta, MetaFile } from "../files/meta.ts";
import type { FrameChecksum } from "../format/checksum.ts";
import type { FileSystem } from "../fs/file_system.ts";
import { LogDirectory } from "../fs/log_directory.ts";
import { directoryOf } from "../fs/path.ts";
import { type Findings, lookAtMeta, lookAtRedo, type RedoFinding } from "../opening/findings.ts";
import {
  inPlace,
  type Plan,
  planOpening,
  type PlanOptions,
  planReplacement,
  type Step,
} from "../opening/plan.ts";
import { metaPath } from "../files/names.ts";
import { lookAtSegments, ownPathError } from "../opening/view.ts";
import type { SegmentScan } from "../segment/frame_walk.ts";
import type { SegmentSource } from "../segment/source.ts";
import type { ForeseenFiles } from "./foreseen_files.ts";
import { redoFile } from "./log_files.ts";

/** How often a log is looked at that a writer changes meanwhile. */
const ATTEMPTS = 3;

/** What opening would do, and what it would find. */
export interface Foreseen {
  /** The steps before the plan: the end of a replacement that was interrupted. */
  readonly first: readonly Step[];
  /** The plan for the files as those steps would leave them. */
  readonly plan: Plan;
  /** What is found in those files. */
  readonly findings: Findings;
  readonly meta: Meta | undefined;
  /** What a scan found of a segment that was scanned. */
  readonly scanOf: (path: string) => SegmentScan | undefined;
  /** Those files, to be read. */
  readonly files: FileSystem;
}

/** How a log would be opened. */
export interface Wanted {
  readonly checksum: FrameChecksum;
  readonly maxEntrySize: number;
  readonly recovery: PlanOptions["recovery"];
}

/**
 * Looks at a log, and plans as an open for writing would.
 *
 * @throws {WalError} `ERR_WAL_FORMAT` if a file is named by an index that no entry can have.
 */
export function foresee(files: ForeseenFiles, path: string, wanted: Wanted): Foreseen {
  for (let attempt = 1;; attempt++) {
    const foreseen = look(files, path, wanted);
    // A writer may be in the middle of something.
    if (foreseen.plan.kind === "open" || attempt === ATTEMPTS) return foreseen;
  }
}

function look(given: ForeseenFiles, path: string, wanted: Wanted): Foreseen {
  const { checksum, maxEntrySize, recovery } = wanted;
  const sight = { fileSystem: given, checksum, path };
  // An open for writing looks at it first.
  const ownPath = ownPathError(sight);
  const redo = lookAtRedo(sight, redoFile(given, path, checksum));
  const first = planReplacement(redo);
  const isRefused = ownPath === undefined && first?.kind === "refuse";
  const files: FileSystem = first?.kind === "refuse" ? given : settled(given, redo);

  const directory = new LogDirectory(files, directoryOf(path));
  const meta = new MetaFile(files, directory, metaPath(path), 0, checksum);
  const found = lookAtMeta(metaPath(path), meta, () => meta.load("read"));
  meta.close();
  const source = (path: string): SegmentSource => {
    return { file: files.open(path, "read"), path, checksum, maxEntrySize };
  };
  const { look, findings } = lookAtSegments(
    { ...sight, fileSystem: files },
    found,
    source,
    ownPath,
  );
  look.close();
  return {
    first: first?.kind === "look again" ? first.steps : [],
    plan: isRefused ? first : planOpening(findings, { recovery, format: 2, readOnly: false }),
    findings: inPlace(findings),
    meta: meta.current,
    scanOf: (path) => look.fileOf(path).scan,
    files,
  };
}

/** The files once the redo file has had its effect, and is gone. */
function settled(files: ForeseenFiles, redo: RedoFinding): ForeseenFiles {
  if (redo.kind === "none" || redo.kind === "refused") return files;
  const isDone = redo.kind === "void" || redo.tail === "untouched";
  return (isDone ? files : files.replaced(redo)).without([redo.path]);
}
