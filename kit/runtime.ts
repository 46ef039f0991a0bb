/**
 * The runtimes: which one runs a test, and how a program is started on any of them.
 *
 * @module
 */
import process from "node:process";
import { fileURLToPath } from "node:url";

/** A runtime the project supports. */
export type Runtime = "deno" | "bun" | "node";

/** All of them. */
export const RUNTIMES: readonly Runtime[] = ["deno", "bun", "node"];

/** The one that runs this. */
export const RUNTIME: Runtime = "Deno" in globalThis
  ? "deno"
  : "Bun" in globalThis
  ? "bun"
  : "node";

/** The project's folder, with a slash at its end. */
export const ROOT: string = fileURLToPath(new URL("../", import.meta.url));

/** A program and its arguments, as `spawn` takes them. */
export interface Command {
  readonly program: string;
  readonly args: string[];
}

/** How to run a TypeScript file of the project on the runtime that runs this. */
export function command(file: string, ...args: string[]): Command {
  return commandOn(RUNTIME, file, ...args);
}

/** How to run a TypeScript file of the project on a runtime. */
export function commandOn(runtime: Runtime, file: string, ...args: string[]): Command {
  const program = runtime === RUNTIME ? process.execPath : `${ROOT}node_modules/.bin/${runtime}`;
  const before = runtime === "deno"
    ? ["run", "--allow-all", "--quiet", "--config", `${ROOT}deno.offline.json`]
    : [];
  return { program, args: [...before, file, ...args] };
}
