/**
 * The snapshots of a state machine: when they are taken, in which order, and what stands in for one
 * that is lost.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { test } from "node:test";
import { type FileHandle, type FileSystem, FileSystemError, Wal, WalError } from "../../mod.ts";
import { clock } from "../../src/fs/clock.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { type MachineOptions, StateMachine } from "../../src/machine/machine.ts";
import { CrashFileSystem, FaultyFileSystem } from "../../src/testing/testing.ts";
import { foldOf, immutable, mutating, type Seen } from "../../kit/machines.ts";
import { concat } from "../../kit/frames.ts";
import { readFile, writeFile } from "../../kit/logs.ts";

const PATH = "a.wal";
const TIMEOUT = { timeout: 120_000 };

function filesOf(fileSystem: FileSystem): string[] {
  return fileSystem.list(".").filter((name) => name.includes(".snapshot-")).sort();
}

function nameOf(number: number): string {
  return `${PATH}.snapshot-${String(number).padStart(20, "0")}`;
}

/** A machine with so many snapshots, two events before each and one after the last; closed. */
async function machineWith(fileSystem: FileSystem, snapshots: number): Promise<void> {
  const machine = await StateMachine.open(PATH, immutable(fileSystem));
  for (let i = 0; i < snapshots; i++) {
    await machine.transact(() => [{ n: 2 * i }, { n: 2 * i + 1 }]);
    await machine.snapshot();
  }
  await machine.dispatch({ n: 2 * snapshots });
  await machine.close();
}

/** The numbers of the events that such a machine has. */
function numbersWith(snapshots: number): number[] {
  return Array.from({ length: 2 * snapshots + 1 }, (_, n) => n);
}

async function firstIndexOf(fileSystem: FileSystem): Promise<number> {
  const log = await Wal.open(PATH, { fileSystem, readOnly: true });
  const { firstIndex } = log;
  await log.close();
  return firstIndex;
}

for (const kind of ["immutable", "mutating"] as const) {
  test(`an open loads the newest snapshot and applies the events after it, ${kind}`, async () => {
    const fileSystem = new MemoryFileSystem();
    const open = (): Promise<StateMachine<Seen, { n: number }>> =>
      (kind === "immutable"
        ? StateMachine.open(PATH, immutable(fileSystem))
        : StateMachine.open(PATH, mutating(fileSystem))) as Promise<
          StateMachine<Seen, { n: number }>
        >;
    const machine = await open();
    await machine.transact(() => [1, 2, 3].map((n) => ({ n })));
    assertEquals(await machine.snapshot(), 3);
    await machine.dispatch({ n: 4 });
    await machine.close();
    await using again = await open();
    assertEquals(again.recovery, { snapshotIndex: 3, replayed: 1, skipped: [] });
    assertEquals({ ...again.state }, foldOf([1, 2, 3, 4]) as Seen);
  });
}

test("the last two snapshots are kept, and all events after the older one", async () => {
  const fileSystem = new MemoryFileSystem();
  for (
    const [snapshots, files, firstIndex] of [[1, [1], 1], [2, [1, 2], 3], [4, [3, 4], 7]] as const
  ) {
    const own = new MemoryFileSystem();
    await machineWith(own, snapshots);
    assertEquals(filesOf(own), files.map(nameOf));
    assertEquals(await firstIndexOf(own), firstIndex);
  }
  assertEquals(filesOf(fileSystem), []);
});

test("without a new event there is no new snapshot", async () => {
  const fileSystem = new MemoryFileSystem();
  await using machine = await StateMachine.open(PATH, immutable(fileSystem));
  assertEquals(await machine.snapshot(), 0);
  assertEquals(filesOf(fileSystem), []);
  await machine.dispatch({ n: 1 });
  assertEquals(await Promise.all([machine.snapshot(), machine.snapshot()]), [1, 1]);
  assertEquals(filesOf(fileSystem), [nameOf(1)]);
});

test("a snapshot is taken after so many bytes, also of those that an open applied", async () => {
  const fileSystem = new MemoryFileSystem();
  const options = immutable(fileSystem, { snapshot: { everyBytes: 500 } });
  const more = "x".repeat(100);
  let machine = await StateMachine.open(PATH, options);
  for (let n = 0; n < 3; n++) await machine.dispatch({ n, more });
  assertEquals(filesOf(fileSystem), []);
  await machine.close();
  machine = await StateMachine.open(PATH, options);
  for (let n = 0; n < 3; n++) await machine.dispatch({ n, more });
  for (let i = 0; i < 100 && filesOf(fileSystem).length === 0; i++) await clock.endOfTurn();
  assertEquals(filesOf(fileSystem).length, 1);
  await machine.close();
});

test("a snapshot that fails by itself is reported, and tried again after as many bytes", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const options = immutable(fileSystem, { snapshot: { everyBytes: 500 } });
  const machine = await StateMachine.open(PATH, options);
  fileSystem.fail("create", "ENOSPC");
  const fill = async (until: () => boolean): Promise<void> => {
    for (let n = 0; n < 50 && !until(); n++) {
      await machine.dispatch({ n, more: "x".repeat(100) });
      for (let i = 0; i < 20; i++) await clock.endOfTurn();
    }
  };
  await fill(() => machine.snapshotError !== undefined);
  const error = machine.snapshotError;
  assert(error instanceof WalError);
  assertEquals(error.code, "ERR_SNAPSHOT_WRITE_FAILED");
  await fill(() => filesOf(fileSystem).length > 0 && machine.snapshotError === undefined);
  assertEquals([filesOf(fileSystem).length, machine.snapshotError], [1, undefined]);
  await machine.close();
});

test("events that are dispatched while a snapshot is written are not in it, and are not lost", async () => {
  const fileSystem = new MemoryFileSystem();
  const machine = await StateMachine.open(PATH, immutable(fileSystem));
  const more = "x".repeat(3000);
  const items = Array.from({ length: 100 }, (_, n) => ({ n, more }));
  await machine.transact(() => items);
  const snapshot = machine.snapshot();
  let during = 0;
  const isDone = snapshot.then(() => true);
  while (!await Promise.race([isDone, clock.endOfTurn().then(() => false)])) {
    await machine.dispatch({ n: 1000 + during++ });
  }
  assert(during > 0);
  await machine.close();
  await using again = await StateMachine.open(PATH, immutable(fileSystem));
  assertEquals(again.state.numbers.length, 100 + during);
  assertEquals(again.recovery.snapshotIndex + again.recovery.replayed, 100 + during);
});

/** A log whose newest snapshot is made unusable. */
interface Lost {
  readonly what: string;
  readonly code: string;
  change(fileSystem: MemoryFileSystem, name: string): Promise<void> | void;
}

const LOST: readonly Lost[] = [
  {
    what: "missing",
    code: "ERR_SNAPSHOT_MISSING",
    change: (fileSystem, name) => fileSystem.remove(name),
  },
  {
    what: "cut",
    code: "ERR_SNAPSHOT_DAMAGED",
    change: (fileSystem, name) =>
      writeFile(fileSystem, name, readFile(fileSystem, name).slice(0, 90)),
  },
  {
    what: "with a byte that has changed",
    code: "ERR_SNAPSHOT_DAMAGED",
    change(fileSystem, name) {
      const bytes = readFile(fileSystem, name);
      bytes[85] = (bytes[85] ?? 0) ^ 1;
      writeFile(fileSystem, name, bytes);
    },
  },
  {
    what: "of another log",
    code: "ERR_SNAPSHOT_OTHER_LOG",
    async change(fileSystem, name) {
      const other = new MemoryFileSystem();
      await machineWith(other, 3);
      writeFile(fileSystem, name, readFile(other, name));
    },
  },
  {
    what: "another one of the log",
    code: "ERR_SNAPSHOT_DAMAGED",
    change: (fileSystem, name) => writeFile(fileSystem, name, readFile(fileSystem, nameOf(2))),
  },
];

for (const { what, code, change } of LOST) {
  test(`where the newest snapshot is ${what}, the one before it stands in`, async () => {
    const fileSystem = new MemoryFileSystem();
    await machineWith(fileSystem, 3);
    await change(fileSystem, nameOf(3));
    const machine = await StateMachine.open(PATH, immutable(fileSystem));
    assertEquals(machine.state.numbers, numbersWith(3));
    const { snapshotIndex, replayed, skipped } = machine.recovery;
    assertEquals([snapshotIndex, replayed, skipped.map(({ code }) => code)], [4, 3, [code]]);
    // The next snapshot and the one that stood in are kept; the lost one is not counted.
    await machine.dispatch({ n: 7 });
    await machine.snapshot();
    const others = code === "ERR_SNAPSHOT_OTHER_LOG" ? [nameOf(3)] : [];
    assertEquals(filesOf(fileSystem), [nameOf(2), ...others, nameOf(4)]);
    await machine.close();
    fileSystem.remove(nameOf(4));
    await using again = await StateMachine.open(PATH, immutable(fileSystem));
    assertEquals(again.state.numbers, [...numbersWith(3), 7]);
  });
}

test("where all snapshots are lost, all events stand in, if the first one is there", async () => {
  const fileSystem = new MemoryFileSystem();
  await machineWith(fileSystem, 1);
  fileSystem.remove(nameOf(1));
  await using machine = await StateMachine.open(PATH, immutable(fileSystem));
  assertEquals(machine.state.numbers, numbersWith(1));
  assertEquals([machine.recovery.snapshotIndex, machine.recovery.replayed], [0, 3]);
});

test("where all snapshots are lost and the first events are gone, an open is refused", async () => {
  const fileSystem = new MemoryFileSystem();
  await machineWith(fileSystem, 3);
  for (const number of [2, 3]) fileSystem.remove(nameOf(number));
  const before = fileSystem.list(".").sort();
  const open = (): Promise<unknown> => StateMachine.open(PATH, immutable(fileSystem));
  const error = await assertRejects(open, WalError);
  assertEquals(error.code, "ERR_MACHINE_NO_SNAPSHOT");
  assert(error.cause instanceof WalError);
  assertEquals(fileSystem.list(".").sort(), before);
});

test("a log that ends before its newest snapshot is refused, and continues after it with salvage", async () => {
  const fileSystem = new MemoryFileSystem();
  await machineWith(fileSystem, 1);
  const log = await Wal.open(PATH, { fileSystem });
  await log.truncateFromIndex(2);
  await log.close();
  const open = (recovery: "default" | "salvage"): Promise<StateMachine<Seen, { n: number }>> =>
    StateMachine.open(PATH, immutable(fileSystem, { recovery }));
  assertEquals(
    (await assertRejects(() => open("default"), WalError)).code,
    "ERR_MACHINE_NO_SNAPSHOT",
  );
  const machine = await open("salvage");
  assertEquals([machine.state.numbers, machine.index], [[0, 1], 2]);
  assertEquals(await machine.dispatch({ n: 9 }), 3);
  await machine.close();
  await using again = await open("default");
  assertEquals(again.state.numbers, [0, 1, 9]);
});

test("a state of a later version is refused, and an older one passes through the upgrades", async () => {
  const fileSystem = new MemoryFileSystem();
  const options = (
    snapshot: MachineOptions<unknown, number>["snapshot"],
  ): MachineOptions<unknown, number> => ({
    initial: () => ({ sum: 0 }),
    apply: (state, amount) => {
      const { sum = 0, total = sum } = state as { sum?: number; total?: number };
      return (snapshot?.version ?? 1) < 3 ? { sum: sum + amount } : { total: total + amount };
    },
    fileSystem,
    ...snapshot === undefined ? {} : { snapshot },
  });
  const first = await StateMachine.open(PATH, options({ version: 1 }));
  await first.dispatch(5);
  await first.snapshot();
  await first.close();
  const open = (
    snapshot: MachineOptions<unknown, number>["snapshot"],
  ): Promise<StateMachine<unknown, number>> => StateMachine.open(PATH, options(snapshot));
  const gap = { version: 3, upgrade: { 1: (state: { sum: number }) => state } };
  assertEquals((await assertRejects(() => open(gap), WalError)).code, "ERR_SNAPSHOT_VERSION");
  const throwing = {
    version: 2,
    upgrade: {
      1: () => {
        throw new Error("not this one");
      },
    },
  };
  assertEquals((await assertRejects(() => open(throwing), WalError)).code, "ERR_MACHINE_STATE");
  const whole = {
    version: 3,
    upgrade: {
      1: (state: { sum: number }) => state,
      2: ({ sum }: { sum: number }) => ({ total: sum }),
    },
  };
  const machine = await open(whole);
  assertEquals(machine.state, { total: 5 });
  await machine.dispatch(1);
  await machine.snapshot();
  await machine.close();
  assertEquals(
    (await assertRejects(() => open({ version: 2 }), WalError)).code,
    "ERR_SNAPSHOT_VERSION",
  );
});

test("a state is saved and loaded by the user's own functions", async () => {
  const fileSystem = new MemoryFileSystem();
  const options: MachineOptions<ReadonlyMap<string, number>, [string, number]> = {
    initial: () => new Map(),
    apply: (map, [key, value]) => new Map(map).set(key, value),
    snapshot: {
      *save(map) {
        for (const item of map) yield new TextEncoder().encode(`${JSON.stringify(item)}\n`);
      },
      load(pieces) {
        let text = "";
        for (const piece of pieces) text += new TextDecoder().decode(piece);
        return new Map(text.trimEnd().split("\n").map((line) => JSON.parse(line)));
      },
    },
    fileSystem,
  };
  const machine = await StateMachine.open(PATH, options);
  await machine.dispatch(["a", 1]);
  await machine.dispatch(["b", 2]);
  await machine.snapshot();
  await machine.close();
  await using again = await StateMachine.open(PATH, options);
  assertEquals([...again.state], [["a", 1], ["b", 2]]);
  assertEquals(again.recovery.snapshotIndex, 2);
});

test("an apply that changes a state while it is saved as one that stays tears no snapshot", async () => {
  const fileSystem = new MemoryFileSystem();
  interface State {
    readonly list: { n: number }[];
    sum: number;
  }
  const options: MachineOptions<State, number> = {
    initial: () => ({ list: Array.from({ length: 50_000 }, () => ({ n: 0 })), sum: 0 }),
    apply: (state, n) => {
      if (n > 0) return { list: state.list.map(() => ({ n })), sum: state.sum + n };
      for (const one of state.list) one.n = n;
      state.sum = n;
    },
    fileSystem,
  };
  const machine = await StateMachine.open(PATH, options);
  await machine.dispatch(1);
  const snapshot = assertRejects(() => machine.snapshot(), WalError);
  while (filesOf(fileSystem).length === 0) await clock.endOfTurn();
  await clock.endOfTurn();
  await machine.dispatch(-1);
  const { code } = await snapshot;
  assertEquals([code, filesOf(fileSystem)], ["ERR_MACHINE_STATE", []]);
  // What it saves at once is whole.
  const next = machine.snapshot();
  while (filesOf(fileSystem).length === 0) await clock.endOfTurn();
  await machine.dispatch(-2);
  assertEquals(await next, 2);
  await machine.close();
  await using again = await StateMachine.open(PATH, options);
  assertEquals([again.recovery.snapshotIndex, again.state.sum], [2, -2]);
  assert(again.state.list.every(({ n }) => n === -2));
  assertEquals(await StateMachine.verify(PATH, options), 2);
});

test("the pieces that a save yields are cut and joined to about one size", async () => {
  const fileSystem = new MemoryFileSystem();
  const sizes = [3 * 65_536 + 5, 0, ...Array.from({ length: 20_000 }, (_, i) => i % 9)];
  const state = sizes.map((size, i) => new Uint8Array(size).fill(i));
  const options: MachineOptions<readonly Uint8Array[], number> = {
    initial: () => state,
    apply: (pieces) => [...pieces],
    snapshot: {
      *save(pieces) {
        // As a codec does that uses its memory again.
        const memory = new Uint8Array(4 * 65_536);
        for (const piece of pieces) {
          memory.set(piece);
          yield memory.subarray(0, piece.length);
        }
      },
      load(pieces) {
        return Array.from(pieces, (piece) => piece.slice());
      },
    },
    fileSystem,
  };
  const machine = await StateMachine.open(PATH, options);
  await machine.dispatch(1);
  let turns = 0;
  const { endOfTurn } = clock;
  clock.endOfTurn = () => {
    turns++;
    return endOfTurn.call(clock);
  };
  try {
    await machine.snapshot();
  } finally {
    clock.endOfTurn = endOfTurn;
  }
  assert(turns >= 5 && turns < 500, `${turns} turns`);
  await machine.close();
  await using again = await StateMachine.open(PATH, options);
  assertEquals(concat(...again.state), concat(...state));
});

test("the files that a snapshot gives back are removed in turns of their own", async () => {
  const removed = new Map<string, number>();
  let turn = 0;
  class Watched extends MemoryFileSystem {
    override remove(path: string): void {
      removed.set(path, turn);
      super.remove(path);
    }
  }
  const { endOfTurn } = clock;
  clock.endOfTurn = async () => {
    await endOfTurn.call(clock);
    turn++;
  };
  try {
    const options = immutable(new Watched(), { segmentSize: 9 * 1024 * 1024 });
    const machine = await StateMachine.open(PATH, options);
    for (let i = 0; i < 3; i++) {
      // A large segment each.
      const more = "x".repeat(8.5 * 1024 * 1024);
      for (let n = 0; n < 3; n++) await machine.dispatch({ n, more });
      await machine.snapshot();
    }
    await machine.close();
  } finally {
    clock.endOfTurn = endOfTurn;
  }
  assert(removed.size > 5, `${removed.size} files`);
  assertEquals(new Set(removed.values()).size, removed.size);
});

test("many small segments are dropped in one step", async () => {
  const fileSystem = new MemoryFileSystem();
  const machine = await StateMachine.open(PATH, immutable(fileSystem, { segmentSize: 512 }));
  for (let i = 0; i < 2; i++) {
    for (let n = 0; n < 100; n++) await machine.dispatch({ n });
    if (i === 0) await machine.snapshot();
  }
  let changes = 0;
  const { truncateBeforeIndex } = Wal.prototype;
  Wal.prototype.truncateBeforeIndex = function (...args) {
    changes++;
    return truncateBeforeIndex.apply(this, args);
  };
  try {
    await machine.snapshot();
  } finally {
    Wal.prototype.truncateBeforeIndex = truncateBeforeIndex;
  }
  await machine.close();
  assertEquals([changes, await firstIndexOf(fileSystem)], [1, 101]);
});

test("a state that cannot be saved is reported, and the machine continues", async () => {
  const fileSystem = new MemoryFileSystem();
  for (const kind of ["immutable", "mutating"] as const) {
    const path = `${kind}.wal`;
    const machine = await StateMachine.open(path, {
      initial: () => ({ big: [] as unknown[] }),
      apply(state: { big: unknown[] }, amount: number) {
        if (kind === "immutable") return { big: [...state.big, amount > 1 ? 1n : amount] };
        state.big.push(amount > 1 ? 1n : amount);
        return undefined;
      },
      fileSystem,
    });
    await machine.dispatch(1);
    await machine.snapshot();
    await machine.dispatch(2);
    const error = await assertRejects(() => machine.snapshot(), WalError);
    assertEquals(error.code, "ERR_MACHINE_STATE");
    await machine.dispatch(1);
    assertEquals(machine.state.big.length, 3);
    const files = fileSystem.list(".").filter((name) => name.startsWith(`${path}.snapshot-`));
    assertEquals(files.length, 1);
    await machine.close();
  }
});

test(
  "a full disk in each step of a snapshot leaves the machine and its snapshots as before",
  TIMEOUT,
  async () => {
    for (
      const operation of ["create", "write", "syncData", "sync", "syncDirectory", "remove"] as const
    ) {
      for (let after = 0, isMore = true; isMore; after++) {
        const memory = new MemoryFileSystem();
        await machineWith(memory, 2);
        const fileSystem = new FaultyFileSystem(memory);
        const machine = await StateMachine.open(PATH, immutable(fileSystem));
        const before = fileSystem.count(operation);
        fileSystem.fail(operation, operation === "write" ? "ENOSPC" : "EIO", { after });
        const taken = await machine.snapshot().then(() => true, (error: unknown) => error);
        isMore = fileSystem.count(operation) > before + after;
        if (taken !== true) assert(taken instanceof WalError, `${operation} ${after}: ${taken}`);
        await machine.close().catch(() => {});
        await using again = await StateMachine.open(PATH, immutable(memory));
        assertEquals(again.state.numbers, numbersWith(2), `${operation} ${after}`);
        assert(again.recovery.skipped.length === 0, `${operation} ${after}`);
        assert(filesOf(memory).length <= 2);
      }
    }
  },
);

test("files that the state does not name are removed, but not those that are something else", async () => {
  const fileSystem = new MemoryFileSystem();
  await machineWith(fileSystem, 2);
  writeFile(fileSystem, nameOf(7), readFile(fileSystem, nameOf(1)).slice(0, 60));
  writeFile(fileSystem, nameOf(8), new TextEncoder().encode("a note of somebody"));
  writeFile(fileSystem, `${PATH}.snapshot-1`, new Uint8Array(3));
  const machine = await StateMachine.open(PATH, immutable(fileSystem));
  assertEquals(filesOf(fileSystem), [nameOf(1), nameOf(2), nameOf(8), `${PATH}.snapshot-1`]);
  // The next name is one that was never used.
  await machine.snapshot();
  assertEquals(filesOf(fileSystem), [nameOf(2), nameOf(8), nameOf(9), `${PATH}.snapshot-1`]);
  await machine.close();
});

/** What a power cut may leave of a file that was written and not synced. */
const TORN: readonly (readonly [what: string, tear: (bytes: Uint8Array) => Uint8Array])[] = [
  ["empty", () => new Uint8Array()],
  ["all zeros", (bytes) => new Uint8Array(bytes.length)],
  ["zeros longer than it", () => new Uint8Array(8192)],
  ["without its beginning", (bytes) => bytes.fill(0, 0, 40)],
  ["without its header", (bytes) => bytes.fill(0, 0, 8)],
  ["a part of its header", (bytes) => bytes.slice(0, 5)],
  ["without its Segment frame", (bytes) => bytes.fill(0, 8, 60)],
  ["without its middle", (bytes) => bytes.fill(0, 80, bytes.length - 120)],
  ["without its end", (bytes) => bytes.fill(0, bytes.length - 40)],
  ["cut", (bytes) => bytes.slice(0, -20)],
];

for (const [what, tear] of TORN) {
  test(`a snapshot file that a power cut has left, ${what}, is removed and not believed`, async () => {
    const fileSystem = new MemoryFileSystem();
    await machineWith(fileSystem, 3);
    writeFile(fileSystem, nameOf(7), tear(readFile(fileSystem, nameOf(3))));
    const machine = await StateMachine.open(PATH, immutable(fileSystem));
    assertEquals(filesOf(fileSystem), [nameOf(2), nameOf(3)]);
    assertEquals([machine.state.numbers, machine.recovery.skipped], [numbersWith(3), []]);
    await machine.close();
    // Where the state names it, the one before it stands in.
    writeFile(fileSystem, nameOf(3), tear(readFile(fileSystem, nameOf(3))));
    await using again = await StateMachine.open(PATH, immutable(fileSystem));
    assertEquals(again.state.numbers, numbersWith(3));
    assertEquals(again.recovery.skipped.map(({ code }) => code), ["ERR_SNAPSHOT_DAMAGED"]);
  });
}

/** A file system some of whose calls the device fails. */
class FailingFileSystem extends MemoryFileSystem {
  fails: (operation: "open" | "list", path: string) => boolean = () => false;

  override open(...args: Parameters<MemoryFileSystem["open"]>): FileHandle {
    if (this.fails("open", args[0])) throw new FileSystemError("EIO", "open", args[0]);
    return super.open(...args);
  }

  override list(directory: string): string[] {
    if (this.fails("list", directory)) throw new FileSystemError("EIO", "list", directory);
    return super.list(directory);
  }
}

test("a snapshot that the system cannot read is not taken for damaged, and the error says what to do", async () => {
  for (const snapshots of [1, 3]) {
    const fileSystem = new FailingFileSystem();
    await machineWith(fileSystem, snapshots);
    const newest = nameOf(snapshots);
    fileSystem.fails = (operation, path) => operation === "open" && path.endsWith(newest);
    const open = () => StateMachine.open(PATH, immutable(fileSystem));
    const { code, message, cause } = await assertRejects(open, WalError);
    assertEquals(code, "ERR_WAL_IO");
    assert(message.includes(newest) && message.includes("stands in"), message);
    assert(cause instanceof FileSystemError && cause.code === "EIO");
    fileSystem.fails = () => false;
    // As it says.
    fileSystem.remove(newest);
    await using machine = await open();
    assertEquals(machine.state.numbers, numbersWith(snapshots));
  }
});

test("where nothing can stand in for a snapshot that cannot be read, the error says so", async () => {
  const fileSystem = new FailingFileSystem();
  await machineWith(fileSystem, 3);
  fileSystem.remove(nameOf(3));
  fileSystem.fails = (operation, path) => operation === "open" && path.endsWith(nameOf(2));
  const open = () => StateMachine.open(PATH, immutable(fileSystem));
  const { code, message } = await assertRejects(open, WalError);
  assertEquals(code, "ERR_WAL_IO");
  assert(message.includes("nothing can stand in"), message);
});

test("a directory that cannot be listed refuses an open, and does not fail a snapshot", async () => {
  const fileSystem = new FailingFileSystem();
  const machine = await StateMachine.open(PATH, immutable(fileSystem));
  for (let n = 1; n <= 3; n++) {
    await machine.dispatch({ n });
    const isLast = n === 3;
    fileSystem.fails = (operation) => isLast && operation === "list";
    assertEquals(await machine.snapshot(), n);
  }
  await machine.close();
  const open = () => StateMachine.open(PATH, immutable(fileSystem));
  const { code, cause } = await assertRejects(open, WalError);
  assert(code === "ERR_WAL_IO" && cause instanceof FileSystemError);
  fileSystem.fails = () => false;
  assertEquals(filesOf(fileSystem), [nameOf(1), nameOf(2), nameOf(3)]);
  await using again = await open();
  assertEquals([again.state.numbers, filesOf(fileSystem)], [[1, 2, 3], [nameOf(2), nameOf(3)]]);
});

test("a snapshot that is being taken is given up when the machine is closed", async () => {
  const fileSystem = new MemoryFileSystem();
  const numbers = Array.from({ length: 100_000 }, (_, n) => n);
  const initial = (): Seen => ({ numbers, sum: 0 });
  const machine = await StateMachine.open(PATH, { ...immutable(fileSystem), initial });
  await machine.dispatch({ n: 1 });
  const snapshot = machine.snapshot();
  snapshot.catch(() => {});
  for (let i = 0; i < 3; i++) await clock.endOfTurn();
  await machine.close();
  assertEquals((await assertRejects(() => snapshot, WalError)).code, "ERR_WAL_CLOSED");
  assertEquals(filesOf(fileSystem), []);
});

test("verify tells an apply that gives something else when it runs again", async () => {
  const fileSystem = new MemoryFileSystem();
  let more = 0;
  const options: MachineOptions<Seen, { n: number }> = {
    ...immutable(fileSystem),
    apply: ({ numbers, sum }, { n }) => ({ numbers: [...numbers, n], sum: sum + n + more }),
  };
  const machine = await StateMachine.open(PATH, options);
  assertEquals(await StateMachine.verify(PATH, options), 0);
  for (let n = 1; n <= 3; n++) {
    await machine.dispatch({ n }, { key: `key ${n}` });
    await machine.snapshot();
    assertEquals(await StateMachine.verify(PATH, options), n);
  }
  more = 1;
  const verify = (): Promise<unknown> => StateMachine.verify(PATH, options);
  assertEquals((await assertRejects(verify, WalError)).code, "ERR_MACHINE_DIVERGED");
  assertEquals(machine.state, { numbers: [1, 2, 3], sum: 6 });
  await machine.close();
});

/** Lets some syncs wait until they are released. */
function heldSyncs(disk: CrashFileSystem, isHeld: (call: string) => boolean): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  disk.observe((call) => /^f(data)?sync /.test(call) && isHeld(call) ? promise : undefined);
  return resolve;
}

/** What an open of each state that a crash may leave now shows. */
async function afterCrashes(disk: CrashFileSystem): Promise<(readonly number[])[]> {
  const found: (readonly number[])[] = [];
  for (const left of disk.crashStates({ limit: 64 })) {
    const machine = await StateMachine.open(PATH, immutable(left));
    assertEquals(machine.recovery.skipped, []);
    found.push(machine.state.numbers);
    await machine.close();
  }
  return found;
}

test("a snapshot is not named before the log has the entries that are in it", TIMEOUT, async () => {
  const disk = new CrashFileSystem();
  const machine = await StateMachine.open(PATH, immutable(disk));
  await machine.dispatch({ n: 1 });
  const release = heldSyncs(disk, (call) => call.endsWith(`"${PATH}"`));
  const dispatched = machine.dispatch({ n: 2 });
  let isTaken = false;
  const taken = machine.snapshot().then(() => isTaken = true);
  for (let i = 0; i < 200; i++) await clock.endOfTurn();
  assertEquals([isTaken, filesOf(disk)], [false, [nameOf(1)]]);
  for (const numbers of await afterCrashes(disk.fork())) {
    assert(numbers.length === 1 || numbers.length === 2, numbers.join());
  }
  release();
  await Promise.all([dispatched, taken]);
  await machine.close();
});

for (const which of [1, 2]) {
  test(
    `a snapshot is not named before sync ${which} of its file, if it is slower than the log`,
    TIMEOUT,
    async () => {
      const disk = new CrashFileSystem();
      const machine = await StateMachine.open(PATH, immutable(disk));
      await machine.dispatch({ n: 1 });
      await machine.snapshot();
      await machine.dispatch({ n: 2 });
      let syncs = 0;
      const release = heldSyncs(disk, (call) => call.includes(".snapshot-") && ++syncs === which);
      let isTaken = false;
      const taken = machine.snapshot().then(() => isTaken = true);
      for (let i = 0; i < 200; i++) await clock.endOfTurn();
      assertEquals([isTaken, syncs], [false, which]);
      for (const numbers of await afterCrashes(disk.fork())) assertEquals(numbers, [1, 2]);
      release();
      await taken;
      for (const numbers of await afterCrashes(disk.fork())) assertEquals(numbers, [1, 2]);
      await machine.close();
    },
  );
}

test("a snapshot whose name may or may not be stored ends the machine", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const machine = await StateMachine.open(PATH, immutable(fileSystem));
  await machine.dispatch({ n: 1 });
  fileSystem.fail("sync", "EIO", { name: `${PATH}.meta` });
  fileSystem.fail("syncData", "EIO", { name: `${PATH}.meta` });
  assertEquals(
    (await assertRejects(() => machine.snapshot(), WalError)).code,
    "ERR_WAL_SYNC_FAILED",
  );
  const dispatch = (): Promise<unknown> => machine.dispatch({ n: 2 });
  assertEquals((await assertRejects(dispatch, WalError)).code, "ERR_WAL_SYNC_FAILED");
  await machine.close().catch(() => {});
});

test("a directory that cannot be listed is a typed error of open, and hurts no snapshot", async () => {
  const before = new MemoryFileSystem();
  await machineWith(before, 1);
  const listsOf = async (
    fileSystem: FaultyFileSystem,
  ): Promise<StateMachine<Seen, { n: number }>> =>
    await StateMachine.open(PATH, immutable(fileSystem));
  const counting = new FaultyFileSystem(before);
  await (await listsOf(counting)).close();
  const lists = counting.count("list");
  const codes: string[] = [];
  for (let after = 0; after < lists; after++) {
    const faulty = new FaultyFileSystem(before);
    faulty.fail("list", "EIO", { after });
    try {
      const machine = await listsOf(faulty);
      codes.push("none");
      await machine.close();
    } catch (error) {
      assert(error instanceof WalError, `${error}`);
      codes.push(error.code);
    }
  }
  assertEquals(codes.slice(-2), ["ERR_WAL_IO", "none"]);
  assertEquals(new Set(codes.slice(0, -1)), new Set(["ERR_WAL_IO"]));
  // To remove what is left over is not worth to fail for.
  const faulty = new FaultyFileSystem(before);
  const machine = await listsOf(faulty);
  faulty.fail("list", "EIO", { times: Infinity });
  await machine.dispatch({ n: 3 });
  assertEquals(await machine.snapshot(), 4);
  await machine.dispatch({ n: 4 });
  assertEquals(await machine.snapshot(), 5);
  await machine.close();
  await using again = await StateMachine.open(PATH, immutable(before));
  assertEquals(again.state.numbers, [0, 1, 2, 3, 4]);
  assertEquals(filesOf(before), [nameOf(2), nameOf(3)]);
});
