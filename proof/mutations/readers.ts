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
    file: "src/segment/entry_reader.ts",
    find:
      "    if (checksums !== undefined && checksums.at(position) !== readUint32(buffer, CHECKSUM_AT)) {\n",
    replace: "    if (checksums !== undefined && checksums.count < 0) {\n",
    caughtBy: [READER, "getEntry shows no entry under another's index once the last file was cut"],
  },
  {
    name: "a reader's loop does not ask whether the entries are those that were there",
    file: "src/files/entry_cursor.ts",
    find:
      "      if (checksums !== undefined && checksums.at(next) !== readUint32(chunk, at + CHECKSUM_AT)) {\n",
    replace: "      if (checksums !== undefined && checksums.count < 0) {\n",
    caughtBy: [READER, "entries shows no entry under another's index once the last file was cut"],
  },
  {
    name: "a reader does not ask whether a full segment was cut",
    file: "src/opening/open.ts",
    find: "        const context = { ...this.#context(scan.logId), isUntouched };\n",
    replace: "        const context = this.#context(scan.logId);\n",
    caughtBy: [READER, "getEntry shows no entry under another's index once a full segment was cut"],
  },
  {
    name: "a reader joins what it reads before a cut with what it reads after it",
    file: "src/opening/open.ts",
    find: "isUntouched() &&\n          (shown.end === 0 || active.refresh()) && meta.isSame()",
    replace: "shown.size >= 0",
    caughtBy: [INTERLEAVED, SHOWS],
  },
  {
    name: "a reader does not look for a cut before it takes in what follows",
    file: "src/segment/recovery.ts",
    find: '    if (seen?.isIn(file) === false) throw new FileSystemError("EBUSY", "Read", path);\n',
    replace: "",
    caughtBy: [INTERLEAVED, SHOWS],
  },
  {
    name: "a reader shows what it took in when it found that more has happened",
    file: "src/reader/view.ts",
    find: "    if (this.#isStale) active.showOnly(count);\n",
    replace: "",
    caughtBy: [READER, "a refresh that fails leaves the handle as it was"],
  },
  {
    name: "a reader believes the first read that fails",
    file: "src/reader/reader.ts",
    find: "        if (tries === MAX_TRIES || !mayBeStale(error)",
    replace: "        if (tries >= 1 || !mayBeStale(error)",
    caughtBy: [READER, "getEntry shows no entry under another's index once the last file was cut"],
  },
  {
    name: "a reader does not find the first index in the redo file",
    file: "src/files/meta.ts",
    find: "      this.#current = this.#newest() ?? this.#slotInRedo();\n",
    replace: "      this.#current = this.#newest();\n",
    caughtBy: [
      READER,
      "a reader sees the first index and the state at every step of a writer's open",
    ],
  },
  {
    name: "a loop in a reader goes on after what it has shown was replaced",
    file: "src/wal.ts",
    find: "    if (cursor.account !== undefined) this.#requireSame(cursor.account);\n",
    replace: "",
    caughtBy: [INTERLEAVED, SHOWS],
  },
  {
    name: "a follower does not learn of a reset to a lower index",
    file: "src/reader/account.ts",
    find: "    if (firstIndex < this.#first) return firstIndex;\n",
    replace: "",
    caughtBy: [INTERLEAVED, SHOWS],
  },
  {
    name: "a follower that is given back leaves its calls waiting",
    file: "src/reader/follow.ts",
    find: "    for (const { resolve } of this.#waiting.splice(0)) resolve(DONE);\n",
    replace: "",
    caughtBy: [
      FOLLOWER,
      "a writer's follower that is given back ends at once, also where it waits",
    ],
    hangs: true,
  },
  {
    name: "a follower that is given back goes on watching",
    file: "src/reader/tailer.ts",
    find: "    if (this.#isWatching) this.#reader.unwatch();\n",
    replace: "",
    caughtBy: [
      FOLLOWER,
      "a reader's follower that is given back ends at once, also where it waits",
    ],
  },
  {
    name: "a follower beside the writer lets the process end while it waits",
    file: "src/reader/follow.ts",
    find: "    const isAlive = clock.after(FOR_EVER, () => {});\n",
    replace: "    const isAlive = { cancel: (): number => FOR_EVER };\n",
    caughtBy: [
      FOLLOWER,
      "on node, a writer's follower keeps the process alive while it waits",
    ],
  },
  {
    name: "an abort ends a follower without its reason",
    file: "src/reader/follow.ts",
    find: "(): void => this.#fail(this.#signal?.reason);",
    replace: "(): void => this.#end();",
    caughtBy: [FOLLOWER, "an abort of a writer's follower keeps its reason"],
  },
  {
    name: "a follower dies of a moment without descriptors",
    file: "src/reader/follow.ts",
    find: "    if (now - this.#since > milliseconds) throw error;\n",
    replace: "    if (now - this.#since < milliseconds) throw error;\n",
    caughtBy: [FOLLOWER, "a reader's follower outlives a moment without descriptors"],
  },
  {
    name: "a follower looks at every change beside the log",
    file: "src/reader/reader.ts",
    find: "      if (isOurs) this.changes.notify();\n",
    replace: '      if (isOurs || name !== "") this.changes.notify();\n',
    caughtBy: [
      FOLLOWER,
      "files beside the log cost a follower nothing, and its own not a look each",
    ],
  },
  {
    name: "the file is not told of what an open made durable",
    file: "src/wal.ts",
    find: "    } else {\n      this.#tellWhenIdle();\n    }\n",
    replace: "    }\n",
    caughtBy: [FOLLOW, "a reader learns what an open made durable"],
  },
  {
    name: "the file is not told of what a truncation left",
    file: "src/wal.ts",
    find: "      this.#rewriting = undefined;\n      this.#tellWhenIdle();\n",
    replace: "      this.#rewriting = undefined;\n",
    caughtBy: [FOLLOW, "a reader learns what a truncation of what was told of made durable"],
  },
  {
    name: "the file is not told of a sync that had nothing to do",
    file: "src/wal.ts",
    find: "    if (this.#segments.isSettled) this.#tellWhenIdle();\n    else await",
    replace: "    if (!this.#segments.isSettled) await",
    caughtBy: [FOLLOW, "a reader learns what a sync that has nothing to do made durable"],
  },
];
