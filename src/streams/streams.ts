/**
 * A log as web streams: one that appends what is written to it, with back pressure and shared syncs,
 * and one that reads entries or follows the log.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Wal } from "@durable/wal";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 * import { readable, writable } from "@durable/wal/streams";
 *
 * const log = await Wal.open("a.wal", { fileSystem: new MemoryFileSystem() });
 * const lines = new Blob(["one", "two"]).stream();
 * await lines.pipeTo(writable(log)); // durable
 * for await (const { index, data } of readable(log)) console.log(index, data.length);
 * assertEquals(log.durableIndex, log.lastIndex);
 * await log.close();
 * ```
 *
 * @module
 */
export { writable, type WritableOptions } from "./writable.ts";
export {
  readable,
  type ReadableChunks,
  type ReadableFollowOptions,
  type ReadableOptions,
  type ReadableRangeOptions,
} from "./readable.ts";
