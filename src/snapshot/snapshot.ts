/**
 * One file with a large state, written beside a log without holding it up, and read back whole or not
 * at all: {@linkcode SnapshotFile}. `StateMachine` uses it, and so can a Raft node.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 * import { SnapshotFile } from "@durable/wal/snapshot";
 *
 * // Leave fileSystem out to keep the file on disk.
 * const options = { logId: "0102030405060708", fileSystem: new MemoryFileSystem() };
 * const writer = await SnapshotFile.create("bank.snapshot-1", options);
 * await writer.write(new TextEncoder().encode('{"alice":7}'));
 * await writer.finish({ index: 42, version: 1 });
 *
 * const file = await SnapshotFile.open("bank.snapshot-1", options);
 * const text = Array.from(file.pieces(), (piece) => new TextDecoder().decode(piece)).join("");
 * assertEquals([file.index, text], [42, '{"alice":7}']);
 * file.close();
 * ```
 *
 * @module
 */
import { createXXHash128 } from "hash-wasm";
import { invalid, requireOptions, requirePath } from "../arguments.ts";
import type { FileSystem } from "../fs/file_system.ts";
import { defaultFileSystem } from "../fs/runtime.ts";
import { bytesOfHex, isLogId, type SnapshotSummary } from "./format.ts";
import { SnapshotReader } from "./snapshot_reader.ts";
import { type SnapshotMeta, SnapshotWriter } from "./snapshot_writer.ts";

export { type SnapshotMeta, SnapshotReader, type SnapshotSummary, SnapshotWriter };

/**
 * How a snapshot file is written.
 *
 * @example
 * ```ts
 * import type { SnapshotWriteOptions } from "@durable/wal/snapshot";
 *
 * const options: SnapshotWriteOptions = { logId: "0102030405060708", compress: false };
 * ```
 */
export interface SnapshotWriteOptions {
  /** The id of the log that the snapshot is of, as `log.id` says it. */
  logId: string;
  /**
   * Whether a piece is compressed with zstd where that saves a tenth, and the runtime has it.
   *
   * @default {true}
   */
  compress?: boolean;
  /**
   * The permissions of the file, as for chmod.
   *
   * @default {0o600}
   */
  mode?: number;
  /**
   * The files underneath.
   *
   * @default {the file system of the runtime}
   */
  fileSystem?: FileSystem;
}

/**
 * How a snapshot file is opened.
 *
 * @example
 * ```ts
 * import type { SnapshotReadOptions } from "@durable/wal/snapshot";
 *
 * const options: SnapshotReadOptions = { logId: "0102030405060708" };
 * ```
 */
export interface SnapshotReadOptions {
  /** The id of the log that it has to be of. Default: any log's. */
  logId?: string;
  /**
   * The files underneath.
   *
   * @default {the file system of the runtime}
   */
  fileSystem?: FileSystem;
}

const WRITE_OPTIONS: readonly (keyof SnapshotWriteOptions)[] = [
  "logId",
  "compress",
  "mode",
  "fileSystem",
];
const READ_OPTIONS: readonly (keyof SnapshotReadOptions)[] = ["logId", "fileSystem"];

/**
 * Snapshot files. One is written once, under a name that was never used, and takes no lock.
 *
 * A file counts once `finish` has resolved: only then it has the end by which a reader knows it. A
 * crash before that leaves a file that no reader opens.
 *
 * @example A Raft node makes a leader's snapshot durable before it installs it
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 * import { RaftStorage } from "@durable/wal/raft";
 * import { SnapshotFile } from "@durable/wal/snapshot";
 *
 * const fileSystem = new MemoryFileSystem();
 * const storage = await RaftStorage.open("raft.wal", { fileSystem });
 * const options = { logId: storage.id, fileSystem };
 * const writer = await SnapshotFile.create("raft.wal.snapshot-7", options);
 * await writer.write(new TextEncoder().encode("as the leader sent it"));
 * await writer.finish({ index: 100, version: 1 });
 * // Now the log may be dropped: what it had is in the file.
 * assertEquals(await storage.installSnapshot({ index: 100, term: 3 }), false);
 * await storage.close();
 * ```
 */
export class SnapshotFile {
  private constructor() {}

  /**
   * Makes a snapshot file, to be written.
   *
   * @param path A name that is not in use.
   * @param options See {@linkcode SnapshotWriteOptions}.
   * @throws {WalError} `ERR_SNAPSHOT_EXISTS`: the name is in use. `ERR_SNAPSHOT_WRITE_FAILED`: the file
   * could not be made. `ERR_WAL_INVALID_ARGUMENT`, `ERR_WAL_NOT_A_FILE`.
   *
   * @example
   * ```ts
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { SnapshotFile } from "@durable/wal/snapshot";
   *
   * const options = { logId: "0102030405060708", fileSystem: new MemoryFileSystem() };
   * const writer = await SnapshotFile.create("a.snapshot-1", options);
   * await writer.write(new Uint8Array(100_000));
   * await writer.finish({ index: 3, version: 1 });
   * ```
   */
  static async create(path: string, options: SnapshotWriteOptions): Promise<SnapshotWriter> {
    requirePath(path);
    requireOptions("options", options, WRITE_OPTIONS);
    const { logId, compress = true, mode = 0o600 } = options;
    requireLogId(logId);
    if (typeof compress !== "boolean") throw invalid("compress", "true or false", compress);
    if (!Number.isInteger(mode) || mode < 0 || mode > 0o777) {
      throw invalid("mode", "permissions from 0 to 0o777", mode);
    }
    const fileSystem = options.fileSystem ?? await defaultFileSystem();
    const hasher = await createXXHash128();
    return new SnapshotWriter({
      path,
      fileSystem,
      logId: bytesOfHex(logId),
      compress,
      mode,
      hasher,
    });
  }

  /**
   * Opens a finished snapshot file. Its beginning and its end are checked now, its pieces as they are
   * read.
   *
   * @param path The file's path.
   * @param options See {@linkcode SnapshotReadOptions}.
   * @throws {WalError} `ERR_SNAPSHOT_MISSING`: there is no such file. `ERR_SNAPSHOT_DAMAGED`: it is not
   * whole, or something else. `ERR_SNAPSHOT_OTHER_LOG`: it is of another log. `ERR_SNAPSHOT_VERSION`: a
   * later version wrote it. `ERR_WAL_IO`: the system could not read it. `ERR_WAL_INVALID_ARGUMENT`,
   * `ERR_WAL_NOT_A_FILE`.
   *
   * @example
   * ```ts
   * import { assertEquals, assertRejects } from "@std/assert";
   * import { WalError } from "@durable/wal";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { SnapshotFile } from "@durable/wal/snapshot";
   *
   * const fileSystem = new MemoryFileSystem();
   * const open = () => SnapshotFile.open("a.snapshot-1", { fileSystem });
   * assertEquals((await assertRejects(open, WalError)).code, "ERR_SNAPSHOT_MISSING");
   * ```
   */
  static async open(path: string, options: SnapshotReadOptions = {}): Promise<SnapshotReader> {
    requirePath(path);
    requireOptions("options", options, READ_OPTIONS);
    const { logId } = options;
    if (logId !== undefined) requireLogId(logId);
    const fileSystem = options.fileSystem ?? await defaultFileSystem();
    const hasher = await createXXHash128();
    return new SnapshotReader({ path, fileSystem, logId, hasher });
  }
}

function requireLogId(logId: unknown): asserts logId is string {
  if (!isLogId(logId)) throw invalid("logId", "16 hexadecimal digits, as log.id says", logId);
}
