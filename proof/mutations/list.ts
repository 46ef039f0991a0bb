/**
 * The mutations of the library's own code, each with the test that notices it: every sync, cut,
 * check and order that a promise rests on is left out once.
 *
 * @module
 */
import { ENDS } from "./ends.ts";
import { ERRORS } from "./errors.ts";
import { EVENT_LOGS } from "./events.ts";
import { IDENTITY } from "./identity.ts";
import { LAYERS_BELOW } from "./layers_below.ts";
import { LOCKS } from "./locks.ts";
import { MACHINES } from "./machines.ts";
import { MAPPED_FILES } from "./mapped_files.ts";
import { DAMAGED_LOGS } from "./recovery_of_damaged.ts";
import { QUEUES } from "./queues.ts";
import { READERS } from "./readers.ts";
import { ORDER_AND_OVERLAP } from "./order_and_overlap.ts";
import { SNAPSHOT_FILES } from "./snapshot_files.ts";
import type { Runtime } from "../../kit/runtime.ts";

/** A change that breaks a promise, and the test that fails then. */
export interface Mutation {
  /** What is wrong then, in words. */
  readonly name: string;
  /**
   * The declaration that is changed: `"scanSegment"`, `"Opening"`, `"Opening.view"`, `"Wal.#lock"`. It
   * is looked for in all files. Where several have one of the name, `"pieces beside RedoFile"` is the
   * one of the file that declares the other too.
   */
  readonly in: string;
  /**
   * The code that is replaced: whole tokens, in whatever layout and without comments. They occur once
   * in the declaration.
   */
  readonly find: string;
  readonly replace: string;
  /** The file of the test that fails, and the test's name. */
  readonly caughtBy: readonly [file: string, test: string];
  /** The kind of mistake, where it is one that has a name. */
  readonly group?: string;
  /** The runtime that the changed code is for, if it is for one alone. */
  readonly runtime?: Runtime;
  /** Whether the test fails by not coming to its end. */
  readonly hangs?: boolean;
}

const ADAPTERS = "tests/fs/adapters_test.ts";
const CHECKSUM = "tests/format/checksum_test.ts";
const COMMIT = "tests/writer/commit_test.ts";
const OVERLAP = "tests/writer/overlapping_syncs_test.ts";
const CRASH = "proof/crash/crash_test.ts";
const DECISION_TABLE = "tests/segment/decision_table_test.ts";
const DURABILITY = "tests/writer/durability_test.ts";
const PREALLOCATION = "tests/segment/preallocation_test.ts";
const POWER_CUT = "tests/writer/power_cut_test.ts";
const FAILURE = "tests/writer/failure_test.ts";
const FILE_SYSTEM = "tests/fs/file_system_test.ts";
const FOLLOW = "tests/reader/follow_test.ts";
const FRAMES = "tests/format/frames_test.ts";
const INTERLEAVED_READER = "tests/reader/interleaved_reader_test.ts";
const META = "tests/files/meta_test.ts";
const KINDS = "tests/format/kinds_test.ts";
const RECOVERY = "tests/segment/recovery_test.ts";
const SEAL_PIECES = "tests/segment/seal_pieces_test.ts";
const UNSEALED = "tests/files/unsealed_test.ts";
const FOUND_UNSEALED = "tests/opening/unsealed_test.ts";
const CLI_UNSEALED = "tests/cli/cli_unsealed_test.ts";
const PENDING = "tests/opening/pending_test.ts";
const SEGMENTS = "tests/files/segments_test.ts";
const SYSTEM_CALLS = "tests/fs/system_calls_test.ts";
const WAL = "tests/wal_test.ts";

const EVERY_CRASH = "every crash of a program that does everything keeps every promise";

/** Of opening a log. */
const OPENING: readonly Mutation[] = [
  {
    name: "the parent of a directory that is there is not synced",
    in: "syncParentIfAllowed",
    find: "if (parent === directory) return;",
    replace: 'if (parent !== "") return;',
    caughtBy: [
      POWER_CUT,
      "a log in a new directory is durable, though another process died while making the directories",
    ],
  },
  {
    name: "the last segment is not synced before it is scanned",
    in: "findingsOf",
    find: "for (const source of look.ends(headIndexOf(meta))) await syncSegment(source);",
    replace: "for (const source of look.ends(headIndexOf(meta))) source.file.size();",
    caughtBy: [
      FAILURE,
      "reopening after a crash: fsync before the first frame is read, then cut, write again, fsync",
    ],
  },
  {
    name: "a torn last write is not cut",
    in: "Steps.#writeAgain",
    find: "if (from < size) file.truncate(from);",
    replace: "",
    caughtBy: [
      FAILURE,
      "reopening after a crash: fsync before the first frame is read, then cut, write again, fsync",
    ],
  },
  {
    name: "a torn last write of a version 1 file is not cut",
    in: "Steps.#writeAgain",
    find: "if (end < size) file.truncate(end); copyStretch(",
    replace: 'if (way !== "in place" && end < size) file.truncate(end); copyStretch(',
    caughtBy: [RECOVERY, "version 1: a cut at any byte recovers the whole entries before it"],
  },
  {
    name: "what no Durable frame covers is not written again",
    in: "Steps.#writeAgain",
    find: 'const isBegun = way === "with a redo file" &&',
    replace:
      'if (way.startsWith("with")) { if (end < size) file.truncate(end); return; } const isBegun = way === "with a redo file" &&',
    caughtBy: [CRASH, "every failing call keeps every promise, a failed sync as on ext4"],
  },
  {
    name: "a version 1 file is not written again",
    in: "Steps.#writeAgain",
    find: "copyStretch(file, from, end, file, from);",
    replace: 'if (way !== "in place") copyStretch(file, from, end, file, from);',
    caughtBy: [
      DURABILITY,
      "an entry whose sync failed is durable when open has returned it (version 1, ext4)",
    ],
  },
  {
    name: "frames without an entry that a reopening gives up are not written again",
    in: "Steps.#writeAgain",
    find: "if (tail.length > 0) file.write(tail, from);",
    replace: "if (tail.length > 0 && from < 0) file.write(tail, from);",
    caughtBy: [WAL, "open and close again and again do not make a log grow"],
  },
  {
    name: "what no Durable frame covers is given up without a redo file",
    in: "Steps.#writeAgain",
    find: 'const isBegun = way === "with a redo file" &&',
    replace:
      'if (way.startsWith("with")) { const tail = new Uint8Array(end - from); file.read(tail, from); file.truncate(from); file.write(tail, from); return; } const isBegun = way === "with a redo file" &&',
    caughtBy: [CRASH, "every crash of a program that does everything keeps every promise"],
  },
  {
    name: "an entry counts as none when a reopening gives up its block",
    in: "secureEnd",
    find: "vouched > 0 && entriesEnd <= vouched && seal",
    replace: "vouched > 0 && entriesEnd >= 0 && seal",
    caughtBy: [CRASH, "every crash of a program that does everything keeps every promise"],
  },
  {
    name: "the last segment is not synced after it was cut and written again",
    in: "Steps.#secureEnd",
    find: "await syncSegment(source); const active",
    replace: "const active",
    caughtBy: [
      DURABILITY,
      "an entry whose sync failed is durable when open has returned it (version 1, ext4)",
    ],
  },
  {
    name: "a replacement that a crash interrupted is not finished",
    in: "finishInterrupted",
    find: "if (plan !== undefined) await finishReplacement(setting, plan.steps);",
    replace: "if (plan !== undefined) await setting.redo.end();",
    caughtBy: [CRASH, "every crash of a program that does everything keeps every promise"],
  },
  {
    name: "what an interrupted truncation removed is not synced before it is finished",
    in: "replaceTail",
    find: "await directory.sync(); for (const segment",
    replace: "for (const segment",
    caughtBy: [
      DURABILITY,
      "a tail truncation over segments is finished or taken back after a crash in the opening that finishes it",
    ],
  },
  {
    name: "an interrupted truncation removes the oldest segment first when it is finished",
    in: "removedBy",
    find: "droppedAfter(record, after).map(({ path }) => path).toReversed()",
    replace: "droppedAfter(record, after).map(({ path }) => path)",
    caughtBy: [
      DURABILITY,
      "a tail truncation over segments is finished or taken back after a crash in the opening that finishes it",
    ],
  },
  {
    name: "an interrupted truncation leaves the later segments when it is finished",
    in: "replaceTail",
    find: "directory.remove(segment); await directory.sync();",
    replace: "if (segment.length === 0) return;",
    caughtBy: [
      DURABILITY,
      "a tail truncation over segments is finished or taken back after a crash in the opening that finishes it",
    ],
  },
  {
    name: "an interrupted truncation does not sync each removal when it is finished",
    in: "replaceTail",
    find: "directory.remove(segment); await directory.sync();",
    replace: "directory.remove(segment);",
    caughtBy: [
      DURABILITY,
      "a tail truncation over segments is finished or taken back after a crash in the opening that finishes it",
    ],
  },
  {
    name: "a redo file that could not be written is left there",
    in: "RedoFile.begin",
    find: "await this.end(); throw error;",
    replace: "throw error;",
    caughtBy: [
      DURABILITY,
      "a truncation that finds no space leaves the log as it was, and can be made again",
    ],
  },
  {
    name: "a tail that is replaced is not given up",
    in: "RedoFile.finish",
    find: "file.truncate(offset);",
    replace: "",
    caughtBy: [DECISION_TABLE, "version 2: open does what the table says"],
  },
  {
    name: "a tail that is replaced is not synced",
    in: "RedoFile.finish",
    find: "await file.sync();",
    replace: "",
    caughtBy: [CRASH, "every crash of a program that does everything keeps every promise"],
  },
  {
    name: "the redo file's checksum is not checked",
    in: "RedoFile.load",
    find: "if (!holds) return undefined;",
    replace: "if (!holds && rest !== 0) return undefined;",
    caughtBy: [DURABILITY, "a redo file that fails its checksum is not used"],
  },
  {
    name: "a log on a full disk is not opened",
    in: "RedoFile.tryBegin",
    find: "if (isNoSpace(error)) return false;",
    replace: "if (isNoSpace(error)) throw error;",
    caughtBy: [DURABILITY, "on a full disk, an opening keeps what was durable through any crash"],
  },
  {
    name: "on a full disk, a torn last write is not cut",
    in: "Steps.#writeAgain",
    find: "if (end < size) file.truncate(end); writeAll(",
    replace: 'if (way === "in place" && end < size) file.truncate(end); writeAll(',
    caughtBy: [DURABILITY, "on a full disk, an opening keeps what was durable through any crash"],
  },
  {
    name: "a tail counts as untouched by its size alone",
    in: "RedoFile.isUntouched",
    find: "this.#checksum.crc32Of(pieces(file, offset, size)) === oldChecksum;",
    replace: "oldChecksum >= 0;",
    caughtBy: [CRASH, "every crash of a program that does everything keeps every promise"],
  },
  {
    name: "a redo file that was not yet in use is used",
    in: "planReplacement",
    find: 'if (tail !== "untouched")',
    replace: "if (tail.length > 0)",
    caughtBy: [
      DURABILITY,
      "what is durable stays so through openings that die and a crash in the last",
    ],
  },
  {
    name: "a redo file is not marked when it is in use",
    in: "RedoFile.begin",
    find: "markInUse(redo, length); } catch (error)",
    replace: "} catch (error)",
    caughtBy: [
      DURABILITY,
      "what is durable stays so through openings that die and a crash in the last",
    ],
  },
  {
    name: "a redo file is not marked when an interrupted replacement is finished",
    in: "replaceTail",
    find: "redo.resume({ length });",
    replace: "",
    caughtBy: [
      DURABILITY,
      "a.wal is whole after a crash in an opening, an opening that dies, and another crash",
    ],
  },
  {
    name: "a redo file is not marked when the slots are written again after a crash",
    in: "MetaFile.restore",
    find: "redo.resume(record);",
    replace: "",
    caughtBy: [
      DURABILITY,
      "a.wal.meta is whole after a crash in an opening, an opening that dies, and another crash",
    ],
  },
  {
    name: "a tail that was written again and not yet synced counts as untouched",
    in: "RedoFile.isUntouched",
    find: "if (isInUse) return false;",
    replace: "if (isInUse && size < 0) return false;",
    caughtBy: [
      DURABILITY,
      "what is durable stays so through an opening whose sync failed and a crash in the next (ext4)",
    ],
  },
  {
    name: "the directory of a log that is opened again is not synced",
    in: "Steps.#run",
    find: "return await this.#setting.directory.sync();",
    replace: "return;",
    caughtBy: [
      DURABILITY,
      "a log whose maker died at any step is durable, with its name, when it is opened",
    ],
  },
  {
    name: "what an interrupted making left is not cut before the log is made again",
    in: "Steps.#beginAgain",
    find: "source.file.truncate(0);",
    replace: "",
    caughtBy: [
      RECOVERY,
      "damage to the header or the Segment frame in front of entries is refused",
    ],
  },
  {
    name: "a log that is made again is not synced",
    in: "Steps.#beginAgain",
    find: "await syncSegment(source); const scan",
    replace: "const scan",
    caughtBy: [
      DURABILITY,
      "a log that was made again is opened after any crash, wherever its head has moved",
    ],
  },
  {
    name: "damage to acknowledged data is cut like a torn write",
    in: "refuseEnds",
    find: 'if (end.decision.case === "C" && isDefault)',
    replace: 'if (end.decision.case === "C" && end.size < 0 && isDefault)',
    caughtBy: [RECOVERY, "case C: damage to what a later Durable frame covers is refused"],
  },
  {
    name: "segments that do not join are refused after the last one was changed",
    in: "recoverSegments",
    find: 'if (plan.kind === "refuse") throw plan.error;',
    replace:
      'if (plan.kind === "refuse") { const [end] = findings.ends; if (end?.kind === "scanned") look.fileOf(end.path).source.file.truncate(end.end); throw plan.error; }',
    caughtBy: [FRAMES, "a log whose last file does not join is refused before its torn end is cut"],
  },
  {
    name: "a lost beginning below the head is taken for an interrupted making",
    in: "refuseEnds",
    find: "if (isOnly && headOf(findings) > end.firstIndex && isDefault)",
    replace: "if (isOnly && headOf(findings) > end.firstIndex && end.size < 0 && isDefault)",
    caughtBy: [FRAMES, "a file that lost its beginning below the head was in use, and is refused"],
  },
  {
    name: "a segment whose beginning is damaged is taken for one that was never in use",
    in: "refuseEnds",
    find: 'if (end.holds === "frames" && !end.mayBePending && isDefault)',
    replace: 'if (end.holds === "frames" && end.size < 0 && isDefault)',
    caughtBy: [
      RECOVERY,
      "damage to the header or the Segment frame in front of entries is refused",
    ],
  },
  {
    name: "whole frames after the end are cut and not set aside",
    in: "mustKeep",
    find: 'decision.case === "C" || decision.case === "D"',
    replace: 'decision.case === "C"',
    caughtBy: [RECOVERY, "case D: whole frames without evidence are set aside, once per damage"],
  },
  {
    name: "the torn end of a version 1 file is cut and not set aside",
    in: "mustKeep",
    find: 'return decision.case === "E" && version === 1;',
    replace: "return version !== 1 && version !== 2;",
    caughtBy: [DECISION_TABLE, "version 1: open does what the table says"],
  },
  {
    name: "bytes are cut before they are set aside",
    in: "Steps.#setAside",
    find: "const { file } = this.#look.fileOf(path).source;",
    replace: "const { file } = this.#look.fileOf(path).source; file.truncate(from);",
    caughtBy: [FAILURE, "what is set aside is durable before it is cut off"],
  },
  {
    name: "a roll that a crash interrupted is not finished",
    in: "stepsAfterwards",
    find: 'if (seal !== undefined && last.kind === "scanned")',
    replace: 'if (seal !== undefined && seal.count < 0 && last.kind === "scanned")',
    caughtBy: [
      FRAMES,
      "what is appended after an interrupted roll is there, however much room was left",
    ],
  },
  {
    name: "a reset that a crash interrupted is not finished",
    in: "stepsAfterwards",
    find: "if (headIndex > nextIndex)",
    replace: "if (headIndex > nextIndex && headIndex < 0)",
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "a head truncation that a crash interrupted is not finished",
    in: "stepsAfterwards",
    find: "if (headIndex < nextIndex || entries === 0) return steps;",
    replace: "if (headIndex <= nextIndex || entries === 0) return steps;",
    caughtBy: [
      DURABILITY,
      "a head truncation of everything that was interrupted gives the space back at the next open",
    ],
  },
  {
    name: "files below the head are left where they are",
    in: "Steps.#remove",
    find: 'if (why === "below the head") return directory.remove(path);',
    replace: 'if (why === "below the head") return;',
    caughtBy: [SEGMENTS, "a head truncation whose removal fails is finished by a reopen"],
  },
  {
    name: "another log's meta file is believed",
    in: "planOpening",
    find: "!sameLog(logId, meta.logId)",
    replace: "logId.length === 0",
    caughtBy: [META, "another log's meta file is refused"],
  },
  {
    name: "a log whose segments are all gone is made again",
    in: "planOpening",
    find:
      'meta.kind === "valid" ? refuse("all segments missing", segmentMissing(path, headIndex)) : planFirst(path, options)',
    replace: "planFirst(path, options)",
    caughtBy: [
      DURABILITY,
      "a log whose files are gone, but not its state, is refused and not made again",
    ],
  },
];

/** Of writing entries and making them durable. */
const WRITING: readonly Mutation[] = [
  {
    name: "sync does not call fdatasync",
    in: "Segment.sync",
    find: "const running = this.#file.syncData();",
    replace: "const running = Promise.resolve();",
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "a blocking sync does not call fdatasync",
    in: "Segment.syncBlocking",
    find: "file.syncDataBlocking();",
    replace: "",
    caughtBy: [COMMIT, "a blocking sync is one fdatasync, and the event loop turns between two"],
  },
  {
    name: "a full segment keeps the zeros after its Seal",
    in: "Segment.endBeforeSeal",
    find: "this.#space.trim(this.#end); seal",
    replace: "seal",
    caughtBy: [PREALLOCATION, "close gives the space back, and a roll does"],
  },
  {
    name: "a reader believes its first look at a file that is being written",
    in: "judgeLive",
    find: "if (now.end === scan.end) return { scan, decision };",
    replace: "return { scan, decision };",
    caughtBy: [PREALLOCATION, "a reader that is opened while the writer continues sees no damage"],
  },
  {
    name: "what was staged is written for a getter",
    in: "Wal.lastIndex",
    find: "return this.#reader.log.lastIndex;",
    replace: "void this.#writer?.sync(); return this.#reader.log.lastIndex;",
    caughtBy: [
      "tests/writer/getters_test.ts",
      "lastIndex changes no file while an entry waits, not even where it needs a new segment",
    ],
  },
  {
    name: "entries that came while the sync ran count as durable",
    in: "Marks.synced",
    find: "this.#syncedCount = Math.max(this.#syncedCount, count);",
    replace: "this.#syncedCount = count < 0 ? count : this.#offsets.count;",
    caughtBy: [COMMIT, "a sync covers what was appended before it, not what came while it ran"],
  },
  {
    name: "a Durable frame covers what was written while the sync ran",
    in: "Marks.synced",
    find: "this.#settledEnd = Math.max(this.#settledEnd, this.#unsettledEnd, end);",
    replace: "this.#settledEnd = end < 0 ? end : this.#writtenEnd;",
    caughtBy: [DURABILITY, "a Durable frame covers nothing that came while its sync ran"],
  },
  {
    name: "a Durable frame covers itself",
    in: "putDurableFrame",
    find: "logId, firstIndex, end, durableEnd);",
    replace: "logId, firstIndex, end, end + FRAME_HEADER_SIZE + DURABLE_SIZE);",
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "no Durable frame is written in front of entries",
    in: "Segment.append",
    find: "const lead = this.#leadSize(); const size = lead + FRAME_HEADER_SIZE + " +
      "data.length;",
    replace: "const lead = 0; const size = lead + FRAME_HEADER_SIZE + data.length;",
    caughtBy: [RECOVERY, "case C: salvage sets the bytes aside and continues with what is before"],
  },
  {
    name: "an entry's checksum is not written",
    in: "Segment.#writeEntries",
    find:
      "this.#checksum.seal(buffer, 0, size); this.#write(buffer, size); this.#marks.wrote(this.#end);",
    replace: "this.#write(buffer, size); this.#marks.wrote(this.#end);",
    caughtBy: [WAL, "entries come back by index, in a list, and in a range"],
  },
  {
    name: "a batch has no Batch frame",
    in: "Segment.appendBatch",
    find: "putBatchFrame(buffer, lead, entries.length, bytes);",
    replace: "buffer.fill(0, lead, first);",
    caughtBy: [SEGMENTS, "a file that ends anywhere within a batch has none of it"],
  },
  {
    name: "a failed fdatasync is taken for a good one",
    in: "SyncedFile.run",
    find: "throw this.#failed(doing, cause); } finally",
    replace: "if (cause === undefined) throw cause; } finally",
    caughtBy: [FAILURE, "a failed sync rejects every waiting and later call and ends the handle"],
  },
  {
    name: "a failed write is not cut back",
    in: "Segment.#write",
    find: "this.#file.write(buffer, this.#end, size); } } catch (cause) { this.#cutBack();",
    replace: "this.#file.write(buffer, this.#end, size); } } catch (cause) {",
    caughtBy: [FAILURE, "a failed write leaves no partial bytes, and the log can be used"],
  },
  {
    name: "a cut-back cuts nothing",
    in: "Segment.#cutBack",
    find: "this.#file.truncate(this.#end); this.#space.gone(); file.syncBlocking();",
    replace: "this.#space.gone(); file.syncBlocking();",
    caughtBy: [FAILURE, "a failed write leaves no partial bytes, and the log can be used"],
  },
  {
    name: "two syncs of one file overlap",
    in: "Syncs.run",
    find: "while (this.#running !== undefined) await this.#running; this.#requireNoFailure(); " +
      "let end",
    replace: "let end",
    caughtBy: [
      OVERLAP,
      "an unasked sync and sync: one fails, as on ext4, told once a descriptor, by itself",
    ],
  },
  {
    name: "a sync that blocks is made through the descriptor of one that runs",
    in: "SyncedFile.runBlocking",
    find: "sync(this.#blocking)",
    replace: "sync(this.#file)",
    caughtBy: [
      OVERLAP,
      "a group's sync and a roll: one fails, as on ext4, told once a descriptor, by itself",
    ],
  },
  {
    name: "a Durable frame covers what a sync that runs may yet fail over",
    in: "Marks.syncedAtOnce",
    find: "if (isContested)",
    replace: "if (isContested && this.#syncedCount < 0)",
    caughtBy: [OVERLAP, "no Durable frame covers what a sync that runs may yet fail over"],
  },
  {
    name: "a sync does not wait for one of an earlier segment",
    in: "Segments.sync",
    find: "await Promise.all([active, this.#earlierSettled()]);",
    replace: "await active;",
    caughtBy: [
      OVERLAP,
      "a sync waits for the verdict of an unasked one of an earlier segment",
    ],
  },
  {
    name: "a directory is synced through a descriptor that was opened after the error",
    in: "LogDirectory.syncBlocking",
    find: "this.#syncs.runBlocking(() => held(this.#second).syncBlocking());",
    replace: "this.#fileSystem.openDirectory(this.path).syncBlocking();",
    caughtBy: [
      OVERLAP,
      "a directory's failed sync ends the handle for an append that rolls meanwhile",
    ],
  },
  {
    name: "a cut-back is not synced",
    in: "Segment.#cutBack",
    find: "this.#space.gone(); file.syncBlocking();",
    replace: "this.#space.gone();",
    caughtBy: [
      FAILURE,
      "what a failed write left is cut off durably before anything else is written",
    ],
  },
  {
    name: "a caller that arrives while a sync runs is answered by that one",
    in: "GroupCommit.#run",
    find:
      "this.#next = undefined; try { this.flush(); const running = this.#log.sync(); if (running !== undefined) await running;",
    replace:
      "try { this.flush(); const running = this.#log.sync(); if (running !== undefined) await running; this.#next = undefined;",
    caughtBy: [
      COMMIT,
      "a caller that arrives while a sync runs waits for the next, which begins afterwards",
    ],
  },
  {
    name: "a failed sync resolves the calls that wait for it",
    in: "GroupCommit.#run",
    find: "group.reject(error);",
    replace: "if (error !== undefined) group.resolve();",
    caughtBy: [COMMIT, "a failed sync rejects its group and not the next"],
  },
  {
    name: "appendAndSync does not wait for the sync",
    in: "GroupCommit.append",
    find: "const entry = this.#stage(data); await this.join();",
    replace: "const entry = this.#stage(data); this.flush();",
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "appendBatchAndSync does not wait for the sync",
    in: "Wal.appendBatchAndSync",
    find: "await writer.commit();",
    replace: "",
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "sync does not wait for the sync",
    in: "LogWriter.sync",
    find: "else await this.#commit.join();",
    replace: "",
    caughtBy: [WAL, "durableIndex follows the syncs, and never runs ahead"],
  },
  {
    name: "a failed sync does not end the handle",
    in: "LogWriter.#end",
    find: "this.#lifecycle.end(this.#withIndex(error));",
    replace: "",
    caughtBy: [FAILURE, "a failed sync rejects every waiting and later call and ends the handle"],
  },
  {
    name: "a sync is made for the calls that wait for the next after the handle has ended",
    in: "LogWriter.#syncOnce",
    find: "this.#lifecycle.requireNotEnded(); const { isSettled, isSyncing }",
    replace: "const { isSettled, isSyncing }",
    caughtBy: [
      FAILURE,
      "a sync that waits for its turn is refused once something else has ended the handle",
    ],
  },
  {
    name: "close does not sync the last entries",
    in: "LogWriter.#finish",
    find:
      "await this.#segments.sync(); if (this.#announcer.now()) await this.#segments.syncLast();",
    replace:
      "if (this.#segments.isDurable && this.#announcer.now()) await this.#segments.syncLast();",
    caughtBy: [
      DURABILITY,
      "after a clean close and a power cut, damage to any entry is known as such",
    ],
  },
  {
    name: "close does not sync the Durable frame that covers the last sync",
    in: "LogWriter.#finish",
    find: "if (this.#announcer.now()) await this.#segments.syncLast();",
    replace: "this.#announcer.now();",
    caughtBy: [
      DURABILITY,
      "after a clean close and a power cut, damage to any entry is known as such",
    ],
  },
];

/** Of rolling, and of dropping entries from either end. */
const DROPPING: readonly Mutation[] = [
  {
    name: "a full segment is not synced before the next is made",
    in: "Segment.seal",
    find: "this.#space.trim(this.#end); file.syncBlocking();",
    replace: "this.#space.trim(this.#end);",
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "a segment ends without saying what was durable",
    in: "Segment.endBeforeSeal",
    find: "this.announce(); const seal",
    replace: "const seal",
    caughtBy: [
      "tests/opening/pending_test.ts",
      "a reader shows of a pair what an open would keep, and counts no more as durable",
    ],
  },
  {
    name: "a cut keeps the pieces of its Seal",
    in: "Segment.cut",
    find: "this.#seal.cut(count); this.offsets.cut(count);",
    replace: "this.offsets.cut(count);",
    caughtBy: [SEAL_PIECES, "a Seal made after a truncation is that of the entries that are there"],
  },
  {
    name: "what is written of a Seal that failed stays, or of its place",
    in: "Segment.#endWith",
    find: "write(); } catch (cause) { this.#cutBack();",
    replace: "write(); } catch (cause) {",
    caughtBy: [SEAL_PIECES, "a roll without space for a Seal leaves the log as it was"],
  },
  {
    name: "the first bytes of a Seal are written before the others",
    in: "LateSeal.constructor",
    find: "this.#parts.push({ bytes: head, offset: start });",
    replace: "this.#parts.unshift({ bytes: head, offset: start });",
    caughtBy: [UNSEALED, "the first bytes of a Seal are on the disk only if the others are"],
  },
  {
    name: "a part of a Seal is written before the one before it is synced",
    in: "Segment.writeSealPart",
    find: 'await this.#syncs.run("a Seal", (file) => file.syncData());',
    replace: "",
    caughtBy: [UNSEALED, "the first bytes of a Seal are on the disk only if the others are"],
  },
  {
    name: "the next roll does not wait for the Seal",
    in: "Segments.roll",
    find: "this.#finishRollBlocking(); this.#unsealed?.sealBlocking();",
    replace: "this.#finishRollBlocking();",
    caughtBy: [UNSEALED, "a call that blocks writes the rest of the Seal, and no sync twice"],
  },
  {
    name: "a Seal's first bytes may be on the disk before its body",
    in: "Segment.writeSealBlocking",
    find: "this.#syncs.isPending || this.#writeSealPart()",
    replace: "this.#writeSealPart()",
    caughtBy: [
      UNSEALED,
      "a call that blocks has the Seal's body synced before its first bytes are written",
    ],
  },
  {
    name: "a full disk keeps a segment without its Seal",
    in: "Segments.dropBefore",
    find: "await this.#giveUpBelow(index); const isAll",
    replace: "const isAll",
    caughtBy: [
      UNSEALED,
      "a full disk does not keep the segments from being dropped that would free it",
    ],
  },
  {
    name: "a Seal that has no space keeps its segment",
    in: "UnsealedSegment.giveUp",
    find: "if (!isWriteFailed(error)) throw error;",
    replace: "throw error;",
    caughtBy: [
      UNSEALED,
      "a Seal that fails for want of space meanwhile keeps no segment from being given up",
    ],
  },
  {
    name: "a Seal that the disk refuses is not reported",
    in: "Segment.#writeSealPart",
    find: "if (!isNoSpace(cause)) throw",
    replace: "if (cause === undefined) throw",
    caughtBy: [
      FOUND_UNSEALED,
      "a write of the Seal that fails for another reason than space ends the handle",
    ],
  },
  {
    name: "an open forgets that a Seal is to be written",
    in: "Steps.#secureEnd",
    find: "if (this.#unsealed !== undefined) this.#segments.holdUnsealed(this.#unsealed);",
    replace: "",
    caughtBy: [
      FOUND_UNSEALED,
      "open takes a segment that lacks its Seal as whole, and the log writes the Seal",
    ],
  },
  {
    name: "a file stays open of a full segment that is damaged",
    in: "SegmentLook.#lookUnder",
    find: "return this.#sources.close(source);",
    replace: "return;",
    caughtBy: [
      FOUND_UNSEALED,
      "no file stays open of a segment that is durable, and not as the next one states",
    ],
  },
  {
    name: "repair sets aside what was acknowledged after a segment without its Seal",
    in: "unkept",
    find: '.plan.kind === "open") return undefined;',
    replace: '.plan.kind === "refuse") return undefined;',
    caughtBy: [
      CLI_UNSEALED,
      "a log without its last Seal: each command reads all of it, and repair keeps it",
    ],
  },
  {
    name: "verify takes a Seal that is damaged for one to be written",
    in: "endsAsNextSays",
    find: "if (dueSeal.isBegun && provesDurable(last)) return false;",
    replace: "",
    caughtBy: [
      CLI_UNSEALED,
      "a Seal with its first bytes that fails its checksum is damage to all",
    ],
  },
  {
    name: "a full segment without its Seal is given up",
    in: "SegmentLook.#withDueSeal",
    find: "return { ...full, dueSeal: sealOf(source, scan).checksum };",
    replace: "return full;",
    caughtBy: [PENDING, "a pair of which nothing was damaged is whole, acknowledged or not"],
  },
  {
    name: "a segment that lacks its Seal is not looked at once a Durable frame follows",
    in: "SegmentLook.#lookUnder",
    find: "if (!isKnownPending && !this.#lacksSeal(file, last)) return;",
    replace: "if (!isKnownPending) return;",
    caughtBy: [UNSEALED, "a log that is closed before there is space is sealed when it is opened"],
  },
  {
    name: "a handle that has ended writes its Seal",
    in: "LogWriter.#finishRoll",
    find: "while (this.#segments.isRolling && !this.#lifecycle.hasEnded)",
    replace: "while (this.#segments.isRolling)",
    caughtBy: [UNSEALED, "a handle that has ended writes no Seal"],
  },
  {
    name: "what a full segment without its Seal covers is cut before it is kept",
    in: "stepsUnder",
    find:
      'const way = "with a redo file"; return [{ ...secureEnd(under), kind: "secure full segment", way, lacksSeal }];',
    replace: 'return [{ ...secureEnd(under), kind: "secure full segment", lacksSeal }];',
    caughtBy: [
      "tests/writer/power_cut_test.ts",
      "a reopening decides nothing on a head index that the disk may not have",
    ],
  },
  {
    name: "a Seal stays when no next segment could be made",
    in: "Segment.unseal",
    find: "if (this.version === 2) this.#end -= sealFrameSize(this.offsets.count); " +
      "this.#cutBack();",
    replace: "if (this.version === 2) this.#end -= sealFrameSize(this.offsets.count);",
    caughtBy: [
      DURABILITY,
      "a roll that fails for want of space leaves the full segment byte by byte as it was",
    ],
  },
  {
    name: "a truncation that drops a whole batch leaves its Batch frame",
    in: "Segment.tailFrom",
    find: "this.batches.isStart(position) ? BATCH_FRAME_SIZE : 0",
    replace: "this.batches.isStart(position) ? 0 : 0",
    caughtBy: [SEGMENTS, "a log can be cut at any index, and appended to again"],
  },
  {
    name: "after a truncation, no Durable frame covers what is durable",
    in: "Marks.cutting",
    find: "this.#told = 0;",
    replace: "",
    caughtBy: [
      RECOVERY,
      "case C: what is appended after a truncation is covered like anything else",
    ],
  },
  {
    name: "a truncation within a batch cuts the batch",
    in: "Segments.cutFrom",
    find: "const batchEnd = last.batches.endAround(position) || undefined;",
    replace: "const batchEnd = last.batches.endAround(position) === -1 ? 0 : undefined;",
    caughtBy: [SEGMENTS, "a log can be cut at any index, and appended to again"],
  },
  {
    name: "a truncation of what a Durable frame covers needs no redo file",
    in: "Segments.cutFrom",
    find: "const mustRedo = count < last.offsets.count &&",
    replace: "const mustRedo = count < 0 &&",
    caughtBy: [DURABILITY, "zeros that a crash leaves where a truncation was to cut are no damage"],
  },
  {
    name: "a truncation removes segments before the redo file states it",
    in: "Segments.cutFrom",
    find: "if (mustRedo) { try { await this.#context.redo.begin(last.tailFrom(count), [], 0); " +
      "} catch (error) { if (info !== undefined) last.close(); if (isEnd(error)) throw " +
      "error; throw cutFailed(index, last.path, error); } } if (info !== undefined) await " +
      "this.#dropSegmentsBehind(info, last);",
    replace:
      "if (info !== undefined) await this.#dropSegmentsBehind(info, last); if (mustRedo) { " +
      "try { await this.#context.redo.begin(last.tailFrom(count), [], 0); } catch (error) " +
      "{ if (info !== undefined) last.close(); if (isEnd(error)) throw error; throw " +
      "cutFailed(index, last.path, error); } }",
    caughtBy: [
      DURABILITY,
      "a truncation that finds no space leaves the log as it was, and can be made again",
    ],
  },
  {
    name: "a new segment is not synced",
    in: "syncNewSegment",
    find: "file.syncBlocking(); directory.syncBlocking(); } catch (cause) { throw " +
      'outcomeUnknown(path, firstIndex - 1, "a new segment"',
    replace:
      "directory.syncBlocking(); } catch (cause) { throw outcomeUnknown(path, firstIndex - " +
      '1, "a new segment"',
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "a segment that could not be made is left there",
    in: "makeSegment",
    find: "directory.remove(path); directory.syncBlocking();",
    replace: "",
    caughtBy: [
      DURABILITY,
      "a roll that fails for want of space leaves the full segment byte by byte as it was",
    ],
  },
  {
    name: "the removal of a segment that could not be made is not synced",
    in: "makeSegment",
    find: "directory.remove(path); directory.syncBlocking();",
    replace: "directory.remove(path);",
    caughtBy: [
      DURABILITY,
      "a roll that fails for want of space leaves the full segment byte by byte as it was",
    ],
  },
  {
    name: "an empty version 1 file that becomes version 2 is not synced",
    in: "beginAgain",
    find: "source.file.syncBlocking();",
    replace: "",
    caughtBy: [
      DURABILITY,
      "a version 1 file without entries that becomes one of version 2 is a log after any crash",
    ],
  },
  {
    name: "a batch is appended to a version 1 file",
    in: "Segments.appendBatch",
    find: "else if (version === 1 || (offsets",
    replace: "else if ((offsets",
    caughtBy: [
      SEGMENTS,
      "a batch goes to the segment after a version 1 file, however few entries that has",
    ],
  },
  {
    name: "the removal of segments before the head is not synced",
    in: "Segments.dropBefore",
    find: "try { await directory.sync(); } catch (cause) { throw outcomeUnknown(path",
    replace: "try { await Promise.resolve(directory); } catch (cause) { throw outcomeUnknown(path",
    caughtBy: [
      DURABILITY,
      "after a head truncation and a power cut, no file of dropped entries is back",
    ],
  },
  {
    name: "a tail truncation removes the oldest segment first",
    in: "Segments.#dropSegmentsBehind",
    find: "of dropped.toReversed()",
    replace: "of dropped",
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "a tail truncation does not sync each removal before the next",
    in: "Segments.#dropSegmentsBehind",
    find: "directory.remove(segment); await directory.sync(); } catch (cause) { throw " +
      'outcomeUnknown(segment, this.list.durableIndex, "the truncation", cause); } }',
    replace: "directory.remove(segment); } catch (cause) { throw outcomeUnknown(segment, " +
      'this.list.durableIndex, "the truncation", cause); } } await directory.sync();',
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "a reset to a lower index leaves the entries that it drops",
    in: "LogWriter.#reset",
    find: "await this.#segments.cutFrom(this.#segments.list.firstIndex);",
    replace: "",
    caughtBy: [SEGMENTS, "a reset goes to any index, and its entries are alone there"],
  },
  {
    name: "a reset to a higher index moves the head last",
    in: "LogWriter.#reset",
    find: "const isForward = nextIndex >= this.#log.firstIndex;",
    replace: "const isForward = nextIndex < 0;",
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "a reset to a lower index moves the head first",
    in: "LogWriter.#reset",
    find: "const isForward = nextIndex >= this.#log.firstIndex;",
    replace: "const isForward = nextIndex > 0;",
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "a head truncation removes segments before the head is durable",
    in: "LogWriter.#dropBefore",
    find: "if (index > firstIndex) await this.#updateMeta(index, newState ?? state); " +
      "await this.#segments.dropBefore(index);",
    replace: "await this.#segments.dropBefore(index); " +
      "if (index > firstIndex) await this.#updateMeta(index, newState ?? state);",
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "a truncation does not wait for a sync that runs",
    in: "LogWriter.#rewrite",
    find: "await this.#settled(); await",
    replace: "await this.#writeBehind; await",
    caughtBy: [WAL, "a sync that runs when a truncation is called does not count what that drops"],
  },
  {
    name: "a truncation does not wait for a sync that no caller waits for",
    in: "LogWriter.#rewrite",
    find: "await this.#settled(); await this.#segments.settled();",
    replace: "await this.#commit.idle();",
    caughtBy: [
      DURABILITY,
      "a truncation does not count as durable what a sync has covered that ran for no caller",
    ],
  },
  {
    name: "entries are appended while a truncation runs",
    in: "WRITES_NOW",
    find: 'rewriting: "ERR_WAL_BUSY",',
    replace: 'rewriting: "made",',
    caughtBy: [WAL, "during a truncation append refuses, and appendAndSync and sync wait"],
  },
];

/** Of the meta file. */
const META_FILE: readonly Mutation[] = [
  {
    name: "the older slot counts",
    in: "MetaFile.#newest",
    find: "b.sequence - a.sequence",
    replace: "a.sequence - b.sequence",
    caughtBy: [
      META,
      "a crash at any step of an update leaves the old state or the new (1000000 bytes)",
    ],
  },
  {
    name: "two damaged slots count as none",
    in: "MetaFile.#requireUnfinished",
    find: "if (file.size() > SLOT_OFFSETS[1])",
    replace: "if (file.size() < 0)",
    caughtBy: [META, "damage in both slots is corruption of the meta file, and nothing is changed"],
  },
  {
    name: "open does not make the meta file durable before files are removed by it",
    in: "Steps.#run",
    find: "return await this.#meta.secure(this.#setting.redo);",
    replace: "return;",
    caughtBy: [
      DURABILITY,
      "a state whose writer died is durable when open has returned it, in both copies (ext4)",
    ],
  },
  {
    name: "the slots are not written again at open",
    in: "MetaFile.secure",
    find: "await writeAnew(file, slot);",
    replace: "await file.sync();",
    caughtBy: [
      DURABILITY,
      "a state one of whose syncs failed is durable when open has returned it, in both copies (ext4)",
    ],
  },
  {
    name: "the slots are written again over themselves",
    in: "writeAnew",
    find: "async function writeAnew(file: File, slot: Uint8Array): Promise<void> { " +
      "file.truncate(0);",
    replace: "async function writeAnew(file: File, slot: Uint8Array): Promise<void> {",
    caughtBy: [
      DURABILITY,
      "a state one of whose syncs failed is durable when open has returned it, in both copies (ext4)",
    ],
  },
  {
    name: "the slots are written again and not synced",
    in: "writeAnew",
    find: "for (const offset of SLOT_OFFSETS) file.write(slot, offset); await file.sync();",
    replace: "for (const offset of SLOT_OFFSETS) file.write(slot, offset);",
    caughtBy: [
      DURABILITY,
      "a state whose writer died is durable when open has returned it, in both copies (ext4)",
    ],
  },
  {
    name: "only the first slot is written again at open",
    in: "writeAnew",
    find: "for (const offset of SLOT_OFFSETS) file.write(slot, offset);",
    replace: "file.write(slot, SLOT_OFFSETS[0]);",
    caughtBy: [META, "a flipped bit anywhere in the second slot loses nothing and is mended"],
  },
  {
    name: "on a full disk, both slots are written again before one is durable",
    in: "MetaFile.secure",
    find: "file.write(slot, offset); await file.sync(); }",
    replace: "file.write(slot, offset); } await file.sync();",
    caughtBy: [DURABILITY, "on a full disk, an opening keeps what was durable through any crash"],
  },
  {
    name: "the slots are given up without a redo file",
    in: "MetaFile.secure",
    find: "if (await redo.tryBegin(target, [slot], slot.length))",
    replace: "if (target.offset === 0) return await writeAnew(file, slot); if (await " +
      "redo.tryBegin(target, [slot], slot.length))",
    caughtBy: [
      DURABILITY,
      "a crash in the opening of a log leaves its state and its head as they were",
    ],
  },
  {
    name: "slots that a crash took while they were written again stay lost",
    in: "MetaFile.restore",
    find: "await writeAnew(file, redo.readTail(record));",
    replace: "await file.sync();",
    caughtBy: [
      DURABILITY,
      "a crash in the opening of a log leaves its state and its head as they were",
    ],
  },
  {
    name: "what an interrupted first update left of the meta file stays there",
    in: "MetaFile.secure",
    find: "file.truncate(0); return await file.sync();",
    replace: "return await file.sync();",
    caughtBy: [
      DURABILITY,
      "a first state is durable in both copies, though the one before it was torn and its sync failed",
    ],
  },
  {
    name: "an update does not sync the first slot before it writes the second",
    in: "MetaFile.update",
    find: "await this.#file.sync(); if (isNew",
    replace: "if (isNew",
    caughtBy: [
      DURABILITY,
      "a state is the old one or the new after a crash at any step of its storing",
    ],
  },
  {
    name: "an update does not sync the second slot",
    in: "MetaFile.update",
    find: "this.#file.write(bytes, second); await this.#file.syncData();",
    replace: "this.#file.write(bytes, second);",
    caughtBy: [DURABILITY, "both copies of a state are durable when it is stored"],
  },
  {
    name: "an update does not write the second slot",
    in: "MetaFile.update",
    find: "this.#file.write(bytes, second);",
    replace: "if (second < 0) return;",
    caughtBy: [META, "the file is as format.md draws it"],
  },
  {
    name: "an update writes over the newest slot first",
    in: "MetaFile.#order",
    find: "isNewest ? [other, one] : [one, other]",
    replace: "isNewest ? [one, other] : [other, one]",
    caughtBy: [
      DURABILITY,
      "a store that is torn while the other copy is rotten leaves the old state",
    ],
  },
  {
    name: "a failed write of a slot that is whole all the same counts as none",
    in: "MetaFile.update",
    find: "if (this.#holds(first, slot, true))",
    replace: "if (slot.sequence < 0)",
    caughtBy: [
      DURABILITY,
      "a state that is stored although its write failed is not reported as refused",
    ],
  },
  {
    name: "an update has the sequence number of the one before",
    in: "MetaFile.update",
    find: "(this.#current?.sequence ?? 0) + 1",
    replace: "(this.#current?.sequence ?? 1)",
    caughtBy: [META, "the file is as format.md draws it"],
  },
  {
    name: "a slot's checksum is not checked",
    in: "decodeMetaSlot",
    find: "end + 4 > bytes.length || readUint32(bytes, end) !== crc32(bytes.subarray(0, end))",
    replace: "end + 4 > bytes.length || crc32(bytes.subarray(0, end)) < 0",
    caughtBy: [META, "a flipped bit anywhere in the first slot loses nothing and is mended"],
  },
];

/** Of what is believed of the bytes on disk. */
const CHECKS: readonly Mutation[] = [
  {
    name: "a lone frame's checksum is not checked",
    in: "createFrameChecksum",
    find: "return checksum === readUint32(buffer, offset + CHECKSUM_AT);",
    replace: "return checksum >= 0;",
    caughtBy: [CHECKSUM, "a scan stops at the frame that any flipped bit is in"],
  },
  {
    name: "a checksum does not cover the type and the length",
    in: "createFrameChecksum",
    find: "const header = goOn(0, buffer.subarray(start, start + COVERED));",
    replace: "const header = goOn(0, buffer.subarray(start, start));",
    caughtBy: [CHECKSUM, "a sealed frame has zlib's CRC-32 of header and payload"],
  },
  {
    name: "the checksum of a payload in pieces is not checked",
    in: "createFrameChecksum",
    find: "return checksum === readUint32(header, CHECKSUM_AT);",
    replace: "return checksum >= 0;",
    caughtBy: [CHECKSUM, "a payload in pieces has the same checksum"],
  },
  {
    name: "a length beyond the limit is believed",
    in: "createFrameChecksum",
    find: "if (length > maxLength || length > end - offset - FRAME_HEADER_SIZE) return false;",
    replace: "if (length > end - offset - FRAME_HEADER_SIZE) return false;",
    caughtBy: [CHECKSUM, "a frame is not believed beyond its limit or the bytes that are there"],
  },
  {
    name: "a length beyond the bytes that are there is believed",
    in: "createFrameChecksum",
    find: "if (length > maxLength || length > end - offset - FRAME_HEADER_SIZE) return false;",
    replace: "if (length > maxLength) return false;",
    caughtBy: [CHECKSUM, "a frame is not believed beyond its limit or the bytes that are there"],
  },
  {
    name: "a scan in the kernel believes a length beyond the limit",
    in: "createFrameChecksum",
    find: "count = kernel.scan(0, end, maxLength);",
    replace: "count = kernel.scan(0, end, end);",
    caughtBy: [FRAMES, "a scan stops at a frame above its limit"],
  },
  {
    name: "a frame in the kernel is not checked",
    in: "createFrameChecksum",
    find: "if (buffer === staging) return kernel.check(offset, end, maxLength);",
    replace: "if (buffer === staging) return true;",
    caughtBy: [WAL, "rot after the open is found by the read, and other entries can be read"],
  },
  {
    name: "memory is taken for a length before the limit is looked at",
    in: "FrameWalk.#canReadMore",
    find: "if (needed === undefined || needed > this.#size - this.#end) return false;",
    replace: "if (needed === undefined) return false; if (needed > this.#buffer.length) " +
      "this.#buffer = new Uint8Array(needed); if (needed > this.#size - this.#end) return false;",
    caughtBy: [FRAMES, "no length in a file makes open take more memory than the limit"],
  },
  {
    name: "a whole entry above the limit is taken for a torn write",
    in: "FrameWalk.#canReadMore",
    find: "if (holdsLargeFrame(this.#source, this.#end, needed))",
    replace: "if (needed === 0)",
    caughtBy: [
      FRAMES,
      "a whole entry above every limit of this process is not taken for a torn write",
    ],
  },
  {
    name: "the search for whole frames ends with the budget and does not keep the bytes",
    in: "hasFrame",
    find: "if (budget < 0) return true;",
    replace: "if (budget < 0) return false;",
    caughtBy: [RECOVERY, "hostile bytes after the end are judged in bounded time, and kept"],
  },
  {
    name: "whole frames after the end are not looked for",
    in: "decide",
    find: 'if (hasFrame(source, end + 1, size)) return { case: "D", vouched: evidence };',
    replace: "",
    caughtBy: [RECOVERY, "case D: whole frames without evidence are set aside, once per damage"],
  },
  {
    name: "a Durable frame that covers the bytes up to the damage is evidence",
    in: "decide",
    find: "if (evidence > end)",
    replace: "if (evidence >= end)",
    caughtBy: [
      FRAMES,
      "a Durable frame that covers the bytes up to the damage makes no damage of a torn write",
    ],
  },
  {
    name: "another log's Durable frame after the end is evidence",
    in: "isInPlace",
    find: "sameLog(frame.logId, logId) && frame.segment",
    replace: "frame.segment",
    caughtBy: [FRAMES, "a Durable frame of another log makes no damage of a torn write"],
  },
  {
    name: "another segment's Durable frame after the end is evidence",
    in: "isInPlace",
    find: "frame.segment === firstIndex && frame.ownOffset",
    replace: "frame.ownOffset",
    caughtBy: [FRAMES, "a Durable frame of another segment makes no damage of a torn write"],
  },
  {
    name: "a Durable frame after the end that is out of its place is evidence",
    in: "isInPlace",
    find: "frame.ownOffset === offset && frame.durableOffset",
    replace: "frame.durableOffset",
    caughtBy: [FRAMES, "a Durable frame of another place makes no damage of a torn write"],
  },
  {
    name: "another log's Durable frame is taken in",
    in: "isInPlace",
    find: "sameLog(frame.logId, logId) && frame.segment",
    replace: "frame.segment",
    caughtBy: [FRAMES, "a Durable frame of another log is no part of the log"],
  },
  {
    name: "another segment's Durable frame is taken in",
    in: "isInPlace",
    find: "frame.segment === firstIndex && frame.ownOffset",
    replace: "frame.ownOffset",
    caughtBy: [FRAMES, "a Durable frame of another segment is no part of the log"],
  },
  {
    name: "a Durable frame out of its place is taken in",
    in: "isInPlace",
    find: "frame.ownOffset === offset && frame.durableOffset",
    replace: "frame.durableOffset",
    caughtBy: [FRAMES, "a Durable frame of another place is no part of the log"],
  },
  {
    name: "a part of a batch is kept",
    in: "FrameWalk.#dropOpenBatch",
    find: "if (batch === undefined) return;",
    replace: "if (batch === undefined || batch.left >= 0) return;",
    caughtBy: [SEGMENTS, "a file that ends anywhere within a batch has none of it"],
  },
  {
    name: "a batch may have more or fewer bytes than its Batch frame says",
    in: "FrameWalk.#takeEntries",
    find: "if (batch.end !== this.#entriesEnd) return undefined;",
    replace: "",
    caughtBy: [FRAMES, "a batch that is longer than it says is no part of the log"],
  },
  {
    name: "other frames may stand in a batch",
    in: "FrameWalk.#takeInternal",
    find: "if (this.#version === 1 || this.#batch !== undefined) return false;",
    replace: "if (this.#version === 1) return false;",
    caughtBy: [FRAMES, "a batch with a Durable frame in it is no part of the log"],
  },
  {
    name: "a Seal drops none of the entries in front of it",
    in: "FrameWalk.#dropUncounted",
    find: "this.#offsets.cut(this.#seal.count);",
    replace: "",
    caughtBy: [SEGMENTS, "a log can be cut again and again, within the same batch too"],
  },
  {
    name: "entries may stand after a Seal",
    in: "FrameWalk.#takeFrames",
    find: "if (this.#seal !== undefined) return at;",
    replace: "",
    caughtBy: [FRAMES, "an entry after a Seal is no part of the log"],
  },
  {
    name: "a Seal may count more or fewer entries than there are",
    in: "FrameWalk.#takeSeal",
    find: "if (!isAll && !isWithinBatch) return false;",
    replace: "if (!isAll && !isWithinBatch && count > offsets.count) return false;",
    caughtBy: [FRAMES, "a Seal of fewer entries than there are is no part of the log"],
  },
  {
    name: "a Seal may state other offsets than those of the entries",
    in: "FrameWalk.#takeSeal",
    find: "if (stated !== offsets.at(i)) return false;",
    replace: "if (stated < 0) return false;",
    caughtBy: [FRAMES, "a Seal that places an entry elsewhere is no part of the log"],
  },
  {
    name: "a Durable frame that covers bytes after itself is taken in",
    in: "isInPlace",
    find: "frame.ownOffset === offset && frame.durableOffset <= offset",
    replace: "frame.ownOffset === offset",
    caughtBy: [FRAMES, "a Durable frame that covers bytes after itself is no part of the log"],
  },
  {
    name: "a Durable frame after the end that covers bytes after itself is evidence",
    in: "isInPlace",
    find: "frame.ownOffset === offset && frame.durableOffset <= offset",
    replace: "frame.ownOffset === offset",
    caughtBy: [
      FRAMES,
      "a Durable frame that covers bytes after itself makes no damage of a torn write",
    ],
  },
  {
    name: "a version 2 file needs no Segment frame",
    in: "scanSegment",
    find: "if (version === 2 && scan.logId === undefined)",
    replace: "if (version === 1 && scan.logId !== undefined)",
    caughtBy: [
      RECOVERY,
      "damage to the header or the Segment frame in front of entries is refused",
    ],
  },
  {
    name: "an Internal frame of an unknown kind is skipped",
    in: "FrameWalk.#takeInternal",
    find: 'if (frame.kind === "unknown")',
    replace:
      'if (frame.kind === "unknown" && frame.number > 0) return true; if (frame.kind === "unknown")',
    caughtBy: [RECOVERY, "an Internal frame of an unknown kind is an error that names the kind"],
  },
  {
    name: "a frame of any kind may stand after a Seal",
    in: "FrameWalk.#mayStand",
    find: 'return place === "last" || this.#seal === undefined;',
    replace: "return true;",
    caughtBy: [KINDS, "a frame of a kind from 128 on is no part of the log after a Seal"],
  },
  {
    name: "a frame of a kind from 128 on is not skipped",
    in: "readInternalPayload",
    find: "number >= FIRST_SKIPPABLE && payload.length",
    replace: "number > 255 && payload.length",
    caughtBy: [
      KINDS,
      "frames of kinds from 128 on are skipped between entries and batches, and are kept",
    ],
  },
  {
    name: "a read does not check the entry's checksum",
    in: "EntryReader.read",
    find: "if (buffer[0] !== TYPE_DATA || !this.#checksum.check(buffer, 0, n, n))",
    replace: "if (buffer[0] !== TYPE_DATA)",
    caughtBy: [WAL, "rot after the open is found by the read, and other entries can be read"],
  },
  {
    name: "entries that a truncation dropped while they were read ahead are still given out",
    in: "EntryCursor.hasMore",
    find: "&& this.#reader.entries.cuts === this.#cuts",
    replace: "",
    caughtBy: [
      WAL,
      "a loop sees what replaced the entries that a truncation dropped (version 2)",
    ],
  },
  {
    name: "a read takes any frame for an entry",
    in: "EntryReader.read",
    find: "if (buffer[0] !== TYPE_DATA || !this.#checksum",
    replace: "if (!this.#checksum",
    caughtBy: [
      FRAMES,
      "a frame of the log's own in an entry's place is never returned as the entry",
    ],
  },
  {
    name: "a full segment's size is not compared with what its successor says",
    in: "refuseFull",
    find: "if (size !== wantedSize)",
    replace: "if (size < 0)",
    caughtBy: [SEGMENTS, "a middle segment that is shorter or longer is named"],
  },
  {
    name: "a full segment's Segment frame is not checked",
    in: "segmentFrameIn",
    find: "if (!checksum.check(bytes, FILE_HEADER_SIZE, n, SEGMENT_FRAME_SIZE)) return undefined;",
    replace: "if (n < 0) return undefined;",
    caughtBy: [SEGMENTS, "a middle segment whose beginning rots is named"],
  },
  {
    name: "a gap between segments is not noticed",
    in: "joinSegments",
    find: "file === undefined || file.firstIndex !== previous.firstIndex",
    replace: "file === undefined",
    caughtBy: [SEGMENTS, "a middle segment that is missing is named"],
  },
  {
    name: "a segment's name may say another index than its Segment frame",
    in: "refuseSegment",
    find: "if (found.firstIndex !== firstIndex)",
    replace: "if (found.firstIndex < 0)",
    caughtBy: [SEGMENTS, "segments that changed places are named"],
  },
  {
    name: "another log's segment is taken in",
    in: "refuseSegment",
    find: "!sameLog(found.logId, logId))",
    replace: "found.logId.length === 0)",
    caughtBy: [SEGMENTS, "another log's segment is named"],
  },
  {
    name: "a full segment that shrank while the log was open is read",
    in: "SealedSegment.constructor",
    find: "if (size !== info.size && !mayBeUnsealed)",
    replace: "if (size < 0)",
    caughtBy: [
      FRAMES,
      "a full segment whose size changes while the log is open is refused at its first use",
    ],
  },
  {
    name: "a Seal's checksum is not compared with what its successor says",
    in: "findSeal",
    find: "const isVouchedFor = readUint32(header, CHECKSUM_AT) === info.checksum;",
    replace: "const isVouchedFor = readUint32(header, CHECKSUM_AT) >= 0;",
    caughtBy: [FRAMES, "a full segment in place of another of its size and count is reported"],
  },
  {
    name: "a Seal's checksum is not checked",
    in: "findSeal",
    find: "if (!isVouchedFor || !checksum.checkPieces(header, payload))",
    replace: "if (!isVouchedFor)",
    caughtBy: [SEGMENTS, "a Seal that rots anywhere is rebuilt and reported"],
  },
  {
    name: "a reader continues in full segments while a truncation is at work",
    in: "EntryReader.#requireUntouched",
    find: "if (this.entries.isUntouched?.() === false) throw this.damaged(position);",
    replace: "",
    caughtBy: [
      INTERLEAVED_READER,
      "whenever the files change, a follower sees no entry again that a cut at 32 dropped",
    ],
  },
  {
    name: "a new last file of the same name is taken for the old one",
    in: "View.#takeIn",
    find: "if (this.#fileSystem.identify(active.path) !== this.#identity) return false;",
    replace: "",
    caughtBy: [FOLLOW, "a reader is not misled by a new last file with the name of a removed one"],
  },
  {
    name: "a full segment that is scanned may have too few entries",
    in: "scanAll",
    find: 'if (scan.kind === "scanned" && scan.offsets.count >= info.count)',
    replace: 'if (scan.kind === "scanned" && scan.offsets.count >= 0)',
    caughtBy: [
      FRAMES,
      "a full segment that lost its Seal and an entry is refused, from the first that is lost",
    ],
  },
  {
    name: "a damaged full segment is appended to again",
    in: "reopenSegment",
    find: "if (isUnfinished(scan) || scan.offsets.count !== info.count)",
    replace: "if (isUnfinished(scan) || scan.offsets.count < 0)",
    caughtBy: [
      FRAMES,
      "a damaged full segment is refused after a truncation, and nothing is changed",
    ],
  },
];

/** Of the file systems. */
const FILE_SYSTEMS: readonly Mutation[] = [
  {
    name: "an interrupted call is not made again",
    in: "attempt",
    find: "return call(); } catch (error) { if (!isInterrupted(error))",
    replace: "return call(); } catch (error) {",
    caughtBy: [FILE_SYSTEM, "an interrupted call is made again"],
  },
  {
    name: "an interrupted call that waits for the disk is not made again",
    in: "attemptAsync",
    find: "return await call(); } catch (error) { if (!isInterrupted(error))",
    replace: "return await call(); } catch (error) {",
    caughtBy: [FILE_SYSTEM, "an interrupted call is made again"],
  },
  {
    name: "a write that takes nothing is made again for ever",
    in: "requireProgress",
    find: "if (written > 0) return written;",
    replace: "if (written >= 0) return written;",
    caughtBy: [FILE_SYSTEM, "a write that takes nothing is an error, not an endless loop"],
  },
  {
    name: "a file system that cannot sync a directory is an error",
    in: "tolerateUnsupported",
    find: 'if (!isFileSystemError(error) || error.code !== "EINVAL") throw error;',
    replace: "throw error;",
    caughtBy: [
      ADAPTERS,
      "a file system that cannot sync directories is no error, any other failure is",
    ],
  },
  {
    name: "a directory whose sync fails counts as synced",
    in: "tolerateUnsupported",
    find: 'if (!isFileSystemError(error) || error.code !== "EINVAL") throw error;',
    replace: "if (!isFileSystemError(error)) throw error;",
    caughtBy: [
      ADAPTERS,
      "a file system that cannot sync directories is no error, any other failure is",
    ],
  },
  {
    name: "a short read of Node's is taken for the end of the file",
    in: "NodeFile.read",
    find: "done += n;",
    replace: "return n;",
    caughtBy: [
      ADAPTERS,
      "on Node, reads and writes that are interrupted or short are finished",
    ],
  },
  {
    name: "a short write of Node's is taken for a whole one",
    in: "NodeFile.write",
    find: "done += requireProgress(n, this.#path);",
    replace: "done = length + 0 * requireProgress(n, this.#path);",
    caughtBy: [
      ADAPTERS,
      "on Node, reads and writes that are interrupted or short are finished",
    ],
  },
  {
    name: "an interrupted read of Node's is not made again",
    in: "NodeFile.read",
    find: 'if (!isInterrupted(error)) throw toFileSystemError(error, "Read", this.#path);',
    replace: 'throw toFileSystemError(error, isInterrupted(error) ? "Read" : "Read", this.#path);',
    caughtBy: [
      ADAPTERS,
      "on Node, reads and writes that are interrupted or short are finished",
    ],
  },
  {
    name: "an interrupted write of Node's is not made again",
    in: "NodeFile.write",
    find: 'if (!isInterrupted(error)) throw toFileSystemError(error, "Write", this.#path);',
    replace:
      'throw toFileSystemError(error, isInterrupted(error) ? "Write" : "Write", this.#path);',
    caughtBy: [
      ADAPTERS,
      "on Node, reads and writes that are interrupted or short are finished",
    ],
  },
  {
    name: "fdatasync is not called on Node",
    in: "NodeFile.syncData",
    find: "(done) => fs.fdatasync(this.#descriptor, done)",
    replace: "(done) => done(null)",
    caughtBy: [
      SYSTEM_CALLS,
      "a new log: created, written, fsynced, directory fsynced; one write and one fdatasync each",
    ],
    runtime: "node",
  },
  {
    name: "fsync is not called on Node",
    in: "NodeFile.sync",
    find: 'return finish("Fsync", this.#path, (done) => fs.fsync(this.#descriptor, done));',
    replace: "return Promise.resolve();",
    caughtBy: [
      SYSTEM_CALLS,
      "a reopen after a crash: fsync before any frame is read, then cut, fsync, directory fsync",
    ],
    runtime: "node",
  },
  {
    name: "the blocking fsync is not called on Node",
    in: "NodeFile.syncBlocking",
    find: "syncBlocking(): void { attempt(",
    replace: "syncBlocking(): void { if (this.#descriptor < 0) attempt(",
    caughtBy: [
      SYSTEM_CALLS,
      "a new log: created, written, fsynced, directory fsynced; one write and one fdatasync each",
    ],
    runtime: "node",
  },
  {
    name: "the fsync of a directory is not called on Node",
    in: "NodeDirectory.sync",
    find: 'await finish("Fsync", this.#path, (done) => fs.fsync(this.#descriptor, done));',
    replace: "await Promise.resolve();",
    caughtBy: [
      SYSTEM_CALLS,
      "a reopen after a crash: fsync before any frame is read, then cut, fsync, directory fsync",
    ],
    runtime: "node",
  },
  {
    name: "the blocking fsync of a directory is not called on Node",
    in: "NodeDirectory.syncBlocking",
    find: 'attempt("Fsync", this.#path, () => fs.fsyncSync(this.#descriptor));',
    replace: "if (this.#descriptor < 0) fs.fsyncSync(this.#descriptor);",
    caughtBy: [
      SYSTEM_CALLS,
      "a new log: created, written, fsynced, directory fsynced; one write and one fdatasync each",
    ],
    runtime: "node",
  },
  {
    name: "the adapter of Node syncs no directory",
    in: "NodeFileSystem.openDirectory",
    find: "return nodeFiles.openDirectory(path);",
    replace: "void path; return { sync: () => Promise.resolve(), syncBlocking: () => {}, close: " +
      "() => {} };",
    caughtBy: [
      SYSTEM_CALLS,
      "a reopen after a crash: fsync before any frame is read, then cut, fsync, directory fsync",
    ],
    runtime: "node",
  },
  {
    name: "the adapter of Bun syncs no directory",
    in: "BunFileSystem.openDirectory",
    find: "return nodeFiles.openDirectory(path);",
    replace: "void path; return { sync: () => Promise.resolve(), syncBlocking: () => {}, close: " +
      "() => {} };",
    caughtBy: [
      SYSTEM_CALLS,
      "a reopen after a crash: fsync before any frame is read, then cut, fsync, directory fsync",
    ],
    runtime: "bun",
  },
  {
    name: "a short read of Deno's is taken for the end of the file",
    in: "DenoFile.read",
    find: "if (n === null) break; this.#position += n; done += n;",
    replace: "if (n === null) break; this.#position += n; return n;",
    caughtBy: [
      ADAPTERS,
      "on Deno, reads and writes that are interrupted or short are finished",
    ],
  },
  {
    name: "a short write of Deno's is taken for a whole one",
    in: "DenoFile.write",
    find: "this.#position += n; done += n; } catch (error) { this.#position = -1; if " +
      '(!isInterrupted(error)) throw toFileSystemError(error, "Write"',
    replace: "this.#position += n; done = length; } catch (error) { this.#position = -1; if " +
      '(!isInterrupted(error)) throw toFileSystemError(error, "Write"',
    caughtBy: [
      ADAPTERS,
      "on Deno, reads and writes that are interrupted or short are finished",
    ],
  },
  {
    name: "an interrupted read of Deno's is not made again",
    in: "DenoFile.read",
    find: 'if (!isInterrupted(error)) throw toFileSystemError(error, "Read", this.#path);',
    replace: 'throw toFileSystemError(error, isInterrupted(error) ? "Read" : "Read", this.#path);',
    caughtBy: [
      ADAPTERS,
      "on Deno, reads and writes that are interrupted or short are finished",
    ],
  },
  {
    name: "an interrupted write of Deno's is not made again",
    in: "DenoFile.write",
    find: 'if (!isInterrupted(error)) throw toFileSystemError(error, "Write", this.#path);',
    replace:
      'throw toFileSystemError(error, isInterrupted(error) ? "Write" : "Write", this.#path);',
    caughtBy: [
      ADAPTERS,
      "on Deno, reads and writes that are interrupted or short are finished",
    ],
  },
  {
    name: "fdatasync is not called on Deno",
    in: "DenoFile.syncData",
    find: "() => this.#file.syncData()",
    replace: "() => Promise.resolve()",
    caughtBy: [ADAPTERS, "on Deno, every sync is one, of what it is called for"],
  },
  {
    name: "fsync is not called on Deno",
    in: "DenoFile.sync",
    find: "() => this.#file.sync()",
    replace: "() => Promise.resolve()",
    caughtBy: [ADAPTERS, "on Deno, every sync is one, of what it is called for"],
  },
  {
    name: "the blocking fsync is not called on Deno",
    in: "DenoFile.syncBlocking",
    find: "() => this.#file.syncSync()",
    replace: "() => {}",
    caughtBy: [ADAPTERS, "on Deno, every sync is one, of what it is called for"],
  },
  {
    name: "the fsync of a directory is not called on Deno",
    in: "DenoDirectory.sync",
    find: "await this.#file.sync();",
    replace: "",
    caughtBy: [ADAPTERS, "on Deno, every sync is one, of what it is called for"],
  },
  {
    name: "the blocking fsync of a directory is not called on Deno",
    in: "DenoDirectory.syncBlocking",
    find: "this.#file.syncBlocking();",
    replace: "",
    caughtBy: [ADAPTERS, "on Deno, every sync is one, of what it is called for"],
  },
];

/** All of them. */
export const MUTATIONS: readonly Mutation[] = [
  ...OPENING,
  ...WRITING,
  ...DROPPING,
  ...META_FILE,
  ...CHECKS,
  ...FILE_SYSTEMS,
  ...ENDS,
  ...ERRORS,
  ...IDENTITY,
  ...LOCKS,
  ...MACHINES,
  ...MAPPED_FILES,
  ...SNAPSHOT_FILES,
  ...DAMAGED_LOGS,
  ...READERS,
  ...LAYERS_BELOW,
  ...ORDER_AND_OVERLAP,
  ...EVENT_LOGS,
  ...QUEUES,
];
