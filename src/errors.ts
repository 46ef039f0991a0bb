/**
 * Every error that the log throws: one base class, one stable `code` a kind.
 *
 * A message says what happened, on which file and offset, and what to do next. The error of the
 * system call underneath, where there is one, is the `cause`.
 *
 * @module
 */
import { memberOf } from "./fs/file_system.ts";

/** The stable codes, one a kind of error. Compare with these, not with messages. */
export type WalErrorCode =
  | "ERR_EVENT_CODEC"
  | "ERR_EVENT_CONFLICT"
  | "ERR_EVENT_SCHEMA"
  | "ERR_EVENT_UNREADABLE"
  | "ERR_MACHINE_ASYNC"
  | "ERR_MACHINE_DIVERGED"
  | "ERR_MACHINE_NO_SNAPSHOT"
  | "ERR_MACHINE_OUTBOX"
  | "ERR_MACHINE_REFUSED"
  | "ERR_MACHINE_REPLAY"
  | "ERR_MACHINE_STATE"
  | "ERR_QUEUE_CLOSED"
  | "ERR_QUEUE_LEASE_LOST"
  | "ERR_QUEUE_NOT_DEAD"
  | "ERR_QUEUE_UNREADABLE"
  | "ERR_SNAPSHOT_DAMAGED"
  | "ERR_SNAPSHOT_ENDED"
  | "ERR_SNAPSHOT_EXISTS"
  | "ERR_SNAPSHOT_MISSING"
  | "ERR_SNAPSHOT_OFFLOAD"
  | "ERR_SNAPSHOT_OTHER_LOG"
  | "ERR_SNAPSHOT_VERSION"
  | "ERR_SNAPSHOT_WRITE_FAILED"
  | "ERR_SNAPSHOT_ZSTD"
  | "ERR_WAL_BATCH_TOO_LARGE"
  | "ERR_WAL_BUSY"
  | "ERR_WAL_CLOSED"
  | "ERR_WAL_CORRUPT"
  | "ERR_WAL_ENTRY_TOO_LARGE"
  | "ERR_WAL_FORMAT"
  | "ERR_WAL_INDEX_OUT_OF_RANGE"
  | "ERR_WAL_INVALID_ARGUMENT"
  | "ERR_WAL_IO"
  | "ERR_WAL_LOCKED"
  | "ERR_WAL_MOVED"
  | "ERR_WAL_NOT_A_FILE"
  | "ERR_WAL_NOT_FOUND"
  | "ERR_WAL_PERMISSION"
  | "ERR_WAL_READ_ONLY"
  | "ERR_WAL_RUNTIME"
  | "ERR_WAL_STATE_TOO_LARGE"
  | "ERR_WAL_SYNC_FAILED"
  | "ERR_WAL_WEAK_LOCK"
  | "ERR_WAL_WRITE_FAILED";

/**
 * The base of every error that the log throws.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Wal, WalError } from "@durable/wal";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 *
 * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
 * try {
 *   log.getEntry(1);
 * } catch (error) {
 *   if (!(error instanceof WalError)) throw error;
 *   assertEquals(error.code, "ERR_WAL_INDEX_OUT_OF_RANGE");
 * }
 * await log.close();
 * ```
 */
export class WalError extends Error {
  /** What kind of error this is; stable across versions. */
  readonly code: WalErrorCode;

  /**
   * Makes an error of one kind.
   *
   * @param code What kind of error this is.
   * @param message What happened, where, and what to do next.
   * @param options The error that caused this one, if any.
   */
  constructor(code: WalErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/**
 * Acknowledged data is damaged (`ERR_WAL_CORRUPT`). Nothing on disk was changed.
 *
 * @example
 * ```ts
 * import { assertEquals, assertRejects } from "@std/assert";
 * import { CorruptionError, Wal } from "@durable/wal";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 *
 * const fileSystem = new MemoryFileSystem();
 * const log = await Wal.open("a.wal", { fileSystem });
 * await log.appendAndSync(new TextEncoder().encode("hello"));
 * const offset = log.byteLength - 1;
 * await log.close();
 *
 * const file = fileSystem.open("a.wal", "write");
 * file.write(new Uint8Array([0]), offset); // the disk rots
 * file.close();
 *
 * const error = await assertRejects(() => Wal.open("a.wal", { fileSystem }), CorruptionError);
 * assertEquals(error.firstIndexAtRisk, 1);
 * ```
 */
export class CorruptionError extends WalError {
  /** The file that is damaged. */
  readonly path: string;
  /** Where in the file the damage begins, in bytes. */
  readonly offset: number;
  /** The lowest index whose entry may be lost or wrong. */
  readonly firstIndexAtRisk: number;

  /**
   * Names the place of the damage.
   *
   * @param message What is wrong and what to do next.
   * @param place The damaged file, the offset in bytes, and the lowest index at risk.
   */
  constructor(
    message: string,
    place: { path: string; offset: number; firstIndexAtRisk: number },
  ) {
    super("ERR_WAL_CORRUPT", message);
    this.path = place.path;
    this.offset = place.offset;
    this.firstIndexAtRisk = place.firstIndexAtRisk;
  }
}

/** What to do about a file that is damaged or gone, in an error's message. */
export const RESTORE: string = "Nothing was changed. Restore the file from a copy; without one, " +
  "`wal recover` gives out every entry that is whole.";

/**
 * The holder of a lock, as far as the lock's record tells; a field it does not tell is `undefined`.
 */
export interface LockHolder {
  /** The process id. */
  readonly pid: number | undefined;
  /** The host's name. */
  readonly host: string | undefined;
  /** The runtime: `"deno"`, `"bun"`, `"node"` or `"memory"`. */
  readonly runtime: string | undefined;
}

/**
 * Another writer has the log open (`ERR_WAL_LOCKED`).
 *
 * @example
 * ```ts
 * import { assertEquals, assertRejects } from "@std/assert";
 * import { LockedError, Wal } from "@durable/wal";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 *
 * const fileSystem = new MemoryFileSystem();
 * const log = await Wal.open("a.wal", { fileSystem });
 * const error = await assertRejects(() => Wal.open("a.wal", { fileSystem }), LockedError);
 * assertEquals(error.holder.runtime, "memory");
 * await log.close();
 * ```
 */
export class LockedError extends WalError {
  /** The file that says so: the lock file, the claim beside it, or the log's file that is locked. */
  readonly path: string;
  /** Its holder. */
  readonly holder: LockHolder;

  /**
   * Names the holder.
   *
   * @param path The lock file, or the log's file that is locked itself.
   * @param holder Its holder, as far as the lock's record tells.
   * @param message What happened and what to do next, if there is more to say.
   */
  constructor(path: string, holder: LockHolder, message?: string) {
    super(
      "ERR_WAL_LOCKED",
      message ??
        `The log is open for writing elsewhere: "${path}" is held by process ${
            holder.pid ?? "unknown"
          } on host "${holder.host ?? "unknown"}" (runtime ${holder.runtime ?? "unknown"}). ` +
          `Close it there first, or open with { readOnly: true }.`,
    );
    this.path = path;
    this.holder = holder;
  }
}

/**
 * A sync failed (`ERR_WAL_SYNC_FAILED`): the outcome of entries that were not yet durable is
 * unknown, and the handle has ended. Reads still work. A reopen runs recovery, and the log can be
 * used again.
 *
 * @example
 * ```ts
 * import { Wal, WalError } from "@durable/wal";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 *
 * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
 * try {
 *   await log.appendAndSync(new Uint8Array([1]));
 * } catch (error) {
 *   if (error instanceof WalError && error.code === "ERR_WAL_SYNC_FAILED") {
 *     // Close, open again, and look at lastIndex: the entry may or may not be there.
 *   }
 *   throw error;
 * }
 * await log.close();
 * ```
 */
export class SyncFailedError extends WalError {
  /** The file whose sync failed. */
  readonly path: string;
  /** The last index that is known to be durable. */
  readonly durableIndex: number;

  /**
   * Names the file and what is still certain.
   *
   * @param path The file whose sync failed.
   * @param durableIndex The last index that is known to be durable.
   * @param doing What was being made durable, for the message.
   * @param cause The error of the system call.
   */
  constructor(path: string, durableIndex: number, doing: string, cause: unknown) {
    super(
      "ERR_WAL_SYNC_FAILED",
      `Cannot make ${doing} durable: "${path}" failed (${reasonOf(cause)}). Entries up to index ` +
        `${durableIndex} are durable. It is unknown whether later ones are. This handle has ended; ` +
        `reads still work. Close it and open the log again, which runs recovery.`,
      { cause },
    );
    this.path = path;
    this.durableIndex = durableIndex;
  }
}

/**
 * A name of the log no longer leads to the file that is open (`ERR_WAL_MOVED`): somebody removed,
 * renamed or replaced it, or its directory. The handle has ended; reads still work.
 *
 * @example
 * ```ts
 * import { assertEquals, assertRejects } from "@std/assert";
 * import { MovedError, Wal } from "@durable/wal";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 *
 * const fileSystem = new MemoryFileSystem();
 * const log = await Wal.open("a.wal", { fileSystem });
 * await log.appendAndSync(new Uint8Array([1]));
 * fileSystem.remove("a.wal"); // a cleaner, say
 *
 * const data = new Uint8Array([2]);
 * const error = await assertRejects(() => log.appendAndSync(data), MovedError);
 * assertEquals([error.path, error.durableIndex], ["a.wal", 1]);
 * await log.close();
 * ```
 */
export class MovedError extends WalError {
  /** The name that no longer leads to the open file or directory. */
  readonly path: string;
  /** The last index that was durable in its place, as far as is known. */
  readonly durableIndex: number;
  /** What became of the name, in words. */
  readonly what: string;

  /**
   * Names the file and what is still certain.
   *
   * @param path The name that no longer leads to the open file or directory.
   * @param durableIndex The last index that was durable in its place, as far as is known.
   * @param what What became of the name, such as "was removed".
   */
  constructor(path: string, durableIndex: number, what: string) {
    super(
      "ERR_WAL_MOVED",
      `"${path}" ${what} while the log was open for writing. Entries up to index ${durableIndex} were ` +
        "durable in the files that were opened, wherever those are now; later ones may be lost. This " +
        "handle has ended; reads still work. Close it, find out what touches the log's files, put " +
        "back what is missing, and open the log again.",
    );
    this.path = path;
    this.durableIndex = durableIndex;
    this.what = what;
  }
}

/**
 * A value does not pass the schema of its log (`ERR_EVENT_SCHEMA`). Nothing was written.
 *
 * @example
 * ```ts
 * import { assertEquals, assertRejects } from "@std/assert";
 * import { EventLog, json, SchemaError, type StandardSchema } from "@durable/wal/events";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 *
 * const positive: StandardSchema<number> = {
 *   "~standard": {
 *     version: 1,
 *     vendor: "example",
 *     validate: (value) =>
 *       Number(value) > 0 ? { value: Number(value) } : { issues: [{ message: "not positive" }] },
 *   },
 * };
 * const fileSystem = new MemoryFileSystem();
 * await using log = await EventLog.open("a.wal", { codec: json(), schema: positive, fileSystem });
 * const error = await assertRejects(() => log.append(-1), SchemaError);
 * assertEquals(error.issues[0]?.message, "not positive");
 * ```
 */
export class SchemaError extends WalError {
  /** What is wrong with the value, as the schema's library says it; it may quote the value. */
  readonly issues: readonly SchemaIssue[];

  /**
   * Takes what the schema has answered.
   *
   * @param issues What is wrong with the value: at least one thing.
   */
  constructor(issues: readonly SchemaIssue[]) {
    const count = issues.length;
    super(
      "ERR_EVENT_SCHEMA",
      `The value does not pass its schema: ${count === 1 ? "one issue" : `${count} issues`}, the ` +
        `first ${
          issuePlace(issues[0])
        }. Nothing was written. The error's field "issues" has them all.`,
    );
    this.issues = issues;
  }
}

/**
 * One thing that is wrong with a value, as Standard Schema has it.
 *
 * @example
 * ```ts
 * import type { SchemaIssue } from "@durable/wal/events";
 *
 * const issue: SchemaIssue = { message: "not a number", path: ["items", 0, "price"] };
 * ```
 */
export interface SchemaIssue {
  /** What is wrong, in the library's words. */
  readonly message: string;
  /** Where in the value: a key for each level. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** Where in the value an issue is, in words; a key may be any value of another library's. */
function issuePlace(issue: SchemaIssue | undefined): string {
  const path = issue?.path ?? [];
  if (path.length === 0) return "about the whole value";
  const keys = path.map((part) => String(typeof part === "object" ? part.key : part));
  return `at ${JSON.stringify(keys.join("."))}`;
}

/**
 * An entry of the log cannot be turned into a value again (`ERR_EVENT_UNREADABLE`): its version is
 * unknown, or its codec or an upcast threw. Nothing was changed.
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { EventLog, json, UnreadableEventError } from "@durable/wal/events";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 *
 * const fileSystem = new MemoryFileSystem();
 * const newer = { codec: json(), version: 2, upcast: { 1: (value: unknown) => value }, fileSystem };
 * const writer = await EventLog.open("a.wal", newer);
 * await writer.append("of version 2");
 * await writer.close();
 *
 * await using reader = await EventLog.open("a.wal", { codec: json(), fileSystem });
 * const error = assertThrows(() => reader.get(1), UnreadableEventError);
 * assertEquals([error.index, error.version], [1, 2]);
 * ```
 */
export class UnreadableEventError extends WalError {
  /** The entry's index. */
  readonly index: number;
  /** The version that the entry says it has; `undefined` if it has none. */
  readonly version: number | undefined;

  /**
   * Names the entry.
   *
   * @param message What is wrong and what to do next.
   * @param place The entry's index, and the version that it says it has.
   * @param options The error that caused this one, if any.
   */
  constructor(
    message: string,
    place: { index: number; version: number | undefined },
    options?: ErrorOptions,
  ) {
    super("ERR_EVENT_UNREADABLE", message, options);
    this.index = place.index;
    this.version = place.version;
  }
}

/**
 * An event of a state machine's log cannot be applied again (`ERR_MACHINE_REPLAY`): it cannot be
 * read, or `apply` refused it. Nothing was changed, and no event is ever skipped.
 *
 * @example
 * ```ts
 * import { assertEquals, assertRejects } from "@std/assert";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 * import { ReplayError, StateMachine } from "@durable/wal/machine";
 *
 * const fileSystem = new MemoryFileSystem();
 * const initial = () => 0;
 * const first = await StateMachine.open("a.wal", {
 *   initial,
 *   apply: (sum, amount: number) => sum + amount,
 *   fileSystem,
 * });
 * await first.dispatch(7);
 * await first.close();
 *
 * const apply = (sum: number, amount: number): number => {
 *   if (amount > 5) throw new RangeError("Too much"); // a rule that came later
 *   return sum + amount;
 * };
 * const opening = () => StateMachine.open("a.wal", { initial, apply, fileSystem });
 * const error = await assertRejects(opening, ReplayError);
 * assertEquals([error.index, error.version], [1, 1]);
 * ```
 */
export class ReplayError extends WalError {
  /** The event's index. */
  readonly index: number;
  /** The version that the event was written in; `undefined` if it cannot be read. */
  readonly version: number | undefined;

  /**
   * Names the event.
   *
   * @param index The event's index.
   * @param version The version that it was written in.
   * @param cause Why it cannot be applied.
   */
  constructor(index: number, version: number | undefined, cause: unknown) {
    super(
      "ERR_MACHINE_REPLAY",
      `Event ${index}, of version ${version ?? "unknown"}, cannot be applied again: ` +
        `${
          reasonOf(cause)
        }. It was applied when it was dispatched, so apply, the codec or an upcast ` +
        "has changed since. Nothing was changed. Use the program that wrote it, or mend this one.",
      { cause },
    );
    this.index = index;
    this.version = version;
  }
}

/**
 * What ends a handle: the outcome of something is unknown, or the files are no longer in place, or
 * another writer has locked one of them.
 */
export type EndError = SyncFailedError | MovedError | LockedError;

/** Whether an error ends the handle. */
export function isEnd(error: unknown): error is EndError {
  return error instanceof SyncFailedError || error instanceof MovedError ||
    error instanceof LockedError;
}

/** The error of a step whose outcome is unknown, unless what ends the handle is known already. */
export function outcomeUnknown(
  path: string,
  durableIndex: number,
  doing: string,
  cause: unknown,
): EndError {
  return isEnd(cause) ? cause : new SyncFailedError(path, durableIndex, doing, cause);
}

/** The short reason that an error message quotes of its cause, whatever realm that is of. */
export function reasonOf(cause: unknown): string {
  const message = memberOf(cause, "message");
  if (typeof message === "string") return message;
  return typeof cause === "object" ? "an unknown error" : String(cause);
}

/** The error for a file that has a name of the log's and is not the log's. */
export function notOurs(path: string, kind: string, magic: string): WalError {
  return new WalError(
    "ERR_WAL_FORMAT",
    `"${path}" has the name of the log's ${kind} and is none of this version: it does not begin ` +
      `with "${magic}" and the version 1 (offset 0). The file was not changed. If it is something ` +
      "else, move it away; then open the log again.",
  );
}

/** The error of a write after which the log is as before. */
export function writeFailed(doing: string, cause: unknown): WalError {
  return new WalError(
    "ERR_WAL_WRITE_FAILED",
    `Cannot ${doing}: ${reasonOf(cause)}. What was written of it is gone again and the log is as ` +
      "before: make room or mend the cause, then try again.",
    { cause },
  );
}

/** Whether an error is one of a write after which the log is as before. */
export function isWriteFailed(error: unknown): error is WalError {
  return error instanceof WalError && error.code === "ERR_WAL_WRITE_FAILED";
}

/** The error of a call after which the log is as before, for what no other code names. */
export function ioFailed(doing: string, path: string, cause: unknown): WalError {
  return new WalError(
    "ERR_WAL_IO",
    `Cannot ${doing} the log "${path}": ${reasonOf(cause)}. Mend the cause and try again.`,
    { cause },
  );
}
