/**
 * What the mutations begin with: files that the log itself has written, of both versions and with
 * every kind of frame.
 *
 * @module
 */
import { Wal } from "../../mod.ts";
import type { WalOptions } from "../../src/options.ts";
import { RaftStorage } from "../../src/raft/raft.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { FaultyFileSystem } from "../../src/testing/testing.ts";
import { readFile, writeFile } from "../../kit/logs.ts";
import {
  concat,
  DURABLE,
  type FileSet,
  frameOf,
  framesIn,
  indexIn,
  kindOf,
  link,
  LOG,
  META,
  readU32,
  REDO,
  REDO_HEADER,
  repairFrame,
  repairSlots,
  SEGMENT,
  segmentNames,
  SLOT_HEADER,
  SLOTS,
  targetOf,
} from "./layout.ts";
import { equal } from "./target.ts";

/** What the targets begin with. */
export interface Corpus {
  /** Whole logs. */
  readonly logs: FileSet[];
  /** Logs of Raft nodes. */
  readonly raft: FileSet[];
  /** Single segments, each a file set of one. */
  readonly segments: FileSet[];
  /** Single segments that are read in several chunks. */
  readonly large: FileSet[];
  /** Single slots of a meta file. */
  readonly slots: FileSet[];
  /** Redo files, each with the file whose tail it is about. */
  readonly redo: FileSet[];
}

/** The id that all logs get, so that a seed means the same files each time. */
const LOG_ID = new Uint8Array([0xa1, 0x02, 0xc3, 0x01, 0xe5, 0xf6, 0x07, 0x18]);

const MIB = 1024 * 1024;

/** Makes the corpus. */
export async function makeCorpus(): Promise<Corpus> {
  const logs = [
    await logOf({}, () => {}),
    await logOf({}, async (log) => {
      for (let i = 0; i < 4; i++) await log.appendAndSync(entry(i * 7));
    }),
    await logOf({}, (log) => {
      for (let i = 0; i < 6; i++) log.append(entry(i));
    }),
    await logOf({}, async (log) => {
      await log.appendAndSync(entry(3));
      await log.appendBatchAndSync([entry(0), entry(1), entry(20)]);
      log.appendBatch([entry(5), entry(5)]);
      log.append(entry(9));
    }),
    await logOf({ format: 1 }, (log) => {
      for (let i = 0; i < 5; i++) log.append(entry(i * 3));
    }),
    // A frame within an entry.
    await logOf({}, async (log) => {
      await log.appendAndSync(concat([entry(4), frameOf(1, entry(6)), entry(2)]));
      await log.appendAndSync(frameOf(2, new Uint8Array([2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9])));
    }),
    await logOf({ segmentSize: 256 }, async (log) => {
      for (let i = 0; i < 12; i++) await log.appendAndSync(entry(20 + i));
    }),
    await logOf({ segmentSize: 300 }, async (log) => {
      for (let i = 0; i < 5; i++) await log.appendBatchAndSync([entry(i), entry(9), entry(30)]);
      await log.setState(entry(12));
    }),
    await logOf({ segmentSize: 256 }, async (log) => {
      for (let i = 0; i < 12; i++) await log.appendAndSync(entry(20 + i));
      await log.truncateBeforeIndex(6);
      await log.setState(entry(40));
    }),
    // A truncation within a batch leaves a Seal that counts fewer entries than there are.
    await logOf({ segmentSize: 1000 }, async (log) => {
      await log.appendBatchAndSync([entry(5), entry(6), entry(7), entry(8)]);
      await log.truncateFromIndex(3);
      await log.appendAndSync(entry(4));
    }),
    await logOf({}, async (log) => {
      await log.reset(1000);
      await log.appendAndSync(entry(10));
    }),
    await adopted(),
  ];
  const interruptedLogs = await interruptedOnes(logs);
  const raft = [
    await raftOf({}, async (storage) => {
      await storage.setHardState({ term: 2, votedFor: "b" });
      await storage.append([1, 1, 2].map((term) => ({ term, data: entry(term * 5) })));
      await storage.append([{ term: 3, data: entry(0) }]);
    }),
    await raftOf({ segmentSize: 300 }, async (storage) => {
      for (let term = 1; term < 12; term++) await storage.append([{ term, data: entry(30) }]);
      await storage.setHardState({ term: 12, votedFor: null });
      await storage.compact(5);
    }),
    await raftOf({}, async (storage) => {
      await storage.append([{ term: 1, data: entry(8) }]);
      await storage.installSnapshot({ index: 50, term: 4 });
      await storage.append([{ term: 4, data: entry(8) }, { term: 5, data: entry(3) }]);
    }),
  ];
  const interruptedRaft = (await Promise.all(
    raft.map((files) => interrupted(files, (fileSystem) => RaftStorage.open(LOG, { fileSystem }))),
  )).flat();
  const all = [...logs, ...raft];
  const segments = all.flatMap((files) =>
    segmentNames(files).map((name) => single(name, files.get(name)))
  );
  const large = [
    await logOf({ maxEntrySize: 2 * MIB }, async (log) => {
      for (let i = 0; i < 5; i++) await log.appendAndSync(entry(300_000 + i));
      log.append(entry(MIB + 10));
      log.append(entry(7));
    }),
    await logOf({}, async (log) => {
      await log.appendAndSync(entry(1));
      log.appendBatch(Array.from({ length: 40 }, (_, i) => entry(30_000 + i)));
      log.append(entry(3));
    }),
    await logOf({}, (log) => {
      for (let i = 0; i < 30_000; i++) log.append(entry(i % 80));
    }),
  ].map((files) => single(LOG, files.get(LOG)));
  const slots = all.flatMap((files) => {
    const meta = files.get(META);
    if (meta === undefined) return [];
    const end = SLOT_HEADER + readU32(meta, 32) + 4;
    return [single(META, meta.slice(0, end))];
  });
  const redo = [...interruptedLogs, ...interruptedRaft].map((files) => {
    const name = nameOfTarget(files);
    return new Map([...files].filter(([other]) => other === REDO || other === name));
  });
  return {
    // There are far more states with a redo file than logs without.
    logs: [...logs, ...logs, ...logs, ...interruptedLogs],
    raft: [...raft, ...raft, ...raft, ...interruptedRaft],
    segments,
    large,
    slots,
    redo,
  };
}

function nameOfTarget(files: FileSet): string | undefined {
  const redo = files.get(REDO);
  return redo === undefined || redo.length < REDO_HEADER ? LOG : targetOf(redo);
}

/** Logs in the middle of a truncation, or of an open. */
async function interruptedOnes(logs: readonly FileSet[]): Promise<FileSet[]> {
  const open = async (fileSystem: FaultyFileSystem): Promise<Wal> =>
    await Wal.open(LOG, { fileSystem });
  const truncate = (index: number) => async (fileSystem: FaultyFileSystem): Promise<void> => {
    const log = await open(fileSystem);
    await log.truncateFromIndex(index);
  };
  const one = async (log: Wal): Promise<void> => {
    for (let i = 0; i < 4; i++) await log.appendAndSync(entry(i * 7 + 3));
  };
  const batches = async (log: Wal): Promise<void> => {
    for (let i = 0; i < 3; i++) await log.appendBatchAndSync([entry(i), entry(9), entry(20)]);
  };
  const several = async (log: Wal): Promise<void> => {
    for (let i = 0; i < 8; i++) await log.appendAndSync(entry(20 + i));
    await log.setState(entry(12));
  };
  const states = [
    // All of a file, the end of one, and the end of one with others before it.
    await interrupted(await logOf({}, (log) => void log.append(entry(40)), "left open"), open),
    await interrupted(await logOf({}, one, "left open"), open),
    await interrupted(await logOf({ segmentSize: 256 }, several, "left open"), open),
    await interrupted(await logOf({}, one), truncate(3)),
    await interrupted(await logOf({}, batches), truncate(5)),
    await interrupted(await logOf({ segmentSize: 256 }, several), truncate(5)),
    // The meta file, with a head index and without.
    ...await Promise.all(logs.filter((files) => files.has(META)).map((f) => interrupted(f, open))),
  ];
  return states.flat();
}

/** How many bytes are written of the last write of a process that dies. */
const LEFT = 20;

/** What a process may leave that dies while a redo file is there, each once. */
async function interrupted(
  files: FileSet,
  live: (fileSystem: FaultyFileSystem) => Promise<unknown>,
): Promise<FileSet[]> {
  const states: FileSet[] = [];
  for (let step = 0;; step++) {
    const disk = new MemoryFileSystem();
    for (const [name, bytes] of files) writeFile(disk, name, bytes);
    const fileSystem = new FaultyFileSystem(disk);
    fileSystem.stopAfter(step, LEFT);
    await Promise.allSettled([live(fileSystem)]);
    if (!fileSystem.stopped) return states;
    const left = allIn(disk);
    if (left.has(REDO) && !states.some((state) => isSame(state, left))) states.push(left);
  }
}

function isSame(one: FileSet, other: FileSet): boolean {
  return one.size === other.size &&
    [...one].every(([name, bytes]) => equal(bytes, other.get(name) ?? new Uint8Array(0)));
}

function single(name: string, bytes: Uint8Array | undefined): FileSet {
  return new Map([[name, bytes ?? new Uint8Array(0)]]);
}

/** An entry's bytes, which look a little like frames. */
function entry(size: number): Uint8Array {
  return Uint8Array.from(
    { length: size },
    (_, i) => i % 5 === 0 ? i % 3 : (size * 31 + i * 7) % 256,
  );
}

async function logOf(
  options: WalOptions,
  body: (log: Wal) => void | Promise<void>,
  end: "closed" | "left open" = "closed",
): Promise<FileSet> {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(LOG, { ...options, fileSystem });
  await body(log);
  const leftOpen = filesIn(fileSystem);
  await log.close();
  return end === "closed" ? filesIn(fileSystem) : leftOpen;
}

async function raftOf(
  options: WalOptions,
  body: (storage: RaftStorage) => Promise<void>,
): Promise<FileSet> {
  const fileSystem = new MemoryFileSystem();
  const storage = await RaftStorage.open(LOG, { ...options, fileSystem });
  await body(storage);
  await storage.close();
  return filesIn(fileSystem);
}

/** A log of version 1 that continues in segments of version 2. */
async function adopted(): Promise<FileSet> {
  const fileSystem = new MemoryFileSystem();
  const old = await Wal.open(LOG, { fileSystem, format: 1 });
  for (let i = 0; i < 8; i++) old.append(entry(25 + i));
  await old.close();
  const log = await Wal.open(LOG, { fileSystem, segmentSize: 256 });
  for (let i = 0; i < 6; i++) await log.appendAndSync(entry(40));
  await log.close();
  return filesIn(fileSystem);
}

/** A log's files, with a fixed id instead of the random one. */
function filesIn(fileSystem: MemoryFileSystem): FileSet {
  const files = allIn(fileSystem);
  let before: string | undefined;
  for (const name of segmentNames(files)) {
    const bytes = files.get(name) ?? new Uint8Array(0);
    const frames = framesIn(bytes);
    const previous = before === undefined ? undefined : files.get(before);
    // A segment that a reset or a truncation has made the first has none before it.
    if (previous !== undefined) link(frames[0], previous, indexIn(before ?? "") ?? 1);
    for (const frame of frames) {
      const kind = kindOf(frame);
      if (kind === SEGMENT || kind === DURABLE) frame.set(LOG_ID, 10);
      repairFrame(frame);
    }
    before = name;
  }
  const meta = files.get(META);
  if (meta !== undefined) {
    for (const at of SLOTS) meta.set(LOG_ID, at + 8);
    repairSlots(meta);
  }
  return files;
}

function allIn(fileSystem: MemoryFileSystem): FileSet {
  return new Map(fileSystem.list(".").sort().map((name) => [name, readFile(fileSystem, name)]));
}
