/**
 * The frame kernel for the host: one instance for the process, and its memory.
 *
 * A log stages frames in the memory and has them sealed, or reads a file's chunk into it and has it
 * scanned. All logs share it, so nothing that is staged survives an `await` or a `yield`: each
 * instance would reserve gigabytes of address space, and a call takes four times as long with many.
 *
 * @module
 */
import { KERNEL as SCALAR } from "./scalar.ts";
import { KERNEL as SIMD } from "./simd.ts";

/** The two builds of the kernel. */
export type KernelBuild = "simd" | "scalar";

/** The kernel's calls and memory. Addresses are offsets in {@linkcode staging}. */
export interface Kernel {
  readonly build: KernelBuild;
  /** Where frames are staged and chunks are read to. */
  readonly staging: Uint8Array;
  /** Where {@linkcode scan} puts the offsets of the frames; as many as it can find at once. */
  readonly offsets: Uint32Array;
  /** The CRC-32 of `count` bytes and of those before them, whose CRC-32 is `checksum`: 0 for none. */
  crc32(checksum: number, at: number, count: number): number;
  /** Writes the checksums of the frames from `at` to `end`, of which all else stands. */
  seal(at: number, end: number): void;
  /** Whether a whole valid frame of at most `maxLength` bytes of payload begins at `at`. */
  check(at: number, end: number, maxLength: number): boolean;
  /** Finds the whole valid frames from `at` on, which follow each other. Returns how many. */
  scan(at: number, end: number, maxLength: number): number;
}

interface Exports {
  readonly memory: WebAssembly.Memory;
  readonly STAGING: WebAssembly.Global;
  readonly STAGING_SIZE: WebAssembly.Global;
  readonly OFFSETS: WebAssembly.Global;
  readonly MAX_FRAMES: WebAssembly.Global;
  crc32(checksum: number, at: number, count: number): number;
  seal(at: number, end: number): void;
  check(at: number, end: number, maxLength: number): number;
  scan(at: number, end: number, maxLength: number): number;
}

/** A function with one SIMD instruction: valid where the runtime knows SIMD. */
// deno-fmt-ignore
const PROBE = new Uint8Array([
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, // "\0asm", version 1
  0x01, 0x04, 0x01, 0x60, 0x00, 0x00, // one type: no parameters, no results
  0x03, 0x02, 0x01, 0x00, // one function, of that type
  0x0a, 0x09, 0x01, 0x07, 0x00, 0x41, 0x00, 0xfd, 0x0f, 0x1a, 0x0b, // i8x16.splat(0), dropped
]);

/** Makes an instance of a build. */
export function createKernel(build: KernelBuild): Kernel {
  const bytes = Uint8Array.from(atob(build === "simd" ? SIMD : SCALAR), (c) => c.charCodeAt(0));
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes));
  const exports = instance.exports as unknown as Exports;
  const { buffer } = exports.memory;
  const base: number = exports.STAGING.value;
  return {
    build,
    staging: new Uint8Array(buffer, base, exports.STAGING_SIZE.value),
    offsets: new Uint32Array(buffer, exports.OFFSETS.value, exports.MAX_FRAMES.value),
    crc32: (checksum, at, count) => exports.crc32(checksum, base + at, count) >>> 0,
    seal: (at, end) => exports.seal(base + at, base + end),
    check: (at, end, maxLength) => exports.check(base + at, base + end, maxLength) !== 0,
    scan: (at, end, maxLength) => exports.scan(base + at, base + end, maxLength),
  };
}

/** The one that the process uses. */
export const kernel: Kernel = createKernel(WebAssembly.validate(PROBE) ? "simd" : "scalar");
