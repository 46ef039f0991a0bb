/**
 * The fields of which a record is made: unsigned numbers, texts and bytes, one after the other.
 *
 * A number is big-endian with a fixed size, or of variable length: seven bits a byte, the low ones
 * first, and bit 7 says that more follow (LEB128).
 *
 * @module
 */
const ENCODER = new TextEncoder();

/** A text that begins with U+FEFF keeps it. What is no UTF-8 is refused. */
const DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The largest number of six bytes: milliseconds of some 8,900 years. */
export const MAX_UINT48: number = 2 ** 48 - 1;

/** Writes fields into memory that grows. */
export class FieldWriter {
  #bytes: Uint8Array;
  #end = 0;

  /** @param capacity How many bytes are taken at first. */
  constructor(capacity: number = 64) {
    this.#bytes = new Uint8Array(capacity);
  }

  /** A number below 256. */
  uint8(value: number): void {
    this.#room(1);
    this.#bytes[this.#end++] = value;
  }

  /** A number below 2^48. */
  uint48(value: number): void {
    this.#big(value, 6);
  }

  /** A number below 2^53, in eight bytes. */
  uint64(value: number): void {
    this.#big(value, 8);
  }

  /** A number below 2^53, in as few bytes as it needs. */
  varint(value: number): void {
    this.#room(8);
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.#bytes[this.#end++] = rest % 128 + 128;
    this.#bytes[this.#end++] = rest;
  }

  /** A text, after its size in bytes. */
  text(value: string): void {
    const bytes = ENCODER.encode(value);
    this.varint(bytes.length);
    this.bytes(bytes);
  }

  /** Bytes, without their number. */
  bytes(value: Uint8Array): void {
    this.#room(value.length);
    this.#bytes.set(value, this.#end);
    this.#end += value.length;
  }

  /** How many bytes were written. */
  get size(): number {
    return this.#end;
  }

  /** All that was written, in the writer's own memory: nothing may be written after it. */
  done(): Uint8Array {
    return this.#bytes.subarray(0, this.#end);
  }

  #big(value: number, size: number): void {
    this.#room(size);
    let rest = value;
    for (let at = this.#end + size - 1; at >= this.#end; at--) {
      this.#bytes[at] = rest % 256;
      rest = Math.floor(rest / 256);
    }
    this.#end += size;
  }

  #room(size: number): void {
    if (this.#end + size <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#end + size));
    larger.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = larger;
  }
}

/** The bytes end within a field, or are none of its kind. */
export class NoField extends Error {}

/** Reads fields in their order. Every method throws {@linkcode NoField} where there is none. */
export class FieldReader {
  readonly #bytes: Uint8Array;
  #at: number;

  /** @param at Where the first field begins. */
  constructor(bytes: Uint8Array, at: number = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** Where the next field begins. */
  get at(): number {
    return this.#at;
  }

  /** Whether all was read. */
  get isOver(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** A number of one byte. */
  uint8(): number {
    const value = this.#bytes[this.#at];
    if (value === undefined) throw new NoField("It ends too early");
    this.#at++;
    return value;
  }

  /** A number of six bytes. */
  uint48(): number {
    return this.#big(6);
  }

  /** A number of eight bytes, which must be below 2^53. */
  uint64(): number {
    return this.#big(8);
  }

  /** A number of variable length, which must be below 2^53. */
  varint(): number {
    let value = 0;
    for (let unit = 1;; unit *= 128) {
      const byte = this.uint8();
      value += (byte & 127) * unit;
      if (!Number.isSafeInteger(value)) throw new NoField("A number is too large");
      if (byte < 128) return value;
    }
  }

  /** A text. */
  text(): string {
    const size = this.varint();
    return this.#utf8(this.#at + size);
  }

  /** A text without its size, to the end. */
  lastText(): string {
    return this.#utf8(this.#bytes.length);
  }

  #utf8(end: number): string {
    if (end > this.#bytes.length) throw new NoField("It ends too early");
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    try {
      return DECODER.decode(bytes);
    } catch {
      throw new NoField("A text is not UTF-8");
    }
  }

  #big(size: number): number {
    let value = 0;
    for (let i = 0; i < size; i++) value = value * 256 + this.uint8();
    if (!Number.isSafeInteger(value)) throw new NoField("A number is too large");
    return value;
  }
}
