/**
 * The kit that crashes are tried with, under test itself: what it says that a disk may hold, against
 * sets of states that were worked out by hand, and what it must catch.
 *
 * @module
 */
import { test } from "node:test";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  type FileHandle,
  type FileSystem,
  FileSystemError,
  LockedError,
  Wal,
  WalError,
} from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import {
  BrokenPromise,
  contentsOf,
  CrashFileSystem,
  type CrashStatesOptions,
  digestOf,
  type ErrorTold,
  exploreCrashes,
  exploreFaults,
  type FailedSync,
  FaultyFileSystem,
  type FileOperation,
  type Trial,
  type WalContents,
  type WalOperation,
  WalOracle,
} from "../../src/testing/testing.ts";
import { bytes, readFile, syncDirectory, text } from "../../kit/logs.ts";

const SECTOR = 512;
const BLOCK = 4096;
const SLOW = { timeout: 60_000 };

/** Everything in a folder, as "name=bytes" and "folder/". */
function treeOf(fileSystem: FileSystem, folder = "."): string {
  const names = fileSystem.list(folder).sort();
  return names.map((name) => {
    const path = folder === "." ? name : `${folder}/${name}`;
    try {
      return `${path}=${readFile(fileSystem, path)}`;
    } catch (error) {
      assertEquals(assertInstanceOfFailure(error).code, "EISDIR");
      return [`${path}/`, treeOf(fileSystem, path)].filter((part) => part !== "").join(" ");
    }
  }).join(" ");
}

function assertInstanceOfFailure(error: unknown): FileSystemError {
  assertInstanceOf(error, FileSystemError);
  return error as FileSystemError;
}

/** What a crash may leave, each as `treeOf` shows it. */
function statesOf(fileSystem: CrashFileSystem, options?: CrashStatesOptions): string[] {
  return Array.from(fileSystem.crashStates(options), (disk) => treeOf(disk));
}

/** Asserts that a crash may leave exactly these states, and that each is found once. */
function assertLeaves(fileSystem: CrashFileSystem, ...wanted: string[]): void {
  assertEquals(statesOf(fileSystem).sort(), wanted.sort());
}

/** A file with a durable name and durable bytes. */
function withFile(
  content: Uint8Array,
  failedSync: FailedSync = "ext4",
  errorTold: ErrorTold = "descriptor",
): { fileSystem: CrashFileSystem; file: FileHandle } {
  const fileSystem = new CrashFileSystem({ failedSync, errorTold });
  const file = fileSystem.open("a", "create");
  syncDirectory(fileSystem, ".");
  file.write(content, 0);
  file.syncBlocking();
  return { fileSystem, file };
}

const of = (...values: number[]): Uint8Array => Uint8Array.from(values);

// What a crash leaves.

test("of a write, a crash leaves its data and its growth each without the other", () => {
  const { fileSystem, file } = withFile(of());
  file.write(of(7), 0);
  // Data after the end that the disk has are not seen.
  assertLeaves(fileSystem, "a=", "a=0", "a=7");
});

test("a file's bytes and its name are durable each without the other", () => {
  const unnamed = new CrashFileSystem();
  const file = unnamed.open("a", "create");
  file.write(of(7), 0);
  assertLeaves(unnamed, "", "a=", "a=0", "a=7");
  file.syncBlocking();
  assertLeaves(unnamed, "", "a=7");
  syncDirectory(unnamed, ".");
  assertLeaves(unnamed, "a=7");
});

for (const call of ["sync", "syncData", "syncDataBlocking", "syncBlocking"] as const) {
  test(`${call} makes data and size durable`, async () => {
    const { fileSystem, file } = withFile(of(1));
    file.write(of(7), 1);
    await file[call]();
    assertLeaves(fileSystem, "a=1,7");
    file.truncate(1);
    await file[call]();
    assertLeaves(fileSystem, "a=1");
  });
}

const DIRECTORY_SYNCS: Readonly<
  Record<string, (fileSystem: CrashFileSystem, path: string) => Promise<void> | void>
> = {
  "syncDirectory": (fileSystem, path) => fileSystem.syncDirectory(path),
  "sync of an open directory": (fileSystem, path) => fileSystem.openDirectory(path).sync(),
  "syncBlocking of an open directory": syncDirectory,
};

for (const [call, sync] of Object.entries(DIRECTORY_SYNCS)) {
  test(`${call} makes names durable, and removals`, async () => {
    const fileSystem = new CrashFileSystem();
    fileSystem.open("a", "create");
    await sync(fileSystem, ".");
    assertLeaves(fileSystem, "a=");
    fileSystem.remove("a");
    assertLeaves(fileSystem, "a=", "");
    await sync(fileSystem, "");
    assertLeaves(fileSystem, "");
  });
}

test("what is done while a sync runs is not covered by it", async () => {
  const { fileSystem, file } = withFile(of(1));
  file.write(of(2), 0);
  const syncing = file.syncData();
  file.write(of(3), 0);
  await syncing;
  assertLeaves(fileSystem, "a=2", "a=3");

  fileSystem.open("b", "create");
  const syncingNames = fileSystem.syncDirectory(".");
  fileSystem.open("c", "create");
  fileSystem.remove("b");
  await syncingNames;
  file.syncBlocking();
  assertLeaves(fileSystem, "a=3 b=", "a=3 b= c=", "a=3", "a=3 c=");
});

test("of two writes after each other, a crash leaves any parts", () => {
  const { fileSystem, file } = withFile(of());
  file.write(of(1), 0);
  file.write(of(2), 1);
  const [one, two] = [["a=0", "a=1"], ["a=0,0", "a=1,0", "a=0,2", "a=1,2"]];
  assertLeaves(fileSystem, "a=", ...one, ...two);
});

test("a write is torn at the edges of sectors, in any order, and nowhere else", () => {
  const { fileSystem, file } = withFile(new Uint8Array(4 * SECTOR).fill(1));
  const [from, to] = [SECTOR - 2, 3 * SECTOR + 2];
  file.write(new Uint8Array(to - from).fill(2), from);
  const wanted = Array.from({ length: 16 }, (_, kept) => {
    const content = new Uint8Array(4 * SECTOR).fill(1);
    for (let sector = 0; sector < 4; sector++) {
      const [start, end] = [SECTOR * sector, SECTOR * (sector + 1)];
      if ((kept >> sector) % 2 === 1) content.fill(2, Math.max(from, start), Math.min(to, end));
    }
    return `a=${content}`;
  });
  assertEquals(new Set(wanted).size, 16);
  assertLeaves(fileSystem, ...wanted);
});

test("a truncation may be there without the write after it, and the write without it", () => {
  const { fileSystem, file } = withFile(of(1, 2, 3));
  file.truncate(1);
  file.write(of(9), 1);
  // The truncation writes zeros after the new end, which may be there without it.
  const uncut = ["a=1,2,3", "a=1,9,3", "a=1,0,0", "a=1,9,0"];
  assertLeaves(fileSystem, ...uncut, "a=1", "a=1,0", "a=1,9");
});

test("a truncation that is not there may have left zeros up to the end of its block", () => {
  const { fileSystem, file } = withFile(new Uint8Array(2 * BLOCK).fill(1));
  file.truncate(100);
  const found = Array.from(fileSystem.crashStates(), (disk) => readFile(disk, "a"));
  assertEquals(found.filter(({ length }) => length === 100).length, 1);
  const uncut = found.filter(({ length }) => length === 2 * BLOCK);
  assertEquals(uncut.length, 2 ** (BLOCK / SECTOR));
  assertEquals(found.length, 1 + uncut.length);
  for (const content of found) assert(content.subarray(0, 100).every((byte) => byte === 1));
  for (const content of uncut) assert(content.subarray(BLOCK).every((byte) => byte === 1));
});

test("a file whose removal is pending may be back, and is gone once it is durable", () => {
  const { fileSystem } = withFile(of(1));
  fileSystem.remove("a");
  assertEquals(fileSystem.list("."), []);
  assertLeaves(fileSystem, "a=1", "");
  syncDirectory(fileSystem, ".");
  assertLeaves(fileSystem, "");
});

test("a removed file can be read where it is open, and what is written to it is not seen", () => {
  const { fileSystem, file } = withFile(of(1));
  fileSystem.remove("a");
  file.write(of(2), 1);
  const into = new Uint8Array(2);
  assertEquals(file.read(into, 0), 2);
  assertEquals(into, of(1, 2));
  syncDirectory(fileSystem, ".");
  assertLeaves(fileSystem, "");
});

test("a file that takes another's name may be the other, itself or none", () => {
  const { fileSystem } = withFile(of(1));
  fileSystem.remove("a");
  const next = fileSystem.open("a", "create");
  next.write(of(2), 0);
  next.syncBlocking();
  assertLeaves(fileSystem, "a=1", "", "a=2");
});

test("created, removed, and created again, a name stands for either file or none", () => {
  const fileSystem = new CrashFileSystem();
  for (const byte of [1, 2]) {
    const file = fileSystem.open("a", "create");
    file.write(of(byte), 0);
    file.syncBlocking();
    if (byte === 1) fileSystem.remove("a");
  }
  assertLeaves(fileSystem, "", "a=1", "a=2");
});

test("a file that is renamed by a copy may have both names or neither", () => {
  const { fileSystem } = withFile(of(1));
  const copy = fileSystem.open("b", "create");
  copy.write(of(1), 0);
  copy.syncBlocking();
  fileSystem.remove("a");
  assertLeaves(fileSystem, "a=1", "a=1 b=1", "b=1", "");
});

test("of a new directory, the parent's sync keeps the name and its own sync what is in it", () => {
  const make = (): { fileSystem: CrashFileSystem; file: FileHandle } => {
    const fileSystem = new CrashFileSystem();
    fileSystem.makeDirectory("d");
    const file = fileSystem.open("d/a", "create");
    file.write(of(1), 0);
    file.syncBlocking();
    return { fileSystem, file };
  };
  const neither = make().fileSystem;
  assertLeaves(neither, "", "d/", "d/ d/a=1");
  const outer = make().fileSystem;
  syncDirectory(outer, ".");
  assertLeaves(outer, "d/", "d/ d/a=1");
  const inner = make().fileSystem;
  syncDirectory(inner, "d");
  assertLeaves(inner, "", "d/ d/a=1");
  syncDirectory(inner, ".");
  assertLeaves(inner, "d/ d/a=1");
});

test("no state is given twice, whatever parts it was put together of", () => {
  const { fileSystem, file } = withFile(of());
  // Two pages of zeros, which look like none.
  file.write(new Uint8Array(4097), 0);
  assertEquals(statesOf(fileSystem).map((state) => state.split(",").length), [1, 4097]);
  assertEquals(statesOf(fileSystem, { limit: 100 }).length, 2);
});

test("a write of no bytes changes nothing", () => {
  const { fileSystem, file } = withFile(of(1));
  file.write(of(), 5);
  assertEquals(file.size(), 1);
  assertLeaves(fileSystem, "a=1");
});

test("bytes after the end that the disk has never come back", () => {
  const { fileSystem, file } = withFile(of());
  file.write(of(7), 0);
  const empty = Array.from(fileSystem.crashStates()).filter((disk) => treeOf(disk) === "a=");
  assertEquals(empty.length, 1);
  for (
    const grow of [
      (file: FileHandle) => file.truncate(2),
      (file: FileHandle) => file.write(of(0), 1),
    ]
  ) {
    const disk = (empty[0] as CrashFileSystem).fork();
    grow(disk.open("a", "write"));
    assertEquals(treeOf(disk), "a=0,0");
    assertEquals(statesOf(disk).filter((state) => state.includes("7")), []);
  }
});

test("what a truncation has cut off is zeros when the file grows again", () => {
  const { fileSystem, file } = withFile(of(1, 2, 3));
  file.truncate(1);
  file.truncate(3);
  assertEquals(treeOf(fileSystem), "a=1,0,0");
  assertLeaves(fileSystem, "a=1,2,3", "a=1", "a=1,0,0");
});

/** A step of a random program: on one of two files, or on the directory. */
type Step =
  | { readonly do: "write"; readonly name: string; readonly at: number; readonly data: Uint8Array }
  | { readonly do: "truncate"; readonly name: string; readonly size: number }
  | { readonly do: "sync"; readonly name: string }
  | { readonly do: "remove"; readonly name: string }
  | { readonly do: "syncDirectory" };

const NAME = fc.constantFrom("a", "b");
const STEP: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("write" as const),
      name: NAME,
      at: fc.integer({ min: 0, max: 1200 }),
      data: fc.uint8Array({ min: 1, minLength: 1, maxLength: 700 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("truncate" as const),
      name: NAME,
      size: fc.integer({ min: 0, max: 1500 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("sync" as const), name: NAME }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("remove" as const), name: NAME }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("syncDirectory" as const) }) },
);

/** A file as a plain list of what was done to it. */
interface Told {
  /** What the last sync has covered. */
  durable: Uint8Array;
  /** What was done since. */
  pending: (Step & { do: "write" | "truncate" })[];
}

/** What a file's bytes are after some steps. */
function after(durable: Uint8Array, steps: Told["pending"]): Uint8Array {
  return steps.reduce((content, step) => {
    const size = step.do === "truncate"
      ? step.size
      : Math.max(content.length, step.at + step.data.length);
    const next = new Uint8Array(size);
    next.set(content.subarray(0, size));
    if (step.do === "write") next.set(step.data, step.at);
    return next;
  }, durable);
}

/** Whether a crash may leave these bytes of a file, byte by byte. */
function isPossible(found: Uint8Array, { durable, pending }: Told): boolean {
  const truncations = pending.flatMap((step) => step.do === "truncate" ? [step.size] : []);
  const ends = pending.flatMap((step) => step.do === "write" ? [step.at + step.data.length] : []);
  if (![durable.length, ...truncations, ...ends].includes(found.length)) return false;
  // Nothing durable is lost that no call cut off.
  if (found.length < Math.min(durable.length, ...truncations)) return false;
  return found.every((byte, i) => {
    const isUntouched = i < Math.min(durable.length, ...truncations);
    if (i < durable.length ? byte === durable[i] : byte === 0) return true;
    if (byte === 0 && !isUntouched) return true;
    return pending.some((step) => step.do === "write" && step.data[i - step.at] === byte);
  });
}

test("nothing durable is lost, and nothing appears that was never written", SLOW, () => {
  let states = 0;
  fc.assert(
    fc.property(fc.array(STEP, { minLength: 1, maxLength: 14 }), (steps) => {
      const fileSystem = new CrashFileSystem();
      const files = new Map<string, { told: Told; file: FileHandle }>();
      /** For each name, what it may stand for; `undefined` for nothing. */
      const names = new Map<string, (Told | undefined)[]>([["a", [undefined]], ["b", [undefined]]]);
      for (const step of steps) {
        if (step.do === "syncDirectory") {
          syncDirectory(fileSystem, ".");
          for (const name of names.keys()) names.set(name, [files.get(name)?.told]);
          continue;
        }
        let open = files.get(step.name);
        if (step.do === "remove") {
          if (open === undefined) continue;
          fileSystem.remove(step.name);
          files.delete(step.name);
          names.get(step.name)?.push(undefined);
          continue;
        }
        if (open === undefined) {
          const told: Told = { durable: of(), pending: [] };
          open = { told, file: fileSystem.open(step.name, "create") };
          files.set(step.name, open);
          names.get(step.name)?.push(told);
        }
        const { told, file } = open;
        if (step.do === "sync") {
          file.syncBlocking();
          told.durable = after(told.durable, told.pending);
          told.pending = [];
        } else {
          if (step.do === "write") file.write(step.data, step.at);
          else file.truncate(step.size);
          told.pending.push(step);
        }
      }
      for (const [name, { told }] of files) {
        assertEquals(readFile(fileSystem, name), after(told.durable, told.pending));
      }
      for (const disk of fileSystem.crashStates({ limit: 64 })) {
        states++;
        for (const [name, possible] of names) {
          const found = disk.list(".").includes(name) ? readFile(disk, name) : undefined;
          assert(
            possible.some((told) =>
              told === undefined
                ? found === undefined
                : found !== undefined && isPossible(found, told)
            ),
            `"${name}" is ${found} with ${disk.origin}`,
          );
        }
      }
    }),
    { numRuns: 300, seed: 20 },
  );
  assert(states > 3000, `only ${states} states`);
});

// How many states, and which.

/** Sectors of ones, all overwritten by twos, and each state as the list of what is overwritten. */
function overwritten(sectors: number): CrashFileSystem {
  const { fileSystem, file } = withFile(new Uint8Array(sectors * SECTOR).fill(1));
  file.write(new Uint8Array(sectors * SECTOR).fill(2), 0);
  return fileSystem;
}

function sectorsOf(disk: CrashFileSystem): string {
  const content = readFile(disk, "a");
  return Array.from({ length: content.length / SECTOR }, (_, i) => content[i * SECTOR]).join("");
}

test("up to the limit there are all states, above it so many distinct ones", () => {
  assertEquals([...overwritten(3).crashStates({ limit: 8 })].length, 8);
  assertEquals(new Set(Array.from(overwritten(10).crashStates(), sectorsOf)).size, 1024);
  for (const limit of [2, 7, 100]) {
    const found = Array.from(overwritten(20).crashStates({ limit }), sectorsOf);
    assertEquals(found.length, limit);
    assertEquals(new Set(found).size, limit);
    assertEquals(found.slice(0, 2), ["1".repeat(20), "2".repeat(20)], "none of it, and all of it");
  }
  assertEquals([...overwritten(20).crashStates()].length, 1024);
});

test("a draw is the same for the same seed, and another for another", () => {
  const draw = (seed?: number): string[] =>
    Array.from(
      overwritten(20).crashStates({ limit: 50, ...(seed === undefined ? {} : { seed }) }),
      sectorsOf,
    );
  assertEquals(draw(7), draw(7));
  assertEquals(draw(), draw(1));
  const [some, others] = [draw(7), draw(8)];
  assert(some.filter((state) => others.includes(state)).length < 25);
});

test("a draw has what tends to show mistakes: all but one, only one, and all up to one", () => {
  const found = Array.from(overwritten(12).crashStates({ limit: 400 }), sectorsOf);
  for (const pattern of [/^2+12+$/, /^1+21+$/, /^2+1+$/]) {
    assert(found.some((state) => pattern.test(state)), `no ${pattern}`);
  }
});

test("a draw from few states ends", () => {
  const { fileSystem, file } = withFile(new Uint8Array(30 * SECTOR));
  file.write(new Uint8Array(30 * SECTOR), 0);
  assertEquals([...fileSystem.crashStates()].length, 1);
});

test("a state tells which changes the disk has", () => {
  const { fileSystem, file } = withFile(of(1));
  assertEquals(fileSystem.origin, "as it was made");
  assertEquals(Array.from(fileSystem.crashStates(), ({ origin }) => origin), [
    "nothing was pending",
  ]);
  file.write(of(2, 3), 0);
  fileSystem.open("b", "create");
  file.truncate(0);
  const origins = Array.from(fileSystem.crashStates(), (disk) => `${treeOf(disk)}: ${disk.origin}`);
  assertEquals(origins[0], "a=1: nothing that was pending is on the disk");
  assertEquals(origins[1], 'a=1 b=: with the name "b" only');
  assertEquals(origins.filter((origin) => origin.startsWith("a=2,3")), [
    'a=2,3: without the name "b", the truncation of "a" to 0 bytes',
    'a=2,3 b=: without the truncation of "a" to 0 bytes',
  ]);
  assert(origins.includes('a=2: with bytes 0 to 2 of "a" only'), origins.join("\n"));
});

// Forks, processes.

test("looking at what a crash leaves disturbs neither the file system nor other states", () => {
  const { fileSystem, file } = withFile(of(1));
  file.write(of(2), 0);
  fileSystem.open("b", "create");
  const before = statesOf(fileSystem);
  assertEquals(before.length, 4);
  const seen = Array.from(fileSystem.crashStates(), (disk) => {
    const state = treeOf(disk);
    const survivor = disk.open("a", "write");
    survivor.write(of(8, 8, 8), 0);
    survivor.syncBlocking();
    disk.open("c", "create");
    disk.remove("a");
    syncDirectory(disk, ".");
    assertEquals(treeOf(disk), state.includes("b=") ? "b= c=" : "c=");
    return state;
  });
  assertEquals(seen, before);
  assertEquals(statesOf(fileSystem), before);
  assertEquals(treeOf(fileSystem), "a=2 b=");
  file.write(of(3), 0);
  file.syncBlocking();
  assertLeaves(fileSystem, "a=3", "a=3 b=");
});

test("the states are those of the moment of the call", () => {
  const { fileSystem, file } = withFile(of(1));
  file.write(of(2), 0);
  const states = fileSystem.crashStates();
  file.write(of(3), 0);
  file.syncBlocking();
  assertEquals(Array.from(states, (disk) => treeOf(disk)), ["a=1", "a=2"]);
});

test("everything in a state is durable", () => {
  for (const disk of overwritten(3).crashStates()) assertEquals(statesOf(disk), [treeOf(disk)]);
});

test("a fork goes its own way", async () => {
  const { fileSystem, file } = withFile(of(1));
  file.write(of(2), 0);
  await fileSystem.lock("a.lock");
  const fork = fileSystem.fork();
  assertLeaves(fork, "a=1", "a=2");
  const forked = fork.open("a", "write");
  forked.write(of(5), 0);
  forked.syncBlocking();
  fork.remove("a");
  assertLeaves(fork, "a=5", "");
  assertLeaves(fileSystem, "a=1", "a=2");
  assertEquals(treeOf(fileSystem), "a=2");
  file.write(of(6), 0);
  file.syncBlocking();
  fileSystem.open("c", "create");
  assertLeaves(fork, "a=5", "");
  assertLeaves(fileSystem, "a=6", "a=6 c=");
  // It is for a process of its own.
  (await fork.lock("a.lock")).release();
});

test("the death of the process closes files, frees locks, and keeps the page cache", async () => {
  const { fileSystem, file } = withFile(of(1));
  file.write(of(2), 0);
  const lock = await fileSystem.lock("a.lock");
  await assertRejects(() => fileSystem.lock("./a.lock"), LockedError);
  const states = statesOf(fileSystem);
  const syncing = file.sync();
  fileSystem.kill();
  for (
    const call of [
      () => file.read(of(0), 0),
      () => file.write(of(3), 0),
      () => file.size(),
      () => file.truncate(0),
      () => file.syncBlocking(),
    ]
  ) assertEquals(assertThrows(call, FileSystemError).code, "EIO");
  await assertRejects(() => syncing, FileSystemError);
  await assertRejects(() => file.syncData(), FileSystemError);
  assertEquals(treeOf(fileSystem), "a=2");
  assertEquals(statesOf(fileSystem), states);
  const again = await fileSystem.lock("a.lock");
  lock.release(); // of the dead process; it must not free the other's
  await assertRejects(() => fileSystem.lock("a.lock"), LockedError);
  again.release();
});

for (const sync of ["syncData", "sync"] as const) {
  test(`${sync} takes as long as the observer says, and covers what was there before`, async () => {
    const { promise: slow, resolve: end } = Promise.withResolvers<void>();
    const fileSystem = new CrashFileSystem();
    const file = fileSystem.open("a", "create");
    file.write(of(1), 0);
    syncDirectory(fileSystem, ".");
    fileSystem.observe((call) => call.startsWith("write") ? undefined : slow);
    const running = file[sync]();
    file.write(of(2), 1);
    assert(statesOf(fileSystem).includes("a="));
    end();
    await running;
    assertEquals(statesOf(fileSystem), ["a=1", "a=1,0", "a=1,2"]);
  });
}

test("a sync of a directory takes as long as the observer says", async () => {
  const { promise: slow, resolve: end } = Promise.withResolvers<void>();
  const fileSystem = new CrashFileSystem();
  fileSystem.open("a", "create");
  fileSystem.observe((call) => call.startsWith("fsync") ? slow : undefined);
  const running = fileSystem.syncDirectory(".");
  fileSystem.open("b", "create");
  assertEquals(statesOf(fileSystem).sort(), ["", "a=", "a= b=", "b="]);
  end();
  await running;
  assertEquals(statesOf(fileSystem), ["a=", "a= b="]);
});

test("the observer sees each call that changes something or syncs, before it", async () => {
  const fileSystem = new CrashFileSystem();
  const seen: string[] = [];
  fileSystem.observe((call) => seen.push(`${call} [${treeOf(fileSystem)}]`));
  fileSystem.makeDirectory("d");
  const file = fileSystem.open("d/a", "create");
  file.write(of(1, 2, 3), 4, 2);
  file.read(of(0), 0);
  file.size();
  await file.syncData();
  await file.sync();
  file.syncBlocking();
  file.truncate(1);
  fileSystem.list("d");
  await fileSystem.syncDirectory("d");
  syncDirectory(fileSystem, ".");
  (await fileSystem.lock("lock")).release();
  file.close();
  fileSystem.remove("d/a");
  fileSystem.observe(undefined);
  fileSystem.makeDirectory("e");
  assertEquals(seen, [
    'make directory "d" []',
    'create "d/a" [d/]',
    'write 2 bytes at 4 of "d/a" [d/ d/a=]',
    'fdatasync "d/a" [d/ d/a=0,0,0,0,1,2]',
    'fsync "d/a" [d/ d/a=0,0,0,0,1,2]',
    'fsync "d/a" [d/ d/a=0,0,0,0,1,2]',
    'truncate "d/a" to 1 bytes [d/ d/a=0,0,0,0,1,2]',
    'fsync directory "d" [d/ d/a=0]',
    'fsync directory "." [d/ d/a=0]',
    'remove "d/a" [d/ d/a=0]',
  ]);
});

// Syncs that fail.

/** Two durable bytes. The second is overwritten, a third is new, and the sync fails. */
async function failedSyncOf(
  failedSync: FailedSync,
  call: "sync" | "syncData" | "syncDataBlocking" | "syncBlocking",
): Promise<{ fileSystem: CrashFileSystem; file: FileHandle }> {
  const { fileSystem } = withFile(of(1, 2), failedSync);
  const faulty = new FaultyFileSystem(fileSystem);
  const file = faulty.open("a", "write");
  file.write(of(8, 9), 1);
  faulty.fail(call, "EIO");
  const error = await assertRejects(async () => await file[call](), FileSystemError);
  assertEquals(assertInstanceOfFailure(error).code, "EIO");
  return { fileSystem, file };
}

const FAILED: readonly {
  readonly failedSync: FailedSync;
  readonly cached: string;
  readonly afterFailure: readonly string[];
  readonly afterNextSync: readonly string[];
}[] = [
  {
    failedSync: "ext4",
    cached: "a=1,8,9",
    afterFailure: ["a=1,2", "a=1,8", "a=1,2,0", "a=1,8,9"],
    afterNextSync: ["a=1,2,0", "a=1,8,9"],
  },
  {
    failedSync: "xfs",
    cached: "a=1,8,9",
    afterFailure: ["a=1,2", "a=1,8", "a=1,2,0", "a=1,8,9"],
    afterNextSync: ["a=1,2", "a=1,8", "a=1,2,0", "a=1,8,9"],
  },
  { failedSync: "btrfs", cached: "a=1,2", afterFailure: ["a=1,2"], afterNextSync: ["a=1,2"] },
];

for (const { failedSync, cached, afterFailure, afterNextSync } of FAILED) {
  for (const call of ["sync", "syncData", "syncDataBlocking", "syncBlocking"] as const) {
    test(`${call} fails as on ${failedSync}, and the next one makes up for nothing`, async () => {
      const { fileSystem, file } = await failedSyncOf(failedSync, call);
      assertEquals(treeOf(fileSystem), cached);
      assertLeaves(fileSystem, ...afterFailure);
      await file[call]();
      assertEquals(treeOf(fileSystem), cached);
      assertLeaves(fileSystem, ...afterNextSync);
      // Nor after the death of the process.
      fileSystem.kill();
      fileSystem.open("a", "write").syncBlocking();
      assertLeaves(fileSystem, ...afterNextSync);
    });
  }

  test(`bytes that are written again after a failed sync as on ${failedSync} are durable`, async () => {
    const { fileSystem, file } = await failedSyncOf(failedSync, "sync");
    file.write(of(8, 9), 1);
    await file.sync();
    assertLeaves(fileSystem, "a=1,8,9");
  });

  for (const errorTold of ["descriptor", "file"] as const) {
    test(`a failed sync as on ${failedSync} is reported once to each ${errorTold}`, async () => {
      const { fileSystem } = withFile(of(1), failedSync, errorTold);
      const faulty = new FaultyFileSystem(fileSystem);
      const [file, other] = [faulty.open("a", "write"), faulty.open("a", "write")];
      file.write(of(2), 0);
      faulty.fail("sync", "EIO", { after: 1, tells: "others" });
      const syncs = [file.sync(), file.sync(), other.sync()];
      const later = faulty.open("a", "write");
      const outcomes = await Promise.allSettled([...syncs, later.sync()]);
      // Of the first two that overlap, the one that ends first takes the error of the other.
      const isTold = errorTold === "descriptor";
      assertEquals(outcomes.map(({ status }) => status === "rejected"), [
        true,
        false,
        isTold,
        // No descriptor had reported it when it was opened.
        isTold,
      ]);
      const latest = faulty.open("a", "write");
      for (const open of [file, other, later, latest]) await open.sync();
      assert(statesOf(fileSystem).includes("a=1"), "no call brings it to the disk");
    });

    test(`a failed sync of a directory is reported once to each ${errorTold}`, async () => {
      const { fileSystem } = withFile(of(1), failedSync, errorTold);
      const faulty = new FaultyFileSystem(fileSystem);
      const [one, other] = [faulty.openDirectory("."), faulty.openDirectory(".")];
      faulty.fail("syncDirectory", "EIO");
      await assertRejects(() => one.sync(), FileSystemError);
      const later = faulty.openDirectory(".");
      if (errorTold === "descriptor") assertThrows(() => other.syncBlocking(), FileSystemError);
      for (const open of [one, other, later]) open.syncBlocking();
      later.close();
      assertThrows(() => later.syncBlocking(), FileSystemError);
    });
  }
}

test("ext4 loses what is written again to a new block, until a truncation gives it up", async () => {
  for (const failedSync of ["ext4", "xfs", "btrfs"] as const) {
    const { fileSystem } = withFile(of(), failedSync);
    const faulty = new FaultyFileSystem(fileSystem);
    const file = faulty.open("a", "write");
    file.write(of(7), 0);
    faulty.fail("sync", "EIO");
    await assertRejects(() => file.sync(), FileSystemError);
    file.write(of(7), 0);
    await file.sync();
    assertLeaves(fileSystem, "a=7", ...(failedSync === "ext4" ? ["a=0"] : []));
    const fork = fileSystem.fork();
    const forked = fork.open("a", "write");
    forked.write(of(7), 0);
    forked.syncBlocking();
    assertEquals(statesOf(fork), statesOf(fileSystem));
    file.truncate(0);
    file.write(of(7), 0);
    await file.sync();
    assertLeaves(fileSystem, "a=7");
  }
});

test("a truncation is durable with the next sync on ext4 and xfs, and undone on btrfs", async () => {
  for (const failedSync of ["ext4", "xfs", "btrfs"] as const) {
    const { fileSystem } = withFile(of(1, 2), failedSync);
    const faulty = new FaultyFileSystem(fileSystem);
    const file = faulty.open("a", "write");
    file.truncate(1);
    faulty.fail("sync", "EIO");
    await assertRejects(() => file.sync(), FileSystemError);
    // Of what a truncation does, the zeros after the new end are data like others.
    assertLeaves(fileSystem, "a=1,2", ...(failedSync === "btrfs" ? [] : ["a=1,0", "a=1"]));
    await file.sync();
    assertLeaves(fileSystem, failedSync === "btrfs" ? "a=1,2" : "a=1");
  }
});

// The file system that goes wrong.

/** An open file of three bytes in a file system that goes wrong. */
function faultyFile(): { faulty: FaultyFileSystem; file: FileHandle; under: MemoryFileSystem } {
  const under = new MemoryFileSystem();
  const faulty = new FaultyFileSystem(under);
  const file = faulty.open("d.a", "create");
  file.write(of(1, 2, 3), 0);
  return { faulty, file, under };
}

/** Every operation, made once, by name. */
function callsOf(fileSystem: FileSystem, file: FileHandle): Record<FileOperation, () => unknown> {
  return {
    open: () => fileSystem.open("d.a", "read"),
    create: () => fileSystem.open("d.new", "create"),
    read: () => file.read(of(0), 0),
    write: () => file.write(of(9), 3),
    truncate: () => file.truncate(1),
    syncData: () => file.syncData(),
    sync: () => file.sync(),
    syncDataBlocking: () => file.syncDataBlocking(),
    syncBlocking: () => file.syncBlocking(),
    syncDirectory: () => fileSystem.syncDirectory("."),
    makeDirectory: () => fileSystem.makeDirectory("new", 0o700),
    list: () => fileSystem.list("."),
    remove: () => fileSystem.remove("d.a"),
  };
}

const OPERATIONS = Object.keys(
  callsOf(new MemoryFileSystem(), {} as FileHandle),
) as readonly FileOperation[];

for (const operation of OPERATIONS) {
  test(`${operation} fails once, with the code that was asked for, and leaves nothing`, async () => {
    const { faulty, file, under } = faultyFile();
    const call = callsOf(faulty, file)[operation];
    const count = faulty.count(operation);
    faulty.fail(operation, "EDQUOT");
    const error = await assertRejects(async () => await call(), FileSystemError);
    assertEquals(assertInstanceOfFailure(error).code, "EDQUOT");
    assertEquals(treeOf(under), "d.a=1,2,3");
    await call();
    assertEquals(faulty.count(operation), count + 2);
    assertEquals(faulty.calls.filter((call) => call.startsWith(`${operation} `)).length, count + 2);
  });

  test(`a process that has died makes no ${operation}`, async () => {
    const { faulty, file, under } = faultyFile();
    faulty.stopAfter(0);
    assertEquals(faulty.stopped, false);
    assertThrows(() => faulty.makeDirectory("e", 0o700), FileSystemError);
    assertEquals(faulty.stopped, true);
    const call = callsOf(faulty, file)[operation];
    await assertRejects(async () => await call(), FileSystemError);
    assertEquals(treeOf(under), "d.a=1,2,3");
  });
}

test("the calls are recorded in order, by the name without its directory", async () => {
  const faulty = new FaultyFileSystem(new CrashFileSystem());
  faulty.makeDirectory("d", 0o700);
  const file = faulty.open("d/a", "create");
  file.write(of(1), 0);
  await Promise.all([file.syncData(), faulty.syncDirectory("d")]);
  syncDirectory(faulty, "d");
  assertEquals(faulty.calls, [
    "makeDirectory d",
    "create a",
    "write a",
    "syncData a",
    "syncDirectory d",
    "syncDirectory d",
  ]);
  assertEquals(faulty.count("syncDirectory"), 2);
  assertEquals(faulty.count("read"), 0);
});

/** Which of six writes, in turn to two files, failed. */
function failedWrites(plan: (faulty: FaultyFileSystem) => void): string {
  const faulty = new FaultyFileSystem(new MemoryFileSystem());
  const files = ["a", "b"].map((name) => faulty.open(name, "create"));
  plan(faulty);
  return Array.from({ length: 6 }, (_, i) => {
    try {
      files[i % 2]?.write(of(1), 0);
      return ".";
    } catch (error) {
      return assertInstanceOfFailure(error).code === "EIO" ? "x" : "s";
    }
  }).join("");
}

test("after, times and name say which calls fail, for each fault by itself", () => {
  const cases: [string, (faulty: FaultyFileSystem) => void][] = [
    ["x.....", (faulty) => faulty.fail("write", "EIO")],
    ["..x...", (faulty) => faulty.fail("write", "EIO", { after: 2 })],
    [".xxx..", (faulty) => faulty.fail("write", "EIO", { after: 1, times: 3 })],
    ["xxxxxx", (faulty) => faulty.fail("write", "EIO", { times: Infinity })],
    [".x....", (faulty) => faulty.fail("write", "EIO", { name: "b" })],
    ["...x.x", (faulty) => faulty.fail("write", "EIO", { name: "b", after: 1, times: 2 })],
    ["......", (faulty) => faulty.fail("write", "EIO", { name: "c" })],
    ["......", (faulty) => faulty.fail("truncate", "EIO")],
    ["xs....", (faulty) => {
      faulty.fail("write", "EIO");
      faulty.fail("write", "ENOSPC");
    }],
    ["..xs..", (faulty) => {
      faulty.fail("write", "EIO", { after: 2 });
      faulty.fail("write", "ENOSPC", { name: "b", after: 1 });
    }],
    [".s..x.", (faulty) => {
      faulty.fail("write", "EIO", { after: 3 });
      faulty.fail("write", "ENOSPC", { name: "b" });
    }],
  ];
  for (const [wanted, plan] of cases) assertEquals(failedWrites(plan), wanted, String(plan));
});

test("a write that fails leaves the chosen number of bytes", () => {
  for (
    const [leaves, left] of [[0, "1,2,3"], [2, "1,2,3,7,8"], [Infinity, "1,2,3,7,8,9"]] as const
  ) {
    const { faulty, file, under } = faultyFile();
    faulty.fail("write", "ENOSPC", { leaves });
    assertThrows(() => file.write(of(7, 8, 9), 3), FileSystemError);
    assertEquals(treeOf(under), `d.a=${left}`);
  }
});

test("a call that lies does nothing", async () => {
  for (const operation of OPERATIONS) {
    if (operation === "open" || operation === "create") continue;
    if (operation === "read" || operation === "list") continue;
    const under = new CrashFileSystem();
    const faulty = new FaultyFileSystem(under);
    const file = faulty.open("d.a", "create");
    file.write(of(1, 2, 3), 0);
    const look = (): string => [treeOf(under), ...statesOf(under)].join("\n");
    const before = look();
    faulty.lie(operation);
    await callsOf(faulty, file)[operation]();
    assertEquals(look(), before, operation);
    await callsOf(faulty, file)[operation]();
    assert(look() !== before, `${operation} lies for ever`);
  }
});

test("a scrambled write writes as many other bytes", () => {
  const { faulty, file, under } = faultyFile();
  faulty.scramble({ after: 1 });
  const data = of(7, 8, 9);
  file.write(of(4), 3);
  file.write(data, 4, 2);
  file.write(of(5), 6);
  const [, , , , one, other] = readFile(under, "d.a");
  assertEquals(treeOf(under), `d.a=1,2,3,4,${one},${other},5`);
  assert(one !== 7 && other !== 8);
  assertEquals(data, of(7, 8, 9), "the caller's bytes are left alone");
});

test("a delayed call waits before it does its work, or fails", async () => {
  const { fileSystem } = withFile(of(1));
  const faulty = new FaultyFileSystem(fileSystem);
  const file = faulty.open("a", "write");
  file.write(of(2), 0);
  let go = (): void => {};
  const gate = new Promise<void>((resolve) => go = resolve);
  faulty.delay("sync", () => gate);
  const [good, bad] = [file.sync(), (faulty.fail("sync", "EIO"), file.sync())];
  await new Promise((resolve) => setTimeout(resolve, 5));
  assertLeaves(fileSystem, "a=1", "a=2");
  go();
  await Promise.allSettled([good, bad]);
  assertEquals(faulty.count("sync"), 2);
  await assertRejects(() => bad, FileSystemError);
});

test("stopAfter lets some calls be made, and a part of the last write", () => {
  const { faulty, file, under } = faultyFile();
  faulty.stopAfter(2, 1);
  file.write(of(4), 3);
  file.read(of(0), 0); // changes nothing and does not count
  file.truncate(3);
  assertThrows(() => file.write(of(8, 9), 3), FileSystemError);
  assertThrows(() => file.write(of(5), 4), FileSystemError);
  assertEquals(treeOf(under), "d.a=1,2,3,8");
});

for (const call of ["sync", "syncData", "syncDataBlocking", "syncBlocking"] as const) {
  test(`a ${call} that a dead process did not make has not failed`, async () => {
    for (const failedSync of ["ext4", "btrfs"] as const) {
      const { fileSystem } = withFile(of(1), failedSync);
      const faulty = new FaultyFileSystem(fileSystem);
      const file = faulty.open("a", "write");
      file.write(of(2), 0);
      faulty.stopAfter(0);
      await assertRejects(async () => await file[call](), FileSystemError);
      fileSystem.kill();
      assertEquals(treeOf(fileSystem), "a=2");
      fileSystem.open("a", "write").syncBlocking();
      assertLeaves(fileSystem, "a=2");
    }
  });
}

// The driver.

/** Saves a byte in a file, with a sync of the file and of the directory. */
const SAVE: Trial<number> = {
  async run(fileSystem, promise) {
    const file = fileSystem.open("a", "create");
    file.write(of(7), 0);
    await file.sync();
    await fileSystem.syncDirectory(".");
    promise(7);
  },
  async check(fileSystem, promised) {
    await Promise.resolve();
    if (promised.length > 0) assertEquals(treeOf(fileSystem), `a=${promised}`);
  },
};

test("the machine dies before each call and at the end, with every state", async () => {
  // Before the create 1, the write 2, the sync 4, the directory's sync 2; at the end 1.
  assertEquals(await exploreCrashes(SAVE), { crashes: 5, states: 10 });
  // Four is a draw of two.
  assertEquals(await exploreCrashes(SAVE, { statesPerCrash: 2 }), { crashes: 5, states: 8 });
});

test("what is checked is what was promised before the crash", async () => {
  const seen: string[] = [];
  await exploreCrashes<number>({
    async run(fileSystem, promise) {
      await Promise.resolve();
      promise(1);
      fileSystem.makeDirectory("a", 0o700);
      promise(2);
      promise(3);
      syncDirectory(fileSystem, ".");
    },
    async check(fileSystem, promised) {
      await Promise.resolve();
      seen.push(`${treeOf(fileSystem)} ${promised}`);
    },
  });
  assertEquals(seen, [" 1", " 1,2,3", "a/ 1,2,3", "a/ 1,2,3"]);
});

test("a broken promise tells the crash and the state, and why", async () => {
  const careless: Trial<number> = {
    ...SAVE,
    async run(fileSystem, promise) {
      const file = fileSystem.open("a", "create");
      file.write(of(7), 0);
      await file.sync();
      promise(7);
      await fileSystem.syncDirectory(".");
    },
    async check(fileSystem, promised) {
      await Promise.resolve();
      if (treeOf(fileSystem) === "" && promised.length > 0) throw new TypeError("a is gone");
    },
  };
  const error = await assertRejects(() => exploreCrashes(careless), BrokenPromise);
  assertEquals(
    (error as BrokenPromise).message,
    'a is gone (a crash before call 4, fsync directory "."; nothing that was pending is on the disk)',
  );
  assertInstanceOf((error as BrokenPromise).cause, TypeError);
});

test("a program that rejects by itself is no exploration", async () => {
  const run = (): Promise<void> => Promise.reject(new RangeError("mistaken"));
  await assertRejects(() => exploreCrashes({ ...SAVE, run }), RangeError);
  await assertRejects(() => exploreFaults({ ...SAVE, run }), RangeError);
});

test("where a sync takes long, the machine dies while what it does not cover is there", async () => {
  const trial: Trial<number> = {
    async run(fileSystem) {
      const file = fileSystem.open("a", "create");
      const sync = file.sync();
      await undefined;
      file.write(of(7), 0);
      await sync;
      await fileSystem.syncDirectory(".");
    },
    async check() {},
  };
  const seen: string[] = [];
  const observe = (call: string): unknown => {
    seen.push(call);
    return call.startsWith("fsync") ? new Promise((resolve) => setImmediate(resolve)) : undefined;
  };
  const calls = ['create "a"', 'fsync "a"', 'write 1 bytes at 0 of "a"', 'fsync directory "."'];
  // The write is not covered: before the directory's sync and at the end, it may be there or not.
  assertEquals(await exploreCrashes(trial, { observe }), { crashes: 5, states: 12 });
  assertEquals(seen, calls);
});

test("the program finds the disk that it is given, which stays as it is", async () => {
  const { fileSystem: start, file } = withFile(of(1));
  file.write(of(2), 0);
  const found: string[] = [];
  const trial: Trial<number> = {
    async run(fileSystem) {
      found.push(treeOf(fileSystem));
      const file = fileSystem.open("a", "write");
      file.write(of(3), 0);
      await file.sync();
    },
    async check(fileSystem) {
      await Promise.resolve();
      found.push(treeOf(fileSystem));
    },
  };
  await exploreCrashes(trial, { start });
  assertEquals(found, ["a=2", "a=1", "a=2", "a=1", "a=2", "a=3", "a=3"]);
  assertLeaves(start, "a=1", "a=2");
  await exploreFaults(trial, { start });
  assertLeaves(start, "a=1", "a=2");
});

test("each call fails in each of its ways, and the machine dies from there on", async () => {
  // The create, the sync and the directory's sync end the program: a crash at the end each. So does a
  // write that leaves nothing; the two that leave something are a call more.
  const { crashes, states } = await exploreFaults(SAVE);
  assertEquals(crashes, 3 + 1 + 2 * 2);
  assert(states > crashes);
  const codes = new Set<string>();
  await exploreFaults({
    ...SAVE,
    async run(fileSystem, promise) {
      try {
        await SAVE.run(fileSystem, promise);
      } catch (error) {
        const { code, message } = assertInstanceOfFailure(error);
        codes.add(`${code} ${message.split(" ")[0]}`);
        throw error;
      }
    },
  });
  assertEquals(codes.size, 5, [...codes].join());
});

for (const failedSync of ["ext4", "xfs", "btrfs"] as const) {
  test(`a program that tries a failed sync again is caught, as on ${failedSync}`, async () => {
    const stubborn: Trial<number> = {
      ...SAVE,
      async run(fileSystem, promise) {
        const file = fileSystem.open("a", "create");
        await fileSystem.syncDirectory(".");
        file.write(of(7), 0);
        await file.sync().catch(() => file.sync());
        promise(7);
      },
    };
    await exploreCrashes(stubborn);
    const error = await assertRejects(
      () => exploreFaults(stubborn, { failedSync }),
      BrokenPromise,
    );
    assertStringIncludes((error as BrokenPromise).message, "after EIO from sync number 1");
  });
}

test("a program that ignores a failing write is caught", async () => {
  const careless: Trial<number> = {
    ...SAVE,
    async run(fileSystem, promise) {
      const file = fileSystem.open("a", "create");
      try {
        file.write(of(7), 0);
      } catch {
        // It continues as if nothing had happened.
      }
      await file.sync();
      await fileSystem.syncDirectory(".");
      promise(7);
    },
  };
  const error = await assertRejects(() => exploreFaults(careless), BrokenPromise);
  assertStringIncludes((error as BrokenPromise).message, "after ENOSPC from write number 1");
});

// The oracle. What it says after the death of a process is in soak_test.ts.

const EMPTY_STATE = digestOf(of());

function append(durable: boolean, ...entries: string[]): WalOperation {
  return { kind: "append", entries, durable };
}

/** An oracle of a log with these operations acknowledged, and then some under way. */
function oracleOf(done: readonly WalOperation[], underWay: readonly WalOperation[]): WalOracle {
  const oracle = new WalOracle();
  for (const [id, operation] of done.entries()) {
    oracle.start(id, operation);
    oracle.acknowledge(id);
  }
  for (const [i, operation] of underWay.entries()) oracle.start(100 + i, operation);
  return oracle;
}

function found(firstIndex: number, entries: string, state: string = EMPTY_STATE): WalContents {
  return { firstIndex, entries: [...entries], state };
}

/** After a power cut, "ab" is durable, "c" and the batch "de" are not. */
const DONE: readonly WalOperation[] = [
  append(false, "a"),
  append(true, "b"),
  append(false, "c"),
  append(false, "d", "e"),
];
const RESET: WalOperation = { kind: "reset", index: 9 };
const SYNC: WalOperation = { kind: "sync" };

/** What may be found, and what may not, after a power cut; and of that, what after a process's end. */
const POWER: readonly {
  readonly what: string;
  readonly done?: readonly WalOperation[];
  readonly underWay?: readonly WalOperation[];
  readonly allowed: readonly WalContents[];
  readonly broken: readonly WalContents[];
  /** How many of the allowed, from the first, are so after the death of the process too. */
  readonly process: number;
}[] = [
  {
    what: "entries that were not synced, from the end",
    allowed: [found(1, "abcde"), found(1, "abc"), found(1, "ab")],
    broken: [found(1, "abcd"), found(1, "a"), found(1, ""), found(1, "abde"), found(1, "abcdef")],
    process: 1,
  },
  {
    what: "an append under way, only after all that came before",
    underWay: [append(true, "f", "g")],
    allowed: [found(1, "abcdefg"), found(1, "abcde"), found(1, "abc"), found(1, "ab")],
    broken: [found(1, "abcdef"), found(1, "abcfg"), found(1, "abcdegf")],
    process: 2,
  },
  {
    what: "what a sync has covered",
    done: [...DONE, SYNC, append(false, "f")],
    allowed: [found(1, "abcdef"), found(1, "abcde")],
    broken: [found(1, "abc"), found(1, "")],
    process: 1,
  },
  {
    what: "a sync under way, which promises nothing",
    underWay: [SYNC],
    allowed: [found(1, "abcde"), found(1, "abc"), found(1, "ab")],
    broken: [found(1, "a")],
    process: 1,
  },
  {
    what: "a finished truncation, which makes the rest durable",
    done: [...DONE, { kind: "truncateFrom", index: 4 }, append(false, "x")],
    allowed: [found(1, "abcx"), found(1, "abc")],
    broken: [found(1, "ab"), found(1, "abcd"), found(1, "abcde")],
    process: 1,
  },
  {
    what: "a truncation into a batch, whose rest is whole then",
    done: [...DONE, { kind: "truncateFrom", index: 5 }],
    allowed: [found(1, "abcd")],
    broken: [found(1, "abc"), found(1, "abcde")],
    process: 1,
  },
  {
    what: "a truncation under way, done in part from the end",
    underWay: [{ kind: "truncateFrom", index: 2 }],
    allowed: [found(1, "abcde"), found(1, "abc"), found(1, "ab"), found(1, "a")],
    broken: [found(1, ""), found(1, "abcd"), found(1, "b")],
    process: 4,
  },
  {
    what: "a finished head truncation, and the entries after it",
    done: [...DONE, { kind: "truncateBefore", index: 2 }],
    allowed: [found(2, "bcde"), found(2, "bc"), found(2, "b")],
    broken: [found(1, "abcde"), found(2, ""), found(3, "cde")],
    process: 1,
  },
  {
    what: "a head truncation under way, whole or not at all",
    underWay: [{ kind: "truncateBefore", index: 3 }],
    allowed: [found(1, "abcde"), found(3, "cde"), found(1, "ab"), found(3, "c"), found(3, "")],
    broken: [found(2, "bcde"), found(1, "a"), found(4, "de")],
    process: 2,
  },
  {
    what: "a finished reset",
    done: [...DONE, RESET, append(false, "x")],
    allowed: [found(9, "x"), found(9, "")],
    broken: [found(1, "abcde"), found(1, ""), found(10, "")],
    process: 1,
  },
  {
    what: "a reset under way, done in part from the end",
    underWay: [RESET],
    allowed: [
      ...[found(1, "abcde"), found(1, "abc"), found(1, "ab"), found(1, "a"), found(1, "")],
      found(9, ""),
    ],
    broken: [found(1, "abcd"), found(9, "a"), found(8, "")],
    process: 6,
  },
  {
    what: "an acknowledged state, whatever else is lost",
    done: [{ kind: "setState", state: "s" }, append(false, "a")],
    allowed: [found(1, "a", "s"), found(1, "", "s")],
    broken: [found(1, "a"), found(1, "", "t")],
    process: 1,
  },
  {
    what: "a state under way, old or new",
    done: [{ kind: "setState", state: "s" }],
    underWay: [{ kind: "setState", state: "t" }],
    allowed: [found(1, "", "s"), found(1, "", "t")],
    broken: [found(1, "")],
    process: 2,
  },
];

for (const { what, done = DONE, underWay = [], allowed, broken, process } of POWER) {
  test(`the oracle knows ${what}`, () => {
    for (const [i, contents] of allowed.entries()) {
      const shown = JSON.stringify(contents);
      const oracle = oracleOf(done, underWay);
      oracle.judge(contents, "power");
      // What was found is durable, and nothing is under way any more.
      oracle.judge(contents, "power");
      const judge = (): void => oracleOf(done, underWay).judge(contents, "process");
      if (i < process) judge();
      else assert(assertThrows(judge, BrokenPromise) !== undefined, shown);
    }
    for (const contents of broken) {
      for (const crash of ["power", "process"] as const) {
        assertThrows(() => oracleOf(done, underWay).judge(contents, crash), BrokenPromise);
      }
    }
  });
}

test("after a judgement, less than what was found is broken", () => {
  const oracle = oracleOf(DONE, []);
  oracle.judge(found(1, "abc"), "power");
  assertThrows(() => oracle.judge(found(1, "ab"), "power"), BrokenPromise);
});

test("after a judgement, nothing is under way", () => {
  const oracle = oracleOf([], [append(true, "a")]);
  oracle.judge(found(1, ""), "power");
  assertThrows(() => oracle.acknowledge(100), TypeError);
  assertThrows(() => oracle.judge(found(1, "a"), "power"), BrokenPromise);
});

test("an acknowledged state is there, whatever was started before it", () => {
  const acknowledged = (): WalOracle => {
    const oracle = oracleOf([], [append(true, "a"), { kind: "setState", state: "t" }]);
    oracle.acknowledge(101);
    return oracle;
  };
  acknowledged().judge(found(1, "a", "t"), "power");
  acknowledged().judge(found(1, "", "t"), "power");
  assertThrows(() => acknowledged().judge(found(1, ""), "power"), BrokenPromise);
});

test("the oracle takes acknowledgements in any order", () => {
  const started = (): WalOracle => oracleOf([], [append(true, "a"), append(false, "b")]);
  const oracle = started();
  oracle.acknowledge(101);
  // The first is in front of it, though no call has said so yet.
  oracle.judge(found(1, "ab"), "process");
  for (const entries of ["b", "a", "ba", ""]) {
    const oracle = started();
    oracle.acknowledge(101);
    assertThrows(() => oracle.judge(found(1, entries), "process"), BrokenPromise);
  }
  const both = started();
  both.acknowledge(101, { firstIndex: 1, lastIndex: 7 }); // not looked at: the other is under way
  both.acknowledge(100, { firstIndex: 1, lastIndex: 2 });
  both.judge(found(1, "a"), "power");
});

test("a sync covers what was acknowledged before it began, and no more", () => {
  const oracle = oracleOf([append(false, "a")], [SYNC, append(false, "b")]);
  oracle.acknowledge(101);
  oracle.acknowledge(100);
  const other = oracleOf([append(false, "a")], [SYNC]);
  other.acknowledge(100);
  oracle.judge(found(1, "a"), "power");
  assertThrows(() => other.judge(found(1, ""), "power"), BrokenPromise);
  // What waited for a truncation may have been written after the sync.
  const late = oracleOf([append(false, "a")], [append(false, "b"), SYNC]);
  for (const id of [100, 101]) late.acknowledge(id);
  late.judge(found(1, "a"), "power");
});

test("what was refused is not there, and is not counted", () => {
  const refused = (): WalOracle => {
    const oracle = oracleOf([append(true, "a")], [append(true, "b"), append(true, "c")]);
    oracle.acknowledge(101);
    oracle.refuse(100);
    return oracle;
  };
  refused().judge(found(1, "ac"), "power");
  assertThrows(() => refused().judge(found(1, "abc"), "power"), BrokenPromise);
  const oracle = refused();
  oracle.start(5, SYNC);
  assertThrows(() => oracle.acknowledge(5, { firstIndex: 1, lastIndex: 3 }), BrokenPromise);
});

test("the oracle does not know operations that were not started, or are over", () => {
  const oracle = oracleOf([SYNC], [append(false, "a")]);
  for (const id of [0, 1]) {
    assertThrows(() => oracle.acknowledge(id), TypeError);
    assertThrows(() => oracle.refuse(id), TypeError);
  }
  assertThrows(() => oracle.start(100, SYNC), TypeError);
});

test("a broken promise tells where the log parts from what was acknowledged", () => {
  const judge = (contents: WalContents, ...underWay: WalOperation[]): string =>
    assertThrows(() => oracleOf(DONE, underWay).judge(contents, "power"), BrokenPromise).message;
  assertEquals(
    judge(found(1, "abx")),
    "The log has 1 to 3, acknowledged was 1 to 5, durable to 2; entry 3 is x, acknowledged was c. " +
      "Nothing was under way",
  );
  assertStringIncludes(judge(found(1, "a")), "the entries that both have are equal");
  assertStringIncludes(judge(found(1, "a"), SYNC), 'Under way: {"kind":"sync"}');
});

test("what is no bytes has no digest, and what is no log no contents", () => {
  const digest = assertThrows(() => digestOf("text" as unknown as Uint8Array), WalError);
  assertEquals(digest.code, "ERR_WAL_INVALID_ARGUMENT");
  for (const wrong of [undefined, null, 5, {}, new Map([[1, 2]])]) {
    const error = assertThrows(() => contentsOf(wrong as unknown as Wal), WalError);
    assertEquals(error.code, "ERR_WAL_INVALID_ARGUMENT");
  }
});

test("contentsOf reads a log's entries, first index and state", async () => {
  const log = await Wal.open("a.wal", { fileSystem: new CrashFileSystem() });
  for (const name of ["x", "y", "z"]) log.append(bytes(name));
  await log.truncateBeforeIndex(2);
  await log.setState(bytes("state"));
  assertEquals(contentsOf(log), {
    firstIndex: 2,
    entries: [digestOf(bytes("y")), digestOf(bytes("z"))],
    state: digestOf(bytes("state")),
  });
  assertEquals(text(log.getEntry(2)), "y");
  await log.close();
});

test("a digest tells contents apart", () => {
  const contents = Array.from({ length: 20_000 }, (_, i) => bytes(`entry ${i}`));
  for (let size = 0; size < 100; size++) contents.push(new Uint8Array(size));
  for (let bit = 0; bit < 800; bit++) {
    const flipped = new Uint8Array(100);
    flipped[bit >> 3] = 1 << (bit & 7);
    contents.push(flipped);
  }
  assertEquals(new Set(contents.map(digestOf)).size, contents.length);
  const inside = new Uint8Array([9, 1, 2, 3, 4, 5, 9]).subarray(1, 6);
  assertEquals(digestOf(inside), digestOf(of(1, 2, 3, 4, 5)));
});
