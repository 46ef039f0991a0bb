/**
 * What shows that bytes of a damaged file stand where they were written: a Durable frame, which
 * states its own offset, and a Seal, which states the offset of each entry.
 *
 * After bytes were deleted or inserted, no number of bytes bounds the number of entries. Between two
 * frames that stand in their places it does.
 *
 * @module
 */
import { FRAME_HEADER_SIZE, TYPE_DATA, TYPE_INTERNAL } from "../format/frame.ts";
import {
  DURABLE_FRAME_SIZE,
  DURABLE_FRAME_START,
  type DurableFrame,
} from "../format/durable_frame.ts";
import { type InternalFrame, readInternalPayload } from "../format/kinds.ts";
import type { FoundSeal, FrameReader } from "./frame_reader.ts";

/** How many bytes are looked at in one go. */
const SCAN_SIZE = 64 * 1024;

/** Finds Durable frames in their places. */
export class DurableFinder {
  readonly #reader: FrameReader;
  readonly #isOwn: (frame: DurableFrame, offset: number) => boolean;
  /** From where on the last search looked. */
  #from = 0;
  /** What it found; undefined before the first search. */
  #found: number | undefined;

  /** @param isOwn Whether a Durable frame stands in its place at an offset. */
  constructor(reader: FrameReader, isOwn: (frame: DurableFrame, offset: number) => boolean) {
    this.#reader = reader;
    this.#isOwn = isOwn;
  }

  /** The first one from `offset` on; undefined if there is none. */
  next(offset: number): number | undefined {
    if (this.#found === undefined || offset < this.#from || offset > this.#found) {
      this.#from = offset;
      this.#found = this.#search(offset);
    }
    return this.#found === Infinity ? undefined : this.#found;
  }

  #search(from: number): number {
    const { size } = this.#reader;
    for (let offset = from; offset + DURABLE_FRAME_SIZE <= size;) {
      const bytes = this.#reader.bytes(offset, Math.min(SCAN_SIZE, size - offset));
      const at = startIn(bytes);
      if (at === undefined) {
        // A frame may begin at the end of these bytes.
        offset += Math.max(1, bytes.length - DURABLE_FRAME_START.length + 1);
        continue;
      }
      offset += at;
      if (this.#isAt(offset)) return offset;
      offset++;
    }
    return Infinity;
  }

  #isAt(offset: number): boolean {
    if (this.#reader.frameAt(offset) === undefined) return false;
    const bytes = this.#reader.bytes(offset, DURABLE_FRAME_SIZE);
    const frame = readInternalPayload(bytes.subarray(FRAME_HEADER_SIZE));
    return frame.kind === "durable" && this.#isOwn(frame, offset);
  }
}

/** Where in some bytes the first frame begins that is as long as a Durable frame. */
function startIn(bytes: Uint8Array): number | undefined {
  for (let at = bytes.indexOf(TYPE_INTERNAL); at >= 0; at = bytes.indexOf(TYPE_INTERNAL, at + 1)) {
    if (DURABLE_FRAME_START.every((byte, i) => bytes[at + i] === byte)) return at;
  }
  return undefined;
}

/** The entries at a sealed file's end that stand one after the other up to the Seal. */
export interface SealedTail {
  /** The position of the first of them in the Seal. */
  readonly position: number;
  /** Where it stands. */
  readonly offset: number;
  /** Whether that shows that the Seal's offsets hold. */
  readonly isProof: boolean;
}

/**
 * Finds the entries that stand, each moved by `shift`, where the Seal has them, without anything
 * but whole frames between them.
 */
export function tailOf(
  reader: FrameReader,
  { offsets, at: end }: FoundSeal,
  shift: number,
): SealedTail {
  let first = offsets.length;
  let isProof = false;
  for (const [position, stated] of offsets.entries()) {
    const offset = stated + shift;
    const target = position + 1 < offsets.length ? offsets[position + 1] as number + shift : end;
    const run = offset < 0 ? undefined : runTo(reader, offset, target);
    if (run === undefined || (run.entries > 1 && target !== end)) {
      first = offsets.length;
      isProof = false;
      continue;
    }
    first = Math.min(first, position);
    if (position + 1 === offsets.length || run.internal === undefined) continue;
    // Entries that a truncation dropped are of the last batch, and its Batch frame counts them.
    const batch = run.internal.kind === "batch" ? run.internal.count : undefined;
    isProof = runTo(reader, target, end)?.entries === (batch ?? offsets.length - position - 1);
  }
  const offset = first === offsets.length ? end : offsets[first] as number + shift;
  return { position: first, offset, isProof };
}

/** The whole frames from an entry up to an offset: how many entries, and the last Internal frame. */
function runTo(
  reader: FrameReader,
  offset: number,
  target: number,
): { entries: number; internal: InternalFrame | undefined } | undefined {
  if (reader.headerAt(offset)?.type !== TYPE_DATA) return undefined;
  let entries = 0;
  let internal: InternalFrame | undefined;
  let at = offset;
  while (at < target) {
    const frame = reader.frameAt(at, target);
    if (frame === undefined) return undefined;
    const size = FRAME_HEADER_SIZE + frame.length;
    if (frame.type === TYPE_DATA) entries++;
    else {
      const payload = reader.bytes(at, size).subarray(FRAME_HEADER_SIZE);
      internal = readInternalPayload(payload);
    }
    at += size;
  }
  return at === target ? { entries, internal } : undefined;
}
