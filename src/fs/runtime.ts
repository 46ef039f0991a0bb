/**
 * The one place that asks which runtime this is.
 *
 * @module
 */
import { WalError } from "../errors.ts";
import type { FileSystem } from "./file_system.ts";

/** Whether this is Bun. */
export function isOnBun(): boolean {
  return "Bun" in globalThis;
}

/**
 * The file system of the runtime that runs this: the one that a log is kept on without the option
 * `fileSystem`, for what is kept beside it.
 *
 * @throws {WalError} `ERR_WAL_RUNTIME`: this is none of Deno, Bun and Node.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { defaultFileSystem } from "@durable/wal";
 *
 * const fileSystem = await defaultFileSystem();
 * assert(fileSystem.list(".").length > 0);
 * ```
 */
export async function defaultFileSystem(): Promise<FileSystem> {
  // Bun and Deno imitate Node, so Node is asked for last.
  if ("Deno" in globalThis) return new (await import("./adapters/deno.ts")).DenoFileSystem();
  if (isOnBun()) return new (await import("./adapters/bun.ts")).BunFileSystem();
  if ("process" in globalThis) return new (await import("./adapters/node.ts")).NodeFileSystem();
  throw new WalError(
    "ERR_WAL_RUNTIME",
    "This runtime is none of Deno, Bun and Node: give { fileSystem }, such as the one of " +
      '"@durable/wal/memory".',
  );
}
