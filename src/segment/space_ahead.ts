/**
 * The space that a file has after its last entry: zeros that are written ahead, so that a sync need
 * not make the file's size durable.
 *
 * @module
 */
import type { FileHandle } from "../fs/file_system.ts";

/**
 * Up to how many bytes a sync the file is extended ahead. To write the zeros takes time too, and with
 * more to write the disk gains nothing.
 */
const MAX_BYTES_TO_EXTEND_FOR = 32 * 1024;

/** The file grows by whole pages: a page that is written in part is read first. */
const PAGE_SIZE = 4096;

const ZEROS: Uint8Array = new Uint8Array(64 * 1024);

/** The space ahead of one file's entries. */
export class SpaceAhead {
  readonly #file: FileHandle;
  /** How far to extend the file; 0 once that has failed. */
  #preallocate: number;
  /** Where the zeros end that were written ahead: entries may have taken their place since. */
  #zerosEnd = 0;

  /** @param preallocate How far to extend the file ahead of its entries at the most, in bytes. */
  constructor(file: FileHandle, preallocate: number) {
    this.#file = file;
    this.#preallocate = preallocate;
  }

  /**
   * Extends the file with zeros if what was written since the last sync would not fit once more: by
   * as much as there is, and not before there is a page of it, so that a small log stays small. The
   * zeros are unused space to every reader (case B), and no append waits for them.
   *
   * @param end The end of what is written.
   * @param bytes How much was written since the last sync.
   */
  extend(end: number, bytes: number): void {
    const from = Math.max(this.#zerosEnd, end);
    if (bytes > MAX_BYTES_TO_EXTEND_FOR || from - end >= bytes) return;
    const step = Math.min(this.#preallocate, end);
    if (step === 0 || end < PAGE_SIZE) return;
    this.#zerosEnd = Math.ceil((from + step) / PAGE_SIZE) * PAGE_SIZE;
    try {
      for (let at = from; at < this.#zerosEnd; at += ZEROS.length) {
        this.#file.write(ZEROS, at, Math.min(ZEROS.length, this.#zerosEnd - at));
      }
    } catch {
      // There is no space, say. Entries may still fit, and it is told if they do not; whatever part
      // of the zeros was written is as good as unused space.
      this.#preallocate = 0;
    }
  }

  /**
   * Gives the space after the end back.
   *
   * @throws {FileSystemError} If it could not be given back.
   */
  trim(end: number): void {
    if (this.#zerosEnd <= end) return;
    this.#file.truncate(end);
    this.gone();
  }

  /** The file was cut to the end of its entries. */
  gone(): void {
    this.#zerosEnd = 0;
  }

  /** Takes no more space. */
  stop(): void {
    this.#preallocate = 0;
  }
}
