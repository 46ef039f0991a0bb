/**
 * The record in a lock file: which process says that it has the log open, and whether it still can.
 *
 * A process id alone says little: it is used again, and each container counts its own. So a record
 * also names the boot, the namespaces and the start of its process. What these do not decide counts
 * as alive.
 *
 * @module
 */
import { builtin } from "../builtins.ts";
import { type LockHolder, WalError } from "../../errors.ts";
import { type FileHandle, isFileSystemError, memberOf } from "../file_system.ts";

const { readFileSync, readlinkSync, statfsSync } = builtin<typeof import("node:fs")>("node:fs");
const process = builtin<typeof import("node:process")>("node:process");

/** No record is longer, in bytes. */
const MAX_RECORD_SIZE = 1024;

/** How a record begins, so that one that a power cut has torn is known. */
const BEGINNING = '{"pid":';

/** File systems that one machine mounts at a time, by their numbers in statfs(2). */
const LOCAL: ReadonlySet<number> = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // XFS
  0x9123683e, // Btrfs
  0xf2f52010, // F2FS
  0x01021994, // tmpfs
]);

/** Where a process runs: process ids and start times are compared only within one such place. */
export interface ProcessPlace {
  /** The id that the kernel gives itself when the machine starts. */
  readonly boot: string;
  /** The namespaces of process ids and of times, as the kernel names them. */
  readonly namespaces: string;
}

/** What a lock file says of its holder; what it does not say is undefined. */
export interface LockRecord extends LockHolder {
  /** What the holder has: the kernel's lock, or only this record. */
  readonly kind: "kernel" | "record" | undefined;
  /** When the process started; tells it from a later one of the same id. */
  readonly started: string | undefined;
  readonly boot: ProcessPlace["boot"] | undefined;
  readonly namespaces: ProcessPlace["namespaces"] | undefined;
  /** In a claim to write a record: what no other claim has. */
  readonly nonce: string | undefined;
}

/** A lock file that names no holder. */
export const NO_HOLDER: LockRecord = {
  pid: undefined,
  host: undefined,
  runtime: undefined,
  kind: undefined,
  started: undefined,
  boot: undefined,
  namespaces: undefined,
  nonce: undefined,
};

/** The process that takes a lock, and what it can find out about others. */
export interface LockOwner {
  readonly pid: number;
  readonly host: string | undefined;
  readonly runtime: string;
  /** Undefined where that cannot be told. */
  readonly place: ProcessPlace | undefined;
  /** Whether a process of this place runs; `undefined` where that cannot be told. */
  isAlive(pid: number): boolean | undefined;
  /** When a process started, in any unit; `undefined` if it does not run or it cannot be told. */
  startOf(pid: number): string | undefined;
  /** Whether a file is on a file system that one machine mounts at a time, so that a boot ends all. */
  isOnLocalDisk(path: string): boolean;
}

/**
 * Whether the process of a record runs: this process itself, another that runs, one that has ended,
 * or one that cannot be judged from here.
 */
export type Verdict = "self" | "alive" | "dead" | "unknown";

/** The record that a process writes of itself. */
export function recordOf(owner: LockOwner, kind: "kernel" | "record"): LockRecord {
  const { pid, host, runtime, place } = owner;
  return {
    pid,
    host,
    runtime,
    kind,
    started: owner.startOf(pid),
    boot: place?.boot,
    namespaces: place?.namespaces,
    nonce: undefined,
  };
}

/** A record's bytes, with spaces up to a size, so that nothing is left of what it is written over. */
export function encodeRecord(record: LockRecord, size: number): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(record).padEnd(size - 1)}\n`);
}

/**
 * Reads the record in an open lock file.
 *
 * @throws {WalError} `ERR_WAL_FORMAT`: the file holds something else, which is not ours to touch.
 */
export function readRecord(file: FileHandle, path: string): LockRecord {
  let bytes = new Uint8Array(MAX_RECORD_SIZE + 1);
  try {
    bytes = bytes.subarray(0, file.read(bytes, 0));
  } catch (error) {
    // On Windows the holder's lock covers the bytes.
    if (isFileSystemError(error)) return NO_HOLDER;
    throw error;
  }
  const record = bytes.length > MAX_RECORD_SIZE ? undefined : decodeRecord(bytes);
  if (record !== undefined) return record;
  throw new WalError(
    "ERR_WAL_FORMAT",
    `The writer's lock file "${path}" is not one of this library: it has other content. Nothing ` +
      "was changed. Move that file away, or give the log another name.",
  );
}

/** What a lock file says; undefined if it is none. */
function decodeRecord(bytes: Uint8Array): LockRecord | undefined {
  // A power cut may leave a file's size without its bytes.
  if (bytes.every((byte) => byte === 0)) return NO_HOLDER;
  const text = new TextDecoder().decode(bytes);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const isTorn = text.startsWith(BEGINNING) || BEGINNING.startsWith(text);
    return isTorn && !text.includes("}") ? NO_HOLDER : undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const fields: Partial<Record<keyof LockRecord, unknown>> = value;
  const { pid, kind } = fields;
  const known = kind === "kernel" || kind === "record" ? kind : undefined;
  const runtime = textOf(fields.runtime);
  const isOurs = known !== undefined || (kind === undefined && runtime !== undefined);
  if (typeof pid !== "number" || !Number.isSafeInteger(pid) || !isOurs) return undefined;
  return {
    pid,
    host: textOf(fields.host),
    runtime,
    kind: known,
    started: textOf(fields.started),
    boot: textOf(fields.boot),
    namespaces: textOf(fields.namespaces),
    nonce: textOf(fields.nonce),
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** Judges the process of a record in the lock file at `path`; a doubt is told as such. */
export function judge(record: LockRecord, owner: LockOwner, path: string): Verdict {
  const { pid, boot, namespaces } = record;
  if (pid === undefined) return "unknown";
  const { place } = owner;
  if (place === undefined || boot === undefined) {
    // Neither has a kernel that names its boot: the host is what can be compared.
    const isSameHost = place === undefined && boot === undefined && owner.host !== undefined &&
      record.host === owner.host;
    return isSameHost ? judgeHere(record, pid, owner) : "unknown";
  }
  if (boot !== place.boot) return owner.isOnLocalDisk(path) ? "dead" : "unknown";
  return namespaces === place.namespaces ? judgeHere(record, pid, owner) : "unknown";
}

/** Judges a process whose id and start mean the same here as where its record was written. */
function judgeHere(record: LockRecord, pid: number, owner: LockOwner): Verdict {
  const isAlive = owner.isAlive(pid);
  if (isAlive === false) return "dead";
  const started = owner.startOf(pid);
  if (started !== undefined && record.started !== undefined && started !== record.started) {
    return "dead";
  }
  if (pid === owner.pid) return "self";
  if (isAlive === true || started !== undefined) return "alive";
  // Where our own start can be told and the holder's cannot, there is no such process.
  return owner.startOf(owner.pid) === undefined ? "unknown" : "dead";
}

/** Where this process runs; undefined where the system does not tell (Linux does, in /proc). */
export function readPlace(): ProcessPlace | undefined {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const pids = readlinkSync("/proc/self/ns/pid");
    return { boot, namespaces: `${pids} ${readTimes()}` };
  } catch {
    return undefined; // No /proc, or no permission to read it.
  }
}

function readTimes(): string {
  try {
    return readlinkSync("/proc/self/ns/time");
  } catch {
    return "time:none"; // Before Linux 5.6 all processes have one time.
  }
}

/** When a process of this place started, in ticks since boot; Linux only (proc_pid_stat(5)). */
export function startInTicks(pid: number): string | undefined {
  try {
    // A container may show the /proc of another, which numbers processes otherwise.
    if (readlinkSync("/proc/self") !== String(process.pid)) return undefined;
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Field 2 is the program's name in brackets and may hold spaces; field 22 is the start time.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined; // No such process, no /proc, or no permission to read it.
  }
}

/** Whether a process of this host runs: signal 0 asks without harm (kill(2)). */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return memberOf(error, "code") !== "ESRCH";
  }
}

/** Whether a file is on a file system that only one machine can have mounted. */
export function isOnLocalDisk(path: string): boolean {
  try {
    return LOCAL.has(statfsSync(path).type);
  } catch {
    return false; // It is gone, or the platform does not tell.
  }
}
