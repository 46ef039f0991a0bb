/**
 * Random programs on a queue, each step compared with a model of plain maps: reopenings, deaths of the
 * process, full disks and clocks that are put back are among the steps.
 *
 * A message is known by its value, which no other has.
 *
 * @module
 */
import { WalError } from "../mod.ts";
import { type Consumer, type Job, Queue, text } from "../src/queue/queue.ts";
import { CrashFileSystem } from "../src/testing/crash_file_system.ts";
import { FaultyFileSystem } from "../src/testing/faulty_file_system.ts";
import { below, type Random, seededRandom } from "../src/testing/random.ts";
import { ManualQueueClock } from "./queue_clock.ts";

const ATTEMPTS = 3;
const VISIBILITY = 1000;

/** When a message or a task is due, by the wall clock, and the delay by which that came about. */
interface Due {
  readonly due: number;
  readonly delay: number;
}

/** What a consumer has to do about a message. */
interface Task {
  attempts: number;
  wait: Due;
  /** When it can be delivered, by the clock that never goes back. */
  readyAt: number;
  /** When its lease ends, likewise. */
  leasedTo: number | undefined;
}

/** A consumer: what it has to do, and the attempts of its dead letters, by the values. */
interface Model {
  readonly tasks: Map<string, Task>;
  readonly dead: Map<string, number>;
}

/** A job that was delivered, perhaps long ago. */
interface Held {
  readonly name: string;
  readonly job: Job<string>;
  readonly value: string;
  /** The life of the process that it belongs to. */
  readonly life: number;
  readonly leasedTo: number;
  isSettled: boolean;
}

/** A queue, and the model of it. */
class World {
  readonly draw: Random;
  readonly clock = new ManualQueueClock();
  readonly disk = new CrashFileSystem();
  fileSystem = new FaultyFileSystem(this.disk);
  readonly messages = new Map<string, Due>();
  readonly consumers = new Map<string, Model>();
  /** Messages that wait for a first consumer. */
  readonly unclaimed = new Set<string>();
  readonly keys = new Map<string, number>();
  held: Held[] = [];
  #queue: Queue<string> | undefined;
  #life = 0;
  #made = 0;

  constructor(seed: number) {
    this.draw = seededRandom(seed);
  }

  get queue(): Queue<string> {
    if (this.#queue === undefined) throw new TypeError("No queue is open");
    return this.#queue;
  }

  /** Has another process open the queue. */
  async open(): Promise<void> {
    this.#life++;
    this.fileSystem = new FaultyFileSystem(this.disk);
    const { clock, fileSystem } = this;
    const options = { codec: text(), clock, fileSystem, segmentSize: 512, preallocate: 0 };
    this.#queue = await Queue.open("a.wal", options);
    for (const { tasks } of this.consumers.values()) {
      for (const task of tasks.values()) {
        task.leasedTo = undefined;
        task.readyAt = this.readyAt(task.wait);
      }
    }
  }

  consumer(name: string): Consumer<string> {
    const options = { attempts: ATTEMPTS, visibility: VISIBILITY, backoff: 0 };
    return this.queue.consumer(name, options);
  }

  /** One of some, or none of none. */
  one<T>(some: Iterable<T>): T | undefined {
    const all = [...some];
    return all[below(this.draw, all.length)];
  }

  /** A consumer that there is. */
  anyConsumer(): { name: string; model: Model } | undefined {
    const [name, model] = this.one(this.consumers) ?? [];
    return name === undefined || model === undefined ? undefined : { name, model };
  }

  /** Values of messages that were never there. */
  newValues(most: number): string[] {
    const count = 1 + below(this.draw, most);
    return Array.from({ length: count }, () => `${++this.#made}`.padEnd(below(this.draw, 60)));
  }

  /** When something can be delivered that is looked at now. */
  readyAt({ due, delay }: Due): number {
    return this.clock.elapsed() + Math.max(0, Math.min(due - this.clock.now(), delay));
  }

  /** Messages are in the queue. */
  add(values: readonly string[], wait: Due): void {
    for (const value of values) {
      this.messages.set(value, wait);
      if (this.consumers.size === 0) this.unclaimed.add(value);
      for (const { tasks } of this.consumers.values()) tasks.set(value, this.newTask(wait));
    }
  }

  newTask(wait: Due): Task {
    return { attempts: 0, wait, readyAt: this.readyAt(wait), leasedTo: undefined };
  }

  /** The messages that somebody has still to do. */
  pending(): string[] {
    const tasks = [...this.consumers.values()].flatMap(({ tasks }) => [...tasks.keys()]);
    return [...new Set([...this.unclaimed, ...tasks])];
  }

  /** A job was delivered. */
  hold(name: string, job: Job<string>, value: string): void {
    const leasedTo = this.clock.elapsed() + VISIBILITY;
    this.held.push({ name, job, value, life: this.#life, leasedTo, isSettled: false });
  }

  /** What a job has to do still, if it has its lease. */
  taskOf({ name, value, life, leasedTo, isSettled }: Held): Task | undefined {
    const isHeld = !isSettled && life === this.#life && leasedTo > this.clock.elapsed();
    return isHeld ? this.consumers.get(name)?.tasks.get(value) : undefined;
  }

  /** Some jobs, mostly such as have their leases. */
  someHeld(most: number): Held[] {
    const all = below(this.draw, 5) === 0
      ? this.held
      : this.held.filter((held) => this.taskOf(held) !== undefined);
    const count = 1 + below(this.draw, most);
    const chosen = new Set(Array.from({ length: count }, () => this.one(all)));
    return [...chosen].filter((held) => held !== undefined);
  }

  /** Compares what the queue says with the model. */
  compare(): void {
    equal(this.queue.consumers.join(), [...this.consumers.keys()].join(), "the consumers");
    for (const [name, { tasks, dead }] of this.consumers) {
      const consumer = this.consumer(name);
      equal(consumer.lag, tasks.size, `the lag of ${name}`);
      const letters = Array.from(consumer.dead(), ({ value, attempts }) => `${value}: ${attempts}`);
      const expected = Array.from(dead, ([value, attempts]) => `${value}: ${attempts}`);
      equal(letters.sort().join(), expected.sort().join(), `the dead letters of ${name}`);
    }
    equal(this.queue.pendingBytes > 0, this.pending().length > 0, "whether bytes are pending");
  }
}

/** Makes a call that a full disk may refuse; whether it was made. */
async function attempt(world: World, call: () => Promise<void>): Promise<boolean> {
  if (below(world.draw, 12) === 0) {
    // Not of the meta file: a log whose meta file cannot be written to has ended.
    const name = world.disk.list(".").filter((name) => /^a\.wal(\.\d+)?$/.test(name)).sort().at(-1);
    const after = below(world.draw, 2);
    world.fileSystem.fail("write", "ENOSPC", { after, ...(name !== undefined && { name }) });
  }
  try {
    await call();
    return true;
  } catch (error) {
    if (error instanceof WalError && error.code === "ERR_WAL_WRITE_FAILED") return false;
    throw error;
  }
}

/** Settles a job, or learns that it is too late. */
async function settle(
  world: World,
  held: Held,
  call: (task: Task, model: Model) => Promise<void>,
): Promise<void> {
  const task = world.taskOf(held);
  const model = world.consumers.get(held.name);
  if (task !== undefined && model !== undefined) {
    if (await attempt(world, () => call(task, model))) held.isSettled = true;
    return;
  }
  const code = await held.job.ack().then(
    () => "none",
    (error: unknown) => error instanceof WalError ? error.code : String(error),
  );
  equal(code, "ERR_QUEUE_LEASE_LOST", "what a late acknowledgement throws");
}

function bury(model: Model, value: string, attempts: number): void {
  model.tasks.delete(value);
  model.dead.set(value, attempts);
}

const STEPS: Readonly<Record<string, (world: World) => Promise<unknown>>> = {
  enqueue: (world) => {
    const values = world.newValues(3);
    const delay = below(world.draw, 3) === 0 ? 1 + below(world.draw, 2000) : 0;
    const key = below(world.draw, 3) === 0 ? `key ${below(world.draw, 30)}` : undefined;
    return attempt(world, async () => {
      const wait = { due: delay === 0 ? 0 : world.clock.now() + delay, delay };
      const options = key === undefined ? { delay } : { delay, key };
      const index = await world.queue.enqueue(values, options);
      const known = key === undefined ? undefined : world.keys.get(key);
      if (known !== undefined) return equal(index, known, "the index of a known key");
      if (key !== undefined) world.keys.set(key, index);
      world.add(values, wait);
    });
  },
  join: (world) => {
    const name = `c${below(world.draw, 4)}`;
    const from = below(world.draw, 3) === 0 ? "now" : "first";
    return attempt(world, async () => {
      world.queue.consumer(name, { from });
      await Promise.resolve();
      if (world.consumers.has(name)) return;
      const tasks = new Map<string, Task>();
      for (const value of from === "now" ? [] : world.pending()) {
        tasks.set(value, world.newTask(world.messages.get(value) as Due));
      }
      world.consumers.set(name, { tasks, dead: new Map() });
      world.unclaimed.clear();
    });
  },
  leave: async (world) => {
    const name = world.one(world.consumers.keys());
    if (name === undefined || below(world.draw, 4) > 0) return;
    await attempt(world, async () => {
      equal(await world.queue.removeConsumer(name), true, "whether there was a consumer");
      world.consumers.delete(name);
      world.held = world.held.filter((held) => held.name !== name);
    });
  },
  reserve: async (world) => {
    const { name, model } = world.anyConsumer() ?? {};
    if (name === undefined || model === undefined) return;
    const now = world.clock.elapsed();
    const isReady = ({ leasedTo, readyAt }: Task): boolean =>
      leasedTo === undefined ? readyAt <= now : leasedTo <= now;
    const ready = [...model.tasks].filter(([, task]) => isReady(task));
    const spent = ready.filter(([, { attempts }]) => attempts >= ATTEMPTS);
    const good = ready.filter(([, { attempts }]) => attempts < ATTEMPTS);
    const limit = 1 + below(world.draw, 5);
    const consumer = world.consumer(name);
    let jobs: Job<string>[] = [];
    const isDone = await attempt(world, async () => {
      jobs = consumer.reserve(limit);
      await Promise.resolve();
    });
    const letters = new Set(Array.from(consumer.dead(), ({ value }) => value));
    for (const [value, { attempts }] of spent) {
      if (letters.has(value)) bury(model, value, attempts);
    }
    if (!isDone) return;
    equal(jobs.length, Math.min(limit, good.length), "the number of jobs");
    if (jobs.length < limit) {
      equal(
        spent.every(([value]) => letters.has(value)),
        true,
        "whether all that are spent are dead",
      );
    }
    for (const job of jobs) {
      const { value } = job;
      const task = new Map(good).get(value);
      if (task === undefined) throw new Error(`Message ${value} is not ready`);
      equal(job.attempt, ++task.attempts, "the attempt");
      task.leasedTo = now + VISIBILITY;
      world.hold(name, job, value);
    }
  },
  ack: (world) =>
    Promise.all(
      world.someHeld(4).map((held) =>
        settle(world, held, async (_, { tasks }) => {
          const next = below(world.draw, 3) === 0 ? world.newValues(2) : [];
          await held.job.ack({ enqueue: next });
          tasks.delete(held.value);
          world.add(next, { due: 0, delay: 0 });
        })
      ),
    ),
  retry: (world) =>
    Promise.all(
      world.someHeld(1).map((held) =>
        settle(world, held, async (task, model) => {
          const delay = below(world.draw, 2) === 0 ? 0 : below(world.draw, 1500);
          await held.job.retry({ delay });
          if (task.attempts >= ATTEMPTS) return bury(model, held.value, task.attempts);
          task.wait = { due: delay === 0 ? 0 : world.clock.now() + delay, delay };
          task.readyAt = world.readyAt(task.wait);
          task.leasedTo = undefined;
        })
      ),
    ),
  bury: (world) =>
    Promise.all(
      world.someHeld(1).map((held) =>
        settle(world, held, async ({ attempts }, model) => {
          await held.job.bury("by hand");
          bury(model, held.value, attempts);
        })
      ),
    ),
  redrive: async (world) => {
    const { name, model } = world.anyConsumer() ?? {};
    if (name === undefined || model === undefined) return;
    const consumer = world.consumer(name);
    const letter = world.one([...consumer.dead()]);
    if (letter === undefined) return;
    const { index, value } = letter;
    const isDiscarded = below(world.draw, 3) === 0;
    await attempt(world, async () => {
      await (isDiscarded ? consumer.discard(index) : consumer.redrive(index));
      model.dead.delete(value);
      if (!isDiscarded) model.tasks.set(value, world.newTask({ due: 0, delay: 0 }));
    });
  },
  pass: async (world) => {
    await world.clock.pass(below(world.draw, 800));
    if (below(world.draw, 4) > 0) return;
    world.clock.setWall(world.clock.now() + below(world.draw, 10_000) - 5000);
  },
  compact: (world) => attempt(world, () => world.queue.compact()),
  reopen: async (world) => {
    if (below(world.draw, 3) > 0) return;
    await world.queue.close();
    await world.open();
  },
  kill: async (world) => {
    if (below(world.draw, 3) > 0) return;
    // What it does by itself is not to outlive it, and takes no lock.
    world.fileSystem.stopAfter(0);
    world.fileSystem.guard = () => new Promise(() => {});
    world.disk.kill();
    world.held = []; // Those of a closed queue are told that they are too late.
    await world.open();
  },
};

/** The steps, those that are made often as often. */
const DRAWN: readonly string[] = [
  ...Object.keys(STEPS),
  ...["enqueue", "enqueue", "reserve", "reserve", "reserve", "ack", "ack", "retry", "pass"],
];

/**
 * Runs a random program.
 *
 * @returns How often each step was made.
 * @throws {Error} The queue does what the model does not.
 */
export async function runRandomProgram(
  seed: number,
  steps: number,
): Promise<Record<string, number>> {
  const world = new World(seed);
  await world.open();
  const tally: Record<string, number> = {};
  const done: string[] = [];
  try {
    for (let i = 0; i < steps; i++) {
      const name = world.one(DRAWN) ?? "";
      done.push(name);
      tally[name] = (tally[name] ?? 0) + 1;
      await STEPS[name]?.(world);
      world.compare();
    }
  } catch (cause) {
    const last = done.slice(-8).join(", ");
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Seed ${seed}, step ${done.length}, after ${last}: ${reason}`, { cause });
  }
  await world.queue.close();
  return tally;
}

function equal(actual: unknown, expected: unknown, what: string): void {
  if (actual !== expected) throw new Error(`${what}: ${actual}, and not ${expected}`);
}
