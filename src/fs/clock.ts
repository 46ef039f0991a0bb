/**
 * Turns of the event loop, and moments to come, by the runtime's own timers.
 *
 * Test runners put fakes in the place of the global timers, before a module is loaded or after it,
 * and a fake stands still until the test moves it on: a log that waited for one would never answer.
 * So the functions are taken when this module is loaded, and each is tried for whether it is one of
 * the runtime's. Where none is, what no test runner fakes does the same: a message, and a wait for
 * memory.
 *
 * @module
 */
import { findBuiltin } from "./builtins.ts";

/** A moment to come. */
export interface Timer {
  /** Lets it pass without a call. A second call does nothing. */
  cancel(): void;
}

/** What waits. The members are called by way of it, so that a test can put its own there. */
export interface Clock {
  /** Resolves when all that can run now has run, and what has arrived has been taken in. */
  endOfTurn(): Promise<void>;
  /** Calls back after so many milliseconds. */
  after(milliseconds: number, call: () => void): Timer;
}

type Set = (call: () => void, milliseconds?: number) => unknown;
type Clear = (handle: unknown) => void;

/** The timers of one place that has them. */
interface Timers {
  readonly setImmediate?: Set;
  readonly clearImmediate?: Clear;
  readonly setTimeout?: Set;
  readonly clearTimeout?: Clear;
}

/** A way to wait. */
interface Pair {
  readonly set: Set;
  readonly clear: Clear;
}

/** The places, those first that fewer test runners reach. */
function places(): readonly Timers[] {
  const builtin = findBuiltin<Timers>("node:timers");
  return builtin === undefined ? [globalThis as Timers] : [builtin, globalThis as Timers];
}

/** The first that one of the places has and that is as it should be. */
function find(
  choose: (timers: Timers) => [Set | undefined, Clear | undefined],
  isAsWanted: (handle: unknown) => boolean,
): Pair | undefined {
  for (const timers of places()) {
    const [set, clear] = choose(timers);
    if (set === undefined || clear === undefined) continue;
    const handle = set(() => {}, 0);
    clear(handle);
    if (isAsWanted(handle)) return { set, clear };
  }
  return undefined;
}

/** The handles of Node, Bun and Deno have this member, and those of no fake that we know. */
function isRuntimes(handle: unknown): boolean {
  return typeof handle === "object" && handle !== null && "_destroyed" in handle;
}

/** Elsewhere a timer is a number. */
function isNumber(handle: unknown): boolean {
  return typeof handle === "number";
}

const immediate = find(
  ({ setImmediate, clearImmediate }) => [setImmediate, clearImmediate],
  isRuntimes,
);
const timeout = findTimeout(isRuntimes) ?? findTimeout(isNumber);

function findTimeout(isAsWanted: (handle: unknown) => boolean): Pair | undefined {
  return find(({ setTimeout, clearTimeout }) => [setTimeout, clearTimeout], isAsWanted);
}

/** A message that a turn sends to itself arrives in a later one. */
function turnByMessage(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = (): void => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}

/** A wait for memory that never changes. The open port keeps the process alive, as a timer does. */
function afterByWait(milliseconds: number, call: () => void): Timer {
  const { port1 } = new MessageChannel();
  port1.onmessage = (): void => {};
  const memory = new Int32Array(new SharedArrayBuffer(4));
  const { value } = Atomics.waitAsync(memory, 0, 0, milliseconds);
  let isWanted = true;
  const end = async (): Promise<void> => {
    await value;
    port1.close();
    if (isWanted) call();
  };
  void end();
  return {
    cancel: (): void => {
      isWanted = false;
      Atomics.notify(memory, 0);
    },
  };
}

/** Bun's own fakes are the runtime's functions, which it marks meanwhile. */
function isFaked(set: Set): boolean {
  return "clock" in set;
}

function afterBy({ set, clear }: Pair): Clock["after"] {
  return (milliseconds, call) => {
    if (isFaked(set)) return afterByWait(milliseconds, call);
    const handle = set(call, milliseconds);
    return { cancel: () => clear(handle) };
  };
}

function turnBy({ set }: Pair): Clock["endOfTurn"] {
  return () => new Promise((resolve) => void set(resolve));
}

/** The runtime's clock. A turn takes microseconds, a timer a millisecond or more. */
export const clock: Clock = {
  endOfTurn: immediate === undefined ? turnByMessage : turnBy(immediate),
  after: timeout === undefined ? afterByWait : afterBy(timeout),
};

/** Resolves after so many milliseconds. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => void clock.after(milliseconds, resolve));
}
