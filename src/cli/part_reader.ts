/**
 * Reads one file of a damaged log: its whole entries, and between them what was set aside and what is
 * missing.
 *
 * @module
 */
import { FileSystemError, isFileSystemError } from "../fs/file_system.ts";
import { FRAME_HEADER_SIZE } from "../format/frame.ts";
import { sealFrameSize } from "../format/seal_frame.ts";
import { sealHead } from "../segment/seal_pieces.ts";
import type { FileWalks } from "./file_walks.ts";
import type { FrameReader } from "./frame_reader.ts";
import { advanced, boundedBy, exactly, type IndexRange, isExact } from "./index_range.ts";
import { type Insertion, type Part, stretchOf } from "./log_part.ts";
import { clipped, type PatientFile, type Readable } from "./readable_file.ts";
import { belowLimit, type Missing, missing, type Recovered } from "./recovered.ts";
import type { ReplacedTail } from "./replaced_tail.ts";
import type { Found, WalkEnd } from "./walked_file.ts";
import { endOf, walk } from "./whole_entries.ts";

/** What is known of the place at which a file ends. */
export interface PartEnd {
  /** What the next segment says of the file. */
  readonly next: Part | undefined;
  /** Whether the log ends in it, as far as is known. */
  readonly isLast: boolean;
  /** Whether the log ends in the next segment, so that the writer may not have sealed this one yet. */
  readonly mayBeUnsealed: boolean;
  /** What was cut off from it and set aside. */
  readonly cuts: readonly Insertion[];
}

/** What is known at the end of a part that was read. */
export type ReadEnd = Pick<WalkEnd, "index" | "isSealed" | "isEmpty">;

/** A part whose file is open. */
interface OpenPart {
  readonly part: Part;
  /** The next segment, if it says that this one is before it. */
  readonly joined: Part | undefined;
  readonly file: PatientFile;
  /** The file as opening would make it. */
  readonly whole: Readable;
}

/** What more is known of a range, before which so many entries may still follow. */
type Narrowing = (range: IndexRange, mostAhead: number) => IndexRange;

/** Reads the files of a log one by one. */
export class PartReader {
  readonly #walks: FileWalks;
  readonly #replaced: ReplacedTail | undefined;
  readonly #isWritten: boolean;

  /**
   * @param replaced The log's tail that is being replaced, if it may be.
   * @param isWritten Whether a writer has the log open.
   */
  constructor(walks: FileWalks, replaced?: ReplacedTail, isWritten = false) {
    this.#walks = walks;
    this.#replaced = replaced;
    this.#isWritten = isWritten;
  }

  /** Reads a part; what is known at its end. */
  *readPart(part: Part, end: PartEnd): Generator<Recovered, ReadEnd> {
    const { path, firstIndex } = part;
    const file = this.#walks.open(path);
    const { next } = end;
    const joined = next?.frame?.previous.firstIndex === firstIndex ? next : undefined;
    if (file === undefined || isFileSystemError(file)) {
      yield this.#unreadable(part, joined, file);
      return { index: { from: firstIndex, to: Infinity }, isSealed: false, isEmpty: false };
    }
    const redo = this.#replaced?.over(part);
    try {
      const whole = redo === undefined ? file : redo.over(file);
      const place = end.mayBeUnsealed ? this.#placeOfSeal(part, joined, whole) : undefined;
      const found = place === undefined
        ? yield* this.#readFile({ part, joined, file, whole }, end)
        : yield* this.#readUnsealed({ part, joined, file, whole }, end, place);
      if (file.unreadable > 0) {
        const text = `${path}: the device could not read some bytes; they are reported as damage`;
        yield { kind: "note", text };
      }
      if (joined !== undefined) return { ...found, index: exactly(joined.firstIndex) };
      const limit = limitOf(part, next);
      const { from, to } = found.index;
      return { ...found, index: { from: Math.min(from, limit), to: Math.min(to, limit) } };
    } finally {
      file.close();
      redo?.close();
    }
  }

  /**
   * Where the Seal of a file belongs that has not its first bytes, which are written last, and yet all
   * entries that the next segment states.
   */
  #placeOfSeal(part: Part, joined: Part | undefined, whole: Readable): number | undefined {
    const stated = joined?.frame?.previous;
    if (joined === undefined || stated === undefined || part.base !== 0) return undefined;
    const count = joined.firstIndex - part.firstIndex;
    const at = stated.size - sealFrameSize(count);
    const size = whole.size();
    if (count <= 0 || size < at || size > stated.size) return undefined;
    const head = sealHead(count, stated.checksum);
    const found = new Uint8Array(head.length);
    whole.read(found, at);
    if (found.every((byte, i) => byte === head[i])) return undefined;
    const known = { next: undefined, isLast: false };
    const end = endOf(this.#walks.toWalk(part, clipped(whole, at), known, 2));
    const isWhole = end.isIntact && isExact(end.index) && end.index.from === joined.firstIndex;
    return isWhole && end.last?.end === at ? at : undefined;
  }

  /** Reads a file whose Seal was not written yet, up to its place. */
  *#readUnsealed(open: OpenPart, end: PartEnd, place: number): Generator<Recovered, WalkEnd> {
    const text =
      `${open.part.path}: offset ${place}: its Seal was not written yet, or not all of ` +
      "it; it has all of its entries";
    yield { kind: "note", text };
    const whole = clipped(open.whole, place);
    return yield* this.#readFile({ ...open, joined: undefined, whole }, end);
  }

  /** Reads an open file, with what was set aside in it. */
  *#readFile(open: OpenPart, end: PartEnd): Generator<Recovered, WalkEnd> {
    const { part, joined, file, whole } = open;
    const { path } = part;
    const size = this.#statedSize(part, joined, whole);
    const readable = size === undefined ? whole : clipped(whole, size);
    const cuts = end.cuts.filter((cut) => !this.#walks.isCopy(cut, whole));
    const isWritten = end.isLast && this.#isWritten;
    const known = { next: joined, isLast: end.isLast, isWritten };
    const lost = size === undefined ? 0 : Math.max(0, size - whole.size());
    const narrowed = this.#narrowing(open, lost, () => {
      return endOf(this.#walks.toWalk(part, readable, known, 2));
    });
    const limit = limitOf(part, end.next);
    const pauses = cuts.map(({ offset }) => offset);
    const toWalk = { ...this.#walks.toWalk(part, readable, known, 0), pauses };
    const steps = walk(toWalk);
    let step = steps.next();
    for (; !step.done; step = steps.next()) {
      if (step.value.kind === "pause") {
        const cut = cuts[step.value.position];
        const { index, canBeNarrowed, mostAhead } = step.value;
        const start = canBeNarrowed ? narrowed(index, mostAhead) : index;
        if (cut !== undefined) yield* this.walkCut(cut, start);
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
    if (size !== undefined && whole.size() > size) {
      const what = "bytes stand after the size that the next file states: they are none of the " +
        "log's";
      yield missing(path, size, whole.size() - size, undefined, undefined, what);
    }
    return step.value;
  }

  /**
   * What the next segment's first index makes of a range.
   *
   * @param lost How many bytes are missing at the file's end.
   * @param count Walks the file once more, for what is known at its end.
   */
  #narrowing({ part, joined, whole }: OpenPart, lost: number, count: () => WalkEnd): Narrowing {
    const { firstIndex } = part;
    const isShifted = joined !== undefined && whole.size() !== joined.frame?.previous.size;
    // Of the first of them, some bytes may be there.
    const most = lost === 0 ? 0 : Math.floor(lost / FRAME_HEADER_SIZE) + 1;
    let counted: WalkEnd | undefined;
    return (range, mostAhead) => {
      if (joined === undefined || (isExact(range) && !isShifted)) return range;
      counted ??= count();
      // Without the Seal, entries of the last batch may be there that a truncation dropped.
      const next = advanced(exactly(joined.firstIndex), 0, counted.mayBeDropped);
      const widest = { from: firstIndex, to: joined.firstIndex };
      if (isExact(range)) return widened(range, counted.index, next, firstIndex);
      return boundedBy(range, advanced(counted.index, 0, most + mostAhead), next, widest);
    };
  }

  /**
   * How long the next segment says that a file is, if the file is no longer, or has there what the
   * next one says of it. Else bytes have come in between, and those after them are the log's.
   */
  #statedSize(part: Part, next: Part | undefined, file: Readable): number | undefined {
    const previous = next?.frame?.previous;
    if (previous === undefined || file.size() <= previous.size) return previous?.size;
    const { size, checksum } = previous;
    const toWalk = this.#walks.toWalk(part, clipped(file, size), { next, isLast: false }, 2);
    const seal = toWalk.reader.seal();
    if (seal !== undefined) {
      return toWalk.reader.headerAt(seal.at)?.checksum === checksum ? size : undefined;
    }
    const { last, isIntact } = endOf(toWalk);
    return isIntact && last?.end === size && last.checksum === checksum ? size : undefined;
  }

  /** Bytes that were set aside. */
  *walkCut(cut: Insertion, start: IndexRange): Generator<Recovered, void> {
    const { path, segment, offset, within } = cut;
    const file = this.#walks.open(path);
    if (file === undefined || isFileSystemError(file)) {
      const why = file === undefined ? "it is gone" : file.message;
      const what = `the file, which was set aside, cannot be read: ${why}`;
      yield missing(path, undefined, undefined, undefined, undefined, what);
      return;
    }
    try {
      const readable = within === undefined ? file : stretchOf(file, within);
      const asPart: Part = {
        path,
        firstIndex: segment,
        base: offset,
        frame: undefined,
        isVersion2: true,
        isSetAside: true,
      };
      const known = { next: undefined, isLast: true, isWritten: false };
      const toWalk = { ...this.#walks.toWalk(asPart, readable, known, 1), start };
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
    narrow: Narrowing,
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
      const isUnreadable = file.unreadable > 0;
      const isNone = indexes === undefined || indexes.to < indexes.from;
      return {
        kind: "missing",
        path,
        offset,
        bytes,
        indexes: isNone ? undefined : indexes,
        entries: isNone ? 0 : entries,
        what: isUnreadable ? `${what} (the device cannot read all of the file)` : what,
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
}

/**
 * What an index may be of a file that has another size than the next one states: if all of its frames
 * are whole, and not as many as there should be, it is unknown where the others were.
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

/** The first index that the next segments have: a truncation has dropped what a part has of that. */
function limitOf({ firstIndex }: Part, next: Part | undefined): number {
  const stated = next?.frame?.previous.firstIndex ?? 0;
  if (next === undefined || stated === 0) return Infinity;
  return stated > firstIndex ? stated : next.firstIndex;
}
