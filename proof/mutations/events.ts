/**
 * The mutations of what layers share, and of the log of events.
 *
 * @module
 */
import type { Mutation } from "./list.ts";

const CODEC = "tests/layer/codec_test.ts";
const CRASH = "tests/events/crash_test.ts";
const EVENTS = "tests/events/events_test.ts";
const TAG = "tests/layer/tag_test.ts";

/** The changes, each of which a test notices. */
export const EVENT_LOGS: readonly Mutation[] = [
  {
    name: "an event is acknowledged before it is durable",
    in: "EventLog.append",
    find: "return this.#log.appendAndSync(entry);",
    replace: "return Promise.resolve(this.#log.append(entry));",
    caughtBy: [
      CRASH,
      "after a crash at any step, what was acknowledged is there, in order, batches whole",
    ],
  },
  {
    name: "an event with an expected index is acknowledged before it is durable",
    in: "EventLog.#appendAfter",
    find: "await this.#log.sync();",
    replace: "await Promise.resolve();",
    caughtBy: [
      CRASH,
      "after a crash at any step, what was acknowledged is there, in order, batches whole",
    ],
  },
  {
    name: "an expected index is compared without the events that wait for a sync",
    in: "EventLog.#appendAfter",
    find: "const synced = this.#log.sync();",
    replace: "const synced = Promise.resolve();",
    caughtBy: [EVENTS, "an expected index admits one of several callers of the same moment"],
  },
  {
    name: "an expected index below the last is accepted",
    in: "EventLog.#appendAfter",
    find: "lastIndex === expected",
    replace: "lastIndex >= expected",
    caughtBy: [EVENTS, "an expected index admits one of several callers of the same moment"],
  },
  {
    name: "the events of a batch share the codec's memory",
    in: "EventLog.appendAll",
    find: "copyOf(this.#coder.encode(value, time))",
    replace: "this.#coder.encode(value, time)",
    caughtBy: [
      EVENTS,
      "a codec that returns its own memory, or decodes without a copy, loses nothing",
    ],
  },
  {
    name: "what the schema returns is not what is written",
    in: "validate",
    find: "return result.value;",
    replace: "return value as unknown as Output;",
    caughtBy: [
      EVENTS,
      "what does not pass the schema is refused, and what passes is written as the schema returns it",
    ],
  },
  {
    name: "an event of a later version is decoded",
    in: "EventCoder.#requireKnown",
    find: "version >= oldest && version <= newest",
    replace: "version >= oldest",
    caughtBy: [
      EVENTS,
      "an unknown version is an error that names index and version, and is never skipped",
    ],
  },
  {
    name: "only the last upcast is made",
    in: "EventCoder.#upcast",
    find: "let from = version;",
    replace: "let from = newest - 1;",
    caughtBy: [EVENTS, "an event of an older version passes through each upcast, in order"],
  },
  {
    name: "a gap in the upcasts is accepted",
    in: "upcastsOf",
    find: '!isLeftOut && typeof upcast !== "function"',
    replace: '!isLeftOut && upcast !== undefined && typeof upcast !== "function"',
    caughtBy: [
      EVENTS,
      "a gap in the upcasts is refused when the log is opened, and names the version",
    ],
  },
  {
    name: "a follower gives out what comes after an event that cannot be read",
    in: "Decoded.next",
    find: "result.done || this.#hasFailed",
    replace: "result.done",
    caughtBy: [
      EVENTS,
      "of calls of a follower that wait together, none gets an event after one that cannot be read",
    ],
  },
  {
    name: "a reverse loop gives out nothing of a stretch whose beginning was dropped",
    in: "reversed",
    find: "Math.max(from, last - count + 1, Math.min(last, log.firstIndex))",
    replace: "Math.max(from, last - count + 1)",
    caughtBy: [EVENTS, "events are dropped below an index, and a loop that they overtake says so"],
  },
  {
    name: "text that needs more bytes than it has characters is cut",
    in: "KeptMemory.text",
    find: "if (read < string.length) {",
    replace: "if (read < 0) {",
    caughtBy: [CODEC, "text of every length and width fits, whatever was encoded before it"],
  },
  {
    name: "text that is not UTF-8 is decoded as something else",
    in: "textOf beside requireCodec",
    find: "string.includes(REPLACEMENT) ? STRICT_TEXT.decode(bytes) : string",
    replace: "string.includes(REPLACEMENT) ? TEXT.decode(bytes) : string",
    caughtBy: [CODEC, "a byte order mark stays, and bytes that are not UTF-8 are refused"],
  },
  {
    name: "a log of another codec is opened",
    in: "ownState",
    find: "found.tag.codec !== tag.codec",
    replace: "found.tag.codec === undefined",
    caughtBy: [
      TAG,
      "a log of another layer, codec or format is refused, and the message says what it is",
    ],
  },
  {
    name: "a plain log gets a layer's tag",
    in: "ownState",
    find: "state.length === 0 && log.lastIndex === 0",
    replace: "state.length === 0",
    caughtBy: [TAG, "a plain log, one with a state and a Raft node's are refused"],
  },
];
