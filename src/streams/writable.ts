/**
 * A stream whose chunks are appended to a log. So many bytes share a sync, and no more than these are
 * ever without one.
 *
 * @module
 */
import { invalid, isArray, requireOptions } from "../arguments.ts";
import { isBytes } from "../bytes.ts";
import { WalError } from "../errors.ts";
import type { Wal } from "../wal.ts";
import { MAX_CHUNK } from "./chunk.ts";

/**
 * How a stream writes.
 *
 * @example
 * ```ts
 * import type { WritableOptions } from "@durable/wal/streams";
 *
 * const options: WritableOptions = { ahead: 64 * 1024 };
 * ```
 */
export interface WritableOptions {
  /**
   * How many bytes of entries may be appended without being durable. Before one more would exceed that
   * the stream syncs, and the producer waits. A single chunk that is larger is synced right away.
   *
   * @default {1048576} (1 MiB)
   */
  ahead?: number;
}

const OPTIONS: readonly (keyof WritableOptions)[] = ["ahead"];

const AHEAD = 1024 * 1024;

/**
 * A stream that appends: a `Uint8Array` as one entry, an array of 1 to 64 as one batch, which is one
 * atom. The log stays open when the stream is closed, and others may append to it meanwhile.
 *
 * - A chunk is copied when the stream takes it, after those that were written before.
 * - `close` resolves when all chunks are durable.
 * - `abort` drops the chunks that still wait in the stream, and nothing that was appended, which it
 *   makes durable.
 * - What cannot be appended or made durable errors the stream: the producer's `write`, `close` or
 *   `pipeTo` rejects with the log's error. What was appended before stays in the log.
 * - During a truncation of the tail the stream waits.
 *
 * @param log A log that is open to write.
 * @param options How many bytes may be without a sync.
 * @throws {WalError} `ERR_WAL_INVALID_ARGUMENT`: an option that makes no sense. The stream errors with
 * it at a chunk that is none, and else with what `append`, `appendBatch` and `sync` throw.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Wal } from "@durable/wal";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 * import { writable } from "@durable/wal/streams";
 *
 * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
 * const writer = writable(log, { ahead: 64 * 1024 }).getWriter();
 * for (let n = 0; n < 1000; n++) {
 *   await writer.ready;
 *   void writer.write(new Uint8Array(128).fill(n));
 * }
 * await writer.close();
 * assertEquals([log.durableIndex, log.stats().syncs], [1000, 2]);
 * await log.close();
 * ```
 */
export function writable(
  log: Wal,
  options: WritableOptions = {},
): WritableStream<Uint8Array | readonly Uint8Array[]> {
  requireOptions("options", options, OPTIONS);
  const { ahead = AHEAD } = options;
  if (!Number.isSafeInteger(ahead) || ahead < 1) {
    throw invalid("ahead", "a whole number of bytes from 1", ahead);
  }
  const sink = new Sink(log, ahead);
  return new WritableStream<Uint8Array | readonly Uint8Array[]>({
    write: (chunk) => sink.write(chunk),
    close: () => sink.sync(),
    abort: () => sink.sync(),
  });
}

class Sink {
  readonly #log: Wal;
  readonly #ahead: number;
  /** How many bytes were appended since a sync has covered all, and the last index of theirs. */
  #bytes = 0;
  #lastIndex = 0;

  constructor(log: Wal, ahead: number) {
    this.#log = log;
    this.#ahead = ahead;
  }

  /** Appends a chunk; a promise where it has to wait for the disk or a truncation. */
  write(chunk: unknown): Promise<void> | void {
    const size = sizeOf(chunk);
    // A sync that somebody else asked for is as good.
    if (this.#lastIndex <= this.#log.durableIndex) this.#bytes = 0;
    if (this.#bytes > 0 && this.#bytes + size > this.#ahead) {
      return this.sync().then(() => this.#append(chunk, size));
    }
    return this.#append(chunk, size);
  }

  /** Makes all that was appended durable. */
  async sync(): Promise<void> {
    await this.#log.sync();
    this.#bytes = 0;
  }

  #append(chunk: unknown, size: number): Promise<void> | void {
    try {
      this.#lastIndex = isArray(chunk)
        ? this.#log.appendBatch(chunk as Uint8Array[]).lastIndex
        : this.#log.append(chunk as Uint8Array);
    } catch (error) {
      if (!(error instanceof WalError) || error.code !== "ERR_WAL_BUSY") throw error;
      // A sync waits until the truncation is over.
      return this.sync().then(() => this.#append(chunk, size));
    }
    this.#bytes += size;
    if (this.#bytes >= this.#ahead) return this.sync();
  }
}

/** The size of a chunk in bytes, which must be one. */
function sizeOf(chunk: unknown): number {
  if (isBytes(chunk)) return chunk.length;
  const isBatch = isArray(chunk) && chunk.length >= 1 && chunk.length <= MAX_CHUNK;
  if (!isBatch || !chunk.every((data) => isBytes(data))) {
    throw invalid("chunk", `a Uint8Array, or an array of 1 to ${MAX_CHUNK} of these`, chunk);
  }
  return chunk.reduce<number>((sum, { length }) => sum + length, 0);
}
