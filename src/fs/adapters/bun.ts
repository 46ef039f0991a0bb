/**
 * Files on Bun.
 *
 * @example
 * ```ts ignore
 * import { Wal } from "@durable/wal";
 * import { BunFileSystem } from "@durable/wal/bun";
 *
 * const log = await Wal.open("data/server.wal", { fileSystem: new BunFileSystem() });
 * await log.close();
 * ```
 *
 * @module
 */
import { builtin, findBuiltin } from "../builtins.ts";
import type {
  Directory,
  FileHandle,
  FileSystem,
  Guard,
  OpenMode,
  WriterLock,
} from "../file_system.ts";
import { type Flock, FLOCK_LIBRARIES, flockBy } from "../posix/flock.ts";
import { takeLock } from "../posix/lock_file.ts";
import {
  C_LIBRARIES,
  type CopyBytes,
  type MappedMemory,
  type MemoryCalls,
  MemoryMapper,
  refusedHere,
  SHARED,
  toMemory,
} from "../posix/memory_map.ts";
import { nodeFiles } from "../posix/node_file.ts";
import { flockByProgram, guardBy, lockOwner, tryLock } from "../posix/node_lock.ts";

export type {
  Directory,
  FileHandle,
  FileMapping,
  FileSystem,
  Guard,
  MapAccess,
  OpenMode,
  WriterLock,
} from "../file_system.ts";

const { Buffer } = builtin<typeof import("node:buffer")>("node:buffer");

/** The part of `bun:ffi` that is used. */
interface ForeignFunctions {
  dlopen(library: string, symbols: object): {
    symbols: Record<string, (...args: number[]) => number>;
  };
  ptr(bytes: Uint8Array): number;
  toArrayBuffer(pointer: number, offset: number, size: number): ArrayBuffer;
  readonly read: { i32(pointer: number, offset: number): number };
}

/** The file system of Bun: `node:fs` for the files, flock(2) by `bun:ffi` for the lock. */
export class BunFileSystem implements FileSystem {
  /** Takes flock(2), once the way to it was found. */
  #flock: Flock | undefined;
  readonly #mapper = new MemoryMapper(findMemoryCalls);

  /** Opens a file. */
  open(path: string, mode: OpenMode, permissions?: number): FileHandle {
    return nodeFiles.open(path, mode, permissions, this.#mapper);
  }

  /** The names in a directory. */
  list(directory: string): string[] {
    return nodeFiles.list(directory);
  }

  /** Which file or directory a name leads to. */
  identify(path: string): string | undefined {
    return nodeFiles.identify(path);
  }

  /** When a file was last written or cut. */
  modified(path: string): number {
    return nodeFiles.modified(path);
  }

  /** The one path of a file or directory. */
  realPath(path: string): string {
    return nodeFiles.realPath(path);
  }

  /** Removes a file. */
  remove(path: string): void {
    nodeFiles.remove(path);
  }

  /** Makes one directory. */
  makeDirectory(path: string, permissions: number): void {
    nodeFiles.makeDirectory(path, permissions);
  }

  /** Opens a directory to be synced. */
  openDirectory(path: string): Directory {
    return nodeFiles.openDirectory(path);
  }

  /** Makes the names in a directory durable. */
  syncDirectory(path: string): Promise<void> {
    return nodeFiles.syncDirectory(path);
  }

  /** Reports changes in a directory. */
  watch(directory: string, onChange: (name?: string) => void): (() => void) | undefined {
    return nodeFiles.watch(directory, onChange);
  }

  /** Takes the lock, or throws `LockedError`. */
  async lock(path: string, permissions: number): Promise<WriterLock> {
    const flock = this.#flock ?? await this.#findFlock();
    return await takeLock(this, path, lockOwner("bun"), () => tryLock(flock, path, permissions));
  }

  /** Takes the kernel's lock on a file, or throws `LockedError`. */
  guard(path: string): Guard | Promise<Guard> {
    if (this.#flock !== undefined) return guardBy(this.#flock, path);
    return this.#findFlock().then((flock) => guardBy(flock, path));
  }

  async #findFlock(): Promise<Flock> {
    // A literal specifier would be resolved, and refused, by tools of the other runtimes.
    const name = "bun:ffi";
    this.#flock = findFlock(await import(name) as ForeignFunctions) ?? flockByProgram;
    return this.#flock;
  }
}

/** flock(2) by the C library; undefined where that is not found. */
function findFlock({ dlopen, read }: ForeignFunctions): Flock | undefined {
  for (const [library, errnoLocation] of FLOCK_LIBRARIES) {
    try {
      const { flock, [errnoLocation]: locate } = dlopen(library, {
        flock: { args: ["i32", "i32"], returns: "i32" },
        [errnoLocation]: { args: [], returns: "ptr" },
      }).symbols;
      if (flock === undefined || locate === undefined) continue;
      return flockBy({ flock, errno: () => read.i32(locate(), 0) });
    } catch {
      // Not under this name: the next one, and without any the flock program.
    }
  }
  return undefined;
}

/** The calls that map files, or why there are none. */
function findMemoryCalls(): MemoryCalls | string {
  const ffi = findBuiltin<ForeignFunctions>("bun:ffi");
  if (ffi === undefined) return `no FFI in Bun ${process.versions["bun"]}`;
  const refused = refusedHere();
  if (refused !== undefined) return refused;
  for (const library of C_LIBRARIES) {
    try {
      return memoryCalls(ffi, library);
    } catch {
      // Not under this name.
    }
  }
  return "no C library was found";
}

function memoryCalls(ffi: ForeignFunctions, library: string): MemoryCalls {
  const { fstatfs, mmap, munmap } = ffi.dlopen(library, {
    fstatfs: { args: ["i32", "ptr"], returns: "i32" },
    mmap: { args: ["ptr", "u64", "i32", "i32", "i32", "i64"], returns: "ptr" },
    munmap: { args: ["ptr", "u64"], returns: "i32" },
  }).symbols as Record<"fstatfs" | "mmap" | "munmap", (...args: unknown[]) => unknown>;
  return {
    statfs: (descriptor, into) => Number(fstatfs(descriptor, ffi.ptr(into))),
    map(descriptor, offset, size, protection): MappedMemory | undefined {
      const address = mmap(null, size, protection, SHARED, descriptor, offset);
      // What failed is -1, which is no number that JavaScript can hold.
      if (typeof address !== "number" || address <= 0) return undefined;
      const free = (): void => void munmap(address, size);
      return { ...toMemory(() => ffi.toArrayBuffer(address, 0, size), free), copy: copyBytes };
    },
  };
}

const { copy } = Buffer.prototype;

/** To make a view takes longer on Bun than the copy itself. */
const copyBytes: CopyBytes = (from, start, end, into, at) => {
  copy.call(from, into, at, start, end);
};
