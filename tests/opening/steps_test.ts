/**
 * The steps of an open, as units: the machine dies between any two of them and in the middle of each,
 * and the log is opened again. It has what an open that was not interrupted gives it, and bytes that
 * were to be set aside are there.
 *
 * @module
 */
import { test } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { Wal, type WalOptions } from "../../mod.ts";
import { foresee } from "../../src/cli/foreseen.ts";
import { ForeseenFiles } from "../../src/cli/foreseen_files.ts";
import { frameChecksum } from "../../src/format/checksum.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import type { Step } from "../../src/opening/plan.ts";
import { CrashFileSystem, exploreCrashes } from "../../src/testing/testing.ts";
import { concat, type Files, META, PATH, sameBytes, segmentsOf } from "../../kit/frames.ts";
import { bytes, readFile, syncDirectory, text, writeFile } from "../../kit/logs.ts";

const REDO = `${PATH}.redo`;

/** Two entries a segment. */
const SEGMENT_SIZE = 256;

/** An open: the files that it finds, and how. */
interface Opening {
  readonly files: Files;
  readonly recovery?: "salvage";
}

async function filesOf(
  options: WalOptions,
  body: (log: Wal) => void | Promise<void>,
): Promise<Map<string, Uint8Array>> {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { segmentSize: SEGMENT_SIZE, ...options, fileSystem });
  await body(log);
  await log.close();
  return filesIn(fileSystem);
}

function filesIn(disk: MemoryFileSystem | CrashFileSystem): Map<string, Uint8Array> {
  const names = disk.list(".").filter((name) => !name.includes(".lock"));
  return new Map(names.map((name) => [name, readFile(disk, name)]));
}

function append(log: Wal, count: number, size: number = 50): void {
  for (let i = 0; i < count; i++) {
    log.append(bytes(`entry ${log.lastIndex + 1} `.padEnd(size, ".")));
  }
}

function get(files: Files, name: string): Uint8Array {
  return files.get(name) ?? new Uint8Array(0);
}

function without(files: Files, ...names: string[]): Map<string, Uint8Array> {
  return new Map([...files].filter(([name]) => !names.includes(name)));
}

function numbered(index: number): string {
  return `${PATH}.${String(index).padStart(20, "0")}`;
}

/** The files right after a roll, before any sync of it. */
async function filesAtRoll(): Promise<Files> {
  const fileSystem = new MemoryFileSystem();
  const log = await Wal.open(PATH, { fileSystem, segmentSize: SEGMENT_SIZE });
  while (log.stats().segments < 2) append(log, 1);
  const files = filesIn(fileSystem);
  await log.close();
  return files;
}

/** The files at each call of a program that changes a log with a state, where `isWanted`. */
async function filesDuring(
  program: (log: Wal) => Promise<void>,
  isWanted: (files: Files) => boolean,
): Promise<Files[]> {
  const disk = new CrashFileSystem();
  const made = await Wal.open(PATH, { fileSystem: disk, segmentSize: SEGMENT_SIZE });
  // A Durable frame covers each sync, so a truncation needs a redo file.
  for (let i = 0; i < 12; i++) {
    append(made, 1, 20);
    await made.sync();
  }
  await made.setState(bytes("a state"));
  const found: Files[] = [];
  disk.observe(() => {
    const files = filesIn(disk);
    if (isWanted(files)) found.push(files);
  });
  await program(made);
  await made.close();
  const again = await Wal.open(PATH, { fileSystem: disk, segmentSize: SEGMENT_SIZE });
  disk.observe(undefined);
  await again.close();
  return found;
}

/** Whether the files have a redo file of the meta file, or of another. */
function hasRedo(files: Files, isMeta: boolean): boolean {
  const redo = get(files, REDO);
  return redo.length > 16 && (redo.subarray(8, 16).every((byte) => byte === 0) === isMeta);
}

async function openings(): Promise<Record<string, Opening>> {
  const many = await filesOf({}, (log) => append(log, 8));
  const [first = PATH] = segmentsOf(many);
  const last = segmentsOf(many).at(-1) ?? PATH;
  const headed = await filesOf({}, async (log) => {
    append(log, 8);
    await log.setState(bytes("a state"));
    await log.truncateBeforeIndex(5);
  });
  const version1 = await filesOf({ format: 1 }, (log) => append(log, 3));
  const one = await filesOf({ segmentSize: 10_000 }, (log) => append(log, 4));
  const withHead = async (head: number): Promise<Uint8Array> =>
    get(
      await filesOf({ segmentSize: 10_000 }, async (log) => {
        append(log, 8);
        await log.reset(head);
      }),
      META,
    );
  const idOf = (files: Files): Uint8Array => get(files, segmentsOf(files)[0] ?? "").slice(18, 26);
  const truncations = await filesDuring(
    (log) => log.truncateFromIndex(2),
    (files) => hasRedo(files, false),
  );
  const metas = await filesDuring(() => Promise.resolve(), (files) => hasRedo(files, true));
  const middle = <T>(list: readonly T[]): T => list[Math.floor(list.length / 2)] as T;
  const torn = get(one, PATH).slice(0, -60);
  const unsynced = concat(get(one, PATH), one.get(PATH)?.slice(54, 113) ?? torn, bytes("torn"));
  return {
    "a log that is not there": { files: new Map() },
    "a clean end": { files: one },
    "a roll that is pending": { files: await filesAtRoll() },
    "an end that no Durable frame covers": { files: new Map([[PATH, unsynced]]) },
    "a truncation that was interrupted": { files: middle(truncations) },
    "a truncation that had begun": { files: truncations.at(-1) as Files },
    "an update of both slots that was interrupted": { files: middle(metas) },
    "a redo file that is not whole": { files: new Map([...one, [REDO, bytes("REDO")]]) },
    "a torn end of version 1": {
      files: new Map([[PATH, get(version1, PATH).slice(0, -3)]]),
    },
    "an end of whole frames": {
      files: new Map([[PATH, concat(get(one, PATH), bytes("?"), get(one, PATH).slice(54, 113))]]),
    },
    "a damaged end that is given up": {
      files: new Map([[PATH, get(one, PATH).map((byte, at) => at === 130 ? byte ^ 1 : byte)]]),
      recovery: "salvage",
    },
    "a next file in the making": {
      files: new Map([...many, [last, get(many, last).slice(0, 30)]]),
    },
    "a next file that holds something": {
      files: new Map([
        ...many,
        [last, concat(get(many, last).slice(0, 8), new Uint8Array(90).fill(9))],
      ]),
    },
    "a Seal without a next file": { files: without(many, last) },
    "files below the head": {
      files: new Map([...headed, [numbered(3), get(headed, numbered(5)).slice(0, 20)]]),
    },
    "a first file without a beginning": {
      files: new Map([[first, concat(bytes("WAL!\0\0\0\x02"), new Uint8Array(80).fill(9))]]),
    },
    "all entries below the head": {
      files: new Map([...one, [META, withId(await withHead(5), idOf(one))]]),
    },
    "a head beyond the end": {
      files: new Map([...many, [META, withId(await withHead(40), idOf(many))]]),
    },
  };
}

/** A meta file with another log id. */
function withId(meta: Uint8Array, id: Uint8Array): Uint8Array {
  const copy = meta.slice();
  for (const slot of [0, 65_536]) {
    copy.set(id, slot + 8);
    const end = slot + 36 + new DataView(copy.buffer).getUint32(slot + 32);
    const checksum = frameChecksum.crc32(copy.subarray(slot, end));
    new DataView(copy.buffer).setUint32(end, checksum);
  }
  return copy;
}

/** A disk that has these files, all durable. */
function diskWith(files: Files): CrashFileSystem {
  const disk = new CrashFileSystem();
  for (const [name, content] of files) {
    writeFile(disk, name, content);
    const file = disk.open(name, "write");
    file.syncBlocking();
    file.close();
  }
  syncDirectory(disk, ".");
  return disk;
}

/** The steps that are planned for some files. */
function planned({ files, recovery }: Opening): readonly Step[] {
  const fileSystem = new MemoryFileSystem();
  for (const [name, content] of files) writeFile(fileSystem, name, content);
  const { first, plan } = foresee(new ForeseenFiles(fileSystem), PATH, {
    checksum: frameChecksum,
    maxEntrySize: 1 << 20,
    recovery: recovery ?? "default",
  });
  assert(plan.kind === "open");
  return [...first, ...plan.steps];
}

interface Found {
  readonly firstIndex: number;
  readonly entries: readonly string[];
  readonly state: string;
}

async function open(
  fileSystem: CrashFileSystem | MemoryFileSystem,
  { recovery }: Opening,
): Promise<Found> {
  const log = await Wal.open(PATH, {
    fileSystem,
    segmentSize: SEGMENT_SIZE,
    ...(recovery === undefined ? {} : { recovery }),
  });
  try {
    return {
      firstIndex: log.firstIndex,
      entries: log.readAll().map(text),
      state: text(log.state),
    };
  } finally {
    await log.close();
  }
}

/** The bytes that steps set aside. */
function asideOf(files: Files, steps: readonly Step[]): Uint8Array[] {
  return steps.flatMap((step) =>
    step.kind === "set aside" ? [get(files, step.path).slice(step.from, step.to)] : []
  );
}

const SEEN = new Set<Step["kind"]>();
const OPENINGS = await openings();

for (const [what, opening] of Object.entries(OPENINGS)) {
  test(`a crash at any moment of the steps of an open is harmless: ${what}`, async () => {
    const { files } = opening;
    const steps = planned(opening);
    for (const { kind } of steps) SEEN.add(kind);
    const aside = asideOf(files, steps);
    const expected = await open(diskWith(files), opening);
    const { crashes, states } = await exploreCrashes<Found>({
      async run(fileSystem, promise) {
        promise(await open(fileSystem as CrashFileSystem, opening));
      },
      async check(disk, promised) {
        const found = await open(disk, opening);
        assertEquals(found, expected);
        for (const one of promised) assertEquals(found, one);
        const cuts = disk.list(".").filter((name) => name.includes(".cut-"));
        for (const part of aside) {
          assert(cuts.some((cut) => sameBytes(readFile(disk, cut), part)), "bytes were not kept");
        }
        // What the second open found and did is durable too.
        disk.kill();
        for (const again of disk.crashStates({ limit: 4 })) {
          assertEquals(await open(again, opening), expected);
        }
      },
    }, { start: diskWith(files), statesPerCrash: 64 });
    assert(crashes > steps.length / 2 && states >= crashes, `${crashes} crashes, ${states} states`);
  });
}

test("every kind of step was interrupted", () => {
  const kinds: Record<Step["kind"], true> = {
    "finish replacement": true,
    "finish meta replacement": true,
    "remove redo file": true,
    "make log": true,
    "set aside": true,
    "remove": true,
    "begin again": true,
    "secure end": true,
    "secure full segment": true,
    "secure meta": true,
    "sync directory": true,
    "begin next": true,
    "roll": true,
    "drop": true,
    "begin at head": true,
  };
  assertEquals([...SEEN].sort(), (Object.keys(kinds) as Step["kind"][]).sort());
  const ways = Object.values(OPENINGS).flatMap(planned)
    .flatMap((step) => step.kind === "secure end" ? [step.way] : []);
  assertEquals([...new Set(ways)].sort(), ["from memory", "in place", "with a redo file"]);
});
