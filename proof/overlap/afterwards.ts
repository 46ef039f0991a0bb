/**
 * What is done with a log when the calls that overlapped have ended: whatever went before, it works
 * as it should.
 *
 * @module
 */
import { Wal } from "../../mod.ts";
import { BrokenPromise, contentsOf, digestOf } from "../../src/testing/testing.ts";
import { callsOn, type Range } from "./calls.ts";
import { PATH, type Session, settle } from "./session.ts";

/** A loop in the writer's process that follows all the time. */
export class Follower {
  readonly #seen = new Map<number, string>();
  readonly #ended: Promise<void>;
  readonly #session: Session;
  #error: unknown;

  constructor(session: Session) {
    this.#session = session;
    this.#ended = this.#follow(session.log).catch((error: unknown) => {
      this.#error = error;
    });
  }

  async #follow(log: Wal): Promise<void> {
    for await (const { index, data } of log.follow()) {
      this.#session.claim("a follower", index);
      this.#seen.set(index, digestOf(data));
    }
  }

  /** What it saw last of each entry must be what there is. A truncation of the head may overtake it. */
  check(firstIndex: number, entries: readonly string[]): void {
    if (this.#error !== undefined) {
      if (String(this.#error).includes("was dropped before it was read")) return;
      throw this.#error;
    }
    for (const [i, entry] of entries.entries()) {
      if (this.#seen.get(firstIndex + i) === entry) continue;
      throw new BrokenPromise(`A follower did not see entry ${firstIndex + i} as it is`);
    }
  }

  /** The loop ends with its log. */
  async end(): Promise<void> {
    await this.#ended;
  }
}

/** Uses the log on. */
export class Afterwards {
  readonly #session: Session;
  readonly #range: Range;
  readonly #first: Wal;
  readonly #follower: Follower;

  /** The log has these entries before anything overlaps; the follower is of that time too. */
  constructor(session: Session, range: Range) {
    this.#session = session;
    this.#range = range;
    this.#first = session.log;
    this.#follower = new Follower(session);
  }

  /** What may show a mistake at once: the next appends and syncs, and the next open of the log. */
  async begin(): Promise<void> {
    if (this.#session.isClosed) await this.#session.reopen();
    await this.#read("a reading");
    await this.#make("append");
    await this.#make("appendAndSync");
    await this.#checkFollower();
    await this.#make("append");
  }

  /** A follower in the writer's process sees at once what has become durable. */
  async #checkFollower(): Promise<void> {
    const { log, held } = this.#session;
    if (log !== this.#first) return;
    await settle(held);
    const { firstIndex, entries } = contentsOf(log);
    await this.#guarded("a follower", () => this.#follower.check(firstIndex, entries));
  }

  /** What may tell later: rolls, new beginnings, a close and what it leaves, a reopening. */
  async continueLog(): Promise<void> {
    const session = this.#session;
    const isFirstLog = session.log === this.#first;
    await this.#fill(5);
    await this.#make("appendAndSync");
    await this.#read("a reading after a roll");
    // What was read stays open; a new beginning, and one more, must forget all of it.
    for (const index of [session.log.lastIndex + 10, 1]) {
      await session.do({ kind: "reset", index }, () => session.log.reset(index));
    }
    await this.#fill(12);
    await this.#read("a reading after a reset");
    await this.#make("setState");
    await this.#make("sync");
    await this.#checkFollower();
    await this.#make("close");
    if (isFirstLog) await this.#guarded("a follower", () => this.#follower.end());
    if (session.wrongs.length === 0) session.wrongs.push(...session.held.leftOpen());
    await session.reopen();
    await this.#read("a reading after a reopening");
    await this.#make("close");
    if (session.wrongs.length === 0) session.wrongs.push(...session.held.leftOpen());
  }

  /** After a failure: the log is closed, opened again, and what it then has stays. */
  async recover(): Promise<void> {
    const session = this.#session;
    const { held } = session;
    await session.look("close", () => session.log.close());
    session.wrongs.push(...held.leftOpen());
    const fileSystem = session.fileSystemFor("a later writer", true);
    session.log = await Wal.open(PATH, { ...session.options, fileSystem });
    session.isClosed = false;
    session.events.push({ kind: "reopened", contents: contentsOf(session.log) });
    await this.#make("appendAndSync");
    await this.#make("close");
    session.wrongs.push(...held.leftOpen());
  }

  async #guarded(what: string, body: () => Promise<void> | void): Promise<void> {
    const session = this.#session;
    if (session.wrongs.length > 0) return;
    const before = session.refusals.length;
    await session.look(what, body);
    const refused = session.refusals.slice(before);
    if (refused.length > 0) session.wrongs.push(`${what} was refused: ${refused.join()}`);
  }

  async #read(what: string): Promise<void> {
    await this.#guarded(what, () => this.#session.read(this.#session.log));
  }

  async #make(name: string): Promise<void> {
    const call = callsOn(this.#range).find((call) => call.name === name);
    if (call === undefined) throw new TypeError(`There is no call "${name}"`);
    await this.#guarded(name, () => call.start(this.#session));
  }

  async #fill(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      await this.#make(i % 3 === 2 ? "append over a roll" : "append");
    }
  }
}
