/**
 * The writer's lock as the adapters of real files share it: the kernel's flock(2) on the lock file,
 * and in the file a record that tells a contender who the holder is.
 *
 * flock belongs to the open file, so it excludes a second open in the same process too, and the
 * kernel drops it when the holder dies, however it dies. The file itself stays: to remove it would
 * race with a contender that has just opened it.
 *
 * Where the kernel's lock is out of reach the record alone must do: it counts for as long as its
 * process lives, told apart from a later process of the same id by its start time.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { LockedError, type LockHolder } from "../errors.ts";
import { type File, type FileSystem, isFileSystemError, type Lock } from "./file_system.ts";

/** The process that takes a lock, and what it can tell of others on its host. */
export interface LockOwner {
  readonly pid: number;
  readonly host: string | undefined;
  readonly runtime: string;
  /** Whether a process runs; `undefined` where that cannot be told. */
  isAlive(pid: number): boolean | undefined;
  /** When a process started, in any unit; `undefined` if it does not run or it cannot be told. */
  startOf(pid: number): string | undefined;
}

/** What one attempt to take the kernel's lock found. */
export interface LockAttempt {
  /** The lock file, open for reading and writing. */
  readonly file: File;
  /** Whether the kernel's lock is ours now, another's, or out of reach. */
  readonly outcome: "taken" | "held" | "unavailable";
}

/** What a lock file says of its holder; what it does not say is undefined. */
interface LockRecord extends LockHolder {
  readonly kind: string | undefined;
  /** When the process started; tells it from a later one of the same id. */
  readonly started: string | undefined;
}

/**
 * Takes the lock or throws `LockedError`.
 *
 * @param attempt Opens the lock file and tries the kernel's lock.
 */
export function takeLock(
  fileSystem: FileSystem,
  path: string,
  owner: LockOwner,
  attempt: () => LockAttempt,
): Lock {
  const { file, outcome } = attempt();
  try {
    const kind = outcome === "unavailable" ? "record" : "kernel";
    if (outcome === "held") throw new LockedError(path, readRecord(file));
    if (kind === "kernel") {
      writeOwnRecord(file, path, owner, kind);
    } else {
      // Two contenders must not both read a dead record and both replace it.
      const claim = claimRecord(fileSystem, path);
      try {
        writeOwnRecord(file, path, owner, kind);
      } finally {
        claim.close();
        fileSystem.remove(`${path}.claim`);
      }
    }
    return lockOn(fileSystem, path, file, kind);
  } catch (error) {
    file.close();
    throw error;
  }
}

function lockOn(fileSystem: FileSystem, path: string, file: File, kind: Lock["kind"]): Lock {
  let held = true;
  const identity = file.identity();
  return {
    kind,
    isHeld: (): boolean => held && fileSystem.identify(path) === identity,
    release(): void {
      if (!held) return;
      held = false;
      try {
        file.truncate(0);
      } finally {
        file.close();
      }
    },
  };
}

function writeOwnRecord(
  file: File,
  path: string,
  owner: LockOwner,
  kind: Lock["kind"],
): void {
  const earlier = readRecord(file);
  // Who has the kernel's lock need not ask for others who have it. Who cannot ask the kernel must
  // take every record for what it says.
  const counts = earlier.kind === "record" || (kind === "record" && earlier.kind === "kernel");
  if (counts && mayLive(earlier, owner)) throw new LockedError(path, earlier);
  const { pid, host, runtime } = owner;
  const record: LockRecord = { pid, host, runtime, kind, started: owner.startOf(pid) };
  file.truncate(0);
  file.write(new TextEncoder().encode(JSON.stringify(record) + "\n"), 0);
}

function claimRecord(fileSystem: FileSystem, path: string): File {
  try {
    return fileSystem.open(`${path}.claim`, "create", 0o600);
  } catch (error) {
    if (!isFileSystemError(error) || error.code !== "EEXIST") throw error;
    throw new LockedError(`${path}.claim`, {
      pid: undefined,
      host: undefined,
      runtime: undefined,
    });
  }
}

function readRecord(file: File): LockRecord {
  const bytes = new Uint8Array(1024);
  let fields: Partial<Record<keyof LockRecord, unknown>> = {};
  try {
    const value: unknown = JSON.parse(
      new TextDecoder().decode(bytes.subarray(0, file.read(bytes, 0))),
    );
    if (typeof value === "object" && value !== null) fields = value;
  } catch (error) {
    // A holder that has not yet written its record, or (on Windows) whose lock covers the bytes.
    if (!(error instanceof SyntaxError) && !isFileSystemError(error)) throw error;
  }
  const text = (value: unknown): string | undefined =>
    typeof value === "string" ? value : undefined;
  return {
    pid: typeof fields.pid === "number" ? fields.pid : undefined,
    host: text(fields.host),
    runtime: text(fields.runtime),
    kind: text(fields.kind),
    started: text(fields.started),
  };
}

/** Whether the process of a record may still run; a doubt counts as yes. */
function mayLive(record: LockRecord, owner: LockOwner): boolean {
  if (record.pid === undefined || record.host !== owner.host) return true;
  const alive = owner.isAlive(record.pid);
  if (alive === false) return false;
  const started = owner.startOf(record.pid);
  if (started !== undefined) return record.started === undefined || record.started === started;
  // Where our own start can be told and the holder's cannot, there is no such process.
  return alive === true || owner.startOf(owner.pid) === undefined;
}

/** When a process of this host started, in ticks since boot; Linux only (proc_pid_stat(5)). */
export function startInTicks(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Field 2 is the program's name in brackets and may hold spaces; field 22 is the start time.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined; // No such process, no /proc, or no permission to read it.
  }
}
