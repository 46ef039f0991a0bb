/**
 * A file of a log to walk for its whole entries, and what such a walk finds.
 *
 * @module
 */
import type { DurableFrame } from "../format/durable_frame.ts";
import type { FrameReader } from "./frame_reader.ts";
import type { IndexRange } from "./index_range.ts";

/** A file to walk. */
export interface FileToWalk {
  readonly reader: FrameReader;
  /** Where in its segment the file begins, in bytes; undefined if that is unknown. */
  readonly base: number | undefined;
  /** The index of the first entry that its segment can hold. */
  readonly firstIndex: number;
  /** Whether that is only a guess, and a Durable frame may say another. */
  readonly isGuess: boolean;
  /** Which index the first entry after the file's beginning may have. */
  readonly start: IndexRange;
  /** Whether it is known to be of version 2, whatever its header says. */
  readonly isVersion2: boolean;
  readonly logId: Uint8Array | undefined;
  /** What the next segment states of the file: its size and the checksum of its last frame. */
  readonly stated: { readonly size: number; readonly checksum: number } | undefined;
  /** Whether zeros at its end are space that was never used. */
  readonly mayHaveUnusedSpace: boolean;
  /** Looks again whether a frame that is not whole becomes so: a writer may be writing it. */
  readonly lookAgain: (look: () => boolean) => boolean;
  /** Where to stop for bytes that were set aside there. */
  readonly pauses: readonly number[];
}

/** Whether an entry is of a batch of which not all is there. */
export type BatchState = "whole" | "incomplete" | "unknown";

/** A whole entry. */
export interface WholeEntry {
  readonly kind: "entry";
  /** Where its frame begins. */
  readonly offset: number;
  /** Bytes of it. */
  readonly length: number;
  readonly index: IndexRange;
  /** Whether what is known of the file's end may narrow the index. */
  readonly canBeNarrowed: boolean;
  /** How many entries may follow up to where the highest index counts. */
  readonly mostAhead: number;
  readonly isFoundBySearch: boolean;
  readonly batch: BatchState;
  /** Whether a Seal does not count it: a truncation dropped it. */
  readonly isDropped: boolean;
}

/** Bytes that are no whole frame, or a frame where none like it may stand. */
export interface Damage {
  readonly kind: "damage";
  readonly offset: number;
  readonly bytes: number;
  /** The index of the next entry before it, and after it. */
  readonly before: IndexRange;
  readonly after: IndexRange;
  /** Whether an entry may have been in it. */
  readonly mayHideEntries: boolean;
  readonly canBeNarrowed: boolean;
  /** How many entries may follow up to where the highest index counts. */
  readonly mostAhead: number;
  readonly what: string;
}

/** The place at which bytes were set aside. */
export interface Pause {
  readonly kind: "pause";
  /** Which of the pauses it is. */
  readonly position: number;
  readonly index: IndexRange;
  readonly canBeNarrowed: boolean;
  /** How many entries may follow up to where the highest index counts. */
  readonly mostAhead: number;
}

/** What a walk finds, in order. */
export type Found = WholeEntry | Damage | Pause;

/** What is known at a file's end. */
export interface WalkEnd {
  /** Which index the next entry may have. */
  readonly index: IndexRange;
  readonly isSealed: boolean;
  /**
   * How many of the last entries a truncation may have dropped, if no Seal counts them: those of the
   * last batch, or what may be it.
   */
  readonly mayBeDropped: number;
  /** Whether it holds neither an entry nor damage. */
  readonly isEmpty: boolean;
  /** Whether nothing is damaged. */
  readonly isIntact: boolean;
  /** Where the last whole frame ends, and its checksum. */
  readonly last: { readonly end: number; readonly checksum: number } | undefined;
  /** What the first Durable frame in its place says of the file, if it was asked. */
  readonly origin: Pick<DurableFrame, "logId" | "segment"> | undefined;
}
