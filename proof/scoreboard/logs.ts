/**
 * The logs that are damaged: how each was written, how its writer ended, and what it must return.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Wal, type WalOptions } from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { random, readFile, turns } from "../../kit/logs.ts";
import {
  concat,
  DATA,
  durablePayload,
  type Files,
  firstIndexOf,
  frame,
  FRAME_HEADER_SIZE,
  framesOf,
  INTERNAL,
  PATH,
  segmentPayload,
  segmentsOf,
  withFixedId,
} from "../../kit/frames.ts";

/** How a writer can end. */
const ENDINGS = [
  "closed",
  "killed after a sync",
  "killed when idle",
  "killed in mid-write",
  "killed after a roll",
] as const;

type Ending = typeof ENDINGS[number];

/** A log on disk, and what was written to it. */
export interface Log {
  readonly name: string;
  readonly options: WalOptions;
  readonly files: Files;
  /** Every entry that was written, from index 1 on. */
  readonly entries: readonly Uint8Array[];
  /** The first index; those below were dropped. */
  readonly firstIndex: number;
  /** The last index that was acknowledged as durable. */
  readonly acknowledged: number;
  readonly state: Uint8Array;
  /** The full segment N and the segment N+1 that was begun without a wait, if these are to be torn. */
  readonly roll?: { readonly full: string; readonly next: string };
  /** Only whole sectors are damaged: the log is there to show what no reader can find. */
  readonly showsLimit: boolean;
}

/** What a recipe makes a log with. */
interface Kitchen {
  readonly log: Wal;
  /** Version 1 has no batches and keeps its head. */
  readonly isVersion2: boolean;
  /** Random bytes that the seed repeats. */
  noise(size: number): Uint8Array;
  /** Appends entries, as one atom if there are several, and remembers them. */
  append(...entries: Uint8Array[]): void;
}

interface Recipe {
  readonly name: string;
  readonly options: WalOptions;
  readonly endings: readonly Ending[];
  readonly write: (kitchen: Kitchen) => Promise<void>;
  /** What is being written when the writer is killed in mid-write, or after the last sync. */
  readonly torn: (kitchen: Kitchen) => void;
  readonly showsLimit?: boolean;
  /** Only the first two segments are torn: each may not have been durable. */
  readonly isRoll?: boolean;
}

/** A log whose writer was killed when idle has the bytes of one that was closed. */
const OF_VERSION_2: readonly Ending[] = ["closed", "killed after a sync", "killed in mid-write"];

/** So has, in version 1, which has no Durable frames, one whose writer was killed after a sync. */
const OF_VERSION_1: readonly Ending[] = ["closed", "killed in mid-write"];

/** A payload that begins with this becomes a Durable frame that states where it stands. */
const DURABLE_HERE = new TextEncoder().encode("a Durable frame, here: ");

/** One that begins with this becomes a copy of the log's own first Segment frame. */
const SEGMENT_HERE = new TextEncoder().encode("a Segment frame, here: ");

/** Payloads begun so are long enough to be replaced. */
function placeholder(mark: Uint8Array): Uint8Array {
  return concat(mark, new Uint8Array(60 - mark.length));
}

/** 20 records of 100 bytes, synced in groups of five. */
async function writeReference({ log, noise, append }: Kitchen): Promise<void> {
  for (let i = 1; i <= 20; i++) {
    append(noise(100));
    if (i % 5 === 0) await log.sync();
  }
}

/** Entries of all sorts; most look like frames. */
async function writeHostile({ log, isVersion2, noise, append }: Kitchen): Promise<void> {
  append(noise(20));
  append(new Uint8Array(0));
  await log.sync();
  const batch = [noise(30), new Uint8Array(0), frame(DATA, noise(11))];
  if (isVersion2) append(...batch);
  else for (const entry of batch) append(entry);
  await log.sync();
  append(concat(frame(DATA, noise(15)), frame(DATA, new Uint8Array(0))));
  append(placeholder(SEGMENT_HERE));
  append(placeholder(DURABLE_HERE));
  append(frame(INTERNAL, durablePayload(1, 54, 54)));
  await log.sync();
  append(new Uint8Array(50).map((_, i) => [1, 0, 0, 0, 2][i % 5] as number));
  append(new Uint8Array(70));
  await log.setState(new TextEncoder().encode("term 7, vote for b"));
  if (isVersion2) await log.truncateBeforeIndex(4);
  append(placeholder(DURABLE_HERE));
  append(frame(DATA, noise(9)));
  append(new Uint8Array(0));
  append(noise(1000));
  await log.sync();
}

/** Records whose frames begin where sectors do. */
async function writeAligned({ log, noise, append }: Kitchen): Promise<void> {
  for (let i = 0; i < 12; i++) append(noise((i % 4 === 0 ? 458 : 512) - FRAME_HEADER_SIZE));
  await log.sync();
}

const SMALL_SEGMENT = 640;
const LARGE_SEGMENT = 5120;

/** Eight entries that all but fill a segment, and five of them are synced. */
async function writeFull({ log, noise, append }: Kitchen, segmentSize: number): Promise<void> {
  const size = Math.floor(segmentSize / 10) - 10;
  for (let i = 1; i <= 8; i++) {
    append(noise(size));
    if (i === 5) await log.sync();
  }
}

/** The same, and a roll that is acknowledged. */
async function writeRolled(kitchen: Kitchen, segmentSize: number): Promise<void> {
  await writeFull(kitchen, segmentSize);
  const { log, noise, append } = kitchen;
  append(noise(segmentSize / 4));
  append(noise(30));
  await log.sync();
}

/** The same, with the Seal of the full segment, which comes after that. */
async function writeSealed(kitchen: Kitchen, segmentSize: number): Promise<void> {
  await writeRolled(kitchen, segmentSize);
  await turns();
}

/** A log that was killed after a roll. */
function rollOf(
  name: string,
  segmentSize: number,
  write: (kitchen: Kitchen, segmentSize: number) => Promise<void>,
  torn: (kitchen: Kitchen) => void,
): Recipe {
  return {
    name: `roll, ${name}`,
    options: { segmentSize },
    endings: ["killed after a roll"],
    write: (kitchen) => write(kitchen, segmentSize),
    torn,
    isRoll: true,
  };
}

const RECIPES: readonly Recipe[] = [
  {
    name: "reference, version 1",
    options: { format: 1 },
    endings: OF_VERSION_1,
    write: writeReference,
    torn: ({ noise, append }) => append(noise(100)),
  },
  {
    name: "reference, version 2, one segment",
    options: {},
    endings: OF_VERSION_2,
    write: writeReference,
    torn: ({ noise, append }) => append(noise(100)),
  },
  {
    name: "reference, version 2, three segments",
    options: { segmentSize: 1024 },
    endings: OF_VERSION_2,
    write: writeReference,
    torn: ({ noise, append }) => append(noise(100)),
  },
  {
    name: "hostile, version 1",
    options: { format: 1 },
    endings: OF_VERSION_1,
    write: writeHostile,
    torn: ({ append }) => append(placeholder(DURABLE_HERE)),
  },
  {
    name: "hostile, version 2, one segment",
    options: {},
    endings: OF_VERSION_2,
    write: writeHostile,
    torn: ({ noise, append }) => append(noise(40), frame(DATA, noise(9)), noise(40)),
  },
  {
    name: "hostile, version 2, four segments",
    options: { segmentSize: 400 },
    endings: OF_VERSION_2,
    write: writeHostile,
    torn: ({ noise, append }) => append(noise(40), frame(DATA, noise(9)), noise(40)),
  },
  {
    name: "short, version 2, a torn entry that holds a Durable frame in its place",
    options: {},
    endings: ["killed in mid-write"],
    write: async ({ log, noise, append }) => {
      append(noise(10));
      await log.sync();
      append(noise(10));
      await log.sync();
    },
    torn: ({ noise, append }) => append(concat(placeholder(DURABLE_HERE), noise(100))),
  },
  {
    name: "sector-sized records, version 1",
    options: { format: 1 },
    endings: ["closed"],
    write: async ({ log, noise, append }) => {
      append(noise(512 - 8 - FRAME_HEADER_SIZE));
      for (let i = 1; i < 8; i++) append(noise(512 - FRAME_HEADER_SIZE));
      await log.sync();
    },
    torn: () => {},
    showsLimit: true,
  },
  {
    name: "sector-sized records, version 2",
    options: { segmentSize: 2100 },
    endings: ["closed"],
    write: writeAligned,
    torn: () => {},
    showsLimit: true,
  },
  rollOf("no evidence", SMALL_SEGMENT, writeFull, ({ noise, append }) => {
    append(noise(160));
    append(noise(30));
  }),
  rollOf("no evidence, a batch", SMALL_SEGMENT, writeFull, ({ noise, append }) => {
    append(noise(80), noise(90));
    append(new Uint8Array(0));
  }),
  rollOf("no evidence, large", LARGE_SEGMENT, writeFull, ({ noise, append }) => {
    for (let i = 0; i < 3; i++) append(noise(1200));
  }),
  rollOf("a Durable frame", SMALL_SEGMENT, writeRolled, () => {}),
  rollOf("a Durable frame, sealed", SMALL_SEGMENT, writeSealed, () => {}),
  rollOf("a Durable frame, large", LARGE_SEGMENT, writeRolled, () => {}),
  rollOf("a Durable frame, later entries", SMALL_SEGMENT, writeRolled, ({ noise, append }) => {
    append(noise(20));
    append(noise(20));
  }),
  rollOf("a Durable frame, a later batch", SMALL_SEGMENT, writeRolled, ({ noise, append }) => {
    append(noise(20), noise(30));
  }),
  rollOf("a next segment", SMALL_SEGMENT, writeRolled, ({ noise, append }) => append(noise(400))),
];

/** The names of all logs. */
export const LOG_NAMES: readonly string[] = RECIPES.flatMap(({ name, endings }) =>
  endings.map((ending) => `${name}, ${ending}`)
);

/** Makes the log of a name: a recipe's, a comma, and an ending, which may be any. */
export async function makeLog(name: string, seed: number): Promise<Log> {
  const ending = ENDINGS.find((ending) => name.endsWith(`, ${ending}`));
  const recipe = RECIPES.find((recipe) => name === `${recipe.name}, ${ending}`);
  if (recipe === undefined || ending === undefined) throw new Error(`There is no log "${name}"`);
  const fileSystem = new MemoryFileSystem();
  const { options } = recipe;
  const log = await Wal.open(PATH, { ...options, fileSystem });
  const draw = random(seed);
  const written: Uint8Array[] = [];
  const kitchen: Kitchen = {
    log,
    isVersion2: options.format !== 1,
    noise: (size) => new Uint8Array(size).map(() => draw() * 256),
    append(...entries) {
      if (entries.length > 1) log.appendBatch(entries);
      else for (const entry of entries) log.append(entry);
      written.push(...entries);
    },
  };
  await recipe.write(kitchen);
  const acknowledged = log.durableIndex;
  const { state, firstIndex } = log;
  if (ending === "killed when idle") await grown(fileSystem, copyOf(fileSystem));
  if (ending === "killed in mid-write" || ending === "killed after a roll") recipe.torn(kitchen);
  if (ending === "closed") await log.close();
  const before = copyOf(fileSystem);
  await log.close();

  const files = new Map<string, Uint8Array>();
  for (const [file, bytes] of before) {
    const filled = withFixedId(file, bytes);
    fill(file, filled);
    files.set(file, filled);
  }
  const entries = entriesIn(files, written);
  if (ending === "killed in mid-write") {
    const [last = PATH] = segmentsOf(files).slice(-1);
    const bytes = files.get(last) as Uint8Array;
    const frames = framesOf(bytes);
    const { offset, end } = frames.at(-1) as { offset: number; end: number };
    files.set(last, bytes.slice(0, Math.ceil((offset + end) / 2)));
  }
  const showsLimit = recipe.showsLimit ?? false;
  const made = { name, options, files, entries, firstIndex, acknowledged, state, showsLimit };
  const [full, next] = segmentsOf(files);
  if (recipe.isRoll !== true || full === undefined || next === undefined) return made;
  return { ...made, roll: { full, next } };
}

/** Waits until the log has written the frame that it writes when it is idle. */
async function grown(fileSystem: MemoryFileSystem, before: Files): Promise<void> {
  const size = (files: Files): number => Array.from(files.values(), (b) => b.length).reduce(sum);
  for (let tries = 0; size(copyOf(fileSystem)) === size(before); tries++) {
    if (tries > 1000) throw new Error("The log writes no Durable frame when it is idle");
    await sleep(10);
  }
}

function sum(a: number, b: number): number {
  return a + b;
}

function copyOf(fileSystem: MemoryFileSystem): Files {
  return new Map(fileSystem.list(".").map((name) => [name, readFile(fileSystem, name)]));
}

/** Puts the frames that placeholders stand for in their places. */
function fill(name: string, bytes: Uint8Array): void {
  const firstIndex = firstIndexOf(name);
  if (firstIndex === undefined) return;
  for (const { offset, type, payload } of framesOf(bytes)) {
    if (type !== DATA) continue;
    const own = offset + FRAME_HEADER_SIZE;
    const begins = (mark: Uint8Array): boolean => mark.every((byte, i) => payload[i] === byte);
    const none = { firstIndex: 0, size: 0, checksum: 0 };
    const inner = begins(DURABLE_HERE)
      ? frame(INTERNAL, durablePayload(firstIndex, own, own))
      : begins(SEGMENT_HERE)
      ? frame(INTERNAL, segmentPayload(firstIndex, none))
      : undefined;
    if (inner === undefined) continue;
    bytes.set(frame(DATA, concat(inner, payload.subarray(inner.length))), offset);
  }
}

/** What was written, with the placeholders filled in as they are in the files. */
function entriesIn(files: Files, written: readonly Uint8Array[]): Uint8Array[] {
  const entries = [...written];
  for (const name of segmentsOf(files)) {
    const firstIndex = firstIndexOf(name) as number;
    const data = framesOf(files.get(name) as Uint8Array).filter(({ type }) => type === DATA);
    for (const [i, { payload }] of data.entries()) entries[firstIndex - 1 + i] = payload.slice();
  }
  return entries;
}
