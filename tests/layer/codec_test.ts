/**
 * The codecs that all layers share, and what they do with values that have no form in bytes.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { bytes as bytesOf, text as textOf } from "../../kit/logs.ts";
import { WalError } from "../../mod.ts";
import { bytes, type Codec, json, requireCodec, text } from "../../src/layer/codec.ts";
import { Encoder } from "../../src/layer/encoder.ts";

/** What is refused, and the error that the codec threw. */
function refuses<T>(codec: Codec<T>, value: unknown, cause: string | undefined): void {
  const error = assertThrows(() => new Encoder(codec).encode(1, value as T), WalError);
  assertEquals(error.code, "ERR_EVENT_CODEC");
  assertStringIncludes(error.message, `"${codec.name}"`);
  if (cause !== undefined) assertStringIncludes(String(error.cause), cause);
}

test("what a codec encodes it decodes, with any number of bytes free in front", () => {
  const encoders = { json: new Encoder(json()), text: new Encoder(text()) };
  fc.assert(
    fc.property(fc.nat(9), fc.json(), fc.string({ unit: "binary" }), (space, json_, string) => {
      const value: unknown = JSON.parse(json_);
      const encoded = encoders.json.encode(space, value).slice(space);
      assertEquals(textOf(encoded), JSON.stringify(value));
      assertEquals(json().decode(encoded), value);
      const asText = encoders.text.encode(space, string).slice(space);
      assertEquals(asText, bytesOf(string));
      assertEquals(text().decode(asText), string);
    }),
  );
});

test("text of every length and width fits, whatever was encoded before it", () => {
  const encoder = new Encoder(text());
  for (const unit of ["a", "é", "€", "\u{1F512}"]) {
    for (const count of [0, 1, 340, 341, 342, 1023, 1024, 1025, 349_525, 349_526, 1_048_577, 3]) {
      const string = unit.repeat(count);
      const encoded = encoder.encode(7, string).subarray(7);
      const wanted = bytesOf(string);
      // Without a report of megabytes.
      const isSame = encoded.length === wanted.length && encoded.every((b, i) => b === wanted[i]);
      assert(isSame, `${count} times ${unit}`);
    }
  }
});

test("bytes are copied, in both directions", () => {
  const value = new Uint8Array([1, 2]);
  const entry = new Encoder(bytes()).encode(0, value);
  value[0] = 9;
  assertEquals(entry, new Uint8Array([1, 2]));
  const memory = new Uint8Array([3, 4]);
  const decoded = bytes().decode(memory);
  memory[0] = 9;
  assertEquals(decoded, new Uint8Array([3, 4]));
});

test("a byte order mark stays, and bytes that are not UTF-8 are refused", () => {
  for (const string of ["\ufeffx", "\ufffd"]) {
    assertEquals(text().decode(text().encode(string)), string);
    assertEquals(json().decode(json().encode(string)), string);
  }
  assertThrows(() => text().decode(new Uint8Array([0xff])), TypeError);
  assertThrows(() => json().decode(new Uint8Array([0x22, 0xff, 0x22])), TypeError);
  assertThrows(() => json().decode(bytesOf("{")), SyntaxError);
  assertThrows(() => json().decode(new Uint8Array()), SyntaxError);
});

test("a value without a form in the codec's bytes is refused, by its kind and not its contents", () => {
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  for (const value of [undefined, () => {}, Symbol("s")]) {
    refuses(json(), value, "JSON has no form");
  }
  for (const value of [1n, cycle, { at: 1n }]) refuses(json(), value, "TypeError");
  const secret = {
    toJSON: (): never => {
      throw new Error("secret");
    },
  };
  refuses(json(), secret, "secret");
  assertEquals(messageOf(json(), secret).includes("secret"), false);
  refuses(text(), "\ud800", "surrogate");
  refuses(text(), 7, "Not a string");
  refuses(bytes(), "text", "Not a Uint8Array");
});

function messageOf(codec: Codec<unknown>, value: unknown): string {
  return assertThrows(() => new Encoder(codec).encode(0, value), WalError).message;
}

test("a codec of another library is refused if it returns no bytes", () => {
  const codec = (encode: (value: unknown) => unknown, more: object = {}): Codec<unknown> =>
    ({ name: "own", encode, decode: () => undefined, ...more }) as Codec<unknown>;
  for (const wrong of [undefined, null, "text", [1], new ArrayBuffer(1), Promise.resolve()]) {
    refuses(codec(() => wrong), 1, undefined);
  }
  refuses(
    codec(() => {
      throw "a string";
    }),
    1,
    "a string",
  );
  const short = { encodeAfter: () => new Uint8Array() };
  refuses(codec(() => new Uint8Array(), short), 1, undefined);
  refuses(codec(() => new Uint8Array(), { encodeAfter: () => undefined }), 1, undefined);
});

test("a codec that returns a view of its own memory is copied before it is called again", () => {
  const memory = new Uint8Array(4);
  const codec: Codec<number> = {
    name: "view",
    encode: (value) => memory.fill(value),
    decode: (bytes) => bytes[0] ?? 0,
  };
  const encoder = new Encoder(codec);
  const entry = encoder.encode(1, 5);
  memory.fill(9);
  assertEquals(entry, new Uint8Array([0, 5, 5, 5, 5]));
});

test("what is no codec is refused", () => {
  const own = { name: "own", encode: () => {}, decode: () => {} };
  requireCodec(own);
  requireCodec({ ...own, name: "x".repeat(255) });
  const wrong = [
    undefined,
    null,
    "json",
    json,
    {},
    { ...own, name: "" },
    { ...own, name: "é".repeat(128) },
    { ...own, name: "\ud800" },
    { ...own, name: 7 },
    { ...own, encode: undefined },
    { ...own, decode: "x" },
    { ...own, encodeAfter: 1 },
  ];
  for (const codec of wrong) {
    const error = assertThrows(() => requireCodec(codec), WalError);
    assertEquals(error.code, "ERR_WAL_INVALID_ARGUMENT");
  }
});
