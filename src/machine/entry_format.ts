/**
 * The entries of a state machine: events as `EventLog` writes them, and in front of one a key, where
 * the call that appended it gave one.
 *
 * ```text
 * event              version u8, from 1 | …                     as in events/format.ts
 * key, then event    0 u8 | 1 u8 | count u32 | length u16 | key, UTF-8 | the event
 * ```
 *
 * No event begins with 0, since no version is 0. `count` says how many entries the call appended: this
 * one and those after it. Its second byte leaves room for other things that may stand there.
 *
 * @module
 */
import { readUint32, writeUint32 } from "../format/integers.ts";

/** What a key in front of an event begins with. */
const NO_VERSION = 0;
const KEY = 1;

const COUNT_AT = 2;
const LENGTH_AT = 6;
const KEY_AT = 8;

/** The longest key in bytes of UTF-8. */
export const MAX_KEY_SIZE = 1024;

/** A key, and how many entries the call appended that gave it. */
export interface EntryKey {
  readonly key: string;
  readonly count: number;
}

/** The parts of an entry. */
export interface EntryParts {
  readonly key: EntryKey | undefined;
  /** Where the event begins. */
  readonly eventAt: number;
}

const ENCODER: TextEncoder = new TextEncoder();
const DECODER: TextDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** An entry of memory of its own: the event, and the key in front of it if there is one. */
export function joinEntry(event: Uint8Array, key: EntryKey | undefined): Uint8Array {
  if (key === undefined) return event.slice();
  const text = ENCODER.encode(key.key);
  const entry = new Uint8Array(KEY_AT + text.length + event.length);
  entry[0] = NO_VERSION;
  entry[1] = KEY;
  writeUint32(entry, COUNT_AT, key.count);
  entry[LENGTH_AT] = text.length >>> 8;
  entry[LENGTH_AT + 1] = text.length;
  entry.set(text, KEY_AT);
  entry.set(event, KEY_AT + text.length);
  return entry;
}

/** The parts of an entry; `undefined` if it is none of a state machine. */
export function splitEntry(entry: Uint8Array): EntryParts | undefined {
  if (entry[0] !== NO_VERSION) return { key: undefined, eventAt: 0 };
  if (entry.length < KEY_AT || entry[1] !== KEY) return undefined;
  const eventAt = KEY_AT + ((entry[LENGTH_AT] as number) << 8 | (entry[LENGTH_AT + 1] as number));
  if (eventAt > entry.length) return undefined;
  try {
    const key = DECODER.decode(entry.subarray(KEY_AT, eventAt));
    return { key: { key, count: readUint32(entry, COUNT_AT) }, eventAt };
  } catch {
    return undefined;
  }
}

/** Whether a text can be a key. */
export function isKey(text: unknown): text is string {
  return typeof text === "string" && text !== "" && text.isWellFormed() &&
    ENCODER.encode(text).length <= MAX_KEY_SIZE;
}
