/**
 * Whether a writer has a log open, as far as its lock's record tells a process that takes no lock.
 *
 * @module
 */
import { lockPath } from "../files/names.ts";
import { hostname } from "node:os";
import process from "node:process";
import { type FileSystem, isFileSystemError, memberOf } from "../fs/file_system.ts";
import { readStart } from "./log_files.ts";

/** A record is shorter. */
const RECORD_SIZE = 4096;

/** The writer that has the log open, or may have, in words; undefined if there is none. */
export function writerOf(fileSystem: FileSystem, path: string): string | undefined {
  const record = recordOf(fileSystem, lockPath(path));
  if (record === undefined) return undefined;
  const { pid, host, runtime } = record;
  if (typeof pid !== "number") return "a process that the lock file does not name may have";
  const where = typeof host === "string" ? ` on "${host}"` : "";
  const what = typeof runtime === "string" ? ` (${runtime})` : "";
  const writer = `the process ${pid}${where}${what}`;
  // Deno would ask for permissions, on a terminal with a prompt.
  if (process.versions.deno !== undefined || host !== hostname()) {
    return `${writer} has not closed the log: if it still runs, it has`;
  }
  return isAlive(pid) ? `${writer} has` : undefined;
}

function recordOf(
  fileSystem: FileSystem,
  path: string,
): Partial<Record<"pid" | "host" | "runtime", unknown>> | undefined {
  try {
    const bytes = readStart(fileSystem, path, RECORD_SIZE);
    if (bytes === undefined || bytes.length === 0) return undefined;
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof value === "object" && value !== null ? value : undefined;
  } catch (error) {
    // Another's file, or one that this process may not read: nothing is known.
    if (error instanceof SyntaxError || isFileSystemError(error)) return undefined;
    throw error;
  }
}

/** Whether a process of this machine runs: signal 0 asks without harm (kill(2)). */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return memberOf(error, "code") !== "ESRCH";
  }
}
