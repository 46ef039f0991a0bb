/**
 * What a state machine promises of each call and of each failure.
 *
 * @module
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { test } from "node:test";
import { Wal, WalError, type WalErrorCode } from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { Keys } from "../../src/machine/keys.ts";
import { PieceReader } from "../../src/machine/piece_reader.ts";
import { type MachineOptions, StateMachine } from "../../src/machine/machine.ts";
import { FaultyFileSystem } from "../../src/testing/testing.ts";
import { immutable, mutating, type Numbered, type Seen } from "../../kit/machines.ts";

const PATH = "a.wal";

/** The code of the error that a call rejects with. */
async function codeOf(call: () => Promise<unknown>): Promise<WalErrorCode> {
  return (await assertRejects(call, WalError)).code;
}

/** A state machine of numbers that are added up. */
function adding(
  fileSystem: MemoryFileSystem,
  more: Partial<MachineOptions<number, number>> = {},
): MachineOptions<number, number> {
  return { initial: () => 0, apply: (sum, amount) => sum + amount, fileSystem, ...more };
}

test("a state shows an event at once, and a call resolves when it is durable", async () => {
  await using machine = await StateMachine.open(PATH, immutable(new MemoryFileSystem()));
  const call = machine.dispatch({ n: 5 });
  assertEquals(machine.state.numbers, [5]);
  assertEquals([machine.index, machine.durableIndex], [1, 0]);
  assertEquals(await call, 1);
  assertEquals(machine.durableIndex, 1);
});

test("the events of one turn are one batch, with one write and one sync", async () => {
  const memory = new MemoryFileSystem();
  const fileSystem = new FaultyFileSystem(memory);
  const machine = await StateMachine.open(PATH, immutable(fileSystem));
  const before = fileSystem.calls.length;
  const calls = [1, 2, 3].map((n) => machine.dispatch({ n }));
  const atom = machine.transact(() => [{ n: 4 }, { n: 5 }]);
  assertEquals(await Promise.all(calls), [1, 2, 3]);
  assertEquals(await atom, { firstIndex: 4, lastIndex: 5 });
  const made = fileSystem.calls.slice(before).filter((call) => !call.startsWith("read "));
  assertEquals(made, ["write a.wal", "syncData a.wal"]);
  await machine.close();
});

test("apply gets what the bytes say, the event's place, and the same in a replay", async () => {
  const fileSystem = new MemoryFileSystem();
  const seen: unknown[] = [];
  const options: MachineOptions<number, { at: Date | string; gone?: undefined }> = {
    initial: () => 0,
    apply: (count, event, place) => {
      seen.push([event, place]);
      return count + 1;
    },
    now: () => 1234,
    fileSystem,
  };
  const machine = await StateMachine.open(PATH, options);
  await machine.dispatch({ at: new Date(0), gone: undefined });
  await machine.close();
  await (await StateMachine.open(PATH, options)).close();
  const wanted = [{ at: "1970-01-01T00:00:00.000Z" }, { index: 1, time: 1234 }];
  assertEquals(seen, [wanted, wanted]);
});

test("an event that apply refuses is not written, and the machine continues if it can", async () => {
  const fileSystem = new MemoryFileSystem();
  const machine = await StateMachine.open(PATH, immutable(fileSystem));
  const calls = [
    machine.dispatch({ n: 1 }),
    machine.dispatch({ n: 2, isRefused: true }),
    machine.transact(() => [{ n: 3 }, { n: 4, isRefused: true }]),
    machine.dispatch({ n: 5 }),
  ];
  const outcomes = await Promise.allSettled(calls);
  assertEquals(outcomes.map(({ status }) => status), [
    "fulfilled",
    "rejected",
    "rejected",
    "fulfilled",
  ]);
  const [, refused] = outcomes;
  assert(refused?.status === "rejected" && refused.reason instanceof WalError);
  assertEquals(refused.reason.code, "ERR_MACHINE_REFUSED");
  assert(refused.reason.cause instanceof RangeError);
  assertEquals(machine.state.numbers, [1, 5]);
  await machine.close();
  await using again = await StateMachine.open(PATH, immutable(fileSystem));
  assertEquals(again.state.numbers, [1, 5]);
});

test("an apply that changes the state and throws ends the machine, and a reopen rebuilds it", async () => {
  const fileSystem = new MemoryFileSystem();
  const machine = await StateMachine.open(PATH, mutating(fileSystem));
  await machine.dispatch({ n: 1 });
  assertEquals(
    await codeOf(() => machine.dispatch({ n: 2, isRefused: true })),
    "ERR_MACHINE_DIVERGED",
  );
  assertEquals(assertThrows(() => machine.state, WalError).code, "ERR_MACHINE_DIVERGED");
  assertEquals(assertThrows(() => machine.index, WalError).code, "ERR_MACHINE_DIVERGED");
  assertEquals(await codeOf(() => machine.dispatch({ n: 3 })), "ERR_MACHINE_DIVERGED");
  assertEquals(await codeOf(() => machine.snapshot()), "ERR_MACHINE_DIVERGED");
  await machine.close();
  await using again = await StateMachine.open(PATH, mutating(fileSystem));
  assertEquals(again.state.numbers, [1]);
});

test("the first event of all may be refused, whatever apply has done to the first state", async () => {
  await using machine = await StateMachine.open(PATH, mutating(new MemoryFileSystem()));
  assertEquals(
    await codeOf(() => machine.dispatch({ n: 1, isRefused: true })),
    "ERR_MACHINE_REFUSED",
  );
  assertEquals(machine.state.numbers, []);
  await machine.dispatch({ n: 2 });
  assertEquals(machine.state.numbers, [2]);
});

test("an apply that returns a promise is refused", async () => {
  const apply = (async () => await Promise.reject(new Error("later"))) as never;
  await using machine = await StateMachine.open(PATH, adding(new MemoryFileSystem(), { apply }));
  assertEquals(await codeOf(() => machine.dispatch(1)), "ERR_MACHINE_ASYNC");
  assertEquals([machine.state, machine.index], [0, 0]);
});

test("an object that comes back as it went in may have been changed, unless the user says no", async () => {
  for (const isSaid of [false, true]) {
    const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
    const machine = await StateMachine.open(PATH, {
      initial: () => ({ sum: 0 }),
      apply: (state: { sum: number }) => state,
      immutable: isSaid,
      fileSystem,
    });
    await machine.dispatch(1);
    fileSystem.fail("write", "ENOSPC");
    const code = await codeOf(() => machine.dispatch(2));
    assertEquals(code, isSaid ? "ERR_WAL_WRITE_FAILED" : "ERR_MACHINE_DIVERGED");
    await machine.close();
  }
});

test("on a full disk the whole turn rejects, and the state goes back", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const machine = await StateMachine.open(PATH, immutable(fileSystem));
  await machine.dispatch({ n: 1 });
  const { state } = machine;
  fileSystem.fail("write", "ENOSPC", { leaves: 30 });
  const calls = [2, 3].map((n) => machine.dispatch({ n }, { key: `key ${n}` }));
  for (const call of calls) assertEquals(await codeOf(() => call), "ERR_WAL_WRITE_FAILED");
  assertEquals([machine.state, machine.index], [state, 1]);
  // The keys were not used.
  assertEquals(await machine.dispatch({ n: 2 }, { key: "key 2" }), 2);
  assertEquals(machine.state.numbers, [1, 2]);
  await machine.close();
  await using again = await StateMachine.open(PATH, immutable(fileSystem));
  assertEquals(again.state.numbers, [1, 2]);
});

test("a machine that changes its state ends on a full disk", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const machine = await StateMachine.open(PATH, mutating(fileSystem));
  await machine.dispatch({ n: 1 });
  fileSystem.fail("write", "ENOSPC");
  assertEquals(await codeOf(() => machine.dispatch({ n: 2 })), "ERR_MACHINE_DIVERGED");
  await machine.close();
  await using again = await StateMachine.open(PATH, mutating(fileSystem));
  assertEquals(again.state.numbers, [1]);
});

test("a sync that fails ends the machine", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const machine = await StateMachine.open(PATH, immutable(fileSystem));
  fileSystem.fail("syncData", "EIO");
  const calls = [1, 2].map((n) => machine.dispatch({ n }));
  for (const call of calls) assertEquals(await codeOf(() => call), "ERR_WAL_SYNC_FAILED");
  assertEquals(assertThrows(() => machine.state, WalError).code, "ERR_WAL_SYNC_FAILED");
  assertEquals(await codeOf(() => machine.dispatch({ n: 3 })), "ERR_WAL_SYNC_FAILED");
  await machine.close();
});

test("a turn that is too large for one atom is appended early, and each part answers for itself", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const options = immutable(fileSystem, { segmentSize: 2000 });
  const machine = await StateMachine.open(PATH, options);
  const more = "x".repeat(600);
  const first = [1, 2].map((n) => machine.dispatch({ n, more }));
  fileSystem.fail("write", "ENOSPC", { leaves: 100 });
  // It does not fit, so the first two are appended now, which fails.
  const second = [3, 4].map((n) => machine.dispatch({ n, more }));
  assertEquals(machine.state.numbers, [3, 4]);
  for (const call of first) assertEquals(await codeOf(() => call), "ERR_WAL_WRITE_FAILED");
  assertEquals(await Promise.all(second), [1, 2]);
  await machine.close();
  await using again = await StateMachine.open(PATH, options);
  assertEquals(again.state.numbers, [3, 4]);
});

test("what fits no entry or no segment is refused before it is applied", async () => {
  const options = mutating(new MemoryFileSystem(), { segmentSize: 2000, maxEntrySize: 3000 });
  await using machine = await StateMachine.open(PATH, options);
  const event = (size: number): Numbered => ({ n: 1, more: "x".repeat(size) });
  assertEquals(await codeOf(() => machine.dispatch(event(3000))), "ERR_WAL_ENTRY_TOO_LARGE");
  const two = (): Numbered[] => [event(900), event(900)];
  assertEquals(await codeOf(() => machine.transact(two)), "ERR_WAL_BATCH_TOO_LARGE");
  assertEquals(machine.state.numbers, []);
  // One that is larger than a segment has one of its own.
  assertEquals(await Promise.all([machine.dispatch(event(10)), machine.dispatch(event(2900))]), [
    1,
    2,
  ]);
});

test("a key that is given again is answered as the first time, also after an open and a snapshot", async () => {
  const fileSystem = new MemoryFileSystem();
  const options = immutable(fileSystem);
  let machine = await StateMachine.open(PATH, options);
  const calls = [1, 2].map((n) => machine.dispatch({ n }, { key: "k" }));
  assertEquals(await Promise.all(calls), [1, 1]);
  const three = (): Numbered[] => [3, 4, 5].map((n) => ({ n }));
  const range = { firstIndex: 2, lastIndex: 4 };
  assertEquals(await machine.transact(three, { key: "t" }), range);
  assertEquals(await machine.transact(() => [], { key: "t" }), range);
  for (const withSnapshot of [false, true]) {
    if (withSnapshot) await machine.snapshot();
    await machine.close();
    machine = await StateMachine.open(PATH, options);
    assertEquals(machine.recovery.snapshotIndex, withSnapshot ? 4 : 0);
    assertEquals(await machine.dispatch({ n: 9 }, { key: "k" }), 1);
    assertEquals(await machine.transact(three, { key: "t" }), range);
  }
  assertEquals(machine.state.numbers, [1, 3, 4, 5]);
  await machine.close();
});

test("the oldest keys are forgotten beyond the limit, in a snapshot too", async () => {
  const fileSystem = new MemoryFileSystem();
  const options = immutable(fileSystem, { keys: 2 });
  const machine = await StateMachine.open(PATH, options);
  for (const [i, key] of ["a", "b", "c"].entries()) await machine.dispatch({ n: i }, { key });
  await machine.snapshot();
  await machine.close();
  await using again = await StateMachine.open(PATH, options);
  assertEquals(await again.dispatch({ n: 8 }, { key: "b" }), 2);
  assertEquals(await again.dispatch({ n: 9 }, { key: "a" }), 4);
});

test("a transaction that decides nothing, or throws, changes nothing", async () => {
  await using machine = await StateMachine.open(PATH, mutating(new MemoryFileSystem()));
  await machine.dispatch({ n: 1 });
  assertEquals(await machine.transact(() => []), { firstIndex: 2, lastIndex: 1 });
  const decide = (): never => {
    throw new RangeError("not today");
  };
  const error = await assertRejects(() => machine.transact(decide), RangeError);
  assertEquals(error.message, "not today");
  const later = (() => Promise.reject(new Error("later"))) as never;
  assertEquals(await codeOf(() => machine.transact(later)), "ERR_WAL_INVALID_ARGUMENT");
  assertEquals([machine.index, machine.state.numbers], [1, [1]]);
});

test("an event without a form is refused", async () => {
  await using machine = await StateMachine.open(PATH, adding(new MemoryFileSystem()));
  assertEquals(await codeOf(() => machine.dispatch(undefined as never)), "ERR_EVENT_CODEC");
  assertEquals([machine.state, machine.index], [0, 0]);
});

test("an event that fails its schema is refused, and older versions are upcast", async () => {
  const fileSystem = new MemoryFileSystem();
  const first = await StateMachine.open(PATH, adding(fileSystem));
  await first.dispatch(3);
  await first.close();
  const options: MachineOptions<number, { amount: number }> = {
    initial: () => 0,
    apply: (sum, { amount }) => sum + amount,
    schema: {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: (value) =>
          (value as { amount: number }).amount > 0
            ? { value: value as { amount: number } }
            : { issues: [{ message: "not positive" }] },
      },
    },
    version: 2,
    upcast: { 1: (amount: number) => ({ amount }) },
    fileSystem,
  };
  await using machine = await StateMachine.open(PATH, options);
  assertEquals(machine.state, 3);
  assertEquals(await codeOf(() => machine.dispatch({ amount: -1 })), "ERR_EVENT_SCHEMA");
  await machine.dispatch({ amount: 4 });
  assertEquals(machine.state, 7);
});

test("a log of another layer, of another codec, or of none is refused", async () => {
  const fileSystem = new MemoryFileSystem();
  const plain = await Wal.open("plain.wal", { fileSystem });
  await plain.appendAndSync(new Uint8Array([1]));
  await plain.close();
  assertEquals(
    await codeOf(() => StateMachine.open("plain.wal", adding(fileSystem))),
    "ERR_WAL_FORMAT",
  );
  await (await StateMachine.open(PATH, adding(fileSystem))).close();
  const codec = {
    ...adding(fileSystem).codec,
    name: "other",
    encode: () => new Uint8Array(),
    decode: () => 1,
  };
  assertEquals(
    await codeOf(() => StateMachine.open(PATH, adding(fileSystem, { codec }))),
    "ERR_WAL_FORMAT",
  );
});

test("wrong arguments are refused by their kind, and nothing is made", async () => {
  const fileSystem = new MemoryFileSystem();
  const wrong: Partial<Record<keyof MachineOptions<number, number>, unknown>>[] = [
    { initial: 0 },
    { apply: undefined },
    { immutable: 1 },
    { keys: -1 },
    { snapshot: { everyBytes: 0 } },
    { snapshot: { version: 0 } },
    { snapshot: { upgrade: { 1: () => 1 } } },
    { snapshot: { save: () => [] } },
    { snapshot: { often: true } },
    { codec: {} },
    { readOnly: true } as never,
    { format: 1 } as never,
    { timestamps: false } as never,
  ];
  for (const more of wrong) {
    const open = (): Promise<unknown> => StateMachine.open(PATH, adding(fileSystem, more as never));
    assertEquals(await codeOf(open), "ERR_WAL_INVALID_ARGUMENT", JSON.stringify(more));
  }
  assertEquals(fileSystem.list("."), []);
  await using machine = await StateMachine.open(PATH, adding(fileSystem));
  for (const key of ["", 7, "x".repeat(1025), "\ud800"]) {
    const dispatch = (): Promise<unknown> => machine.dispatch(1, { key: key as string });
    assertEquals(await codeOf(dispatch), "ERR_WAL_INVALID_ARGUMENT");
  }
  assertEquals(await codeOf(() => machine.transact(1 as never)), "ERR_WAL_INVALID_ARGUMENT");
  assertEquals(
    await codeOf(() => machine.dispatch(1, { keys: "a" } as never)),
    "ERR_WAL_INVALID_ARGUMENT",
  );
  assertEquals(machine.state, 0);
});

test("a closed machine refuses calls, and answers those that were made before", async () => {
  const fileSystem = new MemoryFileSystem();
  const machine = await StateMachine.open(PATH, immutable(fileSystem));
  const call = machine.dispatch({ n: 1 });
  await machine.close();
  await machine.close();
  assertEquals(await call, 1);
  assertEquals(await codeOf(() => machine.dispatch({ n: 2 })), "ERR_WAL_CLOSED");
  assertEquals(await codeOf(() => machine.snapshot()), "ERR_WAL_CLOSED");
  assertEquals(machine.state.numbers, [1]);
});

test("an event that cannot be applied again ends the open, with its index and version", async () => {
  const fileSystem = new MemoryFileSystem();
  const machine = await StateMachine.open(PATH, adding(fileSystem));
  await machine.transact(() => [1, 2, 3]);
  await machine.close();
  const stricter = adding(fileSystem, {
    apply: (sum, amount) => {
      if (amount > 2) throw new RangeError("too much");
      return sum + amount;
    },
  });
  const error = await assertRejects(() => StateMachine.open(PATH, stricter), WalError);
  assertEquals(error.code, "ERR_MACHINE_REPLAY");
  const { index, version, cause } = error as WalError & { index: number; version: number };
  assertEquals([index, version], [3, 1]);
  assert(cause instanceof RangeError);
  // Nothing was changed, and the lock is free.
  await using again = await StateMachine.open(PATH, adding(fileSystem));
  assertEquals(again.state, 6);
});

test("a state that is typed as read-only is what dispatch and transact decide by", async () => {
  await using machine = await StateMachine.open(PATH, immutable(new MemoryFileSystem()));
  const decide = ({ numbers }: Seen): Numbered[] => numbers.length < 2 ? [{ n: 1 }] : [];
  await Promise.all([1, 2, 3].map(() => machine.transact(decide)));
  assertEquals(machine.state.numbers, [1, 1]);
});

test("a call that apply makes is refused, and the state loses nothing", async () => {
  let nested: Promise<unknown> | undefined;
  const machine: StateMachine<number, number> = await StateMachine.open(
    PATH,
    adding(new MemoryFileSystem(), {
      apply: (sum, amount) => {
        if (amount === 1) nested = codeOf(() => machine.dispatch(10));
        return sum + amount;
      },
    }),
  );
  await machine.dispatch(1);
  assertEquals([await nested, machine.state, machine.index], ["ERR_WAL_BUSY", 1, 1]);
  await machine.dispatch(2);
  assertEquals(machine.state, 3);
  await machine.close();
});

test("a transaction is refused with the events by which it was decided", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  await using machine = await StateMachine.open<string, string>(PATH, {
    initial: () => "",
    apply: (_, text) => text,
    fileSystem,
  });
  const large = "x".repeat(700_000);
  fileSystem.fail("write", "ENOSPC");
  const first = codeOf(() => machine.dispatch(large));
  const second = codeOf(() => machine.transact((state) => [`${state}y`]));
  assertEquals([await first, await second], ["ERR_WAL_WRITE_FAILED", "ERR_WAL_WRITE_FAILED"]);
  assertEquals([machine.state, machine.index], ["", 0]);
});

test("a transaction is refused if what it dispatches has lost the events by which it decided", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  await using machine = await StateMachine.open<string, string>(PATH, {
    initial: () => "",
    apply: (_, text) => text,
    fileSystem,
  });
  const [large, larger] = ["x".repeat(700_000), "y".repeat(700_000)];
  fileSystem.fail("write", "ENOSPC");
  const first = codeOf(() => machine.dispatch(large));
  let nested: Promise<number> | undefined;
  const decided = codeOf(() =>
    machine.transact((state) => {
      assertEquals(state, large);
      // It does not fit the turn, so the first one is appended now, which fails.
      nested = machine.dispatch(larger);
      return [`after ${state.length}`];
    })
  );
  assertEquals([await first, await decided], ["ERR_WAL_WRITE_FAILED", "ERR_WAL_WRITE_FAILED"]);
  assertEquals([await nested, machine.state === larger, machine.index], [1, true, 1]);
});

test("a key is free whose call was refused or has decided nothing", async () => {
  const fileSystem = new MemoryFileSystem();
  const machine = await StateMachine.open(PATH, immutable(fileSystem));
  const nothing = { firstIndex: 1, lastIndex: 0 };
  assertEquals(await machine.transact(() => [], { key: "k" }), nothing);
  const refused = (): Promise<unknown> =>
    machine.transact(() => [{ n: 1, isRefused: true }], { key: "k" });
  assertEquals(await codeOf(refused), "ERR_MACHINE_REFUSED");
  const range = { firstIndex: 1, lastIndex: 1 };
  assertEquals(await machine.transact(() => [{ n: 2 }], { key: "k" }), range);
  assertEquals(await machine.transact(() => [], { key: "k" }), range);
  await machine.close();
  await using again = await StateMachine.open(PATH, immutable(fileSystem));
  assertEquals(await again.transact(() => [{ n: 3 }], { key: "k" }), range);
  assertEquals(again.state.numbers, [2]);
});

test("apply cannot close its machine, and a codec that does has nothing written after that", async () => {
  for (const open of [immutable, mutating]) {
    const fileSystem = new MemoryFileSystem();
    const calls: Promise<unknown>[] = [];
    const { apply, ...rest } = open(fileSystem) as MachineOptions<Seen, Numbered>;
    const machine: StateMachine<Seen, Numbered> = await StateMachine.open(PATH, {
      ...rest,
      apply(state, event, place) {
        if (event.n === 2) calls.push(codeOf(() => machine.close()));
        return apply(state, event, place);
      },
      codec: {
        name: "json",
        encode(event) {
          if (event.n === 4) calls.push(machine.close());
          return new TextEncoder().encode(JSON.stringify(event));
        },
        decode: (bytes) => JSON.parse(new TextDecoder().decode(bytes)),
      },
    });
    for (const n of [1, 2, 3]) await machine.dispatch({ n });
    assertEquals([await calls[0], machine.state.numbers], ["ERR_WAL_BUSY", [1, 2, 3]]);
    assertEquals(await codeOf(() => machine.dispatch({ n: 4 })), "ERR_WAL_CLOSED");
    await calls[1];
    assertEquals(machine.state.numbers, [1, 2, 3]);
    await using again = await StateMachine.open(PATH, immutable(fileSystem));
    assertEquals(again.state.numbers, [1, 2, 3]);
  }
});

test("an answer that changes nothing waits for what it rests on", async () => {
  await using machine = await StateMachine.open(PATH, adding(new MemoryFileSystem()));
  const call = machine.dispatch(1);
  await machine.transact(() => []);
  assertEquals(machine.durableIndex, 1);
  await call;
});

test("a snapshot has the keys of its beginning, also those that are forgotten meanwhile", () => {
  const keys = new Keys(3000);
  const add = (i: number): void => keys.add(`key-${i}`, { firstIndex: i, lastIndex: i });
  for (let i = 1; i <= 3000; i++) add(i);
  const saved = keys.save();
  const pieces = [(saved.next().value as Uint8Array).slice()];
  for (let i = 3001; i <= 6000; i++) {
    add(i);
    keys.forget();
  }
  for (const piece of saved) pieces.push(piece.slice());
  const again = new Keys(3000);
  again.load(new PieceReader(pieces));
  assert(again.find("key-1") !== undefined && again.find("key-3000") !== undefined);
  assertEquals(again.find("key-3001"), undefined);
  // Once it is taken, those beyond the limit are forgotten.
  assertEquals(keys.find("key-3000"), undefined);
  assert(keys.find("key-3001") !== undefined);
});

test("a snapshot has no more keys than are remembered", () => {
  for (const limit of [0, 2]) {
    const keys = new Keys(limit);
    for (let i = 1; i <= 4; i++) keys.add(`${i}`, { firstIndex: i, lastIndex: i });
    const unlimited = keys.save()[Symbol.iterator]().next().value as Uint8Array;
    keys.forget();
    assertEquals(unlimited, keys.save()[Symbol.iterator]().next().value);
  }
});

test("a promise is no state", async () => {
  const fileSystem = new MemoryFileSystem();
  const later = (): never => Promise.resolve(0) as never;
  const opened = (more: Partial<MachineOptions<number, number>>): Promise<WalErrorCode> =>
    codeOf(() => StateMachine.open(PATH, adding(fileSystem, more)));
  assertEquals(await opened({ initial: later }), "ERR_MACHINE_STATE");
  const machine = await StateMachine.open(PATH, adding(fileSystem));
  await machine.dispatch(1);
  await machine.snapshot();
  await machine.close();
  const save = (): Uint8Array[] => [];
  assertEquals(await opened({ snapshot: { save, load: later } }), "ERR_MACHINE_STATE");
  assertEquals(
    await opened({ snapshot: { version: 2, upgrade: { 1: later } } }),
    "ERR_MACHINE_STATE",
  );
});
