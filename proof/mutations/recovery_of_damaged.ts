/**
 * The mutations of what reads damaged logs: what makes an index certain, what marks a doubt, and what
 * bounds the search.
 *
 * @module
 */
import type { Mutation } from "./list.ts";

const RECOVER = "proof/recover/recover_test.ts";

const ENTRIES = "src/cli/whole_entries.ts";
const EXTENT = "src/cli/damage_extent.ts";
const LOG = "src/cli/recovered_log.ts";

const SEARCH = "what a search finds is marked, until a Durable frame stands in its place";
const BATCH = "entries of a batch that is not whole are marked, and those after it are counted";
const FILE_MISSING =
  "a file that is missing bounds what is, and the next one gives the index again";
const REPLACED = "the end of a file is as opening makes it while it is being replaced";

/** Of `wal recover`. */
export const DAMAGED_LOGS: readonly Mutation[] = [
  {
    name: "what a search finds is not marked",
    file: ENTRIES,
    find: "    this.#isFoundBySearch = true;\n    this.#mayBeInBatch = true;\n    return next;",
    replace: "    this.#mayBeInBatch = true;\n    return next;",
    caughtBy: [RECOVER, SEARCH],
  },
  {
    name: "what a search finds stays marked after a Durable frame in its place",
    file: ENTRIES,
    find: "    this.#isFoundBySearch = false;\n    this.#broken = undefined;\n    if",
    replace: "    this.#broken = undefined;\n    if",
    caughtBy: [RECOVER, SEARCH],
  },
  {
    name: "a changed byte does not tell where its frame ends",
    file: EXTENT,
    find: "    if (TABLE[byte] === value) return true;\n",
    replace: "",
    caughtBy: [RECOVER, SEARCH],
  },
  {
    name: "a header that may be damaged is believed for the count",
    file: ENTRIES,
    find: "const after = isSure ? advanced(this.#index, lost, lost) : this.#beyond(offset, next);",
    replace: "const after = isSure || true ? advanced(this.#index, lost, lost) : this.#index;",
    caughtBy: [RECOVER, "a header that leads to a whole frame by chance makes no index certain"],
  },
  {
    name: "the entries of a broken batch are given as others",
    file: ENTRIES,
    find: '      ? "incomplete"\n',
    replace: '      ? "whole"\n',
    caughtBy: [RECOVER, BATCH],
  },
  {
    name: "after a damaged Batch frame no entry is doubted",
    file: ENTRIES,
    find: "      this.#mayBeInBatch ||= frames.some((frame) => this.#mayBeBatch(frame));\n",
    replace: "",
    caughtBy: [RECOVER, BATCH],
  },
  {
    name: "the end of a broken batch does not give the index again",
    file: ENTRIES,
    find: "      this.#index = broken.after;\n",
    replace: "",
    caughtBy: [RECOVER, BATCH],
  },
  {
    name: "what a Seal does not count is shown",
    file: ENTRIES,
    find: "        isDropped = true;\n",
    replace: "",
    caughtBy: [
      RECOVER,
      "a Seal gives the indexes after any damage, and counts what a truncation dropped",
    ],
  },
  {
    name: "what looks like a Seal is believed",
    file: ENTRIES,
    find: "      if (frame !== undefined) this.#seal = undefined;\n      return frame;",
    replace: "      return undefined;",
    caughtBy: [RECOVER, "what looks like a Seal at the end of an entry is none"],
  },
  {
    name: "a Durable frame counts wherever it stands",
    file: ENTRIES,
    find: "          frame.ownOffset === at && frame.durableOffset <= at;",
    replace: "          frame.durableOffset <= at;",
    caughtBy: [RECOVER, "a Durable frame out of its place proves nothing"],
  },
  {
    name: "the search goes on for as long as it takes",
    file: "src/cli/frame_reader.ts",
    find: "    this.#budget -= FRAME_HEADER_SIZE + length;\n",
    replace: "",
    caughtBy: [RECOVER, "hostile bytes end the search, and that is told"],
    hangs: true,
  },
  {
    name: "a file that is missing is not told of",
    file: LOG,
    find: "      yield* this.#missingBetween(before, end, part);\n      const next = parts[i + 1];",
    replace: "      const next = parts[i + 1];",
    caughtBy: [RECOVER, FILE_MISSING],
  },
  {
    name: "dropped entries are given with the others",
    file: LOG,
    find: "    if (to < headIndex) yield { ...item, isDropped: true };",
    replace: "    if (to < headIndex) yield item;",
    caughtBy: [
      RECOVER,
      "what is below the first index stays dropped, unless nobody knows it any more",
    ],
  },
  {
    name: "another log's file is read as one of the log",
    file: LOG,
    find: '!sameLog(frame.logId, this.#logId)) {\n        const what = "the file belongs',
    replace: 'frame.logId.length === 0) {\n        const what = "the file belongs',
    caughtBy: [
      RECOVER,
      "files under each other's names are put in order, and another log's are left out",
    ],
  },
  {
    name: "what was set aside and is still there is given twice",
    file: LOG,
    find: "      if (this.#isStillThere(part, main)) continue;\n",
    replace: "",
    caughtBy: [RECOVER, "segments that were set aside whole stand where they were"],
  },
  {
    name: "a tail that is being replaced is shown as it was",
    file: LOG,
    find: "redo === undefined ? file : redo.over(file);",
    replace: "file;",
    caughtBy: [RECOVER, REPLACED],
  },
  {
    name: "a device's error ends the reading",
    file: "src/cli/readable_file.ts",
    find: '  return isFileSystemError(error) && error.code === "EIO";',
    replace: "  return error === undefined;",
    caughtBy: [RECOVER, "what a device cannot read is passed over"],
  },
  {
    name: "text that is none is imported as other bytes",
    file: "src/cli/entry_lines.ts",
    find: "return text.isWellFormed() ? Buffer.from(text) : undefined;",
    replace: "return Buffer.from(text);",
    caughtBy: [RECOVER, "a line that says something else is told of"],
  },
];
