/**
 * A copy of the project in a folder of its own, in which one mutation at a time is made.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../../kit/runtime.ts";
import { readCode } from "./code.ts";
import type { Mutation } from "./list.ts";
import { mutated, namesIn, Places } from "./place.ts";

/** What is not copied: installed packages are linked, and the history is not needed. */
const LEFT_OUT: readonly string[] = ["node_modules", ".git"];

/** A copy of the project. */
export class Copy {
  /** The copy's folder, with a slash at its end. */
  readonly root: string;
  readonly #places: Places;

  /** Copies the project as it is in the working tree, for these mutations and others like them. */
  constructor(mutations: readonly Mutation[]) {
    this.root = `${mkdtempSync(join(tmpdir(), "wal-mutations-"))}/`;
    const leftOut = LEFT_OUT.map((name) => join(ROOT, name));
    cpSync(ROOT, this.root, { recursive: true, filter: (path) => !leftOut.includes(path) });
    symlinkSync(join(ROOT, "node_modules"), join(this.root, "node_modules"), "junction");
    this.#places = new Places(readCode(this.root), namesIn(mutations));
  }

  /** Runs `body` while the copy has a mutation. */
  with<T>(mutation: Mutation, body: () => T): T {
    const place = this.#places.of(mutation);
    const path = join(this.root, place.file);
    const text = readFileSync(path, "utf8");
    writeFileSync(path, mutated(text, place));
    try {
      return body();
    } finally {
      writeFileSync(path, text);
    }
  }

  /** The mutations with which the code would not compile, each with what the compiler says. */
  findTypeErrors(mutations: readonly Mutation[]): Map<Mutation, string> {
    // Each mutated file stands beside the one that it was made from, so one run checks all.
    const files = mutations.map((mutation, i) => {
      const place = this.#places.of(mutation);
      const file = place.file.replace(/\.ts$/, `.mutation${i}.ts`);
      const text = readFileSync(join(this.root, place.file), "utf8");
      writeFileSync(join(this.root, file), mutated(text, place));
      return file;
    });
    try {
      const tsc = join(this.root, "node_modules/.bin/tsc");
      const { error, stdout } = spawnSync(tsc, { cwd: this.root, encoding: "utf8" });
      if (error !== undefined) throw error;
      const lines = stdout.split("\n");
      return new Map(mutations.flatMap((mutation, i) => {
        const found = lines.find((line) => line.startsWith(files[i] ?? ""));
        return found === undefined ? [] : [[mutation, found]];
      }));
    } finally {
      for (const file of files) rmSync(join(this.root, file));
    }
  }

  /** Removes the copy. */
  remove(): void {
    rmSync(this.root, { recursive: true });
  }
}
