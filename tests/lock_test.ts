/**
 * One writer: within a process, across processes, across runtimes.
 *
 * @module
 */
import { test } from "node:test";
import { once } from "node:events";
import { hostname } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type Lock, LockedError, Wal } from "../mod.ts";
import { type LockAttempt, type LockOwner, startInTicks, takeLock } from "../src/fs/lock_file.ts";
import { runtimeFileSystem } from "../src/fs/runtime.ts";
import { type ChildProcess, spawn } from "./support/child.ts";
import { bytes, withLog } from "./support/logs.ts";
import { commandOn, ROOT, RUNTIME, type Runtime, RUNTIMES } from "./support/runtime.ts";
import { withFolder } from "./support/temporary.ts";

/** A process on a runtime that opens a log, and keeps it open if it can. */
class Contender {
  readonly process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(runtime: Runtime, path: string) {
    const { program, args } = commandOn(runtime, join(ROOT, "tests/support/hold.ts"), path);
    this.process = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
    const output = this.process.stdout;
    assert(output !== null);
    this.#lines = createInterface({ input: output })[Symbol.asyncIterator]();
  }

  /** What became of the open. */
  async result(): Promise<{ opened: boolean; lastIndex?: number; message?: string }> {
    const { value } = await this.#lines.next();
    return JSON.parse(value ?? "null");
  }

  async kill(): Promise<void> {
    const exit = once(this.process, "exit");
    this.process.kill("SIGKILL");
    await exit;
  }
}

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
      assertEquals(readFileSync(path), before);
      assertEquals(log.append(bytes("b")), 2);
    });
    await withLog(path, {}, (log) => assertEquals(log.lastIndex, 2));
  }));

/** The lock as it is taken where the kernel's is out of reach, by a process with this id. */
async function takeByRecord(
  path: string,
  pid: number,
  isAlive: LockOwner["isAlive"] = (id) => id === process.pid,
): Promise<Lock> {
  const fileSystem = await runtimeFileSystem();
  const attempt = (): LockAttempt => {
    writeFileSync(path, "", { flag: "a" });
    return { file: fileSystem.open(path, "write"), outcome: "unavailable" };
  };
  const owner = { pid, host: "here", runtime: "node", isAlive, startOf: startInTicks };
  return takeLock(fileSystem, path, owner, attempt);
}

test("without the kernel's lock, a record of a process that lives excludes", () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.lock");
    const lock = await takeByRecord(path, process.pid);
    assertEquals(lock.kind, "record");
    const error = await assertRejects(() => takeByRecord(path, process.pid), LockedError);
    assertEquals(error.holder.pid, process.pid);
    lock.release();
    (await takeByRecord(path, process.pid)).release();
  }));

test("without the kernel's lock, a record of a process that died is replaced", () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.lock");
    await takeByRecord(path, 4_000_000); // Its holder never was, and the lock is not released.
    (await takeByRecord(path, process.pid)).release();
    // The same id again, as in a container that starts anew, but of a process that started later.
    await takeByRecord(path, process.pid);
    const record = JSON.parse(readFileSync(path, "utf8"));
    if (record.started === undefined) return; // No /proc here: the record counts until it is removed.
    writeFileSync(path, JSON.stringify({ ...record, started: "1" }));
    (await takeByRecord(path, process.pid)).release();
  }));

test("a record on another host, or one that cannot be judged, excludes", () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.lock");
    writeFileSync(path, JSON.stringify({ pid: 4_000_000, host: "elsewhere", kind: "record" }));
    await assertRejects(() => takeByRecord(path, process.pid), LockedError);
    writeFileSync(path, JSON.stringify({ pid: process.pid, host: "here", kind: "record" }));
    await assertRejects(() => takeByRecord(path, 1, () => true), LockedError);
  }));

test("a record excludes those too who reach the kernel's lock", () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    const host = hostname();
    writeFileSync(`${path}.lock`, JSON.stringify({ pid: process.pid, host, kind: "record" }));
    const { holder } = await assertRejects(() => Wal.open(path), LockedError);
    assertEquals(holder.pid, process.pid);
    writeFileSync(`${path}.lock`, "no record at all");
    await withLog(path, {}, (log) => assertEquals(log.stats().lock, "kernel"));
  }));

test("without the kernel's lock, a record of who holds that excludes too", () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    await withLog(path, {}, async () => {
      const host = { host: "here" };
      const record = JSON.parse(readFileSync(`${path}.lock`, "utf8"));
      assertEquals([record.pid, record.kind], [process.pid, "kernel"]);
      writeFileSync(`${path}.lock`, JSON.stringify({ ...record, ...host }));
      await assertRejects(() => takeByRecord(`${path}.lock`, 1), LockedError);
    });
    (await takeByRecord(`${path}.lock`, process.pid)).release();
  }));

test("a record that cannot be judged by a signal is judged by the start of its process", () =>
  withFolder(async (folder) => {
    const path = join(folder, "a.lock");
    const unknown = (): undefined => undefined;
    await takeByRecord(path, 4_000_000, unknown);
    if (startInTicks(process.pid) === undefined) {
      await assertRejects(() => takeByRecord(path, process.pid, unknown), LockedError);
    } else {
      (await takeByRecord(path, process.pid, unknown)).release();
    }
  }));
