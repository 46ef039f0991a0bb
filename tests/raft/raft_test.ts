/**
 * Raft's storage: each operation, every crash in the middle of one, and the example's schedules with
 * and without planted bugs.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertRejects, assertThrows, fail } from "@std/assert";
import { join } from "node:path";
import { test } from "node:test";
import { Disk, type Process } from "../../examples/raft/disk.ts";
import { Violation } from "../../examples/raft/invariants.ts";
import type { OpenStorage, Storage } from "../../examples/raft/node.ts";
import { Random } from "../../examples/raft/random.ts";
import { runSchedule } from "../../examples/raft/simulation.ts";
import { type FileSystem, type Wal, WalError, type WalErrorCode } from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { type NewRaftEntry, RaftStorage } from "../../src/raft/raft.ts";
import { FaultyFileSystem } from "../../src/testing/faulty_file_system.ts";
import { spawnSync } from "../../kit/child.ts";
import { like } from "../../kit/like.ts";
import { bytes, text, withLog } from "../../kit/logs.ts";
import { command, ROOT } from "../../kit/runtime.ts";

const PATH = "raft.wal";

/** Entries such as "1:a 2:b": each a term and a command. */
function entries(said: string): NewRaftEntry[] {
  return said.split(" ").filter((one) => one !== "").map((one) => {
    const [term = "", data = ""] = one.split(":");
    return { term: Number(term), data: bytes(data) };
  });
}

/** What a storage has, such as "2/1 | 1:c 2:d": the snapshot's index and term, and the entries. */
function said(storage: RaftStorage): string {
  const { index, term } = storage.snapshot;
  const all = Array.from(storage.entries(), (entry, i) => {
    assertEquals(entry.index, storage.firstIndex + i);
    assertEquals(storage.term(entry.index), entry.term);
    assertEquals(storage.entry(entry.index), entry);
    return `${entry.term}:${text(entry.data)}`;
  });
  assertEquals(all.length, storage.lastIndex - storage.firstIndex + 1);
  assertEquals(storage.firstIndex, index + 1);
  assertEquals(storage.term(index), term);
  assertEquals(storage.lastTerm, storage.term(storage.lastIndex));
  return `${index}/${term} | ${all.join(" ")}`.trim();
}

function open(fileSystem: FileSystem = new MemoryFileSystem()): Promise<RaftStorage> {
  return RaftStorage.open(PATH, { fileSystem, segmentSize: 256 });
}

/** Runs `body` with a storage that has these entries, and again checks what it says once reopened. */
async function withStorage(
  had: string,
  body: (storage: RaftStorage) => Promise<void>,
): Promise<void> {
  const fileSystem = new MemoryFileSystem();
  const storage = await open(fileSystem);
  if (had !== "") await storage.append(entries(had));
  await body(storage);
  const [has, hardState] = [said(storage), storage.hardState];
  await storage.close();
  await using again = await open(fileSystem);
  assertEquals(said(again), has);
  assertEquals(again.hardState, hardState);
}

async function rejects(code: WalErrorCode, call: () => Promise<unknown>): Promise<WalError> {
  const error = await assertRejects(call, WalError);
  assertEquals(error.code, code, error.message);
  return error;
}

function throws(code: WalErrorCode, call: () => unknown): void {
  assertEquals(assertThrows(call, WalError).code, code);
}

test("a new storage has nothing, and term 0 before its first entry", async () => {
  await withStorage("", async (storage) => {
    assertEquals(said(storage), "0/0 |");
    assertEquals([storage.firstIndex, storage.lastIndex, storage.lastTerm], [1, 0, 0]);
    assertEquals(storage.hardState, { term: 0, votedFor: null });
    assertEquals(await storage.appendFromLeader(0, 0, []), {
      matches: true,
      lastIndex: 0,
      droppedFrom: undefined,
    });
    assertEquals(storage.path, PATH);
    assertEquals(storage.recovery.created, true);
    throws("ERR_WAL_INDEX_OUT_OF_RANGE", () => storage.entry(1));
    throws("ERR_WAL_INDEX_OUT_OF_RANGE", () => storage.term(1));
  });
});

test("an entry on disk is its term in 8 bytes, then its command", async () => {
  const fileSystem = new MemoryFileSystem();
  const storage = await open(fileSystem);
  await storage.append([{ term: 2 ** 32 + 7, data: bytes("x") }]);
  await storage.close();
  await withLog(PATH, { fileSystem }, (log) => {
    assertEquals(log.getEntry(1), new Uint8Array([0, 0, 0, 1, 0, 0, 0, 7, 120]));
  });
});

test("a leader appends in one batch, and its terms never go down", async () => {
  await withStorage("1:a 1:b", async (storage) => {
    const range = await storage.append(entries("1:c 3:d 3:"));
    assertEquals(range, { firstIndex: 3, lastIndex: 5 });
    assertEquals(said(storage), "0/0 | 1:a 1:b 1:c 3:d 3:");
    assertEquals(Array.from(storage.entries({ from: 3, to: 4 }), ({ index }) => index), [3, 4]);
    assertEquals([...storage.entries({ from: 6 })], []);
    for (const bad of ["2:e", "3:e 2:f", "0:e", "-1:e", "1.5:e", ""]) {
      await rejects("ERR_WAL_INVALID_ARGUMENT", () => storage.append(entries(bad)));
    }
    await rejects(
      "ERR_WAL_BATCH_TOO_LARGE",
      () => storage.append(entries(Array(50).fill("3:x").join(" "))),
    );
    throws("ERR_WAL_INDEX_OUT_OF_RANGE", () => storage.entries({ from: 0 }));
    throws("ERR_WAL_INDEX_OUT_OF_RANGE", () => storage.entries({ to: 6 }));
    assertEquals(storage.lastIndex, 5);
  });
});

test("appends that are called together share a sync, and keep their order", async () => {
  const faulty = new FaultyFileSystem(new MemoryFileSystem());
  const storage = await RaftStorage.open(PATH, { fileSystem: faulty });
  const before = faulty.count("syncData");
  const ranges = await Promise.all(
    ["1:a", "1:b 2:c", "2:d"].map((some) => storage.append(entries(some))),
  );
  assertEquals(ranges.map(({ firstIndex }) => firstIndex), [1, 2, 4]);
  assertEquals(faulty.count("syncData") - before, 1);
  const [, , last] = await Promise.all([
    storage.appendFromLeader(2, 1, entries("3:x")),
    storage.setHardState({ term: 3, votedFor: "a" }),
    storage.append(entries("3:y")),
  ]);
  assertEquals(last, { firstIndex: 4, lastIndex: 4 });
  assertEquals(said(storage), "0/0 | 1:a 1:b 3:x 3:y");
  const late = storage.append(entries("4:z"));
  await storage.close();
  assertEquals(await late, { firstIndex: 5, lastIndex: 5 });
  await rejects("ERR_WAL_CLOSED", () => storage.append(entries("4:z")));
  await rejects("ERR_WAL_CLOSED", () => storage.sync());
});

test("a follower's log follows its leader's", async () => {
  const HAD = "1:a 1:b 2:c 2:d";
  const cases: [prev: string, sent: string, outcome: string, has: string][] = [
    // What is there already is skipped, and nothing after it dropped.
    ["0/0", "", "matches to 0", HAD],
    ["4/2", "", "matches to 4", HAD],
    ["0/0", "1:a 1:b", "matches to 2", HAD],
    ["1/1", "1:b 2:c", "matches to 3", HAD],
    ["0/0", HAD, "matches to 4", HAD],
    // What is new is appended.
    ["4/2", "2:e 3:f", "matches to 6", `${HAD} 2:e 3:f`],
    ["2/1", "2:c 2:d 2:e", "matches to 5", `${HAD} 2:e`],
    // At a conflict, the rest goes, wherever in a batch that is.
    ["3/2", "3:x", "matches to 4, drops 4", "1:a 1:b 2:c 3:x"],
    ["2/1", "2:c 3:x 3:y", "matches to 5, drops 4", "1:a 1:b 2:c 3:x 3:y"],
    ["1/1", "3:x", "matches to 2, drops 2", "1:a 3:x"],
    ["0/0", "3:x 3:y", "matches to 2, drops 1", "3:x 3:y"],
    // A previous entry that is not there changes nothing.
    ["5/2", "3:x", "conflict at 5", HAD],
    ["9/2", "", "conflict at 5", HAD],
    ["4/3", "3:x", "conflict at 3 of term 2", HAD],
    ["2/2", "3:x", "conflict at 1 of term 1", HAD],
  ];
  for (const [prev, sent, wanted, has] of cases) {
    await withStorage(HAD, async (storage) => {
      const [index = 0, term = 0] = prev.split("/").map(Number);
      // Twice: the message may come again.
      for (const time of ["first", "again"]) {
        const outcome = await storage.appendFromLeader(index, term, entries(sent));
        const drops = outcome.matches && outcome.droppedFrom !== undefined
          ? `, drops ${outcome.droppedFrom}`
          : "";
        const found = outcome.matches
          ? `matches to ${outcome.lastIndex}${drops}`
          : `conflict at ${outcome.conflict.index}` +
            (outcome.conflict.term === undefined ? "" : ` of term ${outcome.conflict.term}`);
        const what = `${prev} ${sent}, ${time}`;
        assertEquals(found, time === "first" ? wanted : wanted.replace(/, drops.*/, ""), what);
        assertEquals(said(storage), `0/0 | ${has}`, what);
      }
    });
  }
});

test("a follower's log is never cut below its snapshot", async () => {
  await withStorage("1:a 1:b 2:c 2:d", async (storage) => {
    await storage.compact(3);
    const from = (index: number, term: number, some: string) =>
      storage.appendFromLeader(index, term, entries(some));
    const matches = { matches: true, droppedFrom: undefined } as const;
    assertEquals(await from(0, 0, "1:a 1:b"), { ...matches, lastIndex: 2 });
    assertEquals(await from(0, 0, "1:a 1:b 2:c 2:d"), { ...matches, lastIndex: 4 });
    assertEquals(await from(1, 1, "1:b 2:c 2:d 2:e"), { ...matches, lastIndex: 5 });
    assertEquals(await from(3, 2, "3:x"), { matches: true, droppedFrom: 4, lastIndex: 4 });
    assertEquals(said(storage), "3/2 | 3:x");
    await rejects("ERR_WAL_INVALID_ARGUMENT", () => from(1, 1, "1:b 3:x"));
    await rejects("ERR_WAL_INVALID_ARGUMENT", () => from(3, 3, ""));
    await rejects("ERR_WAL_INVALID_ARGUMENT", () => from(3, 3, "2:x"));
    await rejects("ERR_WAL_INVALID_ARGUMENT", () => from(-1, 0, ""));
    assertEquals(said(storage), "3/2 | 3:x");
  });
});

test("a vote is given once a term, and the term never goes down", async () => {
  await withStorage("", async (storage) => {
    await storage.setHardState({ term: 1, votedFor: null });
    await storage.setHardState({ term: 1, votedFor: "\uFEFFä" });
    await storage.setHardState({ term: 1, votedFor: "\uFEFFä" });
    for (const votedFor of [null, "b", ""]) {
      await rejects("ERR_WAL_INVALID_ARGUMENT", () => storage.setHardState({ term: 1, votedFor }));
    }
    await rejects(
      "ERR_WAL_INVALID_ARGUMENT",
      () => storage.setHardState({ term: 0, votedFor: null }),
    );
    await rejects(
      "ERR_WAL_INVALID_ARGUMENT",
      () => storage.setHardState({ term: 2, votedFor: "\uD800" }),
    );
    await rejects(
      "ERR_WAL_STATE_TOO_LARGE",
      () => storage.setHardState({ term: 2, votedFor: "x".repeat(32 * 1024) }),
    );
    assertEquals(storage.hardState, { term: 1, votedFor: "\uFEFFä" });
    await storage.append(entries("1:a 2:b"));
    await storage.compact(1);
    assertEquals(storage.hardState, { term: 1, votedFor: "\uFEFFä" });
    await storage.setHardState({ term: 5, votedFor: "" });
    assertEquals(storage.snapshot, { index: 1, term: 1 });
  });
});

test("compaction drops what the snapshot has", async () => {
  await withStorage("1:a 1:b 2:c 2:d 4:e", async (storage) => {
    await storage.compact(1);
    assertEquals(said(storage), "1/1 | 1:b 2:c 2:d 4:e");
    await storage.compact(1);
    await storage.compact(3);
    assertEquals(said(storage), "3/2 | 2:d 4:e");
    for (const index of [2, 6, 0, 3.5]) {
      await rejects("ERR_WAL_INDEX_OUT_OF_RANGE", () => storage.compact(index));
    }
    throws("ERR_WAL_INDEX_OUT_OF_RANGE", () => storage.entry(3));
    throws("ERR_WAL_INDEX_OUT_OF_RANGE", () => storage.term(2));
    await storage.compact(5);
    assertEquals(said(storage), "5/4 |");
    await storage.append(entries("4:f"));
    assertEquals(said(storage), "5/4 | 4:f");
  });
});

test("an installed snapshot keeps what agrees with it, and nothing else", async () => {
  const cases: [snapshot: string, agrees: boolean, has: string][] = [
    ["2/1", true, "2/1 | 2:c 2:d"],
    ["4/2", true, "4/2 |"],
    ["2/2", false, "2/2 |"],
    ["4/3", false, "4/3 |"],
    ["5/2", false, "5/2 |"],
    ["90/7", false, "90/7 |"],
  ];
  for (const [snapshot, agrees, has] of cases) {
    await withStorage("1:a 1:b 2:c 2:d", async (storage) => {
      const [index = 0, term = 0] = snapshot.split("/").map(Number);
      assertEquals(await storage.installSnapshot({ index, term }), agrees);
      assertEquals(said(storage), has);
      assertEquals(await storage.installSnapshot({ index, term }), true);
      assertEquals(await storage.installSnapshot({ index: 1, term: 1 }), true);
      assertEquals(said(storage), has);
      await rejects(
        "ERR_WAL_INVALID_ARGUMENT",
        () => storage.installSnapshot({ index, term: term + 1 }),
      );
      await rejects(
        "ERR_WAL_INVALID_ARGUMENT",
        () => storage.installSnapshot({ index: 100, term: term - 1 }),
      );
      await storage.append(entries("9:x"));
      assertEquals(storage.entry(storage.lastIndex).term, 9);
    });
  }
});

test("open finds the terms of a long log with few reads", async () => {
  const fileSystem = new MemoryFileSystem();
  const terms = Array.from({ length: 20_000 }, (_, i) => 1 + Math.floor(i / 3_000) * 2);
  {
    await using storage = await RaftStorage.open(PATH, { fileSystem });
    await storage.append(terms.map((term) => ({ term, data: bytes("x") })));
  }
  const faulty = new FaultyFileSystem(fileSystem);
  await using storage = await RaftStorage.open(PATH, { fileSystem: faulty });
  terms.forEach((term, i) => assertEquals(storage.term(i + 1), term));
  assert(faulty.count("read") < 200, `It took ${faulty.count("read")} reads`);
});

test("a log that is no Raft node's is refused", async () => {
  const logs: [what: string, make: (log: Wal) => Promise<void> | void][] = [
    ["entry 1 does not begin", (log) => void log.append(bytes("short"))],
    ["entry 1 does not begin", (log) => void log.append(new Uint8Array(8))],
    ["its state is not", (log) => log.setState(bytes("state"))],
    ["begins with entry 7", (log) => log.reset(7)],
    ["term of entry 2 is below", (log) => {
      for (const term of [2, 1]) log.append(new Uint8Array([0, 0, 0, 0, 0, 0, 0, term]));
    }],
  ];
  for (const [what, make] of logs) {
    const fileSystem = new MemoryFileSystem();
    await withLog(PATH, { fileSystem }, make);
    const error = await rejects("ERR_WAL_FORMAT", () => open(fileSystem));
    assert(error.message.includes(what), error.message);
    await withLog(PATH, { fileSystem }, () => {}); // the lock was given back
  }
  for (const option of [{ format: 1 } as object, { readOnly: true }]) {
    await rejects("ERR_WAL_INVALID_ARGUMENT", () => RaftStorage.open(PATH, option));
  }
});

test("a change that fails half done ends the storage", async () => {
  const faulty = new FaultyFileSystem(new MemoryFileSystem());
  const storage = await open(faulty);
  for (const one of ["1:a", "1:b", "1:c"]) await storage.append(entries(one));
  faulty.fail("truncate", "EIO");
  await rejects("ERR_WAL_SYNC_FAILED", () => storage.appendFromLeader(1, 1, entries("2:x")));
  await rejects("ERR_WAL_SYNC_FAILED", () => storage.append(entries("2:y")));
  await rejects("ERR_WAL_SYNC_FAILED", () => storage.setHardState({ term: 2, votedFor: null }));
  await storage.close();
  // The truncation had begun: the next open finishes it.
  await using again = await open(faulty);
  assertEquals(said(again), "0/0 | 1:a");
});

test("a failed write leaves the storage as it was", async () => {
  const faulty = new FaultyFileSystem(new MemoryFileSystem());
  await using storage = await open(faulty);
  await storage.append(entries("1:a"));
  faulty.fail("write", "ENOSPC", { leaves: 5 });
  await rejects("ERR_WAL_WRITE_FAILED", () => storage.append(entries("1:b 2:c")));
  assertEquals(said(storage), "0/0 | 1:a");
  await storage.append(entries("2:d"));
  assertEquals(said(storage), "0/0 | 1:a 2:d");
});

/** How often an operation is interrupted at the same call; of these, with every reopening too. */
const SEEDS = 4;
const INTERRUPTED_SEEDS = 2;

/** What a storage may be after a crash in the middle of an operation. */
interface Crash {
  readonly name: string;
  readonly had: string;
  /** A compaction before the operation. */
  readonly compacted?: number;
  readonly run: (storage: RaftStorage) => Promise<unknown>;
  /** What it may say: before, in between, and after. */
  readonly may: readonly string[];
}

const VOTE = { term: 2, votedFor: "b" };

const CRASHES: readonly Crash[] = [
  {
    name: "append",
    had: "1:a",
    run: (storage) => storage.append(entries("1:b 2:c")),
    may: ["0/0 | 1:a", "0/0 | 1:a 1:b 2:c"],
  },
  {
    name: "appendFromLeader with a conflict",
    had: "1:a 1:b 1:c",
    run: (storage) => storage.appendFromLeader(1, 1, entries("2:x 2:y")),
    may: ["0/0 | 1:a 1:b 1:c", "0/0 | 1:a", "0/0 | 1:a 2:x 2:y"],
  },
  {
    name: "appendFromLeader with a conflict across segments",
    had: "1:a 1:b 1:c 1:d 1:e 1:f 1:g 1:h 1:i 1:j 1:k 1:l 1:m 1:n",
    run: (storage) => storage.appendFromLeader(3, 1, entries("2:x")),
    may: [
      ...Array.from(
        { length: 12 },
        (_, i) => `0/0 | ${"abcdefghijklmn".slice(0, 3 + i).replace(/./g, " 1:$&").trim()}`,
      ),
      "0/0 | 1:a 1:b 1:c 2:x",
    ],
  },
  {
    name: "compact",
    had: "1:a 1:b 2:c",
    run: (storage) => storage.compact(2),
    may: ["0/0 | 1:a 1:b 2:c", "2/1 | 2:c"],
  },
  {
    name: "compact across segments",
    had: "1:a 1:b 1:c 1:d 1:e 1:f 1:g 1:h 1:i 1:j 1:k 1:l 1:m 1:n",
    run: (storage) => storage.compact(12),
    may: [
      "0/0 | 1:a 1:b 1:c 1:d 1:e 1:f 1:g 1:h 1:i 1:j 1:k 1:l 1:m 1:n",
      "12/1 | 1:m 1:n",
    ],
  },
  {
    name: "compact everything",
    had: "1:a 1:b 2:c",
    compacted: 1,
    run: (storage) => storage.compact(3),
    may: ["1/1 | 1:b 2:c", "3/2 |"],
  },
  {
    name: "installSnapshot that agrees",
    had: "1:a 1:b 2:c",
    run: (storage) => storage.installSnapshot({ index: 2, term: 1 }),
    may: ["0/0 | 1:a 1:b 2:c", "2/1 | 2:c"],
  },
  {
    name: "installSnapshot that conflicts",
    had: "1:a 1:b 1:c",
    run: (storage) => storage.installSnapshot({ index: 2, term: 2 }),
    may: ["0/0 | 1:a 1:b 1:c", "2/2 |"],
  },
  {
    name: "installSnapshot that conflicts, after another",
    had: "1:a 1:b 1:c 1:d",
    compacted: 1,
    run: (storage) => storage.installSnapshot({ index: 3, term: 2 }),
    may: ["1/1 | 1:b 1:c 1:d", "3/2 |"],
  },
  {
    name: "installSnapshot beyond the end",
    had: "1:a",
    run: (storage) => storage.installSnapshot({ index: 50, term: 2 }),
    may: ["0/0 | 1:a", "50/2 |"],
  },
];

/** Prepares a storage, and stops in the middle of an operation; undefined if that came to its end. */
async function crash(
  { had, compacted, run }: Crash,
  calls: number,
  seed: number,
): Promise<{ disk: Disk; process: Process; finished: boolean }> {
  const disk = new Disk(new MemoryFileSystem());
  const random = new Random(seed);
  const process = disk.start();
  const storage = await open(process);
  await storage.setHardState(VOTE);
  // One by one and in batches, so that cuts are between batches and within them.
  for (const some of seed % 2 === 0 ? [had] : had.split(" ")) {
    for (let at = 0; at < entries(some).length; at += 4) {
      await storage.append(entries(some).slice(at, at + 4));
    }
  }
  if (compacted !== undefined) await storage.compact(compacted);
  process.dieAfter(calls, random);
  let finished = true;
  try {
    await run(storage);
  } catch (error) {
    if (process.isAlive) throw error;
    finished = false;
  }
  process.die();
  if (seed % 3 !== 0) disk.cutPower(random);
  return { disk, process, finished };
}

for (const one of CRASHES) {
  test(`a crash within ${one.name} leaves what may be`, { timeout: 60_000 }, async () => {
    const before = one.may[0];
    const after = one.may.at(-1);
    const found = new Set<string>();
    let calls = 0;
    for (let isOver = false; !isOver; calls++) {
      for (let seed = 0; seed < SEEDS; seed++) {
        const { disk, finished } = await crash(one, calls, seed);
        isOver = finished;
        // The reopening may be interrupted too, at every call, and must still get there.
        for (let reopened = 0;; reopened++) {
          const process = disk.start();
          if (seed < INTERRUPTED_SEEDS) process.dieAfter(reopened, new Random(seed));
          try {
            const storage = await open(process);
            process.liveOn();
            const has = said(storage);
            const where = `${calls} calls, seed ${seed}, ${reopened} calls of the reopening`;
            assert(one.may.includes(has), `${has} after ${where}`);
            if (finished) assertEquals(has, after, where);
            assertEquals(storage.hardState, VOTE, where);
            await storage.append(entries("8:z"));
            assertEquals(said(storage), `${has} 8:z`, where);
            found.add(has);
            await storage.close();
            break;
          } catch (error) {
            if (process.isAlive) throw error;
            // The power may go only now: what the first death left in the page cache is lost then.
            if (seed % 2 === 0) disk.cutPower(new Random(seed + reopened));
          }
        }
      }
    }
    assert(calls > 2, `${calls} calls`);
    assert(before !== undefined && found.has(before), `${[...found]}`);
    assert(after !== undefined && found.has(after), `${[...found]}`);
  });
}

test("a crash within setHardState leaves the old state or the new", async () => {
  const next = { term: 3, votedFor: "c" };
  const found = new Set<string>();
  const one: Crash = {
    name: "setHardState",
    had: "1:a 2:b",
    compacted: 1,
    run: (storage) => storage.setHardState(next),
    may: ["1/1 | 2:b"],
  };
  for (let calls = 0, isOver = false; !isOver; calls++) {
    for (let seed = 0; seed < SEEDS; seed++) {
      const { disk, finished } = await crash(one, calls, seed);
      isOver = finished;
      await using storage = await open(disk.start());
      assertEquals(said(storage), one.may[0]);
      const { term, votedFor } = storage.hardState;
      found.add(`${term} ${votedFor}`);
      if (finished) assertEquals(storage.hardState, next);
    }
  }
  assertEquals([...found].toSorted(), ["2 b", "3 c"]);
});

/** Runs schedules of the example with files in memory. */
async function simulate(seed: number, openStorage?: OpenStorage, steps = 300): ReturnType<
  typeof runSchedule
> {
  return await runSchedule({
    seed,
    steps,
    fileSystem: new MemoryFileSystem(),
    folder: ".",
    ...(openStorage && { openStorage }),
  });
}

test("the example's schedules hold, and a seed repeats its own", { timeout: 60_000 }, async () => {
  const counts = { committed: 0, dropped: 0, installed: 0, compacted: 0, powerCuts: 0, leaders: 0 };
  for (let seed = 1; seed <= 20; seed++) {
    const summary = await simulate(seed, undefined, 500);
    for (const name of Object.keys(counts) as (keyof typeof counts)[]) {
      counts[name] += summary[name];
    }
  }
  for (const [name, count] of Object.entries(counts)) assert(count >= 5, `${name}: ${count}`);
  assertEquals(await simulate(3), await simulate(3));
  assert((await simulate(3)).trace !== (await simulate(4)).trace);
});

test("the example prints a summary and exits with 0", { timeout: 60_000 }, () => {
  const main = join(ROOT, "examples/raft/main.ts");
  const { program, args } = command(main, "--seed", "1", "--schedules", "3", "--steps", "100");
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  assertEquals(status, 0, stderr);
  assertMatch(stdout, /^3 schedules from seed 1 .* every property held\n/);
});

/** Storages with a bug, and what they are to be convicted of. */
const PLANTED: Readonly<Record<string, { bug: OpenStorage; convicted: RegExp }>> = {
  "never drops what conflicts": {
    convicted: /Log matching|State machine safety/,
    bug: async (path, options) => {
      const storage = await RaftStorage.open(path, options);
      return like<Storage>(storage, {
        appendFromLeader: (prevIndex, prevTerm, some) => {
          const fits = some.every(({ term }, i) => {
            const index = prevIndex + 1 + i;
            return index > storage.lastIndex || index <= storage.snapshot.index ||
              storage.term(index) === term;
          });
          if (fits) return storage.appendFromLeader(prevIndex, prevTerm, some);
          const lastIndex = Math.min(prevIndex + some.length, storage.lastIndex);
          return Promise.resolve({ matches: true, lastIndex, droppedFrom: undefined });
        },
      });
    },
  },
  "drops what does not conflict": {
    convicted: /State machine safety|Leader completeness/,
    bug: async (path, options) => {
      const storage = await RaftStorage.open(path, options);
      return like<Storage>(storage, {
        appendFromLeader: async (prevIndex, prevTerm, some) => {
          const outcome = await storage.appendFromLeader(prevIndex, prevTerm, some);
          if (!outcome.matches || outcome.lastIndex >= storage.lastIndex) return outcome;
          if (outcome.lastIndex <= storage.snapshot.index) return outcome;
          // As if it had truncated after the message's entries, as a naive follower does.
          const term = storage.lastTerm + 1;
          const next = outcome.lastIndex;
          const kept = { term, data: new Uint8Array() };
          await storage.appendFromLeader(next, storage.term(next), [kept]);
          return outcome;
        },
      });
    },
  },
  "forgets its vote": {
    convicted: /Election safety|Log matching|State machine safety|Leader completeness/,
    bug: async (path, options) => {
      const storage = await RaftStorage.open(path, options);
      let hardState = storage.hardState;
      return like<Storage>(storage, {
        get hardState() {
          return hardState;
        },
        setHardState: async (next) => {
          if (next.term > storage.hardState.term) {
            await storage.setHardState({ term: next.term, votedFor: null });
          }
          hardState = next;
        },
      });
    },
  },
  "does not sync its log": {
    convicted: /State machine safety|Leader completeness|Log matching/,
    bug: (path, options) => {
      const { fileSystem = fail("The simulation gives a file system") } = options;
      const forgetful = like<FileSystem>(fileSystem, {
        open: (name, mode, permissions) => {
          const file = fileSystem.open(name, mode, permissions);
          const isMeta = name.endsWith(".meta");
          return isMeta ? file : like(file, { syncData: () => Promise.resolve() });
        },
      });
      return RaftStorage.open(path, { ...options, fileSystem: forgetful });
    },
  },
};

for (const [name, { bug, convicted }] of Object.entries(PLANTED)) {
  test(`the invariants convict a storage that ${name}`, { timeout: 60_000 }, async () => {
    for (let seed = 1; seed <= 300; seed++) {
      try {
        await simulate(seed, bug, 500);
      } catch (error) {
        if (!(error instanceof Violation)) continue;
        assertMatch(error.message, convicted);
        return;
      }
    }
    fail("No schedule of 300 found it");
  });
}
