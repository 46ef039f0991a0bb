/**
 * One execution's input, and its form as text: files in hexadecimal, runs of zeros by their length.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { FileSet } from "./layout.ts";

/** How a log is opened. */
export interface Settings {
  readonly maxEntrySize: number;
  readonly segmentSize: number;
  readonly format: 1 | 2;
  readonly recovery: "default" | "salvage";
}

/** One execution's input. */
export interface FuzzCase {
  /** The entry point. */
  readonly target: string;
  readonly settings: Settings;
  readonly files: FileSet;
}

/** Zeros in a row from which on only their number is written. */
const LONG_RUN = 32;

/** A case as text. */
export function formatCase({ target, settings, files }: FuzzCase, finding: string): string {
  const shown = Object.fromEntries([...files].map(([name, bytes]) => [name, chunksOf(bytes)]));
  return `${JSON.stringify({ finding, target, settings, files: shown }, undefined, 2)}\n`;
}

/** The case that a text describes. */
export function parseCase(text: string): FuzzCase {
  const { target, settings, files } = JSON.parse(text) as {
    target: string;
    settings: Settings;
    files: Record<string, (string | number)[]>;
  };
  const set: FileSet = new Map();
  for (const [name, chunks] of Object.entries(files)) {
    const pieces = chunks.map((chunk) =>
      typeof chunk === "number" ? new Uint8Array(chunk) : Buffer.from(chunk, "hex")
    );
    set.set(name, new Uint8Array(Buffer.concat(pieces)));
  }
  return { target, settings, files: set };
}

/** Bytes as hexadecimal strings and numbers of zeros. */
function chunksOf(bytes: Uint8Array): (string | number)[] {
  const chunks: (string | number)[] = [];
  let from = 0;
  for (let at = 0; at <= bytes.length;) {
    let end = at;
    while (end < bytes.length && bytes[end] === 0) end++;
    if (end - at >= LONG_RUN || (at === bytes.length && from < at)) {
      if (from < at) chunks.push(Buffer.from(bytes.subarray(from, at)).toString("hex"));
      if (at < end) chunks.push(end - at);
      from = end;
    }
    at = Math.max(end, at + 1);
  }
  return chunks;
}
