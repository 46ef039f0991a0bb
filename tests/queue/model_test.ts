/**
 * Random programs on a queue, against a model. The long form is `npm run queue -- --programs N`.
 *
 * @module
 */
import { assert } from "@std/assert";
import { test } from "node:test";
import { runRandomProgram } from "../../kit/queue_model.ts";

test("random programs with reopenings, kills and full disks do what a model does", {
  timeout: 120_000,
}, async () => {
  const tally: Record<string, number> = {};
  for (let seed = 1; seed <= 60; seed++) {
    const one = await runRandomProgram(seed, 80);
    for (const [name, count] of Object.entries(one)) tally[name] = (tally[name] ?? 0) + count;
  }
  for (const [name, count] of Object.entries(tally)) assert(count > 50, `${name}: ${count}`);
});
