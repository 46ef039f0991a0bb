/**
 * What opening does about a redo file, by the description of the format and the simplest means: a
 * second opinion that shares no code with the log.
 *
 * @module
 */
import { crc32 } from "node:zlib";
import {
  checksumAt,
  concat,
  type FileSet,
  holds,
  indexIn,
  isMarked,
  META,
  readU32,
  readU64,
  REDO,
  REDO_HEADER,
  REDO_MAGIC,
  SLOTS,
  tailIn,
  targetOf,
} from "./layout.ts";

/** The type and the kind of the frame that a segment of version 2 begins with. */
const INTERNAL = 2;
const START_KIND = 1;

/** Whether a redo file is one: of the known version, as long as it says, with its checksum. */
export function isWhole(redo: Uint8Array): boolean {
  const end = checksumAt(redo);
  return end >= REDO_HEADER && readU32(redo, 0) === REDO_MAGIC && readU32(redo, 4) === 1 &&
    readU64(redo, 36) === BigInt(end - REDO_HEADER) &&
    readU32(redo, end) === crc32(redo.subarray(0, end));
}

/** Whether a file in the redo file's place is none, nor what a crash may leave of one. */
export function isForeignRedo(redo: Uint8Array): boolean {
  const head = redo.subarray(0, REDO_HEADER);
  if (head.every((byte) => byte === 0)) return false;
  const beginning = [0x52, 0x45, 0x44, 0x4f, 0, 0, 0, 1];
  if (!head.subarray(0, 8).every((byte, i) => byte === beginning[i])) return true;
  if (!isWhole(redo)) return false;
  return readU64(redo, 8) >= 2n ** 53n || readU64(redo, 16) + readU64(redo, 24) >= 2n ** 53n;
}

/**
 * Whether there may be a file that opening refuses before it finishes a replacement: one in the
 * redo file's place, one with the name of a segment that no index is for, or one that would have to
 * be removed and does not begin as a segment of the same log.
 */
export function mayBeForeign(files: FileSet): boolean {
  const redo = files.get(REDO) ?? new Uint8Array(0);
  if (isForeignRedo(redo)) return true;
  const target = isWhole(redo) ? targetOf(redo) ?? "" : "";
  const drops = target !== "" && isTruncation(redo);
  const id = files.get(target)?.subarray(18, 26).join();
  return [...files].some(([name, bytes]) => {
    const index = indexIn(name) ?? 0;
    if (!Number.isSafeInteger(index)) return index <= 2 ** 64;
    if (!drops || index <= (indexIn(target) ?? Infinity)) return false;
    const isVersion2 = bytes.length >= 54 && readU64(bytes, 0) === 0x57414c2100000002n;
    const isStart = bytes[8] === INTERNAL && bytes[17] === START_KIND && holds(bytes, 8, 54);
    return !isVersion2 || !isStart || readU64(bytes, 26) !== BigInt(index) ||
      bytes.subarray(18, 26).join() !== id;
  });
}

/** Whether the tail that is to be is empty. */
function isTruncation(redo: Uint8Array): boolean {
  return readU64(redo, 36) === 0n;
}

/** Whether a file never had the tail, or still has it and the redo file is not in use. */
export function isUntouched(redo: Uint8Array, file: Uint8Array): boolean {
  const [size, offset] = [BigInt(file.length), readU64(redo, 16)];
  if (size < offset) return true;
  return !isMarked(redo) && hasOldTail(redo, file);
}

function hasOldTail(redo: Uint8Array, file: Uint8Array): boolean {
  const old = file.subarray(Number(readU64(redo, 16)));
  return BigInt(old.length) === readU64(redo, 24) && crc32(old) === readU32(redo, 32);
}

/**
 * The files once the redo file has had its effect, and is gone.
 *
 * One that is not whole has none, nor has one whose file is not there or is untouched. Any other
 * replaces the file's tail, or both slots of the meta file. A truncation removes the segments after
 * it too.
 */
export function settle(files: FileSet): FileSet {
  const redo = files.get(REDO);
  if (redo === undefined) return files;
  const settled: FileSet = new Map(files);
  settled.delete(REDO);
  if (!isWhole(redo)) return settled;
  const name = targetOf(redo) ?? "";
  const file = files.get(name);
  if (file === undefined || isUntouched(redo, file)) return settled;
  const tail = tailIn(redo);
  if (name === META) {
    const meta = new Uint8Array(Math.max(...SLOTS) + tail.length);
    for (const at of SLOTS) meta.set(tail, at);
    return settled.set(META, meta);
  }
  for (const other of isTruncation(redo) ? files.keys() : []) {
    const index = indexIn(other) ?? 0;
    // Beyond what a number holds exactly, it is the name of no segment.
    if (index > (indexIn(name) ?? 0) && Number.isSafeInteger(index)) settled.delete(other);
  }
  return settled.set(name, concat([file.subarray(0, Number(readU64(redo, 16))), tail]));
}

/**
 * Whether a segment has neither its old tail any more nor its new one yet. The meta file can be read
 * all the same: the redo file has what it is to hold.
 */
export function isInMiddle(files: FileSet): boolean {
  const redo = files.get(REDO);
  if (redo === undefined || !isReplaced(files) || targetOf(redo) === META) return false;
  const file = files.get(targetOf(redo) ?? "") ?? new Uint8Array(0);
  return !hasOldTail(redo, file) && !hasNewTail(redo, file);
}

function hasNewTail(redo: Uint8Array, file: Uint8Array): boolean {
  const [found, tail] = [file.subarray(Number(readU64(redo, 16))), tailIn(redo)];
  if (tail.length === 0) return found.length === 0;
  return found.length >= tail.length && tail.every((byte, i) => byte === found[i]);
}

/** Whether a redo file changes more than that it is gone. */
export function isReplaced(files: FileSet): boolean {
  const settled = settle(files);
  return settled.size + (files.has(REDO) ? 1 : 0) !== files.size ||
    [...settled].some(([name, bytes]) => files.get(name) !== bytes);
}
