/**
 * A follower in another process, each of whose calls may meet a writer at work: what a writer did to
 * its files is recorded, and done again between the reader's calls, in another way for each seed.
 *
 * @module
 */
import { test } from "node:test";
import { assertEquals } from "@std/assert";
import { type File, type FileSystem, Wal } from "../mod.ts";
import { MemoryFileSystem } from "../src/fs/memory.ts";
import { type Random, seededRandom } from "../src/testing/random.ts";
import { like } from "./support/like.ts";
import { bytes, text } from "./support/logs.ts";

const PATH = "a.wal";
const OPTIONS = { segmentSize: 2000 };

/** From which entry on the writer replaces those that were there: within a segment, and all of one. */
const CUTS = [60, 32];
const LAST = 130;

/** Something that a writer does to its files, to be done to others again. */
type Change = (fileSystem: FileSystem, files: Map<number, File>) => void;

/** What a writer did, and what a follower has to see in the end. */
interface Recording {
  readonly cutAt: number;
  readonly changes: readonly Change[];
  /** How many of them come before the cut. */
  readonly beforeCut: number;
  readonly entries: ReadonlyMap<number, string>;
}

/** Lets a writer fill a few segments, cut two of them off, and go on. */
async function record(cutAt: number): Promise<Recording> {
  const changes: Change[] = [];
  const entries = new Map<number, string>();
  const memory = new MemoryFileSystem();
  let opened = 0;
  const fileSystem = like<FileSystem>(memory, {
    open: (path, mode) => {
      const file = memory.open(path, mode);
      const id = opened++;
      changes.push((to, files) => void files.set(id, to.open(path, mode)));
      return like<File>(file, {
        write: (data, offset, length = data.length) => {
          const copy = data.slice(0, length);
          changes.push((_, files) => files.get(id)?.write(copy, offset));
          file.write(copy, offset);
        },
        truncate: (size) => {
          changes.push((_, files) => files.get(id)?.truncate(size));
          file.truncate(size);
        },
      });
    },
    remove: (path) => {
      changes.push((to) => to.remove(path));
      memory.remove(path);
    },
  });
  const log = await Wal.open(PATH, { fileSystem, ...OPTIONS });
  const append = async (word: string, last: number): Promise<void> => {
    while (log.lastIndex < last) {
      const group = Array.from({ length: 1 + log.lastIndex % 4 }, (_, i) => {
        const index = log.lastIndex + 1 + i;
        const line = `${word} ${index} ${"x".repeat((log.lastIndex * 7) % 50)}`;
        entries.set(index, line);
        return bytes(line);
      });
      await log.appendBatchAndSync(group);
    }
  };
  await append("old", 100);
  const beforeCut = changes.length;
  await log.truncateFromIndex(cutAt);
  await append("new", LAST);
  await log.close();
  return { cutAt, changes, beforeCut, entries };
}

/** A file system on which the writer goes on before any call of the reader's. */
function workedOn(memory: MemoryFileSystem, goOn: () => void): FileSystem {
  return like<FileSystem>(memory, {
    open: (path, mode) => {
      goOn();
      const file = memory.open(path, mode);
      return like<File>(file, {
        read: (into, offset, length) => {
          goOn();
          return file.read(into, offset, length);
        },
        size: () => {
          goOn();
          return file.size();
        },
      });
    },
    list: (directory) => {
      goOn();
      return memory.list(directory);
    },
    watch: (_, onChange) => {
      const timer = setInterval(onChange, 1);
      return () => clearInterval(timer);
    },
  });
}

/** Follows while the writer does what was recorded; what was wrong with what was seen. */
async function follow(
  { cutAt, changes, beforeCut, entries }: Recording,
  random: Random,
): Promise<string[]> {
  const memory = new MemoryFileSystem();
  const files = new Map<number, File>();
  let done = 0;
  const step = (): void => changes[done++]?.(memory, files);
  for (const begin = random() < 0.5 ? 6 : beforeCut; done < begin;) step();
  const haste = 0.02 + random() / 2;
  const goOn = (): void => {
    if (random() >= haste) return;
    for (let n = Math.floor(random() ** 3 * 12); n >= 0; n--) step();
  };
  const log = await Wal.open(PATH, { fileSystem: workedOn(memory, goOn), readOnly: true });
  const timer = setInterval(goOn, 1);
  const seen = new Map<number, string>();
  const wrong: string[] = [];
  let isReplaced = false;
  for await (const { index, data } of log.follow()) {
    const line = text(data);
    isReplaced ||= line.startsWith("new");
    if (isReplaced && index >= cutAt && line.startsWith("old")) wrong.push(`${index}: ${line}`);
    seen.set(index, line);
    if (random() < 0.05) await new Promise((resolve) => setTimeout(resolve, 1));
    if (index === entries.size) break;
  }
  clearInterval(timer);
  await log.close();
  for (const [index, line] of entries) {
    if (seen.get(index) !== line) wrong.push(`${index}: ${seen.get(index)}, not ${line}`);
  }
  return wrong;
}

for (const cutAt of CUTS) {
  const what =
    `whenever the files change, a follower sees no entry again that a cut at ${cutAt} dropped`;
  test(what, { timeout: 120_000 }, async () => {
    const recording = await record(cutAt);
    for (let from = 0; from < 320; from += 40) {
      const wrong = await Promise.all(
        Array.from({ length: 40 }, (_, i) => follow(recording, seededRandom(from + i))),
      );
      assertEquals(wrong.flat(), []);
    }
  });
}
