/**
 * A file system that counts the files that are open.
 *
 * @module
 */
import type { FileHandle, FileSystem } from "../../mod.ts";

/** A file system that counts the files that are open. */
export function counted(fileSystem: FileSystem): { fileSystem: FileSystem; count: () => number } {
  const open = new Set<FileHandle>();
  const openOne: FileSystem["open"] = (...args) => {
    const file = fileSystem.open(...args);
    const close = file.close.bind(file);
    open.add(file);
    file.close = (): void => {
      open.delete(file);
      close();
    };
    return file;
  };
  const counting = new Proxy(fileSystem, {
    get(target, name: keyof FileSystem): unknown {
      if (name === "open") return openOne;
      const member: unknown = target[name];
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
  return { fileSystem: counting, count: () => open.size };
}
