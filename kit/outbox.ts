/**
 * A state machine with a queue beside it, for tests of the outbox.
 *
 * @module
 */
import type { FileSystem } from "../mod.ts";
import { StateMachine } from "../src/machine/machine.ts";
import { Queue, type QueueClock, type QueueOptions, text } from "../src/queue/queue.ts";
import { immutable, type MoreOptions, type Numbered, type Seen } from "./machines.ts";

/** The queues of such a machine: a name for each, and its messages. */
export interface Mails {
  mail: string;
}

/** The machine. */
export type Sender = StateMachine<Seen, Numbered, Numbered, Mails>;

/** A clock that stands still, so that no lease keeps the process alive. */
const STILL: QueueClock = {
  now: () => 0,
  elapsed: () => 0,
  after: () => ({ cancel(): void {} }),
};

/** The queue. */
export function openMail(
  fileSystem: FileSystem,
  more: Partial<QueueOptions<string>> = {},
): Promise<Queue<string>> {
  return Queue.open("mail.wal", {
    codec: text(),
    preallocate: 0,
    clock: STILL,
    ...more,
    fileSystem,
  });
}

/** The machine, which hands messages over to the queue. */
export function openSender(
  fileSystem: FileSystem,
  mail: Queue<string>,
  more: MoreOptions = {},
): Promise<Sender> {
  return StateMachine.open("a.wal", { ...immutable(fileSystem, more), queues: { mail } });
}

/** The messages that a queue has, each once for each time that it has it. All are leased then. */
export function messagesOf(queue: Queue<string>): string[] {
  const options = { visibility: 1_000_000, attempts: Infinity };
  return queue.consumer("reader", options).reserve(Infinity).map(({ value }) => value);
}
