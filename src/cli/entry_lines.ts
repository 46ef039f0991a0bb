/**
 * Entries as lines: their bytes, or JSON.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Entry } from "../entry.ts";

/** An entry as a line, without its end. */
export function entryLine(entry: Entry, json: boolean): Uint8Array | string {
  return json ? toJson(entry) : entry.data;
}

/** An entry as JSON: text where the bytes are some, and otherwise base64. */
function toJson({ index, data }: Entry): string {
  try {
    return JSON.stringify({ index, text: utf8.decode(data) });
  } catch {
    return JSON.stringify({ index, base64: Buffer.from(data).toString("base64") });
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
