/**
 * How Node reaches the kernel's lock. Bun uses parts of it too.
 *
 * @module
 */
import { builtin } from "../builtins.ts";
import { clock, type Timer } from "../clock.ts";
import { reasonOf, WalError } from "../../errors.ts";
import { type FileHandle, type Guard, isFileSystemError } from "../file_system.ts";
import { type Flock, guardOn, type LockOutcome, outcomeOf } from "./flock.ts";
import type { LockAttempt } from "./lock_file.ts";
import {
  isAlive,
  isOnLocalDisk,
  type LockOwner,
  readPlace,
  readRecord,
  startInTicks,
} from "./lock_record.ts";
import { NodeFile, nodeFiles } from "./node_file.ts";
import { toFileSystemError } from "./system_call.ts";

const { spawn } = builtin<typeof import("node:child_process")>("node:child_process");
const { constants, openSync } = builtin<typeof import("node:fs")>("node:fs");
const { hostname } = builtin<typeof import("node:os")>("node:os");
const process = builtin<typeof import("node:process")>("node:process");

/** open(2) flags that take the lock with the file, which `node:fs` passes on but does not name. */
const EXCLUSIVE_OPEN: Readonly<Partial<Record<NodeJS.Platform, number>>> = {
  darwin: 0x20 | constants.O_NONBLOCK, // O_EXLOCK, an flock(2) lock: open(2) of macOS
  freebsd: 0x20 | constants.O_NONBLOCK,
  win32: 0x10000000, // UV_FS_O_EXLOCK, no sharing: the documentation of libuv's uv_fs_open
};

/** How long a run of the flock program may take, in milliseconds; it does not wait for a lock. */
const MAX_RUN_MS = 10_000;

/** The words of the C library for the errors of flock(2) that say something of the lock. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/no locks available/i, "ENOLCK"],
  [/not implemented/i, "ENOSYS"],
  [/not supported/i, "EOPNOTSUPP"],
  [/bad file descriptor/i, "EBADF"],
];

/** Opens the lock file and tries the kernel's lock. */
export async function tryLock(
  flock: Flock,
  path: string,
  permissions: number,
): Promise<LockAttempt> {
  const file = openLockFile(path, permissions);
  try {
    return { file, outcome: await flock(file.descriptor, path) };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** The same on Node: with the open itself where the platform has a flag for it. */
export async function tryLockOnNode(
  flock: Flock,
  path: string,
  permissions: number,
): Promise<LockAttempt> {
  const exclusive = EXCLUSIVE_OPEN[process.platform];
  if (exclusive === undefined) return await tryLock(flock, path, permissions);
  const flags = constants.O_RDWR | constants.O_CREAT | exclusive;
  const attempt = openExclusively(path, flags, permissions);
  if (attempt.outcome !== "unavailable") return attempt;
  return { file: openLockFile(path, permissions), outcome: "unavailable" };
}

/** Opens the lock file, or makes it. One of somebody else is not even locked. */
function openLockFile(path: string, permissions: number): NodeFile {
  const file = nodeFiles.openLockFile(path, permissions);
  try {
    readRecord(file, path);
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Takes the kernel's lock on a file. */
export function guardBy(flock: Flock, path: string): Guard | Promise<Guard> {
  // There a lock keeps readers off too.
  if (process.platform === "win32") return { release: (): void => {} };
  const file = nodeFiles.open(path, "read");
  const failed = (error: unknown): never => {
    file.close();
    throw error;
  };
  try {
    const outcome = flock(file.descriptor, path);
    if (typeof outcome === "string") return guardOn(file, path, outcome);
    return outcome.then((outcome) => guardOn(file, path, outcome)).catch(failed);
  } catch (error) {
    return failed(error);
  }
}

/** The same on Node: with the open itself where the platform has a flag for it. */
export function guardOnNode(flock: Flock, path: string): Guard | Promise<Guard> {
  const exclusive = EXCLUSIVE_OPEN[process.platform];
  if (exclusive === undefined || process.platform === "win32") return guardBy(flock, path);
  const { file, outcome } = openExclusively(path, constants.O_RDONLY | exclusive, 0);
  return guardOn(file, path, outcome);
}

/**
 * Takes flock(2) on a descriptor by the `flock` program of util-linux or busybox: the lock belongs
 * to the open file, which the program inherits, so it outlives the program.
 *
 * @throws {WalError} `ERR_WAL_IO`: the program is there, but says nothing of the lock.
 */
export async function flockByProgram(descriptor: number, path: string): Promise<LockOutcome> {
  // Node loses a descriptor where a program with a pipe cannot be started for lack of one. So what the
  // program says of an error is asked for in a second run.
  let run = await runFlock(descriptor, "ignore");
  if (run.status !== 0 && run.isStarted) run = await runFlock(descriptor, "pipe");
  const { status, signal, errors } = run;
  if (!run.isStarted) {
    const { code } = toFileSystemError(run.failure, "Run flock for", path);
    if (code === "ENOENT" || code === "ENOTDIR") return "unavailable";
    throw programFailed(path, `could not be started (${reasonOf(run.failure)})`, run.failure);
  }
  if (status === 0) return "taken";
  // busybox has the same status for a lock that is held and for an error, but writes a message for
  // an error.
  if (status === 1 && errors === "") return "held";
  const [, name] = WORDS.find(([words]) => words.test(errors)) ?? [];
  const said = signal === null ? `status ${status}` : `the signal ${signal}`;
  const error = new Error(`flock ended with ${said}: ${errors.trim()}`);
  if (name !== undefined) return outcomeOf(Object.assign(error, { code: name }), path);
  throw programFailed(path, `ended with ${said}${errors === "" ? "" : `: ${errors}`}`, error);
}

/** How a run of the program ended. */
interface Run {
  readonly status: number | null;
  readonly signal: string | null;
  /** What it said of errors, in English. */
  readonly errors: string;
  readonly isStarted: boolean;
  /** Why it was not started. */
  readonly failure: unknown;
}

function runFlock(descriptor: number, errorsTo: "ignore" | "pipe"): Promise<Run> {
  return new Promise((resolve) => {
    let errors = "";
    let limit: Timer | undefined;
    const end = (run: Run): void => {
      limit?.cancel();
      resolve(run);
    };
    const failed = (failure: unknown): void =>
      end({ status: null, signal: null, errors, isStarted: false, failure });
    try {
      const child = spawn("flock", ["-xn", "3"], {
        stdio: ["ignore", "ignore", errorsTo, descriptor],
        env: { ...process.env, LC_ALL: "C" },
      });
      // The limit of `spawn` itself stays where the program cannot be started: the process would end
      // only after it.
      limit = clock.after(MAX_RUN_MS, () => void child.kill("SIGKILL"));
      child.on("error", failed);
      child.stderr?.on("data", (data) => errors += String(data));
      child.on("close", (status, signal) => {
        end({ status, signal, errors, isStarted: true, failure: undefined });
      });
    } catch (error) {
      failed(error);
    }
  });
}

function programFailed(path: string, what: string, cause: unknown): WalError {
  return new WalError(
    "ERR_WAL_IO",
    `Cannot lock "${path}": the flock program ${what.trim()}. Nothing was changed. Mend the cause, ` +
      "or put the flock of util-linux or busybox first in PATH, and open again.",
    { cause: toFileSystemError(cause, "Run flock for", path) },
  );
}

/** This process, as an owner of locks. */
export function lockOwner(runtime: "bun" | "node"): LockOwner {
  return {
    pid: process.pid,
    host: hostname(),
    runtime,
    place: readPlace(),
    isAlive,
    startOf: startInTicks,
    isOnLocalDisk,
  };
}

/** Opens a file with a lock; without one, the file is only readable. */
function openExclusively(path: string, flags: number, permissions: number): LockAttempt {
  try {
    return { file: new NodeFile(path, openSync(path, flags, permissions)), outcome: "taken" };
  } catch (error) {
    const failure = toFileSystemError(error, "Open", path);
    // Windows says that the file is busy.
    const outcome = failure.code === "EBUSY" ? "held" : outcomeOf(failure, path);
    return { file: unreadable(path), outcome };
  }
}

/** Stands for the lock file of a holder that shares it with no process. */
function unreadable(path: string): FileHandle {
  try {
    return nodeFiles.open(path, "read");
  } catch (error) {
    if (!isFileSystemError(error)) throw error;
    const refuse = (): never => {
      throw error;
    };
    return {
      read: refuse,
      write: refuse,
      size: refuse,
      identity: refuse,
      truncate: refuse,
      syncData: refuse,
      syncDataBlocking: refuse,
      sync: refuse,
      syncBlocking: refuse,
      close: (): void => {},
    };
  }
}
