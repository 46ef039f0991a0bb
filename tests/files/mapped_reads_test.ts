/**
 * Files that are mapped to be read: what is read is what was written, whatever the log does meanwhile, and
 * no memory of a file is kept or touched that may have been cut.
 *
 * @module
 */
import { test } from "node:test";
import { join } from "node:path";
import process from "node:process";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { CorruptionError, type FileHandle, FileSystemError, Wal } from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import type { FileMapping } from "../../src/fs/file_system.ts";
import { mapFile, mapWhole } from "../../src/fs/mapped_file.ts";
import { FaultyFileSystem } from "../../src/testing/faulty_file_system.ts";
import { spawnSync } from "../../kit/child.ts";
import { like } from "../../kit/like.ts";
import { bytes, text, turns } from "../../kit/logs.ts";
import { command, commandOn, ROOT, RUNTIME } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

const PATH = "a.wal";
const SETTING = { segmentSize: 1024, memoryMap: "reads" } as const;

/** What the child has found. */
interface Found {
  readonly memoryMap: string;
  readonly held: number;
  readonly wrong: readonly number[];
  readonly counts: readonly number[];
  readonly codes: Record<string, unknown>;
}

function entry(index: number): Uint8Array {
  return new Uint8Array(40).fill(index);
}

/** A file system in memory that counts the mappings that are there now. */
function counting(): {
  readonly fileSystem: MemoryFileSystem;
  readonly mapped: () => number;
  /** How many were ever made. */
  readonly made: () => number;
} {
  const fileSystem = new MemoryFileSystem();
  const mappings: FileMapping[] = [];
  const open = fileSystem.open.bind(fileSystem);
  fileSystem.open = (path, mode): FileHandle => {
    const file = open(path, mode);
    return like(file, {
      map: (offset, size, access) => {
        const mapping = mapFile(file, offset, size, access);
        if (typeof mapping !== "string") mappings.push(mapping);
        return mapping;
      },
    });
  };
  return {
    fileSystem,
    mapped: () => mappings.filter(({ size }) => size > 0).length,
    made: () => mappings.length,
  };
}

test("entries of mapped files are what they are in files that are not", async () => {
  const { fileSystem, mapped } = counting();
  const log = await Wal.open(PATH, { fileSystem, ...SETTING });
  for (let i = 1; i <= 100; i++) log.append(entry(i));
  assertEquals(log.stats().memoryMap, "reads");
  assertEquals(mapped(), 0, "nothing is mapped before it is read");
  await turns();
  for (let i = 1; i <= 100; i++) assertEquals(log.getEntry(i), entry(i));
  assertEquals(log.readAll(), Array.from({ length: 100 }, (_, i) => entry(i + 1)));
  const { segments } = log.stats();
  assert(segments > 3);
  assertEquals(mapped(), segments - 1, "each full file once");
  await log.close();
  assertEquals(mapped(), 0, "close gives all memory back");
});

test("without the option nothing is mapped", async () => {
  const { fileSystem, mapped } = counting();
  const log = await Wal.open(PATH, { fileSystem, segmentSize: 1024 });
  for (let i = 1; i <= 100; i++) log.append(entry(i));
  assertEquals(log.readAll().length, 100);
  assertEquals([log.stats().memoryMap, mapped()], ["off", 0]);
  await log.close();
});

test("what is cut or dropped is not mapped any more", async () => {
  const { fileSystem, mapped } = counting();
  const log = await Wal.open(PATH, { fileSystem, ...SETTING });
  const fill = async (from: number, to: number): Promise<void> => {
    for (let i = from; i <= to; i++) log.append(entry(i));
    await turns();
    log.readAll();
    assertEquals(mapped(), log.stats().segments - 1);
  };
  await fill(1, 100);
  const loop = log.entries({ from: 5 });
  loop.next();
  await log.truncateFromIndex(30);
  assertEquals(mapped(), 0, "a full file is opened to be cut");
  assertEquals(log.getEntry(29), entry(29));
  await fill(30, 120);
  await log.truncateBeforeIndex(60);
  assertEquals(mapped(), log.stats().segments - 1);
  await fill(121, 130);
  await log.reset(200);
  assertEquals(mapped(), 0);
  assertThrows(() => loop.next());
  await fill(200, 255);
  await log.close();
  assertEquals(mapped(), 0);
});

test("files beyond those that are kept open are not mapped", async () => {
  const { fileSystem, mapped } = counting();
  const log = await Wal.open(PATH, { fileSystem, ...SETTING, segmentSize: 256 });
  for (let i = 1; i <= 250; i++) log.append(entry(i));
  assert(log.stats().segments > 70);
  assertEquals(log.readAll().length, 250);
  assertEquals(mapped(), 64);
  await log.close();
  assertEquals(mapped(), 0);
});

test("a reader maps nothing, since its writer may cut what it reads", async () => {
  const { fileSystem, mapped } = counting();
  const log = await Wal.open(PATH, { fileSystem, ...SETTING });
  for (let i = 1; i <= 100; i++) log.append(entry(i));
  const reader = await Wal.open(PATH, { fileSystem, ...SETTING, readOnly: true });
  assertEquals(reader.readAll().length, 100);
  assertEquals(mapped(), 0);
  assertEquals(
    reader.stats().memoryMap,
    "not available: the writer may cut a file that a reader has mapped",
  );
  await reader.close();
  await log.close();
});

test("a file that is shorter than its next one says is not mapped", async () => {
  const { fileSystem, mapped } = counting();
  const log = await Wal.open(PATH, { fileSystem, ...SETTING });
  for (let i = 1; i <= 100; i++) log.append(entry(i));
  const file = fileSystem.open(PATH, "write");
  file.truncate(file.size() - 1);
  file.close();
  assertThrows(() => log.getEntry(1), CorruptionError);
  assertEquals(mapped(), 0);
  await log.close().catch(() => {});
});

test("an open that fails at any of its calls leaves nothing mapped", async () => {
  const { fileSystem, mapped, made } = counting();
  const options = { segmentSize: 100_000, memoryMap: "on" } as const;
  const log = await Wal.open(PATH, { fileSystem, ...options });
  for (let i = 1; i <= 5000; i++) log.append(entry(i));
  await log.close();
  const before = made();
  let refused = 0;
  for (const operation of ["open", "read", "write", "truncate", "syncData", "sync"] as const) {
    for (let after = 0; after < 40; after++) {
      const faulty = new FaultyFileSystem(fileSystem);
      faulty.fail(operation, "EIO", { after });
      const opened = await Wal.open(PATH, { fileSystem: faulty, ...options }).catch(() =>
        "refused"
      );
      if (opened instanceof Wal) await opened.close().catch(() => {});
      else refused++;
      assertEquals(mapped(), 0, `${operation} ${after}`);
    }
  }
  assert(refused > 10 && made() > before, `${refused} refused`);
});

test("a mapped file is read up to its end, and not after it was closed", () => {
  const fileSystem = new MemoryFileSystem();
  const file = fileSystem.open(PATH, "create");
  file.write(bytes("hello"), 0);
  const mapped = mapWhole(file, PATH, 5);
  file.write(bytes(" world"), 5);
  const into = new Uint8Array(9);
  assertEquals(mapped.read(into, 3), 2);
  assertEquals(text(into.subarray(0, 2)), "lo");
  assertEquals([mapped.read(into, 5), mapped.read(into, 900), mapped.read(into, 1, 3)], [0, 0, 3]);
  assertThrows(() => mapped.write(bytes("x"), 0), FileSystemError);
  assertThrows(() => mapped.truncate(1), FileSystemError);
  mapped.close();
  assertThrows(() => mapped.read(into, 0), FileSystemError);
});

test("a file system that maps nothing is used as it is, and it is said", async () => {
  const fileSystem = new MemoryFileSystem();
  const open = fileSystem.open.bind(fileSystem);
  fileSystem.open = (path, mode): FileHandle => {
    const file: FileHandle = open(path, mode);
    return new Proxy(file, {
      get: (target, key) => {
        const value: unknown = key === "map" ? undefined : Reflect.get(target, key, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  };
  const log = await Wal.open(PATH, { fileSystem, ...SETTING });
  for (let i = 1; i <= 100; i++) log.append(entry(i));
  assertEquals(log.readAll().length, 100);
  assertEquals(log.stats().memoryMap, "not available: this file system maps no files");
  await log.close();
});

test("the last file is mapped as far as it goes, again and again as it grows", async () => {
  const { fileSystem, mapped, made } = counting();
  const log = await Wal.open(PATH, { fileSystem, memoryMap: "reads" });
  const wanted: Uint8Array[] = [];
  const append = (count: number, fill: number): void => {
    for (let i = 0; i < count; i++) {
      const data = new Uint8Array(100 + i % 50).fill(fill + i);
      log.append(data);
      wanted.push(data);
    }
    for (let i = 1; i <= wanted.length; i += 3) assertEquals(log.getEntry(i), wanted[i - 1]);
    assertEquals(log.readAll(), wanted);
  };
  append(100, 1);
  assertEquals(mapped(), 0, "a small file is not");
  for (const count of [900, 10, 500, 2000]) {
    append(count, count);
    assertEquals(mapped(), 1);
  }
  assert(made() > 3, `${made()} mappings`);
  for (const index of [3000, 700, 699]) {
    await log.truncateFromIndex(index);
    wanted.length = index - 1;
    assertEquals(mapped(), 0, "after a cut");
    append(300, index);
    assertEquals(mapped(), 1);
  }
  await log.close();
  assertEquals(mapped(), 0);
});

/** Runs the process that changes a log under everything that it has read. */
function holdAndRead(folder: string, ...setting: readonly string[]): Found {
  const { program, args } = command(
    join(ROOT, "tests/support/mapped_reads.ts"),
    join(folder, PATH),
    ...setting,
  );
  const run = spawnSync(program, args, { encoding: "utf8", timeout: 60_000 });
  assertEquals([run.status, run.signal], [0, null], run.stderr);
  const found = JSON.parse(run.stdout) as Found;
  assertEquals(found.wrong, []);
  assert(found.held > 700);
  assertEquals(found.codes, {
    rest: [null, null, null],
    afterReset: "ERR_WAL_INDEX_OUT_OF_RANGE",
    endedByClose: "ERR_WAL_CLOSED",
  });
  assertEquals(found.counts.at(-1), 0, "nothing is mapped after close");
  return found;
}

test("a process holds and reads what its log drops, cuts and closes, and lives", {
  timeout: 60_000,
}, () =>
  withFolder((folder) => {
    const { memoryMap, counts } = holdAndRead(folder, "65536", "reads");
    if (memoryMap !== "reads") {
      assertEquals(RUNTIME === "node" || process.platform !== "linux", true, memoryMap);
      return assertEquals(counts, [0, 0, 0, 0, 0]);
    }
    const [read = 0, cut, ...changed] = counts;
    assert(read > 5, `${counts}`);
    assertEquals([cut, ...changed.slice(1)], [0, 0, 0], "after a cut, a reset and close");
  }));

test("a process holds and reads what is cut off the file that it appends to, and lives", {
  timeout: 60_000,
}, () => withFolder((folder) => void holdAndRead(folder, "10000000", "on")));

/** What `stats().memoryMap` says in a process that is started in some way. */
function saidBy(program: string, args: readonly string[], folder: string): string {
  const script = join(ROOT, "tests/support/tell_memory_map.ts");
  const run = spawnSync(program, [...args, script, join(folder, PATH)], { encoding: "utf8" });
  assertEquals(run.status, 0, run.stderr);
  return run.stdout.trim();
}

test("Deno without the permission for FFI says so, and asks the user for nothing", () =>
  withFolder((folder) => {
    const { program } = commandOn("deno", "");
    const args = ["run", "--no-prompt", "--allow-read", "--allow-write", "--allow-env"];
    const config = ["--quiet", "--config", join(ROOT, "deno.offline.json")];
    assertEquals(
      saidBy(program, [...args, ...config], folder),
      "not available: Deno wants --allow-ffi for it",
    );
  }));
