/**
 * The tag: a log has one layer, and its state begins with that layer's name.
 *
 * ```text
 * "WL" | version u8 = 1 | kind: length u8, UTF-8 | codec: length u8, UTF-8 | format u8 | the layer's own
 * ```
 *
 * @module
 */
import { copyOf } from "../bytes.ts";
import { WalError } from "../errors.ts";
import type { WalOptions } from "../options.ts";
import { Wal } from "../wal.ts";

/** What a layer writes into the state of its log. */
export interface Tag {
  /** The layer: `"events"`, `"machine"`, `"queue"`, `"map"`. */
  readonly kind: string;
  /** The codec's name; empty for a layer without one. */
  readonly codec: string;
  /** The version of the layer's own bytes, from 1 to 255. */
  readonly format: number;
}

/** A tag, and what the layer has after it. */
export interface TaggedState {
  readonly tag: Tag;
  /** The layer's own bytes. */
  readonly own: Uint8Array;
}

/** A log of one layer. */
export interface TaggedLog {
  readonly log: Wal;
  /** The layer's own bytes of the state. */
  readonly own: Uint8Array;
}

const MAGIC: readonly number[] = [0x57, 0x4c]; // "WL"
const VERSION = 1;

/** What a log of each kind is, and what opens it. */
const KINDS: Readonly<Record<string, { readonly what: string; readonly opener: string }>> = {
  events: { what: "a log of events", opener: "EventLog of @durable/wal/events" },
  machine: { what: "a state machine's log", opener: "StateMachine of @durable/wal/machine" },
  queue: { what: "a queue", opener: "Queue of @durable/wal/queue" },
  map: { what: "a durable map", opener: "DurableMap of @durable/wal/map" },
};

/** A Raft node's state begins with its version and has at least this size. */
const RAFT_VERSION = 1;
const RAFT_SIZE = 26;

/** A state: a tag, and the layer's own bytes after it. */
export function withTag({ kind, codec, format }: Tag, own: Uint8Array): Uint8Array {
  const names = [kind, codec].map((name) => new TextEncoder().encode(name));
  const parts = [
    ...MAGIC,
    VERSION,
    ...names.flatMap((name) => [name.length, ...name]),
    format,
  ];
  const state = new Uint8Array(parts.length + own.length);
  state.set(parts);
  state.set(own, parts.length);
  return state;
}

/** The tag in a state; `undefined` if it has none of this version. */
export function readTag(state: Uint8Array): TaggedState | undefined {
  if (!isTagged(state) || state[2] !== VERSION) return undefined;
  const kind = readName(state, 3);
  const codec = kind && readName(state, kind.end);
  if (kind === undefined || codec === undefined) return undefined;
  const format = state[codec.end];
  if (format === undefined) return undefined;
  const own = copyOf(state.subarray(codec.end + 1));
  return { tag: { kind: kind.name, codec: codec.name, format }, own };
}

function isTagged(state: Uint8Array): boolean {
  return MAGIC.every((byte, at) => state[at] === byte);
}

/** A name, and where it ends. */
function readName(state: Uint8Array, at: number): { name: string; end: number } | undefined {
  const end = at + 1 + (state[at] ?? 0);
  if (end > state.length) return undefined;
  const name = new TextDecoder("utf-8", { ignoreBOM: true }).decode(state.subarray(at + 1, end));
  return { name, end };
}

/**
 * Opens the log of a layer, or makes it. A log that is new gets the tag.
 *
 * Durability at return: the tag, and every entry that the log then has.
 *
 * @throws {WalError} As `Wal.open`. `ERR_WAL_FORMAT`: it is another layer's log, a plain one, of
 * another codec, or of a later version. `ERR_WAL_NOT_FOUND`: with `readOnly`, the log has no tag yet.
 */
export async function openTagged(path: string, options: WalOptions, tag: Tag): Promise<TaggedLog> {
  const log = await Wal.open(path, options);
  try {
    return { log, own: await ownState(log, options.readOnly === true, tag) };
  } catch (error) {
    await log.close();
    throw error;
  }
}

/** The layer's own bytes of a log's state. */
async function ownState(log: Wal, isReadOnly: boolean, tag: Tag): Promise<Uint8Array> {
  const { state } = log;
  // A crash between the making of a log and its tag leaves it so too.
  if (state.length === 0 && log.lastIndex === 0) {
    if (isReadOnly) throw notTaggedYet(log.path, tag);
    await log.setState(withTag(tag, new Uint8Array()));
    return new Uint8Array();
  }
  const found = readTag(state);
  if (found?.tag.kind === tag.kind) {
    if (found.tag.codec !== tag.codec) throw otherCodec(log.path, found.tag, tag);
    if (found.tag.format === tag.format) return found.own;
  }
  throw otherLayer(log.path, state, tag);
}

function notTaggedYet(path: string, tag: Tag): WalError {
  return new WalError(
    "ERR_WAL_NOT_FOUND",
    `"${path}" is not ${
      whatIs(tag)
    } yet: it is empty, and has no tag of a layer. Open it without ` +
      "readOnly once, or wait until its writer has.",
  );
}

function otherCodec(path: string, found: Tag, wanted: Tag): WalError {
  return new WalError(
    "ERR_WAL_FORMAT",
    `"${path}" is ${whatIs(found)}, and was opened with the codec ${
      JSON.stringify(wanted.codec)
    }. ` +
      "Nothing was changed. Open it with its own codec, or give another path.",
  );
}

function otherLayer(path: string, state: Uint8Array, wanted: Tag): WalError {
  return new WalError(
    "ERR_WAL_FORMAT",
    `"${path}" is ${describeState(state)}, and not ${
      whatIs(wanted)
    }. Its entries and its state were ` +
      `not changed. ${adviceFor(state, wanted)}`,
  );
}

/** What a log with this state is, in words, such as `a queue with the codec "json"`. */
export function describeState(state: Uint8Array): string {
  if (state.length === 0) return "a plain log";
  const found = readTag(state);
  if (found !== undefined) return whatIs(found.tag);
  if (isTagged(state)) return "a layer's log of a later version";
  const isRaft = state[0] === RAFT_VERSION && state.length >= RAFT_SIZE;
  return isRaft ? "a Raft node's log" : "a plain log with a state";
}

/** What a log with a tag is, in words. */
function whatIs({ kind, codec, format }: Tag): string {
  const what = KINDS[kind]?.what ?? `a log of the layer ${JSON.stringify(kind)}`;
  const how = codec === "" ? "" : ` with the codec ${JSON.stringify(codec)}`;
  return format === 1 ? `${what}${how}` : `${what}${how} in the format ${format}`;
}

/** What to do about a log that is not the layer's. */
function adviceFor(state: Uint8Array, wanted: Tag): string {
  const tag = readTag(state)?.tag;
  if (tag?.kind === wanted.kind || (tag === undefined && isTagged(state))) {
    return "Open it with the version of this package that wrote it, or a later one.";
  }
  if (tag !== undefined) {
    const opener = KINDS[tag.kind]?.opener ?? "the layer that wrote it";
    return `Open it with ${opener}, or give another path.`;
  }
  if (state.length > 0) return "Open it with what wrote it, or give another path.";
  return "Open it with Wal, or give another path. If its state was lost together with its .meta " +
    "file, restore that.";
}
