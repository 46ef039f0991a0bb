/**
 * One writer of the same bytes, whatever name leads to them, and whatever becomes of the lock file.
 *
 * @module
 */
import { test } from "node:test";
import { copyFileSync, linkSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { FileSystemError, type Guard, LockedError, MovedError, Wal, WalError } from "../../mod.ts";
import { pause } from "../../src/fs/clock.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { defaultFileSystem } from "../../src/fs/runtime.ts";
import { FaultyFileSystem } from "../../src/testing/testing.ts";
import { Contender, openElsewhere } from "../support/contender.ts";
import { bytes, text } from "../../kit/logs.ts";
import { RUNTIME, RUNTIMES } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

const own = await defaultFileSystem();

/** Some ten entries fill a segment. */
const SMALL = { segmentSize: 512, format: 2 } as const;

function fill(log: Wal, count: number): void {
  for (let i = 0; i < count; i++) log.append(bytes(`entry ${log.lastIndex + 1} `.padEnd(32, ".")));
}

function textsOf(log: Wal): string[] {
  return Array.from(log.entries(), ({ data }) => text(data));
}

/** What becomes of a lock file under its holder. */
const LOSSES: Readonly<Record<string, (lock: string, away: string) => void>> = {
  removed: () => {},
  "replaced by an empty one": (lock) => writeFileSync(lock, ""),
  "replaced by its copy": (lock, away) => copyFileSync(away, lock),
};

/** Does something while a log's lock file is not the one that its holder has locked. */
async function without(
  path: string,
  loss: (lock: string, away: string) => void,
  work: () => Promise<void>,
): Promise<void> {
  const lock = `${path}.lock`;
  const away = `${path}-lock-away`;
  renameSync(lock, away);
  loss(lock, away);
  await work();
  rmSync(lock, { force: true });
  renameSync(away, lock);
}

/** Closes a log, which may have noticed that its lock file was away. */
async function closeWarily(log: Wal): Promise<void> {
  const [closed] = await Promise.allSettled([log.close()]);
  assert(closed.status === "fulfilled" || closed.reason instanceof MovedError);
}

/** What a log does before the other writer comes. */
const DEEDS: Readonly<Record<string, (log: Wal) => Promise<void>>> = {
  "in its first file": (log) => log.sync(),
  "after a roll": async (log) => {
    fill(log, 30);
    await log.sync();
  },
  "after its head was dropped": async (log) => {
    fill(log, 60);
    await log.truncateBeforeIndex(40);
  },
  "after all was dropped": async (log) => {
    fill(log, 30);
    await log.truncateBeforeIndex(log.lastIndex + 1);
  },
  "after a truncation to an earlier file": async (log) => {
    fill(log, 60);
    await log.truncateFromIndex(25);
  },
  "after a truncation to its first file": async (log) => {
    fill(log, 60);
    await log.truncateFromIndex(2);
  },
  "after a truncation within a batch": async (log) => {
    fill(log, 30);
    log.appendBatch([bytes("a"), bytes("b"), bytes("c")]);
    fill(log, 30);
    await log.truncateFromIndex(33);
  },
  "after a reset to a higher index": async (log) => {
    fill(log, 30);
    await log.reset(1000);
  },
  "after a reset to a lower index": async (log) => {
    fill(log, 60);
    await log.truncateBeforeIndex(40);
    await log.reset(7);
  },
  "after a reset to the first index": async (log) => {
    fill(log, 60);
    await log.reset(1);
  },
};

for (const [when, deed] of Object.entries(DEEDS)) {
  test(`without its lock file, a log is refused to a second writer ${when}`, () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.wal");
      const log = await Wal.open(path, SMALL);
      fill(log, 3);
      await deed(log);
      await without(path, () => {}, async () => {
        const error = await assertRejects(() => Wal.open(path, SMALL), LockedError);
        assertStringIncludes(error.message, `"${error.path}"`);
        assertEquals(dirname(error.path), folder);
      });
      const { lastIndex } = log;
      const entries = textsOf(log);
      await closeWarily(log);
      const again = await Wal.open(path, SMALL);
      assertEquals([again.lastIndex, textsOf(again)], [lastIndex, entries]);
      await again.close();
    }));
}

for (const [what, loss] of Object.entries(LOSSES)) {
  test(`with its lock file ${what}, a log is refused to writers on every runtime`, () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.wal");
      const log = await Wal.open(path, SMALL);
      fill(log, 30);
      await log.sync();
      await without(path, loss, async () => {
        for (const runtime of RUNTIMES) {
          const { code, message } = await openElsewhere(runtime, path);
          assertEquals([runtime, code], [runtime, "ERR_WAL_LOCKED"]);
          assertStringIncludes(message ?? "", path);
        }
      });
      await closeWarily(log);
    }));
}

test("a log is refused to a second writer by a hard link, on every runtime", () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    const log = await Wal.open(path);
    fill(log, 3);
    await log.sync();
    const other = join(folder, "b.wal");
    linkSync(path, other);
    for (const runtime of RUNTIMES) {
      const { code, message } = await openElsewhere(runtime, other);
      assertEquals([runtime, code], [runtime, "ERR_WAL_LOCKED"]);
      assertStringIncludes(message ?? "", other);
    }
    const error = await assertRejects(() => Wal.open(other), LockedError);
    assertEquals(error.path, other);
    await log.close();
    const again = await Wal.open(other);
    assertEquals(again.lastIndex, 3);
    await again.close();
  }));

test("links of all files, or of the first alone, are refused to a second writer after a roll", () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    const log = await Wal.open(path, SMALL);
    fill(log, 60);
    await log.sync();
    for (const name of readdirSync(folder)) {
      if (name !== "a.wal.lock") linkSync(join(folder, name), join(folder, `copy-${name}`));
    }
    linkSync(path, join(folder, "alone"));
    for (const other of ["copy-a.wal", "alone"]) {
      await assertRejects(() => Wal.open(join(folder, other), SMALL), LockedError);
    }
    fill(log, 60);
    for (const other of ["copy-a.wal", "alone"]) {
      await assertRejects(() => Wal.open(join(folder, other), SMALL), LockedError);
    }
    await log.close();
  }));

test("of the files of a log with several, the oldest and the last are locked, and no other", () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    const log = await Wal.open(path, SMALL);
    fill(log, 60);
    await log.truncateBeforeIndex(20);
    const files = readdirSync(folder).filter((name) => /wal\.\d{20}$/.test(name)).sort();
    assert(files.length > 3);
    const locked: string[] = [];
    for (const name of files) {
      try {
        (await own.guard(join(folder, name))).release();
      } catch (error) {
        assert(error instanceof LockedError);
        locked.push(name);
      }
    }
    assertEquals(locked, [files[0], files.at(-1)]);
    await log.close();
  }));

test(
  "a writer that was killed after a roll leaves no file locked",
  { timeout: 120_000 },
  () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.wal");
      const log = await Wal.open(path, SMALL);
      fill(log, 60);
      await log.close();
      for (let round = 0; round < 3; round++) {
        const holder = new Contender(RUNTIME, path);
        assertEquals((await holder.result()).opened, true);
        await holder.kill();
        const again = await Wal.open(path, SMALL);
        assertEquals(again.lastIndex, 60);
        await again.close();
      }
    }),
);

/** Files in memory whose guards take their time, as those of a program do. */
class SlowGuards extends FaultyFileSystem {
  readonly asked: string[] = [];
  /** What the next guard waits for, and fails with. */
  gate: Promise<unknown> = Promise.resolve();
  failure: Error | undefined;

  constructor() {
    super(new MemoryFileSystem());
  }

  override async guard(path: string): Promise<Guard> {
    this.asked.push(path);
    await this.gate;
    if (this.failure !== undefined) throw this.failure;
    return await super.guard(path);
  }
}

/** Waits until a guard was asked for that the log did not ask for before. */
async function askedFor(fileSystem: SlowGuards): Promise<void> {
  const before = fileSystem.asked.length;
  for (let tries = 0; fileSystem.asked.length === before; tries++) {
    assert(tries < 1000, "no lock was asked for");
    await pause(5);
  }
  await pause(5);
}

function gate(): { opened: Promise<void>; open: () => void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => open = resolve);
  return { opened, open: () => open() };
}

test("a log that another writer has locked is refused before any of its files is changed", async () => {
  const fileSystem = new SlowGuards();
  const log = await Wal.open("a.wal", { ...SMALL, fileSystem });
  fill(log, 30);
  await log.close();
  fileSystem.calls.length = 0;
  fileSystem.failure = new LockedError("a.wal", {
    pid: 1,
    host: undefined,
    runtime: undefined,
  });
  await assertRejects(() => Wal.open("a.wal", { ...SMALL, fileSystem }), LockedError);
  const changes = fileSystem.calls.filter((call) =>
    /^(write|truncate|sync|remove|create)/.test(call)
  );
  assertEquals(changes.filter((call) => / a\.wal(\.\d+)?$/.test(call)), []);
});

test("no append waits for the lock of the next file, and one lock is asked for at a time", async () => {
  const fileSystem = new SlowGuards();
  const log = await Wal.open("a.wal", { ...SMALL, fileSystem });
  const slow = gate();
  fileSystem.gate = slow.opened;
  fileSystem.asked.length = 0;
  fill(log, 100);
  await log.sync();
  assertEquals([log.lastIndex, fileSystem.asked.length], [100, 0]);
  await askedFor(fileSystem);
  fill(log, 100);
  await log.sync();
  await pause(5);
  assertEquals([log.lastIndex, fileSystem.asked.length], [200, 1]);
  slow.open();
  await log.close();
  // Of the files that were full before their lock came, none is asked for.
  assert(fileSystem.asked.length <= 2, fileSystem.asked.join());
  const again = await Wal.open("a.wal", { ...SMALL, fileSystem });
  assertEquals(again.lastIndex, 200);
  await again.close();
});

test("a log that is never idle has the file locked that is written, at a roll ten seconds later", async () => {
  const fileSystem = new SlowGuards();
  const log = await Wal.open("a.wal", { ...SMALL, fileSystem });
  const { now } = performance;
  let later = 0;
  performance.now = () => now.call(performance) + later;
  try {
    for (later of [9_000, 10_000]) {
      fileSystem.asked.length = 0;
      fill(log, 20);
      // Less than it takes a log to be idle.
      await pause(1);
      assertEquals(fileSystem.asked.length, later < 10_000 ? 0 : 1, `${later} ms`);
    }
  } finally {
    performance.now = now;
  }
  await log.close();
});

test("close waits for a lock that is being taken, and gives it back", async () => {
  const fileSystem = new SlowGuards();
  const log = await Wal.open("a.wal", { ...SMALL, fileSystem });
  const slow = gate();
  fileSystem.gate = slow.opened;
  fill(log, 20);
  await askedFor(fileSystem);
  let closed = false;
  const closing = log.close().then(() => closed = true);
  await pause(20);
  assertEquals(closed, false);
  slow.open();
  await closing;
  await (await Wal.open("a.wal", { ...SMALL, fileSystem })).close();
});

test("a handle whose next file another writer has locked ends with a LockedError", async () => {
  const fileSystem = new SlowGuards();
  const log = await Wal.open("a.wal", { ...SMALL, fileSystem });
  fill(log, 3);
  await log.sync();
  fileSystem.failure = new LockedError("a.wal.2", {
    pid: 1,
    host: undefined,
    runtime: undefined,
  });
  fill(log, 20);
  await askedFor(fileSystem);
  const error = assertThrows(() => log.append(bytes("x")), LockedError);
  assertEquals(error, fileSystem.failure);
  await assertRejects(() => log.appendAndSync(bytes("x")), LockedError);
  await assertRejects(() => log.sync(), LockedError);
  await assertRejects(() => log.truncateBeforeIndex(2), LockedError);
  assertEquals(log.getEntry(1).length, 32);
  await log.close(); // It was told.
});

test("close reports a LockedError that ended the handle, if no call has", async () => {
  const fileSystem = new SlowGuards();
  const log = await Wal.open("a.wal", { ...SMALL, fileSystem });
  fileSystem.failure = new LockedError("a.wal.2", {
    pid: 1,
    host: undefined,
    runtime: undefined,
  });
  fill(log, 20);
  await askedFor(fileSystem);
  await assertRejects(() => log.close(), LockedError);
});

test("nothing is dropped once another writer has locked one of the files", async () => {
  const fileSystem = new SlowGuards();
  const log = await Wal.open("a.wal", { ...SMALL, fileSystem });
  fill(log, 60);
  await log.sync();
  const before = fileSystem.list(".").filter((name) => /^a\.wal(\.\d+)?$/.test(name)).length;
  fileSystem.failure = new LockedError("a.wal", {
    pid: 1,
    host: undefined,
    runtime: undefined,
  });
  await assertRejects(() => log.truncateFromIndex(20), LockedError);
  assertThrows(() => log.append(bytes("x")), LockedError);
  const after = fileSystem.list(".").filter((name) => /^a\.wal(\.\d+)?$/.test(name)).length;
  assertEquals(after, before);
  await log.close();
});

test("a log continues where the next file cannot be locked for lack of a descriptor", async () => {
  const fileSystem = new SlowGuards();
  const log = await Wal.open("a.wal", { ...SMALL, fileSystem });
  fileSystem.failure = new FileSystemError("EMFILE", "Open", "a.wal");
  fill(log, 60);
  await askedFor(fileSystem);
  await log.sync();
  fileSystem.failure = undefined;
  fill(log, 20);
  await askedFor(fileSystem);
  await log.close();
  const again = await Wal.open("a.wal", { ...SMALL, fileSystem });
  assertEquals(again.lastIndex, 80);
  await again.close();
});

test("an open whose files cannot be locked for lack of a descriptor fails with ERR_WAL_IO", async () => {
  const fileSystem = new SlowGuards();
  await (await Wal.open("a.wal", { fileSystem })).close();
  fileSystem.failure = new FileSystemError("EMFILE", "Open", "a.wal");
  const error = await assertRejects(() => Wal.open("a.wal", { fileSystem }), WalError);
  assertEquals(error.code, "ERR_WAL_IO");
  fileSystem.failure = undefined;
  await (await Wal.open("a.wal", { fileSystem })).close();
});
