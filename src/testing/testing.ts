/**
 * What the log's own promises are tested with, for what you build on it: a file system in memory that
 * enumerates what a crash may leave, one that goes wrong on demand, a driver that tries a crash or a
 * fault at every step, and an oracle for logs.
 *
 * See [the guide](https://jsr.io/@durable/wal/doc/testing) and `src/testing/README.md` in the
 * repository, which finds a missing sync in a key-value store of ten lines.
 *
 * @example Is every entry that was acknowledged there after any crash?
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Wal } from "@durable/wal";
 * import { exploreCrashes } from "@durable/wal/testing";
 *
 * const { states } = await exploreCrashes<number>({
 *   async run(fileSystem, promise) {
 *     const log = await Wal.open("a.wal", { fileSystem });
 *     for (const n of [1, 2, 3]) {
 *       await log.appendAndSync(new Uint8Array([n]));
 *       promise(n);
 *     }
 *     await log.close();
 *   },
 *   async check(fileSystem, promised) {
 *     const log = await Wal.open("a.wal", { fileSystem });
 *     const found = log.readAll().flatMap((data) => [...data]);
 *     assertEquals(found.slice(0, promised.length), promised);
 *     await log.close();
 *   },
 * });
 * console.log(`No promise was broken in ${states} states of the disk`);
 * ```
 *
 * @module
 */
export { BrokenPromise } from "./broken_promise.ts";
export {
  CrashFileSystem,
  type CrashOptions,
  type CrashStatesOptions,
  type ErrorTold,
  type FailedSync,
} from "./crash_file_system.ts";
export { digestOf } from "./digest.ts";
export {
  type Exploration,
  exploreCrashes,
  exploreFaults,
  type ExploreOptions,
  type Trial,
} from "./explore.ts";
export { type FaultOptions, FaultyFileSystem, type FileOperation } from "./faulty_file_system.ts";
export { contentsOf, type WalContents, type WalOperation, WalOracle } from "./wal_oracle.ts";
