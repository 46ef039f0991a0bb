/**
 * What a machine is made of, and what one of its calls gives.
 *
 * @module
 */
import type { Tag } from "../layer/tag.ts";
import type { WalOptions } from "../options.ts";
import type { HeldState } from "./held_state.ts";
import type { MachineCoder } from "./machine_coder.ts";
import type { Offload } from "./offload.ts";
import type { Enqueue, Outlets } from "./outbox.ts";

/** What a machine is made of. */
export interface CoreSetting<E, I = E> {
  readonly tag: Tag;
  readonly held: HeldState<E>;
  readonly coder: MachineCoder<E, I>;
  /** How many keys are remembered. */
  readonly keys: number;
  /** After how many bytes of entries the next snapshot is taken. */
  readonly everyBytes: number;
  readonly compress: boolean;
  /** Has snapshots written by another thread. */
  readonly offload?: Offload | undefined;
  /** The queues that messages are handed over to. */
  readonly outlets: Outlets;
  readonly log: WalOptions;
}

/** What a call gives beside its events. */
export interface Call {
  readonly key?: string | undefined;
  /** The messages that belong to its first event. */
  readonly enqueue?: Enqueue | undefined;
  /** Whether the events were decided by the state as it is now. */
  readonly isDecided?: boolean;
}
