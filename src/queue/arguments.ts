/**
 * Checks of what a queue is asked, and its defaults.
 *
 * @module
 */
import { invalid, isArray, isSignal, requireOptions } from "../arguments.ts";

/** The longest time that can be given, in milliseconds: some 4,400 years. */
const LONGEST = 2 ** 47;

/** Refuses what is no number of milliseconds from a least one; the whole ones that are needed. */
export function requireMilliseconds(name: string, value: unknown, least: number = 0): number {
  if (typeof value === "number" && value >= least && value <= LONGEST) return Math.ceil(value);
  throw invalid(name, `a number of milliseconds from ${least} to ${LONGEST}`, value);
}

/** Refuses what is no whole number from 1, or Infinity. */
export function requireCountFromOne(name: string, value: unknown): void {
  const isCount = typeof value === "number" && value >= 1 &&
    (Number.isInteger(value) || value === Infinity);
  if (!isCount) throw invalid(name, "a whole number from 1, or Infinity", value);
}

/** Refuses what is no text that is kept. */
export function requireText(name: string, value: unknown): asserts value is string {
  if (typeof value === "string" && value !== "" && value.isWellFormed()) return;
  throw invalid(name, "a string of at least one character, and of whole ones", value);
}

/** The values of a call that enqueues, each read once. */
export function valuesOf<T>(values: readonly T[], least: number): T[] {
  const list = isArray(values) ? [...values] as T[] : [];
  if (!isArray(values) || list.length < least) {
    throw invalid("messages", `an array of at least ${least}`, values);
  }
  return list;
}

/** Refuses what is no signal; `undefined` is for none. */
export function requireSignal(options: { readonly signal?: AbortSignal | undefined }): void {
  const { signal } = options;
  if (signal !== undefined && !isSignal(signal)) throw invalid("signal", "an AbortSignal", signal);
}

/** The options of a call that has nothing but a signal. */
export function signalOf(
  options: { readonly signal?: AbortSignal | undefined },
): AbortSignal | undefined {
  requireOptions("options", options, ["signal"]);
  requireSignal(options);
  return options.signal;
}
