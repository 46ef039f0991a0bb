/**
 * A durable map is a `Map` that survives.
 *
 * @module
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { test } from "node:test";
import { type FileSystem, WalError, type WalErrorCode } from "../../mod.ts";
import { clock } from "../../src/fs/clock.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { loadContent } from "../../src/machine/content.ts";
import { Keys } from "../../src/machine/keys.ts";
import { Undelivered } from "../../src/machine/undelivered.ts";
import { StateMachine } from "../../src/machine/machine.ts";
import {
  bytes as bytesCodec,
  DurableMap,
  type DurableMapOptions,
  json,
} from "../../src/map/map.ts";
import { MapState } from "../../src/map/map_state.ts";
import { SnapshotFile } from "../../src/snapshot/snapshot.ts";
import { CrashFileSystem, FaultyFileSystem } from "../../src/testing/testing.ts";
import { random } from "../../kit/logs.ts";
import { onManualClock } from "../../kit/manual_clock.ts";

const PATH = "a.wal";
const TIMEOUT = { timeout: 120_000 };

function open<V = number>(
  fileSystem: FileSystem,
  more: DurableMapOptions<V> = {},
): Promise<DurableMap<string, V>> {
  return DurableMap.open(PATH, { fileSystem, compress: false, preallocate: 0, ...more });
}

async function codeOf(call: () => Promise<unknown>): Promise<WalErrorCode> {
  return (await assertRejects(call, WalError)).code;
}

test("a map is read as a Map is, and a change shows at once", async () => {
  await using map = await open(new MemoryFileSystem());
  const call = map.set("a", 1);
  assertEquals(map.get("a"), 1);
  await call;
  await map.set("b", 2);
  await map.set("a", 3);
  assertEquals([map.size, map.has("a"), map.has("c"), map.get("c")], [2, true, false, undefined]);
  assertEquals([...map], [["a", 3], ["b", 2]]);
  assertEquals([...map.keys(), ...map.values()], ["a", "b", 3, 2]);
  assertEquals(await Promise.all([map.delete("a"), map.delete("a")]), [true, false]);
  await map.clear();
  await map.clear();
  assertEquals([...map.entries()], []);
});

test("keys of every kind are found again, and stay apart", async () => {
  const fileSystem = new MemoryFileSystem();
  const keys = ["1", 1, true, "true", "", 0.5, -0, "größer \u{1F512}"];
  const openAny = (): Promise<DurableMap<string | number | boolean, number>> =>
    DurableMap.open(PATH, { fileSystem });
  let map = await openAny();
  for (const [i, key] of keys.entries()) await map.set(key, i);
  for (const withSnapshot of [false, true]) {
    if (withSnapshot) await map.snapshot();
    await map.close();
    map = await openAny();
    assertEquals(map.recovery.snapshotIndex, withSnapshot ? keys.length : 0);
    assertEquals(keys.map((key) => map.get(key)), keys.map((_, i) => i));
  }
  await map.close();
});

test("what is no key, or has no form, is refused, and nothing has changed", async () => {
  const fileSystem = new MemoryFileSystem();
  await using map = await open(fileSystem);
  for (const key of [NaN, Infinity, null, undefined, {}, "\ud800", 1n]) {
    assertEquals(await codeOf(() => map.set(key as never, 1)), "ERR_WAL_INVALID_ARGUMENT");
    assertEquals(await codeOf(() => map.delete(key as never)), "ERR_WAL_INVALID_ARGUMENT");
    const batch = (): Promise<void> =>
      map.batch((batch) => {
        batch.set("a", 1);
        batch.delete(key as never);
      });
    assertEquals(await codeOf(batch), "ERR_WAL_INVALID_ARGUMENT");
  }
  assertEquals(await codeOf(() => map.set("a", undefined as never)), "ERR_EVENT_CODEC");
  assertEquals(await codeOf(() => map.batch(1 as never)), "ERR_WAL_INVALID_ARGUMENT");
  const later = (() => Promise.reject(new Error("later"))) as never;
  assertEquals(await codeOf(() => map.batch(later)), "ERR_WAL_INVALID_ARGUMENT");
  await assertRejects(() =>
    map.batch((batch) => {
      batch.set("a", 1);
      throw new RangeError("no");
    }), RangeError);
  assertEquals(map.size, 0);
});

test("wrong options and logs of others are refused", async () => {
  const fileSystem = new MemoryFileSystem();
  for (
    const more of [{ codec: 1 }, { everyBytes: 0 }, { compress: 1 }, { readOnly: true }, {
      often: 1,
    }]
  ) {
    assertEquals(await codeOf(() => open(fileSystem, more as never)), "ERR_WAL_INVALID_ARGUMENT");
  }
  assertEquals(fileSystem.list("."), []);
  await (await open(fileSystem)).close();
  const machine = { initial: () => 0, apply: () => 1, fileSystem };
  assertEquals(await codeOf(() => StateMachine.open(PATH, machine)), "ERR_WAL_FORMAT");
  assertEquals(
    await codeOf(() => open(fileSystem, { codec: bytesCodec() as never })),
    "ERR_WAL_FORMAT",
  );
});

test("values are what their bytes say, in every codec", async () => {
  const fileSystem = new MemoryFileSystem();
  await using map = await open<Uint8Array>(fileSystem, { codec: bytesCodec() });
  const value = new Uint8Array([1, 2, 3]);
  await map.set("a", value);
  value[0] = 9;
  assertEquals(map.get("a"), new Uint8Array([1, 2, 3]));
});

test("on a full disk the changes of the turn are taken back, in the order of the keys", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const map = await open(fileSystem);
  await map.batch((batch) => {
    for (const [i, key] of ["a", "b", "c"].entries()) batch.set(key, i);
  });
  const before = [...map];
  const changes: ((map: DurableMap<string, number>) => Promise<unknown>)[] = [
    (map) => map.set("a", 9),
    (map) => map.set("d", 9),
    (map) => map.delete("a"),
    (map) => Promise.all([map.delete("b"), map.set("b", 9), map.set("c", 9)]),
    (map) => map.clear(),
    (map) => Promise.all([map.set("a", 8), map.clear(), map.set("x", 1), map.set("a", 9)]),
  ];
  for (const change of changes) {
    fileSystem.fail("write", "ENOSPC");
    assertEquals(await codeOf(() => change(map)), "ERR_WAL_WRITE_FAILED");
    assertEquals([...map], before);
  }
  await map.set("b", 7);
  assertEquals([...map], [["a", 0], ["b", 7], ["c", 2]]);
  await map.close();
  assertEquals(await codeOf(() => map.set("a", 1)), "ERR_WAL_CLOSED");
});

test("a sync that fails ends the map", async () => {
  const fileSystem = new FaultyFileSystem(new MemoryFileSystem());
  const map = await open(fileSystem);
  fileSystem.fail("syncData", "EIO");
  assertEquals(await codeOf(() => map.set("a", 1)), "ERR_WAL_SYNC_FAILED");
  assertEquals(assertThrows(() => map.get("a"), WalError).code, "ERR_WAL_SYNC_FAILED");
  await map.close();
});

type MapChange = (target: Pick<Map<string, string>, "set" | "delete" | "clear">) => unknown;

test(
  "a snapshot is the map as it was when it began, whatever changes meanwhile",
  TIMEOUT,
  async () => {
    const size = 20_000;
    for (const seed of [1, 2, 3]) {
      const fileSystem = new MemoryFileSystem();
      const draw = random(seed);
      const map = await open<string>(fileSystem);
      const plain = new Map<string, string>();
      for (let key = 0; key < size; key++) plain.set(String(key), `value ${key} `.repeat(4));
      await map.batch((batch) => {
        for (const [key, value] of plain) batch.set(key, value);
      });
      const first = new Map(plain);
      const changes: MapChange[] = [];
      let isDone = false;
      const snapshot = map.snapshot().then(() => isDone = true);
      while (!isDone) {
        const count = changes.length;
        const key = String(Math.floor(draw() * (size + 10)));
        const change: MapChange = (target) =>
          seed === 3 && count === 20
            ? target.clear()
            : count % 3 === 0
            ? target.delete(key)
            : target.set(key, `changed ${count}`);
        changes.push(change);
        change(plain);
        await map.batch((batch) => void change(batch as never));
      }
      await snapshot;
      assert(changes.length > 20, `${changes.length} changes`);
      assertEquals([...map], [...plain]);
      await map.close();

      const again = await open<string>(fileSystem);
      assertEquals([...again], [...plain]);
      const { snapshotIndex } = again.recovery;
      await again.close();
      for (const change of changes.slice(0, snapshotIndex - size)) change(first);
      const [name = ""] = fileSystem.list(".").filter((name) => name.includes(".snapshot-"));
      const file = await SnapshotFile.open(name, { fileSystem });
      const saved = new MapState<string, string>(json());
      const parts = { held: saved, keys: new Keys(0), undelivered: new Undelivered() };
      loadContent(file.pieces(), file.version, parts);
      file.close();
      assertEquals([...saved.entries()], [...first]);
    }
  },
);

/** A random program by a seed, against a plain map. */
async function runProgram(seed: number): Promise<number> {
  const draw = random(seed);
  const below = (limit: number): number => Math.floor(draw() * limit);
  const disk = new CrashFileSystem();
  const faulty = new FaultyFileSystem(disk);
  const options = { segmentSize: 512 + below(2000), everyBytes: below(3) === 0 ? 600 : Infinity };
  let map = await open(faulty, options);
  let plain = new Map<string, number>();
  let reopenings = 0;
  const requireSame = (): void => assertEquals([...map], [...plain]);
  for (let step = 0; step < 60; step++) {
    const act = below(12);
    const next = new Map(plain);
    const change = (target: Pick<Map<string, number>, "set" | "delete" | "clear">): void => {
      for (let i = below(4); i >= 0; i--) {
        const key = `key ${below(12)}`;
        const kind = below(10);
        for (const one of [target, next]) {
          if (kind === 0) one.clear();
          else if (kind < 4) one.delete(key);
          else one.set(key, step);
        }
      }
    };
    if (act < 7) {
      await map.batch(change as never);
      plain = next;
    } else if (act < 8 && options.everyBytes === Infinity) {
      faulty.fail("write", "ENOSPC", { leaves: below(30) });
      assertEquals(await codeOf(() => map.batch(change as never)), "ERR_WAL_WRITE_FAILED");
    } else if (act < 10) {
      const snapshot = map.snapshot();
      for (let turns = below(8); turns > 0; turns--) await clock.endOfTurn();
      await map.batch(change as never);
      plain = next;
      await snapshot;
    } else {
      if (act === 10) await map.close();
      else disk.kill();
      map = await open(faulty, options);
      reopenings++;
    }
    requireSame();
  }
  await map.close();
  return reopenings;
}

test(
  "random programs of a map are those of a Map, with reopenings, deaths and faults",
  TIMEOUT,
  async () => {
    let reopenings = 0;
    for (let seed = 1; seed <= 40; seed++) {
      try {
        reopenings += await onManualClock(() => runProgram(seed));
      } catch (cause) {
        throw new Error(`Program ${seed}`, { cause });
      }
    }
    assert(reopenings > 200, `${reopenings} reopenings`);
  },
);

test("a delete and a clear that change nothing wait for what they rest on", async () => {
  for (const change of ["delete", "clear"] as const) {
    const faulty = new FaultyFileSystem(new MemoryFileSystem());
    await using map = await open(faulty);
    await map.set("a", 1);
    faulty.fail("write", "ENOSPC");
    const first = codeOf(() => map.delete("a"));
    const second = codeOf(() => change === "delete" ? map.delete("a") : map.clear());
    assertEquals([await first, await second], ["ERR_WAL_WRITE_FAILED", "ERR_WAL_WRITE_FAILED"]);
    assertEquals(map.get("a"), 1);
  }
});
