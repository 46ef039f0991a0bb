/**
 * What a power cut does to the end of a file: bytes that no sync has covered are there or not, and
 * the last write may be there in part.
 *
 * @module
 */
import { randomInt } from "node:crypto";
import { appendFileSync, statSync, truncateSync } from "node:fs";
import { Wal } from "@durable/wal";
import { MemoryFileSystem } from "@durable/wal/memory";

/** How a file's end was torn. */
export interface Tear {
  /** The size before, in bytes. */
  readonly before: number;
  /** The size after, in bytes: below it if bytes were lost, above it if a write began. */
  readonly after: number;
}

/**
 * Tears a log's end at a random byte. If there are bytes after the acknowledged ones, the file is
 * cut among them; if not, it grows by the first part of the next line's frame. What is acknowledged
 * is never touched.
 */
export async function cutPower(
  path: string,
  acknowledgedBytes: number,
  nextLine: Uint8Array,
): Promise<Tear> {
  const before = statSync(path).size;
  if (before > acknowledgedBytes) {
    truncateSync(path, randomInt(acknowledgedBytes, before));
  } else {
    const frame = await frameOf(nextLine);
    appendFileSync(path, frame.subarray(0, randomInt(1, frame.length)));
  }
  return { before, after: statSync(path).size };
}

/** The bytes that a log writes to append `data`. */
async function frameOf(data: Uint8Array): Promise<Uint8Array> {
  const fileSystem = new MemoryFileSystem();
  const maxEntrySize = Math.max(1, data.length);
  await using log = await Wal.open("scratch.wal", { fileSystem, maxEntrySize });
  const start = log.byteLength;
  log.append(data);
  const frame = new Uint8Array(log.byteLength - start);
  const file = fileSystem.open("scratch.wal", "read");
  file.read(frame, start);
  file.close();
  return frame;
}
