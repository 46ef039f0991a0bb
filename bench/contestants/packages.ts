/**
 * The peers from npm. They are installed in this folder only, so nothing here is typed by them.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

/** The folder that has them in its node_modules. */
export const FOLDER: string = fileURLToPath(new URL("../", import.meta.url));

/** Loads a package, or a module of the runtime. */
export const load: (name: string) => unknown = createRequire(`${FOLDER}package.json`);

/** The name and version of an installed package. */
export function versionOf(name: string): string {
  const manifest = readFileSync(`${FOLDER}node_modules/${name}/package.json`, "utf8");
  return `${name} ${(JSON.parse(manifest) as { version: string }).version}`;
}
