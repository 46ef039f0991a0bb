/**
 * What a machine asks of the thing that holds its state. A `StateMachine` holds any value, a
 * `DurableMap` a map that knows how to take changes back.
 *
 * @module
 */

/**
 * Where an event stands.
 *
 * @example
 * ```ts
 * import type { EventPlace } from "@durable/wal/machine";
 *
 * const place: EventPlace = { index: 7, time: 1_767_225_600_000 };
 * ```
 */
export interface EventPlace {
  /** The event's index in the log, from 1. */
  readonly index: number;
  /** When it was dispatched, in milliseconds since 1970; the same in each replay. */
  readonly time: number;
}

/** The content of a snapshot, without the machine's own part. */
export interface SavedState {
  /** May be taken while events are applied: they are those of the moment of the save. */
  readonly pieces: Iterable<Uint8Array>;
  /** What `load` has to know of how the state is held. */
  readonly flags: number;
}

/** Holds a state. All calls are synchronous. */
export interface HeldState<E> {
  /** The version of what {@linkcode save} writes. */
  readonly version: number;
  /** The state is the one without any event. */
  reset(): void;
  /**
   * Applies an event.
   *
   * @throws Why it was refused. Then the state may be in between: {@linkcode takeBack} is called next.
   */
  apply(event: E, place: EventPlace): void;
  /** A point to which the state can be taken back, until the next {@linkcode settle}. */
  mark(): unknown;
  /** Takes the state back to a mark; false if that cannot be done. */
  takeBack(mark: unknown): boolean;
  /** What was applied so far is in the log: no mark is used any more. */
  settle(): void;
  /**
   * Writes the state as it is now. Only one is taken at a time, from its first piece on at once.
   *
   * @param isAtRest Whether no event is applied until the last piece was taken.
   */
  save(isAtRest?: boolean): SavedState;
  /**
   * Takes the state from a snapshot.
   *
   * @param version What {@linkcode version} was when it was saved; not above that of now.
   */
  load(pieces: Iterable<Uint8Array>, version: number, flags: number): void;
}
