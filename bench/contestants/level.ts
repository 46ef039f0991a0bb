/**
 * LevelDB as a log: big-endian keys, so that they sort as numbers do.
 *
 * @module
 */
import { type Contestant, type Store, touch } from "./contestant.ts";
import { load, versionOf } from "./packages.ts";

interface Iterator {
  nextv(size: number): Promise<[Uint8Array, Uint8Array][]>;
  close(): Promise<void>;
}

interface Put {
  readonly type: "put";
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

interface Database {
  open(): Promise<void>;
  put(key: Uint8Array, value: Uint8Array, options?: object): Promise<void>;
  batch(operations: readonly Put[], options?: object): Promise<void>;
  getSync(key: Uint8Array): Uint8Array | undefined;
  iterator(options?: object): Iterator;
  close(): Promise<void>;
}

interface Package {
  readonly ClassicLevel: new (path: string, options: object) => Database;
}

/** How many entries are asked for at a time. */
const READ_AHEAD = 1000;

/** LevelDB. */
export function level(): Contestant {
  const { ClassicLevel } = load("classic-level") as Package;
  return {
    version: versionOf("classic-level"),
    // It has, but among the four threads that its calls wait on.
    hasGroupCommit: false,
    async open(path) {
      const database = new ClassicLevel(path, { keyEncoding: "view", valueEncoding: "view" });
      await database.open();
      return new Level(database, await lastIndexOf(database));
    },
  };
}

function keyOf(index: number): Uint8Array {
  const key = new Uint8Array(8);
  new DataView(key.buffer).setUint32(4, index);
  return key;
}

async function lastIndexOf(database: Database): Promise<number> {
  const iterator = database.iterator({ reverse: true, limit: 1 });
  const [last] = await iterator.nextv(1);
  await iterator.close();
  if (last === undefined) return 0;
  const [key] = last;
  return new DataView(key.buffer, key.byteOffset).getUint32(4);
}

class Level implements Store {
  readonly #database: Database;
  #last: number;

  constructor(database: Database, last: number) {
    this.#database = database;
    this.#last = last;
  }

  async append(entry: Uint8Array, count: number): Promise<void> {
    const puts: Promise<void>[] = [];
    for (let i = 0; i < count; i++) puts.push(this.#database.put(keyOf(++this.#last), entry));
    await Promise.all(puts);
  }

  async appendBatch(entries: readonly Uint8Array[]): Promise<void> {
    await this.#database.batch(this.#puts(entries));
  }

  async appendBatchAndSync(entries: readonly Uint8Array[]): Promise<void> {
    await this.#database.batch(this.#puts(entries), { sync: true });
  }

  async appendAndSync(entry: Uint8Array): Promise<void> {
    await this.#database.put(keyOf(++this.#last), entry, { sync: true });
  }

  #puts(entries: readonly Uint8Array[]): Put[] {
    return entries.map((value) => ({ type: "put", key: keyOf(++this.#last), value }));
  }

  get(indexes: Uint32Array): number {
    let sum = 0;
    for (const index of indexes) {
      sum += touch(this.#database.getSync(keyOf(index)) as Uint8Array);
    }
    return sum;
  }

  async replay(): Promise<number> {
    const iterator = this.#database.iterator();
    let sum = 0;
    let some: [Uint8Array, Uint8Array][];
    while ((some = await iterator.nextv(READ_AHEAD)).length > 0) {
      for (const [, value] of some) sum += touch(value);
    }
    await iterator.close();
    return sum;
  }

  async lastIndex(): Promise<number> {
    return await lastIndexOf(this.#database);
  }

  close(): Promise<void> {
    return this.#database.close();
  }
}
