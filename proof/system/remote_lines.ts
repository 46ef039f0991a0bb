/**
 * What the parent tells a remote log to do, and what that answers.
 *
 * @module
 */
import type { RecoveryCase, WalErrorCode } from "../../mod.ts";
import type { Contents } from "./contents.ts";

/** What to do. */
export type Command =
  | SingleCommand
  /** Each is begun while those before it run; only a pause is waited for. */
  | { readonly do: "overlap"; readonly commands: readonly SingleCommand[] };

/** A call, or what is no call at all. The entries of a call are those of its `id`. */
export type SingleCommand =
  | {
    readonly do: "open";
    readonly path: string;
    readonly segmentSize: number;
    readonly preallocate?: number;
  }
  | { readonly do: "close" }
  | { readonly do: "append"; readonly id: number; readonly size: number }
  | { readonly do: "appendAndSync"; readonly id: number; readonly size: number }
  | { readonly do: "appendBatch"; readonly id: number; readonly sizes: readonly number[] }
  | { readonly do: "appendBatchAndSync"; readonly id: number; readonly sizes: readonly number[] }
  /** Several calls of `appendAndSync` at once, with the ids from `id` on. */
  | { readonly do: "appendGroup"; readonly id: number; readonly sizes: readonly number[] }
  | { readonly do: "sync" }
  | { readonly do: "syncBlocking" }
  | { readonly do: "truncateFrom"; readonly index: number }
  | { readonly do: "truncateBefore"; readonly index: number }
  | { readonly do: "reset"; readonly index: number }
  | { readonly do: "setState"; readonly id: number; readonly size: number }
  | { readonly do: "read" }
  | { readonly do: "pause"; readonly milliseconds: number }
  /** The system call number `at` from now on is announced before it is made, and after. */
  | { readonly do: "gate"; readonly at: number };

/** Where the log begins and ends, if it is open. */
export interface View {
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly durableIndex: number;
  readonly byteLength: number;
  readonly recovery: RecoveryCase;
  /** The calls that a gate has counted. */
  readonly calls: number;
}

/** What the system refused. */
export interface Refusal {
  /** The code of the log's error; `undefined` if it was none of the log's. */
  readonly code: WalErrorCode | undefined;
  /** The code of the system call's error underneath. */
  readonly cause: string | undefined;
  readonly message: string;
  /** Of a group: the ids of the entries that were acknowledged all the same. */
  readonly acknowledged: readonly number[];
}

/** A call that waits at the gate. */
export interface GatedCall {
  readonly name: "fdatasync" | "fsync" | "ftruncate" | "unlink" | "write";
  readonly path: string;
}

/** What became of one of several calls: why it was refused, if it was. */
export interface CallOutcome {
  readonly refused?: Refusal;
}

/** A line of the remote log's output. */
export type Answer =
  | {
    readonly kind: "done";
    readonly view: View | undefined;
    readonly contents?: Contents;
    readonly outcomes?: readonly CallOutcome[];
  }
  | { readonly kind: "refused"; readonly refused: Refusal; readonly view: View | undefined }
  | { readonly kind: "before" | "after"; readonly call: GatedCall };
