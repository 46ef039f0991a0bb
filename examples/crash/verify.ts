/**
 * The check of the crash example: what a log may not do to the lines that it has acknowledged.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Entry } from "@durable/wal";

/** The first line that the log has not kept. */
export interface Loss {
  /**
   * It is not there, it is there with other bytes, another line is in its place, or it is an entry
   * that was never a line.
   */
  readonly kind: "missing" | "changed" | "misplaced" | "surplus";
  /** The line's number, from 1. */
  readonly line: number;
  /** The same in words. */
  readonly message: string;
}

/**
 * Compares a log with the lines that it should hold: every acknowledged line must be there; more
 * lines may be; and each that is there must be the line of its place, byte for byte.
 *
 * @param entries The entries of the log, from the first.
 * @param lines The lines that were to be appended.
 * @param acknowledged How many of them were acknowledged.
 * @returns The first loss; `undefined` if nothing is lost.
 */
export function findLoss(
  entries: Iterable<Pick<Entry, "data">>,
  lines: readonly Uint8Array[],
  acknowledged: number,
): Loss | undefined {
  let recovered = 0;
  for (const { data } of entries) {
    const line = ++recovered;
    const expected = lines[line - 1];
    if (expected === undefined) {
      const message = `Entry ${line} is in the log, but the text has ${lines.length} lines.`;
      return { kind: "surplus", line, message };
    }
    if (isEqual(data, expected)) continue;
    const other = 1 + lines.findIndex((candidate) => isEqual(data, candidate));
    return other === 0
      ? { kind: "changed", line, message: `Line ${line} is in the log with other bytes.` }
      : { kind: "misplaced", line, message: `Line ${other} is in the place of line ${line}.` };
  }
  if (recovered >= acknowledged) return undefined;
  const line = recovered + 1;
  const message = `Line ${line} is missing, and lines up to ${acknowledged} were acknowledged.`;
  return { kind: "missing", line, message };
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
