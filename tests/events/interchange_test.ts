/**
 * A log of events written on one runtime opens on the others.
 *
 * @module
 */
import { test } from "node:test";
import { join } from "node:path";
import { assertEquals } from "@std/assert";
import { spawnSync } from "../../kit/child.ts";
import { commandOn, ROOT, type Runtime, RUNTIMES } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

/** Opens a log on a runtime, appends, and returns what it held before, a line each. */
function write(runtime: Runtime, path: string, texts: readonly string[]): string[] {
  const program = join(ROOT, "tests/support/write_events.ts");
  const command = commandOn(runtime, program, path, ...texts);
  const { status, stdout, stderr } = spawnSync(command.program, command.args, { encoding: "utf8" });
  assertEquals(status, 0, stderr);
  return stdout.split("\n").filter((line) => line !== "");
}

test(
  "events that one runtime appends, the next reads and continues",
  { timeout: 120_000 },
  () =>
    withFolder((folder) => {
      const path = join(folder, "events.wal");
      const expected: string[] = [];
      for (const runtime of [...RUNTIMES, ...RUNTIMES.slice(0, 1)]) {
        const texts = [`by ${runtime}`, "größer \u{1F512}", "x".repeat(5000)];
        assertEquals(write(runtime, path, texts), expected, runtime);
        for (const text of texts) {
          const index = expected.length + 1;
          expected.push(JSON.stringify({ index, version: 2, hasTime: true, text }));
        }
      }
    }),
);
