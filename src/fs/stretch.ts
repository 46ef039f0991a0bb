/**
 * A stretch of a file, read or copied a piece at a time, so that no file's size decides how much memory
 * is taken.
 *
 * @module
 */
import type { FileHandle } from "./file_system.ts";

/** How much is read at a time, in bytes. */
const CHUNK_SIZE = 1024 * 1024;

/** A part of a stretch. */
export interface Window {
  readonly bytes: Uint8Array;
  /** Where in the file it begins. */
  readonly base: number;
  /** How many of the bytes are not in the next window too. */
  readonly usable: number;
}

/**
 * Reads a stretch of a file in windows. Each window holds the first `overlap` bytes of the next, so
 * that what begins in a window's usable bytes is whole in it. The bytes are overwritten by the next
 * window.
 */
export function* windows(
  file: FileHandle,
  from: number,
  to: number,
  overlap: number,
): Generator<Window> {
  const buffer = new Uint8Array(Math.min(CHUNK_SIZE, Math.max(0, to - from)));
  for (let base = from; base < to;) {
    const n = file.read(buffer, base, Math.min(buffer.length, to - base));
    const last = base + n >= to || n <= overlap;
    const usable = last ? n : n - overlap;
    yield { bytes: buffer.subarray(0, n), base, usable };
    if (last) return;
    base += usable;
  }
}

/** Reads a stretch of a file a piece at a time; a piece is overwritten by the next. */
export function* pieces(file: FileHandle, from: number, to: number): Generator<Uint8Array> {
  for (const { bytes } of windows(file, from, to, 0)) yield bytes;
}

/** Writes pieces into a file from an offset on, one after the other, and passes each on. */
export function* writing(
  file: FileHandle,
  offset: number,
  pieces: Iterable<Uint8Array>,
): Generator<Uint8Array> {
  let at = offset;
  for (const piece of pieces) {
    file.write(piece, at);
    at += piece.length;
    yield piece;
  }
}

/** Copies the bytes `from` up to `to` of a file to an offset of another, or of the same. */
export function copyStretch(
  source: FileHandle,
  from: number,
  to: number,
  file: FileHandle,
  offset: number,
): void {
  for (const _ of writing(file, offset, pieces(source, from, to)));
}
