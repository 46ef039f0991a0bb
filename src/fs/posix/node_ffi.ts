/**
 * The C library by `node:ffi`, which Node has from version 26 on. To load that makes Node print a
 * warning, once in a process.
 *
 * @module
 */
import { findBuiltin } from "../builtins.ts";
import { memberOf } from "../file_system.ts";
import { type Flock, FLOCK_LIBRARIES, flockBy } from "./flock.ts";
import {
  C_LIBRARIES,
  type MappedMemory,
  type MemoryCalls,
  refusedHere,
  SHARED,
  toMemory,
} from "./memory_map.ts";

/** The part of `node:ffi` that is used: Node 26 has it. */
interface ForeignFunctions {
  dlopen(library: string, symbols: object): {
    functions: Record<string, ((...args: unknown[]) => unknown) | undefined>;
  };
  getInt32(pointer: bigint): number;
  toArrayBuffer(pointer: bigint, size: number, isCopied: boolean): ArrayBuffer;
}

/** MAP_FAILED of mmap(2). */
const MAP_FAILED = 2n ** 64n - 1n;

function load(): ForeignFunctions | undefined {
  return findBuiltin<ForeignFunctions>("node:ffi");
}

/** The calls that map files, or why there are none. */
export function findMemoryCalls(): MemoryCalls | string {
  const ffi = load();
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
  }).functions as Record<"fstatfs" | "mmap" | "munmap", (...args: unknown[]) => unknown>;
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

/** flock(2) by the C library; undefined without that, or where to load `node:ffi` would show a warning. */
export function findFlockQuietly(): Flock | undefined {
  const ffi = isQuiet() ? load() : undefined;
  if (ffi === undefined) return undefined;
  for (const [library, errnoLocation] of FLOCK_LIBRARIES) {
    try {
      const { flock, [errnoLocation]: locate } = ffi.dlopen(library, {
        flock: { arguments: ["int32", "int32"], return: "int32" },
        [errnoLocation]: { arguments: [], return: "pointer" },
      }).functions;
      if (flock === undefined || locate === undefined) continue;
      return flockBy({
        flock: (descriptor, operation) => Number(flock(descriptor, operation)),
        errno: () => ffi.getInt32(locate() as bigint),
      });
    } catch {
      // Not under this name, or not allowed: the flock program.
    }
  }
  return undefined;
}

/** Whether `node:ffi` shows no warning: it was loaded before, or such warnings are not shown. */
function isQuiet(): boolean {
  const { moduleLoadList = [] } = process as { moduleLoadList?: readonly string[] };
  if (moduleLoadList.includes("NativeModule ffi")) return true;
  // With NODE_NO_WARNINGS=1 or --no-warnings Node itself does not listen.
  if (process.listenerCount("warning") === 0) return true;
  const options = [...process.execArgv, ...(process.env["NODE_OPTIONS"] ?? "").split(" ")];
  return options.includes("--disable-warning=ExperimentalWarning");
}
