/**
 * What the application does with its log, as tests that either runner runs.
 *
 * @module
 */
import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CorruptionError,
  FileSystemError,
  LockedError,
  SyncFailedError,
  Wal,
  WalError,
} from "@durable/wal";
import { MemoryFileSystem } from "@durable/wal/memory";
import { NodeFileSystem } from "@durable/wal/node";
import { RaftStorage } from "@durable/wal/raft";
import { exploreCrashes, FaultyFileSystem } from "@durable/wal/testing";

/** Defines the tests by means of a runner's own functions. */
export function defineTests(runner) {
  const { afterAll, beforeEach, expect, test } = runner;
  const folder = mkdtempSync(join(tmpdir(), "wal-runners-"));
  let count = 0;
  let path = "";

  beforeEach(() => {
    path = join(folder, `${++count}.wal`);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const bytes = (text) => new TextEncoder().encode(text);
  const words = (log) => log.readAll().map((data) => new TextDecoder().decode(data));

  async function failureOf(promise) {
    try {
      await promise;
    } catch (error) {
      return error;
    }
    throw new Error("It did not fail");
  }

  test("a log is made, appended to, closed, opened again and read", async () => {
    const log = await Wal.open(path);
    log.append(bytes("one"));
    await log.appendAndSync(Buffer.from("two"));
    await log.appendBatchAndSync([new Uint8Array([97]), bytes("four")]);
    await log.setState(Buffer.from("state"));
    await log.close();
    const again = await Wal.open(path);
    expect(words(again)).toEqual(["one", "two", "a", "four"]);
    expect(Array.from(again.entries({ from: 2, to: 3 }), ({ index }) => index)).toEqual([2, 3]);
    expect(new TextDecoder().decode(again.state)).toBe("state");
    expect(again.recovery.case).toBe("A");
    await again.close();
  });

  test("the bytes of a file, and a part of a Buffer, are entries", async () => {
    const log = await Wal.open(path);
    log.append(readFileSync(path));
    log.append(Buffer.from("some text").subarray(5));
    expect(words(log).at(-1)).toBe("text");
    await log.close();
  });

  test("a directory that is not there is made", async () => {
    const log = await Wal.open(`${path}.folder/below/a.wal`);
    await log.appendAndSync(bytes("one"));
    await log.close();
  });

  test("a log that is not there cannot be read", async () => {
    const error = await failureOf(Wal.open(path, { readOnly: true }));
    expect(error).toBeInstanceOf(WalError);
    expect(error.code).toBe("ERR_WAL_NOT_FOUND");
    expect(error.cause).toBeInstanceOf(FileSystemError);
    expect(error.cause.code).toBe("ENOENT");
  });

  test("a log is opened once, and by its own file system too", async () => {
    const log = await Wal.open(path, { fileSystem: new NodeFileSystem() });
    const error = await failureOf(Wal.open(path));
    expect(error).toBeInstanceOf(LockedError);
    expect(error.code).toBe("ERR_WAL_LOCKED");
    await log.close();
  });

  test("a log rolls, and drops what it is told to drop", async () => {
    const log = await Wal.open(path, { segmentSize: 256 });
    for (let i = 1; i <= 20; i++) await log.appendAndSync(bytes(`entry ${i}`));
    await log.truncateFromIndex(19);
    await log.truncateBeforeIndex(5);
    expect([log.firstIndex, log.lastIndex]).toEqual([5, 18]);
    await log.close();
    const again = await Wal.open(path, { segmentSize: 256 });
    expect(words(again)[0]).toBe("entry 5");
    await again.reset(100);
    expect(again.append(bytes("next"))).toBe(100);
    await again.close();
  });

  test("a torn end is cut, and damage is refused", async () => {
    const log = await Wal.open(path);
    await log.appendAndSync(bytes("one"));
    await log.appendAndSync(bytes("two"));
    await log.close();
    const file = openSync(path, "r+");
    ftruncateSync(file, 60); // In the middle of the first entry.
    closeSync(file);
    const again = await Wal.open(path);
    expect([again.recovery.case, again.lastIndex]).toEqual(["E", 0]);
    await again.close();

    const fileSystem = new MemoryFileSystem();
    const damaged = await Wal.open("a.wal", { fileSystem });
    await damaged.appendAndSync(bytes("one"));
    await damaged.close();
    const raw = fileSystem.open("a.wal", "write");
    raw.write(new Uint8Array([1]), 60);
    raw.close();
    expect(await failureOf(Wal.open("a.wal", { fileSystem }))).toBeInstanceOf(CorruptionError);
  });

  test("a follower in a reader sees what the writer appends", async () => {
    const log = await Wal.open(path);
    const reader = await Wal.open(path, { readOnly: true });
    const seen = [];
    const following = (async () => {
      for await (const { index } of reader.follow()) {
        seen.push(index);
        if (index === 3) return;
      }
    })();
    for (let i = 1; i <= 3; i++) await log.appendAndSync(bytes(`${i}`));
    await following;
    expect(seen).toEqual([1, 2, 3]);
    await reader.close();
    await log.close();
  });

  test("a Raft node's storage works", async () => {
    const storage = await RaftStorage.open(path);
    await storage.setHardState({ term: 1, votedFor: "a" });
    await storage.append([{ term: 1, data: Buffer.from("x") }]);
    await storage.close();
    const again = await RaftStorage.open(path);
    expect([again.lastTerm, again.lastIndex]).toEqual([1, 1]);
    await again.close();
  });

  test("the kit works", async () => {
    const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
    const log = await Wal.open("a.wal", { fileSystem });
    fileSystem.fail("syncData", "EIO");
    expect(await failureOf(log.appendAndSync(bytes("one")))).toBeInstanceOf(SyncFailedError);
    await log.close();
    const { states } = await exploreCrashes({
      async run(disk, promise) {
        const crashing = await Wal.open("a.wal", { fileSystem: disk });
        promise(await crashing.appendAndSync(bytes("one")));
        await crashing.close();
      },
      async check(disk, promised) {
        const left = await Wal.open("a.wal", { fileSystem: disk });
        if (left.lastIndex < promised.length) throw new Error("An entry is gone");
        await left.close();
      },
    });
    expect(states).toBeGreaterThan(1);
  });

  for (const when of ["before", "after"]) {
    test(`timers that are faked ${when} the log is loaded stop nothing`, async () => {
      if (when === "before") {
        runner.useFakeTimers();
        runner.forgetModules();
      }
      const { Wal } = await import("@durable/wal");
      if (when === "after") runner.useFakeTimers();
      try {
        const log = await Wal.open(path);
        const indexes = await Promise.all(["one", "two"].map((w) => log.appendAndSync(bytes(w))));
        expect(indexes).toEqual([1, 2]);
        const reader = await Wal.open(path, { readOnly: true });
        // That the second is durable, only the frame says that the log writes when it is idle.
        for await (const { index } of reader.follow()) if (index === 2) break;
        await reader.close();
        await log.close();
      } finally {
        runner.useRealTimers();
      }
    });
  }
}
