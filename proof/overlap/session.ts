/**
 * A log that is used by calls that overlap: what was asked of it, what it acknowledged, and what it
 * claimed, so that a crash at any moment can be judged.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import {
  type FileSystem,
  SyncFailedError,
  Wal,
  WalError,
  type WalErrorCode,
  type WalOptions,
} from "../../mod.ts";
import {
  BrokenPromise,
  contentsOf,
  type CrashFileSystem,
  digestOf,
  type WalContents,
  type WalOperation,
  WalOracle,
} from "../../src/testing/testing.ts";
import type { HeldDisk } from "./held_disk.ts";

/** The log's path: in a directory that the log has to make. */
export const PATH = "data/a.wal";

/** What happened. */
export type Event =
  | { readonly kind: "started"; readonly id: number; readonly operation: WalOperation }
  | { readonly kind: "acknowledged"; readonly id: number }
  /** It failed, and said that it had done nothing. */
  | { readonly kind: "refused"; readonly id: number }
  /** The log was opened again after a failure, and holds this. */
  | { readonly kind: "reopened"; readonly contents: WalContents }
  /** Something said that the entries up to this index are durable. */
  | { readonly kind: "durable"; readonly index: number; readonly by: string };

/** A moment at which the machine, or the process, may die. */
export interface Moment {
  readonly disk: CrashFileSystem;
  readonly events: readonly Event[];
  readonly when: string;
  /** Whether the calls overlap still, or have just ended, or long ago. */
  readonly phase: "overlap" | "after" | "later";
  /** How many decisions of the schedule were made before it. */
  readonly decisions: number;
}

/** Errors by which a call that overlaps others tells that it has done nothing. */
const REFUSALS: ReadonlySet<WalErrorCode> = new Set<WalErrorCode>([
  "ERR_WAL_CLOSED",
  "ERR_WAL_INDEX_OUT_OF_RANGE",
  "ERR_WAL_LOCKED",
]);

/** Bytes of a size that tell entries apart. */
export function payload(number: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size).fill(number & 0xff);
  new TextEncoder().encodeInto(`entry ${number} `, bytes);
  return bytes;
}

/** A log, and an account of it. */
export class Session {
  readonly held: HeldDisk;
  readonly options: WalOptions;
  readonly events: Event[] = [];
  /** Everything that should not have happened, in words. */
  readonly wrongs: string[] = [];
  /** Whether a call of the disk is to fail. */
  readonly #mayFail: boolean;
  /** Whether a call has reported a failed sync. */
  #hasEnded = false;
  /** The codes of errors that calls were refused with. */
  readonly refusals: WalErrorCode[] = [];
  /** The log that the calls use. */
  log: Wal;
  /** Whether it was closed. */
  isClosed = false;
  #fileSystems = 0;
  #operations = 0;
  #payloads = 0;

  private constructor(held: HeldDisk, options: WalOptions, log: Wal, mayFail: boolean) {
    this.#mayFail = mayFail;
    this.held = held;
    this.options = options;
    this.log = log;
  }

  /** Makes the log; where a call of the disk is to fail, calls may report it. */
  static async open(held: HeldDisk, options: WalOptions, mayFail: boolean): Promise<Session> {
    const fileSystem = held.fileSystemFor("the first writer", true);
    const log = await Wal.open(PATH, { ...options, fileSystem });
    return new Session(held, options, log, mayFail);
  }

  /** A file system for one more process. */
  fileSystemFor(name: string, isWriter: boolean): FileSystem {
    return this.held.fileSystemFor(`${name} ${++this.#fileSystems}`, isWriter);
  }

  /** The next entry. */
  payload(size: number): Uint8Array {
    return payload(++this.#payloads, size);
  }

  /**
   * Makes a call that does something, and notes what comes of it. It never rejects.
   *
   * @param promises Whether the call promises something by its end. A close does not after another
   * call has reported a failed sync.
   */
  async do<T>(
    operation: WalOperation,
    call: () => Promise<T> | T,
    promises: () => boolean = () => true,
  ): Promise<T | undefined> {
    const id = ++this.#operations;
    this.events.push({ kind: "started", id, operation });
    try {
      const result = await call();
      this.events.push({ kind: promises() ? "acknowledged" : "refused", id });
      return result;
    } catch (error) {
      // Others wait for a truncation that runs.
      const mayBeBusy = operation.kind === "truncateFrom" || operation.kind === "reset";
      if (this.#hasDoneNothing(error, operation, mayBeBusy)) {
        this.events.push({ kind: "refused", id });
      }
      return undefined;
    } finally {
      this.held.activity++;
    }
  }

  /** The same of a call that returns before anything else can run. */
  doAtOnce<T>(operation: WalOperation, call: () => T): T | undefined {
    const id = ++this.#operations;
    this.events.push({ kind: "started", id, operation });
    try {
      const result = call();
      this.events.push({ kind: "acknowledged", id });
      return result;
    } catch (error) {
      if (this.#hasDoneNothing(error, operation, true)) this.events.push({ kind: "refused", id });
      return undefined;
    }
  }

  /** Makes a call that changes nothing. It may be refused. */
  async look(what: string, call: () => Promise<void> | void): Promise<void> {
    try {
      await call();
    } catch (error) {
      if (error instanceof BrokenPromise) this.wrongs.push(`${what}: ${error.message}`);
      else this.#isRefusal(error, what);
    } finally {
      this.held.activity++;
    }
  }

  /** Opens the log again that was closed, or is closed first. */
  async reopen(): Promise<void> {
    if (!this.isClosed) await this.close();
    const fileSystem = this.fileSystemFor("a later writer", true);
    await this.do({ kind: "sync" }, async () => {
      this.log = await Wal.open(PATH, { ...this.options, fileSystem });
      this.isClosed = false;
    });
  }

  /** Closes the log. */
  async close(): Promise<void> {
    this.isClosed = true;
    await this.do({ kind: "sync" }, () => this.log.close(), () => !this.#hasEnded);
  }

  /** Whether a call that failed tells that it has done nothing; else its outcome is unknown. */
  #hasDoneNothing(error: unknown, operation: WalOperation, mayBeBusy: boolean): boolean {
    this.#hasEnded ||= error instanceof SyncFailedError;
    const isFull = error instanceof WalError && error.code === "ERR_WAL_WRITE_FAILED";
    if (this.#mayFail && isFull) return operation.kind === "append";
    const isBusy = error instanceof WalError && error.code === "ERR_WAL_BUSY";
    return (mayBeBusy && isBusy) || this.#isRefusal(error, JSON.stringify(operation));
  }

  #isRefusal(error: unknown, what: string): boolean {
    if (error instanceof WalError && REFUSALS.has(error.code)) {
      this.refusals.push(error.code);
      return true;
    }
    if (this.#mayFail && error instanceof WalError) return false;
    this.wrongs.push(`${what} failed: ${error instanceof Error ? error.stack : String(error)}`);
    return false;
  }

  /** Notes what the log claims to be durable. */
  claim(by: string, index: number): void {
    this.events.push({ kind: "durable", index, by });
  }

  /**
   * Judges what somebody reads now.
   *
   * @param since How many events there were when the reading began: it shows some moment from then on.
   */
  explain(found: WalContents, since: number = this.events.length): void {
    let wrong: unknown;
    for (let count = this.events.length; count >= since; count--) {
      try {
        oracleOf(this.events.slice(0, count)).judge(found, this.#mayFail ? "power" : "process");
        return;
      } catch (error) {
        wrong ??= error;
      }
    }
    throw wrong;
  }

  /** Reads the log in every way; what is found must be one and the same, and explained. */
  read(log: Wal): void {
    const { firstIndex } = log;
    const found = contentsOf(log);
    this.explain(found);
    const views: string[] = [];
    log.replay(({ bytes, start, end }) => views.push(digestOf(bytes.slice(start, end))));
    const single = found.entries.map((_, i) => digestOf(log.getEntry(firstIndex + i)));
    for (const other of [log.readAll().map(digestOf), views, single]) {
      if (other.join() === found.entries.join()) continue;
      throw new BrokenPromise("Two ways of reading the log differ");
    }
    if (log.lastIndex !== firstIndex + found.entries.length - 1) {
      throw new BrokenPromise(`lastIndex is ${log.lastIndex}, of ${found.entries.length} entries`);
    }
    if (log.durableIndex > log.lastIndex) {
      throw new BrokenPromise("durableIndex is beyond lastIndex");
    }
    log.stats();
  }
}

/** The oracle, as far as the events go. */
function oracleOf(events: readonly Event[]): WalOracle {
  const oracle = new WalOracle();
  for (const event of events) {
    if (event.kind === "started") oracle.start(event.id, event.operation);
    else if (event.kind === "acknowledged") oracle.acknowledge(event.id);
    else if (event.kind === "refused") oracle.refuse(event.id);
    else if (event.kind === "reopened") oracle.judge(event.contents, "power");
  }
  return oracle;
}

/** The last index that is claimed to be durable, as far as no call was made that may drop it. */
function claimedIndex(events: readonly Event[]): { index: number; by: string } {
  let claimed = { index: 0, by: "no call" };
  /** The calls that may drop entries and have not ended, each with the last index that it leaves. */
  const drops = new Map<number, number>();
  for (const event of events) {
    if (event.kind === "durable") {
      if (event.index > claimed.index) claimed = event;
    } else if (event.kind === "reopened") {
      claimed = { index: 0, by: "no call" };
      drops.clear();
    } else if (event.kind !== "started") {
      drops.delete(event.id);
    } else if (event.operation.kind === "reset") {
      drops.set(event.id, 0);
    } else if (event.operation.kind === "truncateFrom") {
      drops.set(event.id, event.operation.index - 1);
    }
    const index = Math.min(claimed.index, ...drops.values());
    if (index < claimed.index) claimed = { ...claimed, index };
  }
  return claimed;
}

/**
 * Opens what is left and judges it.
 *
 * @param hasFailed Whether a call of the disk has failed: then the page cache may have lost what no
 * sync covers, and the one to open the log may be the first to see the error.
 * @throws {BrokenPromise} If a promise is broken.
 */
export async function judge(
  { events, when }: Moment,
  disk: CrashFileSystem,
  crash: "process" | "power",
  options: WalOptions,
  hasFailed: boolean,
): Promise<void> {
  const open = (): Promise<Wal> => Wal.open(PATH, { ...options, fileSystem: disk });
  try {
    const log = await open().catch((error: unknown) => {
      if (hasFailed && error instanceof SyncFailedError) return open();
      throw error;
    });
    const found = contentsOf(log);
    await log.close();
    oracleOf(events).judge(found, hasFailed ? "power" : crash);
    const { index, by } = claimedIndex(events);
    const last = found.firstIndex + found.entries.length - 1;
    if (last < index) {
      throw new BrokenPromise(`${by} said that ${index} is durable, left is ${last}`);
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new BrokenPromise(`${reason} (death of the ${crash}, ${when}; ${disk.origin})`, {
      cause,
    });
  }
}

/** Resolves when nothing continues by itself any more. */
export async function settle(held: HeldDisk): Promise<void> {
  let seen = held.activity;
  for (let quiet = 0; quiet < 4; quiet++) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (held.activity === seen && held.clocks === 0) continue;
    seen = held.activity;
    quiet = -1;
  }
}
