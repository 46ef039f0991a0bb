/**
 * The bytes of a Raft node: an entry of its log, and the state beside the log.
 *
 * ```text
 * entry: term u64 | command
 * state: version u8 = 1 | term u64 | snapshot index u64 | snapshot term u64 | voted u8 | UTF-8 vote
 * ```
 *
 * Numbers are big-endian, as everywhere in the log's files.
 *
 * @module
 */
import { readUint64, writeUint64 } from "../format/integers.ts";
import { isFirstIndex } from "../format/limits.ts";

/** What stands in front of a command. */
const TERM_SIZE = 8;

const STATE_VERSION = 1;
const VOTE_AT = 1 + 8 + 8 + 8;
const STATE_SIZE = VOTE_AT + 1;

/** What a node keeps beside its log. */
export interface RaftState {
  /** The latest term that the node has seen. */
  readonly term: number;
  /** The node that it voted for in that term. */
  readonly votedFor: string | null;
  /** The last entry that the snapshot has; index and term 0 for none. */
  readonly snapshot: { readonly index: number; readonly term: number };
}

/** The state of a node that has never run. */
export const FIRST_STATE: RaftState = { term: 0, votedFor: null, snapshot: { index: 0, term: 0 } };

/** A command with its term in front. */
export function encodeEntry(term: number, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(TERM_SIZE + data.length);
  writeUint64(bytes, 0, term);
  bytes.set(data, TERM_SIZE);
  return bytes;
}

/** The term and the command in an entry's bytes; undefined if they are none. */
export function decodeEntry(bytes: Uint8Array): { term: number; data: Uint8Array } | undefined {
  if (bytes.length < TERM_SIZE) return undefined;
  const term = readUint64(bytes, 0);
  return isTerm(term) ? { term, data: bytes.subarray(TERM_SIZE) } : undefined;
}

/** The state as bytes. */
export function encodeState({ term, votedFor, snapshot }: RaftState): Uint8Array {
  const vote = new TextEncoder().encode(votedFor ?? "");
  const bytes = new Uint8Array(STATE_SIZE + vote.length);
  bytes[0] = STATE_VERSION;
  writeUint64(bytes, 1, term);
  writeUint64(bytes, 9, snapshot.index);
  writeUint64(bytes, 17, snapshot.term);
  bytes[VOTE_AT] = votedFor === null ? 0 : 1;
  bytes.set(vote, STATE_SIZE);
  return bytes;
}

/** The state in these bytes, the first one if there are none; undefined if they are no state. */
export function decodeState(bytes: Uint8Array): RaftState | undefined {
  if (bytes.length === 0) return FIRST_STATE;
  if (bytes.length < STATE_SIZE || bytes[0] !== STATE_VERSION) return undefined;
  const term = readUint64(bytes, 1);
  const snapshot = { index: readUint64(bytes, 9), term: readUint64(bytes, 17) };
  if (!Number.isSafeInteger(term) || !isMark(snapshot)) return undefined;
  const vote = bytes.subarray(STATE_SIZE);
  const votedFor = bytes[VOTE_AT] === 0 ? null : new TextDecoder("utf-8", WHOLE).decode(vote);
  return { term, votedFor, snapshot };
}

/** Whether it is the mark of a snapshot, or of none. */
function isMark({ index, term }: RaftState["snapshot"]): boolean {
  if (index === 0) return term === 0;
  return isFirstIndex(index + 1) && isTerm(term);
}

/** A name that begins with U+FEFF keeps it. */
const WHOLE = { ignoreBOM: true };

/** Whether a number can be an entry's term: the first election is for term 1. */
export function isTerm(term: number): boolean {
  return Number.isSafeInteger(term) && term >= 1;
}
