/**
 * From a queue's log to its state: the checkpoint that the log's own state names, and the records after
 * it.
 *
 * @module
 */
import type { Wal } from "../wal.ts";
import { decodeCheckpoint } from "./checkpoint.ts";
import { type CheckpointPlace, decodePlace } from "./compaction.ts";
import { checkpointBytes, decodeRecord } from "./records.ts";
import { unreadable } from "./refusals.ts";
import { QueueState } from "./state.ts";

/**
 * The state of a queue.
 *
 * @param own What the log's own state has of it.
 * @param keys How many keys are remembered.
 * @throws {WalError} `ERR_QUEUE_UNREADABLE`: the log is not as a queue leaves it.
 */
export function loadState(log: Wal, own: Uint8Array, keys: number): QueueState {
  const place = decodePlace(own);
  if (place === undefined) throw unreadable(log.path, "its state names no checkpoint");
  const state = place.first === 0 ? firstState(log, keys) : readCheckpoint(log, place, keys);
  log.replay((entry) => {
    const record = decodeRecord(entry.data);
    if (record === undefined) throw unreadable(log.path, `entry ${entry.index} is no record`);
    state.apply(entry.index, record, entry.end - entry.start);
  }, { from: place.first === 0 ? 1 : place.first + place.parts });
  return state;
}

/** The state of a queue that has no checkpoint: its log must have all of its records. */
function firstState(log: Wal, keys: number): QueueState {
  if (log.firstIndex === 1) return new QueueState(keys);
  throw unreadable(log.path, `it begins with entry ${log.firstIndex}, and names no checkpoint`);
}

function readCheckpoint(log: Wal, { first, parts }: CheckpointPlace, keys: number): QueueState {
  const last = first + parts - 1;
  if (parts < 1 || first < log.firstIndex || last > log.lastIndex) {
    const has = `has the entries ${log.firstIndex} to ${log.lastIndex}`;
    throw unreadable(log.path, `its checkpoint is the entries ${first} to ${last}, and it ${has}`);
  }
  const bytes: Uint8Array[] = [];
  for (const { index, data } of log.entries({ from: first, to: last })) {
    const record = decodeRecord(data);
    if (record?.kind !== "checkpoint" || record.part !== index - first || record.parts !== parts) {
      throw unreadable(
        log.path,
        `entry ${index} is no part of the checkpoint that begins at ${first}`,
      );
    }
    bytes.push(checkpointBytes(data));
  }
  const state = decodeCheckpoint(joined(bytes), keys);
  if (state !== undefined) return state;
  throw unreadable(log.path, `the checkpoint that begins at ${first} is no state of a queue`);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
