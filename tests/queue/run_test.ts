/**
 * The loop of a consumer: handlers that return, throw, hang, settle by hand, and queues that are closed
 * or fail meanwhile.
 *
 * @module
 */
import { assertEquals, assertRejects } from "@std/assert";
import { test } from "node:test";
import { type FileSystem, WalError } from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { clock as runtimeClock } from "../../src/fs/clock.ts";
import { Queue, type QueueClock, text } from "../../src/queue/queue.ts";
import { CrashFileSystem } from "../../src/testing/crash_file_system.ts";
import { FaultyFileSystem } from "../../src/testing/faulty_file_system.ts";
import { ManualQueueClock } from "../../kit/queue_clock.ts";

async function open(
  fileSystem: FileSystem = new MemoryFileSystem(),
): Promise<{ queue: Queue<string>; clock: ManualQueueClock }> {
  const clock = new ManualQueueClock();
  return { queue: await Queue.open("a.wal", { codec: text(), fileSystem, clock }), clock };
}

/** Waits, for as many turns as it takes. */
async function until(isSo: () => boolean): Promise<void> {
  for (let turn = 0; !isSo(); turn++) {
    if (turn > 5000) throw new Error("It never came to be so");
    await runtimeClock.endOfTurn();
  }
}

test("run acknowledges what its handler returns from, at most so many at a time", async () => {
  const { queue } = await open();
  const consumer = queue.consumer("a", { concurrency: 3 });
  const values = Array.from({ length: 20 }, (_, i) => String(i));
  await queue.enqueue(values);
  const seen: string[] = [];
  let [running, most] = [0, 0];
  const stop = new AbortController();
  const done = consumer.run(async (job) => {
    most = Math.max(most, ++running);
    seen.push(job.value);
    await runtimeClock.endOfTurn();
    running--;
  }, { signal: stop.signal });
  await until(() => consumer.lag === 0);
  await queue.enqueue(["more"]);
  await until(() => consumer.lag === 0);
  stop.abort();
  await done;
  assertEquals([seen, most], [[...values, "more"], 3]);
  await queue.close();
});

test("a handler that throws has its message tried again after the backoff, then made a dead letter", async () => {
  const { queue, clock } = await open();
  const consumer = queue.consumer("a", { attempts: 3, backoff: (attempt) => attempt * 100 });
  await queue.enqueue(["1"]);
  const attempts: number[] = [];
  const done = consumer.run((job) => {
    attempts.push(job.attempt);
    throw new Error(`failure ${job.attempt}`);
  });
  await until(() => attempts.length === 1);
  for (const wait of [100, 200]) {
    const before = attempts.length;
    // The record has to be durable before its delay is looked at.
    for (let turn = 0; turn < 20; turn++) await runtimeClock.endOfTurn();
    await clock.pass(wait - 1);
    for (let turn = 0; turn < 20; turn++) await runtimeClock.endOfTurn();
    assertEquals(attempts.length, before);
    await clock.pass(1);
    await until(() => attempts.length === before + 1);
  }
  await until(() => consumer.lag === 0);
  const letters = [...consumer.dead()].map(({ attempts, reason }) => ({ attempts, reason }));
  assertEquals([attempts, letters], [[1, 2, 3], [{ attempts: 3, reason: "failure 3" }]]);
  await queue.close();
  await done;
});

test("a handler that hangs loses its message and its place when the lease ends", async () => {
  const { queue, clock } = await open();
  const consumer = queue.consumer("a", { visibility: 1000, concurrency: 1 });
  await queue.enqueue(["hangs", "next"]);
  const seen: string[] = [];
  const released = Promise.withResolvers<void>();
  const done = consumer.run(async (job, { signal }) => {
    seen.push(`${job.value} ${job.attempt}`);
    if (job.value !== "hangs" || job.attempt > 1) return;
    await released.promise;
    seen.push(signal.aborted ? "too late" : "in time");
  });
  await until(() => seen.length === 1);
  await clock.pass(1000);
  await until(() => consumer.lag === 0);
  released.resolve();
  await queue.close();
  await done;
  assertEquals(seen, ["hangs 1", "hangs 2", "next 1", "too late"]);
});

test("a handler that settles its job itself is left alone", async () => {
  const { queue } = await open();
  const consumer = queue.consumer("a", { concurrency: 4 });
  await queue.enqueue(["ack", "bury", "unawaited", "throws"]);
  const done = consumer.run(async (job) => {
    if (job.value === "ack") await job.ack({ enqueue: ["follows"] });
    if (job.value === "bury") await job.bury("by hand");
    if (job.value === "unawaited") void job.ack();
    if (job.value === "throws") {
      await job.ack();
      throw new Error("after all was done");
    }
  });
  await until(() => consumer.lag === 0);
  await queue.close();
  await done;
});

test("close waits for handlers that run, and takes no more messages", async () => {
  const { queue } = await open();
  const consumer = queue.consumer("a");
  await queue.enqueue(["1", "2"]);
  const released = Promise.withResolvers<void>();
  const seen: string[] = [];
  const done = consumer.run(async (job) => {
    seen.push(job.value);
    await released.promise;
  });
  await until(() => seen.length === 1);
  let isClosed = false;
  const closed = queue.close().then(() => isClosed = true);
  for (let turn = 0; turn < 20; turn++) await runtimeClock.endOfTurn();
  assertEquals(isClosed, false);
  released.resolve();
  await Promise.all([closed, done]);
  assertEquals(seen, ["1"]);
});

test("close does not wait for a handler that hangs longer than its lease", async () => {
  const { queue, clock } = await open();
  const consumer = queue.consumer("a", { visibility: 1000 });
  await queue.enqueue(["1"]);
  let isSeen = false;
  const done = consumer.run(() => {
    isSeen = true;
    return new Promise(() => {});
  });
  await until(() => isSeen);
  const closed = queue.close();
  await clock.pass(1000);
  await Promise.all([closed, done]);
});

test("run rejects with what the queue failed with, once its other handlers have ended", async () => {
  const fileSystem = new FaultyFileSystem(new CrashFileSystem());
  const { queue } = await open(fileSystem);
  const consumer = queue.consumer("a", { concurrency: 2 });
  await queue.enqueue(["1", "2"]);
  const released = Promise.withResolvers<void>();
  let isOver = false;
  const done = consumer.run(async (job) => {
    if (job.value === "1") return fileSystem.fail("write", "ENOSPC");
    await released.promise;
    isOver = true;
  });
  done.catch(() => {});
  for (let turn = 0; turn < 20; turn++) await runtimeClock.endOfTurn();
  released.resolve();
  const error = await assertRejects(() => done, WalError);
  assertEquals([error.code, isOver, consumer.lag], ["ERR_WAL_WRITE_FAILED", true, 1]);
  await queue.close();
});

test("run and what waits for room end with a queue whose sync fails, though they wait for others", async () => {
  const fileSystem = new FaultyFileSystem(new CrashFileSystem());
  const clock = new ManualQueueClock();
  const queue = await Queue.open("a.wal", { codec: text(), fileSystem, clock, maxBytes: 50 });
  const consumer = queue.consumer("idle", { from: "now" });
  const done = consumer.run(() => {});
  const other = queue.consumer("other");
  fileSystem.fail("syncData", "EIO");
  const calls = [
    queue.enqueue(["x".repeat(40)]),
    queue.enqueue(["waits"]),
    other.available(),
    done,
  ];
  const outcomes = await Promise.allSettled(calls);
  const codes = outcomes.map((one) => one.status === "rejected" && (one.reason as WalError).code);
  assertEquals(codes, Array(4).fill("ERR_WAL_SYNC_FAILED"));
  await assertRejects(() => queue.compact(), WalError);
  await queue.close();
});

test("run with a signal that is aborted takes nothing", async () => {
  const { queue } = await open();
  const consumer = queue.consumer("a");
  await queue.enqueue(["1"]);
  await consumer.run(() => {
    throw new Error("It was called");
  }, { signal: AbortSignal.abort() });
  assertEquals(consumer.reserve().length, 1);
  await queue.close();
});

test("a consumer that is removed ends its runs", async () => {
  const { queue } = await open();
  const done = queue.consumer("a").run(() => {});
  await queue.removeConsumer("a");
  await done;
  await queue.close();
});

test("available resolves when a message comes, or with the signal's reason", async () => {
  const { queue, clock } = await open();
  const consumer = queue.consumer("a");
  const available = consumer.available();
  const enqueued = queue.enqueue(["1"], { delay: 100 });
  await enqueued;
  await clock.pass(100);
  await available;
  assertEquals(consumer.reserve(9).length, 1);
  const stop = new AbortController();
  const waiting = consumer.available({ signal: stop.signal });
  stop.abort(new Error("enough"));
  assertEquals((await assertRejects(() => waiting)).message, "enough");
  await queue.close();
});

test("close waits for a handler that has settled its job only until the lease would have ended", async () => {
  const { queue, clock } = await open();
  const consumer = queue.consumer("a", { visibility: 1000 });
  await queue.enqueue(["1"]);
  let [isSettled, isClosed] = [false, false];
  const done = consumer.run(async (job) => {
    await job.ack();
    isSettled = true;
    await new Promise(() => {});
  });
  await until(() => isSettled);
  const closed = queue.close().then(() => isClosed = true);
  await clock.pass(999);
  for (let turn = 0; turn < 20; turn++) await runtimeClock.endOfTurn();
  assertEquals(isClosed, false);
  await clock.pass(1);
  await until(() => isClosed);
  await Promise.all([closed, done]);
});

test("a handler may wait for close, which waits for the handlers, and its job is acknowledged", async () => {
  for (const isSettled of [false, true]) {
    const fileSystem = new MemoryFileSystem();
    const { queue } = await open(fileSystem);
    const consumer = queue.consumer("a", { concurrency: 2 });
    await queue.enqueue(["1", "2", "3"]);
    const seen: string[] = [];
    const released = Promise.withResolvers<void>();
    let isRunOver = false;
    const done = consumer.run(async (job) => {
      seen.push(job.value);
      if (job.value === "2") return await released.promise;
      if (isSettled) await job.ack();
      await runtimeClock.endOfTurn();
      await queue.close();
      seen.push("after close");
    }).then(() => isRunOver = true);
    await until(() => seen.length === 3);
    const error = await assertRejects(() => queue.enqueue(["4"]), WalError);
    assertEquals([error.code, isRunOver], ["ERR_QUEUE_CLOSED", false]);
    released.resolve();
    await done;
    assertEquals(seen, ["1", "2", "after close"]);
    // Its lock is free, and what was not delivered is there.
    const { queue: again } = await open(fileSystem);
    assertEquals(again.consumer("a").reserve(9).map(({ value }) => value), ["3"]);
    await again.close();
  }
});

test("what a handler has left running may close the queue as any other call", async () => {
  const { queue } = await open();
  const consumer = queue.consumer("a");
  await queue.enqueue(["1"]);
  const [isOver, closed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const done = consumer.run(() => {
    void isOver.promise.then(() => queue.close()).then(closed.resolve);
  });
  await until(() => consumer.lag === 0);
  isOver.resolve();
  await Promise.all([closed.promise, done]);
  await assertRejects(() => queue.enqueue(["2"]), WalError);
});

test("what ends the log in a call of its own ends what waits for it", async () => {
  const calls: Record<string, (queue: Queue<string>) => unknown> = {
    compact: (queue) => queue.compact(),
    consumer: (queue) => queue.consumer("new"),
  };
  for (const [name, call] of Object.entries(calls)) {
    const fileSystem = new FaultyFileSystem(new CrashFileSystem());
    const { queue } = await open(fileSystem);
    const idle = queue.consumer("idle");
    const done = idle.run(() => {});
    const outcome = done.then(() => "resolved", (error: WalError) => error.code);
    await queue.enqueue(["1"]);
    // Else the acknowledgement would meet the fault.
    await until(() => idle.lag === 0);
    for (let turn = 0; turn < 50; turn++) await runtimeClock.endOfTurn();
    if (name === "compact") fileSystem.fail("syncData", "EIO");
    else for (const step of ["write", "truncate"] as const) fileSystem.fail(step, "EIO");
    await (async () => await call(queue))().then(() => {}, () => {});
    for (let turn = 0; turn < 50; turn++) await runtimeClock.endOfTurn();
    let code: unknown;
    void outcome.then((found) => code = found);
    await runtimeClock.endOfTurn();
    await queue.close().catch(() => {});
    assertEquals(code, "ERR_WAL_SYNC_FAILED", name);
    await outcome;
  }
});

test("a message that waits for its time keeps no process alive in which no consumer waits", async () => {
  let timers = 0;
  const still: QueueClock = {
    now: () => 1_700_000_000_000,
    elapsed: () => 0,
    after: () => {
      timers++;
      return { cancel: () => timers-- };
    },
  };
  const fileSystem = new MemoryFileSystem();
  const queue = await Queue.open("a.wal", { codec: text(), fileSystem, clock: still });
  const consumer = queue.consumer("a");
  await queue.enqueue(["1"], { delay: 1000 });
  assertEquals(timers, 0);
  const stop = new AbortController();
  const waiting = consumer.available({ signal: stop.signal });
  assertEquals(timers, 1);
  stop.abort(new Error("enough"));
  await assertRejects(() => waiting);
  assertEquals(timers, 0);
  await queue.close();
});
