/**
 * Files that take all the room that a file system has.
 *
 * @module
 */
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

/** What takes the room. */
export interface Filler {
  /** Gives it back. */
  remove(): void;
}

/** Takes all bytes. */
export function fillSpace(folder: string): Filler {
  const path = join(folder, "filler");
  const descriptor = openSync(path, "w");
  for (let size = 64 * 1024; size >= 1; size = Math.floor(size / 16)) {
    untilNoSpace(() => void writeSync(descriptor, new Uint8Array(size)));
  }
  closeSync(descriptor);
  return { remove: () => rmSync(path) };
}

/** Takes all names. */
export function fillInodes(folder: string): Filler {
  const paths: string[] = [];
  untilNoSpace(() => {
    const path = join(folder, `filler-${paths.length}`);
    closeSync(openSync(path, "w"));
    paths.push(path);
  });
  return { remove: () => paths.forEach((path) => rmSync(path)) };
}

function untilNoSpace(take: () => void): void {
  for (;;) {
    try {
      take();
    } catch (error) {
      if ((error as { code?: string }).code === "ENOSPC") return;
      throw error;
    }
  }
}
