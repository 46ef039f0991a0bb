/**
 * How far damage reaches: which frames the bytes at a place were, though they are whole no more.
 *
 * What follows a damaged frame is known only if the frame's length is. There are three ways to find
 * it, the surest first. One changed byte explains the checksum. Or the headers lead from frame to
 * frame up to a whole one, and no whole frame lies between. Otherwise only a search finds the next
 * frame.
 *
 * @module
 */
import { FRAME_HEADER_SIZE, isFrameType, TYPE_DATA, TYPE_INTERNAL } from "../format/frame.ts";
import type { FoundFrame, FrameReader } from "./frame_reader.ts";

/** A frame that is not whole, and whose extent is known. */
export interface DamagedFrame extends FoundFrame {
  readonly offset: number;
}

/** What was found of the damage at a place. */
export interface Extent {
  /** The frames that the bytes were, in order; none if that is not known. */
  readonly frames: readonly DamagedFrame[];
  /** Whether that is sure; else it is what their headers say, which may be damaged too. */
  readonly isProven: boolean;
  /** Where to continue: the next frame, or the end. */
  readonly next: number;
}

/** Where the frames are that the damage is among. */
export interface Surroundings {
  readonly reader: FrameReader;
  /** No frame goes beyond it. */
  readonly end: number;
  /** Whether nothing but unused space follows an offset. */
  readonly isUnused: (offset: number) => boolean;
}

/** How many damaged frames in a row are believed to be what their headers say. */
const MAX_CHAIN = 100_000;

/** Finds out how far the damage at `offset`, where a frame should begin, reaches. */
export function extentOf(around: Surroundings, offset: number): Extent {
  const { reader, end } = around;
  const frame = reader.headerAt(offset);
  if (frame !== undefined) {
    const proven = provenFrame(around, offset, frame);
    if (proven !== undefined) {
      return {
        frames: [{ ...proven, offset }],
        isProven: true,
        next: offset + FRAME_HEADER_SIZE + proven.length,
      };
    }
  }
  const found = reader.nextFrame(offset + 1, end);
  if (found === undefined && reader.isExhausted) return { frames: [], isProven: false, next: end };
  const frames = chainFrom(around, offset, found ?? end);
  const isProven = false;
  return {
    frames,
    isProven,
    next: found ?? (frames.length > 0 ? endOf(frames.at(-1), end) : end),
  };
}

function endOf(frame: DamagedFrame | undefined, end: number): number {
  return frame === undefined ? end : frame.offset + FRAME_HEADER_SIZE + frame.length;
}

/** The frame that is at `offset` but for one byte. */
function provenFrame(
  around: Surroundings,
  offset: number,
  frame: FoundFrame,
): FoundFrame | undefined {
  const { reader, end } = around;
  const next = offset + FRAME_HEADER_SIZE + frame.length;
  if (isFrameType(frame.type) && next <= end && leadsOn(around, next)) {
    const computed = reader.checksumAt(offset, frame);
    if (computed !== undefined && isOneByte(computed ^ frame.checksum, frame.length)) return frame;
  }
  for (const type of [TYPE_DATA, TYPE_INTERNAL]) {
    if (type === frame.type || next > end) continue;
    const other = { ...frame, type };
    if (reader.wouldHold(offset, other)) return other;
  }
  if (!isFrameType(frame.type)) return undefined;
  for (let shift = 0; shift < 32; shift += 8) {
    for (let byte = 1; byte < 256; byte++) {
      const other = { ...frame, length: (frame.length ^ (byte << shift)) >>> 0 };
      const at = offset + FRAME_HEADER_SIZE + other.length;
      if (at > end || !mayBegin(around, at)) continue;
      if (reader.wouldHold(offset, other)) return other;
    }
  }
  return undefined;
}

/** The damaged frames from `offset` on whose headers lead to `target`; none if they do not. */
function chainFrom(around: Surroundings, offset: number, target: number): DamagedFrame[] {
  const { reader, end } = around;
  const frames: DamagedFrame[] = [];
  for (let at = offset; frames.length < MAX_CHAIN;) {
    const frame = reader.headerAt(at);
    if (frame === undefined || !isFrameType(frame.type)) return [];
    // Without a payload it is the header that is damaged, and with it the length.
    if (frame.length === 0) return [];
    frames.push({ ...frame, offset: at });
    at += FRAME_HEADER_SIZE + frame.length;
    if (at === target) return frames;
    if (at > target || at > end) return [];
    if (target === end && around.isUnused(at)) return frames;
  }
  return [];
}

/** Whether a whole frame begins at `offset`, or nothing does. */
function leadsOn({ reader, end, isUnused }: Surroundings, offset: number): boolean {
  return offset === end || reader.frameAt(offset, end) !== undefined || isUnused(offset);
}

/** The same, as far as one byte tells. */
function mayBegin({ reader, end }: Surroundings, offset: number): boolean {
  const [type] = reader.bytes(offset, Math.min(1, end - offset));
  return type === undefined || type === 0 || isFrameType(type);
}

/** CRC-32 of each byte alone: the polynomial of IEEE 802.3, reflected. */
const TABLE: Uint32Array = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** Which byte of the table has this first byte: each has another. */
const BY_FIRST_BYTE: Uint8Array = new Uint8Array(256);
for (const [byte, value] of TABLE.entries()) BY_FIRST_BYTE[value >>> 24] = byte;

/**
 * Whether one changed byte, of `length` bytes of payload or of the checksum itself, makes this
 * difference of two checksums. A CRC is linear: a change of one byte is that byte's own CRC, carried
 * on over the bytes that follow it; and each such step can be undone.
 */
function isOneByte(difference: number, length: number): boolean {
  let value = difference >>> 0;
  if ([24, 16, 8, 0].filter((shift) => ((value >>> shift) & 0xff) !== 0).length === 1) return true;
  for (let following = 0; following < length; following++) {
    const byte = BY_FIRST_BYTE[value >>> 24] as number;
    if (TABLE[byte] === value) return true;
    value = (((value ^ (TABLE[byte] as number)) << 8) | byte) >>> 0;
  }
  return false;
}
