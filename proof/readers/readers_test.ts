/**
 * Readers and followers in another process beside a writer that changes its log, in short, and the judge
 * of what they see.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { judge } from "./judge.ts";
import { type ActLine, entryOf, type SeenLine, serialOf } from "./lines.ts";
import { runPair } from "./pair.ts";
import { RUNTIME } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

test(
  "readers and followers see nothing wrong beside a writer that rolls, truncates, resets and reopens",
  { timeout: 120_000 },
  () =>
    withFolder(async (folder) => {
      const options = { writer: RUNTIME, reader: RUNTIME, seed: 3, seconds: 6, folder };
      const { wrongEntries, wrongErrors, read, followed, kills } = await runPair(options);
      assertEquals([...wrongEntries, ...wrongErrors], []);
      assert(read > 100 && followed > 10 && kills > 0, `${read} read, ${followed} followed`);
    }),
);

test("an entry of the soak is known by its index, and by all its bytes", () => {
  const entry = entryOf(7, 1000, 33);
  assertEquals(serialOf(entry, 7), 1000);
  assertEquals(serialOf(entry, 8), undefined);
  entry[32] = 0;
  assertEquals(serialOf(entry, 7), undefined);
});

/** Entries 1 to 4. The last is replaced from 50 to 60, and the first dropped from 70 to 80. */
const ACTS: readonly ActLine[] = [
  { kind: "begin", at: 0, act: { do: "open" } },
  { kind: "end", at: 1, found: { firstIndex: 1, serials: [] } },
  { kind: "begin", at: 10, act: { do: "append", index: 1, serials: [11, 12, 13, 14] } },
  { kind: "end", at: 20 },
  { kind: "begin", at: 50, act: { do: "truncateFrom", index: 4 } },
  { kind: "end", at: 55 },
  { kind: "begin", at: 56, act: { do: "append", index: 4, serials: [24] } },
  { kind: "end", at: 60 },
  { kind: "begin", at: 70, act: { do: "truncateBefore", index: 2 } },
  { kind: "end", at: 80 },
];

function entries(opened: number, at: number, first: number, serials: (number | null)[]): SeenLine {
  const asked = { opened, from: at, to: at };
  return { see: "entries", by: "", asked, first, last: first + serials.length - 1, serials };
}

function thrown(opened: number, at: number, index: number, code: string): SeenLine {
  const asked = { opened, from: at, to: at };
  return { see: "error", by: "", asked, index, error: { code, message: "" } };
}

/** What a follower is given that begins at 5. */
function given(...next: [at: number, index: number, serial: number][]): SeenLine[] {
  return [
    { see: "follow", id: 1, by: "", opened: 5, at: 5 },
    ...next.map(([at, index, serial]): SeenLine => ({ see: "next", id: 1, at, index, serial })),
  ];
}

function failed(at: number, next: number, code: string): SeenLine {
  return { see: "failed", id: 1, at, next, error: { code, message: "" } };
}

const FINISHED: SeenLine = { see: "finished", id: 1, isLate: false };
const OUT_OF_RANGE = "ERR_WAL_INDEX_OUT_OF_RANGE";
const ALL: [number, number, number][] = [[21, 1, 11], [22, 2, 12], [23, 3, 13], [24, 4, 14]];

const RIGHT: readonly (readonly [string, SeenLine[]])[] = [
  ["an entry", [entries(30, 31, 4, [14])]],
  ["an entry on its way", [entries(12, 12, 1, [11])]],
  ["an entry that was dropped since the handle was opened", [entries(30, 90, 4, [14])]],
  ["an entry that came since", [entries(30, 90, 4, [24])]],
  ["that an index is not there yet", [thrown(5, 6, 1, OUT_OF_RANGE)]],
  ["that an index was dropped", [thrown(30, 90, 1, OUT_OF_RANGE)]],
  ["entries again from a truncation on", [...given(...ALL, [61, 4, 24]), FINISHED]],
  ["that a follower was overtaken", [...given(), failed(90, 1, OUT_OF_RANGE)]],
];

for (const [what, seen] of RIGHT) {
  test(`the judge of readers allows ${what}`, () => {
    const { wrongEntries, wrongErrors } = judge(ACTS, seen);
    assertEquals([...wrongEntries, ...wrongErrors], []);
  });
}

const WRONG: readonly (readonly [string, SeenLine[]])[] = [
  ["another entry", [entries(30, 31, 3, [14])]],
  ["an entry that no writer wrote", [entries(30, 31, 3, [null])]],
  ["an entry before its time", [entries(2, 40, 4, [24])]],
  ["an entry that was dropped before", [entries(65, 66, 4, [14])]],
  ["an entry that is left out", [{ ...entries(30, 31, 2, [12, 13]), last: 4 } as SeenLine]],
  ["that an index is not there that is", [thrown(30, 90, 2, OUT_OF_RANGE)]],
  ["that a healthy log is corrupt", [thrown(30, 90, 1, "ERR_WAL_CORRUPT")]],
  ["a follower's gap", given([21, 1, 11], [22, 3, 13])],
  ["an entry that is given twice", given(...ALL, [61, 4, 24], [62, 4, 24])],
  ["a follower that misses what was replaced", [...given(...ALL), FINISHED]],
  ["a follower that waits for ever", [...given(), { see: "finished", id: 1, isLate: true }]],
  ["a follower overtaken by nothing", [...given(...ALL), failed(40, 5, OUT_OF_RANGE)]],
];

for (const [what, seen] of WRONG) {
  test(`the judge of readers catches ${what}`, () => {
    const { wrongEntries, wrongErrors } = judge(ACTS, seen);
    assertEquals(wrongEntries.length + wrongErrors.length, 1);
  });
}
