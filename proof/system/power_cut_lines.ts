/**
 * What the writer whose power is cut tells the parent.
 *
 * @module
 */
import type { Contents } from "./contents.ts";

/** A change of the log; `isSynced` where it is acknowledged only once it is durable. */
export type Change =
  & { readonly id: number }
  & (
    | { readonly kind: "append"; readonly sizes: readonly [number]; readonly isSynced: boolean }
    | { readonly kind: "batch"; readonly sizes: readonly number[]; readonly isSynced: boolean }
    /** Several calls of `appendAndSync` at once. Each is acknowledged by itself too. */
    | { readonly kind: "group"; readonly sizes: readonly number[]; readonly isSynced: true }
    | { readonly kind: "sync" }
    | { readonly kind: "truncateFrom"; readonly index: number }
    | { readonly kind: "truncateBefore"; readonly index: number }
    | { readonly kind: "reset"; readonly index: number }
    | { readonly kind: "setState"; readonly size: number }
    /** A clean close, and an open. */
    | { readonly kind: "reopen" }
  );

/** Whether a change appends entries, with an id or without. */
export function isAppend<T extends Pick<Change, "kind">>(
  change: T,
): change is Extract<T, { kind: "append" | "batch" | "group" }> {
  return change.kind === "append" || change.kind === "batch" || change.kind === "group";
}

/** Where a log begins and ends, and what of it is durable. */
export interface Range {
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly durableIndex: number;
}

/** A line of the writer's output. */
export type Line =
  /** What it found in the log that it opened. */
  | { readonly kind: "found"; readonly contents: Contents }
  /** It is about to start a change. */
  | { readonly kind: "start"; readonly change: Change }
  /** So many entries were stored into a mapping of the file, and not written. */
  | { readonly kind: "stored"; readonly count: number }
  /** A call of a group has resolved: its entry is durable. */
  | { readonly kind: "synced"; readonly index: number }
  /** The change is acknowledged. */
  | ({ readonly kind: "done"; readonly id: number } & Range)
  /** A call was rejected, or the log could not be opened, and it is not known why. */
  | { readonly kind: "failed"; readonly message: string };
