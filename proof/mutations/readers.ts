/**
 * The mutations of what a reader and its followers promise beside a writer.
 *
 * @module
 */
import type { Mutation } from "./list.ts";

const FOLLOW = "tests/reader/follow_test.ts";
const FOLLOWER = "tests/reader/follower_test.ts";
const INTERLEAVED = "tests/reader/interleaved_reader_test.ts";
const READER = "tests/reader/reader_test.ts";

const SHOWS = "whenever the files change, a reader shows what the log had, and no other error";

/** The changes, each of which a test notices. */
export const READERS: readonly Mutation[] = [
  {
    name: "a reader's getEntry does not ask whether the entry is the one that was there",
    in: "EntryReader.read",
    find: "if (checksums !== undefined && checksums.at(position) !== readUint32(buffer, " +
      "CHECKSUM_AT))",
    replace: "if (checksums !== undefined && checksums.count < 0)",
    caughtBy: [READER, "getEntry shows no entry under another's index once the last file was cut"],
  },
  {
    name: "a reader's loop does not ask whether the entries are those that were there",
    in: "EntryCursor.#findEntries",
    find: "if (checksums !== undefined)",
    replace: "if (checksums !== undefined && checksums.count < 0)",
    caughtBy: [READER, "entries shows no entry under another's index once the last file was cut"],
  },
  {
    name: "frames that were read ahead are shown where the index says otherwise",
    in: "EntryCursor.#findEntries",
    find: "found = offsets.countMatching(position, this.#starts, found, base);",
    replace: "",
    caughtBy: [
      "tests/files/entry_cursor_test.ts",
      "entries are shown where the index says that they begin",
    ],
  },
  {
    name: "a reader does not ask whether a full segment was cut",
    in: "showSegments",
    find: "isStale ? [] : sealed, active, isUntouched",
    replace: "isStale ? [] : sealed, active",
    caughtBy: [READER, "getEntry shows no entry under another's index once a full segment was cut"],
  },
  {
    name: "a reader joins what it reads before a cut with what it reads after it",
    in: "showSegments",
    find: "isUntouched() && (shown.end === 0 || active.refresh()) && meta.isSame()",
    replace: "shown.size >= 0",
    caughtBy: [
      INTERLEAVED,
      "at whichever call of an open the writer continues, a reader shows what the log had",
    ],
  },
  {
    name: "a reader does not look for a cut before it takes in what follows",
    in: "FrameWalk.#takeChunk",
    find: 'if (this.#seen?.isIn(file) === false) throw new FileSystemError("EBUSY", "Read", path);',
    replace: "",
    caughtBy: [INTERLEAVED, SHOWS],
  },
  {
    name: "a reader shows what it took in when it found that more has happened",
    in: "View.refresh",
    find: "if (this.#isStale) active.showOnly(count);",
    replace: "",
    caughtBy: [READER, "a refresh that fails leaves the handle as it was"],
  },
  {
    name: "a reader believes the first read that fails",
    in: "Reader.read",
    find: "if (tries === MAX_TRIES || !mayBeStale(error)",
    replace: "if (tries >= 1 || !mayBeStale(error)",
    caughtBy: [READER, "getEntry shows no entry under another's index once the last file was cut"],
  },
  {
    name: "a reader does not find the first index in the redo file",
    in: "MetaFile.view",
    find: "this.#current = this.#newest() ?? this.#slotInRedo();",
    replace: "this.#current = this.#newest();",
    caughtBy: [
      READER,
      "a reader sees the first index and the state at every step of a writer's open",
    ],
  },
  {
    name: "a loop in a reader continues after what it has shown was replaced",
    in: "LogReader.#requireNext",
    find: "if (cursor.account !== undefined) this.#requireSame(cursor.account);",
    replace: "",
    caughtBy: [INTERLEAVED, SHOWS],
  },
  {
    name: "a follower does not learn of a reset to a lower index",
    in: "Account.firstReplaced",
    find: "if (firstIndex < this.#first) return firstIndex;",
    replace: "",
    caughtBy: [INTERLEAVED, SHOWS],
  },
  {
    name: "a follower that is given back leaves its calls waiting",
    in: "Follower.#end",
    find: "for (const { resolve } of this.#waiting.splice(0)) resolve(DONE);",
    replace: "",
    caughtBy: [
      FOLLOWER,
      "a writer's follower that is given back ends at once, also where it waits",
    ],
    hangs: true,
  },
  {
    name: "a follower that is given back still watches",
    in: "Tailer.close",
    find: "if (this.#isWatching) this.#reader.unwatch();",
    replace: "",
    caughtBy: [
      FOLLOWER,
      "a reader's follower that is given back ends at once, also where it waits",
    ],
  },
  {
    name: "a follower beside the writer lets the process end while it waits",
    in: "Follower.#change",
    find: "const isAlive = clock.after(FOR_EVER, () => {});",
    replace: "const isAlive = { cancel: (): number => FOR_EVER };",
    caughtBy: [
      FOLLOWER,
      "on node, a writer's follower keeps the process alive while it waits",
    ],
  },
  {
    name: "an abort ends a follower without its reason",
    in: "Follower.#onAbort",
    find: "(): void => this.#fail(this.#signal?.reason);",
    replace: "(): void => this.#end();",
    caughtBy: [FOLLOWER, "an abort of a writer's follower keeps its reason"],
  },
  {
    name: "a follower dies of a moment without descriptors",
    in: "Patience.spend",
    find: "if (now - this.#since > milliseconds) throw error;",
    replace: "if (now - this.#since < milliseconds) throw error;",
    caughtBy: [FOLLOWER, "a reader's follower outlives a moment without descriptors"],
  },
  {
    name: "a follower looks at every change beside the log",
    in: "Reader.watch",
    find: "if (isOurs) this.changes.notify();",
    replace: 'if (isOurs || name !== "") this.changes.notify();',
    caughtBy: [
      FOLLOWER,
      "files beside the log cost a follower nothing, and its own not a look each",
    ],
  },
  {
    name: "the file does not say what an open made durable",
    in: "LogWriter.constructor",
    find:
      "segments.whenRolled(() => this.#rolled()); if (segments.isRolling) this.#rolled(); this.#announcer.whenIdle();",
    replace: "segments.whenRolled(() => this.#rolled()); if (segments.isRolling) this.#rolled();",
    caughtBy: [FOLLOW, "a reader learns what an open made durable"],
  },
  {
    name: "the file does not say what a truncation left",
    in: "LogWriter.#rewrite",
    find: "finally { this.#announcer.whenIdle(); }",
    replace: "finally {}",
    caughtBy: [FOLLOW, "a reader learns what a truncation of what was announced made durable"],
  },
  {
    name: "the file does not say that a sync had nothing to do",
    in: "LogWriter.sync",
    find: "if (this.#segments.isSettled) this.#announcer.whenIdle(); else",
    replace: "if (!this.#segments.isSettled)",
    caughtBy: [FOLLOW, "a reader learns what a sync that has nothing to do made durable"],
  },
  {
    name: "what is read up to an index of the view before may end within a batch",
    in: "LogReader.readAll",
    find: "if (view === this.#files?.view || tries === MAX_TRIES) return entries;",
    replace: "if (view === this.#files?.view || tries <= MAX_TRIES) return entries;",
    caughtBy: [
      INTERLEAVED,
      "at whichever call of an open the writer continues, a reader shows what the log had",
    ],
  },
];
