/**
 * Which snapshot files count: the layer's own bytes of the log's state, and the names of the files.
 *
 * ```text
 * count u8: 0 to 2 | for each, the newest first: number u64 | index u64 | digest 16
 * ```
 *
 * @module
 */
import { readUint64, writeUint64 } from "../format/integers.ts";
import { hexOf } from "../format/log_id.ts";

/** A snapshot that the log's state names. */
export interface NamedSnapshot {
  /** The number in the file's name. */
  readonly number: number;
  /** The index of the last entry that is in it. */
  readonly index: number;
  /** Of its content, in hexadecimal digits. */
  readonly digest: string;
}

/** How many are kept: the newest, and one to fall back to. */
export const KEPT = 2;

const DIGEST_SIZE = 16;
const SIZE = 8 + 8 + DIGEST_SIZE;
const DIGITS = 20;

/** The path of a snapshot file. */
export function snapshotPath(log: string, number: number): string {
  return `${log}.snapshot-${String(number).padStart(DIGITS, "0")}`;
}

/** The number of a snapshot file of the log with a name; `undefined` if the file is none. */
export function snapshotNumberOf(name: string, file: string): number | undefined {
  const digits = file.startsWith(`${name}.snapshot-`) ? file.slice(name.length + 10) : "";
  const number = Number(digits);
  return /^\d{20}$/.test(digits) && Number.isSafeInteger(number) ? number : undefined;
}

/** The layer's own bytes. */
export function encodeNamed(named: readonly NamedSnapshot[]): Uint8Array {
  const bytes = new Uint8Array(1 + named.length * SIZE);
  bytes[0] = named.length;
  for (const [i, { number, index, digest }] of named.entries()) {
    const at = 1 + i * SIZE;
    writeUint64(bytes, at, number);
    writeUint64(bytes, at + 8, index);
    const digits = digest.match(/../g) ?? [];
    bytes.set(digits.map((digit) => Number.parseInt(digit, 16)), at + 16);
  }
  return bytes;
}

/** What the layer's own bytes name; `undefined` if they are none of this layer. */
export function decodeNamed(bytes: Uint8Array): NamedSnapshot[] | undefined {
  if (bytes.length === 0) return [];
  const count = bytes[0] as number;
  if (count > KEPT || bytes.length !== 1 + count * SIZE) return undefined;
  return Array.from({ length: count }, (_, i) => {
    const at = 1 + i * SIZE;
    const digest = bytes.subarray(at + 16, at + SIZE);
    return {
      number: readUint64(bytes, at),
      index: readUint64(bytes, at + 8),
      digest: hexOf(digest),
    };
  });
}
