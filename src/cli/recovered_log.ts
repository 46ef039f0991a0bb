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
import { createCRC32, type IHasher } from "hash-wasm";
import { readBeginning, type SegmentFile } from "../files/beginning.ts";
import { WalError } from "../errors.ts";
import { type FrameChecksum, frameChecksum } from "../format/checksum.ts";
import { FILE_HEADER_SIZE, readFileHeader } from "../format/file_header.ts";
import { FRAME_HEADER_SIZE, TYPE_DATA } from "../format/frame.ts";
import { sameLog } from "../format/log_id.ts";
import { MAX_SEGMENT_ENTRIES } from "../format/seal_frame.ts";
import type { SegmentFrame } from "../format/segment_frame.ts";
import { decodeMetaSlot, MAX_SLOT_SIZE, type MetaSlot, SLOT_OFFSETS } from "../format/meta_slot.ts";
import { decodeRedoRecord, META_FILE, REDO_HEAD_SIZE } from "../format/redo_record.ts";
import { type FileSystem, FileSystemError, isFileSystemError } from "../fs/file_system.ts";
import { directoryOf, nameOf } from "../fs/path.ts";
import { firstIndexOf, lockPath, metaPath, redoPath, segmentPath } from "../files/names.ts";
import { commonId, fromHead } from "./chain.ts";
import { BUFFER_SIZE, createFrameBuffer, FrameReader } from "./frame_reader.ts";
import { advanced, boundedBy, exactly, type IndexRange, isExact } from "./index_range.ts";
import { readStart, redoFile } from "./log_files.ts";
import { clipped, endsWith, PatientFile, type Readable, spliced } from "./readable_file.ts";
import { type SetAsideFile, setAsideFile, setAsideFiles } from "./set_aside_files.ts";
import type { BatchState, FileToWalk, Found, WalkEnd } from "./walked_file.ts";
import { endOf, walk } from "./whole_entries.ts";
import { writerOf } from "./writer.ts";

/** An entry that is whole. */
export interface RecoveredEntry {
  readonly kind: "entry";
  readonly path: string;
  /** Where in the file its frame begins, in bytes. */
  readonly offset: number;
  /** Bytes of it. */
  readonly length: number;
  readonly index: IndexRange;
  /** Whether it may be bytes of a damaged entry that look like an entry. */
  readonly isFoundBySearch: boolean;
  /** Whether it is of a batch of which not all is there. */
  readonly batch: BatchState;
  /** Whether a truncation has dropped it; that may depend on an index that is not known. */
  readonly isDropped: boolean | "unknown";
  /** Whether recovery or repair has cut it off. */
  readonly isSetAside: boolean;
  /** Reads it; only until the next one is asked for. */
  read(): Uint8Array;
}

/** What is not there, or not whole. */
export interface Missing {
  readonly kind: "missing";
  readonly path: string;
  /** Where in the file; undefined if all of it is meant. */
  readonly offset: number | undefined;
  readonly bytes: number | undefined;
  /** The first and the last index that may be missing; undefined if no entry is. */
  readonly indexes: IndexRange | undefined;
  /** How many entries; undefined if that is not known. */
  readonly entries: number | undefined;
  readonly what: string;
}

/** What is worth saying. */
export interface Note {
  readonly kind: "note";
  readonly text: string;
}

/** The application's state. */
export interface RecoveredState {
  readonly kind: "state";
  readonly state: Uint8Array;
}

/** What is found, in order. */
export type Recovered = RecoveredEntry | Missing | Note | RecoveredState;

/** How long a writer is waited for that may be writing a frame, in tries and milliseconds. */
const LOOKS = 20;
const LOOK_AGAIN_MS = 5;

/** A segment's file, or one that was set aside whole, and how it begins. */
interface Part extends SegmentFile {
  readonly base: number | undefined;
  readonly frame: SegmentFrame | undefined;
  /** Whether it is known to be of version 2, whatever its header says. */
  readonly isVersion2: boolean;
  readonly isSetAside: boolean;
}

/** What is known of the place at which a file ends. */
interface PartEnd {
  /** What the next segment says of the file. */
  readonly next: Part | undefined;
  /** Whether the log ends in it, as far as is known. */
  readonly isLast: boolean;
  /** What was cut off from it and set aside. */
  readonly cuts: readonly Insertion[];
}

/** Bytes that stand within a segment, but in a file of their own. */
interface Insertion extends SetAsideFile {
  /** Where in the file they begin, and how many they are; undefined for all. */
  readonly within: { readonly offset: number; readonly length: number } | undefined;
}

/** A tail that is being replaced. */
interface Replacement {
  readonly firstIndex: number;
  readonly offset: number;
  readonly length: number;
}

interface Meta {
  /** Undefined if it is not known. */
  readonly headIndex: number | undefined;
  readonly state: Uint8Array;
  readonly logId: Uint8Array | undefined;
}

/** Reads what a damaged log still has. */
export class RecoveredLog {
  readonly #fileSystem: FileSystem;
  readonly #path: string;
  readonly #maxEntrySize: number;
  readonly #crc: IHasher;
  readonly #checksum: FrameChecksum = frameChecksum;
  readonly #withSetAside: boolean;
  /** Of the walk of a segment, of what was set aside in it, and of a walk for its end. */
  readonly #buffers: Uint8Array[] = [];
  #logId: Uint8Array | undefined;
  #isWritten = false;
  #replacement: Replacement | undefined;

  private constructor(
    fileSystem: FileSystem,
    path: string,
    maxEntrySize: number,
    withSetAside: boolean,
    crc: IHasher,
  ) {
    this.#fileSystem = fileSystem;
    this.#path = path;
    this.#maxEntrySize = maxEntrySize;
    this.#withSetAside = withSetAside;
    this.#crc = crc;
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
    const crc = await createCRC32();
    return new RecoveredLog(fileSystem, path, maxEntrySize, withSetAside, crc);
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
    yield* this.#walkCut({ ...cut, within: undefined }, index);
  }

  /** The index of the entry that would stand at an offset of a segment. */
  #indexAt(path: string, firstIndex: number, offset: number): IndexRange {
    const most = Math.floor(Math.max(0, offset - FILE_HEADER_SIZE) / FRAME_HEADER_SIZE);
    const anywhere = { from: firstIndex, to: firstIndex + most };
    const file = this.#open(path);
    if (file === undefined || isFileSystemError(file)) return anywhere;
    try {
      if (file.size() < offset) return anywhere;
      const part = this.#part({ path, firstIndex }, false);
      if (isFileSystemError(part) || part.firstIndex !== firstIndex) return anywhere;
      const readable = clipped(file, offset);
      const { index } = endOf(this.#toWalk(part, readable, { next: undefined, isLast: false }, 1));
      return isExact(index) ? index : anywhere;
    } finally {
      file.close();
    }
  }

  /** One segment's file, without its neighbours. */
  *#readAlone(firstIndex: number): Generator<Recovered, void> {
    const path = this.#path;
    const part = this.#part({ path, firstIndex }, false);
    if (isFileSystemError(part)) throw part;
    this.#requireFrames(part);
    this.#logId = part.frame?.logId;
    yield { kind: "note", text: `${path}: only this file was read, and not its neighbours` };
    if (part.firstIndex !== firstIndex) yield this.#misnamed(part, firstIndex);
    yield* this.#readPart(part, { next: undefined, isLast: true, cuts: [] });
  }

  *#readLog(files: readonly SegmentFile[], cuts: readonly SetAsideFile[]): Generator<Recovered> {
    const writer = writerOf(this.#fileSystem, this.#path);
    this.#isWritten = writer !== undefined;
    if (writer !== undefined) {
      const text =
        `${lockPath(this.#path)}: ${writer} the log open to write, and what is just being ` +
        "written may look damaged. End it and recover again before you trust the log's end";
      yield { kind: "note", text };
    }
    this.#replacement = this.#findReplacement();
    const meta = yield* this.#readMeta();
    const { main, lost } = this.#parts(files, meta.logId);
    if (files.length === 1 && cuts.length === 0 && main[0] !== undefined) {
      this.#requireFrames(main[0]);
    }
    yield* lost;
    const isOwn = meta.logId === undefined || this.#logId === undefined ||
      sameLog(meta.logId, this.#logId);
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
    const replacement = this.#replacement;
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
    const chains = this.#chainsOf(cuts.filter((cut) => !isOfPart(cut)), parts);
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
      const damagedRedo = this.#damagedRedo(part);
      const found = yield* this.#readPart(part, {
        next,
        isLast: next === undefined,
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

  /** Reads a part; what is known at its end. */
  *#readPart(
    part: Part,
    end: PartEnd,
  ): Generator<Recovered, { index: IndexRange; isSealed: boolean; isEmpty: boolean }> {
    const { path, firstIndex } = part;
    const unknown = { index: { from: firstIndex, to: Infinity }, isSealed: false, isEmpty: false };
    const file = this.#open(path);
    const { next } = end;
    const joined = next?.frame?.previous.firstIndex === firstIndex ? next : undefined;
    if (file === undefined || isFileSystemError(file)) {
      yield this.#unreadable(part, joined, file);
      return unknown;
    }
    const redo = this.#redoFor(part);
    try {
      const whole = redo === undefined ? file : redo.over(file);
      const size = this.#statedSize(part, joined, whole);
      const isShifted = joined !== undefined && whole.size() !== joined.frame?.previous.size;
      const readable = size === undefined ? whole : clipped(whole, size);
      const extra = size === undefined ? 0 : whole.size() - size;
      const isWritten = end.isLast && this.#isWritten;
      const cuts = end.cuts.filter((cut) => !this.#isCopy(cut, whole));
      const pauses = cuts.map(({ offset }) => offset);
      const known = { next: joined, isLast: end.isLast, isWritten };
      const lost = size === undefined ? 0 : Math.max(0, size - whole.size());
      // Of the first of them, some bytes may be there.
      const most = lost === 0 ? 0 : Math.floor(lost / FRAME_HEADER_SIZE) + 1;
      let counted: WalkEnd | undefined;
      /** What the next segment's first index makes of a range. */
      const narrowed = (range: IndexRange, mostAhead: number): IndexRange => {
        if (joined === undefined || (isExact(range) && !isShifted)) return range;
        counted ??= endOf(this.#toWalk(part, readable, known, 2));
        // Without the Seal, entries of the last batch may be there that a truncation dropped.
        const next = advanced(exactly(joined.firstIndex), 0, counted.mayBeDropped);
        const widest = { from: firstIndex, to: joined.firstIndex };
        if (isExact(range)) return widened(range, counted.index, next, firstIndex);
        return boundedBy(range, advanced(counted.index, 0, most + mostAhead), next, widest);
      };
      // What the next segments have is not in this one: a truncation has dropped what it has of that.
      const stated = next?.frame?.previous.firstIndex ?? 0;
      const limit = next === undefined || stated === 0
        ? Infinity
        : stated > firstIndex
        ? stated
        : next.firstIndex;
      const toWalk = { ...this.#toWalk(part, readable, known, 0), pauses };
      const steps = walk(toWalk);
      let step = steps.next();
      for (; !step.done; step = steps.next()) {
        if (step.value.kind === "pause") {
          const cut = cuts[step.value.position];
          const { index, canBeNarrowed, mostAhead } = step.value;
          const start = canBeNarrowed ? narrowed(index, mostAhead) : index;
          if (cut !== undefined) yield* this.#walkCut(cut, start);
          continue;
        }
        const found = this.#found(part, file, readable, toWalk.reader, step.value, narrowed);
        yield found.kind === "entry" ? belowLimit(found, limit) : found;
      }
      if (lost > 0 && joined !== undefined) {
        const from = narrowed(step.value.index, 0).from;
        const what = `the file ends ${lost} bytes before the size that the next one states`;
        const at = whole.size();
        yield missing(path, at, lost, { from, to: joined.firstIndex - 1 }, step.value.index, what);
      }
      if (extra > 0 && size !== undefined) {
        const what = "bytes stand after the size that the next file states: they are none of the " +
          "log's";
        yield missing(path, size, extra, undefined, undefined, what);
      }
      if (file.unreadable > 0) {
        const text = `${path}: the device could not read some bytes; they are told of as damage`;
        yield { kind: "note", text };
      }
      if (joined !== undefined) return { ...step.value, index: exactly(joined.firstIndex) };
      const { from, to } = step.value.index;
      return { ...step.value, index: { from: Math.min(from, limit), to: Math.min(to, limit) } };
    } finally {
      file.close();
      redo?.close();
    }
  }

  /**
   * How long the next segment says that a file is, if the file is no longer, or has there what the
   * next one says of it. Else bytes have come in between, and those after them are the log's.
   */
  #statedSize(part: Part, next: Part | undefined, file: Readable): number | undefined {
    const previous = next?.frame?.previous;
    if (previous === undefined || file.size() <= previous.size) return previous?.size;
    const { size, checksum } = previous;
    const toWalk = this.#toWalk(part, clipped(file, size), { next, isLast: false }, 2);
    const seal = toWalk.reader.seal();
    if (seal !== undefined) {
      return toWalk.reader.headerAt(seal.at)?.checksum === checksum ? size : undefined;
    }
    const { last, isIntact } = endOf(toWalk);
    return isIntact && last?.end === size && last.checksum === checksum ? size : undefined;
  }

  /** Bytes that were set aside. */
  *#walkCut(cut: Insertion, start: IndexRange): Generator<Recovered, void> {
    const { path, segment, offset, within } = cut;
    const file = this.#open(path);
    if (file === undefined || isFileSystemError(file)) {
      const why = file === undefined ? "it is gone" : file.message;
      const what = `the file, which was set aside, cannot be read: ${why}`;
      yield missing(path, undefined, undefined, undefined, undefined, what);
      return;
    }
    try {
      const readable = within === undefined ? file : part(file, within);
      const asPart: Part = {
        path,
        firstIndex: segment,
        base: offset,
        frame: undefined,
        isVersion2: true,
        isSetAside: true,
      };
      const known = { next: undefined, isLast: true, isWritten: false };
      const toWalk = { ...this.#toWalk(asPart, readable, known, 1), start };
      for (const found of walk(toWalk)) {
        if (found.kind === "pause") continue;
        yield this.#found(asPart, file, readable, toWalk.reader, found, (it) => it);
      }
    } finally {
      file.close();
    }
  }

  #found(
    part: Part,
    file: PatientFile,
    readable: Readable,
    reader: FrameReader,
    found: Exclude<Found, { kind: "pause" }>,
    narrow: (range: IndexRange, mostAhead: number) => IndexRange,
  ): Recovered {
    const { path, isSetAside } = part;
    const { canBeNarrowed, mostAhead } = found;
    const narrowed = (range: IndexRange): IndexRange =>
      canBeNarrowed ? narrow(range, mostAhead) : range;
    if (found.kind === "damage") {
      const { offset, bytes, mayHideEntries, what } = found;
      const before = narrowed(found.before);
      const after = narrowed(found.after);
      const indexes = mayHideEntries ? { from: before.from, to: after.to - 1 } : undefined;
      const entries = isExact(before) && isExact(after) ? after.from - before.from : undefined;
      const told = file.unreadable > 0 ? `${what} (the device cannot read all of the file)` : what;
      const isNone = indexes === undefined || indexes.to < indexes.from;
      return {
        kind: "missing",
        path,
        offset,
        bytes,
        indexes: isNone ? undefined : indexes,
        entries: isNone ? 0 : entries,
        what: told,
      };
    }
    const { offset, length, isFoundBySearch, batch, isDropped } = found;
    return {
      kind: "entry",
      path,
      offset,
      length,
      index: narrowed(found.index),
      isFoundBySearch,
      batch,
      isDropped,
      isSetAside,
      read(): Uint8Array {
        // The very bytes that were checked, as long as they fit.
        const checked = reader.bytes(offset + FRAME_HEADER_SIZE, length);
        if (checked.length === length) return checked.slice();
        const data = new Uint8Array(length);
        if (readable.read(data, offset + FRAME_HEADER_SIZE) === length) return data;
        throw new FileSystemError("EIO", "Read", path);
      },
    };
  }

  #toWalk(
    part: Part,
    readable: Readable,
    { next, isLast, isWritten = false }: {
      next: Part | undefined;
      isLast: boolean;
      isWritten?: boolean;
    },
    use: 0 | 1 | 2,
  ): FileToWalk {
    const { firstIndex, base } = part;
    const buffer = this.#bufferFor(use, readable.size());
    const start = base === undefined ? { from: 1, to: Infinity } : exactly(firstIndex);
    return {
      reader: new FrameReader(readable, this.#crc, buffer, this.#maxEntrySize),
      base,
      firstIndex,
      isGuess: false,
      start,
      isVersion2: part.isVersion2,
      logId: part.frame?.logId ?? this.#logId,
      stated: next?.frame?.previous,
      mayHaveUnusedSpace: isLast,
      lookAgain: isWritten ? lookAgain : (): boolean => false,
      pauses: [],
    };
  }

  #bufferFor(use: number, size: number): Uint8Array {
    const found = this.#buffers[use];
    if (found !== undefined && found.length >= Math.min(size, BUFFER_SIZE)) return found;
    return this.#buffers[use] = createFrameBuffer(size);
  }

  /** The segments in order, and those files that are none of the log's. */
  #parts(
    files: readonly SegmentFile[],
    logId: Uint8Array | undefined,
  ): { main: Part[]; lost: Recovered[] } {
    const lost: Recovered[] = [];
    const found: { part: Part; file: SegmentFile }[] = [];
    for (const file of files) {
      const part = this.#part(file, false);
      if (!isFileSystemError(part)) found.push({ part, file });
      else if (files.length === 1) throw part;
      else found.push({ part: unreadablePart(file), file });
    }
    const ids = found.flatMap(({ part: { frame } }) => frame === undefined ? [] : [frame.logId]);
    this.#logId = commonId(ids) ?? logId;
    const main = new Map<number, Part>();
    // A file under its own name goes before a copy of it under another.
    const isOwnName = ({ part, file }: (typeof found)[number]): boolean =>
      part.firstIndex === file.firstIndex;
    for (const one of found.toSorted((a, b) => Number(isOwnName(b)) - Number(isOwnName(a)))) {
      const { part, file: { path, firstIndex } } = one;
      const { frame } = part;
      if (frame !== undefined && this.#logId !== undefined && !sameLog(frame.logId, this.#logId)) {
        const what = "the file belongs to another log: recover it by itself, by its own path";
        lost.push(missing(path, undefined, undefined, undefined, undefined, what));
      } else if (main.has(part.firstIndex)) {
        lost.push(this.#copyOf(main.get(part.firstIndex) as Part, part));
      } else {
        main.set(part.firstIndex, part);
        if (!isOwnName(one)) lost.push(this.#misnamed(part, firstIndex));
      }
    }
    return { main: [...main.values()].sort((a, b) => a.firstIndex - b.firstIndex), lost };
  }

  /** A file that begins as a segment does which is there already: only the same bytes are no loss. */
  #copyOf(own: Part, { path, firstIndex }: Part): Note | Missing {
    if (this.#isSame(own.path, path)) {
      const text = `${path}: a copy of the segment from index ${firstIndex}, which is there ` +
        "already: it was not read";
      return { kind: "note", text };
    }
    const what = `another version of the segment from index ${firstIndex}, which is there ` +
      `already, as ${own.path}: its bytes are others, and it was not read: recover it by itself, ` +
      "by its own path";
    const indexes = { from: firstIndex, to: Infinity };
    return missing(path, undefined, undefined, indexes, undefined, what);
  }

  /** Whether two files have the same bytes. */
  #isSame(path: string, other: string): boolean {
    const file = this.#open(path);
    if (file === undefined || isFileSystemError(file)) return false;
    try {
      return this.#isCopy(
        { path: other, segment: 1, offset: 0, copy: 1, within: undefined },
        file,
      );
    } finally {
      file.close();
    }
  }

  #misnamed({ path, firstIndex }: Part, named: number): Note {
    const text =
      `${path}: by its name it would begin with index ${named}, and what it holds begins ` +
      `with ${firstIndex}`;
    return { kind: "note", text };
  }

  /** How a file begins. */
  #part(file: SegmentFile, isSetAside: boolean): Part | FileSystemError {
    try {
      const { frame, version } = readBeginning(this.#fileSystem, this.#checksum, file);
      const firstIndex = frame?.firstIndex ?? file.firstIndex;
      const isUsable = Number.isSafeInteger(firstIndex) && firstIndex > 0;
      const part: Part = {
        ...file,
        firstIndex: isUsable ? firstIndex : file.firstIndex,
        base: 0,
        frame: isUsable ? frame : undefined,
        // Only a log's first file can be of version 1.
        isVersion2: frame !== undefined || file.firstIndex > 1,
        isSetAside,
      };
      if (frame !== undefined) return part;
      return version === 1 ? this.#ofVersion1(part) : this.#guessed(part, version);
    } catch (error) {
      if (isFileSystemError(error)) return error;
      throw error;
    }
  }

  /** A file of version 1 is a log's first, whatever its name; it begins with an entry. */
  #ofVersion1(part: Part): Part {
    if (part.firstIndex === 1) return part;
    const file = this.#open(part.path);
    if (file === undefined || isFileSystemError(file)) return part;
    try {
      const { reader } = this.#toWalk(part, file, { next: undefined, isLast: true }, 0);
      const isFirst = reader.frameAt(FILE_HEADER_SIZE)?.type === TYPE_DATA;
      return isFirst ? { ...part, firstIndex: 1, isVersion2: false } : part;
    } finally {
      file.close();
    }
  }

  /** What a file is whose beginning is damaged, as its Durable frames tell. */
  #guessed(part: Part, version: number | undefined): Part {
    const file = this.#open(part.path);
    if (file === undefined || isFileSystemError(file)) return part;
    try {
      const known = { next: undefined, isLast: true };
      const toWalk = this.#toWalk(part, file, known, 0);
      const isMiddle = version === undefined && toWalk.reader.frameAt(0) !== undefined;
      if (isMiddle) return { ...part, base: undefined };
      const { origin } = endOf({ ...toWalk, isGuess: true });
      const firstIndex = origin?.segment ?? 0;
      const isUsable = Number.isSafeInteger(firstIndex) && firstIndex > 0;
      return isUsable ? { ...part, firstIndex, isVersion2: true } : part;
    } finally {
      file.close();
    }
  }

  /** Refuses a file in which nothing looks like a log. */
  #requireFrames({ path, firstIndex }: Part): void {
    const file = this.#open(path);
    if (file === undefined || isFileSystemError(file)) {
      throw file ?? new FileSystemError("ENOENT", "Open", path);
    }
    try {
      const head = new Uint8Array(FILE_HEADER_SIZE);
      const header = readFileHeader(head.subarray(0, file.read(head, 0)));
      if (header.kind === "valid" || header.kind === "unfinished") return;
      const part = unreadablePart({ path, firstIndex });
      const { reader } = this.#toWalk(part, file, { next: undefined, isLast: true }, 0);
      if (reader.nextFrame(0) !== undefined || reader.isExhausted) return;
      throw new WalError(
        "ERR_WAL_FORMAT",
        `"${path}" is not a log, nor a part of one: it does not begin with "WAL!", and no whole ` +
          "frame is in it. Check the path.",
      );
    } finally {
      file.close();
    }
  }

  #unreadable(
    { path, firstIndex }: Part,
    next: Part | undefined,
    error: FileSystemError | undefined,
  ): Missing {
    const what = error === undefined
      ? "the file has vanished since the log's files were listed"
      : `the file cannot be read: ${error.message}`;
    const to = next === undefined ? Infinity : next.firstIndex - 1;
    const known = next === undefined ? undefined : exactly(next.firstIndex);
    return missing(path, undefined, undefined, { from: firstIndex, to }, known, what, firstIndex);
  }

  /** Opens a file; undefined if it is gone. */
  #open(path: string): PatientFile | FileSystemError | undefined {
    try {
      return new PatientFile(this.#fileSystem, path);
    } catch (error) {
      if (!isFileSystemError(error)) throw error;
      return error.code === "ENOENT" ? undefined : error;
    }
  }

  /** Whether all that was set aside is still in its place: a crash came before it was cut. */
  #isCopy({ path, offset, within }: Insertion, file: Readable): boolean {
    const copy = this.#open(path);
    if (copy === undefined || isFileSystemError(copy)) return false;
    try {
      const bytes = within === undefined ? copy : part(copy, within);
      return file.size() > offset && endsWith(file, offset, bytes);
    } finally {
      copy.close();
    }
  }

  /** Reads the meta file; tells of damage. */
  *#readMeta(): Generator<Recovered, Meta> {
    const path = metaPath(this.#path);
    const nothing = { headIndex: 1, state: new Uint8Array(0), logId: undefined };
    const slot = this.#metaSlot(path);
    if (slot === "none") return nothing;
    if (slot === "damaged") {
      const what = "neither of the file's two copies is valid, so the log's first index and its " +
        "state are not known: entries that were dropped from the head may show";
      yield missing(path, 0, undefined, undefined, undefined, what);
      return { ...nothing, headIndex: undefined };
    }
    return slot;
  }

  #metaSlot(path: string): MetaSlot | "none" | "damaged" {
    const crc32 = (bytes: Uint8Array): number => this.#checksum.crc32(bytes);
    try {
      if (this.#replacement?.firstIndex === META_FILE) {
        const redo = readStart(this.#fileSystem, redoPath(this.#path), 2 * MAX_SLOT_SIZE);
        const slot = decodeMetaSlot((redo ?? new Uint8Array(0)).subarray(REDO_HEAD_SIZE), crc32);
        if (slot !== undefined) return slot;
      }
      const bytes = readStart(this.#fileSystem, path, SLOT_OFFSETS[1] + MAX_SLOT_SIZE);
      if (bytes === undefined) return "none";
      const [newest] = SLOT_OFFSETS.map((at) => decodeMetaSlot(bytes.subarray(at), crc32))
        .filter((slot) => slot !== undefined)
        .toSorted((a, b) => b.sequence - a.sequence);
      return newest ?? (bytes.length <= SLOT_OFFSETS[1] ? "none" : "damaged");
    } catch (error) {
      if (isFileSystemError(error)) return "damaged";
      throw error;
    }
  }

  /** The replacement of a tail that a crash interrupted, and that opening would finish. */
  #findReplacement(): Replacement | undefined {
    try {
      const redo = redoFile(this.#fileSystem, this.#path, this.#checksum);
      if (!redo.exists()) return undefined;
      const record = redo.load();
      if (record === undefined) return undefined;
      const path = record.firstIndex === META_FILE
        ? metaPath(this.#path)
        : segmentPath(this.#path, record.firstIndex);
      const file = this.#fileSystem.open(path, "read");
      try {
        return redo.isUntouched(file, record) ? undefined : record;
      } finally {
        file.close();
      }
    } catch (error) {
      // One that cannot be read, or is something else, replaces nothing.
      if (isFileSystemError(error) || error instanceof WalError) return undefined;
      throw error;
    }
  }

  /** What a part's file becomes if opening finishes the replacement of its tail. */
  #redoFor({ firstIndex, isSetAside }: Part): Redone | undefined {
    const replacement = this.#replacement;
    if (replacement?.firstIndex !== firstIndex || isSetAside) return undefined;
    const { offset, length } = replacement;
    const redo = this.#open(redoPath(this.#path));
    if (redo === undefined || isFileSystemError(redo)) return undefined;
    return {
      over: (file) => spliced(file, offset, redo, REDO_HEAD_SIZE, length),
      close: () => redo.close(),
    };
  }

  /** The tail in a redo file that is not whole, if the segment does not have it. */
  #damagedRedo({ firstIndex }: Part): Insertion[] {
    if (this.#replacement !== undefined) return [];
    const path = redoPath(this.#path);
    const head = readStart(this.#fileSystem, path, REDO_HEAD_SIZE);
    const record = head === undefined ? undefined : decodeRedoRecord(head);
    if (record === undefined || record.firstIndex !== firstIndex || record.length === 0) return [];
    const { offset, length } = record;
    const within = { offset: REDO_HEAD_SIZE, length };
    return [{ path, segment: firstIndex, offset, copy: 1, within }];
  }

  /** Segments that were set aside whole, and bytes of those that are gone, in the order of reading. */
  #chainsOf(cuts: readonly SetAsideFile[], main: readonly Part[]): Chain[] {
    const chains: Chain[] = [];
    for (const cut of cuts) {
      if (cut.offset > 0) {
        chains.push({ from: cut.segment, parts: [], cut: { ...cut, within: undefined } });
        continue;
      }
      const named = { path: cut.path, firstIndex: cut.segment };
      const found = this.#part(named, true);
      const part = isFileSystemError(found) ? unreadablePart(named, true) : found;
      if (this.#isStillThere(part, main)) continue;
      const before = chains.findLast(({ parts }) =>
        parts.at(-1)?.firstIndex === (part.frame?.previous.firstIndex ?? -1)
      );
      if (before !== undefined) before.parts.push(part);
      else chains.push({ from: part.firstIndex, parts: [part], cut: undefined });
    }
    return chains;
  }

  /** Whether a segment that was set aside is in its place too: a crash came before its removal. */
  #isStillThere(part: Part, main: readonly Part[]): boolean {
    const own = main.find(({ firstIndex }) => firstIndex === part.firstIndex);
    return own !== undefined && this.#isSame(own.path, part.path);
  }

  *#readChain(
    chain: Chain,
    before: Part | undefined,
    end: IndexRange | undefined,
  ): Generator<Recovered, void> {
    if (chain.cut !== undefined) {
      const { segment, offset } = chain.cut;
      const most = Math.min(Math.floor(offset / FRAME_HEADER_SIZE), MAX_SEGMENT_ENTRIES);
      return yield* this.#walkCut(chain.cut, { from: segment, to: segment + most });
    }
    let last = before;
    let index = end;
    for (const [i, part] of chain.parts.entries()) {
      yield* this.#missingBetween(last, index, part);
      const next = chain.parts[i + 1];
      const found = yield* this.#readPart(part, { next, isLast: next === undefined, cuts: [] });
      last = part;
      index = found.index;
    }
  }
}

/** A file whose tail is replaced. */
interface Redone {
  over(file: Readable): Readable;
  close(): void;
}

/** Segments that were set aside one with the other, or bytes of one. */
interface Chain {
  /** Before which segment it stands. */
  readonly from: number;
  readonly parts: Part[];
  readonly cut: Insertion | undefined;
}

function unreadablePart(file: SegmentFile, isSetAside = false): Part {
  return { ...file, base: 0, frame: undefined, isVersion2: false, isSetAside };
}

function missing(
  path: string,
  offset: number | undefined,
  bytes: number | undefined,
  indexes: IndexRange | undefined,
  known: IndexRange | undefined,
  what: string,
  from: number | undefined = known?.from,
): Missing {
  const isNone = indexes === undefined || indexes.to < indexes.from;
  const isCounted = !isNone && known !== undefined && isExact(known) && from !== undefined;
  return {
    kind: "missing",
    path,
    offset,
    bytes,
    indexes: isNone ? undefined : indexes,
    entries: isNone ? 0 : isCounted ? indexes.to + 1 - indexes.from : undefined,
    what,
  };
}

/**
 * What an index may be of a file that has another size than the next one states: if all of its frames
 * are whole, and not as many as there should be, nobody knows where the others were.
 */
function widened(
  range: IndexRange,
  counted: IndexRange,
  next: IndexRange,
  firstIndex: number,
): IndexRange {
  if (!isExact(counted)) return range;
  const lost = Math.max(0, next.from - counted.from);
  const more = Math.max(0, counted.from - next.to);
  return { from: Math.max(firstIndex, range.from - more), to: range.to + lost };
}

/** Marks an entry that the next segment has in place of the one that is here. */
function belowLimit(entry: RecoveredEntry, limit: number): RecoveredEntry {
  const { from, to } = entry.index;
  if (to < limit) return entry;
  if (from >= limit) return { ...entry, isDropped: true };
  return { ...entry, index: { from, to: limit - 1 }, isDropped: entry.isDropped || "unknown" };
}

/** Marks what is below the log's first index, and leaves out what is missing there. */
function* belowHeadMarked(
  item: RecoveredEntry | Missing,
  headIndex: number,
): Generator<Recovered> {
  if (item.kind === "entry") {
    const { from, to } = item.index;
    if (to < headIndex) yield { ...item, isDropped: true };
    else yield from < headIndex && !item.isDropped ? { ...item, isDropped: "unknown" } : item;
    return;
  }
  const { indexes } = item;
  if (indexes === undefined || indexes.from >= headIndex) return yield item;
  if (indexes.to < headIndex) return;
  const entries = item.entries === undefined ? undefined : indexes.to + 1 - headIndex;
  yield { ...item, indexes: { from: headIndex, to: indexes.to }, entries };
}

function lookAgain(look: () => boolean): boolean {
  for (let tries = 0; tries < LOOKS; tries++) {
    if (look()) return true;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_AGAIN_MS);
  }
  return false;
}

const EMPTY: Readable = { size: () => 0, read: () => 0 };

/** A stretch of a file, as far as the file reaches. */
function part(file: Readable, { offset, length }: NonNullable<Insertion["within"]>): Readable {
  const there = Math.max(0, Math.min(length, file.size() - offset));
  return spliced(EMPTY, 0, file, offset, there);
}
