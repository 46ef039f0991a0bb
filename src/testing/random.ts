/**
 * Random numbers that a seed repeats, the same on every runtime.
 *
 * @module
 */

/** The next number, from 0 up to 1. */
export type Random = () => number;

/** Random numbers by shifts and exclusive ors of 32 bits ("Xorshift RNGs", G. Marsaglia, 2003). */
export function seededRandom(seed: number): Random {
  // Neighbouring seeds must not begin alike, and a state of zero would stay zero.
  let state = Math.imul(seed ^ 0x5bd1e995, 0x9e3779b1) || 1;
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 8; i++) next();
  return next;
}

/** A whole number from 0 up to `end`, which is not among them. */
export function below(random: Random, end: number): number {
  return Math.floor(random() * end);
}
