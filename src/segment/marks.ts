/**
 * How far a segment is written, synced, and told.
 *
 * ```text
 *   told ≤ settled ≤ synced ≤ written
 * ```
 *
 * - **Written** is what is in the page cache.
 * - **Synced** is what a sync that has ended covers: it is durable.
 * - **Settled** is what every sync agrees on: a sync that blocks may end while another runs, whose
 *   verdict on the same bytes is still to come.
 * - **Told** is up to where a Durable frame in the file says that the entries were settled.
 *
 * All marks move here. They know no file and begin no sync, so an account of two segments, where the
 * first is not durable yet, is one of these for each: the log is durable up to the end of the first
 * whose entries are not all synced.
 *
 * @module
 */
import { PENDING_END } from "../format/pending_frame.ts";
import type { OffsetIndex } from "./offset_index.ts";

/** What a sync covers, if it succeeds. */
export interface Coverage {
  /** How many entries. */
  readonly count: number;
  /** The end of the last, in bytes. */
  readonly end: number;
}

/** What is known of a segment that was scanned. */
export interface FirstMarks {
  /** Whether the segment before was not known to be durable when this one was begun. */
  readonly isPending: boolean;
  /** The end of the last entry, in bytes. */
  readonly entriesEnd: number;
  /** What the file tells. */
  readonly vouched: number;
}

/** The marks of one segment. */
export class Marks {
  readonly #offsets: Pick<OffsetIndex, "count">;
  /** Whether the version of the file has Durable frames. */
  readonly #canTell: boolean;
  /**
   * The end of a beginning with a Pending frame, in bytes; 0 without one. A Durable frame that covers
   * it says that the segment before was durable, so that has to be told before anything else.
   */
  readonly #beginningEnd: number;
  /** Whether that segment is not known to be durable yet, so that nothing may be told. */
  #isHeld = false;
  #writtenEnd: number;
  #syncedCount: number;
  #settledCount: number;
  #settledEnd: number;
  /** The end of what is synced and not settled; 0 if there is none. */
  #unsettledEnd = 0;
  /** What the file tells, at least. */
  #told: number;
  /** The same at the most: a cut leaves some of the Durable frames. */
  #mostTold: number;

  /**
   * @param offsets The entries that are written.
   * @param syncedCount How many of them are known to be durable.
   */
  constructor(
    offsets: Pick<OffsetIndex, "count">,
    { entriesEnd, vouched, isPending }: FirstMarks,
    syncedCount: number,
    canTell: boolean,
  ) {
    this.#offsets = offsets;
    this.#canTell = canTell;
    this.#beginningEnd = isPending ? PENDING_END : 0;
    this.#writtenEnd = this.#settledEnd = Math.max(entriesEnd, this.#beginningEnd);
    this.#syncedCount = this.#settledCount = syncedCount;
    this.#told = this.#mostTold = vouched;
  }

  /** How many entries are synced. */
  get syncedCount(): number {
    return this.#syncedCount;
  }

  /** How many entries are settled. */
  get settledCount(): number {
    return this.#settledCount;
  }

  /** The end of the last entry that is settled. */
  get settledEnd(): number {
    return this.#settledEnd;
  }

  /** What the file tells, at least. */
  get told(): number {
    return this.#told;
  }

  /** How many bytes of entries are written and not synced. */
  get unsyncedBytes(): number {
    return this.#writtenEnd - Math.max(this.#settledEnd, this.#unsettledEnd);
  }

  /** Whether all that is written is synced. */
  get isSynced(): boolean {
    return this.#syncedCount === this.#offsets.count;
  }

  /** Whether the file has yet to say that something is settled. */
  get isOwed(): boolean {
    return this.#canTell && !this.#isHeld && this.#settledEnd > this.#told;
  }

  /** Whether the file has to say so before a sync acknowledges an entry. */
  get isOwedFirst(): boolean {
    return this.#beginningEnd > 0 && this.#told === 0 && this.isOwed;
  }

  /** Whether a Durable frame in the file may cover more than what is before an offset. */
  mayTellBeyond(offset: number): boolean {
    return this.#mostTold > offset;
  }

  /** Nothing may be told from now on: the segment before is not durable. */
  hold(): void {
    this.#isHeld = true;
  }

  /** It is, and so is this one's beginning. */
  release(): void {
    this.#isHeld = false;
  }

  /** Entries were written up to here. */
  wrote(end: number): void {
    this.#writtenEnd = end;
  }

  /** A Durable frame was written that covers all that is settled. */
  tell(): void {
    this.#told = this.#mostTold = this.#settledEnd;
  }

  /** What a sync covers that begins now. */
  begin(): Coverage {
    return { count: this.#offsets.count, end: this.#writtenEnd };
  }

  /** A sync has succeeded, and no other runs. */
  synced({ count, end }: Coverage): void {
    this.#syncedCount = Math.max(this.#syncedCount, count);
    this.#settledCount = this.#syncedCount;
    this.#settledEnd = Math.max(this.#settledEnd, this.#unsettledEnd, end);
  }

  /**
   * A sync that blocked has covered all that is written.
   *
   * @param isContested Whether another runs, which has a verdict too.
   */
  syncedAtOnce(isContested: boolean): void {
    this.#syncedCount = this.#offsets.count;
    if (isContested) {
      this.#unsettledEnd = this.#writtenEnd;
    } else {
      this.#settledCount = this.#syncedCount;
      this.#settledEnd = this.#writtenEnd;
    }
  }

  /** Entries are being dropped from a position on, which is not durable yet. */
  cutting(count: number, end: number): void {
    this.#writtenEnd = count === 0 ? this.#beginningEnd : end;
    this.#syncedCount = Math.min(this.#syncedCount, count);
    this.#settledCount = Math.min(this.#settledCount, count);
    // The Durable frames that cover what is left may have been cut off too, or be there still.
    this.#told = 0;
    this.#mostTold = Math.min(this.#mostTold, end);
  }

  /** The cut is durable, and with it all that is left. */
  cut(count: number): void {
    this.#syncedCount = this.#settledCount = count;
    this.#settledEnd = this.#writtenEnd;
    this.#unsettledEnd = 0;
  }
}
