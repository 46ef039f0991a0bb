/**
 * The mutations of what layers build on, and of the layers that are close to the log: batches that are
 * seen whole, waits for durability, retention, streams, threads.
 *
 * @module
 */
import type { Mutation } from "./list.ts";

const BATCHES = "tests/reader/batches_test.ts";
const DURABLE = "tests/reader/durable_test.ts";
const PARTS = "tests/log_parts_test.ts";
const RETENTION = "tests/files/retention_test.ts";
const STREAMS = "tests/streams/streams_test.ts";
const THREADS = "tests/threads/threads_test.ts";

const ENDS = "every read says where batches end, whatever was dropped, rolled and opened again";

/** The changes, each of which a test notices. */
export const LAYERS_BELOW: readonly Mutation[] = [
  {
    name: "a batch that a Seal cuts has no end",
    in: "EntryCursor.endsBatch",
    find: "|| this.#isLastOfSegment",
    replace: "",
    caughtBy: [BATCHES, ENDS],
  },
  {
    name: "a chunk that joins the last one does not know its open batch",
    in: "EntryCursor.#beginChunk",
    find: "if (!this.#joins(segment)) this.#batchEnd = undefined;",
    replace: "if (!this.#joins(segment)) this.#batchEnd = undefined; else this.#batchEnd = 0;",
    caughtBy: [
      BATCHES,
      "the end of a batch is found from its middle, after large entries and long runs",
    ],
  },
  {
    name: "a follower of batches continues within a batch that it has not seen",
    in: "Follower.#find",
    find: "this.#next = next = Math.max(atom.firstIndex, log.firstIndex);",
    replace: "",
    caughtBy: [
      BATCHES,
      "where a reader's entries are now in a batch, all of that is yielded again",
    ],
  },
  {
    name: "an entry that is read a second time makes a follower forget those before it",
    in: "Account.note",
    find: "if (index > this.#to + 1 || index < this.#from)",
    replace: "if (index !== this.#to + 1)",
    caughtBy: [BATCHES, "what is read again is remembered with what was before it"],
  },
  {
    name: "a head truncation stores the old state",
    in: "LogWriter.#dropBefore",
    find: "newState ?? state",
    replace: "state",
    caughtBy: [PARTS, "a head truncation stores a state with the same update of the meta file"],
  },
  {
    name: "a wait for durability outlives the entry",
    in: "LogReader.dropped",
    find: "this.#waiters.reject(from, Infinity, (index) => droppedUndurable(this.#log, index));",
    replace: "",
    caughtBy: [DURABLE, "durable refuses what is no entry, and what a truncation drops meanwhile"],
  },
  {
    name: "a wait for durability resolves for an entry that the head has passed",
    in: "LogReader.#settleWaiters",
    find: "this.#waiters.reject(1, log.firstIndex - 1, (index) => droppedUndurable(log, index));",
    replace: "",
    caughtBy: [DURABLE, "durable refuses what is no entry, and what a truncation drops meanwhile"],
  },
  {
    name: "a wait for durability in a reader does not see a truncation",
    in: "watchDurable",
    find: "index >= Math.min(rewind, log.lastIndex + 1)",
    replace: "index > Math.max(rewind, log.lastIndex)",
    caughtBy: [
      DURABLE,
      "in a reader durable waits for the frame that says so, and sees a truncation",
    ],
  },
  {
    name: "a holder loses the entry that it needs first",
    in: "planRetention",
    find: "segment.lastIndex >= needed",
    replace: "segment.lastIndex > needed",
    caughtBy: [RETENTION, "nothing goes that a holder needs, and the one that needs most is named"],
  },
  {
    name: "a stream appends more than may be without a sync",
    in: "Sink.write",
    find: "this.#bytes + size > this.#ahead",
    replace: "this.#bytes > this.#ahead",
    caughtBy: [
      STREAMS,
      "never more than `ahead` bytes are not durable, and a producer waits for the disk",
    ],
  },
  {
    name: "a stream that is closed leaves its last bytes without a sync",
    in: "writable beside WritableOptions",
    find: "close: () => sink.sync(),",
    replace: "",
    caughtBy: [STREAMS, "a chunk that is larger than `ahead` is synced at once"],
  },
  {
    name: "a server that stops leaves calls without an answer",
    in: "Server.#send",
    find: "this.#isClosing && this.#open === 0",
    replace: "this.#isClosing",
    caughtBy: [
      THREADS,
      "a server that stops answers what it has, refuses what comes, and ends the remote",
    ],
  },
  {
    name: "a remote sends whatever it is given at once",
    in: "Link.#fill",
    find: "if (this.#inFlight > 0 && this.#inFlight + waiting.cost > this.#limit) break;",
    replace: "",
    caughtBy: [THREADS, "a port sends no message that is larger than what may be on its way"],
  },
];
