/**
 * A machine and a map that were written on one runtime, with snapshots and messages that were not handed
 * over, open on the others.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { test } from "node:test";
import { spawnSync } from "../../kit/child.ts";
import { commandOn, ROOT, RUNTIME, RUNTIMES } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

const PROGRAM = join(ROOT, "tests/support/write_machine.ts");

test("a machine and a map of one runtime open on the others", { timeout: 120_000 }, async () => {
  await withFolder((folder) => {
    const numbers: number[] = [];
    const items: [string, string][] = [];
    const messages: string[] = [];
    for (const runtime of [RUNTIME, ...RUNTIMES, RUNTIME]) {
      const n = numbers.length / 2 + 1;
      const { program, args } = commandOn(runtime, PROGRAM, folder, String(n));
      const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
      assertEquals(status, 0, stderr);
      assertEquals(JSON.parse(stdout), [numbers, items, [], messages]);
      numbers.push(n, -n);
      messages.push(`größer ${n}`, `${-n}`);
      const added: [string, string] = [`größer ${n}`, "x".repeat(1000)];
      if (n === 1) items.push(added, ["last", "1"]);
      else items.push(added);
      const last = items.find(([key]) => key === "last");
      if (last !== undefined) last[1] = String(n);
    }
  });
});
