/**
 * The space of what is done comes back, what is not done survives it, and an open reads the records
 * after the checkpoint only.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { test } from "node:test";
import { type FileSystem, Wal, WalError } from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { clock as runtimeClock } from "../../src/fs/clock.ts";
import { readTag } from "../../src/layer/tag.ts";
import { loadState } from "../../src/queue/load.ts";
import { type Consumer, Queue, type QueueOptions, text } from "../../src/queue/queue.ts";
import { CrashFileSystem } from "../../src/testing/crash_file_system.ts";
import { FaultyFileSystem } from "../../src/testing/faulty_file_system.ts";
import { withLog } from "../../kit/logs.ts";
import { ManualQueueClock } from "../../kit/queue_clock.ts";

const PATH = "a.wal";

function open(
  fileSystem: FileSystem,
  options: Partial<QueueOptions<string>> = {},
): Promise<Queue<string>> {
  return Queue.open<string>(PATH, { codec: text(), fileSystem, segmentSize: 1024, ...options });
}

/** The sizes of the log's files together. */
function sizeOf(fileSystem: FileSystem): number {
  return fileSystem.list(".").filter((name) => name.startsWith(PATH) && !name.endsWith(".meta"))
    .map((name) => {
      const file = fileSystem.open(name, "read");
      const size = file.size();
      file.close();
      return size;
    })
    .reduce((all, size) => all + size, 0);
}

async function ackAll(consumer: Consumer<string>): Promise<void> {
  await Promise.all(consumer.reserve(Infinity).map((job) => job.ack()));
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await runtimeClock.endOfTurn();
}

test("a queue whose messages are done stays small by itself", async () => {
  const fileSystem = new MemoryFileSystem();
  const queue = await open(fileSystem, { preallocate: 0 });
  const consumer = queue.consumer("a");
  let largest = 0;
  for (let i = 0; i < 300; i++) {
    await queue.enqueue([`${i}`.padEnd(100)]);
    await ackAll(consumer);
    largest = Math.max(largest, sizeOf(fileSystem));
  }
  assert(largest < 12 * 1024, `${largest} bytes at the most`);
  await queue.close();
});

test("a message that is never done does not pin the log, and neither does a dead letter", async () => {
  const fileSystem = new MemoryFileSystem();
  const queue = await open(fileSystem, { preallocate: 0 });
  const consumer = queue.consumer("a");
  const kept = await queue.enqueue(["kept"]);
  const dead = await queue.enqueue(["dead"]);
  const [held, other] = consumer.reserve(2);
  await other?.bury("no");
  let largest = 0;
  for (let i = 0; i < 300; i++) {
    await queue.enqueue([`${i}`.padEnd(100)]);
    await ackAll(consumer);
    largest = Math.max(largest, sizeOf(fileSystem));
  }
  assert(largest < 12 * 1024, `${largest} bytes at the most`);
  assertEquals([held?.index, held?.value, held?.signal.aborted], [kept, "kept", false]);
  await held?.retry({ delay: 0 });
  await queue.close();

  await using again = await open(fileSystem);
  const later = again.consumer("a");
  const [job] = later.reserve();
  assertEquals([job?.index, job?.value, job?.attempt], [kept, "kept", 2]);
  const [letter] = later.dead();
  assertEquals([letter?.index, letter?.value, letter?.reason], [dead, "dead", "no"]);
  await job?.ack();
  await later.discard(dead);
  assertEquals([later.lag, [...later.dead()]], [0, []]);
});

test("compact leaves the messages that matter, with their attempts, delays, keys and consumers", async () => {
  const fileSystem = new MemoryFileSystem();
  const queue = await open(fileSystem);
  const [a, b] = [queue.consumer("a"), queue.consumer("b")];
  await queue.enqueue(["1", "2", "3"], { key: "k" });
  await queue.enqueue(["later"], { delay: 3_600_000 });
  const [one, two] = a.reserve(2);
  await one?.ack();
  await two?.retry({ delay: 0 });
  await Promise.all(b.reserve(2).map((job) => job.ack()));
  for (let times = 0; times < 3; times++) await queue.compact();
  assertEquals([a.lag, b.lag], [3, 2]);
  await queue.close();
  await withLog(PATH, { fileSystem }, (log) => {
    assert(log.firstIndex > 10, `the log begins with entry ${log.firstIndex}`);
  });

  await using again = await open(fileSystem);
  assertEquals(again.consumers, ["a", "b"]);
  const found = ["a", "b"].map((name) =>
    again.consumer(name).reserve(9).map(({ index, value, attempt }) => [index, value, attempt])
  );
  assertEquals(found, [[[4, "2", 2], [5, "3", 1]], [[5, "3", 1]]]);
  assertEquals(await again.enqueue(["again"], { key: "k" }), 3);
  assertEquals(["a", "b"].map((name) => again.consumer(name).lag), [3, 2]);
});

test("a checkpoint that is larger than an entry may be has several parts", async () => {
  const fileSystem = new MemoryFileSystem();
  const options = { maxEntrySize: 100 };
  const queue = await open(fileSystem, options);
  const consumer = queue.consumer("a");
  const values = Array.from({ length: 200 }, (_, i) => String(i));
  for (const value of values) await queue.enqueue([value], { key: `key ${value}` });
  await queue.compact();
  await queue.close();
  assertEquals(consumer.lag, 200);
  await using again = await open(fileSystem, options);
  const later = again.consumer("a");
  const found: string[] = [];
  while (found.length < 200) found.push(...later.reserve(Infinity).map(({ value }) => value));
  assertEquals(found, values);
  assertEquals(await again.enqueue(["no"], { key: "key 7" }), 9);
});

test("an open reads the checkpoint and what is after it, and none of what is before", async () => {
  const fileSystem = new MemoryFileSystem();
  const queue = await open(fileSystem, { segmentSize: 1024 * 1024 });
  queue.consumer("a");
  for (let i = 0; i < 50; i++) await queue.enqueue([String(i)]);
  await queue.compact();
  await queue.enqueue(["after"]);
  await queue.close();
  const log = await Wal.open(PATH, { fileSystem });
  const read: number[] = [];
  const replay = log.replay.bind(log);
  log.replay = (visit, range) =>
    replay((entry) => {
      read.push(entry.index);
      visit(entry);
    }, range);
  const state = loadState(log, readTag(log.state)?.own ?? new Uint8Array(), 10);
  assertEquals([read, state.messages.size], [[log.lastIndex], 51]);
  await log.close();
});

test("messages are delivered and acknowledged while others are copied", async () => {
  const fileSystem = new MemoryFileSystem();
  const queue = await open(fileSystem, { segmentSize: 1024 * 1024 });
  const consumer = queue.consumer("a");
  const value = "x".repeat(100 * 1024);
  for (let i = 0; i < 20; i++) await queue.enqueue([`${i} ${value}`]);
  const compacted = queue.compact();
  await turns(2);
  const jobs = consumer.reserve(9);
  await Promise.all(jobs.map((job) => job.ack()));
  await compacted;
  const rest = consumer.reserve(99);
  const numbers = [...jobs, ...rest].map((job) => Number(job.value.split(" ")[0]));
  assertEquals(numbers, Array.from({ length: 20 }, (_, i) => i));
  await queue.close();
});

test("a full disk during a compaction loses nothing", async () => {
  const codes = new Set<unknown>();
  for (let after = 0; after < 12; after++) {
    const disk = new MemoryFileSystem();
    const fileSystem = new FaultyFileSystem(disk);
    const queue = await open(fileSystem);
    const consumer = queue.consumer("a");
    await queue.enqueue(["1", "2", "3"]);
    await consumer.reserve()[0]?.ack();
    fileSystem.fail("write", "ENOSPC", { after });
    const failure = await queue.compact().then(() => undefined, (error: unknown) => error);
    const code = failure instanceof WalError ? failure.code : failure;
    codes.add(code);
    // A log whose meta file could not be written to has ended.
    if (code === "ERR_WAL_WRITE_FAILED") await queue.compact();
    await queue.close();
    await using again = await open(disk);
    const jobs = again.consumer("a").reserve(9);
    assertEquals(jobs.map(({ value }) => value), ["2", "3"], `after ${after}`);
  }
  const wanted = ["ERR_WAL_WRITE_FAILED", "ERR_WAL_SYNC_FAILED", undefined];
  assertEquals([...codes], wanted);
});

test("a sync that fails during a compaction ends the queue, and loses nothing", async () => {
  const disk = new CrashFileSystem();
  const fileSystem = new FaultyFileSystem(disk);
  const queue = await open(fileSystem);
  const consumer = queue.consumer("a");
  await queue.enqueue(["1", "2"]);
  await consumer.reserve()[0]?.ack();
  fileSystem.fail("syncData", "EIO");
  const error = await assertRejects(() => queue.compact(), WalError);
  assertEquals(error.code, "ERR_WAL_SYNC_FAILED");
  await queue.close();
  disk.kill();
  await using again = await open(disk);
  assertEquals(again.consumer("a").reserve(9).map(({ value }) => value), ["2"]);
});

test("a copy is made of what matters only where the log is large beside it", async () => {
  const fileSystem = new MemoryFileSystem();
  const queue = await open(fileSystem);
  queue.consumer("a");
  for (let i = 0; i < 200; i++) await queue.enqueue([`${i}`.padEnd(100)]);
  await turns(20);
  await queue.close();
  await withLog(PATH, { fileSystem }, (log) => {
    // Nothing is done, so nothing can be given back, and nothing was copied.
    assertEquals([log.firstIndex, log.lastIndex], [1, 201]);
  });
});

test("a message is refused that could not be copied, and the largest that can be is carried", async () => {
  const fileSystem = new MemoryFileSystem();
  const queue = await open(fileSystem, { maxEntrySize: 100 });
  const consumer = queue.consumer("a");
  // The kind, the flags and the time are 8 bytes.
  const error = await assertRejects(() => queue.enqueue(["x".repeat(85)]), WalError);
  assertEquals(error.code, "ERR_WAL_ENTRY_TOO_LARGE");
  assert(error.message.includes("the limit is 92"), error.message);
  await queue.enqueue(["x".repeat(84)]);
  await queue.compact();
  await queue.compact();
  assertEquals(consumer.reserve()[0]?.value, "x".repeat(84));
  await queue.close();
});

test("a message that cannot be copied under a smaller limit holds no other back, and compact says so", async () => {
  const fileSystem = new MemoryFileSystem();
  const queue = await open(fileSystem, { maxEntrySize: 100 });
  queue.consumer("a");
  await queue.enqueue(["first"]);
  const large = await queue.enqueue(["x".repeat(84)]);
  await queue.enqueue(["last"]);
  await queue.close();
  const again = await open(fileSystem, { maxEntrySize: 95 });
  const error = await assertRejects(() => again.compact(), WalError);
  assertEquals(error.code, "ERR_WAL_ENTRY_TOO_LARGE");
  assert(error.message.includes(`message ${large} `), error.message);
  await again.close();
  await withLog(PATH, { fileSystem }, (log) => assertEquals(log.firstIndex, large));
  await using later = await open(fileSystem);
  await later.compact();
  const found = later.consumer("a").reserve(9).map(({ value }) => value);
  assertEquals(found, ["first", "x".repeat(84), "last"]);
});

test("a maxEntrySize is refused under which some record cannot be written", async () => {
  const fileSystem = new MemoryFileSystem();
  const error = await assertRejects(() => open(fileSystem, { maxEntrySize: 28 }), WalError);
  assertEquals(error.code, "ERR_WAL_INVALID_ARGUMENT");
  const clock = new ManualQueueClock();
  const options = { maxEntrySize: 29, keys: 0, clock };
  await using queue = await open(fileSystem, options);
  const consumer = queue.consumer("a", { attempts: 2, visibility: 10 });
  await queue.enqueue(["1", "2", "3"]);
  const [first, second] = consumer.reserve(2);
  await first?.retry({ delay: 5 });
  // Of a reason that is too long there is the beginning, in whole characters.
  await second?.bury("1234ö7");
  await clock.pass(10);
  assertEquals(consumer.reserve(9).map(({ value }) => value), ["1", "3"]);
  await clock.pass(10);
  assertEquals(consumer.reserve(9).map(({ value }) => value), ["3"]);
  await clock.pass(10);
  assertEquals(consumer.reserve(), []);
  assertEquals([...consumer.dead()].map(({ reason }) => reason), ["1234ö", "no att", "no att"]);
  await queue.compact();
});
