/**
 * The soak test in short, and the oracle that judges it.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { contentOf, type Contents, digestOf, type Operation } from "../proof/soak/operations.ts";
import { Oracle, Violation } from "../proof/soak/oracle.ts";
import { soak } from "../proof/soak/soak.ts";
import { RUNTIME } from "./support/runtime.ts";
import { withFolder } from "./support/temporary.ts";

const SEED = 1;

test(
  "every promise holds through fifteen kills",
  { timeout: 120_000 },
  () =>
    withFolder(async (folder) => {
      const summary = await soak({ runtime: RUNTIME, kills: 15, seed: 20, folder });
      assertEquals(summary.kills, 15);
      assert(summary.operations > 100, `only ${summary.operations} operations`);
      assert(summary.rolls > 10, `only ${summary.rolls} rolls`);
    }),
);

/** A log of five acknowledged entries, from index 3, and a state. */
const ACKNOWLEDGED: readonly Operation[] = [
  { id: 1, kind: "batch", sizes: [5, 6, 7] },
  { id: 2, kind: "group", sizes: [8, 9] },
  { id: 3, kind: "append", sizes: [10] },
  { id: 4, kind: "append", sizes: [11] },
  { id: 5, kind: "truncateBefore", index: 3 },
  { id: 6, kind: "setState", size: 12 },
];
const ENDS: readonly (readonly [number, number])[] = [[1, 3], [1, 5], [1, 6], [1, 7], [3, 7], [
  3,
  7,
]];

function digest(id: number, position: number, size: number): string {
  return digestOf(contentOf(SEED, id, position, size));
}

const KEPT: Contents = {
  firstIndex: 3,
  lastIndex: 7,
  entries: [digest(1, 2, 7), digest(2, 0, 8), digest(2, 1, 9), digest(3, 0, 10), digest(4, 0, 11)],
  state: digest(6, 0, 12),
};

/** An oracle that has seen the log being made, and what was under way then. */
function oracleWith(...underWay: Operation[]): Oracle {
  const oracle = new Oracle(SEED);
  for (const [i, operation] of ACKNOWLEDGED.entries()) {
    oracle.start(operation);
    const [firstIndex, lastIndex] = ENDS[i] ?? [0, 0];
    oracle.acknowledge(operation.id, firstIndex, lastIndex);
  }
  for (const operation of underWay) oracle.start(operation);
  return oracle;
}

/** What is found when entries (positions in `KEPT`) and more are there. */
function contents(firstIndex: number, entries: readonly string[], state = KEPT.state): Contents {
  return { firstIndex, lastIndex: firstIndex + entries.length - 1, entries, state };
}

const [e3 = "", e4 = "", e5 = "", e6 = "", e7 = ""] = KEPT.entries;
const BATCH: Operation = { id: 9, kind: "batch", sizes: [20, 21] };
const B = [digest(9, 0, 20), digest(9, 1, 21)];
const VOTE: Operation = { id: 10, kind: "setState", size: 30 };

const ALLOWED: readonly (readonly [string, Operation[], Contents])[] = [
  ["what was acknowledged", [], KEPT],
  ["a batch under way, absent", [BATCH], KEPT],
  ["a batch under way, whole", [BATCH], contents(3, [...KEPT.entries, ...B])],
  ["a part of a group", [{ ...BATCH, kind: "group" }], contents(3, [...KEPT.entries, B[0] ?? ""])],
  ["a tail cut in part", [{ id: 9, kind: "truncateFrom", index: 5 }], contents(3, [e3, e4, e5])],
  ["a tail cut whole", [{ id: 9, kind: "truncateFrom", index: 5 }], contents(3, [e3, e4])],
  ["a head cut", [{ id: 9, kind: "truncateBefore", index: 6 }], contents(6, [e6, e7])],
  ["a reset", [{ id: 9, kind: "reset", index: 50 }], contents(50, [])],
  ["the new state", [VOTE], { ...KEPT, state: digest(10, 0, 30) }],
  ["the old state", [VOTE], KEPT],
  ["a new state beside a batch", [VOTE, BATCH], {
    ...contents(3, [...KEPT.entries, ...B]),
    state: digest(10, 0, 30),
  }],
];

for (const [what, underWay, found] of ALLOWED) {
  test(`the oracle allows ${what}`, () => {
    const oracle = oracleWith(...underWay);
    oracle.judge(found);
    // It goes on from there: nothing is under way any more.
    oracle.judge(found);
  });
}

const BROKEN: readonly (readonly [string, Operation[], Contents])[] = [
  ["a lost last entry", [], contents(3, [e3, e4, e5, e6])],
  ["a lost last entry while a batch is under way", [BATCH], contents(3, [e3, e4, e5, e6])],
  ["a lost first entry", [], contents(4, [e4, e5, e6, e7])],
  ["a gap that was closed", [], contents(3, [e3, e4, e6, e7])],
  ["two entries that changed places", [], contents(3, [e3, e5, e4, e6, e7])],
  ["a wrong first index", [], contents(4, KEPT.entries)],
  ["a last index that is not the entries' own", [], { ...KEPT, lastIndex: 8 }],
  ["an entry that nobody appended", [], contents(3, [...KEPT.entries, digest(77, 0, 5)])],
  ["an entry with other bytes", [], contents(3, [e3, e4, e5, e6, digest(4, 1, 11)])],
  ["half a batch", [BATCH], contents(3, [...KEPT.entries, B[0] ?? ""])],
  ["a batch out of order", [BATCH], contents(3, [...KEPT.entries, ...B.toReversed()])],
  ["a dropped entry that is back", [], contents(2, [digest(1, 1, 6), ...KEPT.entries])],
  ["a tail cut too far", [{ id: 9, kind: "truncateFrom", index: 5 }], contents(3, [e3])],
  ["a head cut too far", [{ id: 9, kind: "truncateBefore", index: 5 }], contents(6, [e6, e7])],
  ["a reset to elsewhere", [{ id: 9, kind: "reset", index: 50 }], contents(49, [])],
  ["an older state", [], { ...KEPT, state: digestOf(new Uint8Array(0)) }],
  ["a state that nobody set", [VOTE], { ...KEPT, state: digest(10, 1, 30) }],
];

for (const [what, underWay, found] of BROKEN) {
  test(`the oracle catches ${what}`, () => {
    assertThrows(() => oracleWith(...underWay).judge(found), Violation);
  });
}

test("the oracle catches an acknowledgement at the wrong index", () => {
  const oracle = oracleWith(BATCH);
  const error = assertThrows(() => oracle.acknowledge(9, 3, 8), Violation);
  assertStringIncludes(error.message, "the log has 3 to 8, not 3 to 9");
  assertThrows(() => oracleWith().acknowledge(9, 3, 8), Violation);
});

test("after a batch is acknowledged, it has to be there", () => {
  const oracle = oracleWith(BATCH);
  oracle.acknowledge(9, 3, 9);
  assertThrows(() => oracle.judge(KEPT), Violation);
});
