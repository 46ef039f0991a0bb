/**
 * What the public calls ask of their arguments. A message names a wrong one by its kind, never by
 * its contents: they may be an entry's.
 *
 * @module
 */
import { isBytes } from "./bytes.ts";
import type { EntryRange } from "./entry.ts";
import { WalError } from "./errors.ts";
import { nameOf } from "./fs/path.ts";

/** The names of a range's fields. */
export const RANGE: readonly (keyof EntryRange)[] = ["from", "to"];

/** How many characters of a string are shown where it is no entry's. */
const MAX_SHOWN = 40;

/** The kind of a value in words: its type, its class, its length. */
export function kindOf(value: unknown): string {
  switch (typeof value) {
    case "string":
      return `a string of ${counted(value.length, "character")}`;
    case "object":
      return value === null ? "null" : kindOfObject(value);
    case "number":
    case "boolean":
    case "undefined":
      return String(value);
    default:
      return `a ${typeof value}`;
  }
}

function kindOfObject(object: object): string {
  try {
    if (Array.isArray(object)) return `an array of ${counted(object.length, "element")}`;
    const name: unknown = Object.getPrototypeOf(object)?.constructor?.name;
    const isShown = typeof name === "string" && /^[A-Za-z_$][\w$]{0,39}$/.test(name);
    const shown = isShown ? `an object of the class ${name}` : "an object";
    if (!ArrayBuffer.isView(object)) return shown;
    const size = `${shown}, ${counted(object.byteLength, "byte")} long`;
    return object.byteLength === 0 && !isBytes(object) ? `${size}, or without its memory` : size;
  } catch {
    return "an object"; // A proxy, or a class that throws.
  }
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/** The error for an argument that makes no sense. */
export function invalid(name: string, wanted: string, given: unknown): WalError {
  return new WalError(
    "ERR_WAL_INVALID_ARGUMENT",
    `The ${name} must be ${wanted}, not ${kindOf(given)}.`,
  );
}

/** The same for one that is a word of a few. The message shows a wrong word. */
export function invalidChoice(name: string, wanted: string, given: unknown): WalError {
  if (typeof given !== "string" || given.length > MAX_SHOWN) return invalid(name, wanted, given);
  return new WalError(
    "ERR_WAL_INVALID_ARGUMENT",
    `The ${name} must be ${wanted}, not ${JSON.stringify(given)}.`,
  );
}

/**
 * Refuses options that are no object, or that have a name which is none of an option.
 *
 * @param what What they are, in words.
 */
export function requireOptions(what: string, options: unknown, known: readonly string[]): void {
  requireObject(what, options);
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  // What stands in the place of options, such as a signal, has no name of its own.
  if (unknown === undefined && (isPlain(options) || known.some((name) => name in options))) return;
  throw unknown === undefined
    ? invalid(what, `an object with any of ${known.join(", ")}`, options)
    : new WalError(
      "ERR_WAL_INVALID_ARGUMENT",
      `Unknown option ${JSON.stringify(unknown.slice(0, MAX_SHOWN))} of the ${what}: there are ` +
        `${known.join(", ")}.`,
    );
}

/** Refuses a word that is none of some; `undefined` is for the default. */
export function requireChoice(name: string, value: unknown, choices: readonly string[]): void {
  if (value === undefined || choices.includes(value as string)) return;
  throw invalidChoice(name, `one of ${choices.join(", ")}`, value);
}

/** Refuses what is no number from 0, or Infinity; `undefined` is for the default. */
export function requireCount(name: string, value: unknown): void {
  if (value === undefined) return;
  const isCount = typeof value === "number" && value >= 0 &&
    (Number.isInteger(value) || value === Infinity);
  if (!isCount) throw invalid(name, "a whole number from 0, or Infinity", value);
}

/** Refuses what has no fields to be read. */
export function requireObject(what: string, value: unknown): asserts value is object {
  const isObject = typeof value === "object" && value !== null;
  if (!isObject || isRevoked(value) || Array.isArray(value)) {
    throw invalid(what, "an object", value);
  }
}

/** Whether a value is an array whose elements can be read. */
export function isArray(value: unknown): value is unknown[] {
  return typeof value === "object" && value !== null && !isRevoked(value) && Array.isArray(value);
}

/** Whether an object is a Proxy whose target was revoked. */
function isRevoked(object: object): boolean {
  try {
    Array.isArray(object);
    return false;
  } catch {
    return true;
  }
}

/** Whether an object is of no class, in any realm. */
function isPlain(object: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(object);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** The error for an index that names no entry; `has` says what the log has instead. */
export function noEntry(index: unknown, path: string, has: string): WalError {
  const wrong = typeof index !== "number"
    ? `An index must be a number, not ${kindOf(index)}`
    : Number.isInteger(index)
    ? `There is no entry ${index}`
    : `An index must be a whole number, not ${index}`;
  return new WalError("ERR_WAL_INDEX_OUT_OF_RANGE", `${wrong}: the log "${path}" ${has}.`);
}

/** Refuses what is no path of a file that a log can have. */
export function requirePath(path: unknown): asserts path is string {
  if (typeof path !== "string") {
    const isUrl = typeof path === "object" && path !== null && !isRevoked(path) && "href" in path;
    throw invalid("path", isUrl ? `a string, as ${URL_HINT}` : "a string", path);
  }
  if (path === "") throw invalid("path", "one of at least one character", path);
  if (/^file:/i.test(path)) {
    throw new WalError(
      "ERR_WAL_INVALID_ARGUMENT",
      `The path "${path}" is a URL: give ${URL_HINT}. For a file of that name, write "./${path}".`,
    );
  }
  if (path.includes("\0") || !path.isWellFormed()) {
    throw new WalError(
      "ERR_WAL_INVALID_ARGUMENT",
      `The path ${
        JSON.stringify(path)
      } has a character that no name of a file has: a NUL, or half ` +
        "of one of two code units.",
    );
  }
  if (/^(\.\.?)?$/.test(nameOf(`${path}x`).slice(0, -1))) {
    throw new WalError(
      "ERR_WAL_NOT_A_FILE",
      `The path "${path}" is one of a directory. Give the path of a file, or of one to be made.`,
    );
  }
}

const URL_HINT = "fileURLToPath(url) from node:url returns it";

/** Whether a value works as an `AbortSignal`, of any realm. */
export function isSignal(value: unknown): value is AbortSignal {
  const signal = value as Partial<AbortSignal> | null | undefined;
  return typeof signal === "object" && signal !== null && !isRevoked(signal) &&
    typeof signal.aborted === "boolean" &&
    typeof signal.addEventListener === "function" &&
    typeof signal.removeEventListener === "function";
}
