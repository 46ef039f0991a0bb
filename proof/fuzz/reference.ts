/**
 * What a segment holds and which case of the decision table it is, by the description of the format
 * and the simplest means: a second opinion that shares no code with the log.
 *
 * @module
 */
import {
  BATCH,
  DATA,
  DURABLE,
  FILE_HEADER,
  FIRST_SKIPPABLE,
  FRAME_HEADER,
  holds,
  INTERNAL,
  readU32,
  readU64,
  SEAL,
  SEAL_MAGIC,
  SEGMENT,
} from "./layout.ts";

/** The magic number and version 2. */
const HEADER = [0x57, 0x41, 0x4c, 0x21, 0, 0, 0, 2];

/** The largest Seal's payload, which may be above the limit of the entries. */
const MAX_SEAL = 13 + 4 * 1024 * 1024;

const SEGMENT_SIZE = 37;
const BATCH_SIZE = 13;
const DURABLE_SIZE = 33;

/** What a segment is. */
export type Opinion =
  /** Opening refuses, with this code. */
  | { readonly kind: "refused"; readonly code: string }
  /** It has no valid beginning. */
  | { readonly kind: "unfinished"; readonly at: number; readonly hasFrames: boolean }
  | {
    readonly kind: "scanned";
    readonly case: string;
    /** Where each entry begins. */
    readonly offsets: readonly number[];
    /** X. */
    readonly end: number;
    /** How many entries the Seal counts. */
    readonly sealed: number | undefined;
  };

/** Whether a file begins as a log's does, or as one whose making was interrupted. */
export function isLog(bytes: Uint8Array): boolean {
  const head = bytes.subarray(0, FILE_HEADER);
  return head.every((byte) => byte === 0) ||
    head.every((byte, i) => byte === HEADER[i] || (i === 7 && byte === 1));
}

/** Judges the bytes of a segment. */
export function judge(bytes: Uint8Array, maxEntrySize: number): Opinion {
  const limit = Math.max(maxEntrySize, MAX_SEAL);
  const head = bytes.subarray(0, FILE_HEADER);
  const isZero = head.every((byte) => byte === 0);
  if (!isLog(head)) return { kind: "refused", code: "ERR_WAL_FORMAT" };
  if (isZero || head.length < FILE_HEADER) {
    return { kind: "unfinished", at: 0, hasFrames: hasFrame(bytes, 0, limit) };
  }
  const version = head[7] as number;

  const offsets: number[] = [];
  let logId: Uint8Array | undefined;
  let firstIndex = 1;
  let sealed: number | undefined;
  let batch: { at: number; end: number; left: number; entries: number } | undefined;
  let lastBatch: { start: number; end: number } | undefined;
  let at = FILE_HEADER;
  for (let end = endOf(bytes, at, limit); end !== undefined; end = endOf(bytes, at, limit)) {
    const payload = bytes.subarray(at + FRAME_HEADER, end);
    if (bytes[at] === DATA) {
      if (sealed !== undefined || (version === 2 && at === FILE_HEADER)) break;
      if (payload.length > maxEntrySize) {
        return { kind: "refused", code: "ERR_WAL_ENTRY_TOO_LARGE" };
      }
      offsets.push(at);
      if (batch !== undefined && --batch.left === 0) {
        if (batch.end !== end) break;
        lastBatch = { start: batch.entries, end: offsets.length };
        batch = undefined;
      }
    } else {
      if (version === 1 || batch !== undefined) break;
      const kind = knownKind(payload);
      if (kind === undefined) return { kind: "refused", code: "ERR_WAL_FORMAT" };
      if (at === FILE_HEADER) {
        if (kind !== SEGMENT) break;
        logId = payload.slice(1, 9);
        firstIndex = numberAt(payload, 9);
      } else if (kind === SEGMENT || (sealed !== undefined && kind !== SEAL)) break;
      else if (kind === BATCH) {
        const left = readU32(payload, 1);
        if (left === 0) break;
        batch = { at, end: end + numberAt(payload, 5), left, entries: offsets.length };
      } else if (kind === SEAL) {
        const count = readU32(payload, 1);
        const isAll = sealed === undefined && count === offsets.length && count > 0;
        const isWithinBatch = lastBatch !== undefined && count > lastBatch.start &&
          lastBatch.end === offsets.length && count < (sealed ?? offsets.length);
        if (!isAll && !isWithinBatch) break;
        const isRight = offsets.slice(0, count).every((at, i) =>
          at === readU32(payload, 5 + 4 * i)
        );
        if (!isRight) break;
        sealed = count;
      } else if (kind < FIRST_SKIPPABLE && !isDurableOf(payload, logId, firstIndex, at)) break;
    }
    at = end;
  }
  if (batch !== undefined) {
    at = batch.at;
    offsets.length = batch.entries;
  }
  if (sealed !== undefined) offsets.length = sealed;
  if (version === 2 && logId === undefined) {
    return { kind: "unfinished", at: FILE_HEADER, hasFrames: hasFrame(bytes, FILE_HEADER, limit) };
  }
  return {
    kind: "scanned",
    case: caseOf(bytes, at, limit, logId, firstIndex),
    offsets,
    end: at,
    sealed,
  };
}

function caseOf(
  bytes: Uint8Array,
  end: number,
  limit: number,
  logId: Uint8Array | undefined,
  firstIndex: number,
): string {
  if (end === bytes.length) return "A";
  if (bytes.subarray(end).every((byte) => byte === 0)) return "B";
  for (let at = end + 1; at < bytes.length; at++) {
    if (bytes[at] !== INTERNAL) continue;
    const frameEnd = endOf(bytes, at, limit);
    if (frameEnd === undefined) continue;
    const payload = bytes.subarray(at + FRAME_HEADER, frameEnd);
    if (knownKind(payload) !== DURABLE || !isDurableOf(payload, logId, firstIndex, at)) continue;
    if (numberAt(payload, 25) > end) return "C";
  }
  return hasFrame(bytes, end + 1, limit) ? "D" : "E";
}

/**
 * The kind of an Internal frame's payload; undefined if it is unknown or not of its kind's size, and
 * may not be skipped.
 */
function knownKind(payload: Uint8Array): number | undefined {
  const kind = payload[0];
  const { length } = payload;
  if (kind === SEGMENT && length === SEGMENT_SIZE) return kind;
  if (kind === BATCH && length === BATCH_SIZE) return kind;
  if (kind === DURABLE && length === DURABLE_SIZE) return kind;
  if (kind !== undefined && kind >= FIRST_SKIPPABLE) return length <= MAX_SEAL ? kind : undefined;
  if (kind !== SEAL || length < 13 || length !== 13 + 4 * readU32(payload, 1)) return undefined;
  const isOwn = readU32(payload, length - 8) === length + FRAME_HEADER;
  return isOwn && readU32(payload, length - 4) === SEAL_MAGIC && length <= MAX_SEAL
    ? kind
    : undefined;
}

function isDurableOf(
  payload: Uint8Array,
  logId: Uint8Array | undefined,
  firstIndex: number,
  at: number,
): boolean {
  return logId !== undefined && logId.every((byte, i) => byte === payload[1 + i]) &&
    numberAt(payload, 9) === firstIndex && numberAt(payload, 17) === at &&
    numberAt(payload, 25) <= at;
}

/** A uint64; one beyond 2^53 loses its low bits, as the log's own numbers do. */
function numberAt(bytes: Uint8Array, at: number): number {
  return Number(readU64(bytes, at));
}

/** The offset after the whole frame at `at`; undefined if there is none. */
function endOf(bytes: Uint8Array, at: number, limit: number): number | undefined {
  if (bytes.length - at < FRAME_HEADER) return undefined;
  if (bytes[at] !== DATA && bytes[at] !== INTERNAL) return undefined;
  const length = readU32(bytes, at + 1);
  const end = at + FRAME_HEADER + length;
  return length <= limit && end <= bytes.length && holds(bytes, at, end) ? end : undefined;
}

function hasFrame(bytes: Uint8Array, from: number, limit: number): boolean {
  for (let at = from; at < bytes.length; at++) {
    if (endOf(bytes, at, limit) !== undefined) return true;
  }
  return false;
}
