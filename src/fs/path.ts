/**
 * The two questions the log asks of a path, in the platform's own syntax.
 *
 * @module
 */
import { basename, dirname, join } from "node:path";

/** The directory that a path lies in; `"."` for a bare name. */
export const directoryOf: (path: string) => string = dirname;

/** The last part of a path. */
export const nameOf: (path: string) => string = basename;

/** A name in a directory, as a path. */
export const pathIn: (directory: string, name: string) => string = join;
