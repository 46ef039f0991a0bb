/**
 * The mutations of what holds at the ends: of the numbers, of the names, of the sizes.
 *
 * @module
 */
import type { Mutation } from "./list.ts";

const INDEX_ENDS = "tests/index_ends_test.ts";
const ARGUMENTS = "tests/arguments_test.ts";
const LARGE = "proof/large/large_test.ts";
const LOG_NAME = "tests/files/log_name_test.ts";
const SIBLINGS = "tests/files/siblings_test.ts";

/** The changes, each of which a test notices. */
export const ENDS: readonly Mutation[] = [
  {
    name: "an append goes beyond the largest index",
    in: "Segments.#requireIndexes",
    find: "if (count <= this.#indexesLeft) return;",
    replace: "if (count <= 3 * this.#indexesLeft + 3) return;",
    caughtBy: [
      INDEX_ENDS,
      "a reset at each index near the end: appended, read, rolled, cut and reopened",
    ],
  },
  {
    name: "entries that wait go beyond the largest index",
    in: "Segments.appendFrames",
    find: "count > this.#indexesLeft || !this.#fits",
    replace: "!this.#fits",
    caughtBy: [
      INDEX_ENDS,
      "a batch that would pass the end is refused whole; of those that wait, each has its own answer",
    ],
  },
  {
    name: "a reset goes beyond the largest index",
    in: "Wal.reset",
    find: "nextIndex < 1 || nextIndex > MAX_INDEX",
    replace: "nextIndex < 1",
    caughtBy: [
      INDEX_ENDS,
      "a reset beyond the largest index is refused, and the log is as it was",
    ],
  },
  {
    name: "a snapshot leaves no index for the log",
    in: "RaftStorage.installSnapshot",
    find: "index < 1 || index >= MAX_INDEX",
    replace: "index < 1",
    caughtBy: [INDEX_ENDS, "a Raft node's index and term end where they are exact"],
  },
  {
    name: "a segment with more entries than indexes is opened",
    in: "refuseIndexes",
    find: "firstIndex - 1 + entries > MAX_INDEX",
    replace: "firstIndex - 1 + entries > 2 * MAX_INDEX",
    caughtBy: [
      INDEX_ENDS,
      "a segment that holds more entries than there are indexes is refused",
    ],
  },
  {
    name: "a segment whose name is beyond the largest index is passed over",
    in: "segmentFilesOf",
    find: "if (isBeyondEnd(name, file))",
    replace: 'if (isBeyondEnd(name, ""))',
    caughtBy: [
      INDEX_ENDS,
      "a file whose name is an index beyond the end is refused; what is no u64 is no segment",
    ],
  },
  {
    name: "the meta file counts beyond its end",
    in: "MetaFile.requireSequence",
    find: "(this.#current?.sequence ?? 0) < MAX_SEQUENCE",
    replace: "(this.#current?.sequence ?? 0) <= MAX_SEQUENCE",
    caughtBy: [
      INDEX_ENDS,
      "a meta file whose numbers are beyond the end is refused; at the end it is not",
    ],
  },
  {
    name: "a name is not tried before a log is made",
    in: "prepare",
    find: "requireRoom(fileSystem, path); try",
    replace: "try",
    caughtBy: [
      LOG_NAME,
      "a log under a name that is too long is read, and the error says to rename it",
    ],
  },
  {
    name: "a name is not tried in a directory that was made for the log",
    in: "prepare",
    find: "options.mode); requireRoom(fileSystem, path);",
    replace: "options.mode);",
    caughtBy: [
      LOG_NAME,
      "the limit is the file system's own, also in a directory that is yet to be made",
    ],
  },
  {
    name: "a name has room for a roll only",
    in: "hasRoom",
    find: "name + LONGEST",
    replace: 'name + ".00000000000000000002"',
    caughtBy: [
      LOG_NAME,
      "a name of any length either has room for all names of the log's, or is refused",
    ],
  },
  {
    name: "a call takes more than it may",
    in: "NodeFile.read",
    find: "const size = Math.min(length - done, this.#maxCall); const n = fs.readSync",
    replace: "const size = length - done; const n = fs.readSync",
    caughtBy: [LARGE, "no call takes more than it may"],
  },
  {
    name: "memory that is not there is no error of the log's",
    in: "takeForWrite",
    find: 'throw writeFailed(`append ${size} bytes to "${path}"`, cause); } }',
    replace: "throw cause; } }",
    caughtBy: [
      LARGE,
      "memory that the runtime cannot give is reported as such, and the log is as before",
    ],
    runtime: "bun",
  },
  {
    name: "an unknown option is taken in silence",
    in: "requireOptions",
    find: "find((name) => !known.includes(name))",
    replace: "find((name) => name === known.join())",
    caughtBy: [ARGUMENTS, "an unknown option is named, with those that there are"],
  },
  {
    name: "the testing kit takes an unknown option in silence",
    in: "FaultyFileSystem.fail",
    find: 'requireOptions("options", options, [...FAULT_OPTIONS, "leaves", "tells"]);',
    replace: "",
    caughtBy: [
      ARGUMENTS,
      "the testing kit refuses unknown options, and values of the wrong kind",
    ],
  },
  {
    name: "a message shows what it was given",
    in: "kindOf beside RANGE",
    find: 'return `a string of ${counted(value.length, "character")}`;',
    replace: "return value;",
    caughtBy: [ARGUMENTS, "append: every wrong kind is refused by its kind, and nothing is done"],
  },
  {
    name: "a Raft batch is read again after a wait",
    in: "readEntries",
    find: "batch.push({ term, bytes: encoded(term, data) });",
    replace: "batch.push({ term, get bytes() { return encoded(term, data); } });",
    caughtBy: [
      ARGUMENTS,
      "a Raft batch is taken when it is given: the caller may change it at once",
    ],
  },
  {
    name: "a file in the redo file's place is removed whatever it is",
    in: "RedoFile.load",
    find: "if (!mayBegin(head, REDO_BEGINNING))",
    replace: "if (!mayBegin(head, head))",
    caughtBy: [SIBLINGS, "another program's LOG.redo is left alone"],
  },
  {
    name: "a file in the meta file's place is written over whatever it is",
    in: "MetaFile.#requireUnfinished",
    find: "if (!this.#isOwn(file))",
    replace: "if (!this.#isOwn(file) && file.size() > 1e9)",
    caughtBy: [SIBLINGS, "a log that is named LOG.meta keeps its entries when LOG is opened"],
  },
  {
    name: "a file below the head is removed whatever it is",
    in: "planOpening",
    find: "for (const file of options.readOnly ? [] : joined.leftovers)",
    replace: "for (const file of joined.leftovers.slice(9))",
    caughtBy: [
      SIBLINGS,
      "a file below the head that is not the log's is not removed as a leftover",
    ],
  },
  {
    name: "an interrupted truncation removes files whatever they are",
    in: "planReplacement",
    find: "for (const file of droppedAfter(redo.record, redo.after))",
    replace: "for (const file of droppedAfter(redo.record, redo.after).slice(9))",
    caughtBy: [
      SIBLINGS,
      "an interrupted truncation that is finished does not remove another log's file",
    ],
  },
];
