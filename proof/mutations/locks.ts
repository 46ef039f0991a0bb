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
    in: "guardFiles",
    find: "await setting.guards.take(...files);",
    replace: "",
    caughtBy: [
      GUARDS,
      "a log that another writer has locked is refused before any of its files is changed",
    ],
  },
  {
    name: "a new log's file is not locked",
    in: "Steps.#makeLog",
    find: "await this.#setting.guards.take(active.path);",
    replace: "",
    caughtBy: [GUARDS, "a log is refused to a second writer by a hard link, on every runtime"],
  },
  {
    name: "a roll gives the lock of the oldest file up",
    in: "Segments.#continueIn",
    find: "this.#context.guards.moveSoon(this.#oldest, next.path);",
    replace: "this.#context.guards.moveSoon(next.path, next.path);",
    caughtBy: [
      GUARDS,
      "links of all files, or of the first alone, are refused to a second writer after a roll",
    ],
  },
  {
    name: "a roll does not lock the new file",
    in: "Segments.#continueIn",
    find: "this.#context.guards.moveSoon(this.#oldest, next.path);",
    replace: "",
    caughtBy: [
      GUARDS,
      "a handle whose next file another writer has locked ends with a LockedError",
    ],
  },
  {
    name: "a reset does not lock the new file",
    in: "Segments.moveTo",
    find: "await this.#context.guards.move(this.#active.path);",
    replace: "",
    caughtBy: [
      GUARDS,
      "without its lock file, a log is refused to a second writer after a reset to a higher index",
    ],
  },
  {
    name: "a dropped head takes the lock of the oldest file with it",
    in: "Segments.dropBefore",
    find: "await this.#guard();",
    replace: "",
    caughtBy: [
      GUARDS,
      "of the files of a log with several, the oldest and the last are locked, and no other",
    ],
  },
  {
    name: "files are removed although another writer has one",
    in: "Segments.cutFrom",
    find: "await this.#context.guards.move(oldest.path, last.path, this.#active.path); " +
      "this.#context.guards.requireOurs();",
    replace: "await this.#context.guards.move(oldest.path, last.path, this.#active.path);",
    caughtBy: [GUARDS, "nothing is dropped once another writer has locked one of the files"],
  },
  {
    name: "close does not wait for a lock that is being taken",
    in: "Guards.close",
    find: "await this.move();",
    replace: "void this.move();",
    caughtBy: [GUARDS, "close waits for a lock that is being taken, and gives it back"],
  },
  {
    name: "close keeps the log's files locked",
    in: "giveBackLog",
    find: "await guards.close();",
    replace: "",
    caughtBy: [GUARDS, "a log is refused to a second writer by a hard link, on every runtime"],
  },
  {
    name: "a failed open keeps the log's files locked",
    in: "openToWrite",
    find: "await setting.guards.close();",
    replace: "",
    caughtBy: [LOCK, "an open that fails tells why, whatever becomes of the lock file"],
  },
  {
    name: "a lock file of somebody else is overwritten",
    in: "readRecord",
    find: "if (record !== undefined) return record;",
    replace: 'if (record !== undefined || path !== "") return record ?? NO_HOLDER;',
    caughtBy: [LOCK, "a log that has the name of another's lock file keeps its entries"],
  },
  {
    name: "a process of another container is judged by its id",
    in: "judge beside ProcessPlace",
    find: 'return namespaces === place.namespaces ? judgeHere(record, pid, owner) : "unknown";',
    replace: 'return namespaces === "" ? "unknown" : judgeHere(record, pid, owner);',
    caughtBy: [
      RECORD,
      "a record is judged by its boot, its namespaces, its process and its start",
    ],
  },
  {
    name: "a process of another boot counts as dead on any file system",
    in: "judge beside ProcessPlace",
    find: 'return owner.isOnLocalDisk(path) ? "dead" : "unknown";',
    replace: 'return owner.isOnLocalDisk(path) ? "dead" : "dead";',
    caughtBy: [
      RECORD,
      "a record is judged by its boot, its namespaces, its process and its start",
    ],
  },
  {
    name: "the holder of the kernel's lock writes its record without a claim",
    in: "makeClaim",
    find: 'return unlessFull(kind, () => fileSystem.open(path, "create", 0o600));',
    replace: 'if (kind === "kernel") return undefined; return unlessFull(kind, () => ' +
      'fileSystem.open(path, "create", 0o600));',
    caughtBy: [
      RECORD,
      "a record is written under a claim, with the kernel's lock too",
    ],
  },
  {
    name: "a dead claim is removed without another look at it",
    in: "removeClaim",
    find: 'if (now !== undefined && (now.nonce ?? "") === nonce) removeIfThere(fileSystem, path);',
    replace: "if (now !== undefined) removeIfThere(fileSystem, path);",
    caughtBy: [
      RECORD,
      "the claim of a process that died is removed by one contender, which makes sure of it",
    ],
  },
  {
    name: "a release cuts the record of another",
    in: "lockOn",
    find: "if (saysUs()) file.truncate(0);",
    replace: "file.truncate(0);",
    caughtBy: [RECORD, "the record of another is not cut by a release"],
  },
  {
    name: "a lock whose record is gone counts as held",
    in: "lockOn",
    find: 'if (kind === "record") return saysUs();',
    replace: 'if (kind === "record") return true;',
    caughtBy: [RECORD, "a lock is held as long as its record is ours and its name leads to it"],
  },
  {
    name: "any failure of flock(2) counts as held",
    in: "outcomeOf",
    find: "throw failure;",
    replace: 'return "held";',
    caughtBy: [RECORD, "an error of flock(2) that tells nothing of the lock is thrown"],
  },
  {
    name: "Node takes any failure to start the flock program for its absence",
    in: "flockByProgram",
    find: 'if (code === "ENOENT" || code === "ENOTDIR") return "unavailable";',
    replace: 'if (code !== "EIO") return "unavailable";',
    caughtBy: [SYSTEM, "Node takes no failure of the flock program for its absence"],
    runtime: "node",
  },
  {
    name: "a lock that is only a record is taken in silence",
    in: "acceptLock",
    find: 'runtime.process.emitWarning(message, { code: "WAL_WEAK_LOCK" });',
    replace: "",
    caughtBy: [SYSTEM, "a lock that is only a record is warned of, or refused by { lock: kernel }"],
    runtime: "node",
  },
  {
    name: "{ lock: kernel } takes a record",
    in: "acceptLock",
    find: 'if (wanted === "kernel")',
    replace: 'if (wanted === "kernel" && path === "")',
    caughtBy: [SYSTEM, "a lock that is only a record is warned of, or refused by { lock: kernel }"],
  },
  {
    name: "what became of the lock file hides the error of an open",
    in: "openToWrite",
    find: "releaseAnyhow(lock);",
    replace: "lock?.release();",
    caughtBy: [LOCK, "an open that fails tells why, whatever becomes of the lock file"],
  },
];
