/**
 * A tail that was being replaced when a crash came: what the files become if opening finishes it.
 *
 * @module
 */
import { WalError } from "../errors.ts";
import { type FrameChecksum, frameChecksum } from "../format/checksum.ts";
import { decodeRedoRecord, META_FILE, REDO_HEAD_SIZE } from "../format/redo_record.ts";
import { type FileSystem, isFileSystemError } from "../fs/file_system.ts";
import { metaPath, redoPath, segmentPath } from "../files/names.ts";
import type { FileWalks } from "./file_walks.ts";
import type { Insertion, Part } from "./log_part.ts";
import { readStart, redoFile } from "./log_files.ts";
import { type Readable, spliced } from "./readable_file.ts";

/** A tail that is being replaced. */
export interface Replacement {
  readonly firstIndex: number;
  readonly offset: number;
  readonly length: number;
}

/** A file whose tail is replaced. */
export interface Redone {
  over(file: Readable): Readable;
  close(): void;
}

/** The tail of a log that is being replaced, if one is. */
export class ReplacedTail {
  readonly #fileSystem: FileSystem;
  readonly #path: string;
  readonly #walks: FileWalks;
  readonly #checksum: FrameChecksum = frameChecksum;
  /** What opening would put in place. */
  readonly replacement: Replacement | undefined;

  constructor(fileSystem: FileSystem, path: string, walks: FileWalks) {
    this.#fileSystem = fileSystem;
    this.#path = path;
    this.#walks = walks;
    this.replacement = this.#findReplacement();
  }

  /** What a part's file becomes if opening finishes the replacement of its tail. */
  over({ firstIndex, isSetAside }: Part): Redone | undefined {
    const replacement = this.replacement;
    if (replacement?.firstIndex !== firstIndex || isSetAside) return undefined;
    const { offset, length } = replacement;
    const redo = this.#walks.open(redoPath(this.#path));
    if (redo === undefined || isFileSystemError(redo)) return undefined;
    return {
      over: (file) => spliced(file, offset, redo, REDO_HEAD_SIZE, length),
      close: () => redo.close(),
    };
  }

  /** The tail in a redo file that is not whole, if the segment does not have it. */
  damagedRedo({ firstIndex }: Part): Insertion[] {
    if (this.replacement !== undefined) return [];
    const path = redoPath(this.#path);
    const head = readStart(this.#fileSystem, path, REDO_HEAD_SIZE);
    const record = head === undefined ? undefined : decodeRedoRecord(head);
    if (record === undefined || record.firstIndex !== firstIndex || record.length === 0) return [];
    const { offset, length } = record;
    const within = { offset: REDO_HEAD_SIZE, length };
    return [{ path, segment: firstIndex, offset, copy: 1, within }];
  }

  /** The replacement of a tail that a crash interrupted, and that opening would finish. */
  #findReplacement(): Replacement | undefined {
    try {
      const redo = redoFile(this.#fileSystem, this.#path, this.#checksum);
      if (!redo.exists()) return undefined;
      const record = redo.load();
      if (record === undefined) return undefined;
      const path = record.firstIndex === META_FILE
        ? metaPath(this.#path)
        : segmentPath(this.#path, record.firstIndex);
      const file = this.#fileSystem.open(path, "read");
      try {
        return redo.isUntouched(file, record) ? undefined : record;
      } finally {
        file.close();
      }
    } catch (error) {
      // One that cannot be read, or is something else, replaces nothing.
      if (isFileSystemError(error) || error instanceof WalError) return undefined;
      throw error;
    }
  }
}
