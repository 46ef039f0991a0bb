/**
 * The index of offsets: small numbers, large ones, and cuts.
 *
 * @module
 */
import { test } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { OffsetIndex } from "../../src/segment/offset_index.ts";

/** Offsets around the largest of 32 bits. */
const OFFSETS: readonly number[] = Array.from({ length: 300 }, (_, i) => 2 ** 32 - 150 + i);

function indexOf(offsets: readonly number[]): OffsetIndex {
  const index = new OffsetIndex();
  for (const offset of offsets) index.push(offset);
  return index;
}

function contents(index: OffsetIndex): number[] {
  return Array.from({ length: index.count }, (_, i) => index.at(i));
}

test("offsets beyond 32 bits are kept as they are", () => {
  assertEquals(contents(indexOf(OFFSETS)), OFFSETS);
  assertEquals(contents(indexOf([8, 2 ** 32, 2 ** 50])), [8, 2 ** 32, 2 ** 50]);
});

test("an index grows after a cut, with small offsets and large ones", () => {
  for (const kept of [0, 1, 63, 64, 149, 150, 151, 255, 256, 300]) {
    for (const more of [OFFSETS.slice(kept), [2 ** 40], Array.from({ length: 700 }, (_, i) => i)]) {
      const index = indexOf(OFFSETS);
      index.cut(kept);
      for (const offset of more) index.push(offset);
      assertEquals(contents(index), [...OFFSETS.slice(0, kept), ...more]);
    }
  }
});

test("an index of any length, added one by one or many at once, is the same", () => {
  const numbers = Uint32Array.from({ length: 50_000 }, (_, i) => 9 * i);
  for (const count of [1, 63, 64, 65, 127, 128, 8192, 16_383, 16_384, 16_385, 32_768, 50_000]) {
    const index = new OffsetIndex();
    index.pushAll(numbers, 0, count >> 1, 7);
    for (let i = count >> 1; i < count; i++) index.push(7 + 9 * i);
    assertEquals(index.count, count);
    for (let i = 0; i < count; i += 1 + (count >> 8)) assertEquals(index.at(i), 7 + 9 * i);
    assertEquals(index.at(count - 1), 7 + 9 * (count - 1));
    index.cut(count - 1);
    index.push(2 ** 33);
    assertEquals(index.at(count - 1), 2 ** 33);
    if (count > 1) assertEquals(index.at(count - 2), 7 + 9 * (count - 2));
  }
});

test("how many offsets lie below a limit", () => {
  const index = indexOf([10, 20, 30]);
  assertEquals([0, 10, 11, 20, 30, 31].map((limit) => index.countBelow(limit)), [0, 0, 1, 1, 2, 3]);
  assertThrows(() => index.at(3), RangeError);
  assertThrows(() => index.at(-1), RangeError);
});
