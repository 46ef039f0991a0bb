/**
 * State machines for tests, whose state shows which events it has.
 *
 * @module
 */
import type { FileSystem } from "../mod.ts";
import type { LayerOptions, MachineOptions, Offload } from "../src/machine/machine.ts";

/** An event: its number, or one that is refused. */
export interface Numbered {
  readonly n: number;
  /** Whether `apply` throws, after it has changed what it can. */
  readonly isRefused?: boolean;
  /** What makes the entry larger. */
  readonly more?: string;
}

/** The numbers of all events so far, and a check of their places. */
export interface Seen {
  readonly numbers: readonly number[];
  readonly sum: number;
}

/** A state that is changed in place. */
export interface Changed {
  numbers: number[];
  sum: number;
}

/** What a test may choose. */
export interface MoreOptions extends Omit<LayerOptions, "readOnly" | "fileSystem"> {
  keys?: number;
  snapshot?: { everyBytes?: number; compress?: boolean; offload?: Offload };
}

/** What all machines here have: no clock, and no compression, which differs between runtimes. */
const COMMON = {
  now: () => 0,
  preallocate: 0,
  snapshot: { everyBytes: Infinity, compress: false },
} as const;

/** A machine whose `apply` returns the next state. */
export function immutable(
  fileSystem: FileSystem,
  more: MoreOptions = {},
): MachineOptions<Seen, Numbered> {
  return {
    ...COMMON,
    initial: () => ({ numbers: [], sum: 0 }),
    apply: ({ numbers, sum }, { n, isRefused }, { index }) => {
      if (isRefused) throw new RangeError(`${n} is refused`);
      return { numbers: [...numbers, n], sum: sum + n * index };
    },
    fileSystem,
    ...more,
  };
}

/** A machine whose `apply` changes the state. */
export function mutating(
  fileSystem: FileSystem,
  more: MoreOptions = {},
): MachineOptions<Changed, Numbered> {
  return {
    ...COMMON,
    initial: () => ({ numbers: [], sum: 0 }),
    apply: (state, { n, isRefused }, { index }) => {
      state.numbers.push(n);
      if (isRefused) throw new RangeError(`${n} is refused`);
      state.sum += n * index;
    },
    fileSystem,
    ...more,
  };
}

/** The state that a fold of events with these numbers has. */
export function foldOf(numbers: readonly number[]): Seen {
  return { numbers, sum: numbers.reduce((sum, n, i) => sum + n * (i + 1), 0) };
}
