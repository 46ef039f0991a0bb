/**
 * The entries that the writer writes, by which each is known, and what writer and readers write down.
 *
 * All times are in whole milliseconds of the machine's clock, which all processes share.
 *
 * @module
 */
import { DURABLE_FRAME_SIZE } from "../../src/format/durable_frame.ts";
import { FRAME_HEADER_SIZE } from "../../src/format/frame.ts";

/** Index, serial number, and their sum. */
const MIN_SIZE = 16;

/** The entry whose frame is as long as a Durable frame, so that one may lie where the other lay. */
export const TWIN_SIZE: number = DURABLE_FRAME_SIZE - FRAME_HEADER_SIZE;

/** How many entries a life of the writer may append, each with a serial number of its own. */
export const SERIALS_A_LIFE = 1_000_000;

/** An entry that says which one it is, with at least 16 bytes. */
export function entryOf(index: number, serial: number, size: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(size, MIN_SIZE));
  const view = new DataView(bytes.buffer);
  view.setFloat64(0, index);
  view.setUint32(8, serial);
  view.setUint32(12, sumOf(index, serial, bytes.length));
  for (let i = MIN_SIZE; i < bytes.length; i++) bytes[i] = (serial + i) & 0xff;
  return bytes;
}

/** The serial number of an entry, if it is what was appended under the index. */
export function serialOf(bytes: Uint8Array, index: number): number | undefined {
  if (bytes.length < MIN_SIZE) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const serial = view.getUint32(8);
  const isWhole = view.getFloat64(0) === index &&
    view.getUint32(12) === sumOf(index, serial, bytes.length);
  if (!isWhole) return undefined;
  for (let i = MIN_SIZE; i < bytes.length; i++) {
    if (bytes[i] !== ((serial + i) & 0xff)) return undefined;
  }
  return serial;
}

/** The index that an entry says it has. */
export function indexOf(bytes: Uint8Array): number {
  if (bytes.length < MIN_SIZE) return 0;
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getFloat64(0);
}

function sumOf(index: number, serial: number, size: number): number {
  return (Math.imul(index, 0x9e3779b1) ^ Math.imul(serial, 0x85ebca6b) ^ size) >>> 0;
}

/** What the writer does to the log. */
export type Act =
  | { readonly do: "open" }
  | { readonly do: "append"; readonly index: number; readonly serials: readonly number[] }
  | { readonly do: "truncateFrom" | "truncateBefore" | "reset"; readonly index: number };

/** What an open finds. */
export interface Found {
  readonly firstIndex: number;
  readonly serials: readonly number[];
}

/** A line of the writer's. One act is over before the next begins, or the writer was killed. */
export type ActLine =
  | { readonly kind: "begin"; readonly at: number; readonly act: Act }
  | { readonly kind: "end"; readonly at: number; readonly found?: Found };

/** Between when something was asked of a handle, and since when the handle was opened. */
export interface Asked {
  readonly opened: number;
  readonly from: number;
  readonly to: number;
}

/** A line of the readers'. */
export type SeenLine =
  /** The entries of a range, or the first of them; by their serial numbers, `null` for a wrong one. */
  | {
    readonly see: "entries";
    readonly by: string;
    readonly asked: Asked;
    readonly first: number;
    readonly last: number;
    readonly serials: readonly (number | null)[];
  }
  /** A call that throws. Without an index it is the open. */
  | {
    readonly see: "error";
    readonly by: string;
    readonly asked: Asked;
    readonly index?: number;
    readonly error: Thrown;
  }
  /** A follower begins, on a handle that was opened before. */
  | {
    readonly see: "follow";
    readonly id: number;
    readonly by: string;
    readonly opened: number;
    readonly at: number;
  }
  | {
    readonly see: "next";
    readonly id: number;
    readonly at: number;
    readonly index: number;
    readonly serial: number | null;
  }
  /** It was overtaken, or has failed. `next` is the index that it would have given. */
  | {
    readonly see: "failed";
    readonly id: number;
    readonly at: number;
    readonly next: number | undefined;
    readonly error: Thrown;
  }
  /** It has seen all, or has waited for the last entry for too long. */
  | { readonly see: "finished"; readonly id: number; readonly isLate: boolean };

/** An error, and its code if it is one of the log's. */
export interface Thrown {
  readonly code: string | undefined;
  readonly message: string;
}

/** Names of the files in a pair's folder. */
export const FILES = {
  log: "log/a.wal",
  acts: "acts.jsonl",
  seen: "seen.jsonl",
  /** Is there once the writer is to append its last entry. */
  finish: "finish",
  /** Is there once it has: the last index and its serial number. */
  last: "last",
} as const;
