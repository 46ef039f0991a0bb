/**
 * One trial: a random log, random damage, and what `wal recover` must give of it.
 *
 * What cannot be found out is not asked for: a whole frame that moved to another place looks like one
 * that was written there, bytes around a gap may look like one changed byte, and what was at the log's
 * very end may never have been.
 *
 * @module
 */
import { Wal, WalError } from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import type { Recovered, RecoveredEntry } from "../../src/cli/recovered.ts";
import { RecoveredLog } from "../../src/cli/recovered_log.ts";
import { parseLine, recoveredLine } from "../../src/cli/recovered_lines.ts";
import { TakenEntries } from "../../src/cli/taken_entries.ts";
import { random } from "../../kit/logs.ts";
import {
  concat,
  DATA,
  FILE_HEADER_SIZE,
  type Files,
  firstIndexOf,
  FRAME_HEADER_SIZE,
  framesOf,
  headIndexOf,
  INTERNAL,
  META,
  PATH,
  sameBytes,
  SEGMENT,
  segmentsOf,
} from "../../kit/frames.ts";
import { type Draw, type PlacedEntry, placeOf, type RandomLog, randomLog } from "./logs.ts";

const LIMIT = 10 * 1024 * 1024;

/** What was done to the files. */
interface Damaged {
  readonly files: Files;
  readonly what: string[];
  /** Segments in which whole frames may have moved, and nothing shows it. */
  readonly moved: Set<string>;
  /** The same of segments that are read by themselves, without what the next one states. */
  readonly movedAlone: Set<string>;
  /** Where bytes were deleted from segments, or inserted, in order. */
  readonly edits: Map<string, Edit[]>;
}

/** Bytes that were deleted from a file, or inserted. */
interface Edit {
  readonly at: number;
  readonly deleted: number;
  readonly inserted: number;
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
    const isLeft = log.entries.some((entry) => isUntouched(log, damaged, entry));
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
  // Recovery cuts where a frame should begin, and up to there nothing has moved.
  const firstEdit = Math.min(...(damaged.edits.get(name) ?? []).map(({ at }) => at));
  const places = framesOf(log.files.get(name) as Uint8Array).map(({ offset }) => offset)
    .filter((offset) => offset > 8 && offset <= firstEdit);
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
    const entry = entries.find(({ offset }) =>
      movedOffset(damaged, name, offset) === item.offset + from
    );
    if (damaged.movedAlone.has(name)) continue;
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
    const isThere = isUntouched(log, damaged, entry);
    const isDropped = log.dropped.has(placeOf(name, entry.offset));
    const offset = movedOffset(damaged, name, entry.offset) ?? 0;
    if (
      offset < from || (damaged.movedAlone.has(name) && isWithin(given.values(), offset - from))
    ) {
      continue;
    }
    if (isThere && !isDropped && !given.has(offset)) {
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
  const movedAlone = new Set<string>();
  const edits = new Map<string, Edit[]>();
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
    switch (draw(14)) {
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
      case 11:
      case 12: {
        const deleted = draw(2) === 0 ? Math.min(size, bytes.length - at) : 0;
        const inserted = deleted > 0 ? new Uint8Array(0) : noiseOf(size, draw);
        const changed = concat(bytes.subarray(0, at), inserted, bytes.subarray(at + deleted));
        const before = edits.get(name) ?? [];
        const written = original.get(name) as Uint8Array;
        const spans = spansOf(written, before);
        const edit = settled({ at, deleted, inserted: inserted.length }, spans, bytes, changed);
        const seam = seamOf(written, before, changed, edit.at);
        if (seam === "whole") moved.add(name);
        if (seam !== "broken") movedAlone.add(name);
        edits.set(name, [...before, edit]);
        tell(deleted > 0 ? `delete ${deleted} at ${at}` : `insert ${size} at ${at}`, changed);
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
  for (const name of movedAlone) {
    if (!isSizeStated(original, files, name)) moved.add(name);
  }
  for (const name of moved) movedAlone.add(name);
  return { files, what, moved, movedAlone, edits };
}

/** Bytes that were never in the log: noise, zeros, or line ends. */
function noiseOf(size: number, draw: Draw): Uint8Array {
  const kind = draw(4);
  return new Uint8Array(size).map(() => kind === 0 ? 0 : kind === 1 ? 10 : draw(256));
}

/** Where the header and the frames are after the edits, as far as they are whole. */
function spansOf(original: Uint8Array, edits: readonly Edit[]): { start: number; end: number }[] {
  const header = { offset: 0, end: FILE_HEADER_SIZE };
  return [header, ...framesOf(original)].flatMap(({ offset, end }) => {
    const start = afterEdits(edits, offset);
    const last = afterEdits(edits, end - 1);
    const isWhole = start !== undefined && last !== undefined && last - start === end - 1 - offset;
    return isWhole ? [{ start, end: last + 1 }] : [];
  });
}

/**
 * Where an edit is said to be. Of two equal bytes it is unknown which one is gone: of the places at which
 * the same edit makes the same file, it is the one that leaves the most frames whole, and of those the
 * last, since a file is read from its beginning.
 */
function settled(
  edit: Edit,
  spans: readonly { readonly start: number; readonly end: number }[],
  bytes: Uint8Array,
  changed: Uint8Array,
): Edit {
  const { deleted, inserted } = edit;
  const size = deleted + inserted;
  const longer = deleted > 0 ? bytes : changed;
  let [low, high] = [edit.at, edit.at];
  while (low > 0 && longer[low - 1] === longer[low - 1 + size]) low--;
  while (high + size < longer.length && longer[high] === longer[high + size]) high++;
  let [at, most] = [high, -1];
  for (let place = high; place >= low; place--) {
    const whole = spans.filter(({ start, end }) => end <= place || start >= place + deleted).length;
    if (whole > most) [at, most] = [place, whole];
  }
  return { at, deleted, inserted };
}

/** Whether the segment after one is there to tell that bytes of the one were lost or came in. */
function isSizeStated(original: Files, files: Files, name: string): boolean {
  const segments = segmentsOf(original);
  const next = files.get(segments[segments.indexOf(name) + 1] ?? "");
  const [first] = next === undefined ? [] : framesOf(next);
  return first?.type === INTERNAL && first.payload[0] === SEGMENT &&
    files.get(name)?.length !== original.get(name)?.length;
}

/**
 * What shows at a place at which bytes were deleted or inserted. `"whole"`: whole frames lead on over
 * it, and nothing in the file shows that what follows has moved. `"one byte"`: they would if one byte
 * were another, and only the file's size shows that more has changed.
 */
function seamOf(
  original: Uint8Array,
  edits: readonly Edit[],
  changed: Uint8Array,
  at: number,
): "whole" | "one byte" | "broken" {
  const written = framesOf(original);
  let from = FILE_HEADER_SIZE;
  for (const { offset } of written) {
    const now = afterEdits(edits, offset);
    if (now !== undefined && now <= at) from = Math.max(from, now);
  }
  if (from > at) return "broken";
  const end = framesOf(changed, from).at(-1)?.end ?? from;
  if (end > at) return "whole";
  if (end >= changed.length) return "broken";
  const frame = written.find(({ offset }) => afterEdits(edits, offset) === end);
  const isSame = frame !== undefined &&
    isNearly(original.subarray(frame.offset, frame.end), changed.subarray(end), at - end);
  return isSame || isWholeWithOtherHeader(changed.subarray(end), at - end) ? "one byte" : "broken";
}

/** Whether a frame that reaches beyond `at` is there but for one byte, and another frame follows. */
function isNearly(frame: Uint8Array, changed: Uint8Array, at: number): boolean {
  if (frame.length <= at || frame.length > changed.length) return false;
  if (frame.filter((byte, i) => byte !== changed[i]).length > 1) return false;
  const rest = changed.subarray(frame.length);
  return framesOf(rest, 0).length > 0 || rest.every((byte) => byte === 0);
}

/** Whether a frame that reaches beyond `at` is whole with another type, or one other byte of length. */
function isWholeWithOtherHeader(changed: Uint8Array, at: number): boolean {
  const other = changed.slice();
  const isBeyond = (): boolean => (framesOf(other, 0)[0]?.end ?? 0) > at;
  other[0] = other[0] === DATA ? INTERNAL : DATA;
  if (isBeyond()) return true;
  other.set(changed.subarray(0, 1));
  for (let byte = 1; byte <= 4; byte++) {
    for (let value = 0; value < 256; value++) {
      other[byte] = value;
      if (isBeyond()) return true;
    }
    other.set(changed.subarray(0, FRAME_HEADER_SIZE));
  }
  return false;
}

/** Where a byte is after the edits; undefined if it was deleted. */
function afterEdits(edits: readonly Edit[], offset: number): number | undefined {
  let now = offset;
  for (const { at, deleted, inserted } of edits) {
    if (now < at) continue;
    if (now < at + deleted) return undefined;
    now += inserted - deleted;
  }
  return now;
}

/** Where a byte of a file is after the damage; undefined if it was deleted. */
function movedOffset({ edits }: Damaged, file: string, offset: number): number | undefined {
  return afterEdits(edits.get(file) ?? [], offset);
}

/** Whether a place is within an entry that is given: what is there is a part of that entry. */
function isWithin(given: Iterable<RecoveredEntry>, place: number): boolean {
  for (const { offset, length } of given) {
    if (offset < place && place < offset + FRAME_HEADER_SIZE + length) return true;
  }
  return false;
}

/** Compares what was found with what was there. */
function judge(
  log: RandomLog,
  damaged: Damaged,
  found: readonly Read[],
  fault: (what: string) => void,
): void {
  const { files, moved } = damaged;
  const byPlace = new Map<string, RecoveredEntry>();
  const missing = found.filter((item) => item.kind === "missing");
  const isHeadKnown = typeof headIndexOf(files.get(META)) !== "string";
  const truth = new Map(log.entries.map((entry) => [nowAt(damaged, entry), entry]));
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
    judgeEntry(log, damaged, isHeadKnown, item, truth.get(place), fault);
  }
  for (const entry of log.entries) {
    const item = byPlace.get(nowAt(damaged, entry));
    const isThere = isUntouched(log, damaged, entry);
    if (isThere && moved.has(entry.file) && item === undefined) {
      const ofFile = [...byPlace.values()].filter(({ path }) => path === entry.file);
      if (isWithin(ofFile, movedOffset(damaged, entry.file, entry.offset) ?? 0)) continue;
    }
    if (isThere && (item === undefined || item.isDropped === true)) {
      fault(`entry ${entry.index} of ${entry.file} at ${entry.offset} is not given`);
    }
    const isTold = missing.some(({ indexes }) =>
      indexes !== undefined && indexes.from <= entry.index && entry.index <= indexes.to
    );
    if (!isThere && item === undefined && !isTold && !mayBeUnknown(log, damaged, entry)) {
      fault(`nothing tells that entry ${entry.index} of ${entry.file} is missing`);
    }
  }
}

/** Where an entry is after the damage, as a key. */
function nowAt(damaged: Damaged, { file, offset }: PlacedEntry): string {
  return placeOf(file, movedOffset(damaged, file, offset) ?? -1);
}

function judgeEntry(
  log: RandomLog,
  damaged: Damaged,
  isHeadKnown: boolean,
  item: ReadEntry,
  entry: PlacedEntry | undefined,
  fault: (what: string) => void,
): void {
  const place = placeOf(item.path, item.offset);
  const { index, isFoundBySearch, isDropped, batch } = item;
  if (isDropped === true || damaged.moved.has(item.path)) return;
  if (entry === undefined) {
    const isDroppedBefore = isDroppedAt(log, damaged, place) || !isHeadKnown ||
      isDropped === "unknown";
    if (!isFoundBySearch && !isDroppedBefore) fault(`${place} is no entry, and is not marked`);
    return;
  }
  if (!sameBytes(item.data, entry.data)) fault(`entry ${entry.index} at ${place} is another`);
  if (index.from > entry.index || index.to < entry.index) {
    fault(`entry ${entry.index} at ${place} is given as ${index.from} to ${index.to}`);
  }
  const isAtomThere = isUntouched(log, damaged, {
    file: entry.file,
    offset: entry.atom[0]?.offset ?? entry.offset,
    end: entry.atom.at(-1)?.end ?? entry.end,
  });
  if (isAtomThere && batch === "incomplete") fault(`${place} is of a batch that is whole`);
  const isMarked = batch !== "whole" || isFoundBySearch;
  if (!isAtomThere && entry.atom.length > 1 && !isMarked) {
    fault(`${place} is of a broken batch, and is not marked`);
  }
}

/** Whether a truncation had dropped what is at a place. */
function isDroppedAt(log: RandomLog, damaged: Damaged, place: string): boolean {
  return log.physical.some((entry) =>
    log.dropped.has(placeOf(entry.file, entry.offset)) && nowAt(damaged, entry) === place
  );
}

/** Whether bytes of the log are whole, in one piece, wherever they are now. */
function isUntouched(
  log: RandomLog,
  damaged: Damaged,
  { file, offset, end }: { file: string; offset: number; end: number },
): boolean {
  const bytes = damaged.files.get(file);
  const from = movedOffset(damaged, file, offset);
  const last = movedOffset(damaged, file, end - 1);
  if (bytes === undefined || from === undefined || last === undefined) return false;
  if (last - from !== end - 1 - offset || last >= bytes.length) return false;
  const original = log.files.get(file) as Uint8Array;
  return sameBytes(bytes.subarray(from, last + 1), original.subarray(offset, end));
}

/** Whether nothing that is left can show an entry: what followed it is gone too. */
function mayBeUnknown(
  log: RandomLog,
  { files, moved }: Damaged,
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
