/**
 * The adapters between the log and the runtimes, on systems that do less than they are asked: calls
 * that are interrupted, that come up short, or that a file system does not have. That each sync is
 * one is seen by a stand-in for Deno, and for the others in tests/fs/system_calls_test.ts.
 *
 * @module
 */
import { test } from "node:test";
import { join } from "node:path";
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { FileSystemError } from "../../mod.ts";
import { DenoFileSystem } from "../../src/fs/adapters/deno.ts";
import { tolerateUnsupported } from "../../src/fs/posix/system_call.ts";
import { spawnSync } from "../../kit/child.ts";
import { bytes, syncDirectory, text } from "../../kit/logs.ts";
import { commandOn, ROOT } from "../../kit/runtime.ts";
import { withFolder } from "../../kit/temporary.ts";

test("on Node, reads and writes that are interrupted or short are finished", {
  timeout: 60_000,
}, () =>
  withFolder((folder) => {
    const file = join(ROOT, "tests/support/hesitant.ts");
    const { program, args } = commandOn("node", file, join(folder, "a.wal"));
    const { stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
    const wanted = ["A", "entry of round 0", "another one", "entry of round 1", "another one"];
    assertEquals([stdout, stderr], [JSON.stringify(wanted), ""]);
  }));

/** The most bytes that a call of the stand-in takes. */
const FEW = 3;

function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/** Stands for `Deno`, with one file in it, whose calls are interrupted first and then come up short. */
class StandIn {
  readonly build = { os: "linux" };
  readonly permissions = { querySync: (): unknown => ({ state: "granted" }) };
  readonly calls: string[] = [];
  /** What the next sync fails with. */
  failWith: string | undefined;
  content: Uint8Array = new Uint8Array(0);
  #interrupts = 0;

  statSync(): unknown {
    return { isFile: true, isDirectory: false };
  }

  openSync(path: string): unknown {
    let position = 0;
    const note = (call: string): void => {
      this.calls.push(`${call} ${path}`);
      const code = this.failWith;
      this.failWith = undefined;
      if (code !== undefined) throw failure(code);
    };
    return {
      seekSync: (offset: number) => position = offset,
      readSync: (into: Uint8Array) => {
        this.#interrupt();
        const part = this.content.subarray(position, position + Math.min(FEW, into.length));
        into.set(part);
        return part.length === 0 ? null : part.length;
      },
      writeSync: (data: Uint8Array) => {
        this.#interrupt();
        const part = data.subarray(0, FEW);
        const size = Math.max(this.content.length, position + part.length);
        const content = new Uint8Array(size);
        content.set(this.content);
        content.set(part, position);
        this.content = content;
        return part.length;
      },
      statSync: () => ({ size: this.content.length }),
      sync: async () => await Promise.resolve(note("fsync")),
      syncData: async () => await Promise.resolve(note("fdatasync")),
      syncDataSync: () => note("fdatasync, blocking"),
      syncSync: () => note("fsync, blocking"),
      close: () => this.calls.push(`close ${path}`),
    };
  }

  #interrupt(): void {
    if (++this.#interrupts % 2 === 1) throw failure("EINTR");
  }
}

/** The adapter on a stand-in. */
function onStandIn(): { deno: StandIn; fileSystem: DenoFileSystem } {
  const deno = new StandIn();
  const original = Object.getOwnPropertyDescriptor(globalThis, "Deno");
  Object.defineProperty(globalThis, "Deno", { value: deno, configurable: true });
  try {
    return { deno, fileSystem: new DenoFileSystem() };
  } finally {
    if (original === undefined) Reflect.deleteProperty(globalThis, "Deno");
    else Object.defineProperty(globalThis, "Deno", original);
  }
}

test("on Deno, reads and writes that are interrupted or short are finished", () => {
  const { deno, fileSystem } = onStandIn();
  const file = fileSystem.open("a", "create");
  file.write(bytes("hello world"), 0);
  file.write(bytes("World, or not"), 6, 5);
  assertEquals(text(deno.content), "hello World");
  const into = new Uint8Array(20);
  assertEquals(file.read(into, 0), 11);
  assertEquals(text(into.subarray(0, 11)), "hello World");
  assertEquals(file.read(into, 6, 4), 4);
  assertEquals(text(into.subarray(0, 4)), "Worl");
  file.close();
});

test("on Deno, every sync is one, of what it is called for", async () => {
  const { deno, fileSystem } = onStandIn();
  const file = fileSystem.open("a", "write");
  const calls = async (call: () => Promise<void> | void): Promise<string[]> => {
    deno.calls.length = 0;
    await call();
    return deno.calls.slice();
  };
  assertEquals(await calls(() => file.syncData()), ["fdatasync a"]);
  assertEquals(await calls(() => file.sync()), ["fsync a"]);
  assertEquals(await calls(() => file.syncDataBlocking()), ["fdatasync, blocking a"]);
  assertEquals(await calls(() => file.syncBlocking()), ["fsync, blocking a"]);
  assertEquals(await calls(() => fileSystem.syncDirectory("b")), ["fsync b", "close b"]);
  assertEquals(await calls(() => syncDirectory(fileSystem, "b")), [
    "fsync, blocking b",
    "close b",
  ]);
});

test("on Deno, a sync that fails is reported, and one that was interrupted is made again", async () => {
  const { deno, fileSystem } = onStandIn();
  const file = fileSystem.open("a", "write");
  const syncs: readonly (() => Promise<void>)[] = [
    () => file.syncData(),
    () => file.sync(),
    async () => await Promise.resolve(file.syncDataBlocking()),
    async () => await Promise.resolve(file.syncBlocking()),
    () => fileSystem.syncDirectory("b"),
    async () => await Promise.resolve(syncDirectory(fileSystem, "b")),
  ];
  for (const sync of syncs) {
    deno.failWith = "EIO";
    assertEquals((await assertRejects(sync, FileSystemError)).code, "EIO");
    deno.calls.length = 0;
    deno.failWith = "EINTR";
    await sync();
    assertEquals(deno.calls.filter((call) => call.includes("sync")).length, 2);
  }
});

test("a file system that cannot sync directories is no error, any other failure is", async () => {
  const { deno, fileSystem } = onStandIn();
  deno.failWith = "EINVAL";
  await fileSystem.syncDirectory("b");
  deno.failWith = "EINVAL";
  syncDirectory(fileSystem, "b");
  for (const error of [new FileSystemError("EIO", "Fsync", "b"), new TypeError("a mistake")]) {
    assertEquals(assertThrows(() => tolerateUnsupported(error)), error);
  }
  tolerateUnsupported(new FileSystemError("EINVAL", "Fsync", "b"));
  // A file that cannot be synced is one whose data may be lost.
  const file = fileSystem.open("a", "write");
  deno.failWith = "EINVAL";
  assertEquals((await assertRejects(() => file.sync(), FileSystemError)).code, "EINVAL");
});
