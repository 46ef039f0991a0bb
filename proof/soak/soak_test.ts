/**
 * The soak test in short, and the oracle that judges it.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { soak } from "./soak.ts";
import {
  BrokenPromise,
  digestOf,
  type WalContents,
  type WalOperation,
  WalOracle,
} from "../../src/testing/testing.ts";
import { bytes } from "../../kit/logs.ts";
import { RUNTIME } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

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

/** An entry of its own for each name. */
const entry = (name: string): string => digestOf(bytes(name));

const NAMES = ["1", "2", "3", "4", "5", "6", "7"];
const [e1 = "", e2 = "", e3 = "", e4 = "", e5 = "", e6 = "", e7 = ""] = NAMES.map(entry);
const STATE = entry("state");

/** A log of five acknowledged entries, from index 3, and a state; nothing of it was synced. */
const ACKNOWLEDGED: readonly (readonly [WalOperation, number, number])[] = [
  [append(e1, e2, e3), 1, 3],
  [append(e4), 1, 4],
  [append(e5), 1, 5],
  [append(e6), 1, 6],
  [append(e7), 1, 7],
  [{ kind: "truncateBefore", index: 3 }, 3, 7],
  [{ kind: "setState", state: STATE }, 3, 7],
];

function append(...entries: string[]): WalOperation {
  return { kind: "append", entries, durable: false };
}

/** An oracle that has seen the log being made, and what was under way then, with ids from 11. */
function oracleWith(...underWay: WalOperation[]): WalOracle {
  const oracle = new WalOracle();
  for (const [id, [operation, firstIndex, lastIndex]] of ACKNOWLEDGED.entries()) {
    oracle.start(id, operation);
    oracle.acknowledge(id, { firstIndex, lastIndex });
  }
  for (const [i, operation] of underWay.entries()) oracle.start(11 + i, operation);
  return oracle;
}

function contents(firstIndex: number, entries: readonly string[], state = STATE): WalContents {
  return { firstIndex, entries, state };
}

const KEPT = contents(3, [e3, e4, e5, e6, e7]);
const [B1, B2] = [entry("batch 1"), entry("batch 2")];
const BATCH = append(B1, B2);
const CUT: WalOperation = { kind: "truncateFrom", index: 5 };
const NEW_STATE = entry("new state");
const VOTE: WalOperation = { kind: "setState", state: NEW_STATE };

const ALLOWED: readonly (readonly [string, WalOperation[], WalContents])[] = [
  ["what was acknowledged", [], KEPT],
  ["a batch under way, absent", [BATCH], KEPT],
  ["a batch under way, whole", [BATCH], contents(3, [...KEPT.entries, B1, B2])],
  ["a part of a group", [append(B1), append(B2)], contents(3, [...KEPT.entries, B1])],
  ["a tail cut in part", [CUT], contents(3, [e3, e4, e5])],
  ["a tail cut whole", [CUT], contents(3, [e3, e4])],
  ["a head cut", [{ kind: "truncateBefore", index: 6 }], contents(6, [e6, e7])],
  ["a head that is not cut", [{ kind: "truncateBefore", index: 6 }], KEPT],
  ["a reset", [{ kind: "reset", index: 50 }], contents(50, [])],
  ["the new state", [VOTE], contents(3, KEPT.entries, NEW_STATE)],
  ["the old state", [VOTE], KEPT],
  [
    "a new state beside a batch",
    [VOTE, BATCH],
    contents(3, [...KEPT.entries, B1, B2], NEW_STATE),
  ],
];

for (const [what, underWay, found] of ALLOWED) {
  test(`the oracle allows ${what}`, () => {
    const oracle = oracleWith(...underWay);
    oracle.judge(found, "process");
    // It continues from there: nothing is under way any more.
    oracle.judge(found, "process");
  });
}

const BROKEN: readonly (readonly [string, WalOperation[], WalContents])[] = [
  ["a lost last entry", [], contents(3, [e3, e4, e5, e6])],
  ["a lost last entry while a batch is under way", [BATCH], contents(3, [e3, e4, e5, e6])],
  ["a lost first entry", [], contents(4, [e4, e5, e6, e7])],
  ["a gap that was closed", [], contents(3, [e3, e4, e6, e7])],
  ["two entries that changed places", [], contents(3, [e3, e5, e4, e6, e7])],
  ["a wrong first index", [], contents(4, KEPT.entries)],
  ["an entry that was never appended", [], contents(3, [...KEPT.entries, entry("other")])],
  ["an entry with other bytes", [], contents(3, [e3, e4, e5, e6, entry("7th")])],
  ["half a batch", [BATCH], contents(3, [...KEPT.entries, B1])],
  ["a batch out of order", [BATCH], contents(3, [...KEPT.entries, B2, B1])],
  ["a group without its first", [append(B1), append(B2)], contents(3, [...KEPT.entries, B2])],
  ["a dropped entry that is back", [], contents(2, [e2, ...KEPT.entries])],
  ["a tail cut too far", [CUT], contents(3, [e3])],
  ["a head cut too far", [{ kind: "truncateBefore", index: 5 }], contents(6, [e6, e7])],
  ["a head cut in part", [{ kind: "truncateBefore", index: 5 }], contents(4, [e4, e5, e6, e7])],
  ["a reset to elsewhere", [{ kind: "reset", index: 50 }], contents(49, [])],
  ["an older state", [], contents(3, KEPT.entries, digestOf(new Uint8Array(0)))],
  ["a state that was never set", [VOTE], contents(3, KEPT.entries, entry("other"))],
];

for (const [what, underWay, found] of BROKEN) {
  test(`the oracle catches ${what}`, () => {
    assertThrows(() => oracleWith(...underWay).judge(found, "process"), BrokenPromise);
  });
}

test("the oracle catches an acknowledgement at the wrong index", () => {
  const oracle = oracleWith(BATCH);
  const wrong = (): void => oracle.acknowledge(11, { firstIndex: 3, lastIndex: 8 });
  const error = assertThrows(wrong, BrokenPromise);
  assertStringIncludes(error.message, "the log has 3 to 8, not 3 to 9");
});

test("after a batch is acknowledged, it has to be there", () => {
  const oracle = oracleWith(BATCH);
  oracle.acknowledge(11, { firstIndex: 3, lastIndex: 9 });
  assertThrows(() => oracle.judge(KEPT, "process"), BrokenPromise);
});
