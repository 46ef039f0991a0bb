/**
 * Of which batch the entries of a walk are, and whether all of it is there.
 *
 * @module
 */
import type { BatchFrame } from "../format/batch_frame.ts";
import { FRAME_HEADER_SIZE, TYPE_DATA } from "../format/frame.ts";
import type { FrameReader } from "./frame_reader.ts";
import type { IndexRange } from "./index_range.ts";
import type { BatchState } from "./walked_file.ts";

/** A batch that is not whole: where it ends, and the index after it, if that is known. */
interface BrokenBatch {
  readonly end: number;
  readonly after: IndexRange | undefined;
}

/** How much of a batch is whole. */
export interface BatchExtent {
  /** Where its whole entries end. */
  readonly at: number;
  /** How many of its entries are missing. */
  readonly left: number;
  /** Whether all of them are there, and end where the Batch frame says. */
  readonly isWhole: boolean;
}

/** How much is whole of a batch whose entries begin at `start`. */
export function batchExtent(
  reader: FrameReader,
  { count, bytes }: BatchFrame,
  start: number,
): BatchExtent {
  const end = start + bytes;
  let at = start;
  let left = count;
  for (; left > 0 && at < end; left--) {
    const frame = reader.frameAt(at, Math.min(end, reader.size));
    if (frame?.type !== TYPE_DATA) break;
    at += FRAME_HEADER_SIZE + frame.length;
  }
  return { at, left, isWhole: left === 0 && at === end };
}

/** The batch that a walk is in. */
export class BatchView {
  #broken: BrokenBatch | undefined;
  /** How many entries of a batch that is whole are still to come. */
  #left = 0;
  /** Whether damage may have hidden the Batch frame of the entries that follow. */
  #mayBeHidden = false;
  #mayBeDropped = 0;

  /** How many of the last entries a truncation may have dropped, if no Seal counts them. */
  get mayBeDropped(): number {
    return this.#mayBeDropped;
  }

  /** Where the batch ends that is not whole; undefined in none. */
  get brokenEnd(): number | undefined {
    return this.#broken?.end;
  }

  /** Whether the index after the batch is known, which is not whole. */
  get isBounded(): boolean {
    return this.#broken?.after !== undefined;
  }

  /** A range that does not reach beyond the batch. */
  within(range: IndexRange): IndexRange {
    const after = this.#broken?.after;
    if (after === undefined) return range;
    return { from: Math.min(range.from, after.to), to: Math.min(range.to, after.to) };
  }

  /** Begins a batch that is whole. */
  begin(count: number): void {
    this.#left = count;
  }

  /** Begins a batch that is not. */
  beginBroken(end: number, after: IndexRange | undefined): void {
    this.#broken = { end, after };
  }

  /** Takes an entry in; of what batch it is. */
  takeEntry(isFoundBySearch: boolean): BatchState {
    const state = this.#broken !== undefined
      ? "incomplete"
      : this.#mayBeHidden
      ? "unknown"
      : "whole";
    const isInBatch = this.#left > 0 || state !== "whole" || isFoundBySearch;
    this.#mayBeDropped = isInBatch ? this.#mayBeDropped + 1 : 0;
    if (this.#left > 0) this.#left--;
    return state;
  }

  /** Takes in that bytes are damaged, and how many entries they may have held. */
  takeDamage(entries: number): void {
    this.#left = 0;
    this.#mayBeDropped += entries;
  }

  /** Takes in that damage may have hidden a Batch frame. */
  hide(): void {
    this.#mayBeHidden = true;
  }

  /** Forgets the batch that is not whole: it is not known where it ends. */
  forget(): void {
    this.#broken = undefined;
  }

  /** Takes in that no batch goes beyond this place, and whether all before it is kept. */
  close(isKept: boolean): void {
    this.#broken = undefined;
    this.#mayBeHidden = false;
    if (isKept) this.#mayBeDropped = 0;
  }

  /** Leaves the batch that is not whole, if it ends by `offset`; the index there, if it is known. */
  leave(offset: number): IndexRange | undefined {
    const broken = this.#broken;
    if (broken === undefined || offset < broken.end) return undefined;
    this.#broken = undefined;
    if (broken.after === undefined) this.#mayBeHidden = true;
    else if (offset === broken.end) this.#mayBeHidden = false;
    return broken.after;
  }
}
