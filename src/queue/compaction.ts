/**
 * Gives back the space of what no consumer needs any more.
 *
 * The head of the log can move up to the first message that matters. Where such messages pin much more
 * than themselves, copies of them are appended first, which keep the ids of the originals. The order:
 *
 * 1. Append the copies. Each stands for its original from then on, so a crash after any of them is
 *    harmless.
 * 2. Append a checkpoint: the state as it is then.
 * 3. Sync both.
 * 4. Move the head, and have the log's own state name the checkpoint, in one change.
 *
 * A checkpoint that the state does not name is skipped.
 *
 * @module
 */
import { clock } from "../fs/clock.ts";
import type { Wal } from "../wal.ts";
import { encodeCheckpoint } from "./checkpoint.ts";
import { FieldReader, FieldWriter, NoField } from "./fields.ts";
import { COPY_GROWTH, encodeCheckpointPart } from "./records.ts";
import { cannotCopy } from "./refusals.ts";
import type { Message, QueueState } from "./state.ts";
import type { Draft } from "./turn_commit.ts";

/** How many bytes are copied before others get their turn. */
const SLICE = 256 * 1024;

/** The largest part of a checkpoint, in bytes. */
const MAX_PART = 256 * 1024;

/** What the log may have for each byte that matters, before what matters is copied. */
const PINNED_RATIO = 4;

/** Where a checkpoint lies. */
export interface CheckpointPlace {
  /** The index of its first part; 0 if there is none. */
  readonly first: number;
  readonly parts: number;
}

/** The bytes that the log's own state has of a queue. */
export function encodePlace({ first, parts }: CheckpointPlace): Uint8Array {
  const fields = new FieldWriter(16);
  fields.uint64(first);
  fields.uint64(parts);
  return fields.done();
}

/** The place in these bytes, none if there are no bytes; `undefined` if they are no place. */
export function decodePlace(bytes: Uint8Array): CheckpointPlace | undefined {
  if (bytes.length === 0) return { first: 0, parts: 0 };
  const fields = new FieldReader(bytes);
  try {
    const place = { first: fields.uint64(), parts: fields.uint64() };
    return fields.isOver ? place : undefined;
  } catch (error) {
    if (error instanceof NoField) return undefined;
    throw error;
  }
}

/** What is compacted. */
export interface Compacted {
  readonly log: Wal;
  readonly state: QueueState;
  /** The largest entry that the log takes. */
  readonly maxEntrySize: number;
  /** Appends a record that needs no sync, and takes it in. */
  append(drafts: readonly Draft[]): number;
  /** The bytes of a copy of a message, and its record. */
  copyOf(message: Message): Draft;
  /** The log's own state, which names a checkpoint. */
  ownState(place: CheckpointPlace): Uint8Array;
  /** Called with what has, perhaps, ended the log. */
  failed(error: unknown): void;
}

/** Compacts a queue when that is worth its cost, or when it is asked to; one at a time. */
export class Compaction {
  readonly #queue: Compacted;
  /** Resolves to a message that could not be copied, if there is one. */
  #running: Promise<Message | undefined> | undefined;
  #segments = 0;
  #isOver = false;

  constructor(queue: Compacted) {
    this.#queue = queue;
  }

  /** Begins one if the log has more segments than before, and it is worth it. It never rejects. */
  look(): void {
    if (this.#isOver || this.#running !== undefined) return;
    const { segments } = this.#queue.log.stats();
    if (segments === this.#segments) return;
    this.#segments = segments;
    const wanted = this.#wanted();
    if (wanted === undefined) return;
    // What a full disk refuses is tried again, when there are more segments.
    void this.#start(wanted === "carry").catch((error) => this.#queue.failed(error));
  }

  /** Compacts now, after one that runs. */
  async run(): Promise<void> {
    while (this.#running !== undefined) await this.#running.catch(() => {});
    const left = await this.#start(true);
    if (left !== undefined) throw cannotCopy(this.#queue.log.path, left.id, sizeOfCopy(left));
  }

  /** Begins no other, and resolves, never rejects, when none runs. */
  async end(): Promise<void> {
    this.#isOver = true;
    while (this.#running !== undefined) await this.#running.catch(() => {});
  }

  /** What is worth its cost. Space comes back a segment at a time. */
  #wanted(): "drop" | "carry" | undefined {
    const { log, state } = this.#queue;
    const first = state.firstAt ?? log.lastIndex + 1;
    const sealed = log.segments().slice(0, -1);
    const sum = (some: typeof sealed): number => some.reduce((all, { bytes }) => all + bytes, 0);
    const free = sum(sealed.filter(({ lastIndex }) => lastIndex < first));
    const checkpoint = sizeOfState(state);
    if (free > PINNED_RATIO * checkpoint) return "drop";
    const needed = state.liveBytes + checkpoint;
    if (sum(sealed) <= PINNED_RATIO * needed) return undefined;
    // A message that cannot be copied holds what is after it: to copy that again and again is no use.
    let pin = Infinity;
    for (const message of state.messages.values()) {
      if (!this.#canCopy(message)) pin = Math.min(pin, message.at);
    }
    const movable = sum(sealed.filter(({ lastIndex }) => lastIndex < pin));
    return movable > PINNED_RATIO * needed ? "carry" : undefined;
  }

  #canCopy(message: Message): boolean {
    return sizeOfCopy(message) <= this.#queue.maxEntrySize;
  }

  #start(carries: boolean): Promise<Message | undefined> {
    this.#running = this.#compact(carries).finally(() => this.#running = undefined);
    return this.#running;
  }

  async #compact(carries: boolean): Promise<Message | undefined> {
    const { log } = this.#queue;
    const left = carries ? await this.#carry() : undefined;
    const { place, head } = this.#checkpoint();
    await log.sync();
    const state = this.#queue.ownState(place);
    await log.truncateBeforeIndex(head, { state });
    this.#segments = log.stats().segments;
    return left;
  }

  /** Copies all messages that matter now to the end of the log; the first that is too large for it. */
  async #carry(): Promise<Message | undefined> {
    const { state, log } = this.#queue;
    const end = log.lastIndex;
    let left = SLICE;
    let tooLarge: Message | undefined;
    for (const message of [...state.messages.values()]) {
      // It may have been done since.
      if (state.messages.get(message.id) !== message || message.at > end) continue;
      if (!this.#canCopy(message)) {
        tooLarge ??= message;
        continue;
      }
      this.#queue.append([this.#queue.copyOf(message)]);
      left -= message.size;
      if (left > 0) continue;
      await clock.endOfTurn();
      left = SLICE;
    }
    return tooLarge;
  }

  /** Appends the state as it is now. What is below `head` is not needed once the log names it. */
  #checkpoint(): { place: CheckpointPlace; head: number } {
    const { state, maxEntrySize } = this.#queue;
    const bytes = encodeCheckpoint(state);
    const size = Math.min(MAX_PART, maxEntrySize - CHECKPOINT_HEADER);
    const parts = Math.max(1, Math.ceil(bytes.length / size));
    const before = state.firstAt;
    let first = 0;
    // Nothing comes between the parts: they are appended in one turn.
    for (let part = 0; part < parts; part++) {
      const data = encodeCheckpointPart(
        part,
        parts,
        bytes.subarray(part * size, (part + 1) * size),
      );
      const index = this.#queue.append([{
        record: { kind: "checkpoint", part, parts },
        bytes: data,
      }]);
      if (part === 0) first = index;
    }
    return { place: { first, parts }, head: Math.min(before ?? first, first) };
  }
}

/** The kind, the part and the number of parts. */
const CHECKPOINT_HEADER = 17;

/** How many bytes a copy of a message has. One that is a copy already stays as large as it is. */
function sizeOfCopy({ id, at, size }: Message): number {
  return at === id ? size + COPY_GROWTH : size;
}

/** About how many bytes a checkpoint has. */
function sizeOfState(state: QueueState): number {
  let tasks = 0;
  for (const consumer of state.consumers.values()) {
    tasks += consumer.tasks.size + consumer.dead.size;
  }
  return 64 + 16 * state.messages.size + 8 * tasks + state.keys.characters + 6 * state.keys.size;
}
