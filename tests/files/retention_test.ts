/**
 * Retention: which segments go, by size and by age, and what holds them back.
 *
 * @module
 */
import { test } from "node:test";
import { join } from "node:path";
import { utimesSync } from "node:fs";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type FileSystem, type RetainOptions, Wal, WalError } from "../../mod.ts";
import { planRetention } from "../../src/files/retention.ts";
import type { SegmentInfo } from "../../src/files/segment_list.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { below, seededRandom } from "../../src/testing/random.ts";
import {
  CrashFileSystem,
  exploreCrashes,
  exploreFaults,
  FaultyFileSystem,
} from "../../src/testing/testing.ts";
import { withFolder } from "../../kit/temporary.ts";

const PATH = "a.wal";

/** A log of the entries 1 to 10, two in a segment. */
async function tenEntries(fileSystem: FileSystem, path = PATH): Promise<Wal> {
  const log = await Wal.open(path, { fileSystem, segmentSize: 560 });
  for (let n = 1; n <= 10; n++) log.append(new Uint8Array(200).fill(n));
  await log.sync();
  assertEquals(log.segments().length, 5);
  return log;
}

test("whole segments go, oldest first, until the log is small enough", async () => {
  const log = await tenEntries(new MemoryFileSystem());
  const before = log.byteLength;
  assertEquals(await log.retain({ bytes: before }), { firstIndex: 1, bytes: 0, heldBy: undefined });
  const [first] = log.segments();
  const { firstIndex, bytes } = await log.retain({ bytes: before - 1 });
  assertEquals([firstIndex, bytes, log.firstIndex], [3, first?.bytes, 3]);
  assertEquals(log.byteLength, before - bytes);
  await log.retain({ bytes: 0 });
  assertEquals([log.firstIndex, log.segments().length], [9, 1], "the last segment stays");
  await log.close();
});

test("nothing goes that a holder needs, and the one that needs most is named", async () => {
  const log = await tenEntries(new MemoryFileSystem());
  const keep = { backup: 8, replica: 6, reader: 6 };
  const first = await log.retain({ bytes: 0, keep });
  assertEquals([first.firstIndex, first.heldBy], [5, "replica"]);
  assertEquals(log.getEntry(6)[0], 6);
  const none = await log.retain({ bytes: 0, keep: { late: 1 } });
  assertEquals(none, { firstIndex: 5, bytes: 0, heldBy: "late" }, "one that has lost its entries");
  const rest = await log.retain({ bytes: 0, keep: { ready: 11 } });
  assertEquals([rest.firstIndex, rest.heldBy], [9, undefined]);
  const held = await log.retain({ bytes: Infinity, keep: { late: 1 } });
  assertEquals(held.heldBy, undefined, "it holds nothing back that would have gone");
  await log.close();
});

test("segments go whose newest entry is older than the age", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "a.wal");
    const real = await import("../../mod.ts").then(({ defaultFileSystem }) => defaultFileSystem());
    const log = await tenEntries(real, path);
    const now = Date.now() / 1000;
    for (const [i, { path }] of log.segments().entries()) {
      utimesSync(path, now, now - 1000 + 100 * i);
    }
    const hour = await log.retain({ age: 3_600_000 });
    assertEquals([hour.firstIndex, hour.bytes], [1, 0]);
    assertEquals((await log.retain({ age: 850_000 })).firstIndex, 5);
    assertEquals((await log.retain({ age: 0, keep: { replica: 7 } })).heldBy, "replica");
    assertEquals((await log.retain({ age: 0 })).firstIndex, 9);
    await log.close();
  });
});

test("the entries' own times count before the file's", async () => {
  const log = await tenEntries(new MemoryFileSystem());
  const old = (segment: SegmentInfo): number | undefined =>
    segment.lastIndex <= 4 ? Date.now() - 1000 : undefined;
  assertEquals((await log.retain({ age: 500, timeOf: old })).firstIndex, 5);
  await log.close();
});

test("without times of files an age is refused, and nothing is dropped", async () => {
  const log = await tenEntries(new CrashFileSystem());
  const error = await assertRejects(() => log.retain({ age: 1 }), WalError);
  assertEquals([error.code, log.firstIndex], ["ERR_WAL_INVALID_ARGUMENT", 1]);
  assertEquals((await log.retain({ age: 1, timeOf: () => 0 })).firstIndex, 9);
  await log.close();
});

test("what makes no sense is refused", async () => {
  const log = await tenEntries(new MemoryFileSystem());
  const wrong: readonly unknown[] = [
    {},
    { keep: { replica: 3 } },
    { bytes: -1 },
    { bytes: 1.5 },
    { age: "1" },
    { age: NaN },
    { bytes: 0, keep: [1] },
    { bytes: 0, keep: { replica: 0 } },
    { bytes: 0, keep: { replica: undefined } },
    { bytes: 0, timeOf: 5 },
    { size: 0 },
    undefined,
  ];
  for (const options of wrong) {
    const error = await assertRejects(() => log.retain(options as RetainOptions), WalError);
    assertEquals(error.code, "ERR_WAL_INVALID_ARGUMENT", JSON.stringify(options));
  }
  assertEquals(log.firstIndex, 1);
  await log.close();
});

test("the plan drops the longest run of segments that is over a limit and not needed", () => {
  const random = seededRandom(7);
  for (let i = 0; i < 2000; i++) {
    let next = 1 + below(random, 5);
    const segments = Array.from({ length: 1 + below(random, 6) }, (_, at): SegmentInfo => {
      const firstIndex = next;
      next += below(random, 4) + 1;
      return { path: `${at}`, firstIndex, lastIndex: next - 1, bytes: 1 + below(random, 9) };
    });
    const times = segments.map((_, at) => 10 * at + below(random, 9));
    const limits = { bytes: below(random, 40), age: below(random, 60) };
    const keep = { a: 1 + below(random, 20), b: 1 + below(random, 20) };
    const timeOf = ({ path }: SegmentInfo): number => times[Number(path)] ?? 0;
    const plan = planRetention(segments, { ...limits, keep }, 60, timeOf);
    const sizeFrom = (at: number): number =>
      segments.slice(at).reduce((sum, { bytes }) => sum + bytes, 0);
    let count = 0;
    const isOver = (at: number): boolean =>
      at < segments.length - 1 &&
      (sizeFrom(at) > limits.bytes || 60 - (times[at] ?? 0) > limits.age);
    const isFree = (at: number): boolean =>
      (segments[at]?.lastIndex ?? 0) < Math.min(keep.a, keep.b);
    while (isOver(count) && isFree(count)) count++;
    assertEquals(plan.bytes, sizeFrom(0) - sizeFrom(count));
    if (count > 0) assertEquals(plan.firstIndex, segments[count]?.firstIndex);
    assertEquals(plan.heldBy, isOver(count) ? (keep.a <= keep.b ? "a" : "b") : undefined);
  }
});

test("calls of retain and truncations that overlap take their turns", async () => {
  const log = await tenEntries(new MemoryFileSystem());
  const [first, , second] = await Promise.all([
    log.retain({ bytes: 2000 }),
    log.truncateBeforeIndex(8),
    log.retain({ bytes: 0 }),
  ]);
  assert(first.firstIndex < 8);
  assertEquals([second.firstIndex, log.firstIndex], [9, 9]);
  await log.close();
});

test("a removal that failed is made up for by the next call", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const log = await tenEntries(fileSystem);
  fileSystem.fail("remove", "EACCES");
  await assertRejects(() => log.retain({ bytes: 0 }), WalError);
  assertEquals([log.firstIndex, log.segments().length], [9, 5]);
  const { firstIndex, bytes } = await log.retain({ bytes: 0 });
  assertEquals([firstIndex, log.segments().length], [9, 1]);
  assert(bytes > 0);
  await log.close();
});

test("after any crash or fault the log has what was promised to be kept, and no more comes back", async () => {
  const trial = {
    run: async (fileSystem: FileSystem, promise: (first: number) => void): Promise<void> => {
      const log = await tenEntries(fileSystem);
      for (const keep of [3, 8]) {
        promise((await log.retain({ bytes: 0, keep: { replica: keep } })).firstIndex);
      }
      await log.close();
    },
    check: async (fileSystem: FileSystem, promised: readonly number[]): Promise<void> => {
      const log = await Wal.open(PATH, { fileSystem, segmentSize: 560 });
      assert(log.firstIndex >= (promised.at(-1) ?? 1), "a dropped entry came back");
      if (log.firstIndex > 1) assert(log.firstIndex <= 7, "an entry is gone that was kept");
      if (promised.length > 0) assertEquals(log.lastIndex, 10);
      for (const { index, data } of log.entries()) assertEquals(data[0], index);
      await log.close();
    },
  };
  const crashes = await exploreCrashes<number>(trial, { statesPerCrash: 8 });
  const faults = await exploreFaults<number>(trial, { statesPerCrash: 1 });
  assert(crashes.states > 100 && faults.states > 100);
});
