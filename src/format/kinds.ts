/**
 * The kinds of Internal frames: the log's own frames, which have no index. A payload is the kind's
 * number, one byte, and then the kind's fields.
 *
 * A new kind is a row of {@linkcode KINDS} and a file of its own for its fields.
 *
 * @module
 */
import { BATCH_COUNT_AT, BATCH_SIZE, type BatchFrame, readBatchFields } from "./batch_frame.ts";
import { DURABLE_SIZE, type DurableFrame, readDurableFields } from "./durable_frame.ts";
import { FRAME_HEADER_SIZE, TYPE_INTERNAL, writeFrameHeader } from "./frame.ts";
import { readUint32 } from "./integers.ts";
import { PENDING_SIZE, type PendingFrame, readPendingFields } from "./pending_frame.ts";
import {
  MAX_SEGMENT_ENTRIES,
  readSealFields,
  type SealFrame,
  sealSize,
  statedSealSize,
} from "./seal_frame.ts";
import { readSegmentFields, SEGMENT_SIZE, type SegmentFrame } from "./segment_frame.ts";

/**
 * Where in a file a frame may stand: `"first"`, right after the file's header and nowhere else;
 * `"between"` entries and batches; `"last"`, where only another of its kind may follow.
 */
export type Place = "first" | "between" | "last";

/** A kind of Internal frames. */
export interface Kind<Frame> {
  readonly number: number;
  /** As the documents write it. */
  readonly name: string;
  /** The size of the payload in bytes, or what a payload of at least five bytes says of it. */
  readonly size: number | ((payload: Uint8Array) => number);
  readonly place: Place;
  /** Reads a payload of this size; `undefined` if it is none of this kind all the same. */
  readonly read: (payload: Uint8Array) => Frame | undefined;
}

/** All kinds. */
export interface Kinds {
  readonly segment: Kind<SegmentFrame>;
  readonly batch: Kind<BatchFrame>;
  readonly durable: Kind<DurableFrame>;
  readonly seal: Kind<SealFrame>;
  readonly pending: Kind<PendingFrame>;
}

/** The table of kinds. */
// deno-fmt-ignore
export const KINDS: Kinds = {
  segment: { number: 1,   name: "Segment", size: SEGMENT_SIZE,   place: "first",   read: readSegmentFields },
  batch:   { number: 2,   name: "Batch",   size: BATCH_SIZE,     place: "between", read: readBatchFields },
  durable: { number: 3,   name: "Durable", size: DURABLE_SIZE,   place: "between", read: readDurableFields },
  seal:    { number: 4,   name: "Seal",    size: statedSealSize, place: "last",    read: readSealFields },
  pending: { number: 128, name: "Pending", size: PENDING_SIZE,   place: "between", read: readPendingFields },
};

/** The name of a kind in code. */
export type KindName = keyof Kinds;

/** The fields of an Internal frame of a known kind. */
export type KnownFrame = NonNullable<ReturnType<Kinds[KindName]["read"]>>;

/** The payload of an Internal frame, decoded. */
export type InternalFrame =
  | KnownFrame
  /** A kind of a later version from {@linkcode FIRST_SKIPPABLE} on: the log means the same without it. */
  | { readonly kind: "skippable"; readonly number: number }
  /** Any other kind of a later version, or a known kind with a payload of the wrong size. */
  | { readonly kind: "unknown"; readonly number: number };

/** A frame of this kind or a higher one is skipped by a reader that does not know the kind. */
export const FIRST_SKIPPABLE = 128;

/** The longest payload of an Internal frame, which may be above the limit of the entries. */
export const MAX_INTERNAL_SIZE: number = sealSize(MAX_SEGMENT_ENTRIES);

/** Writes an Internal frame's header and its kind; its fields and the checksum are still to come. */
export function beginInternal(
  buffer: Uint8Array,
  offset: number,
  kind: KindName,
  payloadSize: number,
): void {
  writeFrameHeader(buffer, offset, TYPE_INTERNAL, payloadSize);
  buffer[offset + FRAME_HEADER_SIZE] = KINDS[kind].number;
}

/** The kind with a number. */
export function kindOf(number: number | undefined): Kind<KnownFrame> | undefined {
  return BY_NUMBER.get(number ?? -1);
}

const BY_NUMBER: ReadonlyMap<number, Kind<KnownFrame>> = new Map(
  Object.values<Kind<KnownFrame>>({ ...KINDS }).map((kind) => [kind.number, kind]),
);

/** Decodes the payload of an Internal frame whose checksum held. */
export function readInternalPayload(payload: Uint8Array): InternalFrame {
  const number = payload[0] ?? -1;
  const kind = kindOf(number);
  const known = kind !== undefined && isOfItsSize(payload, kind) ? kind.read(payload) : undefined;
  if (known !== undefined) return known;
  const isSkippable = number >= FIRST_SKIPPABLE && payload.length <= MAX_INTERNAL_SIZE;
  return { kind: isSkippable ? "skippable" : "unknown", number };
}

/**
 * How many entries after a frame are a batch by it: the frame from one offset to another in a buffer,
 * whose checksum held. 0 if it is no Batch frame.
 */
export function batchCountAt(buffer: Uint8Array, start: number, end: number): number {
  const isBatch = end - start === FRAME_HEADER_SIZE + BATCH_SIZE &&
    buffer[start] === TYPE_INTERNAL && buffer[start + FRAME_HEADER_SIZE] === KINDS.batch.number;
  // The frames of entries stand close, and this is asked of each other one between them.
  return isBatch ? readUint32(buffer, start + FRAME_HEADER_SIZE + BATCH_COUNT_AT) : 0;
}

function isOfItsSize(payload: Uint8Array, { size }: Kind<KnownFrame>): boolean {
  if (typeof size === "number") return payload.length === size;
  return payload.length >= 5 && payload.length === size(payload);
}
