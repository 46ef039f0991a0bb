// @ts-self-types="./mod.d.ts"
// The part of @std/fs that the tests use, for machines that cannot reach JSR.
import { existsSync as exists } from "node:fs";
import { mkdir } from "node:fs/promises";

export function existsSync(path) {
  return exists(path);
}

export async function ensureDir(path) {
  await mkdir(path, { recursive: true });
}
