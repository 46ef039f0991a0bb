/**
 * A queue that was written on one runtime opens on the others.
 *
 * @module
 */
import { test } from "node:test";
import { join } from "node:path";
import { assertEquals } from "@std/assert";
import { spawnSync } from "../../kit/child.ts";
import { commandOn, ROOT, type Runtime, RUNTIMES } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

/** Runs the program on a runtime; the lines that it prints. */
function run(runtime: Runtime, path: string, ...messages: string[]): string[] {
  const program = join(ROOT, "tests/support/queue_program.ts");
  const command = commandOn(runtime, program, path, ...messages);
  const { status, stdout, stderr } = spawnSync(command.program, command.args, { encoding: "utf8" });
  assertEquals(status, 0, stderr);
  return stdout === "" ? [] : stdout.trimEnd().split("\n");
}

for (const writer of RUNTIMES) {
  test(
    `what ${writer} enqueues, all deliver and continue`,
    { timeout: 120_000 },
    () =>
      withFolder((folder) => {
        for (const reader of RUNTIMES) {
          const path = join(folder, `${reader}.wal`);
          assertEquals(run(writer, path, "a", "bé", "\u{1F512}", "d"), []);
          assertEquals(run(reader, path, "a", "e"), ["a 1", "bé 1", "\u{1F512} 1", "d 1"]);
          const left = ["\u{1F512} 2", "d 2", "e 1", "dead: bé zu groß"];
          assertEquals(run(writer, path), left);
        }
      }),
  );
}
