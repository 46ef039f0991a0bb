/**
 * Reads one snapshot file: its beginning and its end when it is opened, and its pieces one by one.
 *
 * @module
 */
import type { IHasher } from "hash-wasm";
import { WalError } from "../errors.ts";
import { frameChecksum } from "../format/checksum.ts";
import { isInPlace } from "../format/durable_frame.ts";
import { FILE_HEADER_SIZE, readFileHeader } from "../format/file_header.ts";
import { FRAME_HEADER_SIZE, frameLengthAt, TYPE_DATA, TYPE_INTERNAL } from "../format/frame.ts";
import { type InternalFrame, readInternalPayload } from "../format/kinds.ts";
import { isFirstIndex } from "../format/limits.ts";
import { hexOf } from "../format/log_id.ts";
import { type FileHandle, type FileSystem, isFileSystemError } from "../fs/file_system.ts";
import {
  damaged,
  ended,
  missing,
  noZstd,
  ofAnotherLog,
  ofLaterVersion,
  readFailed,
} from "./errors.ts";
import {
  bytesOfHex,
  decodeHead,
  decodeSummary,
  END_SIZE,
  FIRST_INDEX,
  FORMAT,
  HEAD_AT,
  LAST_FRAME_SIZE,
  MAX_PIECE_FRAME_SIZE,
  PIECE_SIZE,
  PIECES_AT,
  type SnapshotSummary,
  STORED,
  ZSTD,
} from "./format.ts";
import { zstd } from "./zstd.ts";

/** What a reader needs to know, all of it checked. */
export interface ReaderSetting {
  readonly path: string;
  readonly fileSystem: FileSystem;
  /** The log that it has to be of; `undefined` for any. */
  readonly logId: string | undefined;
  readonly hasher: IHasher;
}

/** A frame whose checksum holds. */
interface Frame {
  readonly type: number;
  readonly payload: Uint8Array;
  /** Where it ends in the file. */
  readonly next: number;
}

/**
 * A finished snapshot file, open to be read.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { MemoryFileSystem } from "@durable/wal/memory";
 * import { SnapshotFile, type SnapshotReader } from "@durable/wal/snapshot";
 *
 * const options = { logId: "0102030405060708", fileSystem: new MemoryFileSystem() };
 * const writer = await SnapshotFile.create("a.snapshot-1", options);
 * await writer.write(new Uint8Array(70_000));
 * await writer.finish({ index: 5, version: 2 });
 *
 * const file: SnapshotReader = await SnapshotFile.open("a.snapshot-1", options);
 * assertEquals([file.index, file.version, file.pieceCount], [5, 2, 2]);
 * file.close();
 * ```
 */
export class SnapshotReader {
  /** The file's path. */
  readonly path: string;
  /** The id of the log that it is of. */
  readonly logId: string;
  readonly #file: FileHandle;
  readonly #hasher: IHasher;
  /** Where the last Data frame begins. */
  readonly #piecesEnd: number;
  readonly #summary: SnapshotSummary;
  #isOpen = true;

  /**
   * Opens the file; use `SnapshotFile.open`.
   *
   * @ignore
   */
  constructor({ path, fileSystem, logId, hasher }: ReaderSetting) {
    this.path = path;
    this.#hasher = hasher;
    try {
      this.#file = fileSystem.open(path, "read");
    } catch (cause) {
      const isMissing = isFileSystemError(cause) && cause.code === "ENOENT";
      throw isMissing ? missing(path, cause) : readFailed(path, cause);
    }
    try {
      this.logId = this.#read(() => this.#readBeginning(logId));
      const { summary, at } = this.#read(() => this.#readEnd());
      this.#summary = summary;
      this.#piecesEnd = at;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The index of the last entry that is in the snapshot. */
  get index(): number {
    return this.#summary.index;
  }

  /** The version of the content, the application's own. */
  get version(): number {
    return this.#summary.version;
  }

  /** The size of the content in bytes. */
  get byteLength(): number {
    return this.#summary.bytes;
  }

  /** How many pieces the content is in. */
  get pieceCount(): number {
    return this.#summary.pieces;
  }

  /** XXH3 of 128 bits over the content, in 32 hexadecimal digits. */
  get digest(): string {
    return this.#summary.digest;
  }

  /**
   * Reads the content, a piece at a time. It is whole once the loop has ended without an error: do not
   * use what was read before that.
   *
   * @yields At most 64 KiB, in memory that the next piece uses again.
   * @throws {WalError} `ERR_SNAPSHOT_DAMAGED`: a piece, or the digest of all, does not hold.
   * `ERR_SNAPSHOT_ZSTD`: a piece is compressed, and the runtime has no zstd. `ERR_SNAPSHOT_ENDED`: the
   * file was closed. `ERR_WAL_IO`.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { MemoryFileSystem } from "@durable/wal/memory";
   * import { SnapshotFile } from "@durable/wal/snapshot";
   *
   * const options = { logId: "0102030405060708", fileSystem: new MemoryFileSystem() };
   * const writer = await SnapshotFile.create("a.snapshot-1", options);
   * await writer.write(new Uint8Array(70_000));
   * await writer.finish({ index: 5, version: 1 });
   *
   * const file = await SnapshotFile.open("a.snapshot-1", options);
   * assertEquals(Array.from(file.pieces(), (piece) => piece.length), [65_536, 4_464]);
   * file.close();
   * ```
   */
  *pieces(): Generator<Uint8Array, void, undefined> {
    const buffer = new Uint8Array(MAX_PIECE_FRAME_SIZE);
    const { pieces, bytes, digest } = this.#summary;
    let size = 0;
    let offset = PIECES_AT;
    this.#hasher.init();
    for (let count = 0; count < pieces; count++) {
      if (!this.#isOpen) throw ended(this.path, "was closed");
      const at = offset;
      const frame = this.#read(() => this.#frameAt(at, this.#piecesEnd, buffer));
      if (frame?.type !== TYPE_DATA) throw damaged(this.path, at, "there is no whole piece");
      const piece = this.#unpack(frame.payload, at);
      this.#hasher.update(piece);
      size += piece.length;
      offset = frame.next;
      yield piece;
    }
    if (offset !== this.#piecesEnd || size !== bytes || this.#hasher.digest() !== digest) {
      const found = `${pieces} pieces of ${size} bytes end at offset ${offset}`;
      throw damaged(this.path, this.#piecesEnd, `its content is not what its end says: ${found}`);
    }
  }

  /** Gives the file back. A second call does nothing. */
  close(): void {
    this.#isOpen = false;
    this.#file.close();
  }

  /** Gives the file back at the end of a block that holds it with `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  #unpack(payload: Uint8Array, offset: number): Uint8Array {
    const content = payload.subarray(1);
    if (payload[0] === STORED) return content;
    if (payload[0] !== ZSTD) throw damaged(this.path, offset, `a piece of the kind ${payload[0]}`);
    if (zstd === undefined) throw noZstd(this.path, offset);
    try {
      return zstd.decompress(content, PIECE_SIZE);
    } catch {
      throw damaged(this.path, offset, "what was compressed cannot be decompressed");
    }
  }

  /** Checks how the file begins, and returns the id of its log. */
  #readBeginning(wanted: string | undefined): string {
    const bytes = new Uint8Array(PIECES_AT);
    const n = this.#file.read(bytes, 0);
    const header = readFileHeader(bytes.subarray(0, n));
    if (header.kind === "unknown version") {
      throw ofLaterVersion(this.path, `the format ${header.version} of a log's file`);
    }
    if (header.kind !== "valid" || header.version !== 2) {
      throw damaged(this.path, 0, "it does not begin as a snapshot file");
    }
    const segment = internalOf(frameIn(bytes, FILE_HEADER_SIZE, n));
    if (segment?.kind !== "segment") throw damaged(this.path, FILE_HEADER_SIZE, "no Segment frame");
    const logId = hexOf(segment.logId);
    if (wanted !== undefined && logId !== wanted) throw ofAnotherLog(this.path, logId, wanted);
    const head = frameIn(bytes, HEAD_AT, n);
    const format = head?.type === TYPE_DATA ? decodeHead(head.payload) : undefined;
    if (format === undefined) throw damaged(this.path, HEAD_AT, "no head of a snapshot");
    if (format !== FORMAT) throw ofLaterVersion(this.path, `the format ${format} of snapshots`);
    return logId;
  }

  /** Checks how the file ends; returns what it says, and where the pieces end. */
  #readEnd(): { summary: SnapshotSummary; at: number } {
    const size = this.#file.size();
    const at = size - END_SIZE;
    if (at < PIECES_AT) {
      throw damaged(this.path, size, "it has no end: it was never finished, or cut");
    }
    const bytes = new Uint8Array(END_SIZE);
    const n = this.#file.read(bytes, at);
    const last = frameIn(bytes, 0, n);
    const durable = internalOf(frameIn(bytes, LAST_FRAME_SIZE, n));
    const offset = at + LAST_FRAME_SIZE;
    const isCovered = durable?.kind === "durable" && durable.durableOffset === offset &&
      isInPlace(durable, bytesOfHex(this.logId), FIRST_INDEX, offset);
    const summary = last?.type === TYPE_DATA ? decodeSummary(last.payload) : undefined;
    if (!isCovered || summary === undefined || !isFirstIndex(summary.index + 1)) {
      throw damaged(this.path, at, "it has no end: it was never finished, or cut");
    }
    return { summary, at };
  }

  /** The whole frame at an offset that ends at most at `limit`. */
  #frameAt(offset: number, limit: number, buffer: Uint8Array): Frame | undefined {
    const wanted = Math.min(buffer.length, limit - offset);
    const n = wanted > 0 ? this.#file.read(buffer, offset, wanted) : 0;
    const frame = frameIn(buffer, 0, n);
    return frame === undefined ? undefined : { ...frame, next: offset + frame.next };
  }

  #read<T>(read: () => T): T {
    try {
      return read();
    } catch (cause) {
      if (cause instanceof WalError) throw cause;
      throw readFailed(this.path, cause);
    }
  }
}

/** The frame at an offset of a buffer that has `end` bytes, if it is whole and its checksum holds. */
function frameIn(buffer: Uint8Array, at: number, end: number): Frame | undefined {
  if (!frameChecksum.check(buffer, at, end, MAX_PIECE_FRAME_SIZE)) return undefined;
  const from = at + FRAME_HEADER_SIZE;
  const next = from + frameLengthAt(buffer, at);
  return { type: buffer[at] ?? 0, payload: buffer.subarray(from, next), next };
}

function internalOf(frame: Frame | undefined): InternalFrame | undefined {
  return frame?.type === TYPE_INTERNAL ? readInternalPayload(frame.payload) : undefined;
}
