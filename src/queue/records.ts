/**
 * The entries of a queue's log as bytes. `docs/layers.md` has them as a table.
 *
 * ```text
 * message      1 | body
 * copy         2 | id u64 | body
 * consumer     3 | number u64 | from u8 | name
 * delivered    4 | consumer u64 | id u64 ...
 * acked        5 | consumer u64 | id u64 ...
 * retried      6 | consumer u64 | id u64 | due u48 | delay u48
 * dead         7 | consumer u64 | id u64 | time u48 | reason
 * redriven     8 | consumer u64 | id u64
 * removed      9 | consumer u64
 * checkpoint  10 | part u64 | parts u64 | bytes
 *
 * body: flags u8 | time u48 | due u48, delay u48 (flag 1) | key (flag 2) | value
 * ```
 *
 * The id of a message is the index that it got when it was enqueued. A copy of it, made so that the
 * head of the log can be dropped, keeps it.
 *
 * @module
 */
import { FieldReader, FieldWriter, NoField } from "./fields.ts";

/** What stands before a message's value. Times are milliseconds of the wall clock since 1970. */
export interface MessageHeader {
  /** When it was enqueued. */
  readonly time: number;
  /** When it may first be delivered; 0 for at once. */
  readonly due: number;
  /** The delay by which `due` came about, in milliseconds. No clock makes a message wait longer. */
  readonly delay: number;
  /** The key under which it was enqueued, if any. */
  readonly key: string | undefined;
}

/** A message, at the index that is its id. */
export interface MessageRecord extends MessageHeader {
  readonly kind: "message";
}

/** A message that lies at this entry's index from now on. */
export interface CopyRecord extends MessageHeader {
  readonly kind: "copy";
  readonly id: number;
}

/** A consumer that was not there before. */
export interface ConsumerRecord {
  readonly kind: "consumer";
  readonly number: number;
  /** Which messages it gets: those that a consumer has still to do, or only those that come. */
  readonly from: "first" | "now";
  readonly name: string;
}

/** A consumer's handlers are about to see messages. */
export interface DeliveredRecord {
  readonly kind: "delivered";
  readonly consumer: number;
  readonly ids: readonly number[];
}

/** A consumer has done messages, or gives up dead ones. */
export interface AckedRecord {
  readonly kind: "acked";
  readonly consumer: number;
  readonly ids: readonly number[];
}

/** A message is to be delivered again. */
export interface RetriedRecord {
  readonly kind: "retried";
  readonly consumer: number;
  readonly id: number;
  readonly due: number;
  readonly delay: number;
}

/** A message is not delivered any more, and kept. */
export interface DeadRecord {
  readonly kind: "dead";
  readonly consumer: number;
  readonly id: number;
  readonly time: number;
  readonly reason: string;
}

/** A dead message is to be delivered again, its attempts forgotten. */
export interface RedrivenRecord {
  readonly kind: "redriven";
  readonly consumer: number;
  readonly id: number;
}

/** A consumer is gone, and waits for no message. */
export interface RemovedRecord {
  readonly kind: "removed";
  readonly consumer: number;
}

/** A part of the state, which counts only where the log's own state names it. */
export interface CheckpointRecord {
  readonly kind: "checkpoint";
  readonly part: number;
  readonly parts: number;
}

/** What an entry of a queue's log says, without a message's value. */
export type QueueRecord =
  | MessageRecord
  | CopyRecord
  | ConsumerRecord
  | DeliveredRecord
  | AckedRecord
  | RetriedRecord
  | DeadRecord
  | RedrivenRecord
  | RemovedRecord
  | CheckpointRecord;

/** A record that is nothing but its fields. */
export type PlainRecord = Exclude<QueueRecord, MessageRecord | CopyRecord | CheckpointRecord>;

/** The first byte of each kind of entry. */
const KINDS = {
  message: 1,
  copy: 2,
  consumer: 3,
  delivered: 4,
  acked: 5,
  retried: 6,
  dead: 7,
  redriven: 8,
  removed: 9,
  checkpoint: 10,
} as const;

const NAMES: ReadonlyMap<number, QueueRecord["kind"]> = new Map(
  Object.entries(KINDS).map(([name, number]) => [number, name as QueueRecord["kind"]]),
);

const DELAYED = 1;
const KEYED = 2;

/** The size of the kind and the id, which stand before the body of a copy. */
const COPY_HEADER_SIZE = 9;

/** The size of a record that a message is to be delivered again: the largest of a fixed size. */
const RETRIED_SIZE = 29;

/** The size of what stands before the reason of a dead letter. */
const DEAD_HEADER_SIZE = 23;

/** The least `maxEntrySize` with which every record about a message and a checkpoint can be written. */
export const LEAST_ENTRY_SIZE: number = RETRIED_SIZE;

/** How many bytes a copy of a message is longer than the message. */
export const COPY_GROWTH: number = COPY_HEADER_SIZE - 1;

/** What stands before a message's value. */
export function encodeHeader({ time, due, delay, key }: MessageHeader): Uint8Array {
  const fields = new FieldWriter(32);
  fields.uint8(KINDS.message);
  fields.uint8((delay > 0 ? DELAYED : 0) | (key === undefined ? 0 : KEYED));
  fields.uint48(time);
  if (delay > 0) {
    fields.uint48(due);
    fields.uint48(delay);
  }
  if (key !== undefined) fields.text(key);
  return fields.done();
}

/** The bytes of a copy of a message, from those of the message or of another copy. */
export function encodeCopy(id: number, entry: Uint8Array): Uint8Array {
  const fields = new FieldWriter(COPY_HEADER_SIZE + entry.length);
  fields.uint8(KINDS.copy);
  fields.uint64(id);
  fields.bytes(entry.subarray(entry[0] === KINDS.copy ? COPY_HEADER_SIZE : 1));
  return fields.done();
}

/** The bytes of a part of a checkpoint, of which there are so many. */
export function encodeCheckpointPart(part: number, parts: number, bytes: Uint8Array): Uint8Array {
  const fields = new FieldWriter(17 + bytes.length);
  fields.uint8(KINDS.checkpoint);
  fields.uint64(part);
  fields.uint64(parts);
  fields.bytes(bytes);
  return fields.done();
}

/** How many ids a record may have whose entry has at the most so many bytes; one at the least. */
export function maxIds(entrySize: number): number {
  return Math.max(1, Math.floor((entrySize - 9) / 8));
}

/** The beginning of a reason that fits an entry of at the most so many bytes, in whole characters. */
export function fittingReason(reason: string, entrySize: number): string {
  const most = entrySize - DEAD_HEADER_SIZE;
  const bytes = new TextEncoder().encode(reason);
  if (bytes.length <= most) return reason;
  let end = most;
  // The bytes after the first one of a character begin with the bits 10.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return new TextDecoder().decode(bytes.subarray(0, end));
}

/** The bytes of any other record. */
export function encodeRecord(record: PlainRecord): Uint8Array {
  const fields = new FieldWriter();
  fields.uint8(KINDS[record.kind]);
  fields.uint64(record.kind === "consumer" ? record.number : record.consumer);
  switch (record.kind) {
    case "consumer":
      fields.uint8(record.from === "now" ? 1 : 0);
      fields.bytes(new TextEncoder().encode(record.name));
      break;
    case "delivered":
    case "acked":
      for (const id of record.ids) fields.uint64(id);
      break;
    case "retried":
      fields.uint64(record.id);
      fields.uint48(record.due);
      fields.uint48(record.delay);
      break;
    case "dead":
      fields.uint64(record.id);
      fields.uint48(record.time);
      fields.bytes(new TextEncoder().encode(record.reason));
      break;
    case "redriven":
      fields.uint64(record.id);
      break;
    case "removed":
  }
  return fields.done();
}

/** What an entry says; `undefined` if it is none of a queue. */
export function decodeRecord(entry: Uint8Array): QueueRecord | undefined {
  return decoded(entry)?.record;
}

/** What stands before a message's value, and the value's bytes, in the entry's own memory. */
export function decodeMessage(
  entry: Uint8Array,
): { readonly header: MessageHeader; readonly value: Uint8Array } | undefined {
  const found = decoded(entry);
  if (found?.record.kind !== "message" && found?.record.kind !== "copy") return undefined;
  return { header: found.record, value: entry.subarray(found.end) };
}

/** The bytes that a part of a checkpoint has, in the entry's own memory. */
export function checkpointBytes(entry: Uint8Array): Uint8Array {
  return entry.subarray(17);
}

/** A record, and where its fields end. */
function decoded(entry: Uint8Array): { record: QueueRecord; end: number } | undefined {
  const fields = new FieldReader(entry, 1);
  try {
    const kind = NAMES.get(entry[0] ?? 0);
    const record = kind === undefined ? undefined : read(kind, fields);
    if (record === undefined) return undefined;
    return { record, end: fields.at };
  } catch (error) {
    if (error instanceof NoField) return undefined;
    throw error;
  }
}

function read(kind: QueueRecord["kind"], fields: FieldReader): QueueRecord | undefined {
  switch (kind) {
    case "message":
      return { kind, ...readHeader(fields) };
    case "copy":
      return { kind, id: fields.uint64(), ...readHeader(fields) };
    case "consumer": {
      const [number, from] = [fields.uint64(), fields.uint8() === 1 ? "now" : "first"] as const;
      return { kind, number, from, name: fields.lastText() };
    }
    case "checkpoint":
      return { kind, part: fields.uint64(), parts: fields.uint64() };
    default: {
      const record = readOfConsumer(kind, fields.uint64(), fields);
      return fields.isOver ? record : undefined;
    }
  }
}

function readHeader(fields: FieldReader): MessageHeader {
  const flags = fields.uint8();
  const time = fields.uint48();
  const isDelayed = (flags & DELAYED) !== 0;
  const due = isDelayed ? fields.uint48() : 0;
  const delay = isDelayed ? fields.uint48() : 0;
  return { time, due, delay, key: (flags & KEYED) === 0 ? undefined : fields.text() };
}

function readOfConsumer(
  kind: Exclude<PlainRecord["kind"], "consumer">,
  consumer: number,
  fields: FieldReader,
): PlainRecord {
  switch (kind) {
    case "delivered":
    case "acked": {
      const ids: number[] = [];
      while (!fields.isOver) ids.push(fields.uint64());
      return { kind, consumer, ids };
    }
    case "retried":
      return { kind, consumer, id: fields.uint64(), due: fields.uint48(), delay: fields.uint48() };
    case "dead": {
      const [id, time] = [fields.uint64(), fields.uint48()];
      return { kind, consumer, id, time, reason: fields.lastText() };
    }
    case "redriven":
      return { kind, consumer, id: fields.uint64() };
    case "removed":
      return { kind, consumer };
  }
}
