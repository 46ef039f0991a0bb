/**
 * Random programs of a state machine against a plain fold of its events, with reopenings, deaths and
 * faults.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { test } from "node:test";
import { WalError } from "../../mod.ts";
import { StateMachine } from "../../src/machine/machine.ts";
import { CrashFileSystem, FaultyFileSystem } from "../../src/testing/testing.ts";
import { foldOf, immutable, mutating, type Numbered } from "../../kit/machines.ts";
import { random } from "../../kit/logs.ts";
import { onManualClock } from "../../kit/manual_clock.ts";

const PATH = "a.wal";
const TIMEOUT = { timeout: 120_000 };

type Machine = StateMachine<{ readonly numbers: readonly number[]; sum: number }, Numbered>;

/** What a program has done, and what it may find later. */
class Model {
  /** The numbers of the events that were acknowledged, or shown by an open, in order. */
  readonly sure: number[] = [];
  /** Those that were dispatched after them, and not refused. */
  readonly maybe: number[] = [];
  readonly keys = new Map<string, number>();
  next = 1;

  /** Takes what an open shows for sure. */
  reopened(numbers: readonly number[]): void {
    assertEquals(numbers.slice(0, this.sure.length), this.sure);
    const rest = numbers.slice(this.sure.length);
    assertEquals(rest, this.maybe.slice(0, rest.length));
    this.sure.push(...rest);
    this.maybe.length = 0;
  }
}

/** A program by a seed, on a machine of one kind. */
async function runProgram(seed: number, kind: "immutable" | "mutating"): Promise<number> {
  const draw = random(seed);
  const below = (limit: number): number => Math.floor(draw() * limit);
  const disk = new CrashFileSystem();
  const faulty = new FaultyFileSystem(disk);
  const more = { segmentSize: 512 + below(2000), keys: 1000 };
  const open = async (): Promise<Machine> =>
    (kind === "immutable"
      ? await StateMachine.open(PATH, immutable(faulty, more))
      : await StateMachine.open(PATH, mutating(faulty, more))) as Machine;
  const model = new Model();
  let machine = await open();
  let reopenings = 0;

  /** Calls that are made together, and what became of each. */
  async function dispatchSome(): Promise<void> {
    const before = machine.state.numbers.length;
    const calls = Array.from({ length: 1 + below(4) }, async (): Promise<number[]> => {
      const count = below(4);
      const events = Array.from({ length: Math.max(1, count) }, () => ({
        n: model.next++,
        more: "x".repeat(below(60)),
      }));
      const numbers = events.map(({ n }) => n);
      model.maybe.push(...numbers);
      if (count === 0) await machine.dispatch(events[0] as Numbered);
      else await machine.transact(() => events);
      return numbers;
    });
    const outcomes = await Promise.allSettled(calls);
    const done = outcomes.flatMap((one) => one.status === "fulfilled" ? one.value : []);
    // Of a turn that was appended in parts each is there or not; of a call, all of it.
    model.sure.push(...done);
    if (isEnded(machine)) {
      for (const n of done) model.maybe.splice(model.maybe.indexOf(n), 1);
      return;
    }
    model.maybe.length = 0;
    assertEquals(machine.state.numbers.slice(before), done);
  }

  async function reopen(): Promise<void> {
    reopenings++;
    machine = await open();
    model.reopened(machine.state.numbers);
    assertEquals(machine.index, model.sure.length);
  }

  for (let step = 0; step < 40; step++) {
    const act = below(20);
    if (act < 9) {
      await dispatchSome();
    } else if (act < 11) {
      const call = machine.dispatch({ n: 0, isRefused: true });
      const error = await call.then(() => undefined, (error: unknown) => error);
      assert(error instanceof WalError);
      // Before the first event of all it is not known how apply works, and the state is made again.
      const canContinue = kind === "immutable" || model.sure.length === 0;
      assertEquals(error.code, canContinue ? "ERR_MACHINE_REFUSED" : "ERR_MACHINE_DIVERGED");
    } else if (act < 13) {
      const key = `key ${below(6)}`;
      const n = model.keys.get(key) ?? model.next++;
      const isNew = !model.keys.has(key);
      const index = await machine.dispatch({ n }, { key });
      if (isNew) {
        model.keys.set(key, n);
        model.sure.push(n);
      }
      assertEquals(model.sure[index - 1], n);
    } else if (act < 16) {
      assertEquals(await machine.snapshot(), model.sure.length);
    } else if (act < 17) {
      await machine.close();
      await reopen();
    } else if (act < 18) {
      // The process dies, or the machine with it.
      void machine.dispatch({ n: model.next }).catch(() => {});
      model.maybe.push(model.next++);
      disk.kill();
      await reopen();
    } else {
      faulty.fail("write", "ENOSPC", { leaves: below(20) });
      await dispatchSome();
    }
    if (isEnded(machine)) {
      await machine.close().catch(() => {});
      await reopen();
    } else {
      const { numbers, sum } = machine.state;
      assertEquals(numbers, model.sure);
      assertEquals(sum, foldOf(model.sure).sum);
    }
  }
  await machine.close();
  await reopen();
  await machine.close();
  return reopenings;
}

function isEnded(machine: Machine): boolean {
  try {
    return machine.state === undefined;
  } catch {
    return true;
  }
}

for (const kind of ["immutable", "mutating"] as const) {
  test(
    `random programs of a machine, ${kind}, have the fold of what was acknowledged`,
    TIMEOUT,
    async () => {
      let reopenings = 0;
      for (let seed = 1; seed <= 25; seed++) {
        try {
          reopenings += await onManualClock(() => runProgram(seed, kind));
        } catch (cause) {
          throw new Error(`Program ${seed}, ${kind}`, { cause });
        }
      }
      assert(reopenings > 50, `${reopenings} reopenings`);
    },
  );
}
