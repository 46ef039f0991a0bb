/**
 * A machine that two threads define alike: it counts words, and changes its state.
 *
 * @module
 */
import type { MachineOptions } from "../../src/machine/machine.ts";

/** How often each word came. */
export type Counts = Record<string, number>;

/** The definition. */
export const counting: MachineOptions<Counts, string> = {
  initial: (): Counts => ({}),
  apply: (counts, word) => void (counts[word] = (counts[word] ?? 0) + 1),
};
