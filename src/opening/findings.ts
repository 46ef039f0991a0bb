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
import { PENDING_END } from "../format/pending_frame.ts";
import { META_FILE } from "../format/redo_record.ts";
import { sealFrameSize } from "../format/seal_frame.ts";
import type { FileHandle, FileSystem } from "../fs/file_system.ts";
import { directoryOf, nameOf } from "../fs/path.ts";
import type { Decision } from "../segment/decision.ts";
import type { SegmentScan } from "../segment/frame_walk.ts";
import { sealHead, sealOf } from "../segment/seal_pieces.ts";
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
  /** The checksum of the Seal that its entries would have, where it may have to be written still. */
  readonly dueSeal?: number;
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
   * frame says otherwise, or if it lacks nothing but its Seal.
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

/** Opens the files that are scanned, and gives them back. */
export interface Sources<S extends SegmentSource> {
  open(file: SegmentFile): S;
  close(source: S): void;
}

/** A look at a log's segments, and the files that it opens. */
export class SegmentLook<S extends SegmentSource> {
  readonly #sight: Sight;
  readonly #sources: Sources<S>;
  readonly #judge: Judge;
  readonly #files: SegmentFile[];
  readonly #ends: EndFinding[] = [];
  #under: EndFinding | undefined;
  readonly #scanned = new Map<string, ScannedFile<S>>();

  /**
   * Looks which files there are.
   *
   * @throws {WalError} `ERR_WAL_FORMAT` if one is named by an index that no entry can have.
   */
  constructor(sight: Sight, sources: Sources<S>, judge: Judge) {
    this.#sight = sight;
    this.#sources = sources;
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
    const source = this.#sources.open(file);
    this.#scanned.set(file.path, { source, scan: undefined });
    yield source;
    return source;
  }

  /**
   * Scans the segment before the last, if it may not have been durable when the last was begun, or
   * may have no Seal yet. A later file, whatever is left of it, was begun after it was sealed.
   */
  *#lookUnder(last: ScannedEnd, headIndex: number): Generator<S> {
    const file = this.#files.at(-1);
    // The writer may have died in the write of the beginning.
    const isPending = last.isPending || last.size < PENDING_END;
    const mayBeUnsealed = this.#ends.length === 1 && isPending &&
      last.statedIndex === last.firstIndex && last.firstIndex > headIndex;
    if (!mayBeUnsealed || file?.firstIndex !== last.previous.firstIndex) return;
    const isDurable = isVouchedFor(last);
    const isKnownPending = last.isPending && !isDurable;
    if (!isKnownPending && !this.#lacksSeal(file, last)) return;
    const source = yield* this.#opened(file);
    // A full segment may hold larger entries than may be written now.
    const maxEntrySize = Math.max(source.maxEntrySize, source.file.size());
    const full = this.#withDueSeal(this.#scan(file, { ...source, maxEntrySize }));
    // One that is damaged, and was durable, is judged by the chain, or when it is read.
    if (endsAsStated(full, last)) this.#under = full;
    else if (!isDurable) this.#under = this.#scan(file, source);
    else {
      this.#scanned.delete(file.path);
      return this.#sources.close(source);
    }
    const { scan } = this.fileOf(file.path);
    this.#scanned.set(file.path, { source, scan });
  }

  /**
   * Whether a file has not the first bytes of the Seal that the next segment states: they are written
   * last. In version 1 there are no Seals.
   */
  #lacksSeal(before: SegmentFile, { firstIndex, previous }: ScannedEnd): boolean {
    const { fileSystem, checksum } = this.#sight;
    const { version, size } = readBeginning(fileSystem, checksum, before);
    if (version !== 2) return false;
    const count = firstIndex - previous.firstIndex;
    const at = previous.size - sealFrameSize(count);
    if (at < 0 || size !== previous.size) return true;
    const wanted = sealHead(count, previous.checksum);
    const found = new Uint8Array(wanted.length);
    const file = fileSystem.open(before.path, "read");
    try {
      file.read(found, at);
    } finally {
      file.close();
    }
    return wanted.some((byte, i) => byte !== found[i]);
  }

  #withDueSeal(full: EndFinding): EndFinding {
    if (full.kind !== "scanned" || full.seal !== undefined || full.entries === 0) return full;
    const { source, scan } = this.fileOf(full.path);
    if (scan === undefined) return full;
    return { ...full, dueSeal: sealOf(source, scan).checksum };
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
  close(except?: string): void {
    for (const [path, { source }] of this.#scanned) {
      if (path !== except) this.#sources.close(source);
    }
  }
}

/** Whether a Durable frame is in a segment, so that it and all before it were durable. */
function isVouchedFor({ vouched, decision }: ScannedEnd): boolean {
  return vouched > 0 || decision.vouched > 0;
}

/** Whether a segment ends as the one after it says, to the byte; its Seal may still be to be written. */
export function endsAsStated(full: EndFinding, last: ScannedEnd): full is ScannedEnd {
  if (full.kind !== "scanned" || full.firstIndex + full.entries !== last.firstIndex) return false;
  const { size, checksum } = last.previous;
  if (full.dueSeal === undefined) {
    return full.decision.case === "A" && full.size === size && full.seal?.checksum === checksum;
  }
  // What may be there of the Seal covers nothing.
  return full.decision.case !== "C" && full.end + sealFrameSize(full.entries) === size &&
    full.size <= size && full.dueSeal === checksum;
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
