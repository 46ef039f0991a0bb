/**
 * The calls of one thread to another: sent in order, so many bytes at a time, and answered by their
 * numbers.
 *
 * @module
 */
import { invalid } from "../arguments.ts";
import type { Entry } from "../entry.ts";
import { WalError } from "../errors.ts";
import { OpenPort, type ThreadPort } from "./port.ts";
import {
  type Answer,
  type AnswerMessage,
  type Call,
  type CallMessage,
  type EntryHead,
  type Known,
  Parcel,
  PROTOCOL,
  type Request,
  Unpacker,
} from "./protocol.ts";
import { unpackError } from "./sent_error.ts";

/** What a call resolves to; of these fields the one that its kind has. */
export interface Answered {
  readonly value: number;
  readonly data: Uint8Array;
  readonly entries: readonly Entry[];
  readonly to: number | undefined;
}

const NOTHING: Answered = { value: 0, data: new Uint8Array(0), entries: [], to: undefined };

/** A call that waits for its answer. */
interface Waiting {
  /** How many bytes it counts for. */
  readonly cost: number;
  readonly resolve: (answered: Answered) => void;
  readonly reject: (error: unknown) => void;
}

/** A call that waits for room. */
interface Queued extends Waiting {
  readonly request: Request;
  readonly data: readonly Uint8Array[];
}

/** The calls to another thread. */
export class Link {
  readonly #port: OpenPort;
  readonly #limit: number;
  readonly #parcel = new Parcel();
  #calls: Call[] = [];
  #isSending = false;
  #count = 0;
  readonly #waiting = new Map<number, Waiting>();
  /** In order; the first is the next to be sent. */
  #queue: Queued[] = [];
  #inFlight = 0;
  #known: Known = { path: "", firstIndex: 1, lastIndex: 0, durableIndex: 0 };
  #closing: Promise<void> | undefined;
  /** Why no more calls can be made. */
  #end: WalError | undefined;

  /** @param limit How many bytes may be on their way. */
  constructor(port: ThreadPort, limit: number) {
    this.#limit = limit;
    this.#port = new OpenPort(port, {
      received: (message) => this.#receive(message),
      closed: () => this.#ended(),
    });
  }

  /** The log, as the last answer told. */
  get known(): Known {
    return this.#known;
  }

  /**
   * Makes a call after those that were made before.
   *
   * @param data The entries that it sends.
   * @param cost How many bytes it counts for.
   */
  call(request: Request, data: readonly Uint8Array[], cost: number): Promise<Answered> {
    if (this.#closing !== undefined || this.#end !== undefined) {
      return Promise.reject(this.#end ?? closed(this.#known.path));
    }
    return this.#call(request, data, cost);
  }

  #call(request: Request, data: readonly Uint8Array[], cost: number): Promise<Answered> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ request, data, cost, resolve, reject });
      this.#fill();
    });
  }

  /** Sends what there is room for. */
  #fill(): void {
    let taken = 0;
    for (const { request, data, ...waiting } of this.#queue) {
      if (!areWhole(request, data)) {
        waiting.reject(invalid("entry", "left as it is until its call has resolved", data));
        taken++;
        continue;
      }
      if (this.#inFlight > 0 && this.#inFlight + waiting.cost > this.#limit) break;
      const id = ++this.#count;
      for (const bytes of data) this.#parcel.add(bytes);
      this.#calls.push({ id, request });
      this.#waiting.set(id, waiting);
      this.#inFlight += waiting.cost;
      taken++;
    }
    this.#queue.splice(0, taken);
    if (this.#calls.length === 0 || this.#isSending) return;
    this.#isSending = true;
    queueMicrotask(() => this.#send());
  }

  /** Sends the calls of this turn together. */
  #send(): void {
    this.#isSending = false;
    this.#port.keepAlive(true);
    const calls = this.#calls;
    this.#calls = [];
    const bytes = this.#parcel.take();
    const message: CallMessage = { protocol: PROTOCOL, calls, bytes };
    try {
      this.#port.send(message, bytes);
    } catch (error) {
      this.#refuse(calls, error);
    }
  }

  /** Rejects calls that did not go over, and sends those that waited for their room. */
  #refuse(calls: readonly Call[], error: unknown): void {
    for (const { id } of calls) {
      const waiting = this.#waiting.get(id);
      if (waiting === undefined) continue;
      this.#waiting.delete(id);
      this.#inFlight -= waiting.cost;
      waiting.reject(error);
    }
    this.#fill();
    if (this.#waiting.size === 0) this.#port.keepAlive(false);
  }

  #receive(message: unknown): void {
    if (!isAnswerMessage(message)) return;
    this.#known = message.known;
    const bytes = new Unpacker(message.bytes);
    for (const answer of message.answers) this.#settle(answer, bytes);
    this.#fill();
    if (message.isLast) {
      this.#port.close();
      this.#ended();
    } else if (this.#waiting.size === 0) this.#port.keepAlive(false);
  }

  #settle(answer: Answer, bytes: Unpacker): void {
    const waiting = this.#waiting.get(answer.id);
    if (waiting === undefined) return;
    this.#waiting.delete(answer.id);
    this.#inFlight -= waiting.cost;
    if (answer.kind === "error") waiting.reject(unpackError(answer.error));
    else waiting.resolve(answeredBy(answer, bytes));
  }

  /** Waits for all calls so far, and closes the port. */
  close(): Promise<void> {
    if (this.#end !== undefined) return Promise.resolve();
    // It is answered with the last message, or by the end of the other thread.
    this.#closing ??= this.#call({ kind: "close" }, [], 0).then(() => {}, () => {});
    return this.#closing;
  }

  /** The other end is gone. */
  #ended(): void {
    this.#end = closed(this.#known.path);
    const waiting = [...this.#waiting.values(), ...this.#queue];
    this.#waiting.clear();
    this.#queue = [];
    const error = this.#end;
    for (const { reject } of waiting) reject(error);
  }
}

/** Whether the entries still have the sizes that the call tells: memory that was transferred has none. */
function areWhole(request: Request, data: readonly Uint8Array[]): boolean {
  switch (request.kind) {
    case "append":
    case "appendAndSync":
      return data[0]?.length === request.size;
    case "appendBatch":
    case "appendBatchAndSync":
      return data.every(({ length }, n) => length === request.sizes[n]);
    default:
      return true;
  }
}

function answeredBy(answer: Exclude<Answer, { kind: "error" }>, bytes: Unpacker): Answered {
  switch (answer.kind) {
    case "value":
      return { ...NOTHING, value: answer.value };
    case "entry":
      return { ...NOTHING, data: bytes.take(answer.size) };
    case "entries":
      return {
        ...NOTHING,
        entries: answer.heads.map(({ size, ...entry }: EntryHead) => {
          return { ...entry, data: bytes.take(size) };
        }),
        to: answer.to,
      };
  }
}

function isAnswerMessage(message: unknown): message is AnswerMessage {
  return typeof message === "object" && message !== null && "protocol" in message &&
    "answers" in message && message.protocol === PROTOCOL;
}

function closed(path: string): WalError {
  return new WalError(
    "ERR_WAL_CLOSED",
    `The port to the log "${path}" is closed, by this thread, by the other or by its end. Whether the ` +
      "entries of calls that waited were appended is not known. Connect again, and look.",
  );
}
