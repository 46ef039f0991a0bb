/**
 * The modules of Node's library that the log needs, taken from the runtime when they are loaded.
 *
 * A bundler for browsers follows imports by their names, and has no such modules. So none is imported
 * by its name, except for its types.
 *
 * @module
 */

/** One of the runtime's modules, or nothing where it has none of that name. */
export function findBuiltin<T>(name: string): T | undefined {
  const { process } = globalThis as { process?: typeof import("node:process") };
  return process?.getBuiltinModule?.(name) as T | undefined;
}

/**
 * One of the runtime's modules, for files on a disk.
 *
 * @throws {Error} The runtime has none of that name.
 */
export function builtin<T>(name: string): T {
  const module = findBuiltin<T>(name);
  if (module !== undefined) return module;
  throw new Error(
    `This runtime has no module "${name}", which files on a disk need: take a current Deno, Bun or ` +
      'Node, or give { fileSystem }, such as the one of "@durable/wal/memory".',
  );
}
