/**
 * Which calls are made by a handler that runs: one that waited for the queue's close would wait for
 * itself.
 *
 * It is known by the runtime's asynchronous context. Where there is none, as in browsers, no call
 * counts as a handler's.
 *
 * @module
 */
import { findBuiltin } from "../fs/builtins.ts";

/** A handler that runs, or has run. */
interface Running {
  isOver: boolean;
}

/** The part of `AsyncLocalStorage` that is used. */
interface Context {
  run<T>(store: Running, call: () => T): T;
  getStore(): Running | undefined;
}

/** The handlers of one queue. */
export class Handlers {
  readonly #context: Context | undefined;

  constructor() {
    const hooks = findBuiltin<{ AsyncLocalStorage?: new () => Context }>("node:async_hooks");
    this.#context = hooks?.AsyncLocalStorage === undefined
      ? undefined
      : new hooks.AsyncLocalStorage();
  }

  /** Whether the call is made by a handler that still runs, or by something that it calls. */
  get isInside(): boolean {
    return this.#context?.getStore()?.isOver === false;
  }

  /** Calls a handler, and waits for it. */
  async run(call: () => unknown): Promise<void> {
    const running = { isOver: false };
    try {
      await (this.#context === undefined ? call() : this.#context.run(running, call));
    } finally {
      running.isOver = true;
    }
  }
}
