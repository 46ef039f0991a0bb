/**
 * The program that is started to see how runtimes end: with each build of the kernel, and without it.
 *
 * @module
 */
import { test } from "node:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assertEquals } from "@std/assert";
import { KERNEL_USES, start } from "./starts.ts";
import { RUNTIME } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

for (const use of KERNEL_USES) {
  test(`a program ends as it should, kernel ${use}`, { timeout: 120_000 }, () => {
    const { starts, bad } = start(RUNTIME, use, { starts: 2, seed: 1 });
    assertEquals([starts, [...bad]], [2, []]);
  });
}

test("starts that do not end as they should are counted by how they ended", () =>
  withFolder((folder) => {
    const program = join(folder, "runtime");
    const ends = ["kill -SEGV $$", "exit 3", "kill -SEGV $$", "exit 0"];
    const lines = ends.map((end, i) => `${i + 1}) ${end} ;;`).join("\n");
    const count = `echo run >> ${folder}/runs; case $(wc -l < ${folder}/runs | tr -d ' ') in`;
    writeFileSync(program, `#!/bin/sh\necho said\n${count}\n${lines}\nesac\n`);
    chmodSync(program, 0o755);
    const { bad } = start(RUNTIME, "none", { starts: ends.length, seed: 1, program });
    assertEquals([...bad], [
      ["SIGSEGV", { count: 2, printed: "said\n" }],
      ["exit code 3, wrong output", { count: 1, printed: "said\n" }],
      ["exit code 0, wrong output", { count: 1, printed: "said\n" }],
    ]);
  }));
