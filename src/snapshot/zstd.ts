/**
 * The runtime's own zstd, where it has one: Node from 22.15 on, Bun and Deno.
 *
 * @module
 */
import { findBuiltin } from "../fs/builtins.ts";

/** The parts of `node:zlib` that are used; a runtime may have none of them. */
interface Zlib {
  readonly zstdCompressSync?: (bytes: Uint8Array, options: ZstdOptions) => Uint8Array;
  readonly zstdDecompressSync?: (bytes: Uint8Array, options: ZstdOptions) => Uint8Array;
  readonly constants?: { readonly ZSTD_c_compressionLevel?: number };
}

interface ZstdOptions {
  readonly params?: Readonly<Record<number, number>>;
  readonly maxOutputLength?: number;
  readonly chunkSize?: number;
}

/** Compresses and decompresses, in one call each. */
export interface Zstd {
  compress(bytes: Uint8Array): Uint8Array;
  /** @throws If they are no zstd, or of more than `size` bytes. */
  decompress(bytes: Uint8Array, size: number): Uint8Array;
}

/** A snapshot is taken beside the application: the fastest level is the one that stalls it least. */
const LEVEL = 1;

/**
 * What a call makes room for at a time, in bytes. Node gives that back by its garbage collector: of the
 * usual 16 KiB for each piece, a snapshot of 256 MiB makes it walk through the whole state twice.
 */
const CHUNK = 4 * 1024;

/** The runtime's zstd; `undefined` where it has none. */
export const zstd: Zstd | undefined = find(findBuiltin<Zlib>("node:zlib"));

function find(zlib: Zlib | undefined): Zstd | undefined {
  const { zstdCompressSync, zstdDecompressSync, constants } = zlib ?? {};
  if (zstdCompressSync === undefined || zstdDecompressSync === undefined) return undefined;
  const level = constants?.ZSTD_c_compressionLevel;
  const params = level === undefined ? {} : { [level]: LEVEL };
  const options = { params, chunkSize: CHUNK };
  return {
    compress: (bytes) => zstdCompressSync(bytes, options),
    decompress: (bytes, size) => zstdDecompressSync(bytes, { maxOutputLength: size }),
  };
}
