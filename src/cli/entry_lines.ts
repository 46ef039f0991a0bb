/**
 * Entries as lines: their bytes, or JSON, and JSON back into entries.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Entry } from "../entry.ts";

/** An entry's bytes in JSON: text where they are some, and otherwise base64. */
export type Content = { readonly text: string } | { readonly base64: string };

/** An entry as a line, without its end. */
export function entryLine(entry: Entry, json: boolean): Uint8Array | string {
  return json ? JSON.stringify({ index: entry.index, ...contentOf(entry.data) }) : entry.data;
}

/** Bytes as JSON has them. */
export function contentOf(data: Uint8Array): Content {
  try {
    return { text: utf8.decode(data) };
  } catch {
    return { base64: Buffer.from(data.buffer, data.byteOffset, data.length).toString("base64") };
  }
}

/** The bytes that an object of JSON has; undefined if it has none, or not exactly these. */
export function bytesOf(object: { text?: unknown; base64?: unknown }): Uint8Array | undefined {
  const { text, base64 } = object;
  if ((text === undefined) === (base64 === undefined)) return undefined;
  // What is no text would come back as other bytes.
  if (typeof text === "string") return text.isWellFormed() ? Buffer.from(text) : undefined;
  if (typeof base64 !== "string") return undefined;
  const bytes = Buffer.from(base64, "base64");
  const isSame = bytes.toString("base64").replace(/=+$/, "") === base64.replace(/=+$/, "");
  return isSame ? bytes : undefined;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
