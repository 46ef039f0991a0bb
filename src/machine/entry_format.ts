/**
 * The entries of a state machine: events as `EventLog` writes them, and in front of one a key, where
 * the call that appended it gave one, and messages, where it gave some. An entry of another kind notes
 * up to where messages were handed over.
 *
 * ```text
 * event                version u8, from 1 | …                     as in events/format.ts
 * key, then event      0 u8 | 1 u8 | count u32 | length u16 | key, UTF-8 | the event
 * messages, then rest  0 u8 | 2 u8 | length u32 | messages, as in messages.ts | the key, the event
 * handed over          0 u8 | 3 u8 | index u64 | queue's name, UTF-8
 * ```
 *
 * No event begins with 0, since no version is 0. `count` says how many entries the call appended: this
 * one and those after it. Their second byte leaves room for other things that may stand there.
 *
 * @module
 */
import { readUint32, readUint64, writeUint32, writeUint64 } from "../format/integers.ts";

/** What stands in front of an event, or in its place, begins with. */
const NO_VERSION = 0;
const KEY = 1;
const MESSAGES = 2;
const HANDED_OVER = 3;

const COUNT_AT = 2;
const LENGTH_AT = 6;
const KEY_AT = 8;

/** In front of messages. */
const SIZE_AT = 2;
const MESSAGES_AT = 6;

/** In an entry that notes what was handed over. */
const INDEX_AT = 2;
const NAME_AT = 10;

/** The longest key in bytes of UTF-8. */
export const MAX_KEY_SIZE = 1024;

/** A key, and how many entries the call appended that gave it. */
export interface EntryKey {
  readonly key: string;
  readonly count: number;
}

/** What stands in front of an event. */
export interface EntryHead {
  readonly key: EntryKey | undefined;
  /** The messages of the call, as `messages.ts` encodes them. */
  readonly messages: Uint8Array | undefined;
}

/** The parts of an entry with an event. */
export interface EntryParts extends EntryHead {
  /** Where the event begins. */
  readonly eventAt: number;
}

const ENCODER: TextEncoder = new TextEncoder();
const DECODER: TextDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The messages of all calls up to an index are in a queue. */
export interface HandedOver {
  readonly queue: string;
  readonly index: number;
}

/** An entry of memory of its own: the event, and in front of it what its call gave. */
export function joinEntry(event: Uint8Array, { key, messages }: EntryHead): Uint8Array {
  if (messages === undefined) return withKey(event, key);
  const rest = withKey(event, key);
  const entry = new Uint8Array(MESSAGES_AT + messages.length + rest.length);
  entry[0] = NO_VERSION;
  entry[1] = MESSAGES;
  writeUint32(entry, SIZE_AT, messages.length);
  entry.set(messages, MESSAGES_AT);
  entry.set(rest, MESSAGES_AT + messages.length);
  return entry;
}

function withKey(event: Uint8Array, key: EntryKey | undefined): Uint8Array {
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

/** The parts of an entry with an event; `undefined` if it has none. */
export function splitEntry(entry: Uint8Array): EntryParts | undefined {
  if (entry[0] !== NO_VERSION) return { key: undefined, messages: undefined, eventAt: 0 };
  if (entry[1] !== MESSAGES) return splitKey(entry, 0, undefined);
  if (entry.length < MESSAGES_AT) return undefined;
  const at = MESSAGES_AT + readUint32(entry, SIZE_AT);
  if (at >= entry.length) return undefined;
  const messages = entry.subarray(MESSAGES_AT, at);
  if (entry[at] !== NO_VERSION) return { key: undefined, messages, eventAt: at };
  return splitKey(entry, at, messages);
}

/** The same of an entry that has a key from an offset on. */
function splitKey(
  entry: Uint8Array,
  at: number,
  messages: Uint8Array | undefined,
): EntryParts | undefined {
  if (entry.length < at + KEY_AT || entry[at + 1] !== KEY) return undefined;
  const length = (entry[at + LENGTH_AT] as number) << 8 | (entry[at + LENGTH_AT + 1] as number);
  const eventAt = at + KEY_AT + length;
  if (eventAt > entry.length) return undefined;
  try {
    const key = DECODER.decode(entry.subarray(at + KEY_AT, eventAt));
    return { key: { key, count: readUint32(entry, at + COUNT_AT) }, messages, eventAt };
  } catch {
    return undefined;
  }
}

/** The entry that notes that messages were handed over. */
export function encodeHandedOver({ queue, index }: HandedOver): Uint8Array {
  const name = ENCODER.encode(queue);
  const entry = new Uint8Array(NAME_AT + name.length);
  entry[0] = NO_VERSION;
  entry[1] = HANDED_OVER;
  writeUint64(entry, INDEX_AT, index);
  entry.set(name, NAME_AT);
  return entry;
}

/** What an entry notes that has no event; `undefined` if it is another. */
export function decodeHandedOver(entry: Uint8Array): HandedOver | undefined {
  if (entry[0] !== NO_VERSION || entry[1] !== HANDED_OVER || entry.length < NAME_AT) {
    return undefined;
  }
  try {
    return { queue: DECODER.decode(entry.subarray(NAME_AT)), index: readUint64(entry, INDEX_AT) };
  } catch {
    return undefined;
  }
}

/** Whether a text can be a key. */
export function isKey(text: unknown): text is string {
  return typeof text === "string" && text !== "" && text.isWellFormed() &&
    ENCODER.encode(text).length <= MAX_KEY_SIZE;
}
