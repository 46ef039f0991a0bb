/**
 * Random programs on a log of events and on an array: what one says, the other says too.
 *
 * @module
 */
import { test } from "node:test";
import { assertEquals, assertRejects } from "@std/assert";
import { WalError } from "../../mod.ts";
import { type EventEntry, EventLog, json } from "../../src/events/events.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { below, type Random, seededRandom } from "../../src/testing/random.ts";

const PATH = "a.wal";
const PROGRAMS = 60;
const STEPS = 60;

type Value = { n: number; fill: string };

/** A log and what it must have. */
class Subject {
  readonly #random: Random;
  readonly #fileSystem = new MemoryFileSystem();
  readonly #segmentSize: number;
  #log: EventLog<Value> | undefined;
  #firstIndex = 1;
  #events: Value[] = [];
  #version = 1;
  #time = 0;
  #serial = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.#segmentSize = 256 << below(this.#random, 6);
  }

  async run(): Promise<void> {
    for (let step = 0; step < STEPS; step++) {
      const log = this.#log ??= await this.#open(false);
      await this.#step(log);
      if (this.#log !== undefined && below(this.#random, 4) === 0) this.#check(log);
    }
    const log = this.#log ??= await this.#open(false);
    this.#check(log);
    await this.#checkReader();
    await log.close();
  }

  #open(readOnly: boolean): Promise<EventLog<Value>> {
    // Each version adds a unit that the upcasts take away again, so that none may be left out.
    const upcast = Object.fromEntries(
      Array.from({ length: this.#version - 1 }, (_, i) => [
        i + 1,
        ({ n, fill }: Value): Value => ({ n: n + 1, fill }),
      ]),
    );
    return EventLog.open(PATH, {
      codec: json(),
      version: this.#version,
      upcast,
      now: () => this.#time,
      timestamps: below(this.#random, 2) === 0,
      segmentSize: this.#segmentSize,
      fileSystem: this.#fileSystem,
      readOnly,
    });
  }

  /** An event of the log's version; `n` is its number less the upcasts that it will have passed. */
  #next(): Value {
    this.#time++;
    return { n: this.#serial++, fill: "x".repeat(below(this.#random, 40)) };
  }

  async #step(log: EventLog<Value>): Promise<void> {
    const random = this.#random;
    const lastIndex = this.#firstIndex + this.#events.length - 1;
    switch (below(random, 8)) {
      case 0:
      case 1: {
        const values = Array.from({ length: 1 + below(random, 5) }, () => this.#next());
        const indexes = await Promise.all(values.map((value) => log.append(value)));
        assertEquals(indexes, values.map((_, i) => lastIndex + 1 + i));
        this.#events.push(...values);
        return;
      }
      case 2: {
        const values = Array.from({ length: 1 + below(random, 3) }, () => this.#next());
        const expect = below(random, 2) === 0 ? {} : { expect: lastIndex };
        const range = await log.appendAll(values, expect).catch((error) => {
          if (error instanceof WalError && error.code === "ERR_WAL_BATCH_TOO_LARGE") {
            return undefined;
          }
          throw error;
        });
        if (range === undefined) return;
        const wanted = { firstIndex: lastIndex + 1, lastIndex: lastIndex + values.length };
        assertEquals(range, wanted);
        this.#events.push(...values);
        return;
      }
      case 3: {
        const wrong = lastIndex + (below(random, 2) === 0 ? 1 : -1);
        if (wrong >= 0) await assertRejects(() => log.append(this.#next(), { expect: wrong }));
        const value = this.#next();
        assertEquals(await log.append(value, { expect: lastIndex }), lastIndex + 1);
        this.#events.push(value);
        return;
      }
      case 4: {
        const index = this.#firstIndex + below(random, this.#events.length + 2);
        if (index > lastIndex + 1) return;
        await log.truncateBefore(index);
        this.#events = this.#events.slice(index - this.#firstIndex);
        this.#firstIndex = index;
        return;
      }
      case 5:
        await log.close();
        this.#log = undefined;
        if (this.#version < 127 && below(random, 3) === 0) {
          this.#version++;
          this.#events = this.#events.map(({ n, fill }) => ({ n: n + 1, fill }));
        }
        return;
      case 6:
        return await this.#checkReader();
      default:
        return await this.#checkFollower(log);
    }
  }

  #expected(from: number, to: number): [number, Value][] {
    return this.#events.slice(from - this.#firstIndex, to - this.#firstIndex + 1)
      .map((value, i) => [from + i, value]);
  }

  #check(log: EventLog<Value>): void {
    const firstIndex = this.#firstIndex;
    const lastIndex = firstIndex + this.#events.length - 1;
    assertEquals([log.firstIndex, log.lastIndex], [firstIndex, lastIndex]);
    const pair = ({ index, value }: EventEntry<Value>): [number, Value] => [index, value];
    const from = firstIndex + below(this.#random, this.#events.length + 1);
    const to = from - 1 + below(this.#random, lastIndex - from + 2);
    const expected = this.#expected(from, to);
    assertEquals(Array.from(log.entries({ from, to }), pair), expected);
    assertEquals(Array.from(log.entries({ from, to, reverse: true }), pair), expected.toReversed());
    assertEquals(Array.from(log.entries({ reverse: true }), pair).length, this.#events.length);
    if (from <= lastIndex) {
      assertEquals(pair(log.get(from)), [from, this.#expected(from, from)[0]?.[1]]);
    }
  }

  async #checkReader(): Promise<void> {
    await using reader = await this.#open(true);
    this.#check(reader);
  }

  async #checkFollower(log: EventLog<Value>): Promise<void> {
    const lastIndex = this.#firstIndex + this.#events.length - 1;
    if (lastIndex < this.#firstIndex) return;
    const from = this.#firstIndex + below(this.#random, this.#events.length);
    const found: [number, Value][] = [];
    for await (const { index, value } of log.follow({ from })) {
      found.push([index, value]);
      if (index === lastIndex) break;
    }
    assertEquals(found, this.#expected(from, lastIndex));
  }
}

for (let first = 1; first <= PROGRAMS; first += 20) {
  test(`random programs do what an array does (seeds ${first} to ${first + 19})`, async () => {
    for (let seed = first; seed < first + 20; seed++) {
      try {
        await new Subject(seed).run();
      } catch (cause) {
        throw new Error(`seed ${seed}`, { cause });
      }
    }
  });
}
