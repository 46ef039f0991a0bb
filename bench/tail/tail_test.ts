/**
 * The measurement of the tail, in a short form on the runtime that runs the tests, and its arithmetic.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { RUNTIME } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";
import { pausesIn } from "../costs/collector.ts";
import { appendsIn, stallsIn, type Told } from "./figures.ts";
import { Histogram } from "./histogram.ts";
import { measure } from "./measure.ts";
import { subjectsOn } from "./subjects.ts";
import { Watch } from "./watch.ts";

function told(ms: number, isAtRoll: boolean, paused: number): Told {
  return { ms, isAtRoll, paused, from: 0, to: 0 };
}

test("a stall is counted once: the collector's, a roll's or another's", () => {
  const stalls = [
    told(3.9, true, 0),
    told(5, true, 2),
    told(5, false, 0.5),
    told(20, true, 2),
    told(9, false, 0),
  ];
  assertEquals(stallsIn(stalls), {
    stalls: 4,
    stallsCollected: 1,
    stallsAtRolls: 1,
    stallsElsewhere: 2,
    longestStall: 20,
    longestUncollected: 18,
  });
});

test("a slow append counts where it was, and the collector's are counted by themselves too", () => {
  const appends = [told(1.9, true, 0), told(2.5, true, 1), told(6, true, 1), told(3, false, 2)];
  assertEquals(appendsIn(appends), {
    slowAtRolls: 2,
    slowElsewhere: 1,
    slowCollected: 2,
    longestAtRoll: 6,
    longestElsewhere: 3,
  });
});

test("what was slow gets what was logged, and the segments that came, since the look before", () =>
  withFolder((folder) => {
    const path = join(folder, "log");
    const log = openSync(path, "w+");
    let segments = 1;
    const watch = new Watch(() => segments, log);
    writeSync(log, "12345");
    segments = 2;
    watch.look(0.5);
    writeSync(log, "678");
    watch.look(5);
    segments = 3;
    watch.look(6);
    closeSync(log);
    assertEquals(watch.slow, [
      { ms: 5, isAtRoll: false, from: 5, to: 8 },
      { ms: 6, isAtRoll: true, from: 8, to: 8 },
    ]);
  }));

test("the pauses of a collector are read from its log", () => {
  const v8 = "[7:0x1]      226 ms: pause=8.9 mutator=214.2 gc=s time_to_safepoint=0.00\n";
  const deno = '[7:0x1]      148 ms: GC: {"pause":5.526,"mutator":134.205,"gc":"s"}\n';
  const jsc = "[GC<0x1>: START M 2761kb => FullCollection, a=0kb 426+0 p=1.11ms (max 1.11)...]\n" +
    "[GC<0x1>: M a=0kb v=2028kb => 2093kb, p=3.34ms (max 3.34), cycle 17.6ms END]\n";
  assertEquals(pausesIn("node", v8), [8.9]);
  assertEquals(pausesIn("node26", v8 + v8), [8.9, 8.9]);
  assertEquals(pausesIn("deno", deno), [5.526]);
  assertEquals(pausesIn("bun", jsc), [1.11, 3.34]);
});

test("a histogram knows a quantile to two percent, and the longest exactly", () => {
  const one = new Histogram();
  const all = new Histogram();
  for (let i = 1; i <= 1000; i++) one.add(i / 100);
  all.merge(one.pairs(), one.longest);
  all.merge(one.pairs(), one.longest);
  assertEquals(all.count, 2000);
  assertEquals(all.longest, 10);
  for (const [part, wanted] of [[0.5, 5], [0.99, 9.9], [0.999, 9.99]] as const) {
    const found = all.quantile(part);
    assert(found >= wanted && found <= wanted * 1.02, `${part}: ${found}`);
  }
  assertEquals(all.quantile(1), 10);
});

test(
  "the tail is measured across rolls, beside bare calls",
  // The collector of Deno is only followed with a program of Linux.
  { timeout: 120_000, skip: process.platform !== "linux" },
  () =>
    withFolder(async (folder) => {
      const rows = await measure({
        edition: RUNTIME,
        folder,
        subjects: subjectsOn(RUNTIME, false, false),
        rolls: 2,
        rounds: 2,
        segmentSize: 2 ** 20,
        stop: new AbortController().signal,
      });
      assertEquals(rows.length, 6);
      for (const { subject, figures } of rows) {
        assert(figures.perSecond > 0, subject.name);
        assert(figures.p50 <= figures.p999 && figures.p999 <= figures.max, subject.name);
        assertEquals(figures.rolls >= 2, subject.isOurs === true, subject.name);
        assertEquals(Number.isNaN(figures.longestElsewhere), subject.kind === "durable");
        const { stalls, stallsCollected, stallsAtRolls, stallsElsewhere } = figures;
        assertEquals(stallsCollected + stallsAtRolls + stallsElsewhere, stalls, subject.name);
      }
    }),
);
