/**
 * A state that is any value, with an `apply` that returns the next one or changes the one it gets.
 *
 * @module
 */
import { isBytes } from "../bytes.ts";
import { WalError } from "../errors.ts";
import { isPromise } from "../fs/promise.ts";
import type { EventPlace, HeldState, SavedState } from "./held_state.ts";
import { jsonAtOnce, jsonPieces, parsePieces } from "./json_pieces.ts";
import type { ResolvedStateOptions } from "./options.ts";
import { warn } from "./warning.ts";

/**
 * How `apply` works: it returns the next state and leaves the one it gets as it is, or it changes that.
 * Before the first event it is not known.
 */
type Way = "unknown" | "immutable" | "mutating";

const MUTATING_FLAG = 1;

/** Above so many code units of JSON, a state that is saved at once holds up the event loop. */
const LARGE = 16 * 1024 * 1024;

/** The size of the pieces that are made of a user's, and for how long one is waited for. */
const PIECE = 64 * 1024;
const TOO_LONG_MS = 4;

/** Above so many keys of one object, listing them does. */
const MANY_KEYS = 100_000;

/** Holds a state of a user. */
export class PlainState<S, E> implements HeldState<E> {
  readonly #options: ResolvedStateOptions<S, E>;
  #state: S;
  #way: Way;
  #hasWarned = false;

  constructor(options: ResolvedStateOptions<S, E>) {
    this.#options = options;
    this.#way = this.#firstWay();
    this.#state = atOnce("initial", options.initial());
  }

  /** The state now. */
  get state(): S {
    return this.#state;
  }

  get version(): number {
    return this.#options.snapshot.version;
  }

  reset(): void {
    this.#way = this.#firstWay();
    this.#state = atOnce("initial", this.#options.initial());
  }

  #firstWay(): Way {
    return this.#options.immutable ? "immutable" : "unknown";
  }

  apply(event: E, place: EventPlace): void {
    const next: unknown = this.#options.apply(this.#state, event, place);
    if (next === undefined && this.#options.immutable) {
      throw new TypeError(
        "apply returned nothing, and the machine was opened with { immutable: true }",
      );
    }
    if (isPromise(next)) {
      // What becomes of it is of no interest, and must not end the process.
      next.then(undefined, () => {});
      throw asynchronous();
    }
    this.#way = this.#wayAfter(next);
    if (next !== undefined) this.#state = next as S;
  }

  /** An object that is returned as it came may have been changed, unless the user says otherwise. */
  #wayAfter(next: unknown): Way {
    if (this.#options.immutable) return "immutable";
    if (this.#way === "mutating" || next === undefined) return "mutating";
    const isSame = next === this.#state && typeof next === "object" && next !== null;
    return isSame && !Object.isFrozen(next) ? "mutating" : "immutable";
  }

  mark(): S {
    return this.#state;
  }

  takeBack(mark: S): boolean {
    if (this.#way === "mutating") return false;
    // It may have been changed by the first event of all.
    this.#state = this.#way === "unknown" ? atOnce("initial", this.#options.initial()) : mark;
    return true;
  }

  settle(): void {}

  save(isAtRest = false): SavedState {
    const { save } = this.#options.snapshot;
    const state = this.#state;
    const flags = this.#way === "mutating" ? MUTATING_FLAG : 0;
    if (isAtRest) return { pieces: save === undefined ? jsonPieces(state) : save(state), flags };
    if (this.#way === "immutable") {
      const pieces = save === undefined
        ? jsonPieces(state, (count) => count > MANY_KEYS && this.#warn(manyKeys(count)))
        : gathered(save(state));
      return { pieces: this.#whileImmutable(pieces), flags };
    }
    if (save !== undefined) return { pieces: copiesOf(save(state)), flags };
    const { pieces, length } = jsonAtOnce(state);
    if (length > LARGE) this.#warn(savedAtOnce(length));
    return { pieces, flags };
  }

  /** Pieces of a state that must stay as it is: none more once `apply` has changed one. */
  *#whileImmutable(pieces: Iterable<Uint8Array>): Generator<Uint8Array, void, undefined> {
    for (const piece of pieces) {
      yield piece;
      if (this.#way !== "immutable") throw changedMeanwhile();
    }
  }

  #warn(message: string): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    warn("WAL_LARGE_STATE", message);
  }

  load(pieces: Iterable<Uint8Array>, version: number, flags: number): void {
    const { load, upgrades, version: newest } = this.#options.snapshot;
    let state: unknown = load === undefined ? parsePieces(pieces) : atOnce("load", load(pieces));
    for (let from = version; from < newest; from++) {
      const upgrade = upgrades[from];
      if (upgrade === undefined) throw noUpgrade(from);
      state = atOnce("an upgrade", upgrade(state));
    }
    this.#state = state as S;
    const isMutating = (flags & MUTATING_FLAG) !== 0 && !this.#options.immutable;
    this.#way = isMutating ? "mutating" : "immutable";
  }
}

function changedMeanwhile(): WalError {
  return new WalError(
    "ERR_MACHINE_STATE",
    "apply returned new states so far, and has changed one while a snapshot was taken of it. The " +
      "snapshot was given up; the log and its snapshots are as before. Let apply always return a new " +
      "state, or never. From now on a snapshot is written at once.",
  );
}

function savedAtOnce(length: number): string {
  return `A snapshot of a state machine holds up the event loop: its state has ${length} characters of ` +
    "JSON and is changed in place, so it was written at once. Return a new state from apply and " +
    "change none that it gets, or use a DurableMap: these are saved a piece at a time. Or have snapshots " +
    "written by another thread, by snapshot.offload.";
}

function manyKeys(count: number): string {
  return `A snapshot of a state machine holds up the event loop: one object of its state has ${count} ` +
    "keys, and to list them takes one step. Keep them in groups, in an array, in a Map with a save of " +
    "your own, or in a DurableMap: these are saved a piece at a time. Or have snapshots written by " +
    "another thread, by snapshot.offload.";
}

/**
 * The pieces of a user in the order in which they come, joined and cut to about one size, so that a
 * turn of the event loop between two is neither rare nor frequent.
 */
function* gathered(pieces: Iterable<Uint8Array>): Generator<Uint8Array, void, undefined> {
  const memory = new Uint8Array(PIECE);
  let size = 0;
  let began = performance.now();
  for (const piece of pieces) {
    const { length } = requireBytes(piece);
    let at = 0;
    do {
      const part = piece.subarray(at, at + PIECE - size);
      memory.set(part, size);
      size += part.length;
      at += part.length;
      if (size < PIECE && performance.now() - began < TOO_LONG_MS) continue;
      yield memory.subarray(0, size);
      size = 0;
      began = performance.now();
    } while (at < length);
  }
  if (size > 0) yield memory.subarray(0, size);
}

/** The pieces that an iterable yields now. */
function copiesOf(pieces: Iterable<Uint8Array>): Uint8Array[] {
  return Array.from(pieces, (piece) => requireBytes(piece).slice());
}

function requireBytes(piece: Uint8Array): Uint8Array {
  if (!isBytes(piece)) throw new TypeError("save yielded what is no Uint8Array");
  return piece;
}

/** A state that a function of the user has returned; a promise is none. */
function atOnce<T>(what: string, state: T): T {
  if (!isPromise(state)) return state;
  // What becomes of it is of no interest, and must not end the process.
  state.then(undefined, () => {});
  throw new WalError(
    "ERR_MACHINE_STATE",
    `${what} returned a promise, and a state is needed at once. The log and its snapshots are as ` +
      "before. Return the state itself.",
  );
}

function noUpgrade(from: number): WalError {
  return new WalError(
    "ERR_SNAPSHOT_VERSION",
    `The newest snapshot of the state is of version ${from}, or passes through it, and there is no ` +
      `upgrade from version ${from} to ${from + 1}. Nothing was changed. Give that upgrade.`,
  );
}

function asynchronous(): WalError {
  return new WalError(
    "ERR_MACHINE_ASYNC",
    "apply returned a promise. Nothing was written. Wait for what you need before the call, and " +
      "dispatch an event that has it: apply must be synchronous, so that a replay gives the same state.",
  );
}
