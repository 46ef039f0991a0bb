/**
 * Where the first frame of a walked file is, whatever is left of its beginning.
 *
 * @module
 */
import { FILE_HEADER_SIZE, type FormatVersion, readFileHeader } from "../format/file_header.ts";
import { BEGINNING_SIZE, isNearlyHeader } from "./damaged_frames.ts";
import type { FileToWalk } from "./walked_file.ts";

/** What was found at a file's beginning. */
export interface WalkedBeginning {
  /** Where the first frame should be. */
  readonly start: number;
  /** What a valid header says. */
  readonly version?: FormatVersion;
  /** What is wrong, and whether it is sure that no entry was lost by it. */
  readonly damage?: { readonly what: string; readonly isSure: boolean };
}

/**
 * Looks at a file's beginning.
 *
 * @param isInPlace Whether something shows that no bytes before an offset were deleted or inserted.
 * @param isUnused Whether nothing but space that was never used follows an offset.
 */
export function beginningOf(
  { reader, isVersion2 }: FileToWalk,
  isInPlace: (offset: number) => boolean,
  isUnused: (offset: number) => boolean,
): WalkedBeginning {
  const header = readFileHeader(reader.bytes(0, FILE_HEADER_SIZE));
  if (header.kind === "valid") return { start: FILE_HEADER_SIZE, version: header.version };
  if (header.kind === "unfinished" && isUnused(FILE_HEADER_SIZE)) return { start: reader.size };
  if (reader.frameAt(FILE_HEADER_SIZE) === undefined) {
    const isWhole = isVersion2 && isInPlace(BEGINNING_SIZE) &&
      reader.frameAt(BEGINNING_SIZE) !== undefined;
    if (!isWhole) return { start: 0 };
    const damage = { what: "the file's beginning is not valid", isSure: true };
    return { start: BEGINNING_SIZE, damage };
  }
  const what = header.kind === "unknown version"
    ? `the file header says version ${header.version}`
    : "the file header is not valid";
  const isSure = isInPlace(FILE_HEADER_SIZE) ||
    isNearlyHeader(reader.bytes(0, FILE_HEADER_SIZE));
  return { start: FILE_HEADER_SIZE, damage: { what, isSure } };
}
