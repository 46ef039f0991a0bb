/**
 * The marks of a segment: what is written, synced, settled and told, over any course of calls.
 *
 * @module
 */
import { test } from "node:test";
import fc from "fast-check";
import { assert, assertEquals } from "@std/assert";
import { type Coverage, Marks } from "../../src/segment/marks.ts";

/** Entries of one size, by their number. */
const SIZE = 10;

/** What happens to a segment. */
type Step =
  | "write"
  | "begin a sync"
  | "the sync ends"
  | "sync and block"
  | "tell"
  | { readonly cutTo: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Step>("write") },
  fc.constantFrom<Step>("begin a sync", "the sync ends", "sync and block", "tell"),
  fc.nat(8).map((cutTo) => ({ cutTo })),
);

test("what is told is settled, what is settled is synced, and what is synced is written", () => {
  const property = fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    const offsets = { count: 0 };
    const marks = new Marks(offsets, { entriesEnd: 0, vouched: 0, isPending: false }, 0, true);
    let running: Coverage | undefined;
    /** How many entries the syncs that have ended have covered, and those that no verdict is due for. */
    let synced = 0;
    let settled = 0;
    let told = 0;
    for (const step of steps) {
      if (step === "write") {
        offsets.count++;
        marks.wrote(offsets.count * SIZE);
      } else if (step === "begin a sync") {
        running ??= marks.begin();
      } else if (step === "the sync ends" && running !== undefined) {
        synced = Math.max(synced, running.count);
        settled = synced;
        marks.synced(running);
        running = undefined;
      } else if (step === "sync and block") {
        synced = offsets.count;
        if (running === undefined) settled = synced;
        marks.syncedAtOnce(running !== undefined);
      } else if (step === "tell" && marks.isOwed) {
        told = settled;
        marks.tell();
      } else if (typeof step === "object" && running === undefined && step.cutTo < offsets.count) {
        // A truncation waits for the sync that runs.
        const most = told * SIZE;
        offsets.count = step.cutTo;
        marks.cutting(step.cutTo, step.cutTo * SIZE);
        assert(marks.syncedCount <= step.cutTo && marks.settledCount <= step.cutTo);
        marks.cut(step.cutTo);
        synced = settled = step.cutTo;
        assertEquals(marks.mayTellBeyond(step.cutTo * SIZE), false);
        if (most > 0 && step.cutTo > 0) assert(marks.mayTellBeyond(0));
        told = 0;
      }
      assertEquals(marks.syncedCount, synced);
      assertEquals(marks.settledCount, settled);
      assertEquals([marks.settledEnd, marks.told], [settled * SIZE, told * SIZE]);
      assertEquals([marks.isSynced, marks.isOwed], [synced === offsets.count, settled > told]);
      assertEquals(marks.unsyncedBytes, (offsets.count - synced) * SIZE);
      assert(told <= settled && settled <= synced && synced <= offsets.count);
    }
  });
  fc.assert(property, { numRuns: 2000, seed: 20260106 });
});

test("a file without Durable frames owes none", () => {
  const marks = new Marks(
    { count: 1 },
    { entriesEnd: 9, vouched: 0, isPending: false },
    1,
    false,
  );
  assertEquals(marks.isOwed, false);
});

test("nothing is told as long as the segment before is not durable, and its beginning first then", () => {
  const offsets = { count: 0 };
  const marks = new Marks(offsets, { entriesEnd: 0, vouched: 0, isPending: true }, 0, true);
  marks.hold();
  offsets.count++;
  marks.wrote(100);
  marks.synced(marks.begin());
  assertEquals([marks.isOwed, marks.isOwedFirst], [false, false]);
  marks.release();
  assertEquals([marks.isOwed, marks.isOwedFirst], [true, true]);
  marks.tell();
  assertEquals([marks.isOwed, marks.isOwedFirst], [false, false]);
  // The Durable frame may be gone with the entries.
  marks.cutting(0, 64);
  marks.cut(0);
  assertEquals([marks.isOwed, marks.isOwedFirst], [true, true]);
});

test("a beginning without a Pending frame need not be told", () => {
  const marks = new Marks({ count: 0 }, { entriesEnd: 0, vouched: 0, isPending: false }, 0, true);
  assertEquals([marks.isOwed, marks.isOwedFirst], [false, false]);
});
