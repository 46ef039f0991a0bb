/**
 * One trial: a random log, random damage, and what `wal recover` must give of it.
 *
 * What nobody can find out is not asked for: a whole frame that moved to another place looks like one
 * that was written there, and what was at the log's very end may never have been.
 *
 * @module
 */
import { Wal, WalError } from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { type Recovered, type RecoveredEntry, RecoveredLog } from "../../src/cli/recovered_log.ts";
import { parseLine, recoveredLine } from "../../src/cli/recovered_lines.ts";
import { TakenEntries } from "../../src/cli/taken_entries.ts";
import { random } from "../../kit/logs.ts";
import {
  type Files,
  firstIndexOf,
  framesOf,
  headIndexOf,
  META,
  PATH,
  sameBytes,
  segmentsOf,
} from "../../kit/frames.ts";
import { type Draw, type PlacedEntry, placeOf, type RandomLog, randomLog } from "./logs.ts";

const LIMIT = 10 * 1024 * 1024;

/** What was done to the files. */
interface Damaged {
  readonly files: Files;
  readonly what: string[];
  /** Segments in which whole frames may have moved. */
  readonly moved: Set<string>;
}

/** What was found, read. */
export type Read = Exclude<Recovered, RecoveredEntry> | ReadEntry;

type ReadEntry = RecoveredEntry & { readonly data: Uint8Array };

/** What came of a trial. */
export interface Trial {
  readonly entries: number;
  readonly recovered: number;
  readonly exact: number;
  /** What is wrong; none if all is right. */
  readonly faults: readonly string[];
  readonly what: string;
}

/** The log and the damage of a seed. */
export async function damagedLog(seed: number): Promise<{ log: RandomLog; damaged: Damaged }> {
  const next = random(seed);
  const draw: Draw = (limit) => Math.floor(next() * limit);
  const log = await randomLog(draw);
  return { log, damaged: damage(log.files, draw) };
}

/** A file system with these files. */
export function fileSystemOf(files: Files): MemoryFileSystem {
  const fileSystem = new MemoryFileSystem();
  for (const [name, bytes] of files) {
    const file = fileSystem.open(name, "create");
    file.write(bytes, 0);
    file.close();
  }
  return fileSystem;
}

/** Does one trial. */
export async function tryOnce(seed: number): Promise<Trial> {
  const { log, damaged } = await damagedLog(seed);
  const what = `seed ${seed}: ${damaged.what.join("; ")}`;
  const faults: string[] = [];
  const found = await readAll(damaged.files);
  if (found === "no log") {
    const isLeft = log.entries.some((entry) => isUntouched(log.files, damaged.files, entry));
    const refused = isLeft ? ["it is refused, and has whole entries"] : [];
    return { entries: log.entries.length, recovered: 0, exact: 0, faults: refused, what };
  }
  judge(log, damaged, found, (fault) => void faults.push(fault));
  const entries = found.filter((item) => item.kind === "entry");
  const exact = entries.filter(({ index }) => index.from === index.to).length;
  return { entries: log.entries.length, recovered: entries.length, exact, faults, what };
}

/**
 * One file of a damaged log, by itself: a segment, or, what is after an offset of it as
 * recovery sets it aside. Each of its entries that is whole must be given, and its index be right.
 */
export async function tryAlone(seed: number): Promise<Trial> {
  const { log, damaged } = await damagedLog(seed);
  const next = random(~seed);
  const names = segmentsOf(damaged.files);
  const name = names[Math.floor(next() * names.length)] as string;
  const bytes = damaged.files.get(name) as Uint8Array;
  const isCut = next() < 0.5;
  // Recovery cuts where a frame should begin.
  const places = framesOf(log.files.get(name) as Uint8Array).map(({ offset }) => offset)
    .filter((offset) => offset > 8);
  const from = (isCut ? places[Math.floor(next() * places.length)] : 0) ?? 0;
  const segment = String(firstIndexOf(name)).padStart(20, "0");
  const path = isCut ? `${PATH}.cut-${segment}-${from}` : name;
  const entries = log.physical.filter(({ file, offset }) => file === name && offset >= from);
  const what = `seed ${seed}: ${path} alone: ${damaged.what.join("; ")}`;
  const faults: string[] = [];
  let exact = 0;
  const found = await readAll(new Map([[path, bytes.slice(from)]]), path);
  const given = new Map<number, ReadEntry>();
  for (const item of found === "no log" ? [] : found) {
    if (item.kind !== "entry") continue;
    given.set(item.offset + from, item);
    if (item.index.from === item.index.to) exact++;
    const entry = entries.find(({ offset }) => offset === item.offset + from);
    if (damaged.moved.has(name)) continue;
    if (entry === undefined) {
      if (!item.isFoundBySearch) faults.push(`${item.offset} is no entry, and is not marked`);
    } else if (item.index.from > entry.index || item.index.to < entry.index) {
      const { from, to } = item.index;
      faults.push(`entry ${entry.index} at ${item.offset} is given as ${from} to ${to}`);
    } else if (!sameBytes(item.data, entry.data)) {
      faults.push(`entry ${entry.index} is another`);
    }
  }
  for (const entry of entries) {
    const isThere = isUntouched(log.files, damaged.files, entry);
    const isDropped = log.dropped.has(placeOf(name, entry.offset));
    if (isThere && !isDropped && !given.has(entry.offset)) {
      faults.push(`entry ${entry.index} is not given`);
    }
  }
  return { entries: entries.length, recovered: given.size, exact, faults, what };
}

/** Takes what is recovered of a damaged log into lines, and those into a new log: all must be there. */
export async function tryImport(seed: number): Promise<Trial> {
  const { log, damaged } = await damagedLog(seed);
  const found = await readAll(damaged.files);
  const wanted: Uint8Array[] = [];
  const faults: string[] = [];
  const fileSystem = new MemoryFileSystem();
  const into = await Wal.open(PATH, { fileSystem });
  const taken = new TakenEntries(into, () => {});
  for (const item of found === "no log" ? [] : found) {
    if (item.kind !== "entry" || item.isDropped === true) continue;
    const line = parseLine(new TextEncoder().encode(recoveredLine(item)));
    if (line.kind !== "entry") {
      faults.push(`the line is no entry: ${recoveredLine(item).slice(0, 80)}`);
      continue;
    }
    wanted.push(item.data);
    await taken.take(line.index, line.data);
  }
  await taken.finish("took");
  const all = into.readAll();
  await into.close();
  if (all.length !== wanted.length) faults.push(`${all.length} of ${wanted.length} entries`);
  for (const [i, data] of wanted.entries()) {
    if (!sameBytes(data, all[i] ?? new Uint8Array(0))) faults.push(`the new entry ${i} is another`);
  }
  const what = `seed ${seed}: import: ${damaged.what.join("; ")}`;
  return { entries: log.entries.length, recovered: all.length, exact: all.length, faults, what };
}

/** All that is found; nothing if the only file is refused. */
async function readAll(files: Files, path: string = PATH): Promise<Read[] | "no log"> {
  const found: Read[] = [];
  const log = await RecoveredLog.create(fileSystemOf(files), path, LIMIT, true);
  try {
    for (const item of log.read()) {
      if (item.kind === "entry") {
        const data = item.read();
        found.push({ ...item, data, read: () => data });
      } else {
        found.push(item);
      }
    }
  } catch (error) {
    if (error instanceof WalError && error.code === "ERR_WAL_FORMAT") return "no log";
    throw error;
  }
  return found;
}

function damage(original: Files, draw: Draw): Damaged {
  const files = new Map(original);
  const what: string[] = [];
  const moved = new Set<string>();
  const segments = segmentsOf(original);
  for (let i = 1 + Math.floor(draw(6) / 3); i > 0; i--) {
    const name = segments[draw(segments.length)] as string;
    const bytes = files.get(name)?.slice();
    if (bytes === undefined || bytes.length === 0) continue;
    const at = draw(bytes.length);
    const size = 1 + draw([4, 30, 200, 600][draw(4)] as number);
    const tell = (told: string, changed: Uint8Array): void => {
      what.push(`${told}, ${name}`);
      files.set(name, changed);
    };
    switch (draw(12)) {
      case 0:
      case 1:
      case 2:
        bytes[at] = (bytes[at] as number) ^ (1 << draw(8));
        tell(`flip byte ${at}`, bytes);
        break;
      case 3:
        bytes[at] = draw(256);
        tell(`set byte ${at}`, bytes);
        break;
      case 4:
        bytes.fill(0, at, at + size);
        tell(`zero ${size} at ${at}`, bytes);
        break;
      case 5:
        for (let to = at; to < Math.min(at + size, bytes.length); to++) bytes[to] = draw(256);
        tell(`garbage ${size} at ${at}`, bytes);
        break;
      case 6:
        if (draw(3) > 0) break;
        tell(`cut to ${at}`, bytes.slice(0, at));
        break;
      case 7:
        if (draw(3) > 0 || segmentsOf(files).length === 1) break;
        what.push(`remove ${name}`);
        files.delete(name);
        break;
      case 8: {
        const sector = 512 * draw(Math.ceil(bytes.length / 512));
        bytes.fill(0, sector, sector + 512);
        tell(`zero sector at ${sector}`, bytes);
        break;
      }
      case 9: {
        const count = Math.ceil(bytes.length / 512);
        const [from, to] = [draw(count), draw(count)];
        const source = bytes.slice(512 * from, 512 * from + 512);
        bytes.set(source.subarray(0, bytes.length - 512 * to), 512 * to);
        moved.add(name);
        tell(`copy sector ${from} to ${to}`, bytes);
        break;
      }
      case 10: {
        const head = draw(60);
        bytes.fill(draw(256), 0, head);
        tell(`spoil the first ${head}`, bytes);
        break;
      }
      default: {
        const meta = files.get(META);
        if (meta === undefined || draw(2) === 0) break;
        const spoilt = meta.slice();
        for (const slot of [0, 65_536]) spoilt.fill(9, slot, slot + 8);
        files.set(META, spoilt);
        what.push("spoil the meta file");
      }
    }
  }
  return { files, what, moved };
}

/** Compares what was found with what was there. */
function judge(
  log: RandomLog,
  { files, moved }: Damaged,
  found: readonly Read[],
  fault: (what: string) => void,
): void {
  const byPlace = new Map<string, RecoveredEntry>();
  const missing = found.filter((item) => item.kind === "missing");
  const isHeadKnown = typeof headIndexOf(files.get(META)) !== "string";
  const truth = new Map(log.entries.map((entry) => [placeOf(entry.file, entry.offset), entry]));
  let lastPlace = "";
  for (const item of found) {
    if (item.kind !== "entry") continue;
    const place = placeOf(item.path, item.offset);
    if (byPlace.has(place)) fault(`${place} is given twice`);
    byPlace.set(place, item);
    const key = `${String(firstIndexOf(item.path)).padStart(20)} ${
      String(item.offset).padStart(9)
    }`;
    if (key <= lastPlace) fault(`${place} is out of order`);
    lastPlace = key;
    judgeEntry(log, files, moved, isHeadKnown, item, truth.get(place), fault);
  }
  for (const entry of log.entries) {
    const item = byPlace.get(placeOf(entry.file, entry.offset));
    const isThere = isUntouched(log.files, files, entry);
    if (isThere && (item === undefined || item.isDropped === true)) {
      fault(`entry ${entry.index} of ${entry.file} at ${entry.offset} is not given`);
    }
    const isTold = missing.some(({ indexes }) =>
      indexes !== undefined && indexes.from <= entry.index && entry.index <= indexes.to
    );
    if (!isThere && item === undefined && !isTold && !mayBeUnknown(log, files, moved, entry)) {
      fault(`nothing tells that entry ${entry.index} of ${entry.file} is missing`);
    }
  }
}

function judgeEntry(
  log: RandomLog,
  files: Files,
  moved: ReadonlySet<string>,
  isHeadKnown: boolean,
  item: ReadEntry,
  entry: PlacedEntry | undefined,
  fault: (what: string) => void,
): void {
  const place = placeOf(item.path, item.offset);
  const { index, isFoundBySearch, isDropped, batch } = item;
  if (isDropped === true || moved.has(item.path)) return;
  if (entry === undefined) {
    const isDroppedBefore = log.dropped.has(place) || !isHeadKnown || isDropped === "unknown";
    if (!isFoundBySearch && !isDroppedBefore) fault(`${place} is no entry, and is not marked`);
    return;
  }
  if (!sameBytes(item.data, entry.data)) fault(`entry ${entry.index} at ${place} is another`);
  if (index.from > entry.index || index.to < entry.index) {
    fault(`entry ${entry.index} at ${place} is given as ${index.from} to ${index.to}`);
  }
  const isAtomThere = entry.atom.every((frame) =>
    isUntouched(log.files, files, { file: entry.file, offset: frame.offset, end: frame.end })
  );
  if (isAtomThere && batch === "incomplete") fault(`${place} is of a batch that is whole`);
  const isMarked = batch !== "whole" || isFoundBySearch;
  if (!isAtomThere && entry.atom.length > 1 && !isMarked) {
    fault(`${place} is of a broken batch, and is not marked`);
  }
}

function isUntouched(
  before: Files,
  after: Files,
  { file, offset, end }: { file: string; offset: number; end: number },
): boolean {
  const bytes = after.get(file);
  if (bytes === undefined || bytes.length < end) return false;
  return sameBytes(
    bytes.subarray(offset, end),
    (before.get(file) as Uint8Array).subarray(offset, end),
  );
}

/** Whether nothing that is left can tell of an entry: what followed it is gone too. */
function mayBeUnknown(
  log: RandomLog,
  files: Files,
  moved: ReadonlySet<string>,
  { file, offset, index }: PlacedEntry,
): boolean {
  if (moved.has(file)) return true;
  const last = segmentsOf(log.files).filter((name) => files.has(name)).at(-1);
  if (last === undefined || (firstIndexOf(file) as number) > (firstIndexOf(last) as number)) {
    return true;
  }
  if (file !== last) return false;
  const bytes = files.get(file) as Uint8Array;
  const isCut = bytes.length <= offset || bytes.length < (log.files.get(file) as Uint8Array).length;
  const isZero = bytes.subarray(offset).every((byte) => byte === 0);
  return isCut || isZero || framesOf(bytes, offset).length === 0 && index < 0;
}
