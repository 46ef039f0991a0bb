/**
 * What an open does where the kernel's lock is out of reach, and the lock is only a record of the
 * process: it refuses if it was told to, and else says so, once a process.
 *
 * @module
 */
import { WalError } from "../errors.ts";
import type { WriterLock } from "../fs/file_system.ts";

/** What the process is marked with once it was warned, also by another copy of this library. */
const WARNED: unique symbol = Symbol.for("@durable/wal/weak-lock");

/** The parts of the runtimes that are used. */
interface Runtime {
  [WARNED]?: boolean;
  readonly Deno?: unknown;
  readonly process?: { emitWarning(message: string, options: { code: string }): void };
}

/**
 * Accepts a lock, or not.
 *
 * @param wanted Whether anything weaker than the kernel's lock is refused.
 * @throws {WalError} `ERR_WAL_WEAK_LOCK`.
 */
export function acceptLock({ kind }: WriterLock, wanted: "any" | "kernel", path: string): void {
  if (kind === "kernel") return;
  const what =
    `The lock of the log "${path}" is only a record in "${path}.lock": the kernel's lock ` +
    "is out of reach here (Node needs the flock program of util-linux or busybox, and the file " +
    "system has to have locks).";
  if (wanted === "kernel") {
    throw new WalError(
      "ERR_WAL_WEAK_LOCK",
      `${what} Nothing was changed. Bring the kernel's lock within reach, or open without ` +
        '{ lock: "kernel" }.',
    );
  }
  const runtime: Runtime = globalThis;
  if (runtime[WARNED]) return;
  runtime[WARNED] = true;
  const message = `${what} It keeps off only writers that can judge the record, and outlives a ` +
    'crash. With { lock: "kernel" } such an open is refused.';
  // Deno's own emitWarning is without a code.
  if (runtime.Deno === undefined && runtime.process !== undefined) {
    runtime.process.emitWarning(message, { code: "WAL_WEAK_LOCK" });
  } else {
    console.warn(`Warning (WAL_WEAK_LOCK): ${message}`);
  }
}
