/**
 * Random choices that a seed repeats.
 *
 * @module
 */
import { random } from "../../kit/logs.ts";

/** Makes choices. */
export class Dice {
  readonly #draw: () => number;

  /** Choices of one execution depend on the run's seed and the execution's number alone. */
  constructor(seed: number, execution: number) {
    this.#draw = random(
      (Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(execution + 1, 0x85ebca6b)) | 0,
    );
  }

  /** A whole number from 0 up to, not including, a limit. */
  below(limit: number): number {
    return Math.floor(this.#draw() * limit);
  }

  /** True with a probability. */
  chance(probability: number): boolean {
    return this.#draw() < probability;
  }

  /** One of a list, which must not be empty. */
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}
