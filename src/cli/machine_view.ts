/**
 * The logs of state machines and durable maps in words and as fields of JSON: their snapshots, and
 * their entries.
 *
 * @module
 */
import { readHeader } from "../events/format.ts";
import { splitEntry } from "../machine/entry_format.ts";
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

/** An event of a state machine, and the key of its call. */
export function showMachineEvent(codec: string, data: Uint8Array): ShownEntry {
  const parts = splitEntry(data);
  if (parts === undefined) return unknown(data);
  const { words, fields } = showEvent(codec, data.subarray(parts.eventAt));
  if (parts.key === undefined) return { words, fields };
  const { key } = parts.key;
  return { words: `${words} key ${JSON.stringify(key)}`, fields: { ...fields, key } };
}

/** A change of a map. */
export function showChange(codec: string, data: Uint8Array): ShownEntry {
  const header = readHeader(data);
  const change = header === undefined ? undefined : tryToSplit(data.subarray(header.size));
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

function tryToSplit(bytes: Uint8Array): Change<MapKey, Uint8Array> | undefined {
  try {
    return splitChange(bytes);
  } catch {
    return undefined;
  }
}

function unknown(data: Uint8Array): ShownEntry {
  return { words: `unknown: base64 ${base64Of(data)}`, fields: { event: null } };
}
