/**
 * The frame kernel beside hash-wasm, in one process: how long it takes to seal a frame, and to check
 * one, in nanoseconds.
 *
 * ```sh
 * npm run bench:kernel
 * ```
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { createCRC32 } from "hash-wasm";
import { frameChecksum } from "../src/format/checksum.ts";
import { FRAME_HEADER_SIZE, TYPE_DATA, writeFrameHeader } from "../src/format/frame.ts";
import { commandOn, RUNTIMES } from "../kit/runtime.ts";
import { median } from "./results.ts";

/** Bytes of an entry. */
const SIZES = [16, 128, 1024];

/** How many frames are staged at a time, as in a batch or a chunk of a file. */
const FRAMES = 200;

const ROUNDS = 15;

/** How often all frames are done in a round. */
const REPEATS = 100;

if (process.argv[2] === "here") await measure();
else {
  for (const runtime of RUNTIMES) {
    const { program, args } = commandOn(runtime, fileURLToPath(import.meta.url), "here");
    const { status } = spawnSync(program, args, { stdio: "inherit" });
    if (status !== 0) process.exitCode = 1;
  }
}

async function measure(): Promise<void> {
  const hash = await createCRC32();
  const { staging } = frameChecksum;
  const runtime = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";
  for (const size of SIZES) {
    const frame = FRAME_HEADER_SIZE + size;
    const entry = Uint8Array.from({ length: size }, (_, i) => 7 + i * 31);
    const own = new Uint8Array(frame * FRAMES);
    const stage = (buffer: Uint8Array): void => {
      for (let at = 0; at < own.length; at += frame) {
        writeFrameHeader(buffer, at, TYPE_DATA, size);
        buffer.set(entry, at + FRAME_HEADER_SIZE);
      }
    };
    /** Sums what it computes, so that nothing is left out as unused. */
    const checksums = (): number => {
      let sum = 0;
      for (let at = 0; at < own.length; at += frame) {
        const digest = hash.init().update(own.subarray(at, at + 5))
          .update(own.subarray(at + FRAME_HEADER_SIZE, at + frame)).digest("binary");
        sum += digest[0] as number;
      }
      return sum;
    };
    const times = interleave({
      "kernel seal": () => {
        stage(staging);
        frameChecksum.seal(staging, 0, own.length);
      },
      "hash-wasm seal": () => {
        stage(own);
        checksums();
      },
      "kernel scan": () => {
        const { count } = frameChecksum.scan(staging, own.length, size);
        if (count !== FRAMES) throw new Error(`A scan found ${count} frames of ${FRAMES}`);
      },
      "hash-wasm scan": checksums,
    });
    const nanoseconds = (name: keyof typeof times): number => median(times[name] ?? []);
    const line = (["seal", "scan"] as const).map((what) => {
      const kernel = nanoseconds(`kernel ${what}`);
      const other = nanoseconds(`hash-wasm ${what}`);
      return `${what} ${kernel.toFixed(0)} ns, hash-wasm ${other.toFixed(0)}, ` +
        `ratio ${(other / kernel).toFixed(1)}`;
    });
    console.log(`${runtime.padEnd(5)} ${String(size).padStart(5)} bytes: ${line.join("; ")}`);
  }
}

/** The nanoseconds a frame of each work. Each round does all of them. */
function interleave<Name extends string>(
  works: Readonly<Record<Name, () => void>>,
): Record<Name, number[]> {
  const names = Object.keys(works) as Name[];
  const times = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<
    Name,
    number[]
  >;
  for (let round = -3; round < ROUNDS; round++) {
    for (const name of names) {
      const start = performance.now();
      for (let i = 0; i < REPEATS; i++) works[name]();
      const time = (performance.now() - start) * 1e6 / (REPEATS * FRAMES);
      // The first rounds warm up.
      if (round >= 0) times[name].push(time);
    }
  }
  return times;
}
