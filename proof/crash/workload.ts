/**
 * A program that does everything with a log that can be done, at least twice, and tells what it
 * started and what was acknowledged.
 *
 * @module
 */
import { type FileSystem, Wal, WalError, type WalOptions } from "../../mod.ts";
import {
  contentsOf,
  digestOf,
  type WalContents,
  type WalOperation,
} from "../../src/testing/testing.ts";

import type { ManualClock } from "../../kit/manual_clock.ts";
import { clock } from "../../src/fs/clock.ts";

/** The log's path: in a directory that the log has to make. */
export const PATH = "data/a.wal";

/** What happened to the log. */
export type Event =
  | { readonly kind: "started"; readonly id: number; readonly operation: WalOperation }
  | { readonly kind: "acknowledged"; readonly id: number }
  /** It failed, and said that it had done nothing. */
  | { readonly kind: "refused"; readonly id: number }
  /** The log was opened again after a failed sync, and holds this. */
  | { readonly kind: "reopened"; readonly contents: WalContents }
  /** A segment was begun without a wait, or the last such was removed. */
  | { readonly kind: "rolled"; readonly next: string | undefined };

/** Bytes that differ by their number, in runs that a sector's edge may lie within. */
export function payload(number: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size).fill(number & 0xff);
  new TextEncoder().encodeInto(`entry ${number} `, bytes);
  return bytes;
}

/** How long after a sync the log tells its file of it, and a little more, in milliseconds. */
const IDLE_MS = 150;

/** Drives one log and notes what it does. */
export class Session {
  readonly #fileSystem: FileSystem;
  readonly #options: WalOptions;
  readonly #note: (event: Event) => void;
  readonly #time: ManualClock;
  #log: Wal;
  #id = 0;
  #payloads = 0;

  private constructor(
    fileSystem: FileSystem,
    options: WalOptions,
    note: (event: Event) => void,
    time: ManualClock,
    log: Wal,
  ) {
    this.#fileSystem = fileSystem;
    this.#options = options;
    this.#note = note;
    this.#time = time;
    this.#log = log;
  }

  /** Opens the log, or makes it. */
  static async open(
    fileSystem: FileSystem,
    options: WalOptions,
    note: (event: Event) => void,
    time: ManualClock,
  ): Promise<Session> {
    const log = await Wal.open(PATH, { ...options, fileSystem });
    return new Session(fileSystem, options, note, time, log);
  }

  /** The log. */
  get log(): Wal {
    return this.#log;
  }

  /** Appends entries of these sizes, one by one, in the page cache. */
  async append(...sizes: number[]): Promise<void> {
    for (const size of sizes) {
      const data = this.#payload(size);
      const operation = { kind: "append", entries: [digestOf(data)], durable: false } as const;
      await this.#do(operation, () => this.#log.append(data));
    }
  }

  /** Appends entries of these sizes, all at once, and makes them durable. */
  async appendAndSync(...sizes: number[]): Promise<void> {
    const appends = sizes.map((size) => {
      const data = this.#payload(size);
      const id = this.#start({ kind: "append", entries: [digestOf(data)], durable: true });
      const { lastIndex } = this.#log;
      const outcome = this.#log.appendAndSync(data);
      // A sync has it written, before the next one: what was refused is not in front of that.
      const synced = this.#log.sync();
      const isRefused = this.#log.lastIndex === lastIndex;
      if (isRefused) this.#note({ kind: "refused", id });
      return { id, outcome, synced, isRefused };
    });
    const syncs = Promise.allSettled(appends.map(({ synced }) => synced));
    const outcomes = await Promise.allSettled(appends.map(({ outcome }) => outcome));
    await syncs;
    let isOver = false;
    for (const [i, { id, isRefused }] of appends.entries()) {
      const outcome = outcomes[i];
      if (outcome?.status === "fulfilled") this.#note({ kind: "acknowledged", id });
      else if (!isRefused || !didNothing(outcome?.reason)) isOver = true;
    }
    if (isOver) await this.#recover();
  }

  /** Appends a batch. */
  async appendBatch(durable: boolean, ...sizes: number[]): Promise<void> {
    const data = sizes.map((size) => this.#payload(size));
    await this.#do(
      { kind: "append", entries: data.map(digestOf), durable },
      () => durable ? this.#log.appendBatchAndSync(data) : this.#log.appendBatch(data),
    );
  }

  /** Makes everything durable. */
  async sync(): Promise<void> {
    await this.#do({ kind: "sync" }, () => this.#log.sync());
  }

  /** The same, while the program waits. */
  async syncBlocking(): Promise<void> {
    await this.#do({ kind: "sync" }, () => this.#log.syncBlocking());
  }

  /** Drops the tail. */
  async truncateFrom(index: number): Promise<void> {
    await this.#do({ kind: "truncateFrom", index }, () => this.#log.truncateFromIndex(index));
  }

  /** Drops the head. */
  async truncateBefore(index: number): Promise<void> {
    await this.#do({ kind: "truncateBefore", index }, () => this.#log.truncateBeforeIndex(index));
  }

  /** Drops everything. */
  async reset(index: number): Promise<void> {
    await this.#do({ kind: "reset", index }, () => this.#log.reset(index));
  }

  /** Stores a state of this size. */
  async setState(size: number): Promise<void> {
    const state = this.#payload(size);
    const operation = { kind: "setState", state: digestOf(state) } as const;
    await this.#do(operation, () => this.#log.setState(state));
  }

  /** Closes the log and opens it again. */
  async reopen(): Promise<void> {
    await this.#do({ kind: "sync" }, async () => {
      await this.#log.close();
      await this.#open();
    });
  }

  /** Closes the log for good. */
  async close(): Promise<void> {
    await this.#do({ kind: "sync" }, () => this.#log.close());
  }

  /** Lets the log tell its file of the last sync. */
  async idle(): Promise<void> {
    await this.#time.pass(IDLE_MS);
  }

  /** Reads everything in every way. */
  async read(): Promise<void> {
    const { firstIndex, lastIndex } = this.#log;
    const all = this.#log.readAll();
    const entries = Array.from(this.#log.entries({ from: firstIndex }), ({ data }) => data);
    const single = all.map((_, i) => this.#log.getEntry(firstIndex + i));
    for (const other of [entries, single]) requireSame(other, all);
    if (this.#log.durableIndex === lastIndex && all.length > 0) {
      requireSame(await this.#untilSettled(this.#follow(lastIndex)), all);
    }
    const { appends } = this.#log.stats();
    if (appends > 0 === Number.isNaN(appends)) throw new TypeError("stats() counts nothing");
  }

  /** The entries that a follower yields, up to an index. */
  async #follow(lastIndex: number): Promise<Uint8Array[]> {
    const followed: Uint8Array[] = [];
    for await (const { index, data } of this.#log.follow()) {
      followed.push(data);
      if (index === lastIndex) break;
    }
    return followed;
  }

  /** Lets time pass for as long as a call waits for it: a follower reads again what it could not read. */
  async #untilSettled<T>(call: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    call.then(settle, settle);
    await clock.endOfTurn();
    while (!isSettled) await this.#time.pass(1);
    return await call;
  }

  #payload(size: number): Uint8Array {
    return payload(++this.#payloads, size);
  }

  async #open(): Promise<void> {
    this.#log = await Wal.open(PATH, { ...this.#options, fileSystem: this.#fileSystem });
  }

  #start(operation: WalOperation): number {
    const id = ++this.#id;
    this.#note({ kind: "started", id, operation });
    return id;
  }

  /** Does an operation. Where it fails, the log is used on as its errors say that it can be. */
  async #do(operation: WalOperation, call: () => unknown): Promise<void> {
    const id = this.#start(operation);
    try {
      await call();
    } catch (error) {
      if (operation.kind !== "append" || !didNothing(error)) return await this.#recover();
      return this.#note({ kind: "refused", id });
    }
    this.#note({ kind: "acknowledged", id });
  }

  /** After a failure of unknown outcome: what the log holds is what it says when opened again. */
  async #recover(): Promise<void> {
    await this.#log.close().catch((error: unknown) => {
      if (!(error instanceof WalError)) throw error;
    });
    await this.#open();
    this.#note({ kind: "reopened", contents: contentsOf(this.#log) });
  }
}

/** Whether an append that failed with this error has left the log as it was. */
function didNothing(error: unknown): boolean {
  if (!(error instanceof WalError)) throw error;
  return error.code === "ERR_WAL_WRITE_FAILED";
}

function requireSame(some: readonly Uint8Array[], others: readonly Uint8Array[]): void {
  if (some.map(digestOf).join() === others.map(digestOf).join()) return;
  throw new TypeError("Two ways of reading the log differ");
}

/** Does everything, in one segment and over several, with every kind of truncation. */
export async function useEverything(session: Session): Promise<void> {
  await useOneSegment(session);
  await session.idle();
  await session.appendAndSync(50);
  await useManySegments(session);
  await session.append(70);
  await session.sync();
  await session.idle();
  await session.close();
}

/** The same without waiting for the log to become idle. */
export async function useEverythingAtOnce(session: Session): Promise<void> {
  await useOneSegment(session);
  await useManySegments(session);
  await session.close();
}

async function useOneSegment(session: Session): Promise<void> {
  // Entries that end within a sector, at its edge, and beyond the next.
  await session.append(5, 430, 0, 600);
  await session.sync();
  await session.appendAndSync(20);
  await session.append(700, 3, 520);
  await session.appendBatch(false, 40, 0, 300);
  await session.setState(30);
  await session.appendBatch(true, 10, 500);
  await session.read();
  // Within the segment, and within its batch.
  await session.truncateFrom(session.log.lastIndex - 3);
  await session.append(33, 900);
  await session.truncateFrom(session.log.lastIndex);
  await session.setState(2000);
  // What a later entry's Durable frame covers.
  for (const size of [40, 600, 41, 42]) await session.appendAndSync(size);
  await session.truncateFrom(session.log.lastIndex - 2);
  await session.appendAndSync(1, 2, 3);
  await session.reopen();
}

async function useManySegments(session: Session): Promise<void> {
  for (const size of [800, 900, 1000]) await session.append(size, 50, size);
  await session.appendBatch(true, 400, 400, 400);
  await session.truncateBefore(session.log.lastIndex - 4);
  await session.append(90);
  await session.read();
  for (const size of [700, 750]) await session.append(size, size, 60, size);
  // Over segments, and into a batch.
  await session.truncateFrom(session.log.lastIndex - 8);
  await session.append(10, 20);
  await session.sync();
  await session.truncateBefore(session.log.lastIndex + 1);
  await session.append(100, 200);
  await session.reopen();
  await session.appendBatch(false, 250, 260, 270);
  await session.reset(session.log.lastIndex + 50);
  await session.append(300, 310, 320);
  await session.appendAndSync(8, 9);
  await session.reset(7);
  await session.append(30, 600);
  await session.setState(0);
  await session.read();
}

/** A roll, a batch, both truncations and the state, in few calls. */
export async function useALittle(session: Session): Promise<void> {
  await session.appendAndSync(30, 31);
  await session.append(300);
  await session.setState(5);
  await session.appendBatch(false, 400, 20);
  await session.truncateFrom(session.log.lastIndex);
  await session.appendAndSync(300);
  await session.appendAndSync(40);
  await session.truncateFrom(session.log.lastIndex - 1);
  await session.truncateBefore(session.log.lastIndex);
  await session.setState(6);
  await session.close();
}

/** Durable appends into space that was extended ahead of them, a cut in it, a roll out of it. */
export async function useSpaceAhead(session: Session): Promise<void> {
  await session.append(4500);
  for (let i = 0; i < 4; i++) await session.appendAndSync(30 + i, 300, 5);
  await session.reopen();
  await session.appendAndSync(40);
  await session.truncateFrom(session.log.lastIndex - 3);
  await session.append(600);
  await session.appendAndSync(50, 60);
  await session.appendBatch(true, 700, 20);
  await session.append(9000);
  await session.appendAndSync(70);
  await session.close();
}

/** Appends that are stored into mapped space, since much was written without a sync before them. */
export async function useMappedSpace(session: Session): Promise<void> {
  const unsynced = [11_000, 11_000, 11_000];
  await session.append(...unsynced);
  await session.append(600, 1200, 60);
  await session.appendAndSync(50, 700);
  await session.append(...unsynced, 900, 30, 2000);
  await session.truncateFrom(session.log.lastIndex - 1);
  await session.append(...unsynced, 40);
  await session.appendBatch(false, 300, 20);
  await session.append(11_000, 800);
  await session.reopen();
  await session.append(...unsynced, 70);
  await session.truncateBefore(session.log.lastIndex - 2);
  await session.append(80);
  await session.close();
}

/** Two truncations. The first leaves a Durable frame, and the second drops what it covers. */
export async function truncateAgainAndAgain(session: Session): Promise<void> {
  await session.append(4500);
  for (const size of [60, 61, 62]) await session.appendAndSync(size);
  await session.truncateFrom(session.log.lastIndex);
  await session.truncateFrom(1);
  await session.append(4500);
  for (const size of [60, 61, 62]) await session.appendAndSync(size);
  await session.truncateFrom(session.log.lastIndex);
  await session.reset(1);
  await session.close();
}

/** Rolls that are on their way while the log is appended to, synced in every way, cut and closed. */
export async function useRolls(session: Session): Promise<void> {
  // One after the other, and with turns of the event loop between.
  for (const size of [300, 500, 280, 510, 300]) {
    await session.append(size, 20);
    await turn();
  }
  await session.append(400, 410);
  await session.appendAndSync(30, 31);
  await session.append(600);
  await session.syncBlocking();
  await session.append(500, 40);
  await session.truncateFrom(session.log.lastIndex);
  await session.append(500, 300, 310);
  await session.truncateBefore(session.log.lastIndex - 1);
  await session.append(420, 430);
  await session.reset(session.log.lastIndex + 3);
  await session.append(450, 460, 20);
  await session.close();
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
