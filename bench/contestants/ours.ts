/**
 * This project's log.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { Wal, type WalOptions } from "../../mod.ts";
import { ROOT } from "../../kit/runtime.ts";
import { type Contestant, type Store, touch } from "./contestant.ts";

const { version } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8")) as { version: string };

/** The log, opened with some options. */
export function ours(options: WalOptions): Contestant {
  return {
    version: `@durable/wal ${version}`,
    hasGroupCommit: true,
    open: async (path, { callers, oneSegment }) => {
      const segmentSize = oneSegment ? { segmentSize: 2 ** 31 } : {};
      const log = await Wal.open(path, { ...options, ...segmentSize });
      return new Ours(log, options.syncMode === "blocking" && callers === 1);
    },
  };
}

class Ours implements Store {
  readonly #log: Wal;
  /** Whether the only caller waits for each sync itself. */
  readonly #isBlocking: boolean;

  constructor(log: Wal, isBlocking: boolean) {
    this.#log = log;
    this.#isBlocking = isBlocking;
  }

  append(entry: Uint8Array, count: number): void {
    for (let i = 0; i < count; i++) this.#log.append(entry);
  }

  appendBatch(entries: readonly Uint8Array[]): void {
    this.#log.appendBatch(entries);
  }

  appendBatchAndSync(entries: readonly Uint8Array[]): void | Promise<void> {
    if (!this.#isBlocking) return this.#log.appendBatchAndSync(entries).then(() => {});
    this.#log.appendBatch(entries);
    this.#log.syncBlocking();
  }

  appendAndSync(entry: Uint8Array): void | Promise<void> {
    if (!this.#isBlocking) return this.#log.appendAndSync(entry).then(() => {});
    this.#log.append(entry);
    this.#log.syncBlocking();
  }

  sync(): Promise<void> {
    return this.#log.sync();
  }

  get(indexes: Uint32Array): number {
    let sum = 0;
    for (const index of indexes) sum += touch(this.#log.getEntry(index));
    return sum;
  }

  replay(): number {
    let sum = 0;
    // As `touch`, of an entry in memory that others share.
    this.#log.replay(({ bytes, start, end }) => {
      sum += end - start + (bytes[start] as number);
    });
    return sum;
  }

  lastIndex(): number {
    return this.#log.lastIndex;
  }

  close(): Promise<void> {
    return this.#log.close();
  }
}
