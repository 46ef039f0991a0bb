/**
 * What a segment holds, and what to do about its end: the decision table.
 *
 * Nothing here changes a file. {@linkcode scanSegment} reads a segment from its start to the first
 * byte X that begins no valid frame, and {@linkcode decide} judges what follows X:
 *
 * | case | what follows X | verdict |
 * | --- | --- | --- |
 * | A | nothing | clean end |
 * | B | zeros only | unused preallocated space |
 * | C | a Durable frame of this log, in its place, that vouches for an offset beyond X | corruption |
 * | D | some valid frame, but none like that | torn, or rot in the last unsynced group: ambiguous |
 * | E | no valid frame | torn last write |
 *
 * The disk is not trusted: a length is believed only if it is within the limit and the bytes exist,
 * so what this takes of memory is bounded by `maxEntrySize` and the file, whatever the file says.
 *
 * @module
 */
import { allocate } from "../fs/allocate.ts";
import { WalError } from "../errors.ts";
import type { FrameChecksum } from "../format/checksum.ts";
import {
  FILE_HEADER_SIZE,
  type FileHeader,
  type FormatVersion,
  readFileHeader,
} from "../format/file_header.ts";
import {
  CHECKSUM_AT,
  FRAME_HEADER_SIZE,
  frameLengthAt,
  isFrameType,
  TYPE_DATA,
  TYPE_INTERNAL,
} from "../format/frame.ts";
import { readUint32 } from "../format/integers.ts";
import { DURABLE_FRAME_SIZE, DURABLE_FRAME_START } from "../format/durable_frame.ts";
import { type InternalFrame, MAX_INTERNAL_SIZE, readInternalPayload } from "../format/kinds.ts";
import { sameLog } from "../format/log_id.ts";
import { SEAL_OFFSETS_AT } from "../format/seal_frame.ts";
import { NO_SEGMENT, type PreviousSegment, SEGMENT_FRAME_SIZE } from "../format/segment_frame.ts";
import { type File, FileSystemError } from "../fs/file_system.ts";
import { OffsetIndex } from "./offset_index.ts";
import { Seen } from "./seen.ts";

/** How much is read at a time where bytes are looked for. */
const CHUNK_SIZE = 1024 * 1024;

/**
 * How much a walk reads at a time: little at first, since a reader often finds nothing new, and then
 * as much as stays in a processor's cache while the kernel goes over it.
 */
const FIRST_READ = 64 * 1024;
const MAX_READ = 256 * 1024;

/** How many bytes the search for any valid frame may checksum, so that its time is bounded. */
const SEARCH_BUDGET = 256 * 1024 * 1024;

/** A file to judge, and what is needed for it. */
export interface SegmentSource {
  readonly file: File;
  readonly path: string;
  readonly checksum: FrameChecksum;
  readonly maxEntrySize: number;
  /** In a reader: a scan remembers what it saw, and fails if the writer takes that back meanwhile. */
  readonly remembers?: boolean;
}

/** What a segment holds up to X. */
export interface SegmentScan {
  readonly kind: "scanned";
  readonly version: FormatVersion;
  /** The log's id; version 1 has none. */
  readonly logId: Uint8Array | undefined;
  readonly firstIndex: number;
  /** Where each entry begins. */
  readonly offsets: OffsetIndex;
  /** Behind the last entry, in bytes; 0 if there is none. */
  readonly entriesEnd: number;
  /** The highest offset that a Durable frame vouches for. */
  readonly vouched: number;
  /** What the Segment frame says of the segment before; zeros if there is none. */
  readonly previous: PreviousSegment;
  /** The Seal that the segment ends with, if it does: how many entries count, and its checksum. */
  readonly seal: { readonly count: number; readonly checksum: number } | undefined;
  /** Which of the entries are batches: the positions of the first of each, and behind the last. */
  readonly batches: Batches;
  /** In a reader: by what it knows later whether all this is still there. */
  readonly seen: Seen | undefined;
  /** X, the first byte that begins no valid frame. */
  readonly end: number;
  /** The file's size in bytes. */
  readonly size: number;
}

/** Ranges of positions that are one atom each, in ascending order. */
export interface Batches {
  readonly starts: OffsetIndex;
  readonly ends: OffsetIndex;
}

/** A file without a valid header or Segment frame. */
export interface UnfinishedSegment {
  readonly kind: "unfinished";
  /** Where the first of the two that is missing should be. */
  readonly at: number;
  /**
   * What the file holds from there on: nothing but zeros or a part of what was being written, which
   * means that it was never in use; other bytes without a frame among them; or whole frames, which
   * means that it was in use and its beginning is damaged.
   */
  readonly holds: "nothing" | "other bytes" | "frames";
  readonly size: number;
}

/** Whether a file was found without a valid beginning. */
export function isUnfinished(
  found: SegmentScan | UnfinishedSegment,
): found is UnfinishedSegment {
  return found.kind === "unfinished";
}

/** The cases of the decision table. */
export type RecoveryCase = "A" | "B" | "C" | "D" | "E";

/** What follows X. */
export interface Decision {
  readonly case: RecoveryCase;
  /** Case C: the highest offset that a Durable frame beyond X vouches for. */
  readonly vouched: number;
}

/**
 * Reads a segment from its start to X.
 *
 * @throws {WalError} `ERR_WAL_FORMAT` if the file is no log of a version that this reads;
 * `ERR_WAL_ENTRY_TOO_LARGE` if it holds a whole entry above the limit.
 */
export function scanSegment(source: SegmentSource): SegmentScan | UnfinishedSegment {
  const size = source.file.size();
  const version = requireLog(source);
  if (version === undefined) return judgeBeginning(source, 0, size);
  const scan = walkFrames(source, version, size);
  if (version === 2 && scan.logId === undefined) {
    return judgeBeginning(source, FILE_HEADER_SIZE, size);
  }
  return scan;
}

/**
 * Scans on behind what an earlier scan found, whose index of offsets it extends.
 *
 * @returns The scan of the whole segment.
 * @throws {FileSystemError} `EBUSY` in a reader: the writer has cut the file meanwhile.
 */
export function scanOn(source: SegmentSource, earlier: SegmentScan): SegmentScan {
  return walkFrames(source, earlier.version, source.file.size(), earlier);
}

/** Judges what follows X by the decision table. Exactly one case holds. */
export function decide(source: SegmentSource, scan: SegmentScan): Decision {
  const { end, size, vouched } = scan;

  // Case A: nothing follows. Every byte is accounted for.
  if (end === size) return { case: "A", vouched };

  // Case B: zeros only. No frame begins with a zero, so none was ever written here: this is space
  // that was allocated ahead of the writes, by us or by the file system when a crash came between
  // a file's growth and its data.
  if (isZero(source, end, size)) return { case: "B", vouched };

  // Case C: a Durable frame beyond X vouches for an offset beyond X. An fdatasync had covered the
  // bytes at X, so they were whole once and an interrupted write cannot be what broke them.
  const evidence = findVouchingFrame(source, scan);
  if (evidence > end) return { case: "C", vouched: evidence };

  // Case D: a whole frame follows, but nothing vouches for X. Either the disk persisted the last
  // unsynced writes out of order, which is no loss, or a bit rotted in them after a sync whose
  // Durable frame was not yet written. The two cannot be told apart, so the bytes are worth keeping.
  if (hasFrame(source, end + 1, size)) return { case: "D", vouched };

  // Case E: no whole frame follows. This is how a write looks that a crash interrupted.
  return { case: "E", vouched };
}

/** The version of a log's file; `undefined` if its making was interrupted before the header. */
export function requireLog({ file, path }: Pick<SegmentSource, "file" | "path">):
  | FormatVersion
  | undefined {
  const head = new Uint8Array(FILE_HEADER_SIZE);
  const header: FileHeader = readFileHeader(head.subarray(0, file.read(head, 0)));
  switch (header.kind) {
    case "valid":
      return header.version;
    case "unfinished":
      return undefined;
    case "unknown version":
      throw new WalError(
        "ERR_WAL_FORMAT",
        `"${path}" is a log of format version ${header.version}; this library reads 1 and 2. ` +
          "Use a later version of it. The file was not changed.",
      );
    case "not a log":
      throw new WalError(
        "ERR_WAL_FORMAT",
        `"${path}" is not a log: it does not begin with "WAL!" (offset 0). Check the path. If it ` +
          "is a damaged log, `wal recover` gives out every entry that is whole. The file was not " +
          "changed.",
      );
  }
}

/** Judges a file without a valid header (`at` is 0) or Segment frame (`at` is behind the header). */
function judgeBeginning(source: SegmentSource, at: number, size: number): UnfinishedSegment {
  if (hasFrame(source, at, size)) return { kind: "unfinished", at, holds: "frames", size };
  // The beginning is written at once and is shorter than a disk's sector.
  const written = size <= FILE_HEADER_SIZE + SEGMENT_FRAME_SIZE && at > 0;
  const nothing = written || isZero(source, Math.max(at, FILE_HEADER_SIZE), size);
  return { kind: "unfinished", at, holds: nothing ? "nothing" : "other bytes", size };
}

/** What a walk begins with behind a file's header. */
export function noFrames(version: FormatVersion, remembers: boolean = false): SegmentScan {
  return {
    kind: "scanned",
    version,
    logId: undefined,
    firstIndex: 1,
    previous: NO_SEGMENT,
    offsets: new OffsetIndex(),
    entriesEnd: 0,
    vouched: 0,
    seal: undefined,
    batches: { starts: new OffsetIndex(), ends: new OffsetIndex() },
    seen: remembers ? new Seen(FILE_HEADER_SIZE) : undefined,
    end: FILE_HEADER_SIZE,
    size: FILE_HEADER_SIZE,
  };
}

/** Walks the frames behind the header, or behind an earlier walk, up to X, a chunk at a time. */
function walkFrames(
  source: SegmentSource,
  version: FormatVersion,
  size: number,
  earlier: SegmentScan = noFrames(version, source.remembers),
): SegmentScan {
  const { file, path, checksum, maxEntrySize } = source;
  const limit = limitOf(source);
  const { offsets, seen } = earlier;
  // Only a frame that is larger than the kernel's memory needs memory of its own.
  let buffer = checksum.staging;
  const found = checksum.offsets;
  let readSize = FIRST_READ;
  /** Whether an entry can be too large that the kernel lets pass. */
  const limitsDiffer = limit > maxEntrySize;
  const { batches } = earlier;
  let { logId, firstIndex, previous, entriesEnd, vouched, seal, end } = earlier;
  /** The batch whose Data frames are being taken in, and what was before it. */
  let batch:
    | { start: number; end: number; left: number; entries: number; entriesEnd: number }
    | undefined;
  /** In a reader: the last bytes before that batch. */
  let beforeBatch: Uint8Array | undefined;

  /**
   * Whether a Seal is of the entries before it: of all, or, where a truncation within the last batch
   * dropped some, of the others. It must know where each begins.
   */
  function sealMayStand(payload: Uint8Array, count: number): boolean {
    const last = batches.starts.count - 1;
    // None is written of no entries: it would be its own successor.
    const isAll = seal === undefined && count > 0 && count === offsets.count;
    const isWithinBatch = last >= 0 && batches.starts.at(last) < count &&
      batches.ends.at(last) >= offsets.count && count < (seal?.count ?? offsets.count);
    if (!isAll && !isWithinBatch) return false;
    for (let i = 0; i < count; i++) {
      const stated = readUint32(payload, SEAL_OFFSETS_AT - FRAME_HEADER_SIZE + 4 * i);
      if (stated !== offsets.at(i)) return false;
    }
    return true;
  }

  /** Takes an Internal frame in; false if it is not one that can stand from `offset` to `next`. */
  function takeInternal(
    frame: InternalFrame,
    payload: Uint8Array,
    offset: number,
    next: number,
    checksum: number,
  ): boolean {
    if (frame.kind === "unknown") {
      throw new WalError(
        "ERR_WAL_FORMAT",
        `"${path}" has an Internal frame of the unknown kind ${frame.number} at offset ${offset}. ` +
          "A later version of this library wrote it: use that. The file was not changed.",
      );
    }
    const first = offset === FILE_HEADER_SIZE;
    if (seal !== undefined && frame.kind !== "seal") return false;
    if (frame.kind === "segment") {
      if (!first) return false;
      logId = frame.logId;
      firstIndex = frame.firstIndex;
      previous = frame.previous;
      return true;
    }
    if (first) return false;
    if (frame.kind === "skippable") return true;
    if (frame.kind === "batch") {
      const { count, bytes } = frame;
      batch = { start: offset, end: next + bytes, left: count, entries: offsets.count, entriesEnd };
      return count > 0;
    }
    if (frame.kind === "seal") {
      if (!sealMayStand(payload, frame.count)) return false;
      seal = { count: frame.count, checksum };
      return true;
    }
    // One that is not of this file, or not in its place, got here by damage.
    if (logId === undefined || !sameLog(frame.logId, logId)) return false;
    if (frame.segment !== firstIndex || frame.ownOffset !== offset) return false;
    if (frame.durableOffset > offset) return false;
    vouched = Math.max(vouched, frame.durableOffset);
    return true;
  }

  /**
   * Takes a run of Data frames in, from the `from`-th of `count` found frames on.
   *
   * @returns Behind the last of the run; `undefined` if a batch ends elsewhere than it says.
   */
  function takeEntries(
    base: number,
    from: number,
    count: number,
    stop: number,
  ): number | undefined {
    const limit = batch === undefined ? count : Math.min(count, from + batch.left);
    let to = from;
    while (to < limit && buffer[found[to] as number] === TYPE_DATA) to++;
    if (limitsDiffer) {
      for (let i = from; i < to; i++) {
        const at = found[i] as number;
        const length = frameLengthAt(buffer, at);
        if (length > maxEntrySize) throw tooLarge(path, base + at, length, maxEntrySize);
      }
    }
    offsets.pushAll(found, from, to, base);
    seen?.takeEntries(buffer, found, from, to);
    entriesEnd = base + (to < count ? found[to] as number : stop);
    if (batch === undefined) return to;
    batch.left -= to - from;
    if (batch.left > 0) return to;
    if (batch.end !== entriesEnd) return undefined;
    batches.starts.push(batch.entries);
    batches.ends.push(offsets.count);
    batch = undefined;
    beforeBatch = undefined;
    return to;
  }

  /** Takes the found frames in up to the first that cannot stand where it does. */
  function takeFrames(base: number, count: number, stop: number): number {
    for (let i = 0; i < count;) {
      const at = found[i] as number;
      if (buffer[at] === TYPE_DATA) {
        // Nothing is written behind a Seal but another, when a truncation drops yet more.
        if (seal !== undefined) return at;
        if (base + at === FILE_HEADER_SIZE && version === 2) return at;
        const to = takeEntries(base, i, count, stop);
        if (to === undefined) return at;
        i = to;
      } else {
        // Only Data frames stand in a batch.
        if (version === 1 || batch !== undefined) return at;
        const next = i + 1 < count ? found[i + 1] as number : stop;
        const payload = buffer.subarray(at + FRAME_HEADER_SIZE, next);
        const stored = readUint32(buffer, at + CHECKSUM_AT);
        const frame = readInternalPayload(payload);
        if (!takeInternal(frame, payload, base + at, base + next, stored)) return at;
        i++;
      }
    }
    return stop;
  }

  while (end < size) {
    const asked = Math.min(buffer === checksum.staging ? readSize : buffer.length, size - end);
    const n = file.read(buffer, end, asked);
    // What was cut and written anew before this read does not join what was read before it.
    if (seen?.isIn(file) === false) throw new FileSystemError("EBUSY", "Read", path);
    readSize = MAX_READ;
    const { count, stop } = checksum.scan(buffer, n, limit);
    const taken = takeFrames(end, count, stop);
    end += taken;
    seen?.takeBytes(buffer, taken);
    if (batch !== undefined) beforeBatch ??= seen?.tailUpTo(batch.start);
    // Fewer bytes than asked for: the file has been cut since its size was read.
    if (taken < stop || n < asked) break;
    if (stop === n) continue;
    // Either the chunk ends within a frame, or this is X.
    const needed = wantedSize(buffer, stop, n);
    if (needed === undefined || needed > size - end) break;
    if (needed > FRAME_HEADER_SIZE + limit) {
      if (holdsLargeFrame(source, end, needed)) {
        throw tooLarge(path, end, needed - FRAME_HEADER_SIZE, maxEntrySize);
      }
      break;
    }
    if (needed <= n - stop) break;
    readSize = Math.max(readSize, needed);
    if (needed > buffer.length) buffer = allocate(needed, path);
  }
  if (batch !== undefined) {
    // All of a batch or none of it.
    end = batch.start;
    offsets.cut(batch.entries);
    if (beforeBatch !== undefined) seen?.cut(end, beforeBatch, batch.entries);
    entriesEnd = batch.entriesEnd;
  }
  if (seal !== undefined) {
    offsets.cut(seal.count);
    seen?.checksums.cut(seal.count);
  }
  return {
    kind: "scanned",
    version,
    logId,
    firstIndex,
    previous,
    offsets,
    batches,
    seen,
    entriesEnd,
    vouched,
    seal,
    end,
    size,
  };
}

/**
 * The size of the frame that would begin at `at`, or of its header where that is cut short;
 * `undefined` where none can begin.
 */
function wantedSize(buffer: Uint8Array, at: number, end: number): number | undefined {
  if (!isFrameType(buffer[at])) return undefined;
  if (end - at < FRAME_HEADER_SIZE) return FRAME_HEADER_SIZE;
  return FRAME_HEADER_SIZE + frameLengthAt(buffer, at);
}

/**
 * Whether a whole frame above the limit stands at `offset`, checked piece by piece. An entry that
 * was written under a higher limit must not be taken for a torn write and cut.
 */
function holdsLargeFrame(source: SegmentSource, offset: number, size: number): boolean {
  const header = new Uint8Array(FRAME_HEADER_SIZE);
  source.file.read(header, offset);
  if (header[0] !== TYPE_DATA) return false;
  const payload = pieces(source.file, offset + FRAME_HEADER_SIZE, offset + size);
  return source.checksum.checkPieces(header, payload);
}

function tooLarge(path: string, offset: number, length: number, limit: number): WalError {
  return new WalError(
    "ERR_WAL_ENTRY_TOO_LARGE",
    `"${path}" holds a whole entry of ${length} bytes at offset ${offset}, above the limit of ` +
      `${limit}. Open it with { maxEntrySize: ${length} } or more. The file was not changed.`,
  );
}

/** Whether all bytes from `from` up to `to` are zero. */
function isZero(source: SegmentSource, from: number, to: number): boolean {
  for (const bytes of pieces(source.file, from, to)) {
    if (!bytes.every((byte) => byte === 0)) return false;
  }
  return true;
}

/**
 * The highest offset that a Durable frame beyond X vouches for, in time linear in the bytes: such a
 * frame has one length, so only few places need a checksum, and each a short one.
 */
function findVouchingFrame(source: SegmentSource, scan: SegmentScan): number {
  const { logId, firstIndex, end, size } = scan;
  if (logId === undefined) return 0;
  let vouched = 0;
  for (
    const { bytes, base, usable } of windows(source.file, end + 1, size, DURABLE_FRAME_SIZE - 1)
  ) {
    for (let at = bytes.indexOf(TYPE_INTERNAL); at >= 0 && at < usable;) {
      if (
        startsDurableFrame(bytes, at) &&
        source.checksum.check(bytes, at, bytes.length, limitOf(source))
      ) {
        const payload = bytes.subarray(at + FRAME_HEADER_SIZE, at + DURABLE_FRAME_SIZE);
        const frame = readInternalPayload(payload);
        if (
          frame.kind === "durable" && sameLog(frame.logId, logId) &&
          frame.segment === firstIndex && frame.ownOffset === base + at &&
          frame.durableOffset <= base + at
        ) {
          vouched = Math.max(vouched, frame.durableOffset);
        }
      }
      at = bytes.indexOf(TYPE_INTERNAL, at + 1);
    }
  }
  return vouched;
}

function startsDurableFrame(bytes: Uint8Array, at: number): boolean {
  return DURABLE_FRAME_START.every((byte, i) => bytes[at + i] === byte);
}

/**
 * Whether a whole valid frame begins at `from` or later. When hostile bytes use the budget up, the
 * answer is yes: it is the one that keeps the bytes.
 */
function hasFrame(source: SegmentSource, from: number, size: number): boolean {
  const { file, checksum } = source;
  const limit = limitOf(source);
  let budget = SEARCH_BUDGET;
  for (const { bytes, base, usable } of windows(file, from, size, FRAME_HEADER_SIZE - 1)) {
    for (let at = 0; at < usable; at++) {
      if (!isFrameType(bytes[at]) || bytes.length - at < FRAME_HEADER_SIZE) continue;
      const length = frameLengthAt(bytes, at);
      const end = at + FRAME_HEADER_SIZE + length;
      if (length > limit || base + end > size) continue;
      budget -= FRAME_HEADER_SIZE + length;
      if (budget < 0) return true;
      if (end <= bytes.length) {
        if (checksum.check(bytes, at, end, limit)) return true;
      } else {
        const header = bytes.subarray(at, at + FRAME_HEADER_SIZE);
        const payload = pieces(file, base + at + FRAME_HEADER_SIZE, base + end);
        if (checksum.checkPieces(header, payload)) return true;
      }
    }
  }
  return false;
}

/** The longest payload that a frame may have. */
function limitOf(source: SegmentSource): number {
  return Math.max(source.maxEntrySize, MAX_INTERNAL_SIZE);
}

/** A stretch of a file. */
interface Window {
  readonly bytes: Uint8Array;
  /** Where in the file it begins. */
  readonly base: number;
  /** How many of the bytes are not in the next window too. */
  readonly usable: number;
}

/**
 * Reads a stretch of a file in windows, each of which holds the first `overlap` bytes of the next,
 * so that what begins in a window's usable bytes is whole in it. The bytes are overwritten by the
 * next window.
 */
function* windows(file: File, from: number, to: number, overlap: number): Generator<Window> {
  const buffer = new Uint8Array(Math.min(CHUNK_SIZE, Math.max(0, to - from)));
  for (let base = from; base < to;) {
    const n = file.read(buffer, base, Math.min(buffer.length, to - base));
    const last = base + n >= to || n <= overlap;
    const usable = last ? n : n - overlap;
    yield { bytes: buffer.subarray(0, n), base, usable };
    if (last) return;
    base += usable;
  }
}

/** Reads a stretch of a file a piece at a time; a piece is overwritten by the next. */
export function* pieces(file: File, from: number, to: number): Generator<Uint8Array> {
  for (const { bytes } of windows(file, from, to, 0)) yield bytes;
}
