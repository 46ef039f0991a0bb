/**
 * What the writer and the process that meddles with its files say to each other.
 *
 * @module
 */
import type { WalErrorCode } from "../../mod.ts";
import type { Line } from "../soak/lines.ts";

/** A line of the writer's input. */
export type Command =
  /** Open a log and change it until told to stop; `life` counts the logs of a run. */
  | { readonly kind: "open"; readonly path: string; readonly life: number }
  /** Stop, and close it. */
  | { readonly kind: "close" };

/** How something went wrong. */
export interface Failure {
  readonly code: WalErrorCode;
  readonly message: string;
}

/** A line of the writer's output. */
export type Answer =
  | Line
  /** A change failed, and no more are made. */
  | { readonly kind: "failed"; readonly failure: Failure }
  /** The log is closed; how that went wrong, if it did. */
  | { readonly kind: "closed"; readonly failure?: Failure };
