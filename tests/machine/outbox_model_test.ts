/**
 * Random programs of a state machine that hands messages over to a queue, with reopenings, deaths and
 * faults of both logs: in the end the queue has given out the messages of each event once.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { test } from "node:test";
import { WalError } from "../../mod.ts";
import { clock } from "../../src/fs/clock.ts";
import { StateMachine } from "../../src/machine/machine.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { CrashFileSystem, FaultyFileSystem } from "../../src/testing/testing.ts";
import { random } from "../../kit/logs.ts";
import { immutable } from "../../kit/machines.ts";
import { type ManualClock, onManualClock } from "../../kit/manual_clock.ts";
import { openMail, openSender, type Sender } from "../../kit/outbox.ts";

const FAULTS = ["write", "syncData", "sync", "create", "truncate", "list"] as const;

/** The messages of an event, by its number. */
function messagesFor(n: number): string[] {
  return n % 5 === 0 ? [] : Array.from({ length: 1 + n % 3 }, (_, i) => `${n}.${i}`);
}

/** Waits for a call, whose typed error is an answer too; false if it has one. */
async function answered(call: () => unknown): Promise<boolean> {
  try {
    await call();
    return true;
  } catch (error) {
    if (error instanceof WalError) return false;
    throw error;
  }
}

/** A program by a seed. */
class Program {
  reopenings = 0;
  readonly #below: (limit: number) => number;
  readonly #time: ManualClock;
  readonly #disk = new CrashFileSystem();
  readonly #segmentSize: number;
  #faulty = new FaultyFileSystem(this.#disk);
  #mail!: Queue<string>;
  #machine!: Sender;
  #next = 1;
  /** The events that were acknowledged, and those that were refused by a machine that lived on. */
  readonly #sure: number[] = [];
  readonly #refused: number[] = [];
  /** How often each message was acknowledged; of some the outcome is unknown. */
  readonly #done = new Map<string, number>();
  readonly #maybeDone = new Set<string>();
  /** The machines whose process has died. */
  readonly #dead = new Set<Sender>();

  constructor(seed: number, time: ManualClock) {
    const draw = random(seed);
    this.#below = (limit) => Math.floor(draw() * limit);
    this.#segmentSize = 400 + this.#below(3000);
    this.#time = time;
  }

  async run(steps: number): Promise<void> {
    await this.#open();
    for (let step = 0; step < steps; step++) {
      await this.#act(this.#below(12));
      if (this.#hasEnded(this.#machine) || !await answered(() => this.#mail.consumer("c"))) {
        await this.#reopen();
      }
    }
    await this.#close();
    this.#faulty = new FaultyFileSystem(this.#disk);
    await this.#open(Infinity);
    await this.#machine.outbox.drain();
    for (let before = -1; before < this.#done.size;) {
      before = this.#done.size;
      await this.#consume(100);
    }
    this.#judge();
    await this.#machine.snapshot();
    await this.#machine.dispatch({ n: this.#next });
    await this.#machine.snapshot();
    await this.#close();
    await StateMachine.verify("a.wal", immutable(this.#disk));
  }

  async #act(act: number): Promise<void> {
    if (act < 4) await Promise.all(Array.from({ length: 1 + this.#below(5) }, () => this.#send()));
    else if (act < 5) await this.#rest(this.#below(20));
    else if (act < 6) await this.#consume(1 + this.#below(6));
    else if (act < 7) await answered(() => this.#machine.snapshot());
    else if (act < 8) await this.#time.pass(1500);
    else if (act < 9) this.#fail();
    else if (act < 10) await this.#reopen();
    else if (act < 11) await this.#die();
    else await answered(() => this.#mail.compact());
  }

  async #send(): Promise<void> {
    const [machine, n] = [this.#machine, this.#next++];
    const enqueue = { mail: messagesFor(n) };
    const options = this.#below(3) === 0 ? { enqueue, key: `k${n}` } : { enqueue };
    const event = { n, more: "x".repeat(this.#below(100)) };
    if (await answered(() => machine.dispatch(event, options))) this.#sure.push(n);
    else if (!this.#hasEnded(machine) && !this.#dead.has(machine)) this.#refused.push(n);
  }

  async #consume(limit: number): Promise<void> {
    await answered(async () => {
      const consumer = this.#mail.consumer("c", { attempts: Infinity, visibility: 1e9 });
      for (const job of consumer.reserve(limit)) {
        this.#maybeDone.add(job.value);
        await job.ack();
        this.#maybeDone.delete(job.value);
        this.#done.set(job.value, (this.#done.get(job.value) ?? 0) + 1);
      }
    });
  }

  #fail(): void {
    const operation = FAULTS[this.#below(FAULTS.length)] ?? "write";
    const name = ["a.wal", "mail.wal"][this.#below(3)];
    const where = name === undefined ? {} : { name };
    this.#faulty.fail(operation, this.#below(2) === 0 ? "EIO" : "ENOSPC", {
      ...where,
      after: this.#below(3),
    });
  }

  async #die(): Promise<void> {
    void this.#send().catch(() => {});
    await this.#rest(this.#below(6));
    this.#dead.add(this.#machine);
    this.#disk.kill();
    this.#faulty = new FaultyFileSystem(this.#disk);
    await this.#open();
  }

  async #rest(turns: number): Promise<void> {
    for (let turn = 0; turn < turns; turn++) await clock.endOfTurn();
  }

  async #reopen(): Promise<void> {
    await this.#close();
    await this.#open();
  }

  async #close(): Promise<void> {
    await answered(() => this.#machine.close());
    await answered(() => this.#mail.close());
  }

  /** Opens both; a fault that was asked for may come in between. */
  async #open(maxBytes: number = this.#below(2) === 0 ? Infinity : 200): Promise<void> {
    this.reopenings++;
    const sizes = { segmentSize: this.#segmentSize };
    const tries = async (call: () => Promise<void>): Promise<void> => {
      for (let left = 20; !await answered(call); left--) assert(left > 0, "It cannot be opened");
    };
    await tries(async () => {
      this.#mail = await openMail(this.#faulty, { ...sizes, maxBytes });
    });
    await tries(async () => {
      this.#machine = await openSender(this.#faulty, this.#mail, sizes);
    });
  }

  #hasEnded(machine: Sender): boolean {
    try {
      return machine.state === undefined;
    } catch {
      return true;
    }
  }

  #judge(): void {
    const { numbers } = this.#machine.state;
    assertEquals(this.#sure.filter((n) => !numbers.includes(n)), [], "acknowledged, and not there");
    assertEquals(this.#refused.filter((n) => numbers.includes(n)), [], "refused, and there");
    const wanted = new Set(numbers.flatMap(messagesFor));
    const isUnknown = (message: string): boolean =>
      this.#maybeDone.has(message) && !this.#done.has(message);
    const missing = [...wanted].filter((one) => this.#done.get(one) !== 1 && !isUnknown(one));
    assertEquals(missing, [], "not given out once");
    const surplus = [...this.#done.keys()].filter((one) => !wanted.has(one));
    assertEquals(surplus, [], "of no event");
  }
}

test("random programs of an outbox give each message out once", { timeout: 120_000 }, async () => {
  let reopenings = 0;
  for (let seed = 1; seed <= 15; seed++) {
    try {
      reopenings += await onManualClock(async (time) => {
        const program = new Program(seed, time);
        await program.run(60);
        return program.reopenings;
      });
    } catch (cause) {
      throw new Error(`Program ${seed}`, { cause });
    }
  }
  assert(reopenings > 60, `${reopenings} reopenings`);
});
