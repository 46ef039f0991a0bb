/**
 * What is durable when a call has returned, and stays so whatever the calls before it went through: on
 * a disk that may lack any part of what no sync has covered.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { SyncFailedError, Wal, WalError } from "../../mod.ts";
import { encodeRedoRecord, REDO_HEAD_SIZE } from "../../src/format/redo_record.ts";
import { CrashFileSystem, digestOf, FaultyFileSystem } from "../../src/testing/testing.ts";
import { bytes, readFile, text, withLog, writeFile } from "../../kit/logs.ts";

const PATH = "a.wal";
const META = "a.wal.meta";
const SLOTS = [0, 65_536] as const;
const SEGMENT_SIZE = 256;

const TIMEOUT = { timeout: 60_000 };

/** An entry of a few bytes that tells its index. */
function entry(index: number): Uint8Array {
  return bytes(`entry ${String(index).padStart(4, "0")}`);
}

/** Appends entries up to an index. */
function fill(log: Wal, to: number): void {
  while (log.lastIndex < to) log.append(entry(log.lastIndex + 1));
}

function words(log: Wal): string[] {
  return log.readAll().map(text);
}

/** A log of that many entries, closed. */
async function madeLog(entries: number): Promise<CrashFileSystem> {
  const disk = new CrashFileSystem();
  await withLog(PATH, { fileSystem: disk, segmentSize: SEGMENT_SIZE }, (log) => fill(log, entries));
  return disk;
}

/** The files of segments on a disk. */
function segmentFiles(disk: CrashFileSystem): string[] {
  return disk.list(".").filter((name) => /^a\.wal(\.\d{20})?$/.test(name)).sort();
}

/** With the byte at an offset of a file changed, as by rot. */
function rotten(disk: CrashFileSystem, path: string, at: number): CrashFileSystem {
  const copy = disk.fork();
  const content = readFile(copy, path);
  content[at] = (content[at] ?? 0) ^ 0x40;
  writeFile(copy, path, content);
  return copy;
}

/** Opens a log, and no more: the state and the entries that it has. */
async function found(disk: CrashFileSystem): Promise<[state: string, ...entries: string[]]> {
  return await withLog(PATH, { fileSystem: disk, segmentSize: SEGMENT_SIZE }, (log) => {
    return [text(log.state), ...words(log)];
  });
}

// Making a log, and what a process leaves that dies meanwhile.

test(
  "a log whose maker died at any step is durable, with its name, when it is opened",
  TIMEOUT,
  async () => {
    for (let step = 0;; step++) {
      const disk = new CrashFileSystem();
      const dying = new FaultyFileSystem(disk);
      dying.stopAfter(step, 20);
      const [made] = await Promise.allSettled([Wal.open(PATH, { fileSystem: dying })]);
      disk.kill();
      const log = await Wal.open(PATH, { fileSystem: disk });
      await log.appendAndSync(bytes("acknowledged"));
      for (const left of disk.crashStates()) {
        await withLog(PATH, { fileSystem: left }, (log) => {
          assertEquals(words(log), ["acknowledged"], `died at step ${step}, ${left.origin}`);
        });
      }
      if (made.status === "fulfilled") break;
    }
  },
);

test(
  "a segment whose maker died at any step is durable, with its name, when it is opened",
  TIMEOUT,
  async () => {
    for (let step = 0, done = false; !done; step++) {
      const disk = await madeLog(4);
      const dying = new FaultyFileSystem(disk);
      const log = await Wal.open(PATH, { fileSystem: dying, segmentSize: SEGMENT_SIZE });
      dying.stopAfter(step, 20);
      const [rolled] = await Promise.allSettled([
        new Promise<void>((resolve) => resolve(fill(log, 12))),
      ]);
      done = rolled.status === "fulfilled";
      disk.kill();
      const again = await Wal.open(PATH, { fileSystem: disk, segmentSize: SEGMENT_SIZE });
      await again.appendAndSync(entry(again.lastIndex + 1));
      const wanted = words(again);
      for (const left of disk.crashStates()) {
        assertEquals(await found(left), ["", ...wanted], `died at step ${step}, ${left.origin}`);
      }
    }
  },
);

test("a log that was made again is opened after any crash, wherever its head has moved", async () => {
  const disk = new CrashFileSystem();
  writeFile(disk, PATH, bytes("WAL!"));
  const log = await Wal.open(PATH, { fileSystem: disk });
  assertEquals(log.recovery.created, true);
  for (const index of [1, 2, 3]) log.append(entry(index));
  await log.truncateBeforeIndex(3);
  const seen = new Set<number>();
  for (const left of disk.crashStates()) {
    await withLog(PATH, { fileSystem: left }, (log) => {
      assertEquals(log.firstIndex, 3, left.origin);
      seen.add(log.lastIndex);
    });
  }
  assertEquals([...seen].sort(), [2, 3], "the last entry was never synced");
});

test("a version 1 file without entries that becomes one of version 2 is a log after any crash", async () => {
  const disk = new CrashFileSystem();
  await withLog(PATH, { fileSystem: disk, format: 1 }, () => {});
  const log = await Wal.open(PATH, { fileSystem: disk });
  // Over the edge of a sector. Each of the two sectors may be there without the other.
  const batch = Array.from({ length: 40 }, (_, i) => text(entry(i + 1)));
  log.appendBatch(batch.map(bytes));
  const seen = new Set<number>();
  for (const left of disk.crashStates()) {
    const [, ...words] = await found(left);
    assert(words.length === 0 || words.join() === batch.join(), left.origin);
    seen.add(words.length);
  }
  assertEquals(seen.size, 2);
  await log.close();
});

// Syncs.

test("a Durable frame covers nothing that came while its sync ran", TIMEOUT, async () => {
  const disk = new CrashFileSystem();
  const log = await Wal.open(PATH, { fileSystem: disk });
  log.append(entry(1));
  disk.observe((call) => {
    if (!call.startsWith("fdatasync")) return;
    disk.observe(undefined);
    queueMicrotask(() => log.append(entry(2)));
  });
  await log.sync();
  assertEquals([log.lastIndex, log.durableIndex], [2, 1]);
  log.append(entry(3));
  const seen = new Set<number>();
  for (const left of disk.crashStates()) {
    // What the disk lacks was not acknowledged: it is no corruption.
    seen.add((await found(left)).length - 1);
  }
  assertEquals([...seen].sort(), [1, 2, 3]);
});

test("after a clean close and a power cut, damage to any entry is known as such", async () => {
  const disk = new CrashFileSystem();
  await withLog(PATH, { fileSystem: disk }, (log) => fill(log, 3));
  const size = readFile(disk, PATH).length;
  for (const left of disk.crashStates()) {
    assertEquals(readFile(left, PATH).length, size);
    for (let at = 54; at < 54 + 3 * 19; at++) {
      const damaged = rotten(left, PATH, at);
      const error = await assertRejects(() => Wal.open(PATH, { fileSystem: damaged }), WalError);
      assertEquals(error.code, "ERR_WAL_CORRUPT", `byte ${at}`);
    }
  }
});

test("a truncation does not count as durable what a sync has covered that ran for no caller", async () => {
  const fileSystem = new FaultyFileSystem(new CrashFileSystem());
  const log = await Wal.open(PATH, { fileSystem, segmentSize: 1 << 30 });
  let finish = (): void => {};
  const waits = new Promise<void>((resolve) => finish = resolve);
  fileSystem.delay("syncData", () => waits);
  // So much that a sync is begun unasked.
  for (let i = 0; i < 10; i++) log.append(new Uint8Array(1_000_000));
  assertEquals(fileSystem.count("syncData"), 1);
  const truncated = log.truncateFromIndex(1);
  await new Promise((resolve) => setTimeout(resolve, 5));
  finish();
  await truncated;
  assertEquals(log.append(entry(1)), 1);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assertEquals(log.durableIndex, 0);
  await log.close();
});

for (const version of [1, 2] as const) {
  for (const failedSync of ["ext4", "xfs", "btrfs"] as const) {
    test(
      `an entry whose sync failed is durable when open has returned it (version ${version}, ${failedSync})`,
      TIMEOUT,
      async () => {
        const disk = new CrashFileSystem({ failedSync });
        const fileSystem = new FaultyFileSystem(disk);
        const log = await Wal.open(PATH, { fileSystem, format: version });
        await log.appendAndSync(entry(1));
        fill(log, 30); // Beyond a sector.
        fileSystem.fail("syncData", "EIO");
        await assertRejects(() => log.sync(), SyncFailedError);
        await log.close();
        disk.kill();
        const again = await Wal.open(PATH, { fileSystem: disk });
        const wanted = words(again);
        assertEquals(wanted[0], text(entry(1)));
        for (const left of disk.crashStates()) {
          assertEquals(await found(left), ["", ...wanted], left.origin);
        }
        // The same when the page cache gives up what it has.
        await again.appendAndSync(entry(31));
        for (const left of disk.crashStates()) {
          assertEquals(await found(left), ["", ...wanted, text(entry(31))], left.origin);
        }
      },
    );
  }
}

// Failed writes.

test("a roll that fails for want of space leaves the full segment byte by byte as it was", async () => {
  for (const operation of ["create", "write"] as const) {
    const disk = new CrashFileSystem();
    const fileSystem = new FaultyFileSystem(disk);
    const log = await Wal.open(PATH, { fileSystem, segmentSize: SEGMENT_SIZE });
    while (log.byteLength + 42 + 19 <= SEGMENT_SIZE) log.append(entry(log.lastIndex + 1));
    const before = readFile(disk, PATH);
    fileSystem.fail(operation, "ENOSPC", { after: operation === "write" ? 1 : 0, leaves: 10 });
    assertThrows(() => log.append(entry(log.lastIndex + 1)), WalError);
    for (const left of disk.crashStates()) {
      assertEquals(readFile(left, PATH), before, left.origin);
      assertEquals(segmentFiles(left), [PATH], left.origin);
    }
    await log.close();
  }
});

// What is dropped.

/** What the log has after any crash in the middle of an opening, and after the opening. */
async function openedThroughCrashes(
  disk: CrashFileSystem,
  check: (log: Wal, where: string) => void,
  limit = 32,
): Promise<void> {
  const options = { segmentSize: SEGMENT_SIZE };
  const crashes: CrashFileSystem[] = [];
  disk.observe(() => crashes.push(disk.fork()));
  await Wal.open(PATH, { ...options, fileSystem: disk });
  disk.observe(undefined);
  for (const crash of [...crashes, disk]) {
    for (const left of crash.crashStates({ limit })) {
      await withLog(PATH, { ...options, fileSystem: left }, (log) => check(log, left.origin));
    }
  }
}

test(
  "a tail truncation over segments is finished or taken back after a crash in the opening that finishes it",
  TIMEOUT,
  async () => {
    for (let step = 0, done = false; !done; step++) {
      const disk = new CrashFileSystem();
      const fileSystem = new FaultyFileSystem(disk);
      const log = await Wal.open(PATH, { fileSystem, segmentSize: SEGMENT_SIZE });
      // A Durable frame covers each sync, which is what the truncation has to reckon with.
      for (let next = 1; next <= 16; next++) await log.appendAndSync(entry(next));
      const all = words(log);
      assert(log.stats().segments > 3);
      fileSystem.stopAfter(step);
      const [truncated] = await Promise.allSettled([log.truncateFromIndex(2)]);
      done = truncated.status === "fulfilled";
      disk.kill();
      await openedThroughCrashes(disk, (log, where) => {
        assert(log.lastIndex >= 1 && log.lastIndex <= (done ? 1 : 16), `step ${step}, ${where}`);
        assertEquals(words(log), all.slice(0, log.lastIndex), `step ${step}, ${where}`);
      });
    }
  },
);

test(
  "a truncation of durable entries is done or not after a crash at any step",
  TIMEOUT,
  async () => {
    for (const index of [1, 2, 5]) {
      const disk = new CrashFileSystem();
      const log = await Wal.open(PATH, { fileSystem: disk });
      for (let next = 1; next <= 6; next++) await log.appendAndSync(entry(next));
      const all = words(log);
      const crashes: CrashFileSystem[] = [];
      disk.observe(() => crashes.push(disk.fork()));
      await log.truncateFromIndex(index);
      disk.observe(undefined);
      for (const crash of [...crashes, disk]) {
        for (const left of crash.crashStates()) {
          const [, ...kept] = await found(left);
          const least = crash === disk ? index - 1 : kept.length;
          assertEquals(kept, all.slice(0, least), left.origin);
          assert(kept.length >= index - 1 && kept.length <= 6, left.origin);
        }
      }
      // What is appended then is not dropped with the others.
      await log.appendAndSync(bytes("after"));
      for (const left of disk.crashStates()) {
        assertEquals((await found(left)).slice(1), [...all.slice(0, index - 1), "after"]);
      }
      await log.close();
    }
  },
);

test("zeros that a crash leaves where a truncation was to cut are no damage", async () => {
  const disk = new CrashFileSystem();
  const log = await Wal.open(PATH, { fileSystem: disk });
  const large = (index: number): Uint8Array => new Uint8Array(600).fill(index);
  for (let next = 1; next <= 20; next++) await log.appendAndSync(large(next));
  let cut: CrashFileSystem | undefined;
  disk.observe((call) => {
    if (call.startsWith(`truncate "${PATH}"`)) cut ??= disk.fork();
  });
  await log.truncateFromIndex(4);
  disk.observe(undefined);
  const end = readFile(disk, PATH).length;
  assert(cut !== undefined && end < 4096);
  // The rest of the block is zeros, and the file is as long as before.
  const file = cut.open(PATH, "write");
  file.write(new Uint8Array(4096 - end), end);
  assert(file.size() > 8192);
  await withLog(PATH, { fileSystem: cut }, (log) => {
    assertEquals(log.readAll(), [1, 2, 3].map(large));
  });
  await log.close();
});

test("a truncation that finds no space leaves the log as it was, and can be made again", async () => {
  for (const index of [3, 17]) {
    for (const leaves of [0, 10]) {
      const disk = new CrashFileSystem();
      const fileSystem = new FaultyFileSystem(disk);
      const log = await Wal.open(PATH, { fileSystem, segmentSize: 512 });
      // A Durable frame covers each sync, which is what a truncation then has to reckon with.
      for (let next = 1; next <= 18; next++) await log.appendAndSync(entry(next));
      const all = words(log);
      fileSystem.fail("write", "ENOSPC", { leaves });
      const error = await assertRejects(() => log.truncateFromIndex(index), WalError);
      assertEquals(error.code, "ERR_WAL_WRITE_FAILED");
      assertEquals(words(log), all);
      await log.truncateFromIndex(index);
      assertEquals(words(log), all.slice(0, index - 1));
      await log.close();
      assertEquals((await found(disk)).slice(1), all.slice(0, index - 1));
    }
  }
});

test(
  "what is durable stays so through openings that die and a crash in the last",
  TIMEOUT,
  async () => {
    for (let step = 0, done = false; !done; step++) {
      const disk = new CrashFileSystem();
      const log = await Wal.open(PATH, { fileSystem: disk });
      for (let next = 1; next <= 30; next++) log.append(entry(next)); // Beyond a sector.
      await log.sync();
      const all = words(log);
      disk.kill();
      const fileSystem = new FaultyFileSystem(disk);
      fileSystem.stopAfter(step, 700);
      const [opened] = await Promise.allSettled([Wal.open(PATH, { fileSystem })]);
      done = opened.status === "fulfilled";
      disk.kill();
      await openedThroughCrashes(disk, (log, where) => {
        assertEquals(words(log), all, `died at step ${step}, ${where}`);
      });
    }
  },
);

for (const failedSync of ["ext4", "xfs", "btrfs"] as const) {
  test(
    `what is durable stays so through an opening whose sync failed and a crash in the next (${failedSync})`,
    TIMEOUT,
    async () => {
      for (let after = 0, done = false; !done; after++) {
        const disk = new CrashFileSystem({ failedSync });
        const log = await Wal.open(PATH, { fileSystem: disk });
        fill(log, 30); // Beyond a sector.
        await log.sync();
        const all = words(log);
        disk.kill();
        const fileSystem = new FaultyFileSystem(disk);
        fileSystem.fail("sync", "EIO", { after });
        const [opened] = await Promise.allSettled([Wal.open(PATH, { fileSystem })]);
        done = opened.status === "fulfilled";
        disk.kill();
        await openedThroughCrashes(disk, (log, where) => {
          assertEquals(words(log), all, `sync ${after} failed, ${where}`);
        });
      }
    },
  );
}

/** What an opening writes again: a log that was not closed, or the meta file of one that was. */
const WRITTEN_AGAIN: readonly (readonly [path: string, use: (log: Wal) => Promise<void>])[] = [
  [PATH, async (log) => {
    fill(log, 30); // Beyond a sector.
    await log.sync();
  }],
  [META, async (log) => {
    await log.setState(bytes("term 7"));
    await log.close();
  }],
];

for (const [path, use] of WRITTEN_AGAIN) {
  test(
    `${path} is whole after a crash in an opening, an opening that dies, and another crash`,
    TIMEOUT,
    async () => {
      const disk = new CrashFileSystem();
      await use(await Wal.open(PATH, { fileSystem: disk }));
      const before = readFile(disk, path);
      const all = await found(disk.fork());
      disk.kill();
      const crashes: CrashFileSystem[] = [];
      disk.observe(() => crashes.push(disk.fork()));
      await Wal.open(PATH, { fileSystem: disk });
      const interrupted = crashes.flatMap((crash) => [...crash.crashStates({ limit: 16 })])
        .filter((left) => left.list(".").includes(`${PATH}.redo`))
        .filter((left) => digestOf(readFile(left, path)) !== digestOf(before));
      assert(interrupted.length > 3);
      for (const left of interrupted.slice(0, 6)) {
        for (let step = 0; step < 6; step++) {
          const again = left.fork();
          const dying = new FaultyFileSystem(again);
          dying.stopAfter(step, Infinity);
          await Promise.allSettled([Wal.open(PATH, { fileSystem: dying })]);
          again.kill();
          await openedThroughCrashes(again, (log, where) => {
            const kept = [text(log.state), ...words(log)];
            assertEquals(kept, all, `${left.origin}, then died at step ${step}, ${where}`);
          }, 4);
        }
      }
    },
  );
}

test("a redo file that fails its checksum is not used", async () => {
  const disk = await madeLog(3);
  const all = await found(disk.fork());
  const record = { firstIndex: 1, offset: 60, oldLength: 1, oldChecksum: 1, length: 0 };
  const redo = new Uint8Array(REDO_HEAD_SIZE + 4);
  redo.set(encodeRedoRecord(record));
  writeFile(disk, `${PATH}.redo`, redo);
  assertEquals(await found(disk), all);
  assert(!disk.list(".").includes(`${PATH}.redo`));
});

test("on a full disk, an opening keeps what was durable through any crash", TIMEOUT, async () => {
  const disk = new CrashFileSystem();
  const first = new FaultyFileSystem(disk);
  const log = await Wal.open(PATH, { fileSystem: first });
  fill(log, 30); // Beyond a sector.
  await log.sync();
  await log.setState(bytes("term 1"));
  first.fail("sync", "EIO", { name: META }); // One slot is newer than the other.
  await assertRejects(() => log.setState(bytes("term 2 is longer".repeat(60))), SyncFailedError);
  disk.kill();
  const torn = disk.open(PATH, "write");
  torn.write(bytes("\x01torn"), torn.size());
  const full = new FaultyFileSystem(disk);
  full.fail("create", "ENOSPC", { times: Infinity });
  const crashes: CrashFileSystem[] = [];
  disk.observe(() => crashes.push(disk.fork()));
  const again = await Wal.open(PATH, { fileSystem: full });
  disk.observe(undefined);
  const all = words(again);
  const state = text(again.state);
  assertEquals(all.length, 30);
  assertEquals(again.byteLength, readFile(disk, PATH).length, "what is torn is cut");
  for (const crash of [...crashes, disk]) {
    for (const left of crash.crashStates({ limit: 64 })) {
      const [kept, ...entries] = await found(left);
      assertEquals(entries, all, left.origin);
      assert(kept === state || (crash !== disk && kept === "term 1"), `${kept}, ${left.origin}`);
    }
  }
});

test(
  "a crash in the opening of a log leaves its state and its head as they were",
  TIMEOUT,
  async () => {
    const disk = await madeLog(12);
    await withLog(PATH, { fileSystem: disk, segmentSize: SEGMENT_SIZE }, async (log) => {
      await log.setState(bytes("term 7"));
      await log.truncateBeforeIndex(5);
    });
    await openedThroughCrashes(disk, (log, where) => {
      assertEquals([text(log.state), log.firstIndex, log.lastIndex], ["term 7", 5, 12], where);
    });
  },
);

test("after a head truncation and a power cut, no file of dropped entries is back", async () => {
  const disk = await madeLog(40);
  const log = await Wal.open(PATH, { fileSystem: disk, segmentSize: SEGMENT_SIZE });
  await log.truncateBeforeIndex(25);
  const kept = segmentFiles(disk);
  assert(kept.length < log.lastIndex / 5 && !kept.includes(PATH));
  for (const left of disk.crashStates()) assertEquals(segmentFiles(left), kept, left.origin);
  await log.close();
});

test(
  "the first head truncation is whole after a crash in the opening that finishes it",
  TIMEOUT,
  async () => {
    const options = { segmentSize: SEGMENT_SIZE };
    for (let step = 0, done = false; !done; step++) {
      const disk = await madeLog(16);
      const fileSystem = new FaultyFileSystem(disk);
      const log = await Wal.open(PATH, { ...options, fileSystem });
      fileSystem.stopAfter(step, 40);
      const [truncated] = await Promise.allSettled([log.truncateBeforeIndex(10)]);
      done = truncated.status === "fulfilled";
      disk.kill();
      const crashes: CrashFileSystem[] = [];
      disk.observe(() => crashes.push(disk.fork()));
      const { firstIndex } = await Wal.open(PATH, { ...options, fileSystem: disk });
      disk.observe(undefined);
      assert(firstIndex === 10 || (firstIndex === 1 && !done));
      for (const crash of [...crashes, disk]) {
        for (const left of crash.crashStates({ limit: 64 })) {
          await withLog(PATH, { ...options, fileSystem: left }, (log) => {
            const where = `died at step ${step}, ${left.origin}`;
            assertEquals(log.lastIndex, 16, where);
            assert([1, 10].includes(log.firstIndex), where);
            if (crash === disk) assertEquals(log.firstIndex, firstIndex, where);
          });
        }
      }
    }
  },
);

test("a head truncation of everything that was interrupted gives the space back at the next open", async () => {
  const disk = new CrashFileSystem();
  const fileSystem = new FaultyFileSystem(disk);
  const log = await Wal.open(PATH, { fileSystem });
  for (let index = 1; index <= 20; index++) log.append(new Uint8Array(1000));
  await log.sync();
  fileSystem.fail("create", "EMFILE", { after: 1 }); // The first one is the meta file.
  await assertRejects(() => log.truncateBeforeIndex(21), WalError);
  assertEquals([log.firstIndex, log.lastIndex], [21, 20]);
  await log.close();
  await withLog(PATH, { fileSystem: disk }, (log) => {
    assertEquals([log.firstIndex, log.lastIndex], [21, 20]);
    assert(log.byteLength < 100, `${log.byteLength} bytes`);
  });
});

test("a log whose files are gone, but not its state, is refused and not made again", async () => {
  const disk = new CrashFileSystem();
  await withLog(PATH, { fileSystem: disk }, async (log) => {
    log.append(entry(1));
    await log.setState(bytes("term 7"));
  });
  disk.remove(PATH);
  const error = await assertRejects(() => Wal.open(PATH, { fileSystem: disk }), WalError);
  assertEquals(error.code, "ERR_WAL_CORRUPT");
  assert(!disk.list(".").includes(PATH));
});

// The state.

/** Ends a process in the middle of storing a state, at a step that is given. */
type Interrupt = (fileSystem: FaultyFileSystem, step: number) => void;

const INTERRUPTS: readonly (readonly [how: string, interrupt: Interrupt])[] = [
  ["whose writer died", (fileSystem, step) => fileSystem.stopAfter(step, 40)],
  ["one of whose syncs failed", (fileSystem, step) => {
    if (step === 0) fileSystem.fail("sync", "EIO", { name: META });
    else fileSystem.fail("syncData", "EIO", { name: META, after: step - 1 });
  }],
];

for (const failedSync of ["ext4", "xfs", "btrfs"] as const) {
  for (const [how, interrupt] of INTERRUPTS) {
    test(
      `a state ${how} is durable when open has returned it, in both copies (${failedSync})`,
      TIMEOUT,
      async () => {
        for (const before of [[], ["term 1", "term 2"]]) {
          for (let step = 0, done = false; !done; step++) {
            const disk = new CrashFileSystem({ failedSync });
            const fileSystem = new FaultyFileSystem(disk);
            await withLog(PATH, { fileSystem: disk }, async (log) => {
              for (const state of before) await log.setState(bytes(state));
            });
            const log = await Wal.open(PATH, { fileSystem });
            interrupt(fileSystem, step);
            const [stored] = await Promise.allSettled([log.setState(bytes("term 3"))]);
            done = stored.status === "fulfilled";
            disk.kill();
            const again = await Wal.open(PATH, { fileSystem: disk });
            const state = text(again.state);
            assert(state === "term 3" || (state === (before.at(-1) ?? "") && !done), state);
            await assertInBothCopies(disk, state);
            await again.setState(bytes("term 4"));
            await assertInBothCopies(disk, "term 4");
          }
        }
      },
    );
  }
}

/** That a state is there after any crash, even if one of its copies rots. */
async function assertInBothCopies(disk: CrashFileSystem, state: string): Promise<void> {
  for (const left of disk.crashStates()) {
    assertEquals((await found(left.fork()))[0], state, left.origin);
    for (const slot of state === "" ? [] : SLOTS) {
      const [kept] = await found(rotten(left, META, slot + 40));
      assertEquals(kept, state, `the slot at ${slot} rots, ${left.origin}`);
    }
  }
}

test(
  "a first state is durable in both copies, though the one before it was torn and its sync failed",
  TIMEOUT,
  async () => {
    for (const leaves of [3, 20, 39]) {
      const disk = new CrashFileSystem();
      const fileSystem = new FaultyFileSystem(disk);
      const log = await Wal.open(PATH, { fileSystem });
      fileSystem.stopAfter(1, leaves); // The file is made, and the slot written in part.
      await assertRejects(() => log.setState(bytes("term 1")));
      disk.kill();
      const failing = new FaultyFileSystem(disk);
      failing.fail("sync", "EIO", { name: META });
      await assertRejects(() => Wal.open(PATH, { fileSystem: failing }), SyncFailedError);
      disk.kill();
      const again = await Wal.open(PATH, { fileSystem: disk });
      assertEquals(text(again.state), "");
      await again.setState(bytes("term 2"));
      await assertInBothCopies(disk, "term 2");
      await again.close();
    }
  },
);

test("both copies of a state are durable when it is stored", TIMEOUT, async () => {
  const disk = new CrashFileSystem();
  const log = await Wal.open(PATH, { fileSystem: disk });
  for (const state of ["term 1", "term 2", "term 3"]) {
    await log.setState(bytes(state));
    await assertInBothCopies(disk, state);
  }
  await log.close();
});

test(
  "a state is the old one or the new after a crash at any step of its storing",
  TIMEOUT,
  async () => {
    const states = ["", "term 1", "term 2", "term 3"];
    const disk = new CrashFileSystem();
    const log = await Wal.open(PATH, { fileSystem: disk });
    const crashes: CrashFileSystem[] = [];
    disk.observe(() => crashes.push(disk.fork()));
    for (let next = 1; next < states.length; next++) {
      await log.setState(bytes(states[next] ?? ""));
      const allowed = states.slice(next - 1, next + 1);
      for (const crash of crashes.splice(0)) {
        for (const left of crash.crashStates()) {
          const [state] = await found(left);
          assert(allowed.includes(state), `${state} instead of ${allowed}, ${left.origin}`);
        }
      }
    }
    disk.observe(undefined);
    await log.close();
  },
);

test("a store that is torn while the other copy is rotten leaves the old state", async () => {
  const disk = new CrashFileSystem();
  await withLog(PATH, { fileSystem: disk }, (log) => log.setState(bytes("term 1")));
  const fileSystem = new FaultyFileSystem(disk);
  const log = await Wal.open(PATH, { fileSystem });
  const meta = disk.open(META, "write");
  meta.write(new Uint8Array([0xff]), SLOTS[1] + 40);
  fileSystem.stopAfter(0, 38); // Some bytes of the state, after all numbers.
  await assertRejects(() => log.setState(bytes("term 2")), WalError);
  disk.kill();
  assertEquals((await found(disk))[0], "term 1");
});

test("a state that is stored although its write failed is not reported as refused", async () => {
  const disk = new CrashFileSystem();
  const fileSystem = new FaultyFileSystem(disk);
  const log = await Wal.open(PATH, { fileSystem });
  await log.setState(bytes("term 1"));
  fileSystem.fail("write", "EIO", { leaves: Infinity });
  await assertRejects(() => log.setState(bytes("term 2")), SyncFailedError);
  await log.close();
  assertEquals((await found(disk))[0], "term 2");
});
