/**
 * The record in a lock file: which holder is judged to be alive by it, and that two contenders that
 * write it do not miss each other.
 *
 * @module
 */
import { test } from "node:test";
import process from "node:process";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  type FileHandle,
  FileSystemError,
  LockedError,
  type WalError,
  type WriterLock,
} from "../../mod.ts";
import { type LockOutcome, outcomeOf } from "../../src/fs/posix/flock.ts";
import { takeLock } from "../../src/fs/posix/lock_file.ts";
import {
  judge,
  type LockOwner,
  type LockRecord,
  readPlace,
  readRecord,
  recordOf,
  startInTicks,
  type Verdict,
} from "../../src/fs/posix/lock_record.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { FaultyFileSystem } from "../../src/testing/testing.ts";
import { bytes, readFile, text, writeFile } from "../../kit/logs.ts";

const PATH = "a.lock";
const HERE = { boot: "this-boot", namespaces: "pid:[1] time:[2]" };

/** A process of a machine where 10 runs since 100, 20 since 200, and no other. */
function owner(changes: Partial<LockOwner> = {}): LockOwner {
  const starts = new Map([[10, "100"], [20, "200"]]);
  return {
    pid: 10,
    host: "here",
    runtime: "node",
    place: HERE,
    isAlive: (pid) => starts.has(pid),
    startOf: (pid) => starts.get(pid),
    isOnLocalDisk: () => false,
    ...changes,
  };
}

function record(changes: Partial<LockRecord> = {}): LockRecord {
  return { ...recordOf(owner({ pid: 20 }), "record"), ...changes };
}

const ELSEWHERE: LockOwner["place"] = { ...HERE, namespaces: "pid:[9] time:[2]" };
const unknown = (): undefined => undefined;

/** Whose record, which process looks, and what is found. */
const VERDICTS: readonly (readonly [string, Partial<LockRecord>, Partial<LockOwner>, Verdict])[] = [
  ["runs", {}, {}, "alive"],
  ["is this one", { pid: 10, started: "100" }, {}, "self"],
  ["does not run", { pid: 30 }, {}, "dead"],
  ["ended, and its id is another's", { started: "150" }, {}, "dead"],
  ["ended, and its id is ours, as in a container", { pid: 10, started: "7" }, {}, "dead"],
  ["runs, of another host's name", { host: "renamed" }, {}, "alive"],
  ["is in another container", {}, { place: ELSEWHERE }, "unknown"],
  ["has our id in another container", { pid: 10 }, { place: ELSEWHERE }, "unknown"],
  ["has other times", { namespaces: "pid:[1] time:[3]" }, {}, "unknown"],
  ["is of another boot", { boot: "earlier" }, {}, "unknown"],
  [
    "is of another boot, and the disk is this machine's",
    { boot: "earlier" },
    { isOnLocalDisk: () => true },
    "dead",
  ],
  ["is in another container on a local disk", {}, {
    place: ELSEWHERE,
    isOnLocalDisk: () => true,
  }, "unknown"],
  ["does not say where", { boot: undefined, namespaces: undefined }, {}, "unknown"],
  ["runs somewhere, and we do not know where we are", {}, { place: undefined }, "unknown"],
  ["has no id", { pid: undefined }, {}, "unknown"],
  ["runs since an unknown time", {}, { startOf: unknown }, "alive"],
  ["cannot be asked for, but has started", {}, { isAlive: unknown }, "alive"],
  ["cannot be asked for, and has not started", { pid: 30 }, { isAlive: unknown }, "dead"],
  ["cannot be asked for at all", {}, { isAlive: unknown, startOf: unknown }, "unknown"],
  ["is on a system without places, and runs", { boot: undefined }, { place: undefined }, "alive"],
  [
    "is on a system without places, and does not run",
    { boot: undefined, pid: 30 },
    { place: undefined },
    "dead",
  ],
  [
    "is on another host without places",
    { boot: undefined, pid: 30, host: "there" },
    { place: undefined },
    "unknown",
  ],
  [
    "is on a host of no name",
    { boot: undefined, pid: 30, host: undefined },
    { place: undefined, host: undefined },
    "unknown",
  ],
];

test("a record is judged by its boot, its namespaces, its process and its start", () => {
  for (const [what, of, by, verdict] of VERDICTS) {
    assertEquals([what, judge(record(of), owner(by), PATH)], [what, verdict]);
  }
});

test("this process has a start and a place where the system tells them", () => {
  if (process.platform !== "linux") return;
  const place = readPlace();
  assert(place !== undefined);
  assertEquals(place, readPlace());
  assert(/^pid:\[\d+\] time:(\[\d+\]|none)$/.test(place.namespaces), place.namespaces);
  assertEquals(startInTicks(process.pid), startInTicks(process.pid));
  assert(Number(startInTicks(process.pid)) > 0);
  assertEquals(startInTicks(4_000_000), undefined);
});

/** Takes the lock of a file in memory with what the kernel is made to say. */
async function take(
  fileSystem: MemoryFileSystem | FaultyFileSystem,
  outcome: LockOutcome,
  by: Partial<LockOwner> = {},
  wrap: (file: FileHandle) => FileHandle = (file) => file,
): Promise<WriterLock> {
  return await takeLock(fileSystem, PATH, owner(by), () => {
    const isThere = fileSystem.list(".").includes(PATH);
    return { file: wrap(fileSystem.open(PATH, isThere ? "write" : "create")), outcome };
  });
}

function withRecord(content: Partial<LockRecord> | string, path: string = PATH): MemoryFileSystem {
  const fileSystem = new MemoryFileSystem();
  const written = typeof content === "string" ? content : JSON.stringify(record(content));
  writeFile(fileSystem, path, bytes(written));
  return fileSystem;
}

test("a record of a process that may live excludes, with the kernel's lock or without", async () => {
  for (const outcome of ["taken", "unavailable"] as const) {
    for (const [what, of, by, verdict] of VERDICTS) {
      if (verdict === "dead" || record(of).pid === undefined) continue;
      const fileSystem = withRecord(of);
      const error = await assertRejects(() => take(fileSystem, outcome, by), LockedError);
      assertEquals([what, error.path, error.holder.pid], [what, PATH, of.pid ?? 20]);
      const names = verdict === "unknown" ? `remove "${PATH}"` : "Close it|close it";
      assert(new RegExp(names).test(error.message), `${what}: ${error.message}`);
      assertEquals(text(readFile(fileSystem, PATH)), JSON.stringify(record(of)));
    }
  }
});

test("a record of a process that has ended is replaced, and cut at the release", async () => {
  for (const outcome of ["taken", "unavailable"] as const) {
    for (const [, of, by] of VERDICTS.filter(([, , , verdict]) => verdict === "dead")) {
      const fileSystem = withRecord(of);
      const lock = await take(fileSystem, outcome, by);
      assertEquals(lock.kind, outcome === "taken" ? "kernel" : "record");
      assertEquals(JSON.parse(text(readFile(fileSystem, PATH))).pid, 10);
      assertEquals(fileSystem.list("."), [PATH]);
      lock.release();
      assertEquals(text(readFile(fileSystem, PATH)), "");
    }
  }
});

test("the kernel's lock counts whatever an earlier holder of it has left", async () => {
  for (const said of [{}, { pid: 10, started: "100" }, { boot: "earlier" }]) {
    const lock = await take(withRecord({ ...said, kind: "kernel" }), "taken");
    assertEquals(lock.kind, "kernel");
  }
  // But without it, that record is all there is.
  await assertRejects(() => take(withRecord({ kind: "kernel" }), "unavailable"), LockedError);
});

test("a lock that the kernel gave another is refused whatever the record says", async () => {
  for (const said of [{}, { pid: 30 }, { boot: "earlier" }]) {
    const error = await assertRejects(() => take(withRecord(said), "held"), LockedError);
    assertEquals(error.holder.pid, said.pid ?? 20);
  }
  const { message } = await assertRejects(
    () => take(withRecord({ pid: 10, started: "100" }), "held"),
    LockedError,
  );
  assertStringIncludes(message, "already, in this process");
  const unknown = await assertRejects(() => take(withRecord(""), "held"), LockedError);
  assertStringIncludes(unknown.message, "process unknown");
});

test("a lock is held as long as its record is ours and its name leads to it", async () => {
  for (const outcome of ["taken", "unavailable"] as const) {
    const fileSystem = new MemoryFileSystem();
    const lock = await take(fileSystem, outcome);
    assertEquals(lock.isHeld(), true);
    const content = readFile(fileSystem, PATH);
    if (outcome === "unavailable") {
      // Somebody has emptied the file: another would take it.
      writeFile(fileSystem, PATH, bytes(""));
      assertEquals(lock.isHeld(), false);
      writeFile(fileSystem, PATH, content);
      assertEquals(lock.isHeld(), true);
    }
    fileSystem.remove(PATH);
    assertEquals(lock.isHeld(), false);
    writeFile(fileSystem, PATH, content);
    assertEquals(lock.isHeld(), false);
    lock.release();
    // The file that is there now is another's.
    assertEquals(readFile(fileSystem, PATH), content);
  }
});

test("the record of another is not cut by a release", async () => {
  const fileSystem = new MemoryFileSystem();
  const lock = await take(fileSystem, "unavailable");
  const other = JSON.stringify(record({ boot: "elsewhere" }));
  writeFile(fileSystem, PATH, bytes(other));
  assertEquals(lock.isHeld(), false);
  lock.release();
  assertEquals(text(readFile(fileSystem, PATH)), other);
});

/** A file that notes whether it was closed, and cannot be changed once that is said. */
function uncut(file: FileHandle, state: { closed: boolean; fails: boolean }): FileHandle {
  return {
    read: (into, offset, length) => file.read(into, offset, length),
    write: (data, offset, length) => {
      if (state.fails) throw new FileSystemError("EIO", "Write", PATH);
      file.write(data, offset, length);
    },
    size: () => file.size(),
    identity: () => file.identity(),
    truncate: (size) => {
      if (state.fails) throw new FileSystemError("EIO", "Truncate", PATH);
      file.truncate(size);
    },
    syncData: () => file.syncData(),
    sync: () => file.sync(),
    syncDataBlocking: () => file.syncDataBlocking(),
    syncBlocking: () => file.syncBlocking(),
    close: () => {
      state.closed = true;
      file.close();
    },
  };
}

test("a record that cannot be cut is reported where it is all of the lock", async () => {
  for (const outcome of ["taken", "unavailable"] as const) {
    const state = { closed: false, fails: false };
    const lock = await take(new MemoryFileSystem(), outcome, {}, (file) => uncut(file, state));
    state.fails = true;
    if (outcome === "taken") lock.release();
    else assertEquals(assertThrows(() => lock.release(), FileSystemError).code, "EIO");
    assertEquals(state.closed, true);
    lock.release();
  }
});

test("on a full disk the kernel's lock does without a claim, and a record is no lock without one", async () => {
  for (const code of ["ENOSPC", "EDQUOT", "EFBIG"] as const) {
    for (const operation of ["create", "write"] as const) {
      const under = withRecord({ pid: 30 });
      const full = new FaultyFileSystem(under);
      full.fail(operation, code);
      const lock = await take(full, "taken");
      assertEquals(JSON.parse(text(readFile(under, PATH))).pid, 10);
      assertEquals(under.list("."), [PATH]);
      lock.release();
      const fullToo = new FaultyFileSystem(withRecord({ pid: 30 }));
      fullToo.fail(operation, code);
      const error = await assertRejects(() => take(fullToo, "unavailable"), FileSystemError);
      assertEquals(error.code, code);
    }
  }
});

test("a record for which there was no space is written once there is, with the kernel's lock", async () => {
  for (const leaves of [0, 3, 30]) {
    const under = new MemoryFileSystem();
    const full = new FaultyFileSystem(under);
    full.fail("write", "ENOSPC", { leaves });
    full.fail("write", "ENOSPC", { leaves });
    const lock = await take(full, "taken");
    assertEquals(under.list("."), [PATH]);
    assertEquals(text(readFile(under, PATH)), "");
    assertEquals(lock.isHeld(), true);
    assertEquals(JSON.parse(text(readFile(under, PATH))).pid, 10);
    lock.release();
    assertEquals(text(readFile(under, PATH)), "");
  }
});

test("a record of which only a beginning was written names no holder", async () => {
  const whole = JSON.stringify(record({}));
  for (let length = 0; length < whole.length; length++) {
    const fileSystem = new MemoryFileSystem();
    writeFile(fileSystem, PATH, bytes(whole.slice(0, length)));
    const lock = await take(fileSystem, "taken");
    lock.release();
  }
});

test("nothing is left of the record that a shorter one is written over", async () => {
  const fileSystem = withRecord({ pid: 30, host: "h".repeat(60) });
  const lock = await take(fileSystem, "taken");
  const content = text(readFile(fileSystem, PATH));
  assertEquals(JSON.parse(content).host, "here");
  assertEquals(content.length, JSON.stringify(record({ host: "h".repeat(60) })).length);
  lock.release();
  assertEquals(text(readFile(fileSystem, PATH)), "");
});

test("a lock file whose record cannot be written is given back, and its claim too", async () => {
  for (const outcome of ["taken", "unavailable"] as const) {
    const state = { closed: false, fails: true };
    const fileSystem = new MemoryFileSystem();
    await assertRejects(
      () => take(fileSystem, outcome, {}, (file) => uncut(file, state)),
      FileSystemError,
    );
    assertEquals([state.closed, fileSystem.list(".")], [true, [PATH]]);
  }
});

const CLAIM = `${PATH}.claim`;
const NONCE = "0123456789abcdef";

test("a claim that a crash left is judged by its maker, and named where it cannot be", async () => {
  for (const [what, of, by, verdict] of VERDICTS) {
    if (record(of).pid === undefined) continue; // That is no record.
    const fileSystem = withRecord({ ...of, nonce: NONCE }, CLAIM);
    if (verdict === "dead") {
      (await take(fileSystem, "unavailable", by)).release();
      assertEquals(fileSystem.list("."), [PATH]);
    } else {
      const error = await assertRejects(() => take(fileSystem, "unavailable", by), LockedError);
      assertEquals([what, error.path], [what, CLAIM]);
      assertStringIncludes(error.message, `remove "${CLAIM}"`);
      assertEquals(fileSystem.list(".").sort(), [PATH, CLAIM]);
    }
  }
});

test("a claim that was made with the kernel's lock is no more once that is ours", async () => {
  const fileSystem = withRecord({ kind: "kernel", nonce: NONCE }, CLAIM);
  await assertRejects(() => take(fileSystem, "unavailable"), LockedError);
  (await take(fileSystem, "taken")).release();
  assertEquals(fileSystem.list("."), [PATH]);
});

test("a claim without content is a stopped maker's, for the holder of the kernel's lock", async () => {
  const fileSystem = withRecord("", CLAIM);
  const error = await assertRejects(() => take(fileSystem, "unavailable"), LockedError);
  assertStringIncludes(error.message, `remove "${CLAIM}"`);
  (await take(fileSystem, "taken")).release();
  assertEquals(fileSystem.list("."), [PATH]);
});

test("the claim of a process that died is removed by one contender, which makes sure of it", async () => {
  const dead = { pid: 30, nonce: NONCE };
  // Another has the right to remove it, and is not done.
  const claimed = withRecord(dead, CLAIM);
  writeFile(claimed, `${CLAIM}.${NONCE}`, bytes(""));
  await assertRejects(() => take(claimed, "unavailable"), LockedError);
  assertEquals(claimed.list(".").sort(), [PATH, CLAIM, `${CLAIM}.${NONCE}`]);
  // Another has removed it, and made its own, between our look and our right.
  const under = withRecord(dead, CLAIM);
  const fileSystem = new FaultyFileSystem(under);
  const create = fileSystem.open.bind(fileSystem);
  fileSystem.open = (path, mode, permissions) => {
    if (path.endsWith(NONCE)) {
      under.remove(CLAIM);
      writeFile(under, CLAIM, bytes(JSON.stringify(record({ nonce: "fedcba9876543210" }))));
    }
    return create(path, mode, permissions);
  };
  const error = await assertRejects(() => take(fileSystem, "unavailable"), LockedError);
  assertEquals([error.path, error.holder.pid], [CLAIM, 20]);
  assertEquals(JSON.parse(text(readFile(under, CLAIM))).nonce, "fedcba9876543210");
});

test("a nonce that is no nonce names no file", async () => {
  const fileSystem = withRecord({ pid: 30, nonce: "../../x" }, CLAIM);
  (await take(fileSystem, "unavailable")).release();
  assertEquals(fileSystem.list("."), [PATH]);
});

test("a record is written under a claim, with the kernel's lock too", async () => {
  for (const outcome of ["taken", "unavailable"] as const) {
    const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
    (await take(fileSystem, outcome)).release();
    const calls = fileSystem.calls.slice(0, fileSystem.calls.indexOf(`remove ${PATH}.claim`));
    const isClaimed = calls.indexOf(`create ${PATH}.claim`) >= 0;
    assertEquals([outcome, isClaimed, calls.includes(`write ${PATH}`)], [outcome, true, true]);
  }
});

test("an error of flock(2) that tells nothing of the lock is thrown", () => {
  const failed = (code: string): Error => Object.assign(new Error(code), { code });
  assertEquals(outcomeOf(failed("EAGAIN"), PATH), "held");
  assertEquals(outcomeOf(failed("ENOLCK"), PATH), "unavailable");
  for (const code of ["EIO", "ENOMEM"]) {
    const error = assertThrows(() => outcomeOf(failed(code), PATH), FileSystemError);
    assertEquals([error.code, error.path], [code, PATH]);
  }
});

test("two that take the lock at once, one with the kernel's and one without, do not both get it", async () => {
  // At every call of either on the files, the other runs as far as it can.
  for (let step = 0; step < 12; step++) {
    for (const first of ["taken", "unavailable"] as const) {
      const under = new MemoryFileSystem();
      writeFile(under, PATH, bytes(""));
      const second = first === "taken" ? "unavailable" : "taken";
      let other: Promise<WriterLock | LockedError> | undefined;
      let calls = 0;
      const interrupted = new FaultyFileSystem(under);
      const open = interrupted.open.bind(interrupted);
      const begin = (): void => {
        if (calls++ !== step) return;
        other = take(under, second, { pid: 20 }).catch((error) => error);
      };
      interrupted.open = (path, mode, permissions) => {
        begin();
        const file = open(path, mode, permissions);
        const { write, truncate } = file;
        return {
          ...file,
          write: (data, offset, length) => {
            begin();
            write(data, offset, length);
          },
          truncate: (size) => {
            begin();
            truncate(size);
          },
        };
      };
      const one: WriterLock | LockedError = await take(interrupted, first).catch((error) => error);
      const two = await (other ?? take(under, second, { pid: 20 }).catch((error) => error));
      const got = [one, two].filter((result) => !(result instanceof LockedError));
      assertEquals([step, first, got.length], [step, first, 1]);
    }
  }
});

test("a lock file of somebody else is not touched", () => {
  const fileSystem = withRecord("somebody else's");
  const file = fileSystem.open(PATH, "write");
  const error: WalError = assertThrows(() => readRecord(file, PATH));
  assertEquals(error.code, "ERR_WAL_FORMAT");
  file.close();
});
