/**
 * Maps files on Deno, by `Deno.dlopen`: with `--allow-ffi`, and only where the user has asked for it.
 *
 * @module
 */
import type { FileMapping, MapAccess } from "../file_system.ts";
import {
  C_LIBRARIES,
  type MappedMemory,
  Mappings,
  type MemoryCalls,
  MemoryMapper,
  refusedHere,
  SHARED,
  toMemory,
} from "../posix/memory_map.ts";

/** Which file is meant, by its device and its number there. */
export interface FileNumbers {
  readonly dev: number;
  readonly ino: number | null;
}

type Calls = Record<"open" | "close" | "fstat" | "fstatfs" | "mmap" | "munmap", Call>;
type Call = (...args: unknown[]) => unknown;

/** The part of Deno that is used. */
interface DenoNamespace {
  readonly version: { deno: string };
  readonly permissions: { querySync(permission: { name: "ffi" }): { state: string } };
  dlopen?(library: string, symbols: object): { symbols: Calls };
  readonly UnsafePointer: { value(pointer: unknown): bigint };
  readonly UnsafePointerView: { getArrayBuffer(pointer: unknown, size: number): ArrayBuffer };
}

/** The flags of open(2) on x64 and arm64: O_RDONLY and O_RDWR, with O_CLOEXEC. */
const FLAGS: Readonly<Record<MapAccess, number>> = { read: 0o2000000, write: 0o2000002 };

/** MAP_FAILED of mmap(2). */
const MAP_FAILED = 2n ** 64n - 1n;

/** More than `struct stat` takes; its first two words are the device and the file's number there. */
const STAT_SIZE = 256;

/** Maps files on Deno. */
export class DenoMemory {
  readonly #deno: DenoNamespace = (globalThis as unknown as { Deno: DenoNamespace }).Deno;
  #calls: Calls | undefined;
  readonly #mapper = new MemoryMapper(() => this.#find());

  /** For the mappings of one open file. */
  mappings(): Mappings {
    return new Mappings(this.#mapper);
  }

  /**
   * Maps a part of the file at a path, if it is the one that is meant: an open file of Deno has no
   * descriptor to be mapped by.
   */
  map(
    mappings: Mappings,
    path: string,
    { dev, ino, size: fileSize }: FileNumbers & { readonly size: number },
    offset: number,
    size: number,
    access: MapAccess,
  ): FileMapping | string {
    const refused = this.#mapper.refusal;
    if (refused !== undefined || this.#calls === undefined) return refused ?? "no FFI in Deno";
    const { open, close, fstat } = this.#calls;
    const descriptor = Number(open(new TextEncoder().encode(`${path}\0`), FLAGS[access]));
    if (descriptor < 0) return "the system has refused to open it";
    try {
      const stat = new BigUint64Array(STAT_SIZE / 8);
      const found = fstat(descriptor, stat) === 0;
      if (!found || Number(stat[0]) !== dev || Number(stat[1]) !== ino) return "it was replaced";
      return mappings.map(descriptor, fileSize, offset, size, access);
    } finally {
      close(descriptor);
    }
  }

  #find(): MemoryCalls | string {
    const { dlopen, permissions, version } = this.#deno;
    if (dlopen === undefined) return `no FFI in Deno ${version.deno}`;
    // To ask for a permission that is not granted would stop the program with a prompt.
    if (permissions.querySync({ name: "ffi" }).state !== "granted") {
      return "Deno wants --allow-ffi for it";
    }
    const refused = refusedHere();
    if (refused !== undefined) return refused;
    for (const library of C_LIBRARIES) {
      try {
        this.#calls = open(dlopen, library);
        return this.#memoryCalls(this.#calls);
      } catch {
        // Not under this name.
      }
    }
    return "no C library with fstat was found";
  }

  #memoryCalls({ fstatfs, mmap, munmap }: Calls): MemoryCalls {
    const { UnsafePointer, UnsafePointerView } = this.#deno;
    return {
      statfs: (descriptor, into) => Number(fstatfs(descriptor, into)),
      map(descriptor, offset, size, protection): MappedMemory | undefined {
        const length = BigInt(size);
        const at = mmap(null, length, protection, SHARED, descriptor, BigInt(offset));
        if (at === null || UnsafePointer.value(at) === MAP_FAILED) return undefined;
        return toMemory(
          () => UnsafePointerView.getArrayBuffer(at, size),
          () => munmap(at, length),
        );
      },
    };
  }
}

function open(dlopen: NonNullable<DenoNamespace["dlopen"]>, library: string): Calls {
  return dlopen(library, {
    open: { parameters: ["buffer", "i32"], result: "i32" },
    close: { parameters: ["i32"], result: "i32" },
    fstat: { parameters: ["i32", "buffer"], result: "i32" },
    fstatfs: { parameters: ["i32", "buffer"], result: "i32" },
    mmap: { parameters: ["pointer", "usize", "i32", "i32", "i32", "i64"], result: "pointer" },
    munmap: { parameters: ["pointer", "usize"], result: "i32" },
  }).symbols;
}
