/**
 * The mutations of the library's own code, each with the test that notices it: every sync, cut,
 * check and order that a promise rests on is left out once.
 *
 * @module
 */
import { ENDS } from "./ends.ts";
import { ERRORS } from "./errors.ts";
import { IDENTITY } from "./identity.ts";
import { LOCKS } from "./locks.ts";
import { DAMAGED_LOGS } from "./recovery_of_damaged.ts";
import { READERS } from "./readers.ts";
import { ORDER_AND_OVERLAP } from "./order_and_overlap.ts";
import type { Runtime } from "../../kit/runtime.ts";

/** A change that breaks a promise, and the test that fails then. */
export interface Mutation {
  /** What is wrong then, in words. */
  readonly name: string;
  /** The file that is changed. */
  readonly file: string;
  /** The text that is replaced. It occurs once in the file. */
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
const RECOVERY = "tests/segment/recovery_test.ts";
const SEGMENTS = "tests/files/segments_test.ts";
const SYSTEM_CALLS = "tests/fs/system_calls_test.ts";
const WAL = "tests/wal_test.ts";

const EVERY_CRASH = "every crash of a program that does everything keeps every promise";

/** Of opening a log. */
const OPENING: readonly Mutation[] = [
  {
    name: "a new directory's parent is not synced",
    file: "src/opening/open.ts",
    find: "    }\n    await this.#fileSystem.syncDirectory(parent);\n",
    replace: "    }\n",
    caughtBy: [
      FAILURE,
      "making a log: created, written, fsynced, directory fsynced, in this order",
    ],
  },
  {
    name: "the parent of a directory that is there is not synced",
    file: "src/opening/open.ts",
    find: "    if (parent === directory) return;\n    try {\n",
    replace: '    if (parent !== "") return;\n    try {\n',
    caughtBy: [
      POWER_CUT,
      "a log in a new directory is durable, whoever died while making the directories",
    ],
  },
  {
    name: "the last segment is not synced before it is scanned",
    file: "src/opening/open.ts",
    find: "await this.#syncFile(source);\n        const found = scanSegment(source);",
    replace: "const found = scanSegment(source);",
    caughtBy: [
      FAILURE,
      "reopening after a crash: fsync before the first frame is read, then cut, write again, fsync",
    ],
  },
  {
    name: "a torn last write is not cut",
    file: "src/opening/open.ts",
    find: "        if (vouched < scan.size) file.truncate(vouched);\n",
    replace: "",
    caughtBy: [
      FAILURE,
      "reopening after a crash: fsync before the first frame is read, then cut, write again, fsync",
    ],
  },
  {
    name: "a torn last write of a version 1 file is not cut",
    file: "src/opening/open.ts",
    find:
      "        // Nothing vouches for any of it, and it may be large.\n        if (end < scan.size) file.truncate(end);\n",
    replace: "        // Nothing vouches for any of it, and it may be large.\n",
    caughtBy: [RECOVERY, "version 1: a cut at any byte recovers the whole entries before it"],
  },
  {
    name: "what no Durable frame vouches for is not written again",
    file: "src/opening/open.ts",
    find:
      "        if (await this.#redo.tryBegin(target, pieces(file, vouched, end), end - vouched)) {\n",
    replace:
      "        if (target.offset >= 0) {\n          if (end < scan.size) file.truncate(end);\n        } else if (await this.#redo.tryBegin(target, pieces(file, vouched, end), end - vouched)) {\n",
    caughtBy: [CRASH, "every failing call keeps every promise, a failed sync as on ext4"],
  },
  {
    name: "a version 1 file is not written again",
    file: "src/opening/open.ts",
    find: "        writeAll(file, 0, pieces(file, 0, end));\n",
    replace: "",
    caughtBy: [
      DURABILITY,
      "an entry whose sync failed is durable when open has returned it (version 1, ext4)",
    ],
  },
  {
    name: "frames without an entry that a reopening gives up are not written again",
    file: "src/opening/open.ts",
    find: "        if (tail.length > 0) file.write(tail, vouched);\n",
    replace: "        if (tail.length > 0 && vouched < 0) file.write(tail, vouched);\n",
    caughtBy: [WAL, "open and close again and again do not make a log grow"],
  },
  {
    name: "what no Durable frame vouches for is given up without a redo file",
    file: "src/opening/open.ts",
    find:
      "        if (await this.#redo.tryBegin(target, pieces(file, vouched, end), end - vouched)) {\n",
    replace:
      "        if (target.offset >= 0) {\n          const tail = new Uint8Array(end - vouched);\n          file.read(tail, vouched);\n          file.truncate(vouched);\n          file.write(tail, vouched);\n        } else if (await this.#redo.tryBegin(target, pieces(file, vouched, end), end - vouched)) {\n",
    caughtBy: [CRASH, "every crash of a program that does everything keeps every promise"],
  },
  {
    name: "an entry counts as none when a reopening gives up its block",
    file: "src/opening/open.ts",
    find: "vouched > 0 && entriesEnd <= vouched && scan.seal",
    replace: "vouched > 0 && entriesEnd >= 0 && scan.seal",
    caughtBy: [CRASH, "every crash of a program that does everything keeps every promise"],
  },
  {
    name: "the last segment is not synced after it was cut and written again",
    file: "src/opening/open.ts",
    find: "    await this.#syncFile(source);\n  }\n\n  /** Goes on with the replacement",
    replace: "  }\n\n  /** Goes on with the replacement",
    caughtBy: [
      DURABILITY,
      "an entry whose sync failed is durable when open has returned it (version 1, ext4)",
    ],
  },
  {
    name: "a replacement that a crash interrupted is not gone on with",
    file: "src/opening/open.ts",
    find: "if (this.#redo.exists()) await this.#finishReplacement();",
    replace: "if (this.#redo.exists()) await this.#redo.end();",
    caughtBy: [CRASH, "every crash of a program that does everything keeps every promise"],
  },
  {
    name: "what an interrupted truncation removed is not synced before it is gone on with",
    file: "src/opening/open.ts",
    find: "      // Whoever removed one may have died before that was durable.\n" +
      "      await this.directory.sync();\n",
    replace: "",
    caughtBy: [
      DURABILITY,
      "a tail truncation over segments is finished or taken back after a crash in the opening that goes on with it",
    ],
  },
  {
    name: "an interrupted truncation removes the oldest segment first when it is gone on with",
    file: "src/opening/open.ts",
    find: "of behind.toReversed()",
    replace: "of behind",
    caughtBy: [
      DURABILITY,
      "a tail truncation over segments is finished or taken back after a crash in the opening that goes on with it",
    ],
  },
  {
    name: "an interrupted truncation leaves the segments behind when it is gone on with",
    file: "src/opening/open.ts",
    find: "        this.directory.remove(segment.path);\n        await this.directory.sync();\n",
    replace: "        if (segment.firstIndex < 0) return;\n",
    caughtBy: [
      DURABILITY,
      "a tail truncation over segments is finished or taken back after a crash in the opening that goes on with it",
    ],
  },
  {
    name: "an interrupted truncation does not sync each removal when it is gone on with",
    file: "src/opening/open.ts",
    find: "        this.directory.remove(segment.path);\n        await this.directory.sync();\n",
    replace: "        this.directory.remove(segment.path);\n",
    caughtBy: [
      DURABILITY,
      "a tail truncation over segments is finished or taken back after a crash in the opening that goes on with it",
    ],
  },
  {
    name: "the redo file is not synced before the tail is given up",
    file: "src/files/redo.ts",
    find: "      await redo.sync();\n",
    replace: "",
    caughtBy: [CRASH, "every crash of a program that does everything keeps every promise"],
  },
  {
    name: "the redo file's name is not synced before the tail is given up",
    file: "src/files/redo.ts",
    find: "      await redo.sync();\n      await this.#directory.sync();\n",
    replace: "      await redo.sync();\n",
    caughtBy: [CRASH, "every crash of a program that does everything keeps every promise"],
  },
  {
    name: "a redo file that could not be written is left there",
    file: "src/files/redo.ts",
    find: "      await this.end();\n      throw error;\n",
    replace: "      throw error;\n",
    caughtBy: [
      DURABILITY,
      "a truncation that finds no space leaves the log as it was, and can be made again",
    ],
  },
  {
    name: "a tail that is replaced is not given up",
    file: "src/files/redo.ts",
    find: "    file.truncate(offset);\n",
    replace: "",
    caughtBy: [DECISION_TABLE, "version 2: open does what the table says"],
  },
  {
    name: "a tail that is replaced is not synced",
    file: "src/files/redo.ts",
    find: "    await file.sync();\n",
    replace: "",
    caughtBy: [CRASH, "every crash of a program that does everything keeps every promise"],
  },
  {
    name: "the removal of the redo file is not synced",
    file: "src/files/redo.ts",
    find: "      this.#directory.remove(this.#path);\n      await this.#directory.sync();\n",
    replace: "      this.#directory.remove(this.#path);\n",
    caughtBy: [
      DURABILITY,
      "a truncation of durable entries is done or not after a crash at any step",
    ],
  },
  {
    name: "the redo file's checksum is not checked",
    file: "src/files/redo.ts",
    find: "if (!holds) return undefined;",
    replace: "if (!holds && rest !== 0) return undefined;",
    caughtBy: [DURABILITY, "a redo file that fails its checksum is not gone on with"],
  },
  {
    name: "a log on a full disk is not opened",
    file: "src/files/redo.ts",
    find: "      if (isFull) return false;\n",
    replace: "      if (isFull) throw error;\n",
    caughtBy: [DURABILITY, "on a full disk, an opening keeps what was durable through any crash"],
  },
  {
    name: "on a full disk, a torn last write is not cut",
    file: "src/opening/open.ts",
    find: "        } else {\n          if (end < scan.size) file.truncate(end);\n",
    replace: "        } else {\n",
    caughtBy: [DURABILITY, "on a full disk, an opening keeps what was durable through any crash"],
  },
  {
    name: "a tail counts as untouched by its size alone",
    file: "src/files/redo.ts",
    find: "      this.#checksum.crc32Of(pieces(file, offset, size)) === oldChecksum;",
    replace: "      oldChecksum >= 0;",
    caughtBy: [CRASH, "every crash of a program that does everything keeps every promise"],
  },
  {
    name: "a redo file that was not yet in use is gone on with",
    file: "src/opening/open.ts",
    find: "      if (this.#redo.isUntouched(file, record)) return;\n",
    replace: "",
    caughtBy: [
      DURABILITY,
      "what is durable stays so through openings that die and a crash in the last",
    ],
  },
  {
    name: "a redo file is not marked when it is in use",
    file: "src/files/redo.ts",
    find: "      markInUse(redo, length);\n    } catch (error) {\n",
    replace: "    } catch (error) {\n",
    caughtBy: [
      DURABILITY,
      "what is durable stays so through openings that die and a crash in the last",
    ],
  },
  {
    name: "a redo file is not marked when an interrupted replacement goes on",
    file: "src/opening/open.ts",
    find: "      this.#redo.goOn(record);\n",
    replace: "",
    caughtBy: [
      DURABILITY,
      "a.wal is whole after a crash in an opening, an opening that dies, and another crash",
    ],
  },
  {
    name: "a redo file is not marked when the slots are written again after a crash",
    file: "src/files/meta.ts",
    find: "      redo.goOn(record);\n",
    replace: "",
    caughtBy: [
      DURABILITY,
      "a.wal.meta is whole after a crash in an opening, an opening that dies, and another crash",
    ],
  },
  {
    name: "a tail that was written again and not yet synced counts as untouched",
    file: "src/files/redo.ts",
    find: "    if (isInUse) return false;\n",
    replace: "    if (isInUse && size < 0) return false;\n",
    caughtBy: [
      DURABILITY,
      "what is durable stays so through an opening whose sync failed and a crash in the next (ext4)",
    ],
  },
  {
    name: "the directory of a log that is opened again is not synced",
    file: "src/opening/open.ts",
    find: "      // Whoever made the last file may have died before its name was durable.\n" +
      "      await this.directory.sync();\n",
    replace: "",
    caughtBy: [
      DURABILITY,
      "a log whose maker died at any step is durable, with its name, when it is opened",
    ],
  },
  {
    name: "what an interrupted making left is not cut before the log is made anew",
    file: "src/opening/open.ts",
    find: "    source.file.truncate(0);\n",
    replace: "",
    caughtBy: [
      RECOVERY,
      "damage to the header or the Segment frame in front of entries is refused",
    ],
  },
  {
    name: "a log that is made anew is not synced",
    file: "src/opening/open.ts",
    find: "previous: NO_SEGMENT });\n    await this.#syncFile(source);\n",
    replace: "previous: NO_SEGMENT });\n",
    caughtBy: [
      DURABILITY,
      "a log that was made anew is opened after any crash, wherever its head has moved",
    ],
  },
  {
    name: "damage to acknowledged data is cut like a torn write",
    file: "src/opening/open.ts",
    find:
      '          if (decision.case === "C" && isDefault) throw corrupt(source.path, found, decision);\n',
    replace: "",
    caughtBy: [RECOVERY, "case C: damage to what a later Durable frame vouches for is refused"],
  },
  {
    name: "segments that do not join are refused after the last one was changed",
    file: "src/opening/open.ts",
    find: "      const { sealed, leftovers } = this.#join(files, found, headIndex);\n",
    replace:
      '      if ("decision" in last) {\n        await this.#recoverEnd(last.source, last.found, last.decision);\n      }\n      const { sealed, leftovers } = this.#join(files, found, headIndex);\n',
    caughtBy: [FRAMES, "a log whose last file does not join is refused before its torn end is cut"],
  },
  {
    name: "a lost beginning below the head is taken for an interrupted making",
    file: "src/opening/open.ts",
    find: "if (isPast && isDefault) throw",
    replace: "if (isPast && found.size < 0 && isDefault) throw",
    caughtBy: [FRAMES, "a file that lost its beginning below the head was in use, and is refused"],
  },
  {
    name: "a segment whose beginning is damaged is taken for one that was never in use",
    file: "src/opening/open.ts",
    find:
      '        if (found.holds === "frames" && isDefault) throw beginningDamaged(source, found);\n',
    replace: "",
    caughtBy: [
      RECOVERY,
      "damage to the header or the Segment frame in front of entries is refused",
    ],
  },
  {
    name: "whole frames behind the end are cut and not set aside",
    file: "src/opening/open.ts",
    find: 'decision.case === "C" || decision.case === "D"',
    replace: 'decision.case === "C"',
    caughtBy: [RECOVERY, "case D: whole frames without evidence are set aside, once per damage"],
  },
  {
    name: "the torn end of a version 1 file is cut and not set aside",
    file: "src/opening/open.ts",
    find: 'return decision.case === "E" && version === 1;',
    replace: "return version !== 1 && version !== 2;",
    caughtBy: [DECISION_TABLE, "version 1: open does what the table says"],
  },
  {
    name: "bytes are cut before they are set aside",
    file: "src/opening/open.ts",
    find: "    const { end, size } = found;\n",
    replace: "    const { end, size } = found;\n    source.file.truncate(end);\n",
    caughtBy: [FAILURE, "what is set aside is durable before it is cut off"],
  },
  {
    name: "a roll that a crash interrupted is not finished",
    file: "src/opening/open.ts",
    find: "if (scan.seal !== undefined) {",
    replace: "if (scan.seal !== undefined && scan.seal.count < 0) {",
    caughtBy: [
      FRAMES,
      "what is appended after an interrupted roll is there, however much room was left",
    ],
  },
  {
    name: "a reset that a crash interrupted is not finished",
    file: "src/opening/open.ts",
    find: "if (headIndex > segments.lastIndex + 1) await segments.moveTo(headIndex);\n      else ",
    replace: "",
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "a head truncation that a crash interrupted is not finished",
    file: "src/opening/open.ts",
    find: "      else await segments.dropBefore(headIndex);\n",
    replace: "",
    caughtBy: [
      DURABILITY,
      "a head truncation of everything that was interrupted gives the space back at the next open",
    ],
  },
  {
    name: "files below the head are left where they are",
    file: "src/opening/open.ts",
    find: "      for (const { path } of leftovers) this.directory.remove(path);\n",
    replace: "",
    caughtBy: [SEGMENTS, "a head truncation whose removal fails is finished by a reopen"],
  },
  {
    name: "another log's meta file is believed",
    file: "src/opening/open.ts",
    find: "!sameLog(logId, meta.current.logId)",
    replace: "logId.length === 0",
    caughtBy: [META, "another log's meta file is refused"],
  },
  {
    name: "a log whose segments are all gone is made anew",
    file: "src/opening/open.ts",
    find:
      "    if (meta.current !== undefined) throw segmentMissing(this.#path, meta.current.headIndex);\n",
    replace: "",
    caughtBy: [
      DURABILITY,
      "a log whose files are gone, but not its state, is refused and not made anew",
    ],
  },
  {
    name: "the bytes that are set aside are not synced",
    file: "src/files/quarantine.ts",
    find: "    await file.sync();\n",
    replace: "",
    caughtBy: [FAILURE, "what is set aside is durable before it is cut off"],
  },
  {
    name: "the name of what is set aside is not synced",
    file: "src/files/quarantine.ts",
    find: "  await directory.sync();\n",
    replace: "",
    caughtBy: [FAILURE, "what is set aside is durable before it is cut off"],
  },
];

/** Of writing entries and making them durable. */
const WRITING: readonly Mutation[] = [
  {
    name: "sync does not call fdatasync",
    file: "src/segment/segment.ts",
    find: "      const running = this.#file.syncData();\n",
    replace: "      const running = Promise.resolve();\n",
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "a blocking sync does not call fdatasync",
    file: "src/segment/segment.ts",
    find: "      file.syncDataBlocking();\n",
    replace: "",
    caughtBy: [COMMIT, "a blocking sync is one fdatasync, and the event loop turns between two"],
  },
  {
    name: "a full segment keeps the zeros behind its Seal",
    file: "src/segment/segment.ts",
    find: "      this.#trim();\n      file.syncBlocking();\n",
    replace: "      file.syncBlocking();\n",
    caughtBy: [PREALLOCATION, "close gives the space back, and a roll does"],
  },
  {
    name: "a reader believes its first look at a file that is being written",
    file: "src/opening/open.ts",
    find: "    if (now.end === scan.end) return { scan, decision };\n",
    replace: "    return { scan, decision };\n",
    caughtBy: [PREALLOCATION, "a reader that is opened while the writer goes on sees no damage"],
  },
  {
    name: "what was staged is not written for who looks",
    file: "src/wal.ts",
    find: "  get lastIndex(): number {\n    this.#writeStaged();\n",
    replace: "  get lastIndex(): number {\n",
    caughtBy: [
      COMMIT,
      "callers that wait for one sync are written together, and seen by who looks before",
    ],
  },
  {
    name: "entries that came while the sync ran count as durable",
    file: "src/segment/segment.ts",
    find: "this.#durableCount = Math.max(this.#durableCount, count);",
    replace: "this.#durableCount = this.offsets.count;",
    caughtBy: [COMMIT, "a sync covers what was appended before it, not what came while it ran"],
  },
  {
    name: "a Durable frame vouches for what was written while the sync ran",
    file: "src/segment/segment.ts",
    find: "this.#durableEnd = Math.max(this.#durableEnd, this.#unsettledEnd, end);",
    replace: "this.#durableEnd = this.#entriesEnd;",
    caughtBy: [DURABILITY, "a Durable frame vouches for nothing that came while its sync ran"],
  },
  {
    name: "a Durable frame vouches for itself",
    file: "src/segment/segment.ts",
    find: "      this.#durableEnd,\n    );\n",
    replace: "      this.#end + DURABLE_FRAME_SIZE,\n    );\n",
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "no Durable frame is written in front of entries",
    file: "src/segment/segment.ts",
    find:
      "    const lead = this.#durableFrameSize();\n    const size = lead + FRAME_HEADER_SIZE + data.length;\n",
    replace: "    const lead = 0;\n    const size = lead + FRAME_HEADER_SIZE + data.length;\n",
    caughtBy: [RECOVERY, "case C: salvage sets the bytes aside and goes on with what is before"],
  },
  {
    name: "an entry's checksum is not written",
    file: "src/segment/segment.ts",
    find:
      "    this.#checksum.seal(buffer, 0, size);\n    this.#write(buffer, size);\n    this.#entriesEnd",
    replace: "    this.#write(buffer, size);\n    this.#entriesEnd",
    caughtBy: [WAL, "entries come back by index, in a list, and in a range"],
  },
  {
    name: "a batch has no Batch frame",
    file: "src/segment/segment.ts",
    find:
      "    writeFrameHeader(buffer, lead, TYPE_INTERNAL, BATCH_FRAME_SIZE - FRAME_HEADER_SIZE);\n    writeBatchPayload(buffer, lead + FRAME_HEADER_SIZE, entries.length, bytes);\n",
    replace: "    buffer.fill(0, lead, first);\n",
    caughtBy: [SEGMENTS, "a file that ends anywhere within a batch has none of it"],
  },
  {
    name: "a failed fdatasync is taken for a good one",
    file: "src/segment/segment.ts",
    find: "      throw this.#syncFailed(doing, cause);\n    } finally {",
    replace: "      if (cause === undefined) throw cause;\n    } finally {",
    caughtBy: [FAILURE, "a failed sync rejects every waiting and later call and ends the handle"],
  },
  {
    name: "a failed write is not cut back",
    file: "src/segment/segment.ts",
    find: "      this.#cutBack();\n      throw writeFailed(",
    replace: "      throw writeFailed(",
    caughtBy: [FAILURE, "a failed write leaves no partial bytes, and the log goes on"],
  },
  {
    name: "a cut-back cuts nothing",
    file: "src/segment/segment.ts",
    find: "      this.#file.truncate(this.#end);\n",
    replace: "",
    caughtBy: [FAILURE, "a failed write leaves no partial bytes, and the log goes on"],
  },
  {
    name: "two syncs of one file overlap",
    file: "src/fs/syncs.ts",
    find: "    while (this.#running !== undefined) await this.#running;\n" +
      "    this.#requireNoFailure();\n    let end",
    replace: "    let end",
    caughtBy: [
      OVERLAP,
      "an unasked sync and sync: one fails, as on ext4, told once a descriptor, by itself",
    ],
  },
  {
    name: "a sync that blocks is made through the descriptor of one that runs",
    file: "src/segment/segment.ts",
    find: "    const file = this.#second;\n",
    replace: "    const file: File | undefined = this.#file;\n",
    caughtBy: [
      OVERLAP,
      "a group's sync and a roll: one fails, as on ext4, told once a descriptor, by itself",
    ],
  },
  {
    name: "a Durable frame vouches for what a sync that runs may yet fail over",
    file: "src/segment/segment.ts",
    find: "    if (this.#syncs.isPending) {\n      this.#unsettledEnd",
    replace: "    if (this.#closed) {\n      this.#unsettledEnd",
    caughtBy: [OVERLAP, "no Durable frame vouches for what a sync that runs may yet fail over"],
  },
  {
    name: "a sync does not wait for one of an earlier segment",
    file: "src/files/segments.ts",
    find: "    await Promise.all([active, this.#earlierSettled()]);\n",
    replace: "    await active;\n",
    caughtBy: [
      OVERLAP,
      "a sync waits for the verdict of one of an earlier segment, and fails with it",
    ],
  },
  {
    name: "a directory is synced through a descriptor that was opened after the error",
    file: "src/fs/log_directory.ts",
    find: "this.#syncs.runBlocking(() => held(this.#second).syncBlocking());",
    replace: "this.#fileSystem.openDirectory(this.path).syncBlocking();",
    caughtBy: [
      OVERLAP,
      "a directory's failed sync ends the handle for an append that rolls meanwhile",
    ],
  },
  {
    name: "a cut-back is not synced",
    file: "src/segment/segment.ts",
    find: "      this.#allocated = this.#end;\n      file.syncBlocking();\n",
    replace: "      this.#allocated = this.#end;\n",
    caughtBy: [
      FAILURE,
      "what a failed write left is cut off durably before anything else is written",
    ],
  },
  {
    name: "who arrives while a sync runs is answered by that one",
    file: "src/writer/commit.ts",
    find:
      "      this.#next = undefined;\n      try {\n        const running = this.#syncOnce();\n        if (running !== undefined) await running;\n",
    replace:
      "      try {\n        const running = this.#syncOnce();\n        if (running !== undefined) await running;\n        this.#next = undefined;\n",
    caughtBy: [
      COMMIT,
      "who arrives while a sync runs waits for the next, which begins afterwards",
    ],
  },
  {
    name: "a failed sync resolves those who wait for it",
    file: "src/writer/commit.ts",
    find: "group.reject(error);",
    replace: "if (error !== undefined) group.resolve();",
    caughtBy: [COMMIT, "a failed sync rejects its group and not the next"],
  },
  {
    name: "appendAndSync does not wait for the sync",
    file: "src/wal.ts",
    find: "    const entry = this.#stage(data);\n    await this.#commit.join();\n",
    replace: "    const entry = this.#stage(data);\n    this.#writeStaged();\n",
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "appendBatchAndSync does not wait for the sync",
    file: "src/wal.ts",
    find: "const range = this.appendBatch(entries);\n    await this.#commit.join();\n",
    replace: "const range = this.appendBatch(entries);\n",
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "sync does not wait for the sync",
    file: "src/wal.ts",
    find: "    else await this.#commit.join();\n",
    replace: "",
    caughtBy: [WAL, "durableIndex follows the syncs, and never runs ahead"],
  },
  {
    name: "a failed sync does not end the handle",
    file: "src/wal.ts",
    find: "    this.#failure ??= this.#withIndex(error);\n    this.#idleTimer?.cancel();\n" +
      "    this.#changes.notify();\n    return this.#failure;\n",
    replace: "    return error;\n",
    caughtBy: [FAILURE, "a failed sync rejects every waiting and later call and ends the handle"],
  },
  {
    name: "a failed sync is tried again for those who wait for the next",
    file: "src/wal.ts",
    find:
      "    this.#writeStaged();\n    if (this.#failure !== undefined) throw this.#told(this.#failure);\n    const { active, isSettled, isSyncing }",
    replace: "    this.#writeStaged();\n    const { active, isSettled, isSyncing }",
    caughtBy: [FAILURE, "a failed sync rejects every waiting and later call and ends the handle"],
  },
  {
    name: "close does not sync the last entries",
    file: "src/wal.ts",
    find: "      await this.#segments.sync();\n      if (this.#vouch()) await active.sync();\n",
    replace: "      if (active.isDurable && this.#vouch()) await active.sync();\n",
    caughtBy: [
      DURABILITY,
      "after a clean close and a power cut, damage to any entry is known as such",
    ],
  },
  {
    name: "close does not sync the Durable frame that tells of the last sync",
    file: "src/wal.ts",
    find: "      if (this.#vouch()) await active.sync();\n",
    replace: "      this.#vouch();\n",
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
    file: "src/segment/segment.ts",
    find: "      this.#trim();\n      file.syncBlocking();\n",
    replace: "      this.#trim();\n",
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "a Seal stays when no next segment could be made",
    file: "src/segment/segment.ts",
    find: "    if (this.version === 2) this.#end -= sealFrameSize(this.offsets.count);\n" +
      "    this.#cutBack();\n",
    replace: "    if (this.version === 2) this.#end -= sealFrameSize(this.offsets.count);\n",
    caughtBy: [
      DURABILITY,
      "a roll that fails for want of space leaves the full segment byte by byte as it was",
    ],
  },
  {
    name: "a tail truncation does not cut the file",
    file: "src/segment/segment.ts",
    find: "      this.#file.truncate(end);\n",
    replace: "",
    caughtBy: [WAL, "a truncation drops the tail for good"],
  },
  {
    name: "a tail truncation is not synced",
    file: "src/segment/segment.ts",
    find: '    await this.#run("the truncation", () => this.#file.sync());\n',
    replace: "",
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "a truncation that drops a whole batch leaves its Batch frame",
    file: "src/segment/segment.ts",
    find: "(isBatchStart ? BATCH_FRAME_SIZE : 0)",
    replace: "(isBatchStart ? 0 : 0)",
    caughtBy: [SEGMENTS, "a log can be cut at any index, and appended to again"],
  },
  {
    name: "after a truncation, what is durable is not vouched for",
    file: "src/segment/segment.ts",
    find: "      this.#vouched = 0;\n",
    replace: "",
    caughtBy: [
      RECOVERY,
      "case C: what is appended after a truncation is vouched for like anything else",
    ],
  },
  {
    name: "a truncation within a batch cuts the batch",
    file: "src/files/segments.ts",
    find: "const batchEnd = last.batchEndAround(position);",
    replace: "const batchEnd = last.batchEndAround(position) === -1 ? 0 : undefined;",
    caughtBy: [SEGMENTS, "a log can be cut at any index, and appended to again"],
  },
  {
    name: "a truncation of what a Durable frame vouches for needs no redo file",
    file: "src/files/segments.ts",
    find: "const mustRedo = count < last.offsets.count &&",
    replace: "const mustRedo = count < 0 &&",
    caughtBy: [DURABILITY, "zeros that a crash leaves where a truncation was to cut are no damage"],
  },
  {
    name: "a truncation removes segments before the redo file tells of it",
    file: "src/files/segments.ts",
    find: "    if (mustRedo) {\n" +
      "      try {\n" +
      "        await this.#context.redo.begin(last.tailFrom(count), [], 0);\n" +
      "      } catch (error) {\n" +
      "        if (info !== undefined) last.close();\n" +
      "        if (isEnd(error)) throw error;\n" +
      "        throw cutFailed(index, last.path, error);\n" +
      "      }\n" +
      "    }\n" +
      "    if (info !== undefined) await this.#dropSegmentsBehind(info, last);\n",
    replace: "    if (info !== undefined) await this.#dropSegmentsBehind(info, last);\n" +
      "    if (mustRedo) {\n" +
      "      try {\n" +
      "        await this.#context.redo.begin(last.tailFrom(count), [], 0);\n" +
      "      } catch (error) {\n" +
      "        if (info !== undefined) last.close();\n" +
      "        if (isEnd(error)) throw error;\n" +
      "        throw cutFailed(index, last.path, error);\n" +
      "      }\n" +
      "    }\n",
    caughtBy: [
      DURABILITY,
      "a truncation that finds no space leaves the log as it was, and can be made again",
    ],
  },
  {
    name: "a new segment is not synced",
    file: "src/files/segments.ts",
    find: "      file.syncBlocking();\n      directory.syncBlocking();\n" +
      '    } catch (cause) {\n      throw outcomeUnknown(path, firstIndex - 1, "a new segment"',
    replace: "      directory.syncBlocking();\n" +
      '    } catch (cause) {\n      throw outcomeUnknown(path, firstIndex - 1, "a new segment"',
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "a new segment's name is not synced",
    file: "src/files/segments.ts",
    find: "      file.syncBlocking();\n      directory.syncBlocking();\n",
    replace: "      file.syncBlocking();\n",
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "a segment that could not be made is left there",
    file: "src/files/segments.ts",
    find: "      directory.remove(path);\n      directory.syncBlocking();\n",
    replace: "",
    caughtBy: [
      DURABILITY,
      "a roll that fails for want of space leaves the full segment byte by byte as it was",
    ],
  },
  {
    name: "the removal of a segment that could not be made is not synced",
    file: "src/files/segments.ts",
    find: "      directory.remove(path);\n      directory.syncBlocking();\n",
    replace: "      directory.remove(path);\n",
    caughtBy: [
      DURABILITY,
      "a roll that fails for want of space leaves the full segment byte by byte as it was",
    ],
  },
  {
    name: "an empty version 1 file that becomes version 2 is not synced",
    file: "src/files/segments.ts",
    find: "      source.file.syncBlocking();\n",
    replace: "",
    caughtBy: [
      DURABILITY,
      "a version 1 file without entries that goes on as version 2 is one after any crash",
    ],
  },
  {
    name: "a batch is appended to a version 1 file",
    file: "src/files/segments.ts",
    find: "    else if (version === 1 || (offsets",
    replace: "    else if ((offsets",
    caughtBy: [
      SEGMENTS,
      "a batch goes to the segment after a version 1 file, however few entries that has",
    ],
  },
  {
    name: "the removal of segments before the head is not synced",
    file: "src/files/segments.ts",
    find:
      "    try {\n      await directory.sync();\n    } catch (cause) {\n      throw outcomeUnknown(path",
    replace:
      "    try {\n      await Promise.resolve(directory);\n    } catch (cause) {\n      throw outcomeUnknown(path",
    caughtBy: [
      DURABILITY,
      "after a head truncation and a power cut, no file of dropped entries is back",
    ],
  },
  {
    name: "a tail truncation removes the oldest segment first",
    file: "src/files/segments.ts",
    find: "of dropped.toReversed()",
    replace: "of dropped",
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "a tail truncation does not sync each removal before the next",
    file: "src/files/segments.ts",
    find: "        directory.remove(segment);\n        await directory.sync();\n" +
      "      } catch (cause) {\n" +
      '        throw outcomeUnknown(segment, this.durableIndex, "the truncation", cause);\n' +
      "      }\n    }\n",
    replace: "        directory.remove(segment);\n" +
      "      } catch (cause) {\n" +
      '        throw outcomeUnknown(segment, this.durableIndex, "the truncation", cause);\n' +
      "      }\n    }\n    await directory.sync();\n",
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "a tail truncation does not sync the removal of segments",
    file: "src/files/segments.ts",
    find: "        directory.remove(segment);\n        await directory.sync();\n",
    replace: "        directory.remove(segment);\n",
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "a reset does not sync the removal of segments",
    file: "src/files/segments.ts",
    find: "      for (const segment of dropped) directory.remove(segment);\n" +
      "      await directory.sync();\n",
    replace: "      for (const segment of dropped) directory.remove(segment);\n",
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "a reset to a lower index leaves the entries that it drops",
    file: "src/wal.ts",
    find: "        await this.#segments.cutFrom(this.#segments.firstIndex);\n",
    replace: "",
    caughtBy: [SEGMENTS, "a reset goes to any index, and its entries are alone there"],
  },
  {
    name: "a reset to a higher index moves the head last",
    file: "src/wal.ts",
    find: "const isForward = nextIndex >= this.firstIndex;",
    replace: "const isForward = nextIndex < 0;",
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "a reset to a lower index moves the head first",
    file: "src/wal.ts",
    find: "const isForward = nextIndex >= this.firstIndex;",
    replace: "const isForward = nextIndex > 0;",
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "a head truncation removes segments before the head is durable",
    file: "src/wal.ts",
    find:
      "      await this.#updateMeta(index, this.state);\n      await this.#segments.dropBefore(index);\n",
    replace:
      "      await this.#segments.dropBefore(index);\n      await this.#updateMeta(index, this.state);\n",
    caughtBy: [CRASH, EVERY_CRASH],
  },
  {
    name: "a truncation does not wait for a sync that runs",
    file: "src/wal.ts",
    find: "      // A sync that runs would count entries as durable that are about to go.\n" +
      "      await this.#commit.idle();\n",
    replace: "",
    caughtBy: [WAL, "a sync that runs when a truncation is called does not count what that drops"],
  },
  {
    name: "a truncation does not wait for a sync that nobody waits for",
    file: "src/wal.ts",
    find: "      await this.#writeBehind;\n      await this.#segments.settled();\n",
    replace: "",
    caughtBy: [
      DURABILITY,
      "a truncation does not count as durable what a sync has covered that ran for nobody",
    ],
  },
  {
    name: "entries are appended while a truncation runs",
    file: "src/wal.ts",
    find:
      '    if (this.#rewriting !== undefined) {\n      throw new WalError(\n        "ERR_WAL_BUSY",\n        `Cannot ${doing}',
    replace:
      '    if (this.#rewriting === null) {\n      throw new WalError(\n        "ERR_WAL_BUSY",\n        `Cannot ${doing}',
    caughtBy: [WAL, "during a truncation append refuses, and appendAndSync and sync wait"],
  },
];

/** Of the meta file. */
const META_FILE: readonly Mutation[] = [
  {
    name: "the older slot counts",
    file: "src/files/meta.ts",
    find: "b.sequence - a.sequence",
    replace: "a.sequence - b.sequence",
    caughtBy: [
      META,
      "a crash at any step of an update leaves the old state or the new (1000000 bytes)",
    ],
  },
  {
    name: "two damaged slots count as none",
    file: "src/files/meta.ts",
    find: "if (file.size() > SLOT_OFFSETS[1])",
    replace: "if (file.size() < 0)",
    caughtBy: [META, "damage in both slots is corruption of the meta file, and nothing is changed"],
  },
  {
    name: "open does not make the meta file durable before files are removed by it",
    file: "src/opening/open.ts",
    find: "      await meta.secure(this.#redo);\n",
    replace: "",
    caughtBy: [
      DURABILITY,
      "a state whose writer died is durable when open has returned it, in both copies (ext4)",
    ],
  },
  {
    name: "the slots are not written again at open",
    file: "src/files/meta.ts",
    find: "      await writeAnew(file, slot);\n",
    replace: "      await file.sync();\n",
    caughtBy: [
      DURABILITY,
      "a state one of whose syncs failed is durable when open has returned it, in both copies (ext4)",
    ],
  },
  {
    name: "the slots are written again over themselves",
    file: "src/files/meta.ts",
    find:
      "async function writeAnew(file: File, slot: Uint8Array): Promise<void> {\n  file.truncate(0);\n",
    replace: "async function writeAnew(file: File, slot: Uint8Array): Promise<void> {\n",
    caughtBy: [
      DURABILITY,
      "a state one of whose syncs failed is durable when open has returned it, in both copies (ext4)",
    ],
  },
  {
    name: "the slots are written again and not synced",
    file: "src/files/meta.ts",
    find: "  for (const offset of SLOT_OFFSETS) file.write(slot, offset);\n  await file.sync();\n",
    replace: "  for (const offset of SLOT_OFFSETS) file.write(slot, offset);\n",
    caughtBy: [
      DURABILITY,
      "a state whose writer died is durable when open has returned it, in both copies (ext4)",
    ],
  },
  {
    name: "only the first slot is written again at open",
    file: "src/files/meta.ts",
    find: "  for (const offset of SLOT_OFFSETS) file.write(slot, offset);\n",
    replace: "  file.write(slot, SLOT_OFFSETS[0]);\n",
    caughtBy: [META, "a flipped bit anywhere in the second slot loses nothing and is mended"],
  },
  {
    name: "on a full disk, both slots are written again before one is durable",
    file: "src/files/meta.ts",
    find: "        file.write(slot, offset);\n        await file.sync();\n      }\n",
    replace: "        file.write(slot, offset);\n      }\n      await file.sync();\n",
    caughtBy: [DURABILITY, "on a full disk, an opening keeps what was durable through any crash"],
  },
  {
    name: "the slots are given up without a redo file",
    file: "src/files/meta.ts",
    find: "      if (await redo.tryBegin(target, [slot], slot.length)) {\n",
    replace:
      "      if (target.offset === 0) return await writeAnew(file, slot);\n      if (await redo.tryBegin(target, [slot], slot.length)) {\n",
    caughtBy: [
      DURABILITY,
      "a crash in the opening of a log leaves its state and its head as they were",
    ],
  },
  {
    name: "slots that a crash took while they were written again stay lost",
    file: "src/files/meta.ts",
    find: "      await writeAnew(file, redo.readTail(record));\n",
    replace: "      await file.sync();\n",
    caughtBy: [
      DURABILITY,
      "a crash in the opening of a log leaves its state and its head as they were",
    ],
  },
  {
    name: "what an interrupted first update left of the meta file stays there",
    file: "src/files/meta.ts",
    find: "        file.truncate(0);\n        return await file.sync();\n",
    replace: "        return await file.sync();\n",
    caughtBy: [
      DURABILITY,
      "a first state is durable in both copies, though the one before it was torn and its sync failed",
    ],
  },
  {
    name: "an update does not sync the first slot before it writes the second",
    file: "src/files/meta.ts",
    find: "      await this.#file.sync();\n      // The second slot",
    replace: "      // The second slot",
    caughtBy: [
      DURABILITY,
      "a state is the old one or the new after a crash at any step of its storing",
    ],
  },
  {
    name: "an update does not sync the second slot",
    file: "src/files/meta.ts",
    find: "      this.#file.write(bytes, second);\n      await this.#file.syncData();\n",
    replace: "      this.#file.write(bytes, second);\n",
    caughtBy: [DURABILITY, "both copies of a state are durable when it is stored"],
  },
  {
    name: "an update does not write the second slot",
    file: "src/files/meta.ts",
    find: "      this.#file.write(bytes, second);\n",
    replace: "      if (second < 0) return;\n",
    caughtBy: [META, "the file is as format.md draws it"],
  },
  {
    name: "the name of a new meta file is not synced",
    file: "src/files/meta.ts",
    find: "      if (isNew || this.#current === undefined) {\n" +
      "        await this.#directory.sync();\n      }\n",
    replace: "      if (isNew && this.#file === undefined) return;\n",
    caughtBy: [
      META,
      "the meta file's making: durable, with its name, before the second slot is written",
    ],
  },
  {
    name: "an update writes over the newest slot first",
    file: "src/files/meta.ts",
    find: "isNewest ? [other, one] : [one, other]",
    replace: "isNewest ? [one, other] : [other, one]",
    caughtBy: [
      DURABILITY,
      "a store that is torn while the other copy is rotten leaves the old state",
    ],
  },
  {
    name: "a failed write of a slot that is whole all the same counts as none",
    file: "src/files/meta.ts",
    find: "if (this.#holds(first, slot, true)) ",
    replace: "if (slot.sequence < 0) ",
    caughtBy: [
      DURABILITY,
      "a state that is stored although its write failed is not told as refused",
    ],
  },
  {
    name: "an update has the sequence number of the one before",
    file: "src/files/meta.ts",
    find: "(this.#current?.sequence ?? 0) + 1",
    replace: "(this.#current?.sequence ?? 1)",
    caughtBy: [META, "the file is as format.md draws it"],
  },
  {
    name: "a slot's checksum is not checked",
    file: "src/format/meta_slot.ts",
    find: "end + 4 > bytes.length || readUint32(bytes, end) !== crc32(bytes.subarray(0, end))",
    replace: "end + 4 > bytes.length || crc32(bytes.subarray(0, end)) < 0",
    caughtBy: [META, "a flipped bit anywhere in the first slot loses nothing and is mended"],
  },
];

/** Of what is believed of the bytes on disk. */
const CHECKS: readonly Mutation[] = [
  {
    name: "a lone frame's checksum is not checked",
    file: "src/format/checksum.ts",
    find: "return checksum === readUint32(buffer, offset + CHECKSUM_AT);",
    replace: "return checksum >= 0;",
    caughtBy: [CHECKSUM, "a scan stops at the frame that any flipped bit is in"],
  },
  {
    name: "a checksum does not cover the type and the length",
    file: "src/format/checksum.ts",
    find: "    const header = goOn(0, buffer.subarray(start, start + COVERED));\n",
    replace: "    const header = goOn(0, buffer.subarray(start, start));\n",
    caughtBy: [CHECKSUM, "a sealed frame has zlib's CRC-32 of header and payload"],
  },
  {
    name: "the checksum of a payload in pieces is not checked",
    file: "src/format/checksum.ts",
    find: "return checksum === readUint32(header, CHECKSUM_AT);",
    replace: "return checksum >= 0;",
    caughtBy: [CHECKSUM, "a payload in pieces has the same checksum"],
  },
  {
    name: "a length beyond the limit is believed",
    file: "src/format/checksum.ts",
    find:
      "    if (length > maxLength || length > end - offset - FRAME_HEADER_SIZE) return false;\n",
    replace: "    if (length > end - offset - FRAME_HEADER_SIZE) return false;\n",
    caughtBy: [CHECKSUM, "a frame is not believed beyond its limit or the bytes that are there"],
  },
  {
    name: "a length beyond the bytes that are there is believed",
    file: "src/format/checksum.ts",
    find:
      "    if (length > maxLength || length > end - offset - FRAME_HEADER_SIZE) return false;\n",
    replace: "    if (length > maxLength) return false;\n",
    caughtBy: [CHECKSUM, "a frame is not believed beyond its limit or the bytes that are there"],
  },
  {
    name: "a scan in the kernel believes a length beyond the limit",
    file: "src/format/checksum.ts",
    find: "count = kernel.scan(0, end, maxLength);",
    replace: "count = kernel.scan(0, end, end);",
    caughtBy: [FRAMES, "a scan stops at a frame above its limit"],
  },
  {
    name: "a frame in the kernel is not checked",
    file: "src/format/checksum.ts",
    find: "    if (buffer === staging) return kernel.check(offset, end, maxLength);\n",
    replace: "    if (buffer === staging) return true;\n",
    caughtBy: [WAL, "rot behind open's back is found by the read, and other entries can be read"],
  },
  {
    name: "memory is taken for a length before the limit is looked at",
    file: "src/segment/recovery.ts",
    find: "    if (needed === undefined || needed > size - end) break;\n",
    replace:
      "    if (needed === undefined) break;\n    if (needed > buffer.length) buffer = new Uint8Array(needed);\n" +
      "    if (needed > size - end) break;\n",
    caughtBy: [FRAMES, "no length in a file makes open take more memory than the limit"],
  },
  {
    name: "a whole entry above the limit is taken for a torn write",
    file: "src/segment/recovery.ts",
    find: "      if (holdsLargeFrame(source, end, needed)) {",
    replace: "      if (needed === 0) {",
    caughtBy: [
      FRAMES,
      "a whole entry above every limit of this process is not taken for a torn write",
    ],
  },
  {
    name: "the search for whole frames ends with the budget and does not keep the bytes",
    file: "src/segment/recovery.ts",
    find: "if (budget < 0) return true;",
    replace: "if (budget < 0) return false;",
    caughtBy: [RECOVERY, "hostile bytes behind the end are judged in bounded time, and kept"],
  },
  {
    name: "whole frames behind the end are not looked for",
    file: "src/segment/recovery.ts",
    find: 'if (hasFrame(source, end + 1, size)) return { case: "D", vouched };',
    replace: "",
    caughtBy: [RECOVERY, "case D: whole frames without evidence are set aside, once per damage"],
  },
  {
    name: "a Durable frame that vouches up to the damage is evidence",
    file: "src/segment/recovery.ts",
    find: "if (evidence > end) return",
    replace: "if (evidence >= end) return",
    caughtBy: [
      FRAMES,
      "a Durable frame that vouches up to the damage makes no damage of a torn write",
    ],
  },
  {
    name: "another log's Durable frame behind the end is evidence",
    file: "src/segment/recovery.ts",
    find: 'frame.kind === "durable" && sameLog(frame.logId, logId) &&',
    replace: 'frame.kind === "durable" &&',
    caughtBy: [FRAMES, "a Durable frame of another log makes no damage of a torn write"],
  },
  {
    name: "another segment's Durable frame behind the end is evidence",
    file: "src/segment/recovery.ts",
    find: "frame.segment === firstIndex && frame.ownOffset === base + at",
    replace: "frame.ownOffset === base + at",
    caughtBy: [FRAMES, "a Durable frame of another segment makes no damage of a torn write"],
  },
  {
    name: "a Durable frame behind the end that is out of its place is evidence",
    file: "src/segment/recovery.ts",
    find: "frame.segment === firstIndex && frame.ownOffset === base + at",
    replace: "frame.segment === firstIndex",
    caughtBy: [FRAMES, "a Durable frame of another place makes no damage of a torn write"],
  },
  {
    name: "another log's Durable frame is taken in",
    file: "src/segment/recovery.ts",
    find: "if (logId === undefined || !sameLog(frame.logId, logId)) return false;",
    replace: "if (logId === undefined) return false;",
    caughtBy: [FRAMES, "a Durable frame of another log is no part of the log"],
  },
  {
    name: "another segment's Durable frame is taken in",
    file: "src/segment/recovery.ts",
    find: "if (frame.segment !== firstIndex || frame.ownOffset !== offset) return false;",
    replace: "if (frame.ownOffset !== offset) return false;",
    caughtBy: [FRAMES, "a Durable frame of another segment is no part of the log"],
  },
  {
    name: "a Durable frame out of its place is taken in",
    file: "src/segment/recovery.ts",
    find: "if (frame.segment !== firstIndex || frame.ownOffset !== offset) return false;",
    replace: "if (frame.segment !== firstIndex) return false;",
    caughtBy: [FRAMES, "a Durable frame of another place is no part of the log"],
  },
  {
    name: "a part of a batch is kept",
    file: "src/segment/recovery.ts",
    find: "  if (batch !== undefined) {\n    // All of a batch or none of it.\n",
    replace: "  if (batch !== undefined && batch.left < 0) {\n",
    caughtBy: [SEGMENTS, "a file that ends anywhere within a batch has none of it"],
  },
  {
    name: "a batch may have more or fewer bytes than its Batch frame says",
    file: "src/segment/recovery.ts",
    find: "    if (batch.end !== entriesEnd) return undefined;\n",
    replace: "",
    caughtBy: [FRAMES, "a batch that is longer than it says is no part of the log"],
  },
  {
    name: "other frames may stand in a batch",
    file: "src/segment/recovery.ts",
    find: "if (version === 1 || batch !== undefined) return at;",
    replace: "if (version === 1) return at;",
    caughtBy: [FRAMES, "a batch with a Durable frame in it is no part of the log"],
  },
  {
    name: "a Seal drops none of the entries in front of it",
    file: "src/segment/recovery.ts",
    find: "  if (seal !== undefined) {\n    offsets.cut(seal.count);\n",
    replace: "  if (seal !== undefined) {\n",
    caughtBy: [SEGMENTS, "a log can be cut again and again, within the same batch too"],
  },
  {
    name: "entries may stand behind a Seal",
    file: "src/segment/recovery.ts",
    find: "        if (seal !== undefined) return at;\n",
    replace: "",
    caughtBy: [FRAMES, "an entry behind a Seal is no part of the log"],
  },
  {
    name: "a Seal may count more or fewer entries than there are",
    file: "src/segment/recovery.ts",
    find: "    if (!isAll && !isWithinBatch) return false;\n",
    replace: "    if (!isAll && !isWithinBatch && count > offsets.count) return false;\n",
    caughtBy: [FRAMES, "a Seal of fewer entries than there are is no part of the log"],
  },
  {
    name: "a Seal may state other offsets than those of the entries",
    file: "src/segment/recovery.ts",
    find: "      if (stated !== offsets.at(i)) return false;\n",
    replace: "      if (stated < 0) return false;\n",
    caughtBy: [FRAMES, "a Seal that places an entry elsewhere is no part of the log"],
  },
  {
    name: "a Durable frame that vouches for bytes behind itself is taken in",
    file: "src/segment/recovery.ts",
    find: "    if (frame.durableOffset > offset) return false;\n",
    replace: "",
    caughtBy: [FRAMES, "a Durable frame that vouches for what is behind it is no part of the log"],
  },
  {
    name: "a Durable frame behind the end that vouches for bytes behind itself is evidence",
    file: "src/segment/recovery.ts",
    find: "          frame.durableOffset <= base + at\n",
    replace: "          frame.durableOffset > 0\n",
    caughtBy: [
      FRAMES,
      "a Durable frame that vouches for what is behind it makes no damage of a torn write",
    ],
  },
  {
    name: "a version 2 file needs no Segment frame",
    file: "src/segment/recovery.ts",
    find: "if (version === 2 && scan.logId === undefined) {",
    replace: "if (version === 1 && scan.logId !== undefined) {",
    caughtBy: [
      RECOVERY,
      "damage to the header or the Segment frame in front of entries is refused",
    ],
  },
  {
    name: "an Internal frame of an unknown kind is skipped",
    file: "src/segment/recovery.ts",
    find: '    if (frame.kind === "unknown") {\n',
    replace: '    if (frame.kind === "unknown" && frame.number > 0) return true;\n' +
      '    if (frame.kind === "unknown") {\n',
    caughtBy: [RECOVERY, "an Internal frame of an unknown kind is an error that names the kind"],
  },
  {
    name: "a read does not check the entry's checksum",
    file: "src/segment/entry_reader.ts",
    find: "if (buffer[0] !== TYPE_DATA || !this.#checksum.check(buffer, 0, n, n)) {",
    replace: "if (buffer[0] !== TYPE_DATA) {",
    caughtBy: [WAL, "rot behind open's back is found by the read, and other entries can be read"],
  },
  {
    name: "entries that a truncation dropped while they were read ahead are still given out",
    file: "src/files/entry_cursor.ts",
    find: " && reader.entries.cuts === this.#cuts &&\n",
    replace: " &&\n",
    caughtBy: [
      WAL,
      "a loop sees what replaced the entries that a truncation dropped (version 2)",
    ],
  },
  {
    name: "a read takes any frame for an entry",
    file: "src/segment/entry_reader.ts",
    find: "if (buffer[0] !== TYPE_DATA || !this.#checksum",
    replace: "if (!this.#checksum",
    caughtBy: [
      FRAMES,
      "a frame of the log's own in an entry's place is never returned as the entry",
    ],
  },
  {
    name: "a full segment's size is not compared with what its successor says",
    file: "src/files/chain.ts",
    find: "    if (size !== wantedSize) {\n",
    replace: "    if (size < 0) {\n",
    caughtBy: [SEGMENTS, "a middle segment that is shorter or longer is named"],
  },
  {
    name: "a full segment's Segment frame is not checked",
    file: "src/files/chain.ts",
    find: "  if (!checksum.check(bytes, 0, n, bytes.length)) return undefined;\n",
    replace: "  if (n < 0) return undefined;\n",
    caughtBy: [SEGMENTS, "a middle segment whose beginning rots is named"],
  },
  {
    name: "a gap between segments is not noticed",
    file: "src/files/chain.ts",
    find: "file === undefined || file.firstIndex !== previous.firstIndex",
    replace: "file === undefined",
    caughtBy: [SEGMENTS, "a middle segment that is missing is named"],
  },
  {
    name: "a segment's name may say another index than its Segment frame",
    file: "src/files/chain.ts",
    find: "  if (found.firstIndex !== firstIndex) {\n",
    replace: "  if (found.firstIndex < 0) {\n",
    caughtBy: [SEGMENTS, "segments that changed places are named"],
  },
  {
    name: "another log's segment is taken in",
    file: "src/files/chain.ts",
    find: "!sameLog(found.logId, logId)) {",
    replace: "found.logId.length === 0) {",
    caughtBy: [SEGMENTS, "another log's segment is named"],
  },
  {
    name: "a full segment that shrank while the log was open is read",
    file: "src/segment/sealed_segment.ts",
    find: "    if (size !== info.size) {\n",
    replace: "    if (size < 0) {\n",
    caughtBy: [
      FRAMES,
      "a full segment whose size changes while the log is open is refused at its first use",
    ],
  },
  {
    name: "a Seal's checksum is not compared with what its successor says",
    file: "src/segment/sealed_segment.ts",
    find: "const isVouchedFor = readUint32(header, 5) === info.checksum;",
    replace: "const isVouchedFor = readUint32(header, 5) >= 0;",
    caughtBy: [FRAMES, "a full segment in place of another of its size and count is told"],
  },
  {
    name: "a Seal's checksum is not checked",
    file: "src/segment/sealed_segment.ts",
    find: "if (!isVouchedFor || !checksum.checkPieces(header, payload)) return",
    replace: "if (!isVouchedFor) return",
    caughtBy: [SEGMENTS, "a Seal that rots anywhere is rebuilt and reported"],
  },
  {
    name: "a reader goes on in full segments while a truncation is at work",
    file: "src/segment/entry_reader.ts",
    find: "    if (this.entries.isUntouched?.() === false) throw this.damaged(position);\n",
    replace: "",
    caughtBy: [
      INTERLEAVED_READER,
      "whenever the files change, a follower sees no entry again that a cut at 32 dropped",
    ],
  },
  {
    name: "a new last file of the same name is taken for the old one",
    file: "src/reader/view.ts",
    find: "    if (this.#fileSystem.identify(active.path) !== this.#identity) return false;\n",
    replace: "",
    caughtBy: [FOLLOW, "a reader is not misled by a new last file with the name of a removed one"],
  },
  {
    name: "a full segment that is scanned may have too few entries",
    file: "src/segment/sealed_segment.ts",
    find: 'if ("offsets" in scan && scan.offsets.count >= info.count) {',
    replace: 'if ("offsets" in scan && scan.offsets.count >= 0) {',
    caughtBy: [
      FRAMES,
      "a full segment that lost its Seal and an entry is refused, from the first that is lost",
    ],
  },
  {
    name: "a damaged full segment is appended to again",
    file: "src/files/segments.ts",
    find: "if (isUnfinished(scan) || scan.offsets.count !== info.count) {",
    replace: "if (isUnfinished(scan) || scan.offsets.count < 0) {",
    caughtBy: [
      FRAMES,
      "a damaged full segment is not gone on with after a truncation, and nothing is changed",
    ],
  },
];

/** Of the file systems. */
const FILE_SYSTEMS: readonly Mutation[] = [
  {
    name: "an interrupted call is not made again",
    file: "src/fs/posix/system_call.ts",
    find: "      return call();\n    } catch (error) {\n      if (!isInterrupted(error)) throw",
    replace: "      return call();\n    } catch (error) {\n      throw",
    caughtBy: [FILE_SYSTEM, "an interrupted call is made again"],
  },
  {
    name: "an interrupted call that waits for the disk is not made again",
    file: "src/fs/posix/system_call.ts",
    find:
      "      return await call();\n    } catch (error) {\n      if (!isInterrupted(error)) throw",
    replace: "      return await call();\n    } catch (error) {\n      throw",
    caughtBy: [FILE_SYSTEM, "an interrupted call is made again"],
  },
  {
    name: "a write that takes nothing is made again for ever",
    file: "src/fs/posix/system_call.ts",
    find: "  if (written > 0) return written;\n",
    replace: "  if (written >= 0) return written;\n",
    caughtBy: [FILE_SYSTEM, "a write that takes nothing is an error, not an endless loop"],
  },
  {
    name: "a file system that cannot sync a directory is an error",
    file: "src/fs/posix/system_call.ts",
    find: 'if (!isFileSystemError(error) || error.code !== "EINVAL") throw error;',
    replace: "throw error;",
    caughtBy: [
      ADAPTERS,
      "a file system that cannot sync directories is no error, any other failure is",
    ],
  },
  {
    name: "a directory whose sync fails counts as synced",
    file: "src/fs/posix/system_call.ts",
    find: 'if (!isFileSystemError(error) || error.code !== "EINVAL") throw error;',
    replace: "if (!isFileSystemError(error)) throw error;",
    caughtBy: [
      ADAPTERS,
      "a file system that cannot sync directories is no error, any other failure is",
    ],
  },
  {
    name: "a short read of Node's is taken for the end of the file",
    file: "src/fs/posix/node_file.ts",
    find: "        done += n;\n",
    replace: "        return n;\n",
    caughtBy: [
      ADAPTERS,
      "on Node, reads and writes that are interrupted or short are gone on with",
    ],
  },
  {
    name: "a short write of Node's is taken for a whole one",
    file: "src/fs/posix/node_file.ts",
    find: "done += requireProgress(n, this.#path);",
    replace: "done = length + 0 * requireProgress(n, this.#path);",
    caughtBy: [
      ADAPTERS,
      "on Node, reads and writes that are interrupted or short are gone on with",
    ],
  },
  {
    name: "an interrupted read of Node's is not made again",
    file: "src/fs/posix/node_file.ts",
    find: 'if (!isInterrupted(error)) throw toFileSystemError(error, "Read", this.#path);',
    replace: 'throw toFileSystemError(error, isInterrupted(error) ? "Read" : "Read", this.#path);',
    caughtBy: [
      ADAPTERS,
      "on Node, reads and writes that are interrupted or short are gone on with",
    ],
  },
  {
    name: "an interrupted write of Node's is not made again",
    file: "src/fs/posix/node_file.ts",
    find: 'if (!isInterrupted(error)) throw toFileSystemError(error, "Write", this.#path);',
    replace:
      'throw toFileSystemError(error, isInterrupted(error) ? "Write" : "Write", this.#path);',
    caughtBy: [
      ADAPTERS,
      "on Node, reads and writes that are interrupted or short are gone on with",
    ],
  },
  {
    name: "fdatasync is not called on Node",
    file: "src/fs/posix/node_file.ts",
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
    file: "src/fs/posix/node_file.ts",
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
    file: "src/fs/posix/node_file.ts",
    find: "  syncBlocking(): void {\n    attempt(",
    replace: "  syncBlocking(): void {\n    if (this.#descriptor < 0) attempt(",
    caughtBy: [
      SYSTEM_CALLS,
      "a new log: created, written, fsynced, directory fsynced; one write and one fdatasync each",
    ],
    runtime: "node",
  },
  {
    name: "the fsync of a directory is not called on Node",
    file: "src/fs/posix/node_file.ts",
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
    file: "src/fs/posix/node_file.ts",
    find: '      attempt("Fsync", this.#path, () => fs.fsyncSync(this.#descriptor));',
    replace: "      if (this.#descriptor < 0) fs.fsyncSync(this.#descriptor);",
    caughtBy: [
      SYSTEM_CALLS,
      "a new log: created, written, fsynced, directory fsynced; one write and one fdatasync each",
    ],
    runtime: "node",
  },
  {
    name: "the adapter of Node syncs no directory",
    file: "src/fs/adapters/node.ts",
    find: "return nodeFiles.openDirectory(path);",
    replace:
      "void path;\n    return { sync: () => Promise.resolve(), syncBlocking: () => {}, close: () => {} };",
    caughtBy: [
      SYSTEM_CALLS,
      "a reopen after a crash: fsync before any frame is read, then cut, fsync, directory fsync",
    ],
    runtime: "node",
  },
  {
    name: "the adapter of Bun syncs no directory",
    file: "src/fs/adapters/bun.ts",
    find: "return nodeFiles.openDirectory(path);",
    replace:
      "void path;\n    return { sync: () => Promise.resolve(), syncBlocking: () => {}, close: () => {} };",
    caughtBy: [
      SYSTEM_CALLS,
      "a reopen after a crash: fsync before any frame is read, then cut, fsync, directory fsync",
    ],
    runtime: "bun",
  },
  {
    name: "a short read of Deno's is taken for the end of the file",
    file: "src/fs/adapters/deno.ts",
    find: "        if (n === null) break;\n        this.#position += n;\n        done += n;\n",
    replace: "        if (n === null) break;\n        this.#position += n;\n        return n;\n",
    caughtBy: [
      ADAPTERS,
      "on Deno, reads and writes that are interrupted or short are gone on with",
    ],
  },
  {
    name: "a short write of Deno's is taken for a whole one",
    file: "src/fs/adapters/deno.ts",
    find:
      '        this.#position += n;\n        done += n;\n      } catch (error) {\n        this.#position = -1;\n        if (!isInterrupted(error)) throw toFileSystemError(error, "Write"',
    replace:
      '        this.#position += n;\n        done = length;\n      } catch (error) {\n        this.#position = -1;\n        if (!isInterrupted(error)) throw toFileSystemError(error, "Write"',
    caughtBy: [
      ADAPTERS,
      "on Deno, reads and writes that are interrupted or short are gone on with",
    ],
  },
  {
    name: "an interrupted read of Deno's is not made again",
    file: "src/fs/adapters/deno.ts",
    find: 'if (!isInterrupted(error)) throw toFileSystemError(error, "Read", this.#path);',
    replace: 'throw toFileSystemError(error, isInterrupted(error) ? "Read" : "Read", this.#path);',
    caughtBy: [
      ADAPTERS,
      "on Deno, reads and writes that are interrupted or short are gone on with",
    ],
  },
  {
    name: "an interrupted write of Deno's is not made again",
    file: "src/fs/adapters/deno.ts",
    find: 'if (!isInterrupted(error)) throw toFileSystemError(error, "Write", this.#path);',
    replace:
      'throw toFileSystemError(error, isInterrupted(error) ? "Write" : "Write", this.#path);',
    caughtBy: [
      ADAPTERS,
      "on Deno, reads and writes that are interrupted or short are gone on with",
    ],
  },
  {
    name: "fdatasync is not called on Deno",
    file: "src/fs/adapters/deno.ts",
    find: "() => this.#file.syncData()",
    replace: "() => Promise.resolve()",
    caughtBy: [ADAPTERS, "on Deno, every sync is one, of what it is called for"],
  },
  {
    name: "fsync is not called on Deno",
    file: "src/fs/adapters/deno.ts",
    find: "() => this.#file.sync()",
    replace: "() => Promise.resolve()",
    caughtBy: [ADAPTERS, "on Deno, every sync is one, of what it is called for"],
  },
  {
    name: "the blocking fsync is not called on Deno",
    file: "src/fs/adapters/deno.ts",
    find: "() => this.#file.syncSync()",
    replace: "() => {}",
    caughtBy: [ADAPTERS, "on Deno, every sync is one, of what it is called for"],
  },
  {
    name: "the fsync of a directory is not called on Deno",
    file: "src/fs/adapters/deno.ts",
    find: "      await this.#file.sync();\n",
    replace: "",
    caughtBy: [ADAPTERS, "on Deno, every sync is one, of what it is called for"],
  },
  {
    name: "the blocking fsync of a directory is not called on Deno",
    file: "src/fs/adapters/deno.ts",
    find: "      this.#file.syncBlocking();\n",
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
  ...DAMAGED_LOGS,
  ...READERS,
  ...ORDER_AND_OVERLAP,
];
