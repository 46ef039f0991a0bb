/**
 * JSON in pieces: of a value that stays as it is, as the loop asks for them; of any other, at once.
 *
 * A piece is bounded by its size, and by how many members it took: some members have no JSON. All lie
 * in the same memory, so that a large state leaves little to the garbage collector.
 *
 * @module
 */
import { kindOf } from "../arguments.ts";
import { KeptMemory } from "../layer/kept_memory.ts";

/** About how many code units are in a piece. */
const PIECE = 32 * 1024;

/** The most members of a piece. */
const MEMBERS = 4096;

/** The most members of a flat object or array that the runtime encodes by one call. */
const FLAT = 32;

/** The most code units of a string that the runtime encodes by one call. */
const LONG = 4 * 1024;

/** A string, array or object whose JSON is being written. */
type Open =
  | { readonly kind: "string"; readonly value: string; readonly length: number; at: number }
  | (Members & { readonly kind: "array"; readonly value: readonly unknown[] })
  | (Members & {
    readonly kind: "object";
    readonly value: Readonly<Record<string, unknown>>;
    readonly keys: readonly string[];
  });

interface Members {
  readonly length: number;
  at: number;
  /** Whether a member was written: a comma comes before the next. */
  hasMember: boolean;
}

const ENDS = { string: '"', array: "]", object: "}" } as const;

/**
 * The JSON of a value, as `JSON.stringify` writes it, a piece at a time. Between two pieces the value
 * must not be changed. Each piece lies in memory that the next one uses again, and may be empty.
 *
 * @param onKeys Is told how many keys an object has that is written member by member: they were
 * listed in one step.
 * @throws {TypeError} JSON has no form for the value.
 */
export function* jsonPieces(
  root: unknown,
  onKeys?: (count: number) => void,
): Generator<Uint8Array, void, undefined> {
  const memory = new KeptMemory();
  const open: Open[] = [];
  const ancestors = new Set<unknown>();
  let text = "";

  /** Writes a value, or opens it; whether there is anything to write. */
  function begin(value: unknown, before: string): boolean {
    const opened = openedOf(value);
    if (opened === undefined) {
      const json = JSON.stringify(value) as string | undefined;
      if (json === undefined) return false;
      text += before + json;
      return true;
    }
    if (opened.kind !== "string") {
      if (ancestors.has(value)) throw new TypeError("JSON has no form for a cycle");
      ancestors.add(value);
    }
    if (opened.kind === "object") onKeys?.(opened.length);
    text += before + (opened.kind === "string" ? '"' : opened.kind === "array" ? "[" : "{");
    open.push(opened);
    return true;
  }

  /** Writes what comes next of the innermost value that is open. */
  function step(top: Open): void {
    if (top.at === top.length) {
      text += ENDS[top.kind];
      ancestors.delete(top.value);
      open.pop();
    } else if (top.kind === "string") {
      const to = sliceEnd(top.value, top.at, LONG);
      text += JSON.stringify(top.value.slice(top.at, to)).slice(1, -1);
      top.at = to;
    } else if (top.kind === "array") {
      const comma = top.hasMember ? "," : "";
      if (!begin(top.value[top.at++], comma)) text += `${comma}null`;
      top.hasMember = true;
    } else {
      const key = top.keys[top.at++] as string;
      const comma = top.hasMember ? "," : "";
      if (begin(top.value[key], `${comma}${JSON.stringify(key)}:`)) top.hasMember = true;
    }
  }

  if (!begin(root, "")) throw new TypeError(`JSON has no form for ${kindOf(root)}`);
  let steps = 0;
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    step(top);
    if (text.length < PIECE && ++steps < MEMBERS) continue;
    yield memory.text(0, text);
    text = "";
    steps = 0;
  }
  if (text !== "") yield memory.text(0, text);
}

/** What is to be written of a value; `undefined` for one that the runtime encodes by one call. */
function openedOf(value: unknown): Open | undefined {
  if (typeof value === "string") {
    return value.length > LONG ? { kind: "string", value, length: value.length, at: 0 } : undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  if (typeof (value as { toJSON?: unknown }).toJSON === "function") return undefined;
  if (Array.isArray(value)) {
    const { length } = value;
    const isFlat = length <= FLAT && value.every(isShort);
    return isFlat ? undefined : { kind: "array", value, length, at: 0, hasMember: false };
  }
  const tag = Object.prototype.toString.call(value);
  if (tag !== "[object Object]") return undefined;
  const members = value as Readonly<Record<string, unknown>>;
  const keys = Object.keys(members);
  const { length } = keys;
  if (length <= FLAT && keys.every((key) => isShort(members[key]))) return undefined;
  return { kind: "object", value: members, keys, length, at: 0, hasMember: false };
}

/** Whether the runtime encodes a member in no time. */
function isShort(value: unknown): boolean {
  return typeof value === "string"
    ? value.length <= LONG
    : value === null || typeof value !== "object";
}

/** Where a slice of a text ends: not between the two halves of one character. */
function sliceEnd(text: string, from: number, length: number): number {
  const to = Math.min(text.length, from + length);
  const isWithin = isHalf(text, to - 1, 0xd800) && isHalf(text, to, 0xdc00);
  return isWithin ? to + 1 : to;
}

/** Whether a code unit is one half of a character: 0xd800 asks for the first, 0xdc00 for the second. */
function isHalf(text: string, at: number, half: number): boolean {
  return (text.charCodeAt(at) & 0xfc00) === half;
}

/**
 * The JSON of a value as it is at the call.
 *
 * @throws {TypeError} JSON has no form for the value.
 */
export function jsonAtOnce(value: unknown): { pieces: Iterable<Uint8Array>; length: number } {
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw new TypeError(`JSON has no form for ${kindOf(value)}`);
  return { pieces: encodeText(text), length: text.length };
}

function* encodeText(text: string): Generator<Uint8Array, void, undefined> {
  const memory = new KeptMemory();
  for (let from = 0; from < text.length;) {
    const to = sliceEnd(text, from, PIECE);
    yield memory.text(0, text.slice(from, to));
    from = to;
  }
}

/** The value of a JSON text in pieces. */
export function parsePieces(pieces: Iterable<Uint8Array>): unknown {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let text = "";
  for (const piece of pieces) text += decoder.decode(piece, { stream: true });
  return JSON.parse(text + decoder.decode()) as unknown;
}
