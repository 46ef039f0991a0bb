/**
 * Calls that overlap: each is held at each call of the disk that it waits for, others are made
 * meanwhile, and the death of the process and of the machine is judged at every step. The long form is
 * `npm run overlap`.
 *
 * @module
 */
import { test } from "node:test";
import { assert } from "@std/assert";
import { CALL_NAMES } from "./calls.ts";
import { explore, exploreFault, newTally } from "./explore.ts";
import { justOpened, manySegments, oneSegment, STARTS } from "./starts.ts";

/** The calls that wait for the disk more than once, or in a way of their own. */
const HELD = [
  "appendAndSync",
  "sync",
  "truncateFromIndex of the last two",
  "truncateFromIndex over segments",
  "truncateBeforeIndex",
  "truncateBeforeIndex of all",
  "reset forward",
  "reset to 1",
  "setState",
  "close",
  "entries, held in the middle",
];

/** Those that are held so seldom that every pair is tried. */
const QUICK: readonly string[] = ["appendAndSync", "sync", "entries, held in the middle"];

/** Those that are made meanwhile. */
const MEANWHILE = [
  "append",
  "append over a roll",
  "appendAndSync",
  "appendBatchAndSync",
  "syncBlocking",
  "truncateFromIndex of the last entry",
  "truncateBeforeIndex",
  "reset forward",
  "close",
  "setState",
  "getEntry, readAll, replay, entries, stats",
  "entries, held in the middle",
  "follow",
  "Wal.open",
];

for (const [i, held] of HELD.entries()) {
  test(`${held} overlaps other calls and keeps every promise`, { timeout: 120_000 }, async () => {
    const tally = newTally();
    for (const [j, other] of MEANWHILE.entries()) {
      const calls = [held, other];
      if (QUICK.includes(held)) {
        const start = [oneSegment, manySegments, justOpened][j % 3] ?? manySegments;
        const states = held.startsWith("entries") ? 1 : 4;
        await explore({ start, calls }, { random: 0, seed: 1, states }, tally);
      } else if ((i + j) % 2 === 0 || held === other) {
        // The long form tries each pair on each log, this every second pair on one of them.
        const start = STARTS[(i + Math.floor(j / 2)) % STARTS.length] ?? manySegments;
        // A cut is where parts of what is pending matter most.
        const states = held.startsWith("truncateFrom") ? 2 : 1;
        await explore({ start, calls }, { random: 0, seed: 1, states }, tally);
      }
    }
    assert(tally.schedules >= MEANWHILE.length, `${tally.schedules} schedules`);
    assert(tally.states > 500, `${tally.states} states`);
  });
}

for (const held of ["truncateFromIndex over segments", "reset forward"]) {
  test(`the log becomes idle during ${held} and keeps every promise`, {
    timeout: 120_000,
  }, async () => {
    const tally = newTally();
    await explore(
      { start: manySegments, calls: [held, "idle"] },
      { random: 0, seed: 1, states: 2 },
      tally,
    );
    assert(tally.schedules > 5, `${tally.schedules} schedules`);
  });
}

test("a call of the disk fails while others overlap, and every promise is kept", {
  timeout: 120_000,
}, async () => {
  const tally = newTally();
  const names = CALL_NAMES.filter((name) => name !== "idle");
  for (let seed = 1; seed <= 40; seed++) {
    await exploreFault(STARTS, names, { random: 0, seed, states: 2 }, tally);
  }
  assert(tally.schedules > 25, `${tally.schedules} schedules`);
});

test("every call that is overlapped here is one of the long form", () => {
  for (const name of [...HELD, ...MEANWHILE]) assert(CALL_NAMES.includes(name), name);
});
