/**
 * Codecs: how a layer's values become bytes, and bytes become values again.
 *
 * @module
 */
import { invalid, kindOf, requireObject } from "../arguments.ts";
import { copyOf, isBytes } from "../bytes.ts";
import { KeptMemory } from "./kept_memory.ts";

/**
 * How values become bytes and bytes become values again. A codec of another library is an object
 * with a name and its two functions.
 *
 * The log has the codec's name, and a layer does not open a log of a codec with another name. So
 * choose a name that says what the bytes are, such as `"msgpack"`, and never change what it means.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import type { Codec } from "@durable/wal/events";
 *
 * const numbers: Codec<number> = {
 *   name: "float64",
 *   encode: (value) => new Uint8Array(new Float64Array([value]).buffer),
 *   decode: (bytes) => new Float64Array(bytes.slice().buffer)[0] ?? NaN,
 * };
 * assertEquals(numbers.decode(numbers.encode(0.5)), 0.5);
 * ```
 */
export interface Codec<T> {
  /** What the bytes are: at least one character, and at most 255 bytes of UTF-8. */
  readonly name: string;
  /**
   * Turns a value into bytes. The layer copies them before it calls the codec again, so they may lie
   * in memory that the codec then uses again. Throws if the value has no form in bytes; then nothing
   * is written.
   */
  encode(value: T): Uint8Array;
  /**
   * Turns bytes into a value again. The bytes may lie in memory that the log uses again: copy what
   * the value keeps of them. Throws if they are not what `encode` returns.
   */
  decode(bytes: Uint8Array): T;
  /**
   * The same as `encode`, with a number of bytes free in front for the layer to fill. It spares a
   * copy, and may be left out.
   */
  encodeAfter?(space: number, value: T): Uint8Array;
}

const TEXT: TextDecoder = new TextDecoder("utf-8", { ignoreBOM: true });
const STRICT_TEXT: TextDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What TextDecoder has in the place of bytes that are not UTF-8. */
const REPLACEMENT = "\ufffd";

/**
 * Text in UTF-8. A strict decoder takes three times as long on some runtimes, so it is asked only
 * where the text has what may be a replacement.
 *
 * @throws {TypeError} If the bytes are not UTF-8.
 */
function textOf(bytes: Uint8Array): string {
  const string = TEXT.decode(bytes);
  return string.includes(REPLACEMENT) ? STRICT_TEXT.decode(bytes) : string;
}

/**
 * JSON, in UTF-8. What `JSON.stringify` leaves out or changes is left out or changed here too: a
 * `Map` becomes `{}`, a `Date` a string, `NaN` becomes `null`.
 *
 * A value that JSON has no form for is refused: `undefined`, a function, a `BigInt`, a cycle.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { json } from "@durable/wal/events";
 *
 * const codec = json<{ id: number }>();
 * assertEquals(codec.decode(codec.encode({ id: 7 })), { id: 7 });
 * ```
 */
export function json<T>(): Codec<T> {
  const memory = new KeptMemory();
  const encodeAfter = (space: number, value: T): Uint8Array => {
    // Its type leaves out that it returns undefined for what JSON has no form for.
    const string = JSON.stringify(value) as string | undefined;
    if (string === undefined) throw new TypeError(`JSON has no form for ${kindOf(value)}`);
    return memory.text(space, string);
  };
  return {
    name: "json",
    encode: (value) => encodeAfter(0, value),
    decode: (bytes) => JSON.parse(textOf(bytes)) as T,
    encodeAfter,
  };
}

/**
 * Text, in UTF-8. A string with half of one of two code units is refused, since UTF-8 has no form
 * for it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { text } from "@durable/wal/events";
 *
 * const codec = text();
 * assertEquals(codec.encode("hé"), new Uint8Array([0x68, 0xc3, 0xa9]));
 * assertEquals(codec.decode(new Uint8Array([0x68, 0xc3, 0xa9])), "hé");
 * ```
 */
export function text(): Codec<string> {
  const memory = new KeptMemory();
  const encodeAfter = (space: number, value: string): Uint8Array => {
    if (typeof value !== "string") throw new TypeError(`Not a string: ${kindOf(value)}`);
    if (!value.isWellFormed()) throw new TypeError("The string has half of a surrogate pair");
    return memory.text(space, value);
  };
  return {
    name: "text",
    encode: (value) => encodeAfter(0, value),
    decode: textOf,
    encodeAfter,
  };
}

/**
 * Bytes, as they are.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bytes } from "@durable/wal/events";
 *
 * const codec = bytes();
 * assertEquals(codec.decode(codec.encode(new Uint8Array([1, 2]))), new Uint8Array([1, 2]));
 * ```
 */
export function bytes(): Codec<Uint8Array> {
  return {
    name: "bytes",
    encode(value) {
      if (!isBytes(value)) throw new TypeError(`Not a Uint8Array: ${kindOf(value)}`);
      return value;
    },
    decode: copyOf,
  };
}

/** Refuses what is no codec. */
export function requireCodec(codec: unknown): asserts codec is Codec<unknown> {
  requireObject("codec", codec);
  const { name, encode, decode, encodeAfter } = codec as Partial<Codec<unknown>>;
  const isName = typeof name === "string" && name.isWellFormed() &&
    name !== "" && new TextEncoder().encode(name).length <= 255;
  if (!isName) throw invalid("codec's name", "a string of 1 to 255 bytes of UTF-8", name);
  if (typeof encode !== "function") throw invalid("codec's encode", "a function", encode);
  if (typeof decode !== "function") throw invalid("codec's decode", "a function", decode);
  if (encodeAfter !== undefined && typeof encodeAfter !== "function") {
    throw invalid("codec's encodeAfter", "a function", encodeAfter);
  }
}
