/**
 * Logs and files for tests.
 *
 * @module
 */
import type { FileSystem } from "../src/fs/file_system.ts";
import { Wal } from "../mod.ts";

/** The log of `format.md` in version 1: "hello", an empty entry, "transaction_data". */
export const KNOWN_V1: Uint8Array = fromHex(
  "57414c2100000001" +
    "0100000005acb7c36068656c6c6f" +
    "0100000000fb42dead" +
    "01000000106a8459ff7472616e73616374696f6e5f64617461",
);

/** The entries of it. */
export const KNOWN_ENTRIES: readonly Uint8Array[] = ["hello", "", "transaction_data"].map(bytes);

/** Text as bytes. */
export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Bytes as text. */
export function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Lets the event loop turn, so that what no caller waits for comes to its end: a roll and its Seal. */
export async function turns(count: number = 3): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** All bytes of a file. */
export function readFile(fileSystem: FileSystem, path: string): Uint8Array {
  const file = fileSystem.open(path, "read");
  const all = new Uint8Array(file.size());
  file.read(all, 0);
  file.close();
  return all;
}

/** Makes a file, or overwrites it, with these bytes. */
export function writeFile(fileSystem: FileSystem, path: string, content: Uint8Array): void {
  const directory = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : ".";
  const exists = fileSystem.list(directory).includes(path.slice(path.lastIndexOf("/") + 1));
  const file = fileSystem.open(path, exists ? "write" : "create", 0o600);
  file.truncate(0);
  file.write(content, 0);
  file.close();
}

/** Makes the names in a directory durable before it returns. */
export function syncDirectory(fileSystem: FileSystem, path: string): void {
  const directory = fileSystem.openDirectory(path);
  try {
    directory.syncBlocking();
  } finally {
    directory.close();
  }
}

/** Runs `body` with an open log and closes it. */
export async function withLog<T>(
  path: string,
  options: Parameters<typeof Wal.open>[1],
  body: (log: Wal) => T | Promise<T>,
): Promise<T> {
  const log = await Wal.open(path, options);
  try {
    return await body(log);
  } finally {
    await log.close();
  }
}

/**
 * Random numbers that a seed repeats (mulberry32, by Tommy Ettinger, public domain).
 *
 * Not the sequence of `src/testing/random.ts`: the seeds of the scoreboard, the fuzzer and others
 * stand for what this one draws.
 */
export function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
