/**
 * Syncs that overlap while the disk fails: an error is told once, and what was acknowledged is on the
 * disk all the same, or the caller is told.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { SyncFailedError, Wal, type WalOptions } from "../../mod.ts";
import { holdsDurableFrame } from "../../kit/frames.ts";
import { readFile } from "../../kit/logs.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { CrashFileSystem, type CrashOptions, FaultyFileSystem } from "../../src/testing/testing.ts";
import { Syncs } from "../../src/fs/syncs.ts";

const PATH = "a.wal";
const MIB = 1024 * 1024;

/** A log on a disk whose syncs can be held. */
class Rig {
  readonly faulty: FaultyFileSystem;
  readonly log: Wal;
  /** What was acknowledged, by the number in its first byte. */
  readonly acknowledged: number[] = [];
  /** Whether any call has reported the failure. */
  isTold = false;
  #entries = 0;
  readonly #open: () => void;
  readonly #waiting: Promise<unknown>[] = [];

  constructor(faulty: FaultyFileSystem, log: Wal, open: () => void) {
    this.faulty = faulty;
    this.log = log;
    this.#open = open;
  }

  /** Appends an entry, and says its number. */
  append(size: number): number {
    this.log.append(this.#next(size));
    return this.#entries;
  }

  /** Appends an entry and waits for its sync in the background. */
  appendAndSync(size: number): void {
    const data = this.#next(size);
    this.#wait(this.#entries, this.log.appendAndSync(data));
  }

  /** Waits in the background for what was appended so far. */
  sync(): void {
    this.#wait(this.#entries, this.log.sync());
  }

  /** Waits here. */
  syncBlocking(): void {
    try {
      this.log.syncBlocking();
      this.#acknowledge(this.#entries);
    } catch (error) {
      this.#refused(error);
    }
  }

  /** Does something that may fail since the handle has ended. */
  attempt(call: () => unknown): void {
    try {
      call();
    } catch (error) {
      this.#refused(error);
    }
  }

  /** Lets the group commit begin what it can. */
  async turn(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 2));
  }

  /** Waits until a sync is held. */
  async held(): Promise<void> {
    while (this.faulty.count("syncData") === 0) await this.turn();
  }

  /** Lets the syncs go that are held, and waits for all calls. */
  async release(): Promise<void> {
    this.#open();
    await Promise.all(this.#waiting);
  }

  async close(): Promise<void> {
    await this.release();
    // After a failure that was told, a close that resolves says nothing of the entries.
    this.#wait(this.isTold ? 0 : this.#entries, this.log.close());
    await Promise.all(this.#waiting);
  }

  #next(size: number): Uint8Array {
    return new Uint8Array(size).fill(++this.#entries);
  }

  #wait(upTo: number, outcome: Promise<unknown>): void {
    const settled = outcome.then(
      () => this.#acknowledge(upTo),
      (error: unknown) => this.#refused(error),
    );
    this.#waiting.push(settled);
  }

  #acknowledge(upTo: number): void {
    for (let entry = this.acknowledged.length + 1; entry <= upTo; entry++) {
      this.acknowledged.push(entry);
    }
  }

  #refused(error: unknown): void {
    if (!(error instanceof SyncFailedError)) throw error;
    this.isTold = true;
  }
}

interface Way {
  readonly name: string;
  readonly options?: WalOptions;
  readonly isLarge?: boolean;
  /** Whether a call succeeds that cannot wait for the sync that is held. */
  readonly blocks?: boolean;
  run(rig: Rig): Promise<void>;
}

/** More than is appended without an unasked sync. */
function appendMuch(rig: Rig): void {
  for (let i = 0; i < 9; i++) rig.append(MIB);
}

const WAYS: readonly Way[] = [
  {
    name: "an unasked sync and appendAndSync",
    isLarge: true,
    async run(rig) {
      appendMuch(rig);
      rig.appendAndSync(20);
      await rig.turn();
    },
  },
  {
    name: "an unasked sync and sync",
    isLarge: true,
    async run(rig) {
      appendMuch(rig);
      rig.sync();
      await rig.turn();
    },
  },
  {
    name: "an unasked sync and syncBlocking",
    isLarge: true,
    blocks: true,
    async run(rig) {
      appendMuch(rig);
      rig.syncBlocking();
      await rig.turn();
    },
  },
  {
    name: "an unasked sync, syncBlocking, and one more append, which would cover it",
    isLarge: true,
    blocks: true,
    async run(rig) {
      appendMuch(rig);
      rig.syncBlocking();
      rig.attempt(() => rig.append(20));
      await rig.turn();
      rig.appendAndSync(20);
      await rig.turn();
    },
  },
  {
    name: "an unasked sync and close",
    isLarge: true,
    async run(rig) {
      appendMuch(rig);
      await rig.turn();
    },
  },
  {
    name: "a group's sync and a roll",
    options: { segmentSize: 4096 },
    blocks: true,
    async run(rig) {
      rig.append(1000);
      rig.appendAndSync(1000);
      await rig.held();
      rig.attempt(() => rig.append(3000));
      rig.appendAndSync(30);
      await rig.turn();
    },
  },
  {
    name: "a group's sync and two rolls",
    options: { segmentSize: 4096 },
    blocks: true,
    async run(rig) {
      rig.appendAndSync(1000);
      await rig.held();
      for (const size of [3000, 3000, 50]) rig.attempt(() => rig.append(size));
      rig.sync();
      await rig.turn();
    },
  },
  {
    name: "a group's sync and syncBlocking",
    blocks: true,
    async run(rig) {
      rig.appendAndSync(1000);
      await rig.held();
      rig.append(20);
      rig.syncBlocking();
      await rig.turn();
    },
  },
  {
    name: "a group's sync, a failed write that is cut back, and syncBlocking",
    blocks: true,
    async run(rig) {
      rig.appendAndSync(1000);
      await rig.held();
      rig.faulty.fail("write", "ENOSPC", { leaves: 7 });
      assertThrows(() => rig.log.append(new Uint8Array(30)));
      if (rig.log.durableIndex === 0) rig.syncBlocking();
      await rig.turn();
    },
  },
];

/** Each kind of disk, and which of two syncs that overlap takes the error. */
const DISKS: readonly (Required<CrashOptions> & { tells: "itself" | "others" })[] = [
  { failedSync: "ext4", errorTold: "descriptor", tells: "itself" },
  { failedSync: "xfs", errorTold: "descriptor", tells: "others" },
  { failedSync: "btrfs", errorTold: "descriptor", tells: "itself" },
  { failedSync: "ext4", errorTold: "file", tells: "itself" },
  { failedSync: "ext4", errorTold: "file", tells: "others" },
];

for (const { tells, ...disk } of DISKS) {
  for (const way of WAYS) {
    const told = `as on ${disk.failedSync}, told once a ${disk.errorTold}, by ${tells}`;
    test(`${way.name}: one fails, ${told}`, async () => {
      const fileSystem = new CrashFileSystem(disk);
      const rig = await rigOn(fileSystem, way.options);
      rig.faulty.fail("syncData", "EIO", { tells });
      await way.run(rig);
      await rig.close();
      assert(rig.isTold, "the failure is told");
      // Where an error is reported once a file, a call that blocks cannot know what another sync
      // will say.
      if (disk.errorTold === "file" && way.blocks) return;
      // Two states: all of what was pending is on the disk, and nothing.
      await assertKept(fileSystem, rig.acknowledged, way.isLarge ? 2 : 6);
    });
  }
}

async function rigOn(disk: CrashFileSystem, options: WalOptions = {}): Promise<Rig> {
  const faulty = new FaultyFileSystem(disk);
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => open = resolve);
  const log = await Wal.open(PATH, { ...options, fileSystem: faulty, preallocate: 0 });
  faulty.delay("syncData", () => gate);
  return new Rig(faulty, log, open);
}

/** What was acknowledged is there after a power cut, and what the next open returns is durable. */
async function assertKept(
  disk: CrashFileSystem,
  acknowledged: readonly number[],
  limit: number,
): Promise<void> {
  for (const left of disk.crashStates({ limit })) {
    const found = await numbersIn(left);
    for (const entry of acknowledged) assert(found.includes(entry), left.origin);
  }
  disk.kill();
  const again = await Wal.open(PATH, { fileSystem: disk });
  const wanted = again.readAll().map(([number]) => number);
  for (const left of disk.crashStates({ limit })) {
    assertEquals(await numbersIn(left), wanted, left.origin);
  }
}

async function numbersIn(fileSystem: CrashFileSystem): Promise<(number | undefined)[]> {
  const log = await Wal.open(PATH, { fileSystem });
  const numbers = log.readAll().map(([number]) => number);
  await log.close();
  return numbers;
}

/** A log that has rolled. The syncs of the roll have begun, and wait for `open`. */
interface Held {
  readonly disk: CrashFileSystem;
  readonly log: Wal;
  readonly open: () => void;
}

async function rollHeld(
  fail: (faulty: FaultyFileSystem, next: string) => void,
): Promise<Held> {
  const disk = new CrashFileSystem({ failedSync: "ext4", errorTold: "descriptor" });
  const faulty = new FaultyFileSystem(disk);
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => open = resolve);
  const options = { fileSystem: faulty, segmentSize: 4096, preallocate: 0 };
  const log = await Wal.open(PATH, options);
  for (const number of [1, 2]) log.append(new Uint8Array(1000).fill(number));
  await log.sync();
  const next = `${PATH}.00000000000000000003`;
  faulty.delay("sync", () => gate);
  fail(faulty, next);
  log.append(new Uint8Array(3000).fill(3));
  while (!faulty.calls.includes(`sync ${next}`)) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return { disk, log, open };
}

/** One sync fails, and both calls reject. What was acknowledged before is there. */
async function assertBothTold({ disk, log, open }: Held): Promise<void> {
  const waiting = assertRejects(() => log.sync(), SyncFailedError);
  assertThrows(() => log.syncBlocking(), SyncFailedError);
  open();
  await waiting;
  assertEquals(log.durableIndex, 2);
  await log.close();
  await assertKept(disk, [1, 2], 64);
}

for (const by of ["itself", "others"] as const) {
  test(`the first sync of a new segment fails beside syncBlocking, told by ${by}`, async () => {
    await assertBothTold(
      await rollHeld((faulty, name) => faulty.fail("sync", "EIO", { name, tells: by })),
    );
  });
}

test("syncBlocking fails beside the first sync of a new segment", async () => {
  await assertBothTold(
    await rollHeld((faulty, name) => faulty.fail("syncBlocking", "EIO", { name })),
  );
});

test("what syncBlocking makes durable beside the syncs of a roll is told once they are over", async () => {
  const { disk, log, open } = await rollHeld(() => {});
  log.syncBlocking();
  assertEquals(log.durableIndex, 3);
  const isTold = (): boolean => holdsDurableFrame(readFile(disk, `${PATH}.00000000000000000003`));
  assert(!isTold(), "the verdict on the full segment is still to come");
  await assertKept(disk.fork(), [1, 2, 3], 64);
  open();
  await log.sync();
  while (!isTold()) await new Promise((resolve) => setTimeout(resolve, 5));
  await log.close();
});

test("a sync waits for the verdict of one of an earlier segment, and fails with it", async () => {
  const faulty = new FaultyFileSystem(new MemoryFileSystem());
  const log = await Wal.open(PATH, { fileSystem: faulty, segmentSize: 4096 });
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => open = resolve);
  faulty.delay("syncData", () => faulty.count("syncData") === 1 ? gate : Promise.resolve());
  faulty.fail("syncData", "EIO");
  const first = assertRejects(() => log.appendAndSync(new Uint8Array(1000)), SyncFailedError);
  while (faulty.count("syncData") === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  log.append(new Uint8Array(4000)); // In the next segment.
  let isOver = false;
  const second = assertRejects(() => log.sync(), SyncFailedError).finally(() => isOver = true);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert(!isOver, "the verdict is waited for");
  open();
  assertEquals(await first, await second, "one failure is told to all");
  assertEquals((await first as SyncFailedError).durableIndex, 0);
  await log.close();
});

test("a sync waits for the verdict of an unasked one of an earlier segment", async () => {
  const faulty = new FaultyFileSystem(new MemoryFileSystem());
  const log = await Wal.open(PATH, { fileSystem: faulty, segmentSize: 10 * MIB });
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => open = resolve);
  faulty.delay("syncData", () => faulty.count("syncData") === 1 ? gate : Promise.resolve());
  faulty.fail("syncData", "EIO");
  for (let i = 0; i < 9; i++) log.append(new Uint8Array(MIB));
  while (faulty.count("syncData") === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  log.append(new Uint8Array(2 * MIB)); // In the next segment.
  const asked = assertRejects(() => log.sync(), SyncFailedError);
  await new Promise((resolve) => setTimeout(resolve, 50));
  open();
  assertEquals((await asked as SyncFailedError).durableIndex, 0);
  await log.close();
});

test("no Durable frame covers what a sync that runs may yet fail over", async () => {
  const memory = new MemoryFileSystem();
  const faulty = new FaultyFileSystem(memory);
  const log = await Wal.open(PATH, { fileSystem: faulty, preallocate: 0 });
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => open = resolve);
  faulty.delay("syncData", () => gate);
  const running = log.appendAndSync(new Uint8Array(100));
  while (faulty.count("syncData") === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  log.syncBlocking();
  assertEquals(log.durableIndex, 1);
  const before = log.byteLength;
  log.append(new Uint8Array(100));
  assertEquals(log.byteLength, before + 109, "no frame while the verdict is open");
  open();
  await running;
  log.append(new Uint8Array(100));
  assertEquals(log.byteLength, before + 109 + 42 + 109);
  await log.close();
});

test("a directory's failed sync ends the handle for an append that rolls meanwhile", async () => {
  const faulty = new FaultyFileSystem(new CrashFileSystem());
  const log = await Wal.open(PATH, { fileSystem: faulty, segmentSize: 4096 });
  for (let i = 0; i < 4; i++) log.append(new Uint8Array(3000));
  await log.sync();
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => open = resolve);
  faulty.delay("syncDirectory", () => faulty.count("remove") > 0 ? gate : Promise.resolve());
  faulty.fail("syncDirectory", "EIO", { after: 1 }); // The first is that of the meta file.
  const dropped = assertRejects(() => log.truncateBeforeIndex(4), SyncFailedError);
  while (faulty.count("remove") === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  log.append(new Uint8Array(3000));
  const synced = assertRejects(() => log.sync(), SyncFailedError);
  open();
  await Promise.all([dropped, synced]);
  assertThrows(() => log.append(new Uint8Array(3000)), SyncFailedError);
  await log.close();
});

test("a second close waits for the first", async () => {
  const faulty = new FaultyFileSystem(new MemoryFileSystem());
  const log = await Wal.open(PATH, { fileSystem: faulty });
  log.append(new Uint8Array(100));
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => open = resolve);
  faulty.delay("syncData", () => gate);
  const first = log.close();
  let isOver = false;
  const second = log.close().finally(() => isOver = true);
  while (faulty.count("syncData") === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert(!isOver, "the entry is not yet durable");
  open();
  await Promise.all([first, second]);
});

test("syncs of one file run one after the other, and all fail after one has", async () => {
  const syncs = new Syncs();
  const order: string[] = [];
  const begin = (name: string, ends: Promise<void>) => (): Promise<void> => {
    order.push(`${name} begins`);
    return ends.finally(() => order.push(`${name} ends`));
  };
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => open = resolve);
  const first = syncs.run(begin("first", gate));
  const failing = syncs.run(begin("second", Promise.reject(new Error("EIO"))));
  const third = syncs.run(begin("third", Promise.resolve()));
  assert(syncs.isPending);
  assertEquals(order, ["first begins"]);
  open();
  await first;
  for (const later of [failing, third, syncs.settled()]) {
    assertEquals((await assertRejects(() => later, Error)).message, "EIO");
  }
  assertThrows(() => syncs.runBlocking(() => {}), Error);
  assert(syncs.hasFailed && !syncs.isPending);
  assertEquals(order, ["first begins", "first ends", "second begins", "second ends"]);
});
