/**
 * The writer's lock as the adapters of real files share it: the kernel's flock(2) on the lock file,
 * and in the file a record that names the holder to a contender.
 *
 * flock belongs to the open file, so it excludes a second open in the same process too, and the
 * kernel drops it when the holder dies, however it dies. The file itself stays: to remove it would
 * race with a contender that has just opened it.
 *
 * Where the kernel's lock is out of reach the record alone must do: it counts for as long as its
 * process may run.
 *
 * Both may meet at one file. A contender first asks for the kernel's lock, if it can. Before it
 * writes the record, with the kernel's lock or without, it claims the right to it by a file that
 * only one can make. Then it reads the record that is there, and writes its own. So none writes
 * over a record that another has just written.
 *
 * @module
 */
import { pause } from "../clock.ts";
import { LockedError } from "../../errors.ts";
import {
  type FileHandle,
  type FileSystem,
  type FileSystemErrorCode,
  isFileSystemError,
  memberOf,
  type WriterLock,
} from "../file_system.ts";
import { claimPath, removalPath } from "../lock_names.ts";
import type { LockOutcome } from "./flock.ts";
import {
  encodeRecord,
  judge,
  type LockOwner,
  type LockRecord,
  NO_HOLDER,
  readRecord,
  recordOf,
  type Verdict,
} from "./lock_record.ts";

/** What one attempt to take the kernel's lock found. */
export interface LockAttempt {
  /** The lock file, open for reading and writing. */
  readonly file: FileHandle;
  readonly outcome: LockOutcome;
}

/** How often a claim, or a record that is not yet written, is looked at again, and how soon. */
const TRIES = 20;
const PAUSE_MS = 5;

/** There is no space. */
const FULL: ReadonlySet<FileSystemErrorCode> = new Set<FileSystemErrorCode>([
  "EDQUOT",
  "EFBIG",
  "ENOSPC",
]);

/**
 * Takes the lock.
 *
 * @param attempt Opens the lock file and tries the kernel's lock.
 * @throws {LockedError} If another has it, or may have it.
 * @throws `WalError` with `ERR_WAL_FORMAT`: the lock file is not ours.
 */
export async function takeLock(
  fileSystem: FileSystem,
  path: string,
  owner: LockOwner,
  attempt: () => LockAttempt | Promise<LockAttempt>,
): Promise<WriterLock> {
  const { file, outcome } = await attempt();
  try {
    if (outcome === "held") throw await heldBy(file, path, owner);
    const kind = outcome === "taken" ? "kernel" : "record";
    const record = recordOf(owner, kind);
    let isWritten = false;
    await claimed(fileSystem, path, record, owner, () => {
      requireFree(readRecord(file, path), kind, path, owner);
      isWritten = writeRecord(file, record);
    });
    return lockOn(fileSystem, path, file, record, kind, isWritten);
  } catch (error) {
    file.close();
    throw error;
  }
}

/**
 * Writes a record over the one that is there, which takes no space that a full disk has not.
 *
 * @returns Whether there was space for it, where the kernel's lock is ours.
 */
function writeRecord(file: FileHandle, record: LockRecord): boolean {
  return unlessFull(record.kind, () => {
    try {
      file.write(encodeRecord(record, file.size()), 0);
      return true;
    } catch (error) {
      // A part of a record would be taken for somebody else's file.
      if (isFileSystemError(error)) file.truncate(0);
      throw error;
    }
  }) ?? false;
}

function lockOn(
  fileSystem: FileSystem,
  path: string,
  file: FileHandle,
  record: LockRecord,
  kind: WriterLock["kind"],
  wasWritten: boolean,
): WriterLock {
  let held = true;
  let isWritten = wasWritten;
  const identity = file.identity();
  const saysUs = (): boolean => {
    try {
      return isSameHolder(readRecord(file, path), record);
    } catch (error) {
      if (memberOf(error, "code") === "ERR_WAL_FORMAT") return false;
      throw error;
    }
  };
  return {
    kind,
    isHeld(): boolean {
      if (!held || fileSystem.identify(path) !== identity) return false;
      if (kind === "record") return saysUs();
      // On a disk that was full there was no space for it, and a contender may have only a record.
      isWritten ||= writeRecord(file, record);
      return true;
    },
    release(): void {
      if (!held) return;
      held = false;
      try {
        // A contender that took the lock for dead may have written its own record.
        if (saysUs()) file.truncate(0);
      } catch (error) {
        // In a file that the kernel does not lock any more, a record is only an old note.
        if (kind === "record") throw error;
      } finally {
        file.close();
      }
    },
  };
}

function isSameHolder(some: LockRecord, other: LockRecord): boolean {
  const fields = ["pid", "kind", "started", "boot", "namespaces"] as const;
  return fields.every((field) => some[field] === other[field]);
}

/** Refuses to take a lock whose record says that another has it. */
function requireFree(
  record: LockRecord,
  kind: WriterLock["kind"],
  path: string,
  owner: LockOwner,
): void {
  // The holder of the kernel's lock need not look for earlier holders of it. A contender that
  // cannot ask the kernel must take every record for what it says.
  const counts = record.kind === "record" || (kind === "record" && record.pid !== undefined);
  if (!counts) return;
  const verdict = judge(record, owner, path);
  if (verdict !== "dead") throw lockedBy(path, record, verdict, owner, "record");
}

/** The error for a lock that the kernel says is another's. */
async function heldBy(file: FileHandle, path: string, owner: LockOwner): Promise<LockedError> {
  let record = readRecord(file, path);
  for (let tries = 1; record.pid === undefined && tries < TRIES; tries++) {
    // The holder may not have written its record yet.
    await pause(PAUSE_MS);
    record = readRecord(file, path);
  }
  return lockedBy(path, record, judge(record, owner, path), owner, "kernel");
}

/** Does something while no other process writes the record. */
async function claimed(
  fileSystem: FileSystem,
  path: string,
  record: LockRecord,
  owner: LockOwner,
  work: () => void,
): Promise<void> {
  const claimAt = claimPath(path);
  const claim = await makeClaim(fileSystem, claimAt, record.kind, owner);
  try {
    if (claim !== undefined) {
      const content = encodeRecord({ ...record, nonce: randomNonce() }, 0);
      unlessFull(record.kind, () => claim.write(content, 0));
    }
    work();
  } finally {
    if (claim !== undefined) {
      claim.close();
      removeIfThere(fileSystem, claimAt);
    }
  }
}

/**
 * Does without what there is no space for, where the kernel's lock is ours. A log on a full disk
 * can be opened, and a contender that has only a record finds no space for a claim either.
 */
function unlessFull<T>(kind: LockRecord["kind"], call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (kind === "kernel" && isFileSystemError(error) && FULL.has(error.code)) return undefined;
    throw error;
  }
}

function removeIfThere(fileSystem: FileSystem, path: string): void {
  try {
    fileSystem.remove(path);
  } catch (error) {
    if (!isFileSystemError(error) || error.code !== "ENOENT") throw error;
  }
}

async function makeClaim(
  fileSystem: FileSystem,
  path: string,
  kind: LockRecord["kind"],
  owner: LockOwner,
): Promise<FileHandle | undefined> {
  for (let tries = 1;; tries++) {
    try {
      return unlessFull(kind, () => fileSystem.open(path, "create", 0o600));
    } catch (error) {
      if (!isFileSystemError(error) || error.code !== "EEXIST") throw error;
    }
    // A claim is held for less than a millisecond.
    const isLate = tries >= TRIES;
    const record = readClaim(fileSystem, path);
    if (record === undefined) {
      // It is gone by now; or it is a link that leads nowhere.
      if (isLate) throw lockedBy(path, NO_HOLDER, "unknown", owner, "claim");
      if (tries > 1) await pause(PAUSE_MS);
      continue;
    }
    const verdict = judgeClaim(record, kind, isLate, owner, path);
    if (verdict === "dead") removeClaim(fileSystem, path, record);
    if (tries > TRIES || (isLate && verdict !== "dead")) {
      throw lockedBy(path, record, verdict, owner, "claim");
    }
    if (tries > 1 || verdict !== "dead") await pause(PAUSE_MS);
  }
}

/** Judges the maker of a claim that another finds. */
function judgeClaim(
  record: LockRecord,
  kind: LockRecord["kind"],
  isLate: boolean,
  owner: LockOwner,
  path: string,
): Verdict {
  // The maker of a claim with the kernel's lock had it then, and we have it now.
  const hadOurLock = record.kind === "kernel";
  // Its maker was stopped between two calls, and has yet to read the record that we will write.
  const isEmpty = record.pid === undefined && isLate;
  if (kind === "kernel" && (hadOurLock || isEmpty)) return "dead";
  return judge(record, owner, path);
}

/** What a claim says; undefined if it is gone. */
function readClaim(fileSystem: FileSystem, path: string): LockRecord | undefined {
  try {
    const file = fileSystem.open(path, "read");
    try {
      return readRecord(file, path);
    } finally {
      file.close();
    }
  } catch (error) {
    if (isFileSystemError(error) && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Removes the claim of a process that died. Only one contender may, or the next would remove the claim
 * that the first then made: the right to remove this one is a file of its own too.
 */
function removeClaim(fileSystem: FileSystem, path: string, { nonce = "" }: LockRecord): void {
  const right = removalPath(path, nonce);
  try {
    fileSystem.open(right, "create", 0o600).close();
  } catch (error) {
    if (isFileSystemError(error) && error.code === "EEXIST") return;
    throw error;
  }
  try {
    const now = readClaim(fileSystem, path);
    if (now !== undefined && (now.nonce ?? "") === nonce) removeIfThere(fileSystem, path);
  } finally {
    removeIfThere(fileSystem, right);
  }
}

function randomNonce(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What says that another has the lock: the kernel, a record, or a claim to write one. */
type Witness = "kernel" | "record" | "claim";

/** The error for a lock that another has, or may have. */
function lockedBy(
  path: string,
  record: LockRecord,
  verdict: Verdict,
  owner: LockOwner,
  witness: Witness,
): LockedError {
  const { pid, host, runtime } = record;
  const holder = { pid, host, runtime };
  const process = `process ${pid ?? "unknown"} on host "${host ?? "unknown"}" ` +
    `(runtime ${runtime ?? "unknown"})`;
  const readOnly = "or open with { readOnly: true }.";
  if (witness === "claim") {
    return new LockedError(
      path,
      holder,
      `The log is being opened for writing elsewhere: "${path}" was made by ${process}, for the ` +
        "moment in which it takes the lock. Try again. If it stays, its maker was stopped there: " +
        `make sure that no writer of the log runs, then remove "${path}".`,
    );
  }
  if (verdict === "self") {
    return new LockedError(
      path,
      holder,
      `The log is open for writing already, in this process: "${path}" is held by ${process}, ` +
        `which is this one. Use that handle, or close it first, ${readOnly}`,
    );
  }
  if (witness === "record" && verdict === "unknown") {
    return new LockedError(
      path,
      holder,
      `The log may be open for writing elsewhere: the record in "${path}" names ${process}, and ` +
        "whether that runs cannot be told from here (another host, container or start of the " +
        "machine, or too few permissions). Make sure that no writer of the log runs, then remove " +
        `"${path}" and open again, ${readOnly}`,
    );
  }
  const mayBeUs = verdict === "unknown" && pid === owner.pid
    ? " That is the id of this process too, which may have it open already."
    : "";
  return new LockedError(
    path,
    holder,
    `The log is open for writing elsewhere: "${path}" is held by ${process}.${mayBeUs} Close it ` +
      `there first, ${readOnly}`,
  );
}
