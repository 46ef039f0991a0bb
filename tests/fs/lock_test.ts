/**
 * One writer: within a process, across processes, across runtimes.
 *
 * @module
 */
import { test } from "node:test";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { Worker } from "node:worker_threads";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  type FileSystem,
  FileSystemError,
  LockedError,
  SyncFailedError,
  Wal,
  WalError,
  type WriterLock,
} from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { FaultyFileSystem } from "../../src/testing/testing.ts";
import { Contender } from "../support/contender.ts";
import { bytes, KNOWN_V1, withLog } from "../../kit/logs.ts";
import { RUNTIME, RUNTIMES } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

for (const holder of RUNTIMES) {
  test(`a log that ${holder} holds is refused to all, and free once it is killed`, {
    timeout: 120_000,
  }, () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.wal");
      for (const contender of RUNTIMES) {
        const first = new Contender(holder, path);
        assertEquals((await first.result()).opened, true);
        const second = new Contender(contender, path);
        const refused = await second.result();
        assertEquals(refused.opened, false, `${contender} against ${holder}`);
        const { pid } = first.process;
        for (const part of [`process ${pid}`, `host "${hostname()}"`, `runtime ${holder}`]) {
          assertStringIncludes(refused.message ?? "", part);
        }
        await second.kill();
        await first.kill();
        const third = new Contender(contender, path);
        assertEquals((await third.result()).opened, true, "kill -9 frees the lock at once");
        await third.kill();
      }
    }));
}

test("two opens at once in one process: one gets the log", () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    const opens = await Promise.allSettled([Wal.open(path), Wal.open(path), Wal.open(path)]);
    const refused = opens.filter((open) => open.status === "rejected");
    assertEquals(refused.length, 2);
    for (const { reason } of refused) {
      assert(reason instanceof LockedError);
      assertEquals(reason.code, "ERR_WAL_LOCKED");
    }
    for (const open of opens) if (open.status === "fulfilled") await open.value.close();
  }));

test("LockedError names the holder, and a refused open changes nothing", () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    await withLog(path, {}, async (log) => {
      await log.appendAndSync(bytes("a"));
      const before = readFileSync(path);
      const { holder } = await assertRejects(() => Wal.open(path), LockedError);
      assertEquals(holder, { ...holder, pid: process.pid, host: hostname(), runtime: RUNTIME });
      // The holder itself may have written of its sync meanwhile.
      assertEquals(readFileSync(path).subarray(0, before.length), before);
      assertEquals(log.append(bytes("b")), 2);
    });
    await withLog(path, {}, (log) => assertEquals(log.lastIndex, 2));
  }));

test("opened twice in one process, also by a worker, the message says so", () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    await withLog(path, {}, async () => {
      const { message } = await assertRejects(() => Wal.open(path), LockedError);
      for (const part of ["already, in this process", `"${path}.lock"`, `process ${process.pid}`]) {
        assertStringIncludes(message, part);
      }
      const worker = new Worker(new URL("../support/open_in_worker.ts", import.meta.url), {
        workerData: path,
      });
      const [said] = await once(worker, "message");
      await worker.terminate();
      assertStringIncludes(said, "already, in this process");
    });
  }));

/** What a lock file may hold that is no other holder's: an open takes it over. */
const OURS: Readonly<Record<string, string>> = {
  "nothing": "",
  "zeros, as a power cut leaves them": "\0".repeat(120),
  "a record that a power cut has torn": '{"pid":1234,"host":"a',
  "a record of before": JSON.stringify({ pid: 4_000_000, host: "h", runtime: "node" }),
  "a record of the kernel's lock": JSON.stringify({ pid: 4_000_000, kind: "kernel" }),
};

/** What it may hold that is somebody else's. */
const FOREIGN: Readonly<Record<string, string | Uint8Array>> = {
  "text": "no record at all",
  "a process id": "4000000\n",
  "a list": "[1]",
  "a word": "null",
  "another program's record": JSON.stringify({ pid: 1, command: "backup" }),
  "a record with more after it": `${JSON.stringify({ pid: 1, kind: "record" })}\nmore`,
  "a long text": "x".repeat(5000),
  "a long record": JSON.stringify({ pid: 1, kind: "record", host: "h".repeat(2000) }),
  "a log": KNOWN_V1,
};

for (const name of ["a.wal.lock", "a.wal.lock.claim"]) {
  test(`${name} is taken over where it is ours, and left alone where it is not`, () =>
    withFolder(async (folder) => {
      const path = join(folder, "a.wal");
      const file = join(folder, name);
      for (const [what, content] of Object.entries(FOREIGN)) {
        writeFileSync(file, content);
        const error = await assertRejects(() => Wal.open(path), WalError);
        assertEquals([what, error.code], [what, "ERR_WAL_FORMAT"]);
        assertStringIncludes(error.message, `"${file}"`);
        assertEquals(readFileSync(file, "latin1"), Buffer.from(content).toString("latin1"));
      }
      assertEquals(readdirSync(folder).filter((made) => made.startsWith("a.wal.0")), []);
      for (const [what, content] of Object.entries(OURS)) {
        if (name.endsWith("claim") && what === "a record of before") continue;
        writeFileSync(file, content);
        await withLog(path, {}, (log) => assertEquals([what, log.stats().lock], [what, "kernel"]));
        assertEquals(readFileSync(`${path}.lock`, "utf8"), "");
        assertEquals(existsSync(`${path}.lock.claim`), false);
      }
    }));
}

test("a log that has the name of another's lock file keeps its entries", () =>
  withFolder(async (folder) => {
    const path = join(folder, "orders");
    await withLog(`${path}.lock`, {}, (log) => log.appendAndSync(bytes("a")));
    const { code } = await assertRejects(() => Wal.open(path), WalError);
    assertEquals(code, "ERR_WAL_FORMAT");
    await withLog(`${path}.lock`, {}, async (log) => {
      assertEquals(log.lastIndex, 1);
      const { code } = await assertRejects(() => Wal.open(path), WalError);
      assertEquals(code, "ERR_WAL_FORMAT");
    });
  }));

test("a lock file that is no file is refused, and one that a link leads to is used", () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    const lock = `${path}.lock`;
    mkdirSync(lock);
    const { code, message } = await assertRejects(() => Wal.open(path), WalError);
    assertEquals(code, "ERR_WAL_FORMAT");
    assertStringIncludes(message, lock);
    rmdirSync(lock);
    if (process.platform === "win32") return; // Links need a right of their own there.
    symlinkSync("/dev/null", lock);
    assertEquals((await assertRejects(() => Wal.open(path), WalError)).code, "ERR_WAL_FORMAT");
    rmSync(lock);
    symlinkSync(join(folder, "nowhere", "lock"), lock);
    assertEquals((await assertRejects(() => Wal.open(path), WalError)).code, "ERR_WAL_NOT_FOUND");
    rmSync(lock);
    symlinkSync(join(folder, "target"), lock);
    await withLog(path, {}, async () => {
      await assertRejects(() => Wal.open(path), LockedError);
      assert(readFileSync(join(folder, "target"), "utf8").includes(String(process.pid)));
    });
    assert(lstatSync(lock).isSymbolicLink());
    rmSync(lock);
    // A link to the log's own file: that is no lock file.
    symlinkSync(path, lock);
    const before = readFileSync(path);
    assertEquals((await assertRejects(() => Wal.open(path), WalError)).code, "ERR_WAL_FORMAT");
    assertEquals(readFileSync(path), before);
  }));

/** Files in memory whose lock file cannot be cut. */
class StuckLock extends FaultyFileSystem {
  releases = 0;

  constructor(under: FileSystem) {
    super(under);
  }

  override async lock(path: string, permissions: number): Promise<WriterLock> {
    const lock = await super.lock(path, permissions);
    return {
      ...lock,
      release: (): void => {
        this.releases++;
        lock.release();
        throw new FileSystemError("EIO", "Truncate", path);
      },
    };
  }
}

test("close tells that the lock file could not be cut, with the log closed and the lock free", async () => {
  const under = new MemoryFileSystem();
  const log = await Wal.open("a.wal", { fileSystem: new StuckLock(under) });
  log.append(bytes("a"));
  const error = await assertRejects(() => log.close(), WalError);
  assertEquals(error.code, "ERR_WAL_IO");
  assertStringIncludes(error.message, '"a.wal.lock"');
  assert(error.cause instanceof FileSystemError);
  await withLog("a.wal", { fileSystem: under }, (log) => assertEquals(log.lastIndex, 1));
});

test("close reports a sync that failed before it reports the lock file", async () => {
  const under = new MemoryFileSystem();
  const fileSystem = new StuckLock(under);
  const log = await Wal.open("a.wal", { fileSystem });
  log.append(bytes("a"));
  fileSystem.fail("syncData", "EIO");
  await assertRejects(() => log.close(), SyncFailedError);
  assertEquals(fileSystem.releases, 1);
});

test("an open that fails tells why, whatever becomes of the lock file", async () => {
  const under = new MemoryFileSystem();
  await withLog("a.wal", { fileSystem: under }, (log) => log.appendAndSync(bytes("a")));
  const fileSystem = new StuckLock(under);
  fileSystem.fail("sync", "EIO");
  await assertRejects(() => Wal.open("a.wal", { fileSystem }), SyncFailedError);
  assertEquals(fileSystem.releases, 1);
  // Neither the lock nor a file of the log is left locked.
  await withLog("a.wal", { fileSystem: under }, (log) => assertEquals(log.lastIndex, 1));
});

test("a claim that is a link to nothing is named, and not waited for", () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    symlinkSync(join(folder, "nothing"), `${path}.lock.claim`);
    const error = await assertRejects(() => Wal.open(path), LockedError);
    assertEquals(error.path, `${path}.lock.claim`);
    assertEquals(readdirSync(folder).sort(), ["a.wal.lock", "a.wal.lock.claim"]);
  }));
