/**
 * The clock: turns and timers that still work where the global ones are fakes.
 *
 * @module
 */
import { test } from "node:test";
import { join } from "node:path";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { clock, pause } from "../../src/fs/clock.ts";
import { spawnSync } from "../../kit/child.ts";
import { command, commandOn, ROOT } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

for (const when of ["before", "after"]) {
  for (const where of ["globals", "modules too"]) {
    test(`a log works with timers that were faked ${when} it was loaded (${where})`, {
      timeout: 60_000,
    }, () =>
      withFolder((folder) => {
        const file = join(ROOT, "tests/support/faked_timers.ts");
        const { program, args } = command(file, join(folder, "a.wal"), when, where);
        const { stdout, stderr } = spawnSync(program, args, { encoding: "utf8", timeout: 30_000 });
        const wanted = ["appended 1,2,3", "told the file", "followed 1,2,3,4", "closed true", ""];
        assertEquals([stdout, stderr], [wanted.join("\n"), ""]);
      }));
  }
}

test("a log works with the fake timers of Bun's own test runner", { timeout: 60_000 }, () => {
  const { program } = commandOn("bun", "");
  const args = ["test", "--timeout", "20000", "./tests/support/faked_by_bun.ts"];
  const { status, stderr } = spawnSync(program, args, { cwd: ROOT, encoding: "utf8" });
  assertMatch(stderr, /1 pass/);
  assertEquals(status, 0);
});

test("a turn lets others have theirs, and a timer that was taken back is silent", async () => {
  const order: string[] = [];
  setTimeout(() => order.push("timer"), 0);
  while (!order.includes("timer")) await clock.endOfTurn();
  const timer = clock.after(1, () => order.push("cancelled"));
  clock.after(1, () => order.push("after"));
  timer.cancel();
  timer.cancel();
  await pause(20);
  assertEquals(order, ["timer", "after"]);
  const start = performance.now();
  await pause(30);
  assert(performance.now() - start >= 29);
});
