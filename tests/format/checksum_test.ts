/**
 * Sealing and scanning frames, against zlib's CRC-32.
 *
 * @module
 */
import { test } from "node:test";
import { crc32 } from "node:zlib";
import { assert, assertEquals } from "@std/assert";
import { frameChecksum } from "../../src/format/checksum.ts";
import {
  CHECKSUM_AT,
  FRAME_HEADER_SIZE,
  TYPE_DATA,
  TYPE_INTERNAL,
  writeFrameHeader,
} from "../../src/format/frame.ts";
import { readUint32 } from "../../src/format/integers.ts";
import { random } from "../../kit/logs.ts";

const checksum = frameChecksum;

/** Frames of these lengths of random payload, sealed, after `lead` bytes. */
function frames(lengths: readonly number[], lead: number, next: () => number): Uint8Array {
  const size = lengths.reduce((sum, length) => sum + FRAME_HEADER_SIZE + length, lead);
  const buffer = Uint8Array.from({ length: size }, () => next() * 256);
  let at = lead;
  for (const length of lengths) {
    writeFrameHeader(buffer, at, next() < 0.8 ? TYPE_DATA : TYPE_INTERNAL, length);
    checksum.seal(buffer, at, at + FRAME_HEADER_SIZE + length);
    at += FRAME_HEADER_SIZE + length;
  }
  return buffer;
}

/** zlib's checksum of the frame at `at`. */
function expected(buffer: Uint8Array, at: number, length: number): number {
  const payload = at + FRAME_HEADER_SIZE;
  const header = crc32(buffer.subarray(at, at + CHECKSUM_AT));
  return crc32(buffer.subarray(payload, payload + length), header);
}

/** Scans a buffer as it is, and a copy in the kernel's memory, which must give the same. */
function scan(buffer: Uint8Array, end: number, limit = 1 << 20): {
  offsets: number[];
  stop: number;
} {
  const before = buffer.slice();
  const own = checksum.scan(buffer, end, limit);
  const offsets = [...checksum.offsets.subarray(0, own.count)];
  checksum.staging.set(buffer);
  const staged = checksum.scan(checksum.staging, end, limit);
  assertEquals(staged, own);
  assertEquals([...checksum.offsets.subarray(0, own.count)], offsets);
  assert(before.every((byte, i) => byte === buffer[i]), "a scan leaves the bytes as they are");
  return { offsets, stop: own.stop };
}

test("a sealed frame has zlib's CRC-32 of header and payload", { timeout: 60_000 }, () => {
  const next = random(1);
  for (let length = 0; length < 2200; length += length < 300 ? 1 : 37) {
    const buffer = frames([length], 3, next);
    assertEquals(readUint32(buffer, 3 + CHECKSUM_AT), expected(buffer, 3, length), `${length}`);
    assert(checksum.check(buffer, 3, buffer.length, length));
  }
  const large = frames([1_000_003], 0, next);
  assertEquals(readUint32(large, CHECKSUM_AT), expected(large, 0, 1_000_003));
});

test("a frame is not believed beyond its limit or the bytes that are there", () => {
  const buffer = frames([10], 0, random(2));
  assert(checksum.check(buffer, 0, buffer.length, 10));
  assert(!checksum.check(buffer, 0, buffer.length, 9));
  assert(!checksum.check(buffer, 0, buffer.length - 1, 10));
  assert(!checksum.check(buffer, 0, FRAME_HEADER_SIZE - 1, 10));
});

test("a scan finds all frames of a chunk", () => {
  const next = random(3);
  for (let round = 0; round < 200; round++) {
    const lengths = Array.from({ length: round % 20 }, () => Math.floor(next() ** 3 * 400));
    const buffer = frames(lengths, 0, next);
    const { offsets, stop } = scan(buffer, buffer.length);
    assertEquals(offsets.length, lengths.length);
    assertEquals(stop, buffer.length);
    let at = 0;
    for (const [i, length] of lengths.entries()) {
      assertEquals(offsets[i], at);
      at += FRAME_HEADER_SIZE + length;
    }
  }
});

test("a scan stops at the frame that any flipped bit is in", { timeout: 60_000 }, () => {
  const lengths = [0, 7, 7, 7, 40, 0, 0, 3, 130];
  const buffer = frames(lengths, 0, random(4));
  const starts = scan(buffer, buffer.length).offsets;
  assertEquals(starts.length, lengths.length);
  for (let bit = 0; bit < buffer.length * 8; bit++) {
    const at = bit >> 3;
    buffer[at] = (buffer[at] as number) ^ (1 << (bit & 7));
    const hit = starts.filter((start) => start <= at).length - 1;
    const { offsets, stop } = scan(buffer, buffer.length);
    assertEquals(offsets.length, hit, `bit ${bit}`);
    assertEquals(stop, starts[hit], `bit ${bit}`);
    buffer[at] = (buffer[at] as number) ^ (1 << (bit & 7));
  }
});

test("a scan finds two damaged frames, whatever they have in common", { timeout: 60_000 }, () => {
  const next = random(5);
  for (let round = 0; round < 2000; round++) {
    const buffer = frames([20, 20, 20, 20, 20], 0, next);
    const [first, second] = [Math.floor(next() * 5), Math.floor(next() * 5)];
    const bit = Math.floor(next() * 29 * 8);
    for (const frame of new Set([first, second])) {
      const at = frame * 29 + (bit >> 3);
      buffer[at] = (buffer[at] as number) ^ (1 << (bit & 7));
    }
    assertEquals(scan(buffer, buffer.length).offsets.length, Math.min(first, second));
  }
});

test("a scan of a chunk that is cut anywhere finds the whole frames before the cut", () => {
  const lengths = [0, 5, 40, 0, 1];
  const buffer = frames(lengths, 0, random(6));
  const starts = scan(buffer, buffer.length).offsets;
  for (let end = 0; end < buffer.length; end++) {
    const whole = lengths.filter((length, i) => (starts[i] as number) + 9 + length <= end).length;
    assertEquals(scan(buffer, end).offsets.length, whole);
  }
});

test("a scan stops when there is no more room for offsets", () => {
  const most = checksum.offsets.length;
  const buffer = frames(Array(most + 2).fill(0), 0, random(7));
  assertEquals(checksum.scan(buffer, buffer.length, 10), { count: most, stop: most * 9 });
});

test("a payload in pieces has the same checksum", () => {
  const buffer = frames([100_000], 0, random(8));
  const header = buffer.subarray(0, FRAME_HEADER_SIZE);
  const pieces = [buffer.subarray(9, 9 + 70_000), buffer.subarray(9 + 70_000)];
  assert(checksum.checkPieces(header, pieces));
  buffer[50_000] = (buffer[50_000] as number) ^ 1;
  assert(!checksum.checkPieces(header, pieces));
});
