/**
 * A log written on one runtime opens on the others.
 *
 * @module
 */
import { test } from "node:test";
import { join } from "node:path";
import { assertEquals } from "@std/assert";
import { spawnSync } from "../kit/child.ts";
import { bytes, toHex, withLog } from "../kit/logs.ts";
import { commandOn, ROOT, type Runtime, RUNTIMES } from "../kit/runtime.ts";
import { withFolder } from "../kit/temporary.ts";

/** Opens a log on a runtime, appends, and returns what it held before. */
function write(runtime: Runtime, path: string, format: string, entries: string[]): string[] {
  const program = join(ROOT, "tests/support/write.ts");
  const command = commandOn(runtime, program, path, format, ...entries);
  const { status, stdout, stderr } = spawnSync(command.program, command.args, { encoding: "utf8" });
  assertEquals(status, 0, stderr);
  return stdout === "" ? [] : stdout.trimEnd().split("\n");
}

for (const format of ["1", "2"]) {
  for (const writer of RUNTIMES) {
    test(
      `version ${format}: what ${writer} writes, all read and continue`,
      { timeout: 120_000 },
      () =>
        withFolder(async (folder) => {
          for (const reader of RUNTIMES) {
            const path = join(folder, `${reader}.wal`);
            const entries = ["hello", `by ${writer}`, "größer \u{1F512}", "x".repeat(5000)];
            write(writer, path, format, entries);
            const expected = entries.map((entry) => toHex(bytes(entry)));
            assertEquals(write(reader, path, format, [`more of ${reader}`]), expected);
            const all = [...expected, toHex(bytes(`more of ${reader}`))];
            assertEquals(write(writer, path, format, []), all);
            await withLog(path, {}, (log) => {
              assertEquals(log.recovery.case, "A");
              assertEquals(log.readAll().map(toHex), all);
            });
          }
        }),
    );
  }
}
