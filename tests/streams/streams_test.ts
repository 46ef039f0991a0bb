/**
 * A log as web streams: back pressure, shared syncs, the ends of a stream, and what may go wrong.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type FileSystem, SyncFailedError, Wal, WalError } from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { readable, type ReadableOptions, writable } from "../../src/streams/streams.ts";
import { below, seededRandom } from "../../src/testing/random.ts";
import { exploreCrashes, exploreFaults, FaultyFileSystem } from "../../src/testing/testing.ts";
import { bytes, text } from "../../kit/logs.ts";

const PATH = "a.wal";

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function inMemory(fileSystem: FileSystem = new MemoryFileSystem()): Promise<Wal> {
  return Wal.open(PATH, { fileSystem });
}

/** A stream of chunks. */
function chunksOf<T>(chunks: Iterable<T>): ReadableStream<T> {
  const all = chunks[Symbol.iterator]();
  return new ReadableStream({
    pull(controller): void {
      const { done, value } = all.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
  });
}

async function all<T>(stream: ReadableStream<T>): Promise<T[]> {
  const found: T[] = [];
  const reader = stream.getReader();
  for (let result = await reader.read(); !result.done; result = await reader.read()) {
    found.push(result.value);
  }
  return found;
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return (await assertRejects(() => promise, WalError)).code;
}

test("one sync for each `ahead` bytes, not for each chunk, and close makes all durable", async () => {
  const log = await inMemory();
  const chunks = Array.from({ length: 2000 }, (_, n) => new Uint8Array(500).fill(n));
  await chunksOf(chunks).pipeTo(writable(log, { ahead: 100_000 }));
  assertEquals([log.lastIndex, log.durableIndex, log.stats().syncs], [2000, 2000, 10]);
  await log.close();
});

test("never more than `ahead` bytes are not durable, and a producer waits for the disk", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const log = await inMemory(fileSystem);
  let gate = Promise.withResolvers<void>();
  fileSystem.delay("syncData", () => gate.promise);
  const writer = writable(log, { ahead: 1000 }).getWriter();
  let written = 0;
  const producing = (async () => {
    for (let n = 0; n < 40; n++) {
      await writer.ready;
      void writer.write(new Uint8Array(300));
      written++;
    }
    await writer.close();
  })();
  for (let turn = 0; log.durableIndex < 36; turn++) {
    await pause(5);
    assert(300 * (log.lastIndex - log.durableIndex) <= 1000);
    assert(written <= log.lastIndex + 2, "the stream holds a chunk or two");
    const { resolve } = gate;
    gate = Promise.withResolvers<void>();
    resolve();
  }
  gate.resolve();
  fileSystem.delay("syncData", () => Promise.resolve());
  await producing;
  assertEquals([log.lastIndex, log.durableIndex], [40, 40]);
  await log.close();
});

test("a chunk that is larger than `ahead` is synced at once", async () => {
  const log = await inMemory();
  const writer = writable(log, { ahead: 100 }).getWriter();
  await writer.write(new Uint8Array(1000));
  assertEquals(log.durableIndex, 1);
  await writer.write(new Uint8Array(10));
  assertEquals(log.durableIndex, 1);
  await writer.close();
  assertEquals(log.durableIndex, 2);
  await log.close();
});

test("a sync of somebody else counts for the stream too", async () => {
  const log = await inMemory();
  const writer = writable(log, { ahead: 100 }).getWriter();
  for (let n = 0; n < 10; n++) {
    await writer.write(new Uint8Array(60));
    await log.sync();
  }
  assertEquals(log.stats().syncs, 10);
  await writer.close();
  await log.close();
});

test("streams and callers of one log share its syncs", async () => {
  const log = await inMemory();
  const many = Array.from({ length: 8 }, () => chunksOf([bytes("a"), bytes("b")]));
  await Promise.all(many.map((chunks) => chunks.pipeTo(writable(log))));
  assertEquals([log.lastIndex, log.durableIndex], [16, 16]);
  assert(log.stats().syncs < 8, `${log.stats().syncs} syncs`);
  await log.close();
});

test("an array is one batch, one atom", async () => {
  const log = await inMemory();
  const writer = writable(log).getWriter();
  await writer.write([bytes("a"), bytes("b")]);
  await writer.write(bytes("c"));
  await writer.close();
  assertEquals(Array.from(log.entries(), ({ endsBatch }) => endsBatch), [false, true, true]);
  await log.close();
});

test("abort drops nothing that was appended", async () => {
  const log = await inMemory();
  const writer = writable(log).getWriter();
  await writer.write(bytes("a"));
  await writer.abort(new Error("enough"));
  assertEquals([log.lastIndex, log.durableIndex], [1, 1]);
  assertEquals(log.append(bytes("b")), 2, "the log stays usable");
  await log.close();
});

test("a sync that fails reaches the producer, in write, close and pipeTo", async () => {
  for (const ahead of [10, 1000]) {
    const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
    const log = await inMemory(fileSystem);
    fileSystem.fail("syncData", "EIO");
    const chunks = [new Uint8Array(8), new Uint8Array(8)];
    await assertRejects(() => chunksOf(chunks).pipeTo(writable(log, { ahead })), SyncFailedError);
    await log.close();
  }
});

test("a full disk reaches the producer, and what was appended stays", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const log = await inMemory(fileSystem);
  const writer = writable(log).getWriter();
  await writer.write(bytes("a"));
  fileSystem.fail("write", "ENOSPC");
  assertEquals(await codeOf(writer.write(bytes("b"))), "ERR_WAL_WRITE_FAILED");
  assertEquals(await codeOf(writer.closed), "ERR_WAL_WRITE_FAILED");
  assertEquals(log.lastIndex, 1);
  await log.appendAndSync(bytes("c"));
  await log.close();
});

test("a stream waits while a truncation of the tail runs", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const log = await inMemory(fileSystem);
  for (const word of ["a", "b", "c"]) await log.appendAndSync(bytes(word));
  const gate = Promise.withResolvers<void>();
  fileSystem.delay("sync", () => gate.promise);
  const truncated = log.truncateFromIndex(2);
  const writer = writable(log).getWriter();
  const written = Promise.all([writer.write(bytes("B")), writer.write([bytes("C"), bytes("D")])]);
  await pause(10);
  gate.resolve();
  await Promise.all([truncated, written]);
  await writer.close();
  assertEquals(log.readAll().map(text), ["a", "B", "C", "D"]);
  await log.close();
});

test("what is no chunk, and a log that is closed or only read, error the stream", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await inMemory(fileSystem);
  const wrong: readonly unknown[] = ["text", undefined, [], ["text"], Array(65).fill(bytes("a"))];
  for (const chunk of wrong) {
    const writer = writable(log).getWriter();
    assertEquals(await codeOf(writer.write(chunk as Uint8Array)), "ERR_WAL_INVALID_ARGUMENT");
    await assertRejects(() => writer.closed);
  }
  for (const ahead of [0, -1, 1.5, "1", Infinity]) {
    assertThrows(() => writable(log, { ahead } as { ahead: number }), WalError);
  }
  assertEquals(log.lastIndex, 0);
  const reader = await Wal.open(PATH, { fileSystem, readOnly: true });
  assertEquals(
    await codeOf(chunksOf([bytes("a")]).pipeTo(writable(reader))),
    "ERR_WAL_READ_ONLY",
  );
  await reader.close();
  await log.close();
  assertEquals(await codeOf(chunksOf([bytes("a")]).pipeTo(writable(log))), "ERR_WAL_CLOSED");
});

test("random streams, truncations and reopenings leave what a plain array has", async () => {
  for (let seed = 1; seed <= 15; seed++) {
    const random = seededRandom(seed);
    const model: string[] = [];
    const fileSystem = new MemoryFileSystem();
    let log = await Wal.open(PATH, { fileSystem, segmentSize: 512 });
    for (let step = 0; step < 12; step++) {
      const words = Array.from({ length: below(random, 20) }, (_, n) => `${step}.${n}`);
      const chunks: (Uint8Array | Uint8Array[])[] = [];
      for (let at = 0; at < words.length;) {
        const size = Math.min(below(random, 5), words.length - at);
        const some = words.slice(at, at + Math.max(1, size)).map(bytes);
        chunks.push(size === 0 ? some[0] as Uint8Array : some);
        at += some.length;
      }
      await chunksOf(chunks).pipeTo(writable(log, { ahead: 1 + below(random, 60) }));
      model.push(...words);
      assertEquals(log.durableIndex, model.length);
      if (model.length > 0 && below(random, 3) === 0) {
        const index = 1 + below(random, model.length);
        await log.truncateFromIndex(index);
        model.length = index - 1;
      }
      if (below(random, 3) === 0) {
        await log.close();
        log = await Wal.open(PATH, { fileSystem, segmentSize: 512 });
      }
      const size = 1 + below(random, 64);
      const read = (await all(readable(log, { size }))).flat();
      assertEquals(read.map(({ data }) => text(data)), model, `seed ${seed}`);
    }
    await log.close();
  }
});

/** A stream into a log, of which each durable index is a promise. */
const TRIAL = {
  run: async (fileSystem: FileSystem, promise: (index: number) => void): Promise<void> => {
    const log = await Wal.open(PATH, { fileSystem, segmentSize: 512 });
    const writer = writable(log, { ahead: 100 }).getWriter();
    try {
      for (let n = 1; n <= 12; n++) {
        await writer.write([new Uint8Array(20).fill(n), new Uint8Array(20).fill(n)]);
        if (log.durableIndex > 0) promise(log.durableIndex);
      }
      await writer.close();
      promise(log.lastIndex);
    } finally {
      await log.close();
    }
  },
  check: async (fileSystem: FileSystem, promised: readonly number[]): Promise<void> => {
    const log = await Wal.open(PATH, { fileSystem, segmentSize: 512 });
    assert(log.lastIndex >= (promised.at(-1) ?? 0), "a durable entry is gone");
    assertEquals(log.lastIndex % 2, 0, "half a batch");
    for (const { index, data } of log.entries()) assertEquals(data[0], Math.ceil(index / 2));
    await log.close();
  },
};

test("after any crash or fault a stream's entries are a prefix with all that were durable", async () => {
  const crashes = await exploreCrashes<number>(TRIAL, { statesPerCrash: 16 });
  const faults = await exploreFaults<number>(TRIAL, { statesPerCrash: 2 });
  assert(crashes.states > 200 && faults.states > 300, `${crashes.states}, ${faults.states}`);
});

async function hundred(fileSystem?: FileSystem): Promise<Wal> {
  const log = await Wal.open(PATH, {
    fileSystem: fileSystem ?? new MemoryFileSystem(),
    segmentSize: 512,
  });
  for (let n = 1; n <= 100; n++) log.append(new Uint8Array(10).fill(n));
  await log.sync();
  return log;
}

test("a stream of a range has its entries, one by one or in arrays", async () => {
  const log = await hundred();
  const indexes = async (options?: ReadableOptions): Promise<number[]> =>
    (await all(readable(log, options))).map(({ index }) => index);
  assertEquals((await indexes()).length, 100);
  assertEquals(await indexes({ from: 98 }), [98, 99, 100]);
  assertEquals(await indexes({ from: 3, to: 5, follow: false }), [3, 4, 5]);
  assertEquals(await indexes({ from: 101 }), []);
  const arrays = await all(readable(log, { from: 10, size: 40 }));
  assertEquals(arrays.map((some) => some.length), [40, 40, 11]);
  assertEquals(arrays[0]?.[0], [...log.entries({ from: 10, to: 10 })][0]);
  await log.close();
});

test("a damaged entry errors a stream of arrays after the whole entries before it", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await inMemory(fileSystem);
  await log.appendBatchAndSync(["first", "second", "third"].map(bytes));
  const file = fileSystem.open(PATH, "write");
  const content = new Uint8Array(file.size());
  file.read(content, 0);
  file.write(bytes("T"), text(content).indexOf("third"));
  file.close();
  const reader = readable(log, { size: 64 }).getReader();
  const { value } = await reader.read();
  assertEquals(value?.map(({ data }) => text(data)), ["first", "second"]);
  assertEquals(await codeOf(reader.read()), "ERR_WAL_CORRUPT");
  await log.close();
});

test("nothing is read before it is asked for", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const log = await hundred(fileSystem);
  const reads = fileSystem.count("read");
  const stream = readable(log);
  await pause(5);
  assertEquals(fileSystem.count("read"), reads);
  const reader = stream.getReader();
  await reader.read();
  assert(fileSystem.count("read") > reads);
  await reader.cancel();
  await log.close();
});

test("a stream that follows waits for more, and ends with the log", async () => {
  const log = await hundred();
  const reader = readable(log, { follow: true, from: 100 }).getReader();
  assertEquals((await reader.read()).value?.index, 100);
  const next = reader.read();
  await log.appendAndSync(bytes("more"));
  assertEquals((await next).value?.index, 101);
  const last = reader.read();
  await pause(1);
  await log.close();
  assertEquals((await last).done, true);
});

test("arrays of a stream that follows have what is there, and do not wait for more", async () => {
  const log = await hundred();
  const reader = readable(log, { follow: true, size: 64 }).getReader();
  const sizes = [(await reader.read()).value?.length, (await reader.read()).value?.length];
  assertEquals(sizes, [64, 36]);
  const next = reader.read();
  await pause(1);
  await log.appendBatchAndSync([bytes("a"), bytes("b")]);
  const { value = [] } = await next;
  const rest = value.length === 2 ? [] : (await reader.read()).value ?? [];
  assertEquals([...value, ...rest].map(({ index }) => index), [101, 102]);
  await reader.cancel();
  await log.close();
});

test("an abort and a truncation that overtakes error a stream that follows", async () => {
  const log = await hundred();
  const controller = new AbortController();
  const aborted = readable(log, { follow: true, from: 101, signal: controller.signal }).getReader();
  const waiting = aborted.read();
  const reason = new Error("enough");
  controller.abort(reason);
  assertEquals(await assertRejects(() => waiting), reason);
  const overtaken = readable(log, { follow: true, size: 2 }).getReader();
  await overtaken.read();
  await log.truncateBeforeIndex(90);
  assertEquals(await codeOf(overtaken.read()), "ERR_WAL_INDEX_OUT_OF_RANGE");
  await log.close();
});

test("cancel gives the follower back", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await hundred(fileSystem);
  const reader = await Wal.open(PATH, { fileSystem, readOnly: true });
  const stream = readable(reader, { follow: true, from: 101 }).getReader();
  const waiting = stream.read();
  await pause(5);
  await stream.cancel();
  assertEquals((await waiting).done, true);
  await reader.close();
  await log.close();
});

test("options of a stream that make no sense are refused at once", async () => {
  const log = await hundred();
  const wrong: readonly unknown[] = [
    { size: 0 },
    { size: 65 },
    { size: "2" },
    { follow: "yes" },
    { signal: AbortSignal.timeout(1000) },
    { follow: true, to: 5 },
    { from: 102 },
    { from: 0, follow: true },
    "all",
    null,
  ];
  for (const options of wrong) {
    assertThrows(() => readable(log, options as ReadableOptions), WalError);
  }
  await log.close();
});

test("one log is copied into another by its streams", async () => {
  const from = await hundred();
  const to = await Wal.open("b.wal", { fileSystem: new MemoryFileSystem() });
  const datas = new TransformStream<readonly { data: Uint8Array }[], Uint8Array[]>({
    transform: (entries, controller) => controller.enqueue(entries.map(({ data }) => data)),
  });
  await readable(from, { size: 64 }).pipeThrough(datas).pipeTo(writable(to));
  assertEquals(to.readAll(), from.readAll());
  assertEquals(to.durableIndex, 100);
  await from.close();
  await to.close();
});
