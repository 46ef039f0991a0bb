/**
 * The entry points on whole logs: open for writing and for reading, the command line's reading, and
 * the storage of a Raft node.
 *
 * @module
 */
import { inspectLog } from "../../src/cli/inspection.ts";
import { Verification } from "../../src/cli/verification.ts";
import { CorruptionError, SyncFailedError, WalError } from "../../src/errors.ts";
import type { FrameChecksum } from "../../src/format/checksum.ts";
import { MemoryFileSystem } from "../../src/fs/adapters/memory.ts";
import { RaftStorage } from "../../src/raft/raft.ts";
import type { Recovery } from "../../src/opening/open.ts";
import { Wal } from "../../src/wal.ts";
import { readFile, writeFile } from "../../kit/logs.ts";
import type { FuzzCase } from "./case.ts";
import { expected, Finding, require } from "./finding.ts";
import { type FileSet, LOG, REDO } from "./layout.ts";
import { Meter, MeteredFileSystem } from "./meter.ts";
import { isLog } from "./reference.ts";
import { isInMiddle, isReplaced, mayBeForeign, settle } from "./replacement.ts";
import { allowance, equal, few, requireEntryIn, sizeOf, type Target } from "./target.ts";

/** Buffers that are taken whatever the files' size. */
const BUFFER = 128 * 1024;

/** What `wal verify` and `wal inspect` take whatever the files' size. */
const TOOL_BUFFER = 8 * 1024 * 1024 + BUFFER;

/** What came of a file that has a name of the log's and is not the log's. */
const NOT_OURS = /^write WalError: "" (has the name of|is no segment|states a replacement)/;

/** How often the bytes of a log's files may be read. */
const PASSES = 60;

/** The largest index of an entry. */
const LAST_INDEX = 2 ** 53 - 2;

/** How many entries are read of each end. */
const READ = 60;

/** The entry that is appended to a log that was opened. */
const APPENDED = new Uint8Array([7]);

/** A log's files, in a file system and as they were at first. */
class Loaded {
  readonly under = new MemoryFileSystem();
  readonly fileSystem: MeteredFileSystem;
  readonly #meter: Meter;
  readonly #files: FileSet;

  constructor(files: FileSet, passes: number = PASSES, buffer: number = BUFFER) {
    const { bytes, reads } = allowance(sizeOf(files), passes, BUFFER);
    this.#meter = new Meter({ bytes, reads, buffer: 2 * sizeOf(files) + buffer });
    this.fileSystem = new MeteredFileSystem(this.under, this.#meter);
    this.#files = files;
    for (const [name, content] of files) writeFile(this.under, name, content);
  }

  /** The bytes of a file now. */
  read(name: string): Uint8Array {
    return readFile(this.under, name);
  }

  /** Finds fault if a file is not as it was, or as it is to be. */
  requireFiles(after: string, files: FileSet = this.#files): void {
    for (const name of this.under.list(".")) {
      require(files.has(name), `${after}: the file "${name}" is new`);
    }
    for (const [name, bytes] of files) {
      require(this.under.list(".").includes(name), `${after}: the file "${name}" is gone`);
      require(equal(this.read(name), bytes), `${after}: the file "${name}" is another`);
    }
  }

  /** Whether the redo file, if there is one, is as it was. */
  isAsBefore(): boolean {
    const redo = this.#files.get(REDO);
    return redo !== undefined && this.under.list(".").includes(REDO);
  }

  check(): void {
    this.#meter.check();
  }
}

/** An entry as it was read, or the gist of why not. */
type Read = Uint8Array | string;

/** Reads entries, in both ways. */
function readEntries(log: Wal): Map<number, Read> {
  const found = new Map<number, Read>();
  const { firstIndex, lastIndex } = log;
  const indexes = new Set<number>();
  for (let i = 0; i < READ && firstIndex + i <= lastIndex; i++) {
    indexes.add(firstIndex + i).add(lastIndex - i);
  }
  for (const index of indexes) {
    try {
      found.set(index, log.getEntry(index));
    } catch (error) {
      found.set(index, expected(error));
    }
  }
  try {
    let index = firstIndex;
    for (const entry of log.entries()) {
      require(entry.index === index++, `entry ${entry.index} where ${index - 1} should be`);
      const alone = found.get(entry.index);
      const isSame = alone === undefined || (typeof alone !== "string" && equal(alone, entry.data));
      require(isSame, `two reads of entry ${entry.index} differ`);
      found.set(entry.index, entry.data);
    }
    require(
      index === lastIndex + 1,
      `the entries end before ${index}, and not after ${lastIndex}`,
    );
  } catch (error) {
    expected(error);
  }
  return found;
}

/** `Wal.open` to write, and what can be done with a log that it opens. */
export function openTarget(): Target {
  return { name: "open", corpus: "logs", share: 3_000, run: openToWrite };
}

/** `Wal.open` to read, which looks again and again at files that may be changing, and so takes long. */
export function viewTarget(): Target {
  return { name: "view", corpus: "logs", share: 300, waits: true, run: openToRead };
}

async function openToRead({ files, settings }: FuzzCase): Promise<string> {
  // A reader looks at the files again where an entry cannot be read, at each of them.
  const loaded = new Loaded(files, 4 * PASSES);
  const { fileSystem } = loaded;
  let outcome: string;
  try {
    const log = await Wal.open(LOG, { ...settings, readOnly: true, fileSystem });
    require(!isInMiddle(files), "a file was read in the middle of a replacement");
    for (const data of readEntries(log).values()) {
      if (typeof data !== "string") requireEntryIn(files, data);
    }
    require(
      log.durableIndex <= log.lastIndex,
      `durable up to ${log.durableIndex} of ${log.lastIndex}`,
    );
    outcome = `read ${log.recovery.case} ${few(log.lastIndex - log.firstIndex + 1)}`;
    await log.close();
  } catch (error) {
    outcome = `read ${expected(error)}`;
  }
  loaded.check();
  loaded.requireFiles("opened to read");
  return outcome;
}

/**
 * With a redo file, the log must become what it becomes of the files that the redo file makes of the
 * others: an interrupted replacement is finished first, and all else is the same.
 */
async function openToWrite({ files, settings }: FuzzCase): Promise<string> {
  const { outcome, entries } = await tryToWrite(files, settings);
  if (!files.has(REDO) || isRefusedAtOnce(files)) return outcome;
  if (NOT_OURS.test(outcome) && mayBeForeign(files)) return outcome;
  const made = settle(files);
  const settled = await tryToWrite(made, settings);
  // One that is refused may be refused for another reason first.
  const isSame = outcome === settled.outcome || (isRefusedAtOnce(made) && entries.size === 0);
  require(
    isSame,
    `with a redo file: ${outcome}; with the files that it makes: ${settled.outcome}`,
  );
  requireSame(settled.entries, entries);
  return `${outcome} replaced ${isReplaced(files)}`;
}

/** Whether the log's own path is no log, which is looked at before the redo file. */
function isRefusedAtOnce(files: FileSet): boolean {
  return !isLog(files.get(LOG) ?? new Uint8Array(0));
}

/** What came of opening to write, and the entries of the log. */
interface Tried {
  readonly outcome: string;
  readonly entries: ReadonlyMap<number, Read>;
}

async function tryToWrite(files: FileSet, settings: FuzzCase["settings"]): Promise<Tried> {
  const loaded = new Loaded(files);
  const { fileSystem } = loaded;
  const settled = settle(files);
  let log: Wal;
  try {
    log = await Wal.open(LOG, { ...settings, fileSystem });
  } catch (error) {
    const outcome = expected(error);
    loaded.check();
    require(!(error instanceof SyncFailedError), `no sync failed: ${outcome}`);
    if (settings.recovery === "default") {
      // What is refused is left as it was, but for a replacement that was finished before.
      const isAsBefore = isRefusedAtOnce(files) || loaded.isAsBefore();
      if (isAsBefore && !isRefusedAtOnce(files)) require(mayBeForeign(files), outcome);
      const left = isAsBefore ? files : settled;
      loaded.requireFiles(`refused (${outcome.slice(0, 110)})`, left);
    }
    return { outcome: `write ${outcome}`, entries: new Map() };
  }
  const { recovery } = log;
  requireNoRedo(loaded);
  requireKept(settled, loaded, recovery);
  const before = readEntries(log);
  for (const data of before.values()) if (typeof data !== "string") requireEntryIn(settled, data);
  const isAtEnd = log.lastIndex === LAST_INDEX;
  const index = isAtEnd ? requireEnd(log) : appendOne(log);
  if (!isAtEnd) before.set(index, APPENDED);
  await log.sync();
  await log.close();
  loaded.check();

  requireNoRedo(loaded);
  const again = await reopened(loaded, settings);
  require(again.lastIndex === index, `the last index is ${again.lastIndex} and not ${index}`);
  requireSame(before, readEntries(again));
  await again.close();
  requireNoRedo(loaded);
  const { case: name, created, setAside } = recovery;
  const outcome = `write ${name} ${created} ${setAside === undefined} ${few(before.size)} ` +
    [...before.values()].filter((data) => typeof data === "string").slice(0, 1).join();
  return { outcome, entries: before };
}

/** Finds fault if there is still a redo file. */
function requireNoRedo({ under }: Loaded): void {
  require(!under.list(".").includes(REDO), "the redo file of an open log is still there");
}

/** Finds fault if bytes that recovery cut off are not where it says. */
function requireKept(
  files: FileSet,
  loaded: Loaded,
  { segment, offset, bytesCut, setAside, case: name }: Recovery,
): void {
  const before = files.get(segment);
  if (before === undefined) return;
  const cut = before.subarray(offset);
  if (setAside !== undefined) {
    require(equal(loaded.read(setAside), cut), "the bytes that were set aside are not those cut");
  }
  const mustKeep = (name === "C" || name === "D") && bytesCut > 0;
  require(!mustKeep || setAside !== undefined, `${bytesCut} bytes of case ${name} were not kept`);
}

/** Finds fault if a log that has no index left takes an entry; returns the last index. */
function requireEnd(log: Wal): number {
  try {
    log.append(APPENDED);
  } catch (error) {
    expected(error);
    return log.lastIndex;
  }
  throw new Finding("an entry was appended after the last index that there is");
}

/** Appends an entry; returns its index. */
function appendOne(log: Wal): number {
  try {
    const index = log.append(APPENDED);
    require(Number.isSafeInteger(index), `an entry got the index ${index}`);
    return index;
  } catch (error) {
    throw new Finding(`a log that was opened cannot be appended to: ${expected(error)}`);
  }
}

/** Opens again what was closed. */
async function reopened(loaded: Loaded, settings: FuzzCase["settings"]): Promise<Wal> {
  const { maxEntrySize } = settings;
  try {
    const log = await Wal.open(LOG, { maxEntrySize, fileSystem: loaded.under });
    const { case: name, bytesCut } = log.recovery;
    require(name === "A" && bytesCut === 0, `a log that was closed is case ${name}`);
    return log;
  } catch (error) {
    throw new Finding(`a log that was closed cannot be opened: ${expected(error)}`, {
      cause: error,
    });
  }
}

function requireSame(before: ReadonlyMap<number, Read>, after: ReadonlyMap<number, Read>): void {
  for (const [index, data] of before) {
    const now = after.get(index);
    // Only the ends of a long log were read.
    if (now === undefined && index < Math.max(...after.keys())) continue;
    const isSame = typeof data === "string"
      ? typeof now === "string"
      : now !== undefined && typeof now !== "string" && equal(data, now);
    require(
      isSame,
      `entry ${index} is another after a reopen: ${String(data)}, now ${String(now)}`,
    );
  }
}

/** `wal inspect` and `wal verify`, and whether opening agrees with them. */
export function commandsTarget(checksum: FrameChecksum): Target {
  return {
    name: "commands",
    corpus: "logs",
    share: 200,
    async run({ files, settings }) {
      const { maxEntrySize } = settings;
      const loaded = new Loaded(files, PASSES, TOOL_BUFFER);
      let inspected: string;
      try {
        const { recovery, broken } = inspectLog(loaded.fileSystem, LOG, checksum, maxEntrySize);
        inspected = broken === null ? `case ${recovery.case}` : "broken";
      } catch (error) {
        inspected = expected(error);
      }
      const damage: string[] = [];
      const notes: string[] = [];
      let verified: string;
      try {
        const verification = await Verification.create(loaded.fileSystem, LOG, maxEntrySize, {
          damage: ({ what }) => void damage.push(what),
          note: (line) => void notes.push(line),
        });
        for (const bytes of verification.run()) require(bytes >= 0, "progress goes back");
        verified = damage.length === 0 ? "intact" : "damaged";
      } catch (error) {
        verified = expected(error);
      }
      loaded.check();
      loaded.requireFiles("inspected");
      // Without its last file, which was never in use, a log continues in one that was to be
      // removed.
      const isLeft = /below the head[^]*never in use/.test(notes.join("\n"));
      // The files are looked at as they are, and opening replaces one first.
      if (verified === "intact" && !isLeft && !isReplaced(files)) {
        await requireOpens(files, maxEntrySize);
      }
      return `${inspected} ${verified} ${notes.length} ` +
        damage.slice(0, 1).map((what) =>
          what.replaceAll(/[0-9a-f]*\d[0-9a-f]*/g, "#").slice(0, 50)
        );
    },
  };
}

/** A log without reported damage opens, and gives all its entries. */
async function requireOpens(files: FileSet, maxEntrySize: number): Promise<void> {
  const { fileSystem } = new Loaded(files);
  try {
    const log = await Wal.open(LOG, { maxEntrySize, fileSystem });
    const unread = [...readEntries(log).values()].filter((data) => typeof data === "string");
    await log.close();
    require(unread.length === 0, `verify says intact, and an entry cannot be read: ${unread[0]}`);
  } catch (error) {
    const gist = expected(error);
    require(!(error instanceof CorruptionError), `verify says intact, and open: ${gist}`);
  }
}

/** The storage of a Raft node. */
export function raftTarget(): Target {
  return {
    name: "raft",
    corpus: "raft",
    share: 500,
    async run({ files, settings }) {
      const loaded = new Loaded(files);
      const { recovery, segmentSize } = settings;
      const options = { recovery, segmentSize, fileSystem: loaded.fileSystem };
      let storage: RaftStorage;
      try {
        storage = await RaftStorage.open(LOG, options);
      } catch (error) {
        loaded.check();
        return expected(error);
      }
      const { recovery: { case: name }, firstIndex, lastIndex } = storage;
      let term = 0;
      try {
        readTerms(storage);
        term = Math.max(1, storage.lastTerm);
        const { firstIndex: index } = await storage.append([{ term, data: APPENDED }]);
        require(index === lastIndex + 1, `the entry after ${lastIndex} got the index ${index}`);
        await storage.close();
      } catch (error) {
        throw new Finding(`a storage that was opened cannot be appended to: ${expected(error)}`);
      }
      loaded.check();
      requireNoRedo(loaded);
      try {
        const again = await RaftStorage.open(LOG, { fileSystem: loaded.under });
        require(again.lastIndex === lastIndex + 1, "the last index is another after a reopen");
        require(again.lastTerm === term, "the last term is another after a reopen");
        await again.close();
      } catch (error) {
        // Between two terms that are one, entries need not be looked at, until one is appended.
        const isForeign = error instanceof WalError && error.code === "ERR_WAL_FORMAT";
        if (!isForeign && !(error instanceof CorruptionError)) {
          throw new Finding(`a storage that was closed cannot be opened: ${expected(error)}`);
        }
      }
      return `raft ${name} ${few(lastIndex - firstIndex + 1)} ${files.has(REDO)}`;
    },
  };
}

/** Reads all entries, and what is known of their terms. */
function readTerms(storage: RaftStorage): void {
  try {
    for (const { index } of storage.entries()) storage.term(index);
  } catch (error) {
    // Rot, and entries that no Raft node wrote, are reported when they are read.
    expected(error);
  }
}
