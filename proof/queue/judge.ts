/**
 * What a queue may hold after a crash, by what it was asked and what it has acknowledged: the promises,
 * stated once, and nothing about how they are kept.
 *
 * What was acknowledged is there. What was begun is there as a whole, or not at all. A message is known
 * by the beginning of its value, which no other has.
 *
 * @module
 */
import { BrokenPromise } from "../../src/testing/testing.ts";

/** Something that a queue is asked to do. */
export type Operation =
  /** A consumer whose name is new gets the messages that are pending for another, or all at first. */
  | { readonly kind: "join"; readonly consumer: string }
  /** One atom; of a key that was enqueued before, nothing. */
  | { readonly kind: "enqueue"; readonly values: readonly string[]; readonly key?: string }
  /** One atom with the messages that follow. */
  | {
    readonly kind: "ack";
    readonly consumer: string;
    readonly value: string;
    readonly next: readonly string[];
  }
  | { readonly kind: "retry"; readonly consumer: string; readonly value: string }
  | { readonly kind: "bury"; readonly consumer: string; readonly value: string }
  | { readonly kind: "redrive"; readonly consumer: string; readonly value: string }
  | { readonly kind: "discard"; readonly consumer: string; readonly value: string };

/** A step of an operation. A refused one has said that it has done nothing. */
export type Fact =
  | { readonly kind: "start"; readonly id: number; readonly operation: Operation }
  | { readonly kind: "done" | "refused"; readonly id: number };

/** The name of a message, from its value: what is before the fill that gives it a size. */
export function nameOf(value: string): string {
  return value.replace(/[.]+$/, "");
}

/** What a consumer holds, by the messages' names. */
export interface Holding {
  readonly name: string;
  readonly pending: readonly string[];
  readonly dead: readonly string[];
}

/** What a queue holds. */
export interface Contents {
  readonly consumers: readonly Holding[];
}

/** The most operations under way whose outcomes are all tried. */
const MOST_UNDER_WAY = 12;

/** What a queue holds, as the judge knows it. */
interface State {
  /** Whether each message of a consumer is pending or dead. */
  readonly consumers: ReadonlyMap<string, ReadonlyMap<string, "pending" | "dead">>;
  /** What waits for a first consumer. */
  readonly unclaimed: readonly string[];
  readonly keys: ReadonlySet<string>;
}

/** Judges a queue. */
export class Judge {
  #state: State = { consumers: new Map(), unclaimed: [], keys: new Set() };
  readonly #started = new Map<number, Operation>();
  /** What the first call with each key enqueues; the others enqueue nothing of their own. */
  readonly #firstOf = new Map<string, readonly string[]>();

  /** Notes a fact. */
  note(fact: Fact): void {
    if (fact.kind === "start") {
      this.#started.set(fact.id, this.#asFirst(fact.operation));
      return;
    }
    const operation = this.#started.get(fact.id);
    if (operation === undefined) throw new TypeError(`Operation ${fact.id} is not under way`);
    this.#started.delete(fact.id);
    if (fact.kind === "done") this.#state = after(this.#state, operation);
    this.#forget();
  }

  /** The operation; of a key, with what the first call with it enqueues. */
  #asFirst(operation: Operation): Operation {
    if (operation.kind !== "enqueue" || operation.key === undefined) return operation;
    const values = this.#firstOf.get(operation.key) ?? operation.values;
    this.#firstOf.set(operation.key, values);
    return { ...operation, values };
  }

  /** Forgets the keys under which nothing was enqueued, and nothing is any more. */
  #forget(): void {
    const underWay = [...this.#started.values()].map((one) => one.kind === "enqueue" && one.key);
    for (const key of this.#firstOf.keys()) {
      if (!this.#state.keys.has(key) && !underWay.includes(key)) this.#firstOf.delete(key);
    }
  }

  /**
   * Judges what a queue holds that was opened after a crash, and continues from there.
   *
   * @throws {BrokenPromise} If no outcome of what was under way explains it.
   */
  judge(found: Contents): void {
    const started = [...this.#started.values()];
    if (started.length > MOST_UNDER_WAY) throw new TypeError(`${started.length} are under way`);
    const wanted = shown(found);
    for (let set = 0; set < 2 ** started.length; set++) {
      const state = started.filter((_, i) => (set >> i) % 2 === 1).reduce(after, this.#state);
      if (shown(contentsOf(state)) !== wanted) continue;
      this.#state = state;
      this.#started.clear();
      this.#forget();
      return;
    }
    throw new BrokenPromise(
      `The queue holds ${wanted}; acknowledged was ${shown(contentsOf(this.#state))}; under way: ` +
        (started.map((operation) => JSON.stringify(operation)).join(", ") || "nothing"),
    );
  }
}

/** A queue after an operation. */
function after(state: State, operation: Operation): State {
  switch (operation.kind) {
    case "join": {
      if (state.consumers.has(operation.consumer)) return state;
      const others = [...state.consumers.values()].flatMap((held) =>
        [...held].filter(([, what]) => what === "pending").map(([value]) => value)
      );
      const pending = new Set([...state.unclaimed, ...others]);
      const held = new Map(Array.from(pending, (value) => [value, "pending"] as const));
      const consumers = new Map(state.consumers).set(operation.consumer, held);
      return { ...state, consumers, unclaimed: [] };
    }
    case "enqueue": {
      const { values, key } = operation;
      if (key === undefined) return added(state, values);
      if (state.keys.has(key)) return state;
      return added({ ...state, keys: new Set([...state.keys, key]) }, values);
    }
    case "ack":
      return added(changed(state, operation, undefined), operation.next);
    case "discard":
      return changed(state, operation, undefined);
    case "bury":
      return changed(state, operation, "dead");
    case "retry":
    case "redrive":
      return changed(state, operation, "pending");
  }
}

function added(state: State, values: readonly string[]): State {
  if (state.consumers.size === 0) return { ...state, unclaimed: [...state.unclaimed, ...values] };
  const consumers = new Map(
    Array.from(state.consumers, ([name, held]) => {
      const all = new Map(held);
      for (const value of values) all.set(value, "pending");
      return [name, all] as const;
    }),
  );
  return { ...state, consumers };
}

function changed(
  state: State,
  { consumer, value }: { readonly consumer: string; readonly value: string },
  what: "pending" | "dead" | undefined,
): State {
  const held = new Map(state.consumers.get(consumer));
  if (what === undefined) held.delete(value);
  else held.set(value, what);
  return { ...state, consumers: new Map(state.consumers).set(consumer, held) };
}

function contentsOf({ consumers }: State): Contents {
  return {
    consumers: Array.from(consumers, ([name, held]) => ({
      name,
      pending: [...held].filter(([, what]) => what === "pending").map(([value]) => value),
      dead: [...held].filter(([, what]) => what === "dead").map(([value]) => value),
    })),
  };
}

/** The contents as text, in an order that depends on nothing. */
function shown({ consumers }: Contents): string {
  return consumers.map(({ name, pending, dead }) =>
    `${name} [${pending.toSorted().join(" ")}] dead [${dead.toSorted().join(" ")}]`
  ).toSorted().join("; ");
}
