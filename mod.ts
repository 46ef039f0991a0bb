/**
 * A write-ahead log for Deno, Bun and Node: what is appended and synced is there after a power cut,
 * in order, unchanged.
 *
 * @example
 * ```ts
 * import { Wal } from "@durable/wal";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 *
 * // Leave fileSystem out to keep the log on disk.
 * const log = await Wal.open("data/server.wal", { fileSystem: new MemoryFileSystem() });
 * const index = await log.appendAndSync(new TextEncoder().encode("hello"));
 * console.log(index, new TextDecoder().decode(log.getEntry(index)));
 * await log.close();
 * ```
 *
 * @module
 */
export type { Entry, EntryRange, EntryView } from "./src/entry.ts";
export {
  CorruptionError,
  LockedError,
  type LockHolder,
  MovedError,
  SyncFailedError,
  WalError,
  type WalErrorCode,
} from "./src/errors.ts";
export type { FollowBatchesOptions, FollowOptions } from "./src/reader/follow.ts";
export type { FormatVersion } from "./src/format/file_header.ts";
export {
  type Directory,
  type FileHandle,
  type FileSystem,
  FileSystemError,
  type FileSystemErrorCode,
  type Guard,
  type OpenMode,
  type WriterLock,
} from "./src/fs/file_system.ts";
export { defaultFileSystem } from "./src/fs/runtime.ts";
export type { Retained, RetainOptions } from "./src/files/retention.ts";
export type { SegmentInfo } from "./src/files/segment_list.ts";
export type { Recovery } from "./src/opening/open.ts";
export type { WalOptions } from "./src/options.ts";
export type { RecoveryCase } from "./src/segment/decision.ts";
export { type BatchRange, type TruncateOptions, Wal, type WalStats } from "./src/wal.ts";
