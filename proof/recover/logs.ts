/**
 * Random logs to damage, and what each of their bytes is.
 *
 * @module
 */
import { Wal, type WalOptions } from "../../mod.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { readFile } from "../../kit/logs.ts";
import {
  BATCH,
  batchPayload,
  concat,
  DATA,
  durablePayload,
  type Files,
  firstIndexOf,
  type Frame,
  frame,
  framesOf,
  INTERNAL,
  PATH,
  sameBytes,
  SEAL,
  segmentsOf,
  withFixedId,
} from "../../kit/frames.ts";

/** An entry, and where it is. */
export interface PlacedEntry {
  readonly file: string;
  readonly offset: number;
  readonly end: number;
  readonly index: number;
  readonly data: Uint8Array;
  /** The frames that are one atom with it, the Batch frame first; only itself if it is alone. */
  readonly atom: readonly Frame[];
}

/** A log, and what it holds. */
export interface RandomLog {
  readonly files: Files;
  readonly entries: readonly PlacedEntry[];
  /** Those too that a truncation dropped and whose bytes are still there. */
  readonly physical: readonly PlacedEntry[];
  /** Entries that a truncation within a batch dropped, by file and offset. */
  readonly dropped: ReadonlySet<string>;
  readonly firstIndex: number;
}

/** A place in a file, as a key. */
export function placeOf(file: string, offset: number): string {
  return `${file} ${offset}`;
}

/** Random numbers from 0 up to a limit. */
export type Draw = (limit: number) => number;

/** Makes a random log. */
export async function randomLog(draw: Draw): Promise<RandomLog> {
  const fileSystem = new MemoryFileSystem();
  const begun1 = draw(4) === 0;
  let isVersion1 = begun1;
  const segmentSize = [256, 400, 1000, 3000, 20_000][draw(5)] as number;
  const options: WalOptions = { fileSystem, segmentSize, preallocate: draw(2) * 4096 };
  const sizes = [0, 20, 128 - 9, 300][draw(4)] as number;
  let log = await Wal.open(PATH, begun1 ? { ...options, format: 1 } : options);
  if (begun1) {
    for (let i = draw(12); i >= 0; i--) log.append(entry(draw, sizes));
    // It continues in version 2, in the next file.
    if (draw(2) === 0) {
      await log.close();
      log = await Wal.open(PATH, options);
      isVersion1 = false;
    }
  }
  for (let i = draw(30); i > 0; i--) await change(log, draw, sizes, segmentSize, isVersion1);
  if (draw(3) === 0) await log.sync();
  if (draw(3) > 0) await log.close();
  const files = new Map<string, Uint8Array>();
  for (const name of fileSystem.list(".")) {
    files.set(name, withFixedId(name, readFile(fileSystem, name)));
  }
  files.delete(`${PATH}.lock`);
  await log.close();
  return await describe(files);
}

async function change(
  log: Wal,
  draw: Draw,
  sizes: number,
  segmentSize: number,
  isVersion1: boolean,
): Promise<void> {
  switch (draw(10)) {
    case 0:
      await log.sync();
      break;
    case 1:
    case 2: {
      const batch = Array.from({ length: 2 + draw(4) }, () => entry(draw, Math.min(sizes, 40)));
      const size = batch.reduce((sum, { length }) => sum + 9 + length, 0);
      if (size + 100 < segmentSize && !isVersion1) log.appendBatch(batch);
      break;
    }
    case 3: {
      const last = log.lastIndex;
      if (draw(4) === 0 && last >= log.firstIndex) {
        await log.truncateFromIndex(last - draw(Math.min(4, last - log.firstIndex + 1)));
      }
      break;
    }
    case 4:
      if (draw(5) === 0 && !isVersion1 && log.lastIndex > log.firstIndex) {
        await log.truncateBeforeIndex(log.firstIndex + draw(log.lastIndex - log.firstIndex));
      }
      break;
    default:
      log.append(entry(draw, sizes));
  }
}

/** An entry: noise, zeros, or what looks like frames. */
function entry(draw: Draw, size: number): Uint8Array {
  const noise = (length: number): Uint8Array => new Uint8Array(length).map(() => draw(256));
  switch (draw(12)) {
    case 0:
      return new Uint8Array(draw(40));
    case 1:
      return frame(DATA, noise(draw(30)));
    case 2:
      return concat(noise(draw(9)), frame(DATA, noise(draw(20))), frame(DATA, noise(3)));
    case 3:
      return concat(frame(INTERNAL, durablePayload(1, 54, 54)), noise(draw(5)));
    case 4:
      return concat(
        frame(INTERNAL, batchPayload(2, 20)),
        frame(DATA, noise(1)),
        frame(DATA, noise(1)),
      );
    default:
      return noise(size === 119 ? size : draw(size + 1));
  }
}

/** Finds out what the files hold. */
async function describe(files: Files): Promise<RandomLog> {
  const fileSystem = new MemoryFileSystem();
  for (const [name, bytes] of files) {
    const file = fileSystem.open(name, "create");
    file.write(bytes, 0);
    file.close();
  }
  const log = await Wal.open(PATH, { fileSystem, readOnly: true });
  const entries: PlacedEntry[] = [];
  const physical: PlacedEntry[] = [];
  const dropped = new Set<string>();
  for (const file of segmentsOf(files)) {
    const bytes = files.get(file) as Uint8Array;
    let index = firstIndexOf(file) as number;
    let atom: Frame[] = [];
    let left = 0;
    const frames = framesOf(bytes);
    const seals = frames.filter(({ type, payload }) => type === INTERNAL && payload[0] === SEAL);
    const seal = seals.at(-1);
    const count = seal === undefined ? Infinity : new DataView(
      seal.payload.buffer,
      seal.payload.byteOffset,
    ).getUint32(1);
    const end = index + count;
    for (const found of frames) {
      const { type, offset, payload } = found;
      if (type === INTERNAL) {
        const isBatch = payload[0] === BATCH;
        atom = [found];
        left = isBatch ? new DataView(payload.buffer, payload.byteOffset).getUint32(1) : 0;
        continue;
      }
      if (left > 0) atom.push(found);
      else atom = [found];
      if (left > 0) left--;
      const entry = { file, offset, end: found.end, index, data: payload, atom };
      physical.push(entry);
      if (index >= end) dropped.add(placeOf(file, offset));
      else if (index >= log.firstIndex && index <= log.lastIndex) {
        if (!sameBytes(log.getEntry(index), payload)) throw new Error("The log is another");
        entries.push(entry);
      }
      index++;
    }
  }
  const { firstIndex, lastIndex } = log;
  await log.close();
  if (entries.length !== lastIndex - firstIndex + 1) throw new Error("The log has other entries");
  return { files, entries, physical, dropped, firstIndex };
}
