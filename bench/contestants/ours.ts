/**
 * This project's log.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { Wal, type WalOptions } from "../../mod.ts";
import { ROOT } from "../../tests/support/runtime.ts";
import { type Contestant, type OpenOptions, type Store, touch } from "./contestant.ts";

const { version } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8")) as { version: string };

/** The log. */
export const contestant: Contestant = {
  version: `@durable/wal ${version}`,
  hasGroupCommit: true,
  open: async (path, options) => new Ours(await Wal.open(path, optionsFor(options))),
};

function optionsFor({ oneSegment }: OpenOptions): WalOptions {
  return oneSegment ? { segmentSize: 2 ** 31 } : {};
}

/** Replays all of a log by the fastest call that it has for that. */
function replayAll(log: Wal): number {
  let sum = 0;
  for (const { data } of log.entries()) sum += touch(data);
  return sum;
}

class Ours implements Store {
  readonly #log: Wal;

  constructor(log: Wal) {
    this.#log = log;
  }

  append(entry: Uint8Array, count: number): void {
    for (let i = 0; i < count; i++) this.#log.append(entry);
  }

  appendBatch(entries: readonly Uint8Array[]): void {
    this.#log.appendBatch(entries);
  }

  async appendBatchAndSync(entries: readonly Uint8Array[]): Promise<void> {
    await this.#log.appendBatchAndSync(entries);
  }

  async appendAndSync(entry: Uint8Array): Promise<void> {
    await this.#log.appendAndSync(entry);
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
    return replayAll(this.#log);
  }

  lastIndex(): number {
    return this.#log.lastIndex;
  }

  close(): Promise<void> {
    return this.#log.close();
  }
}
