/**
 * The entry point that reads damaged logs: nothing hostile may make it hang, take memory, or give an
 * entry that is not in a file; and what a reader can read of a log, it must give under the same index.
 *
 * @module
 */
import { RecoveredLog } from "../../src/cli/recovered_log.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { Wal } from "../../src/wal.ts";
import { writeFile } from "../../kit/logs.ts";
import type { FuzzCase } from "./case.ts";
import { expected, require } from "./finding.ts";
import { type FileSet, LOG, REDO } from "./layout.ts";
import { Meter, MeteredFileSystem } from "./meter.ts";
import { allowance, equal, few, requireEntryAt, sizeOf, type Target } from "./target.ts";

/** What each of the three buffers takes beyond the size of a file. */
const BUFFER = 256 * 1024;

/** How often all bytes may be read: for the ends, the indexes, and what is looked at again. */
const PASSES = 400;

/** `wal recover`. */
export function recoverTarget(): Target {
  return { name: "recover", corpus: "logs", share: 300, run: recover };
}

async function recover({ files, settings }: FuzzCase): Promise<string> {
  const under = new MemoryFileSystem();
  for (const [name, content] of files) writeFile(under, name, content);
  const meter = new Meter(allowance(sizeOf(files), PASSES, BUFFER));
  const fileSystem = new MeteredFileSystem(under, meter);
  const given = new Map<number, Uint8Array[]>();
  let [entries, exact, missing] = [0, 0, 0];
  let outcome = "";
  try {
    const log = await RecoveredLog.create(fileSystem, LOG, settings.maxEntrySize, true);
    for (const item of log.read()) {
      if (item.kind === "missing") missing++;
      if (item.kind !== "entry") continue;
      entries++;
      const data = item.read();
      // What a redo file puts in place of a tail is at no offset of the segment.
      if (!files.has(REDO)) requireEntryAt(files.get(item.path) ?? data, item.offset, data);
      const { from, to } = item.index;
      require(from >= 1 && from <= to, `an index from ${from} to ${to}`);
      if (from !== to) continue;
      exact++;
      given.set(from, [...given.get(from) ?? [], data]);
    }
  } catch (error) {
    outcome = expected(error);
  }
  meter.check();
  const read = files.has(REDO) ? [] : await entriesOf(files, settings);
  for (const { index, data } of read) {
    const isGiven = given.get(index)?.some((other) => equal(other, data)) ?? false;
    require(isGiven, `entry ${index}, which a reader has, is not recovered`);
  }
  return `${outcome} ${few(entries)} ${few(exact)} ${few(missing)} ${few(read.length)}`;
}

/** What a reader can read of a log; nothing if it does not open or an entry of it is damaged. */
async function entriesOf(
  files: FileSet,
  settings: FuzzCase["settings"],
): Promise<{ index: number; data: Uint8Array }[]> {
  const fileSystem = new MemoryFileSystem();
  for (const [name, content] of files) writeFile(fileSystem, name, content);
  try {
    const log = await Wal.open(LOG, { ...settings, readOnly: true, fileSystem });
    try {
      return [...log.entries()].map(({ index, data }) => ({ index, data: data.slice() }));
    } finally {
      await log.close();
    }
  } catch (error) {
    expected(error);
    return [];
  }
}
