/**
 * What a damaged log still has: each whole entry of its files, in order, and what is missing between
 * them. Nothing is changed and no lock is taken.
 *
 * The segments are put in order by what their Segment frames say, or by their names where those are
 * damaged. Bytes that were set aside stand where they were cut off, before what was appended there
 * later. Of a file, nothing is held in memory but one entry, and its Seal.
 *
 * @module
 */
import type { SegmentFile } from "../files/beginning.ts";
import { FILE_HEADER_SIZE } from "../format/file_header.ts";
import { FRAME_HEADER_SIZE } from "../format/frame.ts";
import { sameLog } from "../format/log_id.ts";
import { MAX_SEGMENT_ENTRIES } from "../format/seal_frame.ts";
import { META_FILE } from "../format/redo_record.ts";
import { type FileSystem, FileSystemError, isFileSystemError } from "../fs/file_system.ts";
import { directoryOf, nameOf } from "../fs/path.ts";
import { firstIndexOf, lockPath, metaPath, redoPath, segmentPath } from "../files/names.ts";
import { fromHead } from "./chain.ts";
import { FileWalks } from "./file_walks.ts";
import { exactly, type IndexRange, isExact } from "./index_range.ts";
import type { Chain, Part } from "./log_part.ts";
import { LogParts, misnamed } from "./log_parts.ts";
import { PartReader } from "./part_reader.ts";
import { clipped } from "./readable_file.ts";
import { belowHeadMarked, type Missing, missing, type Note, type Recovered } from "./recovered.ts";
import { readMeta } from "./recovered_meta.ts";
import { ReplacedTail } from "./replaced_tail.ts";
import { type SetAsideFile, setAsideFile, setAsideFiles } from "./set_aside_files.ts";
import { endOf } from "./whole_entries.ts";
import { writerOf } from "./writer.ts";

/** Reads what a damaged log still has. */
export class RecoveredLog {
  readonly #fileSystem: FileSystem;
  readonly #path: string;
  readonly #withSetAside: boolean;
  readonly #walks: FileWalks;
  readonly #parts: LogParts;
  #reader: PartReader;
  #replaced: ReplacedTail | undefined;

  private constructor(
    fileSystem: FileSystem,
    path: string,
    withSetAside: boolean,
    walks: FileWalks,
  ) {
    this.#fileSystem = fileSystem;
    this.#path = path;
    this.#withSetAside = withSetAside;
    this.#walks = walks;
    this.#parts = new LogParts(fileSystem, walks);
    this.#reader = new PartReader(walks);
  }

  /**
   * Prepares the reading.
   *
   * @param path A log, or one of its segments or of the files that were set aside.
   * @param maxEntrySize The longest entry that a search looks for, in bytes; others are read whatever
   * their size.
   * @param withSetAside Whether to read what was set aside, too.
   */
  static async create(
    fileSystem: FileSystem,
    path: string,
    maxEntrySize: number,
    withSetAside: boolean,
  ): Promise<RecoveredLog> {
    const walks = await FileWalks.create(fileSystem, maxEntrySize);
    return new RecoveredLog(fileSystem, path, withSetAside, walks);
  }

  /**
   * Reads everything.
   *
   * @throws {FileSystemError} `ENOENT` if there is nothing.
   * @throws {WalError} `ERR_WAL_FORMAT` if it is no log.
   */
  *read(): Generator<Recovered, void> {
    const files = this.#files();
    const cuts = setAsideFiles(this.#fileSystem, this.#path);
    const [only] = files;
    const isAlone = files.length === 1 && only?.path === this.#path && cuts.length === 0;
    const cut = isAlone ? setAsideFile(this.#path) : undefined;
    if (cut !== undefined) return yield* this.#readCut(cut);
    const digits = /\.(\d{20})$/.exec(this.#path)?.[1];
    const index = Number(digits);
    if (isAlone && digits !== undefined && Number.isSafeInteger(index) && index > 1) {
      return yield* this.#readAlone(index);
    }
    if (files.length === 0 && cuts.length === 0) {
      throw new FileSystemError("ENOENT", "Open", this.#path);
    }
    yield* this.#readLog(files, this.#withSetAside ? cuts : []);
  }

  /** The segments' files, by their names, in order. */
  #files(): SegmentFile[] {
    const name = nameOf(this.#path);
    return this.#fileSystem.list(directoryOf(this.#path))
      .map((file) => firstIndexOf(name, file))
      .filter((firstIndex) => firstIndex !== undefined)
      .sort((a, b) => a - b)
      .map((firstIndex) => ({ firstIndex, path: segmentPath(this.#path, firstIndex) }));
  }

  /** A file that was set aside, by itself: its segment tells the index if it is there. */
  *#readCut(cut: SetAsideFile & { log: string }): Generator<Recovered, void> {
    const { path, segment, offset } = cut;
    if (offset === 0) return yield* this.#readAlone(segment);
    yield { kind: "note", text: `${path}: only this file was read, which was set aside` };
    const index = this.#indexAt(segmentPath(cut.log, segment), segment, offset);
    yield* this.#reader.walkCut({ ...cut, within: undefined }, index);
  }

  /** The index of the entry that would stand at an offset of a segment. */
  #indexAt(path: string, firstIndex: number, offset: number): IndexRange {
    const most = Math.floor(Math.max(0, offset - FILE_HEADER_SIZE) / FRAME_HEADER_SIZE);
    const anywhere = { from: firstIndex, to: firstIndex + most };
    const file = this.#walks.open(path);
    if (file === undefined || isFileSystemError(file)) return anywhere;
    try {
      if (file.size() < offset) return anywhere;
      const part = this.#parts.part({ path, firstIndex }, false);
      if (isFileSystemError(part) || part.firstIndex !== firstIndex) return anywhere;
      const readable = clipped(file, offset);
      const { index } = endOf(
        this.#walks.toWalk(part, readable, { next: undefined, isLast: false }, 1),
      );
      return isExact(index) ? index : anywhere;
    } finally {
      file.close();
    }
  }

  /** One segment's file, without its neighbours. */
  *#readAlone(firstIndex: number): Generator<Recovered, void> {
    const path = this.#path;
    const part = this.#parts.part({ path, firstIndex }, false);
    if (isFileSystemError(part)) throw part;
    this.#parts.requireFrames(part);
    this.#walks.logId = part.frame?.logId;
    yield { kind: "note", text: `${path}: only this file was read, and not its neighbours` };
    if (part.firstIndex !== firstIndex) yield misnamed(part, firstIndex);
    yield* this.#reader.readPart(part, {
      next: undefined,
      isLast: true,
      mayBeUnsealed: false,
      cuts: [],
    });
  }

  *#readLog(files: readonly SegmentFile[], cuts: readonly SetAsideFile[]): Generator<Recovered> {
    const writer = writerOf(this.#fileSystem, this.#path);
    if (writer !== undefined) {
      const text =
        `${lockPath(this.#path)}: ${writer} the log open to write, and what is just being ` +
        "written may look damaged. End it and recover again before you trust the log's end";
      yield { kind: "note", text };
    }
    const replaced = new ReplacedTail(this.#fileSystem, this.#path, this.#walks);
    this.#replaced = replaced;
    this.#reader = new PartReader(this.#walks, replaced, writer !== undefined);
    const meta = yield* readMeta(this.#fileSystem, this.#path, replaced.replacement);
    const { main, lost } = this.#parts.parts(files, meta.logId);
    if (files.length === 1 && cuts.length === 0 && main[0] !== undefined) {
      this.#parts.requireFrames(main[0]);
    }
    yield* lost;
    const isOwn = meta.logId === undefined || this.#walks.logId === undefined ||
      sameLog(meta.logId, this.#walks.logId);
    if (!isOwn) {
      const what = "it is the file of another log, so this log's first index and state are not " +
        "known: entries that were dropped from the head may show";
      yield missing(metaPath(this.#path), undefined, undefined, undefined, undefined, what);
    } else if (meta.state.length > 0) {
      yield { kind: "state", state: meta.state };
    }
    const headIndex = isOwn ? meta.headIndex : undefined;
    const parts = yield* this.#kept(fromHead(main, headIndex ?? 0));
    for (const item of this.#readParts(parts, cuts, headIndex)) {
      if (headIndex === undefined || item.kind === "note" || item.kind === "state") yield item;
      else yield* belowHeadMarked(item, headIndex);
    }
  }

  /** The parts without those that opening would remove for a truncation that was interrupted. */
  *#kept(parts: readonly Part[]): Generator<Note, readonly Part[]> {
    const replacement = this.#replaced?.replacement;
    if (replacement === undefined) return parts;
    const { firstIndex, offset } = replacement;
    const what = firstIndex === META_FILE
      ? "the .meta file was being replaced"
      : `the segment from index ${firstIndex} was being replaced from offset ${offset} on`;
    const text = `${redoPath(this.#path)}: ${what}: what follows is as opening would make it`;
    yield { kind: "note", text };
    return firstIndex === META_FILE ? parts : parts.filter((part) => part.firstIndex <= firstIndex);
  }

  /** Reads all parts, and between them what was set aside and what is missing. */
  *#readParts(
    parts: readonly Part[],
    cuts: readonly SetAsideFile[],
    headIndex: number | undefined,
  ): Generator<Recovered> {
    const isOfPart = ({ segment, offset }: SetAsideFile): boolean =>
      offset > 0 && parts.some(({ firstIndex }) => firstIndex === segment);
    const chains = this.#parts.chainsOf(cuts.filter((cut) => !isOfPart(cut)), parts);
    let before: Part | undefined;
    let end: IndexRange | undefined = headIndex === undefined ? undefined : exactly(headIndex);
    let isSealed = false;
    for (const [i, part] of parts.entries()) {
      while (chains[0] !== undefined && chains[0].from <= part.firstIndex) {
        yield* this.#readChain(chains.shift() as Chain, before, end);
      }
      yield* this.#missingBetween(before, end, part);
      const next = parts[i + 1];
      const ofPart = cuts.filter((cut) => cut.segment === part.firstIndex && isOfPart(cut))
        .map((cut) => ({ ...cut, within: undefined }));
      const damagedRedo = this.#replaced?.damagedRedo(part) ?? [];
      const found = yield* this.#reader.readPart(part, {
        next,
        isLast: next === undefined,
        mayBeUnsealed: i === parts.length - 2,
        cuts: [...ofPart, ...damagedRedo].sort((a, b) => a.offset - b.offset),
      });
      // A crash leaves one that was never in use at a roll; its name is all that it tells.
      if (found.isEmpty && part.frame === undefined && i > 0 && next === undefined) break;
      before = part;
      end = found.index;
      isSealed = found.isSealed;
    }
    for (const chain of chains) yield* this.#readChain(chain, before, end);
    if (isSealed && before !== undefined) {
      const text =
        `${before.path}: it is sealed, and no segment follows: a crash came before the ` +
        "next was made, or the next file is missing";
      yield { kind: "note", text };
    }
  }

  /** What should be between a part and the one before it. */
  *#missingBetween(
    before: Part | undefined,
    end: IndexRange | undefined,
    part: Part,
  ): Generator<Missing> {
    const { firstIndex, frame } = part;
    if (frame?.previous.firstIndex === 0) return;
    if (before !== undefined && frame?.previous.firstIndex === before.firstIndex) return;
    const stated = frame?.previous.firstIndex;
    const from = end?.from ?? stated ?? 1;
    if (from >= firstIndex) return;
    const missing = stated !== undefined && stated > (before?.firstIndex ?? 0) ? stated : from;
    const isHeadUnknown = end === undefined;
    yield {
      kind: "missing",
      path: segmentPath(this.#path, missing),
      offset: undefined,
      bytes: undefined,
      indexes: { from, to: firstIndex - 1 },
      entries: end !== undefined && isExact(end) ? firstIndex - from : undefined,
      what: isHeadUnknown
        ? "the file is missing, or was dropped from the log's head: the .meta file, which would " +
          "tell, is damaged"
        : stated === undefined
        ? "the file is missing, or the end of the one before it"
        : "the file is missing",
    };
  }

  *#readChain(
    chain: Chain,
    before: Part | undefined,
    end: IndexRange | undefined,
  ): Generator<Recovered, void> {
    if (chain.cut !== undefined) {
      const { segment, offset } = chain.cut;
      const most = Math.min(Math.floor(offset / FRAME_HEADER_SIZE), MAX_SEGMENT_ENTRIES);
      return yield* this.#reader.walkCut(chain.cut, { from: segment, to: segment + most });
    }
    let last = before;
    let index = end;
    const [first] = chain.parts;
    if (first !== undefined) yield* missingBefore(first, before, end);
    for (const [i, part] of chain.parts.entries()) {
      yield* this.#missingBetween(last, index, part);
      const next = chain.parts[i + 1];
      const found = yield* this.#reader.readPart(part, {
        next,
        isLast: next === undefined,
        mayBeUnsealed: false,
        cuts: [],
      });
      last = part;
      index = found.index;
    }
  }
}

/** What opening cut off the segment before one that it set aside whole. */
function* missingBefore(
  { firstIndex, frame }: Part,
  before: Part | undefined,
  end: IndexRange | undefined,
): Generator<Missing> {
  const isNext = before !== undefined && frame?.previous.firstIndex === before.firstIndex;
  if (!isNext || end === undefined || !isExact(end) || end.from >= firstIndex) return;
  const indexes = { from: end.from, to: firstIndex - 1 };
  const what = "the segment had more entries before what follows was set aside";
  yield missing(before.path, undefined, undefined, indexes, end, what);
}
