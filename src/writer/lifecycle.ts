/**
 * The life of a handle: one state, which calls it allows, and the turns of the calls that must not
 * overlap.
 *
 * ```text
 *   open ⇄ rewriting        a truncation of the tail, or a reset, runs
 *     ↓       ↓
 *   ended                   an error after which only a reopen knows what is on the disk
 *     ↓
 *   closed                  from the call of `close` on; every state leads here
 *
 *   reading → closed        a handle that only reads
 * ```
 *
 * @module
 */
import { WalError } from "../errors.ts";

/** The states that a handle is in, one at a time. */
export type StateKind = "open" | "rewriting" | "ended" | "closed" | "reading";

/** The public calls whose fate depends on the state. Getters are allowed in each, and `close` too. */
export type Call =
  | "append"
  | "appendBatch"
  | "appendAndSync"
  | "appendBatchAndSync"
  | "sync"
  | "syncBlocking"
  | "truncateFromIndex"
  | "truncateBeforeIndex"
  | "retain"
  | "reset"
  | "setState"
  | "getEntry"
  | "entries"
  | "readAll"
  | "replay"
  | "follow"
  | "durable"
  | "refresh";

/** The codes of the errors that refuse a call for its state. */
export type Refusal = "ERR_WAL_BUSY" | "ERR_WAL_CLOSED" | "ERR_WAL_READ_ONLY";

/** What becomes of a call. */
export type Rule =
  /** It is made at once. */
  | "made"
  /** It is made when its turn comes, after the changes that were called before. */
  | "in turn"
  /** It waits until the truncation or reset is over. */
  | "waits"
  /** It is refused with the error that ended the handle. */
  | "its error"
  | Refusal;

type Rules = Readonly<Record<StateKind, Rule>>;

/** What only reads. */
const READS: Rules = {
  open: "made",
  rewriting: "made",
  ended: "made",
  closed: "ERR_WAL_CLOSED",
  reading: "made",
};

/** What writes, and cannot wait. */
const WRITES_NOW: Rules = {
  open: "made",
  rewriting: "ERR_WAL_BUSY",
  ended: "its error",
  closed: "ERR_WAL_CLOSED",
  reading: "ERR_WAL_READ_ONLY",
};

/** What writes, and waits anyway. */
const WRITES_LATER: Rules = { ...WRITES_NOW, rewriting: "waits" };

/** What drops entries that others may be about to append to, or to count as durable. */
const REWRITES: Rules = { ...WRITES_NOW, open: "in turn" };

/** What changes neither the end of the log nor its entries. */
const CHANGES: Rules = { ...REWRITES, rewriting: "in turn" };

/** What becomes of each call in each state. `docs/errors.md` has the same table. */
export const RULES: Readonly<Record<Call, Rules>> = {
  append: WRITES_NOW,
  appendBatch: WRITES_NOW,
  syncBlocking: WRITES_NOW,
  appendAndSync: WRITES_LATER,
  appendBatchAndSync: WRITES_LATER,
  sync: WRITES_LATER,
  truncateFromIndex: REWRITES,
  reset: REWRITES,
  truncateBeforeIndex: CHANGES,
  retain: CHANGES,
  setState: CHANGES,
  getEntry: READS,
  entries: READS,
  readAll: READS,
  replay: READS,
  follow: READS,
  durable: READS,
  refresh: READS,
};

/** What a refusal says. */
const REFUSALS = {
  ERR_WAL_BUSY: (path: string, call: Call): string => {
    const instead = WAITING[call];
    if (instead === undefined) {
      return `A truncation or reset of "${path}" has not resolved yet: await it before the next.`;
    }
    const doing = call === "syncBlocking" ? "sync" : "append to";
    return `Cannot ${doing} "${path}" during a truncation or reset: await that first, or use ` +
      `${instead}, which waits for it.`;
  },
  ERR_WAL_CLOSED: (path: string): string => `The log "${path}" is closed: open it again.`,
  ERR_WAL_READ_ONLY: (path: string): string =>
    `The log "${path}" was opened with { readOnly: true }: open it without to change it.`,
} as const;

/** The calls that wait where these are refused. */
const WAITING: Readonly<Partial<Record<Call, Call>>> = {
  append: "appendAndSync",
  appendBatch: "appendBatchAndSync",
  syncBlocking: "sync",
};

/** An error that ended a handle, and whether a call has thrown it. */
interface Ending<E> {
  readonly error: E;
  readonly isTold: boolean;
}

/** A state, with what is known in it. */
type State<E> =
  | { readonly kind: "open" | "reading"; readonly ending?: undefined }
  /** `over` resolves, and never rejects, when others may write again. */
  | { readonly kind: "rewriting"; readonly over: Promise<void>; readonly ending?: undefined }
  | { readonly kind: "ended"; readonly ending: Ending<E> }
  | { readonly kind: "closed"; readonly done: Promise<void>; readonly ending?: Ending<E> };

const OPEN = { kind: "open" } as const;
const READING = { kind: "reading" } as const;

/** The state of a handle that an error of type `E` ends, and the turns of its calls. */
export class Lifecycle<E = unknown> {
  readonly #path: string;
  readonly #onChange: () => void;
  #state: State<E>;
  /** Resolves, and never rejects, after the last turn that was given. */
  #turns: Promise<void> = Promise.resolve();
  #epoch = 0;

  /**
   * @param path The log's path, for errors.
   * @param isReading Whether the handle only reads.
   * @param onChange Is called after each turn, and once the handle has ended or is closed.
   */
  constructor(path: string, isReading: boolean, onChange: () => void = () => {}) {
    this.#path = path;
    this.#state = isReading ? READING : OPEN;
    this.#onChange = onChange;
  }

  /** The state. */
  get kind(): StateKind {
    return this.#state.kind;
  }

  /** Counts what may keep a loop over entries from its next one: turns, new views, the close. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Has every loop over entries look whether its next one is still there. */
  advanceEpoch(): void {
    this.#epoch++;
  }

  /**
   * Admits a call, or refuses it. One that is to wait for {@linkcode rewritten} has done so.
   *
   * @throws {WalError} `ERR_WAL_BUSY`, `ERR_WAL_CLOSED`, `ERR_WAL_READ_ONLY`.
   * @throws The error that ended the handle.
   */
  admit(call: Call): void {
    const { kind } = this.#state;
    // Every call is allowed there, and most find the handle so.
    if (kind === "open") return;
    const rule = RULES[call][kind];
    if (rule === "its error") throw this.tell();
    if (isRefusal(rule)) throw this.refusal(rule, call);
  }

  /** The error of a call that the state does not allow. */
  refusal(code: Refusal, call: Call): WalError {
    return new WalError(code, REFUSALS[code](this.#path, call));
  }

  /** Resolves when the truncation of the tail or the reset that runs is over; `undefined` if none does. */
  get rewritten(): Promise<void> | undefined {
    return this.#state.kind === "rewriting" ? this.#state.over : undefined;
  }

  /** Whether an error has ended the handle, be it closed or not. */
  get hasEnded(): boolean {
    return this.#state.ending !== undefined;
  }

  /**
   * Refuses what would use a handle that has ended.
   *
   * @throws The error that ended it.
   */
  requireNotEnded(): void {
    if (this.hasEnded) throw this.tell();
  }

  /**
   * Ends the handle: it writes no more.
   *
   * @returns The error that ended it: this one, unless there was one before.
   */
  end(error: E): E {
    const state = this.#state;
    if (state.ending !== undefined) return state.ending.error;
    const ending = { error, isTold: false };
    this.#state = state.kind === "closed" ? { ...state, ending } : { kind: "ended", ending };
    this.#onChange();
    return error;
  }

  /** The error that ended the handle, for a call that throws it. */
  tell(): E {
    const { ending } = this.#state;
    if (ending === undefined) throw new TypeError("Nothing has ended the handle");
    if (!ending.isTold) this.#state = { ...this.#state, ending: { ...ending, isTold: true } };
    return ending.error;
  }

  /**
   * Refuses to close in silence a handle that has ended and no call has said so.
   *
   * @throws The error that ended it.
   */
  requireTold(): void {
    if (this.#state.ending?.isTold === false) throw this.tell();
  }

  /** Resolves, and never rejects, after the turns of all calls so far. */
  get idle(): Promise<void> {
    return this.#turns;
  }

  /**
   * Runs a change after those that were called before.
   *
   * @throws What it throws; the error that ended the handle, if one has when the turn comes.
   */
  async inTurn<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#turns.then(async () => {
      this.requireNotEnded();
      try {
        return await change();
      } finally {
        this.#epoch++;
      }
    });
    this.#turns = turn.then(() => {}, () => {}).finally(() => this.#onChange());
    return await turn;
  }

  /** The same of a change during which nothing is appended; it was admitted. */
  async alone(change: () => Promise<void>): Promise<void> {
    const { promise: over, resolve } = Promise.withResolvers<void>();
    const rewriting: State<E> = { kind: "rewriting", over };
    this.#state = rewriting;
    try {
      await this.inTurn(change);
    } finally {
      // An error or the close may have taken its place.
      if (this.#state === rewriting) this.#state = OPEN;
      resolve();
    }
  }

  /**
   * Closes the handle; a second call waits for the first.
   *
   * @param finish What is to be done after the last turn.
   */
  close(finish: () => Promise<void>): Promise<void> {
    if (this.#state.kind === "closed") return this.#state.done;
    const { ending } = this.#state;
    const { promise: done, resolve } = Promise.withResolvers<void>();
    this.#state = ending === undefined
      ? { kind: "closed", done }
      : { kind: "closed", done, ending };
    this.#epoch++;
    this.#onChange();
    resolve(this.#turns.then(finish));
    return done;
  }
}

function isRefusal(rule: Rule): rule is Refusal {
  return rule in REFUSALS;
}
