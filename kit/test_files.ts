/**
 * The project's test files.
 *
 * @module
 */
import { readdirSync } from "node:fs";
import { ROOT } from "./runtime.ts";

/** The folders that have test files. */
const FOLDERS: readonly string[] = ["tests", "proof", "bench"];

/** Every test file, by its path from the project's folder. */
export function testFiles(): string[] {
  return FOLDERS.flatMap((folder) =>
    readdirSync(`${ROOT}${folder}`, { recursive: true, encoding: "utf8" })
      .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
      .filter((name) => name.endsWith("_test.ts") && !name.includes("node_modules"))
      .sort()
  );
}
