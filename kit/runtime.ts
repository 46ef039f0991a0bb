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

/**
 * A runtime in the version that the project pins, or Node 26 beside it, which `npm ci --prefix kit/node26`
 * installs.
 */
export type Edition = Runtime | "node26";

/** All of them. */
export const EDITIONS: readonly Edition[] = [...RUNTIMES, "node26"];

/** The runtime that an edition is of. */
export function runtimeOf(edition: Edition): Runtime {
  return edition === "node26" ? "node" : edition;
}

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
export function commandOn(edition: Edition, file: string, ...args: string[]): Command {
  const folder = edition === "node26" ? `${ROOT}kit/node26/` : ROOT;
  const installed = `${folder}node_modules/.bin/${runtimeOf(edition)}`;
  const program = edition === RUNTIME ? process.execPath : installed;
  const before = edition === "deno"
    ? ["run", "--allow-all", "--quiet", "--config", `${ROOT}deno.offline.json`]
    : [];
  return { program, args: [...before, file, ...args] };
}
