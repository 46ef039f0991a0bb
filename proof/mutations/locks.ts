/**
 * The mutations of the writer's lock.
 *
 * @module
 */
import type { Mutation } from "./list.ts";

const GUARDS = "tests/files/guards_test.ts";
const LOCK = "tests/fs/lock_test.ts";
const RECORD = "tests/fs/lock_record_test.ts";
const SYSTEM = "tests/fs/lock_system_test.ts";

/** Of the lock on the log's own files, on its lock file, and of the record in that. */
export const LOCKS: readonly Mutation[] = [
  {
    name: "open does not lock the log's files",
    file: "src/opening/open.ts",
    find: "        await this.guards.take(...files);\n",
    replace: "",
    caughtBy: [GUARDS, "a log is refused to a second writer by a hard link, on every runtime"],
  },
  {
    name: "a new log's file is not locked",
    file: "src/opening/open.ts",
    find: "      await this.guards.take(active.path);\n",
    replace: "",
    caughtBy: [GUARDS, "a log is refused to a second writer by a hard link, on every runtime"],
  },
  {
    name: "a roll gives the lock of the oldest file up",
    file: "src/files/segments.ts",
    find: "    this.#context.guards.moveSoon(this.#oldest, next.path);\n",
    replace: "    this.#context.guards.moveSoon(next.path, next.path);\n",
    caughtBy: [
      GUARDS,
      "links of all files, or of the first alone, are refused to a second writer after a roll",
    ],
  },
  {
    name: "a roll does not lock the new file",
    file: "src/files/segments.ts",
    find: "    this.#context.guards.moveSoon(this.#oldest, next.path);\n",
    replace: "",
    caughtBy: [
      GUARDS,
      "a handle whose next file another writer has locked ends with a LockedError",
    ],
  },
  {
    name: "a reset does not lock the new file",
    file: "src/files/segments.ts",
    find: "      await this.#context.guards.move(this.#active.path);\n",
    replace: "",
    caughtBy: [
      GUARDS,
      "without its lock file, a log is refused to a second writer after a reset to a higher index",
    ],
  },
  {
    name: "a dropped head takes the lock of the oldest file with it",
    file: "src/files/segments.ts",
    find: "      await this.#guard();\n",
    replace: "",
    caughtBy: [
      GUARDS,
      "of the files of a log with several, the oldest and the last are locked, and no other",
    ],
  },
  {
    name: "files are removed although another writer has one",
    file: "src/files/segments.ts",
    find:
      "      await this.#context.guards.move(oldest.path, last.path, this.#active.path);\n      this.#context.guards.requireOurs();\n",
    replace: "      await this.#context.guards.move(oldest.path, last.path, this.#active.path);\n",
    caughtBy: [GUARDS, "nothing is dropped once another writer has locked one of the files"],
  },
  {
    name: "close does not wait for a lock that is being taken",
    file: "src/files/guards.ts",
    find: "    await this.move();\n",
    replace: "    void this.move();\n",
    caughtBy: [GUARDS, "close waits for a lock that is being taken, and gives it back"],
  },
  {
    name: "close keeps the log's files locked",
    file: "src/wal.ts",
    find: "    await this.#guards.close();\n",
    replace: "",
    caughtBy: [GUARDS, "a log is refused to a second writer by a hard link, on every runtime"],
  },
  {
    name: "a failed open keeps the log's files locked",
    file: "src/opening/open.ts",
    find: "    await opening.guards.close();\n",
    replace: "",
    caughtBy: [LOCK, "an open that fails tells why, whatever becomes of the lock file"],
  },
  {
    name: "a lock file of somebody else is overwritten",
    file: "src/fs/posix/lock_record.ts",
    find: "  if (record !== undefined) return record;\n",
    replace: '  if (record !== undefined || path !== "") return record ?? NOBODY;\n',
    caughtBy: [LOCK, "a log that has the name of another's lock file keeps its entries"],
  },
  {
    name: "a process of another container is judged by its id",
    file: "src/fs/posix/lock_record.ts",
    find: '  return namespaces === place.namespaces ? judgeHere(record, pid, owner) : "unknown";\n',
    replace: '  return namespaces === "" ? "unknown" : judgeHere(record, pid, owner);\n',
    caughtBy: [
      RECORD,
      "a record is judged by its boot, its namespaces, its process and its start",
    ],
  },
  {
    name: "a process of another boot counts as dead on any file system",
    file: "src/fs/posix/lock_record.ts",
    find: 'return owner.isOnLocalDisk(path) ? "dead" : "unknown";\n',
    replace: 'return owner.isOnLocalDisk(path) ? "dead" : "dead";\n',
    caughtBy: [
      RECORD,
      "a record is judged by its boot, its namespaces, its process and its start",
    ],
  },
  {
    name: "who has the kernel's lock writes its record without a claim",
    file: "src/fs/posix/lock_file.ts",
    find: '      return unlessFull(kind, () => fileSystem.open(path, "create", 0o600));\n',
    replace:
      '      if (kind === "kernel") return undefined;\n      return unlessFull(kind, () => fileSystem.open(path, "create", 0o600));\n',
    caughtBy: [
      RECORD,
      "two that take the lock at once, one with the kernel's and one without, do not both get it",
    ],
  },
  {
    name: "a dead claim is removed without another look at it",
    file: "src/fs/posix/lock_file.ts",
    find:
      '    if (now !== undefined && (now.nonce ?? "") === nonce) removeIfThere(fileSystem, path);\n',
    replace: "    if (now !== undefined) removeIfThere(fileSystem, path);\n",
    caughtBy: [
      RECORD,
      "the claim of a process that died is removed by one, who makes sure that it still is that",
    ],
  },
  {
    name: "a release cuts the record of another",
    file: "src/fs/posix/lock_file.ts",
    find: "        if (saysUs()) file.truncate(0);\n",
    replace: "        file.truncate(0);\n",
    caughtBy: [RECORD, "the record of another is not cut by a release"],
  },
  {
    name: "a lock whose record is gone counts as held",
    file: "src/fs/posix/lock_file.ts",
    find: '&& (kind === "kernel" || saysUs()),\n',
    replace: ",\n",
    caughtBy: [RECORD, "a lock is held as long as its record is ours and its name leads to it"],
  },
  {
    name: "any failure of flock(2) counts as held",
    file: "src/fs/posix/flock.ts",
    find: "  throw failure;\n",
    replace: '  return "held";\n',
    caughtBy: [
      SYSTEM,
      "a system without flock(2) is a lock that is only a record, and another error is one",
    ],
  },
  {
    name: "Node takes any failure to start the flock program for its absence",
    file: "src/fs/posix/node_lock.ts",
    find: '    if (code === "ENOENT" || code === "ENOTDIR") return "unavailable";\n',
    replace: '    if (code !== "EIO") return "unavailable";\n',
    caughtBy: [SYSTEM, "Node takes no failure of the flock program for its absence"],
    runtime: "node",
  },
  {
    name: "a lock that is only a record is taken in silence",
    file: "src/opening/weak_lock.ts",
    find: '    runtime.process.emitWarning(message, { code: "WAL_WEAK_LOCK" });\n',
    replace: "",
    caughtBy: [SYSTEM, "a lock that is only a record is warned of, or refused by { lock: kernel }"],
    runtime: "node",
  },
  {
    name: "{ lock: kernel } takes a record",
    file: "src/opening/weak_lock.ts",
    find: '  if (wanted === "kernel") {\n',
    replace: '  if (wanted === "kernel" && path === "") {\n',
    caughtBy: [SYSTEM, "a lock that is only a record is warned of, or refused by { lock: kernel }"],
  },
  {
    name: "what became of the lock file hides the error of an open",
    file: "src/opening/open.ts",
    find: "    releaseAnyhow(lock);\n",
    replace: "    lock?.release();\n",
    caughtBy: [LOCK, "an open that fails tells why, whatever becomes of the lock file"],
  },
];
