/**
 * The frame kernel against two other implementations of CRC-32, and against hostile bytes.
 *
 * @module
 */
import { test } from "node:test";
import { join } from "node:path";
import { crc32 as zlibCrc32 } from "node:zlib";
import { createCRC32 } from "hash-wasm";
import { assert, assertEquals } from "@std/assert";
import { createKernel, type Kernel, kernel as chosen } from "../../src/format/kernel/kernel.ts";
import { spawnSync } from "../../kit/child.ts";
import { random } from "../../kit/logs.ts";
import { commandOn, ROOT } from "../../kit/runtime.ts";

const TIMEOUT = { timeout: 120_000 };

const hashWasm = await createCRC32();

/** Bytes that a seed repeats. */
function noise(size: number, seed: number): Uint8Array {
  const next = random(seed);
  return Uint8Array.from({ length: size }, () => next() * 256);
}

const BYTES = noise(1 << 20, 1);

/** The two others, which must agree. */
function expected(bytes: Uint8Array): number {
  const one = zlibCrc32(bytes);
  const other = Number.parseInt(hashWasm.init().update(bytes).digest("hex"), 16);
  assertEquals(other, one);
  return one;
}

/** Frames one after the other at the start of the staging area. Returns where each begins. */
function stage(kernel: Kernel, payloads: readonly Uint8Array[], type: number = 1): number[] {
  let at = 0;
  const starts = payloads.map((payload) => {
    const start = at;
    const view = new DataView(kernel.staging.buffer, kernel.staging.byteOffset + at);
    view.setUint8(0, type);
    view.setUint32(1, payload.length);
    kernel.staging.set(payload, at + 9);
    at += 9 + payload.length;
    return start;
  });
  return [...starts, at];
}

test("the process uses the build with SIMD here", () => {
  assertEquals(chosen.build, "simd");
});

for (const build of ["simd", "scalar"] as const) {
  const kernel = createKernel(build);

  const crcOf = (bytes: Uint8Array, at: number): number => {
    kernel.staging.set(bytes, at);
    return kernel.crc32(0, at, bytes.length);
  };

  test(`${build}: every length to 2,200 at 16 alignments`, TIMEOUT, () => {
    for (let length = 0; length <= 2200; length++) {
      const bytes = BYTES.subarray(length, 2 * length);
      const wanted = expected(bytes);
      for (let at = 0; at < 16; at++) {
        const found = crcOf(bytes, at);
        if (found !== wanted) assertEquals(found, wanted, `${length} bytes at ${at}`);
      }
    }
  });

  test(`${build}: every length around each edge of the tiers at 64 alignments`, TIMEOUT, () => {
    for (const edge of [56, 72, 304, 335, 400, 512, 8192, 8192 + 304, 16_384, 16_384 + 304]) {
      for (let length = edge - 20; length <= edge + 36; length++) {
        const bytes = BYTES.subarray(7, 7 + length);
        const wanted = expected(bytes);
        for (let at = 0; at < 64; at++) {
          const found = crcOf(bytes, at);
          if (found !== wanted) assertEquals(found, wanted, `${length} bytes at ${at}`);
        }
      }
    }
  });

  test(`${build}: large random lengths, whole and in pieces`, TIMEOUT, () => {
    const next = random(2);
    for (let i = 0; i < 150; i++) {
      const bytes = BYTES.subarray(Math.floor(next() * 64), Math.floor(next() * BYTES.length));
      const wanted = expected(bytes);
      assertEquals(crcOf(bytes, 0), wanted);
      let checksum = 0;
      for (let at = 0; at < bytes.length;) {
        const count = Math.min(bytes.length - at, Math.floor(next() * 20_000));
        kernel.staging.set(bytes.subarray(at, at + count), 3);
        checksum = kernel.crc32(checksum, 3, count);
        at += count;
      }
      assertEquals(checksum, wanted);
    }
  });

  test(`${build}: frames are sealed, and found again, as zlib would have them`, TIMEOUT, () => {
    const next = random(3);
    for (let round = 0; round < 40; round++) {
      const count = 1 + Math.floor(next() * 60);
      const payloads = Array.from({ length: count }, () => {
        const from = Math.floor(next() * 1000);
        return BYTES.subarray(from, from + Math.floor(next() ** 3 * 15_000));
      });
      const starts = stage(kernel, payloads, 1 + round % 2);
      const end = starts.at(-1) ?? 0;
      kernel.seal(0, end);
      const before = kernel.staging.slice(0, end);
      for (const [i, payload] of payloads.entries()) {
        const start = starts[i] ?? 0;
        const view = new DataView(before.buffer, start);
        const checksum = zlibCrc32(payload, zlibCrc32(before.subarray(start, start + 5)));
        assertEquals(view.getUint32(5), checksum);
        assert(kernel.check(start, end, 15_000));
        assertEquals(kernel.check(start, start + 8 + payload.length, 15_000), false);
      }
      assertEquals(kernel.scan(0, end, 15_000), count);
      assertEquals(Array.from(kernel.offsets.subarray(0, count)), starts.slice(0, -1));
      assertEquals(kernel.staging.subarray(0, end), before, "a scan leaves the bytes as they were");
    }
  });

  test(`${build}: a scan stops at the first frame that has any wrong bit`, TIMEOUT, () => {
    const payloads = [0, 1, 5, 64, 71, 72, 100, 511, 512, 600].map((size) =>
      BYTES.subarray(0, size)
    );
    const starts = stage(kernel, payloads);
    const end = starts.at(-1) ?? 0;
    kernel.seal(0, end);
    for (let at = 0; at < end; at++) {
      for (let bit = 1; bit < 256; bit <<= 1) {
        const { staging } = kernel;
        staging[at] = (staging[at] ?? 0) ^ bit;
        const found = kernel.scan(0, end, 1000);
        staging[at] = (staging[at] ?? 0) ^ bit;
        const frame = starts.findLastIndex((start) => start <= at);
        if (found !== frame) assertEquals(found, frame, `bit ${bit} of byte ${at}`);
      }
    }
    assertEquals(kernel.scan(0, end, 1000), payloads.length);
    assertEquals(kernel.scan(0, end, 599), payloads.length - 1, "the last is above the limit");
  });

  test(`${build}: hostile bytes never trap, and nothing is read after them`, TIMEOUT, () => {
    const next = random(4);
    for (let round = 0; round < 3000; round++) {
      const size = Math.floor(next() * (round % 10 === 0 ? kernel.staging.length + 1 : 400));
      const from = Math.floor(next() * (BYTES.length - size));
      const at = kernel.staging.length - size;
      kernel.staging.set(BYTES.subarray(from, from + size), at);
      // Plausible types, and lengths of every magnitude.
      for (let i = at; i + 9 < kernel.staging.length; i += 9 + Math.floor(next() * 50)) {
        const view = new DataView(kernel.staging.buffer, kernel.staging.byteOffset + i);
        view.setUint8(0, 1 + Math.floor(next() * 2));
        view.setUint32(1, Math.floor(2 ** (32 * next() ** 2)) - 1);
      }
      const before = kernel.staging.slice(at);
      const count = kernel.scan(at, kernel.staging.length, 0xffff_ffff);
      assert(count <= Math.floor(size / 9));
      kernel.check(at, kernel.staging.length, 0xffff_ffff);
      assertEquals(kernel.staging.subarray(at), before);
    }
  });
}

test("the committed modules are what the source builds", TIMEOUT, () => {
  const { program, args } = commandOn("node", join(ROOT, "scripts/build_kernel.ts"), "--check");
  const { status, stderr } = spawnSync(program, args, { encoding: "utf8", cwd: ROOT });
  assertEquals(stderr, "");
  assertEquals(status, 0);
});
