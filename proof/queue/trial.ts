/**
 * A program that does everything that a queue can do, and the question that is asked after each crash
 * and each fault of it.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { type FileSystem, WalError } from "../../mod.ts";
import { clock as runtimeClock } from "../../src/fs/clock.ts";
import { type Consumer, type Job, Queue, type QueueClock, text } from "../../src/queue/queue.ts";
import type { CrashFileSystem, Trial } from "../../src/testing/testing.ts";
import { type Contents, type Fact, Judge, nameOf, type Operation } from "./judge.ts";

const PATH = "mail.wal";

/** A clock that stands still, at so many milliseconds. */
function still(now: number): QueueClock {
  return { now: () => now, elapsed: () => 0, after: () => ({ cancel(): void {} }) };
}

const BEGINNING = still(1000);

/** A time at which no delay lasts. */
const LATER = still(1_000_000_000);

/** How large the program is. */
export interface Size {
  /** How often the middle part is run. */
  readonly rounds: number;
  /** The log's, in bytes. */
  readonly segmentSize: number;
}

/** Opens the queue. */
function open(
  fileSystem: FileSystem,
  clock: QueueClock,
  segmentSize: number,
): Promise<Queue<string>> {
  return Queue.open(PATH, { codec: text(), fileSystem, clock, segmentSize, preallocate: 0 });
}

/** A consumer that gets a message however often it was delivered. */
function consumerOf(queue: Queue<string>, name: string): Consumer<string> {
  return queue.consumer(name, { attempts: Infinity, visibility: 1_000_000 });
}

/** Tells what is begun, what is done, and what was refused. */
class Told {
  readonly #promise: (fact: Fact) => void;
  #id = 0;

  constructor(promise: (fact: Fact) => void) {
    this.#promise = promise;
  }

  start(operation: Operation): number {
    const id = ++this.#id;
    this.#promise({ kind: "start", id, operation });
    return id;
  }

  done(id: number): void {
    this.#promise({ kind: "done", id });
  }

  /** Tells that a full disk has refused an operation, or throws what else there was. */
  refused(id: number, error: unknown): void {
    unlessFull(error);
    this.#promise({ kind: "refused", id });
  }

  async perform(operation: Operation, call: () => Promise<unknown>): Promise<void> {
    const id = this.start(operation);
    try {
      await call();
      this.done(id);
    } catch (error) {
      this.refused(id, error);
    }
  }
}

function unlessFull(error: unknown): void {
  if (!(error instanceof WalError && error.code === "ERR_WAL_WRITE_FAILED")) throw error;
}

/** A life of the process: from an open to a close. */
class Life {
  readonly queue: Queue<string>;
  readonly #told: Told;

  constructor(queue: Queue<string>, told: Told) {
    this.queue = queue;
    this.#told = told;
  }

  /** Joins a consumer, and makes that durable; none where the disk is full. */
  async join(consumer: string): Promise<Consumer<string> | undefined> {
    const id = this.#told.start({ kind: "join", consumer });
    let made: Consumer<string>;
    try {
      made = consumerOf(this.queue, consumer);
    } catch (error) {
      this.#told.refused(id, error);
      return undefined;
    }
    try {
      await this.queue.compact();
    } catch (error) {
      unlessFull(error);
      return undefined;
    }
    this.#told.done(id);
    return made;
  }

  async enqueue(
    values: readonly string[],
    options: { key?: string; delay?: number } = {},
  ): Promise<void> {
    const { key } = options;
    const operation: Operation = key === undefined
      ? { kind: "enqueue", values: values.map(nameOf) }
      : { kind: "enqueue", values: values.map(nameOf), key };
    await this.#told.perform(operation, () => this.queue.enqueue(values, options));
  }

  /** Settles a job in one of the ways. */
  async settle(
    consumer: Consumer<string>,
    job: Job<string> | undefined,
    how: "ack" | "retry" | "bury",
    next: readonly string[] = [],
  ): Promise<void> {
    if (job === undefined) return;
    const about = { consumer: consumer.name, value: nameOf(job.value) };
    if (how === "ack") {
      await this.#told.perform(
        { kind: how, ...about, next: next.map(nameOf) },
        () => job.ack({ enqueue: next }),
      );
    } else if (how === "retry") {
      await this.#told.perform({ kind: how, ...about }, () => job.retry({ delay: 5 }));
    } else await this.#told.perform({ kind: how, ...about }, () => job.bury("no"));
  }

  async revive(consumer: Consumer<string>, how: "redrive" | "discard"): Promise<void> {
    for (const { index, value } of [...consumer.dead()].slice(0, 1)) {
      const operation: Operation = { kind: how, consumer: consumer.name, value: nameOf(value) };
      await this.#told.perform(operation, () => consumer[how](index));
    }
  }
}

/** Jobs, if the disk has room to say that they are delivered. */
function reserve(consumer: Consumer<string>, limit: number): Job<string>[] {
  try {
    return consumer.reserve(limit);
  } catch (error) {
    if (error instanceof WalError && error.code === "ERR_WAL_WRITE_FAILED") return [];
    throw error;
  }
}

/** Waits for what a queue does by itself. */
async function rest(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await runtimeClock.endOfTurn();
}

async function runProgram(
  fileSystem: FileSystem,
  promise: (fact: Fact) => void,
  { rounds, segmentSize }: Size,
): Promise<void> {
  const told = new Told(promise);
  let made = 0;
  const values = (count: number): string[] =>
    Array.from({ length: count }, () => `m${++made}`.padEnd(1 + (made * 37) % 60, "."));

  const first = new Life(await open(fileSystem, BEGINNING, segmentSize), told);
  await first.enqueue(values(1));
  const a = await first.join("a");
  const b = await first.join("b");
  if (a === undefined || b === undefined) return await first.queue.close();
  await Promise.all([
    first.enqueue(values(2), { key: "k1" }),
    first.enqueue(values(1)),
    first.enqueue(["never"], { key: "k1" }),
  ]);
  for (let round = 0; round < rounds; round++) {
    await first.enqueue(values(2), { key: `r${round}` });
    const jobs = reserve(a, 4);
    await Promise.all([
      ...jobs.slice(1).map((job) => first.settle(a, job, "ack")),
      first.settle(a, jobs[0], round % 3 === 1 ? "bury" : "ack", values(round % 2)),
    ]);
    const [one, two] = reserve(b, 2);
    await first.settle(b, one, round % 2 === 0 ? "ack" : "retry");
    await first.settle(b, two, "ack");
    await rest();
  }
  await first.enqueue(values(1), { delay: 100 });
  await first.revive(a, "redrive");
  await first.queue.compact().catch(unlessFull);
  await first.queue.close();

  const second = new Life(await open(fileSystem, LATER, segmentSize), told);
  const again = consumerOf(second.queue, "a");
  const [job] = reserve(again, 1);
  await second.settle(again, job, "bury");
  await second.revive(again, "discard");
  await second.enqueue(["never"], { key: "r0" });
  await Promise.all(reserve(again, 3).map((job) => second.settle(again, job, "ack", values(1))));
  await second.queue.close();
}

/** What the question itself enqueues; it may be asked twice of one disk. */
const USABLE = "usable";

/** What the program has left in a queue. All of it is leased then. */
function contentsOf(queue: Queue<string>): Contents {
  return {
    consumers: queue.consumers.map((name) => {
      const consumer = consumerOf(queue, name);
      const pending = consumer.reserve(Infinity).map(({ value }) => nameOf(value))
        .filter((value) => value !== USABLE);
      return { name, pending, dead: Array.from(consumer.dead(), ({ value }) => nameOf(value)) };
    }),
  };
}

/** Asks whether the queue has kept its promises, and whether it can be used. */
async function checkPromises(
  fileSystem: CrashFileSystem,
  promised: readonly Fact[],
  segmentSize: number,
): Promise<void> {
  const judge = new Judge();
  for (const fact of promised) judge.note(fact);
  const queue = await open(fileSystem, LATER, segmentSize);
  judge.judge(contentsOf(queue));
  // What was enqueued under a key that is acknowledged is not enqueued again.
  const before = queue.consumers.map((name) => consumerOf(queue, name).lag);
  const started = new Map(
    promised.flatMap((fact) => fact.kind === "start" ? [[fact.id, fact.operation] as const] : []),
  );
  for (const fact of promised) {
    const operation = fact.kind === "done" ? started.get(fact.id) : undefined;
    if (operation?.kind !== "enqueue" || operation.key === undefined) continue;
    await queue.enqueue(["again"], { key: operation.key });
  }
  assertEquals(queue.consumers.map((name) => consumerOf(queue, name).lag), before, "a known key");
  await queue.compact();
  const index = await queue.enqueue([USABLE]);
  await queue.close();
  const again = await open(fileSystem, LATER, segmentSize);
  for (const name of again.consumers) {
    const jobs = consumerOf(again, name).reserve(Infinity);
    assertEquals(jobs.at(-1)?.index, index, "the message that was enqueued last");
  }
  await again.close();
}

/** A program that enqueues, acknowledges and compacts once. */
async function runOnce(
  fileSystem: FileSystem,
  promise: (fact: Fact) => void,
  segmentSize: number,
): Promise<void> {
  const life = new Life(await open(fileSystem, LATER, segmentSize), new Told(promise));
  const consumer = await life.join("a");
  if (consumer === undefined) return await life.queue.close();
  await life.enqueue(["m1", "m2"], { key: "k1" });
  for (const job of reserve(consumer, 1)) await life.settle(consumer, job, "ack", ["m3"]);
  await life.queue.compact().catch(unlessFull);
  await life.queue.close();
}

/** A program that does little, and the question. */
export function shortTrial(): Trial<Fact> {
  const segmentSize = 1024;
  return {
    run: (fileSystem, promise) => runOnce(fileSystem, promise, segmentSize),
    check: (fileSystem, promised) => checkPromises(fileSystem, promised, segmentSize),
  };
}

/** A program that does everything, and the question. */
export function queueTrial(size: Size): Trial<Fact> {
  return {
    run: (fileSystem, promise) => runProgram(fileSystem, promise, size),
    check: (fileSystem, promised) => checkPromises(fileSystem, promised, size.segmentSize),
  };
}
