/**
 * The bytes in front of an event: which version it has, and when it was appended.
 *
 * ```text
 * version u8: bits 0 to 6 the version, 1 to 127; bit 7: a time follows | time u48, milliseconds | the codec's
 * ```
 *
 * @module
 */
import { readUint32, writeUint32 } from "../format/integers.ts";

/** The highest version of an event. */
export const MAX_VERSION = 127;

/** The highest time, in milliseconds since 1970; the year 10889. */
export const MAX_TIME: number = 2 ** 48 - 1;

const HAS_TIME = 0x80;
const VERSION_SIZE = 1;
const TIME_SIZE = 6;

/** What stands in front of an event. */
export interface EventHeader {
  /** The version, from 1; 0 is none. */
  readonly version: number;
  /** When the event was appended, in milliseconds since 1970; `undefined` if that was not written. */
  readonly time: number | undefined;
  /** Where the codec's bytes begin. */
  readonly size: number;
}

/** How many bytes stand in front of an event. */
export function headerSize(hasTime: boolean): number {
  return hasTime ? VERSION_SIZE + TIME_SIZE : VERSION_SIZE;
}

/** Writes what stands in front of an event into the beginning of an entry. */
export function writeHeader(entry: Uint8Array, version: number, time: number | undefined): void {
  if (time === undefined) {
    entry[0] = version;
    return;
  }
  entry[0] = version | HAS_TIME;
  const high = Math.floor(time / 2 ** 32);
  entry[1] = high >>> 8;
  entry[2] = high;
  writeUint32(entry, 3, time >>> 0);
}

/** Reads what stands in front of an event; `undefined` if the entry is too short for it. */
export function readHeader(entry: Uint8Array): EventHeader | undefined {
  const first = entry[0];
  if (first === undefined) return undefined;
  const version = first & MAX_VERSION;
  if ((first & HAS_TIME) === 0) return { version, time: undefined, size: VERSION_SIZE };
  const size = VERSION_SIZE + TIME_SIZE;
  if (entry.length < size) return undefined;
  return { version, time: readTime(entry, VERSION_SIZE), size };
}

/** The time that stands at a place. */
export function readTime(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  return high * 2 ** 32 + readUint32(bytes, at + 2);
}
