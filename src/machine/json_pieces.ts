/**
 * JSON in pieces: of a value that stays as it is, as the loop asks for them; of any other, at once.
 *
 * @module
 */
import { kindOf } from "../arguments.ts";

/** About how many code units are in a piece. */
const PIECE = 32 * 1024;

/** The most members of a flat object or array that the runtime encodes by one call. */
const FLAT = 32;

const ENCODER: TextEncoder = new TextEncoder();

/** An array or object whose members are being written. */
interface Open {
  readonly value: object;
  /** Of an object, its keys; of an array, none. */
  readonly keys: readonly string[] | undefined;
  readonly length: number;
  at: number;
  /** Whether a member was written: a comma comes before the next. */
  hasMember: boolean;
}

/**
 * The JSON of a value, as `JSON.stringify` writes it, a piece at a time. Between two pieces the value
 * must not be changed.
 *
 * @throws {TypeError} JSON has no form for the value.
 */
export function* jsonPieces(root: unknown): Generator<Uint8Array, void, undefined> {
  const open: Open[] = [];
  const ancestors = new Set<object>();
  let text = "";

  /** Writes a value, or opens it; whether there is anything to write. */
  function begin(value: unknown, before: string): boolean {
    if (!isWalked(value)) {
      const json = JSON.stringify(value) as string | undefined;
      if (json === undefined) return false;
      text += before + json;
      return true;
    }
    if (ancestors.has(value)) throw new TypeError("JSON has no form for a cycle");
    ancestors.add(value);
    const keys = Array.isArray(value) ? undefined : Object.keys(value);
    const length = keys?.length ?? (value as unknown[]).length;
    text += before + (keys === undefined ? "[" : "{");
    open.push({ value, keys, length, at: 0, hasMember: false });
    return true;
  }

  if (!begin(root, "")) throw new TypeError(`JSON has no form for ${kindOf(root)}`);
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    if (top.at === top.length) {
      text += top.keys === undefined ? "]" : "}";
      ancestors.delete(top.value);
      open.pop();
    } else {
      const comma = top.hasMember ? "," : "";
      const key = top.keys?.[top.at];
      const member: unknown = (top.value as Record<string | number, unknown>)[key ?? top.at];
      top.at++;
      if (key !== undefined) {
        if (begin(member, `${comma}${JSON.stringify(key)}:`)) top.hasMember = true;
      } else {
        if (!begin(member, comma)) text += `${comma}null`;
        top.hasMember = true;
      }
    }
    if (text.length < PIECE) continue;
    yield ENCODER.encode(text);
    text = "";
  }
  if (text !== "") yield ENCODER.encode(text);
}

/** Whether a value is an array or object that is walked; the runtime encodes any other by one call. */
function isWalked(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  if (typeof (value as { toJSON?: unknown }).toJSON === "function") return false;
  if (Array.isArray(value)) return value.length > FLAT || !value.every(isScalar);
  const tag = Object.prototype.toString.call(value);
  if (tag !== "[object Object]") return false;
  const keys = Object.keys(value);
  return keys.length > FLAT ||
    !keys.every((key) => isScalar((value as Record<string, unknown>)[key]));
}

function isScalar(value: unknown): boolean {
  return value === null || typeof value !== "object";
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
  for (let from = 0; from < text.length;) {
    let to = Math.min(text.length, from + PIECE);
    // Not between the two halves of one character.
    if (to < text.length && /[\ud800-\udbff]/.test(text.charAt(to - 1))) to++;
    yield ENCODER.encode(text.slice(from, to));
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
