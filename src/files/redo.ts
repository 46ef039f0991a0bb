/**
 * The redo file beside the log: what a file's tail is to be, for as long as the tail is being
 * replaced. A crash in the middle of that leaves the redo file, and the next open finishes it.
 *
 * Two things need it that look as if they did not:
 *
 * - A truncation of entries that a Durable frame covers. A file system overwrites the rest of the
 *   block with zeros, and a crash may leave the zeros with the old size. With Durable frames after
 *   them, this would look like damage to acknowledged entries.
 * - Writing again what a failed fsync may have left in the page cache only. On ext4 the same bytes
 *   over themselves do not reach the disk; the blocks have to be given up first, and a crash in
 *   between would lose them.
 *
 * @module
 */
import { notOurs, outcomeUnknown, WalError } from "../errors.ts";
import type { FrameChecksum } from "../format/checksum.ts";
import { readUint32, writeUint32 } from "../format/integers.ts";
import { mayBegin } from "../format/magic.ts";
import {
  decodeRedoRecord,
  encodeRedoRecord,
  isPossible,
  REDO_BEGINNING,
  REDO_HEAD_SIZE,
  type RedoRecord,
} from "../format/redo_record.ts";
import { type FileHandle, type FileSystem, isNoSpace } from "../fs/file_system.ts";
import { nameOf } from "../fs/path.ts";
import type { LogDirectory } from "../fs/log_directory.ts";
import { copyStretch, pieces, writing } from "../fs/stretch.ts";
import type { Target } from "../segment/target.ts";
import { redoPath } from "./names.ts";

const CHECKSUM_SIZE = 4;

/** What stands after the redo file's checksum while the tail is being replaced. */
const IN_USE: Uint8Array = new Uint8Array([1]);

/** A replacement that was interrupted, and whether it had gone beyond its redo file. */
export type InterruptedRedo = RedoRecord & { readonly isInUse: boolean };

/** The redo file of one log. There is one replacement at a time. */
export class RedoFile {
  readonly #fileSystem: FileSystem;
  readonly #directory: LogDirectory;
  readonly #path: string;
  readonly #permissions: number;
  readonly #checksum: FrameChecksum;

  constructor(
    fileSystem: FileSystem,
    directory: LogDirectory,
    logPath: string,
    permissions: number,
    checksum: FrameChecksum,
  ) {
    this.#fileSystem = fileSystem;
    this.#directory = directory;
    this.#path = redoPath(logPath);
    this.#permissions = permissions;
    this.#checksum = checksum;
  }

  /**
   * Makes durable what a tail is to be: from here on, a crash leaves the old tail or the new one.
   *
   * @param tail The new tail, in pieces; none for a truncation.
   * @param length How long it is, in bytes.
   * @throws {FileSystemError} If it could not be written; then nothing is left of it.
   * @throws {SyncFailedError} If something may be.
   */
  async begin(target: Target, tail: Iterable<Uint8Array>, length: number): Promise<void> {
    const { file, firstIndex, offset } = target;
    const size = file.size();
    const oldChecksum = this.#checksum.crc32Of(pieces(file, offset, size));
    const record = { firstIndex, offset, oldLength: size - offset, oldChecksum, length };
    const redo = this.#directory.create(this.#path, this.#permissions);
    try {
      const checksum = this.#checksum.crc32Of(
        writing(redo, 0, joined(encodeRedoRecord(record), tail)),
      );
      const end = new Uint8Array(CHECKSUM_SIZE);
      writeUint32(end, 0, checksum);
      redo.write(end, REDO_HEAD_SIZE + length);
      await this.#syncAll(redo);
      markInUse(redo, length);
    } catch (error) {
      await this.end();
      throw error;
    } finally {
      redo.close();
    }
  }

  /**
   * The same; false where there is no space for it. A log on a full disk can be opened all the same,
   * with what is written over itself the next best.
   */
  async tryBegin(target: Target, tail: Iterable<Uint8Array>, length: number): Promise<boolean> {
    try {
      await this.begin(target, tail, length);
      return true;
    } catch (error) {
      if (isNoSpace(error)) return false;
      throw error;
    }
  }

  /** Notes in an interrupted replacement's redo file that it is being finished. */
  resume({ length }: Pick<RedoRecord, "length">): void {
    const redo = this.#fileSystem.open(this.#path, "write");
    try {
      markInUse(redo, length);
    } finally {
      redo.close();
    }
  }

  /** Gives a tail up and writes the one that {@linkcode begin} was given, and makes it durable. */
  async finish({ file, offset }: Pick<Target, "file" | "offset">, length: number): Promise<void> {
    file.truncate(offset);
    const redo = this.#fileSystem.open(this.#path, "read");
    try {
      copyStretch(redo, REDO_HEAD_SIZE, REDO_HEAD_SIZE + length, file, offset);
    } finally {
      redo.close();
    }
    await file.sync();
  }

  /**
   * Ends the replacement, which must be durable. From here on the redo file must not come back.
   *
   * @throws {SyncFailedError} If it may.
   */
  async end(): Promise<void> {
    try {
      this.#directory.remove(this.#path);
      await this.#directory.sync();
    } catch (cause) {
      throw outcomeUnknown(this.#path, 0, "the end of a truncation or of a recovery", cause);
    }
  }

  /** Whether there is one, so that a replacement was interrupted, or its beginning. */
  exists(): boolean {
    return this.#fileSystem.list(this.#directory.path).includes(nameOf(this.#path));
  }

  /**
   * The replacement that was interrupted; none if the redo file is not whole.
   *
   * @throws {WalError} `ERR_WAL_FORMAT` if it is something else than a redo file.
   */
  load(): InterruptedRedo | undefined {
    const redo = this.#fileSystem.open(this.#path, "read");
    try {
      const bytes = new Uint8Array(REDO_HEAD_SIZE);
      const head = bytes.subarray(0, redo.read(bytes, 0));
      if (!mayBegin(head, REDO_BEGINNING)) throw notOurs(this.#path, "redo file", "REDO");
      const record = decodeRedoRecord(head);
      if (record === undefined) return undefined;
      const end = REDO_HEAD_SIZE + record.length;
      const rest = redo.size() - end - CHECKSUM_SIZE;
      if (rest !== 0 && rest !== IN_USE.length) return undefined;
      const stored = new Uint8Array(CHECKSUM_SIZE);
      redo.read(stored, end);
      const holds = this.#checksum.crc32Of(pieces(redo, 0, end)) === readUint32(stored, 0);
      if (!holds) return undefined;
      if (!isPossible(record)) throw impossible(this.#path);
      return { ...record, isInUse: rest > 0 };
    } finally {
      redo.close();
    }
  }

  /** The new tail of a replacement that was interrupted. */
  readTail({ length }: Pick<RedoRecord, "length">): Uint8Array {
    const tail = new Uint8Array(length);
    const redo = this.#fileSystem.open(this.#path, "read");
    try {
      redo.read(tail, REDO_HEAD_SIZE);
    } finally {
      redo.close();
    }
    return tail;
  }

  /**
   * Whether a file's tail was not yet being replaced: it is the old one, or is not there at all. Then
   * the redo file may be one that the disk does not have.
   */
  isUntouched(file: FileHandle, redo: InterruptedRedo): boolean {
    const { offset, oldLength, oldChecksum, isInUse } = redo;
    const size = file.size();
    if (size < offset) return true;
    if (isInUse) return false;
    return size === offset + oldLength &&
      this.#checksum.crc32Of(pieces(file, offset, size)) === oldChecksum;
  }

  /** Whether a file holds the new tail, all of it. */
  isFinished(file: FileHandle, { offset, length }: InterruptedRedo): boolean {
    const size = file.size();
    // Nothing is appended before the redo file is gone.
    if (length === 0) return size === offset;
    if (size < offset + length) return false;
    const redo = this.#fileSystem.open(this.#path, "read");
    try {
      const tail = this.#checksum.crc32Of(pieces(redo, REDO_HEAD_SIZE, REDO_HEAD_SIZE + length));
      return this.#checksum.crc32Of(pieces(file, offset, offset + length)) === tail;
    } finally {
      redo.close();
    }
  }

  async #syncAll(redo: FileHandle): Promise<void> {
    try {
      await redo.sync();
      await this.#directory.sync();
    } catch (cause) {
      throw outcomeUnknown(
        this.#path,
        0,
        "the beginning of a truncation or of a recovery",
        cause,
      );
    }
  }
}

/** The error for a redo file that is whole and names a place that no file has. */
function impossible(path: string): WalError {
  return new WalError(
    "ERR_WAL_FORMAT",
    `"${path}" states a replacement at an index or offset that is too large to be. It was not ` +
      "changed, and the log neither. Use the library that wrote it, or move the file away.",
  );
}

/**
 * Notes that the tail is being replaced from here on. That need not be durable. A later process on
 * the same machine sees it, and knows that the redo file is on the disk. After a power cut, what is
 * read of the two files is on the disk anyway.
 */
function markInUse(redo: FileHandle, length: number): void {
  redo.write(IN_USE, REDO_HEAD_SIZE + length + CHECKSUM_SIZE);
}

/** A head, and then what follows it. */
function* joined(head: Uint8Array, tail: Iterable<Uint8Array>): Generator<Uint8Array> {
  yield head;
  yield* tail;
}
