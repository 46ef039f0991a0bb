/**
 * Which of the changes that no sync covered a crash leaves: every subset, or some, well chosen.
 *
 * @module
 */
import { below, type Random } from "./random.ts";

/** For each of some changes, in the order in which they were made, whether the disk has it. */
export type Subset = readonly boolean[];

/**
 * Subsets of `count` changes: all of them where there are at most `limit`; else first none and all,
 * and then, endlessly, some at random.
 */
export function* subsets(count: number, limit: number, random: Random): Generator<Subset> {
  if (2 ** count <= limit) {
    for (let bits = 0; bits < 2 ** count; bits++) {
      yield Array.from({ length: count }, (_, i) => Math.floor(bits / 2 ** i) % 2 === 1);
    }
    return;
  }
  const all = (isKept: (i: number) => boolean): Subset =>
    Array.from({ length: count }, (_, i) => isKept(i));
  yield all(() => false);
  yield all(() => true);
  for (;;) yield all(draw(count, random));
}

/** What tends to show mistakes: changes in their order, one out of it, few or many of them. */
function draw(count: number, random: Random): (i: number) => boolean {
  const one = below(random, count);
  switch (below(random, 6)) {
    case 0:
      return (i) => i < one;
    case 1:
      return (i) => i !== one;
    case 2:
      return (i) => i === one;
    case 3:
      return (i) => i < one || random() < 0.5;
    default: {
      const density = [0.15, 0.5, 0.85][below(random, 3)] ?? 0.5;
      return () => random() < density;
    }
  }
}
