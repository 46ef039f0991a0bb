/**
 * The check of a whole log: each segment, whether they join, and the meta file.
 *
 * Nothing is changed and no lock is taken. All that is held of a segment that was checked is what
 * the next one has to say of it.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createCRC32, type IHasher } from "hash-wasm";
import { WalError } from "../errors.ts";
import { frameChecksum } from "../format/checksum.ts";
import { FRAME_HEADER_SIZE } from "../format/frame.ts";
import { FILE_HEADER_SIZE } from "../format/file_header.ts";
import { readInternalPayload } from "../format/kinds.ts";
import { LOG_ID_SIZE, sameLog } from "../format/log_id.ts";
import { mayBegin } from "../format/magic.ts";
import {
  decodeMetaSlot,
  MAX_SLOT_SIZE,
  META_BEGINNING,
  type MetaSlot,
  MIN_SLOT_SIZE,
  SLOT_OFFSETS,
} from "../format/meta_slot.ts";
import { type FileSystem, isFileSystemError } from "../fs/file_system.ts";
import { requireLog } from "../segment/scan.ts";
import { metaPath, redoPath, segmentPath } from "../files/names.ts";
import { commonId, fromHead } from "./chain.ts";
import { createFrameBuffer, FrameReader } from "./frame_reader.ts";
import type { SegmentFile } from "../files/beginning.ts";
import { readStart, redoFile, segmentFiles } from "./log_files.ts";
import { type Place, placesOf, type Tail } from "./checked_segment.ts";
import {
  type Checked,
  describePending,
  describeUnsealed,
  endsAsNextSays,
  isBeginningLost,
  isMarkedPending,
  provesDurable,
  sealed,
} from "./pending_last.ts";
import { checkSegment } from "./segment_check.ts";

/** What the check tells as it goes. */
export interface Listener {
  /** Damage. */
  damage(place: Place): void;
  /** What is worth a line and is no damage. */
  note(line: string): void;
}

/** What was checked. */
export interface Totals {
  segments: number;
  entries: number;
  bytes: number;
}

/** The check of one log. */
export class Verification {
  /** The segments' files, all of them. */
  readonly files: readonly SegmentFile[];
  readonly totals: Totals = { segments: 0, entries: 0, bytes: 0 };
  readonly #fileSystem: FileSystem;
  readonly #path: string;
  readonly #maxEntrySize: number;
  readonly #crc: IHasher;
  readonly #buffer = createFrameBuffer();
  readonly #listener: Listener;

  private constructor(
    fileSystem: FileSystem,
    path: string,
    maxEntrySize: number,
    crc: IHasher,
    listener: Listener,
  ) {
    this.#fileSystem = fileSystem;
    this.#path = path;
    this.#maxEntrySize = maxEntrySize;
    this.#crc = crc;
    this.#listener = listener;
    this.files = segmentFiles(fileSystem, path);
  }

  /**
   * Prepares the check.
   *
   * @param maxEntrySize A larger entry is reported, in bytes.
   * @throws {FileSystemError} `ENOENT` if there is no log.
   */
  static async create(
    fileSystem: FileSystem,
    path: string,
    maxEntrySize: number,
    listener: Listener,
  ): Promise<Verification> {
    return new Verification(fileSystem, path, maxEntrySize, await createCRC32(), listener);
  }

  /**
   * Checks it all; yields, now and then, how many bytes were done since the last time.
   *
   * @throws {WalError} `ERR_WAL_FORMAT` if the only file is no log.
   */
  *run(): Generator<number, void> {
    this.#checkRedo();
    const meta = this.#checkMeta();
    const headIndex = meta?.headIndex ?? 1;
    const files = fromHead(this.files, headIndex);
    for (const { path } of this.files.slice(0, -files.length)) {
      this.#listener.note(`${path}: below the head ${headIndex}: opening would remove it`);
    }
    const logId = this.#commonId(files, meta);
    const pending = yield* this.#pendingLast(files, headIndex, logId);
    let previous: Checked | undefined;
    const unused: Checked[] = [];
    for (const [i, file] of files.entries()) {
      const isUnder = pending !== undefined && i === files.length - 2;
      const isEnd = i === files.length - 1 || isUnder;
      const found = yield* this.#checkEnd(file, isEnd, isUnder ? pending : undefined, logId);
      if (found === undefined) continue;
      const { dueSeal } = found.segment;
      const isUnsealed = isUnder && dueSeal !== undefined && endsAsNextSays(found.segment, pending);
      if (isUnsealed) this.#listener.note(describeUnsealed(file, dueSeal));
      const checked = isUnsealed ? sealed(found) : found;
      const chain = { previous, headIndex, logId };
      if (checked.segment.isUnused) {
        if (previous !== undefined) {
          unused.push(checked);
          continue;
        }
        const { path, firstIndex } = file;
        if (this.files.length === 1 && headIndex > firstIndex) {
          const what =
            `it has no valid beginning, and the head ${headIndex} says that it was in use`;
          this.#listener.damage({ path, offset: 0, index: firstIndex, isAtLeast: false, what });
        } else {
          this.#tellUnused(checked, previous);
        }
      }
      // Opening removes only those that stand last.
      for (const { file: { path, firstIndex } } of unused.splice(0)) {
        const what = "it has no valid beginning, and a segment that was in use follows it";
        this.#listener.damage({ path, offset: 0, index: firstIndex, isAtLeast: false, what });
      }
      previous = checked;
      if (isUnder && this.#tellUnder(checked, pending, chain)) break;
      this.#tellChecked(checked, chain);
    }
    for (const checked of unused) this.#tellUnused(checked, previous);
    this.#tellEnd(previous, headIndex);
  }

  /** Reports what opening would do after the last segment. */
  #tellEnd(previous: Checked | undefined, headIndex: number): void {
    if (previous?.segment.isSealed) {
      const { file: { path }, segment: { size, nextIndex } } = previous;
      this.#listener.note(
        `${path}: offset ${size}, index ${nextIndex}: sealed, and no segment follows: a crash came ` +
          "before the next was made, or the next file is missing",
      );
    }
    const end = previous?.segment.nextIndex;
    if (end !== undefined && headIndex > end) {
      this.#listener.note(
        `${this.#path}: the head ${headIndex} is beyond the last entry ${end - 1}: opening would ` +
          "continue from the head",
      );
    }
  }

  /**
   * The last segment, if it says that the one before it was not known to be durable, or has lost what
   * would say so, and no Durable frame in it says otherwise.
   */
  *#pendingLast(
    files: readonly SegmentFile[],
    headIndex: number,
    logId: Uint8Array | undefined,
  ): Generator<number, Checked | undefined> {
    const last = files.at(-1);
    if (last === undefined || files.length < 2 || last.firstIndex <= headIndex) return undefined;
    const totals = { ...this.totals };
    const checked = yield* this.#checkFile(last, true, logId);
    Object.assign(this.totals, totals);
    if (checked === undefined) return undefined;
    return checked.isBeginningLost || isMarkedPending(checked, files.at(-2)) ? checked : undefined;
  }

  /**
   * Checks a file. One that was durable when the next was begun is no end of the log, if it lacks more
   * than its Seal.
   */
  *#checkEnd(
    file: SegmentFile,
    isEnd: boolean,
    pending: Checked | undefined,
    logId: Uint8Array | undefined,
  ): Generator<number, Checked | undefined> {
    const totals = { ...this.totals };
    const checked = yield* this.#checkFile(file, isEnd, logId);
    const mustEndSo = pending !== undefined && provesDurable(pending);
    if (checked === undefined || !mustEndSo || endsAsNextSays(checked.segment, pending)) {
      return checked;
    }
    Object.assign(this.totals, totals);
    return yield* this.#checkFile(file, false, logId);
  }

  *#checkFile(
    file: SegmentFile,
    isLast: boolean,
    logId: Uint8Array | undefined,
  ): Generator<number, Checked | undefined> {
    const opened = this.#open(file);
    if (opened === undefined) return undefined;
    try {
      const reader = new FrameReader(opened, this.#crc, this.#buffer, this.#maxEntrySize);
      const segment = yield* checkSegment({
        ...file,
        reader,
        isLast,
        maxEntrySize: this.#maxEntrySize,
      });
      // Another file altogether is no damage of a log.
      if (segment.isUnused && this.files.length === 1) requireLog({ ...file, file: opened });
      this.totals.segments++;
      this.totals.entries += segment.entries;
      this.totals.bytes += segment.size;
      const isLost = isLast && isBeginningLost(reader, segment, file.firstIndex, logId);
      return { file, segment, isBeginningLost: isLost };
    } finally {
      opened.close();
    }
  }

  /** Opens a segment, unless a writer has dropped it from the head meanwhile. */
  #open({ path, firstIndex }: SegmentFile): ReturnType<FileSystem["open"]> | undefined {
    try {
      return this.#fileSystem.open(path, "read");
    } catch (error) {
      if (!isFileSystemError(error) || error.code !== "ENOENT") throw error;
      const now = segmentFiles(this.#fileSystem, this.#path);
      if ((now[0]?.firstIndex ?? 0) <= firstIndex) throw error;
      this.#listener.note(`${path}: a writer has just removed it`);
      return undefined;
    }
  }

  /** Checks that a segment is what its name, its log and the segment before it say. */
  #join(
    previous: Checked | undefined,
    { file, segment }: Checked,
    headIndex: number,
    logId: Uint8Array | undefined,
  ): void {
    const { path, firstIndex } = file;
    const tell = (at: Pick<Place, "path" | "offset" | "index">, what: string): void =>
      this.#listener.damage({ ...at, isAtLeast: false, what });
    const here = { path, offset: FILE_HEADER_SIZE, index: firstIndex };

    const { frame } = segment;
    if (frame !== undefined && frame.firstIndex !== firstIndex) {
      tell(here, `it is the segment from index ${frame.firstIndex}, not from ${firstIndex}`);
      return;
    }
    if (frame !== undefined && logId !== undefined && !sameLog(frame.logId, logId)) {
      tell(here, `it belongs to another log, ${hex(frame.logId)}, and not to ${hex(logId)}`);
      return;
    }
    if (segment.version === 1 && firstIndex !== 1) {
      tell({ ...here, offset: 0 }, "a file of version 1 that is not a log's first");
    }
    if (firstIndex <= headIndex) return;

    const stated = frame?.previous;
    const before = previous?.file.firstIndex;
    if (stated !== undefined && stated.firstIndex !== before) {
      const index = stated.firstIndex === 0 ? headIndex : stated.firstIndex;
      tell({ path: segmentPath(this.#path, index), offset: 0, index }, missing(index, firstIndex));
      return;
    }
    if (previous === undefined) {
      const index = headIndex;
      tell({ path: segmentPath(this.#path, index), offset: 0, index }, missing(index, firstIndex));
      return;
    }
    const { size, nextIndex, lastChecksum } = previous.segment;
    const last = { path: previous.file.path, offset: size, index: nextIndex ?? firstIndex };
    if (!isOwn(previous, logId)) return;
    if (stated !== undefined && stated.size !== size) {
      const offset = Math.min(size, stated.size);
      const what = `it has ${size} bytes, and the segment after it says ${stated.size}`;
      tell({ ...last, offset }, what);
    } else if (
      stated !== undefined && lastChecksum !== undefined && stated.checksum !== lastChecksum
    ) {
      tell(last, "its last frame is not the one that the segment after it states");
    } else if (nextIndex !== undefined && nextIndex !== firstIndex) {
      tell(
        last,
        `its entries end before index ${nextIndex}, and the segment after it begins with ` +
          firstIndex,
      );
    }
  }

  #tell(place: Place, headIndex: number): void {
    const isDropped = !place.isAtLeast && place.index < headIndex;
    const what = isDropped ? `${place.what} (dropped: below the head ${headIndex})` : place.what;
    this.#listener.damage({ ...place, what });
  }

  /** Reports the last bytes that are no damage, or may be none. */
  #tellTail({ file: { path } }: Checked, tail: Tail): void {
    const { kind, offset, index, bytes, hasFrames } = tail;
    if (kind === "durable") return;
    const count = bytes === 1 ? "1 byte" : `${bytes} bytes`;
    const aside = `opening would set ${count} aside in a ".cut-" file, then cut them`;
    const cut = `opening would cut ${count}`;
    if (kind === "ambiguous") {
      const what = "a torn write, or damage in the last unsynced group: no Durable frame covers " +
        `it; ${aside}`;
      this.#listener.damage({ path, offset, index, isAtLeast: false, what });
      return;
    }
    const what = {
      unused: `unused preallocated space; ${cut}`,
      torn: `a torn last write; ${cut}`,
      "torn batch": `a torn last batch; ${hasFrames ? aside : cut}`,
    }[kind];
    this.#listener.note(`${path}: offset ${offset}, index ${index}: ${what}`);
  }

  #tellChecked(checked: Checked, { previous, headIndex, logId }: ChainSoFar): void {
    this.#join(previous, checked, headIndex, logId);
    for (const place of placesOf(checked.segment)) this.#tell(place, headIndex);
    if (checked.segment.tail !== undefined) this.#tellTail(checked, checked.segment.tail);
  }

  /**
   * Checks the segment before one that may have been begun before it was durable.
   *
   * @returns Whether the log ends in it: it ends otherwise than that says, or that says nothing.
   */
  #tellUnder(checked: Checked, pending: Checked, chain: ChainSoFar): boolean {
    const { file, segment } = checked;
    const isItself = segment.frame?.firstIndex === file.firstIndex && isOwn(checked, chain.logId);
    if (!isItself || provesDurable(pending) || endsAsNextSays(segment, pending)) return false;
    this.#tellChecked(checked, chain);
    this.#listener.note(describePending(pending, checked));
    return true;
  }

  #tellUnused({ file, segment }: Checked, previous: Checked | undefined): void {
    const { size } = segment;
    const does = previous === undefined ? "make it again" : "remove it";
    this.#listener.note(
      `${file.path}: offset 0, index ${file.firstIndex}: never in use, its making was interrupted ` +
        `(${size} bytes); opening would ${does}`,
    );
  }

  /** Reports the redo file, and what opening would do with it. */
  #checkRedo(): void {
    const path = redoPath(this.#path);
    const redo = redoFile(this.#fileSystem, this.#path, frameChecksum);
    if (!redo.exists()) return;
    try {
      this.#listener.note(
        redo.load() === undefined
          ? `${path}: its making was interrupted; opening would remove it`
          : `${path}: a tail was being replaced; opening would finish that first, and what ` +
            "follows is of the files as they are",
      );
    } catch (error) {
      if (!(error instanceof WalError)) throw error;
      this.#tellForeign(path, "redo");
    }
  }

  #tellForeign(path: string, kind: string): void {
    const what = `it has the name of the log's ${kind} file and is none of this version: opening ` +
      "would be refused";
    this.#listener.damage({ path, offset: 0, index: 1, isAtLeast: false, what });
  }

  /** Checks both slots; the newest valid one. */
  #checkMeta(): MetaSlot | undefined {
    const path = metaPath(this.#path);
    const bytes = readStart(this.#fileSystem, path, SLOT_OFFSETS[1] + MAX_SLOT_SIZE);
    if (bytes === undefined) return undefined;
    const crc32 = (bytes: Uint8Array): number =>
      parseInt(this.#crc.init().update(bytes).digest("hex"), 16);
    const slots = SLOT_OFFSETS.map((offset) => decodeMetaSlot(bytes.subarray(offset), crc32));
    const newest = slots.filter((slot) => slot !== undefined)
      .toSorted((a, b) => b.sequence - a.sequence)[0];
    if (newest === undefined && bytes.length <= SLOT_OFFSETS[1]) {
      if (mayBegin(bytes.subarray(0, MIN_SLOT_SIZE), META_BEGINNING)) {
        this.#listener.note(`${path}: never in use, its making was interrupted`);
      } else {
        this.#tellForeign(path, "meta");
      }
      return undefined;
    }
    for (const [i, slot] of slots.entries()) {
      if (slot !== undefined) continue;
      const what = newest === undefined
        ? "the slot is not valid, nor is the other: the head and the state are not known"
        : "the slot is not valid; the other is, and opening would write this one again";
      const offset = SLOT_OFFSETS[i] ?? 0;
      this.#listener.damage({
        path,
        offset,
        index: newest?.headIndex ?? 1,
        isAtLeast: false,
        what,
      });
    }
    const [a, b] = slots;
    if (a !== undefined && b !== undefined && a.sequence !== b.sequence) {
      this.#listener.note(
        `${path}: an update was interrupted between its slots (${a.sequence} and ${b.sequence}); ` +
          `the newer counts`,
      );
    }
    return newest;
  }

  /** The log's id, by the files and the meta file. */
  #commonId(files: readonly SegmentFile[], meta: MetaSlot | undefined): Uint8Array | undefined {
    const ids = files.map(({ path }) => this.#idOf(path)).filter((id) => id !== undefined);
    if (meta !== undefined) ids.push(meta.logId);
    const common = commonId(ids);
    if (meta !== undefined && common !== undefined && !sameLog(meta.logId, common)) {
      const what = `it belongs to another log, ${hex(meta.logId)}, and not to ${hex(common)}`;
      const path = metaPath(this.#path);
      this.#listener.damage({ path, offset: 8, index: meta.headIndex, isAtLeast: false, what });
    }
    return common;
  }

  /** The id in a file's Segment frame; it may be damaged. */
  #idOf(path: string): Uint8Array | undefined {
    const size = 128;
    const bytes = readStart(this.#fileSystem, path, size);
    if (bytes === undefined || bytes.length < size / 2) return undefined;
    const at = FILE_HEADER_SIZE + FRAME_HEADER_SIZE;
    const frame = readInternalPayload(bytes.subarray(at, at + 1 + LOG_ID_SIZE + 8 + 8 + 8 + 4));
    return frame.kind === "segment" ? frame.logId : undefined;
  }
}

/** What is known of the log when a segment of it is checked. */
interface ChainSoFar {
  readonly previous: Checked | undefined;
  readonly headIndex: number;
  readonly logId: Uint8Array | undefined;
}

function isOwn({ file, segment: { frame } }: Checked, logId: Uint8Array | undefined): boolean {
  return frame === undefined || (frame.firstIndex === file.firstIndex &&
    (logId === undefined || sameLog(frame.logId, logId)));
}

function missing(index: number, next: number): string {
  return `it is missing: the entries ${index} to ${next - 1} should be in it`;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
