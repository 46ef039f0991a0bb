/**
 * What counts as bytes, in every call that takes them.
 *
 * @module
 */
import { test } from "node:test";
import { Buffer } from "node:buffer";
import { runInNewContext } from "node:vm";
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Wal, WalError } from "../mod.ts";
import { copyOf, isBytes } from "../src/bytes.ts";
import { MemoryFileSystem } from "../src/fs/adapters/memory.ts";
import { RaftStorage } from "../src/raft/raft.ts";

class Throwing extends Uint8Array {
  override get length(): number {
    throw new Error("no length");
  }
}

class Subclass extends Uint8Array {
  override get [Symbol.toStringTag](): "Uint8Array" {
    return "Another" as "Uint8Array";
  }
}

function detached(): Uint8Array {
  const array = new Uint8Array([1, 2]);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

/** An array whose buffer has become too short for it. */
function outOfBounds(): Uint8Array {
  const buffer = new ArrayBuffer(8, { maxByteLength: 8 });
  const array = new Uint8Array(buffer, 0, 8);
  buffer.resize(4);
  return array;
}

/** An array that is as long as its buffer, which has grown. */
function grown(): Uint8Array {
  const buffer = new ArrayBuffer(1, { maxByteLength: 8 });
  const array = new Uint8Array(buffer);
  buffer.resize(2);
  array.set([1, 2]);
  return array;
}

function shared(): Uint8Array {
  const array = new Uint8Array(new SharedArrayBuffer(2));
  array.set([1, 2]);
  return array;
}

/** All of them hold 1 and 2. */
const ACCEPTED: Readonly<Record<string, () => Uint8Array>> = {
  "a plain one": () => new Uint8Array([1, 2]),
  "a Buffer": () => Buffer.from([1, 2]),
  "one of a subclass": () => new Subclass([1, 2]),
  "one of another realm": () => runInNewContext("new Uint8Array([1, 2])"),
  "a part of another realm's": () => runInNewContext("new Uint8Array([0, 1, 2]).subarray(1)"),
  "one in shared memory": shared,
  "one that has grown": grown,
};

const REFUSED: Readonly<Record<string, () => unknown>> = {
  "undefined": () => undefined,
  "null": () => null,
  "a string": () => "12",
  "an array": () => [1, 2],
  "a buffer": () => new ArrayBuffer(2),
  "another typed array": () => new Int8Array(2),
  "a clamped one": () => new Uint8ClampedArray(2),
  "a DataView": () => new DataView(new ArrayBuffer(2)),
  "one of a subclass whose length throws": () => new Throwing(2),
  "an object that only says so": () => ({ [Symbol.toStringTag]: "Uint8Array", length: 2 }),
  "an object with the prototype only": () => Object.create(Uint8Array.prototype),
  "an object without a prototype": () => Object.create(null),
  "a Proxy": () => new Proxy(new Uint8Array([1, 2]), {}),
  "another realm's other array": () => runInNewContext("new Uint16Array(2)"),
  "a detached one": detached,
  "one whose buffer is too short": outOfBounds,
};

for (const [what, make] of Object.entries(ACCEPTED)) {
  test(`${what} is taken, by every call, and copied`, async () => {
    assertEquals(isBytes(make()), true);
    const fileSystem = new MemoryFileSystem();
    const log = await Wal.open("a.wal", { fileSystem });
    const state = make();
    const stored = log.setState(state);
    state[0] = 9;
    await stored;
    log.append(make());
    log.appendBatch([make(), make()]);
    await log.appendAndSync(make());
    await log.appendBatchAndSync([make(), make()]);
    const wanted = new Uint8Array([1, 2]);
    assertEquals(log.readAll(), Array(6).fill(wanted));
    assertEquals(log.state, wanted);
    await log.close();

    const storage = await RaftStorage.open("raft.wal", { fileSystem });
    await storage.append([{ term: 1, data: make() }]);
    await storage.appendFromLeader(1, 1, [{ term: 1, data: make() }]);
    assertEquals(storage.entry(2)?.data, wanted);
    await storage.close();
  });
}

for (const [what, make] of Object.entries(REFUSED)) {
  test(`${what} is refused, by every call, and nothing is written`, async () => {
    assertEquals(isBytes(make()), false);
    const fileSystem = new MemoryFileSystem();
    const log = await Wal.open("a.wal", { fileSystem });
    const bad = make() as Uint8Array;
    const good = new Uint8Array(1);
    for (const call of [() => log.append(bad), () => log.appendBatch([good, bad])]) {
      assertEquals(assertThrows(call, WalError).code, "ERR_WAL_INVALID_ARGUMENT");
    }
    const storage = await RaftStorage.open("raft.wal", { fileSystem });
    for (
      const call of [
        () => log.appendAndSync(bad),
        () => log.appendBatchAndSync([good, bad]),
        () => log.setState(bad),
        () => storage.append([{ term: 1, data: good }, { term: 1, data: bad }]),
      ]
    ) assertEquals((await assertRejects(call, WalError)).code, "ERR_WAL_INVALID_ARGUMENT");
    assertEquals([log.lastIndex, log.state.length, storage.lastIndex], [0, 0, 0]);
    await log.close();
    await storage.close();
  });
}

test("a copy shares no memory with what it is of, whatever that is", () => {
  for (const make of Object.values(ACCEPTED)) {
    const original = make();
    const copy = copyOf(original);
    original[0] = 9;
    assertEquals([...copy], [1, 2]);
    assertEquals(Object.getPrototypeOf(copy), Uint8Array.prototype);
  }
});
