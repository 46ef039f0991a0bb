/**
 * Writes one snapshot file: pieces as they come, a sync now and then, and an end by which a whole file
 * is known.
 *
 * @module
 */
import type { IHasher } from "hash-wasm";
import { invalid, requireOptions } from "../arguments.ts";
import { isBytes } from "../bytes.ts";
import { type FrameChecksum, frameChecksum } from "../format/checksum.ts";
import { DURABLE_FRAME_SIZE, DURABLE_SIZE, writeDurableFields } from "../format/durable_frame.ts";
import { FILE_HEADER_SIZE, writeFileHeader } from "../format/file_header.ts";
import { FRAME_HEADER_SIZE, TYPE_DATA, writeFrameHeader } from "../format/frame.ts";
import { beginInternal } from "../format/kinds.ts";
import { isFirstIndex } from "../format/limits.ts";
import { NO_SEGMENT, SEGMENT_SIZE, writeSegmentFields } from "../format/segment_frame.ts";
import { type FileHandle, type FileSystem, isFileSystemError } from "../fs/file_system.ts";
import { directoryOf } from "../fs/path.ts";
import { ended, nameInUse, writeFailed } from "./errors.ts";
import {
  encodeHead,
  encodeSummary,
  FIRST_INDEX,
  HEAD_AT,
  MAX_PIECE_FRAME_SIZE,
  PIECE_SIZE,
  PIECES_AT,
  type SnapshotSummary,
  STORED,
  ZSTD,
} from "./format.ts";
import { zstd } from "./zstd.ts";

/** How many bytes are written before they are synced: one sync at the end would hold up the log's. */
const PACE = 256 * 1024;

/** The most that a compressed piece may have of its size, or it is stored as it is. */
const WORTH_IT = 0.9;

/** The largest version of a content. */
const MAX_VERSION = 0xffffffff;

/**
 * What a snapshot file says of itself.
 *
 * @example
 * ```ts
 * import type { SnapshotMeta } from "@durable/wal/snapshot";
 *
 * const meta: SnapshotMeta = { index: 17, version: 1 };
 * ```
 */
export interface SnapshotMeta {
  /** The index of the last entry that is in the snapshot; 0 if none is. */
  readonly index: number;
  /** The version of the content, the application's own: from 0 to 4,294,967,295. */
  readonly version: number;
}

/** What a writer needs to know, all of it checked. */
export interface WriterSetting {
  readonly path: string;
  readonly fileSystem: FileSystem;
  readonly logId: Uint8Array;
  readonly compress: boolean;
  readonly mode: number;
  readonly hasher: IHasher;
}

/**
 * Writes a snapshot file. What is not finished does not count: no reader opens it.
 *
 * Calls take turns, in the order in which they are made. Once one has rejected, the file is gone and
 * the writer has ended.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 * import { SnapshotFile } from "@durable/wal/snapshot";
 *
 * const fileSystem = new MemoryFileSystem();
 * const logId = "0102030405060708";
 * const writer = await SnapshotFile.create("a.snapshot-1", { logId, fileSystem });
 * await writer.write(new TextEncoder().encode("the state"));
 * const { bytes } = await writer.finish({ index: 17, version: 1 });
 * assertEquals(bytes, 9);
 * ```
 */
export class SnapshotWriter {
  /** The file's path. */
  readonly path: string;
  readonly #fileSystem: FileSystem;
  readonly #logId: Uint8Array;
  readonly #compress: boolean;
  readonly #hasher: IHasher;
  readonly #checksum: FrameChecksum = frameChecksum;
  readonly #file: FileHandle;
  /** The content that is not written yet. */
  readonly #piece = new Uint8Array(PIECE_SIZE);
  #pieceSize = 0;
  readonly #frame = new Uint8Array(MAX_PIECE_FRAME_SIZE);
  #pieces = 0;
  #bytes = 0;
  /** Where the next frame goes, and up to where the file is synced. */
  #end = PIECES_AT;
  #synced = 0;
  #turn: Promise<unknown> = Promise.resolve();
  /** Why no call is allowed any more, in words. */
  #ended: string | undefined;

  /**
   * Makes the file; use `SnapshotFile.create`.
   *
   * @ignore
   * @throws {WalError} `ERR_SNAPSHOT_EXISTS`, `ERR_SNAPSHOT_WRITE_FAILED`.
   */
  constructor({ path, fileSystem, logId, compress, mode, hasher }: WriterSetting) {
    this.path = path;
    this.#fileSystem = fileSystem;
    this.#logId = logId;
    this.#compress = compress;
    this.#hasher = hasher.init();
    try {
      this.#file = fileSystem.open(path, "create", mode);
    } catch (cause) {
      const isInUse = isFileSystemError(cause) && cause.code === "EEXIST";
      throw isInUse ? nameInUse(path, cause) : writeFailed(path, cause);
    }
    try {
      this.#file.write(this.#beginning(), 0);
    } catch (cause) {
      this.#giveUp();
      throw writeFailed(path, cause);
    }
  }

  /**
   * Appends to the content. It is written in pieces of 64 KiB, and synced each 256 KiB.
   *
   * Durability at return: nothing counts before {@linkcode finish}.
   *
   * @param bytes Any number of bytes, which must stay as they are until the call resolves.
   * @throws {WalError} `ERR_SNAPSHOT_WRITE_FAILED`: the disk failed; the file is gone.
   * `ERR_SNAPSHOT_ENDED`: the writer has ended. `ERR_WAL_INVALID_ARGUMENT`: no `Uint8Array`.
   *
   * @example
   * ```ts
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { SnapshotFile } from "@durable/wal/snapshot";
   *
   * const options = { logId: "0102030405060708", fileSystem: new MemoryFileSystem() };
   * const writer = await SnapshotFile.create("a.snapshot-1", options);
   * for (const word of ["one", "two"]) await writer.write(new TextEncoder().encode(word));
   * await writer.abort();
   * ```
   */
  write(bytes: Uint8Array): Promise<void> {
    return this.#inTurn(async () => {
      if (!isBytes(bytes)) throw invalid("snapshot's bytes", "a Uint8Array", bytes);
      await this.#orGiveUp(async () => {
        for (let at = 0; at < bytes.length;) {
          const part = bytes.subarray(at, at + PIECE_SIZE - this.#pieceSize);
          this.#piece.set(part, this.#pieceSize);
          this.#pieceSize += part.length;
          at += part.length;
          if (this.#pieceSize === PIECE_SIZE) await this.#writePiece();
        }
      });
    });
  }

  /**
   * Ends the file. Only now a reader takes it for a snapshot.
   *
   * Durability at return: the file and its name.
   *
   * @param meta The index of the last entry that is in the content, and the content's version.
   * @returns What the file says of its content.
   * @throws {WalError} As {@linkcode write}. Also if the last sync fails: then the file does not count.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { SnapshotFile } from "@durable/wal/snapshot";
   *
   * const options = { logId: "0102030405060708", fileSystem: new MemoryFileSystem() };
   * const writer = await SnapshotFile.create("a.snapshot-1", options);
   * const { pieces, digest } = await writer.finish({ index: 0, version: 1 });
   * assertEquals([pieces, digest.length], [0, 32]);
   * ```
   */
  finish(meta: SnapshotMeta): Promise<SnapshotSummary> {
    return this.#inTurn(async () => {
      const { index, version } = requireMeta(meta);
      const summary = await this.#orGiveUp(async () => {
        if (this.#pieceSize > 0) await this.#writePiece();
        const summary: SnapshotSummary = {
          pieces: this.#pieces,
          bytes: this.#bytes,
          index,
          version,
          digest: this.#hasher.digest(),
        };
        this.#append(dataFrame(encodeSummary(summary)));
        await this.#file.sync();
        // It says that the sync before it has succeeded.
        this.#append(this.#durableFrame());
        await this.#file.sync();
        await this.#fileSystem.syncDirectory(directoryOf(this.path));
        return summary;
      });
      this.#ended = "was finished";
      this.#file.close();
      return summary;
    });
  }

  /**
   * Gives the file up and removes it, as far as that is possible. A second call does nothing, nor does
   * one after {@linkcode finish}.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { SnapshotFile } from "@durable/wal/snapshot";
   *
   * const fileSystem = new MemoryFileSystem();
   * const options = { logId: "0102030405060708", fileSystem };
   * const writer = await SnapshotFile.create("a.snapshot-1", options);
   * await writer.abort();
   * assertEquals(fileSystem.list("."), []);
   * ```
   */
  async abort(): Promise<void> {
    await this.#turn;
    if (this.#ended === undefined) this.#giveUp();
  }

  /** Runs a call after those before it, if the writer has not ended by then. */
  #inTurn<T>(call: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(() => {
      if (this.#ended !== undefined) throw ended(this.path, this.#ended);
      return call();
    });
    this.#turn = result.catch(() => {});
    return result;
  }

  async #orGiveUp<T>(steps: () => Promise<T>): Promise<T> {
    try {
      return await steps();
    } catch (cause) {
      this.#giveUp();
      throw writeFailed(this.path, cause);
    }
  }

  #giveUp(): void {
    this.#ended = "was given up";
    this.#file.close();
    try {
      this.#fileSystem.remove(this.path);
    } catch (error) {
      // No reader takes it for a snapshot.
      if (!isFileSystemError(error)) throw error;
    }
  }

  async #writePiece(): Promise<void> {
    const raw = this.#piece.subarray(0, this.#pieceSize);
    const packed = this.#compress ? zstd?.compress(raw) : undefined;
    const isPacked = packed !== undefined && packed.length <= WORTH_IT * raw.length;
    const content = isPacked ? packed : raw;
    const size = FRAME_HEADER_SIZE + 1 + content.length;
    writeFrameHeader(this.#frame, 0, TYPE_DATA, 1 + content.length);
    this.#frame[FRAME_HEADER_SIZE] = isPacked ? ZSTD : STORED;
    this.#frame.set(content, FRAME_HEADER_SIZE + 1);
    this.#append(this.#frame, size);
    this.#hasher.update(raw);
    this.#pieces++;
    this.#bytes += raw.length;
    this.#pieceSize = 0;
    if (this.#end - this.#synced < PACE) return;
    const end = this.#end;
    await this.#file.syncData();
    this.#synced = end;
  }

  /** Seals the frame in a buffer and writes it at the end. */
  #append(frame: Uint8Array, size: number = frame.length): void {
    this.#checksum.seal(frame, 0, size);
    this.#file.write(frame, this.#end, size);
    this.#end += size;
  }

  #beginning(): Uint8Array {
    const bytes = new Uint8Array(PIECES_AT);
    writeFileHeader(bytes, 2);
    beginInternal(bytes, FILE_HEADER_SIZE, "segment", SEGMENT_SIZE);
    const segment = { logId: this.#logId, firstIndex: FIRST_INDEX, previous: NO_SEGMENT };
    writeSegmentFields(bytes, FILE_HEADER_SIZE + FRAME_HEADER_SIZE, segment);
    bytes.set(dataFrame(encodeHead()), HEAD_AT);
    this.#checksum.seal(bytes, FILE_HEADER_SIZE, bytes.length);
    return bytes;
  }

  #durableFrame(): Uint8Array {
    const bytes = new Uint8Array(DURABLE_FRAME_SIZE);
    beginInternal(bytes, 0, "durable", DURABLE_SIZE);
    writeDurableFields(bytes, FRAME_HEADER_SIZE, this.#logId, FIRST_INDEX, this.#end, this.#end);
    return bytes;
  }
}

/** A Data frame, whose checksum is still to come. */
function dataFrame(payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_SIZE + payload.length);
  writeFrameHeader(frame, 0, TYPE_DATA, payload.length);
  frame.set(payload, FRAME_HEADER_SIZE);
  return frame;
}

function requireMeta(meta: SnapshotMeta): SnapshotMeta {
  requireOptions("snapshot's meta", meta, ["index", "version"]);
  const { index, version } = meta;
  // An index may be 0: a snapshot of no entry.
  if (typeof index !== "number" || !isFirstIndex(index + 1)) {
    throw invalid("snapshot's index", "a whole number from 0 to 2^53 - 2", index);
  }
  if (!Number.isInteger(version) || version < 0 || version > MAX_VERSION) {
    throw invalid("snapshot's version", `a whole number from 0 to ${MAX_VERSION}`, version);
  }
  return { index, version };
}
