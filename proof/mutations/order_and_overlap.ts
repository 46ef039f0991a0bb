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

/** What catches a mistake about a roll that is on its way. */
const ROLLS: readonly [file: string, test: string] = [
  "proof/crash/crash_test.ts",
  "every crash around rolls that are on their way keeps every promise",
];

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
    name: "an append is written after waiting entries that ended the handle",
    in: "LogWriter.#flush",
    find: "if (this.#commit.flush()) this.#lifecycle.requireNotEnded();",
    replace: "this.#commit.flush();",
    caughtBy: [
      FAILURE,
      "append changes nothing once the entries written before it have ended the handle",
    ],
  },
  {
    name: "an entry that is not staged is written after waiting ones that ended the handle",
    in: "LogWriter.constructor",
    find: "lifecycle.requireNotEnded(); return this.#append(data);",
    replace: "return this.#append(data);",
    caughtBy: [
      FAILURE,
      "appendAndSync of an entry that is not staged changes nothing once the entries written before it have ended the handle",
    ],
  },
  {
    name: "close gives the lock back before its last sync",
    in: "LogWriter.#close",
    find: "if (!this.#lifecycle.hasEnded) await this.#finish();",
    replace: "this.#lock?.release(); if (!this.#lifecycle.hasEnded) await this.#finish();",
    caughtBy: overlapping("close"),
  },
  {
    name: "close does not wait for a truncation",
    in: "Lifecycle.close",
    find: "resolve(this.#turns.then(finish));",
    replace: "resolve(finish());",
    caughtBy: overlapping("truncateFromIndex of the last two"),
  },
  {
    name: "close does not wait for the calls that wait for a sync",
    in: "LogWriter.#close",
    find: "await this.#settled(); if",
    replace: "await this.#writeBehind; if",
    caughtBy: overlapping("appendAndSync"),
  },
  {
    name: "a second close does not wait for the first",
    in: "Lifecycle.close",
    find: "return this.#state.done;",
    replace: "return Promise.resolve();",
    caughtBy: ["tests/writer/overlapping_syncs_test.ts", "a second close waits for the first"],
  },
  {
    name: "close keeps the lock",
    in: "giveBackLog",
    find: "(): void => lock?.release()",
    replace: "(): void => {}",
    caughtBy: overlapping("close"),
  },
  {
    name: "close leaves the directory open",
    in: "giveBackLog",
    find: "(): void => directory.close(),",
    replace: "",
    caughtBy: overlapping("close"),
  },
  {
    name: "close leaves the meta file open",
    in: "giveBackLog",
    find: "(): void => meta.close(),",
    replace: "",
    caughtBy: overlapping("close"),
  },
  {
    name: "a loop over entries outlives a close",
    in: "Lifecycle.close",
    find: "this.#epoch++; this.#onChange();",
    replace: "this.#onChange();",
    caughtBy: overlapping("entries, held in the middle"),
  },
];

/** What a truncation or a reset does not wait for, or others do not wait for while it runs. */
const REWRITING: readonly Mutation[] = [
  {
    name: "an idle Durable frame is written during a truncation",
    in: "Announcer.#rest",
    find: "if (this.#idle.mayWrite) this.now();",
    replace: "this.now();",
    caughtBy: idleDuring("truncateFromIndex over segments"),
  },
  {
    name: "appendAndSync does not wait for a truncation",
    in: "Wal.appendAndSync",
    find:
      "while (this.#lifecycle.rewritten !== undefined) await this.#lifecycle.rewritten; this.#requireEntry(data);",
    replace: "this.#requireEntry(data);",
    caughtBy: overlapping("truncateFromIndex of the last two"),
  },
  {
    name: "appendBatchAndSync does not wait for a truncation",
    in: "Wal.appendBatchAndSync",
    find:
      "while (this.#lifecycle.rewritten !== undefined) await this.#lifecycle.rewritten; const batch = this.#readBatch(entries);",
    replace: "const batch = this.#readBatch(entries);",
    caughtBy: overlapping("reset to 1"),
  },
  {
    name: "head truncations, states, tail truncations and resets overlap",
    in: "Lifecycle.inTurn",
    find: "const turn = this.#turns.then(async () =>",
    replace: "const turn = Promise.resolve().then(async () =>",
    caughtBy: overlapping("setState"),
  },
  {
    name: "a tail truncation does not look again for its entry when its turn comes",
    in: "LogWriter.truncateFromIndex",
    find: "this.#log.requireIndex(index); await this.#segments.cutFrom(index);",
    replace: "await this.#segments.cutFrom(index);",
    caughtBy: overlapping("truncateBeforeIndex of all"),
  },
  {
    name: "setState stores the head that was there when it was called",
    in: "LogWriter.setState",
    find:
      "await this.#lifecycle.inTurn(() => this.#change(() => this.#updateMeta(this.#log.firstIndex, state)) );",
    replace:
      "const { firstIndex } = this.#log; await this.#lifecycle.inTurn(() => this.#change(() => this.#updateMeta(firstIndex, state)) );",
    caughtBy: overlapping("truncateBeforeIndex of all"),
  },
  {
    name: "a truncation of the head stores the state that was there when it was called",
    in: "LogWriter.truncateBeforeIndex",
    find:
      "await this.#lifecycle.inTurn(() => this.#change(async () => { const { firstIndex, lastIndex } = this.#log;",
    replace:
      "newState ??= this.#log.state; await this.#lifecycle.inTurn(() => this.#change(async () => { const { firstIndex, lastIndex } = this.#log;",
    caughtBy: overlapping("setState"),
  },
  {
    name: "a truncation of the head looks for its entry when it is called",
    in: "LogWriter.truncateBeforeIndex",
    find:
      "await this.#lifecycle.inTurn(() => this.#change(async () => { const { firstIndex, lastIndex } = this.#log; if (index !== lastIndex + 1) this.#log.requireIndex(index);",
    replace:
      "if (index !== this.#log.lastIndex + 1) this.#log.requireIndex(index); await this.#lifecycle.inTurn(() => this.#change(async () => { const { firstIndex } = this.#log;",
    caughtBy: overlapping("reset forward"),
  },
  {
    name: "a truncation is over for others before it is",
    in: "Lifecycle.alone",
    find: "this.#state = rewriting; try { await this.inTurn(change);",
    replace:
      "this.#state = rewriting; void Promise.resolve().then(() => this.#state = OPEN); try { await this.inTurn(change);",
    caughtBy: overlapping("truncateFromIndex of the last two"),
  },
];

/** What is noted before it is so, or later than it is. */
const NOTING: readonly Mutation[] = [
  {
    name: "the durable end is noted before the fdatasync has ended",
    in: "Segment.#cover",
    find: "covered = this.#marks.begin();",
    replace: "covered = this.#marks.begin(); this.#marks.synced({ count: 0, end: covered.end });",
    caughtBy: overlapping("appendAndSync"),
  },
  {
    name: "entries count as durable before the fdatasync has ended",
    in: "Segment.#cover",
    find: "covered = this.#marks.begin();",
    replace: "covered = this.#marks.begin(); this.#marks.synced({ count: covered.count, end: 0 });",
    caughtBy: overlapping("appendAndSync"),
  },
  {
    name: "a sync covers what was there when it was asked for, and counts what came until it began",
    in: "Marks.synced",
    find:
      "this.#syncedCount = Math.max(this.#syncedCount, count); this.#settledCount = this.#syncedCount; this.#settledEnd = Math.max(this.#settledEnd, this.#unsettledEnd, end);",
    replace:
      "this.#syncedCount = Math.max(count, this.#offsets.count); this.#settledCount = this.#syncedCount; this.#settledEnd = Math.max(this.#settledEnd, this.#unsettledEnd, end);",
    caughtBy: overlapping("sync"),
  },
  {
    name: "entries that are being cut count as durable meanwhile",
    in: "Marks.cutting",
    find: "this.#syncedCount = Math.min(this.#syncedCount, count); this.#settledCount",
    replace: "this.#settledCount",
    caughtBy: overlapping("truncateFromIndex of the last two"),
  },
  {
    name: "entries that were cut from the file are there until the cut is durable",
    in: "Segment.cut",
    find: "this.offsets.cut(count); this.batches.cut(count); this.#end = end;",
    replace: "this.#file.sync().then(() => this.offsets.cut(count)); " +
      "this.batches.cut(count); this.#end = end;",
    caughtBy: overlapping("truncateFromIndex of the last two"),
  },
  {
    name: "a truncation forgets what an earlier one has left covered",
    in: "Marks.cutting",
    find: "this.#mostTold = Math.min(this.#mostTold, end);",
    replace: "this.#mostTold = end < 0 ? end : 0;",
    caughtBy: [CRASH, "every crash of one truncation after the other keeps every promise"],
  },
  {
    name: "a cut leaves the durable end where it was",
    in: "Marks.cut",
    find: "this.#settledEnd = this.#writtenEnd; this.#unsettledEnd = 0;",
    replace: "this.#unsettledEnd = 0;",
    caughtBy: overlapping("truncateFromIndex of the last two"),
  },
  {
    name: "a state and a head count before they are durable",
    in: "MetaFile.update",
    find: "await this.#file.sync(); if (isNew",
    replace: "this.#current = slot; await this.#file.sync(); if (isNew",
    caughtBy: overlapping("truncateBeforeIndex of all"),
  },
  {
    name: "a follower is not told that a sync has ended",
    in: "LogWriter.#synced",
    find: "this.#listener.changed(); this.#announcer.synced();",
    replace: "this.#announcer.synced();",
    caughtBy: overlapping("appendAndSync"),
  },
];

/** What lives through a change that it should not outlive. */
const OUTLIVING: readonly Mutation[] = [
  {
    name: "full segments that were read stay open over a reset",
    in: "SegmentList.dropSealed",
    find: "this.#closeAll(); this.#sealed.length = 0;",
    replace: "this.#sealed.length = 0;",
    caughtBy: overlapping("reset forward"),
  },
  {
    name: "full segments that were read stay open over a tail truncation",
    in: "SegmentList.endWith",
    find: "this.#last.close(); this.#closeAll(); this.#sealed.length = kept;",
    replace: "this.#last.close(); this.#sealed.length = kept;",
    caughtBy: overlapping("truncateFromIndex over segments"),
  },
  {
    name: "the last segment stays open when a tail truncation removes it",
    in: "SegmentList.endWith",
    find: "this.#last.close(); this.#closeAll(); this.#sealed.length = kept;",
    replace: "this.#closeAll(); this.#sealed.length = kept;",
    caughtBy: overlapping("truncateFromIndex over segments"),
  },
  {
    name: "the last segment stays open when a reset removes it",
    in: "Segments.moveTo",
    find: "old.close(); dropped.push(old.path);",
    replace: "dropped.push(old.path);",
    caughtBy: overlapping("reset forward"),
  },
  {
    name: "a full segment stays open when it is sealed",
    in: "UnsealedSegment.close",
    find: "this.#full.close();",
    replace: "",
    caughtBy: overlapping("sync"),
  },
  {
    name: "the next segment is synced while the full one is not durable",
    in: "Segments.sync",
    find: "if (this.#pending !== undefined) await this.finishRoll(); const active =",
    replace: "const active =",
    caughtBy: [
      "tests/files/segments_test.ts",
      "sync after a roll waits for its syncDirectory before the next file is synced",
    ],
  },
  {
    name: "the name of the next segment is not made durable",
    in: "PendingRoll.#syncDirectory",
    find: "await this.#directory.sync();",
    replace: "",
    caughtBy: ROLLS,
  },
  {
    name: "the segment before a pending one is not looked at",
    in: "SegmentLook.ends",
    find: 'if (end.kind === "scanned") yield* this.#lookUnder(end, headIndex);',
    replace: "",
    caughtBy: ROLLS,
  },
  {
    name: "an entry is acknowledged before the file says that the one before is durable",
    in: "Segments.#syncActive",
    find: "this.#announceBeginning(); return this.#active.sync();",
    replace: "return this.#active.sync();",
    caughtBy: ["tests/files/segments_test.ts", "the order of calls in a roll"],
  },
  {
    name: "what open writes again of a full segment removes the one after it",
    in: "droppedAfter",
    find: "return length === 0 ? after : [];",
    replace: "return after.slice(length, 0).concat(after);",
    caughtBy: [
      "tests/opening/plan_test.ts",
      "a replacement with a new tail keeps the later segments, whatever they are",
    ],
  },
  {
    name: "a full segment is closed while a sync of it runs",
    in: "SyncedFile.close",
    find: "if (this.#running === 0) this.#giveBack();",
    replace: "this.#giveBack();",
    caughtBy: [
      "tests/files/unsealed_test.ts",
      "a full segment that is sealed while a sync of it runs is closed when that ends",
    ],
  },
  {
    name: "a full segment whose sync ends later stays open",
    in: "SyncedFile.run",
    find: "if (this.#closed && this.#running === 0) this.#giveBack();",
    replace: "",
    caughtBy: [
      "tests/files/unsealed_test.ts",
      "a full segment that is sealed while a sync of it runs is closed when that ends",
    ],
  },
  {
    name: "the second descriptor of a full segment stays open",
    in: "SyncedFile.#giveBack",
    find: "this.#second.close(); this.#file.close();",
    replace: "this.#file.close();",
    caughtBy: overlapping("sync"),
  },
  {
    name: "a loop over entries outlives the truncation of what it reads next",
    in: "LogReader.#advance",
    find:
      "return this.#advanceIn(loop); if (cursor.epoch !== this.#lifecycle.epoch) this.#requireNext(loop);",
    replace: "return this.#advanceIn(loop);",
    caughtBy: overlapping("entries, held in the middle"),
  },
  {
    name: "a failed open leaves the meta file open",
    in: "recover beside openLog",
    find: "opened?.segments.close(); meta.close();",
    replace: "opened?.segments.close();",
    caughtBy: [FAILURE, "an open that fails, at any of its calls, leaves no file open"],
  },
  {
    name: "a failed open leaves the new last segment open",
    in: "Steps.run",
    find: "this.#segments?.close();",
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
