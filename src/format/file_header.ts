/**
 * The eight bytes that a segment begins with: the magic number "WAL!" and the version.
 *
 * Version 1 is Go-WAL's file, Data frames only. Version 2 is the same with Internal frames.
 *
 * @module
 */
import { readUint32, writeUint32 } from "./integers.ts";

/** The size of the header in bytes. */
export const FILE_HEADER_SIZE = 8;

/** The versions that can be read and written. */
export type FormatVersion = 1 | 2;

/** "WAL!" in ASCII, which every file begins with. */
export const MAGIC = 0x57414c21;

/** Writes a header at the buffer's start. */
export function writeFileHeader(buffer: Uint8Array, version: FormatVersion): void {
  writeUint32(buffer, 0, MAGIC);
  writeUint32(buffer, 4, version);
}

/** What the first bytes of a file say. */
export type FileHeader =
  /** A whole header of a known version. */
  | { kind: "valid"; version: FormatVersion }
  /** Zeros, or a header cut short: the making of the file was interrupted. */
  | { kind: "unfinished" }
  /** A log of a version that came later. */
  | { kind: "unknown version"; version: number }
  /** Something else than a log. */
  | { kind: "not a log" };

/** Judges the first eight bytes of a file, or all of them where it is shorter. */
export function readFileHeader(bytes: Uint8Array): FileHeader {
  const head = bytes.subarray(0, FILE_HEADER_SIZE);
  if (head.every((byte) => byte === 0)) return { kind: "unfinished" };
  if (head.length < FILE_HEADER_SIZE) {
    return isPrefixOfHeader(head) ? { kind: "unfinished" } : { kind: "not a log" };
  }
  if (readUint32(head, 0) !== MAGIC) return { kind: "not a log" };
  const version = readUint32(head, 4);
  if (version === 1 || version === 2) return { kind: "valid", version };
  return { kind: "unknown version", version };
}

/** A header that lacks bytes lacks its last one, the only one in which the versions differ. */
function isPrefixOfHeader(head: Uint8Array): boolean {
  const header = new Uint8Array(FILE_HEADER_SIZE);
  writeFileHeader(header, 2);
  return head.every((byte, i) => byte === header[i]);
}
