/**
 * The questions that the log asks of a path, in the platform's own syntax. Where the runtime has no
 * `node:path`, as in a browser, paths have the syntax of POSIX.
 *
 * @module
 */
import { findBuiltin } from "./builtins.ts";

/** The part of `node:path` that is used. */
type Paths = Pick<typeof import("node:path"), "basename" | "dirname" | "join">;

const paths: Paths = findBuiltin<Paths>("node:path") ?? {
  basename: (path) => path.replace(/\/+$/, "").replace(/^.*\//s, ""),
  dirname: (path) => {
    const [, directory] = /^(.*?)\/+[^/]*\/*$/s.exec(path) ?? [];
    return directory === undefined ? "." : directory === "" ? "/" : directory;
  },
  join: (...parts) => parts.filter((part) => part !== "." && part !== "").join("/") || ".",
};

/** The directory that a path lies in; `"."` for a bare name. */
export function directoryOf(path: string): string {
  return paths.dirname(path);
}

/** The last part of a path. */
export function nameOf(path: string): string {
  return paths.basename(path);
}

/** A name in a directory, as a path. */
export function pathIn(directory: string, name: string): string {
  return paths.join(directory, name);
}
