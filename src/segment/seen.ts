/**
 * What a reader remembers of a file that its writer may cut and write again. The checksum of each
 * entry's frame shows whether an entry is still the same. The last bytes show a cut.
 *
 * @module
 */
import { CHECKSUM_AT } from "../format/frame.ts";
import { readUint32 } from "../format/integers.ts";
import type { FileHandle } from "../fs/file_system.ts";
import { OffsetIndex } from "./offset_index.ts";

/**
 * How many of the last bytes are remembered. A cut leaves a Durable frame where an entry or a batch
 * began, so what is written after it differs from what was there; that goes unseen only if the last
 * bytes, this many of them, come out the same again.
 */
const TAIL_SIZE = 64 * 1024;

/** What a scan saw of a file, up to an end that moves on. */
export class Seen {
  /** The checksum of each entry's frame. */
  readonly checksums: OffsetIndex = new OffsetIndex();
  #end: number;
  #tail: Uint8Array = new Uint8Array(0);
  #length = 0;

  /** @param end Where the scan begins, in bytes. */
  constructor(end: number) {
    this.#end = end;
  }

  /** Remembers the frames of entries, which begin at some of these places in a buffer. */
  takeEntries(buffer: Uint8Array, starts: Uint32Array, from: number, to: number): void {
    for (let i = from; i < to; i++) {
      this.checksums.push(readUint32(buffer, (starts[i] as number) + CHECKSUM_AT));
    }
  }

  /** Remembers the first `size` bytes of a buffer, which stand at the end in the file. */
  takeBytes(buffer: Uint8Array, size: number): void {
    if (size === 0) return;
    this.#end += size;
    const kept = Math.min(this.#length, Math.max(0, TAIL_SIZE - size));
    const added = Math.min(size, TAIL_SIZE);
    if (this.#tail.length < kept + added) {
      const larger = new Uint8Array(Math.min(TAIL_SIZE, 2 * (kept + added)));
      larger.set(this.#tail.subarray(this.#length - kept, this.#length));
      this.#tail = larger;
    } else {
      this.#tail.copyWithin(0, this.#length - kept, this.#length);
    }
    this.#tail.set(buffer.subarray(size - added, size), kept);
    this.#length = kept + added;
  }

  /** The last bytes up to an offset, to be given to {@linkcode cut}; none of those that are forgotten. */
  tailUpTo(offset: number): Uint8Array {
    return this.#tail.slice(0, Math.max(0, this.#length - (this.#end - offset)));
  }

  /** Forgets what is after an offset, and all but the first `count` entries. */
  cut(offset: number, tail: Uint8Array, count: number): void {
    this.checksums.cut(count);
    this.#end = offset;
    this.#tail = tail;
    this.#length = tail.length;
  }

  /** Whether the file still holds the last bytes where they were. */
  isIn(file: FileHandle): boolean {
    const now = new Uint8Array(this.#length);
    if (file.read(now, this.#end - now.length) < now.length) return false;
    // Four bytes at a time: a follower does this at each look.
    const words = now.length >>> 2;
    const some = new Uint32Array(now.buffer, 0, words);
    const others = new Uint32Array(this.#tail.buffer, 0, words);
    for (let i = 0; i < words; i++) if (some[i] !== others[i]) return false;
    for (let i = 4 * words; i < now.length; i++) if (now[i] !== this.#tail[i]) return false;
    return true;
  }
}
