/**
 * A queue by its public calls: what is enqueued, delivered, settled, and found after a reopening.
 *
 * @module
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { test } from "node:test";
import { type FileSystem, Wal, WalError, type WalErrorCode } from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { clock as runtimeClock } from "../../src/fs/clock.ts";
import {
  type Consumer,
  type Job,
  json,
  Queue,
  type QueueOptions,
  text,
} from "../../src/queue/queue.ts";
import { CrashFileSystem } from "../../src/testing/crash_file_system.ts";
import { FaultyFileSystem } from "../../src/testing/faulty_file_system.ts";
import { withLog } from "../../kit/logs.ts";
import { ManualQueueClock } from "../../kit/queue_clock.ts";

const PATH = "mail.wal";

interface Setup {
  readonly fileSystem: FileSystem;
  readonly clock: ManualQueueClock;
}

function setup(fileSystem: FileSystem = new MemoryFileSystem()): Setup {
  return { fileSystem, clock: new ManualQueueClock() };
}

function open(
  { fileSystem, clock }: Setup,
  options: Partial<QueueOptions<string>> = {},
): Promise<Queue<string>> {
  return Queue.open<string>(PATH, { codec: text(), fileSystem, clock, ...options });
}

function only<T>(jobs: readonly Job<T>[]): Job<T> {
  assertEquals(jobs.length, 1);
  return jobs[0] as Job<T>;
}

/** The values that are ready, which are leased then. */
function ready(consumer: Consumer<string>): string[] {
  return consumer.reserve(Infinity).map(({ value }) => value);
}

async function rejects(code: WalErrorCode, call: () => Promise<unknown>): Promise<void> {
  const error = await assertRejects(call, WalError);
  assertEquals(error.code, code, error.message);
}

function throws(code: WalErrorCode, call: () => unknown): void {
  const error = assertThrows(call, WalError);
  assertEquals(error.code, code, error.message);
}

test("each consumer gets every message once it has come, and none that it has acknowledged", async () => {
  const given = setup();
  const queue = await open(given);
  const [a, b] = [queue.consumer("a"), queue.consumer("b")];
  assertEquals(await queue.enqueue(["1", "2"]), 3);
  assertEquals(await queue.enqueue(["3"]), 5);
  const jobs = a.reserve(10);
  assertEquals(jobs.map(({ index, value, attempt }) => [index, value, attempt]), [
    [3, "1", 1],
    [4, "2", 1],
    [5, "3", 1],
  ]);
  await Promise.all(jobs.slice(0, 2).map((job) => job.ack()));
  assertEquals([a.lag, b.lag], [1, 3]);
  assertEquals(ready(b), ["1", "2", "3"]);
  await queue.close();

  await using again = await open(given);
  assertEquals(again.consumers, ["a", "b"]);
  assertEquals(ready(again.consumer("a")), ["3"]);
  assertEquals(ready(again.consumer("b")), ["1", "2", "3"]);
});

test("acknowledgements of one turn are one write, one record and one sync", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  await using queue = await open(setup(fileSystem));
  const consumer = queue.consumer("a");
  await queue.enqueue(["1", "2", "3"]);
  const jobs = consumer.reserve(3);
  const before = [fileSystem.count("write"), fileSystem.count("syncData")];
  await Promise.all(jobs.map((job) => job.ack()));
  const after = [fileSystem.count("write"), fileSystem.count("syncData")];
  assertEquals(after.map((count, i) => count - (before[i] ?? 0)), [1, 1]);
});

test("calls of enqueue in one turn share a write and a sync, and keep their order", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  await using queue = await open(setup(fileSystem));
  const before = [fileSystem.count("write"), fileSystem.count("syncData")];
  const indexes = await Promise.all(["1", "2", "3"].map((one) => queue.enqueue([one])));
  const after = [fileSystem.count("write"), fileSystem.count("syncData")];
  assertEquals(indexes, [1, 2, 3]);
  assertEquals(after.map((count, i) => count - (before[i] ?? 0)), [1, 1]);
  assertEquals(ready(queue.consumer("a")), ["1", "2", "3"]);
});

test("what is not durable is not delivered", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const given = setup(fileSystem);
  await using queue = await open(given);
  const consumer = queue.consumer("a");
  const { promise: synced, resolve } = Promise.withResolvers<void>();
  fileSystem.delay("syncData", () => synced);
  const enqueued = [queue.enqueue(["1"]), queue.enqueue(["2"], { delay: 1 })];
  while (consumer.lag < 2) await runtimeClock.endOfTurn();
  await given.clock.pass(10);
  const early = ready(consumer);
  resolve();
  await Promise.all(enqueued);
  assertEquals([early, ready(consumer)], [[], ["2", "1"]]);
});

test("the acknowledgement and what follows from it are one atom", async () => {
  const given = setup();
  const queue = await open(given);
  const consumer = queue.consumer("a");
  await queue.enqueue(["1"]);
  await only(consumer.reserve()).ack({ enqueue: ["2", "3"] });
  assertEquals(ready(consumer), ["2", "3"]);
  await queue.close();
  await withLog(PATH, { fileSystem: given.fileSystem }, (log) => {
    assertEquals(log.lastIndex, 7);
  });
});

test("a retried message comes again after its delay, counted, and before those that are fresh", async () => {
  const given = setup();
  await using queue = await open(given);
  const consumer = queue.consumer("a", { backoff: (attempt) => attempt * 1000 });
  await queue.enqueue(["1", "2", "3"]);
  await only(consumer.reserve()).retry();
  await only(consumer.reserve()).retry({ delay: 0 });
  assertEquals(only(consumer.reserve()).value, "2");
  await given.clock.pass(999);
  assertEquals(ready(consumer), ["3"]);
  await given.clock.pass(1);
  const job = only(consumer.reserve(3));
  assertEquals([job.value, job.attempt], ["1", 2]);
});

test("a message whose attempts are spent is a dead letter, and comes again when it is redriven", async () => {
  const given = setup();
  const queue = await open(given);
  const consumer = queue.consumer("a", { attempts: 2, backoff: 0 });
  const index = await queue.enqueue(["1"]);
  await only(consumer.reserve()).retry({ reason: "first" });
  await only(consumer.reserve()).retry({ reason: "second" });
  assertEquals([ready(consumer), consumer.lag, queue.pendingBytes], [[], 0, 0]);
  const time = given.clock.now();
  const letters = [{ index, attempts: 2, reason: "second", time, value: "1" }];
  assertEquals([...consumer.dead()].map((letter) => ({ ...letter, value: letter.value })), letters);
  await queue.close();

  await using again = await open(given);
  const later = again.consumer("a");
  assertEquals([...later.dead()].map((letter) => ({ ...letter, value: letter.value })), letters);
  await rejects("ERR_QUEUE_NOT_DEAD", () => later.redrive(index + 1));
  await later.redrive(index);
  await rejects("ERR_QUEUE_NOT_DEAD", () => later.redrive(index));
  const job = only(later.reserve());
  assertEquals([job.index, job.attempt, [...later.dead()]], [index, 1, []]);
  await job.bury("by hand");
  await later.discard(index);
  assertEquals([[...later.dead()], ready(later)], [[], []]);
});

test("a dead letter that is redriven or discarded twice at once is so once", async () => {
  await using queue = await open(setup());
  const consumer = queue.consumer("a");
  const index = await queue.enqueue(["1", "2"]);
  for (const job of consumer.reserve(2)) await job.bury("no");
  await Promise.all([consumer.redrive(index), consumer.redrive(index)]);
  assertEquals([ready(consumer), consumer.lag], [["1"], 1]);
  await Promise.all([consumer.redrive(index + 1), consumer.discard(index + 1)]);
  assertEquals([ready(consumer), consumer.lag, [...consumer.dead()]], [[], 1, []]);
});

test("an attempt counts that kills the process, and after the last one the message is dead", async () => {
  const disk = new CrashFileSystem();
  const given = setup(disk);
  for (let attempt = 1; attempt <= 3; attempt++) {
    const queue = await open(given);
    const consumer = queue.consumer("a", { attempts: 3 });
    if (attempt === 1) await queue.enqueue(["poison", "good"]);
    assertEquals(only(consumer.reserve()).attempt, attempt);
    disk.kill();
  }
  await using queue = await open(given);
  const consumer = queue.consumer("a", { attempts: 3 });
  assertEquals(ready(consumer), ["good"]);
  assertEquals([...consumer.dead()].map(({ value, attempts }) => [value, attempts]), [[
    "poison",
    3,
  ]]);
});

test("a lease that ends has the message delivered again, and a late acknowledgement changes nothing", async () => {
  const given = setup();
  await using queue = await open(given);
  const consumer = queue.consumer("a", { visibility: 1000 });
  await queue.enqueue(["1"]);
  const late = only(consumer.reserve());
  const { signal } = late;
  await given.clock.pass(999);
  assertEquals([ready(consumer), signal.aborted], [[], false]);
  await given.clock.pass(1);
  assertEquals(signal.aborted, true);
  assertEquals((signal.reason as WalError).code, "ERR_QUEUE_LEASE_LOST");
  await rejects("ERR_QUEUE_LEASE_LOST", () => late.ack());
  await rejects("ERR_QUEUE_LEASE_LOST", () => late.retry());
  await rejects("ERR_QUEUE_LEASE_LOST", () => late.bury("no"));
  throws("ERR_QUEUE_LEASE_LOST", () => late.extend(1));
  const job = only(consumer.reserve());
  await rejects("ERR_QUEUE_LEASE_LOST", () => late.ack());
  assertEquals([job.attempt, consumer.lag], [2, 1]);
  await job.ack();
  assertEquals(consumer.lag, 0);
});

test("a lease ends in time also where no timer could ring", async () => {
  const given = setup();
  await using queue = await open(given);
  const consumer = queue.consumer("a", { visibility: 1000 });
  await queue.enqueue(["1"]);
  const job = only(consumer.reserve());
  const passed = given.clock.pass(2000); // its timers come in a later turn
  await rejects("ERR_QUEUE_LEASE_LOST", () => job.ack());
  assertEquals(only(consumer.reserve()).attempt, 2);
  await passed;
});

test("a lease that is extended lasts longer", async () => {
  const given = setup();
  await using queue = await open(given);
  const consumer = queue.consumer("a", { visibility: 1000 });
  await queue.enqueue(["1"]);
  const job = only(consumer.reserve());
  await given.clock.pass(900);
  job.extend(1000);
  await given.clock.pass(900);
  assertEquals(ready(consumer), []);
  await job.ack();
  assertEquals(consumer.lag, 0);
});

test("a job is settled once", async () => {
  await using queue = await open(setup());
  const consumer = queue.consumer("a");
  await queue.enqueue(["1"]);
  const job = only(consumer.reserve());
  const first = job.ack();
  await rejects("ERR_QUEUE_LEASE_LOST", () => job.ack());
  await first;
  await rejects("ERR_QUEUE_LEASE_LOST", () => job.ack());
  await rejects("ERR_QUEUE_LEASE_LOST", () => job.retry());
  assertEquals(job.signal.aborted, false);
});

test("a lease does not end while what came of the job is on its way to the disk", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const given = setup(fileSystem);
  await using queue = await open(given);
  const consumer = queue.consumer("a", { visibility: 10 });
  await queue.enqueue(["1"]);
  const job = only(consumer.reserve());
  const { signal } = job;
  const { promise: synced, resolve } = Promise.withResolvers<void>();
  fileSystem.delay("syncData", () => synced);
  const enqueued = queue.enqueue(["2"]);
  while (consumer.lag < 2) await runtimeClock.endOfTurn();
  const acked = job.ack(); // waits for the sync that runs
  await given.clock.pass(20);
  const early = [ready(consumer), signal.aborted];
  resolve();
  await Promise.all([acked, enqueued]);
  assertEquals([early, consumer.lag, signal.aborted], [[[], false], 1, false]);
});

test("a delayed message waits, also after a reopening, and a clock that goes back loses none", async () => {
  const given = setup();
  const { clock } = given;
  const start = clock.now();
  const queue = await open(given);
  await queue.enqueue(["later"], { delay: 1000 });
  await queue.enqueue(["now"]);
  const consumer = queue.consumer("a");
  assertEquals(ready(consumer), ["now"]);
  await clock.pass(400);
  await queue.close();

  const second = await open(given);
  assertEquals(ready(second.consumer("a")), ["now"]);
  await clock.pass(599);
  assertEquals(ready(second.consumer("a")), []);
  await second.close();

  clock.setWall(start - 1_000_000_000);
  await using third = await open(given);
  assertEquals(ready(third.consumer("a")), ["now"]);
  await clock.pass(999);
  assertEquals(ready(third.consumer("a")), []);
  clock.setWall(start - 2_000_000_000);
  await clock.pass(1);
  assertEquals(ready(third.consumer("a")), ["later"]);
});

test("a key is enqueued once, whether the first call is done, on its way, or of another process", async () => {
  const given = setup();
  const queue = await open(given);
  const calls = [
    queue.enqueue(["1", "2"], { key: "k" }),
    queue.enqueue(["other"], { key: "k" }),
    queue.enqueue(["3"], { key: "l" }),
  ];
  assertEquals(await Promise.all(calls), [1, 1, 3]);
  assertEquals(await queue.enqueue(["again"], { key: "k" }), 1);
  const jobs = queue.consumer("a").reserve(9);
  assertEquals(jobs.map(({ value }) => value), ["1", "2", "3"]);
  await Promise.all(jobs.map((job) => job.ack()));
  await queue.compact();
  await queue.close();

  await using again = await open(given);
  assertEquals(await again.enqueue(["again"], { key: "k" }), 1);
  assertEquals(await again.enqueue(["again"], { key: "l" }), 3);
  assertEquals(again.consumer("a").lag, 0);
});

test("the keys that are remembered are the last ones", async () => {
  await using queue = await open(setup(), { keys: 2 });
  for (const key of ["a", "b", "c"]) await queue.enqueue([key], { key });
  assertEquals(await queue.enqueue(["b"], { key: "b" }), 2);
  assertEquals(await queue.enqueue(["a"], { key: "a" }), 4);
});

test("the key of a job is the same at each delivery, and of no other message", async () => {
  const given = setup();
  const queue = await open(given);
  await queue.enqueue(["1", "2"], { key: "k" });
  await queue.enqueue(["3"]);
  const keys = queue.consumer("a").reserve(9).map(({ key }) => key);
  assertEquals(keys[0], "k");
  assertEquals(new Set(keys).size, 3);
  await queue.compact();
  await queue.close();
  await using again = await open(given);
  assertEquals(again.consumer("a").reserve(9).map(({ key }) => key), keys);
});

test("a consumer that comes later begins with what is pending, or with what comes", async () => {
  const given = setup();
  const queue = await open(given);
  await queue.enqueue(["1"]);
  const a = queue.consumer("a");
  await queue.enqueue(["2", "3"]);
  await only(a.reserve()).ack();
  await only(a.reserve()).bury("no");
  const now = queue.consumer("now", { from: "now" });
  const first = queue.consumer("first", { from: "first" });
  await queue.enqueue(["4"]);
  assertEquals([ready(a), ready(first), ready(now)], [["3", "4"], ["3", "4"], ["4"]]);
  await queue.close();

  await using again = await open(given);
  assertEquals(ready(again.consumer("now", { from: "first" })), ["4"]);
  assertEquals(ready(again.consumer("first", { from: "now" })), ["3", "4"]);
});

test("the first consumer that begins now drops what waited for one", async () => {
  await using queue = await open(setup());
  await queue.enqueue(["1"]);
  assert(queue.pendingBytes > 0);
  const consumer = queue.consumer("a", { from: "now" });
  assertEquals([consumer.lag, queue.pendingBytes], [0, 0]);
});

test("a consumer that is removed holds nothing back, and its jobs are lost", async () => {
  await using queue = await open(setup());
  const [a, b] = [queue.consumer("a"), queue.consumer("b")];
  await queue.enqueue(["1"]);
  await only(a.reserve()).ack();
  const job = only(b.reserve());
  assertEquals(await queue.removeConsumer("b"), true);
  assertEquals(await queue.removeConsumer("b"), false);
  assertEquals([queue.consumers, queue.pendingBytes], [["a"], 0]);
  await rejects("ERR_QUEUE_LEASE_LOST", () => job.ack());
  throws("ERR_QUEUE_CLOSED", () => b.reserve());
  await rejects("ERR_QUEUE_CLOSED", () => b.run(() => {}));
  assertEquals(queue.consumer("b").lag, 0);
});

test("workers of one name share its messages", async () => {
  await using queue = await open(setup());
  const [one, other] = [queue.consumer("a"), queue.consumer("a")];
  await queue.enqueue(["1", "2", "3"]);
  const jobs = [...one.reserve(), ...other.reserve(), ...one.reserve(9)];
  assertEquals(jobs.map(({ value }) => value), ["1", "2", "3"]);
  await Promise.all(jobs.map((job) => job.ack()));
  assertEquals([one.lag, other.lag], [0, 0]);
});

test("lag and oldest tell how much a consumer has still to do", async () => {
  const given = setup();
  await using queue = await open(given);
  const consumer = queue.consumer("a");
  assertEquals([consumer.lag, consumer.oldest], [0, undefined]);
  const time = given.clock.now();
  await queue.enqueue(["1"]);
  await given.clock.pass(10);
  await queue.enqueue(["2"]);
  assertEquals([consumer.lag, consumer.oldest], [2, time]);
  const job = only(consumer.reserve());
  assertEquals([consumer.lag, job.time], [2, time]);
  await job.ack();
  assertEquals([consumer.lag, consumer.oldest], [1, time + 10]);
});

test("the oldest message is the oldest also after it was redriven", async () => {
  const given = setup();
  await using queue = await open(given);
  const consumer = queue.consumer("a");
  const time = given.clock.now();
  const first = await queue.enqueue(["1"]);
  await given.clock.pass(10);
  await queue.enqueue(["2"]);
  await only(consumer.reserve()).bury("no");
  assertEquals(consumer.oldest, time + 10);
  await consumer.redrive(first);
  assertEquals(consumer.oldest, time);
});

test("enqueue waits for room in its turn, and a signal ends the wait", async () => {
  await using queue = await open(setup(), { maxBytes: 40 });
  const consumer = queue.consumer("a");
  await queue.enqueue(["x".repeat(32)]); // 40 bytes with its header
  const done: string[] = [];
  const enqueue = (value: string, signal?: AbortSignal): Promise<void> =>
    queue.enqueue([value], signal === undefined ? {} : { signal }).then(() =>
      void done.push(value)
    );
  const controller = new AbortController();
  const aborted = enqueue("gone", controller.signal);
  const waiting = [enqueue("a"), enqueue("b")];
  await new Promise((resolve) => setTimeout(resolve, 5));
  assertEquals(done, []);
  controller.abort(new Error("enough"));
  assertEquals((await assertRejects(() => aborted)).message, "enough");
  await only(consumer.reserve()).ack();
  await Promise.all(waiting);
  assertEquals(done, ["a", "b"]);
  assertEquals(ready(consumer), ["a", "b"]);
});

test("a message above maxBytes is let in alone, and acknowledgements do not wait", async () => {
  await using queue = await open(setup(), { maxBytes: 1 });
  const consumer = queue.consumer("a");
  await queue.enqueue(["large"]);
  await only(consumer.reserve()).ack({ enqueue: ["1", "2"] });
  assertEquals(ready(consumer), ["1", "2"]);
});

test("a queue that is closed takes no call, and ends those that wait", async () => {
  const queue = await open(setup(), { maxBytes: 1 });
  const consumer = queue.consumer("a");
  await queue.enqueue(["1"]);
  const job = only(consumer.reserve());
  const waiting = queue.enqueue(["2"]);
  const available = consumer.available();
  await Promise.all([
    rejects("ERR_QUEUE_CLOSED", () => waiting),
    rejects("ERR_QUEUE_CLOSED", () => available),
    queue.close(),
  ]);
  await queue.close();
  await rejects("ERR_QUEUE_CLOSED", () => queue.enqueue(["3"]));
  await rejects("ERR_QUEUE_CLOSED", () => queue.compact());
  await rejects("ERR_QUEUE_CLOSED", () => queue.removeConsumer("a"));
  await rejects("ERR_QUEUE_CLOSED", () => consumer.run(() => {}));
  await rejects("ERR_QUEUE_CLOSED", () => consumer.redrive(1));
  throws("ERR_QUEUE_CLOSED", () => queue.consumer("a"));
  throws("ERR_QUEUE_CLOSED", () => consumer.reserve());
  await rejects("ERR_QUEUE_LEASE_LOST", () => job.ack());
});

test("close waits for what was called before it", async () => {
  const given = setup();
  const queue = await open(given);
  const consumer = queue.consumer("a");
  await queue.enqueue(["1"]);
  const calls = [only(consumer.reserve()).ack(), queue.enqueue(["2"])];
  await queue.close();
  await Promise.all(calls);
  await using again = await open(given);
  assertEquals(ready(again.consumer("a")), ["2"]);
});

test("a full disk refuses what does not fit, and loses nothing", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  await using queue = await open(setup(fileSystem));
  const consumer = queue.consumer("a");
  await queue.enqueue(["1"]);
  fileSystem.fail("write", "ENOSPC");
  throws("ERR_WAL_WRITE_FAILED", () => consumer.reserve());
  const job = only(consumer.reserve());
  assertEquals(job.attempt, 1);
  fileSystem.fail("write", "ENOSPC");
  await rejects("ERR_WAL_WRITE_FAILED", () => job.ack());
  fileSystem.fail("write", "ENOSPC");
  await rejects("ERR_WAL_WRITE_FAILED", () => queue.enqueue(["2"]));
  fileSystem.fail("write", "ENOSPC");
  throws("ERR_WAL_WRITE_FAILED", () => queue.consumer("b"));
  assertEquals([consumer.lag, queue.consumers], [1, ["a"]]);
  await job.ack();
  assertEquals(consumer.lag, 0);
});

test("of calls of one turn that do not all fit, those are written that do", async () => {
  await using queue = await open(setup(), { maxEntrySize: 100 });
  const large = "x".repeat(200);
  const calls = ["1", large, "2", large, "3"].map((value) => queue.enqueue([value]));
  const outcomes = await Promise.allSettled(calls);
  assertEquals(outcomes.map(({ status }) => status), [
    "fulfilled",
    "rejected",
    "fulfilled",
    "rejected",
    "fulfilled",
  ]);
  await rejects("ERR_WAL_ENTRY_TOO_LARGE", () => calls[1] as Promise<number>);
  assertEquals(ready(queue.consumer("a")), ["1", "2", "3"]);
});

test("a failed sync ends the queue, and no call says that it is done", async () => {
  const fileSystem = new FaultyFileSystem(new CrashFileSystem());
  const queue = await open(setup(fileSystem));
  const consumer = queue.consumer("a");
  await queue.enqueue(["1"]);
  const job = only(consumer.reserve());
  fileSystem.fail("syncData", "EIO");
  await rejects("ERR_WAL_SYNC_FAILED", () => job.ack());
  await rejects("ERR_WAL_SYNC_FAILED", () => queue.enqueue(["2"]));
  await queue.close();
});

test("a value that the codec does not take is refused, and so is what is no list", async () => {
  const { fileSystem } = setup();
  await using queue = await Queue.open<unknown>(PATH, { codec: json(), fileSystem });
  const consumer = queue.consumer("a");
  await rejects("ERR_EVENT_CODEC", () => queue.enqueue([1, undefined]));
  await queue.enqueue([1]);
  const job = only(consumer.reserve());
  await rejects("ERR_EVENT_CODEC", () => job.ack({ enqueue: [() => {}] }));
  await job.ack();
  for (const wrong of [[], "no", undefined, { 0: 1, length: 1 }]) {
    await rejects("ERR_WAL_INVALID_ARGUMENT", () => queue.enqueue(wrong as unknown[]));
  }
  assertEquals(consumer.lag, 0);
});

test("a wrong argument is refused by its name", async () => {
  const given = setup();
  await using queue = await open(given);
  const consumer = queue.consumer("a");
  const wrong = "ERR_WAL_INVALID_ARGUMENT";
  for (const name of ["", 1, "\ud800"]) throws(wrong, () => queue.consumer(name as string));
  for (
    const options of [
      { visibility: 0 },
      { visibility: Infinity },
      { attempts: 0 },
      { attempts: 1.5 },
      { concurrency: 0 },
      { backoff: -1 },
      { backoff: "1" },
      { from: "last" },
      { unknown: 1 },
    ]
  ) throws(wrong, () => queue.consumer("b", options as never));
  for (const options of [{ delay: -1 }, { delay: NaN }, { key: "" }, { signal: 1 }, { keys: 1 }]) {
    await rejects(wrong, () => queue.enqueue(["1"], options as never));
  }
  for (const limit of [0, -1, 1.5, "1"]) throws(wrong, () => consumer.reserve(limit as number));
  await rejects(wrong, () => consumer.run("no" as never));
  await rejects(wrong, () => consumer.run(() => {}, { signal: 1 } as never));
  await queue.enqueue(["1"]);
  const job = only(consumer.reserve());
  await rejects(wrong, () => job.ack({ enqueue: "no" } as never));
  await rejects(wrong, () => job.retry({ delay: -1 }));
  await rejects(wrong, () => job.bury(""));
  throws(wrong, () => job.extend(0));
  assertEquals(queue.consumers, ["a"]);
  for (
    const options of [{ codec: 1 }, { maxBytes: -1 }, { keys: 0.5 }, { clock: {} }, {
      readOnly: true,
    }]
  ) {
    await rejects(
      wrong,
      () => open({ ...given, fileSystem: new MemoryFileSystem() }, options as never),
    );
  }
});

test("another codec, another layer and a plain log are refused and stay as they are", async () => {
  const given = setup();
  await (await open(given)).close();
  await rejects("ERR_WAL_FORMAT", () => Queue.open(PATH, { ...given, codec: json() }));
  await withLog(
    "plain.wal",
    { fileSystem: given.fileSystem },
    (log) => log.append(new Uint8Array(1)),
  );
  await rejects("ERR_WAL_FORMAT", () => Queue.open("plain.wal", { ...given, codec: text() }));
});

test("a log with an entry that is no record is refused, and so is one without its checkpoint", async () => {
  const given = setup();
  const { fileSystem } = given;
  const queue = await open(given);
  await queue.enqueue(["1"]);
  await queue.compact();
  await queue.close();
  const { state } = await withLog(PATH, { fileSystem }, (log) => ({ state: log.state }));
  const wrong = [
    state.map((byte, i) => i === state.length - 1 ? byte + 1 : byte), // a part more
    state.map((byte, i) => i === state.length - 9 ? byte + 1 : byte), // it begins one later
    state.subarray(0, state.length - 1),
    state.subarray(0, state.length - 16), // none
  ];
  for (const one of wrong) {
    await withLog(PATH, { fileSystem }, (log) => log.setState(one));
    await rejects("ERR_QUEUE_UNREADABLE", () => open(given));
  }
  await withLog(PATH, { fileSystem }, (log) => log.setState(state));
  await (await open(given)).close();
  await withLog(PATH, { fileSystem }, (log) => log.append(new Uint8Array([200])));
  await rejects("ERR_QUEUE_UNREADABLE", () => open(given));
});

test("a value that cannot be decoded is the handler's to see, and the message becomes a dead letter", async () => {
  const given = setup();
  const queue = await open(given);
  await queue.enqueue(["no json"]);
  await queue.close();
  const fileSystem = given.fileSystem;
  const log = await Wal.open(PATH, { fileSystem });
  const { state } = log;
  // The tag of a queue of JSON.
  const tag = new TextEncoder().encode("json");
  const at = state.length - 5;
  await log.setState(state.map((byte, i) => tag[i - at] ?? byte));
  await log.close();
  await using again = await Queue.open<unknown>(PATH, { ...given, codec: json() });
  const consumer = again.consumer("a", { attempts: 1 });
  const stop = new AbortController();
  const running = consumer.run((job) => job.value, { signal: stop.signal });
  while (consumer.lag > 0) await new Promise((resolve) => setTimeout(resolve, 1));
  stop.abort();
  await running;
  const [letter] = consumer.dead();
  assert(letter !== undefined && letter.reason !== "");
  assertThrows(() => letter.value);
});
