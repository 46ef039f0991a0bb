/**
 * Entries of callers that wait for the same sync: they are written together, right before it.
 *
 * They are copied when they are staged, so the caller's bytes are its own again. A call that changes
 * the log, or syncs it, has them written first: the order is that of the calls. Until they are
 * written they have no index, and a call that only looks does not see them.
 *
 * @module
 */
import { FRAME_HEADER_SIZE, frameLengthAt, TYPE_DATA, writeFrameHeader } from "../format/frame.ts";

/** How many bytes of frames are staged at the most; a larger entry is written by itself. */
const MAX_STAGED = 128 * 1024;

/** An entry that was staged, and what became of it. */
export interface StagedEntry {
  /** Its index, once it is written. */
  index: number;
  /** Why it could not be written. */
  error: unknown;
}

/** What was staged. The frames are overwritten when the next entry is. */
export interface StagedGroup {
  /** Data frames, one after the other, without their checksums. */
  readonly frames: Uint8Array;
  readonly entries: readonly StagedEntry[];
}

/** Collects entries. */
export class StagedEntries {
  #buffer: Uint8Array = new Uint8Array(1024);
  #length = 0;
  #entries: StagedEntry[] = [];

  /** Whether nothing is staged. */
  get isEmpty(): boolean {
    return this.#length === 0;
  }

  /** Whether an entry can be staged beside those that are. */
  hasRoom(data: Uint8Array): boolean {
    return this.#length + FRAME_HEADER_SIZE + data.length <= MAX_STAGED;
  }

  /** Copies an entry for which there is room. */
  stage(data: Uint8Array): StagedEntry {
    const end = this.#length + FRAME_HEADER_SIZE + data.length;
    if (end > this.#buffer.length) {
      const grown = new Uint8Array(Math.min(MAX_STAGED, Math.max(end, 2 * this.#buffer.length)));
      grown.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = grown;
    }
    writeFrameHeader(this.#buffer, this.#length, TYPE_DATA, data.length);
    this.#buffer.set(data, this.#length + FRAME_HEADER_SIZE);
    this.#length = end;
    const entry: StagedEntry = { index: 0, error: undefined };
    this.#entries.push(entry);
    return entry;
  }

  /** Hands over what was staged. */
  take(): StagedGroup {
    const group = { frames: this.#buffer.subarray(0, this.#length), entries: this.#entries };
    this.#length = 0;
    this.#entries = [];
    return group;
  }
}

/** Where the first `count` of some Data frames end. */
export function endOfFrames(frames: Uint8Array, count: number): number {
  let at = 0;
  for (let i = 0; i < count; i++) at += FRAME_HEADER_SIZE + frameLengthAt(frames, at);
  return at;
}
