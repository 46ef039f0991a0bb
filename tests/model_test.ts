/**
 * The log against a model that is an array, by random commands, faults and crashes, and by random
 * interleavings of calls that run at once.
 *
 * The runs are the same each time. For more of them, and others:
 *
 * ```sh
 * WAL_MODEL_RUNS=20000 WAL_MODEL_SEED=7 npx node --test tests/model_test.ts
 * ```
 *
 * A failure prints its seed and the shortest list of commands that was found to fail. The same seed
 * with as many runs, on any of the runtimes, comes to the same list again.
 *
 * @module
 */
import { test } from "node:test";
import process from "node:process";
import fc from "fast-check";
import { assert, assertEquals } from "@std/assert";
import { Wal, WalError, type WalErrorCode } from "../mod.ts";
import { CrashFileSystem } from "../src/testing/testing.ts";
import { type Ended, isExplained, type Operation, SlowFileSystem } from "./support/interleaving.ts";
import { EMPTY, entriesOf, isSame, lastOf, shows, synced } from "./support/model.ts";
import {
  commandLists,
  type DiskKind,
  look,
  openedWith,
  runCommands,
} from "./support/model_commands.ts";

const RUNS = process.env["WAL_MODEL_RUNS"];
const SEED = Number(process.env["WAL_MODEL_SEED"] ?? 20260101);

/** No list of commands takes as long as this, in milliseconds, unless it hangs. */
const HANGS_AFTER = 5000;

/** How long a short run may look for the shortest list, in milliseconds. */
const SHRINKS_FOR = 60_000;

/** The test's own limit: none if it was asked to run longer. */
const TIMEOUT = { timeout: RUNS === undefined ? 120_000 : 2 ** 31 - 1 };

/** So many runs; tests with different numbers have different ones. */
function parameters(runs: number, test: number): fc.Parameters<unknown> {
  return {
    seed: SEED + test,
    numRuns: Number(RUNS ?? runs),
    timeout: HANGS_AFTER,
    ...(RUNS === undefined
      ? { interruptAfterTimeLimit: SHRINKS_FOR, markInterruptAsFailure: true }
      : {}),
  };
}

const KINDS: readonly DiskKind[] = ["memory", "ext4", "xfs", "btrfs"];

for (const [i, kind] of KINDS.entries()) {
  test(`any commands, faults and crashes: as the model, on ${kind}`, TIMEOUT, async () => {
    const property = fc.asyncProperty(
      openedWith,
      commandLists(60),
      (options, commands) => runCommands(kind, options, commands),
    );
    await fc.assert(property, parameters(200, i));
  });
}

/** A call that is yet to be made: its indexes count from the log's ends at that moment. */
interface Plan {
  readonly kind: Operation["kind"];
  readonly sizes: readonly number[];
  readonly isDurable: boolean;
  readonly by: number;
}

const plan: fc.Arbitrary<Plan> = fc.record({
  kind: fc.constantFrom(
    ...(["append", "append", "append", "sync", "truncateFrom", "truncateBefore"] as const),
    ...(["reset", "setState"] as const),
  ),
  sizes: fc.array(fc.nat(120), { minLength: 1, maxLength: 3 }),
  isDurable: fc.boolean(),
  by: fc.nat(4),
});

function operationOf({ kind, sizes, isDurable, by }: Plan, log: Wal, number: number): Operation {
  const atom = sizes.map((size) => new Uint8Array(size + 1).fill(number));
  switch (kind) {
    case "append":
      return { kind, atom, waits: isDurable };
    case "sync":
      return { kind };
    case "setState":
      return { kind, state: new Uint8Array([number]) };
    case "truncateFrom":
      return { kind, index: Math.max(1, log.lastIndex + 1 - by) };
    case "truncateBefore":
      return { kind, index: log.firstIndex + by };
    case "reset":
      return { kind, index: 1 + 3 * by };
  }
}

/** Makes a call. An append returns its first index. */
function call(log: Wal, operation: Operation): Promise<number | undefined> {
  switch (operation.kind) {
    case "append": {
      const { atom, waits } = operation;
      const [data = new Uint8Array(0)] = atom;
      const first = ({ firstIndex }: { firstIndex: number }): number => firstIndex;
      if (waits) {
        return atom.length > 1 ? log.appendBatchAndSync(atom).then(first) : log.appendAndSync(data);
      }
      return Promise.resolve(atom.length > 1 ? first(log.appendBatch(atom)) : log.append(data));
    }
    case "sync":
      return log.sync().then(() => undefined);
    case "setState":
      return log.setState(operation.state).then(() => undefined);
    case "truncateFrom":
      return log.truncateFromIndex(operation.index).then(() => undefined);
    case "truncateBefore":
      return log.truncateBeforeIndex(operation.index).then(() => undefined);
    case "reset":
      return log.reset(operation.index).then(() => undefined);
  }
}

/** Makes calls at once, in an order and over a disk whose moments a scheduler draws. */
class Interleaving {
  readonly disk: CrashFileSystem = new CrashFileSystem();
  readonly ended: Ended[] = [];
  /** What a crash left right after an entry was acknowledged as durable. */
  readonly crashes: { disk: CrashFileSystem; index: number; data: Uint8Array }[] = [];
  readonly log: Wal;
  #moment = 0;
  #calls = 0;
  /** Truncations from the tail and resets: those that run, and how many there were. */
  readonly #rewriting = new Set<Operation>();
  #rewrites = 0;

  private constructor(log: Wal, disk: CrashFileSystem) {
    this.log = log;
    this.disk = disk;
  }

  static async open(scheduler: fc.Scheduler, segmentSize: number): Promise<Interleaving> {
    const disk = new CrashFileSystem();
    let wait = (_call: string): Promise<unknown> => Promise.resolve();
    const fileSystem = new SlowFileSystem(disk, (call) => wait(call));
    const log = await Wal.open("a.wal", { fileSystem, segmentSize });
    wait = (call) => scheduler.schedule(Promise.resolve(), call);
    return new Interleaving(log, disk);
  }

  async make(plan: Plan): Promise<void> {
    const { log } = this;
    const operation = operationOf(plan, log, ++this.#calls);
    const isRewrite = operation.kind === "truncateFrom" || operation.kind === "reset";
    const isThere = operation.kind !== "truncateFrom" ||
      (operation.index >= log.firstIndex && operation.index <= log.lastIndex);
    const waits = !isRewrite && (operation.kind !== "append" || operation.waits);
    const mustBeBusy = this.#rewriting.size > 0 && !waits;
    const isAlone = this.#rewriting.size === 0;
    const rewrites = this.#rewrites;
    const from = ++this.#moment;
    if (isRewrite && !mustBeBusy && isThere) {
      this.#rewriting.add(operation);
      this.#rewrites++;
    }
    let index: number | undefined;
    let code: WalErrorCode | undefined;
    try {
      index = await call(log, operation);
    } catch (error) {
      if (!(error instanceof WalError)) throw error;
      code = error.code;
    }
    // A call that does not wait has happened when it returns.
    const isAtOnce = operation.kind === "append" && !operation.waits;
    const to = isAtOnce ? from : ++this.#moment;
    this.#rewriting.delete(operation);
    assertEquals(code === "ERR_WAL_BUSY", mustBeBusy, `${operation.kind}: ${code}`);
    if (code === "ERR_WAL_BUSY") return;
    this.ended.push({ operation, from, to, index, code });
    if (operation.kind !== "append" || isAtOnce || index === undefined) return;
    if (!isAlone || rewrites !== this.#rewrites) return;
    assert(log.durableIndex >= index + operation.atom.length - 1 || log.firstIndex > index);
    const [disk] = this.disk.crashStates({ limit: 2 });
    for (const [i, data] of operation.atom.entries()) {
      if (disk !== undefined) this.crashes.push({ disk, index: index + i, data });
    }
  }
}

test("any interleaving of calls is explained by some order of them", TIMEOUT, async () => {
  const property = fc.asyncProperty(
    fc.scheduler(),
    fc.constantFrom(512, 65_536),
    fc.array(plan, { minLength: 2, maxLength: 9, size: "max" }),
    async (scheduler, segmentSize, plans) => {
      const run = await Interleaving.open(scheduler, segmentSize);
      const { log, disk } = run;
      try {
        const made = plans.map(async (plan) => {
          await scheduler.schedule(Promise.resolve(), plan.kind);
          await run.make(plan);
        });
        await scheduler.waitFor(Promise.all(made));
        const view = look(log, false);
        assert(
          isExplained(EMPTY, run.ended, (left) => shows(view, left)),
          `No order explains it: ${fc.stringify({ view, ended: run.ended })}`,
        );
        const { first, state, entries, durable } = view;
        const left = { first, state, durable, atoms: entries.map((data) => [data]) };
        const [worst] = disk.crashStates({ limit: 2 });
        for (const crash of run.crashes) {
          const after = await Wal.open("a.wal", { fileSystem: crash.disk.fork() });
          if (after.firstIndex <= crash.index) {
            assert(isSame(after.getEntry(crash.index), crash.data), "an acknowledged entry");
          }
          await after.close();
        }
        assert(worst !== undefined);
        const after = await Wal.open("a.wal", { fileSystem: worst });
        const found = look(after, false);
        assertEquals(found.first, first);
        assertEquals(found.state, state);
        assert(found.last >= durable && found.last <= lastOf(synced(left)));
        assertEquals(found.entries, entriesOf(left).slice(0, found.entries.length));
        await after.close();
      } finally {
        const closed = log.close();
        await scheduler.waitFor(closed);
      }
    },
  );
  await fc.assert(property, parameters(300, KINDS.length));
});
