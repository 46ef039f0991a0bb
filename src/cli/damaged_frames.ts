/**
 * What is left to know of bytes that are no whole frame: what they were, in words, and what they may
 * have hidden.
 *
 * @module
 */
import { DURABLE_FRAME_SIZE } from "../format/durable_frame.ts";
import { FILE_HEADER_SIZE, type FileHeader, writeFileHeader } from "../format/file_header.ts";
import { FRAME_HEADER_SIZE, TYPE_DATA, TYPE_INTERNAL } from "../format/frame.ts";
import { type InternalFrame, kindOf, KINDS, readInternalPayload } from "../format/kinds.ts";
import { sameLog } from "../format/log_id.ts";
import { SEGMENT_FRAME_SIZE } from "../format/segment_frame.ts";
import type { DamagedFrame, Extent } from "./damage_extent.ts";
import type { FoundFrame, FrameReader } from "./frame_reader.ts";

/** How long the header and the Segment frame are together, in bytes. */
export const BEGINNING_SIZE: number = FILE_HEADER_SIZE + SEGMENT_FRAME_SIZE;

/** What an Internal frame is called. */
export function nameOf({ kind }: Exclude<InternalFrame, { kind: "unknown" }>): string {
  return kind === "skippable" ? kind : KINDS[kind].name;
}

/** What is wrong with a file header. */
export function headerDamage(header: FileHeader): string {
  return header.kind === "unknown version"
    ? `the file header says version ${header.version}`
    : "the file header is not valid";
}

/** Whether these bytes are a file header but for one of them. */
export function isNearlyHeader(bytes: Uint8Array): boolean {
  return ([1, 2] as const).some((version) => {
    const header = new Uint8Array(FILE_HEADER_SIZE);
    writeFileHeader(header, version);
    return header.filter((byte, i) => bytes[i] !== byte).length === 1;
  });
}

/** Whether a damaged frame may have been a Batch frame: those of other sizes were none. */
export function mayBeBatch({ type, length }: FoundFrame): boolean {
  return type === TYPE_INTERNAL && FRAME_HEADER_SIZE + length !== DURABLE_FRAME_SIZE &&
    FRAME_HEADER_SIZE + length !== SEGMENT_FRAME_SIZE;
}

/**
 * Whether enough is left of a damaged frame to know it for the Durable frame of this place.
 *
 * @param base Where in its segment the file begins, in bytes.
 */
export function isSurelyDurable(
  reader: FrameReader,
  base: number,
  logId: Uint8Array | undefined,
  { type, length, offset }: DamagedFrame,
): boolean {
  if (type !== TYPE_INTERNAL || FRAME_HEADER_SIZE + length !== DURABLE_FRAME_SIZE) return false;
  const bytes = reader.bytes(offset, DURABLE_FRAME_SIZE).slice(FRAME_HEADER_SIZE);
  const kind = readInternalPayload(bytes);
  return kind.kind === "durable" && logId !== undefined &&
    (sameLog(kind.logId, logId) || kind.ownOffset === base + offset);
}

/**
 * What the damaged frames were, in words.
 *
 * @param base Where in its segment the file begins, in bytes.
 */
export function whatWere(reader: FrameReader, base: number, { frames }: Extent): string {
  const [only] = frames;
  if (only === undefined || frames.length > 1) {
    return `${frames.length} frames in a row fail their checksums`;
  }
  const size = FRAME_HEADER_SIZE + only.length;
  const name = only.type === TYPE_DATA
    ? "the entry"
    : base + only.offset === FILE_HEADER_SIZE
    ? "the Segment frame"
    : internalName(reader, only.offset, size);
  return `${name} of ${size} bytes fails its checksum`;
}

/** What an Internal frame is whose checksum fails, as far as its size tells. */
function internalName(reader: FrameReader, offset: number, size: number): string {
  const number = reader.bytes(offset, FRAME_HEADER_SIZE + 1)[FRAME_HEADER_SIZE];
  const kind = kindOf(number);
  if (kind === KINDS.durable && size === DURABLE_FRAME_SIZE) return "a Durable frame";
  if (kind === KINDS.batch) return "a Batch frame";
  return kind === KINDS.seal ? "the Seal" : "a frame of the log's own";
}

/** What was damaged before a place that a Seal tells, in words. */
export function whatSealed(offset: number, entries: number): string {
  if (offset === 0) return "the file's beginning is not valid";
  if (entries === 0) return "a frame of the log's own fails its checksum";
  return entries === 1 ? "the entry fails its checksum" : `${entries} entries fail their checksums`;
}

/** What unknown bytes are, in words. */
export function whatSearched(bytes: number, isGivenUp: boolean, isTail: boolean): string {
  const why = isGivenUp
    ? ", and the search after them was given up: too much looks like frames and is none. A " +
      "lower --max-entry-size lets it come farther"
    : isTail
    ? ", and none follows: a write that was interrupted, or damage"
    : "";
  return `${bytes} bytes are no whole frame${why}`;
}
