/**
 * The process that is killed: opens a queue, says what it holds, and works with it without end. It says
 * of each operation that it begins, and that it is done.
 *
 * @module
 */
import { writeSync } from "node:fs";
import process from "node:process";
import { type Consumer, type Job, Queue, text } from "../../src/queue/queue.ts";
import { random } from "../../kit/logs.ts";
import { type Contents, type Fact, nameOf, type Operation } from "./judge.ts";

/** A line of the worker's output. */
export type Line =
  | Fact
  /** What it found, and which delivery each message has with that; by "consumer value". */
  | {
    readonly kind: "found";
    readonly contents: Contents;
    readonly attempts: Readonly<Record<string, number>>;
  }
  /** Messages that a handler has seen. */
  | { readonly kind: "delivered"; readonly names: readonly string[] };

const STDOUT = 1;
const CONSUMERS = ["a", "b"];

/** More messages than this are not enqueued. */
const MOST_PENDING = 60;

async function work([path = "", seed = "", life = ""]: string[]): Promise<void> {
  const queue = await Queue.open(path, { codec: text(), segmentSize: 8192 });
  const worker = new SoakWorker(queue, Number(seed), Number(life));
  worker.look();
  for (;;) await worker.step();
}

class SoakWorker {
  readonly #queue: Queue<string>;
  readonly #draw: () => number;
  readonly #life: number;
  readonly #held = new Map<string, Job<string>[]>();
  #id: number;
  #made = 0;

  constructor(queue: Queue<string>, seed: number, life: number) {
    this.#queue = queue;
    this.#life = life;
    this.#draw = random(seed + Math.imul(life, 7919));
    this.#id = life * 1_000_000;
  }

  /** Says what the queue holds, all of which is held by this process then. */
  look(): void {
    const attempts: Record<string, number> = {};
    const consumers = this.#queue.consumers.map((name) => {
      const consumer = this.#consumer(name);
      const jobs = consumer.reserve(Infinity);
      for (const { value, attempt } of jobs) attempts[`${name} ${nameOf(value)}`] = attempt;
      this.#held.set(name, jobs);
      const pending = jobs.map(({ value }) => nameOf(value));
      return { name, pending, dead: Array.from(consumer.dead(), ({ value }) => nameOf(value)) };
    });
    tell({ kind: "found", contents: { consumers }, attempts });
  }

  /** Does something, or a few things at once. */
  async step(): Promise<void> {
    const name = CONSUMERS[this.#below(CONSUMERS.length)] ?? "";
    if (!this.#queue.consumers.includes(name)) return await this.#join(name);
    const choice = this.#draw();
    if (choice < 0.3) return await this.#enqueue();
    if (choice < 0.4) return this.#reserve(name);
    if (choice < 0.9) return await this.#settle(name);
    if (choice < 0.96) return await this.#revive(name);
    await this.#queue.compact();
  }

  async #join(consumer: string): Promise<void> {
    await this.#perform({ kind: "join", consumer }, async () => {
      this.#held.set(consumer, []);
      this.#consumer(consumer);
      await this.#queue.compact();
    });
  }

  async #enqueue(): Promise<void> {
    const most = Math.max(...this.#queue.consumers.map((name) => this.#consumer(name).lag));
    if (most > MOST_PENDING) return;
    const count = 1 + this.#below(3);
    await Promise.all(Array.from({ length: count }, () => {
      const values = this.#values(1 + this.#below(3));
      const names = values.map(nameOf);
      return this.#perform({ kind: "enqueue", values: names }, () => this.#queue.enqueue(values));
    }));
  }

  #reserve(name: string): void {
    const jobs = this.#consumer(name).reserve(1 + this.#below(8));
    if (jobs.length > 0) {
      tell({ kind: "delivered", names: jobs.map(({ value }) => `${name} ${nameOf(value)}`) });
    }
    this.#held.get(name)?.push(...jobs);
  }

  async #settle(consumer: string): Promise<void> {
    const jobs = this.#held.get(consumer)?.splice(0, 1 + this.#below(6)) ?? [];
    await Promise.all(jobs.map((job) => {
      const about = { consumer, value: nameOf(job.value) };
      const choice = this.#draw();
      if (choice < 0.15) {
        return this.#perform({ kind: "retry", ...about }, () => job.retry({ delay: 0 }));
      }
      if (choice < 0.25) return this.#perform({ kind: "bury", ...about }, () => job.bury("no"));
      const next = choice < 0.35 ? this.#values(1) : [];
      return this.#perform(
        { kind: "ack", ...about, next: next.map(nameOf) },
        () => job.ack({ enqueue: next }),
      );
    }));
  }

  async #revive(name: string): Promise<void> {
    const consumer = this.#consumer(name);
    const [letter] = consumer.dead();
    if (letter === undefined) return;
    // A redrive counts from the beginning again, which the parent does not know.
    const operation: Operation = { kind: "discard", consumer: name, value: nameOf(letter.value) };
    await this.#perform(operation, () => consumer.discard(letter.index));
  }

  async #perform(operation: Operation, call: () => Promise<unknown>): Promise<void> {
    const id = ++this.#id;
    tell({ kind: "start", id, operation });
    await call();
    tell({ kind: "done", id });
  }

  #consumer(name: string): Consumer<string> {
    return this.#queue.consumer(name, { attempts: Infinity, visibility: 3_600_000 });
  }

  #values(count: number): string[] {
    return Array.from({ length: count }, () => {
      const size = this.#below(this.#draw() < 0.9 ? 100 : 3000);
      return `${this.#life}-${++this.#made}`.padEnd(size, ".");
    });
  }

  #below(end: number): number {
    return Math.floor(this.#draw() * end);
  }
}

/** Writes a line before anything else happens: what is told later may never be told. */
function tell(line: Line): void {
  const bytes = new TextEncoder().encode(`${JSON.stringify(line)}\n`);
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(STDOUT, bytes, at);
    } catch (error) {
      // The pipe is full until the parent reads.
      if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) throw error;
    }
  }
}

await work(process.argv.slice(2));
