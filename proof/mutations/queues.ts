/**
 * The mutations of the queue: something is acknowledged, delivered, dropped or forgotten too early, or by
 * a job that it is not for any more.
 *
 * @module
 */
import type { Mutation } from "./list.ts";

const QUEUE = "tests/queue/queue_test.ts";
const RUN = "tests/queue/run_test.ts";
const COMPACTION = "tests/queue/compaction_test.ts";
const STATE = "tests/queue/state_test.ts";

const CRASHES: readonly [file: string, test: string] = [
  "proof/queue/queue_test.ts",
  "every crash of a program that does everything with a queue keeps every promise",
];

const FOLD: readonly [file: string, test: string] = [
  STATE,
  "the fold of random records says what a model of everything says, also after checkpoints",
];

/** What is promised before it is so. */
const TOO_EARLY: readonly Mutation[] = [
  {
    name: "a queue's record is acknowledged before its sync",
    in: "TurnCommit.#sync",
    find: "await this.#log.sync(); for (const [atom, first] of firsts) atom.resolve(first);",
    replace: "for (const [atom, first] of firsts) atom.resolve(first); await this.#log.sync();",
    caughtBy: CRASHES,
  },
  {
    name: "a message is delivered before it is durable",
    in: "Subscription.hasReady",
    find: "return first !== undefined && this.#isDurable(first.message.id);",
    replace: "return first !== undefined;",
    caughtBy: [QUEUE, "what is not durable is not delivered"],
  },
  {
    name: "a delayed message is delivered before it is durable",
    in: "Subscription.#wakeDelayed",
    find: "if (!this.#isDurable(item.message.id)) return;",
    replace: "",
    caughtBy: [QUEUE, "what is not durable is not delivered"],
  },
  {
    name: "a handler sees a message before its delivery is recorded",
    in: "NamedConsumer.reserve",
    find: 'this.#core.append([draftOf({ kind: "delivered", consumer: number, ids })]);',
    replace: "",
    caughtBy: [
      QUEUE,
      "an attempt counts that kills the process, and after the last one the message is dead",
    ],
  },
  {
    name: "a queue is closed while handlers run",
    in: "QueueCore.#close",
    find: "await Promise.allSettled([...this.workers].map(({ done }) => done));",
    replace: "await Promise.resolve();",
    caughtBy: [RUN, "close waits for handlers that run, and takes no more messages"],
  },
  {
    name: "a handler that waits for close waits for itself",
    in: "QueueCore.close",
    find: "if (!this.handlers.isInside) return this.#closing;",
    replace: "if (this.log.path !== undefined) return this.#closing;",
    caughtBy: [
      RUN,
      "a handler may wait for close, which waits for the handlers, and its job is acknowledged",
    ],
    hangs: true,
  },
  {
    name: "a reason is kept that fits no entry",
    in: "fittingReason",
    find: "if (bytes.length <= most) return reason;",
    replace: "if (bytes.length <= most + 1000) return reason;",
    caughtBy: [
      COMPACTION,
      "a maxEntrySize is refused under which some record cannot be written",
    ],
  },
  {
    name: "an acknowledgement is written apart from what follows from it",
    in: "LeasedJob.ack",
    find:
      'await this.#settle(() => [draftOf({ kind: "acked", consumer, ids: [id] }), ...this.#context.producer.drafts(next)]);',
    replace:
      'await this.#settle(() => [draftOf({ kind: "acked", consumer, ids: [id] })]); if (next.length > 0) await this.#context.core.submit(this.#context.producer.drafts(next));',
    caughtBy: CRASHES,
  },
];

/** What a job does that has lost its message, and what happens to it. */
const LEASES: readonly Mutation[] = [
  {
    name: "a job is settled twice",
    in: "Subscription.holds",
    find: "if (lease.end !== undefined || lease.isSettling) return false;",
    replace: "if (lease.end !== undefined) return false;",
    caughtBy: [QUEUE, "a job is settled once"],
  },
  {
    name: "an acknowledgement by a lease that has ended is taken",
    in: "Subscription.holds",
    find:
      "if (lease.end !== undefined || lease.isSettling) return false; if (lease.deadline > this.#time.elapsed()) return true;",
    replace: "if (lease.isSettling) return false; if (lease.deadline > 0) return true;",
    caughtBy: [
      QUEUE,
      "a lease that ends has the message delivered again, and a late acknowledgement changes nothing",
    ],
  },
  {
    name: "a lease lasts until a timer rings",
    in: "Subscription.holds",
    find: "if (lease.deadline > this.#time.elapsed()) return true;",
    replace: "if (lease.deadline > 0) return true;",
    caughtBy: [QUEUE, "a lease ends in time also where no timer could ring"],
  },
  {
    name: "a job that could not be settled is held no more",
    in: "LeasedJob.#settle",
    find: "this.#context.subscription.keep(this.#lease);",
    replace: "",
    caughtBy: [QUEUE, "a full disk refuses what does not fit, and loses nothing"],
  },
  {
    name: "a message that could not be delivered is lost",
    in: "NamedConsumer.reserve",
    find: "this.#subscription.putBack([...spent, ...tasks]);",
    replace: "",
    caughtBy: [QUEUE, "a full disk refuses what does not fit, and loses nothing"],
  },
  {
    name: "a clock that is put back makes a delay longer",
    in: "Subscription.offer",
    find: "Math.min(task.due - this.#time.now(), task.delay)",
    replace: "task.due - this.#time.now()",
    caughtBy: [
      QUEUE,
      "a delayed message waits, also after a reopening, and a clock that goes back loses none",
    ],
  },
];

/** What is dropped or forgotten. */
const SPACE: readonly Mutation[] = [
  {
    name: "a queue's log is cut before the copies and the checkpoint are durable",
    in: "Compaction.#compact",
    find: "await log.sync();",
    replace: "",
    caughtBy: CRASHES,
  },
  {
    name: "messages that matter lie below the new head of a queue's log",
    in: "Compaction.#checkpoint",
    find: "head: Math.min(before ?? first, first)",
    replace: "head: before === undefined ? first : first",
    caughtBy: [COMPACTION, "messages are delivered and acknowledged while others are copied"],
  },
  {
    name: "a checkpoint forgets the keys",
    in: "encodeCheckpoint",
    find: "fields.varint(state.keys.size); for (const [key, id] of state.keys) {",
    replace: "fields.varint(0); for (const [key, id] of [] as [string, number][]) {",
    caughtBy: FOLD,
  },
  {
    name: "a checkpoint forgets the attempts",
    in: "encodeConsumer",
    find: "for (const value of [id, attempts, due, delay]) fields.varint(value);",
    replace: "for (const value of [id, attempts * 0, due, delay]) fields.varint(value);",
    caughtBy: FOLD,
  },
  {
    name: "a dead letter is dropped once no consumer has the message to do",
    in: "QueueState.#finish",
    find: "if (message.pending + message.dead > 0) return;",
    replace: "if (message.pending > 0) return;",
    caughtBy: FOLD,
  },
  {
    name: "a copy of a message does not stand for it",
    in: "QueueState.#move",
    find: "[message.at, message.size] = [index, size];",
    replace: "message.size = size;",
    caughtBy: FOLD,
  },
  {
    name: "an open ignores the records after the checkpoint",
    in: "loadState",
    find: "place.first === 0 ? 1 : place.first + place.parts",
    replace: "place.first === 0 ? 1 : log.lastIndex + 1",
    caughtBy: [
      COMPACTION,
      "an open reads the checkpoint and what is after it, and none of what is before",
    ],
  },
  {
    name: "a key that another call is writing is written again",
    in: "Producer.#known",
    find: "if (underWay !== undefined) return underWay;",
    replace: "",
    caughtBy: [
      QUEUE,
      "a key is enqueued once, whether the first call is done, on its way, or of another process",
    ],
  },
  {
    name: "a call that the log refuses takes those of its turn with it",
    in: "TurnCommit.#append",
    find: "if (!isRefusal(error)) {",
    replace: "if (!isRefusal(error) || atoms.length > 1) {",
    caughtBy: [QUEUE, "of calls of one turn that do not all fit, those are written that do"],
  },
];

/** All of them. */
export const QUEUES: readonly Mutation[] = [...TOO_EARLY, ...LEASES, ...SPACE];
