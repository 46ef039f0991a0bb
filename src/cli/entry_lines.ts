/**
 * Entries as lines: their bytes, or JSON, and JSON back into entries.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Entry } from "../entry.ts";
import type { LayerView } from "./layer_view.ts";
import { base64Of } from "./shown.ts";

/** An entry's bytes in JSON: text where they are some, and otherwise base64. */
export type Content = { readonly text: string } | { readonly base64: string };

/**
 * An entry as a line, without its end: its bytes, or what they are to the log's layer. As JSON it has
 * its bytes in any case, so that it can be imported.
 */
export function entryLine(
  { index, data }: Entry,
  json: boolean,
  layer?: LayerView,
): Uint8Array | string {
  const shown = layer?.show(data);
  if (json) return JSON.stringify({ index, ...shown?.fields, ...contentOf(data) });
  return shown === undefined ? data : `${index} ${shown.words}`;
}

/** Bytes as JSON has them. */
export function contentOf(data: Uint8Array): Content {
  try {
    return { text: utf8.decode(data) };
  } catch {
    return { base64: base64Of(data) };
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
