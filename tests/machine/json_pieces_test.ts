/**
 * JSON in pieces is the JSON of the runtime.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { test } from "node:test";
import { jsonAtOnce, jsonPieces, parsePieces } from "../../src/machine/json_pieces.ts";
import { concat } from "../../kit/frames.ts";
import { random, text } from "../../kit/logs.ts";

/** Values whose JSON has a turn of its own. */
const ODD: readonly unknown[] = [
  null,
  true,
  -0,
  NaN,
  Infinity,
  1e21,
  "",
  'a "quoted" \\ line\n',
  "\ud800",
  "größer \u{1F512}",
  [],
  {},
  [undefined, () => 1, Symbol("a")],
  { a: undefined, b: () => 1, c: Symbol("a"), d: 1 },
  new Date(0),
  new Map([[1, 2]]),
  new Set([1]),
  Object(1),
  Object("text"),
  Object.create(null),
  new Uint8Array([1, 2]),
  { toJSON: () => ({ x: 1 }) },
  { nested: { toJSON: (key: string) => [key === "" || key === "nested"] } },
  [[[[[1]]]]],
  Object.assign([1, 2], { other: 3 }),
  new (class Point {
    x = 1;
    y = { z: [1, 2] };
  })(),
];

/** Pieces that stay as they are. */
function copiesOf(pieces: Iterable<Uint8Array>): Uint8Array[] {
  return Array.from(pieces, (piece) => piece.slice());
}

/** A random value. */
function valueOf(draw: () => number, depth: number): unknown {
  const below = (limit: number): number => Math.floor(draw() * limit);
  const kind = below(depth > 0 ? 6 : 3);
  if (kind === 0) return ODD[below(ODD.length)];
  if (kind === 1) return "\u{1F512}x".repeat(below(below(500) === 0 ? 5000 : 50));
  if (kind === 2) return below(1000) - 500.5;
  if (kind === 3) return Array.from({ length: below(60) }, () => valueOf(draw, depth - 1));
  const keys = Array.from({ length: below(60) }, (_, i) => `${below(2) === 0 ? i : `k"${i}`}`);
  return Object.fromEntries(keys.map((key) => [key, valueOf(draw, depth - 1)]));
}

test("the pieces of a value are what JSON.stringify writes", () => {
  const draw = random(1);
  const values = [...ODD, ...Array.from({ length: 300 }, () => valueOf(draw, 3))];
  for (const value of values) {
    const wanted = JSON.stringify(value);
    const lazy = copiesOf(jsonPieces(value));
    assertEquals(text(concat(...lazy)), wanted);
    assertEquals(text(concat(...copiesOf(jsonAtOnce(value).pieces))), wanted);
    assertEquals(parsePieces(lazy), JSON.parse(wanted));
  }
});

test("a large value comes in many pieces, none of them large", () => {
  const value = { items: Array.from({ length: 20_000 }, (_, id) => ({ id, name: `name ${id}` })) };
  const pieces = copiesOf(jsonPieces(value));
  assert(pieces.length > 10);
  assert(pieces.every(({ length }) => length < 70_000));
  assertEquals(parsePieces(pieces), value);
  const atOnce = copiesOf(jsonAtOnce(value).pieces);
  assert(atOnce.every(({ length }) => length < 100_000));
});

test("a piece is bounded also where a string is long, or members have no JSON", () => {
  const long = `x${'\u{1F512}"'.repeat(100_000)}`;
  const pieces = copiesOf(jsonPieces({ long, list: [long] }));
  assertEquals(parsePieces(pieces), { long, list: [long] });
  assert(pieces.every(({ length }) => length < 200_000));
  // A half by itself before a whole character, wherever a slice may end.
  for (let at = 0; at < 9; at++) {
    const odd = "x".repeat(at) + "\ud83d\ud83d\udd12".repeat(4000);
    assertEquals(text(concat(...copiesOf(jsonPieces(odd)))), JSON.stringify(odd));
  }
  const nothing = Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [i, undefined]));
  const many = copiesOf(jsonPieces(nothing));
  assertEquals(text(concat(...many)), "{}");
  assert(many.length > 10);
});

test("how many keys an object has is told before they are written", () => {
  const counts: number[] = [];
  const value = { a: Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`k${i}`, i])), b: 1 };
  copiesOf(jsonPieces(value, (count) => counts.push(count)));
  assertEquals(counts, [2, 50]);
});

test("what JSON has no form for is refused", () => {
  const cycle: unknown[] = Array.from({ length: 100 }, () => ({}));
  cycle.push({ cycle });
  for (const value of [undefined, () => 1, 1n, [1n], { a: [[1n]] }, cycle]) {
    assertThrows(() => [...jsonPieces(value)], TypeError);
    assertThrows(() => jsonAtOnce(value), TypeError);
  }
});
