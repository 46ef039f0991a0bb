/**
 * The lists that a queue keeps in memory, against plain arrays.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { test } from "node:test";
import { Deadlines } from "../../src/queue/deadlines.ts";
import { Deque } from "../../src/queue/deque.ts";
import { KeyMemory } from "../../src/queue/keys.ts";
import { below, seededRandom } from "../../src/testing/random.ts";

test("a deque gives what an array gives", () => {
  const draw = seededRandom(1);
  const deque = new Deque<number>();
  const array: number[] = [];
  for (let i = 0; i < 5000; i++) {
    const choice = below(draw, i % 1000 < 500 ? 3 : 6);
    if (choice < 2) {
      deque.push(i);
      array.push(i);
    } else if (choice === 2 && i % 7 === 0) {
      deque.putBack([i, i + 1]);
      array.unshift(i, i + 1);
    } else {
      assertEquals(deque.shift(), array.shift());
    }
    assertEquals([deque.size, deque.first, deque.last], [array.length, array[0], array.at(-1)]);
  }
});

test("deadlines come in their order, and those of one moment in the order in which they were set", () => {
  const draw = seededRandom(2);
  for (let run = 0; run < 200; run++) {
    const deadlines = new Deadlines<number>();
    const array: { at: number; item: number }[] = [];
    for (let item = 0; item < 40; item++) {
      if (below(draw, 3) > 0) {
        const at = below(draw, 10);
        deadlines.add(at, item);
        array.push({ at, item });
        array.sort((a, b) => a.at - b.at);
      } else {
        assertEquals(deadlines.take(), array.shift()?.item);
      }
      assertEquals([deadlines.size, deadlines.first?.at], [array.length, array[0]?.at]);
    }
  }
});

test("the last keys are remembered, each with its first message", () => {
  const keys = new KeyMemory(3);
  for (const [i, key] of ["a", "b", "a", "c", "d"].entries()) keys.add(key, i);
  assertEquals([...keys], [["b", 1], ["c", 3], ["d", 4]]);
  assertEquals([keys.get("a"), keys.get("b"), keys.size, keys.characters], [undefined, 1, 3, 3]);
  const none = new KeyMemory(0);
  none.add("a", 1);
  assertEquals([...none], []);
});
