/**
 * The messages between a thread that has a log open and one that uses it. Each has all calls, or all
 * answers, of a turn, with the bytes of all entries in one piece of memory, which goes over whole.
 *
 * @module
 */
import type { Entry } from "../entry.ts";

/** By which messages are known, and the version of what is in them. */
export const PROTOCOL: string = "@durable/wal 1";

/** How many bytes of entries an answer has at the most, or one entry. */
export const PIECE: number = 256 * 1024;

/** What a thread asks for. */
export type Request =
  /** The entries are the next of the message's, so many of them. */
  | { readonly kind: "append" | "appendAndSync"; readonly size: number }
  | { readonly kind: "appendBatch" | "appendBatchAndSync"; readonly sizes: readonly number[] }
  | { readonly kind: "getEntry"; readonly index: number }
  /** `isFirst` unless a part of the range was answered before. */
  | {
    readonly kind: "entries";
    readonly from: number | undefined;
    readonly to: number | undefined;
    readonly isFirst: boolean;
  }
  | { readonly kind: "sync" | "refresh" | "close" };

/** A call: what is asked for, and by which number it is answered. */
export interface Call {
  readonly id: number;
  readonly request: Request;
}

/** An entry without its bytes. */
export type EntryHead = Omit<Entry, "data"> & { readonly size: number };

/** What a call is answered with. */
export type Answer =
  /** An index, or nothing. */
  | { readonly kind: "value"; readonly id: number; readonly value: number }
  /** The bytes are the next of the message's. */
  | { readonly kind: "entry"; readonly id: number; readonly size: number }
  | {
    readonly kind: "entries";
    readonly id: number;
    readonly heads: readonly EntryHead[];
    /** The last index of the range, if there is more to come. */
    readonly to: number | undefined;
  }
  | { readonly kind: "error"; readonly id: number; readonly error: SentError };

/** A log, as it was when a message was sent. */
export interface Known {
  readonly path: string;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly durableIndex: number;
}

/** A message to the thread that has the log. */
export interface CallMessage {
  readonly protocol: string;
  readonly calls: readonly Call[];
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A message back. */
export interface AnswerMessage {
  readonly protocol: string;
  readonly answers: readonly Answer[];
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly known: Known;
  /** Whether it is the last one. */
  readonly isLast: boolean;
}

/** An error on its way. */
export interface SentError {
  readonly code: string | undefined;
  readonly message: string;
  /** The fields that its class has. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly cause: { readonly code: unknown; readonly message: string } | undefined;
}

/** Collects bytes to be sent. */
export class Parcel {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(1024);
  #size = 0;

  /** Adds a copy. */
  add(data: Uint8Array): void {
    const end = this.#size + data.length;
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(end, 2 * this.#bytes.length));
      larger.set(this.#bytes.subarray(0, this.#size));
      this.#bytes = larger;
    }
    this.#bytes.set(data, this.#size);
    this.#size = end;
  }

  /** Hands over what was added, in memory of its own. */
  take(): Uint8Array<ArrayBuffer> {
    const bytes = this.#bytes.slice(0, this.#size);
    this.#size = 0;
    // What was large once need not be again.
    if (this.#bytes.length > PIECE) this.#bytes = new Uint8Array(1024);
    return bytes;
  }
}

/** Takes one entry after the other from bytes that were sent. */
export class Unpacker {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /**
   * The next so many bytes.
   *
   * @throws {RangeError} There are fewer.
   */
  take(size: number): Uint8Array {
    const start = this.#at;
    this.#at += size;
    if (this.#at > this.#bytes.length) throw new RangeError("A message is short of bytes.");
    return this.#bytes.subarray(start, this.#at);
  }
}
