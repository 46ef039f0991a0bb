/**
 * The fold of a queue's records, by random records against a model that keeps everything, and its
 * checkpoint.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { test } from "node:test";
import { decodeCheckpoint, encodeCheckpoint } from "../../src/queue/checkpoint.ts";
import type { QueueRecord } from "../../src/queue/records.ts";
import { QueueState } from "../../src/queue/state.ts";
import { below, type Random, seededRandom } from "../../src/testing/random.ts";

/** What one consumer has of a message. */
interface Held {
  attempts: number;
  due: number;
  delay: number;
  dead?: { attempts: number; time: number; reason: string };
}

/** Everything that ever was, without a thought of space. */
class Model {
  readonly messages: {
    id: number;
    at: number;
    size: number;
    time: number;
    due: number;
    delay: number;
  }[] = [];
  readonly consumers = new Map<number, { name: string; held: Map<number, Held> }>();
  readonly keys: [string, number][] = [];
  readonly #keysKept: number;
  /** Messages that wait for a first consumer. */
  unclaimed = new Set<number>();

  constructor(keysKept: number) {
    this.#keysKept = keysKept;
  }

  apply(index: number, record: QueueRecord, size: number): void {
    if (record.kind === "message") {
      const { time, due, delay, key } = record;
      this.messages.push({ id: index, at: index, size, time, due, delay });
      for (const { held } of this.consumers.values()) held.set(index, { attempts: 0, due, delay });
      if (this.consumers.size === 0) this.unclaimed.add(index);
      if (key !== undefined && !this.keys.some(([known]) => known === key)) {
        this.keys.push([key, index]);
        if (this.keys.length > this.#keysKept) this.keys.shift();
      }
      return;
    }
    if (record.kind === "copy") {
      const message = this.messages.find(({ id }) => id === record.id);
      if (message !== undefined && this.isLive(record.id)) {
        [message.at, message.size] = [index, size];
      }
      return;
    }
    if (record.kind === "checkpoint") return;
    if (record.kind === "consumer") return this.#join(record.number, record.name, record.from);
    const held = this.consumers.get(record.consumer)?.held;
    if (held === undefined) return;
    switch (record.kind) {
      case "delivered":
        for (const id of record.ids) {
          const task = held.get(id);
          if (task !== undefined && task.dead === undefined) task.attempts++;
        }
        return;
      case "acked":
        for (const id of record.ids) held.delete(id);
        return;
      case "retried": {
        const task = held.get(record.id);
        if (task?.dead === undefined && task) [task.due, task.delay] = [record.due, record.delay];
        return;
      }
      case "dead": {
        const task = held.get(record.id);
        if (task === undefined || task.dead !== undefined) return;
        const { time, reason } = record;
        task.dead = { attempts: task.attempts, time, reason };
        return;
      }
      case "redriven":
        if (held.get(record.id)?.dead !== undefined) {
          held.set(record.id, { attempts: 0, due: 0, delay: 0 });
        }
        return;
      case "removed":
        this.consumers.delete(record.consumer);
    }
  }

  #join(number: number, name: string, from: "first" | "now"): void {
    const held = new Map<number, Held>();
    if (from === "first") {
      for (const { id, due, delay } of this.messages) {
        if (this.#isPending(id)) held.set(id, { attempts: 0, due, delay });
      }
    }
    this.consumers.set(number, { name, held });
    this.unclaimed = new Set();
  }

  #isPending(id: number): boolean {
    const holds = [...this.consumers.values()].map(({ held }) => held.get(id));
    return this.unclaimed.has(id) || holds.some((task) => task !== undefined && !task.dead);
  }

  isLive(id: number): boolean {
    const holds = [...this.consumers.values()].some(({ held }) => held.has(id));
    return holds || this.unclaimed.has(id);
  }

  said(): unknown {
    const live = this.messages.filter(({ id }) => this.isLive(id));
    return {
      messages: live,
      pendingBytes: live.filter(({ id }) => this.#isPending(id))
        .reduce((all, { size }) => all + size, 0),
      firstAt: live.length === 0 ? undefined : Math.min(...live.map(({ at }) => at)),
      consumers: [...this.consumers].map(([number, { name, held }]) => ({
        number,
        name,
        pending: [...held].filter(([, { dead }]) => dead === undefined)
          .map(([id, { attempts, due, delay }]) => ({ id, attempts, due, delay }))
          .sort((a, b) => a.id - b.id),
        dead: [...held].flatMap(([id, { dead }]) => dead === undefined ? [] : [{ id, ...dead }])
          .sort((a, b) => a.id - b.id),
      })),
      keys: this.keys,
    };
  }
}

/** What a state says, in the same form. */
function said(state: QueueState): unknown {
  const messages = [...state.messages.values()];
  assertEquals(state.liveBytes, messages.reduce((all, { size }) => all + size + 9, 0));
  return {
    messages: messages.map(({ id, at, size, time, due, delay }) => ({
      id,
      at,
      size,
      time,
      due,
      delay,
    })),
    pendingBytes: state.pendingBytes,
    firstAt: state.firstAt,
    consumers: [...state.consumers.values()].filter(({ number }) => number > 0)
      .map(({ number, name, tasks, dead }) => ({
        number,
        name,
        pending: [...tasks].map(([id, { attempts, due, delay }]) => ({ id, attempts, due, delay }))
          .sort((a, b) => a.id - b.id),
        dead: [...dead].map(([id, { attempts, time, reason }]) => ({ id, attempts, time, reason }))
          .sort((a, b) => a.id - b.id),
      })),
    keys: [...state.keys],
  };
}

/** A record that may come next; also one that is late, or about what is gone. */
function anyRecord(draw: Random, last: number, numbers: number[]): QueueRecord {
  const consumer = 1 + below(draw, numbers.length + 1);
  const id = 1 + below(draw, last + 1);
  const ids = Array.from({ length: 1 + below(draw, 3) }, () => 1 + below(draw, last + 1));
  const delay = below(draw, 3) === 0 ? 1 + below(draw, 100) : 0;
  const header = {
    time: last,
    due: delay === 0 ? 0 : last + delay,
    delay,
    key: below(draw, 3) === 0 ? `k${below(draw, 20)}` : undefined,
  };
  switch (below(draw, 12)) {
    case 0: {
      if (numbers.length > 3) return { kind: "message", ...header };
      const number = numbers.push(0);
      const from = below(draw, 2) === 0 ? "now" : "first";
      return { kind: "consumer", number, from, name: `c${number}` };
    }
    case 1:
      if (below(draw, 6) > 0) return { kind: "message", ...header };
      return { kind: "removed", consumer };
    case 2:
      return { kind: "copy", id, ...header };
    case 3:
    case 4:
      return { kind: "acked", consumer, ids };
    case 5:
      return { kind: "delivered", consumer, ids };
    case 6:
      return { kind: "retried", consumer, id, due: last + 5, delay: 5 };
    case 7:
      return { kind: "dead", consumer, id, time: last, reason: `r${last}` };
    case 8:
      return { kind: "redriven", consumer, id };
    default:
      return { kind: "message", ...header };
  }
}

test("the fold of random records says what a model of everything says, also after checkpoints", () => {
  const keys = 8;
  let checkpoints = 0;
  for (let seed = 1; seed <= 150; seed++) {
    const draw = seededRandom(seed);
    const numbers: number[] = [];
    const model = new Model(keys);
    let state = new QueueState(keys);
    for (let index = 1; index <= 60; index++) {
      const record = anyRecord(draw, index - 1, numbers);
      const size = 10 + below(draw, 20);
      state.apply(index, record, size);
      model.apply(index, record, size);
      assertEquals(said(state), model.said(), `seed ${seed}, entry ${index}: ${record.kind}`);
      if (below(draw, 10) > 0) continue;
      const decoded = decodeCheckpoint(encodeCheckpoint(state), keys);
      assert(decoded !== undefined);
      assertEquals(decoded.lastNumber, state.lastNumber);
      state = decoded;
      assertEquals(said(state), model.said(), `seed ${seed}, a checkpoint at ${index}`);
      checkpoints++;
    }
  }
  assert(checkpoints > 500, String(checkpoints));
});

test("bytes that are cut or changed are no state, or are read to their end", () => {
  const state = new QueueState(8);
  state.apply(1, { kind: "consumer", number: 1, from: "first", name: "a" }, 11);
  state.apply(2, { kind: "message", time: 1, due: 0, delay: 0, key: "k" }, 12);
  state.apply(3, { kind: "dead", consumer: 1, id: 2, time: 5, reason: "why" }, 27);
  const bytes = encodeCheckpoint(state);
  for (let size = 0; size < bytes.length; size++) {
    assertEquals(decodeCheckpoint(bytes.subarray(0, size), 8), undefined, String(size));
  }
  assertEquals(decodeCheckpoint(new Uint8Array([...bytes, 0]), 8), undefined);
  for (let at = 0; at < bytes.length; at++) {
    decodeCheckpoint(bytes.map((byte, i) => i === at ? byte ^ 0xff : byte), 8);
  }
});
