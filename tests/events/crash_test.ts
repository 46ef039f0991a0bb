/**
 * A log of events whose machine dies at every step, and whose disk fails at every call. The numbers of
 * states are stated, so that all runtimes see the same.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { type FileSystem, WalError } from "../../mod.ts";
import { EventLog, json } from "../../src/events/events.ts";
import { below, seededRandom } from "../../src/testing/random.ts";
import { exploreCrashes, exploreFaults, type Trial } from "../../src/testing/testing.ts";

const PATH = "a.wal";
const SLOW = { timeout: 120_000 };

/** Events above it are those that a check has appended, after which there may be another check. */
const PROBE = 1_000_000;

/** What the program has asked for, and what it was told. Events are numbers, in the order of the calls. */
type Fact =
  | { readonly kind: "asked" | "refused"; readonly events: readonly number[] }
  | { readonly kind: "appended"; readonly firstIndex: number; readonly events: readonly number[] }
  | { readonly kind: "dropping" | "dropped"; readonly index: number };

function open(fileSystem: FileSystem): Promise<EventLog<number>> {
  return EventLog.open(PATH, {
    codec: json<number>(),
    now: () => 1_767_225_600_000,
    segmentSize: 256,
    fileSystem,
  });
}

/** A program of so many steps. */
function trialOf(seed: number, steps: number): Trial<Fact> {
  return {
    async run(fileSystem, promise) {
      const random = seededRandom(seed);
      let serial = 0;
      let log = await opened(fileSystem);

      const append = async (count: number, expect: number | undefined): Promise<void> => {
        const events = Array.from({ length: count }, () => ++serial);
        promise({ kind: "asked", events });
        const options = expect === undefined ? {} : { expect };
        const [first = 0] = events;
        const firstIndex = count === 1
          ? log?.append(first, options)
          : log?.appendAll(events, options).then((range) => range.firstIndex);
        try {
          promise({ kind: "appended", firstIndex: await firstIndex ?? 0, events });
        } catch (error) {
          if (!isEnd(error)) promise({ kind: "refused", events });
          throw error;
        }
      };
      const step = async (log: EventLog<number>): Promise<void> => {
        switch (below(random, 6)) {
          case 0:
            return await append(1, undefined);
          case 1:
            return await append(3, below(random, 2) === 0 ? undefined : log.lastIndex);
          case 2:
            return await append(1, log.lastIndex);
          case 3: {
            const { lastIndex } = log;
            const calls = [
              append(1, undefined),
              append(2, undefined),
              append(1, lastIndex + 3),
              append(1, lastIndex + 3),
              append(1, undefined),
            ];
            const failed = (await Promise.allSettled(calls)).find(isOutcomeUnknown);
            if (failed !== undefined) throw failed.reason;
            return;
          }
          case 4: {
            if (log.lastIndex < log.firstIndex) return;
            const index = log.firstIndex + below(random, log.lastIndex - log.firstIndex + 2);
            promise({ kind: "dropping", index });
            await log.truncateBefore(index);
            return promise({ kind: "dropped", index });
          }
          default:
            throw new Reopen();
        }
      };
      for (let i = 0; i < steps && log !== undefined; i++) {
        const error = await step(log).then(() => undefined, (error: unknown) => error);
        if (error === undefined) continue;
        if (!(error instanceof Reopen)) assertTyped(error);
        if (!(error instanceof Reopen) && !isEnd(error)) continue;
        await log.close().catch(assertTyped);
        log = await opened(fileSystem);
      }
      await log?.close().catch(assertTyped);
    },

    async check(fileSystem, promised) {
      const log = await open(fileSystem);
      const found = Array.from(log.entries(), ({ index, value }) => ({ index, value }));
      const backwards = Array.from(log.entries({ reverse: true }), ({ value }) => value);
      assertEquals(backwards.toReversed(), found.map(({ value }) => value));
      // The order of the calls is that of the events, and none is there twice.
      for (const [i, { value }] of found.entries()) assert(value > (found[i - 1]?.value ?? 0));
      const asked = promised.flatMap((fact) => fact.kind === "asked" ? [fact.events] : []);
      const last = asked.flat().length;
      const isAsked = (value: number): boolean => value <= last || value > PROBE;
      assert(found.every(({ value }) => isAsked(value)), "an event that was never appended");
      const values = new Set(found.map(({ value }) => value));
      const isFirst = (event: number): boolean => event === found[0]?.value;
      for (const events of asked) {
        const there = events.filter((event) => values.has(event));
        // The head may be in the middle of a batch.
        const isWhole = there.length === events.length || there.length === 0;
        assert(isWhole || there.some(isFirst), `of the batch ${events} there is ${there}`);
      }
      for (const fact of promised) {
        if (fact.kind === "dropped") {
          assert(log.firstIndex >= fact.index, "a dropped event is back");
        }
        if (fact.kind === "refused") assert(!fact.events.some((event) => values.has(event)));
        if (fact.kind !== "appended") continue;
        for (const [i, event] of fact.events.entries()) {
          const index = fact.firstIndex + i;
          assert(log.lastIndex >= index, `event ${event} at ${index} is lost`);
          if (index >= log.firstIndex) assertEquals(log.get(index).value, event);
        }
      }
      const heads = promised.flatMap((fact) => fact.kind === "dropping" ? [fact.index] : []);
      assert([1, ...heads].includes(log.firstIndex), `the log begins at ${log.firstIndex}`);
      const { lastIndex } = log;
      const probe = PROBE + lastIndex + 1;
      assertEquals(await log.append(probe, { expect: lastIndex }), lastIndex + 1);
      await log.close();
    },
  };
}

/** Asks for the log to be closed and opened again. */
class Reopen extends Error {}

/** Opens the log, unless the disk does not let it be opened. */
async function opened(fileSystem: FileSystem): Promise<EventLog<number> | undefined> {
  try {
    return await open(fileSystem);
  } catch (error) {
    assertTyped(error);
    return undefined;
  }
}

/** What is thrown is the log's own error. */
function assertTyped(error: unknown): void {
  if (!(error instanceof WalError)) throw error;
}

function isEnd(error: unknown): boolean {
  return error instanceof WalError && error.code === "ERR_WAL_SYNC_FAILED";
}

function isOutcomeUnknown(
  outcome: PromiseSettledResult<unknown>,
): outcome is PromiseRejectedResult {
  return outcome.status === "rejected" &&
    (isEnd(outcome.reason) || !(outcome.reason instanceof WalError));
}

test(
  "after a crash at any step, what was acknowledged is there, in order, batches whole",
  SLOW,
  async () => {
    let crashes = 0;
    let states = 0;
    for (let seed = 1; seed <= 2; seed++) {
      const explored = await exploreCrashes(trialOf(seed, 8), { statesPerCrash: 8 });
      crashes += explored.crashes;
      states += explored.states;
    }
    assertEquals({ crashes, states }, { crashes: 234, states: 881 });
  },
);

test("the same holds where any call of the disk fails", SLOW, async () => {
  const explored = await exploreFaults(trialOf(5, 3), { statesPerCrash: 1 });
  assertEquals(explored, { crashes: 746, states: 976 });
});
