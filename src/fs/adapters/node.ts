/**
 * Files on Node.
 *
 * @example
 * ```ts ignore
 * import { Wal } from "@durable/wal";
 * import { NodeFileSystem } from "@durable/wal/node";
 *
 * const log = await Wal.open("data/server.wal", { fileSystem: new NodeFileSystem() });
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
import { memberOf } from "../file_system.ts";
import { takeLock } from "../posix/lock_file.ts";
import {
  C_LIBRARIES,
  type MappedMemory,
  type MemoryCalls,
  MemoryMapper,
  refusedHere,
  SHARED,
  toMemory,
} from "../posix/memory_map.ts";
import { nodeFiles } from "../posix/node_file.ts";
import { guardOnNode, lockOwner, tryLockOnNode } from "../posix/node_lock.ts";
import { toFileSystemError } from "../posix/system_call.ts";

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

const { fsyncSync } = builtin<typeof import("node:fs")>("node:fs");

/**
 * The file system of Node, by `node:fs`.
 *
 * Node has no flock(2); on Linux a run of the `flock` program takes it on our descriptor, where it
 * stays when the program has ended. Without that program the lock is a checked record of the
 * process (`stats().lock` is `"record"`).
 */
export class NodeFileSystem implements FileSystem {
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
    requireSyncs(path);
    return await takeLock(this, path, lockOwner("node"), () => tryLockOnNode(path, permissions));
  }

  /** Takes the kernel's lock on a file, or throws `LockedError`. */
  guard(path: string): Guard | Promise<Guard> {
    return guardOnNode(path);
  }
}

/** The part of `node:ffi` that is used: Node 26 has it. */
interface ForeignFunctions {
  dlopen(library: string, symbols: object): {
    functions: Record<"fstatfs" | "mmap" | "munmap", (...args: unknown[]) => unknown>;
  };
  toArrayBuffer(pointer: bigint, size: number, isCopied: boolean): ArrayBuffer;
}

/** MAP_FAILED of mmap(2). */
const MAP_FAILED = 2n ** 64n - 1n;

/** The calls that map files, or why there are none. */
function findMemoryCalls(): MemoryCalls | string {
  const ffi = findBuiltin<ForeignFunctions>("node:ffi");
  if (ffi === undefined) return `no FFI in Node ${process.versions.node}`;
  const refused = refusedHere();
  if (refused !== undefined) return refused;
  for (const library of C_LIBRARIES) {
    try {
      return memoryCalls(ffi, library);
    } catch (error) {
      const isDenied = memberOf(error, "code") === "ERR_ACCESS_DENIED";
      if (isDenied) return "Node's permission model wants --allow-ffi for it";
      // Not under this name.
    }
  }
  return "no C library was found";
}

function memoryCalls(ffi: ForeignFunctions, library: string): MemoryCalls {
  const { fstatfs, mmap, munmap } = ffi.dlopen(library, {
    fstatfs: { arguments: ["int32", "pointer"], return: "int32" },
    mmap: {
      arguments: ["pointer", "uint64", "int32", "int32", "int32", "int64"],
      return: "pointer",
    },
    munmap: { arguments: ["pointer", "uint64"], return: "int32" },
  }).functions;
  return {
    statfs: (descriptor, into) => Number(fstatfs(descriptor, into)),
    map(descriptor, offset, size, protection): MappedMemory | undefined {
      const length = BigInt(size);
      const address = mmap(0n, length, protection, SHARED, descriptor, BigInt(offset));
      if (typeof address !== "bigint" || address === MAP_FAILED) return undefined;
      return toMemory(
        () => ffi.toArrayBuffer(address, size, false),
        () => munmap(address, length),
      );
    },
  };
}

/**
 * Refuses to begin what could never be made durable: Node's permission model refuses fsync,
 * whatever it grants. It does so before it looks at the descriptor, which here is one that no file
 * has.
 */
function requireSyncs(path: string): void {
  try {
    fsyncSync(2 ** 31 - 1);
  } catch (error) {
    if (memberOf(error, "code") === "ERR_ACCESS_DENIED") {
      throw toFileSystemError(error, "Fsync", path);
    }
  }
}
