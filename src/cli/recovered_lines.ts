/**
 * What `wal recover` finds, as lines of JSON and in words, and lines of JSON as `wal import` takes
 * them in.
 *
 * @module
 */
import { constants } from "node:buffer";
import { bytesOf, contentOf } from "./entry_lines.ts";
import { type IndexRange, isExact } from "./index_range.ts";
import type { Missing, RecoveredEntry, RecoveredState } from "./recovered.ts";
import { LAYER_FIELDS } from "./shown.ts";

/** Larger entries are too long for a string. */
export const MAX_LINE_ENTRY: number = 256 * 1024 * 1024;

/** A recovered entry as a line. */
export function recoveredLine(entry: RecoveredEntry): string {
  const { path, offset, index, isFoundBySearch, batch, isDropped, isSetAside } = entry;
  const isPlain = isExact(index) && !isFoundBySearch && batch === "whole" && !isDropped &&
    !isSetAside;
  const content = contentOf(entry.read());
  if (isPlain) return JSON.stringify({ index: index.from, ...content });
  return JSON.stringify({
    ...isExact(index) ? { index: index.from } : { index: null, ...rangeFields(index) },
    ...content,
    // What is not there is left out of the line.
    found: isFoundBySearch ? "by search" : undefined,
    batch: batch === "whole" ? undefined : batch,
    dropped: isDropped === false ? undefined : isDropped,
    [isSetAside ? "setAside" : "file"]: path,
    offset,
  });
}

/** What is missing as a line. */
export function missingLine({ path, offset, bytes, indexes, entries, what }: Missing): string {
  const range = indexes === undefined ? {} : rangeFields(indexes);
  return JSON.stringify({ missing: { file: path, offset, bytes, ...range, entries, what } });
}

/** The state as a line. */
export function stateLine({ state }: RecoveredState): string {
  return JSON.stringify({ state: contentOf(state) });
}

/** What is missing, in words. */
export function missingInWords({ path, offset, bytes, indexes, entries, what }: Missing): string {
  const place = [
    offset === undefined ? "" : `offset ${offset}`,
    bytes === undefined ? "" : bytes === 1 ? "1 byte" : `${bytes} bytes`,
    entries === 0 ? "no entry" : indexes === undefined ? "" : indexesInWords(indexes),
  ].filter((part) => part !== "").join(", ");
  return `missing: ${path}: ${place === "" ? "" : `${place}: `}${what}`;
}

function indexesInWords({ from, to }: IndexRange): string {
  if (from === to) return `index ${from}`;
  return to === Infinity ? `index ${from} and on` : `index ${from} to ${to}`;
}

/** A range without an end that is not known. */
function rangeFields({ from, to }: IndexRange): { fromIndex: number; toIndex?: number } {
  return to === Infinity ? { fromIndex: from } : { fromIndex: from, toIndex: to };
}

/** A line that was taken apart. */
export type ParsedLine =
  | {
    readonly kind: "entry";
    /** Undefined if the line does not tell. */
    readonly index: number | undefined;
    readonly data: Uint8Array;
    /** Whether the line says that it is not, or not surely, the log's own. */
    readonly isDropped: boolean;
    readonly isOfBrokenBatch: boolean;
    readonly isFoundBySearch: boolean;
  }
  | { readonly kind: "missing"; readonly text: string }
  | { readonly kind: "state"; readonly state: Uint8Array }
  | { readonly kind: "bad"; readonly why: string };

/** Takes a line apart, which is not to be trusted. */
export function parseLine(line: Uint8Array): ParsedLine {
  const object = objectOf(line);
  if (typeof object === "string") return { kind: "bad", why: object };
  if (object.missing !== undefined) return parseMissing(object.missing);
  if (object.state !== undefined) return parseState(object.state);
  const unknown = Object.keys(object).find((name) => !KNOWN.has(name));
  if (unknown !== undefined) {
    return { kind: "bad", why: `it has "${unknown.slice(0, 40)}", which means nothing here` };
  }
  const { index } = object;
  const isIndex = typeof index === "number" && Number.isSafeInteger(index) && index > 0;
  if (index !== undefined && index !== null && !isIndex) {
    return { kind: "bad", why: 'its "index" is no whole number from 1' };
  }
  const data = bytesOf(object);
  if (data === undefined) {
    return { kind: "bad", why: 'it has neither valid "text" nor valid "base64", or both' };
  }
  return {
    kind: "entry",
    index: isIndex ? index : undefined,
    data,
    isDropped: object.dropped === true,
    isOfBrokenBatch: object.batch === "incomplete",
    isFoundBySearch: object.found !== undefined,
  };
}

/** The fields of an entry's line. */
const KNOWN: ReadonlySet<string> = new Set([
  ...LAYER_FIELDS,
  ..."index text base64 fromIndex toIndex found batch dropped setAside file offset".split(" "),
]);

function objectOf(line: Uint8Array): Record<string, unknown> | string {
  try {
    const value: unknown = JSON.parse(utf8.decode(line));
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? value as Record<string, unknown> : "it is no JSON object";
  } catch {
    return "it is no JSON";
  }
}

function parseMissing(missing: unknown): ParsedLine {
  if (typeof missing !== "object" || missing === null) {
    return { kind: "bad", why: 'its "missing" is no object' };
  }
  const { fromIndex, toIndex, entries } = missing as Record<string, unknown>;
  if (entries === 0 || typeof fromIndex !== "number") {
    return { kind: "missing", text: "bytes are missing there, and no known entry" };
  }
  const to = typeof toIndex === "number" ? toIndex : Infinity;
  return { kind: "missing", text: `${indexesInWords({ from: fromIndex, to })} is missing there` };
}

function parseState(state: unknown): ParsedLine {
  const bytes = typeof state === "object" && state !== null ? bytesOf(state) : undefined;
  return bytes === undefined
    ? { kind: "bad", why: 'its "state" has neither valid "text" nor valid "base64"' }
    : { kind: "state", state: bytes };
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** How long a line can be that holds an entry of a size, in bytes. */
export function longestLine(maxEntrySize: number): number {
  // A control character takes six bytes in JSON; the rest are the other fields.
  return Math.min(6 * maxEntrySize + 64 * 1024, constants.MAX_STRING_LENGTH);
}
