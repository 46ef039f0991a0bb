/**
 * Opens and walks the files of a damaged log, with one buffer for each use.
 *
 * @module
 */
import { createCRC32, type IHasher } from "hash-wasm";
import { type FileSystem, type FileSystemError, isFileSystemError } from "../fs/file_system.ts";
import { BUFFER_SIZE, createFrameBuffer, FrameReader } from "./frame_reader.ts";
import { exactly } from "./index_range.ts";
import { type Insertion, type Part, stretchOf } from "./log_part.ts";
import { endsWith, PatientFile, type Readable } from "./readable_file.ts";
import type { FileToWalk } from "./walked_file.ts";

/** How long a writer is waited for that may be writing a frame, in tries and milliseconds. */
const LOOKS = 20;
const LOOK_AGAIN_MS = 5;

/** What is known of a file to walk. */
export interface KnownOfFile {
  /** What follows it. */
  readonly next: Part | undefined;
  /** Whether the log ends in it, as far as is known. */
  readonly isLast: boolean;
  /** Whether a writer may be writing it. */
  readonly isWritten?: boolean;
}

/** Opens files, and prepares their walks. */
export class FileWalks {
  readonly #fileSystem: FileSystem;
  readonly #maxEntrySize: number;
  readonly #crc: IHasher;
  /** Of the walk of a segment, of what was set aside in it, and of a walk for its end. */
  readonly #buffers: Uint8Array[] = [];
  /** The id of the log that is read, once it is known. */
  logId: Uint8Array | undefined;

  private constructor(fileSystem: FileSystem, maxEntrySize: number, crc: IHasher) {
    this.#fileSystem = fileSystem;
    this.#maxEntrySize = maxEntrySize;
    this.#crc = crc;
  }

  /**
   * Prepares the walks.
   *
   * @param maxEntrySize The longest entry that a search looks for, in bytes.
   */
  static async create(fileSystem: FileSystem, maxEntrySize: number): Promise<FileWalks> {
    return new FileWalks(fileSystem, maxEntrySize, await createCRC32());
  }

  /** Opens a file; undefined if it is gone. */
  open(path: string): PatientFile | FileSystemError | undefined {
    try {
      return new PatientFile(this.#fileSystem, path);
    } catch (error) {
      if (!isFileSystemError(error)) throw error;
      return error.code === "ENOENT" ? undefined : error;
    }
  }

  /** What a walk of a file needs to know; `use` chooses its buffer. */
  toWalk(
    part: Part,
    readable: Readable,
    { next, isLast, isWritten = false }: KnownOfFile,
    use: 0 | 1 | 2,
  ): FileToWalk {
    const { firstIndex, base } = part;
    const buffer = this.#bufferFor(use, readable.size());
    const start = base === undefined ? { from: 1, to: Infinity } : exactly(firstIndex);
    return {
      reader: new FrameReader(readable, this.#crc, buffer, this.#maxEntrySize),
      base,
      firstIndex,
      isGuess: false,
      start,
      isVersion2: part.isVersion2,
      logId: part.frame?.logId ?? this.logId,
      stated: next?.frame?.previous,
      mayHaveUnusedSpace: isLast,
      lookAgain: isWritten ? lookAgain : (): boolean => false,
      pauses: [],
    };
  }

  #bufferFor(use: number, size: number): Uint8Array {
    const found = this.#buffers[use];
    if (found !== undefined && found.length >= Math.min(size, BUFFER_SIZE)) return found;
    return this.#buffers[use] = createFrameBuffer(size);
  }

  /** Whether two files have the same bytes. */
  isSame(path: string, other: string): boolean {
    const file = this.open(path);
    if (file === undefined || isFileSystemError(file)) return false;
    try {
      return this.isCopy(
        { path: other, segment: 1, offset: 0, copy: 1, within: undefined },
        file,
      );
    } finally {
      file.close();
    }
  }

  /** Whether all that was set aside is still in its place: a crash came before it was cut. */
  isCopy({ path, offset, within }: Insertion, file: Readable): boolean {
    const copy = this.open(path);
    if (copy === undefined || isFileSystemError(copy)) return false;
    try {
      const bytes = within === undefined ? copy : stretchOf(copy, within);
      return file.size() > offset && endsWith(file, offset, bytes);
    } finally {
      copy.close();
    }
  }
}

function lookAgain(look: () => boolean): boolean {
  for (let tries = 0; tries < LOOKS; tries++) {
    if (look()) return true;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_AGAIN_MS);
  }
  return false;
}
