/**
 * How many changes a second a durable map takes, beside what else is used as one: a table of SQLite by
 * its bindings, and LMDB. All keep the same promises: what a call has answered survives a power cut,
 * and what is changed together is changed as one. The floor is the log with the same JSON.
 *
 * SQLite syncs while its caller waits, and with it the event loop; so does a map whose log has
 * `syncMode: "blocking"`. The others sync in another thread, which takes one caller longer.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { RUNTIME } from "../../kit/runtime.ts";
import { Wal } from "../../mod.ts";
import { DurableMap } from "../../src/map/map.ts";
import { FOLDER, load } from "../contestants/packages.ts";
import { openDatabase } from "../contestants/sqlite.ts";
import { type Moved, movedOf, quantile, type Setting } from "./states.ts";

/** How many keys there are. */
const KEYS = 10_000;

/** How many changes are made together. */
const TOGETHER = 100;

/** For how long one way is measured at a time, and how often. */
const SLICE_MS = 400;
const ROUNDS = 5;

/** A map, or what is used as one. Each call is durable when it has resolved. */
interface Way {
  set(key: string, value: Moved): unknown;
  setAll(items: readonly (readonly [string, Moved])[]): unknown;
  /** The floor keeps nothing to be read. */
  get?(key: string): Moved;
  close(): unknown;
}

/** Those that a runtime has, the floor first. */
function waysOf(): readonly (readonly [name: string, open: (path: string) => Promise<Way>])[] {
  const isInstalled = (name: string): boolean => existsSync(join(FOLDER, "node_modules", name));
  return [
    ["log", openLog],
    ["DurableMap", (path: string) => openMap(path, "async")],
    ["DurableMap with blocking syncs", (path: string) => openMap(path, "blocking")],
    ...(RUNTIME === "bun" ? ["bun:sqlite"] : ["node:sqlite"]),
    ...(RUNTIME === "node" && isInstalled("better-sqlite3") ? ["better-sqlite3"] : []),
    ...(isInstalled("lmdb") ? [["lmdb", openLmdb] as const] : []),
  ].map((way) =>
    typeof way === "string"
      ? [way, (path) => Promise.resolve(openSqlite(way, path))] as const
      : way as readonly [string, (path: string) => Promise<Way>]
  );
}

async function openLog(path: string): Promise<Way> {
  const log = await Wal.open(path);
  const encoder = new TextEncoder();
  const encode = (item: readonly [string, Moved]): Uint8Array =>
    encoder.encode(JSON.stringify(item));
  return {
    set: (key, value) => log.appendAndSync(encode([key, value])),
    setAll: (items) => log.appendBatchAndSync(items.map(encode)),
    close: () => log.close(),
  };
}

async function openMap(path: string, syncMode: "async" | "blocking"): Promise<Way> {
  const map = await DurableMap.open<string, Moved>(path, { syncMode });
  return {
    set: (key, value) => map.set(key, value),
    setAll: (items) => map.batch((batch) => items.forEach(([key, value]) => batch.set(key, value))),
    get: (key) => map.get(key) as Moved,
    close: () => map.close(),
  };
}

function openSqlite(binding: string, path: string): Way {
  const database = openDatabase(binding, path);
  database.exec("PRAGMA journal_mode = WAL");
  database.exec("PRAGMA synchronous = FULL");
  database.exec("CREATE TABLE map (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID");
  const set = database.prepare("INSERT OR REPLACE INTO map (key, value) VALUES (?, ?)");
  const get = database.prepare("SELECT value FROM map WHERE key = ?");
  const [begin, commit] = ["BEGIN IMMEDIATE", "COMMIT"].map((sql) => database.prepare(sql));
  return {
    set: (key, value) => set.run(key, JSON.stringify(value)),
    setAll: (items) => {
      begin?.run();
      for (const [key, value] of items) set.run(key, JSON.stringify(value));
      commit?.run();
    },
    get: (key) => JSON.parse((get.get(key) as { value: string }).value) as Moved,
    close: () => database.close(),
  };
}

/** The parts of LMDB's database that are used. */
interface Lmdb {
  put(key: string, value: Moved): Promise<boolean>;
  transaction<T>(action: () => T): Promise<T>;
  get(key: string): Moved;
  readonly flushed: Promise<unknown>;
  close(): Promise<void>;
}

function openLmdb(path: string): Promise<Way> {
  const { open } = load("lmdb") as { open(options: object): Lmdb };
  const database = open({ path, encoding: "json" });
  return Promise.resolve({
    set: async (key, value) => {
      await database.put(key, value);
      await database.flushed;
    },
    setAll: async (items) => {
      await database.transaction(() => {
        for (const [key, value] of items) void database.put(key, value);
      });
      await database.flushed;
    },
    get: (key) => database.get(key),
    close: () => database.close(),
  });
}

/** Makes calls until a time is over; how many changes or reads there were. */
type Work = (way: Way, isOver: () => boolean) => Promise<number>;

function keyOf(id: number): string {
  return `key-${id * 7919 % KEYS}`;
}

function setWith(callers: number): Work {
  return async (way, isOver) => {
    let count = 0;
    const one = async (): Promise<void> => {
      while (!isOver()) {
        const id = count++;
        await way.set(keyOf(id), movedOf(id));
      }
    };
    await Promise.all(Array.from({ length: callers }, one));
    return count;
  };
}

const setTogether: Work = async (way, isOver) => {
  let count = 0;
  for (; !isOver(); count += TOGETHER) {
    const items = Array.from(
      { length: TOGETHER },
      (_, i) => [keyOf(count + i), movedOf(count + i)] as const,
    );
    await way.setAll(items);
  }
  return count;
};

const getOne: Work = (way, isOver) => {
  let [count, sum] = [0, 0];
  if (way.get === undefined) return Promise.resolve(0);
  for (; count % 100 > 0 || !isOver(); count++) sum += way.get(keyOf(count)).id;
  return Promise.resolve(count + 0 * sum);
};

/** Prints the rates of all ways, and the ratios to the floor of the same run. */
export async function measureMaps({ folder, callers }: Setting): Promise<void> {
  const works: readonly (readonly [what: string, work: Work])[] = [
    [`changes by ${callers} callers`, setWith(callers)],
    ["changes by one caller", setWith(1)],
    [`changes, ${TOGETHER} together`, setTogether],
    ["reads", getOne],
  ];
  const ways: { readonly name: string; readonly way: Way }[] = [];
  for (const [name, open] of waysOf()) {
    ways.push({ name, way: await open(join(folder, `map-${name.replace(/\W/g, "-")}`)) });
  }
  for (const { way } of ways) {
    await way.setAll(Array.from({ length: KEYS }, (_, id) => [`key-${id}`, movedOf(id)]));
  }
  for (const [what, work] of works) {
    const rates = ways.map((): number[] => []);
    for (let round = 0; round < ROUNDS; round++) {
      for (const [i, { way }] of ways.entries()) rates[i]?.push(await rateOf(work, way));
    }
    const [floor = NaN, ...others] = rates.map((all) => quantile(all, 0.5));
    const shown = others.map((rate, i) => {
      const ratio = floor > 0 ? `, ${(rate / floor).toFixed(2)} of the log` : "";
      return `${ways[i + 1]?.name} ${Math.round(rate)}/s${ratio}`;
    });
    const floorShown = floor > 0 ? [`log ${Math.round(floor)}/s`] : [];
    console.log(`  map, ${what}: ${[...floorShown, ...shown].join("; ")}`);
  }
  console.log(
    "  (SQLite, and a map with blocking syncs, hold up the event loop during each sync. That spares one " +
      "caller the way to another thread and back, and nothing else runs meanwhile.)",
  );
  for (const { way } of ways) await way.close();
}

async function rateOf(work: Work, way: Way): Promise<number> {
  const start = performance.now();
  const count = await work(way, () => performance.now() - start >= SLICE_MS);
  return count / (performance.now() - start) * 1000;
}
