/**
 * An entry point that is fuzzed, and what entry points have in common.
 *
 * @module
 */
import type { FuzzCase } from "./case.ts";
import type { Corpus } from "./corpus.ts";
import { require } from "./finding.ts";
import {
  DATA,
  type FileSet,
  FRAME_HEADER,
  frameOf,
  holds,
  readU32,
  segmentNames,
} from "./layout.ts";
import type { Allowance } from "./meter.ts";

/** An entry point. */
export interface Target {
  readonly name: string;
  /** What its inputs begin with. */
  readonly corpus: Exclude<keyof Corpus, "large">;
  /** How many executions it gets of a hundred thousand. */
  readonly share: number;
  /** Whether it waits for a clock; then the executions of a round wait together. */
  readonly waits?: boolean;
  /**
   * Runs it once.
   *
   * @returns What came of it, in short: an input with an outcome that is new is worth more mutations.
   * @throws {Finding} If it found something.
   */
  run(input: FuzzCase): string | Promise<string>;
}

/** The bytes of the only file of a set. */
export function onlyFile({ files }: FuzzCase): Uint8Array {
  return [...files.values()][0] ?? new Uint8Array(0);
}

/** How much may be read of files with so many bytes, in `passes` passes, with buffers beside that. */
export function allowance(size: number, passes: number, buffer: number): Allowance {
  return {
    bytes: passes * (size + buffer),
    reads: passes * (size + 64),
    buffer: 2 * size + buffer,
  };
}

/** The size of all files together. */
export function sizeOf(files: FileSet): number {
  let size = 0;
  for (const bytes of files.values()) size += bytes.length;
  return size;
}

/** Finds fault if an entry that was returned is not in a file at an offset, with its checksum. */
export function requireEntryAt(file: Uint8Array, at: number, data: Uint8Array): void {
  const end = at + FRAME_HEADER + data.length;
  require(
    end <= file.length && file[at] === DATA && readU32(file, at + 1) === data.length &&
      holds(file, at, end) && equal(file.subarray(at + FRAME_HEADER, end), data),
    `an entry was returned that is not in the file with its checksum, at offset ${at}`,
  );
}

/** Finds fault if an entry that was returned is in none of the segments, with its checksum. */
export function requireEntryIn(files: FileSet, data: Uint8Array): void {
  const frame = frameOf(DATA, data);
  const isThere = segmentNames(files).some((name) => contains(files.get(name), frame));
  require(isThere, `an entry of ${data.length} bytes was returned that is in no file`);
}

function contains(bytes: Uint8Array | undefined, part: Uint8Array): boolean {
  if (bytes === undefined) return false;
  for (let at = bytes.indexOf(DATA); at >= 0; at = bytes.indexOf(DATA, at + 1)) {
    if (equal(bytes.subarray(at, at + part.length), part)) return true;
  }
  return false;
}

/** Whether two arrays have the same bytes. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) return false;
  }
  return true;
}

/** A number. Only its magnitude matters. */
export function few(count: number): string {
  return count < 4 ? String(count) : count < 20 ? "some" : "many";
}
