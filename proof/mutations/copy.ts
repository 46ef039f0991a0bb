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
import type { Mutation } from "./list.ts";

/** What is not copied: what is installed is linked, the history is not needed. */
const LEFT_OUT: readonly string[] = ["node_modules", ".git"];

/**
 * The text of a file with a mutation.
 *
 * @throws {Error} If what is to be replaced is not in the text exactly once.
 */
export function mutated(text: string, { name, file, find, replace }: Mutation): string {
  const parts = text.split(find);
  if (parts.length !== 2) {
    throw new Error(`The text of "${name}" is ${parts.length - 1} times in ${file}: mend the list`);
  }
  return parts.join(replace);
}

/** A copy of the project. */
export class Copy {
  /** The copy's folder, with a slash at its end. */
  readonly root: string;

  /** Copies the project as it is in the working tree. */
  constructor() {
    this.root = `${mkdtempSync(join(tmpdir(), "wal-mutations-"))}/`;
    const leftOut = LEFT_OUT.map((name) => join(ROOT, name));
    cpSync(ROOT, this.root, { recursive: true, filter: (path) => !leftOut.includes(path) });
    symlinkSync(join(ROOT, "node_modules"), join(this.root, "node_modules"), "junction");
  }

  /** Runs `body` while the copy has a mutation. */
  with<T>(mutation: Mutation, body: () => T): T {
    const path = join(this.root, mutation.file);
    const text = readFileSync(path, "utf8");
    writeFileSync(path, mutated(text, mutation));
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
      const file = mutation.file.replace(/\.ts$/, `.mutation${i}.ts`);
      const text = readFileSync(join(this.root, mutation.file), "utf8");
      writeFileSync(join(this.root, file), mutated(text, mutation));
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
