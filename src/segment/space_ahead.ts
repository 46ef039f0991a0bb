/**
 * The space that a file has after its last entry: zeros that are written ahead, so that a sync need
 * not make the file's size durable.
 *
 * @module
 */
import type { FileHandle, FileMapping } from "../fs/file_system.ts";
import { MAP_ALIGNMENT } from "../fs/file_system.ts";
import { mapFile } from "../fs/mapped_file.ts";

/**
 * Up to how many bytes a sync the file is extended ahead. To write the zeros takes time too, and with
 * more to write the disk gains nothing.
 */
const MAX_BYTES_TO_EXTEND_FOR = 32 * 1024;

/**
 * After how many bytes without a sync the next are stored into mapped zeros. What is synced in small
 * groups is written: the first store to a page after a sync takes longer than a write.
 */
const MIN_BYTES_TO_STORE = 32 * 1024;

/**
 * The largest piece that is stored, in bytes. To write the zeros first, and to map their pages, takes
 * longer for a larger one than the system call that it spares.
 */
const MAX_STORE = 2048;

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
  /** Whether to store into zeros that are mapped; false once they could not be. */
  #isMapped: boolean;
  /** The zeros, and what is before them in their first page. */
  #mapping: FileMapping | undefined;

  /**
   * @param preallocate How far to extend the file ahead of its entries at the most, in bytes.
   * @param isMapped Whether what is not synced soon is stored into mapped zeros.
   */
  constructor(file: FileHandle, preallocate: number, isMapped: boolean = false) {
    this.#file = file;
    this.#preallocate = preallocate;
    this.#isMapped = isMapped;
  }

  /**
   * Stores bytes at the end of the entries instead of writing them, if they are not to be synced
   * soon: into zeros that were written, so that no space has to be found for them later.
   *
   * @param data The first `size` bytes of this.
   * @param end The end of what is written.
   * @param unsynced How many bytes were written since the last sync.
   * @returns Whether they are stored; if not, nothing was done to the entries.
   */
  store(data: Uint8Array, size: number, end: number, unsynced: number): boolean {
    if (!this.#isMapped || size > MAX_STORE || unsynced < MIN_BYTES_TO_STORE) return false;
    return this.#mapping?.store(data, end, size) === true || this.#storeInNext(data, size, end);
  }

  /** The same in the next zeros, which are written and mapped for it. */
  #storeInNext(data: Uint8Array, size: number, end: number): boolean {
    this.#unmap();
    const step = Math.min(this.#preallocate, end);
    if (step < MAX_STORE) return false;
    if (this.#zerosEnd < end + size) this.#extendBy(Math.max(this.#zerosEnd, end), step);
    if (this.#preallocate === 0) return false;
    const from = end - end % MAP_ALIGNMENT;
    const mapping = mapFile(this.#file, from, this.#zerosEnd - from, "write");
    this.#isMapped = typeof mapping !== "string";
    if (typeof mapping === "string") return false;
    this.#mapping = mapping;
    return mapping.store(data, end, size);
  }

  #unmap(): void {
    this.#mapping?.unmap();
    this.#mapping = undefined;
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
    this.#extendBy(from, step);
  }

  /** Writes about so many zeros from an offset on; after one failure never again. */
  #extendBy(from: number, step: number): void {
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
    this.#unmap();
    this.#zerosEnd = 0;
  }

  /** Takes no more space. */
  stop(): void {
    this.#unmap();
    this.#isMapped = false;
    this.#preallocate = 0;
  }
}
