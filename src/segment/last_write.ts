/**
 * How a writer knows that what it wrote is still in its file: by the file's size and by four bytes of
 * the last write.
 *
 * @module
 */
import { MAGIC } from "../format/file_header.ts";
import { CHECKSUM_AT } from "../format/frame.ts";
import { readUint32 } from "../format/integers.ts";
import { type FileHandle, isFileSystemError } from "../fs/file_system.ts";

/** What was written last to a file. */
export class LastWrite {
  /** Four bytes of the last write, and where they are. */
  #writtenWord = MAGIC;
  #writtenAt = 0;
  /** The same of the write that has to be there at the next look. */
  #seenWord = MAGIC;
  #seenAt = 0;

  /** Notes a write of the first `size` bytes of a buffer at an offset. */
  note(buffer: Uint8Array, size: number, offset: number): void {
    // What was cut off reads as zeros once something is written after it.
    const last = readUint32(buffer, size - 4);
    this.#writtenAt = offset + (last === 0 ? CHECKSUM_AT : size - 4);
    this.#writtenWord = last === 0 ? readUint32(buffer, CHECKSUM_AT) : last;
  }

  /** Knows the file by its beginning only, as when what was written last is dropped. */
  forget(): void {
    this.#writtenAt = this.#seenAt = 0;
    this.#writtenWord = this.#seenWord = MAGIC;
  }

  /** The next look has to find the last write. */
  checked(): void {
    this.#seenAt = this.#writtenAt;
    this.#seenWord = this.#writtenWord;
  }

  /** Whether the file is as long as what was written, and the write that was seen last is in it. */
  isIn(file: FileHandle, end: number): boolean {
    try {
      const word = new Uint8Array(4);
      // Not by its size, which is told with its times: a write after that takes a sync longer.
      if (file.read(word, end - 1, 1) < 1) return false;
      file.read(word, this.#seenAt);
      return readUint32(word, 0) === this.#seenWord;
    } catch (error) {
      // A file that cannot be read now may be whole all the same.
      if (isFileSystemError(error)) return true;
      throw error;
    }
  }
}
