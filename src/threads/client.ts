/**
 * A log that another thread has open: its calls go there by a port.
 *
 * @module
 */
import { invalid, isArray, RANGE, requireOptions } from "../arguments.ts";
import { isBytes } from "../bytes.ts";
import type { Entry, EntryRange } from "../entry.ts";
import type { BatchRange } from "../wal.ts";
import { Link } from "./link.ts";
import type { ThreadPort } from "./port.ts";
import { PIECE, type Request } from "./protocol.ts";

/**
 * How a thread uses a log of another.
 *
 * @example
 * ```ts
 * import type { ConnectOptions } from "@durable/wal/threads";
 *
 * const options: ConnectOptions = { inFlight: 1024 * 1024 };
 * ```
 */
export interface ConnectOptions {
  /**
   * How many bytes may be on their way at once: of entries that were sent and not answered, and of the
   * answers to reads. A call beyond waits for those before it, and takes no memory meanwhile. One call
   * may always be made, however large.
   *
   * @default {8388608} (8 MiB)
   */
  inFlight?: number;
}

const OPTIONS: readonly (keyof ConnectOptions)[] = ["inFlight"];

const IN_FLIGHT = 8 * 1024 * 1024;

/** What a call takes besides its entries. */
const CALL = 64;

/**
 * A log that another thread of the process has open. Each call resolves or rejects as that of
 * `Wal` with its name does there, with the same codes.
 *
 * The calls are made in the order in which they are called here; those of one turn of the event loop go
 * over together. Leave what is given to a call as it is until that has resolved: it is copied once
 * there is room.
 *
 * If the other end is closed or its thread ends, the calls that wait reject with `ERR_WAL_CLOSED`, and
 * it is not known whether their entries were appended.
 *
 * @example
 * ```ts
 * import type { RemoteWal } from "@durable/wal/threads";
 *
 * async function note(log: RemoteWal, text: string): Promise<number> {
 *   return await log.appendAndSync(new TextEncoder().encode(text));
 * }
 * ```
 */
export interface RemoteWal {
  /** The path of the log's first file. */
  readonly path: string;
  /** The index of the first entry, as far as an answer has told. */
  readonly firstIndex: number;
  /** The index of the last entry, as far as an answer has told. */
  readonly lastIndex: number;
  /** The last index that a finished sync covers, as far as an answer has told. */
  readonly durableIndex: number;
  /** Appends an entry. Durability at return: as `Wal.append`, in the page cache. */
  append(data: Uint8Array): Promise<number>;
  /** Appends entries as one atom. Durability at return: as `Wal.append`. */
  appendBatch(entries: readonly Uint8Array[]): Promise<BatchRange>;
  /** Makes every entry durable that was appended before, by whatever thread. */
  sync(): Promise<void>;
  /** Appends an entry and makes it durable; those of all threads share the syncs. */
  appendAndSync(data: Uint8Array): Promise<number>;
  /** Appends entries as one atom and makes them durable. */
  appendBatchAndSync(entries: readonly Uint8Array[]): Promise<BatchRange>;
  /** Reads an entry. */
  getEntry(index: number): Promise<Uint8Array>;
  /** Reads entries in order, a piece of some 256 KiB at a time, as the loop asks for them. */
  entries(range?: EntryRange): AsyncGenerator<Entry, void, undefined>;
  /** Asks what the log has now; refreshes it in the other thread, if it only reads there. */
  refresh(): Promise<void>;
  /**
   * Waits for the calls so far, and closes the port. The log stays open. A second call does nothing
   * more.
   */
  close(): Promise<void>;
  /** The same at the end of a block with `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Connects to a log that another thread serves by the other end of a channel. It waits until
 * {@linkcode serve} is called there.
 *
 * The port keeps this thread alive while a call waits for its answer. Deno does not always report the
 * end of a thread that was terminated, and then a call that waits is not answered.
 *
 * @param port One end of a channel. It is the log's own from then on.
 * @param options How much may be on its way.
 * @throws {WalError} `ERR_WAL_INVALID_ARGUMENT`: it is no port, or an option makes no sense.
 * `ERR_WAL_CLOSED`: the other end was closed.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Wal } from "@durable/wal";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 * import { connect, serve } from "@durable/wal/threads";
 *
 * const { port1, port2 } = new MessageChannel();
 * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
 * serve(log, port1);
 *
 * const remote = await connect(port2); // in a worker
 * const indexes = await Promise.all(
 *   [1, 2, 3].map((n) => remote.appendAndSync(new Uint8Array([n]))), // one sync
 * );
 * assertEquals([indexes, remote.durableIndex], [[1, 2, 3], 3]);
 * for await (const { index, data } of remote.entries({ from: 2 })) console.log(index, data);
 * await remote.close();
 * await log.close();
 * ```
 */
export async function connect(
  port: ThreadPort,
  options: ConnectOptions = {},
): Promise<RemoteWal> {
  requireOptions("options", options, OPTIONS);
  const { inFlight = IN_FLIGHT } = options;
  if (!Number.isSafeInteger(inFlight) || inFlight < 1) {
    throw invalid("inFlight", "a whole number of bytes from 1", inFlight);
  }
  const link = new Link(port, inFlight);
  await link.call({ kind: "refresh" }, [], CALL);
  return new Remote(link);
}

class Remote implements RemoteWal {
  readonly #link: Link;

  constructor(link: Link) {
    this.#link = link;
  }

  get path(): string {
    return this.#link.known.path;
  }

  get firstIndex(): number {
    return this.#link.known.firstIndex;
  }

  get lastIndex(): number {
    return this.#link.known.lastIndex;
  }

  get durableIndex(): number {
    return this.#link.known.durableIndex;
  }

  append(data: Uint8Array): Promise<number> {
    return this.#append("append", data);
  }

  appendAndSync(data: Uint8Array): Promise<number> {
    return this.#append("appendAndSync", data);
  }

  appendBatch(entries: readonly Uint8Array[]): Promise<BatchRange> {
    return this.#appendBatch("appendBatch", entries);
  }

  appendBatchAndSync(entries: readonly Uint8Array[]): Promise<BatchRange> {
    return this.#appendBatch("appendBatchAndSync", entries);
  }

  async #append(kind: "append" | "appendAndSync", data: Uint8Array): Promise<number> {
    requireEntry(data);
    const size = data.length;
    return await this.#value({ kind, size }, [data], size);
  }

  async #appendBatch(
    kind: "appendBatch" | "appendBatchAndSync",
    entries: readonly Uint8Array[],
  ): Promise<BatchRange> {
    if (!isArray(entries) || entries.length === 0) {
      throw invalid("batch", "an array of at least one Uint8Array", entries);
    }
    const batch = [...entries] as Uint8Array[];
    for (const data of batch) requireEntry(data);
    const sizes = batch.map(({ length }) => length);
    const size = sizes.reduce((sum, length) => sum + length, 0);
    const lastIndex = await this.#value({ kind, sizes }, batch, size);
    return { firstIndex: lastIndex - batch.length + 1, lastIndex };
  }

  async sync(): Promise<void> {
    await this.#value({ kind: "sync" });
  }

  async refresh(): Promise<void> {
    await this.#value({ kind: "refresh" });
  }

  async getEntry(index: number): Promise<Uint8Array> {
    requireIndex("index", index);
    const { data } = await this.#link.call({ kind: "getEntry", index }, [], PIECE);
    return data;
  }

  async *entries(range: EntryRange = {}): AsyncGenerator<Entry, void, undefined> {
    requireOptions("range", range, RANGE);
    let { from, to } = range;
    if (from !== undefined) requireIndex("from", from);
    if (to !== undefined) requireIndex("to", to);
    for (let isFirst = true;; isFirst = false) {
      const request: Request = { kind: "entries", from, to, isFirst };
      const { entries, to: rest } = await this.#link.call(request, [], PIECE);
      yield* entries;
      if (rest === undefined) return;
      from = (entries.at(-1)?.index ?? rest) + 1;
      to = rest;
    }
  }

  close(): Promise<void> {
    return this.#link.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #value(request: Request, data: readonly Uint8Array[] = [], size = 0): Promise<number> {
    const { value } = await this.#link.call(request, data, CALL + size);
    return value;
  }
}

/** Refuses what cannot go over; the log there checks the rest. */
function requireIndex(name: string, index: unknown): void {
  if (typeof index !== "number") throw invalid(name, "a number", index);
}

function requireEntry(data: unknown): void {
  if (!isBytes(data)) {
    throw invalid("entry", "a Uint8Array (for text, new TextEncoder().encode(text))", data);
  }
}
