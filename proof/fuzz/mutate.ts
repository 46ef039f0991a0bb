/**
 * Changes files as no writer would: bytes, fields, frames, whole files and their names; and then
 * makes the checksums right again, or else nearly everything would end at the first of them.
 *
 * @module
 */
import { crc32 } from "node:zlib";
import type { Dice } from "./dice.ts";
import {
  BATCH,
  concat,
  DATA,
  DURABLE,
  FILE_HEADER,
  type FileSet,
  FIRST_SKIPPABLE,
  FRAME_HEADER,
  frameOf,
  framesIn,
  indexIn,
  INTERNAL,
  isMarked,
  kindOf,
  type Layout,
  link,
  LOG,
  META,
  nameFor,
  putTogether,
  readU32,
  readU64,
  REDO,
  REDO_HEADER,
  REDO_MAGIC,
  repairFrame,
  repairRedo,
  repairSlot,
  repairSlots,
  SEAL,
  SEAL_MAGIC,
  SEGMENT,
  segmentNames,
  SLOT_HEADER,
  SLOTS,
  tailIn,
  takeApart,
  targetOf,
  writeU32,
  writeU64,
} from "./layout.ts";

/** What is repaired of the files once they are changed. */
interface Repairs {
  /** Checksums of frames, slots and redo files. */
  readonly checksums: boolean;
  /** Offsets, counts and sizes that Durable frames, Batch frames, Seals and redo files state. */
  readonly places: boolean;
  /** What each segment says of the one before it. */
  readonly links: boolean;
}

/** No file is let grow beyond this in the course of mutations of mutations. */
const MAX_SIZE = 4 * 1024 * 1024;

/**
 * Changes a set of files.
 *
 * @param donors Other sets, which parts are taken from.
 */
export function mutate(files: FileSet, donors: readonly FileSet[], dice: Dice): FileSet {
  const changed: FileSet = new Map(files);
  const times = dice.chance(0.5) ? 1 : 1 + dice.below(5);
  for (let time = 0; time < times; time++) {
    if (files.size > 1 && dice.chance(0.15)) changeNames(changed, donors, dice);
    else changeOne(changed, donors, dice);
  }
  repair(changed, {
    checksums: dice.chance(0.85),
    places: dice.chance(0.5),
    links: dice.chance(0.7),
  });
  return changed;
}

function changeOne(files: FileSet, donors: readonly FileSet[], dice: Dice): void {
  if (files.size === 0) return;
  const name = dice.pick([...files.keys()]);
  const bytes = files.get(name) ?? new Uint8Array(0);
  if (name === META) {
    files.set(name, dice.chance(0.6) ? changeSlot(bytes, dice) : changeBytes(bytes, dice));
    return;
  }
  if (name === REDO) {
    const changed = dice.chance(0.8) ? changeRedo(bytes, files, dice) : changeBytes(bytes, dice);
    if (changed.length <= MAX_SIZE) files.set(name, changed);
    return;
  }
  const changed = dice.chance(0.35)
    ? changeBytes(bytes, dice)
    : putTogether(changeFrames(takeApart(bytes), donors, dice));
  if (changed.length <= MAX_SIZE) files.set(name, changed);
}

/** Names that are none of a segment's, though they look like it. */
const STRAY = ["0", "1", "18446744073709551616"].map((index) => `${LOG}.${index.padStart(20, "0")}`)
  .concat(`${LOG}.cut-00000000000000000001-8`, `${LOG}.7`);

/** Changes which files there are. */
function changeNames(files: FileSet, donors: readonly FileSet[], dice: Dice): void {
  const names = [...files.keys()];
  const name = dice.pick(names);
  const bytes = files.get(name);
  if (bytes === undefined) return;
  const index = BigInt(indexIn(name) ?? 1);
  switch (dice.below(7)) {
    case 0:
      if (files.size > 1) files.delete(name);
      return;
    case 1: {
      files.delete(name);
      files.set(nameFor(number64(dice, index)), bytes);
      return;
    }
    case 2:
      files.set(nameFor(number64(dice, index)), bytes);
      return;
    case 3: {
      const other = dice.pick(names);
      files.set(name, files.get(other) ?? bytes);
      files.set(other, bytes);
      return;
    }
    case 4: {
      const [otherName, other] = dice.pick([...dice.pick(donors)]);
      files.set(dice.chance(0.5) ? name : otherName, other);
      return;
    }
    case 5:
      files.set(
        dice.chance(0.8) ? nameFor(number64(dice, index)) : dice.pick(STRAY),
        new Uint8Array(dice.pick([0, 3, 8, 54, 100])),
      );
      return;
    case 6:
      files.set(REDO, madeRedo(dice.pick([...dice.pick(donors).values()]), files, dice));
      return;
  }
}

/** Changes bytes without regard to what they are. */
function changeBytes(bytes: Uint8Array, dice: Dice): Uint8Array {
  const at = dice.below(bytes.length + 1);
  const some = 1 + dice.below(dice.chance(0.9) ? 12 : 300);
  switch (dice.below(9)) {
    case 0: {
      const changed = bytes.slice();
      if (at < changed.length) changed[at] = (changed[at] as number) ^ (1 << dice.below(8));
      return changed;
    }
    case 1: {
      const changed = bytes.slice();
      if (at < changed.length) changed[at] = dice.below(256);
      return changed;
    }
    case 2: {
      const changed = bytes.slice();
      if (at + 4 <= changed.length) writeU32(changed, at, number32(dice, readU32(changed, at)));
      return changed;
    }
    case 3: {
      const changed = bytes.slice();
      if (at + 8 <= changed.length) writeU64(changed, at, number64(dice, readU64(changed, at)));
      return changed;
    }
    case 4:
      return bytes.slice(0, at);
    case 5:
      return concat([bytes, new Uint8Array(some)]);
    case 6:
      return concat([bytes.subarray(0, at), garbage(some, dice), bytes.subarray(at)]);
    case 7:
      return concat([bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + some))]);
    default:
      return concat([bytes.subarray(0, at), bytes.subarray(Math.max(0, at - some))]);
  }
}

/** Changes frames as what they are. */
function changeFrames(layout: Layout, donors: readonly FileSet[], dice: Dice): Layout {
  const { frames } = layout;
  const i = dice.below(frames.length + 1);
  const frame = frames[i];
  const put = (...others: Uint8Array[]): Layout => {
    frames.splice(i, 0, ...others);
    return layout;
  };
  switch (dice.below(13)) {
    case 0:
      frames.splice(i, 1 + dice.below(dice.chance(0.8) ? 1 : 4));
      return layout;
    case 1:
      return frame === undefined ? layout : put(frame.slice());
    case 2: {
      const other = dice.below(frames.length);
      const moved = frames.splice(other, 1);
      frames.splice(dice.below(frames.length + 1), 0, ...moved);
      return layout;
    }
    case 3: {
      if (frame !== undefined) frame[0] = dice.pick([0, DATA, INTERNAL, 3, dice.below(256)]);
      return layout;
    }
    case 4: {
      // Its length: the frames after it are then other ones, or none.
      if (frame !== undefined) writeU32(frame, 1, number32(dice, frame.length - FRAME_HEADER));
      return layout;
    }
    case 5:
    case 6:
    case 7:
      if (frame !== undefined) changeField(frame, dice);
      return layout;
    case 8:
      return put(madeFrame(frames, dice));
    case 9: {
      const donor = takeApart(dice.pick([...dice.pick(donors).values()]));
      if (donor.frames.length === 0) return layout;
      const from = dice.below(donor.frames.length);
      return put(...donor.frames.slice(from, from + 1 + dice.below(4)));
    }
    case 10: {
      // Torn: the rest of the file, or a hole in it, was never written.
      if (frame === undefined) return layout;
      const kept = frame.subarray(0, dice.below(frame.length));
      const hole = dice.chance(0.5) ? new Uint8Array(frame.length - kept.length) : new Uint8Array();
      frames.splice(i, dice.chance(0.5) ? 1 : frames.length, concat([kept, hole]));
      return layout;
    }
    case 11:
      layout.rest = concat([
        layout.rest,
        dice.chance(0.5) ? new Uint8Array(1 + dice.below(80)) : garbage(1 + dice.below(80), dice),
      ]);
      return layout;
    default: {
      const { head } = layout;
      if (head.length < FILE_HEADER) return layout;
      if (dice.chance(0.8)) writeU32(head, 4, dice.pick([0, 1, 2, 3, 0xffffffff]));
      else head[dice.below(FILE_HEADER)] = dice.below(256);
      return layout;
    }
  }
}

/** Where the fields of an Internal frame's payload stand, and whether they have eight bytes. */
const FIELDS: Readonly<Record<number, readonly (readonly [at: number, isLong: boolean])[]>> = {
  [SEGMENT]: [[9, true], [17, true], [25, true], [33, false], [1, true]],
  [BATCH]: [[1, false], [5, true]],
  [DURABLE]: [[9, true], [17, true], [25, true], [1, true]],
  [SEAL]: [[1, false], [5, false], [9, false]],
};

/** Changes a field of an Internal frame, or a byte of an entry. */
function changeField(frame: Uint8Array, dice: Dice): void {
  const kind = kindOf(frame);
  const fields = kind === undefined ? undefined : FIELDS[kind];
  if (fields === undefined || dice.chance(0.1)) {
    if (frame.length === FRAME_HEADER) return;
    const isKind = frame[0] === INTERNAL && dice.chance(0.3);
    frame[FRAME_HEADER + (isKind ? 0 : dice.below(frame.length - FRAME_HEADER))] = dice.below(
      dice.chance(0.5) ? 7 : 256,
    );
    return;
  }
  const [at, isLong] = dice.pick(fields);
  const place = FRAME_HEADER + at;
  if (place + (isLong ? 8 : 4) > frame.length) return;
  if (isLong) writeU64(frame, place, number64(dice, readU64(frame, place)));
  else writeU32(frame, place, number32(dice, readU32(frame, place)));
  if (kind === SEAL && dice.chance(0.3)) writeU32(frame, frame.length - 8, number32(dice, 0));
}

/** A whole frame of any kind. */
function madeFrame(frames: readonly Uint8Array[], dice: Dice): Uint8Array {
  const kind = dice.pick([0, SEGMENT, BATCH, DURABLE, SEAL, 5, FIRST_SKIPPABLE, 255]);
  if (kind === 0) return frameOf(DATA, garbage(dice.below(40), dice));
  const sizes: Readonly<Record<number, number>> = { [SEGMENT]: 37, [BATCH]: 13, [DURABLE]: 33 };
  const entries = frames.filter((frame) => frame[0] === DATA).length;
  const count = dice.chance(0.6) ? entries : dice.below(2 * entries + 2);
  const payload = new Uint8Array(
    sizes[kind] ?? (kind === SEAL ? 13 + 4 * count : dice.below(9) + 1),
  );
  payload[0] = kind;
  const id = frames.find((frame) => kindOf(frame) === SEGMENT)?.subarray(10, 18);
  if (id !== undefined && (kind === SEGMENT || kind === DURABLE)) payload.set(id, 1);
  if (kind === DURABLE) {
    writeU64(payload, 9, dice.pick([1n, number64(dice, 1n)]));
    writeU64(payload, 17, number64(dice, 100n));
    writeU64(payload, 25, number64(dice, 300n));
  } else if (kind === BATCH) {
    writeU32(payload, 1, number32(dice, 2));
    writeU64(payload, 5, number64(dice, 30n));
  } else if (kind === SEAL) {
    writeU32(payload, 1, count);
    writeU32(payload, payload.length - 8, payload.length + FRAME_HEADER);
    writeU32(payload, payload.length - 4, SEAL_MAGIC);
  } else if (kind === SEGMENT) {
    writeU64(payload, 9, number64(dice, 1n));
    writeU64(payload, 17, number64(dice, 1n));
    writeU64(payload, 25, number64(dice, 100n));
  }
  return frameOf(INTERNAL, payload);
}

/** Changes a field of one of a meta file's slots, or of both. */
function changeSlot(meta: Uint8Array, dice: Dice): Uint8Array {
  const changed = meta.slice();
  const slots = SLOTS.filter((at) => at + SLOT_HEADER <= changed.length);
  const field = dice.pick([0, 4, 8, 16, 24, 24, 24, 32, SLOT_HEADER]);
  const chosen = dice.chance(0.5) ? slots : slots.slice(0, 1);
  const [first = 0] = chosen;
  if (chosen.length === 0) return changed;
  const long = number64(dice, readU64(changed, first + (field > 28 ? 24 : field)));
  const short = number32(dice, readU32(changed, first + 32));
  const byte = dice.below(256);
  for (const at of chosen) {
    if (field === 16 || field === 24 || field === 8) writeU64(changed, at + field, long);
    else if (field === SLOT_HEADER) {
      const size = Math.min(readU32(changed, at + 32), changed.length - at - SLOT_HEADER);
      if (size > 0) changed[at + SLOT_HEADER + (byte % size)] = dice.below(256);
    } else writeU32(changed, at + field, short);
  }
  return changed;
}

/** Where the numbers of a redo file stand that have eight bytes, and those that have four. */
const REDO_LONG: readonly number[] = [8, 16, 24, 36];
const REDO_SHORT: readonly number[] = [0, 4, 32];

/** Changes a redo file as what it is. */
function changeRedo(redo: Uint8Array, files: FileSet, dice: Dice): Uint8Array {
  if (redo.length <= REDO_HEADER) return madeRedo(redo, files, dice);
  const changed = redo.slice();
  const file = files.get(targetOf(changed) ?? "");
  switch (dice.below(10)) {
    case 0:
    case 1: {
      const at = dice.pick(REDO_LONG);
      writeU64(changed, at, number64(dice, readU64(changed, at)));
      return changed;
    }
    case 2: {
      const at = dice.pick(REDO_SHORT);
      writeU32(changed, at, number32(dice, readU32(changed, at)));
      return changed;
    }
    case 3:
      writeU64(changed, 8, indexOfOne(files, dice));
      return changed;
    case 4: {
      // Where the file ends, a frame begins, or near that.
      const ends = file === undefined
        ? []
        : [file.length, ...framesIn(file).map((frame) => frame.byteOffset - file.byteOffset)];
      writeU64(changed, 16, number64(dice, BigInt(dice.pick([0, ...ends]))));
      return changed;
    }
    case 5:
      if (file !== undefined) tellOld(changed, file);
      return dice.chance(0.7) ? withMark(changed, false) : changed;
    case 6:
    case 7: {
      // Frames of the tail, or its bytes.
      const tail = tailIn(changed).slice();
      const frames = framesIn(tail, tailStart(changed));
      if (frames.length === 0 || dice.chance(0.3)) {
        return withTail(changed, changeBytes(tail, dice));
      }
      const frame = dice.pick(frames);
      if (dice.chance(0.6)) changeField(frame, dice);
      else writeU32(frame, 1, number32(dice, frame.length - FRAME_HEADER));
      return withTail(changed, tail);
    }
    case 8:
      return withMark(changed, !isMarked(changed));
    default:
      return withTail(
        changed,
        dice.chance(0.5) ? new Uint8Array(0) : dice.pick([...files.values()]),
      );
  }
}

/** A whole redo file with a new tail for one of the files. */
function madeRedo(tail: Uint8Array, files: FileSet, dice: Dice): Uint8Array {
  const head = new Uint8Array(REDO_HEADER);
  writeU32(head, 0, REDO_MAGIC);
  writeU32(head, 4, 1);
  writeU64(head, 8, indexOfOne(files, dice));
  const file = files.get(targetOf(head) ?? "") ?? new Uint8Array(0);
  writeU64(head, 16, dice.chance(0.5) ? 0n : BigInt(dice.below(file.length + 2)));
  if (dice.chance(0.3)) tellOld(head, file);
  return withMark(withTail(head, dice.chance(0.3) ? new Uint8Array(0) : tail), dice.chance(0.5));
}

/** The index of a segment that there is or is not, or what stands for the meta file. */
function indexOfOne(files: FileSet, dice: Dice): bigint {
  const indexes = segmentNames(files).map((name) => BigInt(indexIn(name) ?? 1));
  return dice.pick([0n, 1n, number64(dice, 1n), ...indexes]);
}

/** Lets a redo file say that a file's tail is the one that was to be replaced. */
function tellOld(redo: Uint8Array, file: Uint8Array): void {
  const old = file.subarray(Number(readU64(redo, 16)));
  writeU64(redo, 24, BigInt(old.length));
  writeU32(redo, 32, crc32(old));
}

/** A redo file with the mark of one that is in use, or without. */
function withMark(redo: Uint8Array, mark: boolean): Uint8Array {
  const whole = redo.subarray(0, redo.length - (isMarked(redo) ? 1 : 0));
  return mark ? concat([whole, new Uint8Array([1])]) : whole.slice();
}

/** A redo file with another tail. */
function withTail(redo: Uint8Array, tail: Uint8Array): Uint8Array {
  const end = new Uint8Array(isMarked(redo) ? 5 : 4);
  const changed = concat([redo.subarray(0, REDO_HEADER), tail, end]);
  writeU64(changed, 36, BigInt(tail.length));
  repairRedo(changed);
  return changed;
}

/** Where the frames begin in the tail of a redo file. */
function tailStart(redo: Uint8Array): number {
  return readU64(redo, 16) === 0n ? FILE_HEADER : 0;
}

function garbage(size: number, dice: Dice): Uint8Array {
  return Uint8Array.from(
    { length: size },
    () => dice.chance(0.3) ? dice.below(3) : dice.below(256),
  );
}

/** A 32-bit number that is one of those that go wrong, or near the one that was there. */
function number32(dice: Dice, now: number): number {
  const near = dice.below(9) - 4;
  return dice.pick([
    (now + near) >>> 0,
    (now + near) >>> 0,
    dice.pick([0, 1, 2, 7, 8, 9, 42, 54, 255, 256, 65_535, 65_536]),
    dice.pick([0x7fffffff, 0x80000000, 0xfffffff6, 0xfffffff7, 0xffffffff]),
    dice.pick([1024 * 1024, 4_194_322, 10 * 1024 * 1024]) + near,
    dice.below(600),
  ]);
}

/** The same with 64 bits. */
function number64(dice: Dice, now: bigint): bigint {
  const near = BigInt(dice.below(9) - 4);
  const number = dice.pick([
    now + near,
    now + near,
    BigInt(number32(dice, 0)),
    BigInt(dice.below(600)),
    dice.pick([2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n]) + near,
  ]);
  return BigInt.asUintN(64, number);
}

/** Makes right what the changes made wrong, so far as that is wanted. */
function repair(files: FileSet, repairs: Repairs): void {
  let before: string | undefined;
  for (const name of segmentNames(files)) {
    const bytes = (files.get(name) ?? new Uint8Array(0)).slice();
    const frames = framesIn(bytes);
    if (repairs.places) repairPlaces(frames, FILE_HEADER);
    const previous = before === undefined ? undefined : files.get(before);
    if (repairs.links && previous !== undefined) {
      link(frames[0], previous, indexIn(before ?? "") ?? 1);
    }
    if (repairs.checksums) frames.forEach(repairFrame);
    files.set(name, bytes);
    before = name;
  }
  const meta = files.get(META);
  if (meta !== undefined && repairs.checksums) {
    const repaired = meta.slice();
    repairSlots(repaired);
    files.set(META, repaired);
  }
  const redo = files.get(REDO);
  if (redo !== undefined) files.set(REDO, repairedRedo(redo, repairs));
}

function repairedRedo(redo: Uint8Array, { places, checksums }: Repairs): Uint8Array {
  const repaired = redo.slice();
  if (repaired.length <= REDO_HEADER) return repaired;
  const tail = tailIn(repaired);
  const start = tailStart(repaired);
  const frames = framesIn(tail, start);
  if (places) {
    writeU64(repaired, 36, BigInt(tail.length));
    repairPlaces(frames, start + Number(readU64(repaired, 16)));
  }
  if (checksums) {
    if (targetOf(repaired) === META) repairSlot(tail, 0);
    else frames.forEach(repairFrame);
    repairRedo(repaired);
  }
  return repaired;
}

/** Lets the Durable frames, Batch frames and Seals from an offset on say what is so. */
function repairPlaces(frames: readonly Uint8Array[], from: number): void {
  const offsets: number[] = [];
  let at = from;
  for (const [i, frame] of frames.entries()) {
    const kind = kindOf(frame);
    if (frame[0] === DATA) offsets.push(at);
    else if (kind === DURABLE && frame.length === FRAME_HEADER + 33) {
      writeU64(frame, FRAME_HEADER + 17, BigInt(at));
    } else if (kind === BATCH && frame.length === FRAME_HEADER + 13) {
      const count = readU32(frame, FRAME_HEADER + 1);
      const members = count > frames.length ? [] : frames.slice(i + 1, i + 1 + count);
      const size = members.reduce((size, { length }) => size + length, 0);
      writeU64(frame, FRAME_HEADER + 5, BigInt(size));
    } else if (kind === SEAL && frame.length >= FRAME_HEADER + 13) {
      const room = Math.floor((frame.length - FRAME_HEADER - 13) / 4);
      offsets.slice(0, room).forEach((offset, n) =>
        writeU32(frame, FRAME_HEADER + 5 + 4 * n, offset)
      );
    }
    at += frame.length;
  }
}
