/**
 * The log of a queue in words and as fields of JSON: its checkpoint, its messages, and what consumers
 * did with them.
 *
 * @module
 */
import { decodePlace } from "../queue/compaction.ts";
import {
  decodeMessage,
  decodeRecord,
  type MessageHeader,
  type PlainRecord,
} from "../queue/records.ts";
import { base64Of, type ShownEntry, showTime, showValue, valueInWords } from "./shown.ts";

/** The checkpoint that the log's state names. */
export function showCheckpoint(
  own: Uint8Array,
): { lines: readonly string[]; fields: Readonly<Record<string, unknown>> } {
  const place = decodePlace(own);
  if (place === undefined || place.parts === 0) return { lines: [], fields: { checkpoint: null } };
  const { first, parts } = place;
  const size = parts === 1 ? "" : ` to ${first + parts - 1}`;
  return { lines: [`checkpoint at index ${first}${size}`], fields: { checkpoint: place } };
}

/** An entry of a queue. */
export function showRecord(codec: string, data: Uint8Array): ShownEntry {
  const record = decodeRecord(data);
  const message = decodeMessage(data);
  if (record === undefined) {
    return { words: `unknown: base64 ${base64Of(data)}`, fields: { record: null } };
  }
  if (record.kind === "checkpoint") {
    const { part, parts } = record;
    return { words: `checkpoint, part ${part} of ${parts}`, fields: { record } };
  }
  if (message === undefined) {
    return { words: recordInWords(record as PlainRecord), fields: { record } };
  }
  const { time, due, key } = message.header;
  const value = showValue(codec, message.value);
  const id = record.kind === "copy" ? { id: record.id } : {};
  const what = record.kind === "copy" ? `copy of ${record.id}` : "message";
  return {
    words: `${showTime(time)} ${what} ${valueInWords(value)}${rest(message.header)}`,
    fields: {
      record: {
        kind: record.kind,
        ...id,
        time: showTime(time),
        due: due === 0 ? null : showTime(due),
        key: key ?? null,
        ...value,
      },
    },
  };
}

/** What a message has besides, in words. */
function rest({ due, key }: MessageHeader): string {
  const when = due === 0 ? "" : ` due ${showTime(due)}`;
  return key === undefined ? when : `${when} key ${JSON.stringify(key)}`;
}

/** What happened to a consumer or to its messages, in words. */
function recordInWords(record: PlainRecord): string {
  switch (record.kind) {
    case "consumer":
      return `consumer ${record.number} ${JSON.stringify(record.name)} from ${record.from}`;
    case "delivered":
    case "acked":
      return `consumer ${record.consumer} ${record.kind} ${record.ids.join(" ")}`;
    case "retried":
      return `consumer ${record.consumer} retried ${record.id} due ${showTime(record.due)}`;
    case "dead": {
      const { consumer, id, time, reason } = record;
      return `${showTime(time)} consumer ${consumer} buried ${id}: ${JSON.stringify(reason)}`;
    }
    case "redriven":
      return `consumer ${record.consumer} redrove ${record.id}`;
    case "removed":
      return `consumer ${record.consumer} removed`;
  }
}
