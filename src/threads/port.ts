/**
 * The ports of the web and of `node:worker_threads`, as one.
 *
 * @module
 */
import { invalid, requireObject } from "../arguments.ts";

/**
 * An end of a channel between two threads: a `MessagePort` of the web or of `node:worker_threads`. It
 * carries nothing else meanwhile.
 *
 * @example
 * ```ts
 * import type { ThreadPort } from "@durable/wal/threads";
 *
 * const { port1 } = new MessageChannel();
 * const port: ThreadPort = port1;
 * port.close();
 * ```
 */
export interface ThreadPort {
  /** Sends a message, with memory that goes over to the other thread. */
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  /** Has a function called with each event of a type. */
  addEventListener(type: string, listener: (event: Event) => void): void;
  /** Has it called no more. */
  removeEventListener(type: string, listener: (event: Event) => void): void;
  /** Begins to receive. */
  start(): void;
  /** Ends the channel. */
  close(): void;
}

/** What a port may have besides. */
interface Referenced {
  ref?(): void;
  unref?(): void;
}

/** What a port reports. */
export interface PortListener {
  /** A message has come. */
  received(message: unknown): void;
  /** The other end is closed, or its thread has ended, where the runtime tells. */
  closed(): void;
}

const METHODS: readonly (keyof ThreadPort)[] = [
  "postMessage",
  "addEventListener",
  "removeEventListener",
  "start",
  "close",
];

/** A port that is in use. */
export class OpenPort {
  readonly #port: ThreadPort & Referenced;
  readonly #onMessage: (event: Event) => void;
  readonly #onClose: () => void;
  #isClosed = false;

  constructor(port: ThreadPort, listener: PortListener) {
    requireObject("port", port);
    const missing = METHODS.find((name) => typeof port[name] !== "function");
    if (missing !== undefined) throw invalid("port", `a MessagePort, with ${missing}`, port);
    this.#port = port;
    this.#onMessage = (event): void => listener.received((event as MessageEvent<unknown>).data);
    this.#onClose = (): void => {
      if (this.#isClosed) return;
      this.close();
      listener.closed();
    };
    port.addEventListener("message", this.#onMessage);
    port.addEventListener("close", this.#onClose);
    port.start();
  }

  /** Sends a message. A port whose other end is gone takes it and drops it. */
  send(message: unknown, bytes: Uint8Array<ArrayBuffer>): void {
    if (!this.#isClosed) this.#port.postMessage(message, [bytes.buffer]);
  }

  /** Whether the port keeps its thread alive, where the runtime has a choice. */
  keepAlive(isKept: boolean): void {
    if (isKept) this.#port.ref?.();
    else this.#port.unref?.();
  }

  /** Ends the channel. A second call does nothing. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#port.removeEventListener("message", this.#onMessage);
    this.#port.removeEventListener("close", this.#onClose);
    this.#port.close();
  }
}
