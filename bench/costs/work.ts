/**
 * The work of the measurements of cost: its entries, its folder, its time, and that it was done.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { FRAME_HEADER } from "../log_files.ts";

/** Bytes of an entry. */
export const ENTRY_SIZE = 128;

/** Bytes of an entry in its frame. */
export const FRAME_SIZE: number = FRAME_HEADER + ENTRY_SIZE;

/** An entry to append. */
export function someEntry(): Uint8Array {
  return Uint8Array.from({ length: ENTRY_SIZE }, (_, i) => i);
}

/** Runs `body` with a new folder in `parent`, which is removed when it is done. */
export async function inFolder<T>(
  parent: string,
  body: (folder: string) => T | Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(parent, "run-"));
  try {
    return await body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs `work` and returns how many milliseconds it took. */
export function timed(work: () => void): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

/** Fails a run that did not do its work, which would otherwise be the cheapest of all. */
export function requireWork(what: string, done: number, wanted: number): void {
  if (done !== wanted) throw new Error(`${what}: ${done} instead of ${wanted}`);
}
