/**
 * The bytes of a snapshot file: a log's own frames, so that whatever reads a log's files reads it too.
 *
 * ```text
 * header "WAL!", version 2
 * Segment   the id of the snapshot's log; first index 1, nothing before
 * Data      head:   "SNAP" | format u8 = 1
 * Data      piece:  0 u8 | at most 65,536 bytes          as they are
 *       or          1 u8 | zstd of them                  where that saves a tenth
 * …
 * Data      last:   2 u8 | pieces u32 | bytes u64 | index u64 | version u32 | digest 16
 * Durable   covers all before it
 * ```
 *
 * The last two frames have one length each, so they are found from the file's end.
 *
 * @module
 */
import { DURABLE_FRAME_SIZE } from "../format/durable_frame.ts";
import { FILE_HEADER_SIZE } from "../format/file_header.ts";
import { FRAME_HEADER_SIZE } from "../format/frame.ts";
import { readUint32, readUint64, writeUint32, writeUint64 } from "../format/integers.ts";
import { hexOf, LOG_ID_SIZE } from "../format/log_id.ts";
import { SEGMENT_FRAME_SIZE } from "../format/segment_frame.ts";

/** The first index that a snapshot file's Segment frame states. */
export const FIRST_INDEX = 1;

/** The most bytes of the content in one piece. */
export const PIECE_SIZE: number = 64 * 1024;

/** What a piece's first byte says of the others. */
export const STORED = 0;
export const ZSTD = 1;

/** What the last Data frame begins with. */
const LAST = 2;

/** The version of these bytes. */
export const FORMAT = 1;

/** "SNAP" in ASCII. */
const MAGIC = 0x534e4150;

const HEAD_SIZE = 5;
const DIGEST_SIZE = 16;
const LAST_SIZE = 1 + 4 + 8 + 8 + 4 + DIGEST_SIZE;

/** Where the head's frame begins. */
export const HEAD_AT: number = FILE_HEADER_SIZE + SEGMENT_FRAME_SIZE;

/** Where the first piece's frame begins. */
export const PIECES_AT: number = HEAD_AT + FRAME_HEADER_SIZE + HEAD_SIZE;

/** The sizes of the last two frames in bytes, together and of the first of them. */
export const LAST_FRAME_SIZE: number = FRAME_HEADER_SIZE + LAST_SIZE;
export const END_SIZE: number = LAST_FRAME_SIZE + DURABLE_FRAME_SIZE;

/** The largest frame of a piece in bytes. */
export const MAX_PIECE_FRAME_SIZE: number = FRAME_HEADER_SIZE + 1 + PIECE_SIZE;

/**
 * What a whole snapshot file says of its content.
 *
 * @example
 * ```ts
 * import type { SnapshotSummary } from "@durable/wal/snapshot";
 *
 * const describe = ({ bytes, pieces }: SnapshotSummary) => `${bytes} bytes in ${pieces} pieces`;
 * console.log(typeof describe);
 * ```
 */
export interface SnapshotSummary {
  /** How many pieces it has. */
  readonly pieces: number;
  /** The size of the content in bytes. */
  readonly bytes: number;
  /** The index of the last entry that is in it. */
  readonly index: number;
  /** The version of the content, the application's own. */
  readonly version: number;
  /** XXH3 of 128 bits over the content, in 32 hexadecimal digits. */
  readonly digest: string;
}

/** The payload of the head. */
export function encodeHead(): Uint8Array {
  const bytes = new Uint8Array(HEAD_SIZE);
  writeUint32(bytes, 0, MAGIC);
  bytes[4] = FORMAT;
  return bytes;
}

/** The format that a head's payload states; `undefined` if it is none of a snapshot file. */
export function decodeHead(payload: Uint8Array): number | undefined {
  if (payload.length < HEAD_SIZE || readUint32(payload, 0) !== MAGIC) return undefined;
  return payload[4];
}

/** The payload of the last Data frame. */
export function encodeSummary(
  { pieces, bytes, index, version, digest }: SnapshotSummary,
): Uint8Array {
  const payload = new Uint8Array(LAST_SIZE);
  payload[0] = LAST;
  writeUint32(payload, 1, pieces);
  writeUint64(payload, 5, bytes);
  writeUint64(payload, 13, index);
  writeUint32(payload, 21, version);
  payload.set(bytesOfHex(digest), LAST_SIZE - DIGEST_SIZE);
  return payload;
}

/** What the last Data frame says; `undefined` if it is another frame. */
export function decodeSummary(payload: Uint8Array): SnapshotSummary | undefined {
  if (payload.length !== LAST_SIZE || payload[0] !== LAST) return undefined;
  return {
    pieces: readUint32(payload, 1),
    bytes: readUint64(payload, 5),
    index: readUint64(payload, 13),
    version: readUint32(payload, 21),
    digest: hexOf(payload.subarray(LAST_SIZE - DIGEST_SIZE)),
  };
}

/** Whether a text is a log's id: its bytes in hexadecimal digits. */
export function isLogId(text: unknown): text is string {
  return typeof text === "string" && text.length === 2 * LOG_ID_SIZE && /^[0-9a-f]*$/.test(text);
}

/** The bytes that hexadecimal digits say. */
export function bytesOfHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
}
