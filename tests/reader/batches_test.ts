/**
 * Where batches end: what a read says of it, and a follower that yields one atom at a time.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Entry, type FollowBatchesOptions, Wal, WalError } from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { below, type Random, seededRandom } from "../../src/testing/random.ts";
import { Account } from "../../src/reader/account.ts";
import type { View } from "../../src/reader/view.ts";
import { bytes, KNOWN_V1, text, writeFile } from "../../kit/logs.ts";

const PATH = "a.wal";

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** What a log should have. */
class Model {
  first = 1;
  /** The words of the entries 1, 2, … and of which atom each is. */
  readonly words: string[] = [];
  readonly atoms: number[] = [];
  /** Every atom that the log has ever had, as far as a truncation left it. */
  readonly ever = new Set<string>();
  #count = 0;

  get last(): number {
    return this.words.length;
  }

  /** The words of a next atom. */
  next(size: number): string[] {
    return Array.from({ length: size }, (_, i) => `${this.#count + 1}.${i}`);
  }

  append(words: readonly string[]): void {
    this.#count++;
    for (const word of words) {
      this.words.push(word);
      this.atoms.push(this.#count);
    }
    this.#note();
  }

  truncateFrom(index: number): void {
    this.words.length = this.atoms.length = index - 1;
    this.#note();
  }

  truncateBefore(index: number): void {
    this.first = index;
    if (index <= this.last) this.ever.add(this.#atomAt(index).join(" "));
  }

  endsBatch(index: number): boolean {
    return this.atoms[index - 1] !== this.atoms[index];
  }

  #note(): void {
    if (this.last >= this.first) this.ever.add(this.#atomAt(this.last).join(" "));
  }

  #atomAt(index: number): string[] {
    const atom = this.atoms[index - 1];
    return this.words.filter((_, i) => this.atoms[i] === atom && i + 1 >= this.first);
  }
}

/** Holds what a log says of its batches against a model. */
function compare(log: Wal, model: Model, random: Random, whose: string): void {
  assertEquals([log.firstIndex, log.lastIndex], [model.first, model.last], whose);
  if (model.first > model.last) return;
  const from = model.first + below(random, model.last - model.first + 1);
  const to = from + below(random, model.last - from + 1);
  for (const range of [{}, { from, to }]) {
    for (const { index, data, endsBatch } of log.entries(range)) {
      assertEquals(text(data), model.words[index - 1]);
      assertEquals(endsBatch, model.endsBatch(index), `${whose}: entry ${index} from ${from}`);
    }
    const often = 1 + below(random, 5);
    log.replay((view) => {
      if (view.index % often !== 0) return;
      assertEquals(view.endsBatch, model.endsBatch(view.index), `${whose}: ${view.index} replayed`);
    }, range);
  }
}

/** One random change of a log and its model. */
async function change(log: Wal, model: Model, random: Random): Promise<void> {
  const what = below(random, 20);
  if (what < 7) {
    const [word = ""] = model.next(1);
    log.append(bytes(word));
    model.append([word]);
  } else if (what < 14) {
    const words = model.next(2 + below(random, 6));
    log.appendBatch(words.map(bytes));
    model.append(words);
  } else if (what < 17) await log.sync();
  else if (model.first > model.last) return;
  else if (what < 19) {
    const index = model.last - below(random, Math.min(12, model.last - model.first + 1));
    await log.truncateFromIndex(index);
    model.truncateFrom(index);
  } else {
    const index = model.first + below(random, Math.min(20, model.last - model.first + 1));
    await log.truncateBeforeIndex(index);
    model.truncateBefore(index);
  }
}

test("every read says where batches end, whatever was dropped, rolled and opened again", async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = seededRandom(seed);
    const model = new Model();
    const fileSystem = new MemoryFileSystem();
    const options = { fileSystem, segmentSize: 600 };
    let log = await Wal.open(PATH, options);
    const reader = await Wal.open(PATH, { ...options, readOnly: true });
    for (let step = 0; step < 60; step++) {
      await change(log, model, random);
      compare(log, model, random, `seed ${seed}, step ${step}, writer`);
      if (step % 5 === 0) {
        await reader.refresh();
        compare(reader, model, random, `seed ${seed}, step ${step}, reader`);
      }
      if (below(random, 15) > 0) continue;
      await log.close();
      log = await Wal.open(PATH, options);
      compare(log, model, random, `seed ${seed}, step ${step}, opened again`);
    }
    await reader.close();
    await log.close();
  }
});

test("the end of a batch is found from its middle, after large entries and long runs", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem, segmentSize: 4 * 1024 * 1024 });
  const large = new Uint8Array(700 * 1024);
  const small = Array.from({ length: 20_000 }, () => bytes("0123456789"));
  log.appendBatch([large, bytes("a"), large, bytes("b")]); // 1 to 4
  for (const data of small) log.append(data); // 5 to 20004
  log.appendBatch(small); // 20005 to 40004
  log.append(large); // 40005
  log.appendBatch([large, large, large]); // 40006 to 40008, which fit no more
  assertEquals(log.segments().length, 2);
  const ends = (from: number, to = from): boolean[] =>
    Array.from(log.entries({ from, to }), ({ endsBatch }) => endsBatch);
  for (let i = 0; i < 2; i++) {
    assertEquals(ends(1, 5), [false, false, false, true, true]);
    assertEquals([ends(2), ends(3), ends(4), ends(5)], [[false], [false], [true], [true]]);
    assertEquals([ends(15_000), ends(20_004), ends(20_005)], [[true], [true], [false]]);
    assertEquals([ends(12_000), ends(20_003)], [[true], [true]]);
    assertEquals([ends(30_000), ends(40_003), ends(40_004, 40_005)], [[false], [false], [
      true,
      true,
    ]]);
    assertEquals(ends(40_006, 40_008), [false, false, true]);
    const all = ends(1, 40_008).filter((ends) => ends);
    assertEquals(all.length, 1 + 20_000 + 1 + 1 + 1, "one end for each atom");
  }
  await log.close();
});

test("in a full segment of version 1 every entry is one by itself", async () => {
  const fileSystem = new MemoryFileSystem();
  writeFile(fileSystem, PATH, KNOWN_V1);
  const log = await Wal.open(PATH, { fileSystem, segmentSize: 256 });
  log.append(new Uint8Array(300));
  assertEquals(log.segments().length, 2);
  assertEquals(Array.from(log.entries(), ({ endsBatch }) => endsBatch), [true, true, true, true]);
  assertEquals(Array.from(log.entries({ from: 2, to: 2 }), (e) => e.endsBatch), [true]);
  await log.close();
});

test("damage before an entry is reported, and not taken for the end of a batch", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem, segmentSize: 512 });
  log.appendBatch([bytes("first"), bytes("second"), bytes("third")]);
  log.append(new Uint8Array(500));
  const [{ path } = { path: "" }] = log.segments();
  await log.close();
  const file = fileSystem.open(path, "write");
  const all = new Uint8Array(file.size());
  file.read(all, 0);
  const at = text(all).indexOf("first");
  file.write(bytes("F"), at);
  file.close();
  const again = await Wal.open(PATH, { fileSystem, segmentSize: 512 });
  assertEquals(text(again.getEntry(2)), "second");
  const error = assertThrows(() => [...again.entries({ from: 2 })], WalError);
  assertEquals(error.code, "ERR_WAL_CORRUPT");
  await again.close();
});

/** Collects what a follower of batches yields. */
class Collector {
  readonly atoms: (readonly Entry[])[] = [];
  readonly done: Promise<unknown>;
  readonly #batches: AsyncGenerator<readonly Entry[], void>;

  constructor(log: Wal, options: Omit<FollowBatchesOptions, "batches"> = {}) {
    this.#batches = log.follow({ ...options, batches: true });
    this.done = this.#run();
  }

  async #run(): Promise<unknown> {
    try {
      for await (const atom of this.#batches) this.atoms.push(atom);
      return "ended";
    } catch (error) {
      return error;
    }
  }

  /** Waits for the atom that ends with an index and a word. */
  async until(index: number, word: string): Promise<void> {
    for (let wait = 0; wait < 1000; wait++) {
      const isThere = this.atoms.findLast((atom) => {
        const last = atom.at(-1);
        return last?.index === index && text(last.data) === word;
      });
      if (isThere !== undefined) return;
      await pause(5);
    }
    throw new Error(`No entry ${index} "${word}" after ${this.lines.slice(-3).join(" | ")}`);
  }

  get lines(): string[] {
    return this.atoms.map((atom) =>
      atom.map(({ index, data }) => `${index} ${text(data)}`).join(", ")
    );
  }

  async stop(): Promise<void> {
    await this.#batches.return();
    await this.done;
  }
}

test("a follower of batches yields each batch as one, once all of it is durable", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem });
  const reader = await Wal.open(PATH, { fileSystem, readOnly: true });
  const durable = new Collector(log);
  const eager = new Collector(log, { durable: false });
  const away = new Collector(reader);
  log.append(bytes("a"));
  log.appendBatch([bytes("b"), bytes("c")]);
  await eager.until(3, "c");
  assertEquals([durable.lines, away.lines], [[], []]);
  await log.sync();
  log.append(bytes("d"));
  await eager.until(4, "d");
  await Promise.all([durable, away].map((collector) => collector.until(3, "c")));
  assertEquals(durable.lines, ["1 a", "2 b, 3 c"]);
  assertEquals(away.lines, ["1 a", "2 b, 3 c"]);
  assertEquals(eager.lines, ["1 a", "2 b, 3 c", "4 d"]);
  await log.close();
  await Promise.all([durable.done, eager.done]);
  await away.stop();
  await reader.close();
});

test("a follower of batches that begins within one begins with its first entry", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem, segmentSize: 256 });
  log.append(bytes("a"));
  await log.appendBatchAndSync([bytes("b"), bytes("c"), bytes("d")]);
  for (const from of [2, 3, 4]) {
    const collector = new Collector(log, { from });
    await collector.until(4, "d");
    assertEquals(collector.lines, ["2 b, 3 c, 4 d"]);
    await collector.stop();
  }
  await log.truncateBeforeIndex(3);
  const collector = new Collector(log);
  await collector.until(4, "d");
  assertEquals(collector.lines, ["3 c, 4 d"], "of a batch that was cut, what is left");
  await collector.stop();
  await log.close();
});

test("where a reader's entries are now in a batch, all of that is yielded again", async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem });
  const reader = await Wal.open(PATH, { fileSystem, readOnly: true });
  for (const word of ["a", "b", "c"]) log.append(bytes(word));
  const follower = reader.follow({ batches: true, durable: false });
  const next = async (): Promise<string> => {
    const { value } = await follower.next();
    return (value ?? []).map(({ index, data }) => `${index} ${text(data)}`).join(", ");
  };
  assertEquals([await next(), await next(), await next()], ["1 a", "2 b", "3 c"]);
  await log.truncateFromIndex(2);
  log.appendBatch([bytes("b"), bytes("c"), bytes("d")]);
  assertEquals(await next(), "2 b, 3 c, 4 d");
  await log.truncateFromIndex(3);
  log.appendBatch([bytes("C"), bytes("D")]);
  assertEquals(await next(), "3 C, 4 D");
  await follower.return();
  await reader.close();
  await log.close();
});

test("what is read again is remembered with what was before it", () => {
  const account = new Account({ firstIndex: 1 } as View);
  for (const index of [1, 2, 3, 4, 3]) account.note(index, 100 + index);
  const entries = [101, 0, 103];
  let at = -1;
  const cursor = {
    advance: (): boolean => ++at < entries.length,
    get checksum(): number {
      return entries[at] ?? 0;
    },
  };
  const view = { firstIndex: 1, lastIndex: 3, segments: { cursor: () => cursor } };
  assertEquals(account.firstReplaced(view as unknown as View), 2);
});

test("what followers of batches yield are whole atoms, and in the end the log", async () => {
  for (let seed = 1; seed <= 12; seed++) {
    const random = seededRandom(seed + 100);
    const model = new Model();
    const fileSystem = new MemoryFileSystem();
    const options = { fileSystem, segmentSize: 600 };
    const log = await Wal.open(PATH, options);
    const reader = await Wal.open(PATH, { ...options, readOnly: true });
    const collectors = [false, true].flatMap((durable) => [
      new Collector(log, { durable }),
      new Collector(reader, { durable }),
    ]);
    for (let step = 0; step < 80; step++) {
      // A head that moves may overtake a follower, which ends then.
      const head = model.first;
      await change(log, model, random);
      if (model.first > head) await pause(0);
      if (below(random, 3) === 0) await pause(below(random, 4));
    }
    const words = model.next(2);
    await log.appendBatchAndSync(words.map(bytes));
    model.append(words);
    // The reader knows of that by the frame before the next.
    log.append(bytes("end"));
    for (const collector of collectors) {
      const overtaken = await Promise.race([
        collector.until(model.last, words[1] ?? "").catch(() => "end"),
        collector.done,
      ]);
      await collector.stop();
      if (overtaken instanceof WalError) {
        assertEquals(overtaken.code, "ERR_WAL_INDEX_OUT_OF_RANGE");
        continue;
      }
      const seen: string[] = [];
      for (const atom of collector.atoms) {
        const line = atom.map(({ data }) => text(data)).join(" ");
        assert(line === "end" || model.ever.has(line), `seed ${seed}: a part of a batch, ${line}`);
        const [{ index } = { index: 0 }] = atom;
        seen.length = Math.min(seen.length, index - 1);
        for (const { index, data } of atom) seen[index - 1] = text(data);
      }
      const from = model.first - 1;
      assertEquals(seen.slice(from, model.last), model.words.slice(from), `seed ${seed}`);
    }
    await reader.close();
    await log.close();
  }
});

test("a part of batches that is neither true nor false is refused", async () => {
  const log = await Wal.open(PATH, { fileSystem: new MemoryFileSystem() });
  const options = { batches: "yes" } as unknown as FollowBatchesOptions;
  const error = assertThrows(() => log.follow(options), WalError);
  assertEquals(error.code, "ERR_WAL_INVALID_ARGUMENT");
  await log.close();
});
