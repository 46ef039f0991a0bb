/**
 * A snapshot file is read back whole or not at all.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { join } from "node:path";
import { test } from "node:test";
import { RaftStorage } from "../../src/raft/raft.ts";
import { type FileSystem, WalError, type WalErrorCode } from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { SnapshotFile, type SnapshotReader } from "../../src/snapshot/snapshot.ts";
import {
  type CrashFileSystem,
  exploreCrashes,
  exploreFaults,
  FaultyFileSystem,
  type FileOperation,
} from "../../src/testing/testing.ts";
import { spawnSync } from "../../kit/child.ts";
import { concat } from "../../kit/frames.ts";
import { bytes, random, readFile, writeFile } from "../../kit/logs.ts";
import { command, ROOT } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

const LOG = "0102030405060708";
const OTHER = "ffffffffffffffff";
const PATH = "a.snapshot-1";
const TIMEOUT = { timeout: 120_000 };

/** Bytes that zstd makes no smaller. */
function noise(size: number, seed: number): Uint8Array {
  const draw = random(seed);
  return Uint8Array.from({ length: size }, () => Math.floor(256 * draw()));
}

async function save(
  fileSystem: FileSystem,
  content: Uint8Array,
  { step = content.length || 1, index = 7, path = PATH, compress = true } = {},
): Promise<void> {
  const writer = await SnapshotFile.create(path, { logId: LOG, fileSystem, compress });
  for (let at = 0; at < content.length; at += step) {
    await writer.write(content.subarray(at, at + step));
  }
  await writer.finish({ index, version: 3 });
}

/** The content of an open file, which is closed. */
function contentOf(file: SnapshotReader): Uint8Array {
  try {
    return concat(...Array.from(file.pieces(), (piece) => piece.slice()));
  } finally {
    file.close();
  }
}

async function load(fileSystem: FileSystem, path: string = PATH): Promise<Uint8Array> {
  return contentOf(await SnapshotFile.open(path, { logId: LOG, fileSystem }));
}

/** The code of the error with which a file is refused. */
async function refusal(fileSystem: FileSystem, path: string = PATH): Promise<WalErrorCode> {
  return (await assertRejects(() => load(fileSystem, path), WalError)).code;
}

test("what is written in parts of any size is read back whole, in pieces of 64 KiB", async () => {
  for (const size of [0, 1, 65_535, 65_536, 65_537, 300_000]) {
    for (const step of [1000, 65_536, 1_000_000]) {
      const fileSystem = new MemoryFileSystem();
      const content = noise(size, size);
      await save(fileSystem, content, { step });
      const file = await SnapshotFile.open(PATH, { logId: LOG, fileSystem });
      const { index, version, byteLength, pieceCount, logId } = file;
      assertEquals({ index, version, byteLength, pieceCount, logId }, {
        index: 7,
        version: 3,
        byteLength: size,
        pieceCount: Math.ceil(size / 65_536),
        logId: LOG,
      });
      assertMatch(file.digest, /^[0-9a-f]{32}$/);
      assertEquals(contentOf(file), content);
    }
  }
});

test("a piece is compressed where that saves a tenth, and stays as it is elsewhere", async () => {
  const fileSystem = new MemoryFileSystem();
  const content = concat(new Uint8Array(65_536), noise(65_536, 1));
  await save(fileSystem, content);
  const size = readFile(fileSystem, PATH).length;
  assert(size > 65_536 && size < 66_500, `${size} bytes`);
  assertEquals(await load(fileSystem), content);
  await save(fileSystem, content, { path: "b", compress: false });
  assert(readFile(fileSystem, "b").length > 131_072);
  assertEquals(await load(fileSystem, "b"), content);
});

test("a file with a byte that is flipped, or cut anywhere, is refused", TIMEOUT, async () => {
  const fileSystem = new MemoryFileSystem();
  await save(fileSystem, bytes("a state"));
  const whole = readFile(fileSystem, PATH);
  const codes = new Set<WalErrorCode>();
  for (let at = 0; at < whole.length; at++) {
    for (const flip of [0x01, 0x80, 0xff]) {
      const changed = whole.slice();
      changed[at] = (changed[at] ?? 0) ^ flip;
      writeFile(fileSystem, PATH, changed);
      codes.add(await refusal(fileSystem));
    }
    writeFile(fileSystem, PATH, whole.subarray(0, at));
    assertEquals(await refusal(fileSystem), "ERR_SNAPSHOT_DAMAGED", `cut at ${at}`);
  }
  assertEquals([...codes].sort(), ["ERR_SNAPSHOT_DAMAGED", "ERR_SNAPSHOT_VERSION"]);
  writeFile(fileSystem, PATH, concat(whole, new Uint8Array(1)));
  assertEquals(await refusal(fileSystem), "ERR_SNAPSHOT_DAMAGED");
});

test("whole pieces in another order, or of another snapshot, are refused", async () => {
  const fileSystem = new MemoryFileSystem();
  await save(fileSystem, noise(200_000, 2), { compress: false });
  const whole = readFile(fileSystem, PATH);
  const size = 9 + 1 + 65_536;
  const pieces = [0, 1].map((i) => whole.slice(68 + i * size, 68 + (i + 1) * size));
  const swapped = whole.slice();
  swapped.set(pieces[1] ?? new Uint8Array(), 68);
  swapped.set(pieces[0] ?? new Uint8Array(), 68 + size);
  writeFile(fileSystem, PATH, swapped);
  assertEquals(await refusal(fileSystem), "ERR_SNAPSHOT_DAMAGED");
});

test("each wrong file has its own error", async () => {
  const fileSystem = new MemoryFileSystem();
  assertEquals(await refusal(fileSystem), "ERR_SNAPSHOT_MISSING");
  await save(fileSystem, bytes("a state"));
  const open = (): Promise<SnapshotReader> => SnapshotFile.open(PATH, { logId: OTHER, fileSystem });
  assertEquals((await assertRejects(open, WalError)).code, "ERR_SNAPSHOT_OTHER_LOG");
  // Without a wish, any log's.
  (await SnapshotFile.open(PATH, { fileSystem })).close();

  writeFile(fileSystem, "note", bytes("a file of something else, which is longer than an end is"));
  assertEquals(await refusal(fileSystem, "note"), "ERR_SNAPSHOT_DAMAGED");
  const later = readFile(fileSystem, PATH);
  later[7] = 9;
  writeFile(fileSystem, "later", later);
  assertEquals(await refusal(fileSystem, "later"), "ERR_SNAPSHOT_VERSION");
});

test("a name that is in use is refused, and its file stays", async () => {
  const fileSystem = new MemoryFileSystem();
  await save(fileSystem, bytes("first"));
  const error = await assertRejects(() => save(fileSystem, bytes("second")), WalError);
  assertEquals(error.code, "ERR_SNAPSHOT_EXISTS");
  assertEquals(await load(fileSystem), bytes("first"));
});

test("a file that is not finished is opened by no reader, and abort removes it", async () => {
  const fileSystem = new MemoryFileSystem();
  const writer = await SnapshotFile.create(PATH, { logId: LOG, fileSystem });
  await writer.write(noise(100_000, 3));
  assertEquals(await refusal(fileSystem), "ERR_SNAPSHOT_DAMAGED");
  await writer.abort();
  await writer.abort();
  assertEquals(fileSystem.list("."), []);
  const error = await assertRejects(() => writer.write(bytes("more")), WalError);
  assertEquals(error.code, "ERR_SNAPSHOT_ENDED");
});

test("calls that are not awaited take turns, and an abort after the end does nothing", async () => {
  const fileSystem = new MemoryFileSystem();
  const writer = await SnapshotFile.create(PATH, { logId: LOG, fileSystem });
  const parts = ["one ", "two ", "three"].map(bytes);
  const calls = parts.map((part) => writer.write(part));
  const { bytes: size } = await writer.finish({ index: 0, version: 0 });
  await Promise.all(calls);
  await writer.abort();
  assertEquals(size, 13);
  assertEquals(await load(fileSystem), bytes("one two three"));
});

test("a closed file is read no further", async () => {
  const fileSystem = new MemoryFileSystem();
  await save(fileSystem, noise(200_000, 4));
  const file = await SnapshotFile.open(PATH, { fileSystem });
  const pieces = file.pieces();
  pieces.next();
  file.close();
  const error = await assertRejects(() => Promise.resolve().then(() => pieces.next()), WalError);
  assertEquals(error.code, "ERR_SNAPSHOT_ENDED");
});

test("wrong arguments are refused by their kind", async () => {
  const fileSystem = new MemoryFileSystem();
  const wrong: (() => Promise<unknown>)[] = [
    () => SnapshotFile.create(PATH, { logId: "short", fileSystem }),
    () => SnapshotFile.create(PATH, { logId: LOG, compress: 1 as never, fileSystem }),
    () => SnapshotFile.create(PATH, { logId: LOG, mode: 0o7777, fileSystem }),
    () => SnapshotFile.create(PATH, { logId: LOG, other: 1, fileSystem } as never),
    () => SnapshotFile.create("", { logId: LOG, fileSystem }),
    () => SnapshotFile.open(PATH, { logId: 7 as never, fileSystem }),
  ];
  for (const call of wrong) {
    assertEquals((await assertRejects(call, WalError)).code, "ERR_WAL_INVALID_ARGUMENT");
  }
  assertEquals(fileSystem.list("."), []);
  const writer = await SnapshotFile.create(PATH, { logId: LOG, fileSystem });
  const later = [
    () => writer.write("text" as never),
    () => writer.finish({ index: -1, version: 1 }),
    () => writer.finish({ index: 1, version: 0.5 }),
    () => writer.finish({ index: 2 ** 53 - 1, version: 1 }),
  ];
  for (const call of later) {
    assertEquals((await assertRejects(call, WalError)).code, "ERR_WAL_INVALID_ARGUMENT");
  }
  // None of these has ended the writer.
  await writer.write(bytes("x"));
  await writer.finish({ index: 1, version: 1 });
});

test("bytes are synced each 256 KiB, and the end, the file and the directory before it counts", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  await save(fileSystem, noise(600_000, 5), { compress: false });
  const calls = fileSystem.calls.map((call) => call.split(" ")[0])
    .filter((call) => call !== "open");
  const piece = ["write", "write", "write", "write"];
  assertEquals(calls, [
    "create",
    "write",
    ...[...piece, "syncData"],
    ...[...piece, "syncData"],
    ...["write", "write"],
    ...["write", "sync"],
    ...["write", "sync", "syncDirectory"],
  ]);
});

test("whatever call fails, the writer rejects with a typed error and leaves no file", async () => {
  const operations: FileOperation[] = [
    "create",
    "write",
    "syncData",
    "sync",
    "syncDirectory",
  ];
  for (const operation of operations) {
    for (let after = 0;; after++) {
      const memory = new MemoryFileSystem();
      const fileSystem = new FaultyFileSystem(memory);
      fileSystem.fail(operation, operation === "write" ? "ENOSPC" : "EIO", { after, leaves: 3 });
      const saving = save(fileSystem, noise(300_000, 6), { compress: false });
      if (await saving.then(() => true, () => false)) {
        assert(after > 0, `${operation} is called`);
        break;
      }
      const error = await assertRejects(() => saving, WalError);
      assertEquals(error.code, "ERR_SNAPSHOT_WRITE_FAILED");
      assertEquals(memory.list("."), [], `${operation} ${after}`);
    }
  }
});

const CONTENT = bytes("the state, as it was ".repeat(200));

/** A snapshot that was finished is whole after every crash, and a reader takes no other for one. */
async function check(disk: CrashFileSystem, promised: readonly string[]): Promise<void> {
  const found = await load(disk).catch((error: unknown) => error);
  if (found instanceof Uint8Array) return assertEquals(found, CONTENT);
  assert(found instanceof WalError && found.code.startsWith("ERR_SNAPSHOT_"), String(found));
  assertEquals(promised, []);
}

const trial = {
  async run(fileSystem: FileSystem, promise: (fact: string) => void): Promise<void> {
    await save(fileSystem, CONTENT, { compress: false });
    promise("finished");
  },
  check,
};

test(
  "every crash leaves a finished snapshot whole, and no other that a reader takes",
  TIMEOUT,
  async () => {
    const { states } = await exploreCrashes(trial, { statesPerCrash: 128 });
    assert(states > 200, `${states} states`);
  },
);

test("every failing call leaves a finished snapshot whole", TIMEOUT, async () => {
  for (const failedSync of ["ext4", "xfs", "btrfs"] as const) {
    const { crashes } = await exploreFaults(trial, { failedSync, statesPerCrash: 16 });
    assert(crashes > 20, `${crashes} crashes`);
  }
});

test(
  "a Raft node that installs a leader's snapshot has it after every crash",
  TIMEOUT,
  async () => {
    await exploreCrashes({
      async run(fileSystem, promise: (index: number) => void) {
        const storage = await RaftStorage.open("raft.wal", { fileSystem });
        await storage.append([{ term: 1, data: bytes("old") }]);
        promise(1);
        const options = { logId: storage.id, fileSystem, compress: false };
        const writer = await SnapshotFile.create(PATH, options);
        await writer.write(CONTENT);
        await writer.finish({ index: 100, version: 1 });
        await storage.installSnapshot({ index: 100, term: 3 });
        promise(100);
        await storage.close();
      },
      async check(disk, promised) {
        const storage = await RaftStorage.open("raft.wal", { fileSystem: disk });
        const { snapshot, lastIndex, id } = storage;
        await storage.close();
        assert(lastIndex >= (promised.at(-1) ?? 0), `The node has ${lastIndex}`);
        if (snapshot.index === 0) return;
        const file = await SnapshotFile.open(PATH, { logId: id, fileSystem: disk });
        assertEquals(contentOf(file), CONTENT);
      },
    }, { statesPerCrash: 32 });
  },
);

test(
  "wal inspect and wal verify read a snapshot file, and find damage in it",
  TIMEOUT,
  async () => {
    await withFolder(async (folder) => {
      const { defaultFileSystem } = await import("../../mod.ts");
      const fileSystem = await defaultFileSystem();
      const path = join(folder, "a.wal.snapshot-00000000000000000001");
      await save(fileSystem, noise(100_000, 7), { path });
      const run = (name: string): { status: number | null; stdout: string } => {
        const { program, args } = command(join(ROOT, "src/cli/main.ts"), name, path);
        const { status, stdout } = spawnSync(program, args, { encoding: "utf8" });
        return { status, stdout };
      };
      const inspected = run("inspect");
      assertEquals(inspected.status, 0, inspected.stdout);
      assertStringIncludes(inspected.stdout, `log id    ${LOG}`);
      assertStringIncludes(inspected.stdout, "recovery  case A");
      const verified = run("verify");
      assertEquals(verified.status, 0, verified.stdout);
      assertMatch(verified.stdout, /^intact: 1 segment, 4 entries, /);
      const changed = readFile(fileSystem, path);
      changed[5000] = (changed[5000] ?? 0) ^ 1;
      writeFile(fileSystem, path, changed);
      assertEquals(run("verify").status, 1);
      assertEquals(await refusal(fileSystem, path), "ERR_SNAPSHOT_DAMAGED");
    });
  },
);

test(
  "a runtime without zstd refuses a compressed piece, and reads and writes all else",
  TIMEOUT,
  async () => {
    await withFolder(async (folder) => {
      const { defaultFileSystem } = await import("../../mod.ts");
      const fileSystem = await defaultFileSystem();
      await save(fileSystem, new Uint8Array(70_000), { path: join(folder, "packed") });
      await save(fileSystem, new Uint8Array(70_000), {
        path: join(folder, "plain"),
        compress: false,
      });
      const { program, args } = command(join(ROOT, "tests/support/without_zstd.ts"), folder);
      const { stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
      assertEquals(stdout.trimEnd().split("\n"), [
        "packed ERR_SNAPSHOT_ZSTD",
        "plain 70000",
        "own 70000",
      ], stderr);
    });
  },
);
