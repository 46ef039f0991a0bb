/**
 * The thread that has a log open: it makes the calls that come by a port, and answers them.
 *
 * The calls of a message are made in order and at once, so that entries of several threads that are to
 * be durable get into one group, and share its sync.
 *
 * @module
 */
import type { Entry } from "../entry.ts";
import { WalError } from "../errors.ts";
import type { BatchRange, Wal } from "../wal.ts";
import { OpenPort, type ThreadPort } from "./port.ts";
import {
  type Answer,
  type AnswerMessage,
  type Call,
  type CallMessage,
  type EntryHead,
  Parcel,
  PIECE,
  PROTOCOL,
  type Request,
  Unpacker,
} from "./protocol.ts";
import { packError } from "./sent_error.ts";

/**
 * A port by which a log is served.
 *
 * @example
 * ```ts
 * import { Wal } from "@durable/wal";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 * import { serve, type Serving } from "@durable/wal/threads";
 *
 * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
 * const serving: Serving = serve(log, new MessageChannel().port1);
 * await serving.close();
 * await log.close();
 * ```
 */
export interface Serving {
  /**
   * Answers the calls that have come, and closes the port. Calls that come later are refused with
   * `ERR_WAL_CLOSED`. The log stays open.
   */
  close(): Promise<void>;
  /** Resolves, and never rejects, when the port is closed, by either side. */
  readonly closed: Promise<void>;
}

/**
 * Serves an open log to another thread, which calls {@linkcode connect} with the other end of the
 * channel. A log is served by as many ports as there are threads; this thread uses it as before.
 *
 * When the other thread ends, what it had sent is appended all the same. When the log is closed, calls
 * that were made before are answered, and later ones rejected with `ERR_WAL_CLOSED`.
 *
 * The port keeps this thread alive until it is closed by either side.
 *
 * @param log The log.
 * @param port One end of a channel. It is the log's own from then on.
 * @throws {WalError} `ERR_WAL_INVALID_ARGUMENT`: it is no port.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Wal } from "@durable/wal";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 * import { connect, serve } from "@durable/wal/threads";
 *
 * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
 * const { port1, port2 } = new MessageChannel();
 * const serving = serve(log, port1);
 * const remote = await connect(port2); // in another thread
 * assertEquals(await remote.append(new Uint8Array([1])), 1);
 * await remote.close();
 * await serving.closed;
 * await log.close();
 * ```
 */
export function serve(log: Wal, port: ThreadPort): Serving {
  const server = new Server(log, port);
  return { close: () => server.close(), closed: server.closed };
}

class Server {
  readonly #log: Wal;
  readonly #port: OpenPort;
  readonly #parcel = new Parcel();
  #answers: Answer[] = [];
  #isSending = false;
  /** How many calls were not answered yet. */
  #open = 0;
  #isClosing = false;
  readonly #end = Promise.withResolvers<void>();

  constructor(log: Wal, port: ThreadPort) {
    this.#log = log;
    this.#port = new OpenPort(port, {
      received: (message) => this.#receive(message),
      closed: () => this.#end.resolve(),
    });
  }

  get closed(): Promise<void> {
    return this.#end.promise;
  }

  close(): Promise<void> {
    this.#isClosing = true;
    if (this.#open === 0) this.#sendSoon();
    return this.closed;
  }

  #receive(message: unknown): void {
    if (!isCallMessage(message)) return;
    const bytes = new Unpacker(message.bytes);
    for (const call of message.calls) this.#make(call, bytes);
  }

  /** Makes a call, and answers it at once or when its promise has settled. */
  #make({ id, request }: Call, bytes: Unpacker): void {
    this.#open++;
    try {
      if (this.#isClosing && request.kind !== "close") throw notServed(this.#log.path);
      const result = this.#callLog(id, request, bytes);
      if (result instanceof Promise) {
        result.then((answer) => this.#answer(answer), (error) => this.#fail(id, error));
      } else this.#answer(result);
    } catch (error) {
      this.#fail(id, error);
    }
  }

  #callLog(id: number, request: Request, bytes: Unpacker): Answer | Promise<Answer> {
    const log = this.#log;
    const valueOf = (value: number): Answer => ({ kind: "value", id, value });
    const lastOf = ({ lastIndex }: BatchRange): Answer => valueOf(lastIndex);
    switch (request.kind) {
      case "append":
        return valueOf(log.append(bytes.take(request.size)));
      case "appendAndSync":
        return log.appendAndSync(bytes.take(request.size)).then(valueOf);
      case "appendBatch":
        return lastOf(log.appendBatch(request.sizes.map((size) => bytes.take(size))));
      case "appendBatchAndSync":
        return log.appendBatchAndSync(request.sizes.map((size) => bytes.take(size))).then(lastOf);
      case "getEntry": {
        const data = log.getEntry(request.index);
        this.#parcel.add(data);
        return { kind: "entry", id, size: data.length };
      }
      case "entries":
        return this.#read(id, request);
      case "sync":
        return log.sync().then(() => valueOf(0));
      case "refresh":
        return log.refresh().then(() => valueOf(0));
      case "close":
        this.#isClosing = true;
        return valueOf(0);
    }
  }

  /** Reads a piece of a range. */
  #read(id: number, { from, to, isFirst }: Extract<Request, { kind: "entries" }>): Answer {
    const { firstIndex, lastIndex } = this.#log;
    const begin = from ?? firstIndex;
    // Of a range that was begun, a truncation may have dropped the rest.
    const end = isFirst ? to ?? lastIndex : Math.min(to ?? lastIndex, lastIndex);
    const piece: Entry[] = [];
    const range = isFirst || begin <= end ? this.#log.entries({ from: begin, to: end }) : [];
    let size = 0;
    for (const entry of range) {
      piece.push(entry);
      size += entry.data.length;
      if (size >= PIECE) break;
    }
    // A read that fails on the way leaves nothing in the parcel.
    for (const { data } of piece) this.#parcel.add(data);
    const isMore = (piece.at(-1)?.index ?? end) < end;
    const heads = piece.map(({ index, data, endsBatch }): EntryHead => {
      return { index, endsBatch, size: data.length };
    });
    return { kind: "entries", id, heads, to: isMore ? end : undefined };
  }

  #fail(id: number, error: unknown): void {
    this.#answer({ kind: "error", id, error: packError(error) });
  }

  #answer(answer: Answer): void {
    this.#open--;
    this.#answers.push(answer);
    this.#sendSoon();
  }

  /** Sends the answers of this turn together, as those of the callers that shared a sync. */
  #sendSoon(): void {
    if (this.#isSending) return;
    this.#isSending = true;
    queueMicrotask(() => this.#send());
  }

  #send(): void {
    this.#isSending = false;
    const { path, firstIndex, lastIndex, durableIndex } = this.#log;
    const isLast = this.#isClosing && this.#open === 0;
    const bytes = this.#parcel.take();
    const answers = this.#answers;
    this.#answers = [];
    const known = { path, firstIndex, lastIndex, durableIndex };
    const message: AnswerMessage = { protocol: PROTOCOL, answers, bytes, known, isLast };
    this.#port.send(message, bytes);
    if (!isLast) return;
    this.#port.close();
    this.#end.resolve();
  }
}

function isCallMessage(message: unknown): message is CallMessage {
  return typeof message === "object" && message !== null && "protocol" in message &&
    "calls" in message && message.protocol === PROTOCOL;
}

function notServed(path: string): WalError {
  return new WalError(
    "ERR_WAL_CLOSED",
    `The log "${path}" is no longer served by this port. The call was not made. Connect by another.`,
  );
}
