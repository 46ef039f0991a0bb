/**
 * What is there when a log is opened: its redo file, its meta file and its segments. Nothing here
 * changes a file, and nothing here decides what to do.
 *
 * The findings are plain data. What a scan found of a segment besides, and the open files, are kept
 * next to them for the steps that follow.
 *
 * @module
 */
import { WalError } from "../errors.ts";
import { type Beginning, ownFrameOf, readBeginning, type SegmentFile } from "../files/beginning.ts";
import { segmentFilesOf } from "../files/chain.ts";
import type { MetaFile } from "../files/meta.ts";
import { metaPath, redoPath } from "../files/names.ts";
import type { InterruptedRedo, RedoFile } from "../files/redo.ts";
import type { FrameChecksum } from "../format/checksum.ts";
import { META_FILE } from "../format/redo_record.ts";
import type { FileHandle, FileSystem } from "../fs/file_system.ts";
import { directoryOf, nameOf } from "../fs/path.ts";
import type { Decision } from "../segment/decision.ts";
import type { SegmentScan } from "../segment/frame_walk.ts";
import { findVouchedOffset } from "../segment/search.ts";
import { isUnfinished, scanSegment, type UnfinishedSegment } from "../segment/scan.ts";
import type { SegmentSource } from "../segment/source.ts";

/** Of the redo file: whether a tail was being replaced. */
export type RedoFinding =
  | { readonly kind: "none" }
  /** It is something else than a redo file. */
  | { readonly kind: "refused"; readonly path: string; readonly error: WalError }
  /** It is not whole, or the file that it names is not there. */
  | { readonly kind: "void"; readonly path: string }
  | InterruptedReplacement;

/** A replacement that was begun, and how far it came. */
export interface InterruptedReplacement {
  readonly kind: "replacement";
  readonly path: string;
  readonly record: InterruptedRedo;
  /** The file whose tail it replaces. */
  readonly target: string;
  /** Whether that is the meta file. */
  readonly isMeta: boolean;
  /**
   * What that file has from the offset on: the old tail, and the redo file was not in use yet; the
   * old tail, the new one, or neither.
   */
  readonly tail: "untouched" | "old" | "new" | "neither";
  /** The log's id that the file tells. */
  readonly logId: Uint8Array | undefined;
  /** The segments after that file, in order. */
  readonly after: readonly Beginning[];
}

/** Of the meta file. */
export type MetaFinding =
  | { readonly kind: "none" }
  /** Its making was interrupted. */
  | { readonly kind: "unfinished"; readonly path: string }
  | {
    readonly kind: "valid";
    readonly path: string;
    readonly headIndex: number;
    readonly logId: Uint8Array;
  }
  /** It is damaged, or something else than a meta file. */
  | { readonly kind: "refused"; readonly path: string; readonly error: WalError };

/** Of a segment that was scanned, from the newest back to the last that was in use. */
export type EndFinding =
  | ScannedEnd
  | UnfinishedEnd
  /** It is no log of a version that this reads, or holds what this must not judge. */
  | (SegmentFile & { readonly kind: "refused"; readonly error: WalError });

/** A segment without a valid beginning. */
export interface UnfinishedEnd extends SegmentFile, UnfinishedSegment {
  /**
   * Whether it may be a file whose beginning was not durable yet when entries were appended: it is the
   * newest, a version 2 segment of the log stands before it, and no Durable frame is in it.
   */
  readonly mayBePending: boolean;
}

/** A segment that was scanned, and what the decision table says of its end. */
export interface ScannedEnd extends
  SegmentFile,
  Pick<
    SegmentScan,
    | "version"
    | "logId"
    | "previous"
    | "isPending"
    | "entriesEnd"
    | "vouched"
    | "seal"
    | "end"
    | "size"
  > {
  readonly kind: "scanned";
  /** The first index that its Segment frame states. */
  readonly statedIndex: number;
  /** How many entries it has. */
  readonly entries: number;
  readonly decision: Decision;
}

/** Of the log. */
export interface Findings {
  /** The log's path. */
  readonly path: string;
  /** Why the file at that path is refused; the writer looks at it before it takes the lock. */
  readonly ownPath: WalError | undefined;
  readonly meta: MetaFinding;
  /** The segments that were scanned, the newest first. */
  readonly ends: readonly EndFinding[];
  /**
   * The segment before the last, if the last says that it was not known to be durable, and no Durable
   * frame says otherwise.
   */
  readonly under: EndFinding | undefined;
  /** The segments before {@linkcode ends}, in order. */
  readonly before: readonly Beginning[];
}

/** What is needed to look at files. */
export interface Sight {
  readonly fileSystem: Pick<FileSystem, "open" | "list">;
  readonly checksum: FrameChecksum;
  /** The log's path. */
  readonly path: string;
}

/** Looks at the redo file. */
export function lookAtRedo(sight: Sight, redo: RedoFile): RedoFinding {
  const path = redoPath(sight.path);
  if (!redo.exists()) return { kind: "none" };
  let record: InterruptedRedo | undefined;
  try {
    record = redo.load();
  } catch (error) {
    if (error instanceof WalError) return { kind: "refused", path, error };
    throw error;
  }
  if (record === undefined) return { kind: "void", path };
  const target = targetOf(sight, record);
  return target === undefined
    ? { kind: "void", path }
    : { kind: "replacement", path, record, ...replacementOf(sight, redo, record, target) };
}

/** The path of the file whose tail a record replaces; `undefined` if it is not there. */
function targetOf(
  { fileSystem, path }: Sight,
  { firstIndex }: InterruptedRedo,
): string | undefined {
  const target = firstIndex === META_FILE
    ? metaPath(path)
    : segmentFilesOf(fileSystem, path).find((file) => file.firstIndex === firstIndex)?.path;
  // The redo file is durable together with all names, so without the other it was not yet in use.
  const names = fileSystem.list(directoryOf(path));
  return target !== undefined && names.includes(nameOf(target)) ? target : undefined;
}

function replacementOf(
  { fileSystem, checksum, path }: Sight,
  redo: RedoFile,
  record: InterruptedRedo,
  target: string,
): Omit<InterruptedReplacement, "kind" | "path" | "record"> {
  const { firstIndex } = record;
  const isMeta = firstIndex === META_FILE;
  const after = isMeta
    ? []
    : segmentFilesOf(fileSystem, path).filter((file) => file.firstIndex > firstIndex);
  const begins = isMeta
    ? undefined
    : readBeginning(fileSystem, checksum, { path: target, firstIndex });
  const file = fileSystem.open(target, "read");
  try {
    return {
      target,
      isMeta,
      tail: tailOf(redo, record, file),
      logId: begins === undefined ? undefined : ownFrameOf(begins)?.logId,
      after: after.map((file) => readBeginning(fileSystem, checksum, file)),
    };
  } finally {
    file.close();
  }
}

function tailOf(
  redo: RedoFile,
  record: InterruptedRedo,
  file: FileHandle,
): InterruptedReplacement["tail"] {
  if (redo.isUntouched(file, record)) return "untouched";
  if (redo.isUntouched(file, { ...record, isInUse: false })) return "old";
  return redo.isFinished(file, record) ? "new" : "neither";
}

/** Loads the meta file and tells what was found. */
export function lookAtMeta(path: string, meta: MetaFile, load: () => void): MetaFinding {
  try {
    load();
  } catch (error) {
    if (error instanceof WalError) return { kind: "refused", path, error };
    throw error;
  }
  const { current } = meta;
  if (current !== undefined) {
    return { kind: "valid", path, headIndex: current.headIndex, logId: current.logId };
  }
  return meta.isOpen ? { kind: "unfinished", path } : { kind: "none" };
}

/** The index that the log begins with, as far as the meta file says. */
export function headIndexOf(meta: MetaFinding): number {
  return meta.kind === "valid" ? meta.headIndex : 1;
}

/** A scanned segment's file, which is open. */
export interface ScannedFile<S extends SegmentSource> {
  readonly source: S;
  /** `undefined` if it has no valid beginning, or could not be scanned. */
  readonly scan: SegmentScan | undefined;
}

/** How a segment's end is judged; a reader judges a file that its writer may be writing to. */
export type Judge = (
  source: SegmentSource,
  scan: SegmentScan,
) => { readonly scan: SegmentScan; readonly decision: Decision };

/** A look at a log's segments, and the files that it opens. */
export class SegmentLook<S extends SegmentSource> {
  readonly #sight: Sight;
  readonly #open: (file: SegmentFile) => S;
  readonly #judge: Judge;
  readonly #files: SegmentFile[];
  readonly #ends: EndFinding[] = [];
  #under: EndFinding | undefined;
  readonly #scanned = new Map<string, ScannedFile<S>>();

  /**
   * Looks which files there are.
   *
   * @param open Opens a file that is to be scanned.
   * @throws {WalError} `ERR_WAL_FORMAT` if one is named by an index that no entry can have.
   */
  constructor(sight: Sight, open: (file: SegmentFile) => S, judge: Judge) {
    this.#sight = sight;
    this.#open = open;
    this.#judge = judge;
    this.#files = segmentFilesOf(sight.fileSystem, sight.path);
  }

  /**
   * Opens the segments from the newest back to the last that was in use, and the one before that if it
   * may not have been durable. It scans each after it was yielded: the writer makes it durable first.
   *
   * @param headIndex Segments all of whose entries are below it are not needed.
   */
  *ends(headIndex: number): Generator<S> {
    for (let file = this.#files.pop(); file !== undefined; file = this.#files.pop()) {
      const source = yield* this.#opened(file);
      const end = this.#scan(file, source);
      this.#ends.push(end);
      if (end.kind === "unfinished") continue;
      if (end.kind === "scanned") yield* this.#lookUnder(end, headIndex);
      return;
    }
  }

  *#opened(file: SegmentFile): Generator<S, S> {
    const source = this.#open(file);
    this.#scanned.set(file.path, { source, scan: undefined });
    yield source;
    return source;
  }

  /**
   * Scans the segment before the last, if it may not have been durable when the last was begun. A
   * later file, whatever is left of it, was begun after it was.
   */
  *#lookUnder(last: ScannedEnd, headIndex: number): Generator<S> {
    const file = this.#files.at(-1);
    const mayBeUndurable = this.#ends.length === 1 && last.isPending && !isVouchedFor(last) &&
      last.statedIndex === last.firstIndex && last.firstIndex > headIndex;
    if (!mayBeUndurable || file?.firstIndex !== last.previous.firstIndex) return;
    const source = yield* this.#opened(file);
    // A full segment may hold larger entries than may be written now.
    const maxEntrySize = Math.max(source.maxEntrySize, source.file.size());
    const full = this.#scan(file, { ...source, maxEntrySize });
    this.#under = endsAsStated(full, last) ? full : this.#scan(file, source);
    const { scan } = this.fileOf(file.path);
    this.#scanned.set(file.path, { source, scan });
  }

  #scan(file: SegmentFile, source: S): EndFinding {
    let found: SegmentScan | UnfinishedSegment;
    try {
      found = scanSegment(source);
      if (isUnfinished(found)) return { ...file, ...found, mayBePending: false };
      const { scan, decision } = this.#judge(source, found);
      this.#scanned.set(file.path, { source, scan });
      return endOf(file, scan, decision);
    } catch (error) {
      if (error instanceof WalError) return { kind: "refused", ...file, error };
      throw error;
    }
  }

  /** What was found, once all {@linkcode ends} have been looked at. */
  findings(meta: MetaFinding, ownPath?: WalError): Findings {
    const { fileSystem, checksum, path } = this.#sight;
    const before = this.#files.map((file) => readBeginning(fileSystem, checksum, file));
    const [newest, last] = this.#ends;
    const ends = newest !== undefined && this.#mayBePending(newest, last)
      ? [{ ...newest, mayBePending: true }, ...this.#ends.slice(1)]
      : this.#ends;
    return { path, ownPath, meta, ends, under: this.#under, before };
  }

  /**
   * Whether the newest file, which has no beginning and holds frames, may have been begun without a
   * wait, and never acknowledged: a Durable frame would have been in it.
   */
  #mayBePending(newest: EndFinding, last: EndFinding | undefined): newest is UnfinishedEnd {
    if (newest.kind !== "unfinished" || newest.holds !== "frames") return false;
    if (last?.kind !== "scanned" || last.version !== 2) return false;
    const { firstIndex, at, size, path } = newest;
    const searched = { logId: last.logId, firstIndex, end: at - 1, size };
    return findVouchedOffset(this.fileOf(path).source, searched) === 0;
  }

  /** The open file of a segment that was scanned. */
  fileOf(path: string): ScannedFile<S> {
    const file = this.#scanned.get(path);
    if (file === undefined) throw new TypeError(`"${path}" was not scanned`);
    return file;
  }

  /** Gives the files back, but for one that another has taken over. */
  close(closeSource: (source: S) => void, except?: string): void {
    for (const [path, { source }] of this.#scanned) if (path !== except) closeSource(source);
  }
}

/** Whether a Durable frame is in a segment, so that it and all before it were durable. */
function isVouchedFor({ vouched, decision }: ScannedEnd): boolean {
  return vouched > 0 || decision.vouched > 0;
}

/** Whether a segment ends as the one after it says, to the byte. */
export function endsAsStated(full: EndFinding, { firstIndex, previous }: ScannedEnd): boolean {
  return full.kind === "scanned" && full.decision.case === "A" &&
    full.firstIndex + full.entries === firstIndex && full.size === previous.size &&
    full.seal?.checksum === previous.checksum;
}

function endOf(file: SegmentFile, scan: SegmentScan, decision: Decision): ScannedEnd {
  const { version, logId, previous, isPending, entriesEnd, vouched, seal, end, size } = scan;
  return {
    kind: "scanned",
    ...file,
    statedIndex: scan.firstIndex,
    entries: scan.offsets.count,
    version,
    logId,
    previous,
    isPending,
    entriesEnd,
    vouched,
    seal,
    end,
    size,
    decision,
  };
}
