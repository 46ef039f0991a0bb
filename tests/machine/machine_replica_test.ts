/**
 * A replica of a state machine shows what is durable, a moment late, and every call whole.
 *
 * @module
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { join } from "node:path";
import { test } from "node:test";
import { WalError } from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { type MachineOptions, StateMachine } from "../../src/machine/machine.ts";
import { spawn } from "../../kit/child.ts";
import { foldOf, immutable } from "../../kit/machines.ts";
import { command, ROOT } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

const PATH = "a.wal";
const TIMEOUT = { timeout: 60_000 };

/** A machine whose state shows whether a call is there in part: its events add up to 0. */
function balanced(fileSystem: MemoryFileSystem, seen: number[]): MachineOptions<number, number> {
  return {
    initial: () => 0,
    apply(sum, amount) {
      seen.push(sum + amount);
      return sum + amount;
    },
    fileSystem,
  };
}

test("a replica follows its machine, from a snapshot on", TIMEOUT, async () => {
  const fileSystem = new MemoryFileSystem();
  const machine = await StateMachine.open(PATH, immutable(fileSystem));
  await machine.dispatch({ n: 1 });
  await machine.snapshot();
  await machine.dispatch({ n: 2 });
  const replica = await StateMachine.replica(PATH, immutable(fileSystem));
  await replica.reached(2);
  assertEquals(replica.state, foldOf([1, 2]));
  const index = await machine.dispatch({ n: 3 });
  await replica.reached(index);
  assertEquals([replica.state.numbers, replica.index], [[1, 2, 3], 3]);
  await replica.reached(1);
  await replica.close();
  await replica.close();
  assertEquals(replica.state.numbers, [1, 2, 3]);
  await machine.close();
});

test("a replica shows no call in part", TIMEOUT, async () => {
  const fileSystem = new MemoryFileSystem();
  await using machine = await StateMachine.open(PATH, balanced(fileSystem, []));
  await using replica = await StateMachine.replica(PATH, balanced(fileSystem, []));
  const shown = new Set<number>();
  let isDone = false;
  const ended = Promise.withResolvers<void>();
  const looking = (async (): Promise<void> => {
    for (let index = 1; !isDone; index++) {
      await Promise.race([replica.reached(index), ended.promise]);
      shown.add(replica.state);
    }
  })();
  for (let i = 1; i <= 50; i++) await machine.transact(() => [i, 1, -i, -1]);
  await replica.reached(200);
  isDone = true;
  ended.resolve();
  await looking;
  assertEquals([...shown], [0]);
});

test("a replica that is overtaken begins again with a newer snapshot", TIMEOUT, async () => {
  const fileSystem = new MemoryFileSystem();
  const options = immutable(fileSystem, { segmentSize: 512 });
  const machine = await StateMachine.open(PATH, options);
  const replica = await StateMachine.replica(PATH, options);
  // It gets no turn meanwhile.
  for (let n = 1; n <= 60; n++) {
    await machine.dispatch({ n });
    if (n % 10 === 0) await machine.snapshot();
  }
  await replica.reached(60);
  assertEquals(replica.state.numbers.length, 60);
  await replica.close();
  await machine.close();
});

test("a replica of what is not there is refused, and wrong arguments are", TIMEOUT, async () => {
  const fileSystem = new MemoryFileSystem();
  const open = (): Promise<unknown> => StateMachine.replica(PATH, immutable(fileSystem));
  assertEquals((await assertRejects(open, WalError)).code, "ERR_WAL_NOT_FOUND");
  const machine = await StateMachine.open(PATH, immutable(fileSystem));
  const replica = await StateMachine.replica(PATH, immutable(fileSystem));
  for (
    const call of [() => replica.reached(0.5), () => replica.reached(9, { signal: 1 as never })]
  ) {
    assertEquals((await assertRejects(call, WalError)).code, "ERR_WAL_INVALID_ARGUMENT");
  }
  const reason = new Error("enough");
  const stop = new AbortController();
  const waiting = replica.reached(9, { signal: stop.signal });
  stop.abort(reason);
  assertEquals(await assertRejects(() => waiting), reason);
  const left = replica.reached(9);
  left.catch(() => {});
  await replica.close();
  assertEquals((await assertRejects(() => left, WalError)).code, "ERR_WAL_CLOSED");
  await machine.close();
});

test("a replica that cannot apply an event ends with that error", TIMEOUT, async () => {
  const fileSystem = new MemoryFileSystem();
  const machine = await StateMachine.open(PATH, immutable(fileSystem));
  const apply = (): never => {
    throw new RangeError("not here");
  };
  const replica = await StateMachine.replica(PATH, {
    initial: () => 0,
    apply,
    fileSystem,
  });
  const waiting = replica.reached(1);
  await machine.dispatch({ n: 1 });
  assertEquals((await assertRejects(() => waiting, WalError)).code, "ERR_MACHINE_REPLAY");
  assertEquals(assertThrows(() => replica.state, WalError).code, "ERR_MACHINE_REPLAY");
  await replica.close();
  await machine.close();
});

test("a replica in another process follows, across snapshots and rolls", TIMEOUT, async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    const options: MachineOptions<number, number> = {
      initial: () => 0,
      apply: (sum, amount) => sum + amount,
      segmentSize: 4096,
    };
    const machine = await StateMachine.open(path, options);
    await machine.dispatch(1);
    const { program, args } = command(join(ROOT, "tests/support/replica.ts"), path, "301");
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout?.on("data", (chunk) => output += chunk);
    const code = new Promise((resolve) => child.once("close", resolve));
    for (let i = 0; i < 300; i++) {
      await machine.dispatch(1);
      if (i % 100 === 50) await machine.snapshot();
    }
    assertEquals(await code, 0);
    assertEquals(output.trim(), "301");
    await machine.close();
    assert(machine.state === 301);
  });
});

test("a replica that is closed reaches nothing more", TIMEOUT, async () => {
  const fileSystem = new MemoryFileSystem();
  await using _machine = await StateMachine.open(PATH, immutable(fileSystem));
  const replica = await StateMachine.replica(PATH, immutable(fileSystem));
  await replica.close();
  const error = await assertRejects(() => replica.reached(1), WalError);
  assertEquals(error.code, "ERR_WAL_CLOSED");
});
