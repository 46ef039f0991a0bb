/**
 * A stream of a log's entries: those of a range, or all as they come. It reads when it is asked to.
 *
 * @module
 */
import { invalid, requireOptions } from "../arguments.ts";
import type { Entry, EntryRange } from "../entry.ts";
import type { FollowOptions } from "../reader/follow.ts";
import type { Wal } from "../wal.ts";
import { MAX_CHUNK } from "./chunk.ts";

/**
 * The entries of a range.
 *
 * @example
 * ```ts
 * import type { ReadableRangeOptions } from "@durable/wal/streams";
 *
 * const options: ReadableRangeOptions = { from: 10, to: 19 };
 * ```
 */
export interface ReadableRangeOptions extends EntryRange {
  /** Whether to wait for more after the last entry. */
  follow?: false;
}

/**
 * The entries as they come.
 *
 * @example
 * ```ts
 * import type { ReadableFollowOptions } from "@durable/wal/streams";
 *
 * const options: ReadableFollowOptions = { follow: true, from: 10 };
 * ```
 */
export interface ReadableFollowOptions extends FollowOptions {
  /** Waits for more after the last entry, as {@linkcode Wal.follow} does. */
  follow: true;
}

/**
 * Which entries a stream reads: those of a range, or all from one on as they come.
 *
 * @example
 * ```ts
 * import type { ReadableOptions } from "@durable/wal/streams";
 *
 * const some: ReadableOptions = { from: 10, to: 19 };
 * const all: ReadableOptions = { follow: true, signal: AbortSignal.timeout(1000) };
 * ```
 */
export type ReadableOptions = ReadableRangeOptions | ReadableFollowOptions;

/**
 * How many entries a chunk has.
 *
 * @example
 * ```ts
 * import type { ReadableChunks } from "@durable/wal/streams";
 *
 * const chunks: ReadableChunks = { size: 64 };
 * ```
 */
export interface ReadableChunks {
  /** The most entries of a chunk, from 1 to 64. */
  size: number;
}

const RANGE: readonly string[] = ["from", "to", "follow", "size"];
const FOLLOW: readonly string[] = ["from", "signal", "durable", "follow", "size"];

/**
 * A stream of arrays of entries, which takes fewer steps than one of single entries. A chunk has as
 * many as there are, up to `size`, and is not held back for more.
 *
 * @param log An open log.
 * @param options Which entries, and how many in a chunk.
 * @throws As `Wal.entries`, or `Wal.follow` with `follow: true`. What they throw later errors the stream.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Wal } from "@durable/wal";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 * import { readable } from "@durable/wal/streams";
 *
 * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
 * for (let n = 1; n <= 100; n++) log.append(new Uint8Array([n]));
 * const sizes: number[] = [];
 * for await (const entries of readable(log, { size: 64 })) sizes.push(entries.length);
 * assertEquals(sizes, [64, 36]);
 * await log.close();
 * ```
 */
export function readable(
  log: Wal,
  options: ReadableOptions & ReadableChunks,
): ReadableStream<readonly Entry[]>;
/**
 * A stream of entries. The range is that of the call: entries that are appended meanwhile are not in
 * it. With `follow: true` the stream waits for more until it is cancelled, the signal is aborted, which
 * errors it, or the log is closed, which closes it.
 *
 * Nothing is read ahead of what is asked for. To cancel it gives back what it holds.
 *
 * @param log An open log.
 * @param options Which entries; by default all that are there.
 * @throws As `Wal.entries`, or `Wal.follow` with `follow: true`. What they throw later errors the stream.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Wal } from "@durable/wal";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 * import { readable } from "@durable/wal/streams";
 *
 * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
 * await log.appendAndSync(new Uint8Array([7]));
 * for await (const { index, data } of readable(log, { follow: true })) {
 *   assertEquals([index, ...data], [1, 7]);
 *   break;
 * }
 * await log.close();
 * ```
 */
export function readable(log: Wal, options?: ReadableOptions): ReadableStream<Entry>;
export function readable(
  log: Wal,
  options: ReadableOptions & Partial<ReadableChunks> = {},
): ReadableStream<Entry | readonly Entry[]> {
  requireOptions("options", options, options?.follow === true ? FOLLOW : RANGE);
  const { size, follow } = options;
  if (follow !== undefined && typeof follow !== "boolean") {
    throw invalid("follow", "true or false", follow);
  }
  if (size !== undefined && !(Number.isInteger(size) && size >= 1 && size <= MAX_CHUNK)) {
    throw invalid("size", `a whole number from 1 to ${MAX_CHUNK}`, size);
  }
  const source = options.follow === true
    ? new FollowedChunks(log.follow(followOptions(options)), size)
    : new RangeChunks(log.entries(rangeOf(options)), size);
  return new ReadableStream<Entry | readonly Entry[]>({
    pull: (controller) => source.pull(controller),
    cancel: () => source.cancel(),
  }, { highWaterMark: 0 });
}

type Controller = ReadableStreamDefaultController<Entry | readonly Entry[]>;

function rangeOf({ from, to }: ReadableRangeOptions): EntryRange {
  return { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
}

function followOptions({ from, signal, durable }: ReadableFollowOptions): FollowOptions {
  return {
    ...(from === undefined ? {} : { from }),
    ...(signal === undefined ? {} : { signal }),
    ...(durable === undefined ? {} : { durable }),
  };
}

/** The entries of a range, as chunks. */
class RangeChunks {
  readonly #entries: Generator<Entry, void, undefined>;
  readonly #size: number | undefined;
  /** What a read after the last chunk has thrown. */
  #failure: { readonly error: unknown } | undefined;

  constructor(entries: Generator<Entry, void, undefined>, size: number | undefined) {
    this.#entries = entries;
    this.#size = size;
  }

  pull(controller: Controller): void {
    if (this.#failure !== undefined) throw this.#failure.error;
    const chunk: Entry[] = [];
    try {
      while (chunk.length < (this.#size ?? 1)) {
        const result = this.#entries.next();
        if (result.done === true) break;
        chunk.push(result.value);
      }
    } catch (error) {
      // The entries before are whole: they go first, and the next pull throws.
      if (chunk.length === 0) throw error;
      this.#failure = { error };
    }
    give(controller, chunk, this.#size);
    if (chunk.length === 0) controller.close();
  }

  cancel(): void {
    this.#entries.return();
  }
}

/** The entries as they come, as chunks of those that are there. */
class FollowedChunks {
  readonly #entries: AsyncGenerator<Entry, void, undefined>;
  readonly #size: number | undefined;
  /** The entry that was asked for, and was not there. */
  #next: Promise<IteratorResult<Entry, void>> | undefined;

  constructor(entries: AsyncGenerator<Entry, void, undefined>, size: number | undefined) {
    this.#entries = entries;
    this.#size = size;
  }

  async pull(controller: Controller): Promise<void> {
    const first = await this.#take();
    if (first.done === true) return controller.close();
    const chunk = [first.value];
    while (chunk.length < (this.#size ?? 1)) {
      const next = await this.#takeIfThere();
      if (next === undefined) break;
      chunk.push(next);
    }
    give(controller, chunk, this.#size);
  }

  async cancel(): Promise<void> {
    await this.#entries.return();
  }

  #take(): Promise<IteratorResult<Entry, void>> {
    const next = this.#next ?? this.#entries.next();
    this.#next = undefined;
    return next;
  }

  /** The next entry, if there is one already; if not, it is awaited by the next chunk. */
  async #takeIfThere(): Promise<Entry | undefined> {
    const next = this.#entries.next();
    this.#next = next;
    // What it ends with is the next chunk's to tell.
    next.catch(() => {});
    const result = await Promise.race([next, NOTHING]).catch(() => undefined);
    if (result === undefined || result.done === true) return undefined;
    this.#next = undefined;
    return result.value;
  }
}

/** Comes after what is there already. */
const NOTHING: Promise<undefined> = Promise.resolve(undefined);

function give(controller: Controller, chunk: readonly Entry[], size: number | undefined): void {
  const [first] = chunk;
  if (first !== undefined) controller.enqueue(size === undefined ? first : chunk);
}
