/**
 * The mutations of order and overlap: two calls overlap and neither waits for the other, something is
 * noted before it is so, or a handle lives through a change that it should not outlive.
 *
 * @module
 */
import type { Mutation } from "./list.ts";

/** The test of calls that overlap, by the call that is held. */
function overlapping(held: string): readonly [file: string, test: string] {
  return ["proof/overlap/overlap_test.ts", `${held} overlaps other calls and keeps every promise`];
}

/** The same of a log that becomes idle meanwhile. */
function idleDuring(held: string): readonly [file: string, test: string] {
  return [
    "proof/overlap/overlap_test.ts",
    `the log becomes idle during ${held} and keeps every promise`,
  ];
}

const CRASH = "proof/crash/crash_test.ts";
const FAILURE = "tests/writer/failure_test.ts";

/** What close does before it is time, or does not wait for. */
const CLOSING: readonly Mutation[] = [
  {
    name: "close gives the lock back before its last sync",
    file: "src/wal.ts",
    find:
      "      if (!this.#options.readOnly && this.#failure === undefined) await this.#finish();\n",
    replace:
      "      this.#lock?.release();\n      if (!this.#options.readOnly && this.#failure === undefined) await this.#finish();\n",
    caughtBy: overlapping("close"),
  },
  {
    name: "close does not wait for a truncation",
    file: "src/wal.ts",
    find: "      await this.#queue;\n      await this.#commit.idle();\n",
    replace: "      await this.#commit.idle();\n",
    caughtBy: overlapping("truncateFromIndex of the last two"),
  },
  {
    name: "close does not wait for those who wait for a sync",
    file: "src/wal.ts",
    find: "      await this.#queue;\n      await this.#commit.idle();\n",
    replace: "      await this.#queue;\n",
    caughtBy: overlapping("appendAndSync"),
  },
  {
    name: "a second close does not wait for the first",
    file: "src/wal.ts",
    find: "    this.#closing ??= this.#close();\n    return this.#closing;\n",
    replace:
      "    if (this.#closing !== undefined) return Promise.resolve();\n    this.#closing = this.#close();\n    return this.#closing;\n",
    caughtBy: ["tests/writer/overlapping_syncs_test.ts", "a second close waits for the first"],
  },
  {
    name: "close keeps the lock",
    file: "src/wal.ts",
    find: "        (): void => this.#lock?.release(),\n",
    replace: "",
    caughtBy: overlapping("close"),
  },
  {
    name: "close leaves the directory open",
    file: "src/wal.ts",
    find: "        (): void => this.#directory.close(),\n",
    replace: "",
    caughtBy: overlapping("close"),
  },
  {
    name: "close leaves the meta file open",
    file: "src/wal.ts",
    find: "        (): void => this.#meta.close(),\n",
    replace: "",
    caughtBy: overlapping("close"),
  },
  {
    name: "a loop over entries outlives a close",
    file: "src/wal.ts",
    find: "  close(): Promise<void> {\n    this.#epoch++;\n",
    replace: "  close(): Promise<void> {\n",
    caughtBy: overlapping("entries, held in the middle"),
  },
];

/** What a truncation or a reset does not wait for, or others do not wait for while it runs. */
const REWRITING: readonly Mutation[] = [
  {
    name: "an idle Durable frame is written during a truncation",
    file: "src/wal.ts",
    find: "    if (this.#rewriting === undefined) this.#vouch();\n",
    replace: "    this.#vouch();\n",
    caughtBy: idleDuring("truncateFromIndex over segments"),
  },
  {
    name: "appendAndSync does not wait for a truncation",
    file: "src/wal.ts",
    find:
      "    while (this.#rewriting !== undefined) await this.#rewriting;\n    this.#requireEntry(data);\n",
    replace: "    this.#requireEntry(data);\n",
    caughtBy: overlapping("truncateFromIndex of the last two"),
  },
  {
    name: "appendBatchAndSync does not wait for a truncation",
    file: "src/wal.ts",
    find:
      "    while (this.#rewriting !== undefined) await this.#rewriting;\n    const range = this.appendBatch(entries);\n",
    replace: "    const range = this.appendBatch(entries);\n",
    caughtBy: overlapping("reset to 1"),
  },
  {
    name: "head truncations, states, tail truncations and resets overlap",
    file: "src/wal.ts",
    find: "    const result = this.#queue.then(async () => {\n",
    replace: "    const result = Promise.resolve().then(async () => {\n",
    caughtBy: overlapping("setState"),
  },
  {
    name: "a tail truncation does not look again for its entry when its turn comes",
    file: "src/wal.ts",
    find: "      this.#requireIndex(index);\n      await this.#segments.cutFrom(index);\n",
    replace: "      await this.#segments.cutFrom(index);\n",
    caughtBy: overlapping("truncateBeforeIndex of all"),
  },
  {
    name: "setState stores the head that was there when it was called",
    file: "src/wal.ts",
    find: "    await this.#serialize(() => this.#updateMeta(this.firstIndex, state));\n",
    replace:
      "    const { firstIndex } = this;\n    await this.#serialize(() => this.#updateMeta(firstIndex, state));\n",
    caughtBy: overlapping("truncateBeforeIndex of all"),
  },
  {
    name: "a truncation of the head stores the state that was there when it was called",
    file: "src/wal.ts",
    find:
      '    await this.#serialize(async () => {\n      // Only here: a reset that runs shows what is neither the log before nor the one after.\n      if (index !== this.lastIndex + 1) this.#requireIndex(index);\n      if (index === this.firstIndex) return;\n      this.#requireFormat2("drop the head of");\n      await this.#updateMeta(index, this.state);\n',
    replace:
      '    const { state } = this;\n    await this.#serialize(async () => {\n      // Only here: a reset that runs shows what is neither the log before nor the one after.\n      if (index !== this.lastIndex + 1) this.#requireIndex(index);\n      if (index === this.firstIndex) return;\n      this.#requireFormat2("drop the head of");\n      await this.#updateMeta(index, state);\n',
    caughtBy: overlapping("setState"),
  },
  {
    name: "a truncation of the head looks for its entry when it is called",
    file: "src/wal.ts",
    find:
      "    await this.#serialize(async () => {\n      // Only here: a reset that runs shows what is neither the log before nor the one after.\n      if (index !== this.lastIndex + 1) this.#requireIndex(index);\n",
    replace:
      "    if (index !== this.lastIndex + 1) this.#requireIndex(index);\n    await this.#serialize(async () => {\n",
    caughtBy: overlapping("reset forward"),
  },
  {
    name: "a truncation is over for others before it is",
    file: "src/wal.ts",
    find: "    this.#rewriting = result.then(() => {}, () => {}).finally(() => {\n",
    replace: "    this.#rewriting = Promise.resolve().finally(() => {\n",
    caughtBy: overlapping("truncateFromIndex of the last two"),
  },
];

/** What is noted before it is so, or later than it is. */
const NOTING: readonly Mutation[] = [
  {
    name: "the durable end is noted before the fdatasync has ended",
    file: "src/segment/segment.ts",
    find: "      end = this.#entriesEnd;\n      const bytes = this.unsyncedBytes;\n",
    replace:
      "      end = this.#entriesEnd;\n      const bytes = this.unsyncedBytes;\n      this.#durableEnd = Math.max(this.#durableEnd, end);\n",
    caughtBy: overlapping("appendAndSync"),
  },
  {
    name: "entries count as durable before the fdatasync has ended",
    file: "src/segment/segment.ts",
    find: "      count = this.offsets.count;\n      end = this.#entriesEnd;\n",
    replace:
      "      count = this.offsets.count;\n      this.#durableCount = Math.max(this.#durableCount, count);\n      end = this.#entriesEnd;\n",
    caughtBy: overlapping("appendAndSync"),
  },
  {
    name: "a sync covers what was there when it was asked for, and counts what came until it began",
    file: "src/segment/segment.ts",
    find:
      "    this.#durableCount = Math.max(this.#durableCount, count);\n    this.#settledCount = this.#durableCount;\n    this.#durableEnd = Math.max(this.#durableEnd, this.#unsettledEnd, end);\n",
    replace:
      "    this.#durableCount = Math.max(count, this.offsets.count);\n    this.#settledCount = this.#durableCount;\n    this.#durableEnd = Math.max(this.#durableEnd, this.#unsettledEnd, end);\n",
    caughtBy: overlapping("sync"),
  },
  {
    name: "entries that are being cut count as durable meanwhile",
    file: "src/segment/segment.ts",
    find: "      this.#durableCount = Math.min(this.#durableCount, count);\n",
    replace: "",
    caughtBy: overlapping("truncateFromIndex of the last two"),
  },
  {
    name: "entries that were cut from the file are there until the cut is durable",
    file: "src/segment/segment.ts",
    find:
      "      this.offsets.cut(count);\n      this.#batches.starts.cut(batches);\n      this.#batches.ends.cut(batches);\n      this.#end = end;\n",
    replace:
      "      this.#file.sync().then(() => this.offsets.cut(count));\n      this.#batches.starts.cut(batches);\n      this.#batches.ends.cut(batches);\n      this.#end = end;\n",
    caughtBy: overlapping("truncateFromIndex of the last two"),
  },
  {
    name: "a truncation forgets what an earlier one has left vouched for",
    file: "src/segment/segment.ts",
    find: "      this.#mostVouched = Math.min(this.#mostVouched, end);\n",
    replace: "      this.#mostVouched = 0;\n",
    caughtBy: [CRASH, "every crash of one truncation after the other keeps every promise"],
  },
  {
    name: "a cut leaves the durable end where it was",
    file: "src/segment/segment.ts",
    find:
      "    this.#durableCount = this.#settledCount = count;\n    this.#durableEnd = this.#entriesEnd;\n    this.#unsettledEnd = 0;\n",
    replace: "    this.#durableCount = this.#settledCount = count;\n    this.#unsettledEnd = 0;\n",
    caughtBy: overlapping("truncateFromIndex of the last two"),
  },
  {
    name: "a state and a head count before they are durable",
    file: "src/files/meta.ts",
    find: "      await this.#file.sync();\n      // The second slot",
    replace:
      "      this.#current = slot;\n      await this.#file.sync();\n      // The second slot",
    caughtBy: overlapping("truncateBeforeIndex of all"),
  },
  {
    name: "a follower is not told that a sync has ended",
    file: "src/wal.ts",
    find: "  #synced(): void {\n    this.#changes.notify();\n",
    replace: "  #synced(): void {\n",
    caughtBy: overlapping("appendAndSync"),
  },
];

/** What lives through a change that it should not outlive. */
const OUTLIVING: readonly Mutation[] = [
  {
    name: "full segments that were read stay open over a reset",
    file: "src/files/segments.ts",
    find: "      this.#closeAll();\n      this.#sealed.length = 0;\n",
    replace: "      this.#sealed.length = 0;\n",
    caughtBy: overlapping("reset forward"),
  },
  {
    name: "full segments that were read stay open over a tail truncation",
    file: "src/files/segments.ts",
    find: "    this.#active.close();\n    this.#closeAll();\n    this.#sealed.length = kept;\n",
    replace: "    this.#active.close();\n    this.#sealed.length = kept;\n",
    caughtBy: overlapping("truncateFromIndex over segments"),
  },
  {
    name: "the last segment stays open when a tail truncation removes it",
    file: "src/files/segments.ts",
    find: "    this.#active.close();\n    this.#closeAll();\n    this.#sealed.length = kept;\n",
    replace: "    this.#closeAll();\n    this.#sealed.length = kept;\n",
    caughtBy: overlapping("truncateFromIndex over segments"),
  },
  {
    name: "the last segment stays open when a reset removes it",
    file: "src/files/segments.ts",
    find: "        old.close();\n        dropped.push(old.path);\n",
    replace: "        dropped.push(old.path);\n",
    caughtBy: overlapping("reset forward"),
  },
  {
    name: "a full segment stays open when the next is made",
    file: "src/files/segments.ts",
    find: "    this.#active = next;\n    full.close();\n",
    replace: "    this.#active = next;\n",
    caughtBy: overlapping("sync"),
  },
  {
    name: "a full segment is closed while a sync of it runs",
    file: "src/segment/segment.ts",
    find: "    this.#second?.close();\n    if (this.#running === 0) this.#file.close();\n",
    replace: "    this.#second?.close();\n    this.#file.close();\n",
    caughtBy: overlapping("sync"),
  },
  {
    name: "a full segment whose sync ends later stays open",
    file: "src/segment/segment.ts",
    find: "      if (this.#closed && this.#running === 0) this.#file.close();\n",
    replace: "",
    caughtBy: overlapping("sync"),
  },
  {
    name: "the second descriptor of a full segment stays open",
    file: "src/segment/segment.ts",
    find: "    this.#second?.close();\n    if (this.#running === 0) this.#file.close();\n",
    replace: "    if (this.#running === 0) this.#file.close();\n",
    caughtBy: overlapping("sync"),
  },
  {
    name: "a loop over entries outlives the truncation of what it reads next",
    file: "src/wal.ts",
    find: "    if (cursor.epoch !== this.#epoch) this.#requireNext(cursor, to);\n    try {\n",
    replace: "    try {\n",
    caughtBy: overlapping("entries, held in the middle"),
  },
  {
    name: "a failed open leaves the meta file open",
    file: "src/opening/open.ts",
    find: "      opened?.segments.close();\n      meta.close();\n",
    replace: "      opened?.segments.close();\n",
    caughtBy: [FAILURE, "an open that fails, at any of its calls, leaves no file open"],
  },
  {
    name: "a failed open leaves the new last segment open",
    file: "src/opening/open.ts",
    find: "      segments?.close();\n",
    replace: "",
    caughtBy: [FAILURE, "an open that fails, at any of its calls, leaves no file open"],
  },
];

/** The changes, each of which a test notices. */
export const ORDER_AND_OVERLAP: readonly Mutation[] = [
  ...CLOSING,
  ...REWRITING,
  ...NOTING,
  ...OUTLIVING,
].map((mutation) => ({ ...mutation, group: "order and overlap" }));
