/**
 * What a state machine promises of the messages that it hands over to queues.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { test } from "node:test";
import { Wal, WalError, type WalErrorCode } from "../../mod.ts";
import { clock } from "../../src/fs/clock.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { json, type SnapshotOrder, StateMachine } from "../../src/machine/machine.ts";
import { Queue, text } from "../../src/queue/queue.ts";
import { CrashFileSystem, FaultyFileSystem } from "../../src/testing/testing.ts";
import { immutable, mutating } from "../../kit/machines.ts";
import { messagesOf, openMail, openSender, type Sender } from "../../kit/outbox.ts";

/** The code of the error that a call rejects with. */
async function codeOf(call: () => Promise<unknown>): Promise<WalErrorCode> {
  return (await assertRejects(call, WalError)).code;
}

/** Waits for what runs by itself. */
async function rest(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await clock.endOfTurn();
}

/** Dispatches events with one message each, one after the other. */
async function send(machine: Sender, ...numbers: number[]): Promise<void> {
  for (const n of numbers) await machine.dispatch({ n }, { enqueue: { mail: [`m${n}`] } });
}

/** Hands all over to a queue with little room, whose messages are settled one after the other. */
async function drainOneByOne(
  machine: Sender,
  mail: Queue<string>,
  words: readonly string[],
): Promise<void> {
  const drained = machine.outbox.drain();
  for (const want of words) {
    await mail.consumer("reader").available();
    const [job] = mail.consumer("reader").reserve();
    assertEquals(job?.value, want);
    await job?.ack();
  }
  await drained;
}

/** How often each call of a file was made. */
function countOf(fileSystem: FaultyFileSystem, call: string): number {
  return fileSystem.calls.filter((one) => one === call).length;
}

test("messages are in their queue once their event is durable, in the order of the calls", async () => {
  const fileSystem = new MemoryFileSystem();
  await using mail = await openMail(fileSystem);
  await using machine = await openSender(fileSystem, mail);
  const calls = [1, 2, 3].map((n) =>
    machine.dispatch({ n }, { enqueue: { mail: [`a${n}`, `b${n}`] } })
  );
  assertEquals(await Promise.all(calls), [1, 2, 3]);
  await machine.outbox.drain();
  assertEquals([machine.outbox.pending, machine.outbox.error], [0, undefined]);
  assertEquals(messagesOf(mail), ["a1", "b1", "a2", "b2", "a3", "b3"]);
  assertEquals(machine.state.numbers, [1, 2, 3]);
});

test("nothing is handed over before its event is durable", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const gates = [1, 2].map(() => Promise.withResolvers<void>());
  await using mail = await openMail(fileSystem);
  const machine = await openSender(fileSystem, mail);
  let syncs = 0;
  fileSystem.delay("syncData", async () => await gates[syncs++]?.promise, { name: "a.wal" });
  const first = send(machine, 1);
  await rest();
  assertEquals([mail.pendingBytes, machine.outbox.pending], [0, 1]);
  // The second is in the log when the first becomes durable, and has a sync of its own.
  const second = send(machine, 2);
  await rest();
  gates[0]?.resolve();
  await first;
  await rest();
  assertEquals(messagesOf(mail), ["m1"]);
  gates[1]?.resolve();
  await second;
  await machine.close();
  assertEquals(messagesOf(mail), ["m2"]);
});

test("what the event's refusal takes back takes the messages back", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  await using mail = await openMail(fileSystem);
  await using machine = await openSender(fileSystem, mail);
  const enqueue = { mail: ["never"] };
  const refused = (): Promise<number> => machine.dispatch({ n: 1, isRefused: true }, { enqueue });
  assertEquals(await codeOf(refused), "ERR_MACHINE_REFUSED");
  fileSystem.fail("write", "ENOSPC", { name: "a.wal" });
  assertEquals(await codeOf(() => machine.dispatch({ n: 1 }, { enqueue })), "ERR_WAL_WRITE_FAILED");
  assertEquals(machine.outbox.pending, 0);
  await send(machine, 2);
  await machine.outbox.drain();
  assertEquals(messagesOf(mail), ["m2"]);
});

test("a call with a key that was given before hands nothing over", async () => {
  const fileSystem = new MemoryFileSystem();
  await using mail = await openMail(fileSystem);
  await using machine = await openSender(fileSystem, mail);
  const options = { key: "k", enqueue: { mail: ["once"] } };
  const calls = [1, 2].map((n) => machine.dispatch({ n }, options));
  assertEquals(await Promise.all(calls), [1, 1]);
  assertEquals(await machine.dispatch({ n: 3 }, options), 1);
  await machine.outbox.drain();
  assertEquals(messagesOf(mail), ["once"]);
});

test("what was not handed over when the process died is handed over at the next open, once", async () => {
  const disk = new CrashFileSystem();
  const faulty = new FaultyFileSystem(disk);
  const first = await openSender(faulty, await openMail(faulty));
  await send(first, 1, 2);
  await first.outbox.drain();
  // The queue's disk is full: these stay in the machine's log.
  faulty.fail("write", "ENOSPC", { name: "mail.wal", times: Infinity });
  await send(first, 3, 4);
  await rest();
  const { error, pending } = first.outbox;
  assert(error instanceof WalError);
  assertEquals([error.code, pending], ["ERR_WAL_WRITE_FAILED", 2]);
  disk.kill();
  for (let open = 0; open < 3; open++) {
    const mail = await openMail(disk);
    const machine = await openSender(disk, mail);
    await machine.outbox.drain();
    assertEquals(messagesOf(mail), ["m1", "m2", "m3", "m4"]);
    disk.kill();
  }
});

test("a message that was settled is not enqueued again after a crash", async () => {
  const disk = new CrashFileSystem();
  const mail = await openMail(disk);
  const machine = await openSender(disk, mail);
  await send(machine, 1, 2);
  await machine.outbox.drain();
  for (const job of mail.consumer("reader").reserve(2)) await job.ack();
  await mail.compact();
  disk.kill();
  const again = await openMail(disk);
  await using sender = await openSender(disk, again);
  await sender.outbox.drain();
  assertEquals(messagesOf(again), []);
});

test("a clean close keeps how far it came: nothing is offered to the queue again", async () => {
  const disk = new CrashFileSystem();
  const mail = await openMail(disk);
  const machine = await openSender(disk, mail);
  await send(machine, 1, 2, 3);
  await machine.close();
  await mail.close();
  disk.kill();
  // A queue that knows no key would take them again.
  for (const name of disk.list(".")) if (name.startsWith("mail")) disk.remove(name);
  await using empty = await openMail(disk);
  await using again = await openSender(disk, empty);
  assertEquals(again.outbox.pending, 0);
  assertEquals(messagesOf(empty), []);
  assertEquals([again.state.numbers, again.recovery.replayed], [[1, 2, 3], 3]);
});

test(
  "how far it came is kept after some hundred calls, without a close",
  { timeout: 60_000 },
  async () => {
    const disk = new CrashFileSystem();
    const mail = await openMail(disk);
    const machine = await openSender(disk, mail);
    const calls = Array.from(
      { length: 700 },
      (_, i) => machine.dispatch({ n: i + 1 }, { enqueue: { mail: [`m${i + 1}`] } }),
    );
    await Promise.all(calls);
    await machine.outbox.drain();
    assertEquals(messagesOf(mail).length, 700);
    disk.kill();
    for (const name of disk.list(".")) if (name.startsWith("mail")) disk.remove(name);
    await using empty = await openMail(disk);
    await using again = await openSender(disk, empty);
    await again.outbox.drain();
    // At most those of one round are offered again; a queue that has them drops them.
    assert(messagesOf(empty).length <= 256, `${messagesOf(empty).length} messages`);
  },
);

test("how far it came is kept a second after the last call", { timeout: 30_000 }, async () => {
  const disk = new CrashFileSystem();
  await using mail = await openMail(disk);
  await using machine = await openSender(disk, mail);
  await send(machine, 1);
  await machine.outbox.drain();
  for (let i = 0; i < 500 && machine.durableIndex < 2; i++) {
    await new Promise<void>((resolve) => void clock.after(10, resolve));
  }
  assertEquals([machine.index, machine.durableIndex], [2, 2]);
});

test("a full queue holds messages back, and a close does not wait for it", async () => {
  const fileSystem = new MemoryFileSystem();
  const mail = await openMail(fileSystem, { maxBytes: 20 });
  const machine = await openSender(fileSystem, mail);
  await send(machine, 1, 2, 3);
  await rest();
  assertEquals([machine.outbox.pending, machine.outbox.error], [2, undefined]);
  await machine.close();
  assertEquals(machine.outbox.pending, 2);
  assertEquals((machine.outbox.error as WalError).code, "ERR_MACHINE_OUTBOX");
  const again = await openSender(fileSystem, mail);
  await drainOneByOne(again, mail, ["m1", "m2", "m3"]);
  assertEquals(again.outbox.pending, 0);
  await again.close();
  await mail.close();
});

test("a queue that is closed is told, and refuses the next call before anything is written", async () => {
  const fileSystem = new MemoryFileSystem();
  const mail = await openMail(fileSystem);
  const machine = await openSender(fileSystem, mail);
  const call = machine.dispatch({ n: 1 }, { enqueue: { mail: ["m1"] } });
  await mail.close();
  await call;
  assertEquals(await codeOf(() => machine.outbox.drain()), "ERR_QUEUE_CLOSED");
  assertEquals(machine.outbox.pending, 1);
  assertEquals((machine.outbox.error as WalError).code, "ERR_QUEUE_CLOSED");
  assertEquals(await codeOf(() => send(machine, 2)), "ERR_QUEUE_CLOSED");
  assertEquals(await machine.dispatch({ n: 3 }), 2);
  assertEquals(machine.state.numbers, [1, 3]);
  await machine.close();
  await using open = await openMail(fileSystem);
  await using again = await openSender(fileSystem, open);
  await again.outbox.drain();
  assertEquals(messagesOf(open), ["m1"]);
});

test("a queue whose sync fails is told, and nothing is lost", async () => {
  const disk = new CrashFileSystem();
  const faulty = new FaultyFileSystem(disk);
  const mail = await openMail(faulty);
  const machine = await openSender(faulty, mail);
  faulty.fail("syncData", "EIO", { name: "mail.wal" });
  await send(machine, 1);
  assertEquals(await codeOf(() => machine.outbox.drain()), "ERR_WAL_SYNC_FAILED");
  assertEquals(await codeOf(() => send(machine, 2)), "ERR_WAL_SYNC_FAILED");
  assertEquals(machine.state.numbers, [1]);
  await machine.close();
  await mail.close().catch(() => {});
  await using open = await openMail(disk);
  await using again = await openSender(disk, open);
  await again.outbox.drain();
  assertEquals(messagesOf(open), ["m1"]);
});

test("a full disk under the queue is tried again by itself", { timeout: 30_000 }, async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  await using mail = await openMail(fileSystem);
  await using machine = await openSender(fileSystem, mail);
  fileSystem.fail("write", "ENOSPC", { name: "mail.wal" });
  await send(machine, 1);
  for (let i = 0; i < 500 && machine.outbox.pending > 0; i++) {
    await new Promise<void>((resolve) => void clock.after(10, resolve));
  }
  assertEquals([machine.outbox.pending, machine.outbox.error], [0, undefined]);
  assertEquals(messagesOf(mail), ["m1"]);
});

test("a sync that fails in the machine ends it, and hands over only what is durable", async () => {
  const disk = new CrashFileSystem();
  const faulty = new FaultyFileSystem(disk);
  await using mail = await openMail(faulty);
  const machine = await openSender(faulty, mail);
  faulty.fail("syncData", "EIO", { name: "a.wal" });
  assertEquals(await codeOf(() => send(machine, 1)), "ERR_WAL_SYNC_FAILED");
  assertEquals(await codeOf(() => machine.outbox.drain()), "ERR_WAL_SYNC_FAILED");
  await machine.close();
  assertEquals(messagesOf(mail), []);
});

test("what a queue can never take is refused before the event is applied", async () => {
  const fileSystem = new MemoryFileSystem();
  await using mail = await openMail(fileSystem, { maxEntrySize: 300, segmentSize: 1000 });
  await using machine = await openSender(fileSystem, mail);
  const sent = (...messages: unknown[]): Promise<WalErrorCode> =>
    codeOf(() => machine.dispatch({ n: 1 }, { enqueue: { mail: messages as string[] } }));
  assertEquals(await sent("x".repeat(300)), "ERR_WAL_ENTRY_TOO_LARGE");
  // Also where the key makes it too large.
  assertEquals(await sent("x".repeat(230)), "ERR_WAL_ENTRY_TOO_LARGE");
  assertEquals(
    await sent(...Array.from({ length: 9 }, () => "x".repeat(100))),
    "ERR_WAL_BATCH_TOO_LARGE",
  );
  assertEquals(await sent(7), "ERR_EVENT_CODEC");
  assertEquals([machine.state.numbers, machine.index], [[], 0]);
  const large = "x".repeat(200);
  await machine.dispatch({ n: 1 }, { enqueue: { mail: [large] } });
  await machine.outbox.drain();
  assertEquals(messagesOf(mail), [large]);
});

test("wrong queues and wrong messages are refused by their kind", async () => {
  const fileSystem = new MemoryFileSystem();
  await using mail = await openMail(fileSystem);
  await using few = await Queue.open("few.wal", { codec: text(), keys: 100, fileSystem });
  const queues: unknown[] = [
    1,
    { mail: undefined },
    { mail: {} },
    { mail: { outlet: {} } },
    { "": mail },
    { few },
    { mail, post: mail },
  ];
  for (const one of queues) {
    const options = { ...immutable(fileSystem), queues: one as never };
    assertEquals(
      await codeOf(() => StateMachine.open("a.wal", options)),
      "ERR_WAL_INVALID_ARGUMENT",
    );
  }
  assertEquals(
    await codeOf(() => openSender(fileSystem, mail, { maxEntrySize: 13 })),
    "ERR_WAL_INVALID_ARGUMENT",
  );
  await using machine = await openSender(fileSystem, mail);
  for (const enqueue of [1, [], { post: ["a"] }, { mail: "a" }, { mail: 1 }, { mail: null }]) {
    const dispatch = () => machine.dispatch({ n: 1 }, { enqueue: enqueue as never });
    assertEquals(await codeOf(dispatch), "ERR_WAL_INVALID_ARGUMENT");
  }
  const transact = () => machine.transact(() => [], { enqueue: { mail: ["a"] } } as never);
  assertEquals(await codeOf(transact), "ERR_WAL_INVALID_ARGUMENT");
  // No message is none, in whatever form.
  await machine.dispatch({ n: 1 }, { enqueue: {} });
  await machine.dispatch({ n: 2 }, { enqueue: { mail: [] } });
  assertEquals([machine.outbox.pending, machine.state.numbers], [0, [1, 2]]);
});

test("an open without the queue, or with one of another codec, is refused as long as it matters", async () => {
  const fileSystem = new MemoryFileSystem();
  const mail = await openMail(fileSystem);
  const first = await openSender(fileSystem, mail);
  const call = first.dispatch({ n: 1 }, { enqueue: { mail: ["m1"] } });
  await mail.close();
  await call;
  await first.close();
  const before = fileSystem.list(".").sort();
  const plain = () => StateMachine.open("a.wal", immutable(fileSystem));
  const error = await assertRejects(plain, WalError);
  assertEquals(error.code, "ERR_MACHINE_OUTBOX");
  assert(error.message.includes('"mail"'), error.message);
  const other = await Queue.open("other.wal", { codec: json<string>(), fileSystem });
  const wrong = () =>
    StateMachine.open("a.wal", { ...immutable(fileSystem), queues: { mail: other } });
  assertEquals(await codeOf(wrong), "ERR_MACHINE_OUTBOX");
  await other.close();
  for (const name of fileSystem.list(".")) if (name.startsWith("other")) fileSystem.remove(name);
  assertEquals(fileSystem.list(".").sort(), before);
  // A replica shows the state, and hands nothing over.
  const replica = await StateMachine.replica("a.wal", immutable(fileSystem));
  await replica.reached(1);
  assertEquals(replica.state.numbers, [1]);
  await replica.close();
  const again = await openMail(fileSystem);
  const second = await openSender(fileSystem, again);
  await second.outbox.drain();
  await second.close();
  await again.close();
  const third = await plain();
  assertEquals(third.state.numbers, [1]);
  await third.close();
});

test("a replica hands nothing over, and follows past what was noted", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const mail = await openMail(fileSystem);
  const options = { ...immutable(fileSystem), queues: { mail } };
  const machine = await StateMachine.open("a.wal", options);
  const replica = await StateMachine.replica("a.wal", options);
  fileSystem.fail("write", "ENOSPC", { name: "mail.wal", times: 1 });
  await machine.dispatch({ n: 1 }, { enqueue: { mail: ["m1"] } });
  await rest();
  await replica.reached(1);
  const late = await StateMachine.replica("a.wal", options);
  const writes = countOf(fileSystem, "write mail.wal");
  await rest();
  assertEquals([countOf(fileSystem, "write mail.wal"), messagesOf(mail)], [writes, []]);
  await machine.outbox.drain();
  await machine.snapshot();
  await machine.dispatch({ n: 2 });
  await replica.reached(machine.index);
  assertEquals(replica.state.numbers, [1, 2]);
  for (const one of [replica, late, machine, mail]) await one.close();
});

test("snapshots never drop what was not handed over, and give the space back later", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const mail = await openMail(fileSystem);
  let machine = await openSender(fileSystem, mail);
  await send(machine, 1);
  await machine.outbox.drain();
  fileSystem.fail("write", "ENOSPC", { name: "mail.wal", times: Infinity });
  await send(machine, 2, 3);
  const firstIndexOf = async (): Promise<number> => {
    await using log = await Wal.open("a.wal", { fileSystem, readOnly: true });
    return log.firstIndex;
  };
  for (const n of [4, 5, 6]) {
    await machine.dispatch({ n });
    await machine.snapshot();
  }
  // Events 1 to 3 are at 1 to 3.
  assertEquals(await firstIndexOf(), 2);
  await machine.close();
  await mail.close().catch(() => {});

  const whole = new MemoryFileSystem();
  for (const name of fileSystem.list(".")) {
    const from = fileSystem.open(name, "read");
    const bytes = new Uint8Array(from.size());
    from.read(bytes, 0);
    from.close();
    const to = whole.open(name, "create");
    to.write(bytes, 0);
    to.close();
  }
  const again = await openMail(whole);
  machine = await openSender(whole, again);
  assertEquals(machine.outbox.pending, 2);
  await machine.outbox.drain();
  assertEquals(messagesOf(again), ["m1", "m2", "m3"]);
  for (const n of [7, 8]) {
    await machine.dispatch({ n });
    await machine.snapshot();
  }
  await using log = await Wal.open("a.wal", { fileSystem: whole, readOnly: true });
  assert(log.firstIndex > 3, `${log.firstIndex}`);
  assertEquals(machine.state.numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
  await machine.close();
  await again.close();
  const options = immutable(whole);
  assert(await StateMachine.verify("a.wal", options) > 0);
});

test("a snapshot from another thread keeps what was not handed over", async () => {
  const fileSystem = new MemoryFileSystem();
  const mail = await openMail(fileSystem, { maxBytes: 20 });
  const offload = (order: SnapshotOrder): Promise<unknown> =>
    StateMachine.writeSnapshot(order, immutable(fileSystem));
  const machine = await openSender(fileSystem, mail, { snapshot: { offload } });
  await send(machine, 1, 2, 3);
  await rest();
  for (const n of [4, 5, 6]) {
    await machine.dispatch({ n });
    await machine.snapshot();
  }
  assertEquals(machine.outbox.pending, 2);
  await machine.close();

  const again = await openSender(fileSystem, mail);
  assert(again.recovery.snapshotIndex > 3, "the events are not replayed");
  assertEquals(again.outbox.pending, 2);
  await drainOneByOne(again, mail, ["m1", "m2", "m3"]);
  await again.close();
  await mail.close();
});

test("one queue that takes nothing holds no other up", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const mail = await openMail(fileSystem);
  const post = await Queue.open("post.wal", { codec: text(), fileSystem });
  const options = { ...immutable(fileSystem), queues: { mail, post } };
  let machine = await StateMachine.open("a.wal", options);
  fileSystem.fail("write", "ENOSPC", { name: "mail.wal", times: 3 });
  for (const n of [1, 2, 3]) {
    await machine.dispatch({ n }, { enqueue: { mail: [`m${n}`], post: [`p${n}`] } });
  }
  await rest();
  assertEquals(machine.outbox.pending, 3);
  assertEquals(messagesOf(post), ["p1", "p2", "p3"]);
  await machine.close();
  machine = await StateMachine.open("a.wal", options);
  await machine.outbox.drain();
  // A queue takes what it has room for, so what it has refused comes after that.
  assertEquals(messagesOf(mail).sort(), ["m1", "m2", "m3"]);
  assertEquals(post.consumer("reader").lag, 3);
  for (const one of [machine, mail, post]) await one.close();
});

test("a machine that changes its state has an outbox too, and a note on a full disk ends nothing", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  await using mail = await openMail(fileSystem);
  const options = { ...mutating(fileSystem), queues: { mail } };
  const machine = await StateMachine.open("a.wal", options);
  await machine.dispatch({ n: 1 }, { enqueue: { mail: ["m1"] } });
  await machine.outbox.drain();
  fileSystem.fail("write", "ENOSPC", { name: "a.wal" });
  await machine.close();
  assertEquals((machine.outbox.error as WalError).code, "ERR_WAL_WRITE_FAILED");
  await using again = await StateMachine.open("a.wal", options);
  await again.outbox.drain();
  assertEquals([messagesOf(mail), again.state.numbers], [["m1"], [1]]);
});

test("after a close, drain is refused", async () => {
  const fileSystem = new MemoryFileSystem();
  await using mail = await openMail(fileSystem);
  const machine = await openSender(fileSystem, mail);
  await machine.close();
  assertEquals(await codeOf(() => machine.outbox.drain()), "ERR_WAL_CLOSED");
  assertEquals([machine.outbox.pending, machine.outbox.error], [0, undefined]);
});
