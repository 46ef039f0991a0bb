/**
 * The Seal of a segment whose file has its place already: it is written when the next segment is in
 * use, so that no entry there waits for it.
 *
 * Its first bytes, with its checksum, are written last. So a file that has them has all of it.
 *
 * @module
 */
import { SEAL_TRAILER_SIZE } from "../format/seal_frame.ts";
import type { SealToWrite } from "./seal_pieces.ts";

/** A part of a file, to be written. */
interface Part {
  readonly bytes: Uint8Array;
  readonly offset: number;
}

/** A Seal that is written in parts. Each part has to be durable before the next is written. */
export class LateSeal {
  /** Where it ends, and the file with it, in bytes. */
  readonly end: number;
  /** The checksum in its header. */
  readonly checksum: number;
  readonly #trailer: Part;
  readonly #parts: Part[];

  readonly #write: (bytes: Uint8Array, offset: number) => void;

  /**
   * @param start Where it begins.
   * @param write Writes to the file.
   */
  constructor(
    { head, body, checksum }: SealToWrite,
    start: number,
    write: (bytes: Uint8Array, offset: number) => void,
  ) {
    this.#write = write;
    let offset = start + head.length;
    this.#parts = body.map((bytes) => {
      const part = { bytes, offset };
      offset += bytes.length;
      return part;
    });
    this.#parts.push({ bytes: head, offset: start });
    this.end = offset;
    const last = body.at(-1) ?? head;
    const bytes = last.subarray(last.length - SEAL_TRAILER_SIZE);
    this.#trailer = { bytes, offset: offset - SEAL_TRAILER_SIZE };
    this.checksum = checksum;
  }

  /** Whether all of it is written. */
  get isWritten(): boolean {
    return this.#parts.length === 0;
  }

  /**
   * Writes its last bytes, which give the file its size.
   *
   * @throws {FileSystemError} If they cannot be written.
   */
  takePlace(): void {
    this.#write(this.#trailer.bytes, this.#trailer.offset);
  }

  /**
   * Writes the next part.
   *
   * @throws {FileSystemError} If it cannot be written. It is still the next then.
   */
  writePart(): void {
    const [part] = this.#parts;
    if (part === undefined) return;
    this.#write(part.bytes, part.offset);
    this.#parts.shift();
  }
}
