/**
 * LMDB as a log: integer keys, as its documentation advises. Puts of one turn of the event loop are
 * one transaction, which another thread commits; `flushed` tells when the disk has it.
 *
 * @module
 */
import { type Contestant, type Store, touch } from "./contestant.ts";
import { load, versionOf } from "./packages.ts";

interface Database {
  put(key: number, value: Uint8Array): Promise<boolean>;
  /** Resolves when all that was committed is on the disk. */
  readonly flushed: Promise<unknown>;
  getBinary(key: number): Uint8Array | undefined;
  getRange(options: object): Iterable<{ readonly key: number; readonly value: Uint8Array }>;
  getKeys(options: object): Iterable<number>;
  close(): Promise<void>;
}

interface Package {
  open(options: object): Database;
}

/** LMDB. */
export function lmdb(): Contestant {
  const { open } = load("lmdb") as Package;
  return {
    version: versionOf("lmdb"),
    // Callers of one turn share a transaction, and a flush.
    hasGroupCommit: true,
    open: (path) =>
      new Lmdb(open({ path, noSubdir: false, encoding: "binary", keyEncoding: "uint32" })),
  };
}

class Lmdb implements Store {
  readonly #database: Database;
  #last: number;

  constructor(database: Database) {
    this.#database = database;
    this.#last = this.lastIndex();
  }

  async append(entry: Uint8Array, count: number): Promise<void> {
    let committed: Promise<boolean> | undefined;
    for (let i = 0; i < count; i++) committed = this.#database.put(++this.#last, entry);
    await committed;
  }

  async appendBatch(entries: readonly Uint8Array[]): Promise<void> {
    let committed: Promise<boolean> | undefined;
    for (const entry of entries) committed = this.#database.put(++this.#last, entry);
    await committed;
  }

  async appendBatchAndSync(entries: readonly Uint8Array[]): Promise<void> {
    await this.appendBatch(entries);
    await this.#database.flushed;
  }

  async appendAndSync(entry: Uint8Array): Promise<void> {
    await this.#database.put(++this.#last, entry);
    await this.#database.flushed;
  }

  get(indexes: Uint32Array): number {
    let sum = 0;
    for (const index of indexes) sum += touch(this.#database.getBinary(index) as Uint8Array);
    return sum;
  }

  replay(): number {
    let sum = 0;
    for (const { value } of this.#database.getRange({ snapshot: true })) sum += touch(value);
    return sum;
  }

  lastIndex(): number {
    for (const key of this.#database.getKeys({ reverse: true, limit: 1 })) return key;
    return 0;
  }

  close(): Promise<void> {
    return this.#database.close();
  }
}
