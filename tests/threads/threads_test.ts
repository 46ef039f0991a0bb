/**
 * A log that threads of one process share by ports: each call and its errors, group commit across
 * threads, the ends of either side, and the limit of what is on its way.
 *
 * @module
 */
import { test } from "node:test";
import { join } from "node:path";
import { MessageChannel as NodeChannel, Worker } from "node:worker_threads";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { CorruptionError, SyncFailedError, Wal, WalError } from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { FaultyFileSystem } from "../../src/testing/faulty_file_system.ts";
import { below, seededRandom } from "../../src/testing/random.ts";
import {
  connect,
  type ConnectOptions,
  type RemoteWal,
  serve,
  type Serving,
  type ThreadPort,
} from "../../src/threads/threads.ts";
import { bytes, text } from "../../kit/logs.ts";
import { withFolder } from "../../kit/temporary.ts";

const PATH = "a.wal";

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return (await assertRejects(() => promise, WalError)).code;
}

/** A log, and the same through a port. */
interface Served {
  readonly log: Wal;
  readonly remote: RemoteWal;
  readonly serving: Serving;
  readonly close: () => Promise<void>;
}

async function served(
  fileSystem: FaultyFileSystem = new FaultyFileSystem(new MemoryFileSystem()),
  options: ConnectOptions = {},
): Promise<Served> {
  const log = await Wal.open(PATH, { fileSystem, segmentSize: 64 * 1024 });
  const { port1, port2 } = new MessageChannel();
  const serving = serve(log, port1);
  const remote = await connect(port2, options);
  const close = async (): Promise<void> => {
    await remote.close();
    await serving.closed;
    await log.close();
  };
  return { log, remote, serving, close };
}

test("every call of a log is one of its remote", async () => {
  const { log, remote, close } = await served();
  assertEquals(remote.path, log.path);
  assertEquals(await remote.append(bytes("a")), 1);
  assertEquals([remote.lastIndex, remote.durableIndex], [1, 0]);
  assertEquals(await remote.appendBatch([bytes("b"), bytes("c")]), { firstIndex: 2, lastIndex: 3 });
  await remote.sync();
  assertEquals([log.durableIndex, remote.durableIndex], [3, 3]);
  assertEquals(await remote.appendAndSync(bytes("")), 4);
  const range = await remote.appendBatchAndSync([bytes("d"), bytes("e")]);
  assertEquals([range, log.durableIndex], [{ firstIndex: 5, lastIndex: 6 }, 6]);
  assertEquals(text(await remote.getEntry(3)), "c");
  const entries = [];
  for await (const entry of remote.entries()) entries.push(entry);
  assertEquals(entries.map(({ index, data, endsBatch }) => [index, text(data), endsBatch]), [
    [1, "a", true],
    [2, "b", false],
    [3, "c", true],
    [4, "", true],
    [5, "d", false],
    [6, "e", true],
  ]);
  await log.truncateBeforeIndex(4);
  assertEquals(remote.firstIndex, 1, "as the last answer told");
  await remote.refresh();
  assertEquals(remote.firstIndex, 4);
  await close();
});

test("ports of node:worker_threads do as those of the web", async () => {
  const log = await Wal.open(PATH, { fileSystem: new MemoryFileSystem() });
  const { port1, port2 } = new NodeChannel();
  const serving = serve(log, port1);
  const remote = await connect(port2);
  assertEquals(await remote.appendAndSync(bytes("a")), 1);
  await remote.close();
  await serving.closed;
  await log.close();
});

test("the order of calls is that of the entries, and those of one turn share a sync", async () => {
  const { log, remote, close } = await served();
  const syncs = log.stats().syncs;
  const indexes = await Promise.all(
    Array.from({ length: 200 }, (_, n) => remote.appendAndSync(bytes(`${n}`))),
  );
  assertEquals(indexes, Array.from({ length: 200 }, (_, n) => n + 1));
  assertEquals(log.readAll().map(text), Array.from({ length: 200 }, (_, n) => `${n}`));
  assertEquals(log.stats().syncs - syncs, 1);
  await close();
});

test("a caller's memory is its own again once the call has resolved, and an entry is not shared", async () => {
  const { log, remote, close } = await served();
  const pool = new Uint8Array(1000).fill(1);
  await remote.append(pool.subarray(10, 20));
  pool.fill(2);
  assertEquals(pool.length, 1000, "it did not go over");
  assertEquals(log.getEntry(1), new Uint8Array(10).fill(1));
  const entry = await remote.getEntry(1);
  entry.fill(9);
  assertEquals(log.getEntry(1), new Uint8Array(10).fill(1));
  await close();
});

test("entries come in pieces, also large ones, and end where a truncation has dropped the rest", async () => {
  const { log, remote, close } = await served();
  for (let n = 1; n <= 30; n++) log.append(new Uint8Array(40_000).fill(n));
  log.append(new Uint8Array(600_000));
  const seen: number[] = [];
  for await (const { index, data } of remote.entries({ from: 2 })) {
    if (index <= 30) assertEquals([data.length, data[0]], [40_000, index]);
    seen.push(index);
  }
  assertEquals(seen, Array.from({ length: 30 }, (_, n) => n + 2));
  const cut: number[] = [];
  for await (const { index } of remote.entries({ to: 29 })) {
    cut.push(index);
    if (index === 1) await log.truncateFromIndex(12);
  }
  assert(cut.length < 12 && cut.length >= 7, `${cut.length}`);
  const none: number[] = [];
  for await (const { index } of remote.entries({ from: 12 })) none.push(index);
  assertEquals(none, []);
  const overtaken = async (): Promise<void> => {
    for await (const { index } of remote.entries()) {
      if (index === 1) await log.truncateBeforeIndex(11);
    }
  };
  assertEquals(await codeOf(overtaken()), "ERR_WAL_INDEX_OUT_OF_RANGE");
  await close();
});

test("errors come over with their class, code, fields and cause", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const { log, remote, close } = await served(fileSystem);
  await remote.appendAndSync(bytes("first"));
  assertEquals(await codeOf(remote.getEntry(2)), "ERR_WAL_INDEX_OUT_OF_RANGE");
  const beyond = remote.entries({ from: 9 }).next();
  assertEquals(await codeOf(beyond), "ERR_WAL_INDEX_OUT_OF_RANGE");
  const large = remote.append(new Uint8Array(11 * 1024 * 1024));
  assertEquals(await codeOf(large), "ERR_WAL_ENTRY_TOO_LARGE");
  const batch = remote.appendBatch([new Uint8Array(50_000), new Uint8Array(50_000)]);
  assertEquals(await codeOf(batch), "ERR_WAL_BATCH_TOO_LARGE");
  fileSystem.fail("write", "ENOSPC");
  const full = await assertRejects(() => remote.append(bytes("x")), WalError);
  assertEquals(full.code, "ERR_WAL_WRITE_FAILED");
  assertEquals((full.cause as { code?: string }).code, "ENOSPC");

  const file = fileSystem.open(PATH, "write");
  const all = new Uint8Array(file.size());
  file.read(all, 0);
  file.write(bytes("F"), text(all).indexOf("first"));
  file.close();
  const corrupt = await assertRejects(() => remote.getEntry(1), CorruptionError);
  assertEquals([corrupt.firstIndexAtRisk, corrupt.path], [1, PATH]);

  fileSystem.fail("syncData", "EIO");
  const failed = await assertRejects(() => remote.appendAndSync(bytes("y")), SyncFailedError);
  const own = await assertRejects(() => log.sync(), SyncFailedError);
  assertEquals([failed.message, failed.durableIndex], [own.message, own.durableIndex]);
  assertInstanceOf(failed.cause, Error);
  await close();
});

test("wrong arguments are refused here, and change nothing there", async () => {
  const { log, remote, close } = await served();
  const wrong: readonly (() => Promise<unknown>)[] = [
    () => remote.append("text" as unknown as Uint8Array),
    () => remote.appendAndSync(undefined as unknown as Uint8Array),
    () => remote.appendBatch([]),
    () => remote.appendBatchAndSync([bytes("a"), 5 as unknown as Uint8Array]),
    () => remote.getEntry("1" as unknown as number),
    () => remote.entries({ from: Promise.resolve(1) as unknown as number }).next(),
    () => remote.entries({ to: (() => 1) as unknown as number }).next(),
    () => remote.entries({ form: 1 } as unknown as { from: number }).next(),
  ];
  for (const call of wrong) assertEquals(await codeOf(call()), "ERR_WAL_INVALID_ARGUMENT");
  assertEquals(log.lastIndex, 0);
  assertThrows(() => serve(log, {} as ThreadPort), WalError);
  assertEquals(await codeOf(connect(5 as unknown as ThreadPort)), "ERR_WAL_INVALID_ARGUMENT");
  const { port1, port2 } = new MessageChannel();
  const options = { inFlight: 0 };
  assertEquals(await codeOf(connect(port1, options)), "ERR_WAL_INVALID_ARGUMENT");
  port1.close();
  port2.close();
  await close();
});

test("an entry that was transferred while its call waited is refused alone", async () => {
  const { log, remote, close } = await served(undefined, { inFlight: 100 });
  const lent = new Uint8Array(4);
  const calls = [
    remote.append(new Uint8Array(200)),
    remote.append(lent),
    remote.append(bytes("b")),
    remote.appendBatch([bytes("c"), bytes("d")]),
  ] as const;
  structuredClone(lent, { transfer: [lent.buffer] });
  const [first, refused, ...rest] = calls;
  assertEquals(await codeOf(refused), "ERR_WAL_INVALID_ARGUMENT");
  assertEquals([await first, await rest[0], (await rest[1]).lastIndex], [1, 2, 4]);
  assertEquals(log.readAll().slice(1).map(text), ["b", "c", "d"]);
  await close();
});

test("a message that does not go over rejects its calls, and the next is sent", async () => {
  const log = await Wal.open(PATH, { fileSystem: new MemoryFileSystem() });
  const { port1, port2 } = new MessageChannel();
  const serving = serve(log, port1);
  let isBroken = false;
  const breaking: ThreadPort = {
    postMessage: (message, transfer) => {
      if (isBroken) throw new TypeError("it does not go over");
      port2.postMessage(message, transfer);
    },
    addEventListener: (type, listener) => port2.addEventListener(type, listener),
    removeEventListener: (type, listener) => port2.removeEventListener(type, listener),
    start: () => port2.start(),
    close: () => port2.close(),
  };
  const remote = await connect(breaking);
  isBroken = true;
  await assertRejects(() => remote.append(bytes("a")), TypeError);
  isBroken = false;
  assertEquals(await remote.append(bytes("b")), 1);
  await remote.close();
  await serving.closed;
  await log.close();
});

test("of a message that is short of bytes nothing is appended", async () => {
  const log = await Wal.open(PATH, { fileSystem: new MemoryFileSystem() });
  const { port1, port2 } = new MessageChannel();
  const serving = serve(log, port1);
  const calls = [5, 1].map((size, n) => ({ id: 100 + n, request: { kind: "append", size } }));
  port2.postMessage({ protocol: "@durable/wal 1", calls, bytes: new Uint8Array(4) });
  const remote = await connect(port2);
  assertEquals(remote.lastIndex, 0);
  await remote.close();
  await serving.closed;
  await log.close();
});

test("messages of others on the port are left alone", async () => {
  const log = await Wal.open(PATH, { fileSystem: new MemoryFileSystem() });
  const { port1, port2 } = new MessageChannel();
  const serving = serve(log, port1);
  for (const message of ["hello", null, { protocol: "other", calls: [] }, 5]) {
    port2.postMessage(message);
  }
  const remote = await connect(port2);
  port1.postMessage({ protocol: "other", answers: [] });
  assertEquals(await remote.append(bytes("a")), 1);
  await remote.close();
  await serving.closed;
  await log.close();
});

test("no more bytes are on their way than allowed, and one call always is", async () => {
  const { log, remote, close } = await served(undefined, { inFlight: 1000 });
  assertEquals(await remote.append(new Uint8Array(5000)), 1);
  const appended: number[] = [];
  const calls = Array.from(
    { length: 50 },
    (_, n) => remote.append(new Uint8Array(300).fill(n)).then((index) => appended.push(index)),
  );
  // Those that wait were not copied yet, and go over in order.
  await Promise.all(calls);
  assertEquals(appended, Array.from({ length: 50 }, (_, n) => n + 2));
  assertEquals(log.getEntry(51)[0], 49);
  const reads = await Promise.all(Array.from({ length: 20 }, (_, n) => remote.getEntry(n + 2)));
  assertEquals(reads.map(([first]) => first), Array.from({ length: 20 }, (_, n) => n));
  await close();
});

test("a port sends no message that is larger than what may be on its way", async () => {
  const log = await Wal.open(PATH, { fileSystem: new MemoryFileSystem() });
  const { port1, port2 } = new MessageChannel();
  serve(log, port1);
  const sizes: number[] = [];
  const watched: ThreadPort = {
    postMessage: (message, transfer) => {
      sizes.push((message as { bytes: Uint8Array }).bytes.length);
      port2.postMessage(message, transfer);
    },
    addEventListener: (type, listener) => port2.addEventListener(type, listener),
    removeEventListener: (type, listener) => port2.removeEventListener(type, listener),
    start: () => port2.start(),
    close: () => port2.close(),
  };
  const remote = await connect(watched, { inFlight: 10_000 });
  await Promise.all(Array.from({ length: 100 }, () => remote.append(new Uint8Array(1000))));
  await remote.close();
  await log.close();
  assert(Math.max(...sizes) <= 10_000, `${Math.max(...sizes)} bytes`);
  assert(sizes.length < 60, `${sizes.length} messages`);
});

test("a log that is closed answers what was asked before, and refuses the rest", async () => {
  const { log, remote, serving } = await served();
  const before = Array.from({ length: 20 }, (_, n) => remote.appendAndSync(bytes(`${n}`)));
  while (log.lastIndex === 0) await pause(0);
  const closing = log.close();
  const indexes = await Promise.all(before);
  assertEquals(indexes.length, 20);
  await closing;
  assertEquals(await codeOf(remote.append(bytes("late"))), "ERR_WAL_CLOSED");
  await remote.close();
  await serving.closed;
});

test("a server that stops answers what it has, refuses what comes, and ends the remote", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const { log, remote, serving } = await served(fileSystem);
  const gate = Promise.withResolvers<void>();
  fileSystem.delay("syncData", () => gate.promise);
  const before = remote.appendAndSync(bytes("a"));
  while (fileSystem.count("syncData") === 0) await pause(0);
  const stopping = serving.close();
  const refused = codeOf(remote.append(bytes("b")));
  await pause(10);
  gate.resolve();
  assertEquals(await before, 1);
  assertEquals(await refused, "ERR_WAL_CLOSED");
  await stopping;
  await pause(10);
  assertEquals(await codeOf(remote.sync()), "ERR_WAL_CLOSED");
  await remote.close();
  assertEquals(log.append(bytes("c")), 2, "the log stays open");
  await log.close();
});

test("a remote that is closed has its calls answered first, and takes no more", async () => {
  const { log, remote, serving } = await served();
  const calls = Array.from({ length: 5 }, (_, n) => remote.appendAndSync(bytes(`${n}`)));
  const closing = remote.close();
  assertEquals(await codeOf(remote.append(bytes("late"))), "ERR_WAL_CLOSED");
  assertEquals(await Promise.all(calls), [1, 2, 3, 4, 5]);
  await closing;
  await remote.close();
  await serving.closed;
  await serving.close();
  assertEquals(log.lastIndex, 5);
  await log.close();
});

/** Runs threads that use a log. */
async function runWorkers(
  log: Wal,
  tasks: readonly { readonly count: number; readonly way: string }[],
): Promise<void> {
  await Promise.all(tasks.map(async (task, i) => {
    const { port1, port2 } = new NodeChannel();
    const serving = serve(log, port1);
    const worker = new Worker(new URL("../support/thread_worker.ts", import.meta.url), {
      workerData: { ...task, port: port2, name: `w${i}` },
      transferList: [port2],
    });
    await new Promise<void>((resolve, reject) => {
      worker.once("error", reject);
      worker.once("exit", () => resolve());
    });
    await Promise.race([serving.closed, pause(500)]);
    await serving.close();
  }));
}

test("threads append to one log: all entries once, each thread's in order, syncs shared", async () => {
  await withFolder(async (folder) => {
    const log = await Wal.open(join(folder, "a.wal"), { segmentSize: 16 * 1024 });
    const ways = ["durable", "plain", "batches"];
    await runWorkers(log, ways.map((way) => ({ count: 400, way })));
    assertEquals([log.lastIndex, log.durableIndex], [1200, 1200]);
    const next = [0, 0, 0];
    for (const { data, endsBatch } of log.entries()) {
      const [name = "", n = ""] = text(data).split(" ");
      const thread = Number(name.slice(1));
      assertEquals(Number(n), next[thread]);
      if (thread === 2) assertEquals(endsBatch, Number(n) % 2 === 1);
      next[thread] = Number(n) + 1;
    }
    assertEquals(next, [400, 400, 400]);
    // 25 groups of the first thread and 200 batches of the last, if none shared a sync.
    assert(log.stats().syncs < 400, `${log.stats().syncs} syncs`);
    await log.close();
  });
});

test("when a thread ends, what it had sent is appended, and the log stays usable", async () => {
  await withFolder(async (folder) => {
    const log = await Wal.open(join(folder, "a.wal"));
    await runWorkers(log, [{ count: 100, way: "die" }, { count: 50, way: "leave" }]);
    const words = log.readAll().map(text);
    for (const [name, count] of [["w0", 100], ["w1", 50]] as const) {
      const own = words.filter((word) => word.startsWith(name));
      assertEquals(own, Array.from({ length: count }, (_, n) => `${name} ${n}`));
    }
    assertEquals(await log.appendAndSync(bytes("on")), 151);
    await log.close();
  });
});

test("random calls of several remotes leave what a plain array has", async () => {
  for (let seed = 1; seed <= 8; seed++) {
    const random = seededRandom(seed);
    const log = await Wal.open(PATH, { fileSystem: new MemoryFileSystem(), segmentSize: 700 });
    const remotes = await Promise.all([1, 2, 3].map(async () => {
      const { port1, port2 } = new MessageChannel();
      serve(log, port1);
      return await connect(port2, { inFlight: 200 });
    }));
    const model = new Map<number, string>();
    const calls: Promise<unknown>[] = [];
    for (let step = 0; step < 150; step++) {
      const remote = remotes[below(random, 3)] as RemoteWal;
      const word = `${seed}.${step}`;
      switch (below(random, 5)) {
        case 0:
          calls.push(remote.append(bytes(word)).then((index) => model.set(index, word)));
          break;
        case 1:
          calls.push(
            remote.appendAndSync(bytes(word)).then((index) => {
              assert(log.durableIndex >= index);
              model.set(index, word);
            }),
          );
          break;
        case 2:
          calls.push(
            remote.appendBatch([bytes(word), bytes(`${word}b`)]).then((range) => {
              model.set(range.firstIndex, word);
              model.set(range.lastIndex, `${word}b`);
            }),
          );
          break;
        case 3:
          calls.push(remote.sync());
          break;
        case 4:
          await Promise.all(calls);
          for await (const { index, data } of remote.entries()) {
            assertEquals(text(data), model.get(index));
          }
          assertEquals(log.lastIndex, model.size);
      }
    }
    await Promise.all(calls);
    assertEquals(
      log.readAll().map(text),
      Array.from(model.keys()).toSorted((a, b) => a - b).map(
        (index) => model.get(index),
      ),
    );
    await Promise.all(remotes.map((remote) => remote.close()));
    await log.close();
  }
});

test("an error that is none of the log's keeps its message", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const { log, remote, close } = await served(fileSystem);
  log.append(bytes("a"));
  Object.defineProperty(log, "getEntry", {
    value: () => {
      throw new TypeError("a defect");
    },
  });
  const error = await assertRejects(() => remote.getEntry(1));
  assertInstanceOf(error, Error);
  assertStringIncludes(error.message, "a defect");
  await close();
});
