/**
 * The mutations of what reads damaged logs: what makes an index certain, what marks a doubt, and what
 * bounds the search.
 *
 * @module
 */
import type { Mutation } from "./list.ts";

const RECOVER = "proof/recover/recover_test.ts";

const SEARCH = "what a search finds is marked, until a Durable frame stands in its place";
const BATCH = "entries of a batch that is not whole are marked, and those after it are counted";
const FILE_MISSING =
  "a file that is missing bounds what is, and the next one gives the index again";
const REPLACED = "the end of a file is as opening makes it while it is being replaced";

/** Of `wal recover`. */
export const DAMAGED_LOGS: readonly Mutation[] = [
  {
    name: "what a search finds is not marked",
    in: "Walk.#passDamage",
    find: "this.#damage(offset, next - offset, after, what); this.#isFoundBySearch = true;",
    replace: "this.#damage(offset, next - offset, after, what);",
    caughtBy: [RECOVER, SEARCH],
  },
  {
    name: "what a search finds stays marked after a Durable frame in its place",
    in: "Walk.#takeInternal",
    find: "this.#isFoundBySearch = false; this.#batches.close(",
    replace: "this.#batches.close(",
    caughtBy: [RECOVER, SEARCH],
  },
  {
    name: "a changed byte does not tell where its frame ends",
    in: "isOneByte",
    find: "if (TABLE[byte] === value) return true;",
    replace: "",
    caughtBy: [RECOVER, SEARCH],
  },
  {
    name: "a header that may be damaged is believed for the count",
    in: "Walk.#passDamage",
    find: "isSure ? advanced(this.#index, lost, lost) :",
    replace: "isSure || true ? advanced(this.#index, lost, lost) :",
    caughtBy: [RECOVER, "a header that leads to a whole frame by chance makes no index certain"],
  },
  {
    name: "the entries of a broken batch are given as others",
    in: "BatchView.takeEntry",
    find: '? "incomplete"',
    replace: '? "whole"',
    caughtBy: [RECOVER, BATCH],
  },
  {
    name: "after a damaged Batch frame no entry is doubted",
    in: "Walk.#passDamage",
    find: "if (this.#isFoundBySearch || frames.some(mayBeBatch)) this.#batches.hide();",
    replace: "if (this.#isFoundBySearch) this.#batches.hide();",
    caughtBy: [RECOVER, BATCH],
  },
  {
    name: "the end of a broken batch does not give the index again",
    in: "Walk.#step",
    find: "this.#index = after; this.#bounds.clear();",
    replace: "this.#bounds.clear();",
    caughtBy: [RECOVER, BATCH],
  },
  {
    name: "what looks like a Seal is believed",
    in: "Walk.#frameAt",
    find: "if (frame !== undefined) this.#seals.drop(); return frame;",
    replace: "return undefined;",
    caughtBy: [RECOVER, "what looks like a Seal at the end of an entry is none"],
  },
  {
    name: "a Durable frame counts wherever it stands",
    in: "Walk.#isOwn",
    find: "frame.ownOffset === at && frame.durableOffset <= at;",
    replace: "frame.durableOffset <= at;",
    caughtBy: [RECOVER, "a Durable frame out of its place proves nothing"],
  },
  {
    name: "the search takes as long as it needs",
    in: "FrameReader.#spend",
    find: "this.#budget -= FRAME_HEADER_SIZE + length;",
    replace: "",
    caughtBy: [RECOVER, "hostile bytes end the search, and that is told"],
    hangs: true,
  },
  {
    name: "a file that is missing is not reported",
    in: "RecoveredLog.#readParts",
    find: "yield* this.#missingBetween(before, end, part); const next = parts[i + 1];",
    replace: "const next = parts[i + 1];",
    caughtBy: [RECOVER, FILE_MISSING],
  },
  {
    name: "dropped entries are given with the others",
    in: "belowHeadMarked",
    find: "if (to < headIndex) yield { ...item, isDropped: true };",
    replace: "if (to < headIndex) yield item;",
    caughtBy: [
      RECOVER,
      "what is below the first index stays dropped, unless it is unknown",
    ],
  },
  {
    name: "another log's file is read as one of the log",
    in: "LogParts.parts",
    find: '!sameLog(frame.logId, this.#walks.logId)) { const what = "the file belongs to another ' +
      'log: recover it by itself, by its own path"',
    replace: 'frame.logId.length === 0) { const what = "the file belongs to another log: recover ' +
      'it by itself, by its own path"',
    caughtBy: [
      RECOVER,
      "files under each other's names are put in order, and another log's are left out",
    ],
  },
  {
    name: "what was set aside and is still there is given twice",
    in: "LogParts.chainsOf",
    find: "if (this.#isStillThere(part, main)) continue;",
    replace: "",
    caughtBy: [RECOVER, "segments that were set aside whole stand where they were"],
  },
  {
    name: "a tail that is being replaced is shown as it was",
    in: "PartReader.readPart",
    find: "redo === undefined ? file : redo.over(file);",
    replace: "file;",
    caughtBy: [RECOVER, REPLACED],
  },
  {
    name: "a device's error ends the reading",
    in: "isDeviceError",
    find: 'return isFileSystemError(error) && error.code === "EIO";',
    replace: "return error === undefined;",
    caughtBy: [RECOVER, "what a device cannot read is passed over"],
  },
  {
    name: "text that is none is imported as other bytes",
    in: "bytesOf",
    find: "return text.isWellFormed() ? Buffer.from(text) : undefined;",
    replace: "return Buffer.from(text);",
    caughtBy: [RECOVER, "a line that says something else is reported"],
  },
];
