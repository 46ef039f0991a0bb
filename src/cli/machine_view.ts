/**
 * The logs of state machines and durable maps in words and as fields of JSON: their snapshots, and
 * their entries.
 *
 * @module
 */
import { readHeader } from "../events/format.ts";
import { decodeHandedOver, splitEntry } from "../machine/entry_format.ts";
import { decodeMessages, type QueueMessages } from "../machine/messages.ts";
import { decodeNamed } from "../machine/named_snapshots.ts";
import { type Change, type MapKey, splitChange } from "../map/map_codec.ts";
import { showEvent } from "./event_view.ts";
import { base64Of, type ShownEntry, showValue, valueInWords } from "./shown.ts";

/** The snapshots that the log's state names. */
export function showSnapshots(
  own: Uint8Array,
): { lines: readonly string[]; fields: Readonly<Record<string, unknown>> } {
  const snapshots = decodeNamed(own) ?? [];
  const lines = snapshots.map(({ number, index }) => `snapshot ${number} up to index ${index}`);
  return { lines, fields: { snapshots } };
}

/** An event of a state machine, with the key and the messages of its call; or what was handed over. */
export function showMachineEvent(codec: string, data: Uint8Array): ShownEntry {
  const handedOver = decodeHandedOver(data);
  if (handedOver !== undefined) {
    const { queue, index } = handedOver;
    const words = `handed over to ${JSON.stringify(queue)} up to ${index}`;
    return { words, fields: { handedOver } };
  }
  const parts = splitEntry(data);
  if (parts === undefined) return unknown(data);
  const event = showEvent(codec, data.subarray(parts.eventAt));
  const words = [event.words];
  let { fields } = event;
  if (parts.key !== undefined) {
    const { key } = parts.key;
    words.push(`key ${JSON.stringify(key)}`);
    fields = { ...fields, key };
  }
  const all = parts.messages === undefined ? [] : tryTo(decodeMessages, parts.messages) ?? [];
  const shown = all.map(showMessages);
  words.push(...shown.map((one) => one.words));
  if (shown.length > 0) fields = { ...fields, enqueue: shown.map((one) => one.fields) };
  return { words: words.join(" "), fields };
}

/** The messages of a call for one queue. */
function showMessages({ queue, codec, messages }: QueueMessages): ShownEntry {
  const shown = messages.map((message) => showValue(codec, message));
  return {
    words: `for ${JSON.stringify(queue)} ${shown.map(valueInWords).join(" ")}`,
    fields: { queue, messages: shown },
  };
}

/** A change of a map. */
export function showChange(codec: string, data: Uint8Array): ShownEntry {
  const header = readHeader(data);
  const split = (bytes: Uint8Array): Change<MapKey, Uint8Array> => splitChange(bytes);
  const change = header === undefined ? undefined : tryTo(split, data.subarray(header.size));
  if (change === undefined) return unknown(data);
  if (change.kind === "clear") return { words: "clear", fields: { change: { clear: true } } };
  const key = JSON.stringify(change.key);
  if (change.kind === "delete") {
    return { words: `delete ${key}`, fields: { change: { delete: change.key } } };
  }
  const shown = showValue(codec, change.value);
  return {
    words: `set ${key} ${valueInWords(shown)}`,
    fields: { change: { set: change.key, ...shown } },
  };
}

function tryTo<T>(decode: (bytes: Uint8Array) => T, bytes: Uint8Array): T | undefined {
  try {
    return decode(bytes);
  } catch {
    return undefined;
  }
}

function unknown(data: Uint8Array): ShownEntry {
  return { words: `unknown: base64 ${base64Of(data)}`, fields: { event: null } };
}
